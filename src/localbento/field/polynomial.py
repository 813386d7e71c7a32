"""Polynomials over F_p by their definitions: the twins of the transform kernels.

A trace of 2^h rows is the polynomial of degree < 2^h with value row[i] at w_h^i.  Its extension
stands at bit-reversed positions of the evaluation domain D_(h+b) = c_(h+b) * <w_(h+b)>.
"""

from collections.abc import Sequence
from typing import TypeVar

from localbento.field import babybear
from localbento.field.babybear import P
from localbento.field.extension import Extension

Value = TypeVar("Value", int, Extension)


def evaluate(coefficients: Sequence[Value], x: Value) -> Value:
    """The value at x of the polynomial with these coefficients, constant first (Horner)."""
    result = x * 0
    for coefficient in reversed(coefficients):
        result = _reduced(result * x + coefficient)
    return result


def interpolate(points: Sequence[int], values: Sequence[int]) -> list[int]:
    """Coefficients, constant first, of the polynomial of degree < n through n points (Lagrange).

    Raises: ValueError if a point repeats or the counts differ.
    """
    if len(set(points)) != len(points) or len(points) != len(values):
        msg = f"expected distinct points and a value for each, found {points!r} and {values!r}"
        raise ValueError(msg)
    result = [0] * len(points)
    for i, (point, value) in enumerate(zip(points, values, strict=True)):
        basis, scale = [1], value
        for other in [*points[:i], *points[i + 1 :]]:
            basis = [(high - other * low) % P for low, high in zip([*basis, 0], [0, *basis], strict=True)]
            scale = scale * babybear.inverse(point - other) % P
        result = [(r + scale * b) % P for r, b in zip(result, basis, strict=True)]
    return result


def _log2(size: int) -> int:
    if size < 1 or size & (size - 1):
        msg = f"transform: expected a power of two, found {size}"
        raise ValueError(msg)
    return size.bit_length() - 1


def transform(coefficients: Sequence[Value], root: int) -> list[Value]:
    """Values at 1, root, root^2, ..., of as many points as coefficients, the root's order."""
    size = len(coefficients)
    if _log2(size) == 0:
        return list(coefficients)
    square = root * root % P
    even, odd = transform(coefficients[::2], square), transform(coefficients[1::2], square)
    low, high, x = [], [], 1
    for e, o in zip(even, odd, strict=True):
        t = o * x
        low.append(_reduced(e + t))
        high.append(_reduced(e - t))
        x = x * root % P
    return low + high


def _reduced(x: Value) -> Value:
    if isinstance(x, Extension):
        return x
    return x % P


def inverse_transform(values: Sequence[Value], root: int) -> list[Value]:
    """Coefficients of the polynomial with these values at 1, root, root^2, ..."""
    scale = babybear.inverse(len(values))
    return [_reduced(c * scale) for c in transform(values, babybear.inverse(root))]


def interpolate_trace(rows: Sequence[Value]) -> list[Value]:
    """Coefficients of the polynomial with value rows[i] at w_h^i, for 2^h rows in natural order."""
    return inverse_transform(rows, babybear.root_of_unity(_log2(len(rows))))


def evaluate_on_domain(coefficients: Sequence[Value], log_size: int) -> list[Value]:
    """Values on D_j = c_j * <w_j> of 2^log_size points, at bit-reversed positions.

    Raises: ValueError if there are more coefficients than points.
    """
    size = 1 << log_size
    if len(coefficients) > size:
        msg = f"evaluation: expected at most {size} coefficients, found {len(coefficients)}"
        raise ValueError(msg)
    shift, scaled = 1, []
    for coefficient in coefficients:
        scaled.append(_reduced(coefficient * shift))
        shift = shift * babybear.coset_shift(log_size) % P
    zero = coefficients[0] * 0
    values = transform(scaled + [zero] * (size - len(scaled)), babybear.root_of_unity(log_size))
    return [values[babybear.reverse_bits(i, log_size)] for i in range(size)]


def interpolate_on_domain(values: Sequence[Value]) -> list[Value]:
    """Coefficients of the polynomial with these values at the bit-reversed positions of D_j."""
    bits = _log2(len(values))
    natural = [values[babybear.reverse_bits(i, bits)] for i in range(len(values))]
    unshift, shift, result = babybear.inverse(babybear.coset_shift(bits)), 1, []
    for coefficient in inverse_transform(natural, babybear.root_of_unity(bits)):
        result.append(_reduced(coefficient * shift))
        shift = shift * unshift % P
    return result


def evaluate_on_coset(rows: Sequence[Value], log_blowup: int) -> list[Value]:
    """The extension of one column: 2^h rows in natural order to D_(h+b), bit-reversed."""
    return evaluate_on_domain(interpolate_trace(rows), _log2(len(rows)) + log_blowup)
