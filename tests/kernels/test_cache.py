"""Compiled code on disk: never stale, one copy for all processes, and no obstacle where it cannot be kept."""

import ast
import os
import shutil
import subprocess
import sys
import time
from pathlib import Path

import pytest

from localbento_kernels import cache, loading

HELPER = """
from numba import njit

@njit(nogil=True, cache=True)
def step(x):
    return x + {increment}
"""
CALLER = """
from numba import njit
from localbento_kernels.helper import step

@njit(nogil=True, cache=True)
def twice(x):
    return step(step(x))
"""
ANNOUNCEMENT = "localbento: compiling kernels, once"


@pytest.fixture
def package(tmp_path: Path) -> Path:
    """A package with the cache of the real one and two kernels in two files."""
    root = tmp_path / "localbento_kernels"
    root.mkdir()
    (root / "__init__.py").write_text("from localbento_kernels import cache\n\ncache.install()\n")
    for part in (cache, loading):
        shutil.copy(Path(part.__file__), root)
    (root / "helper.py").write_text(HELPER.format(increment=1))
    (root / "caller.py").write_text(CALLER)
    (root / "other.py").write_text("from numba import njit\n\n@njit(cache=True)\ndef same(x):\n    return x\n")
    return root


def start(package: Path, program: str, folder: Path) -> subprocess.Popen[str]:
    environment = {
        **os.environ, "PYTHONPATH": str(package.parent), "BENTO_KERNEL_CACHE": str(folder),
        # Python's own files of bytecode go by time and size, which these tests keep as they were.
        "PYTHONDONTWRITEBYTECODE": "1",
    }  # fmt: skip
    command = [sys.executable, "-c", program]
    pipe = subprocess.PIPE
    return subprocess.Popen(command, env=environment, cwd=package.parent, stdout=pipe, stderr=pipe, text=True)


def run(package: Path, program: str, folder: Path) -> tuple[str, str]:
    out, err = start(package, program, folder).communicate(timeout=120)
    return out.strip(), err


CALL = "from localbento_kernels.caller import twice; print(twice(8), sum(twice.stats.cache_hits.values()))"


