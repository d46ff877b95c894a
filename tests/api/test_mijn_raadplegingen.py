"""`GET /mijnRaadplegingen`: her own consultations, never an employee, never another person."""

import asyncio
import importlib
import json
import pkgutil
from collections.abc import AsyncIterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from promises import PROMISES
from service import (
    ADVICE,
    AUDIT,
    AUDITOR,
    AVSB,
    BASE,
    CITY,
    DOSSIER,
    FUND,
    NOW,
    Service,
    add_person,
    add_resident,
    closed_log,
    execute,
    insz_of,
    make_production,
)

from app import own_view, reference, routers
from app.demo_persons import MEMBER_NOK, NON_RESIDENT, RESIDENT_WITH_CERTIFICATE, demo_persons
from app.doors import USER, Door
from app.insz import Insz
from app.moments import rfc3339

PATH = "/mijnRaadplegingen"
SHE, OLDER, OLDEST = insz_of("850615001"), insz_of("850615003"), insz_of("850615005")
SOMEBODY = insz_of("900225007")
UNDECIDED = next(person for person in demo_persons(400) if person.expected_code.startswith("T"))
GUID = "0192f3a1-af71-7e8d-a062-5e91318fbd44"

DOORS: dict[str, Door[Any]] = {
    door.operation: door
    for module in pkgutil.iter_modules(routers.__path__)
    for door in vars(importlib.import_module(f"app.routers.{module.name}")).values()
    if isinstance(door, Door)
}


async def ask(
    service: Service, insz: Insz, query: str = "", token: str = "", **headers: str
) -> httpx.Response:
    """The page that a person is shown; she sends her token and no other header."""
    bearer = token or service.issuer.issue_citizen(insz, service.clock.now)
    own = {"Authorization": f"Bearer {bearer}", **headers}
    return await service.client.get(f"{BASE}{PATH}{query}", headers=own)


async def mine(service: Service, insz: Insz, query: str = "") -> list[dict[str, Any]]:
    response = await ask(service, insz, query)
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


def known_to_both(service: Service, insz: Insz, **line: Any) -> None:
    """Somebody who lives in the city, is a member of the fund, and has a dossier."""
    member = [{"organisatie": FUND, "van": "2020-01-01", "tot": None}]
    home = [{"nis": "99001", "van": "2020-01-01", "tot": None}]
    [certified] = demo_persons(1)
    line = {"insz": insz.digits, "woonplaatsen": home, "lidmaatschappen": member, **line}
    add_person(service, line, certified.blocks)


def moments(items: list[dict[str, Any]]) -> list[str]:
    return [item["tijdstip"] for item in items]


# What she sees


async def test_shows_who_looked_when_for_what_and_how_newest_first(
    service_on_each: Service,
) -> None:
    service = service_on_each
    known_to_both(service, SHE)
    await service.dossier(CITY, SHE)
    service.clock.forward(minutes=1)
    await service.advice(FUND, SHE)

    response = await ask(service, SHE)

    assert response.status_code == 200, response.text
    assert response.headers["cache-control"] == "no-store"
    assert response.json() == {
        "items": [
            {
                "organisatie": FUND,
                "namens": AVSB,
                "tijdstip": "2026-06-01T09:31:00.000Z",
                "doeleinde": "zorgbudgetZwaarZorgbehoevenden",
                "dienst": "queryAdvies",
                "protocol": {
                    "id": "avsb-2021",
                    "versie": "1",
                    "href": f"{BASE}/protocollen/avsb-2021?versie=1",
                },
            },
            {
                "organisatie": CITY,
                "tijdstip": rfc3339(NOW),
                "doeleinde": "lokaalIntegratiebeleid",
                "dienst": "queryDossier",
                "protocol": {
                    "id": "voorbeeldstad-2026",
                    "versie": "1",
                    "href": f"{BASE}/protocollen/voorbeeldstad-2026?versie=1",
                },
            },
        ]
    }
    [item, _] = response.json()["items"]
    shown = await service.client.get(item["protocol"]["href"])
    assert shown.json()["id"] == "avsb-2021"


async def test_shows_nobody_what_was_asked_about_another(service_on_each: Service) -> None:
    service = service_on_each
    for insz in (SHE, SOMEBODY):
        known_to_both(service, insz)
    await service.dossier(CITY, SHE)
    service.clock.forward(minutes=1)
    await service.dossier(CITY, SOMEBODY)

    hers, theirs, nobodys = [await mine(service, who) for who in (SHE, SOMEBODY, insz_of("1" * 9))]

    assert moments(hers) == ["2026-06-01T09:30:00.000Z"]
    assert moments(theirs) == ["2026-06-01T09:31:00.000Z"]
    assert nobodys == []


