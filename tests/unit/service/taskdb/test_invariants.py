"""Whatever is called in whatever order, some things hold."""

from collections import Counter

from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule
from taskdb_tools import FakeClock

from localbento.service.taskdb import JobState, TaskDb, TaskState

CORES, MEMORY = 4, 10
LEASE = 30.0
UNFINISHED = (TaskState.PENDING, TaskState.READY, TaskState.RUNNING, TaskState.FAILED, TaskState.CANCELLED)


class Chaos(RuleBasedStateMachine):
    """Jobs of random shape, several pools, reports true and stale, kills, sleeps, cancellations, resumptions."""

    @initialize()
    def open(self):
        self.clock = FakeClock()
        self.db = TaskDb(None, clock=self.clock)
        self.streams = [self.db.create_stream("CPU", n, 1.0 + n, "user1") for n in (0, 2)]
        self.jobs, self.pools, self.dead, self.pid = [], [], set(), 0
        self.runs, self.handed_out, self.done = [], Counter(), set()
        self.enter_pool()

    def teardown(self):
        if hasattr(self, "db"):
            self.db.close()

    @rule()
    def enter_pool(self):
        self.pid += 1
        self.pools.append(self.db.register_pool(self.pid, 0.0, "boot", "host", lease_seconds=LEASE))

    @precondition(lambda self: len(self.jobs) < 4)
    @rule(stream=st.integers(0, 1))
    def create_job(self, stream):
        self.jobs.append(self.db.create_job(self.streams[stream], None, 1, 50, "user1", cores=1, memory_bytes=1))

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), stream=st.integers(0, 1), cores=st.integers(0, CORES), memory=st.integers(0, MEMORY))
    def create_task(self, data, stream, cores, memory):
        job = data.draw(st.sampled_from(self.jobs))
        names = [task.task_id for task in self.db.get_tasks(job)]
        before = data.draw(st.lists(st.sampled_from(names), max_size=4))
        self.was_done = self.db.get_job(job).state is JobState.DONE
        if self.was_done:
            return  # a done job stays done when it gets more tasks: recorded, and not what users do
        self.db.create_task(
            job, f"t{len(names)}", self.streams[stream], None, before, 1, 50, cores=cores, memory_bytes=memory
        )

    @precondition(lambda self: self.pools)
    @rule(data=st.data(), of_job=st.booleans())
    def claim(self, data, of_job):
        pool = data.draw(st.sampled_from(self.pools))
        job = data.draw(st.sampled_from(self.jobs)) if of_job and self.jobs else None
        task = self.db.claim(pool, ["CPU"], job_id=job, cores_limit=CORES, memory_limit=MEMORY)
        if task is not None:
            assert job in (None, task.job_id)
            self.handed_out[task.job_id, task.task_id, task.attempt] += 1
            self.runs.append((task.job_id, task.task_id, task.attempt))
        elif job is None:
            self.nothing_fits()

    def nothing_fits(self):
        _, cores, memory = self.db.used_resources()
        for each in self.jobs:
            for task in self.db.get_tasks(each, states=[TaskState.READY]):
                assert task.cores + cores > CORES or task.memory_bytes + memory > MEMORY

    @precondition(lambda self: self.runs)
    @rule(data=st.data(), what=st.sampled_from(["done", "failed", "retry", "crash", "progress", "back"]))
    def report(self, data, what):
        job, name, attempt = data.draw(st.sampled_from(self.runs))
        holds = any(
            (task.task_id, task.attempt) == (name, attempt)
            for task in self.db.get_tasks(job, states=[TaskState.RUNNING])
        )
        before = self.db.get_tasks(job)
        match what:
            case "done":
                accepted = self.db.task_done(job, name, attempt, attempt)
                if accepted:
                    assert (job, name) not in self.done
                    self.done.add((job, name))
            case "failed" | "retry":
                accepted = self.db.task_failed(job, name, attempt, "E", "r", "m", "", retry=what == "retry")
            case "crash":
                accepted = self.db.task_crashed(job, name, attempt, "signal 9", limit=3) > 0
            case "progress":
                accepted = self.db.task_progress(job, name, attempt, 0.5, "step")
            case _:
                accepted = self.db.task_given_back(job, name, attempt)
        assert accepted == holds
        if not accepted:
            assert self.db.get_tasks(job) == before

    @precondition(lambda self: self.jobs)
    @rule(data=st.data(), what=st.sampled_from(["cancel", "resume", "delete", "resume", "fail"]))
    def manage(self, data, what):
        job = data.draw(st.sampled_from(self.jobs))
        match what:
            case "cancel":
                self.db.cancel_job(job)
            case "resume":
                self.db.resume_job(job)
            case "fail":
                self.db.update_task_failed(job, "init", "from outside")
            case _:
                self.db.delete_job(job)
                self.jobs.remove(job)

    @precondition(lambda self: self.pools)
    @rule(data=st.data())
    def kill(self, data):
        pool = data.draw(st.sampled_from(self.pools))
        self.pools.remove(pool)
        self.dead |= {row.pid for row in self.db.list_pools() if row.id == pool}

    @rule(seconds=st.sampled_from([1.0, 20.0, 40.0, 60.0]), jump=st.sampled_from([0.0, -1e6, 1e6]))
    def pass_time(self, seconds, jump):
        self.clock.advance(seconds)
        self.clock.wall += jump

    @precondition(lambda self: self.pools)
    @rule(data=st.data())
    def heartbeat(self, data):
        pool = data.draw(st.sampled_from(self.pools))
        for lease in self.db.heartbeat(pool, LEASE):
            assert lease.job_id not in self.jobs or not any(
                (task.task_id, task.attempt, task.pool_id) == (lease.task_id, lease.attempt, pool)
                for task in self.db.get_tasks(lease.job_id, states=[TaskState.RUNNING])
            )

    @rule()
    def reap(self):
        self.db.reap(lambda row: row.pid not in self.dead)
        assert {row.id for row in self.db.list_pools()} == set(self.pools)

    @rule()
    def requeue(self):
        self.db.requeue_tasks(2)

    @invariant()
    def nothing_is_wrong(self):
        if not hasattr(self, "db"):
            return
        assert self.db.check() == []
        assert self.db.check_stuck_pending_tasks() == []
        assert all(count == 1 for count in self.handed_out.values()), "a task handed out twice at one attempt"
        number, cores, memory = self.db.used_resources()
        assert cores <= CORES
        assert memory <= MEMORY
        assert number == sum(row.running for row in self.db.list_pools())
        for job in self.jobs:
            self.job_is_right(job)

    def job_is_right(self, job):
        tasks = {task.task_id: task for task in self.db.get_tasks(job)}
        waits = Counter(
            post for pre, post, times in self.db.list_dependencies(job) if tasks[pre].state in UNFINISHED and times == 1
        )
        states = {task.state for task in tasks.values()}
        state = self.db.get_job(job).state
        for task in tasks.values():
            if task.state in (TaskState.PENDING, TaskState.READY):
                assert task.waiting_on == waits[task.task_id]
                assert (task.state is TaskState.PENDING) == (task.waiting_on > 0)
            if task.state is TaskState.DONE:
                assert waits[task.task_id] == 0
                assert (job, task.task_id) in self.done
            assert (task.pool_id is not None) == (task.state is TaskState.RUNNING)
        assert (state is JobState.DONE) == (states == {TaskState.DONE})
        if state in (JobState.FAILED, JobState.CANCELLED):
            assert not states & {TaskState.PENDING, TaskState.READY}
        else:
            assert not states & {TaskState.FAILED, TaskState.CANCELLED}


Chaos.TestCase.settings = settings(
    max_examples=100, stateful_step_count=40, deadline=None, suppress_health_check=list(HealthCheck), derandomize=True
)
TestInvariants = Chaos.TestCase
