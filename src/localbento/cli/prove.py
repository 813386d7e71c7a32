"""`bento prove`."""

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from localbento.cli import options, show

if TYPE_CHECKING:
    from localbento import api


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
    allow_exit: Annotated[
        bool, typer.Option("--allow-exit", help="Prove a guest that ends with another code than Halted(0), too.")
    ] = False,
    receipt: Annotated[
        str, typer.Option("--receipt", metavar="KIND", help="composite; succinct and groth16 are not possible yet.")
    ] = "composite",
    detach: Annotated[
        bool,
        typer.Option(
            "--detach",
            help="Prove in the background and print the job's number at once; the receipt stays in the home, "
            "unless --output names a file.",
        ),
    ] = False,
    fresh: Annotated[bool, typer.Option("--fresh", help="Do it again, even if the same job is there already.")] = False,
    as_json: options.Json = False,
    quiet: options.Quiet = False,
) -> None:
    """Execute a guest, prove every segment, verify the receipt as a stranger would, and write it.

    The same guest, input and options again go on with the same job, or return its receipt if it is done.
    """
    from localbento import api, errors
    from localbento.cli.progress import Progress

    target = output or f"{guest.with_suffix('.receipt').name}"
    if detach and target == "-":
        msg = "--detach: expected a file as --output, found '-'; bento jobs resume JOB --output - hands out the receipt"
        raise errors.UsageError(msg)
    options.check_targets(output=target, journal=journal)
    asked: dict[str, Any] = {
        "env": options.parse_env(env),
        "args": arg or [],
        "assumptions": [api.Receipt.load(path) for path in assumption or []],
        "segment_size": segment_size,
        "jobs": jobs,
        "memory_bytes": None if memory is None else options.parse_size(memory),
        "max_cycles": max_cycles,
        "allow_exit": allow_exit,
        "seed": None if seed_file is None else options.read_file(seed_file, "seed file"),
        "home": api.default_home(),
        "fresh": fresh,
        "receipt": receipt,
        "name": guest.stem,
    }
    program = options.read_guest(guest)
    stdin = api.encode_input(options.read_input(source), input_encoding)
    if detach:
        job = api.submit_job(program, stdin, output=None if output is None else Path(output), journal=journal, **asked)
        if as_json:
            show.print_json({"job": job})
        else:
            print(job)
        return
    with Progress(enabled=not quiet, title=show.printable(guest.name)) as progress:
        result = api.prove_program(program, stdin, progress=progress.event, **asked)
    write_result(result, target, journal, as_json=as_json, quiet=quiet)


def write_result(result: "api.ProofResult", target: str, journal: Path | None, *, as_json: bool, quiet: bool) -> None:
    """Write receipt and journal, and say what was proved."""
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
                ("job", f"{result.job[:8]}{', done before; --fresh does it again' if result.reused else ''}"),
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
