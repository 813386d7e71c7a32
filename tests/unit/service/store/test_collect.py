"""The object store among many processes, and nothing removed that somebody needs."""

import hashlib
import os
import subprocess
import sys
import threading
import time
from concurrent.futures import ThreadPoolExecutor
from contextlib import suppress
from pathlib import Path

import pytest

from localbento.errors import HostError
from localbento.service.store import objects
from localbento.service.store.objects import Collected, ObjectStore, StoredObject, Usage

DATA = b"segment" * 1000
DIGEST = hashlib.sha256(DATA).hexdigest()
NONE = hashlib.sha256(b"never stored").hexdigest()
LONG_AGO = 1_000_000


def nothing(digests):
    return set()


@pytest.fixture
def store(tmp_path):
    return ObjectStore(tmp_path / "objects")


def path_of(store, digest):
    return store.root / digest[:2] / digest


def grow_old(path, seconds=LONG_AGO):
    os.utime(path, (time.time() - seconds,) * 2)


def left_over(store):
    return list((store.root / "tmp").iterdir())


# Many at once


def python(code, *args, **kwargs):
    return subprocess.Popen([sys.executable, "-c", code, *map(str, args)], text=True, stdout=subprocess.PIPE, **kwargs)


PUT_OFTEN = """
import sys
from pathlib import Path
from localbento.service.store.objects import ObjectStore
store = ObjectStore(Path(sys.argv[1]))
sys.stdin.readline()
for i in range(40):
    data = i.to_bytes(4, "little") * 50_000
    digest = store.put(data).digest
    assert store.get(digest) == data
print("fine")
"""


def test_processes_that_store_the_same_at_once(store):
    processes = [python(PUT_OFTEN, store.root, stdin=subprocess.PIPE) for _ in range(3)]
    for process in processes:
        process.stdin.write("\n")
        process.stdin.flush()
    assert [p.communicate(timeout=60)[0] for p in processes] == ["fine\n"] * 3
    found = list(store.all_objects())
    assert len(found) == 40
    assert {store.check(o.digest) for o in found} == {200_000}
    assert left_over(store) == []


HANG = """
import os, sys, stat, time
from pathlib import Path
from localbento.service.store.objects import ObjectStore
store = ObjectStore(Path(sys.argv[1]))
store.put(b"folders exist")
sync = os.fsync
def hang(descriptor):
    if stat.S_ISDIR(os.fstat(descriptor).st_mode) == (sys.argv[2] == "folder"):
        print("there", flush=True)
        time.sleep(100)
    sync(descriptor)
(store.root / sys.argv[3][:2]).mkdir(exist_ok=True)
os.fsync = hang
store.put(b"segment" * 1000)
"""


@pytest.mark.parametrize(("where", "there"), [("file", False), ("folder", True)])
def test_a_writer_that_is_killed_leaves_the_object_whole_or_absent(store, where, there):
    process = python(HANG, store.root, where, DIGEST)
    assert process.stdout.readline() == "there\n"
    process.kill()
    process.communicate()
    assert store.exists(DIGEST) is there
    assert len(left_over(store)) == (0 if there else 1)
    assert store.collect(nothing, 1000) == Collected()  # it may be another process that still writes
    for path in left_over(store):
        grow_old(path)
    assert store.usage().temporary_count == len(left_over(store))
    assert store.collect(nothing, 1000, dry_run=True) == store.collect(nothing, 1000)
    assert left_over(store) == []
    assert store.put(DATA).digest == DIGEST
    assert store.get(DIGEST) == DATA


def test_a_writer_whose_temporary_file_is_collected_begins_again(store, monkeypatch):
    store.put(b"folders exist")
    replace, lost = Path.replace, []

    def lose(self, target):
        if not lost:
            lost.append(self)
            self.unlink()
        return replace(self, target)

    monkeypatch.setattr(Path, "replace", lose)
    store.put(DATA)
    assert len(lost) == 1
    assert store.get(DIGEST) == DATA


def test_a_killed_holder_of_the_lock_lets_go(store):
    store.put(DATA)
    code = """
import sys, time
from pathlib import Path
from localbento.service.store.objects import ObjectStore
def hang(digests):
    print("there", flush=True)
    time.sleep(100)
ObjectStore(Path(sys.argv[1])).collect(hang, 0)
"""
    process = python(code, store.root)
    assert process.stdout.readline() == "there\n"
    with ThreadPoolExecutor(1) as pool:
        waiting = pool.submit(store.renew, DIGEST)
        time.sleep(0.05)
        assert not waiting.done()
        process.kill()
        process.communicate()
        assert waiting.result(timeout=10)


@pytest.mark.parametrize("act", [lambda store: store.renew(DIGEST), lambda store: store.collect(set, 0, only=[DIGEST])])
def test_who_waits_too_long_for_a_stopped_holder_of_the_lock_says_so(store, monkeypatch, act):
    import fcntl
    import os

    store.put(DATA)
    monkeypatch.setattr("localbento.service.store.disk.LOCK_SECONDS", 0.2)
    holder = os.open(store.root / "lock", os.O_RDWR)
    fcntl.flock(holder, fcntl.LOCK_EX)
    with pytest.raises(HostError, match=r"object store locked by another process for 0.2 s: .*lock.*stopped"):
        act(store)
    os.close(holder)
    act(store)


# Removing what nothing needs


