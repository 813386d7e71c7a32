"""Step 3 of the prover: fingerprints, helper columns and running sums."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from localbento.air.program import Program, Weight, WeightKind, Window, fingerprint_constant
from localbento.air.system import System
from localbento.field.babybear import to_montgomery
from localbento.field.extension import DEGREE, Extension
from localbento.stark.prover.key import ChipKey, HeightKey
from localbento.stark.prover.numbers import elements, extension, times_x
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


class ZeroFingerprintError(Exception):
    """A fingerprint is zero (probability 2^-130 or so): the prover takes its next attempt."""


def program_weights(chip: ChipKey, program: Program, challenges: Challenges) -> Words:
    """The values of a program's weights, uint32[5 * weights]."""

    def value(weight: Weight) -> Extension:
        match weight.kind:
            case WeightKind.BETA:
                return challenges.betas[weight.number]
            case WeightKind.MESSAGE:
                recorded = chip.shape.chip
                return challenges.constant(fingerprint_constant(recorded, recorded.messages[weight.number]))
            case WeightKind.LAMBDA:
                return times_x(challenges.powers[weight.number], weight.power)
            case WeightKind.MINUS_LAMBDA:
                return -times_x(challenges.powers[weight.number], weight.power)

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

    Raises: ZeroFingerprintError.
    """
    rows = 1 << height.shape.log_rows
    bus = aligned_zeros((tiles_for(DEGREE * height.shape.bus_columns), rows, LANES))
    steps = aligned_zeros(DEGREE * rows)
    zeros = sum(_fill_chip(chip, height.fixed, main, bus, steps, challenges, work) for chip in height.chips)
    if zeros:
        raise ZeroFingerprintError
    logup.running_sum(steps, bus.reshape(-1), DEGREE * height.shape.helpers, rows, rows - blinding)
    return bus


def _fill_chip(
    chip: ChipKey, fixed: Words, main: Words, bus: Words, steps: Words, challenges: Challenges, work: Work
) -> int:
    """Fill a chip's helper columns and add their sum to `steps`; returns how many fingerprints were zero."""
    program = chip.helpers
    if program is None:
        return 0
    weights = program_weights(chip, program, challenges)
    values, places = program_constants(program)
    looked_at, rows = windows(program.fixed, program.main), bus.shape[1]
    zeros: list[int] = []

    def piece(first: int, last: int) -> None:
        scratch = aligned(constraints.scratch_words(program.registers, BLOCK))
        found = logup.helper_columns(
            program.instructions, weights, values, places, fixed.reshape(-1), main.reshape(-1), looked_at,
            program.result, program.results, bus.reshape(-1),
            DEGREE * chip.shape.helper_start, steps, rows, scratch, BLOCK, first, last,
        )  # fmt: skip
        zeros.append(found)

    work.rows(rows, BLOCK, piece)
    return sum(zeros)


def total(height: HeightKey, bus: Words, blinding: int) -> Extension:
    """The sum of all fractions of a height, before or after blinding."""
    row = (1 << height.shape.log_rows) - blinding
    start = DEGREE * height.shape.helpers
    return extension(bus[:, row, :].ravel()[start : start + DEGREE])


def public_sum(system: System, challenges: Challenges, public_values: Sequence[int]) -> Extension:
    """The sum of sign / fingerprint over the verifier's own messages.

    Raises: ZeroFingerprintError.
    """
    result = Extension.ZERO
    for message in system.public_messages:
        parts = [message.bus.number]
        parts += [c if isinstance(c, int) else public_values[c.index] for c in message.components]
        fingerprint = challenges.constant(list(enumerate(parts)))
        if fingerprint.is_zero():
            raise ZeroFingerprintError
        result = result + fingerprint.inverse() * message.sign
    return result
