"""What the rounds of Poseidon2 are emitted with: a state in memory, the external layer, S-boxes.

A state is 58 vectors of sixteen lanes, one lane for each of sixteen states.  Between external rounds word i is
WORDS[i] + SUMS[i % 4] modulo 2^32, of a number that may be 112 p large, and ESTIMATES holds the same two parts in
float32; between internal rounds it is WORDS[i] + SUM, both in [0, p].
"""

from collections.abc import Callable, Iterator, Sequence
from typing import Final

import numpy as np
from llvmlite import ir

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
    high_signed,
    join_high,
    low_signed,
    splat,
)
from localbento_kernels.cpu.weave import Emission, finish

WIDTH: Final = 24
RATE: Final = 16
DIGEST: Final = 8
IFMA: Final = has_feature("avx512ifma")
WOVEN: Final = has_feature("avx512f")
"""PERF: with sixteen registers, weaving costs 4 % by spills."""

GROUPS: Final = WIDTH // 4

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
        totals = Totals()
        for base, words in groups:
            finish(self.mixed(base, words, totals))
        self.store_totals(totals)

    def mixed(self, base: Value, words: Sequence[Value], totals: "Totals") -> Emission[None]:
        """Multiply four signed words by M4, exactly and in float32; store them and add them to the totals."""
        b, floats = self.b, []
        for word in words:
            floats.append(b.sitofp(word, FLOAT))
            yield
        exact = yield from _m4(words, b.add, lambda k, x, y: b.add(b.shl(x, splat(k)), y))
        estimates = yield from _m4(floats, b.fadd, self.scaled_sum)
        for k in range(4):
            self.store(exact[k], WORDS + k, base)
            self.store(estimates[k], ESTIMATES + k, base)
            totals.sums[k] = b.add(totals.sums[k], exact[k])
            yield
            totals.estimates[k] = b.fadd(totals.estimates[k], estimates[k])
            yield

    def store_totals(self, totals: "Totals") -> None:
        """Store the sums over all groups."""
        for k in range(4):
            self.store(totals.sums[k], SUMS + k)
            self.store(totals.estimates[k], SUM_ESTIMATES + k)

    def scaled_sum(self, bits: int, x: Value, y: Value) -> Value:
        """2^bits x + y of floats."""
        if not WOVEN:  # PERF: an addition to the exponent (0 becomes tiny), as the multipliers are busy
            b = self.b
            return b.fadd(b.bitcast(b.add(b.bitcast(x, V32), splat(bits << 23)), FLOAT), y)
        return self.external("llvm.fma.v16f32", FLOAT, x, splat(2.0**bits, FLOAT), y)

    def group(self, g: int, base: Value = None) -> Value:
        """The place of words 4 g .. 4 g + 3."""
        return self.b.gep(base or self.state, [I64((4 * g) * (1 if base else LANES))])


class Totals:
    """Sums over the groups, of exact and of approximate values."""

    def __init__(self) -> None:
        self.sums: list[Value] = [splat(0)] * 4
        self.estimates: list[Value] = [splat(0.0, FLOAT)] * 4


def _m4(
    x: Sequence[Value],
    add: Callable[[Value, Value], Value],
    scaled_sum: Callable[[int, Value, Value], Value],
) -> Emission[list[Value]]:
    """The product with M4; `scaled_sum(k, x, y)` is 2^k x + y."""
    t0 = add(x[0], x[1])
    yield
    t1 = add(x[2], x[3])
    yield
    t2 = scaled_sum(1, x[1], t1)
    yield
    t3 = scaled_sum(1, x[3], t0)
    yield
    t4 = scaled_sum(2, t1, t3)
    yield
    t5 = scaled_sum(2, t0, t2)
    yield
    first = add(t3, t5)
    yield
    third = add(t2, t4)
    yield
    return [first, t5, third, t4]


def sboxes(b: Value, words: Sequence[Value], p_inverse: Value) -> Emission[list[Value]]:
    """x^7 of each, signed: Montgomery form in and out, |x| < 2^31 in, |x| < 0.98 p out."""

    def products(xs: Sequence[Value], ys: Sequence[Value], *, narrow: bool = True) -> Emission[list[Value]]:
        """The results are the high words, if `narrow` moved to the low ones."""
        result: list[Value] = []
        at_once = len(xs) if WOVEN else 1
        for first in range(0, len(xs), at_once):
            full, multiples = [], []
            for x, y in zip(xs[first : first + at_once], ys[first : first + at_once], strict=True):
                full.append(b.mul(x, y))
                yield
            for product in full:
                multiples.append(b.mul(low_signed(b, product), p_inverse))
                yield
            for k, q in enumerate(multiples):
                multiples[k] = b.mul(low_signed(b, q), splat(P, V64))
                yield
            for product, multiple in zip(full, multiples, strict=True):
                difference = b.sub(product, multiple)
                yield
                result.append(high_signed(b, difference) if narrow else difference)
                yield
        return result

    x = [half(b, word) for word in words for half in (low_signed, high_signed)]
    x2 = yield from products(x, x)
    x3 = yield from products(x, x2)
    x4 = yield from products(x2, x2)
    x7 = yield from products(x3, x4, narrow=False)
    result = []
    for i in range(0, len(x7), 2):
        result.append(join_high(b, *x7[i : i + 2]))
        yield
    return result
