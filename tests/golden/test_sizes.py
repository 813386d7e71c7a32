"""Sizes of chips and profiles: a change is a decision, made by rewriting the file.

python tests/golden/test_sizes.py      rewrite fixtures/golden/sizes.json
"""

import json
from pathlib import Path

import pytest

from localbento.circuits.rv32im import machine
from localbento.circuits.rv32im.costs import (
    HEIGHT_CELLS,
    chip_size,
    committed_cells,
    opened_width,
    pinned_sizes,
    size_table,
)
from localbento.circuits.rv32im.keys import profile_outline
from localbento.circuits.rv32im.profiles import MAX_HEIGHTS, choose_profile, parse, profiles
from localbento.circuits.rv32im.tables import FORMS
from localbento.errors import ProvingError
from localbento.stark.params import S100
from localbento.stark.shape import make_shape
from localbento.tasks.memory import predict_task_bytes

GOLDEN = Path(__file__).resolve().parents[2] / "fixtures" / "golden" / "sizes.json"

FORM_HEIGHTS = {name: form.LOG_ROWS for name, form in FORMS.items()}
LIMITS = {
    "alu_reg": 54, "alu_imm": 44, "word": 54, "part": 74, "branch": 37, "const": 26, "jalr": 41, "bitwise": 28,
    "less": 29, "shift": 58, "mul": 58, "div": 69, "decode": 89, "peek": 17, "slow_fetch": 26, "system": 98,
    "access": 19, "host_io": 67, "read_data": 40, "page_block": 82, "page": 29, "node": 69, "poseidon2": 460,
    "sha2": 60, "sha2_round": 270, "sha2_step": 125,
}  # fmt: skip
"""Cells a row in the design's table; the chips stay at or under it.  (Node and SHA2: docs/decisions, 0008 and 0009.)"""


def sizes():
    return {
        "chips": size_table(),
        "profiles": {p.name: {"cells": p.cells, "opened": p.opened, "chips": len(p.system.chips)} for p in profiles()},
    }


def test_sizes_are_the_golden_ones():
    assert sizes() == json.loads(GOLDEN.read_text()), "run python tests/golden/test_sizes.py"


INSTRUCTIONS = ("alu_reg", "alu_imm", "word", "part", "branch", "const", "jalr")
"""Chips that take a cycle a row; units answer them."""
WIDE_AND_SHORT = {"p18", "p20", "p22"}
"""For runs that are almost only paging or hashing, which no narrower profile holds at a sensible height."""


def test_profiles_of_few_cycles_open_few_columns():
    short = [p for p in profiles() if sum(p.capacity(chip) for chip in INSTRUCTIONS) <= 1 << 18]
    assert len(short) > 10
    assert {p.name for p in short if p.opened > 1600} == WIDE_AND_SHORT
    assert max(p.opened for p in profiles()) <= 2200


def test_pinned_sizes_are_those_of_the_recorded_chips():
    recorded = {name: chip_size(name) for name in machine.CHIPS}
    assert dict(pinned_sizes()) == recorded, "run python fixtures/make_keys.py --sizes"


def test_an_outline_is_what_the_shape_of_the_recorded_chips_has():
    for profile in profiles():
        shape, sketch = make_shape(profile.system, S100, profile.system_heights), profile_outline(profile.number)
        assert (sketch.params, sketch.layers) == (shape.params, shape.layers)
        for tree in ("fixed_tree", "main_tree", "bus_tree", "quotient_tree"):
            assert getattr(sketch, tree) == getattr(shape, tree)
        for mine, full in zip(sketch.heights, shape.heights, strict=True):
            assert (mine.log_rows, mine.widths, mine.functions) == (full.log_rows, full.widths, full.functions)
        assert predict_task_bytes(sketch, 2) == predict_task_bytes(shape, 2)


@pytest.mark.parametrize("name", LIMITS)
def test_cells_stay_under_the_design(name):
    assert chip_size(name).cells <= LIMITS[name]


def test_sha2_cells_of_a_block():
    """Rounds, the rows around them and sixteen data accesses; of narrow rounds half as many again."""
    beside = 8 * chip_size("sha2").cells + 16 * chip_size("access").cells
    assert 11_000 <= 64 * chip_size("sha2_round").cells + beside <= 20_000
    assert 11_000 <= machine.STEPS * chip_size("sha2_step").cells + beside <= 26_000


