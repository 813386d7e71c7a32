"""What the protocol adds to the tree's hash: tags, and how a message is cut into blocks.

Source: docs/protocol.md, "Hashing".
"""

from collections.abc import Iterable, Sequence
from enum import IntEnum
from typing import TypeVar

from localbento.hash.poseidon2 import RATE, hash_leaf

T = TypeVar("T")


class Tag(IntEnum):
    """What a leaf sponge is for: the first element of its capacity.  A row has 1, a node 2."""

    CIRCUIT = 3
    TRANSCRIPT = 4
    STATIC = 5


def blocks(elements: Sequence[T], zero: T) -> list[list[T]]:
    """The elements in blocks of 16, the last one filled with zeros; no block for no elements."""
    result = [list(elements[i : i + RATE]) for i in range(0, len(elements), RATE)]
    if result:
        result[-1] += [zero] * (RATE - len(result[-1]))
    return result


def hash_tagged(tag: Tag, elements: Iterable[int]) -> tuple[int, ...]:
    """The leaf sponge of canonical elements with another tag."""
    return tuple(hash_leaf(list(elements), int(tag)))
