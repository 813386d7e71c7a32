"""Attacks on permutations in one row and in five, and on tree hashes as sponges.

Each test forges something as a prover would: whatever follows from the lie is made right, rows are added as honest ones
of another statement.  What is left over names the rule or the bus that the lie runs into.
"""

from collections import defaultdict
from dataclasses import replace

import numpy as np
import pytest
from rv32im_attack import column, failing, mains_of, traffic
from rv32im_corpus import case, unused
from rv32im_judge import judge
from rv32im_run import FIXED_ROWS

from localbento.air.check import evaluate_columns
from localbento.air.chip import CircuitError, assemble, assemble_fixed
from localbento.air.rules import check_chip, check_padding
from localbento.circuits.rv32im import machine
from localbento.circuits.rv32im.buses import BLOCK, DIGEST, NODE, PERMUTE, SPONGE
from localbento.circuits.rv32im.keys import pinned
from localbento.circuits.rv32im.paging import IN, LEVEL, OUT, PAGE_BLOCKS, TREE_DEPTH
from localbento.circuits.rv32im.permutation import FullRounds, PartialRounds, before_external_layer
from localbento.circuits.rv32im.poseidon2 import Permutations, Poseidon2, external_layer, permutation_columns
from localbento.circuits.rv32im.profiles import profiles
from localbento.circuits.rv32im.public import public_values
from localbento.circuits.rv32im.tables import FORMS
from localbento.field.babybear import P
from localbento.hash.poseidon2 import permute_batch
from localbento.stark.params import S100

TREE = ("page_block", "page", "node")
HASHING = (BLOCK, SPONGE, DIGEST, PERMUTE)
PLACES = ("first", "second", "third", "onward", "last")
TAGS = ("id", "direction", "block")
ROWS = {"poseidon2": Poseidon2, "full_rounds": FullRounds, "partial_rounds": PartialRounds}
FORMS_OF_CASE = {"split_machine": ("poseidon2",), "split_machine/rounds": ("full_rounds", "partial_rounds")}

both_forms = pytest.mark.parametrize("label", FORMS_OF_CASE)


def left_over(mains, label, buses=(*HASHING, NODE)):
    """Unbalanced messages of the tree and its permutations, the verifier's root among them, as {(bus, parts): net}."""
    net = traffic(mains, (*TREE, *FORMS_OF_CASE[label]), buses)
    if NODE in buses:
        root = ("node", 0, 1, *public_values(case(label).witness.statement)[:16])
        net[root] = net.get(root, 0) + 1
    return {k: v for k, v in net.items() if v}


def refusals(mains, names):
    """Rules and lookups of these chips that fail on some row."""
    return {
        label
        for name in names
        for label, bad in judge(machine.recorded(name), mains[name]).failing.items()
        if bad.any()
    }


def permutations(label, identity, direction, block, state, last=1):
    """Honest rows of one permutation, by chip: to be added to a witness."""
    one = np.array([state], np.uint32)
    tags = [np.array([x % P], np.uint32) for x in (last, identity, direction, block)]
    made = Permutations(*tags, one, permutation_columns(one))
    return {
        name: assemble(ROWS[name], ROWS[name].fill(made), 4 if name == "full_rounds" else 1)
        for name in FORMS_OF_CASE[label]
    }


def with_rows(mains, extra):
    """A witness with more rows."""
    return mains | {name: np.concatenate([mains[name], rows], axis=1) for name, rows in extra.items()}


def tagged(mains, name, **wanted):
    """Numbers of the rows with these cells."""
    return np.flatnonzero(np.all([mains[name][column(name, k)] == v for k, v in wanted.items()], axis=0))


def without_chain(mains, label, identity, direction):
    """A witness without the permutations of one sponge."""
    kept = {}
    for name in FORMS_OF_CASE[label]:
        gone = tagged(mains, name, id=identity, direction=direction)
        real = evaluate_columns(machine.recorded(name), np.zeros((0, mains[name].shape[1]), np.uint32), mains[name])
        gone = gone[real[machine.recorded(name).real][gone] == 1]
        kept[name] = np.delete(mains[name], gone, axis=1)
    return mains | kept


