"""The object store: whole or absent, checked when read, and nothing removed that somebody needs."""

import errno
import hashlib
import os
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest

from localbento.errors import HostError
from localbento.service.store.objects import Collected, ObjectDamaged, ObjectMissing, ObjectStore, Usage

DATA = b"segment" * 1000
DIGEST = hashlib.sha256(DATA).hexdigest()
NONE = hashlib.sha256(b"never stored").hexdigest()
LONG_AGO = 1_000_000


def nothing(digests):
    return set()


@pytest.fixture
def store(tmp_path):
    return ObjectStore(tmp_path / "objects")


@pytest.fixture
def small_disk(tmp_path):
    """A file system of 256 KiB."""
    folder = tmp_path / "small"
    folder.mkdir()
    command = ["mount", "-t", "tmpfs", "-o", "size=256k,mode=700", "localbento-test", str(folder)]
    if os.geteuid() != 0 or subprocess.run(command, capture_output=True).returncode != 0:
        pytest.skip("mounting a small file system takes root")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def path_of(store, digest):
    return store.root / digest[:2] / digest


def grow_old(path, seconds=LONG_AGO):
    os.utime(path, (time.time() - seconds,) * 2)


def left_over(store):
    return list((store.root / "tmp").iterdir())


def overwrite(path, data):
    path.chmod(0o600)
    path.write_bytes(data)


# Storing and reading


def test_what_is_stored_is_read_back_under_its_hash(store):
    assert store.put(DATA) == (DIGEST, len(DATA))
    assert store.get(DIGEST) == DATA
    assert store.check(DIGEST) == store.size(DIGEST) == len(DATA)
    assert store.exists(DIGEST)
    assert left_over(store) == []


@pytest.mark.parametrize("data", [b"", bytearray(b"abc"), memoryview(b"abcd"), bytes(3 << 20)])
def test_any_bytes_can_be_stored(store, data):
    stored = store.put(data)
    assert stored == (hashlib.sha256(data).hexdigest(), len(data))
    assert store.get(stored.digest) == bytes(data)


def test_a_file_is_stored_in_pieces(store, tmp_path):
    data = os.urandom(2 * (1 << 20) + 17)
    (tmp_path / "file").write_bytes(data)
    stored = store.put_file(tmp_path / "file")
    assert stored == store.put(data)
    assert store.get(stored.digest) == data


def test_a_file_that_is_not_there_is_named(store, tmp_path):
    with pytest.raises(HostError, match=r"^cannot read '.*none': No such file or directory$"):
        store.put_file(tmp_path / "none")
    assert not store.root.exists()


def test_a_file_that_changes_while_it_is_stored_is_refused(store, tmp_path, monkeypatch):
    path = tmp_path / "file"
    path.write_bytes(DATA)
    write = ObjectStore._write

    def change_then_write(self, *args):
        path.write_bytes(DATA + b"more")
        return write(self, *args)

    monkeypatch.setattr(ObjectStore, "_write", change_then_write)
    with pytest.raises(HostError, match="changed while it was being stored"):
        store.put_file(path)
    assert list(store.all_objects()) == left_over(store) == []


def test_only_the_owner_can_read_and_nobody_writes(store):
    previous = os.umask(0)
    try:
        store.put(DATA)
    finally:
        os.umask(previous)
    modes = {p: stat.S_IMODE(p.stat().st_mode) for p in (store.root, *store.root.rglob("*"))}
    assert {m for p, m in modes.items() if p.is_dir()} == {0o700}
    assert modes[path_of(store, DIGEST)] == 0o400
    assert modes[store.root / "lock"] == 0o600


def test_looking_creates_nothing(store):
    assert not store.exists(NONE)
    assert not store.renew(NONE)
    assert not store.delete(NONE)
    assert list(store.all_objects()) == []
    assert store.usage() == Usage(0, 0, 0, 0)
    assert store.collect(nothing, 0) == Collected()
    assert not store.root.exists()


def test_storing_again_makes_young_and_does_not_rewrite(store):
    store.put(DATA)
    path = path_of(store, DIGEST)
    grow_old(path)
    before = path.stat()
    assert store.put(DATA) == (DIGEST, len(DATA))
    after = path.stat()
    assert after.st_ino == before.st_ino
    assert time.time() - after.st_mtime < 60


def test_renewing_makes_young(store):
    store.put(DATA)
    grow_old(path_of(store, DIGEST))
    assert store.renew(DIGEST)
    assert store.collect(nothing, 1000) == Collected()
    assert store.exists(DIGEST)


def test_file_and_folder_are_synced_before_and_after_the_name(store, monkeypatch):
    store.put(b"folders exist")
    events = []
    sync, replace = os.fsync, Path.replace

    def note_sync(descriptor):
        events.append("folder" if stat.S_ISDIR(os.fstat(descriptor).st_mode) else "file")
        sync(descriptor)

    def note_replace(self, target):
        events.append("name")
        return replace(self, target)

    (store.root / DIGEST[:2]).mkdir(exist_ok=True)
    monkeypatch.setattr(os, "fsync", note_sync)
    monkeypatch.setattr(Path, "replace", note_replace)
    store.put(DATA)
    assert events == ["file", "name", "folder"]


# What is wrong with an object


