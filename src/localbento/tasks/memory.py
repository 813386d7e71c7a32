"""How much memory a prove task takes: what the worker process holds, and the proof on top of it."""

from typing import Final

from localbento.stark.prover.memory import predict_peak_bytes
from localbento.stark.shape import Outline

PROCESS_BYTES: Final = 256 << 20
"""Interpreter, libraries and compiled kernels of a warm worker, with the replay of a segment."""
WORD: Final = 4


def predict_task_bytes(shape: Outline, threads: int) -> int:
    """The peak of a worker that proves a segment of this shape.

    Beside the proof: the chips' columns as the witness makes them (4 bytes a cell), and the proving key, whose
    preprocessed columns are extended and whose tables on each domain are two words a point.
    """
    log_blowup = shape.params.log_blowup
    columns = sum(WORD * h.main << h.log_rows for h in shape.heights)
    points = sum(1 << (h.log_rows + log_blowup) for h in shape.heights)
    fixed = sum(WORD * (-(-h.fixed // 16) * 16) << (h.log_rows + log_blowup) for h in shape.heights)
    return PROCESS_BYTES + columns + 2 * WORD * points + fixed + predict_peak_bytes(shape, threads)
