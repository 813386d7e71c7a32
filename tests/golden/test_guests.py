"""Fixtures and kernel are what their sources make: ELFs, compliance programs, inputs, journals, image IDs."""

import hashlib
import importlib.util
import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from localbento.riscv.elf import load_guest
from localbento.riscv.kernel import KERNEL_PATH, kernel_elf

FIXTURES = Path(__file__).parents[2] / "fixtures"
COMPILER = "clang version 14.0.6"
KERNEL_SHA256 = "a7684d76e341dba98ee982cc33edd468f12311aebe5405e266003de5082a9a3d"


def script(path: str) -> ModuleType:
    """A script of fixtures/ as a module."""
    spec = importlib.util.spec_from_file_location(Path(path).stem, FIXTURES / path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[spec.name] = module  # dataclasses look their module up
    sys.path.insert(0, str((FIXTURES / path).parent))
    try:
        spec.loader.exec_module(module)
    finally:
        sys.path.pop(0)
    return module


build = script("build.py")
GUESTS = {guest.name: guest for guest in build.guests()}


def compiler() -> str:
    tools = ("clang", "ld.lld")
    if any(shutil.which(tool) is None for tool in tools):
        return "none"
    return subprocess.run(["clang", "--version"], capture_output=True, text=True, check=True).stdout.splitlines()[0]


same_compiler = pytest.mark.skipif(COMPILER not in compiler(), reason=f"rebuilding needs {COMPILER} and its lld")
native = pytest.mark.skipif(shutil.which("cc") is None, reason="native journals need a C compiler")


def test_kernel_is_the_one_in_every_image_id() -> None:
    assert hashlib.sha256(kernel_elf()).hexdigest() == KERNEL_SHA256


@same_compiler
def test_kernel_rebuilds_to_the_same_bytes(tmp_path: Path) -> None:
    subprocess.run([KERNEL_PATH.with_name("build.sh"), tmp_path / "kernel.elf"], check=True)
    assert (tmp_path / "kernel.elf").read_bytes() == kernel_elf()


@same_compiler
def test_kernel_rebuilds_the_same_elsewhere(tmp_path: Path) -> None:
    """No path of the tree gets into the bytes."""
    shutil.copytree(KERNEL_PATH.parent, tmp_path / "some where else")
    subprocess.run([tmp_path / "some where else" / "build.sh", tmp_path / "kernel.elf"], check=True)
    assert (tmp_path / "kernel.elf").read_bytes() == kernel_elf()


def test_kernel_layout() -> None:
    """Text and constants read-only from 0xC000_0000; two vector words; no segment that is written."""
    elf = kernel_elf()
    entry, table = struct.unpack_from("<II", elf, 24)
    (count,) = struct.unpack_from("<H", elf, 44)
    segments = [struct.unpack_from("<8I", elf, table + 32 * i) for i in range(count)]
    assert entry == 0xC0000000
    assert [segment[2] for segment in segments] == [0xC0000000, 0xFFFF1000, 0xFFFF2000]
    assert [segment[5] for segment in segments[1:]] == [4, 4]
    assert all(segment[6] & 2 == 0 for segment in segments)
    assert len(elf) < 5000


@same_compiler
@pytest.mark.parametrize("name", GUESTS)
def test_guest_rebuilds_to_the_same_bytes(name: str, tmp_path: Path) -> None:
    build.build_guest(GUESTS[name], tmp_path / "guest.elf")
    assert (tmp_path / "guest.elf").read_bytes() == GUESTS[name].elf.read_bytes()


@same_compiler
@pytest.mark.parametrize("name", ["add", "beq", "ecall", "jal", "traps/mret", "traps/unknown_name"])
def test_compliance_program_rebuilds_to_the_same_bytes(name: str, tmp_path: Path) -> None:
    build.build_compliance(build.COMPLIANCE / f"{name}.S", tmp_path / "program.elf")
    assert (tmp_path / "program.elf").read_bytes() == (build.COMPLIANCE / f"{name}.elf").read_bytes()


@pytest.mark.parametrize("generator", ["generate", "generate_traps"])
def test_compliance_sources_are_what_the_generator_writes(generator: str, tmp_path: Path) -> None:
    module = script(f"compliance/{generator}.py")
    place = build.COMPLIANCE if generator == "generate" else build.COMPLIANCE / "traps"
    setattr(module, "HERE" if generator == "generate" else "TRAPS", tmp_path)
    module.main()
    written = {path.name: path.read_text() for path in tmp_path.iterdir()}
    present = {path.name: path.read_text() for path in [*place.glob("*.S"), *place.glob("*.json")]}
    assert written == present
    assert {path.stem for path in place.glob("*.S")} == {path.stem for path in place.glob("*.elf")}


@pytest.mark.parametrize("name", GUESTS)
def test_guest_folder_is_complete(name: str) -> None:
    guest = GUESTS[name]
    expected = {guest.elf.name, guest.source.name, "input.bin", "image_id.txt"}
    expected |= set() if guest.panic else {"journal.bin"}
    assert {path.name for path in guest.folder.iterdir()} - {"run.json"} == expected
    assert guest.elf.stat().st_size < 16384


@native
@pytest.mark.parametrize("name", GUESTS)
def test_journal_is_the_native_one(name: str, tmp_path: Path) -> None:
    assert build.check(GUESTS[name], tmp_path) is None


@native
def test_a_wrong_journal_is_noticed(tmp_path: Path) -> None:
    folder = tmp_path / "hello"
    shutil.copytree(GUESTS["hello"].folder, folder)
    (folder / "journal.bin").write_bytes(b"hello, wOrld\n")
    wrong = build.Guest(name="hello", folder=folder, source=folder / "hello.c")
    assert "journal 68656c6c6f2c20776f726c640a" in build.check(wrong, tmp_path)


@pytest.mark.parametrize("name", GUESTS)
def test_image_id(name: str) -> None:
    guest = GUESTS[name]
    assert load_guest(guest.elf.read_bytes()).image_id().hex() == (guest.folder / "image_id.txt").read_text().strip()


@pytest.mark.parametrize("name", sorted(set(GUESTS) - {"ecdsa", "rsa"}))
def test_input_is_what_the_script_writes(name: str) -> None:
    assert script("inputs.py").INPUTS[name]() == (GUESTS[name].folder / "input.bin").read_bytes()


def input_and_journal(name: str) -> tuple[bytes, bytes]:
    folder = GUESTS[name].folder
    return (folder / "input.bin").read_bytes(), (folder / "journal.bin").read_bytes()


def integer(data: bytes) -> int:
    return int.from_bytes(data, "little")


def test_sha256_journals() -> None:
    for name in ("sha256_soft", "sha256_call"):
        data, journal = input_and_journal(name)
        digest = hashlib.sha256(data[4:]).digest()
        for _ in range(integer(data[:4]) - 1):
            digest = hashlib.sha256(digest).digest()
        assert journal == digest


def test_modpow_and_fibonacci_journals() -> None:
    data, journal = input_and_journal("modpow")
    assert struct.unpack_from("<3I", data) == (1, 16, 2)
    modulus, base, exponent = integer(data[12:76]), integer(data[76:140]), integer(data[140:148])
    assert integer(journal) == pow(base, exponent, modulus)
    data, journal = input_and_journal("fibonacci")
    a, b = 0, 1
    for _ in range(integer(data)):
        a, b = b, a + b
    assert journal == data + (a % 2**64).to_bytes(8, "little")


def test_chess_and_regex_journals() -> None:
    """2039: the number in the literature for this position; the regex counts were taken with Python's `re`."""
    assert struct.unpack("<Q", input_and_journal("chess")[1]) == (2039,)
    import re

    data, journal = input_and_journal("regex")
    patterns, lines = data[4:].decode().split("\n\n", 1)
    counts = [sum(re.search(p, line) is not None for line in lines.split("\n")) for p in patterns.split("\n")]
    assert list(struct.unpack(f"<{len(counts)}I", journal)) == counts


def test_json_journal() -> None:
    import json

    data, journal = input_and_journal("json")
    strings: list[str] = []
    total = numbers = 0

    def walk(value: object) -> None:
        nonlocal total, numbers
        if isinstance(value, str):
            strings.append(value)
        elif isinstance(value, dict):
            for key, item in value.items():
                strings.append(key)
                walk(item)
        elif isinstance(value, list):
            for item in value:
                walk(item)
        elif isinstance(value, (int, float)) and not isinstance(value, bool):
            numbers += 1
            total += value if isinstance(value, int) else 0

    walk(json.loads(data[4:]))
    found = struct.unpack_from("<7I", journal)
    assert (found[0], found[3], found[4]) == (1, len(strings), numbers)
    assert journal[28:60] == hashlib.sha256(b"".join(text.encode() + b"\0" for text in strings)).digest()
    assert integer(journal[60:68]) == total % 2**64


def test_serde_journal() -> None:
    """Read by the project's own decoder."""
    from localbento.claim.serde import decode
    from localbento.claim.serde_json import schema_from_json, value_to_json

    types = {"count": "u32", "total": "u64", "name": "str", "values": {"vec": "u32"}, "flag": {"option": "bool"}}
    schema = schema_from_json({"struct": [list(pair) for pair in types.items()]})
    found = value_to_json(schema, decode(schema, input_and_journal("serde")[1]))
    values = [0, 3, 5, 77, 77, 0xFFFFFFFF]
    assert found == {
        "count": 42,
        "total": 2**40 + sum(values),
        "name": "tseug",
        "values": values,
        "flag": {"some": False},
    }


@native
def test_keccak_of_nothing_is_the_known_one(tmp_path: Path) -> None:
    folder = tmp_path / "keccak"
    shutil.copytree(GUESTS["keccak"].folder, folder)
    (folder / "input.bin").write_bytes(struct.pack("<I", 1))
    guest = build.Guest(name="keccak", folder=folder, source=folder / "keccak.c")
    journal, code, _ = build.native_run(guest, tmp_path)
    assert code == 0
    assert journal.hex() == "c5d2460186f7233c927e7db2dcc703c0e500b653ca82273b7bfad8045d85a470"


@native
@pytest.mark.parametrize(("name", "at", "text"), [("rsa", 300, "rsa"), ("ecdsa", 70, "ecdsa"), ("ecdsa", 10, "ecdsa")])
def test_a_bad_signature_panics(name: str, at: int, text: str, tmp_path: Path) -> None:
    folder = tmp_path / name
    shutil.copytree(GUESTS[name].folder, folder)
    data = bytearray((folder / "input.bin").read_bytes())
    data[at] ^= 1
    (folder / "input.bin").write_bytes(data)
    guest = build.Guest(name=name, folder=folder, source=folder / f"{name}.c")
    journal, code, message = build.native_run(guest, tmp_path)
    assert (journal, code) == (b"", 101)
    assert message.strip() == f"Guest panicked: {text}: the signature does not hold"


@native
def test_guest_arguments_reach_it(tmp_path: Path) -> None:
    """The native environment holds what run.json says and nothing of the caller's."""
    os.environ["GREETING"] = "not this one"
    try:
        journal, _, _ = build.native_run(GUESTS["environment"], tmp_path)
    finally:
        del os.environ["GREETING"]
    assert journal == b"first\nsecond argument\nhello from the host\n"