def names_of(found):
    """Buses of messages."""
    return {k[0] for k in found}


def a_page(mains, dirty=1):
    """Number of a page, and its row."""
    row = tagged(mains, "page", is_real=1, dirty=dirty)[0]
    return int(mains["page"][column("page", "page"), row]), row


# the permutation


@both_forms
def test_nothing_is_left_over_of_an_honest_witness(label):
    mains = mains_of(label)
    assert not left_over(mains, label)
    assert not refusals(mains, (*TREE, *FORMS_OF_CASE[label]))


def test_before_external_layer_is_the_inverse():
    """On a basis, both ways round: both are linear, so everywhere."""
    for i in range(24):
        basis = [int(k == i) for k in range(24)]
        assert [x % P for x in external_layer([x % P for x in before_external_layer(basis)])] == basis
        assert [x % P for x in before_external_layer(external_layer(basis))] == basis


@pytest.mark.parametrize("place", [*PLACES, "partial"])
def test_two_permutations_exchange_a_row(place):
    """Two rows of one place with each other's names: the states of neither fit to their neighbours."""
    label, mains = "split_machine/rounds", mains_of("split_machine/rounds")
    name = "partial_rounds" if place == "partial" else "full_rounds"
    two = tagged(mains, name, **{"is_real" if place == "partial" else place: 1})[[0, -1]]
    cells = [column(name, tag) for tag in TAGS]
    matrix = mains[name]
    assert (matrix[cells, two[0]] != matrix[cells, two[1]]).any()
    matrix[np.ix_(cells, two)] = matrix[np.ix_(cells, two[::-1])]
    found = left_over(mains, label)
    steps = {"first": {1}, "second": {1, 2}, "partial": {2, 3}, "third": {3, 4}, "onward": {4}, "last": {4}}
    beside = {"first": {"block", "sponge"}, "onward": {"sponge"}, "last": {"digest"}}
    assert {k[4] for k in found if k[0] == "permute"} == steps[place]
    assert names_of(found) - {"permute"} <= beside.get(place, set())
    assert (names_of(found) > {"permute"}) == (place in beside)


@pytest.mark.parametrize("place", ["first", "second", "third", "last", "partial"])
def test_two_permutations_of_one_state_do_not_share_a_row(place):
    """The same node once more under another name: the state is the same, the name in the message is not."""
    label, mains = "split_machine/rounds", mains_of("split_machine/rounds")
    node = tagged(mains, "node", is_real=1)[0]
    again = mains["node"][:, node : node + 1].copy()
    again[column("node", "depth")] += 1
    state = [int(again[column("node", f"{s}.before[{i}]"), 0]) for s in ("right", "left") for i in range(8)]
    extra = permutations(label, again[column("node", "index"), 0], LEVEL * (again[column("node", "depth"), 0] + 1), 0,
                         [*state, *[0] * 8])  # fmt: skip
    fair = left_over(with_rows(mains, extra), label, HASHING)
    assert sorted((k[0], v) for k, v in fair.items()) == [("block", -1), ("digest", 1), ("sponge", -1)]
    name = "partial_rounds" if place == "partial" else "full_rounds"
    kept = extra[name][column(name, "is_real" if place == "partial" else place)] == 0
    found = left_over(with_rows(mains, extra | {name: extra[name][:, kept]}), label, (PERMUTE,))
    assert {k[4] for k in found} == {"first": {1}, "second": {1, 2}, "third": {3, 4}, "last": {4}, "partial": {2, 3}}[
        place
    ]


def test_no_rows_of_a_permutation_go_round():
    """Whatever a row takes, it hands on the step after that: a circle of states would need a step back."""
    seen = set()
    for name, flags in (("full_rounds", PLACES), ("partial_rounds", ("is_real",))):
        chip = machine.recorded(name)
        for flag in flags:
            row = unused(name)[:, None].copy()
            row[column(name, flag)] = 1
            values = evaluate_columns(chip, np.zeros((0, 1), np.uint32), row)
            steps = {m.sign: int(values[m.components[3]][0]) for m in chip.messages
                     if m.bus == PERMUTE and values[m.times][0]}  # fmt: skip
            seen.add((steps.get(-1), steps.get(1)))
    assert seen == {(None, 1), (1, 2), (2, 3), (3, 4), (4, None)}


