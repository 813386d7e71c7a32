"""Tables of a recorded chip as Markdown: columns, constraints, traffic, counts.  docs/circuits is made of these."""

from localbento.air.chip import Message, RecordedChip
from localbento.air.expr import Op
from localbento.air.logup import helpers
from localbento.field.babybear import P

EXTENSION_DEGREE = 5
_LONGEST_EQUATION = 160


def expression(chip: RecordedChip, node: int) -> str:
    """The expression as one would write it; shared parts are written out each time."""
    text, _ = _render(chip, node)
    return text


def _render(chip: RecordedChip, node: int) -> tuple[str, int]:
    """Text and binding strength: 0 sum, 1 product, 2 atom.  Parts that grow too long are cut to an ellipsis."""
    op, a, b = chip.graph.nodes[node]
    match op:
        case Op.CONSTANT:
            return (str(a), 2) if a <= P // 2 else (f"-{P - a}", 0)
        case Op.FIXED:
            return chip.fixed[a], 2
        case Op.MAIN:
            return chip.main[a], 2
        case _:
            pass
    if chip.graph.degrees[node] > 8:
        return "…", 2
    (x, px), (y, py) = _render_cut(chip, a), _render_cut(chip, b)
    if op is Op.MUL:
        left = x if px >= 1 else f"({x})"
        right = y if py >= 1 else f"({y})"
        return f"{left}·{right}", 1
    if op is Op.ADD:
        return (f"{x} - {y[1:]}", 0) if y.startswith("-") and py == 0 else (f"{x} + {y}", 0)
    return f"{x} - {y if py >= 1 else f'({y})'}", 0


def _render_cut(chip: RecordedChip, node: int) -> tuple[str, int]:
    text, strength = _render(chip, node)
    return (text, strength) if len(text) <= _LONGEST_EQUATION else ("…", 2)


def traffic(chip: RecordedChip, message: Message) -> str:
    """One message as a line: verb, bus, components, multiplicity."""
    verb = "pull" if message.sign < 0 else "push" if message.rank is None else "provide"
    bus = " / ".join(b.name for b in message.buses)
    parts = ", ".join(expression(chip, n) for n in message.components)
    times = "" if message.times == chip.real else f" × {expression(chip, message.times)}"
    return f"{verb} {bus}({parts}){times}"


def cells_per_row(chip: RecordedChip, max_degree: int) -> int:
    """Main columns and helper columns, in base-field cells."""
    return chip.width + EXTENSION_DEGREE * len(helpers(chip, max_degree))


def describe(chip: RecordedChip, max_degree: int = 4) -> str:
    """The generated part of a chip's page."""
    degrees = chip.graph.degrees
    lines = [
        f"{chip.width} main columns, {len(chip.fixed)} preprocessed, {len(chip.constraints)} constraints, "
        f"{len(chip.messages)} messages in {len(helpers(chip, max_degree))} helper columns: "
        f"{cells_per_row(chip, max_degree)} cells a row.",
        "",
        "| column | |",
        "|---|---|",
        *(f"| `{name}` | preprocessed |" for name in chip.fixed),
        *(f"| `{name}` | |" for name in chip.main),
        "",
        "| label | degree | equation (= 0) |",
        "|---|---|---|",
        *(f"| {k.label} | {degrees[k.node]} | `{expression(chip, k.node)}` |" for k in chip.constraints),
        "",
        "| message | |",
        "|---|---|",
        *(f"| {m.label} | `{traffic(chip, m)}` |" for m in chip.messages),
        "",
    ]
    return "\n".join(lines)
