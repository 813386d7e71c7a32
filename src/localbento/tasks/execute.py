"""Execute a guest: what `bento execute` prints, and the segments that `bento prove` proves."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING

from localbento.claim.assumption import Assumption
from localbento.errors import GuestError, HostError, ProvingError, UsageError
from localbento.executor.inputs import Compat, ExecutorInput, Limits, Sink
from localbento.executor.machine import Mode
from localbento.executor.run import Runner
from localbento.executor.session import Session
from localbento.riscv.elf import Program, load_guest
from localbento.tasks.outcome import Emit, Log, Outcome
from localbento.tasks.refusal import refusal
from localbento.tasks.session import SessionRecord

if TYPE_CHECKING:
    from localbento.circuits.rv32im.profiles import Profile
    from localbento.executor.segment import Segment
    from localbento.receipt.composite import CompositeReceipt


def run(
    program: bytes,
    stdin: bytes,
    secret: bytes,
    assumption: Sequence[bytes] = (),
    *,
    env: Mapping[str, str],
    args: Sequence[str],
    segment_size: int | None,
    max_cycles: int | None,
    allow_exit: bool,
    memory_bytes: int,
    threads: int,
    progress: Callable[[str], None],
    emit: Emit,
    log: Log,
) -> Outcome:
    """Execute a guest and hand on its segments, each with what proving it takes.

    Args:
        program: R0BF file or bare ELF.
        stdin: the guest's input.
        secret: the job's 32 bytes, of which the guest's own randomness is made, so that a second run is the same.
        assumption: receipts that the guest may rest on.
        env: its environment variables.
        args: its arguments.
        segment_size: most cycles of a segment; None: what is cheapest.
        max_cycles: stop a guest that runs longer.
        allow_exit: a guest that ends with another code than Halted(0) is to be proved, too.
        memory_bytes: segments are cut so that proving one, with `threads`, takes no more.
        threads: as above.
        progress: called with the name of each step as it begins.
        emit: takes each segment with its facts: index, cycles, whether it is the last; its profile, and what proving
            it takes: memory_bytes, committed cells.
        log: takes what the guest prints.

    Raises: UsageError, GuestError; ProvingError for what has no proof; HostError if no profile fits the memory.
    """
    progress("load")
    loaded = load_guest(program)
    fitting, needs = fitting_profiles(memory_bytes, threads)
    cells = {profile.name: profile.cells for profile in fitting}
    given = executor_input(
        stdin,
        env=env,
        args=args,
        assumptions=_receipts(assumption),
        seed=secret,
        stdout=_Lines(log),
        stderr=_Lines(log),
    )

    cycles = 0

    def hand_on(segment: "Segment") -> None:
        nonlocal cycles
        if segment.unprovable:
            raise ProvingError(refusal(segment.unprovable))
        facts = {
            "index": segment.index,
            "cycles": segment.cycles,
            "profile": segment.profile,
            "memory_bytes": needs[segment.profile],
            "cells": cells[segment.profile],
            "last": segment.end is not None,
        }
        cycles += segment.cycles
        emit(segment.to_bytes(), facts)

    progress("execute")
    session = run_session(
        loaded, given, profiles=fitting, segment_size=segment_size, max_cycles=max_cycles, on_segment=hand_on,
        stopped=lambda: False,
    )  # fmt: skip
    if session.unprovable:
        raise ProvingError(refusal(session.unprovable))
    if not session.exit_code.is_ok and not allow_exit:
        msg = f"the guest ended with {session.exit_code}, not with Halted(0); --allow-exit proves that, too"
        raise GuestError(msg)
    facts = {
        "image_id": session.image_id.hex(),
        "exit_code": list(session.exit_code.pair),
        "segments": session.segments,
        "cycles": cycles,
        "seconds": session.seconds,
    }
    return Outcome({"session": SessionRecord.of(session).to_bytes()}, facts)


def warm() -> None:
    """Load what every execution needs: the interpreter's kernels, the profiles."""
    from localbento.circuits.rv32im.profiles import profiles

    limits_of(profiles(), None, None)


class _Lines:
    """A guest's output, as the executor writes it."""

    def __init__(self, log: Log) -> None:
        self._log = log

    def write(self, data: bytes, /) -> object:
        self._log(data)
        return len(data)


