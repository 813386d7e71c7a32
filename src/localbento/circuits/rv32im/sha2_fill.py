"""Columns of the SHA2 chips from the records of the calls; whole columns at a time."""

from dataclasses import dataclass
from typing import Any

import numpy as np

from localbento.air.chip import Columns
from localbento.circuits.rv32im.access import Read
from localbento.circuits.rv32im.buses import CYCLE
from localbento.circuits.rv32im.records import U32, CallRow, Sha2Row, Slot
from localbento.circuits.rv32im.sha2 import BLOCK_WORDS
from localbento.circuits.rv32im.sha2_round import PENDING
from localbento.circuits.rv32im.sha2_step_fill import Blocks, step_columns
from localbento.circuits.rv32im.sha2_values import (
    STATE,
    Array,
    big_sigma,
    bits_of,
    bytes_of,
    choice,
    compress,
    join,
    limbs,
    majority,
    schedule,
    small_sigma,
)
from localbento.circuits.rv32im.sha2_words import BIG_0, BIG_1, DATA_ROUNDS, HALF_WORDS, ROUNDS, SMALL_0, SMALL_1

LOAD, ROUND, STORE = range(3)


@dataclass(frozen=True, slots=True, eq=False)
class Sha2Columns:
    """Filled columns of `Sha2`, and of `Sha2Step` or `Sha2Round`."""

    calls: Columns
    rounds: Columns


def sha2_columns(calls: U32, rows: U32, pcs: U32, *, narrow: bool) -> Sha2Columns:
    """Columns from the SHA2 headers, the rows after them, and the headers' pcs as the CPU chain has them.

    `narrow`: rounds in the form of `Sha2Step`.
    Shapes: calls uint32[n, CALL_WORDS], rows uint32[m, SHA2_WORDS] in the order of `Sha2Row`, pcs uint32[n].
    """
    kind = rows[:, Sha2Row.KIND]
    load, store = (rows[kind == k].reshape(-1, 4, rows.shape[1]) for k in (LOAD, STORE))
    rounds = rows[kind == ROUND].reshape(-1, ROUNDS, rows.shape[1])
    blocks = calls[:, CallRow.LENGTH] & 0xFFFF
    owner = np.repeat(np.arange(len(calls)), blocks)
    constants = rounds[:, :, Sha2Row.ACCESS0 + 1]
    words = schedule(rounds[:, :DATA_ROUNDS, Sha2Row.ACCESS1 + 1].byteswap())
    states = np.zeros((len(rounds), ROUNDS + 1, STATE), np.uint32)
    first = np.concatenate([[0], np.cumsum(blocks)[:-1]]).astype(np.int64)
    current = _moved(load, 1).byteswap()
    for k in range(int(blocks.max(initial=0))):
        active = np.flatnonzero(blocks > k)
        at = first[active] + k
        states[at] = compress(current[active], words[at], constants[at])
        current[active] += states[at, ROUNDS]
    number = (np.arange(len(rounds)) - first[owner]).astype(np.uint32)
    left = (blocks[owner] - number).astype(np.uint32)
    filled = Blocks(rounds, words, states, left)
    header = _sha2(
        _Calls(calls, pcs, blocks, _moved(load, 1), _moved(store, 1), _moved(store, 2)), owner, number, states
    )
    return Sha2Columns(header, step_columns(filled) if narrow else _rounds(filled))


@dataclass(frozen=True, slots=True, eq=False)
class _Calls:
    """The calls: pcs, numbers of blocks, and eight words of memory each: state-in, state-out before and after."""

    calls: Array
    pcs: Array
    blocks: Array
    given: Array
    old: Array
    new: Array


def _moved(rows: Array, part: int) -> Array:
    """A state of eight memory words from four rows of two accesses: the old (1) or new (2) words."""
    result = np.zeros((len(rows), STATE), np.uint32)
    for i in range(4):
        result[:, 3 - i] = rows[:, i, Sha2Row.ACCESS0 + part]
        result[:, 7 - i] = rows[:, i, Sha2Row.ACCESS1 + part]
    return result


