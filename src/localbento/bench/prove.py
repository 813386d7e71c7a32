"""`bento bench prove`: whole proofs of guests, and what they would cost if only committing cost anything."""

import time
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path
from typing import Any, Protocol

from localbento.bench.kernels import run_kernels
from localbento.circuits.rv32im.profiles import Profile, profiles
from localbento.errors import UsageError
from localbento.stark.params import S100

MIX = (
    "branch", "chess", "division", "ecdsa", "fibonacci", "hello", "json", "keccak", "matrix", "memory", "modpow",
    "regex", "rsa", "secret", "sha256_call", "sha256_soft", "sort",
)  # fmt: skip
"""The fixtures that figures are given for."""


class Proof(Protocol):
    """What is measured of a finished job: `api.ProofResult`."""

    @property
    def cycles(self) -> int: ...  # noqa: D102

    @property
    def segments(self) -> int: ...  # noqa: D102

    @property
    def seconds(self) -> float: ...  # noqa: D102

    @property
    def proving_seconds(self) -> float: ...  # noqa: D102

    @property
    def peak_bytes(self) -> int: ...  # noqa: D102

    @property
    def steps(self) -> Mapping[str, float]: ...  # noqa: D102

    @property
    def profiles(self) -> tuple[int, ...]: ...  # noqa: D102

    @property
    def seal_bytes(self) -> int: ...  # noqa: D102

    @property
    def cycles_per_second(self) -> float: ...  # noqa: D102


class Pipeline(Protocol):
    """The facade's pieces, handed in from above."""

    def prove(self, program: bytes, stdin: bytes, jobs: int) -> tuple[Proof, Callable[[], object]]:
        """Prove a program; the result, and a function that verifies its receipt once more."""
        ...

    def predicted_bytes(self, profile: Profile, threads: int) -> int:
        """The predicted peak of a worker."""
        ...


def run_prove(guest: Path | None, threads: int, pipeline: Pipeline) -> dict[str, Any]:
    """Prove a guest, or the mix of fixtures, with `threads` workers; the fields of docs/benchmarks.md.

    Raises: UsageError if no guest is found.
    """
    speeds = run_kernels(1, log_commit_rows=16, compile_cold=False)
    hash_ns, extend_ns = speeds["poseidon2_ns"], speeds["lde_ns_per_cell"]
    per_cell = (1 << S100.log_blowup) * (hash_ns / 16 + extend_ns) * 1e-9 / threads
    figures = {path.stem: _one(path, threads, per_cell, pipeline) for path in _guests(guest)}
    return {**_total(figures.values()), "poseidon2_ns": hash_ns, "lde_ns_per_cell": extend_ns, "guests": figures}


def _guests(guest: Path | None) -> list[Path]:
    if guest is not None:
        return [guest]
    folder = Path("fixtures/guests")
    found = [path for name in MIX if (path := folder / name / f"{name}.elf").exists()]
    if not found:
        msg = f"no guest given, and no fixtures under {str(folder)!r}: name one, or run from the project's root"
        raise UsageError(msg)
    return found


def _one(path: Path, threads: int, per_cell: float, pipeline: Pipeline) -> dict[str, Any]:
    stdin = path.parent / "input.bin"
    result, verify = pipeline.prove(path.read_bytes(), stdin.read_bytes() if stdin.exists() else b"", threads)
    started = time.perf_counter()
    verify()
    verify_seconds = time.perf_counter() - started
    used = [profiles()[number - 1] for number in result.profiles]
    predicted = max(pipeline.predicted_bytes(p, threads if len(used) == 1 else 1) for p in used)
    return {**_figures(result, used, per_cell), "predicted_peak_bytes": predicted, "verify_seconds": verify_seconds}


def _figures(result: Proof, used: list[Profile], per_cell: float) -> dict[str, Any]:
    cells = sum(p.cells for p in used)
    return {
        "cycles": result.cycles,
        "segments": result.segments,
        "seconds": result.seconds,
        "proving_seconds": result.proving_seconds,
        "cycles_per_second": result.cycles_per_second,
        "cells": cells,
        "commit_ideal_seconds": cells * per_cell,
        "cells_per_cycle": cells / result.cycles,
        "total_width": max(p.opened for p in used),
        "profiles": sorted({p.name for p in used}),
        "peak_bytes": result.peak_bytes,
        "proof_bytes": result.seal_bytes,
        "steps": dict(result.steps),
    }


def _total(figures: Iterable[dict[str, Any]]) -> dict[str, Any]:
    """Sums and maxima over guests."""
    rows = list(figures)
    sums = {
        name: sum(row[name] for row in rows)
        for name in ("cycles", "segments", "seconds", "proving_seconds", "cells", "commit_ideal_seconds")
    }
    most = {
        name: max(row[name] for row in rows)
        for name in ("total_width", "peak_bytes", "predicted_peak_bytes", "proof_bytes", "verify_seconds")
    }
    steps: dict[str, float] = {}
    for row in rows:
        for step, seconds in row["steps"].items():
            steps[step] = steps.get(step, 0.0) + seconds
    return {
        **sums,
        "cycles_per_second": sums["cycles"] / sums["seconds"],
        "cells_per_cycle": sums["cells"] / sums["cycles"],
        **most,
        "steps": steps,
    }
