"""From guest.elf to a verified receipt at full parameters, and everything that can go wrong on the way."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from localbento import api
from localbento.errors import Reason, VerificationError

pytestmark = pytest.mark.prove

ROOT = Path(__file__).parents[2]
GUESTS = ROOT / "fixtures/guests"
BENTO = [sys.executable, "-m", "localbento.cli"]
SEED = b"a secret of at least thirty-two bytes"


def guest(name):
    return GUESTS / name / f"{name}.elf"


def image_id(name):
    return (GUESTS / name / "image_id.txt").read_text().strip()


def bento(*args, stdin=b"", env=None, **options):
    return subprocess.run(
        [*BENTO, *map(str, args)],
        input=stdin,
        capture_output=True,
        check=False,
        env={**os.environ, **(env or {})},
        **options,
    )


def jobs(home):
    """The jobs of a home."""
    return json.loads(bento("jobs", "list", "--json", env={"BENTO_HOME": str(home)}).stdout)["jobs"]


def unfinished_files(home):
    """What a store should not hold when nothing runs."""
    return list((Path(home) / "objects/tmp").glob("*"))


@pytest.fixture
def home(tmp_path, monkeypatch):
    folder = tmp_path / "home"
    monkeypatch.setenv("BENTO_HOME", str(folder))
    return folder


@pytest.fixture(scope="module")
def hello():
    """A receipt of the smallest guest, reproducible."""
    return api.prove_program(guest("hello").read_bytes(), seed=SEED)


@pytest.fixture(scope="module")
def chain():
    """A receipt of three segments or more."""
    stdin = (300).to_bytes(4, "little")
    return api.prove_program(guest("fibonacci").read_bytes(), stdin, segment_size=1500, seed=SEED, jobs=2)


def test_a_proved_guest_verifies_with_what_it_printed_when_executed(hello):
    run = api.execute(guest("hello").read_bytes())
    verified = hello.receipt.verify(bytes.fromhex(image_id("hello")), journal=run.journal)
    assert verified.claim.digest() == run.claim_digest == hello.claim_digest
    assert verified.provable_bits >= 100


def test_prove_and_verify_in_a_pipe_with_json(home):
    folder = GUESTS / "secret"
    stdin = (folder / "input.bin").read_bytes()
    made = bento("prove", guest("secret"), "--input", "-", "--output", "-", "--quiet", stdin=stdin)
    assert made.returncode == 0, made.stderr.decode()
    journal = folder / "journal.bin"
    checked = bento("verify", "-", "--image-id", image_id("secret"), "--journal", journal, "--json", stdin=made.stdout)
    found = json.loads(checked.stdout)
    assert checked.returncode == 0
    assert found["journal"] == journal.read_bytes().hex()
    assert found["receipt_bytes"] == len(made.stdout)
    shown = json.loads(bento("receipt", "show", "-", "--json", stdin=made.stdout).stdout)
    assert shown["claim_digest"] == found["claim_digest"]
    assert stdin not in made.stdout
    assert [job["state"] for job in jobs(home)] == ["done"]


def test_the_same_seed_gives_the_same_bytes_for_any_number_of_jobs(chain):
    stdin = (300).to_bytes(4, "little")
    again = api.prove_program(guest("fibonacci").read_bytes(), stdin, segment_size=1500, seed=SEED, jobs=1)
    assert chain.segments >= 3
    assert again.receipt.to_bytes() == chain.receipt.to_bytes()


def test_without_a_seed_two_receipts_share_no_proof(hello):
    other = api.prove_program(guest("hello").read_bytes())
    assert other.claim_digest == hello.claim_digest
    ours, theirs = (r.receipt.composite.segments[0] for r in (hello, other))
    assert ours.public_values == theirs.public_values
    assert ours.seal[-4000:] != theirs.seal[-4000:]
    common = sum(a == b for a, b in zip(ours.seal, theirs.seal, strict=True))
    assert common < len(ours.seal) // 50


def test_segments_cannot_be_reordered_dropped_or_duplicated(chain):
    from dataclasses import replace

    composite, program = chain.receipt.composite, bytes.fromhex(image_id("fibonacci"))
    n = len(composite.segments)
    orders = [[1, 0, *range(2, n)], list(range(1, n)), list(range(n - 1)), [0, 0, *range(1, n)], [0, *range(2, n)]]
    for order in orders:
        bad = replace(composite, segments=tuple(composite.segments[i] for i in order))
        with pytest.raises(VerificationError) as caught:
            api.Receipt(bad).verify(program)
        assert caught.value.reason in (Reason.CONTINUITY, Reason.IMAGE_ID, Reason.EXIT_CODE)


def test_segments_of_two_runs_cannot_be_spliced(chain):
    from dataclasses import replace

    other = api.prove_program(
        guest("fibonacci").read_bytes(), (301).to_bytes(4, "little"), segment_size=1500, seed=SEED
    ).receipt.composite
    ours = chain.receipt.composite
    mixed = replace(ours, segments=(*ours.segments[:1], *other.segments[1:]), journal=other.journal)
    with pytest.raises(VerificationError) as caught:
        api.Receipt(mixed).verify(bytes.fromhex(image_id("fibonacci")))
    assert caught.value.reason is Reason.CONTINUITY


def test_seal_bytes_and_public_values_are_all_noticed(hello):
    from dataclasses import replace

    program = bytes.fromhex(image_id("hello"))
    composite = hello.receipt.composite
    segment = composite.segments[0]
    step = len(segment.seal) // 16
    for position in [*range(0, 28), *range(28, len(segment.seal), step), len(segment.seal) - 1]:
        seal = bytearray(segment.seal)
        seal[position] ^= 1
        bad = replace(composite, segments=(replace(segment, seal=bytes(seal)),))
        with pytest.raises(VerificationError):
            api.Receipt(bad).verify(program)
    for i, value in list(enumerate(segment.public_values))[::4]:
        values = list(segment.public_values)
        values[i] = value ^ 1
        bad = replace(composite, segments=(replace(segment, public_values=tuple(values)),))
        with pytest.raises(VerificationError):
            api.Receipt(bad).verify(program)


def test_another_journal_program_or_profile(hello):
    from dataclasses import replace

    program = bytes.fromhex(image_id("hello"))
    composite = hello.receipt.composite
    segment = composite.segments[0]
    cases = [
        (replace(composite, journal=b"hello, worle\n"), program, Reason.JOURNAL),
        (composite, program[::-1], Reason.IMAGE_ID),
        (replace(composite, segments=(replace(segment, profile=0),)), program, Reason.UNKNOWN_CIRCUIT),
        (replace(composite, segments=(replace(segment, profile=9999),)), program, Reason.UNKNOWN_CIRCUIT),
    ]
    for receipt, wanted, reason in cases:
        with pytest.raises(VerificationError) as caught:
            api.Receipt(receipt).verify(wanted)
        assert caught.value.reason is reason
    other = replace(composite, segments=(replace(segment, profile=segment.profile + 1),))
    with pytest.raises(VerificationError):
        api.Receipt(other).verify(program)


def test_a_receipt_that_rests_on_another_carries_it():
    stdin = (GUESTS / "verify" / "input.bin").read_bytes()
    program = guest("verify").read_bytes()
    inner = _receipt_for_verify_guest(stdin)
    made = api.prove_program(program, stdin, assumptions=[inner], seed=SEED)
    wanted = bytes.fromhex(image_id("verify"))
    assert made.receipt.verify(wanted).claim.digest() == made.claim_digest
    from dataclasses import replace

    with pytest.raises(VerificationError) as caught:
        api.Receipt(replace(made.receipt.composite, receipts=())).verify(wanted)
    assert caught.value.reason is Reason.ASSUMPTIONS


def _receipt_for_verify_guest(stdin):
    """The guest's input names an image ID and a journal; this is a receipt for them."""
    wanted = stdin[:32].hex()
    name = next(p.name for p in GUESTS.iterdir() if (p / "image_id.txt").exists() and image_id(p.name) == wanted)
    given = GUESTS / name / "input.bin"
    made = api.prove_program(guest(name).read_bytes(), given.read_bytes() if given.exists() else b"", seed=SEED)
    return made.receipt


