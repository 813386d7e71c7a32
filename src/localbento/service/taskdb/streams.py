"""Streams: queues with a priority, a reserved share and a weight beyond it."""

import math
import uuid

from localbento.service.taskdb.connection import Connected
from localbento.service.taskdb.errors import InvalidWeightError, NotFoundError
from localbento.service.taskdb.rows import StreamRow, TaskState


class Streams(Connected):
    """What concerns streams and their counters."""

    def create_stream(self, worker_type: str, reserved: int, be_mult: float, user_id: str) -> str:
        """Add a stream, even beside another of the same user and worker type; its id.

        reserved: number of running tasks that enjoy reserved priority; be_mult: weight beyond it, larger is better.
        Raises: InvalidWeightError unless the weight is a number above 0.
        """
        self._check_weight(be_mult)
        with self._write():
            return self._insert_stream(worker_type, reserved, be_mult, user_id)

    def get_or_create_stream(self, worker_type: str, reserved: int, be_mult: float, user_id: str) -> str:
        """The oldest stream of the user for the worker type, settings as they are, or else a new one; its id.

        Raises: InvalidWeightError unless the weight is a number above 0.
        """
        self._check_weight(be_mult)
        with self._write():
            found = self._first("find_stream", user_id=user_id, worker_type=worker_type)
            return found[0] if found else self._insert_stream(worker_type, reserved, be_mult, user_id)

    def get_stream(self, user_id: str, worker_type: str) -> str | None:
        """Id of the oldest stream of the user for the worker type."""
        found = self._first("find_stream", user_id=user_id, worker_type=worker_type)
        return found[0] if found else None

    def get_stream_row(self, stream_id: str) -> StreamRow:
        """A stream with its counters and priority.

        Raises: NotFoundError.
        """
        found = self._first("get_stream_row", id=stream_id)
        if found is None:
            msg = f"stream {stream_id!r}: not found"
            raise NotFoundError(msg)
        return StreamRow(*found)

    def list_streams(self) -> list[StreamRow]:
        """All streams in the order of creation."""
        return [StreamRow(*row) for row in self._run("list_streams")]

    def get_task_state_counts(self) -> dict[tuple[str, TaskState], int]:
        """How many tasks are pending, ready and running, by worker type; what is 0 is left out."""
        return {(kind, TaskState(state)): n for kind, state, n in self._run("count_live_tasks")}

    def used_resources(self) -> tuple[int, int, int]:
        """Running tasks of the whole machine: how many, their cores, their bytes of memory."""
        number, cores, memory = self._run("used_resources")[0]
        return number, cores, memory

    def check(self) -> list[str]:
        """What is wrong with the file or its counters, a line each; nothing, normally (`bento doctor`)."""
        found = [str(row[0]) for row in self._run("quick_check") if row[0] != "ok"]
        found += [f"broken reference in table {row[0]}" for row in self._run("broken_references")]
        return found + [
            f"stream {row[0]}: its counters are not the truth" for row in self._run("wrong_stream_counters")
        ]

    def _insert_stream(self, worker_type: str, reserved: int, be_mult: float, user_id: str) -> str:
        stream = str(uuid.uuid4())
        self._run(
            "insert_stream", id=stream, worker_type=worker_type, reserved=reserved, be_mult=be_mult, user_id=user_id
        )
        return stream

    def _check_weight(self, be_mult: float) -> None:
        bad = be_mult <= 0 if self._options.positive_weight else be_mult == 0
        if bad or not math.isfinite(be_mult):
            msg = f"weight of a stream: expected a number above 0, found {be_mult!r}"
            raise InvalidWeightError(msg)
