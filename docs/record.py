"""Records the live view of a real `bento prove`, and draws it: docs/pictures/prove.svg.

python docs/record.py            prove fixtures/guests/ecdsa on two workers, keep the moment half way, draw it
python docs/record.py --draw     draw the kept moment again, after the view has changed
"""

import io
import json
import re
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any, Final

from localbento.api import ProgressEvent, TaskProgress, default_home, prove_program
from localbento.cli.progress import picture

ROOT: Final = Path(__file__).parents[1]
MOMENT: Final = ROOT / "docs/pictures/prove.json"
PICTURE: Final = ROOT / "docs/pictures/prove.svg"
GUEST: Final = "ecdsa"
COMMAND: Final = f"bento prove {GUEST}.elf --input input.bin --jobs 2"
WORKERS: Final = 2
COLUMNS: Final = 72


def record() -> dict[str, Any]:
    """Prove the guest, and keep what the view was told when half of the segments were done and both workers busy."""
    folder = ROOT / "fixtures/guests" / GUEST
    program, stdin = (folder / f"{GUEST}.elf").read_bytes(), (folder / "input.bin").read_bytes()
    events: list[tuple[float, ProgressEvent]] = []
    started = time.monotonic()
    prove_program(
        program,
        stdin,
        jobs=WORKERS,
        home=default_home(),
        fresh=True,
        name=GUEST,
        progress=lambda event: events.append((time.monotonic() - started, event)),
    )
    total = max(event.done for _, event in events)
    busy = [(at, event) for at, event in events if event.executed and len(event.tasks) == WORKERS]
    at, moment = min(busy, key=lambda found: abs(found[1].done - total / 2))
    return {"seconds": at, "title": f"{GUEST}.elf", "event": asdict(moment)}


def rows(moment: dict[str, Any]) -> Any:
    """What the view shows at that moment."""
    fields = dict(moment["event"])
    fields["tasks"] = tuple(TaskProgress(**task) for task in fields["tasks"])
    return picture(
        ProgressEvent(**{**fields, "steps": tuple(fields["steps"])}), moment["seconds"], title=moment["title"]
    )


def draw(moment: dict[str, Any]) -> str:
    """The picture as SVG, without fonts from elsewhere."""
    from rich.console import Console

    console = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True, color_system="truecolor")
    console.print(f"$ {COMMAND}", highlight=False)
    console.print(rows(moment))
    svg = console.export_svg(title="bento prove", unique_id="bento-prove")
    svg = re.sub(r"@font-face \{.*?\}\n", "", svg, flags=re.DOTALL)
    return "\n".join(line.rstrip() for line in svg.splitlines()) + "\n"


def main() -> None:
    """Record unless told only to draw, and write the picture."""
    if "--draw" not in sys.argv:
        MOMENT.write_text(json.dumps(record(), indent=1) + "\n")
    PICTURE.write_text(draw(json.loads(MOMENT.read_text())))


if __name__ == "__main__":
    main()
