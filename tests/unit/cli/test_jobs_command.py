"""`bento status`, `jobs`, `image`, `gc`, `df` on a home with a job in every state, in this process."""

import json
import sqlite3
import sys

import home_with_jobs as homes
import pytest
from jsonschema_of import check

from localbento.api import jobs as api_jobs
from localbento.cli import __main__ as command
from localbento.cli import status as status_command


@pytest.fixture
def home(tmp_path, monkeypatch):
    root = tmp_path / "heim 家"
    monkeypatch.setenv("BENTO_HOME", str(root))
    return root


@pytest.fixture
def full(home):
    return homes.make(home)


@pytest.fixture
def bento(monkeypatch, capsys):
    """Run the command here: exit code, stdout, stderr."""

    def run(*args, stdin=None):
        monkeypatch.setattr(sys, "argv", ["bento", *map(str, args)])
        # This process is pytest's: its signals and its main module are not the command's to change.
        monkeypatch.setattr(command.signal, "signal", lambda *_: None)
        monkeypatch.setattr(command, "_hide_main_module", lambda: None, raising=False)
        if stdin is not None:
            monkeypatch.setattr(sys, "stdin", stdin)
        with pytest.raises(SystemExit) as ended:
            command.main()
        captured = capsys.readouterr()
        return ended.value.code, captured.out, captured.err

    return run


def one_line(result, code=2):
    assert result[0] == code, result
    assert result[1] == ""
    (line,) = result[2].splitlines()
    assert line.startswith("error: ")
    return line


def test_a_home_that_is_not_there_has_no_jobs_and_is_not_made(home, bento):
    for args in (["status"], ["jobs", "list"]):
        code, out, err = bento(*args)
        assert (code, out) == (0, "")
        assert "bento prove" in err
    assert bento("status", "--json")[1] == '{"jobs": []}\n'
    assert bento("image", "list", "--json")[1] == '{"images": []}\n'
    assert json.loads(bento("df", "--json")[1])["total"] == {"count": 0, "bytes": 0}
    assert bento("gc")[0] == 0
    assert not home.exists()


@pytest.mark.parametrize("args", [["status"], ["jobs", "list"]])
def test_every_state_is_told(full, bento, args):
    code, out, err = bento(*args)
    assert (code, err) == (0, "")
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert list(lines) == ["JOB", *(job[:8] for job in reversed(homes.ALL))]
    assert "working" in lines[homes.WORKING[:8]]
    assert "segment 1 queries" in lines[homes.WORKING[:8]]
    assert "waiting" in lines[homes.STOPPED[:8]]
    assert "2/3" in lines[homes.STOPPED[:8]]
    assert "cancelled" in lines[homes.CANCELLED[:8]]
    assert "it cannot be proved" in lines[homes.FAILED[:8]]
    assert all(homes.GUEST in line for line in out.splitlines()[1:])


def test_names_from_outside_do_not_reach_the_terminal(full, bento):
    for args in (["status"], ["jobs", "list"], ["jobs", "show", "aaaa0002"], ["status", "aaaa0002"]):
        assert "\x1b" not in bento(*args)[1]


def test_a_job_that_nobody_works_on_says_how_to_go_on(home, bento):
    homes.make(home, [homes.STOPPED])
    assert "bento jobs resume cccc0004" in bento("status")[1]
    page = bento("status", "c")[1]
    assert "nobody works on it: bento jobs resume cccc0004" in page
    assert "2 done, 0 running, 1 waiting" in page


def test_a_pool_whose_process_is_gone_works_on_nothing(full, bento):
    with sqlite3.connect(full / "taskdb.sqlite") as db:
        db.execute("UPDATE pools SET process_start = process_start + 1")
    assert json.loads(bento("status", "dddd", "--json")[1])["activity"] == "stopped"


@pytest.mark.parametrize(
    ("args", "schema"),
    [
        (["status", "--json"], "status"),
        (["status", "d", "--json"], "status-job"),
        (["jobs", "list", "--json"], "jobs-list"),
        (["jobs", "show", "aaaa0002", "--json"], "status-job"),
        (["jobs", "logs", "aaaa0002", "--json"], "jobs-logs"),
        (["jobs", "cancel", "c", "--json"], "jobs-cancel"),
        (["jobs", "delete", "b", "--yes", "--json"], "jobs-delete"),
        (["gc", "--dry-run", "--json"], "gc"),
        (["df", "--json"], "df"),
    ],
)
def test_json(full, bento, args, schema):
    code, out, err = bento(*args)
    assert (code, err) == (0, "")
    assert out.count("\n") == 1
    check(schema, json.loads(out))


