"""Groups C, L and O of the catalogue: every field of a proof matters, and only one encoding of it is accepted."""

import time
from dataclasses import dataclass

import msgpack
import numpy as np
import pytest
from honest import JOINED, MANY, NO_GRINDING, ONE, SHAPES, honest, key_of, reason, reason_of_elements
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from localbento.errors import Reason, VerificationError
from localbento.field.babybear import P
from localbento.hash.poseidon2 import compress, hash_leaf
from localbento.stark.params import T4
from localbento.stark.proof import decode_proof, encode_proof, proof_size
from localbento.stark.verifier import verify

M, F, G = Reason.MERKLE_ROOT, Reason.FRI_FOLD, Reason.FRI_FINAL


@dataclass(frozen=True)
class Section:
    """A stretch of a proof, and the reasons that a change in it may have (without grinding)."""

    name: str
    start: int
    length: int
    expected: frozenset


def sections(shape) -> list[Section]:
    """The layout of a proof, once more and by hand; the queries' are those of the first."""
    found: list[Section] = []
    at = 0

    def add(name, length, *expected):
        nonlocal at
        found.append(Section(name, at, length, frozenset(expected)))
        at += length

    heights = len(shape.heights)
    cap = 8 << shape.params.cap
    # A cap enters the transcript: the next challenge is another, and what depends on it fails first.
    add("main cap", cap, Reason.BUS_IMBALANCE if heights > 1 else Reason.CONSTRAINTS)
    add("bus cap", cap, Reason.CONSTRAINTS)
    add("quotient cap", cap, Reason.CONSTRAINTS)
    if heights > 1:
        add("sums", 5 * heights, Reason.BUS_IMBALANCE)
    # An unused column's opening is in no constraint; it is in the transcript and in the DEEP word.
    add("openings at z", 5 * sum(h.opened for h in shape.heights), Reason.CONSTRAINTS, M)
    add("openings at g z", 5 * heights, Reason.CONSTRAINTS)
    for i, _ in enumerate(shape.layers):
        add(f"layer cap {i}", cap, M, F, G)
    add("final polynomial", 5 << shape.log_final, M)
    add("nonce", 1, M)
    for tree in shape.trees():
        for h, width in zip(tree.heights, tree.widths, strict=True):
            add(f"{tree.name} row of 2^{h}", width, M)
        add(f"{tree.name} siblings", 8 * tree.path, M)
    for i, layer in enumerate(shape.layers):
        add(f"leaf {i}", layer.tree.widths[0], M)
        add(f"layer siblings {i}", 8 * layer.tree.path, M)
    assert at == shape.head_elements + shape.query_elements
    return found


