from dataclasses import replace

import numpy as np
import pytest

from localbento.errors import Reason, VerificationError
from localbento.field import polynomial
from localbento.field.babybear import P, domain_point, inverse
from localbento.field.extension import Extension
from localbento.stark import fri
from localbento.stark.algebra import lift, power, times_x
from localbento.stark.constraints import blind_coefficients, blind_polynomial
from localbento.stark.deep import batch_weights
from localbento.stark.native import Native

RNG = np.random.default_rng(7)


def ext() -> Extension:
    return Extension.of(RNG.integers(0, P, 5).tolist())


def native() -> Native:
    return Native(np.zeros(0, np.uint64), 0)


def to(v, x: Extension):
    return v.extension([v.constant(c) for c in x.coefficients])


def back(x) -> Extension:
    return Extension.of(x.x)


@pytest.mark.parametrize("position", [0, 1, 5, 100, 511])
def test_points_of_a_query(position):
    v = native()
    bits = v.to_bits(v.constant(position))[:9]
    assert fri.domain_point(v, 9, bits).x == domain_point(9, position)
    first = position & ~15
    assert fri.fibre_inverse(v, 9, bits, 4).x == inverse(domain_point(9, first))


@pytest.mark.parametrize("log_fibre", [1, 2, 3, 4])
def test_a_fold_is_the_curve_through_the_components(log_fibre):
    """U(x) = sum x^j c_j(x^a): the components of a polynomial are its strided coefficients."""
    a = 1 << log_fibre
    coefficients = [ext() for _ in range(32)]
    values = polynomial.evaluate_on_domain(coefficients, 7)
    v, zeta = native(), ext()
    for i in (0, 3, (128 >> log_fibre) - 1):
        y = domain_point(7 - log_fibre, i)
        expected = Extension.ZERO
        for j in range(a):
            component = polynomial.evaluate(coefficients[j::a], Extension.constant(y))
            expected = expected + zeta**j * component
        fibre = [to(v, x) for x in values[a * i : a * (i + 1)]]
        first = v.constant(inverse(domain_point(7, a * i)))
        assert back(fri.fold_fibre(v, fibre, first, to(v, zeta))) == expected


def test_the_final_polynomial_is_constant_first():
    v, coefficients = native(), [ext() for _ in range(8)]
    found = fri.evaluate_final([to(v, c) for c in coefficients], v.constant(31))
    assert back(found) == polynomial.evaluate(coefficients, Extension.constant(31))


def test_weights_are_the_tensor():
    v, challenges = native(), [ext() for _ in range(4)]
    weights = batch_weights(v, [to(v, r) for r in challenges], 11)
    assert len(weights) == 11
    for number, weight in enumerate(weights):
        expected = Extension.ONE
        for i, r in enumerate(challenges):
            expected = expected * (r if number >> i & 1 else 1 - r)
        assert back(weight) == expected


@pytest.mark.parametrize(("log_rows", "blinding"), [(6, 27), (7, 1), (9, 192)])
def test_z_blind_vanishes_on_the_blinding_rows_only(log_rows, blinding):
    from localbento.field.babybear import root_of_unity

    coefficients = blind_coefficients(log_rows, blinding)
    assert len(coefficients) == blinding + 1
    assert coefficients[-1] == 1
    k, root = 1 << log_rows, root_of_unity(log_rows)
    zeros = [row for row in range(k) if polynomial.evaluate(coefficients, pow(root, row, P)) == 0]
    assert zeros == list(range(k - blinding, k))
    v, z = native(), ext()
    product = Extension.ONE
    for row in range(k - blinding, k):
        product = product * (z - pow(root, row, P))
    assert back(blind_polynomial(v, log_rows, blinding, to(v, z))) == product


def test_small_helpers():
    v, x = native(), ext()
    assert back(times_x(v, to(v, x))) == x * Extension.X
    assert [back(power(to(v, x), n)) for n in (1, 2, 5, 64)] == [x, x * x, x**5, x**64]
    with pytest.raises(ValueError, match="at least 1"):
        power(to(v, x), 0)
    assert back(lift(v, 7)) == Extension.constant(7)
    assert replace(x, coefficients=(0, 0, 0, 0, 0)).is_zero()


