"""A file (SQLite, 0600) where an answer of VDAB stands, number by number, until it is released.

A million rows stay on the disk and never stand in memory.
"""

import os
import sqlite3
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, closing, contextmanager
from pathlib import Path

from app.monitoring import RETURNED
from app.returned_rows import Row
from app.secret_files import put_in_place, shred

PART = 1000  # rows that are read together


class NumberTwice(Exception):
    """The same number stands in two rows."""


class Staging:
    """The rows that came back, by number."""

    def __init__(self, path: Path) -> None:
        self._db = connect(path)
        columns = ", ".join(f"{column.name} TEXT NOT NULL" for column in RETURNED)
        self._db.execute(
            f"CREATE TABLE IF NOT EXISTS returned (insz TEXT PRIMARY KEY, {columns}) WITHOUT ROWID"
        )

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def add(self, rows: Sequence[Row]) -> None:
        """More rows; raises NumberTwice."""
        marks = ", ".join("?" * len(rows[0]))
        try:
            self._db.executemany(f"INSERT INTO returned VALUES ({marks})", rows)  # noqa: S608
        except sqlite3.IntegrityError:
            raise NumberTwice from None

    def parts(self) -> Iterator[list[Row]]:
        """The rows by number, a part at a time."""
        after = ""
        statement = "SELECT * FROM returned WHERE insz > ? ORDER BY insz LIMIT ?"
        while rows := self._db.execute(statement, (after, PART)).fetchall():
            yield rows
            after = rows[-1][0]


class Persons:
    """Whom a result has, by the number in use: each of them once."""

    def __init__(self, path: Path) -> None:
        self._db = connect(path)
        self._db.execute("CREATE TABLE person (insz TEXT PRIMARY KEY) WITHOUT ROWID")

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def is_new(self, number: str) -> bool:
        """Whether she was not there yet; from now on she is."""
        insert = "INSERT OR IGNORE INTO person VALUES (?)"
        return self._db.execute(insert, (number,)).rowcount == 1


def connect(path: Path) -> sqlite3.Connection:
    """A file of our own: it is made anew when something goes wrong, so nothing is kept twice."""
    connection = sqlite3.connect(path, isolation_level=None)
    for pragma in ("journal_mode=OFF", "synchronous=OFF", "cache_size=-20000"):
        connection.execute(f"PRAGMA {pragma}")
    return connection


@contextmanager
def drafted(path: Path) -> Iterator[Staging]:
    """A new file, in place when this ends; after an exception nothing is left of it."""
    with scratch(path) as draft:
        with closing(Staging(draft)) as staging:
            yield staging
        put_in_place(draft, path)


def opened(path: Path) -> AbstractContextManager[Staging]:
    """The file that stands there."""
    return closing(Staging(path))


@contextmanager
def persons(path: Path) -> Iterator[Persons]:
    """Nobody yet, in a file beside `path` that is overwritten and gone when this ends."""
    with scratch(path) as draft, closing(Persons(draft)) as found:
        yield found


@contextmanager
def scratch(path: Path) -> Iterator[Path]:
    """A file (0600) beside `path` that is overwritten and gone when this ends."""
    path.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
    draft = path.with_name(f".{path.name}.draft")
    shred(draft)  # one that was cut off
    os.close(os.open(draft, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600))
    try:
        yield draft
    finally:
        shred(draft)
