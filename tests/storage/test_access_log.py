"""The access log: append-only, gapless, canonical, and no person in it in the clear."""

import asyncio
import hashlib
import json
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import rfc8785
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import event, text
from sqlalchemy.exc import DBAPIError, IntegrityError
from sqlmodel import insert

from app import access_log, database, fields, log_search, protocols
from app.access_log import AccessLog
from app.database import Database
from app.driver import Channel
from app.errors import ClockBehind, LogUnavailable, Outcome, Reason, RegisterChanged
from app.log_search import Search
from app.models.access import AccessRecord
from app.month_keys import MonthKey, MonthKeys
from app.policy import Clause, Operation, Period, Population, PopulationKind
from app.record import (
    CLOCK_TOLERANCE,
    MAXIMUM_RECORD,
    Agreement,
    Allowance,
    Origin,
    RecordType,
    Trace,
    Turn,
    entry_of,
)
from app.tlog.tree import leaf_hash
from app.visit import Visit, new_event_id

NOW = datetime(2026, 6, 1, 9, 30, 0, 125999, tzinfo=UTC)
ORIGIN = Origin("sha256:catalogue", "1.0", "node-1")
KEY = MonthKey(bytes(range(32)))
PERSON, USER, FACT = "90722501478", "ambtenaar-7", "resident 71016 since 2015-03-26"
HASH = "sha256:" + "0" * 64


def visit(**own: Any) -> Visit:
    """A visit with an id of its own."""
    given: dict[str, Any] = {
        "operation": "queryDossier",
        "route": "/dossiers/query",
        "started_at": NOW,
        "correlation_id": "c0ffee00-0000-4000-8000-000000000000",
        "event_id": new_event_id(NOW),
        "trace_id": "1" * 32,
        "span_id": "2" * 16,
        "organisation": "nis:71016",
    }
    return Visit(**{**given, **own})


FULL_VISIT = visit(
    event_id="019e8291-c1fd-7000-8000-000000000000",
    organisation="zorgkas-voorbeeld",
    client="client-1",
    credential="sha256:" + "a" * 64,
    system="zorgkas-voorbeeld",
    user=USER,
    function_profile="trajectondersteuner",
    reference="ref-1",
    parameters=("datum",),
)
FULL_TRACE = Trace(
    status=200,
    agreement=Agreement("avsb-2021", "1", HASH, "0881629733", (("gemachtigden", HASH),)),
    purpose="zorgbudgetZwaarZorgbehoevenden",
    reason_reference="controle 7",
    requested=("personalia.insz", "contact.email", "personalia.insz"),
    delivered=("contact.email",),
    as_of=date(2022, 1, 1),
    counts={"records": 3},
    rule_set={"id": "ibp", "versie": "1"},
    subject=PERSON,
    subject_basis="resident",
    subject_fact=FACT,
    answer=b'{"advice":"OK"}',
    detail={"code": "O20", "situatie": "vrijgesteld"},
)


@pytest.fixture
def keys(tmp_path: Path) -> MonthKeys:
    """The keys of this month and the next."""
    made = MonthKeys(tmp_path / "month-keys")
    made.create(NOW, months=2)
    return made


@pytest.fixture
def log(store: Database, keys: MonthKeys) -> AccessLog:
    """The one writer on an empty log."""
    return AccessLog(store, keys, ORIGIN)


async def append(log: AccessLog, *visits: Visit, trace: Trace = Trace()) -> list[int]:  # noqa: B008
    """Append all at once; the index of each."""
    async with asyncio.timeout(30):
        return list(await asyncio.gather(*(log.append(each, trace, NOW, None) for each in visits)))


async def outcomes(log: AccessLog, *visits: Visit, version: int | None = None) -> list[str]:
    """Append all at once; `stored`, or the name of what was raised, for each."""
    appends = (log.append(each, Trace(), NOW, version) for each in visits)
    async with asyncio.timeout(30):  # an append that nobody answers is a failure too
        results = await asyncio.gather(*appends, return_exceptions=True)
    return ["stored" if isinstance(each, int) else type(each).__name__ for each in results]


def url_of(store: Database) -> str:
    """Where another process finds the same database."""
    return store.engine.url.render_as_string(hide_password=False)


