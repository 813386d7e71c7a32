"""R0BF, RISC Zero's program file: a user ELF and the kernel ELF that it runs under.

Layout: magic, u32 version 1, u32 header length, header, u32 user length, user ELF, kernel ELF.
The header is a count and that many length-prefixed attributes; the only known one is the ABI
version.

Source: RISC Zero, risc0-binfmt 3.0.5, elf.rs (ProgramBinary).
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from localbento.errors import UsageError

MAGIC: Final = b"R0BF"
FORMAT_VERSION: Final = 1


class R0bfRule(StrEnum):
    """Why a program file is refused."""

    SHORT = "r0bf-short"
    MAGIC = "r0bf-magic"
    VERSION = "r0bf-version"
    HEADER_SHORT = "r0bf-header-short"
    HEADER_TRAILING = "r0bf-header-trailing"
    HEADER_ATTRIBUTES = "r0bf-header-attributes"
    EMPTY_USER = "r0bf-empty-user"
    EMPTY_KERNEL = "r0bf-empty-kernel"
    ABI = "r0bf-abi"
    """The executor's own check: for another platform, or a version that we cannot run."""


class R0bfError(UsageError):
    """This program file cannot be read or run; `rule` says which rule it breaks."""

    def __init__(self, rule: R0bfRule, detail: str) -> None:
        """The message is the rule's name, then the detail."""
        super().__init__(f"{rule.value}: {detail}")
        self.rule = rule
        self.detail = detail


class AbiKind(StrEnum):
    """What the program expects to find; the order is that of the file's numbers."""

    V1_COMPAT = "V1Compat"
    LINUX = "Linux"


@dataclass(frozen=True, slots=True)
class ProgramFile:
    """The contents of an R0BF file.  The ELFs have not been looked at."""

    user: bytes
    kernel: bytes
    abi_kind: AbiKind = AbiKind.V1_COMPAT
    abi_version: str = "1.0.0"

    def require_runnable(self) -> None:
        """Refuse what an executor refuses; computing an image ID does not ask this.

        Raises:
            R0bfError: the kind is not V1Compat, or the version is not 1.x.y without a pre-release
            part.
        """
        if self.abi_kind is not AbiKind.V1_COMPAT:
            detail = f"expected ABI {AbiKind.V1_COMPAT.value}, found {self.abi_kind.value}"
            raise R0bfError(R0bfRule.ABI, detail)
        match = _SEMANTIC_VERSION.fullmatch(self.abi_version)
        if match is None or match["major"] != "1" or match["pre"] is not None:
            detail = f"expected ABI version 1.x.y, found {self.abi_version!r}"
            raise R0bfError(R0bfRule.ABI, detail)


_NUMBER: Final = r"(?:0|[1-9][0-9]*)"
_PRE: Final = rf"(?:{_NUMBER}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
_SEMANTIC_VERSION: Final = re.compile(
    rf"(?P<major>{_NUMBER})\.(?P<minor>{_NUMBER})\.(?P<patch>{_NUMBER})"
    rf"(?:-(?P<pre>{_PRE}(?:\.{_PRE})*))?(?:\+[0-9A-Za-z-]+(?:\.[0-9A-Za-z-]+)*)?"
)


def decode_program_file(data: bytes) -> ProgramFile:
    """Read an R0BF file.

    Raises:
        R0bfError: with the first rule that the file breaks.
    """
    reader = _Reader(data, R0bfRule.SHORT, "file")
    magic = reader.take(4, "magic")
    if magic != MAGIC:
        raise R0bfError(R0bfRule.MAGIC, f"expected {MAGIC.hex()}, found {magic.hex()}")
    version = reader.u32("format version")
    if version != FORMAT_VERSION:
        detail = f"expected format version {FORMAT_VERSION}, found {version}"
        raise R0bfError(R0bfRule.VERSION, detail)
    kind, abi_version = _decode_header(reader.take(reader.u32("header length"), "header"))
    user = reader.take(reader.u32("user ELF length"), "user ELF")
    kernel = reader.rest()
    if not user:
        raise R0bfError(R0bfRule.EMPTY_USER, "the user ELF is empty")
    if not kernel:
        raise R0bfError(R0bfRule.EMPTY_KERNEL, "the kernel ELF is empty")
    return ProgramFile(user, kernel, kind, abi_version)


