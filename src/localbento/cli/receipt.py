"""`bento verify` and `bento receipt show`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from localbento.cli import options, show

app = typer.Typer(no_args_is_help=True, help="Look at receipts.", rich_markup_mode=None)
ReceiptFile = Annotated[str, typer.Argument(metavar="RECEIPT", help="Receipt file; - reads stdin.", show_default=False)]


def _read(source: str) -> bytes:
    return sys.stdin.buffer.read() if source == "-" else options.read_file(Path(source), "receipt")


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
