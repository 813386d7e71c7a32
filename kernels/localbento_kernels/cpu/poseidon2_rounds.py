"""The rounds of Poseidon2 on sixteen states at once, as LLVM functions called from compiled code.

Word i of sixteen states is one vector; the states stay in the L1 cache, not in registers (`poseidon2_emit`).

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
   one more shift a product.
6. The S-boxes keep two of four pipes busy with multiplications; the mixing of the words before and the preparation of
   the words after are emitted in their gaps (`weave`): a full round takes a tenth less than one after the other.
"""

from collections.abc import Callable, Sequence
from typing import Any, Final

from numba import types
from numba.extending import intrinsic

from localbento_kernels.cpu.poseidon2_emit import (
    DIGEST,
    ESTIMATES,
    GROUPS,
    IFMA,
    P_INVERSE_PLACE,
    RATE,
    SUM,
    SUM_ESTIMATES,
    SUMS,
    WIDTH,
    WORDS,
    WOVEN,
    Kernel,
    Totals,
    sboxes,
)
from localbento_kernels.cpu.vector import (
    FLOAT,
    I64,
    LANES,
    V32,
    V64,
    P,
    Value,
    high_half,
    join_high,
    join_low,
    low_half,
    low_signed,
    minimum,
    splat,
    transpose,
)
from localbento_kernels.cpu.weave import Emission, finish, weave

MIXING_SHARE: Final = 0.3
SBOX_SHARE: Final = 0.6
"""PERF: instructions emitted in the gaps for each instruction of the S-boxes, and of the linear part.  Measured."""


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
    """(state, constants): while the S-boxes of four words wait, those before are mixed and those after prepared."""
    b = kernel.b
    p_inverse = low_signed(b, kernel.load(P_INVERSE_PLACE))
    sums = [kernel.load(SUMS + k) for k in range(4)]
    estimates = [kernel.load(SUM_ESTIMATES + k, FLOAT) for k in range(4)]
    totals = Totals()

    def prepared(g: int) -> Emission[list[Value]]:
        base, words = kernel.group(g), []
        for k in range(4):
            constant = kernel.broadcast(kernel.f.args[1], 4 * g + k)
            word = b.add(kernel.load(WORDS + k, V32, base), sums[k])
            yield
            word = b.add(word, constant)
            yield
            quotient = kernel.quotient(k, base, estimates[k])
            yield
            multiple = b.mul(quotient, splat(P))
            yield
            words.append(b.sub(word, multiple))
            yield
        return words

    if not WOVEN:
        for g in range(GROUPS):
            powers = finish(sboxes(b, finish(prepared(g)), p_inverse))
            finish(kernel.mixed(kernel.group(g), powers, totals))
        kernel.store_totals(totals)
        return
    words = finish(prepared(0))
    mixing: list[Emission[Value]] = []
    for g in range(GROUPS):
        preparing = [prepared(g + 1)] if g + 1 < GROUPS else []
        powers, results = weave(sboxes(b, words, p_inverse), mixing + preparing, MIXING_SHARE)
        mixing, words = [kernel.mixed(kernel.group(g), powers, totals)], results[-1]
    finish(mixing[0])
    kernel.store_totals(totals)


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


def _scaled_word(kernel: Kernel, x: Value, halves: Sequence[Value], base: Value) -> Value:
    """X d mod p in [0, p]; `base` points to q (two words), d."""
    b, zero, (even, odd) = kernel.b, splat(0, V64), halves
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


def _linear_word(
    kernel: Kernel, place: Value, factors: Value, total: Value, sums: list[Value]
) -> Emission[list[Value]]:
    """Word at `place` plus the last total: its product with the diagonal is stored; the sums it is added to."""
    b = kernel.b
    word = b.add(kernel.load(0, V32, place), total)
    yield
    halves = [low_half(b, word), high_half(b, word)]
    yield
    scaled = _scaled_word(kernel, word, halves, factors)
    yield
    kernel.store(scaled, 0, place)
    result = [b.add(s, h) for s, h in zip(sums, halves, strict=True)]
    yield
    return result


def _linear_unrolled(kernel: Kernel, total: Value) -> Emission[list[Value]]:
    """Words 1 to 23 in one stream."""
    sums = [splat(0, V64), splat(0, V64)]
    for i in range(1, WIDTH):
        place, factors = kernel.b.gep(kernel.state, [I64(i * LANES)]), kernel.b.gep(kernel.f.args[2], [I64(4 * i)])
        sums = yield from _linear_word(kernel, place, factors, total, sums)
    return sums


def _linear_loop(kernel: Kernel, total: Value) -> list[Value]:
    """Words 1 to 23 in a loop: with few registers, LLVM would put sums of unrolled words last and spill all else."""
    b, f = kernel.b, kernel.f
    entry, body, end = b.block, f.append_basic_block("body"), f.append_basic_block("end")
    b.branch(body)
    b.position_at_end(body)
    i, *sums = b.phi(I64), b.phi(V64), b.phi(V64)
    place, factors = b.gep(kernel.state, [b.mul(i, I64(LANES))]), b.gep(f.args[2], [b.mul(i, I64(4))])
    following = [b.add(i, I64(1)), *finish(_linear_word(kernel, place, factors, total, sums))]
    for phi, start, value in zip((i, *sums), (I64(1), *[splat(0, V64)] * 2), following, strict=True):
        phi.add_incoming(start, entry)
        phi.add_incoming(value, body)
    b.cbranch(b.icmp_unsigned("<", following[0], I64(WIDTH)), body, end)
    b.position_at_end(end)
    return following[1:]


def _define_partial(kernel: Kernel) -> None:
    """(state, constant, diagonal): the diagonal has four words for each word of the state: q (two), d, none."""
    b = kernel.b
    _, constant, diagonal = kernel.f.args
    total = kernel.load(SUM)
    x = b.add(kernel.load(WORDS), total)
    x = b.add(minimum(b, x, b.sub(x, splat(P))), kernel.broadcast(constant, 0))
    powers = sboxes(b, [x], low_signed(b, kernel.load(P_INVERSE_PLACE)))
    if WOVEN:
        sums, ((u,),) = weave(_linear_unrolled(kernel, total), [powers], SBOX_SHARE)
    else:
        (u,) = finish(powers)
    u = minimum(b, u, b.add(u, splat(P)))
    halves = [low_half(b, u), high_half(b, u)]
    kernel.store(_scaled_word(kernel, u, halves, diagonal), WORDS)
    if not WOVEN:
        sums = _linear_loop(kernel, total)
    total = join_low(b, *(_reduced_sum(kernel, b.add(s, h)) for s, h in zip(sums, halves, strict=True)))
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
