"""Files that are no receipts, given to every command that reads one: one clear line, the documented exit code."""

import io
import os
import subprocess
import sys
from types import SimpleNamespace

import msgpack
import pytest

from localbento.cli import __main__ as command_line
from localbento.receipt.composite import CompositeReceipt, SegmentReceipt
from localbento.receipt.encoding import encode
from localbento.receipt.json_form import to_json

BENTO = [sys.executable, "-m", "localbento.cli"]
COMMANDS = {
    "verify": ["verify", "{}", "--image-id", "00" * 32],
    "show": ["receipt", "show", "{}"],
    "convert": ["receipt", "convert", "{}", "--to", "msgpack"],
}
RECEIPT = CompositeReceipt((SegmentReceipt(1, (5,), b"proof"),), b"journal")
GOOD = encode(RECEIPT)

HOSTILE = {
    "empty": b"",
    "text": b"this is no receipt\n",
    "elf": b"\x7fELF" + bytes(100),
    "truncated": GOOD[:-1],
    "trailing": GOOD + b"\n",
    "bomb": b"\xdd\xff\xff\xff\xff" * 1000,
    "deep": b"\x91" * 100_000,
    "version": GOOD.replace(b"version\x01", b"version\x02"),
    "kind": msgpack.packb({**msgpack.unpackb(GOOD), "kind": "fake"}),
}
"""Everything that no command takes for a receipt."""
HOSTILE_JSON = {
    "deep": b'{"journal": ' + b"[" * 100_000,
    "nan": to_json(RECEIPT).replace(b"[5]", b"[NaN]"),
    "twice": to_json(RECEIPT).replace(b'"kind"', b'"format"'),
}


@pytest.fixture
def run(monkeypatch, capfdbinary):
    """Run a command in this process on a file, or on what comes in where the file is `-`."""

    def run(command, source, stdin=b""):
        args = [part.format(source) for part in COMMANDS[command]]
        monkeypatch.setattr(sys, "argv", ["bento", *args])
        monkeypatch.setattr(sys, "stdin", SimpleNamespace(buffer=io.BytesIO(stdin)))
        monkeypatch.setattr(command_line.signal, "signal", lambda *_: None)
        with pytest.raises(SystemExit) as ended:
            command_line.main()
        out, err = capfdbinary.readouterr()
        return SimpleNamespace(returncode=ended.value.code, stdout=out, stderr=err)

    return run


def assert_one_line(result, code):
    assert result.returncode == code, result.stderr.decode()
    assert result.stdout == b""
    lines = result.stderr.decode().splitlines()
    assert len(lines) == 1, lines
    assert lines[0].startswith("error: ")
    assert len(lines[0]) < 400
    return lines[0]


@pytest.mark.parametrize("name", HOSTILE)
def test_what_is_no_receipt_is_refused_by_verify(run, name, tmp_path):
    path = tmp_path / "geschäft\x1b[31m.receipt"
    path.write_bytes(HOSTILE[name])
    line = assert_one_line(run("verify", path), 4)
    assert line.startswith(("error: malformed: ", "error: version: ", "error: limit: "))


@pytest.mark.parametrize("name", ["empty", "bomb", "kind"])
@pytest.mark.parametrize("command", ["show", "convert"])
def test_what_is_no_receipt_is_refused_by_all_others(run, name, command):
    assert_one_line(run(command, "-", HOSTILE[name]), 4)


@pytest.mark.parametrize("name", HOSTILE_JSON)
def test_what_is_no_receipt_in_json(run, name):
    assert "malformed: receipt in JSON, byte" in assert_one_line(run("convert", "-", HOSTILE_JSON[name]), 4)


def test_a_receipt_without_a_valid_statement(run, tmp_path):
    (tmp_path / "r").write_bytes(GOOD)
    assert "public-values" in assert_one_line(run("verify", tmp_path / "r"), 4)
    assert "public-values" in assert_one_line(run("show", tmp_path / "r"), 4)


@pytest.mark.parametrize("command", COMMANDS)
def test_what_cannot_be_read(run, command, tmp_path):
    assert "Is a directory" in assert_one_line(run(command, tmp_path), 2)
    assert "No such file" in assert_one_line(run(command, tmp_path / "none"), 2)
    loop = tmp_path / "loop"
    loop.symlink_to(loop)
    assert "cannot read" in assert_one_line(run(command, loop), 2)


def test_a_pipe_in_place_of_a_file(tmp_path):
    """A fifo has no size: what comes through it is read as it comes."""
    fifo = tmp_path / "fifo"
    os.mkfifo(fifo)
    with subprocess.Popen([*BENTO, "receipt", "convert", str(fifo)], stdout=subprocess.PIPE) as reader:
        with fifo.open("wb") as writer:
            writer.write(GOOD[:10])
            writer.flush()
            writer.write(GOOD[10:])
        assert reader.communicate(timeout=30)[0] == to_json(RECEIPT)
    assert reader.returncode == 0


def test_an_endless_file_costs_bounded_memory():
    """It is refused as soon as there is more of it than a receipt may have."""
    code = """
import io, sys
from localbento.receipt import composite
composite.MAX_RECEIPT_BYTES = 8 << 20
from localbento.cli.__main__ import main
sys.argv = ["bento", "verify", "/dev/zero", "--image-id", "00" * 32]
main()
"""
    limited = "import resource; resource.setrlimit(resource.RLIMIT_DATA, (1 << 30, 1 << 30))"
    result = subprocess.run([sys.executable, "-c", f"{limited}\n{code}"], capture_output=True, check=False)
    assert "limit: receipt: expected at most 8388608 bytes" in assert_one_line(result, 4)
