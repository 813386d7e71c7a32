"""What a chip must satisfy before it may stand in a machine: degrees, multiplicities, ranks, counts.

Everything is read off the recorded constraints; nothing is declared that could be wrong.  Source:
docs/protocol.md, "Buses" (the two kinds of bus, ranks, the is_real rule).
"""

from collections.abc import Sequence
from functools import cache
from itertools import product

import numpy as np

from localbento.air.bus import Bus, BusKind
from localbento.air.chip import CircuitError, Message, RecordedChip, assemble_fixed
from localbento.air.evaluate import evaluate
from localbento.air.expr import Op
from localbento.air.logup import helpers
from localbento.air.polynomials import Poly, Polynomials
from localbento.air.system import System
from localbento.field.babybear import P

MAX_ENUMERATED_BITS = 16


def check_system(system: System, max_degree: int, rows: Sequence[int]) -> None:
    """Refuse a machine that the bus argument or the quotient cannot carry.

    `rows[i]` is the height of chip i, as a number of rows.
    Raises: CircuitError with chip and label.
    """
    _check_buses(system)
    seen: set[int] = set()
    for chip in system.chips:
        if id(chip) not in seen:
            seen.add(id(chip))
            check_chip(chip, max_degree)
    for chip, height in zip(system.chips, rows, strict=True):
        check_padding(chip, height)
    check_counts(system, rows)


@cache
def check_chip(chip: RecordedChip, max_degree: int) -> None:
    """Degrees, multiplicities and ranks of one chip."""
    for constraint in chip.constraints:
        degree = chip.graph.degrees[constraint.node]
        if degree > max_degree:
            raise _refuse(chip, constraint.label, f"degree {degree}, allowed {max_degree}")
    helpers(chip, max_degree)
    flags = Flags(chip)
    for message in chip.messages:
        _check_bus_choice(chip, flags, message)
        if message.rank is not None:
            _check_provider(chip, flags, message)
        elif not flags.is_flag(message.times):
            raise _refuse(
                chip,
                message.label,
                "the multiplicity is not shown to be 0 or 1, and 0 on an unused row, by constraints of the chip",
            )


def _refuse(chip: RecordedChip, label: str, what: str) -> CircuitError:
    return CircuitError(f"{chip.name}, {label!r}: {what}")


def _check_buses(system: System) -> None:
    found: dict[int, Bus] = {}
    uses = [b for chip in system.chips for m in chip.messages for b in m.buses]
    for bus in (*uses, *(m.bus for m in system.public_messages)):
        other = found.setdefault(bus.number, bus)
        if other != bus:  # ranks too: two opinions about a rank would hide a cycle of providers
            msg = f"bus number {bus.number} stands for both {other.name!r} and {bus.name!r}"
            raise CircuitError(msg)
    for message in system.public_messages:
        if message.bus.kind is not BusKind.EXCHANGE or len(message.components) != message.bus.width:
            msg = f"public message on {message.bus.name!r}: expected {message.bus.width} components, exchange bus"
            raise CircuitError(msg)


