"""The rows of a result, made coarser until nobody stands out (k-anonymity); without any number.

The rules are data of `anonymity`. The rows stand in a file (SQLite): each step counts the classes
there, so that a million rows take no more memory than a thousand.
"""

import secrets
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from app.anonymity import FREE, HIDDEN, QUASI, STEPS, Smoothed
from app.staging import connect


class Result:
    """The rows that are going to be released, of these columns."""

    def __init__(self, path: Path, columns: Sequence[str]) -> None:
        self._db = connect(path)
        self._columns = tuple(columns)
        self._quasi = tuple(name for name in QUASI if name in self._columns)
        self._class = ", ".join(self._quasi)
        named = ", ".join(f"{name} TEXT NOT NULL" for name in self._columns)
        before = ", ".join(f"was_{name} TEXT NOT NULL" for name in self._quasi)
        self._db.execute(
            f"CREATE TABLE result (id TEXT PRIMARY KEY, {named}, {before}) WITHOUT ROWID"
        )

    def close(self) -> None:
        """Let go of the file."""
        self._db.close()

    def add(self, rows: Sequence[Sequence[str]]) -> None:
        """More rows: each gets an id of chance, which says nothing of it and never comes back."""
        places = [self._columns.index(name) for name in self._quasi]
        marks = ", ".join("?" * (1 + len(self._columns) + len(self._quasi)))
        self._db.executemany(
            f"INSERT INTO result VALUES ({marks})",  # noqa: S608
            [(secrets.token_hex(16), *row, *(row[at] for at in places)) for row in rows],
        )

    def smooth(self, k: int, advance: Callable[[int], None]) -> Smoothed:
        """Let every combination of what could point at a person stand k times, or not at all."""
        small = (
            f"({self._class}) IN (SELECT {self._class} FROM result"  # noqa: S608
            f" GROUP BY {self._class} HAVING count(*) < {k:d})"
        )
        # A class that is large enough is never touched, and only grows: whoever stands out at a
        # step went through every step before.
        for done, step in enumerate(STEPS, start=1):
            names = [name for name in step.columns if name in self._quasi]
            if names:
                self._db.create_function("coarser", 1, step.coarser, deterministic=True)
                made = ", ".join(f"{name} = coarser({name})" for name in names)
                self._db.execute(f"UPDATE result SET {made} WHERE {small}")  # noqa: S608
            advance(done)
        suppressed = self._db.execute(f"DELETE FROM result WHERE {small}").rowcount  # noqa: S608
        rare = self._hide_rare(k)
        changed = {
            name: (self._count(f"{name} <> was_{name} AND {name} <> '{HIDDEN}'"))
            for name in self._quasi
        }
        hidden = {
            name: self._count(f"{name} <> was_{name} AND {name} = '{HIDDEN}'")
            for name in self._quasi
        }
        return Smoothed(
            self._count("TRUE"), suppressed, changed, hidden, self.smallest_class(), rare
        )

    def _hide_rare(self, k: int) -> int:
        """Hide what VDAB says in words of its own of fewer than k; how many cells."""
        hidden = 0
        for name in FREE:
            if name in self._columns:
                # What is empty stays so: it holds nothing of anybody.
                hidden += self._db.execute(
                    f"UPDATE result SET {name} = '{HIDDEN}' WHERE {name} IN"  # noqa: S608
                    f" (SELECT {name} FROM result WHERE {name} NOT IN ('', '{HIDDEN}')"
                    f" GROUP BY {name} HAVING count(*) < {k:d})"
                ).rowcount
        return hidden

    def smallest_class(self) -> int:
        """How many rows the rarest combination has; 0 without any row."""
        counted = f"SELECT count(*) AS n FROM result GROUP BY {self._class}"  # noqa: S608
        [found] = self._db.execute(f"SELECT coalesce(min(n), 0) FROM ({counted})").fetchone()  # noqa: S608
        return int(found)

    def rows(self) -> Iterator[tuple[str, ...]]:
        """Id and values of each, in the order of the ids: that of chance."""
        names = ", ".join(self._columns)
        yield from self._db.execute(f"SELECT id, {names} FROM result ORDER BY id")  # noqa: S608

    def _count(self, where: str) -> int:
        [found] = self._db.execute(f"SELECT count(*) FROM result WHERE {where}").fetchone()  # noqa: S608
        return int(found)


@contextmanager
def in_file(path: Path, columns: Sequence[str]) -> Iterator[Result]:
    """A result in a file that stands there, empty."""
    result = Result(path, columns)
    try:
        yield result
    finally:
        result.close()
