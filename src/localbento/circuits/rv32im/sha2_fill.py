"""Columns of the two SHA2 chips from the records of the calls; whole columns at a time."""

from dataclasses import dataclass
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

from localbento.air.chip import Columns
from localbento.circuits.rv32im.access import Read
from localbento.circuits.rv32im.buses import CYCLE
from localbento.circuits.rv32im.records import U32, CallRow, Sha2Row, Slot
from localbento.circuits.rv32im.sha2_round import DATA_ROUNDS, PENDING, ROUNDS
from localbento.circuits.rv32im.sha2_words import BIG_0, BIG_1, SMALL_0, SMALL_1

Array: TypeAlias = NDArray[Any]
"""Intermediate results; the numpy types of shifts are wider than the arrays that come out."""

STATE = 8
LOAD, ROUND, STORE = range(3)


@dataclass(frozen=True, slots=True, eq=False)
class Sha2Columns:
    """Filled columns of `Sha2` and `Sha2Round`."""

    calls: Columns
    rounds: Columns


def sha2_columns(calls: U32, rows: U32, pcs: U32) -> Sha2Columns:
    """Columns from the SHA2 headers, the rows after them, and the headers' pcs as the CPU chain has them.

    Shapes: calls uint32[n, CALL_WORDS], rows uint32[m, SHA2_WORDS] in the order of `Sha2Row`, pcs uint32[n].
    """
    kind = rows[:, Sha2Row.KIND]
    load, store = (rows[kind == k].reshape(-1, 4, rows.shape[1]) for k in (LOAD, STORE))
    rounds = rows[kind == ROUND].reshape(-1, ROUNDS, rows.shape[1])
    blocks = calls[:, CallRow.LENGTH] & 0xFFFF
    owner = np.repeat(np.arange(len(calls)), blocks)
    constants = rounds[:, :, Sha2Row.ACCESS0 + 1]
    words = _schedule(rounds[:, :DATA_ROUNDS, Sha2Row.ACCESS1 + 1].byteswap())
    states = np.zeros((len(rounds), ROUNDS + 1, STATE), np.uint32)
    first = np.concatenate([[0], np.cumsum(blocks)[:-1]]).astype(np.int64)
    current = _moved(load, 1).byteswap()
    before, after = (np.zeros((len(rounds), STATE), np.uint32) for _ in range(2))
    for k in range(int(blocks.max(initial=0))):
        active = np.flatnonzero(blocks > k)
        at = first[active] + k
        before[at] = current[active]
        states[at] = _compress(current[active], words[at], constants[at])
        current[active] = after[at] = before[at] + states[at, ROUNDS]
    chain = _Chain(calls, pcs, owner, np.arange(len(rounds)) - first[owner], blocks)
    return Sha2Columns(_sha2(chain, load, store, before, after, states, current), _rounds(rounds, words, states))


@dataclass(frozen=True, slots=True, eq=False)
class _Chain:
    """Where the blocks stand: `owner` and `number` (in the call) of each block."""

    calls: Array
    pcs: Array
    owner: Array
    number: Array
    blocks: Array


def _moved(rows: Array, part: int) -> Array:
    """A state of eight memory words from four rows of two accesses: the old (1) or new (2) words."""
    result = np.zeros((len(rows), STATE), np.uint32)
    for i in range(4):
        result[:, 3 - i] = rows[:, i, Sha2Row.ACCESS0 + part]
        result[:, 7 - i] = rows[:, i, Sha2Row.ACCESS1 + part]
    return result


def _rotate(x: Array, by: int) -> Array:
    return x >> np.uint32(by) | x << np.uint32(32 - by)


def _big(x: Array, by: tuple[int, int, int]) -> Array:
    return _rotate(x, by[0]) ^ _rotate(x, by[1]) ^ _rotate(x, by[2])


def _small(x: Array, by: tuple[int, int, int]) -> Array:
    return _rotate(x, by[0]) ^ _rotate(x, by[1]) ^ x >> np.uint32(by[2])


def _schedule(data: Array) -> Array:
    words = np.zeros((len(data), ROUNDS), np.uint32)
    words[:, :DATA_ROUNDS] = data
    for t in range(DATA_ROUNDS, ROUNDS):
        words[:, t] = (
            _small(words[:, t - 2], SMALL_1) + words[:, t - 7] + _small(words[:, t - 15], SMALL_0) + words[:, t - 16]
        )
    return words


