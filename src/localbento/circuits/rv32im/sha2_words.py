"""Words of SHA-256 as bits, bytes and limbs: what its chips share."""

from collections.abc import Sequence

from localbento.air.expr import Expr

WORD_BITS = 32
BIG_0, BIG_1 = (2, 13, 22), (6, 11, 25)
SMALL_0, SMALL_1 = (7, 18, 3), (17, 19, 10)
"""Two rotations and a shift."""
ROUNDS = 64
DATA_ROUNDS = 16
HALF_WORDS = 4
"""The words of half a state: a, b, c, d or e, f, g, h."""


def weighted(parts: Sequence[Expr], base: int) -> Expr:
    """The number with these digits, lowest first."""
    result = parts[0]
    for i, part in enumerate(parts[1:], 1):
        result = result + part * base**i
    return result


def limbs_of_bits(bits: Sequence[Expr]) -> tuple[Expr, Expr]:
    """Low and high limb."""
    return weighted(bits[:16], 2), weighted(bits[16:], 2)


def limbs_of_bytes(low_first: Sequence[Expr]) -> tuple[Expr, Expr]:
    """Low and high limb of four bytes, lowest first."""
    return weighted(low_first[:2], 256), weighted(low_first[2:], 256)


def bytes_of_bits(bits: Sequence[Expr]) -> tuple[Expr, ...]:
    """Four bytes, lowest first."""
    return tuple(weighted(bits[i : i + 8], 2) for i in range(0, WORD_BITS, 8))


def xor(x: Expr, y: Expr) -> Expr:
    """Exclusive or of two bits."""
    return x + y - x * y * 2


def rotate(bits: Sequence[Expr], by: int) -> list[Expr]:
    """Bits of the word rotated right."""
    return [bits[(i + by) % WORD_BITS] for i in range(WORD_BITS)]


def big_sigma(bits: Sequence[Expr], rotations: tuple[int, int, int]) -> tuple[Expr, Expr]:
    """Limbs, of degree 3, of the exclusive or of three rotations."""
    x, y, z = (rotate(bits, by) for by in rotations)
    return limbs_of_bits([xor(xor(a, b), d) for a, b, d in zip(x, y, z, strict=True)])


def small_sigma(bits: Sequence[Expr], rotations: tuple[int, int, int]) -> tuple[Expr, Expr]:
    """Limbs, of degree 3, of the exclusive or of two rotations and a shift."""
    x, y = rotate(bits, rotations[0]), rotate(bits, rotations[1])
    shift = rotations[2]
    result = []
    for i, (a, b) in enumerate(zip(x, y, strict=True)):
        pair = xor(a, b)
        result.append(xor(pair, bits[i + shift]) if i + shift < WORD_BITS else pair)
    return limbs_of_bits(result)
