"""From the records of a segment to the main columns of every chip, and to the public values."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from localbento.air.chip import Columns, Matrix, assemble
from localbento.circuits.rv32im import machine
from localbento.circuits.rv32im.access_chip import Access
from localbento.circuits.rv32im.alu import AluImm, AluReg
from localbento.circuits.rv32im.answers import Answers, answer
from localbento.circuits.rv32im.bitwise import Bitwise
from localbento.circuits.rv32im.branch import Branch
from localbento.circuits.rv32im.calls import (
    HOST_CALLS,
    SHA2_ROUND,
    access_count,
    accesses,
    chain_pcs,
    is_kind,
    read_next_pcs,
)
from localbento.circuits.rv32im.const import Const
from localbento.circuits.rv32im.decode import Decode
from localbento.circuits.rv32im.divide import Divide
from localbento.circuits.rv32im.fetch import Peek, SlowFetch
from localbento.circuits.rv32im.host_io import HostIo, ReadData
from localbento.circuits.rv32im.jump import Jalr
from localbento.circuits.rv32im.less import Less
from localbento.circuits.rv32im.lookups import count_lookups
from localbento.circuits.rv32im.memory import Part, WordMove
from localbento.circuits.rv32im.multiply import Multiply
from localbento.circuits.rv32im.opcode_chip import Opcodes
from localbento.circuits.rv32im.paging import PAGE_BLOCKS, Node, Page, PageBlock
from localbento.circuits.rv32im.permutation import FullRounds, PartialRounds
from localbento.circuits.rv32im.poseidon2 import Poseidon2, permutation_columns
from localbento.circuits.rv32im.profiles import Profile
from localbento.circuits.rv32im.public import SegmentStatement
from localbento.circuits.rv32im.records import (
    STEP_CHIPS,
    U32,
    UNIT_CHIPS,
    Call,
    CallRow,
    SegmentRecords,
    Sha2Row,
)
from localbento.circuits.rv32im.region import Regions
from localbento.circuits.rv32im.sha2 import CALL_ROWS, STATE_WORDS
from localbento.circuits.rv32im.sha2_fill import sha2_columns
from localbento.circuits.rv32im.sha2_words import ROUNDS as SHA2_ROUNDS
from localbento.circuits.rv32im.shift import Shift
from localbento.circuits.rv32im.system import KINDS, System
from localbento.circuits.rv32im.tables import FORMS, Counts
from localbento.circuits.rv32im.tree import Hashed, PermutationColumns, hash_memory, touched_nodes

STEP_FILLS: Mapping[str, Callable[[U32, Answers], Columns]] = {
    "alu_reg": AluReg.fill, "alu_imm": AluImm.fill, "word": WordMove.fill, "part": Part.fill,
    "branch": Branch.fill, "const": Const.fill, "jalr": Jalr.fill,
}  # fmt: skip
UNIT_FILLS: Mapping[str, Callable[[U32], Columns]] = {
    "bitwise": Bitwise.fill, "less": Less.fill, "shift": Shift.fill, "mul": Multiply.fill, "div": Divide.fill,
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Kernels:
    """The permutation in bulk: the plain default, or a faster twin that the prover hands in."""

    columns: PermutationColumns = permutation_columns


@dataclass(frozen=True, slots=True, eq=False)
class Witness:
    """Main columns of every chip of the profile's system, uint32[columns, rows], and the statement.

    The last rows of each, as many as the parameter set blinds, are unused.
    """

    mains: tuple[Matrix, ...]
    statement: SegmentStatement


def row_counts(records: SegmentRecords) -> dict[str, int]:
    """Rows that a segment takes, of each chip that is counted (not `machine.UNCOUNTED`)."""
    counts = {name: len(records.steps[name]) for name in STEP_CHIPS}
    counts |= {name: len(records.units[name]) for name in UNIT_CHIPS}
    pages, dirty = records.pages.index, records.pages.index[records.pages.dirty]
    nodes, dirty_nodes = touched_nodes(pages), touched_nodes(dirty) if len(dirty) else 0
    sha2 = int(np.count_nonzero(is_kind(records.calls, Call.SHA2)))
    rounds = int(np.count_nonzero(records.sha2[:, Sha2Row.KIND] == SHA2_ROUND))
    return counts | {
        "decode": len(records.decode), "peek": len(records.peek), "slow_fetch": len(records.slow_fetch),
        "system": int(np.count_nonzero(is_kind(records.calls, *KINDS))),
        "access": access_count(records),
        "host_io": int(np.count_nonzero(is_kind(records.calls, *HOST_CALLS))),
        "read_data": len(records.read_data),
        "page_block": PAGE_BLOCKS * len(pages), "page": len(pages), "node": nodes,
        "poseidon2": PAGE_BLOCKS * (len(pages) + len(dirty)) + nodes + dirty_nodes,
        "sha2": CALL_ROWS * sha2 + STATE_WORDS * (rounds // SHA2_ROUNDS), "sha2_round": rounds,
    }  # fmt: skip


def statement_of(records: SegmentRecords, hashed: Hashed) -> SegmentStatement:
    """What the segment's proof states."""

    def words(values: U32) -> tuple[int, ...]:
        return tuple(int(x) for x in values)

    pre, post, given = words(hashed.before), words(hashed.after), words(records.input_words)
    ends = records.calls[is_kind(records.calls, Call.TERMINATE)]
    if not len(ends):
        return SegmentStatement(pre, post, given)
    read = ends[0, CallRow.FIRST_ACCESS :].reshape(11, 4)[:, 1]
    return SegmentStatement(pre, post, given, True, int(read[1]), int(read[2]), words(read[3:]))


