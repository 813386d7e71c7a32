"""`bento prove`."""

import os
from pathlib import Path
from typing import Annotated

import typer

from localbento.cli import options, show


def prove(
    guest: options.Guest,
    source: options.Input = None,
    input_encoding: options.Encoding = "raw",
    output: Annotated[
        str | None, typer.Option("--output", "-o", metavar="FILE|-", help="The receipt; by default GUEST.receipt.")
    ] = None,
    journal: options.Journal = None,
    env: options.Env = None,
    arg: options.Arg = None,
    assumption: options.Assumption = None,
    segment_size: Annotated[
        int | None, typer.Option("--segment-size", metavar="N", min=1, help="Most cycles of a segment.")
    ] = None,
    jobs: Annotated[int | None, typer.Option("--jobs", metavar="N", min=1, help="Segments proved at a time.")] = None,
    memory: Annotated[str | None, typer.Option("--memory", metavar="8G", help="Most memory for all of them.")] = None,
    max_cycles: options.MaxCycles = None,
    seed_file: Annotated[
        Path | None,
        typer.Option("--seed-file", metavar="FILE", help="A secret: the same one gives the same bytes."),
    ] = None,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Execute a guest, prove every segment, verify the receipt as a stranger would, and write it."""
    from localbento import api
    from localbento.cli.progress import Progress

    target = output or f"{guest.with_suffix('.receipt').name}"
    if target != "-":
        api.check_writable(Path(target))
    seed = None if seed_file is None else options.read_file(seed_file, "seed file")
    with Progress(enabled=not quiet) as progress:
        result = api.prove_program(
            options.read_file(guest, "guest"),
            api.encode_input(options.read_input(source), input_encoding),
            env=options.parse_env(env),
            args=arg or [],
            assumptions=[api.Receipt.load(path) for path in assumption or []],
            segment_size=segment_size,
            jobs=jobs or os.cpu_count() or 1,
            memory_bytes=None if memory is None else options.parse_size(memory),
            max_cycles=max_cycles,
            seed=seed,
            progress=progress.event,
        )
    show.write_bytes(target, result.receipt.to_bytes())
    if journal is not None:
        show.write_bytes(str(journal), result.receipt.journal or b"")
    if as_json:
        # With the receipt itself on stdout there is no room for JSON: it goes to stderr, as the summary does.
        if target == "-":
            import json
            import sys

            print(json.dumps(result.to_json()), file=sys.stderr)
        else:
            show.print_json(result.to_json())
    elif not quiet:
        show.print_lines(
            [
                ("image id", result.image_id.hex()),
                ("exit code", str(result.exit_code)),
                ("journal", show.journal_text(result.receipt.journal)),
                ("claim digest", result.claim_digest.hex()),
                ("cycles", f"{result.cycles} in {result.segments} segments"),
                ("speed", f"{result.cycles_per_second / 1e3:.1f} kHz, {result.seconds:.2f} s"),
                ("receipt", f"{result.receipt_bytes} bytes, {result.provable_bits:.1f} provable bits, verified"),
                ("written to", "stdout" if target == "-" else target),
            ]
        )
