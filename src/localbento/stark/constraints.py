"""The statement at the out-of-domain point: each height's quotient is the mix of its constraints.

    Q(z) = Z_blind(z)/(z^k - 1) * sum_i lambda^i C_i(z)
         + lambda^n S(z)/(z - 1) + lambda^(n+1) (S + rho - sigma)(z)/(z - g^(k-b))

The C_i are, in this order: the constraints of the chips of the height, one for each helper column, the step of S;
n is their number (docs/protocol.md, "Constraints").
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from math import isqrt
from typing import Any

from localbento.air.chip import Message
from localbento.air.evaluate import evaluate
from localbento.errors import Reason
from localbento.field.babybear import P, root_of_unity
from localbento.stark.algebra import Algebra, Base, Ext, lift, power, times_x
from localbento.stark.deep import Openings
from localbento.stark.params import SUM_COLUMNS
from localbento.stark.shape import HeightShape, Shape


@dataclass(frozen=True, eq=False)
class BusChallenges:
    """Alpha, and beta_0 for the bus number, beta_i for component i."""

    alpha: Ext
    betas: Sequence[Ext]

    def fingerprint(self, bus: Any, components: Sequence[Any]) -> Ext:
        """Alpha + bus beta_0 + sum beta_i m_i; components are values at z, base values or integers."""
        result: Ext = self.alpha + self.betas[0] * bus
        for beta, component in zip(self.betas[1:], components, strict=False):
            result = result + beta * component
        return result


def public_sum(v: Algebra, shape: Shape, challenges: BusChallenges, public_values: Sequence[Base]) -> Ext:
    """The sum of sign / fingerprint over the verifier's own messages; a zero fingerprint is refused."""
    total = lift(v, 0)
    for number, message in enumerate(shape.system.public_messages):
        components = [c if isinstance(c, int) else public_values[c.index] for c in message.components]
        fingerprint = challenges.fingerprint(message.bus.number, components)
        fraction = v.inverse(fingerprint, Reason.ZERO_DENOMINATOR, f"public message {number}")
        total = total + fraction * message.sign
    return total


@cache
def blind_coefficients(log_rows: int, blinding: int) -> tuple[int, ...]:
    """Coefficients, constant first, of the monic polynomial that vanishes on the last rows."""
    root = root_of_unity(log_rows)
    point = pow(root, (1 << log_rows) - blinding, P)
    result = [1]
    for _ in range(blinding):
        shifted = [0, *result]
        for i, c in enumerate(result):
            shifted[i] = (shifted[i] - point * c) % P
        result, point = shifted, point * root % P
    return tuple(result)


def blind_polynomial(v: Algebra, log_rows: int, blinding: int, z: Ext) -> Ext:
    """Z_blind(z), with about 2 sqrt(b) products in F (Paterson and Stockmeyer)."""
    coefficients = blind_coefficients(log_rows, blinding)
    step = isqrt(blinding) + 1
    small = [lift(v, 1)]
    for _ in range(step):
        small.append(small[-1] * z)
    giant = small.pop()
    result: Ext | None = None
    for start in reversed(range(0, len(coefficients), step)):
        part = coefficients[start : start + step]
        block = v.dot(small[: len(part)], [v.constant(c) for c in part])
        result = block if result is None else result * giant + block
    return result if result is not None else lift(v, 1)


def helper_constraint(helper: Ext, group: Sequence[Message], values: Sequence[Any], challenges: BusChallenges) -> Ext:
    """H prod f_i - sum +-m_i prod_(j != i) f_j: zero where H is the sum of the group's fractions."""
    fingerprints = [challenges.fingerprint(values[m.bus_node], [values[c] for c in m.components]) for m in group]
    # N/D is the sum of the fractions so far.
    denominator = fingerprints[0]
    numerator: Any = values[group[0].times] * group[0].sign
    for message, fingerprint in zip(group[1:], fingerprints[1:], strict=True):
        times = values[message.times] * message.sign
        numerator = fingerprint * numerator + denominator * times
        denominator = denominator * fingerprint
    result: Ext = helper * denominator - numerator
    return result


def row_constraints(height: HeightShape, opened: Openings, challenges: BusChallenges) -> list[Ext]:
    """All constraints that Z_blind switches off on the blinding rows, in order."""
    own: list[Ext] = []
    on_helpers: list[Ext] = []
    for chip in height.chips:
        values: list[Any] = evaluate(
            chip.chip, opened.fixed[chip.fixed_slice], opened.main[chip.main_slice], lambda c: c
        )
        own += [values[c.node] for c in chip.chip.constraints]
        for helper, group in zip(opened.helpers[chip.helper_slice], chip.groups, strict=True):
            on_helpers.append(helper_constraint(helper, group, values, challenges))
    step = opened.sum_at_next - opened.sum
    for helper in opened.helpers:
        step = step - helper
    return [*own, *on_helpers, step]


def verify_height(
    v: Algebra,
    shape: Shape,
    opened: Openings,
    challenges: BusChallenges,
    powers: Sequence[Ext],
    sigma: Ext,
    z: Ext,
) -> None:
    """The opened quotient of this height is the mix of its constraints; `powers` are those of lambda."""
    height, params = opened.height, shape.params
    k = 1 << height.log_rows
    where = f"height 2^{height.log_rows}"
    constraints = row_constraints(height, opened, challenges)
    mixed = lift(v, 0)
    for weight, value in zip(powers, constraints, strict=False):
        mixed = mixed + weight * value

    vanishing = power(z, k) - 1
    first, last = z - 1, z - pow(root_of_unity(height.log_rows), k - params.blinding, P)
    # z lies outside F_p, so none of the three can vanish.
    inverses = [v.inverse(x, Reason.POINT_IN_BASE_FIELD, where) for x in (vanishing, first, last)]
    ending = opened.sum - sigma
    if shape.has_sums:
        cell = opened.main[:SUM_COLUMNS]
        rho = cell[-1]
        for value in reversed(cell[:-1]):
            rho = times_x(v, rho) + value
        ending = ending + rho
    n = height.row_constraints
    expected = (
        mixed * blind_polynomial(v, height.log_rows, params.blinding, z) * inverses[0]
        + powers[n] * opened.sum * inverses[1]
        + powers[n + 1] * ending * inverses[2]
    )
    step = power(z, shape.chunk_step(height.log_rows))
    quotient = opened.chunks[-1]
    for chunk in reversed(opened.chunks[:-1]):
        quotient = quotient * step + chunk
    v.assert_equal(quotient, expected, Reason.CONSTRAINTS, where)
