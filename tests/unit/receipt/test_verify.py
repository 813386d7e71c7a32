"""The chain, the journal and the assumptions of a composite receipt.

The proofs themselves are not looked at here (`seals_pass` stands in for the STARK verifier, which has its own tests;
tests/e2e verifies real receipts): what is tested is everything that must hold between them.
"""

from dataclasses import replace

import pytest

from localbento.circuits.rv32im.public import SegmentStatement, public_values
from localbento.claim.assumption import Assumption, Assumptions
from localbento.claim.claim import Output, ReceiptClaim, SystemState
from localbento.errors import Reason, VerificationError
from localbento.receipt import segment as segment_module
from localbento.receipt import verify as verify_module
from localbento.receipt.composite import MAX_DEPTH, CompositeReceipt, SegmentReceipt
from localbento.receipt.encoding import encode
from localbento.receipt.segment import digest
from localbento.receipt.verify import stated_claim, verify_bytes, verify_claim, verify_receipt

ROOTS = [tuple(range(i, i + 8)) for i in range(0, 80, 8)]
ZERO8 = (0,) * 8


@pytest.fixture(autouse=True)
def seals_pass(monkeypatch):
    def verify(key, values, seal):
        if seal != b"good":
            raise VerificationError(Reason.CONSTRAINTS)

    monkeypatch.setattr(segment_module, "verify", verify)
    monkeypatch.setattr(segment_module, "verifying_key", lambda number: number)
    for module in (segment_module, verify_module):
        monkeypatch.setattr(module, "profile_bits", lambda number: 100.0 + number)


def words(data):
    return tuple(int.from_bytes(data[i : i + 4], "little") for i in range(0, 32, 4))


def chain(journal=b"journal", assumptions=(), count=3, a0=0, receipts=(), output=None, given=ZERO8):
    out = Output(journal, Assumptions(tuple(assumptions))).digest() if output is None else output
    statements = [SegmentStatement(ROOTS[i], ROOTS[i + 1], given) for i in range(count)]
    statements[-1] = replace(statements[-1], terminated=True, a0=a0, output=words(out))
    segments = tuple(SegmentReceipt(1, public_values(s), b"good") for s in statements)
    return CompositeReceipt(segments, journal, tuple(assumptions), tuple(receipts))


IMAGE = SystemState(0, digest(ROOTS[0])).digest()


def refused(receipt, **expected):
    with pytest.raises(VerificationError) as caught:
        verify_receipt(receipt, IMAGE, **expected)
    return caught.value.reason


def changed(receipt, index, **fields):
    """The receipt with another statement in one segment."""
    from localbento.circuits.rv32im.public import check_public_values

    segments = list(receipt.segments)
    statement = replace(check_public_values(segments[index].public_values), **fields)
    segments[index] = replace(segments[index], public_values=public_values(statement))
    return replace(receipt, segments=tuple(segments))


def test_an_honest_chain_gives_the_claim_of_its_program():
    verified = verify_bytes(encode(chain()), IMAGE, journal=b"journal")
    assert verified.claim == replace(ReceiptClaim.ok(IMAGE, b"journal"), pre=SystemState(0, digest(ROOTS[0])))
    assert verified.claim.digest() == ReceiptClaim.ok(IMAGE, b"journal").digest()
    assert (verified.segments, verified.provable_bits) == (3, 101.0)
    assert stated_claim(chain())[0] == verified.claim


def test_zero_segments():
    assert refused(CompositeReceipt((), b"")) is Reason.WRONG_SHAPE


def test_every_seal_is_verified():
    for i in range(3):
        segments = list(chain().segments)
        segments[i] = replace(segments[i], seal=b"bad")
        assert refused(replace(chain(), segments=tuple(segments))) is Reason.CONSTRAINTS


@pytest.mark.parametrize(
    "order", [(1, 0, 2), (0, 2), (1, 2), (0, 1), (0, 0, 1, 2), (0, 1, 1, 2), (2, 1, 0), (0, 1, 2, 2), (0, 1, 2, 0)]
)
def test_reordered_dropped_and_duplicated_segments(order):
    honest = chain()
    receipt = replace(honest, segments=tuple(honest.segments[i] for i in order))
    expected = {(1, 2): Reason.IMAGE_ID, (0, 1): Reason.EXIT_CODE}.get(order, Reason.CONTINUITY)
    assert refused(receipt) is expected


def test_a_segment_of_another_run_does_not_join():
    other = tuple(x + 1 for x in ROOTS[1])
    assert refused(changed(chain(), 0, post=other)) is Reason.CONTINUITY
    assert refused(changed(chain(), 1, pre=other)) is Reason.CONTINUITY


def test_the_input_is_the_same_in_all_segments():
    assert refused(changed(chain(), 1, input=(1, *ZERO8[1:]))) is Reason.CONTINUITY


def test_a_halt_in_the_middle():
    assert refused(changed(chain(), 1, terminated=True)) is Reason.CONTINUITY


def test_a_split_at_the_end():
    assert refused(changed(chain(), 2, terminated=False, output=ZERO8)) is Reason.EXIT_CODE


