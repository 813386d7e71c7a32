"""What a proof will take, before anything is proved: the guest is executed and cut, the rest is arithmetic.

    seconds             = start + the time in which a pool of this size works the segments off, each taking
                          WORK * proof_time(cells of its profile, threads) * what committing to a cell costs here
    memory              = the most that segments which run at the same time are predicted to take
    disk                = the most that segments not yet proved, proofs, and the receipt take together

The speed of the machine is measured once, a few seconds, and kept in the home.  Proofs made since then correct
it: the median of measured to predicted times, as long as they agree.
"""

import os
import statistics
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from itertools import accumulate
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final, Self

from localbento.api.calibration import Speed, calibration
from localbento.api.results import Receipt, exit_code_json
from localbento.errors import LocalBentoError

if TYPE_CHECKING:
    from localbento.claim.exit_code import ExitCode
    from localbento.service.planner.sharing import Machine, Waiting
    from localbento.service.taskdb.database import TaskDb
    from localbento.service.taskdb.rows import TaskRow

WORK: Final = 1.97
"""Proving takes this many times what committing to its cells alone does."""
START: Final = 0.83
"""Before the first segment and after the last, in times of a small proof in a new process.

Both were fitted to `pages` and the guests of `bench prove` in docs/benchmarks.md, where committing to a cell takes
57 ns and a small proof 1.2 s.  Of `chess` only the time of its segments one after the other was known.  From `hello`
(1.7 s) to `ecdsa` (66 s) the fit is within 12 %.
"""
PARENT_BYTES: Final = 512 << 20
"""The parent and the process that executes."""
HISTORY: Final = 20
MOST_CORRECTION: Final = 4.0


@dataclass(frozen=True, slots=True)
class Segment:
    """What is known of a segment before it is proved."""

    profile: str
    cycles: int
    segment_bytes: int


@dataclass(frozen=True, slots=True)
class Prediction:
    """What proving some segments takes; `model_seconds` is before correction by what earlier proofs took."""

    seconds: float
    model_seconds: float
    memory_bytes: int
    disk_bytes: int
    receipt_bytes: int


@dataclass(frozen=True, slots=True)
class Accuracy:
    """How good earlier predictions of one figure were: measured over predicted."""

    what: str
    proofs: int
    median: float
    least: float
    most: float

    @classmethod
    def of(cls, what: str, pairs: Sequence[tuple[float, float]]) -> Self | None:
        """From pairs of predicted and measured; None if there are none."""
        ratios = [measured / predicted for predicted, measured in pairs if predicted > 0 and measured > 0]
        if not ratios:
            return None
        return cls(what, len(ratios), statistics.median(ratios), min(ratios), max(ratios))


@dataclass(frozen=True, slots=True)
class Estimate:
    """What `bento estimate` says."""

    image_id: bytes
    exit_code: "ExitCode"
    cycles: int
    segments: int
    profiles: Mapping[str, int]
    workers: int
    prediction: Prediction
    execute_seconds: float
    speed: Speed
    earlier: tuple[Accuracy, ...]

    def to_json(self) -> dict[str, Any]:
        """The fields of `bento estimate --json` (docs/schemas/estimate.json)."""
        predicted = self.prediction
        return {
            "image_id": self.image_id.hex(),
            "exit_code": exit_code_json(self.exit_code),
            "cycles": self.cycles,
            "segments": self.segments,
            "profiles": dict(self.profiles),
            "workers": self.workers,
            "seconds": predicted.seconds,
            "cycles_per_second": self.cycles / predicted.seconds if predicted.seconds else 0.0,
            "memory_bytes": predicted.memory_bytes,
            "disk_bytes": predicted.disk_bytes,
            "receipt_bytes": predicted.receipt_bytes,
            "execute_seconds": self.execute_seconds,
            "machine": {k: v for k, v in asdict(self.speed).items() if k != "measured_at"},
            "earlier": [asdict(accuracy) for accuracy in self.earlier],
        }


