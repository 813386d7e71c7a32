import os

import numpy as np
import pytest

from localbento_kernels.cpu import parallel, tiles


@pytest.mark.parametrize(("count", "parts", "multiple"), [(0, 2, 1), (1, 4, 1), (10, 3, 1), (100, 3, 32), (5, 8, 2)])
def test_ranges_cover_without_overlap(count: int, parts: int, multiple: int) -> None:
    ranges = parallel.ranges(count, parts, multiple)
    assert [i for first, last in ranges for i in range(first, last)] == list(range(count))
    assert len(ranges) <= parts
    assert all(first % multiple == 0 for first, _ in ranges)


def test_results_come_in_order() -> None:
    for threads in (1, 2, 5):
        assert parallel.map_threads(lambda x: x * x, list(range(20)), threads) == [x * x for x in range(20)]


def test_what_fails_in_a_thread_fails_here() -> None:
    for threads in (1, 2):
        with pytest.raises(ZeroDivisionError):
            parallel.map_threads(lambda x: 1 // x, [1, 0, 2], threads)


def test_no_threads_is_an_error() -> None:
    with pytest.raises(ValueError, match="at least 1"):
        parallel.map_threads(print, [1], 0)
    with pytest.raises(ValueError, match="at least 1"):
        parallel.ranges(3, 0)


def test_a_forked_child_has_threads_of_its_own() -> None:
    parallel.map_threads(abs, [1, 2], 2)
    child = os.fork()
    if not child:
        os._exit(parallel.map_threads(abs, [-3, -4], 2) != [3, 4])
    assert os.waitpid(child, 0)[1] == 0


def test_packing_and_back() -> None:
    rows = np.arange(7 * 21, dtype=np.uint32).reshape(7, 21)
    packed = tiles.pack(rows)
    assert packed.shape == (2, 7, 16)
    assert tiles.checked(packed) is packed
    assert packed[1, 3, 4] == rows[3, 20]
    assert not packed[1, :, 5:].any()
    assert np.array_equal(tiles.unpack(packed, 21), rows)


def test_memory_is_aligned() -> None:
    for shape in (1, 17, (3, 5, 16)):
        assert tiles.aligned_zeros(shape).ctypes.data % tiles.PAGE_BYTES == 0
    with pytest.raises(ValueError, match="power of two"):
        tiles.log2_rows(tiles.aligned((1, 3, 16)))
