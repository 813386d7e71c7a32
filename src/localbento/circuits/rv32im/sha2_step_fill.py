"""Columns of the narrow rounds of SHA2 from the values of whole blocks."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from localbento.air.chip import Columns
from localbento.circuits.rv32im.buses import CYCLE
from localbento.circuits.rv32im.records import Sha2Row, Slot
from localbento.circuits.rv32im.sha2_step import FIRST_PART, SECOND_PART
from localbento.circuits.rv32im.sha2_values import (
    Array,
    big_sigma,
    bits_of,
    bytes_of,
    choice,
    join,
    limbs,
    majority,
    small_sigma,
)
from localbento.circuits.rv32im.sha2_words import BIG_0, BIG_1, DATA_ROUNDS, HALF_WORDS, ROUNDS, SMALL_0, SMALL_1

FLAGS = ("start_a", "start_e", "e", "a", "edge", "inner", "is_data", "first_part", "first", "done", "last")
Limbs = tuple[Array, Array]


@dataclass(frozen=True, slots=True, eq=False)
class Blocks:
    """Blocks of all calls.

    Shapes: rows uint32[n, 64, SHA2_WORDS] of kind ROUND; words uint32[n, 64], the schedule; states uint32[n, 65, 8],
    before each round and after the last; left uint32[n], blocks of the call still to come, this one included.
    """

    rows: Array
    words: Array
    states: Array
    left: Array


def step_columns(of: Blocks) -> Columns:
    """Columns: all rows of e, of a, of words, and those that start blocks; each by block, then by round."""
    rounds, count = np.arange(ROUNDS, dtype=np.uint32), len(of.rows)
    cycle = of.rows[:, :, Sha2Row.CYCLE].ravel()
    place = {"cycle": cycle, "left": np.repeat(of.left, ROUNDS)}
    index = np.tile(rounds, count)
    ends = {"done": index >= ROUNDS - HALF_WORDS, "last": index == ROUNDS - 1}
    a, b, c, d, e, f, g, h = (of.states[:, :ROUNDS, i].ravel() for i in range(8))
    next_a, next_e = of.states[:, 1:, 0].ravel(), of.states[:, 1:, 4].ravel()
    constant, word = of.rows[:, :, Sha2Row.ACCESS0 + 1].ravel(), of.words.ravel()
    given = _sum(constant, word)
    t1 = _sum(h, big_sigma(e, BIG_1), choice(e, f, g), more=given)
    e_sums, a_sums = _sum(d, more=t1), _sum(big_sigma(a, BIG_0), majority(a, b, c), more=t1)
    of_e = _row({"e": 1, **ends}, place, e, bytes_of(f), bytes_of(g), h, choose=True)
    of_e |= {"input": _pair(given), "with_it": _pair(limbs(d)), "out": _pair(limbs(next_e)), "carry": _carry(e_sums)}
    of_a = _row({"a": 1, **ends}, place, a, bytes_of(b), bytes_of(c), d, choose=False)
    of_a |= {"input": _pair(t1), "out": _pair(limbs(next_a)), "carry": _carry(a_sums)}
    parts = [of_e, of_a, _schedule(of, place, index), *_starts(of)]
    columns: Columns = join(parts)
    return columns


def _row(flags: dict[str, Any], place: dict[str, Array], x: Array, second: list[Array], third: list[Array],
         fourth: Array, *, choose: bool) -> dict[str, Any]:  # fmt: skip
    """Columns that all kinds share; `choose`: the ANDs of a choice, not of a majority."""
    zero = np.zeros(len(x), np.uint32)
    first = bytes_of(x)
    both = [p & q for p, q in zip(first, second, strict=True)]
    if choose:
        other = [p & q for p, q in zip(first, third, strict=True)]
    else:
        other = [r & (p ^ q) for p, q, r in zip(first, second, third, strict=True)]
    return {
        **{name: zero + np.asarray(flags.get(name, 0)).astype(np.uint32) for name in FLAGS}, **place,
        "round": zero, "constants": zero, "data": zero, "x": bits_of(x), "second": second, "third": third,
        "fourth": _pair(limbs(fourth)), "both_second": both, "both_third": other,
        "input": _pair((zero, zero)), "with_it": _pair((zero, zero)), "out": _pair((zero, zero)),
        "carry": [zero, zero],
    }  # fmt: skip


def _schedule(of: Blocks, place: dict[str, Array], index: Array) -> dict[str, Any]:
    """Rows of words."""
    record = of.rows.reshape(-1, of.rows.shape[2])
    is_data = index < DATA_ROUNDS
    padded = np.concatenate([np.zeros((len(of.rows), 3), np.uint32), of.words], axis=1)
    oldest, x, newer = (padded[:, i : i + ROUNDS].ravel() for i in range(3))
    word = of.words.ravel()
    small = small_sigma(x, SMALL_0)
    data = np.where(is_data, record[:, Sha2Row.ACCESS1 + 1], 0).astype(np.uint32)

    def before(back: int) -> Array:
        """The word so many rounds before each, 0 before the first."""
        whole = np.concatenate([np.zeros((len(of.rows), back), np.uint32), of.words], axis=1)
        return whole[:, :ROUNDS].ravel()

    part1 = _sum(before(16), small_sigma(before(15), SMALL_0))
    part2 = _sum(before(7), more=part1)
    known = (np.where(is_data, limbs(word)[0], part2[0]), np.where(is_data, limbs(word)[1], part2[1]))
    near = np.where(is_data, 0, small_sigma(x, SMALL_1)).astype(np.uint32)
    inner = (index >= DATA_ROUNDS - SECOND_PART) & (index < ROUNDS - SECOND_PART)
    first_part = (index >= DATA_ROUNDS - FIRST_PART) & (index < ROUNDS - FIRST_PART)
    later = [np.roll(p.reshape(-1, ROUNDS), -SECOND_PART, axis=1).ravel() for p in part1]
    constant = record[:, Sha2Row.ACCESS0 + 1]
    now, previous = record[:, Sha2Row.CYCLE] * CYCLE + Slot.MEMORY, record[:, Sha2Row.ACCESS0 + 3]
    first = of.rows[:, 0]
    rounds = np.arange(ROUNDS, dtype=np.uint32)
    constants, addresses = ((first[:, at, None] + rounds).ravel() for at in (Sha2Row.ACCESS0, Sha2Row.ACCESS1))
    flags = {
        "edge": ~inner, "inner": inner, "is_data": is_data, "first_part": first_part, "last": index == ROUNDS - 1,
    }  # fmt: skip
    row = _row(flags, place, x, bytes_of(data), [*limbs(oldest), *limbs(newer)], x, choose=True)
    return row | {
        "round": index, "constants": constants, "data": addresses,
        "fourth": _pair((previous, (now - previous - 1) >> 16)), "both_third": [*limbs(constant), *limbs(small)],
        "input": _pair(known), "with_it": _pair((np.where(inner, later[0], 0), np.where(inner, later[1], 0))),
        "out": _pair(limbs(word)), "carry": _carry(_sum(near, more=known)),
    }  # fmt: skip


def _starts(of: Blocks) -> list[dict[str, Any]]:
    """Rows that start blocks: the words of a half move in one after the other, its last one first."""
    parts = []
    zero = np.zeros(len(of.rows), np.uint32)
    for flag, half in (("start_a", 0), ("start_e", 1)):
        words = [of.states[:, 0, HALF_WORDS * half + j] for j in range(HALF_WORDS)]
        for j in reversed(range(HALF_WORDS)):
            x, second, third, fourth = [*words[j + 1 :], zero, zero, zero, zero][:HALF_WORDS]
            place = {"cycle": of.rows[:, 0, Sha2Row.CYCLE] - 1 - j, "left": of.left}
            row = _row(
                {flag: 1, "first": j == HALF_WORDS - 1},
                place,
                x,
                bytes_of(second),
                bytes_of(third),
                fourth,
                choose=True,
            )
            parts.append(row | {"input": _pair(limbs(words[j])), "out": _pair(limbs(words[j]))})
    return parts


def _sum(*terms: Array, more: Limbs | None = None) -> Limbs:
    """Sums of limbs, without carries."""
    low, high = more or (np.zeros(1, np.uint32), np.zeros(1, np.uint32))
    for term in terms:
        low, high = low + limbs(term)[0], high + limbs(term)[1]
    return low, high


def _pair(values: Limbs) -> dict[str, Array]:
    return {"lo": values[0].astype(np.uint32), "hi": values[1].astype(np.uint32)}


def _carry(sums: Limbs) -> list[Array]:
    low = sums[0] >> 16
    return [low, (sums[1] + low) >> 16]
