"""`/meldingen`: what a receiver reports and is told, and nothing of anybody else's."""

import json
from typing import Any

import httpx
import pytest
import variants
from service import (
    ADVICE,
    CITY,
    FUND,
    GENK,
    NOTICES,
    NOW,
    OTHER_FUND,
    PARTICIPANTS,
    PROTOCOLS,
    REPORT,
    VILLAGE,
    Service,
    add_resident,
    closed_log,
    execute,
    insz_of,
)

from app import administration, answering, documents
from app.demo_persons import MEMBER_NOK, NON_RESIDENT, RESIDENT_WITH_CERTIFICATE
from app.notice_rules import Outcome
from app.reporting import PAGE

FIELD = "attest.inburgeringBehaald"
NOBODYS = "0192f3a1-af71-7e8d-a062-5e91318fbd44"


async def report(
    service: Service, access_id: str, organisation: str = CITY, **body: Any
) -> httpx.Response:
    """A report of a wrong value; a part that is None is left out."""
    whole = {
        "toegangId": access_id,
        "soort": "foutief",
        "veld": FIELD,
        "toelichting": "zij toonde een ander attest",
        "vastgesteldOp": "2026-06-01",
        "referte": "melding-1",
        **body,
    }
    given = {name: value for name, value in whole.items() if value is not None}
    path = "/meldingen/gegevenskwaliteit"
    return await service.ask(organisation, path, given, scopes=(REPORT,))


async def incident(service: Service, organisation: str = CITY, **body: Any) -> httpx.Response:
    """A report of an incident; a part that is None is left out."""
    whole = {
        "doeleinde": "lokaalIntegratiebeleid",
        "soort": "incident",
        "vastgesteldOp": "2026-06-01T08:00:00Z",
        "omschrijving": "een gestolen sleutel",
        "referte": "melding-2",
        **body,
    }
    given = {name: value for name, value in whole.items() if value is not None}
    return await service.ask(organisation, "/meldingen/incidenten", given, scopes=(REPORT,))


async def reports(service: Service, organisation: str = CITY, query: str = "") -> dict[str, Any]:
    """A page of what an organisation reported and was told."""
    answer = await service.ask(organisation, f"/meldingen{query}", scopes=(NOTICES,))
    assert answer.status_code == 200, answer.text
    page: dict[str, Any] = answer.json()
    return page


async def dossier(service: Service) -> str:
    """The id of a dossier that the city got."""
    answer = await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
    return str(answer.json()["id"])


def issue_of(answer: httpx.Response) -> tuple[int, str | None, str]:
    """Status, place and MAGDA code of a refused input."""
    [issue] = answer.json()["issues"]
    [exception] = answer.json()["uitzonderingen"]
    return answer.status_code, issue.get("name"), exception["identificatie"]


def numbered(service: Service) -> bool:
    """Whether a table of reports holds anybody's number."""
    with service.office.database.reading() as session:
        rows = [
            str(row)
            for table in ("notice", "incident", "notification")
            for row in session.connection().exec_driver_sql(f"SELECT * FROM {table}")  # noqa: S608
        ]
    numbers = (RESIDENT_WITH_CERTIFICATE, MEMBER_NOK, NON_RESIDENT)
    return any(insz.digits in row for insz in numbers for row in rows)


# Wrong data


async def test_takes_a_report_of_a_wrong_value(service_on_each: Service) -> None:
    service = service_on_each
    access_id = await dossier(service)

    answer = await report(service, access_id.upper())

    body = answer.json()
    assert answer.status_code == 201, answer.text
    assert body == {
        "id": body["id"],
        "toegangId": access_id,
        "soort": "foutief",
        "veld": FIELD,
        "toelichting": "zij toonde een ander attest",
        "vastgesteldOp": "2026-06-01",
        "referte": "melding-1",
        "protocol": body["protocol"],
        "ontvangenOp": "2026-06-01T09:30:00.000Z",
        "toestand": "ontvangen",
        "uiterlijkOp": "2026-06-15",
    }
    assert body["protocol"]["id"] == "voorbeeldstad-2026"
    page = await reports(service)
    assert page == {
        "items": [{"id": body["id"], "type": "gegevenskwaliteit", "gegevenskwaliteit": body}]
    }
    assert not numbered(service)


