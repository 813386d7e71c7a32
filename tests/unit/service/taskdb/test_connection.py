"""Files that are damaged, read-only, full or not ours; statements; waiting for work; the system's clocks."""

import os
import sqlite3
import stat
import threading
import time
from pathlib import Path

import pytest
from taskdb_tools import FakeClock

import localbento.service.taskdb as package
from localbento.errors import HostError
from localbento.service.taskdb import SystemClock, TaskDb, boot_id
from localbento.service.taskdb.statements import parse, split, statements

SOURCES = Path(package.__file__).parent


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "taskdb.sqlite"
    with TaskDb(path) as db:
        stream = db.create_stream("CPU", 1, 1.0, "user1")
        job = db.create_job(stream, None, 0, 100, "user1")
        for i in range(300):
            db.create_task(job, str(i), stream, {"text": "x" * 100})
    return path


def use(path):
    with TaskDb(path) as db:
        for job in db.list_jobs():
            db.get_tasks(job.id)
        db.request_work("CPU")
        return db.check()


@pytest.mark.parametrize("content", [b"not a database at all", b"\xff" * 5000])
def test_a_file_that_is_no_database_is_one_clear_line_and_left_alone(tmp_path, content):
    path = tmp_path / "taskdb.sqlite"
    path.write_bytes(content)
    with pytest.raises(HostError) as caught:
        use(path)
    assert str(caught.value) == (
        f"task database: expected a sound SQLite file, found a damaged one (file is not a database): {path}; "
        "move it away (finished receipts and objects stay) and run the jobs again"
    )
    assert caught.value.exit_code == 6
    assert path.read_bytes() == content


@pytest.mark.parametrize("offset", [0, 100, 4096, 20000, 60000])
def test_a_damaged_file_is_one_clear_line_or_found_by_the_check(path, offset):
    data = bytearray(path.read_bytes())
    data[offset : offset + 3000] = os.urandom(3000)
    path.write_bytes(data)
    try:
        found = use(path)
    except HostError as error:
        assert "task database: expected" in str(error)  # noqa: PT017
        assert str(path) in str(error)  # noqa: PT017
        assert "\n" not in str(error)  # noqa: PT017
    else:
        assert found != []


def test_a_truncated_file_is_one_clear_line(path):
    path.write_bytes(path.read_bytes()[:20000])
    with pytest.raises(HostError, match="found a damaged one"):
        use(path)


def test_no_folder_is_one_clear_line(tmp_path):
    path = tmp_path / "missing" / "taskdb.sqlite"
    with pytest.raises(HostError) as caught:
        TaskDb(path)
    assert str(caught.value) == (
        f"task database: expected a file that can be written, found No such file or directory: {path}; "
        "check owner and mode, or set BENTO_HOME"
    )


def test_a_folder_in_its_place_is_one_clear_line(tmp_path):
    with pytest.raises(HostError, match="found Is a directory"):
        TaskDb(tmp_path)


@pytest.mark.skipif(os.geteuid() == 0, reason="root may write everywhere")
def test_a_read_only_file_is_one_clear_line(path):
    path.chmod(stat.S_IRUSR)
    with pytest.raises(HostError, match="found Permission denied"):
        TaskDb(path)


def test_a_database_that_became_read_only_is_one_clear_line(path):
    with TaskDb(path) as db:
        db._connection.execute("PRAGMA query_only = ON")
        with pytest.raises(HostError) as caught:
            db.request_work("CPU")
    assert str(caught.value) == (
        f"task database: expected a writable file, found a read-only one: {path}; check owner and mode"
    )


def log_for_ever(db, job):
    while True:
        db.log(job, "info", "x" * 500)


def test_a_full_disk_is_one_clear_line_and_loses_nothing(path):
    with TaskDb(path) as db:
        (job,) = db.list_jobs()
        pages = db._connection.execute("PRAGMA page_count").fetchone()[0]
        db._connection.execute(f"PRAGMA max_page_count = {pages}")
        with pytest.raises(HostError, match="found the disk full"):
            log_for_ever(db, job.id)
        written = len(db.events(job.id))
        db._connection.execute("PRAGMA max_page_count = 100000")
        db.log(job.id, "info", "again")
        assert len(db.events(job.id)) == written + 1
        assert db.check() == []


def fail_in_the_middle(db):
    db._insert_stream("GPU", 1, 1.0, "user1")
    raise ZeroDivisionError


