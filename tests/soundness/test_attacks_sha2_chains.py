"""More attacks on SHA2 calls: whole chains that are right in themselves, counts, and words without a range check."""

import itertools

import numpy as np
import pytest
from rv32im_attack import column, failing, mains_of, of_kind, refused, traffic
from rv32im_sha2 import NARROW, ROUNDS_OF, WIDE, both_forms, exchange, left_over, refusals, starts_of_blocks, where

from localbento.circuits.rv32im import machine
from localbento.circuits.rv32im.buses import ACCESS, Sha2Word
from localbento.circuits.rv32im.sha2 import HEADER_CYCLES, STORE_CYCLES
from localbento.circuits.rv32im.sha2_step import FIRST_PART, SECOND_PART
from localbento.circuits.rv32im.sha2_words import ROUNDS
from localbento.field.babybear import P

PREVIOUS = {NARROW: "fourth.lo", WIDE: "constant.previous"}
"""Where a round says when its constant was read before."""


def rows_of_block(mains, label, first, left):
    """Numbers of the rows of one block: around the rounds, and of the rounds."""
    name = ROUNDS_OF[label]
    ours = {}
    for chip, low, high in (("sha2", first - 5, first - 4), (name, first - 4, first + 64)):
        cycle = mains[chip][column(chip, "cycle")].astype(int)
        found = (cycle >= low) & (cycle < high) & (mains[chip][column(chip, "left")] == left)
        ours[chip] = np.flatnonzero(found)
    matrix, header = mains["sha2"], ours["sha2"]
    in_block = matrix[column("sha2", "block"), header] + matrix[column("sha2", "turn"), header]
    return ours | {"sha2": header[in_block == 1]}


@both_forms
def test_blocks_that_no_call_began(label):
    """A block put in from nowhere, whole and right in itself: its ends are left over, and no other block's fit.

    As many blocks as one likes, one after the other, have ends as well: each is 64 cycles later, with one less left.
    """
    for blocks in (1, 2):
        mains, far = mains_of(label), 1 << 20
        chosen = starts_of_blocks(mains)[2 : 2 + blocks]
        assert chosen == [(chosen[0][0] + 64 * k, chosen[0][1] - k) for k in range(blocks)]
        for first, left in chosen:
            for name, rows in rows_of_block(mains, label, first, left).items():
                extra = mains[name][:, rows].copy()
                extra[column(name, "cycle")] += far
                if name != "sha2":
                    times = extra[column(name, PREVIOUS[label])]
                    is_read = extra[column(name, "constants")]
                    times += (5 * far * (is_read > 0)).astype(np.uint32)
                mains[name] = np.concatenate([mains[name], extra], axis=1)
        assert not refusals(mains, "sha2") | refusals(mains, ROUNDS_OF[label])
        lost = left_over(mains, label)
        assert sorted((k[0], k[1], v) for k, v in lost.items()) == sorted(
            [("sha2", 15, -1), ("sha2", 15, 1), *(("sha2_word", 16 + i, s) for i in range(8) for s in (-1, 1))]
        )


@both_forms
@pytest.mark.parametrize("change", [-1, 1])
def test_more_or_fewer_blocks_than_a3_says_in_every_row(label, change):
    """The whole call of three blocks says two, or four: all rows agree, and only the stores' rule is against it."""
    mains, name = mains_of(label), ROUNDS_OF[label]
    matrix = mains["sha2"]
    call = matrix[column("sha2", "cycle"), where(mains, "sha2", count=1, left=3)[0]]
    for chip in ("sha2", name):
        cycle, left = mains[chip][column(chip, "cycle")], mains[chip][column(chip, "left")]
        ours = (cycle >= call) & (cycle < call + 5 + 3 * 64 + 4)
        left[ours] = (left[ours].astype(int) + change) % P
    count = where(mains, "sha2", count=1, left=3 + change)[-1]
    for cell in ("before.lo", "after[0]"):
        matrix[column("sha2", cell), count] += change % P if change > 0 else P - 1
    matrix %= P
    assert not left_over(mains, label)
    assert refusals(mains, "sha2") == {"store: no block is left"}
    assert not refusals(mains, name)
    assert traffic(mains, ("sha2", "access"), (ACCESS,))  # and a3 is what it is