async def test_finds_her_under_every_number_in_every_month(service_on_each: Service) -> None:
    service = service_on_each
    add_resident(service, OLDEST)
    await service.dossier(CITY, OLDEST)
    add_resident(service, OLDER, vorigeInsz=[OLDEST.digits])
    service.clock.forward(days=30)
    await service.dossier(CITY, OLDER)
    add_resident(service, SHE, vorigeInsz=[OLDER.digits])
    service.clock.forward(minutes=1)
    await service.dossier(CITY, SHE)

    by_number = [moments(await mine(service, number)) for number in (SHE, OLDER, OLDEST)]

    july = ["2026-07-01T09:31:00.000Z", "2026-07-01T09:30:00.000Z"]
    assert by_number == [[*july, rfc3339(NOW)]] * 3


async def test_leaves_out_what_disclosed_nothing(service: Service) -> None:
    known_to_both(service, SHE)
    add_person(service, {"insz": OLDER.digits, "woonplaatsen": [_home()]}, None)
    service.clock.forward(minutes=1)
    refused = [
        await service.dossier(CITY, SHE, velden=["inbreuken[]"]),
        await service.dossier(CITY, SHE, doeleinde="onbekend"),
        await service.dossier(AUDITOR, SHE),
        await service.dossier(CITY, OLDER),
        await service.dossier(CITY, NON_RESIDENT),
        await service.advice(AVSB, UNDECIDED.insz),
        await service.ask(
            AUDITOR, "/toegangen/query", {"insz": SHE.digits, "aanleiding": "nazicht"}
        ),
    ]

    told = [await mine(service, who) for who in (SHE, OLDER, NON_RESIDENT, UNDECIDED.insz)]

    assert [answer.status_code for answer in refused] == [403, 403, 403, 404, 403, 409, 200]
    assert told == [[], [], [], []]


def _home() -> dict[str, Any]:
    return {"nis": "99001", "van": "2020-01-01", "tot": None}


async def test_looking_at_it_is_no_consultation(service: Service) -> None:
    known_to_both(service, SHE)
    await service.dossier(CITY, SHE)

    for _ in range(3):
        assert len(await mine(service, SHE)) == 1


EMPLOYEE = {
    USER: "ambtenaar-geheim",
    "X-Functieprofiel": "trajectondersteuner",
    "X-Magda-Sender-ID": CITY,
    "X-Correlation-Id": "5f2c9a3e-0f1b-4c55-9a5e-6d1a2b3c4d5e",
    "traceparent": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01",
}


async def test_tells_nothing_of_the_employee_or_of_the_answer(service: Service) -> None:
    known_to_both(service, SHE)
    issuer, now = service.issuer, service.clock.now
    city = issuer.issue(CITY, "toepassing-stad", [DOSSIER], now, subject="medewerker-1")
    fund = issuer.issue(FUND, "toepassing-kas", [ADVICE], now, subject="medewerker-2")
    asked = {"Authorization": f"Bearer {city}", **EMPLOYEE}
    advised = {**asked, "Authorization": f"Bearer {fund}", "X-Magda-Sender-ID": FUND}
    question = {"insz": SHE.digits, "doeleinde": "lokaalIntegratiebeleid", "referte": "dossier-77"}
    advice = {
        "insz": SHE.digits,
        "doeleinde": "zorgbudgetZwaarZorgbehoevenden",
        "toetsdatum": "2026-05-31",
        "referte": "advies-88",
    }
    given = [
        await service.ask(CITY, "/dossiers/query", question, headers=asked),
        await service.ask(FUND, "/adviezen/query", advice, headers=advised),
    ]
    assert [answer.status_code for answer in given] == [200, 200]

    response = await ask(service, SHE)

    assert len(response.json()["items"]) == 2
    allowed = {
        *("organisation", "onBehalfOf", "recordedAt", "purpose", "operation"),
        *("protocol", "protocolVersion", "v", "status", "system", "startedAt", "counts"),
    }
    for record in service.records()[:2]:
        hidden = {name: value for name, value in record.items() if name not in allowed}
        assert {"user", "functionProfile", "client", "reference", "credential"} <= hidden.keys()
        for value in texts(hidden):
            assert value not in response.text
    for value in ("ambtenaar-geheim", "medewerker", "NOK", '"OK"', SHE.digits):
        assert value not in response.text


def texts(value: Any) -> list[str]:
    """Every text within a value; what has only a letter or two would be found in anything."""
    if isinstance(value, str):
        return [value] if len(value) > 3 else []
    inner = value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    return [text for one in inner for text in texts(one)]


