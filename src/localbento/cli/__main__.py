"""Entry point: commands, errors as one line, exit codes."""

import gc
import os
import signal
import sys
from typing import Annotated

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
    status,
    store,
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
    signal.signal(signal.SIGTERM, _terminated)
    try:
        code = app(standalone_mode=False)
    except LocalBentoError as error:
        _say(str(error) if error.exit_code == EXIT_INTERRUPTED else f"error: {error}")
        sys.exit(error.exit_code)
    except typer.Exit as ended:
        sys.exit(ended.exit_code)
    except typer.Abort:
        sys.exit(EXIT_INTERRUPTED)
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
        usage = getattr(error, "show", None)
        if usage is None:
            raise
        usage()
        code = getattr(error, "exit_code", 2)
    # Typer hands an interruption back as the exit code of the command.
    if code == EXIT_INTERRUPTED:
        _say("interrupted: nothing was left behind; run the same command to start again")
    if code == EXIT_BROKEN_PIPE:
        # Keep Python from complaining about the pipe while it shuts down.
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    sys.exit(code or 0)


def _hide_main_module() -> None:
    """Keep multiprocessing from loading the command line, and all that it imports, in each worker.

    PERF: 50 ms of every worker's start; a worker needs nothing of the main module.
    """
    started = sys.modules["__main__"]
    started.__spec__ = None
    vars(started).pop("__file__", None)


def _terminated(signum: int, frame: object) -> None:
    """End by the usual way out, so that workers and files of the job go, too."""
    sys.exit(EXIT_TERMINATED)


def _say(line: str) -> None:
    print(line, file=sys.stderr)


if __name__ == "__main__":
    main()
