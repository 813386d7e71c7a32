"""A database in memory with a clock moved by hand, and short ways to make what the tests are not about."""

import pytest
from taskdb_tools import FakeClock

from localbento.service.taskdb import TaskDb


class Made:
    """A database, its clock, one stream, and short forms."""

    def __init__(self, path=None, **kwargs):
        self.clock = FakeClock()
        self.db = TaskDb(path, clock=self.clock, **kwargs)
        self.stream = self.db.create_stream("CPU", 1, 1.0, "user1")

    def pool(self, pid=1, boot="boot", lease=30.0):
        return self.db.register_pool(pid, 0.0, boot, "host", lease_seconds=lease)

    def job(self, *names, init_done=True, tasks=(), **kwargs):
        """A job with tasks of these names, and tasks with settings; init done unless asked otherwise."""
        job = self.db.create_job(self.stream, None, 0, 100, "user1", **kwargs)
        for name, settings in {**{key: {} for key in names}, **dict(tasks)}.items():
            self.task(job, name, **settings)
        if init_done:
            assert self.db.update_task_done(job, "init", None)
        return job

    def task(self, job, name, after=(), **kwargs):
        kwargs.setdefault("max_retries", 0)
        kwargs.setdefault("timeout", 10)
        return self.db.create_task(job, name, self.stream, kwargs.pop("definition", None), after, **kwargs)

    def claim(self, pool, **kwargs):
        return self.db.claim(pool, ["CPU"], **kwargs)

    def states(self, job):
        return {t.task_id: str(t.state) for t in self.db.get_tasks(job)}


@pytest.fixture
def made():
    found = Made()
    yield found
    assert found.db.check() == []
    found.db.close()


@pytest.fixture
def db(made):
    return made.db
