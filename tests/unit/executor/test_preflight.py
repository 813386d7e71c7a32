"""What preflight leaves is what was counted, and what the chips accept."""

import struct
from dataclasses import replace

import numpy as np
import pytest
from executor_guests import FIXTURES, KERNEL_CODE, NAMES, Guest, program
from rv32im_corpus import ECALL, load, sha2_constants
from rv32im_segment import tight_profile

from localbento.air.check import check
from localbento.air.chip import assemble_fixed
from localbento.circuits.rv32im.profiles import profile_by_name
from localbento.circuits.rv32im.public import public_values
from localbento.circuits.rv32im.witness import make_witness, row_counts
from localbento.errors import ProvingError
from localbento.executor import ExecutorInput, Limits, Segment, execute
from localbento.executor.preflight import preflight
from localbento.executor.segmenter import kernel_hasher
from localbento.riscv.abi import Register
from localbento.riscv.elf import load_guest

PROGRAMS = sorted(path.stem for path in (FIXTURES / "compliance").glob("*.elf"))
UNPROVABLE = ("bigint2_call", "poseidon2_call", "keccak_call")
CHECKED = ("bare", "echo", "environment", "exit", "hello", "jit", "pause", "sha256_call", "verify")
"""Small enough to be looked at cell by cell."""


def segments_of(program, given=None, **capacities) -> list[Segment]:
    segments: list[Segment] = []
    execute(program, given, Limits(capacities=capacities) if capacities else None, segments.append)
    return segments


def words_of(digest: bytes) -> tuple[int, ...]:
    return struct.unpack("<8I", digest)


def report(segment):
    records = preflight(segment)
    profile = tight_profile(records)
    witness = make_witness(records, profile)
    statement = witness.statement
    assert statement.pre == words_of(segment.pre_root)
    assert statement.post == words_of(segment.post_root)
    assert statement.terminated == (segment.end is not None)
    fixed = [assemble_fixed(c.chip, m.shape[1]) for c, m in zip(profile.system.chips, witness.mains, strict=True)]
    return check(profile.system, witness.mains, fixed, public_values(statement))


def assert_counted(segment) -> None:
    assert dict(segment.rows) == {**row_counts(preflight(segment)), "cycles": segment.cycles}


@pytest.mark.parametrize("name", [name for name in NAMES if name not in (*UNPROVABLE, "panic")])
def test_segments_repeat_from_their_bytes(name) -> None:
    """Rows as counted, within the profile, and memory before and after as the roots say."""
    guest, hasher = Guest(name), kernel_hasher()
    segments = segments_of(guest.program, guest.given())
    for segment in segments[:2] + segments[2:][-1:]:
        records = preflight(Segment.from_bytes(segment.to_bytes()))
        counted = row_counts(records)
        assert dict(segment.rows) == {**counted, "cycles": segment.cycles}
        assert records.cycles == segment.cycles
        assert profile_by_name()[segment.profile].fits(counted)
        assert segment.image.root(hasher) == segment.pre_root
        assert segment.image.root(hasher, records.pages.after) == segment.post_root


@pytest.mark.parametrize("name", CHECKED)
def test_chips_accept_what_a_guest_did(name) -> None:
    guest = Guest(name)
    for segment in segments_of(guest.program, guest.given()):
        found = report(segment)
        assert found.ok, str(found)