@both_forms
@pytest.mark.parametrize("block", [-1, 5, PAGE_BLOCKS])
@pytest.mark.parametrize("last", [0, 1])
def test_a_chain_that_nobody_started(label, block, last):
    """One permutation beside a page's own: before its first block, after its last, or in the middle."""
    mains = mains_of(label)
    page, _ = a_page(mains)
    extra = permutations(label, page, IN, block, range(100, 124), last)
    found = left_over(with_rows(mains, extra), label)
    taken, given = ("block", "sponge"), ("digest", block) if last else ("sponge", block + 1)
    assert {(k[0], (k[3] + 1) % P - 1, v) for k, v in found.items()} == {
        *((bus, block, -1) for bus in taken), (*given, 1)
    }  # fmt: skip


@both_forms
def test_a_permutation_taken_away_by_a_negative_one(label):
    """Flags of p - 1 turn all messages of a permutation round, so that they cancel an honest one."""
    mains = mains_of(label)
    page, _ = a_page(mains)
    names = FORMS_OF_CASE[label]
    extra = {}
    for name in names:
        rows = mains[name][:, tagged(mains, name, id=page, direction=IN, block=7)].copy()
        for flag in (*PLACES, "is_real", "last"):
            if flag in machine.recorded(name).main:
                rows[column(name, flag)] = -rows[column(name, flag)].astype(np.int64) % P
        extra[name] = rows
    assert len(extra) == len(names)
    lost = left_over(with_rows(mains, extra), label)
    assert {k[3] for k in lost} == {7, 8}  # the permutation is gone
    found = {f for name in names for f in refusals(extra, (name,)) if "cube" not in f and "S-box" not in f}
    assert (
        found
        == {
            "poseidon2": {"is_real is a bit"},
            "full_rounds": {*(f"{place} is a bit" for place in PLACES[:4]), "at most one pair", "is_real is a bit"},
        }[names[0]]
    )


@pytest.mark.parametrize(("one", "other"), [("first", "second"), ("second", "third"), ("third", "last")])
def test_a_row_in_two_places_by_halves(one, other):
    """Half of either flag is one row in sum, with constants between those of both."""
    chip, half = machine.recorded("full_rounds"), pow(2, -1, P)
    row = unused("full_rounds")
    row[[column("full_rounds", one), column("full_rounds", other)]] = half
    found = {f for f, bad in judge(chip, row[:, None]).failing.items() if bad[0]}
    assert {f for f in found if "cube" not in f and "S-box" not in f} == {f"{one} is a bit", f"{other} is a bit"}


@pytest.mark.parametrize("rule", [*(f"{place} is a bit" for place in PLACES), "at most one pair"])
def test_key_generation_wants_every_rule_about_places(rule):
    chip = machine.recorded("full_rounds")
    less = replace(
        chip,
        constraints=tuple(k for k in chip.constraints if k.label != rule),
        bits=frozenset(b for b in chip.bits if f"{chip.main[chip.graph.nodes[b][1]]} is a bit" != rule),
    )
    assert len(less.constraints) == len(chip.constraints) - 1
    with pytest.raises(CircuitError):
        check_chip(less, S100.max_degree)


@both_forms
def test_a_digest_that_is_not_the_permutations(label):
    """The digest of a page changed, and the root's path with it: some S-box of the last row is wrong, or a message."""
    mains = mains_of(label)
    page, _ = a_page(mains)
    name = FORMS_OF_CASE[label][0]
    row = tagged(mains, name, id=page, direction=OUT, last=1)[0]
    cells = [f"end.digest[{i}]" for i in range(8)] if name == "poseidon2" else ["rounds[1].out[3]"]
    mains[name][[column(name, c) for c in cells], row] ^= 1
    found = refusals(mains, (name,))
    assert found == ({f"digest {i}" for i in range(8)} if name == "poseidon2" else {"round 1: S-box 3"})
    assert names_of(left_over(mains, label)) == {"digest"}


