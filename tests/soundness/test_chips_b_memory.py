"""Group F: pages and tree nodes.  Each test builds what an attacker would like and names what refuses it."""

import numpy as np
import pytest
from rv32im_attack import column, failing, mains_of, of_kind, refused, traffic
from rv32im_judge import judge

from localbento.circuits.rv32im import machine
from localbento.circuits.rv32im.buses import BLOCK, DIGEST, NODE, PERMUTE, SPONGE
from localbento.field.babybear import P

MEMORY_TREE = ("page_block", "page", "node", "poseidon2")


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
    lost = traffic(mains, MEMORY_TREE, (BLOCK,))
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
    lost = traffic(mains, MEMORY_TREE, (BLOCK,))
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
            again = again[:, again[column(name, "direction")] < 2]
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
                used &= mains[name][column(name, "direction")] < 2
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


def test_a_hash_of_other_children():
    """Children swapped, or one digest changed: no permutation takes them."""
    mains = mains_of("modes")
    matrix = mains["node"]
    for i in range(8):
        left, right = column("node", f"left.before[{i}]"), column("node", f"right.before[{i}]")
        matrix[[left, right], 0] = matrix[[right, left], 0]
    assert {k[0] for k in traffic(mains, MEMORY_TREE, (BLOCK,))} == {"block"}
    mains = mains_of("modes")
    mains["node"][column("node", "parent.before[0]"), 0] ^= 1
    assert {k[0] for k in traffic(mains, MEMORY_TREE, (BLOCK, SPONGE, DIGEST))} == {"digest"}


def test_a_hash_has_no_capacity_and_one_block():
    """A node's hash that starts with another capacity, or goes on: nobody hands it over or takes it."""
    mains = mains_of("modes")
    matrix = mains["poseidon2"]
    node = np.flatnonzero(matrix[column("poseidon2", "direction")] >= 4)[0]
    matrix[column("poseidon2", "state[20]"), node] = 5
    assert {k[0] for k in traffic(mains, MEMORY_TREE, (SPONGE,))} == {"sponge"}
    mains = mains_of("modes")
    mains["poseidon2"][column("poseidon2", "last"), node] = 0
    lost = traffic(mains, MEMORY_TREE, (BLOCK, SPONGE, DIGEST))
    assert sorted((k[0], k[3]) for k in lost) == [("digest", 0), ("sponge", 1)]


def test_hashes_of_two_levels_are_told_apart():
    """A heap number that came round p would be the number of another node; the level is not."""
    mains = mains_of("modes")
    node = mains["node"][:, 0].copy()
    node[column("node", "depth")] += 31
    mains["node"] = np.concatenate([mains["node"], node[:, None]], axis=1)
    lost = traffic(mains, MEMORY_TREE, (BLOCK, SPONGE, DIGEST))
    level = 4 * (int(node[column("node", "depth")]) + 1)
    assert {k[2] for k in lost} <= {level, level + 1}
    assert len(lost) >= 3


def test_states_of_two_permutations_do_not_change_places():
    """The rows of two permutations crossed over at one step: the tags are those of other states."""
    mains = mains_of("modes/rounds")
    matrix = mains["full_rounds"]
    second = np.flatnonzero(matrix[column("full_rounds", "second")])[:2]
    tags = [column("full_rounds", name) for name in ("id", "direction", "block")]
    matrix[np.ix_(tags, second)] = matrix[np.ix_(tags, second[::-1])]
    lost = traffic(mains, ("full_rounds", "partial_rounds"), (PERMUTE,))
    assert {k[4] for k in lost} == {1, 2}


@pytest.mark.parametrize("name", ["full_rounds", "partial_rounds"])
def test_a_permutation_without_one_of_its_rows(name):
    """Whichever row is left out, its neighbours miss a state, a block or a digest."""
    whole = mains_of("split_machine/rounds")
    chips = ("node", "page", "page_block", "full_rounds", "partial_rounds")
    assert not traffic(whole, chips, (BLOCK, SPONGE, DIGEST, PERMUTE))
    for k in range(0, whole[name].shape[1] - 2, 97):
        mains = whole | {name: np.delete(whole[name], k, axis=1)}
        assert traffic(mains, chips, (BLOCK, SPONGE, DIGEST, PERMUTE))


def test_each_pair_of_rounds_has_its_own_constants():
    """A row in another place of the permutation has other S-boxes."""
    places = ("first", "second", "third", "onward", "last")
    for place in places:
        row = of_kind("full_rounds", **{place: 1})
        for other in set(places) - {place}:
            found = failing("full_rounds", row | {place: 0, other: 1})
            assert bool(found) == ({place, other} != {"onward", "last"})
