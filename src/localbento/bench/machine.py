"""What this machine is: cores, memory, disk, programs that are installed, compiled kernels."""

import os
import shutil
import subprocess
import tempfile
import time
from collections.abc import Mapping
from dataclasses import dataclass
from importlib import resources
from pathlib import Path
from typing import Final

PROBE_BYTES: Final = 8 << 20
TOOL_SECONDS: Final = 10.0
KERNEL_MARKS: Final = ("\n@njit", "\n@kernel")
CGROUP: Final = Path("/sys/fs/cgroup")
NETWORK_FILE_SYSTEMS: Final = frozenset({"nfs", "nfs4", "cifs", "smb3", "smbfs", "9p", "afs", "ceph", "fuse.sshfs"})
"""Where the locks of a database may not hold between processes."""


@dataclass(frozen=True, slots=True)
class Memory:
    """Bytes that there are, and that are free now; both as a container's limit leaves them."""

    total: int
    available: int


@dataclass(frozen=True, slots=True)
class Disk:
    """What a file system gave: free bytes, its type, and the time of a synced write."""

    free: int
    kind: str
    bytes_per_second: float
    sync_seconds: float


@dataclass(frozen=True, slots=True)
class KernelCache:
    """Compiled kernels of this version on this machine: modules that have some, modules that could."""

    folder: Path
    compiled: int
    modules: int
    writable: bool


def usable_cores(cgroup: Path = CGROUP) -> tuple[int, int]:
    """Cores that this process may use, and cores of the machine; a container's quota counts."""
    machine = os.cpu_count() or 1
    try:
        usable = len(os.sched_getaffinity(0))
    except AttributeError:  # (macOS has no affinity)
        usable = machine
    try:
        quota, period = (cgroup / "cpu.max").read_text().split()
        if quota != "max":
            usable = min(usable, max(1, int(quota) // int(period)))
    except (OSError, ValueError):
        pass
    return usable, machine


def memory(meminfo: Path = Path("/proc/meminfo"), cgroup: Path = CGROUP) -> Memory:
    """Memory of the machine, or of the container that this runs in."""
    total, available = _system_memory(meminfo)
    try:
        limit = int((cgroup / "memory.max").read_text())
        used = int((cgroup / "memory.current").read_text())
    except (OSError, ValueError):  # no container, no limit ("max"), or another system
        return Memory(total, available)
    return Memory(min(total, limit), max(0, min(available, limit - used)))


def _system_memory(meminfo: Path) -> tuple[int, int]:
    try:
        fields: Mapping[str, int] = {
            name: int(rest.split()[0]) * 1024
            for name, _, rest in (line.partition(":") for line in meminfo.read_text().splitlines())
            if rest.split()
        }
        return fields["MemTotal"], fields["MemAvailable"]
    except (OSError, KeyError, ValueError):
        whole = os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")
        # Not known here: half is what a machine in use has left.
        return whole, whole // 2


def probe_disk(folder: Path) -> Disk:
    """Write, sync, rename and remove a file in a folder.

    Raises: OSError if the file system refuses.
    """
    with tempfile.TemporaryDirectory(dir=folder, prefix=".bento-probe-") as name:
        first, second = Path(name, "first"), Path(name, "second")
        data = os.urandom(PROBE_BYTES)
        started = time.perf_counter()
        _write_synced(first, data)
        big = time.perf_counter() - started
        started = time.perf_counter()
        _write_synced(second, data[:1])
        small = time.perf_counter() - started
        second.replace(first)
    return Disk(shutil.disk_usage(folder).free, file_system(folder), PROBE_BYTES / big, small)


def _write_synced(path: Path, data: bytes) -> None:
    with path.open("wb") as file:
        file.write(data)
        file.flush()
        os.fsync(file.fileno())


def file_system(folder: Path, mounts: Path = Path("/proc/mounts")) -> str:
    """Type of the file system that a folder lies on; "" where that cannot be told."""
    try:
        lines = [line.split() for line in mounts.read_text().splitlines()]
    except OSError:
        return ""
    found, longest = "", -1
    for _, place, kind, *_ in (line for line in lines if len(line) > 3):
        root = Path(place.encode().decode("unicode_escape"))
        if folder.resolve().is_relative_to(root) and len(root.parts) >= longest:
            found, longest = kind, len(root.parts)
    return found


def node_version() -> str | None:
    """Version of node; None if there is none that runs."""
    return _first_line("node", "--version")


def snarkjs_version() -> str | None:
    """Version of snarkjs; None if neither a command nor a package of node is found."""
    if shutil.which("snarkjs"):
        # It prints its help, with the version in the first line, and ends with 99.
        line = _first_line("snarkjs", "--version", any_status=True)
        return line.partition("@")[2] or line if line else None
    return _first_line("node", "-p", "require('snarkjs/package.json').version")


def _first_line(program: str, *args: str, any_status: bool = False) -> str | None:
    where = shutil.which(program)
    if where is None:
        return None
    try:
        done = subprocess.run([where, *args], capture_output=True, text=True, timeout=TOOL_SECONDS, check=False)
    except (OSError, subprocess.TimeoutExpired, UnicodeDecodeError):
        return None
    lines = done.stdout.strip().splitlines()
    return lines[0].strip() if lines and (any_status or done.returncode == 0) else None


def kernel_cache() -> KernelCache:
    """How much of the kernels is compiled for this version and machine."""
    from localbento_kernels.cache import directory, source_stamp

    package = resources.files("localbento_kernels.cpu")
    names = [
        f"localbento_kernels.cpu.{entry.name.removesuffix('.py')}"
        for entry in package.iterdir()
        if entry.name.endswith(".py") and any(mark in entry.read_text() for mark in KERNEL_MARKS)
    ]
    folder = directory()
    compiled = sum((folder / f"{name}-{source_stamp(name)}").is_dir() for name in names)
    existing = next(p for p in (folder, *folder.parents) if p.exists())
    return KernelCache(folder, compiled, len(names), os.access(existing, os.W_OK))
