import pytest
from hypothesis import given
from hypothesis import strategies as st

from localbento.field import babybear
from localbento.field.babybear import P

residues = st.integers(0, P - 1)


def test_root_27_has_order_2_to_27() -> None:
    assert pow(31, 15, P) == babybear.ROOT_27
    assert pow(babybear.ROOT_27, 2**26, P) == P - 1


def test_generator_generates() -> None:
    assert all(pow(babybear.GENERATOR, (P - 1) // q, P) != 1 for q in (2, 3, 5))


@pytest.mark.parametrize("log_size", [1, 5, 9, 22, 27])
def test_squaring_maps_a_domain_onto_the_one_below(log_size: int) -> None:
    for position in (0, 1, (1 << log_size) - 1, (1 << log_size) // 3):
        x = babybear.domain_point(log_size, position)
        assert x * x % P == babybear.domain_point(log_size - 1, position >> 1)
    neighbours = [babybear.domain_point(log_size, i) for i in (6 % 2**log_size, 7 % 2**log_size)]
    if log_size > 2:
        assert sum(neighbours) == P


def test_domains_avoid_trace_domains() -> None:
    assert all(pow(babybear.domain_point(j, 1), 2**27, P) != 1 for j in range(1, 28))


@pytest.mark.parametrize("log_size", [-1, 28])
def test_no_domain_beyond_the_field(log_size: int) -> None:
    with pytest.raises(ValueError, match="domain"):
        babybear.coset_shift(log_size)
    with pytest.raises(ValueError, match="root of unity"):
        babybear.root_of_unity(log_size)


@given(residues)
def test_inverse(x: int) -> None:
    if x:
        assert x * babybear.inverse(x) % P == 1
        assert babybear.power(x, -3) * pow(x, 3, P) % P == 1


def test_zero_has_no_inverse() -> None:
    for zero in (0, P):
        with pytest.raises(ZeroDivisionError):
            babybear.inverse(zero)
    with pytest.raises(ZeroDivisionError):
        babybear.batch_inverse([1, 0, 2])


@given(st.lists(st.integers(1, P - 1), max_size=20))
def test_batch_inverse(values: list[int]) -> None:
    assert babybear.batch_inverse(values) == [pow(v, -1, P) for v in values]


@given(residues, residues)
def test_montgomery_form(x: int, y: int) -> None:
    assert babybear.from_montgomery(babybear.to_montgomery(x)) == x
    product = babybear.to_montgomery(x) * babybear.to_montgomery(y) * babybear.MONTGOMERY_R_INVERSE
    assert babybear.from_montgomery(product % P) == x * y % P


@given(st.integers(0, 2**20 - 1))
def test_reversing_bits_twice_is_nothing(x: int) -> None:
    assert babybear.reverse_bits(babybear.reverse_bits(x, 20), 20) == x


def test_reverse_bits_of_nothing() -> None:
    assert babybear.reverse_bits(0, 0) == 0
    assert babybear.reverse_bits(1, 3) == 4
