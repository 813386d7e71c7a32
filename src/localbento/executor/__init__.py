"""Runs guests on a host: executes, cuts segments, and leaves the records that the chips are filled from.

The names are loaded when they are first used: a prover replays segments and needs no loader, an executor no preflight.
"""

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from localbento.executor.inputs import Compat, ExecutorInput, Limits
    from localbento.executor.machine import Mode
    from localbento.executor.segment import Segment
    from localbento.executor.session import Session
    from localbento.riscv.elf import Program

__all__ = ["Compat", "ExecutorInput", "Limits", "Mode", "Segment", "Session", "execute"]
_HOMES: Final = {
    "Compat": "inputs",
    "ExecutorInput": "inputs",
    "Limits": "inputs",
    "Mode": "machine",
    "Segment": "segment",
    "Session": "session",
}


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        msg = f"module {__name__!r} has no attribute {name!r}"
        raise AttributeError(msg)
    return getattr(import_module(f"{__name__}.{_HOMES[name]}"), name)


def execute(
    program: "Program",
    given: "ExecutorInput | None" = None,
    limits: "Limits | None" = None,
    on_segment: "Callable[[Segment], None] | None" = None,
    *,
    mode: "Mode | None" = None,
    compat: "Compat | None" = None,
) -> "Session":
    """Run a program to its end.

    Args:
        program: what to run.
        given: input, environment, assumptions; default: nothing.
        limits: where segments end; default: those of the machine's profiles.
        on_segment: called with each segment while execution goes on; without it segments are only counted.
        mode: default `Mode.COUNT`; `Mode.PLAIN` only computes, at several times the speed: no segments, pages or
            paging cycles.
        compat: whose rules segments follow; default `Compat.OWN`.

    Raises:
        GuestError: if the guest fails.
        UsageError: if the program is for another platform, or limits are impossible.
    """
    from localbento.executor.inputs import Compat, ExecutorInput, default_limits
    from localbento.executor.machine import Mode
    from localbento.executor.run import Runner

    program.require_runnable()
    if limits is None:
        limits = default_limits()
    runner = Runner(
        program.image, program.kernel_sha256, given or ExecutorInput(), limits, on_segment,
        mode or Mode.COUNT, compat or Compat.OWN,
    )  # fmt: skip
    session = runner.run()
    assert session is not None
    return session
