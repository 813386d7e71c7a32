"""The second pass over a segment: repeat it from what it holds, and write the records of all its chips."""

from typing import Final

import numpy as np

from localbento.circuits.rv32im.records import (
    CALL_WORDS,
    SHA2_WORDS,
    STEP_CHIPS,
    U32,
    UNIT_CHIPS,
    DecodeRow,
    DivRow,
    MulRow,
    PageRecords,
    PeekRow,
    ReadRow,
    SegmentRecords,
    SlowFetchRow,
    Step,
    UnitRow,
)
from localbento.errors import ProvingError
from localbento.executor.machine import UNLIMITED, Machine, Mode, Sizes
from localbento.executor.segment import Segment
from localbento.riscv.memory_tree import sibling_nodes
from localbento_kernels.cpu import interpret
from localbento_kernels.cpu import interpret_numbers as nr

_UNIT_WIDTHS: Final = {"mul": len(MulRow), "div": len(DivRow)}
_WIDTHS: Final[dict[int, int]] = {
    **{nr.CHIP_NAMES.index(name): len(Step) for name in STEP_CHIPS},
    **{nr.CHIP_NAMES.index(name): _UNIT_WIDTHS.get(name, len(UnitRow)) for name in UNIT_CHIPS},
    nr.C_DECODE: len(DecodeRow),
    nr.C_PEEK: len(PeekRow),
    nr.C_SLOW_FETCH: len(SlowFetchRow),
    nr.C_READ_DATA: len(ReadRow),
    nr.CALLS: CALL_WORDS,
    nr.SHA2_RECORDS: SHA2_WORDS,
}
"""Words of a record, by number of its table."""
_FIRST: Final = 16
"""Where the first record begins: no record is at 0, which means "none" in places."""
_SPARE_SLOTS: Final = 32


def preflight(segment: Segment) -> SegmentRecords:
    """Repeat a segment and write the records of all its chips.

    Raises:
        ProvingError: if it uses something that has no proof, or does not come to what it says.
    """
    if segment.unprovable:
        msg = f"segment {segment.index}: no proof exists yet for: {', '.join(segment.unprovable)}"
        raise ProvingError(msg)
    lengths = _lengths(segment)
    machine = _machine(segment, lengths)
    _check(segment, machine, _repeat(machine))
    records = machine.arrays["records"]
    tables = {
        number: records[base : base + lengths[number] * width].reshape(-1, width)
        for number, width in _WIDTHS.items()
        for base in [int(machine.arrays["bases"][number])]
    }
    nodes = sibling_nodes(segment.image.indexes)
    return SegmentRecords(
        steps={name: tables[nr.CHIP_NAMES.index(name)] for name in STEP_CHIPS},
        units={name: tables[nr.CHIP_NAMES.index(name)] for name in UNIT_CHIPS},
        decode=tables[nr.C_DECODE],
        peek=tables[nr.C_PEEK],
        slow_fetch=tables[nr.C_SLOW_FETCH],
        calls=tables[nr.CALLS],
        read_data=tables[nr.C_READ_DATA],
        sha2=tables[nr.SHA2_RECORDS],
        pages=_pages(segment, machine),
        siblings=dict(zip(nodes.tolist(), segment.image.siblings, strict=True)),
        input_words=np.frombuffer(segment.input_digest, "<u4").astype(np.uint32),
        cycles=segment.cycles,
    )


def _lengths(segment: Segment) -> dict[int, int]:
    """Records of each table."""
    rows = segment.rows
    blocks = rows["sha2_round"] // 64
    hashes = (rows["sha2"] - nr.SHA2_BLOCK_ROWS * blocks) // nr.SHA2_CALL_ROWS
    calls = rows["system"] + rows["host_io"] + hashes
    lengths = {number: rows[nr.CHIP_NAMES[number]] for number in _WIDTHS if number < nr.CHIP_COUNT}
    return lengths | {nr.CALLS: calls, nr.SHA2_RECORDS: 8 * hashes + rows["sha2_round"]}


