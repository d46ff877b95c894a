"""`POST /adviezen/query`."""

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import date
from typing import Any

import pytest
from delivered import ask_list, work
from service import (
    ADVICE,
    AVSB,
    CITY,
    FUND,
    OTHER_FUND,
    Service,
    add_person,
    insz_of,
    person_with,
)
from sqlalchemy import event
from sqlalchemy.engine import Engine

from app import administration, advising, own_advice
from app.canonical import canonical_json
from app.demo_persons import DEMO_DATE, MEMBER_NOK, RESIDENT_WITH_CERTIFICATE, demo_persons
from app.gate import Told
from app.obligation import REASONS, RULE_SET_ID, RULE_SET_VERSION, Profile

SOMEBODY, OLD_NUMBER, UNKNOWN = (insz_of(f"85073000{serial}") for serial in (1, 2, 3))
PERSONS = {
    person.insz: person.expected_code
    for person in demo_persons(60)
    if person.register.get("geannuleerdOp") is None
}
MEMBER = [{"organisatie": FUND, "van": "2020-01-01", "tot": None}]


async def test_answers_ok_as_the_contract_says(service_on_each: Service) -> None:
    service = service_on_each
    service.clock.forward(seconds=1)

    response = await service.advice(FUND, RESIDENT_WITH_CERTIFICATE)

    [record] = service.records()
    assert response.status_code == 200, response.text
    assert response.json() == {
        "id": record["eventId"],
        "referte": "ref-2",
        "advice": "OK",
        "type": "sync",
        "correlationId": record["correlationId"],
        "toetsdatum": "2026-05-31",
        "geraadpleegdOp": "2026-06-01T09:30:01.000Z",
        "gegevensVan": "2026-06-01T09:30:00.000Z",
        "doeleinde": "zorgbudgetZwaarZorgbehoevenden",
        "regelset": {
            "id": RULE_SET_ID,
            "versie": RULE_SET_VERSION,
            "profiel": "striktMetUitstel",
        },
    }
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-correlation-id"] == record["correlationId"]


async def test_gives_a_reason_with_nok_and_no_word_more(shared: Service) -> None:
    response = await shared.advice(FUND, MEMBER_NOK)

    answer = response.json()
    assert answer["advice"] == "NOK"
    assert answer["redenen"] == [{"code": "R02", "omschrijving": REASONS["R02"]}]
    for word in ("N23", "inbreuk", "boete", "uitstel", "vrijstelling"):
        assert word not in response.text


async def test_records_the_advice_and_keeps_its_explanation_apart(service: Service) -> None:
    response = await service.advice(FUND, MEMBER_NOK)

    [record] = service.records()
    key = service.office.keys.at(service.clock.now)
    assert record["organisation"] == FUND
    assert record["onBehalfOf"] == AVSB
    assert record["operation"] == "queryAdvies"
    assert record["asOf"] == "2026-05-31"
    assert record["ruleSet"] == response.json()["regelset"]
    assert record["responseDigest"] == key.digest(record["eventId"], response.content)
    assert record["subject"] == key.hide("subject", MEMBER_NOK.digits)
    assert record["subjectBasis"] == "member"
    assert record["subjectFact"] == key.hide("fact", f"member {FUND} since 2023-03-21")
    assert not {"requestedFields", "deliveredFields"} & set(record)
    assert not {"N23", "R02", "NOK"} & set(json.dumps(record).replace('"', " ").split())
    with service.office.database.reading() as session:
        [(event_id, detail)] = session.connection().exec_driver_sql(
            "SELECT event_id, detail FROM access_detail"
        )
    explanation = json.loads(detail)
    assert event_id == record["eventId"]
    assert explanation["code"] == "N23"
    assert record["detailDigest"] == key.digest(f"{event_id}/detail", canonical_json(explanation))


async def test_gives_the_advice_of_the_table_to_whom_may_ask_about_anybody(
    shared: Service,
) -> None:
    outcomes = {}
    for insz, code in PERSONS.items():
        response = await shared.advice(AVSB, insz, on=str(DEMO_DATE))
        outcomes[code] = response.json().get("advice", response.status_code)

    assert outcomes == {
        code: {"O": "OK", "N": "NOK", "T": 409}[code[0]] for code in set(PERSONS.values())
    }
    assert len(outcomes) > 20


