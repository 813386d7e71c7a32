"""The one place where localbento keeps what it remembers.

    taskdb.sqlite     jobs and tasks
    objects/          inputs, segments, receipts, each named by its SHA-256
    logs/             one text file for each job that ran detached

`BENTO_HOME` moves it.  Only its owner can read it: it holds private inputs.
"""

import os
import socket
from functools import cached_property
from pathlib import Path
from types import TracebackType
from typing import Final, Self

from localbento.errors import HostError
from localbento.service.store.objects import ObjectStore
from localbento.service.taskdb.clock import boot_id
from localbento.service.taskdb.database import TaskDb
from localbento.service.taskdb.rows import PoolRow

DATABASE: Final = "taskdb.sqlite"


def home_path() -> Path:
    """Where the home is, whether it exists or not."""
    given = os.environ.get("BENTO_HOME")
    if given:
        return Path(given).expanduser().absolute()
    import platformdirs

    return platformdirs.user_data_path("localbento")


class Home:
    """A folder with a task database and an object store; both are opened when they are first asked for."""

    def __init__(self, root: Path) -> None:
        """Make the folder if it is not there.

        Raises: HostError if it cannot be written.
        """
        self.root = root
        try:
            root.mkdir(parents=True, exist_ok=True, mode=0o700)
            if not os.access(root, os.W_OK | os.X_OK):
                raise PermissionError(13, "Permission denied")
        except OSError as error:
            msg = f"cannot write to {str(root)!r}: {error.strerror}; BENTO_HOME moves it"
            raise HostError(msg) from error

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    @cached_property
    def db(self) -> TaskDb:
        """The task database; one connection, for the thread that asked first."""
        return TaskDb(self.root / DATABASE)

    @cached_property
    def store(self) -> ObjectStore:
        """The objects."""
        return ObjectStore(self.root / "objects")

    def log_path(self, job_id: str) -> Path:
        """Where a detached job writes what it would have shown."""
        folder = self.root / "logs"
        folder.mkdir(mode=0o700, exist_ok=True)
        return folder / f"{job_id}.log"

    def close(self) -> None:
        """Close the task database, if it was opened."""
        if "db" in self.__dict__:
            self.db.close()
            del self.__dict__["db"]


def process_start(pid: int) -> float | None:
    """When a process began, in a unit of the system's; None if there is no such process.

    With it a process number that was given to somebody else is not taken for the old one.
    """
    stat = Path(f"/proc/{pid}/stat")
    if Path("/proc/self/stat").exists():
        try:
            fields = stat.read_text().rsplit(")", 1)[1].split()
        except OSError:
            return None
        return None if fields[0] in "ZX" else float(fields[19])
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return None
    except PermissionError:
        return 0.0
    return 0.0


def register(db: TaskDb, lease_seconds: float) -> int:
    """Register this process as one that runs tasks; the pool's number."""
    pid = os.getpid()
    return db.register_pool(
        pid, process_start(pid) or 0.0, boot_id(), socket.gethostname(), lease_seconds=lease_seconds
    )


def is_alive(pool: PoolRow) -> bool:
    """Whether the process that leads a pool may still be there.

    Under another host name on the same kernel (a container that shares our home) its number says nothing here; then
    the lease alone decides.
    """
    if pool.boot_id != boot_id():
        return False
    return pool.host != socket.gethostname() or process_start(pool.pid) == pool.process_start
