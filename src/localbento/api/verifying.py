"""Verifying a receipt: the closed room, with the figures that a user wants to see."""

import time
from typing import Any

from localbento.api.results import exit_code_json, hex_or_none


def verify(data: bytes, image_id: bytes, *, journal: bytes | None = None, allow_exit: bool = False) -> dict[str, Any]:
    """Verify a receipt's bytes against an image ID; the fields of `bento verify --json`.

    Raises: VerificationError with a reason, for any bytes at all.
    """
    from localbento.receipt.verify import verify_bytes

    started = time.perf_counter()
    verified = verify_bytes(data, image_id, journal=journal, allow_exit=allow_exit)
    return {
        "image_id": verified.image_id.hex(),
        "exit_code": exit_code_json(verified.claim.exit_code),
        "journal": hex_or_none(verified.journal),
        "claim_digest": verified.claim.digest().hex(),
        "segments": verified.segments,
        "seconds": time.perf_counter() - started,
        "receipt_bytes": len(data),
        "provable_bits": verified.provable_bits,
    }
