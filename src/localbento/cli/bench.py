"""`bento bench kernels|stark|execute|prove`: figures for this machine, no assertions."""

from pathlib import Path
from typing import Annotated, Any

import typer

from localbento.cli import options, show

app = typer.Typer(no_args_is_help=True, help="Measure this machine.", rich_markup_mode=None)
Threads = Annotated[int | None, typer.Option("--threads", metavar="N", min=1, help="Threads; by default all cores.")]
OptionalGuest = Annotated[
    Path | None, typer.Argument(help="A guest; by default the fixtures that are found.", show_default=False)
]


def _print(result: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        show.print_json(result)
        return
    show.print_lines(list(_flat(result, "")), to_stderr=False)


def _flat(value: dict[str, Any], prefix: str) -> list[tuple[str, str]]:
    lines: list[tuple[str, str]] = []
    for name, item in value.items():
        key = f"{prefix}{name}"
        if isinstance(item, dict):
            lines += _flat(item, f"{key}.")
        else:
            lines.append((key, f"{item:,.4g}" if isinstance(item, float) else str(item)))
    return lines


@app.command("kernels")
def kernels(threads: Threads = None, as_json: options.Json = False) -> None:
    """Hashing, extension, commitment, constraints: a first check of a machine."""
    from localbento import api

    _print(api.bench_kernels(threads), as_json=as_json)


@app.command("stark")
def stark(
    log_rows: Annotated[int, typer.Option("--log-rows", metavar="K", min=12, max=22, help="log2 of rows.")] = 18,
    columns: Annotated[int, typer.Option("--columns", metavar="W", min=60, help="Main columns.")] = 200,
    threads: Threads = None,
    as_json: options.Json = False,
) -> None:
    """A synthetic proof: several chips of several heights, bus-heavy."""
    from localbento import api

    _print(api.bench_stark(log_rows, columns, threads), as_json=as_json)


@app.command("execute")
def execute(guest: OptionalGuest = None, as_json: options.Json = False) -> None:
    """Instructions per second, plain and recording."""
    from localbento import api

    _print(api.bench_execute(guest), as_json=as_json)


@app.command("prove")
def prove(guest: OptionalGuest = None, threads: Threads = None, as_json: options.Json = False) -> None:
    """Cycles per second of proving, cells per cycle, memory, sizes, where the time goes."""
    from localbento import api

    _print(api.bench_prove(guest, threads), as_json=as_json)
