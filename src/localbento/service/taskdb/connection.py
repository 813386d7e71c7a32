"""One connection: opening, transactions, waiting for the lock, and sqlite3's errors in our words."""

import os
import random
import sqlite3
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Self

from localbento.errors import HostError, UsageError
from localbento.service.taskdb.clock import Clock, SystemClock
from localbento.service.taskdb.errors import host_error, locked_error
from localbento.service.taskdb.options import Options
from localbento.service.taskdb.rows import Cells
from localbento.service.taskdb.statements import statements

OLDEST_SQLITE: Final = (3, 35, 0)
"""RETURNING."""
FIRST_NAP: Final = 0.0005
LONGEST_NAP: Final = 0.004
"""PERF: 8 processes, 3,300 claims and reports a second, the longest wait 0.2 s.  SQLite's own naps of up to 100 ms:
2,700, 2 s, and one process got nothing; 0.2 to 2 ms: a quarter more CPU; 1 to 20 ms: waits of 0.9 s."""
LOG_BYTES: Final = 16 << 20
"""PERF: a write adds some 36 KB to the log.  Emptied at 16 MiB, checkpoints cost a few percent; left to SQLite, whose
passive ones do not reset a log that others look at, the log of 8 busy processes grew to 230 MB."""


class Connected:
    """A connection with named statements; what the parts of TaskDb are built on."""

    def __init__(self, path: Path | None, *, clock: Clock | None = None, options: Options | None = None) -> None:
        """Connect to a file (made with mode 0600 if there is none), or to memory for None.

        Raises: HostError when the file cannot be opened, is damaged, or is no database.
        """
        if sqlite3.sqlite_version_info < OLDEST_SQLITE:
            msg = f"expected SQLite 3.35 or newer, found {sqlite3.sqlite_version}; use a newer Python"
            raise HostError(msg)
        self.path = path
        self._clock = clock or SystemClock()
        self._options = options or Options()
        self._sql = {name: statement.sql for name, statement in statements().items()}
        self._log = None if path is None else path.with_name(f"{path.name}-wal")
        self._log_limit = LOG_BYTES
        self._connection = self._open()

    def _open(self) -> sqlite3.Connection:
        if self.path is not None:
            try:
                # SQLite gives the log and the index beside it the mode of the database.
                os.close(os.open(self.path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600))
            except OSError as error:
                msg = (
                    f"task database: expected a file that can be written, found {error.strerror}: {self.path}; "
                    "check owner and mode, or set BENTO_HOME"
                )
                raise HostError(msg) from error
        try:
            connection = sqlite3.connect(
                ":memory:" if self.path is None else self.path,
                timeout=0.0,
                isolation_level=None,
                cached_statements=256,
            )
        except sqlite3.Error as error:
            raise host_error(error, self.path) from error
        return connection

    def _set_up(self) -> None:
        """Settings of this connection; WAL is one of the file, and taking it up needs the file for a moment."""
        for name in ("use_wal", "use_normal_sync", "no_automatic_checkpoint", "use_foreign_keys"):
            self._run(name)

    def close(self) -> None:
        """Let the file go; closing twice is harmless."""
        self._connection.close()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, tb: TracebackType | None) -> None:
        self.close()

    def _run(self, name: str, **values: Any) -> list[Cells]:
        """Run a named statement; all its rows.

        Raises: sqlite3.IntegrityError as it is, for the caller who knows what it means; HostError for all else.
        """
        return self._execute(self._sql[name], values)

    def _execute(self, sql: str, values: dict[str, Any]) -> list[Cells]:
        deadline = nap = 0.0
        while True:
            try:
                return self._connection.execute(sql, values).fetchall()
            except sqlite3.IntegrityError:
                raise
            except UnicodeEncodeError:  # a file name that is not UTF-8, in an error text perhaps
                values = {key: _encodable(value) for key, value in values.items()}
            except sqlite3.Error as error:
                if not _is_busy(error):
                    raise host_error(error, self.path) from error
                now = time.monotonic()
                deadline = deadline or now + self._options.busy_seconds
                if now >= deadline:
                    raise locked_error(self.path, self._options.busy_seconds) from error
                nap = min(LONGEST_NAP, nap * 2.0 or FIRST_NAP)
                time.sleep(nap * (0.5 + random.random()))  # jitter only

    def _first(self, name: str, **values: Any) -> Cells | None:
        rows = self._run(name, **values)
        return rows[0] if rows else None

    @contextmanager
    def _write(self) -> Iterator[None]:
        """One transaction that holds the write lock from the start; undone when the body raises.

        Raises: UsageError for a value that the schema refuses.
        """
        self._run("begin_write")
        try:
            yield
            self._run("commit")
        except BaseException as error:
            if self._connection.in_transaction:
                self._connection.rollback()
            if isinstance(error, sqlite3.IntegrityError):
                msg = f"task database: expected a value that its schema allows: {error}"
                raise UsageError(msg) from error
            raise
        self._shorten_log()

    def _shorten_log(self) -> None:
        """Empty a long log; if somebody still reads from it, try again when it has grown by as much."""
        if self._log is None:
            return
        try:
            size = self._log.stat().st_size
        except FileNotFoundError:
            return
        if size < self._log_limit:
            self._log_limit = max(LOG_BYTES, min(self._log_limit, size + LOG_BYTES))
            return
        self._log_limit = size + LOG_BYTES
        self._run("wait_a_little")
        try:
            if not self._run("empty_log")[0][0]:
                self._log_limit = LOG_BYTES
        finally:
            self._run("wait_not")

    @contextmanager
    def snapshot(self) -> Iterator[None]:
        """Everything read in the body is of one moment; nothing may be written in it."""
        self._run("begin_read")
        try:
            yield
        finally:
            if self._connection.in_transaction:
                self._connection.rollback()


def _encodable(value: object) -> object:
    return value.encode(errors="backslashreplace").decode() if isinstance(value, str) else value


def _is_busy(error: sqlite3.Error) -> bool:
    """Whether waiting may help; it does not for a snapshot in which somebody tries to write."""
    code: int = getattr(error, "sqlite_errorcode", None) or 0
    return code & 0xFF == sqlite3.SQLITE_BUSY and code != sqlite3.SQLITE_BUSY_SNAPSHOT
