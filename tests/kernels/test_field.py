import numpy as np
import pytest

from localbento.field import babybear
from localbento.field.babybear import P
from localbento_kernels.cpu import field

EDGES = [0, 1, 2, P - 1, P - 2, P // 2, P // 2 + 1, 2**16, 2**30]


def edge_pairs() -> list[tuple[int, int]]:
    return [(x, y) for x in EDGES for y in EDGES]


def test_scalar_helpers() -> None:
    for x, y in edge_pairs():
        a, b = np.uint32(x), np.uint32(y)
        assert field.mont_add(a, b) == (x + y) % P
        assert field.mont_sub(a, b) == (x - y) % P
        assert field.mont_mul(a, b) == x * y * babybear.MONTGOMERY_R_INVERSE % P
    assert field.mont_mul(np.uint32(2**32 - 1), np.uint32(P - 1)) < P
    x = babybear.to_montgomery(5)
    assert babybear.from_montgomery(int(field.mont_pow(np.uint32(x), P - 2))) == pow(5, -1, P)


@pytest.mark.parametrize("count", [0, 1, 2, 17, 1000])
def test_forms(count: int) -> None:
    rng = np.random.default_rng(count)
    values = rng.integers(0, P, count, dtype=np.uint32)
    values[: len(EDGES)] = EDGES[:count]
    forms = field.to_mont(values)
    assert forms.tolist() == [babybear.to_montgomery(v) for v in values.tolist()]
    assert field.from_mont(forms).tolist() == values.tolist()
    assert field.to_mont(values, out=values) is values
    assert np.array_equal(values, forms)


def test_any_word_has_a_form() -> None:
    words = np.array([P, 2**32 - 1, 0xFFFF], np.uint32)
    assert field.to_mont(words).tolist() == [babybear.to_montgomery(w % P) for w in words.tolist()]


def test_another_shape_of_output_is_refused() -> None:
    with pytest.raises(ValueError, match="expected contiguous"):
        field.to_mont(np.zeros(3, np.uint32), out=np.zeros(4, np.uint32))
    with pytest.raises(ValueError, match="expected contiguous"):
        field.from_mont(np.zeros(3, np.uint32), out=np.zeros(6, np.uint32)[::2])


@pytest.mark.parametrize("count", [1, 2, 5, 999])
def test_batch_inverse(count: int) -> None:
    rng = np.random.default_rng(count)
    values = rng.integers(1, P, count, dtype=np.uint32)
    inverses = field.from_mont(field.batch_inverse(field.to_mont(values)))
    assert inverses.tolist() == babybear.batch_inverse(values.tolist())


def test_zeros_are_not_inverted() -> None:
    with pytest.raises(ZeroDivisionError, match="found 2"):
        field.batch_inverse(np.array([3, 0, 0], np.uint32))
