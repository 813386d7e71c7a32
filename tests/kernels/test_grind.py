import numpy as np
import pytest

from localbento.field.babybear import P
from localbento.hash.poseidon2 import permute
from localbento_kernels.cpu import grind


def squeezed(state: list[int], nonce: int) -> int:
    """The first element after the nonce's message, by the protocol."""
    state = permute([12, 1] + [0] * 14 + state[16:])
    return permute([nonce] + [0] * 15 + state[16:])[0]


def smallest(state: list[int], bits: int) -> int:
    return next(n for n in range(1 << 12) if squeezed(state, n) & ((1 << bits) - 1) == 0)


@pytest.mark.parametrize("bits", [0, 1, 5, 7])
def test_the_smallest_nonce(bits: int) -> None:
    rng = np.random.default_rng(bits)
    state = rng.integers(0, P, 24, dtype=np.uint32)
    before = state.copy()
    expected = smallest(state.tolist(), bits)
    for threads in (1, 2, 3):
        assert grind.grind(state, bits, threads) == expected
    assert np.array_equal(state, before)


def test_what_stood_in_the_rate_does_not_count() -> None:
    state = np.arange(24, dtype=np.uint32)
    other = state.copy()
    other[:16] += np.uint32(5)
    assert grind.grind(state, 10) == grind.grind(other, 10)
    other[16] += np.uint32(1)
    assert grind.grind(state, 10) != grind.grind(other, 10)


def test_more_bits_than_a_batch() -> None:
    state = np.arange(24, dtype=np.uint32)
    nonce = grind.grind(state, 16, threads=2)
    assert nonce == grind.grind(state, 16)
    assert nonce > 0
    assert squeezed(state.tolist(), nonce) & 0xFFFF == 0


def test_bad_requests_are_refused() -> None:
    with pytest.raises(ValueError, match="24 elements"):
        grind.grind(np.zeros(23, np.uint32), 5)
    for bits in (-1, 31):
        with pytest.raises(ValueError, match="0 to 30 bits"):
            grind.grind(np.zeros(24, np.uint32), bits)
