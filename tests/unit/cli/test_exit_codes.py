"""The table of exit codes is that of `errors.py`, and stands where users look."""

from pathlib import Path

import pytest

from localbento import errors
from localbento.cli.exit_codes import EXIT_CODES, epilog, page

ROOT = Path(__file__).parents[3]


def family(kind=errors.LocalBentoError):
    return {kind, *(found for child in kind.__subclasses__() for found in family(child))}


def test_every_error_has_its_code_in_the_table():
    listed = {entry.code for entry in EXIT_CODES}
    ours = {kind for kind in family() if kind.__module__.startswith("localbento")}
    assert len(ours) > 6
    assert {kind.exit_code for kind in ours} <= listed


def test_codes_are_distinct_and_in_order():
    codes = [entry.code for entry in EXIT_CODES]
    assert codes == sorted(set(codes))


def test_only_success_is_zero():
    assert [entry.short for entry in EXIT_CODES if entry.code == 0] == ["done"]
    assert all(entry.meaning.endswith((".", ")")) for entry in EXIT_CODES)


@pytest.mark.parametrize("entry", [e for e in EXIT_CODES if e.code != 1], ids=lambda e: str(e.code))
def test_the_help_names_every_code(entry):
    assert f"{entry.code} {entry.short}" in epilog()


def test_the_page_has_a_row_for_each():
    text = page()
    assert [f"| {entry.code} | " in text for entry in EXIT_CODES] == [True] * len(EXIT_CODES)
    assert (ROOT / "docs/exit-codes.md").read_text() == text


@pytest.mark.parametrize("name", ["UsageError", "GuestError", "VerificationError", "ProvingError", "HostError"])
def test_codes_of_errors_are_a_promise(name):
    promised = {"UsageError": 2, "GuestError": 3, "VerificationError": 4, "ProvingError": 5, "HostError": 6}
    assert getattr(errors, name).exit_code == promised[name]
