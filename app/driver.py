"""Statements straight to the driver: what every request runs, without the cost of the ORM.

One text serves both databases. `:name` is a value, `= ANY(:name)` holds for a member of a list,
`EACH(:name)` is a table with the members of a list in its column `value`. FOR UPDATE is for
PostgreSQL: SQLite locks the database when a writer begins.
"""

import re
import sqlite3
from collections.abc import Mapping, Sequence
from datetime import UTC, date, datetime
from functools import lru_cache
from typing import Any

import orjson
import psycopg
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlmodel import Session

# The connection is no longer there, or was broken off.
GONE = (psycopg.OperationalError, psycopg.InterfaceError)
# The lock or the connection failed, not what was written.
LOST = (*GONE, sqlite3.OperationalError, sqlite3.InterfaceError, OperationalError, PoolTimeout)
FAILED = (psycopg.Error, sqlite3.Error, SQLAlchemyError)

# Every statement here finds a few rows by an index. Told so, PostgreSQL keeps one plan for each,
# also when it was made over empty tables, and plans nothing anew.
_BY_INDEX = (
    "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; "
    "SET jit = off; SET plan_cache_mode = force_generic_plan"
)

Row = tuple[Any, ...]


class Channel:
    """A connection of the driver; moments and lists go in and out alike on both databases.

    On PostgreSQL what gives no rows waits for what does, or for the end, and travels with it: a
    transaction takes as few journeys as it has questions.
    """

    def __init__(self, connection: Any, engine: Engine) -> None:
        self._connection = connection
        self._engine = engine
        self._sqlite = engine.dialect.name == "sqlite"
        self._waiting: list[_Statement] = []
        self.ending = False  # a COMMIT was sent: only the database knows whether it stands

    @classmethod
    def own(cls, connection: Any, engine: Engine) -> "Channel":
        """A channel over a connection that nobody else uses."""
        channel = cls(connection, engine)
        if not channel._sqlite:
            connection.autocommit = True
            connection.execute(_BY_INDEX)
        return channel

    @property
    def lost(self) -> bool:
        """Whether the connection is no longer there."""
        return not self._sqlite and self._connection.closed

    def rows(self, statement: str, **values: Any) -> list[Row]:
        """The rows that a statement finds."""
        return self._send(*self._spelled(statement, values))

    def one(self, statement: str, **values: Any) -> Row:
        """The only row; raises LookupError where there is none."""
        for row in self.rows(statement, **values):
            return row
        raise LookupError("a row is not there")

    def run(self, statement: str, **values: Any) -> None:
        """A statement that finds nothing."""
        self._leave(*self._spelled(statement, values))

    def insert(self, table: str, rows: Sequence[Mapping[str, Any]]) -> None:
        """Add rows, all with the same columns: one statement, however many there are."""
        columns = tuple(rows[0])
        if self._sqlite:
            self._leave(_insert(table, columns), [_sqlite_values(row) for row in rows])
        else:
            # PostgreSQL makes the rows of the table from one text: a value each would cost more.
            text = orjson.dumps(rows, default=_hex).decode()
            self._leave(_insert_json(table, columns), {"rows": text})

    def begin(self) -> None:
        """Begin a transaction that writes, on a connection of our own."""
        self.ending = False
        self._leave("BEGIN IMMEDIATE" if self._sqlite else "BEGIN", {})

    def commit(self) -> None:
        """End it so that it is durable when this returns."""
        self.ending = True
        self._send("COMMIT", {})

    def close(self) -> None:
        """Close a connection of our own, and with it what was begun."""
        if self._sqlite:
            # Whoever still holds a cursor (a traceback does) keeps the file locked without this.
            self._connection.rollback()
        self._connection.close()

    def execute(self, statement: str) -> None:
        """A statement about the connection itself."""
        self._connection.execute(statement)

    def _spelled(self, statement: str, values: Mapping[str, Any]) -> "_Statement":
        if self._sqlite:
            return _for_sqlite(statement), _sqlite_values(values)
        return _for_postgres(statement), values

    def _leave(self, text: str, values: Any) -> None:
        if self._sqlite:
            self._send(text, values)
        else:
            self._waiting.append((text, values))

    def _send(self, text: str, values: Any) -> list[Row]:
        """Send what waits and this statement; the rows that it finds."""
        statements, self._waiting = [*self._waiting, (text, values)], []
        # Whoever listens to the engine hears these statements too.
        for listener in self._engine.dispatch.before_cursor_execute:
            for each, given in statements:
                listener(None, None, each, given, None, False)
        if self._sqlite:
            cursor = self._connection.cursor()
            run = cursor.executemany if isinstance(values, list) else cursor.execute
            return run(text, values).fetchall()  # type: ignore[no-any-return]
        cursor = self._connection.cursor(binary=True)
        if len(statements) == 1:
            cursor.execute(text, values or None)
        else:
            with self._connection.pipeline():
                for each, given in statements:
                    cursor.execute(each, given or None)
        return cursor.fetchall() if cursor.description else []


