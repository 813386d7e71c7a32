"""SHA-256 on arrays of words, for whoever fills columns."""

from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from localbento.circuits.rv32im.sha2_words import BIG_0, BIG_1, DATA_ROUNDS, ROUNDS, SMALL_0, SMALL_1

Array: TypeAlias = NDArray[Any]
"""Intermediate results; the numpy types of shifts are wider than the arrays that come out."""

STATE = 8


def _rotate(x: Array, by: int) -> Array:
    return x >> np.uint32(by) | x << np.uint32(32 - by)


def big_sigma(x: Array, by: tuple[int, int, int]) -> Array:
    """Exclusive or of three rotations."""
    return _rotate(x, by[0]) ^ _rotate(x, by[1]) ^ _rotate(x, by[2])


def small_sigma(x: Array, by: tuple[int, int, int]) -> Array:
    """Exclusive or of two rotations and a shift."""
    return _rotate(x, by[0]) ^ _rotate(x, by[1]) ^ x >> np.uint32(by[2])


def choice(e: Array, f: Array, g: Array) -> Array:
    """FIPS 180-4, Ch."""
    return e & f | ~e & g


def majority(a: Array, b: Array, c: Array) -> Array:
    """FIPS 180-4, Maj."""
    return a & b | c & (a ^ b)


def schedule(data: Array) -> Array:
    """The words of all rounds, uint32[blocks, 64], from the data words uint32[blocks, 16]."""
    words = np.zeros((len(data), ROUNDS), np.uint32)
    words[:, :DATA_ROUNDS] = data
    for t in range(DATA_ROUNDS, ROUNDS):
        near, far = small_sigma(words[:, t - 2], SMALL_1), small_sigma(words[:, t - 15], SMALL_0)
        words[:, t] = near + words[:, t - 7] + far + words[:, t - 16]
    return words


def compress(start: Array, words: Array, constants: Array) -> Array:
    """States before each round and after the last: uint32[blocks, 65, 8]."""
    states = np.zeros((len(start), ROUNDS + 1, STATE), np.uint32)
    states[:, 0] = start
    for t in range(ROUNDS):
        a, b, c, d, e, f, g, h = states[:, t].T
        t1 = h + big_sigma(e, BIG_1) + choice(e, f, g) + constants[:, t] + words[:, t]
        t2 = big_sigma(a, BIG_0) + majority(a, b, c)
        states[:, t + 1] = np.stack([t1 + t2, a, b, c, d + t1, e, f, g], axis=1)
    return states


def limbs(x: Array) -> tuple[Array, Array]:
    """Low and high 16 bits."""
    return x & 0xFFFF, x >> 16


def bytes_of(x: Array) -> list[Array]:
    """Lowest first."""
    return [x >> np.uint32(8 * i) & 0xFF for i in range(4)]


def bits_of(x: Array) -> list[Array]:
    """Lowest first."""
    return [x >> np.uint32(i) & 1 for i in range(32)]


def join(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Parts of the same columns, one after the other."""
    result: dict[str, Any] = {}
    for name, first in parts[0].items():
        values = [part[name] for part in parts]
        if isinstance(first, dict):
            result[name] = join(values)
        elif isinstance(first, (list, tuple)):
            result[name] = [np.concatenate(column) for column in zip(*values, strict=True)]
        else:
            result[name] = np.concatenate(values)
    return result
