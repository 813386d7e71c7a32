"""Groups I, K and L of the catalogue with real proofs: what only a verifier of proofs can notice."""

import json
import os
import random
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import msgpack
import pytest

from localbento import api
from localbento.circuits.rv32im.profiles import profiles
from localbento.errors import Reason, VerificationError
from localbento.field.babybear import P
from localbento.receipt.composite import CompositeReceipt
from localbento.receipt.encoding import decode, encode

pytestmark = pytest.mark.prove

GUESTS = Path(__file__).parents[2] / "fixtures/guests"
BENTO = [sys.executable, "-m", "localbento.cli"]
SEED = b"a secret of at least thirty-two bytes"
SEED_OF_ATTACKS = 156


def image_id(name):
    return bytes.fromhex((GUESTS / name / "image_id.txt").read_text().strip())


def prove(name):
    given = GUESTS / name / "input.bin"
    program = (GUESTS / name / f"{name}.elf").read_bytes()
    return api.prove_program(program, given.read_bytes() if given.exists() else b"", seed=SEED).receipt


@pytest.fixture(scope="module")
def hello():
    """The receipt of one segment."""
    return prove("hello").composite


@pytest.fixture(scope="module")
def secret():
    """A receipt of another program."""
    return prove("secret").composite


def refused(receipt, image=None, **expected):
    data = receipt if isinstance(receipt, bytes) else encode(receipt)
    with pytest.raises(VerificationError) as caught:
        api.verify(data, image or image_id("hello"), **expected)
    return caught.value.reason


def with_segment(receipt, **changes):
    return replace(receipt, segments=(replace(receipt.segments[0], **changes), *receipt.segments[1:]))


def test_the_honest_receipt_is_accepted(hello):
    assert api.verify(encode(hello), image_id("hello"))["segments"] == 1


def test_i122_segments_of_two_programs(hello, secret):
    for segments in ((*hello.segments, *secret.segments), (*secret.segments, *hello.segments), hello.segments * 2):
        for journal in (hello.journal, secret.journal):
            assert refused(CompositeReceipt(segments, journal)) is Reason.CONTINUITY


def test_i126_a_proof_is_one_of_its_profile_only(hello):
    mine = hello.segments[0].profile
    for profile in range(1, len(profiles()) + 1):
        if profile != mine:
            reason = refused(with_segment(hello, profile=profile))
            assert reason in (Reason.WRONG_SHAPE, Reason.CONSTRAINTS, Reason.BUS_IMBALANCE, Reason.GRINDING), profile


def test_k142_k143_another_program_s_receipt(hello, secret):
    assert refused(hello, image_id("secret")) is Reason.IMAGE_ID
    assert refused(secret) is Reason.IMAGE_ID
    assert refused(replace(hello, journal=secret.journal)) is Reason.JOURNAL
    assert refused(hello, journal=secret.journal) is Reason.JOURNAL


def test_k149_seals_exchanged(hello, secret):
    theirs = secret.segments[0]
    assert refused(with_segment(hello, seal=theirs.seal)) is not None
    assert refused(with_segment(hello, seal=theirs.seal, profile=theirs.profile)) is not None
    assert refused(with_segment(secret, public_values=hello.segments[0].public_values)) is not None
    assert refused(with_segment(hello, seal=encode(hello))) is Reason.MALFORMED


def test_k146_the_parameters_of_a_seal_are_the_verifier_s(hello):
    name, version, number, body = msgpack.unpackb(hello.segments[0].seal)
    for other in {*range(number + 10), 100, 110, 127} - {number}:
        seal = msgpack.packb([name, version, other, body])
        assert refused(with_segment(hello, seal=seal)) is Reason.UNKNOWN_PARAMETERS


def test_l156_every_flipped_bit_outside_the_proof_and_a_sample_within(hello):
    data = encode(hello)
    seal = hello.segments[0].seal
    start = data.index(seal)
    outside = [*range(8 * start), *range(8 * (start + len(seal)), 8 * len(data))]
    within = random.Random(SEED_OF_ATTACKS).sample(range(8 * start, 8 * (start + len(seal))), 30)
    for bit in [*random.Random(SEED_OF_ATTACKS).sample(outside, 80), *range(8 * start, 8 * start + 160), *within]:
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        assert refused(bytes(flipped)) is not None, bit


def test_l158_every_public_value_is_bound(hello):
    values = hello.segments[0].public_values
    for place, value in enumerate(values):
        for other in {value ^ 1, 0, P - 1} - {value}:
            changed = (*values[:place], other, *values[place + 1 :])
            assert refused(with_segment(hello, public_values=changed)) is not None, place


def bento(*args, stdin=b""):
    return subprocess.run([*BENTO, *map(str, args)], input=stdin, capture_output=True, check=False, env=os.environ)


def test_a_receipt_goes_through_json_and_verifies(hello, tmp_path):
    packed = encode(hello)
    text = bento("receipt", "convert", "-", "-o", "-", stdin=packed)
    assert text.returncode == 0, text.stderr.decode()
    assert json.loads(text.stdout)["segments"][0]["seal"] == hello.segments[0].seal.hex()
    back = bento("receipt", "convert", "-", "-o", tmp_path / "again.receipt", stdin=text.stdout)
    assert (back.returncode, back.stderr) == (0, b"")
    assert (tmp_path / "again.receipt").read_bytes() == packed
    assert bento("verify", tmp_path / "again.receipt", "--image-id", image_id("hello").hex(), "--quiet").returncode == 0
    assert decode(packed) == hello
