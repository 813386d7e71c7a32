"""A mixed-height Merkle tree with a cap, in plain Python: the twin of the tree kernel.

The tallest matrix's rows are the leaves.  A shorter matrix of 2^k rows joins at the level of 2^k nodes:
node = compress(compress(left, right), digest of its row).  The levels end at the cap, of 2^cap_bits digests; a
tallest matrix of fewer rows than that has no tree at all, and is refused.
"""

from collections.abc import Mapping, Sequence

from localbento.hash.digest import Digest
from localbento.hash.poseidon2 import compress, hash_leaf


def tree_levels(matrices: Mapping[int, Sequence[Sequence[int]]], cap_bits: int) -> list[list[Digest]]:
    """All levels, leaves first, cap last.

    `matrices` maps log2 of a number of rows to the rows, canonical.

    Raises:
        ValueError: if there is no matrix, one has another number of rows than it says, or one is lower than the cap.
    """
    if not matrices or min(matrices) < cap_bits:
        msg = f"tree: expected matrices of at least 2^{cap_bits} rows, found {sorted(matrices)}"
        raise ValueError(msg)
    for log_rows, rows in matrices.items():
        if len(rows) != 1 << log_rows:
            msg = f"tree: expected {1 << log_rows} rows, found {len(rows)}"
            raise ValueError(msg)
    height = max(matrices)
    levels = [[hash_leaf(row) for row in matrices[height]]]
    for log_rows in range(height - 1, cap_bits - 1, -1):
        below = levels[-1]
        level = [compress(below[2 * i], below[2 * i + 1]) for i in range(1 << log_rows)]
        if log_rows in matrices:
            level = [compress(node, hash_leaf(row)) for node, row in zip(level, matrices[log_rows], strict=True)]
        levels.append(level)
    return levels


def open_path(levels: Sequence[Sequence[Digest]], index: int) -> list[Digest]:
    """The siblings of leaf `index`, from the leaves to below the cap.

    Raises:
        IndexError: if there is no such leaf.
    """
    if not 0 <= index < len(levels[0]):
        msg = f"leaf {index} of a tree of {len(levels[0])}"
        raise IndexError(msg)
    return [level[index >> depth ^ 1] for depth, level in enumerate(levels[:-1])]


def root_of_path(
    rows: Mapping[int, Sequence[int]], height: int, index: int, siblings: Sequence[Digest]
) -> tuple[int, Digest]:
    """The place in the cap, and the digest there, that opened rows and siblings hash up to."""
    node = hash_leaf(rows[height])
    for depth, sibling in enumerate(siblings):
        pair = (node, sibling) if not index >> depth & 1 else (sibling, node)
        node = compress(*pair)
        log_rows = height - depth - 1
        if log_rows in rows:
            node = compress(node, hash_leaf(rows[log_rows]))
    return index >> len(siblings), node