def estimate(
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
    say: Callable[[str], None] | None = None,
) -> Estimate:
    """Execute a guest, cut it as `prove` would, and predict time, memory and disk.  Nothing is proved.

    Options are those of `prove_program`; `say` is told what takes long.

    Raises: UsageError, GuestError; ProvingError for what has no proof; HostError if no segment would fit the memory.
    """
    from localbento.api.proving import available_memory
    from localbento.bench.machine import usable_cores
    from localbento.errors import ProvingError
    from localbento.executor.segment import Segment as Executed
    from localbento.riscv.elf import load_guest
    from localbento.service.home import home_path
    from localbento.tasks.execute import executor_input, fitting_profiles, run_session
    from localbento.tasks.refusal import refusal

    cores, _ = usable_cores()
    workers, memory = jobs or cores, memory_bytes or available_memory()
    fitting, _ = fitting_profiles(memory, cores)
    segments: list[Segment] = []

    def note(segment: Executed) -> None:
        if segment.unprovable:
            raise ProvingError(refusal(segment.unprovable))
        segments.append(Segment(segment.profile, segment.cycles, len(segment.to_bytes())))

    session = run_session(
        load_guest(program),
        executor_input(stdin, env=env or {}, args=args, assumptions=[r.composite for r in assumptions]),
        profiles=fitting,
        segment_size=segment_size,
        max_cycles=max_cycles,
        on_segment=note,
        stopped=lambda: False,
    )
    if session.unprovable:
        raise ProvingError(refusal(session.unprovable))
    home = home_path()
    speed = calibration(home, say)
    history = learn(home, speed)
    given = len(program) + len(stdin) + sum(len(r.to_bytes()) for r in assumptions)
    predicted = predict(segments, speed, workers, cores, memory, given, correction(history))
    return Estimate(
        image_id=session.image_id,
        exit_code=session.exit_code,
        cycles=sum(s.cycles for s in segments),
        segments=len(segments),
        profiles=Counter(s.profile for s in segments),
        workers=workers,
        prediction=predicted,
        execute_seconds=session.seconds,
        speed=speed,
        earlier=accuracies(history),
    )


def predict(
    segments: Sequence[Segment],
    speed: Speed,
    workers: int,
    cores: int,
    memory_bytes: int,
    given_bytes: int = 0,
    corrected_by: float = 1.0,
) -> Prediction:
    """What proving these segments takes with so many workers on so many cores, in so much memory.

    `given_bytes` are those of program, input and assumptions, which the store keeps.
    """
    from localbento.circuits.rv32im.keys import verifying_key
    from localbento.circuits.rv32im.profiles import profile_by_name
    from localbento.service.planner.sharing import Machine, Waiting
    from localbento.stark.proof import proof_size
    from localbento.tasks.memory import predict_task_bytes

    known = profile_by_name()
    shapes = {name: verifying_key(known[name].number).shape for name in {s.profile for s in segments}}
    needs = {name: predict_task_bytes(shape, cores) for name, shape in shapes.items()}
    sizes = {name: proof_size(shape) for name, shape in shapes.items()}
    works = [Waiting(known[s.profile].cells, needs[s.profile]) for s in segments]
    span, most = schedule(works, Machine(workers, cores, memory_bytes))
    model = model_seconds(span, speed)
    receipt = sum(sizes[s.profile] for s in segments)
    disk = given_bytes + _peak_disk([s.segment_bytes for s in segments], [sizes[s.profile] for s in segments])
    return Prediction(model * corrected_by, model, PARENT_BYTES + most, disk, receipt)


def model_seconds(span: float, speed: Speed) -> float:
    """The time of a whole job on this machine; `span`: of its proofs, in the unit of `proof_time`."""
    return START * speed.start_seconds + WORK * speed.cell_seconds * span


def schedule(works: Sequence["Waiting"], machine: "Machine") -> tuple[float, int]:
    """Work proofs off in their order, as an engine does: the end of the last, and the most memory at a time.

    The end is in the unit of `proof_time`: the time of one committed cell on one thread.
    """
    from localbento.service.planner.sharing import work_off

    runs = work_off(works, machine)
    changes = [(run.start, task.memory_bytes) for run, task in zip(runs, works, strict=True)]
    changes += [(run.end, -task.memory_bytes) for run, task in zip(runs, works, strict=True)]
    # At the same moment memory is free before the next one takes it.
    most = max([0, *accumulate(change for _, change in sorted(changes))])
    return max((run.end for run in runs), default=0.0), most


