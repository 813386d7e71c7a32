"""Arithmetic of sixteen rows at once, emitted as LLVM, and functions of it that numba calls.

Why it is fast: a sum of products is reduced once.  Four products of residues stay below 2^64 (4 p^2 is 0.88 of
it), so a linear combination reduces every fourth product; a product in F has five products to a coefficient,
and they fit when both factors are centred around zero (5 (p/2)^2 < 2^63).
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from localbento_kernels.cpu import vector
from localbento_kernels.cpu.vector import (
    I64,
    LANES,
    P_INVERSE,
    POINTER,
    V32,
    V64,
    P,
    Value,
    high_half,
    high_signed,
    low_half,
    low_signed,
    splat,
)

DEGREE: Final = 5


class Emitter:
    """Vector arithmetic, emitted at the place of an IR builder."""

    def __init__(self, builder: Value) -> None:
        self.b = builder

    def shuffle(self, x: Value, y: Value, picks: Sequence[int]) -> Value:
        """Lanes of x and y, by number."""
        return vector.shuffle(self.b, x, y, picks)

    def broadcast(self, pointer: Value) -> Value:
        """The word at `pointer` in every lane."""
        return vector.broadcast(self.b, self.b.load(pointer, align=4))

    def broadcast_half(self, pointer: Value) -> Value:
        """The word at `pointer`, extended to 64 bits, in every half lane."""
        return vector.broadcast(self.b, self.b.zext(self.b.load(pointer, align=4), I64), V64)

    def add(self, x: Value, y: Value) -> Value:
        """X + y mod p."""
        return vector.add(self.b, x, y)

    def sub(self, x: Value, y: Value) -> Value:
        """X - y mod p."""
        return vector.sub(self.b, x, y)

    def centred(self, x: Value) -> Value:
        """The representative in [-(p-1)/2, (p-1)/2]."""
        high = self.b.icmp_signed(">", x, splat((P - 1) // 2))
        return self.b.select(high, self.b.sub(x, splat(P)), x)

    def halves(self, x: Value) -> tuple[Value, Value]:
        """Even and odd lanes as unsigned 64-bit numbers."""
        return low_half(self.b, x), high_half(self.b, x)

    def signed_halves(self, x: Value) -> tuple[Value, Value]:
        """Even and odd lanes as signed 64-bit numbers."""
        return low_signed(self.b, x), high_signed(self.b, x)

    def join_high(self, even: Value, odd: Value) -> Value:
        """The high words of both."""
        return vector.join_high(self.b, even, odd)

    def _high_of_multiple(self, even: Value, odd: Value) -> Value:
        """The high words of q p, with q p = sum (mod 2^32), 0 <= q < 2^32."""
        b, low = self.b, splat(0xFFFFFFFF, V64)
        products = []
        for part in (even, odd):
            q = b.mul(b.and_(part, low), splat(P_INVERSE, V64))
            products.append(b.mul(b.and_(q, low), splat(P, V64)))
        return self.join_high(*products)

    def reduce(self, even: Value, odd: Value) -> Value:
        """Sum / 2^32 mod p, of unsigned sums of at most four products of residues.

        The high word is below 1.875 p, so one correction brings it below p.
        """
        high = self.join_high(even, odd)
        high = vector.reduced(self.b, high)
        return self.sub(high, self._high_of_multiple(even, odd))

    def reduce_signed(self, even: Value, odd: Value) -> Value:
        """Sum / 2^32 mod p, of signed sums of at most five products of centred residues.

        The high word lies in (-0.59 p, 0.59 p).
        """
        high = self.join_high(even, odd)
        high = vector.minimum(self.b, high, self.b.add(high, splat(P)))
        return self.sub(high, self._high_of_multiple(even, odd))

    def mul(self, x: Value, y: Value) -> Value:
        """X y / 2^32 mod p."""
        (x0, x1), (y0, y1) = self.halves(x), self.halves(y)
        even, odd = self.b.mul(x0, y0), self.b.mul(x1, y1)
        return self.sub(self.join_high(even, odd), self._high_of_multiple(even, odd))

    def mul_extension(self, x: Sequence[Value], y: Sequence[Value]) -> list[Value]:
        """The product in F_p[X]/(X^5 - 2)."""
        b = self.b
        a = [self.signed_halves(self.centred(v)) for v in x]
        c = [self.signed_halves(self.centred(v)) for v in y]
        twice = [self.signed_halves(self.centred(self.add(v, v))) for v in y]
        result = []
        for k in range(DEGREE):
            sums = []
            for half in (0, 1):
                terms = [
                    b.mul(a[i][half], c[k - i][half] if i <= k else twice[k - i + DEGREE][half]) for i in range(DEGREE)
                ]
                total = terms[0]
                for term in terms[1:]:
                    total = b.add(total, term)
                sums.append(total)
            result.append(self.reduce_signed(*sums))
        return result

    def norm_coefficient(self, x: Sequence[Value], y: Sequence[Value]) -> Value:
        """The constant coefficient of x y."""
        b = self.b
        sums: list[Value] = [None, None]
        for i in range(DEGREE):
            other = y[0] if i == 0 else self.add(y[DEGREE - i], y[DEGREE - i])
            left, right = self.signed_halves(self.centred(x[i])), self.signed_halves(self.centred(other))
            for half in (0, 1):
                term = b.mul(left[half], right[half])
                sums[half] = term if sums[half] is None else b.add(sums[half], term)
        return self.reduce_signed(*sums)

    def inverse(self, x: Value) -> Value:
        """x^(p-2), zero for zero; p - 2 in binary is 1110 and then twenty-seven ones."""
        x2 = self.mul(x, x)
        x7 = self.mul(self.mul(self.mul(x2, x), self.mul(x2, x)), x)
        result = self.mul(x7, x7)
        for _ in range(9):
            for _ in range(3):
                result = self.mul(result, result)
            result = self.mul(result, x7)
        return result

    def transpose(self, rows: Sequence[Value]) -> list[Value]:
        """Sixteen rows of sixteen words to columns."""
        return vector.transpose(self.b, rows)


class Routine(Emitter):
    """An LLVM function of pointers and integers, under construction."""

    def __init__(self, module: Value, name: str, pointers: int, integers: int) -> None:
        kind = ir.FunctionType(ir.VoidType(), [POINTER] * pointers + [I64] * integers)
        self.f = ir.Function(module, kind, name)
        self.f.linkage = "internal"
        self.f.attributes.add("noinline")
        super().__init__(ir.IRBuilder(self.f.append_basic_block("entry")))
        self.pointers: list[Value] = list(self.f.args[:pointers])
        self.integers: list[Value] = list(self.f.args[pointers:])

    def at(self, pointer: Value, words: Value) -> Value:
        """The pointer moved by a number of words."""
        return self.b.gep(pointer, [I64(words) if isinstance(words, int) else words])

    def load(self, pointer: Value, words: Value = 0, align: int = 64) -> Value:
        """The vector at a place; by default its alignment is that of a vector."""
        return self.b.load(self.b.bitcast(self.at(pointer, words), V32.as_pointer()), align=align)

    def store(self, value: Value, pointer: Value, words: Value = 0) -> None:
        """Store a vector at a place."""
        self.b.store(value, self.b.bitcast(self.at(pointer, words), V32.as_pointer()), align=64)

    def load_element(self, pointer: Value, offset: Value, stride: Value) -> list[Value]:
        """Five vectors, `stride` words apart."""
        return [self.load(pointer, self.b.add(offset, self.b.mul(stride, I64(i)))) for i in range(DEGREE)]

    def store_element(self, values: Sequence[Value], pointer: Value, offset: Value, stride: Value) -> None:
        """Store five vectors, `stride` words apart."""
        for i, value in enumerate(values):
            self.store(value, pointer, self.b.add(offset, self.b.mul(stride, I64(i))))

    def loop(self, count: Value, body: Callable[[Value], None]) -> None:
        """`body(i)` for i from 0, count > 0 times."""
        b = self.b
        entry, start, end = b.block, self.f.append_basic_block("loop"), self.f.append_basic_block("after")
        b.branch(start)
        b.position_at_end(start)
        i = b.phi(I64)
        i.add_incoming(I64(0), entry)
        body(i)
        following = b.add(i, I64(1))
        i.add_incoming(following, b.block)
        b.cbranch(b.icmp_unsigned("<", following, count), start, end)
        b.position_at_end(end)

    def vectors(self, count: Value, body: Callable[[Value], None]) -> None:
        """`body(words)` for the place of each of `count` vectors of a register."""
        self.loop(count, lambda i: body(self.b.mul(i, I64(LANES))))


def routine(name: str, pointers: int, integers: int, define: Callable[[Routine], None]) -> Any:
    """A routine that compiled code calls with one tuple: `pointers` pairs (array, start), then the integers."""

    def emit(context: Any, b: Value, signature: Any, args: Sequence[Value]) -> Value:
        kinds, values = signature.args[0], []
        for i in range(pointers):
            pair = b.extract_value(args[0], i)
            array = context.make_array(kinds[i][0])(context, b, b.extract_value(pair, 0))
            data = b.bitcast(array.data, POINTER)
            values.append(b.gep(data, [context.cast(b, b.extract_value(pair, 1), kinds[i][1], types.int64)]))
        for i in range(pointers, pointers + integers):
            values.append(context.cast(b, b.extract_value(args[0], i), kinds[i], types.int64))
        function = b.module.globals.get(name)
        if function is None:
            made = Routine(b.module, name, pointers, integers)
            define(made)
            made.b.ret_void()
            function = made.f
        b.call(function, values)
        return context.get_dummy_value()

    @intrinsic
    def call(typing_context: Any, arguments: Any) -> Any:
        if not isinstance(arguments, types.BaseTuple) or len(arguments) != pointers + integers:
            return None
        return types.none(arguments), emit

    return call
