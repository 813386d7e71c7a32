"""Openings at a point of F, and DEEP words: linear combinations of many columns.

Columns lie in tiles of sixteen, so a row of a tile times one vector of weights is sixteen products; they are summed
over the lanes only once for a row.  Twins: `localbento.field.polynomial.evaluate`, `localbento.stark.deep`.
"""

from collections.abc import Callable

from numba import njit

from localbento_kernels.cpu import lanes
from localbento_kernels.cpu.domains import invert_block, load_planes
from localbento_kernels.cpu.emitter import DEGREE, Routine, routine
from localbento_kernels.cpu.tiles import Words
from localbento_kernels.cpu.vector import I64, LANES, V64, Value

GROUP_TILES = 4
"""Tiles, or rows, whose products are summed before a reduction."""
INVERSE_REGISTERS = 15
DEEP_REGISTERS = 26


# ------------------------------------------------------------------------------------------------------- openings


def _define_open(r: Routine) -> None:
    """(to, rows, weights, plane, groups): to[i] += sum over 4 * groups rows of weight_i(row) * row, i < 5.

    Weight i of row j is word `i * plane + j`.
    """
    to, rows, weights = r.pointers
    plane, groups = r.integers
    b = r.b

    def body(g: Value) -> None:
        first = b.mul(g, I64(GROUP_TILES))
        cells = [r.halves(r.load(rows, b.mul(b.add(first, I64(j)), I64(LANES)))) for j in range(GROUP_TILES)]
        for i in range(DEGREE):
            sums: list[Value] = [None, None]
            for j in range(GROUP_TILES):
                place = b.add(b.mul(plane, I64(i)), b.add(first, I64(j)))
                weight = r.broadcast_half(r.at(weights, place))
                for half in (0, 1):
                    term = b.mul(cells[j][half], weight)
                    sums[half] = term if j == 0 else b.add(sums[half], term)
            r.store(r.add(r.load(to, LANES * i), r.reduce(*sums)), to, LANES * i)

    r.loop(groups, body)


open_rows = routine("deep_open_rows", 3, 2, _define_open)


@njit(nogil=True, cache=True)
def open_columns(tiles: Words, stride: int, weights: Words, plane: int, sums: Words, first_tile: int, last_tile: int,
                 first: int, last: int) -> None:  # fmt: skip
    """Add to each column's sum of weight * value over rows [first, last), for some tiles.

    Shapes: tiles uint32[tiles * stride * 16], of which the first rows are used; weights uint32[5 * plane]; sums
        uint32[tiles * 5 * 16] (tile, coefficient, lane); first and last are multiples of 4.
    """
    for tile in range(first_tile, last_tile):
        open_rows((
            (sums, tile * DEGREE * LANES), (tiles, (tile * stride + first) * LANES), (weights, first), plane,
            (last - first) // GROUP_TILES,
        ))  # fmt: skip


# ----------------------------------------------------------------------------------------------------- inverses


@njit(nogil=True, cache=True)
def inverses(scratch: Words, target: int, points: Words, row: int, weights: Words, norm: Words, work: int,
             block: int) -> None:  # fmt: skip
    """1 / (x - z) for a block of points x of the base field.

    With z_i the conjugates of z: the product of x - z_i over i > 0 is a quartic in x with coefficients in F, and
    times x - z it is the minimal polynomial of z, with coefficients in F_p; its values are inverted together.

    Shapes: weights uint32[25]: the quartic, constant first; norm uint32[5]: the minimal polynomial without its
        leading coefficient; `work` is ten registers.
    """
    n = block // LANES
    power, value, spare = work, work + 4 * block, work + 5 * block
    scratch[power : power + block] = points[row : row + block]
    for j in range(1, 4):
        at = power + j * block
        lanes.mul(((scratch, at), (scratch, at - block), (scratch, power), n))
    for i in range(DEGREE):
        lanes.fill(((scratch, target + i * block), (weights, i), n))
    lanes.linear_4((
        (scratch, target), (weights, DEGREE), (scratch, power), (scratch, power + block),
        (scratch, power + 2 * block), (scratch, power + 3 * block), block, n,
    ))  # fmt: skip
    lanes.fill(((scratch, spare), (norm, 4), n))
    lanes.add(((scratch, value), (scratch, power), (scratch, spare), n))
    for j in range(3, -1, -1):
        lanes.mul(((scratch, value), (scratch, value), (scratch, power), n))
        lanes.fill(((scratch, spare), (norm, j), n))
        lanes.add(((scratch, value), (scratch, value), (scratch, spare), n))
    invert_block(scratch, value, value, spare, block)
    lanes.scale(((scratch, target), (scratch, target), (scratch, value), block, n))


@njit(nogil=True, cache=True)
def barycentric_weights(points: Words, weights: Words, norm: Words, out: Words, plane: int, scratch: Words,
                        block: int, first: int, last: int) -> None:  # fmt: skip
    """X / (x - z) for the points at [first, last): the weights of an opening up to a factor for all.

    Shapes: points uint32[..]; weights, norm as `inverses`; out uint32[5 * plane]; first and last multiples of block.
    """
    n = block // LANES
    to = 0 * block  # no literal: numba would compile what it calls once more for it
    for row in range(first, last, block):
        inverses(scratch, to, points, row, weights, norm, DEGREE * block, block)
        lanes.scale(((scratch, 0), (scratch, 0), (points, row), block, n))
        for i in range(DEGREE):
            at = i * plane + row
            out[at : at + block] = scratch[i * block : (i + 1) * block]


