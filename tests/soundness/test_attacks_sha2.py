"""Attacks on SHA2 calls: rows left out, repeated, exchanged, put elsewhere, in both forms of the rounds.

Each forges something as a prover would, and says which bus or rule the lie runs into.  Blocks of the corpus: a call of
none, one of one, one of three.
"""

import numpy as np
import pytest
from rv32im_attack import column, failing, mains_of, of_kind, refused, traffic
from rv32im_corpus import case, unused
from rv32im_sha2 import (
    NARROW,
    ROUNDS_OF,
    WIDE,
    both_forms,
    buses_of,
    cells,
    exchange,
    left_over,
    refusals,
    starts_of_blocks,
    where,
)

from localbento.air.chip import CircuitError
from localbento.circuits.rv32im import machine
from localbento.circuits.rv32im.buses import (
    ACCESS,
    CPU,
    SHA2,
    Sha2Word,
)
from localbento.circuits.rv32im.profiles import parse
from localbento.circuits.rv32im.sha2_step import STEP_ROWS
from localbento.field.babybear import P

KINDS = ("call", "pointer", "count", "load", "block", "turn", "store", "finish")
STEPS = ("start_a", "start_e", "e", "a", "edge", "inner")


@both_forms
def test_nothing_is_left_over_of_an_honest_witness(label):
    mains = mains_of(label)
    assert not left_over(mains, label)
    assert not refusals(mains, "sha2") | refusals(mains, ROUNDS_OF[label])
    assert len(starts_of_blocks(mains)) == 4


def test_both_forms_serve_the_same_header():
    assert np.array_equal(case(NARROW).matrix("sha2"), case(WIDE).matrix("sha2"))


@both_forms
def test_a_block_without_its_rounds(label):
    """All rows of one block removed: the words that it starts with and the empty halves are never taken."""
    mains, name = mains_of(label), ROUNDS_OF[label]
    first, left = starts_of_blocks(mains)[1]
    matrix = mains[name]
    cycle = matrix[column(name, "cycle")].astype(int)
    gone = (cycle >= first - 4) & (cycle < first + 64) & (matrix[column(name, "left")] == left)
    matrix[:, gone] = unused(name)[:, None]
    lost = left_over(mains, label)
    assert buses_of(lost) == {"sha2_word", "sha2_schedule"}
    assert sum(v for k, v in lost.items() if k[0] == "sha2_word") == 0  # eight to start with, eight done
    assert len([k for k in lost if k[0] == "sha2_word"]) == 16


@both_forms
def test_two_blocks_exchange_what_they_made(label):
    """The rounds of one block are put at the cycles of another: the words that start them differ."""
    mains, name = mains_of(label), ROUNDS_OF[label]
    (one, left), (other, other_left) = starts_of_blocks(mains)[1:3]
    matrix = mains[name]
    cycle, blocks = matrix[column(name, "cycle")], matrix[column(name, "left")]
    ours, theirs = ((blocks == n) & (cycle >= c - 4) & (cycle < c + 64) for c, n in ((one, left), (other, other_left)))
    assert ours.sum() == theirs.sum() > 0
    cycle[ours], cycle[theirs] = cycle[ours] + other - one, cycle[theirs] + one - other
    blocks[ours], blocks[theirs] = other_left, left
    lost = left_over(mains, label)
    assert {k[1] for k in lost if k[0] == "sha2_word"} == {
        Sha2Word.START, Sha2Word.START + 1, Sha2Word.DONE, Sha2Word.DONE + 1,
    }  # fmt: skip


@both_forms
def test_the_end_of_a_block_is_not_the_start_of_the_next(label):
    """Without `left` in the messages the last rounds of a block could be taken as what the next one starts with."""
    keys = left_over({**mains_of(label), ROUNDS_OF[label]: np.zeros_like(mains_of(label)[ROUNDS_OF[label]])}, label)
    for what in (Sha2Word.START, Sha2Word.DONE):
        ours = [k[2:4] for k in keys if k[0] == "sha2_word" and k[1] == what]
        assert len(ours) == len(set(ours)) == 16
    words = [k[:4] for k in keys]
    assert len(words) == len(set(words))