def column(store: Database, name: str, table: str = "access_record") -> list[Any]:
    """Every value of a column, by index or id."""
    order = {"access_record": "log_index", "access_detail": "event_id", "log_head": "id"}[table]
    with store.reading() as session:
        return list(
            session.connection()
            .exec_driver_sql(f"SELECT {name} FROM {table} ORDER BY {order}")  # noqa: S608
            .scalars()
        )


def everything(store: Database) -> list[list[tuple[Any, ...]]]:
    """Every column of the records, of the details and of the head."""
    with store.reading() as session:
        connection = session.connection()
        return [
            [tuple(row) for row in connection.exec_driver_sql(f"SELECT * FROM {table}")]  # noqa: S608
            for table in ("access_record", "access_detail", "log_head")
        ]


def execute(store: Database, statement: str) -> None:
    """Change something behind the back of the service."""
    with store.writing() as session:
        session.connection().execute(text(statement))


def refuse(store: Database, condition: str) -> Callable[[], None]:
    """Let the database refuse the records for which `condition` holds, until called back."""
    if store.engine.dialect.name == "sqlite":
        execute(
            store,
            f"CREATE TRIGGER refused BEFORE INSERT ON access_record WHEN {condition} "
            "BEGIN SELECT RAISE(ABORT, 'refused'); END",
        )
        return lambda: execute(store, "DROP TRIGGER refused")
    rule = condition.replace("NEW.", "")
    execute(store, f"ALTER TABLE access_record ADD CONSTRAINT refused CHECK (NOT ({rule}))")
    return lambda: execute(store, "ALTER TABLE access_record DROP CONSTRAINT refused")


@contextmanager
def counted(store: Database, name: str) -> Iterator[list[None]]:
    """Count `begin` or `commit` of every connection."""
    seen: list[None] = []

    def note(_connection: object) -> None:
        seen.append(None)

    def hear(_connection: object, _cursor: object, statement: str, *_more: object) -> None:
        """The writer is on a connection of its own and says so itself."""
        if statement.lower().startswith(name):
            seen.append(None)

    listeners = ((name, note), ("before_cursor_execute", hear))
    for event_name, listener in listeners:
        event.listen(store.engine, event_name, listener, insert=True)  # before what may fail
    try:
        yield seen
    finally:
        for event_name, listener in listeners:
            event.remove(store.engine, event_name, listener)


@contextmanager
def locked(store: Database) -> Iterator[None]:
    """Another writer that has the head and does not let go."""
    with store.writing() as session:
        session.connection().execute(text("UPDATE log_head SET size = size"))
        yield


# What a record holds


def test_a_record_is_what_the_design_says_it_is() -> None:
    entry = entry_of(FULL_VISIT, FULL_TRACE, KEY, ORIGIN, NOW + timedelta(seconds=1), 1)

    assert json.loads(entry.columns["record"]) == {
        "v": 1,
        "type": "access",
        "eventId": FULL_VISIT.event_id,
        "startedAt": "2026-06-01T09:30:00.125Z",
        "recordedAt": "2026-06-01T09:30:01.125Z",
        "traceId": "1" * 32,
        "spanId": "2" * 16,
        "correlationId": "c0ffee00-0000-4000-8000-000000000000",
        "reference": "ref-1",
        "organisation": "zorgkas-voorbeeld",
        "onBehalfOf": "0881629733",
        "client": "client-1",
        "credential": "sha256:" + "a" * 64,
        "system": "zorgkas-voorbeeld",
        "user": KEY.hide("user", USER),
        "functionProfile": "trajectondersteuner",
        "protocol": "avsb-2021",
        "protocolVersion": "1",
        "protocolHash": HASH,
        "listHashes": {"gemachtigden": HASH},
        "purpose": "zorgbudgetZwaarZorgbehoevenden",
        "reasonReference": "controle 7",
        "operation": "queryDossier",
        "route": "/dossiers/query",
        "parameters": ["datum"],
        "requestedFields": ["contact.email", "personalia.insz"],
        "asOf": "2022-01-01",
        "outcome": "allowed",
        "status": 200,
        "deliveredFields": ["contact.email"],
        "counts": {"records": 3},
        "responseDigest": KEY.digest(FULL_VISIT.event_id, b'{"advice":"OK"}'),
        "ruleSet": {"id": "ibp", "versie": "1"},
        "detailDigest": KEY.digest(
            f"{FULL_VISIT.event_id}/detail", b'{"code":"O20","situatie":"vrijgesteld"}'
        ),
        "subject": KEY.hide("subject", PERSON),
        "subjectBasis": "resident",
        "subjectFact": KEY.hide("fact", FACT),
        "catalogueHash": "sha256:catalogue",
        "serviceVersion": "1.0",
        "node": "node-1",
    }


