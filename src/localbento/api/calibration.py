"""How fast this machine is: measured once, a few seconds, and kept in the home."""

import json
import os
import time
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from localbento.errors import HostError

BLOWUP: Final = 4
LEAF_CELLS: Final = 16
CALIBRATION_FILE: Final = "speed.json"
CALIBRATION_VERSION: Final = 1
CALIBRATION_SECONDS: Final = 90 * 24 * 3600.0
CALIBRATION_LOG_ROWS: Final = 16


@dataclass(frozen=True, slots=True)
class Speed:
    """What this machine does: nanoseconds of one core, and the seconds of a small proof in a new process."""

    machine: str
    poseidon2_ns: float
    lde_ns_per_cell: float
    start_seconds: float
    measured_at: float

    @property
    def cell_seconds(self) -> float:
        """Core seconds for committing to one cell: its share of the extension's hashes and transforms."""
        return BLOWUP * (self.poseidon2_ns / LEAF_CELLS + self.lde_ns_per_cell) * 1e-9


def calibration(home: Path, say: Callable[[str], None] | None = None) -> Speed:
    """The speed of this machine: as kept in the home, or measured now, some seconds; `say` is told so before."""
    kept = _kept(home / CALIBRATION_FILE)
    if kept is not None:
        return kept
    if say is not None:
        say("measuring the speed of this machine, some seconds, once")
    from localbento.bench.kernels import run_kernels

    figures = run_kernels(1, log_commit_rows=CALIBRATION_LOG_ROWS, compile_cold=False)
    return keep_calibration(home, figures)


def keep_calibration(home: Path, figures: Mapping[str, Any]) -> Speed:
    """Keep figures of `run_kernels` in the home; a home that cannot be written to keeps none, and that is no error."""
    speed = Speed(
        machine_name(),
        float(figures["poseidon2_ns"]),
        float(figures["lde_ns_per_cell"]),
        float(figures["warm_start_seconds"]),
        time.time(),
    )
    from localbento.service.files import write_whole

    text = json.dumps({"version": CALIBRATION_VERSION, **asdict(speed)}, indent=1)
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_whole(home / CALIBRATION_FILE, text.encode(), private=True)
    except (OSError, HostError):
        pass
    return speed


def machine_name() -> str:
    """What a calibration is good for: this processor, with so many cores, with this version."""
    from localbento import __version__
    from localbento.bench.kernels import cpu_name, simd

    return f"{cpu_name()}, {os.cpu_count()} cores, {simd()}, localbento {__version__}"


def _kept(path: Path) -> Speed | None:
    """A calibration of this machine that is not too old; anything else that stands there is measured anew."""
    try:
        fields = json.loads(path.read_bytes())
        if fields.pop("version") != CALIBRATION_VERSION:
            return None
        speed = Speed(
            machine=str(fields["machine"]),
            poseidon2_ns=float(fields["poseidon2_ns"]),
            lde_ns_per_cell=float(fields["lde_ns_per_cell"]),
            start_seconds=float(fields["start_seconds"]),
            measured_at=float(fields["measured_at"]),
        )
    except (OSError, ValueError, KeyError, TypeError, AttributeError):
        return None
    sound = min(speed.poseidon2_ns, speed.lde_ns_per_cell, speed.start_seconds) > 0
    fresh = 0 <= time.time() - speed.measured_at < CALIBRATION_SECONDS
    return speed if sound and fresh and speed.machine == machine_name() else None
