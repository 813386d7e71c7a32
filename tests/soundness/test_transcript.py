"""Group A of the catalogue (docs/security.md): what is not bound by the transcript is the prover's to choose."""

import numpy as np
import pytest
from honest import JOINED, MANY, NO_GRINDING, ONE, attack, honest, key_of, reason, reason_of_elements
from reference_prover import ReferenceProver
from toy_machine import SYSTEM, witness

from localbento.errors import Reason, VerificationError
from localbento.field.babybear import P
from localbento.stark import verifier
from localbento.stark.constraints import BusChallenges, public_sum
from localbento.stark.native import Native
from localbento.stark.params import S100, T4, T8
from localbento.stark.proof import encode_proof
from localbento.stark.transcript import MessageType, Transcript
from localbento.stark.verifier import refuse_base_field, verify


def test_honest_proofs_are_accepted():
    """Else everything below would be refused for the wrong reason."""
    for heights in (ONE, MANY, JOINED):
        case = honest(NO_GRINDING, heights)
        assert reason(case.key, case.public, case.proof) is None


@pytest.mark.parametrize("index", range(5))
def test_a1_a_public_value_changed_after_proving(index):
    case = honest(T4, MANY)
    public = list(case.public)
    public[index] = (public[index] + 1) % P
    assert reason(case.key, public, case.proof) in (Reason.GRINDING, Reason.BUS_IMBALANCE)
    case = honest(NO_GRINDING, MANY)
    assert reason(case.key, public, case.proof) is Reason.BUS_IMBALANCE


def test_a2_public_values_not_absorbed():
    class Silent(ReferenceProver):
        def statement(self):
            self.observe(MessageType.CIRCUIT, self.key.circuit_digest)
            self.observe(MessageType.HEIGHTS, self.shape.log_heights)

    assert attack(Silent) is Reason.BUS_IMBALANCE


def test_a2_a_false_public_value_in_the_transcript():
    """The transcript agrees; the buses do not."""
    matrices, public = witness(MANY)
    public = [*public[:4], public[4] + 1]
    key = key_of(NO_GRINDING, MANY)
    assert reason(key, public, ReferenceProver(key, matrices, public).prove()) is Reason.BUS_IMBALANCE


def test_a2_with_one_height_a_false_public_value_fails_the_end_of_the_sum():
    class Patient(ReferenceProver):
        def overflow(self, h, rest):
            assert rest.any()

        def sigma(self, h):
            """What the verifier puts: minus the public messages."""
            from reference_prover import Extension

            total = Extension.ZERO
            for m in SYSTEM.public_messages:
                parts = [c if isinstance(c, int) else self.public[c.index] for c in m.components]
                f = self.alpha + self.betas[0] * m.bus.number
                for beta, part in zip(self.betas[1:], parts, strict=False):
                    f = f + beta * part
                total = total + f.inverse() * m.sign
            return -total

    matrices, public = witness(ONE)
    key = key_of(NO_GRINDING, ONE)
    assert reason(key, public, Patient.prove(_lenient(Patient, key, matrices, public))) is None
    public = [*public[:4], public[4] + 1]
    assert reason(key, public, Patient(key, matrices, public).prove()) is Reason.CONSTRAINTS


def _lenient(cls, key, matrices, public):
    prover = cls(key, matrices, public)
    prover.overflow = lambda h, rest: None
    return prover


@pytest.mark.parametrize(
    "public",
    [(), (3, 5, 20, 1), (3, 5, 20, 1, 2, 3), (3, 5, 20, 1, P), (3, 5, 20, 1, -1), (3, 5, 20, 1, 2.0), "12345", None,
     (3, 5, 20, 1, True), (3, 5, 20, 1, None), 7, (3, 5, 20, 1, float("nan")),
     (3, 5, 20, 1, np.array([1, 2])), np.zeros((5, 2), np.int64), (3, 5, 20, 1, np.bool_(True)),
     (3, 5, 20, 1, 1 << 20000)],
)  # fmt: skip
def test_a3_a4_other_public_values_are_refused_cleanly(public):
    case = honest(T4, MANY)
    assert reason(case.key, public, case.proof) is Reason.PUBLIC_VALUES


