"""Poseidon2 of single states: for transcripts, where each permutation waits for the one before."""

from typing import Any, Final

import numpy as np
from numba import njit

from localbento_kernels.cpu.field import mont_add, mont_mul
from localbento_kernels.cpu.poseidon2 import FULL_ROUNDS, PARTIAL_ROUNDS, load_parameters
from localbento_kernels.cpu.poseidon2_emit import WIDTH
from localbento_kernels.cpu.tiles import Words
from localbento_kernels.cpu.vector import P, montgomery

_TO_MONT: Final = np.uint32(montgomery(montgomery(1)))
_FROM_MONT: Final = np.uint32(1)


def _tables() -> tuple[Words, Words, Words]:
    data = load_parameters()
    rounds = data["round_constants"]
    outer = [montgomery(c) for row in rounds["initial_full"] + rounds["final_full"] for c in row]
    inner = [montgomery(c) for c in rounds["partial"]]
    diagonal = [montgomery(d) for d in data["m_int_diag"]]
    return np.array(outer, np.uint32), np.array(inner, np.uint32), np.array(diagonal, np.uint32)


TABLES: Final = _tables()


@njit(nogil=True, cache=True)
def _power_7(x: Any) -> Any:
    square = mont_mul(x, x)
    return mont_mul(mont_mul(square, square), mont_mul(square, x))


@njit(nogil=True, cache=True)
def external(x: Words) -> None:
    """M4 on each group of four, and the sum of all groups added to each; sums of at most 112 p."""
    sums = np.zeros(4, np.uint64)
    mixed = np.empty(WIDTH, np.uint64)
    for g in range(0, WIDTH, 4):
        a, b, c, d = np.uint64(x[g]), np.uint64(x[g + 1]), np.uint64(x[g + 2]), np.uint64(x[g + 3])
        low, high = b + b + c + d, d + d + a + b
        right, left = (c + d) * np.uint64(4) + high, (a + b) * np.uint64(4) + low
        mixed[g], mixed[g + 1], mixed[g + 2], mixed[g + 3] = high + left, left, low + right, right
        for k in range(4):
            sums[k] += mixed[g + k]
    for i in range(WIDTH):
        x[i] = np.uint32((mixed[i] + sums[i % 4]) % np.uint64(P))


@njit(nogil=True, cache=True)
def permute_mont(x: Words, outer: Words, inner: Words, diagonal: Words) -> None:
    """The permutation of one state in Montgomery form, in place."""
    external(x)
    for r in range(FULL_ROUNDS):
        if r == FULL_ROUNDS // 2:
            for k in range(PARTIAL_ROUNDS):
                x[0] = _power_7(mont_add(x[0], inner[k]))
                total = np.uint64(0)
                for i in range(WIDTH):
                    total += np.uint64(x[i])
                reduced = np.uint32(total % np.uint64(P))
                for i in range(WIDTH):
                    x[i] = mont_add(reduced, mont_mul(x[i], diagonal[i]))
        for i in range(WIDTH):
            x[i] = _power_7(mont_add(x[i], outer[WIDTH * r + i]))
        external(x)


@njit(nogil=True, cache=True)
def _permute_rows(states: Words, outer: Words, inner: Words, diagonal: Words) -> None:
    for row in range(len(states)):
        x = states[row]
        for i in range(WIDTH):
            x[i] = mont_mul(x[i], _TO_MONT)
        permute_mont(x, outer, inner, diagonal)
        for i in range(WIDTH):
            x[i] = mont_mul(x[i], _FROM_MONT)


def permute_rows(states: Words) -> Words:
    """The permutation of each state: canonical uint32[n, 24] in and out.

    Raises:
        ValueError: on another shape.

    Twin: localbento.hash.poseidon2.permute_batch.
    """
    if states.ndim != 2 or states.shape[1] != WIDTH:
        msg = f"permutation: expected states of shape (n, {WIDTH}), found {states.shape}"
        raise ValueError(msg)
    result = np.array(states, np.uint32, order="C", copy=True)
    _permute_rows(result, *TABLES)
    return result


def permute_one(state: Words) -> Words:
    """The permutation of one canonical state, uint32[24].  Twin: localbento.hash.poseidon2.permute."""
    permuted: Words = permute_rows(state.reshape(1, -1))[0]
    return permuted
