"""The Poseidon2 permutation, one row a permutation: the sponges of pages and of tree nodes.

Width 24, eight full and 21 partial rounds, S-box x^7.  At degree 4 an S-box takes two columns: its cube
u = x^3 and its result u^2 x; everything between S-boxes is linear and takes none.  `permutation` has the same in five
narrower rows; a profile has one of the two (docs/decisions/0008-narrow-permutation.md).
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, Any, ClassVar, Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

from localbento.air.cells import Bit, Cells, Felt
from localbento.air.chip import Chip, Columns, Constraints
from localbento.air.expr import Expr
from localbento.circuits.rv32im.buses import BLOCK, DIGEST, SPONGE
from localbento.field.babybear import P
from localbento.hash.poseidon2 import CONSTANTS

U32: TypeAlias = NDArray[np.uint32]
U64: TypeAlias = NDArray[np.uint64]

WIDTH: Final = 24
RATE: Final = 16
DIGEST_CELLS: Final = 8
FULL: Final = 4
PARTIAL: Final = 21

_INITIAL: Final = CONSTANTS.initial_full
_PARTIAL: Final = CONSTANTS.partial
_FINAL: Final = CONSTANTS.final_full
_DIAGONAL: Final = CONSTANTS.diagonal


def external_layer(state: Sequence[Any]) -> list[Any]:
    """M_ext of 24 values in any arithmetic with + (sums grow by a factor of at most 112)."""
    mixed: list[Any] = []
    for i in range(0, WIDTH, 4):
        a, b, c, d = state[i : i + 4]
        ab, cd = a + b, c + d
        t2, t3 = b + b + cd, d + d + ab
        ab2, cd2 = ab + ab, cd + cd
        t4, t5 = cd2 + cd2 + t3, ab2 + ab2 + t2
        mixed += [t3 + t5, t5, t2 + t4, t4]
    sums = [_sum(mixed[i::4]) for i in range(4)]
    return [x + sums[i % 4] for i, x in enumerate(mixed)]


def _sum(values: Sequence[Any]) -> Any:
    result = values[0]
    for value in values[1:]:
        result = result + value
    return result


class FullRound(Cells):
    """24 S-boxes."""

    cube: Annotated[tuple[Felt, ...], 24]
    out: Annotated[tuple[Felt, ...], 24]


class LastRound(Cells):
    """The last full round; `digest` and `capacity` are cells 0 to 7 and 16 to 23 of the result."""

    cube: Annotated[tuple[Felt, ...], 24]
    digest: Annotated[tuple[Felt, ...], 8]
    capacity: Annotated[tuple[Felt, ...], 8]


class PartialRound(Cells):
    """One S-box, on cell 0."""

    cube: Felt
    out: Felt


class Poseidon2(Chip):
    """`digest, capacity` are cells 0 to 7 and 16 to 23 of the permutation of `state`.

    One step of a chain that somebody starts with SPONGE(id, direction, 0, capacity): takes block `block` and the
    capacity left by the block before, and hands on the capacity, or at the last block the digest, with the block's
    number.  Block numbers go up by one a row, so a chain that nobody started would need p rows.

    Assumes: nothing.  `id`, `direction` and the cells of a block are whoever sent them; they see to it that no two
    chains have the same of both.
    """

    is_real: Bit
    last: Bit
    id: Felt
    direction: Felt
    block: Felt
    state: Annotated[tuple[Felt, ...], 24]
    initial: Annotated[tuple[FullRound, ...], 4]
    partial: Annotated[tuple[PartialRound, ...], 21]
    final: Annotated[tuple[FullRound, ...], 3]
    end: LastRound

    padding: ClassVar[dict[str, int]] = {}

    def constrain(self, c: Constraints) -> None:
        """The permutation, on every row; then what came before and what comes after."""
        self._permutation(c)
        c.zero("no end on an unused row", self.last * (1 - self.is_real))
        digest, capacity = self.end.digest, self.end.capacity
        own = (self.id, self.direction, self.block)
        c.pull(BLOCK, (*own, *self.state[:RATE]), label="take the block")
        c.pull(SPONGE, (*own, *self.state[RATE:]), label="take the capacity")
        onward = (self.id, self.direction, self.block + 1, *capacity)
        c.push(SPONGE, onward, self.is_real - self.last, "hand on the capacity")
        c.push(DIGEST, (*own, *digest), self.last, "hand over the digest")

    def _permutation(self, c: Constraints) -> None:
        state: list[Expr] = external_layer(self.state)
        for r, (full, constants) in enumerate(zip(self.initial, _INITIAL, strict=True)):
            outs = full_round(c, f"initial {r}", state, constants, full.cube)
            for i, (cell, value) in enumerate(zip(full.out, outs, strict=True)):
                c.equal(f"initial {r}: S-box {i}", cell, value)
            state = external_layer(full.out)
        for r, (step, constant) in enumerate(zip(self.partial, _PARTIAL, strict=True)):
            x = state[0] + constant
            c.equal(f"partial {r}: cube", step.cube, x * x * x)
            c.equal(f"partial {r}: S-box", step.out, step.cube * step.cube * x)
            state = internal_layer([step.out, *state[1:]])
        for r, (full, constants) in enumerate(zip(self.final, _FINAL[:3], strict=True)):
            outs = full_round(c, f"final {r}", state, constants, full.cube)
            for i, (cell, value) in enumerate(zip(full.out, outs, strict=True)):
                c.equal(f"final {r}: S-box {i}", cell, value)
            state = external_layer(full.out)
        out = external_layer(full_round(c, "final 3", state, _FINAL[3], self.end.cube))
        for i, cell in enumerate(self.end.digest):
            c.equal(f"digest {i}", cell, out[i])
        for i, cell in enumerate(self.end.capacity):
            c.equal(f"capacity {i}", cell, out[RATE + i])

    @staticmethod
    def fill(r: "Permutations") -> Columns:
        """Columns of n permutations."""
        cells = r.columns
        at = iter(range(len(cells)))

        def take(count: int) -> list[U32]:
            return [cells[next(at)] for _ in range(count)]

        initial = [{"cube": take(24), "out": take(24)} for _ in range(FULL)]
        partial = [{"cube": cells[next(at)], "out": cells[next(at)]} for _ in range(PARTIAL)]
        final = [{"cube": take(24), "out": take(24)} for _ in range(FULL - 1)]
        end = {"cube": take(24), "digest": take(8), "capacity": take(8)}
        return {
            "is_real": np.ones(len(r.id), np.uint32), "last": r.last, "id": r.id, "direction": r.direction,
            "block": r.block, "state": list(r.state.T),
            "initial": initial, "partial": partial, "final": final, "end": end,
        }  # fmt: skip


@dataclass(frozen=True, slots=True, eq=False)
class Permutations:
    """Permutations to prove: uint32[n] each; `last` is 0 or 1.

    `state` is uint32[n, 24], canonical; `columns` uint32[418, n] is what `permutation_columns` gives for it.
    """

    last: U32
    id: U32
    direction: U32
    block: U32
    state: U32
    columns: U32


def full_round(
    c: Constraints, name: str, state: Sequence[Expr], constants: Sequence[int | Expr], cubes: Sequence[Felt]
) -> list[Expr]:
    """The results of 24 S-boxes as expressions of degree 3; states that `cubes` are the cubes."""
    outs: list[Expr] = []
    for i, (cell, constant, cube) in enumerate(zip(state, constants, cubes, strict=True)):
        x = cell + constant
        c.equal(f"{name}: cube {i}", cube, x * x * x)
        outs.append(cube * cube * x)
    return outs


def internal_layer(state: Sequence[Any]) -> list[Any]:
    """M_int of 24 values in any arithmetic with + and products by integers."""
    whole = _sum(state)
    return [whole + cell * d for cell, d in zip(state, _DIAGONAL, strict=True)]


_P: Final = np.uint64(P)


def permutation_columns(state: U32) -> U32:
    """The columns of the permutation after `state`, in the order of the chip: uint32[418, n].

    `state` is uint32[n, 24], canonical.
    """
    rows: list[U64] = []

    def sbox(x: U64, constant: U64 | np.uint64) -> tuple[U64, U64]:
        y = (x + constant) % _P
        cube = y * y % _P * y % _P
        return cube, cube * cube % _P * y % _P

    def full(s: U64, constants: Sequence[int]) -> tuple[U64, U64]:
        return sbox(s, np.array(constants, np.uint64)[:, None])

    def mixed(s: U64) -> U64:
        return np.array(external_layer(list(s))) % _P

    diagonal = np.array(_DIAGONAL, np.uint64)[:, None]
    s = mixed(np.ascontiguousarray(state.T).astype(np.uint64))
    for constants in _INITIAL:
        cube, out = full(s, constants)
        rows += [*cube, *out]
        s = mixed(out)
    for constant in _PARTIAL:
        cube, out = sbox(s[0], np.uint64(constant))
        rows += [cube, out]
        s[0] = out
        s = (s.sum(axis=0) + s * diagonal % _P) % _P
    for constants in _FINAL[:3]:
        cube, out = full(s, constants)
        rows += [*cube, *out]
        s = mixed(out)
    cube, out = full(s, _FINAL[3])
    s = mixed(out)
    rows += [*cube, *s[:DIGEST_CELLS], *s[RATE:]]
    return np.array(rows, np.uint32)


def _padding() -> dict[str, int]:
    """An unused row holds the permutation of zeros, since the permutation is stated on every row."""
    names = [f"initial[{r}].{k}[{i}]" for r in range(FULL) for k in ("cube", "out") for i in range(WIDTH)]
    names += [f"partial[{r}].{k}" for r in range(PARTIAL) for k in ("cube", "out")]
    names += [f"final[{r}].{k}[{i}]" for r in range(FULL - 1) for k in ("cube", "out") for i in range(WIDTH)]
    names += [f"end.cube[{i}]" for i in range(WIDTH)]
    names += [f"end.{k}[{i}]" for k in ("digest", "capacity") for i in range(DIGEST_CELLS)]
    values = permutation_columns(np.zeros((1, WIDTH), np.uint32))[:, 0]
    return {name: int(value) for name, value in zip(names, values, strict=True)}


Poseidon2.padding = _padding()