def test_what_has_no_value_is_not_in_the_record() -> None:
    refused = Trace(Outcome.DENIED, 401, Reason.UNAUTHENTICATED, counts={"requests": 0})
    stranger = visit(organisation=None, correlation_id="", trace_id="", span_id="")

    record = json.loads(entry_of(stranger, refused, KEY, ORIGIN, NOW, None).columns["record"])

    assert record.keys() == {
        *("v", "type", "eventId", "startedAt", "recordedAt", "operation", "route", "outcome"),
        *("status", "reasonCode", "counts", "catalogueHash", "serviceVersion", "node"),
    }
    assert record["counts"] == {"requests": 0}


texts = st.text(st.characters(exclude_categories=["Cs"]), max_size=20)


@given(texts, texts, st.lists(texts), st.integers(0, 599), st.integers(0, 2**53 - 1))
def test_a_record_has_the_bytes_of_rfc_8785(
    name: str, reference: str, requested: list[str], status: int, count: int
) -> None:
    from_outside = replace(FULL_VISIT, organisation=name, reference=reference, user=name)
    trace = replace(
        FULL_TRACE, status=status, requested=requested, counts={"n": count}, detail={"code": name}
    )

    entry = entry_of(from_outside, trace, KEY, ORIGIN, NOW, None)

    record: bytes = entry.columns["record"]
    assert record == rfc8785.dumps(json.loads(record))
    assert entry.columns["leaf_hash"] == hashlib.sha256(b"\x00" + record).digest()


def test_a_record_takes_65535_bytes_and_no_more() -> None:
    def size(padding: int) -> int:
        trace = Trace(reason_reference="x" * padding)
        return len(entry_of(visit(), trace, KEY, ORIGIN, NOW, None).columns["record"])

    room = MAXIMUM_RECORD - size(1)

    assert size(1 + room) == 65_535
    with pytest.raises(LogUnavailable):
        size(2 + room)


def test_a_record_of_every_field_fits() -> None:
    everything = replace(FULL_TRACE, requested=fields.CATALOGUE, delivered=fields.CATALOGUE)

    entry = entry_of(FULL_VISIT, everything, KEY, ORIGIN, NOW, None)

    assert len(entry.columns["record"]) < MAXIMUM_RECORD


async def test_a_record_that_is_too_large_is_refused_and_the_next_is_not(log: AccessLog) -> None:
    with pytest.raises(LogUnavailable):
        await append(log, visit(), trace=Trace(reason_reference="x" * 65_536))

    assert await append(log, visit()) == [0]


async def test_the_longest_texts_that_may_come_in_fit_their_columns(
    log: AccessLog, store: Database
) -> None:
    longest = visit(
        organisation="o" * 255,
        client="c" * 255,
        system="o" * 100,
        user="é" * 100,
        function_profile="é" * 100,
        reference="é" * 36,
    )

    trace = replace(FULL_TRACE, outcome=Outcome.NOT_FOUND, reason=Reason.LEGAL_GROUND_ENDED)
    await append(log, longest, trace=replace(trace, requested=fields.CATALOGUE))

    assert column(store, "organisation") == ["o" * 255]


async def test_no_column_holds_the_person_the_user_or_the_fact(
    log: AccessLog, store: Database
) -> None:
    await append(log, FULL_VISIT, trace=FULL_TRACE)

    [records, details, _] = everything(store)
    held = b" ".join(
        value if isinstance(value, bytes) else str(value).encode()
        for row in (*records, *details)
        for value in row
    )
    assert (len(records), len(details)) == (1, 1)
    for secret in (PERSON, USER, FACT, "71016 since", '"advice"'):
        assert secret.encode() not in held