def test_numpy_integers_are_integers():
    case = honest(T4, MANY)
    assert reason(case.key, np.array(case.public, np.uint32), case.proof) is None


def test_a5_a_circuit_with_one_changed_constant():
    from toy_machine import OTHER_CONSTANT

    from localbento.stark.keygen import keygen

    case = honest(NO_GRINDING, MANY)
    other = keygen(OTHER_CONSTANT, NO_GRINDING, MANY)
    assert other.shape.proof_elements == case.key.shape.proof_elements
    assert reason(other, case.public, case.proof) is Reason.BUS_IMBALANCE


class Early(ReferenceProver):
    """A6: alpha and the betas before the main cap."""

    def commit_main(self):
        self.early = [self.challenge() for _ in range(1 + self.shape.betas)]
        super().commit_main()

    def challenges(self, count):
        return self.early[1:] if count == self.shape.betas and not hasattr(self, "bus") else super().challenges(count)

    def challenge(self):
        return self.early[0] if hasattr(self, "main") and not hasattr(self, "alpha") else super().challenge()


def test_a6_challenges_before_the_main_cap():
    assert attack(Early) is Reason.BUS_IMBALANCE


def skipping(kind: MessageType, times: int = 0):
    class Hacked(ReferenceProver):
        def observe(self, k, elements):
            for _ in range(times if k is kind else 1):
                super().observe(k, elements)

    return Hacked


@pytest.mark.parametrize("times", [0, 2])
@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        (MessageType.CIRCUIT, {Reason.BUS_IMBALANCE}),
        (MessageType.HEIGHTS, {Reason.BUS_IMBALANCE}),
        (MessageType.PUBLIC_VALUES, {Reason.BUS_IMBALANCE}),
        (MessageType.MAIN_CAP, {Reason.BUS_IMBALANCE}),
        (MessageType.BUS_CAP, {Reason.CONSTRAINTS}),
        (MessageType.SUMS, {Reason.CONSTRAINTS}),  # A7
        (MessageType.QUOTIENT_CAP, {Reason.CONSTRAINTS}),
        (MessageType.OPENINGS_AT_Z, {Reason.MERKLE_ROOT}),  # A8
        (MessageType.OPENINGS_AT_NEXT, {Reason.MERKLE_ROOT}),
        (MessageType.LAYER_CAP, {Reason.MERKLE_ROOT}),  # A9
        (MessageType.FINAL_POLYNOMIAL, {Reason.MERKLE_ROOT}),
        (MessageType.NONCE, {Reason.MERKLE_ROOT}),
    ],
)
def test_a6_to_a9_each_message_not_absorbed_or_absorbed_twice(kind, expected, times):
    if kind is MessageType.CIRCUIT and not times:

        class Other(ReferenceProver):
            def statement(self):
                self.observe(MessageType.CIRCUIT, [0] * 8)
                self.observe(MessageType.HEIGHTS, self.shape.log_heights)
                self.observe(MessageType.PUBLIC_VALUES, self.public)

        assert attack(Other) in expected
    else:
        assert attack(skipping(kind, times)) in expected


def test_a10_the_final_polynomial_replaced_when_the_indices_are_known():
    case = honest(NO_GRINDING, JOINED)
    elements = case.elements()
    at = case.key.shape.head_elements - 1 - (5 << case.key.shape.log_final)
    elements[at] = (elements[at] + 1) % P
    assert reason_of_elements(case, elements) is Reason.MERKLE_ROOT


