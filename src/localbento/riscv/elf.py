"""From a guest file to a program: an R0BF file, or a bare ELF under our own kernel."""

import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final

from localbento.errors import UsageError
from localbento.riscv import abi
from localbento.riscv.elf_file import (
    KERNEL_LIMIT,
    USER_LIMIT,
    ElfError,
    ElfFile,
    LoadSegment,
    read_elf,
)
from localbento.riscv.memory_image import MemoryImage
from localbento.riscv.memory_tree import MemoryHasher
from localbento.riscv.r0bf import MAGIC, ProgramFile, decode_program_file

OWN_KERNEL: Final = "bento_kernel.elf"
"""Package data in localbento.riscv.kernel: the kernel that bare ELFs run under."""


@dataclass(frozen=True, slots=True)
class Program:
    """A program ready to run: the memory image at the start, and where it came from."""

    image: MemoryImage
    user_entry: int
    kernel_entry: int
    kernel_sha256: str
    """Hex; it tells which kernel this is, and so which host protocol it speaks."""
    file: ProgramFile | None
    """The R0BF file, or None for a bare ELF."""

    def image_id(self, hasher: MemoryHasher | None = None) -> bytes:
        """The image ID, 32 bytes."""
        return self.image.image_id(hasher)

    def require_runnable(self) -> None:
        """Refuse what RISC Zero's executor refuses before the first instruction.

        Raises:
            R0bfError: the file is for another ABI.
        """
        if self.file is not None:
            self.file.require_runnable()


def load_guest(data: bytes) -> Program:
    """A program from whatever a guest file is: R0BF, or a bare ELF under our own kernel.

    Raises:
        R0bfError, ElfError: the file breaks a rule of its format.
        UsageError: it is neither.
    """
    if data[:4] == MAGIC:
        return load_program(data)
    if data[:4] == b"\x7fELF":
        return load_bare(data, own_kernel())
    found = data[:4].hex() or "an empty file"
    msg = f"expected an R0BF program (52304246) or an ELF (7f454c46), found {found}"
    raise UsageError(msg)


def load_program(data: bytes) -> Program:
    """The program in an R0BF file.

    Raises:
        R0bfError, ElfError: the file, or an ELF in it, breaks a rule.
    """
    file = decode_program_file(data)
    return _load_pair(file.user, file.kernel, file)


def load_bare(elf: bytes, kernel_elf: bytes) -> Program:
    """A user ELF under a given kernel.

    Raises:
        ElfError: one of them breaks a rule; the user ELF is looked at first.
    """
    return _load_pair(elf, kernel_elf, None)


def own_kernel() -> bytes:
    """The ELF of our own kernel, from the package's data."""
    return (Path(__file__).with_name("kernel") / OWN_KERNEL).read_bytes()


def user_image(elf: ElfFile) -> MemoryImage:
    """The image of a user program alone."""
    image = MemoryImage()
    _store(image, elf.segments)
    image.write_word(abi.USER_ENTRY_ADDR, elf.entry)
    return image


def kernel_image(elf: ElfFile) -> MemoryImage:
    """The image of a kernel alone."""
    image = MemoryImage()
    _store(image, elf.segments)
    _store_start(image, elf)
    return image


def combined_image(user: ElfFile, kernel: ElfFile) -> MemoryImage:
    """The image that a program starts from.

    COMPAT: every word that the user ELF wrote, zeros of its BSS included, replaces the kernel's;
    then the kernel's entry goes where the machine starts.  (The newer loader merges by pages; image
    IDs of deployed guests are those of this one.)
    """
    image = MemoryImage()
    _store(image, kernel.segments)
    _store(image, user.segments)
    image.write_word(abi.USER_ENTRY_ADDR, user.entry)
    _store_start(image, kernel)
    return image


def _load_pair(user: bytes, kernel: bytes, file: ProgramFile | None) -> Program:
    user_elf = _read(user, USER_LIMIT, "user")
    kernel_elf = _read(kernel, KERNEL_LIMIT, "kernel")
    return Program(
        image=combined_image(user_elf, kernel_elf),
        user_entry=user_elf.entry,
        kernel_entry=kernel_elf.entry,
        kernel_sha256=hashlib.sha256(kernel).hexdigest(),
        file=file,
    )


def _read(data: bytes, limit: int, which: str) -> ElfFile:
    try:
        return read_elf(data, limit)
    except ElfError as error:
        raise ElfError(error.rule, f"{which} ELF: {error.detail}") from error


def _store(image: MemoryImage, segments: Iterable[LoadSegment]) -> None:
    for segment in segments:
        image.write_words(segment.addr, segment.data)
        written = len(segment.data) // abi.WORD_BYTES
        if segment.words > written:
            start = segment.addr + len(segment.data)
            image.zero_words(start, segment.words - written)


def _store_start(image: MemoryImage, kernel: ElfFile) -> None:
    image.write_word(abi.SUSPEND_PC, kernel.entry)
    image.write_word(abi.SUSPEND_MODE, abi.MODE_MACHINE)
