"""What a prover keeps of a circuit at fixed heights, from one proof to the next."""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from localbento.air.program import Placement, Program, constraint_program, helper_program
from localbento.field.babybear import P, coset_shift, domain_point, inverse, root_of_unity, to_montgomery
from localbento.stark.circuit import Digest
from localbento.stark.keygen import CommitFixed, Matrix, VerifyingKey, fixed_rows
from localbento.stark.params import ParameterSet
from localbento.stark.prover.commitment import Commitment, commit, extend
from localbento.stark.prover.numbers import montgomery_list, root_powers
from localbento.stark.prover.stored import Fixed, fixed_commitment
from localbento.stark.prover.work import Work
from localbento.stark.shape import ChipShape, HeightShape, Shape, TreeShape
from localbento_kernels.cpu import domains, layout, quotient
from localbento_kernels.cpu.tiles import LANES, Words, aligned, aligned_zeros, tiles_for


@dataclass(frozen=True, eq=False)
class ChipKey:
    """A chip's programs; `helpers` is None for a chip without messages."""

    shape: ChipShape
    constraints: Program
    helpers: Program | None


@dataclass(frozen=True, eq=False)
class HeightKey:
    """What depends on a height: its chips' programs, its preprocessed trace, and tables on its domain.

    `points` are the domain's points, `factors` Z_blind(x) / (x^k - 1) there, both uint32[points].
    """

    shape: HeightShape
    chips: tuple[ChipKey, ...]
    fixed: Words
    points: Words
    factors: Words


@dataclass(frozen=True, eq=False)
class ProvingKey:
    """A verifying key with all that is computed once: programs, tables, the preprocessed commitment."""

    key: VerifyingKey
    heights: tuple[HeightKey, ...]
    fixed: Commitment | None


def proving_key(key: VerifyingKey, threads: int = 1) -> ProvingKey:
    """Compile the programs of all chips and extend the preprocessed columns.

    Raises: ValueError if the preprocessed columns do not have the key's cap.
    """
    work, shape = Work(threads), key.shape
    traces, fixed = _fixed(key, work)
    empty = aligned_zeros((0, 1, LANES))
    heights = tuple(_height_key(key, height, traces.get(height.log_rows, empty), work) for height in shape.heights)
    return ProvingKey(key, heights, fixed)


_FIXED: dict[tuple[tuple[Digest, ...], TreeShape], Fixed] = {}
"""Preprocessed columns that are committed to already: a machine's profiles have the same tables."""


def _fixed(key: VerifyingKey, work: Work) -> tuple[dict[int, Words], Commitment | None]:
    """The preprocessed columns of each height as tiles, and their commitment, which has the key's cap."""
    shape = key.shape
    if shape.fixed_tree is None:
        return {}, None
    known = _FIXED.get((key.fixed_cap, shape.fixed_tree))
    if known is not None:
        return known
    tree = shape.fixed_tree
    found = fixed_commitment(tree, key.fixed_cap, shape.params.log_blowup, lambda: _compute_fixed(key, tree, work))
    _FIXED[key.fixed_cap, tree] = found
    return found


def _compute_fixed(key: VerifyingKey, tree: TreeShape, work: Work) -> Fixed:
    shape = key.shape
    traces = {
        log_rows: place([(matrix, 0)], len(matrix), log_rows, work)
        for log_rows, matrix in zip(tree.heights, fixed_rows(shape), strict=True)
    }
    extended = [extend(traces[h], shape.params.log_blowup, work) for h in tree.heights]
    fixed = commit(tree, extended, work)
    if fixed.cap.tolist() != [e for digest in key.fixed_cap for e in digest]:
        msg = f"{key.system.name}: the preprocessed columns do not have the cap of the verifying key"
        raise ValueError(msg)
    return traces, fixed


def commit_fixed(threads: int = 1) -> CommitFixed:
    """How `keygen` commits to preprocessed columns with kernels."""

    def commit_matrices(shape: Shape, matrices: Sequence[Matrix]) -> tuple[Digest, ...]:
        if shape.fixed_tree is None:
            return ()
        work = Work(threads)
        traces = [place([(m, 0)], len(m), h, work) for m, h in zip(matrices, shape.fixed_tree.heights, strict=True)]
        extended = [extend(t, shape.params.log_blowup, work) for t in traces]
        return tuple(tuple(row) for row in commit(shape.fixed_tree, extended, work).tree.cap.tolist())

    return commit_matrices


def place(matrices: list[tuple[np.ndarray, int]], cells: int, log_rows: int, work: Work) -> Words:
    """Canonical columns uint32[columns, rows], each matrix from its cell, as tiles of one height."""
    rows = 1 << log_rows
    tiles = aligned_zeros((tiles_for(cells), rows, LANES))
    flat = tiles.reshape(-1)
    for matrix, cell in matrices:
        columns = np.ascontiguousarray(matrix, np.uint32).reshape(-1)

        def piece(first: int, last: int, columns: np.ndarray = columns, cell: int = cell, n: int = len(matrix)) -> None:
            layout.place_columns(columns, n, flat, rows, cell, aligned(LANES * LANES), first, last)

        work.rows(rows, LANES, piece)
    return tiles


_TABLES: dict[tuple[ParameterSet, int], tuple[Words, Words]] = {}
"""Points and factors of domains: they depend on the height alone, so all profiles share them."""


def _tables(params: ParameterSet, log_rows: int, work: Work) -> tuple[Words, Words]:
    """The points of the domain of a height, and Z_blind(x) / (x^k - 1) there."""
    known = _TABLES.get((params, log_rows))
    if known is not None:
        return known
    log_size = log_rows + params.log_blowup
    points = aligned(1 << log_size)
    domains.fill_points(points, to_montgomery(coset_shift(log_size)), root_powers(log_size), log_size)

    # x^k runs through c^k times the roots of order 2^log_blowup; at bit-reversed positions it is constant on runs of k.
    k = 1 << log_rows
    runs = [pow(domain_point(log_size, run << log_rows), k, P) for run in range(1 << params.log_blowup)]
    root = root_of_unity(log_rows)
    roots = montgomery_list([pow(root, k - i, P) for i in range(1, params.blinding + 1)])
    inverses = montgomery_list([inverse(v - 1) for v in runs])
    factors = aligned(1 << log_size)
    work.rows(
        1 << log_size, LANES,
        lambda first, last: quotient.blinding_factors(factors, points, roots, inverses, first, last),
    )  # fmt: skip
    _TABLES[params, log_rows] = points, factors
    return points, factors


def _height_key(key: VerifyingKey, height: HeightShape, fixed: Words, work: Work) -> HeightKey:
    points, factors = _tables(key.params, height.log_rows, work)
    chips, constraint, helper = [], 0, sum(len(c.chip.constraints) for c in height.chips)
    step = height.row_constraints - 1
    for chip in height.chips:
        at = Placement(chip.fixed_start, chip.main_start, chip.helper_start)
        program = constraint_program(chip.chip, at, chip.groups, constraint, helper + chip.helper_start, step)
        fill = helper_program(chip.chip, at, chip.groups) if chip.groups else None
        chips.append(ChipKey(chip, program, fill))
        constraint += len(chip.chip.constraints)
    return HeightKey(height, tuple(chips), fixed, points, factors)
