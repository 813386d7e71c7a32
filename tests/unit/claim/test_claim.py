"""Claims of segments and sessions, refusals of join and resolve, and the strict plain form."""

from dataclasses import replace

import msgpack
import pytest
from hypothesis import given
from hypothesis import strategies as st

from localbento.claim.assumption import Assumption, Assumptions
from localbento.claim.claim import (
    FINAL_STATE,
    Output,
    ReceiptClaim,
    SegmentEnd,
    SessionEnd,
    SystemState,
    join,
    join_all,
    resolve,
    segment_claim,
    session_claim,
)
from localbento.claim.exit_code import ExitCode, System
from localbento.claim.flat import claim_from_flat, flat_claim
from localbento.claim.plain import assumption_from_plain, claim_from_plain, claim_to_plain
from localbento.claim.pruned import Pruned, digest_of, opened
from localbento.errors import Reason, VerificationError
from localbento.hash.tagged import ZERO

A, B, C = (bytes([i]) * 32 for i in (1, 2, 3))
SPLIT = ReceiptClaim(SystemState(0, A), SystemState(0, B), ExitCode.SYSTEM_SPLIT)
LAST = ReceiptClaim(SystemState(0, B), FINAL_STATE, ExitCode.halted(0), None, Pruned(C))


def test_segment_that_was_cut() -> None:
    assert segment_claim(A, B, ZERO, None) == SPLIT


def test_segment_that_halted_says_nothing_about_memory() -> None:
    claim = segment_claim(A, B, C, SegmentEnd(7 << 16, 0, C))
    assert claim.exit_code == ExitCode.halted(7)
    assert claim.post == SystemState(0, ZERO)
    assert claim.input == Pruned(C)
    assert claim.output == Pruned(C)


def test_segment_that_paused_keeps_its_root() -> None:
    claim = segment_claim(A, B, ZERO, SegmentEnd(1 | 3 << 16, 0, ZERO))
    assert claim.exit_code == ExitCode.paused(3)
    assert claim.post == SystemState(0, B)
    assert claim.output is None


@pytest.mark.parametrize("halt_type", [2, 3, 0xFFFF])
def test_segment_with_another_halt_type_is_refused(halt_type: int) -> None:
    with pytest.raises(VerificationError, match=f"halt type {halt_type}") as caught:
        segment_claim(A, B, ZERO, SegmentEnd(halt_type, 0, C))
    assert caught.value.reason is Reason.EXIT_CODE


def test_session_claim_opens_journal_and_assumptions() -> None:
    made = (Assumption(A), Assumption(B, C))
    output = Output(b"hello", Assumptions(made))
    end = SessionEnd(ExitCode.halted(0), output.digest(), b"hello", made)
    claim = session_claim(A, B, ZERO, end)
    assert claim == ReceiptClaim(SystemState(0, A), FINAL_STATE, ExitCode.halted(0), None, output)
    assert end.fits(made)
    from_segment = segment_claim(A, B, ZERO, SegmentEnd(0, 0, output.digest()))
    assert from_segment.digest() == claim.digest()


def test_session_without_output() -> None:
    end = SessionEnd(ExitCode.halted(0), ZERO)
    assert session_claim(A, B, ZERO, end).output is None
    assert end.fits([])


@pytest.mark.parametrize(
    ("journal", "assumptions"),
    [(b"hellp", []), (b"", []), (b"hello", [Assumption(A)])],
)
def test_output_that_does_not_fit(journal: bytes, assumptions: list[Assumption]) -> None:
    end = SessionEnd(ExitCode.halted(0), Output(b"hello").digest(), journal)
    assert not end.fits(assumptions)


def test_journal_without_output_does_not_fit() -> None:
    assert not SessionEnd(ExitCode.halted(0), ZERO, b"x").fits([])
    assert not SessionEnd(ExitCode.halted(0), ZERO).fits([Assumption(A)])


@pytest.mark.parametrize(
    ("left", "right", "detail"),
    [
        (replace(SPLIT, post=SystemState(0, C)), LAST, "is followed by"),
        (replace(SPLIT, post=SystemState(4, B)), LAST, "is followed by"),
        (replace(SPLIT, exit_code=ExitCode.halted(0)), LAST, "ended with Halted"),
        (replace(SPLIT, exit_code=ExitCode.paused(1)), LAST, "ended with Paused"),
        (replace(SPLIT, exit_code=ExitCode.SESSION_LIMIT), LAST, "ended with SessionLimit"),
        (replace(SPLIT, output=Pruned(C)), LAST, "has an output"),
        (replace(SPLIT, input=Pruned(C)), LAST, "different inputs"),
        (SPLIT, replace(LAST, input=Pruned(A)), "different inputs"),
    ],
)
def test_join_refuses(left: ReceiptClaim, right: ReceiptClaim, detail: str) -> None:
    with pytest.raises(VerificationError, match=detail) as caught:
        join(left, right)
    assert caught.value.reason is Reason.CONTINUITY


