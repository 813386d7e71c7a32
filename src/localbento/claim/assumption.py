"""Assumptions of a conditional claim: what it rests on, as a list whose head came last.

Source: RISC Zero, risc0-zkvm 3.0.6, claim/receipt.rs (Assumption, Assumptions, UnionClaim), mmr.rs.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from localbento.claim.pruned import Pruned, check_digest
from localbento.errors import Reason, VerificationError
from localbento.hash.tagged import ZERO, tagged_cons, tagged_list, tagged_struct

_LIST_TAG = "risc0.Assumptions"


@dataclass(frozen=True, slots=True)
class Assumption:
    """That a claim is proved, by a program set with this control root.

    Control root zero means the set that proves the claim which rests on this assumption; it enters
    the digest as zero.
    """

    claim: bytes
    control_root: bytes = ZERO

    def __post_init__(self) -> None:
        """Refuse what are no digests."""
        check_digest(self.claim)
        check_digest(self.control_root)

    def digest(self) -> bytes:
        """32 bytes."""
        return tagged_struct("risc0.Assumption", [self.claim, self.control_root])


@dataclass(frozen=True, slots=True)
class Assumptions:
    """The list; the assumption that the guest made last is the first item."""

    items: tuple[Assumption | Pruned, ...] = ()

    def digest(self) -> bytes:
        """32 bytes; zero for the empty list."""
        return tagged_list(_LIST_TAG, [item.digest() for item in self.items])

    def add(self, assumption: Assumption | Pruned) -> "Assumptions":
        """The list after the guest has made one more assumption."""
        return Assumptions((assumption, *self.items))

    def remove_head(self, digest: bytes) -> "Assumptions":
        """The list without its head, which must have this digest.

        Raises:
            VerificationError: ASSUMPTIONS, if the list is empty or its head is another one.
        """
        if not self.items:
            raise VerificationError(Reason.ASSUMPTIONS, "no assumption is left to resolve")
        head = self.items[0].digest()
        if head != digest:
            detail = f"expected head {head.hex()}, found {digest.hex()}"
            raise VerificationError(Reason.ASSUMPTIONS, detail)
        return Assumptions(self.items[1:])


def remove_pruned_head(assumptions: bytes, head: bytes, tail: bytes) -> bytes:
    """The digest of a list without its head, given only digests.

    Raises:
        VerificationError: ASSUMPTIONS, if head and tail do not make up the list.
    """
    if tagged_cons(_LIST_TAG, head, tail) != assumptions:
        detail = f"{head.hex()} is not the head of list {assumptions.hex()}"
        raise VerificationError(Reason.ASSUMPTIONS, detail)
    return tail


@dataclass(frozen=True, slots=True)
class UnionClaim:
    """That both of two assumptions hold; `left` and `right` are their digests."""

    left: bytes
    right: bytes

    @classmethod
    def of(cls, first: Assumption, second: Assumption) -> "UnionClaim":
        """The union in the order that guests use: the smaller digest left.

        Digests are compared as eight little-endian words, first word first, not as byte strings.
        """
        left, right = sorted((first.digest(), second.digest()), key=digest_order)
        return cls(left, right)

    def digest(self) -> bytes:
        """32 bytes."""
        return tagged_struct("risc0.UnionClaim", [self.left, self.right])


def digest_order(digest: bytes) -> tuple[int, ...]:
    """The key by which RISC Zero sorts digests: the words as numbers."""
    return tuple(int.from_bytes(digest[i : i + 4], "little") for i in range(0, len(digest), 4))


def union_of_all(leaves: Sequence[Assumption], union_root: bytes) -> Assumption:
    """One assumption that stands for all: the root of a mountain range of unions.

    A new leaf has height 0; while the last peak has the same height, the two are united.  At the
    end the peaks are united from the oldest on.  `union_root` is the control root of programs that
    prove unions.

    Raises:
        ValueError: if there are no leaves.
    """
    if not leaves:
        msg = "the union of no assumptions is not defined"
        raise ValueError(msg)

    def united(first: Assumption, second: Assumption) -> Assumption:
        return Assumption(UnionClaim.of(first, second).digest(), union_root)

    peaks: list[tuple[int, Assumption]] = []
    for leaf in leaves:
        height, item = 0, leaf
        while peaks and peaks[-1][0] == height:
            item = united(item, peaks.pop()[1])
            height += 1
        peaks.append((height, item))
    root = peaks[0][1]
    for _, peak in peaks[1:]:
        root = united(root, peak)
    return root