@pytest.mark.parametrize(("kind", "buses"), [
    ("call", {"sha2"}), ("pointer", {"sha2"}), ("count", {"sha2"}), ("load", {"sha2", "sha2_word"}),
    ("block", {"sha2", "sha2_word"}),
    ("turn", {"sha2", "sha2_word", "sha2_schedule"}), ("store", {"sha2", "sha2_word"}),
    ("finish", {"sha2", "sha2_word"}),
])  # fmt: skip
def test_a_row_of_a_call_left_out_or_repeated(kind, buses):
    for repeat in (False, True):
        mains = mains_of(WIDE)
        row = where(mains, "sha2", **{kind: 1})[0]
        if repeat:
            mains["sha2"] = np.concatenate([mains["sha2"], mains["sha2"][:, row : row + 1]], axis=1)
        else:
            mains["sha2"][:, row] = unused("sha2")
        assert buses_of(left_over(mains, WIDE)) == buses


@pytest.mark.parametrize("kind", ["load", "block", "store"])
def test_words_of_a_state_exchange_their_places(kind):
    """Two rows exchange index and half: each word is then another one of the state."""
    mains = mains_of(WIDE)
    one, other = (int(where(mains, "sha2", **{kind: 1}, index=i)[-1]) for i in (2, 5))
    exchange(mains, "sha2", one, other, "index", "half")
    assert not refusals(mains, "sha2")
    assert "sha2_word" in buses_of(left_over(mains, WIDE))
    assert kind == "block" or traffic(mains, ("sha2", "access"), (ACCESS,))


def test_a_word_comes_twice_and_another_never():
    mains = mains_of(WIDE)
    row = where(mains, "sha2", load=1, index=3)[0]
    mains["sha2"][column("sha2", "index"), row] = 2
    assert {k[1] for k in left_over(mains, WIDE) if k[0] == "sha2_word"} == {Sha2Word.STATE + 2, Sha2Word.STATE + 3}
    assert {k[1] for k in left_over(mains, WIDE) if k[0] == "sha2"} == {9, 10, 11}


def test_an_index_is_a_word_of_its_half():
    """A place beyond the half would give the rounds a word of another round."""
    row = of_kind("sha2", block=1, index=4)
    for index in (3, 8, 12, P - 1):
        refused("sha2", row | {"index": index}, "place in the half is 0 to 3")
    refused("sha2", row | {"half": 0}, "place in the half is 0 to 3")
    for kind in ("turn", "finish"):
        for index in (4, 5, 6):
            refused("sha2", of_kind("sha2", **{kind: 1}) | {"index": index}, "the last word of a state")


def test_registers_come_in_their_order():
    """a3 is the count and no pointer, a7 the call's number; a5 and a6 have places to which no row leads."""
    row = of_kind("sha2", pointer=1, index=2)
    refused("sha2", row | {"index": 3}, "a3 is no pointer")
    row = of_kind("sha2", pointer=1, index=4)
    refused("sha2", row | {"index": 7}, "a3 is no pointer")
    count = of_kind("sha2", count=1)
    refused("sha2", count | {"index": 2}, "the count is in a3")
    refused("sha2", count | {"left": count["left"] + 1}, "blocks to come")
    call = of_kind("sha2", call=1)
    refused("sha2", call | {"index": 6}, "a call reads a7")
    refused("sha2", call | {"held[0]": 1}, "nothing is held before a call")
    refused("sha2", call | {"before.lo": 0, "after[0]": 0}, "a7 is the number of the call, low")
    for index in (5, 6):
        mains = mains_of(WIDE)
        extra = mains["sha2"][:, where(mains, "sha2", pointer=1, index=4)[0]].copy()
        extra[column("sha2", "index")] = index
        mains["sha2"] = np.concatenate([mains["sha2"], extra[:, None]], axis=1)
        assert not refusals(mains, "sha2")
        assert {k[1] for k in left_over(mains, WIDE)} == {index, index + 3}


def test_two_pointers_exchanged():
    mains = mains_of(WIDE)
    one, other = where(mains, "sha2", pointer=1)[0], where(mains, "sha2", pointer=1, index=1)[0]
    exchange(mains, "sha2", one, other, "before", "after")
    assert buses_of(left_over(mains, WIDE)) == {"sha2"}
    assert traffic(mains, ("sha2", "access"), (ACCESS,))


def test_stores_of_two_calls():
    """The state-out of one call is written by the rows of another: the words are for their own call."""
    mains = mains_of(WIDE)
    one, other = where(mains, "sha2", store=1, index=0)[1:3]
    exchange(mains, "sha2", one, other, "cycle", "next_pc", "held")
    assert buses_of(left_over(mains, WIDE)) == {"sha2_word"}
    exchange(mains, "sha2", one, other, "after")
    assert not left_over(mains, WIDE)
    assert traffic(mains, ("sha2", "access"), (ACCESS,))  # the memory words before are still those of the other