def _machine(segment: Segment, lengths: dict[int, int]) -> Machine:
    """A machine at the start of the segment."""
    pages = len(segment.image.indexes)
    size = _FIRST + sum(lengths[number] * width for number, width in _WIDTHS.items())
    sizes = Sizes(pages + _SPARE_SLOTS, 2 * pages + _SPARE_SLOTS, size, decode_rows=True)
    machine = Machine(Mode.RECORD, sizes)
    machine.store_pages(segment.image.indexes, segment.image.words)
    base = _FIRST
    for number, width in _WIDTHS.items():
        machine.arrays["bases"][number] = base
        machine.caps[number] = lengths[number]
        base += lengths[number] * width
    s = machine.scalars
    s[nr.S_END_CYCLE] = UNLIMITED if segment.end is not None else segment.cycles
    s[nr.S_PROBE] = segment.probe
    machine.set_input(np.frombuffer(segment.input_digest, "<u4").tolist())
    machine.mark(dict.fromkeys(segment.slow, nr.T_SLOW) | dict.fromkeys(segment.early, nr.T_CODE))
    replies, writes = iter(segment.replies), iter(segment.writes)
    taken = [len(next(replies)) if is_read else next(writes) for is_read in segment.reply_kinds]
    machine.arrays["reply_lengths"] = np.array([*taken, 0], np.int64)
    machine.set_array("replies", np.frombuffer(b"".join(segment.replies) + b"\0", np.uint8))
    return machine


def _repeat(machine: Machine) -> int:
    """Run the segment from its resume row to its last; the exit of the kernel."""
    code = machine.control(interpret.DO_RESUME)
    if code:
        return code
    code = machine.run()
    if code in (nr.X_END, nr.X_TERMINATE):
        machine.control(interpret.DO_SUSPEND, nr.K_SPLIT if code == nr.X_END else nr.K_CLOSE)
    return code


def _check(segment: Segment, machine: Machine, code: int) -> None:
    """The repetition must come to exactly what was counted."""
    s = machine.scalars
    wanted = nr.X_END if segment.end is None else nr.X_TERMINATE
    problems = []
    if code != wanted:
        problems.append(f"it ended with {code}, expected {wanted}, at pc {int(s[nr.S_PC]):#010x}")
    if s[nr.S_BROKEN]:
        problems.append("a word was used as code and as data")
    machine.rows[nr.C_CYCLES] = s[nr.S_CYCLE]
    rows = {name: int(machine.rows[i]) for i, name in enumerate(nr.CHIP_NAMES)}
    problems += [
        f"{rows[name]} rows of {name}, counted {count}"
        for name, count in segment.rows.items()
        if rows.get(name) != count
    ]
    if s[nr.S_REPLY_NEXT] != len(segment.reply_kinds):
        problems.append(f"{int(s[nr.S_REPLY_NEXT])} answers used of {len(segment.reply_kinds)}")
    if segment.end is not None and (int(s[nr.S_X0]), int(s[nr.S_X1])) != (segment.end.a0, segment.end.a1):
        problems.append("it terminated with other values")
    if problems:
        msg = f"segment {segment.index} does not repeat: {'; '.join(problems)}"
        raise ProvingError(msg)


def _pages(segment: Segment, machine: Machine) -> PageRecords:
    indexes = segment.image.indexes
    slots = machine.arrays["slot_of"][indexes].astype(np.int64)
    touch = machine.arrays["touch"].reshape(-1, nr.PAGE_WORDS)[slots]
    times: U32 = machine.arrays["times"].reshape(-1, nr.PAGE_WORDS)[slots]
    dirty = machine.arrays["tree"][nr.LEAVES + indexes] & nr.TREE_OWN_DIRTY
    return PageRecords(
        index=indexes.astype(np.uint32),
        before=segment.image.words,
        after=machine.pool_pages(slots),
        times=times,
        is_code=(touch & nr.T_CODE) != 0,
        dirty=dirty != 0,
    )
