"""Articles 6, 7 and 9 of the protocols, as the bodies that signed them live through them."""

from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from service import (
    AVSB,
    CITY,
    FUND,
    GENK,
    NOTICES,
    OTHER_FUND,
    REPORT,
    Service,
    add_person,
    insz_of,
)
from texts import CARE_BUDGET, LOCAL, MECHELEN, PILOT, WETTEREN

from app import answering
from app.notice_rules import IncidentState, Outcome

NOW = datetime(2026, 6, 1, 9, 30, tzinfo=UTC)
OLD, NEW = insz_of("850730001"), insz_of("850730002")
FIELD = "attest.inburgeringBehaald"
CERTIFICATE = {"soort": "ATTEST", "type": "AI023", "datumOndertekening": "2021-05-31"}
DOSSIER = {"personalia": {"insz": NEW.digits}, "behaaldeAttesten": [CERTIFICATE]}


async def told(service: Service, organisation: str) -> list[dict[str, Any]]:
    """What an organisation is told, oldest first."""
    page = await service.ask(organisation, "/meldingen", scopes=(NOTICES,))
    assert page.status_code == 200, page.text
    assert not [one for one in (OLD, NEW) if one.digits in page.text]
    items = page.json()["items"]
    return [item["kennisgeving"] for item in items[::-1] if item["type"] == "kennisgeving"]


async def incident(service: Service, organisation: str, **body: Any) -> dict[str, Any]:
    """The answer to a report of an incident."""
    report = {"soort": "incident", "omschrijving": "een gestolen sleutel", "referte": "i", **body}
    answer = await service.ask(organisation, "/meldingen/incidenten", report, scopes=(REPORT,))
    assert answer.status_code == 201, answer.text
    given: dict[str, Any] = answer.json()
    return given


async def test_a_wrong_value_is_put_right_for_everybody_who_had_it(
    service_on_each: Service,
) -> None:
    service = service_on_each
    # The city knows her by her number of before; she moved to Genk since and has another one.
    add_person(
        service,
        {"insz": OLD.digits, "woonplaatsen": [{"nis": "99001", "van": "2020-01-01"}]},
        {**DOSSIER, "personalia": {"insz": OLD.digits}},
    )
    of_city = (await service.dossier(CITY, OLD)).json()["id"]
    service.clock.forward(days=30)
    service.office.keys.create(service.clock.now, months=2)
    home = {"nis": "71016", "van": "2026-06-15", "tot": None}
    line = {"insz": NEW.digits, "vorigeInsz": [OLD.digits], "woonplaatsen": [home]}
    add_person(service, {**line, "lidmaatschappen": []}, DOSSIER)
    first = (await service.dossier(GENK, NEW)).json()
    again = (await service.dossier(GENK, NEW)).json()["id"]
    assert first["dossier"]["attest"]["inburgeringBehaald"] is True

    # Genk finds that the certificate is somebody else's, and reports it (art. 7).
    report = {
        "toegangId": first["id"],
        "soort": "foutief",
        "veld": FIELD,
        "toelichting": "het attest is dat van haar zus",
        "vastgesteldOp": "2026-07-01",
        "referte": "genk-7",
    }
    path = "/meldingen/gegevenskwaliteit"
    taken = await service.ask(GENK, path, report, scopes=(REPORT,))
    assert taken.status_code == 201, taken.text
    assert taken.json()["uiterlijkOp"] == "2026-07-15"
    assert await told(service, CITY) == []

    # The agency looks into it and finds it wrong.
    service.clock.forward(days=3)
    named = answering.answer(
        service.office, taken.json()["id"], Outcome.CORRECTED, "losgekoppeld", service.clock.now
    )
    assert named == [GENK, CITY]
    with pytest.raises(answering.NoticeRefused):
        answering.answer(
            service.office, taken.json()["id"], Outcome.CORRECTED, "nog eens", service.clock.now
        )

    # Both learn it, once, and about their own records alone.
    [genk] = await told(service, GENK)
    [city] = await told(service, CITY)
    happened = {"soort": "correctie", "op": "2026-07-04T09:30:00.000Z", "veld": FIELD}
    happened |= {"gegevensfout": "foutief", "uitkomst": "gecorrigeerd"}
    assert city == {**happened, "toegangIds": [of_city]}
    own = {"melding": taken.json()["id"], "antwoord": "losgekoppeld"}
    assert genk == {**happened, "toegangIds": [first["id"], again], **own}
    for other in (FUND, OTHER_FUND, AVSB):
        assert await told(service, other) == []
    # And it is in the log, of the person as she is known now.
    key = service.office.keys.at(service.clock.now)
    notified = [each for each in service.records() if each["operation"] == "noticeNotify"]
    assert [each["organisation"] for each in notified] == [GENK, CITY]
    assert {key.reveal("subject", each["subject"]) for each in notified} == {NEW.digits}


@pytest.mark.parametrize(
    ("organisation", "purpose", "hours"),
    [(GENK, LOCAL, 24), (AVSB, CARE_BUDGET, 24), (MECHELEN, PILOT, 48), (WETTEREN, PILOT, 48)],
)
async def test_an_incident_has_the_hours_of_its_protocol(
    service: Service, organisation: str, purpose: str, hours: int
) -> None:
    found = service.clock.now
    body = {"doeleinde": purpose, "vastgesteldOp": "2026-06-01T09:30:00Z"}

    service.clock.now = found + timedelta(hours=hours)
    in_time = await incident(service, organisation, **body)
    service.clock.forward(seconds=1)
    late = await incident(service, organisation, **body)

    assert [(each["termijnUren"], each["opTijd"]) for each in (in_time, late)] == [
        (hours, True),
        (hours, False),
    ]
    assert in_time["verplicht"] is True
    assert in_time["teVerwittigen"][0]["partij"] == "Agentschap Integratie en Inburgering"


@pytest.mark.parametrize(
    ("organisation", "purpose", "obliged"),
    [(GENK, LOCAL, True), (AVSB, CARE_BUDGET, True), (MECHELEN, PILOT, False)],
)
async def test_an_attempt_is_taken_and_only_some_texts_oblige_it(
    service: Service, organisation: str, purpose: str, obliged: bool
) -> None:
    body = {"doeleinde": purpose, "vastgesteldOp": "2026-06-01T09:00:00Z", "soort": "poging"}

    taken = await incident(service, organisation, **body)

    assert taken["verplicht"] is obliged
    assert ("uiterlijkOp" in taken) is obliged


async def test_vdab_reports_without_hours(service: Service) -> None:
    taken = await incident(
        service, "0887010362", protocol="vdab-2023", vastgesteldOp="2026-05-01T09:00:00Z"
    )

    assert taken["verplicht"] is True
    assert not {"termijnUren", "uiterlijkOp", "opTijd"} & taken.keys()


async def test_an_incident_is_followed_until_it_is_closed(service: Service) -> None:
    body = {"doeleinde": LOCAL, "vastgesteldOp": "2026-06-01T09:00:00Z"}
    taken = await incident(service, GENK, **body)

    for state in (IncidentState.EXAMINED, IncidentState.CLOSED):
        answering.go_on(service.office, taken["id"], state, "sleutel vervangen", NOW)

    [closed] = await told(service, GENK)
    assert closed["soort"] == "incidentGesloten"
    assert closed["incident"]["opvolging"] == "sleutel vervangen"