# ---------------------------------------------------------------------------------------------------------- words


def _dot(tiles: int) -> Callable[[Routine], None]:
    def define(r: Routine) -> None:
        """(to, rows, weights, tile): sixteen rows; to[i][row] += the lanes of sum over tiles of weight_i * cells.

        Tiles are `tile` words apart; weights hold, for each tile and coefficient, the even and the odd lanes as
        64-bit numbers.
        """
        to, rows, weights = r.pointers
        (tile,) = r.integers
        b = r.b

        def wide(words: int) -> Value:
            return b.load(b.bitcast(r.at(weights, words), V64.as_pointer()), align=64)

        def body(row: Value) -> None:
            start = b.mul(row, I64(LANES))
            cells = [r.load(rows, b.add(start, b.mul(tile, I64(t)))) for t in range(tiles)]
            halves = [r.halves(c) for c in cells]
            for i in range(DEGREE):
                sums: list[Value] = [None, None]
                for t in range(tiles):
                    for half in (0, 1):
                        weight = wide(((t * DEGREE + i) * 2 + half) * LANES)
                        term = b.mul(halves[t][half], weight)
                        sums[half] = term if t == 0 else b.add(sums[half], term)
                place = b.add(start, I64(i * LANES * LANES))
                r.store(r.add(r.load(to, place), r.reduce(*sums)), to, place)

        r.loop(I64(LANES), body)

    return define


dot_1 = routine("deep_dot_1", 3, 1, _dot(1))
dot_2 = routine("deep_dot_2", 3, 1, _dot(2))
dot_3 = routine("deep_dot_3", 3, 1, _dot(3))
dot_4 = routine("deep_dot_4", 3, 1, _dot(4))


def _define_across(r: Routine) -> None:
    """(to, partial): the sum over lanes of each of sixteen vectors, added to one vector."""
    to, partial = r.pointers
    columns = r.transpose([r.load(partial, LANES * j) for j in range(LANES)])
    while len(columns) > 1:
        columns = [r.add(x, y) for x, y in zip(columns[::2], columns[1::2], strict=True)]
    r.store(r.add(r.load(to), columns[0]), to)


across = routine("deep_across", 2, 0, _define_across)


@njit(nogil=True, cache=True)
def combine_columns(tiles: Words, rows: int, first_tile: int, count: int, weights: Words, out: Words, scratch: Words,
                    first: int, last: int) -> None:  # fmt: skip
    """Add sum_j weight_j * cell_j to each row's element of F.

    Shapes: tiles uint32[.. * rows * 16]; weights uint32[count * 160]: for each tile and coefficient the even, then the
        odd lanes' weights as 64-bit numbers; out uint32[5 * rows]; scratch uint32[1280]; first, last multiples of 16.
    """
    tile = rows * LANES
    for row in range(first, last, LANES):
        scratch[: DEGREE * LANES * LANES] = 0
        for t in range(0, count, GROUP_TILES):
            source, w = (first_tile + t) * tile + row * LANES, t * DEGREE * 2 * LANES
            left = min(GROUP_TILES, count - t)
            if left == 4:
                dot_4(((scratch, 0), (tiles, source), (weights, w), tile))
            elif left == 3:
                dot_3(((scratch, 0), (tiles, source), (weights, w), tile))
            elif left == 2:
                dot_2(((scratch, 0), (tiles, source), (weights, w), tile))
            else:
                dot_1(((scratch, 0), (tiles, source), (weights, w), tile))
        for i in range(DEGREE):
            across(((out, i * rows + row), (scratch, i * LANES * LANES)))


@njit(nogil=True, cache=True)
def deep_word(batch: Words, sums: Words, word: Words, points: Words, at_z: Words, norm_z: Words, at_next: Words,
              norm_next: Words, claims: Words, rows: int, scratch: Words, block: int,
              first: int, last: int) -> None:  # fmt: skip
    """Word += (batch - claim) / (x - z) + (sums - claim') / (x - z'), on rows [first, last).

    Shapes: batch, sums, word uint32[5 * rows], `word` holding the mask's part; points uint32[rows]; at_z, norm_z and
        at_next, norm_next as `inverses`; claims uint32[10].
    """
    n = block // LANES
    value, inverse, total, work = 0 * block, 5 * block, 10 * block, 15 * block
    for row in range(first, last, block):
        load_planes(scratch, total, word, rows, row, block)
        for part in range(2):
            load_planes(scratch, value, batch if part == 0 else sums, rows, row, block)
            for i in range(DEGREE):
                lanes.fill(((scratch, work), (claims, DEGREE * part + i), n))
                at = value + i * block
                lanes.sub(((scratch, at), (scratch, at), (scratch, work), n))
            if part == 0:
                inverses(scratch, inverse, points, row, at_z, norm_z, work, block)
            else:
                inverses(scratch, inverse, points, row, at_next, norm_next, work, block)
            lanes.mul_extension(((scratch, value), (scratch, value), (scratch, inverse), block, n))
            lanes.add(((scratch, total), (scratch, total), (scratch, value), DEGREE * n))
        for i in range(DEGREE):
            at = i * rows + row
            word[at : at + block] = scratch[total + i * block : total + (i + 1) * block]