def plain(content: bytes, ids: Sequence[str]) -> bytes:
    for each in ids:
        content = content.replace(each.encode(), b"?")
    return content


async def test_an_ok_tells_nothing_but_that_it_is_ok(shared: Service) -> None:
    answers = set()
    for insz, code in [*PERSONS.items(), (UNKNOWN, "O01")]:
        if code.startswith("O"):
            response = await shared.advice(AVSB, insz, on=str(DEMO_DATE))
            ids = [response.json()["id"], response.json()["correlationId"]]
            headers = {**response.headers, "x-correlation-id": ""}
            told = plain(response.content, ids), tuple(sorted(headers.items()))
            answers.add((response.status_code, *told))

    assert len(answers) == 1


async def test_a_refusal_to_advise_tells_nothing_of_its_cause(service: Service) -> None:
    answers = set()
    for insz, code in PERSONS.items():
        if code.startswith("T"):
            response = await service.advice(AVSB, insz, on=str(DEMO_DATE))
            event_id = response.json()["instance"].removeprefix("urn:uuid:")
            answers.add((response.status_code, plain(response.content, [event_id])))

    assert len(answers) == 1
    reasons = {(each["reasonCode"], each["outcome"]) for each in service.records()}
    assert reasons == {("noAdvice", "noAdvice")}
    with service.office.database.reading() as session:
        rows = session.connection().exec_driver_sql("SELECT detail FROM access_detail")
        codes = {json.loads(row[0])["code"] for row in rows}
    assert codes >= {"T01", "T02", "T03", "T04", "T05", "T06", "T99"}


async def test_whoever_may_ask_about_anybody_may_not_about_a_cancelled_number(
    service: Service,
) -> None:
    add_person(service, {"insz": SOMEBODY.digits, "geannuleerdOp": "2026-01-01"}, None)

    cancelled = await service.advice(AVSB, SOMEBODY)
    unknown = await service.advice(AVSB, UNKNOWN)

    assert (cancelled.status_code, unknown.status_code) == (403, 200)
    first, second = service.records()
    assert first["reasonCode"] == "cancelled"
    assert second["subjectBasis"] == "any"


@pytest.mark.parametrize(
    ("day", "status"),
    [
        ("2021-12-31", 400),
        ("2022-01-01", 200),
        ("2026-06-01", 200),
        ("2026-06-02", 400),
        ("0001-01-01", 400),
        ("9999-12-31", 400),
    ],
)
async def test_tests_from_the_legal_ground_to_today(shared: Service, day: str, status: int) -> None:
    response = await shared.advice(FUND, RESIDENT_WITH_CERTIFICATE, on=day)

    assert response.status_code == status
    record = shared.records()[-1]
    assert record["asOf"] == day
    assert record.get("reasonCode") == ("invalidDate" if status == 400 else None)


async def test_today_is_the_day_in_brussels(service: Service) -> None:
    service.clock.forward(hours=12, minutes=29, seconds=59)
    before = await service.advice(FUND, RESIDENT_WITH_CERTIFICATE, on="2026-06-02")
    service.clock.forward(seconds=1)
    after = await service.advice(FUND, RESIDENT_WITH_CERTIFICATE, on="2026-06-02")

    assert [before.status_code, after.status_code] == [400, 200]


@pytest.mark.parametrize("day", ["2026-6-1", "2026-06-01T00:00:00Z", "20260601", "", 20260601])
async def test_takes_a_date_in_one_form(shared: Service, day: str) -> None:
    response = await shared.advice(FUND, RESIDENT_WITH_CERTIFICATE, on=day)

    assert response.status_code == 400
    assert response.json()["issues"][0]["name"] == "toetsdatum"


@pytest.mark.parametrize(
    ("line", "status"),
    [
        ({"lidmaatschappen": MEMBER}, 200),
        ({"lidmaatschappen": [{**MEMBER[0], "tot": "2026-05-31"}]}, 403),
        ({"lidmaatschappen": [{**MEMBER[0], "tot": "2026-06-01"}]}, 200),
        ({"lidmaatschappen": [{**MEMBER[0], "van": "2026-06-02"}]}, 403),
        ({"lidmaatschappen": [{**MEMBER[0], "organisatie": OTHER_FUND}]}, 403),
        ({}, 403),
        ({"lidmaatschappen": MEMBER, "geannuleerdOp": "2020-01-01"}, 403),
    ],
)
async def test_advises_a_fund_on_its_members_of_today(
    service: Service, line: dict[str, object], status: int
) -> None:
    add_person(service, {"insz": SOMEBODY.digits, **line}, None)

    response = await service.advice(FUND, SOMEBODY, on="2022-01-01")

    assert response.status_code == status


