import random

import pytest

from localbento.field.babybear import P
from localbento.hash.poseidon2 import compress, hash_leaf
from localbento.hash.tree import open_path, root_of_path, tree_levels

Matrices = dict[int, list[list[int]]]


@pytest.fixture
def matrices() -> Matrices:
    rng = random.Random(5)
    return {k: [[rng.randrange(P) for _ in range(k + 2)] for _ in range(1 << k)] for k in (4, 3, 1)}


def test_levels_end_at_the_cap(matrices: Matrices) -> None:
    levels = tree_levels(matrices, 1)
    assert [len(level) for level in levels] == [16, 8, 4, 2]
    below = [compress(levels[0][2 * i], levels[0][2 * i + 1]) for i in range(8)]
    assert levels[1] == [compress(n, hash_leaf(r)) for n, r in zip(below, matrices[3], strict=True)]
    assert levels[2] == [compress(levels[1][2 * i], levels[1][2 * i + 1]) for i in range(4)]


@pytest.mark.parametrize("index", [0, 1, 7, 15])
def test_paths_hash_up_to_the_cap(matrices: Matrices, index: int) -> None:
    levels = tree_levels(matrices, 1)
    rows = {k: m[index >> (4 - k)] for k, m in matrices.items()}
    path = open_path(levels, index)
    place, digest = root_of_path(rows, 4, index, path)
    assert levels[-1][place] == digest
    for height in rows:
        changed = dict(rows)
        changed[height] = [(rows[height][0] + 1) % P, *rows[height][1:]]
        assert root_of_path(changed, 4, index, path)[1] != digest
    assert root_of_path(rows, 4, index ^ 1, path)[1] != digest


def test_a_tree_as_tall_as_its_cap_is_its_leaves() -> None:
    rows = [[i] for i in range(4)]
    assert tree_levels({2: rows}, 2) == [[hash_leaf(row) for row in rows]]


def test_what_is_no_tree_is_refused(matrices: Matrices) -> None:
    with pytest.raises(ValueError, match="at least 2\\^2"):
        tree_levels(matrices, 2)
    with pytest.raises(ValueError, match="at least"):
        tree_levels({}, 0)
    with pytest.raises(ValueError, match="expected 2 rows"):
        tree_levels({1: [[1]]}, 0)
    with pytest.raises(IndexError):
        open_path(tree_levels(matrices, 1), 16)
