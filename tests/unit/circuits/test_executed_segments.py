"""Segments of the executor itself: counted rows are the chips' rows, every constraint holds, every bus balances."""

import json

import numpy as np
import pytest
from rv32im_corpus import FIXTURES
from rv32im_segment import tight_profile

from localbento.air.check import check
from localbento.air.chip import assemble_fixed
from localbento.circuits.rv32im.profiles import choose_profile
from localbento.circuits.rv32im.public import public_values
from localbento.circuits.rv32im.region import most_rows
from localbento.circuits.rv32im.witness import make_witness, row_counts
from localbento.executor import ExecutorInput, Limits, execute
from localbento.executor.preflight import preflight
from localbento.riscv.elf import load_guest

GUESTS = ("hello", "fibonacci", "echo", "exit", "pause", "jit", "pages", "secret", "environment", "sha256_call")
CUT = 3000
"""Cycles of a segment: long guests give a few of them."""


def segments_of(name, most=3):
    folder = FIXTURES / "guests" / name
    run = json.loads((folder / "run.json").read_text()) if (folder / "run.json").exists() else {}
    stdin = (folder / "input.bin").read_bytes() if (folder / "input.bin").exists() else b""
    given = ExecutorInput(stdin, run.get("env", {}), run.get("args", []), seed=bytes(32))
    found = []
    execute(load_guest((folder / f"{name}.elf").read_bytes()), given, Limits({"cycles": CUT}), found.append)
    return [*found[: most - 1], *found[-1:]] if len(found) >= most else found


@pytest.mark.parametrize("name", GUESTS)
def test_segments_of_fixtures(name):
    segments = [s for s in segments_of(name) if not s.unprovable]
    if not segments:
        pytest.skip("nothing of this guest can be proved yet")
    for segment in segments:
        records = preflight(segment)
        counts = row_counts(records)
        assert {k: v for k, v in segment.rows.items() if k != "cycles"} == counts
        for steps in (False, True) if counts["sha2"] else (False,):
            profile = tight_profile(records, steps=steps)
            witness = make_witness(records, profile)
            chips = profile.system.chips
            fixed = [assemble_fixed(c.chip, m.shape[1]) for c, m in zip(chips, witness.mains, strict=True)]
            report = check(profile.system, witness.mains, fixed, public_values(witness.statement))
            assert report.ok, str(report)
        regions = witness.mains[[c.name for c in profile.system.chips].index("region")][:3].sum()
        assert regions <= most_rows(counts["page"], counts["sha2"])
        assert np.array(witness.statement.pre, "<u4").tobytes() == segment.pre_root
        assert np.array(witness.statement.post, "<u4").tobytes() == segment.post_root
        assert choose_profile(counts).fits(counts)
