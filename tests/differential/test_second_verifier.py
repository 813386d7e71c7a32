"""The verifier and a second one, written from the protocol's text alone, say the same: reason by reason."""

import sys
from functools import cache
from itertools import accumulate
from pathlib import Path

import numpy as np
import pytest
from honest import JOINED, MANY, NO_GRINDING, ONE, SHAPES, Case, honest, key_of
from reference_prover import Ext, ReferenceProver
from toy_machine import witness

from localbento.errors import VerificationError
from localbento.field.babybear import P
from localbento.stark.keygen import export_circuit
from localbento.stark.params import T4
from localbento.stark.proof import encode_proof
from localbento.stark.verifier import verify

sys.path.insert(0, str(Path(__file__).parent))

import second_verifier


def verdicts(case, public, proof, allow_toy=True):
    """What both verifiers say: a reason, or None."""
    found = []
    for check, key in ((first, case.key), (second_verifier.verify, export(case.key))):
        try:
            check(key, public, proof, allow_toy)
            found.append(None)
        except VerificationError as error:
            found.append(error.reason.value)
        except second_verifier.Refused as refusal:
            found.append(str(refusal))
    return found


def first(key, public, proof, allow_toy):
    verify(key, public, proof, accept_toy=allow_toy)


@cache
def export(key):
    return export_circuit(key)


@pytest.fixture(autouse=True)
def _set_without_grinding(monkeypatch):
    """Without grinding a change is found by the check that it breaks, not by the nonce."""
    name = NO_GRINDING.name
    row = list(second_verifier.PARAMETER_SETS[101])
    row[0], row[second_verifier.FIELDS.index("grinding")] = name, 0
    monkeypatch.setitem(second_verifier.PARAMETER_SETS, NO_GRINDING.number, tuple(row))


def regions(shape):
    """Names and lengths of the parts of a proof, by section 10; the queries are the first and the others."""
    p, heights, query = shape.key["parameters"], len(shape.heights), []
    for number, tree in enumerate(t for t in shape.trees if t):
        query += [(f"tree {number}, row of {h}", n) for h, n in tree.items()]
        query.append((f"tree {number}, siblings", 8 * (max(tree) + shape.blowup - shape.cap)))
    for _, s, within in shape.layers:
        query += [(f"layer to {s}, word of {h}", 5 * 2 ** (h - s)) for h in within]
        query.append((f"layer to {s}, siblings", 8 * (s + shape.blowup - shape.cap)))
    return [
        *((f"cap {i}", 8 * 2**shape.cap) for i in range(3)),
        ("sums", 5 * heights if heights > 1 else 0),
        ("openings at z", 5 * sum(sum(tree.values()) for tree in shape.opened)),
        ("openings at the next row", 5 * heights),
        *((f"layer cap {i}", 8 * 2**shape.cap) for i in range(len(shape.layers))),
        ("final polynomial", 5 * 2**shape.log_final),
        ("nonce", 1),
        *query,
        ("other queries", (p["queries"] - 1) * sum(n for _, n in query)),
    ]


def changed_elements(case):
    """Names and proofs: of each region the first element and one drawn, by one or by a random amount."""
    rng = np.random.default_rng(20)
    original = case.elements()
    parts = regions(second_verifier.Shape(export(case.key)))
    starts = [0, *accumulate(n for _, n in parts)]
    assert starts[-1] == len(original)
    for (name, length), start in zip(parts, starts, strict=False):
        for place in sorted({start, start + int(rng.integers(length or 1))} if length else ()):
            elements = original.copy()
            elements[place] = (int(elements[place]) + (1 if place == start else int(rng.integers(1, P)))) % P
            yield f"{name}, {place}", encode_proof(case.key.shape, elements)
    head = case.key.shape.head_elements
    queries = original[head:].reshape(case.key.shape.params.queries, -1)
    yield "queries in another order", encode_proof(case.key.shape, np.r_[original[:head], queries[::-1].ravel()])


@pytest.mark.parametrize(("params", "heights"), [*SHAPES, (NO_GRINDING, JOINED)])
def test_both_accept(params, heights):
    case = honest(params, heights)
    second_verifier.check_export(export(case.key))
    assert verdicts(case, case.public, case.proof) == [None, None]
    assert verdicts(case, case.public, case.proof, allow_toy=False) == ["unknown-parameters"] * 2


