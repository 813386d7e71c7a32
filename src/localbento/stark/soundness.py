"""How many bits a proof of a given shape provably has: every error term, computed from the parameters in force.

Source: docs/security.md, "Error terms".  The regime is list decoding up to the Johnson bound with the mutual
correlated agreement of BCHKS25 (Ben-Sasson, Carmon, Haboeck, Kopparty, Saraf 2025), Theorem 4.6: with the integer
m >= 3 of the analysis, a query misses with probability sqrt(rate)(1 + 1/m) and L = (m + 1/2)/sqrt(rate) bounds the
list.  m is no parameter of the protocol: the best one is taken for each shape.
"""

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from math import ceil, log2, sqrt
from typing import Final

from localbento.field.babybear import P
from localbento.stark.params import MAX_CONSTRAINTS, ParameterSet
from localbento.stark.shape import LayerShape, Shape, make_layers

FIELD: Final = float(P) ** 5
HASH_BITS: Final = 123.6
"""Collisions of eight elements, by the birthday bound."""
SMALLEST_M: Final = 3
LARGEST_M: Final = 400
REQUIRED_BITS: Final = 100.0


@dataclass(frozen=True, slots=True)
class Counts:
    """What the error terms depend on: functions of each height, messages and constraints in all."""

    params: ParameterSet
    functions: Mapping[int, int]
    messages: int
    constraints: int
    layers: tuple[LayerShape, ...]

    @property
    def tallest(self) -> int:
        """log2 of the rows of the tallest chip."""
        return max(self.functions)


def counts_of(shape: Shape) -> Counts:
    """The counts of a shape; each public message counts as a row."""
    return Counts(
        shape.params,
        {h.log_rows: h.functions for h in shape.heights},
        sum(h.messages << h.log_rows for h in shape.heights) + len(shape.system.public_messages),
        sum(h.constraints for h in shape.heights),
        shape.layers,
    )


def worst_counts(params: ParameterSet, tallest: int) -> Counts:
    """What key generation admits at most: every height present, each with its limit of functions."""
    heights = range(tallest, params.lowest - 1, -1)
    return Counts(
        params,
        {h: params.max_functions(h) for h in heights},
        P // 4,
        MAX_CONSTRAINTS,
        make_layers(list(heights), params),
    )


@dataclass(frozen=True, slots=True)
class Term:
    """One error term: the probability that a false statement passes at this message."""

    name: str
    error: float

    @property
    def bits(self) -> float:
        """-log2 of the error."""
        return -log2(self.error)


def miss(params: ParameterSet, m: int) -> float:
    """1 - theta: how likely a query misses a word that is far from the code."""
    return sqrt(params.rate) * (1 + 1 / m)


def list_size(params: ParameterSet, m: int) -> float:
    """L, of the one interleaved code of all heights."""
    return (m + 0.5) / sqrt(params.rate)


def bad_challenges(params: ParameterSet, m: int, points: int) -> float:
    """Epsilon(n): challenges of one line, over a domain of n points, that may hide a word's distance."""
    rate, theta = params.rate, 1 - miss(params, m)
    slope: float = (2 * (m + 0.5) ** 5 + 3 * (m + 0.5) * theta * rate) / (3 * rate**1.5)
    return slope * points + (m + 0.5) / sqrt(rate)


def grinding_success(params: ParameterSet) -> float:
    """How likely a nonce passes: canonical elements whose low bits are zero, over p."""
    return ((P - 1) // (1 << params.grinding) + 1) / P


def terms(counts: Counts, m: int) -> list[Term]:
    """All terms, in the order of the transcript."""
    params = counts.params
    lists = list_size(params, m)
    k, b, c = 1 << counts.tallest, params.blinding, params.chunks
    degree = max(params.max_degree * k + b, (c + 1) * k - (c - 1) * params.randomizers)
    batching = sum(
        ceil(log2(functions)) * bad_challenges(params, m, 1 << (h + params.log_blowup))
        for h, functions in counts.functions.items()
    )
    result = [
        Term("bus argument", lists * 3 * max(counts.messages, 1) / FIELD),
        Term("constraint mix", lists * counts.constraints / FIELD),
        Term("out-of-domain point", lists * degree / (FIELD - P)),
        Term("batching", batching / FIELD),
    ]
    for number, layer in enumerate(counts.layers):
        points = 1 << (layer.bottom + params.log_blowup)
        error = layer.highest_exponent * bad_challenges(params, m, points) / FIELD
        result.append(Term(f"fold {number} (2^{layer.top} to 2^{layer.bottom})", error))
    result.append(Term("queries", miss(params, m) ** params.queries * grinding_success(params)))
    result.append(Term("hash", 2.0**-HASH_BITS))
    return result


def total_bits(found: Iterable[Term]) -> float:
    """-log2 of the sum of the errors."""
    return -log2(sum(t.error for t in found))


def best_m(counts: Counts) -> int:
    """The m of the analysis that gives the most bits, among those for which the radius makes sense."""
    params = counts.params
    # Several openings of one column (z, and g z for S) need k + 2 < (1 - theta) n; the lowest height is the tightest.
    rows = 1 << min(counts.functions)
    points = rows << params.log_blowup
    admissible = [m for m in range(SMALLEST_M, LARGEST_M) if rows + 2 < miss(params, m) * points < points]
    return max(admissible, key=lambda m: total_bits(terms(counts, m)))


def provable_bits(of: Shape | Counts) -> float:
    """Provable bits of a proof of this shape: the strict number, with all terms added up."""
    counts = counts_of(of) if isinstance(of, Shape) else of
    return total_bits(terms(counts, best_m(counts)))


def report(of: Shape | Counts) -> tuple[list[Term], float, int]:
    """The terms at the best m, the total bits, and that m."""
    counts = counts_of(of) if isinstance(of, Shape) else of
    m = best_m(counts)
    found = terms(counts, m)
    return found, total_bits(found), m


def table(of: Shape | Counts) -> str:
    """The report as text for a person."""
    counts = counts_of(of) if isinstance(of, Shape) else of
    found, bits, m = report(counts)
    params = counts.params
    width = max(len(t.name) for t in found)
    lines = [
        f"{params.name}: rate 1/{1 << params.log_blowup}, {params.queries} queries, {params.grinding} bits of "
        f"grinding, tallest height 2^{counts.tallest}",
        *(f"  {t.name:<{width}}  {t.bits:6.1f}" for t in found),
        f"  {'all together':<{width}}  {bits:6.1f}   (m = {m})",
    ]
    return "\n".join(lines)
