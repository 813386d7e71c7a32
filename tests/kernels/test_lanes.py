"""The arithmetic of sixteen rows at once, at the edges of the field and at random, against plain integers."""

import numpy as np
import pytest
from kernel_numbers import EDGES, numbers, words
from numba import njit

from localbento.field.babybear import MONTGOMERY_R_INVERSE, P
from localbento.field.extension import Extension
from localbento_kernels.cpu import lanes
from localbento_kernels.cpu.constraints import invert
from localbento_kernels.cpu.tiles import aligned, aligned_zeros

BLOCK = 32
rng = np.random.default_rng(5)


@njit
def everything(a, b, w, out, block):
    n = block // 16
    lanes.add(((out, 0), (a, 0), (b, 0), n))
    lanes.sub(((out, block), (a, 0), (b, 0), n))
    lanes.mul(((out, 2 * block), (a, 0), (b, 0), n))
    lanes.mul_extension(((out, 5 * block), (a, 0), (b, 0), block, n))
    lanes.scale(((out, 10 * block), (a, 0), (b, 0), block, n))
    lanes.linear_1(((out, 15 * block), (w, 0), (a, 0), block, n))
    lanes.linear_2(((out, 20 * block), (w, 0), (a, 0), (b, 0), block, n))
    lanes.linear_3(((out, 25 * block), (w, 0), (a, 0), (b, 0), (a, block), block, n))
    lanes.linear_4(((out, 30 * block), (w, 0), (a, 0), (b, 0), (a, block), (b, block), block, n))
    lanes.frobenius_1(((out, 35 * block), (a, 0), block, n))
    lanes.frobenius_2(((out, 40 * block), (a, 0), block, n))
    lanes.norm(((out, 45 * block), (a, 0), (b, 0), block, n))
    lanes.inverse_vector(((out, 46 * block), (a, 0)))
    lanes.transpose(((out, 50 * block), (b, 0), 32, 1))
    lanes.fill(((out, 82 * block), (w, 3), n))


def draw(kind: str, count: int) -> np.ndarray:
    result = aligned(count)
    values = {"edges": np.array(EDGES), "largest": np.array([P - 1]), "centre": np.array([P // 2, P // 2 + 1])}
    result[:] = rng.integers(0, P, count) if kind == "random" else rng.choice(values[kind], count)
    return result


def element(array: np.ndarray, register: int, row: int) -> Extension:
    return Extension.of([int(array[(register + i) * BLOCK + row]) * MONTGOMERY_R_INVERSE for i in range(5)])


@pytest.mark.parametrize("kind", ["random", "edges", "largest", "centre"])
def test_routines(kind: str) -> None:
    """Montgomery words are drawn directly, so that the extremes of the machine's numbers are met."""
    a, b, w, before = draw(kind, 5 * BLOCK), draw(kind, 512), draw(kind, 20), draw(kind, 83 * BLOCK)
    out = aligned(len(before))
    out[:] = before
    everything(a, b, w, out, BLOCK)
    assert int(out.max()) < P
    weights = [Extension.of([int(v) * MONTGOMERY_R_INVERSE for v in w[5 * j : 5 * j + 5]]) for j in range(4)]
    canonical_a, canonical_b = numbers(a), numbers(b)
    for row in range(BLOCK):
        x, y = element(a, 0, row), element(b, 0, row)
        x0, y0, x1, y1 = (int(v[at + row]) for at in (0, BLOCK) for v in (canonical_a, canonical_b))
        plain = [int(numbers(out[r * BLOCK + row])) for r in range(3)]
        assert plain == [(x0 + y0) % P, (x0 - y0) % P, x0 * y0 % P]
        assert element(out, 5, row) == x * y
        assert element(out, 10, row) == x * y0
        for register, terms in ((15, 1), (20, 2), (25, 3), (30, 4)):
            products = [f * v for f, v in zip(weights, (x0, y0, x1, y1), strict=True)][:terms]
            assert element(out, register, row) == sum(products, element(before, register, row))
        assert element(out, 35, row) == x.frobenius()
        assert element(out, 40, row) == x.frobenius(2)
        assert int(numbers(out[45 * BLOCK + row])) == (x * y).coefficients[0]
        if row < 16:
            inverse = int(numbers(out[46 * BLOCK + row]))
            assert inverse * x0 % P == (1 if x0 else 0)
            assert out[50 * BLOCK + 32 * row : 50 * BLOCK + 32 * row + 16].tolist() == b[row:256:16].tolist()
    assert set(out[82 * BLOCK :].tolist()) == {int(w[3])}


@pytest.mark.parametrize("block", [16, 64])
def test_inverses_in_f(block: int) -> None:
    scratch = aligned_zeros(30 * block)
    scratch[: 5 * block] = draw("random", 5 * block)
    before = scratch.copy()
    assert invert(scratch, 5 * block, 0, 10 * block, block) == 0
    for row in range(block):
        x, y = (
            Extension.of([int(v) * MONTGOMERY_R_INVERSE for v in array[start + row : start + 5 * block : block]])
            for array, start in ((before, 0), (scratch, 5 * block))
        )
        assert x * y == Extension.ONE


def test_zeros_to_be_inverted_are_counted() -> None:
    scratch = aligned_zeros(30 * 16)
    scratch[:80] = draw("random", 80)
    scratch[3:80:16] = 0
    scratch[9:80:16] = 0
    assert invert(scratch, 80, 0, 160, 16) == 2


def test_words_helper_is_montgomery() -> None:
    assert words([1]).tolist() == [2**32 % P]