def test_join_accepts_a_split_whose_output_is_pruned_to_zero() -> None:
    assert join(replace(SPLIT, output=Pruned(ZERO), input=Pruned(ZERO)), LAST).output == LAST.output


def test_no_segments() -> None:
    with pytest.raises(VerificationError) as caught:
        join_all([])
    assert caught.value.reason is Reason.WRONG_SHAPE


@pytest.mark.parametrize(
    ("output", "reason"),
    [
        (None, Reason.ASSUMPTIONS),
        (Pruned(C), Reason.CLAIM),
        (Output(b"", Pruned(C)), Reason.CLAIM),
        (Output(b"", Assumptions((Assumption(B), Assumption(A)))), Reason.ASSUMPTIONS),
        # The same claim under another control root is another assumption.
        (Output(b"", Assumptions((Assumption(A, C),))), Reason.ASSUMPTIONS),
    ],
)
def test_resolve_refuses(output: Output | Pruned | None, reason: Reason) -> None:
    with pytest.raises(VerificationError) as caught:
        resolve(replace(LAST, output=output), Assumption(A))
    assert caught.value.reason is reason


def test_an_assumption_made_twice_is_resolved_twice() -> None:
    twice = replace(LAST, output=Output(b"", Assumptions((Assumption(A),) * 2)))
    once = resolve(twice, Assumption(A))
    assert once.output == Output(b"", Assumptions((Assumption(A),)))
    assert resolve(once, Assumption(A)).output == Output(b"")


def test_pruning_changes_no_digest() -> None:
    claim = ReceiptClaim(
        SystemState(0, A),
        FINAL_STATE,
        ExitCode.halted(1),
        None,
        Output(b"x", Assumptions((Assumption(A),))),
    )
    assert claim.output is not None
    for change in (
        {"pre": Pruned(claim.pre.digest())},
        {"post": Pruned(claim.post.digest())},
        {"input": Pruned(ZERO)},
        {"output": Pruned(claim.output.digest())},
        {"output": Output(Pruned(digest_of(b"x")), Pruned(Assumptions((Assumption(A),)).digest()))},
    ):
        assert replace(claim, **change).digest() == claim.digest()


def test_absent_output_is_not_an_empty_one() -> None:
    assert digest_of(None) == ZERO
    assert Output(b"").digest() != ZERO


def test_opened() -> None:
    assert opened(LAST.post, "post") == FINAL_STATE
    with pytest.raises(VerificationError, match="post is pruned"):
        opened(Pruned(A), "post")


@pytest.mark.parametrize("wrong", [b"", bytes(31), bytes(33), "x" * 32, None])
def test_what_is_no_digest(wrong: object) -> None:
    with pytest.raises(ValueError, match="expected a digest"):
        Pruned(wrong)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected a digest"):
        SystemState(0, wrong)  # type: ignore[arg-type]


@pytest.mark.parametrize("pair", [(System.SPLIT, 1), (System.HALTED, -1), (System.PAUSED, 1 << 32)])
def test_what_is_no_exit_code(pair: tuple[System, int]) -> None:
    with pytest.raises(ValueError, match="no exit code"):
        ExitCode(*pair)


@pytest.mark.parametrize(
    ("position", "value", "reason"),
    [
        (0, 1 << 16, Reason.NOT_CANONICAL),
        (16, 256, Reason.NOT_CANONICAL),
        (40, -1, Reason.NOT_CANONICAL),
        (56, 3, Reason.EXIT_CODE),
        (57, 1 << 32, Reason.EXIT_CODE),
        (73, 1 << 16, Reason.NOT_CANONICAL),
    ],
)
def test_flat_words_out_of_range(position: int, value: int, reason: Reason) -> None:
    words = flat_claim(SPLIT)
    words[position] = value
    with pytest.raises(VerificationError) as caught:
        claim_from_flat(words)
    assert caught.value.reason is reason


@pytest.mark.parametrize("length", [0, 73, 75])
def test_flat_words_of_another_length(length: int) -> None:
    with pytest.raises(VerificationError) as caught:
        claim_from_flat([0] * length)
    assert caught.value.reason is Reason.WRONG_SHAPE


