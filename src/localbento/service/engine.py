"""Works off a job: claims its tasks, hands them to workers, records what comes back.

Several engines, in several processes, may work on one job or on many: the task database alone says who has which
task, and how much of the machine is taken.  An engine that is killed loses nothing but the tasks it was running.
"""

import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Final, Literal

from localbento.errors import HostError, Interrupted
from localbento.service.claiming import Claims
from localbento.service.healing import InputLost, heal
from localbento.service.home import Home, is_alive, register
from localbento.service.jobs import INIT, SECRET, failure_of, settle
from localbento.service.kinds import KINDS, STREAMS, Kind
from localbento.service.planning import SEGMENT, Planning, inputs_of
from localbento.service.state import EngineState, Held, Pace, Resources, RunningTask, gib, told
from localbento.service.taskdb.errors import ConflictError, NotFoundError
from localbento.service.taskdb.rows import ClaimedTask, JobRow, JobState, TaskState
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
HEALS: Final = 5
"""So often an engine makes lost objects again; more, and the disk needs looking after."""


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
        self._claims = Claims(home.db, job_id, resources)
        self._started = time.monotonic()

    def run(self, progress: Callable[[EngineState], None]) -> None:
        """Work until the job has ended.  `progress` is called a few times a second.

        Raises: what a task raised; HostError if workers die again and again; Interrupted if the job was cancelled or
            deleted.
        """
        self._register()
        try:
            with Pool(self._home.store.root) as pool:
                job = self._work(pool, progress)
            self._end(job)
            progress(self._state(final=True))
        except NotFoundError:
            if self._db.get_tasks(self._job):
                raise
            msg = f"job {self._job[:8]} was deleted while it was worked on; the same bento prove makes it anew"
            raise Interrupted(msg) from None
        finally:
            # What it gives back is given back in any case once our process or our lease has ended.
            with suppress(HostError):
                self._db.unregister_pool(self._pool_id)

    def _work(self, pool: Pool, progress: Callable[[EngineState], None]) -> JobRow:
        """Claim, hand out, listen, until the job has ended; the job as it then was."""
        progress(self._state())
        self._prepare(pool)
        while (job := self._db.get_job(self._job)).state is JobState.RUNNING:
            self._look_after(pool)
            self._claim(pool)
            for event in pool.events(POLL_SECONDS):
                self._note(event, pool)
            progress(self._state())
        return job

    # -- what the job comes to

    def _end(self, job: JobRow) -> None:
        """Judged by how the job was when we stopped: since then somebody may have set it going again."""
        short = self._job[:8]
        if job.state is JobState.CANCELLED:
            msg = f"job {short} was cancelled; bento jobs resume {short} goes on with it"
            raise Interrupted(msg)
        if job.state is JobState.FAILED:
            raise failure_of(self._home, job)
        try:
            settle(self._home, self._job)
            self._sweep(0.0)
        except HostError as error:
            # The receipt is made, verified and stored: what is left to do `bento gc` can do, too.
            self._note_text = f"the job is done; what it needs no longer could not be removed: {error}"

    def _sweep(self, grace_seconds: float) -> None:
        """Remove objects that our job has let go of, unless something else refers to them or is about to."""
        if self._unneeded:
            self._home.store.collect(self._db.referenced, grace_seconds, only=self._unneeded)
            self._unneeded = {digest for digest in self._unneeded if self._home.store.exists(digest)}

    def _heal(self, event: Failed, held: Held, pool: Pool) -> bool:
        """Go back to where lost or damaged objects can be made again.  False if it has happened too often.

        Raises: InputLost.
        """
        if self._heals == HEALS:
            return False
        self._heals += 1
        found = heal(self._home, self._job, event.task, held.claimed.attempt, lambda: self._look_after(pool))
        if found is None:
            return True  # it is not for us to say
        self._unneeded.update(found.unneeded)
        again = [name for name in (*found.tasks, INIT) if found.lost and name in self._held]
        pool.kill(again)
        for name in again:
            self._forget(name)
        if found.lost:
            named = ", ".join(sorted(digest[:12] for digest in found.lost))
            self._say("warning", f"object {named} was lost or damaged and is being made again")
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
        late = {name for name, held in self._held.items() if now - held.heard > held.claimed.timeout_secs} - lost
        for name in late:
            limit = self._held[name].claimed.timeout_secs
            self._crashed(name, self._held[name], f"not a word from its worker for {limit:.0f} s")
        pool.kill(lost | late)
        for name in lost | late:
            self._forget(name)
        self._db.reap(is_alive)
        self._sweep(GRACE_SECONDS)

    def _register(self) -> None:
        self._pool_id = register(self._db, LEASE_SECONDS)

    def _forget(self, name: str) -> None:
        if self._blocked == name:
            self._blocked = None
        self._held.pop(name, None)

    # -- claiming

    def _prepare(self, pool: Pool) -> None:
        """Start a worker that gets ready to prove while another one executes: each is given what it knows."""
        counts = self._counts()
        if counts.get(TaskState.DONE, 0) == 0 or counts.get(TaskState.READY, 0):
            pool.spawn((self._kinds["prove"].module or "", self._kinds["verify"].module or ""))
        if not self._executed():
            pool.spawn((self._kinds["execute"].module or "",))

    def _claim(self, pool: Pool) -> None:
        if self._blocked is not None and self._counts().get(TaskState.READY, 0) < MOST_WAITING_SEGMENTS:
            pool.proceed(self._blocked)
            self._blocked = None
        while True:
            streams = [s for s in STREAMS if s != "prove" or self._may_prove()]
            if self._busy() >= self._resources.workers:
                streams = ["exec"]
            try:
                claimed = self._claims.claim(self._pool_id, streams)
            except NotFoundError:
                self._beat = 0.0  # we were taken for dead: the next heartbeat sees to it
                return
            if claimed is None:
                self._require_room()
                if self._blocked is not None and self._claims.is_stuck():
                    # What waits does not fit beside the execution: it has to end first, however much waits then.
                    pool.proceed(self._blocked)
                    self._blocked = None
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
                    f"task {task.task_id}: expected at most {gib(limit)} (--memory), found that it needs "
                    f"{gib(task.memory_bytes)}; raise --memory, or use --fresh with a lower --segment-size"
                )
                raise HostError(msg)

    def _busy(self) -> int:
        return sum(self._kinds[held.kind].cores > 0 for held in self._held.values())

    def _may_prove(self) -> bool:
        """How many segments there will be decides how many threads each may have: wait until that is known."""
        ready = self._counts().get(TaskState.READY, 0)
        return self._executed() or ready + self._busy() >= self._resources.workers

    def _all_planned(self) -> bool:
        """Whether no more segments will come: known a moment before the execution says that it has ended."""
        return self._executed() or (INIT in self._held and self._planning is not None and self._planning.last_seen)

    def _start(self, claimed: ClaimedTask, pool: Pool) -> None:
        if claimed.task_id in self._held:
            # It was taken away and is ours again before a heartbeat could tell: the old run must not speak for it.
            pool.kill([claimed.task_id])
            self._forget(claimed.task_id)
        kind = self._kinds[claimed.definition["kind"]]
        now = time.monotonic()
        held = Held(claimed, kind.name, now, now)
        self._held[claimed.task_id] = held
        options = dict(claimed.definition.get("options", {}))
        if kind.name == "prove":
            others = [other for other in self._held.values() if other is not held]
            held.threads = options["threads"] = self._claims.lend(
                held, others, self._pace, all_known=self._all_planned()
            )
        if kind.streams_objects:
            job = self._db.get_job(self._job)
            self._planning = Planning(self._home, self._job, job.receipt_kind or "composite", job.options["verifiers"])
        inputs: dict[str, str] = {}
        if self._if_ours(held, lambda: inputs.update(inputs_of(self._home, claimed))):
            pool.start(Task(claimed.task_id, kind.module or "", inputs, options, kind.streams_objects))
        else:
            self._forget(claimed.task_id)

    # -- events

    def _note(self, event: Event, pool: Pool) -> None:
        held = self._held.get(event.task)
        if held is None:
            return
        held.heard = time.monotonic()
        match event:
            case Step(step=step):
                held.step = step
                self._db.task_progress(self._job, event.task, held.claimed.attempt, 0.0, step)
            case Emitted():
                self._emitted(event, held, pool)
            case Done():
                self._done(event, held)
            case Failed():
                self._failed(event, held, pool)
            case Lost():
                self._forget(event.task)
                self._crashed(event.task, held, f"its worker died (last: {event.how})")

    def _failed(self, event: Failed, held: Held, pool: Pool) -> None:
        self._forget(event.task)
        error = event.error
        if event.damaged is not None:
            try:
                if self._heal(event, held, pool):
                    return
            except InputLost as lost:
                error = lost
        name = "HostError" if isinstance(error, HostError) else type(error).__name__
        message = f"task {event.task}: {error}" if isinstance(error, HostError) else str(error)
        ours = self._db.task_failed(
            self._job, event.task, held.claimed.attempt, name, held.step, message, event.detail or event.log_tail,
            retry=False,
        )  # fmt: skip
        if ours:
            self._db.log(self._job, "error", f"task {event.task}: {error}")

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

    def _emitted(self, event: Emitted, held: Held, pool: Pool) -> None:
        planning = self._planning
        if planning is None or not self._if_ours(held, lambda: self._segment(planning, event)):
            return
        self._db.set_executed_cycles(self._job, planning.cycles)
        if self._counts().get(TaskState.READY, 0) < MOST_WAITING_SEGMENTS:
            pool.proceed(event.task)
        else:
            self._blocked = event.task

    def _segment(self, planning: Planning, event: Emitted) -> None:
        if not planning.segment(event.stored, event.facts):
            self._unneeded.add(event.stored[0])

    def _if_ours(self, held: Held, act: Callable[[], None]) -> bool:
        """Read or plan what belongs to a run.  False if that fails since it was taken away, and others see to it."""
        try:
            act()
        except (NotFoundError, ConflictError):
            if self._db.is_current_run(self._job, held.claimed.task_id, held.claimed.attempt):
                raise
            return False
        return True

    def _done(self, event: Done, held: Held) -> None:
        self._forget(event.task)
        planning = self._planning
        if held.kind == "execute" and planning is not None:
            session = event.outputs["session"]
            if not self._if_ours(held, lambda: planning.finish(session)):
                return
        facts = {
            **event.facts, "seconds": event.seconds, "peak_bytes": event.peak_bytes, "steps": dict(event.steps),
            "threads": held.threads,
        }  # fmt: skip
        ours = self._db.task_done(self._job, event.task, held.claimed.attempt, facts, outputs=dict(event.outputs))
        if not ours:
            return
        self._db.log(self._job, "info", told(event, held))
        if held.kind == "execute":
            self._db.set_image_id(self._job, event.facts["image_id"])
        if held.kind == "prove":
            self._pace.add(held, event.facts["cycles"], event.seconds)
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
