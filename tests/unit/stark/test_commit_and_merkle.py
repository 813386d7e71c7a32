import numpy as np
import pytest

from localbento.errors import Reason, VerificationError
from localbento.field import polynomial
from localbento.field.babybear import P
from localbento.hash.tree import tree_levels
from localbento.stark.algebra import Algebra
from localbento.stark.commit import (
    commit,
    evaluate_on_domain,
    extend,
    interpolate,
    interpolate_on_domain,
)
from localbento.stark.merkle import read_rows, verify_opening
from localbento.stark.native import Native
from localbento.stark.shape import TreeShape

RNG = np.random.default_rng(20)
TREE = TreeShape("sample", (5, 4, 2), (20, 3, 16), 7, 2)


def matrices():
    return [RNG.integers(0, P, (w, 1 << (h + 2)), np.uint64) for h, w in zip(TREE.heights, TREE.widths, strict=True)]


@pytest.mark.parametrize("bits", [0, 1, 2, 5])
def test_transforms_are_those_of_the_plain_twins(bits):
    rows = RNG.integers(0, P, (3, 1 << bits), np.uint64)
    plain = rows.tolist()
    assert interpolate(rows).tolist() == [polynomial.interpolate_trace(r) for r in plain]
    assert extend(rows, 2).tolist() == [polynomial.evaluate_on_coset(r, 2) for r in plain]
    on_domain = evaluate_on_domain(rows, bits + 1)
    assert on_domain.tolist() == [polynomial.evaluate_on_domain(r, bits + 1) for r in plain]
    assert interpolate_on_domain(on_domain)[:, : 1 << bits].tolist() == plain


def test_a_commitment_is_the_plain_tree():
    made = matrices()
    plain = tree_levels({h + 2: m.T.tolist() for h, m in zip(TREE.heights, made, strict=True)}, 2)
    commitment = commit(TREE, made, 2)
    assert [level.tolist() for level in commitment.levels] == [[list(d) for d in level] for level in plain]


class Queries:
    """Runs `verify_opening` on openings of a commitment at some indices of 9 bits."""

    def __init__(self, indices):
        self.commitment = commit(TREE, matrices(), 2)
        self.indices = indices
        self.elements = np.array([self.commitment.opening(i, 9) for i in indices], np.uint64)

    def run(self, elements=None, cap=None, indices=None):
        v: Algebra = Native((self.elements if elements is None else elements).reshape(-1), 0)
        digests = [v.digest(d) for d in (self.commitment.cap if cap is None else cap)]
        bits = [v.to_bits(v.constant(i))[:9] for i in (self.indices if indices is None else indices)]
        v.each_query(bits, lambda b: verify_opening(v, TREE, 2, digests, b, read_rows(v, TREE)))

    def refused(self, **changes):
        with pytest.raises(VerificationError) as caught:
            self.run(**changes)
        return caught.value


def test_every_leaf_opens_and_the_top_bits_choose_it():
    Queries(range(0, 512, 3)).run()


def test_every_element_of_an_opening_matters():
    queries = Queries([5])
    for position in range(queries.elements.shape[1]):
        changed = queries.elements.copy()
        changed[0, position] = (changed[0, position] + 1) % P
        assert queries.refused(elements=changed).reason is Reason.MERKLE_ROOT


def test_another_index_is_refused():
    queries = Queries([5])
    queries.run(indices=[6])  # the tree has 7 bits of the 9: neighbours share a leaf
    for bit in range(2, 9):
        assert queries.refused(indices=[5 ^ 1 << bit]).reason is Reason.MERKLE_ROOT


def test_caps_are_ordered():
    queries = Queries([5])
    cap = queries.commitment.cap
    assert queries.refused(cap=[cap[1], cap[0], *cap[2:]]).reason is Reason.MERKLE_ROOT


def test_an_injected_digest_in_place_of_a_sibling_is_refused():
    queries = Queries([5])
    changed = queries.elements.copy()
    start = sum(TREE.widths)
    from localbento.hash.poseidon2 import hash_leaf

    changed[0, start : start + 8] = hash_leaf(changed[0, 20:23].tolist())
    assert queries.refused(elements=changed).reason is Reason.MERKLE_ROOT


def test_siblings_are_ordered():
    queries = Queries([5])
    changed = queries.elements.copy()
    start = sum(TREE.widths)
    changed[0, start : start + 16] = np.roll(changed[0, start : start + 16], 8)
    assert queries.refused(elements=changed).reason is Reason.MERKLE_ROOT


def test_the_lowest_failing_query_is_named():
    queries = Queries([5, 9, 77])
    changed = queries.elements.copy()
    changed[1:, 0] ^= 1
    error = queries.refused(elements=changed)
    assert str(error) == "merkle-root-mismatch: query 1: sample tree"
