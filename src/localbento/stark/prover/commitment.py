"""Extending and committing to matrices of several heights, and opening them at queries.  Twin: `stark.commit`."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from localbento.stark.prover.work import Work
from localbento.stark.shape import TreeShape
from localbento_kernels.cpu import merkle, ntt
from localbento_kernels.cpu.tiles import Words


@dataclass(frozen=True, eq=False)
class Commitment:
    """A Merkle tree with the extended matrices under it, tallest first."""

    shape: TreeShape
    tree: merkle.Tree

    @property
    def cap(self) -> NDArray[np.uint32]:
        """The elements of the cap's digests, left to right."""
        return self.tree.cap.reshape(-1)

    def at(self, log_rows: int) -> Words | None:
        """The extended matrix of a height, if the tree has one."""
        if log_rows not in self.shape.heights:
            return None
        return self.tree.matrices[self.shape.heights.index(log_rows)].tiles

    def openings(self, indices: NDArray[np.int64], index_bits: int) -> NDArray[np.uint32]:
        """What each query opens of this tree: the rows, tallest first, and the siblings.

        Shapes: uint32[queries, shape.query_elements], canonical.
        """
        leaves = indices >> (index_bits - self.shape.log_leaves)
        rows, paths = self.tree.open_rows(leaves)
        return np.concatenate([*rows, paths.reshape(len(indices), -1)], axis=1)


def extend(tiles: Words, log_blowup: int, work: Work) -> Words:
    """The extension of a trace: uint32[tiles, k, 16] to uint32[tiles, k << log_blowup, 16]."""
    with work.timed("transform"):
        return ntt.coset_lde(tiles, log_blowup, work.threads)


def evaluate(coefficients: Words, log_blowup: int, work: Work) -> Words:
    """Polynomials of degree < k, coefficients in natural order, on the domain of k << log_blowup points."""
    with work.timed("transform"):
        return ntt.coset_ntt(coefficients, log_blowup, work.threads)


def interpolate(values: Words, work: Work) -> Words:
    """Coefficients, in natural order, of values on a domain at bit-reversed positions; in their place."""
    with work.timed("transform"):
        return ntt.coset_intt(values, work.threads, values)


def commit(shape: TreeShape, extended: Sequence[Words], work: Work) -> Commitment:
    """The tree over extended matrices, tallest first."""
    with work.timed("hash"):
        matrices = [merkle.Matrix(m, width) for m, width in zip(extended, shape.widths, strict=True)]
        return Commitment(shape, merkle.build_tree(matrices, shape.cap, work.threads))
