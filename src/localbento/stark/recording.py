"""The algebra of recorders: the verifier's text becomes a straight-line program, and an interpreter runs that.

What a recursion compiler will start from, and the proof that the text is stageable: the program of a shape gives
the same verdict, with the same reason, as the algebra of numbers (`tests/soundness/test_recording.py`).
"""

# ruff: noqa: D102  (the algebra says what its operations do)

import hashlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any, Final, TypeVar, cast

from localbento.errors import Reason, VerificationError
from localbento.field.babybear import P
from localbento.field.extension import Coefficients, Extension, multiply_coefficients
from localbento.hash.poseidon2 import compress, hash_leaf, permute
from localbento.stark.algebra import (
    FIELD_BITS,
    Algebra,
    Base,
    Bit,
    Choice,
    Comparable,
    Digest,
    Ext,
    Value,
)
from localbento.stark.keygen import VerifyingKey
from localbento.stark.params import DIGEST_LENGTH, EXTENSION_DEGREE
from localbento.stark.verifier import verify_with


class Op(StrEnum):
    """What an instruction does."""

    CONSTANT = "constant"
    DIGEST = "digest"
    PUBLIC = "public"
    READ_BASE = "read base"
    READ_DIGEST = "read digest"
    BASE_ADD = "base add"
    BASE_SUB = "base sub"
    BASE_MUL = "base mul"
    EXTENSION = "extension"
    COEFFICIENTS = "coefficients"
    EXT_ADD = "ext add"
    EXT_SUB = "ext sub"
    EXT_MUL = "ext mul"
    EXT_SCALE = "ext scale"
    INVERSE = "inverse"
    SELECT = "select"
    TO_BITS = "to bits"
    PERMUTATION = "permutation"
    HASH_ELEMENTS = "hash elements"
    HASH_PAIR = "hash pair"
    DIGEST_ELEMENTS = "digest elements"
    DOT = "dot"
    ASSERT_EQUAL = "assert equal"
    ASSERT_BITS_ZERO = "assert bits zero"


@dataclass(frozen=True, slots=True)
class Instruction:
    """One step: reads values by number, writes the next `outputs` numbers."""

    op: Op
    inputs: tuple[int, ...]
    data: tuple[int, ...] = ()
    outputs: int = 1
    reason: Reason | None = None
    detail: str = ""


@dataclass(eq=False)
class Program:
    """A straight-line program; values are numbered in the order in which they are written."""

    instructions: list[Instruction] = field(default_factory=list)
    values: int = 0

    def add(self, instruction: Instruction) -> int:
        """Append; returns the number of the first value written."""
        self.instructions.append(instruction)
        first = self.values
        self.values += instruction.outputs
        return first

    def digest(self) -> bytes:
        """SHA-256 of the program as text: recording twice gives the same."""
        hasher = hashlib.sha256()
        for i in self.instructions:
            hasher.update(repr((i.op.value, i.inputs, i.data, i.outputs, i.reason, i.detail)).encode())
        return hasher.digest()


class _Recorded(Value):
    __slots__ = ("number", "program")

    def __init__(self, program: Program, number: int) -> None:
        self.program = program
        self.number = number


class RecordedBase(_Recorded, Base):
    """A base value of the program."""

    __slots__ = ()

    def _with(self, op: Op, other: "RecordedBase | int") -> "RecordedBase":
        right = _constant(self.program, other) if isinstance(other, int) else other
        return RecordedBase(self.program, self.program.add(Instruction(op, (self.number, right.number))))

    def __add__(self, other: "RecordedBase | int") -> "RecordedBase":
        return self._with(Op.BASE_ADD, other)

    def __sub__(self, other: "RecordedBase | int") -> "RecordedBase":
        return self._with(Op.BASE_SUB, other)

    def __mul__(self, other: "RecordedBase | int") -> "RecordedBase":
        return self._with(Op.BASE_MUL, other)


def _constant(program: Program, value: int) -> RecordedBase:
    return RecordedBase(program, program.add(Instruction(Op.CONSTANT, (), (value % P,))))


