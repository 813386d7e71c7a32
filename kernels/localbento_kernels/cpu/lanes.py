"""Sixteen rows at once: routines on runs of vectors.

A *register* is a run of rows of one column: `block` consecutive words, sixteen to a vector.  An element of F
takes five registers, `block` words apart.  All values are in Montgomery form, in [0, p).  Arrays are aligned
to 64 bytes, and all starts are multiples of 16 words.

A routine is called with one tuple: ((array, start), ..., integers ...).  It is an LLVM function of its own,
compiled once for each kernel that uses it and never inlined: numba types nothing but the call.
"""

from collections.abc import Callable
from typing import Final

from localbento_kernels.cpu.emitter import DEGREE, Routine, routine
from localbento_kernels.cpu.vector import I64, LANES, P, Value, splat

R: Final = 2**32 % P
"""One, in Montgomery form."""
FROBENIUS: Final = tuple(pow(2, (P - 1) // 5 * i, P) for i in range(DEGREE))
"""X^(i p) = X^i times this, from X^5 = 2."""


def _binary(operation: str) -> Callable[[Routine], None]:
    def define(r: Routine) -> None:
        """(to, x, y, vectors)."""
        to, x, y = r.pointers

        def body(at: Value) -> None:
            r.store(getattr(r, operation)(r.load(x, at), r.load(y, at)), to, at)

        r.vectors(r.integers[0], body)

    return define


add = routine("lanes_add", 3, 1, _binary("add"))
sub = routine("lanes_sub", 3, 1, _binary("sub"))
mul = routine("lanes_mul", 3, 1, _binary("mul"))
"""(to, x, y, vectors): each vector of x with that of y."""


def _define_fill(r: Routine) -> None:
    """(to, word, vectors): a word in every lane of every vector."""
    to, word = r.pointers
    value = r.broadcast(word)
    r.vectors(r.integers[0], lambda at: r.store(value, to, at))


fill = routine("lanes_fill", 2, 1, _define_fill)


def _define_mul_extension(r: Routine) -> None:
    """(to, x, y, stride, vectors): products of elements."""
    to, x, y = r.pointers
    stride, vectors = r.integers

    def body(at: Value) -> None:
        product = r.mul_extension(r.load_element(x, at, stride), r.load_element(y, at, stride))
        r.store_element(product, to, at, stride)

    r.vectors(vectors, body)


mul_extension = routine("lanes_mul_extension", 3, 2, _define_mul_extension)


def _define_scale(r: Routine) -> None:
    """(to, x, m, stride, vectors): elements times base residues."""
    to, x, m = r.pointers
    stride, vectors = r.integers

    def body(at: Value) -> None:
        factor = r.load(m, at)
        r.store_element([r.mul(v, factor) for v in r.load_element(x, at, stride)], to, at, stride)

    r.vectors(vectors, body)


scale = routine("lanes_scale", 3, 2, _define_scale)


def _linear(terms: int) -> Callable[[Routine], None]:
    def define(r: Routine) -> None:
        """(to, weights, x_1 .. x_terms, stride, vectors): element += weight_j x_j, weights five words each."""
        to, weights, *sources = r.pointers
        stride, vectors = r.integers
        factors = [[r.broadcast_half(r.at(weights, DEGREE * j + i)) for i in range(DEGREE)] for j in range(terms)]

        def body(at: Value) -> None:
            halves = [r.halves(r.load(source, at)) for source in sources]
            for i in range(DEGREE):
                sums = []
                for half in (0, 1):
                    total = r.b.mul(halves[0][half], factors[0][i])
                    for j in range(1, terms):
                        total = r.b.add(total, r.b.mul(halves[j][half], factors[j][i]))
                    sums.append(total)
                place = r.b.add(at, r.b.mul(stride, I64(i)))
                r.store(r.add(r.load(to, place), r.reduce(*sums)), to, place)

        r.vectors(vectors, body)

    return define


linear_1 = routine("lanes_linear_1", 3, 2, _linear(1))
linear_2 = routine("lanes_linear_2", 4, 2, _linear(2))
linear_3 = routine("lanes_linear_3", 5, 2, _linear(3))
linear_4 = routine("lanes_linear_4", 6, 2, _linear(4))


def _frobenius(times: int) -> Callable[[Routine], None]:
    factors = [pow(f, times, P) * R % P for f in FROBENIUS]

    def define(r: Routine) -> None:
        """(to, x, stride, vectors): the p^times-th powers."""
        to, x = r.pointers
        stride, vectors = r.integers

        def body(at: Value) -> None:
            first, *others = r.load_element(x, at, stride)
            powers = [r.mul(v, splat(f)) for v, f in zip(others, factors[1:], strict=True)]
            r.store_element([first, *powers], to, at, stride)

        r.vectors(vectors, body)

    return define


frobenius_1 = routine("lanes_frobenius_1", 2, 2, _frobenius(1))
frobenius_2 = routine("lanes_frobenius_2", 2, 2, _frobenius(2))


def _define_norm(r: Routine) -> None:
    """(to, x, y, stride, vectors): constant coefficients of x y, one register."""
    to, x, y = r.pointers
    stride, vectors = r.integers

    def body(at: Value) -> None:
        r.store(r.norm_coefficient(r.load_element(x, at, stride), r.load_element(y, at, stride)), to, at)

    r.vectors(vectors, body)


norm = routine("lanes_norm", 3, 2, _define_norm)


def _define_inverse(r: Routine) -> None:
    """(to, x): the inverses of one vector."""
    to, x = r.pointers
    r.store(r.inverse(r.load(x)), to)


inverse_vector = routine("lanes_inverse", 2, 0, _define_inverse)


def _define_transpose(r: Routine) -> None:
    """(to, rows, stride, groups): sixteen columns of a tile into registers, `stride` words apart."""
    to, rows = r.pointers
    stride, groups = r.integers

    def body(i: Value) -> None:
        source = r.b.mul(i, I64(LANES * LANES))
        columns = r.transpose([r.load(rows, r.b.add(source, I64(LANES * j))) for j in range(LANES)])
        target = r.b.mul(i, I64(LANES))
        for j, column in enumerate(columns):
            r.store(column, to, r.b.add(target, r.b.mul(stride, I64(j))))

    r.loop(groups, body)


transpose = routine("lanes_transpose", 2, 2, _define_transpose)
