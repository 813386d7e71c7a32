"""`bento doctor`: is this machine fit to prove, and how fast is it?

Every check is one line with a verdict: `ok`; `warn`: it works, but slower or not all of it; `fail`: it does not.
"""

import os
import sys
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any, Final

from localbento.errors import LocalBentoError

GIB: Final = 1 << 30
LEAST_DISK: Final = 1 * GIB
GOOD_DISK: Final = 8 * GIB
SLOW_SYNC_SECONDS: Final = 0.05
SLOW_WRITES: Final = 50e6
"""Bytes a second: a segment of some megabytes is written while the guest goes on."""
LEAST_NODE: Final = 18
EXPECTED_POSEIDON2_NS: Final = {"avx512": 200.0, "avx2": 300.0}
"""Of one permutation on one core, measured on a Zen 4 server (docs/benchmarks.md); NEON has not been measured."""
SLOWER: Final = 1.6
"""Times the expected figure from which a machine is called slow: older processors are within it."""
GOOD_CORE_USE: Final = 0.8
SPEED_LOG_ROWS: Final = 18


class Verdict(StrEnum):
    """How a check went."""

    OK = "ok"
    WARN = "warn"
    FAIL = "fail"


@dataclass(frozen=True, slots=True)
class Check:
    """One line: what was looked at, what was found, what to do about it."""

    name: str
    verdict: Verdict
    found: str
    advice: str = ""

    def to_json(self) -> dict[str, Any]:
        """A member of `checks` in `bento doctor --json`."""
        return {"name": self.name, "verdict": self.verdict.value, "found": self.found, "advice": self.advice}


@dataclass(frozen=True, slots=True)
class Report:
    """All checks; `speed` has the figures of the speed test, unless it was left out."""

    home: Path
    checks: tuple[Check, ...]
    speed: dict[str, float] | None
    seconds: float

    @property
    def verdict(self) -> Verdict:
        """The worst of all."""
        found = {check.verdict for check in self.checks}
        return next(v for v in (Verdict.FAIL, Verdict.WARN, Verdict.OK) if v in found or v is Verdict.OK)

    def to_json(self) -> dict[str, Any]:
        """The fields of `bento doctor --json` (docs/schemas/doctor.json)."""
        from localbento import __version__

        return {
            "version": __version__,
            "home": str(self.home),
            "verdict": self.verdict.value,
            "checks": [check.to_json() for check in self.checks],
            "speed": self.speed,
            "seconds": self.seconds,
        }


def doctor(*, quick: bool = False, on_check: Callable[[Check], None] | None = None) -> Report:
    """Look at everything that a proof needs.

    Args:
        quick: leave the speed test out.
        on_check: called with each check as soon as it is made.
    """
    from localbento.service.home import home_path

    started = time.perf_counter()
    home = home_path()
    speed: dict[str, float] = {}
    checks = []
    for check in _checks(home, speed, quick=quick):
        checks.append(check)
        if on_check is not None:
            on_check(check)
    return Report(home, tuple(checks), speed or None, time.perf_counter() - started)


def _checks(home: Path, speed: dict[str, float], *, quick: bool) -> Iterator[Check]:
    yield check_cpu()
    yield check_cores()
    yield check_memory()
    yield check_home(home)
    yield check_node()
    yield check_snarkjs()
    yield check_kernels()
    yield check_database(home)
    yield check_store(home)
    if not quick:
        yield check_speed(speed, home)


def check_cpu() -> Check:
    """Which vector instructions kernels are compiled to."""
    from localbento.bench.kernels import cpu_name, simd

    lanes = simd()
    found = f"{lanes} ({cpu_name()}), Python {sys.version.partition(' ')[0]}"
    if lanes in ("avx512", "avx2", "neon"):
        return Check("cpu", Verdict.OK, found)
    return Check("cpu", Verdict.WARN, found, "no avx512, avx2 or neon: proofs take several times as long")


def check_cores() -> Check:
    """Cores that this process may use."""
    from localbento.bench.machine import usable_cores

    usable, machine = usable_cores()
    if usable == machine:
        return Check("cores", Verdict.OK, str(usable))
    advice = f"prove with --jobs {usable}, or lift the limit (affinity, container)"
    return Check("cores", Verdict.WARN, f"{usable} of {machine} usable", advice)


def check_memory() -> Check:
    """Whether the smallest and the largest proof fit."""
    from localbento.bench.machine import memory

    found = memory()
    least, most = memory_range()
    text = f"{_gib(found.available)} of {_gib(found.total)} free; a segment takes {_gib(least)} to {_gib(most)}"
    if found.available < least:
        return Check("memory", Verdict.FAIL, text, f"free {_gib(least - found.available)} or use a larger machine")
    if found.available < most:
        return Check("memory", Verdict.WARN, text, "large segments do not fit: smaller ones are used, and cost more")
    return Check("memory", Verdict.OK, text)


def memory_range() -> tuple[int, int]:
    """What proving the smallest and the largest segment takes, with one thread."""
    from localbento.api.proving import predicted_bytes
    from localbento.circuits.rv32im.profiles import by_cost

    known = by_cost()
    return predicted_bytes(known[0], 1), predicted_bytes(known[-1], 1)


