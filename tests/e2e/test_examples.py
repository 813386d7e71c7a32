"""The programs in docs/examples run, and so does the type checker over them: a user's view of the Python API."""

import csv
import io
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import localbento

ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "docs/examples"
HELLO = ROOT / "fixtures/guests/hello"
HELLO_ID = (HELLO / "image_id.txt").read_text().strip()


def python(*args, folder, code=0):
    """Run a program as a user would, from another folder; what it printed."""
    env = {**os.environ, "BENTO_HOME": str(folder / "home")}
    done = subprocess.run([sys.executable, *map(str, args)], cwd=folder, env=env, capture_output=True, text=True)
    assert done.returncode == code, done.stdout + done.stderr
    return done.stdout, done.stderr


@pytest.mark.prove
def test_prove_and_verify(tmp_path):
    printed, _ = python(EXAMPLES / "prove_and_verify.py", HELLO / "hello.elf", HELLO / "input.bin", folder=tmp_path)
    assert "hello.elf ended with Halted(0), 10" in printed
    assert f"journal {(HELLO / 'journal.bin').read_bytes().hex()}" in printed
    assert "another program is refused: image-id" in printed
    assert not (tmp_path / "home").exists(), "localbento.prove remembers nothing unless it is told where"


@pytest.mark.prove
def test_watch_progress(tmp_path):
    printed, told = python(EXAMPLES / "watch_progress.py", folder=tmp_path)
    assert "cycles in 1 segments" in printed
    assert "0: main columns" in told


@pytest.mark.prove
def test_resume_a_job(tmp_path):
    printed, _ = python(EXAMPLES / "resume_a_job.py", folder=tmp_path)
    first, second, third = printed.splitlines()
    assert first.startswith("interrupted: job ")
    assert "is stopped: segments {" in second
    assert "'done': 1" in second
    assert third.endswith("segments proved")
    assert "is done" in third


@pytest.mark.prove
def test_read_receipts(tmp_path):
    localbento.prove((HELLO / "hello.elf").read_bytes()).save(tmp_path / "good")
    data = (tmp_path / "good").read_bytes()
    (tmp_path / "changed").write_bytes(data[:-1] + bytes([data[-1] ^ 1]))
    program = EXAMPLES / "read_receipts.py"
    names = [tmp_path / name for name in ("good", "changed", "absent")]
    printed, _ = python(program, HELLO_ID, *names, folder=tmp_path, code=4)
    good, changed, absent = csv.DictReader(io.StringIO(printed))
    assert good["verdict"] == "ok"
    assert bytes.fromhex(good["journal"]) == (HELLO / "journal.bin").read_bytes()
    assert changed["verdict"] not in ("ok", "")
    assert "cannot read" in absent["verdict"]
    printed, _ = python(program, HELLO_ID, names[0], folder=tmp_path)
    assert printed.count("ok") == 1
    printed, _ = python(program, "00" * 32, names[0], folder=tmp_path, code=4)
    assert "image-id" in printed


def test_every_example_is_run_here():
    text = Path(__file__).read_text()
    assert [p.name for p in EXAMPLES.glob("*.py") if f'"{p.name}"' not in text] == []


@pytest.mark.prove
def test_a_strict_type_checker_takes_the_examples_and_refuses_what_would_fail(tmp_path):
    wrong = {
        "localbento.prove('guest.elf')": "arg-type",
        "localbento.prove(b'', segment_sise=1000)": "call-arg",
        "localbento.prove(b'', jobs='2')": "arg-type",
        "localbento.prove(b'').verify('00' * 32)": "arg-type",
        "localbento.prove(b'').journal + b''": "operator",
        "localbento.no_such_thing": "attr-defined",
        "localbento.prove(b'', progress=lambda event: event.percent)": "attr-defined",
    }
    program = tmp_path / "wrong.py"
    program.write_text("\n".join(["import localbento", *wrong]))
    # Another folder and no settings: what counts is the installed package, with its py.typed.
    command = [sys.executable, "-m", "mypy", "--strict", "--config-file", os.devnull, str(EXAMPLES), str(program)]
    said = subprocess.run(command, cwd=tmp_path, capture_output=True, text=True).stdout
    found = re.findall(r"^(\S+):(\d+): error: .*\[(\S+)\]$", said, re.MULTILINE)
    assert found == [("wrong.py", str(line), kind) for line, kind in enumerate(wrong.values(), 2)], said


def test_every_public_name_is_there_and_no_other():
    for name in localbento.__all__:
        assert getattr(localbento, name).__name__ in (name, "Callable"), name
    with pytest.raises(AttributeError, match="no attribute 'no_such_thing'"):
        getattr(localbento, "no_such" + "_thing")
