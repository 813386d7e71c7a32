"""The kernel that a bare ELF runs on: prebuilt, with its source beside it.

It offers the user-level system calls of RISC Zero's released kernels (generation B: dispatch on
t0, software calls on t6) and speaks their host protocol (READ with the address of a name, then the
pair of result words with fd 0).  See README.md in this folder.
"""

from pathlib import Path
from typing import Final

KERNEL_PATH: Final = Path(__file__).with_name("bento_kernel.elf")


def kernel_elf() -> bytes:
    """The kernel's ELF file, as the image ID of every bare guest includes it."""
    return KERNEL_PATH.read_bytes()