def start(*args, **options):
    # A test run in the background has SIGINT ignored, and would hand that on.
    return subprocess.Popen(
        [*BENTO, *map(str, args)],
        stderr=subprocess.PIPE,
        stdout=subprocess.PIPE,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),
        **options,
    )


def children(pid):
    out = subprocess.run(["ps", "-o", "pid=", "--ppid", str(pid)], capture_output=True, text=True, check=False)
    return [int(x) for x in out.stdout.split()]


def workers(pid):
    """The worker processes of a run, once it has some (the resource tracker of Python is one more child)."""
    end = time.monotonic() + 60
    while time.monotonic() < end:
        found = [child for child in children(pid) if b"spawn_main" in Path(f"/proc/{child}/cmdline").read_bytes()]
        if found:
            return found
        time.sleep(0.05)
    pytest.fail("no worker was started")


def wait_gone(pids):
    end = time.monotonic() + 10
    while time.monotonic() < end:
        if not any(Path(f"/proc/{p}").exists() and b"spawn" in Path(f"/proc/{p}/cmdline").read_bytes() for p in pids):
            return True
        time.sleep(0.05)
    return False


def test_a_killed_worker_is_replaced_and_the_bytes_are_the_same(hello, home, tmp_path):
    seed = tmp_path / "seed"
    seed.write_bytes(SEED)
    target = tmp_path / "out.receipt"
    with start("prove", guest("hello"), "--output", target, "--seed-file", seed, "--jobs", "1") as run:
        os.kill(workers(run.pid)[0], signal.SIGKILL)
        assert run.wait(120) == 0, run.stderr.read().decode()
    assert target.read_bytes() == hello.receipt.to_bytes()
    assert unfinished_files(home) == []