class RecordedExt(_Recorded, Ext):
    """A value in F of the program."""

    __slots__ = ()

    def _with(self, op: Op, other: Any) -> "RecordedExt":
        if isinstance(other, RecordedExt):
            right = other
        else:
            zero = _constant(self.program, 0).number
            first = _constant(self.program, other) if isinstance(other, int) else other
            lifted = Instruction(Op.EXTENSION, (first.number, zero, zero, zero, zero))
            right = RecordedExt(self.program, self.program.add(lifted))
        return RecordedExt(self.program, self.program.add(Instruction(op, (self.number, right.number))))

    def __add__(self, other: Any) -> "RecordedExt":
        return self._with(Op.EXT_ADD, other)

    def __sub__(self, other: Any) -> "RecordedExt":
        return self._with(Op.EXT_SUB, other)

    def __rsub__(self, other: int) -> "RecordedExt":
        return self * -1 + other

    def __mul__(self, other: Any) -> "RecordedExt":
        if isinstance(other, RecordedExt):
            return self._with(Op.EXT_MUL, other)
        scale = _constant(self.program, other) if isinstance(other, int) else other
        instruction = Instruction(Op.EXT_SCALE, (self.number, scale.number))
        return RecordedExt(self.program, self.program.add(instruction))


class RecordedBit(_Recorded, Bit):
    """A bit of the program."""

    __slots__ = ()


class RecordedDigest(_Recorded, Digest):
    """A digest of the program."""

    __slots__ = ()


R = TypeVar("R", bound=_Recorded)


def _numbers(values: Sequence[Value]) -> tuple[int, ...]:
    return tuple(v.number for v in cast(Sequence[_Recorded], values))


class Recorder(Algebra):
    """Writes a program instead of computing."""

    def __init__(self) -> None:
        self.program = Program()
        self._where = ""

    def _one(self, kind: type[R], op: Op, inputs: Sequence[Value] = (), data: Sequence[int] = ()) -> R:
        return kind(self.program, self.program.add(Instruction(op, _numbers(inputs), tuple(data))))

    def _many(self, kind: type[R], op: Op, inputs: Sequence[Value], outputs: int) -> list[R]:
        first = self.program.add(Instruction(op, _numbers(inputs), (), outputs))
        return [kind(self.program, first + i) for i in range(outputs)]

    def _check(self, op: Op, inputs: Sequence[Value], outputs: int, reason: Reason, detail: str) -> int:
        return self.program.add(Instruction(op, _numbers(inputs), (), outputs, reason, self._where + detail))

    def public(self, index: int) -> Base:
        """The public value with this number."""
        return self._one(RecordedBase, Op.PUBLIC, (), (index,))

    def constant(self, value: int) -> Base:
        return _constant(self.program, value)

    def digest(self, elements: Sequence[int]) -> Digest:
        return self._one(RecordedDigest, Op.DIGEST, (), elements)

    def extension(self, coefficients: Sequence[Base]) -> Ext:
        return self._one(RecordedExt, Op.EXTENSION, coefficients)

    def coefficients(self, x: Ext) -> list[Base]:
        return [*self._many(RecordedBase, Op.COEFFICIENTS, [x], EXTENSION_DEGREE)]

    def inverse(self, x: Ext, reason: Reason, detail: str) -> Ext:
        return RecordedExt(self.program, self._check(Op.INVERSE, [x], 1, reason, detail))

    def select(self, bit: Bit, if_one: Choice, if_zero: Choice) -> Choice:
        kind: Any = type(if_one)
        return cast(Choice, self._one(kind, Op.SELECT, [bit, if_one, if_zero]))

    def to_bits(self, x: Base) -> list[Bit]:
        return [*self._many(RecordedBit, Op.TO_BITS, [x], FIELD_BITS)]

    def permutation(self, state: Sequence[Base]) -> list[Base]:
        return [*self._many(RecordedBase, Op.PERMUTATION, state, len(state))]

    def hash_elements(self, elements: Sequence[Base]) -> Digest:
        return self._one(RecordedDigest, Op.HASH_ELEMENTS, elements)

    def hash_pair(self, left: Digest, right: Digest) -> Digest:
        return self._one(RecordedDigest, Op.HASH_PAIR, [left, right])

    def digest_elements(self, digest: Digest) -> list[Base]:
        return [*self._many(RecordedBase, Op.DIGEST_ELEMENTS, [digest], DIGEST_LENGTH)]

    def dot(self, weights: Sequence[Ext], values: Sequence[Base]) -> Ext:
        if len(weights) != len(values):
            msg = f"dot: {len(weights)} weights, {len(values)} values"
            raise ValueError(msg)
        return self._one(RecordedExt, Op.DOT, [*weights, *values])

    def assert_equal(self, left: Comparable, right: Comparable, reason: Reason, detail: str) -> None:
        self._check(Op.ASSERT_EQUAL, [left, right], 0, reason, detail)

    def assert_bits_zero(self, bits: Sequence[Bit], reason: Reason, detail: str) -> None:
        self._check(Op.ASSERT_BITS_ZERO, bits, 0, reason, detail)

    def read_base(self) -> Base:
        return self._one(RecordedBase, Op.READ_BASE)

    def read_digest(self) -> Digest:
        return self._one(RecordedDigest, Op.READ_DIGEST)

    def each_query(self, indices: Sequence[Sequence[Bit]], body: Callable[[Sequence[Bit]], None]) -> None:
        for query, bits in enumerate(indices):
            self._where = f"query {query}: "
            body(bits)
        self._where = ""


