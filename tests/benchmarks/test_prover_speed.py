"""Times of the prover's parts at sizes that take a moment; compared between runs, never asserted.

Run:  pytest tests/benchmarks --benchmark-only --benchmark-autosave
"""

import numpy as np
import pytest

from localbento.bench.synthetic import synthetic
from localbento.stark.keygen import keygen
from localbento.stark.params import S100, T4
from localbento.stark.prover import Secret, commit_fixed, prove, proving_key
from localbento.stark.verifier import verify
from localbento_kernels.cpu import merkle, ntt
from localbento_kernels.cpu.poseidon2 import hash_rows
from localbento_kernels.cpu.tiles import aligned

P = 2**31 - 2**27 + 1


@pytest.fixture(scope="module")
def tiles():
    result = aligned((4, 1 << 12, 16))
    result[:] = np.random.default_rng(0).integers(0, P, result.shape)
    return result


def test_hash_leaves_of_64_columns(benchmark, tiles):
    benchmark(hash_rows, tiles, 64)


def test_extend_64_columns(benchmark, tiles):
    benchmark(ntt.coset_lde, tiles, 2)


@pytest.mark.parametrize("threads", [1, 2])
def test_commit_to_64_columns(benchmark, tiles, threads):
    benchmark(lambda: merkle.build_tree([merkle.Matrix(ntt.coset_lde(tiles, 2, threads), 64)], 5, threads))


@pytest.mark.parametrize("params", [T4, S100], ids=["toy", "full"])
def test_prove_and_verify_a_small_machine(benchmark, params):
    made = synthetic(12, 80, params)
    key = keygen(made.system, params, made.log_heights, commit_fixed())
    proving, secret = proving_key(key), Secret(bytes(32))
    proof = benchmark.pedantic(lambda: prove(proving, made.matrices, (), secret=secret), rounds=2, warmup_rounds=1)
    verify(key, (), proof, accept_toy=True)
