"""`exportToegangen`: records that prove themselves, and that they were taken away."""

import asyncio
import io
import json
import threading
import zipfile
from pathlib import Path
from typing import Any

import httpx
import pytest
from log_reader import append, checkpoint, fill_to, is_problem, prune_below, stored, vkeys
from service import (
    AUDIT,
    AUDIT_OWN,
    AUDITOR,
    CITY,
    DOSSIER,
    FUND,
    NOW,
    REVEAL,
    Service,
    add_person,
    add_resident,
    closed_log,
    insz_of,
)
from test_toegangen import FILTERS, some_history

from app import proving
from app.demo_persons import MEMBER_NOK, NON_RESIDENT, RESIDENT_WITH_CERTIFICATE
from app.tlog import bundle, verifier
from app.tlog.verifier import Verdict

NO_RECORD = "00000000-0000-0000-0000-000000000000"
WHY = "jaarcontrole 2026"
SIZE = 600
SOMEBODY, OLD_NUMBER, UNKNOWN = (insz_of(f"85073000{serial}") for serial in (1, 2, 3))


@pytest.fixture(scope="module")
async def log(shared: Service) -> Service:
    """A log of 600 signed records."""
    fill_to(shared, SIZE)
    return shared


async def export(service: Service, *scopes: str, **query: Any) -> httpx.Response:
    body = {key: value for key, value in {"aanleiding": WHY, **query}.items() if value is not None}
    return await service.ask(AUDITOR, "/toegangen/export", body, scopes=scopes or (AUDIT,))


async def verified(service: Service, response: httpx.Response, folder: Path) -> Verdict:
    """The verdict on a bundle with the published keys and the manifest of its record."""
    assert response.status_code == 200, response.text
    record = service.records()[-1]
    file = folder / "export.zip"
    file.write_bytes(response.content)
    verdict = verifier.verify(file, await vkeys(service), manifest=record["manifestDigest"])
    assert verdict.intact, verdict.what
    assert not verdict.key_is_from_bundle
    ends = {"firstIndex": verdict.first, "lastIndex": verdict.last}
    assert record["counts"] == {
        "records": verdict.count,
        **(ends if verdict.kind == bundle.RANGE else {}),
    }
    return verdict


