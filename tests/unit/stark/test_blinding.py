import hashlib

import numpy as np
import pytest

from localbento.field.babybear import P
from localbento.stark.blinding import Blinding, Tree, blinding_seed, witness_digest

SEED = {
    "secret": b"k" * 32, "parameters": b"p" * 32, "circuit": (1,) * 8, "heights": (6, 7), "public_values": (3,),
    "witness": b"w" * 32, "segment": 0, "kind": 1, "attempt": 0,
}  # fmt: skip


def seed(**changes):
    fields = {**SEED, **changes}
    return blinding_seed(fields.pop("secret"), **fields)


@pytest.mark.parametrize(
    "changes",
    [
        {"secret": b"l" * 32}, {"parameters": b"q" * 32}, {"circuit": (2,) + (1,) * 7}, {"heights": (7, 6)},
        {"public_values": (4,)}, {"public_values": (3, 0)}, {"witness": b"x" * 32}, {"segment": 1}, {"kind": 2},
        {"attempt": 1},
    ],
)  # fmt: skip
def test_everything_that_a_proof_depends_on_changes_the_seed(changes):
    """Two query sets on the same masks would reveal more rows than there are blinding rows."""
    assert seed(**changes) != seed()
    assert seed() == seed()


def test_streams_are_apart_and_repeatable():
    a = Blinding(seed())
    keys = [(tree, h, column) for tree in Tree for h in (6, 7) for column in (0, 1, 256)]
    streams = {a.elements(*key, 16).tobytes() for key in keys}
    assert len(streams) == len(keys)
    assert (Blinding(seed()).elements(Tree.MASK, 6, 0, 1000)[:16] == a.elements(Tree.MASK, 6, 0, 16)).all()


def test_elements_are_canonical_and_uniform():
    drawn = Blinding(seed()).elements(Tree.MASK, 6, 0, 1 << 16)
    assert drawn.dtype == np.uint32
    assert int(drawn.max()) < P
    counts, _ = np.histogram(drawn, bins=64, range=(0, P))
    chi = float(((counts - 1024.0) ** 2 / 1024.0).sum())
    assert chi < 130, "63 degrees of freedom: above 130 once in 10^6 seeds"


def test_a_stream_by_hand():
    """31-bit rejection, no reduction."""
    key = b"localbento-blind-stream-v1" + seed() + bytes([2, 6]) + (5).to_bytes(4, "little")
    words = np.frombuffer(hashlib.shake_256(key).digest(400), "<u4") & 0x7FFFFFFF
    expected = [int(w) for w in words if w < P][:20]
    assert Blinding(seed()).elements(Tree.BUS, 6, 5, 20).tolist() == expected


def test_a_short_first_draw_goes_on(monkeypatch):
    from localbento.stark import blinding

    expected = Blinding(seed()).elements(Tree.MAIN, 6, 0, 500)
    monkeypatch.setattr(blinding, "_ACCEPTED", 30.0)
    assert (Blinding(seed()).elements(Tree.MAIN, 6, 0, 500) == expected).all()


def test_the_witness_digest_sees_values_and_borders():
    a = np.arange(8, dtype=np.uint32)
    digests = {
        witness_digest([a.reshape(2, 4)]), witness_digest([a.reshape(4, 2)]),
        witness_digest([a[:4].reshape(1, 4), a[4:].reshape(1, 4)]), witness_digest([a.reshape(2, 4) + 1]),
    }  # fmt: skip
    assert len(digests) == 4


def test_a_seed_has_32_bytes():
    with pytest.raises(ValueError, match="32 bytes"):
        Blinding(b"short")
