"""A clock that jumps back: nothing is recorded, so nothing leaves and nothing comes back."""

import asyncio
from datetime import date, timedelta
from typing import Any

import pytest
from service import BASE, CITY, NOW, Service

from app import administration, log_search, protocols
from app.demo_persons import RESIDENT_WITH_CERTIFICATE
from app.errors import ClockBehind
from app.record import CLOCK_TOLERANCE

MILLISECOND = timedelta(milliseconds=1)


async def health(service: Service) -> str:
    """What health says."""
    response = await service.client.get(f"{BASE}/health")
    status: str = response.json()["status"]
    return status


async def asked(service: Service) -> int:
    """The status of a request that the protocol grants."""
    return (await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)).status_code


@pytest.fixture
async def running(service_on_each: Service) -> Service:
    """A service that has just recorded something, with the keys of the months around it."""
    service_on_each.office.keys.create(NOW - timedelta(days=40), months=6)
    assert await asked(service_on_each) == 200
    return service_on_each


async def test_a_clock_that_lags_by_more_than_a_minute_stops_every_answer(running: Service) -> None:
    before = running.records()
    running.clock.now = NOW - CLOCK_TOLERANCE - MILLISECOND

    answers = [
        await running.dossier(CITY, RESIDENT_WITH_CERTIFICATE),
        await running.dossier(CITY, RESIDENT_WITH_CERTIFICATE, doeleinde="onbekend"),
        await running.ask(CITY, "/mijnToegang"),
        await running.ask(CITY, "/dossiers/query", {}),
    ]

    assert [answer.status_code for answer in answers] == [503] * 4
    assert all("dossier" not in answer.json() for answer in answers)
    assert all(answer.headers["retry-after"] for answer in answers)
    assert running.records() == before
    assert await health(running) == "DOWN"


async def test_a_clock_that_lags_by_a_minute_is_served(running: Service) -> None:
    running.clock.now = NOW - CLOCK_TOLERANCE

    assert await asked(running) == 200

    moments = [record["recordedAt"] for record in running.records()]
    assert moments == ["2026-06-01T09:30:00.000Z", "2026-06-01T09:29:00.000Z"]
    assert await health(running) == "UP"


async def test_a_minute_is_counted_from_the_newest_record_and_not_from_the_last(
    running: Service,
) -> None:
    """Else a clock could creep back, a minute at a time."""
    running.clock.now = NOW - CLOCK_TOLERANCE
    first = await asked(running)
    running.clock.now = NOW - CLOCK_TOLERANCE - MILLISECOND

    second = await asked(running)

    assert (first, second) == (200, 503)


async def test_the_service_recovers_when_the_clock_is_right_again(running: Service) -> None:
    running.clock.now = NOW - timedelta(hours=1)
    behind = [await asked(running), await health(running)]
    running.clock.now = NOW + timedelta(seconds=1)

    recovered = [await asked(running), await health(running)]

    assert (behind, recovered) == ([503, "DOWN"], [200, "UP"])
    assert len(running.records()) == 2


async def test_another_process_is_held_to_the_newest_record_of_all(running: Service) -> None:
    other = running.restart()
    other.app.state.desk.gate.clock = lambda: NOW - timedelta(minutes=2)

    response = await other.dossier(CITY, RESIDENT_WITH_CERTIFICATE)

    await other.close()
    assert response.status_code == 503
    assert await asked(running) == 200


async def test_an_ended_protocol_does_not_come_back_with_the_clock(running: Service) -> None:
    administration.end(running.office, "voorbeeldstad-2026", NOW, last=date(2026, 5, 31))
    ended = await running.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
    running.clock.now = NOW - timedelta(days=1)

    again = await running.dossier(CITY, RESIDENT_WITH_CERTIFICATE)

    assert (ended.status_code, ended.json()["reden"]) == (403, "expired")
    assert (again.status_code, "dossier" in again.json()) == (503, False)


async def test_an_end_that_passed_while_nobody_asked_stays_passed(running: Service) -> None:
    """The act itself is a record: the clock cannot go back behind it."""
    running.clock.now = NOW + timedelta(days=40)
    administration.suspend(running.office, "avsb-2021", "controle", running.clock.now)
    running.clock.now = NOW

    assert await asked(running) == 503


async def test_no_act_is_done_by_a_clock_that_lags(running: Service) -> None:
    earlier = NOW - timedelta(days=1)
    before = version(running)

    with pytest.raises(ClockBehind):
        administration.suspend(running.office, "voorbeeldstad-2026", "klacht", earlier)

    assert version(running) == before
    assert await asked(running) == 200


def version(service: Service) -> int:
    """The version of the register as it is stored."""
    with service.office.database.reading() as session:
        return protocols.read_version(session)


async def test_an_operator_can_take_the_clock_as_it_stands(running: Service) -> None:
    """For a clock that ran ahead and was put right."""
    running.clock.now = NOW + timedelta(days=60)
    ahead = await asked(running)
    running.clock.now = NOW + timedelta(minutes=5)
    stopped = await asked(running)

    administration.accept_clock(running.office, "klok liep voor", running.clock.now)

    accepted = [await asked(running), await health(running)]
    assert (ahead, stopped) == (200, 503)
    assert accepted == [200, "UP"]
    running.clock.now = NOW + timedelta(minutes=3)
    assert await asked(running) == 503


async def test_taking_the_clock_as_it_stands_is_recorded(running: Service) -> None:
    administration.accept_clock(running.office, "klok liep voor", NOW - timedelta(days=1))

    with running.office.database.reading() as session:
        found = log_search.search(session, log_search.Search(limit=1)).records
    [(_, record)] = found
    assert (record["type"], record["operation"]) == ("admin", "clockAccept")
    assert record["reasonReference"] == "2026-06-01T09:30:00.000Z: klok liep voor"
    assert record["recordedAt"] == "2026-05-31T09:30:00.000Z"


async def test_one_record_that_lags_does_not_stop_those_beside_it(
    running: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two requests in one commit: only the one whose record is too old is refused."""
    moments = iter([NOW, NOW - timedelta(minutes=2), NOW])
    log = running.app.state.desk.gate.log
    append = log.append

    async def dated(visit: Any, trace: Any, _now: Any, *more: Any) -> Any:
        return await append(visit, trace, next(moments), *more)

    monkeypatch.setattr(log, "append", dated)
    statuses = await asyncio.gather(*(asked(running) for _ in range(3)))

    assert sorted(statuses) == [200, 200, 503]
