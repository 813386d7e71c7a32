"""Low-degree extension of large tiles in three visits to memory, whatever the size.

2^k = 2^a * 2^b (Bailey); the inner half of the interpolation and the outer half of the evaluations meet the same
blocks.  A block, 64 KiB for 2^10 rows, is worked on in a buffer in the L2 cache, together with a few neighbours, so
that what is read or written with a large stride comes in runs of 256 bytes and more.  The next block is prefetched
while this one is worked on, and output larger than the cache is stored past it.  There is no bit reversal:
interpolation leaves coefficients in the order in which evaluation takes them.

A block of 2^n rows takes two or three passes, of radix 8 or 16: outer, middle, inner, from the widest distance to
adjacent rows (evaluation goes from inner to outer).  In a buffer the 2^outer parts of a block lie one row further
apart than they need: at a power of two they would fall into the same sets of the cache.  With two passes a part is
one node, and one call does all parts: a call costs a tenth of a node.
"""

from numba import njit

from localbento_kernels.cpu.ntt_nodes import (
    ROW,
    evaluate_8,
    evaluate_8_past,
    evaluate_16,
    evaluate_16_past,
    interpolate_8,
    interpolate_16,
    interpolate_16_scaled,
)
from localbento_kernels.cpu.tiles import Words


@njit(nogil=True, cache=True)
def _reverse(x: int, bits: int) -> int:
    r = 0
    for _ in range(bits):
        r, x = 2 * r + x % 2, x >> 1
    return r


@njit(nogil=True, cache=True)
def _shape(bits: int, outer: int) -> tuple[int, int, int]:
    """Rows in a part of a block, and words in the buffer from part to part and from block to block."""
    rows = 1 << bits - outer
    spacing = (rows + 1) * ROW
    return rows, spacing, spacing << outer


@njit(nogil=True, cache=True)
def interpolate_columns(
    src: Words,
    dst: Words,
    buffer: Words,
    table: Words,
    words: int,
    a: int,
    b: int,
    outer: int,
    middle: int,
    inner: int,
    first: int,
    last: int,
    together: int,
) -> None:
    """The outer `a` levels of interpolation.  Column c of 2^b: the rows c + i * 2^b, transformed by its own table."""
    stride = ROW << b
    rows, spacing, block = _shape(a, outer)
    outer_table = words - (2 * rows << outer)
    for column in range(first, last, together):
        t, start = column * words, column * ROW
        for i in range(rows):
            source = src, start + i * stride, 0, rows * stride, ROW
            target = buffer, i * ROW, 0, spacing, block
            factors = table, t + outer_table + (2 * i << outer), words
            if outer == 3:
                interpolate_8(source, together * ROW, target, factors, together)
            else:
                interpolate_16(source, together * ROW, target, factors, together)
        for part in range(1 << outer):
            if middle:
                for c in range(together):
                    place = buffer, c * block + part * spacing, 0, ROW << inner, ROW
                    interpolate_8(place, 0, place, (table, t + c * words + (2 << inner), 16), 1 << inner)
            for node in range(rows >> inner):
                source = buffer, part * spacing + (node * ROW << inner), 0, ROW, block
                target = dst, start + (part * rows + (node << inner)) * stride, 0, stride, ROW
                if inner == 3:
                    interpolate_8(source, 0, target, (table, t, words), together)
                else:
                    interpolate_16(source, 0, target, (table, t, words), together)


