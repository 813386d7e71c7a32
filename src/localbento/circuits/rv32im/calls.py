"""What the records of calls and multi-row operations ask of other chips: accesses, and pcs of the chain."""

from collections.abc import Mapping
from types import MappingProxyType
from typing import Final

import numpy as np
from numpy.typing import NDArray

from localbento.circuits.rv32im.access_chip import Accesses
from localbento.circuits.rv32im.answers import Answers
from localbento.circuits.rv32im.buses import CYCLE
from localbento.circuits.rv32im.records import (
    CALL_ACCESSES,
    U32,
    Call,
    CallRow,
    ReadRow,
    SegmentRecords,
    Sha2Row,
    Slot,
)
from localbento.circuits.rv32im.sha2_words import DATA_ROUNDS

MAX_ACCESSES: Final = 11
HOST_CALLS: Final = (Call.READ, Call.WRITE)
SHA2_LOAD, SHA2_ROUND, SHA2_STORE = range(3)

SLOTS: Final[Mapping[Call, tuple[Slot, ...]]] = MappingProxyType(
    {
        Call.RESUME: (Slot.MEMORY,) * 2 + (Slot.RD,) * 8,
        Call.SPLIT: (Slot.RD,) * 2,
        Call.CLOSE: (Slot.RD,) * 2,
        Call.TERMINATE: (Slot.RS1,) * 3 + (Slot.MEMORY,) * 8,
        Call.USER_ECALL: (Slot.MEMORY, Slot.RD),
        Call.TRAP: (Slot.MEMORY, Slot.RD),
        Call.MRET: (Slot.MEMORY,),
        Call.READ: (Slot.RS1,) * 3 + (Slot.RD,),
        Call.WRITE: (Slot.RS1,) * 2 + (Slot.RD,),
        Call.SHA2: (Slot.RS1,) * 6,
    }
)
"""When each access of a call happens in its cycle."""


def is_kind(calls: U32, *kinds: Call) -> NDArray[np.bool_]:
    """Which calls are of one of these kinds."""
    return np.isin(calls[:, CallRow.KIND], kinds)


def chain_pcs(calls: U32, answers: Answers) -> U32:
    """The pc of each call as the CPU chain has it.

    That is the alias of a slow fetch; of a call without an instruction (resume, split, close) the one recorded.
    """
    decoded = ~is_kind(calls, Call.RESUME, Call.SPLIT, Call.CLOSE)
    pcs = calls[:, CallRow.PC].copy()
    pcs[decoded] = answers.pc[calls[decoded, CallRow.DECODE]]
    return pcs


def read_next_pcs(calls: U32, pcs: U32, rows: U32) -> U32:
    """The pc after the call for each row of READ data: that after the last header before it."""
    if not len(rows):
        return np.zeros(0, np.uint32)
    reads = is_kind(calls, Call.READ)
    headers = calls[reads, CallRow.CYCLE]
    owner = np.searchsorted(headers, rows[:, ReadRow.CYCLE]) - 1
    return pcs[reads][owner] + 1


def accesses(records: SegmentRecords) -> Accesses:
    """All accesses that the `access` chip carries out."""
    return Accesses.join([*_of_calls(records.calls), _of_reads(records.read_data), *_of_sha2(records.sha2)])


def _of_calls(calls: U32) -> list[Accesses]:
    result = []
    for kind, slots in SLOTS.items():
        rows = calls[calls[:, CallRow.KIND] == kind]
        for i, slot in enumerate(slots):
            addr, old, new, previous = rows[:, CallRow.FIRST_ACCESS + 4 * i : CallRow.FIRST_ACCESS + 4 * i + 4].T
            result.append(Accesses(rows[:, CallRow.CYCLE] * CYCLE + slot, addr, old, new, previous))
    return result


def _of_reads(rows: U32) -> Accesses:
    return Accesses(
        rows[:, ReadRow.CYCLE] * CYCLE + Slot.RD, rows[:, ReadRow.ADDRESS], rows[:, ReadRow.OLD],
        rows[:, ReadRow.NEW], rows[:, ReadRow.TIME],
    )  # fmt: skip


def _of_sha2(rows: U32) -> list[Accesses]:
    """State-in, data and state-out; the rounds read their constants themselves."""
    kind, index = rows[:, Sha2Row.KIND], rows[:, Sha2Row.INDEX]
    load, store = rows[kind == SHA2_LOAD], rows[kind == SHA2_STORE]
    data = rows[(kind == SHA2_ROUND) & (index < DATA_ROUNDS)]
    parts = [(data, Sha2Row.ACCESS1, Slot.RS2)]
    for first in (Sha2Row.ACCESS0, Sha2Row.ACCESS1):
        parts += [(load, first, Slot.MEMORY), (store, first, Slot.RD)]
    return [
        Accesses(chosen[:, Sha2Row.CYCLE] * CYCLE + slot, *chosen[:, first : first + 4].T)
        for chosen, first, slot in parts
    ]


def access_count(records: SegmentRecords) -> int:
    """Rows of the `access` chip."""
    calls = sum(
        count * int(np.count_nonzero(records.calls[:, CallRow.KIND] == kind)) for kind, count in CALL_ACCESSES.items()
    )
    kind, index = records.sha2[:, Sha2Row.KIND], records.sha2[:, Sha2Row.INDEX]
    moves = 2 * int(np.count_nonzero(kind != SHA2_ROUND))
    data = int(np.count_nonzero((kind == SHA2_ROUND) & (index < DATA_ROUNDS)))
    return calls + len(records.read_data) + moves + data