def encode_program_file(program: ProgramFile) -> bytes:
    """Write an R0BF file as RISC Zero's tools do.

    Raises:
        ValueError: if an ELF is empty or the version is not a semantic one, so that the file could
        not be
            read back.
    """
    version = program.abi_version.encode()
    if not program.user or not program.kernel or not _is_version(program.abi_version):
        msg = "a program file needs two ELFs and a semantic version"
        raise ValueError(msg)
    kind = list(AbiKind).index(program.abi_kind)
    value = bytes([0, kind]) + _varint(len(version)) + version
    header = _u32(1) + _u32(len(value)) + value
    start = MAGIC + _u32(FORMAT_VERSION) + _u32(len(header)) + header
    return start + _u32(len(program.user)) + program.user + program.kernel


def _u32(value: int) -> bytes:
    return value.to_bytes(4, "little")


def _varint(value: int) -> bytes:
    groups = bytearray()
    while value > 0x7F:
        groups.append(value & 0x7F | 0x80)
        value >>= 7
    groups.append(value)
    return bytes(groups)


class _Reader:
    """Takes bytes from the front; running out is an error of the given rule."""

    def __init__(self, data: bytes, rule: R0bfRule, what: str) -> None:
        self._data, self._position, self._rule, self._what = data, 0, rule, what

    def take(self, count: int, field: str) -> bytes:
        end = self._position + count
        if end > len(self._data):
            detail = f"{field} ends at {end}, the {self._what} at {len(self._data)}"
            raise R0bfError(self._rule, detail)
        taken = self._data[self._position : end]
        self._position = end
        return taken

    def u32(self, field: str) -> int:
        return int.from_bytes(self.take(4, field), "little")

    def rest(self) -> bytes:
        return self._data[self._position :]


def _decode_header(header: bytes) -> tuple[AbiKind, str]:
    """The one ABI version among the attributes; attributes that do not decode are skipped."""
    reader = _Reader(header, R0bfRule.HEADER_SHORT, "header")
    count = reader.u32("attribute count")
    values = [reader.take(reader.u32(f"attribute {i}"), f"attribute {i}") for i in range(count)]
    if reader.rest():
        detail = f"{len(reader.rest())} bytes after the last attribute"
        raise R0bfError(R0bfRule.HEADER_TRAILING, detail)
    found = [abi for value in values if (abi := _decode_attribute(value)) is not None]
    if len(found) != 1:
        detail = f"expected one ABI version, found {len(found)}"
        raise R0bfError(R0bfRule.HEADER_ATTRIBUTES, detail)
    return found[0]


def _decode_attribute(value: bytes) -> tuple[AbiKind, str] | None:
    """Variant 0 of the attribute enumeration, or None.  Bytes after it are ignored."""
    variant, position = _read_varint(value, 0, bits=32)
    kind, position = _read_varint(value, position, bits=32)
    length, position = _read_varint(value, position, bits=64)
    kinds = list(AbiKind)
    if variant != 0 or kind is None or kind >= len(kinds) or length is None:
        return None
    if position + length > len(value):
        return None
    try:
        version = value[position : position + length].decode()
    except UnicodeDecodeError:
        return None
    return (kinds[kind], version) if _is_version(version) else None


def _is_version(text: str) -> bool:
    match = _SEMANTIC_VERSION.fullmatch(text)
    if match is None:
        return False
    numbers = (match["major"], match["minor"], match["patch"])
    # 2^64 has 20 digits; the length is asked first so that a huge number costs nothing.
    return all(len(number) <= 20 and int(number) < 1 << 64 for number in numbers)


def _read_varint(value: bytes, position: int, bits: int) -> tuple[int | None, int]:
    """A number of 7 bits a byte, low first, and the position after it; None if cut or too big."""
    result = 0
    for group in range(-(-bits // 7)):
        if position >= len(value):
            return None, position
        byte = value[position]
        position += 1
        result |= (byte & 0x7F) << 7 * group
        if not byte & 0x80:
            return (result if result < 1 << bits else None), position
    return None, position