async def test_a_report_is_a_record_about_the_person(service: Service) -> None:
    access_id = await dossier(service)

    answer = await report(service, access_id)

    record = service.records()[-1]
    key = service.office.keys.at(NOW)
    assert record["eventId"] == answer.json()["id"]
    assert (record["type"], record["operation"]) == ("notice", "createMeldingGegevenskwaliteit")
    assert (record["status"], record["outcome"], record["parentId"]) == (201, "allowed", access_id)
    assert record["subject"] == key.hide("subject", RESIDENT_WITH_CERTIFICATE.digits)
    assert (record["protocol"], record["requestedFields"]) == ("voorbeeldstad-2026", [FIELD])
    assert record["reference"] == "melding-1"
    assert record["responseDigest"] == key.digest(record["eventId"], answer.content)
    assert "deliveredFields" not in record


async def test_nothing_is_stored_without_its_record(service_on_each: Service) -> None:
    access_id = await dossier(service_on_each)

    with closed_log(service_on_each):
        answers = [await report(service_on_each, access_id), await incident(service_on_each)]

    assert [answer.status_code for answer in answers] == [503, 503]
    assert (await reports(service_on_each))["items"] == []


async def test_nothing_is_recorded_that_cannot_be_stored(service: Service) -> None:
    access_id = await dossier(service)
    execute(
        service,
        "CREATE TRIGGER full BEFORE INSERT ON notice BEGIN SELECT RAISE(ABORT, 'full'); END",
    )

    answer = await report(service, access_id)

    assert answer.status_code == 503
    assert [record["operation"] for record in service.records()] == ["queryDossier"]


async def test_a_report_is_no_consultation_of_the_person(service: Service) -> None:
    await report(service, await dossier(service))

    token = service.issuer.issue_citizen(RESIDENT_WITH_CERTIFICATE, service.clock.now)
    headers = {"Authorization": f"Bearer {token}", "X-Magda-Enduser-ID": ""}
    seen = await service.ask("", "/mijnRaadplegingen", headers=headers)

    assert [item["dienst"] for item in seen.json()["items"]] == ["queryDossier"]


@pytest.mark.parametrize(
    "which", ["unknown", "another's", "refused", "of the batch", "no answer", "destroyed"]
)
async def test_whatever_is_no_answer_to_this_organisation_looks_the_same(
    service: Service, which: str
) -> None:
    batch = {
        "doeleinde": "lokaalIntegratiebeleid",
        "referte": "b",
        "vragen": [{"insz": RESIDENT_WITH_CERTIFICATE.digits, "referte": "1"}],
    }
    ids = {
        "unknown": NOBODYS,
        "another's": (await service.advice(FUND, MEMBER_NOK)).json()["id"],
        "refused": (await service.dossier(CITY, NON_RESIDENT)).json()["instance"][9:],
        "of the batch": (await service.ask(CITY, "/dossiers/queryBatch", batch)).json()["id"],
        "no answer": (await reports(service), service.records()[-1]["eventId"])[1],
        "destroyed": await dossier(service),
    }
    if which == "destroyed":
        service.clock.forward(days=30)
        service.office.keys.destroy("2026-06")

    answer = await report(service, ids[which])

    record = service.records()[-1]
    problem = {**answer.json(), "instance": ""}
    expected = {
        "type": "urn:problem-type:belgif:resourceNotFound",
        "href": "https://www.belgif.be/specification/rest/api-guide/problems/resourceNotFound.html",
        "title": "Resource Not Found",
        "status": 404,
        "instance": "",
        "uitzonderingen": [
            {
                "identificatie": "30001",
                "oorsprong": "MAGDA",
                "type": "FOUT",
                "diagnose": "Geen gegevens gevonden voor de vraag",
            }
        ],
    }
    assert (answer.status_code, problem) == (404, expected)
    assert (record["outcome"], record["reasonCode"]) == ("notFound", "notFound")
    assert not {"subject", "parentId", "protocol"} & record.keys()


