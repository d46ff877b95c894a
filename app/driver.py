"""Statements straight to the driver: what every request runs, without the cost of the ORM.

One text serves both databases. `:name` is a value, `= ANY(:name)` holds for a member of a list,
`EACH(:name)` is a table with the members of a list in its column `value`. FOR UPDATE is for
PostgreSQL: SQLite locks the database when a writer begins.

What is looked for by a list is `EACH(:name) AS given CROSS JOIN` its table: SQLite never turns that
order round, and so finds each member by the index, whatever statistics it once took.
"""

import asyncio
import re
import sqlite3
from collections.abc import Callable, Iterable, Mapping, Sequence
from datetime import UTC, date, datetime, timedelta
from functools import lru_cache
from struct import Struct
from typing import Any

import orjson
import psycopg
from psycopg.errors import error_from_result
from psycopg.pq import ConnStatus, ExecStatus
from sqlalchemy import Engine
from sqlalchemy.exc import OperationalError, SQLAlchemyError
from sqlalchemy.exc import TimeoutError as PoolTimeout
from sqlalchemy.util import await_only
from sqlmodel import Session

PATIENCE = 30  # seconds after which a database that says nothing counts as away
STATEMENTS = 200  # that a connection prepares before it is given up for a new one

# The connection is no longer there, or was broken off.
GONE = (psycopg.OperationalError, psycopg.InterfaceError)
# The lock or the connection failed, not what was written.
LOST = (*GONE, sqlite3.OperationalError, sqlite3.InterfaceError, OperationalError, PoolTimeout)
FAILED = (psycopg.Error, sqlite3.Error, SQLAlchemyError)

# Every statement here finds a few rows by an index. Told so, PostgreSQL keeps one plan for each,
# also when it was made over empty tables, and plans nothing anew.
BY_INDEX = (
    "SET enable_seqscan = off; SET enable_hashjoin = off; SET enable_mergejoin = off; "
    "SET jit = off; SET plan_cache_mode = force_generic_plan"
)

Row = tuple[Any, ...]


class Channel:
    """A connection of the driver; moments and lists go in and out alike on both databases."""

    def __init__(self, connection: Any, engine: Engine) -> None:
        self._connection = connection
        self._engine = engine
        self._sqlite = engine.dialect.name == "sqlite"

    @property
    def lost(self) -> bool:
        """Whether the connection is no longer there."""
        return False

    @property
    def worn(self) -> bool:
        """Whether it is to be replaced by a new one before it is used again."""
        return False

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
            # PostgreSQL takes a list for each column: a value each would cost more.
            given = {name: [row[name] for row in rows] for name in columns}
            types = tuple(map(_type_of, given.values()))
            lists = {name: _Many(map(_listed, values)) for name, values in given.items()}
            self._leave(_insert_many(table, columns, types), lists)

    def begin(self) -> None:
        """Begin a transaction that writes, on a connection of our own."""
        self._leave("BEGIN IMMEDIATE" if self._sqlite else "BEGIN", {})

    def commit(self) -> None:
        """End it so that it is durable when this returns."""
        self._send("COMMIT", {})

    def close(self) -> None:
        """Close a connection of our own, and with it what was begun."""
        # Whoever still holds a cursor (a traceback does) keeps the file locked without this.
        self._connection.rollback()
        self._connection.close()

    def execute(self, statement: str) -> None:
        """A statement about the connection itself."""
        self._connection.execute(statement)

    def _spelled(self, statement: str, values: Mapping[str, Any]) -> tuple[str, Any]:
        if self._sqlite:
            return _for_sqlite(statement), _sqlite_values(values)
        return _for_postgres(statement), values

    def _leave(self, text: str, values: Any) -> None:
        """Send what finds nothing."""
        self._send(text, values)

    def _send(self, text: str, values: Any) -> list[Row]:
        self._tell(text, values)
        cursor = self._connection.cursor()
        run = cursor.executemany if isinstance(values, list) else cursor.execute
        found: list[Row] = run(text, values).fetchall()
        return found

    def _tell(self, text: str, values: Any) -> None:
        """Whoever listens to the engine hears these statements too."""
        for listener in self._engine.dispatch.before_cursor_execute:
            listener(None, None, text, values, None, False)


