"""Rules of the loaders beyond the recorded files, and what a loaded program says of itself."""

import hashlib
import struct
import subprocess
import sys

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localbento.errors import UsageError
from localbento.riscv import abi
from localbento.riscv.elf import combined_image, load_bare, load_guest, load_program
from localbento.riscv.elf_file import (
    KERNEL_LIMIT,
    USER_LIMIT,
    ElfError,
    ElfFile,
    ElfRule,
    LoadSegment,
    read_elf,
)
from localbento.riscv.r0bf import (
    AbiKind,
    ProgramFile,
    R0bfError,
    R0bfRule,
    decode_program_file,
    encode_program_file,
)

Header = tuple[int, int, int, int, int]


def elf(*headers: Header, entry: int = 0x20_0800, body: bytes = b"") -> bytes:
    """An ELF with program headers (type, offset, vaddr, filesz, memsz) and a body after them."""
    ident = bytes.fromhex("7f454c46010101") + bytes(9)
    table = b"".join(
        struct.pack("<8I", kind, offset, addr, addr, file_size, memory_size, 5, 4)
        for kind, offset, addr, file_size, memory_size in headers
    )
    fixed = struct.pack("<HHIIIIIHHHHHH", 2, 243, 1, entry, 52, 0, 0, 52, 32, len(headers), 40, 0, 0)
    return ident + fixed + table + body


def load(*headers: Header, body: bytes = bytes(16), limit: int = USER_LIMIT) -> ElfFile:
    return read_elf(elf(*headers, body=body), limit)


def refused(*headers: Header, limit: int = USER_LIMIT) -> ElfRule:
    with pytest.raises(ElfError) as caught:
        load(*headers, limit=limit)
    return caught.value.rule


@pytest.mark.parametrize(
    ("header", "rule"),
    [
        ((1, 84, 0x1000, 0xC000_0000, 4), ElfRule.BAD_FILESZ),
        ((1, 84, 0x1000, 0xC000_0000, 0xC000_0000), ElfRule.BAD_FILESZ),
        ((1, 84, 0x1001, 4, 0xC000_0000), ElfRule.BAD_MEMSZ),
        ((1, 84, 0x1001, 4, 4), ElfRule.UNALIGNED_VADDR),
        ((1, 84, 0xC000_0000, 4, 4), ElfRule.OVER_MAX),
        ((1, 84, 0xBFFF_FFFC, 4, 5), ElfRule.OVER_MAX),
        # The first bad word decides: over the limit in word 1, bytes missing in word 4 (16 bytes).
        ((1, 84, 0xBFFF_FFFC, 20, 20), ElfRule.OVER_MAX),
        # Bytes missing in word 4, over the limit in word 5.
        ((1, 84, 0xBFFF_FFEC, 24, 24), ElfRule.FILE_RANGE),
        # Both in word 4.
        ((1, 84, 0xBFFF_FFF0, 24, 24), ElfRule.OVER_MAX),
        ((1, 84, 0x1000, 17, 20), ElfRule.FILE_RANGE),
        ((1, 100, 0x1000, 1, 1), ElfRule.FILE_RANGE),
        ((1, 0xFFFF_FFFF, 0x1000, 1, 1), ElfRule.FILE_RANGE),
    ],
)
def test_segment_rules(header: Header, rule: ElfRule) -> None:
    assert refused(header) is rule


@pytest.mark.parametrize(
    ("header", "rule"),
    [
        ((1, 84, 0xFFFF_FFFC, 4, 5), ElfRule.VADDR_OVERFLOW),
        ((1, 84, 0x1000, 4, 0xFFFF_FFFF), ElfRule.BAD_MEMSZ),
        ((1, 84, 0x1000, 4, 0xFFFF_FFFE), ElfRule.VADDR_OVERFLOW),
    ],
)
def test_segment_rules_of_kernels(header: Header, rule: ElfRule) -> None:
    assert refused(header, limit=KERNEL_LIMIT) is rule


