"""Execute a guest: what `bento execute` prints, and the segments that `bento prove` proves."""

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, BinaryIO

from localbento.claim.assumption import Assumption
from localbento.errors import ProvingError, UsageError
from localbento.executor.inputs import Compat, ExecutorInput, Limits
from localbento.executor.machine import Mode
from localbento.executor.run import Runner
from localbento.executor.session import Session
from localbento.receipt.composite import CompositeReceipt
from localbento.receipt.verify import stated_claim, verify_claim
from localbento.riscv.elf import Program

if TYPE_CHECKING:
    from localbento.circuits.rv32im.profiles import Profile
    from localbento.executor.segment import Segment


def assumption_of(receipt: CompositeReceipt) -> Assumption:
    """What a receipt lets a guest assume: its claim, under the root of these same programs (zero)."""
    return Assumption(stated_claim(receipt)[0].digest())


def receipts_for(used: Sequence[Assumption], offered: Sequence[CompositeReceipt]) -> tuple[CompositeReceipt, ...]:
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
    assumptions: Sequence[CompositeReceipt],
    seed: bytes | None = None,
    stdout: BinaryIO | None = None,
    stderr: BinaryIO | None = None,
) -> ExecutorInput:
    """What the guest can ask for; receipts are verified before they count.

    Raises: VerificationError if one of them proves nothing.
    """
    for receipt in assumptions:
        verify_claim(receipt)
    return ExecutorInput(
        stdin, env, args, [assumption_of(r) for r in assumptions], seed=seed, stdout=stdout, stderr=stderr
    )