class Flags:
    """Which expressions of a chip are boolean, and 0 on unused rows, by its constraints."""

    def __init__(self, chip: RecordedChip) -> None:
        self.chip = chip
        self.poly = Polynomials(chip)
        self.known = {p.normalized() for k in chip.constraints if (p := self.poly.expand(k.node)) is not None}
        real = self.poly.expand(chip.real)
        if real is None or not (self.fixed_only(chip.real) or self._holds(real * (real - Poly.constant(1)))):
            msg = f"{chip.name}: real() is not boolean by a constraint of the chip"
            raise CircuitError(msg)
        self.real = real

    def _holds(self, poly: Poly) -> bool:
        return poly.is_zero() or poly.normalized() in self.known

    def fixed_only(self, node: int) -> bool:
        """Whether the expression has preprocessed cells and constants only."""
        return all(self.chip.graph.nodes[c][0] is Op.FIXED for c in self.poly.cells(node))

    def is_boolean(self, poly: Poly) -> bool:
        """0 or 1 on every active row."""
        return self._holds(poly * (poly - Poly.constant(1))) or self._one_hot_part(poly)

    def _one_hot_part(self, poly: Poly) -> bool:
        """A sum of some of the bits whose whole sum is `real`: then at most one of all of them is 1."""
        bits = self.real.as_sum_of_cells()
        part = poly.as_sum_of_cells()
        if not bits or not part:
            return False
        return all(b in self.chip.bits for b in bits) and part <= bits

    def _implies_real(self, poly: Poly) -> bool:
        return self._holds(poly * (self.real - Poly.constant(1))) or self._one_hot_part(poly)

    def is_flag(self, node: int) -> bool:
        """Boolean, and 0 on an unused row; preprocessed expressions are judged by their values."""
        if self.fixed_only(node):
            return self.poly.expand(node) is not None and bool(self.poly.cells(node))
        poly = self.poly.expand(node)
        if poly is not None and self._flag(poly):
            return True
        op, a, b = self.chip.graph.nodes[node]
        if op is Op.MUL:
            return (self.is_flag(a) and self._boolean_node(b)) or (self.is_flag(b) and self._boolean_node(a))
        if op is Op.SUB:
            whole, part = self.poly.expand(a), self.poly.expand(b)
            if whole is None or part is None:
                return False
            return self._flag(whole) and self.is_boolean(part) and self._holds(part * (whole - Poly.constant(1)))
        return False

    def _flag(self, poly: Poly) -> bool:
        if poly == self.real:
            return True
        if self.is_boolean(poly) and self._implies_real(poly):
            return True
        part = self.real - poly  # poly = real - part
        return self.is_boolean(part) and self._implies_real(part)

    def _boolean_node(self, node: int) -> bool:
        poly = self.poly.expand(node)
        return poly is not None and self.is_boolean(poly)

    def bound_to_real(self, node: int) -> bool:
        """(1 - real) * expression = 0 is a constraint."""
        poly = self.poly.expand(node)
        return poly is not None and (self._holds(poly * (self.real - Poly.constant(1))) or poly == self.real)


def _check_bus_choice(chip: RecordedChip, flags: Flags, message: Message) -> None:
    if len(message.buses) == 1:
        return
    cells = flags.poly.cells(message.bus_node)
    if len(cells) != 1 or not cells <= chip.bits:
        raise _refuse(chip, message.label, "the choice between two buses is not a boolean cell")


def _check_provider(chip: RecordedChip, flags: Flags, message: Message) -> None:
    if not flags.bound_to_real(message.times):
        raise _refuse(chip, message.label, "a provider needs the constraint (1 - real) * uses = 0")
    bus, rank = message.bus, message.rank
    if bus.ranks:
        ops = possible_values(chip, flags, message)
        if not ops <= set(message.ops):
            raise _refuse(chip, message.label, f"can answer {sorted(ops)}, declared {sorted(message.ops)}")
        wrong = [op for op in message.ops if bus.ranks.get(op) != rank]
        if wrong:
            raise _refuse(chip, message.label, f"operations {wrong} do not have rank {rank} on {bus.name!r}")
    elif rank != bus.rank:
        raise _refuse(chip, message.label, f"rank {rank}, but bus {bus.name!r} has rank {bus.rank}")
    for other in chip.messages:
        if other.sign < 0 and other.bus.kind is BusKind.LOOKUP and rank is not None:
            below = pull_rank(chip, other)
            if below >= rank:
                raise _refuse(chip, other.label, f"a provider of rank {rank} pulls a tuple of rank {below}")


def pull_rank(chip: RecordedChip, message: Message) -> int:
    """The rank of the tuples that this message pulls; the highest of the bus if the operation is no constant."""
    bus = message.bus
    if not bus.ranks:
        return bus.rank
    op = chip.graph.value(message.components[0])
    if op is None:
        return max(bus.ranks.values())
    if op not in bus.ranks:
        raise _refuse(chip, message.label, f"bus {bus.name!r} has no operation {op}")
    return bus.ranks[op]


