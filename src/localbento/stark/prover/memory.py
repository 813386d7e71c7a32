"""How much memory a proof takes at its peak, known from its shape before anything is allocated.

The function follows `protocol.py` step by step: what is held, and what is needed beside it for a while.
"""

from collections.abc import Sequence

from localbento.stark.params import EXTENSION_DEGREE
from localbento.stark.shape import HeightWidths, Outline, TreeShape
from localbento_kernels.cpu.tiles import LANES, tiles_for

WORD = 4
DIGEST_BYTES = 32
ROW = WORD * LANES
ELEMENT = WORD * EXTENSION_DEGREE
TWIDDLE_SHARE = 6
"""A transform's tables are this part of one extended tile; they stay for the next proof of the process."""
BASE_BYTES = 8 << 20
"""What does not depend on the shape: scratch of all threads, code, small arrays."""


def predict_peak_bytes(shape: Outline, threads: int = 1) -> int:
    """Bytes at the peak of a proof, beside the proving key and the given columns."""
    heights, log_blowup = shape.heights, shape.params.log_blowup

    def trace(tree: int) -> int:
        return sum(ROW * tiles_for(h.widths[tree]) << h.log_rows for h in heights)

    def extended(tree: int) -> int:
        return trace(tree) << log_blowup

    def tree(tree_shape: TreeShape) -> tuple[int, int]:
        """Held, and at its peak."""
        held = 2 * DIGEST_BYTES << tree_shape.log_leaves
        joined = [DIGEST_BYTES << (h + log_blowup) for h in tree_shape.heights[1:]]
        return held, held + 3 * max(joined, default=0)

    main, main_peak = tree(shape.main_tree)
    bus, bus_peak = tree(shape.bus_tree)
    quotient, quotient_peak = tree(shape.quotient_tree)
    transform = threads * (ROW << shape.tallest)
    points = [1 << (h.log_rows + log_blowup) for h in heights]
    tables = sum(ROW * count for count in points) // TWIDDLE_SHARE

    peaks = [trace(1) + extended(1) + max(transform, main_peak)]
    held = extended(1) + main
    steps = ELEMENT << shape.tallest
    peaks.append(held + trace(1) + trace(2) + steps)
    peaks.append(held + trace(2) + extended(2) + max(transform, bus_peak))
    held += extended(2) + bus
    # mix, values of the quotient; then its coefficients in their place, chunks, and the chunks' values
    done = 0
    for height, count in zip(heights, points, strict=True):
        chunks = ROW * tiles_for(height.widths[3])
        peaks.append(held + done + (ELEMENT + ROW) * count)
        peaks.append(held + done + ROW * count + _chunk_bytes(height))
        peaks.append(held + done + (chunks << height.log_rows) * 2 + chunks * count + transform)
        done += chunks * count
    peaks.append(held + done + quotient_peak)
    held += done + quotient
    words = 0
    for count in points:
        peaks.append(held + words + 3 * ELEMENT * count)
        words += ELEMENT * count
    peaks.append(held + _layers_peak(shape, words))
    return max(peaks) + tables + BASE_BYTES


def _chunk_bytes(height: HeightWidths) -> int:
    """Chunks as tiles, and one chunk and the mask as plain columns on the way there."""
    return (ROW * tiles_for(height.widths[3]) + 4 * ELEMENT) << height.log_rows


def _layers_peak(shape: Outline, words: int) -> int:
    peaks: Sequence[int] = [words]
    committed = 0
    for layer in shape.layers:
        rows = 1 << layer.tree.log_leaves
        leaves = ROW * tiles_for(sum(layer.tree.widths)) * rows
        committed += leaves + 2 * DIGEST_BYTES * rows
        fold = (ELEMENT + WORD) << (layer.top + shape.params.log_blowup - 1)
        peaks = [*peaks, words + committed + fold]
    return max(peaks)