class Within(Channel):
    """A channel in the transaction of a session, at once and with the errors of SQLAlchemy."""

    def _leave(self, text: str, values: Any) -> None:
        self._send(text, values)

    def _send(self, text: str, values: Any) -> list[Row]:
        result = self._connection.exec_driver_sql(text, values)
        return [tuple(row) for row in result] if result.returns_rows else []


_Statement = tuple[str, Any]
Source = Session | Channel


def of(source: Source) -> Channel:
    """A channel within the transaction of a session; one is itself."""
    if isinstance(source, Channel):
        return source
    connection = source.connection()
    return Within(connection, connection.engine)


def moment(value: Any) -> datetime:
    """A moment as the driver gives it: SQLite has no such type, and no time zone."""
    if isinstance(value, str):
        return datetime.fromisoformat(value).replace(tzinfo=UTC)
    found: datetime = value
    return found


def json(value: str | None) -> Any:
    """What a column of JSON holds, selected as `CAST(... AS TEXT)`."""
    return None if value is None else orjson.loads(value)


def _sqlite_values(values: Mapping[str, Any]) -> dict[str, Any]:
    return {name: _sqlite_value(value) for name, value in values.items()}


def _sqlite_value(value: Any) -> Any:
    if isinstance(value, datetime):
        # As SQLAlchemy writes it.
        return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, (list, Mapping)):
        return orjson.dumps(value).decode()
    return value


@lru_cache(maxsize=256)
def _for_postgres(statement: str) -> str:
    text = re.sub(r"EACH\(:(\w+)\)", r"unnest(CAST(%(\1)s AS text[]))", statement)
    text = re.sub(r"(unnest\(.*?\[\]\)\)) AS (\w+)", r"\1 AS \2(value)", text)
    return re.sub(r"(?<!:):(\w+)", r"%(\1)s", text)


@lru_cache(maxsize=256)
def _for_sqlite(statement: str) -> str:
    text = re.sub(r"= ANY\(:(\w+)\)", r"IN (SELECT value FROM json_each(:\1))", statement)
    text = re.sub(r"EACH\(:(\w+)\)", r"json_each(:\1)", text)
    return text.replace(" FOR UPDATE", "")


@lru_cache(maxsize=64)
def _insert(table: str, columns: tuple[str, ...]) -> str:
    names = ", ".join(columns)
    return f"INSERT INTO {table} ({names}) VALUES ({', '.join(f':{name}' for name in columns)})"  # noqa: S608


@lru_cache(maxsize=64)
def _insert_json(table: str, columns: tuple[str, ...]) -> str:
    names = ", ".join(columns)
    rows = f"json_populate_recordset(CAST(NULL AS {table}), CAST(%(rows)s AS json))"
    return f"INSERT INTO {table} ({names}) SELECT {names} FROM {rows}"  # noqa: S608


def _hex(value: bytes) -> str:
    """As PostgreSQL writes bytes."""
    return f"\\x{value.hex()}"
