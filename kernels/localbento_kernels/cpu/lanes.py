"""Sixteen rows at once: routines on runs of vectors, as LLVM functions that numba calls.

A *register* is a run of rows of one column: `block` consecutive words, sixteen to a vector.  An element of F
takes five registers, `block` words apart.  All values are in Montgomery form, in [0, p), unless a name says
otherwise.  Arrays are aligned to 64 bytes, and all starts are multiples of 16 words.

A routine is called with one tuple: ((array, start), ..., integers ...).  It is an LLVM function of its own,
compiled once for each kernel that uses it and never inlined: numba types nothing but the call.

Why it is fast: a sum of products is reduced once.  Four products of residues stay below 2^64 (4 p^2 is 0.88 of
it), so a linear combination reduces every fourth product; a product in F has five products to a coefficient,
and they fit when both factors are centred around zero (5 (p/2)^2 < 2^63).
"""

from collections.abc import Callable, Sequence
from typing import Any, Final, TypeAlias

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

P: Final = 2**31 - 2**27 + 1
P_INVERSE: Final = pow(P, -1, 2**32)
R: Final = 2**32 % P
"""One, in Montgomery form."""
LANES: Final = 16
DEGREE: Final = 5
FROBENIUS: Final = tuple(pow(2, (P - 1) // 5 * i, P) for i in range(DEGREE))
"""X^(i p) = X^i times this, from X^5 = 2."""

I32, I64 = ir.IntType(32), ir.IntType(64)
V32 = ir.VectorType(I32, LANES)
V64 = ir.VectorType(I64, LANES // 2)
POINTER = I32.as_pointer()
ODD_BASE: Final = LANES
_JOIN_HIGH = [i + 1 if i % 2 == 0 else LANES + i for i in range(LANES)]

Value: TypeAlias = Any
"""An LLVM value; llvmlite has no types that mypy could check."""


def splat(value: int, kind: Value = V32) -> Value:
    """The vector constant with this value in every lane."""
    return ir.Constant(kind, [ir.Constant(kind.element, value)] * kind.count)


class Emitter:
    """Vector arithmetic, emitted at the place of an IR builder."""

    def __init__(self, builder: Value) -> None:
        self.b = builder

    def shuffle(self, x: Value, y: Value, picks: Sequence[int]) -> Value:
        """Lanes of x and y, by number."""
        return self.b.shuffle_vector(x, y, ir.Constant(ir.VectorType(I32, len(picks)), [I32(i) for i in picks]))

    def broadcast(self, pointer: Value) -> Value:
        """The word at `pointer` in every lane."""
        undefined = ir.Constant(V32, ir.Undefined)
        first = self.b.insert_element(undefined, self.b.load(pointer, align=4), I32(0))
        return self.shuffle(first, undefined, [0] * LANES)

    def broadcast_half(self, pointer: Value) -> Value:
        """The word at `pointer`, extended to 64 bits, in every half lane."""
        undefined = ir.Constant(V64, ir.Undefined)
        word = self.b.zext(self.b.load(pointer, align=4), I64)
        first = self.b.insert_element(undefined, word, I32(0))
        return self.shuffle(first, undefined, [0] * (LANES // 2))

    def minimum(self, x: Value, y: Value) -> Value:
        """The smaller of unsigned numbers."""
        return self.b.select(self.b.icmp_unsigned("<", x, y), x, y)

    def add(self, x: Value, y: Value) -> Value:
        """X + y mod p: the subtraction wraps exactly when it is not wanted."""
        s = self.b.add(x, y)
        return self.minimum(s, self.b.sub(s, splat(P)))

    def sub(self, x: Value, y: Value) -> Value:
        """X - y mod p."""
        d = self.b.sub(x, y)
        return self.minimum(d, self.b.add(d, splat(P)))

    def centred(self, x: Value) -> Value:
        """The representative in [-(p-1)/2, (p-1)/2]."""
        high = self.b.icmp_signed(">", x, splat((P - 1) // 2))
        return self.b.select(high, self.b.sub(x, splat(P)), x)

    def halves(self, x: Value) -> tuple[Value, Value]:
        """Even and odd lanes as unsigned 64-bit numbers."""
        wide = self.b.bitcast(x, V64)
        return self.b.and_(wide, splat(0xFFFFFFFF, V64)), self.b.lshr(wide, splat(32, V64))

    def signed_halves(self, x: Value) -> tuple[Value, Value]:
        """Even and odd lanes as signed 64-bit numbers."""
        wide = self.b.bitcast(x, V64)
        low = self.b.ashr(self.b.shl(wide, splat(32, V64)), splat(32, V64))
        return low, self.b.ashr(wide, splat(32, V64))

    def join_high(self, even: Value, odd: Value) -> Value:
        """The high words of both."""
        return self.shuffle(self.b.bitcast(even, V32), self.b.bitcast(odd, V32), _JOIN_HIGH)

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
        high = self.minimum(high, self.b.sub(high, splat(P)))
        return self.sub(high, self._high_of_multiple(even, odd))

    def reduce_signed(self, even: Value, odd: Value) -> Value:
        """Sum / 2^32 mod p, of signed sums of at most five products of centred residues.

        The high word lies in (-0.59 p, 0.59 p).
        """
        high = self.join_high(even, odd)
        high = self.minimum(high, self.b.add(high, splat(P)))
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
                    b.mul(a[i][half], c[k - i][half] if i <= k else twice[k - i + DEGREE][half])
                    for i in range(DEGREE)
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

    def transpose(self, rows: list[Value]) -> list[Value]:
        """Sixteen rows of sixteen words to columns: each step moves one bit of the row to the column."""
        count, half = LANES, LANES // 2
        while count > 1:
            rows = [
                self.shuffle(x, y, [i // 2 + 8 * h + LANES * (i % 2) for i in range(LANES)])
                for x, y in zip(rows[:half], rows[half:], strict=True)
                for h in (0, 1)
            ]
            count //= 2
        return rows


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


def _binary(operation: str) -> Callable[[Routine], None]:
    def define(r: Routine) -> None:
        """(to, x, y, vectors)."""
        to, x, y = r.pointers

        def body(at: Value) -> None:
            r.store(getattr(r, operation)(r.load(x, at), r.load(y, at)), to, at)

        r.vectors(r.integers[0], body)

    return define


add = routine("lanes_add", 3, 1, _binary("add"))
sub = routine("lanes_sub", 3, 1, _binary("sub"))
mul = routine("lanes_mul", 3, 1, _binary("mul"))
"""(to, x, y, vectors): each vector of x with that of y."""


def _define_fill(r: Routine) -> None:
    """(to, word, vectors): a word in every lane of every vector."""
    to, word = r.pointers
    value = r.broadcast(word)
    r.vectors(r.integers[0], lambda at: r.store(value, to, at))


fill = routine("lanes_fill", 2, 1, _define_fill)


def _define_mul_extension(r: Routine) -> None:
    """(to, x, y, stride, vectors): products of elements."""
    to, x, y = r.pointers
    stride, vectors = r.integers

    def body(at: Value) -> None:
        product = r.mul_extension(r.load_element(x, at, stride), r.load_element(y, at, stride))
        r.store_element(product, to, at, stride)

    r.vectors(vectors, body)


mul_extension = routine("lanes_mul_extension", 3, 2, _define_mul_extension)


def _define_scale(r: Routine) -> None:
    """(to, x, m, stride, vectors): elements times base residues."""
    to, x, m = r.pointers
    stride, vectors = r.integers

    def body(at: Value) -> None:
        factor = r.load(m, at)
        r.store_element([r.mul(v, factor) for v in r.load_element(x, at, stride)], to, at, stride)

    r.vectors(vectors, body)


scale = routine("lanes_scale", 3, 2, _define_scale)


def _linear(terms: int) -> Callable[[Routine], None]:
    def define(r: Routine) -> None:
        """(to, weights, x_1 .. x_terms, stride, vectors): element += weight_j x_j, weights five words each."""
        to, weights, *sources = r.pointers
        stride, vectors = r.integers
        factors = [
            [r.broadcast_half(r.at(weights, DEGREE * j + i)) for i in range(DEGREE)] for j in range(terms)
        ]

        def body(at: Value) -> None:
            halves = [r.halves(r.load(source, at)) for source in sources]
            for i in range(DEGREE):
                sums = []
                for half in (0, 1):
                    total = r.b.mul(halves[0][half], factors[0][i])
                    for j in range(1, terms):
                        total = r.b.add(total, r.b.mul(halves[j][half], factors[j][i]))
                    sums.append(total)
                place = r.b.add(at, r.b.mul(stride, I64(i)))
                r.store(r.add(r.load(to, place), r.reduce(*sums)), to, place)

        r.vectors(vectors, body)

    return define


linear_1 = routine("lanes_linear_1", 3, 2, _linear(1))
linear_2 = routine("lanes_linear_2", 4, 2, _linear(2))
linear_3 = routine("lanes_linear_3", 5, 2, _linear(3))
linear_4 = routine("lanes_linear_4", 6, 2, _linear(4))


def _frobenius(times: int) -> Callable[[Routine], None]:
    factors = [pow(f, times, P) * R % P for f in FROBENIUS]

    def define(r: Routine) -> None:
        """(to, x, stride, vectors): the p^times-th powers."""
        to, x = r.pointers
        stride, vectors = r.integers

        def body(at: Value) -> None:
            first, *others = r.load_element(x, at, stride)
            powers = [r.mul(v, splat(f)) for v, f in zip(others, factors[1:], strict=True)]
            r.store_element([first, *powers], to, at, stride)

        r.vectors(vectors, body)

    return define


frobenius_1 = routine("lanes_frobenius_1", 2, 2, _frobenius(1))
frobenius_2 = routine("lanes_frobenius_2", 2, 2, _frobenius(2))


def _define_norm(r: Routine) -> None:
    """(to, x, y, stride, vectors): constant coefficients of x y, one register."""
    to, x, y = r.pointers
    stride, vectors = r.integers

    def body(at: Value) -> None:
        r.store(r.norm_coefficient(r.load_element(x, at, stride), r.load_element(y, at, stride)), to, at)

    r.vectors(vectors, body)


norm = routine("lanes_norm", 3, 2, _define_norm)


def _define_inverse(r: Routine) -> None:
    """(to, x): the inverses of one vector."""
    to, x = r.pointers
    r.store(r.inverse(r.load(x)), to)


inverse_vector = routine("lanes_inverse", 2, 0, _define_inverse)


def _define_transpose(r: Routine) -> None:
    """(to, rows, stride, groups): sixteen columns of a tile into registers, `stride` words apart."""
    to, rows = r.pointers
    stride, groups = r.integers

    def body(i: Value) -> None:
        source = r.b.mul(i, I64(LANES * LANES))
        columns = r.transpose([r.load(rows, r.b.add(source, I64(LANES * j))) for j in range(LANES)])
        target = r.b.mul(i, I64(LANES))
        for j, column in enumerate(columns):
            r.store(column, to, r.b.add(target, r.b.mul(stride, I64(j))))

    r.loop(groups, body)


transpose = routine("lanes_transpose", 2, 2, _define_transpose)
