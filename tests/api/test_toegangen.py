"""`/toegangen`: who saw what, and that one looked."""

import json
from datetime import timedelta
from pathlib import Path
from typing import Any

from service import (
    AUDIT,
    AUDIT_OWN,
    AUDITOR,
    AVSB,
    BASE,
    CITY,
    DOSSIER,
    FUND,
    GENK,
    NOW,
    Service,
    add_person,
    add_resident,
    insz_of,
)

from app.demo_persons import MEMBER_NOK, NON_RESIDENT, RESIDENT_WITH_CERTIFICATE
from app.moments import rfc3339

SOMEBODY, OLD_NUMBER, UNKNOWN = (insz_of(f"85073000{serial}") for serial in (1, 2, 3))
WHY = "controle op vraag van de functionaris"
NO_RECORD = "00000000-0000-0000-0000-000000000000"


async def find(
    service: Service, *scopes: str, organisation: str = AUDITOR, **query: Any
) -> dict[str, Any]:
    response = await service.ask(
        organisation,
        "/toegangen/query",
        {"aanleiding": WHY, **query},
        scopes=scopes or (AUDIT,),
    )
    assert response.status_code == 200, response.text
    found: dict[str, Any] = response.json()
    return found


async def indexes(service: Service, *scopes: str, **query: Any) -> list[int]:
    found = await find(service, *scopes, **query)
    return [item["index"] for item in found["items"]]


async def some_history(service: Service) -> list[int]:
    """Six requests, a minute after each other; their indexes in the log."""
    for asked in (
        service.dossier(CITY, RESIDENT_WITH_CERTIFICATE, velden=["contact.email"]),
        service.dossier(CITY, NON_RESIDENT, referte="weigering"),
        service.advice(FUND, MEMBER_NOK),
        service.dossier(GENK, RESIDENT_WITH_CERTIFICATE, velden=["contact"]),
        service.ask(CITY, "/mijnToegang", headers={"X-Magda-Enduser-ID": "loket-2"}),
        service.ask(CITY, "/mijnToegang", headers={"Authorization": "", "X-Magda-Enduser-ID": ""}),
    ):
        await asked
        service.clock.forward(minutes=1)
    with service.office.database.reading() as session:
        rows = session.connection().exec_driver_sql(
            "SELECT log_index FROM access_record WHERE type <> 'admin' ORDER BY log_index"
        )
        return [row[0] for row in rows]


FILTERS: list[tuple[dict[str, str], list[int]]] = [
    ({"organisatie": CITY}, [4, 1, 0]),
    ({"organisatie": "onbekend"}, []),
    ({"protocol": "voorbeeldstad-2026"}, [1, 0]),
    ({"doeleinde": "lokaalIntegratiebeleid"}, [3, 1, 0]),
    ({"functieprofiel": "trajectondersteuner"}, [4, 3, 2, 1, 0]),
    ({"insz": RESIDENT_WITH_CERTIFICATE.digits}, [3, 0]),
    ({"insz": SOMEBODY.digits}, []),
    ({"gebruiker": "loket-2"}, [4]),
    ({"gebruiker": "ambtenaar-7"}, [3, 2, 1, 0]),
    ({"veld": "contact.email"}, [3, 0]),
    ({"veld": "contact.telefoon"}, [3]),
    ({"veld": "contact"}, [3, 0]),
    ({"uitkomst": "allowed"}, [4, 2, 0]),
    ({"uitkomst": "denied"}, [5, 3, 1]),
    ({"reden": "population"}, [1]),
    ({"reden": "unauthenticated"}, [5]),
    ({"referte": "weigering"}, [1]),
    ({"organisatie": CITY, "uitkomst": "allowed", "protocol": "voorbeeldstad-2026"}, [0]),
    ({"organisatie": CITY, "van": rfc3339(NOW), "tot": rfc3339(NOW)}, [0]),
    ({"organisatie": CITY, "van": rfc3339(NOW + timedelta(seconds=1))}, [4, 1]),
    ({"organisatie": CITY, "tot": rfc3339(NOW + timedelta(minutes=4))}, [4, 1, 0]),
    ({"organisatie": CITY, "tot": "2026-06-01T11:30:59.999+02:00"}, [0]),
]


