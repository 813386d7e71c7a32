"""Options that several commands share, and reading what they name."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from localbento.cli import complete
from localbento.errors import UsageError

Guest = Annotated[
    Path,
    typer.Argument(
        help="R0BF program, bare RV32IM ELF, or the name of an added image.",
        show_default=False,
        autocompletion=complete.guests,
    ),
]
Input = Annotated[str | None, typer.Option("--input", metavar="FILE|-", help="The guest's stdin; - reads ours.")]
Encoding = Annotated[
    str,
    typer.Option(
        "--input-encoding",
        metavar="NAME",
        autocompletion=complete.encodings,
        help="raw: bytes as they are; words: integers in text, one u32 each; frame: u32 length, then the bytes; "
        "bytes, string: as RISC Zero's serializer writes a Vec<u8> or a String.",
    ),
]
Env = Annotated[list[str] | None, typer.Option("--env", metavar="K=V", help="Environment variable of the guest.")]
Arg = Annotated[list[str] | None, typer.Option("--arg", metavar="A", help="Argument of the guest; repeatable.")]
Assumption = Annotated[
    list[Path] | None,
    typer.Option("--assumption", metavar="RECEIPT", help="Receipt that the guest may verify; repeatable."),
]
MaxCycles = Annotated[int | None, typer.Option("--max-cycles", metavar="N", min=1, help="Stop after N user cycles.")]
Json = Annotated[bool, typer.Option("--json", help="One JSON object on stdout.")]
Quiet = Annotated[bool, typer.Option("--quiet", help="No progress and no summary.")]
Journal = Annotated[Path | None, typer.Option("--journal", metavar="FILE", help="Write the journal's bytes here.")]


def read_input(source: str | None) -> bytes:
    """The bytes of `--input`: a file, `-` for stdin, nothing by default."""
    from localbento.api.files import read_stream

    if source is None:
        return b""
    if source == "-":
        return read_stream(sys.stdin.buffer, "input")
    return read_file(Path(source), "input")


def read_file(path: Path, what: str) -> bytes:
    """All bytes of a file that the user named.

    Raises: UsageError if it cannot be read, or has more bytes than anything that is asked for.
    """
    from localbento.api import files

    return files.read_file(path, what)


def check_targets(*, output: str | None = None, journal: Path | None = None) -> None:
    """Refuse files that cannot be written to; `-` is stdout.

    Raises: UsageError.
    """
    from localbento.api.files import check_writable

    for option, path in (("--output", output), ("--journal", journal)):
        if path is not None and str(path) != "-":
            check_writable(Path(path), option)


def read_guest(guest: Path) -> bytes:
    """A program: the bytes of a file, or of an image that was added by this name (bento image add).

    Raises: UsageError if there is neither.
    """
    if not guest.exists() and len(guest.parts) == 1:
        from localbento.api.store import load_image

        found = load_image(str(guest))
        if found is not None:
            return found
    return read_file(guest, "guest")


def parse_env(pairs: list[str] | None) -> dict[str, str]:
    """`K=V` options as a mapping.

    Raises: UsageError if one has no `=` or an empty name.
    """
    result = {}
    for pair in pairs or []:
        name, sign, value = pair.partition("=")
        if not sign or not name:
            msg = f"--env: expected K=V, found {pair!r}"
            raise UsageError(msg)
        result[name] = value
    return result


def parse_size(text: str) -> int:
    """A number of bytes: `8G`, `512M`, `1073741824`.

    Raises: UsageError if it is none.
    """
    units = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
    body = text.strip().upper().removesuffix("IB").removesuffix("B")
    digits = body.rstrip("KMGT")
    unit = body[len(digits) :]
    try:
        value = float(digits)
    except ValueError:
        value = -1.0
    if value <= 0 or unit not in units:
        msg = f"--memory: expected a size such as 8G or 512M, found {text!r}"
        raise UsageError(msg)
    return int(value * units[unit])


def parse_image_id(text: str) -> bytes:
    """An image ID in hex.

    Raises: UsageError if it is not 64 hex digits.
    """
    try:
        value = bytes.fromhex(text.strip())
    except ValueError:
        value = b""
    if len(value) != 32:
        msg = f"--image-id: expected 64 hex digits, found {text!r}"
        raise UsageError(msg)
    return value
