"""Whole segments: records to columns, every constraint and every bus, roots and rows."""

import hashlib
import json

import numpy as np
import pytest
from rv32im_corpus import CASES, FIXTURES, KERNEL, case, case_of, hashing, load, modes, program, run, sha2_constants
from rv32im_segment import Segment, tight_profile

from localbento.air.check import evaluate_columns
from localbento.air.rules import check_chip, check_padding
from localbento.circuits.rv32im import machine
from localbento.circuits.rv32im.profiles import choose_profile
from localbento.circuits.rv32im.public import public_values
from localbento.circuits.rv32im.tables import FORMS
from localbento.circuits.rv32im.tree import touched_nodes
from localbento.circuits.rv32im.witness import make_witness, row_counts
from localbento.riscv import abi
from localbento.riscv.memory_image import MemoryImage
from localbento.riscv.memory_tree import digest_to_bytes

PROGRAMS = {p["name"]: p for p in json.loads((FIXTURES / "vectors/machine-vectors.json").read_text())["programs"]}


def root(words):
    return digest_to_bytes(np.array(words, np.uint32))


@pytest.mark.parametrize("name", [*CASES, *(f"{name}/rounds" for name in CASES), "ecall", "div"])
def test_every_constraint_holds_and_every_bus_balances(name):
    c = case(name)
    assert c.report().ok, str(c.report())


@pytest.mark.parametrize("name", CASES)
def test_roots_are_those_of_the_images(name):
    c = case(name)
    assert root(c.witness.statement.pre) == c.segment.image.merkle_root()
    assert root(c.witness.statement.post) == c.segment.image_after().merkle_root()


@pytest.mark.parametrize("name", ["k_basic", "k_alu_paused5", "k_sha"])
def test_recorded_roots(name):
    """Roots and exit registers are those of RISC Zero (programs in which the generations do not differ)."""
    p = PROGRAMS[name]
    image = MemoryImage()
    for start, words in p["words"].items():
        image.write_words(int(start, 16), b"".join(int(w, 16).to_bytes(4, "little") for w in words))
    image.write_word(abi.SUSPEND_PC, int(p["entry"], 16))
    image.write_word(abi.SUSPEND_MODE, 1)
    given = np.frombuffer(bytes.fromhex(p["input_digest"]), "<u4").tolist()
    c = case_of(run(image, input_words=given))
    assert c.report().ok
    (expected,) = p["expected"]["segments"]
    assert root(c.witness.statement.pre).hex() == expected["pre"]
    assert root(c.witness.statement.post).hex() == expected["post"]
    assert [c.witness.statement.a0, c.witness.statement.a1] == p["expected"]["terminate"]


@pytest.mark.parametrize("name", [*CASES, "ecall"])
def test_counted_rows_are_the_rows(name):
    c = case(name)
    for chip, count in row_counts(c.records).items():
        recorded = machine.recorded(chip)
        matrix = c.matrix(chip)
        fixed = np.zeros((len(recorded.fixed), matrix.shape[1]), np.uint32)
        assert int(np.sum(evaluate_columns(recorded, fixed, matrix)[recorded.real])) == count


def test_what_a_segment_says():
    said = case("modes").witness.statement
    assert (said.terminated, said.a0, said.a1) == (True, 0x5_0000, 77)
    assert (said.halt_type, said.user_exit) == (0, 5)
    assert said.output == tuple(0x1111_0000 * i + i for i in range(8))
    assert said.input == tuple(0x0123_4567 * (i + 1) % (1 << 32) for i in range(8))
    split = case("split_user").witness.statement
    assert (split.terminated, split.a0, split.output) == (False, 0, (0,) * 8)


def test_segments_join():
    """Cut anywhere, the next segment starts where this one ended, and the last ends as the uncut run."""
    image, post = modes(), None
    whole = case("modes").segment
    for cycles in (2, 3, 150, 340, 1 << 30):
        segment = Segment(image, input_words=whole.input_words)
        segment.run(cycles)
        c = case_of(segment)
        assert c.report().ok
        assert post in (None, c.witness.statement.pre)
        image, post = segment.image_after(), c.witness.statement.post
    assert c.witness.statement.a0 == 0x5_0000