async def test_finds_by_every_filter(service: Service) -> None:
    history = await some_history(service)

    for query, positions in FILTERS:
        found = await find(service, **query)

        requests = [item["index"] for item in found["items"] if item["index"] in history]
        assert requests == [history[each] for each in positions], query


async def test_finds_on_both_databases(service_on_each: Service) -> None:
    service = service_on_each
    history = await some_history(service)

    by_person = await indexes(service, insz=RESIDENT_WITH_CERTIFICATE.digits)
    by_field = await indexes(service, veld="contact.email")
    by_time = await indexes(
        service, van=rfc3339(NOW + timedelta(minutes=1)), tot=rfc3339(NOW + timedelta(minutes=3))
    )

    assert by_person == by_field == [history[3], history[0]]
    assert by_time == [history[3], history[2], history[1]]


async def test_shows_each_record_as_it_stands(service: Service) -> None:
    answer = await service.advice(FUND, MEMBER_NOK)
    [record] = service.records()

    [item] = (await find(service, toegangId=answer.json()["id"]))["items"]

    index = item.pop("index")
    assert item.pop("href") == f"/inburgering/v1/toegangen/{answer.json()['id']}"
    assert item == record
    assert (await find(service, toegangId=answer.json()["id"].upper()))["items"][0][
        "index"
    ] == index


async def test_finds_a_person_under_every_number_and_every_month(service: Service) -> None:
    add_resident(service, OLD_NUMBER)
    await service.dossier(CITY, OLD_NUMBER)
    service.clock.forward(days=30)
    add_resident(service, SOMEBODY, vorigeInsz=[OLD_NUMBER.digits])
    await service.dossier(CITY, SOMEBODY)
    june, july = service.records()

    by_number = [
        (await find(service, insz=number.digits, uitkomst="allowed", organisatie=CITY))["items"]
        for number in (SOMEBODY, OLD_NUMBER)
    ]

    expected = [july["eventId"], june["eventId"]]
    assert [[item["eventId"] for item in items] for items in by_number] == [expected, expected]
    assert june["subject"] != july["subject"]
    (Path("month-keys") / "2026-06.key").unlink()
    after = (await find(service, insz=SOMEBODY.digits, organisatie=CITY))["items"]
    assert [item["eventId"] for item in after] == [july["eventId"]]


async def test_pages_stay_in_place_while_the_log_grows(service: Service) -> None:
    for number in range(7):
        await service.dossier(CITY, NON_RESIDENT, referte=f"r{number}")

    page = await find(service, organisatie=CITY, pageSize=3)
    seen = [item["reference"] for item in page["items"]]
    while cursor := page.get("next"):
        await service.dossier(CITY, NON_RESIDENT, referte="later")
        page = await find(service, organisatie=CITY, pageSize=3, cursor=cursor)
        seen += [item["reference"] for item in page["items"]]

    assert seen == [f"r{number}" for number in range(6, -1, -1)]


async def test_an_exact_page_promises_no_other(service: Service) -> None:
    for _ in range(3):
        await service.dossier(CITY, NON_RESIDENT)

    page = await find(service, organisatie=CITY, pageSize=3)

    assert len(page["items"]) == 3
    assert "next" not in page


async def test_gives_fifty_records_unless_asked_otherwise(service: Service) -> None:
    for _ in range(51):
        await service.ask(CITY, "/mijnToegang")

    assert len((await find(service, organisatie=CITY))["items"]) == 50
    assert len((await find(service, organisatie=CITY, pageSize=400))["items"]) == 51
    assert (await find(service, organisatie=CITY, cursor="0"))["items"] == []


# That one looked