def test_show_has_all_tasks_and_status_those_that_run(full, bento):
    shown = json.loads(bento("jobs", "show", "d", "--json")[1])
    status = json.loads(bento("status", "d", "--json")[1])
    assert [task["name"] for task in shown["tasks"]] == ["init", "0", "1", "2"]
    assert [task["name"] for task in status["tasks"]] == ["1"]
    assert status["memory_bytes"] == 700 * homes.MIB
    assert shown["segment_counts"] == {"pending": 0, "ready": 1, "running": 1, "done": 1, "failed": 0, "cancelled": 0}


@pytest.mark.parametrize("state", ["running", "done", "failed", "cancelled"])
def test_a_state_is_asked_for(full, bento, state):
    found = json.loads(bento("jobs", "list", "--state", state, "--json")[1])["jobs"]
    assert found
    assert {job["state"] for job in found} == {state}


def test_lists_can_be_short(full, bento):
    assert len(bento("jobs", "list", "--limit", "2")[1].splitlines()) == 3
    assert "expected one of running, done" in one_line(bento("jobs", "list", "--state", "lost"))


JOB_COMMANDS = [
    ["status"], ["jobs", "show"], ["jobs", "logs"], ["jobs", "cancel"], ["jobs", "resume"], ["jobs", "retry"],
    ["jobs", "delete", "--yes"],
]  # fmt: skip


@pytest.mark.parametrize("args", JOB_COMMANDS)
def test_a_job_that_there_is_not(full, bento, args):
    assert "bento jobs list" in one_line(bento(*args, "nothing"))
    assert "aaaa0001" in one_line(bento(*args, "aaaa"))
    assert "bento jobs list" in one_line(bento(*args, "%"))


@pytest.mark.parametrize("args", JOB_COMMANDS)
def test_a_job_in_a_home_that_there_is_not(home, bento, args):
    assert "bento jobs list" in one_line(bento(*args, "aaaa"))
    assert not home.exists()


def test_any_beginning_of_an_id_is_understood(full, bento):
    for text in ("d", "dddd0005", homes.WORKING, homes.WORKING.upper()):
        assert json.loads(bento("status", text, "--json")[1])["job"] == homes.WORKING


def test_logs_and_what_the_guest_printed(full, bento):
    out = bento("jobs", "logs", "aaaa0002")[1].splitlines()
    assert [line.split()[2] for line in out[:2]] == ["info", "error"]
    assert out[2:] == ["", "the end of what task 1 said:", "  tail", "  \\x1b[31mred"]
    assert bento("jobs", "logs", "aaaa0001", "--follow")[1].endswith("submitted\n")
    code, out, _ = bento("jobs", "logs", "aaaa0001", "--guest")
    assert (code, out) == (0, "hello from the guest\n")
    assert "--guest" in one_line(bento("jobs", "logs", "aaaa0001", "--guest", "--json"))


def test_what_a_guest_that_failed_printed(home, bento):
    from localbento.service.home import Home

    with Home(home) as place:
        homes.create(place, homes.FAILED)
        claimed = place.db.claim(homes.register(place), ["exec"], job_id=homes.FAILED)
        why = ("GuestError", "execute", "guest panicked", "first\nlast\n")
        place.db.task_failed(homes.FAILED, claimed.task_id, claimed.attempt, *why, retry=False)
    assert bento("jobs", "logs", "a", "--guest")[1] == "first\nlast\n"
    assert bento("status", "a", "--watch")[0] == 3


def test_following_a_log_ends_with_the_job(full, bento, monkeypatch):
    naps = []

    def nap(seconds):
        naps.append(seconds)
        api_jobs.cancel_job("d")

    monkeypatch.setattr("localbento.cli.jobs.time.sleep", nap)
    code, out, _ = bento("jobs", "logs", "d", "--follow")
    assert code == 0
    assert out.splitlines()[-1].endswith("cancelled by its user")
    assert len(naps) == 1


def test_cancelling(full, bento):
    code, out, err = bento("jobs", "cancel", "d")
    assert (code, out) == (0, "")
    assert "bento jobs resume dddd0005" in err
    assert json.loads(bento("status", "d", "--json")[1])["state"] == "cancelled"
    assert "found it cancelled" in one_line(bento("jobs", "cancel", "d"))
    assert "found it done" in one_line(bento("jobs", "cancel", "aaaa0001"))


def test_only_what_ended_badly_is_retried(full, bento):
    assert "found it done" in one_line(bento("jobs", "retry", "aaaa0001"))
    assert "bento jobs resume" in one_line(bento("jobs", "retry", "c"))


