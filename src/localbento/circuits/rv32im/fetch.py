"""The two ways round the rule that a word is either code or data: `peek` and `slow_fetch`."""

from localbento.air.cells import Bit, Felt, Word
from localbento.air.chip import Chip, Columns, Constraints
from localbento.circuits.rv32im.access import LIMB, Read, at, code_address
from localbento.circuits.rv32im.buses import ALIAS, CODE, CPU, CYCLE, FETCHED, MEMORY, Range
from localbento.circuits.rv32im.cells import check_bytes, check_range
from localbento.circuits.rv32im.records import U32, PeekRow, Slot, SlowFetchRow


class Peek(Chip):
    """One load of a code word.

    Takes the word from CODE and puts it back, and lends it to MEMORY for one access: at time 5 k + 2 it is put
    there, at 5 k + 3 it is taken back.  5 k + 3 is the memory slot of cycle k, so exactly one access fits between,
    and a store there could only store the same word.  (With a free time, two rows one apart would admit a store
    of another value.)
    """

    is_real: Bit
    addr: Felt
    sequence: Felt
    word: Word
    cycle: Felt
    cycle_high: Felt

    def constrain(self, c: Constraints) -> None:
        """One load."""
        c.pull(CODE, (self.addr, self.sequence, *self.word))
        c.push(CODE, (self.addr, self.sequence + 1, *self.word))
        c.push(MEMORY, (self.addr, at(self.cycle, Slot.MEMORY) - 1, *self.word))
        c.pull(MEMORY, (self.addr, at(self.cycle, Slot.MEMORY), *self.word))
        check_range(c, "cycle is 24 bits", Range.U16, self.cycle - LIMB * self.cycle_high)
        check_bytes(c, "high part of the cycle", self.cycle_high)

    @staticmethod
    def fill(rows: U32) -> Columns:
        """Columns from records uint32[n, 4] (`PeekRow`)."""
        cycle = rows[:, PeekRow.CYCLE]
        return {
            "is_real": 1,
            "addr": rows[:, PeekRow.ADDRESS],
            "sequence": rows[:, PeekRow.SEQUENCE],
            "word": rows[:, PeekRow.WORD],
            "cycle": cycle,
            "cycle_high": cycle >> 16,
        }


class SlowFetch(Chip):
    """One fetch of an instruction as data, for words that are also written.

    Reads the word at slot 0 of the cycle, hands it to a decode row of its own under an alias that no other fetch
    has, and lets the chain go on there.  An instruction that continues after itself continues at alias + 1, from
    where this row leads back to pc + 1.
    Assumes: the decode row checks that the word lies in the region of the mode, so that the split of the pc into
    both is the right one.
    """

    is_real: Bit
    sequential: Bit
    cycle: Felt
    user: Bit
    addr: Felt
    resumed: Felt  # the cycle after the instruction; the chain's own
    fetch: Read

    def constrain(self, c: Constraints) -> None:
        """One fetch."""
        c.zero("an unused row leads nowhere", (1 - self.is_real) * self.sequential)
        c.zero("not sequential: no cycle after it", (1 - self.sequential) * self.resumed)
        pc = code_address(self.user, self.addr)
        alias = self.cycle * 2 + ALIAS
        c.pull(CPU, (self.cycle, pc), label="fetch")
        word = self.fetch.constrain(c, self.addr, at(self.cycle, Slot.SLOW_FETCH))
        check_bytes(c, "gap", self.fetch.gap_high)
        c.push(FETCHED, (alias, self.user, self.addr, *word))
        c.push(CPU, (self.cycle, alias), label="go on at the alias")
        c.pull(CPU, (self.resumed, alias + 1), self.sequential, label="behind the alias")
        c.push(CPU, (self.resumed, pc + 1), self.sequential, label="lead back")

    @staticmethod
    def fill(rows: U32) -> Columns:
        """Columns from records uint32[n, 6] (`SlowFetchRow`); the instruction takes one cycle."""
        cycle = rows[:, SlowFetchRow.CYCLE]
        pc = rows[:, SlowFetchRow.PC]
        sequential = rows[:, SlowFetchRow.SEQUENTIAL]
        return {
            "is_real": 1,
            "sequential": sequential,
            "cycle": cycle,
            "user": pc >> 30,
            "addr": pc & ((1 << 30) - 1),
            "resumed": (cycle + 1) * sequential,
            "fetch": Read.columns(cycle * CYCLE, rows[:, SlowFetchRow.TIME], rows[:, SlowFetchRow.WORD]),
        }
