import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from localbento.field.babybear import P
from localbento.hash import poseidon2
from localbento.hash.digest import Digest
from localbento.hash.suite import POSEIDON2_BABYBEAR_24, SUITES

VECTORS: dict[str, Any] = json.loads(
    (Path(__file__).parents[3] / "fixtures/vectors/poseidon2_babybear_24.json").read_text()
)["vectors"]


def page(vector: dict[str, Any]) -> list[int]:
    data = bytearray(1024)
    for offset, text in vector["bytes"]:
        data[offset : offset + len(text) // 2] = bytes.fromhex(text)
    return [int.from_bytes(data[i : i + 4], "little") for i in range(0, 1024, 4)]


def untagged_sponge(words: list[int]) -> list[int]:
    """The sponge of the vectors: capacity zero, one permutation for an empty input."""
    x = [0] * 24
    for i in range(0, max(len(words), 1), 16):
        block = words[i : i + 16]
        x = poseidon2.permute(block + [0] * (16 - len(block)) + x[16:])
    return x[:8]


@pytest.mark.parametrize("vector", VECTORS["permutation"])
def test_permutation_vectors(vector: dict[str, Any]) -> None:
    assert poseidon2.permute(vector["in"]) == vector["out"]
    assert poseidon2.permute_one(vector["in"]) == vector["out"]


def test_permutation_vectors_in_one_batch() -> None:
    states = np.array([vector["in"] for vector in VECTORS["permutation"]], np.uint64)
    assert poseidon2.permute_batch(states).tolist() == [v["out"] for v in VECTORS["permutation"]]


@pytest.mark.parametrize("vector", VECTORS["sponge"])
def test_sponge_vectors(vector: dict[str, Any]) -> None:
    assert untagged_sponge(vector["in"]) == vector["out"]


@pytest.mark.parametrize("vector", VECTORS["page"], ids=lambda v: v["name"])
def test_page_vectors(vector: dict[str, Any]) -> None:
    words = page(vector)
    assert poseidon2.hash_page(words).hex() == vector["digest"]
    batch = poseidon2.hash_memory_pages(np.array([words, words], np.uint32))
    assert [Digest(row).hex() for row in batch.tolist()] == [vector["digest"]] * 2


def test_image_node_vectors() -> None:
    for vector in VECTORS["image_pair"]:
        left, right = (
            [int.from_bytes(bytes.fromhex(vector[side])[i : i + 4], "little") for i in range(0, 32, 4)]
            for side in ("lhs", "rhs")
        )
        if max(left + right) >= P:
            with pytest.raises(ValueError, match="below"):
                poseidon2.hash_memory_nodes(np.array([right], np.uint32), np.array([left], np.uint32))
            continue
        expected = vector["out"]
        assert poseidon2.hash_page_node(right, left).hex() == expected
        batch = poseidon2.hash_memory_nodes(np.array([right], np.uint32), np.array([left], np.uint32))
        assert Digest(batch[0].tolist()).hex() == expected


@pytest.mark.parametrize("count", [1, 2, 7, 100])
def test_batches_agree_with_single_states(count: int) -> None:
    rng = np.random.default_rng(count)
    states = rng.integers(0, P, (count, 24), dtype=np.uint64)
    states[0] = P - 1
    states[-1, ::2] = 0
    expected = [poseidon2.permute(s) for s in states.tolist()]
    assert poseidon2.permute_batch(states).tolist() == expected
    assert [poseidon2.permute_one(s) for s in states.tolist()] == expected


@pytest.mark.parametrize("width", [1, 2, 15, 16, 17, 32, 37])
def test_leaves(width: int) -> None:
    rng = np.random.default_rng(width)
    rows = rng.integers(0, P, (3, width), dtype=np.uint64)
    rows[1] = P - 1
    expected = []
    for row in rows.tolist():
        x = [0] * 16 + [1, width] + [0] * 6
        for i in range(0, width, 16):
            x = poseidon2.permute((row[i : i + 16] + [0] * 16)[:16] + x[16:])
        expected.append(tuple(x[:8]))
    assert [poseidon2.hash_leaf(row) for row in rows.tolist()] == expected
    assert [tuple(row) for row in poseidon2.hash_leaf_batch(rows).tolist()] == expected


def test_a_leaf_knows_its_width_and_tag() -> None:
    row = [1, 2, 3]
    digests = {
        poseidon2.hash_leaf(row),
        poseidon2.hash_leaf([*row, 0]),
        poseidon2.hash_leaf(row, tag=3),
        poseidon2.hash_leaf(row[:2]),
    }
    assert len(digests) == 4


def test_nodes_are_tagged_and_ordered() -> None:
    a, b = list(range(8)), list(range(8, 16))
    node = poseidon2.compress(a, b)
    assert list(node) == poseidon2.permute([*a, *b, 2, 0, 0, 0, 0, 0, 0, 0])[:8]
    assert node != poseidon2.compress(b, a)
    assert node != poseidon2.hash_page_node(a, b)
    assert node != poseidon2.hash_leaf(a + b)
    batch = poseidon2.compress_batch(np.array([a, b], np.uint64), np.array([b, a], np.uint64))
    assert [tuple(row) for row in batch.tolist()] == [node, poseidon2.compress(b, a)]


def test_shapes_are_checked() -> None:
    with pytest.raises(ValueError, match="24 elements"):
        poseidon2.permute([0] * 23)
    with pytest.raises(ValueError, match="24 elements"):
        poseidon2.permute_one([0] * 25)
    with pytest.raises(ValueError, match="shape"):
        poseidon2.permute_batch(np.zeros((2, 23), np.uint64))
    with pytest.raises(ValueError, match="at least one"):
        poseidon2.hash_leaf([])
    with pytest.raises(ValueError, match="at least one"):
        poseidon2.hash_leaf_batch(np.zeros((2, 0), np.uint64))
    with pytest.raises(ValueError, match="256 words"):
        poseidon2.hash_page([0] * 255)
    with pytest.raises(ValueError, match="expected shape"):
        poseidon2.hash_memory_pages(np.zeros((1, 255), np.uint32))
    with pytest.raises(ValueError, match="two arrays"):
        poseidon2.hash_memory_nodes(np.zeros((1, 8), np.uint32), np.zeros((2, 8), np.uint32))


def test_the_suite_is_found_by_its_number() -> None:
    assert SUITES[1] is POSEIDON2_BABYBEAR_24
    assert POSEIDON2_BABYBEAR_24.hash_leaf([5]) == poseidon2.hash_leaf([5])
