import random

import pytest

from localbento.field import babybear, polynomial
from localbento.field.babybear import P
from localbento.field.extension import Extension


def test_interpolation_inverts_evaluation() -> None:
    rng = random.Random(1)
    for count in (1, 2, 5, 9):
        coefficients = [rng.randrange(P) for _ in range(count)]
        points = rng.sample(range(P), count)
        values = [polynomial.evaluate(coefficients, x) for x in points]
        assert polynomial.interpolate(points, values) == coefficients


def test_repeated_points_are_refused() -> None:
    with pytest.raises(ValueError, match="distinct points"):
        polynomial.interpolate([1, 1], [2, 3])
    with pytest.raises(ValueError, match="distinct points"):
        polynomial.interpolate([1, 2], [3])


@pytest.mark.parametrize("log_rows", [0, 1, 2, 5])
@pytest.mark.parametrize("log_blowup", [0, 1, 2])
def test_extension_of_a_column(log_rows: int, log_blowup: int) -> None:
    rng = random.Random(2)
    rows = [rng.randrange(P) for _ in range(1 << log_rows)]
    w = babybear.root_of_unity(log_rows)
    coefficients = polynomial.interpolate([pow(w, i, P) for i in range(len(rows))], rows)
    assert polynomial.interpolate_trace(rows) == coefficients
    log_size = log_rows + log_blowup
    extended = polynomial.evaluate_on_coset(rows, log_blowup)
    points = [babybear.domain_point(log_size, i) for i in range(1 << log_size)]
    assert extended == [polynomial.evaluate(coefficients, x) for x in points]
    assert polynomial.interpolate_on_domain(extended)[: len(rows)] == coefficients


def test_extension_elements_transform_by_coefficients() -> None:
    rng = random.Random(3)
    rows = [Extension.of([rng.randrange(P) for _ in range(5)]) for _ in range(8)]
    extended = polynomial.evaluate_on_coset(rows, 1)
    for i in range(5):
        column = polynomial.evaluate_on_coset([r.coefficients[i] for r in rows], 1)
        assert [e.coefficients[i] for e in extended] == column


@pytest.mark.parametrize("size", [0, 3, 12])
def test_only_powers_of_two(size: int) -> None:
    with pytest.raises(ValueError, match="power of two"):
        polynomial.interpolate_trace([1] * size)


def test_too_many_coefficients_are_refused() -> None:
    with pytest.raises(ValueError, match="at most 4"):
        polynomial.evaluate_on_domain([1] * 5, 2)
