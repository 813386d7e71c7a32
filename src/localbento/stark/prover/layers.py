"""Step 6 of the prover: the FRI layers and the final polynomial.  Twin: `stark.fri`."""

from collections.abc import Mapping

import numpy as np

from localbento.errors import ProvingError
from localbento.field.babybear import P, coset_shift, inverse, to_montgomery
from localbento.field.extension import DEGREE, Extension
from localbento.stark.commit import interpolate_on_domain
from localbento.stark.prover.numbers import canonical, montgomery_list, multiples, root_powers
from localbento.stark.prover.work import Work
from localbento.stark.shape import LayerShape
from localbento_kernels.cpu import domains, fri
from localbento_kernels.cpu.tiles import LANES, Words, aligned, aligned_zeros, tiles_for

BLOCK = 16


def leaves(layer: LayerShape, log_blowup: int, words: Mapping[int, Words], work: Work) -> Words:
    """The leaves of a layer as tiles: the fibres of its heights side by side.

    `words` has V_t under the layer's top and the DEEP words of the heights between.
    """
    rows = 1 << (layer.bottom + log_blowup)
    tiles = aligned_zeros((tiles_for(sum(layer.tree.widths)), rows, LANES))
    flat, cell = tiles.reshape(-1), 0
    for height in layer.heights:
        word, fibre = words[height], layer.fibre(height)

        def piece(first: int, last: int, word: Words = word, fibre: int = fibre, cell: int = cell) -> None:
            fri.pack_leaves(word, rows * fibre, fibre, flat, rows, cell, first, last)

        work.rows(rows, LANES, piece)
        cell += DEGREE * fibre
    return tiles


def fold_word(word: Words, log_size: int, folds: int, zeta: Extension, work: Work) -> Words:
    """The curve of a word's 2^folds components at zeta: binary folds with zeta, zeta^2, zeta^4, ..."""
    half = montgomery_list([(P + 1) // 2])
    for _ in range(folds):
        n = 1 << log_size
        inverses = aligned(max(n // 2, LANES))
        base = to_montgomery(inverse(2 * coset_shift(log_size) % P))
        domains.fill_points(inverses, base, root_powers(log_size, inverted=True), log_size - 1)
        out, source, factor = aligned(DEGREE * n // 2), word, multiples(zeta)

        def piece(
            first: int, last: int, n: int = n, source: Words = source, inverses: Words = inverses,
            factor: Words = factor, out: Words = out,
        ) -> None:  # fmt: skip
            scratch = aligned(fri.FOLD_REGISTERS * BLOCK)
            fri.fold(source, n, inverses, factor, half, out, scratch, BLOCK, first, last)

        work.rows(n // 2, BLOCK, piece)
        word, log_size, zeta = out, log_size - 1, zeta * zeta
    return word


def next_word(layer: LayerShape, log_blowup: int, words: Mapping[int, Words], zeta: Extension, work: Work) -> Words:
    """V_s: the curve through all components of the layer's heights, and the word that joins at its bottom."""
    size = 1 << (layer.bottom + log_blowup)
    result: Words | None = None
    for height in layer.heights:
        folded = fold_word(words[height], height + log_blowup, height - layer.bottom, zeta, work)
        if result is None:
            result = folded
        else:
            _add(result, folded, size, zeta ** layer.exponent(height), work)
    if result is None:
        msg = "a layer has at least the height that it folds"
        raise ValueError(msg)
    if layer.joins:
        _add(result, words[layer.bottom], size, zeta ** layer.exponent(layer.bottom), work)
    return result


def _add(to: Words, word: Words, size: int, factor: Extension, work: Work) -> None:
    weights = multiples(factor)

    def piece(first: int, last: int) -> None:
        fri.add_scaled(to, word, size, weights, aligned(fri.FOLD_REGISTERS * BLOCK), BLOCK, first, last)

    work.rows(size, BLOCK, piece)


def final_polynomial(word: Words, log_final: int) -> np.ndarray:
    """The coefficients of the last word, uint32[2^log_final * 5], constant first, canonical.

    Raises: ProvingError if its degree is too high: our bug, since every word of an honest proof is low.
    """
    planes = canonical(word).reshape(DEGREE, -1).astype(np.uint64)
    coefficients = interpolate_on_domain(planes)
    if np.any(coefficients[:, 1 << log_final :]):
        msg = "the last FRI word is not of low degree"
        raise ProvingError(msg)
    return np.ascontiguousarray(coefficients[:, : 1 << log_final].T).reshape(-1).astype(np.uint32)
