"""Tables of a recorded chip as Markdown: columns, constraints, traffic, counts.  docs/circuits is made of these."""

from localbento.air.chip import Message, RecordedChip
from localbento.air.expr import Op
from localbento.air.logup import helpers
from localbento.field.babybear import P

EXTENSION_DEGREE = 5
_LONGEST_EQUATION = 160
_SUM, _PRODUCT, _ATOM = range(3)  # how strongly the parts of a text bind


class Writer:
    """Writes the expressions of one chip; each shared part is written once and remembered."""

    def __init__(self, chip: RecordedChip) -> None:
        self.chip = chip
        self._texts: list[tuple[str, int]] = []
        for node in range(len(chip.graph.nodes)):
            text, strength = self._write(node)
            self._texts.append((text, strength) if len(text) <= _LONGEST_EQUATION else ("…", _ATOM))

    def __call__(self, node: int) -> str:
        """The expression as one would write it; parts that grow too long are cut to an ellipsis."""
        return self._texts[node][0]

    def _write(self, node: int) -> tuple[str, int]:
        op, a, b = self.chip.graph.nodes[node]
        match op:
            case Op.CONSTANT:
                return (str(a), _ATOM) if a <= P // 2 else (f"-{P - a}", _SUM)
            case Op.FIXED:
                return self.chip.fixed[a], _ATOM
            case Op.MAIN:
                return self.chip.main[a], _ATOM
            case _:
                (x, px), (y, py) = self._texts[a], self._texts[b]
        if op is Op.MUL:
            return f"{x if px else f'({x})'}·{y if py else f'({y})'}", _PRODUCT
        if op is Op.ADD:
            return (f"{x} - {y[1:]}" if y.startswith("-") else f"{x} + {y}"), _SUM
        return f"{x} - {y if py else f'({y})'}", _SUM


def traffic(chip: RecordedChip, message: Message, write: Writer) -> str:
    """One message as a line: verb, bus, components, multiplicity."""
    verb = "pull" if message.sign < 0 else "push" if message.rank is None else "provide"
    bus = " / ".join(b.name for b in message.buses)
    parts = ", ".join(write(n) for n in message.components)
    times = "" if message.times == chip.real else f" × {write(message.times)}"
    return f"{verb} {bus}({parts}){times}"


def cells_per_row(chip: RecordedChip, max_degree: int) -> int:
    """Main columns and helper columns, in base-field cells."""
    return chip.width + EXTENSION_DEGREE * len(helpers(chip, max_degree))


def describe(chip: RecordedChip, max_degree: int = 4) -> str:
    """The generated part of a chip's page."""
    degrees, write = chip.graph.degrees, Writer(chip)
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
        *(f"| {k.label} | {degrees[k.node]} | `{write(k.node)}` |" for k in chip.constraints),
        "",
        "| message | |",
        "|---|---|",
        *(f"| {m.label} | `{traffic(chip, m, write)}` |" for m in chip.messages),
        "",
    ]
    return "\n".join(lines)
