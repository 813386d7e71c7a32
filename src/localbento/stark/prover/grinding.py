"""The prover's transcript, whose permutation is a kernel, and step 7: the smallest nonce that passes."""

import numpy as np

from localbento.hash.poseidon2 import RATE
from localbento.stark.params import ParameterSet
from localbento.stark.transcript import Transcript, initial_value
from localbento_kernels.cpu import grind as kernel
from localbento_kernels.cpu.poseidon2_scalar import permute_one


def fast_transcript(params: ParameterSet) -> Transcript[int]:
    """A transcript over plain integers."""

    def permutation(state: list[int]) -> list[int]:
        permuted: list[int] = permute_one(np.array(state, np.uint32)).tolist()
        return permuted

    return Transcript(initial_value(params), int, permutation)


def grind(transcript: Transcript[int], bits: int, threads: int) -> int:
    """The smallest nonce after which the next squeezed element has `bits` low zero bits."""
    # The nonce's blocks overwrite the rate: only the capacity matters.
    state = np.array([0] * RATE + transcript.capacity, np.uint32)
    return kernel.grind(state, bits, threads)