@pytest.mark.parametrize(
    "header",
    [
        (1, 84, 0xBFFF_FFFC, 4, 4),
        (1, 84, 0xBFFF_FFF0, 16, 16),
        (1, 0xFFFF_FFFF, 0x1000, 0, 64),
        (1, 84, 0xFFFF_FFFC, 4, 0),
        (1, 84, 0x1000, 100, 16),
        (2, 0xFFFF_FFFF, 3, 0xFFFF_FFFF, 0xFFFF_FFFF),
    ],
)
def test_segments_that_load(header: Header) -> None:
    assert len(load(header).segments) == (header[0] == 1)


def test_a_last_word_takes_file_bytes_past_memsz() -> None:
    segment = load((1, 84, 0x1000, 8, 5), body=bytes(range(1, 17))).segments[0]
    assert segment == LoadSegment(0x1000, bytes(range(1, 9)), 2)


def test_zeros_of_a_gigabyte_of_bss_cost_nothing() -> None:
    image = load_bare(
        elf((1, 84, 0x20_0800, 16, 0xBFD0_0000), body=b"\x13" * 16),
        elf((1, 84, 0xC000_0000, 16, 16), entry=0xC000_0000, body=b"\x13" * 16),
    ).image
    assert len(image.pages) == 4


def test_bss_zeros_replace_what_the_kernel_put_there() -> None:
    kernel = ElfFile(0xC000_0000, (LoadSegment(0x1_0000, b"kern" * 64, 64),))
    user = ElfFile(0x20_0800, (LoadSegment(0x1_0008, b"user", 3),))
    image = combined_image(user, kernel)
    assert image.read_word(0x1_0000) == 0x20_0800
    assert image.read_bytes(0x1_0004, 24) == b"kern" + b"user" + bytes(8) + b"kern" * 2
    assert image.read_word(abi.SUSPEND_PC) == 0xC000_0000
    assert image.read_word(abi.SUSPEND_MODE) == 1


def test_order_of_user_and_kernel_errors() -> None:
    good, bad = elf((1, 84, 0x1000, 16, 16), body=bytes(16)), elf(entry=2)
    with pytest.raises(ElfError, match="bad-entry: user ELF: "):
        load_bare(bad, b"")
    with pytest.raises(ElfError, match="elf-short-ident: kernel ELF: "):
        load_bare(good, b"")


def test_header_table_limits() -> None:
    assert read_elf(elf(*[(0, 0, 0, 0, 0)] * 256), USER_LIMIT).segments == ()
    with pytest.raises(ElfError) as caught:
        read_elf(elf(*[(0, 0, 0, 0, 0)] * 257), USER_LIMIT)
    assert caught.value.rule is ElfRule.TOO_MANY_SEGMENTS


@settings(max_examples=300)
@given(st.data())
def test_any_bytes_load_or_give_a_named_error(data: st.DataObject) -> None:
    good = bytearray(elf((1, 84, 0x20_0800, 16, 64), (1, 100, 0x20_1000, 4, 4), body=bytes(20)))
    for _ in range(data.draw(st.integers(1, 4))):
        good[data.draw(st.integers(0, 115))] = data.draw(st.integers(0, 255))
    cut = bytes(good[: data.draw(st.integers(0, len(good)))]) if data.draw(st.booleans()) else good
    try:
        loaded = read_elf(bytes(cut), USER_LIMIT)
    except ElfError as error:
        assert str(error).startswith(error.rule.value)  # noqa: PT017
    else:
        for segment in loaded.segments:
            assert len(segment.data) <= 4 * segment.words <= USER_LIMIT
            assert segment.addr + 4 * segment.words <= USER_LIMIT + 3


