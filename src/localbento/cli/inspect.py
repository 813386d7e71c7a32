"""`bento inspect chip` and `bento inspect segment`."""

from pathlib import Path
from typing import Annotated

import typer

from localbento.cli import options

app = typer.Typer(no_args_is_help=True, help="Look inside the machine.", rich_markup_mode=None)


@app.command("chip")
def chip(
    name: Annotated[str | None, typer.Argument(help="Chip; without a name all are listed.", show_default=False)] = None,
) -> None:
    """Print a chip's columns, equations, degrees and traffic."""
    from localbento import api

    print(api.describe_chip(name) if name else api.list_chips())


@app.command("segment")
def segment(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Segment file.", show_default=False)],
) -> None:
    """Run the checker on a segment: the first failing label, with row, pc and instruction; unbalanced messages."""
    from localbento import api

    print(api.inspect_segment(options.read_file(file, "segment")))
