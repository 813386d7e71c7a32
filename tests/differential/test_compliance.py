"""The project's kernel, the compliance programs and the small guests on the plain reference machine.

The host here is a dozen lines of its own, so that nothing of the executor is needed to trust the fixtures.
"""

import hashlib
import json
import struct
from collections.abc import Callable, Sequence
from itertools import chain
from pathlib import Path
from typing import NoReturn

import pytest

from localbento.executor.syscalls import keccak
from localbento.riscv import abi
from localbento.riscv.decode import decode
from localbento.riscv.elf import load_guest
from localbento.riscv.isa import BY_MNEMONIC
from localbento.riscv.reference import Machine, MachineError

FIXTURES = Path(__file__).parents[2] / "fixtures"
COMPLIANCE = FIXTURES / "compliance"
PROGRAMS = sorted(path.stem for path in COMPLIANCE.glob("*.S"))
TRAPS = json.loads((COMPLIANCE / "traps" / "expected.json").read_text())
EMPTY_OUTPUT = bytes.fromhex("836f175c62c0f353831665427e8b0b34f6d1d21902764daeb406c6b83db575b0")
MASK = 0xFFFFFFFF


class Refused(Exception):
    """What the host does not do; the text says what."""


def refuse(what: str) -> NoReturn:
    raise Refused(what)


class Panic(Exception):
    """The guest's own."""


class Words(dict[int, int]):
    """Memory, a word at a time."""

    def read_word(self, addr: int) -> int:
        return self.get(addr, 0)

    def write_word(self, addr: int, value: int) -> None:
        self[addr] = value & MASK

    def byte(self, addr: int) -> int:
        return self.get(addr & ~3, 0) >> 8 * (addr & 3) & 0xFF

    def read(self, addr: int, count: int) -> bytes:
        return bytes(self.byte(addr + i) for i in range(count))

    def put_bytes(self, addr: int, data: bytes) -> None:
        for i, value in enumerate(data, addr):
            shift = 8 * (i & 3)
            self[i & ~3] = self.get(i & ~3, 0) & ~(0xFF << shift) | value << shift


def sha256_compress(state: list[int], block: bytes, constants: list[int]) -> list[int]:
    def turn(x: int, by: int) -> int:
        return (x >> by | x << (32 - by)) & MASK

    w = list(struct.unpack(">16I", block))
    for i in range(16, 64):
        low = turn(w[i - 15], 7) ^ turn(w[i - 15], 18) ^ w[i - 15] >> 3
        high = turn(w[i - 2], 17) ^ turn(w[i - 2], 19) ^ w[i - 2] >> 10
        w.append((w[i - 16] + low + w[i - 7] + high) & MASK)
    a, b, c, d, e, f, g, h = state
    for i in range(64):
        s1, choice = turn(e, 6) ^ turn(e, 11) ^ turn(e, 25), (e & f) ^ (~e & g)
        first = h + s1 + choice + constants[i] + w[i]
        second = (turn(a, 2) ^ turn(a, 13) ^ turn(a, 22)) + ((a & b) ^ (a & c) ^ (b & c))
        a, b, c, d, e, f, g, h = (first + second) & MASK, a, b, c, (d + first) & MASK, e, f, g
    return [(x + y) & MASK for x, y in zip(state, (a, b, c, d, e, f, g, h), strict=True)]


