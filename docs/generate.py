"""Writes the generated parts of docs/: the command's help, the Python API, kinds of task, the tables of every chip.

python docs/generate.py            rewrite what is stale
python docs/generate.py --check    say what is stale, and fail
"""

import ast
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


def api_page() -> str:
    """The public names of the package, from the source: signatures, fields, docstrings."""
    import localbento
    from localbento.receipt.verify import Verified

    parts = [
        "# The Python API",
        "",
        "Generated from the source by `docs/generate.py`. Short programs that use it: `docs/examples`.",
        "",
        "Everything here is in `localbento`, but `Verified`, which is what `Receipt.verify` returns. Errors are in",
        "`localbento.errors`, each with the exit code that the command ends with ([exit-codes.md](exit-codes.md)).",
        "",
    ]
    found = {name: getattr(localbento, name) for name in localbento.__all__} | {"Verified": Verified}
    for name in sorted(found, key=lambda n: (n[0].isupper(), n.lower())):
        parts += [f"## `{name}`", ""]
        if name == "Progress":
            parts += _python(
                f"Progress = {str(found[name]).rpartition('abc.')[2].replace('localbento.api.results.', '')}"
            )
            continue
        source = Path(str(sys.modules[found[name].__module__].__file__)).read_text()
        node = next(n for n in ast.parse(source).body if getattr(n, "name", "") == name)
        if isinstance(node, ast.ClassDef):
            parts += _class(node, source.splitlines())
        elif isinstance(node, ast.FunctionDef):
            parts += _function(node, source.splitlines())
    return "\n".join(parts)


def _python(text: str) -> list[str]:
    return ["```python", text, "```", ""]


def _function(node: ast.FunctionDef, lines: list[str]) -> list[str]:
    """The text from the decorators to the end of the docstring, as it stands."""
    first = min([node.lineno, *(mark.lineno for mark in node.decorator_list)])
    text = lines[first - 1 : node.body[0].end_lineno]
    return _python("\n".join(line[node.col_offset :] for line in text))


def _class(node: ast.ClassDef, lines: list[str]) -> list[str]:
    """Fields with what is said of each, then properties and methods."""
    parts = [ast.get_docstring(node) or "", ""]
    notes = dict(zip(node.body, node.body[1:], strict=False))
    fields = [n for n in node.body if isinstance(n, ast.AnnAssign)]
    parts += ["| field | type | |", "|---|---|---|"] if fields else []
    for field in fields:
        note = notes.get(field)
        said = note.value.value if isinstance(note, ast.Expr) and isinstance(note.value, ast.Constant) else ""
        kind = ast.unparse(field.annotation).replace("'", "").replace("|", "\\|")
        parts.append(f"| `{ast.unparse(field.target)}` | `{kind}` | {' '.join(str(said).split())} |")
    parts += [""] if fields else []
    for method in (n for n in node.body if isinstance(n, ast.FunctionDef) and not n.name.startswith("_")):
        parts += _function(method, lines)
    return parts


def kinds_page() -> tuple[Path, str]:
    """The page about jobs: hand-written, then the table of task kinds."""
    from localbento.service.kinds import KINDS

    heads = ("kind", "stream", "reads", "makes", "cores", "memory, unless predicted", "tried again", "time limit")
    rows = [heads, ("---",) * len(heads)]
    for kind in KINDS.values():
        hours = kind.timeout_seconds / 3600
        known = (
            ", ".join(kind.inputs),
            ", ".join(kind.outputs) or "nothing",
            str(kind.cores),
            f"{kind.memory_bytes >> 20} MiB",
            f"{kind.max_retries} times",
            f"{hours / 24:.0f} days" if hours > 48 else f"{hours:.0f} h",
        )
        rows.append((f"`{kind.name}`", kind.stream, *(known if kind.exists else ("not yet", *[""] * 5))))
    table = "\n".join(f"| {' | '.join(row)} |" for row in rows)
    path = DOCS / "service" / "jobs.md"
    return path, f"{path.read_text().split(MARK)[0].rstrip()}\n\n{MARK}\n\n{table}\n"


def pages() -> dict[Path, str]:
    """Every page that has a generated part, as it should be."""
    from localbento.cli.exit_codes import page

    written = {DOCS / "cli.md": cli_page() + "\n", DOCS / "exit-codes.md": page(), DOCS / "api.md": api_page()}
    return {**written, **dict([kinds_page()]), **circuit_pages()}


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
