"""Verdicts of `bento doctor`: on this machine, and on made-up ones that lack something."""

import pytest

from localbento.api import doctor
from localbento.api.doctor import Check, Report, Verdict
from localbento.bench import kernels, machine

GIB = 1 << 30
SPEED = {
    "poseidon2_ns": 190.0, "lde_ns_per_cell": 1.9, "commit_cells_per_second": 7e7, "commit_core_use": 0.97,
    "warm_start_seconds": 1.3,
}  # fmt: skip


def disk(**changes):
    return machine.Disk(**{"free": 99 * GIB, "kind": "ext4", "bytes_per_second": 1e9, "sync_seconds": 0.001, **changes})


@pytest.mark.parametrize(
    ("lanes", "verdict"), [("avx512", "ok"), ("avx2", "ok"), ("neon", "ok"), ("x86_64", "warn"), ("riscv64", "warn")]
)
def test_vector_instructions(monkeypatch, lanes, verdict):
    monkeypatch.setattr(kernels, "simd", lambda: lanes)
    found = doctor.check_cpu()
    assert found.verdict == verdict
    assert lanes in found.found
    assert bool(found.advice) == (verdict == "warn")


@pytest.mark.parametrize(("usable", "verdict"), [(8, "ok"), (3, "warn")])
def test_cores(monkeypatch, usable, verdict):
    monkeypatch.setattr(machine, "usable_cores", lambda: (usable, 8))
    found = doctor.check_cores()
    assert found.verdict == verdict
    assert ("--jobs 3" in found.advice) == (verdict == "warn")


@pytest.mark.parametrize(("free", "verdict"), [(0.5, "fail"), (2.0, "warn"), (4.0, "ok")])
def test_memory(monkeypatch, free, verdict):
    monkeypatch.setattr(machine, "memory", lambda: machine.Memory(8 * GIB, int(free * GIB)))
    monkeypatch.setattr(doctor, "memory_range", lambda: (GIB, 3 * GIB))
    found = doctor.check_memory()
    assert found.verdict == verdict
    assert f"{free:.1f} GiB of 8.0 GiB" in found.found


def test_the_memory_of_segments_is_that_of_the_profiles():
    least, most = doctor.memory_range()
    assert 0.3 * GIB < least < most < 8 * GIB


def test_a_new_home_is_made_for_its_owner_alone(tmp_path):
    home = tmp_path / "ein neues heim 家"
    found = doctor.check_home(home)
    assert found.verdict in (Verdict.OK, Verdict.WARN)
    assert home.stat().st_mode & 0o777 == 0o700
    assert list(home.iterdir()) == []


def test_a_home_that_cannot_be(tmp_path):
    (tmp_path / "file").write_text("")
    found = doctor.check_home(tmp_path / "file")
    assert found.verdict is Verdict.FAIL
    assert "BENTO_HOME" in found.advice


@pytest.mark.parametrize(
    ("change", "verdict", "word"),
    [
        ({}, "ok", ""),
        ({"free": GIB // 2}, "fail", "bento gc"),
        ({"free": 2 * GIB}, "warn", "free"),
        ({"kind": "nfs4"}, "warn", "network"),
        ({"sync_seconds": 0.5}, "warn", "slow disk"),
        ({"bytes_per_second": 1e6}, "warn", "slow disk"),
    ],
)
def test_disks(monkeypatch, tmp_path, change, verdict, word):
    monkeypatch.setattr(machine, "probe_disk", lambda _: disk(**change))
    home = tmp_path / "home"
    found = doctor.check_home(home)
    assert found.verdict == verdict
    assert word in found.advice


def test_a_home_that_others_may_read(monkeypatch, tmp_path):
    monkeypatch.setattr(machine, "probe_disk", lambda _: disk())
    home = tmp_path / "home"
    home.mkdir()
    home.chmod(0o755)
    found = doctor.check_home(home)
    assert found.verdict is Verdict.WARN
    assert "chmod 700" in found.advice


@pytest.mark.parametrize(
    ("version", "verdict"),
    [("v20.20.2", "ok"), ("v18.0.0", "ok"), ("v12.1.0", "warn"), ("odd", "warn"), (None, "warn")],
)
def test_node(monkeypatch, version, verdict):
    monkeypatch.setattr(machine, "node_version", lambda: version)
    found = doctor.check_node()
    assert found.verdict == verdict
    assert ("nodejs.org" in found.advice) == (verdict == "warn")


@pytest.mark.parametrize(("version", "verdict"), [("0.7.5", "ok"), (None, "warn")])
def test_snarkjs(monkeypatch, version, verdict):
    monkeypatch.setattr(machine, "snarkjs_version", lambda: version)
    found = doctor.check_snarkjs()
    assert found.verdict == verdict
    assert ("npm install" in found.advice) == (verdict == "warn")


@pytest.mark.parametrize(
    ("compiled", "writable", "verdict"), [(15, True, "ok"), (3, True, "ok"), (15, False, "warn"), (3, False, "fail")]
)
def test_kernels(monkeypatch, tmp_path, compiled, writable, verdict):
    monkeypatch.setattr(machine, "kernel_cache", lambda: machine.KernelCache(tmp_path, compiled, 15, writable))
    found = doctor.check_kernels()
    assert found.verdict == verdict
    assert bool(found.advice) == (compiled < 15 or not writable)


@pytest.mark.parametrize(
    ("change", "lanes", "verdict", "word"),
    [
        ({}, "avx512", "ok", "expected 200"),
        ({"poseidon2_ns": 400.0}, "avx512", "warn", "expected 200"),
        ({"poseidon2_ns": 400.0}, "avx2", "ok", "expected 300"),
        ({"poseidon2_ns": 9999.0}, "neon", "ok", "no figure is known"),
        ({"commit_core_use": 0.5}, "avx512", "warn", "50% busy"),
    ],
)
def test_the_speed_is_judged(change, lanes, verdict, word):
    found = doctor.judge_speed({**SPEED, **change}, lanes, 2)
    assert found.verdict == verdict
    assert word in found.found


@pytest.mark.parametrize(
    ("verdicts", "worst"), [([], "ok"), (["ok"], "ok"), (["ok", "warn"], "warn"), (["warn", "fail", "ok"], "fail")]
)
def test_the_worst_counts(tmp_path, verdicts, worst):
    checks = tuple(Check("x", Verdict(v), "") for v in verdicts)
    assert Report(tmp_path, checks, None, 1.0).verdict == worst
