"""`bento jobs list|show|logs|cancel|resume|retry|delete`."""

import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from localbento.cli import complete, describing, options, show

if TYPE_CHECKING:
    from localbento.api.views import EventView, JobView, TaskView

app = typer.Typer(no_args_is_help=True, help="Look at jobs, stop them, go on with them.", rich_markup_mode=None)
POLL_SECONDS = 0.5
TASK_HEAD = ("TASK", "KIND", "STATE", "STEP", "TIME", "MEMORY", "CRASHES", "ERROR")

Job = Annotated[
    str,
    typer.Argument(
        metavar="JOB", help="A job's id or its beginning.", show_default=False, autocompletion=complete.jobs
    ),
]
Output = Annotated[
    str | None,
    typer.Option("--output", "-o", metavar="FILE|-", help="The receipt; by default GUEST.receipt."),
]
Keep = Annotated[bool, typer.Option("--keep", help="Write no file: the receipt stays in the home.")]
Jobs = Annotated[int | None, typer.Option("--jobs", metavar="N", min=1, help="Segments proved at a time.")]
Memory = Annotated[str | None, typer.Option("--memory", metavar="8G", help="Most memory for all of them.")]


@app.command("list")
def list_jobs(
    state: Annotated[
        list[str] | None,
        typer.Option(
            "--state", metavar="S", help="Only running, done, failed or cancelled ones; repeatable.",
            autocompletion=complete.states,
        ),
    ] = None,
    limit: Annotated[int | None, typer.Option("--limit", metavar="N", min=1, help="At most so many.")] = None,
    as_json: options.Json = False,
) -> None:  # fmt: skip
    """List jobs, newest first."""
    from localbento.api import jobs

    found = jobs.list_jobs(states=state or (), limit=limit)
    if as_json:
        show.print_json({"jobs": [job.to_json() for job in found]})
    elif found:
        show.print_table(describing.HEAD, [describing.row(job) for job in found])
    else:
        print("no jobs; bento prove GUEST makes one", file=sys.stderr)


@app.command("show")
def show_job(job: Job, as_json: options.Json = False) -> None:
    """Print everything that is known of a job, with all its tasks."""
    from localbento.api import jobs

    found = jobs.show_job(job)
    if as_json:
        show.print_json(found.to_json(tasks="all"))
        return
    show.print_lines(describing.page(found), to_stderr=False)
    print()
    show.print_table(TASK_HEAD, [_task(task) for task in found.tasks])


def _task(task: "TaskView") -> tuple[str, ...]:
    return (
        task.name,
        task.kind,
        task.state,
        task.step or "-",
        "-" if task.seconds is None else show.clock(task.seconds),
        show.size(task.memory_bytes),
        str(task.crashes),
        show.printable(task.error or "-"),
    )


@app.command("logs")
def logs(
    job: Job,
    follow: Annotated[bool, typer.Option("--follow", help="Go on until the job has ended.")] = False,
    guest: Annotated[bool, typer.Option("--guest", help="What the guest printed, byte for byte, instead.")] = False,
    as_json: options.Json = False,
) -> None:
    """Print what happened to a job.

    Submission, proofs, failures, crashes; and the end of what failed tasks said.
    """
    from localbento.api import jobs
    from localbento.errors import UsageError

    found = jobs.show_job(job)
    if guest:
        if follow or as_json:
            msg = "--guest: expected neither --follow nor --json beside it"
            raise UsageError(msg)
        show.write_bytes("-", jobs.guest_output(found.id))
        return
    seen = 0
    while True:
        # The state first: what is logged before the end is then read in any case.
        ended = jobs.show_job(found.id).state != "running"
        events = jobs.job_events(found.id, after=seen)
        if as_json and (events or not follow):
            show.print_json({"job": found.id, "events": [event.to_json() for event in events]})
        elif not as_json:
            for event in events:
                print(_event(event), flush=True)
        seen = events[-1].seq if events else seen
        if ended or not follow:
            break
        time.sleep(POLL_SECONDS)
    if not as_json:
        _print_tails(jobs.show_job(found.id))


def _print_tails(job: "JobView") -> None:
    """The end of what failed tasks said, line by line."""
    for task in job.tasks:
        if task.state == "failed" and task.log_tail:
            print(f"\nthe end of what task {task.name} said:")
            for line in task.log_tail.splitlines():
                print(f"  {show.printable(line)}")