# A page at a time


async def test_pages_stay_in_place_while_the_log_grows(
    service_on_each: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = service_on_each
    monkeypatch.setattr(own_view, "PAGE", 3)
    add_resident(service, SHE)
    for _ in range(7):
        await service.dossier(CITY, SHE)
        service.clock.forward(minutes=1)

    page = (await ask(service, SHE)).json()
    sizes, seen = [len(page["items"])], moments(page["items"])
    while (cursor := page.get("next")) and len(sizes) < 5:
        await service.dossier(CITY, SHE)
        page = (await ask(service, SHE, f"?cursor={cursor}")).json()
        sizes.append(len(page["items"]))
        seen += moments(page["items"])

    assert sizes == [3, 3, 1]
    assert seen == [f"2026-06-01T09:{minute}:00.000Z" for minute in range(36, 29, -1)]


async def test_an_exact_page_promises_no_other(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(own_view, "PAGE", 2)
    add_resident(service, SHE)
    for _ in range(2):
        await service.dossier(CITY, SHE)

    page = (await ask(service, SHE)).json()

    assert (len(page["items"]), page.get("next")) == (2, None)


async def test_a_page_holds_a_hundred(service: Service) -> None:
    add_resident(service, SHE)
    await asyncio.gather(*(service.dossier(CITY, SHE) for _ in range(101)))

    first = (await ask(service, SHE)).json()
    last = (await ask(service, SHE, f"?cursor={first['next']}")).json()

    assert (len(first["items"]), len(last["items"])) == (100, 1)
    assert "next" not in last


@pytest.mark.parametrize("cursor", ["0", "1", "9" * 18])
async def test_takes_any_number_as_cursor(shared: Service, cursor: str) -> None:
    assert await mine(shared, SHE, f"?cursor={cursor}") == []

    assert shared.records()[-1]["parameters"] == ["cursor"]


@pytest.mark.parametrize(
    "query",
    [
        *("?cursor=", "?cursor=-1", "?cursor=1.0", "?cursor=x", "?cursor=%201", "?cursor=1%0A"),
        *("?cursor=1234567890123456789", "?cursor=1&cursor=1", "?cursor=%D9%A1"),
    ],
)
async def test_takes_one_cursor(shared: Service, query: str) -> None:
    response = await ask(shared, SHE, query)

    assert response.status_code == 400
    [issue] = response.json()["issues"]
    assert (issue["in"], issue["name"]) == ("query", "cursor")
    record = shared.records()[-1]
    assert (record["outcome"], record["parameters"]) == ("invalid", ["cursor"])
    assert "subject" in record


@pytest.mark.parametrize("query", ["?datum=2026-06-01", "?geheim=1", f"?insz={SOMEBODY.digits}"])
async def test_refuses_a_parameter_that_it_does_not_have(shared: Service, query: str) -> None:
    response = await ask(shared, SHE, query)

    assert response.status_code == 400
    [issue] = response.json()["issues"]
    assert (issue["in"], issue.get("name")) == ("query", None)
    record = shared.records()[-1]
    assert "parameters" not in record
    assert SOMEBODY.digits not in response.text + json.dumps(record)


# That she looked


async def test_records_that_she_looked_and_what_left(service_on_each: Service) -> None:
    service = service_on_each
    known_to_both(service, SHE)
    await service.dossier(CITY, SHE)

    response = await ask(service, SHE)

    asked, record = service.records()
    key = service.office.keys.at(NOW)
    assert (record["type"], record["operation"]) == ("logRead", "listMijnRaadplegingen")
    assert (record["route"], record["outcome"], record["status"]) == (PATH, "allowed", 200)
    assert (record["client"], record["counts"]) == ("burgerportaal", {"records": 1})
    assert record["credential"].startswith("sha256:")
    assert record["subject"] == key.hide("subject", SHE.digits) == asked["subject"]
    assert record["responseDigest"] == key.digest(record["eventId"], response.content)
    absent = {"organisation", "user", "functionProfile", "system", "reference", "protocol"}
    assert not absent & record.keys()


async def test_the_auditor_finds_that_she_looked(service: Service) -> None:
    await ask(service, SHE)

    found = await service.ask(
        AUDITOR,
        "/toegangen/query",
        {"insz": SHE.digits, "aanleiding": "nazicht"},
        scopes=(AUDIT,),
    )

    assert [item["operation"] for item in found.json()["items"]] == ["listMijnRaadplegingen"]


async def test_gives_nothing_without_a_record(service_on_each: Service) -> None:
    service = service_on_each
    known_to_both(service, SHE)
    await service.dossier(CITY, SHE)

    with closed_log(service):
        response = await ask(service, SHE)

    assert response.status_code == 503
    assert "items" not in response.json()
    assert CITY not in response.text
    assert len(service.records()) == 1


# Who she is


async def test_refuses_an_employee_whose_subject_is_her_number(service: Service) -> None:
    known_to_both(service, SHE)
    await service.dossier(CITY, SHE)
    issuer, now = service.issuer, service.clock.now
    token = issuer.issue(CITY, "toepassing", [DOSSIER, AUDIT], now, subject=SHE.digits)

    response = await ask(service, SHE, token=token)

    _, record = service.records()
    assert response.status_code == 403
    assert response.json()["type"] == "urn:problem-type:inburgering:tokensoort"
    assert (record["outcome"], record["reasonCode"]) == ("denied", "scope")
    assert (record["organisation"], record.get("subject")) == (CITY, None)


async def test_refuses_a_citizen_who_speaks_for_a_body(service: Service) -> None:
    issuer, now = service.issuer, service.clock.now
    issuer.profile = issuer.citizen_profile
    token = issuer.issue(CITY, "toepassing", [], now, subject=SHE.digits)

    response = await ask(service, SHE, token=token)

    assert response.status_code == 401
    [record] = service.records()
    assert record["reasonCode"] == "unauthenticated"


async def test_refuses_a_citizen_who_names_a_sender(service: Service) -> None:
    known_to_both(service, SHE)
    await service.dossier(CITY, SHE)

    response = await ask(service, SHE, **{"X-Magda-Sender-ID": CITY})

    assert response.status_code == 403
    assert response.json()["type"] == "urn:problem-type:inburgering:afzender"
    assert service.records()[-1]["reasonCode"] == "sender"


@pytest.mark.parametrize("operation", [name for name, door in DOORS.items() if not door.citizen])
async def test_no_other_door_opens_to_a_citizen(shared: Service, operation: str) -> None:
    door = DOORS[operation]
    token = shared.issuer.issue_citizen(RESIDENT_WITH_CERTIFICATE, shared.clock.now)
    headers = {"Authorization": f"Bearer {token}", USER: "zijzelf"}

    response = await shared.client.request(
        door.method, path_of(door), headers=headers, json=example_for(door)
    )

    record = shared.records()[-1]
    assert response.status_code == 403, response.text
    assert response.json()["type"] == "urn:problem-type:inburgering:tokensoort"
    assert response.json()["instance"] == f"urn:uuid:{record['eventId']}"
    assert (record["operation"], record["route"]) == (door.operation, door.route)
    assert (record["outcome"], record["status"]) == ("denied", 403)
    assert (record["reasonCode"], record["client"]) == ("scope", "burgerportaal")
    key = shared.office.keys.at(NOW)
    assert record["subject"] == key.hide("subject", RESIDENT_WITH_CERTIFICATE.digits)
    assert "organisation" not in record
    assert not {"protocol", "deliveredFields", "responseDigest"} & record.keys()


def path_of(door: Door[Any]) -> str:
    """An address of the door; `/log` stands beside the contract."""
    if door.route.startswith("/log"):
        return door.route.replace("{N}", "000.p/1")
    return BASE + door.route.replace("{toegangId}", GUID).replace("{lijstId}", GUID)


def example_for(door: Door[Any]) -> Any:
    """A body that the door takes."""
    if door.body is None:
        return None
    content = PROMISES[door.operation].definition["requestBody"]["content"]["application/json"]
    [example, *_] = content["examples"].values()
    return reference.resolve(example)["value"]


def test_the_doors_are_those_of_every_recorded_operation() -> None:
    recorded = {name for name, promise in PROMISES.items() if promise.recorded}

    assert recorded <= DOORS.keys()
    assert [name for name, door in DOORS.items() if door.citizen] == ["listMijnRaadplegingen"]


@pytest.mark.parametrize("organisation", [CITY, FUND, AUDITOR])
async def test_opens_to_no_organisation(shared: Service, organisation: str) -> None:
    response = await shared.ask(organisation, PATH)

    record = shared.records()[-1]
    assert response.status_code == 403
    assert response.json()["type"] == "urn:problem-type:inburgering:tokensoort"
    assert response.json()["instance"] == f"urn:uuid:{record['eventId']}"
    assert (record["operation"], record["organisation"]) == ("listMijnRaadplegingen", organisation)
    assert (record["outcome"], record["reasonCode"]) == ("denied", "scope")


async def test_the_rate_limit_holds_for_the_portal(service: Service) -> None:
    gate = service.app.state.desk.gate
    gate.settings = replace(gate.settings, rate_limit=1)

    first, second = await ask(service, SHE), await ask(service, SOMEBODY)

    assert (first.status_code, second.status_code) == (200, 429)
    assert service.records()[-1]["client"] == "burgerportaal"


@pytest.fixture
async def production(own_folder: Path) -> AsyncIterator[Service]:
    """Production, with an issuer for citizens beside the one for organisations."""
    made = make_production(own_folder, persons=1)
    file = own_folder / "issuers.json"
    [bodies] = json.loads(file.read_text())["issuers"]
    citizens = {**bodies, "issuer": "https://login.example/burgers", "insz_claim": "sub"}
    file.write_text(json.dumps({"issuers": [bodies, citizens]}))
    made.issuer.citizen_profile = replace(
        made.issuer.citizen_profile, issuer="https://login.example/burgers"
    )
    restarted = made.restart()
    yield restarted
    await made.close()
    await restarted.close()


async def test_production_knows_citizens_by_their_issuer_and_takes_no_test_number(
    production: Service,
) -> None:
    add_resident(production, SHE)
    await production.dossier(CITY, SHE)

    real, test = await ask(production, SHE), await ask(production, RESIDENT_WITH_CERTIFICATE)

    assert (real.status_code, test.status_code) == (200, 401)
    assert [item["organisatie"] for item in real.json()["items"]] == [CITY]
    assert production.records()[-1]["reasonCode"] == "unauthenticated"


async def test_production_takes_no_token_of_the_demo(production: Service) -> None:
    issuer = production.issuer
    issuer.citizen_profile = replace(
        issuer.citizen_profile, issuer="https://burger.demo.protocolpoort.invalid"
    )

    assert (await ask(production, SHE)).status_code == 401


# Month keys


async def test_what_lies_in_a_month_without_key_is_nobodys_any_more(service: Service) -> None:
    add_resident(service, SHE)
    await service.dossier(CITY, SHE)
    service.clock.forward(days=30)
    await service.dossier(CITY, SHE)
    assert len(await mine(service, SHE)) == 2

    (Path("month-keys") / "2026-06.key").unlink()

    assert moments(await mine(service, SHE)) == ["2026-07-01T09:30:00.000Z"]


async def test_a_month_key_that_cannot_be_read_gives_no_page_that_seems_whole(
    service: Service,
) -> None:
    add_resident(service, SHE)
    await service.dossier(CITY, SHE)
    service.clock.forward(days=30)
    await service.dossier(CITY, SHE)
    (Path("month-keys") / "2026-06.key").write_text("geen sleutel")

    response = await ask(service, SHE)

    record = service.records()[-1]
    assert response.status_code == 500
    assert "items" not in response.json()
    assert (record["operation"], record["outcome"]) == ("listMijnRaadplegingen", "error")
    assert record["subject"] == service.office.keys.at(service.clock.now).hide(
        "subject", SHE.digits
    )


# Her number


async def test_her_number_stands_nowhere_in_the_clear(
    service: Service, capfd: pytest.CaptureFixture[str], caplog: pytest.LogCaptureFixture
) -> None:
    numbers = (SHE.digits, OLDER.digits)
    add_resident(service, SHE, vorigeInsz=[OLDER.digits])
    await service.dossier(CITY, SHE)
    answers = [
        await ask(service, SHE),
        await ask(service, OLDER, "?cursor=x"),
        await ask(service, SHE, **{"X-Magda-Sender-ID": SHE.digits}),
        await ask(service, SHE, token="a.b.c"),
    ]
    with closed_log(service):
        answers.append(await ask(service, SHE))
    execute(service, "DROP TABLE replaced_number")
    answers.append(await ask(service, SHE))

    assert [answer.status_code for answer in answers] == [200, 400, 400, 401, 503, 500]
    told = [*capfd.readouterr(), caplog.text, *(answer.text for answer in answers)]
    told += [str(answer.headers) for answer in answers]
    told += [json.dumps(record) for record in service.records()]
    assert [text for text in told for number in numbers if number in text] == []


async def test_a_member_of_a_fund_is_not_told_how_the_advice_ended(service: Service) -> None:
    answer = await service.advice(FUND, MEMBER_NOK)
    assert answer.json()["advice"] == "NOK"

    [item] = await mine(service, MEMBER_NOK)

    assert item.keys() == {
        *("organisatie", "namens", "tijdstip", "doeleinde", "dienst", "protocol"),
    }