def test_a_count_below_zero_or_above_ten():
    """U4 would take 10 - left for left = -5 .. 10: below zero the register's bytes are against it."""
    count = of_kind("sha2", count=1)
    high = {"before.hi": 0, "after[2]": 0, "after[3]": 0}
    for blocks in (P - 1, P - 5):
        refused("sha2", count | high | {"left": blocks, "before.lo": blocks}, "a read leaves the word, low")
        failing_bytes = failing("sha2", count | high | {"left": blocks, "before.lo": blocks, "after[0]": blocks,
                                                         "after[1]": 0})  # fmt: skip
        assert failing_bytes == {"bytes"}
    for blocks in (11, 255):
        refused("sha2", count | high | {"left": blocks, "before.lo": blocks, "after[0]": blocks, "after[1]": 0},
                "at most 10 blocks")  # fmt: skip


def test_parts_of_a_block_do_not_reach_the_next_call():
    """With as many blocks left, the next block is in another call, which begins right after: no part is for its rows.

    A part is named by the cycle that it is for, so it is this distance that keeps the words of two calls apart.
    """
    next_call = ROUNDS + HEADER_CYCLES + STORE_CYCLES
    latest_sent = ROUNDS - 1 + FIRST_PART
    assert latest_sent < next_call + SECOND_PART  # what round 0 of the next call would take, if it were inner
    assert next_call > ROUNDS - 1 + SECOND_PART
    mains = mains_of(NARROW)
    matrix = mains["sha2_step"]
    row = where(mains, "sha2_step", edge=1, last=1, left=1)[0]
    matrix[column("sha2_step", "first_part"), row] = 1
    ((what, *key),) = [k[1:4] for k in left_over(mains, NARROW)]
    assert what == Sha2Word.PART1
    assert key == [int(matrix[column("sha2_step", "cycle"), row]) + FIRST_PART, 1]


def test_parts_of_two_words_exchanged():
    """Two inner rows exchange first parts, and the words that they are for what they are given, to match."""
    mains = mains_of(NARROW)
    matrix = mains["sha2_step"]
    one, other = where(mains, "sha2_step", inner=1)[20:22]
    cycle, left = matrix[column("sha2_step", "cycle")], matrix[column("sha2_step", "left")]
    exchange(mains, "sha2_step", one, other, "with_it")
    for row, source in ((one, other), (other, one)):
        (target,) = (
            r for r in where(mains, "sha2_step", edge=0, inner=1, cycle=cycle[row] + SECOND_PART, left=left[row])
        )
        for limb in ("lo", "hi"):
            given, now = (matrix[column("sha2_step", f"with_it.{limb}"), r].astype(int) for r in (source, row))
            cell = matrix[column("sha2_step", f"input.{limb}")]
            cell[target] = (int(cell[target]) + int(now) - int(given)) % P
    assert {k[1] for k in left_over(mains, NARROW)} == {Sha2Word.PART1}
    assert {"sum, low"} <= refusals(mains, "sha2_step")


@pytest.mark.parametrize("half", [0, 1])
def test_however_the_last_words_are_carried_the_header_has_one_sum(half):
    """The last a' and e' have no range check: with any carries the header gives the one sum, or none."""
    mains = mains_of(NARROW)
    first, left = starts_of_blocks(mains)[0]
    header = where(mains, "sha2", block=1, index=4 * half, cycle=first - 5, left=left)[0]
    last = where(mains, "sha2_step", last=1, left=left, cycle=first + 63, **{"ae"[half]: 1})[0]
    row, step = (
        dict(zip(machine.recorded(name).main, map(int, mains[name][:, r]), strict=True))
        for name, r in (("sha2", header), ("sha2_step", last))
    )
    honest = tuple(row[f"after[{i}]"] for i in range(4))
    found = []
    for more, more_high in itertools.product((-1, 0, 1, 3), repeat=2):
        forged = {"carry[0]": step["carry[0]"] + more, "carry[1]": step["carry[1]"] + more_high}
        lo, hi = step["out.lo"] - more * 65536, step["out.hi"] + more - more_high * 65536
        if min(forged.values()) >= 0:
            assert not failing("sha2_step", step | forged | {"out.lo": lo, "out.hi": hi})
        for low, high in itertools.product((0, 1), repeat=2):
            value_lo, value_hi = row["before.lo"] + lo - low * 65536, row["before.hi"] + hi + low - high * 65536
            after = (value_hi >> 8, value_hi & 255, value_lo >> 8, value_lo & 255)
            changed = {"carry[0]": low, "carry[1]": high} | {f"after[{i}]": x for i, x in enumerate(after)}
            if not failing("sha2", row | changed):
                found.append(after)
    assert len(found) > 1
    assert set(found) == {honest}
