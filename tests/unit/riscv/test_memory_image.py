"""The sparse image, its Merkle tree, and partial images."""

import json
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from localbento.claim.claim import SystemState
from localbento.errors import Reason, VerificationError
from localbento.riscv.memory_image import (
    MemoryImage,
    PartialImage,
    image_id_of_root,
    plain_hasher,
)
from localbento.riscv.memory_tree import (
    ZERO_DIGESTS,
    MemoryTree,
    digest_from_bytes,
    digest_to_bytes,
    sibling_nodes,
)

HASHER = plain_hasher()
LAST_PAGE = (1 << 22) - 1
VECTORS = json.loads((Path(__file__).parents[3] / "fixtures/vectors/poseidon2_babybear_24.json").read_text())["vectors"]


def image_of(contents: dict[int, int]) -> MemoryImage:
    image = MemoryImage()
    for addr, value in contents.items():
        image.write_word(addr, value)
    return image


def page_bytes(runs: list[list]) -> bytes:
    page = bytearray(1024)
    for offset, text in runs:
        page[offset : offset + len(text) // 2] = bytes.fromhex(text)
    return bytes(page)


def test_zero_digests_follow_from_the_hash() -> None:
    digest = HASHER.hash_pages(np.zeros((1, 256), dtype=np.uint32))
    for depth in range(22, -1, -1):
        assert np.array_equal(digest[0], ZERO_DIGESTS[depth])
        assert digest_to_bytes(digest).hex() == VECTORS["zero_nodes"][depth]
        digest = HASHER.hash_nodes(digest, digest)


def test_pages_and_pairs() -> None:
    pages = [np.frombuffer(page_bytes(case["bytes"]), dtype="<u4") for case in VECTORS["page"]]
    digests = HASHER.hash_pages(np.stack(pages).astype(np.uint32))
    assert [digest_to_bytes(d).hex() for d in digests] == [c["digest"] for c in VECTORS["page"]]


@pytest.mark.parametrize("case", VECTORS["tree"], ids=lambda case: f"{len(case['pages'])} pages")
def test_recorded_trees(case: dict) -> None:
    image = MemoryImage()
    for page, runs in case["pages"].items():
        image.write_words(int(page) * 1024, page_bytes(runs))
    nodes = np.array([int(node) for node in case["nodes"]], dtype=np.int64)
    found = [digest_to_bytes(digest).hex() for digest in image.tree().digests(nodes)]
    assert found == list(case["nodes"].values())


def test_image_id_is_the_digest_of_the_system_state() -> None:
    root = bytes(range(32))
    assert image_id_of_root(root) == SystemState(0, root).digest()


def test_reading_and_writing() -> None:
    image = MemoryImage()
    image.write_words(0x7F8, bytes(range(1, 17)))
    assert sorted(image.pages) == [1, 2]
    assert image.read_word(0x7FC) == 0x08070605
    assert image.read_bytes(0x7FA, 8) == bytes(range(3, 11))
    assert image.read_bytes(0x7F0, 32) == bytes(8) + bytes(range(1, 17)) + bytes(8)
    assert image.read_bytes(0xFFFF_FFF0, 16) == bytes(16)
    assert image.read_bytes(0, 0) == b""
    copy = image.copy()
    copy.write_word(0x7FC, 0)
    assert image.read_word(0x7FC) == 0x08070605
    image.zero_words(0x7FC, 2)
    assert image.read_bytes(0x7F8, 16) == bytes(range(1, 5)) + bytes(8) + bytes(range(13, 17))
    image.zero_words(0x400, 1 << 20)
    assert image.nonzero_pages() == []


@pytest.mark.parametrize("addr", [1, 2, 1022])
def test_unaligned_addresses_are_refused(addr: int) -> None:
    with pytest.raises(ValueError, match="not a multiple of 4"):
        MemoryImage().read_word(addr)
    with pytest.raises(ValueError, match="not a multiple of 4"):
        MemoryImage().write_word(addr, 0)


def test_addresses_beyond_memory_are_refused() -> None:
    with pytest.raises(ValueError, match="not in memory"):
        MemoryImage().write_word(1 << 32, 1)
    with pytest.raises(ValueError, match="not in memory"):
        MemoryImage().read_bytes(0xFFFF_FFFF, 2)


indexes = st.one_of(st.integers(0, 7), st.integers(LAST_PAGE - 3, LAST_PAGE), st.integers(0, LAST_PAGE))
contents = st.dictionaries(
    st.builds(lambda page, word: 1024 * page + 4 * word, indexes, st.integers(0, 255)),
    st.integers(1, 2**32 - 1),
    max_size=6,
)


@settings(max_examples=25, deadline=None)
@given(contents, contents)
def test_root_depends_on_contents_only(first: dict[int, int], second: dict[int, int]) -> None:
    """Updating a tree page by page gives the tree of the final contents, and back again."""
    image = image_of(first)
    tree = image.tree()
    before = tree.root
    changed = image_of({**first, **second})
    touched = np.array(sorted({addr // 1024 for addr in second}), dtype=np.int64)
    if len(touched):
        tree.set_pages(touched, np.stack([changed.page(i) for i in touched.tolist()]))
    assert tree.root == changed.merkle_root()
    assert (tree.root == before) == (
        image_of(first | second).pages.keys() == image.pages.keys()
        and all(image.read_word(a) == v for a, v in second.items())
    )
    if len(touched):
        tree.set_pages(touched, np.stack([image.page(i) for i in touched.tolist()]))
    assert tree.root == before


def test_an_absent_page_is_an_empty_one() -> None:
    image = image_of({0x1000: 5})
    root = image.merkle_root()
    image.pages[77] = np.zeros(256, dtype=np.uint32)
    assert image.merkle_root() == root


@settings(max_examples=25, deadline=None)
@given(contents, st.sets(indexes, max_size=5), contents)
def test_partial_image_has_the_whole_images_roots(
    words: dict[int, int], pages: set[int], writes: dict[int, int]
) -> None:
    image = image_of(words)
    tree = image.tree()
    touched = np.array(sorted(pages | {addr // 1024 for addr in writes}), dtype=np.int64)
    part = PartialImage.cut(image, tree, touched)
    assert part.root() == tree.root
    assert PartialImage.from_plain(part.to_plain()).root() == tree.root
    after = part.to_image()
    for addr, value in writes.items():
        after.write_word(addr, value)
        image.write_word(addr, value)
    new_words = np.zeros_like(part.words)
    for row, index in enumerate(touched.tolist()):
        new_words[row] = after.page(index)
    assert part.root(words=new_words) == image.merkle_root()


def test_siblings_are_what_determines_the_root() -> None:
    assert sibling_nodes(np.array([], dtype=np.int64)).tolist() == [1]
    one = sibling_nodes(np.array([0], dtype=np.int64)).tolist()
    assert one == [(1 << depth) + 1 for depth in range(1, 23)]
    assert len(sibling_nodes(np.array([0, 1], dtype=np.int64))) == 21
    assert len(sibling_nodes(np.array([0, LAST_PAGE], dtype=np.int64))) == 42


def part_of_two_pages() -> PartialImage:
    image = image_of({0x1000: 1, 0x9000: 2, 0x123_4000: 3})
    return PartialImage.cut(image, image.tree(), np.array([4, 36], dtype=np.int64))


def test_a_digest_word_that_is_not_canonical_is_refused() -> None:
    part = part_of_two_pages()
    aliased = part.siblings.copy()
    position = np.argwhere(aliased < 2**32 - 2013265921)[0]
    aliased[tuple(position)] += 2013265921
    with pytest.raises(VerificationError) as caught:
        PartialImage(part.indexes, part.words, aliased).root()
    assert caught.value.reason is Reason.NOT_CANONICAL


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        ({"pages": b""}, Reason.WRONG_SHAPE),
        ({"pages": b"\x24\0\0\0\x04\0\0\0"}, Reason.WRONG_SHAPE),
        ({"pages": b"\x04\0\0\0\x04\0\0\0"}, Reason.WRONG_SHAPE),
        ({"pages": b"\x04\0\0\0\0\0\x40\0"}, Reason.WRONG_SHAPE),
        ({"pages": b"\x04\0\0\0\x05\0\0\0"}, Reason.WRONG_SHAPE),
        ({"words": bytes(1024)}, Reason.WRONG_SHAPE),
        ({"words": bytes(2049)}, Reason.MALFORMED),
        ({"siblings": b""}, Reason.WRONG_SHAPE),
        ({"siblings": bytes(4)}, Reason.WRONG_SHAPE),
        ({"siblings": None}, Reason.MALFORMED),
        ({"more": b""}, Reason.MALFORMED),
    ],
)
def test_partial_images_that_are_refused(change: dict, reason: Reason) -> None:
    with pytest.raises(VerificationError) as caught:
        PartialImage.from_plain({**part_of_two_pages().to_plain(), **change})
    assert caught.value.reason is reason


def test_a_partial_image_without_its_fields_is_refused() -> None:
    for plain in (None, [], {}, {"pages": b"", "words": b""}):
        with pytest.raises(VerificationError) as caught:
            PartialImage.from_plain(plain)
        assert caught.value.reason is Reason.MALFORMED


def test_a_changed_sibling_or_page_changes_the_root() -> None:
    part = part_of_two_pages()
    root = part.root()
    for array in (part.words, part.siblings):
        for row in range(len(array)):
            array[row, 7] ^= 1
            assert part.root() != root
            array[row, 7] ^= 1
    assert part.root() == root


def test_tree_grows() -> None:
    """Many nodes, more than one chunk of pages; the empty tree again when all are zeroed."""
    tree = MemoryTree(HASHER)
    pages = np.arange(0, 5000, dtype=np.int64)
    words = np.zeros((5000, 256), dtype=np.uint32)
    tree.set_pages(pages, words)
    assert tree.root.hex() == VECTORS["zero_nodes"][0]
    assert np.array_equal(digest_from_bytes(tree.root), ZERO_DIGESTS[0])
