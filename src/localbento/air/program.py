"""Recorded chips as flat arrays: what the constraint kernel and the bus kernel run over blocks of rows.

A program works on *registers*: a register holds a block of rows of one column; an element of F takes five
neighbouring ones.  The first registers are the chip's cells as they come out of the tiles of their matrices,
then constants, then what is computed.  Challenges are not in the program: it names its weights (`Weight`),
and the prover fills in their values for each proof.  So adding a constraint compiles nothing.

Two programs for each chip: `constraint_program` mixes all constraints of a row, those of the bus argument
included, into one element of F; `helper_program` fills the helper columns from the trace.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from typing import Final, NamedTuple

import numpy as np
from numpy.typing import NDArray

from localbento.air.chip import Message, RecordedChip
from localbento.air.expr import Op
from localbento.air.registers import Instruction, Kind, allocate

TILE: Final = 16
DEGREE: Final = 5
MAX_TERMS: Final = 4
"""Products that the kernels sum before they reduce."""
_OPERATIONS: Final = {Op.ADD: Kind.ADD, Op.SUB: Kind.SUB, Op.MUL: Kind.MUL}
_LINEAR: Final = (Kind.LINEAR_1, Kind.LINEAR_2, Kind.LINEAR_3, Kind.LINEAR_4)


class WeightKind(IntEnum):
    """Which challenge a weight is made of."""

    LAMBDA = 0
    """lambda^number * X^power, counted within the height."""
    MINUS_LAMBDA = 1
    """Its negative."""
    BETA = 2
    """beta_number."""
    MESSAGE = 3
    """The constant part of the fingerprint of message `number` of the chip."""


class Weight(NamedTuple):
    """A factor in F that is known only when challenges are."""

    kind: WeightKind
    number: int
    power: int = 0


class Window(NamedTuple):
    """Tiles of a matrix that hold a chip's cells, and the register of the first cell of the first tile."""

    first_tile: int
    tiles: int
    register: int


class Placement(NamedTuple):
    """Where a chip's cells begin in the rows of its height; helper columns are counted, not their cells."""

    fixed: int
    main: int
    helper: int


@dataclass(frozen=True, eq=False)
class Program:
    """Instructions over registers, with the places of inputs and results.

    `instructions` is int32[n, 8]: kind, target, up to four sources, first weight, unused.  `constants` lists
    (register, canonical value).  `result` is the register of the mix (constraints), or of the first
    helper column (helpers), whose `results` cells follow each other.
    """

    instructions: NDArray[np.int32]
    weights: tuple[Weight, ...]
    constants: tuple[tuple[int, int], ...]
    fixed: Window
    main: Window
    bus: Window
    result: int
    results: int
    registers: int


def fingerprint_constant(chip: RecordedChip, message: Message) -> tuple[tuple[int, int], ...]:
    """The constant parts of a fingerprint as (number of beta, value): beta_0 goes with the bus number."""
    parts = enumerate((message.bus_node, *message.components))
    return tuple((i, value) for i, n in parts if (value := chip.graph.value(n)) is not None and value)


