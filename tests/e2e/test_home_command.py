"""The command in processes of their own: pipes, odd homes, damaged databases, completion, speed of looking."""

import json
import os
import pty
import resource
import select
import shutil
import sqlite3
import subprocess
import sys
from pathlib import Path

import home_with_jobs as homes
import pytest

from localbento.api.calibration import keep_calibration

ROOT = Path(__file__).parents[2]
GUESTS = ROOT / "fixtures/guests"
BENTO = [sys.executable, "-m", "localbento.cli"]
LOOK_SECONDS = 0.3
LIBRARY_SECONDS = 0.09
"""CPU time of loading typer and what it needs, on the machine of docs/benchmarks.md when it is quiet."""


def bento(*args, home, stdin=b"", cwd=None, **variables):
    env = {**os.environ, "BENTO_HOME": str(home), **variables}
    return subprocess.run([*BENTO, *map(str, args)], input=stdin, capture_output=True, cwd=cwd, env=env, check=False)


def one_line(result, code):
    assert result.returncode == code, result.stderr.decode()
    (line,) = result.stderr.decode().splitlines()
    assert line.startswith("error: ")
    assert result.stdout == b""
    return line


@pytest.fixture(scope="module")
def full(tmp_path_factory):
    return homes.make(tmp_path_factory.mktemp("heim 家") / "home")


def test_a_reader_that_goes_away(tmp_path):
    home = homes.make(tmp_path / "home", [homes.DONE])
    command = f"{' '.join(BENTO)} jobs show aaaa | head -n 1; echo ${{PIPESTATUS[0]}}"
    result = subprocess.run(
        ["bash", "-c", f"for i in 1 2 3; do {command}; done"], capture_output=True, text=True, check=False,
        env={**os.environ, "BENTO_HOME": str(home)},
    )  # fmt: skip
    assert result.stderr == ""
    lines = result.stdout.splitlines()
    assert lines[0::2] == [f"job        {homes.DONE}"] * 3
    assert set(lines[1::2]) <= {"0", "141"}


def test_a_reader_that_never_was(full):
    read, write = os.pipe()
    os.close(read)
    env = {**os.environ, "BENTO_HOME": str(full)}
    result = subprocess.run([*BENTO, "jobs", "list"], stdout=write, stderr=subprocess.PIPE, env=env, check=False)
    os.close(write)
    assert (result.returncode, result.stderr) == (141, b"")


def test_a_home_under_something_that_is_no_folder(tmp_path):
    (tmp_path / "file").write_text("")
    home = tmp_path / "file" / "home"
    assert bento("status", home=home).returncode == 0
    line = one_line(bento("image", "add", GUESTS / "hello/hello.elf", home=home), 6)
    assert "BENTO_HOME" in line


def not_almighty():
    """Even the superuser obeys file modes after this (prctl PR_CAPBSET_DROP: DAC_OVERRIDE, DAC_READ_SEARCH)."""
    import ctypes

    for capability in (1, 2):
        ctypes.CDLL(None, use_errno=True).prctl(24, capability, 0, 0, 0)


@pytest.mark.skipif(os.geteuid() == 0 and sys.platform != "linux", reason="the superuser obeys no modes here")
@pytest.mark.parametrize(
    "args",
    [["status"], ["jobs", "list"], ["jobs", "cancel", "a"], ["image", "add", GUESTS / "hello/hello.elf"], ["gc"]],
)
def test_a_home_that_is_read_only(tmp_path, args):
    home = homes.make(tmp_path / "home", [homes.DONE])
    paths = [*home.rglob("*"), home]
    for path in paths:
        path.chmod(path.stat().st_mode & 0o555)
    before = {path: path.stat().st_mtime_ns for path in paths}
    result = subprocess.run(
        [*BENTO, *map(str, args)], capture_output=True, env={**os.environ, "BENTO_HOME": str(home)}, check=False,
        preexec_fn=not_almighty,
    )  # fmt: skip
    assert before == {path: path.stat().st_mtime_ns for path in [*home.rglob("*"), home]}
    for path in paths:
        path.chmod(0o700)
    line = one_line(result, 6)
    assert "BENTO_HOME" in line
    assert str(home) in line


@pytest.mark.parametrize("content", [b"", b"no database at all, but long enough to be one " * 50])
@pytest.mark.parametrize("args", [["status"], ["gc"]])
def test_a_file_in_the_place_of_the_database(tmp_path, content, args):
    (tmp_path / "taskdb.sqlite").write_bytes(content)
    result = bento(*args, home=tmp_path)
    if not content:  # sqlite takes an empty file for a new database
        assert result.returncode in (0, 2)
        return
    line = one_line(result, 6)
    assert "taskdb.sqlite" in line
    assert "damaged" in line


