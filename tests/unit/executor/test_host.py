"""System calls one by one: what lands in the buffer, in the results, in the journal, and what is refused."""

import hashlib
import io
import struct

import pytest

from localbento.claim.assumption import Assumption
from localbento.errors import GuestError
from localbento.executor.errors import GuestPanicError, SyscallError
from localbento.executor.host import Host, Protocol
from localbento.executor.inputs import ExecutorInput
from localbento.executor.syscalls import keccak, sha256
from localbento.executor.syscalls.random import stream
from localbento.riscv import abi
from localbento.riscv.abi import Register

NAME, BUFFER = 0x0010_0000, 0x0020_0000
D_KERNEL = "9dd8af014a24db3752b9beda71c837f553ff361fc1bca83cc79584bd38ac9de5"


class Guest:
    """Memory and registers that a test sets."""

    def __init__(self, host, name, data=b"", **registers):
        self.host = host
        self.name = name.encode() if isinstance(name, str) else name
        self.data = data
        self.registers = {Register[key.upper()]: value for key, value in registers.items()}

    def peek_bytes(self, address, length):
        source = self.name + bytes(300) if address == NAME else self.data
        return source[:length].ljust(length, b"\0")

    def register(self, machine, number):
        assert not machine
        return self.registers.get(number, 0)

    def call(self, length=0, cycle=1000):
        return self.host.read(NAME, length, self, cycle, lambda: 0)

    def results(self):
        return struct.unpack("<2I", self.host.read(0, 8, self, 0, lambda: 0))


def host(**given):
    return Host(ExecutorInput(**given))


def one_step(**given):
    return Host(ExecutorInput(**given), D_KERNEL)


def test_argc_and_argv():
    h = host(args=["first", "ünd"])
    assert Guest(h, abi.SYS_ARGC).call() == b""
    assert Guest(h, abi.SYS_ARGC).results() == (2, 0)
    guest = Guest(h, abi.SYS_ARGV, a3=1)
    assert guest.call(8) == "ünd".encode() + bytes(4)
    assert guest.results() == (4, 0)
    assert Guest(h, abi.SYS_ARGV, a3=0).call(2) == b"fi"


def test_argv_of_the_newer_protocol():
    h = one_step(args=["first"])
    assert Guest(h, abi.SYS_ARGV, a3=0, a4=0).call(100) == b"first"
    assert Guest(h, abi.SYS_ARGV, a3=0, a4=1).call(8) == struct.pack("<2I", 5, 0)
    assert Guest(h, abi.SYS_ARGC).call(8) == struct.pack("<2I", 1, 0)


@pytest.mark.parametrize(("args", "index", "text"), [([], 0, "index 0, but there are 0"), (["a" * 1024], 0, "allowed")])
def test_argv_refusals(args, index, text):
    with pytest.raises(SyscallError, match=text):
        Guest(host(args=args), abi.SYS_ARGV, a3=index).call(8)


def test_getenv():
    h = host(env={"KEY": "value"})
    guest = Guest(h, abi.SYS_GETENV, b"KEY", a3=BUFFER, a4=3)
    assert guest.call(8) == b"value\0\0\0"
    assert guest.results() == (5, 0)
    unset = Guest(h, abi.SYS_GETENV, b"NO", a3=BUFFER, a4=2)
    assert unset.call(4) == bytes(4)
    assert unset.results() == (0xFFFF_FFFF, 0)
    assert Guest(one_step(), abi.SYS_GETENV, b"NO", a4=2, a5=1).call(8) == struct.pack("<2I", 0xFFFF_FFFF, 0)


@pytest.mark.parametrize(
    ("env", "name", "length", "text"),
    [
        ({}, b"x", 1025, "name of 1025 bytes"),
        ({}, b"\xff", 1, "not UTF-8"),
        ({"K": "v" * 1024}, b"K", 1, "1024 bytes, allowed 1023"),
    ],
)
def test_getenv_refusals(env, name, length, text):
    with pytest.raises(SyscallError, match=text):
        Guest(host(env=env), abi.SYS_GETENV, name, a3=BUFFER, a4=length).call(4)


