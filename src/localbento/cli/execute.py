"""`bento execute` and `bento image-id`."""

import sys
from pathlib import Path
from typing import Annotated, BinaryIO, cast

import typer

from localbento.cli import options, show, streams


def image_id(guest: options.Guest, as_json: options.Json = False) -> None:
    """Print the image ID of a program: 64 hex digits."""
    from localbento import api

    found = api.image_id(options.read_guest(guest)).hex()
    if as_json:
        show.print_json({"image_id": found})
    else:
        print(found)


def execute(
    guest: options.Guest,
    source: options.Input = None,
    input_encoding: options.Encoding = "raw",
    env: options.Env = None,
    arg: options.Arg = None,
    max_cycles: options.MaxCycles = None,
    assumption: options.Assumption = None,
    journal: options.Journal = None,
    compat: Annotated[
        str | None, typer.Option("--compat", metavar="v2", help="Follow the released generation word for word.")
    ] = None,
    segments: Annotated[
        Path | None, typer.Option("--segments", metavar="DIR", help="Write the segment files here (bento inspect).")
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Run a guest and print what it did; nothing is proved.

    The guest's own output goes to stdout and stderr, the summary to stderr; with --json the object alone is on stdout.
    """
    from localbento import api

    options.check_targets(journal=journal)
    said = streams.GuestText(sys.stderr.buffer)
    sink = cast("BinaryIO", said)  # the executor only writes
    try:
        result = api.execute(
            options.read_guest(guest),
            api.encode_input(options.read_input(source), input_encoding),
            env=options.parse_env(env),
            args=arg or [],
            max_cycles=max_cycles,
            assumptions=[api.Receipt.load(path) for path in assumption or []],
            compat=compat,
            stdout=sink if as_json else sys.stdout.buffer,
            stderr=sink,
            segments=segments,
        )
    finally:
        said.end_line()
    if journal is not None:
        show.write_bytes(str(journal), result.journal or b"")
    if as_json:
        show.print_json(result.to_json())
    elif not quiet:
        cycles = result.cycles
        show.print_lines(
            [
                ("image id", result.image_id.hex()),
                ("exit code", str(result.exit_code)),
                ("journal", show.journal_text(result.journal)),
                ("claim digest", result.claim_digest.hex()),
                ("cycles", f"{cycles.user} user, {cycles.paging} paging, {cycles.total} total"),
                ("segments", str(result.segments)),
                ("system calls", ", ".join(f"{k} {v}" for k, v in result.syscalls.items()) or "none"),
                ("pages", f"{result.pages_read} read, {result.pages_written} written"),
                ("speed", f"{result.instructions_per_second / 1e6:.1f} MHz, {result.seconds:.2f} s"),
            ]
        )