def test_deleting_takes_what_only_that_job_needs(full, bento):
    before = json.loads(bento("df", "--json")[1])
    log = full / "logs" / f"{homes.DONE}.log"
    log.parent.mkdir(exist_ok=True)
    log.write_text("x")
    age(full)
    code, out, err = bento("jobs", "delete", "aaaa0001", "--yes")
    assert (code, out) == (0, "")
    assert "is gone" in err
    after = json.loads(bento("df", "--json")[1])
    # The program and three receipts; what the guest printed is the same for other jobs.
    assert before["sorts"]["inputs"]["count"] - after["sorts"]["inputs"]["count"] == 1
    assert before["sorts"]["receipts"]["count"] - after["sorts"]["receipts"]["count"] == 3
    assert after["sorts"]["other"]["count"] == 1
    assert not log.exists()
    one_line(bento("jobs", "show", "aaaa0001"))


def age(root, seconds=100_000):
    import os
    import time

    for path in (root / "objects").rglob("*"):
        if path.is_file():
            os.utime(path, (time.time() - seconds,) * 2)


def test_nobody_is_asked_without_a_terminal(full, bento):
    assert "expected --yes" in one_line(bento("jobs", "delete", "aaaa0001"))
    assert bento("jobs", "show", "aaaa0001")[0] == 0


def test_what_is_worked_on_is_not_deleted(full, bento):
    assert "bento jobs cancel dddd0005 first" in one_line(bento("jobs", "delete", "d", "--yes"))


def test_watching_ends_with_the_job_and_its_exit_code(full, bento, monkeypatch):
    assert bento("status", "aaaa0001", "--watch")[0] == 0
    assert bento("status", "aaaa0002", "--watch")[0] == 5
    assert bento("status", "b", "--watch")[0] == 130
    monkeypatch.setattr(status_command.time, "sleep", lambda _: api_jobs.cancel_job("d"))
    code, out, _ = bento("status", "d", "--watch")
    assert code == 130
    first, last = out.splitlines()
    assert first.startswith("dddd0005 working")
    assert last.startswith("dddd0005 cancelled")


def test_watching_what_nobody_works_on_ends(home, bento, monkeypatch):
    homes.make(home, [homes.STOPPED])
    now = [0.0]

    def nap(seconds):
        now[0] += seconds

    monkeypatch.setattr(status_command.time, "sleep", nap)
    monkeypatch.setattr(status_command.time, "monotonic", lambda: now[0])
    code, out, err = bento("status", "c", "--watch")
    assert code == 6
    assert out.startswith("cccc0004 stopped")
    assert "bento jobs resume cccc0004" in err
    assert now[0] > 10
    assert bento("status", "--watch")[0] == 0


def test_watching_in_json_is_an_object_a_line(full, bento, monkeypatch):
    monkeypatch.setattr(status_command.time, "sleep", lambda _: api_jobs.cancel_job("d"))
    lines = [json.loads(line) for line in bento("status", "d", "--watch", "--json")[1].splitlines()]
    assert [line["state"] for line in lines] == ["running", "cancelled"]
    for line in lines:
        check("status-job", line)


def test_looking_at_a_failed_job_is_no_failure(full, bento):
    assert bento("status", "aaaa0002")[0] == 0


def test_garbage_goes_and_what_is_needed_stays(full, bento):
    from localbento.service.home import Home

    with Home(full) as place:
        place.store.put(b"nobody needs this")
    young = json.loads(bento("gc", "--json")[1])
    assert (young["objects"], young["dry_run"]) == (0, False)
    age(full)
    (full / "logs").mkdir(exist_ok=True)
    (full / "logs" / "gone.log").write_text("1234")
    dry = json.loads(bento("gc", "--dry-run", "--json")[1])
    assert (dry["objects"], dry["leftovers"], dry["leftover_bytes"]) == (1, 1, 4)
    assert (full / "logs" / "gone.log").exists()
    assert "removed 1 object (17 B) and 1 leftover (4 B)" in bento("gc")[1]
    assert not (full / "logs" / "gone.log").exists()
    assert json.loads(bento("gc", "--all", "--json")[1])["objects"] == 0
    assert bento("jobs", "logs", "aaaa0001", "--guest")[1] == "hello from the guest\n"


def test_young_garbage_goes_when_asked_for_and_nobody_works(home, bento):
    homes.make(home, [homes.DONE])
    from localbento.service.home import Home

    with Home(home) as place:
        place.store.put(b"nobody needs this")
    assert json.loads(bento("gc", "--all", "--json")[1])["objects"] == 1
