"""Fail closed: whatever keeps a record from being durable keeps the data inside, and passes.

What stands elsewhere: a database that refuses a record, with every refusal of the contract, and a
log that is gone (test_refusals); a clock that lags (test_clock); one append without its lock, with
a lost confirmation, a bad key file (storage/test_access_log); `kill -9` (commands/test_killed).
Here every operation that gives data meets every kind of failure, on both databases.
"""

import asyncio
import os
import resource
import signal
import sqlite3
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import psycopg
import pytest
from killing import Stored
from service import AUDITOR, CITY, FUND, LOG_ORIGIN, Service, execute
from sqlalchemy import event
from sqlalchemy.exc import SQLAlchemyError

from app import (
    access_log,
    checkpoints,
    database,
    driver,
    log_keys,
    log_tree,
    lookup,
    reader,
)
from app.database import Line
from app.demo_persons import MEMBER_NOK, RESIDENT_WITH_CERTIFICATE
from app.deps import Desk
from app.driver import Channel, Pipe
from app.tlog import note
from app.tlog.note import Checkpoint

SEARCH = {"uitkomst": "allowed", "aanleiding": "controle"}
Ask = Callable[[Service], Any]
OPERATIONS: dict[str, Ask] = {
    "dossier": lambda service: service.dossier(CITY, RESIDENT_WITH_CERTIFICATE),
    "advice": lambda service: service.advice(FUND, MEMBER_NOK),
    "mijnToegang": lambda service: service.ask(CITY, "/mijnToegang"),
    "toegangen": lambda service: service.ask(AUDITOR, "/toegangen/query", SEARCH),
}
UNAVAILABLE = {
    "type": "urn:problem-type:belgif:serviceUnavailable",
    "href": "https://www.belgif.be/specification/rest/api-guide/problems/serviceUnavailable.html",
    "title": "Service is unavailable",
    "status": 503,
    "uitzonderingen": [
        {
            "identificatie": "60009",
            "oorsprong": "MAGDA",
            "type": "FOUT",
            "diagnose": "De dienst is tijdelijk niet beschikbaar",
        }
    ],
}
FITS = 100  # records that a full database may still have room for, at the very most


