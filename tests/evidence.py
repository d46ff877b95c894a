"""A log of small records, its tree by the RFC's own recursion, and an attacker with every right."""

import json
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import count
from pathlib import Path
from typing import Any

import naive_tree
from service import list_key
from sqlalchemy import text

from app import access_log, log_tree
from app.checkpoints import Notary
from app.database import Database
from app.record import Entry, columns_of
from app.tlog.note import Checkpoint, Signer
from app.visit import new_event_id

LOG = "protocolpoort.test/log"
NOW = datetime(2026, 6, 1, 9, 30, tzinfo=UTC)

WIDTH = 256
# Postgres lets a superuser turn its triggers off; in SQLite they must go.
GUARDED = ("access_record", "access_detail", "log_head", "log_tile", "log_checkpoint", "log_key")

_numbers = count(1)


def open_notary(store: Database, origin: str, key_file: Path, now: datetime) -> Notary:
    """The signer of a log; one that has no key gets the one in the file, without a record."""
    list_key(store, origin, key_file, now)
    return Notary.open(store, origin, key_file)


def moment_after(seconds: float) -> datetime:
    """So much later than the first moment of a test."""
    return NOW + timedelta(seconds=seconds)


def record(**members: Any) -> dict[str, Any]:
    """The least that a record holds, with an id of its own."""
    return {
        "v": 1,
        "type": "access",
        "eventId": new_event_id(NOW),
        "recordedAt": "2026-06-01T09:30:00.000Z",
        "outcome": "allowed",
        "organisation": "nis:71016",
        "counts": {"number": next(_numbers)},
        **members,
    }


def entry(**members: Any) -> Entry:
    """A small record, ready to append."""
    return Entry(columns_of(record(**members)), None, None)


def append(store: Database, number: int) -> None:
    """Append so many records in one batch."""
    write(store, [entry() for _ in range(number)])


def write(store: Database, entries: Sequence[Entry]) -> list[int | Exception]:
    """Append these in one transaction; the index of each, or why it is not there."""
    with store.writing() as session:
        return list(access_log.write(session, entries))


def leaves(store: Database) -> list[bytes]:
    """The bytes of every record, in the order of the log."""
    found = rows(store, "SELECT record FROM access_record ORDER BY log_index")
    return [bytes(record) for (record,) in found]


def rows(store: Database, statement: str) -> list[tuple[Any, ...]]:
    """What a statement finds."""
    with store.reading() as session:
        return [tuple(row) for row in session.connection().exec_driver_sql(statement)]


# The tree as it must be


class Naive:
    """The tree over these records: slow, and without a line of the application."""

    def __init__(self, data: Sequence[bytes]) -> None:
        self.leaves = list(data)
        self._part = cache(lambda first, end: naive_tree.root(self.leaves[first:end]))

    def root(self, size: int | None = None) -> bytes:
        """The root of the first `size` records."""
        return naive_tree.root(self.leaves[:size])

    def edge(self) -> list[bytes]:
        """The roots of the complete subtrees, largest first."""
        found, first, left = [], 0, len(self.leaves)
        while left:
            span = 1 << (left.bit_length() - 1)
            found.append(self._part(first, first + span))
            first, left = first + span, left - span
        return found

    def tile(self, level: int, index: int, width: int = WIDTH) -> bytes:
        """The hashes of a tile."""
        span: int = WIDTH**level
        first = index * WIDTH
        return b"".join(
            self._part(place * span, (place + 1) * span) for place in range(first, first + width)
        )

    def tiles(self) -> dict[tuple[int, int], tuple[bytes, bytes]]:
        """Every full tile by its place: its hashes, and the root of those."""
        found, level, span = {}, 0, WIDTH
        while full := len(self.leaves) // span:
            for index in range(full):
                root = self._part(index * span, (index + 1) * span)
                found[level, index] = (self.tile(level, index), root)
            level, span = level + 1, span * WIDTH
        return found


# Somebody with every right on the database


def execute(store: Database, statement: str, **values: Any) -> None:
    """Change something behind the back of the service."""
    with store.writing() as session:
        session.connection().execute(text(statement), values)


def disarm(store: Database) -> None:
    """Take every trigger away."""
    if store.engine.dialect.name == "postgresql":
        for table in GUARDED:
            execute(store, f"ALTER TABLE {table} DISABLE TRIGGER ALL")
        return
    for (name,) in rows(store, "SELECT name FROM sqlite_master WHERE type = 'trigger'"):
        execute(store, f"DROP TRIGGER {name}")


def shrink(store: Database, size: int) -> None:
    """Cut the log off, with a head that agrees."""
    disarm(store)
    kept = Naive(leaves(store)[:size])
    execute(store, "DELETE FROM access_detail")
    execute(store, "DELETE FROM access_record WHERE log_index >= :size", size=size)
    execute(
        store,
        "DELETE FROM log_tile WHERE (level = 0 AND tile_index >= :full) OR level > 0",
        full=size // WIDTH,
    )
    execute(store, "UPDATE log_head SET size = :size, edge = :edge", **head_of(kept))


def head_of(tree: Naive) -> dict[str, Any]:
    """Size and edge as the head of the log keeps them."""
    return {"size": len(tree.leaves), "edge": b"".join(tree.edge())}


def forge(store: Database, records: Iterable[bytes]) -> None:
    """Another log in the place of this one, whole in itself: records, columns, tiles and head."""
    disarm(store)
    for statement in (
        "DELETE FROM access_detail",
        "DELETE FROM access_record",
        "DELETE FROM log_tile",
        "UPDATE log_head SET size = 0, newest = NULL, edge = :empty",
    ):
        values = {"empty": b""} if "edge" in statement else {}
        execute(store, statement, **values)
    write(store, [Entry(columns_of(json.loads(each)), None, None) for each in records])


def sign_over(store: Database, signer: Signer, **change: Any) -> None:
    """Put a checkpoint of the tree as it stands in the database, signed by this key."""
    disarm(store)
    with store.reading() as session:
        head = log_tree.head(session)
    chosen = {"origin": LOG, "size": head.size, "root": head.root, **change}
    note = signer.sign(Checkpoint(**chosen).text)
    execute(
        store,
        "UPDATE log_checkpoint SET size = :size, note = :note",
        size=chosen["size"],
        note=note,
    )


@contextmanager
def kept_aside(store: Database) -> Iterator[None]:
    """The rows of the log as they are now: put back at the end, whatever was done to them."""
    tables = ("log_head", "log_checkpoint", "log_tile", "access_record", "log_key", "access_detail")
    held = {table: _rows_of(store, table) for table in tables}
    yield
    disarm(store)
    for table in reversed(tables):
        execute(store, f"DELETE FROM {table}")  # noqa: S608
    for table in tables:
        with store.writing() as session:
            for row in held[table]:
                names = ", ".join(row)
                values = ", ".join(f":{name}" for name in row)
                session.connection().execute(
                    text(f"INSERT INTO {table} ({names}) VALUES ({values})"),  # noqa: S608
                    row,
                )


def _rows_of(store: Database, table: str) -> list[dict[str, Any]]:
    with store.reading() as session:
        found = session.connection().exec_driver_sql(f"SELECT * FROM {table}")  # noqa: S608
        return [
            {
                name: json.dumps(value) if isinstance(value, dict) else value
                for name, value in row.items()
            }
            for row in found.mappings()
        ]
