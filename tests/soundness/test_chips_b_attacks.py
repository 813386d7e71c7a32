"""Groups F, H and I for the chips around the instructions: what was broken once, and what others broke.

Each test builds the row or the machine that an attacker would like and names what refuses it.
"""

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from rv32im_corpus import CASES, case, unused
from rv32im_judge import judge

from localbento.air.check import check, evaluate_columns, signed
from localbento.air.chip import assemble_fixed
from localbento.air.system import Public
from localbento.circuits.rv32im import machine
from localbento.circuits.rv32im.buses import BLOCK, DIGEST, END, HASH, NODE, SPONGE, START
from localbento.circuits.rv32im.public import COUNT, NAMES, check_public_values, public_values
from localbento.circuits.rv32im.records import USER_MODE
from localbento.errors import Reason, VerificationError
from localbento.field.babybear import P
from localbento.riscv import abi

MEMORY_TREE = ("page_block", "page", "node", "poseidon2")


def of_kind(name, **wanted):
    """An honest row with these values, as a dictionary of columns."""
    columns = machine.recorded(name).main
    for label in CASES:
        matrix = case(label).matrix(name)
        found = np.flatnonzero(np.all([matrix[columns.index(k)] == v for k, v in wanted.items()], axis=0))
        if len(found):
            return dict(zip(columns, map(int, matrix[:, found[0]]), strict=True))
    raise AssertionError(wanted)


def failing(name, values):
    """Labels of constraints and lookups that refuse a row."""
    chip = machine.recorded(name)
    column = np.array([[values[c] % P] for c in chip.main], np.uint32)
    return {label for label, bad in judge(chip, column).failing.items() if bad[0]}


def refused(name, values, *labels):
    """The row is refused by exactly these labels (a prefix is enough for the last)."""
    found = failing(name, values)
    assert found, "the row is accepted"
    assert all(any(f.startswith(label) for f in found) for label in labels), found
    assert all(any(f.startswith(label) for label in labels) for f in found), found


def traffic(mains, chips, buses):
    """Net count of every message on some buses."""
    net = defaultdict(int)
    for name in chips:
        chip, matrix = machine.recorded(name), mains[name]
        values = evaluate_columns(chip, np.zeros((0, matrix.shape[1]), np.uint32), matrix)
        whole = lambda node: np.broadcast_to(values[node], matrix.shape[1:])  # noqa: B023, E731
        for m in chip.messages:
            if m.bus in buses:
                times = signed(whole(m.times)) * m.sign
                for k in np.flatnonzero(times):
                    net[m.bus.name, *(int(whole(n)[k]) for n in m.components)] += int(times[k])
    return {k: v for k, v in net.items() if v % P}


def mains_of(label):
    """Matrices by name, to be changed."""
    c = case(label)
    return {chip.name: m.copy() for chip, m in zip(c.profile.system.chips, c.witness.mains, strict=True)}


def column(name, column):
    return machine.recorded(name).main.index(column)


# Pages and nodes


@pytest.mark.parametrize("part", ["parent", "left", "right"])
def test_nothing_differs_in_a_clean_node(part):
    """With the parent's rule alone a dirty child under a clean parent is dropped; with none the post root is free."""
    row = of_kind("node", is_real=1, dirty=0, left_touched=1)
    row = row | {"right_touched": 1}
    row[f"{part}.after[3]"] += 1
    rule = {
        "parent": "a clean parent does not change",
        "left": "the left child of a clean node does not change",
        "right": "the right child of a clean node does not change",
    }
    refused("node", row, rule[part] + ", cell 3")


@pytest.mark.parametrize("side", ["left", "right"])
def test_an_untouched_child_does_not_change(side):
    row = of_kind("node", is_real=1, dirty=1, **{f"{side}_touched": 0})
    row[f"{side}.after[0]"] += 1
    refused("node", row, f"an untouched {side} child does not change, cell 0")


@pytest.mark.parametrize("flag", ["left_touched", "right_touched", "dirty"])
def test_an_unused_node_opens_nothing(flag):
    """`node` with is_real = 0 and touched = 1 opened a page that no root knows."""
    row = dict.fromkeys(machine.recorded("node").main, 0) | {flag: 1, "depth": 21, "index": 1 << 21}
    refused("node", row, f"{flag.removesuffix('_touched')}: only on a used row")