@pytest.fixture
async def service(
    service_on_each: Service, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[Service]:
    """The service on each database, which waits no longer than 100 ms for a lock."""
    monkeypatch.setattr(database, "LOCK_TIMEOUT", 100)
    made = service_on_each.restart()
    yield made
    await made.close()


def is_postgres(service: Service) -> bool:
    return service.office.database.engine.dialect.name == "postgresql"


def desk_of(service: Service) -> Desk:
    desk: Desk = service.app.state.desk
    return desk


# What goes wrong. Each lets go at the end of its block, and puts right nothing else.


@contextmanager
def gone(service: Service) -> Iterator[None]:
    """No connection is left and none can be made."""
    if not is_postgres(service):
        file = Path(service.settings.database_url.removeprefix("sqlite:///"))
        file.rename(kept := file.with_suffix(".kept"))
        yield
        kept.rename(file)
        return
    with server(service) as (admin, name):
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS false".encode())
        hang_up(admin, name)
        yield
        admin.execute(f"ALTER DATABASE {name} ALLOW_CONNECTIONS true".encode())


@contextmanager
def full(service: Service) -> Iterator[None]:
    """The disk is full: SQLite may not grow, PostgreSQL says 53100."""
    if not is_postgres(service):
        with on_every_connection(service, "max_page_count = 1", "max_page_count = 1073741823"):
            yield
        return
    for table in ("access_record", "log_checkpoint"):
        execute(
            service,
            f"CREATE FUNCTION full_{table}() RETURNS trigger LANGUAGE plpgsql AS $$ BEGIN "
            "RAISE EXCEPTION 'could not extend file' USING ERRCODE = '53100'; END $$;"
            f"CREATE TRIGGER full_{table} BEFORE INSERT OR UPDATE ON {table} "
            f"FOR EACH ROW EXECUTE FUNCTION full_{table}()",
        )
    yield
    for table in ("access_record", "log_checkpoint"):
        execute(service, f"DROP TRIGGER full_{table} ON {table}")


@contextmanager
def read_only(service: Service) -> Iterator[None]:
    """Every session may read and none may write."""
    if not is_postgres(service):
        with on_every_connection(service, "query_only = ON", "query_only = OFF"):
            yield
        return
    with server(service) as (admin, name):
        admin.execute(f"ALTER DATABASE {name} SET default_transaction_read_only = on".encode())
        hang_up(admin, name)
        yield
        admin.execute(f"ALTER DATABASE {name} RESET default_transaction_read_only".encode())
        hang_up(admin, name)


@contextmanager
def locked(service: Service) -> Iterator[None]:
    """Another writer has the head of the log and does not let go."""
    with service.office.database.writing() as session:
        session.connection().exec_driver_sql("UPDATE log_head SET size = size")
        yield


@contextmanager
def without_key(service: Service) -> Iterator[None]:
    """The key of this month is not there."""
    assert service.settings.month_keys
    path = service.settings.month_keys / "2026-06.key"
    path.rename(kept := path.with_suffix(".kept"))
    yield
    kept.rename(path)


@contextmanager
def no_write(_service: Service, beyond: int = 0) -> Iterator[None]:
    """The system refuses every write of this process to a file, or to so many bytes of it."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (beyond, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


Condition = Callable[[Service], AbstractContextManager[None]]
CONDITIONS: dict[str, tuple[Condition, str]] = {
    "gone": (gone, "DOWN"),
    "full": (full, "DEGRADED"),
    "read-only": (read_only, "DEGRADED"),
    "locked": (locked, "DEGRADED"),
    "without key": (without_key, "DOWN"),
}
every_condition = pytest.mark.parametrize(
    ("broken", "health"), CONDITIONS.values(), ids=CONDITIONS.keys()
)


@contextmanager
def server(service: Service) -> Iterator[tuple[psycopg.Connection, str]]:
    """A connection to another database of the same server, and the name of ours."""
    url = service.office.database.engine.url
    conninfo = url.set(drivername="postgresql", database="postgres").render_as_string()
    with psycopg.connect(conninfo, autocommit=True) as admin:
        yield admin, str(url.database)


def hang_up(admin: psycopg.Connection, name: str, *, only_waiting: bool = False) -> int:
    """End the sessions of a database, or those that wait for a lock; how many there were."""
    ended = admin.execute(
        "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity"
        " WHERE datname = %s AND (wait_event_type = 'Lock' OR NOT %s)",
        [name, only_waiting],
    )
    return len(ended.fetchall())


@contextmanager
def on_every_connection(service: Service, pragma: str, undone: str) -> Iterator[None]:
    """Set a pragma on each connection of the service before it is used, and set it back."""
    database = desk_of(service).gate.database

    def hook(statement: str) -> Callable[..., None]:
        for channel in database.channels:  # outside the pool
            channel.execute(f"PRAGMA {statement}")
        return lambda connection, *_: connection.execute(f"PRAGMA {statement}")

    event.listen(database.engine, "checkout", set_ := hook(pragma))
    yield
    event.remove(database.engine, "checkout", set_)
    event.listen(database.engine, "checkout", hook(undone))


# What must hold


async def status_of(service: Service) -> str:
    """What health says."""
    return str((await service.client.get("/health")).json()["status"])


def is_unavailable(response: httpx.Response) -> bool:
    """503 with nothing in it but that; a 200 tells that a record could still be stored."""
    if response.status_code == 200:
        return False
    assert (response.status_code, response.json()) == (503, UNAVAILABLE)
    assert response.headers["retry-after"] == "1"
    return True


async def until_unavailable(service: Service, ask: Ask) -> int:
    """Ask until the answer is 503; how many answers came before it."""
    for answers in range(FITS):
        if is_unavailable(await ask(service)):
            return answers
    pytest.fail("the service goes on answering")


async def sign(service: Service) -> None:
    """A turn of the signer as a running service gives it, which goes on after these."""
    service.clock.forward(seconds=2)
    with suppress(SQLAlchemyError, OSError, log_keys.KeyUnfit):
        await asyncio.to_thread(desk_of(service).sign)


async def eventually(holds: Callable[[], Awaitable[bool]]) -> None:
    """Wait until something is so, at most 10 seconds."""
    async with asyncio.timeout(10):
        while not await holds():
            await asyncio.sleep(0.02)


def assert_whole(service: Service) -> None:
    """One tree over every record, and checkpoints that vouch for it."""
    stored = Stored.read(str(service.settings.database_url))
    assert service.settings.log_key_file
    state = service.settings.log_key_file.with_name("log.key.checkpoint").read_text()
    assert [*stored.faults(), *stored.checkpoint_faults(state)] == []


def signed(service: Service) -> tuple[Checkpoint, Checkpoint, log_tree.Head]:
    """The checkpoint in the database, the one beside the key, and the tree."""
    with service.office.database.reading() as session:
        published, head = checkpoints.published(session), log_tree.head(session)
    assert service.settings.log_key_file
    state = service.settings.log_key_file.with_name("log.key.checkpoint").read_text()
    kept, told = (
        note.open_checkpoint(text, published.vkeys, LOG_ORIGIN) for text in (state, published.note)
    )
    return told, kept, head


@every_condition
async def test_nothing_leaves_without_its_record_and_the_next_request_is_served(
    service: Service, broken: Condition, health: str
) -> None:
    for ask in OPERATIONS.values():
        assert (await ask(service)).status_code == 200
    before = service.records()

    with broken(service):
        answered = [await until_unavailable(service, ask) for ask in OPERATIONS.values()]
        told = await status_of(service)
    after = service.records()
    recovered = [(await ask(service)).status_code for ask in OPERATIONS.values()]

    # A disk that is full has room for the last record that fits; every other kind has none.
    assert len(after) - len(before) == sum(answered)
    assert broken is full or sum(answered) == 0
    assert told == health
    assert recovered == [200] * len(OPERATIONS)
    assert len(service.records()) == len(after) + len(OPERATIONS)
    assert await status_of(service) == "UP"


@pytest.mark.parametrize("service_on_each", ["sqlite"], indirect=True)
async def test_no_record_goes_into_a_file_that_was_replaced(service: Service) -> None:
    """The old file is gone when its last user closes it, and the record with it."""
    file = Path(service.settings.database_url.removeprefix("sqlite:///"))
    before = service.records()
    with sqlite3.connect(file) as source, sqlite3.connect(file.with_suffix(".new")) as target:
        source.backup(target)
    file.with_suffix(".new").replace(file)
    for suffix in ("-wal", "-shm"):
        file.with_name(file.name + suffix).unlink(missing_ok=True)

    refused = [is_unavailable(await ask(service)) for ask in OPERATIONS.values()]

    with sqlite3.connect(file) as now:
        [count] = now.execute("SELECT count(*) FROM access_record WHERE type <> 'admin'").fetchone()
    assert count == len(before) + refused.count(False)


@pytest.mark.parametrize("service_on_each", ["postgresql"], indirect=True)
@pytest.mark.parametrize(("table", "recorded"), [("log_head", False), ("residence", True)])
async def test_a_database_that_says_nothing_counts_as_away(
    service_on_each: Service, monkeypatch: pytest.MonkeyPatch, table: str, recorded: bool
) -> None:
    service, ask = service_on_each, OPERATIONS["dossier"]  # a lock may take 10 s
    lose_patience(monkeypatch, 0.3)
    before = service.records()

    with service.office.database.writing() as session:
        session.connection().exec_driver_sql(f"LOCK TABLE {table} IN ACCESS EXCLUSIVE MODE")
        async with asyncio.timeout(5):
            refused = await ask(service)
        session.rollback()

    told = refused.json()
    event_id = told.pop("instance", "").removeprefix("urn:uuid:")
    await eventually(lambda: is_served(service))
    kept = {record["eventId"]: record for record in service.records()[len(before) :]}
    assert (refused.status_code, told) == (503, UNAVAILABLE)
    # Where only the question had no answer, the log took the record of that.
    assert bool(event_id) == recorded
    assert not recorded or (kept[event_id]["outcome"], kept[event_id]["status"]) == ("error", 503)


async def is_served(service: Service) -> bool:
    """The next dossier is answered."""
    return bool((await OPERATIONS["dossier"](service)).status_code == 200)


@pytest.mark.parametrize("service_on_each", ["sqlite"], indirect=True)
async def test_a_disk_that_is_full_at_any_byte_of_the_record_keeps_the_log_whole(
    service: Service,
) -> None:
    wal = Path(f"{service.settings.database_url.removeprefix('sqlite:///')}-wal")
    before = wal.stat().st_size
    await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
    grown = wal.stat().st_size - before
    refused = stored = 0

    for room in range(0, 2 * grown, grown // 12):
        before = len(service.records())
        with no_write(service, wal.stat().st_size + room):
            response = await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
        refused += (failed := is_unavailable(response))
        stored += not failed
        after = len(service.records())
        again = await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)

        assert after == before + (not failed)
        assert (again.status_code, await status_of(service)) == (200, "UP")

    assert refused >= 6
    assert stored >= 1
    assert_whole(service)


@pytest.mark.parametrize("service_on_each", ["postgresql"], indirect=True)
async def test_an_append_whose_backend_is_killed_lets_nothing_out(
    service_on_each: Service,
) -> None:
    service = service_on_each  # which waits 10 s for a lock: it is the kill that ends the wait
    before = service.records()
    with locked(service), server(service) as (admin, name):
        asked = [asyncio.ensure_future(ask(service)) for ask in OPERATIONS.values()]
        killed = 0

        async def all_killed() -> bool:
            nonlocal killed
            killed += hang_up(admin, name, only_waiting=True)
            return all(each.done() for each in asked)

        await eventually(all_killed)
        responses = [each.result() for each in asked]
        told = await status_of(service)

    assert killed >= 1
    assert all(map(is_unavailable, responses))
    assert told == "DEGRADED"
    assert service.records() == before
    assert (await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)).status_code == 200
    assert (len(service.records()), await status_of(service)) == (len(before) + 1, "UP")


# The signer meets the same


@pytest.mark.parametrize(
    "broken", [*(each for each, _ in CONDITIONS.values()), no_write], ids=[*CONDITIONS, "no write"]
)
async def test_the_signer_goes_on_and_signs_what_it_missed(
    service: Service, broken: Condition
) -> None:
    await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
    first, _, _ = signed(service)

    with broken(service):
        for _ in range(2):
            await sign(service)
        failed = desk_of(service).notary.failed
        told = await status_of(service)
    then, beside, head = signed(service)
    await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
    await sign(service)

    # It signed, where the fault was elsewhere, or it did not and says so.
    assert first.size < head.size
    assert then.size in (first.size, head.size)
    assert then.size == head.size or failed
    assert not failed or told != "UP"
    assert beside in (first, then)
    assert_whole(service)
    assert [each.size for each in signed(service)] == [head.size + 1] * 3
    assert await status_of(service) == "UP"


@pytest.mark.parametrize("broken", [gone, read_only])
async def test_a_running_service_signs_again_without_being_asked(
    service: Service, broken: Condition
) -> None:
    notary = desk_of(service).notary

    async def fails() -> bool:
        return notary.failed and await status_of(service) != "UP"

    async def is_up() -> bool:
        told, _, head = signed(service)
        return told.size == head.size and await status_of(service) == "UP"

    async with service.app.router.lifespan_context(service.app):
        await eventually(is_up)
        await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
        service.clock.forward(seconds=2)
        with broken(service):
            await eventually(fails)
        await eventually(is_up)

        assert_whole(service)


async def test_a_full_disk_leaves_the_old_checkpoint_beside_the_key(service: Service) -> None:
    await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
    assert service.settings.log_key_file
    folder = service.settings.log_key_file.parent
    before = {path.name: path.read_bytes() for path in folder.glob("*log.key*")}

    with no_write(service):
        await sign(service)

    assert {path.name: path.read_bytes() for path in folder.glob("*log.key*")} == before
    assert_whole(service)
    other = service.restart()  # a new process takes what stands there
    await sign(other)
    await other.close()
    assert_whole(service)


def lose_patience(monkeypatch: pytest.MonkeyPatch, seconds: float) -> None:
    for module in (driver, database, access_log, reader):
        monkeypatch.setattr(module, "PATIENCE", seconds)


@contextmanager
def stopped(line: Line) -> Iterator[None]:
    """The backend of a line hangs: its connection stays, and says nothing."""
    channel = line._channel
    assert isinstance(channel, Pipe)
    process = channel._connection.info.backend_pid
    os.kill(process, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(process, signal.SIGCONT)


@pytest.mark.parametrize("service_on_each", ["postgresql"], indirect=True)
@pytest.mark.parametrize("lane", ["reader", "log"])
async def test_a_backend_that_hangs_is_given_up_for_another(
    service_on_each: Service, monkeypatch: pytest.MonkeyPatch, lane: str
) -> None:
    service, ask = service_on_each, OPERATIONS["dossier"]
    await ask(service)
    lose_patience(monkeypatch, 0.3)
    gate = service.app.state.desk.gate

    with stopped(getattr(gate, lane)._line):
        async with asyncio.timeout(20):
            await ask(service)
            await eventually(lambda: is_served(service))

    events = [record["eventId"] for record in service.records()]
    assert len(set(events)) == len(events)


@pytest.mark.parametrize("service_on_each", ["postgresql"], indirect=True)
async def test_nobody_is_read_for_who_has_given_up(
    service_on_each: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, ask = service_on_each, OPERATIONS["dossier"]
    await ask(service)
    gate = service.app.state.desk.gate
    tell_all, read = lookup.tell_all, []

    def count(channel: Channel, asked: Any) -> Any:
        read.append(len(asked))
        return tell_all(channel, asked)

    monkeypatch.setattr(lookup, "tell_all", count)
    for module in (database, access_log, reader):  # the connection itself is not given up yet
        monkeypatch.setattr(module, "PATIENCE", 0.3)

    with stopped(gate.reader._line):
        refused = await asyncio.gather(*(ask(service) for _ in range(20)))
    await eventually(lambda: is_served(service))

    assert {each.status_code for each in refused} == {503}
    assert not gate.reader._waiting
    assert sum(read) <= 1 + 20 + 3  # those of the read that hung, and those of the end
    assert len(read) <= 1 + 3
