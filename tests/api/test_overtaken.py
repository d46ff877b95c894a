"""Midnight in Brussels between a decision and its record: the new day decides, and is recorded."""

from collections.abc import Awaitable, Callable, Collection
from datetime import UTC, date, datetime, timedelta
from typing import Any

import httpx
import pytest
import variants
from service import CITY, FUND, Service
from variants import PURPOSE, access, document, purpose, quota

from app import access_log, administration, advising, lookup
from app.demo_persons import MEMBER_NOK, RESIDENT_WITH_CERTIFICATE

PERSON = RESIDENT_WITH_CERTIFICATE
SECOND = timedelta(seconds=1)
# The first moments in Brussels of a half-year and of a year.
JULY = datetime(2026, 6, 30, 22, 0, tzinfo=UTC)
NEW_YEAR = datetime(2026, 12, 31, 23, 0, tzinfo=UTC)
LAST_DAY = date(2026, 6, 30)

Ask = Callable[[Service], Awaitable[httpx.Response]]


async def dossier(service: Service) -> httpx.Response:
    return await service.dossier(CITY, PERSON)


async def advice(service: Service) -> httpx.Response:
    return await service.advice(CITY, PERSON, doeleinde=PURPOSE)


async def my_access(service: Service) -> httpx.Response:
    return await service.ask(CITY, "/mijnToegang", scopes=())


def load(service: Service, maximum: int, per: str = "kalenderjaar") -> None:
    """Voorbeeldstad may ask so many dossiers and so many advices."""
    operations = ["queryDossier", "queryAdvies"]
    both = access(
        operaties=operations,
        advies=variants.ADVICE_TERMS,
        quota=[quota(operation, maximum, per) for operation in operations],
    )
    variants.load(service, document(versie="2", doeleinden=[purpose(both)]))


TELL = (lookup.tell_all, advising.tell_all)


def midnight_after(
    service: Service, monkeypatch: pytest.MonkeyPatch, work: Collection[Any], midnight: datetime
) -> list[object]:
    """It is a second before midnight, and midnight once the next request has read this."""
    service.office.keys.create(service.clock.now, months=8)
    service.clock.now = midnight - SECOND
    gate = service.app.state.desk.gate
    passed: list[object] = []

    def passing(read: Any) -> Any:
        async def pass_midnight(asked: Any, *args: Any) -> Any:
            found = await read(asked, *args)
            if asked in work and not passed:
                passed.append(asked)
                service.clock.now = midnight
            return found

        return pass_midnight

    monkeypatch.setattr(gate.database, "read", passing(gate.database.read))
    monkeypatch.setattr(gate.reader, "ask", passing(gate.reader.ask))
    return passed


@pytest.mark.parametrize("ask", [dossier, advice])
async def test_what_was_granted_on_the_last_day_is_refused_once_that_day_is_over(
    service_on_each: Service, monkeypatch: pytest.MonkeyPatch, ask: Ask
) -> None:
    service = service_on_each
    load(service, 5)
    administration.end(service.office, variants.ID, service.clock.now, last=LAST_DAY)
    passed = midnight_after(service, monkeypatch, TELL, JULY)

    response = await ask(service)

    assert passed
    body = response.json()
    assert (response.status_code, body["reden"], body["datum"]) == (403, "expired", "2026-06-30")
    [record] = service.records()
    assert (record["outcome"], record["reasonCode"]) == ("denied", "expired")
    assert record["recordedAt"] == "2026-06-30T22:00:00.000Z"
    assert "quotaOrdinal" not in record


async def test_what_was_granted_and_recorded_before_midnight_is_answered(service: Service) -> None:
    load(service, 5)
    administration.end(service.office, variants.ID, service.clock.now, last=LAST_DAY)

    service.clock.now = JULY - SECOND

    assert [(await ask(service)).status_code for ask in (dossier, advice)] == [200, 200]


@pytest.mark.parametrize("ask", [dossier, advice])
async def test_a_turn_of_a_year_counts_in_the_year_of_its_record(
    service_on_each: Service, monkeypatch: pytest.MonkeyPatch, ask: Ask
) -> None:
    service = service_on_each
    load(service, 2)
    first = await ask(service)
    passed = midnight_after(service, monkeypatch, TELL, NEW_YEAR)

    answers = [await ask(service) for _ in range(3)]

    assert passed
    assert [each.status_code for each in (first, *answers)] == [200, 200, 200, 429]
    assert answers[-1].json()["datum"] == "2028-01-01"
    turns = [(each["quotaId"][-10:], each["quotaOrdinal"]) for each in service.records()[:-1]]
    assert turns == [("2026-01-01", 1), ("2027-01-01", 1), ("2027-01-01", 2)]


@pytest.mark.parametrize(("midnight", "per"), [(NEW_YEAR, "kalenderjaar"), (JULY, "halfjaar")])
async def test_a_quota_that_was_used_up_is_not_when_midnight_renews_it(
    service: Service, monkeypatch: pytest.MonkeyPatch, midnight: datetime, per: str
) -> None:
    load(service, 1, per)
    first = await dossier(service)
    passed = midnight_after(service, monkeypatch, [access_log.used], midnight)

    second = await dossier(service)

    assert passed
    assert (first.status_code, second.status_code) == (200, 200)
    assert [each["status"] for each in service.records()] == [200, 200]
    assert [each["quotaOrdinal"] for each in service.records()] == [1, 1]


async def test_my_access_tells_of_the_day_on_which_it_is_recorded(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    load(service, 5)
    administration.end(service.office, variants.ID, service.clock.now, last=LAST_DAY)
    passed = midnight_after(service, monkeypatch, [access_log.used], JULY)

    response = await my_access(service)

    assert passed
    [item] = response.json()["items"]
    assert (item["nu"], item["operaties"], item["velden"]) == ("expired", [], [])
    assert len(service.records()) == 1


async def test_a_record_is_never_older_than_what_decided_it(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Else what is learned next could be dated before `geraadpleegdOp`."""
    reader = service.app.state.desk.gate.reader
    ask, told = reader.ask, []
    service.clock.forward(minutes=1)

    async def set_back(*args: Any) -> Any:
        told.append(found := await ask(*args))
        if len(told) == 1:
            service.clock.forward(seconds=-30)
        return found

    monkeypatch.setattr(reader, "ask", set_back)

    answer = (await service.advice(FUND, MEMBER_NOK)).json()

    [record] = service.records()
    assert len(told) == 2
    assert answer["geraadpleegdOp"] == record["recordedAt"] == "2026-06-01T09:30:30.000Z"
