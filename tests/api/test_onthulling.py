"""`onthulToegang`: who a record is about and who asked, for a reason, and never unseen."""

import hashlib
import json
from pathlib import Path
from typing import Any

import httpx
from log_reader import is_problem, stored
from service import (
    AUDIT,
    AUDIT_OWN,
    AUDITOR,
    CITY,
    DOSSIER,
    FUND,
    REVEAL,
    Service,
    add_person,
    closed_log,
    execute,
    insz_of,
)
from sqlalchemy import inspect
from test_toegangen import find

from app import administration
from app.administration import Office
from app.demo_persons import MEMBER_NOK, NON_RESIDENT, RESIDENT_WITH_CERTIFICATE

WHY = "klacht 2026-031 van de betrokkene"
NO_RECORD = "00000000-0000-0000-0000-000000000000"
SOMEBODY = insz_of("850730001")
NAMED = {  # the tables that say who is who
    *("person", "replaced_number", "residence", "membership", "participation", "consent"),
    *("dossier_version", "source_answer"),
}


async def reveal(
    service: Service, event_id: str, *scopes: str, organisation: str = AUDITOR, **body: Any
) -> httpx.Response:
    return await service.ask(
        organisation,
        f"/toegangen/{event_id}/onthulling",
        {"aanleiding": WHY, **body},
        scopes=scopes or (REVEAL,),
        headers={"X-Magda-Enduser-ID": "onderzoeker-1"},
    )


async def revealed(service: Service, event_id: str) -> dict[str, Any]:
    response = await reveal(service, event_id)
    assert response.status_code == 200, response.text
    assert response.headers["cache-control"] == "no-store"
    found: dict[str, Any] = response.json()
    return found


def opens(service: Service, event_id: str, salt: str, answer: bytes) -> bool:
    """Whether the answer is the one of the record, as anybody can compute it."""
    [record] = [each for each in service.records() if each["eventId"] == event_id]
    digest = hashlib.sha256(bytes.fromhex(salt) + answer).hexdigest()
    return bool(record["responseDigest"] == f"sha256:{digest}")


# What is made known


async def test_a_dossier_an_advice_and_a_refusal_have_their_person_and_user(
    service_on_each: Service,
) -> None:
    service = service_on_each
    dossier = await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
    advice = await service.advice(FUND, MEMBER_NOK)
    await service.dossier(CITY, NON_RESIDENT)
    ids = [record["eventId"] for record in service.records()]

    answers = [await revealed(service, event_id) for event_id in ids]

    persons = (RESIDENT_WITH_CERTIFICATE, MEMBER_NOK, NON_RESIDENT)
    salts = [answer.pop("zout", None) for answer in answers]
    assert answers == [
        {"id": event_id, "insz": insz.digits, "gebruiker": "ambtenaar-7"}
        for event_id, insz in zip(ids, persons, strict=True)
    ]
    assert opens(service, ids[0], salts[0], dossier.content)
    assert opens(service, ids[1], salts[1], advice.content)
    assert not opens(service, ids[1], salts[1], advice.content + b" ")
    assert not opens(service, ids[1], salts[0], advice.content)
    assert salts[2] is None


async def test_the_salt_of_an_answer_does_not_open_the_explanation(service: Service) -> None:
    advice = (await service.advice(FUND, MEMBER_NOK)).json()["id"]
    path = f"/toegangen/{advice}"
    shown = (await service.ask(AUDITOR, path, scopes=(AUDIT,))).json()

    salt = bytes.fromhex((await revealed(service, advice))["zout"])

    explanation = json.dumps(
        shown["explanation"], sort_keys=True, separators=(",", ":"), ensure_ascii=False
    )
    with_salt = hashlib.sha256(salt + explanation.encode()).hexdigest()
    key = service.office.keys.at(service.clock.now)
    assert shown["detailDigest"] == key.digest(f"{advice}/detail", explanation.encode())
    assert shown["detailDigest"] != f"sha256:{with_salt}"


async def test_each_month_has_its_own_key(service: Service) -> None:
    june = (await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)).json()["id"]
    service.clock.forward(days=30)
    july = (await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)).json()["id"]

    known = [(await revealed(service, event_id))["insz"] for event_id in (june, july)]

    assert known == [RESIDENT_WITH_CERTIFICATE.digits] * 2


