"""`POST /dossiers/query`."""

import json
import re
from collections.abc import Iterator
from typing import Any

import pytest
from service import (
    CITY,
    GENK,
    PROTOCOLS,
    Service,
    add_person,
    add_resident,
    execute,
    insz_of,
    person_with,
)

from app import administration, documents, fields, lookup
from app.canonical import digest
from app.demo_persons import NON_RESIDENT, RESIDENT_WITH_CERTIFICATE, demo_persons
from app.fields import CATALOGUE
from app.gate import Told

SOMEBODY, OLD_NUMBER = insz_of("850730001"), insz_of("850730002")
CITY_GRANT = frozenset[str]().union(
    *map(
        fields.leaves,
        (
            "personalia.insz",
            "contact",
            "talenkennis",
            "contract.ondertekend",
            "attest.inburgeringBehaald",
        ),
    )
)
GENK_GRANT = {"personalia.insz", "contract.ondertekend", "attest.inburgeringBehaald"}
GUID = re.compile(r"[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}")


def leaves_in(value: Any, path: str = "") -> Iterator[str]:
    """The ids of what a document holds, found without the catalogue's own code."""
    if path in CATALOGUE:
        yield path
        return
    if isinstance(value, list):
        for item in value:
            yield from leaves_in(item, f"{path}[]")
        return
    assert isinstance(value, dict), f"{path} is no field of the catalogue"
    for name, below in value.items():
        yield from leaves_in(below, f"{path}.{name}" if path else name)


async def test_gives_the_permitted_fields_and_records_them(service_on_each: Service) -> None:
    service = service_on_each

    response = await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)

    assert response.status_code == 200, response.text
    [record] = service.records()
    answer = response.json()
    assert record["outcome"] == "allowed"
    assert record["eventId"] == answer["id"]
    assert record["requestedFields"] == sorted(CITY_GRANT)
    assert record["deliveredFields"] == sorted(set(leaves_in(answer["dossier"])))
    assert set(record["deliveredFields"]) <= CITY_GRANT


async def test_answers_as_the_contract_says(service: Service) -> None:
    response = await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE, velden=["contract"])

    [record] = service.records()
    assert response.json() == {
        "id": record["eventId"],
        "referte": "ref-1",
        "opgevraagdOp": "2026-06-01T09:30:00.000Z",
        "gegevensVan": "2026-06-01T09:30:00.000Z",
        "bewarenTot": "2031-06-01",
        "protocol": {
            "id": "voorbeeldstad-2026",
            "versie": "1",
            "hash": record["protocolHash"],
            "href": "/inburgering/v1/protocollen/voorbeeldstad-2026?versie=1",
        },
        "doeleinde": "lokaalIntegratiebeleid",
        "dossier": {"contract": {"ondertekend": True}},
        "meldingen": [],
    }
    assert response.headers["content-type"] == "application/json"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-correlation-id"] == record["correlationId"]


def hash_of(file: str) -> str:
    """What anybody computes from a list of the project."""
    content = documents.parse((PROTOCOLS / file).read_text(encoding="utf-8"))
    return digest(documents.as_data(content))


