"""What is kept for people: predictions and how good they were, and what happened to a job."""

from typing import Literal

from localbento.service.taskdb.connection import Connected
from localbento.service.taskdb.jobs import no_job
from localbento.service.taskdb.rows import EventRow, PredictionRow

Level = Literal["debug", "info", "warning", "error"]


class Records(Connected):
    """Predictions and events."""

    def record_prediction(
        self, job_id: str, what: str, *, predicted: float | None = None, measured: float | None = None
    ) -> None:
        """Keep what was predicted or measured about a job; the side that is not given stays.  Outlives the job."""
        with self._write():
            self._run(
                "put_prediction",
                job=job_id,
                what=what,
                predicted=predicted,
                measured=measured,
                now=self._clock.now(),
            )

    def prediction_history(self, limit: int) -> list[PredictionRow]:
        """Predictions of which both sides are known, newest first."""
        return [PredictionRow(*row) for row in self._run("prediction_history", limit=limit)]

    def predictions_of_job(self, job_id: str) -> list[PredictionRow]:
        """Everything that was predicted or measured about a job."""
        return [PredictionRow(*row) for row in self._run("predictions_of_job", job=job_id)]

    def log(self, job_id: str, level: Level, text: str) -> int:
        """Note what happened to a job; the event's number.

        Raises: NotFoundError.
        """
        with self._write():
            found = self._first("insert_event", job=job_id, level=level, text=text, now=self._clock.now())
            if found is None:
                raise no_job(job_id)
        return int(found[0])

    def events(self, job_id: str, after: int = 0, *, limit: int | None = None) -> list[EventRow]:
        """What happened to a job after the event of that number, in order."""
        rows = self._run("list_events", job=job_id, after=after, limit=-1 if limit is None else limit)
        return [EventRow(*row) for row in rows]
