"""Recorded chips as flat arrays: what the constraint kernel and the bus kernel run over blocks of rows.

A program works on *registers*: a register holds a block of rows of one column; an element of F takes five
neighbouring ones.  The first registers are the chip's cells as they come out of the tiles of their matrices,
then constants, then what is computed.  Challenges are not in the program: it names its weights (`Weight`),
and the prover fills in their values for each proof.  So adding a constraint compiles nothing.

Two programs for each chip: `constraint_program` mixes all constraints of a row, those of the bus argument
included, into one element of F; `helper_program` fills the helper columns from the trace.

PERF: a chip is compiled once.  Where it stands decides only which tiles are looked at (its first cell always comes
into the same register: there is room for the cells of its neighbours around its own) and which powers of lambda
its constraints are multiplied with.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from enum import IntEnum
from functools import lru_cache
from typing import Final, NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from localbento.air.chip import Message, RecordedChip
from localbento.air.expr import Op
from localbento.air.registers import Instruction, Kind, allocate

TILE: Final = 16
DEGREE: Final = 5
MAX_TERMS: Final = 4
"""Products that the kernels sum before they reduce."""
Groups: TypeAlias = tuple[tuple[Message, ...], ...]
"""The messages of each helper column."""
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

    def __init__(self, chip: RecordedChip, groups: Groups, *, bus: bool) -> None:
        self.chip = chip
        self.instructions: list[Instruction] = []
        self.weights: list[Weight] = []
        self.bases: list[_Base] = []
        self.constants: dict[int, int] = {}
        self._nodes: dict[int, int] = {}
        self._numbers = {message.label: number for number, message in enumerate(chip.messages)}
        self._fingerprints: dict[str, int] = {}
        self.sizes: dict[int, int] = {}
        self.fixed = _Cells(len(chip.fixed), 0)
        self.main = _Cells(chip.width, self.fixed.end)
        self.bus = _Cells(DEGREE * len(groups) if bus else 0, self.main.end)
        self._next = self.bus.end
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
                self._nodes[stack.pop()] = self.fixed.first + a
            elif op is Op.MAIN:
                self._nodes[stack.pop()] = self.main.first + a
            elif missing := [n for n in (b, a) if n not in self._nodes]:
                stack += missing
            else:
                sources = self._nodes[a], self._nodes[b]
                self._nodes[stack.pop()] = self.emit(_OPERATIONS[op], self.new(1), sources)
        return self._nodes[node]

    def helper(self, number: int) -> int:
        """The register of a helper column of the bus matrix."""
        return self.bus.first + DEGREE * number

    def weigh(self, weights: Sequence[Weight], base: "_Base") -> int:
        """The place of some weights, one after the other."""
        first = len(self.weights)
        self.weights += weights
        self.bases += [base] * len(weights)
        return first

    def combine(self, target: int, terms: Sequence[tuple[int, Weight]], base: "_Base") -> None:
        """Target += the sum of weight * register, four products at a time."""
        for start in range(0, len(terms), MAX_TERMS):
            some = terms[start : start + MAX_TERMS]
            first = self.weigh([weight for _, weight in some], base)
            self.emit(_LINEAR[len(some) - 1], target, [register for register, _ in some], first)

    def fingerprint(self, message: Message) -> int:
        """Alpha + bus * beta_0 + sum beta_i m_i."""
        if message.label in self._fingerprints:
            return self._fingerprints[message.label]
        number = self._numbers[message.label]
        target = self.new(DEGREE)
        self.emit(Kind.SET, target, (), self.weigh([Weight(WeightKind.MESSAGE, number)], _Base.ZERO))
        terms = [
            (self.node(node), Weight(WeightKind.BETA, i))
            for i, node in enumerate((message.bus_node, *message.components))
            if self.chip.graph.value(node) is None
        ]
        self.combine(target, terms, _Base.ZERO)
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

    def finish(self, result: int, results: int) -> "_Compiled":
        """Assign registers."""
        keep = {result, *self.constants.values()}
        places, rows, registers = allocate(self.instructions, self.sizes, self.inputs, keep, self.constants.values())
        return _Compiled(
            instructions=rows,
            weights=tuple(self.weights),
            bases=tuple(self.bases),
            constants=tuple((places[r], value) for value, r in self.constants.items()),
            fixed=self.fixed,
            main=self.main,
            bus=self.bus,
            result=places[result],
            results=results,
            registers=registers,
        )


class _Cells(NamedTuple):
    """Registers of a chip's cells in one matrix, with room for their neighbours in the first and the last tile."""

    cells: int
    register: int

    @property
    def first(self) -> int:
        """The register of the first cell."""
        return self.register + TILE - 1

    @property
    def end(self) -> int:
        """The first register beyond."""
        return self.register + (self.cells + 2 * (TILE - 1) if self.cells else 0)

    def at(self, start: int) -> Window:
        """The tiles that hold the cells from cell `start` on of a row."""
        if not self.cells:
            return Window(0, 0, self.register)
        first = start // TILE
        return Window(first, (start + self.cells - 1) // TILE - first + 1, self.first - start % TILE)


class _Base(IntEnum):
    """From where the number of a weight is counted."""

    ZERO = 0
    CONSTRAINT = 1
    HELPER = 2
    STEP = 3


@dataclass(frozen=True, eq=False)
class _Compiled:
    """A program whose cells may begin anywhere in a row, and its constraints anywhere among those of the height."""

    instructions: NDArray[np.int32]
    weights: tuple[Weight, ...]
    bases: tuple[_Base, ...]
    constants: tuple[tuple[int, int], ...]
    fixed: _Cells
    main: _Cells
    bus: _Cells
    result: int
    results: int
    registers: int

    def place(self, at: Placement, starts: tuple[int, int, int, int] = (0, 0, 0, 0)) -> Program:
        """The program at its place; `starts` is where the numbers of each `_Base` begin."""
        weights = tuple(
            w if base is _Base.ZERO else Weight(w.kind, w.number + starts[base], w.power)
            for w, base in zip(self.weights, self.bases, strict=True)
        )
        return Program(
            instructions=self.instructions,
            weights=weights,
            constants=self.constants,
            fixed=self.fixed.at(at.fixed),
            main=self.main.at(at.main),
            bus=self.bus.at(DEGREE * at.helper),
            result=self.result,
            results=self.results,
            registers=self.registers,
        )


def constraint_program(
    chip: RecordedChip,
    at: Placement,
    groups: Groups,
    first_constraint: int,
    first_helper: int,
    step: int,
) -> Program:
    """All constraints of one chip on a row, mixed with powers of lambda.

    `first_constraint`, `first_helper` and `step` are the powers of lambda of the chip's first constraint, of the
    constraint of its first helper column, and of the running sum's step, of which the chip gives
    minus the sum of its helpers (docs/protocol.md, "Mix").
    """
    return _constraints(chip, groups).place(at, (0, first_constraint, first_helper, step))


def helper_program(chip: RecordedChip, at: Placement, groups: Groups) -> Program:
    """The helper columns of one chip from its row, `results` = 5 * len(groups) registers side by side."""
    return _helpers(chip, groups).place(at)


@lru_cache(maxsize=256)
def _constraints(chip: RecordedChip, groups: Groups) -> _Compiled:
    a = _Assembler(chip, groups, bus=True)
    mix = a.emit(Kind.CLEAR, a.new(DEGREE), ())
    for start in range(0, len(chip.constraints), MAX_TERMS):
        some = chip.constraints[start : start + MAX_TERMS]
        terms = [(a.node(k.node), Weight(WeightKind.LAMBDA, start + i)) for i, k in enumerate(some)]
        a.combine(mix, terms, _Base.CONSTRAINT)
    total = -1
    for number, group in enumerate(groups):
        helper = a.helper(number)
        difference = _helper_difference(a, helper, group)
        terms = [(difference + i, Weight(WeightKind.LAMBDA, number, i)) for i in range(DEGREE)]
        a.combine(mix, terms, _Base.HELPER)
        total = helper if total < 0 else a.emit(Kind.ADD_ELEMENT, a.new(DEGREE), (total, helper))
    if total >= 0:
        terms = [(total + i, Weight(WeightKind.MINUS_LAMBDA, 0, i)) for i in range(DEGREE)]
        a.combine(mix, terms, _Base.STEP)
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


@lru_cache(maxsize=256)
def _helpers(chip: RecordedChip, groups: Groups) -> _Compiled:
    a = _Assembler(chip, groups, bus=False)
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