def _choice(e: Array, f: Array, g: Array) -> Array:
    return e & f | ~e & g


def _majority(a: Array, b: Array, c: Array) -> Array:
    return a & b | c & (a ^ b)


def _compress(start: Array, words: Array, constants: Array) -> Array:
    """States before each round and after the last: uint32[blocks, 65, 8]."""
    states = np.zeros((len(start), ROUNDS + 1, STATE), np.uint32)
    states[:, 0] = start
    for t in range(ROUNDS):
        a, b, c, d, e, f, g, h = states[:, t].T
        t1 = h + _big(e, BIG_1) + _choice(e, f, g) + constants[:, t] + words[:, t]
        t2 = _big(a, BIG_0) + _majority(a, b, c)
        states[:, t + 1] = np.stack([t1 + t2, a, b, c, d + t1, e, f, g], axis=1)
    return states


def _limbs(x: Array) -> tuple[Array, Array]:
    return x & 0xFFFF, x >> 16


def _bytes(x: Array) -> list[Array]:
    """Lowest first."""
    return [x >> np.uint32(8 * i) & 0xFF for i in range(4)]


def _state(words: Array, *, split: bool) -> Columns:
    """A `State` from uint32[n, 8]; of a state in memory (not split) the words in bytes are two limbs."""
    result: dict[str, Any] = {}
    for i, name in enumerate("abcdefgh"):
        if name in "adeh":
            result[name] = words[:, i]
        elif split:
            result[name] = _bytes(words[:, i])
        else:
            zero = np.zeros(len(words), np.uint32)
            low, high = _limbs(words[:, i])
            result[name] = [low, zero, high, zero]
    return result


def _memory_bytes(values: Array) -> list[Array]:
    """The bytes of eight values, each word's highest first."""
    return [byte for i in range(STATE) for byte in reversed(_bytes(values[:, i]))]


def _sha2(
    chain: _Chain, load: Array, store: Array, before: Array, after: Array, states: Array, result: Array
) -> Columns:
    calls, owner = chain.calls, chain.owner
    registers = calls[:, CallRow.FIRST_ACCESS :].reshape(len(calls), 11, 4)[:, :6, 1]
    state_in, out, data, count, constants = (registers[:, 1 + i] for i in range(5))
    cycle = calls[:, CallRow.CYCLE]
    start = cycle + 5
    zero = np.zeros(len(calls), np.uint32)
    no_block = np.zeros(len(owner), np.uint32)
    link = (calls[:, CallRow.PC] + 1) << 2
    number = chain.number.astype(np.uint32)
    registers_used = [limb for word in (state_in, out, data, constants, count) for limb in _limbs(word)]
    parts: list[dict[str, Any]] = [
        {
            "call": zero + 1, "block": zero, "store": zero, "cycle": cycle, "next_pc": chain.pcs + 1, "out": out >> 2,
            "constants": constants >> 2, "data": data >> 2, "left": chain.blocks, "base": state_in >> 2,
            "x": link & 0xFFFF, "y": link >> 16, "before": _state(_moved(load, 1), split=False),
            "after": _memory_bytes(_moved(load, 1).byteswap()), "other": registers_used + [zero] * 6,
        },
        {
            "call": no_block, "block": no_block + 1, "store": no_block, "cycle": start[owner] + ROUNDS * number,
            "next_pc": chain.pcs[owner] + 1, "out": out[owner] >> 2, "constants": constants[owner] >> 2,
            "data": (data[owner] >> 2) + DATA_ROUNDS * number, "left": chain.blocks[owner] - number,
            "base": no_block, "x": no_block, "y": no_block, "before": _state(before, split=True),
            "after": _memory_bytes(after), "other": _carries(before, states[:, ROUNDS]),
        },
        {
            "call": zero, "block": zero, "store": zero + 1, "cycle": start + ROUNDS * chain.blocks,
            "next_pc": chain.pcs + 1, "out": out >> 2, "constants": constants >> 2,
            "data": (data >> 2) + DATA_ROUNDS * chain.blocks, "left": zero, "base": out >> 2, "x": zero, "y": zero,
            "before": _state(_moved(store, 1), split=False), "after": _memory_bytes(result), "other": [zero] * 16,
        },
    ]  # fmt: skip
    joined: Columns = _join(parts)
    return joined


