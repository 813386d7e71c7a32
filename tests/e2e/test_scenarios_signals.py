"""Scenarios F: `bento prove` that is asked to end, by Ctrl-C, SIGTERM, a closed terminal; and odd standard streams."""

import os
import re
import signal
import sqlite3
import time

import pytest
from toy_processes import bento, end, gone, jobs, program, wait_for, workers

SLOW = {"segments": 6, "prove_seconds": 0.4}


@pytest.fixture
def home(tmp_path):
    return tmp_path / "home"


def prove(home, tmp_path, **options):
    """A run in which some proofs are under way; its process and workers."""
    count = tmp_path / "count"
    count.mkdir(exist_ok=True)
    guest = program(tmp_path, **SLOW, count_in=str(count))
    process = bento(home, "prove", guest, "--output", tmp_path / "receipt", **options)
    wait_for(lambda: len(list(count.iterdir())) >= 3)
    return process, workers(process)


@pytest.mark.parametrize(
    ("number", "code"), [(signal.SIGINT, 130), (signal.SIGTERM, 143), (signal.SIGHUP, 143)], ids=["INT", "TERM", "HUP"]
)
def test_f5_f6_who_is_asked_to_end_says_how_to_go_on(home, tmp_path, number, code):
    process, pids = prove(home, tmp_path)
    process.send_signal(number)
    asked = time.monotonic()
    _, err = end(process, code)
    assert time.monotonic() - asked < 6.0
    last = err.splitlines()[-1]
    found = re.fullmatch(r"interrupted: job (\w{8}) keeps what is done; go on with: bento jobs resume \1", last)
    assert found, err
    assert gone(pids)
    assert not (tmp_path / "receipt").exists()
    if number is signal.SIGINT:
        end(bento(home, "jobs", "resume", found[1], "--output", tmp_path / "receipt"))
        times = [len(p.read_text().split()) for p in (tmp_path / "count").iterdir()]
        assert len(times) == SLOW["segments"]
        assert sum(times) <= SLOW["segments"] + 2  # those that were running, and no others
        assert [job["state"] for job in jobs(home)] == ["done"]


def test_f5_a_second_ctrl_c_ends_at_once(home, tmp_path):
    """The first waits for the task database, which somebody else holds."""
    process, pids = prove(home, tmp_path)
    other = sqlite3.connect(home / "taskdb.sqlite", timeout=10, isolation_level=None)
    other.execute("BEGIN IMMEDIATE")
    try:
        process.send_signal(signal.SIGINT)
        time.sleep(0.7)
        assert process.poll() is None
        asked = time.monotonic()
        process.send_signal(signal.SIGINT)
        process.communicate(timeout=5)
        assert time.monotonic() - asked < 3.0  # the first would wait for as long as the database is held
        assert process.returncode == -signal.SIGINT
        assert gone(pids)
    finally:
        other.execute("ROLLBACK")
        other.close()
    end(bento(home, "prove", tmp_path / "toy.json", "--output", tmp_path / "receipt"))


def test_f5_ctrl_c_of_a_terminal_reaches_workers_that_are_just_starting(home, tmp_path):
    """It goes to the whole group; no worker may answer with a trace."""
    guest = program(tmp_path, **SLOW)
    for delay in (0.35, 0.45, 0.6):
        process = bento(home, "prove", guest, "--output", tmp_path / "receipt")
        time.sleep(delay)
        found = workers(process)
        os.killpg(process.pid, signal.SIGINT)
        _, err = process.communicate(timeout=30)
        assert process.returncode in (130, -signal.SIGINT), err.decode()
        assert b"Traceback" not in err, err.decode()
        assert gone(found)
    end(bento(home, "prove", guest, "--output", tmp_path / "receipt"))


def test_f4_a_worker_that_is_asked_to_end_is_replaced(home, tmp_path):
    process, pids = prove(home, tmp_path)
    os.kill(pids[0], signal.SIGTERM)
    end(process)
    assert [job["state"] for job in jobs(home)] == ["done"]
    assert (tmp_path / "receipt").exists()


def test_what_was_started_to_survive_a_closed_terminal_does(home, tmp_path):
    process, _ = prove(home, tmp_path, before=lambda: signal.signal(signal.SIGHUP, signal.SIG_IGN))
    process.send_signal(signal.SIGHUP)
    end(process)
    assert (tmp_path / "receipt").exists()


@pytest.mark.parametrize("closed", [(0,), (0, 1, 2)], ids=str)
def test_standard_streams_that_are_closed(home, tmp_path, closed):
    """The next pipe or file must not take their numbers: a worker would read its tasks from its stdin."""

    def close():
        for descriptor in closed:
            os.close(descriptor)

    guest = program(tmp_path, segments=2)
    end(bento(home, "prove", guest, "--output", tmp_path / "receipt", before=close))
    assert (tmp_path / "receipt").read_bytes().startswith(b"toy receipt")
    (job,) = jobs(home)
    if closed == (0,):
        _, err = end(bento(home, "jobs", "delete", job["job"], before=close), 2)
        assert "expected --yes" in err


def test_g1_a_stopped_worker_holds_up_nothing_but_its_task(home, tmp_path):
    """No clock runs against a proof whose worker lives."""
    process, pids = prove(home, tmp_path, env={"TOY_LEASE_SECONDS": "0.5"})
    os.kill(pids[0], signal.SIGSTOP)
    time.sleep(1.5)
    assert process.poll() is None
    os.kill(pids[0], signal.SIGCONT)
    end(process)
    times = [len(p.read_text().split()) for p in (tmp_path / "count").iterdir()]
    assert times == [1] * SLOW["segments"]
