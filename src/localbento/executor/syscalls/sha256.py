"""The compression function of SHA-256 by itself; hashlib gives whole digests only.

Source: FIPS 180-4, sections 5.3.3 and 6.2.2.
"""

import struct
from typing import Final

_MASK: Final = 0xFFFF_FFFF
_PRIMES: Final = tuple(n for n in range(2, 312) if all(n % d for d in range(2, n)))
State = tuple[int, int, int, int, int, int, int, int]


def _root(value: int, degree: int) -> int:
    """floor(value ** (1 / degree)), exactly."""
    low, high = 0, 1 << (value.bit_length() // degree + 1)
    while low < high:
        middle = (low + high + 1) // 2
        if middle**degree <= value:
            low = middle
        else:
            high = middle - 1
    return low


ROUND_CONSTANTS: Final = tuple(_root(p << 96, 3) & _MASK for p in _PRIMES)
"""First 32 bits of the fractional parts of the cube roots of the first 64 primes."""
_START: Final = [_root(p << 64, 2) & _MASK for p in _PRIMES[:8]]
INITIAL_STATE: Final[State] = (
    _START[0], _START[1], _START[2], _START[3], _START[4], _START[5], _START[6], _START[7]
)  # fmt: skip
"""The same of the square roots of the first eight."""


def _rotate(word: int, count: int) -> int:
    return (word >> count | word << (32 - count)) & _MASK


def compress(state: State, block: bytes) -> State:
    """The state after a block of 64 bytes."""
    w = list(struct.unpack(">16I", block))
    for t in range(16, 64):
        s0 = _rotate(w[t - 15], 7) ^ _rotate(w[t - 15], 18) ^ w[t - 15] >> 3
        s1 = _rotate(w[t - 2], 17) ^ _rotate(w[t - 2], 19) ^ w[t - 2] >> 10
        w.append((w[t - 16] + s0 + w[t - 7] + s1) & _MASK)
    a, b, c, d, e, f, g, h = state
    for t in range(64):
        t1 = h + (_rotate(e, 6) ^ _rotate(e, 11) ^ _rotate(e, 25)) + (e & f ^ ~e & g)
        t1 += ROUND_CONSTANTS[t] + w[t]
        t2 = (_rotate(a, 2) ^ _rotate(a, 13) ^ _rotate(a, 22)) + (a & b ^ a & c ^ b & c)
        a, b, c, d, e, f, g, h = (t1 + t2) & _MASK, a, b, c, (d + t1) & _MASK, e, f, g
    x = state
    return (
        (x[0] + a) & _MASK, (x[1] + b) & _MASK, (x[2] + c) & _MASK, (x[3] + d) & _MASK,
        (x[4] + e) & _MASK, (x[5] + f) & _MASK, (x[6] + g) & _MASK, (x[7] + h) & _MASK,
    )  # fmt: skip