async def test_each_person_of_a_batch_and_of_a_page_can_be_reported(service: Service) -> None:
    batch = {
        "doeleinde": "lokaalIntegratiebeleid",
        "referte": "b",
        "vragen": [{"insz": RESIDENT_WITH_CERTIFICATE.digits, "referte": "1"}],
    }
    told = (await service.ask(CITY, "/dossiers/queryBatch", batch)).json()
    asked = {"doeleinde": "proeftuinParticipatie", "referte": "p"}
    page = await service.ask(VILLAGE, "/deelnemers/query", asked, scopes=(PARTICIPANTS,))

    of_batch = await report(service, told["items"][0]["antwoord"]["id"])
    of_page = await report(
        service, page.json()["items"][0]["id"], VILLAGE, veld="contact.voornaam", soort="verouderd"
    )

    assert (of_batch.status_code, of_page.status_code) == (201, 201)


async def test_an_advice_is_contested_without_a_field(service: Service) -> None:
    given = (await service.advice(FUND, MEMBER_NOK)).json()["id"]
    vragen = [{"insz": MEMBER_NOK.digits, "referte": "1"}]
    asked = {
        "doeleinde": "zorgbudgetZwaarZorgbehoevenden",
        "toetsdatum": "2026-05-31",
        "referte": "b",
        "vragen": vragen,
    }
    batch = await service.ask(FUND, "/adviezen/queryBatch", asked, scopes=(ADVICE,))
    of_batch = batch.json()["items"][0]["antwoord"]["id"]

    answers = [
        await report(service, id_, FUND, soort="betwistAdvies", veld=None)
        for id_ in (given, of_batch)
    ]

    assert [answer.status_code for answer in answers] == [201, 201]
    assert answers[0].json()["uiterlijkOp"] == "2026-06-15"
    assert "veld" not in answers[0].json()


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ({"veld": None}, (400, "veld", "10001")),
        ({"veld": "trajecten[].id"}, (400, "veld", "10001")),
        ({"veld": "x"}, (400, "veld", "10001")),
        ({"veld": "contact"}, (400, "veld", "10001")),
        ({"soort": "betwistAdvies"}, (400, "soort", "10001")),
        ({"soort": "fout"}, (400, "soort", "10001")),
        ({"toelichting": ""}, (400, "toelichting", "10001")),
        ({"toelichting": "x" * 1001}, (400, "toelichting", "10001")),
        ({"toelichting": "zij is 90.72.25-014.78"}, (400, "toelichting", "10001")),
        ({"referte": None}, (400, "referte", "10001")),
        ({"toegangId": "1"}, (400, "toegangId", "10001")),
        ({"vastgesteldOp": "2026-06-02"}, (400, "vastgesteldOp", "20006")),
        ({"vastgesteldOp": "2026-05-31"}, (400, "vastgesteldOp", "20006")),
    ],
)
async def test_a_report_that_does_not_fit_is_refused(
    service: Service, body: dict[str, Any], refused: tuple[int, str, str]
) -> None:
    access_id = await dossier(service)

    answer = await report(service, access_id, **body)

    assert issue_of(answer) == refused
    assert service.records()[-1]["outcome"] == "invalid"
    assert "90722501478" not in json.dumps(service.records())
    assert (await reports(service))["items"] == []


async def test_what_was_asked_and_not_there_can_be_reported_missing(service: Service) -> None:
    resident = insz_of("850730003")
    add_resident(service, resident)
    access_id = (await service.dossier(CITY, resident)).json()["id"]

    missing = await report(service, access_id, soort="ontbrekend", veld="contact.email")
    wrong = await report(service, access_id, veld="contact.email")

    assert (missing.status_code, wrong.status_code) == (201, 400)


async def test_data_of_a_protocol_that_is_over_can_be_reported(service: Service) -> None:
    from_before = await dossier(service)
    administration.suspend(service.office, "voorbeeldstad-2026", "onderzoek", NOW)

    answer = await report(service, from_before)

    assert answer.status_code == 201


# What is told


async def test_nobody_sees_the_reports_of_another(service_on_each: Service) -> None:
    service = service_on_each
    await report(service, await dossier(service))
    await incident(service)

    pages = [await reports(service, other) for other in (FUND, GENK, "nergens")]

    assert pages == [{"items": []}] * 3
    assert len((await reports(service))["items"]) == 2


async def test_pages_hold_everything_once_newest_first(service_on_each: Service) -> None:
    service = service_on_each
    access_id = await dossier(service)
    made = []
    for number in range(PAGE + 3):
        service.clock.forward(seconds=1)
        answer = await (
            report(service, access_id, referte=f"m-{number}") if number % 2 else incident(service)
        )
        made.append(answer.json()["id"])

    first = await reports(service)
    second = await reports(service, query=f"?cursor={first['next']}")

    seen = [item["id"] for page in (first, second) for item in page["items"]]
    assert seen == made[::-1]
    assert (len(first["items"]), "next" in second) == (PAGE, False)
    assert {item["type"] for item in second["items"]} == {"gegevenskwaliteit", "incident"}


