"""Tables and figures for people."""

import sys

import pytest

from localbento.cli import show


@pytest.mark.parametrize(
    ("count", "text"),
    [
        (0, "0 B"),
        (1023, "1023 B"),
        (1024, "1.0 KiB"),
        (3 << 29, "1.5 GiB"),
        (1 << 40, "1.0 TiB"),
        (1 << 52, "4096.0 TiB"),
    ],
)
def test_sizes(count, text):
    assert show.size(count) == text


@pytest.mark.parametrize(
    ("seconds", "text"),
    [
        (0, "0.0 s"),
        (4.24, "4.2 s"),
        (59.9, "59.9 s"),
        (60, "1:00"),
        (725, "12:05"),
        (3600, "1:00:00"),
        (10812, "3:00:12"),
    ],
)
def test_durations(seconds, text):
    assert show.clock(seconds) == text


@pytest.mark.parametrize(("count", "text"), [(0, "0 jobs"), (1, "1 job"), (2, "2 jobs"), (12345, "12,345 jobs")])
def test_numbers_of_things(count, text):
    assert show.plural(count, "job") == text


@pytest.mark.parametrize(("text", "cells"), [("", 0), ("abc", 3), ("家", 2), ("ä", 1), ("a\u0308", 1)])
def test_columns_of_a_text(text, cells):
    assert show.cells(text) == cells


@pytest.mark.parametrize(
    ("text", "width", "found"),
    [("abc", 3, "abc"), ("abcd", 3, "ab…"), ("家家", 3, "家…"), ("家家", 4, "家家"), ("ab", 1, "…")],
)
def test_cutting(text, width, found):
    assert show.cut(text, width) == found
    assert show.cells(found) <= width


@pytest.mark.parametrize(
    ("text", "found"),
    [("häus 家", "häus 家"), ("a\x1b[31mb", "a\\x1b[31mb"), ("a\nb", "a\\nb"), ("\u202eabc", "\\u202eabc")],
)
def test_what_moves_the_cursor_is_made_visible(text, found):
    assert show.printable(text) == found


def test_columns_line_up_whatever_the_letters():
    lines = show.table(("A", "B"), [("家", "x"), ("abc", "y")])
    assert lines == ["A    B", "家   x", "abc  y"]


def test_a_table_fits_the_terminal_and_is_whole_in_a_pipe(monkeypatch):
    rows = [("x" * 50, "y" * 50)]
    assert max(map(len, show.table(("A", "B"), rows))) == 102
    monkeypatch.setattr(show, "stdout_width", lambda: 30)
    assert max(map(show.cells, show.table(("A", "B"), rows))) == 30


def test_a_name_that_repeats_is_said_once():
    assert show.aligned([("a", "1"), ("run", "2"), ("run", "3")]) == ["a    1", "run  2", "     3"]


@pytest.mark.parametrize(("variables", "draws"), [({}, True), ({"NO_COLOR": "1"}, False), ({"TERM": "dumb"}, False)])
def test_who_is_drawn_for(monkeypatch, variables, draws):
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: False, raising=False)
    assert show.terminal() is draws
    assert show.stdout_terminal() is False
