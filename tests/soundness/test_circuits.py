"""Circuits that differ from the toy machine in one thing, and witnesses that violate it in one thing."""

import dataclasses

import numpy as np
import pytest
from honest import JOINED, MANY, NO_GRINDING, ONE, key_of, reason
from reference_prover import ReferenceProver
from toy_machine import SQUARE, SYSTEM, witness

from localbento.errors import Reason
from localbento.field.babybear import P
from localbento.stark.keygen import keygen


class Lying(ReferenceProver):
    """Proves a false statement as well as can be: cuts what does not fit."""

    def overflow(self, h, rest):
        pass

    def final_overflow(self, rest):
        pass


def verdict(matrices, public, heights=MANY, prover=Lying, key=None):
    key = key or key_of(NO_GRINDING, heights)
    return reason(key, public, prover(key, matrices, public).prove())


def test_a_constraint_violated_in_one_row():
    for column in (6, 7):
        matrices, public = witness(MANY)
        matrices[0][column, 5] = (int(matrices[0][column, 5]) + 1) % P
        assert verdict(matrices, public) is Reason.CONSTRAINTS


def test_a_boolean_of_two():
    matrices, public = witness(MANY)
    matrices[2][0, 3] = 2
    assert verdict(matrices, public) is Reason.CONSTRAINTS


@pytest.mark.parametrize("heights", [ONE, MANY, JOINED])
def test_g104_a_multiplicity_off_by_one(heights):
    matrices, public = witness(heights)
    matrices[1][0, 3] += 1
    assert verdict(matrices, public, heights) is (Reason.CONSTRAINTS if heights == ONE else Reason.BUS_IMBALANCE)


def test_g104_a_multiplicity_on_a_row_that_is_not_in_the_table():
    """The buses balance: the row beyond the table holds a zero."""
    matrices, public = witness(MANY)
    matrices[1][0, 0] -= 1
    matrices[1][0, 17] = 1
    assert verdict(matrices, public) is Reason.CONSTRAINTS


def test_g105_a_value_outside_the_table():
    matrices, public = witness(MANY)
    matrices[0][5, 2] = 17
    matrices[0][6, 2], matrices[0][7, 2] = 17**3, pow(17, 12, P)
    assert verdict(matrices, public) is Reason.BUS_IMBALANCE


def test_d54_other_preprocessed_columns_than_the_committed():
    class OwnTable(Lying):
        def commit_main(self):
            super().commit_main()
            self.fixed[6][0, 3] = 99
            self.fixed_commitment = self.commit(self.shape.fixed_tree, self.fixed)

    matrices, public = witness(MANY)
    assert verdict(matrices, public, prover=OwnTable) is Reason.CONSTRAINTS
    # The openings come from the committed columns: then the rows do not hash up to the key's cap.

    class OwnRows(ReferenceProver):
        def query(self, index):
            self.fixed[6][0, 3] = 99
            self.fixed_commitment = self.commit(self.shape.fixed_tree, self.fixed)
            return super().query(index)

    assert verdict(matrices, public, prover=OwnRows) is Reason.MERKLE_ROOT


@pytest.mark.parametrize("change", [-1, 1])
def test_d54_z_blind_of_another_number_of_rows(change):
    class Other(Lying):
        def blind_polynomial(self, log_rows, x):
            self.params = dataclasses.replace(self.params, blinding=self.params.blinding + change)
            result = super().blind_polynomial(log_rows, x)
            self.params = self.key.params
            return result

    matrices, public = witness(MANY)
    assert verdict(matrices, public, prover=Other) is Reason.CONSTRAINTS


def test_d55_a_real_row_among_the_blinding_rows_is_lost():
    """Its messages do not count: the bus fails."""

    class Hidden(Lying):
        def blind_main(self, h, rows):
            kept = rows[:, -1].copy()
            rows = super().blind_main(h, rows)
            rows[:, -1] = kept
            return rows

    matrices, public = witness(MANY, steps=20)
    matrices[0][:, -1] = matrices[0][:, 19]
    matrices[0][:, 19] = 0
    assert verdict(matrices, public, prover=Hidden) is Reason.BUS_IMBALANCE


