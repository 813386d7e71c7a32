"""Jobs at full parameters: killed, looked at, resumed, cancelled from outside, tried again."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

pytestmark = pytest.mark.prove

ROOT = Path(__file__).parents[2]
GUEST = ROOT / "fixtures/guests/hello/hello.elf"
IMAGE_ID = (GUEST.parent / "image_id.txt").read_text().strip()
BENTO = [sys.executable, "-m", "localbento.cli"]
PATIENCE = 120.0


@pytest.fixture
def here(tmp_path, monkeypatch):
    monkeypatch.setenv("BENTO_HOME", str(tmp_path / "home"))
    monkeypatch.chdir(tmp_path)
    return tmp_path


def bento(*args, stdin=b""):
    return subprocess.run([*BENTO, *map(str, args)], input=stdin, capture_output=True, check=False)


def job():
    (found,) = json.loads(bento("status", "--json").stdout)["jobs"]
    return found


def start(*options):
    return subprocess.Popen([*BENTO, "prove", GUEST, *options], stdout=subprocess.PIPE, stderr=subprocess.PIPE)


def wait_for(reached):
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline:
        found = json.loads(bento("status", "--json").stdout)["jobs"]
        if found and reached(found[0]):
            return found[0]
        time.sleep(0.1)
    pytest.fail("the job did not get there in time")


def proving(found):
    return any(task["kind"] == "prove" and task["step"] for task in found["tasks"])


def verified(path):
    return bento("verify", path, "--image-id", IMAGE_ID).returncode == 0


def test_a_job_whose_parent_was_killed_is_stopped_and_resumed(here):
    process = start("--output", "first.receipt")
    found = wait_for(proving)
    assert found["activity"] == "working"
    process.send_signal(signal.SIGKILL)
    process.wait()
    assert job()["activity"] == "stopped"
    assert f"bento jobs resume {found['job'][:8]}" in bento("status").stdout.decode()
    result = bento("jobs", "resume", found["job"][:8], "--output", "second.receipt")
    assert result.returncode == 0, result.stderr.decode()
    assert verified("second.receipt")
    assert not Path("first.receipt").exists()
    again = bento("jobs", "resume", found["job"][:8], "--output", "-", "--quiet")
    assert again.stdout == Path("second.receipt").read_bytes()


def test_a_job_cancelled_from_outside_ends_and_can_be_tried_again(here):
    process = start()
    found = wait_for(proving)
    assert bento("jobs", "cancel", found["job"]).returncode == 0
    _, said = process.communicate(timeout=PATIENCE)
    assert process.returncode == 130
    assert f"bento jobs resume {found['job'][:8]}" in said.decode()
    assert bento("status", found["job"], "--watch").returncode == 130
    assert not Path("hello.receipt").exists()
    result = bento("jobs", "retry", found["job"], "--quiet")
    assert result.returncode == 0, result.stderr.decode()
    assert verified("hello.receipt")
    assert bento("status", found["job"], "--watch").returncode == 0
    assert os.listdir("home/objects/tmp") == []  # noqa: PTH208


def test_a_detached_job_is_watched_to_its_end_and_deleted(here):
    number = bento("prove", GUEST, "--detach").stdout.decode().strip()
    watched = bento("status", number[:8], "--watch")
    assert watched.returncode == 0, watched.stderr.decode()
    assert watched.stdout.decode().splitlines()[-1].startswith(f"{number[:8]} done")
    assert bento("jobs", "resume", number[:8], "--output", "-", "--quiet").stdout[:4]
    earlier = json.loads(bento("estimate", GUEST, "--json").stdout)["earlier"]
    assert {figure["what"] for figure in earlier} == {"seconds", "memory_bytes"}
    assert all(figure["proofs"] == 1 for figure in earlier)
    assert bento("jobs", "delete", number[:8], "--yes").returncode == 0
    bento("gc", "--all")
    assert json.loads(bento("df", "--json").stdout)["sorts"]["receipts"]["count"] == 0
