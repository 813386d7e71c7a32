"""A value or only its digest.

A field that may be pruned has the type `T | Pruned`; both sides have the same digest, so pruning
changes no claim.  There is no separation between an absent value, an empty list and a value pruned
to zero: all are 32 zero bytes.

Source: RISC Zero, risc0-zkvm 3.0.6, claim/maybe_pruned.rs.
"""

import hashlib
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

from localbento.errors import Reason, VerificationError
from localbento.hash.tagged import ZERO

DIGEST_BYTES: Final = 32
T = TypeVar("T")


class Digestible(Protocol):
    """Anything with a digest of its own."""

    def digest(self) -> bytes:
        """32 bytes."""
        ...


@dataclass(frozen=True, slots=True)
class Pruned:
    """A value of which only the digest is known."""

    value: bytes

    def __post_init__(self) -> None:
        """Refuse what is no digest."""
        check_digest(self.value)

    def digest(self) -> bytes:
        """The digest."""
        return self.value


def check_digest(value: object) -> None:
    """Refuse anything but 32 bytes.

    Raises:
        ValueError: otherwise.
    """
    if not isinstance(value, bytes) or len(value) != DIGEST_BYTES:
        msg = f"expected a digest of 32 bytes, found {value!r}"
        raise ValueError(msg)


def digest_of(value: Digestible | bytes | None) -> bytes:
    """The digest of a field: of an absent value zero, of bytes their SHA-256."""
    if value is None:
        return ZERO
    if isinstance(value, bytes):
        return hashlib.sha256(value).digest()
    return value.digest()


def opened(value: T | Pruned, what: str) -> T:
    """The value, where it must be known.

    Raises:
        VerificationError: CLAIM, if it is pruned.
    """
    if isinstance(value, Pruned):
        raise VerificationError(Reason.CLAIM, f"{what} is pruned")
    return value