# pages and nodes


@both_forms
def test_a_node_in_the_place_of_a_page(label):
    """A leaf opened once more as a node of depth 22, with children of its own: their hash is not the page's digest."""
    mains = mains_of(label)
    page, row = a_page(mains, dirty=0)
    leaf = page + (1 << TREE_DEPTH)
    children = list(range(1, 17))
    node = dict.fromkeys(machine.recorded("node").main, 0) | {"is_real": 1, "depth": TREE_DEPTH, "index": leaf}
    for i in range(8):
        digest = int(mains["page"][column("page", f"digest.before[{i}]"), row])
        for version in ("before", "after"):
            node[f"parent.{version}[{i}]"] = digest
            node[f"right.{version}[{i}]"], node[f"left.{version}[{i}]"] = children[i], children[8 + i]
    assert not failing("node", node)
    forged = without_chain(mains, label, page, IN)
    forged["page"] = np.delete(forged["page"], row, axis=1)
    forged["page_block"] = np.delete(forged["page_block"], tagged(forged, "page_block", page=page, is_real=1), axis=1)
    rows = np.array(list(node.values()), np.uint32)[:, None]
    forged = with_rows(forged, {"node": rows} | permutations(label, leaf, LEVEL * (TREE_DEPTH + 1), 0,
                                                             [*children, *[0] * 8]))  # fmt: skip
    found = left_over(forged, label)
    assert sorted((k[:4], v) for k, v in found.items()) == [
        (("digest", leaf, 4 * 23, 0), -1), (("digest", leaf, 4 * 23, 0), 1)
    ]  # fmt: skip


@both_forms
@pytest.mark.parametrize("block", [0, PAGE_BLOCKS - 1])
def test_a_page_of_one_block(label, block):
    """A page hashed like a node, with the number of its first block or of the last: the page wants 32 from zero."""
    mains = mains_of(label)
    page, row = a_page(mains, dirty=0)
    state = [5] * 16 + [0] * 8
    digest = permute_batch(np.array([state], np.uint64))[0, :8]
    forged = with_rows(without_chain(mains, label, page, IN), permutations(label, page, IN, block, state))
    blocks = tagged(forged, "page_block", page=page, is_real=1)
    forged["page_block"] = np.delete(forged["page_block"], blocks[1:], axis=1)
    forged["page_block"][column("page_block", "block"), blocks[0]] = block
    for word in range(8):
        for limb in ("lo", "hi"):
            for version in ("before", "after"):
                forged["page_block"][column("page_block", f"words[{word}].{version}.{limb}"), blocks[0]] = 5
    for i in range(8):
        for version in ("before", "after"):
            forged["page"][column("page", f"digest.{version}[{i}]"), row] = digest[i]
    assert not refusals(forged, ("page", "page_block", *FORMS_OF_CASE[label]))
    found = left_over(forged, label)
    hashing = sorted((k[0], k[3], v) for k, v in found.items() if k[0] != "node")
    if block:
        assert hashing == [("sponge", 0, 1), ("sponge", 31, -1)]
    else:
        assert hashing == [("digest", 0, 1), ("digest", 31, -1)]
    assert sorted(v for k, v in found.items() if k[0] == "node") == [-1, 1]  # nor is that digest in the tree


@both_forms
def test_the_words_of_the_next_page_as_block_32(label):
    """A sponge of 33 blocks would put words of the next page on the memory; its digest is taken after block 31."""
    mains = mains_of(label)
    page, _ = a_page(mains, dirty=0)
    name = FORMS_OF_CASE[label][0]
    end = tagged(mains, name, id=page, direction=IN, last=1)[0]
    mains[name][column(name, "last"), end] = 0
    if name == "full_rounds":
        mains[name][column(name, "onward"), end] = 1
    assert not refusals(mains, (name,))
    capacity = next(k[4:] for k, v in left_over(mains, label).items() if k[0] == "sponge" and v == 1)
    words = mains["page_block"][:, tagged(mains, "page_block", page=page, block=0)].copy()
    words[column("page_block", "block")] = PAGE_BLOCKS
    limbs = [int(words[column("page_block", f"words[{i}].before.{x}"), 0]) for i in range(8) for x in ("lo", "hi")]
    extra = permutations(label, page, IN, PAGE_BLOCKS, [*limbs, *capacity])
    found = left_over(with_rows(mains, {"page_block": words} | extra), label)
    assert sorted((k[0], k[3], v) for k, v in found.items()) == [("digest", 31, -1), ("digest", 32, 1)]


