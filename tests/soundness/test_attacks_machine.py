"""Attacks on the rv32im machine thought up from its messages: who could feed whom, and which numbers have two readings.

Where a cell is only bounded by two lookups together, all its values are tried.
"""

import numpy as np
import pytest
from rv32im_attack import column, failing, mains_of, of_kind, refused, traffic
from rv32im_corpus import case
from rv32im_judge import judge
from rv32im_rows import decoded, encode, honest
from rv32im_run import recorded

from localbento.air.check import check
from localbento.air.chip import assemble_fixed
from localbento.circuits.rv32im import machine
from localbento.circuits.rv32im.buses import BLOCK, CPU, DIGEST, END, SHA2_ROUND, SHA2_WORD, SPONGE, START, STOP
from localbento.circuits.rv32im.public import public_values
from localbento.circuits.rv32im.records import USER_MODE, Slot
from localbento.field.babybear import P


def accepted(name, row, **cells):
    """Which of many values of some cells no label and no lookup refuses: bool[n]."""
    count = len(next(iter(cells.values())))
    matrix = np.repeat(np.array(row, np.uint32)[:, None], count, axis=1)
    for key, values in cells.items():
        matrix[recorded(name).main.index(key)] = np.asarray(values, np.int64) % P
    return ~np.any(list(judge(recorded(name), matrix).failing.values()), axis=0)


@pytest.mark.parametrize("low", [0, 1, 0x1FFF, 0x3FFE, 0x3FFF])
def test_d63_a_link_passes_into_the_next_64_kib_in_one_way(low):
    """`wraps` is a plain cell: 2^14 times it is small, and so is it added to the high half.  Nothing but 0 and 1 is."""
    row = decoded(encode("addi", 5, 6, imm=1), pc=0x10_0000 + low)
    multiples = np.arange(-(1 << 15), 1 << 15)
    wraps = multiples * pow(1 << 14, -1, P) % P
    good = wraps[accepted("decode", row, wraps=wraps)]
    assert list(good) == [int(low == 0x3FFF)]
    small = np.arange(-(1 << 16), 1 << 16)
    assert list(small[accepted("decode", row, wraps=small)]) == [int(low == 0x3FFF)]


@pytest.mark.parametrize("name", ["a", "b"])
def test_d62_twice_the_rest_of_a_limb_has_one_sign(name):
    """All limbs with both signs; the rest of the row is not looked at."""
    chip = recorded("less")
    high, sign = np.divmod(np.arange(1 << 17), 2)
    matrix = np.zeros((len(chip.main), 1 << 17), np.uint32)
    for key, values in (("is_real", 1), (f"{name}.hi", high), (f"{name}_sign", sign)):
        matrix[chip.main.index(key)] = values
    refusing = judge(chip, matrix).failing[f"sign of {name}"]
    assert np.array_equal(~refusing, sign == high >> 15)


def test_h115_a_pointer_is_cut_into_word_and_byte_in_one_way():
    row = of_kind("host_io", is_read=1, some=1)
    chip = machine.recorded("host_io")
    values = [row[c] for c in chip.main]
    low = np.repeat(np.arange(1 << 14), 4)
    offset = np.tile(np.arange(4), 1 << 14)
    matrix = np.repeat(np.array(values, np.uint32)[:, None], len(low), axis=1)
    for key, cells in (("pointer.lo", low), ("byte_low", offset & 1), ("byte_high", offset >> 1)):
        matrix[chip.main.index(key)] = cells
    refusing = judge(chip, matrix).failing["word in its 64 KiB is 14 bits"]
    assert np.array_equal(~refusing, offset == low & 3)


def test_f96_two_loans_do_not_feed_each_other():
    """A loan ends at 5 k + 3, another begins at 5 k' + 2: equal modulo p for one k', with no access between."""
    row = dict.fromkeys(recorded("peek").main, 0) | {"is_real": 1, "addr": 1 << 20}
    matrix = np.repeat(np.array(list(row.values()), np.uint32)[:, None], 256, axis=1)
    cycle = (7 + pow(5, -1, P)) % P
    assert (5 * cycle + Slot.MEMORY - 1 - 5 * 7 - Slot.MEMORY) % P == 0
    matrix[recorded("peek").main.index("cycle")] = cycle
    matrix[recorded("peek").main.index("cycle_high")] = np.arange(256)
    assert judge(recorded("peek"), matrix).failing["cycle is 24 bits"].all()


def test_f98_the_sponge_of_a_page_has_32_blocks():
    """It cannot end before block 31, and one that does not end there hands nothing to the page."""
    mains = mains_of("split_machine")
    matrix = mains["poseidon2"]
    early = np.flatnonzero(
        (matrix[column("poseidon2", "block")] == 30) & (matrix[column("poseidon2", "direction")] == 0)
    )
    matrix[column("poseidon2", "last"), early[0]] = 1
    lost = traffic(mains, ("page_block", "page", "node", "poseidon2"), (BLOCK, SPONGE, DIGEST))
    assert {(k[0], k[3], v) for k, v in lost.items()} == {("sponge", 31, -1), ("digest", 30, 1)}
    mains = mains_of("split_machine")
    matrix = mains["poseidon2"]
    last = np.flatnonzero(matrix[column("poseidon2", "block")] == 31)[0]
    matrix[column("poseidon2", "last"), last] = 0
    lost = traffic(mains, ("page_block", "page", "node", "poseidon2"), (BLOCK, SPONGE, DIGEST))
    assert {(k[0], k[3], v) for k, v in lost.items()} == {("sponge", 32, 1), ("digest", 31, -1)}


