"""Group N of the catalogue: what is opened is uniform, by counting ranks at the bounds of docs/security.md.

A column is its rows before the blinding rows plus a combination of Lagrange polynomials with random weights; openings
are linear functionals of those weights.  They are uniform exactly if the functionals are independent.
"""

from itertools import pairwise

import numpy as np
import pytest
from honest import MANY, NO_GRINDING, honest, key_of, reason
from reference_prover import E, Ext, ReferenceProver
from toy_machine import SYSTEM, witness

from localbento.errors import Reason
from localbento.field import arrays
from localbento.field.babybear import P, coset_shift, root_of_unity
from localbento.field.extension import Extension
from localbento.stark.params import PARAMETER_SETS, T4

RNG = np.random.default_rng(170)


def rank(matrix: np.ndarray) -> int:
    """Rank mod p, by elimination."""
    a, found = matrix.astype(np.uint64) % P, 0
    for column in range(a.shape[1]):
        pivots = np.flatnonzero(a[found:, column])
        if not len(pivots):
            continue
        pivot = found + int(pivots[0])
        a[[found, pivot]] = a[[pivot, found]]
        a[found] = a[found] * pow(int(a[found, column]), P - 2, P) % P
        below = a[found + 1 :, column][:, None] * a[found][None, :] % P
        a[found + 1 :] = (a[found + 1 :] + (P - below)) % P
        found += 1
        if found == len(a):
            break
    return found


def points(log_rows: int, log_blowup: int, count: int) -> np.ndarray:
    """Distinct points of D(h), none of them g times another: those would be opened once, not twice."""
    log_n = log_rows + log_blowup
    exponents = np.arange(1 << log_n)
    exponents = RNG.choice(exponents[(exponents >> log_blowup) % 2 == 0], count, replace=False)
    return np.array([coset_shift(log_n) * pow(root_of_unity(log_n), int(i), P) % P for i in exponents], np.uint64)


def lagrange(log_rows: int, rows: range, x: np.ndarray) -> np.ndarray:
    """L_i(x) of some rows at elements of F, as five base functionals each: [5 points, rows]."""
    k, root = 1 << log_rows, root_of_unity(log_rows)
    g = np.array([pow(root, i, P) for i in rows], np.uint64)
    scale = arrays.mul(g, arrays.base(pow(k, P - 2, P)))
    vanishing = arrays.sub(arrays.ext_power(x, k), arrays.ext_constant(1))
    values = arrays.ext_inverse(arrays.sub(x[:, None, :], arrays.ext_lift(g)[None]))
    values = arrays.ext_mul(values, vanishing[:, None, :])
    values = arrays.ext_mul_base(values, scale[None, :])
    return np.moveaxis(values, 2, 1).reshape(-1, len(rows))


def base_functionals(log_rows: int, rows: range, x: np.ndarray) -> np.ndarray:
    """At base points only the constant coefficient is a functional."""
    return lagrange(log_rows, rows, arrays.ext_lift(x))[::E]


def opened(params, rows: range, *, following: bool) -> np.ndarray:
    """The functionals that the openings of one base column reveal, at the lowest height."""
    h = params.lowest
    g = root_of_unity(h)
    x, z = points(h, params.log_blowup, params.queries), RNG.integers(0, P, (1, E), np.uint64)
    parts = [base_functionals(h, rows, x), lagrange(h, rows, z)]
    if following:
        parts.append(base_functionals(h, rows, arrays.mul(x, arrays.base(g))))
        parts.append(lagrange(h, rows, arrays.ext_mul_base(z, arrays.base([g]))))
    return np.concatenate(parts)


SETS = list(PARAMETER_SETS.values())


@pytest.mark.parametrize("params", SETS, ids=lambda s: s.name)
def test_n170_row_local_columns(params):
    """Main and helper columns: q + e functionals, h rows of the set; independent from h = q + e on, not below."""
    k, needed = 1 << params.lowest, params.queries + E
    assert rank(opened(params, range(k - params.blinding, k), following=False)) == needed
    assert rank(opened(params, range(k - needed, k), following=False)) == needed
    assert rank(opened(params, range(k - needed + 1, k), following=False)) == needed - 1