@pytest.mark.parametrize("heights", [ONE, MANY, JOINED])
def test_every_field_of_a_proof(heights):
    """First, last and one middle element of each section, by one, by a random amount, and exchanged for zero."""
    case = honest(NO_GRINDING, heights)
    rng = np.random.default_rng(39)
    original = case.elements()
    for section in sections(case.key.shape):
        places = {section.start, section.start + section.length - 1, section.start + section.length // 2}
        for place in places:
            for value in {(original[place] + 1) % P, int(rng.integers(P)), 0} - {int(original[place])}:
                changed = original.copy()
                changed[place] = value
                assert reason_of_elements(case, changed) in section.expected, (section.name, place)


def test_every_element_of_the_last_query():
    case = honest(NO_GRINDING, MANY)
    size = case.key.shape.query_elements
    original = case.elements()
    for place in range(len(original) - size, len(original), 23):
        changed = original.copy()
        changed[place] ^= np.uint64(1)
        assert reason_of_elements(case, changed) is Reason.MERKLE_ROOT


def test_with_grinding_a_changed_head_costs_one_hash():
    case = honest(T4, MANY)
    found = []
    for place in range(0, case.key.shape.head_elements - 1, 37):
        changed = case.elements()
        changed[place] = (changed[place] + 1) % P
        found.append(reason_of_elements(case, changed))
    assert found.count(Reason.GRINDING) > 0.9 * len(found)
    assert None not in found


def test_c40_another_leaf_with_its_own_path():
    """Every bit of the index, tree by tree."""
    case = honest(NO_GRINDING, MANY)
    prover, shape = case.prover, case.key.shape
    trees = [prover.fixed_commitment, prover.main_commitment, prover.bus_commitment, prover.quotient_commitment]
    at = shape.head_elements
    index = prover.indices[0]
    for tree in [*trees, *prover.layer_commitments]:
        size = tree.tree.query_elements
        for bit in range(shape.index_bits - tree.tree.log_leaves, shape.index_bits):
            changed = case.elements()
            changed[at : at + size] = tree.opening(index ^ 1 << bit, shape.index_bits)
            assert reason_of_elements(case, changed) is Reason.MERKLE_ROOT
        at += size


def test_c41_c42_c49_leaves_and_nodes_are_told_apart():
    left, right = hash_leaf([1]), hash_leaf([2])
    node = compress(left, right)
    assert hash_leaf([*left, *right]) != node, "a leaf that holds two digests is no node"
    assert hash_leaf([1, 2, 3]) != hash_leaf([1, 2, 3, 0]), "filling is not content"
    assert hash_leaf([1] * 16) != hash_leaf([1] * 16 + [0] * 16)
    assert compress(left, right) != compress(right, left)


def test_c47_c48_caps_permuted_or_of_another_tree():
    case = honest(NO_GRINDING, MANY)
    cap = 8 << NO_GRINDING.cap
    changed = case.elements()
    changed[:cap] = np.roll(changed[:cap], 8)
    assert reason_of_elements(case, changed) is Reason.BUS_IMBALANCE
    changed = case.elements()
    changed[:cap], changed[cap : 2 * cap] = changed[cap : 2 * cap].copy(), changed[:cap].copy()
    assert reason_of_elements(case, changed) is Reason.BUS_IMBALANCE


@pytest.mark.parametrize(("params", "heights"), SHAPES)
def test_l157_decoding_and_encoding_again_gives_the_same_bytes(params, heights):
    case = honest(params, heights)
    assert encode_proof(case.key.shape, decode_proof(case.key.shape, case.proof)) == case.proof
    assert len(case.proof) == proof_size(case.key.shape)
    assert msgpack.unpackb(case.proof)[:3] == ["localbento-stark", 1, params.number]


def test_l150_l151_trailing_bytes_and_truncation():
    case = honest(T4, ONE)
    for more in (b"\0", b"\xc0", case.proof):
        assert reason(case.key, case.public, case.proof + more) is Reason.MALFORMED
    for length in [*range(40), *range(40, len(case.proof), 97), len(case.proof) - 1]:
        assert reason(case.key, case.public, case.proof[:length]) is Reason.MALFORMED


def envelope(case, **changes):
    body = case.proof[-case.key.shape.proof_bytes :]
    parts = {"name": "localbento-stark", "version": 1, "number": T4.number, "body": body}
    return list({**parts, **changes}.values())


def test_l152_to_l155_other_envelopes():
    case = honest(T4, ONE)
    body = envelope(case)[3]
    assert msgpack.packb(envelope(case)) == case.proof
    head = case.proof[: len(case.proof) - len(body) - 3]
    assert head[-2:] == bytes([1, T4.number])
    bad = [
        msgpack.packb(envelope(case, name="localbento-stari")),
        msgpack.packb(envelope(case, name="localbento-stark ")),
        msgpack.packb([*envelope(case), 0]),
        msgpack.packb(envelope(case)[:3]),
        msgpack.packb({"body": body}),
        msgpack.packb(envelope(case, body=body.hex())),
        head + b"\xc6" + len(body).to_bytes(4, "big") + body,  # not the shortest form
        head + b"\xc5" + (len(body) + 1).to_bytes(2, "big") + body,
        head + b"\xc6" + (1 << 31).to_bytes(4, "big") + body,  # an announced length is never allocated
        head + b"\xc6" + (0xFFFFFFFF).to_bytes(4, "big"),
        head + b"\xc5",
        b"", b"\x94", case.proof[:18], case.proof[:19],
    ]  # fmt: skip
    for data in bad:
        assert reason(case.key, case.public, data) is Reason.MALFORMED
    assert reason(case.key, case.public, msgpack.packb(envelope(case, version=2))) is Reason.VERSION
    assert reason(case.key, case.public, msgpack.packb(envelope(case, version=1000))) is Reason.VERSION
    assert reason(case.key, case.public, msgpack.packb(envelope(case, number=3))) is Reason.UNKNOWN_PARAMETERS
    assert reason(case.key, case.public, msgpack.packb(envelope(case, number=-1))) is Reason.UNKNOWN_PARAMETERS
    assert reason(case.key, case.public, msgpack.packb(envelope(case, body=body + b"\0"))) is Reason.WRONG_SHAPE
    assert reason(case.key, case.public, msgpack.packb(envelope(case, body=body[:-4]))) is Reason.WRONG_SHAPE
    assert reason(case.key, case.public, msgpack.packb(envelope(case, body=b""))) is Reason.WRONG_SHAPE


@pytest.mark.parametrize("value", [P, P + 5, 2**31, 2**32 - 1])
def test_l153_elements_that_are_not_canonical(value):
    case = honest(T4, ONE)
    start = len(case.proof) - case.key.shape.proof_bytes
    for place in (0, 100, case.key.shape.head_elements + 3, case.key.shape.proof_elements - 1):
        data = bytearray(case.proof)
        data[start + 4 * place : start + 4 * place + 4] = value.to_bytes(4, "little")
        assert reason(case.key, case.public, bytes(data)) is Reason.NOT_CANONICAL


def test_an_encoder_refuses_what_is_no_proof():
    shape = key_of(T4, ONE).shape
    good = np.zeros(shape.proof_elements, np.uint64)
    encode_proof(shape, good)
    for bad in (good[:-1], good.astype(float), good + P, good.reshape(1, -1), good.astype(np.int64) - 1):
        with pytest.raises(ValueError, match="proof"):
            encode_proof(shape, bad)


def test_o183_containers_of_bytes_are_equal_and_others_refused():
    case = honest(T4, ONE)
    for data in (bytearray(case.proof), memoryview(case.proof), memoryview(bytearray(case.proof))):
        assert verify(case.key, case.public, data, accept_toy=True).public_values == case.public
    released = memoryview(case.proof)
    released.release()
    assert reason(case.key, case.public, released) is Reason.MALFORMED
    for data in (None, 7, 1.5, "proof", list(case.proof), np.frombuffer(case.proof, np.uint8), object()):
        assert reason(case.key, case.public, data) is Reason.MALFORMED


def test_the_verified_statement_names_circuit_and_values():
    case = honest(T4, MANY)
    found = verify(case.key, np.array(case.public), case.proof, accept_toy=True)
    assert (found.circuit_digest, found.public_values) == (case.key.circuit_digest, case.public)


def test_l156_every_bit_of_the_envelope_and_a_sample_of_the_body():
    case = honest(T4, ONE)
    header = len(case.proof) - case.key.shape.proof_bytes
    rng = np.random.default_rng(156)
    bits = [*range(8 * header), *rng.integers(8 * header, 8 * len(case.proof), 100).tolist()]
    for bit in bits:
        data = bytearray(case.proof)
        data[bit // 8] ^= 1 << bit % 8
        assert reason(case.key, case.public, bytes(data)) is not None, bit


CAMPAIGN = settings(max_examples=150, deadline=None, suppress_health_check=list(HealthCheck))


@CAMPAIGN
@given(st.data())
def test_whatever_bytes_come_the_answer_is_a_reason(data):
    """Truncated, extended, flipped, spliced proofs, and plain garbage: only `VerificationError` escapes."""
    case = honest(T4, data.draw(st.sampled_from([ONE, MANY])))
    other = honest(T4, ONE)
    raw = bytearray(case.proof)
    kind = data.draw(st.sampled_from(["flip", "cut", "extend", "splice", "garbage", "zero"]))
    place = data.draw(st.integers(0, len(raw) - 1))
    if kind == "flip":
        raw[place] ^= data.draw(st.integers(1, 255))
    elif kind == "cut":
        raw = raw[:place]
    elif kind == "extend":
        raw += data.draw(st.binary(min_size=1, max_size=40))
    elif kind == "splice":
        raw = raw[:place] + bytearray(other.proof)[place:] if case is not other else raw[place:] + raw[:place]
    elif kind == "garbage":
        raw = bytearray(data.draw(st.binary(max_size=200)))
    else:
        raw[place : place + 40] = bytes(min(40, len(raw) - place))
    if bytes(raw) != case.proof:
        with pytest.raises(VerificationError):
            verify(case.key, case.public, bytes(raw), accept_toy=True)


def test_o181_a_malformed_proof_costs_no_more_than_a_valid_one():
    case = honest(T4, MANY)

    def cost(proof):
        start = time.thread_time()
        reason(case.key, case.public, proof)
        return time.thread_time() - start

    valid = min(cost(case.proof) for _ in range(3))
    rng = np.random.default_rng(181)
    garbage = encode_proof(case.key.shape, rng.integers(0, P, case.key.shape.proof_elements))
    assert min(cost(garbage) for _ in range(3)) < 2 * valid
    assert min(cost(bytes(200_000_000)) for _ in range(3)) < max(valid, 0.2), "a wrong envelope is not read"


def test_o182_the_verifier_changes_and_reads_nothing_else(monkeypatch, tmp_path):
    case = honest(T4, MANY)
    before = case.proof, case.key.circuit_digest
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOCALBENTO_ACCEPT", "1")
    monkeypatch.setattr("builtins.open", None)
    assert reason(case.key, case.public, case.proof) is None
    assert (case.proof, case.key.circuit_digest) == before