async def test_a_cursor_is_good_for_its_organisation_and_month_alone(service: Service) -> None:
    access_id = await dossier(service)
    for number in range(PAGE + 1):
        service.clock.forward(seconds=1)
        await report(service, access_id, referte=f"m-{number}")
    cursor = (await reports(service))["next"]

    another = await service.ask(FUND, f"/meldingen?cursor={cursor}", scopes=(NOTICES,))
    forged = await service.ask(CITY, "/meldingen?cursor=abc", scopes=(NOTICES,))
    twice = await service.ask(CITY, f"/meldingen?cursor={cursor}&cursor=a", scopes=(NOTICES,))
    service.clock.forward(days=30)
    later = await service.ask(CITY, f"/meldingen?cursor={cursor}", scopes=(NOTICES,))

    refused = (400, "cursor", "10001")
    assert [issue_of(each) for each in (another, forged, twice, later)] == [refused] * 4


async def test_what_is_told_counts_as_fetched_once_it_is_recorded(service_on_each: Service) -> None:
    service = service_on_each
    made = (await report(service, await dossier(service))).json()["id"]
    service.clock.forward(seconds=1)
    answering.answer(service.office, made, Outcome.CONFIRMED, "klopt", service.clock.now)

    with closed_log(service):
        failed = await service.ask(CITY, "/meldingen", scopes=(NOTICES,))
    unseen = fetched(service)
    page = await reports(service)

    assert (failed.status_code, unseen) == (503, [None])
    told = page["items"][0]["kennisgeving"]
    assert (told["soort"], told["melding"], told["antwoord"]) == ("antwoord", made, "klopt")
    record, part = service.records()[-2:]
    id_ = page["items"][0]["id"]
    assert (record["type"], record["operation"]) == ("notice", "listMeldingen")
    assert record["counts"] == {"notices": 2, "fetched": 1}
    assert (part["type"], part["parentId"], part["organisation"]) == ("notice", id_, CITY)
    first = fetched(service)
    assert len(first) == 1
    assert first != [None]
    # Whoever fetches it again finds it there, and it was fetched once.
    service.clock.forward(days=1)
    assert (await reports(service))["items"] == page["items"]
    assert service.records()[-1]["counts"] == {"notices": 2, "fetched": 0}
    assert fetched(service) == first


def fetched(service: Service) -> list[Any]:
    """When each notification was fetched."""
    with service.office.database.reading() as session:
        rows = session.connection().exec_driver_sql("SELECT fetched_at FROM notification")
        return [row[0] for row in rows]


# Municipalities that merge


SUCCESSOR = "nis:99005"  # of Genk, under no protocol of its own


async def of_genk(service: Service) -> str:
    """The id of a dossier that Genk got before it merged."""
    resident = insz_of("850730003")
    add_resident(service, resident, "71016")
    return str((await service.dossier(GENK, resident)).json()["id"])


async def filed(service: Service) -> list[dict[str, Any]]:
    """What Genk reported and was told before it merged, newest first."""
    made = await report(service, await of_genk(service), GENK, soort="ontbrekend")
    assert made.status_code == 201, made.text
    service.clock.forward(seconds=1)
    assert (await incident(service, GENK)).status_code == 201
    service.clock.forward(seconds=1)
    id_ = made.json()["id"]
    answering.answer(service.office, id_, Outcome.CORRECTED, "klopt niet", service.clock.now)
    page = await reports(service, GENK)
    found: list[dict[str, Any]] = page["items"]
    return found