@both_forms
def test_a_page_goes_out_as_it_came_in(label):
    """Both sponges of a dirty page change their directions: stores are lost.  The blocks are the page rows' own."""
    mains = mains_of(label)
    page, row = a_page(mains)
    for name in FORMS_OF_CASE[label]:
        _exchange_sponges(mains, name, (page, IN), (page, OUT))
    for i in range(8):
        cells = [column("page", f"digest.{version}[{i}]") for version in ("before", "after")]
        mains["page"][cells, row] = mains["page"][cells[::-1], row]
    found = left_over(mains, label)
    assert {k[:2] for k in found} == {("block", page), ("node", TREE_DEPTH)}
    for i in range(8):
        cells = [column("page", f"digest.{version}[{i}]") for version in ("before", "after")]
        mains["page"][cells, row] = mains["page"][cells[::-1], row]
    assert {k[:2] for k in left_over(mains, label)} == {("block", page), ("digest", page)}


def _exchange_sponges(mains, name, one, other):
    cells = mains[name][column(name, "direction")]
    here, there = (tagged(mains, name, id=x[0], direction=x[1]) for x in (one, other))
    cells[here], cells[there] = other[1], one[1]


@both_forms
def test_the_tree_before_and_the_tree_after_change_places(label):
    """At every node and page, hashes too: the verifier's root says which is which."""
    mains = mains_of(label)
    for name, groups in (("node", ("parent", "left", "right")), ("page", ("digest",))):
        for group in groups:
            for i in range(8):
                cells = [column(name, f"{group}.{version}[{i}]") for version in ("before", "after")]
                mains[name][cells] = mains[name][cells[::-1]]
    for name in FORMS_OF_CASE[label]:
        for into, out in _dirty_names(mains):
            _exchange_sponges(mains, name, into, out)
    blocks = mains["page_block"]
    for word in range(8):
        for limb in ("lo", "hi"):
            cells = [column("page_block", f"words[{word}].{version}.{limb}") for version in ("before", "after")]
            blocks[cells] = blocks[cells[::-1]]
    assert not refusals(mains, (*TREE, *FORMS_OF_CASE[label]))
    assert {k[:3] for k in left_over(mains, label)} == {("node", 0, 1)}


def _dirty_names(mains):
    """(id, direction) of both sponges of every dirty page and node."""
    for row in tagged(mains, "page", dirty=1):
        page = int(mains["page"][column("page", "page"), row])
        yield (page, IN), (page, OUT)
    for row in tagged(mains, "node", dirty=1):
        index, depth = (int(mains["node"][column("node", c), row]) for c in ("index", "depth"))
        yield (index, LEVEL * (depth + 1) + IN), (index, LEVEL * (depth + 1) + OUT)


@both_forms
@pytest.mark.parametrize("touched", [0, 1])
def test_a_node_with_another_child(label, touched):
    """Another digest for a child, the node hashed anew: its own digest is another then, and its parent knows it."""
    mains = mains_of(label)
    node = tagged(mains, "node", is_real=1, left_touched=touched)
    node = node[mains["node"][column("node", "depth"), node] == 9 + touched][0]
    matrix = mains["node"]
    index, depth, dirty = (int(matrix[column("node", c), node]) for c in ("index", "depth", "dirty"))
    forged, name = mains, LEVEL * (depth + 1)
    for direction, version in ((IN, "before"), (OUT, "after")):
        matrix[column("node", f"left.{version}[2]"), node] ^= 1
        children = [f"{side}.{version}[{i}]" for side in ("right", "left") for i in range(8)]
        state = [*(int(matrix[column("node", cell), node]) for cell in children), *[0] * 8]
        digest = permute_batch(np.array([state], np.uint64))[0, :8]
        for i in range(8):
            matrix[column("node", f"parent.{version}[{i}]"), node] = digest[i]
        if direction == IN or dirty:
            forged = without_chain(forged, label, index, name + direction)
            forged = with_rows(forged, permutations(label, index, name + direction, 0, state))
    assert not refusals(forged, (*TREE, *FORMS_OF_CASE[label]))
    found = left_over(forged, label)
    levels = [(depth, -1), (depth, 1)] + ([(depth + 1, -1), (depth + 1, 1)] if touched else [])
    assert sorted((k[1], v) for k, v in found.items()) == sorted(levels)
    assert names_of(found) == {"node"}