def test_both_refuse_a_changed_element():
    case = honest(NO_GRINDING, JOINED)
    reasons = set()
    for name, proof in changed_elements(case):
        one, other = verdicts(case, case.public, proof)
        assert one is not None, name
        assert one == other, name
        reasons.add(one)
    assert reasons == {"bus-imbalance", "constraints", "merkle-root-mismatch"}


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda public: public[:-1], "public-values"),
        (lambda public: [*public, 0], "public-values"),
        (lambda public: [public[0] + P, *public[1:]], "public-values"),
        (lambda public: [public[0] - P, *public[1:]], "public-values"),
        (lambda public: [*public[:-1], public[-1] + 1], "bus-imbalance"),
        (lambda public: [*public[:2], public[2] + 1, *public[3:]], "bus-imbalance"),
    ],
)
def test_both_refuse_other_public_values(change, expected):
    case = honest(NO_GRINDING, MANY)
    public = change(list(case.public))
    assert verdicts(case, public, case.proof) == [expected] * 2
    # What is wrong with the values is said before what is wrong with the bytes.
    assert verdicts(case, public, b"") == [expected if expected == "public-values" else "malformed"] * 2


def test_both_refuse_other_envelopes():
    case = honest(T4, ONE)
    size = case.key.shape.proof_bytes
    name, body = case.proof[:18], case.proof[-size:]
    short, long = b"\xc5" + size.to_bytes(2, "big"), b"\xc6" + size.to_bytes(4, "big")
    too_large = P.to_bytes(4, "little")
    cut, grown = (b"\xc5" + (size + n).to_bytes(2, "big") for n in (-4, 1))
    for proof, expected in [
        *((case.proof[:length], "malformed") for length in range(24)),
        (case.proof + b"\0", "malformed"),
        (b"\x94\xc4\x10" + name[2:] + b"\x01\x65" + short + body, "malformed"),
        (name + b"\x01\x65" + long + body, "malformed"),
        (name + b"\x01\x65" + b"\xda" + short[1:] + body, "malformed"),
        (name + b"\x02\x65" + short + body, "version"),
        (name + b"\xcc\x01\x65" + short + body, "version"),
        (name + b"\x02\x01", "version"),
        (name + b"\x01\x66" + short + body, "unknown-parameters"),
        (name + b"\x01\xcc\x65" + short + body, "unknown-parameters"),
        (name + b"\x01\x65" + cut + body[4:], "wrong-shape"),
        (name + b"\x01\x65" + grown + body + b"\0", "wrong-shape"),
        (name + b"\x01\x65" + cut + too_large + body[8:], "wrong-shape"),
        (name + b"\x01\x65" + short + too_large + body[4:], "not-canonical"),
        (name + b"\x01\x65" + short + body[:-4] + b"\xff" * 4, "not-canonical"),
    ]:
        assert verdicts(case, case.public, proof) == [expected] * 2


class ZeroWords(ReferenceProver):
    """Folds zeros instead of what is opened."""

    def deep_word(self, h):
        return np.zeros((4 << h.log_rows, 5), np.uint64)


class NoGaps(ReferenceProver):
    """Adds the folded words of a layer without powers between them."""

    def next_word(self, layer, word, zeta):
        total = Ext(np.zeros((1 << layer.tree.log_leaves, 5), np.uint64))
        for h, values in zip(layer.heights, self.layer_values(layer, word), strict=True):
            total = total + Ext(self.fold(values, h - layer.bottom, zeta))
        return total.x

    def final_overflow(self, rest):
        pass


class OtherSums(ReferenceProver):
    """Publishes other sums than the columns'."""

    def sigma(self, h):
        return super().sigma(h) + 1

    def overflow(self, h, rest):
        pass


class NoConstraints(ReferenceProver):
    """A quotient of zero."""

    def constraint_mix(self, h):
        return np.zeros_like(super().constraint_mix(h))


@pytest.mark.parametrize(
    ("prover_class", "expected"),
    [
        (ZeroWords, "fri-fold"),
        (NoGaps, "fri-final"),
        (OtherSums, "bus-imbalance"),
        (NoConstraints, "constraints"),
    ],
)
def test_both_refuse_what_a_cheat_proves(prover_class, expected):
    key = key_of(NO_GRINDING, MANY)
    matrices, public = witness(MANY)
    prover = prover_class(key, matrices, public)
    case = Case(key, tuple(public), prover, prover.prove())
    assert verdicts(case, public, case.proof) == [expected] * 2


def test_both_want_the_nonce_that_was_ground():
    case = honest(T4, ONE)
    elements = case.elements()
    elements[0] = (int(elements[0]) + 1) % P
    assert verdicts(case, case.public, encode_proof(case.key.shape, elements)) == ["grinding"] * 2