@pytest.mark.parametrize("params", SETS, ids=lambda s: s.name)
def test_n170_the_running_sum(params):
    """2 (q + e) functionals, and its first blinding row is not random: it holds the total."""
    k, needed = 1 << params.lowest, 2 * (params.queries + E)
    assert rank(opened(params, range(k - params.blinding + 1, k), following=True)) == needed
    assert rank(opened(params, range(k - needed, k), following=True)) == needed
    assert rank(opened(params, range(k - needed + 1, k), following=True)) == needed - 1


@pytest.mark.parametrize("params", SETS, ids=lambda s: s.name)
def test_n170_columns_whose_first_blinding_row_hides_a_sum(params):
    """That cell is one more functional: q + e + 1."""
    k, needed = 1 << params.lowest, params.queries + E + 1
    for h, expected in ((params.blinding, needed), (needed, needed), (needed - 1, needed - 1)):
        first = np.zeros((1, h), np.uint64)
        first[0, 0] = 1
        matrix = np.concatenate([opened(params, range(k - h, k), following=False), first])
        assert rank(matrix) == expected


def chunk_functionals(params, randomizers: int) -> np.ndarray:
    """The openings of chunks 0 ... c-2 as functionals of the t_i: chunk_i + X^s t_i - t_(i-1)."""
    k, count = 1 << params.lowest, params.chunks - 1
    x = np.concatenate(
        [
            arrays.ext_lift(points(params.lowest, params.log_blowup, params.queries)),
            RNG.integers(0, P, (1, E), np.uint64),
        ]
    )
    powers = np.stack([arrays.ext_power(x, i) for i in range(randomizers)], axis=1)
    shifted = arrays.ext_mul(powers, arrays.ext_power(x, k - params.randomizers)[:, None, :])

    def functionals(values):
        rows = np.moveaxis(values, 2, 1)
        return np.concatenate([rows[:-1, 0, :], rows[-1]])

    size = params.queries + E
    matrix = np.zeros((count * size, count * randomizers), np.uint64)
    for i in range(count):
        at = slice(i * size, (i + 1) * size)
        matrix[at, i * randomizers : (i + 1) * randomizers] = functionals(shifted)
        if i:
            matrix[at, (i - 1) * randomizers : i * randomizers] = (P - functionals(powers)) % P
    return matrix


@pytest.mark.parametrize("params", SETS, ids=lambda s: s.name)
def test_n174_quotient_chunks(params):
    """One base coefficient of F's five; with h_q = q + e - 1 the chunks reveal more than their sum."""
    needed = params.queries + E
    whole = (params.chunks - 1) * needed
    if params.is_toy:
        assert rank(chunk_functionals(params, params.randomizers)) == whole
    assert rank(chunk_functionals(params, needed)[:needed, :needed]) == needed
    if params.is_toy:
        assert rank(chunk_functionals(params, needed - 1)) < whole


class Plain(ReferenceProver):
    """Blinding rows of zeros."""

    def blind_main(self, h, rows):
        rows[:, -self.params.blinding :] = 0
        return rows


def test_soundness_does_not_depend_on_blinding_values():
    matrices, public = witness(MANY)
    key = key_of(NO_GRINDING, MANY)
    assert reason(key, public, Plain(key, matrices, public).prove()) is None

    class Adversarial(Plain):
        def blind_main(self, h, rows):
            rows[:, -self.params.blinding :] = P - 1
            return rows

    assert reason(key, public, Adversarial(key, matrices, public).prove()) is None
    public = [*public[:4], public[4] + 1]
    for hacked in (Plain, Adversarial):
        assert reason(key, public, hacked(key, matrices, public).prove()) is Reason.BUS_IMBALANCE