@settings(max_examples=300)
@given(st.data())
def test_any_bytes_are_a_program_file_or_give_a_named_error(data: st.DataObject) -> None:
    good = bytearray(encode_program_file(ProgramFile(b"user", b"kernel")))
    for _ in range(data.draw(st.integers(0, 3))):
        good[data.draw(st.integers(0, len(good) - 1))] = data.draw(st.integers(0, 255))
    cut = bytes(good[: data.draw(st.integers(0, len(good)))])
    try:
        program = decode_program_file(cut)
    except R0bfError as error:
        assert str(error).startswith(error.rule.value)  # noqa: PT017
    else:
        assert decode_program_file(encode_program_file(program)) == program


@pytest.mark.parametrize(
    ("kind", "version", "runs"),
    [
        (AbiKind.V1_COMPAT, "1.0.0", True),
        (AbiKind.V1_COMPAT, "1.99.7", True),
        (AbiKind.V1_COMPAT, "1.0.0+build.5", True),
        (AbiKind.V1_COMPAT, "1.0.1-rc.1", False),
        (AbiKind.V1_COMPAT, "0.9.0", False),
        (AbiKind.V1_COMPAT, "2.0.0", False),
        (AbiKind.V1_COMPAT, "10.0.0", False),
        (AbiKind.LINUX, "1.0.0", False),
    ],
)
def test_what_an_executor_refuses(kind: AbiKind, version: str, runs: bool) -> None:
    file = encode_program_file(
        ProgramFile(elf((1, 84, 0x20_0800, 16, 16), body=bytes(16)), elf(entry=0xC000_0000), kind, version)
    )
    program = load_program(file)
    if runs:
        program.require_runnable()
    else:
        with pytest.raises(R0bfError) as caught:
            program.require_runnable()
        assert caught.value.rule is R0bfRule.ABI


@pytest.mark.parametrize(
    "version", ["1", "1.0", "1.0.0.0", "01.0.0", "1.0.0-", "1.0.0-a..b", "1.0.0-01", "v1.0.0", "1.0.0+"]
)
def test_what_is_no_semantic_version(version: str) -> None:
    with pytest.raises(ValueError, match="semantic version"):
        encode_program_file(ProgramFile(b"u", b"k", AbiKind.V1_COMPAT, version))


@pytest.mark.parametrize(("number", "fits"), [((1 << 64) - 1, True), (1 << 64, False)])
def test_numbers_of_a_version_have_64_bits(number: int, fits: bool) -> None:
    file = ProgramFile(b"u", b"k", AbiKind.V1_COMPAT, f"1.{number}.0")
    if fits:
        assert decode_program_file(encode_program_file(file)) == file
    else:
        with pytest.raises(ValueError, match="semantic version"):
            encode_program_file(file)


@pytest.mark.parametrize("data", [b"", b"\x00asm\x01", b"#!/bin/sh\n", b"R0B"])
def test_what_is_no_guest_at_all(data: bytes) -> None:
    with pytest.raises(UsageError, match="expected an R0BF program"):
        load_guest(data)


def test_a_program_knows_its_kernel() -> None:
    user = elf((1, 84, 0x20_0800, 16, 16), body=bytes(16))
    kernel = elf((1, 84, 0xC000_0000, 16, 16), entry=0xC000_0004, body=bytes(16))
    bare = load_bare(user, kernel)
    assert (bare.user_entry, bare.kernel_entry) == (0x20_0800, 0xC000_0004)
    assert bare.kernel_sha256 == hashlib.sha256(kernel).hexdigest()
    assert bare.file is None
    bare.require_runnable()
    wrapped = load_program(encode_program_file(ProgramFile(user, kernel)))
    assert wrapped.image_id() == bare.image_id()


def test_an_image_id_needs_no_compiler() -> None:
    """`bento image-id` must start at once: nothing heavy is imported on its way."""
    script = (
        "import sys\n"
        "from localbento.riscv.memory_image import MemoryImage\n"
        "from localbento.riscv.elf import load_guest\n"
        "MemoryImage().image_id()\n"
        "print([m for m in ('numba', 'llvmlite', 'localbento_kernels', 'asyncio') if m in sys.modules])"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
