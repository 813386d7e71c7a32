import numpy as np
import pytest

from localbento.field.babybear import P
from localbento.hash import tree as twin
from localbento.hash.digest import Digest
from localbento_kernels.cpu import merkle
from localbento_kernels.cpu.field import to_mont
from localbento_kernels.cpu.tiles import pack

Rows = dict[int, np.ndarray]


def matrices_of(heights: dict[int, int]) -> tuple[Rows, list[merkle.Matrix]]:
    """Random rows for log2 of rows -> width."""
    rng = np.random.default_rng(sum(heights))
    rows = {h: rng.integers(0, P, (1 << h, width), dtype=np.uint32) for h, width in heights.items()}
    return rows, [merkle.Matrix(pack(to_mont(r)), r.shape[1]) for r in rows.values()]


SHAPES = [({5: 3}, 2), ({7: 20, 6: 1, 4: 16}, 3), ({3: 5}, 3), ({4: 2, 0: 2}, 0), ({8: 40, 5: 17}, 5)]


@pytest.mark.parametrize(("heights", "cap_bits"), SHAPES)
@pytest.mark.parametrize("threads", [1, 2])
def test_all_levels(heights: dict[int, int], cap_bits: int, threads: int) -> None:
    rows, matrices = matrices_of(heights)
    tree = merkle.build_tree(matrices, cap_bits, threads)
    expected = twin.tree_levels({h: r.tolist() for h, r in rows.items()}, cap_bits)
    levels = [merkle.from_mont(level) for level in tree.levels]
    assert [[tuple(d) for d in level.tolist()] for level in levels] == expected
    assert tree.cap.tolist() == [list(d) for d in expected[-1]]
    assert tree.height == max(heights)


@pytest.mark.parametrize(("heights", "cap_bits"), SHAPES)
def test_openings(heights: dict[int, int], cap_bits: int) -> None:
    rows, matrices = matrices_of(heights)
    tree = merkle.build_tree(matrices[::-1], cap_bits)
    expected = twin.tree_levels({h: r.tolist() for h, r in rows.items()}, cap_bits)
    indices = [0, 1, (1 << tree.height) - 1, 1, (1 << tree.height) // 3]
    opened, paths = tree.open_rows(indices)
    descending = sorted(heights, reverse=True)
    for q, index in enumerate(indices):
        path = [Digest(d) for d in paths[q].tolist()]
        assert path == twin.open_path(expected, index)
        own = {h: opened[i][q].tolist() for i, h in enumerate(descending)}
        assert own == {h: rows[h][index >> (tree.height - h)].tolist() for h in heights}
        place, digest = twin.root_of_path(own, tree.height, index, path)
        assert tree.cap[place].tolist() == list(digest)


@pytest.mark.parametrize("cell", [(0, 0), (127, 19), (64, 16)])
def test_every_cell_counts(cell: tuple[int, int]) -> None:
    _, matrices = matrices_of({7: 20, 5: 3})
    before = merkle.build_tree(matrices, 2).cap
    row, column = cell
    matrices[0].tiles[column // 16, row, column % 16] ^= 1
    assert np.any(merkle.build_tree(matrices, 2).cap != before)


def test_a_padding_column_is_no_column() -> None:
    rows, matrices = matrices_of({5: 3})
    wider = merkle.Matrix(matrices[0].tiles, 4)
    assert np.any(merkle.build_tree([wider], 2).cap != merkle.build_tree(matrices, 2).cap)
    assert len(rows[5]) == 32


def test_what_is_no_tree_is_refused() -> None:
    _, matrices = matrices_of({5: 3, 3: 2})
    with pytest.raises(ValueError, match=r"at least 2\^4"):
        merkle.build_tree(matrices, 4)
    with pytest.raises(ValueError, match="different heights"):
        merkle.build_tree([matrices[0], matrices[0]], 2)
    with pytest.raises(ValueError, match="expected matrices"):
        merkle.build_tree([], 0)
    tree = merkle.build_tree(matrices, 2)
    for bad in ([32], [-1], [0, 99]):
        with pytest.raises(IndexError):
            tree.open_rows(bad)
