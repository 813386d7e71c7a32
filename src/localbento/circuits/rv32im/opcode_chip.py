"""The preprocessed table of instructions: what OPCODE and FUNCT7 are answered from."""

from typing import TYPE_CHECKING, Final

import numpy as np

from localbento.air.cells import Felt, Fixed
from localbento.air.chip import Chip, Columns, Constraints
from localbento.circuits.rv32im.buses import FUNCT7, OPCODE
from localbento.circuits.rv32im.opcodes import FUNCT7_VALUES, PAIRS, funct7_kinds, short_table

if TYPE_CHECKING:
    from localbento.circuits.rv32im.tables import Counts

LOWEST: Final = 11
"""log2 of the fewest rows that hold the table and the rows that a parameter set blinds."""


class Opcodes(Chip):
    """What each opcode and funct3 mean beside each kind of funct7, and the kind of each funct7.

    All tuples are preprocessed: the triples in the order op5 + 32 funct3 + 256 kind, the 128 values of funct7 beside
    the first of them and repeated below; each row answers its two tuples any number of times; rank 0.
    """

    is_real: Fixed
    op5: Fixed
    funct3: Fixed
    kind: Fixed
    form: Fixed
    op: Fixed
    funct7: Fixed
    funct7_kind: Fixed
    opcode_uses: Felt
    funct7_uses: Felt

    def constrain(self, c: Constraints) -> None:
        """One row of both tables."""
        c.zero("opcode: only rows of the table answer", (1 - self.is_real) * self.opcode_uses)
        c.provide(OPCODE, (self.op5, self.funct3, self.kind, self.form, self.op), self.opcode_uses, label="opcode")
        c.zero("funct7: only rows of the table answer", (1 - self.is_real) * self.funct7_uses)
        c.provide(FUNCT7, (self.funct7, self.funct7_kind), self.funct7_uses, label="funct7")

    @classmethod
    def fixed(cls, rows: int) -> Columns:
        """The table, whatever the height.

        Raises: ValueError if the rows are too few.
        """
        if rows < 1 << LOWEST:
            msg = f"opcodes: expected at least {1 << LOWEST} rows, found {rows}"
            raise ValueError(msg)
        forms, ops = short_table()
        number = np.arange(len(forms), dtype=np.uint32)
        funct7 = number % FUNCT7_VALUES
        return {
            "is_real": np.ones(len(forms), np.uint32), "op5": number & 31, "funct3": number >> 5 & 7,
            "kind": number // PAIRS, "form": forms, "op": ops, "funct7": funct7, "funct7_kind": funct7_kinds()[funct7],
        }  # fmt: skip

    @staticmethod
    def fill(counts: "Counts") -> Columns:
        """Columns from counted lookups."""
        funct7 = np.zeros(len(counts.opcodes), np.int64)
        funct7[:FUNCT7_VALUES] = counts.funct7
        return {"opcode_uses": counts.opcodes, "funct7_uses": funct7}
