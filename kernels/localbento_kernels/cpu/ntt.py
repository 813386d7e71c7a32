"""Transforms of tiles: interpolation, evaluation, and the low-degree extension, on the protocol's domains.

Trace row i of 2^h rows is at w_h^i, in natural order.  The evaluation domain of 2^j points is D_j = c_j <w_j> with
c_j = 31^(2^(27-j)), and row i of an extension is at its bit-reversed position i.  Coefficients are in natural order.
All tiles are in Montgomery form and stay in it.

Source: docs/protocol.md, "Domains".  Twins: localbento.field.polynomial.
"""

from collections.abc import Callable
from functools import cache, lru_cache
from typing import Final

import numpy as np

from localbento_kernels.cpu.ntt_blocks import evaluate_blocks, interpolate_and_evaluate, interpolate_columns
from localbento_kernels.cpu.ntt_nodes import ROW, reverse_bits
from localbento_kernels.cpu.ntt_rows import evaluate_rows, interpolate_rows, radices_of, reverse_rows
from localbento_kernels.cpu.ntt_twiddles import geometric, power, root_of_unity, table_words, twiddles
from localbento_kernels.cpu.parallel import map_threads, ranges
from localbento_kernels.cpu.tiles import Words, aligned, checked, log2_rows
from localbento_kernels.cpu.vector import GENERATOR, TWO_ADICITY, P

HALF: Final = (P + 1) // 2
PAST_CACHE_ROWS: Final = 1 << 16
"""PERF: from this size on, output is stored past the cache."""

RADICES: Final = {
    7: (3, 0, 4), 8: (4, 0, 4), 9: (3, 3, 3), 10: (3, 3, 4), 11: (4, 3, 4)
}  # fmt: skip
SPLIT: Final = {
    14: (7, 7), 15: (8, 7), 16: (8, 8), 17: (9, 8), 18: (8, 10), 19: (9, 10), 20: (10, 10), 21: (11, 10), 22: (11, 11)
}  # fmt: skip
"""k = a + b.  PERF: measured; below 2^14 rows a tile and its transforms fit the L2 cache."""

COLUMN_BUFFER_ROWS: Final = (1 << 13) + 256
BLOCK_BUFFER_ROWS: Final = (1 << 12) + 256


def coset_shift(bits: int) -> int:
    """c_j of the protocol."""
    return power(GENERATOR, 1 << (TWO_ADICITY - bits))


def _checked_bits(bits: int) -> int:
    if bits > TWO_ADICITY:
        msg = f"transform: expected at most 2^{TWO_ADICITY} points, found 2^{bits}"
        raise ValueError(msg)
    return bits


@cache
def _evaluation_table(bits: int, base: int) -> Words:
    return twiddles([base], root_of_unity(bits), bits, radices_of(bits), natural=False)


@cache
def _interpolation_table(bits: int, base: int) -> Words:
    root = power(root_of_unity(bits), -1)
    return twiddles([power(base, -1)], root, bits, radices_of(bits), natural=False, scale=HALF)


class _SmallExtension:
    """Extension of a tile that fits the cache: one interpolation, and an evaluation for each coset."""

    def __init__(self, log_rows: int, log_blowup: int) -> None:
        self.bits, self.cosets = log_rows, 1 << log_blowup
        large = root_of_unity(log_rows + log_blowup)
        shift = coset_shift(log_rows + log_blowup)
        bases = [shift * power(large, reverse_bits(c, log_blowup)) % P for c in range(self.cosets)]
        radices = radices_of(log_rows)
        self.radices, self.words = np.array(radices, np.int64), table_words(radices)
        self.back = _interpolation_table(log_rows, 1)
        self.out = twiddles(bases, root_of_unity(log_rows), log_rows, radices, natural=False)

    def extend(self, tile: Words, extended: Words, workspace: Words, _threads: int = 1) -> None:
        """Flat words of one tile to flat words of its extension."""
        between = workspace[: ROW << self.bits]
        reverse_rows(tile, between, self.bits)
        interpolate_rows(between, 0, self.bits, self.back, self.words, self.radices)
        for coset in range(self.cosets):
            start = coset * (ROW << self.bits)
            evaluate_rows(between, 0, extended, start, self.bits, self.out, coset * self.words, self.radices)

    @property
    def workspace_words(self) -> int:
        """Words that a thread needs beside its tile."""
        return ROW << self.bits


def _levels(radices: tuple[int, int, int]) -> tuple[int, ...]:
    """Outer, middle and inner levels; two passes have no middle."""
    return tuple(levels for levels in radices if levels)


