"""The released generation's executor, as recorded: roots, cycles, cuts, pages and calls of 25 programs."""

import json
import os
from collections.abc import Callable
from functools import cache
from itertools import count
from pathlib import Path

import pytest

from localbento.errors import GuestError
from localbento.executor.inputs import Compat, ExecutorInput, Limits
from localbento.executor.machine import Mode
from localbento.executor.run import Runner
from localbento.riscv import abi
from localbento.riscv.elf import kernel_image
from localbento.riscv.elf_file import KERNEL_LIMIT, read_elf

FIXTURES = Path(__file__).resolve().parents[3] / "fixtures"
KERNEL_SHA256 = "7ffd942e4e8babd771094f549ad080cfea8ecb2c05c986e275c011f41979d921"
PROGRAMS = json.loads((FIXTURES / "vectors" / "machine-vectors.json").read_text())["programs"]


@cache
def v1compat_kernel() -> bytes:
    """RISC Zero's kernel is not part of this repository; BENTO_V1COMPAT_KERNEL says where one lies."""
    path = os.environ.get("BENTO_V1COMPAT_KERNEL")
    if path is None:
        pytest.skip("BENTO_V1COMPAT_KERNEL does not name the kernel of risc0-zkos-v1compat 2.2.3")
    return Path(path).read_bytes()


class NullHost:
    """READ of n bytes gives 0, 1, 2, ..."""

    def read(self, fd: int, length: int, *_: object) -> bytes:
        return bytes(i % 256 for i in range(length))

    def write(self, data: bytes) -> int:
        return len(data)


def image_of(program):
    entry = int(program["entry"], 16)
    user = program["kind"] == "user"
    image = kernel_image(read_elf(v1compat_kernel(), KERNEL_LIMIT)) if user else load_empty()
    for start, words in program["words"].items():
        for i, word in enumerate(words):
            image.write_word(int(start, 16) + 4 * i, int(word, 16))
    if program["kind"] == "user":
        image.write_word(abi.USER_ENTRY_ADDR, entry)
    else:
        image.write_word(abi.SUSPEND_PC, entry)
        image.write_word(abi.SUSPEND_MODE, 1)
    return image


def load_empty():
    from localbento.riscv.memory_image import MemoryImage

    return MemoryImage()


def counting_bytes() -> Callable[[int], bytes]:
    counter = count()
    return lambda n: bytes(next(counter) % 256 for _ in range(n))


def runner_of(program, on_segment, compat=Compat.V2):
    given = ExecutorInput(
        stdin=bytes.fromhex(program["stdin"]),
        args=("prog", "hello-arg"),
        input_digest=bytes.fromhex(program["input_digest"]),
        random=counting_bytes(),
    )
    limits = Limits(max_cycles=program["session_limit"], po2=program["po2"], v2_margin=program["max_insn"])
    sha = KERNEL_SHA256 if program["kind"] == "user" else ""
    runner = Runner(image_of(program), sha, given, limits, on_segment, Mode.COUNT, compat)
    if program["nullhost"]:
        runner._host.read = NullHost().read
    return runner


def run_vector(program):
    segments = []
    runner = runner_of(program, segments.append)
    session = runner.run()
    return session, segments


OK = [p for p in PROGRAMS if "fails" not in p["expected"]]
FAILS = [p for p in PROGRAMS if "fails" in p["expected"]]


@pytest.fixture
def lenient(monkeypatch):
    """Most programs of the vectors state an output digest that is none; so judge the run before that check."""
    monkeypatch.setattr("localbento.executor.run.SessionEnd.fits", lambda self, used: True)


@pytest.mark.parametrize("program", OK, ids=lambda p: p["name"])
def test_equal_to_the_recorded_run(program, lenient, monkeypatch):
    from localbento.executor import run

    expected = program["expected"]
    if expected["terminate"][0] & 0xFFFF > 1:
        # the host's own opinion; the machine does not care
        monkeypatch.setattr(
            run.ExitCode, "from_terminate", lambda a0: run.ExitCode.halted(a0 >> 16)
        )
    session, segments = run_vector(program)
    assert (session.journal or b"").hex() == expected["journal"]
    assert session.output.hex() == expected["output"]
    assert list(session.terminate) == expected["terminate"]
    assert session.cycles.user == expected["user_cycles"]
    assert session.cycles.paging == expected["paging_cycles"]
    assert session.cycles.total == expected["total_cycles"]
    assert session.cycles.reserved == expected["reserved_cycles"]
    assert sum(session.syscalls.values()) == len(expected["calls"])
    assert len(segments) == len(expected["segments"])
    for segment, v2, wanted in zip(segments, session.v2_segments, expected["segments"], strict=True):
        assert segment.pre_root.hex() == wanted["pre"]
        assert segment.post_root.hex() == wanted["post"]
        assert (v2.po2, v2.user, v2.paging) == (wanted["po2"], wanted["user_cycles"], wanted["paging_cycles"])
        assert segment.user_cycles == wanted["user_cycles"]
        assert [len(reply) for reply in segment.replies] == wanted["reads"]
        assert segment.pages.tolist() == wanted["pages"]


@pytest.mark.parametrize("program", FAILS, ids=lambda p: p["name"])
def test_fails_as_recorded(program):
    with pytest.raises(GuestError) as caught:
        run_vector(program)
    wanted = program["expected"]["fails"]
    text = str(caught.value)
    if wanted["kind"] == "trap":
        assert f"(cause {wanted['cause']}) at pc {int(wanted['pc'], 16):#010x}" in text
    else:
        expected = {
            "Unknown syscall SYS_NOPE": "unknown system call",
            "Session limit": "cycle limit",
            "user mret": "mret in user mode",
        }[wanted["kind"]]
        assert expected in text


@pytest.mark.parametrize("program", OK, ids=lambda p: p["name"])
def test_counted_cycles_do_not_depend_on_our_own_segments(program, lenient, monkeypatch):
    from localbento.executor import run

    monkeypatch.setattr(run.ExitCode, "from_terminate", lambda a0: run.ExitCode.halted(a0 >> 16))
    runner = runner_of(program, None, Compat.OWN)
    runner.machine.caps[5] = 30  # `const`: many small segments
    session = runner.run()
    expected = program["expected"]
    assert (session.cycles.user, session.cycles.paging) == (expected["user_cycles"], expected["paging_cycles"])
    assert session.cycles.total == expected["total_cycles"]
