"""Tagged hashing of field elements: leaves, nodes, and the digests that a protocol starts from.

One sponge for all: rate 16, capacity 8; the capacity starts as (tag, number of elements, 0 ...), blocks of 16
overwrite the rate, the last one is filled with zeros, a permutation follows each; the digest is the
rate's first eight.  Source: docs/protocol.md, "Hashing".
"""

from collections.abc import Callable, Iterable, Sequence
from enum import IntEnum
from typing import Final

from localbento.hash.poseidon2 import permute
from localbento.stark.params import DIGEST_LENGTH

WIDTH: Final = 24
RATE: Final = 16
CAPACITY: Final = WIDTH - RATE


class Tag(IntEnum):
    """What is hashed; the first element of the capacity."""

    LEAF = 1
    NODE = 2
    CIRCUIT = 3
    TRANSCRIPT = 4
    STATIC = 5


def blocks[T](elements: Sequence[T], zero: T) -> list[list[T]]:
    """The elements in blocks of 16, the last one filled with zeros; no block for no elements."""
    result = [list(elements[i : i + RATE]) for i in range(0, len(elements), RATE)]
    if result:
        result[-1] += [zero] * (RATE - len(result[-1]))
    return result


def sponge[T](
    tag: int, elements: Sequence[T], constant: Callable[[int], T], permutation: Callable[[list[T]], list[T]]
) -> list[T]:
    """The digest of elements, in any arithmetic that has the permutation."""
    zero = constant(0)
    state = [zero] * RATE + [constant(tag), constant(len(elements))] + [zero] * (CAPACITY - 2)
    for block in blocks(elements, zero):
        state = permutation(block + state[RATE:])
    return state[:DIGEST_LENGTH]


def hash_tagged(tag: int, elements: Iterable[int]) -> tuple[int, ...]:
    """The digest of plain integers below p."""
    return tuple(sponge(tag, list(elements), int, lambda state: list(permute(state))))


def hash_leaf(elements: Iterable[int]) -> tuple[int, ...]:
    """The digest of a row."""
    return hash_tagged(Tag.LEAF, elements)


def hash_node(left: Sequence[int], right: Sequence[int]) -> tuple[int, ...]:
    """The digest of two digests."""
    return tuple(permute([*left, *right, Tag.NODE, *[0] * (CAPACITY - 1)]))[:DIGEST_LENGTH]