def record_verifier(key: VerifyingKey) -> Program:
    """The program that verifies proofs of this key's circuit."""
    recorder = Recorder()
    public = [recorder.public(i) for i in range(len(key.system.public_values))]
    verify_with(recorder, key, public)
    return recorder.program


def interpret(program: Program, public_values: Sequence[int], elements: Sequence[int]) -> None:
    """Run a program on a proof's elements, exactly as many as it reads.

    Raises: VerificationError at the first assertion that fails.
    """
    values: list[Any] = []
    advice, at = list(elements), 0
    wanted = sum(_READS.get(i.op, 0) for i in program.instructions)
    if len(advice) != wanted:
        msg = f"the program reads {wanted} elements, found {len(advice)}"
        raise ValueError(msg)
    for i in program.instructions:
        got = [values[n] for n in i.inputs]
        match i.op:
            case Op.PUBLIC:
                values.append(public_values[i.data[0]])
            case Op.READ_BASE:
                values.append(advice[at])
            case Op.READ_DIGEST:
                values.append(tuple(advice[at : at + DIGEST_LENGTH]))
            case Op.ASSERT_EQUAL | Op.ASSERT_BITS_ZERO | Op.INVERSE:
                values += _checked(i, got)
            case Op.TO_BITS:
                values += [got[0] >> bit & 1 for bit in range(FIELD_BITS)]
            case Op.PERMUTATION:
                values += permute(got)
            case Op.COEFFICIENTS | Op.DIGEST_ELEMENTS:
                values += got[0]
            case _:
                values.append(_computed(i, got))
        at += _READS.get(i.op, 0)


_READS: Final = {Op.READ_BASE: 1, Op.READ_DIGEST: DIGEST_LENGTH}


def _checked(i: Instruction, got: list[Any]) -> list[Any]:
    result: list[Any] = []
    if i.op is Op.ASSERT_EQUAL:
        failed = got[0] != got[1]
    elif i.op is Op.ASSERT_BITS_ZERO:
        failed = any(got)
    else:
        failed = not any(got[0])
        result = [] if failed else [Extension(got[0]).inverse().coefficients]
    if failed and i.reason is not None:
        raise VerificationError(i.reason, i.detail)
    return result


def _computed(i: Instruction, got: list[Any]) -> Any:
    match i.op:
        case Op.CONSTANT:
            return i.data[0]
        case Op.DIGEST:
            return i.data
        case Op.BASE_ADD:
            return (got[0] + got[1]) % P
        case Op.BASE_SUB:
            return (got[0] - got[1]) % P
        case Op.BASE_MUL:
            return got[0] * got[1] % P
        case Op.EXTENSION:
            return tuple(got)
        case Op.EXT_ADD:
            return tuple((a + b) % P for a, b in zip(*got, strict=True))
        case Op.EXT_SUB:
            return tuple((a - b) % P for a, b in zip(*got, strict=True))
        case Op.EXT_MUL:
            return multiply_coefficients(got[0], got[1])
        case Op.EXT_SCALE:
            return tuple(a * got[1] % P for a in got[0])
        case Op.SELECT:
            return got[1] if got[0] else got[2]
        case Op.HASH_ELEMENTS:
            return tuple(hash_leaf(got))
        case Op.HASH_PAIR:
            return tuple(compress(got[0], got[1]))
        case Op.DOT:
            half = len(got) // 2
            return _dot(got[:half], got[half:])
        case _:
            msg = f"unknown instruction {i.op}"
            raise ValueError(msg)


def _dot(weights: Sequence[Coefficients], values: Sequence[int]) -> Coefficients:
    a, b, c, d, e = (sum(w[j] * x for w, x in zip(weights, values, strict=True)) % P for j in range(5))
    return (a, b, c, d, e)
