import dataclasses

import pytest

from localbento.errors import Reason, UsageError, VerificationError
from localbento.stark import params
from localbento.stark.params import PARAMETER_SETS, R100, S100, T4, T8, W100


def test_the_sets_are_those_of_the_design():
    assert (S100.log_blowup, S100.queries, S100.grinding, S100.stop, S100.cap) == (2, 88, 20, 8, 5)
    assert (R100.log_blowup, R100.queries, R100.grinding, R100.stop, R100.cap) == (3, 58, 20, 8, 5)
    assert (W100.log_blowup, W100.queries, W100.grinding, W100.stop, W100.cap) == (5, 36, 16, 6, 4)
    assert [s.blinding for s in (S100, R100, W100)] == [192, 136, 96]
    assert [s.randomizers for s in (S100, R100, W100)] == [100, 72, 52]
    assert [s.max_degree for s in (S100, R100, W100)] == [4, 8, 4]
    assert [(s.lowest, s.tallest) for s in (S100, R100, W100)] == [(9, 22), (10, 20), (9, 17)]


@pytest.mark.parametrize("chosen", PARAMETER_SETS.values(), ids=lambda s: s.name)
def test_counts_meet_the_zero_knowledge_bounds(chosen):
    """docs/security.md: b >= 2(q + e) + 1, h_q >= q + e, and the quotient fits its chunks at the lowest height."""
    assert chosen.blinding >= 2 * (chosen.queries + 5) + 1
    assert chosen.randomizers >= chosen.queries + 5
    k, d = 1 << chosen.lowest, chosen.max_degree
    room = (chosen.chunks - 1) * (k - chosen.randomizers) + k
    assert room >= (d - 1) * k + chosen.blinding - d + 1


def test_names_numbers_and_digests_are_distinct():
    sets = list(PARAMETER_SETS.values())
    for of in (lambda s: s.name, lambda s: s.number, lambda s: s.digest()):
        assert len({of(s) for s in sets}) == len(sets)
    assert {s.name for s in sets if s.is_toy} == {T4.name, T8.name}
    assert all(s.number < 128 for s in sets), "one byte in msgpack"


def test_every_number_enters_the_digest():
    for field in dataclasses.fields(S100):
        value = getattr(S100, field.name)
        changed = value + "x" if field.name == "name" else type(value)(1 - value) if isinstance(value, bool) else None
        if changed is None:
            changed = value + 1
        assert dataclasses.replace(S100, **{field.name: changed}).digest() != S100.digest(), field.name


def test_unknown_sets_are_refused():
    with pytest.raises(UsageError, match="S100"):
        params.by_name("S99")
    with pytest.raises(VerificationError) as caught:
        params.by_number(99)
    assert caught.value.reason is Reason.UNKNOWN_PARAMETERS
    assert params.by_name("R100") is params.by_number(2) is R100
