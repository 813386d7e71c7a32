"""The permutation chip against the recorded vectors."""

import json

import numpy as np
from rv32im_corpus import FIXTURES

from localbento.air.check import evaluate_columns
from localbento.air.chip import assemble, record
from localbento.circuits.rv32im.poseidon2 import Permutations, Poseidon2, external_layer, permutation_columns
from localbento.field.babybear import P
from localbento.hash.poseidon2 import permute_batch

VECTORS = json.loads((FIXTURES / "vectors/poseidon2_babybear_24.json").read_text())["vectors"]["permutation"]


def test_vectors():
    state = np.array([v["in"] for v in VECTORS], np.uint32)
    out = np.array([v["out"] for v in VECTORS], np.uint32)
    columns = permutation_columns(state)
    assert np.array_equal(columns[-16:-8].T, out[:, :8])
    assert np.array_equal(columns[-8:].T, out[:, 16:])


def test_random_and_extreme_states_satisfy_the_chip():
    rng = np.random.default_rng(3)
    state = rng.integers(0, P, (20, 24)).astype(np.uint32)
    state[0], state[1] = P - 1, 1
    state[:10, 16:] = 0
    zero, sponge = np.zeros(20, np.uint32), np.array([0] * 10 + [1] * 10, np.uint32)
    filled = Poseidon2.fill(
        Permutations(sponge, zero, 7 * (1 - sponge), zero + 9, zero, zero + 3, state, permutation_columns(state))
    )
    chip = record(Poseidon2)
    matrix = assemble(Poseidon2, filled, 22)
    values = evaluate_columns(chip, np.zeros((0, 22), np.uint32), matrix)
    assert not [k.label for k in chip.constraints if values[k.node].any()]
    out = permute_batch(state.astype(np.uint64))
    answer = next(m for m in chip.messages if m.label == "answer HASH")
    assert np.array_equal(np.array([values[n][:20] for n in answer.components[16:]]).T, out[:, :8])


def test_external_layer_grows_by_at_most_112():
    assert max(external_layer([1] * 24)) == 112