async def test_a_municipality_finds_what_was_filed_under_a_code_that_went_on_in_it(
    service_on_each: Service,
) -> None:
    service = service_on_each
    await report(service, await dossier(service))
    before = await filed(service)
    variants.load(service, variants.merged("71016", "99005", "2026-06-02"))
    too_early = await reports(service, SUCCESSOR)
    service.clock.forward(days=1)

    pages = [await reports(service, each) for each in (SUCCESSOR, GENK, "nis:99006", CITY)]

    kinds = [item["type"] for item in before]
    assert kinds == ["kennisgeving", "incident", "gegevenskwaliteit"]
    assert before[0]["kennisgeving"]["melding"] == before[2]["id"]
    assert too_early == {"items": []}
    assert [page["items"] for page in pages[:3]] == [before, before, []]
    assert len(pages[3]["items"]) == 1
    record = service.records()[-4]
    assert (record["organisation"], record["counts"]) == (SUCCESSOR, {"notices": 3, "fetched": 0})


async def test_what_a_successor_reads_counts_as_fetched_by_it(service_on_each: Service) -> None:
    service = service_on_each
    made = await report(service, await of_genk(service), GENK, soort="ontbrekend")
    answering.answer(service.office, made.json()["id"], Outcome.CONFIRMED, "ja", NOW)
    variants.load(service, variants.merged("71016", "99005"))

    page = await reports(service, SUCCESSOR)

    ids = {item["id"] for item in page["items"] if item["type"] == "kennisgeving"}
    part = service.records()[-1]
    assert ({part["parentId"]}, part["organisation"]) == (ids, SUCCESSOR)
    assert fetched(service) != [None]


async def test_after_a_split_nobody_finds_what_was_filed_before(service: Service) -> None:
    before = await filed(service)
    variants.load(service, variants.merged("71016", "99005", kind="splitsing"))

    assert (await reports(service, SUCCESSOR))["items"] == []
    assert (await reports(service, GENK))["items"] == before


async def test_pages_of_a_successor_hold_everything_once(service: Service) -> None:
    variants.load(service, variants.merged("71016", "99005"))
    access_id = await of_genk(service)
    made = []
    for number in range(PAGE + 3):
        service.clock.forward(seconds=1)
        by = (GENK, SUCCESSOR)[number % 2]
        answer = await report(service, access_id, by, soort="ontbrekend", referte=f"m-{number}")
        made.append(answer.json()["id"])

    first = await reports(service, SUCCESSOR)
    second = await reports(service, SUCCESSOR, f"?cursor={first['next']}")

    assert [item["id"] for page in (first, second) for item in page["items"]] == made[::-1]


async def test_a_successor_reports_what_its_predecessor_received_and_hears_it_once(
    service_on_each: Service,
) -> None:
    service = service_on_each
    access_id = await of_genk(service)
    refused = await report(service, access_id, SUCCESSOR, soort="ontbrekend")
    variants.load(service, variants.merged("71016", "99005"))

    made = await report(service, access_id, SUCCESSOR, soort="ontbrekend")
    another = await report(service, access_id, CITY, soort="ontbrekend")
    id_ = made.json()["id"]
    answering.answer(service.office, id_, Outcome.CORRECTED, "klopt niet", service.clock.now)

    assert [answer.status_code for answer in (refused, made, another)] == [404, 201, 404]
    assert service.records()[-4]["organisation"] == SUCCESSOR
    told = [
        item["kennisgeving"]
        for item in (await reports(service, SUCCESSOR))["items"]
        if item["type"] == "kennisgeving"
    ]
    assert [(one["toegangIds"], one["melding"]) for one in told] == [([access_id], id_)]


@pytest.mark.parametrize(
    "body", [{}, {"doeleinde": None, "protocol": "genk-2021"}], ids=["purpose", "protocol"]
)
async def test_a_successor_reports_an_incident_under_the_agreement_of_its_predecessor(
    service: Service, body: dict[str, Any]
) -> None:
    refused = await incident(service, SUCCESSOR, **body)
    variants.load(service, variants.merged("71016", "99005"))

    made = await incident(service, SUCCESSOR, **body)

    assert (refused.status_code, made.status_code) == (403, 201)
    assert made.json()["protocol"]["id"] == "genk-2021"
    [item] = (await reports(service, SUCCESSOR))["items"]
    assert item["incident"] == made.json()
    assert (await reports(service, GENK))["items"] == []


