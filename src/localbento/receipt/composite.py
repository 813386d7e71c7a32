"""A composite receipt: a chain of segment proofs, the journal, and the receipts that it rests on.

The bytes are described in docs/formats.md.
"""

from dataclasses import dataclass
from typing import Final

from localbento.claim.assumption import Assumption

MAX_RECEIPT_BYTES: Final = 1 << 31
MAX_JOURNAL_BYTES: Final = 100 << 20
MAX_SEGMENTS: Final = 1 << 14
MAX_SEAL_BYTES: Final = 4 << 20
MAX_ASSUMPTIONS: Final = 1 << 10
MAX_DEPTH: Final = 8
"""Receipts that rest on receipts that rest on receipts: deeper ones are refused."""


@dataclass(frozen=True, slots=True)
class SegmentReceipt:
    """The proof of one segment: which profile, its public values (canonical elements), the proof's bytes."""

    profile: int
    public_values: tuple[int, ...]
    seal: bytes


@dataclass(frozen=True, slots=True)
class CompositeReceipt:
    """Segments in order; the journal (None if the guest states no output); what it assumed, the last one first.

    `receipts` proves the distinct assumptions, in the order in which `assumptions` first names each.
    """

    segments: tuple[SegmentReceipt, ...]
    journal: bytes | None
    assumptions: tuple[Assumption, ...] = ()
    receipts: tuple["CompositeReceipt", ...] = ()