@both_forms
def test_a_level_left_out(label):
    """A node that says it is one level further down, its hash too: nobody handed it over there."""
    mains = mains_of(label)
    node = tagged(mains, "node", is_real=1, depth=7)[0]
    index = int(mains["node"][column("node", "index"), node])
    mains["node"][column("node", "depth"), node] += 1
    for name in FORMS_OF_CASE[label]:
        for direction in (IN, OUT):
            rows = tagged(mains, name, id=index, direction=LEVEL * 8 + direction)
            mains[name][column(name, "direction"), rows] += LEVEL
    found = left_over(mains, label)
    assert names_of(found) == {"node"}
    assert {(k[1], v) for k, v in found.items()} == {(7, 1), (8, -1), (9, 1)}  # it, what it took, its children


@both_forms
def test_names_of_sponges_are_there_once(label):
    """What the permutations assume: every (id, direction) starts once, with no capacity."""
    mains = mains_of(label)
    starts = defaultdict(int)
    for name in ("page", "node"):
        chip, matrix = machine.recorded(name), mains[name]
        values = evaluate_columns(chip, np.zeros((0, matrix.shape[1]), np.uint32), matrix)
        for m in chip.messages:
            if m.bus == SPONGE:
                assert m.sign == 1
                parts = [np.broadcast_to(values[n], matrix.shape[1:]) for n in m.components]
                for k in np.flatnonzero(values[m.times]):
                    starts[int(parts[0][k]), int(parts[1][k])] += 1
                    assert not any(int(p[k]) for p in parts[2:])
    assert set(starts.values()) == {1}
    pages = {int(page) for page in mains["page"][column("page", "page"), tagged(mains, "page", is_real=1)]}
    assert {name for name, direction in starts if direction in (IN, OUT)} == pages


# unused rows, keys


@pytest.mark.parametrize("name", ["full_rounds", "partial_rounds", "region", "opcodes", *FORMS])
def test_unused_rows_are_silent(name):
    """As padding, and with any one multiplicity of 1: some rule of the chip refuses it."""
    chip = machine.recorded(name)
    rows = FIXED_ROWS.get(name) or (FORMS[name].rows() if name in FORMS else 1)
    check_padding(chip, rows)
    fixed = assemble_fixed(chip.chip, rows)[:, -1:] if chip.fixed else np.zeros((0, 1), np.uint32)
    blank = np.array([[chip.chip.padding.get(c, 0)] for c in chip.main], np.uint32)
    for m in chip.messages:
        cells = {c for c, _ in enumerate(chip.main) if _moves(chip, fixed, blank, c, m.times)}
        for cell in cells:
            row = blank.copy()
            row[cell] = 1
            values = evaluate_columns(chip, fixed, row)
            real = int(np.ravel(values[chip.real])[0])
            bad = [k.label for k in chip.constraints if np.ravel(values[k.node])[0]]
            assert real == 1 or bad, (name, m.label)


def _moves(chip, fixed, blank, cell, node):
    row = blank.copy()
    row[cell] = 1
    return bool(np.ravel(evaluate_columns(chip, fixed, row)[node])[0])


def test_no_profile_is_taken_for_another():
    """The transcript begins with the circuit's digest: heights, chips, tables.  Every profile has its own."""
    for key in ("static_digest", "circuit_digest"):
        assert len({tuple(numbers[key]) for numbers in pinned().values()}) == len(profiles())
