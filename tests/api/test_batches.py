"""`POST /dossiers/queryBatch` and `POST /adviezen/queryBatch`: many persons, each as if alone."""

import json
from typing import Any

import httpx
import pytest
from service import (
    ADVICE,
    ANSWERS,
    AUDITOR,
    AVSB,
    CITY,
    DOSSIER,
    FUND,
    Service,
    add_person,
    add_resident,
    closed_log,
    insz_of,
    make_production,
)

from app import administration, advising, intake
from app.canonical import canonical_json
from app.demo_persons import (
    DEMO_DATE,
    MEMBER_NOK,
    NON_RESIDENT,
    RESIDENT_WITH_CERTIFICATE,
    demo_persons,
)
from app.gate import Told
from app.insz import Insz

UNKNOWN, SOMEBODY = insz_of("850730002"), insz_of("850730003")
WRONG = "85073000499"
DAY = "2026-05-31"


def asked(*numbers: str) -> list[dict[str, str]]:
    return [{"insz": number, "referte": f"vraag-{at}"} for at, number in enumerate(numbers)]


async def dossiers(
    service: Service, *numbers: str, organisation: str = CITY, **body: Any
) -> httpx.Response:
    question = {"doeleinde": "lokaalIntegratiebeleid", "referte": "lijst-1"}
    body = {**question, "vragen": asked(*numbers), **body}
    return await service.ask(organisation, "/dossiers/queryBatch", body)


async def advices(
    service: Service, *numbers: str, organisation: str = FUND, **body: Any
) -> httpx.Response:
    purpose = "zorgbudgetZwaarZorgbehoevenden"
    question = {"doeleinde": purpose, "toetsdatum": DAY, "referte": "lijst-2"}
    body = {**question, "vragen": asked(*numbers), **body}
    return await service.ask(organisation, "/adviezen/queryBatch", body)


def split(service: Service) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    """The record of the batch, and those of its persons."""
    whole, *persons = service.records()
    return whole, persons


async def test_gives_each_person_the_dossier_of_a_single_question(
    service_on_each: Service,
) -> None:
    service = service_on_each
    numbers = [each.digits for each in (RESIDENT_WITH_CERTIFICATE, NON_RESIDENT, UNKNOWN)]

    batch = await dossiers(service, *numbers, WRONG)
    records = service.records()
    alone = [
        (await service.dossier(CITY, Insz(number), referte=f"vraag-{at}"))
        for at, number in enumerate(numbers)
    ]

    answer = batch.json()
    assert batch.status_code == 200, batch.text
    assert batch.headers["cache-control"] == "no-store"
    assert answer["id"] == records[0]["eventId"]
    assert [(item["index"], item["referte"], item["status"]) for item in answer["items"]] == [
        (0, "vraag-0", 200),
        (1, "vraag-1", 403),
        (2, "vraag-2", 403),
        (3, "vraag-3", 400),
    ]
    assert answer["items"][0]["antwoord"] == {
        **alone[0].json(),
        "id": records[1]["eventId"],
        "opgevraagdOp": answer["items"][0]["antwoord"]["opgevraagdOp"],
    }
    for at in (1, 2):
        assert answer["items"][at]["probleem"] == {
            **alone[at].json(),
            "instance": f"urn:uuid:{records[1 + at]['eventId']}",
        }
    wrong = answer["items"][3]["probleem"]
    assert wrong["uitzonderingen"][0]["identificatie"] == "20002"
    assert wrong["issues"][0]["name"] == "vragen[3].insz"
    assert WRONG not in batch.text