def _event(event: "EventView") -> str:
    return f"{describing.when(event.at)}  {event.level:7}  {show.printable(event.text)}"


@app.command("cancel")
def cancel(job: Job, as_json: options.Json = False) -> None:
    """Stop a job; what is proved is kept.  `bento jobs resume` goes on with it."""
    from localbento.api import jobs

    found = jobs.cancel_job(job)
    if as_json:
        show.print_json(found.to_json())
    else:
        print(f"job {found.short_id} is cancelled; go on with: bento jobs resume {found.short_id}", file=sys.stderr)


@app.command("resume")
def resume(
    job: Job,
    output: Output = None,
    journal: options.Journal = None,
    keep: Keep = False,
    jobs: Jobs = None,
    memory: Memory = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Go on with a job where it stopped.

    As `bento prove` would: only what is not proved yet is done.  Of a job that is done the receipt is written again.
    """
    from localbento.api.jobs import show_job as find

    found = find(job)
    target = _target(found.guest, output, journal, keep=keep)
    _work(found, target, journal, jobs, memory, as_json=as_json, quiet=quiet)


@app.command("retry")
def retry(
    job: Job,
    output: Output = None,
    journal: options.Journal = None,
    keep: Keep = False,
    jobs: Jobs = None,
    memory: Memory = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Try a job again that failed or was cancelled.

    Its failed tasks start anew, what is proved stays proved.
    """
    from localbento.api.jobs import require_retryable

    found = require_retryable(job)
    target = _target(found.guest, output, journal, keep=keep)
    _work(found, target, journal, jobs, memory, as_json=as_json, quiet=quiet)


def _target(guest: str | None, output: str | None, journal: Path | None, *, keep: bool) -> str | None:
    """Where the receipt goes; None: nowhere.

    Raises: UsageError if it cannot go there.
    """
    from localbento.errors import UsageError

    if keep:
        if output is not None:
            msg = f"--keep: expected no --output beside it, found {output!r}"
            raise UsageError(msg)
        target = None
    else:
        # A guest's name may be anybody's: only its last part names a file here.
        target = output or f"{Path(guest or '').name or 'guest'}.receipt"
    options.check_targets(output=target, journal=journal)
    return target


def _work(
    job: "JobView",
    target: str | None,
    journal: Path | None,
    workers: int | None,
    memory: str | None,
    *,
    as_json: bool,
    quiet: bool,
) -> None:
    from localbento import api
    from localbento.cli.progress import Progress
    from localbento.cli.prove import write_result

    memory_bytes = None if memory is None else options.parse_size(memory)
    with Progress(enabled=not quiet, title=show.printable(job.guest or "")) as progress:
        result = api.resume_job(job.id, jobs=workers, memory_bytes=memory_bytes, progress=progress.event)
    if target is not None:
        write_result(result, target, journal, as_json=as_json, quiet=quiet)
        return
    if journal is not None:
        show.write_bytes(str(journal), result.receipt.journal or b"")
    if as_json:
        show.print_json(result.to_json())
    elif not quiet:
        print(f"job {job.short_id} is done; bento jobs resume {job.short_id} writes its receipt", file=sys.stderr)


@app.command("delete")
def delete(
    job: Job,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    as_json: options.Json = False,
) -> None:
    """Remove a job with all that only it needs.

    Its receipt goes, too; copies that were written to files stay.
    """
    from localbento.api import jobs
    from localbento.errors import UsageError

    found = jobs.show_job(job)
    if not yes:
        if not sys.stdin.isatty():
            msg = f"job {found.short_id}: expected --yes, since there is nobody to ask; nothing was deleted"
            raise UsageError(msg)
        question = f"delete job {found.short_id} ({show.printable(found.guest or '-')}, {found.state})?"
        if not typer.confirm(question, err=True):
            print("nothing was deleted", file=sys.stderr)
            return
    gone = jobs.delete_job(found.id)
    if as_json:
        show.print_json(gone.to_json())
    else:
        text = f"job {found.short_id} is gone, with {show.plural(gone.objects, 'object')} ({show.size(gone.bytes)})"
        print(text, file=sys.stderr)
