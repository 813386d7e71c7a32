"""Step 4 of the prover: the quotient of each height, cut into randomized chunks, and the mask."""

from dataclasses import dataclass

import numpy as np

from localbento.errors import ProvingError
from localbento.field.babybear import P, root_of_unity
from localbento.field.extension import DEGREE, Extension
from localbento.stark.blinding import Blinding, Tree
from localbento.stark.params import ParameterSet
from localbento.stark.prover.bus import BLOCK, Challenges, program_constants, program_weights, windows
from localbento.stark.prover.commitment import interpolate
from localbento.stark.prover.key import ChipKey, HeightKey
from localbento.stark.prover.numbers import elements, montgomery, montgomery_list, multiples
from localbento.stark.prover.work import Work
from localbento_kernels.cpu import constraints, quotient
from localbento_kernels.cpu.tiles import LANES, Words, aligned, aligned_zeros, tiles_for


@dataclass(frozen=True, eq=False)
class Extended:
    """The extended matrices of one height, flat; `fixed` is empty where there are no preprocessed columns."""

    fixed: Words
    main: Words
    bus: Words


def quotient_values(
    height: HeightKey, extended: Extended, challenges: Challenges, sigma: Extension, params: ParameterSet,
    has_sum: bool, work: Work,
) -> Words:  # fmt: skip
    """The quotient at every point of the height's domain: one tile, of which five cells are used."""
    log_rows, rows = height.shape.log_rows, len(height.points)
    mix = aligned_zeros(DEGREE * rows)
    for chip in height.chips:
        _add_chip(chip, extended, challenges, mix, rows, work)
    n = height.shape.row_constraints
    last = pow(root_of_unity(log_rows), (1 << log_rows) - params.blinding, P)
    ends = montgomery_list([1, last])
    weights = np.concatenate([multiples(challenges.powers[n - 1 + i]) for i in range(3)])
    sums, cell = elements([sigma]), DEGREE * height.shape.helpers
    values = aligned_zeros((1, rows, LANES))

    def piece(first: int, stop: int) -> None:
        quotient.height_quotient(
            mix, height.factors, height.points, extended.bus, cell, extended.main, has_sum, ends, weights, sums,
            log_rows, rows, values.reshape(-1), aligned(quotient.REGISTERS * BLOCK), BLOCK, first, stop,
        )  # fmt: skip

    work.rows(rows, BLOCK, piece)
    return values


def _add_chip(chip: ChipKey, extended: Extended, challenges: Challenges, mix: Words, rows: int, work: Work) -> None:
    program = chip.constraints
    weights = program_weights(chip, program, challenges)
    values, places = program_constants(program)
    looked_at = windows(program.fixed, program.main, program.bus)

    def piece(first: int, last: int) -> None:
        scratch = aligned(constraints.scratch_words(program.registers, BLOCK))
        constraints.eval_constraints(
            program.instructions, weights, values, places, extended.fixed, extended.main, extended.bus, looked_at,
            program.result, mix, rows, scratch, BLOCK, first, last,
        )  # fmt: skip

    work.rows(rows, BLOCK, piece)


def chunk_coefficients(values: Words, log_rows: int, params: ParameterSet, blinding: Blinding, work: Work) -> Words:
    """Coefficients of the randomized chunks and the mask, tiles of k rows.

    Chunk i becomes chunk_i + X^s t_i - t_(i-1), s = k - h_q: the sum with weights X^(i s) stays.  The mask is uniform
    of degree < k, so its coefficients are drawn.

    Raises: ProvingError if the quotient is no polynomial of its degree: a constraint does not hold on some row.
    """
    k, e, h, chunks = 1 << log_rows, DEGREE, params.randomizers, params.chunks
    coefficients = interpolate(values, work)[0, :, :e]
    degree = (params.max_degree - 1) * k + params.blinding - params.max_degree + 1
    if np.any(coefficients[degree:]):
        msg = f"the trace of height 2^{log_rows} does not satisfy its constraints: the quotient is no polynomial"
        raise ProvingError(msg)
    result = aligned_zeros((tiles_for(e * (chunks + 1)), k, LANES))
    step, before = k - h, np.zeros((h, e), np.uint32)
    for i in range(chunks):
        last = i == chunks - 1
        part = np.zeros((k, e), np.uint32)
        piece = coefficients[i * step : min(degree, (i + 1) * step if not last else degree)]
        part[: len(piece)] = piece
        part[:h] = (part[:h] + (P - before)) % P
        if not last:
            drawn = [blinding.elements(Tree.QUOTIENT, log_rows, e * i + c, h) for c in range(e)]
            before = montgomery(np.stack(drawn, axis=1))
            part[step:] = before
        _write(result, e * i, part)
    mask = [blinding.elements(Tree.MASK, log_rows, c, k) for c in range(e)]
    _write(result, e * chunks, montgomery(np.stack(mask, axis=1)))
    return result


def _write(tiles: Words, cell: int, columns: np.ndarray) -> None:
    for c in range(columns.shape[1]):
        tiles[(cell + c) // LANES, :, (cell + c) % LANES] = columns[:, c]


def powers(value: Extension, count: int) -> tuple[Extension, ...]:
    """1, value, value^2, ..."""
    result = [Extension.ONE]
    while len(result) < count:
        result.append(result[-1] * value)
    return tuple(result)
