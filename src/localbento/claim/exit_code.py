"""How an execution, or a segment of one, ended.

Source: RISC Zero, risc0-binfmt 3.0.5, exit_code.rs.
"""

from dataclasses import dataclass
from enum import IntEnum
from typing import ClassVar, Self

from localbento.errors import Reason, VerificationError

_U32_MAX = 0xFFFF_FFFF


class System(IntEnum):
    """The system half of an exit code."""

    HALTED = 0
    PAUSED = 1
    SPLIT = 2


@dataclass(frozen=True, slots=True)
class ExitCode:
    """An exit code: the pair (system, user) that enters a claim's digest.

    Halted(u) is (0, u), Paused(u) is (1, u), SystemSplit is (2, 0).  (2, 2), SessionLimit, exists
    in the format and is never produced.
    """

    SYSTEM_SPLIT: ClassVar["ExitCode"]
    SESSION_LIMIT: ClassVar["ExitCode"]

    system: System
    user: int

    def __post_init__(self) -> None:
        """Refuse pairs that are no exit code."""
        allowed = self.user in (0, 2) if self.system is System.SPLIT else True
        if not allowed or not 0 <= self.user <= _U32_MAX:
            msg = f"({self.system!r}, {self.user!r}) is no exit code"
            raise ValueError(msg)

    @classmethod
    def halted(cls, user: int) -> Self:
        """The guest ended with this code."""
        return cls(System.HALTED, user)

    @classmethod
    def paused(cls, user: int) -> Self:
        """The guest paused with this code and can be resumed."""
        return cls(System.PAUSED, user)

    @classmethod
    def from_pair(cls, system: int, user: int) -> "ExitCode":
        """The exit code of a pair; (2, anything) is SystemSplit.

        Raises:
            VerificationError: EXIT_CODE, if the system half is above 2 or a half is no u32.
        """
        if system not in (0, 1, 2) or not 0 <= user <= _U32_MAX:
            detail = f"no exit code has the pair ({system}, {user})"
            raise VerificationError(Reason.EXIT_CODE, detail)
        if system == System.SPLIT:
            return cls.SYSTEM_SPLIT
        return cls(System(system), user)

    @classmethod
    def from_terminate(cls, a0: int) -> "ExitCode":
        """The exit code of a0 at TERMINATE: halt type in the low half, user code in the high one.

        Raises:
            VerificationError: EXIT_CODE, if the halt type is neither 0 nor 1.
        """
        halt_type, user = a0 & 0xFFFF, a0 >> 16
        if halt_type not in (System.HALTED, System.PAUSED):
            detail = f"halt type {halt_type} is neither terminate (0) nor pause (1)"
            raise VerificationError(Reason.EXIT_CODE, detail)
        return cls(System(halt_type), user)

    @property
    def pair(self) -> tuple[int, int]:
        """(system, user), as hashed."""
        return (int(self.system), self.user)

    @property
    def expects_output(self) -> bool:
        """Whether the guest itself ended the execution, and so has said what its output is."""
        return self.system is not System.SPLIT

    @property
    def is_ok(self) -> bool:
        """Whether this is Halted(0)."""
        return self.pair == (0, 0)

    def __str__(self) -> str:
        """In RISC Zero's spelling: Halted(0), Paused(1), SystemSplit."""
        match self.system:
            case System.HALTED:
                return f"Halted({self.user})"
            case System.PAUSED:
                return f"Paused({self.user})"
            case System.SPLIT:
                return "SessionLimit" if self.user else "SystemSplit"


ExitCode.SYSTEM_SPLIT = ExitCode(System.SPLIT, 0)
ExitCode.SESSION_LIMIT = ExitCode(System.SPLIT, 2)
