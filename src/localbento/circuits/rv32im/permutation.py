"""The Poseidon2 permutation in five rows: two full rounds a row, and a row of all partial rounds.

The same as `poseidon2`, which has all of it in one row: there 457 cells wide, here 213 and 37 % more cells.
"""

from collections.abc import Sequence
from typing import Annotated, Any, ClassVar, Final

import numpy as np

from localbento.air.cells import Bit, Felt
from localbento.air.chip import Chip, Columns, Constraints
from localbento.air.expr import Expr, total
from localbento.circuits.rv32im.buses import BLOCK, DIGEST, PERMUTE, SPONGE
from localbento.circuits.rv32im.poseidon2 import (
    DIGEST_CELLS,
    FULL,
    PARTIAL,
    RATE,
    WIDTH,
    FullRound,
    PartialRound,
    Permutations,
    external_layer,
    full_round,
    internal_layer,
)
from localbento.field.babybear import P
from localbento.hash.poseidon2 import CONSTANTS

FULL_ROWS: Final = 4
"""Rows of `full_rounds` a permutation."""

_BLOCKS: Final = WIDTH // 4


def _inverse_of_four() -> list[list[int]]:
    """The inverse, modulo p, of what `external_layer` does to four cells before it adds the sums."""
    size = 4
    columns = [external_layer([1 if i == j else 0 for i in range(WIDTH)])[4:8] for j in range(size)]
    rows = [[columns[j][i] for j in range(size)] + [int(i == j) for j in range(size)] for i in range(size)]
    for i in range(size):
        pivot = next(k for k in range(i, size) if rows[k][i] % P)
        rows[i], rows[pivot] = rows[pivot], rows[i]
        scale = pow(rows[i][i], -1, P)
        rows[i] = [x * scale % P for x in rows[i]]
        for k in range(size):
            if k != i:
                rows[k] = [(x - rows[k][i] * y) % P for x, y in zip(rows[k], rows[i], strict=True)]
    return [row[size:] for row in rows]


_INVERSE: Final = _inverse_of_four()
_SHARE: Final = pow(_BLOCKS + 1, -1, P)


def before_external_layer(state: Sequence[Any]) -> list[Any]:
    """What `external_layer` makes this state of, modulo p, in any arithmetic with +, - and products by integers.

    The layer multiplies each four cells by a matrix and adds to each four the sum of all six: the sums of the state are
    7 times those before the addition.
    """
    sums = [total([state[i] for i in range(k, WIDTH, 4)]) * _SHARE for k in range(4)]
    result: list[Any] = []
    for start in range(0, WIDTH, 4):
        mixed = [state[start + k] - sums[k] for k in range(4)]
        result += [total([x * factor for x, factor in zip(mixed, row, strict=True)]) for row in _INVERSE]
    return result


class FullRounds(Chip):
    """Two full rounds: the first, second, third or fourth pair of a permutation.

    `state` is what goes into the S-boxes, the linear layer before it done; the fourth pair is `onward` or `last`, as
    the permutation is in its sponge.  The first pair takes block and capacity, the last gives capacity or digest, as a
    row of `poseidon2` does; between its rows the state goes on as PERMUTE(id, direction, block, step, state), where
    only the row before in the order pushes a step, so no rows go round.

    Assumes: as `poseidon2`: no two chains have the same id and direction, so no two states the same place.
    """

    first: Bit
    second: Bit
    third: Bit
    onward: Bit
    last: Bit
    id: Felt
    direction: Felt
    block: Felt
    state: Annotated[tuple[Felt, ...], 24]
    rounds: Annotated[tuple[FullRound, ...], 2]

    def real(self) -> Expr:
        """One of the pairs."""
        return self.first + self.second + self.third + self.onward + self.last

    def constrain(self, c: Constraints) -> None:
        """Two rounds with the constants of their place, and the place."""
        c.boolean("at most one pair", c.real)
        fourth = self.onward + self.last
        state: list[Any] = list(self.state)
        for r, cells in enumerate(self.rounds):
            constants = [
                self.first * CONSTANTS.initial_full[r][i]
                + self.second * CONSTANTS.initial_full[2 + r][i]
                + self.third * CONSTANTS.final_full[r][i]
                + fourth * CONSTANTS.final_full[2 + r][i]
                for i in range(WIDTH)
            ]
            outs = full_round(c, f"round {r}", state, constants, cells.cube)
            for i, (cell, value) in enumerate(zip(cells.out, outs, strict=True)):
                c.equal(f"round {r}: S-box {i}", cell, value)
            state = external_layer(cells.out)
        own = (self.id, self.direction, self.block)
        given = before_external_layer(self.state)
        c.pull(BLOCK, (*own, *given[:RATE]), self.first, "take the block")
        c.pull(SPONGE, (*own, *given[RATE:]), self.first, "take the capacity")
        taken = self.second + 3 * self.third + 4 * fourth
        c.pull(PERMUTE, (*own, taken, *self.state), c.real - self.first, "take the state")
        left = self.first + 2 * self.second + 4 * self.third
        c.push(PERMUTE, (*own, left, *state), self.first + self.second + self.third, "hand on the state")
        onward = (self.id, self.direction, self.block + 1, *state[RATE:])
        c.push(SPONGE, onward, self.onward, "hand on the capacity")
        c.push(DIGEST, (*own, *state[:DIGEST_CELLS]), self.last, "hand over the digest")

    @staticmethod
    def fill(r: Permutations) -> Columns:
        """Columns of n permutations: all first pairs, all second pairs, and so on."""
        cells, n = r.columns.astype(np.uint64), len(r.id)
        start, end = PARTIAL_START + 2 * PARTIAL, PARTIAL_START + 2 * PARTIAL + (FULL - 1) * 2 * WIDTH
        initial = cells[:PARTIAL_START].reshape(FULL, 2, WIDTH, n)
        final = cells[start:end].reshape(FULL - 1, 2, WIDTH, n)
        cube = cells[end : end + WIDTH]
        x = (_mixed(final[2, 1]) + np.array(CONSTANTS.final_full[3], np.uint64)[:, None]) % P
        pairs = (
            (_mixed(r.state.T.astype(np.uint64)), initial[0], initial[1]),
            (_mixed(initial[1, 1]), initial[2], initial[3]),
            (_after_partial(_mixed(initial[3, 1]), cells), final[0], final[1]),
            (_mixed(final[1, 1]), final[2], np.stack([cube, cube * cube % P * x % P])),
        )
        one, zero = np.ones(n, np.uint32), np.zeros(n, np.uint32)

        def at(place: int, flag: np.ndarray) -> np.ndarray:
            return np.concatenate([flag if k == place else zero for k in range(FULL_ROWS)])

        def joined(parts: Sequence[np.ndarray]) -> list[np.ndarray]:
            return list(np.concatenate(parts, axis=1).astype(np.uint32))

        return {
            "first": at(0, one), "second": at(1, one), "third": at(2, one),
            "onward": at(3, one - r.last), "last": at(3, r.last),
            "id": np.tile(r.id, FULL_ROWS), "direction": np.tile(r.direction, FULL_ROWS),
            "block": np.tile(r.block, FULL_ROWS), "state": joined([pair[0] for pair in pairs]),
            "rounds": [
                {"cube": joined([pair[k][0] for pair in pairs]), "out": joined([pair[k][1] for pair in pairs])}
                for k in (1, 2)
            ],
        }  # fmt: skip