async def test_the_detail_stands_beside_the_record_and_its_digest_inside(
    log: AccessLog, store: Database, keys: MonthKeys
) -> None:
    await append(log, FULL_VISIT, visit(), trace=FULL_TRACE)

    with store.reading() as session:
        kept = log_search.find(session, FULL_VISIT.event_id)
    assert kept is not None
    assert kept.detail == FULL_TRACE.detail
    assert "O20" not in json.dumps(kept.record)
    assert kept.record["detailDigest"] == keys.at(NOW).digest(
        f"{FULL_VISIT.event_id}/detail", rfc8785.dumps(dict(FULL_TRACE.detail or {}))
    )


def test_an_unknown_id_finds_nothing(store: Database) -> None:
    with store.reading() as session:
        assert log_search.find(session, "019e8291-c1fd-7000-8000-000000000001") is None


def test_the_agreement_is_that_of_the_clause() -> None:
    clause = Clause(
        protocol="avsb-2021",
        version="1",
        hash=HASH,
        organisation="zorgkas-voorbeeld",
        purpose="zorgbudget",
        operations=frozenset({Operation.QUERY_ADVIES}),
        fields=frozenset(),
        population=Population(PopulationKind.ANY),
        valid=Period(),
        on_behalf_of="0881629733",
        lists=(("gemachtigden", HASH),),
    )

    expected = Agreement("avsb-2021", "1", HASH, "0881629733", (("gemachtigden", HASH),))
    assert Agreement.of(clause) == expected
    assert Agreement.of(None) is None


def test_an_event_id_is_a_uuid_of_version_7_and_in_the_order_of_time() -> None:
    moments = [NOW + timedelta(milliseconds=step) for step in range(50)]

    ids = [new_event_id(moment) for moment in moments]

    assert ids == sorted(ids)
    for id_, moment in zip(ids, moments, strict=True):
        parsed = uuid.UUID(id_)
        assert (parsed.version, parsed.variant) == (7, uuid.RFC_4122)
        assert parsed.int >> 80 == int(moment.timestamp() * 1000)
    assert len({new_event_id(NOW) for _ in range(1000)}) == 1000


# The table takes nothing but new records


CHANGES = (
    "UPDATE access_record SET outcome = 'denied'",
    "UPDATE access_record SET record = record WHERE log_index = 0",
    "UPDATE access_record SET log_index = 7 WHERE log_index = 0",
    "DELETE FROM access_record",
    "DELETE FROM access_record WHERE log_index = 0",
    "UPDATE access_detail SET detail = '{}'",
    "DELETE FROM access_detail",
    "UPDATE log_head SET size = size - 1",
    "UPDATE log_head SET minimum = minimum - 1",
    "DELETE FROM log_head",
)
COLUMNS = (
    "record, leaf_hash, recorded_at, type, outcome, organisation, protocol, purpose, "
    "function_profile, reason_code, reference, subject, user_token, fields FROM access_record"
)
CHANGES_OF = {
    "sqlite": (
        f"REPLACE INTO access_record SELECT 0, 'another', {COLUMNS}",
        f"REPLACE INTO access_record SELECT 7, event_id, {COLUMNS}",
        "REPLACE INTO access_detail SELECT event_id, '{}' FROM access_detail",
        "REPLACE INTO log_head (id, size, minimum) VALUES (1, 0, 0)",
    ),
    "postgresql": (
        "TRUNCATE access_record CASCADE",
        "TRUNCATE access_detail",
        "TRUNCATE log_head",
        "INSERT INTO log_head (id, size, minimum) VALUES (1, 0, 0) "
        "ON CONFLICT (id) DO UPDATE SET size = 0",
    ),
}


async def test_the_log_takes_no_change(log: AccessLog, store: Database) -> None:
    await append(log, FULL_VISIT, trace=FULL_TRACE)
    before = everything(store)

    for statement in (*CHANGES, *CHANGES_OF[store.engine.dialect.name]):
        with pytest.raises(DBAPIError, match="is append-only"):
            execute(store, statement)

        assert everything(store) == before, statement


