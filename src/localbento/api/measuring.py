"""Figures for this machine: `bento bench`."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from localbento.api.proving import predicted_bytes, prove_program
from localbento.api.results import ProofResult

if TYPE_CHECKING:
    from localbento.circuits.rv32im.profiles import Profile


def _threads(threads: int | None) -> int:
    return threads or os.cpu_count() or 1


def bench_kernels(threads: int | None = None) -> dict[str, Any]:
    """Hashing, extension, commitment, constraints."""
    from localbento.bench.kernels import run_kernels

    return run_kernels(_threads(threads))


def bench_stark(log_rows: int, columns: int, threads: int | None = None) -> dict[str, Any]:
    """A synthetic proof."""
    from localbento.bench.stark import run_stark

    return run_stark(log_rows, columns, _threads(threads))


def bench_execute(guest: Path | None = None) -> dict[str, Any]:
    """Instructions per second, plain and recording."""
    from localbento.bench.execute import run_execute

    return run_execute(guest)


def bench_prove(guest: Path | None = None, threads: int | None = None) -> dict[str, Any]:
    """Proving speed, cells, memory, sizes."""
    from localbento.bench.prove import run_prove

    return run_prove(guest, _threads(threads), _Pipeline())


class _Pipeline:
    def prove(self, program: bytes, stdin: bytes, jobs: int) -> tuple[ProofResult, Callable[[], object]]:
        result = prove_program(program, stdin, jobs=jobs)
        return result, lambda: result.receipt.verify(result.image_id, allow_exit=True)

    def predicted_bytes(self, profile: "Profile", threads: int) -> int:
        return predicted_bytes(profile, threads)