def possible_values(chip: RecordedChip, flags: Flags, message: Message) -> set[int]:
    """Values that the first component takes on used rows, by enumeration of the chip's boolean cells."""
    node = message.components[0]
    constant = chip.graph.value(node)
    if constant is not None:
        return {constant}
    wanted = flags.poly.cells(node)
    if not wanted <= chip.bits:
        raise _refuse(chip, message.label, "the operation is not an expression in boolean cells")
    rules = [(k.node, flags.poly.cells(k.node)) for k in chip.constraints]
    while True:
        more = wanted.union(*(c for _, c in rules if c & wanted and c <= chip.bits))
        if more == wanted:
            break
        wanted = more
    if len(wanted) > MAX_ENUMERATED_BITS:
        raise _refuse(chip, message.label, f"{len(wanted)} boolean cells are too many to enumerate")
    inside = [n for n, c in rules if c <= wanted]
    real_inside = flags.poly.cells(chip.real) <= wanted
    cells = sorted(wanted)
    found: set[int] = set()
    for bits in product((0, 1), repeat=len(cells)):
        at = dict(zip(cells, bits, strict=True))
        if all(_at(chip, n, at) == 0 for n in inside) and not (real_inside and _at(chip, chip.real, at) == 0):
            found.add(_at(chip, node, at))
    return found


def _at(chip: RecordedChip, node: int, at: dict[int, int]) -> int:
    op, a, b = chip.graph.nodes[node]
    match op:
        case Op.CONSTANT:
            return a
        case Op.ADD:
            return (_at(chip, a, at) + _at(chip, b, at)) % P
        case Op.SUB:
            return (_at(chip, a, at) - _at(chip, b, at)) % P
        case Op.MUL:
            return _at(chip, a, at) * _at(chip, b, at) % P
        case _:
            return at[node]


@cache
def check_padding(chip: RecordedChip, rows: int) -> None:
    """The padding row satisfies every constraint and sends nothing, on every row of the preprocessed columns."""
    main = [chip.chip.padding.get(name, 0) for name in chip.main]
    unknown = set(chip.chip.padding) - set(chip.main)
    if unknown:
        msg = f"{chip.name}: padding names columns that do not exist: {sorted(unknown)}"
        raise CircuitError(msg)
    fixed = assemble_fixed(chip.chip, rows)
    if not len(fixed):
        values = evaluate(chip, [], main, int)
        bad = [k.label for k in chip.constraints if values[k.node] % P]
        sent = [m.label for m in chip.messages if values[m.times] % P]
    else:
        bad, sent = _padding_beside_fixed(chip, fixed, main)
    if bad:
        raise _refuse(chip, bad[0], "the padding row does not satisfy it")
    if sent:
        raise _refuse(chip, sent[0], "the padding row sends a message")


def _padding_beside_fixed(chip: RecordedChip, fixed: np.ndarray, main: list[int]) -> tuple[list[str], list[str]]:
    from localbento.air.check import evaluate_columns

    matrix = np.repeat(np.array(main, np.uint32)[:, None], fixed.shape[1], axis=1)
    values = evaluate_columns(chip, fixed, matrix)
    flags = Flags(chip)
    bad = [k.label for k in chip.constraints if values[k.node].any()]
    sent = [m.label for m in chip.messages if values[m.times].any() and not flags.fixed_only(m.times)]
    return bad, sent


def check_counts(system: System, rows: Sequence[int]) -> None:
    """For every bus a count below p: all traffic of an exchange bus, the pulls of a lookup bus."""
    totals: dict[Bus, int] = {}
    for chip, height in zip(system.chips, rows, strict=True):
        for message in chip.messages:
            for bus in message.buses:
                if bus.kind is BusKind.EXCHANGE or message.sign < 0:
                    totals[bus] = totals.get(bus, 0) + _count(chip, message, height)
    for public in system.public_messages:
        totals[public.bus] = totals.get(public.bus, 0) + 1
    for bus, count in totals.items():
        if count >= P:
            msg = f"bus {bus.name!r}: {count} messages, must stay below p = {P}"
            raise CircuitError(msg)


@cache
def _count(chip: RecordedChip, message: Message, rows: int) -> int:
    flags = Flags(chip)
    if not flags.fixed_only(message.times):
        return rows
    values = np.zeros(rows, np.int64)
    from localbento.air.check import evaluate_columns, signed

    main = np.zeros((chip.width, rows), np.uint32)
    column = evaluate_columns(chip, assemble_fixed(chip.chip, rows), main)[message.times]
    values = np.broadcast_to(signed(column), (rows,))
    if message.bus.kind is BusKind.LOOKUP and values.min() < 0:
        raise _refuse(chip, message.label, "a preprocessed multiplicity of a pull is negative")
    return int(np.abs(values).sum())
