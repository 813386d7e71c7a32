"""The DEEP word of a height: one word that is close to the code only if every opening is right.

    W(x) = w_0 R(x) + (sum_j w_j (f_j(x) - f_j(z))) / (x - z) + w_last (S(x) - S(g z)) / (x - g z)

R is the mask, j runs over the functions opened at z, and the weights are a tensor in ceil(log2 B) challenges: with
powers the batching term would cost the set its hundred bits (docs/protocol.md, "DEEP").
"""

from collections.abc import Sequence
from dataclasses import dataclass

from localbento.errors import Reason
from localbento.stark.algebra import Algebra, Base, Ext, lift, times_x
from localbento.stark.params import EXTENSION_DEGREE
from localbento.stark.shape import HeightShape


def batch_weights(v: Algebra, challenges: Sequence[Ext], count: int) -> list[Ext]:
    """The weights of functions 0 ... count-1: number j takes r_(i+1) if bit i of j is set, else 1 - r_(i+1).

    All challenges enter every weight, whatever `count`.
    """
    weights = [lift(v, 1)]
    for r in challenges:
        high = [w * r for w in weights]
        weights = [w - h for w, h in zip(weights, high, strict=True)] + high
    return weights[:count]


@dataclass(frozen=True, eq=False)
class Openings:
    """What is opened of a height: `at_z` in the order of its functions without the mask; S at g·z."""

    height: HeightShape
    at_z: Sequence[Ext]
    sum_at_next: Ext

    @property
    def fixed(self) -> Sequence[Ext]:
        """Preprocessed columns at z."""
        return self.at_z[: self.height.fixed]

    @property
    def main(self) -> Sequence[Ext]:
        """Main columns at z."""
        return self.at_z[self.height.fixed : self.height.fixed + self.height.main]

    @property
    def helpers(self) -> Sequence[Ext]:
        """Helper columns at z."""
        start = self.height.fixed + self.height.main
        return self.at_z[start : start + self.height.helpers]

    @property
    def sum(self) -> Ext:
        """The running sum S at z."""
        return self.at_z[self.height.fixed + self.height.main + self.height.helpers]

    @property
    def chunks(self) -> Sequence[Ext]:
        """The quotient's chunks at z."""
        return self.at_z[-self.height.chunks :]


class DeepWord:
    """The word of one height, ready to be evaluated at a query."""

    def __init__(self, v: Algebra, openings: Openings, weights: Sequence[Ext], z: Ext, next_z: Ext) -> None:
        height = openings.height
        self._height, self._z, self._next_z = height, z, next_z
        self._sum_at_next = openings.sum_at_next
        self._mask_weight, self._sum_weight = weights[0], weights[height.functions - 1]
        batch = weights[1 : 1 + height.opened]
        self._claimed = lift(v, 0)
        for weight, value in zip(batch, openings.at_z, strict=True):
            self._claimed = self._claimed + weight * value
        # A column over F is the one polynomial sum X^i f_i: its cells have the weights w, X w, ..., X^4 w.
        bases = height.fixed + height.main
        self._cell_weights = list(batch[:bases])
        for weight in batch[bases:]:
            for _ in range(EXTENSION_DEGREE):
                self._cell_weights.append(weight)
                weight = times_x(v, weight)

    def value(
        self,
        v: Algebra,
        fixed: Sequence[Base],
        main: Sequence[Base],
        bus: Sequence[Base],
        quotient: Sequence[Base],
        x: Base,
    ) -> Ext:
        """W at the point x, from the rows that a query opened there."""
        e = EXTENSION_DEGREE
        chunk_cells, mask_cells = quotient[:-e], quotient[-e:]
        opened = v.dot(self._cell_weights, [*fixed, *main, *bus, *chunk_cells])
        # The points of evaluation lie in F_p and z does not: neither denominator can vanish.
        detail = f"height 2^{self._height.log_rows}"
        at_z = v.inverse(self._z - x, Reason.POINT_IN_BASE_FIELD, detail)
        at_next = v.inverse(self._next_z - x, Reason.POINT_IN_BASE_FIELD, detail)
        running_sum = v.extension(bus[-e:])
        return (
            self._mask_weight * v.extension(mask_cells)
            + (self._claimed - opened) * at_z
            + self._sum_weight * (self._sum_at_next - running_sum) * at_next
        )
