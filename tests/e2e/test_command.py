"""The command line as a user meets it: help, execution, bad requests, exit codes.  Proofs are in test_prove.py."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
GUESTS = ROOT / "fixtures/guests"
BENTO = [sys.executable, "-m", "localbento.cli"]


def bento(*args, stdin=b"", cwd=None):
    return subprocess.run([*BENTO, *map(str, args)], input=stdin, capture_output=True, cwd=cwd, check=False)


@pytest.fixture(autouse=True)
def _own_home(tmp_path_factory, monkeypatch):
    """Not that of whoever runs the tests."""
    monkeypatch.setenv("BENTO_HOME", str(tmp_path_factory.mktemp("home") / "bento"))


def guest(name):
    return GUESTS / name / f"{name}.elf"


def one_line(result, code):
    assert result.returncode == code, result.stderr.decode()
    lines = result.stderr.decode().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    assert result.stdout == b""
    return lines[0]


COMMANDS = [[], ["execute"], ["prove"], ["verify"], ["receipt", "show"], ["bench"], ["inspect"]]


@pytest.mark.parametrize("command", COMMANDS)
def test_help(command):
    result = bento(*command, "--help")
    assert result.returncode == 0
    assert b"Usage: " in result.stdout


def test_image_id_is_that_of_the_fixture():
    expected = (GUESTS / "fibonacci/image_id.txt").read_text().strip()
    assert bento("image-id", guest("fibonacci")).stdout.decode().strip() == expected
    assert json.loads(bento("image-id", guest("fibonacci"), "--json").stdout) == {"image_id": expected}


def test_execute_prints_one_json_object(tmp_path):
    folder = GUESTS / "fibonacci"
    journal = tmp_path / "journal"
    result = bento("execute", guest("fibonacci"), "--input", folder / "input.bin", "--journal", journal, "--json")
    found = json.loads(result.stdout)
    expected = (folder / "journal.bin").read_bytes()
    assert result.returncode == 0
    assert found["journal"] == expected.hex()
    assert journal.read_bytes() == expected
    assert found["exit_code"] == {"system": "Halted", "user": 0}
    assert found["image_id"] == (folder / "image_id.txt").read_text().strip()
    assert set(found) == {
        "image_id",
        "exit_code",
        "journal",
        "claim_digest",
        "cycles",
        "segments",
        "syscalls",
        "pages",
        "seconds",
        "instructions_per_second",
    }


def test_input_from_stdin_and_by_encoding():
    words = bento("execute", guest("fibonacci"), "--input", "-", "--input-encoding", "words", "--json", stdin=b"50")
    raw = bento("execute", guest("fibonacci"), "--input", "-", "--json", stdin=(50).to_bytes(4, "little"))
    assert json.loads(words.stdout)["journal"] == json.loads(raw.stdout)["journal"]


def test_a_guest_that_panics():
    folder = GUESTS / "panic"
    line = one_line(bento("execute", guest("panic"), "--input", folder / "input.bin"), 3)
    assert "panicked" in line


def test_the_cycle_limit():
    folder = GUESTS / "fibonacci"
    args = ("execute", guest("fibonacci"), "--input", folder / "input.bin", "--max-cycles", "1000")
    assert "cycle limit" in one_line(bento(*args), 3)


@pytest.mark.parametrize("command", ["execute", "prove", "image-id"])
def test_what_is_no_program(command, tmp_path):
    bad = tmp_path / "bad.elf"
    for content in (b"", b"\x7fELF", b"R0BF", b"#!/bin/sh\n"):
        bad.write_bytes(content)
        # Whoever waits for half a second is told before the error that something goes on.
        quiet = ["--quiet"] if command == "prove" else []
        one_line(bento(command, bad, *quiet, cwd=tmp_path), 2)
    assert sorted(p.name for p in tmp_path.iterdir()) == ["bad.elf"]


def test_files_that_cannot_be_read(tmp_path):
    missing = tmp_path / "nothing"
    assert "cannot read" in one_line(bento("execute", missing), 2)
    assert "cannot read" in one_line(bento("execute", guest("hello"), "--input", missing), 2)
    assert "cannot read" in one_line(bento("verify", missing, "--image-id", "00" * 32), 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--env", "novalue"], "expected K=V"),
        (["--input-encoding", "other", "--input", "-"], "expected one of raw"),
        (["--compat", "v9"], "--compat: expected v2"),
    ],
)
def test_bad_options_of_execute(options, message):
    assert message in one_line(bento("execute", guest("hello"), *options), 2)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--memory", "lots"], "expected a size"),
        (["--memory", "1K"], "raise --memory"),
        (["--output", "/nowhere/at/all"], "no folder"),
    ],
)
def test_bad_options_of_prove(options, message, tmp_path):
    result = bento("prove", guest("hello"), "--quiet", *options, cwd=tmp_path)
    assert result.returncode in (2, 6)
    assert message in one_line(result, result.returncode)
    assert list(tmp_path.iterdir()) == []


def test_a_seed_file_must_be_long_enough(tmp_path):
    seed = tmp_path / "seed"
    seed.write_bytes(b"short")
    assert "at least 32 bytes" in one_line(
        bento("prove", guest("hello"), "--quiet", "--seed-file", seed, cwd=tmp_path), 2
    )


def test_what_is_no_receipt(tmp_path):
    assert "malformed" in one_line(bento("verify", "-", "--image-id", "00" * 32, stdin=b"junk"), 4)
    assert "malformed" in one_line(bento("receipt", "show", "-", stdin=b""), 4)
    assert "64 hex digits" in one_line(bento("verify", "-", "--image-id", "00", stdin=b"junk"), 2)


@pytest.mark.parametrize("name", ["bigint2_call", "keccak_call", "poseidon2_call"])
def test_a_call_without_a_chip_is_refused_by_name_before_proving(name, tmp_path):
    if not guest(name).exists():
        pytest.fail(f"fixture {name} is missing")
    folder = GUESTS / name
    args = ["--input", folder / "input.bin"] if (folder / "input.bin").exists() else []
    assert bento("execute", guest(name), *args).returncode == 0
    line = one_line(bento("prove", guest(name), *args, "--quiet", cwd=tmp_path), 5)
    assert name.split("_")[0].rstrip("2") in line
    assert list(tmp_path.iterdir()) == []


def test_a_reader_that_goes_away():
    command = f"{' '.join(BENTO)} inspect chip poseidon2 | head -n 1"
    result = subprocess.run(["bash", "-c", command], capture_output=True, text=True, check=False, cwd=ROOT)
    assert result.stderr == ""


def test_chips_are_listed_and_described():
    listed = bento("inspect", "chip").stdout.decode()
    assert "alu_reg" in listed
    page = bento("inspect", "chip", "alu_reg").stdout.decode()
    assert "| label | degree | equation (= 0) |" in page
    assert "expected one of" in one_line(bento("inspect", "chip", "nothing"), 2)