@pytest.mark.parametrize("name", ["page", "page_block"])
def test_an_unused_page_is_not_dirty(name):
    row = dict.fromkeys(machine.recorded(name).main, 0) | {"dirty": 1}
    refused(name, row, "dirty only on a used row")


def test_a_clean_page_keeps_its_digest():
    row = of_kind("page", dirty=1) | {"dirty": 0}
    assert all(label.startswith("a clean page keeps its digest") for label in failing("page", row))
    assert failing("page", row)


@pytest.mark.parametrize("limb", ["lo", "hi"])
def test_code_and_clean_words_do_not_change(limb):
    name = {"lo": "low", "hi": "high"}[limb]
    row = of_kind("page_block", dirty=0)
    row[f"words[2].after.{limb}"] += 1
    rules = [f"word 2, {name}: a clean block does not change"]
    if row["words[2].is_code"]:
        rules.append(f"word 2, {name}: code does not change")
    refused("page_block", row, *rules)
    row = of_kind("page_block", dirty=1) | {"words[2].is_code": 1}
    row["words[2].after.lo"], row["words[2].after.hi"] = row["words[2].before.lo"], row["words[2].before.hi"]
    row[f"words[2].after.{limb}"] += 1
    refused("page_block", row, f"word 2, {name}: code does not change")


def test_a_block_that_is_not_dirty_in_a_dirty_page():
    """The chain over the page as it becomes has a hole there."""
    mains = mains_of("modes")
    matrix = mains["page_block"]
    dirty = np.flatnonzero(matrix[column("page_block", "dirty")])
    same = [k for k in dirty if _unchanged(matrix[:, k])]
    matrix[column("page_block", "dirty"), same[0]] = 0
    assert not failing("page_block", dict(zip(machine.recorded("page_block").main, matrix[:, same[0]], strict=True)))
    lost = traffic(mains, ("page_block", "poseidon2"), (BLOCK,))
    assert len(lost) == 1


def _unchanged(row):
    main = machine.recorded("page_block").main
    cells = dict(zip(main, row, strict=True))
    return all(cells[c] == cells[c.replace("after", "before")] for c in main if "after" in c)


def test_a_dirty_block_in_a_clean_page():
    """Its block finds no sponge."""
    mains = mains_of("modes")
    matrix = mains["page_block"]
    is_dirty, is_real = matrix[column("page_block", "dirty")], matrix[column("page_block", "is_real")]
    clean = np.flatnonzero((is_dirty == 0) & (is_real == 1))
    matrix[column("page_block", "dirty"), clean[0]] = 1
    lost = traffic(mains, ("page_block", "poseidon2"), (BLOCK,))
    assert list(lost.values()) == [1]


def test_a_page_opened_twice():
    """Page and blocks and sponge again: the tree hands a leaf over once."""
    mains = mains_of("modes")
    page = mains["page"][:, 0]
    index = page[column("page", "page")]
    for name, key in (("page", "page"), ("page_block", "page"), ("poseidon2", "id")):
        matrix = mains[name]
        again = matrix[:, matrix[column(name, key)] == index]
        if name == "poseidon2":
            again = again[:, again[column(name, "sponge")] == 1]
        mains[name] = np.concatenate([matrix, again], axis=1)
    lost = traffic(mains, MEMORY_TREE, (NODE, BLOCK, SPONGE, DIGEST))
    assert [k[0] for k in lost if k[1:3] != (0, 1)] == ["node"]


def test_a_page_of_another_index():
    """Blocks of one page offered as another's, beyond the tree too (2^22 + page is not reached)."""
    for shift in (1, 1 << 22, P - 1):
        mains = mains_of("modes")
        index = int(mains["page"][column("page", "page"), 0])
        for name, key in (("page", "page"), ("page_block", "page"), ("poseidon2", "id")):
            row = mains[name][column(name, key)].astype(np.int64)
            used = row == index
            if name == "poseidon2":
                used &= mains[name][column(name, "sponge")] == 1
            mains[name][column(name, key)] = np.where(used, (row + shift) % P, row)
        lost = traffic(mains, MEMORY_TREE, (NODE, BLOCK, SPONGE, DIGEST))
        assert sum(k[0] == "node" and k[1] == 22 for k in lost) == 2