async def test_an_act_of_the_office_has_its_operator_and_no_person(service: Service) -> None:
    office = service.office
    named = Office(office.database, office.keys, office.origin, "uitbater-3")
    administration.suspend(named, "genk-2021", "klacht", service.clock.now)
    admin = json.loads(stored(service)[-1])

    assert await revealed(service, admin["eventId"]) == {
        "id": admin["eventId"],
        "gebruiker": "uitbater-3",
    }


async def test_of_a_stranger_nothing_is_known(service: Service) -> None:
    await service.ask(CITY, "/mijnToegang", headers={"Authorization": "", "X-Magda-Enduser-ID": ""})
    [stranger] = service.records()

    assert await revealed(service, stranger["eventId"]) == {"id": stranger["eventId"]}


async def test_a_search_for_a_person_and_a_disclosure_can_be_made_known_too(
    service: Service,
) -> None:
    await find(service, insz=SOMEBODY.digits)
    [search] = service.records()
    first = await revealed(service, search["eventId"])
    disclosure = service.records()[-1]

    second = await revealed(service, disclosure["eventId"])

    assert (first["insz"], first["gebruiker"]) == (SOMEBODY.digits, "ambtenaar-7")
    assert (second["insz"], second["gebruiker"]) == (SOMEBODY.digits, "onderzoeker-1")
    salted = bytes.fromhex(second["zout"])
    answer = json.dumps(first, separators=(",", ":")).encode()
    assert opens(service, disclosure["eventId"], salted.hex(), answer)


# That it was made known


async def test_a_disclosure_is_a_record_about_the_person(service_on_each: Service) -> None:
    service = service_on_each
    asked = (await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)).json()["id"]

    response = await reveal(service, asked.upper())

    _, record = service.records()
    key = service.office.keys.at(service.clock.now)
    assert (record["type"], record["operation"]) == ("disclosure", "onthulToegang")
    assert (record["outcome"], record["status"]) == ("allowed", 200)
    assert (record["parentId"], record["reasonReference"]) == (asked, WHY)
    assert record["subject"] == key.hide("subject", RESIDENT_WITH_CERTIFICATE.digits)
    assert record["user"] == key.hide("user", "onderzoeker-1")
    assert record["organisation"] == AUDITOR
    assert record["responseDigest"] == key.digest(record["eventId"], response.content)
    found = await find(service, insz=RESIDENT_WITH_CERTIFICATE.digits)
    assert [item["type"] for item in found["items"]] == ["disclosure", "access"]


async def test_what_is_made_known_stands_nowhere_in_the_clear(service_on_each: Service) -> None:
    service = service_on_each
    add_person(service, {"insz": SOMEBODY.digits, "geannuleerdOp": "2026-01-01"}, None)
    await service.dossier(CITY, SOMEBODY)
    [asked] = service.records()

    known = await revealed(service, asked["eventId"])

    assert known["insz"] == SOMEBODY.digits
    tables = {*inspect(service.office.database.engine).get_table_names()} - NAMED
    assert {"access_record", "access_detail", "log_tile"} <= tables
    with service.office.database.reading() as session:
        rows = [
            value if isinstance(value, bytes) else str(value).encode()
            for table in tables
            for row in session.connection().exec_driver_sql(f"SELECT * FROM {table}")  # noqa: S608
            for value in row
        ]
    for secret in (SOMEBODY.digits, "ambtenaar-7", "onderzoeker-1", known.get("zout", "-geen-")):
        assert not [row for row in rows if secret.encode() in bytes(row)], secret


async def test_nothing_is_made_known_without_its_record(service_on_each: Service) -> None:
    service = service_on_each
    asked = (await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)).json()["id"]

    with closed_log(service):
        response = await reveal(service, asked)

    assert is_problem(response, 503, "serviceUnavailable")
    for secret in (RESIDENT_WITH_CERTIFICATE.digits, "ambtenaar-7", "zout"):
        assert secret not in response.text
    assert len(service.records()) == 1


# What is refused


async def test_it_needs_a_scope_of_its_own(service: Service) -> None:
    asked = (await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)).json()["id"]
    before = len(service.records())
    for scopes in ((AUDIT,), (AUDIT_OWN,), (AUDIT, AUDIT_OWN, DOSSIER), ("",)):
        response = await reveal(service, asked, *scopes, organisation=CITY)

        assert is_problem(response, 403, "missingScope")
        assert response.json()["requiredScopes"] == [REVEAL]
        assert RESIDENT_WITH_CERTIFICATE.digits not in response.text
    records = service.records()[before:]
    assert [record["reasonCode"] for record in records] == ["scope"] * 4
    assert all("subject" not in record and "parentId" not in record for record in records)