def test_old_and_unreferenced_objects_are_removed(store):
    old, young, needed = (store.put(name) for name in (b"old", b"young", b"needed"))
    for stored in (old, needed):
        grow_old(path_of(store, stored.digest))
    asked = []

    def referenced(digests):
        asked.extend(digests)
        return {needed.digest}

    assert store.collect(referenced, 1000, dry_run=True) == Collected(1, 3)
    assert store.exists(old.digest)
    assert store.collect(referenced, 1000) == Collected(1, 3)
    assert sorted(found.digest for found in store.all_objects()) == sorted([young.digest, needed.digest])
    assert set(asked) == {old.digest, needed.digest}


def test_named_objects_alone_are_looked_at(store):
    one, other = store.put(b"one"), store.put(b"other")
    (store.root / "tmp" / "leftover").write_bytes(b"x")
    assert store.collect(nothing, 0, only=[one.digest, NONE]) == Collected(1, 3)
    assert [found.digest for found in store.all_objects()] == [other.digest]
    assert len(left_over(store)) == 1


def test_more_than_one_batch(store, monkeypatch):
    monkeypatch.setattr(objects, "BATCH", 7)
    sizes = []

    def referenced(digests):
        sizes.append(len(digests))
        return set(digests[:1])

    for i in range(20):
        store.put(str(i).encode())
    assert store.collect(referenced, 0).count == 17
    assert sorted(sizes) == [6, 7, 7]


def test_an_object_from_the_future_is_made_young_and_not_kept_for_ever(store):
    store.put(DATA)
    grow_old(path_of(store, DIGEST), -LONG_AGO)
    assert store.collect(nothing, 0, dry_run=True) == Collected()
    assert store.collect(nothing, 0) == Collected()
    assert store.collect(nothing, 0) == Collected(1, len(DATA))


def test_names_that_are_no_digests_are_left_alone(store):
    store.put(DATA)
    strangers = [
        store.root / "notes.txt",
        store.root / DIGEST[:2] / "notes.txt",
        store.root / DIGEST[:2] / NONE.upper(),
        store.root / DIGEST[:2] / f"{DIGEST}.partial",
        store.root / NONE,
        store.root / "zz" / NONE,
        store.root / ("00" if not NONE.startswith("00") else "01") / NONE,
    ]
    for path in strangers:
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(b"mine")
        grow_old(path)
    link = store.root / NONE[:2] / NONE
    link.parent.mkdir(exist_ok=True)
    link.symlink_to(strangers[0])
    grow_old(path_of(store, DIGEST))
    assert [found.digest for found in store.all_objects()] == [DIGEST]
    assert store.collect(nothing, 0, only=[NONE]) == Collected()
    assert store.collect(nothing, 0) == Collected(1, len(DATA))
    assert all(path.read_bytes() == b"mine" for path in strangers)
    assert link.is_symlink()
    assert (store.root / "lock").exists()


def test_what_is_stored_again_after_it_was_listed_is_kept(store, monkeypatch):
    store.put(DATA)
    grow_old(path_of(store, DIGEST))
    collect_batch = ObjectStore._collect_batch

    def store_first(self, batch, *args):
        assert [found.digest for found in batch] == [DIGEST]
        store.put(DATA)
        return collect_batch(self, batch, *args)

    monkeypatch.setattr(ObjectStore, "_collect_batch", store_first)
    assert store.collect(nothing, 1000) == Collected()
    assert store.get(DIGEST) == DATA


@pytest.mark.parametrize("data", [DATA, b"new"], ids=["again", "for the first time"])
def test_who_stores_during_removal_waits_and_then_has_it(store, data):
    store.put(DATA)
    grow_old(path_of(store, DIGEST))
    writer = threading.Thread(target=store.put, args=(data,))

    def referenced(digests):
        writer.start()
        writer.join(0.1)
        assert writer.is_alive()
        return set()

    assert store.collect(referenced, 1000) == Collected(1, len(DATA))
    writer.join(10)
    assert store.get(hashlib.sha256(data).hexdigest()) == data


def test_what_is_stored_is_never_lost_to_a_collector_beside_it(store):
    contents = [f"object {i}".encode() * 10 for i in range(4)]
    names = [store.put(data).digest for data in contents]
    stop = threading.Event()
    failures = []

    def gather():
        mine = ObjectStore(store.root)
        while not stop.is_set():
            mine.collect(nothing, 1000)

    def put_again(data, name):
        mine, path = ObjectStore(store.root), path_of(store, name)
        for _ in range(150):
            with suppress(FileNotFoundError):  # it was collected
                grow_old(path)
            mine.put(data)
            time.sleep(0.0005)
            if not mine.exists(name):
                failures.append(name)

    collector = threading.Thread(target=gather)
    collector.start()
    writers = [threading.Thread(target=put_again, args=pair) for pair in zip(contents, names, strict=True)]
    for writer in writers:
        writer.start()
    for writer in writers:
        writer.join()
    stop.set()
    collector.join()
    assert failures == []
    assert {store.get(name) for name in names} == set(contents)


def test_usage_counts_objects_and_what_is_being_written(store):
    store.put(b"12345")
    store.put(b"123")
    (store.root / "tmp" / "1-1").write_bytes(b"1234567")
    assert store.usage() == Usage(2, 8, 1, 7)
    assert all(isinstance(found, StoredObject) and abs(found.mtime - time.time()) < 60 for found in store.all_objects())


def test_deleting_takes_an_object_away_whoever_needs_it(store):
    store.put(DATA)
    assert store.delete(DIGEST)
    assert not store.delete(DIGEST)
    assert not store.exists(DIGEST)
