"""Writes the generated parts of docs/: the command's help, and the tables of every chip.

python docs/generate.py            rewrite what is stale
python docs/generate.py --check    say what is stale, and fail
"""

import sys
from pathlib import Path

DOCS = Path(__file__).parent
MARK = "<!-- generated below: python docs/generate.py -->"


def cli_page() -> str:
    """Every command's help, as a page."""
    import typer.main
    from typer.testing import CliRunner

    from localbento.cli.__main__ import app

    parts = ["# The command `bento`", "", "Generated from `--help` by `docs/generate.py`.", ""]
    runner = CliRunner(env={"COLUMNS": "100", "TERMINAL_WIDTH": "100"})

    def add(command: object, path: list[str]) -> None:
        shown = runner.invoke(app, [*path, "--help"], prog_name="bento", catch_exceptions=False).output
        text = "\n".join(line.rstrip() for line in shown.strip().splitlines())
        parts.extend([f"## `{' '.join(['bento', *path])}`", "", "```", text, "```", ""])
        for name, child in sorted(getattr(command, "commands", {}).items()):
            add(child, [*path, name])

    add(typer.main.get_command(app), [])
    return "\n".join(parts)


def circuit_pages() -> dict[Path, str]:
    """Pages of chips: the hand-written statement, then the tables."""
    from localbento.air.describe import describe
    from localbento.circuits.rv32im.machine import CHIPS, recorded

    pages = {}
    for name in CHIPS:
        chip = recorded(name)
        path = DOCS / "circuits" / f"{name}.md"
        text = path.read_text() if path.exists() else f"# {name}\n"
        hand_written = text.split(MARK)[0].rstrip()
        pages[path] = f"{hand_written}\n\n{MARK}\n\n{describe(chip)}"
    return pages


def pages() -> dict[Path, str]:
    """Every page that has a generated part, as it should be."""
    from localbento.cli.exit_codes import page

    return {DOCS / "cli.md": cli_page() + "\n", DOCS / "exit-codes.md": page(), **circuit_pages()}


def stale() -> list[Path]:
    """Pages that are not as they should be."""
    return [p for p, text in pages().items() if not p.exists() or p.read_text() != text]


def main() -> None:
    if "--check" in sys.argv:
        old = stale()
        for path in old:
            print(f"stale: {path.relative_to(DOCS.parent)}; run python docs/generate.py")
        sys.exit(bool(old))
    for path, text in pages().items():
        path.parent.mkdir(exist_ok=True)
        path.write_text(text)


if __name__ == "__main__":
    main()