class Host:
    """Machine calls, and the system calls that the programs here make."""

    def __init__(self, stdin: bytes = b"", lie: int = 0) -> None:
        self.stdin = stdin
        self.lie = lie  # added to the length that a read reports
        self.journal = b""
        self.kernel_text = ""
        self.answer = (0, 0)
        self.batch: list[bytes] = []
        self.batches: list[tuple[bytes, bytes]] = []
        self.assumptions: list[tuple[bytes, bytes]] = []
        self.terminated: tuple[int, int] | None = None

    def __call__(self, machine: Machine) -> int:
        a0, a1, a2, a3, a4 = (machine.register(i) for i in range(10, 15))
        memory = machine.memory
        assert isinstance(memory, Words)
        match machine.register(17):
            case 0:
                if a0 & 0xFFFF > 1:
                    refuse(f"halt type {a0 & 0xFFFF}")
                self.terminated = (a0 & 0xFFFF, a0 >> 16)
                machine.running = False
            case 1:
                data = struct.pack("<II", *self.answer) if a0 == 0 else self.call(memory, a0, a2)
                memory.put_bytes(a1, data[:a2].ljust(a2, b"\0"))
                machine.set_register(10, a2)
            case 2:
                self.kernel_text += memory.read(a1, a2).decode()
            case 4:
                state = [int.from_bytes(memory.read(a0 + 4 * i, 4), "big") for i in range(8)]
                constants = [memory.read_word(a4 + 4 * i) for i in range(64)]
                assert a3 <= 10
                for block in range(a3):
                    state = sha256_compress(state, memory.read(a2 + 64 * block, 64), constants)
                memory.put_bytes(a1, struct.pack(">8I", *state))
            case other:
                refuse(f"machine call {other}")
        return 2

    def call(self, memory: Words, name_at: int, length: int) -> bytes:
        name = memory.read(name_at, 64).split(b"\0")[0].decode()
        a3, a4, a5 = (memory.read_word(abi.USER_REGISTERS + 4 * i) for i in (13, 14, 15))
        self.answer = (0, 0)
        match name.removeprefix("risc0_zkvm_platform::syscall::nr::"):
            case "SYS_READ" if a3 == 0:
                data, self.stdin = self.stdin[:length], self.stdin[length:]
                rest = a4 - len(data) if a4 - len(data) <= 4 else 0
                tail, self.stdin = self.stdin[:rest], self.stdin[rest:]
                self.answer = (len(data) + len(tail) + self.lie, int.from_bytes(tail, "little"))
                return data
            case "SYS_WRITE" if a3 == 3:
                self.journal += memory.read(a4, a5)
            case "SYS_READ" | "SYS_WRITE":
                refuse("file descriptor")
            case "SYS_PANIC":
                raise Panic(memory.read(a3, a4).decode())
            case "SYS_RANDOM":
                return bytes(i & 0xFF for i in range(length))
            case "SYS_KECCAK" if a3 == 0:
                self.batch.append(memory.read(a4, 200))
                return keccak.permute_bytes(self.batch[-1])
            case "SYS_KECCAK":
                assert memory.read(a4, 32) == keccak.batch_claim(self.batch)
                self.batches.append((memory.read(a4, 32), memory.read(a5, 32)))
                self.batch = []
            case "SYS_VERIFY_INTEGRITY" | "SYS_VERIFY_INTEGRITY2":
                self.assumptions.insert(0, (memory.read(a3, 32), memory.read(a3 + 32, 32)))
            case other:
                refuse(other)
        return b""


def run(elf: Path, host: Host, machine_type: Callable[..., Machine] = Machine, limit: int = 60_000) -> Machine:
    """Run a guest until it ends."""
    image = load_guest(elf.read_bytes()).image
    memory = Words()
    for index in list(image.pages):
        for i in range(abi.PAGE_WORDS):
            addr = abi.PAGE_BYTES * index + 4 * i
            if image.read_word(addr):
                memory[addr] = image.read_word(addr)
    machine = machine_type(memory, host)
    machine.resume()
    for _ in range(limit):
        machine.step()
        if not machine.running:
            return machine
    refuse("it does not end")


def output_digest(machine: Machine) -> bytes:
    words = (machine.memory.read_word(abi.GLOBAL_OUTPUT + 4 * i) for i in range(8))
    return struct.pack("<8I", *words)


def pair(tag: str, left: bytes, right: bytes) -> bytes:
    return hashlib.sha256(hashlib.sha256(tag.encode()).digest() + left + right + b"\x02\0").digest()


def expected_output(journal: bytes, assumptions: Sequence[tuple[bytes, bytes]] = ()) -> bytes:
    listed = bytes(32)
    for claim, root in reversed(assumptions):
        listed = pair("risc0.Assumptions", pair("risc0.Assumption", claim, root), listed)
    return pair("risc0.Output", hashlib.sha256(journal).digest(), listed)


@pytest.mark.parametrize("name", PROGRAMS)
def test_program_passes(name: str) -> None:
    host = Host()
    machine = run(COMPLIANCE / f"{name}.elf", host)
    assert host.terminated == (0, 0)
    assert output_digest(machine) == EMPTY_OUTPUT
    assert host.journal == b""


def test_there_is_a_program_for_every_instruction() -> None:
    in_traps = {"ebreak", "mret"}
    assert set(BY_MNEMONIC) - in_traps <= set(PROGRAMS)
    assert in_traps <= set(TRAPS)


