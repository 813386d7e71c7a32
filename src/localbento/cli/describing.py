"""How a job looks to a person: a line of a table, a page, a line of news."""

import time
from collections.abc import Mapping
from typing import TYPE_CHECKING

from localbento.cli import show
from localbento.cli.progress import task_name

if TYPE_CHECKING:
    from localbento.api.views import JobView

HEAD = ("JOB", "STATE", "GUEST", "SEGMENTS", "CYCLES", "TIME", "NOW")
WAITING = ("pending", "ready")
MOST_NAMED = 3


def state(job: "JobView") -> str:
    """The state; of a job that has not ended, what becomes of it."""
    return job.activity.value if job.state == "running" else job.state


def row(job: "JobView") -> tuple[str, ...]:
    """A line of the table under HEAD."""
    return (
        job.short_id,
        state(job),
        show.printable(job.guest or "-"),
        segments_short(job),
        "-" if job.cycles is None else f"{job.cycles:,}",
        show.clock(job.seconds),
        show.cut(show.printable(now(job)), 60),
    )


def segments_short(job: "JobView") -> str:
    """Proved of those that are known."""
    return f"{job.segments.get('done', 0)}/{sum(job.segments.values())}"


def now(job: "JobView") -> str:
    """What runs, or why it does not go on."""
    if job.state == "failed":
        return job.error or "no reason is known"
    if job.activity.value == "stopped":
        return f"bento jobs resume {job.short_id}"
    named = [f"{task_name(task.name)} {task.step or ''}".strip() for task in job.running[:MOST_NAMED]]
    more = len(job.running) - MOST_NAMED
    return ", ".join(named) + (f" and {more} more" if more > 0 else "")


def page(job: "JobView") -> list[tuple[str, str]]:
    """Name and value of everything that is known."""
    rows = [
        ("job", job.id),
        ("guest", show.printable(job.guest or "-")),
        ("state", job.state if job.state != "running" else f"running, {_activity(job)}"),
        ("receipt", job.receipt or "-"),
        ("submitted", when(job.created_at)),
        ("time", show.clock(job.seconds)),
    ]
    if job.image_id is not None:
        rows.insert(2, ("image id", job.image_id))
    if job.cycles is not None:
        rows.append(("cycles", f"{job.cycles:,} executed"))
    rows += [("segments", counts(job.segments)), ("tasks", counts(job.counts))]
    for task in job.running if job.activity.value != "stopped" else ():
        rows.append(("running", f"{task_name(task.name)}  {task.step or '-'}  {show.clock(task.seconds or 0.0)}"))
    if job.memory_bytes and job.activity.value != "stopped":
        rows.append(("memory", f"{show.size(job.memory_bytes)} predicted"))
    if job.error is not None:
        rows.append(("error", show.printable(job.error)))
    return rows


def _activity(job: "JobView") -> str:
    if job.activity.value == "working":
        return "a process works on it"
    if job.activity.value == "waiting":
        return "waits for other jobs"
    return f"nobody works on it: bento jobs resume {job.short_id}"


def counts(numbers: Mapping[str, int]) -> str:
    """States with their numbers, those that there are."""
    waiting = sum(numbers.get(name, 0) for name in WAITING)
    shown = {"done": numbers.get("done", 0), "running": numbers.get("running", 0), "waiting": waiting}
    shown |= {name: numbers[name] for name in ("failed", "cancelled") if numbers.get(name)}
    return ", ".join(f"{count} {name}" for name, count in shown.items())


def news(job: "JobView") -> str:
    """One line: what a watcher without a terminal gets when something changed."""
    parts = [f"{job.short_id} {state(job)}", f"segments {counts(job.segments)}"]
    if job.cycles is not None:
        parts.insert(1, f"{job.cycles:,} cycles")
    if now(job):
        parts.append(show.printable(now(job)))
    return "; ".join(parts)


def when(seconds: float) -> str:
    """A moment in local time."""
    return time.strftime("%Y-%m-%d %H:%M:%S", time.localtime(seconds))