def test_a_damaged_database_is_said_by_the_doctor(tmp_path):
    home = homes.make(tmp_path / "home", [homes.DONE])
    with sqlite3.connect(home / "taskdb.sqlite") as db:
        db.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    db.close()
    data = bytearray((home / "taskdb.sqlite").read_bytes())
    for start in range(4096 + 8, len(data) - 64, 4096):
        data[start : start + 64] = os.urandom(64)
    (home / "taskdb.sqlite").write_bytes(data)
    result = bento("doctor", "--quick", "--json", home=home)
    assert (result.returncode, result.stderr) == (6, b"")
    verdicts = {check["name"]: check["verdict"] for check in json.loads(result.stdout)["checks"]}
    assert verdicts["database"] == "fail"


def test_a_newer_database_is_left_alone(tmp_path):
    home = homes.make(tmp_path / "home", [homes.DONE])
    with sqlite3.connect(home / "taskdb.sqlite") as db:
        db.execute("PRAGMA user_version = 99")
    db.close()
    for args in (["status"], ["jobs", "delete", "a", "--yes"]):
        line = one_line(bento(*args, home=home), 6)
        assert "found 99" in line
        assert "update localbento" in line
    with sqlite3.connect(home / "taskdb.sqlite") as db:
        assert db.execute("SELECT count(*) FROM jobs").fetchone() == (1,)
    db.close()


def test_another_programs_database_is_left_alone(tmp_path):
    with sqlite3.connect(tmp_path / "taskdb.sqlite") as db:
        db.execute("CREATE TABLE mine (x)")
    db.close()
    assert "another SQLite database" in one_line(bento("status", home=tmp_path), 6)


def test_the_doctor_on_a_sound_home(full):
    result = bento("doctor", "--quick", home=full)
    assert (result.returncode, result.stderr) == (0, b"")
    lines = result.stdout.decode().splitlines()
    names = [line.split()[1] for line in lines if line.split()[0] in ("ok", "warn", "fail")]
    assert names == ["cpu", "cores", "memory", "home", "node", "snarkjs", "kernels", "database", "store"]


def test_the_doctor_finds_an_object_that_is_not_itself(tmp_path):
    home = homes.make(tmp_path / "home", [homes.DONE])
    objects = [path for path in (home / "objects").rglob("*") if path.is_file() and len(path.name) == 64]
    objects[0].chmod(0o600)
    objects[0].write_bytes(b"something else")
    result = bento("doctor", "--quick", "--json", home=home)
    assert result.returncode == 6
    store = next(check for check in json.loads(result.stdout)["checks"] if check["name"] == "store")
    assert store["verdict"] == "fail"
    assert objects[0].name[:8] in store["advice"]


def test_paths_and_names_in_any_language(tmp_path):
    home, folder = tmp_path / "家 ü", tmp_path / "ordner ñ"
    folder.mkdir()
    shutil.copy(GUESTS / "hello/hello.elf", folder / "gäst 客.elf")
    added = bento("image", "add", "gäst 客.elf", home=home, cwd=folder)
    expected = (GUESTS / "hello/image_id.txt").read_text().strip()
    assert added.stdout.decode().strip() == expected
    assert "gäst 客" in bento("image", "list", home=home).stdout.decode()
    assert bento("image-id", "gäst 客", home=home).stdout.decode().strip() == expected
    assert bento("image-id", expected[:12], home=home).stdout.decode().strip() == expected
    for encoding, shown in (("utf-8", "gäst 客"), ("latin-1", "gäst \\u5ba2"), ("ascii", "g\\xe4st \\u5ba2")):
        listed = bento("image", "list", home=home, PYTHONIOENCODING=encoding)
        assert (listed.returncode, listed.stderr) == (0, b"")
        assert shown in listed.stdout.decode(encoding)


@pytest.mark.parametrize(
    ("args", "message"),
    [
        (["image", "add", "none.elf"], "cannot read"),
        (["image", "add", "bad.elf"], "bad.elf"),
        (["image", "add", GUESTS / "hello/hello.elf", "--name", "a/b"], "no slash"),
        (["image", "add", GUESTS / "hello/hello.elf", "--name", ""], "--name"),
        (["image", "add", GUESTS / "hello/hello.elf", "--name", "a\x1b"], "printable"),
        (["image-id", "no-such-image"], "cannot read"),
    ],
)
def test_what_is_no_image(tmp_path, args, message):
    (tmp_path / "bad.elf").write_bytes(b"\x7fELF")
    line = one_line(bento(*args, home=tmp_path / "home", cwd=tmp_path), 2)
    assert message in line or message == "bad.elf"


