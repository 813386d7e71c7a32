"""The rounds of Poseidon2 on sixteen states at once, as LLVM functions called from compiled code.

Word i of sixteen states is one vector; the states stay in the L1 cache, not in registers.  A state is 58 vectors:
between external rounds word i is WORDS[i] + SUMS[i % 4] modulo 2^32, of a number that may be 112 p large, and
ESTIMATES holds the same two parts in float32; between internal rounds it is WORDS[i] + SUM, both in [0, p].

Why it is fast:

1. S-box: even and odd lanes stay apart for all of x^7, as signed 32-bit numbers.  A signed Montgomery product of
   numbers in (-1.06 p, 1.06 p) falls into the same range: no correction, and lanes are put together only at the end.
2. External layer: exact sums modulo 2^32 beside approximate sums in float32, which only say how many p to subtract
   (off by less than 5e-5 p).  Two plain additions replace add, subtract, minimum; the range is mended once a word.
3. Internal layer: x d - floor(x q / 2^52) p with q = floor(d 2^52 / p), the 52-bit products of AVX-512 IFMA: the
   quotient is as good as exact (results up to p + p / 2^20): nothing is corrected.  Without IFMA q has 32 bits, at
   two operations more.
4. The sum of the state is added to a word when it is next read.  Even and odd lanes are summed in 64 bits.
5. The factor p^-1 is loaded, not a constant: LLVM moves the shift of a sign extension into a constant, at the price of
   one more shift a product.  The loop over 23 words is a loop: unrolled, LLVM puts the sums last and spills all else.
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Any, Final

import numpy as np
from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from localbento_kernels.cpu.vector import (
    FLOAT,
    I64,
    LANES,
    POINTER,
    V32,
    V64,
    P,
    Value,
    broadcast,
    has_feature,
    high_half,
    high_signed,
    join_high,
    join_low,
    low_half,
    low_signed,
    minimum,
    splat,
    transpose,
)

WIDTH: Final = 24
RATE: Final = 16
DIGEST: Final = 8
IFMA: Final = has_feature("avx512ifma")

MAGIC: Final = 1.5 * 2**23
"""x + MAGIC has the nearest integer to x in its low bits."""
MAGIC_BITS: Final = int(np.float32(MAGIC).view(np.uint32))

WORDS, ESTIMATES, SUMS, SUM_ESTIMATES, SUM, P_INVERSE_PLACE = 0, 24, 48, 52, 56, 57
STATE: Final = 58 * LANES

Group = tuple[Value, list[Value]]


class Kernel:
    """An LLVM function of pointers to words, the first to a state: compiled once, never inlined."""

    def __init__(self, module: Value, name: str, arguments: int) -> None:
        self.f = ir.Function(module, ir.FunctionType(ir.VoidType(), [POINTER] * arguments), name)
        self.f.linkage = "internal"
        self.f.attributes.add("noinline")
        for argument in self.f.args:
            argument.add_attribute("noalias")
        self.b = ir.IRBuilder(self.f.append_basic_block("entry"))
        self.state = self.f.args[0]

    def place(self, base: Value, words: int, t: Value = V32) -> Value:
        """A typed pointer some words behind a base."""
        return self.b.bitcast(self.b.gep(base, [I64(words)]), t.as_pointer())

    def load(self, i: int, t: Value = V32, base: Value = None) -> Value:
        """Vector i of the state."""
        return self.b.load(self.place(base or self.state, LANES * i, t), align=64)

    def store(self, value: Value, i: int, base: Value = None) -> None:
        """Store vector i of the state."""
        self.b.store(value, self.place(base or self.state, LANES * i, value.type), align=64)

    def broadcast(self, base: Value, word: int, t: Value = V32) -> Value:
        """A word of a table in every lane."""
        scalar = self.b.load(self.place(base, word, t.element), align=t.element.width // 8)
        return broadcast(self.b, scalar, t)

    def external(self, name: str, result: Value, *args: Value) -> Value:
        """A call of an LLVM intrinsic."""
        function = self.b.module.globals.get(name) or ir.Function(
            self.b.module, ir.FunctionType(result, [a.type for a in args]), name
        )
        return self.b.call(function, args)

    def quotient(self, i: int, base: Value, estimate: Value, bias: float = 0.0) -> Value:
        """The bits of MAGIC + the nearest integer to word / p + bias."""
        total = self.b.fadd(self.load(ESTIMATES + i, FLOAT, base), estimate)
        name, scale = "llvm.fma.v16f32", splat(1 / P, FLOAT)
        if bias:  # MAGIC + bias is no float32
            biased = self.external(name, FLOAT, total, scale, splat(bias, FLOAT))
            return self.b.bitcast(self.b.fadd(biased, splat(MAGIC, FLOAT)), V32)
        return self.b.bitcast(self.external(name, FLOAT, total, scale, splat(MAGIC, FLOAT)), V32)

    def reduced(self, i: int) -> Value:
        """Word i after an external layer, in [0, 1.001 p]."""
        b, k = self.b, i % 4
        rounded = self.quotient(i, self.state, self.load(SUM_ESTIMATES + k, FLOAT), -0.5001)
        count = b.sub(rounded, splat(MAGIC_BITS))
        return b.sub(b.add(self.load(WORDS + i), self.load(SUMS + k)), b.mul(count, splat(P)))

    def external_layer(self, groups: Iterator[Group]) -> None:
        """`groups` yields, six times, the place of four words and their signed values."""
        b = self.b
        sums, estimates = [splat(0)] * 4, [splat(0.0, FLOAT)] * 4
        for base, words in groups:
            exact = _m4(words, b.add, lambda x: b.add(x, x), lambda x: b.shl(x, splat(2)))
            floats = [b.sitofp(x, FLOAT) for x in words]
            approximate = _m4(floats, b.fadd, _scaled(b, 1), _scaled(b, 2))
            for k in range(4):
                self.store(exact[k], WORDS + k, base)
                self.store(approximate[k], ESTIMATES + k, base)
            sums = [b.add(s, x) for s, x in zip(sums, exact, strict=True)]
            estimates = [b.fadd(s, x) for s, x in zip(estimates, approximate, strict=True)]
        for k in range(4):
            self.store(sums[k], SUMS + k)
            self.store(estimates[k], SUM_ESTIMATES + k)

    def group(self, g: int, base: Value = None) -> Value:
        """The place of words 4 g .. 4 g + 3."""
        return self.b.gep(base or self.state, [I64((4 * g) * (1 if base else LANES))])


def _m4(
    x: Sequence[Value],
    add: Callable[[Value, Value], Value],
    twice: Callable[[Value], Value],
    four_times: Callable[[Value], Value],
) -> list[Value]:
    t0, t1 = add(x[0], x[1]), add(x[2], x[3])
    t2, t3 = add(twice(x[1]), t1), add(twice(x[3]), t0)
    t4, t5 = add(four_times(t1), t3), add(four_times(t0), t2)
    return [add(t3, t5), t5, add(t2, t4), t4]


def _scaled(b: Value, bits: int) -> Callable[[Value], Value]:
    """A float times 2^bits, by an addition to the exponent (0 becomes tiny): multipliers are busy."""
    return lambda x: b.bitcast(b.add(b.bitcast(x, V32), splat(bits << 23)), FLOAT)


def _sboxes(b: Value, words: Sequence[Value], p_inverse: Value) -> list[Value]:
    """x^7 of each, signed: Montgomery form in and out, |x| < 2^31 in, |x| < 0.98 p out."""

    def product(x: Value, y: Value) -> Value:
        p = b.mul(x, y)
        q = b.mul(low_signed(b, p), p_inverse)
        return b.sub(p, b.mul(low_signed(b, q), splat(P, V64)))  # the result is the high word

    x = [half(b, word) for word in words for half in (low_signed, high_signed)]
    x2 = [high_signed(b, product(y, y)) for y in x]
    x3 = [high_signed(b, product(y, z)) for y, z in zip(x, x2, strict=True)]
    x4 = [high_signed(b, product(y, y)) for y in x2]
    x7 = [product(y, z) for y, z in zip(x3, x4, strict=True)]
    return [join_high(b, *x7[i : i + 2]) for i in range(0, len(x7), 2)]


def _define_first(kernel: Kernel) -> None:
    """(state, rows, capacity): sixteen rows into the rate, eight words into every capacity; the external layer."""
    b, (_, rows, capacity) = kernel.b, kernel.f.args
    x = transpose(b, [b.load(kernel.place(rows, RATE * i), align=32) for i in range(LANES)])
    x += [kernel.broadcast(capacity, i) for i in range(WIDTH - RATE)]
    kernel.external_layer((kernel.group(g), x[4 * g : 4 * g + 4]) for g in range(6))


def _define_next(kernel: Kernel) -> None:
    """(state, rows): overwrite the rate with sixteen rows, then the external layer."""
    b, rows = kernel.b, kernel.f.args[1]
    x = transpose(b, [b.load(kernel.place(rows, RATE * i), align=32) for i in range(LANES)])
    x += [kernel.reduced(i) for i in range(RATE, WIDTH)]
    kernel.external_layer((kernel.group(g), x[4 * g : 4 * g + 4]) for g in range(6))


def _define_full(kernel: Kernel) -> None:
    """(state, constants)."""
    b = kernel.b
    p_inverse = low_signed(b, kernel.load(P_INVERSE_PLACE))
    sums = [kernel.load(SUMS + k) for k in range(4)]
    estimates = [kernel.load(SUM_ESTIMATES + k, FLOAT) for k in range(4)]

    def groups() -> Iterator[Group]:
        for g in range(6):
            base, words = kernel.group(g), []
            for k in range(4):
                constant = kernel.broadcast(kernel.f.args[1], 4 * g + k)
                word = b.add(b.add(kernel.load(WORDS + k, V32, base), sums[k]), constant)
                words.append(b.sub(word, b.mul(kernel.quotient(k, base, estimates[k]), splat(P))))
            yield base, _sboxes(b, words, p_inverse)

    kernel.external_layer(groups())


def _define_enter(kernel: Kernel) -> None:
    """(state): from external to internal rounds."""
    for i in range(WIDTH):
        kernel.store(kernel.reduced(i), WORDS + i)
    kernel.store(splat(0), SUM)


def _define_leave(kernel: Kernel) -> None:
    """(state): from internal to external rounds."""
    b = kernel.b
    total = b.sub(kernel.load(SUM), splat(P))
    for i in range(WIDTH):
        x = b.add(kernel.load(WORDS + i), total)
        kernel.store(x, WORDS + i)
        kernel.store(b.sitofp(x, FLOAT), ESTIMATES + i)
    for k in range(4):
        kernel.store(splat(0), SUMS + k)
        kernel.store(splat(0.0, FLOAT), SUM_ESTIMATES + k)


def _madd(kernel: Kernel, half: str, x: Value, y: Value, z: Value) -> Value:
    return kernel.external(f"llvm.x86.avx512.vpmadd52{half}.uq.512", V64, x, y, z)


def _scaled_word(kernel: Kernel, x: Value, even: Value, odd: Value, base: Value) -> Value:
    """X d mod p in [0, p]; `base` points to q (two words), d."""
    b, zero = kernel.b, splat(0, V64)
    q, d = kernel.broadcast(base, 0, V64), kernel.broadcast(base, 2)
    if IFMA:
        k = join_low(b, _madd(kernel, "h", zero, even, q), _madd(kernel, "h", zero, odd, q))
        return b.sub(b.mul(x, d), b.mul(k, splat(P)))
    q = b.lshr(q, splat(20, V64))
    r = b.sub(b.mul(x, d), b.mul(join_high(b, b.mul(even, q), b.mul(odd, q)), splat(P)))
    return minimum(b, r, b.sub(r, splat(P)))


def _reduced_sum(kernel: Kernel, x: Value) -> Value:
    """X mod p for x < 2^37, perhaps plus p where there is no IFMA."""
    b = kernel.b
    if IFMA:
        quotient = _madd(kernel, "h", splat(0, V64), x, splat(2**52 // P, V64))
        return _madd(kernel, "l", x, quotient, splat(2**52 - P, V64))
    k = b.lshr(b.mul(low_half(b, b.lshr(x, splat(20, V64))), splat(2**51 // P, V64)), splat(31, V64))
    return b.sub(x, b.mul(low_half(b, k), splat(P, V64)))


def _define_partial(kernel: Kernel) -> None:
    """(state, constant, diagonal): the diagonal has four words for each word of the state: q (two), d, none."""
    b, f = kernel.b, kernel.f
    _, constant, diagonal = f.args
    zero = splat(0, V64)

    total = kernel.load(SUM)
    x = b.add(kernel.load(WORDS), total)
    x = b.add(minimum(b, x, b.sub(x, splat(P))), kernel.broadcast(constant, 0))
    (u,) = _sboxes(b, [x], low_signed(b, kernel.load(P_INVERSE_PLACE)))
    u = minimum(b, u, b.add(u, splat(P)))
    u_even, u_odd = low_half(b, u), high_half(b, u)
    kernel.store(_scaled_word(kernel, u, u_even, u_odd, diagonal), WORDS)

    entry, body, end = b.block, f.append_basic_block("body"), f.append_basic_block("end")
    b.branch(body)
    b.position_at_end(body)
    phis = i, sum_even, sum_odd = b.phi(I64), b.phi(V64), b.phi(V64)
    word = b.gep(kernel.state, [b.mul(i, I64(LANES))])
    x = b.add(kernel.load(WORDS, V32, word), total)
    even, odd = low_half(b, x), high_half(b, x)
    factors = b.gep(diagonal, [b.mul(i, I64(4))])
    kernel.store(_scaled_word(kernel, x, even, odd, factors), WORDS, word)
    following = b.add(i, I64(1)), b.add(sum_even, even), b.add(sum_odd, odd)
    for phi, start, value in zip(phis, (I64(1), zero, zero), following, strict=True):
        phi.add_incoming(start, entry)
        phi.add_incoming(value, body)
    b.cbranch(b.icmp_unsigned("<", following[0], I64(WIDTH)), body, end)
    b.position_at_end(end)
    halves = [_reduced_sum(kernel, b.add(following[1 + k], u)) for k, u in enumerate((u_even, u_odd))]
    total = join_low(b, *halves)
    kernel.store(total if IFMA else minimum(b, total, b.sub(total, splat(P))), SUM)


def _define_squeeze(kernel: Kernel) -> None:
    """(state, digests): the first eight words of sixteen states, in [0, p)."""
    b = kernel.b
    x = [kernel.reduced(i) for i in range(DIGEST)]
    x = transpose(b, [minimum(b, y, b.sub(y, splat(P))) for y in x])
    for i, pair in enumerate(x):
        b.store(pair, kernel.place(kernel.f.args[1], LANES * i), align=32)


def _kernel(name: str, define: Callable[[Kernel], None], arguments: int) -> Callable[..., None]:
    """The kernel to be called from compiled code as f(((array, start), ...))."""

    def emit(context: Any, b: Value, signature: Any, args: Any) -> Value:
        pointers = []
        for i in range(arguments):
            pair, kinds = b.extract_value(args[0], i), signature.args[0][i]
            array = context.make_array(kinds[0])(context, b, b.extract_value(pair, 0))
            start = context.cast(b, b.extract_value(pair, 1), kinds[1], types.int64)
            pointers.append(b.gep(array.data, [start]))
        if name not in b.module.globals:
            made = Kernel(b.module, name, arguments)
            define(made)
            made.b.ret_void()
        b.call(b.module.globals[name], pointers)
        return context.get_dummy_value()

    @intrinsic
    def call(typing_context: Any, places: Any) -> Any:
        return types.none(places), emit

    return call


absorb_first = _kernel("absorb_first", _define_first, 3)
absorb_next = _kernel("absorb_next", _define_next, 2)
full = _kernel("full", _define_full, 2)
enter = _kernel("enter", _define_enter, 1)
leave = _kernel("leave", _define_leave, 1)
partial = _kernel("partial", _define_partial, 3)
squeeze = _kernel("squeeze", _define_squeeze, 2)
