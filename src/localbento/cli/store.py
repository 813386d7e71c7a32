"""`bento gc` and `bento df`."""

from typing import Annotated

import typer

from localbento.cli import options, show

HEAD = ("WHAT", "FILES", "SIZE")


def gc(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Also what is younger than an hour; a minute stays while jobs run.")
    ] = False,
    as_json: options.Json = False,
) -> None:
    """Remove what no job and no image needs.

    What killed processes left behind goes, too.
    """
    from localbento.api import store

    found = store.collect_garbage(dry_run=dry_run, everything=everything)
    if as_json:
        show.print_json(found.to_json())
        return
    print(
        f"{'would remove' if dry_run else 'removed'} {show.plural(found.objects, 'object')} ({show.size(found.bytes)}) "
        f"and {show.plural(found.leftovers, 'leftover')} ({show.size(found.leftover_bytes)})"
    )


def df(as_json: options.Json = False) -> None:
    """Say what the home takes on disk, by sort."""
    from localbento.api import store

    found = store.disk_use()
    if as_json:
        show.print_json(found.to_json())
        return
    rows = [(name, f"{count:,}", show.size(size)) for name, (count, size) in found.sorts.items()]
    rows += [("total", f"{found.total[0]:,}", show.size(found.total[1])), ("free", "", show.size(found.free_bytes))]
    show.print_table(HEAD, rows)
    print(f"in {show.printable(str(found.home))}")
