"""RISC Zero's tagged SHA-256: the digest of a structure from digests and words.

Source: RISC Zero, risc0-binfmt 3.0.5, hash.rs.
"""

import hashlib
from collections.abc import Sequence
from functools import cache
from typing import Final

ZERO: Final = bytes(32)
"""Stands for an absent option and for an empty list."""


@cache
def _tag_digest(tag: str) -> bytes:
    return hashlib.sha256(tag.encode()).digest()


def tagged_struct(tag: str, down: Sequence[bytes], data: Sequence[int] = ()) -> bytes:
    """SHA-256 of the tag's SHA-256, the digests `down`, the words `data` and the number of digests.

    Words are u32 little-endian, the number u16 little-endian.

    Raises:
        ValueError: if a digest is not 32 bytes, a word not a u32, or there are more than 65535
        digests.
    """
    if len(down) > 0xFFFF or any(len(digest) != 32 for digest in down):
        msg = f"{tag}: expected at most 65535 digests of 32 bytes"
        raise ValueError(msg)
    if any(not 0 <= word <= 0xFFFF_FFFF for word in data):
        msg = f"{tag}: expected words of 32 bits, found {list(data)!r}"
        raise ValueError(msg)
    hasher = hashlib.sha256(_tag_digest(tag))
    for digest in down:
        hasher.update(digest)
    for word in data:
        hasher.update(word.to_bytes(4, "little"))
    hasher.update(len(down).to_bytes(2, "little"))
    return hasher.digest()


def tagged_cons(tag: str, head: bytes, tail: bytes) -> bytes:
    """The digest of a list from its first element's digest and the rest's."""
    return tagged_struct(tag, [head, tail])


def tagged_list(tag: str, items: Sequence[bytes]) -> bytes:
    """The digest of a list from its elements' digests; the first element is the head."""
    digest = ZERO
    for item in reversed(items):
        digest = tagged_cons(tag, item, digest)
    return digest