async def test_what_lies_below_the_minimum_can_go_and_its_index_never_returns(
    log: AccessLog, store: Database
) -> None:
    for _ in range(3):
        await append(log, visit(), trace=FULL_TRACE)
    execute(store, "UPDATE log_head SET minimum = 2")

    execute(
        store,
        "DELETE FROM access_detail WHERE event_id IN "
        "(SELECT event_id FROM access_record WHERE log_index < 2)",
    )
    execute(store, "DELETE FROM access_record WHERE log_index < 2")

    for table in ("access_detail", "access_record"):
        with pytest.raises(DBAPIError, match="is append-only"):
            execute(store, f"DELETE FROM {table}")  # noqa: S608
    assert await append(log, visit()) == [3]
    assert column(store, "log_index") == [2, 3]


# Appending


async def test_concurrent_appends_have_each_an_index_of_their_own_without_gaps(
    log: AccessLog, store: Database
) -> None:
    visits = [visit() for _ in range(200)]

    indexes = await append(log, *visits)

    assert sorted(indexes) == list(range(200))
    assert column(store, "size", "log_head") == [200]
    by_index = dict(zip(indexes, [each.event_id for each in visits], strict=True))
    assert column(store, "event_id") == [by_index[index] for index in range(200)]


async def test_two_processes_on_one_database_share_one_row_of_indexes(
    log: AccessLog, store: Database, keys: MonthKeys
) -> None:
    other_store = Database(url_of(store))
    other = AccessLog(other_store, keys, ORIGIN)

    async def busy(one: AccessLog) -> list[int]:
        return [index for _ in range(10) for index in await append(one, visit(), visit())]

    indexes = await asyncio.gather(busy(log), busy(other))

    other_store.dispose()
    assert sorted([*indexes[0], *indexes[1]]) == list(range(40))
    assert column(store, "log_index") == list(range(40))


async def test_appends_that_come_together_share_a_commit(log: AccessLog, store: Database) -> None:
    with counted(store, "commit") as commits:
        indexes = await append(log, *(visit() for _ in range(100)))

    assert len(set(indexes)) == 100
    assert 1 <= len(commits) < 10


async def test_what_arrives_during_a_commit_shares_the_next_one(
    log: AccessLog, store: Database
) -> None:
    with counted(store, "commit") as commits:
        with locked(store):
            appends = [asyncio.create_task(append(log, visit()))]
            while log._waiting or log._writer is None:  # until the first batch is on its way
                await asyncio.sleep(0)
            appends.append(asyncio.create_task(append(log, *(visit() for _ in range(20)))))
            while len(log._waiting) < 20:
                await asyncio.sleep(0)
        [first, following] = await asyncio.gather(*appends)

    assert (first, following) == ([0], list(range(1, 21)))
    assert len(commits) == 3  # the other writer, the first append, the twenty together


async def test_a_record_is_there_when_the_append_returns(log: AccessLog, store: Database) -> None:
    [index] = await append(log, visit(reference="ref-9"))

    another_process = Database(url_of(store))
    with another_process.reading() as session:
        [found] = log_search.search(session, Search(reference="ref-9")).records
    another_process.dispose()
    assert found[0] == index


async def test_the_same_event_is_recorded_once(log: AccessLog, store: Database) -> None:
    once = visit()

    together = await append(log, visit(), once, once)
    again = await append(log, once)

    assert together[1] == together[2] == again[0]
    assert column(store, "log_index") == [0, 1]


async def test_a_record_that_the_database_refuses_fails_alone(
    log: AccessLog, store: Database
) -> None:
    refuse(store, "NEW.organisation = 'geweigerd'")

    results = await outcomes(
        log, visit(), visit(organisation="geweigerd"), visit(), visit(organisation="geweigerd")
    )

    assert results == ["stored", "LogUnavailable", "stored", "LogUnavailable"]
    assert column(store, "log_index") == [0, 1]
    assert column(store, "organisation") == ["nis:71016", "nis:71016"]


async def test_a_log_that_cannot_be_written_recovers_by_itself(
    log: AccessLog, store: Database
) -> None:
    allow = refuse(store, "NEW.log_index >= 0")

    failed = await outcomes(log, visit(), visit())
    health_meanwhile = log.failed
    allow()
    stored = await outcomes(log, visit(), visit())

    assert (failed, health_meanwhile) == (["LogUnavailable"] * 2, True)
    assert (stored, log.failed) == (["stored"] * 2, False)
    assert column(store, "log_index") == [0, 1]


