"""Field values of columns, for `fill`: inverses and negative numbers."""

from functools import cache

import numpy as np
from numpy.typing import NDArray

from localbento.circuits.rv32im.records import U32
from localbento.field.babybear import P

SMALL = 1 << 17


@cache
def _table() -> NDArray[np.uint32]:
    """Inverses of 0 .. 2**17 - 1 modulo p, 0 for 0: a power of each, by square and multiply on the whole array."""
    base = np.arange(SMALL, dtype=np.uint64)
    result = np.ones(SMALL, np.uint64)
    exponent = P - 2
    while exponent:
        if exponent & 1:
            result = result * base % P
        base = base * base % P
        exponent >>= 1
    return result.astype(np.uint32)


def small_inverse(x: U32) -> U32:
    """Inverse modulo p of numbers below 2**17, 0 for 0; uint32[n]."""
    found: U32 = _table()[x]
    return found


def canonical(x: NDArray[np.int64]) -> U32:
    """Residues modulo p of small signed numbers, int64[n] above -p."""
    return np.where(x < 0, x + P, x).astype(np.uint32)


def inverse(x: NDArray[np.int64]) -> U32:
    """Inverse modulo p of any numbers below 2**31 in size, 0 for 0: small ones by table, the few others singly."""
    reduced = x % P
    result = _table()[np.where(reduced < SMALL, reduced, 0)]
    for i in np.flatnonzero(reduced >= SMALL):
        result[i] = pow(int(reduced[i]), -1, P)
    return result
