"""Files that users name: links, pipes, devices, what is too large, what cannot be written to."""

import io
import os
import threading
from pathlib import Path

import pytest

from localbento.api.files import check_writable, read_file, read_stream, write_file
from localbento.errors import HostError, UsageError

ZERO = Path("/dev/zero")


def test_a_stream_is_read_up_to_its_limit():
    assert read_stream(io.BytesIO(b"abc"), "input", 3) == b"abc"
    with pytest.raises(UsageError, match=r"^input: expected at most 2 bytes, found more$"):
        read_stream(io.BytesIO(b"abc"), "input", 2)


@pytest.mark.skipif(not ZERO.is_char_device(), reason="no /dev/zero here")
def test_a_file_without_an_end_is_refused():
    """Its size, as the file system tells it, is 0."""
    with pytest.raises(UsageError, match="expected at most 4096 bytes"):
        read_file(ZERO, "guest", 4096)


def test_a_file_that_is_too_large_is_refused_unread(tmp_path, monkeypatch):
    path = tmp_path / "large"
    path.write_bytes(bytes(5))
    monkeypatch.setattr("localbento.api.files.read_stream", lambda *_: pytest.fail("it was read"))
    with pytest.raises(UsageError, match=r"guest: expected at most 4 bytes, found 5 in '.*large'"):
        read_file(path, "guest", 4)


def test_what_cannot_be_read_is_one_line(tmp_path):
    with pytest.raises(UsageError, match=r"^guest: cannot read '.*': Is a directory$"):
        read_file(tmp_path, "guest")


def test_a_pipe_stays_a_pipe(tmp_path):
    """As `/dev/null` stays a device: a file in its place would take it from the whole machine."""
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    found = []
    reader = threading.Thread(target=lambda: found.append(pipe.read_bytes()))
    reader.start()
    check_writable(pipe)
    write_file(pipe, b"receipt")
    reader.join(60)
    assert found == [b"receipt"]
    assert pipe.is_fifo()


def test_a_link_is_followed(tmp_path):
    (tmp_path / "there").mkdir()
    (tmp_path / "link").symlink_to("there/file")
    for data in (b"new", b"again"):
        check_writable(tmp_path / "link")
        write_file(tmp_path / "link", data)
        assert (tmp_path / "link").is_symlink()
        assert (tmp_path / "there/file").read_bytes() == data
    assert [p.name for p in (tmp_path / "there").iterdir()] == ["file"]


def test_what_cannot_be_written_to_is_named_with_its_option(tmp_path):
    with pytest.raises(UsageError, match=r"^--journal: cannot write "):
        check_writable(tmp_path, "--journal")
    with pytest.raises(UsageError, match=r"^--output: no folder "):
        check_writable(tmp_path / "no" / "file")
    (tmp_path / "link").symlink_to("no/file")
    with pytest.raises(UsageError, match=r"^--output: no folder "):
        check_writable(tmp_path / "link")
    with pytest.raises(HostError, match=r"^cannot write "):
        write_file(tmp_path, b"")


def test_a_working_folder_that_was_removed(tmp_path, monkeypatch):
    gone = tmp_path / "gone"
    gone.mkdir()
    monkeypatch.chdir(gone)
    gone.rmdir()
    with pytest.raises(UsageError, match=r"^--output: no folder '.'$"):
        check_writable(Path("receipt"))
    with pytest.raises(HostError, match=r"^cannot write 'receipt': No such file or directory$"):
        write_file(Path("receipt"), b"")


@pytest.mark.skipif(not Path("/dev/full").is_char_device(), reason="no /dev/full here")
def test_a_device_that_is_full_says_so():
    with pytest.raises(HostError, match=r"^cannot write '/dev/full': No space left on device"):
        write_file(Path("/dev/full"), b"receipt")
    assert Path("/dev/full").is_char_device()