class Faulty(Machine):
    """A machine that goes wrong once, at one execution of one instruction in the program's own code."""

    mnemonic: str
    countdown: int

    def step(self) -> None:
        decoded = decode(self.memory.read_word(self.pc)) if self.mode == abi.MODE_USER else None
        before = self.pc
        super().step()
        if decoded is None or decoded.instruction.mnemonic != self.mnemonic or self.mode != abi.MODE_USER:
            return
        is_branch, is_store = self.mnemonic[0] == "b", self.mnemonic in ("sb", "sh", "sw")
        if not (is_branch or is_store) and decoded.rd == 0:
            return
        self.countdown -= 1
        if self.countdown != 0:
            return
        if is_branch:
            self.pc = before + 4 if self.pc != before + 4 else (before + decoded.imm) & MASK
        elif is_store:
            bank = abi.USER_REGISTERS
            addr = (self.memory.read_word(bank + 4 * decoded.rs1) + decoded.imm & MASK) & ~3
            self.memory.write_word(addr, self.memory.read_word(addr) ^ 0x80)
        else:
            self.set_register(decoded.rd, self.register(decoded.rd) ^ 0x80000000)


@pytest.mark.parametrize("countdown", [4, 9])
@pytest.mark.parametrize("name", [name for name in PROGRAMS if name not in ("ecall", "fence", "jal", "jalr")])
def test_program_notices_a_single_fault(name: str, countdown: int) -> None:
    machine_type = type("Once", (Faulty,), {"mnemonic": name, "countdown": countdown})
    with pytest.raises(Panic, match=rf"^{name}: test \d{{4}} failed$"):
        run(COMPLIANCE / f"{name}.elf", Host(), machine_type)


@pytest.mark.parametrize("name", ["jal", "jalr"])
def test_a_wrong_link_is_noticed(name: str) -> None:
    machine_type = type("Once", (Faulty,), {"mnemonic": name, "countdown": 3})
    with pytest.raises(Panic, match=rf"^{name}: test \d{{4}} failed$"):
        run(COMPLIANCE / f"{name}.elf", Host(), machine_type)


@pytest.mark.parametrize("name", sorted(TRAPS))
def test_trap_ends_the_execution(name: str) -> None:
    expected, host = TRAPS[name], Host()
    with pytest.raises((MachineError, Refused)) as caught:
        run(COMPLIANCE / "traps" / f"{name}.elf", host)
    if "host" in expected:
        assert expected["host"] in str(caught.value)
        return
    assert isinstance(caught.value, MachineError)
    if "kernel" in expected:
        assert host.kernel_text == f"kernel: {expected['kernel']}\n"
        assert caught.value.word == 0xC0001073
    elif expected["cause"] is None:
        assert caught.value.pc == expected["at"]
    else:
        # the machine's own cause is lost in the kernel, which names the instruction
        assert host.kernel_text.startswith(f"kernel: trap at pc {expected['at']:#010x}, instruction 0x")


@pytest.mark.parametrize("length", [*chain(range(9), range(1020, 1030), range(2045, 2052), (4096, 5003))])
def test_read_returns_every_length(length: int) -> None:
    """Chunks of 1024, a tail of up to three bytes by the answer: any of them wrong changes the journal."""
    host = Host(stdin=bytes(i * 7 & 0xFF for i in range(length)))
    sent = host.stdin
    machine = run(FIXTURES / "guests/echo/echo.elf", host)
    assert host.journal == sent
    assert output_digest(machine) == expected_output(sent)


def test_a_host_that_gives_too_much_ends_the_execution() -> None:
    host = Host(stdin=bytes(3000), lie=1)
    with pytest.raises(MachineError):
        run(FIXTURES / "guests/echo/echo.elf", host)
    assert host.kernel_text == "kernel: read: the host gave more than was asked for\n"


@pytest.mark.parametrize("name", ["hello", "exit", "secret", "pages", "echo"])
def test_small_guest(name: str) -> None:
    folder = FIXTURES / "guests" / name
    host = Host(stdin=(folder / "input.bin").read_bytes())
    machine = run(folder / f"{name}.elf", host)
    journal = (folder / "journal.bin").read_bytes()
    assert host.journal == journal
    assert output_digest(machine) == expected_output(journal)
    assert host.terminated == (0, 7 if name == "exit" else 0)


def test_guest_without_output() -> None:
    host = Host()
    machine = run(FIXTURES / "guests/bare/bare.elf", host)
    assert (host.terminated, host.journal) == ((0, 20), b"")
    assert output_digest(machine) == bytes(32)


