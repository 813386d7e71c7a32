"""The transcript: typed messages in, challenges out; one text for prover, verifier and recordings.

Source: docs/protocol.md, "Transcript".  The state is 16 elements of rate and 8 of capacity.  A message is a
block (type, number of elements, 0 ...) and its elements in blocks; each block overwrites the rate and
is followed by a permutation.  Squeezing takes the rate in order and permutes when it is used up; what
is left of it is dropped at the next message.
"""

from collections.abc import Callable, Sequence
from enum import IntEnum
from typing import Generic, TypeVar

from localbento.hash.poseidon2 import RATE, permute
from localbento.stark.params import EXTENSION_DEGREE, PROTOCOL_NAME, PROTOCOL_VERSION, ParameterSet
from localbento.stark.sponge import Tag, blocks, hash_tagged

T = TypeVar("T")


class MessageType(IntEnum):
    """What a message is: the first element of its header."""

    CIRCUIT = 1
    HEIGHTS = 2
    PUBLIC_VALUES = 3
    MAIN_CAP = 4
    BUS_CAP = 5
    SUMS = 6
    QUOTIENT_CAP = 7
    OPENINGS_AT_Z = 8
    OPENINGS_AT_NEXT = 9
    LAYER_CAP = 10
    FINAL_POLYNOMIAL = 11
    NONCE = 12


def initial_value(params: ParameterSet, version: int = PROTOCOL_VERSION) -> tuple[int, ...]:
    """The capacity at the start: no proof reads the same under another version, suite, set or layer."""
    return hash_tagged(
        Tag.TRANSCRIPT,
        [*PROTOCOL_NAME.encode(), version, params.suite, params.number, params.layer],
    )


class Transcript(Generic[T]):
    """A sponge over elements of type T: integers for a prover, values of an algebra for the verifier.

    `events` lists ("absorb", type, elements) and ("squeeze", 0, elements) in order: prover's and
    verifier's lists are compared in a test.
    """

    def __init__(
        self,
        initial: Sequence[T],
        constant: Callable[[int], T],
        permutation: Callable[[list[T]], list[T]],
    ) -> None:
        self._constant = constant
        self._permutation = permutation
        self._state = [constant(0)] * RATE + list(initial)
        # Before the first message nothing may be squeezed: the rate holds no hash yet.
        self._next: int | None = None
        self.events: list[tuple[str, int, int]] = []

    def absorb(self, kind: MessageType, elements: Sequence[T]) -> None:
        """Take in one whole message."""
        zero = self._constant(0)
        header = [self._constant(kind), self._constant(len(elements))] + [zero] * (RATE - 2)
        for block in [header, *blocks(elements, zero)]:
            self._state = self._permutation(block + self._state[RATE:])
        self._next = 0
        self.events.append(("absorb", int(kind), len(elements)))

    def squeeze(self, count: int = 1) -> list[T]:
        """The next elements of the rate."""
        if self._next is None:
            msg = "transcript: nothing was absorbed yet"
            raise RuntimeError(msg)
        taken: list[T] = []
        for _ in range(count):
            if self._next == RATE:
                self._state = self._permutation(self._state)
                self._next = 0
            taken.append(self._state[self._next])
            self._next += 1
        self.events.append(("squeeze", 0, count))
        return taken

    def squeeze_extension(self) -> list[T]:
        """Five elements: the coefficients of one of F, constant first."""
        return self.squeeze(EXTENSION_DEGREE)

    def copy(self) -> "Transcript[T]":
        """The same state, to go on from twice (grinding)."""
        other: Transcript[T] = Transcript(self._state[RATE:], self._constant, self._permutation)
        other._state, other._next, other.events = list(self._state), self._next, list(self.events)
        return other

    @property
    def capacity(self) -> list[T]:
        """The eight elements that only permutations change: all that a next message depends on."""
        return self._state[RATE:]


def prover_transcript(params: ParameterSet) -> Transcript[int]:
    """A transcript over plain integers."""
    return Transcript(initial_value(params), int, permute)