class TestNative:
    """The strict algebra: values are not for Python to decide on."""

    def test_bool_and_comparison_raise(self):
        v = native()
        for value in (v.constant(1), to(v, ext()), v.to_bits(v.constant(3))[0], v.digest([1] * 8)):
            with pytest.raises(TypeError, match="truth value"):
                bool(value)
            with pytest.raises(TypeError, match="not compared"):
                assert value == value
            with pytest.raises(TypeError, match="not compared"):
                assert value != 1

    def test_arithmetic_agrees_with_the_reference_single_and_side_by_side(self):
        v = native()
        pairs = [(ext(), ext()) for _ in range(4)] + [(Extension.of([P - 1] * 5),) * 2]
        left = np.array([a.coefficients for a, _ in pairs], np.uint64)
        right = np.array([b.coefficients for _, b in pairs], np.uint64)
        from localbento.stark.native import NativeBase, NativeExt

        many, others, base = NativeExt(left), NativeExt(right), NativeBase(left[:, 1])
        for i, (a, b) in enumerate(pairs):
            x, y, c = to(v, a), to(v, b), v.constant(a.coefficients[1])
            for single, side_by_side, expected in (
                (x + y, many + others, a + b),
                (x - y, many - others, a - b),
                (x * y, many * others, a * b),
                (x * c, many * base, a * a.coefficients[1]),
                (x - c, many - base, a - a.coefficients[1]),
                (3 - x, 3 - many, 3 - a),
                (x * -2, many * -2, a * -2),
                (x * y, many * others, a * b),
            ):
                assert back(single) == expected
                assert Extension.of(side_by_side.x[i].tolist()) == expected
            assert (c * c).x == (base * base).x[i] == a.coefficients[1] ** 2 % P
            assert (c - 5).x == (base - 5).x[i]
            assert (c + 5).x == (base + 5).x[i]

    def test_an_inverse_of_zero_has_a_reason(self):
        v = native()
        with pytest.raises(VerificationError) as caught:
            v.inverse(lift(v, 0), Reason.ZERO_DENOMINATOR, "here")
        assert str(caught.value) == "zero-denominator: here"
        x = ext()
        assert back(v.inverse(to(v, x), Reason.ZERO_DENOMINATOR, "")) * x == Extension.ONE

    def test_a_zero_in_one_query_refuses_that_query(self):
        v = Native(np.array([1, 0, 2], np.uint64), 0)
        bits = [[], [], []]
        with pytest.raises(VerificationError, match="query 1: here") as caught:
            v.each_query(bits, lambda _: v.inverse(lift(v, v.read_base()), Reason.ZERO_DENOMINATOR, "here"))
        assert caught.value.reason is Reason.ZERO_DENOMINATOR

    def test_bits_are_those_of_the_canonical_integer(self):
        v = native()
        bits = v.to_bits(v.constant(P - 1))
        assert sum(b.x << i for i, b in enumerate(bits)) == P - 1
        assert len(bits) == 31

    def test_selection(self):
        v = native()
        zero, one = v.to_bits(v.constant(2))[:2]
        a, b = v.digest([1] * 8), v.digest([2] * 8)
        assert v.select(one, a, b).x == v.select(zero, b, a).x == (1,) * 8
        assert [d.x[0] for d in v.swap_if(one, a, b)] == [2, 1]
        assert [d.x[0] for d in v.swap_if(zero, a, b)] == [1, 2]
        items = [v.constant(i) for i in range(4)]
        assert v.pick([zero, one], items).x == 2
        with pytest.raises(ValueError, match="cannot choose"):
            v.pick([zero], items)

    def test_reading_less_than_the_proof_is_a_bug(self):
        v = Native(np.arange(4, dtype=np.uint64), 1)
        with pytest.raises(RuntimeError, match="before the queries"):
            v.each_query([[]], lambda _: None)
        v = Native(np.arange(4, dtype=np.uint64), 0)
        with pytest.raises(RuntimeError, match="of a query"):
            v.each_query([[]], lambda _: None)
