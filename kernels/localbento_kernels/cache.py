"""Compiled code on disk: never stale, shared by all processes.

numba's own cache looks at the file of a function only: a kernel that inlines a helper from another file keeps its
old machine code when that file changes, and gives wrong answers.  Here a function's code lies in a folder named by
the SHA-256 of its module and of everything of this package that the module imports, inside a folder named by the
versions of Python, numba and llvmlite and by the processor.

Many processes may start at once: one compiles a function, the others wait for its result; whoever dies while
compiling releases the lock.  A damaged file counts as missing.  The folder may be moved with BENTO_KERNEL_CACHE.
"""

import fcntl
import hashlib
import os
import platform
import re
import shutil
import sys
import time
from functools import cache
from pathlib import Path
from typing import Any, Final

import llvmlite
import numba
import platformdirs
from llvmlite import binding
from numba.core import caching, config, dispatcher

from localbento_kernels import loading

# numba and llvmlite are not typed
_config: Any = config
_binding: Any = binding
_caching: Any = caching
_dispatcher: Any = dispatcher

PACKAGE: Final = __name__.partition(".")[0]
ROOT: Final = Path(__file__).parent
KEPT_STAMPS: Final = 2
"""Old folders of one module, or of one machine, that stay when a new one is made: branches take turns."""
KEPT_SECONDS: Final = 24 * 3600
"""What was used this recently stays in any case: another process may be about to read it."""
WAIT_SECONDS: Final = 120.0
"""How long to wait for another process that compiles the same function before compiling it here too."""
ANNOUNCE_SECONDS: Final = 300.0


def directory() -> Path:
    """Where the compiled code of this machine and these versions lies."""
    moved = os.environ.get("BENTO_KERNEL_CACHE")
    root = Path(moved) if moved else Path(platformdirs.user_cache_dir("localbento")) / "kernels"
    return root / machine_stamp()


@cache
def machine_stamp() -> str:
    """A digest of what machine code depends on beside its source."""
    features = _config.CPU_FEATURES
    if features is None:
        features = _binding.get_host_cpu_features().flatten()
    parts = (
        platform.python_version(),
        numba.__version__,
        llvmlite.__version__,
        platform.machine(),
        _config.CPU_NAME or _binding.get_host_cpu_name(),
        features,
        str(_config.OPT),
    )
    return hashlib.sha256(repr(parts).encode()).hexdigest()[:16]


_DOTTED: Final = re.compile(rf"\b{PACKAGE}(?:\.\w+)*")
_FROM: Final = re.compile(rf"\bfrom\s+({PACKAGE}(?:\.\w+)*)\s+import\s*(\((?:[^()#]|#[^\n]*)*\)|(?:[^\\\n]|\\\n)*)")


@cache
def _imports(source: bytes) -> tuple[str, ...]:
    """Names of this package that a source may import: every name that it mentions, and what it takes from it.

    PERF: read without a parser, which took a fifth of a second of every start.  What a comment or string names is
    found, too, which at worst compiles something again.
    """
    text = source.decode()
    found = dict.fromkeys(_DOTTED.findall(text))
    for module, names in _FROM.findall(text):
        found |= dict.fromkeys(f"{module}.{name}" for name in re.findall(r"\w+", names))
    return tuple(found)


@cache
def _file(module: str, root: Path) -> Path | None:
    """The source of a module of this package."""
    package, *names = module.split(".")
    if package != PACKAGE:
        return None
    base = root.joinpath(*names)
    candidates = (base.with_suffix(".py"), base / "__init__.py") if names else (base / "__init__.py",)
    return next((path for path in candidates if path.is_file()), None)


@cache
def _data(folder: Path) -> tuple[tuple[str, bytes], ...]:
    """The data files of a folder."""
    return tuple((path.name, path.read_bytes()) for path in folder.glob("*.json"))


@cache
def source_stamp(module: str, root: Path = ROOT) -> str:
    """A digest of a module's source, of all that it imports from this package, and of the data files beside them."""
    files: dict[str, bytes] = {}
    pending = [module]
    while pending:
        name = pending.pop()
        path = _file(name, root)
        if path is None or name in files:
            continue
        files[name] = path.read_bytes()
        pending += _imports(files[name])
        for data, content in _data(path.parent):
            files[f"{name}/{data}"] = content
    digest = hashlib.sha256()
    for name, content in sorted(files.items()):
        digest.update(f"{name}\0{len(content)}\0".encode() + content)
    return digest.hexdigest()[:16]


def _prune(siblings: list[Path]) -> None:
    """Remove all but the last used."""
    used = {path: path.stat().st_mtime for path in siblings}
    for path in sorted(siblings, key=used.__getitem__, reverse=True)[KEPT_STAMPS:]:
        if time.time() - used[path] > KEPT_SECONDS:
            shutil.rmtree(path, ignore_errors=True)


