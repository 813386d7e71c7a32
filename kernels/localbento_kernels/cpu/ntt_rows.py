"""Transforms of any size, in place, a pass over all rows for three or four levels: for small tiles, and for few."""

import numpy as np
from numba import njit
from numpy.typing import NDArray

from localbento_kernels.cpu.ntt_nodes import (
    ROW,
    evaluate_2,
    evaluate_8,
    evaluate_16,
    interpolate_2_scaled,
    interpolate_8_scaled,
    interpolate_16_scaled,
)
from localbento_kernels.cpu.tiles import Words


def radices_of(bits: int) -> tuple[int, ...]:
    """Levels of each pass: as few passes as radix 16, 8 and 2 allow, the narrowest first."""
    fours = bits // 4
    return {
        0: (4,) * fours,
        1: (3, 3, 3) + (4,) * (fours - 2) if fours > 1 else (1,) + (4,) * fours,
        2: (3, 3) + (4,) * (fours - 1) if fours > 0 else (1, 1),
        3: (3,) + (4,) * fours,
    }[bits % 4]


@njit(nogil=True, cache=True)
def evaluate_rows(
    src: Words, src_start: int, dst: Words, dst_start: int, bits: int, table: Words, table_start: int,
    radices: NDArray[np.int64],
) -> None:  # fmt: skip
    """From coefficients in natural order to values at bit-reversed positions of the table's coset.

    The first pass reads from `src`, all others work in `dst`; both may be one place.
    """
    done, t, data, start = 0, table_start, src, src_start
    if len(radices) == 0:
        dst[dst_start : dst_start + ROW] = src[src_start : src_start + ROW]
    for radix in radices:
        below = bits - done - radix  # log2 of the rows in a node's stride
        for node in range(1 << done):
            offset = node * (ROW << (bits - done))
            source = data, start + offset, ROW << below, 0, ROW
            target = dst, dst_start + offset, ROW << below, 0, ROW
            if radix == 4:
                evaluate_16(source, 0, target, (table, t, 0), 1 << below)
            elif radix == 3:
                evaluate_8(source, 0, target, (table, t, 0), 1 << below)
            else:
                evaluate_2(source, 0, target, (table, t, 0), 1 << below)
            t += 2 << radix
        done += radix
        data, start = dst, dst_start


@njit(nogil=True, cache=True)
def interpolate_rows(data: Words, start: int, bits: int, table: Words, words: int, radices: NDArray[np.int64]) -> None:
    """From values at bit-reversed positions to coefficients in natural order: the passes backwards, each scaled."""
    done, t = bits, words
    for i in range(len(radices)):
        radix = radices[len(radices) - 1 - i]
        done -= radix
        below = bits - done - radix
        t -= 2 << (done + radix)
        for node in range(1 << done):
            place = data, start + node * (ROW << (bits - done)), ROW << below, 0, ROW
            factors = table, t + node * (2 << radix), 0
            if radix == 4:
                interpolate_16_scaled(place, 0, place, factors, 1 << below)
            elif radix == 3:
                interpolate_8_scaled(place, 0, place, factors, 1 << below)
            else:
                interpolate_2_scaled(place, 0, place, factors, 1 << below)


@njit(nogil=True, cache=True)
def reverse_rows(src: Words, dst: Words, bits: int) -> None:
    """Row i of one tile, flat, to row reverse(i) of another; in place if both are one."""
    reverse, swap = 0, src.ctypes.data == dst.ctypes.data
    for i in range(1 << bits):
        if not swap:
            for lane in range(ROW):
                dst[reverse * ROW + lane] = src[i * ROW + lane]
        elif i < reverse:
            for lane in range(ROW):
                word = src[i * ROW + lane]
                src[i * ROW + lane] = src[reverse * ROW + lane]
                src[reverse * ROW + lane] = word
        bit = (1 << bits) >> 1
        while reverse & bit:
            reverse ^= bit
            bit >>= 1
        reverse |= bit
