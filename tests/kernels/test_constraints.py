"""The constraint and bus kernels against the one walk over the recorded chip."""

from typing import Annotated

import numpy as np
import pytest

from localbento.air.bus import Bus, BusKind
from localbento.air.cells import Bit, Felt, Fixed
from localbento.air.chip import Chip, Constraints, RecordedChip, record
from localbento.air.evaluate import evaluate
from localbento.air.logup import helpers
from localbento.air.program import (
    Placement,
    Program,
    Weight,
    WeightKind,
    constraint_program,
    fingerprint_constant,
    helper_program,
)
from localbento.field.babybear import P, to_montgomery
from localbento.field.extension import Extension
from localbento_kernels.cpu import constraints as kernel
from localbento_kernels.cpu import logup
from localbento_kernels.cpu.tiles import aligned_zeros

ONE = Bus("one", 1, ("a", "b", "c"), BusKind.EXCHANGE)
TWO = Bus("two", 2, ("a", "b", "c"), BusKind.EXCHANGE)
TABLE = Bus("table", 3, ("x",), BusKind.LOOKUP)
rng = np.random.default_rng(20)


class Wide(Chip):
    is_real: Bit
    key: Fixed
    flag: Bit
    x: Annotated[tuple[Felt, ...], 20]

    def constrain(self, c: Constraints) -> None:
        c.zero("product", self.x[0] * self.x[1] - self.x[2] * 7)
        c.zero("third", self.x[3] * self.x[4] * self.x[5] + 2**20 - self.key)
        for i in range(6, 20):
            c.zero(f"sum {i}", self.x[i] - self.x[i - 1] - self.x[i - 2] * self.flag)
        c.push(ONE, (self.x[0], 5, self.x[1] + self.key))
        c.pull(ONE, (self.x[2], self.x[3] * self.x[4], 0), times=self.is_real * self.flag)
        c.pull_either(self.flag, ONE, TWO, (self.x[5], self.x[6], self.x[7]))
        for i in range(7):
            c.pull(TABLE, (self.x[i],))


class Quiet(Chip):
    is_real: Bit
    x: Felt

    def constrain(self, c: Constraints) -> None:
        c.zero("zero when real", self.is_real * self.x)


def montgomery(values: np.ndarray) -> np.ndarray:
    flat = aligned_zeros(values.size)
    flat[:] = ((values.astype(np.uint64).ravel() << np.uint64(32)) % np.uint64(P)).astype(np.uint32)
    return flat


def canonical(values: np.ndarray) -> np.ndarray:
    inverse = np.uint64(pow(2**32, -1, P))
    return values.astype(np.uint64) * inverse % np.uint64(P)


