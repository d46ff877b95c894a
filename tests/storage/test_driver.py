"""Statements straight to the driver: what comes back, and what becomes of a connection."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from datetime import UTC, date, datetime
from typing import Any

import psycopg
import pytest
from databases import create_database, drop_database

from app import driver
from app.database import Database, Line
from app.driver import Channel
from app.reader import Reader


@pytest.fixture
def postgres(cluster: str, migrated: str) -> Iterator[Database]:
    """PostgreSQL with nothing in it."""
    opened = Database(url := create_database(cluster, migrated))
    yield opened
    opened.dispose()
    drop_database(cluster, url)


async def run(store: Database, work: Callable[[Channel], Any]) -> Any:
    line = Line(store)
    async with asyncio.timeout(10):
        return await line.run(line.write, work)


ODD = "CREATE TEMP TABLE odd (n bigint, a bigint, b timestamptz, c bytea, d text, e json)"
FIRST, LAST = datetime(1, 1, 1, tzinfo=UTC), datetime(9999, 12, 31, 23, 59, 59, 999999, UTC)


async def test_rows_come_back_as_they_were_added(postgres: Database) -> None:
    texts = ["", "NULL", None, '"\\{},', "é\U0001f600", "%(a)s :x"]
    rows: list[dict[str, Any]] = [
        {"n": 0, "a": None, "b": FIRST, "c": None, "d": texts[0], "e": {"x": [1]}},
        {"n": 1, "a": -(2**63), "b": LAST, "c": b"", "d": texts[1], "e": {}},
        {"n": 2, "a": 2**63 - 1, "b": None, "c": b"\0\xff", "d": texts[2], "e": None},
        *(
            {"n": 3 + at, "a": at, "b": FIRST, "c": b"c", "d": texts[3 + at], "e": {}}
            for at in range(3)
        ),
    ]

    def work(channel: Channel) -> Any:
        channel.run(ODD)
        channel.insert("odd", rows)
        return channel.rows("SELECT n, a, b, c, d, CAST(e AS text) FROM odd ORDER BY n")

    found = await run(postgres, work)

    assert [row[:5] for row in found] == [tuple(row.values())[:5] for row in rows]
    assert [driver.json(row[5]) for row in found] == [row["e"] for row in rows]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("SELECT DATE '0001-01-01', DATE '9999-12-31'", (date.min, date.max)),
        ("SELECT true, false, NULL", (True, False, None)),
        ("SELECT -1::smallint, -1, -1::bigint", (-1, -1, -1)),
    ],
)
async def test_a_value_is_what_it_was(postgres: Database, text: str, expected: Any) -> None:
    assert await run(postgres, lambda channel: channel.rows(text)) == [expected]


@pytest.mark.parametrize(
    "text",
    [
        *(
            "SELECT DATE 'infinity'",
            "SELECT TIMESTAMPTZ '-infinity'",
            "SELECT DATE '0044-03-15 BC'",
        ),
        *("SELECT 1.5::numeric", "SELECT TIMESTAMP '2020-01-01'", "SELECT ARRAY[1]"),
        "COPY (SELECT 1) TO STDOUT",
    ],
)
async def test_what_is_not_known_fails_and_the_next_does_not(postgres: Database, text: str) -> None:
    line = Line(postgres)

    async with asyncio.timeout(10):
        with pytest.raises((KeyError, OverflowError, psycopg.Error)):
            await line.run(line.read, lambda channel: channel.rows(text))
        after = await line.run(line.read, lambda channel: channel.rows("SELECT 8"))

    assert after == [(8,)]


async def test_a_text_is_not_cut_off_at_a_nul(postgres: Database) -> None:
    with pytest.raises(psycopg.DataError):
        await run(postgres, lambda channel: channel.rows("SELECT CAST(:x AS text)", x="a\0b"))


async def test_texts_are_utf_8_whatever_is_set_around(
    postgres: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PGCLIENTENCODING", "WIN1252")

    found = await run(
        postgres,
        lambda channel: channel.rows("SELECT CAST(:x AS text), length(CAST(:x AS text))", x="é"),
    )

    assert found == [("é", 1)]


async def test_a_connection_that_prepared_very_much_is_replaced(
    postgres: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(driver, "STATEMENTS", 5)
    line, seen = Line(postgres), []

    for number in range(20):
        asked = f"SELECT {number}, count(*) FROM pg_prepared_statements"  # noqa: S608 - a number
        [(same, prepared)] = await line.run(
            line.read, lambda channel, asked=asked: channel.rows(asked)
        )
        assert same == number
        seen.append(prepared)

    assert max(seen) <= 5


def test_a_connection_that_cannot_be_set_up_is_closed(
    postgres: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[psycopg.Connection] = []
    connect = psycopg.Connection.connect

    def kept(*args: Any, **more: Any) -> psycopg.Connection:
        made.append(connect(*args, **more))
        return made[-1]

    monkeypatch.setattr(psycopg, "connect", kept)
    monkeypatch.setattr(driver, "BY_INDEX", "SELECT 1/0")

    with pytest.raises(psycopg.Error):
        postgres.connect()

    assert made
    assert all(each.closed for each in made)


async def test_a_question_that_takes_too_long_is_not_everybodys(postgres: Database) -> None:
    def read(channel: Channel, asked: Any) -> list[Any]:
        channel.run("SET statement_timeout = 200")
        return [channel.one("SELECT 1 FROM pg_sleep(:s)", s=each)[0] for each in asked]

    reader = Reader(postgres)
    await reader.ask(read, [0])

    async with asyncio.timeout(10):
        alone = [reader.ask(read, [each]) for each in (0, 2, 0)]
        told = [*await asyncio.gather(*alone), await reader.ask(read, [0, 2, 0])]

    kinds = [[type(one).__name__ for one in each] for each in told]
    assert kinds == [["int"], ["QueryCanceled"], ["int"], ["int", "QueryCanceled", "int"]]


@pytest.mark.parametrize(
    ("error", "lost"),
    [
        (psycopg.OperationalError("the connection ended"), True),
        (psycopg.errors.AdminShutdown(), True),
        (psycopg.errors.ConnectionFailure(), True),
        (psycopg.errors.QueryCanceled(), False),
        (psycopg.errors.LockNotAvailable(), False),
        (psycopg.errors.OutOfMemory(), False),
        (psycopg.errors.UndefinedTable(), False),
        (sqlite3.OperationalError("database is locked"), True),
        (LookupError(), False),
    ],
)
def test_only_what_ends_a_connection_is_one_that_is_lost(error: Exception, lost: bool) -> None:
    assert driver.is_lost(error) == lost