def test_read_fills_pads_and_gives_the_rest_in_a_word():
    h = host(stdin=b"0123456789")
    guest = Guest(h, abi.SYS_READ, a3=0, a4=7)
    assert guest.call(4) == b"0123"
    assert guest.results() == (7, int.from_bytes(b"456", "little"))
    tail = Guest(h, abi.SYS_READ, a3=0, a4=20)
    assert tail.call(20) == b"789".ljust(20, b"\0")
    assert tail.results() == (3, 0)
    assert Guest(h, abi.SYS_READ, a3=0, a4=4).call(4) == bytes(4)


def test_read_of_the_newer_protocol_is_short_at_the_end():
    h = one_step(stdin=b"01234")
    assert Guest(h, abi.SYS_READ, a3=0, a4=4).call(4) == b"0123"
    assert Guest(h, abi.SYS_READ, a3=0, a4=4).call(4) == b"4"
    assert Guest(h, abi.SYS_READ, a3=0, a4=4).call(4) == b""


@pytest.mark.parametrize(("registers", "text"), [({"a3": 1, "a4": 4}, "descriptor 1"), ({"a3": 0, "a4": 3}, "3 bytes")])
def test_read_refusals(registers, text):
    with pytest.raises(SyscallError, match=text):
        Guest(host(), abi.SYS_READ, **registers).call(4)


def test_writes_go_where_they_belong():
    out, err = io.BytesIO(), io.BytesIO()
    h = host(stdout=out, stderr=err)
    for fd in (1, 2, 3):
        Guest(h, abi.SYS_WRITE, b"to %d" % fd, a3=fd, a4=BUFFER, a5=4).call()
    assert (out.getvalue(), err.getvalue(), bytes(h.files.journal)) == (b"to 1", b"to 2", b"to 3")


def test_write_refusals():
    with pytest.raises(SyscallError, match="descriptor 4"):
        Guest(host(), abi.SYS_WRITE, a3=4).call()
    with pytest.raises(SyscallError, match="expected no buffer"):
        Guest(host(), abi.SYS_WRITE, a3=1).call(4)
    with pytest.raises(SyscallError, match="more than 104857600 bytes"):
        Guest(host(), abi.SYS_WRITE, a3=3, a5=(100 << 20) + 1).call()
    with pytest.raises(SyscallError, match="reach beyond memory"):
        Guest(host(), abi.SYS_WRITE, a3=1, a4=0xFFFF_FFFF, a5=2).call()


def test_cycle_count_and_log():
    out = io.BytesIO()
    guest = Guest(host(stdout=out), abi.SYS_CYCLE_COUNT)
    guest.call(cycle=(3 << 32) + 7)
    assert guest.results() == (3, 7)
    Guest(guest.host, abi.SYS_LOG, b"hello", a3=BUFFER, a4=5).call(cycle=42)
    assert out.getvalue() == b"R0VM[42] hello\n"
    assert Guest(one_step(), abi.SYS_CYCLE_COUNT).call(8, cycle=9) == struct.pack("<2I", 0, 9)


def test_panic():
    with pytest.raises(GuestPanicError, match="guest panicked: oh"):
        Guest(host(), abi.SYS_PANIC, b"oh", a3=BUFFER, a4=2).call()
    with pytest.raises(SyscallError, match="not UTF-8"):
        Guest(host(), abi.SYS_PANIC, b"\xff", a3=BUFFER, a4=1).call()


def test_random_is_a_function_of_the_seed():
    a, b, c = (Guest(host(seed=seed), abi.SYS_RANDOM).call(64) for seed in (b"1", b"1", b"2"))
    assert a == b != c
    take = stream(b"1")
    assert take(10) + take(54) == a
    assert Guest(host(), abi.SYS_RANDOM).call(16) != Guest(host(), abi.SYS_RANDOM).call(16)


@pytest.mark.parametrize("name", [abi.SYS_PIPE, abi.SYS_FORK, abi.SYS_EXIT, abi.SYS_PROVE_KECCAK, abi.SYS_PROVE_ZKR])
def test_refused_by_name(name):
    with pytest.raises(SyscallError, match=name.removeprefix(abi.SYSCALL_PREFIX)):
        Guest(host(), name).call(8)


