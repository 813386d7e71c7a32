"""The figures of `bento bench execute`: fields, and that the loop is what it says."""

import pytest
from executor_guests import GUESTS

from localbento.bench import execute as bench
from localbento.errors import UsageError
from localbento.executor import execute

FIELDS = {
    "plain_instructions_per_second",
    "recording_instructions_per_second",
    "preflight_instructions_per_second",
}


@pytest.mark.parametrize("instructions", [9, 9_000, 9 * 0x800, 9 * 0xFFF])
def test_loop_executes_about_as_many_instructions_as_asked_for(instructions) -> None:
    """Immediates of `lui` and `addi` at the borders of their sign."""
    session = execute(bench.compute_loop(instructions))
    assert session.instructions == instructions + 7
    assert session.exit_code.is_ok
    assert session.unprovable == ()


def test_loop_repeats_no_value() -> None:
    """Otherwise the units' cache would make the figure too good: a row for each shift and exclusive or."""
    segments = []
    session = execute(bench.compute_loop(90_000), on_segment=segments.append)
    rounds = session.instructions // 9
    assert sum(segment.rows["shift"] for segment in segments) > 2.95 * rounds
    assert sum(segment.rows["bitwise"] for segment in segments) > 2.95 * rounds


def test_fields(monkeypatch) -> None:
    monkeypatch.setattr(bench, "LOOP_INSTRUCTIONS", 50_000)
    result = bench.run_execute(GUESTS / "hello" / "hello.elf")
    assert set(result) == {*FIELDS, "guests"}
    assert set(result["guests"]) == {"hello"}
    assert all(result[field] > 0 and result["guests"]["hello"][field] > 0 for field in FIELDS)


def test_a_guest_without_proof_has_no_preflight(monkeypatch) -> None:
    monkeypatch.setattr(bench, "LOOP_INSTRUCTIONS", 50_000)
    figures = bench.run_execute(GUESTS / "poseidon2_call" / "poseidon2_call.elf")["guests"]["poseidon2_call"]
    assert figures["preflight_instructions_per_second"] is None
    assert figures["plain_instructions_per_second"] > 0


def test_no_such_guest(tmp_path) -> None:
    with pytest.raises(UsageError, match="is no file"):
        bench.run_execute(tmp_path / "nothing.elf")
