"""Hash suites: which functions a proof's trees and transcript are made with.

A parameter set names its suite by number, and the transcript absorbs that number: proofs of two suites never mix.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
from numpy.typing import NDArray

from localbento.hash import poseidon2
from localbento.hash.digest import Digest

Rows = NDArray[np.uint64]


@dataclass(frozen=True, slots=True)
class HashSuite:
    """One permutation and the hashes made of it; `_batch` works on arrays, one row each."""

    identifier: int
    name: str
    width: int
    rate: int
    permute: Callable[[Sequence[int]], list[int]]
    hash_leaf: Callable[[Sequence[int]], Digest]
    compress: Callable[[Sequence[int], Sequence[int]], Digest]
    permute_batch: Callable[[Rows], Rows]
    hash_leaf_batch: Callable[[Rows], Rows]
    compress_batch: Callable[[Rows, Rows], Rows]


POSEIDON2_BABYBEAR_24: Final = HashSuite(
    identifier=1,
    name="poseidon2-babybear-24",
    width=poseidon2.WIDTH,
    rate=poseidon2.RATE,
    permute=poseidon2.permute,
    hash_leaf=poseidon2.hash_leaf,
    compress=poseidon2.compress,
    permute_batch=poseidon2.permute_batch,
    hash_leaf_batch=poseidon2.hash_leaf_batch,
    compress_batch=poseidon2.compress_batch,
)

SUITES: Final = {suite.identifier: suite for suite in (POSEIDON2_BABYBEAR_24,)}
