"""The hash kernels against localbento.hash.poseidon2, which is held to the vectors."""

import json
from pathlib import Path

import numpy as np
import pytest

from localbento.field.babybear import P
from localbento.hash import poseidon2 as twin
from localbento_kernels.cpu import poseidon2
from localbento_kernels.cpu.field import from_mont, to_mont
from localbento_kernels.cpu.poseidon2_scalar import permute_one, permute_rows
from localbento_kernels.cpu.tiles import aligned, pack

EDGES = np.array([0, 1, P - 1, P // 2, P // 2 + 1, 2**16, 2**30, 2**32 % P], np.uint32)


def rows_of(count: int, width: int) -> np.ndarray:
    """Random rows, then rows of edges: in Montgomery form too, as kernels meet them."""
    rng = np.random.default_rng(1000 * count + width)
    rows = rng.integers(0, P, (count, width), dtype=np.uint32)
    for i, row in enumerate(rows[1:20:2]):
        row[:] = EDGES[i % len(EDGES)]
    if count > 25:
        rows[20] = rng.choice(EDGES, width)
        rows[21] = from_mont(rng.choice(EDGES, width))
        rows[22] = from_mont(rng.choice(np.array([0, P - 1], np.uint32), width))
    return rows


def test_constants_are_those_of_the_twin() -> None:
    here = Path(poseidon2.__file__).with_name("poseidon2_babybear_24.json")
    there = Path(twin.__file__).with_name("poseidon2_babybear_24.json")
    assert json.loads(here.read_text()) == json.loads(there.read_text())


@pytest.mark.parametrize("count", [1, 2, 31, 32, 33, 100])
@pytest.mark.parametrize("width", [1, 5, 16, 17, 64])
def test_rows(count: int, width: int) -> None:
    rows = rows_of(count, width)
    tiles = pack(to_mont(rows))
    digests = poseidon2.hash_rows(tiles, width)
    assert int(digests.max()) < P
    assert np.array_equal(from_mont(digests), twin.hash_leaf_batch(rows.astype(np.uint64)))
    assert np.array_equal(digests, poseidon2.hash_rows(tiles, width, threads=2))


def test_many_rows() -> None:
    rows = rows_of(5000, 33)
    digests = poseidon2.hash_rows(pack(to_mont(rows)), 33, threads=2)
    assert np.array_equal(from_mont(digests), twin.hash_leaf_batch(rows.astype(np.uint64)))


def test_width_and_tag_stand_in_the_capacity() -> None:
    rows = rows_of(3, 4)
    tiles = pack(to_mont(rows))
    digests = poseidon2.hash_rows(tiles, 4, tag=3)
    assert np.array_equal(from_mont(digests), twin.hash_leaf_batch(rows.astype(np.uint64), tag=3))
    for other in (poseidon2.hash_rows(tiles, 5), poseidon2.hash_rows(tiles, 4)):
        assert not np.any(np.all(other == digests, axis=1))


def test_width_must_belong_to_the_tiles() -> None:
    tiles = pack(to_mont(rows_of(3, 17)))
    for width in (0, 16, 33):
        with pytest.raises(ValueError, match=r"expected . tiles"):
            poseidon2.hash_rows(tiles, width)


@pytest.mark.parametrize("count", [1, 2, 16, 33, 200])
def test_nodes(count: int) -> None:
    digests = rows_of(2 * count, 8)
    expected = twin.compress_batch(digests[::2].astype(np.uint64), digests[1::2].astype(np.uint64))
    pairs = aligned((2 * count, 8))
    pairs[:] = to_mont(digests)
    assert np.array_equal(from_mont(poseidon2.compress_pairs(pairs)), expected)
    assert np.array_equal(from_mont(poseidon2.compress_pairs(pairs, threads=2)), expected)
    assert np.array_equal(from_mont(poseidon2.compress(pairs[::2], pairs[1::2])), expected)


@pytest.mark.parametrize("count", [1, 3, 40])
def test_pages(count: int) -> None:
    rng = np.random.default_rng(count)
    pages = rng.integers(0, 2**32, (count, 256), dtype=np.uint32)
    pages[0] = 0xFFFFFFFF
    expected = twin.hash_memory_pages(pages)
    assert np.array_equal(poseidon2.hash_pages(pages), expected)
    assert np.array_equal(poseidon2.hash_pages(pages, threads=2), expected)
    nodes = poseidon2.hash_nodes(expected, expected[::-1])
    assert np.array_equal(nodes, twin.hash_memory_nodes(expected, expected[::-1]))
    with pytest.raises(ValueError, match="shape"):
        poseidon2.hash_pages(pages[:, :255])


def test_aliases_of_digests_are_refused() -> None:
    good = np.zeros((2, 8), np.uint32)
    bad = good.copy()
    bad[1, 7] = P
    for pair in ((bad, good), (good, bad)):
        with pytest.raises(ValueError, match="below"):
            poseidon2.hash_nodes(*pair)
    with pytest.raises(ValueError, match="two arrays"):
        poseidon2.hash_nodes(good, good[:1])


@pytest.mark.parametrize("count", [1, 2, 9])
def test_single_states(count: int) -> None:
    states = rows_of(count, 24)
    before = states.copy()
    expected = twin.permute_batch(states.astype(np.uint64))
    assert np.array_equal(permute_rows(states), expected)
    assert np.array_equal(permute_one(states[0]), expected[0])
    assert np.array_equal(states, before)
    with pytest.raises(ValueError, match="shape"):
        permute_rows(states[:, :23])
