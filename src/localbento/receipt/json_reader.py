"""Reading JSON by what is expected, so that nothing is built before it was found to be in its place.

The counterpart of `localbento.receipt.packed` for text that people and other programs pass on: white space and the
order of fields are free, everything else has one form.  Numbers are decimal integers, strings are ASCII without
escapes, bytes are lower-case hex.
"""

import binascii
import re
from collections.abc import Iterator
from typing import Final, NoReturn

from localbento.errors import Reason, VerificationError

_SPACE: Final = re.compile(rb"[ \t\n\r]*")
_NUMBER: Final = re.compile(rb"0|[1-9][0-9]{0,18}(?![0-9])")
_AFTER_NUMBER: Final = b" \t\n\r,]}"
_TEXT: Final = re.compile(rb'"([ !#-\[\]-~]{0,64})"')
"""A short string: printable ASCII but the quote and the backslash."""


class JsonReader:
    """A place in a JSON text.

    Every method raises VerificationError(MALFORMED) if something else stands there, and VerificationError(LIMIT) if it
    is longer than the caller allows.
    """

    def __init__(self, data: bytes) -> None:
        self._data = data
        self._at = 0

    def end(self) -> None:
        """Nothing but white space follows."""
        if self._next() != b"":
            self._refuse("the end")

    def fields(self, names: frozenset[str], what: str) -> Iterator[str]:
        """An object with exactly these fields, each once, in any order.  Read the value after each name."""
        self._exactly(b"{", f"{what}: an object")
        missing = set(names)
        while missing:
            start = self._at
            name = self.text(f"{what}: a field's name")
            if name not in missing:
                self._at = start
                problem = "a second" if name in names else "an unknown"
                self._refuse(f"{what}: the fields {', '.join(sorted(missing))}; there is {problem} field {name!r}")
            missing.remove(name)
            self._exactly(b":", f"{what}: a colon after the field's name")
            yield name
            if missing:
                self._exactly(b",", f"{what}: a comma and the fields {', '.join(sorted(missing))}")
        self._exactly(b"}", f"{what}: no other field")

    def items(self, limit: int, what: str) -> Iterator[int]:
        """A list of at most `limit` items.  Read an item after each step."""
        self._exactly(b"[", f"{what}: a list")
        if self._next() == b"]":
            self._at += 1
            return
        for index in range(limit):
            yield index
            if self._next() == b"]":
                self._at += 1
                return
            self._exactly(b",", f"{what}: a comma or the end of the list")
        raise VerificationError(Reason.LIMIT, f"{what}: expected at most {limit}")

    def nothing(self) -> bool:
        """Whether null stands here; then it is passed."""
        found = self._next() == b"n" and self._data.startswith(b"null", self._at)
        self._at += 4 * found
        return found

    def text(self, what: str) -> str:
        """A short string."""
        self._next()
        found = _TEXT.match(self._data, self._at)
        if found is None:
            self._refuse(f"{what}: a short string without escapes")
        self._at = found.end()
        return found[1].decode("ascii")

    def integer(self, what: str) -> int:
        """An integer that is not negative, below 10^19."""
        self._next()
        found = _NUMBER.match(self._data, self._at)
        if found is None or self._data[found.end() : found.end() + 1] not in _AFTER_NUMBER:
            self._refuse(f"{what}: a whole number that is not negative")
        self._at = found.end()
        return int(found[0])

    def binary(self, limit: int, what: str) -> bytes:
        """Bytes in hex, at most `limit` of them."""
        self._exactly(b'"', f"{what}: a string of hex digits")
        end = self._data.find(b'"', self._at)
        if end < 0:
            self._refuse(f"{what}: a string that ends")
        if end - self._at > 2 * limit:
            raise VerificationError(
                Reason.LIMIT, f"{what}: expected at most {2 * limit} hex digits, found {end - self._at} characters"
            )
        digits = self._data[self._at : end]
        try:
            value = binascii.unhexlify(digits)
        except ValueError:
            self._refuse(f"{what}: an even number of hex digits")
        if digits != digits.lower():
            self._refuse(f"{what}: lower-case hex digits")
        self._at = end + 1
        return value

    def _next(self) -> bytes:
        """Pass white space; the byte that stands there, empty at the end."""
        passed = _SPACE.match(self._data, self._at)
        assert passed is not None  # it matches nothing, too
        self._at = passed.end()
        return self._data[self._at : self._at + 1]

    def _exactly(self, wanted: bytes, what: str) -> None:
        if self._next() != wanted:
            self._refuse(what)
        self._at += 1

    def _refuse(self, what: str) -> NoReturn:
        raise VerificationError(Reason.MALFORMED, f"receipt in JSON, byte {self._at}: expected {what}")
