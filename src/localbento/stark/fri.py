"""FRI with folding 16 and heights in between: one layer from height t to s = t - 4.

A word U on D(h), s < h <= t, splits into a = 2^(h-s) components c_j on D(s), U(x) = sum x^j c_j(x^a); they
are coefficients, so a fold of the fibre with zeta, zeta^2, zeta^4, zeta^8 is their curve in zeta.  The next
word is one curve through the components of all heights of the layer (docs/protocol.md, "Layers", which also
says why a shorter word must not be lifted instead).
"""

from collections.abc import Mapping, Sequence

from localbento.errors import Reason
from localbento.field.babybear import P, coset_shift, inverse, reverse_bits, root_of_unity
from localbento.stark.algebra import Algebra, Base, Bit, Digest, Ext, power
from localbento.stark.merkle import verify_opening
from localbento.stark.params import LOG_FOLD
from localbento.stark.shape import LayerShape, Shape

HALF = (P + 1) // 2


def domain_point(v: Algebra, log_size: int, bits: Sequence[Bit]) -> Base:
    """The point of D_j at a bit-reversed position: c_j times w_(b+1) for every set bit b."""
    point = v.constant(coset_shift(log_size))
    for b, bit in enumerate(bits):
        point = point * v.select(bit, v.constant(root_of_unity(b + 1)), v.constant(1))
    return point


def fibre_inverse(v: Algebra, log_size: int, bits: Sequence[Bit], log_fibre: int) -> Base:
    """1/x at the first position of the fibre that holds a position: its low bits cleared."""
    result = v.constant(inverse(coset_shift(log_size)))
    for b, bit in enumerate(bits):
        if b >= log_fibre:
            root = inverse(root_of_unity(b + 1))
            result = result * v.select(bit, v.constant(root), v.constant(1))
    return result


def fold_pair(at_x: Ext, at_minus_x: Ext, half_inverse: Base, zeta: Ext) -> Ext:
    """f(x), f(-x) -> f_even(x^2) + zeta f_odd(x^2), given 1/(2x)."""
    even = (at_x + at_minus_x) * HALF
    odd = (at_x - at_minus_x) * half_inverse
    return even + zeta * odd


def fold_fibre(v: Algebra, values: Sequence[Ext], first_inverse: Base, zeta: Ext) -> Ext:
    """Sum of zeta^j c_j over the components of a fibre of a = len(values) neighbouring positions.

    `first_inverse` is 1/x at its first position; position m of it stands at x times w_l^reverse(m), l = log2 a.
    """
    left = list(values)
    while len(left) > 1:
        bits = len(left).bit_length() - 1
        root = inverse(root_of_unity(bits))
        left = [
            fold_pair(
                left[m], left[m + 1],
                first_inverse * (pow(root, reverse_bits(m, bits), P) * HALF % P),
                zeta,
            )
            for m in range(0, len(left), 2)
        ]  # fmt: skip
        first_inverse = first_inverse * first_inverse
        zeta = zeta * zeta
    return left[0]


def verify_layer(
    v: Algebra,
    shape: Shape,
    layer: LayerShape,
    cap: Sequence[Digest],
    zeta: Ext,
    index_bits: Sequence[Bit],
    word: Ext,
    deep: Mapping[int, Ext],
) -> Ext:
    """The value of the next word at the query's point.

    `word` is V_t there, `deep` the DEEP word of each height at the query's point of that height.  The leaf's
    values must agree with all of them before they are folded.  Reads leaf and siblings.
    """
    cells = [[v.read_extension() for _ in range(layer.fibre(h))] for h in layer.heights]
    leaf = [c for values in cells for x in values for c in v.coefficients(x)]
    verify_opening(v, layer.tree, shape.params.log_blowup, cap, index_bits, [leaf])

    low = shape.tallest - layer.top
    first = fibre_inverse(v, layer.top + shape.params.log_blowup, index_bits[low:], LOG_FOLD)
    at_height = layer.top
    result: Ext | None = None
    for h, values in zip(layer.heights, cells, strict=True):
        own = index_bits[shape.tallest - h : shape.tallest - layer.bottom]
        expected = word if h == layer.top else deep[h]
        v.assert_equal(v.pick(own, values), expected, Reason.FRI_FOLD, f"{layer.tree.name}, word of height 2^{h}")
        while at_height > h:
            first, at_height = first * first, at_height - 1
        folded = fold_fibre(v, values, first, zeta)
        exponent = layer.exponent(h)
        scaled = folded * power(zeta, exponent) if exponent else folded
        result = scaled if result is None else result + scaled
    if layer.joins:
        joined = deep[layer.bottom] * power(zeta, layer.exponent(layer.bottom))
        result = joined if result is None else result + joined
    if result is None:
        msg = "a layer has at least the height that it folds"
        raise ValueError(msg)
    return result


def evaluate_final(coefficients: Sequence[Ext], point: Base) -> Ext:
    """The final polynomial, constant first, at a base field point (Horner)."""
    result = coefficients[-1]
    for coefficient in reversed(coefficients[:-1]):
        result = result * point + coefficient
    return result