def _sha2(of: _Calls, owner: Array, block: Array, states: Array) -> Columns:
    """Columns of the rows around the rounds: registers, state-in, blocks, state-out; `block` is each one's number."""
    registers = of.calls[:, CallRow.FIRST_ACCESS :].reshape(len(of.calls), 11, 4)[:, :6, 1]
    number, state_in, out, data, count, constants = registers.T
    link = (of.calls[:, CallRow.PC] + 1) << 2
    zero = np.zeros(len(of.calls), np.uint32)
    pushed = [zero, link & 0xFFFF, link >> 16, zero, number >> 2, state_in >> 2, out >> 2, data >> 2, constants >> 2]
    cycle, blocks = of.calls[:, CallRow.CYCLE], of.blocks.astype(np.uint32)
    here = {"cycle": cycle, "next_pc": of.pcs + 1, "left": blocks, "carry": [zero, zero]}
    parts = []
    read = (
        ("call", 7, number), ("pointer", 0, state_in), ("pointer", 1, out), ("pointer", 2, data), ("count", 3, count),
        ("pointer", 4, constants),
    )  # fmt: skip
    shift = 0
    for kind, index, word in read:
        held = pushed[shift : shift + HALF_WORDS]
        parts.append(_row(kind, index, **here, held=held, before=word, after=bytes_of(word)))
        shift += kind != "count"
    held = pushed[shift:]
    for i in range(STATE):
        word = of.given[:, i]
        parts.append(_row("load", i, **here, held=held, before=word, after=bytes_of(word)))
    for i in range(STATE):
        before, made = states[:, 0, i], states[:, ROUNDS, i]
        low = (limbs(before)[0] + limbs(made)[0]) >> 16
        high = (limbs(before)[1] + limbs(made)[1] + low) >> 16
        in_block = {
            "cycle": cycle[owner] + ROUNDS * block, "next_pc": of.pcs[owner] + 1, "left": blocks[owner] - block,
            "carry": [low, high],
            "held": [held[0][owner], held[1][owner], held[2][owner] + BLOCK_WORDS * block, held[3][owner]],
        }  # fmt: skip
        after = bytes_of(before + made)[::-1]
        parts.append(_row("turn" if i == STATE - 1 else "block", i, **in_block, before=before, after=after))
    at_end = {
        "cycle": cycle + ROUNDS * blocks, "next_pc": of.pcs + 1, "left": zero, "carry": [zero, zero],
        "held": [*held[:2], held[2] + BLOCK_WORDS * blocks, held[3]],
    }  # fmt: skip
    for i in range(STATE):
        row = {"before": of.old[:, i], "after": bytes_of(of.new[:, i])}
        parts.append(_row("finish" if i == STATE - 1 else "store", i, **at_end, **row))
    joined: Columns = join(parts)
    return joined


KINDS = ("call", "pointer", "count", "load", "block", "turn", "store", "finish")


def _row(kind: str, index: int, **columns: Any) -> dict[str, Any]:
    """Rows of one kind, all with the same index."""
    one = np.ones(len(columns["cycle"]), np.uint32)
    flags = {name: one * np.uint32(name == kind) for name in KINDS}
    return flags | {"half": one * np.uint32(index >= HALF_WORDS), "index": one * np.uint32(index), **columns}


