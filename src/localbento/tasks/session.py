"""What of an execution the later tasks need: what the receipt says beside its proofs, and what it must verify as."""

from dataclasses import dataclass
from typing import Final, Self

import msgpack

from localbento.claim.assumption import Assumption
from localbento.claim.exit_code import ExitCode
from localbento.executor.session import Session

VERSION: Final = 1


@dataclass(frozen=True, slots=True)
class SessionRecord:
    """How an execution ended.  `assumptions` are those that the guest used, the last one first."""

    image_id: bytes
    exit_code: ExitCode
    journal: bytes | None
    assumptions: tuple[Assumption, ...]
    claim_digest: bytes

    @classmethod
    def of(cls, session: Session) -> Self:
        """What to keep of a session."""
        return cls(
            session.image_id, session.exit_code, session.journal, tuple(session.assumptions), session.claim.digest()
        )

    def to_bytes(self) -> bytes:
        """The output of an execute task."""
        assumptions = [[a.claim, a.control_root] for a in self.assumptions]
        body = [VERSION, self.image_id, list(self.exit_code.pair), self.journal, assumptions, self.claim_digest]
        packed: bytes = msgpack.packb(body, use_bin_type=True)
        return packed

    @classmethod
    def from_bytes(cls, data: bytes) -> Self:
        """The inverse of `to_bytes`; the object is our own, and the store has checked its digest."""
        version, image_id, pair, journal, assumptions, claim = msgpack.unpackb(data, raw=False)
        if version != VERSION:
            msg = f"session record: expected version {VERSION}, found {version!r}"
            raise ValueError(msg)
        used = tuple(Assumption(c, r) for c, r in assumptions)
        return cls(image_id, ExitCode.from_pair(*pair), journal, used, claim)