def _peak_disk(segments: Sequence[int], proofs: Sequence[int]) -> int:
    """Segments are all written before the first is proved, at worst; the receipt stands beside its parts at the end."""
    open_bytes, done, most = sum(segments), 0, sum(segments)
    for segment, proof in zip(segments, proofs, strict=True):
        done += proof
        most = max(most, open_bytes + done)
        open_bytes -= segment
    return max(most, 2 * done)


History = Mapping[str, Sequence[tuple[float, float]]]
"""Pairs of predicted and measured, latest first, by what was predicted."""
MODEL: Final = "model_seconds"
PREDICTED: Final = (MODEL, "seconds", "memory_bytes")
SKIPPED: Final = "skipped"
"""Marks a job that teaches nothing."""


def correction(history: History) -> float:
    """What to multiply the model's time with: the median of what earlier proofs took by it; 1 without any."""
    found = Accuracy.of(MODEL, history.get(MODEL, ()))
    return 1.0 if found is None else min(MOST_CORRECTION, max(1 / MOST_CORRECTION, found.median))


def accuracies(history: History) -> tuple[Accuracy, ...]:
    """How good earlier predictions were, figure by figure."""
    found = (Accuracy.of(what, history.get(what, ())) for what in PREDICTED if what != MODEL)
    return tuple(accuracy for accuracy in found if accuracy is not None)


def learn(home: Path, speed: Speed) -> History:
    """What was predicted and measured here, latest first.

    Jobs that were done since the last time are added: what would have been predicted of them, and what they took.
    Left out are jobs that were interrupted or whose workers died.  Without a task database, or with one that cannot
    be used, there is no history: an estimate is worth having all the same, and `bento doctor` says what is wrong.
    """
    from localbento.service.home import DATABASE
    from localbento.service.taskdb.database import TaskDb
    from localbento.service.taskdb.rows import JobState

    if not (home / DATABASE).exists():
        return {}
    try:
        with TaskDb(home / DATABASE) as db:
            for job in reversed(db.list_jobs(states=[JobState.DONE], limit=HISTORY)):
                if not db.predictions_of_job(job.id):
                    seconds = (job.finished_at or job.created_at) - job.created_at
                    _remember(db, job.id, db.get_tasks(job.id), seconds, speed)
            return _history(db)
    except LocalBentoError:
        return {}


def _remember(db: "TaskDb", job: str, tasks: Sequence["TaskRow"], seconds: float, speed: Speed) -> None:
    proofs = [task for task in tasks if _fields(task.definition).get("kind") == "prove"]
    smooth = all(task.attempt == 1 and task.retries == task.crashes == 0 for task in tasks)
    if not proofs or not smooth or seconds <= 0:
        db.record_prediction(job, SKIPPED)
        return
    segments = [Segment(_fields(t.definition)["profile"], _fields(t.definition)["cycles"], 0) for t in proofs]
    cores = os.cpu_count() or 1
    predicted = predict(segments, speed, at_once(proofs), cores, 1 << 62, corrected_by=correction(_history(db)))
    peak = max(float(_fields(t.output).get("peak_bytes", 0)) for t in proofs)
    figures = {
        MODEL: (predicted.model_seconds, seconds),
        "seconds": (predicted.seconds, seconds),
        "memory_bytes": (float(max(t.memory_bytes for t in proofs)), peak),
    }
    for what, (expected, found) in figures.items():
        db.record_prediction(job, what, predicted=expected, measured=found)


def at_once(proofs: Sequence["TaskRow"]) -> int:
    """How many of these tasks ran at the same time, at most; at least 1."""
    changes = [(t.started_at, 1) for t in proofs if t.started_at is not None]
    changes += [(t.updated_at, -1) for t in proofs if t.started_at is not None and t.updated_at is not None]
    # At the same moment a worker is free before it takes the next one.
    return max([1, *accumulate(change for _, change in sorted(changes))])


def _history(db: "TaskDb") -> History:
    found: dict[str, list[tuple[float, float]]] = {}
    for row in db.prediction_history(HISTORY * len(PREDICTED)):
        if row.predicted is not None and row.measured is not None:
            found.setdefault(row.what, []).append((row.predicted, row.measured))
    return found


def _fields(value: object) -> Mapping[str, Any]:
    return value if isinstance(value, Mapping) else {}
