"""The permutation chip against the recorded vectors."""

import json

import numpy as np
from rv32im_corpus import FIXTURES

from localbento.air.check import evaluate_columns
from localbento.air.chip import assemble, record
from localbento.circuits.rv32im.permutation import FULL_ROWS, FullRounds, PartialRounds, before_external_layer
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
    zero, last = np.zeros(20, np.uint32), np.array([0] * 10 + [1] * 10, np.uint32)
    filled = Poseidon2.fill(Permutations(last, zero + 9, zero, zero + 3, state, permutation_columns(state)))
    chip = record(Poseidon2)
    matrix = assemble(Poseidon2, filled, 22)
    values = evaluate_columns(chip, np.zeros((0, 22), np.uint32), matrix)
    assert not [k.label for k in chip.constraints if values[k.node].any()]
    out = permute_batch(state.astype(np.uint64))
    answer = next(m for m in chip.messages if m.label == "hand over the digest")
    assert np.array_equal(np.array([values[n][:20] for n in answer.components[3:]]).T, out[:, :8])


def test_five_rows_are_the_same_permutation():
    rng = np.random.default_rng(4)
    state = rng.integers(0, P, (20, 24)).astype(np.uint32)
    state[0], state[1] = P - 1, 0
    zero, last = np.zeros(20, np.uint32), np.array([0] * 10 + [1] * 10, np.uint32)
    made = Permutations(last, np.arange(20, dtype=np.uint32), zero, zero + 3, state, permutation_columns(state))
    seen = {}
    for name, chip_type in (("full", FullRounds), ("partial", PartialRounds)):
        chip, filled = record(chip_type), chip_type.fill(made)
        matrix = assemble(chip_type, filled, 20 * (FULL_ROWS if name == "full" else 1) + 3)
        values = evaluate_columns(chip, np.zeros((0, matrix.shape[1]), np.uint32), matrix)
        assert not [k.label for k in chip.constraints if values[k.node].any()]
        for m in chip.messages:
            parts = [np.broadcast_to(values[n], matrix.shape[1:]) for n in m.components]
            for k in np.flatnonzero(values[m.times]):
                key = (m.bus.name, *(int(p[k]) for p in parts))
                seen[key] = seen.get(key, 0) + m.sign
    out = permute_batch(state.astype(np.uint64)).tolist()
    given = {k: v for k, v in seen.items() if v}
    expected = {("block", i, 0, 3, *state[i, :16].tolist()): -1 for i in range(20)}
    expected |= {("sponge", i, 0, 3, *state[i, 16:].tolist()): -1 for i in range(20)}
    expected |= {("sponge", i, 0, 4, *out[i][16:]): 1 for i in range(10)}
    expected |= {("digest", i, 0, 3, *out[i][:8]): 1 for i in range(10, 20)}
    assert given == expected


def test_the_inverse_of_the_external_layer():
    state = np.random.default_rng(5).integers(0, P, 24).tolist()
    assert [x % P for x in external_layer([x % P for x in before_external_layer(state)])] == state


def test_external_layer_grows_by_at_most_112():
    assert max(external_layer([1] * 24)) == 112
