"""What a circuit, its heights and a parameter set determine: every size, order and position of a proof.

Prover and verifier read the same object, so nothing about the form of a proof can be chosen by whoever
sends it.  Heights are log2 of rows; the domain of a height h has 2^(h + log_blowup) points.  Orders are those of
docs/protocol.md ("Trees", "Openings", "Layers").
"""

from dataclasses import dataclass
from functools import cached_property

from localbento.air.chip import Message, RecordedChip
from localbento.air.logup import helpers
from localbento.air.system import System
from localbento.stark.params import DIGEST_LENGTH, EXTENSION_DEGREE, LOG_FOLD, ParameterSet

E = EXTENSION_DEGREE


@dataclass(frozen=True, eq=False)
class ChipShape:
    """Where a chip stands in the rows of its height.

    `fixed_start` and `main_start` count cells of the preprocessed and the main row, `helper_start` counts
    helper columns (of five cells) of the bus row; `groups` lists the messages of each helper column.
    """

    index: int
    chip: RecordedChip
    log_rows: int
    fixed_start: int
    main_start: int
    helper_start: int
    groups: tuple[tuple[Message, ...], ...]

    @property
    def fixed_slice(self) -> slice:
        """This chip's cells of the preprocessed row."""
        return slice(self.fixed_start, self.fixed_start + len(self.chip.fixed))

    @property
    def main_slice(self) -> slice:
        """This chip's cells of the main row."""
        return slice(self.main_start, self.main_start + self.chip.width)

    @property
    def helper_slice(self) -> slice:
        """This chip's helper columns among those of the height."""
        return slice(self.helper_start, self.helper_start + len(self.groups))


@dataclass(frozen=True, eq=False)
class HeightWidths:
    """How wide the rows of a height are.  `fixed` and `main` are cells, `helpers` columns over F of five cells each."""

    log_rows: int
    fixed: int
    main: int
    helpers: int
    chunks: int

    @property
    def bus_columns(self) -> int:
        """Columns over F of the bus tree: helpers chip by chip, then the running sum S."""
        return self.helpers + 1

    @property
    def widths(self) -> tuple[int, int, int, int]:
        """Cells of a row in the preprocessed, main, bus and quotient tree (chunks, then the mask)."""
        return self.fixed, self.main, E * self.bus_columns, E * (self.chunks + 1)

    @property
    def opened(self) -> int:
        """Functions opened at z: preprocessed and main columns, helpers, S, chunks; the mask is not."""
        return self.fixed + self.main + self.bus_columns + self.chunks

    @property
    def functions(self) -> int:
        """B_h, functions in the batch: the mask (number 0), those opened at z, S at g·z (the last)."""
        return 1 + self.opened + 1


@dataclass(frozen=True, eq=False)
class HeightShape(HeightWidths):
    """All chips of one height: they share a running sum, a quotient and a mask."""

    chips: tuple[ChipShape, ...]

    @property
    def row_constraints(self) -> int:
        """Constraints times Z_blind: the chips' own, one for each helper column, the step of S."""
        return sum(len(c.chip.constraints) for c in self.chips) + self.helpers + 1

    @property
    def constraints(self) -> int:
        """All powers of lambda in use: row constraints, the start of S, the end of S."""
        return self.row_constraints + 2

    @property
    def messages(self) -> int:
        """Messages of a row."""
        return sum(len(c.chip.messages) for c in self.chips)


@dataclass(frozen=True)
class TreeShape:
    """One Merkle tree: which heights it holds, tallest first, with the cells of their rows.

    A tree has 2^log_leaves leaves and a cap of 2^cap digests; a path has `path` sibling nodes.
    """

    name: str
    heights: tuple[int, ...]
    widths: tuple[int, ...]
    log_leaves: int
    cap: int

    @property
    def path(self) -> int:
        """Siblings of a path, leaf upwards."""
        return self.log_leaves - self.cap

    @property
    def query_elements(self) -> int:
        """Elements that a query opens: the rows of all heights, then the path."""
        return sum(self.widths) + DIGEST_LENGTH * self.path

    @property
    def cap_elements(self) -> int:
        """Elements of the cap."""
        return DIGEST_LENGTH << self.cap


