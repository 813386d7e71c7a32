"""An ELF file as the platform reads it: which files are refused, and what the rest loads.

The rules are those of the released loader ("3.x"): order and strictness matter, because a file that
another tool accepts must be accepted here with the same image, and the other way round.  pyelftools
reads the structures; the checks are ours, since pyelftools is laxer in places and raises other
errors in others.

Source: RISC Zero, risc0-binfmt 3.0.5, elf.rs (Program::load_elf), on top of the crate elf 0.7.
"""

import io
from dataclasses import dataclass
from enum import StrEnum
from typing import Any, Final

from elftools.common.utils import struct_parse
from elftools.elf.structs import ELFStructs

from localbento.errors import UsageError
from localbento.riscv import abi

USER_LIMIT: Final = abi.USER_END
"""User programs: addresses below."""
KERNEL_LIMIT: Final = 0xFFFF_FFFF
"""Kernels: the released loader's limit.  The last word, at 0xFFFF_FFFC, is below it."""
MAX_PROGRAM_HEADERS: Final = 256


class ElfRule(StrEnum):
    """Why an ELF file is refused."""

    SHORT_IDENT = "elf-short-ident"
    MAGIC = "elf-magic"
    IDENT_VERSION = "elf-ident-version"
    IDENT_CLASS = "elf-ident-class"
    IDENT_DATA = "elf-ident-data"
    SHORT_HEADER = "elf-short-header"
    SECTION_TABLE = "elf-section-table"
    PROGRAM_TABLE = "elf-program-table"
    NOT_32_BIT = "not-32-bit"
    NOT_RISCV = "not-riscv"
    NOT_EXECUTABLE = "not-executable"
    BAD_ENTRY = "bad-entry"
    NO_SEGMENT_TABLE = "no-segment-table"
    TOO_MANY_SEGMENTS = "too-many-segments"
    BAD_FILESZ = "bad-filesz"
    BAD_MEMSZ = "bad-memsz"
    UNALIGNED_VADDR = "unaligned-vaddr"
    VADDR_OVERFLOW = "vaddr-overflow"
    OVER_MAX = "over-max"
    FILE_RANGE = "file-range"


class ElfError(UsageError):
    """This ELF file cannot be loaded; `rule` says which rule it breaks."""

    def __init__(self, rule: ElfRule, detail: str) -> None:
        """The message is the rule's name, then the detail."""
        super().__init__(f"{rule.value}: {detail}")
        self.rule = rule
        self.detail = detail


@dataclass(frozen=True, slots=True)
class LoadSegment:
    """What one PT_LOAD header puts into memory: whole words from `addr` on.

    `data` are the file's bytes, padded with zeros to whole words; then zeros up to `words` words.
    The zeros overwrite what an earlier segment, or the kernel, has put there.
    """

    addr: int
    data: bytes
    words: int


@dataclass(frozen=True, slots=True)
class ElfFile:
    """An accepted ELF: entry point and segments, in table order (later ones overwrite)."""

    entry: int
    segments: tuple[LoadSegment, ...]


def read_elf(data: bytes, limit: int) -> ElfFile:
    """Check and read an ELF file.

    Args:
        data: the whole file.
        limit: `USER_LIMIT` or `KERNEL_LIMIT`.

    Raises:
        ElfError: with the first rule that the file breaks.
    """
    structs = _check_ident(data)
    header = _parse(structs.Elf_Ehdr, data, 0)
    _check_section_table(data, structs, header)
    programs = _check_program_table(data, structs, header)
    if structs.elfclass != 32:
        raise ElfError(ElfRule.NOT_32_BIT, "expected a 32-bit ELF, found a 64-bit one")
    if header["e_machine"] != "EM_RISCV":
        detail = f"expected machine EM_RISCV, found {header['e_machine']}"
        raise ElfError(ElfRule.NOT_RISCV, detail)
    if header["e_type"] != "ET_EXEC":
        detail = f"expected type ET_EXEC (linked statically), found {header['e_type']}"
        raise ElfError(ElfRule.NOT_EXECUTABLE, detail)
    entry: int = header["e_entry"]
    if entry >= limit or entry % abi.WORD_BYTES:
        detail = f"entry {entry:#010x} is not a multiple of 4 below {limit:#010x}"
        raise ElfError(ElfRule.BAD_ENTRY, detail)
    if header["e_phoff"] == 0:
        raise ElfError(ElfRule.NO_SEGMENT_TABLE, "the file has no program headers")
    if programs > MAX_PROGRAM_HEADERS:
        detail = f"{programs} program headers, at most {MAX_PROGRAM_HEADERS} are allowed"
        raise ElfError(ElfRule.TOO_MANY_SEGMENTS, detail)
    segments = []
    for index in range(programs):
        position = header["e_phoff"] + index * structs.Elf_Phdr.sizeof()
        program = _parse(structs.Elf_Phdr, data, position)
        if program["p_type"] == "PT_LOAD":
            segments.append(_load_segment(data, program, index, limit))
    return ElfFile(entry, tuple(segments))


def _parse(struct: Any, data: bytes, position: int) -> Any:
    return struct_parse(struct, io.BytesIO(data), position)


