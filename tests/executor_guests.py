"""Guests for tests of the executor: fixtures by name, and programs from words."""

import io
import json
import struct
from dataclasses import dataclass, field
from pathlib import Path

from localbento.claim.assumption import Assumption
from localbento.claim.claim import ReceiptClaim
from localbento.executor import ExecutorInput
from localbento.riscv import abi
from localbento.riscv.elf import Program, load_guest
from localbento.riscv.memory_image import MemoryImage

FIXTURES = Path(__file__).parent.parent / "fixtures"
GUESTS = FIXTURES / "guests"
NAMES = sorted(path.name for path in GUESTS.iterdir() if path.is_dir())
USER_CODE = 0x0020_0000
KERNEL_CODE = 0x0001_0004


@dataclass
class Guest:
    """A fixture and what is said about its run."""

    name: str
    stdout: io.BytesIO = field(default_factory=io.BytesIO)
    stderr: io.BytesIO = field(default_factory=io.BytesIO)

    @property
    def folder(self) -> Path:
        return GUESTS / self.name

    @property
    def run(self) -> dict:
        path = self.folder / "run.json"
        return json.loads(path.read_text()) if path.exists() else {}

    @property
    def program(self) -> Program:
        return load_guest((self.folder / f"{self.name}.elf").read_bytes())

    @property
    def journal(self) -> bytes:
        return (self.folder / "journal.bin").read_bytes()

    @property
    def image_id(self) -> str:
        return (self.folder / "image_id.txt").read_text().strip()

    def given(self, **changes) -> ExecutorInput:
        """Its input; `verify` gets the claim that it asks for."""
        stdin = (self.folder / "input.bin").read_bytes()
        assumptions = [hello_assumption(stdin)] if self.name == "verify" else []
        usual = {
            "stdin": stdin, "args": self.run.get("args", []), "env": self.run.get("env", {}),
            "assumptions": assumptions, "seed": b"test", "stdout": self.stdout, "stderr": self.stderr,
        }  # fmt: skip
        return ExecutorInput(**(usual | changes))


def hello_assumption(stdin: bytes) -> Assumption:
    """The claim that guest `verify` reads: an image ID, a length, a journal."""
    return Assumption(ReceiptClaim.ok(stdin[:32], stdin[36:]).digest(), bytes(32))


def program(words: dict[int, list[int]], entry: int = KERNEL_CODE, *, kernel_sha256: str = "") -> Program:
    """Machine code from words by start address, started in machine mode."""
    image = MemoryImage()
    for start, values in words.items():
        image.write_words(start, struct.pack(f"<{len(values)}I", *values))
    image.write_word(abi.SUSPEND_PC, entry)
    image.write_word(abi.SUSPEND_MODE, abi.MODE_MACHINE)
    return Program(image, entry, entry, kernel_sha256, None)
