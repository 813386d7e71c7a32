"""Between canonical numbers and the Montgomery form of kernels; constants of F as kernels take them."""

from collections.abc import Sequence

import numpy as np

from localbento.field.babybear import P, inverse, root_of_unity
from localbento.field.extension import DEGREE, NON_RESIDUE, Extension
from localbento_kernels.cpu.field import from_mont, to_mont
from localbento_kernels.cpu.tiles import Words, aligned


def montgomery(values: Words) -> Words:
    """X * 2^32 mod p of canonical numbers, in aligned memory of the same shape."""
    return to_mont(values, out=aligned(values.shape))


def canonical(values: Words) -> Words:
    """The canonical numbers of Montgomery forms."""
    return from_mont(values)


def montgomery_list(values: Sequence[int]) -> Words:
    """A short list of canonical numbers in Montgomery form."""
    result = aligned(len(values))
    result[:] = (np.array(values, np.uint64) << np.uint64(32)) % np.uint64(P)
    return result


def elements(values: Sequence[Extension]) -> Words:
    """Elements of F, five words each."""
    return montgomery_list([c for value in values for c in value.coefficients])


def times_x(value: Extension, power: int = 1) -> Extension:
    """X^power times an element, power < 5: X^5 = 2 brings the last coefficients to the front."""
    if not power:
        return value
    coefficients = value.coefficients
    return Extension.of([*(NON_RESIDUE * c for c in coefficients[-power:]), *coefficients[:-power]])


def x_multiples(value: Extension) -> list[Extension]:
    """X^0 .. X^4 times an element: what multiplies the five coefficients of another."""
    return [times_x(value, i) for i in range(DEGREE)]


def multiples(value: Extension) -> Words:
    """`x_multiples` as kernels take them, uint32[25]."""
    return elements(x_multiples(value))


def extension(cells: Words) -> Extension:
    """The element that five words in Montgomery form are."""
    return Extension.of(canonical(cells).tolist())


def root_powers(log_order: int, *, inverted: bool = False) -> Words:
    """Root^(2^j) for j below log_order, of the root of this order: for `domains.fill_points`."""
    root = root_of_unity(log_order)
    root = inverse(root) if inverted else root
    return montgomery_list([pow(root, 1 << j, P) for j in range(max(log_order, 1))])


class Pole:
    """A point z of F outside F_p, as the kernels that divide by x - z want it.

    `quartic` is the product of x - z_i over the four other conjugates (constant first, five elements), `norm` the
    minimal polynomial without its leading coefficient.
    """

    def __init__(self, z: Extension) -> None:
        """Expand both products."""
        quartic = [Extension.ONE]
        for i in range(1, DEGREE):
            quartic = _times_linear(quartic, z.frobenius(i))
        self.quartic = elements(quartic)
        self.norm = montgomery_list([c.coefficients[0] for c in _times_linear(quartic, z)[:DEGREE]])


def _times_linear(polynomial: Sequence[Extension], root: Extension) -> list[Extension]:
    low = [Extension.ZERO, *polynomial]
    high = [*(c * root for c in polynomial), Extension.ZERO]
    return [a - b for a, b in zip(low, high, strict=True)]
