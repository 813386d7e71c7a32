"""Runs guests on a host: executes, cuts segments, and leaves the records that the chips are filled from."""

from collections.abc import Callable

from localbento.executor.inputs import Compat, ExecutorInput, Limits
from localbento.executor.machine import Mode
from localbento.executor.segment import Segment
from localbento.executor.session import Session
from localbento.riscv.elf import Program


def execute(
    program: Program,
    given: ExecutorInput | None = None,
    limits: Limits | None = None,
    on_segment: Callable[[Segment], None] | None = None,
    *,
    mode: Mode = Mode.COUNT,
    compat: Compat = Compat.OWN,
) -> Session:
    """Run a program to its end.

    Args:
        program: what to run.
        given: input, environment, assumptions; default: nothing.
        limits: where segments end; default: those of the machine's profiles.
        on_segment: called with each segment while execution goes on; without it segments are only counted.
        mode: `Mode.PLAIN` only computes, at several times the speed: no segments, pages or paging cycles.
        compat: whose rules segments follow.

    Raises:
        GuestError: if the guest fails.
        UsageError: if the program is for another platform, or limits are impossible.
    """
    from localbento.executor.inputs import default_limits
    from localbento.executor.run import Runner

    program.require_runnable()
    if limits is None:
        limits = default_limits()
    runner = Runner(program.image, program.kernel_sha256, given or ExecutorInput(), limits, on_segment, mode, compat)
    session = runner.run()
    assert session is not None
    return session


__all__ = ["Compat", "ExecutorInput", "Limits", "Mode", "Segment", "Session", "execute"]
