"""What is found about a machine, on made-up machines."""

import os
import stat
import sys

import pytest

from localbento.bench import machine

GIB = 1 << 30
MEMINFO = "MemTotal:       16777216 kB\nMemFree:  1 kB\nMemAvailable:    8388608 kB\nHugePages_Total:       0\n"


def program(folder, name, script):
    path = folder / name
    path.write_text(f"#!{sys.executable}\n{script}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


@pytest.fixture
def tools(tmp_path, monkeypatch):
    monkeypatch.setenv("PATH", str(tmp_path))
    return tmp_path


def test_memory_of_a_machine(tmp_path):
    (tmp_path / "meminfo").write_text(MEMINFO)
    assert machine.memory(tmp_path / "meminfo", tmp_path) == machine.Memory(16 * GIB, 8 * GIB)


@pytest.mark.parametrize(
    ("limit", "used", "expected"),
    [
        ("max", "1", (16 * GIB, 8 * GIB)),
        (str(4 * GIB), str(GIB), (4 * GIB, 3 * GIB)),
        (str(4 * GIB), str(5 * GIB), (4 * GIB, 0)),
        (str(64 * GIB), str(GIB), (16 * GIB, 8 * GIB)),
        ("nonsense", "1", (16 * GIB, 8 * GIB)),
    ],
)
def test_memory_of_a_container(tmp_path, limit, used, expected):
    (tmp_path / "meminfo").write_text(MEMINFO)
    (tmp_path / "memory.max").write_text(limit)
    (tmp_path / "memory.current").write_text(used)
    assert machine.memory(tmp_path / "meminfo", tmp_path) == machine.Memory(*expected)


@pytest.mark.parametrize("text", [None, "", "MemTotal: lots kB\n"])
def test_memory_where_the_system_does_not_say(tmp_path, text):
    if text is not None:
        (tmp_path / "meminfo").write_text(text)
    found = machine.memory(tmp_path / "meminfo", tmp_path)
    assert 0 < found.available < found.total


@pytest.mark.parametrize(
    ("quota", "usable"), [("max 100000", None), ("100000 100000", 1), ("50000 100000", 1), ("x", None), ("", None)]
)
def test_cores_of_a_container(tmp_path, quota, usable):
    (tmp_path / "cpu.max").write_text(quota)
    unlimited, _ = machine.usable_cores(tmp_path / "nothing")
    found, whole = machine.usable_cores(tmp_path)
    assert found == (usable or unlimited)
    assert whole == os.cpu_count()


def test_a_disk_is_written_to_and_left_clean(tmp_path):
    found = machine.probe_disk(tmp_path)
    assert found.free > 0
    assert found.bytes_per_second > 0
    assert list(tmp_path.iterdir()) == []


def test_a_disk_that_cannot_be_written_to(tmp_path):
    with pytest.raises(OSError, match="nothing"):
        machine.probe_disk(tmp_path / "nothing")


def test_the_file_system_is_that_of_the_nearest_mount(tmp_path):
    inner = tmp_path / "in ner" / "deep"
    inner.mkdir(parents=True)
    mounts = tmp_path / "mounts"
    place = str(tmp_path / "in ner").replace(" ", "\\040")
    mounts.write_text(f"a / ext4 rw 0 0\nb {place} nfs4 rw 0 0\nbroken\nc /elsewhere tmpfs rw 0 0\n")
    assert machine.file_system(inner, mounts) == "nfs4"
    assert machine.file_system(tmp_path, mounts) == "ext4"
    assert machine.file_system(tmp_path, tmp_path / "nothing") == ""


def test_programs_that_are_there(tools):
    program(tools, "node", "print('v22.3.0')")
    program(tools, "snarkjs", "print('snarkjs@0.7.5'); raise SystemExit(99)")
    assert machine.node_version() == "v22.3.0"
    assert machine.snarkjs_version() == "0.7.5"


def test_programs_that_are_not(tools):
    assert machine.node_version() is None
    assert machine.snarkjs_version() is None


def test_a_package_of_node_counts(tools):
    program(tools, "node", "import sys; print('0.7.4' if 'snarkjs' in sys.argv[2] else 'v20.0.0')")
    assert machine.snarkjs_version() == "0.7.4"


@pytest.mark.parametrize("script", ["raise SystemExit(1)", "print('')", "import os; os.write(1, b'\\xff\\xfe')"])
def test_programs_that_do_not_work(tools, script):
    program(tools, "node", script)
    assert machine.node_version() is None


def test_a_program_that_hangs_is_given_up(tools, monkeypatch):
    monkeypatch.setattr(machine, "TOOL_SECONDS", 0.2)
    program(tools, "node", "import time; time.sleep(60)")
    assert machine.node_version() is None


def test_kernels_that_are_not_compiled_are_counted(tmp_path, monkeypatch):
    monkeypatch.setenv("BENTO_KERNEL_CACHE", str(tmp_path / "none"))
    found = machine.kernel_cache()
    assert found.compiled == 0
    assert found.modules > 10
    assert found.folder.is_relative_to(tmp_path / "none")
