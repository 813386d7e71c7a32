"""Groups F and I: beginning, end, and passages between modes; public values."""

from collections import defaultdict

import numpy as np
import pytest
from rv32im_attack import failing, mains_of, of_kind, refused, traffic
from rv32im_corpus import case

from localbento.air.check import evaluate_columns
from localbento.air.system import Public
from localbento.circuits.rv32im import machine
from localbento.circuits.rv32im.buses import END, NODE, START
from localbento.circuits.rv32im.public import COUNT, NAMES, check_public_values, public_values
from localbento.circuits.rv32im.records import USER_MODE
from localbento.errors import Reason, VerificationError
from localbento.field.babybear import P
from localbento.riscv import abi


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
    refused("system", row | {"user": 1}, "region of the mode")


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