def test_assumptions():
    claim, root, other = bytes(range(32)), b"r" * 32, b"o" * 32
    h = host(assumptions=[Assumption(claim, root), Assumption(other)])
    Guest(h, abi.SYS_VERIFY_INTEGRITY, claim + root, a3=BUFFER).call()
    Guest(h, abi.SYS_VERIFY_INTEGRITY, claim + bytes(32), a3=BUFFER).call()
    with pytest.raises(SyscallError, match=f"no assumption for claim {other.hex()} .*2 given.*--assumption"):
        Guest(h, abi.SYS_VERIFY_INTEGRITY, other + root, a3=BUFFER).call()
    Guest(h, abi.SYS_VERIFY_INTEGRITY2, other + root, a3=BUFFER).call()
    assert h.integrity.used == [Assumption(other, root), Assumption(claim), Assumption(claim, root)]
    Guest(h, abi.SYS_VERIFY_INTEGRITY, other + root, a3=BUFFER).call()


def test_user_calls_in_two_steps():
    h = host(syscalls={"mine": lambda data: data[::-1] * 2})
    first = Guest(h, "mine", b"abc", a3=BUFFER, a4=3)
    assert first.call() == b""
    assert first.results() == (6, 0)
    assert Guest(h, "mine").call(4) == b"cbac"
    assert Guest(h, "mine").call(4) == b"ba\0\0"


def test_the_protocol_is_found_out():
    h = host()
    guest = Guest(h, abi.SYS_ARGC)
    h.read(NAME, 8, guest, 0, lambda: 0xC000_0000)
    assert h.protocol is Protocol.ONE_STEP
    h.read(0, 8, guest, 0, lambda: 0xC000_0000)
    assert h.protocol is Protocol.TWO_STEPS
    other = host()
    other.read(NAME, 0, Guest(other, abi.SYS_ARGC), 0, lambda: 0xC000_0000)
    assert other.protocol is Protocol.TWO_STEPS


STATE = struct.pack("<25Q", *range(1, 26))


def test_keccak_claims_are_the_recorded_ones():
    zero = bytes(200)
    assert keccak.batch_claim([zero]).hex() == "e3e5255b793a91a107176e889ffc7b924a72cb36aad1a1b6d9b1f20790ac787f"
    assert keccak.batch_claim([zero, STATE]).hex() == (
        "bedb031ab780db06d50a0b56f928e166627eddee2ff947cfcb12caac245314c4"
    )
    assert keccak.batch_claim_sponge([zero]).hex() == (
        "f5feb7437e261e751354832126ccf74d79246b2253378a15568d3d6fd61dbf08"
    )
    assert keccak.batch_claim_sponge([zero, STATE]).hex() == (
        "f3191e42ac345c5ff88bed2d3868744e5529d6408c6a685111d800324003282b"
    )


def test_keccak_is_the_one_of_hashlib():
    block = bytearray(200)
    block[0], block[135] = 6, 0x80  # SHA3-256 of nothing
    assert keccak.permute_bytes(bytes(block))[:32] == hashlib.sha3_256(b"").digest()


def test_sha256_compression_is_the_one_of_hashlib():
    block = b"abc\x80" + bytes(58) + (24).to_bytes(2, "big")
    assert struct.pack(">8I", *sha256.compress(sha256.INITIAL_STATE, block)) == hashlib.sha256(b"abc").digest()


def test_keccak_batches():
    h = host(keccak_po2=14)
    for i in range(81):
        guest = Guest(h, abi.SYS_KECCAK, STATE, a3=0, a4=BUFFER)
        assert guest.call(200) == keccak.permute_bytes(STATE)
        assert guest.results() == (int(i == 80), 0)
    with pytest.raises(SyscallError, match="already has 81"):
        Guest(h, abi.SYS_KECCAK, STATE, a3=0, a4=BUFFER).call(200)
    with pytest.raises(SyscallError, match="is not that of its batch"):
        Guest(h, abi.SYS_KECCAK, bytes(32), a3=1, a4=BUFFER, a5=BUFFER).call()
    claim = keccak.batch_claim([STATE] * 81)
    Guest(h, abi.SYS_KECCAK, claim, a3=1, a4=BUFFER, a5=BUFFER).call()
    assert [(r.claim, len(r.inputs), r.po2) for r in h.keccak.requests] == [(claim, 81, 14)]
    with pytest.raises(GuestError, match="unknown mode 2"):
        Guest(h, abi.SYS_KECCAK, a3=2).call()