async def test_a_successor_reports_under_what_only_the_log_knows_any_more(
    service: Service,
) -> None:
    given = await of_genk(service)
    [record] = [one for one in service.records() if one["eventId"] == given]
    text = documents.as_data(documents.parse((PROTOCOLS / "genk-2021.yaml").read_text()))
    purposes = [{**each, "code": f"anders{at}"} for at, each in enumerate(text["doeleinden"])]
    after = {**text, "versie": "2", "geldigVan": "2026-06-01", "doeleinden": purposes}
    variants.load(service, documents.from_data(after))
    refused = await incident(service, SUCCESSOR)
    variants.load(service, variants.merged("71016", "99005"))

    made = await incident(service, SUCCESSOR)

    assert refused.status_code == 403
    assert made.status_code == 201, made.text
    assert made.json()["protocol"]["hash"] == record["protocolHash"]


# Incidents


async def test_takes_an_incident_and_says_whether_it_is_in_time(service_on_each: Service) -> None:
    service = service_on_each
    about = {"client": "stad-app", "van": "2026-05-30T00:00:00Z", "tot": "2026-06-01T08:00:00Z"}

    answer = await incident(service, **about)

    body = answer.json()
    assert answer.status_code == 201, answer.text
    assert (body["verplicht"], body["termijnUren"], body["opTijd"]) == (True, 24, True)
    assert body["uiterlijkOp"] == "2026-06-02T08:00:00.000Z"
    assert (body["toestand"], body["gemeldDoor"], body["client"]) == (
        "gemeld",
        "afnemer",
        "stad-app",
    )
    assert {"partij": "Voorbeeldstad", "adres": "privacy@voorbeeldstad.example"} in body[
        "teVerwittigen"
    ]
    [item] = (await reports(service))["items"]
    assert item == {"id": body["id"], "type": "incident", "incident": body}
    record = service.records()[-2]
    assert (record["type"], record["status"]) == ("notice", 201)
    assert (record["protocol"], record["purpose"]) == (
        "voorbeeldstad-2026",
        "lokaalIntegratiebeleid",
    )


async def test_who_reports_too_late_is_told_so(service: Service) -> None:
    service.clock.forward(hours=22, minutes=30, seconds=1)

    answer = await incident(service)

    assert answer.json()["opTijd"] is False


async def test_a_care_fund_reports_under_the_protocol_of_who_it_acts_for(service: Service) -> None:
    by_name = await incident(service, OTHER_FUND, doeleinde=None, protocol="avsb-2021")

    assert by_name.status_code == 201
    assert by_name.json()["protocol"]["id"] == "avsb-2021"


@pytest.mark.parametrize(
    ("body", "refused"),
    [
        ({"doeleinde": None}, (400, None, "10001")),
        ({"protocol": "voorbeeldstad-2026"}, (400, None, "10001")),
        ({"soort": "lek"}, (400, "soort", "10001")),
        ({"vastgesteldOp": "2026-06-01"}, (400, "vastgesteldOp", "10001")),
        ({"vastgesteldOp": "2026-06-01T09:31:01Z"}, (400, "vastgesteldOp", "20006")),
        ({"vastgesteldOp": "9999-12-31T23:30:00Z"}, (400, "vastgesteldOp", "20006")),
        ({"omschrijving": "   "}, (400, "omschrijving", "10001")),
        ({"omschrijving": "een\u2028lek"}, (400, "omschrijving", "10001")),
        ({"omschrijving": "een \u202elek"}, (400, "omschrijving", "10001")),
        ({"omschrijving": "van 90722501478"}, (400, "omschrijving", "10001")),
        ({"van": "2026-05-02T00:00:00Z", "tot": "2026-05-01T00:00:00Z"}, (400, "van", "10001")),
    ],
)
async def test_an_incident_that_is_not_well_formed_is_refused(
    service: Service, body: dict[str, Any], refused: tuple[int, str | None, str]
) -> None:
    answer = await incident(service, **body)

    assert issue_of(answer) == refused
    assert (await reports(service))["items"] == []


@pytest.mark.parametrize(
    "body",
    [
        {"doeleinde": "zorgbudgetZwaarZorgbehoevenden"},
        {"doeleinde": "x"},
        {"doeleinde": None, "protocol": "genk-2021"},
        {"doeleinde": None, "protocol": "x"},
    ],
)
async def test_without_an_agreement_there_is_nothing_to_report(
    service: Service, body: dict[str, Any]
) -> None:
    answer = await incident(service, **body)

    assert answer.status_code == 403
    assert answer.json()["type"] == "urn:problem-type:inburgering:geenProtocol"
    assert service.records()[-1]["reasonCode"] == "noProtocol"
