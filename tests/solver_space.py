"""Equations modulo p as formulas over bounded integers, exact in both polarities.

A polynomial is a mapping from monomials (sorted tuples of variable numbers) to residues.  A variable has an interval
shorter than p, so that it stands for one residue only.  A product of bits and one variable is a conditional; any other
product is a variable of its own, the residue of the product, about which only its interval and the law of zero
products are stated: `unsat` then holds for the true product, and a model has to be tried by the plain checker.
"""

from collections.abc import Mapping, Sequence
from typing import TypeAlias

import z3

from localbento.field.babybear import P

Monomial: TypeAlias = tuple[int, ...]
Terms: TypeAlias = Mapping[Monomial, int]

SCALES = (1, 2, 4, 1 << 8, 1 << 14, 1 << 16, 1 << 24, pow(2, -1, P), pow(4, -1, P), pow(5, -1, P), pow(128, -1, P))
"""Multiples of an equation that are tried, to have small coefficients: chips divide by these."""

FEW = 12
"""So many multiples of p are listed; beyond that the multiple is a variable."""


def signed(x: int) -> int:
    """A residue as the smaller of its two signed representatives."""
    x %= P
    return x - P if x > P // 2 else x


def plus(left: Terms, right: Terms, factor: int = 1) -> dict[Monomial, int]:
    """left + factor * right."""
    result = dict(left)
    for m, c in right.items():
        result[m] = (result.get(m, 0) + factor * c) % P
    return {m: c for m, c in result.items() if c}


class Space:
    """Variables, and what is known of all of them."""

    def __init__(self) -> None:
        self.terms: list[z3.ArithRef] = []
        self.intervals: list[tuple[int, int]] = []
        self.names: list[str] = []
        self.facts: list[z3.BoolRef] = []
        self.products: dict[Monomial, tuple[z3.ArithRef, int, int]] = {}
        self._sums: dict[tuple[tuple[Monomial, int], ...], int] = {}
        self._fresh = 0

    def variable(self, name: str, low: int = 0, high: int = P - 1) -> int:
        """The number of a new variable in [low, high]."""
        assert high - low < P, name
        term = z3.Int(name)
        self.terms.append(term)
        self.names.append(name)
        self.intervals.append((low, high))
        self.facts += [term >= low, term <= high]
        return len(self.terms) - 1

    def fresh(self, name: str, low: int, high: int) -> int:
        """A variable whose name is made unique."""
        self._fresh += 1
        return self.variable(f"{name}#{self._fresh}", low, high)

    def named_sum(self, terms: Terms) -> int:
        """A variable for the residue of a polynomial; the same for the same polynomial."""
        key = tuple(sorted(terms.items()))
        if key not in self._sums:
            _, low, high = self.linear(terms)
            exact = high - low < P
            self._sums[key] = self.fresh("sum", low if exact else 0, high if exact else P - 1)
            self.facts.append(self.zero(plus(terms, {(self._sums[key],): 1}, -1)))
        return self._sums[key]

    def is_bit(self, variable: int) -> bool:
        """Whether the interval is that of a bit."""
        low, high = self.intervals[variable]
        return low >= 0 and high <= 1

    def product(self, monomial: Monomial) -> tuple[z3.ArithRef, int, int]:
        """A monomial as a term with its interval."""
        if len(monomial) == 1:
            return (self.terms[monomial[0]], *self.intervals[monomial[0]])
        found = self.products.get(monomial)
        if found is None:
            found = self.products[monomial] = self._product(monomial)
        return found

    def _product(self, monomial: Monomial) -> tuple[z3.ArithRef, int, int]:
        bits = sorted({v for v in monomial if self.is_bit(v)})
        rest = tuple(v for v in monomial if not self.is_bit(v))
        all_set = z3.And([self.terms[v] == 1 for v in bits])
        if not rest:
            return z3.If(all_set, z3.IntVal(1), z3.IntVal(0)), 0, 1
        if bits:
            term, low, high = self.product(rest)
            return z3.If(all_set, term, z3.IntVal(0)), min(low, 0), max(high, 0)
        low, high = 0, P - 1
        if all(self.intervals[v][0] >= 0 for v in rest):
            bound = 1
            for v in rest:
                bound *= self.intervals[v][1]
            high = min(high, bound)
        self._fresh += 1
        term = z3.Int(f"product#{self._fresh}")
        zero = z3.Or([self.zero({(v,): 1}) for v in dict.fromkeys(rest)])
        self.facts += [term >= low, term <= high, (term == 0) == zero]
        return term, low, high

    def linear(self, terms: Terms, scale: int = 1) -> tuple[z3.ArithRef, int, int]:
        """An integer congruent to scale * polynomial, with its interval."""
        total, low, high = z3.IntVal(0), 0, 0
        parts = []
        for m, c in terms.items():
            factor = signed(c * scale)
            if not m:
                parts.append(z3.IntVal(factor))
                low, high = low + factor, high + factor
                continue
            term, a, b = self.product(m)
            parts.append(factor * term)
            low += min(factor * a, factor * b)
            high += max(factor * a, factor * b)
        total = z3.Sum(parts) if parts else total
        return total, low, high

    def _span(self, terms: Terms, scale: int) -> int:
        span = 0
        for m, c in terms.items():
            if m:
                _, a, b = self.product(m)
                span += abs(signed(c * scale)) * (b - a)
        return span

    def zero(self, terms: Terms) -> z3.BoolRef:
        """The polynomial is 0 modulo p."""
        terms = {m: c for m, c in terms.items() if c % P}
        if not terms:
            return z3.BoolVal(True)
        if set(terms) == {()}:
            return z3.BoolVal(False)
        for m in terms:
            if m:
                self.product(m)
        scale = min(SCALES, key=lambda s: self._span(terms, s))
        total, low, high = self.linear(terms, scale)
        first, last = -(-low // P), high // P
        if last - first < FEW:
            return z3.Or([total == P * t for t in range(first, last + 1)])
        self._fresh += 1
        times, rest = z3.Int(f"times#{self._fresh}"), z3.Int(f"rest#{self._fresh}")
        self.facts += [total == P * times + rest, rest >= 0, rest < P, times >= low // P, times <= last]
        return rest == 0

    def value(self, terms: Terms) -> z3.ArithRef:
        """The residue of the polynomial as a term in [0, p)."""
        total, low, high = self.linear(terms)
        if low >= 0 and high < P:
            return total
        name = self.fresh("value", 0, P - 1)
        self.facts.append(self.zero(plus(terms, {(name,): 1}, -1)))
        return self.terms[name]

    def below(self, terms: Terms, size: int) -> z3.BoolRef:
        """The residue is smaller than `size`; where this is asserted only, `lookup` is lighter."""
        return self.value(terms) < size

    def lookup(self, terms: Terms, low: int, high: int) -> z3.BoolRef:
        """The residue lies in [low, high], for assertion only: some number there is congruent to it."""
        if set(terms) <= {()}:
            return z3.BoolVal(low <= terms.get((), 0) % P <= high)
        if len(terms) == 1 and next(iter(terms.values())) == 1 and len(next(iter(terms))) == 1:
            a, b = self.intervals[next(iter(terms))[0]]
            if low <= a and b <= high:
                return z3.BoolVal(True)
        v = self.fresh("lookup", low, high)
        return self.zero(plus(terms, {(v,): 1}, -1))


def all_of(formulas: Sequence[z3.BoolRef]) -> z3.BoolRef:
    """Their conjunction."""
    return z3.And(list(formulas)) if formulas else z3.BoolVal(True)