async def test_records_the_batch_and_each_person(service_on_each: Service) -> None:
    service = service_on_each

    batch = await advices(service, MEMBER_NOK.digits, UNKNOWN.digits, WRONG)

    whole, persons = split(service)
    key = service.office.keys.at(service.clock.now)
    assert whole["counts"] == {"persons": 3, "answered": 1}
    assert whole["operation"] == "queryAdviesBatch"
    assert whole["reference"] == "lijst-2"
    assert (whole["outcome"], whole["status"], whole["asOf"]) == ("allowed", 200, DAY)
    assert whole["responseDigest"] == key.digest(whole["eventId"], batch.content)
    assert not {"subject", "ruleSet", "detailDigest", "parentId"} & set(whole)
    assert [each["parentId"] for each in persons] == [whole["eventId"]] * 3
    assert [each["reference"] for each in persons] == ["vraag-0", "vraag-1", "vraag-2"]
    assert [(each["outcome"], each["status"], each.get("reasonCode")) for each in persons] == [
        ("allowed", 200, None),
        ("denied", 403, "unknownPerson"),
        ("invalid", 400, "invalidInsz"),
    ]
    assert [each.get("subject") for each in persons] == [
        key.hide("subject", MEMBER_NOK.digits),
        key.hide("subject", UNKNOWN.digits),
        None,
    ]
    for each in (whole, *persons):
        assert each["organisation"] == FUND
        assert each["onBehalfOf"] == AVSB
        assert each["protocol"] == "avsb-2021"
        assert each["purpose"] == "zorgbudgetZwaarZorgbehoevenden"
        assert each["user"] == key.hide("user", "ambtenaar-7")


async def test_what_is_digested_of_a_person_is_what_stands_in_the_answer(
    service: Service,
) -> None:
    batch = await advices(service, MEMBER_NOK.digits, RESIDENT_WITH_CERTIFICATE.digits)

    _, persons = split(service)
    key = service.office.keys.at(service.clock.now)
    for item, record in zip(batch.json()["items"], persons, strict=True):
        content = json.dumps(item["antwoord"], ensure_ascii=False, separators=(",", ":")).encode()
        assert content in batch.content
        assert record["responseDigest"] == key.digest(record["eventId"], content)


async def test_the_explanation_of_each_advice_stands_apart(service: Service) -> None:
    await advices(service, MEMBER_NOK.digits, RESIDENT_WITH_CERTIFICATE.digits)

    _, persons = split(service)
    key = service.office.keys.at(service.clock.now)
    codes = []
    for record in persons:
        found = await service.ask(AUDITOR, f"/toegangen/{record['eventId']}", method="GET")
        explanation = found.json()["explanation"]
        label = f"{record['eventId']}/detail"
        assert record["detailDigest"] == key.digest(label, canonical_json(explanation))
        codes.append(explanation["code"])
    assert codes == ["N23", "O10"]


async def test_advises_each_person_as_a_single_question_does(shared: Service) -> None:
    persons = [
        person for person in demo_persons(60) if person.register.get("geannuleerdOp") is None
    ]

    batch = await advices(
        shared,
        *(person.insz.digits for person in persons),
        organisation=AVSB,
        toetsdatum=str(DEMO_DATE),
    )

    said = {
        item["antwoord"]["advice"] if item["status"] == 200 else item["status"]
        for item in batch.json()["items"]
    }
    expected = {"O": "OK", "N": "NOK", "T": 409}
    assert said == set(expected.values())
    for person, item in zip(persons, batch.json()["items"], strict=True):
        told = item["antwoord"]["advice"] if item["status"] == 200 else item["status"]
        assert told == expected[person.expected_code[0]], person.expected_code


async def test_an_ok_in_a_batch_tells_nothing_but_that_it_is_ok(shared: Service) -> None:
    persons = [
        person.insz.digits
        for person in demo_persons(60)
        if person.expected_code[0] == "O" and person.register.get("geannuleerdOp") is None
    ]

    batch = await advices(shared, *persons, organisation=AVSB, toetsdatum=str(DEMO_DATE))

    told = set()
    for item in batch.json()["items"]:
        answer = {**item["antwoord"], "id": "?", "referte": "?"}
        told.add((item["status"], tuple(answer), json.dumps(answer)))
    assert len(persons) > 10
    assert len(told) == 1