def test_a_witness_that_fills_all_active_rows():
    """The last active row counts, the first blinding row does not."""
    rows = 64 - NO_GRINDING.blinding
    matrices, public = witness((6, 6, 6), steps=rows)
    key = key_of(NO_GRINDING, (6, 6, 6))
    assert reason(key, public, ReferenceProver(key, matrices, public).prove()) is None
    matrices, public = witness((6, 6, 6), steps=rows + 1)
    assert reason(key, public, Lying(key, matrices, public).prove()) is Reason.CONSTRAINTS


@pytest.mark.parametrize("row", [0, 1, 30, 255 - 27])
def test_g110_the_running_sum_jumps_in_one_row(row):
    class Jump(Lying):
        def bus_rows(self, h):
            rows = super().bus_rows(h)
            if h.log_rows == 8:
                start, end = row + 1, 256 - 26
                rows[-5, start:end] = (rows[-5, start:end] + 1) % P
            return rows

    matrices, public = witness(MANY)
    # The total is off by one as well, but sigma follows S, so the sums do not balance; nor does the step hold.
    assert verdict(matrices, public, prover=Jump) is Reason.BUS_IMBALANCE

    class Corrected(Jump):
        def sigma(self, h):
            total = super().sigma(h)
            return total - 1 if h.log_rows == 8 else total

    assert verdict(matrices, public, prover=Corrected) is Reason.CONSTRAINTS


def test_g109_a_running_sum_that_does_not_start_at_zero():
    """The start makes up for a missing message: only S(1) = 0 notices."""

    class Start(Lying):
        def bus_rows(self, h):
            rows = super().bus_rows(h)
            if h.log_rows == 8:
                end = 256 - 26
                rows[-5, :end] = (rows[-5, :end] + 5) % P
            return rows

        def sigma(self, h):
            total = super().sigma(h)
            return total - 5 if h.log_rows == 8 else total

    matrices, public = witness(MANY)
    assert verdict(matrices, public, prover=Start) is Reason.CONSTRAINTS


def test_a_helper_column_that_is_not_the_sum_of_its_fractions():
    class Wrong(Lying):
        def helper_columns(self, chip):
            columns = super().helper_columns(chip)
            columns[0][3, 0] = (int(columns[0][3, 0]) + 1) % P
            return columns

    class Balanced(Wrong):
        def sigma(self, h):
            return super().sigma(h) - 1

    matrices, public = witness(MANY)
    assert verdict(matrices, public, prover=Wrong) is Reason.BUS_IMBALANCE
    assert verdict(matrices, public, prover=Balanced) is Reason.CONSTRAINTS


def test_the_mask_of_a_sum_fixed_after_alpha():
    """rho must be committed before alpha: chosen later it cancels any imbalance."""

    class Late(Lying):
        def commit_bus(self):
            """Choose the first blinding row so that the sums balance, although the witness does not."""
            super_sigmas = {}
            self.bus = {h.log_rows: self.bus_rows(h) for h in self.shape.heights}
            for h in self.shape.heights:
                super_sigmas[h.log_rows] = self.sigma(h)
            total = self.public_total()
            for s in super_sigmas.values():
                total = total + s
            lowest = self.shape.heights[-1].log_rows
            row = (1 << lowest) - self.params.blinding
            for i, c in enumerate(total.coefficients):
                self.main[lowest][i, row] = (int(self.main[lowest][i, row]) - c) % P
            self.bus_commitment = self.commit(self.shape.bus_tree, self.bus)
            self.sigmas = [self.sigma(h) for h in self.shape.heights]
            from localbento.stark.transcript import MessageType

            self.observe_cap(MessageType.BUS_CAP, self.bus_commitment)
            self.observe_values(MessageType.SUMS, self.sigmas)
            if self.recommit:
                self.main_commitment = self.commit(self.shape.main_tree, self.main)

        recommit = False

        def public_total(self):
            from reference_prover import Extension

            total = Extension.ZERO
            for m in SYSTEM.public_messages:
                f = self.alpha + self.betas[0] * m.bus.number
                parts = [c if isinstance(c, int) else self.public[c.index] for c in m.components]
                for beta, part in zip(self.betas[1:], parts, strict=False):
                    f = f + beta * part
                total = total + f.inverse() * m.sign
            return total

    class Recommitted(Late):
        recommit = True

    matrices, public = witness(MANY)
    matrices[1][0, 3] += 1
    assert verdict(matrices, public, prover=ReferenceProver) is Reason.BUS_IMBALANCE
    # The sums balance now; the opened rows are not the committed ones (their columns are another polynomial).
    assert verdict(matrices, public, prover=Late) in (Reason.FRI_FOLD, Reason.FRI_FINAL)
    # Committed again under the old transcript: other challenges, and the sums do not balance any more.
    assert verdict(matrices, public, prover=Recommitted) is Reason.BUS_IMBALANCE