def test_a_call_of_no_blocks_stores_what_it_loaded():
    mains = mains_of(WIDE)
    assert 0 in mains["sha2"][column("sha2", "left"), where(mains, "sha2", call=1)]
    end = where(mains, "sha2", finish=1)[0]
    mains["sha2"][column("sha2", "after[0]"), end] ^= 1
    assert {k[1] for k in left_over(mains, WIDE)} == {Sha2Word.STATE + 7}
    assert traffic(mains, ("sha2", "access"), (ACCESS,))


def test_a_call_stores_after_its_last_block_only():
    """Fewer blocks than a3 says, or more: a store wants none left."""
    refused("sha2", of_kind("sha2", store=1) | {"left": 1}, "store: no block is left")
    refused("sha2", of_kind("sha2", finish=1) | {"left": P - 1}, "store: no block is left")
    mains = mains_of(WIDE)
    row = where(mains, "sha2", turn=1, left=2)[0]
    mains["sha2"][column("sha2", "left"), row] = 1
    assert "sha2" in buses_of(left_over(mains, WIDE))


def test_the_time_of_a_call_is_the_chains():
    """Any cell of time changed: CPU or a row of the call sees it."""
    for kind in KINDS:
        mains = mains_of(WIDE)
        row = where(mains, "sha2", **{kind: 1})[0]
        before = traffic(mains, ("sha2",), (CPU, SHA2))
        mains["sha2"][column("sha2", "cycle"), row] += 1
        assert traffic(mains, ("sha2",), (CPU, SHA2)) != before


