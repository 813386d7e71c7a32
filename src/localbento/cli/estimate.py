"""`bento estimate`."""

import sys
from typing import TYPE_CHECKING, Annotated

import typer

from localbento.cli import options, show

if TYPE_CHECKING:
    from localbento.api.estimating import Accuracy, Estimate

NAMES = {"seconds": "time", "memory_bytes": "memory of the largest segment"}


def estimate(
    guest: options.Guest,
    source: options.Input = None,
    input_encoding: options.Encoding = "raw",
    env: options.Env = None,
    arg: options.Arg = None,
    assumption: options.Assumption = None,
    segment_size: Annotated[
        int | None, typer.Option("--segment-size", metavar="N", min=1, help="Most cycles of a segment.")
    ] = None,
    jobs: Annotated[int | None, typer.Option("--jobs", metavar="N", min=1, help="Segments proved at a time.")] = None,
    memory: Annotated[str | None, typer.Option("--memory", metavar="8G", help="Most memory for all of them.")] = None,
    max_cycles: options.MaxCycles = None,
    as_json: options.Json = False,
) -> None:
    """Say what proving a guest will take; nothing is proved.

    The guest is executed and cut into segments; time, memory and disk are then known well enough.

    The first time on a machine its speed is measured, some five seconds.
    """
    from localbento import api
    from localbento.api.estimating import estimate as predict

    result = predict(
        options.read_guest(guest),
        api.encode_input(options.read_input(source), input_encoding),
        env=options.parse_env(env),
        args=arg or [],
        assumptions=[api.Receipt.load(path) for path in assumption or []],
        segment_size=segment_size,
        jobs=jobs,
        memory_bytes=None if memory is None else options.parse_size(memory),
        max_cycles=max_cycles,
        say=lambda text: print(text, file=sys.stderr, flush=True),
    )
    if as_json:
        show.print_json(result.to_json())
    else:
        show.print_lines(_lines(result), to_stderr=False)


def _lines(result: "Estimate") -> list[tuple[str, str]]:
    predicted = result.prediction
    speed = result.cycles / predicted.seconds / 1e3 if predicted.seconds else 0.0
    lines = [
        ("image id", result.image_id.hex()),
        ("exit code", str(result.exit_code)),
        ("cycles", f"{result.cycles:,} in {show.plural(result.segments, 'segment')}"),
        ("time", f"{show.clock(predicted.seconds)} with {show.plural(result.workers, 'worker')}, {speed:.1f} kHz"),
        ("memory", show.size(predicted.memory_bytes)),
        ("disk", f"{show.size(predicted.disk_bytes)} at most"),
        ("receipt", show.size(predicted.receipt_bytes)),
    ]
    if not result.earlier:
        lines.append(("earlier", "no proof was made here since the speed was measured"))
    return lines + [("earlier", _accuracy(accuracy)) for accuracy in result.earlier]


def _accuracy(accuracy: "Accuracy") -> str:
    name = NAMES.get(accuracy.what, accuracy.what)
    return (
        f"{name}: {show.plural(accuracy.proofs, 'proof')} took {accuracy.median:.2f} times what was predicted "
        f"(between {accuracy.least:.2f} and {accuracy.most:.2f})"
    )