class _Assembler:
    """Emits instructions over virtual registers; a virtual register is written before it is read."""

    def __init__(self, chip: RecordedChip, at: Placement, groups: Sequence[tuple[Message, ...]], *, bus: bool) -> None:
        self.chip = chip
        self.instructions: list[Instruction] = []
        self.weights: list[Weight] = []
        self.constants: dict[int, int] = {}
        self._nodes: dict[int, int] = {}
        self._fingerprints: dict[str, int] = {}
        self.sizes: dict[int, int] = {}
        self.fixed = _window(at.fixed, len(chip.fixed), 0)
        self.main = _window(at.main, chip.width, _end(self.fixed))
        self.bus = _window(DEGREE * at.helper, DEGREE * len(groups) if bus else 0, _end(self.main))
        self._fixed_start = self.fixed.register + at.fixed % TILE
        self._main_start = self.main.register + at.main % TILE
        self._bus_start = self.bus.register + DEGREE * at.helper % TILE
        self._next = _end(self.bus)
        self.inputs = self._next

    def new(self, size: int) -> int:
        """A virtual register of 1 or 5."""
        name = self._next
        self._next += size
        self.sizes[name] = size
        return name

    def emit(self, kind: Kind, target: int, sources: Sequence[int], weight: int = -1) -> int:
        """Append one instruction; returns its target."""
        self.instructions.append(Instruction(kind, target, tuple(sources), weight))
        return target

    def constant(self, value: int) -> int:
        """The register of a constant."""
        if value not in self.constants:
            self.constants[value] = self.new(1)
        return self.constants[value]

    def node(self, node: int) -> int:
        """The register of a node of the graph; graphs are deep, so with a stack of its own."""
        nodes, stack = self.chip.graph.nodes, [node]
        while stack:
            top = stack[-1]
            op, a, b = nodes[top]
            if top in self._nodes:
                stack.pop()
            elif op is Op.CONSTANT:
                self._nodes[stack.pop()] = self.constant(a)
            elif op is Op.FIXED:
                self._nodes[stack.pop()] = self._fixed_start + a
            elif op is Op.MAIN:
                self._nodes[stack.pop()] = self._main_start + a
            elif missing := [n for n in (b, a) if n not in self._nodes]:
                stack += missing
            else:
                sources = self._nodes[a], self._nodes[b]
                self._nodes[stack.pop()] = self.emit(_OPERATIONS[op], self.new(1), sources)
        return self._nodes[node]

    def helper(self, number: int) -> int:
        """The register of a helper column of the bus matrix."""
        return self._bus_start + DEGREE * number

    def combine(self, target: int, terms: Sequence[tuple[int, Weight]]) -> None:
        """Target += the sum of weight * register, four products at a time."""
        for start in range(0, len(terms), MAX_TERMS):
            some = terms[start : start + MAX_TERMS]
            first = len(self.weights)
            self.weights += [weight for _, weight in some]
            self.emit(_LINEAR[len(some) - 1], target, [register for register, _ in some], first)

    def fingerprint(self, message: Message) -> int:
        """Alpha + bus * beta_0 + sum beta_i m_i."""
        if message.label in self._fingerprints:
            return self._fingerprints[message.label]
        number = self.chip.messages.index(message)
        target = self.new(DEGREE)
        self.weights.append(Weight(WeightKind.MESSAGE, number))
        self.emit(Kind.SET, target, (), len(self.weights) - 1)
        terms = [
            (self.node(node), Weight(WeightKind.BETA, i))
            for i, node in enumerate((message.bus_node, *message.components))
            if self.chip.graph.value(node) is None
        ]
        self.combine(target, terms)
        self._fingerprints[message.label] = target
        return target

    def scaled(self, element: int, message: Message) -> int:
        """An element of F times the multiplicity of a message."""
        return self.emit(Kind.SCALE, self.new(DEGREE), (element, self.node(message.times)))

    def fraction(self, group: Sequence[Message]) -> tuple[int, int]:
        """Numerator and denominator of the sum of sign * times / fingerprint, of at least two messages."""
        numerator, denominator = -1, self.fingerprint(group[0])
        for i, message in enumerate(group[1:]):
            other = self.fingerprint(message)
            if i == 0:
                numerator = self._signed(self.scaled(other, group[0]), group[0].sign)
            else:
                numerator = self.emit(Kind.MUL_ELEMENT, self.new(DEGREE), (numerator, other))
            term = self.scaled(denominator, message)
            kind = Kind.ADD_ELEMENT if message.sign > 0 else Kind.SUB_ELEMENT
            numerator = self.emit(kind, self.new(DEGREE), (numerator, term))
            denominator = self.emit(Kind.MUL_ELEMENT, self.new(DEGREE), (denominator, other))
        return numerator, denominator

    def _signed(self, element: int, sign: int) -> int:
        if sign > 0:
            return element
        zero = self.emit(Kind.CLEAR, self.new(DEGREE), ())
        return self.emit(Kind.SUB_ELEMENT, self.new(DEGREE), (zero, element))

    def finish(self, result: int, results: int) -> Program:
        """Assign registers."""
        keep = {result, *self.constants.values()}
        places, rows, registers = allocate(self.instructions, self.sizes, self.inputs, keep, self.constants.values())
        return Program(
            instructions=rows,
            weights=tuple(self.weights),
            constants=tuple((places[r], value) for value, r in self.constants.items()),
            fixed=self.fixed,
            main=self.main,
            bus=self.bus,
            result=places[result],
            results=results,
            registers=registers,
        )