@pytest.mark.parametrize(
    ("pair", "expected"),
    [
        ((MessageType.CIRCUIT, MessageType.HEIGHTS), Reason.BUS_IMBALANCE),
        ((MessageType.BUS_CAP, MessageType.SUMS), Reason.CONSTRAINTS),
        ((MessageType.OPENINGS_AT_Z, MessageType.OPENINGS_AT_NEXT), Reason.MERKLE_ROOT),
    ],
)
def test_a11_two_neighbouring_messages_exchanged(pair, expected):
    class Hacked(ReferenceProver):
        held = None

        def observe(self, kind, elements):
            if kind is pair[0]:
                self.held = elements
            else:
                super().observe(kind, elements)
            if kind is pair[1]:
                super().observe(pair[0], self.held)

    assert attack(Hacked) is expected


def test_a15_another_version_or_set():
    case = honest(T4, MANY)
    assert reason(key_of(NO_GRINDING, MANY), case.public, case.proof) is Reason.UNKNOWN_PARAMETERS
    changed = bytearray(case.proof)
    changed[18] = 2
    assert reason(case.key, case.public, bytes(changed)) is Reason.VERSION
    changed = bytearray(case.proof)
    changed[19] = S100.number
    assert reason(case.key, case.public, bytes(changed)) is Reason.UNKNOWN_PARAMETERS
    changed[19] = T8.number
    assert reason(case.key, case.public, bytes(changed)) is Reason.UNKNOWN_PARAMETERS


def test_a15_a_proof_relabelled_for_another_set():
    """The set's number starts the transcript: equal sizes and numbers do not help."""
    case = honest(NO_GRINDING, MANY)
    from dataclasses import replace

    from localbento.stark.keygen import keygen

    twin = keygen(SYSTEM, replace(NO_GRINDING, number=111), MANY)
    proof = encode_proof(twin.shape, case.elements())
    assert reason(twin, case.public, proof) is Reason.BUS_IMBALANCE


def test_toy_sets_are_refused_unless_asked_for():
    case = honest(T4, MANY)
    with pytest.raises(VerificationError, match="T4-toy is for tests") as caught:
        verify(case.key, case.public, case.proof)
    assert caught.value.reason is Reason.UNKNOWN_PARAMETERS


def test_a16_another_nonce():
    case = honest(T4, MANY)
    at = case.key.shape.head_elements - 1
    for nonce in (n for n in range(20) if n != case.prover.nonce):
        elements = case.elements()
        elements[at] = nonce
        found = reason_of_elements(case, elements)
        # The smallest that passes was sent: smaller ones do not pass, some larger one may.
        assert found is Reason.GRINDING or (found is Reason.MERKLE_ROOT and nonce > case.prover.nonce)
    # Another nonce that passes does not fit the old openings.
    again = Ungrounded(case.key, case.prover.matrices, case.public)
    again.prove()
    passing = next(n for n in range(case.prover.nonce + 1, P) if again.good_nonce(n))
    elements[at] = passing
    assert reason_of_elements(case, elements) is Reason.MERKLE_ROOT


class Ungrounded(ReferenceProver):
    """Stops before the nonce."""

    def grind(self):
        self.indices, self.nonce = [], 0

    def encode(self):
        return b""


def test_a16_nonce_plus_p():
    case = honest(T4, MANY)
    body = bytearray(case.proof)
    at = len(body) - case.key.shape.proof_bytes + 4 * (case.key.shape.head_elements - 1)
    body[at : at + 4] = (case.prover.nonce + P).to_bytes(4, "little")
    assert reason(case.key, case.public, bytes(body)) is Reason.NOT_CANONICAL


def test_a17_one_bit_of_grinding_short():
    class Lazy(ReferenceProver):
        def good_nonce(self, nonce):
            trial = self.transcript.copy()
            trial.absorb(MessageType.NONCE, [nonce])
            return trial.squeeze()[0] % 64 == 32

    assert attack(Lazy, params=T4) is Reason.GRINDING


def test_a17_the_nonce_elsewhere():
    class Misplaced(ReferenceProver):
        def fri(self):
            self.observe(MessageType.NONCE, [0])
            super().fri()

    assert attack(Misplaced) is Reason.MERKLE_ROOT


