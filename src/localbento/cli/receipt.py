"""`bento verify`, `bento receipt show` and `bento receipt convert`."""

import sys
from enum import StrEnum
from pathlib import Path
from typing import Annotated

import typer

from localbento.cli import options, show
from localbento.errors import UsageError

app = typer.Typer(no_args_is_help=True, help="Look at receipts.", rich_markup_mode=None)
ReceiptFile = Annotated[str, typer.Argument(metavar="RECEIPT", help="Receipt file; - reads stdin.", show_default=False)]


class Form(StrEnum):
    """How a receipt is written down."""

    JSON = "json"
    MSGPACK = "msgpack"


def _read(source: str, *, json: bool = False) -> bytes:
    """The bytes of a receipt file or of stdin, no more than a receipt can have."""
    from localbento.api.receipts import read_receipt

    if source == "-":
        return read_receipt(sys.stdin.buffer, json=json)
    try:
        with Path(source).open("rb") as file:
            return read_receipt(file, json=json)
    except OSError as error:
        msg = f"receipt: cannot read {source!r}: {error.strerror}"
        raise UsageError(msg) from error


def verify(
    receipt: ReceiptFile,
    image_id: Annotated[str, typer.Option("--image-id", metavar="HEX", help="The program's identity.")],
    journal: Annotated[
        Path | None, typer.Option("--journal", metavar="FILE", help="The journal that is expected.")
    ] = None,
    allow_exit: Annotated[bool, typer.Option("--allow-exit", help="Accept any exit code, not only Halted(0).")] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Verify a receipt: exit code 0 if it proves the program with this image ID, 4 if not."""
    from localbento import api

    wanted = options.parse_image_id(image_id)
    expected = None if journal is None else options.read_file(journal, "journal")
    result = api.verify(_read(receipt), wanted, journal=expected, allow_exit=allow_exit)
    if as_json:
        show.print_json(result)
    elif not quiet:
        show.print_lines(_lines(result), to_stderr=False)


@app.command("show")
def show_receipt(receipt: ReceiptFile, as_json: options.Json = False) -> None:
    """Print what a receipt says.  Nothing is verified."""
    from localbento import api

    result = api.show_receipt(_read(receipt))
    if as_json:
        show.print_json(result)
    else:
        show.print_lines(_lines(result), to_stderr=False)


@app.command("convert")
def convert(
    receipt: Annotated[
        str, typer.Argument(metavar="FILE|-", help="Receipt in msgpack or JSON; - reads stdin.", show_default=False)
    ],
    output: Annotated[str, typer.Option("--output", "-o", metavar="FILE|-", help="Where it goes.")] = "-",
    to: Annotated[
        Form | None, typer.Option("--to", help="The form to write; by default the other one.", show_default=False)
    ] = None,
) -> None:
    """Write a receipt as JSON, or one in JSON as the bytes that bento verify takes.  Nothing is verified.

    Both directions lose nothing: there and back gives the same bytes.
    """
    from localbento.api.receipts import convert_receipt

    data = convert_receipt(_read(receipt, json=True), to)
    if output == "-" and not data.startswith(b"{") and sys.stdout.isatty():
        msg = "--output: expected a file or a pipe for a receipt in msgpack, found a terminal"
        raise UsageError(msg)
    show.write_bytes(output, data)


def _lines(result: dict[str, object]) -> list[tuple[str, str]]:
    lines = []
    for name, value in result.items():
        text = value if isinstance(value, str) else repr(value)
        if name == "journal":
            text = show.journal_text(None if value is None else bytes.fromhex(str(value)))
        elif name == "exit_code" and isinstance(value, dict):
            text = f"{value['system']}({value['user']})"
        elif isinstance(value, float):
            text = f"{value:.1f}"
        lines.append((name.replace("_", " "), text))
    return lines
