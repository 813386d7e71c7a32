"""Run the plain checker on a segment: `bento inspect segment`."""

import numpy as np

from localbento.air.check import Failure, check
from localbento.air.chip import assemble_fixed
from localbento.circuits.rv32im.profiles import profile_by_name
from localbento.circuits.rv32im.public import public_values
from localbento.circuits.rv32im.records import STEP_CHIPS, SegmentRecords, Step
from localbento.circuits.rv32im.witness import make_witness
from localbento.executor.preflight import preflight
from localbento.executor.segment import Segment
from localbento.riscv.decode import decode
from localbento.riscv.isa import INSTRUCTIONS
from localbento.stark.params import S100


def check_segment(data: bytes) -> str:
    """Replay a segment, fill every chip, and look at every row and bus; a report for a person.

    Raises: VerificationError if it is no segment.
    """
    segment = Segment.from_bytes(data)
    profile = profile_by_name()[segment.profile]
    records = preflight(segment)
    witness = make_witness(records, profile)
    active = [(1 << h) - S100.blinding for h in profile.system_heights]
    mains = [np.asarray(m)[:, :n] for m, n in zip(witness.mains, active, strict=True)]
    fixeds = [
        assemble_fixed(chip.chip, 1 << h)[:, :n]
        for chip, h, n in zip(profile.system.chips, profile.system_heights, active, strict=True)
    ]
    report = check(profile.system, mains, fixeds, public_values(witness.statement))
    head = f"segment {segment.index}: profile {profile.name}, {segment.cycles} cycles"
    if report.ok:
        return f"{head}: every constraint holds on every row, every bus balances"
    lines = [head, str(report)]
    lines += [line for f in report.failures[:5] if (line := _instruction(records, f))]
    return "\n".join(lines)


def _instruction(records: SegmentRecords, failure: Failure) -> str:
    """The instruction behind a failing row of an instruction chip."""
    if failure.chip not in STEP_CHIPS or failure.row >= len(records.steps[failure.chip]):
        return ""
    row = records.steps[failure.chip][failure.row]
    word = int(row[Step.WORD])
    found = decode(word)
    name = INSTRUCTIONS[found.number].mnemonic if found else "illegal"
    pc = (int(row[Step.PC]) % (1 << 30)) * 4
    return f"{failure.chip} row {failure.row}: {name} ({word:#010x}) at pc {pc:#010x}, cycle {int(row[Step.CYCLE])}"