def test_f98_blocks_of_a_page_stand_at_their_own_addresses():
    """The words of one block put at the addresses of another: the digest wants every number once."""
    mains = mains_of("split_machine")
    block = mains["page_block"][column("page_block", "block")]
    block[np.flatnonzero(block == 5)[0]] = 6
    lost = traffic(mains, ("page_block", "page", "node", "poseidon2"), (BLOCK, SPONGE, DIGEST))
    assert {k[3] for k in lost} == {5, 6}


def test_h119_a_sha2_block_has_64_rounds():
    for place in (0, 15, 16, 62):
        row = of_kind("sha2_round", is_real=1, round=place)
        refused("sha2_round", row | {"last": 1}, "last is round 63")
    row = of_kind("sha2_round", is_real=1, round=63)
    assert not failing("sha2_round", row | {"round": 79, "last": 0})  # goes on, and never ends
    refused("sha2_round", row | {"round": 79}, "last is round 63")
    refused("sha2_round", row | {"round": 80, "last": 0}, "data in rounds 0 to 15")


def test_h119_what_rounds_made_is_for_their_own_block():
    """Two blocks exchange results: a result carries the cycle."""
    mains = mains_of("hashing")
    matrix = mains["sha2_round"]
    last = np.flatnonzero(matrix[column("sha2_round", "last")])
    cycle = matrix[column("sha2_round", "cycle")]
    cycle[last[:2]] = cycle[last[1::-1]]
    lost = traffic(mains, ("sha2", "sha2_round"), (SHA2_ROUND, SHA2_WORD))
    assert {k[0] for k in lost} == {"sha2_round", "sha2_word"}


def without(mains, name, **kind):
    """Matrices with the used rows of a kind turned into unused ones."""
    matrix = mains[name]
    found = np.all([matrix[column(name, k)] == v for k, v in kind.items()], axis=0)
    chip = machine.recorded(name)
    unused = np.array([chip.chip.padding.get(c, 0) for c in chip.main], np.uint32)
    matrix[:, found] = unused[:, None]
    return found.any()


@pytest.mark.parametrize(
    ("kinds", "buses"),
    [
        (("terminate", "close"), {"cpu", "end", "decode", "access"}),
        (("close",), {"stop", "access"}),
        (("resume",), {"start", "cpu", "access"}),
    ],
)
def test_d56_i124_a_segment_without_beginning_or_end(kinds, buses):
    whole = case("modes")
    mains = mains_of("modes")
    assert all(without(mains, "system", **{kind: 1}) for kind in kinds)
    chips = whole.profile.system.chips
    fixed = [assemble_fixed(c.chip, m.shape[1]) for c, m in zip(chips, mains.values(), strict=True)]
    report = check(whole.profile.system, list(mains.values()), fixed, public_values(whole.witness.statement), 100)
    found = {i.bus for i in report.imbalances if i.bus not in ("range", "region")}
    assert found == buses


@pytest.mark.parametrize("kind", ["resume", "terminate"])
def test_i122_one_beginning_and_one_end(kind):
    """A second run beside the first, or a second end: START and END are taken once."""
    mains = mains_of("modes")
    matrix = mains["system"]
    again = matrix[:, matrix[column("system", kind)] == 1]
    mains["system"] = np.concatenate([matrix, again], axis=1)
    bus = START if kind == "resume" else END
    mine = traffic(mains, ("system",), (bus,))
    assert list(mine.values()) == [-2 if kind == "resume" else 2]
    if kind == "terminate":
        assert 1 in traffic(mains, ("system",), (STOP,)).values()


def test_e84_a_slow_fetch_leads_back_in_the_cycle_of_the_chain():
    """`resumed` is a plain cell: another one takes a step that nobody left."""
    row = honest("slow_fetch", encode("addi", 5, 6, imm=1), slow=True)
    chip = recorded("slow_fetch")
    matrix = np.array([row, row], np.uint32).T
    at = chip.main.index("resumed")
    matrix[at, 1] += 1
    before, after = (traffic({"slow_fetch": matrix[:, i : i + 1]}, ("slow_fetch",), (CPU,)) for i in (0, 1))
    cycle, pc = int(row[chip.main.index("cycle")]), int(row[chip.main.index("addr")])
    alias = 0x7000_0000 + 2 * cycle
    assert before["cpu", cycle + 1, alias + 1] == after["cpu", cycle + 2, alias + 1] == -1
    assert after["cpu", cycle + 2, pc + 1] == 1


@pytest.mark.parametrize("user", [0, 1])
def test_e85_no_pc_is_an_alias_and_no_pc_of_one_mode_one_of_the_other(user):
    """A decode row at an alias without a fetch: its pc would need a word and a mode of its own."""
    row = decoded(encode("addi", 5, 6, imm=1), user=bool(user))
    low, high = np.arange(1 << 14), [0, 0xBFFF, 0xC000, 0xFFFF, 0x10000]
    for h in high:
        pc = low + (h << 14) + user * USER_MODE
        cells = {"low": low, "high": np.full(1 << 14, h), "pc": pc}
        goals = {"goal_low": low, "goal_high": cells["high"], "wraps": low == 0x3FFF}
        good = accepted("decode", row, **cells, **goals)
        inside = 1 <= h <= (0xBFFF if user else 0xFFFF)
        assert good.all() == inside or (h == 0xFFFF and inside and list(np.flatnonzero(~good)) == [0x3FFF])
        assert not inside or pc.max() < 0x7000_0000
        assert inside or not good.any()
