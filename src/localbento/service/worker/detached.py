"""Starting a process that outlives us: a job that is worked off in the background."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path


def start_detached(arguments: Sequence[str], home: Path, log: Path) -> int:
    """Run `bento` with these arguments, its output appended to `log`; returns its process number.

    It leads a session of its own, so that closing the terminal does not end it.
    """
    with log.open("ab") as file:
        process = subprocess.Popen(
            [sys.executable, "-m", "localbento.cli", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=file,
            start_new_session=True,
            env={**os.environ, "BENTO_HOME": str(home)},
        )
    return process.pid
