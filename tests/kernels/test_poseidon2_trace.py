"""The columns of permutations against their plain twin."""

import numpy as np
import pytest

from localbento.circuits.rv32im import poseidon2
from localbento.field.babybear import P
from localbento_kernels.cpu.poseidon2_trace import permutation_columns


@pytest.mark.parametrize("count", [0, 1, 2, 17, 300])
def test_agrees_with_the_twin(count):
    rng = np.random.default_rng(count)
    states = rng.integers(0, P, (count, 24)).astype(np.uint32)
    states[: count // 4] = P - 1
    states[count // 4 : count // 3] = 0
    assert np.array_equal(permutation_columns(states), poseidon2.permutation_columns(states))


def test_another_shape_is_refused():
    with pytest.raises(ValueError, match="24"):
        permutation_columns(np.zeros((3, 16), np.uint32))