class PartialRounds(Chip):
    """All 21 partial rounds: PERMUTE at step 2 becomes PERMUTE at step 3.

    Assumes: nothing.
    """

    is_real: Bit
    id: Felt
    direction: Felt
    block: Felt
    state: Annotated[tuple[Felt, ...], 24]
    partial: Annotated[tuple[PartialRound, ...], 21]

    padding: ClassVar[dict[str, int]] = {}

    def constrain(self, c: Constraints) -> None:
        """The rounds, on every row; the state in, the state out."""
        state: list[Any] = list(self.state)
        for r, (step, constant) in enumerate(zip(self.partial, CONSTANTS.partial, strict=True)):
            x = state[0] + constant
            c.equal(f"partial {r}: cube", step.cube, x * x * x)
            c.equal(f"partial {r}: S-box", step.out, step.cube * step.cube * x)
            state = internal_layer([step.out, *state[1:]])
        own = (self.id, self.direction, self.block)
        c.pull(PERMUTE, (*own, 2, *self.state), label="take the state")
        c.push(PERMUTE, (*own, 3, *state), label="hand on the state")

    @staticmethod
    def fill(r: Permutations) -> Columns:
        """Columns of n permutations."""
        second = r.columns[PARTIAL_START - WIDTH : PARTIAL_START].astype(np.uint64)
        cells = r.columns[PARTIAL_START : PARTIAL_START + 2 * PARTIAL]
        return {
            "is_real": np.ones(len(r.id), np.uint32), "id": r.id, "direction": r.direction, "block": r.block,
            "state": list(_mixed(second).astype(np.uint32)),
            "partial": [{"cube": cells[2 * i], "out": cells[2 * i + 1]} for i in range(PARTIAL)],
        }  # fmt: skip


PARTIAL_START: Final = FULL * 2 * WIDTH
"""Where the partial rounds begin among the columns of a permutation."""


def _mixed(state: np.ndarray) -> np.ndarray:
    mixed: np.ndarray = np.array(external_layer(list(state))) % P
    return mixed


def _after_partial(state: np.ndarray, cells: np.ndarray) -> np.ndarray:
    """The state uint64[24, n] after the partial rounds whose results stand in a permutation's columns."""
    diagonal = np.array(CONSTANTS.diagonal, np.uint64)[:, None]
    state = state.copy()
    for r in range(PARTIAL):
        state[0] = cells[PARTIAL_START + 2 * r + 1]
        state = (state.sum(axis=0) + state * diagonal % P) % P
    return state


def _padding() -> dict[str, int]:
    """An unused row holds the partial rounds of zeros, since they are stated on every row."""
    state, values = [0] * WIDTH, {}
    for r, constant in enumerate(CONSTANTS.partial):
        x = (state[0] + constant) % P
        cube = x**3 % P
        out = cube * cube * x % P
        values[f"partial[{r}].cube"], values[f"partial[{r}].out"] = cube, out
        state = [x % P for x in internal_layer([out, *state[1:]])]
    return values


PartialRounds.padding = _padding()
