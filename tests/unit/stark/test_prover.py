"""The prover: byte for byte the numpy prover's proofs, accepted by the verifier; false witnesses are refused."""

import hashlib

import numpy as np
import pytest
from honest import SHAPES, key_of
from reference_prover import ReferenceProver
from toy_machine import SYSTEM, witness

from localbento.errors import ProvingError
from localbento.stark import keygen as keygen_module
from localbento.stark.blinding import blinding_seed, witness_digest
from localbento.stark.keygen import keygen
from localbento.stark.params import S100, T4
from localbento.stark.prover import ProvingKey, Secret, Work, commit_fixed, protocol, prove, proving_key
from localbento.stark.prover.bus import ZeroFingerprintError
from localbento.stark.verifier import verify

KEYS: dict = {}
HEIGHTS = (8, 6, 7)
SECRET = Secret(hashlib.sha256(b"test").digest())


def key(params=T4, heights=HEIGHTS) -> ProvingKey:
    if (params, heights) not in KEYS:
        KEYS[params, heights] = proving_key(key_of(params, heights))
    return KEYS[params, heights]


@pytest.mark.parametrize(("params", "heights"), SHAPES)
def test_same_bytes_as_the_plain_prover(params, heights) -> None:
    matrices, public = witness(heights)
    found = prove(key(params, heights), matrices, public, secret=SECRET)
    verifying = key_of(params, heights)
    seed = blinding_seed(
        SECRET.key,
        parameters=params.digest(),
        circuit=verifying.circuit_digest,
        heights=heights,
        public_values=public,
        witness=witness_digest(matrices),
        segment=0,
        kind=params.layer,
        attempt=0,
    )
    expected = ReferenceProver(verifying, matrices, public, seed)
    assert found == expected.prove()
    verify(verifying, public, found, accept_toy=True)


def test_threads_change_nothing() -> None:
    matrices, public = witness((10, 6, 8))
    one, two, five = (prove(key(T4, (10, 6, 8)), matrices, public, secret=SECRET, threads=n) for n in (1, 2, 5))
    assert one == two == five


def test_by_default_two_proofs_of_one_witness_differ_and_both_verify() -> None:
    matrices, public = witness(HEIGHTS)
    first, second = (prove(key(), matrices, public) for _ in range(2))
    assert first != second
    for proof in (first, second):
        verify(key().key, public, proof, accept_toy=True)


def test_another_segment_has_other_masks() -> None:
    matrices, public = witness(HEIGHTS)
    proofs = {prove(key(), matrices, public, secret=Secret(SECRET.key, n)) for n in (0, 1)}
    assert len(proofs) == 2


def test_columns_are_not_changed_by_proving() -> None:
    matrices, public = witness(HEIGHTS)
    before = [m.copy() for m in matrices]
    prove(key(), matrices, public)
    assert all((a == b).all() for a, b in zip(matrices, before, strict=True))


def test_blinding_rows_may_hold_anything() -> None:
    matrices, public = witness(HEIGHTS)
    for matrix in matrices:
        matrix[:, -T4.blinding :] = 7
    verify(key().key, public, prove(key(), matrices, public), accept_toy=True)


@pytest.mark.parametrize("heights", [HEIGHTS, (6, 6, 6)])
@pytest.mark.parametrize("column", range(SYSTEM.chips[0].width))
def test_a_wrong_cell_is_refused(column: int, heights) -> None:
    matrices, public = witness(heights)
    row = 11
    matrices[0][column, row] = (int(matrices[0][column, row]) + 1) % (2**31 - 2**27 + 1)
    with pytest.raises(ProvingError, match=r"buses do not balance|does not satisfy its constraints"):
        prove(key(T4, heights), matrices, public)


def test_a_violated_constraint_alone_is_refused_by_the_quotient() -> None:
    """The cell is on no bus: only its constraint notices."""
    matrices, public = witness(HEIGHTS)
    names = SYSTEM.chips[0].main
    matrices[0][names.index("twelfth"), 3] += 1
    with pytest.raises(ProvingError, match="height 2\\^8 does not satisfy"):
        prove(key(), matrices, public)


@pytest.mark.parametrize("row", [0, 5])
def test_a_multiplicity_off_by_one_is_refused_by_the_buses(row: int) -> None:
    matrices, public = witness(HEIGHTS)
    matrices[1][0, row] += 1
    with pytest.raises(ProvingError, match="buses do not balance"):
        prove(key(), matrices, public)