@pytest.mark.parametrize("name", PROGRAMS)
def test_chips_accept_the_compliance_programs(name) -> None:
    """Each corner case of each instruction, cut in two somewhere."""
    program = load_guest((FIXTURES / "compliance" / f"{name}.elf").read_bytes())
    (whole,) = segments_of(program, cycles=1 << 20)
    segments = segments_of(program, cycles=whole.cycles * 2 // 3)
    assert len(segments) == 2
    for segment in segments:
        assert_counted(segment)
        found = report(segment)
        assert found.ok, str(found)


def test_cuts_at_any_cycle_are_accepted() -> None:
    """Every way to cut system calls, reads and hashing: short segments of a guest that does all of these."""
    guest = Guest("environment")
    segments = segments_of(guest.program, guest.given(), cycles=400)
    assert len(segments) > 10
    for segment in segments:
        assert_counted(segment)
    for segment in segments[::3]:
        found = report(segment)
        assert found.ok, str(found)


def test_code_that_changes_is_accepted() -> None:
    """Slow fetches, early loads, conflicts: the guest that writes its own code, in segments of all sizes."""
    guest = Guest("jit")
    segments = segments_of(guest.program, guest.given(), cycles=700)
    assert any(segment.rows["slow_fetch"] for segment in segments)
    for segment in segments:
        assert_counted(segment)
    for segment in segments[:4]:
        found = report(segment)
        assert found.ok, str(found)


@pytest.fixture(scope="module")
def segment() -> Segment:
    guest = Guest("environment")
    return segments_of(guest.program, guest.given(), cycles=2_000)[0]


@pytest.mark.parametrize("name", UNPROVABLE)
def test_what_has_no_proof_is_refused_by_name(name) -> None:
    guest = Guest(name)
    (only,) = segments_of(guest.program, guest.given())
    with pytest.raises(ProvingError, match=r"no proof exists yet for: (bigint call|poseidon2 call|keccak batch)"):
        preflight(only)


@pytest.mark.parametrize("chip", ["alu_imm", "branch", "decode", "page", "access", "poseidon2", "cycles"])
@pytest.mark.parametrize("change", [-1, 1])
def test_wrong_counts_are_noticed(segment, chip, change) -> None:
    changed = replace(segment, rows={**segment.rows, chip: segment.rows[chip] + change})
    with pytest.raises(ProvingError, match=rf"segment 0 does not repeat: .*rows of {chip}"):
        preflight(changed)


def test_a_page_that_is_missing_is_noticed(segment) -> None:
    image = segment.image
    image = replace(image, indexes=image.indexes[1:], words=image.words[1:])
    with pytest.raises(ProvingError, match="segment 0 does not repeat"):
        preflight(replace(segment, image=image))


def test_another_word_in_memory_is_noticed(segment) -> None:
    words = segment.image.words.copy()
    words[:, :] ^= np.uint32(0x0000_0080)
    with pytest.raises(ProvingError, match="segment 0 does not repeat"):
        preflight(replace(segment, image=replace(segment.image, words=words)))


def test_answers_too_few_or_too_many_are_noticed(segment) -> None:
    assert segment.replies
    fewer = replace(segment, replies=segment.replies[:-1], reply_kinds=segment.reply_kinds[:-1])
    more = replace(segment, replies=(*segment.replies, b""), reply_kinds=(*segment.reply_kinds, True))
    for changed in (fewer, more):
        with pytest.raises(ProvingError, match="segment 0 does not repeat"):
            preflight(changed)


def test_another_end_is_noticed() -> None:
    guest = Guest("hello")
    (only,) = segments_of(guest.program, guest.given())
    with pytest.raises(ProvingError, match="terminated with other values"):
        preflight(replace(only, end=replace(only.end, a0=1 << 16)))


def test_the_input_digest_is_in_the_statement() -> None:
    guest = Guest("hello")
    given = guest.given(input_digest=bytes(range(32)))
    (only,) = segments_of(guest.program, given)
    assert only.claim.input is not None
    assert report(only).ok
    plain: ExecutorInput = guest.given()
    (other,) = segments_of(guest.program, plain)
    assert other.claim.input is None
    assert other.claim.digest() != only.claim.digest()


@pytest.mark.parametrize("distance", [0, 4, 60])
def test_chips_accept_a_block_among_the_constants(distance) -> None:
    """Given a hash of the constants' own words, then a word that a row reads twice is read in the order of moments."""
    constants, state = 0xC001_0000, 0xC002_0000
    given = {"A0": state, "A1": state, "A2": constants + distance, "A3": 1, "A4": constants, "A7": 4}
    code = [word for name, value in given.items() for word in load(Register[name], value)]
    code += [ECALL, *load(Register.A0, 0), *load(Register.A7, 0), ECALL]
    (segment,) = segments_of(program({KERNEL_CODE: code, constants: list(sha2_constants()), state: [0] * 8}))
    assert not segment.unprovable
    found = report(segment)
    assert found.ok, str(found)
