"""Assumptions: what a guest takes for proved."""

from collections.abc import Sequence

from localbento.claim.assumption import Assumption
from localbento.executor.errors import SyscallError
from localbento.executor.syscalls.call import Call, Reply
from localbento.hash.tagged import ZERO
from localbento.riscv.abi import Register


class Integrity:
    """VERIFY_INTEGRITY and VERIFY_INTEGRITY2; keeps the list of what was used, the last one first."""

    def __init__(self, offered: Sequence[Assumption]) -> None:
        """`offered`: claims that receipts or promises stand for."""
        self._offered = list(offered)
        self.used: list[Assumption] = []

    def _wanted(self, call: Call) -> Assumption:
        call.require_empty()
        data = call.user_bytes(call.user(Register.A3), 64)
        return Assumption(data[:32], data[32:])

    def verify(self, call: Call) -> Reply:
        """Use an assumption that was offered; root zero takes any root.

        Raises:
            SyscallError: if none was.
        """
        wanted = self._wanted(call)
        for offer in self._offered:
            if offer.claim == wanted.claim and wanted.control_root in (ZERO, offer.control_root):
                self.used.insert(0, wanted)
                return Reply()
        given = f"{len(self._offered)} given" if self._offered else "none given"
        msg = (
            f"verify_integrity: no assumption for claim {wanted.claim.hex()} under root {wanted.control_root.hex()} "
            f"({given}); give the receipt with that claim digest: --assumption RECEIPT"
        )
        raise SyscallError(msg)

    def assume(self, call: Call) -> Reply:
        """Use an assumption whether or not it was offered; it stays to be resolved."""
        wanted = self._wanted(call)
        self._offered.append(wanted)
        self.used.insert(0, wanted)
        return Reply()
