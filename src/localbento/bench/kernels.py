"""`bento bench kernels`: what this machine does in a nanosecond; a user's first check."""

import os
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from localbento.air.chip import record
from localbento.air.logup import helpers
from localbento.air.program import Placement, Program, constraint_program
from localbento.bench.synthetic import worker
from localbento.field.babybear import P
from localbento.stark.prover.bus import BLOCK, program_constants, windows
from localbento_kernels.cpu import constraints, merkle, ntt
from localbento_kernels.cpu.poseidon2 import hash_rows
from localbento_kernels.cpu.tiles import Words, aligned, aligned_zeros
from localbento_kernels.cpu.vector import has_feature

LEAF_TILES = 4
LDE_ROWS = 1 << 18
COMMIT_ROWS = 1 << 20
BLOWUP = 4
LANES = 16

ALL_KERNELS = """
import numpy
from localbento.bench.synthetic import synthetic
from localbento.stark.keygen import keygen
from localbento.stark.params import S100
from localbento.stark.prover import commit_fixed, prove, proving_key
made = synthetic(14, 80, S100)
prove(proving_key(keygen(made.system, S100, made.log_heights, commit_fixed())), made.matrices, ())
"""
"""A proof compiles and loads every kernel of the prover."""


def run_kernels(threads: int = 2, *, log_commit_rows: int = 20, compile_cold: bool = True) -> dict[str, Any]:
    """Hashing, extension, commitment, constraints, and how long kernels take to compile and load.

    Times are seconds or nanoseconds of one core at work, the least of several runs; `commit_core_use` is the share of
    the threads' cores that is busy during a commitment of 64 columns.  `cold_compile_seconds` is the time of a small
    proof in a new process that finds no compiled kernels, `warm_start_seconds` of one that finds them.
    """
    result: dict[str, Any] = {"cpu": cpu_name(), "simd": simd(), "threads": threads}
    rng = np.random.default_rng(0)
    tiles = _random(rng, (LEAF_TILES, 1 << 14, LANES))
    leaf = _fastest(lambda: hash_rows(tiles, LEAF_TILES * LANES), 9)
    result["poseidon2_ns"] = leaf / (LEAF_TILES * tiles.shape[1]) * 1e9

    result |= _extension(rng)
    result |= _commitment(rng, 1 << log_commit_rows, threads)
    result["constraint_ns_per_operation"] = _constraints(rng)
    result |= start_times(compile_cold=compile_cold)
    return result


def _random(rng: np.random.Generator, shape: tuple[int, ...]) -> Words:
    tiles = aligned(shape)
    for tile in tiles:
        tile[...] = rng.integers(0, P, tile.shape, dtype=np.uint32)
    return tiles


def _fastest(work: Callable[[], object], repeats: int, clock: Callable[[], float] = time.thread_time) -> float:
    best = float("inf")
    for _ in range(repeats + 1):
        started = clock()
        work()
        best = min(best, clock() - started)
    return best


def _extension(rng: np.random.Generator) -> dict[str, float]:
    """Extend one tile; a plain copy of the result is what memory alone would cost."""
    trace, extended = _random(rng, (1, LDE_ROWS, LANES)), aligned((1, LDE_ROWS * BLOWUP, LANES))
    seconds = _fastest(lambda: ntt.coset_lde(trace, 2, 1, extended), 5)
    other = extended.copy()
    copying = _fastest(lambda: np.copyto(extended, other), 5)
    return {"lde_ns_per_cell": seconds / extended.size * 1e9, "copy_ns_per_cell": copying / extended.size * 1e9}


def _commitment(rng: np.random.Generator, rows: int, threads: int) -> dict[str, float]:
    """Extend and hash 64 columns: cells of the extension per second, and how busy the cores are."""
    trace = _random(rng, (LEAF_TILES, rows, LANES))
    # kernels and threads are there before the clock runs
    ntt.coset_lde(_random(rng, (LEAF_TILES, 1 << 14, LANES)), 2, threads)
    best, use = float("inf"), 0.0
    for _ in range(2):
        started, cpu = time.perf_counter(), time.process_time()
        extended = ntt.coset_lde(trace, 2, threads)
        merkle.build_tree([merkle.Matrix(extended, LEAF_TILES * LANES)], 5, threads)
        seconds = time.perf_counter() - started
        if seconds < best:
            best, use = seconds, (time.process_time() - cpu) / seconds / threads
    return {"commit_cells_per_second": extended.size / best, "commit_core_use": use}


def _constraints(rng: np.random.Generator) -> float:
    """Nanoseconds per instruction and row of a chip's constraint program, the bus argument's included."""
    chip = record(worker(140, 12))
    groups, rows = helpers(chip, 4), 1 << 12
    program: Program = constraint_program(chip, Placement(0, 0, 0), groups, 0, 200, 300)
    weights = _random(rng, (1, 5 * len(program.weights)))[0]
    main, bus = (_random(rng, (w.tiles, rows, LANES)) for w in (program.main, program.bus))
    values, places = program_constants(program)
    looked_at, mix = windows(program.fixed, program.main, program.bus), aligned_zeros(5 * rows)
    scratch = aligned(constraints.scratch_words(program.registers, BLOCK))

    def run() -> None:
        constraints.eval_constraints(
            program.instructions, weights, values, places, aligned_zeros(0), main.reshape(-1), bus.reshape(-1),
            looked_at, program.result, mix, rows, scratch, BLOCK, 0, rows,
        )  # fmt: skip

    return _fastest(run, 9) / (rows * len(program.instructions)) * 1e9


def start_times(*, compile_cold: bool = True) -> dict[str, float | None]:
    """A small proof in new processes: without compiled kernels, and with."""
    folder = tempfile.mkdtemp(prefix="bento-bench-")
    try:
        cold = _proof_seconds(folder) if compile_cold else None
        warm = min(_proof_seconds(folder if compile_cold else None) for _ in range(2))
    finally:
        shutil.rmtree(folder, ignore_errors=True)
    return {"cold_compile_seconds": cold, "warm_start_seconds": warm}


def _proof_seconds(cache: str | None) -> float:
    environment = dict(os.environ) if cache is None else {**os.environ, "BENTO_KERNEL_CACHE": cache}
    started = time.perf_counter()
    subprocess.run([sys.executable, "-c", ALL_KERNELS], env=environment, check=True, capture_output=True)
    return time.perf_counter() - started


def cpu_name() -> str:
    """The processor's name."""
    info = Path("/proc/cpuinfo")
    if info.exists():
        for line in info.read_text().splitlines():
            if line.startswith("model name"):
                return line.partition(":")[2].strip()
    return platform.processor() or platform.machine()


def simd() -> str:
    """What sixteen lanes are compiled to: "avx512", "avx2" or "neon"; else the machine's name."""
    if has_feature("avx512f"):
        return "avx512"
    if has_feature("avx2"):
        return "avx2"
    return "neon" if platform.machine() in ("aarch64", "arm64") else platform.machine()
