"""Everything at once, at random: parents and workers killed or stopped, objects lost, garbage collected, the job
cancelled and resumed by others.  In the end the same bytes.  `LOCALBENTO_CHAOS_SEED` repeats the choices of a run.
"""

import contextlib
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest
from toy_job import receipt
from toy_processes import TESTS, gone, workers

from localbento.api.store import collect_garbage
from localbento.errors import LocalBentoError
from localbento.service.home import Home
from localbento.service.taskdb.rows import JobState

SEED = int(os.environ.get("LOCALBENTO_CHAOS_SEED", "0")) or random.SystemRandom().randrange(1 << 32)
PROGRAM = {"segments": 10, "prove_seconds": 0.25, "execute_seconds": 0.1}
SECONDS = 90.0


def start(home):
    env = {**os.environ, "PYTHONPATH": str(TESTS), "TOY_LEASE_SECONDS": "1.5"}
    return subprocess.Popen(
        [sys.executable, str(TESTS / "toy_job.py"), str(home), json.dumps(PROGRAM), "2"],
        stdout=subprocess.PIPE, stderr=subprocess.PIPE, env=env, start_new_session=True,
    )  # fmt: skip


def signalled(pid, number):
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, number)


def disturb(root, parents, dice):
    """One random disturbance."""
    running = [p for p in parents if p.poll() is None]
    act = dice.choice(["kill parent", "kill worker", "stop", "lose", "flip", "collect", "cancel", "join"])
    match act:
        case "kill parent" if running:
            dice.choice(running).kill()
        case "kill worker" if running:
            found = workers(dice.choice(running))
            if found:
                signalled(dice.choice(found), signal.SIGKILL)
        case "stop" if running:
            victim = dice.choice(running)
            some = dice.choice([victim.pid, *workers(victim)])
            signalled(some, signal.SIGSTOP)
            time.sleep(dice.choice([0.1, 2.0]))
            signalled(some, signal.SIGCONT)
        case "lose" | "flip":
            with Home(root) as home:
                given = {d for job in home.db.list_jobs() for d in home.db.task_inputs(job.id, "init").values()}
                ours = sorted(o.digest for o in home.store.all_objects() if o.digest not in given)
            if ours:
                digest = dice.choice(ours)
                path = root / "objects" / digest[:2] / digest
                with contextlib.suppress(FileNotFoundError):
                    data = bytearray(path.read_bytes())
                    path.unlink()
                    if act == "flip" and data:
                        data[len(data) // 2] ^= 1
                        path.write_bytes(data)
        case "collect":
            collect_garbage(everything=True, home=root)
        case "cancel":
            with Home(root) as home:
                for job in home.db.list_jobs():
                    home.db.cancel_job(job.id)
                    home.db.resume_job(job.id)
        case _:
            parents.append(start(root))
    return act


def tortured(root, dice, rounds):
    parents = [start(root)]
    acts = []
    try:
        for _ in range(rounds):
            time.sleep(dice.uniform(0.05, 0.5))
            with contextlib.suppress(LocalBentoError):
                acts.append(disturb(root, parents, dice))
        ends = []
        limit = time.monotonic() + SECONDS
        for parent in parents:
            out, err = parent.communicate(timeout=max(1.0, limit - time.monotonic()))
            ends.append((parent.returncode, out, err.decode()))
    except subprocess.TimeoutExpired:
        pytest.fail(f"hangs after {acts}")
    finally:
        for parent in parents:
            if parent.poll() is None:
                parent.kill()
    return acts, ends


def check(root, dice, rounds, wanted):
    acts, ends = tortured(root, dice, rounds)
    for code, out, err in ends:
        if code == 0:
            assert out == wanted, acts
        else:
            # Killed; or its job was cancelled, lost an object too often, or what it had just made was lost.
            known = ("Interrupted", "HostError", "ObjectMissing", "ObjectDamaged")
            assert code == -signal.SIGKILL or err.splitlines()[-1].split(":")[0].split(".")[-1] in known, (acts, err)
    for _ in range(3):  # an object that was lost is made again; a receipt that was, by asking once more
        last = start(root)
        out, err = last.communicate(timeout=SECONDS)
        if last.returncode == 0:
            break
    assert (last.returncode, out) == (0, wanted), (acts, err.decode())
    with Home(root) as home:
        job = home.db.list_jobs()[0]
        assert job.state is JobState.DONE, acts
        assert receipt(home, job.id) == wanted
        assert home.db.check() == []
    return acts


@pytest.fixture(scope="module")
def wanted(tmp_path_factory):
    process = start(tmp_path_factory.mktemp("calm") / "home")
    out, err = process.communicate(timeout=SECONDS)
    assert process.returncode == 0, err.decode()
    assert gone(workers(process))
    return out


def run(tmp_path: Path, wanted: bytes, seeds: range, rounds: int) -> None:
    sys.stderr.write(f"LOCALBENTO_CHAOS_SEED={SEED}\n")
    for i in seeds:
        check(tmp_path / f"home{i}", random.Random(SEED + i), rounds, wanted)


def test_everything_at_once(tmp_path, wanted):
    run(tmp_path, wanted, range(1), rounds=8)


@pytest.mark.release
def test_everything_at_once_sixty_times(tmp_path, wanted):
    run(tmp_path, wanted, range(100, 160), rounds=10)
