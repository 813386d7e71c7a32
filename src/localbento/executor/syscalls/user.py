"""System calls that a user of the library registers: bytes there, bytes back."""

from collections.abc import Callable

from localbento.executor.syscalls.call import Call, Reply
from localbento.riscv.abi import Register


class UserCall:
    """One registered call; a guest sends first, then fetches the answer, perhaps in pieces."""

    def __init__(self, function: Callable[[bytes], bytes]) -> None:
        """`function` is called once for each exchange."""
        self._function = function
        self._left: bytes | None = None

    def call(self, call: Call) -> Reply:
        """Without anything left of an earlier answer: exchange, and say how long the answer is.  Else: more of it."""
        if not self._left:
            sent = call.user_bytes(call.user(Register.A3), call.user(Register.A4))
            self._left = self._function(sent)
            if not call.length:
                return Reply(first=len(self._left))
        taken = self._left[: call.length]
        self._left = self._left[len(taken) :]
        return Reply(taken, first=len(taken))
