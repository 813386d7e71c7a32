"""Points of the evaluation domains, inverses, and sums over blocks: what quotient, DEEP and FRI share."""

import numpy as np
from numba import njit

from localbento_kernels.cpu import lanes
from localbento_kernels.cpu.emitter import DEGREE, Routine, routine
from localbento_kernels.cpu.field import mont_mul
from localbento_kernels.cpu.tiles import Words
from localbento_kernels.cpu.vector import I64, LANES, V32, Value, splat


def _define_mul_word(r: Routine) -> None:
    """(to, x, word, vectors): times one word."""
    to, x, word = r.pointers
    factor = r.broadcast(word)
    r.vectors(r.integers[0], lambda at: r.store(r.mul(r.load(x, at), factor), to, at))


mul_word = routine("domains_mul_word", 3, 1, _define_mul_word)


def _define_sub_word(r: Routine) -> None:
    """(to, x, word, vectors): minus one word."""
    to, x, word = r.pointers
    taken = r.broadcast(word)
    r.vectors(r.integers[0], lambda at: r.store(r.sub(r.load(x, at), taken), to, at))


sub_word = routine("domains_sub_word", 3, 1, _define_sub_word)


def _define_vanishing(r: Routine) -> None:
    """(to, x, roots, quarter, vectors): product of x - root over 4 * quarter roots, in four chains at once."""
    to, x, roots = r.pointers
    quarter, vectors = r.integers
    b = r.b

    def body(at: Value) -> None:
        point = r.load(x, at)
        entry = b.block
        start, end = r.f.append_basic_block("roots"), r.f.append_basic_block("joined")
        b.branch(start)
        b.position_at_end(start)
        i = b.phi(I64)
        chains = [b.phi(V32) for _ in range(4)]
        i.add_incoming(I64(0), entry)
        following = b.add(i, I64(1))
        products = []
        for j, chain in enumerate(chains):
            chain.add_incoming(splat(lanes.R), entry)
            root = r.broadcast(r.at(roots, b.add(i, b.mul(quarter, I64(j)))))
            products.append(r.mul(chain, r.sub(point, root)))
        i.add_incoming(following, start)
        for chain, product in zip(chains, products, strict=True):
            chain.add_incoming(product, start)
        b.cbranch(b.icmp_unsigned("<", following, quarter), start, end)
        b.position_at_end(end)
        r.store(r.mul(r.mul(products[0], products[1]), r.mul(products[2], products[3])), to, at)

    r.vectors(vectors, body)


vanishing = routine("domains_vanishing", 3, 2, _define_vanishing)


@njit(nogil=True, cache=True)
def fill_points(out: Words, base: int, roots: Words, bits: int) -> None:
    """out[i] = base * root^reverse(i), i of `bits` bits, by doubling.

    Shapes: out uint32[2^bits], at least 16 words long; roots uint32[bits]: root^(2^j), all in Montgomery form.
    """
    out[0] = base
    factor = np.empty(1, np.uint32)
    for j in range(bits):
        half, step = 1 << j, roots[bits - 1 - j]
        if half < LANES:
            for i in range(half):
                out[half + i] = mont_mul(out[i], step)
        else:
            factor[0] = step
            mul_word(((out, half), (out, 0), (factor, 0), half // LANES))


@njit(nogil=True, cache=True)
def invert_block(scratch: Words, target: int, source: int, work: int, block: int) -> None:
    """Inverses of a register of nonzero residues; `work` is two registers."""
    n, one = block // LANES, work + block
    scratch[work : work + LANES] = scratch[source : source + LANES]
    for v in range(1, n):
        at = v * LANES
        lanes.mul(((scratch, work + at), (scratch, work + at - LANES), (scratch, source + at), 1))
    lanes.inverse_vector(((scratch, one), (scratch, work + (n - 1) * LANES)))
    for v in range(n - 1, 0, -1):
        at = v * LANES
        lanes.mul(((scratch, work + at), (scratch, work + at - LANES), (scratch, one), 1))
        lanes.mul(((scratch, one), (scratch, one), (scratch, source + at), 1))
        scratch[target + at : target + at + LANES] = scratch[work + at : work + at + LANES]
    scratch[target : target + LANES] = scratch[one : one + LANES]


@njit(nogil=True, cache=True)
def add_multiple(scratch: Words, target: int, source: int, weights: Words, weight: int, block: int) -> None:
    """An element register += a constant of F times another; the weights are X^i times the constant."""
    n, s = block // LANES, source
    lanes.linear_4((
        (scratch, target), (weights, weight), (scratch, s), (scratch, s + block),
        (scratch, s + 2 * block), (scratch, s + 3 * block), block, n,
    ))  # fmt: skip
    lanes.linear_1(((scratch, target), (weights, weight + 20), (scratch, s + 4 * block), block, n))


@njit(nogil=True, cache=True)
def load_planes(scratch: Words, target: int, planes: Words, rows: int, row: int, block: int) -> None:
    """A block of an array uint32[5 * rows] into an element register."""
    for i in range(DEGREE):
        at = i * rows + row
        scratch[target + i * block : target + (i + 1) * block] = planes[at : at + block]


@njit(nogil=True, cache=True)
def load_cells(scratch: Words, target: int, tiles: Words, cell: int, rows: int, row: int, block: int) -> None:
    """Five neighbouring cells of a block of rows into an element register."""
    for c in range(DEGREE):
        tile, lane = (cell + c) // LANES, (cell + c) % LANES
        source = (tile * rows + row) * LANES + lane
        for i in range(block):
            scratch[target + c * block + i] = tiles[source + i * LANES]
