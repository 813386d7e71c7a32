import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from localbento.field import arrays, babybear
from localbento.field.babybear import P
from localbento.field.extension import Extension

edges = st.sampled_from([0, 1, 2, P - 1, P - 2, P // 2]) | st.integers(0, P - 1)
elements = st.tuples(edges, edges, edges, edges, edges).map(Extension)
pairs = st.lists(st.tuples(elements, elements), min_size=1, max_size=6)


@given(st.lists(st.tuples(edges, edges), min_size=1, max_size=9))
def test_base_operations(values: list[tuple[int, int]]) -> None:
    x, y = (np.array(column, np.uint64) for column in zip(*values, strict=True))
    assert arrays.add(x, y).tolist() == [(a + b) % P for a, b in values]
    assert arrays.sub(x, y).tolist() == [(a - b) % P for a, b in values]
    assert arrays.mul(x, y).tolist() == [a * b % P for a, b in values]
    assert arrays.neg(x).tolist() == [-a % P for a, _ in values]
    assert arrays.power(x, 11).tolist() == [pow(a, 11, P) for a, _ in values]


@given(pairs)
def test_extension_operations(values: list[tuple[Extension, Extension]]) -> None:
    x, y = (arrays.ext(column) for column in zip(*values, strict=True))
    assert arrays.ext_elements(arrays.ext_mul(x, y)) == [a * b for a, b in values]
    assert arrays.ext_elements(arrays.add(x, y)) == [a + b for a, b in values]
    assert arrays.ext_elements(arrays.ext_power(x, 6)) == [a**6 for a, _ in values]
    scaled = arrays.ext_mul_base(x, y[..., 0])
    assert arrays.ext_elements(scaled) == [a * b.coefficients[0] for a, b in values]


@given(st.lists(elements.filter(lambda x: not x.is_zero()), min_size=1, max_size=4))
def test_extension_inverse(values: list[Extension]) -> None:
    inverses = arrays.ext_inverse(arrays.ext(values))
    assert arrays.ext_elements(inverses) == [v.inverse() for v in values]


def test_worst_case_products_do_not_overflow() -> None:
    worst = Extension((P - 1,) * 5)
    product = arrays.ext_mul(arrays.ext([worst]), arrays.ext_constant(worst))
    assert arrays.ext_elements(product) == [worst * worst]


def test_zero_has_no_inverse() -> None:
    with pytest.raises(ZeroDivisionError):
        arrays.inverse(np.array([1, 0], np.uint64))
    with pytest.raises(ZeroDivisionError):
        arrays.ext_inverse(arrays.ext([Extension.ONE, Extension.ZERO]))


def test_base_of_signed_and_large_integers() -> None:
    assert arrays.base([-1, P, 5]).tolist() == [P - 1, 0, 5]
    assert arrays.base(np.array([2**64 - 1], np.uint64)).tolist() == [(2**64 - 1) % P]


def test_dot_and_powers() -> None:
    x = Extension((3, P - 1, 0, 7, 9))
    powers = arrays.ext_powers(arrays.ext_constant(x), 7)
    assert arrays.ext_elements(powers) == [x**i for i in range(7)]
    values = np.array([[1, 2, 3, 4, 5, 6, P - 1], [P - 1] * 7], np.uint64)
    expected = [sum((x**i * v for i, v in enumerate(row)), Extension.ZERO) for row in values.tolist()]
    assert arrays.ext_elements(arrays.ext_dot(powers, values)) == expected


def test_each_its_own_power() -> None:
    root = babybear.root_of_unity(10)
    exponents = np.array([0, 1, 5, 1023], np.uint64)
    assert arrays.power_each(root, exponents, 10).tolist() == [pow(root, e, P) for e in exponents.tolist()]
