"""From a system to the key that a verifier holds; a circuit that could not be sound is refused here.

Key generation is the only place that looks at the preprocessed columns' values.  Everything the error
terms of docs/security.md assume of a circuit is checked, and named when it does not hold.
"""

import json
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from localbento.air.chip import CircuitError, assemble_fixed
from localbento.air.rules import check_system
from localbento.air.system import System
from localbento.field.babybear import P
from localbento.stark.circuit import Digest, circuit_digest, export_system, static_digest
from localbento.stark.commit import commit_rows
from localbento.stark.params import EXTENSION_DEGREE, MAX_CONSTRAINTS, SUM_COLUMNS, HashSuite, ParameterSet
from localbento.stark.shape import Shape, make_shape
from localbento.stark.soundness import REQUIRED_BITS, provable_bits

Matrix = NDArray[np.uint32]
CommitFixed = Callable[[Shape, Sequence[Matrix]], Sequence[Digest]]
"""From the shape and each height's preprocessed rows (uint32[cells, rows], canonical, the heights of
`shape.fixed_tree` in order) to the cap, left to right."""

BLINDED_COLUMNS = 8
"""Blinded columns of main and bus tree at the tallest height: unopened leaves hide without salts."""


@dataclass(frozen=True, eq=False)
class VerifyingKey:
    """A circuit at fixed heights: shape, preprocessed cap and digests."""

    shape: Shape
    fixed_cap: tuple[Digest, ...]
    static_digest: Digest
    circuit_digest: Digest

    @property
    def system(self) -> System:
        """The recorded system."""
        return self.shape.system

    @property
    def params(self) -> ParameterSet:
        """The parameter set."""
        return self.shape.params

    @property
    def log_heights(self) -> tuple[int, ...]:
        """log2 of the rows of each chip."""
        return self.shape.log_heights


def keygen(
    system: System,
    params: ParameterSet,
    log_heights: Sequence[int],
    commit_fixed: CommitFixed | None = None,
) -> VerifyingKey:
    """Check a system at these heights and commit to its preprocessed columns.

    Without `commit_fixed` the commitment is computed in plain numpy: slow, for small tables.

    Raises: CircuitError that names what is wrong and where.
    """
    check_heights(system, params, log_heights)
    check_system(system, params.max_degree, [1 << h for h in log_heights])
    shape = make_shape(system, params, tuple(log_heights))
    check_shape(shape)
    cap: tuple[Digest, ...] = ()
    if shape.fixed_tree is not None:
        commit = commit_fixed or commit_fixed_plainly
        cap = tuple(tuple(int(e) for e in digest) for digest in commit(shape, fixed_rows(shape)))
        if len(cap) != 1 << params.cap:
            msg = f"{system.name}: a cap has {1 << params.cap} digests, found {len(cap)}"
            raise CircuitError(msg)
    static = static_digest(system, params, log_heights)
    return VerifyingKey(shape, cap, static, circuit_digest(static, cap))


def check_heights(system: System, params: ParameterSet, log_heights: Sequence[int]) -> None:
    """Heights within the set's limits, and a hash suite that exists.

    Raises: CircuitError.
    """
    if params.suite is not HashSuite.POSEIDON2_BABYBEAR_24:
        msg = f"{params.name}: its hash suite ({params.suite.name}) is not built yet"
        raise CircuitError(msg)
    if not system.chips:
        msg = f"{system.name}: a system needs at least one chip"
        raise CircuitError(msg)
    if len(log_heights) != len(system.chips):
        msg = f"{system.name}: {len(system.chips)} chips, found {len(log_heights)} heights"
        raise CircuitError(msg)
    for chip, height in zip(system.chips, log_heights, strict=True):
        if not params.lowest <= height <= params.tallest:
            msg = f"{chip.name}: height 2^{height}, {params.name} allows 2^{params.lowest} to 2^{params.tallest}"
            raise CircuitError(msg)


