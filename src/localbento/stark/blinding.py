"""Where a prover's random values come from: one seed for a proof, one stream for each column.

The seed is derived from a secret K of 32 bytes and from everything that a proof depends on, the witness
included, so neither a broken random source nor a repeated K reuses masks across two statements
(docs/security.md, "Blinding").  The verifier knows nothing of this module.

What the streams are for; `column` counts base cells of the row of that height:

    MAIN      main cell                      b values, rows k-b ... k-1
    BUS       cell of a helper column        b values, rows k-b ... k-1
    BUS       cell of S                      b-1 values, rows k-b+1 ... k-1 (row k-b holds the total)
    QUOTIENT  5 i + j, i < chunks - 1        h_q coefficients, constant first, of X^j in the randomizer t_i
    MASK      j                              k coefficients, constant first, of X^j in the mask

With several heights, the first blinding row of the first five main columns of the lowest height is overwritten
with minus the sum of the others', cell by cell: so the masks rho_h of the published sums are uniform and add up
to zero.
"""

import hashlib
from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import Final

import numpy as np
from numpy.typing import NDArray

from localbento.field.babybear import P

SEED_TAG: Final = b"localbento-blind-v1"
STREAM_TAG: Final = b"localbento-blind-stream-v1"
_ACCEPTED: Final = P / 2**31


class Tree(IntEnum):
    """Which columns a stream is for."""

    MAIN = 1
    BUS = 2
    QUOTIENT = 3
    MASK = 4


def blinding_seed(
    secret: bytes,
    *,
    parameters: bytes,
    circuit: Sequence[int],
    heights: Sequence[int],
    public_values: Sequence[int],
    witness: bytes,
    segment: int,
    kind: int,
    attempt: int,
) -> bytes:
    """The 32-byte seed of one attempt at one proof.

    `parameters` is the parameter set's digest, `circuit` the circuit digest's elements, `witness` the
    `witness_digest`; `attempt` counts the prover's own retries inside one proof, never a task's.
    """
    hasher = hashlib.shake_256()
    parts = [
        SEED_TAG, secret, parameters, _integers(circuit), _integers(heights), _integers(public_values),
        witness, _integers([segment]), _integers([kind]), _integers([attempt]),
    ]  # fmt: skip
    for part in parts:
        # Each part with its length, so that no two different lists of parts read alike.
        hasher.update(len(part).to_bytes(8, "little"))
        hasher.update(part)
    return hasher.digest(32)


def _integers(values: Iterable[int]) -> bytes:
    return b"".join(int(v).to_bytes(8, "little") for v in values)


def witness_digest(matrices: Iterable[NDArray[np.uint32]]) -> bytes:
    """SHA-256 over the SHA-256 of each chip's unblinded main columns, chip by chip.

    Shapes: each `uint32[main columns, rows]`, canonical, C order.
    """
    whole = hashlib.sha256()
    for matrix in matrices:
        array = np.ascontiguousarray(matrix, dtype="<u4")
        part = hashlib.sha256(np.array(array.shape, "<u8").tobytes())
        part.update(array.reshape(-1).view(np.uint8).data)
        whole.update(part.digest())
    return whole.digest()


class Blinding:
    """The streams of one proof.  The same seed gives the same elements, in any order of asking."""

    def __init__(self, seed: bytes) -> None:
        if len(seed) != 32:
            msg = f"blinding seed: expected 32 bytes, found {len(seed)}"
            raise ValueError(msg)
        self._seed = seed

    def elements(self, tree: Tree, log_rows: int, column: int, count: int) -> NDArray[np.uint32]:
        """`count` uniform canonical elements for one base column of a height, uint32[count].

        `column` counts cells of the row of that height in the tree.  Words of 31 bits are drawn and those
        not below p dropped, so the elements are exactly uniform.
        """
        key = b"".join(
            (STREAM_TAG, self._seed, bytes([tree]), log_rows.to_bytes(1, "little"), column.to_bytes(4, "little"))
        )
        words = int(count / _ACCEPTED + 8 * count**0.5) + 16
        while True:
            # A longer output has the shorter one as its prefix, so asking again changes nothing.
            drawn = np.frombuffer(hashlib.shake_256(key).digest(4 * words), "<u4") & np.uint32(0x7FFFFFFF)
            accepted = drawn[drawn < P]
            if len(accepted) >= count:
                return accepted[:count].astype(np.uint32)
            words *= 2
