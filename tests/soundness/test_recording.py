"""The verifier's text is stageable: its recording, interpreted, gives the native verdict on every proof."""

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from honest import JOINED, MANY, NO_GRINDING, ONE, SHAPES, Case, honest, key_of
from mutations import mutations
from reference_prover import Ext, ReferenceProver
from toy_machine import witness

from localbento.errors import VerificationError
from localbento.field.babybear import P
from localbento.stark.native import Native
from localbento.stark.params import T4
from localbento.stark.recording import Op, interpret, record_verifier
from localbento.stark.verifier import verify_with


def native(case, public, elements):
    try:
        v = Native(elements, case.key.shape.head_elements)
        verify_with(v, case.key, [v.constant(x) for x in public])
    except VerificationError as error:
        return str(error)
    return None


def recorded(program, public, elements):
    try:
        interpret(program, public, elements.tolist())
    except VerificationError as error:
        return str(error)
    return None


@pytest.mark.parametrize(("params", "heights"), SHAPES)
def test_honest_proofs_are_accepted_by_the_program(params, heights):
    case = honest(params, heights)
    assert recorded(record_verifier(case.key), case.public, case.elements()) is None


@pytest.mark.parametrize("params", [T4, NO_GRINDING], ids=lambda p: p.name)
@pytest.mark.parametrize("heights", [ONE, JOINED])
def test_mutated_proofs_get_the_same_verdict_reason_and_detail(params, heights):
    """Public values, head, every kind of field of a query; one and several changes at a time."""
    case = honest(params, heights)
    program = record_verifier(case.key)
    rng = np.random.default_rng(141)
    seen = set()
    for public, elements in mutations(case, rng, 24):
        verdict = native(case, public, elements)
        assert verdict is not None
        assert recorded(program, public, elements) == verdict
        seen.add(verdict.split(":")[0])
    assert len(seen) >= 2, seen


def test_hacked_provers_get_the_same_verdict():
    """What mutations of an honest proof do not reach: folds, final polynomial, sums, constraints."""

    class Zero(ReferenceProver):
        def deep_word(self, h):
            return np.zeros((4 << h.log_rows, 5), np.uint64)

    class NoPowers(ReferenceProver):
        def next_word(self, layer, word, zeta):
            result = np.zeros((1 << layer.tree.log_leaves, 5), np.uint64)
            for h, w in zip(layer.heights, self.layer_values(layer, word), strict=True):
                result = (Ext(result) + Ext(self.fold(w, h - layer.bottom, zeta))).x
            return result

    class OtherSums(ReferenceProver):
        def sigma(self, h):
            return super().sigma(h) + 1

    class OtherMix(ReferenceProver):
        def constraint_mix(self, h):
            return np.zeros_like(super().constraint_mix(h))

    key = key_of(NO_GRINDING, MANY)
    program = record_verifier(key)
    matrices, public = witness(MANY)
    seen = []
    for hacked in (Zero, NoPowers, OtherSums, OtherMix):
        prover = hacked(key, matrices, public)
        prover.overflow = lambda h, rest: None
        case = Case(key, tuple(public), prover, prover.prove())
        verdict = native(case, public, case.elements())
        assert recorded(program, public, case.elements()) == verdict
        seen.append(verdict.split(":")[0])
    assert seen == ["fri-fold", "fri-final", "bus-imbalance", "constraints"]


def test_recording_twice_gives_the_same_program():
    assert record_verifier(key_of(T4, MANY)).digest() == record_verifier(key_of(T4, MANY)).digest()
    assert record_verifier(key_of(T4, MANY)).digest() != record_verifier(key_of(NO_GRINDING, MANY)).digest()


def test_the_program_does_not_depend_on_the_hash_seed():
    script = (
        "from honest import *; from localbento.stark.recording import record_verifier;"
        "print(record_verifier(key_of(T4, MANY)).digest().hex())"
    )
    tests = str(Path(__file__).parents[1])
    found = {
        subprocess.run(
            [sys.executable, "-c", script], check=True, capture_output=True, text=True, cwd=tests,
            env={"PYTHONHASHSEED": seed, "PYTHONPATH": tests},
        ).stdout
        for seed in ("1", "2")
    }  # fmt: skip
    assert found == {record_verifier(key_of(T4, MANY)).digest().hex() + "\n"}


def test_a_program_reads_the_whole_proof_and_no_more():
    case = honest(T4, ONE)
    program = record_verifier(case.key)
    elements = case.elements().tolist()
    for other in ([*elements, 0], elements[:-1], []):
        with pytest.raises(ValueError, match=f"reads {len(elements)} elements, found {len(other)}"):
            interpret(program, case.public, other)


def test_every_element_of_a_proof_is_bound():
    """No free field (OpenVM 2 #07): each value read is used by some later instruction."""
    program = record_verifier(key_of(T4, JOINED))
    used = {n for i in program.instructions for n in i.inputs}
    at = 0
    for instruction in program.instructions:
        if instruction.op in (Op.READ_BASE, Op.READ_DIGEST):
            assert at in used
        at += instruction.outputs
    assert all(0 <= x < P for i in program.instructions if i.op is Op.CONSTANT for x in i.data)
