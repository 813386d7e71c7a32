"""The frozen parameter sets: a proof never chooses its own security.

A set is named by a number that the transcript starts with; the numbers behind it are also part of every
circuit's digest.  `docs/security.md` says where they come from, `stark.soundness` computes what they give.
"""

import hashlib
from dataclasses import dataclass
from enum import IntEnum
from types import MappingProxyType
from typing import Final

from localbento.errors import Reason, UsageError, VerificationError

PROTOCOL_NAME: Final = "localbento-stark"
PROTOCOL_VERSION: Final = 1

EXTENSION_DEGREE: Final = 5
LOG_FOLD: Final = 4
"""FRI folds 16 values into one, in every layer of every set."""
DIGEST_LENGTH: Final = 8
SUM_COLUMNS: Final = EXTENSION_DEGREE
"""Main columns of a height whose first blinding row hides its published sum."""
MAX_FUNCTIONS_LOW: Final = 2048
"""Most functions of a height of at most 2^18 rows, and ..."""
MAX_FUNCTIONS_HIGH: Final = 1024
"""... of a taller one: the batching term grows with height and functions (docs/security.md)."""
LOG_LOW: Final = 18
MAX_CONSTRAINTS: Final = 8192


class HashSuite(IntEnum):
    """Which hash makes trees and transcript."""

    POSEIDON2_BABYBEAR_24 = 1
    POSEIDON2_BN254 = 2


class LayerKind(IntEnum):
    """What a proof is for; part of the transcript's initial value."""

    SEGMENT = 1
    RECURSION = 2
    WRAP = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class ParameterSet:
    """One immutable row of the table.

    `stop` bounds log2 of the final polynomial's coefficients; `cap` is log2 of the digests of a Merkle cap.
    `blinding` rows end every chip, `randomizers` coefficients randomize each of the `chunks` of a quotient;
    a constraint has degree at most `max_degree` = `chunks`.  Heights are log2 of rows.
    """

    name: str
    number: int
    layer: LayerKind
    suite: HashSuite
    log_blowup: int
    queries: int
    grinding: int
    stop: int
    cap: int
    blinding: int
    randomizers: int
    chunks: int
    lowest: int
    tallest: int
    is_toy: bool = False

    @property
    def max_degree(self) -> int:
        """Highest degree of a constraint, Z_blind not counted."""
        return self.chunks

    @property
    def rate(self) -> float:
        """Rows of a trace by points of its evaluation domain."""
        return 1 / (1 << self.log_blowup)

    def numbers(self) -> tuple[int, ...]:
        """Everything but the name, in declared order: the start of what a circuit's digest covers."""
        return (
            self.number,
            self.layer,
            self.suite,
            self.log_blowup,
            self.queries,
            self.grinding,
            LOG_FOLD,
            self.stop,
            self.cap,
            self.blinding,
            self.randomizers,
            self.chunks,
            self.lowest,
            self.tallest,
            int(self.is_toy),
        )

    def digest(self) -> bytes:
        """SHA-256 over name, version and numbers as text: what a person or a receipt can compare."""
        text = ",".join([PROTOCOL_NAME, str(PROTOCOL_VERSION), self.name, *map(str, self.numbers())])
        return hashlib.sha256(text.encode()).digest()

    def max_functions(self, log_rows: int) -> int:
        """Most functions that the batch of a height may hold."""
        return MAX_FUNCTIONS_LOW if log_rows <= LOG_LOW else MAX_FUNCTIONS_HIGH


S100: Final = ParameterSet(
    name="S100", number=1, layer=LayerKind.SEGMENT, suite=HashSuite.POSEIDON2_BABYBEAR_24,
    log_blowup=2, queries=88, grinding=20, stop=8, cap=5,
    blinding=192, randomizers=100, chunks=4, lowest=9, tallest=22,
)  # fmt: skip
R100: Final = ParameterSet(
    name="R100", number=2, layer=LayerKind.RECURSION, suite=HashSuite.POSEIDON2_BABYBEAR_24,
    log_blowup=3, queries=58, grinding=20, stop=8, cap=5,
    blinding=136, randomizers=72, chunks=8, lowest=10, tallest=20,
)  # fmt: skip
W100: Final = ParameterSet(
    name="W100", number=3, layer=LayerKind.WRAP, suite=HashSuite.POSEIDON2_BN254,
    log_blowup=5, queries=36, grinding=16, stop=6, cap=4,
    blinding=96, randomizers=52, chunks=4, lowest=9, tallest=17,
)  # fmt: skip

T4: Final = ParameterSet(
    name="T4-toy", number=101, layer=LayerKind.SEGMENT, suite=HashSuite.POSEIDON2_BABYBEAR_24,
    log_blowup=2, queries=8, grinding=6, stop=5, cap=2,
    blinding=27, randomizers=13, chunks=4, lowest=6, tallest=16, is_toy=True,
)  # fmt: skip
"""For tests only: S100 in small.  Some 12 bits; the counts still meet the zero-knowledge bounds exactly."""
T8: Final = ParameterSet(
    name="T8-toy", number=102, layer=LayerKind.RECURSION, suite=HashSuite.POSEIDON2_BABYBEAR_24,
    log_blowup=3, queries=8, grinding=6, stop=5, cap=2,
    blinding=27, randomizers=13, chunks=8, lowest=7, tallest=16, is_toy=True,
)  # fmt: skip
"""For tests only: R100 in small (rate 1/8, degree 8)."""

PARAMETER_SETS: Final = MappingProxyType({s.number: s for s in (S100, R100, W100, T4, T8)})


def by_name(name: str) -> ParameterSet:
    """The set with this name.

    Raises: UsageError if there is none.
    """
    for candidate in PARAMETER_SETS.values():
        if candidate.name == name:
            return candidate
    known = ", ".join(s.name for s in PARAMETER_SETS.values())
    msg = f"parameter set: expected one of {known}, found {name!r}"
    raise UsageError(msg)


def by_number(number: int) -> ParameterSet:
    """The set with this number, as a proof names it.

    Raises: VerificationError(UNKNOWN_PARAMETERS) if there is none.
    """
    found = PARAMETER_SETS.get(number)
    if found is None:
        raise VerificationError(Reason.UNKNOWN_PARAMETERS, f"parameter set number {number}")
    return found
