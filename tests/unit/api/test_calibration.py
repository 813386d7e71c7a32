"""The kept speed of a machine: whose it is, when it is measured anew."""

import json
import time

import pytest

from localbento.api import calibration as calibrating
from localbento.api.calibration import calibration, keep_calibration

FIGURES = {"poseidon2_ns": 190.0, "lde_ns_per_cell": 1.9, "warm_start_seconds": 1.4}


def test_a_calibration_is_kept_for_the_owner_alone(tmp_path):
    home = tmp_path / "höme"
    kept = keep_calibration(home, FIGURES)
    path = home / calibrating.CALIBRATION_FILE
    assert path.stat().st_mode & 0o777 == 0o600
    assert calibration(home, pytest.fail) == kept


@pytest.mark.parametrize(
    "change",
    [
        {"version": 99},
        {"machine": "another processor"},
        {"measured_at": 0.0},
        {"measured_at": time.time() + 1e6},
        {"poseidon2_ns": -1.0},
        {"poseidon2_ns": None},
        {"start_seconds": "soon"},
    ],
)
def test_a_calibration_of_something_else_is_made_anew(tmp_path, monkeypatch, change):
    keep_calibration(tmp_path, FIGURES)
    path = tmp_path / calibrating.CALIBRATION_FILE
    path.write_text(json.dumps({**json.loads(path.read_text()), **change}))
    assert measured(tmp_path, monkeypatch).poseidon2_ns == 77.0
    assert calibration(tmp_path).poseidon2_ns == 77.0


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b"null", b"\xff\xfe", b"{}"])
def test_a_damaged_calibration_is_made_anew(tmp_path, monkeypatch, content):
    (tmp_path / calibrating.CALIBRATION_FILE).write_bytes(content)
    assert measured(tmp_path, monkeypatch).poseidon2_ns == 77.0


def measured(home, monkeypatch):
    from localbento.bench import kernels

    monkeypatch.setattr(kernels, "run_kernels", lambda *_, **__: {**FIGURES, "poseidon2_ns": 77.0})
    said = []
    found = calibration(home, said.append)
    assert len(said) == 1
    return found


def test_a_home_that_cannot_be_written_to_keeps_none(tmp_path):
    blocked = tmp_path / "file"
    blocked.write_text("")
    assert keep_calibration(blocked, FIGURES).poseidon2_ns == 190.0
