"""Merkle trees of matrices of different heights, up to a cap.

The tallest matrix's row digests are the leaves.  A shorter matrix of 2^k rows joins at the level of 2^k nodes:
node = compress(compress(left, right), digest of its row).  The levels end with the cap.

Source: docs/protocol.md, "Trees".  Twin: localbento.hash.tree.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from localbento_kernels.cpu.field import from_mont
from localbento_kernels.cpu.poseidon2 import compress, compress_pairs, hash_rows
from localbento_kernels.cpu.tiles import Words, checked, log2_rows


@dataclass(frozen=True, slots=True)
class Matrix:
    """Rows to commit to: the cells of one height, without padding in between.

    tiles uint32[t, 2^k, 16] in Montgomery form, bit-reversed rows; columns from `width` on are zero.
    """

    tiles: Words
    width: int

    @property
    def log_rows(self) -> int:
        """log2 of the number of rows."""
        return log2_rows(checked(self.tiles))


@dataclass(frozen=True, slots=True)
class Tree:
    """All levels of digests in Montgomery form, uint32[2^k, 8]: leaves first, the cap last."""

    matrices: tuple[Matrix, ...]
    levels: tuple[Words, ...]

    @property
    def height(self) -> int:
        """log2 of the number of leaves."""
        return len(self.levels[0]).bit_length() - 1

    @property
    def cap(self) -> Words:
        """The digests at the top, canonical, uint32[2^c, 8], left to right."""
        return from_mont(self.levels[-1])

    def rows(self, indices: Sequence[int] | NDArray[np.int64]) -> list[Words]:
        """For each matrix, tallest first, the rows under these leaves: canonical uint32[queries, width].

        Raises:
            IndexError: if there is no such leaf.
        """
        positions = self._checked(indices)
        return [gather_rows(m, positions >> (self.height - m.log_rows)) for m in self.matrices]

    def paths(self, indices: Sequence[int] | NDArray[np.int64]) -> Words:
        """The siblings above these leaves, leaf upwards: canonical uint32[queries, levels below the cap, 8].

        Raises:
            IndexError: if there is no such leaf.
        """
        positions = self._checked(indices)
        result = np.empty((len(positions), len(self.levels) - 1, 8), np.uint32)
        for depth, level in enumerate(self.levels[:-1]):
            result[:, depth] = level[(positions >> depth) ^ 1]
        return from_mont(result)

    def open_rows(self, indices: Sequence[int] | NDArray[np.int64]) -> tuple[list[Words], Words]:
        """`rows` and `paths` of these leaves."""
        return self.rows(indices), self.paths(indices)

    def _checked(self, indices: Sequence[int] | NDArray[np.int64]) -> NDArray[np.int64]:
        positions = np.asarray(indices, np.int64)
        if positions.size and not (positions.min() >= 0 and positions.max() < len(self.levels[0])):
            msg = f"leaves: expected indexes below {len(self.levels[0])}, found {positions.tolist()}"
            raise IndexError(msg)
        return positions


def gather_rows(matrix: Matrix, positions: NDArray[np.int64]) -> Words:
    """The rows at these positions, canonical uint32[n, width]."""
    cells = matrix.tiles[:, positions].transpose(1, 0, 2).reshape(len(positions), -1)
    return from_mont(np.ascontiguousarray(cells[:, : matrix.width]))


def build_tree(matrices: Sequence[Matrix], cap_bits: int, threads: int = 1) -> Tree:
    """Hash rows and nodes up to the cap of 2^cap_bits digests.

    Raises:
        ValueError: if there is no matrix, two have one height, or one has fewer rows than the cap: a tree that does
        not reach its cap does not exist, and key generation allows no such height.
    """
    by_height: Mapping[int, Matrix] = {m.log_rows: m for m in matrices}
    if not matrices or len(by_height) < len(matrices) or min(by_height) < cap_bits:
        heights = [m.log_rows for m in matrices]
        msg = f"tree: expected matrices of different heights of at least 2^{cap_bits} rows, found {heights}"
        raise ValueError(msg)
    height = max(by_height)
    levels = [_row_digests(by_height[height], threads)]
    for log_rows in range(height - 1, cap_bits - 1, -1):
        nodes = compress_pairs(levels[-1], threads)
        if log_rows in by_height:
            nodes = compress(nodes, _row_digests(by_height[log_rows], threads), threads)
        levels.append(nodes)
    ordered = tuple(by_height[h] for h in sorted(by_height, reverse=True))
    return Tree(ordered, tuple(levels))


def _row_digests(matrix: Matrix, threads: int) -> Words:
    return hash_rows(matrix.tiles, matrix.width, threads)
