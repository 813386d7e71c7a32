"""The nodes of a transform: small DFTs of rows held in registers, as LLVM functions, called from compiled code.

A product by a *known* factor w takes four multiplications a vector, not six (`vector.times`), and needs no Montgomery
form; as the transform is linear, rows in Montgomery form come out in it.  A node first multiplies its rows by powers
of its point (products that do not wait for each other), then takes a plain DFT with constant roots: the shift of a
coset costs nothing, as it is part of the point.
"""

from collections.abc import Callable
from typing import Any, Final

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from localbento_kernels.cpu.vector import (
    GENERATOR,
    I32,
    I64,
    LANES,
    POINTER,
    V32,
    P,
    Value,
    add,
    broadcast,
    lazy_sub,
    shoup_pair,
    splat,
    sub,
    times,
)

ROW: Final = LANES
"""Words in a row of a tile."""


def reverse_bits(x: int, bits: int) -> int:
    """The number whose binary digits are those of x, read backwards."""
    r = 0
    for _ in range(bits):
        r, x = 2 * r + x % 2, x >> 1
    return r


def _constant_factors(bits: int, inverse: bool) -> list[tuple[Value, Value]]:
    """The powers of the root of order 2^bits."""
    root = pow(GENERATOR, (P - 1) >> bits, P)
    powers = [pow(root, -k if inverse else k, P) for k in range(1 << bits)]
    return [(splat(w), splat(q)) for w, q in map(shoup_pair, powers)]


