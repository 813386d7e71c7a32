"""`bento bench stark`: a synthetic proof, with the seconds of each step."""

import ctypes
import resource
import time
from typing import Any

from localbento.bench.synthetic import synthetic
from localbento.service.worker.loop import peak_memory_bytes
from localbento.stark.keygen import keygen
from localbento.stark.params import S100, ParameterSet
from localbento.stark.prover import Work, commit_fixed, predict_peak_bytes, prove, proving_key
from localbento.stark.verifier import verify


def run_stark(log_rows: int = 18, columns: int = 200, threads: int = 2, params: ParameterSet = S100) -> dict[str, Any]:
    """Prove and verify a synthetic machine.

    Returns: `steps` (seconds by kind of work), `seconds`, `peak_bytes` (of this process, while proving),
        `predicted_peak_bytes`, `proof_bytes`, `verify_seconds`, and what was run.
    """
    made = synthetic(log_rows, columns, params)
    key = keygen(made.system, params, made.log_heights, commit_fixed(threads))
    proving = proving_key(key, threads)
    # The kernels are loaded, and compiled if need be, before the clock runs.
    warm = synthetic(params.lowest + 3, columns, params)
    warm_key = proving_key(keygen(warm.system, params, warm.log_heights, commit_fixed(threads)), threads)
    prove(warm_key, warm.matrices, (), threads=threads)
    give_back_freed()
    before = resident_bytes()
    work, started = Work(threads), time.perf_counter()
    proof = prove(proving, made.matrices, (), work=work)
    seconds = time.perf_counter() - started
    started = time.perf_counter()
    verify(key, (), proof, accept_toy=params.is_toy)
    return {
        "steps": {name: round(value, 4) for name, value in work.seconds.items()},
        "seconds": seconds,
        "peak_bytes": peak_memory_bytes() - before,
        "predicted_peak_bytes": predict_peak_bytes(key.shape, threads),
        "proof_bytes": len(proof),
        "verify_seconds": time.perf_counter() - started,
        "log_rows": log_rows,
        "columns": columns,
        "threads": threads,
    }


def give_back_freed() -> None:
    """Hand memory that was freed back to the system, where the C library can.

    Otherwise what an earlier proof or a compilation left behind is used again, and a later peak comes out too small.
    """
    trim = getattr(ctypes.CDLL(None), "malloc_trim", None)
    if trim is not None:
        trim(0)


def resident_bytes() -> int:
    """Memory of this process that is in use now."""
    with open("/proc/self/statm", encoding="ascii") as file:  # noqa: PTH123
        return int(file.read().split()[1]) * resource.getpagesize()
