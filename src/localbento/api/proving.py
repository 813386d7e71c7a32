"""From a program to a verified receipt: this page is the pipeline.

load, execute (segments stream to files), prove each in a pool, put the receipt together, verify it as a stranger
"""

import os
import shutil
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localbento.api.results import Progress, ProgressEvent, ProofResult, Receipt
from localbento.errors import HostError, ProvingError, UsageError

if TYPE_CHECKING:
    from localbento.circuits.rv32im.profiles import Profile
    from localbento.executor.segment import Segment
    from localbento.executor.session import Session
    from localbento.receipt.composite import CompositeReceipt, SegmentReceipt
    from localbento.receipt.segment import Proved
    from localbento.riscv.elf import Program
    from localbento.service.job import JobState, SegmentFile, SegmentResult
    from localbento.service.worker.pool import Pool

SECRET_BYTES = 32
MEMORY_SHARE = 0.8
"""Of the memory that is available, what a job takes unless told otherwise."""
PROVE_KIND = "localbento.tasks.prove"
VERIFY_KIND = "localbento.tasks.verify"


def prove(program: bytes, stdin: bytes = b"", **options: Any) -> Receipt:  # (those of prove_program)
    """Prove a run and return the verified receipt; options as `prove_program`."""
    return prove_program(program, stdin, **options).receipt


def prove_program(
    program: bytes,
    stdin: bytes = b"",
    *,
    env: Mapping[str, str] | None = None,
    args: Sequence[str] = (),
    assumptions: Sequence[Receipt] = (),
    segment_size: int | None = None,
    jobs: int | None = None,
    memory_bytes: int | None = None,
    max_cycles: int | None = None,
    seed: bytes | None = None,
    progress: Progress | None = None,
) -> ProofResult:
    """Execute a guest, prove every segment, and verify the receipt before returning it.

    Args:
        program: R0BF file or bare ELF.
        stdin: the guest's input.
        env: its environment variables.
        args: its arguments.
        assumptions: receipts that it may verify; those that it does travel in the receipt.
        segment_size: most cycles of a segment; by default what is cheapest.
        jobs: segments proved at a time; by default one for each core.
        memory_bytes: most memory for all of them; by default most of what is free.
        max_cycles: stop a guest that runs longer.
        seed: a secret that makes the receipt reproducible, byte for byte; None takes the system's randomness.
        progress: called with the state of the job a few times a second.

    Raises: UsageError, GuestError, ProvingError, HostError.
    """
    from localbento.riscv.elf import load_guest
    from localbento.service.job import ProofJob

    started = time.perf_counter()
    loaded = load_guest(program)
    cores = os.cpu_count() or 1
    plan = plan_job(jobs or cores, cores, memory_bytes or available_memory())
    secret = None if seed is None else secret_of(seed)
    report = _reporter(progress)
    with job_directory() as directory:
        source = _Source(loaded, stdin, env or {}, args, assumptions, directory, plan, segment_size, max_cycles, secret)
        job = ProofJob(
            directory,
            kind=PROVE_KIND,
            options={"secret": secret},
            workers=plan.workers,
            cores=cores,
            memory_bytes=plan.memory_bytes,
        )
        made: list[_Made] = []

        def finish(pool: "Pool", results: list["SegmentResult"]) -> None:
            proving_seconds = time.perf_counter() - started
            receipt = _put_together(source.finished(), results, assumptions)
            checked = _verify_as_a_stranger(receipt, source.finished(), directory, pool, plan.workers)
            made.append(_Made(receipt, checked, proving_seconds))

        results = job.run(source, report, finish)
        session, (result,) = source.finished(), made
        receipt, bits = result.receipt, result.checked
    seconds = time.perf_counter() - started
    return ProofResult(
        receipt=receipt,
        image_id=session.image_id,
        exit_code=session.exit_code,
        claim_digest=bits.claim_digest,
        cycles=sum(r.cycles for r in results),
        segments=len(results),
        seconds=seconds,
        proving_seconds=result.proving_seconds,
        receipt_bytes=len(receipt.to_bytes()),
        provable_bits=bits.provable_bits,
        peak_bytes=max(r.peak_bytes for r in results),
        steps=_total_steps(results),
        profiles=tuple(s.profile for s in receipt.composite.segments),
    )


