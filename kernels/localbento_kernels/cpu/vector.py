"""Vectors of sixteen residues in LLVM: what the transform and hash kernels are emitted with.

A vector is `<16 x i32>`: one AVX-512 register, two of AVX2, four of NEON; LLVM splits it.  Functions here take an IR
builder and values and emit instructions at the builder's place.  Residues are in Montgomery form or not, as the
caller likes: sums and products by known factors do not care.
"""

from collections.abc import Sequence
from typing import Any, Final, TypeAlias

import numpy as np
from llvmlite import binding, ir
from numba import config

Value: TypeAlias = Any
"""An LLVM value, type, module or builder; llvmlite has no types that mypy could check."""

P: Final = 2**31 - 2**27 + 1
GENERATOR: Final = 31
TWO_ADICITY: Final = 27
P_INVERSE: Final = pow(P, -1, 2**32)
LANES: Final = 16

I32: Final = ir.IntType(32)
I64: Final = ir.IntType(64)
F32: Final = ir.FloatType()
V32: Final = ir.VectorType(I32, LANES)
V64: Final = ir.VectorType(I64, LANES // 2)
"""The same bits as V32, as pairs of an even and an odd lane."""
FLOAT: Final = ir.VectorType(F32, LANES)
POINTER: Final = I32.as_pointer()


def has_feature(name: str) -> bool:
    """Whether code is compiled for a processor with this feature, in LLVM's spelling."""
    forced = getattr(config, "CPU_FEATURES", None)
    if forced is not None:
        return f"+{name}" in forced.split(",")
    return bool(binding.get_host_cpu_features().get(name, False))


def montgomery(x: int) -> int:
    """The Montgomery form, x * 2^32 mod p."""
    return (x << 32) % P


def shoup_pair(w: int) -> tuple[int, int]:
    """A factor w and floor(w 2^32 / p), as `times` wants them."""
    return w, (w << 32) // P


def splat(value: float, t: Value = V32) -> Value:
    """The vector constant with this value in every lane."""
    exact = float(np.float32(value)) if t is FLOAT else int(value)
    return ir.Constant(t, [ir.Constant(t.element, exact)] * t.count)


def shuffle(b: Value, x: Value, y: Value, picks: Sequence[int]) -> Value:
    """Lanes of x, then of y, by number."""
    return b.shuffle_vector(x, y, ir.Constant(ir.VectorType(I32, len(picks)), [I32(i) for i in picks]))


def broadcast(b: Value, scalar: Value, t: Value = V32) -> Value:
    """A scalar in every lane."""
    undefined = ir.Constant(t, ir.Undefined)
    first = b.insert_element(undefined, scalar, I32(0))
    return shuffle(b, first, undefined, [0] * t.count)


def low_half(b: Value, x: Value) -> Value:
    """Even lanes, unsigned, as 64 bits."""
    return b.and_(b.bitcast(x, V64), splat(0xFFFFFFFF, V64))


def high_half(b: Value, x: Value) -> Value:
    """Odd lanes, unsigned, as 64 bits."""
    return b.lshr(b.bitcast(x, V64), splat(32, V64))


def low_signed(b: Value, x: Value) -> Value:
    """Even lanes, signed, as 64 bits."""
    return b.ashr(b.shl(b.bitcast(x, V64), splat(32, V64)), splat(32, V64))


def high_signed(b: Value, x: Value) -> Value:
    """Odd lanes, signed, as 64 bits."""
    return b.ashr(b.bitcast(x, V64), splat(32, V64))


def join_high(b: Value, even: Value, odd: Value) -> Value:
    """High words of both: those of even products stand in odd positions of the first operand."""
    picks = [i + 1 if i % 2 == 0 else LANES + i for i in range(LANES)]
    return shuffle(b, b.bitcast(even, V32), b.bitcast(odd, V32), picks)


def join_low(b: Value, even: Value, odd: Value) -> Value:
    """Low words of both."""
    picks = [i if i % 2 == 0 else LANES - 1 + i for i in range(LANES)]
    return shuffle(b, b.bitcast(even, V32), b.bitcast(odd, V32), picks)


def minimum(b: Value, x: Value, y: Value) -> Value:
    """The smaller of unsigned numbers: of x and x +- p (mod 2^32), the one in [0, p), as the other wrapped."""
    return b.select(b.icmp_unsigned("<", x, y), x, y)


def reduced(b: Value, x: Value) -> Value:
    """The residue of x, for x < 2 p."""
    return minimum(b, x, b.sub(x, splat(P)))


def add(b: Value, x: Value, y: Value) -> Value:
    """The sum mod p."""
    return reduced(b, b.add(x, y))


def sub(b: Value, x: Value, y: Value) -> Value:
    """The difference mod p."""
    difference = b.sub(x, y)
    return minimum(b, difference, b.add(difference, splat(P)))


def lazy_sub(b: Value, x: Value, y: Value) -> Value:
    """The difference plus p, in (0, 2 p): only to be multiplied next."""
    return b.sub(b.add(x, splat(P)), y)


def times(b: Value, x: Value, factor: tuple[Value, Value]) -> Value:
    """The product x w mod p, for any 32-bit x and a `shoup_pair` of broadcast numbers."""
    w, q = factor
    q = low_half(b, q)
    quotient = join_high(b, b.mul(low_half(b, x), q), b.mul(high_half(b, x), q))
    return reduced(b, b.sub(b.mul(x, w), b.mul(quotient, splat(P))))


def transpose(b: Value, rows: Sequence[Value]) -> list[Value]:
    """Sixteen vectors of sixteen lanes, or eight: each step moves one bit of the row's number to the column's end."""
    result, count = list(rows), len(rows)
    while count > 1:
        half = len(result) // 2
        result = [
            shuffle(b, x, y, [i // 2 + 8 * h + 16 * (i % 2) for i in range(LANES)])
            for x, y in zip(result[:half], result[half:], strict=True)
            for h in (0, 1)
        ]
        count //= 2
    return result