def test_a_name_belongs_to_one_image(tmp_path):
    first, other = GUESTS / "hello/hello.elf", GUESTS / "echo/echo.elf"
    assert bento("image", "add", first, "--name", "x", home=tmp_path).returncode == 0
    assert bento("image", "add", first, "--name", "x", home=tmp_path).returncode == 0
    assert "choose another" in one_line(bento("image", "add", other, "--name", "x", home=tmp_path), 2)


def complete(home, words, *, cwd=None, shell="bash"):
    env = {
        **os.environ, "BENTO_HOME": str(home), "_BENTO_COMPLETE": f"complete_{shell}", "COMP_WORDS": words,
        "COMP_CWORD": str(len(words.split(" ")) - 1), "_TYPER_COMPLETE_ARGS": words,
    }  # fmt: skip
    script = "import sys; sys.argv[0] = 'bento'; from localbento.cli.__main__ import main; main()"
    return subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, env=env, cwd=cwd, check=False)


def test_a_shell_completes_commands_jobs_states_and_images(full, tmp_path):
    assert complete(full, "bento stat").stdout.split() == ["status"]
    assert complete(full, "bento jobs show ").stdout.split() == [job[:8] for job in reversed(homes.ALL)]
    assert complete(full, "bento status aaaa0002").stdout.split() == ["aaaa0002"]
    assert complete(full, "bento jobs list --state f").stdout.split() == ["failed"]
    assert complete(full, "bento execute x --input-encoding w").stdout.split() == ["words"]
    assert "gäst" in complete(full, "bento status a", shell="zsh").stdout
    bento("image", "add", GUESTS / "hello/hello.elf", "--name", "grüße", home=tmp_path / "h")
    assert complete(tmp_path / "h", "bento prove gr", cwd=tmp_path).stdout.split() == ["grüße"]
    (tmp_path / "great.elf").write_text("")
    assert complete(tmp_path / "h", "bento prove gr", cwd=tmp_path).stdout.split() == []


def test_a_shell_hears_nothing_of_a_damaged_home(tmp_path):
    (tmp_path / "taskdb.sqlite").write_bytes(b"damaged" * 1000)
    result = complete(tmp_path, "bento status ")
    assert (result.stdout.strip(), result.stderr) == ("", "")


@pytest.mark.parametrize("shell", ["bash", "zsh", "fish"])
def test_the_script_for_a_shell(tmp_path, shell):
    result = bento("--show-completion", shell, home=tmp_path, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1")
    assert result.returncode == 0
    assert b"COMPLETE" in result.stdout


def test_bash_itself_completes(full, tmp_path):
    script = bento(
        "--show-completion", "bash", home=full, _TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION="1"
    ).stdout.decode()
    # Run as a module the program has a longer name than what a user types.
    name = script.split("complete -o default -F ", 1)[1].split()[0]
    program = tmp_path / "bento"
    program.write_text(
        f"#!{sys.executable}\nimport sys\nsys.argv[0] = 'bento'\nfrom localbento.cli.__main__ import main\nmain()\n"
    )
    program.chmod(0o755)
    env = {**os.environ, "PATH": f"{tmp_path}:{os.environ['PATH']}", "BENTO_HOME": str(full)}
    own = subprocess.run(
        [program, "--show-completion", "bash"], capture_output=True, text=True, check=True,
        env={**env, "_TYPER_COMPLETE_TEST_DISABLE_SHELL_DETECTION": "1"},
    ).stdout  # fmt: skip
    assert name
    asked = f'{own}\nCOMP_WORDS=(bento jobs cancel dd); COMP_CWORD=3; _bento_completion bento; echo "${{COMPREPLY[@]}}"'
    found = subprocess.run(["bash", "-c", asked], capture_output=True, text=True, env=env, check=True)
    assert found.stdout.split() == ["dddd0005"]


@pytest.fixture(scope="module")
def slowness():
    """How much slower this machine is now than the one that LIBRARY_SECONDS were measured on, if it is."""
    code = "import typer, rich.console, rich.table, json, sqlite3"
    return max(1.0, cpu_seconds([sys.executable, "-c", code], dict(os.environ)) / LIBRARY_SECONDS)


def cpu_seconds(command, env):
    """The least of three: other work beside must not count."""
    spent = []
    for _ in range(3):
        before = resource.getrusage(resource.RUSAGE_CHILDREN)
        subprocess.run(command, capture_output=True, env=env, check=True)
        after = resource.getrusage(resource.RUSAGE_CHILDREN)
        spent.append(after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)
    return min(spent)


@pytest.mark.parametrize("args", [["--help"], ["status"], ["jobs", "list"], ["jobs", "--help"]])
def test_looking_is_quick(full, slowness, args):
    spent = cpu_seconds([*BENTO, *args], {**os.environ, "BENTO_HOME": str(full)})
    assert spent < LOOK_SECONDS * slowness


@pytest.mark.parametrize("args", [["--help"], ["status"], ["jobs", "list"]])
def test_looking_loads_nothing_heavy(full, args):
    code = (
        "import sys, atexit\n"
        "heavy = ('numpy', 'numba', 'msgpack', 'llvmlite', 'elftools', 'localbento.executor', 'localbento.circuits')\n"
        "atexit.register(lambda: print([m for m in heavy if m in sys.modules], file=sys.stderr))\n"
        f"sys.argv = ['bento', *{args!r}]\n"
        "from localbento.cli.__main__ import main\nmain()\n"
    )
    env = {**os.environ, "BENTO_HOME": str(full)}
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, env=env, check=False)
    assert found.stderr.splitlines()[-1] == "[]"


