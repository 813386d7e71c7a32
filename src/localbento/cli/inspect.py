"""`bento inspect chip` and `bento inspect segment`."""

from pathlib import Path
from typing import Annotated

import typer

from localbento.cli import options, show

app = typer.Typer(no_args_is_help=True, help="Look inside the machine.", rich_markup_mode=None)


@app.command("chip")
def chip(
    name: Annotated[str | None, typer.Argument(help="Chip; without a name all are listed.", show_default=False)] = None,
    as_json: options.Json = False,
) -> None:
    """Print a chip's columns, equations, degrees and traffic."""
    from localbento.api import looking

    page = None if name is None else looking.describe_chip(name)
    if not as_json:
        print(looking.list_chips() if page is None else page)
    elif page is None:
        show.print_json({"chips": looking.chips()})
    else:
        show.print_json({"chips": [{**chip, "page": page} for chip in looking.chips() if chip["name"] == name]})


@app.command("segment")
def segment(
    file: Annotated[Path, typer.Argument(metavar="FILE", help="Segment file.", show_default=False)],
    as_json: options.Json = False,
) -> None:
    """Run the checker on a segment: the first failing label, with row, pc and instruction; unbalanced messages."""
    from localbento import api

    report = api.inspect_segment(options.read_file(file, "segment"))
    if as_json:
        show.print_json({"report": report.splitlines()})
    else:
        print(report)