async def test_it_opens_nothing_else(service: Service) -> None:
    asked = (await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)).json()["id"]
    for path, body in (
        ("/toegangen/query", {"organisatie": CITY, "aanleiding": WHY}),
        ("/toegangen/export", {"organisatie": CITY, "aanleiding": WHY}),
        (f"/toegangen/{asked}", None),
        (f"/toegangen/{asked}/bewijs", None),
    ):
        response = await service.ask(AUDITOR, path, body, scopes=(REVEAL,))

        assert is_problem(response, 403, "missingScope")


async def test_it_needs_a_reason_and_a_user(service: Service) -> None:
    asked = (await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)).json()["id"]
    path = f"/toegangen/{asked}/onthulling"
    for body in (
        {},
        {"aanleiding": ""},
        {"aanleiding": None},
        {"aanleiding": "a" * 501},
        {"aanleiding": f"over {SOMEBODY.digits}"},
        {"aanleiding": "twee\nregels"},
        {"aanleiding": WHY, "geheim": 1},
    ):
        response = await service.ask(AUDITOR, path, body, scopes=(REVEAL,))

        assert is_problem(response, 400, "badRequest"), body
        assert SOMEBODY.digits not in response.text + json.dumps(service.records()[-1])
    nameless = await service.ask(
        AUDITOR, path, {"aanleiding": WHY}, scopes=(REVEAL,), headers={"X-Magda-Enduser-ID": ""}
    )
    assert is_problem(nameless, 400, "badRequest")


async def test_knows_nothing_of_a_record_that_is_not_there(service: Service) -> None:
    unknown = await reveal(service, NO_RECORD)
    none = await reveal(service, "12")

    assert is_problem(unknown, 404, "resourceNotFound")
    assert is_problem(none, 400, "badRequest")
    first, second = service.records()
    assert (first["type"], first["outcome"]) == ("disclosure", "notFound")
    assert first["reasonReference"] == WHY
    assert "parentId" not in first
    assert second["outcome"] == "invalid"


async def test_nobody_is_known_once_the_key_of_the_month_is_destroyed(service: Service) -> None:
    asked = (await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)).json()["id"]
    known = await revealed(service, asked)
    service.clock.forward(days=30)
    (Path("month-keys") / "2026-06.key").unlink()  # which the process had in memory

    gone = await reveal(service, asked)
    still = await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)

    assert known["insz"] == RESIDENT_WITH_CERTIFICATE.digits
    assert is_problem(gone, 410, "bewaartermijnVerstreken")
    assert RESIDENT_WITH_CERTIFICATE.digits not in gone.text
    assert still.status_code == 200
    record = service.records()[-2]
    assert (record["type"], record["outcome"], record["status"]) == ("disclosure", "notFound", 410)
    assert (record["parentId"], "subject" in record) == (asked, False)


async def test_nobody_is_known_without_the_key_under_which_it_would_be_recorded(
    service: Service,
) -> None:
    asked = (await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)).json()["id"]
    service.clock.forward(days=30)
    (Path("month-keys") / "2026-07.key").unlink()

    response = await reveal(service, asked)

    assert is_problem(response, 503, "serviceUnavailable")
    assert RESIDENT_WITH_CERTIFICATE.digits not in response.text
    assert len(service.records()) == 1


async def test_a_key_that_cannot_be_read_is_a_fault_and_no_end_of_a_term(
    service: Service,
) -> None:
    asked = (await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)).json()["id"]
    (Path("month-keys") / "2026-06.key").write_text("half")

    response = await reveal(service, asked)

    assert is_problem(response, 500, "internalServerError")
    assert service.records()[-1]["outcome"] == "error"


async def test_a_key_of_another_month_reveals_nobody(service: Service) -> None:
    """As when the wrong file was put back."""
    asked = (await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)).json()["id"]
    keys = Path("month-keys")
    (keys / "2026-06.key").write_bytes((keys / "2026-07.key").read_bytes())

    response = await reveal(service, asked)

    assert is_problem(response, 500, "internalServerError")


async def test_a_record_that_was_pruned_is_unknown(service: Service) -> None:
    asked = (await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)).json()["id"]
    execute(service, f"UPDATE log_head SET minimum = {len(stored(service))}")  # noqa: S608
    execute(service, f"DELETE FROM access_record WHERE event_id = '{asked}'")  # noqa: S608

    assert is_problem(await reveal(service, asked), 404, "resourceNotFound")
