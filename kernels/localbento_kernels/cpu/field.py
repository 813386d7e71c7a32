"""Arithmetic on arrays of residues, and scalar helpers for other kernels.

A scalar in a kernel is uint32 in Montgomery form; numba promotes uint32 * uint32 to 64 bits and keeps it, so helpers
cast at every step.  An element of F = F_p[X]/(X^5 - 2) is five neighbouring words, coefficient of X^0 first.

Twins: localbento.field.
"""

from typing import Any, Final

import numpy as np
from numba import njit

from localbento_kernels.cpu.tiles import Words
from localbento_kernels.cpu.vector import P, montgomery

DEGREE: Final = 5
ONE_MONT: Final = montgomery(1)

_P32: Final = np.uint32(P)
_P64: Final = np.uint64(P)
_P_INVERSE: Final = np.uint32(pow(P, -1, 2**32))
_R_SQUARED: Final = np.uint32(montgomery(montgomery(1)))
_ONE: Final = np.uint32(1)
_BITS: Final = np.uint64(32)


@njit(nogil=True, cache=True)
def mont_add(x: Any, y: Any) -> Any:
    """The sum of residues."""
    s = np.uint64(x) + np.uint64(y)
    return np.uint32(s - _P64 if s >= _P64 else s)


@njit(nogil=True, cache=True)
def mont_sub(x: Any, y: Any) -> Any:
    """The difference of residues."""
    return np.uint32(np.uint64(x) - np.uint64(y) + (np.uint64(0) if x >= y else _P64))


@njit(nogil=True, cache=True)
def mont_mul(x: Any, y: Any) -> Any:
    """The product x y / 2^32 mod p of residues, or of any 32-bit x and a residue y."""
    product = np.uint64(x) * np.uint64(y)
    q = np.uint32(np.uint32(product) * _P_INVERSE)
    high = np.uint32(product >> _BITS)
    low = np.uint32((np.uint64(q) * _P64) >> _BITS)
    return np.uint32(high - low if high >= low else np.uint32(high - low) + _P32)


@njit(nogil=True, cache=True)
def mont_pow(x: Any, exponent: int) -> Any:
    """x^exponent in Montgomery form, exponent >= 0."""
    result = np.uint32(ONE_MONT)
    while exponent:
        if exponent & 1:
            result = mont_mul(result, x)
        x = mont_mul(x, x)
        exponent >>= 1
    return result


@njit(nogil=True, cache=True)
def _scale(source: Words, target: Words, factor: Any) -> None:
    for i in range(len(source)):
        target[i] = mont_mul(source[i], factor)


@njit(nogil=True, cache=True)
def _batch_inverse(values: Words, result: Words) -> int:
    """Inverses; the number of zeros, and nothing of use if there are any."""
    zeros, total = 0, np.uint32(ONE_MONT)
    for i in range(len(values)):
        result[i] = total
        if values[i] == 0:
            zeros += 1
        total = mont_mul(total, values[i])
    if zeros:
        return zeros
    suffix = mont_pow(total, P - 2)
    for i in range(len(values) - 1, -1, -1):
        value = values[i]
        result[i] = mont_mul(result[i], suffix)
        suffix = mont_mul(suffix, value)
    return 0


def _scaled(values: Words, factor: np.uint32, out: Words | None) -> Words:
    source = np.ascontiguousarray(values, np.uint32)
    result = np.empty_like(source) if out is None else out
    if not result.flags.c_contiguous or result.dtype != np.uint32 or result.shape != source.shape:
        msg = f"output: expected contiguous uint32 of shape {source.shape}, found {result.dtype}{result.shape}"
        raise ValueError(msg)
    _scale(source.reshape(-1), result.reshape(-1), factor)
    return result


def to_mont(values: Words, out: Words | None = None) -> Words:
    """Montgomery forms x 2^32 mod p of any 32-bit numbers; `out` may be `values`.

    Twin: localbento.field.babybear.to_montgomery.
    """
    return _scaled(values, _R_SQUARED, out)


def from_mont(values: Words, out: Words | None = None) -> Words:
    """Canonical residues of Montgomery forms; `out` may be `values`.

    Twin: localbento.field.babybear.from_montgomery.
    """
    return _scaled(values, _ONE, out)


def batch_inverse(values: Words) -> Words:
    """Inverses of residues in Montgomery form, with one inversion.

    Raises:
        ZeroDivisionError: if one of them is zero.

    Twin: localbento.field.babybear.batch_inverse.
    """
    source = np.ascontiguousarray(values, np.uint32)
    result = np.empty_like(source)
    zeros = _batch_inverse(source.reshape(-1), result.reshape(-1))
    if zeros:
        msg = f"inversion: expected no zero, found {zeros}"
        raise ZeroDivisionError(msg)
    return result
