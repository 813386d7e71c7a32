"""Folding, leaves, layout and the parts of the quotient, against their definitions."""

import numpy as np
import pytest
from kernel_numbers import EDGES, from_planes, multiples, numbers, planes, random_element, roots, words

from localbento.field.babybear import P, coset_shift, domain_point, inverse, reverse_bits, root_of_unity, to_montgomery
from localbento.field.extension import Extension
from localbento_kernels.cpu import domains, fri, layout, quotient
from localbento_kernels.cpu.tiles import aligned, aligned_zeros

rng = np.random.default_rng(11)


@pytest.mark.parametrize("bits", [5, 6, 9])
def test_fold(bits: int) -> None:
    n, zeta = 1 << bits, random_element(rng)
    word = [random_element(rng) for _ in range(n)]
    inverses, out = aligned(n // 2), aligned(5 * n // 2)
    base = to_montgomery(inverse(2 * coset_shift(bits) % P))
    domains.fill_points(inverses, base, roots(bits, inverted=True), bits - 1)
    for first in range(0, n // 2, 16):
        fri.fold(
            planes(word), n, inverses, multiples(zeta), words([(P + 1) // 2]), out, aligned(160), 16, first, first + 16
        )
    for j, found in enumerate(from_planes(out, n // 2)):
        a, b, x = word[2 * j], word[2 * j + 1], domain_point(bits, 2 * j)
        assert found == (a + b) / 2 + zeta * (a - b) / (2 * x)


def test_add_scaled() -> None:
    n, factor = 32, random_element(rng)
    to, word = ([random_element(rng) for _ in range(n)] for _ in range(2))
    out = planes(to)
    fri.add_scaled(out, planes(word), n, multiples(factor), aligned(160), 16, 0, n)
    assert from_planes(out, n) == [t + factor * w for t, w in zip(to, word, strict=True)]


@pytest.mark.parametrize(("fibre", "cell"), [(16, 0), (4, 80), (2, 85)])
def test_pack_leaves(fibre: int, cell: int) -> None:
    rows = 16
    word = [random_element(rng) for _ in range(rows * fibre)]
    tiles = aligned_zeros(-(-(cell + 5 * fibre) // 16) * rows * 16)
    fri.pack_leaves(planes(word), rows * fibre, fibre, tiles, rows, cell, 0, rows)
    cells = numbers(tiles).reshape(-1, rows, 16).transpose(1, 0, 2).reshape(rows, -1)
    for row in range(rows):
        expected = [c for e in word[fibre * row : fibre * (row + 1)] for c in e.coefficients]
        assert cells[row, cell : cell + 5 * fibre].tolist() == expected
        assert not cells[row, :cell].any()


@pytest.mark.parametrize("count", [1, 5, 16, 40])
@pytest.mark.parametrize("cell", [0, 3, 16, 30])
def test_place_columns(count: int, cell: int) -> None:
    """Also from memory that is aligned to words only."""
    rows = 64
    memory = np.zeros(count * rows + 1, np.uint32)
    columns = memory[1:].reshape(count, rows)
    columns[:] = rng.integers(0, P, (count, rows))
    columns[:, : len(EDGES)] = EDGES
    tiles = aligned_zeros(-(-(cell + count) // 16) * rows * 16)
    for first in (0, 32):
        layout.place_columns(memory[1:], count, tiles, rows, cell, aligned(256), first, first + 32)
    found = numbers(tiles).reshape(-1, rows, 16).transpose(0, 2, 1).reshape(-1, rows)
    assert (found[cell : cell + count] == columns).all()
    assert not found[:cell].any()
    assert not found[cell + count :].any()


@pytest.mark.parametrize("log_blowup", [2, 3])
def test_next_position(log_blowup: int) -> None:
    log_rows = 4
    bits = log_rows + log_blowup
    for position in range(1 << bits):
        after = (reverse_bits(position, bits) + (1 << log_blowup)) % (1 << bits)
        assert quotient.next_position(position, log_rows) == reverse_bits(after, bits)


@pytest.mark.parametrize("blinding", [4, 7, 27, 32])
def test_blinding_factors(blinding: int) -> None:
    log_rows, log_blowup = 5, 2
    bits, k, root = log_rows + log_blowup, 1 << log_rows, root_of_unity(log_rows)
    points, out = aligned(1 << bits), aligned(1 << bits)
    domains.fill_points(points, to_montgomery(coset_shift(bits)), roots(bits), bits)
    zeros = [pow(root, k - 1 - i, P) for i in range(blinding)]
    runs = [pow(domain_point(bits, run * k), k, P) - 1 for run in range(1 << log_blowup)]
    for first in (0, 64):
        quotient.blinding_factors(out, points, words(zeros), words([inverse(r) for r in runs]), first, first + 64)
    for i, found in enumerate(numbers(out).tolist()):
        x, product = domain_point(bits, i), 1
        for zero in zeros:
            product = product * (x - zero) % P
        assert found == product * inverse(pow(x, k, P) - 1) % P


@pytest.mark.parametrize("has_sum", [True, False])
def test_height_quotient(has_sum: bool) -> None:
    log_rows, n, cell = 4, 64, 13
    mix = [random_element(rng) for _ in range(n)]
    bus, main = rng.integers(0, P, (2, n, 16)), rng.integers(0, P, (1, n, 16))
    powers, sigma, end = [random_element(rng) for _ in range(3)], random_element(rng), 12345
    factors = rng.integers(1, P, n)
    xs = [domain_point(6, i) for i in range(n)]
    out = aligned_zeros(n * 16)
    quotient.height_quotient(
        planes(mix),
        words(factors),
        words(xs),
        words(bus),
        cell,
        words(main),
        has_sum,
        words([1, end]),
        np.concatenate([multiples(p) for p in powers]),
        words(sigma.coefficients),
        log_rows,
        n,
        out,
        aligned(quotient.REGISTERS * 16),
        16,
        0,
        n,
    )
    found, rows = numbers(out).reshape(n, 16), bus.transpose(1, 0, 2).reshape(n, 32)
    for i in range(n):
        s = Extension.of(rows[i, cell : cell + 5].tolist())
        after = Extension.of(rows[quotient.next_position(i, log_rows), cell : cell + 5].tolist())
        rho = Extension.of(main[0, i, :5].tolist()) if has_sum else Extension.ZERO
        expected = (mix[i] + powers[0] * (after - s)) * int(factors[i])
        expected += powers[1] * s / (xs[i] - 1) + powers[2] * (s + rho - sigma) / ((xs[i] - end) % P)
        assert Extension.of(found[i, :5].tolist()) == expected
        assert not found[i, 5:].any()