def test_an_output_in_a_segment_that_goes_on_has_no_statement():
    segment = chain().segments[0]
    values = list(segment.public_values)
    values[-1] = 1
    receipt = replace(chain(), segments=(replace(segment, public_values=tuple(values)), *chain().segments[1:]))
    assert refused(receipt) is Reason.PUBLIC_VALUES


def test_too_few_and_too_many_public_values():
    for cut in (lambda v: v[:-1], lambda v: (*v, 0), lambda v: ()):
        segments = list(chain().segments)
        segments[1] = replace(segments[1], public_values=cut(segments[1].public_values))
        assert refused(replace(chain(), segments=tuple(segments))) is Reason.PUBLIC_VALUES


def test_another_program():
    with pytest.raises(VerificationError, match="image-id: expected 00"):
        verify_receipt(chain(), bytes(32))


@pytest.mark.parametrize("journal", [b"", b"journa", b"journal\0", b"Journal", None])
def test_another_journal_in_the_receipt(journal):
    assert refused(replace(chain(), journal=journal)) is Reason.JOURNAL


@pytest.mark.parametrize("journal", [b"", b"journa", b"journal\0"])
def test_another_journal_than_expected(journal):
    assert refused(chain(), journal=journal) is Reason.JOURNAL


def test_an_empty_journal_is_not_an_absent_one():
    assert verify_receipt(chain(b""), IMAGE).journal == b""
    absent = replace(chain(b"", output=bytes(32)), journal=None)
    verified = verify_receipt(absent, IMAGE)
    assert verified.claim.output is None
    assert refused(replace(absent, journal=b"")) is Reason.JOURNAL
    assert refused(replace(chain(b""), journal=None)) is Reason.JOURNAL
    assert refused(replace(absent, assumptions=(Assumption(bytes(32)),))) is Reason.JOURNAL


@pytest.mark.parametrize("a0", [1 << 16, 1, 1 | 7 << 16])
def test_a_guest_that_failed_or_paused_is_refused_unless_asked_for(a0):
    assert refused(chain(a0=a0)) is Reason.EXIT_CODE
    assert verify_receipt(chain(a0=a0), IMAGE, allow_exit=True).claim.exit_code.pair == (a0 & 1, a0 >> 16)


def test_a_halt_type_that_does_not_exist():
    assert refused(chain(a0=2), allow_exit=True) in (Reason.PUBLIC_VALUES, Reason.EXIT_CODE)


INNER = chain(b"inner")
INNER_CLAIM = Assumption(ReceiptClaim.ok(IMAGE, b"inner").digest())
OTHER = chain(b"other")
OTHER_CLAIM = Assumption(ReceiptClaim.ok(IMAGE, b"other").digest())


def test_assumptions_are_proved_by_the_receipts_carried_along():
    receipt = chain(assumptions=(INNER_CLAIM, OTHER_CLAIM, INNER_CLAIM), receipts=(INNER, OTHER))
    verified = verify_receipt(receipt, IMAGE)
    assert verified.claim.digest() == ReceiptClaim.ok(IMAGE, b"journal").digest()


@pytest.mark.parametrize(
    ("assumptions", "receipts"),
    [
        ((INNER_CLAIM,), ()),
        ((), (INNER,)),
        ((INNER_CLAIM,), (OTHER,)),
        ((INNER_CLAIM, OTHER_CLAIM), (OTHER, INNER)),
        ((INNER_CLAIM, INNER_CLAIM), (INNER, INNER)),
        ((replace(INNER_CLAIM, control_root=b"\1" * 32),), (INNER,)),
    ],
)
def test_assumption_receipts_missing_superfluous_or_in_another_order(assumptions, receipts):
    assert refused(chain(assumptions=assumptions, receipts=receipts)) is Reason.ASSUMPTIONS


def test_an_assumption_left_out_changes_the_output():
    receipt = chain(assumptions=(INNER_CLAIM,), receipts=(INNER,))
    assert refused(replace(receipt, assumptions=(), receipts=())) is Reason.JOURNAL


def test_a_bad_proof_in_an_assumption_is_noticed():
    bad = replace(INNER, segments=tuple(replace(s, seal=b"bad") for s in INNER.segments))
    assert refused(chain(assumptions=(INNER_CLAIM,), receipts=(bad,))) is Reason.CONSTRAINTS


def test_an_assumption_must_itself_rest_on_nothing_unproved():
    middle = chain(b"middle", assumptions=(INNER_CLAIM,), receipts=(INNER,))
    claim = Assumption(verify_claim(middle).claim.digest())
    assert verify_receipt(chain(assumptions=(claim,), receipts=(middle,)), IMAGE)
    unproved = replace(middle, receipts=())
    assert refused(chain(assumptions=(claim,), receipts=(unproved,))) is Reason.ASSUMPTIONS


def test_receipts_nested_too_deep():
    receipt = INNER
    for _ in range(MAX_DEPTH):
        claim = Assumption(ReceiptClaim.ok(IMAGE, receipt.journal).digest())
        receipt = chain(receipt.journal, assumptions=(claim,), receipts=(receipt,))
    assert refused(receipt) is Reason.LIMIT
