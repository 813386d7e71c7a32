"""Groups I and K of the catalogue: receipts made of valid proofs that do not belong together, or say something else.

Proofs are stood in for: `only(receipt)` accepts exactly the segments of that receipt, as a verifier of proofs does for
whoever cannot make other ones.  Where a real proof is needed for the attack see tests/e2e/test_hostile_receipts.py.
"""

from dataclasses import replace
from pathlib import Path

import msgpack
import pytest
from honest import ONE, honest
from hypothesis import given
from hypothesis import strategies as st

from localbento.circuits.rv32im.profiles import profiles
from localbento.circuits.rv32im.public import COUNT, NAMES, SegmentStatement, check_public_values, public_values
from localbento.claim.assumption import Assumption, Assumptions
from localbento.claim.claim import Output, ReceiptClaim, SystemState
from localbento.errors import Reason, VerificationError
from localbento.receipt.composite import CompositeReceipt, SegmentReceipt
from localbento.receipt.encoding import encode
from localbento.receipt.segment import Proved, digest, stated_segment_claim
from localbento.receipt.verify import stated_claim, verify_bytes, verify_claim, verify_receipt
from localbento.riscv.elf import load_guest
from localbento.stark.params import S100, T4
from localbento.stark.proof import decode_proof

FIXTURES = Path(__file__).parents[2] / "fixtures"
ROOTS = [tuple(range(i, i + 8)) for i in range(0, 80, 8)]
ZERO8 = (0,) * 8
NO_OUTPUT = bytes(32)
COUNT_OF_SEGMENTS = 3


def words(data):
    return tuple(int.from_bytes(data[i : i + 4], "little") for i in range(0, 32, 4))


def chain(journal=b"journal", assumptions=(), receipts=(), roots=ROOTS, output=None, seal=b"", **end):
    """Three segments; the last one terminates as `end` says."""
    out = Output(journal or b"", Assumptions(tuple(assumptions))).digest() if output is None else output
    statements = [SegmentStatement(roots[i], roots[i + 1], ZERO8) for i in range(COUNT_OF_SEGMENTS)]
    statements[-1] = replace(statements[-1], **{"terminated": True, "output": words(out), **end})
    segments = tuple(SegmentReceipt(1, public_values(s), b"%d" % i + seal) for i, s in enumerate(statements))
    return CompositeReceipt(segments, journal, tuple(assumptions), tuple(receipts))


IMAGE = SystemState(0, digest(ROOTS[0])).digest()
HONEST = chain()


def all_segments(receipt):
    return {*receipt.segments, *(s for inner in receipt.receipts for s in all_segments(inner))}


def only(*honest_receipts):
    known = {segment for receipt in honest_receipts for segment in all_segments(receipt)}

    def verify(segments):
        for segment in segments:
            if segment not in known:
                raise VerificationError(Reason.CONSTRAINTS)
        return anything(segments)

    return verify


def anything(segments):
    """Every statement has a proof: what whoever runs other guests can get."""
    return [Proved(stated_segment_claim(segment), 100.0) for segment in segments]


def refused(receipt, proofs=anything, image=IMAGE, **expected):
    with pytest.raises(VerificationError) as caught:
        verify_receipt(receipt, image, verify_segments=proofs, **expected)
    return caught.value.reason


def accepted(receipt, proofs=anything, image=IMAGE, **expected):
    return verify_receipt(receipt, image, verify_segments=proofs, **expected)


def with_statement(receipt, index, **fields):
    """The receipt with another statement in one segment, that has a proof, too."""
    segments = list(receipt.segments)
    statement = replace(check_public_values(segments[index].public_values), **fields)
    segments[index] = replace(segments[index], public_values=public_values(statement))
    return replace(receipt, segments=tuple(segments))


def with_values(receipt, index, values):
    segments = list(receipt.segments)
    segments[index] = replace(segments[index], public_values=tuple(values))
    return replace(receipt, segments=tuple(segments))


