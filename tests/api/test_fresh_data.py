"""Advices and the age of what they rest on: old data give no NOK, and say nobody is not obliged."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from service import (
    AVSB,
    FUND,
    NOW,
    Service,
    add_person,
    execute,
    insz_of,
    make_service,
    person_with,
)

from app import access_log, advising, dossiers, own_advice
from app.demo_persons import MEMBER_NOK, RESIDENT_WITH_CERTIFICATE
from app.dossiers import NO_DOSSIER
from app.gate import Told
from app.insz import Insz
from app.moments import read_moment, rfc3339

UNKNOWN, OTHER, OLD_NUMBER = (insz_of(f"85073000{serial}") for serial in (1, 2, 3))
MAXIMUM, TICK, DAY = timedelta(days=35), timedelta(milliseconds=1), timedelta(days=1)
CERTIFIED, MEMBER = person_with("O10"), {"organisatie": FUND, "van": "2020-01-01", "tot": None}


async def outcome(service: Service, insz: Insz, organisation: str = AVSB) -> object:
    """OK or NOK, or the status of what is none."""
    response = await service.advice(organisation, insz)
    return response.json().get("advice", response.status_code)


async def outcomes(service: Service, insz: Insz, *ages: timedelta) -> list[object]:
    """The answer when what was imported at the begin is that old."""
    service.office.keys.create(NOW, months=6)
    found = []
    for age in ages:
        service.clock.now = NOW + age
        found.append(await outcome(service, insz))
    return found


def fail(service: Service, insz: Insz, code: str, at: datetime = NOW) -> None:
    """Import an answer of the source that is an exception."""
    with service.office.database.writing() as session:
        learned = access_log.learn(session, service.clock.now)
        dossiers.store_fault(session, insz, code, at, learned)


def keep(service: Service, insz: Insz, blocks: Any, at: datetime = NOW) -> datetime:
    """Import a dossier; the moment at which it was learned."""
    with service.office.database.writing() as session:
        learned = access_log.learn(session, service.clock.now)
        dossiers.store(session, insz, blocks, at, learned)
    return learned


def deliver(service: Service, at: datetime) -> None:
    """Declare a delivery complete."""
    with service.office.database.writing() as session:
        dossiers.declare_complete(session, at, access_log.learn(session, service.clock.now))


def never_delivered(service: Service) -> None:
    """As if no delivery had ever been declared complete."""
    execute(service, "DELETE FROM complete_delivery")


def explanations(service: Service) -> list[dict[str, Any]]:
    """Those in the side table, in the order of the log."""
    with service.office.database.reading() as session:
        rows = session.connection().exec_driver_sql(
            "SELECT detail FROM access_detail JOIN access_record USING (event_id)"
            " ORDER BY log_index"
        )
        found = [row[0] for row in rows]
    return [each if isinstance(each, dict) else json.loads(each) for each in found]


# How old a dossier may be


async def test_a_nok_rests_on_a_dossier_of_35_days_to_the_millisecond(
    service_on_each: Service,
) -> None:
    told = await outcomes(service_on_each, MEMBER_NOK, MAXIMUM, MAXIMUM + TICK)

    assert told == ["NOK", 409]
    first, second = explanations(service_on_each)
    assert (first["code"], first["dossierVan"]) == ("N23", "2026-06-01T09:30:00.000Z")
    assert (second["code"], second["volgensTabel"]["code"]) == ("T01", "N23")


async def test_a_certificate_is_one_however_long_ago_it_was_seen(service: Service) -> None:
    told = await outcomes(service, RESIDENT_WITH_CERTIFICATE, MAXIMUM + TICK, 100 * DAY)

    assert told == ["OK", "OK"]


async def test_a_dossier_that_was_given_again_is_fresh_again(service: Service) -> None:
    nok = person_with("N23")
    add_person(service, {"insz": OTHER.digits}, nok.blocks)
    service.clock.now = NOW + 30 * DAY
    keep(service, OTHER, nok.blocks, at=NOW + 29 * DAY)

    told = await outcomes(service, OTHER, 29 * DAY + MAXIMUM, 29 * DAY + MAXIMUM + TICK)

    assert told == ["NOK", 409]


async def test_the_dossier_under_the_current_number_decides_how_old_it_is(service: Service) -> None:
    nok = person_with("N23")
    add_person(service, {"insz": OTHER.digits, "vorigeInsz": [OLD_NUMBER.digits]}, None)
    keep(service, OTHER, nok.blocks, at=NOW - MAXIMUM)
    keep(service, OLD_NUMBER, nok.blocks, at=NOW)

    assert await outcomes(service, OTHER, timedelta(0), DAY) == [409, 409]
    assert explanations(service)[0]["dossierVan"] == rfc3339(NOW - MAXIMUM)


async def test_without_one_under_the_current_number_the_newest_older_one_does(
    service: Service,
) -> None:
    nok = person_with("N23")
    add_person(service, {"insz": OTHER.digits, "vorigeInsz": [OLD_NUMBER.digits]}, None)
    keep(service, OLD_NUMBER, nok.blocks, at=NOW)

    assert await outcomes(service, OTHER, DAY, MAXIMUM + TICK) == ["NOK", 409]


# Who has no dossier


async def test_no_dossier_rests_on_a_complete_delivery_of_35_days(
    service_on_each: Service,
) -> None:
    told = await outcomes(service_on_each, UNKNOWN, MAXIMUM, MAXIMUM + TICK)

    assert told == ["OK", 409]
    first, second = explanations(service_on_each)
    assert (first["code"], first["afwezigheidVan"]) == ("O01", rfc3339(NOW))
    assert "dossierVan" not in first
    assert (second["code"], second["volgensTabel"]["code"]) == ("T01", "O01")


async def test_a_newer_delivery_makes_no_dossier_fresh_again(service: Service) -> None:
    service.office.keys.create(NOW, months=3)
    service.clock.now = NOW + MAXIMUM + TICK
    before = await outcome(service, UNKNOWN)

    deliver(service, NOW + DAY)

    assert (before, await outcome(service, UNKNOWN)) == (409, "OK")


async def test_without_a_complete_delivery_nobody_is_known_to_have_no_dossier(
    service: Service,
) -> None:
    never_delivered(service)

    assert await outcome(service, UNKNOWN) == 409
    assert await outcome(service, MEMBER_NOK) == "NOK"
    assert "afwezigheidVan" not in explanations(service)[0]


async def test_no_dossier_of_one_person_is_an_answer_for_that_person_alone(
    service: Service,
) -> None:
    never_delivered(service)
    service.clock.forward(seconds=1)
    fail(service, UNKNOWN, NO_DOSSIER, at=NOW)

    assert [await outcome(service, insz) for insz in (UNKNOWN, OTHER)] == ["OK", 409]
    assert await outcomes(service, UNKNOWN, MAXIMUM, MAXIMUM + TICK) == ["OK", 409]


async def test_no_dossier_under_an_older_number_is_none_for_the_person(service: Service) -> None:
    never_delivered(service)
    add_person(service, {"insz": OTHER.digits, "vorigeInsz": [OLD_NUMBER.digits]}, None)
    fail(service, OLD_NUMBER, NO_DOSSIER)

    assert await outcome(service, OTHER) == 409


async def test_the_newest_of_what_says_so_counts(service: Service) -> None:
    service.clock.forward(seconds=1)
    fail(service, UNKNOWN, NO_DOSSIER, at=NOW - 10 * DAY)
    fail(service, OTHER, NO_DOSSIER, at=NOW - 10 * DAY)
    deliver(service, NOW - 20 * DAY)

    assert await outcome(service, UNKNOWN) == "OK"
    assert explanations(service)[0]["afwezigheidVan"] == rfc3339(NOW)


# Faults of the source


@pytest.mark.parametrize("code", ["99996", NO_DOSSIER])
async def test_a_fault_gives_no_advice_whatever_is_stored(service: Service, code: str) -> None:
    service.clock.forward(seconds=1)
    for insz in (RESIDENT_WITH_CERTIFICATE, MEMBER_NOK):
        before = await outcome(service, insz)
        fail(service, insz, code, at=service.clock.now)
        assert isinstance(before, str)
        assert await outcome(service, insz) == 409

    told = [each for each in explanations(service) if each["code"] == "T01"]
    assert [each["bronfout"] for each in told] == [code, code]


async def test_a_fault_of_a_person_without_a_dossier_gives_no_advice(service: Service) -> None:
    fail(service, UNKNOWN, "99996")

    assert await outcome(service, UNKNOWN) == 409


# What is told of it


async def test_the_moment_of_the_data_is_that_of_the_delivery_and_equal_for_all(
    service: Service,
) -> None:
    service.clock.now = NOW + 2 * DAY
    deliver(service, NOW + DAY)
    keep(service, MEMBER_NOK, person_with("N23").blocks, at=NOW + 2 * DAY)
    fail(service, UNKNOWN, NO_DOSSIER, at=NOW + 2 * DAY)

    answers = [
        await service.advice(AVSB, insz)
        for insz in (RESIDENT_WITH_CERTIFICATE, MEMBER_NOK, UNKNOWN)
    ]

    assert [each.json()["advice"] for each in answers] == ["OK", "NOK", "OK"]
    assert {each.json()["gegevensVan"] for each in answers} == {rfc3339(NOW + DAY)}


async def test_without_a_delivery_no_moment_is_told(service: Service) -> None:
    never_delivered(service)
    fail(service, UNKNOWN, NO_DOSSIER)

    answers = [
        await service.advice(AVSB, insz)
        for insz in (RESIDENT_WITH_CERTIFICATE, MEMBER_NOK, UNKNOWN)
    ]

    assert [each.status_code for each in answers] == [200, 200, 200]
    assert not [each for each in answers if "gegevensVan" in each.json()]


def plain(response: httpx.Response) -> tuple[int, bytes, tuple[str, ...], str]:
    """What anybody can see of an answer, without the ids in it."""
    content = response.content
    for each in (response.json()["instance"], response.headers["x-correlation-id"]):
        content = content.replace(each.removeprefix("urn:uuid:").encode(), b"?")
    names = tuple(sorted(response.headers))
    return response.status_code, content, names, response.headers["content-length"]


async def test_old_data_a_fault_and_doubt_look_alike(service: Service) -> None:
    service.office.keys.create(NOW, months=3)
    unclear = [person_with(code) for code in ("T02", "T05", "T06")]
    for serial, person in enumerate(unclear):
        add_person(service, {"insz": insz_of(f"85073001{serial}").digits}, person.blocks)
    fail(service, OTHER, "99996")
    service.clock.now = NOW + MAXIMUM + TICK
    fail(service, RESIDENT_WITH_CERTIFICATE, NO_DOSSIER, at=service.clock.now)

    asked = [UNKNOWN, MEMBER_NOK, OTHER, RESIDENT_WITH_CERTIFICATE]
    asked += [insz_of(f"85073001{serial}") for serial in range(len(unclear))]
    answers = {plain(await service.advice(AVSB, insz)) for insz in asked}

    assert len(answers) == 1
    codes = [each["code"] for each in explanations(service)]
    assert codes == ["T01"] * 4 + ["T02", "T05", "T06"]
    kept = [{*record} - {"subjectFact", "detailDigest", "subject"} for record in service.records()]
    assert kept == [kept[0]] * len(asked)


async def test_the_explanation_holds_the_moments_and_the_maximum_of_then(service: Service) -> None:
    service.clock.now = NOW + DAY

    await service.advice(FUND, MEMBER_NOK)

    [told] = explanations(service)
    assert told["maximumleeftijd"] == 35
    assert told["geraadpleegdOp"] == rfc3339(NOW + DAY)
    assert (told["dossierVan"], told["afwezigheidVan"]) == (rfc3339(NOW), rfc3339(NOW))


@pytest.fixture
async def strict(own_folder: Path) -> AsyncIterator[Service]:
    """A service that takes data of ten days."""
    url = f"sqlite:///{own_folder}/protocolpoort.db"
    made = make_service(url, own_folder, max_data_age=timedelta(days=10))
    yield made
    await made.close()


async def test_the_operator_settles_how_old_data_may_be(strict: Service) -> None:
    nok = await outcomes(strict, MEMBER_NOK, 10 * DAY, 10 * DAY + TICK)
    absent = await outcomes(strict, UNKNOWN, 10 * DAY, 10 * DAY + TICK)

    assert (nok, absent) == (["NOK", 409], ["OK", 409])
    assert {each["maximumleeftijd"] for each in explanations(strict)} == {10}


# What is learned meanwhile


async def test_an_import_between_reading_and_record_lets_it_be_decided_anew(
    service_on_each: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, tell = service_on_each, advising._told
    told: list[Told] = []
    learned: list[datetime] = []

    def learned_meanwhile(*args: Any, **terms: Any) -> Told:
        told.append(tell(*args, **terms))
        if not learned:
            learned.append(keep(service, MEMBER_NOK, CERTIFIED.blocks, at=NOW))
        return told[-1]

    monkeypatch.setattr(advising, "_told", learned_meanwhile)

    response = await service.advice(FUND, MEMBER_NOK)

    assert [json.loads(each.answer)["advice"] for each in told] == ["NOK", "OK"]
    assert response.json()["advice"] == "OK"
    [record] = service.records()
    [explanation] = explanations(service)
    assert explanation["code"] == "O10"
    assert read_moment(explanation["geraadpleegdOp"]) >= learned[0]
    assert response.json()["geraadpleegdOp"] == explanation["geraadpleegdOp"]
    assert repeats(service, record["eventId"])


async def test_an_import_between_reading_and_refusal_lets_it_be_decided_anew(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell = advising._told
    told: list[Told] = []

    def joined_meanwhile(*args: Any, **terms: Any) -> Told:
        told.append(tell(*args, **terms))
        if len(told) == 1:
            line = {"insz": OTHER.digits, "lidmaatschappen": [MEMBER]}
            add_person(service, line, CERTIFIED.blocks)
        return told[-1]

    monkeypatch.setattr(advising, "_told", joined_meanwhile)

    response = await service.advice(FUND, OTHER)

    assert len(told) == 2
    assert response.json()["advice"] == "OK"
    assert [each["outcome"] for each in service.records()] == ["allowed"]


async def test_an_import_that_never_ends_leaves_no_advice(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell = advising._told

    def always_learning(*args: Any, **terms: Any) -> Told:
        told = tell(*args, **terms)
        deliver(service, NOW)
        return told

    monkeypatch.setattr(advising, "_told", always_learning)

    response = await service.advice(FUND, MEMBER_NOK)

    assert response.status_code == 503
    assert "NOK" not in response.text
    assert (service.records(), explanations(service)) == ([], [])


async def test_a_clock_that_is_set_back_meanwhile_lets_it_be_decided_anew(
    service_on_each: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else an import of before the moment of the answer could come after it."""
    service, tell = service_on_each, advising._told
    told: list[Told] = []
    service.clock.now = NOW + DAY

    def set_back(*args: Any, **terms: Any) -> Told:
        told.append(tell(*args, **terms))
        if len(told) == 1:
            service.clock.forward(seconds=-20)
        return told[-1]

    monkeypatch.setattr(advising, "_told", set_back)

    response = await service.advice(FUND, MEMBER_NOK)
    learned = keep(service, MEMBER_NOK, CERTIFIED.blocks, at=service.clock.now)

    assert (len(told), response.json()["advice"]) == (2, "NOK")
    [record] = service.records()
    asked_at = read_moment(response.json()["geraadpleegdOp"])
    assert asked_at <= read_moment(record["recordedAt"]) < learned
    assert repeats(service, record["eventId"])