def members(response: httpx.Response) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(response.content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def lines(response: httpx.Response) -> tuple[list[int], list[bytes]]:
    """The indexes of a bundle, and its records."""
    files = members(response)
    indexes = [int(line) for line in files["index.txt"].splitlines()]
    return indexes, files["records.jsonl"].splitlines()


# A range


@pytest.mark.parametrize(
    ("first", "last"),
    [
        *((0, 0), (0, SIZE - 1), (SIZE - 1, SIZE - 1), (200, 230), (255, 255), (256, 256)),
        *((255, 256), (250, 513), (256, 511), (0, 255), (512, 599), (511, 512)),
    ],
)
async def test_a_range_holds_every_record_from_the_first_to_the_last(
    log: Service, tmp_path: Path, first: int, last: int
) -> None:
    response = await export(log, vanIndex=first, totIndex=last)

    verdict = await verified(log, response, tmp_path)
    span = range(first, last + 1)
    assert (verdict.kind, verdict.first, verdict.last) == ("range", first, last)
    assert verdict.count == len(span)
    assert lines(response) == ([*span], stored(log)[first : last + 1])
    assert verdict.checkpoint == await checkpoint(log)


async def test_an_export_is_a_zip_with_all_that_a_verifier_needs(log: Service) -> None:
    response = await export(log, vanIndex=3, totIndex=4)

    assert response.headers["content-type"] == "application/zip"
    assert response.headers["cache-control"] == "no-store"
    files = members(response)
    assert {*files} == {
        *("README.md", "vkey", "checkpoint", "records.jsonl", "index.txt", "manifest.json"),
        *("tile/0/000", "tile/0/002.p/88", "tile/1/000.p/2"),
    }
    about = json.loads(files["manifest.json"])["about"]
    assert about == {"eventId": log.records()[-1]["eventId"], "reason": WHY}


async def test_a_range_is_given_on_each_database(service_on_each: Service, tmp_path: Path) -> None:
    service = service_on_each
    fill_to(service, 530)

    response = await export(service, vanIndex=100, totIndex=520)

    assert (await verified(service, response, tmp_path)).count == 421
    assert lines(response)[1] == stored(service)[100:521]


# A selection


async def test_a_selection_holds_what_each_filter_finds(service: Service, tmp_path: Path) -> None:
    history = await some_history(service)
    service.sign()

    for query, positions in FILTERS:
        response = await export(service, **query)

        assert (await verified(service, response, tmp_path)).kind == "selection"
        indexes, records = lines(response)
        expected = sorted(history[each] for each in positions)
        assert [index for index in indexes if index in history] == expected, query
        every = stored(service)
        assert records == [every[index] for index in indexes]
        service.sign()  # what was exported is recorded, and may be found by the next


async def test_each_other_filter_selects_too(service_on_each: Service, tmp_path: Path) -> None:
    service = service_on_each
    add_person(service, {"insz": SOMEBODY.digits, "geannuleerdOp": "2026-01-01"}, None)
    ids = []
    for insz in (NON_RESIDENT, SOMEBODY, UNKNOWN):
        await service.dossier(CITY, insz)
        ids.append(service.records()[-1]["eventId"])
    service.sign()

    for query, expected in (
        ({"reden": "cancelled"}, ids[1:2]),
        ({"reden": "unknownPerson"}, ids[2:]),
        ({"reden": "population"}, ids[:1]),
        ({"reden": "quota"}, []),
        ({"toegangId": ids[1].upper()}, ids[1:2]),
        ({"insz": UNKNOWN.digits}, ids[2:]),
        ({"van": "2026-06-01T09:30:00Z", "tot": "2026-06-01T09:30:00Z", "referte": "ref-1"}, ids),
        ({"organisatie": CITY, "tot": "2026-05-31T00:00:00Z"}, []),
        ({"organisatie": "nis:1"}, []),
    ):
        response = await export(service, **query)

        assert (await verified(service, response, tmp_path)).count == len(expected), query
        found = [json.loads(record)["eventId"] for record in lines(response)[1]]
        assert found == expected
        service.sign()


async def test_a_selection_is_found_over_the_whole_log(log: Service, tmp_path: Path) -> None:
    places = []
    for _ in range(3):
        append(log, 150)
        places.append(len(stored(log)))
        append(log, 1, reference="overal")
    log.sign()

    response = await export(log, referte="overal")

    assert (await verified(log, response, tmp_path)).count == 3
    assert lines(response)[0] == places
    proofs = {name for name in members(response) if name.startswith("proofs/")}
    assert proofs == {f"proofs/{place}.tlog-proof" for place in places}


async def test_a_person_is_found_and_not_named(service: Service, tmp_path: Path) -> None:
    add_resident(service, SOMEBODY, vorigeInsz=[OLD_NUMBER.digits])
    for insz in (SOMEBODY, RESIDENT_WITH_CERTIFICATE, OLD_NUMBER):
        await service.dossier(CITY, insz)
    asked = [record["eventId"] for record in service.records()]
    service.sign()

    for number in (SOMEBODY, OLD_NUMBER):
        response = await export(service, insz=number.digits, organisatie=CITY)

        await verified(service, response, tmp_path)
        found = [json.loads(record)["eventId"] for record in lines(response)[1]]
        assert found == [asked[0], asked[2]]
        every = [response.content, *members(response).values(), *map(str.encode, members(response))]
        for secret in (SOMEBODY.digits, OLD_NUMBER.digits, "ambtenaar-7"):
            assert not [part for part in every if secret.encode() in part]
        service.sign()


# That it was taken away


async def test_an_export_is_recorded_with_what_left(
    service_on_each: Service, tmp_path: Path
) -> None:
    service = service_on_each
    response = await export(service, insz=SOMEBODY.digits)

    await verified(service, response, tmp_path)
    [record] = service.records()
    key = service.office.keys.at(service.clock.now)
    assert (record["type"], record["operation"]) == ("logRead", "exportToegangen")
    assert (record["outcome"], record["status"]) == ("allowed", 200)
    assert record["reasonReference"] == WHY
    assert record["responseDigest"] == key.digest(record["eventId"], response.content)
    assert record["subject"] == key.hide("subject", SOMEBODY.digits)
    assert record["user"] == key.hide("user", "ambtenaar-7")


async def test_an_export_does_not_hold_its_own_record(service: Service) -> None:
    await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
    service.sign()
    last = len(stored(service)) - 1

    whole = await export(service, vanIndex=0, totIndex=last)
    service.sign()
    by_auditor = await export(service, organisatie=AUDITOR)
    service.sign()
    again = await export(service, organisatie=AUDITOR)

    first, second, _ = (record["eventId"] for record in service.records()[1:])
    assert first.encode() not in members(whole)["records.jsonl"]
    found = [[json.loads(each)["eventId"] for each in lines(one)[1]] for one in (by_auditor, again)]
    assert found == [[first], [first, second]]


async def test_no_export_leaves_without_its_record(service_on_each: Service) -> None:
    service = service_on_each
    before = stored(service)
    with closed_log(service):
        for query in ({"vanIndex": 0, "totIndex": 0}, {"organisatie": CITY}):
            response = await export(service, **query)

            assert is_problem(response, 503, "serviceUnavailable")
            assert b"PK" not in response.content
    assert stored(service) == before


async def test_the_record_stands_before_the_zip_leaves(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    gate = service.app.state.desk.gate
    append_record, seen = gate.log.append, []

    async def late(*arguments: Any) -> int:
        await asyncio.sleep(0.1)
        seen.append(asking.done())
        index: int = await append_record(*arguments)
        return index

    monkeypatch.setattr(gate.log, "append", late)
    asking = asyncio.create_task(export(service, vanIndex=0, totIndex=0))

    assert ((await asking).status_code, seen) == (200, [False])


# What is refused


async def test_an_export_is_for_auditors_of_the_whole_log(service: Service) -> None:
    for scopes in ((AUDIT_OWN,), (DOSSIER, REVEAL), ("",)):
        response = await service.ask(
            CITY,
            "/toegangen/export",
            {"organisatie": CITY, "aanleiding": WHY},
            scopes=scopes,
        )

        assert is_problem(response, 403, "missingScope")
        assert response.json()["requiredScopes"] == [AUDIT]
    stranger = await service.ask(AUDITOR, "/toegangen/export", {}, headers={"Authorization": ""})
    assert is_problem(stranger, 401, "noAccessToken")
    assert [record["status"] for record in service.records()] == [403, 403, 403, 401]


LIMIT, THE_SIZE = 3, object()  # the size of the log when it is asked: each refusal is a record
WRONG: list[tuple[dict[str, Any], str, str | None]] = [
    ({}, "invalidInput", None),
    ({"vanIndex": 0}, "invalidInput", None),
    ({"totIndex": 0}, "invalidInput", None),
    ({"vanIndex": 0, "totIndex": 0, "organisatie": CITY}, "invalidInput", None),
    ({"vanIndex": 0, "totIndex": 0, "toegangId": NO_RECORD}, "invalidInput", None),
    ({"vanIndex": 0, "totIndex": 0, "van": "2026-06-01T00:00:00Z"}, "invalidInput", None),
    ({"vanIndex": 0, "totIndex": 0, "tot": "2026-06-01T00:00:00Z"}, "invalidInput", None),
    ({"vanIndex": 0, "uitkomst": "allowed"}, "invalidInput", None),
    ({"vanIndex": 1, "totIndex": 0}, "invalidPeriod", "vanIndex"),
    ({"vanIndex": 2**53 - 1, "totIndex": 0}, "invalidPeriod", "vanIndex"),
    ({"vanIndex": 0, "totIndex": THE_SIZE}, "outOfRange", "totIndex"),
    ({"vanIndex": THE_SIZE, "totIndex": THE_SIZE}, "outOfRange", "totIndex"),
    ({"vanIndex": 0, "totIndex": 2**53 - 1}, "outOfRange", "totIndex"),
    ({"vanIndex": -1, "totIndex": 0}, "schemaViolation", "vanIndex"),
    ({"vanIndex": 0, "totIndex": 2**53}, "schemaViolation", "totIndex"),
    ({"vanIndex": "0", "totIndex": 0}, "schemaViolation", "vanIndex"),
    ({"vanIndex": 0, "totIndex": 0.5}, "schemaViolation", "totIndex"),
    ({"vanIndex": False, "totIndex": 0}, "schemaViolation", "vanIndex"),
    ({"vanIndex": 0, "totIndex": LIMIT}, "invalidInput", None),
    ({"organisatie": CITY}, "invalidInput", None),
    ({"van": "2026-06-02T00:00:00Z", "tot": "2026-06-01T00:00:00Z"}, "invalidPeriod", "van"),
    ({"van": "2026-05-01T00:00:00Z"}, "invalidInput", None),
    ({"van": "2026-05-01T00:00:00Z", "tot": "2026-06-01T00:00:00.001Z"}, "invalidInput", None),
    ({"insz": "123"}, "invalidStructure", "insz"),
    ({"veld": "geheimveld"}, "invalidInput", "veld"),
    ({"vanIndex": 0, "totIndex": 0, "aanleiding": None}, "schemaViolation", "aanleiding"),
    ({"vanIndex": 0, "totIndex": 0, "aanleiding": ""}, "schemaViolation", "aanleiding"),
    ({"organisatie": CITY, "pageSize": 5}, "unknownInput", None),
    ({"organisatie": CITY, "cursor": "5"}, "unknownInput", None),
    ({"geheimveld": 1}, "unknownInput", None),
]


async def test_refuses_what_is_neither_a_range_nor_a_fit_selection(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proving, "EXPORT_LIMIT", LIMIT)
    append(service, LIMIT + 1, organisation=CITY)
    for query, kind, name in WRONG:
        size = len(stored(service))
        asked = {key: size if value is THE_SIZE else value for key, value in query.items()}

        response = await export(service, **asked)

        assert is_problem(response, 400, "badRequest"), query
        [issue] = response.json()["issues"]
        assert (issue["type"].rsplit(":", 1)[1], issue.get("name")) == (kind, name), query
        record = service.records()[-1]
        assert response.json()["instance"] == f"urn:uuid:{record['eventId']}"
        assert (record["outcome"], record["operation"]) == ("invalid", "exportToegangen")
        assert "geheimveld" not in response.text + json.dumps(record)


async def test_as_many_records_as_the_limit_are_given(
    service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    assert proving.EXPORT_LIMIT == 10_000
    monkeypatch.setattr(proving, "EXPORT_LIMIT", LIMIT)
    append(service, LIMIT, reference="drie")
    append(service, LIMIT + 1, reference="vier")
    service.sign()

    range_of_three = await export(service, vanIndex=1, totIndex=LIMIT)
    assert (await verified(service, range_of_three, tmp_path)).count == LIMIT
    three = await export(service, referte="drie")
    assert (await verified(service, three, tmp_path)).count == LIMIT
    four = await export(service, referte="vier")
    assert is_problem(four, 400, "badRequest")


async def test_a_range_that_is_no_longer_whole_is_not_given(
    service: Service, tmp_path: Path
) -> None:
    fill_to(service, 520)
    prune_below(service, 256)

    gone = [await export(service, vanIndex=each, totIndex=519) for each in (0, 255)]
    gone.append(await export(service, vanIndex=0, totIndex=0))
    refused = [
        (record["status"], record["outcome"], record["type"]) for record in service.records()[-3:]
    ]
    kept = await export(service, vanIndex=256, totIndex=519)

    for response in gone:
        assert is_problem(response, 410, "bewaartermijnVerstreken")
    assert refused == [(410, "notFound", "logRead")] * 3
    assert (await verified(service, kept, tmp_path)).first == 256


async def test_waits_for_the_checkpoint_and_says_503_without_one(
    service: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    asked = (await service.advice(FUND, MEMBER_NOK)).json()["id"]
    last = len(stored(service)) - 1
    waiting = asyncio.create_task(export(service, vanIndex=0, totIndex=last))
    await asyncio.sleep(0.1)
    waited = not waiting.done()
    service.sign()
    whole = await waiting
    await verified(service, whole, tmp_path)
    monkeypatch.setattr(proving, "STEP", 0.001)
    await service.advice(FUND, MEMBER_NOK)
    beyond = len(stored(service)) - 1

    late = [
        await export(service, vanIndex=beyond, totIndex=beyond),
        await export(service, organisatie=FUND),
    ]

    assert waited
    assert asked.encode() in members(whole)["records.jsonl"]
    for response in late:
        assert is_problem(response, 503, "serviceUnavailable")
        assert response.headers["retry-after"] == "1"
    assert [record["status"] for record in service.records()[-2:]] == [503, 503]


async def test_ordinary_requests_go_on_while_an_export_is_made(
    service_on_each: Service, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    service = service_on_each
    fill_to(service, 300)
    made, going_on, make = threading.Event(), threading.Event(), proving._bundle

    def slow(*arguments: Any) -> Any:
        found = make(*arguments)  # its transaction stays open
        made.set()
        assert going_on.wait(20)
        return found

    monkeypatch.setattr(proving, "_bundle", slow)
    exporting = asyncio.create_task(export(service, vanIndex=0, totIndex=299))
    await asyncio.to_thread(made.wait, 20)

    answers = [await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE) for _ in range(3)]
    service.sign()
    waited = not exporting.done()
    going_on.set()

    assert waited
    assert [answer.status_code for answer in answers] == [200] * 3
    assert (await verified(service, await exporting, tmp_path)).count == 300
    assert len(stored(service)) == 304
    assert service.clock.now > NOW