def test_c44_the_same_proof_for_other_heights():
    """Two copies of one chip at exchanged heights: every size is equal, the heights are absorbed."""
    twice = dataclasses.replace(SYSTEM, chips=(*SYSTEM.chips, SYSTEM.chips[2]))
    key = keygen(twice, NO_GRINDING, (8, 6, 6, 7))
    other = keygen(twice, NO_GRINDING, (8, 6, 7, 6))
    assert key.shape.proof_elements == other.shape.proof_elements
    matrices, public = witness((8, 6, 6))
    matrices = [*matrices, np.zeros((5, 128), np.uint32)]
    proof = ReferenceProver(key, matrices, public).prove()
    assert reason(key, public, proof) is None
    assert reason(other, public, proof) is Reason.BUS_IMBALANCE


def two_buses(first, second):
    """A chip that pushes on one bus and pulls the same cells from another."""
    from typing import Annotated

    from localbento.air.cells import Bit, Felt
    from localbento.air.chip import Chip, record
    from localbento.air.system import System

    class Both(Chip):
        is_real: Bit
        xs: Annotated[tuple[Felt, ...], 9]

        def constrain(self, c):
            for x in self.xs:
                c.zero(f"{x.name} is a bit", x * (x - 1))
            c.push(first, self.xs[: first.width])
            c.pull(second, self.xs[: second.width])

    return System("two buses", (record(Both),))


@pytest.mark.parametrize(
    ("width", "number", "expected"), [(2, 7, None), (2, 8, Reason.CONSTRAINTS), (3, 8, Reason.CONSTRAINTS)]
)
def test_g106_a_message_taken_from_another_bus(width, number, expected):
    """Equal tuples, or one filled up with a zero, on two buses do not cancel: the bus has a challenge of its own."""
    from localbento.air.bus import Bus, BusKind

    first = Bus("first", 7, ("a", "b"), BusKind.EXCHANGE)
    second = Bus("second", number, ("a", "b", "c")[:width], BusKind.EXCHANGE) if number != 7 else first
    key = keygen(two_buses(first, second), NO_GRINDING, (6,))
    matrix = np.zeros((10, 64), np.uint32)
    matrix[:3, :5] = 1
    matrix[3, :5] = 0
    assert reason(key, (), Lying(key, [matrix], ()).prove()) is expected


def test_g107_bus_numbers_start_at_one():
    from localbento.air.bus import Bus, BusKind

    with pytest.raises(ValueError, match="at least 1"):
        Bus("zero", 0, ("a",), BusKind.EXCHANGE)


def test_g113_two_opinions_about_the_rank_of_one_bus_are_refused():
    """They would hide a cycle of providers: each false row answers the other."""
    from toy_machine import Squares

    from localbento.air.chip import CircuitError, record
    from localbento.air.rules import check_system

    other = dataclasses.replace(SQUARE, rank=2)

    class Elsewhere(Squares):
        def constrain(self, c):
            c.equal("y is the square", self.y, self.x * self.x)
            c.zero("no answers from an unused row", (1 - self.is_real) * self.uses)
            c.provide(other, (self.x, self.y), self.uses)

    system = dataclasses.replace(SYSTEM, chips=(*SYSTEM.chips, record(Elsewhere)))
    with pytest.raises(CircuitError, match="bus number 3 stands for both"):
        check_system(system, 4, [64] * 4)