async def test_a_detail_that_cannot_be_stored_takes_its_record_back(
    log: AccessLog, store: Database
) -> None:
    execute(store, "ALTER TABLE access_detail RENAME TO elsewhere")

    with pytest.raises(LogUnavailable):
        await append(log, visit(), trace=FULL_TRACE)

    assert column(store, "size", "log_head") == [0]
    assert column(store, "log_index") == []


async def test_an_append_that_does_not_get_the_lock_fails_and_the_next_does_not(
    database_url: str, keys: MonthKeys, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(database, "LOCK_TIMEOUT", 100)
    database.upgrade(database_url)
    store = Database(database_url)
    log = AccessLog(store, keys, ORIGIN)

    with locked(store), counted(store, "begin") as tries:
        failed = await outcomes(log, *(visit() for _ in range(20)))
    stored = await outcomes(log, visit())

    store.dispose()
    assert failed == ["LogUnavailable"] * 20
    # One wait for the lock and one look whether the records are there after all, for all twenty.
    assert len(tries) <= 3
    assert stored == ["stored"]


@pytest.mark.parametrize("count", [1, 3])
async def test_a_commit_whose_confirmation_was_lost_is_looked_up(
    log: AccessLog, store: Database, monkeypatch: pytest.MonkeyPatch, count: int
) -> None:
    commit, lost = Channel.commit, iter([True])
    error = store.engine.dialect.loaded_dbapi.OperationalError

    def commit_and_lose(channel: Channel) -> None:
        commit(channel)
        if next(lost, False):
            raise error("connection lost")

    monkeypatch.setattr(Channel, "commit", commit_and_lose)

    indexes = await append(log, *(visit() for _ in range(count)))

    assert indexes == column(store, "log_index") == list(range(count))


async def test_a_failure_that_nobody_foresaw_reaches_every_waiter(
    log: AccessLog, store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise MemoryError

    with monkeypatch.context() as broken:
        broken.setattr(access_log, "write", fails)
        failed = await outcomes(log, visit(), visit())

    assert failed == ["LogUnavailable"] * 2
    assert await outcomes(log, visit()) == ["stored"]


@pytest.mark.parametrize("state", ["missing", "unreadable", "corrupt"])
async def test_without_the_key_of_the_month_nothing_is_recorded(
    store: Database, tmp_path: Path, state: str
) -> None:
    keys = MonthKeys(tmp_path / "other-keys")
    path = tmp_path / "other-keys" / "2026-06.key"
    path.parent.mkdir()
    if state == "unreadable":
        path.mkdir()
    if state == "corrupt":
        path.write_text("00" * 31)
    log = AccessLog(store, keys, ORIGIN)

    with pytest.raises(LogUnavailable):
        await append(log, visit())
    assert log.failed
    if path.is_dir():
        path.rmdir()
    path.write_text("00" * 32)

    assert await append(log, visit()) == [0]
    assert not log.failed


async def test_a_client_that_goes_away_does_not_take_its_record_along(
    log: AccessLog, store: Database
) -> None:
    first, second = visit(), visit()

    with locked(store):
        waiters = [asyncio.create_task(append(log, each)) for each in (first, second)]
        while log._waiting or log._writer is None:
            await asyncio.sleep(0)
        waiters[0].cancel()
        with pytest.raises(asyncio.CancelledError):
            await waiters[0]

    assert await waiters[1] == [1]
    assert column(store, "event_id") == [first.event_id, second.event_id]


# The register that decided


async def test_a_decision_under_an_older_register_is_not_recorded(
    log: AccessLog, store: Database
) -> None:
    with store.writing() as session:
        protocols.bump(session)

    with pytest.raises(RegisterChanged):
        await log.append(visit(), Trace(), NOW, 0)

    assert column(store, "log_index") == []
    assert await log.append(visit(), Trace(), NOW, 1) == 0
    assert await log.append(visit(), Trace(), NOW, None) == 1


async def test_a_moved_register_stops_only_what_it_decided(log: AccessLog, store: Database) -> None:
    versions = [0, 1, None, 0]

    results = await asyncio.gather(
        *(log.append(visit(), Trace(), NOW, version) for version in versions),
        return_exceptions=True,
    )

    assert [each for each in results if isinstance(each, int)] == [0, 1, 2]
    assert isinstance(results[1], RegisterChanged)
    assert column(store, "size", "log_head") == [3]


# SQLite has one writer: there the whole change comes before the append or after it.
@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
async def test_a_register_that_moves_while_an_append_waits_is_seen(
    log: AccessLog, store: Database
) -> None:
    with locked(store):
        waiting = asyncio.create_task(log.append(visit(), Trace(), NOW, 0))
        while not waits_for_lock(store):
            await asyncio.sleep(0.01)
        execute(store, "UPDATE register_state SET version = 1")

    with pytest.raises(RegisterChanged):
        await waiting


def waits_for_lock(store: Database) -> bool:
    """Whether some connection of this database waits for a lock of another."""
    with store.reading() as session:
        waiting = session.connection().exec_driver_sql(
            "SELECT count(*) FROM pg_stat_activity "
            "WHERE wait_event_type = 'Lock' AND datname = current_database()"
        )
        return bool(waiting.scalar_one())


# Finding


async def test_a_search_shows_the_newest_first_and_goes_on_where_it_stopped(
    log: AccessLog, store: Database
) -> None:
    await append(log, *(visit() for _ in range(5)))
    with store.reading() as session:
        page = log_search.search(session, Search(limit=2))
    await append(log, visit())

    with store.reading() as session:
        following = log_search.search(session, Search(limit=2, before=page.records[-1][0]))
        last = log_search.search(session, Search(limit=2, before=1))
        nothing = log_search.search(session, Search(limit=2, before=0))

    assert ([index for index, _ in page.records], page.more, page.size) == ([4, 3], True, 5)
    assert ([index for index, _ in following.records], following.more) == ([2, 1], True)
    assert ([index for index, _ in last.records], last.more) == ([0], False)
    assert (nothing.records, nothing.more) == ([], False)


async def test_a_person_is_found_under_the_key_of_the_month_until_that_key_is_destroyed(
    log: AccessLog, store: Database, keys: MonthKeys, tmp_path: Path
) -> None:
    july = NOW + timedelta(days=31)
    await log.append(visit(), FULL_TRACE, NOW, None)
    await log.append(visit(started_at=july), FULL_TRACE, july, None)

    def found(*subjects: str) -> list[int]:
        with store.reading() as session:
            records = log_search.search(session, Search(subjects=subjects)).records
            return [index for index, _ in records]

    assert found(*(key.hide("subject", PERSON) for key in keys.kept())) == [1, 0]
    assert found(keys.at(july).hide("subject", PERSON)) == [1]
    assert found(keys.at(NOW).hide("user", PERSON)) == []
    assert found() == []

    (tmp_path / "month-keys" / "2026-06.key").unlink()

    assert found(*(key.hide("subject", PERSON) for key in keys.kept())) == [1]


def test_an_administrative_record_stands_or_falls_with_its_act(
    store: Database, keys: MonthKeys
) -> None:
    agreed = Agreement("avsb-2021", "1", HASH, lists=(("gemachtigden", HASH),))
    day = date(2026, 5, 31)
    trace = Trace(
        type=RecordType.ADMIN,
        agreement=agreed,
        as_of=day,
        reason_reference="suspended: klacht 3",
    )

    def act_and_break() -> None:
        with store.writing() as session:
            access_log.write_command(session, keys, ORIGIN, "protocolLoad", trace, NOW)
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        act_and_break()
    with store.writing() as session:
        access_log.write_command(session, keys, ORIGIN, "protocolSuspend", trace, NOW, USER)

    [record] = [json.loads(bytes(each)) for each in column(store, "record")]
    expected = {
        "type": RecordType.ADMIN.value,
        "operation": "protocolSuspend",
        "route": "cli",
        "protocol": "avsb-2021",
        "protocolVersion": "1",
        "protocolHash": HASH,
        "listHashes": {"gemachtigden": HASH},
        "asOf": "2026-05-31",
        "reasonReference": "suspended: klacht 3",
        "user": keys.at(NOW).hide("user", USER),
        "outcome": "allowed",
        "system": "protocolpoort",
    }
    assert {name: record.get(name) for name in expected} == expected


def test_an_act_of_a_clock_that_lags_does_not_stand(store: Database, keys: MonthKeys) -> None:
    earlier = NOW - CLOCK_TOLERANCE - timedelta(milliseconds=1)
    with store.writing() as session:
        access_log.write_command(session, keys, ORIGIN, "protocolLoad", Trace(), NOW)

    def act(moment: datetime) -> None:
        with store.writing() as session:
            protocols.bump(session)
            access_log.write_command(session, keys, ORIGIN, "protocolSuspend", Trace(), moment)

    with pytest.raises(ClockBehind):
        act(earlier)
    act(NOW - CLOCK_TOLERANCE)

    assert len(column(store, "record")) == 2
    with store.reading() as session:
        assert protocols.read_version(session) == 1
        assert access_log.newest_moment(session) == NOW.replace(microsecond=125_000)


def test_two_records_cannot_have_one_index(store: Database) -> None:
    [one, other] = [entry_of(visit(), Trace(), KEY, ORIGIN, NOW, None) for _ in range(2)]
    with store.writing() as session:
        access_log.write(session, [one])

    with pytest.raises(IntegrityError), store.writing() as session:
        session.execute(insert(AccessRecord), [{**other.columns, "log_index": 0}])


async def test_a_record_that_cannot_be_made_fails_alone(log: AccessLog, store: Database) -> None:
    results = await outcomes(log, visit(), visit(reference="\ud800"), visit())
    traces = (Trace(), Trace(detail={"n": 2**70}), Trace())
    appends = (log.append(visit(), trace, NOW, None) for trace in traces)
    more = await asyncio.gather(*appends, return_exceptions=True)

    assert results == ["stored", "LogUnavailable", "stored"]
    assert [type(each) for each in more] == [int, LogUnavailable, int]
    assert column(store, "log_index") == [0, 1, 2, 3]


async def test_a_record_that_its_turn_makes_too_large_fails_alone_and_takes_none(
    log: AccessLog, store: Database
) -> None:
    turn = Turn("p", "d", "nis:71016", "queryDossier", date(2026, 1, 1))
    allowance, one = Allowance(turn, date(2026, 1, 1), 10), visit()

    def trace(length: int) -> Trace:
        return Trace(allowance=allowance, reason_reference="x" * length)

    short = entry_of(one, trace(1), KEY, ORIGIN, NOW, None).columns["record"]
    large = trace(MAXIMUM_RECORD - len(short) + 1)
    cases = ((visit(), Trace()), (one, large), (visit(), Trace()))
    async with asyncio.timeout(30):
        results = await asyncio.gather(
            *(log.append(each, given, NOW, None) for each, given in cases), return_exceptions=True
        )

    assert [type(each) for each in results] == [int, LogUnavailable, int]
    with store.reading() as session:
        assert access_log.used(session, allowance) == 0


async def test_every_column_of_a_shared_commit_is_that_of_its_record(
    log: AccessLog, store: Database
) -> None:
    """What is not in a record is in no column of it either, in the last row as in the first."""
    names = {
        "event_id": "eventId",
        "type": "type",
        "outcome": "outcome",
        "organisation": "organisation",
        "protocol": "protocol",
        "purpose": "purpose",
        "function_profile": "functionProfile",
        "reason_code": "reasonCode",
        "reference": "reference",
        "subject": "subject",
        "user_token": "user",
    }
    full, bare = (visit(user=USER, reference="r"), FULL_TRACE), (visit(organisation=None), Trace())
    refused = (visit(), Trace(reason=Reason.POPULATION, purpose='é, "x"'))
    for order in ((full, bare, refused), (bare, refused, full), (refused, full, bare)):
        # The first goes alone, and the others wait for it together.
        cases = [
            (replace(each, event_id=new_event_id(NOW)), trace) for each, trace in (bare, *order)
        ]
        async with asyncio.timeout(30):
            await asyncio.gather(*(log.append(each, trace, NOW, None) for each, trace in cases))

    told = [json.loads(bytes(record)) for record in column(store, "record")]
    assert len(told) == 12
    for name, key in names.items():
        assert column(store, name) == [record.get(key) for record in told], name
    assert [bytes(each) for each in column(store, "leaf_hash")] == [
        leaf_hash(bytes(record)) for record in column(store, "record")
    ]
