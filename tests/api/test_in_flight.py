"""What happens while a request is on its way: the register moves, time passes, minutes mix."""

import asyncio
import inspect
import json
from collections.abc import AsyncIterator, Callable, Mapping
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
import variants
from service import BASE, CITY, DOSSIER, ROOT, Service, add_person, insz_of

from app import administration, protocols
from app.demo_persons import RESIDENT_WITH_CERTIFICATE
from app.deps import DECISIONS, Desk
from app.errors import TokenMissing
from app.insz import Insz
from app.strangers import LIMIT
from app.visit import Visit, new_event_id

QUESTION = {
    "insz": RESIDENT_WITH_CERTIFICATE.digits,
    "doeleinde": "lokaalIntegratiebeleid",
    "referte": "ref-1",
}


async def test_a_suspension_holds_although_another_request_reloaded_the_register(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decision and its record speak of one snapshot, whatever others load meanwhile."""
    reader = service.app.state.desk.gate.reader
    ask = reader.ask
    interrupted: list[object] = []

    async def interrupt(read: Any, asked: Any) -> Any:
        found = await ask(read, asked)
        if not interrupted:
            interrupted.append(read)
            administration.suspend(service.office, "voorbeeldstad-2026", "x", service.clock.now)
            await service.client.get(f"{BASE}/protocollen")
        return found

    monkeypatch.setattr(reader, "ask", interrupt)

    response = await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)

    assert interrupted
    assert response.status_code == 403
    [record] = service.records()
    assert record["reasonCode"] == "suspended"


async def test_what_a_slow_body_asks_is_judged_when_it_is_whole(service: Service) -> None:
    content = json.dumps(QUESTION).encode()
    token = service.token(CITY, DOSSIER)

    async def trickle() -> AsyncIterator[bytes]:
        yield content[:5]
        service.clock.forward(hours=9)  # a demo token lives 8
        yield content[5:]

    response = await service.client.post(
        f"{BASE}/dossiers/query", content=trickle(), headers={"Authorization": f"Bearer {token}"}
    )

    assert response.status_code == 401
    assert response.json()["type"].endswith("expiredAccessToken")


async def test_a_body_that_never_ends_is_given_up(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.deps.BODY_SECONDS", 0)

    async def never() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    response = await service.client.post(
        f"{BASE}/dossiers/query",
        content=never(),
        headers={
            "Authorization": f"Bearer {service.token(CITY, DOSSIER)}",
            "X-Magda-Enduser-ID": "ambtenaar-7",
        },
    )

    assert response.status_code == 400
    [record] = service.records()
    assert record["reasonCode"] == "invalidRequest"


async def test_requests_of_two_minutes_that_mix_share_the_allowance_of_the_later(
    service: Service,
) -> None:
    desk: Desk = service.app.state.desk
    now = service.clock.now

    for number in range(4 * LIMIT):
        moment = now + timedelta(minutes=number % 2)
        visit = Visit("queryDossier", "/dossiers/query", now, "c", new_event_id(now), "t", "s")
        await desk.strangers.note(visit, TokenMissing(), moment)

    assert len(service.records()) == LIMIT + 1


async def test_a_new_version_does_not_lift_a_suspension(service: Service, tmp_path: Path) -> None:
    administration.suspend(service.office, "voorbeeldstad-2026", "x", service.clock.now)
    text = (ROOT / "protocols" / "demo" / "voorbeeldstad.yaml").read_text()
    newer = tmp_path / "newer.yaml"
    newer.write_text(text.replace('versie: "1"', 'versie: "2"'))
    sources, faults = protocols.read_files([newer])

    administration.load(service.office, sources, service.clock.now)

    assert not faults
    assert (await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)).status_code == 403


PERSON, SOMEBODY = insz_of("907225101"), insz_of("907225103")
GIVEN, WITHDRAWN = "2026-05-01T07:00:00Z", "2026-06-01T09:30:00Z"  # the latter is now


def consents(*given: Mapping[str, str], insz: Insz = PERSON) -> dict[str, Any]:
    """A line of the register with these consents of a person."""
    what = {"project": "proef", "gemeente": "99001"}
    return {"insz": insz.digits, "toestemmingen": [{**what, **each} for each in given]}


@pytest.fixture
def asks_consent(service_on_each: Service) -> Service:
    """A service whose city reaches who consented to a project; one person has."""
    persons = {"soort": "consent", "nis": "99001", "project": "proef", "tekst": "Wie instemt."}
    opened = variants.purpose(variants.access(populatie=persons))
    variants.load(service_on_each, variants.document(versie="2", doeleinden=[opened]))
    add_person(service_on_each, consents({"gegeven": GIVEN}), {})
    return service_on_each


def raw_records(service: Service) -> list[bytes]:
    """Every record as it is stored, oldest first."""
    with service.office.database.reading() as session:
        rows = session.connection().exec_driver_sql(
            "SELECT record FROM access_record ORDER BY log_index"
        )
        return [bytes(row[0]) for row in rows]


def before_the_append(
    service: Service, monkeypatch: pytest.MonkeyPatch, act: Callable[[], object]
) -> list[object]:
    """Do something once, when the next answer is decided and read but not yet recorded."""
    log = service.app.state.desk.gate.log
    append = log.append
    done: list[object] = []

    async def hold(*args: Any) -> int:
        if not done:
            done.append(held := act())
            if inspect.isawaitable(held):
                await held
        index: int = await append(*args)
        return index

    monkeypatch.setattr(log, "append", hold)
    return done


async def test_a_consent_that_is_withdrawn_before_the_record_lets_nothing_out(
    asks_consent: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = await asks_consent.dossier(CITY, PERSON)
    before = raw_records(asks_consent)
    withdrawal = consents({"gegeven": GIVEN, "ingetrokken": WITHDRAWN})
    held = before_the_append(
        asks_consent, monkeypatch, lambda: add_person(asks_consent, withdrawal, None)
    )

    second = await asks_consent.dossier(CITY, PERSON)

    assert held
    assert (first.status_code, second.status_code) == (200, 403)
    assert second.json()["type"].endswith("geenInschrijving")
    after = raw_records(asks_consent)
    assert after[:-1] == before
    assert json.loads(after[-1])["reasonCode"] == "population"


@pytest.mark.parametrize(
    "line",
    [
        consents(),
        consents({"gegeven": GIVEN, "project": "ander"}),
        consents({"gegeven": GIVEN, "gemeente": "99002"}),
        consents({"gegeven": "2026-06-01T09:30:01Z"}),
    ],
    ids=["taken away", "to another project", "to another city", "given later"],
)
async def test_a_consent_that_changes_before_the_record_is_judged_anew(
    asks_consent: Service, monkeypatch: pytest.MonkeyPatch, line: dict[str, Any]
) -> None:
    held = before_the_append(
        asks_consent, monkeypatch, lambda: add_person(asks_consent, line, None)
    )

    response = await asks_consent.dossier(CITY, PERSON)

    assert held
    assert response.status_code == 403


async def test_a_withdrawal_holds_in_another_process_too(
    asks_consent: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    other = asks_consent.restart()
    withdrawal = consents({"gegeven": GIVEN, "ingetrokken": WITHDRAWN})
    before_the_append(other, monkeypatch, lambda: add_person(asks_consent, withdrawal, None))

    response = await other.dossier(CITY, PERSON)

    await other.close()
    assert response.status_code == 403


@pytest.mark.parametrize(
    "line",
    [
        consents({"gegeven": GIVEN}),
        consents({"gegeven": GIVEN}, {"gegeven": "2026-05-02T07:00:00Z", "project": "ander"}),
        consents({"gegeven": GIVEN}, insz=SOMEBODY),
        {"insz": PERSON.digits, "contact": {"voornaam": "Test"}},
    ],
    ids=["the same", "one more", "of somebody else", "another fact"],
)
async def test_an_import_that_withdraws_nothing_decides_nothing_anew(
    asks_consent: Service, line: dict[str, Any]
) -> None:
    """An import of all persons must not stop a service that is asked meanwhile."""
    database = asks_consent.office.database
    with database.reading() as session:
        before = protocols.read_version(session)

    add_person(asks_consent, line, None)

    with database.reading() as session:
        assert protocols.read_version(session) == before


async def test_a_consent_counts_from_its_moment_until_its_withdrawal(asks_consent: Service) -> None:
    service, now = asks_consent, asks_consent.clock.now
    given, withdrawn = now + timedelta(minutes=1), now + timedelta(minutes=3)
    moments = {"gegeven": given.isoformat(), "ingetrokken": withdrawn.isoformat()}
    add_person(service, consents(moments), None)
    second = timedelta(seconds=1)

    statuses = []
    for moment in (given - second, given, withdrawn - second, withdrawn):
        service.clock.now = moment
        statuses.append((await service.dossier(CITY, PERSON)).status_code)

    assert statuses == [403, 200, 200, 403]


@pytest.mark.parametrize("elsewhere", [{"project": "ander"}, {"gemeente": "99002"}])
async def test_a_consent_to_another_project_or_city_opens_nothing(
    asks_consent: Service, elsewhere: dict[str, str]
) -> None:
    add_person(asks_consent, consents({"gegeven": GIVEN, **elsewhere}, insz=SOMEBODY), {})

    response = await asks_consent.dossier(CITY, SOMEBODY)

    assert response.status_code == 403
    assert asks_consent.records()[-1]["reasonCode"] == "population"


async def test_a_quota_that_is_used_up_before_the_record_lets_nothing_out(
    service_on_each: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = service_on_each
    once = variants.access(quota=[variants.quota("queryDossier", 1)])
    variants.load(service, variants.document(versie="2", doeleinden=[variants.purpose(once)]))

    other = service.restart()
    held = before_the_append(
        service, monkeypatch, lambda: other.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
    )

    response = await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)

    await other.close()
    assert held
    assert (response.status_code, response.json()["reden"]) == (429, "quota")
    assert [record["status"] for record in service.records()] == [200, 429]


async def test_a_register_that_keeps_moving_is_given_up_without_an_answer(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    log = service.app.state.desk.gate.log
    append = log.append
    moves: list[None] = []

    async def move_first(*args: Any) -> int:
        moves.append(None)
        with service.office.database.writing() as session:
            protocols.bump(session)
        index: int = await append(*args)
        return index

    monkeypatch.setattr(log, "append", move_first)

    response = await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)

    assert (response.status_code, len(moves)) == (503, DECISIONS)
    assert service.records() == []
