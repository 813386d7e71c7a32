"""Every fixture guest: journal, image ID, exit, claim; both modes say the same."""

from itertools import pairwise

import pytest
from executor_guests import NAMES, Guest, hello_assumption

from localbento.claim.claim import ReceiptClaim, join_all
from localbento.claim.exit_code import ExitCode
from localbento.executor import Limits, Mode, Segment, execute
from localbento.executor.errors import GuestPanicError
from localbento.hash.tagged import ZERO

UNPROVABLE = {
    "bigint2_call": ("bigint call",),
    "poseidon2_call": ("poseidon2 call",),
    "keccak_call": ("keccak batch",),
}
FAILING = ("panic",)


def exit_of(guest: Guest) -> ExitCode:
    code = guest.run.get("exit_code", 0)
    return ExitCode.paused(code) if guest.run.get("paused") else ExitCode.halted(code)


@pytest.mark.parametrize("name", [name for name in NAMES if name not in FAILING])
def test_guest_does_what_its_fixture_says(name) -> None:
    guest = Guest(name)
    segments: list[Segment] = []
    session = execute(guest.program, guest.given(), on_segment=segments.append)
    assert session.image_id.hex() == guest.image_id
    assert (session.journal or b"") == guest.journal
    assert (session.journal is None) == (name == "bare") == (session.output == ZERO)
    assert session.exit_code == exit_of(guest)
    assert session.unprovable == UNPROVABLE.get(name, ())
    assert session.segments == len(segments)
    assert session.proof_cycles == sum(segment.cycles - 2 for segment in segments)
    assert session.pages_read == sum(segment.rows["page"] for segment in segments)
    assert 0 < session.pages_written <= session.pages_read
    assert join_all([segment.claim for segment in segments]).digest() == session.claim.digest()
    for before, after in pairwise(segments):
        assert before.post_root == after.pre_root
    assert all(segment.profile for segment in segments) or session.unprovable
    plain = execute(guest.program, guest.given(), mode=Mode.PLAIN)
    same = ("image_id", "journal", "output", "exit_code", "instructions", "unprovable", "syscalls", "post_root")
    assert [getattr(plain, field) for field in same] == [getattr(session, field) for field in same]
    assert plain.cycles.user == session.cycles.user
    assert plain.claim.digest() == session.claim.digest()


def test_an_ordinary_end_states_the_ordinary_claim() -> None:
    guest = Guest("hello")
    session = execute(guest.program, guest.given())
    assert session.claim.digest() == ReceiptClaim.ok(session.image_id, guest.journal).digest()


def test_verify_stands_on_its_assumption() -> None:
    guest = Guest("verify")
    session = execute(guest.program, guest.given())
    assert session.assumptions == (hello_assumption(guest.given().stdin),)
    assert session.claim.digest() != ReceiptClaim.ok(session.image_id, guest.journal).digest()


def test_environment_reaches_guest_and_host() -> None:
    guest = Guest("environment")
    session = execute(guest.program, guest.given())
    assert guest.stderr.getvalue() == b"to standard error\n"
    assert guest.stdout.getvalue()
    assert {"SYS_ARGC", "SYS_ARGV", "SYS_GETENV", "SYS_CYCLE_COUNT", "SYS_LOG"} <= set(session.syscalls)


def test_the_same_input_gives_the_same_segments() -> None:
    """The guest reads randomness, and its post root shows memory."""

    def segments(seed: bytes) -> list[bytes]:
        found: list[bytes] = []
        guest = Guest("pause")
        execute(guest.program, guest.given(seed=seed), on_segment=lambda segment: found.append(segment.to_bytes()))
        return found

    assert segments(b"one") == segments(b"one") != segments(b"two")


@pytest.mark.parametrize("mode", [Mode.PLAIN, Mode.COUNT])
def test_panic_says_what_the_guest_said(mode) -> None:
    guest = Guest("panic")
    with pytest.raises(GuestPanicError, match=f"^guest panicked: {guest.run['panic']}$"):
        execute(guest.program, guest.given(), mode=mode)


def test_segments_do_not_change_what_is_computed() -> None:
    """Many cuts, one claim; each segment's image is that of its root."""
    guest = Guest("json")
    whole = execute(guest.program, guest.given())
    segments: list[Segment] = []
    limits = Limits(capacities={"cycles": 9_000})
    session = execute(guest.program, guest.given(), limits, segments.append)
    assert session.segments == len(segments) > 25
    assert session.claim.digest() == whole.claim.digest()
    assert session.cycles == whole.cycles
    assert session.instructions == whole.instructions
    for segment in segments[::5]:
        assert segment.cycles <= 9_000
        assert segment.image.root() == segment.pre_root
        assert Segment.from_bytes(segment.to_bytes()).to_bytes() == segment.to_bytes()


def test_stopped_ends_without_a_session() -> None:
    from localbento.executor.machine import Mode as MachineMode
    from localbento.executor.run import Compat, Runner

    guest, seen = Guest("fibonacci"), []
    limits = Limits(capacities={"cycles": 5_000})
    runner = Runner(guest.program.image, "", guest.given(), limits, seen.append, MachineMode.COUNT, Compat.OWN)
    assert runner.run(stopped=lambda: len(seen) == 3) is None
    assert len(seen) == 3
