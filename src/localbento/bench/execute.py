"""`bento bench execute`: how fast guests are executed, by core."""

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Final

from localbento.errors import UsageError
from localbento.executor import ExecutorInput, Mode, Segment, execute
from localbento.executor.preflight import preflight
from localbento.riscv import abi
from localbento.riscv.elf import Program, load_guest
from localbento.riscv.memory_image import MemoryImage

LOOP_INSTRUCTIONS: Final = 30_000_000
"""What the compute loop executes, about."""
ENOUGH_SECONDS: Final = 0.2
RUNS: Final = 5
_LOOP: Final = (
    0x00D5_1593,  # slli a1, a0, 13
    0x00B5_4533,  # xor  a0, a0, a1
    0x0115_5593,  # srli a1, a0, 17
    0x00B5_4533,  # xor  a0, a0, a1
    0x0055_1593,  # slli a1, a0, 5
    0x00B5_4533,  # xor  a0, a0, a1
    0x00A6_0633,  # add  a2, a2, a0
    0xFFF6_8693,  # addi a3, a3, -1
    0xFE06_90E3,  # bnez a3, -32
)
"""Marsaglia's generator with shifts 13, 17, 5 and a sum: every value is new, no row of a unit serves twice."""


def run_execute(guest: Path | None = None) -> dict[str, Any]:
    """Instructions by second of CPU time, on a compute loop and on a guest, or on all fixtures that are found.

    `plain` computes and counts cycles.  `recording` is what `bento prove` does: it counts rows, cuts and hands out
    segments; `preflight` repeats the segments and writes the records (null for guests that have no proof).

    Raises:
        UsageError: if the guest is no file.
        GuestError: if the guest fails.
    """
    paths = _guests(guest)
    loop = run_loop(LOOP_INSTRUCTIONS)
    figures = {path.stem: _guest(path) for path in paths}
    return {
        "plain_instructions_per_second": loop["plain_instructions_per_second"],
        "recording_instructions_per_second": loop["recording_instructions_per_second"],
        "preflight_instructions_per_second": loop["preflight_instructions_per_second"],
        "guests": figures,
    }


def run_loop(instructions: int) -> dict[str, float | None]:
    """The speeds of `run_execute` on a compute loop of about so many instructions."""
    return _measure(compute_loop(instructions), ExecutorInput())


def compute_loop(instructions: int) -> Program:
    """A machine-mode program without memory accesses that executes about so many instructions, then terminates."""
    rounds = max(instructions // len(_LOOP), 1)
    code = (
        (rounds + 0x800 >> 12 & 0xF_FFFF) << 12 | 0x6B7,  # lui a3, high
        (rounds & 0xFFF) << 20 | 0x6_8693,  # addi a3, a3, low
        0x1234_5537,  # lui a0, 0x12345
        *_LOOP,
        0x0000_0513,  # li a0, 0
        0x0000_0593,  # li a1, 0
        0x0000_0893,  # li a7, 0
        0x0000_0073,  # ecall
    )
    image = MemoryImage()
    for i, word in enumerate(code):
        image.write_word(abi.KERNEL_START + 4 * i, word)
    image.write_word(abi.SUSPEND_PC, abi.KERNEL_START)
    image.write_word(abi.SUSPEND_MODE, abi.MODE_MACHINE)
    return Program(image, abi.KERNEL_START, abi.KERNEL_START, "", None)


def _guests(guest: Path | None) -> Sequence[Path]:
    if guest is None:
        return sorted(path for path in Path("fixtures/guests").glob("*/*.elf") if path.stem not in ("panic", "verify"))
    if not guest.is_file():
        msg = f"{str(guest)!r} is no file"
        raise UsageError(msg)
    return [guest]


def _guest(path: Path) -> dict[str, float | None]:
    stdin = path.parent / "input.bin"
    given = ExecutorInput(
        stdin=stdin.read_bytes() if stdin.exists() else b"",
        args=("first", "second argument"),
        env={"GREETING": "hello from the host"},
        seed=b"bench",
    )
    return _measure(load_guest(path.read_bytes()), given)


def _measure(program: Program, given: ExecutorInput) -> dict[str, float | None]:
    """Speeds in the three modes; what is done once a program, and hashing of memory, counts."""
    segments: list[Segment] = []
    session = execute(program, given, on_segment=segments.append)
    count = session.instructions
    plain = _seconds(lambda: execute(program, given, mode=Mode.PLAIN))
    recording = _seconds(lambda: execute(program, given, on_segment=lambda _: None))
    replay = None if session.unprovable else _seconds(lambda: _replay(segments))
    return {
        "plain_instructions_per_second": count / plain,
        "recording_instructions_per_second": count / recording,
        "preflight_instructions_per_second": None if replay is None else count / replay,
    }


def _replay(segments: Sequence[Segment]) -> None:
    for segment in segments:
        preflight(segment)


def _seconds(work: Callable[[], object]) -> float:
    """CPU seconds of one run: the least of a few, fewer if they are long."""
    best, spent = float("inf"), 0.0
    for _ in range(RUNS):
        started = time.thread_time()
        work()
        seconds = time.thread_time() - started
        best, spent = min(best, seconds), spent + seconds
        if spent > RUNS * ENOUGH_SECONDS:
            break
    return best
