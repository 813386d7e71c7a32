"""What an execution is given: input, environment, limits."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final, Protocol

from localbento.claim.assumption import Assumption
from localbento.hash.tagged import ZERO
from localbento.riscv import abi

DEFAULT_PO2: Final = 20
MAX_PO2: Final = 24
MIN_PO2: Final = 13


class Sink(Protocol):
    """Where a guest's output goes."""

    def write(self, data: bytes, /) -> object:
        """Take all the bytes."""
        ...


class Compat(StrEnum):
    """Whose rules segments follow."""

    OWN = "own"
    """Cuts by rows of chips; what the proof needs."""
    V2 = "v2"
    """RISC Zero's released generation: its cuts, its scratch writes, its roots."""


@dataclass(frozen=True, slots=True)
class ExecutorInput:
    """What the guest can ask its host for.

    `seed` makes RANDOM a function of it (SHA-256 in counter mode); None takes the system's randomness.
    `stdout`, `stderr`: None drops what the guest writes there.  `syscalls` are calls that the user of the library
    registers: name to a function of the bytes sent that returns the bytes of the answer.
    """

    stdin: bytes = b""
    env: Mapping[str, str] = field(default_factory=dict)
    args: Sequence[str] = ()
    assumptions: Sequence[Assumption] = ()
    input_digest: bytes = ZERO
    seed: bytes | None = None
    stdout: Sink | None = None
    stderr: Sink | None = None
    keccak_po2: int = abi.KECCAK_DEFAULT_PO2
    syscalls: Mapping[str, Callable[[bytes], bytes]] = field(default_factory=dict)
    random: Callable[[int], bytes] | None = None
    """Overrides `seed`: called with a number of bytes."""


@dataclass(frozen=True, slots=True)
class Limits:
    """Where segments end.

    `capacities`: the most rows a segment may have, by chip (`interpret_numbers.CHIP_NAMES`; a missing chip is not
    limited).  `widen(rows)` is asked before a segment that has come to them is cut: other capacities, in which it may
    grow on, or None.  `choose(rows)` names the profile of a finished segment.  `max_cycles` bounds the user cycles of
    the session as the released generation counts them, None for no bound.  `po2` is the size of the segments in which
    its cycles are counted; `v2_margin` what it keeps free in each, None for its own rule.
    """

    capacities: Mapping[str, int] = field(default_factory=dict)
    choose: Callable[[Mapping[str, int]], str] | None = None
    widen: Callable[[Mapping[str, int]], Mapping[str, int] | None] | None = None
    max_cycles: int | None = None
    po2: int = DEFAULT_PO2
    v2_margin: int | None = None

    @property
    def margin(self) -> int:
        """Cycles that a segment of the released generation keeps free."""
        if self.v2_margin is not None:
            return self.v2_margin
        return 25_000 if self.po2 >= 15 else 2_000


def default_limits(max_cycles: int | None = None, po2: int = DEFAULT_PO2) -> Limits:
    """The limits of the machine's profiles: a segment grows from profile to profile while that pays."""
    from localbento.circuits.rv32im.profiles import Ladder, profiles

    ladder = Ladder(profiles())
    return Limits(ladder.first(), ladder.choose, ladder.widen, max_cycles, po2)