def tiles(matrix: np.ndarray) -> np.ndarray:
    """Canonical [columns, rows] to flat tiles."""
    columns, rows = matrix.shape
    padded = np.zeros((-(-max(columns, 1) // 16) * 16, rows), np.uint32)
    padded[:columns] = matrix
    return montgomery(padded.reshape(-1, 16, rows).transpose(0, 2, 1))


def element(values: np.ndarray) -> Extension:
    return Extension.of([int(v) for v in values])


class Case:
    """Random cells at shifted places, random challenges, and the values that the walk gives."""

    def __init__(self, chip: RecordedChip, rows: int, at: Placement, degree: int = 4) -> None:
        self.chip, self.rows, self.at = chip, rows, at
        self.groups = helpers(chip, degree)
        self.fixed = rng.integers(0, P, (at.fixed + len(chip.fixed), rows), dtype=np.uint32)
        self.main = rng.integers(0, P, (at.main + chip.width + 3, rows), dtype=np.uint32)
        self.bus = rng.integers(0, P, (5 * (at.helper + len(self.groups)) + 7, rows), dtype=np.uint32)
        edge = rng.choice(np.array([0, 1, P - 1, P // 2, P // 2 + 1], np.uint32), self.main[:, :8].shape)
        self.main[:, :8] = edge
        self.alpha, self.lambda_ = (element(rng.integers(0, P, 5)) for _ in range(2))
        self.betas = [element(rng.integers(0, P, 5)) for _ in range(6)]

    def weights(self, program: Program) -> np.ndarray:
        return montgomery(np.array([self.weight(w).coefficients for w in program.weights], np.uint32))

    def weight(self, weight: Weight) -> Extension:
        if weight.kind is WeightKind.BETA:
            return self.betas[weight.number]
        if weight.kind is WeightKind.MESSAGE:
            parts = fingerprint_constant(self.chip, self.chip.messages[weight.number])
            return sum((self.betas[i] * v for i, v in parts), self.alpha)
        power = self.lambda_**weight.number * Extension.X**weight.power
        return -power if weight.kind is WeightKind.MINUS_LAMBDA else power

    def values(self, row: int) -> list[int]:
        fixed = [int(v) for v in self.fixed[self.at.fixed :, row]]
        main = [int(v) for v in self.main[self.at.main :, row]]
        return [v % P for v in evaluate(self.chip, fixed, main, int)]

    def helper_cell(self, number: int, row: int) -> Extension:
        start = 5 * (self.at.helper + number)
        return element(self.bus[start : start + 5, row])

    def fingerprint(self, message: object, values: list[int]) -> Extension:
        nodes = (message.bus_node, *message.components)
        return sum((b * values[n] for b, n in zip(self.betas, nodes, strict=False)), self.alpha)

    def mix(self, row: int, powers: tuple[int, int, int]) -> Extension:
        values, total = self.values(row), Extension.ZERO
        for i, constraint in enumerate(self.chip.constraints):
            total += self.lambda_ ** (powers[0] + i) * values[constraint.node]
        for number, group in enumerate(self.groups):
            h = self.helper_cell(number, row)
            prints = [self.fingerprint(m, values) for m in group]
            whole = Extension.ONE
            for f in prints:
                whole = whole * f
            difference = h * whole
            for i, m in enumerate(group):
                term = Extension.constant(m.sign * values[m.times])
                for j, f in enumerate(prints):
                    term = term * f if j != i else term
                difference -= term
            total += self.lambda_ ** (powers[1] + number) * difference
            total -= self.lambda_ ** powers[2] * h
        return total


def windows(*parts: object) -> np.ndarray:
    return np.array([tuple(w) for w in parts], np.int64)


def constants(program: Program) -> tuple[np.ndarray, np.ndarray]:
    values = np.array([to_montgomery(v) for _, v in program.constants], np.uint32)
    return values, np.array([r for r, _ in program.constants], np.int32)


WIDE, QUIET = record(Wide), record(Quiet)


@pytest.mark.parametrize("degree", [3, 4, 8])
@pytest.mark.parametrize("block", [16, 64])
@pytest.mark.parametrize(
    ("chip", "at"),
    [(WIDE, Placement(0, 0, 0)), (WIDE, Placement(17, 30, 4)), (QUIET, Placement(0, 15, 1))],
)
def test_mix_of_constraints(chip: RecordedChip, at: Placement, block: int, degree: int) -> None:
    case, powers = Case(chip, 128, at, degree), (3, 40, 60)
    program = constraint_program(chip, at, case.groups, *powers)
    mix = aligned_zeros(5 * case.rows)
    kernel.eval_constraints(
        program.instructions,
        case.weights(program),
        *constants(program),
        tiles(case.fixed),
        tiles(case.main),
        tiles(case.bus),
        windows(program.fixed, program.main, program.bus),
        program.result,
        mix,
        case.rows,
        aligned_zeros(kernel.scratch_words(program.registers, block)),
        block,
        0,
        case.rows,
    )
    found = canonical(mix).reshape(5, -1)
    for row in (*range(12), 63, 64, 127):
        assert element(found[:, row]) == case.mix(row, powers), row


@pytest.mark.parametrize("at", [Placement(0, 0, 0), Placement(3, 14, 5)])
@pytest.mark.parametrize("degree", [3, 4, 8])
def test_helper_columns_and_running_sum(at: Placement, degree: int) -> None:
    case = Case(WIDE, 128, at, degree)
    program = helper_program(WIDE, at, case.groups)
    bus, steps = tiles(case.bus), aligned_zeros(5 * case.rows)
    zeros = logup.helper_columns(
        program.instructions,
        case.weights(program),
        *constants(program),
        tiles(case.fixed),
        tiles(case.main),
        windows(program.fixed, program.main),
        program.result,
        program.results,
        bus,
        5 * at.helper,
        steps,
        case.rows,
        aligned_zeros(kernel.scratch_words(program.registers, 64)),
        64,
        0,
        case.rows,
    )
    assert zeros == 0
    logup.running_sum(steps, bus, 5 * (at.helper + len(case.groups)), case.rows, 100)
    found = canonical(bus).reshape(-1, case.rows, 16).transpose(0, 2, 1).reshape(-1, case.rows)
    total = Extension.ZERO
    for row in range(100):
        values = case.values(row)
        at_s = 5 * (at.helper + len(case.groups))
        assert element(found[at_s : at_s + 5, row]) == total
        for number, group in enumerate(case.groups):
            start = 5 * (at.helper + number)
            expected = Extension.ZERO
            for m in group:
                expected += Extension.constant(m.sign * values[m.times]) / case.fingerprint(m, values)
            assert element(found[start : start + 5, row]) == expected
            total += expected
    assert element(found[at_s : at_s + 5, 100]) == total
    assert (found[: 5 * at.helper] == case.bus[: 5 * at.helper]).all()


def test_a_zero_fingerprint_is_counted() -> None:
    at = Placement(0, 0, 0)
    case = Case(WIDE, 64, at)
    program = helper_program(WIDE, at, case.groups)
    values, message = case.values(5), WIDE.messages[0]
    case.alpha -= case.fingerprint(message, values)
    zeros = logup.helper_columns(
        program.instructions,
        case.weights(program),
        *constants(program),
        tiles(case.fixed),
        tiles(case.main),
        windows(program.fixed, program.main),
        program.result,
        program.results,
        tiles(case.bus),
        0,
        aligned_zeros(5 * 64),
        64,
        aligned_zeros(kernel.scratch_words(program.registers, 64)),
        64,
        0,
        64,
    )
    assert zeros == 1


def test_a_chip_is_compiled_once_for_all_places() -> None:
    groups = helpers(WIDE, 4)
    one = constraint_program(WIDE, Placement(0, 0, 0), groups, 0, 100, 200)
    other = constraint_program(WIDE, Placement(3, 31, 5), groups, 7, 140, 260)
    assert other.instructions is one.instructions
    assert (one.main.first_tile, other.main.first_tile) == (0, 1)
    assert one.main.register - other.main.register == 15
    moved = {
        WeightKind.LAMBDA: lambda n: n + (7 if n < 100 else 40),
        WeightKind.MINUS_LAMBDA: lambda n: n + 60,
    }
    same = lambda n: n  # noqa: E731
    wanted = [w._replace(number=moved.get(w.kind, same)(w.number)) for w in one.weights]
    assert list(other.weights) == wanted
    assert {w.kind for w in wanted} == set(WeightKind)


def test_registers_are_used_again() -> None:
    """The program of a chip with a long chain of sums needs few registers beyond its cells."""
    program = constraint_program(WIDE, Placement(0, 0, 0), helpers(WIDE, 4), 0, 100, 200)
    inputs = program.bus.register + 16 * program.bus.tiles
    assert program.registers - inputs < 60
    assert program.instructions.shape[1] == 8