class _LargeExtension:
    """Extension of a tile larger than the cache; one tile may be worked on by several threads."""

    def __init__(self, log_rows: int, log_blowup: int) -> None:
        self.bits, self.cosets = log_rows, 1 << log_blowup
        self.a, self.b = a, b = SPLIT[log_rows]
        large, shift = root_of_unity(log_rows + log_blowup), coset_shift(log_rows + log_blowup)
        w = root_of_unity(log_rows)
        w_inverse = power(w, -1)
        shifts = [shift * power(large, reverse_bits(c, log_blowup)) % P for c in range(self.cosets)]
        self.outward, self.inward = RADICES[a], RADICES[b]
        outward, inward = _levels(self.outward), _levels(self.inward)
        self.block_words = table_words(outward)
        self.column_words, self.coset_words = table_words(outward[::-1]), table_words(inward[::-1])
        bases = geometric(1, w_inverse, 1 << b)
        self.columns = twiddles(bases, power(w_inverse, 1 << b), a, outward[::-1], natural=True)
        self.back = twiddles([1], power(w_inverse, 1 << a), b, inward[::-1], natural=True)
        scale = power(1 << log_rows, -1)
        # of the one pass that scales, whose points are 1
        self.back[:32:2], self.back[1:32:2] = scale, (scale << 32) // P
        bases = [power(s, 1 << a) for s in shifts]
        self.out = twiddles(bases, power(w, 1 << a), b, inward[::-1], natural=True)
        points = [geometric(s, w, 1 << b) for s in shifts]
        bases = [values[reverse_bits(y, b)] for values in points for y in range(1 << b)]
        self.blocks = twiddles(bases, power(w, 1 << b), a, outward, natural=False)

    @property
    def workspace_words(self) -> int:
        """Words that a thread needs: a tile of rows, and two buffers meant for the L2 cache."""
        return ROW * ((1 << self.bits) + COLUMN_BUFFER_ROWS + BLOCK_BUFFER_ROWS)

    def extend(self, tile: Words, extended: Words, workspace: Words, threads: int = 1) -> None:
        """Flat words of one tile to flat words of its extension."""
        a, b = self.a, self.b
        between, own = workspace[: ROW << self.bits], workspace[ROW << self.bits :]
        buffers = [own] + [aligned(len(own)) for _ in range(threads - 1)]
        columns_at_once, blocks_at_once = min(16, 1 << (13 - a)), min(16, 1 << (12 - b))
        past_cache = 1 << self.bits >= PAST_CACHE_ROWS

        def columns(first: int, last: int, buffer: Words) -> None:
            interpolate_columns(
                tile,
                between,
                buffer,
                self.columns,
                self.column_words,
                a,
                b,
                *self.outward,
                first,
                last,
                columns_at_once,
            )

        def cosets(first: int, last: int, buffer: Words) -> None:
            second = buffer[ROW * COLUMN_BUFFER_ROWS :]
            interpolate_and_evaluate(
                between, extended, buffer, second, self.back, self.out, self.coset_words, self.cosets, a, b,
                *self.inward, first, last, blocks_at_once, past_cache,
            )  # fmt: skip

        def blocks(first: int, last: int, buffer: Words) -> None:
            evaluate_blocks(extended, buffer, self.blocks, self.block_words, a, *self.outward, first, last)

        phases: tuple[tuple[Callable[[int, int, Words], None], int, int], ...] = (
            (columns, 1 << b, columns_at_once),
            (cosets, 1 << a, blocks_at_once),
            (blocks, self.cosets << b, 1),
        )
        for phase, count, multiple in phases:
            parts = [(*part, buffer) for part, buffer in zip(ranges(count, threads, multiple), buffers, strict=False)]
            map_threads(lambda part, phase=phase: phase(*part), parts, threads)  # type: ignore[misc]


@lru_cache(maxsize=32)
def _extension(log_rows: int, log_blowup: int) -> _SmallExtension | _LargeExtension:
    return (_LargeExtension if log_rows in SPLIT else _SmallExtension)(log_rows, log_blowup)