def test_flat_claim_needs_opened_states() -> None:
    with pytest.raises(VerificationError, match="pruned"):
        flat_claim(replace(SPLIT, pre=Pruned(A)))


digests = st.binary(min_size=32, max_size=32)
pruned = digests.map(Pruned)
u32 = st.integers(0, 2**32 - 1)
states = st.one_of(pruned, st.builds(SystemState, u32, digests))
assumptions = st.lists(st.one_of(pruned, st.builds(Assumption, digests, digests)), max_size=3)
outputs = st.builds(
    Output,
    st.one_of(pruned, st.binary(max_size=8)),
    st.one_of(pruned, assumptions.map(lambda items: Assumptions(tuple(items)))),
)
exit_codes = st.one_of(
    u32.map(ExitCode.halted),
    u32.map(ExitCode.paused),
    st.sampled_from([ExitCode.SYSTEM_SPLIT, ExitCode.SESSION_LIMIT]),
)
claims = st.builds(
    ReceiptClaim,
    states,
    states,
    exit_codes,
    st.one_of(st.none(), pruned),
    st.one_of(st.none(), pruned, outputs),
)


@given(claims)
def test_plain_form_is_canonical(claim: ReceiptClaim) -> None:
    packed = msgpack.packb(claim_to_plain(claim))
    decoded = claim_from_plain(msgpack.unpackb(packed))
    assert decoded == claim
    assert msgpack.packb(claim_to_plain(decoded)) == packed


json_like = st.recursive(
    st.one_of(st.none(), st.booleans(), u32, st.binary(max_size=33), st.text(max_size=3)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["pre", "post", "pruned", "journal"]), inner, max_size=3),
    ),
    max_leaves=6,
)


@given(claims, st.data())
def test_plain_form_with_a_field_replaced(claim: ReceiptClaim, data: st.DataObject) -> None:
    """Whatever stands in a field, decoding gives a claim that encodes back to it, or refuses."""
    plain = claim_to_plain(claim)
    assert isinstance(plain, dict)
    changed: dict[str, object] = dict(plain)
    changed[data.draw(st.sampled_from(list(plain)))] = data.draw(json_like)
    try:
        decoded = claim_from_plain(changed)
    except VerificationError as error:
        assert error.reason is Reason.MALFORMED  # noqa: PT017
    else:
        assert claim_to_plain(decoded) == changed


PLAIN = claim_to_plain(LAST)
assert isinstance(PLAIN, dict)


@pytest.mark.parametrize(
    "plain",
    [
        None,
        [],
        {},
        {**PLAIN, "more": 1},
        {key: PLAIN[key] for key in reversed(PLAIN)},
        {**PLAIN, "exit_code": [False, 0]},
        {**PLAIN, "exit_code": [2, 1]},
        {**PLAIN, "exit_code": [3, 0]},
        {**PLAIN, "exit_code": [0, 1 << 32]},
        {**PLAIN, "exit_code": (0, 0)},
        {**PLAIN, "pre": [0, A, 0]},
        {**PLAIN, "pre": [-1, A]},
        {**PLAIN, "pre": [0, A[:31]]},
        {**PLAIN, "pre": None},
        {**PLAIN, "input": A},
        {**PLAIN, "input": {"pruned": A, "x": 0}},
        {**PLAIN, "output": {"journal": "text", "assumptions": []}},
        {**PLAIN, "output": {"assumptions": [], "journal": b""}},
        {**PLAIN, "output": {"journal": bytearray(b""), "assumptions": []}},
        {**PLAIN, "output": {"journal": b"", "assumptions": [A]}},
        {**PLAIN, "output": {"journal": b"", "assumptions": [[A]]}},
        {**PLAIN, "output": {"journal": b"", "assumptions": [[A, A, A]]}},
        {**PLAIN, "output": {"journal": b"", "assumptions": None}},
    ],
)
def test_malformed_plain_claims(plain: object) -> None:
    with pytest.raises(VerificationError) as caught:
        claim_from_plain(plain)
    assert caught.value.reason is Reason.MALFORMED


def test_too_many_assumptions() -> None:
    many = {"journal": b"", "assumptions": [[A, A]] * 65537}
    with pytest.raises(VerificationError) as caught:
        claim_from_plain({**PLAIN, "output": many})
    assert caught.value.reason is Reason.LIMIT


def test_malformed_plain_assumption() -> None:
    with pytest.raises(VerificationError) as caught:
        assumption_from_plain(A)
    assert caught.value.reason is Reason.MALFORMED