def test_the_honest_receipt_is_accepted():
    assert (
        accepted(HONEST, only(HONEST), journal=b"journal").claim.digest() == ReceiptClaim.ok(IMAGE, b"journal").digest()
    )


# I. Segments


@given(st.lists(st.integers(0, COUNT_OF_SEGMENTS - 1), max_size=8))
def test_i122_no_other_sequence_of_the_same_segments(order):
    if order != list(range(COUNT_OF_SEGMENTS)):
        attack = replace(HONEST, segments=tuple(HONEST.segments[i] for i in order))
        expected = {Reason.CONTINUITY, Reason.IMAGE_ID, Reason.EXIT_CODE, Reason.WRONG_SHAPE}
        assert refused(attack, only(HONEST)) in expected


def test_i122_splices_of_two_runs():
    other = chain(b"another", roots=[ROOTS[0], *ROOTS[4:]], seal=b"b")
    for cut in (1, 2):
        for first, second in ((HONEST, other), (other, HONEST)):
            for journal in (b"journal", b"another"):
                spliced = (*first.segments[:cut], *second.segments[cut:])
                attack = CompositeReceipt(spliced, journal)
                assert refused(attack, only(HONEST, other)) is Reason.CONTINUITY


def test_i122_a_splice_where_two_runs_pass_through_the_same_state_is_a_run():
    """From one state on both are executions of it: what is proved is true, with the journal of the second."""
    other = chain(b"another", seal=b"b")
    spliced = CompositeReceipt((*HONEST.segments[:2], other.segments[2]), b"another")
    assert accepted(spliced, only(HONEST, other)).journal == b"another"
    assert refused(replace(spliced, journal=b"journal"), only(HONEST, other)) is Reason.JOURNAL


@pytest.mark.parametrize("index", range(1, COUNT_OF_SEGMENTS))
@pytest.mark.parametrize("word", range(8))
def test_i123_one_bit_of_a_state_between_segments(index, word):
    for bit in range(0, 30, 7):
        changed = tuple(w ^ (1 << bit) * (i == word) for i, w in enumerate(ROOTS[index]))
        assert refused(with_statement(HONEST, index, pre=changed)) is Reason.CONTINUITY
        assert refused(with_statement(HONEST, index - 1, post=changed)) is Reason.CONTINUITY
        both = with_statement(with_statement(HONEST, index, pre=changed), index - 1, post=changed)
        assert accepted(both).claim == accepted(HONEST).claim, "the test changes nothing else"
        assert refused(both, only(HONEST)) is Reason.CONSTRAINTS


@pytest.mark.parametrize("index", range(COUNT_OF_SEGMENTS - 1))
@pytest.mark.parametrize("a0", [0, 1, 7 << 16, 1 | 7 << 16], ids=["halted", "paused", "failed", "paused 7"])
def test_i124_an_end_before_the_last_segment(index, a0):
    for output in (ZERO8, words(Output(b"journal", Assumptions(())).digest())):
        attack = with_statement(HONEST, index, terminated=True, a0=a0, output=output)
        for allow_exit in (False, True):
            assert refused(attack, allow_exit=allow_exit) is Reason.CONTINUITY


def test_i124_no_end_at_all():
    attack = with_statement(HONEST, 2, terminated=False, output=ZERO8)
    for journal in (b"journal", b"", None):
        for allow_exit in (False, True):
            assert refused(replace(attack, journal=journal), allow_exit=allow_exit) is Reason.EXIT_CODE


def test_i124_the_exit_code_is_that_of_the_last_segment():
    assert refused(chain(a0=7 << 16)) is Reason.EXIT_CODE
    assert accepted(chain(a0=7 << 16), allow_exit=True).claim.exit_code.pair == (0, 7)