def coset_lde(tiles: Words, log_blowup: int, threads: int = 1, out: Words | None = None) -> Words:
    """Evaluate each column's polynomial on a larger coset.

    tiles[t, i, l] is p(w_h^i), p the polynomial of column 16 t + l; the result [t, i, l] is p at position i of
    D_(h+b): natural order in, bit-reversed out.

    Shapes:
        tiles uint32[t, 2^h, 16] in Montgomery form; result uint32[t, 2^(h+b), 16], as `out` if that is given.

    Raises:
        ValueError: if rows are no power of two, there are more than 2^22, or the result exceeds 2^27 points.

    Source: docs/protocol.md, "Low-degree extension".  Twin: field.polynomial.evaluate_on_coset.
    """
    log_rows = log2_rows(checked(tiles))
    _checked_bits(log_rows + log_blowup)
    if log_rows > max(SPLIT):
        msg = f"extension: expected at most 2^{max(SPLIT)} rows, found 2^{log_rows}"
        raise ValueError(msg)
    result = _output((len(tiles), 1 << (log_rows + log_blowup), ROW), out)
    extension = _extension(log_rows, log_blowup)
    shared = len(tiles) % threads if isinstance(extension, _LargeExtension) else 0
    whole = len(tiles) - shared

    def some(bounds: tuple[int, int]) -> None:
        workspace = aligned(extension.workspace_words)
        for t in range(*bounds):
            extension.extend(tiles[t].reshape(-1), result[t].reshape(-1), workspace)

    map_threads(some, ranges(whole, threads), threads)
    if shared:
        workspace = aligned(extension.workspace_words)
        for t in range(whole, len(tiles)):
            extension.extend(tiles[t].reshape(-1), result[t].reshape(-1), workspace, threads)
    return result


def _output(shape: tuple[int, ...], out: Words | None) -> Words:
    if out is None:
        return aligned(shape)
    if checked(out).shape != shape:
        msg = f"output: expected shape {shape}, found {out.shape}"
        raise ValueError(msg)
    return out


def ntt(tiles: Words, threads: int = 1) -> Words:
    """Values at w_h^i, natural order, of polynomials given by their coefficients, natural order.

    Shapes:
        uint32[t, 2^h, 16] in and out, in Montgomery form.

    Raises:
        ValueError: if rows are no power of two, or more than 2^27.

    Twin: field.polynomial.transform.
    """
    bits = _checked_bits(log2_rows(checked(tiles)))
    result, table, radices = aligned(tiles.shape), _evaluation_table(bits, 1), np.array(radices_of(bits), np.int64)

    def one(t: int) -> None:
        flat = result[t].reshape(-1)
        evaluate_rows(tiles[t].reshape(-1), 0, flat, 0, bits, table, 0, radices)
        reverse_rows(flat, flat, bits)

    map_threads(one, range(len(tiles)), threads)
    return result


def intt(tiles: Words, threads: int = 1) -> Words:
    """Coefficients, natural order, of the polynomials with these values at w_h^i: the inverse of `ntt`.

    Twin: field.polynomial.interpolate_trace.
    """
    bits = _checked_bits(log2_rows(checked(tiles)))
    result = aligned(tiles.shape)

    def one(t: int) -> None:
        flat = result[t].reshape(-1)
        reverse_rows(tiles[t].reshape(-1), flat, bits)
        _interpolate(flat, bits, 1)

    map_threads(one, range(len(tiles)), threads)
    return result


def _interpolate(flat: Words, bits: int, base: int) -> None:
    radices = radices_of(bits)
    table, words = _interpolation_table(bits, base), table_words(radices)
    interpolate_rows(flat, 0, bits, table, words, np.array(radices, np.int64))


def coset_intt(tiles: Words, threads: int = 1, out: Words | None = None) -> Words:
    """Coefficients, natural order, of the polynomials with these values on D_j, rows bit-reversed.

    Shapes:
        uint32[t, 2^j, 16] in and out, in Montgomery form; `out` may be `tiles` itself.

    Raises:
        ValueError: if rows are no power of two, or more than 2^27.

    Twin: field.polynomial.interpolate_on_domain.
    """
    bits = _checked_bits(log2_rows(checked(tiles)))
    result = _output(tiles.shape, out)
    shift = coset_shift(bits)

    def one(t: int) -> None:
        if result is not tiles:
            result[t] = tiles[t]
        _interpolate(result[t].reshape(-1), bits, shift)

    map_threads(one, range(len(tiles)), threads)
    return result


def coset_ntt(coefficients: Words, log_blowup: int, threads: int = 1, out: Words | None = None) -> Words:
    """Values on D_(h+b), rows bit-reversed, of polynomials given by 2^h coefficients in natural order.

    Goes over the trace domain: a transform of the short side costs little beside the extension.

    Twin: field.polynomial.evaluate_on_domain.
    """
    return coset_lde(ntt(coefficients, threads), log_blowup, threads, out)