@pytest.mark.parametrize(
    ("body", "name"),
    [
        ({"vragen": []}, "vragen"),
        ({"vragen": asked(*["85073000355"] * 101)}, "vragen"),
        ({"vragen": [{"insz": 85073000355, "referte": "x"}]}, "vragen[0].insz"),
        ({"vragen": [{"insz": None, "referte": "x"}]}, "vragen[0].insz"),
        ({"vragen": [{"referte": "x"}]}, "vragen[0].insz"),
        ({"vragen": [{"insz": WRONG}]}, "vragen[0].referte"),
        ({"vragen": [{"insz": WRONG, "referte": "x", "meer": 1}]}, "vragen[0]"),
        ({"vragen": [{"insz": WRONG, "referte": "90722501478"}]}, "vragen[0].referte"),
        ({"vragen": {"insz": WRONG}}, "vragen"),
        ({"insz": WRONG}, None),
        ({"toetsdatum": None}, "toetsdatum"),
    ],
)
async def test_a_batch_that_breaks_the_contract_is_one_problem_and_one_record(
    service: Service, body: dict[str, Any], name: str | None
) -> None:
    response = await advices(service, MEMBER_NOK.digits, **body)

    assert response.status_code == 400
    assert response.json()["uitzonderingen"][0]["identificatie"] == "10001"
    assert name in [issue.get("name") for issue in response.json()["issues"]]
    [record] = service.records()
    assert (record["outcome"], record["reasonCode"]) == ("invalid", "invalidRequest")


@pytest.mark.parametrize(
    ("body", "status", "reason"),
    [
        ({"doeleinde": "onbekend"}, 403, "noProtocol"),
        ({"velden": ["doelgroep.type"]}, 403, "field"),
        ({"velden": ["bestaat.niet"]}, 400, "invalidRequest"),
    ],
)
async def test_what_is_the_same_for_all_is_checked_once(
    service: Service, body: dict[str, Any], status: int, reason: str
) -> None:
    response = await dossiers(service, RESIDENT_WITH_CERTIFICATE.digits, UNKNOWN.digits, **body)

    assert response.status_code == status
    [record] = service.records()
    assert (record["reasonCode"], record["operation"]) == (reason, "queryDossierBatch")


@pytest.mark.parametrize("day", ["2021-12-31", "2026-06-02"])
async def test_a_test_date_out_of_range_refuses_the_whole_batch(service: Service, day: str) -> None:
    response = await advices(service, MEMBER_NOK.digits, toetsdatum=day)

    assert response.status_code == 400
    assert response.json()["uitzonderingen"][0]["identificatie"] == "20006"
    [record] = service.records()
    assert (record["reasonCode"], record["asOf"]) == ("invalidDate", day)


async def test_takes_100_persons_and_a_body_of_256_kib_and_no_more(service: Service) -> None:
    full = await dossiers(service, *[UNKNOWN.digits] * 100)
    blank = b" " * (256 * 1024)
    large = await service.ask(CITY, "/dossiers/queryBatch", content=blank[1:] + b"1")
    larger = await service.ask(CITY, "/dossiers/queryBatch", content=blank + b"1")

    assert [item["status"] for item in full.json()["items"]] == [403] * 100
    assert len(service.records()) == 101 + 2
    assert (large.status_code, larger.status_code) == (400, 413)
    assert larger.json()["limit"] == 256 * 1024


async def test_no_data_leave_when_the_records_cannot_be_written(service_on_each: Service) -> None:
    service = service_on_each

    with closed_log(service):
        refused = await advices(service, MEMBER_NOK.digits, RESIDENT_WITH_CERTIFICATE.digits)
    records = service.records()
    after = await advices(service, MEMBER_NOK.digits, RESIDENT_WITH_CERTIFICATE.digits)

    assert (refused.status_code, records) == (503, [])
    assert "NOK" not in refused.text
    assert after.status_code == 200
    assert len(service.records()) == 3