async def test_records_each_query_once_and_why(service: Service) -> None:
    await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)

    response = await service.ask(
        AUDITOR,
        "/toegangen/query",
        {"insz": RESIDENT_WITH_CERTIFICATE.digits, "referte": "ref-1", "aanleiding": WHY},
        scopes=(AUDIT,),
    )

    _, record = service.records()
    key = service.office.keys.at(service.clock.now)
    assert record["type"] == "logRead"
    assert record["operation"] == "queryToegangen"
    assert record["reasonReference"] == WHY
    assert record["counts"] == {"records": 1}
    assert record["subject"] == key.hide("subject", RESIDENT_WITH_CERTIFICATE.digits)
    assert record["user"] == key.hide("user", "ambtenaar-7")
    assert record["responseDigest"] == key.digest(record["eventId"], response.content)
    assert "reference" not in record
    assert response.headers["cache-control"] == "no-store"


async def test_shows_a_later_auditor_that_one_looked(service: Service) -> None:
    await find(service, insz=RESIDENT_WITH_CERTIFICATE.digits)

    found = await find(service, insz=RESIDENT_WITH_CERTIFICATE.digits)

    assert [item["type"] for item in found["items"]] == ["logRead"]


async def test_is_no_search_result_by_what_was_searched(service: Service) -> None:
    await find(service, referte="ref-zoek", gebruiker="loket-2", veld="contact.email")

    assert await indexes(service, referte="ref-zoek") == []
    assert await indexes(service, veld="contact.email") == []


WRONG: list[tuple[dict[str, Any], str, str | None]] = [
    ({"aanleiding": None}, "schemaViolation", "aanleiding"),
    ({"aanleiding": ""}, "schemaViolation", "aanleiding"),
    ({"aanleiding": "a" * 501}, "schemaViolation", "aanleiding"),
    ({"organisatie": None}, "invalidInput", None),
    ({"organisatie": None, "pageSize": 10, "cursor": "5"}, "invalidInput", None),
    ({"organisatie": None, "van": "2026-05-01T00:00:00Z"}, "invalidInput", None),
    ({"organisatie": None, "tot": "2026-05-01T00:00:00Z"}, "invalidInput", None),
    (
        {
            "organisatie": None,
            "van": "2026-05-01T00:00:00Z",
            "tot": "2026-06-01T00:00:00.001Z",
        },
        "invalidInput",
        None,
    ),
    (
        {"van": "2026-06-01T00:00:00Z", "tot": "2026-05-31T23:59:59Z"},
        "invalidPeriod",
        "van",
    ),
    (
        {"van": "2026-06-01T00:00:00+02:00", "tot": "2026-05-31T21:59:59Z"},
        "invalidPeriod",
        "van",
    ),
    ({"van": "2026-06-01"}, "schemaViolation", "van"),
    ({"van": "2026-06-01T00:00:00"}, "schemaViolation", "van"),
    ({"van": "2026-02-30T00:00:00Z"}, "schemaViolation", "van"),
    ({"van": "0001-01-01T00:00:00+14:00"}, "schemaViolation", "van"),
    ({"tot": "9999-12-31T23:59:59-14:00"}, "schemaViolation", "tot"),
    ({"tot": 1780000000}, "schemaViolation", "tot"),
    ({"pageSize": 0}, "schemaViolation", "pageSize"),
    ({"pageSize": 401}, "schemaViolation", "pageSize"),
    ({"pageSize": "50"}, "schemaViolation", "pageSize"),
    ({"pageSize": True}, "schemaViolation", "pageSize"),
    ({"cursor": "-1"}, "schemaViolation", "cursor"),
    ({"cursor": "9" * 19}, "schemaViolation", "cursor"),
    ({"cursor": 5}, "schemaViolation", "cursor"),
    ({"uitkomst": "toegelaten"}, "schemaViolation", "uitkomst"),
    ({"reden": "quota?"}, "schemaViolation", "reden"),
    ({"veld": "geheimveld"}, "invalidInput", "veld"),
    ({"insz": "123"}, "invalidStructure", "insz"),
]


async def test_refuses_a_question_that_is_too_wide_or_wrong(service: Service) -> None:
    for query, kind, name in WRONG:
        asked = {"aanleiding": WHY, "organisatie": CITY, **query}
        body = {key: value for key, value in asked.items() if value is not None}
        before = len(service.records())

        response = await service.ask(AUDITOR, "/toegangen/query", body, scopes=(AUDIT,))

        assert response.status_code == 400, query
        [issue] = response.json()["issues"]
        assert (issue["type"].rsplit(":", 1)[1], issue.get("name")) == (kind, name), query
        [record] = service.records()[before:]
        assert record["outcome"] == "invalid"
        assert "geheimveld" not in response.text + json.dumps(record)


