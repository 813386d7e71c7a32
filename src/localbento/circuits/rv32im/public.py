"""What a segment proof states in public: roots before and after, input, how it ended.

The proof itself only ties these values to messages on the buses; that limbs are limbs and a halt type is one
that exists is checked here, by whoever verifies.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from localbento.air.system import Public, PublicMessage
from localbento.circuits.rv32im.buses import END, NODE, START
from localbento.errors import Reason, VerificationError
from localbento.field.babybear import P
from localbento.riscv import abi

ROOT: Final = 8
DIGEST_WORDS: Final = 8
LIMB: Final = 1 << 16

NAMES: Final = (
    *(f"pre_{i}" for i in range(ROOT)),
    *(f"post_{i}" for i in range(ROOT)),
    *(f"input_{i}" for i in range(2 * DIGEST_WORDS)),
    "terminated",
    "a0_lo", "a0_hi", "a1_lo", "a1_hi",
    *(f"output_{i}" for i in range(2 * DIGEST_WORDS)),
)  # fmt: skip
"""The public values in declared order; input and output as limbs, low limb of each word first."""

COUNT: Final = len(NAMES)


@dataclass(frozen=True, slots=True)
class SegmentStatement:
    """The public values of a segment proof, as words.

    `pre` and `post` are the real Merkle roots, also where the claim's post state is zero because the execution
    halted.  A segment that goes on has `terminated` False, and a0, a1 and the output zero.
    """

    pre: tuple[int, ...]
    post: tuple[int, ...]
    input: tuple[int, ...]
    terminated: bool = False
    a0: int = 0
    a1: int = 0
    output: tuple[int, ...] = field(default=(0,) * DIGEST_WORDS)

    @property
    def halt_type(self) -> int:
        """Low half of a0."""
        return self.a0 & 0xFFFF

    @property
    def user_exit(self) -> int:
        """High half of a0: the guest's exit code."""
        return self.a0 >> 16


def public_values(statement: SegmentStatement) -> tuple[int, ...]:
    """The values in declared order.

    Raises: ValueError if a word does not fit or a tuple has not eight elements.
    """
    words = (*statement.input, statement.a0, statement.a1, *statement.output)
    if any(not 0 <= word < 1 << 32 for word in words) or any(not 0 <= e < P for e in statement.pre + statement.post):
        msg = "a segment's statement holds a number that is no word, or a root that is not canonical"
        raise ValueError(msg)
    values = (
        *statement.pre, *statement.post, *_limbs(statement.input), int(statement.terminated),
        *_limbs((statement.a0, statement.a1)), *_limbs(statement.output),
    )  # fmt: skip
    if len(values) != COUNT:
        msg = f"a segment's statement makes {len(values)} public values, expected {COUNT}"
        raise ValueError(msg)
    return values


def check_public_values(values: Sequence[int]) -> SegmentStatement:
    """The statement behind public values that a proof was verified for.

    Checks what no constraint does: roots below p, limbs below 2^16 (the input is a new value in memory, and a
    limb that is none would be a word that is none), `terminated` 0 or 1, a halt type that exists, and nothing in
    the fields of an end that did not happen.

    Raises: VerificationError(PUBLIC_VALUES).
    """
    if len(values) != COUNT or any(type(v) is not int or not 0 <= v < P for v in values):
        raise VerificationError(Reason.PUBLIC_VALUES)
    pre, post = tuple(values[:ROOT]), tuple(values[ROOT : 2 * ROOT])
    limbs = values[2 * ROOT :]
    terminated = limbs[2 * DIGEST_WORDS]
    halves = (*limbs[: 2 * DIGEST_WORDS], *limbs[2 * DIGEST_WORDS + 1 :])
    if terminated not in (0, 1) or any(v >= LIMB for v in halves):
        raise VerificationError(Reason.PUBLIC_VALUES)
    words = tuple(low | high << 16 for low, high in zip(halves[::2], halves[1::2], strict=True))
    given, (a0, a1), output = words[:DIGEST_WORDS], words[DIGEST_WORDS : DIGEST_WORDS + 2], words[DIGEST_WORDS + 2 :]
    statement = SegmentStatement(pre, post, given, bool(terminated), a0, a1, output)
    if terminated and statement.halt_type not in tuple(abi.HaltType):
        raise VerificationError(Reason.PUBLIC_VALUES)
    if not terminated and any((a0, a1, *output)):
        raise VerificationError(Reason.PUBLIC_VALUES)
    return statement


def _limbs(words: Sequence[int]) -> tuple[int, ...]:
    return tuple(limb for word in words for limb in (word & 0xFFFF, word >> 16))


def public_messages() -> tuple[PublicMessage, ...]:
    """What the verifier puts on the buses: the opened root, the input, and it takes the end."""
    roots = tuple(Public(i) for i in range(2 * ROOT))
    start = tuple(Public(2 * ROOT + i) for i in range(START.width))
    end = tuple(Public(2 * ROOT + START.width + i) for i in range(END.width))
    return (
        PublicMessage(NODE, 1, (0, 1, *roots)),
        PublicMessage(START, 1, start),
        PublicMessage(END, -1, end),
    )