def test_an_error_in_the_middle_undoes_the_whole_call(path):
    with TaskDb(path) as db:
        before = len(db.list_jobs())
        with pytest.raises(ZeroDivisionError), db._write():
            fail_in_the_middle(db)
        assert [s.worker_type for s in db.list_streams()] == ["CPU"]
        assert len(db.list_jobs()) == before
        db.create_stream("GPU", 1, 1.0, "user1")


def test_a_snapshot_sees_one_moment(path):
    with TaskDb(path) as db, TaskDb(path) as other:
        with db.snapshot():
            assert db.get_task_state_counts() == {("CPU", "ready"): 301}
            other.request_work("CPU")
            assert db.get_task_state_counts() == {("CPU", "ready"): 301}
        assert db.get_task_state_counts() == {("CPU", "ready"): 300, ("CPU", "running"): 1}


def test_writing_in_a_snapshot_is_refused(path):
    with TaskDb(path) as db, db.snapshot(), pytest.raises(HostError, match="transaction"):
        db.request_work("CPU")


def test_what_was_written_is_there_after_closing(path):
    with TaskDb(path) as db:
        task = db.request_work("CPU")
    db.close()
    with TaskDb(path) as db:
        assert db.get_task(task.job_id, task.task_id).state == "running"


def test_a_file_name_that_is_not_utf8_can_be_logged(path):
    with TaskDb(path) as db:
        (job,) = db.list_jobs()
        db.log(job.id, "error", f"cannot read {os.fsdecode(b'caf%s' % bytes([0xE9]))}")
        assert [event.text for event in db.events(job.id)] == ["cannot read caf\\udce9"]


def test_references_are_enforced(path):
    with TaskDb(path) as db, pytest.raises(sqlite3.IntegrityError):
        db._connection.execute("DELETE FROM jobs")


def test_the_file_uses_wal_and_syncs_at_checkpoints(path):
    with TaskDb(path) as db:
        modes = [db._connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("journal_mode", "synchronous")]
    assert modes == ["wal", 1]


def test_the_log_is_cut_off_when_it_is_long(path, monkeypatch):
    monkeypatch.setattr("localbento.service.taskdb.connection.LOG_BYTES", 1 << 20)
    log, sizes = path.with_name(f"{path.name}-wal"), []
    with TaskDb(path) as db, TaskDb(path) as reader:
        (job,) = db.list_jobs()

        def write(number):
            for _ in range(number):
                db.log(job.id, "info", "x" * 2000)
                sizes.append(log.stat().st_size)

        write(200)
        assert max(sizes) < 1.2 * (1 << 20)
        assert sizes.count(0) >= 2
        assert reader.list_jobs() == [job]
        with reader.snapshot():
            assert len(reader.events(job.id)) == 200
            sizes.clear()
            write(200)
            assert min(sizes) > 0, "somebody reads from it"
            assert len(reader.events(job.id)) == 200
        write(200)
        assert sizes.count(0) >= 1
        assert len(reader.events(job.id)) == 600
        assert db.check() == []


def test_a_python_without_returning_is_refused(monkeypatch):
    monkeypatch.setattr(sqlite3, "sqlite_version_info", (3, 34, 1))
    with pytest.raises(HostError, match=r"expected SQLite 3\.35 or newer"):
        TaskDb(None)


# Statements.


def test_every_statement_compiles_and_is_used():
    text = "".join(path.read_text() for path in SOURCES.glob("*.py"))
    with TaskDb(None) as db:
        for statement in statements().values():
            used = f'"{statement.name}"' in text or statement.name.startswith("delete_job_")
            assert used, f"{statement.name} is used nowhere"
            if not statement.sql.startswith(("PRAGMA", "BEGIN", "COMMIT", "ROLLBACK")):
                names = dict.fromkeys(
                    word.strip("(),;'")[1:] for word in statement.sql.replace("(", " ").split() if word[:1] == ":"
                )
                db._connection.execute(f"EXPLAIN {statement.sql}", names)


def test_statements_have_one_sentence_each():
    for statement in statements().values():
        assert statement.about.endswith(".")
        assert statement.about[0].isupper()
        assert ". " not in statement.about


def test_there_is_no_sql_in_python():
    for path in SOURCES.glob("*.py"):
        for word in ("SELECT ", "INSERT ", "UPDATE ", "DELETE ", "PRAGMA ", "CREATE "):
            assert word not in path.read_text(), f"{path.name} has {word}"


