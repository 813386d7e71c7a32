"""Old databases end where new ones start; what is not ours is left alone."""

import re
import sqlite3
import stat
import threading
from pathlib import Path

import pytest

from localbento.errors import HostError
from localbento.service.taskdb import JobState, TaskDb, TaskState
from localbento.service.taskdb.versions import APPLICATION_ID, VERSION, migrations

HERE = Path(__file__).parent


def connect(path):
    return sqlite3.connect(path, isolation_level=None)


@pytest.fixture
def old(tmp_path):
    path = tmp_path / "old.sqlite"
    connection = connect(path)
    connection.executescript((HERE / "version1.sql").read_text())
    connection.close()
    return path


def shape(path):
    """Everything that SQLite knows of the schema, without the spelling of names and spaces."""
    connection = connect(path)
    rows = connection.execute("SELECT type, name, tbl_name, sql FROM sqlite_schema ORDER BY type, name").fetchall()
    pragmas = [connection.execute(f"PRAGMA {name}").fetchone()[0] for name in ("user_version", "application_id")]
    columns = {
        name: connection.execute(f"PRAGMA table_xinfo({name})").fetchall() for kind, name, *_ in rows if kind == "table"
    }
    connection.close()
    texts = [(kind, name, table, sql and re.sub(r'[\s"]+', " ", sql).strip()) for kind, name, table, sql in rows]
    return texts, pragmas, columns


def test_a_migrated_database_has_the_schema_of_a_new_one(tmp_path, old):
    TaskDb(tmp_path / "new.sqlite").close()
    TaskDb(old).close()
    assert shape(old) == shape(tmp_path / "new.sqlite")


def test_version_one_was_another_one(tmp_path, old):
    TaskDb(tmp_path / "new.sqlite").close()
    assert shape(old) != shape(tmp_path / "new.sqlite")


def test_there_is_a_migration_to_every_version():
    assert sorted(migrations()) == list(range(2, VERSION + 1))


def test_schema_and_constants_agree(tmp_path):
    TaskDb(tmp_path / "new.sqlite").close()
    assert shape(tmp_path / "new.sqlite")[1] == [VERSION, APPLICATION_ID]


def test_migration_keeps_what_there_was(old):
    with TaskDb(old) as db:
        assert db.check() == []
        assert [s.id for s in db.list_streams()] == ["stream-b", "stream-a"]
        assert [j.id for j in db.list_jobs()] == ["over", "broken", "half"]
        assert db.get_job("broken").error == "boom"
        assert (db.get_job("half").created_at, db.get_job("half").finished_at) == (100.0, None)
        assert (db.get_job("over").created_at, db.get_job("over").finished_at) == (120.0, 122.0)
        assert db.get_task_output("half", "init") == {"cycles": 5}
        assert db.get_task("half", "0").retries == 1
        assert db.list_dependencies("half") == [
            ("init", "0", 1), ("init", "1", 1), ("0", "2", 1), ("1", "2", 1), ("init", "stuck", 1)
        ]  # fmt: skip


def test_what_ran_is_ready_again_and_a_failed_job_starts_nothing(old):
    with TaskDb(old) as db:
        states = {(t.job_id, t.task_id): t.state for j in ("half", "broken") for t in db.get_tasks(j)}
        assert states == {
            ("half", "init"): TaskState.DONE,
            ("half", "0"): TaskState.READY,
            ("half", "1"): TaskState.READY,
            ("half", "2"): TaskState.PENDING,
            ("half", "stuck"): TaskState.READY,
            ("broken", "init"): TaskState.FAILED,
            ("broken", "x"): TaskState.CANCELLED,
            ("broken", "y"): TaskState.CANCELLED,
        }


def test_a_migrated_job_runs_to_its_end(old):
    with TaskDb(old) as db:
        handed_out = []
        while (task := db.request_work("prove") or db.request_work("aux")) is not None:
            handed_out.append(task.task_id)
            assert db.task_done(task.job_id, task.task_id, task.attempt, None)
        assert handed_out == ["0", "1", "2", "stuck"]
        assert db.get_job("half").state is JobState.DONE
        assert db.resume_job("broken")
        assert db.count_tasks("broken") == {TaskState.READY: 2, TaskState.PENDING: 1}


def test_a_migration_that_fails_changes_nothing(old):
    connection = connect(old)
    connection.execute("CREATE TABLE pools (other TEXT)")  # in the way of version 2
    connection.close()
    before = shape(old)
    with pytest.raises(HostError, match="pools"):
        TaskDb(old)
    assert shape(old) == before
    rows = connect(old).execute("SELECT count(*) FROM tasks").fetchone()
    assert rows == (9,)


def test_several_processes_open_an_old_database_at_once(old):
    """Threads with connections of their own: only one migrates, the others find it done."""
    errors = []

    def open_it():
        try:
            with TaskDb(old) as db:
                assert len(db.list_jobs()) == 3
        except BaseException as error:
            errors.append(error)

    threads = [threading.Thread(target=open_it) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert errors == []


def test_a_newer_database_is_refused_and_left_alone(tmp_path):
    path = tmp_path / "new.sqlite"
    TaskDb(path).close()
    connection = connect(path)
    connection.execute(f"PRAGMA user_version = {VERSION + 1}")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(HostError) as caught:
        TaskDb(path)
    assert str(caught.value) == (
        f"task database: expected version {VERSION} or older, found {VERSION + 1}: {path}; "
        "update localbento, or set BENTO_HOME to another folder"
    )
    assert path.read_bytes() == before


@pytest.mark.parametrize("pragma", ["application_id = 7", "user_version = 1"])
def test_another_database_is_refused_and_left_alone(tmp_path, pragma):
    path = tmp_path / "other.sqlite"
    connection = connect(path)
    connection.executescript(f"PRAGMA {pragma}; CREATE TABLE mine (x);")
    connection.close()
    before = path.read_bytes()
    with pytest.raises(HostError, match=f"found another SQLite database: {re.escape(str(path))}"):
        TaskDb(path)
    assert path.read_bytes() == before


def test_an_empty_file_becomes_a_database(tmp_path):
    path = tmp_path / "empty.sqlite"
    path.touch()
    with TaskDb(path) as db:
        assert db.list_jobs() == []


def test_files_are_for_their_owner_only(tmp_path):
    path = tmp_path / "new.sqlite"
    with TaskDb(path) as db:
        db.create_stream("CPU", 1, 1.0, "user1")
        modes = {p.name: stat.S_IMODE(p.stat().st_mode) for p in tmp_path.iterdir()}
    assert modes == {"new.sqlite": 0o600, "new.sqlite-wal": 0o600, "new.sqlite-shm": 0o600}
