"""`bento receipt convert` as a user meets it: files, pipes, bad receipts, exit codes."""

import json
import os
import pty
import subprocess
import sys

import pytest

from localbento.claim.assumption import Assumption
from localbento.receipt.composite import CompositeReceipt, SegmentReceipt
from localbento.receipt.encoding import encode
from localbento.receipt.json_form import to_json

BENTO = [sys.executable, "-m", "localbento.cli"]
INNER = CompositeReceipt((SegmentReceipt(1, (5,), b"inner"),), None)
RECEIPT = CompositeReceipt((SegmentReceipt(3, (0, 1), b"seal"),), b"journal", (Assumption(bytes(32)),), (INNER,))
PACKED, JSON = encode(RECEIPT), to_json(RECEIPT)


def convert(*args, stdin=b"", **kwargs):
    command = [*BENTO, "receipt", "convert", *map(str, args)]
    return subprocess.run(command, input=stdin, capture_output=True, check=False, **kwargs)


def one_line(result, code):
    assert result.returncode == code, result.stderr.decode()
    lines = result.stderr.decode().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    assert result.stdout == b""
    return lines[0]


def test_files_there_and_back(tmp_path):
    packed, text, again = (tmp_path / name for name in ("größe.receipt", "r.json", "again.receipt"))
    packed.write_bytes(PACKED)
    assert convert(packed, "-o", text).returncode == 0
    assert text.read_bytes() == JSON
    assert json.loads(text.read_bytes())["journal"] == b"journal".hex()
    result = convert(text, "--output", again)
    assert (result.returncode, result.stdout, result.stderr) == (0, b"", b"")
    assert again.read_bytes() == PACKED
    assert sorted(p.name for p in tmp_path.iterdir()) == sorted(["größe.receipt", "r.json", "again.receipt"])


def test_pipes_there_and_back():
    there = convert("-", stdin=PACKED)
    assert (there.returncode, there.stdout) == (0, JSON)
    back = convert("-", "-o", "-", stdin=there.stdout)
    assert (back.returncode, back.stdout) == (0, PACKED)


@pytest.mark.parametrize(
    ("stdin", "to", "expected"),
    [
        (PACKED, "json", JSON),
        (PACKED, "msgpack", PACKED),
        (JSON, "msgpack", PACKED),
        (json.dumps(json.loads(JSON), indent=2).encode(), "json", JSON),
    ],
)
def test_the_form_can_be_named(stdin, to, expected):
    assert convert("-", "--to", to, stdin=stdin).stdout == expected


@pytest.mark.parametrize(
    "stdin",
    [b"", PACKED[:-1], JSON[:-3], JSON.replace(b"6a6f", b"6a6G"), JSON.replace(b"[0, 1]", b"[0, NaN]"), b"?"],
)
def test_what_is_no_receipt(stdin, tmp_path):
    assert "malformed" in one_line(convert("-", "-o", tmp_path / "out", stdin=stdin), 4)
    assert list(tmp_path.iterdir()) == []


def test_a_file_that_cannot_be_read_or_written(tmp_path):
    assert "No such file" in one_line(convert(tmp_path / "none"), 2)
    assert "directory" in one_line(convert(tmp_path), 2)
    assert "cannot write" in one_line(convert("-", "-o", tmp_path / "no" / "out", stdin=PACKED), 6)
    assert list(tmp_path.iterdir()) == []


def test_another_form_is_a_bad_option():
    result = convert("-", "--to", "xml", stdin=PACKED)
    assert result.returncode == 2
    assert b"--to" in result.stderr
    assert result.stdout == b""


def test_bytes_do_not_go_to_a_terminal(tmp_path):
    (tmp_path / "r.json").write_bytes(JSON)
    (tmp_path / "r.receipt").write_bytes(PACKED)
    ours, theirs = pty.openpty()
    try:
        for name, code in (("r.json", 2), ("r.receipt", 0)):
            command = [*BENTO, "receipt", "convert", str(tmp_path / name)]
            result = subprocess.run(command, stdout=theirs, stderr=subprocess.PIPE, check=False)
            assert result.returncode == code
            assert (b"found a terminal" in result.stderr) == (code == 2)
        assert os.read(ours, 10) == JSON[:10]
    finally:
        os.close(ours)
        os.close(theirs)


def test_a_verifier_takes_msgpack_only():
    command = [*BENTO, "verify", "-", "--image-id", "00" * 32]
    result = subprocess.run(command, input=JSON, capture_output=True, check=False)
    assert "malformed" in one_line(result, 4)
