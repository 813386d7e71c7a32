"""The algebra of numbers: the one with which a proof is verified.

A value before the queries is a Python integer (five for an element of F), exact; a value inside the queries is
a numpy array over all of them, `uint64[q]` or `uint64[q, 5]`, canonical.  A check inside the queries is
remembered for each query, and the first failure of the lowest query is what the verifier reports: the
same that a program gives which does the queries one after another.
"""

# ruff: noqa: D102  (the algebra says what its operations do)

from collections.abc import Callable, Sequence
from typing import Any, TypeAlias, cast

import numpy as np
from numpy.typing import NDArray

from localbento.errors import Reason, VerificationError
from localbento.field import arrays
from localbento.field.babybear import P
from localbento.field.extension import Coefficients, Extension, multiply_coefficients
from localbento.hash.poseidon2 import compress_batch, hash_leaf_batch, permute_one
from localbento.stark.algebra import (
    FIELD_BITS,
    Algebra,
    Base,
    Bit,
    Choice,
    Comparable,
    Digest,
    Ext,
)
from localbento.stark.params import DIGEST_LENGTH, EXTENSION_DEGREE

Array: TypeAlias = NDArray[np.uint64]


class NativeBase(Base):
    """An integer, or uint64[q]."""

    __slots__ = ("x",)

    def __init__(self, x: int | Array) -> None:
        self.x = x

    def __add__(self, other: "NativeBase | int") -> "NativeBase":
        a, b = self.x, other if isinstance(other, int) else other.x
        if isinstance(a, int) and isinstance(b, int):
            return NativeBase((a + b) % P)
        return NativeBase(arrays.add(_array(a), _array(b)))

    def __sub__(self, other: "NativeBase | int") -> "NativeBase":
        a, b = self.x, other if isinstance(other, int) else other.x
        if isinstance(a, int) and isinstance(b, int):
            return NativeBase((a - b) % P)
        return NativeBase(arrays.sub(_array(a), _array(b)))

    def __mul__(self, other: "NativeBase | int") -> "NativeBase":
        a, b = self.x, other if isinstance(other, int) else other.x
        if isinstance(a, int) and isinstance(b, int):
            return NativeBase(a * b % P)
        return NativeBase(arrays.mul(_array(a), _array(b)))


def _array(x: int | Array) -> Array:
    return np.asarray(x % P, np.uint64) if isinstance(x, int) else x


class NativeExt(Ext):
    """Five integers, or uint64[q, 5]."""

    __slots__ = ("x",)

    def __init__(self, x: Coefficients | Array) -> None:
        self.x = x

    def __add__(self, other: "NativeExt | NativeBase | int") -> "NativeExt":
        a, b = self.x, _lifted(other)
        if isinstance(a, tuple) and isinstance(b, tuple):
            (a0, a1, a2, a3, a4), (b0, b1, b2, b3, b4) = a, b
            return NativeExt(((a0 + b0) % P, (a1 + b1) % P, (a2 + b2) % P, (a3 + b3) % P, (a4 + b4) % P))
        return NativeExt(arrays.add(_ext_array(a), _ext_array(b)))

    def __sub__(self, other: "NativeExt | NativeBase | int") -> "NativeExt":
        a, b = self.x, _lifted(other)
        if isinstance(a, tuple) and isinstance(b, tuple):
            (a0, a1, a2, a3, a4), (b0, b1, b2, b3, b4) = a, b
            return NativeExt(((a0 - b0) % P, (a1 - b1) % P, (a2 - b2) % P, (a3 - b3) % P, (a4 - b4) % P))
        return NativeExt(arrays.sub(_ext_array(a), _ext_array(b)))

    def __rsub__(self, other: int) -> "NativeExt":
        return NativeExt(_lifted(other)) - self

    def __mul__(self, other: "NativeExt | NativeBase | int") -> "NativeExt":
        a = self.x
        if isinstance(other, NativeExt):
            b = other.x
            if isinstance(a, tuple) and isinstance(b, tuple):
                return NativeExt(multiply_coefficients(a, b))
            return NativeExt(arrays.ext_mul(_ext_array(a), _ext_array(b)))
        scale = other if isinstance(other, int) else other.x
        if isinstance(a, tuple) and isinstance(scale, int):
            a0, a1, a2, a3, a4 = a
            return NativeExt((a0 * scale % P, a1 * scale % P, a2 * scale % P, a3 * scale % P, a4 * scale % P))
        return NativeExt(arrays.ext_mul_base(_ext_array(a), _array(scale)))