async def test_counts_the_dossier_under_an_older_number(service: Service) -> None:
    certified = person_with("O10")
    assert certified.blocks is not None
    add_person(service, {"insz": OLD_NUMBER.digits}, certified.blocks)
    line = {"insz": SOMEBODY.digits, "lidmaatschappen": MEMBER, "vorigeInsz": [OLD_NUMBER.digits]}
    add_person(service, line, None)

    for number in (SOMEBODY, OLD_NUMBER):
        response = await service.advice(FUND, number)
        assert response.json()["advice"] == "OK"
        assert "meldingen" not in response.json()

    with service.office.database.reading() as session:
        rows = session.connection().exec_driver_sql("SELECT detail FROM access_detail")
        assert [json.loads(row[0])["code"] for row in rows] == ["O10", "O10"]


async def test_asks_no_function_profile_where_the_protocol_asks_none(shared: Service) -> None:
    question = {
        "insz": RESIDENT_WITH_CERTIFICATE.digits,
        "doeleinde": "zorgbudgetZwaarZorgbehoevenden",
        "toetsdatum": "2026-05-31",
        "referte": "ref-2",
    }

    response = await shared.ask(
        FUND, "/adviezen/query", question, scopes=(ADVICE,), headers={"X-Functieprofiel": ""}
    )

    assert response.status_code == 200


async def test_opens_no_advice_with_the_purpose_of_a_dossier(shared: Service) -> None:
    response = await shared.advice(
        CITY, RESIDENT_WITH_CERTIFICATE, doeleinde="lokaalIntegratiebeleid"
    )

    assert response.status_code == 403
    assert response.json()["type"].endswith(":buitenProtocol")


async def test_decides_anew_when_the_register_moves_between_decision_and_record(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell = advising._told

    def suspended_meanwhile(*args: Any, **terms: Any) -> Told:
        administration.suspend(service.office, "avsb-2021", "inbreuk", service.clock.now)
        return tell(*args, **terms)

    monkeypatch.setattr(advising, "_told", suspended_meanwhile)

    response = await service.advice(FUND, RESIDENT_WITH_CERTIFICATE)

    assert response.json()["reden"] == "suspended"
    [record] = service.records()
    assert "ruleSet" not in record


@contextmanager
def reads_of_dossiers() -> Iterator[list[str]]:
    """Every statement that reads what stands in dossiers, of whatever engine."""
    told: list[str] = []

    def hear(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        if "dossier_version" in statement:
            told.append(statement)

    event.listen(Engine, "before_cursor_execute", hear)
    try:
        yield told
    finally:
        event.remove(Engine, "before_cursor_execute", hear)


async def test_breaches_are_not_loaded_for_a_profile_that_does_not_read_them(
    service_on_each: Service,
) -> None:
    service = service_on_each
    batch = {
        "doeleinde": "zorgbudgetZwaarZorgbehoevenden",
        "toetsdatum": "2026-05-31",
        "referte": "b",
        "vragen": [{"insz": MEMBER_NOK.digits, "referte": "1"}],
    }

    with reads_of_dossiers() as told:
        single = await service.advice(FUND, MEMBER_NOK)
        several = await service.ask(FUND, "/adviezen/queryBatch", batch)
        on_request = len(told)
        await ask_list(service, FUND, "verlaagdePremie", 2027)
        work(service)

    assert (single.status_code, several.status_code, on_request) == (200, 200, 2)
    assert len(told) > on_request
    assert not [statement for statement in told if "inbreuken" in statement]


@pytest.mark.parametrize("profile", Profile)
async def test_the_own_advice_loads_breaches_for_the_profile_that_reads_them_alone(
    service: Service, profile: Profile
) -> None:
    question = own_advice.Asked(
        MEMBER_NOK, "zorgbudgetZwaarZorgbehoevenden", date(2026, 5, 31), profile
    )

    with reads_of_dossiers() as told:
        own_advice.advise(
            service.office, question, service.settings.max_data_age, service.clock.now
        )

    loaded = [statement for statement in told if "inbreuken" in statement]
    assert told
    assert bool(loaded) == (profile is Profile.IN_ORDER)