@pytest.mark.parametrize(
    "text",
    [
        "\n-- name: a\n-- About.\nSELECT 1;\n\n-- name: a\n-- About.\nSELECT 2;\n",
        "\n-- name: a\nSELECT 1;\n",
        "\n-- name: a\n-- About.\nSELECT 1; SELECT 2;\n",
        "\n-- name: a\n-- About.\n",
    ],
    ids=["twice", "no sentence", "two statements", "none"],
)
def test_a_bad_list_of_statements_is_refused(text):
    with pytest.raises(ValueError, match="statement 'a'"):
        parse(text)


def test_a_script_is_split_where_statements_end():
    trigger = "CREATE TRIGGER t AFTER INSERT ON x BEGIN\n    SELECT 1;\n    SELECT 2;\nEND;"
    assert list(split(f"-- a; b\nSELECT ';';\n{trigger}\n-- end\n")) == ["-- a; b\nSELECT ';';", trigger]
    with pytest.raises(ValueError, match="ends with a whole statement"):
        list(split("SELECT 1;\nSELECT 2"))


# Waiting for work.


@pytest.fixture
def waiting(tmp_path):
    """A database of which another thread holds a connection of its own."""
    path = tmp_path / "waiting.sqlite"
    with TaskDb(path) as db:
        stream = db.create_stream("CPU", 1, 1.0, "user1")
        job = db.create_job(stream, None, 0, 100, "user1")
        db.request_work("CPU")

    def later(what):
        def run():
            time.sleep(0.1)
            with TaskDb(path) as db:
                what(db)

        thread = threading.Thread(target=run)
        thread.start()
        return thread

    return path, stream, job, later


def test_request_work_blocking_wakes_for_new_job(waiting):
    path, stream, _, later = waiting
    thread = later(lambda db: db.create_job(stream, "new", 0, 100, "user1"))
    began = time.monotonic()
    with TaskDb(path) as db:
        assert db.request_work_blocking("CPU", 5.0).definition == "new"
    assert 0.05 < time.monotonic() - began < 4.5  # not the whole wait of 5
    thread.join()


def test_request_work_blocking_wakes_for_dependency_unblock(waiting):
    path, stream, job, later = waiting
    with TaskDb(path) as db:
        db.create_task(job, "join", stream, None, ["init"])
        thread = later(lambda other: other.update_task_done(job, "init", None))
        assert db.request_work_blocking("CPU", 5.0).task_id == "join"
    thread.join()


def test_request_work_blocking_times_out_when_no_work_arrives(waiting):
    path, *_ = waiting
    began = time.monotonic()
    with TaskDb(path) as db:
        assert db.request_work_blocking("CPU", 0.3) is None
    assert 0.3 <= time.monotonic() - began < 10


def test_request_work_blocking_ignores_stale_notifications(waiting):
    """Given writes that bring no work, when one waits, then they do not end the wait; the next job is delivered."""
    path, stream, job, later = waiting

    def noise_then_job(db):
        for i in range(5):
            db.log(job, "info", f"{i}")
            time.sleep(0.03)
        db.create_job(stream, "new", 0, 100, "user1")

    thread = later(noise_then_job)
    with TaskDb(path) as db:
        assert db.request_work_blocking("CPU", 5.0).definition == "new"
    thread.join()


def test_request_work_blocking_takes_at_once_what_is_there(waiting):
    path, stream, *_ = waiting
    with TaskDb(path) as db:
        db.create_job(stream, "there", 0, 100, "user1")
        assert db.request_work_blocking("CPU", 0.0).definition == "there"
        assert db.request_work_blocking("CPU", 0.0) is None


# Clocks.


def test_the_systems_clocks():
    clock = SystemClock()
    assert abs(clock.now() - time.time()) < 5
    first = clock.tick()
    assert 0 < first <= clock.tick()
    assert abs(first - float(Path("/proc/uptime").read_text().split()[0])) < 5


def test_the_boot_has_a_name():
    assert boot_id() == boot_id()
    assert len(boot_id()) == 36


def test_a_machine_without_boot_names(monkeypatch):
    monkeypatch.setattr(Path, "read_text", lambda *_, **__: (_ for _ in ()).throw(FileNotFoundError()))
    assert boot_id() == "unknown"


def test_times_for_people_come_from_the_wall(tmp_path):
    clock = FakeClock()
    with TaskDb(None, clock=clock) as db:
        stream = db.create_stream("CPU", 1, 1.0, "user1")
        job = db.create_job(stream, None, 0, 100, "user1")
        clock.advance(1)
        db.request_work("CPU")
        clock.advance(1)
        db.update_task_done(job, "init", None)
        row = db.get_task(job, "init")
        start = clock.now() - 2
        assert (row.created_at, row.started_at, row.updated_at) == (start, start + 1, start + 2)
        assert db.get_job_time(job) == 1.0
