"""Prove one segment: from a segment file's bytes to a segment receipt's.

Pure: the same segment and the same secret give the same bytes, on any number of threads.
"""

import gc
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
from localbento.tasks.outcome import Outcome
from localbento.tasks.refusal import refusal

if TYPE_CHECKING:
    from localbento.circuits.rv32im.witness import Kernels

STEPS: Final = ("preflight", "witness", "prove", "verify")


def run(segment: bytes, secret: bytes, *, threads: int, progress: Callable[[str], None]) -> Outcome:
    """Prove a segment and verify the proof.

    Args:
        segment: a segment file.
        secret: the job's 32 bytes; with the witness they determine every random choice of the proof.
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
    seal = prove(key, witness.mains, values, progress=progress, secret=Secret(secret, parsed.index), threads=threads)
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
    facts = {"index": parsed.index, "cycles": parsed.cycles, "profile": profile.number, "seal_bytes": len(seal)}
    return Outcome({"receipt": encode_segment(receipt)}, facts)


def warm() -> None:
    """Load what every proof needs: chips, kernels, the preprocessed columns; for a process that only runs tasks."""
    # PERF: all that is made here stays, so looking for garbage meanwhile (a sixth of the time) finds none; nor later.
    collecting = gc.isenabled()
    gc.disable()
    try:
        segment_proving_key(min(profile_by_name().values(), key=lambda p: p.cells), 1)
    finally:
        gc.freeze()
        if collecting:
            gc.enable()


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
