"""The hot lane counted: statements, commits and sessions, for one question and for many."""

import asyncio
import random
import re
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx
import pytest
from service import CITY, DOSSIER, FUND, GENK, Service, add_resident, insz_of
from sqlalchemy import event
from sqlmodel import Session

from app import advising, deps, lookup
from app.demo_persons import MEMBER_NOK, RESIDENT_WITH_CERTIFICATE, demo_persons
from app.driver import Channel

PERSONS = [person.insz for person in demo_persons(100)]
DOSSIER_BATCH = {"doeleinde": "lokaalIntegratiebeleid", "referte": "b"}
ADVICE_BATCH = {
    "doeleinde": "zorgbudgetZwaarZorgbehoevenden",
    "referte": "b",
    "toetsdatum": "2026-05-31",
}
# Three questions, or four; then BEGIN, head, register, records, head, details, COMMIT.
READS = {"dossier": 3, "advice": 4}
WRITES = {"dossier": 6, "advice": 7}


@contextmanager
def counted(service: Service) -> Iterator[list[str]]:
    """Every statement of the service, its COMMIT among them."""
    engine = service.app.state.desk.gate.database.engine
    told: list[str] = []

    def hear(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        told.append(" ".join(statement.split()))

    event.listen(engine, "before_cursor_execute", hear)
    try:
        yield told
    finally:
        event.remove(engine, "before_cursor_execute", hear)


def commits(told: list[str]) -> int:
    return sum(statement == "COMMIT" for statement in told)


async def one(service: Service, kind: str) -> int:
    """One question; the status of its answer."""
    if kind == "dossier":
        return (await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)).status_code
    return (await service.advice(FUND, MEMBER_NOK)).status_code


async def many(service: Service, kind: str, count: int) -> int:
    """A batch; the status of its answer."""
    asked = [{"insz": insz.digits, "referte": str(at)} for at, insz in enumerate(PERSONS[:count])]
    organisation, path, body = {
        "dossier": (CITY, "/dossiers/queryBatch", DOSSIER_BATCH),
        "advice": (FUND, "/adviezen/queryBatch", ADVICE_BATCH),
    }[kind]
    return (await service.ask(organisation, path, {**body, "vragen": asked})).status_code


@pytest.mark.parametrize("kind", ["dossier", "advice"])
async def test_one_question_takes_so_many_statements_and_one_commit(
    service_on_each: Service, kind: str
) -> None:
    service = service_on_each
    await one(service, kind)  # connects

    with counted(service) as told:
        status = await one(service, kind)

    assert status == 200
    assert len(told) == READS[kind] + WRITES[kind], told
    assert commits(told) == 1


@pytest.mark.parametrize("kind", ["dossier", "advice"])
async def test_a_batch_takes_as_many_statements_as_one_question(
    service_on_each: Service, kind: str
) -> None:
    service = service_on_each
    await many(service, kind, 1)

    with counted(service) as told:
        status = await many(service, kind, 100)

    assert status == 200
    assert len(service.records()) == 2 + 101
    tiles = [statement for statement in told if "leaf_hash" in statement and "SELECT" in statement]
    assert len(told) - len(tiles) <= READS[kind] + 7, told
    assert commits(told) == 1


