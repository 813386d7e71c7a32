"""Every fixture guest: its journal and exit in both modes, its segments, and that each repeats row for row."""

import pytest
from executor_guests import NAMES, Guest

from localbento.circuits.rv32im.profiles import profile_by_name
from localbento.circuits.rv32im.witness import row_counts
from localbento.claim.claim import join_all
from localbento.executor import Mode, execute
from localbento.executor.errors import GuestPanicError
from localbento.executor.inputs import default_limits
from localbento.executor.preflight import preflight
from localbento.executor.segment import Segment
from localbento.executor.segmenter import kernel_hasher

PANICS = [name for name in NAMES if "panic" in Guest(name).run]
ENDS = [name for name in NAMES if name not in PANICS]
UNPROVABLE = {"bigint2_call": "bigint call", "poseidon2_call": "poseidon2 call", "keccak_call": "keccak batch"}


@pytest.mark.parametrize("name", ENDS)
def test_journal_exit_and_image_id(name):
    guest = Guest(name)
    session = execute(guest.program, guest.given())
    assert (session.journal or b"") == guest.journal
    assert session.image_id.hex() == guest.image_id
    assert session.exit_code.pair == (int("paused" in guest.run), guest.run.get("exit_code", 0))
    assert session.unprovable == ((UNPROVABLE[name],) if name in UNPROVABLE else ())


@pytest.mark.parametrize("name", ENDS)
def test_plain_mode_computes_the_same(name):
    guest = Guest(name)
    counted = execute(guest.program, guest.given())
    plain = execute(guest.program, guest.given(), mode=Mode.PLAIN)
    assert plain.journal == counted.journal
    assert plain.cycles.user == counted.cycles.user
    assert plain.instructions == counted.instructions
    assert plain.syscalls == counted.syscalls
    assert plain.claim.digest() == counted.claim.digest()


@pytest.mark.parametrize("name", PANICS)
def test_panic(name):
    guest = Guest(name)
    with pytest.raises(GuestPanicError) as caught:
        execute(guest.program, guest.given())
    assert str(caught.value) == f"guest panicked: {guest.run['panic']}"


@pytest.mark.parametrize("name", [name for name in ENDS if name not in UNPROVABLE])
def test_segments_repeat_and_join(name):
    """Given the segments of a run, then each repeats from its bytes, fits its profile, and they join to the claim."""
    guest = Guest(name)
    segments: list[Segment] = []
    session = execute(guest.program, guest.given(), default_limits(), segments.append)
    hasher = kernel_hasher()
    assert len(segments) == session.segments
    for segment in segments:
        records = preflight(Segment.from_bytes(segment.to_bytes()))
        counted = row_counts(records)
        assert counted == {chip: segment.rows[chip] for chip in counted}
        assert profile_by_name()[segment.profile].fits(counted)
        assert segment.image.root(hasher) == segment.pre_root
        assert segment.image.root(hasher, records.pages.after) == segment.post_root
        assert records.cycles == segment.cycles
    assert join_all([segment.claim for segment in segments]).digest() == session.claim.digest()


def test_unprovable_segments_say_why():
    from localbento.errors import ProvingError

    for name, reason in UNPROVABLE.items():
        guest = Guest(name)
        segments: list[Segment] = []
        execute(guest.program, guest.given(), None, segments.append)
        with pytest.raises(ProvingError, match=f"no proof exists yet for: {reason}"):
            preflight(segments[-1])


def test_the_same_input_gives_the_same_segments():
    guest = Guest("pause")  # reads randomness, and its post root shows memory
    runs = []
    for _ in range(2):
        segments: list[bytes] = []
        execute(guest.program, guest.given(), None, lambda segment, out=segments: out.append(segment.to_bytes()))
        runs.append(segments)
    assert runs[0] == runs[1]
    other: list[bytes] = []
    execute(guest.program, guest.given(seed=b"other"), None, lambda segment: other.append(segment.to_bytes()))
    assert other != runs[0]
