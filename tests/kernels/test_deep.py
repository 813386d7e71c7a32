"""Openings, linear combinations of columns and DEEP words, against sums in F."""

import numpy as np
import pytest
from kernel_numbers import from_planes, numbers, planes, random_element, roots, words

from localbento.field.babybear import P, coset_shift, domain_point, to_montgomery
from localbento.field.extension import Extension
from localbento.stark.prover.numbers import Pole
from localbento.stark.prover.openings import pack_weights
from localbento_kernels.cpu import deep, domains
from localbento_kernels.cpu.tiles import aligned, aligned_zeros

rng = np.random.default_rng(9)


def random_tiles(tiles: int, rows: int):
    values = rng.integers(0, P, (tiles, rows, 16))
    values[:, : rows // 2] = rng.choice([0, 1, P - 1], (tiles, rows // 2, 16))
    return values, words(values)


@pytest.mark.parametrize("bits", [4, 5, 9])
def test_points_of_a_domain(bits: int) -> None:
    points = aligned(1 << bits)
    domains.fill_points(points, to_montgomery(coset_shift(bits)), roots(bits), bits)
    assert numbers(points).tolist() == [domain_point(bits, i) for i in range(1 << bits)]


@pytest.mark.parametrize("block", [16, 64])
def test_barycentric_weights(block: int) -> None:
    bits, z = 7, random_element(rng)
    points, out, pole = aligned(128), aligned(5 * 128), Pole(z)
    domains.fill_points(points, to_montgomery(coset_shift(bits)), roots(bits), bits)
    for first in range(0, 128, 64):
        deep.barycentric_weights(
            points, pole.quartic, pole.norm, out, 128, aligned(deep.INVERSE_REGISTERS * block), block, first, first + 64
        )
    for i, found in enumerate(from_planes(out, 128)):
        x = domain_point(bits, i)
        assert found == x / (Extension.constant(x) - z)


@pytest.mark.parametrize("parts", [1, 3])
def test_open_columns(parts: int) -> None:
    tiles, rows, stride = 3, 24, 32
    values, flat = random_tiles(tiles, stride)
    weights = [random_element(rng) for _ in range(rows)]
    sums = aligned_zeros(tiles * 80)
    for part in range(parts):
        first, last = rows // parts * part, rows // parts * (part + 1)
        deep.open_columns(flat, stride, planes(weights), rows, sums, 0, tiles, first, last)
    found = numbers(sums).reshape(tiles, 5, 16)
    for t in range(tiles):
        for lane in range(16):
            expected = sum((w * int(values[t, i, lane]) for i, w in enumerate(weights)), Extension.ZERO)
            assert Extension.of(found[t, :, lane].tolist()) == expected


@pytest.mark.parametrize("count", [1, 2, 3, 4, 5, 7, 8])
def test_combine_columns(count: int) -> None:
    rows, first_tile = 32, 1
    values, flat = random_tiles(count + 1, rows)
    cells = [random_element(rng) for _ in range(16 * count)]
    start = [random_element(rng) for _ in range(rows)]
    out = planes(start)
    for first in (0, 16):
        deep.combine_columns(
            flat, rows, first_tile, count, pack_weights(cells, count), out, aligned(1280), first, first + 16
        )
    for row, found in enumerate(from_planes(out, rows)):
        row_cells = values[first_tile:, row].ravel()
        assert found == sum((w * int(v) for w, v in zip(cells, row_cells, strict=True)), start[row])


def test_deep_word() -> None:
    bits, n = 6, 64
    points = aligned(n)
    domains.fill_points(points, to_montgomery(coset_shift(bits)), roots(bits), bits)
    z, other, claim, claim_next = (random_element(rng) for _ in range(4))
    batch, sums, mask = ([random_element(rng) for _ in range(n)] for _ in range(3))
    word, first, second = planes(mask), Pole(z), Pole(other)
    claims = words([*claim.coefficients, *claim_next.coefficients])
    deep.deep_word(
        planes(batch),
        planes(sums),
        word,
        points,
        first.quartic,
        first.norm,
        second.quartic,
        second.norm,
        claims,
        n,
        aligned(deep.DEEP_REGISTERS * 16),
        16,
        0,
        n,
    )
    for i, found in enumerate(from_planes(word, n)):
        x = Extension.constant(domain_point(bits, i))
        expected = mask[i] + (batch[i] - claim) / (x - z) + (sums[i] - claim_next) / (x - other)
        assert found == expected
