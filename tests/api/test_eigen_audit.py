"""What an organisation sees of its own records: all that it was told, and not who a refusal hid.

A person outside the population, a cancelled one and one that nobody knows are refused alike. Here
somebody with the scope `inb_audit_eigen_v1_G` tries to tell them apart afterwards.
"""

import base64
import json
import re
from collections.abc import Awaitable, Callable, Mapping
from itertools import combinations
from typing import Any

import httpx
import pytest
import variants
from log_reader import append, fill_to, hashes, is_problem, public, stored
from service import (
    AUDIT,
    AUDIT_OWN,
    AUDITOR,
    CITY,
    FUND,
    GENK,
    Service,
    add_person,
    insz_of,
)
from test_toegangen import WHY, find

from app.canonical import canonical_json
from app.demo_persons import MEMBER_NOK, NON_RESIDENT, RESIDENT_WITH_CERTIFICATE
from app.errors import Outcome, Reason
from app.insz import Insz
from app.record import ALIKE
from app.tlog.proof import parse_proof
from app.tlog.tree import leaf_hash

CANCELLED, UNKNOWN, STRANGER = (insz_of(f"85073000{serial}") for serial in (1, 2, 3))
# What differs between any two requests, whoever they are about.
OF_A_REQUEST = {
    *("eventId", "href", "index", "traceId", "spanId", "correlationId", "credential", "subject")
}
PERSONS = (STRANGER, CANCELLED, UNKNOWN)
THREE = (Reason.POPULATION, Reason.CANCELLED, Reason.UNKNOWN_PERSON)

Ask = Callable[[Service, Insz], Awaitable[httpx.Response]]


async def dossier(service: Service, insz: Insz) -> httpx.Response:
    return await service.dossier(CITY, insz)


async def advice(service: Service, insz: Insz) -> httpx.Response:
    return await service.advice(FUND, insz)


async def refuse_three(service: Service, ask: Ask) -> list[dict[str, Any]]:
    """The records of somebody outside the population, somebody cancelled, somebody unknown."""
    add_person(service, {"insz": STRANGER.digits}, None)
    add_person(service, {"insz": CANCELLED.digits, "geannuleerdOp": "2026-01-01"}, None)
    before = len(service.records())
    assert {(await ask(service, insz)).status_code for insz in PERSONS} == {403}
    records = service.records()[before:]
    assert [record["reasonCode"] for record in records] == [*THREE]
    service.sign()
    return records


async def own_view(service: Service, organisation: str, record: Mapping[str, Any]) -> Any:
    path = f"/toegangen/{record['eventId']}"
    response = await service.ask(organisation, path, scopes=(AUDIT_OWN,))
    assert response.status_code == 200
    return response.json()


async def own_find(service: Service, organisation: str, **query: Any) -> list[dict[str, Any]]:
    found = await find(service, AUDIT_OWN, organisation=organisation, **query)
    items: list[dict[str, Any]] = found["items"]
    return items


# Nobody else's


async def test_sees_only_its_own_records(service_on_each: Service) -> None:
    service = service_on_each
    await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
    await service.dossier(GENK, RESIDENT_WITH_CERTIFICATE)
    await service.advice(FUND, MEMBER_NOK)
    await service.ask(CITY, "/mijnToegang", headers={"Authorization": ""})
    await service.ask(AUDITOR, "/mijnToegang")
    every = [json.loads(record) for record in stored(service)]
    service.sign()

    found = await own_find(service, CITY, van="2026-05-31T00:00:00Z", tot="2026-06-02T00:00:00Z")

    assert [item["eventId"] for item in found] == [service.records()[0]["eventId"]]
    for record in every:
        mine = record.get("organisation") == CITY
        for path in ("", "/bewijs"):
            response = await service.ask(
                CITY, f"/toegangen/{record['eventId']}{path}", scopes=(AUDIT_OWN,)
            )
            assert mine or is_problem(response, 404, "resourceNotFound"), record
            assert response.status_code == (200 if mine else 404)


async def test_a_municipality_sees_the_records_of_what_went_on_in_it(
    service_on_each: Service,
) -> None:
    service, successor = service_on_each, "nis:99005"
    await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
    await service.dossier(GENK, RESIDENT_WITH_CERTIFICATE)
    of_city, of_genk = (record["eventId"] for record in service.records())
    service.sign()
    variants.load(service, variants.merged("71016", "99005", "2026-06-02"))
    before = await own_find(service, successor, uitkomst="denied")
    service.clock.forward(days=1)

    found = await own_find(service, successor, uitkomst="denied")
    named = await own_find(service, successor, organisatie=GENK)
    split = await own_find(service, "nis:99006", uitkomst="denied")
    foreign = await service.ask(
        successor, "/toegangen/query", {"aanleiding": WHY, "organisatie": CITY}, scopes=(AUDIT_OWN,)
    )

    assert (before, split, foreign.status_code) == ([], [], 403)
    assert [item["eventId"] for item in found] == [of_genk]
    assert found == [item for item in named if item["eventId"] == of_genk]
    # as much as Genk itself saw, and no more
    assert found[0] == await own_view(service, GENK, {"eventId": of_genk})
    for path in ("", "/bewijs"):
        answers = [
            await service.ask(successor, f"/toegangen/{id_}{path}", scopes=(AUDIT_OWN,))
            for id_ in (of_genk, of_city)
        ]
        assert [answer.status_code for answer in answers] == [200, 404]


