"""The task database as one class; each part stands in a file of its own."""

from pathlib import Path

from localbento.service.taskdb.clock import Clock
from localbento.service.taskdb.jobs import Jobs
from localbento.service.taskdb.objects import Objects
from localbento.service.taskdb.options import Options
from localbento.service.taskdb.pools import Pools
from localbento.service.taskdb.records import Records
from localbento.service.taskdb.rewinding import Rewinding
from localbento.service.taskdb.streams import Streams
from localbento.service.taskdb.tasks import Tasks
from localbento.service.taskdb.versions import Versioned


class TaskDb(Streams, Jobs, Tasks, Pools, Objects, Records, Rewinding, Versioned):
    """Jobs, tasks, dependencies, streams, leases and references to objects, in one SQLite file.

    Several processes may use the file at once.  One instance holds one connection, for one thread; it must not be
    carried over a fork.  Every method that writes is one transaction, which waits for other writers.
    Source: docs/service/taskdb.md.
    """

    def __init__(self, path: Path | None, *, clock: Clock | None = None, options: Options | None = None) -> None:
        """Open the file, making or migrating it; None is a database in memory.

        Raises: HostError when the file cannot be opened, is damaged, is no task database, or of a newer version.
        """
        super().__init__(path, clock=clock, options=options)
        try:
            self._bring_up_to_date()
            self._set_up()
        except BaseException:
            self.close()
            raise