@dataclass(frozen=True, slots=True)
class Plan:
    """How many workers, which profiles they may prove, and in how much memory."""

    workers: int
    memory_bytes: int
    profiles: tuple["Profile", ...]
    needs: Mapping[str, int]


def plan_job(jobs: int, cores: int, memory_bytes: int) -> Plan:
    """The most workers, up to `jobs`, for which the largest profile fits; smaller profiles if it fits alone nowhere.

    Raises: HostError if not even the smallest profile fits.
    """
    from localbento.circuits.rv32im.profiles import profiles

    known = sorted(profiles(), key=lambda p: p.cells)
    needs = {p.name: predicted_bytes(p, max(1, cores // jobs)) for p in known}
    fitting = tuple(p for p in known if needs[p.name] <= memory_bytes)
    if not fitting:
        least = known[0]
        msg = (
            f"--memory: expected at least {needs[least.name] / 2**30:.1f} GiB (profile {least.name}), "
            f"found {memory_bytes / 2**30:.1f} GiB"
        )
        raise HostError(msg)
    largest = max(needs[p.name] for p in fitting)
    workers = max(1, min(jobs, memory_bytes // largest))
    return Plan(workers, memory_bytes, fitting, needs)


def predicted_bytes(profile: "Profile", threads: int) -> int:
    """The peak of a worker that proves a segment of this profile."""
    from localbento.circuits.rv32im.keys import verifying_key
    from localbento.tasks.memory import predict_task_bytes

    return predict_task_bytes(verifying_key(profile.number).shape, threads)


def available_memory() -> int:
    """What a job may take by default: most of the memory that is free now."""
    try:
        for line in Path("/proc/meminfo").read_text().splitlines():
            if line.startswith("MemAvailable:"):
                return int(int(line.split()[1]) * 1024 * MEMORY_SHARE)
    except OSError:
        pass
    return int(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") * MEMORY_SHARE / 2)


def secret_of(seed: bytes) -> bytes:
    """32 bytes of blinding secret from a seed file's bytes.

    Raises: UsageError if it is too short to be a secret.
    """
    import hashlib

    if len(seed) < SECRET_BYTES:
        msg = f"seed file: expected at least {SECRET_BYTES} bytes, found {len(seed)}"
        raise UsageError(msg)
    return hashlib.sha256(b"localbento-seed-v1" + seed).digest()


@contextmanager
def job_directory() -> Iterator[Path]:
    """A private directory for one job, gone afterwards however the job ends."""
    import platformdirs

    home = Path(os.environ.get("BENTO_HOME") or platformdirs.user_cache_dir("localbento"))
    try:
        jobs = home / "jobs"
        jobs.mkdir(parents=True, exist_ok=True, mode=0o700)
        _sweep(jobs)
        directory = Path(tempfile.mkdtemp(dir=jobs, prefix=f"{os.getpid()}-"))
    except OSError as error:
        msg = f"cannot write to {str(home)!r}: {error.strerror}; BENTO_HOME moves it"
        raise HostError(msg) from error
    try:
        yield directory
    finally:
        shutil.rmtree(directory, ignore_errors=True)


def _sweep(jobs: Path) -> None:
    """Remove what jobs of processes that are gone have left: they were killed before they could."""
    for folder in jobs.iterdir():
        owner = folder.name.split("-", maxsplit=1)[0]
        if not owner.isdigit():
            continue
        try:
            os.kill(int(owner), 0)
        except ProcessLookupError:
            shutil.rmtree(folder, ignore_errors=True)
        except PermissionError:
            continue


class _Source:
    """Executes the guest and stores its segments, on a thread of the job."""

    def __init__(
        self,
        program: "Program",
        stdin: bytes,
        env: Mapping[str, str],
        args: Sequence[str],
        assumptions: Sequence[Receipt],
        directory: Path,
        plan: Plan,
        segment_size: int | None,
        max_cycles: int | None,
        secret: bytes | None,
    ) -> None:
        self._program = program
        self._given = (stdin, env, args, assumptions, secret)
        self._directory = directory
        self._plan = plan
        self._size = segment_size
        self._max_cycles = max_cycles
        self._session: Session | None = None

    def __call__(self, emit: Callable[["SegmentFile"], None], stopped: Callable[[], bool]) -> None:
        from localbento.service.job import SegmentFile, store_segment
        from localbento.tasks.execute import executor_input, run_session
        from localbento.tasks.prove import refusal

        def store(segment: "Segment") -> None:
            if segment.unprovable:
                raise ProvingError(refusal(segment.unprovable))
            path = store_segment(self._directory, segment.index, segment.to_bytes())
            emit(SegmentFile(segment.index, path, segment.cycles, self._plan.needs[segment.profile]))

        stdin, env, args, assumptions, secret = self._given
        given = executor_input(stdin, env=env, args=args, assumptions=[r.composite for r in assumptions], seed=secret)
        self._session = run_session(
            self._program,
            given,
            profiles=self._plan.profiles,
            segment_size=self._size,
            max_cycles=self._max_cycles,
            on_segment=store,
            stopped=stopped,
        )
        if self._session.unprovable:
            raise ProvingError(refusal(self._session.unprovable))

    def finished(self) -> "Session":
        """The session, once the job is done."""
        if self._session is None:
            msg = "the execution did not finish"
            raise ProvingError(msg)
        return self._session


def _put_together(session: "Session", results: Sequence["SegmentResult"], assumptions: Sequence[Receipt]) -> Receipt:
    from localbento.receipt.composite import CompositeReceipt
    from localbento.tasks.execute import receipts_for
    from localbento.tasks.prove import decode_segment

    segments = tuple(decode_segment(r.path.read_bytes()) for r in results)
    carried = receipts_for(session.assumptions, [r.composite for r in assumptions])
    return Receipt(CompositeReceipt(segments, session.journal, tuple(session.assumptions), carried))


@dataclass(frozen=True, slots=True)
class _Checked:
    claim_digest: bytes
    provable_bits: float


@dataclass(frozen=True, slots=True)
class _Made:
    receipt: Receipt
    checked: _Checked
    proving_seconds: float


def _verify_as_a_stranger(
    receipt: Receipt, session: "Session", directory: Path, pool: "Pool", workers: int
) -> _Checked:
    """Verify the receipt from its bytes alone; long ones by several processes."""
    from localbento.receipt.encoding import decode
    from localbento.receipt.verify import VerifySegments, one_by_one, verify_receipt

    data = receipt.to_bytes()
    verifier: VerifySegments = one_by_one
    if workers > 1 and len(receipt.composite.segments) > workers:
        verifier = _pooled(data, receipt.composite, directory, pool, workers)
    verified = verify_receipt(
        decode(data), session.image_id, journal=session.journal, allow_exit=True, verify_segments=verifier
    )
    return _Checked(verified.claim.digest(), verified.provable_bits)


def _pooled(
    data: bytes, composite: "CompositeReceipt", directory: Path, pool: "Pool", workers: int
) -> Callable[[Sequence["SegmentReceipt"]], list["Proved"]]:
    """Segments of the receipt itself go to workers; those of receipts that it carries are verified here."""
    from localbento.receipt.segment import Proved, profile_bits, stated_segment_claim
    from localbento.receipt.verify import one_by_one
    from localbento.service.files import write_whole
    from localbento.service.worker.loop import Failed, Task

    def verify(segments: Sequence["SegmentReceipt"]) -> list["Proved"]:
        if segments is not composite.segments and tuple(segments) != composite.segments:
            return one_by_one(segments)
        path = directory / "whole.receipt"
        write_whole(path, data)
        for first in range(workers):
            options = {"first": first, "step": workers, "threads": 1}
            pool.submit(Task(f"verify {first}", VERIFY_KIND, (path,), directory / f"{first}.verified", options))
        while pool.pending:
            for event in pool.events(1.0):
                if isinstance(event, Failed):
                    raise event.error
        return [Proved(stated_segment_claim(s), profile_bits(s.profile)) for s in segments]

    return verify


def _reporter(progress: Progress | None) -> Callable[["JobState"], None]:
    def report(state: "JobState") -> None:
        if progress is None:
            return
        rate = state.cycles_done / state.seconds if state.cycles_done else 0.0
        left = (state.cycles - state.cycles_done) / rate if rate and state.executed else None
        steps = tuple(dict.fromkeys(step for _, step in state.running))
        event = ProgressEvent(
            state.executed, state.cycles, state.done, len(state.running), state.waiting, steps, rate, left, state.final
        )
        progress(event)

    return report


def _total_steps(results: Sequence["SegmentResult"]) -> dict[str, float]:
    totals: dict[str, float] = {}
    for result in results:
        for step, seconds in result.steps.items():
            totals[step] = totals.get(step, 0.0) + seconds
    return totals
