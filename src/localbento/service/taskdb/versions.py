"""What version a file has, and how an old one becomes today's."""

import re
from importlib.resources import files
from typing import Final

from localbento.errors import HostError
from localbento.service.taskdb.connection import Connected
from localbento.service.taskdb.statements import read, split

APPLICATION_ID: Final = 1112429636
VERSION: Final = 2
MIGRATION: Final = re.compile(r"(\d{4})_[a-z_]+\.sql")


def migrations() -> dict[int, str]:
    """Scripts by the version to which they take a database of the version before."""
    found = {}
    for entry in files("localbento.service.taskdb").joinpath("migrations").iterdir():
        if match := MIGRATION.fullmatch(entry.name):
            found[int(match[1])] = f"migrations/{entry.name}"
    return found


class Versioned(Connected):
    """A connection to a database of today's version: new ones are made, old ones migrated, others refused."""

    def _bring_up_to_date(self) -> None:
        """Make the schema, or migrate.

        Raises: HostError for a file that is not ours or was written by a newer localbento; the file is not changed.
        """
        self._check_ours()
        if self._version() == VERSION:
            return
        self._run("ignore_foreign_keys")  # has no effect inside a transaction
        self._run("keep_renames_plain")
        with self._write():
            version = self._version()  # another process may have been faster
            if version == 0:
                self._script("schema.sql")
            for target in range(version + 1, VERSION + 1) if version else ():
                self._script(migrations()[target])
            if broken := self._run("broken_references"):
                msg = f"task database: expected a sound migration, found {len(broken)} broken references: {self.path}"
                raise HostError(msg)
        self._run("let_renames_follow")

    def _version(self) -> int:
        return int(self._run("read_user_version")[0][0])

    def _is_foreign(self) -> bool:
        owner = self._run("read_application_id")[0][0]
        return owner != APPLICATION_ID and bool(owner or self._version() or self._run("count_schema_entries")[0][0])

    def _check_ours(self) -> None:
        # Twice: another process may be making the file, and had not yet when the first of the questions was asked.
        foreign = self._is_foreign() and self._is_foreign()
        version = self._version()
        if foreign:
            msg = (
                f"task database: expected a file of localbento, found another SQLite database: {self.path}; "
                "move it away, or set BENTO_HOME"
            )
            raise HostError(msg)
        if version > VERSION:
            msg = (
                f"task database: expected version {VERSION} or older, found {version}: {self.path}; "
                "update localbento, or set BENTO_HOME to another folder"
            )
            raise HostError(msg)

    def _script(self, name: str) -> None:
        for sql in split(read(name)):
            self._execute(sql, {})