async def test_says_in_the_record_who_asked_what_under_which_agreement(service: Service) -> None:
    parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-00"
    question = {
        "insz": RESIDENT_WITH_CERTIFICATE.digits,
        "doeleinde": "lokaalIntegratiebeleid",
        "referte": "dossier 7",
        "velden": ["contract.ondertekend", "personalia.insz"],
    }

    response = await service.ask(
        CITY,
        "/dossiers/query",
        question,
        headers={
            "traceparent": parent,
            "X-Correlation-ID": "11111111-2222-3333-4444-555555555555",
            "X-Magda-Sender-ID": CITY,
        },
    )

    [record] = service.records()
    key = service.office.keys.at(service.clock.now)
    changing = {name: record.pop(name) for name in ("eventId", "credential", "spanId", "node")}
    assert record == {
        "v": 1,
        "type": "access",
        "startedAt": "2026-06-01T09:30:00.000Z",
        "recordedAt": "2026-06-01T09:30:00.000Z",
        "traceId": "0af7651916cd43dd8448eb211c80319c",
        "correlationId": "11111111-2222-3333-4444-555555555555",
        "reference": "dossier 7",
        "organisation": CITY,
        "client": CITY,
        "system": CITY,
        "user": key.hide("user", "ambtenaar-7"),
        "functionProfile": "trajectondersteuner",
        "protocol": "voorbeeldstad-2026",
        "protocolVersion": "1",
        "protocolHash": response.json()["protocol"]["hash"],
        "listHashes": {
            "functieprofielen": hash_of("demo/voorbeeldstad-functieprofielen.yaml"),
            "opvolgingen": hash_of("gemeenten.yaml"),
        },
        "purpose": "lokaalIntegratiebeleid",
        "operation": "queryDossier",
        "route": "/dossiers/query",
        "requestedFields": ["contract.ondertekend", "personalia.insz"],
        "deliveredFields": ["contract.ondertekend", "personalia.insz"],
        "outcome": "allowed",
        "status": 200,
        "responseDigest": key.digest(changing["eventId"], response.content),
        "subject": key.hide("subject", RESIDENT_WITH_CERTIFICATE.digits),
        "subjectBasis": "resident",
        "subjectFact": key.hide("fact", "resident 99001 since 2022-10-04"),
        "catalogueHash": fields.CATALOGUE_HASH,
        "serviceVersion": record["serviceVersion"],
    }
    assert changing["spanId"] != "b7ad6b7169203331"


async def test_logs_a_refusal(service: Service) -> None:
    response = await service.dossier(CITY, NON_RESIDENT)

    [record] = service.records()
    assert response.status_code == record["status"] == 403
    assert record["reasonCode"] == "population"


async def test_gives_each_organisation_exactly_what_its_protocol_grants(service: Service) -> None:
    residents = [
        (organisation, person.insz, grant)
        for person in demo_persons(60)
        for organisation, nis, grant in ((CITY, "99001", CITY_GRANT), (GENK, "71016", GENK_GRANT))
        if person.blocks is not None
        and person.register.get("geannuleerdOp") is None
        and any(
            home["nis"] == nis and home.get("tot") is None
            for home in person.register["woonplaatsen"]
        )
    ]
    assert {organisation for organisation, *_ in residents} == {CITY, GENK}

    for organisation, insz, grant in residents:
        response = await service.dossier(organisation, insz)
        assert response.status_code == 200, response.text
        found = set(leaves_in(response.json()["dossier"]))
        assert found <= grant
        assert found >= GENK_GRANT


@pytest.mark.parametrize(
    ("asked", "found"),
    [
        (["personalia.insz"], {"personalia.insz"}),
        (["contact.email", "contract.ondertekend"], {"contact.email", "contract.ondertekend"}),
        (
            ["contact"],
            {
                "contact.voornaam",
                "contact.achternaam",
                "contact.adres",
                "contact.telefoon",
                "contact.email",
            },
        ),
        (["talenkennis.talen[].code"], {"talenkennis.talen[].code"}),
        (["contact", "contact.email", "attest"], None),
    ],
)
async def test_gives_what_was_asked_and_no_more(
    shared: Service, asked: list[str], found: set[str] | None
) -> None:
    response = await shared.dossier(CITY, RESIDENT_WITH_CERTIFICATE, velden=asked)

    assert response.status_code == 200, response.text
    expected = found or set(fields.leaves("contact")) | {"attest.inburgeringBehaald"}
    assert set(leaves_in(response.json()["dossier"])) == expected


@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        (["personalia"], ["personalia"]),
        (["personalia.insz", "personalia", "contact.email"], ["contact.email", "personalia"]),
        (["wooncode", "attest", "doelgroep.code"], ["doelgroep.code", "wooncode"]),
        (list(CATALOGUE), sorted(set(CATALOGUE) - GENK_GRANT)),
    ],
)
async def test_refuses_all_for_one_field_outside_the_grant(
    service: Service, asked: list[str], refused: list[str]
) -> None:
    add_resident(service, SOMEBODY, nis="71016")

    response = await service.dossier(GENK, SOMEBODY, velden=asked)

    assert response.status_code == 403
    assert response.json()["velden"] == refused
    [record] = service.records()
    assert record["reasonCode"] == "field"
    assert record["requestedFields"] == list(fields.expand(asked))
    assert "deliveredFields" not in record


