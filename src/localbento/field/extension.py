"""The challenge field F = F_p[X]/(X^5 - 2), as immutable values with operators."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Final, Self, TypeAlias

from localbento.field import babybear
from localbento.field.babybear import P

DEGREE: Final = 5
NON_RESIDUE: Final = 2
"""X^5 = 2.  2 is no fifth power mod p (5 divides p - 1), so X^5 - 2 is irreducible."""

FROBENIUS_ROOT: Final = pow(NON_RESIDUE, (P - 1) // DEGREE, P)
"""X^p is X times this root of unity: the p-th power multiplies coefficient i by its i-th power."""

Coefficients: TypeAlias = tuple[int, int, int, int, int]


def multiply_coefficients(x: Sequence[int], y: Sequence[int]) -> Coefficients:
    """The product of two elements given by their coefficients, constant first."""
    a0, a1, a2, a3, a4 = x
    b0, b1, b2, b3, b4 = y
    return (
        (a0 * b0 + 2 * (a1 * b4 + a2 * b3 + a3 * b2 + a4 * b1)) % P,
        (a0 * b1 + a1 * b0 + 2 * (a2 * b4 + a3 * b3 + a4 * b2)) % P,
        (a0 * b2 + a1 * b1 + a2 * b0 + 2 * (a3 * b4 + a4 * b3)) % P,
        (a0 * b3 + a1 * b2 + a2 * b1 + a3 * b0 + 2 * a4 * b4) % P,
        (a0 * b4 + a1 * b3 + a2 * b2 + a3 * b1 + a4 * b0) % P,
    )


@dataclass(frozen=True, slots=True)
class Extension:
    """An element of F: five canonical coefficients, that of X^0 first; integers mix in."""

    coefficients: Coefficients

    ZERO: ClassVar["Extension"]
    ONE: ClassVar["Extension"]
    X: ClassVar["Extension"]

    def __post_init__(self) -> None:
        """Refuse anything but five canonical coefficients."""
        if len(tuple(self.coefficients)) != DEGREE or not all(0 <= c < P for c in self.coefficients):
            msg = f"extension element: expected five residues below {P}, found {self.coefficients!r}"
            raise ValueError(msg)

    @classmethod
    def of(cls, coefficients: Sequence[int]) -> Self:
        """The element with these five integers, reduced, as coefficients."""
        a0, a1, a2, a3, a4 = coefficients
        return cls._reduced((a0 % P, a1 % P, a2 % P, a3 % P, a4 % P))

    @classmethod
    def _reduced(cls, coefficients: Coefficients) -> Self:
        # PERF: what was just reduced needs no look.
        result = object.__new__(cls)
        object.__setattr__(result, "coefficients", coefficients)
        return result

    @classmethod
    def constant(cls, value: int) -> Self:
        """A base field element as an element of F."""
        return cls((value % P, 0, 0, 0, 0))

    def __add__(self, other: "Extension | int") -> "Extension":
        """The sum."""
        (a0, a1, a2, a3, a4), (b0, b1, b2, b3, b4) = self.coefficients, _lift(other)
        return Extension._reduced(((a0 + b0) % P, (a1 + b1) % P, (a2 + b2) % P, (a3 + b3) % P, (a4 + b4) % P))

    __radd__ = __add__

    def __sub__(self, other: "Extension | int") -> "Extension":
        """The difference."""
        (a0, a1, a2, a3, a4), (b0, b1, b2, b3, b4) = self.coefficients, _lift(other)
        return Extension._reduced(((a0 - b0) % P, (a1 - b1) % P, (a2 - b2) % P, (a3 - b3) % P, (a4 - b4) % P))

    def __rsub__(self, other: int) -> "Extension":
        """The difference from an integer."""
        return Extension.constant(other) - self

    def __neg__(self) -> "Extension":
        """The additive inverse."""
        return Extension.of([-a for a in self.coefficients])

    def __mul__(self, other: "Extension | int") -> "Extension":
        """The product."""
        if isinstance(other, int):
            return Extension.of([a * other for a in self.coefficients])
        return Extension._reduced(multiply_coefficients(self.coefficients, other.coefficients))

    __rmul__ = __mul__

    def __truediv__(self, other: "Extension | int") -> "Extension":
        """The quotient.

        Raises: ZeroDivisionError if the divisor is zero.
        """
        return self * (Extension.constant(other) if isinstance(other, int) else other).inverse()

    def __rtruediv__(self, other: int) -> "Extension":
        """The quotient of an integer by this element."""
        return self.inverse() * other

    def __pow__(self, exponent: int) -> "Extension":
        """The power; a negative exponent takes the inverse."""
        if exponent < 0:
            return self.inverse() ** -exponent
        result, square = Extension.ONE, self
        while exponent:
            if exponent & 1:
                result = result * square
            square, exponent = square * square, exponent >> 1
        return result

    def frobenius(self, times: int = 1) -> "Extension":
        """The p^times-th power."""
        root = pow(FROBENIUS_ROOT, times % DEGREE, P)
        return Extension.of([a * pow(root, i, P) for i, a in enumerate(self.coefficients)])

    def inverse(self) -> "Extension":
        """The y with x * y = 1.

        With r = 1 + p + p^2 + p^3 + p^4, x^r lies in F_p (the norm) and x^(r-1) is a product of
        Frobenius images (Itoh and Tsujii): one inversion in the base field.

        Raises: ZeroDivisionError if x is zero.
        """
        y = self.frobenius()
        y = y * y.frobenius()
        y = y * y.frobenius(2)
        norm = (self * y).coefficients[0]
        return y * babybear.inverse(norm)

    def is_zero(self) -> bool:
        """Whether all coefficients are zero."""
        return not any(self.coefficients)

    def in_base_field(self) -> bool:
        """Whether the element is a constant."""
        return not any(self.coefficients[1:])


Extension.ZERO = Extension((0, 0, 0, 0, 0))
Extension.ONE = Extension((1, 0, 0, 0, 0))
Extension.X = Extension((0, 1, 0, 0, 0))


def _lift(value: Extension | int) -> Coefficients:
    return (value, 0, 0, 0, 0) if isinstance(value, int) else value.coefficients


def batch_inverse(values: Sequence[Extension]) -> list[Extension]:
    """Inverses of all values, with one inversion.

    Raises: ZeroDivisionError if one of them is zero.
    """
    prefixes = [Extension.ONE]
    for value in values:
        prefixes.append(prefixes[-1] * value)
    suffix = prefixes[-1].inverse()
    result = [Extension.ZERO] * len(values)
    for i in range(len(values) - 1, -1, -1):
        result[i] = suffix * prefixes[i]
        suffix = suffix * values[i]
    return result
