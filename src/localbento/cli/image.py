"""`bento image add|list`."""

import sys
from pathlib import Path
from typing import Annotated

import typer

from localbento.cli import describing, options, show

app = typer.Typer(no_args_is_help=True, help="Keep guests by name.", rich_markup_mode=None)
HEAD = ("NAME", "IMAGE ID", "SIZE", "ADDED")


@app.command("add")
def add(
    guest: Annotated[Path, typer.Argument(help="R0BF program or bare RV32IM ELF.", show_default=False)],
    name: Annotated[str | None, typer.Option("--name", metavar="N", help="By default the file's name.")] = None,
    as_json: options.Json = False,
) -> None:
    """Keep a guest in the store under a name, which commands then take in place of a file."""
    from localbento.api import store

    found = store.add_image(options.read_file(guest, "guest"), guest.stem if name is None else name)
    if as_json:
        show.print_json(found.to_json())
    else:
        print(found.image_id)


@app.command("list")
def list_images(as_json: options.Json = False) -> None:
    """List the guests that were added, oldest first."""
    from localbento.api import store

    found = store.list_images()
    if as_json:
        show.print_json({"images": [image.to_json() for image in found]})
    elif found:
        rows = [
            (show.printable(image.name), image.image_id, show.size(image.size), describing.when(image.added_at))
            for image in found
        ]
        show.print_table(HEAD, rows)
    else:
        print("no images; bento image add GUEST makes one", file=sys.stderr)
