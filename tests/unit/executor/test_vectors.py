"""RISC Zero's released executor on the same programs: roots, cycles, splits, pages, calls, and what fails."""

import json
import os
from itertools import count
from pathlib import Path

import pytest
from executor_guests import FIXTURES, program

from localbento.claim.exit_code import ExitCode
from localbento.errors import GuestError
from localbento.executor import Compat, ExecutorInput, Limits, execute
from localbento.executor.errors import CycleLimitError, ExitError, OutputMismatchError, SyscallError, TrapError
from localbento.executor.host import Host, call_name
from localbento.executor.session import V2_FIXED_CYCLES, v2_po2
from localbento.riscv import abi
from localbento.riscv.elf import Program, kernel_image
from localbento.riscv.elf_file import KERNEL_LIMIT, read_elf

VECTORS = {p["name"]: p for p in json.loads((FIXTURES / "vectors" / "machine-vectors.json").read_text())["programs"]}
RELEASED_KERNEL = os.environ.get("BENTO_V1COMPAT_KERNEL")
"""The kernel ELF of risc0-zkos-v1compat 2.2.3; not ours to distribute."""
KERNEL_SHA256 = "7ffd942e4e8babd771094f549ad080cfea8ecb2c05c986e275c011f41979d921"
WITH_SEGMENTS = [name for name, vector in VECTORS.items() if "segments" in vector["expected"]]
FAILING = [name for name in VECTORS if name not in WITH_SEGMENTS]


def needs_kernel(names):
    mark = pytest.mark.skipif(RELEASED_KERNEL is None, reason="BENTO_V1COMPAT_KERNEL does not name the kernel's ELF")
    return [pytest.param(name, marks=mark) if VECTORS[name]["kind"] == "user" else name for name in names]


def program_of(vector) -> Program:
    words = {int(start, 16): [int(word, 16) for word in values] for start, values in vector["words"].items()}
    entry = int(vector["entry"], 16)
    if vector["kind"] == "kernel":
        return program(words, entry)
    kernel = read_elf(Path(RELEASED_KERNEL or "").read_bytes(), KERNEL_LIMIT)
    image = kernel_image(kernel)
    for start, values in words.items():
        for i, word in enumerate(values):
            image.write_word(start + 4 * i, word)
    image.write_word(abi.USER_ENTRY_ADDR, entry)
    return Program(image, entry, kernel.entry, KERNEL_SHA256, None)


class Watched:
    """An execution under a vector's limits, and what the host was asked for."""

    def __init__(self, vector, monkeypatch) -> None:
        self.segments, self.calls = [], []
        self.vector = vector
        real = Host.read

        def read(host, fd, length, guest, cycle, trap_word):
            if vector["nullhost"]:
                return bytes(i % 256 for i in range(length))
            if fd:
                self.calls.append(f"{call_name(fd, guest).rpartition('::')[2]}:{length}")
            return real(host, fd, length, guest, cycle, trap_word)

        monkeypatch.setattr(Host, "read", read)

    def run(self, compat=Compat.V2, capacities=None):
        vector, byte = self.vector, count()
        limits = Limits(
            capacities or {}, max_cycles=vector["session_limit"], po2=vector["po2"], v2_margin=vector["max_insn"]
        )
        given = ExecutorInput(
            stdin=bytes.fromhex(vector["stdin"]),
            args=["prog", "hello-arg"],
            input_digest=bytes.fromhex(vector["input_digest"]),
            random=lambda n: bytes(next(byte) % 256 for _ in range(n)),
        )
        return execute(program_of(vector), given, limits, self.segments.append, compat=compat)


