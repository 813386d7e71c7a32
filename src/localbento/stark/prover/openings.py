"""Steps 5 and 6 of the prover: openings at z and g z, and the DEEP word of each height."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from localbento.field.babybear import P, coset_shift, inverse, root_of_unity
from localbento.field.extension import DEGREE, Extension
from localbento.stark.prover.bus import BLOCK
from localbento.stark.prover.key import HeightKey
from localbento.stark.prover.numbers import Pole, canonical, elements, montgomery, times_x, x_multiples
from localbento.stark.prover.work import Work
from localbento.stark.shape import HeightShape
from localbento_kernels.cpu import deep
from localbento_kernels.cpu.parallel import map_threads
from localbento_kernels.cpu.tiles import LANES, Words, aligned, aligned_zeros, tiles_for


@dataclass(frozen=True, eq=False)
class Matrix:
    """An extended matrix of a height.

    Of the `cells` of a row the first `base` are functions of their own, after which five neighbours are one.
    """

    tiles: Words
    cells: int
    base: int


@dataclass(frozen=True)
class Opened:
    """What a height opens: each matrix's functions at z (the mask is not among them), and S at g z."""

    at_z: tuple[tuple[Extension, ...], ...]
    at_next: Extension


class PointWeights:
    """The barycentric weights of one point for the first coset of a height's domain, which is c <w_h>.

    f(z) = (z^k - c^k) / (k c^k) * sum f(x) x / (z - x) over the k points x, which are the first k positions.
    """

    def __init__(self, height: HeightKey, z: Extension, work: Work) -> None:
        """Compute x / (x - z) for all points."""
        self.rows = k = 1 << height.shape.log_rows
        self.pole = Pole(z)
        self.weights = aligned(DEGREE * k)
        shift = pow(coset_shift(len(height.points).bit_length() - 1), k, P)
        # The kernel divides by x - z, hence the sign.
        self.factor = (Extension.constant(shift) - z**k) * inverse(k * shift % P)

        def piece(first: int, last: int) -> None:
            deep.barycentric_weights(
                height.points, self.pole.quartic, self.pole.norm, self.weights, k,
                aligned(deep.INVERSE_REGISTERS * BLOCK), BLOCK, first, last,
            )  # fmt: skip

        work.rows(k, BLOCK, piece)

    def open(self, tiles: Words, work: Work, first_tile: int = 0, last_tile: int | None = None) -> list[Extension]:
        """The value of each column of some tiles, as if all were base columns."""
        last_tile = len(tiles) if last_tile is None else last_tile
        pieces = work.pieces(self.rows, 4)

        def piece(bounds: tuple[int, int]) -> np.ndarray:
            sums = aligned_zeros(len(tiles) * DEGREE * LANES)
            deep.open_columns(
                tiles.reshape(-1), tiles.shape[1], self.weights, self.rows, sums, first_tile, last_tile, *bounds
            )
            return canonical(sums).astype(np.uint64)

        total = sum(map_threads(piece, pieces, work.threads)) % np.uint64(P)
        tile_sums = np.asarray(total).reshape(-1, DEGREE, LANES)[first_tile:last_tile]
        values = tile_sums.transpose(0, 2, 1).reshape(-1, DEGREE).tolist()
        return [Extension.of(v) * self.factor for v in values]


def join(values: Sequence[Extension]) -> list[Extension]:
    """Values of base columns, five by five, as values of columns over F."""
    return [
        sum((times_x(v, i) for i, v in enumerate(values[at : at + DEGREE])), Extension.ZERO)
        for at in range(0, len(values), DEGREE)
    ]


def open_height(
    height: HeightKey, matrices: Sequence[Matrix | None], z: Extension, work: Work
) -> tuple[Opened, Pole, Pole]:
    """All openings of a height, and the two points as `deep_word` wants them.

    `matrices` are those of the preprocessed, main, bus and quotient tree.
    """
    shape = height.shape
    at_point = PointWeights(height, z, work)
    opened: list[tuple[Extension, ...]] = []
    for number, matrix in enumerate(matrices):
        if matrix is None:
            opened.append(())
            continue
        values = at_point.open(matrix.tiles, work)[: matrix.cells]
        functions = values[: matrix.base] + join(values[matrix.base :])
        opened.append(tuple(functions[: shape.chunks] if number == 3 else functions))
    bus = matrices[2]
    if bus is None:
        msg = "every height has a running sum"
        raise ValueError(msg)
    next_point = PointWeights(height, z * root_of_unity(shape.log_rows), work)
    start = DEGREE * shape.helpers
    first, last = start // LANES, (start + DEGREE - 1) // LANES + 1
    values = next_point.open(bus.tiles, work, first, last)
    (at_next,) = join(values[start - LANES * first : start - LANES * first + DEGREE])
    return Opened(tuple(opened), at_next), at_point.pole, next_point.pole


