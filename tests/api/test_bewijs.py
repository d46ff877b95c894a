"""`getToegangBewijs`: the proof that one record stands in the log."""

import asyncio
import hashlib
import json
from typing import Any

import httpx
import naive_tree
import pytest
from log_reader import append, fill_to, is_problem, stored, vkeys
from service import (
    AUDIT,
    AUDIT_OWN,
    AUDITOR,
    AVSB,
    CITY,
    DOSSIER,
    FUND,
    LOG_ORIGIN,
    REVEAL,
    Service,
    closed_log,
)

from app import proving
from app.demo_persons import MEMBER_NOK, RESIDENT_WITH_CERTIFICATE
from app.tlog import note, tree
from app.tlog.proof import ProofInvalid, parse_proof, verify_proof

NO_RECORD = "00000000-0000-0000-0000-000000000000"


async def prove(
    service: Service, event_id: str, *scopes: str, organisation: str = AUDITOR, **more: Any
) -> httpx.Response:
    path = f"/toegangen/{event_id}/bewijs"
    return await service.ask(organisation, path, scopes=scopes or (AUDIT,), **more)


async def proven(service: Service, response: httpx.Response) -> tuple[int, bytes]:
    """The index and the record that a proof is about, once it holds in every way."""
    assert response.status_code == 200, response.text
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["cache-control"] == "no-store"
    proof, keys = parse_proof(response.text), await vkeys(service)
    signed = note.open_checkpoint(proof.checkpoint, keys, LOG_ORIGIN)
    leaves = stored(service)[: signed.size]
    assert signed.root == naive_tree.root(leaves)
    assert [*proof.hashes] == naive_tree.inclusion(proof.index, leaves)
    record = leaves[proof.index]
    leaf = hashlib.sha256(b"\x00" + record).digest()
    assert tree.verify_inclusion(leaf, proof.index, signed.size, proof.hashes, signed.root)
    return proof.index, record


async def test_a_proof_leads_from_the_record_to_the_checkpoint(service_on_each: Service) -> None:
    service = service_on_each
    append(service, 230)
    asked = (await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)).json()["id"]
    fill_to(service, 513)

    index, record = await proven(service, await prove(service, asked))

    assert json.loads(record)["eventId"] == asked
    assert index == [json.loads(each)["eventId"] for each in stored(service)].index(asked)


async def test_the_answer_that_shows_a_record_and_its_proof_are_all_that_is_needed(
    service: Service,
) -> None:
    """What an auditor has in hand: two answers, and a key from elsewhere."""
    asked = (await service.advice(FUND, MEMBER_NOK, referte="é")).json()["id"]
    service.sign()
    shown = (await service.ask(AUDITOR, f"/toegangen/{asked}", scopes=(AUDIT,))).content
    proof = (await prove(service, asked)).text

    index, signed = verify_proof(proof, shown, await vkeys(service))

    assert index == json.loads(shown)["index"] < signed.size
    with pytest.raises(ProofInvalid):
        verify_proof(proof, shown.replace(b'"allowed"', b'"denied"'), await vkeys(service))


async def test_every_place_in_the_tree_has_its_proof(shared: Service) -> None:
    fill_to(shared, 600)
    ids = [json.loads(record)["eventId"] for record in stored(shared)]

    for index in (0, 1, 127, 128, 255, 256, 257, 511, 512, 513, 598, 599):
        found, _ = await proven(shared, await prove(shared, ids[index]))

        assert found == index


async def test_an_id_in_capitals_is_the_same_id(service: Service) -> None:
    asked = (await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)).json()["id"]
    service.sign()

    _, record = await proven(service, await prove(service, asked.upper()))

    assert json.loads(record)["eventId"] == asked


async def test_a_proof_waits_for_the_checkpoint_that_covers_the_record(
    service_on_each: Service,
) -> None:
    service = service_on_each
    asked = (await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)).json()["id"]
    waiting = asyncio.create_task(prove(service, asked))
    await asyncio.sleep(0.2)
    waited = not waiting.done()

    service.sign()

    _, record = await proven(service, await waiting)
    assert waited
    assert json.loads(record)["eventId"] == asked