@pytest.mark.parametrize("name", needs_kernel(WITH_SEGMENTS))
def test_segments_are_those_of_the_released_executor(name, monkeypatch) -> None:
    vector = VECTORS[name]
    expected, watched = vector["expected"], Watched(vector, monkeypatch)
    try:
        session = watched.run()
    except OutputMismatchError:
        session = None
        assert expected["output"] != "00" * 32
    except ExitError:
        session = None
        assert expected["terminate"][0] & 0xFFFF > 1
    segments = watched.segments
    assert len(segments) == len(expected["segments"])
    for i, (segment, wanted) in enumerate(zip(segments, expected["segments"], strict=True)):
        last = i == len(segments) - 1
        assert segment.index == i
        assert segment.pre_root.hex() == wanted["pre"]
        assert segment.post_root.hex() == wanted["post"]
        assert (segment.user_cycles, segment.paging_cycles) == (wanted["user_cycles"], wanted["paging_cycles"])
        po2 = v2_po2(segment.user_cycles + segment.paging_cycles) if last else vector["po2"]
        assert po2 == wanted["po2"]
        assert [len(reply) for reply in segment.replies] == wanted["reads"]
        assert segment.pages.tolist() == wanted["pages"]
        assert segment.image.root().hex() == wanted["pre"]
        assert (segment.end is not None) == last
    end = segments[-1].end
    assert end is not None
    assert [end.a0, end.a1] == expected["terminate"]
    assert end.output.hex() == expected["output"]
    if not vector["nullhost"]:
        assert watched.calls == expected["calls"]
    if session is not None:
        cycles = session.cycles
        assert (cycles.user, cycles.paging) == (expected["user_cycles"], expected["paging_cycles"])
        assert (cycles.reserved, cycles.total) == (expected["reserved_cycles"], expected["total_cycles"])
        assert (session.journal or b"").hex() == expected["journal"]
        assert session.pre_root.hex() == expected["segments"][0]["pre"]


@pytest.mark.parametrize("name", needs_kernel(FAILING))
def test_failures_are_those_of_the_released_executor(name, monkeypatch) -> None:
    vector = VECTORS[name]
    fails, watched = vector["expected"]["fails"], Watched(vector, monkeypatch)
    with pytest.raises(GuestError) as caught:
        watched.run()
    match fails["kind"]:
        case "trap":
            assert isinstance(caught.value, TrapError)
            assert (caught.value.cause, caught.value.pc) == (fails["cause"], int(fails["pc"], 16))
        case "Session limit":
            assert isinstance(caught.value, CycleLimitError)
        case "user mret":
            assert "mret in user mode" in str(caught.value)
        case kind:
            assert isinstance(caught.value, SyscallError)
            assert kind.rpartition(" ")[2] in str(caught.value)


def test_the_smallest_session_counts_five_user_cycles(monkeypatch) -> None:
    """Documented to the cycle: three instructions and TERMINATE, two pages."""
    cycles = Watched(VECTORS["k_basic"], monkeypatch).run().cycles
    assert (cycles.user, cycles.paging, cycles.total) == (5, 1821, 1 << 13)
    assert cycles.reserved == (1 << 13) - 5 - 1821 >= V2_FIXED_CYCLES


@pytest.mark.parametrize("name", needs_kernel(WITH_SEGMENTS))
def test_counted_cycles_do_not_depend_on_our_own_segments(name, monkeypatch) -> None:
    """Many small segments, cut by the rows of a chip; the counts stay those of the released generation."""
    vector = VECTORS[name]
    expected, watched = vector["expected"], Watched(vector, monkeypatch)
    monkeypatch.setattr("localbento.executor.run.SessionEnd.fits", lambda self, used: True)
    monkeypatch.setattr("localbento.executor.run.ExitCode.from_terminate", lambda a0: ExitCode.halted(a0 >> 16))
    session = watched.run(Compat.OWN, {"const": 30})
    assert (session.cycles.user, session.cycles.paging) == (expected["user_cycles"], expected["paging_cycles"])
    assert session.cycles.total == expected["total_cycles"]
    assert len(session.v2_segments) == len(expected["segments"])
    assert session.journal is None or session.journal.hex() == expected["journal"]