def test_a_dropped_page_out():
    """Pages said to be clean, all the way up: their changed words and digests give them away."""
    mains = mains_of("modes")
    for name in ("page", "page_block"):
        mains[name][column(name, "dirty")] = 0
        verdict = judge(machine.recorded(name), mains[name])
        assert {label.split(",")[0] for label, bad in verdict.failing.items() if bad.any()} == {
            "a clean page keeps its digest"
        } or all("a clean block does not change" in label for label, bad in verdict.failing.items() if bad.any())
        assert verdict.problems().any()


def test_kinds_of_permutations():
    """A sponge is no HASH; a node has no capacity; a page ends with block 31 and nowhere else."""
    sponge, node = of_kind("poseidon2", sponge=1, last=0), of_kind("poseidon2", node=1)
    refused("poseidon2", sponge | {"uses": 1}, "only a node is a HASH")
    refused("poseidon2", node | {"last": 1, "block": 31}, "only a sponge ends")
    refused("poseidon2", sponge | {"last": 1}, "a page ends with its block 31")
    values = dict(zip(machine.recorded("poseidon2").main, unused("poseidon2"), strict=True))
    refused("poseidon2", values | {"uses": 1}, "only a node is a HASH", "no answers from an unused row")
    assert "node: capacity 5 is zero" in failing("poseidon2", node | {"state[21]": 1})


def test_a_hash_of_other_children():
    """Children swapped, or one digest changed: no row answers."""
    mains = mains_of("modes")
    matrix = mains["node"]
    for i in range(8):
        left, right = column("node", f"left.before[{i}]"), column("node", f"right.before[{i}]")
        matrix[[left, right], 0] = matrix[[right, left], 0]
    assert {k[0] for k in traffic(mains, ("node", "poseidon2"), (HASH,))} == {"hash"}


# System


def target(pc_element):
    """Limbs of the byte address of a pc element."""
    byte = 4 * (pc_element % USER_MODE)
    return byte & 0xFFFF, byte >> 16


def split_at(pc, user, low, high):
    """A split row at a pc, cut into these limbs."""
    row = of_kind("system", split=1)
    return row | {"pc": pc % P, "user": user, "target.lo": low, "target.hi": high, "second.lo": 1 - user}


def test_suspend_at_the_other_split_of_a_pc():
    """2^31 > p: machine word x < 2^27 - 1 is also user word x + 0x3800_0001."""
    word = 0x2000 >> 2 << 2
    low, high = target(word)
    assert "region of the mode" in failing("system", split_at(word, 0, low, high))  # the zero area, honestly cut
    word = 0x0080_0000
    honest = split_at(word, 0, *target(word))
    assert not failing("system", honest)
    other = word + 0x3800_0001
    assert (other + USER_MODE) % P == word
    refused("system", split_at(word, 1, *target(other)), "region of the mode")


@pytest.mark.parametrize(
    ("pc", "why"),
    [
        (0x7000_0000 + 2 * 77, "the alias of a slow fetch"),
        (0x7000_0000 + 2 * 77 + 1, "the alias after it"),
        (P - 1, "the target that must not be taken"),
        (USER_MODE + (0xC000_0000 >> 2), "user code that ran off its region"),
        (USER_MODE + 0x3FFF, "the zero area in user mode"),
        (0x3FFF, "the zero area in machine mode"),
        (1 << 30, "past the last machine word"),
    ],
)
def test_suspend_refuses(pc, why):
    """However such a pc is cut, a check fails."""
    for user in (0, 1):
        word = (pc - USER_MODE * user) % P
        for high in {word >> 14, min(word >> 14, 0xFFFF), 0xFFFF, 0xBFFF, 1}:
            low = (word - (high << 14)) % P
            assert failing("system", split_at(pc, user, 4 * low % P, high)), why


def test_suspend_mode_is_the_mode():
    row = of_kind("system", split=1)
    refused("system", row | {"second.lo": 1 - row["second.lo"]}, "SUSPEND_MODE, low")
    refused("system", row | {"second.hi": 1}, "SUSPEND_MODE, high")


