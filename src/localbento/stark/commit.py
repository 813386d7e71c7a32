"""Transforms and commitments in plain numpy: exact, slow, and the reference for the prover's kernels.

Source: docs/protocol.md, "Domains" and "Trees".  A matrix is `uint64[columns, ...]`, canonical; traces are in natural
order, extensions at bit-reversed positions.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from localbento.field import arrays
from localbento.field.babybear import P, coset_shift, inverse, root_of_unity
from localbento.hash.poseidon2 import compress_batch, hash_leaf_batch
from localbento.stark.shape import TreeShape

Array: TypeAlias = NDArray[np.uint64]


def reversal(bits: int) -> NDArray[np.int64]:
    """The bit-reversed positions of 0 ... 2^bits - 1."""
    result = np.zeros(1, np.int64)
    for _ in range(bits):
        result = np.concatenate([2 * result, 2 * result + 1])
    return result


def powers(x: int, count: int) -> Array:
    """1, x, x^2, ..., uint64[count]."""
    result, step = np.ones(1, np.uint64), arrays.base(x)
    while len(result) < count:
        result = np.concatenate([result, arrays.mul(result, step)])
        step = arrays.mul(step, step)
    return result[:count]


def transform(coefficients: Array, root: int) -> Array:
    """Values at 1, root, root^2, ... in natural order: last axis of a power of two, the root's order."""
    size = coefficients.shape[-1]
    bits = size.bit_length() - 1
    values = coefficients[..., reversal(bits)]
    for level in range(bits):
        half = 1 << level
        twiddles = powers(pow(root, size >> (level + 1), P), half)
        pairs = values.reshape(*values.shape[:-1], size // (2 * half), 2, half)
        low, high = pairs[..., 0, :], arrays.mul(pairs[..., 1, :], twiddles)
        values = np.stack([arrays.add(low, high), arrays.sub(low, high)], axis=-2).reshape(values.shape)
    return values


def interpolate(rows: Array) -> Array:
    """Coefficients, constant first, of the columns whose value at w_h^i is rows[..., i]."""
    size = rows.shape[-1]
    bits = size.bit_length() - 1
    scaled = transform(rows, inverse(root_of_unity(bits)))
    return arrays.mul(scaled, arrays.base(inverse(size)))


def evaluate_on_domain(coefficients: Array, log_size: int) -> Array:
    """Values on D_j at bit-reversed positions."""
    count = coefficients.shape[-1]
    padded = np.zeros((*coefficients.shape[:-1], 1 << log_size), np.uint64)
    padded[..., :count] = arrays.mul(coefficients, powers(coset_shift(log_size), count))
    return transform(padded, root_of_unity(log_size))[..., reversal(log_size)]


def interpolate_on_domain(values: Array) -> Array:
    """Coefficients from values on D_j at bit-reversed positions."""
    bits = values.shape[-1].bit_length() - 1
    scaled = interpolate(values[..., reversal(bits)])
    return arrays.mul(scaled, powers(inverse(coset_shift(bits)), 1 << bits))


def extend(rows: Array, log_blowup: int) -> Array:
    """The extension of columns: uint64[..., 2^h] to D_(h + log_blowup)."""
    return evaluate_on_domain(interpolate(rows), rows.shape[-1].bit_length() - 1 + log_blowup)


@dataclass(frozen=True, eq=False)
class Commitment:
    """A Merkle tree over matrices of one or several heights: `extended[i]` is uint64[cells, points]."""

    tree: TreeShape
    extended: tuple[Array, ...]
    levels: tuple[Array, ...]

    @property
    def cap(self) -> tuple[tuple[int, ...], ...]:
        """The digests of the cap, left to right."""
        return tuple(tuple(row) for row in self.levels[-1].tolist())

    def rows(self, index: int, index_bits: int) -> list[list[int]]:
        """The rows of all heights at a query's index, tallest first."""
        return [
            matrix[:, index >> (index_bits - (matrix.shape[1].bit_length() - 1))].tolist() for matrix in self.extended
        ]

    def siblings(self, index: int, index_bits: int) -> list[list[int]]:
        """The siblings, leaf upwards."""
        position = index >> (index_bits - self.tree.log_leaves)
        return [level[(position >> depth) ^ 1].tolist() for depth, level in enumerate(self.levels[:-1])]

    def opening(self, index: int, index_bits: int) -> list[int]:
        """All elements that a query opens of this tree."""
        parts = [*self.rows(index, index_bits), *self.siblings(index, index_bits)]
        return [element for part in parts for element in part]


def commit(tree: TreeShape, extended: Sequence[Array], log_blowup: int) -> Commitment:
    """The tree over extended matrices, uint64[cells, points], tallest first."""
    rows = [hash_leaf_batch(np.ascontiguousarray(matrix.T)) for matrix in extended]
    levels, joined = [rows[0]], 1
    while len(levels[-1]) > 1 << tree.cap:
        below = levels[-1]
        level = compress_batch(below[::2], below[1::2])
        if joined < len(rows) and len(level) == 1 << (tree.heights[joined] + log_blowup):
            level = compress_batch(level, rows[joined])
            joined += 1
        levels.append(level)
    return Commitment(tree, tuple(extended), tuple(levels))


def commit_rows(tree: TreeShape, matrices: Sequence[NDArray[np.unsignedinteger]], log_blowup: int) -> Commitment:
    """The tree over matrices of rows in natural order, integers [cells, rows], tallest first."""
    return commit(tree, [extend(matrix.astype(np.uint64), log_blowup) for matrix in matrices], log_blowup)