@pytest.mark.parametrize(
    ("asked", "name"),
    [
        ([], "velden"),
        ("contact", "velden"),
        ({"contact": True}, "velden"),
        ([7], "velden[0]"),
        ([""], "velden[0]"),
        (["contact", None], "velden[1]"),
        (["contact", "contract", "contact"], "velden[2]"),
        (["contact", "contract", "geheimveld"], "velden[2]"),
        (["geheimveld", "geheimveld"], "velden[0]"),
        (["contact.geheimveld"], "velden[0]"),
        (["Contact"], "velden[0]"),
        (["talenkennis.talen"], "velden[0]"),
        (["contact "], "velden[0]"),
        (["x" * 201], "velden[0]"),
    ],
)
async def test_names_the_position_of_a_field_that_is_none(
    shared: Service, asked: Any, name: str
) -> None:
    response = await shared.dossier(CITY, RESIDENT_WITH_CERTIFICATE, velden=asked)

    [issue] = response.json()["issues"]
    record = shared.records()[-1]
    assert (response.status_code, issue["name"]) == (400, name)
    assert "geheimveld" not in response.text + json.dumps(record)
    assert record["reasonCode"] == "invalidRequest"


async def test_tells_that_a_number_was_replaced_and_counts_the_dossier(service: Service) -> None:
    add_resident(service, SOMEBODY, vorigeInsz=[OLD_NUMBER.digits])

    now, before = [await service.dossier(CITY, each) for each in (SOMEBODY, OLD_NUMBER)]

    assert now.json()["meldingen"] == []
    [notice] = before.json()["meldingen"]
    assert (notice["identificatie"], notice["type"]) == ("30004", "WAARSCHUWING")
    assert SOMEBODY.digits not in before.text


async def test_reads_the_dossier_that_stands_under_an_older_number(service: Service) -> None:
    add_person(service, {"insz": OLD_NUMBER.digits}, {"personalia": {"insz": OLD_NUMBER.digits}})
    home = {"nis": "99001", "van": "2020-01-01"}
    line = {"insz": SOMEBODY.digits, "woonplaatsen": [home], "vorigeInsz": [OLD_NUMBER.digits]}
    add_person(service, line, None)

    response = await service.dossier(CITY, SOMEBODY, velden=["personalia.insz"])

    assert response.json()["dossier"] == {"personalia": {"insz": OLD_NUMBER.digits}}


async def test_gives_the_derived_fields_of_an_empty_dossier(service: Service) -> None:
    add_resident(service, SOMEBODY)

    response = await service.dossier(CITY, SOMEBODY)

    assert response.json()["dossier"] == {
        "contract": {"ondertekend": False},
        "attest": {"inburgeringBehaald": False},
    }


# Headers and sizes


@pytest.mark.parametrize(
    "headers",
    [
        {"Content-Type": ""},
        {"Content-Type": "Application/JSON; charset=UTF-8"},
        {"Accept": "application/*"},
        {"Accept": "text/html, application/json;q=0.1"},
        {"Accept": "*/*"},
        {"X-Onbekend": "iets"},
        {"Authorization": "bearer {token}"},
        {"X-Magda-Sender-ID": CITY},
    ],
)
async def test_takes_what_means_the_same(shared: Service, headers: dict[str, str]) -> None:
    token = shared.token(CITY, "inb_dossier_v1_G")
    question = {
        "insz": RESIDENT_WITH_CERTIFICATE.digits,
        "doeleinde": "lokaalIntegratiebeleid",
        "referte": "ref-1",
    }

    response = await shared.ask(
        CITY,
        "/dossiers/query",
        question,
        headers={name: value.format(token=token) for name, value in headers.items()},
    )

    assert response.status_code == 200, response.text


