"""Step 3 of the prover: fingerprints, helper columns and running sums."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from localbento.air.program import Program, Weight, WeightKind, Window, fingerprint_constant
from localbento.air.system import System
from localbento.field.babybear import to_montgomery
from localbento.field.extension import DEGREE, Extension
from localbento.stark.prover.key import ChipKey, HeightKey
from localbento.stark.prover.numbers import elements, extension
from localbento.stark.prover.work import Work
from localbento_kernels.cpu import constraints, logup
from localbento_kernels.cpu.tiles import LANES, Words, aligned, aligned_zeros, tiles_for

BLOCK = 64
"""Rows of a block: what a register holds fits the caches, and dispatch costs little beside the work."""


@dataclass(frozen=True)
class Challenges:
    """Alpha, beta_0 ... beta_w, and the powers of lambda once it is known."""

    alpha: Extension
    betas: tuple[Extension, ...]
    powers: tuple[Extension, ...] = ()

    def constant(self, parts: Sequence[tuple[int, int]]) -> Extension:
        """Alpha and the constant components of a fingerprint, as (number of beta, value)."""
        result = self.alpha
        for number, value in parts:
            result = result + self.betas[number] * value
        return result


class ZeroFingerprint(Exception):
    """A fingerprint is zero (probability 2^-130 or so): the prover takes its next attempt."""


def program_weights(chip: ChipKey, program: Program, challenges: Challenges) -> Words:
    """The values of a program's weights, uint32[5 * weights]."""

    def value(weight: Weight) -> Extension:
        match weight.kind:
            case WeightKind.BETA:
                return challenges.betas[weight.index]
            case WeightKind.MESSAGE:
                recorded = chip.shape.chip
                return challenges.constant(fingerprint_constant(recorded, recorded.messages[weight.index]))
            case WeightKind.LAMBDA:
                return challenges.powers[weight.index] * Extension.X**weight.power
            case WeightKind.MINUS_LAMBDA:
                return -(challenges.powers[weight.index] * Extension.X**weight.power)

    known: dict[Weight, Extension] = {}
    return elements([known.get(w) or known.setdefault(w, value(w)) for w in program.weights])


def program_constants(program: Program) -> tuple[Words, np.ndarray]:
    """A program's constants in Montgomery form, and their registers."""
    values = np.array([to_montgomery(v) for _, v in program.constants], np.uint32)
    return values, np.array([r for r, _ in program.constants], np.int32)


def windows(*parts: Window) -> np.ndarray:
    """Windows as kernels take them."""
    return np.array([tuple(w) for w in parts], np.int64)


def bus_columns(height: HeightKey, main: Words, challenges: Challenges, blinding: int, work: Work) -> Words:
    """The bus tiles of a height, without blinding: row k - b of S holds the total.

    Raises: ZeroFingerprint.
    """
    rows = 1 << height.shape.log_rows
    bus = aligned_zeros((tiles_for(DEGREE * height.shape.bus_columns), rows, LANES))
    flat, steps, zeros = bus.reshape(-1), aligned_zeros(DEGREE * rows), []
    for chip in height.chips:
        program = chip.helpers
        if program is None:
            continue
        weights = program_weights(chip, program, challenges)
        values, places = program_constants(program)
        looked_at = windows(program.fixed, program.main)
        fixed = height.fixed.reshape(-1)

        def piece(
            first: int, last: int, p: Program = program, weights: Words = weights, values: Words = values,
            places: np.ndarray = places, looked_at: np.ndarray = looked_at, cell: int = DEGREE * chip.shape.helper_start,
            fixed: Words = fixed,
        ) -> None:  # fmt: skip
            scratch = aligned(constraints.scratch_words(p.registers, BLOCK))
            zeros.append(
                logup.helper_columns(
                    p.instructions, weights, values, places, fixed, main.reshape(-1), looked_at, p.registers,
                    p.result, p.results, flat, cell, steps, rows, scratch, BLOCK, first, last,
                )  # fmt: skip
            )

        work.rows(rows, BLOCK, piece)
    if any(zeros):
        raise ZeroFingerprint
    logup.running_sum(steps, flat, DEGREE * height.shape.helpers, rows, rows - blinding)
    return bus


def total(height: HeightKey, bus: Words, blinding: int) -> Extension:
    """The sum of all fractions of a height, before or after blinding."""
    row = (1 << height.shape.log_rows) - blinding
    start = DEGREE * height.shape.helpers
    return extension(bus[:, row, :].ravel()[start : start + DEGREE])


def public_sum(system: System, challenges: Challenges, public_values: Sequence[int]) -> Extension:
    """The sum of sign / fingerprint over the verifier's own messages.

    Raises: ZeroFingerprint.
    """
    result = Extension.ZERO
    for message in system.public_messages:
        parts = [message.bus.number]
        parts += [c if isinstance(c, int) else public_values[c.index] for c in message.components]
        fingerprint = challenges.constant(list(enumerate(parts)))
        if fingerprint.is_zero():
            raise ZeroFingerprint
        result = result + fingerprint.inverse() * message.sign
    return result