def test_costs_are_those_of_the_shape():
    """The sums of `costs` are what the proof system commits to and opens."""
    for profile in profiles()[:: max(1, len(profiles()) // 6)]:
        shape = make_shape(profile.system, S100, profile.system_heights)
        assert profile.cells == sum(sum(h.widths[1:]) << h.log_rows for h in shape.heights)
        assert profile.opened == sum(sum(h.widths) for h in shape.heights)
    one = dict.fromkeys(machine.CHIPS, 1)
    heights = dict.fromkeys(machine.CHIPS, 17)
    assert committed_cells(one, heights) >> 17 == sum(chip_size(n).cells for n in one) + HEIGHT_CELLS
    fixed = sum(chip_size(name).fixed for name in ("opcodes", *FORMS))
    assert opened_width(one, heights) - (committed_cells(one, heights) >> 17) == fixed


def test_profiles_keep_their_rules():
    permutations = ("poseidon2", *machine.ROUNDS)
    numbers = [p.number for p in profiles()]
    assert numbers == list(range(1, len(numbers) + 1))
    for profile in profiles():
        assert len({profile.log_heights[c] for c in profile.copies}) <= MAX_HEIGHTS
        assert all(S100.lowest <= h <= S100.tallest for h in profile.system_heights)
        assert all(
            profile.copies.get(c, 0) for c in machine.CHIPS if c not in {*machine.OPTIONAL, *FORMS, *permutations}
        )
        assert [bool(profile.copies.get(c, 0)) for c in permutations] in ([True, False, False], [False, True, True])
        assert [profile.copies[form] for form in FORMS if form in profile.copies] == [1]
        assert profile.opened <= 2200


def test_too_many_heights_are_refused():
    chips = {name: [9 + i % 6, 1] for i, name in enumerate(machine.CHIPS)}
    with pytest.raises(ValueError, match="heights"):
        parse({"tall": chips})


def test_no_profile_for_too_many_rows():
    with pytest.raises(ProvingError, match="alu_reg"):
        choose_profile({"alu_reg": 1 << 22})


def test_the_cheapest_profile_that_fits():
    counts = dict.fromkeys((n for n in machine.CHIPS if n not in machine.UNCOUNTED), 1)
    chosen = choose_profile(counts)
    assert chosen.cells == min(p.cells for p in profiles() if p.fits(counts))


def test_times_cannot_wrap():
    """No machine of these heights has room for as many cycles as a loop of times would need."""
    machine.check_times("m", dict.fromkeys(machine.CHIPS, 1), dict.fromkeys(machine.CHIPS, 17))
    with pytest.raises(machine.CircuitError, match="wrap"):
        machine.check_times("m", dict.fromkeys(machine.CHIPS, 5), dict.fromkeys(machine.CHIPS, 20))


def test_systems_without_a_needed_chip_are_refused():
    chips = [name for name in machine.CHIPS if name not in {*FORMS, *machine.ROUNDS, "sha2_step"}]
    copies, heights = dict.fromkeys(chips, 1) | {"tables13": 1}, dict.fromkeys(machine.CHIPS, 11) | FORM_HEIGHTS
    assert machine.make_system("m", copies, heights)
    for bad in (copies | {"decode": 0}, copies | {"nonsense": 1}, copies | {"region": 0}):
        with pytest.raises(machine.CircuitError, match="missing"):
            machine.make_system("m", bad, heights)
    for bad in (copies | {"tables13": 2}, copies | {"tables13": 0}, copies | {"tables17": 1}):
        with pytest.raises(machine.CircuitError, match="tables"):
            machine.make_system("m", bad, heights)
    rounds = dict.fromkeys(machine.ROUNDS, 1)
    assert machine.make_system("m", copies | rounds | {"poseidon2": 0}, heights)
    for bad in (copies | {"poseidon2": 0}, copies | rounds, copies | {"poseidon2": 0, "full_rounds": 1}):
        with pytest.raises(machine.CircuitError, match="poseidon2"):
            machine.make_system("m", bad, heights)
    assert machine.make_system("m", copies | {"sha2_round": 0, "sha2_step": 1}, heights)
    with pytest.raises(machine.CircuitError, match="sha2_round or sha2_step"):
        machine.make_system("m", copies | {"sha2_step": 1}, heights)
    with pytest.raises(machine.CircuitError, match="tables"):
        machine.make_system("m", copies, heights | {"tables13": 15})
    with pytest.raises(machine.CircuitError, match="opcodes"):
        machine.make_system("m", copies | {"opcodes": 2}, heights)
    with pytest.raises(machine.CircuitError, match="opcodes"):
        machine.make_system("m", copies, heights | {"opcodes": 10})


if __name__ == "__main__":
    GOLDEN.parent.mkdir(exist_ok=True)
    GOLDEN.write_text(json.dumps(sizes(), indent=1) + "\n")