@pytest.mark.parametrize("index", range(COUNT_OF_SEGMENTS - 1))
def test_i125_a_segment_that_goes_on_says_nothing_about_an_end(index):
    first = NAMES.index("terminated") + 1
    assert NAMES[first:][:4] == ("a0_lo", "a0_hi", "a1_lo", "a1_hi")
    assert len(NAMES[first:]) == 4 + 16
    for place in range(first, COUNT):
        for value in (1, 0xFFFF):
            values = list(HONEST.segments[index].public_values)
            values[place] = value
            assert refused(with_values(HONEST, index, values)) is Reason.PUBLIC_VALUES


def test_i125_an_output_that_comes_and_goes():
    """0 -> x -> 0: the output of the middle is stated nowhere."""
    silent = replace(chain(output=NO_OUTPUT), journal=None)
    values = list(silent.segments[1].public_values)
    values[-1] = 7
    attack = with_values(silent, 1, values)
    assert accepted(silent).journal is None
    for journal in (None, b"", b"journal"):
        assert refused(replace(attack, journal=journal)) is Reason.PUBLIC_VALUES


@pytest.mark.parametrize("profile", [0, len(profiles()) + 1, 255, 65535])
def test_i126_an_unknown_profile(profile):
    segments = (replace(HONEST.segments[0], profile=profile), *HONEST.segments[1:])
    with pytest.raises(VerificationError, match="unknown-circuit: profile: expected 1 to"):
        verify_bytes(encode(replace(HONEST, segments=segments)), IMAGE)


def test_i126_a_receipt_names_neither_heights_nor_indices():
    """Heights are the profile's, and a segment's index is its place: there is nothing to choose."""
    assert list(SegmentReceipt.__dataclass_fields__) == ["profile", "public_values", "seal"]
    known = profiles()
    assert len({profile.system_heights for profile in known}) == len({p.name for p in known}) == len(known)


def test_i127_no_segments():
    empty = CompositeReceipt((), None)
    claim = Assumption(ReceiptClaim.ok(IMAGE, b"").digest())
    for receipt in (empty, replace(empty, journal=b""), chain(assumptions=(claim,), receipts=(empty,))):
        assert refused(receipt) is Reason.WRONG_SHAPE
        with pytest.raises(VerificationError, match="there are no segments"):
            stated_claim(receipt)


# K. Claims and receipts


def test_k142_the_image_of_a_program_with_one_byte_changed():
    elf = (FIXTURES / "guests/hello/hello.elf").read_bytes()
    root = words(load_guest(elf).image.merkle_root())
    image = load_guest(elf).image.image_id()
    receipt = chain(roots=[root, *ROOTS])
    assert accepted(receipt, image=image).image_id == image
    start = elf.index(b"hello")  # in its constants
    for place, mask in ((start, 1), (start + 4, 0x80), (start + 5, 4)):
        changed = bytearray(elf)
        changed[place] ^= mask
        other = load_guest(bytes(changed)).image.image_id()
        assert refused(receipt, image=other) is Reason.IMAGE_ID