@pytest.mark.parametrize("kind", ["dossier", "advice"])
async def test_no_session_is_opened(
    service: Service, kind: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    await one(service, kind)

    def opened(*_: object, **__: object) -> None:
        raise AssertionError("a session on the hot lane")

    with monkeypatch.context() as watched:
        watched.setattr(Session, "__init__", opened)
        status = await one(service, kind)

    assert status == 200


async def test_what_comes_together_shares_its_reads_and_its_commits(
    service_on_each: Service,
) -> None:
    service = service_on_each
    await one(service, "dossier")

    with counted(service) as told:
        asked = [one(service, kind) for _ in range(20) for kind in ("dossier", "advice")]
        statuses = await asyncio.gather(*asked)

    assert statuses == [200] * 40
    assert len(service.records()) == 41
    # Those that came first go first; all others wait for them together.
    assert sum("replaced_number" in statement for statement in told) <= 20
    assert commits(told) <= 20


async def test_the_straight_way_and_the_route_give_the_same(service: Service) -> None:
    straight = await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
    refused = await service.dossier(CITY, insz_of("850730002"))
    service.app.straight = {}  # type: ignore[attr-defined]

    routed = await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
    refused_too = await service.dossier(CITY, insz_of("850730002"))

    for one, other in ((straight, routed), (refused, refused_too)):
        assert one.status_code == other.status_code
        assert one.headers.keys() == other.headers.keys()
        assert one.json().keys() == other.json().keys()
    assert straight.json()["dossier"] == routed.json()["dossier"]


async def test_the_straight_way_is_not_taken_where_the_paths_are_others(service: Service) -> None:
    transport = httpx.ASGITransport(service.app, root_path="/elders")

    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        answer = await client.post("/inburgering/v1/dossiers/query")

    assert answer.status_code == 401  # what a route says of it


async def test_what_breaks_outside_the_checks_is_a_problem_on_each_way(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fails(*_: object) -> None:
        raise RuntimeError("outside")

    monkeypatch.setattr(deps, "headers_of", fails)
    service.client.event_hooks = {}  # it has no correlation id, which the contract promises

    straight = await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
    service.app.straight = {}  # type: ignore[attr-defined]
    routed = await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)

    assert (straight.status_code, straight.text) == (routed.status_code, routed.text)
    assert straight.status_code == 500


@pytest.mark.parametrize("module", [lookup, advising])
async def test_what_breaks_over_one_question_spoils_no_other_that_is_read_with_it(
    service: Service, monkeypatch: pytest.MonkeyPatch, module: Any
) -> None:
    told = module._told
    organisation, question = {
        lookup: (CITY, service.dossier),
        advising: (FUND, service.advice),
    }[module]
    broken = MEMBER_NOK

    def fails(asked: Any, *more: Any) -> Any:
        if asked.insz == broken:
            raise RuntimeError(asked.insz.digits)
        return told(asked, *more)

    monkeypatch.setattr(module, "_told", fails)

    answers = await asyncio.gather(
        *(question(organisation, each) for each in (broken, RESIDENT_WITH_CERTIFICATE, broken))
    )

    assert [answer.status_code for answer in answers] == [500, 200, 500]
    assert not any(broken.digits in answer.text for answer in (answers[0], answers[2]))
    assert sorted(record["outcome"] for record in service.records()) == [
        "allowed",
        "error",
        "error",
    ]


async def test_a_read_that_fails_is_made_for_each_request_apart(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell_all = lookup.tell_all

    def fails(channel: Channel, asked: Any) -> Any:
        if any(each.insz == MEMBER_NOK for each in asked):
            raise LookupError("of one of these")
        return tell_all(channel, asked)

    monkeypatch.setattr(lookup, "tell_all", fails)

    answers = await asyncio.gather(
        *(service.dossier(CITY, each) for each in (RESIDENT_WITH_CERTIFICATE, MEMBER_NOK) * 3)
    )

    assert [answer.status_code for answer in answers] == [200, 500] * 3
    assert len(service.records()) == 6


async def test_in_a_batch_too_what_breaks_over_one_person_is_hers_alone(
    service_on_each: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, tell_all = service_on_each, lookup.tell_all

    def fails(channel: Channel, asked: Any) -> Any:
        if any(each.insz == MEMBER_NOK for each in asked):
            raise LookupError("of one of these")
        return tell_all(channel, asked)

    monkeypatch.setattr(lookup, "tell_all", fails)
    numbers = (RESIDENT_WITH_CERTIFICATE, MEMBER_NOK, RESIDENT_WITH_CERTIFICATE)
    asked = [{"insz": insz.digits, "referte": "x"} for insz in numbers]

    batch = await service.ask(CITY, "/dossiers/queryBatch", {**DOSSIER_BATCH, "vragen": asked})

    assert [item["status"] for item in batch.json()["items"]] == [200, 500, 200]
    assert len(service.records()) == 4


async def test_what_is_asked_together_is_told_as_if_asked_alone(service_on_each: Service) -> None:
    service, chance = service_on_each, random.Random(4)  # noqa: S311 - the same questions each time
    old, new, gone, foreign = (insz_of(f"85073002{n}") for n in (1, 3, 5, 7))
    add_resident(service, new, vorigeInsz=[old.digits], contact={"email": "n@example.org"})
    add_resident(service, gone, geannuleerdOp="2026-01-01")
    add_resident(service, foreign, nis="71016")
    persons = [*PERSONS[:25], old, new, gone, foreign, insz_of("850730099")]
    fields = (None, ["contact"], ["talenkennis"], ["personalia.insz", "contract.ondertekend"])

    def draw() -> Any:
        kind, insz = chance.choice("dddab"), chance.choice(persons)
        if kind == "a":
            day = chance.choice(["2026-05-31", "2025-01-01"])
            fund = chance.choice([FUND, CITY])
            return lambda: service.advice(fund, insz, on=day)
        wanted = {"velden": given} if (given := chance.choice(fields)) else {}
        if kind == "d":
            organisation = chance.choice([CITY, CITY, GENK])
            return lambda: service.dossier(organisation, insz, **wanted)
        asked = [{"insz": each.digits, "referte": "r"} for each in chance.sample(persons, 6)]
        body = {**DOSSIER_BATCH, "vragen": asked, **wanted}
        return lambda: service.ask(CITY, "/dossiers/queryBatch", body)

    questions = [draw() for _ in range(80)]

    alone = [told(await question()) for question in questions]
    together = [told(each) for each in await asyncio.gather(*(ask() for ask in questions))]

    assert together == alone
    assert {status for status, _ in alone} == {200, 403}


def told(answer: httpx.Response) -> tuple[int, str]:
    """An answer without the ids that differ each time."""
    ids = re.compile(r"[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")
    return answer.status_code, ids.sub("", answer.text)


@pytest.mark.parametrize("service_on_each", ["postgresql"], indirect=True)
async def test_a_connection_that_was_lost_meanwhile_is_made_anew(service_on_each: Service) -> None:
    service = service_on_each
    before = [await one(service, kind) for kind in ("dossier", "advice")]
    with service.office.database.writing() as session:
        session.connection().exec_driver_sql(
            "SELECT pg_terminate_backend(pid, 5000) FROM pg_stat_activity "
            "WHERE datname = current_database() AND pid <> pg_backend_pid()"
        )

    after = [await one(service, kind) for kind in ("dossier", "advice")]

    assert before == after == [200, 200]
    assert len(service.records()) == 4


async def test_a_client_that_goes_away_leaves_its_record_and_the_others(service: Service) -> None:
    await one(service, "dossier")
    leaving = asyncio.create_task(one(service, "dossier"))
    staying = [asyncio.create_task(one(service, "dossier")) for _ in range(3)]
    await asyncio.sleep(0)
    leaving.cancel()

    statuses = await asyncio.gather(*staying)

    assert statuses == [200, 200, 200]
    assert len(service.records()) >= 4


async def test_more_questions_than_one_read_takes_are_read_in_turn(service: Service) -> None:
    asked = [{"insz": insz.digits, "referte": "x"} for insz in PERSONS]
    body = {**DOSSIER_BATCH, "vragen": asked}

    answers = await asyncio.gather(
        *(service.ask(CITY, "/dossiers/queryBatch", body, scopes=(DOSSIER,)) for _ in range(5))
    )

    first = [item["status"] for item in answers[0].json()["items"]]
    assert all([item["status"] for item in each.json()["items"]] == first for each in answers)
    assert len(service.records()) == 5 * 101


@pytest.mark.parametrize("change", [lambda told: told[1:], lambda told: [*told, told[0]]])
async def test_an_answer_too_few_or_too_many_goes_to_nobody(
    service: Service, monkeypatch: pytest.MonkeyPatch, change: Any
) -> None:
    """Else somebody would get what is told of another person."""
    tell_all = lookup.tell_all
    monkeypatch.setattr(lookup, "tell_all", lambda *asked: change(tell_all(*asked)))

    answers = await asyncio.gather(*(service.dossier(CITY, each) for each in PERSONS[:4]))

    assert [answer.status_code for answer in answers] == [500] * 4
    assert [record["outcome"] for record in service.records()] == ["error"] * 4


# A few statements find their row by no index: the tables with one row.
ONE_ROW = {"log_head", "register_state"}


@pytest.mark.parametrize("rows", [9, 1000])
async def test_no_statistics_make_sqlite_read_a_whole_table(service: Service, rows: int) -> None:
    """Taken of a table with nine records, they would hold for the millions that come."""
    for kind in ("dossier", "advice"):
        await many(service, kind, 60)
    with counted(service) as told:
        for kind in ("dossier", "advice"):
            assert await many(service, kind, 60) == 200
    tables = {
        name for [name] in query(service, "SELECT name FROM sqlite_schema WHERE type='table'")
    }
    with service.office.database.writing() as session:
        run = session.connection().exec_driver_sql
        run("ANALYZE")
        run("DELETE FROM sqlite_stat1")
        run(
            "INSERT INTO sqlite_stat1 SELECT tbl_name, iif(type = 'index', name, NULL), ? "
            "FROM sqlite_schema WHERE type IN ('index', 'table')",
            (f"{rows} 1 1",),
        )
    await service.close()  # they are read when a connection is opened

    plans = {statement: plan(service, statement) for statement in {*told} - {"COMMIT"}}

    assert len(plans) >= 9
    for statement, steps in plans.items():
        read = {step.split()[1] for step in steps if step.startswith("SCAN")}
        whole = {named(statement, alias) for alias in read} & tables - ONE_ROW
        assert not whole, (statement, steps)


def query(service: Service, statement: str, values: Any = ()) -> list[Any]:
    with service.office.database.reading() as session:
        return list(session.connection().exec_driver_sql(statement, values))


def plan(service: Service, statement: str) -> list[str]:
    """The steps that SQLite takes; it asks for no value that would matter."""
    if statement.startswith("BEGIN"):
        return []
    values = dict.fromkeys(re.findall(r":(\w+)", statement), "[]")
    return [row[3] for row in query(service, f"EXPLAIN QUERY PLAN {statement}", values)]


def named(statement: str, alias: str) -> str:
    """The table that a name in a plan stands for."""
    found = re.search(rf"(?:FROM|JOIN) (\w+) (?:AS )?{alias}\b", statement)
    return found[1] if found else alias


async def test_a_question_that_was_read_alone_is_not_read_again_when_it_fails(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    read: list[int] = []

    def fails(_channel: Channel, asked: Any) -> Any:
        read.append(len(asked))
        raise LookupError

    monkeypatch.setattr(lookup, "tell_all", fails)

    answer = await service.dossier(CITY, MEMBER_NOK)

    assert (answer.status_code, read) == (500, [1])
