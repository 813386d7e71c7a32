"""The pinned verifying keys are those of the recorded chips, and prove at least 100 bits."""

import pytest

from localbento.circuits.rv32im.keys import pinned, profile_of, verifying_key
from localbento.circuits.rv32im.machine import CHIPS
from localbento.circuits.rv32im.profiles import Ladder, profiles
from localbento.circuits.rv32im.tables import FORMS
from localbento.errors import ProvingError, Reason, VerificationError
from localbento.stark.circuit import circuit_digest, static_digest
from localbento.stark.keygen import fixed_rows
from localbento.stark.params import S100
from localbento.stark.prover import commit_fixed
from localbento.stark.soundness import REQUIRED_BITS, provable_bits


@pytest.mark.parametrize("profile", profiles(), ids=lambda p: p.name)
def test_digests_are_those_of_the_recorded_chips(profile):
    key = verifying_key(profile.number)
    static = static_digest(profile.system, S100, profile.system_heights)
    assert key.static_digest == static, "run python fixtures/make_keys.py"
    assert key.circuit_digest == circuit_digest(static, key.fixed_cap)
    assert provable_bits(key.shape) >= REQUIRED_BITS


def test_caps_are_those_of_the_tables():
    """Profiles with the same tables at the same heights share a commitment; each is recomputed once."""
    first = {}
    for profile in profiles():
        tables = (*(f for f in FORMS if f in profile.copies), profile.log_heights["opcodes"])
        key = verifying_key(profile.number)
        assert first.setdefault(tables, key).fixed_cap == key.fixed_cap
    assert len({key.fixed_cap for key in first.values()}) == len(first)
    for key in first.values():
        made = commit_fixed(2)(key.shape, fixed_rows(key.shape))
        assert tuple(tuple(int(e) for e in digest) for digest in made) == key.fixed_cap


def test_every_profile_has_a_key_and_no_other():
    assert list(pinned()) == [p.name for p in profiles()]
    assert len({verifying_key(p.number).circuit_digest for p in profiles()}) == len(profiles())
    for number in (0, len(profiles()) + 1, -1):
        with pytest.raises(VerificationError) as caught:
            profile_of(number)
        assert caught.value.reason is Reason.UNKNOWN_CIRCUIT


def test_widths_heights_and_names():
    for profile in profiles():
        assert profile.opened <= 2200
        assert len(set(profile.log_heights.values())) <= 5
        assert set(profile.log_heights) <= set(CHIPS)


def test_a_segment_can_always_begin_and_grow():
    ladder = Ladder(profiles())
    first = ladder.first()
    assert all(first[chip] > 0 for chip in ("alu_reg", "part", "div", "peek", "slow_fetch", "page", "poseidon2"))
    rows = {"alu_imm": first["alu_imm"], "decode": 100, "page": 5, "cycles": first["alu_imm"] + 10}
    wider = ladder.widen(rows)
    assert wider is not None
    assert wider["alu_imm"] > first["alu_imm"]
    bounded = Ladder(profiles(), segment_size=1000)
    assert bounded.first()["cycles"] == 1000
    assert bounded.widen({**rows, "cycles": 1000}) is None


def test_rows_that_no_profile_holds_are_named():
    with pytest.raises(ProvingError, match=r"no profile holds this segment; rows beyond every profile: \{'div'"):
        Ladder(profiles()).choose({"div": 1 << 24, "cycles": 1})