@njit(nogil=True, cache=True)
def interpolate_and_evaluate(
    src: Words,
    dst: Words,
    coefficients: Words,
    buffer: Words,
    table_in: Words,
    tables_out: Words,
    words: int,
    cosets: int,
    a: int,
    b: int,
    outer: int,
    middle: int,
    inner: int,
    first: int,
    last: int,
    together: int,
    past_cache: bool,
) -> None:
    """The inner `b` levels of interpolation, and the outer `b` of evaluation on each coset, block by block."""
    stride = ROW << a
    rows, spacing, block = _shape(b, outer)
    outer_table = words - (2 * rows << outer)
    for column in range(first, last, together):
        for c in range(together):
            start, place = _reverse(column + c, a) * (ROW << b), c * block
            ahead = _reverse((column + c + 1) % (1 << a), a) * (ROW << b) - start
            source, target = (src, start, 0, rows * ROW, ROW), (coefficients, place, 0, spacing, ROW)
            if outer == 3:
                interpolate_8(source, ahead, target, (table_in, outer_table, 16), rows)
            else:
                interpolate_16(source, ahead, target, (table_in, outer_table, 32), rows)
            if not middle:
                nodes = coefficients, place, 0, ROW, spacing
                interpolate_16_scaled(nodes, 0, nodes, (table_in, 0, 0), 1 << outer)
                continue
            for part in range(place, place + block, spacing):
                nodes = coefficients, part, 0, ROW << inner, ROW
                interpolate_8(nodes, 0, nodes, (table_in, 2 << inner, 16), 1 << inner)
                nodes = coefficients, part, 0, ROW, ROW << inner
                interpolate_16_scaled(nodes, 0, nodes, (table_in, 0, 0), rows >> inner)
        for coset in range(cosets):
            t = coset * words
            if not middle:
                source, target = (coefficients, 0, 0, ROW, spacing), (buffer, 0, 0, ROW, spacing)
                evaluate_16(source, 0, target, (tables_out, t, 0), together << outer)
            else:
                for part in range(0, together * block, spacing):
                    nodes = coefficients, part, 0, ROW, ROW << inner
                    evaluate_16(nodes, 0, (buffer, part, 0, ROW, ROW << inner), (tables_out, t, 0), rows >> inner)
                    nodes = buffer, part, 0, ROW << inner, ROW
                    evaluate_8(nodes, 0, nodes, (tables_out, t + (2 << inner), 16), 1 << inner)
            for i in range(rows):
                source = buffer, i * ROW, 0, spacing, block
                row = (coset << a + b) + (_reverse(i, b - outer) << outer + a) + column
                target = dst, row * ROW, stride, 0, ROW
                factors = tables_out, t + outer_table + (2 * i << outer), 0
                if outer == 3 and past_cache:
                    evaluate_8_past(source, 0, target, factors, together)
                elif outer == 3:
                    evaluate_8(source, 0, target, factors, together)
                elif past_cache:
                    evaluate_16_past(source, 0, target, factors, together)
                else:
                    evaluate_16(source, 0, target, factors, together)


@njit(nogil=True, cache=True)
def evaluate_blocks(
    data: Words,
    buffer: Words,
    table: Words,
    words: int,
    a: int,
    outer: int,
    middle: int,
    inner: int,
    first: int,
    last: int,
) -> None:
    """The inner `a` levels of evaluation, in place, in adjacent blocks of 2^a rows, each with its own table."""
    rows, spacing, _ = _shape(a, outer)
    inner_table = words - (2 << a)
    for block in range(first, last):
        start, t = block * (ROW << a), block * words
        source, target = (data, start, rows * ROW, 0, ROW), (buffer, 0, spacing, 0, ROW)
        if outer == 3:
            evaluate_8(source, ROW << a, target, (table, t, 0), rows)
        else:
            evaluate_16(source, ROW << a, target, (table, t, 0), rows)
        if not middle:
            source, target = (buffer, 0, ROW, 0, spacing), (data, start, ROW, 0, ROW << inner)
            evaluate_16(source, 0, target, (table, t + inner_table, 32), 1 << outer)
            continue
        for part in range(1 << outer):
            nodes = buffer, part * spacing, ROW << inner, 0, ROW
            evaluate_8(nodes, 0, nodes, (table, t + (2 << outer) + part * 16, 0), 1 << inner)
            source = buffer, part * spacing, ROW, 0, ROW << inner
            target = data, start + part * rows * ROW, ROW, 0, ROW << inner
            factors = table, t + inner_table + part * rows * 2, 2 << inner
            if inner == 3:
                evaluate_8(source, 0, target, factors, rows >> inner)
            else:
                evaluate_16(source, 0, target, factors, rows >> inner)