@pytest.mark.parametrize("kind", STEPS)
def test_a_row_of_the_rounds_left_out_or_repeated(kind):
    for repeat in (False, True):
        mains = mains_of(NARROW)
        rows = where(mains, "sha2_step", **{kind: 1})
        row = rows[len(rows) // 2]
        if repeat:
            mains["sha2_step"] = np.concatenate([mains["sha2_step"], mains["sha2_step"][:, row : row + 1]], axis=1)
        else:
            mains["sha2_step"][:, row] = unused("sha2_step")
        assert "sha2_word" in buses_of(left_over(mains, NARROW))


@pytest.mark.parametrize("one", STEPS)
@pytest.mark.parametrize("other", STEPS)
def test_a_row_of_another_kind(one, other):
    """Kinds exchanged on a row, all else as it is: refused, or a word is missing and another is there for nobody."""
    if one == other:
        return
    mains = mains_of(NARROW)
    rows = where(mains, "sha2_step", **{one: 1})
    row = rows[len(rows) // 3]
    mains["sha2_step"][column("sha2_step", one), row] = 0
    mains["sha2_step"][column("sha2_step", other), row] = 1
    assert left_over(mains, NARROW)


@pytest.mark.parametrize(("kind", "what"), [
    ("a", Sha2Word.T1), ("e", Sha2Word.INPUT), ("start_a", Sha2Word.START), ("start_e", Sha2Word.START + 1),
])  # fmt: skip
def test_the_input_of_another_round(kind, what):
    """T1, K + W and the words that move in are for their own row: exchanged, with all that follows on the rows."""
    mains = mains_of(NARROW)
    one, other = where(mains, "sha2_step", **{kind: 1})[:2]
    exchange(mains, "sha2_step", one, other, "input")
    assert {k[1] for k in left_over(mains, NARROW)} == {what}
    assert {"sum, low"} <= refusals(mains, "sha2_step")


def test_d_of_another_round():
    mains = mains_of(NARROW)
    one, other = where(mains, "sha2_step", e=1)[10:12]
    exchange(mains, "sha2_step", one, other, "with_it")
    assert {k[1] for k in left_over(mains, NARROW)} == {Sha2Word.D, Sha2Word.T1}


def test_an_e_row_that_moves_between_d_and_t1():
    """d one more and T1 one less leaves e' as it is: but d is the row's of a, and T1 the sum of the row."""
    mains = mains_of(NARROW)
    row = where(mains, "sha2_step", e=1)[20]
    lo = mains["sha2_step"][column("sha2_step", "with_it.lo")]
    lo[row] += 1
    assert refusals(mains, "sha2_step") == {"sum, low"}
    assert {k[1] for k in left_over(mains, NARROW)} == {Sha2Word.D, Sha2Word.T1}


@pytest.mark.parametrize("name", ["round", "constants", "data", "third[0]", "third[2]"])
@pytest.mark.parametrize("label", [NARROW])
def test_k_the_data_word_and_the_last_words_are_those_of_the_round(label, name):
    mains = mains_of(label)
    row = where(mains, "sha2_step", inner=1)[30]
    mains["sha2_step"][column("sha2_step", name), row] += 1
    assert "sha2_schedule" in buses_of(left_over(mains, label))


def test_data_words_of_two_rounds():
    """Exchanged with their bytes: the addresses are those of the rounds."""
    mains = mains_of(NARROW)
    one, other = where(mains, "sha2_step", is_data=1)[4:6]
    exchange(mains, "sha2_step", one, other, "second", "input", "out")
    lost = traffic(mains, ("sha2_step", "access"), (ACCESS,))
    data = mains["sha2_step"][column("sha2_step", "data")]
    assert {int(data[one]), int(data[other])} <= {k[2] for k in lost}


def test_data_in_rounds_0_to_15_only_in_narrow_rows():
    data, later = of_kind("sha2_step", is_data=1, round=15), of_kind("sha2_step", round=16)
    place = "constant: time passed, high 8 bits; data in rounds 0 to 15 and no other"
    assert place in failing("sha2_step", later | {"is_data": 1})
    assert place in failing("sha2_step", data | {"is_data": 0})
    last = of_kind("sha2_step", round=63, last=1)
    assert failing("sha2_step", last | {"round": 62}) == {"the last word is that of round 63"}
    assert not failing("sha2_step", last | {"round": 79, "last": 0})  # goes on, and never ends
    assert place in failing("sha2_step", last | {"round": 80, "last": 0})


@pytest.mark.parametrize("flag", ["first_part", "done", "last"])
def test_flags_that_are_free_on_a_row_are_settled_by_others(flag):
    """Set where it is 0, or left out where it is 1: nothing on the row, but a message too many or too few."""
    allowed = {"first_part": "edge", "done": "e", "last": "a"}[flag]
    for value in (0, 1):
        mains = mains_of(NARROW)
        found = where(mains, "sha2_step", **{flag: value, allowed: 1})
        mains["sha2_step"][column("sha2_step", flag), found[0]] = 1 - value
        assert not refusals(mains, "sha2_step")
        assert left_over(mains, NARROW)


def test_words_of_the_schedule_cannot_leave_parts_out():
    """An inner row as an edge row, and one without its first part: a later word asks for what it does not get."""
    mains = mains_of(NARROW)
    row = where(mains, "sha2_step", inner=1, is_data=0)[3]
    matrix = mains["sha2_step"]
    matrix[column("sha2_step", "inner"), row], matrix[column("sha2_step", "edge"), row] = 0, 1
    matrix[cells(mains, "sha2_step", "with_it"), row] = 0
    assert not refusals(mains, "sha2_step")
    assert {k[1] for k in left_over(mains, NARROW)} == {Sha2Word.PART1, Sha2Word.PART2}


def test_carries_cannot_move_between_limbs():
    """out.lo + 2^16 with a carry less is the same sum: the next row holds 16 bits, and the last words are added up."""
    mains = mains_of(NARROW)
    for kind in ("e", "a", "inner"):
        carry, low = column("sha2_step", "carry[0]"), column("sha2_step", "out.lo")
        row = next(r for r in where(mains, "sha2_step", **{kind: 1}) if mains["sha2_step"][carry, r] > 0)
        forged = dict(zip(machine.recorded("sha2_step").main, map(int, mains["sha2_step"][:, row]), strict=True))
        forged["carry[0]"] -= 1
        refused("sha2_step", forged | {"out.lo": forged["out.lo"] + 65536}, "sum, high")
        forged["out.hi"] -= 1
        assert not failing("sha2_step", forged | {"out.lo": forged["out.lo"] + 65536})  # what takes `out` refuses it
        changed = mains_of(NARROW)
        changed["sha2_step"][[carry, low, column("sha2_step", "out.hi")], row] = (
            forged["carry[0]"], int(changed["sha2_step"][low, row]) + 65536, forged["out.hi"] % P,
        )  # fmt: skip
        assert left_over(changed, NARROW)
    row = of_kind("sha2_step", e=1)
    refused("sha2_step", row | {"carry[1]": 256, "out.hi": row["out.hi"] - (256 - row["carry[1]"]) * 65536}, "carries")


@both_forms
def test_a_header_carry_is_a_bit_and_the_sums(label):
    row = of_kind("sha2", block=1, index=0)
    for value in (2, P - 1):
        assert failing("sha2", row | {"carry[0]": value}) >= {"carry[0] is a bit"}
    mains = mains_of(label)
    first = where(mains, "sha2", block=1, index=0)[0]
    mains["sha2"][column("sha2", "carry[0]"), first] ^= 1
    assert {k[1] for k in left_over(mains, label)} == {Sha2Word.DONE}


def test_a_last_word_out_of_range_adds_up_to_the_same():
    """Only the last a' and e' of a block may be out of range: 2^16 more in the low limb, one less in the high one.

    The header's sum is the same then, its low carry one more: what goes on from the block does not change.
    """
    mains = mains_of(NARROW)
    for row in where(mains, "sha2_step", a=1, last=1):
        values = dict(zip(machine.recorded("sha2_step").main, map(int, mains["sha2_step"][:, row]), strict=True))
        header = where(mains, "sha2", block=1, index=0, left=values["left"], cycle=values["cycle"] - 63 - 5)[0]
        carry = mains["sha2"][column("sha2", "carry[0]")]
        if values["carry[0]"] and not carry[header]:
            break
    else:
        pytest.fail("no block of the corpus has such carries")
    changed = {"carry[0]": values["carry[0]"] - 1, "out.lo": values["out.lo"] + 65536, "out.hi": values["out.hi"] - 1}
    for name, value in changed.items():
        mains["sha2_step"][column("sha2_step", name), row] = value % P
    assert {k[1] for k in left_over(mains, NARROW)} == {Sha2Word.DONE}
    carry[header] = 1
    assert not left_over(mains, NARROW)
    assert not refusals(mains, "sha2") | refusals(mains, "sha2_step")


def test_starts_of_blocks_take_nothing_but_the_state():
    """A start row in the middle of a block, or a round before the first: no such word is there."""
    mains = mains_of(NARROW)
    row = where(mains, "sha2_step", e=1)[7]
    matrix = mains["sha2_step"]
    matrix[column("sha2_step", "e"), row], matrix[column("sha2_step", "start_e"), row] = 0, 1
    matrix[cells(mains, "sha2_step", "with_it"), row] = 0
    out = [int(matrix[c, row]) for c in cells(mains, "sha2_step", "out")]
    matrix[cells(mains, "sha2_step", "input"), row] = out
    matrix[cells(mains, "sha2_step", "carry"), row] = 0
    assert not refusals(mains, "sha2_step")
    wanted = {Sha2Word.START + 1, Sha2Word.INPUT, Sha2Word.D, Sha2Word.T1}
    assert {k[1] for k in left_over(mains, NARROW)} == wanted


def test_a_half_cannot_end_and_begin_anew_within_a_block():
    """An e row that is last, and the next one first with nothing in it: then nobody would miss the message between."""
    row = of_kind("sha2_step", e=1, last=0, done=0)
    assert "first only in a row before the first round" in failing("sha2_step", row | {"first": 1})
    start = of_kind("sha2_step", start_e=1, first=0)
    assert "last only in a round" in failing("sha2_step", start | {"last": 1})
    mains = mains_of(NARROW)
    later = where(mains, "sha2_step", start_e=1, first=0)[0]
    mains["sha2_step"][column("sha2_step", "first"), later] = 1
    assert buses_of(left_over(mains, NARROW)) == {"sha2_step"}
    first = where(mains, "sha2_step", start_a=1, first=1)[0]
    mains["sha2_step"][column("sha2_step", "first"), first] = 0
    assert len(left_over(mains, NARROW)) == 2
    refused("sha2_step", of_kind("sha2_step", start_a=1, first=1) | {"fourth.lo": 1}, "fourth.lo is empty at first")


def test_wide_rounds_start_with_what_the_header_gives():
    row = of_kind("sha2_round", first=1)
    for i in range(14):
        for half, name in (("lo", "low"), ("hi", "high")):
            refused(
                "sha2_round", row | {f"pending[{i}].{half}": 1}, f"pending {i}, {name}: nothing before the first round"
            )
    mains = mains_of(WIDE)
    later = where(mains, "sha2_round", is_real=1, round=20)[0]
    mains["sha2_round"][column("sha2_round", "first"), later] = 1
    assert {"sha2_round", "sha2_schedule", "sha2_word"} == buses_of(left_over(mains, WIDE))


def test_a_machine_has_one_form_of_the_rounds():
    profile = next(p for p in (case(NARROW).profile,))
    copies = dict(profile.copies) | {"sha2_round": 1}
    heights = dict(profile.log_heights) | {"opcodes": 11, "tables13": 13}
    with pytest.raises(CircuitError, match="sha2_round or sha2_step"):
        machine.make_system("both", copies, heights)


def test_capacity_of_narrow_rounds_is_whole_blocks():
    (profile,) = parse({"x": {"page": [9, 1], "page_block": [9, 1], "region": [9, 1], "sha2_step": [10, 2]}})
    assert profile.capacity("sha2_round") == profile.capacity("sha2_step") // STEP_ROWS * 64
    assert profile.capacity("sha2_round") % 64 == 0