async def test_takes_a_body_of_64_kib_and_no_byte_more(shared: Service) -> None:
    body = json.dumps(
        {
            "insz": RESIDENT_WITH_CERTIFICATE.digits,
            "doeleinde": "lokaalIntegratiebeleid",
            "referte": "ref-1",
        }
    ).encode()

    largest = await shared.ask(CITY, "/dossiers/query", content=body.ljust(65_536))
    larger = await shared.ask(CITY, "/dossiers/query", content=body.ljust(65_537))

    assert (largest.status_code, larger.status_code) == (200, 413)


@pytest.mark.parametrize(
    "parent",
    [
        "",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "geheim",
    ],
)
async def test_begins_a_trace_of_its_own_without_a_good_one(shared: Service, parent: str) -> None:
    await shared.ask(CITY, "/mijnToegang", headers={"traceparent": parent})

    record = shared.records()[-1]
    assert re.fullmatch("[0-9a-f]{32}", record["traceId"])
    assert record["traceId"] not in ("0af7651916cd43dd8448eb211c80319c", "0" * 32)


async def test_makes_a_correlation_id_where_there_is_none(shared: Service) -> None:
    responses = [await shared.dossier(CITY, NON_RESIDENT) for _ in range(2)]

    made = [response.headers["x-correlation-id"] for response in responses]
    assert all(GUID.fullmatch(each) for each in made)
    assert made[0] != made[1]


# The register moves


async def test_refuses_from_the_moment_of_a_suspension_on(service_on_each: Service) -> None:
    service = service_on_each
    before = await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)

    administration.suspend(service.office, "voorbeeldstad-2026", "inbreuk", service.clock.now)
    during = await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
    administration.resume(service.office, "voorbeeldstad-2026", service.clock.now)
    after = await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)

    assert [each.status_code for each in (before, during, after)] == [200, 403, 200]
    assert during.json()["reden"] == "suspended"
    assert [each["outcome"] for each in service.records()] == ["allowed", "denied", "allowed"]


async def test_decides_anew_when_the_register_moves_between_decision_and_record(
    service_on_each: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = service_on_each
    tell, told = lookup._told, []

    def suspended_meanwhile(*args: Any, **terms: Any) -> Told:
        told.append(args)
        administration.suspend(service.office, "voorbeeldstad-2026", "inbreuk", service.clock.now)
        return tell(*args, **terms)

    monkeypatch.setattr(lookup, "_told", suspended_meanwhile)

    response = await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)

    assert len(told) == 1
    assert response.status_code == 403
    assert response.json()["reden"] == "suspended"
    [record] = service.records()
    assert (record["outcome"], record["reasonCode"]) == ("denied", "suspended")


async def test_gives_up_without_data_when_the_register_never_stands_still(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell = lookup._told

    def moved_meanwhile(*args: Any, **terms: Any) -> Told:
        execute(service, "UPDATE register_state SET version = version + 1")
        return tell(*args, **terms)

    monkeypatch.setattr(lookup, "_told", moved_meanwhile)

    response = await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)

    assert response.status_code == 503
    assert not service.records()


async def test_a_second_process_follows_the_register_too(service: Service) -> None:
    other = service.restart()
    assert (await other.dossier(CITY, RESIDENT_WITH_CERTIFICATE)).status_code == 200

    administration.suspend(service.office, "voorbeeldstad-2026", "inbreuk", service.clock.now)

    for process in (service, other):
        response = await process.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
        assert response.json()["reden"] == "suspended"
    await other.close()


async def test_finds_a_dossier_again_that_came_in_meanwhile(service: Service) -> None:
    nobody = person_with("O01")
    home = {"nis": "99001", "van": "2020-01-01"}
    add_person(service, {"insz": nobody.insz.digits, "woonplaatsen": [home]}, None)
    before = await service.dossier(CITY, nobody.insz)

    add_resident(service, nobody.insz)
    after = await service.dossier(CITY, nobody.insz)

    assert [before.status_code, after.status_code] == [404, 200]
