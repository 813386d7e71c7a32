"""Arguments and environment variables."""

from collections.abc import Mapping, Sequence

from localbento.executor.errors import SyscallError
from localbento.executor.syscalls.call import Call, Reply, pair
from localbento.riscv import abi
from localbento.riscv.abi import Register


class Environment:
    """ARGC, ARGV, GETENV."""

    def __init__(self, args: Sequence[str], env: Mapping[str, str]) -> None:
        """Texts go to the guest as UTF-8."""
        self._args = [arg.encode() for arg in args]
        self._env = {name.encode(): value.encode() for name, value in env.items()}

    def argc(self, call: Call) -> Reply:
        """How many arguments there are."""
        if call.two_steps:
            call.require_empty()
            return Reply(first=len(self._args))
        return Reply(pair(len(self._args), 0))

    def argv(self, call: Call) -> Reply:
        """An argument: as much as fits, and its length."""
        index = call.user(Register.A3)
        if index >= len(self._args):
            msg = f"argv: index {index}, but there are {len(self._args)} arguments"
            raise SyscallError(msg)
        value = self._args[index]
        if len(value) >= abi.HOST_IO_MAX_BYTES:
            msg = f"argv: argument {index} has {len(value)} bytes, allowed {abi.HOST_IO_MAX_BYTES - 1}"
            raise SyscallError(msg)
        if not call.two_steps and call.user(Register.A4) == 1:
            return Reply(pair(len(value), 0))
        return Reply(value[: call.length], first=len(value))

    def getenv(self, call: Call) -> Reply:
        """A variable: as much as fits, and its length; all ones if it is not set."""
        length = call.user(Register.A4)
        if length > abi.GETENV_MAX_NAME_BYTES:
            msg = f"getenv: name of {length} bytes, allowed {abi.GETENV_MAX_NAME_BYTES}"
            raise SyscallError(msg)
        name = call.user_bytes(call.user(Register.A3), length)
        try:
            name.decode()
        except UnicodeDecodeError as error:
            msg = f"getenv: name {name!r} is not UTF-8"
            raise SyscallError(msg) from error
        value = self._env.get(name)
        if value is not None and len(value) >= abi.HOST_IO_MAX_BYTES:
            msg = f"getenv: value of {name!r} has {len(value)} bytes, allowed {abi.HOST_IO_MAX_BYTES - 1}"
            raise SyscallError(msg)
        size = abi.GETENV_UNSET if value is None else len(value)
        if not call.two_steps and call.user(Register.A5) == 1:
            return Reply(pair(size, 0))
        return Reply((value or b"")[: call.length], first=size)