@dataclass(frozen=True)
class LayerShape:
    """One FRI layer, from height `top` to height `bottom` = top - 4.

    `between` lists the heights strictly between, descending, whose words are in the leaf beside that of
    `top`; `joins` says that the word of height `bottom` is added at its one point.
    """

    top: int
    bottom: int
    between: tuple[int, ...]
    joins: bool
    tree: TreeShape

    @property
    def heights(self) -> tuple[int, ...]:
        """The heights in the leaf, descending."""
        return (self.top, *self.between)

    def fibre(self, log_rows: int) -> int:
        """Values of the word of this height in a leaf."""
        return 1 << (log_rows - self.bottom)

    def exponent(self, log_rows: int) -> int:
        """The power of zeta that the fold of this height is multiplied with: 0, 16, 24, 28, 30."""
        return 32 - (2 << (log_rows - self.bottom))

    @property
    def highest_exponent(self) -> int:
        """The degree of the curve in zeta."""
        lowest = self.bottom if self.joins else min(self.heights)
        return self.exponent(lowest) + self.fibre(lowest) - 1


@dataclass(frozen=True, eq=False)
class Outline:
    """The sizes of every proof of one circuit at one vector of heights: what needs no look into its chips."""

    params: ParameterSet
    heights: tuple[HeightWidths, ...]
    fixed_tree: TreeShape | None
    main_tree: TreeShape
    bus_tree: TreeShape
    quotient_tree: TreeShape
    layers: tuple[LayerShape, ...]

    @property
    def tallest(self) -> int:
        """H."""
        return self.heights[0].log_rows


@dataclass(frozen=True, eq=False)
class Shape(Outline):
    """The form of every proof of one circuit at one vector of heights."""

    heights: tuple[HeightShape, ...]
    system: System
    log_heights: tuple[int, ...]
    chips: tuple[ChipShape, ...]

    @cached_property
    def by_height(self) -> dict[int, HeightShape]:
        """The heights by log2 of their rows."""
        return {h.log_rows: h for h in self.heights}

    def trees(self) -> tuple[TreeShape, ...]:
        """The trees of columns in the order of a query: preprocessed (if any), main, bus, quotient."""
        committed = (self.main_tree, self.bus_tree, self.quotient_tree)
        return committed if self.fixed_tree is None else (self.fixed_tree, *committed)

    @property
    def betas(self) -> int:
        """Challenges beta_0 ... beta_w."""
        return self.system.message_width() + 1

    @property
    def has_sums(self) -> bool:
        """Whether blinded sums are published: with one height there is nothing to publish."""
        return len(self.heights) > 1

    @property
    def batch_challenges(self) -> int:
        """How many challenges r_i there are: ceil(log2 max B_h)."""
        return (max(h.functions for h in self.heights) - 1).bit_length()

    @property
    def log_final(self) -> int:
        """log2 of the coefficients of the final polynomial."""
        return self.layers[-1].bottom

    @property
    def index_bits(self) -> int:
        """Bits of a query's index: H + log2 of the blowup."""
        return self.tallest + self.params.log_blowup

    @property
    def opened_at_z(self) -> int:
        """Elements of F opened at z."""
        return sum(h.opened for h in self.heights)

    @property
    def total_width(self) -> int:
        """Base columns that each query opens: preprocessed, main, bus, quotient and mask of all heights."""
        return sum(sum(h.widths) for h in self.heights)

    @property
    def head_elements(self) -> int:
        """Elements of a proof before its queries."""
        caps = sum(t.cap_elements for t in (self.main_tree, self.bus_tree, self.quotient_tree))
        sums = E * len(self.heights) if self.has_sums else 0
        openings = E * (self.opened_at_z + len(self.heights))
        layers = sum(layer.tree.cap_elements for layer in self.layers)
        return caps + sums + openings + layers + (E << self.log_final) + 1

    @property
    def query_elements(self) -> int:
        """Elements of one query."""
        layers = sum(layer.tree.query_elements for layer in self.layers)
        return sum(t.query_elements for t in self.trees()) + layers

    @property
    def proof_elements(self) -> int:
        """Elements of a proof."""
        return self.head_elements + self.params.queries * self.query_elements

    @property
    def proof_bytes(self) -> int:
        """Bytes of a proof's body: four for each element."""
        return 4 * self.proof_elements

    def chunk_step(self, log_rows: int) -> int:
        """The power of x between neighbouring chunks of a quotient: k - h_q."""
        return (1 << log_rows) - self.params.randomizers

    def active_rows(self, log_rows: int) -> int:
        """Rows that constraints hold on: k - b; the others are blinding rows."""
        return (1 << log_rows) - self.params.blinding


