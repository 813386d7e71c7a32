"""Honest proofs of the toy machine, made once, and what attacks start from."""

from dataclasses import dataclass, replace
from functools import cache

import numpy as np
from reference_prover import ReferenceProver
from toy_machine import SYSTEM, witness

from localbento.errors import Reason, VerificationError
from localbento.stark.keygen import VerifyingKey, keygen
from localbento.stark.params import T4, T8, ParameterSet
from localbento.stark.proof import encode_proof
from localbento.stark.verifier import verify

NO_GRINDING = replace(T4, name="T4-no-grinding", number=110, grinding=0)
"""For attacks: what fails is the check that the attack is about, not the nonce."""
ONE = (6, 6, 6)
MANY = (8, 6, 7)
JOINED = (10, 6, 8)
"""Two layers; the word of height 6 stands at a stop."""


@dataclass(frozen=True)
class Case:
    """An honest proof with everything that made it."""

    key: VerifyingKey
    public: tuple[int, ...]
    prover: ReferenceProver
    proof: bytes

    def elements(self) -> np.ndarray:
        return np.array(self.prover.elements(), np.uint64)


@cache
def key_of(params: ParameterSet, heights: tuple[int, ...]) -> VerifyingKey:
    return keygen(SYSTEM, params, heights)


@cache
def honest(params: ParameterSet, heights: tuple[int, ...]) -> Case:
    key = key_of(params, heights)
    matrices, public = witness(heights)
    prover = ReferenceProver(key, matrices, public)
    return Case(key, tuple(public), prover, prover.prove())


def reason(key: VerifyingKey, public, proof) -> Reason | None:
    """The reason for which a proof is refused, None if it is accepted; anything else escapes."""
    try:
        verify(key, public, proof, accept_toy=True)
    except VerificationError as error:
        return error.reason
    return None


def reason_of_elements(case: Case, elements: np.ndarray) -> Reason | None:
    """The verdict on a proof with other elements."""
    return reason(case.key, case.public, encode_proof(case.key.shape, elements))


def attack(prover_class: type[ReferenceProver], heights=MANY, params=NO_GRINDING, **changes) -> Reason | None:
    """The verdict on the proof of a hacked prover of the honest witness."""
    key = key_of(params, heights)
    matrices, public = witness(heights)
    prover = prover_class(key, matrices, public)
    for name, value in changes.items():
        setattr(prover, name, value)
    return reason(key, public, prover.prove())


SHAPES = [(T4, ONE), (T4, MANY), (T4, JOINED), (T8, (7, 7, 7)), (T8, (9, 7, 8))]
