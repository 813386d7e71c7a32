"""Works off a job: claims its tasks, hands them to workers, records what comes back.

Several engines, in several processes, may work on one job or on many: the task database alone says who has which
task, and how much of the machine is taken.  An engine that is killed loses nothing but the tasks it was running.
"""

import os
import socket
import time
from collections.abc import Callable, Mapping
from typing import Any, Final, Literal

from localbento import errors
from localbento.errors import HostError, Interrupted, LocalBentoError
from localbento.service.home import Home, process_start
from localbento.service.jobs import INIT
from localbento.service.kinds import KINDS, STREAMS, Kind
from localbento.service.planning import FINALIZE, SECRET, SEGMENT, Planning
from localbento.service.state import EngineState, Held, Pace, Resources, RunningTask
from localbento.service.taskdb.clock import boot_id
from localbento.service.taskdb.errors import NotFoundError
from localbento.service.taskdb.rows import ClaimedTask, JobState, PoolRow, TaskState
from localbento.service.worker.messages import Done, Emitted, Event, Failed, Lost, Step, Task
from localbento.service.worker.pool import Pool

POLL_SECONDS: Final = 0.1
HEARTBEAT_SECONDS: Final = 1.0
LEASE_SECONDS: Final = 30.0
MOST_WAITING_SEGMENTS: Final = 50
"""The executor stands still while so many segments wait: they are disk space."""
GRACE_SECONDS: Final = 2.0
"""How long an object that nothing refers to stays: somebody else may be about to refer to the same bytes."""
CRASHES: Final = 3
HEALS: Final = 3
"""So often an engine makes lost objects again; more, and the disk needs looking after."""
NEARLY_DONE: Final = 0.6
"""A running proof that has used this share of the usual time will soon leave its core to the last one."""


