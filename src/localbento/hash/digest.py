"""A digest of the field hash: eight canonical elements, and their 32 bytes."""

from collections.abc import Iterable
from typing import Final, Self

from localbento.field.babybear import P

DIGEST_WORDS: Final = 8
DIGEST_BYTES: Final = 32


class Digest(tuple[int, ...]):
    """Eight residues in [0, p).  A tuple, so that it compares with and unpacks like one."""

    __slots__ = ()

    def __new__(cls, words: Iterable[int]) -> Self:
        """Check count and range.

        Raises:
            ValueError: unless there are eight words, each below p.
        """
        digest = super().__new__(cls, words)
        if len(digest) != DIGEST_WORDS:
            msg = f"digest: expected {DIGEST_WORDS} words, found {len(digest)}"
            raise ValueError(msg)
        for i, word in enumerate(digest):
            if not 0 <= word < P:
                msg = f"digest: expected words below {P}, found {word} (word {i})"
                raise ValueError(msg)
        return digest

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The digest whose words stand in 32 bytes, little-endian.

        A word >= p is refused, not reduced: it would be a second name of the same digest.

        Raises:
            ValueError: if there are not 32 bytes, or a word is not canonical.
        """
        if len(data) != DIGEST_BYTES:
            msg = f"digest: expected {DIGEST_BYTES} bytes, found {len(data)}"
            raise ValueError(msg)
        return cls(int.from_bytes(data[i : i + 4], "little") for i in range(0, DIGEST_BYTES, 4))

    def to_bytes(self) -> bytes:
        """The words, four bytes each, little-endian."""
        return b"".join(word.to_bytes(4, "little") for word in self)

    def hex(self) -> str:
        """The bytes as text."""
        return self.to_bytes().hex()