class Pipe(Channel):
    """A connection of PostgreSQL that waits in the event loop: for work within `greenlet_spawn`.

    What finds nothing waits for what does, or for the end, and travels with it: a transaction takes
    as few journeys as it has questions. An error leaves the connection unfit: close it.
    """

    def __init__(self, connection: psycopg.Connection, engine: Engine) -> None:
        super().__init__(connection, engine)
        self._pg = connection.pgconn
        self._waiting: list[tuple[str, Any]] = []
        self._prepared: dict[str, tuple[bytes, tuple[str, ...]]] = {}
        self._readable: asyncio.Future[None] | None = None
        self._broken: psycopg.Error | None = None
        self._loop = asyncio.get_running_loop()
        self._pg.enter_pipeline_mode()
        self._socket = self._pg.socket  # libpq forgets it when the connection ends
        self._loop.add_reader(self._socket, self._read)
        self._listens = True

    @property
    def lost(self) -> bool:
        """Whether the connection is no longer there."""
        return self._broken is not None or self._pg.status != ConnStatus.OK

    @property
    def worn(self) -> bool:
        """Whether it waits in another loop than the running one, or has prepared very much."""
        elsewhere = self._loop is not asyncio.get_running_loop()
        return elsewhere or len(self._prepared) >= STATEMENTS

    def close(self) -> None:
        """Close it, and with it what was begun."""
        self._deafen()
        self._connection.close()

    def _deafen(self) -> None:
        """Listen no more, once: a new connection may have the same socket."""
        if self._listens and not self._loop.is_closed():
            self._loop.remove_reader(self._socket)
        self._listens = False

    def _read(self) -> None:
        """Take what came; a connection that ended is not listened to any more."""
        try:
            self._pg.consume_input()
        except psycopg.Error as error:
            self._broken = error
            self._deafen()
        self._wake()

    def _wake(self) -> None:
        waiting, self._readable = self._readable, None
        if waiting and not waiting.done():
            waiting.set_result(None)

    def _give_up(self) -> None:
        """A backend that is stopped, or a network that swallows, never says that it is gone."""
        self._broken = psycopg.OperationalError("the database said nothing for too long")
        self._deafen()
        self._wake()

    def _leave(self, text: str, values: Any) -> None:
        self._waiting.append((text, values))

    def _send(self, text: str, values: Any) -> list[Row]:
        statements, self._waiting = [*self._waiting, (text, values)], []
        for each, given in statements:
            self._tell(each, given)
            known = self._prepared.get(each)
            if known is None:
                numbered, order = _numbered(each)
                known = f"s{len(self._prepared)}".encode(), order
                self._pg.send_prepare(known[0], numbered.encode())
                self._prepared[each] = known
            name, order = known
            values = [given[one] for one in order]
            self._pg.send_query_prepared(
                name,
                [_postgres_value(value) for value in values],
                [type(value) is _Many for value in values],
                result_format=_BINARY,
            )
        self._pg.pipeline_sync()
        if self._pg.flush():
            self._push()
        return self._received()

    def _push(self) -> None:
        """Send more than fits on the way; what comes back meanwhile is read."""
        silence = self._loop.call_later(PATIENCE, self._give_up)
        try:
            while self._pg.flush() and not self._broken:
                await_only(asyncio.sleep(0.001))
        finally:
            silence.cancel()

    def _wait(self) -> None:
        """Wait until something came, or for too long."""
        self._readable = self._loop.create_future()
        silence = self._loop.call_later(PATIENCE, self._give_up)
        try:
            await_only(self._readable)
        finally:
            silence.cancel()

    def _received(self) -> list[Row]:
        """The rows of the last statement; raises the first error, when all has come."""
        last: Any = None
        fault: psycopg.Error | None = None
        while True:
            while self._pg.is_busy():
                if self._broken:
                    raise self._broken
                self._wait()
            result = self._pg.get_result()
            if result is None and self.lost:
                raise fault or self._broken or psycopg.OperationalError("the connection ended")
            if result is None:
                continue  # the end of one statement
            if result.status == ExecStatus.PIPELINE_SYNC:
                break
            # Whatever is not success fails: a record may not seem to stand.
            if result.status not in _SUCCESS:
                fault = fault or error_from_result(result)
                if result.status not in _FAILURE:
                    raise fault  # a copy, say, which has no end here
            last = result
        if fault:
            raise fault
        return _rows(last)


_SUCCESS = (ExecStatus.COMMAND_OK, ExecStatus.TUPLES_OK)
_FAILURE = (ExecStatus.FATAL_ERROR, ExecStatus.PIPELINE_ABORTED)


class Within(Channel):
    """A channel in the transaction of a session, with the errors of SQLAlchemy."""

    def _send(self, text: str, values: Any) -> list[Row]:
        result = self._connection.exec_driver_sql(text, values)
        return [tuple(row) for row in result] if result.returns_rows else []


Source = Session | Channel


def is_lost(error: Exception) -> bool:
    """Whether an error is one of the connection: PostgreSQL calls others operational too.

    Without a SQLSTATE the driver itself found it; 08 and 57P say that the connection has ended.
    """
    if isinstance(error, psycopg.Error):
        state = error.sqlstate or ""
        return isinstance(error, GONE) and (not state or state.startswith(("08", "57P")))
    return isinstance(error, LOST)


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


def _rows(result: Any) -> list[Row]:
    """The rows of a result in the binary form of PostgreSQL."""
    readers = [_READERS[result.ftype(at)] for at in range(result.nfields)]
    return [
        tuple(
            None if (value := result.get_value(row, at)) is None else read(value)
            for at, read in enumerate(readers)
        )
        for row in range(result.ntuples)
    ]


_FIRST = datetime(2000, 1, 1, tzinfo=UTC)  # from when PostgreSQL counts
_BINARY = 1