def test_an_interrupted_job_says_how_to_go_on_and_does(home, tmp_path):
    target = tmp_path / "out.receipt"
    with start("prove", guest("fibonacci"), "--input", GUESTS / "fibonacci/input.bin", "--output", target) as run:
        pids = workers(run.pid)
        time.sleep(1.0)
        run.send_signal(signal.SIGINT)
        assert run.wait(30) == 130
        lines = run.stderr.read().decode().splitlines()
    found = re.search(r"interrupted: job (\w{8}) keeps what is done; go on with: bento jobs resume \1", lines[-1])
    assert found, lines
    assert wait_gone(pids)
    assert not target.exists()
    resumed = bento("jobs", "resume", found[1], "--output", target, "--quiet")
    assert resumed.returncode == 0, resumed.stderr.decode()
    verified = bento("verify", target, "--image-id", image_id("fibonacci"))
    assert verified.returncode == 0
    assert [job["state"] for job in jobs(home)] == ["done"]


def test_killing_the_parent_ends_its_workers(home, tmp_path):
    with start("prove", guest("hello"), "--output", tmp_path / "out.receipt") as run:
        pids = workers(run.pid)
        run.send_signal(signal.SIGKILL)
        run.wait(10)
    assert wait_gone(pids)
    assert not (tmp_path / "out.receipt").exists()


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write anywhere")
def test_a_read_only_output_is_refused_before_the_work(home, tmp_path):
    folder = tmp_path / "locked"
    folder.mkdir(mode=0o500)
    result = bento("prove", guest("hello"), "--output", folder / "out.receipt")
    assert result.returncode == 2
    assert b"cannot write" in result.stderr


def test_a_full_disk_is_one_clear_line(hello, home, tmp_path):
    result = bento("prove", guest("hello"), "--output", "/dev/full/x", "--quiet")
    assert result.returncode == 2
    limited = f"ulimit -f 700; exec {' '.join(BENTO)} prove {guest('hello')} --output {tmp_path / 'o.receipt'} --quiet"
    result = subprocess.run(["bash", "-c", limited], capture_output=True, text=True, check=False)
    assert result.returncode == 6, result.stderr
    assert len(result.stderr.splitlines()) == 1
    assert list(tmp_path.glob("*.receipt")) == []
    assert unfinished_files(home) == []


def test_a_pipe_whose_reader_has_gone(home):
    prove = f"{' '.join(BENTO)} prove {guest('hello')} --output - --quiet"
    line = f"{prove} | head -c 10 > /dev/null; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run(["bash", "-c", line], capture_output=True, text=True, check=False)
    assert result.stdout.strip() in ("141", "0")
    assert "Traceback" not in result.stderr
    assert unfinished_files(home) == []
