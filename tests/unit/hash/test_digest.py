import pytest
from hypothesis import given
from hypothesis import strategies as st

from localbento.field.babybear import P
from localbento.hash.digest import Digest


@given(st.lists(st.integers(0, P - 1), min_size=8, max_size=8))
def test_bytes_and_back(words: list[int]) -> None:
    digest = Digest(words)
    assert Digest.from_bytes(digest.to_bytes()) == digest == tuple(words)
    assert bytes.fromhex(digest.hex()) == digest.to_bytes()


def test_bytes_are_little_endian() -> None:
    assert Digest([1, 0, 0, 0, 0, 0, 0, P - 1]).hex() == "01000000" + "0" * 48 + "00000078"


@pytest.mark.parametrize("position", range(8))
@pytest.mark.parametrize("word", [P, 2**32 - 1])
def test_words_beyond_p_are_refused_not_reduced(position: int, word: int) -> None:
    words = [0] * 8
    words[position] = word
    with pytest.raises(ValueError, match=f"below {P}"):
        Digest(words)
    with pytest.raises(ValueError, match=f"word {position}"):
        Digest.from_bytes(b"".join(w.to_bytes(4, "little") for w in words))


@pytest.mark.parametrize("count", [0, 7, 9])
def test_exactly_eight_words(count: int) -> None:
    with pytest.raises(ValueError, match="expected 8 words"):
        Digest([1] * count)
    with pytest.raises(ValueError, match="expected 32 bytes"):
        Digest.from_bytes(bytes(4 * count))
