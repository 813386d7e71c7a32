"""From a program to a verified receipt: this page is the pipeline.

submit (inputs to the store, a job with its first task); then an engine works it off: execute, and while that goes
on plan and prove each segment; put the receipt together; verify it as a stranger would.
"""

import os
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Unpack

from localbento import __version__
from localbento.api.options import ProveOptions, RequestOptions
from localbento.api.results import Progress, ProgressEvent, ProofResult, Receipt, TaskProgress
from localbento.api.running import require_positive
from localbento.errors import HostError, Interrupted, UsageError, VerificationError

if TYPE_CHECKING:
    from localbento.circuits.rv32im.profiles import Profile
    from localbento.service.home import Home
    from localbento.service.jobs import Request
    from localbento.service.state import EngineState, Resources

ELF_MAGIC = b"\x7fELF"
R0BF_MAGIC = b"R0BF"
SECRET_BYTES = 32
MEMORY_SHARE = 0.8
"""Of the memory that is available, what a job takes unless told otherwise."""


def prove(program: bytes, stdin: bytes = b"", **options: Unpack[ProveOptions]) -> Receipt:
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
    allow_exit: bool = False,
    seed: bytes | None = None,
    progress: Progress | None = None,
    home: Path | None = None,
    fresh: bool = False,
    receipt: str = "composite",
    name: str = "guest",
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
        allow_exit: prove a guest that ends with another exit code than Halted(0), too.
        seed: a secret that makes the receipt reproducible, byte for byte; None takes the system's randomness.
        progress: called with the state of the job a few times a second.
        home: where the job is remembered, so that it can be resumed (`default_home()` is the command's); None: in a
            temporary folder, and nothing is left behind.
        fresh: do it again even if the home has the same job.
        receipt: `composite`; other kinds are not possible yet.
        name: of the guest, for listings.

    Raises: UsageError, GuestError, ProvingError, HostError; Interrupted by KeyboardInterrupt if the home keeps the job.
    """
    resources = _resources(jobs, memory_bytes)
    request = _request(
        program, stdin, env=env, args=args, assumptions=assumptions, segment_size=segment_size, max_cycles=max_cycles,
        allow_exit=allow_exit, seed=seed, receipt=receipt, name=name, resources=resources,
    )  # fmt: skip
    with _home(home) as place:
        from localbento.service.jobs import forget_refused, submit

        job = submit(place, request, fresh=fresh).job_id
        try:
            if memory_bytes is None:
                resources = _beside_others(place, resources)
            return _work(place, job, resources, progress, kept=home is not None)
        except (UsageError, VerificationError):
            forget_refused(place, job)
            raise


def submit_job(
    program: bytes,
    stdin: bytes = b"",
    *,
    home: Path,
    fresh: bool = False,
    jobs: int | None = None,
    memory_bytes: int | None = None,
    output: Path | None = None,
    journal: Path | None = None,
    **options: Unpack[RequestOptions],
) -> str:
    """Put a job into the home and start a process of its own for it; returns the job's number.

    That process writes the receipt to `output` and the journal to `journal`, if they are given; the home keeps the
    receipt in any case.  Other options as `prove_program`.

    Raises: UsageError, HostError.
    """
    resources = _resources(jobs, memory_bytes)
    request = _request(program, stdin, resources=resources, **options)
    with _home(home) as place:
        from localbento.service.jobs import submit
        from localbento.service.worker.detached import start_detached

        job = submit(place, request, fresh=fresh)
        log = place.log_path(job.job_id)
    arguments = ["jobs", "resume", job.job_id]
    arguments += ["--keep"] if output is None else ["--output", str(output.absolute())]
    arguments += [] if journal is None else ["--journal", str(journal.absolute())]
    arguments += [] if jobs is None else ["--jobs", str(jobs)]
    arguments += [] if memory_bytes is None else ["--memory", str(memory_bytes)]
    start_detached(arguments, home, log)
    return job.job_id


def resume_job(
    job_id: str,
    *,
    home: Path | None = None,
    jobs: int | None = None,
    memory_bytes: int | None = None,
    progress: Progress | None = None,
) -> ProofResult:
    """Go on with a job: what is proved stays proved.  One that is done hands out its result.

    `job_id` is a job's number or the beginning of one.

    Raises: UsageError if there is no such job; otherwise as `prove_program`.
    """
    with _home(home or default_home()) as place:
        from localbento.service.taskdb.rows import JobState

        number = place.db.resolve_job_id(job_id)
        if place.db.get_job(number).state in (JobState.FAILED, JobState.CANCELLED):
            place.db.resume_job(number)
        resources = _resources(jobs, memory_bytes)
        if memory_bytes is None:
            resources = _beside_others(place, resources)
        return _work(place, number, resources, progress, kept=True)


def default_home() -> Path:
    """Where the command keeps its jobs: `BENTO_HOME`, or the platform's place for it."""
    from localbento.service.home import home_path

    return home_path()


@contextmanager
def _home(path: Path | None) -> Iterator["Home"]:
    from localbento.service.home import Home

    if path is not None:
        with Home(path) as home:
            yield home
        return
    with (
        tempfile.TemporaryDirectory(prefix="localbento-", ignore_cleanup_errors=True) as folder,
        Home(Path(folder)) as home,
    ):
        yield home


def _request(
    program: bytes, stdin: bytes, *, resources: "Resources", env: Mapping[str, str] | None = None,
    args: Sequence[str] = (), assumptions: Sequence[Receipt] = (), segment_size: int | None = None,
    max_cycles: int | None = None, allow_exit: bool = False, seed: bytes | None = None, receipt: str = "composite",
    name: str = "guest",
) -> "Request":  # fmt: skip
    from localbento.service.jobs import Request

    require_positive(segment_size=segment_size, max_cycles=max_cycles)
    if program[:4] not in (ELF_MAGIC, R0BF_MAGIC):
        # Everything else about a program is looked at by the first task; this much is known without loading it.
        found = program[:4].hex() or "an empty file"
        msg = f"expected an R0BF program ({R0BF_MAGIC.hex()}) or an ELF ({ELF_MAGIC.hex()}), found {found}"
        raise UsageError(msg)
    return Request(
        program, stdin, env or {}, tuple(args), tuple(r.to_bytes() for r in assumptions), segment_size, max_cycles,
        allow_exit, None if seed is None else secret_of(seed), receipt, name, resources.memory_bytes, resources.cores,
        __version__,
    )  # fmt: skip


def _resources(jobs: int | None, memory_bytes: int | None) -> "Resources":
    from localbento.service.state import Resources

    require_positive(jobs=jobs, memory_bytes=memory_bytes)
    cores = os.cpu_count() or 1
    return Resources(jobs or cores, cores, memory_bytes or available_memory())


def _beside_others(home: "Home", resources: "Resources") -> "Resources":
    """Free memory is what other jobs leave; the limit on tasks counts theirs, too."""
    from dataclasses import replace

    from localbento.service.home import is_alive

    home.db.reap(is_alive)
    _, _, taken = home.db.used_resources()
    return replace(resources, memory_bytes=resources.memory_bytes + taken)


def _work(home: "Home", job_id: str, resources: "Resources", progress: Progress | None, *, kept: bool) -> ProofResult:
    """Run an engine until the job has ended, and hand out its result."""
    started = time.perf_counter()
    try:
        from localbento.service.engine import Engine
        from localbento.service.jobs import settle
        from localbento.service.taskdb.rows import JobState

        job = home.db.get_job(job_id)
        if job.state is JobState.DONE:
            settle(home, job_id)
            return job_result(home, job_id, max(0.0, (job.finished_at or 0.0) - job.created_at), reused=True)
        before = home.db.cycles_done(job_id)
        Engine(home, job_id, resources).run(_reporter(progress))
        return job_result(home, job_id, time.perf_counter() - started, cycles_before=before)
    except KeyboardInterrupt:
        if not kept:
            raise
        short = job_id[:8]
        msg = f"interrupted: job {short} keeps what is done; go on with: bento jobs resume {short}"
        raise Interrupted(msg) from None


def job_result(
    home: "Home", job_id: str, seconds: float, *, cycles_before: int = 0, reused: bool = False
) -> ProofResult:
    """The result of a job that is done; `seconds` are those of this call's work, or of the work if `reused`.

    Raises: HostError if its receipt is no longer there; Interrupted if the job was deleted meanwhile.
    """
    from localbento.claim.exit_code import ExitCode
    from localbento.service.jobs import lost_result

    db = home.db
    if (lost := lost_result(home, job_id)) is not None:
        if not db.get_tasks(job_id):
            msg = f"job {job_id[:8]} was deleted meanwhile; the same bento prove makes it anew"
            raise Interrupted(msg)
        msg = (
            f"job {job_id[:8]}: {lost}, and what it was made of is not kept after the end; "
            "the same 'bento prove' (guest, input, options) makes it again"
        )
        raise HostError(msg)
    receipt = Receipt.from_bytes(home.store.get(db.task_outputs(job_id, "finalize")["receipt"]))
    executed = db.get_task_output(job_id, "init")
    verified = db.get_task_output(job_id, "verify 0")
    proofs = [t.output for t in db.get_tasks(job_id) if t.definition.get("kind") == "prove"]
    proofs.sort(key=lambda facts: facts["index"])
    steps: dict[str, float] = {}
    for facts in proofs:
        for step, spent in facts["steps"].items():
            steps[step] = steps.get(step, 0.0) + spent
    job = db.get_job(job_id)
    # By the wall clock, which may have been set back meanwhile.
    whole = max(0.0, job.finished_at - job.created_at) if job.finished_at else seconds
    return ProofResult(
        receipt=receipt,
        image_id=bytes.fromhex(executed["image_id"]),
        exit_code=ExitCode.from_pair(*executed["exit_code"]),
        claim_digest=bytes.fromhex(verified["claim_digest"]),
        cycles=sum(facts["cycles"] for facts in proofs),
        segments=len(proofs),
        seconds=seconds,
        proving_seconds=max(0.0, whole - verified["seconds"]),
        receipt_bytes=len(receipt.to_bytes()),
        provable_bits=verified["provable_bits"],
        peak_bytes=max(facts["peak_bytes"] for facts in proofs),
        steps=steps,
        profiles=tuple(facts["profile"] for facts in proofs),
        job=job_id,
        cycles_before=cycles_before,
        reused=reused,
    )


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


def _reporter(progress: Progress | None) -> Callable[["EngineState"], None]:
    def report(state: "EngineState") -> None:
        if progress is None:
            return
        rate = state.cycles_per_second
        left = (state.cycles - state.cycles_done) / rate if rate and state.executed else None
        progress(
            ProgressEvent(
                executed=state.executed,
                cycles=state.cycles,
                done=state.done,
                running=state.segments_running,
                waiting=state.waiting,
                steps=tuple(dict.fromkeys(task.step for task in state.running)),
                cycles_per_second=rate,
                remaining_seconds=left,
                final=state.final,
                job=state.job_id,
                tasks=tuple(TaskProgress(t.name, t.step, t.seconds) for t in state.running),
                memory_bytes=sum(task.memory_bytes for task in state.running),
                memory_limit_bytes=state.memory_limit_bytes,
                note=state.note,
            )
        )

    return report
