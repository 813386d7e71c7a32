"""The one walk over a recorded chip, in any arithmetic.

Anything with +, - and * serves: Python integers, numpy columns, elements of the challenge field, the
wires of a recording.  `constant` makes a value of that arithmetic from an integer.
"""

from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from localbento.air.chip import RecordedChip
from localbento.air.expr import Op

T = TypeVar("T")


def evaluate(chip: RecordedChip, fixed: Sequence[T], main: Sequence[T], constant: Callable[[int], T]) -> list[T]:
    """The value of every node of the chip's graph, in order.

    Assumes: `T` has +, - and *; mypy cannot state that without a protocol that numpy does not meet.
    """
    values: list[Any] = []
    for op, a, b in chip.graph.nodes:
        match op:
            case Op.CONSTANT:
                values.append(constant(a))
            case Op.FIXED:
                values.append(fixed[a])
            case Op.MAIN:
                values.append(main[a])
            case Op.ADD:
                values.append(values[a] + values[b])
            case Op.SUB:
                values.append(values[a] - values[b])
            case Op.MUL:
                values.append(values[a] * values[b])
    return values
