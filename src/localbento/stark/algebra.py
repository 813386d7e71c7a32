"""The small algebra that the verifier is written over: values, and what can be done with them.

The verifier's text decides on shapes only.  With numbers (`stark.native`) it verifies, with recorders
(`stark.recording`) it becomes a straight-line program.  `bool()` and `==` on a value raise on every backend,
natively too, so the text stays stageable; bits are a type of their own, and a failed check carries its `Reason`.
"""

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from typing import Any, NoReturn, Self, TypeVar

from localbento.errors import Reason

FIELD_BITS = 31


class Value(ABC):  # noqa: B024  (its point is what it refuses)
    """Something whose content Python must not decide on."""

    __slots__ = ()

    def __bool__(self) -> NoReturn:
        msg = "a value has no truth value here: the verifier may branch on shapes only"
        raise TypeError(msg)

    def __eq__(self, other: object) -> NoReturn:
        msg = "values are not compared in Python: state it with assert_equal"
        raise TypeError(msg)

    __hash__ = None  # type: ignore[assignment]


class Base(Value):
    """An element of the base field."""

    __slots__ = ()

    @abstractmethod
    def __add__(self, other: Self | int) -> Self: ...

    @abstractmethod
    def __sub__(self, other: Self | int) -> Self: ...

    @abstractmethod
    def __mul__(self, other: Self | int) -> Self: ...


class Ext(Value):
    """An element of F; a base value or an integer mixes in, on the right."""

    __slots__ = ()

    @abstractmethod
    def __add__(self, other: Any) -> Self: ...

    @abstractmethod
    def __sub__(self, other: Any) -> Self: ...

    @abstractmethod
    def __mul__(self, other: Any) -> Self: ...

    @abstractmethod
    def __rsub__(self, other: int) -> Self: ...

    def __radd__(self, other: int) -> Self:
        return self + other

    def __rmul__(self, other: int) -> Self:
        return self * other


class Bit(Value):
    """0 or 1: only `to_bits` makes one."""

    __slots__ = ()


class Digest(Value):
    """What the tree hash gives; opaque."""

    __slots__ = ()


Choice = TypeVar("Choice", Base, Ext, Digest)
Comparable = Base | Ext | Digest


class Algebra(ABC):
    """What the verifier's text may do."""

    @abstractmethod
    def constant(self, value: int) -> Base:
        """A base field element that the circuit fixes."""

    @abstractmethod
    def digest(self, elements: Sequence[int]) -> Digest:
        """A digest that the circuit fixes."""

    @abstractmethod
    def extension(self, coefficients: Sequence[Base]) -> Ext:
        """The element of F with five coefficients, constant first."""

    @abstractmethod
    def coefficients(self, x: Ext) -> list[Base]:
        """The five coefficients."""

    @abstractmethod
    def inverse(self, x: Ext, reason: Reason, detail: str) -> Ext:
        """The inverse; a zero is refused with this reason."""

    @abstractmethod
    def select(self, bit: Bit, if_one: Choice, if_zero: Choice) -> Choice:
        """One of two values."""

    @abstractmethod
    def to_bits(self, x: Base) -> list[Bit]:
        """The 31 bits of the canonical integer, least significant first."""

    @abstractmethod
    def permutation(self, state: Sequence[Base]) -> list[Base]:
        """Poseidon2 on 24 elements."""

    @abstractmethod
    def hash_elements(self, elements: Sequence[Base]) -> Digest:
        """The digest of a row (leaf sponge, tag 1)."""

    @abstractmethod
    def hash_pair(self, left: Digest, right: Digest) -> Digest:
        """The digest of a node."""

    @abstractmethod
    def digest_elements(self, digest: Digest) -> list[Base]:
        """What the transcript absorbs of a digest."""

    @abstractmethod
    def dot(self, weights: Sequence[Ext], values: Sequence[Base]) -> Ext:
        """The sum of the products."""

    @abstractmethod
    def assert_equal(self, left: Comparable, right: Comparable, reason: Reason, detail: str) -> None:
        """Refuse with this reason unless both are equal."""

    @abstractmethod
    def assert_bits_zero(self, bits: Sequence[Bit], reason: Reason, detail: str) -> None:
        """Refuse with this reason unless all bits are 0."""

    @abstractmethod
    def read_base(self) -> Base:
        """The next element of the proof."""

    @abstractmethod
    def read_digest(self) -> Digest:
        """The next digest of the proof."""

    @abstractmethod
    def each_query(self, indices: Sequence[Sequence[Bit]], body: Callable[[Sequence[Bit]], None]) -> None:
        """Run `body` for the bits of every index (least significant first), in order.

        The proof's advice for a query stands together; natively all queries run side by side.
        """

    # What follows is text over the above.

    def read_elements(self, count: int) -> list[Base]:
        """The next elements of the proof."""
        return [self.read_base() for _ in range(count)]

    def read_extension(self) -> Ext:
        """The next element of F of the proof."""
        return self.extension(self.read_elements(5))

    def read_digests(self, count: int) -> list[Digest]:
        """The next digests of the proof."""
        return [self.read_digest() for _ in range(count)]

    def swap_if(self, bit: Bit, first: Digest, second: Digest) -> tuple[Digest, Digest]:
        """(first, second) where the bit is 0, exchanged where it is 1."""
        return self.select(bit, second, first), self.select(bit, first, second)

    def pick(self, bits: Sequence[Bit], items: Sequence[Choice]) -> Choice:
        """The item whose number has these bits, least significant first; 2^len(bits) items."""
        if len(items) != 1 << len(bits):
            msg = f"pick: {len(bits)} bits cannot choose among {len(items)} items"
            raise ValueError(msg)
        left = list(items)
        for bit in bits:
            left = [self.select(bit, left[i + 1], left[i]) for i in range(0, len(left), 2)]
        return left[0]


def lift(v: Algebra, x: Base | int) -> Ext:
    """A base value as an element of F."""
    first = v.constant(x) if isinstance(x, int) else x
    zero = v.constant(0)
    return v.extension([first, zero, zero, zero, zero])


def times_x(v: Algebra, x: Ext) -> Ext:
    """X times x, with X^5 = 2."""
    a0, a1, a2, a3, a4 = v.coefficients(x)
    return v.extension([a4 * 2, a0, a1, a2, a3])


def power(x: Ext, exponent: int) -> Ext:
    """x^exponent for a fixed exponent of at least 1."""
    if exponent < 1:
        msg = f"power: expected an exponent of at least 1, found {exponent}"
        raise ValueError(msg)
    result: Ext | None = None
    square = x
    while True:
        if exponent & 1:
            result = square if result is None else result * square
        exponent >>= 1
        if not exponent:
            return result if result is not None else square
        square = square * square