def _small_dft(b: Value, x: list[Value], bits: int, inverse: bool) -> None:
    """In place: from natural to bit-reversed order, or back for the inverse (not divided by its size)."""
    size, roots = 1 << bits, _constant_factors(bits, inverse)
    for level in reversed(range(bits)) if inverse else range(bits):
        half = size >> (level + 1)
        for u in range(size):
            if u & half:
                continue
            v, k = u + half, reverse_bits(u // half >> 1, bits - 1) if inverse else u % half << level
            difference = times(b, lazy_sub(b, x[u], x[v]), roots[k]) if k else sub(b, x[u], x[v])
            x[u], x[v] = add(b, x[u], x[v]), difference


def _offsets(b: Value, bits: int, natural: Value, reverse: Value) -> list[Value]:
    result = [I64(0)]
    for i in range(bits):
        stride = b.add(b.shl(natural, I64(i)), b.shl(reverse, I64(bits - 1 - i)))
        result += [b.add(offset, stride) for offset in result]
    return result


def _define(module: Value, name: str, bits: int, inverse: bool, scaled: bool, past_cache: bool) -> Value:
    """`count` nodes of 2^bits rows, as one LLVM function, never inlined.

    Row m of a node is at m * natural + reverse_bits(m) * reversed words.  One of the two strides is zero: in this way
    one function serves blocks in either order.  After a node, the pointers advance by their steps.  Row m > 0 has the
    twiddle pair m - 1; row 0 has the last pair, used only where `scaled`.
    """
    if name in module.globals:
        return module.globals[name]
    size = 1 << bits
    kinds = [POINTER, I64, I64, I64, I64, POINTER, I64, I64, I64, POINTER, I64, I64]
    f = ir.Function(module, ir.FunctionType(ir.VoidType(), kinds), name)
    f.linkage = "internal"
    f.attributes.add("noinline")
    src0, src_natural, src_reversed, src_step, ahead = f.args[:5]
    dst0, dst_natural, dst_reversed, dst_step, tw0, tw_step, n = f.args[5:]
    byte = ir.IntType(8).as_pointer()
    prefetch = module.globals.get("llvm.prefetch.p0") or ir.Function(
        module, ir.FunctionType(ir.VoidType(), [byte, I32, I32, I32]), "llvm.prefetch.p0"
    )
    entry, body, end = (f.append_basic_block(s) for s in ("entry", "body", "end"))

    b = ir.IRBuilder(entry)
    src_rows = _offsets(b, bits, src_natural, src_reversed)
    dst_rows = _offsets(b, bits, dst_natural, dst_reversed)
    b.branch(body)

    b = ir.IRBuilder(body)
    i, src, dst, tw = b.phi(I64), b.phi(POINTER), b.phi(POINTER), b.phi(POINTER)

    def row(base: Value, offset: Value) -> Value:
        return b.bitcast(b.gep(base, [offset]), V32.as_pointer())

    def factor(m: int) -> tuple[Value, Value]:
        k = 2 * ((m - 1) % size)
        w, q = (broadcast(b, b.load(b.gep(tw, [I64(j)]))) for j in (k, k + 1))
        return w, q

    x = []
    for m in range(size):
        x.append(b.load(row(src, src_rows[m]), align=64))
        following = b.bitcast(b.gep(src, [b.add(src_rows[m], ahead)]), byte)
        b.call(prefetch, [following, I32(0), I32(2), I32(1)])  # to read, into L2, data
    if inverse:
        _small_dft(b, x, bits, inverse)
    for m in range(0 if scaled else 1, size):
        x[m] = times(b, x[m], factor(m))
    if not inverse:
        _small_dft(b, x, bits, inverse)
    for m in range(size):
        store = b.store(x[m], row(dst, dst_rows[m]), align=64)
        if past_cache:
            store.set_metadata("nontemporal", module.add_metadata([I32(1)]))
    advanced = b.add(i, I64(1)), b.gep(src, [src_step]), b.gep(dst, [dst_step]), b.gep(tw, [tw_step])
    for phi, start, following in zip((i, src, dst, tw), (I64(0), src0, dst0, tw0), advanced, strict=True):
        phi.add_incoming(start, entry)
        phi.add_incoming(following, body)
    b.cbranch(b.icmp_unsigned("<", advanced[0], n), body, end)
    ir.IRBuilder(end).ret_void()
    return f


def _node(
    name: str, bits: int, *, inverse: bool = False, scaled: bool = False, past_cache: bool = False
) -> Callable[..., None]:
    """The function to be called from compiled code as f(source, ahead, target, table, count).

    Source and target: (array, start, natural, reversed, step); table: (array, start, step).  All are in words, from
    arrays aligned to 64 bytes.  `ahead` is the way to what is read next: it is prefetched.
    """

    @intrinsic
    def call(typing_context: Any, source: Any, ahead: Any, target: Any, table: Any, count: Any) -> Any:
        signature = types.none(source, types.intp, target, table, types.intp)

        def code(context: Any, b: Value, signature: Any, args: Any) -> Value:
            def unpack(k: int) -> list[Value]:
                kinds = signature.args[k]
                array, *numbers = (b.extract_value(args[k], j) for j in range(len(kinds)))
                start, *others = (
                    context.cast(b, number, kind, types.int64) for number, kind in zip(numbers, kinds[1:], strict=True)
                )
                data = context.make_array(kinds[0])(context, b, array).data
                return [b.gep(data, [start]), *others]

            f = _define(b.module, name, bits, inverse, scaled, past_cache)
            b.call(f, [*unpack(0), args[1], *unpack(2), *unpack(3), args[4]])
            return context.get_dummy_value()

        return signature, code

    return call


evaluate_2 = _node("evaluate_2", 1)
evaluate_8 = _node("evaluate_8", 3)
evaluate_16 = _node("evaluate_16", 4)
evaluate_8_past = _node("evaluate_8_past", 3, past_cache=True)
evaluate_16_past = _node("evaluate_16_past", 4, past_cache=True)
interpolate_8 = _node("interpolate_8", 3, inverse=True)
interpolate_16 = _node("interpolate_16", 4, inverse=True)
interpolate_2_scaled = _node("interpolate_2_scaled", 1, inverse=True, scaled=True)
interpolate_8_scaled = _node("interpolate_8_scaled", 3, inverse=True, scaled=True)
interpolate_16_scaled = _node("interpolate_16_scaled", 4, inverse=True, scaled=True)