async def test_sees_no_advice_code_and_no_explanation(service: Service) -> None:
    answer = await service.advice(FUND, MEMBER_NOK)
    service.sign()
    path = f"/toegangen/{answer.json()['id']}"
    full = (await service.ask(AUDITOR, path, scopes=(AUDIT,))).json()

    seen = [
        await service.ask(FUND, path, scopes=(AUDIT_OWN,)),
        await service.ask(FUND, f"{path}/bewijs", scopes=(AUDIT_OWN,)),
        await service.ask(
            FUND,
            "/toegangen/query",
            {"insz": MEMBER_NOK.digits, "aanleiding": WHY},
            scopes=(AUDIT_OWN,),
        ),
    ]

    explanation = full["explanation"]
    rule = explanation["regel"]
    assert explanation["code"] == "N23"
    for response in seen:
        assert response.status_code == 200
        for told in ("N23", "explanation", rule["situatie"], rule["rechtsgrond"]):
            assert told not in response.text


async def test_sees_its_other_records_whole(service: Service) -> None:
    """What is not about a refused person can be checked against the tree."""
    await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
    await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE, doeleinde="onbekend")
    records = service.records()
    service.sign()

    for record in records:
        view = await own_view(service, CITY, record)

        assert leaf_of(view) in await published(service)
        assert {name: view[name] for name in record} == record


# Refused persons


@pytest.mark.parametrize(("ask", "organisation"), [(dossier, CITY), (advice, FUND)])
async def test_three_refused_persons_look_the_same(
    service_on_each: Service, ask: Ask, organisation: str
) -> None:
    service = service_on_each
    records = await refuse_three(service, ask)

    got = [await own_view(service, organisation, record) for record in records]
    queried = (await own_find(service, organisation, uitkomst="denied"))[::-1]

    assert got == queried
    for view, record in zip(got, records, strict=True):
        assert view["reasonCode"] == "population"
        assert view.keys() - {"href", "index"} == record.keys() - {"blind"}
        unlike = {name for name in record if view.get(name) != record[name]}
        assert unlike <= {"reasonCode", "blind"}
    for one, other in combinations(got, 2):
        assert [*one] == [*other]  # the same properties, in the same order
        assert {name for name in one if one[name] != other[name]} <= OF_A_REQUEST
        assert len(json.dumps({**one, "index": 0})) == len(json.dumps({**other, "index": 0}))
        assert len(one["subject"]) == len(other["subject"])


async def test_no_filter_tells_three_refused_persons_apart(service: Service) -> None:
    ids = [record["eventId"] for record in await refuse_three(service, dossier)]
    filters: list[dict[str, Any]] = [
        *({"reden": reason.value} for reason in Reason),
        *({"uitkomst": outcome.value} for outcome in Outcome),
        *({"protocol": "voorbeeldstad-2026"}, {"doeleinde": "lokaalIntegratiebeleid"}),
        *({"functieprofiel": "trajectondersteuner"}, {"referte": "ref-1"}),
        *({"gebruiker": "ambtenaar-7"}, {"veld": "contact.email"}, {"organisatie": CITY}),
    ]

    for query in filters:
        found = [item["eventId"] for item in await own_find(service, CITY, **query)]

        assert [one for one in found if one in ids] in (ids[::-1], []), query
    for reason in ({}, *({"reden": reason.value} for reason in THREE)):
        for search in (
            [{"toegangId": event_id} for event_id in ids],
            [
                {"insz": insz.digits, "uitkomst": "denied"}
                for insz in (STRANGER, CANCELLED, UNKNOWN)
            ],
        ):
            counts = {len(await own_find(service, CITY, **each, **reason)) for each in search}

            assert counts == ({1} if reason.get("reden") in (None, "population") else {0})


async def test_the_three_have_one_reason_to_search_by(service: Service) -> None:
    ids = [record["eventId"] for record in await refuse_three(service, dossier)]

    found = {
        reason: [item["eventId"] for item in await own_find(service, CITY, reden=reason.value)]
        for reason in THREE
    }

    assert found == {
        Reason.POPULATION: ids[::-1],
        Reason.CANCELLED: [],
        Reason.UNKNOWN_PERSON: [],
    }