async def test_the_moment_of_an_advice_is_no_earlier_than_that_of_its_facts(
    service: Service,
) -> None:
    """A clock that lags behind the import does not hide it."""
    learned = keep(service, MEMBER_NOK, CERTIFIED.blocks)
    service.clock.forward(seconds=-20)

    response = await service.advice(FUND, MEMBER_NOK)

    assert response.json()["advice"] == "OK"
    assert read_moment(response.json()["geraadpleegdOp"]) == learned
    assert repeats(service, service.records()[0]["eventId"])


async def test_what_is_asked_while_imports_run_can_be_repeated(service_on_each: Service) -> None:
    """Twenty advices and twenty imports at once, by a clock that stands."""
    service = service_on_each
    contents = [CERTIFIED.blocks, person_with("N23").blocks, person_with("N21").blocks]
    add_person(service, {"insz": OTHER.digits}, contents[0])

    def import_one(number: int) -> None:
        keep(service, OTHER, contents[number % 3], at=NOW)

    async with asyncio.TaskGroup() as group:
        for number in range(20):
            group.create_task(asyncio.to_thread(import_one, number))
        asked = [group.create_task(service.advice(AVSB, OTHER)) for _ in range(20)]
    answers = [each.result() for each in asked]

    given = [each.json() for each in answers if each.status_code == 200]
    assert {each.status_code for each in answers} <= {200, 503}
    assert given
    for each in given:
        assert repeats(service, each["id"]), each


def repeats(service: Service, event_id: str) -> bool:
    """Whether the advice of a record comes out as it was given, explanation and all."""
    repeated = own_advice.repeat(
        service.office, event_id, timedelta(days=1), service.clock.now, None
    )
    return repeated.then == repeated.again