def _window(start: int, cells: int, register: int) -> Window:
    if not cells:
        return Window(0, 0, register)
    first = start // TILE
    return Window(first, (start + cells - 1) // TILE - first + 1, register)


def _end(window: Window) -> int:
    return window.register + TILE * window.tiles


def constraint_program(
    chip: RecordedChip,
    at: Placement,
    groups: Sequence[tuple[Message, ...]],
    first_constraint: int,
    first_helper: int,
    step: int,
) -> Program:
    """All constraints of one chip on a row, mixed with powers of lambda.

    `first_constraint`, `first_helper` and `step` are the powers of lambda of the chip's first constraint, of the
    constraint of its first helper column, and of the running sum's step, of which the chip gives
    minus the sum of its helpers (docs/protocol.md, "Mix").
    """
    a = _Assembler(chip, at, groups, bus=True)
    mix = a.emit(Kind.CLEAR, a.new(DEGREE), ())
    for start in range(0, len(chip.constraints), MAX_TERMS):
        some = chip.constraints[start : start + MAX_TERMS]
        a.combine(
            mix,
            [(a.node(k.node), Weight(WeightKind.LAMBDA, first_constraint + start + i)) for i, k in enumerate(some)],
        )
    total = -1
    for number, group in enumerate(groups):
        helper = a.helper(number)
        difference = _helper_difference(a, helper, group)
        a.combine(mix, [(difference + i, Weight(WeightKind.LAMBDA, first_helper + number, i)) for i in range(DEGREE)])
        total = helper if total < 0 else a.emit(Kind.ADD_ELEMENT, a.new(DEGREE), (total, helper))
    if total >= 0:
        a.combine(mix, [(total + i, Weight(WeightKind.MINUS_LAMBDA, step, i)) for i in range(DEGREE)])
    return a.finish(mix, DEGREE)


def _helper_difference(a: _Assembler, helper: int, group: Sequence[Message]) -> int:
    """H * prod(f_i) - sum(sign_i * m_i * prod_(j != i) f_j)."""
    first = group[0]
    if len(group) <= 2:
        denominator = a.fingerprint(first)
        product = a.emit(Kind.MUL_ELEMENT, a.new(DEGREE), (helper, denominator))
        # The numerator is a base residue: only the constant coefficient changes, in its place.
        a.emit(Kind.SUB if first.sign > 0 else Kind.ADD, product, (product, a.node(first.times)))
        rest = group[1:]
    else:
        # PERF: two at the start, since a product by a multiplicity is a third of one in F.
        numerator, denominator = a.fraction(group[:2])
        product = a.emit(Kind.MUL_ELEMENT, a.new(DEGREE), (helper, denominator))
        product = a.emit(Kind.SUB_ELEMENT, a.new(DEGREE), (product, numerator))
        rest = group[2:]
    for i, message in enumerate(rest, 1):
        other = a.fingerprint(message)
        product = a.emit(Kind.MUL_ELEMENT, a.new(DEGREE), (product, other))
        kind = Kind.SUB_ELEMENT if message.sign > 0 else Kind.ADD_ELEMENT
        product = a.emit(kind, a.new(DEGREE), (product, a.scaled(denominator, message)))
        if i < len(rest):
            denominator = a.emit(Kind.MUL_ELEMENT, a.new(DEGREE), (denominator, other))
    return product


def helper_program(chip: RecordedChip, at: Placement, groups: Sequence[tuple[Message, ...]]) -> Program:
    """The helper columns of one chip from its row, `results` = 5 * len(groups) registers side by side."""
    a = _Assembler(chip, at, groups, bus=False)
    results = a.new(DEGREE * len(groups))
    for number, group in enumerate(groups):
        target = results + DEGREE * number
        if len(group) == 1:
            inverse = a.emit(Kind.INVERT, a.new(DEGREE), (a.fingerprint(group[0]),))
            signed = a._signed(inverse, group[0].sign)
            a.emit(Kind.SCALE, target, (signed, a.node(group[0].times)))
        else:
            numerator, denominator = a.fraction(group)
            inverse = a.emit(Kind.INVERT, a.new(DEGREE), (denominator,))
            a.emit(Kind.MUL_ELEMENT, target, (numerator, inverse))
    return a.finish(results, DEGREE * len(groups))