def make_shape(system: System, params: ParameterSet, log_heights: tuple[int, ...]) -> Shape:
    """The shape of a system whose chip i has 2^log_heights[i] rows; `keygen` checks that it is admissible.

    Raises: CircuitError if a message alone passes the degree.
    """
    chips: list[ChipShape] = []
    by_height: dict[int, list[ChipShape]] = {}
    for index, (chip, log_rows) in enumerate(zip(system.chips, log_heights, strict=True)):
        before = by_height.setdefault(log_rows, [])
        placed = ChipShape(
            index=index,
            chip=chip,
            log_rows=log_rows,
            fixed_start=sum(len(c.chip.fixed) for c in before),
            main_start=sum(c.chip.width for c in before),
            helper_start=sum(len(c.groups) for c in before),
            groups=helpers(chip, params.max_degree),
        )
        before.append(placed)
        chips.append(placed)
    heights = tuple(
        HeightShape(
            log_rows=log_rows,
            chips=tuple(members),
            fixed=sum(len(c.chip.fixed) for c in members),
            main=sum(c.chip.width for c in members),
            helpers=sum(len(c.groups) for c in members),
            chunks=params.chunks,
        )
        for log_rows, members in sorted(by_height.items(), reverse=True)
    )
    sizes = outline(params, heights)
    return Shape(
        params, heights, sizes.fixed_tree, sizes.main_tree, sizes.bus_tree, sizes.quotient_tree, sizes.layers,
        system, log_heights, tuple(chips),
    )  # fmt: skip


def outline(params: ParameterSet, heights: tuple[HeightWidths, ...]) -> Outline:
    """The sizes that follow from those of each height, tallest first.

    Raises: ValueError if there is no main column.
    """
    trees = [_column_tree(name, i, heights, params) for i, name in enumerate(TREE_NAMES)]
    fixed_tree, main_tree, bus_tree, quotient_tree = trees
    if main_tree is None or bus_tree is None or quotient_tree is None:
        msg = "a system needs at least one main column"
        raise ValueError(msg)
    layers = make_layers([h.log_rows for h in heights], params)
    return Outline(params, heights, fixed_tree, main_tree, bus_tree, quotient_tree, layers)


TREE_NAMES = ("preprocessed", "main", "bus", "quotient")


def _column_tree(name: str, number: int, heights: tuple[HeightWidths, ...], params: ParameterSet) -> TreeShape | None:
    present = [h for h in heights if h.widths[number]]
    if not present:
        return None
    return TreeShape(
        name,
        tuple(h.log_rows for h in present),
        tuple(h.widths[number] for h in present),
        present[0].log_rows + params.log_blowup,
        params.cap,
    )


def make_layers(heights: list[int], params: ParameterSet) -> tuple[LayerShape, ...]:
    """The layers H, H-4, ... until at most 2^stop coefficients are left; `heights` descend."""
    layers: list[LayerShape] = []
    top = heights[0]
    while top > params.stop:
        bottom = top - LOG_FOLD
        between = tuple(h for h in heights if bottom < h < top)
        cells = E * sum(1 << (h - bottom) for h in (top, *between))
        tree = TreeShape(f"layer {len(layers)}", (bottom,), (cells,), bottom + params.log_blowup, params.cap)
        layers.append(LayerShape(top, bottom, between, bottom in heights, tree))
        top = bottom
    return tuple(layers)
