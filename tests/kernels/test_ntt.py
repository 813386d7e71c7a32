"""Transforms of tiles against their definitions in localbento.field.polynomial."""

import numpy as np
import pytest

from localbento.field import babybear, polynomial
from localbento.field.babybear import P
from localbento_kernels.cpu import ntt
from localbento_kernels.cpu.tiles import Words, aligned


def random_tiles(count: int, log_rows: int, seed: int = 0) -> Words:
    rng = np.random.default_rng(seed + log_rows)
    tiles = aligned((count, 1 << log_rows, 16))
    tiles[:] = rng.integers(0, P, tiles.shape, dtype=np.uint32)
    tiles[0, 0] = P - 1
    return tiles


def value_at(coefficients: Words, x: int) -> int:
    """The value at x, with numpy over the powers of x."""
    powers = np.ones(1, np.uint64)
    while len(powers) < len(coefficients):
        step = np.uint64(pow(x, len(powers), P))
        powers = np.concatenate([powers, powers * step % np.uint64(P)])
    return int((powers * coefficients % np.uint64(P)).sum() % np.uint64(P))


@pytest.mark.parametrize("log_rows", [0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10])
@pytest.mark.parametrize("log_blowup", [0, 1, 2, 3, 5])
def test_extension_of_small_tiles(log_rows: int, log_blowup: int) -> None:
    if log_rows + log_blowup > 11:
        pytest.skip("the twin would be slow")
    tiles = random_tiles(3, log_rows)
    before = tiles.copy()
    extended = ntt.coset_lde(tiles, log_blowup)
    assert np.array_equal(tiles, before)
    for t, lane in ((0, 0), (1, 7), (2, 15)):
        expected = polynomial.evaluate_on_coset(tiles[t, :, lane].tolist(), log_blowup)
        assert extended[t, :, lane].tolist() == expected


@pytest.mark.parametrize("log_rows", [11, 13, 14, 15, 16, 17, 18])
@pytest.mark.parametrize("log_blowup", [1, 2, 3])
def test_extension_of_large_tiles(log_rows: int, log_blowup: int) -> None:
    if log_rows + log_blowup > 19:
        pytest.skip("large")
    tiles = random_tiles(1, log_rows)
    extended = ntt.coset_lde(tiles, log_blowup)
    coefficients = ntt.intt(tiles)
    assert int(extended.max()) < P
    size = 1 << (log_rows + log_blowup)
    for lane, i in ((0, 0), (5, 1), (9, size // 3), (15, size - 1)):
        x = babybear.domain_point(log_rows + log_blowup, i)
        assert int(extended[0, i, lane]) == value_at(coefficients[0, :, lane], x)


@pytest.mark.parametrize("log_rows", [14, 16])
def test_blowup_32(log_rows: int) -> None:
    tiles = random_tiles(1, log_rows)
    extended = ntt.coset_lde(tiles, 5)
    half = ntt.coset_lde(ntt.intt(tiles), 0)  # other values, to be refused
    coefficients = ntt.intt(tiles)
    for i in (3, (1 << (log_rows + 5)) - 2):
        x = babybear.domain_point(log_rows + 5, i)
        assert int(extended[0, i, 2]) == value_at(coefficients[0, :, 2], x)
    assert not np.array_equal(half[0], extended[0, : 1 << log_rows])


@pytest.mark.parametrize("log_rows", [5, 12, 14])
@pytest.mark.parametrize("count", [1, 2, 3])
def test_two_threads_give_the_same(log_rows: int, count: int) -> None:
    tiles = random_tiles(count, log_rows)
    assert np.array_equal(ntt.coset_lde(tiles, 2), ntt.coset_lde(tiles, 2, threads=2))
    assert np.array_equal(ntt.coset_intt(tiles), ntt.coset_intt(tiles, threads=2))
    assert np.array_equal(ntt.coset_ntt(tiles, 1), ntt.coset_ntt(tiles, 1, threads=2))


@pytest.mark.parametrize("log_rows", [0, 1, 2, 5, 6, 9, 11])
def test_transforms_and_back(log_rows: int) -> None:
    tiles = random_tiles(2, log_rows)
    coefficients = ntt.intt(tiles)
    column = tiles[1, :, 3].tolist()
    assert coefficients[1, :, 3].tolist() == polynomial.interpolate_trace(column)
    assert np.array_equal(ntt.ntt(coefficients), tiles)
    on_domain = ntt.coset_intt(tiles)
    assert on_domain[1, :, 3].tolist() == polynomial.interpolate_on_domain(column)
    assert np.array_equal(ntt.coset_ntt(on_domain, 0), tiles)
    expected = polynomial.evaluate_on_domain(column, log_rows + 1)
    assert ntt.coset_ntt(tiles, 1)[1, :, 3].tolist() == expected


def test_large_transforms_come_back() -> None:
    tiles = random_tiles(1, 17)
    assert np.array_equal(ntt.ntt(ntt.intt(tiles)), tiles)
    assert np.array_equal(ntt.coset_ntt(ntt.coset_intt(tiles), 0), tiles)


def test_output_may_be_given() -> None:
    tiles, out = random_tiles(2, 6), aligned((2, 256, 16))
    assert ntt.coset_lde(tiles, 2, out=out) is out
    assert np.array_equal(out, ntt.coset_lde(tiles, 2))
    expected = ntt.coset_intt(tiles)
    assert ntt.coset_intt(tiles, out=tiles) is tiles
    assert np.array_equal(tiles, expected)


def test_what_is_no_tile_is_refused() -> None:
    tiles = random_tiles(1, 4)
    with pytest.raises(ValueError, match="power of two"):
        ntt.coset_lde(aligned((1, 12, 16)), 1)
    with pytest.raises(ValueError, match="expected uint32"):
        ntt.coset_lde(tiles.astype(np.uint64), 1)  # type: ignore[arg-type]
    with pytest.raises(ValueError, match="expected uint32"):
        ntt.ntt(tiles[0])
    with pytest.raises(ValueError, match="C order"):
        ntt.intt(random_tiles(1, 5)[:, ::2])
    with pytest.raises(ValueError, match="expected shape"):
        ntt.coset_lde(tiles, 1, out=aligned((1, 16, 16)))
    with pytest.raises(ValueError, match="at most 2\\^27 points"):
        ntt.coset_lde(tiles, 24)
    with pytest.raises(ValueError, match="threads"):
        ntt.coset_lde(tiles, 1, threads=0)
