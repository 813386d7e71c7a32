"""`bento status`."""

import sys
import time
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING, Annotated, Any

import typer

from localbento.cli import complete, describing, options, show
from localbento.errors import HostError

if TYPE_CHECKING:
    from localbento.api.views import JobView

POLL_SECONDS = 0.5
STOPPED_SECONDS = 15.0
"""So long nobody may work on a job before there is nothing to watch; a process that was just started needs some."""
ENDED_SHOWN = 5

Watch = Annotated[bool, typer.Option("--watch", help="Go on showing until the job, or all jobs, have ended.")]
OptionalJob = Annotated[
    str | None,
    typer.Argument(
        metavar="JOB",
        help="A job's id or its beginning; without one: all that have not ended, and the last that have.",
        show_default=False,
        autocompletion=complete.jobs,
    ),
]


def status(job: OptionalJob = None, watch: Watch = False, as_json: options.Json = False) -> None:
    """Show what jobs do.

    Cycles executed, segments by state, running tasks with their step.

    With --watch and a JOB the exit code is the job's: 0 done, that of its error if it failed, 130 cancelled; and 6 if
    nobody works on it.
    With --watch and --json there is an object on a line of its own whenever something changes.
    """
    look = _looker(job)
    if not watch:
        _print(look(), one=job is not None, as_json=as_json)
        return
    last: Sequence[JobView] = []
    for jobs in _until_all_ended(look, one=job is not None, as_json=as_json):
        last = jobs
    if job is not None and last and last[0].exit_code:
        raise typer.Exit(last[0].exit_code)


def _looker(job: str | None) -> "Callable[[], list[JobView]]":
    from localbento.api import jobs

    if job is None:
        return lambda: jobs.current_jobs(ended=ENDED_SHOWN)
    return lambda: [jobs.show_job(job)]


def _until_all_ended(look: "Callable[[], list[JobView]]", *, one: bool, as_json: bool) -> "Iterator[list[JobView]]":
    """Jobs at short intervals, shown whenever they differ, until none is left that goes on."""
    live = None if as_json or not show.stdout_terminal() else _live()
    shown: Any = None
    alone = time.monotonic()
    try:
        while True:
            jobs = look()
            yield jobs
            ended = all(job.state != "running" for job in jobs)
            key = [describing.news(job) for job in jobs]
            if live is not None:
                live.update("\n".join(_lines(jobs, one=one)), refresh=True)
            elif key != shown:
                shown = key
                if as_json:
                    _print(jobs, one=one, as_json=True)
                else:
                    print("\n".join(key) or "no jobs", flush=True)
            if ended:
                return
            if any(job.activity.value in ("working", "waiting") for job in jobs):
                alone = time.monotonic()
            elif time.monotonic() - alone > STOPPED_SECONDS:
                if one:
                    raise HostError(_nobody(jobs[0]))
                return
            time.sleep(POLL_SECONDS)
    finally:
        if live is not None:
            live.stop()


def _nobody(job: "JobView") -> str:
    return f"job {job.short_id}: nobody works on it; go on with: bento jobs resume {job.short_id}"


def _live() -> Any:
    from rich.console import Console
    from rich.live import Live

    live = Live(console=Console(highlight=False, markup=False, soft_wrap=False), auto_refresh=False)
    live.start()
    return live


def _print(jobs: "Sequence[JobView]", *, one: bool, as_json: bool) -> None:
    if as_json:
        found = [job.to_json(tasks="running") for job in jobs]
        show.print_json(found[0] if one else {"jobs": found})
    elif one:
        show.print_lines(describing.page(jobs[0]), to_stderr=False)
    elif jobs:
        show.print_table(describing.HEAD, [describing.row(job) for job in jobs])
    else:
        print("no jobs; bento prove GUEST makes one", file=sys.stderr)


def _lines(jobs: "Sequence[JobView]", *, one: bool) -> list[str]:
    if one:
        return show.aligned(describing.page(jobs[0]))
    return show.table(describing.HEAD, [describing.row(job) for job in jobs])
