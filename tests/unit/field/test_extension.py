import pytest
from hypothesis import given
from hypothesis import strategies as st

from localbento.field import extension
from localbento.field.babybear import P
from localbento.field.extension import Extension

edges = st.sampled_from([0, 1, 2, P - 1, P - 2, P // 2]) | st.integers(0, P - 1)
elements = st.tuples(edges, edges, edges, edges, edges).map(Extension)


def test_x_to_the_fifth_is_two() -> None:
    assert Extension.constant(2) == Extension.X**5


def test_two_is_no_fifth_power() -> None:
    assert extension.FROBENIUS_ROOT != 1


@given(elements, elements, elements)
def test_ring_laws(x: Extension, y: Extension, z: Extension) -> None:
    assert x * y == y * x
    assert (x * y) * z == x * (y * z)
    assert x * (y + z) == x * y + x * z
    assert x - y == -(y - x)
    assert x * Extension.ONE == x
    assert x + Extension.ZERO == x
    assert x - x == Extension.ZERO


@given(elements, st.integers(-P, P))
def test_integers_mix_in(x: Extension, n: int) -> None:
    constant = Extension.constant(n)
    assert x + n == n + x == x + constant
    assert x * n == n * x == x * constant
    assert n - x == constant - x


@given(elements)
def test_inverse_and_frobenius(x: Extension) -> None:
    assert x.frobenius() == x**P
    assert x.frobenius(5) == x
    if not x.is_zero():
        assert x * x.inverse() == Extension.ONE
        assert 1 / x == x**-1
        assert x / x == Extension.ONE


@given(st.lists(elements.filter(lambda x: not x.is_zero()), max_size=5))
def test_batch_inverse(values: list[Extension]) -> None:
    assert extension.batch_inverse(values) == [v.inverse() for v in values]


def test_zero_has_no_inverse() -> None:
    with pytest.raises(ZeroDivisionError):
        Extension.ZERO.inverse()
    with pytest.raises(ZeroDivisionError):
        extension.batch_inverse([Extension.ONE, Extension.ZERO])
    with pytest.raises(ZeroDivisionError):
        Extension.ONE / 0


@pytest.mark.parametrize("bad", [(P, 0, 0, 0, 0), (0, 0, 0, 0, -1), (0, 0, 0, 0), (0,) * 6])
def test_only_canonical_coefficients(bad: tuple[int, ...]) -> None:
    with pytest.raises(ValueError, match="five residues"):
        Extension(bad)  # type: ignore[arg-type]


def test_membership_in_the_base_field() -> None:
    assert Extension.constant(7).in_base_field()
    assert not Extension.X.in_base_field()
    assert not Extension.of((1, 0, 0, 0, P - 1)).in_base_field()
