"""Every S-box of a permutation, as the columns of a chip: what a proof about the memory image is filled with."""

from typing import Any, Final

import numpy as np
from numba import njit

from localbento_kernels.cpu.field import mont_add, mont_mul
from localbento_kernels.cpu.poseidon2 import FULL_ROUNDS, PARTIAL_ROUNDS
from localbento_kernels.cpu.poseidon2_emit import WIDTH
from localbento_kernels.cpu.poseidon2_scalar import TABLES, external
from localbento_kernels.cpu.tiles import Words
from localbento_kernels.cpu.vector import P, montgomery

KEPT: Final = 8
"""Of the last state only the digest (cells 0 to 7) and the capacity (16 to 23) are columns."""

COLUMNS: Final = (FULL_ROUNDS - 1) * 2 * WIDTH + 2 * PARTIAL_ROUNDS + WIDTH + 2 * KEPT

_TO_MONT: Final = np.uint32(montgomery(montgomery(1)))
_FROM_MONT: Final = np.uint32(1)


@njit(nogil=True, cache=True)
def _cube(x: Any) -> Any:
    return mont_mul(mont_mul(x, x), x)


@njit(nogil=True, cache=True)
def _full(x: Words, outer: Words, r: int, out: Words, row: int, at: int, results: int) -> int:
    """One full round: cubes, then the S-boxes' results if they are columns; returns the next column."""
    for i in range(WIDTH):
        y = mont_add(x[i], outer[WIDTH * r + i])
        cube = _cube(y)
        x[i] = mont_mul(mont_mul(cube, cube), y)
        out[at + i, row] = mont_mul(cube, _FROM_MONT)
        if results:
            out[at + WIDTH + i, row] = mont_mul(x[i], _FROM_MONT)
    external(x)
    return at + (2 if results else 1) * WIDTH


@njit(nogil=True, cache=True)
def _partial(x: Words, constant: Any, diagonal: Words, out: Words, row: int, at: int) -> int:
    y = mont_add(x[0], constant)
    cube = _cube(y)
    x[0] = mont_mul(mont_mul(cube, cube), y)
    out[at, row] = mont_mul(cube, _FROM_MONT)
    out[at + 1, row] = mont_mul(x[0], _FROM_MONT)
    total = np.uint64(0)
    for i in range(WIDTH):
        total += np.uint64(x[i])
    reduced = np.uint32(total % np.uint64(P))
    for i in range(WIDTH):
        x[i] = mont_add(reduced, mont_mul(x[i], diagonal[i]))
    return at + 2


@njit(nogil=True, cache=True)
def _trace(states: Words, out: Words, outer: Words, inner: Words, diagonal: Words) -> None:
    x = np.empty(WIDTH, np.uint32)
    for row in range(len(states)):
        for i in range(WIDTH):
            x[i] = mont_mul(states[row, i], _TO_MONT)
        external(x)
        at = 0
        for r in range(FULL_ROUNDS // 2):
            at = _full(x, outer, r, out, row, at, 1)
        for k in range(PARTIAL_ROUNDS):
            at = _partial(x, inner[k], diagonal, out, row, at)
        for r in range(FULL_ROUNDS // 2, FULL_ROUNDS - 1):
            at = _full(x, outer, r, out, row, at, 1)
        at = _full(x, outer, FULL_ROUNDS - 1, out, row, at, 0)
        for i in range(KEPT):
            out[at + i, row] = mont_mul(x[i], _FROM_MONT)
            out[at + KEPT + i, row] = mont_mul(x[WIDTH - KEPT + i], _FROM_MONT)


def permutation_columns(states: Words) -> Words:
    """Cubes and results of all S-boxes, then digest and capacity: canonical uint32[n, 24] to uint32[418, n].

    Raises:
        ValueError: on another shape.

    Twin: localbento.circuits.rv32im.poseidon2.permutation_columns.
    """
    if states.ndim != 2 or states.shape[1] != WIDTH:
        msg = f"permutation: expected states of shape (n, {WIDTH}), found {states.shape}"
        raise ValueError(msg)
    out = np.empty((COLUMNS, len(states)), np.uint32)
    _trace(np.ascontiguousarray(states, np.uint32), out, *TABLES)
    return out
