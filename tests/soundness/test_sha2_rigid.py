"""No cell of a SHA2 call can move by itself: the call and one block, in both forms of the rounds."""

import pytest
from rv32im_rigid import loose
from rv32im_sha2 import NARROW, WIDE, both_forms

FREE = {("sha2", 0, "held[3]"), ("sha2", 1, "held[2]"), ("sha2", 2, "held[1]"), ("sha2", 3, "held[0]")}
"""What the first row of a call holds and nobody reads: shifted out before the pointers are used."""


@both_forms
def test_no_cell_of_a_call_can_move(label):
    found = loose(label)
    assert len(found) == 4
    assert {(chip, name) for chip, _, name in found} == {(chip, name) for chip, _, name in FREE}


@pytest.mark.parametrize(("label", "rule", "cell"), [
    (NARROW, "sha2_step: sum, low", "out.lo"),
    (NARROW, "sha2_word", "input.lo"),
    (NARROW, "sha2_step: fourth.hi is empty at first", "fourth.hi"), (NARROW, "sha2", "left"),
    (WIDE, "sha2_round", "pending[5].lo"),
    (WIDE, "sha2_round: pending 13, low: nothing before the first round", "pending[13].lo"),
])  # fmt: skip
def test_without_a_rule_a_cell_moves(label, rule, cell):
    """So the method sees what is missing (where bits or bytes hold the cell as well, it does not)."""
    assert cell in {name for _, _, name in loose(label, rule)}