def _lifted(x: "NativeExt | NativeBase | int") -> Coefficients | Array:
    if isinstance(x, NativeExt):
        return x.x
    value = x if isinstance(x, int) else x.x
    if isinstance(value, int):
        return (value % P, 0, 0, 0, 0)
    return arrays.ext_lift(value)


def _ext_array(x: Coefficients | Array) -> Array:
    return np.array(x, np.uint64) if isinstance(x, tuple) else x


class NativeBit(Bit):
    """0 or 1, or bool[q]."""

    __slots__ = ("x",)

    def __init__(self, x: int | NDArray[np.bool_]) -> None:
        self.x = x


class NativeDigest(Digest):
    """Eight integers, or uint64[q, 8]."""

    __slots__ = ("x",)

    def __init__(self, x: tuple[int, ...] | Array) -> None:
        self.x = x


class Native(Algebra):
    """Verifies one proof, given its elements `uint64[n]` and the number of those before the queries."""

    def __init__(self, elements: Array, head: int) -> None:
        self._head: list[int] = elements[:head].tolist()
        self._tail = elements[head:]
        self._at = 0
        self._block: Array | None = None
        self._failures: list[tuple[Reason, str] | None] = []

    # -- values ---------------------------------------------------------------------------------

    def constant(self, value: int) -> NativeBase:
        return NativeBase(value % P)

    def digest(self, elements: Sequence[int]) -> NativeDigest:
        return NativeDigest(tuple(elements))

    def extension(self, coefficients: Sequence[Base]) -> NativeExt:
        values = [c.x for c in cast(Sequence[NativeBase], coefficients)]
        if all(isinstance(x, int) for x in values):
            return NativeExt(cast(Coefficients, tuple(values)))
        return NativeExt(np.stack(np.broadcast_arrays(*(_array(x) for x in values)), axis=-1))

    def coefficients(self, x: Ext) -> list[Base]:
        value = cast(NativeExt, x).x
        if isinstance(value, tuple):
            return [NativeBase(c) for c in value]
        return [NativeBase(value[..., i]) for i in range(EXTENSION_DEGREE)]

    def inverse(self, x: Ext, reason: Reason, detail: str) -> NativeExt:
        value = cast(NativeExt, x).x
        if isinstance(value, tuple):
            if not any(value):
                raise VerificationError(reason, detail)
            return NativeExt(Extension(value).inverse().coefficients)
        zero = np.logical_not(value.any(axis=-1))
        self._fail(zero, reason, detail)
        # A refused query goes on with some value: its verdict stands already.
        safe = np.where(zero[..., None], arrays.ext_constant(1), value)
        return NativeExt(arrays.ext_inverse(safe))

    def select(self, bit: Bit, if_one: Choice, if_zero: Choice) -> Choice:
        chosen = cast(NativeBit, bit).x
        kind: Any = type(if_one)
        one, zero = cast(Any, if_one).x, cast(Any, if_zero).x
        if isinstance(chosen, int):
            return cast(Choice, kind(one if chosen else zero))
        one, zero = np.asarray(one, np.uint64), np.asarray(zero, np.uint64)
        mask = chosen if kind is NativeBase else chosen[:, None]
        return cast(Choice, kind(np.where(mask, one, zero)))

    def to_bits(self, x: Base) -> list[Bit]:
        value = cast(NativeBase, x).x
        if isinstance(value, int):
            return [NativeBit(value >> i & 1) for i in range(FIELD_BITS)]
        return [NativeBit((value >> np.uint64(i)) & np.uint64(1) == 1) for i in range(FIELD_BITS)]

    def dot(self, weights: Sequence[Ext], values: Sequence[Base]) -> NativeExt:
        if len(weights) != len(values):
            msg = f"dot: {len(weights)} weights, {len(values)} values"
            raise ValueError(msg)
        w = np.stack([_ext_array(cast(NativeExt, x).x) for x in weights])
        cells = _stack(values)
        result = arrays.ext_dot(w, cells)
        if result.ndim == 1:
            return NativeExt(cast(Coefficients, tuple(result.tolist())))
        return NativeExt(result)

    # -- hashing --------------------------------------------------------------------------------

    def permutation(self, state: Sequence[Base]) -> list[Base]:
        values = [s.x for s in cast(Sequence[NativeBase], state)]
        if not all(isinstance(x, int) for x in values):
            msg = "the transcript ends before the queries"
            raise TypeError(msg)
        return [NativeBase(x) for x in permute_one(cast(list[int], values))]

    def hash_elements(self, elements: Sequence[Base]) -> NativeDigest:
        return NativeDigest(hash_leaf_batch(np.atleast_2d(_stack(elements))))

    def hash_pair(self, left: Digest, right: Digest) -> NativeDigest:
        a, b = (np.atleast_2d(np.asarray(cast(NativeDigest, d).x, np.uint64)) for d in (left, right))
        a, b = np.broadcast_arrays(a, b)
        return NativeDigest(compress_batch(a, b))

    def digest_elements(self, digest: Digest) -> list[Base]:
        value = cast(NativeDigest, digest).x
        if not isinstance(value, tuple):
            msg = "the transcript ends before the queries"
            raise TypeError(msg)
        return [NativeBase(x) for x in value]

    # -- checks ---------------------------------------------------------------------------------

    def assert_equal(self, left: Comparable, right: Comparable, reason: Reason, detail: str) -> None:
        a, b = cast(Any, left).x, cast(Any, right).x
        if self._block is None:
            if a != b:
                raise VerificationError(reason, detail)
            return
        different = np.asarray(a, np.uint64) != np.asarray(b, np.uint64)
        self._fail(different if isinstance(left, NativeBase) else different.any(axis=-1), reason, detail)

    def assert_bits_zero(self, bits: Sequence[Bit], reason: Reason, detail: str) -> None:
        for bit in cast(Sequence[NativeBit], bits):
            if isinstance(bit.x, int):
                if bit.x:
                    raise VerificationError(reason, detail)
            else:
                self._fail(bit.x, reason, detail)

    def _fail(self, where: NDArray[np.bool_], reason: Reason, detail: str) -> None:
        if not where.any():
            return
        for query in np.flatnonzero(np.broadcast_to(where, (len(self._failures),))):
            if self._failures[query] is None:
                self._failures[query] = (reason, detail)

    # -- advice ---------------------------------------------------------------------------------

    def read_base(self) -> NativeBase:
        at = self._at
        self._at += 1
        if self._block is None:
            return NativeBase(self._head[at])
        return NativeBase(self._block[:, at])

    def read_digest(self) -> NativeDigest:
        at = self._at
        self._at += DIGEST_LENGTH
        if self._block is None:
            return NativeDigest(tuple(self._head[at : self._at]))
        return NativeDigest(self._block[:, at : self._at])

    def each_query(self, indices: Sequence[Sequence[Bit]], body: Callable[[Sequence[Bit]], None]) -> None:
        if self._at != len(self._head):
            msg = f"{len(self._head)} elements before the queries, {self._at} were read"
            raise RuntimeError(msg)
        bits = [
            NativeBit(np.array([cast(NativeBit, b).x for b in column], np.bool_))
            for column in zip(*indices, strict=True)
        ]
        # Column-major: the verifier reads whole columns over all queries.
        self._block = np.asfortranarray(self._tail.reshape(len(indices), -1))
        self._failures = [None] * len(indices)
        self._at = 0
        body(bits)
        if self._at != self._block.shape[1]:
            msg = f"{self._block.shape[1]} elements of a query, {self._at} were read"
            raise RuntimeError(msg)
        for query, failure in enumerate(self._failures):
            if failure is not None:
                reason, detail = failure
                raise VerificationError(reason, f"query {query}: {detail}")
        self._block = None


def _stack(values: Sequence[Base]) -> Array:
    """uint64[n], or uint64[q, n] if any value is an array."""
    columns = [v.x for v in cast(Sequence[NativeBase], values)]
    if all(isinstance(x, int) for x in columns):
        return np.array(columns, np.uint64)
    return np.stack(np.broadcast_arrays(*(_array(x) for x in columns)), axis=-1)
