"""What stdout refuses, and command lines that are no commands: one line and a documented code."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from localbento import api
from localbento.cli import execute
from localbento.errors import GuestError

GUEST = Path(__file__).parents[3] / "fixtures/guests/hello/hello.elf"
PANICS = GUEST.parents[1] / "panic/panic.elf"
full = pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no /dev/full here")


def bento(*args, stdout=subprocess.PIPE, env=None):
    program = "import sys; sys.argv[0] = 'bento'; from localbento.cli.__main__ import main; main()"
    command = [sys.executable, "-c", program, *map(str, args)]
    found = subprocess.run(
        command, stdout=stdout, stderr=subprocess.PIPE, check=False, env={**os.environ, **(env or {})}
    )
    return found.returncode, found.stderr.decode().splitlines()


@full
@pytest.mark.parametrize("unbuffered", ["", "1"])
@pytest.mark.parametrize("args", [["--help"], ["image-id", GUEST], ["image-id", GUEST, "--json"]], ids=str)
def test_a_full_disk_behind_stdout_is_no_bug_of_ours(args, unbuffered):
    with Path("/dev/full").open("w") as stdout:
        code, lines = bento(*args, stdout=stdout, env={"PYTHONUNBUFFERED": unbuffered})
    assert (code, lines) == (6, ["error: stdout: cannot write: No space left on device"])


def test_a_panic_of_many_lines_is_one_line_and_does_not_reach_the_terminal(tmp_path):
    text = tmp_path / "text"
    text.write_bytes(b"left != right\n  left: 1\r\x1b[31m right: 2 \xc3\xbc\n")
    code, lines = bento("execute", PANICS, "--input", text)
    assert code == 3
    assert lines == ["error: guest panicked: left != right\\n  left: 1\\r\\x1b[31m right: 2 ü\\n"]


@pytest.mark.parametrize("as_json", [False, True])
@pytest.mark.parametrize(
    ("printed", "shown"), [([b"half ", b"a line"], "half a line\n"), ([b"a\n", b""], "a\n"), ([], "")]
)
def test_what_is_said_after_a_guest_begins_a_line(monkeypatch, capsys, printed, shown, as_json):
    def fails(*_, stdout, stderr, **__):
        for data in printed:
            (stdout if as_json else stderr).write(data)
        raise GuestError

    monkeypatch.setattr(api, "execute", fails)
    with pytest.raises(GuestError):
        execute.execute(GUEST, as_json=as_json)
    assert capsys.readouterr() == ("", shown)


@full
def test_an_error_before_is_what_counts():
    with Path("/dev/full").open("w") as stdout:
        code, lines = bento("image-id", "nosuch", stdout=stdout)
    assert code == 2
    assert lines == ["error: guest: cannot read 'nosuch': No such file or directory"]


@pytest.mark.parametrize(
    ("args", "line"),
    [
        (["foo"], "error: no such command 'foo'; see bento --help"),
        (["prove", GUEST, "--foo"], "error: no such option: --foo; see bento prove --help"),
        (["prove"], "error: missing argument 'guest'; see bento prove --help"),
        (["verify", "x"], "error: missing option '--image-id'; see bento verify --help"),
        (
            ["prove", GUEST, "--jobs", "0"],
            "error: invalid value for '--jobs': 0 is not in the range x>=1; see bento prove --help",
        ),
    ],
    ids=str,
)
def test_a_command_line_that_is_not_understood(args, line):
    assert bento(*args) == (2, [line])


@pytest.mark.parametrize("args", [[], ["jobs"]], ids=str)
def test_a_group_alone_is_answered_with_its_help(args):
    code, lines = bento(*args)
    assert code == 2
    assert lines[0].startswith("Usage: bento")


@pytest.mark.parametrize("language", ["C", "POSIX", "de_DE.UTF-8", "nonsense"])
def test_letters_that_the_encoding_lacks(language, tmp_path):
    """Whatever the language: no trace, and English."""
    name = tmp_path / "Übung.elf"
    env = {"LANG": language, "LC_ALL": language, "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    code, lines = bento("image-id", name, env=env)
    assert code == 2
    assert len(lines) == 1
    assert lines[0].endswith("No such file or directory")