@pytest.mark.parametrize("kind", ["ecall", "trap"])
def test_a_handler_lies_in_kernel_memory_and_is_aligned(kind):
    row = of_kind("system", **{kind: 1})
    for high in (0, 0xBFFF, 0xFF00, 0xFFFF, 0x20):
        refused("system", row | {"target.hi": high, "target_old.hi": high}, "region of the mode")
    for extra in (1, 2, 3):
        low = row["target.lo"] + extra
        refused("system", row | {"target.lo": low, "target_old.lo": low}, "word in its 64 KiB is 14 bits")
    refused("system", row | {"user": 1}, "handlers run in machine mode", "region of the mode")


def test_no_row_chooses_between_the_dispatch_words():
    """The address is a constant of the kind, and the kind is the op that DECODE proves."""
    chip = machine.recorded("system")
    accesses, ops = {}, {}
    for kind in ("ecall", "trap"):
        row = of_kind("system", **{kind: 1})
        values = evaluate_columns(chip, np.zeros((0, 1), np.uint32), np.array([[row[c]] for c in chip.main], np.uint32))
        by_label = {m.label: [int(values[n][0]) for n in m.components] for m in chip.messages}
        accesses[kind], ops[kind] = by_label["target"][1], by_label["the instruction"][1]
    assert accesses == {"ecall": abi.ECALL_DISPATCH // 4, "trap": abi.TRAP_DISPATCH // 4}
    assert ops["ecall"] != ops["trap"]


def test_mepc_is_the_pc():
    for kind in ("ecall", "trap"):
        row = of_kind("system", **{kind: 1})
        refused("system", row | {"second.lo": row["second.lo"] + 4}, "MEPC, low")
        refused("system", row | {"second.hi": row["second.hi"] + 1}, "MEPC, high")


def test_mret_goes_to_user_mode_and_user_memory():
    row = of_kind("system", mret=1)
    refused("system", row | {"user": 0}, "mret goes to user mode")
    for high in (0, 0xC000, 0xFFFF):
        refused("system", row | {"target.hi": high, "target_old.hi": high}, "region of the mode")
    low = row["target.lo"] + 2
    refused("system", row | {"target.lo": low, "target_old.lo": low}, "word in its 64 KiB is 14 bits")


def test_resume_is_the_first_cycle_and_reads_a_mode():
    row = of_kind("system", resume=1)
    refused("system", row | {"cycle": 2}, "the resume row is cycle 1")
    for mode in (2, 0xFFFF, P - 1):
        assert failing("system", row | {"second.lo": mode, "second_old.lo": mode, "user": (1 - mode) % P})
    refused("system", row | {"second.hi": 1, "second_old.hi": 1}, "SUSPEND_MODE, high")


def test_terminate_is_call_0_and_tells_what_it_read():
    row = of_kind("system", terminate=1)
    refused("system", row | {"target.lo": 4, "target_old.lo": 4}, "a7 is TERMINATE, low")
    refused("system", row | {"target.hi": 1, "target_old.hi": 1}, "a7 is TERMINATE, high")
    refused("system", row | {"second.lo": row["second.lo"] + 1}, "second, low: a read leaves the word")
    refused("system", row | {"words[7].hi": row["words[7].hi"] + 1}, "output 7, high: a read leaves the word")


def test_close_saves_the_link():
    row = of_kind("system", close=1)
    refused("system", row | {"target.lo": row["target.lo"] + 4}, "close: SUSPEND_PC is the link, low")
    refused("system", row | {"target.hi": row["target.hi"] + 1}, "close: SUSPEND_PC is the link, high")
    refused("system", row | {"user": 1, "second.lo": 0}, "the mode after the end is machine mode")


@pytest.mark.parametrize("label", ["modes", "split_user"])
def test_every_public_value_counts(label):
    """One changed: the opened root, START or END finds nobody (tests 1, 102, 117, 118)."""
    c = case(label)
    net = traffic(mains_of(label), ("node", "page", "system"), (NODE, START, END))
    honest = list(public_values(c.witness.statement))

    def balanced(values):
        total = defaultdict(int, net)
        for m in c.profile.system.public_messages:
            parts = (values[x.index] if isinstance(x, Public) else x for x in m.components)
            total[m.bus.name, *parts] += m.sign
        return not any(total.values())

    assert balanced(honest)
    for i in range(COUNT):
        changed = list(honest)
        changed[i] = (changed[i] + 1) % P
        assert not balanced(changed), NAMES[i]


def test_public_values_are_checked_by_the_verifier():
    """Limbs, roots, flags, halt types: nothing that no constraint looks at passes."""
    honest = list(public_values(case("modes").witness.statement))
    assert check_public_values(honest) == case("modes").witness.statement
    at = {name: i for i, name in enumerate(NAMES)}
    bad = [
        {at["input_3"]: 1 << 16}, {at["a0_hi"]: 1 << 16}, {at["a1_lo"]: 1 << 16}, {at["output_15"]: 1 << 16},
        {at["pre_0"]: P}, {at["post_7"]: P + 5}, {at["terminated"]: 2}, {at["terminated"]: P - 1}, {at["a0_lo"]: 2},
        {at["a0_lo"]: 0xFFFF}, {at["terminated"]: 0}, {at["input_0"]: -1}, {at["pre_1"]: True},
    ]  # fmt: skip
    for change in bad:
        values = list(honest)
        for i, value in change.items():
            values[i] = value
        with pytest.raises(VerificationError) as caught:
            check_public_values(values)
        assert caught.value.reason is Reason.PUBLIC_VALUES
    for wrong in (honest[:-1], [*honest, 0]):
        with pytest.raises(VerificationError):
            check_public_values(wrong)
    split = public_values(case("split_user").witness.statement)
    assert not check_public_values(split).terminated
    for name in ("a0_lo", "a1_hi", "output_0"):
        values = list(split)
        values[at[name]] = 1
        with pytest.raises(VerificationError):
            check_public_values(values)


# Host


def test_read_answers_are_between_0_and_the_length():
    """r = -5 passes if only n - r is checked; n - r = -1 if only r is."""
    row = of_kind("host_io", is_read=1, some=1)
    n = row["length"]
    refused("host_io", row | {"result": P - 5}, "r is not negative")
    assert n + 5 < 1 << 11
    refused("host_io", row | {"length": 3, "result": P - 5}, "r is not negative")
    refused("host_io", row | {"length": 3, "result": 4}, "r is at most n")
    write = of_kind("host_io", is_write=1)
    refused("host_io", write | {"result": P - 5}, "r is not negative")
    refused("host_io", write | {"length": 3, "result": 4}, "r is at most n")
    assert failing("host_io", write | {"some": 1, "result": 0, "pointer.hi": 1}) == {"only READ has data"}


def test_read_lengths_and_pointers():
    """At most 1024, no wrap around 2^32, never into the zero area, the byte in its word."""
    row = of_kind("host_io", is_read=1, some=1, carry=0) | {"length": 1025, "result": 0, "some": 0}
    refused("host_io", row, "n is at most 1024")
    row = of_kind("host_io", is_read=1, some=1, carry=0)
    zero = row | {"pointer.hi": 0}
    refused("host_io", zero, "p is above the zero area")
    assert not failing("host_io", zero | {"result": 0, "some": 0})
    top = row | {"pointer.hi": 0xFFFF, "pointer.lo": 0xFFFC, "byte_low": 0, "byte_high": 0, "length": 4, "result": 0}
    top |= {"some": 0}
    assert failing("host_io", top | {"carry": 1}) == {"p + n is below 2^32"}
    assert failing("host_io", top | {"carry": 0}) == {"p + n, low limb"}
    assert not failing("host_io", top | {"length": 3, "carry": 0})
    low = row["pointer.lo"] & ~3
    refused("host_io", row | {"pointer.lo": low + 1, "byte_low": 0, "byte_high": 1}, "word in its 64 KiB is 14 bits")
    refused("host_io", row | {"some": 0}, "no data, no bytes")


def test_read_data_ends_when_nothing_is_left():
    whole, byte = of_kind("read_data", whole=1, last=0), of_kind("read_data", byte1=1, last=0)
    refused("read_data", whole | {"last": 1}, "last: nothing is left")
    refused("read_data", byte | {"last": 1}, "last: nothing is left")
    refused("read_data", of_kind("read_data", whole=1, last=1) | {"left": 3}, "last: nothing is left")


def test_read_data_writes_bytes_only_where_it_says():
    for i, half in enumerate(("lo", "lo", "hi", "hi")):
        row = of_kind("read_data", **{f"byte{i}": 1})
        other = {"lo": "hi", "hi": "lo"}[half]
        refused("read_data", row | {f"new.{other}": row[f"new.{other}"] ^ 1}, "low" if other == "lo" else "high")
        # the byte beside, changed together with what the row says of it before
        changed = row | {"beside": row["beside"] ^ 1}
        refused("read_data", changed, f"byte {i}: before", f"byte {i}: after")
        big = row | {"put": row["put"] + 256, "beside": row["beside"] - 1}
        assert failing("read_data", big)
    row = of_kind("read_data", whole=1)
    refused("read_data", row | {"new.lo": 1 << 16}, "new word, low limb")
    refused("read_data", row | {"new.hi": P - 1}, "new word, high limb")


# SHA2


def test_sha2_calls_have_good_pointers_and_at_most_10_blocks():
    row = of_kind("sha2", call=1)
    refused("sha2", row | {"other[8]": 11, "left": 11}, "at most 10 blocks")
    refused("sha2", row | {"left": row["left"] + 1}, "blocks to come")
    for i, name in enumerate(("state-in", "state-out", "data", "constants")):
        for extra in (1, 2, 3):
            found = failing("sha2", row | {f"other[{2 * i}]": row[f"other[{2 * i}]"] + extra})
            assert f"{name} is aligned" in found
        found = failing("sha2", row | {f"other[{2 * i + 1}]": 0})
        assert f"{name} is above the zero area" in found
        assert f"{name}: word address" in found


def test_sha2_carries_are_bits_and_the_last_words_are_in_range():
    """A carry of 2 or p - 1 with the done word moved by 2^16 would leave every equation true."""
    row = of_kind("sha2", block=1)
    for value in (2, P - 1):
        assert "word 0, low: carry is a bit" in failing("sha2", row | {"other[0]": value})
    assert {"last a, low is 16 bits"} <= failing("sha2", row | {"other[0]": 1 - row["other[0]"]})


def test_sha2_store_comes_after_the_last_block():
    row = of_kind("sha2", store=1)
    refused("sha2", row | {"left": 1}, "store: no block is left")
    refused("sha2", row | {"base": row["base"] + 1}, "store: at the state-out")


def test_sha2_data_in_rounds_0_to_15_only():
    data, later = of_kind("sha2_round", round=15), of_kind("sha2_round", round=16)
    place = "data in rounds 0 to 15 and no other"
    assert place in failing("sha2_round", later | {"is_data": 1})
    assert place in failing("sha2_round", data | {"is_data": 0})
    refused("sha2_round", of_kind("sha2_round", round=62) | {"last": 1}, "last is round 63")
    assert failing("sha2_round", of_kind("sha2_round", round=63) | {"round": 64, "last": 0}) == set()
    assert place in failing("sha2_round", of_kind("sha2_round", round=63) | {"round": 80, "last": 0})


def test_sha2_answers():
    """Another sum, another carry, a word out of range: noticed in the round or in the next one."""
    row = of_kind("sha2_round", round=20)
    for word in ("next_a", "next_e"):
        name = word.replace("_", " ")
        refused("sha2_round", row | {f"{word}.lo": row[f"{word}.lo"] ^ 1}, f"{name}, low limb")
        refused("sha2_round", row | {f"{word}.hi": row[f"{word}.hi"] ^ 1}, f"{name}, high limb")
        digit = row[f"{word}_carry[1]"]
        moved = row | {f"{word}_carry[1]": 4 + digit, f"{word}.hi": row[f"{word}.hi"] - 4 * 65536}
        refused("sha2_round", moved, f"{name}, high: carry digit is 0 to 3")


# Faults in the records: an executor that lies, a witness that is otherwise consistent


def change(array, row, column, value):
    result = array.copy()
    result[row, column] = value
    return result


def steps(records, name, **columns):
    array = records.steps[name].copy()
    for key, f in columns.items():
        array[5, int(key[1:])] = f(array[5, int(key[1:])])
    return replace(records, steps=records.steps | {name: array})


def pages(records, **fields):
    return replace(records, pages=replace(records.pages, **fields))


def with_calls(records, kind, column, f):
    calls = records.calls.copy()
    at = np.flatnonzero(calls[:, 0] == kind)[0]
    calls[at, column] = f(calls[at, column])
    return replace(records, calls=calls)


def undirtied(records):
    dirty = records.pages.dirty.copy()
    changed = np.flatnonzero((records.pages.before != records.pages.after).any(axis=1))
    dirty[changed[0]] = False
    return pages(records, dirty=dirty)


def other_memory(records):
    after = records.pages.after.copy()
    row = np.flatnonzero(records.pages.dirty)[0]
    data = np.flatnonzero(~records.pages.is_code[row])[7]
    after[row, data] ^= 1
    return pages(records, after=after)


FAULTS = {
    "a result": lambda r: steps(r, "alu_imm", c14=lambda x: x ^ 1),
    "an operand": lambda r: steps(r, "alu_imm", c4=lambda x: x ^ 1),
    "an older time": lambda r: steps(r, "alu_imm", c5=lambda x: x - 5 if x > 5 else 0),
    "a later time": lambda r: steps(r, "alu_imm", c5=lambda x: x + 1),
    "a cycle": lambda r: steps(r, "alu_imm", c0=lambda x: x + 1),
    "a skipped instruction": lambda r: replace(
        r, steps=r.steps | {"alu_imm": np.delete(r.steps["alu_imm"], 4, axis=0)}
    ),
    "an instruction twice": lambda r: replace(
        r, steps=r.steps | {"alu_imm": np.insert(r.steps["alu_imm"], 4, r.steps["alu_imm"][4], axis=0)}
    ),
    "another instruction word": lambda r: replace(r, decode=change(r.decode, 3, 1, r.decode[3, 1] ^ (1 << 20))),
    "another pc": lambda r: replace(r, decode=change(r.decode, 3, 0, r.decode[3, 0] + 1)),
    "where it resumes": lambda r: with_calls(r, 0, 9, lambda x: x + 4),
    "the mode it resumes in": lambda r: with_calls(r, 0, 13, lambda x: 1 - x),
    "the input": lambda r: replace(r, input_words=r.input_words ^ 1),
    "the exit code": lambda r: with_calls(r, 3, 13, lambda x: x ^ (1 << 16)),
    "an output word": lambda r: with_calls(r, 3, 21, lambda x: x ^ 1),
    "the handler": lambda r: with_calls(r, 4, 9, lambda x: x + 4),
    "MEPC at mret": lambda r: with_calls(r, 6, 9, lambda x: x + 4),
    "a host reply's length": lambda r: with_calls(r, 7, 7, lambda x: x - 1),
    "a host reply's place": lambda r: replace(r, read_data=change(r.read_data, 2, 2, r.read_data[2, 2] + 1)),
    "a host reply's old word": lambda r: replace(r, read_data=change(r.read_data, 2, 6, r.read_data[2, 6] ^ 1)),
    "a byte beyond the reply": lambda r: replace(r, read_data=change(r.read_data, 0, 7, r.read_data[0, 7] ^ (1 << 24))),
    "a dropped page-out": undirtied,
    "other memory at the end": other_memory,
    "a page not touched": lambda r: pages(
        r, **{k: getattr(r.pages, k)[1:] for k in ("index", "before", "after", "times", "is_code", "dirty")}
    ),
    "code said to be data": lambda r: pages(r, is_code=np.zeros_like(r.pages.is_code)),
    "data said to be code": lambda r: pages(r, is_code=~r.pages.is_code),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_lying_executor(fault):
    """The witness of changed records breaks a label, a table or a bus, or cannot be made."""
    from rv32im_segment import tight_profile

    from localbento.circuits.rv32im.witness import make_witness

    records = FAULTS[fault](case("modes").records)
    profile = tight_profile(records)
    try:
        witness = make_witness(records, profile)
    except (ValueError, KeyError, IndexError):
        return
    fixed = [assemble_fixed(c.chip, m.shape[1]) for c, m in zip(profile.system.chips, witness.mains, strict=True)]
    assert not check(profile.system, witness.mains, fixed, public_values(witness.statement), limit=1).ok
