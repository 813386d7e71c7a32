"""Exact field arithmetic on whole numpy arrays: the verifier does all queries side by side.

A base array holds canonical residues, `uint64[...]`; an extension array has a last axis of five:
`uint64[..., 5]`, coefficient of X^0 first.  Everything broadcasts over the leading axes.
"""

from collections.abc import Sequence
from typing import Final, TypeAlias

import numpy as np
from numpy.typing import ArrayLike, NDArray

from localbento.field.babybear import P
from localbento.field.extension import DEGREE, FROBENIUS_ROOT, Extension

Array: TypeAlias = NDArray[np.uint64]

_P: Final = np.uint64(P)
_FROBENIUS: Final = [
    np.array([pow(FROBENIUS_ROOT, times * i, P) for i in range(DEGREE)], np.uint64) for times in range(DEGREE)
]


def base(values: ArrayLike) -> Array:
    """Canonical residues of integers in [-2^63, 2^64)."""
    array = np.asarray(values)
    if array.dtype == np.uint64 or array.dtype.kind == "u":
        return np.asarray(array.astype(np.uint64) % _P)
    return np.asarray(array % P, np.uint64)


def add(x: Array, y: Array) -> Array:
    """X + y, of residues."""
    total = x + y
    # The subtraction wraps to a huge number exactly where it is not wanted.
    return np.asarray(np.minimum(total, total - _P))


def sub(x: Array, y: Array) -> Array:
    """X - y, of residues."""
    difference = x - y
    return np.asarray(np.minimum(difference, difference + _P))


def neg(x: Array) -> Array:
    """-x, of residues."""
    return sub(np.zeros_like(x), x)


def mul(x: Array, y: Array) -> Array:
    """X * y, of residues."""
    return np.asarray(x * y % _P)


def power(x: Array, exponent: int) -> Array:
    """x^exponent, exponent >= 0, of base residues."""
    result, square = np.ones_like(x), x
    while exponent:
        if exponent & 1:
            result = mul(result, square)
        square, exponent = mul(square, square), exponent >> 1
    return result


def power_each(x: Array | int, exponents: Array, bits: int) -> Array:
    """x^e for every e < 2^bits of an array."""
    square = base(x)
    result = np.ones(np.broadcast_shapes(square.shape, exponents.shape), np.uint64)
    for bit in range(bits):
        chosen = (exponents >> np.uint64(bit)) & np.uint64(1) == 1
        result = np.where(chosen, mul(result, square), result)
        square = mul(square, square)
    return result


def inverse(x: Array) -> Array:
    """Inverses of base residues.

    Raises: ZeroDivisionError if one of them is zero.
    """
    if not np.all(x):
        msg = "zero has no inverse in BabyBear"
        raise ZeroDivisionError(msg)
    return power(x, P - 2)


def ext(values: Sequence[Extension]) -> Array:
    """An extension array `uint64[n, 5]` of n elements."""
    return np.array([value.coefficients for value in values], np.uint64).reshape(-1, DEGREE)


def ext_constant(value: Extension | int) -> Array:
    """One element as `uint64[5]`."""
    element = value if isinstance(value, Extension) else Extension.constant(value)
    return np.array(element.coefficients, np.uint64)


def ext_elements(x: Array) -> list[Extension]:
    """The elements of `uint64[n, 5]`."""
    return [Extension.of(row) for row in x.reshape(-1, DEGREE).tolist()]


def ext_lift(x: Array) -> Array:
    """Base residues `uint64[...]` as constants `uint64[..., 5]`."""
    result = np.zeros((*x.shape, DEGREE), np.uint64)
    result[..., 0] = x
    return result


def ext_mul(x: Array, y: Array) -> Array:
    """The product in F.

    A coefficient is a sum of five products of residues; four fit into 64 bits (4 (p-1)^2 < 2^64).
    """
    doubled = add(y, y)
    a = [x[..., i] for i in range(DEGREE)]
    b = [y[..., i] for i in range(DEGREE)]
    wrapped = [doubled[..., i] for i in range(DEGREE)]
    shape = np.broadcast_shapes(x.shape, y.shape)
    result = np.empty(shape, np.uint64)
    for k in range(DEGREE):
        terms = [a[i] * (b[k - i] if i <= k else wrapped[k - i + DEGREE]) for i in range(DEGREE)]
        partial = (terms[0] + terms[1] + terms[2] + terms[3]) % _P
        result[..., k] = (partial + terms[4]) % _P
    return result


def ext_mul_base(x: Array, y: Array) -> Array:
    """The product of `uint64[..., 5]` and base residues `uint64[...]`."""
    return mul(x, y[..., None])


def ext_dot(weights: Array, values: Array) -> Array:
    """The sum of weights in F times base residues.

    Shapes: weights `[..., n, 5]`, values `[..., n]`, result `[..., 5]`; n < 2^32.
    """
    products = mul(weights, values[..., None])
    return np.asarray(products.sum(axis=-2, dtype=np.uint64) % _P)


def ext_frobenius(x: Array, times: int = 1) -> Array:
    """The p^times-th power."""
    return mul(x, _FROBENIUS[times % DEGREE])


def ext_inverse(x: Array) -> Array:
    """Inverses in F, as `Extension.inverse`.

    Raises: ZeroDivisionError if one of them is zero.
    """
    y = ext_frobenius(x)
    y = ext_mul(y, ext_frobenius(y))
    y = ext_mul(y, ext_frobenius(y, 2))
    norm = ext_mul(x, y)[..., 0]
    return ext_mul_base(y, inverse(norm))


def ext_power(x: Array, exponent: int) -> Array:
    """x^exponent in F; a negative exponent takes the inverse."""
    if exponent < 0:
        return ext_power(ext_inverse(x), -exponent)
    result = np.zeros_like(x)
    result[..., 0] = 1
    square = x
    while exponent:
        if exponent & 1:
            result = ext_mul(result, square)
        square, exponent = ext_mul(square, square), exponent >> 1
    return result


def ext_powers(x: Array, count: int) -> Array:
    """1, x, x^2, ... of one element `uint64[5]`: `uint64[count, 5]`, by doubling."""
    result = ext_constant(1).reshape(1, DEGREE)
    step = x
    while len(result) < count:
        result = np.concatenate([result, ext_mul(result, step)])
        step = ext_mul(step, step)
    return result[:count]