def check_shape(shape: Shape) -> None:
    """The counts that soundness and zero knowledge rest on.

    Raises: CircuitError.
    """
    params, name = shape.params, shape.system.name
    for height in shape.heights:
        where = f"{name}, height 2^{height.log_rows}"
        k = 1 << height.log_rows
        degree = params.max_degree
        room = (params.chunks - 1) * (k - params.randomizers) + k
        needed = (degree - 1) * k + params.blinding - degree + 1
        if room < needed or height.log_rows <= shape.log_final:
            msg = f"{where}: too low for {params.name}"
            raise CircuitError(msg)
        if height.main < SUM_COLUMNS:
            msg = (
                f"{where}: {height.main} main columns, at least {SUM_COLUMNS} needed to hide the sum "
                "of its messages: declare unused columns"
            )
            raise CircuitError(msg)
        if height.functions > params.max_functions(height.log_rows):
            msg = f"{where}: {height.functions} functions, allowed {params.max_functions(height.log_rows)}"
            raise CircuitError(msg)
    constraints = sum(h.constraints for h in shape.heights)
    if constraints > MAX_CONSTRAINTS:
        msg = f"{name}: {constraints} constraints, allowed {MAX_CONSTRAINTS}"
        raise CircuitError(msg)
    messages = sum(h.messages << h.log_rows for h in shape.heights)
    if 4 * messages >= P:
        msg = f"{name}: {messages} messages, must stay below p / 4"
        raise CircuitError(msg)
    tallest = shape.heights[0]
    for tree, columns in (("main", tallest.main), ("bus", EXTENSION_DEGREE * tallest.bus_columns)):
        if columns < BLINDED_COLUMNS:
            msg = (
                f"{name}: {columns} blinded columns in the {tree} tree at the tallest height, at least "
                f"{BLINDED_COLUMNS} needed to hide its leaves"
            )
            raise CircuitError(msg)
    bits = provable_bits(shape)
    if bits < REQUIRED_BITS and not params.is_toy:
        msg = f"{name}: {bits:.2f} provable bits, at least {REQUIRED_BITS:.0f} required"
        raise CircuitError(msg)
    names = shape.system.public_values
    for message in shape.system.public_messages:
        for part in message.components:
            limit = P if isinstance(part, int) else len(names)
            value = part if isinstance(part, int) else part.index
            if not 0 <= value < limit:
                msg = f"{name}, public message on {message.bus.name!r}: component {value} out of range"
                raise CircuitError(msg)


def fixed_rows(shape: Shape) -> list[Matrix]:
    """The preprocessed rows of each height of the preprocessed tree.

    Shapes: each uint32[cells, rows], canonical: the columns of its chips in order.
    """
    heights = shape.fixed_tree.heights if shape.fixed_tree is not None else ()
    return [
        np.concatenate(
            [assemble_fixed(c.chip.chip, 1 << log_rows) for c in shape.by_height[log_rows].chips if c.chip.fixed]
        )
        for log_rows in heights
    ]


def commit_fixed_plainly(shape: Shape, matrices: Sequence[Matrix]) -> tuple[Digest, ...]:
    """The preprocessed cap in plain numpy: the reference for a prover's kernels."""
    if shape.fixed_tree is None:
        return ()
    commitment = commit_rows(shape.fixed_tree, matrices, shape.params.log_blowup)
    return commitment.cap


def export_circuit(key: VerifyingKey) -> dict[str, Any]:
    """All that an independent verifier needs, as plain data for JSON (docs/protocol.md, "Export")."""
    return {
        **export_system(key.system, key.params, key.log_heights),
        "fixed_cap": [list(digest) for digest in key.fixed_cap],
        "static_digest": list(key.static_digest),
        "circuit_digest": list(key.circuit_digest),
    }


def export_json(key: VerifyingKey) -> str:
    """`export_circuit` as text with sorted keys."""
    return json.dumps(export_circuit(key), sort_keys=True, indent=1)
