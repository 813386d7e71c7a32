"""The prover.  `prove` is the one entry; `proving_key` makes what it keeps between proofs."""

from localbento.stark.prover.key import ProvingKey, commit_fixed, proving_key
from localbento.stark.prover.memory import predict_peak_bytes
from localbento.stark.prover.protocol import Secret, prove
from localbento.stark.prover.work import Work

__all__ = ["ProvingKey", "Secret", "Work", "commit_fixed", "predict_peak_bytes", "prove", "proving_key"]
