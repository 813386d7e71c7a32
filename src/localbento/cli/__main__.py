"""Entry point: commands, errors as one line, exit codes."""

import gc
import os
import signal
import sys
from contextlib import suppress
from typing import Annotated, Any

import typer

from localbento import __version__
from localbento.cli import (
    bench,
    doctor,
    estimate,
    execute,
    image,
    inspect,
    jobs,
    prove,
    receipt,
    security,
    show,
    status,
    store,
    streams,
)
from localbento.cli.exit_codes import EXIT_BROKEN_PIPE, EXIT_INTERRUPTED, EXIT_TERMINATED, epilog
from localbento.errors import LocalBentoError

# numpy's matrix products are small here: threads of their own only get in each other's way.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")

app = typer.Typer(
    name="bento",
    no_args_is_help=True,
    add_completion=True,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
    help="Prove that a RISC Zero guest, on some private input, ended with this journal.",
    epilog=epilog(),
)
app.command("execute")(execute.execute)
app.command("image-id")(execute.image_id)
app.command("prove")(prove.prove)
app.command("estimate")(estimate.estimate)
app.command("status")(status.status)
app.add_typer(jobs.app, name="jobs")
app.command("verify")(receipt.verify)
app.add_typer(receipt.app, name="receipt")
app.add_typer(image.app, name="image")
app.add_typer(inspect.app, name="inspect")
app.add_typer(bench.app, name="bench")
app.command("security")(security.security)
app.command("gc")(store.gc)
app.command("df")(store.df)
app.command("doctor")(doctor.doctor)


def _version(wanted: bool) -> None:
    if wanted:
        print(f"bento {__version__}")
        raise typer.Exit


@app.callback()
def _bento(
    version: Annotated[
        bool, typer.Option("--version", callback=_version, is_eager=True, help="Print the version and end.")
    ] = False,
) -> None:
    pass


def main() -> None:
    """Run the command; end with a documented exit code and, if something is wrong, one clear line."""
    # PERF: a command makes some hundred thousand objects that stay (modules, chips); looking through them after every
    # seven hundred new ones is a tenth of its time.
    gc.set_threshold(50_000, 20, 100)
    _hide_main_module()
    streams.open_missing()
    streams.prepare_stdout()
    _listen_to_signals()
    try:
        code = app(standalone_mode=False)
        sys.stdout.flush()
    except LocalBentoError as error:
        streams.close_stdout()
        # A guest's panic has lines of its own, and whatever else the guest put in.
        line = show.printable(str(error))
        _say(line if error.exit_code == EXIT_INTERRUPTED else f"error: {line}")
        sys.exit(_interrupted() if error.exit_code == EXIT_INTERRUPTED else error.exit_code)
    except typer.Exit as ended:
        sys.exit(ended.exit_code)
    except typer.Abort:
        sys.exit(_interrupted())
    except KeyboardInterrupt:
        code = EXIT_INTERRUPTED
    except BrokenPipeError:
        code = EXIT_BROKEN_PIPE
    except SystemExit as ended:
        # Typer ends by itself, with 1, when whoever reads our output has gone.
        if not isinstance(ended.__context__, BrokenPipeError):
            raise
        code = EXIT_BROKEN_PIPE
    except Exception as error:
        if not hasattr(error, "format_message"):
            raise
        _explain(error)
        code = getattr(error, "exit_code", 2)
    # Typer hands an interruption back as the exit code of the command.
    if code == EXIT_INTERRUPTED:
        _say("interrupted; the same command starts again, or goes on with its job")
        code = _interrupted()
    if code == EXIT_BROKEN_PIPE:
        streams.close_stdout()
    sys.exit(code or 0)


def _explain(error: Any) -> None:
    """What Typer has to say of a command line that it does not understand: one line, as all errors are.

    A group without a command is answered with its help.
    """
    message = error.format_message().strip()
    if "\n" in message:
        error.show()
        return
    context = getattr(error, "ctx", None)
    where = "bento" if context is None else context.command_path
    _say(f"error: {message[:1].lower()}{message[1:].removesuffix('.')}; see {where} --help")


def _hide_main_module() -> None:
    """Keep multiprocessing from loading the command line, and all that it imports, in each worker.

    PERF: 50 ms of every worker's start; a worker needs nothing of the main module.
    """
    started = sys.modules["__main__"]
    started.__spec__ = None
    vars(started).pop("__file__", None)


_signals: list[int] = []
"""Those that have asked us to end."""


def _listen_to_signals() -> None:
    """End by the usual way out when asked, so that workers and files go and the job says how to resume; then at once.

    Asked by Ctrl-C, by SIGTERM, or because the terminal was closed; what we were started to ignore stays ignored.
    """
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is not signal.SIG_IGN:
            signal.signal(number, _asked_to_end)


def _asked_to_end(signum: int, frame: object) -> None:
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if signal.getsignal(number) is _asked_to_end:
            signal.signal(number, signal.SIG_DFL)
    _signals.append(signum)
    raise KeyboardInterrupt


def _interrupted() -> int:
    """The exit code of an interruption."""
    return EXIT_TERMINATED if _signals and _signals[0] != signal.SIGINT else EXIT_INTERRUPTED


def _say(line: str) -> None:
    with suppress(OSError):  # the terminal may be gone, or the disk full that holds our log
        print(line, file=sys.stderr)


if __name__ == "__main__":
    main()
