import pytest

from localbento.field.babybear import P
from localbento.hash.poseidon2 import hash_leaf, permute
from localbento.stark.params import R100, S100, T4
from localbento.stark.transcript import MessageType, initial_value, prover_transcript


def test_the_initial_value_by_hand():
    name = list(b"localbento-stark")
    assert initial_value(S100) == tuple(hash_leaf([*name, 1, 1, 1, 1], 4))


def test_a_message_by_hand():
    """A header block, the elements in blocks of 16, each overwriting the rate and followed by a permutation."""
    t = prover_transcript(T4)
    elements = list(range(1, 19))
    t.absorb(MessageType.MAIN_CAP, elements)
    state = [0] * 16 + list(initial_value(T4))
    for block in ([4, 18] + [0] * 14, elements[:16], elements[16:] + [0] * 14):
        state = permute(block + state[16:])
    first = t.squeeze(16)
    assert first == state[:16]
    assert t.squeeze(2) == permute(state)[:2]
    assert t.squeeze_extension() == permute(state)[2:7]


def test_what_is_left_of_the_rate_is_dropped_at_the_next_message():
    t, u = prover_transcript(T4), prover_transcript(T4)
    for x in (t, u):
        x.absorb(MessageType.NONCE, [1])
    t.squeeze(3)
    for x in (t, u):
        x.absorb(MessageType.NONCE, [2])
    assert t.squeeze(4) == u.squeeze(4)


def test_squeezing_before_the_first_message_is_a_bug():
    with pytest.raises(RuntimeError, match="nothing was absorbed"):
        prover_transcript(T4).squeeze()


def test_moving_an_element_across_a_border_changes_everything():
    a, b = prover_transcript(T4), prover_transcript(T4)
    a.absorb(MessageType.SUMS, [1, 2])
    a.absorb(MessageType.NONCE, [3])
    b.absorb(MessageType.SUMS, [1])
    b.absorb(MessageType.NONCE, [2, 3])
    assert a.squeeze(5) != b.squeeze(5)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ((MessageType.SUMS, [1, 2]), (MessageType.NONCE, [1, 2])),
        ((MessageType.SUMS, [1, 2]), (MessageType.SUMS, [1, 2, 0])),
        ((MessageType.SUMS, [1] * 16), (MessageType.SUMS, [1] * 16 + [0])),
        ((MessageType.SUMS, [0]), (MessageType.SUMS, [])),
    ],
)
def test_type_and_length_are_bound(one, other):
    a, b = prover_transcript(T4), prover_transcript(T4)
    a.absorb(*one)
    b.absorb(*other)
    assert a.squeeze(5) != b.squeeze(5)


def test_equal_last_words_do_not_give_equal_challenges():
    """A sponge whose whole state is overwritten forgets (Plonky3 MultiField32Challenger, SP1 v3 1-2)."""
    a, b = prover_transcript(T4), prover_transcript(T4)
    a.absorb(MessageType.SUMS, [1, *range(48)])
    b.absorb(MessageType.SUMS, [2, *range(48)])
    assert a.squeeze(5) != b.squeeze(5)


def test_capacity_is_never_squeezed():
    t = prover_transcript(T4)
    t.absorb(MessageType.SUMS, [1])
    seen = set()
    for _ in range(4):
        secret = set(t.capacity)
        seen |= secret
        assert not secret & set(t.squeeze(16))
    assert not seen & set(t.squeeze(32))


def test_version_set_and_layer_separate():
    values = {initial_value(S100), initial_value(R100), initial_value(T4), initial_value(S100, version=2)}
    assert len(values) == 4


def test_a_copy_goes_its_own_way():
    t = prover_transcript(T4)
    t.absorb(MessageType.SUMS, [P - 1])
    t.squeeze(3)
    u = t.copy()
    assert t.squeeze(20) == u.squeeze(20)
    u.absorb(MessageType.NONCE, [1])
    assert t.events != u.events