async def test_pages_hold_as_many_records_whoever_was_refused(service: Service) -> None:
    ids = [record["eventId"] for record in await refuse_three(service, dossier)]

    pages, cursor = [], dict[str, str]()
    while True:
        page = await find(
            service, AUDIT_OWN, organisation=CITY, reden="population", pageSize=1, **cursor
        )
        pages.append([item["eventId"] for item in page["items"]])
        if "next" not in page:
            break
        cursor = {"cursor": page["next"]}

    assert pages == [[event_id] for event_id in ids[::-1]]


async def test_each_refused_person_has_a_proof_all_the_same(service: Service) -> None:
    records = await refuse_three(service, dossier)
    fill_to(service, 256)  # every path is as long

    answers = [
        await service.ask(CITY, f"/toegangen/{each['eventId']}/bewijs", scopes=(AUDIT_OWN,))
        for each in records
    ]

    assert [answer.status_code for answer in answers] == [200] * 3
    assert {len(parse_proof(answer.text).hashes) for answer in answers} == {8}
    assert len({tuple(sorted(answer.headers)) for answer in answers}) == 1


async def test_looking_is_recorded_the_same_for_each(service: Service) -> None:
    records = await refuse_three(service, dossier)
    before = len(service.records())
    for record in records:
        await own_view(service, CITY, record)

    reads = service.records()[before:]
    for one, other in combinations(reads, 2):
        unlike = {name for name in one if one[name] != other.get(name)}
        assert [*one] == [*other]
        assert unlike <= OF_A_REQUEST | {"responseDigest"}


# The hash of a record is public


def leaf_of(view: Mapping[str, Any], **guess: str) -> bytes:
    """The leaf hash of what is seen, with what is guessed in its place."""
    record = {name: value for name, value in view.items() if name not in ("href", "index")}
    return leaf_hash(canonical_json({**record, **guess}))


async def published(service: Service) -> list[bytes]:
    """Every leaf hash that anybody can fetch."""
    service.sign()
    append(service, -len(stored(service)) % 256)
    service.sign()
    tiles = [await public(service, f"tile/0/{index:03}") for index in range(2)]
    return [one for tile in tiles if tile.status_code == 200 for one in hashes(tile.content)]


@pytest.mark.parametrize(("ask", "organisation"), [(dossier, CITY), (advice, FUND)])
async def test_trying_the_reasons_against_the_public_tree_tells_nothing(
    service_on_each: Service, ask: Ask, organisation: str
) -> None:
    service = service_on_each
    records = await refuse_three(service, ask)
    views = [await own_view(service, organisation, record) for record in records]
    views += await own_find(service, organisation, reden="population")
    assert len(views) == 6
    leaves = await published(service)

    for view in views:
        guesses = [leaf_of(view)] + [
            leaf_of(view, reasonCode=reason, **blind)
            for reason in Reason
            for blind in ({}, {"blind": ""}, {"blind": "A" * 22})
        ]

        assert not [guess for guess in guesses if guess in leaves]
    # It is the blind, and the blind alone, that is missing.
    for view, record in zip(views, records, strict=False):
        known = [
            reason
            for reason in ALIKE
            if leaf_of(view, reasonCode=reason, blind=record["blind"]) in leaves
        ]
        assert known == [record["reasonCode"]]


async def test_a_refused_person_has_a_blind_that_nobody_can_guess(service: Service) -> None:
    records = await refuse_three(service, dossier)
    add_person(service, {"insz": RESIDENT_WITH_CERTIFICATE.digits}, None)
    records += [record for _ in range(3) for record in await refuse_three(service, advice)]
    await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
    await service.dossier(CITY, NON_RESIDENT, doeleinde="onbekend")

    blinds = [record["blind"] for record in records]

    assert len({*blinds}) == 12
    assert all(re.fullmatch(r"[\w-]{22}", blind) for blind in blinds)
    assert {len(base64.urlsafe_b64decode(blind + "==")) for blind in blinds} == {16}
    assert all("blind" not in record for record in service.records()[-2:])


async def test_the_blind_is_shown_to_nobody_but_the_auditor_of_the_whole_log(
    service: Service,
) -> None:
    records = await refuse_three(service, dossier)
    paths = [f"/toegangen/{record['eventId']}" for record in records]
    search = {"organisatie": CITY, "aanleiding": WHY}

    own = [
        *[await service.ask(CITY, path, scopes=(AUDIT_OWN,)) for path in paths],
        *[await service.ask(CITY, f"{path}/bewijs", scopes=(AUDIT_OWN,)) for path in paths],
        await service.ask(CITY, "/toegangen/query", search, scopes=(AUDIT_OWN,)),
    ]
    full = [await service.ask(AUDITOR, path, scopes=(AUDIT,)) for path in paths]

    for response in own:
        assert response.status_code == 200
        assert "blind" not in response.text
        assert not [record for record in records if record["blind"] in response.text]
    assert [response.json()["blind"] for response in full] == [each["blind"] for each in records]
    assert [response.json()["reasonCode"] for response in full] == [*THREE]