def _join(parts: list[dict[str, Any]]) -> dict[str, Any]:
    """Parts of the same columns, one after the other."""
    result: dict[str, Any] = {}
    for name, first in parts[0].items():
        values = [part[name] for part in parts]
        if isinstance(first, dict):
            result[name] = _join(values)
        elif isinstance(first, list):
            result[name] = [np.concatenate(column) for column in zip(*values, strict=True)]
        else:
            result[name] = np.concatenate(values)
    return result


def _carries(x: Array, y: Array) -> list[Array]:
    """Carries of the low and of the high limb of eight sums."""
    result: list[Array] = []
    for i in range(STATE):
        (x_low, x_high), (y_low, y_high) = _limbs(x[:, i]), _limbs(y[:, i])
        low = (x_low + y_low) >> 16
        result += [low, (x_high + y_high + low) >> 16]
    return result


def _bits(x: Array) -> list[Array]:
    return [x >> np.uint32(i) & 1 for i in range(32)]


def _rounds(rows: Array, words: Array, states: Array) -> Columns:
    """Columns of the rounds; everything as uint32[blocks * 64]."""
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
    terms = (h, _big(e, BIG_1), _choice(e, f, g), constant, word)
    t1: list[Array] = [np.sum([_limbs(x)[k] for x in terms], axis=0) for k in range(2)]
    t2 = [x + y for x, y in zip(_limbs(_big(a, BIG_0)), _limbs(_majority(a, b, c)), strict=True)]
    a_carry = _split_carries([x + y for x, y in zip(t1, t2, strict=True)])
    e_carry = _split_carries([x + y for x, y in zip(t1, _limbs(d), strict=True)])
    ahead = [pending[0][k] + _limbs(_small(older, SMALL_1))[k] for k in range(2)]
    low = ahead[0] >> 16
    word_carry = (np.where(is_data, 0, low), np.where(is_data, 0, (ahead[1] + low) >> 16))
    return {
        "is_real": np.ones(count, np.uint32), "is_data": is_data.astype(np.uint32),
        "last": (index == ROUNDS - 1).astype(np.uint32), "cycle": record[:, Sha2Row.CYCLE], "round": index,
        "constants": constants, "data": data_addr, "a": _bits(a), "b": _bytes(b), "c": _bytes(c), "d": d,
        "e": _bits(e), "f": _bytes(f), "g": _bytes(g), "h": h, "older": _bits(older), "newer": newer,
        "pending": [{"lo": lo, "hi": hi} for lo, hi in pending],
        "constant": Read.columns(now, record[:, Sha2Row.ACCESS0 + 3], constant),
        "data_bytes": _bytes(data), "word": word, "word_carry": word_carry, "small": _small(older, SMALL_0),
        "a_and_b": _bytes(a & b), "c_and_differing": _bytes(c & (a ^ b)), "e_and_f": _bytes(e & f),
        "e_and_g": _bytes(e & g), "next_a": next_a, "next_a_carry": [x & 3 for x in a_carry],
        "next_a_carry_4": [x >> 2 for x in a_carry], "next_e": next_e, "next_e_carry": [x & 3 for x in e_carry],
        "next_e_carry_4": [x >> 2 for x in e_carry],
    }  # fmt: skip


def _split_carries(limbs: list[Array]) -> tuple[Array, Array]:
    low = limbs[0] >> 16
    return low, (limbs[1] + low) >> 16


def _pending(padded: Array) -> list[tuple[Array, Array]]:
    """What is known, before each round, of the next fourteen words, as sums of limbs."""
    blocks = len(padded)
    sums = np.zeros((2, ROUNDS, PENDING, blocks), np.uint32)
    for t in range(ROUNDS - 1):
        older = padded[:, t]
        for k in range(2):
            sums[k, t + 1, :-1] = sums[k, t, 1:]
            sums[k, t + 1, 4] += _limbs(older)[k]
            sums[k, t + 1, 12] += _limbs(_small(older, SMALL_0))[k]
            sums[k, t + 1, 13] = _limbs(older)[k]
    return [
        (sums[0, :, i].T.reshape(blocks * ROUNDS), sums[1, :, i].T.reshape(blocks * ROUNDS)) for i in range(PENDING)
    ]