def _read_number(value: bytes) -> int:
    return int.from_bytes(value, "big", signed=True)


# By the type of a column (pg_type.dat): a statement asks for no other.
_READERS: Mapping[int, Callable[[bytes], Any]] = {
    16: lambda value: value == b"\x01",
    17: bytes,
    20: _read_number,
    21: _read_number,
    23: _read_number,
    25: bytes.decode,
    1043: bytes.decode,
    1082: lambda value: _FIRST.date() + timedelta(days=_read_number(value)),
    1184: lambda value: _FIRST + timedelta(microseconds=_read_number(value)),
}


class _Many(list[bytes | str | None]):
    """The values of one column in many rows: PostgreSQL gets them in its binary form."""

    def packed(self) -> bytes:
        """An array of one dimension, of bytes or of texts; a record is not written out in hex."""
        of_bytes = any(isinstance(value, bytes) for value in self)
        head = _ARRAY_HEAD(1, 1, 17 if of_bytes else 25, len(self), 1)
        if self.count(self[0]) == len(self):  # as in most columns of a batch
            return head + _member(self[0]) * len(self)
        return head + b"".join(map(_member, self))


def _member(value: bytes | str | None) -> bytes:
    """One value of a column in the binary form."""
    if value is None:
        return _NOTHING
    content = value if isinstance(value, bytes) else value.encode()
    return _LENGTH(len(content)) + content


# Dimensions, whether there are nulls, the type of the elements; their number, the first index.
_ARRAY_HEAD = Struct("!5i").pack
_LENGTH = Struct("!i").pack
_NOTHING = _LENGTH(-1)


def _listed(value: Any) -> bytes | str | None:
    """A value among those of its column."""
    if value is None or isinstance(value, (bytes, str)):
        return value
    if isinstance(value, Mapping):
        return orjson.dumps(value).decode()
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _type_of(values: Iterable[Any]) -> str:
    """The type of PostgreSQL for a column with these values."""
    found = next((type(value) for value in values if value is not None), str)
    return {bytes: "bytea", int: "bigint", datetime: "timestamptz", dict: "json"}.get(found, "text")


def _postgres_value(value: Any) -> bytes | None:
    """A value in the text form of PostgreSQL; of a column, in its binary form."""
    if value is None:
        return None
    if isinstance(value, _Many):
        return value.packed()
    if isinstance(value, bytes):
        return f"\\x{value.hex()}".encode()
    if isinstance(value, (datetime, date)):
        return value.isoformat().encode()
    if isinstance(value, list):
        return f"{{{','.join(map(_element, value))}}}".encode()
    text = str(value)
    if "\0" in text:
        raise psycopg.DataError("PostgreSQL text takes no NUL")  # it would end there
    return text.encode()


def _element(value: str | int) -> str:
    text = str(value).replace("\\", "\\\\").replace('"', '\\"')
    return f'"{text}"'


@lru_cache(maxsize=256)
def _numbered(statement: str) -> tuple[str, tuple[str, ...]]:
    """A statement with `$1` for its values, and their names in that order."""
    order: dict[str, int] = {}

    def place(match: re.Match[str]) -> str:
        return f"${order.setdefault(match[1], len(order) + 1)}"

    return re.sub(r"%\((\w+)\)s", place, statement), tuple(order)


@lru_cache(maxsize=256)
def _for_postgres(statement: str) -> str:
    text = re.sub(r"EACH\(:(\w+)\)", r"unnest(CAST(%(\1)s AS text[]))", statement)
    text = re.sub(r"(unnest\(.*?\[\]\)\)) AS (\w+)", r"\1 AS \2(value)", text)
    return re.sub(r"(?<!:):(\w+)", r"%(\1)s", text)


@lru_cache(maxsize=256)
def _for_sqlite(statement: str) -> str:
    text = re.sub(r"= ANY\(:(\w+)\)", r"IN (SELECT value FROM json_each(:\1))", statement)
    text = re.sub(r"EACH\(:(\w+)\)", r"(SELECT value FROM json_each(:\1))", text)
    return text.replace(" FOR UPDATE", "")


@lru_cache(maxsize=64)
def _insert(table: str, columns: tuple[str, ...]) -> str:
    names = ", ".join(columns)
    return f"INSERT INTO {table} ({names}) VALUES ({', '.join(f':{name}' for name in columns)})"  # noqa: S608 - names of columns


@lru_cache(maxsize=64)
def _insert_many(table: str, columns: tuple[str, ...], types: tuple[str, ...]) -> str:
    names = ", ".join(columns)
    lists = ", ".join(map(_list_of, columns, types))
    return f"INSERT INTO {table} ({names}) SELECT * FROM unnest({lists})"  # noqa: S608 - names of columns


def _list_of(column: str, type_: str) -> str:
    """The parameter of a column: bytes and texts travel as they are, the others as texts."""
    given = f"CAST(%({column})s AS {'bytea' if type_ == 'bytea' else 'text'}[])"
    return given if type_ in ("bytea", "text") else f"CAST({given} AS {type_}[])"
