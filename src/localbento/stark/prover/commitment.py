"""Extending and committing to matrices of several heights, and opening them at a query.  Twin: `stark.commit`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from localbento.stark import commit as reference
from localbento.stark.prover.numbers import canonical, montgomery
from localbento.stark.prover.work import Work
from localbento.stark.shape import TreeShape
from localbento_kernels.cpu.tiles import LANES, Words, pack, unpack


@dataclass(frozen=True, eq=False)
class Commitment:
    """A tree and the matrices under it: `extended` are tiles, tallest first; `levels` digests, leaves first."""

    tree: TreeShape
    extended: tuple[Words, ...]
    levels: tuple[Words, ...]

    @property
    def cap(self) -> list[int]:
        """The elements of the cap's digests, left to right."""
        elements: list[int] = canonical(self.levels[-1]).ravel().tolist()
        return elements

    def at(self, log_rows: int) -> Words | None:
        """The extended matrix of a height, if the tree has one."""
        if log_rows not in self.tree.heights:
            return None
        return self.extended[self.tree.heights.index(log_rows)]

    def opening(self, index: int, index_bits: int) -> NDArray[np.uint32]:
        """All elements that a query opens of this tree: the rows, tallest first, and the siblings."""
        parts: list[Words] = []
        for matrix, width in zip(self.extended, self.tree.widths, strict=True):
            position = index >> (index_bits - (matrix.shape[1].bit_length() - 1))
            parts.append(matrix[:, position, :].ravel()[:width])
        position = index >> (index_bits - self.tree.log_leaves)
        for depth, level in enumerate(self.levels[: self.tree.path]):
            parts.append(level[(position >> depth) ^ 1])
        return canonical(np.concatenate(parts))


def extend(tiles: Words, log_blowup: int, work: Work) -> Words:
    """The extension of a trace: uint32[tiles, k, 16] to uint32[tiles, k << log_blowup, 16]."""
    with work.timed("transform"):
        rows = canonical(unpack(tiles, len(tiles) * LANES)).T
        return _tiles(reference.extend(rows.astype(np.uint64), log_blowup))


def _tiles(columns: NDArray[np.uint64]) -> Words:
    return pack(montgomery(np.ascontiguousarray(columns.T)))


def evaluate(coefficients: Words, log_blowup: int, work: Work) -> Words:
    """Polynomials of degree < k, coefficients in natural order, on the domain of k << log_blowup points."""
    with work.timed("transform"):
        rows = canonical(unpack(coefficients, len(coefficients) * LANES)).T
        log_size = rows.shape[1].bit_length() - 1 + log_blowup
        return _tiles(reference.evaluate_on_domain(rows.astype(np.uint64), log_size))


def interpolate(values: Words, work: Work) -> Words:
    """Coefficients, in natural order, of values on a domain at bit-reversed positions."""
    with work.timed("transform"):
        rows = canonical(unpack(values, len(values) * LANES)).T
        return _tiles(reference.interpolate_on_domain(rows.astype(np.uint64)))


def commit(tree: TreeShape, extended: Sequence[Words], log_blowup: int, work: Work) -> Commitment:
    """The tree over extended matrices, tallest first."""
    with work.timed("hash"):
        columns = [canonical(unpack(m, w)).T.astype(np.uint64) for m, w in zip(extended, tree.widths, strict=True)]
        made = reference.commit(tree, columns, log_blowup)
        return Commitment(tree, tuple(extended), tuple(montgomery(level) for level in made.levels))