@pytest.mark.parametrize("bit", range(0, 256, 5))
def test_k142_one_bit_of_the_image_id(bit):
    wrong = bytearray(IMAGE)
    wrong[bit // 8] ^= 1 << bit % 8
    assert refused(HONEST, image=bytes(wrong)) is Reason.IMAGE_ID


@pytest.mark.parametrize("image", [b"", bytes(32), IMAGE[:31], IMAGE + b"\0", IMAGE[::-1], IMAGE.hex().encode()])
def test_k142_what_is_not_that_image_id(image):
    assert refused(HONEST, image=image) is Reason.IMAGE_ID


def test_k142_the_root_is_not_the_image_id():
    assert refused(HONEST, image=digest(ROOTS[0])) is Reason.IMAGE_ID


@given(st.none() | st.binary(max_size=12))
def test_k143_no_other_journal(journal):
    if journal != b"journal":
        assert refused(replace(HONEST, journal=journal), only(HONEST)) is Reason.JOURNAL
    if journal not in (b"journal", None):
        assert refused(HONEST, only(HONEST), journal=journal) is Reason.JOURNAL


@given(st.binary(max_size=40))
def test_k143_a_journal_is_not_its_digest_nor_is_an_output_zero(journal):
    """Aliases of zero: an absent output is refused as a journal, and no journal has it."""
    silent = replace(chain(output=NO_OUTPUT), journal=None)
    assert refused(replace(silent, journal=journal)) is Reason.JOURNAL
    assert Output(journal, Assumptions(())).digest() != NO_OUTPUT
    claimed = chain(journal, output=Output(journal, Assumptions(())).digest())
    assert accepted(claimed, journal=journal).journal == journal
    assert refused(chain(Output(journal).digest(), output=Output(journal).digest())) is Reason.JOURNAL


@pytest.mark.parametrize("a0", [1 << 16, 255 << 16, 0xFFFF << 16, 1, 1 | 1 << 16])
def test_k144_a_guest_that_failed_or_paused(a0):
    attack = chain(a0=a0)
    assert refused(attack) is Reason.EXIT_CODE
    assert refused(attack, journal=b"journal") is Reason.EXIT_CODE
    assert accepted(attack, allow_exit=True).claim.exit_code.pair == (a0 & 0xFFFF, a0 >> 16)


@pytest.mark.parametrize("halt_type", [2, 3, 4, 0xFFFF])
def test_k144_an_end_that_does_not_exist(halt_type):
    values = list(HONEST.segments[-1].public_values)
    values[NAMES.index("a0_lo")] = halt_type
    assert refused(with_values(HONEST, 2, values), allow_exit=True) is Reason.PUBLIC_VALUES


def test_k144_aliases_of_exit_code_zero():
    """p, or more than a limb, is no zero."""
    for name in ("a0_lo", "a0_hi", "terminated"):
        for value in (1 << 16, (1 << 16) + 1, 2013265920, 2013265921, -1):
            values = list(HONEST.segments[-1].public_values)
            values[NAMES.index(name)] = value
            assert refused(with_values(HONEST, 2, values)) is Reason.PUBLIC_VALUES


INNER = chain(b"inner", seal=b"inner")
PAUSED = chain(b"inner", seal=b"paused", a0=1)
FAILED = chain(b"inner", seal=b"failed", a0=1 << 16)
CLAIM = Assumption(ReceiptClaim.ok(IMAGE, b"inner").digest())


def test_k144_k148_what_a_receipt_rests_on_is_proved():
    good = chain(assumptions=(CLAIM,), receipts=(INNER,))
    assert accepted(good, only(good)).claim.digest() == ReceiptClaim.ok(IMAGE, b"journal").digest()
    for receipts in ((), (INNER, INNER), (chain(b"other"),), (good,), (HONEST,), (replace(INNER, journal=b"x"),)):
        assert refused(replace(good, receipts=receipts)) in (Reason.ASSUMPTIONS, Reason.JOURNAL)
    assert refused(replace(good, assumptions=())) is Reason.JOURNAL
    assert refused(replace(good, assumptions=(CLAIM, CLAIM))) is Reason.JOURNAL
    assert refused(replace(HONEST, receipts=(INNER,))) is Reason.ASSUMPTIONS


def test_k145_an_assumption_about_another_end_is_another_claim():
    """Halted(0), Paused(0) and Halted(1) with the same journal: none stands for another."""
    ends = [INNER, PAUSED, FAILED]
    claims = [verify_claim(receipt, verify_segments=anything).claim.digest() for receipt in ends]
    assert len(set(claims)) == 3
    for i, claim in enumerate(claims):
        for j, receipt in enumerate(ends):
            attack = chain(assumptions=(Assumption(claim),), receipts=(receipt,))
            if i == j:
                assert accepted(attack).journal == b"journal"
            else:
                assert refused(attack) is Reason.ASSUMPTIONS


def test_k145_the_state_after_halting_is_nobody_s_to_say():
    """A receipt carries no claim that could be pruned: it follows from the public values, post is zero when halted."""
    for post in (ROOTS[9], ZERO8):
        receipt = with_statement(HONEST, 2, post=post)
        assert accepted(receipt).claim == accepted(HONEST).claim
        assert refused(receipt, only(HONEST)) is Reason.CONSTRAINTS
    paused = chain(a0=1)
    other = with_statement(paused, 2, post=ROOTS[9])
    assert accepted(paused, allow_exit=True).claim != accepted(other, allow_exit=True).claim


def test_k145_an_assumption_with_a_control_root_is_not_proved_by_a_receipt():
    for control_root in (b"\1" + bytes(31), bytes(31) + b"\1", b"\xff" * 32):
        assumption = replace(CLAIM, control_root=control_root)
        assert refused(chain(assumptions=(assumption,), receipts=(INNER,))) is Reason.ASSUMPTIONS


@pytest.fixture(scope="module")
def toy_proof():
    """An honest proof of the toy machine, with toy parameters."""
    return honest(T4, ONE).proof


def real_verdict(seal, profile=1):
    """What the verifier of proofs says to a segment with this seal."""
    segments = tuple(replace(segment, seal=seal, profile=profile) for segment in HONEST.segments)
    with pytest.raises(VerificationError) as caught:
        verify_bytes(encode(replace(HONEST, segments=segments)), IMAGE)
    return caught.value.reason


def test_k146_parameters_are_the_verifier_s_and_not_the_receipt_s(toy_proof):
    """A receipt names no parameters; a seal's are compared with those of the key that is built in."""
    assert real_verdict(toy_proof) is Reason.UNKNOWN_PARAMETERS
    name, version, _, body = msgpack.unpackb(toy_proof)
    for number in range(128):
        expected = Reason.WRONG_SHAPE if number == S100.number else Reason.UNKNOWN_PARAMETERS
        assert real_verdict(msgpack.packb([name, version, number, body])) is expected


@pytest.mark.parametrize("seal", [b"", b"\0" * 32, bytes(1000), b"FAKE", b"\xff" * 4, msgpack.packb(None)])
def test_k147_a_receipt_without_a_proof(seal, monkeypatch):
    for name in ("RISC0_DEV_MODE", "LOCALBENTO_DEV_MODE", "BENTO_DEV_MODE"):
        monkeypatch.setenv(name, "1")
    assert real_verdict(seal) is Reason.MALFORMED


@pytest.mark.parametrize("kind", ["fake", "dev", "succinct", "groth16", "Composite", "", "composite\0"])
def test_k147_k149_no_other_kind_of_receipt(kind):
    plain = msgpack.unpackb(encode(HONEST))
    with pytest.raises(VerificationError) as caught:
        verify_bytes(msgpack.packb({**plain, "kind": kind}), IMAGE)
    assert caught.value.reason is Reason.MALFORMED


def test_k149_what_is_in_the_place_of_a_proof(toy_proof):
    """A receipt, a list of proofs, a proof of another circuit and its elements alone."""
    elements = decode_proof(honest(T4, ONE).key.shape, toy_proof).astype("<u4").tobytes()
    name, version, _, body = msgpack.unpackb(toy_proof)
    for seal in (encode(HONEST), msgpack.packb([toy_proof]), elements, msgpack.packb(toy_proof), body):
        assert real_verdict(seal) is Reason.MALFORMED
    for profile in (1, 2, len(profiles())):
        assert real_verdict(msgpack.packb([name, version, S100.number, body]), profile) is Reason.WRONG_SHAPE


def test_k149_a_receipt_in_the_place_of_a_segment_or_a_journal():
    plain = msgpack.unpackb(encode(HONEST))
    for changes in ({"segments": [plain]}, {"receipts": plain["segments"]}, {"journal": plain}, {"segments": plain}):
        with pytest.raises(VerificationError) as caught:
            verify_bytes(msgpack.packb({**plain, **changes}), IMAGE)
        assert caught.value.reason is Reason.MALFORMED