def fill(records: SegmentRecords, hashed: Hashed, profile: Profile) -> dict[str, Columns]:
    """Columns of every chip that is counted, but for the permutations."""
    narrow = bool(profile.copies.get("sha2_step", 0))
    answers = answer(records.decode)
    calls = records.calls
    pcs = chain_pcs(calls, answers)
    system, host, sha2 = (is_kind(calls, *kinds) for kinds in (KINDS, HOST_CALLS, (Call.SHA2,)))
    hashing = sha2_columns(calls[sha2], records.sha2, pcs[sha2], narrow=narrow)
    result: dict[str, Columns] = {name: f(records.steps[name], answers) for name, f in STEP_FILLS.items()}
    result |= {name: f(records.units[name]) for name, f in UNIT_FILLS.items()}
    return result | {
        "decode": Decode.fill(records.decode, answers), "peek": Peek.fill(records.peek),
        "slow_fetch": SlowFetch.fill(records.slow_fetch), "system": System.fill(calls[system], pcs[system]),
        "access": Access.fill(accesses(records)), "host_io": HostIo.fill(calls[host], pcs[host]),
        "read_data": ReadData.fill(records.read_data, read_next_pcs(calls, pcs, records.read_data)),
        "page_block": PageBlock.fill(records.pages), "page": Page.fill(hashed.pages),
        "node": Node.fill(hashed.nodes),
        "sha2": hashing.calls, "sha2_step" if narrow else "sha2_round": hashing.rounds,
    }  # fmt: skip


def permutation_fill(hashed: Hashed, profile: Profile) -> dict[str, Columns]:
    """Columns of the permutations, in the form that the profile has."""
    if profile.copies.get("poseidon2", 0):
        return {"poseidon2": Poseidon2.fill(hashed.permutations)}
    return {
        "full_rounds": FullRounds.fill(hashed.permutations), "partial_rounds": PartialRounds.fill(hashed.permutations),
    }  # fmt: skip


def make_witness(records: SegmentRecords, profile: Profile, kernels: Kernels | None = None) -> Witness:
    """The main columns of every chip of a profile's system.

    Raises: ValueError if the records do not fit the profile, or ask for what stands in no table.
    """
    kernels = kernels or Kernels()
    hashed = hash_memory(records.pages, records.siblings, kernels.columns)
    columns = fill(records, hashed, profile) | permutation_fill(hashed, profile)
    counts, used = Counts(), row_counts(records)
    used |= {name: rows * used["poseidon2"] for name, rows in machine.ROUNDS.items()}
    used["sha2_step"] = used["sha2_round"] // SHA2_ROUNDS * machine.STEPS
    matrices: dict[str, list[Matrix]] = {}

    def lay_out(name: str, filled: Columns) -> None:
        if used[name] > profile.capacity(name):
            msg = f"profile {profile.name}: {used[name]} rows of {name}, capacity {profile.capacity(name)}"
            raise ValueError(msg)
        if profile.copies.get(name, 0):
            matrices[name] = _copies(name, filled, used[name], profile)
            for matrix, (start, end) in zip(matrices[name], _shares(name, used[name], profile), strict=True):
                count_lookups(machine.recorded(name), matrix[:, : end - start], counts)

    for name, filled in columns.items():
        lay_out(name, filled)
    used["region"] = int(np.count_nonzero(counts.regions))
    lay_out("region", Regions.fill(counts))
    matrices["opcodes"] = [assemble(Opcodes, Opcodes.fill(counts), profile.rows("opcodes"))]
    for name, form in FORMS.items():
        if profile.copies.get(name, 0):
            matrices[name] = [assemble(form, form.fill(counts), profile.rows(name))]
    mains = tuple(matrix for name in machine.CHIPS if name in matrices for matrix in matrices[name])
    return Witness(mains, statement_of(records, hashed))


def _shares(name: str, used: int, profile: Profile) -> list[tuple[int, int]]:
    """Which rows each copy of a chip takes: the first ones as many as fit, and so on."""
    copies = profile.copies[name]
    share = profile.capacity(name) // copies
    return [(min(i * share, used), min((i + 1) * share, used)) for i in range(copies)]


def _copies(name: str, filled: Columns, used: int, profile: Profile) -> list[Matrix]:
    """The matrices of all copies, padded."""
    chip, rows = machine.CHIPS[name], profile.rows(name)
    if profile.copies[name] == 1:
        return [assemble(chip, filled, rows)]
    whole = assemble(chip, filled, used)
    padding = np.array([chip.padding.get(column, 0) for column in machine.recorded(name).main], np.uint32)
    result = []
    for start, end in _shares(name, used, profile):
        matrix = np.empty((len(whole), rows), np.uint32)
        matrix[:, : end - start] = whole[:, start:end]
        matrix[:, end - start :] = padding[:, None]
        result.append(matrix)
    return result