WIDE_ENOUGH: list[dict[str, Any]] = [
    {"van": "2026-05-01T09:30:00Z", "tot": "2026-06-01T09:30:00Z"},
    {"van": "2026-06-01T09:30:00Z", "tot": "2026-06-01T09:30:00Z"},
    {"van": "2020-01-01T00:00:00Z", "tot": "2030-01-01T00:00:00Z", "organisatie": CITY},
    {"tot": "2030-01-01T00:00:00Z", "reden": "scope"},
    {"van": "0001-01-01T00:00:00Z", "tot": "9999-12-31T23:59:59.999Z", "organisatie": CITY},
    {"organisatie": CITY, "cursor": "9" * 18},
]


async def test_takes_a_filter_or_a_period_of_31_days(service_on_each: Service) -> None:
    for query in WIDE_ENOUGH:
        assert "items" in await find(service_on_each, **query)


# Who may look


async def test_shows_an_organisation_its_own_records_only(service: Service) -> None:
    history = await some_history(service)

    by_default = await indexes(service, AUDIT_OWN, organisation=CITY, uitkomst="allowed")
    by_name = await indexes(service, AUDIT_OWN, organisation=CITY, organisatie=CITY)
    by_person = await indexes(
        service, AUDIT_OWN, organisation=CITY, insz=RESIDENT_WITH_CERTIFICATE.digits
    )

    assert by_default == [history[4], history[0]]
    assert set(by_name) >= {history[4], history[1], history[0]}
    assert not set(by_name) & {history[2], history[3], history[5]}
    assert by_person == [history[0]]


async def test_tells_an_organisation_no_more_of_a_refused_person_than_the_refusal_did(
    service: Service,
) -> None:
    add_person(service, {"insz": SOMEBODY.digits, "geannuleerdOp": "2026-01-01"}, None)
    for insz in (NON_RESIDENT, SOMEBODY, UNKNOWN):
        await service.dossier(CITY, insz)
    log = range((await find(service, organisatie=CITY))["boomgrootte"])
    three = [*reversed(log[-3:])]

    own = await find(service, AUDIT_OWN, organisation=CITY, protocol="voorbeeldstad-2026")
    full = await find(service, organisatie=CITY, protocol="voorbeeldstad-2026")
    by_reason = {
        (scope, reason): await indexes(
            service, scope, organisation=CITY, organisatie=CITY, reden=reason
        )
        for scope in (AUDIT_OWN, AUDIT)
        for reason in ("population", "cancelled", "unknownPerson")
    }
    one = await service.ask(CITY, own["items"][0]["href"].removeprefix(BASE), scopes=(AUDIT_OWN,))

    assert [item["reasonCode"] for item in own["items"]] == ["population"] * 3
    assert one.json()["reasonCode"] == "population"
    assert [item["reasonCode"] for item in full["items"]] == [
        "unknownPerson",
        "cancelled",
        "population",
    ]
    assert by_reason == {
        (AUDIT_OWN, "population"): three,
        (AUDIT_OWN, "cancelled"): [],
        (AUDIT_OWN, "unknownPerson"): [],
        (AUDIT, "population"): three[2:],
        (AUDIT, "cancelled"): three[1:2],
        (AUDIT, "unknownPerson"): three[:1],
    }


async def test_tells_an_organisation_not_which_numbers_belong_to_one_person(
    service_on_each: Service,
) -> None:
    service = service_on_each
    add_resident(service, SOMEBODY, "71016", vorigeInsz=[OLD_NUMBER.digits])
    numbers = (OLD_NUMBER, SOMEBODY)
    statuses = [(await service.dossier(CITY, number)).status_code for number in numbers]
    [older, newer] = [record["eventId"] for record in service.records()]

    found = {
        scope: [
            [
                item["eventId"]
                for item in (
                    await find(
                        service, scope, organisation=CITY, insz=number.digits, uitkomst="denied"
                    )
                )["items"]
            ]
            for number in numbers
        ]
        for scope in (AUDIT_OWN, AUDIT)
    }

    assert statuses == [403, 403]
    assert found == {AUDIT_OWN: [[older], [newer]], AUDIT: [[newer, older]] * 2}