def test_a_changed_helper_is_seen(package: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    out, err = run(package, CALL, folder)
    assert out == "10 0"
    assert ANNOUNCEMENT in err
    assert run(package, CALL, folder) == ("10 1", "")
    stamp = (package / "helper.py").stat()
    (package / "helper.py").write_text(HELPER.format(increment=2))
    os.utime(package / "helper.py", ns=(stamp.st_atime_ns, stamp.st_mtime_ns))
    assert run(package, CALL, folder)[0] == "12 0"
    (package / "helper.py").write_text(HELPER.format(increment=1))
    assert run(package, CALL, folder)[0] == "10 1"


USES = """
import numpy as np
from numba import njit

@njit(nogil=True, cache=True)
def use(x, n):
    if n < 0:
        raise ValueError("below zero", n)
    made = np.empty(n, np.uint32)
    for i in range(n):
        made[i] = x[i] * 2
    return made, made.sum(), "text" if n else None
"""
USE = """
import numpy as np
from localbento_kernels.uses import use
x = np.arange(5, dtype=np.uint32)
made, total, text = use(x, 4)
try:
    use(x, -1)
except ValueError as error:
    print(made.tolist(), int(total), text, error.args, sum(use.stats.cache_hits.values()))
"""


def test_what_was_loaded_allocates_returns_and_raises(package: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    (package / "uses.py").write_text(USES)
    for hits in (0, 1):
        out, err = run(package, USE, folder)
        assert out == f"[0, 2, 4, 6] 12 text ('below zero', -1) {hits}", err


def test_a_new_caller_inlines_what_was_loaded(package: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    assert run(package, CALL, folder)[0] == "10 0"
    (package / "caller.py").write_text(CALLER.replace("step(step(x))", "step(step(step(x)))"))
    program = (
        "from localbento_kernels.helper import step; print(step(1), sum(step.stats.cache_hits.values()));"
        "from localbento_kernels.caller import twice; print(twice(8), sum(twice.stats.cache_hits.values()))"
    )
    run(package, "from localbento_kernels.helper import step; step(1)", folder)
    assert run(package, program, folder)[0] == "2 1\n11 0"
    assert run(package, program, folder)[0] == "2 1\n11 1"


def test_loading_makes_nothing_ready_to_compile(package: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    program = f"{CALL}; import sys; print('numba.np.linalg' in sys.modules)"
    assert run(package, program, folder)[0] == "10 0\nTrue"
    assert run(package, program, folder)[0] == "10 1\nFalse"


@pytest.mark.parametrize("suffix", ["nbi", "nbc"])
@pytest.mark.parametrize("damage", ["cut", "empty", "flipped", "other"])
def test_a_damaged_file_is_compiled_again(package: Path, tmp_path: Path, suffix: str, damage: str) -> None:
    folder = tmp_path / "cache"
    assert run(package, CALL, folder)[0] == "10 0"
    (path,) = folder.glob(f"*/*caller*/caller.twice*.{suffix}")
    whole = path.read_bytes()
    middle = len(whole) // 2
    path.write_bytes(
        {
            "cut": whole[:middle],
            "empty": b"",
            "flipped": whole[:middle] + bytes([whole[middle] ^ 1]) + whole[middle + 1 :],
            "other": b"no pickle" * 10,
        }[damage]
    )
    assert run(package, CALL, folder)[0] == "10 0"
    assert run(package, CALL, folder)[0] == "10 1"


def parsed_imports(source: str) -> set[str]:
    """What the text of a module imports, by Python's own parser."""
    found: set[str] = set()
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Import):
            found |= {alias.name for alias in node.names}
        elif isinstance(node, ast.ImportFrom) and node.module:
            found |= {node.module} | {f"{node.module}.{alias.name}" for alias in node.names}
    return {name for name in found if name.partition(".")[0] == cache.PACKAGE}


FORMS = """
import numpy, localbento_kernels.a as x, localbento_kernels.b.c
from localbento_kernels import d, e as f
from localbento_kernels.cpu import (
    g,  # not (the last
    h as i,
)
from localbento_kernels.cpu import j, \\
    k
if True: from localbento_kernels.cpu.l import m; import localbento_kernels.n
def late():
    from localbento_kernels.cpu import(o)
"""


def test_every_import_is_seen() -> None:
    files = sorted(cache.ROOT.rglob("*.py"))
    assert len(files) > 30
    for source in (FORMS, *(path.read_text() for path in files)):
        wanted = parsed_imports(source)
        assert wanted <= set(cache._imports(source.encode())), wanted
    assert len(parsed_imports(FORMS)) == 14


def test_what_does_not_import_a_file_does_not_depend_on_it(package: Path) -> None:
    module = f"{cache.PACKAGE}.other"
    before = cache.source_stamp(module, package), cache.source_stamp(f"{cache.PACKAGE}.caller", package)
    cache.source_stamp.cache_clear()
    (package / "helper.py").write_text(HELPER.format(increment=3))
    after = cache.source_stamp(module, package), cache.source_stamp(f"{cache.PACKAGE}.caller", package)
    cache.source_stamp.cache_clear()
    assert before[0] == after[0]
    assert before[1] != after[1]


def test_processes_that_start_together_compile_once(package: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    started = [start(package, CALL, folder) for _ in range(4)]
    results = [process.communicate(timeout=120) for process in started]
    outs = sorted(out.strip() for out, _ in results)
    assert outs == ["10 0", "10 1", "10 1", "10 1"]
    assert sum(ANNOUNCEMENT in err for _, err in results) == 1


def test_a_killed_compiler_blocks_nobody(package: Path, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    hang = (
        "import time, numba.core.compiler as c, localbento_kernels.caller as m\n"
        "m.twice._compiler.compile = lambda *a: (print('compiling', flush=True), time.sleep(100))\n"
        "m.twice(8)"
    )
    process = start(package, hang, folder)
    assert process.stdout is not None
    assert process.stdout.readline().strip() == "compiling"
    process.kill()
    process.wait()
    begun = time.monotonic()
    assert run(package, CALL, folder)[0] == "10 0"
    assert time.monotonic() - begun < cache.WAIT_SECONDS / 2


def test_a_folder_that_cannot_be_written_is_said_and_survived(package: Path, tmp_path: Path) -> None:
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    both = f"{CALL}; from localbento_kernels.other import same; print(same(3))"
    out, err = run(package, both, blocked)
    assert out == "10 0\n3"
    assert err.count("cannot be kept") == 1, err


def test_a_machine_without_any_folder_that_can_be_written(
    package: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Numba looks in its setting, beside the source, in the home; here the package is root's, the home nobody's."""
    blocked = tmp_path / "file"
    blocked.write_text("no folder")
    (package / "__pycache__").write_text("no folder")
    for name in ("HOME", "XDG_CACHE_HOME"):
        monkeypatch.setenv(name, str(blocked))
    out, err = run(package, CALL, blocked)
    assert out == "10 0", err
    assert "BENTO_KERNEL_CACHE moves it" in err


def test_old_stamps_go_and_recent_ones_stay(tmp_path: Path) -> None:
    machine = tmp_path / "machine"
    old = [machine / f"localbento_kernels.x-{i}" for i in range(5)]
    for i, folder in enumerate(old):
        folder.mkdir(parents=True)
        age = time.time() - (10 - i) * 10 * cache.KEPT_SECONDS
        os.utime(folder, (age, age))
    recent, other = machine / "localbento_kernels.x-recent", machine / "localbento_kernels.y-0"
    recent.mkdir()
    other.mkdir()
    cache._prepare(machine / "localbento_kernels.x-new")
    left = {path.name for path in machine.iterdir()}
    assert {recent.name, other.name, "localbento_kernels.x-new"} <= left
    assert old[0].name not in left
    assert len(left) < 7