def _check_ident(data: bytes) -> Any:
    """Rules 1 to 6; the structures of the file's class."""
    if len(data) < 16:
        detail = f"expected at least 16 bytes, found {len(data)}"
        raise ElfError(ElfRule.SHORT_IDENT, detail)
    if data[:4] != b"\x7fELF":
        raise ElfError(ElfRule.MAGIC, f"expected 7f454c46, found {data[:4].hex()}")
    if data[6] != 1:
        raise ElfError(ElfRule.IDENT_VERSION, f"expected ELF version 1, found {data[6]}")
    if data[4] not in (1, 2):
        raise ElfError(ElfRule.IDENT_CLASS, f"expected ELF class 1 or 2, found {data[4]}")
    if data[5] != 1:
        detail = f"expected little-endian data (1), found {data[5]}"
        raise ElfError(ElfRule.IDENT_DATA, detail)
    structs = ELFStructs(little_endian=True, elfclass=32 * data[4])
    structs.create_basic_structs()
    structs.create_advanced_structs("ET_EXEC", "EM_RISCV", "ELFOSABI_SYSV")
    size = structs.Elf_Ehdr.sizeof()
    if len(data) < size:
        detail = f"expected a header of {size} bytes, found {len(data)} bytes"
        raise ElfError(ElfRule.SHORT_HEADER, detail)
    return structs


def _check_section_table(data: bytes, structs: Any, header: Any) -> None:
    """Rule 7: sections are not used, but a table that is announced must lie in the file."""
    offset, count = header["e_shoff"], header["e_shnum"]
    if offset == 0:
        return
    size = structs.Elf_Shdr.sizeof()
    if count == 0:
        count = _first_section(data, structs, offset, ElfRule.SECTION_TABLE)["sh_size"]
    _check_table(data, ElfRule.SECTION_TABLE, (offset, count, size, header["e_shentsize"]))


def _check_program_table(data: bytes, structs: Any, header: Any) -> int:
    """Rule 8; the number of program headers."""
    offset, count = header["e_phoff"], header["e_phnum"]
    if offset == 0:
        return 0
    size = structs.Elf_Phdr.sizeof()
    if count == 0xFFFF:
        first = _first_section(data, structs, header["e_shoff"], ElfRule.PROGRAM_TABLE)
        count = first["sh_info"]
    _check_table(data, ElfRule.PROGRAM_TABLE, (offset, count, size, header["e_phentsize"]))
    return int(count)


def _first_section(data: bytes, structs: Any, offset: int, rule: ElfRule) -> Any:
    """The section header that holds a count too big for the ELF header."""
    end = offset + structs.Elf_Shdr.sizeof()
    if end > len(data):
        detail = f"first section header ends at {end}, the file at {len(data)}"
        raise ElfError(rule, detail)
    return _parse(structs.Elf_Shdr, data, offset)


def _check_table(data: bytes, rule: ElfRule, table: tuple[int, int, int, int]) -> None:
    offset, count, size, found_size = table
    if found_size != size:
        raise ElfError(rule, f"expected entries of {size} bytes, found {found_size}")
    if offset + count * size > len(data):
        detail = f"{count} entries end at {offset + count * size}, the file at {len(data)}"
        raise ElfError(rule, detail)


def _load_segment(data: bytes, program: Any, index: int, limit: int) -> LoadSegment:
    addr, offset = program["p_vaddr"], program["p_offset"]
    file_size, memory_size = program["p_filesz"], program["p_memsz"]
    where = f"segment {index}"
    if file_size >= limit:
        raise ElfError(ElfRule.BAD_FILESZ, f"{where}: p_filesz is {file_size:#x}")
    if memory_size >= limit:
        raise ElfError(ElfRule.BAD_MEMSZ, f"{where}: p_memsz is {memory_size:#x}")
    if addr % abi.WORD_BYTES:
        detail = f"{where}: p_vaddr {addr:#010x} is not a multiple of 4"
        raise ElfError(ElfRule.UNALIGNED_VADDR, detail)
    _check_words(len(data), program, where, limit)
    words = -(-memory_size // abi.WORD_BYTES)
    taken = data[offset : offset + min(file_size, words * abi.WORD_BYTES)]
    padded = taken + bytes(-len(taken) % abi.WORD_BYTES)
    return LoadSegment(addr, padded, words)


def _check_words(size: int, program: Any, where: str, limit: int) -> None:
    """The rule that the first bad word of a segment breaks.

    The platform goes word by word, and asks of each: is its address above 2^32, is it beyond the
    limit, are its file bytes in the file.  So the first word that fails any of them decides.
    """
    addr, offset, file_size = program["p_vaddr"], program["p_offset"], program["p_filesz"]
    missing = max(size - offset, 0) // abi.WORD_BYTES * abi.WORD_BYTES
    # For each rule, the first word (as a byte distance from p_vaddr) that breaks it.
    first = (
        ((1 << 32) - addr, ElfRule.VADDR_OVERFLOW, "the segment goes beyond 2^32"),
        (
            max(-(-limit // abi.WORD_BYTES) * abi.WORD_BYTES - addr, 0),
            ElfRule.OVER_MAX,
            f"the segment goes beyond {limit:#010x}",
        ),
        (
            missing if offset + file_size > size and missing < file_size else program["p_memsz"],
            ElfRule.FILE_RANGE,
            f"{file_size} bytes at {offset} are not in the file of {size}",
        ),
    )
    distance, rule, detail = min(first, key=lambda item: item[0])
    if distance < program["p_memsz"]:
        raise ElfError(rule, f"{where}: {detail}")