def on_terminal(args, home, columns, **variables):
    """What a terminal of this width shows; its own echo and line ends included."""
    import fcntl
    import struct
    import termios

    leader, follower = pty.openpty()
    fcntl.ioctl(follower, termios.TIOCSWINSZ, struct.pack("HHHH", 24, columns, 0, 0))
    env = {**os.environ, "BENTO_HOME": str(home), "TERM": "xterm", **variables}
    env.pop("COLUMNS", None)
    process = subprocess.Popen([*BENTO, *args], stdin=follower, stdout=follower, stderr=follower, env=env)
    os.close(follower)
    shown = b""
    while select.select([leader], [], [], 30)[0]:
        try:
            part = os.read(leader, 65536)
        except OSError:
            break
        if not part:
            break
        shown += part
    os.close(leader)
    return process.wait(), shown.decode()


@pytest.mark.parametrize("columns", [30, 60, 200])
def test_a_narrow_terminal_gets_no_broken_lines(full, columns):
    from localbento.cli.show import cells

    code, shown = on_terminal(["jobs", "list"], full, columns)
    lines = shown.replace("\r", "").splitlines()
    assert code == 0
    assert len(lines) == 1 + len(homes.ALL)
    assert max(map(cells, lines)) <= columns
    assert ("…" in shown) == (columns < 200)


def test_watching_on_a_terminal_draws_and_ends(full):
    code, shown = on_terminal(["status", "aaaa0002", "--watch"], full, 100)
    assert code == 5
    assert "it cannot be proved" in shown


def test_watching_on_a_terminal_without_colour_prints_lines(full):
    code, shown = on_terminal(["status", "aaaa0001", "--watch"], full, 100, NO_COLOR="1")
    assert code == 0
    assert "\x1b" not in shown
    assert "aaaa0001 done" in shown


def test_a_question_is_asked_on_a_terminal_and_no_means_no(tmp_path):
    home = homes.make(tmp_path / "home", [homes.DONE])
    leader, follower = pty.openpty()
    env = {**os.environ, "BENTO_HOME": str(home)}
    process = subprocess.Popen([*BENTO, "jobs", "delete", "a"], stdin=follower, stderr=subprocess.PIPE, env=env)
    os.write(leader, b"n\n")
    _, said = process.communicate(timeout=60)
    os.close(leader)
    os.close(follower)
    assert process.returncode == 0
    assert b"nothing was deleted" in said
    assert bento("jobs", "show", "a", home=home).returncode == 0


@pytest.mark.parametrize(
    ("guest", "options", "code", "message"),
    [
        ("panic", [], 3, "panicked"),
        ("bigint2_call", [], 5, "bigint"),
        ("hello", ["--memory", "1M"], 6, "--memory"),
        ("hello", ["--memory", "much"], 2, "--memory"),
        ("fibonacci", ["--max-cycles", "1000"], 3, "cycle limit"),
    ],
)
def test_an_estimate_of_what_cannot_be_proved(tmp_path, guest, options, code, message):
    folder = GUESTS / guest
    given = ["--input", folder / "input.bin"] if (folder / "input.bin").exists() else []
    line = one_line(bento("estimate", folder / f"{guest}.elf", *given, *options, home=tmp_path / "home"), code)
    assert message in line
    assert not (tmp_path / "home").exists()


def test_an_estimate_makes_no_job(tmp_path):
    keep_calibration(tmp_path, {"poseidon2_ns": 200.0, "lde_ns_per_cell": 2.0, "warm_start_seconds": 1.0})
    result = bento("estimate", GUESTS / "hello/hello.elf", "--jobs", "2", home=tmp_path)
    lines = dict(line.split(None, 1) for line in result.stdout.decode().splitlines())
    assert (result.returncode, result.stderr) == (0, b"")
    assert set(lines) == {"image", "exit", "cycles", "time", "memory", "disk", "receipt", "earlier"}
    assert "1,778 in 1 segment" in lines["cycles"]
    assert [path.name for path in tmp_path.iterdir()] == ["speed.json"]