@pytest.mark.parametrize("steps", [False, True])
@pytest.mark.parametrize("blocks", [1, 2, 10])
def test_sha2_is_sha256(blocks, steps):
    """The state-out of a call over padded messages is hashlib's digest."""
    message = (
        bytes(range(7, 7 + 64 * blocks - 9)) if blocks < 4 else bytes(i * 31 % 251 for i in range(64 * blocks - 9))
    )
    padded = message + b"\x80" + (8 * len(message)).to_bytes(8, "big")
    state, data, constants = 0xC002_0000, 0xC003_0000, 0xC001_0000
    start = [int.from_bytes(w.to_bytes(4, "big"), "little") for w in (
        0x6A09E667, 0xBB67AE85, 0x3C6EF372, 0xA54FF53A, 0x510E527F, 0x9B05688C, 0x1F83D9AB, 0x5BE0CD19)]  # fmt: skip
    words = []
    for register, value in ((10, state), (11, state), (12, data), (13, blocks), (14, constants), (17, 4)):
        words += load(register, value)
    words += [0x73, *load(10, 0), *load(17, 0), 0x73]
    image = program(
        (KERNEL, words), (state, start), (constants, sha2_constants()),
        (data, [int.from_bytes(padded[i : i + 4], "little") for i in range(0, len(padded), 4)]),
    )  # fmt: skip
    c = case_of(run(image), steps=steps)
    assert c.report().ok
    assert c.segment.image_after().read_bytes(state, 32) == hashlib.sha256(message).digest()


def test_an_empty_machine_cannot_be_split_at_the_start():
    """A segment of the resume and the suspend row alone is a step of nothing, and proves so."""
    c = case_of(run(modes(), 2))
    assert c.report().ok
    assert row_counts(c.records)["system"] == 2


def test_copies_take_rows_in_turn():
    """Split over two copies the machine balances as it does in one."""
    c = case("hashing")
    profile = tight_profile(c.records, spare=2)
    counts = row_counts(c.records)
    half = {name: -(-count // 2) for name, count in counts.items()}

    class Halves(type(profile)):
        def capacity(self, chip):
            return profile.capacity(chip) if chip in machine.UNCOUNTED else 2 * half[chip]

        def rows(self, chip):
            return profile.rows(chip) if chip in machine.UNCOUNTED else half[chip] + 1

    served = ("region", "opcodes", "tables13")
    halves = Halves("halves", 0, profile.log_heights, dict.fromkeys(counts, 2) | dict.fromkeys(served, 1))
    witness = make_witness(c.records, halves)
    assert len(witness.mains) == 2 * len(counts) + 3
    from localbento.air.check import check
    from localbento.air.chip import assemble_fixed

    fixed = [assemble_fixed(chip.chip, m.shape[1]) for chip, m in zip(halves.system.chips, witness.mains, strict=True)]
    report = check(halves.system, witness.mains, fixed, public_values(witness.statement))
    assert report.ok, str(report)


def test_records_that_do_not_fit_are_refused():
    c = case_of(run(hashing((10,) * 5)))
    profile = tight_profile(case("hashing").records)
    with pytest.raises(ValueError, match="rows of"):
        make_witness(c.records, profile)


def test_a_real_profile_holds_a_small_segment():
    """Matrices have the profile's heights, and the blinding rows are unused."""
    c = case("modes")
    profile = choose_profile(row_counts(c.records))
    witness = make_witness(c.records, profile)
    for chip, height, matrix in zip(profile.system.chips, profile.system_heights, witness.mains, strict=True):
        assert matrix.shape == (chip.width, 1 << height)
        padding = np.array([chip.chip.padding.get(n, 0) for n in chip.main])
        assert (matrix[:, -192:] == padding[:, None]).all()


@pytest.mark.parametrize("name", machine.CHIPS)
def test_rules(name):
    """Degrees, multiplicities, ranks and the padding row of every chip."""
    check_chip(machine.recorded(name), 4)
    rows = FORMS[name].rows() if name in FORMS else 2048
    check_padding(machine.recorded(name), rows)


def test_touched_nodes():
    assert touched_nodes(np.array([0], np.uint32)) == 22
    assert touched_nodes(np.array([0, 1], np.uint32)) == 22
    assert touched_nodes(np.array([0, 2, 1 << 21], np.uint32)) == 22 + 1 + 21
