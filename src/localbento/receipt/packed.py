"""Reading msgpack by what is expected, so that nothing is built before it was found to be in its place.

A general decoder makes an object of every byte that a stranger sends (a list of empty lists costs sixty times its
length); this one refuses at the first byte that is not the shortest form of what the caller asks for.
"""

from collections.abc import Sequence
from typing import Final, NoReturn

from localbento.errors import Reason, VerificationError

_Form = tuple[int, int, int]
"""Marker, bytes of the length or number that follows, the smallest one that needs this form."""

_BINARY: Final[Sequence[_Form]] = ((0xC4, 1, 0), (0xC5, 2, 1 << 8), (0xC6, 4, 1 << 16))
_INTEGER: Final[Sequence[_Form]] = ((0xCC, 1, 1 << 7), (0xCD, 2, 1 << 8), (0xCE, 4, 1 << 16), (0xCF, 8, 1 << 32))
_LIST: Final[Sequence[_Form]] = ((0xDC, 2, 1 << 4), (0xDD, 4, 1 << 16))
_SHORT_LIST, _SHORT_MAP, _SHORT_TEXT, _NOTHING = 0x90, 0x80, 0xA0, 0xC0


class PackedReader:
    """A place in canonical msgpack.

    Every method raises VerificationError(MALFORMED) if something else, or another form of it, stands there, and
    VerificationError(LIMIT) if it is longer than the caller allows.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def end(self) -> None:
        """Nothing follows."""
        if self._at != len(self._data):
            self._refuse("the end")

    def fields(self, names: Sequence[str]) -> None:
        """The head of a map of as many fields as these (at most 15)."""
        self._exactly(bytes([_SHORT_MAP | len(names)]), f"the fields {', '.join(names)}")

    def text(self, wanted: str) -> None:
        """This text (at most 31 bytes)."""
        encoded = wanted.encode()
        self._exactly(bytes([_SHORT_TEXT | len(encoded)]) + encoded, repr(wanted))

    def nothing(self) -> bool:
        """Whether nil stands here; then it is passed."""
        found = self._byte() == _NOTHING
        self._at += found
        return found

    def integer(self, what: str) -> int:
        """An integer that is not negative."""
        first = self._byte()
        if first is not None and first < 1 << 7:
            self._at += 1
            return first
        return self._number(_INTEGER, f"{what}: a number that is not negative")

    def items(self, limit: int, what: str) -> int:
        """The head of a list: its length, at most `limit`."""
        first = self._byte()
        if first is not None and _SHORT_LIST <= first < _SHORT_LIST + 16:
            self._at += 1
            count = first - _SHORT_LIST
        else:
            count = self._number(_LIST, f"{what}: a list")
        if count > len(self._data) - self._at:
            self._refuse(f"{what}: {count} items")
        if count > limit:
            raise VerificationError(Reason.LIMIT, f"{what}: expected at most {limit}, found {count}")
        return count

    def binary(self, limit: int, what: str) -> bytes:
        """A byte string of at most `limit` bytes."""
        count = self._number(_BINARY, f"{what}: bytes")
        found = self._data[self._at : self._at + count]
        if len(found) != count:
            self._refuse(f"{what}: {count} bytes")
        if count > limit:
            raise VerificationError(Reason.LIMIT, f"{what}: expected at most {limit} bytes, found {count}")
        self._at += count
        return found

    def _byte(self) -> int | None:
        return self._data[self._at] if self._at < len(self._data) else None

    def _exactly(self, wanted: bytes, what: str) -> None:
        if self._data[self._at : self._at + len(wanted)] != wanted:
            self._refuse(what)
        self._at += len(wanted)

    def _number(self, forms: Sequence[_Form], what: str) -> int:
        first = self._byte()
        for marker, size, smallest in forms:
            digits = self._data[self._at + 1 : self._at + 1 + size]
            number = int.from_bytes(digits, "big")
            if first == marker and len(digits) == size and number >= smallest:
                self._at += 1 + size
                return number
        self._refuse(what)

    def _refuse(self, what: str) -> NoReturn:
        raise VerificationError(Reason.MALFORMED, f"receipt, byte {self._at}: expected {what}")