async def test_a_proof_waits_two_seconds_and_no_longer(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert pytest.approx(2.0) == proving.TRIES * proving.STEP
    monkeypatch.setattr(proving, "STEP", 0.001)
    asked = (await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)).json()["id"]

    late = await prove(service, asked)

    assert is_problem(late, 503, "serviceUnavailable")
    assert late.headers["retry-after"] == "1"
    record = service.records()[-1]
    assert late.json()["instance"] == f"urn:uuid:{record['eventId']}"
    assert (record["type"], record["status"], record["parentId"]) == ("logRead", 503, asked)
    service.sign()
    assert (await prove(service, asked)).status_code == 200


async def test_a_proof_is_recorded_with_what_it_is_about(service: Service) -> None:
    asked = (await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)).json()["id"]
    service.sign()

    response = await prove(service, asked)

    _, record = service.records()
    key = service.office.keys.at(service.clock.now)
    assert (record["type"], record["operation"]) == ("logRead", "getToegangBewijs")
    assert (record["parentId"], record["counts"]) == (asked, {"records": 1})
    assert (record["outcome"], record["status"]) == ("allowed", 200)
    assert record["route"] == "/toegangen/{toegangId}/bewijs"
    assert record["responseDigest"] == key.digest(record["eventId"], response.content)
    assert record["user"] == key.hide("user", "ambtenaar-7")
    assert "subject" not in record


async def test_an_organisation_gets_the_proof_of_its_own_records_only(service: Service) -> None:
    own = (await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)).json()["id"]
    other = (await service.advice(FUND, MEMBER_NOK)).json()["id"]
    admin = next(
        record["eventId"]
        for record in map(json.loads, stored(service))
        if record["type"] == "admin"
    )
    service.sign()

    foreign = [
        await prove(service, event_id, AUDIT_OWN, organisation=CITY)
        for event_id in (other, admin, NO_RECORD)
    ]
    for_whom = await prove(service, other, AUDIT_OWN, organisation=AVSB)
    [mine, theirs, full] = [
        await prove(service, own, AUDIT_OWN, organisation=CITY),
        await prove(service, other, AUDIT_OWN, organisation=FUND),
        await prove(service, admin, AUDIT, organisation=CITY),
    ]

    bodies = [response.json() for response in [*foreign, for_whom]]
    for response in [*foreign, for_whom]:
        assert is_problem(response, 404, "resourceNotFound")
    refused = service.records()[2:6]
    assert [body.pop("instance")[9:] for body in bodies] == [each["eventId"] for each in refused]
    assert bodies.count(bodies[0]) == 4
    # Not even the record of it says that there is such a record.
    assert all("parentId" not in record for record in refused)
    for response, event_id in ((mine, own), (theirs, other), (full, admin)):
        _, record = await proven(service, response)
        assert json.loads(record)["eventId"] == event_id


async def test_knows_no_proof_of_what_is_not_there(service: Service) -> None:
    unknown = await prove(service, NO_RECORD)
    none = [await prove(service, text) for text in ("12", "1", NO_RECORD[:-1], NO_RECORD + "0")]

    assert is_problem(unknown, 404, "resourceNotFound")
    for response in none:
        assert is_problem(response, 400, "badRequest")
        [issue] = response.json()["issues"]
        assert (issue["in"], issue["name"]) == ("path", "toegangId")
    records = service.records()
    assert [record["status"] for record in records] == [404, 400, 400, 400, 400]
    assert all("parentId" not in record for record in records)


async def test_a_proof_needs_an_audit_scope_a_user_and_text(service: Service) -> None:
    asked = (await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)).json()["id"]
    service.sign()

    refused = await prove(service, asked, DOSSIER, REVEAL, organisation=CITY)
    stranger = await prove(service, asked, headers={"Authorization": ""})
    nameless = await prove(service, asked, headers={"X-Magda-Enduser-ID": ""})
    accepted = [
        (await prove(service, asked, headers={"Accept": kind})).status_code
        for kind in ("application/json", "text/plain", "text/*", "*/*")
    ]

    assert is_problem(refused, 403, "missingScope")
    assert refused.json()["requiredScopes"] == [AUDIT, AUDIT_OWN]
    assert is_problem(stranger, 401, "noAccessToken")
    assert is_problem(nameless, 400, "badRequest")
    assert accepted == [406, 200, 200, 200]


async def test_no_proof_leaves_without_its_record(service_on_each: Service) -> None:
    service = service_on_each
    asked = (await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)).json()["id"]
    service.sign()

    with closed_log(service):
        response = await prove(service, asked)

    assert is_problem(response, 503, "serviceUnavailable")
    assert "tlog-proof" not in response.text
    assert len(service.records()) == 1
