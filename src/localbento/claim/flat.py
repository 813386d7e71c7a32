"""Claims as the words that recursion programs and seals carry.

A digest is 16 halves: of each of its eight words the low, then the high 16 bits.  A pc is 4 bytes.

Source: RISC Zero, risc0-zkvm 3.0.6, claim/receipt.rs (encode, decode).
"""

from collections.abc import Sequence
from typing import Final

from localbento.claim.claim import ReceiptClaim, SystemState
from localbento.claim.exit_code import ExitCode
from localbento.claim.pruned import Pruned, digest_of, opened
from localbento.errors import Reason, VerificationError
from localbento.hash.tagged import ZERO

STATE_WORDS: Final = 20
CLAIM_WORDS: Final = 74


def digest_halves(digest: bytes) -> list[int]:
    """A digest as 16 halves."""
    return [int.from_bytes(digest[i : i + 2], "little") for i in range(0, 32, 2)]


def flat_state(state: SystemState) -> list[int]:
    """A state as 20 words."""
    return [*state.pc.to_bytes(4, "little"), *digest_halves(state.merkle_root)]


def flat_claim(claim: ReceiptClaim) -> list[int]:
    """A claim as 74 words: input, pre, post, system and user exit code, output.

    Raises:
        VerificationError: CLAIM, if pre or post are pruned.
    """
    return [
        *digest_halves(digest_of(claim.input)),
        *flat_state(opened(claim.pre, "the state before")),
        *flat_state(opened(claim.post, "the state after")),
        *claim.exit_code.pair,
        *digest_halves(digest_of(claim.output)),
    ]


def claim_from_flat(words: Sequence[int]) -> ReceiptClaim:
    """The claim of 74 words; input and output come back pruned, or None if zero.

    Raises:
        VerificationError: WRONG_SHAPE for another number of words, NOT_CANONICAL for a half that is
        no
            u16 or a pc that is no four bytes, EXIT_CODE for a pair that is no exit code.
    """
    if len(words) != CLAIM_WORDS:
        detail = f"expected {CLAIM_WORDS} words, found {len(words)}"
        raise VerificationError(Reason.WRONG_SHAPE, detail)
    inputs, outputs = _digest(words[:16]), _digest(words[58:])
    return ReceiptClaim(
        pre=_state(words[16:36]),
        post=_state(words[36:56]),
        exit_code=ExitCode.from_pair(words[56], words[57]),
        input=None if inputs == ZERO else Pruned(inputs),
        output=None if outputs == ZERO else Pruned(outputs),
    )


def _digest(halves: Sequence[int]) -> bytes:
    if any(not 0 <= half <= 0xFFFF for half in halves):
        raise VerificationError(Reason.NOT_CANONICAL, "a half of a digest is no 16-bit number")
    return b"".join(half.to_bytes(2, "little") for half in halves)


def _state(words: Sequence[int]) -> SystemState:
    if any(not 0 <= byte <= 0xFF for byte in words[:4]):
        raise VerificationError(Reason.NOT_CANONICAL, "a byte of a pc is no 8-bit number")
    return SystemState(int.from_bytes(bytes(words[:4]), "little"), _digest(words[4:]))
