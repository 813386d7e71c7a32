"""The benchmarks' fields, on sizes that take no time; and that memory is what was predicted."""

import json
import subprocess
import sys

import numpy as np
import pytest

from localbento.air.check import check
from localbento.air.chip import assemble_fixed
from localbento.bench import kernels
from localbento.bench.stark import run_stark
from localbento.bench.synthetic import synthetic
from localbento.stark.params import T4

STARK_FIELDS = {"steps", "seconds", "peak_bytes", "predicted_peak_bytes", "proof_bytes", "verify_seconds"}


@pytest.mark.parametrize(("log_rows", "columns"), [(9, 60), (10, 150)])
def test_the_synthetic_machine_is_satisfied(log_rows: int, columns: int) -> None:
    made = synthetic(log_rows, columns, T4)
    fixed = [
        assemble_fixed(chip.chip, 1 << h) if chip.fixed else np.zeros((0, 1 << h), np.uint32)
        for chip, h in zip(made.system.chips, made.log_heights, strict=True)
    ]
    report = check(made.system, made.matrices, fixed, ())
    assert report.ok, report


@pytest.mark.parametrize(("log_rows", "columns"), [(8, 100), (17, 100), (12, 59)])
def test_sizes_that_make_no_machine_are_refused(log_rows: int, columns: int) -> None:
    with pytest.raises(ValueError, match="expected at least 60 columns"):
        synthetic(log_rows, columns, T4)


def test_bench_stark_reports_its_fields() -> None:
    result = run_stark(9, 60, 2, T4)
    assert set(result) >= STARK_FIELDS
    assert json.loads(json.dumps(result)) == result
    assert {"hash", "transform", "constraints"} <= set(result["steps"])
    assert sum(result["steps"].values()) <= result["seconds"]


def test_bench_kernels_reports_its_fields(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(kernels, "LDE_ROWS", 1 << 14)
    monkeypatch.setattr(kernels, "start_times", lambda **_: {"cold_compile_seconds": None, "warm_start_seconds": 1.0})
    result = kernels.run_kernels(1, log_commit_rows=14)
    assert set(result) == {
        "cpu", "simd", "threads", "poseidon2_ns", "lde_ns_per_cell", "copy_ns_per_cell", "commit_cells_per_second",
        "commit_core_use", "constraint_ns_per_operation", "cold_compile_seconds", "warm_start_seconds",
    }  # fmt: skip
    for name in ("poseidon2_ns", "lde_ns_per_cell", "commit_cells_per_second", "constraint_ns_per_operation"):
        assert result[name] > 0


@pytest.mark.parametrize("threads", [1, 2])
def test_memory_is_what_was_predicted(threads: int) -> None:
    """Measured in a process of its own, since a peak is never taken back."""
    first = f"from localbento.bench.stark import run_stark; run_stark(12, 60, {threads}); "
    # On a new machine the first process compiles kernels, which takes memory; the measured one only loads them.
    subprocess.run([sys.executable, "-c", first], check=True, capture_output=True)
    code = first + f"import json; print(json.dumps(run_stark(15, 100, {threads})))"
    run = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    result = json.loads(run.stdout)
    assert result["predicted_peak_bytes"] == pytest.approx(result["peak_bytes"], rel=0.1)
    assert result["predicted_peak_bytes"] > 50 << 20
