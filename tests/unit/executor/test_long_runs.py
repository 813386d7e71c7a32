"""Long executions stay small: segments go out as they are cut, memory is that of one segment."""

import subprocess
import sys

import pytest

RUN = """
from localbento.service.worker.loop import peak_memory_bytes
from localbento.bench.execute import compute_loop
from localbento.executor import execute
lengths = []
session = execute(compute_loop({cycles}), on_segment=lambda segment: lengths.append(len(segment.to_bytes())))
print(session.cycles.user, session.segments, len(lengths), peak_memory_bytes() >> 20)
"""


def run(cycles: int) -> tuple[int, int, int, int]:
    """User cycles, segments, segments handed out, and the peak in MiB, of a process of its own."""
    output = subprocess.run([sys.executable, "-c", RUN.format(cycles=cycles)], capture_output=True, check=True).stdout
    user, segments, handed_out, peak = (int(word) for word in output.split())
    return user, segments, handed_out, peak


def test_ten_million_cycles_take_little_memory() -> None:
    user, segments, handed_out, peak = run(10_000_000)
    assert user >= 10_000_000 - 9
    assert segments == handed_out > 5
    assert peak < 700


@pytest.mark.release
def test_a_thousand_million_cycles_take_no_more() -> None:
    user, segments, handed_out, peak = run(1_000_000_000)
    assert user >= 1_000_000_000 - 9
    assert segments == handed_out > 500
    assert peak < 700  # the promise is 1500
