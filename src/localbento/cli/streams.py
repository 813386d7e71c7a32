"""The three streams that a command was started with, made such that it can rely on them."""

import io
import os
import sys
from typing import BinaryIO

from localbento.errors import HostError


class _Output(io.FileIO):
    """Stdout whose refusals are our errors: only here is it known that it is stdout that refuses."""

    def write(self, data: "bytes | bytearray | memoryview", /) -> int | None:  # type: ignore[override]
        try:
            return super().write(data)
        except BrokenPipeError:
            raise
        except OSError as error:
            msg = f"stdout: cannot write: {os.strerror(error.errno or 0)}"
            raise HostError(msg) from error


class GuestText:
    """Our stderr as a guest's output: remembers whether the guest has left its last line open."""

    def __init__(self, stream: BinaryIO) -> None:
        """`stream`: where the text goes."""
        self._stream = stream
        self._open = False

    def write(self, data: bytes, /) -> int:
        """Hand the bytes on."""
        if data:
            self._open = not data.endswith(b"\n")
        return self._stream.write(data)

    def end_line(self) -> None:
        """What we say next begins on a line of its own, so that whoever reads it finds `error:` at its beginning."""
        if self._open:
            self.write(b"\n")


def open_missing() -> None:
    """Started with stdin, stdout or stderr closed, the next file or pipe that is opened would take its place."""
    for descriptor, name in enumerate(("stdin", "stdout", "stderr")):
        try:
            os.fstat(descriptor)
        except OSError:
            os.open(os.devnull, os.O_RDWR)
        if getattr(sys, name) is None:
            setattr(sys, name, open(descriptor, "w" if descriptor else "r", closefd=False))  # noqa: SIM115


def prepare_stdout() -> None:
    """Names may have letters that an encoding lacks, a disk may be full: numbers and one line, instead of a trace."""
    old = sys.stdout
    # Whoever calls us in a process of theirs may have put something without a descriptor there.
    if isinstance(old, io.TextIOWrapper) and isinstance(getattr(old.buffer, "raw", old.buffer), io.FileIO):
        old.flush()
        sys.stdout = io.TextIOWrapper(
            io.BufferedWriter(_Output(old.fileno(), "w", closefd=False)),
            encoding=old.encoding,
            errors="backslashreplace",
            line_buffering=old.line_buffering or old.write_through,
        )
    elif isinstance(old, io.TextIOWrapper):
        old.reconfigure(errors="backslashreplace")


def close_stdout() -> None:
    """Write what is left, if that is possible, and keep Python from complaining about the rest while it shuts down."""
    try:
        sys.stdout.flush()
    except (OSError, HostError):
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