def _rounds(of: Blocks) -> Columns:
    """Columns of the rounds, a round a row; everything as uint32[blocks * 64]."""
    rows, words, states = of.rows, of.words, of.states
    count = len(rows) * ROUNDS

    def flat(x: Array) -> Array:
        return x.reshape(count)

    a, b, c, d, e, f, g, h = (flat(states[:, :ROUNDS, i]) for i in range(STATE))
    next_a, next_e = flat(states[:, 1:, 0]), flat(states[:, 1:, 4])
    record = rows.reshape(count, rows.shape[2])
    index = record[:, Sha2Row.INDEX]
    is_data = index < DATA_ROUNDS
    padded = np.concatenate([np.zeros((len(rows), 2), np.uint32), words], axis=1)
    older, newer, word = flat(padded[:, :ROUNDS]), flat(padded[:, 1 : ROUNDS + 1]), flat(words)
    pending = _pending(padded)
    constant = record[:, Sha2Row.ACCESS0 + 1]
    now = record[:, Sha2Row.CYCLE] * CYCLE + Slot.MEMORY
    data = np.where(is_data, record[:, Sha2Row.ACCESS1 + 1], 0)
    first = record.reshape(rows.shape)[:, 0]
    constants, data_addr = (
        flat(first[:, at, None] + np.arange(ROUNDS, dtype=np.uint32)) for at in (Sha2Row.ACCESS0, Sha2Row.ACCESS1)
    )
    terms = (h, big_sigma(e, BIG_1), choice(e, f, g), constant, word)
    t1: list[Array] = [np.sum([limbs(x)[k] for x in terms], axis=0) for k in range(2)]
    t2 = [x + y for x, y in zip(limbs(big_sigma(a, BIG_0)), limbs(majority(a, b, c)), strict=True)]
    a_carry = _split_carries([x + y for x, y in zip(t1, t2, strict=True)])
    e_carry = _split_carries([x + y for x, y in zip(t1, limbs(d), strict=True)])
    ahead = [pending[0][k] + limbs(small_sigma(older, SMALL_1))[k] for k in range(2)]
    low = ahead[0] >> 16
    word_carry = (np.where(is_data, 0, low), np.where(is_data, 0, (ahead[1] + low) >> 16))
    return {
        "is_real": np.ones(count, np.uint32), "is_data": is_data.astype(np.uint32),
        "first": (index == 0).astype(np.uint32), "left": np.repeat(of.left, ROUNDS),
        "last": (index == ROUNDS - 1).astype(np.uint32), "cycle": record[:, Sha2Row.CYCLE], "round": index,
        "constants": constants, "data": data_addr, "a": bits_of(a), "b": bytes_of(b), "c": bytes_of(c), "d": d,
        "e": bits_of(e), "f": bytes_of(f), "g": bytes_of(g), "h": h, "older": bits_of(older), "newer": newer,
        "pending": [{"lo": lo, "hi": hi} for lo, hi in pending],
        "constant": Read.columns(now, record[:, Sha2Row.ACCESS0 + 3], constant),
        "data_bytes": bytes_of(data), "word": word, "word_carry": word_carry, "small": small_sigma(older, SMALL_0),
        "a_and_b": bytes_of(a & b), "c_and_differing": bytes_of(c & (a ^ b)), "e_and_f": bytes_of(e & f),
        "e_and_g": bytes_of(e & g), "next_a": next_a, "next_a_carry": [x & 3 for x in a_carry],
        "next_a_carry_4": [x >> 2 for x in a_carry], "next_e": next_e, "next_e_carry": [x & 3 for x in e_carry],
        "next_e_carry_4": [x >> 2 for x in e_carry],
    }  # fmt: skip


def _split_carries(sums: list[Array]) -> tuple[Array, Array]:
    low = sums[0] >> 16
    return low, (sums[1] + low) >> 16


def _pending(padded: Array) -> list[tuple[Array, Array]]:
    """What is known, before each round, of the next fourteen words, as sums of limbs."""
    blocks = len(padded)
    sums = np.zeros((2, ROUNDS, PENDING, blocks), np.uint32)
    for t in range(ROUNDS - 1):
        older = padded[:, t]
        for k in range(2):
            sums[k, t + 1, :-1] = sums[k, t, 1:]
            sums[k, t + 1, 4] += limbs(older)[k]
            sums[k, t + 1, 12] += limbs(small_sigma(older, SMALL_0))[k]
            sums[k, t + 1, 13] = limbs(older)[k]
    return [
        (sums[0, :, i].T.reshape(blocks * ROUNDS), sums[1, :, i].T.reshape(blocks * ROUNDS)) for i in range(PENDING)
    ]