async def test_a_suspension_meanwhile_refuses_the_whole_and_leaves_one_record(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell = advising._told

    def suspended_meanwhile(*args: Any, **terms: Any) -> Told:
        told = tell(*args, **terms)
        if len(told.trace.detail or {}) and not service.records():
            administration.suspend(service.office, "avsb-2021", "inbreuk", service.clock.now)
        return told

    monkeypatch.setattr(advising, "_told", suspended_meanwhile)

    response = await advices(service, MEMBER_NOK.digits)

    assert (response.status_code, response.json()["reden"]) == (403, "suspended")
    [record] = service.records()
    assert (record["reasonCode"], "parentId" in record) == ("suspended", False)


async def test_what_breaks_on_one_person_spoils_no_other(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell = advising._told

    def broken(asked: advising.Asked, *more: Any) -> Told:
        if asked.insz == RESIDENT_WITH_CERTIFICATE:
            raise RuntimeError(asked.insz.digits)
        return tell(asked, *more)

    monkeypatch.setattr(advising, "_told", broken)

    batch = await advices(service, RESIDENT_WITH_CERTIFICATE.digits, MEMBER_NOK.digits)

    first, second = batch.json()["items"]
    whole, persons = split(service)
    key = service.office.keys.at(service.clock.now)
    assert (first["status"], second["status"]) == (500, 200)
    assert first["probleem"]["instance"].endswith(persons[0]["eventId"])
    assert [each["reasonCode"] for each in persons if "reasonCode" in each] == ["error"]
    assert persons[0]["subject"] == key.hide("subject", RESIDENT_WITH_CERTIFICATE.digits)
    assert whole["counts"] == {"persons": 2, "answered": 1}
    assert RESIDENT_WITH_CERTIFICATE.digits not in batch.text


async def test_an_import_meanwhile_lets_the_whole_batch_be_decided_anew(
    service_on_each: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service, tell, told = service_on_each, advising._told, []
    add_person(service, {"insz": SOMEBODY.digits}, None)

    def learned_meanwhile(*args: Any, **terms: Any) -> Told:
        told.append(tell(*args, **terms))
        if len(told) == 1:
            add_person(service, {"insz": SOMEBODY.digits, "vorigeInsz": []}, None)
        return told[-1]

    monkeypatch.setattr(advising, "_told", learned_meanwhile)

    response = await advices(service, MEMBER_NOK.digits, RESIDENT_WITH_CERTIFICATE.digits)

    whole, persons = split(service)
    assert response.status_code == 200
    assert len(told) == 4
    assert [each["parentId"] for each in persons] == [whole["eventId"]] * 2


async def test_one_person_twice_is_asked_twice(service: Service) -> None:
    add_resident(service, SOMEBODY)

    batch = await dossiers(service, SOMEBODY.digits, SOMEBODY.digits)

    assert [item["status"] for item in batch.json()["items"]] == [200, 200]
    assert len({record["eventId"] for record in service.records()}) == 3


async def test_production_takes_no_test_number_in_a_batch(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    service = make_production(tmp_path)
    try:
        administration.settle_legal_ground(
            service.office, "avsb-2021", None, None, service.clock.now
        )
        batch = await advices(service, "90722501478", UNKNOWN.digits, organisation=AVSB)
    finally:
        await service.close()

    first, second = batch.json()["items"]
    assert first["status"] == 400
    assert "test number" in first["probleem"]["issues"][0]["detail"]
    assert second["status"] == 200


async def test_the_citizen_finds_what_was_told_of_her_in_a_batch(service: Service) -> None:
    await advices(service, MEMBER_NOK.digits, UNKNOWN.digits)
    token = service.issuer.issue_citizen(MEMBER_NOK, service.clock.now)

    mine = await service.client.get(
        "/inburgering/v1/mijnRaadplegingen",
        headers={"Authorization": f"Bearer {token}", "X-Magda-Enduser-ID": "zelf"},
    )

    [item] = mine.json()["items"]
    assert (item["organisatie"], item["dienst"]) == (FUND, "queryAdviesBatch")


async def test_what_may_be_asked_names_the_batches(shared: Service) -> None:
    response = await shared.ask(CITY, "/mijnToegang", method="GET", scopes=(DOSSIER, ADVICE))

    [item] = response.json()["items"]
    assert item["operaties"] == ["createLijst", "queryDossier", "queryDossierBatch"]


async def test_real_answers_in_a_batch(service: Service) -> None:
    if not ANSWERS.is_dir():
        pytest.skip("the answers of the KBI are not at ../shared/kbi/antwoorden")
    files = sorted(ANSWERS.glob("*.xml"))
    list(intake.import_answers(service.office.database, files, service.clock, production=False))

    batch = await advices(
        service,
        *("90722501478", "90722600359", "90722500191"),
        organisation=AVSB,
        toetsdatum="2022-01-01",
    )

    first, second, faulty = batch.json()["items"]
    assert first["antwoord"]["advice"] == "OK"
    assert [each["code"] for each in second["antwoord"]["redenen"]] == ["R02"]
    assert faulty["status"] == 409