def total_of(prover, matrices, h) -> Extension:
    """What the messages of a height sum up to for a guessed witness, under a proof's public challenges."""
    guess = ReferenceProver(prover.key, matrices, prover.public)
    guess.alpha, guess.betas = prover.alpha, prover.betas
    total = Ext(np.zeros((1, E), np.uint64))
    for chip in h.chips:
        for column in guess.helper_columns(chip):
            active = column[: (1 << h.log_rows) - prover.params.blinding]
            total = total + Ext(active.sum(axis=0, keepdims=True) % P)
    return Extension.of(total.x[0].tolist())


def test_published_sums_tell_nothing_about_a_guess():
    """Without rho a guess at the witness is confirmed by the published sums; with it, not."""
    case = honest(NO_GRINDING, MANY)
    matrices, public = witness(MANY)
    wrong = [m.copy() for m in matrices]
    wrong[1][0, [3, 4]] += np.array([1, P - 1], np.uint32)
    wrong[1] %= P
    for number, h in enumerate(case.key.shape.heights):
        assert case.prover.sigmas[number] != total_of(case.prover, matrices, h)

    class Unmasked(ReferenceProver):
        def balance_masks(self):
            for h in self.shape.heights:
                self.main[h.log_rows][:E, (1 << h.log_rows) - self.params.blinding] = 0

    naked = Unmasked(case.key, matrices, public)
    assert reason(case.key, public, naked.prove()) is None
    for number, h in enumerate(case.key.shape.heights):
        assert naked.sigmas[number] == total_of(naked, matrices, h)
    table = next(i for i, h in enumerate(case.key.shape.heights) if h.log_rows == MANY[1])
    assert naked.sigmas[table] != total_of(naked, wrong, case.key.shape.heights[table])


def test_the_masks_of_the_sums_add_up_to_zero_and_differ():
    prover = honest(T4, MANY).prover
    masks = [
        Extension.of(prover.main[h.log_rows][:E, (1 << h.log_rows) - T4.blinding].tolist())
        for h in prover.shape.heights
    ]
    assert sum(masks[1:], masks[0]).is_zero()
    assert len({m.coefficients for m in masks}) == len(masks)


def opened_values(prover) -> set[int]:
    shape = prover.shape
    skip = shape.fixed_tree.query_elements if shape.fixed_tree else 0
    per_query = np.array(prover.elements()[shape.head_elements :]).reshape(-1, shape.query_elements)
    rows = per_query[:, skip : skip + sum(shape.main_tree.widths)]
    return set(rows.reshape(-1).tolist())


def test_n173_proofs_with_other_secrets_share_nothing_and_look_uniform():
    key = key_of(NO_GRINDING, MANY)
    matrices, public = witness(MANY)
    seen = []
    for number in range(12):
        prover = ReferenceProver(key, matrices, public, bytes([number]) * 32)
        proof = prover.prove()
        assert bytes([number]) * 32 not in proof
        seen.append(opened_values(prover))
    for one, other in pairwise(seen):
        assert len(one & other) <= 1
    values = np.array([v for s in seen for v in s])
    counts, _ = np.histogram(values, bins=32, range=(0, P))
    expected = len(values) / 32
    assert float(((counts - expected) ** 2 / expected).sum()) < 80, "31 degrees of freedom"


def test_n171_blinding_rows_are_neither_equal_nor_repeated():
    prover = honest(T4, MANY).prover
    for rows in prover.main.values():
        tail = rows[:, -T4.blinding :]
        assert len({r.tobytes() for r in tail}) == len(tail)
        assert all(len(set(r.tolist())) > T4.blinding - 2 for r in tail)


def test_a_prover_with_the_same_seed_gives_the_same_bytes():
    case = honest(T4, MANY)
    again = ReferenceProver(case.key, case.prover.matrices, case.public).prove()
    assert again == case.proof
    assert SYSTEM.name == "toy"
