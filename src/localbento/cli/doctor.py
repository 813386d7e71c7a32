"""`bento doctor`."""

from typing import TYPE_CHECKING, Annotated

import typer

from localbento.cli import options, show

if TYPE_CHECKING:
    from localbento.api.doctor import Check

WIDTH = 8


def doctor(
    quick: Annotated[bool, typer.Option("--quick", help="Leave out the speed test of some ten seconds.")] = False,
    as_json: options.Json = False,
) -> None:
    """Check this machine.

    Processor, cores, memory, home and disk, node, snarkjs, kernels, task database, store, speed.

    Each line says ok, warn or fail, and what to do.  Exit code 6 if one fails.
    """
    from localbento.api.doctor import Verdict
    from localbento.api.doctor import doctor as examine
    from localbento.errors import HostError

    report = examine(quick=quick, on_check=None if as_json else _print)
    if as_json:
        show.print_json(report.to_json())
    if report.verdict is Verdict.FAIL:
        raise typer.Exit(HostError.exit_code)


def _print(check: "Check") -> None:
    print(f"{check.verdict.value:4}  {check.name:{WIDTH}}  {show.printable(check.found)}", flush=True)
    if check.advice:
        print(f"{'':4}  {'':{WIDTH}}  {show.printable(check.advice)}", flush=True)