@pytest.mark.parametrize("name", ["", "ab", NONE.upper(), NONE[:-1], NONE + "0", "../" + NONE, NONE[:-1] + "\n"])
def test_what_is_no_name_is_refused(store, name):
    for call in (store.get, store.exists, store.size, store.delete, store.renew, store.check):
        with pytest.raises(ValueError, match="64 lower-case hex digits"):
            call(name)


def test_a_missing_object_is_named_with_what_to_do(store):
    for call in (store.get, store.size, store.check):
        with pytest.raises(ObjectMissing) as caught:
            call(NONE)
        text = str(caught.value)
        assert isinstance(caught.value, HostError)
        assert caught.value.digest == NONE
        assert NONE in text
        assert str(path_of(store, NONE)) in text
        assert "bento jobs retry" in text
        assert "\n" not in text


def flipped(data):
    return data[:100] + bytes([data[100] ^ 1]) + data[101:]


@pytest.mark.parametrize(
    "damage",
    [lambda d: d[:-1], lambda d: b"", flipped, lambda d: d + b"\0"],
    ids=["truncated", "empty", "flipped", "longer"],
)
def test_a_damaged_object_is_noticed_and_healed_by_storing_it_again(store, damage):
    store.put(DATA)
    path = path_of(store, DIGEST)
    overwrite(path, damage(DATA))
    for call in (store.get, store.check):
        with pytest.raises(ObjectDamaged) as caught:
            call(DIGEST)
        text = str(caught.value)
        assert caught.value.digest == DIGEST
        assert DIGEST in text
        assert str(path) in text
        assert f"{len(damage(DATA))} bytes" in text
        assert "bento jobs retry" in text
        assert "\n" not in text
    store.put(DATA)
    assert store.get(DIGEST) == DATA
    assert left_over(store) == []


def test_a_folder_in_place_of_an_object_is_damage(store):
    store.put(b"else")
    path_of(store, DIGEST).mkdir(parents=True)
    with pytest.raises(ObjectDamaged, match="holds a folder"):
        store.get(DIGEST)
    assert not store.exists(DIGEST)
    with pytest.raises(HostError, match="cannot write"):
        store.put(DATA)
    assert left_over(store) == []


def test_a_disk_that_cannot_be_read_is_no_missing_object(store, monkeypatch):
    store.put(DATA)

    def fail(self, *args, **kwargs):
        raise OSError(errno.EIO, "Input/output error")

    monkeypatch.setattr(Path, "open", fail)
    with pytest.raises(HostError, match=r"^cannot read '.*': Input/output error$") as caught:
        store.get(DIGEST)
    assert not isinstance(caught.value, ObjectMissing | ObjectDamaged)


# Disks that refuse


def test_a_full_disk_leaves_nothing_behind(store, monkeypatch):
    store.put(b"before")
    before = sorted(store.all_objects())

    def full(descriptor):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(HostError, match=r"^cannot write '.*': No space left on device; free some space"):
        store.put(DATA)
    assert sorted(store.all_objects()) == before
    assert left_over(store) == []


def test_a_disk_that_is_really_full(small_disk):
    store = ObjectStore(small_disk / "objects")
    kept = store.put(os.urandom(100_000))
    with pytest.raises(HostError, match="No space left on device; free some space"):
        store.put(os.urandom(300_000))
    assert [found.digest for found in store.all_objects()] == [kept.digest]
    assert left_over(store) == []
    assert store.put(b"small").size == 5  # the space is free again


def test_a_file_limit_half_way_leaves_nothing_behind(tmp_path):
    code = f"""
import resource, signal, sys
from pathlib import Path
from localbento.errors import HostError
from localbento.service.store.objects import ObjectStore
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
store = ObjectStore(Path({str(tmp_path)!r}))
store.put(b"before")
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    store.put(bytes(200_000))
except HostError as error:
    print(error)
print(len(list(store.all_objects())), len(list((store.root / "tmp").iterdir())))
"""
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.splitlines()
    assert out[0].startswith("cannot write ")
    assert out[0].endswith("File too large")
    assert out[1] == "1 0"


@pytest.fixture
def read_only(tmp_path, request):
    """A store with one object, that can be read and not written."""
    if os.geteuid() == 0:
        folder = request.getfixturevalue("small_disk")
        store = ObjectStore(folder / "objects")
        store.put(DATA)
        grow_old(path_of(store, DIGEST))
        subprocess.run(["mount", "-o", "remount,ro", str(folder)], check=True)
        yield store
    else:
        store = ObjectStore(tmp_path / "objects")
        store.put(DATA)
        grow_old(path_of(store, DIGEST))
        folders = [store.root, store.root / "tmp", path_of(store, DIGEST).parent]
        for folder in folders:
            folder.chmod(0o500)
        (store.root / "lock").chmod(0o400)
        yield store
        for folder in folders:
            folder.chmod(0o700)


def test_a_read_only_store_can_be_read_and_says_what_it_refuses(read_only):
    assert read_only.get(DIGEST) == DATA
    assert read_only.usage().count == 1
    assert read_only.collect(nothing, 0, dry_run=True).count == 1
    for refused in (
        lambda: read_only.put(b"new"),
        lambda: read_only.put(DATA),
        lambda: read_only.delete(DIGEST),
        lambda: read_only.collect(nothing, 0),
    ):
        with pytest.raises(HostError, match=r"^cannot (write|lock|delete) '.*': (Read-only file system|Permission)"):
            refused()
    assert read_only.get(DIGEST) == DATA
