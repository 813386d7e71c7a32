"""Opening a mixed-height Merkle tree: rows of every height hash up to one cap.

Source: docs/protocol.md, "Trees".  The tallest matrix's rows are the leaves; the digest of a shorter one's row is
injected where its number of rows is that of the nodes.  A path holds sibling nodes only; injected digests
are recomputed from the opened rows.
"""

from collections.abc import Sequence

from localbento.errors import Reason
from localbento.stark.algebra import Algebra, Base, Bit, Digest
from localbento.stark.shape import TreeShape


def tree_bits(index_bits: Sequence[Bit], tree: TreeShape) -> Sequence[Bit]:
    """The bits of a query's leaf in this tree: the top bits of its index, least significant first."""
    return index_bits[len(index_bits) - tree.log_leaves :]


def verify_opening(
    v: Algebra,
    tree: TreeShape,
    log_blowup: int,
    cap: Sequence[Digest],
    index_bits: Sequence[Bit],
    rows: Sequence[Sequence[Base]],
) -> None:
    """The opened rows (tallest height first) stand at the query's index under the cap.

    Reads the siblings, leaf upwards.  `index_bits` are bits already: only `to_bits` makes them.
    """
    bits = tree_bits(index_bits, tree)
    node = v.hash_elements(rows[0])
    joined = 1
    for level in range(tree.path):
        left, right = v.swap_if(bits[level], node, v.read_digest())
        node = v.hash_pair(left, right)
        log_nodes = tree.log_leaves - level - 1
        if joined < len(tree.heights) and tree.heights[joined] + log_blowup == log_nodes:
            node = v.hash_pair(node, v.hash_elements(rows[joined]))
            joined += 1
    v.assert_equal(node, v.pick(bits[tree.path :], cap), Reason.MERKLE_ROOT, f"{tree.name} tree")


def read_rows(v: Algebra, tree: TreeShape) -> list[list[Base]]:
    """The rows that a query opens, tallest height first."""
    return [v.read_elements(width) for width in tree.widths]