class Engine:
    """One process's share in working off one job."""

    def __init__(self, home: Home, job_id: str, resources: Resources, kinds: Mapping[str, Kind] = KINDS) -> None:
        self._home = home
        self._db = home.db
        self._job = job_id
        self._resources = resources
        self._kinds = kinds
        self._held: dict[str, Held] = {}
        self._blocked: str | None = None
        self._unneeded: set[str] = set()
        self._planning: Planning | None = None
        self._pool_id = 0
        self._note_text = ""
        self._heals = 0
        self._beat = 0.0
        self._pace = Pace()
        self._started = time.monotonic()

    def run(self, progress: Callable[[EngineState], None]) -> None:
        """Work until the job has ended.  `progress` is called a few times a second.

        Raises: what a task raised; HostError if workers die again and again; Interrupted if the job was cancelled.
        """
        self._register()
        try:
            with Pool(self._home.store.root) as pool:
                progress(self._state())
                self._prepare(pool)
                while self._db.get_job(self._job).state is JobState.RUNNING:
                    self._look_after(pool)
                    self._claim(pool)
                    for event in pool.events(POLL_SECONDS):
                        self._note(event, pool)
                    progress(self._state())
        finally:
            self._db.unregister_pool(self._pool_id)
        self._end()
        progress(self._state(final=True))

    # -- what the job comes to

    def _end(self) -> None:
        job = self._db.get_job(self._job)
        short = self._job[:8]
        if job.state is JobState.CANCELLED:
            msg = f"job {short} was cancelled; bento jobs resume {short} goes on with it"
            raise Interrupted(msg)
        if job.state is JobState.FAILED:
            raise self._failure(job.error)
        self._release_all_but_results()

    def _failure(self, error: str | None) -> LocalBentoError:
        failed = self._db.get_tasks(self._job, states=[TaskState.FAILED])
        task = min(failed, key=lambda t: t.updated_at or 0.0, default=None)
        message = error or "the job failed"
        kind = getattr(errors, (task and task.error_class) or "", HostError)
        if not (isinstance(kind, type) and issubclass(kind, LocalBentoError)) or kind is errors.VerificationError:
            kind = HostError
        raised: LocalBentoError = kind(message)
        return raised

    def _release_all_but_results(self) -> None:
        """What was only needed on the way goes: inputs, the secret, the segments and their proofs."""
        for task in self._db.get_tasks(self._job):
            gone = self._db.release_refs(self._job, task.task_id)
            if task.task_id not in (INIT, FINALIZE):
                gone += self._db.release_refs(self._job, task.task_id, outputs=True)
            self._unneeded.update(gone)
        # At once: the secret is among them.  Who was just about to refer to one of these bytes stores them again.
        self._sweep(0.0)

    def _sweep(self, grace_seconds: float) -> None:
        """Remove objects that our job has let go of, unless something else refers to them or is about to."""
        if self._unneeded:
            self._home.store.collect(self._db.referenced, grace_seconds, only=self._unneeded)
            self._unneeded = {digest for digest in self._unneeded if self._home.store.exists(digest)}

    def _heal(self, damaged: str, pool: Pool) -> bool:
        """Go back to where a lost or damaged object can be made again.  False if it was given to us by the user."""
        if self._heals == HEALS or damaged in self._db.task_inputs(self._job, INIT).values():
            return False
        self._heals += 1
        self._home.store.delete(damaged)
        names = {FINALIZE, *(t.task_id for t in self._db.get_tasks(self._job) if t.task_id.startswith("verify"))}
        for task in self._db.get_tasks(self._job):
            refs = [self._db.task_inputs(self._job, task.task_id), self._db.task_outputs(self._job, task.task_id)]
            if task.task_id != INIT and any(damaged in roles.values() for roles in refs):
                names.add(task.task_id)
        self._unneeded.update(self._db.rewind_job(self._job, names))
        again = [name for name in (*names, INIT) if name in self._held]
        pool.kill(again)
        for name in again:
            self._forget(name)
        self._say("warning", f"object {damaged[:12]} was lost or damaged and is being made again")
        return True

    def _say(self, level: Literal["warning", "error"], text: str) -> None:
        self._note_text = text
        self._db.log(self._job, level, text)

    # -- leases

    def _look_after(self, pool: Pool) -> None:
        """Renew our leases, drop what is no longer ours, give back what dead processes held."""
        now = time.monotonic()
        if now < self._beat:
            return
        self._beat = now + HEARTBEAT_SECONDS
        try:
            leases = self._db.heartbeat(self._pool_id, LEASE_SECONDS)
        except NotFoundError:
            # We were taken for dead, and everything we held was given back.
            self._register()
            lost = set(self._held)
        else:
            mine = {(self._job, name, held.claimed.attempt): name for name, held in self._held.items()}
            found = (mine.get((lease.job_id, lease.task_id, lease.attempt)) for lease in leases)
            lost = {name for name in found if name is not None}
        late = {name for name, held in self._held.items() if now - held.since > held.claimed.timeout_secs} - lost
        for name in late:
            self._crashed(name, self._held[name], f"ran longer than {self._held[name].claimed.timeout_secs:.0f} s")
        pool.kill(lost | late)
        for name in lost | late:
            self._forget(name)
        self._db.reap(_is_alive)
        self._sweep(GRACE_SECONDS)

    def _register(self) -> None:
        pid = os.getpid()
        self._pool_id = self._db.register_pool(
            pid, process_start(pid) or 0.0, boot_id(), socket.gethostname(), lease_seconds=LEASE_SECONDS
        )

    def _forget(self, name: str) -> None:
        if self._blocked == name:
            self._blocked = None
        self._held.pop(name, None)

    # -- claiming

    def _prepare(self, pool: Pool) -> None:
        """Start a worker that gets ready to prove while another one executes."""
        counts = self._counts()
        if counts.get(TaskState.DONE, 0) == 0 or counts.get(TaskState.READY, 0):
            pool.spawn((self._kinds["prove"].module or "", self._kinds["verify"].module or ""))

    def _claim(self, pool: Pool) -> None:
        if self._blocked is not None and self._counts().get(TaskState.READY, 0) < MOST_WAITING_SEGMENTS:
            pool.proceed(self._blocked)
            self._blocked = None
        while True:
            streams = [s for s in STREAMS if s != "prove" or self._may_prove()]
            if self._busy() >= self._resources.workers:
                streams = ["exec"]
            claimed = self._db.claim(
                self._pool_id, streams, job_id=self._job, cores_limit=self._resources.cores,
                memory_limit=self._resources.memory_bytes,
            )  # fmt: skip
            if claimed is None:
                self._require_room()
                pool.retire(max(self._resources.workers, len(self._held)))
                return
            self._start(claimed, pool)

    def _require_room(self) -> None:
        """A task that would not even fit alone is an error; one that waits for others is not.

        Raises: HostError.
        """
        if self._held:
            return
        limit = self._resources.memory_bytes
        for task in self._db.get_tasks(self._job, states=[TaskState.READY]):
            if task.memory_bytes > limit:
                msg = (
                    f"task {task.task_id}: expected at most {_gib(limit)} (--memory), found that it needs "
                    f"{_gib(task.memory_bytes)}; raise --memory, or use --fresh with a lower --segment-size"
                )
                raise HostError(msg)

    def _busy(self) -> int:
        return sum(self._kinds[held.kind].cores > 0 for held in self._held.values())

    def _may_prove(self) -> bool:
        """How many segments there will be decides how many threads each may have: wait until that is known."""
        ready = self._counts().get(TaskState.READY, 0)
        return self._executed() or ready + self._busy() >= self._resources.workers

    def _start(self, claimed: ClaimedTask, pool: Pool) -> None:
        kind = self._kinds[claimed.definition["kind"]]
        held = Held(claimed, kind.name, time.monotonic())
        self._held[claimed.task_id] = held
        options = dict(claimed.definition.get("options", {}))
        if kind.name == "prove":
            held.threads = options["threads"] = self._threads()
        inputs = {**self._db.task_inputs(self._job, claimed.task_id), **self._from_others(claimed.definition)}
        if kind.streams_objects:
            job = self._db.get_job(self._job)
            self._planning = Planning(self._home, self._job, job.receipt_kind or "composite", job.options["verifiers"])
        task = Task(claimed.task_id, kind.module or "", inputs, options, kind.streams_objects)
        pool.start(task)

    def _from_others(self, definition: Mapping[str, Any]) -> dict[str, str]:
        """Inputs that are other tasks' outputs: one, or a list in order."""
        found = {}
        for role, source in definition.get("from", {}).items():
            if isinstance(source, str):
                found[role] = self._db.task_outputs(self._job, source)[role]
            else:
                outputs = self._db.outputs_of(self._job, role)
                found |= {f"{role}.{i:06}": outputs[name] for i, name in enumerate(source)}
        return found

    def _threads(self) -> int:
        """Threads for the proof that starts now: its share of the cores; all of them if it will soon be alone."""
        cores, workers = self._resources.cores, self._resources.workers
        if not self._executed():
            return max(1, cores // workers)
        waiting = self._counts().get(TaskState.READY, 0)
        if not waiting and self._others_nearly_done():
            return cores
        return max(1, cores // min(workers, self._busy() + waiting))

    def _others_nearly_done(self) -> bool:
        *others, _ = (held for held in self._held.values() if held.kind == "prove")
        if not others:
            return True
        if not self._pace.usual:
            return False
        now = time.monotonic()
        return all(
            now - held.since > NEARLY_DONE * self._pace.usual * held.claimed.definition["cycles"] for held in others
        )

    # -- events

    def _note(self, event: Event, pool: Pool) -> None:
        held = self._held.get(event.task)
        if held is None:
            return
        attempt = held.claimed.attempt
        match event:
            case Step(step=step):
                held.step = step
                self._db.task_progress(self._job, event.task, attempt, 0.0, step)
            case Emitted():
                self._emitted(event, pool)
            case Done():
                self._done(event, held)
            case Failed():
                self._failed(event, held, pool)
            case Lost():
                self._forget(event.task)
                self._crashed(event.task, held, f"its worker died (last: {event.how})")

    def _failed(self, event: Failed, held: Held, pool: Pool) -> None:
        self._forget(event.task)
        if event.damaged is not None and self._heal(event.damaged, pool):
            return
        name = type(event.error).__name__
        message = f"task {event.task}: {event.error}" if isinstance(event.error, HostError) else str(event.error)
        self._db.task_failed(
            self._job, event.task, held.claimed.attempt, name, held.step, message, event.detail or event.log_tail,
            retry=False,
        )  # fmt: skip
        self._db.log(self._job, "error", f"task {event.task}: {event.error}")

    def _crashed(self, name: str, held: Held, how: str) -> None:
        """A worker died, or was stopped for taking too long: its task is tried again, or the job fails."""
        short = self._job[:8]
        message = (
            f"task {name}: {how}, {CRASHES} times; if memory ran out, use fewer --jobs or a lower --memory, then: "
            f"bento jobs resume {short}"
        )
        crashes = self._db.task_crashed(self._job, name, held.claimed.attempt, message, limit=CRASHES)
        if crashes:
            self._say("warning", f"task {name}: {how}; try {crashes} of {CRASHES}")

    def _emitted(self, event: Emitted, pool: Pool) -> None:
        if self._planning is None:
            return
        if not self._planning.segment(event.stored, event.facts):
            self._unneeded.add(event.stored[0])
        self._db.set_executed_cycles(self._job, self._planning.cycles)
        if self._counts().get(TaskState.READY, 0) < MOST_WAITING_SEGMENTS:
            pool.proceed(event.task)
        else:
            self._blocked = event.task

    def _done(self, event: Done, held: Held) -> None:
        self._forget(event.task)
        if held.kind == "execute" and self._planning is not None:
            self._planning.finish(event.outputs["session"])
        facts = {
            **event.facts, "seconds": event.seconds, "peak_bytes": event.peak_bytes, "steps": dict(event.steps),
            "threads": held.threads,
        }  # fmt: skip
        ours = self._db.task_done(self._job, event.task, held.claimed.attempt, facts, outputs=dict(event.outputs))
        if not ours:
            return
        self._db.log(self._job, "info", _told(event, held))
        if held.kind == "execute":
            self._db.set_image_id(self._job, event.facts["image_id"])
        if held.kind == "prove":
            self._pace.cycles += event.facts["cycles"]
            self._pace.seconds += event.seconds
            self._unneeded.update(self._db.release_refs(self._job, event.task, [SEGMENT, SECRET]))

    # -- what is known of the job

    def _counts(self) -> Mapping[TaskState, int]:
        """Prove tasks of the job by state."""
        return self._db.count_tasks(self._job, "prove")

    def _executed(self) -> bool:
        return self._db.task_state(self._job, INIT) is TaskState.DONE

    def _state(self, *, final: bool = False) -> EngineState:
        now = time.monotonic()
        counts = self._counts()
        running = tuple(
            RunningTask(name, held.kind, held.step, now - held.since, held.claimed.memory_bytes)
            for name, held in self._held.items()
        )
        job = self._db.get_job(self._job)
        seconds = now - self._started
        note, self._note_text = self._note_text, ""
        return EngineState(
            self._job, self._executed(), job.executed_cycles or 0, counts.get(TaskState.READY, 0), running,
            counts.get(TaskState.RUNNING, 0), counts.get(TaskState.DONE, 0), self._db.cycles_done(self._job), seconds,
            self._pace.cycles / (now - self._pace.started), self._resources.memory_bytes, note, final,
        )  # fmt: skip


def _is_alive(pool: PoolRow) -> bool:
    return pool.boot_id == boot_id() and process_start(pool.pid) == pool.process_start


def _told(event: Done, held: Held) -> str:
    """One line about a task that is done."""
    match held.kind:
        case "execute":
            what = f"executed {event.facts['cycles']:,} cycles, cut into {event.facts['segments']} segments"
        case "prove":
            threads = f" on {held.threads} threads" if held.threads > 1 else ""
            what = f"segment {event.facts['index']} proved and verified, {event.facts['cycles']:,} cycles{threads}"
        case "finalize":
            what = f"receipt of {event.facts['receipt_bytes']:,} bytes put together"
        case _:
            what = f"task {event.task} done"
    return f"{what}, {event.seconds:.1f} s"


def _gib(count: int) -> str:
    return f"{count / 2**30:.1f} GiB"
