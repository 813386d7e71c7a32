import pytest

from localbento.errors import UsageError
from localbento.tasks.inputs import encode


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("raw", b"\0abc", b"\0abc"),
        ("words", b"1, 0x10 4294967295\n", bytes.fromhex("01000000 10000000 ffffffff")),
        ("words", b"", b""),
        ("frame", b"abc", bytes.fromhex("03000000 616263")),
        ("bytes", b"\1\2", bytes.fromhex("02000000 01000000 02000000")),
        ("string", b"hello", bytes.fromhex("05000000 68656c6c 6f000000")),
    ],
)
def test_encodings(name, data, expected):
    assert encode(data, name) == expected


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("nothing", b"", "expected one of raw, words, frame, bytes, string, found 'nothing'"),
        ("words", b"1 -1", "found '-1'"),
        ("words", b"4294967296", "found '4294967296'"),
        ("words", b"1.5", "found '1.5'"),
        ("words", b"\xff", "no UTF-8"),
        ("string", b"\xff", "expected UTF-8 text"),
    ],
)
def test_what_cannot_be_encoded_is_refused(name, data, message):
    with pytest.raises(UsageError, match=message):
        encode(data, name)
