"""The base field: integers modulo p = 2^31 - 2^27 + 1, canonical, and the protocol's domains.

Elements are plain integers in [0, p); sums and products are written `% P` where they stand.
"""

from collections.abc import Sequence
from typing import Final

P: Final = 2**31 - 2**27 + 1
"""The prime.  p - 1 = 15 * 2^27, so there are domains of up to 2^27 points."""

GENERATOR: Final = 31
"""The smallest generator of the multiplicative group."""

TWO_ADICITY: Final = 27
ROOT_27: Final = 440564289
"""31^15, of order 2^27: the root from which all others are squared down."""

MONTGOMERY_BITS: Final = 32
MONTGOMERY_R: Final = 2**MONTGOMERY_BITS % P
MONTGOMERY_R_INVERSE: Final = pow(MONTGOMERY_R, -1, P)


def power(x: int, exponent: int) -> int:
    """x^exponent; a negative exponent takes the inverse.

    Raises: ZeroDivisionError if x is zero and the exponent is negative.
    """
    if exponent < 0:
        return pow(inverse(x), -exponent, P)
    return pow(x, exponent, P)


def inverse(x: int) -> int:
    """The y with x * y = 1.

    Raises: ZeroDivisionError if x is zero.
    """
    if x % P == 0:
        msg = "zero has no inverse in BabyBear"
        raise ZeroDivisionError(msg)
    return pow(x, P - 2, P)


def batch_inverse(values: Sequence[int]) -> list[int]:
    """Inverses of all values, with one inversion (Montgomery's trick).

    Raises: ZeroDivisionError if one of them is zero.
    """
    prefixes = [1]
    for value in values:
        prefixes.append(prefixes[-1] * value % P)
    suffix = inverse(prefixes[-1])
    result = [0] * len(values)
    for i in range(len(values) - 1, -1, -1):
        result[i] = suffix * prefixes[i] % P
        suffix = suffix * values[i] % P
    return result


def root_of_unity(log_order: int) -> int:
    """w_j of order 2^j with w_j = w_(j+1)^2 and w_27 = 440564289.

    Raises: ValueError unless 0 <= j <= 27.
    """
    if not 0 <= log_order <= TWO_ADICITY:
        msg = f"order of a root of unity: expected 2^0 to 2^{TWO_ADICITY}, found 2^{log_order}"
        raise ValueError(msg)
    return pow(ROOT_27, 1 << (TWO_ADICITY - log_order), P)


def coset_shift(log_size: int) -> int:
    """c_j = 31^(2^(27-j)): squaring maps the evaluation domain of 2^j points onto that of 2^(j-1).

    Raises: ValueError unless 0 <= j <= 27.
    """
    if not 0 <= log_size <= TWO_ADICITY:
        msg = f"size of a domain: expected 2^0 to 2^{TWO_ADICITY}, found 2^{log_size}"
        raise ValueError(msg)
    return pow(GENERATOR, 1 << (TWO_ADICITY - log_size), P)


def reverse_bits(x: int, bits: int) -> int:
    """The number whose `bits` binary digits are those of x, read backwards."""
    return int(f"{x:0{bits}b}"[::-1], 2) if bits else 0


def domain_point(log_size: int, position: int) -> int:
    """The point of the evaluation domain D_j that stands at a bit-reversed position."""
    exponent = reverse_bits(position, log_size)
    return coset_shift(log_size) * pow(root_of_unity(log_size), exponent, P) % P


def to_montgomery(x: int) -> int:
    """X * 2^32 mod p, the form that kernels compute in."""
    return (x << MONTGOMERY_BITS) % P


def from_montgomery(x: int) -> int:
    """The canonical element of a Montgomery form."""
    return x * MONTGOMERY_R_INVERSE % P
