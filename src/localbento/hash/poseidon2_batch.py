"""Poseidon2 for many states at once in numpy, without a compiler: exact, and fast enough to verify with.

Two ideas.  A matrix of numbers below 2^31 times 16-bit halves stays below 2^53, so float64 products are exact.
And the partial rounds change one element by a power and all else linearly: so what they feed into their S-boxes,
and what they leave behind, are fixed linear functions of the state before them and of the S-boxes' outputs.
"""

from collections.abc import Sequence
from operator import mul
from typing import Final

import numpy as np
from numpy.typing import NDArray

from localbento.field.babybear import P

_P: Final = np.uint64(P)
_HALF_BITS: Final = np.uint64(16)
_LOW: Final = np.uint64(0xFFFF)


def _power_7(x: NDArray[np.uint64]) -> NDArray[np.uint64]:
    """x^7 of numbers below 2^32."""
    square = x * x
    square %= _P
    cube = square * x
    cube %= _P
    square *= square
    square %= _P
    square *= cube
    square %= _P
    return square


def _linear(x: NDArray[np.uint64], matrix: NDArray[np.float64]) -> NDArray[np.uint64]:
    """The product x matrix mod p: `[n, r]` of numbers below 2^32 times `[r, c]` of residues, r <= 32."""
    halves = np.empty((2, *x.shape))
    halves[0], halves[1] = x & _LOW, x >> _HALF_BITS
    low, high = (halves @ matrix).astype(np.uint64)
    high %= _P
    high <<= _HALF_BITS
    high += low
    high %= _P
    return np.asarray(high)


class BatchPermutation:
    """The permutation with given constants, of `uint64[n, 24]`."""

    def __init__(
        self,
        m4: Sequence[Sequence[int]],
        initial_full: Sequence[Sequence[int]],
        partial: Sequence[int],
        final_full: Sequence[Sequence[int]],
        diagonal: Sequence[int],
    ) -> None:
        """Derive the matrices."""
        width = len(diagonal)
        blocks = np.ones((width // 4, width // 4)) + np.eye(width // 4)
        self._external = np.kron(blocks, np.array(m4, np.float64)).T.copy()
        self._initial = [np.array(row, np.uint64) for row in initial_full]
        self._final = [np.array(row, np.uint64) for row in final_full]
        self._partial = [np.uint64(c) for c in partial]
        self._entering, self._feedback, self._leaving = _partial_rounds(diagonal, len(partial))
        # what each S-box of the partial rounds adds to its element, and gets from those before it
        self._steps = [(int(c), [int(v) for v in self._feedback[:r, r]]) for r, c in enumerate(partial)]

    def one(self, state: Sequence[int]) -> list[int]:
        """The permutation of one state: less than half the time of plain Python's integers."""
        x = self._mix(np.array(state, np.uint64))
        for row in self._initial:
            x = self._mix(_power_7(x + row))
        rounds = len(self._partial)
        linear = _linear(x, self._entering)
        outputs: list[int] = []
        for (constant, weights), value in zip(self._steps, linear[:rounds].tolist(), strict=True):
            outputs.append(pow(value + constant + sum(map(mul, weights, outputs)), 7, P))
        x = _linear(np.array(outputs, np.uint64), self._leaving)
        x += linear[rounds:]
        x %= _P
        for row in self._final:
            x = self._mix(_power_7(x + row))
        result: list[int] = x.tolist()
        return result

    def __call__(self, states: NDArray[np.uint64]) -> NDArray[np.uint64]:
        """The permuted states, canonical."""
        x = self._mix(states)
        for row in self._initial:
            x = self._mix(_power_7(x + row))
        x = self._partials(x)
        for row in self._final:
            x = self._mix(_power_7(x + row))
        return x

    def _mix(self, x: NDArray[np.uint64]) -> NDArray[np.uint64]:
        # entries of at most 14, rows that add up to at most 112: exact without halves
        mixed = (x.astype(np.float64) @ self._external).astype(np.uint64)
        mixed %= _P
        return np.asarray(mixed)

    def _partials(self, x: NDArray[np.uint64]) -> NDArray[np.uint64]:
        rounds, width = len(self._partial), x.shape[1]
        linear = _linear(x, self._entering)
        inputs, outputs = np.ascontiguousarray(linear[:, :rounds].T), np.empty((rounds, len(x)), np.uint64)
        for r, constant in enumerate(self._partial):
            outputs[r] = _power_7(inputs[r] + constant)
            if r + 1 < rounds:
                step = self._feedback[r, r + 1 :, None] * outputs[r]
                inputs[r + 1 :] = (inputs[r + 1 :] + step) % _P
        result = linear[:, rounds:] + _linear(np.ascontiguousarray(outputs.T), self._leaving)
        assert result.shape[1] == width
        return np.asarray(result % _P)


def _partial_rounds(
    diagonal: Sequence[int], rounds: int
) -> tuple[NDArray[np.float64], NDArray[np.uint64], NDArray[np.float64]]:
    """The partial rounds as linear functions of the state x and the S-boxes' outputs u.

    Returns:
        `entering [width, rounds + width]`: what x contributes to each S-box's input, then to the final state;
        `feedback [rounds, rounds]`: what u_r contributes to the later inputs;
        `leaving [rounds, width]`: what u_r contributes to the final state.
    """
    width = len(diagonal)
    sources = width + rounds
    # row i: element i of the state as a combination of x_0 .. x_(width-1), u_0 .. u_(rounds-1)
    state = [[int(i == j) for j in range(sources)] for i in range(width)]
    inputs = []
    for r in range(rounds):
        inputs.append(state[0])
        state[0] = [int(j == width + r) for j in range(sources)]
        total = [sum(column) for column in zip(*state, strict=True)]
        state = [
            [(t + d * v) % P for t, v in zip(total, row, strict=True)] for d, row in zip(diagonal, state, strict=True)
        ]
    everything = np.array([*inputs, *state], np.uint64).T
    return (
        everything[:width].astype(np.float64),
        everything[width:, :rounds].copy(),
        everything[width:, rounds:].astype(np.float64),
    )