async def test_refuses_an_organisation_the_records_of_another(service: Service) -> None:
    response = await service.ask(
        CITY,
        "/toegangen/query",
        {"organisatie": GENK, "aanleiding": WHY},
        scopes=(AUDIT_OWN,),
    )

    assert response.status_code == 403
    assert response.json()["type"] == "urn:problem-type:belgif:missingScope"
    assert response.json()["requiredScopes"] == [AUDIT]
    [record] = service.records()
    assert (record["reasonCode"], record["reasonReference"]) == ("scope", WHY)


async def test_needs_an_audit_scope(service: Service) -> None:
    query = await service.ask(
        CITY, "/toegangen/query", {"organisatie": CITY, "aanleiding": WHY}, scopes=(DOSSIER,)
    )
    record = await service.ask(CITY, f"/toegangen/{NO_RECORD}", scopes=())

    assert [query.status_code, record.status_code] == [403, 403]
    assert query.json()["requiredScopes"] == record.json()["requiredScopes"] == [AUDIT, AUDIT_OWN]


async def test_gives_the_explanation_to_the_full_audit_scope_alone(
    service_on_each: Service,
) -> None:
    service = service_on_each
    answer = await service.advice(FUND, MEMBER_NOK)
    path = f"/toegangen/{answer.json()['id']}"

    full = await service.ask(AUDITOR, path, scopes=(AUDIT,))
    own = await service.ask(FUND, path, scopes=(AUDIT_OWN,))
    both = await service.ask(FUND, path, scopes=(AUDIT_OWN, AUDIT))
    listed = await find(service, toegangId=answer.json()["id"])

    advice, *reads = service.records()
    assert full.status_code == own.status_code == 200
    explanation = full.json().pop("explanation")
    assert explanation["code"] == both.json()["explanation"]["code"] == "N23"
    assert explanation["profiel"] == "striktMetUitstel"
    assert own.json() == {name: full.json()[name] for name in full.json() if name != "explanation"}
    assert {name: own.json()[name] for name in advice} == advice
    assert "N23" not in own.text + json.dumps(listed)
    assert [read["type"] for read in reads] == ["logRead"] * 4
    assert [read["counts"] for read in reads] == [{"records": 1}] * 4


async def test_knows_no_record_of_another_organisation(service: Service) -> None:
    answer = await service.advice(FUND, MEMBER_NOK)

    foreign = await service.ask(AVSB, f"/toegangen/{answer.json()['id']}", scopes=(AUDIT_OWN,))
    unknown = await service.ask(AVSB, f"/toegangen/{NO_RECORD}", scopes=(AUDIT_OWN,))

    problems = [each.json() for each in (foreign, unknown)]
    ids = [problem.pop("instance") for problem in problems]
    assert foreign.status_code == unknown.status_code == 404
    assert problems[0] == problems[1]
    reads = service.records()[1:]
    assert ids == [f"urn:uuid:{read['eventId']}" for read in reads]
    assert {(read["type"], read["outcome"]) for read in reads} == {("logRead", "notFound")}


async def test_shows_a_record_of_a_change_of_the_register(service: Service) -> None:
    found = await find(service, protocol="genk-2021")

    [item] = [item for item in found["items"] if item["type"] == "admin"]
    shown = await service.ask(AUDITOR, f"/toegangen/{item['eventId']}", scopes=(AUDIT,))
    assert shown.json() == item
    assert item["operation"] == "protocolLoad"


async def test_names_the_auditor_too(service: Service) -> None:
    for path, body in (
        ("/toegangen/query", {"organisatie": CITY, "aanleiding": WHY}),
        (f"/toegangen/{NO_RECORD}", None),
    ):
        response = await service.ask(AUDITOR, path, body, headers={"X-Magda-Enduser-ID": ""})

        [issue] = response.json()["issues"]
        assert (response.status_code, issue["name"]) == (400, "X-Magda-Enduser-ID")
