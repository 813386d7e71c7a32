"""Recorded expressions expanded into polynomials, to recognise a constraint however it was written."""

from collections.abc import Mapping
from typing import TypeAlias

from localbento.air.chip import RecordedChip
from localbento.air.expr import Op
from localbento.field.babybear import P

Monomial: TypeAlias = tuple[int, ...]
MAX_TERMS = 400
MAX_CELLS = 64


class Poly:
    """A polynomial in cells: monomial (sorted cell nodes) to nonzero coefficient."""

    __slots__ = ("terms",)

    def __init__(self, terms: Mapping[Monomial, int]) -> None:
        self.terms = {m: c % P for m, c in terms.items() if c % P}

    @staticmethod
    def constant(value: int) -> "Poly":
        """A constant polynomial."""
        return Poly({(): value})

    def __add__(self, other: "Poly") -> "Poly":
        terms = dict(self.terms)
        for m, c in other.terms.items():
            terms[m] = terms.get(m, 0) + c
        return Poly(terms)

    def __sub__(self, other: "Poly") -> "Poly":
        terms = dict(self.terms)
        for m, c in other.terms.items():
            terms[m] = terms.get(m, 0) - c
        return Poly(terms)

    def __mul__(self, other: "Poly") -> "Poly":
        terms: dict[Monomial, int] = {}
        for m, c in self.terms.items():
            for n, d in other.terms.items():
                key = tuple(sorted(m + n))
                terms[key] = terms.get(key, 0) + c * d
        return Poly(terms)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Poly) and self.terms == other.terms

    def __hash__(self) -> int:
        return hash(frozenset(self.terms.items()))

    def is_zero(self) -> bool:
        """The zero polynomial."""
        return not self.terms

    def normalized(self) -> "Poly":
        """Scaled so that the coefficient of the first monomial is 1: equal for constraints that say the same."""
        if not self.terms:
            return self
        inverse = pow(self.terms[min(self.terms)], P - 2, P)
        return Poly({m: c * inverse for m, c in self.terms.items()})

    def as_sum_of_cells(self) -> frozenset[int]:
        """The cells if this is a plain sum of distinct cells, else nothing."""
        if all(len(m) == 1 and c == 1 for m, c in self.terms.items()):
            return frozenset(m[0] for m in self.terms)
        return frozenset()


class Polynomials:
    """Expansions of the nodes of one chip; None where there are too many terms."""

    def __init__(self, chip: RecordedChip) -> None:
        self.chip = chip
        self._done: dict[int, Poly | None] = {}
        self._masks = _cell_masks(chip)

    def expand(self, node: int) -> Poly | None:
        """The node as a polynomial, or None if it has more than MAX_TERMS terms.

        Graphs of permutations are deep, so this walks with a stack of its own.
        """
        nodes = self.chip.graph.nodes
        stack = [node]
        while stack:
            top = stack[-1]
            op, a, b = nodes[top]
            if top in self._done:
                stack.pop()
            elif self._masks[top].bit_count() > MAX_CELLS:
                self._done[stack.pop()] = None
            elif op is Op.CONSTANT:
                self._done[stack.pop()] = Poly.constant(a)
            elif op in (Op.FIXED, Op.MAIN):
                self._done[stack.pop()] = Poly({(top,): 1})
            elif missing := [n for n in (a, b) if n not in self._done]:
                stack += missing
            else:
                self._done[stack.pop()] = _combine(op, self._done[a], self._done[b])
        return self._done[node]

    def cells(self, node: int) -> frozenset[int]:
        """The cells that the node's expression mentions."""
        mask, found = self._masks[node], []
        while mask:
            low = mask & -mask
            found.append(low.bit_length() - 1)
            mask ^= low
        return frozenset(found)


def _combine(op: Op, x: Poly | None, y: Poly | None) -> Poly | None:
    if x is None or y is None:
        return None
    if op is Op.MUL:
        if len(x.terms) * len(y.terms) > MAX_TERMS:
            return None
        result = x * y
    else:
        result = x + y if op is Op.ADD else x - y
    return result if len(result.terms) <= MAX_TERMS else None


def _cell_masks(chip: RecordedChip) -> list[int]:
    """For each node the set of cell nodes under it, as bits of an integer."""
    masks: list[int] = []
    for node, (op, a, b) in enumerate(chip.graph.nodes):
        if op is Op.CONSTANT:
            masks.append(0)
        elif op in (Op.FIXED, Op.MAIN):
            masks.append(1 << node)
        else:
            masks.append(masks[a] | masks[b])
    return masks