def check_home(home: Path) -> Check:
    """Whether the home can be written to, has room, and lies on a disk that keeps its promises."""
    from localbento.bench.machine import NETWORK_FILE_SYSTEMS, probe_disk

    elsewhere = "set BENTO_HOME to a folder on a local disk"
    try:
        home.mkdir(mode=0o700, parents=True, exist_ok=True)
        disk = probe_disk(home)
        mode = home.stat().st_mode & 0o777
    except OSError as error:
        reason = os.strerror(error.errno or 0)
        return Check("home", Verdict.FAIL, f"{str(home)!r} cannot be written to: {reason}", elsewhere)
    text = f"{str(home)!r}, {disk.kind or 'unknown file system'}, {_gib(disk.free)} free"
    text += f", writes {disk.bytes_per_second / 1e6:.0f} MB/s, sync {disk.sync_seconds * 1e3:.1f} ms"
    if disk.free < LEAST_DISK:
        return Check("home", Verdict.FAIL, text, f"free some space (bento gc), or {elsewhere}")
    warnings = []
    if disk.kind in NETWORK_FILE_SYSTEMS:
        warnings.append(f"locks may not hold on a network file system: {elsewhere}")
    if disk.free < GOOD_DISK:
        warnings.append(f"less than {_gib(GOOD_DISK)} free: long runs may not fit (bento estimate says)")
    if disk.sync_seconds > SLOW_SYNC_SECONDS or disk.bytes_per_second < SLOW_WRITES:
        warnings.append(f"a slow disk holds up every task: {elsewhere}")
    if mode & 0o077:
        warnings.append(f"others may look into it (mode {mode:o}): chmod 700 {str(home)!r}")
    return Check("home", Verdict.WARN if warnings else Verdict.OK, text, "; ".join(warnings))


def check_node() -> Check:
    """Node runs snarkjs: needed for Groth16 receipts only."""
    from localbento.bench.machine import node_version

    found = node_version()
    install = f"only Groth16 receipts need it: install node {LEAST_NODE} or later from https://nodejs.org"
    if found is None:
        return Check("node", Verdict.WARN, "not found", install)
    major = found.lstrip("v").partition(".")[0]
    if not major.isdigit() or int(major) < LEAST_NODE:
        return Check("node", Verdict.WARN, found, install)
    return Check("node", Verdict.OK, found)


def check_snarkjs() -> Check:
    """The Groth16 prover: needed for Groth16 receipts only."""
    from localbento.bench.machine import snarkjs_version

    found = snarkjs_version()
    if found is None:
        return Check("snarkjs", Verdict.WARN, "not found", "only Groth16 receipts need it: npm install -g snarkjs")
    return Check("snarkjs", Verdict.OK, found)


def check_kernels() -> Check:
    """Whether compiled kernels are there, or can be kept."""
    from localbento.bench.machine import kernel_cache

    cache = kernel_cache()
    text = f"{cache.compiled} of {cache.modules} compiled, in {str(cache.folder)!r}"
    if not cache.writable:
        advice = "the folder cannot be written to, so every process compiles for itself: set BENTO_KERNEL_CACHE"
        return Check("kernels", Verdict.FAIL if cache.compiled < cache.modules else Verdict.WARN, text, advice)
    if cache.compiled < cache.modules:
        return Check("kernels", Verdict.OK, text, "the first proof compiles the others, half a minute once")
    return Check("kernels", Verdict.OK, text)


def check_database(home: Path) -> Check:
    """Whether the task database opens, is sound, and is of this version."""
    from localbento.api.store import check_database as look

    try:
        return Check("database", Verdict.OK, look(home))
    except LocalBentoError as error:
        return Check("database", Verdict.FAIL, str(error), "")


def check_store(home: Path) -> Check:
    """Whether every object that a job needs is there, with its own content."""
    from localbento.api.store import check_store as look

    try:
        found, missing = look(home)
    except LocalBentoError as error:
        return Check("store", Verdict.FAIL, str(error), "")
    if missing:
        return Check("store", Verdict.FAIL, found, "; ".join(missing))
    return Check("store", Verdict.OK, found)


def check_speed(speed: dict[str, float], home: Path) -> Check:
    """Some ten seconds of what proofs do, on all usable cores; figures go to `speed`, and are kept for estimates."""
    from localbento.api.calibration import keep_calibration
    from localbento.bench.kernels import run_kernels, simd
    from localbento.bench.machine import usable_cores

    cores, _ = usable_cores()
    figures = run_kernels(cores, log_commit_rows=SPEED_LOG_ROWS, compile_cold=False)
    speed |= {name: float(figures[name]) for name in SPEED_FIGURES}
    keep_calibration(home, figures)
    return judge_speed(speed, simd(), cores)


SPEED_FIGURES: Final = (
    "poseidon2_ns", "lde_ns_per_cell", "commit_cells_per_second", "commit_core_use", "warm_start_seconds",
)  # fmt: skip


def judge_speed(speed: dict[str, float], lanes: str, cores: int) -> Check:
    """A verdict on figures of the speed test."""
    hash_ns, use = speed["poseidon2_ns"], speed["commit_core_use"]
    expected = EXPECTED_POSEIDON2_NS.get(lanes)
    text = (
        f"{hash_ns:.0f} ns a permutation"
        + (f" (expected {expected:.0f} on {lanes})" if expected else f" (no figure is known for {lanes})")
        + f", {speed['commit_cells_per_second'] / 1e6:.0f} million cells/s on {cores} cores, {use:.0%} busy"
    )
    warnings = []
    if expected and hash_ns > SLOWER * expected:
        warnings.append("slower than expected: power saving, a shared or throttled processor?")
    if use < GOOD_CORE_USE:
        warnings.append(f"the cores were not all ours ({_load()}): with other programs beside, proofs take longer")
    return Check("speed", Verdict.WARN if warnings else Verdict.OK, text, "; ".join(warnings))


def _load() -> str:
    try:
        return f"load average {os.getloadavg()[0]:.1f}"
    except OSError:
        return "load average not known"


def _gib(count: int) -> str:
    return f"{count / GIB:.1f} GiB"
