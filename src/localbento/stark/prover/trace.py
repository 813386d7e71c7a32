"""Step 2 of the prover: the main columns of each height, their blinding rows, and the values that hide the sums."""

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from localbento.errors import ProvingError
from localbento.field.babybear import P
from localbento.field.extension import DEGREE, Extension
from localbento.stark.blinding import Blinding, Tree
from localbento.stark.prover.key import place
from localbento.stark.prover.numbers import montgomery
from localbento.stark.prover.work import Work
from localbento.stark.shape import HeightShape, Shape
from localbento_kernels.cpu.tiles import LANES, Words

Matrix = NDArray[np.uint32]


def check_matrices(shape: Shape, matrices: Sequence[Matrix]) -> None:
    """One canonical matrix uint32[main columns, rows] for each chip.

    Raises: ProvingError that names the chip.
    """
    if len(matrices) != len(shape.chips):
        msg = f"expected the columns of {len(shape.chips)} chips, found {len(matrices)}"
        raise ProvingError(msg)
    for placed, matrix in zip(shape.chips, matrices, strict=True):
        expected = placed.chip.width, 1 << placed.log_rows
        if matrix.shape != expected or matrix.dtype != np.uint32:
            msg = f"{placed.chip.name}: expected uint32{list(expected)}, found {matrix.dtype}{list(matrix.shape)}"
            raise ProvingError(msg)
        if matrix.size and int(matrix.max()) >= P:
            msg = f"{placed.chip.name}: a cell is not below p"
            raise ProvingError(msg)


def main_columns(height: HeightShape, matrices: Sequence[Matrix], work: Work) -> Words:
    """The main tiles of a height, without blinding."""
    placed = [(matrices[chip.index], chip.main_start) for chip in height.chips]
    return place(placed, height.main, height.log_rows, work)


def blind(tiles: Words, cells: range, first_row: int, tree: Tree, log_rows: int, blinding: Blinding) -> None:
    """Uniform values in the rows from `first_row` on, one stream for each cell of the row."""
    rows = tiles.shape[1] - first_row
    for cell in cells:
        drawn = blinding.elements(tree, log_rows, cell, rows)
        tiles[cell // LANES, first_row:, cell % LANES] = montgomery(drawn)


def sum_masks(heights: Sequence[HeightShape], blinding: Blinding, blinding_rows: int) -> list[Extension]:
    """The rho of each height, uniform up to their total, which is zero; with one height there is none.

    They are what the blinding streams have for those cells, but for the last height's, which is minus the others'.
    """
    if len(heights) == 1:
        return [Extension.ZERO]
    masks = [
        Extension.of([int(blinding.elements(Tree.MAIN, h.log_rows, c, blinding_rows)[0]) for c in range(DEGREE)])
        for h in heights[:-1]
    ]
    return [*masks, -sum(masks, Extension.ZERO)]


def write_sum_mask(tiles: Words, row: int, rho: Extension) -> None:
    """Put rho into the first five cells of the first blinding row."""
    tiles[0, row, :DEGREE] = montgomery(np.array(rho.coefficients, np.uint32))