def _prepare(folder: Path) -> None:
    """Make a folder for a stamp, or note that it is in use; a new one pushes old ones out."""
    if folder.is_dir():
        if time.time() - folder.stat().st_mtime > KEPT_SECONDS / 2:
            os.utime(folder)
        return
    folder.mkdir(parents=True, exist_ok=True)
    module = folder.name.rpartition("-")[0]
    _prune([path for path in folder.parent.glob(f"{module}-*") if path.is_dir()])
    _prune([path for path in folder.parent.parent.iterdir() if path.is_dir()])


def _announce(folder: Path) -> None:
    """Say once, for all processes, that there is something to compile."""
    marker = folder / "compiling"
    try:
        if time.time() - marker.stat().st_mtime < ANNOUNCE_SECONDS:
            os.utime(marker)
            return
        marker.unlink(missing_ok=True)
    except FileNotFoundError:
        pass
    try:
        marker.touch(exist_ok=False)
    except FileExistsError:
        return
    sys.stderr.write("localbento: compiling kernels, once for this version and machine\n")
    sys.stderr.flush()


@cache
def _complain(reason: str, folder: str) -> None:
    """Once a process, not once a function."""
    line = f"localbento: compiled kernels cannot be kept in {folder!r}: {reason}; BENTO_KERNEL_CACHE moves it\n"
    sys.stderr.write(line)


class _Locator(_caching.UserProvidedCacheLocator):  # type: ignore[misc]
    """Names a function.  Numba's own first writes a file, and refuses the function where no folder can be written."""

    @classmethod
    def from_function(cls, py_func: Any, py_file: str) -> "_Locator":
        """Without a look at any folder: ours is made when there is something to keep."""
        return cls(py_func, py_file)


class _Naming(_caching.CompileResultCacheImpl):  # type: ignore[misc]
    _locator_classes = (_Locator,)


class SharedCache(_caching.FunctionCache):  # type: ignore[misc]
    """numba's cache of one function, in the folder of its module's stamp, with a lock between processes."""

    def __init__(self, py_func: Any) -> None:
        """Replace numba's folder by the stamped one."""
        module = py_func.__module__
        self._ours = module == PACKAGE or module.startswith(f"{PACKAGE}.")
        if self._ours:
            self._impl_class = _Naming
        super().__init__(py_func)
        self._lock: int | None = None
        if self._ours:
            self._folder = directory() / f"{module}-{source_stamp(module)}"
            self._cache_path = str(self._folder)
            # The folder's name says all about the source; a time of change would only tell copies apart.
            self._cache_file = loading.CheckedFiles(self._cache_path, self._impl.filename_base, source_stamp="")

    def load_overload(self, sig: Any, target_context: Any) -> Any:
        """The compiled function, or None and the lock under which it is now to be compiled."""
        if not self._ours:
            return super().load_overload(sig, target_context)
        try:
            result = loading.load(self, sig, target_context)
            if result is not None:
                return result
            _prepare(self._folder)
            self._acquire()
            result = loading.load(self, sig, target_context)
            if result is not None:
                self._release()
            else:
                _announce(self._folder.parent)
                target_context.refresh()
        except OSError as error:
            self._give_up(error)
            return None
        return result

    def _give_up(self, error: OSError) -> None:
        """What is compiled from now on serves this process only."""
        self.disable()
        self._release()
        if self._ours:
            self._ours = False
            _complain(str(error.strerror), str(directory()))

    def save_overload(self, sig: Any, data: Any) -> None:
        """Store a compiled function, and let others read it."""
        try:
            super().save_overload(sig, data)
        except OSError as error:
            self._give_up(error)
        finally:
            self._release()

    def _acquire(self) -> None:
        """Take the lock of this function, unless another process keeps it for too long."""
        if self._lock is not None:  # an earlier compilation here failed
            return
        path = self._folder / f"{self._impl.filename_base}.lock"
        lock = os.open(path, os.O_CREAT | os.O_RDWR | os.O_CLOEXEC, 0o644)
        deadline = time.monotonic() + WAIT_SECONDS
        while True:
            try:
                fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
            except BlockingIOError:
                if time.monotonic() > deadline:
                    os.close(lock)
                    return
                time.sleep(0.05)
            else:
                self._lock = lock
                return

    def _release(self) -> None:
        if self._lock is not None:
            os.close(self._lock)
            self._lock = None


def install() -> None:
    """Make numba keep the code of this package's functions here."""
    _config.CACHE_DIR = str(directory())
    _dispatcher.FunctionCache = SharedCache
    loading.install()