def batch_weights(challenges: Sequence[Extension], count: int) -> list[Extension]:
    """The weight of number j: the product of r_(i+1) where bit i of j is set, of 1 - r_(i+1) elsewhere."""
    weights = [Extension.ONE]
    for r in challenges:
        high = [w * r for w in weights]
        weights = [w - h for w, h in zip(weights, high, strict=True)] + high
    return weights[:count]


def cell_weights(matrix: Matrix, weights: Sequence[Extension]) -> list[Extension]:
    """One weight for each cell: a column over F gives its cells w, X w, ..., X^4 w."""
    result = list(weights[: matrix.base])
    for w in weights[matrix.base :]:
        result += x_multiples(w)
    return result


def pack_weights(cells: Sequence[Extension], tiles: int) -> Words:
    """Weights as `deep.combine_columns` wants them."""
    table = np.zeros((tiles * LANES, DEGREE), np.uint32)
    table[: len(cells)] = np.array([c.coefficients for c in cells], np.uint32).reshape(-1, DEGREE)
    split = montgomery(table).reshape(tiles, LANES // 2, 2, DEGREE).transpose(0, 3, 2, 1)
    packed = aligned(tiles * DEGREE * 2 * LANES)
    packed.view(np.uint64)[:] = split.reshape(-1)
    return packed


def combine(matrix: Matrix, cells: Sequence[Extension], first: int, out: Words, work: Work) -> None:
    """Out += the linear combination of the cells from cell `first` on, on each row."""
    rows, first_tile = matrix.tiles.shape[1], first // LANES
    padded = [Extension.ZERO] * (first % LANES) + list(cells)
    count = tiles_for(len(padded))
    weights = pack_weights(padded, count)
    flat = matrix.tiles.reshape(-1)

    def piece(start: int, last: int) -> None:
        deep.combine_columns(flat, rows, first_tile, count, weights, out, aligned(DEGREE * LANES * LANES), start, last)

    work.rows(rows, LANES, piece)


def deep_word(
    height: HeightKey, matrices: Sequence[Matrix | None], opened: Opened, weights: Sequence[Extension],
    poles: tuple[Pole, Pole], work: Work,
) -> Words:  # fmt: skip
    """The DEEP word of a height on its domain, uint32[5 * points] (docs/protocol.md, "DEEP")."""
    shape, rows = height.shape, len(height.points)
    word, batch, sums = (aligned_zeros(DEGREE * rows) for _ in range(3))
    at, claim = 1, Extension.ZERO
    for matrix, values in zip(matrices, opened.at_z, strict=True):
        if matrix is None:
            continue
        part = weights[at : at + len(values)]
        at += len(values)
        claim = sum((w * v for w, v in zip(part, values, strict=True)), claim)
        combine(matrix, cell_weights(matrix, part), 0, batch, work)
    bus, quotient = matrices[2], matrices[3]
    if bus is None or quotient is None:
        msg = "every height has a running sum and a quotient"
        raise ValueError(msg)
    last = weights[shape.functions - 1]
    combine(bus, x_multiples(last), DEGREE * shape.helpers, sums, work)
    combine(quotient, x_multiples(weights[0]), DEGREE * shape.chunks, word, work)
    claims = elements([claim, last * opened.at_next])

    def piece(first: int, stop: int) -> None:
        deep.deep_word(
            batch, sums, word, height.points, poles[0].quartic, poles[0].norm, poles[1].quartic, poles[1].norm,
            claims, rows, aligned(deep.DEEP_REGISTERS * BLOCK), BLOCK, first, stop,
        )  # fmt: skip

    work.rows(rows, BLOCK, piece)
    return word


def height_matrices(shape: HeightShape, tiles: Sequence[Words | None]) -> list[Matrix | None]:
    """The four matrices of a height with their widths."""
    bases = (shape.fixed, shape.main, 0, 0)
    return [
        None if t is None else Matrix(t, width, base) for t, width, base in zip(tiles, shape.widths, bases, strict=True)
    ]