def test_pause_then_halt() -> None:
    """A paused session goes on where it stopped, with an empty journal."""
    host = Host()
    machine = run(FIXTURES / "guests/pause/pause.elf", host)
    assert (host.terminated, host.journal) == ((1, 3), b"before")
    assert output_digest(machine) == expected_output(b"before")
    host.journal = b""
    machine.running = True
    while machine.running:
        machine.step()
    assert (host.terminated, host.journal) == ((0, 0), b"after")
    assert output_digest(machine) == expected_output(b"after")


def test_verify_guest() -> None:
    folder = FIXTURES / "guests/verify"
    host = Host(stdin=(folder / "input.bin").read_bytes())
    machine = run(folder / "verify.elf", host)
    image_id, journal = host.journal[:32], host.journal[32:]
    output = expected_output(journal)
    post = bytes.fromhex("a3acc27117418996340b84e5a90f3ef4c49d22c79e44aad822ec9c313e1eb8e2")
    tag = hashlib.sha256(b"risc0.ReceiptClaim").digest()
    claim = hashlib.sha256(tag + bytes(32) + image_id + post + output + bytes(8) + b"\x04\0").digest()
    assert host.assumptions == [(claim, bytes(32))]
    assert output_digest(machine) == expected_output(host.journal, host.assumptions)


KECCAK_ROOT = bytes.fromhex("abd93866a6878528f29ffc6ea6d9e428cc9ad020a540dd11f1d45e5e9bb6db71")
ALLOWED_ROOT = bytes.fromhex("a54dc85ac99f851c92d7c96d7318af41dbe7c0194edfcc37eb4d422a998c1f56")


def union(left: tuple[bytes, bytes], right: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    digests = sorted((pair("risc0.Assumption", *item) for item in (left, right)), key=lambda d: struct.unpack("<8I", d))
    return pair("risc0.UnionClaim", *digests), ALLOWED_ROOT


def test_union_of_batches_is_the_recorded_one() -> None:
    """So that the next test does not compare two equal mistakes.  Values computed with RISC Zero 3.0."""
    states = [struct.pack("<25Q", *[k] * 25) for k in range(3)]
    first, second, third = ((keccak.batch_claim([state]), KECCAK_ROOT) for state in states)
    both = union(second, first)
    assert both[0].hex() == "202dc386b903c963c24e3fcdb108f847e29379617541559a3cb9e4a786d7a4df"
    root = "2e41528a6e862a878845f9063985d1d6972c666d36d645cbf77600af378a90e9"
    assert union(both, third)[0].hex() == root


def test_keccak_guest_stands_on_one_assumption() -> None:
    """Seven permutations in batches of three: two of the same height united, the last to their right."""
    folder = FIXTURES / "guests/keccak_call"
    host = Host(stdin=(folder / "input.bin").read_bytes())
    machine = run(folder / "keccak_call.elf", host, limit=300_000)
    assert host.journal == (folder / "journal.bin").read_bytes()
    assert host.journal == (FIXTURES / "guests/keccak/journal.bin").read_bytes()
    assert [root for _, root in host.batches] == [KECCAK_ROOT] * 3
    first, second, third = host.batches
    assert host.assumptions == [union(union(second, first), third)]
    assert output_digest(machine) == expected_output(host.journal, host.assumptions)


def test_panic_guest() -> None:
    with pytest.raises(Panic, match=r"^the guest was told to panic$"):
        run(FIXTURES / "guests/panic/panic.elf", Host(stdin=b"the guest was told to panic"))


def test_secret_refuses_a_short_one() -> None:
    with pytest.raises(Panic, match=r"^secret: shorter than 16 bytes$"):
        run(FIXTURES / "guests/secret/secret.elf", Host(stdin=b"short"))


def test_kernel_stores_to_no_word_that_it_executes() -> None:
    """A word both stored and fetched would cut a segment; the kernel's are apart, and its image is never written."""

    class Watching(Machine):
        fetched: set[int] = set()

        def step(self) -> None:
            self.fetched.add(self.pc)
            super().step()

    folder = FIXTURES / "guests/echo"
    host = Host(stdin=(folder / "input.bin").read_bytes())
    image = load_guest((folder / "echo.elf").read_bytes()).image
    machine = run(folder / "echo.elf", host, Watching)
    kernel = {addr for addr in Watching.fetched if addr >= abi.KERNEL_START}
    assert len(kernel) > 100
    for addr in kernel | {abi.ECALL_DISPATCH, abi.TRAP_DISPATCH}:
        assert machine.memory.read_word(addr) == image.read_word(addr)