def test_other_public_values_are_refused() -> None:
    matrices, public = witness(HEIGHTS)
    with pytest.raises(ProvingError, match="buses do not balance"):
        prove(key(), matrices, [*public[:-1], public[-1] + 1])


def test_a_real_row_among_the_blinding_rows_is_refused() -> None:
    matrices, public = witness(HEIGHTS)
    used = matrices[0][:, :20].copy()
    matrices[0][:, :20] = 0
    matrices[0][:, -20:] = used
    with pytest.raises(ProvingError, match="buses do not balance"):
        prove(key(), matrices, public)


def test_misshapen_input_is_refused_by_name() -> None:
    matrices, public = witness(HEIGHTS)
    with pytest.raises(ProvingError, match="expected 5 public values, found 4"):
        prove(key(), matrices, public[:-1])
    with pytest.raises(ProvingError, match="public value is not below p"):
        prove(key(), matrices, [*public[:-1], 2**31 - 2**27 + 1])
    with pytest.raises(ProvingError, match="expected the columns of 3 chips, found 2"):
        prove(key(), matrices[:-1], public)
    with pytest.raises(ProvingError, match=r"Step: expected uint32\[8, 256\], found uint32\[8, 255\]"):
        prove(key(), [matrices[0][:, 1:], *matrices[1:]], public)
    with pytest.raises(ProvingError, match="found uint64"):
        prove(key(), [m.astype(np.uint64) for m in matrices], public)
    matrices[2][1, 0] = 2**31 - 2**27 + 1
    with pytest.raises(ProvingError, match="Squares: a cell is not below p"):
        prove(key(), matrices, public)


@pytest.mark.parametrize("secret", [b"", bytes(31), bytes(33)])
def test_a_secret_has_32_bytes_and_is_not_shown(secret: bytes) -> None:
    with pytest.raises(ProvingError, match="32 bytes"):
        Secret(secret)
    assert "key" not in repr(SECRET)


@pytest.mark.parametrize("unlucky", [1, 3])
def test_a_zero_fingerprint_takes_the_next_attempt(monkeypatch: pytest.MonkeyPatch, unlucky: int) -> None:
    """Given a prover that meets one, then another seed is tried, and its proof is as good."""
    matrices, public = witness(HEIGHTS)
    plain = prove(key(), matrices, public, secret=SECRET)
    left, columns = [unlucky], protocol.bus.bus_columns

    def unlucky_columns(*args):
        left[0] -= 1
        if left[0] >= 0:
            raise ZeroFingerprintError
        return columns(*args)

    monkeypatch.setattr(protocol.bus, "bus_columns", unlucky_columns)
    found = prove(key(), matrices, public, secret=SECRET)
    assert found != plain
    verify(key().key, public, found, accept_toy=True)


def test_endless_bad_luck_is_a_bug_and_says_so(monkeypatch: pytest.MonkeyPatch) -> None:
    def never(*_args):
        raise ZeroFingerprintError

    monkeypatch.setattr(protocol.bus, "bus_columns", never)
    matrices, public = witness(HEIGHTS)
    with pytest.raises(ProvingError, match="no proof after 8 attempts"):
        prove(key(), matrices, public)


def test_the_preprocessed_commitment_by_kernels_is_the_plain_one() -> None:
    for params, heights in SHAPES:
        assert keygen(SYSTEM, params, heights, commit_fixed(2)).fixed_cap == key_of(params, heights).fixed_cap


def test_a_proving_key_refuses_another_cap() -> None:
    good = key_of(T4, HEIGHTS)
    other = keygen_module.VerifyingKey(good.shape, good.fixed_cap[::-1], good.static_digest, good.circuit_digest)
    with pytest.raises(ValueError, match="do not have the cap"):
        proving_key(other)


def test_steps_are_reported_in_order() -> None:
    matrices, public = witness(HEIGHTS)
    heard: list[str] = []
    work = Work(1, heard.append)
    prove(key(), matrices, public, work=work)
    assert heard == ["main columns", "bus columns", "quotients", "openings", "layers", "queries"]
    assert {"hash", "transform", "constraints", "bus columns"} <= set(work.seconds)


def test_full_parameters() -> None:
    """Given S100 at its lowest height and a taller one, then the proof is accepted without asking for toys."""
    heights = (10, 9, 9)
    matrices, public = witness(heights, steps=200)
    full = keygen(SYSTEM, S100, heights, commit_fixed())
    proof = prove(proving_key(full, 2), matrices, public, threads=2)
    verify(full, public, proof)
