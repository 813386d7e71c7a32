from honest import JOINED, MANY, ONE, honest, key_of
from toy_machine import SYSTEM

from localbento.stark.params import S100, T4
from localbento.stark.shape import make_layers, make_shape


def test_rows_stand_chip_by_chip_without_padding():
    shape = make_shape(SYSTEM, T4, (6, 6, 7))
    tall, low = shape.heights
    assert (tall.log_rows, low.log_rows) == (7, 6)
    assert [c.index for c in low.chips] == [0, 1]
    step, table = low.chips
    assert (step.main_slice, table.main_slice) == (slice(0, 8), slice(8, 13))
    assert (step.fixed_slice, table.fixed_slice) == (slice(0, 0), slice(0, 2))
    assert step.helper_slice.stop == table.helper_slice.start
    assert low.widths == (2, 13, 5 * (low.helpers + 1), 25)
    assert low.functions == 1 + 2 + 13 + low.helpers + 1 + 4 + 1
    assert shape.total_width == sum(sum(h.widths) for h in shape.heights)


def test_messages_are_grouped_as_the_degree_allows():
    assert [len(g) for g in make_shape(SYSTEM, T4, ONE).chips[0].groups] == [3, 1]


def test_layers_hold_every_height():
    """Stops at H, H - 4, ...; a height at a stop joins, one in between has its fibre in the leaf."""
    layers = make_layers([10, 8, 6], T4)
    assert [(x.top, x.bottom, x.between, x.joins) for x in layers] == [(10, 6, (8,), True), (6, 2, (), False)]
    assert [x.highest_exponent for x in layers] == [30, 15]
    first = layers[0]
    assert [first.exponent(h) for h in (10, 9, 8, 7, 6)] == [0, 16, 24, 28, 30]
    assert first.tree.widths == (5 * (16 + 4),)
    assert make_layers([9, 8], T4)[0].highest_exponent == 16 + 7
    assert make_layers([9, 7], T4)[0].highest_exponent == 24 + 3
    assert make_layers([9, 6], T4)[0].highest_exponent == 28 + 1


def test_layers_of_the_real_set_end_below_the_stop():
    """16 -> 2 folds + 2^8, 19 -> 3 + 2^7, 21 -> 4 + 2^5 (docs/security.md)."""
    found = [(len(make_layers([h], S100)), make_layers([h], S100)[-1].bottom) for h in (9, 16, 18, 19, 20, 21)]
    assert found == [(1, 5), (2, 8), (3, 6), (3, 7), (3, 8), (4, 5)]


def test_the_proof_has_exactly_the_announced_size():
    for heights in (ONE, MANY, JOINED):
        case = honest(T4, heights)
        assert len(case.elements()) == case.key.shape.proof_elements
        assert case.key.shape.proof_bytes == 4 * case.key.shape.proof_elements


def test_sums_are_published_only_between_heights():
    assert not key_of(T4, ONE).shape.has_sums
    assert key_of(T4, MANY).shape.has_sums