def test_a18_queries_cannot_be_left_out():
    case = honest(T4, MANY)
    shape = case.key.shape
    shorter = case.elements()[: -shape.query_elements]
    from localbento.stark.proof import _pack

    proof = _pack(T4, shorter.astype("<u4").tobytes())
    assert reason(case.key, case.public, proof) is Reason.WRONG_SHAPE


def test_a19_no_state_between_proofs():
    """Two proofs in one process, a refused one in between."""
    first, second = honest(T4, MANY), honest(T4, ONE)
    for _ in range(2):
        assert reason(first.key, first.public, first.proof) is None
        assert reason(second.key, second.public, first.proof) is Reason.WRONG_SHAPE
        assert reason(second.key, second.public, second.proof) is None


def test_a20_a_point_in_the_base_field():
    v = Native(np.zeros(0, np.uint64), 0)
    for value in (0, 1, 31, P - 1):
        with pytest.raises(VerificationError) as caught:
            refuse_base_field(v, v.extension([v.constant(x) for x in (value, 0, 0, 0, 0)]))
        assert caught.value.reason is Reason.POINT_IN_BASE_FIELD
    refuse_base_field(v, v.extension([v.constant(x) for x in (0, 0, 0, 0, 1)]))


@pytest.mark.parametrize("value", [1, 440564289, 31])
def test_a20_z_mocked_into_trace_domain_and_evaluation_coset(monkeypatch, value):
    class Mocked(Transcript):
        challenges = 0

        def squeeze_extension(self):
            found = super().squeeze_extension()
            self.challenges += 1
            if self.challenges != 1 + 5 + 1:  # alpha, beta_0 ... beta_3, lambda; then z
                return found
            zero = self._constant(0)
            return [self._constant(value), zero, zero, zero, zero]

    def make(v, key):
        return Mocked([v.constant(e) for e in verifier.initial_value(key.params)], v.constant, v.permutation)

    case = honest(T4, MANY)
    assert case.key.shape.betas == 4
    monkeypatch.setattr(verifier, "make_transcript", make)
    assert reason(case.key, case.public, case.proof) is Reason.POINT_IN_BASE_FIELD


def test_a_public_message_with_fingerprint_zero():
    """It would free the sum: 1/0 may be anything."""
    v = Native(np.zeros(0, np.uint64), 0)
    shape = key_of(T4, ONE).shape

    def ext(*c):
        return v.extension([v.constant(x) for x in (*c, *[0] * (5 - len(c)))])

    # message 0 is +STATE(0, a, b): alpha + 1 beta_0 + 0 + a beta_2 + b beta_3
    challenges = BusChallenges(ext(P - 10), [ext(3), ext(1), ext(1), ext(1)])
    with pytest.raises(VerificationError, match="public message 0") as caught:
        public_sum(v, shape, challenges, [v.constant(x) for x in (3, 4, 5, 6, 7)])
    assert caught.value.reason is Reason.ZERO_DENOMINATOR


def test_a21_alpha_and_beta_exchanged():
    class Exchanged(ReferenceProver):
        def commit_bus(self):
            self.alpha, self.betas[0] = self.betas[0], self.alpha
            super().commit_bus()

    # The public messages are on bus 1, whose fingerprint alpha + 1 beta_0 + ... does not notice.
    assert attack(Exchanged) is Reason.CONSTRAINTS


def test_prover_and_verifier_keep_the_same_log(monkeypatch):
    made = []

    def make(v, key):
        made.append(original(v, key))
        return made[-1]

    original = verifier.make_transcript
    monkeypatch.setattr(verifier, "make_transcript", make)
    case = honest(T4, JOINED)
    assert reason(case.key, case.public, case.proof) is None
    assert made[0].events == case.prover.transcript.events
    kinds = [kind for what, kind, _ in made[0].events if what == "absorb"]
    assert kinds == [1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 10, 11, 12]
