"""Proof of work on a transcript: the smallest nonce that leaves the wanted number of zero bits.

The nonce is absorbed as a message of type 12: a block (12, 1, 0 ...) and a block (nonce, 0 ...), each overwriting the
rate and followed by a permutation; then the first element squeezed, canonical, has its low bits zero.  Only the
second permutation depends on the nonce, and its capacity is the same for all: so nonces are hashed like rows.

Source: docs/protocol.md, "Transcript".
"""

from typing import Final

import numpy as np

from localbento_kernels.cpu.field import from_mont, to_mont
from localbento_kernels.cpu.parallel import map_threads, ranges
from localbento_kernels.cpu.poseidon2 import hash_blocks
from localbento_kernels.cpu.poseidon2_scalar import permute_one
from localbento_kernels.cpu.tiles import Words, aligned, aligned_zeros
from localbento_kernels.cpu.vector import P

NONCE_MESSAGE: Final = 12
RATE: Final = 16
AT_ONCE: Final = 1 << 14
"""PERF: nonces that a thread tries between two looks at the others; 3 ms of hashing, 1 MiB."""


def _try(capacity: Words, first: int, count: int, bits: int) -> int | None:
    """The smallest passing nonce of [first, first + count)."""
    tiles, digests = aligned_zeros((1, count, RATE)), aligned((count, 8))
    tiles[0, :, 0] = to_mont(np.arange(first, first + count, dtype=np.uint32))
    hash_blocks(tiles, capacity, digests)
    squeezed = from_mont(np.ascontiguousarray(digests[:, 0]))
    passing = np.flatnonzero(squeezed & np.uint32((1 << bits) - 1) == 0)
    return first + int(passing[0]) if len(passing) else None


def grind(state: Words, bits: int, threads: int = 1) -> int:
    """The smallest nonce that a transcript in this state accepts.

    Shapes:
        state uint32[24], canonical.

    Raises:
        ValueError: if the state has another shape or bits are not in 0..30.
        ArithmeticError: if no element of the field passes (never happens for 20 bits: p / 2^20 are expected to).
    """
    if state.shape != (24,) or not 0 <= bits <= 30:
        msg = f"grinding: expected a state of 24 elements and 0 to 30 bits, found {state.shape} and {bits}"
        raise ValueError(msg)
    header = np.array(state, np.uint32)
    header[:RATE] = 0
    header[0], header[1] = NONCE_MESSAGE, 1
    capacity = to_mont(permute_one(header)[RATE:])
    at_once = min(AT_ONCE, max(64, 1 << bits))
    for first in range(0, P, at_once * threads):
        parts = ranges(min(at_once * threads, P - first), threads)

        def attempt(bounds: tuple[int, int], start: int = first) -> int | None:
            return _try(capacity, start + bounds[0], bounds[1] - bounds[0], bits)

        found = [nonce for nonce in map_threads(attempt, parts, threads) if nonce is not None]
        if found:
            return min(found)
    msg = f"grinding: no nonce leaves {bits} zero bits"
    raise ArithmeticError(msg)