def fitting_profiles(memory_bytes: int, threads: int) -> tuple[tuple["Profile", ...], dict[str, int]]:
    """The profiles of which one proof fits the memory, cheapest first, and what each takes.

    Raises: HostError if not even the smallest fits.
    """
    from localbento.circuits.rv32im.keys import profile_outline
    from localbento.circuits.rv32im.profiles import profiles
    from localbento.tasks.memory import predict_task_bytes

    known = sorted(profiles(), key=lambda p: p.cells)
    needs = {p.name: predict_task_bytes(profile_outline(p.number), threads) for p in known}
    fitting = tuple(p for p in known if needs[p.name] <= memory_bytes)
    if not fitting:
        least = known[0]
        msg = (
            f"--memory: expected at least {needs[least.name] / 2**30:.1f} GiB (profile {least.name}), "
            f"found {memory_bytes / 2**30:.1f} GiB"
        )
        raise HostError(msg)
    return fitting, needs


def _receipts(assumption: Sequence[bytes]) -> list["CompositeReceipt"]:
    if not assumption:
        return []  # most guests rest on nothing: then nothing of the verifier is loaded
    from localbento.receipt.encoding import decode

    return [decode(data) for data in assumption]


def assumption_of(receipt: "CompositeReceipt") -> Assumption:
    """What a receipt lets a guest assume: its claim, under the root of these same programs (zero)."""
    from localbento.receipt.verify import stated_claim

    return Assumption(stated_claim(receipt)[0].digest())


def receipts_for(used: Sequence[Assumption], offered: Sequence["CompositeReceipt"]) -> tuple["CompositeReceipt", ...]:
    """The receipts that prove what a guest assumed, in the order in which the list first names each.

    Raises: ProvingError if one is missing.
    """
    by_claim = {assumption_of(receipt).claim: receipt for receipt in offered}
    found = []
    for assumption in dict.fromkeys(used):
        receipt = by_claim.get(assumption.claim)
        if receipt is None or assumption.control_root.strip(b"\0"):
            msg = f"no receipt for the assumed claim {assumption.claim.hex()}; give it with --assumption"
            raise ProvingError(msg)
        found.append(receipt)
    return tuple(found)


def execute_program(
    program: Program,
    given: ExecutorInput,
    *,
    max_cycles: int | None,
    compat: str | None,
    on_segment: Callable[["Segment"], None] | None = None,
) -> Session:
    """Run; without `on_segment` no segments are built, only counted as `bento prove` would cut them.

    Raises: UsageError for an unknown `compat`; GuestError if the guest fails.
    """
    from localbento.circuits.rv32im.profiles import profiles

    program.require_runnable()
    try:
        rules = Compat(compat or "own")
    except ValueError:
        msg = f"--compat: expected v2, found {compat!r}"
        raise UsageError(msg) from None
    limits = limits_of(profiles(), None, max_cycles) if rules is Compat.OWN else Limits(max_cycles=max_cycles)
    return _run(Runner(program.image, program.kernel_sha256, given, limits, on_segment, Mode.COUNT, rules), None)


def run_session(
    program: Program,
    given: ExecutorInput,
    *,
    profiles: Sequence["Profile"],
    segment_size: int | None,
    max_cycles: int | None,
    on_segment: Callable[["Segment"], None],
    stopped: Callable[[], bool],
) -> Session:
    """Run and hand on every segment, cut so that one of `profiles` holds it.

    Raises: GuestError if the guest fails.
    """
    program.require_runnable()
    limits = limits_of(profiles, segment_size, max_cycles)
    runner = Runner(program.image, program.kernel_sha256, given, limits, on_segment, Mode.COUNT, Compat.OWN)
    return _run(runner, stopped)


def _run(runner: Runner, stopped: Callable[[], bool] | None) -> Session:
    session = runner.run(stopped)
    if session is None:
        msg = "the execution was stopped"
        raise ProvingError(msg)
    return session


def limits_of(profiles: Sequence["Profile"], segment_size: int | None, max_cycles: int | None) -> Limits:
    """Where the segmenter must cut so that one of these profiles holds every segment, at little cost by cycle."""
    from localbento.circuits.rv32im.profiles import Ladder

    ladder = Ladder(profiles, segment_size)
    return Limits(ladder.first(), ladder.choose, ladder.widen, max_cycles)


def executor_input(
    stdin: bytes,
    *,
    env: Mapping[str, str],
    args: Sequence[str],
    assumptions: Sequence["CompositeReceipt"],
    seed: bytes | None = None,
    stdout: Sink | None = None,
    stderr: Sink | None = None,
) -> ExecutorInput:
    """What the guest can ask for; receipts are verified before they count.

    Raises: VerificationError if one of them proves nothing.
    """
    if assumptions:
        from localbento.receipt.verify import verify_claim

        for receipt in assumptions:
            verify_claim(receipt)
    return ExecutorInput(
        stdin, env, args, [assumption_of(r) for r in assumptions], seed=seed, stdout=stdout, stderr=stderr
    )
