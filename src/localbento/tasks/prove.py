"""Prove one segment: from a segment file's bytes to a segment receipt's.

Pure: the same segment and the same secret give the same bytes, on any number of threads.
"""

from collections.abc import Callable
from functools import cache
from typing import TYPE_CHECKING, Final

import msgpack

from localbento.circuits.rv32im.keys import verifying_key
from localbento.circuits.rv32im.profiles import Profile, profile_by_name
from localbento.circuits.rv32im.public import public_values
from localbento.circuits.rv32im.witness import make_witness
from localbento.errors import ProvingError, VerificationError
from localbento.executor.preflight import preflight
from localbento.executor.segment import Segment
from localbento.receipt.composite import SegmentReceipt
from localbento.receipt.segment import verify_segment
from localbento.stark.prover import ProvingKey, Secret, prove, proving_key

if TYPE_CHECKING:
    from localbento.circuits.rv32im.witness import Kernels

STEPS: Final = ("preflight", "witness", "prove", "verify")


def run(segment: bytes, *, secret: bytes | None, threads: int, progress: Callable[[str], None]) -> bytes:
    """Prove a segment and verify the proof.

    Args:
        segment: a segment file.
        secret: 32 bytes that make the proof reproducible; None takes the system's randomness.
        threads: inside the proof.
        progress: called with the name of each step as it begins.

    Raises: ProvingError if the segment holds something that has no proof, or ours does not verify.
    """
    parsed = Segment.from_bytes(segment)
    if parsed.unprovable:
        raise ProvingError(refusal(parsed.unprovable))
    profile = profile_by_name()[parsed.profile]
    progress("preflight")
    records = preflight(parsed)
    progress("witness")
    witness = make_witness(records, profile, fast_kernels())
    values = public_values(witness.statement)
    key = segment_proving_key(profile, threads)
    options = {"secret": None if secret is None else Secret(secret, parsed.index), "threads": threads}
    seal = prove(key, witness.mains, values, progress=progress, **options)  # type: ignore[arg-type]
    progress("verify")
    receipt = SegmentReceipt(profile.number, values, seal)
    try:
        proved = verify_segment(receipt)
    except VerificationError as error:
        msg = f"segment {parsed.index}: our own proof does not verify ({error}); this is a bug"
        raise ProvingError(msg) from error
    if proved.claim != parsed.claim:
        msg = f"segment {parsed.index}: proved another claim than was executed; this is a bug"
        raise ProvingError(msg)
    return encode_segment(receipt)


def warm() -> None:
    """Load what every proof needs: chips, kernels, the preprocessed columns."""
    segment_proving_key(min(profile_by_name().values(), key=lambda p: p.cells), 1)


def refusal(features: tuple[str, ...]) -> str:
    """The one line for a run that has no proof yet."""
    return f"cannot be proved yet: the guest uses {', '.join(features)} (it executes: try bento execute)"


@cache
def segment_proving_key(profile: Profile, threads: int) -> ProvingKey:
    """The proving key of a profile; one is kept by process and profile."""
    return proving_key(verifying_key(profile.number), threads)


def fast_kernels() -> "Kernels":
    """The permutation in bulk, compiled."""
    from localbento.circuits.rv32im.witness import Kernels
    from localbento_kernels.cpu.poseidon2_trace import permutation_columns

    return Kernels(permutation_columns)


def encode_segment(receipt: SegmentReceipt) -> bytes:
    """The output file of a prove task."""
    packed: bytes = msgpack.packb([receipt.profile, list(receipt.public_values), receipt.seal])
    return packed


def decode_segment(data: bytes) -> SegmentReceipt:
    """The inverse of `encode_segment`; the file is our own."""
    profile, values, seal = msgpack.unpackb(data)
    return SegmentReceipt(profile, tuple(values), seal)
