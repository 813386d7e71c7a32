import math

import pytest
from honest import JOINED, MANY, SHAPES, key_of

from localbento.field.babybear import P
from localbento.stark import soundness
from localbento.stark.params import PARAMETER_SETS, R100, S100, T4, W100
from localbento.stark.shape import make_layers
from localbento.stark.soundness import Counts, counts_of, provable_bits, worst_counts


def one_height(params, h):
    return Counts(params, {h: params.max_functions(h)}, P // 4, 8192, make_layers([h], params))


@pytest.mark.parametrize(
    ("counts", "bits"),
    [
        (worst_counts(S100, 20), 101.7),
        (worst_counts(S100, 21), 101.3),
        (worst_counts(S100, 22), 100.8),
        (worst_counts(R100, 18), 102.1),
        (worst_counts(R100, 20), 101.3),
        (one_height(W100, 15), 102.3),
        (one_height(W100, 17), 101.6),
    ],
)
def test_the_figures_of_the_design(counts, bits):
    """All heights present, each with its limit of functions; the wrap machine has one height."""
    assert round(provable_bits(counts), 1) == bits


@pytest.mark.parametrize("params", [s for s in PARAMETER_SETS.values() if not s.is_toy], ids=lambda s: s.name)
def test_every_admissible_shape_has_a_hundred_bits(params):
    for tallest in range(params.lowest, params.tallest + 1):
        assert provable_bits(worst_counts(params, tallest)) >= 100


@pytest.mark.parametrize("field", ["queries", "grinding"])
def test_fewer_queries_or_bits_would_not_do(field):
    """The test has power: the earlier draft's 86 queries fall below 100 at the tallest height."""
    from dataclasses import replace

    weaker = replace(S100, **{field: getattr(S100, field) - 2})
    assert provable_bits(worst_counts(weaker, 22)) < 100


def test_powers_instead_of_tensor_weights_would_not_do(monkeypatch):
    counts = worst_counts(S100, 22)
    monkeypatch.setattr(soundness, "log2", lambda x: x if x == 1024 or x == 2048 else math.log2(x))
    assert provable_bits(counts) < 99


def test_terms_of_a_shape_by_hand():
    shape = key_of(T4, JOINED).shape
    counts = counts_of(shape)
    assert counts.messages == 4 * 1024 + 1 * 64 + 1 * 256 + 2
    assert counts.constraints == sum(h.constraints for h in shape.heights)
    m = 10
    found = {t.name: t.error for t in soundness.terms(counts, m)}
    lists = (m + 0.5) * 2
    field = float(P) ** 5
    assert found["bus argument"] == pytest.approx(lists * 3 * counts.messages / field)
    assert found["constraint mix"] == pytest.approx(lists * counts.constraints / field)
    assert found["out-of-domain point"] == pytest.approx(lists * (5 * 1024 - 3 * 13) / (field - P))
    theta = 1 - 0.5 * 1.1
    slope = (2 * (m + 0.5) ** 5 + 3 * (m + 0.5) * theta / 4) / (3 / 8)

    def line(n):
        return slope * n + (m + 0.5) * 2

    batch = sum(math.ceil(math.log2(h.functions)) * line(4 << h.log_rows) for h in shape.heights)
    assert found["batching"] == pytest.approx(batch / field)
    assert found["fold 0 (2^10 to 2^6)"] == pytest.approx(30 * line(4 << 6) / field)
    assert found["fold 1 (2^6 to 2^2)"] == pytest.approx(15 * line(4 << 2) / field)
    assert found["queries"] == pytest.approx(0.55**8 / 64, rel=1e-6)


def test_toys_are_toys():
    for params, heights in SHAPES:
        assert provable_bits(key_of(params, heights).shape) < 20


def test_the_table_for_a_person():
    text = soundness.table(key_of(T4, MANY).shape)
    assert text.startswith("T4-toy: rate 1/4, 8 queries, 6 bits of grinding, tallest height 2^8\n")
    assert "fold 0 (2^8 to 2^4)" in text
    assert "all together" in text
