"""`POST /deelnemers/query`: the persons of a project, and nobody else, page by page."""

import json
from typing import Any

import httpx
import pytest
from service import (
    CITY,
    NOW,
    PARTICIPANTS,
    VILLAGE,
    Service,
    add_person,
    closed_log,
    execute,
    insz_of,
)

from app import administration, fields, population
from app.demo_persons import demo_persons
from app.insz import Insz

PURPOSE = "proeftuinParticipatie"
PROJECT = {"project": "proeftuin-voorbeelddorp", "gemeente": "99002"}
GRANTED = {
    *(f"contact.{name}" for name in ("voornaam", "achternaam", "adres", "telefoon", "email")),
    *("talenkennis.contacttaal", "talenkennis.niveauNederlands"),
    "maatschappelijkeOrientatie.status",
}
# Of the sixty synthetic persons: who takes part on the day of the tests, in the order of import.
TAKING_PART = [
    person
    for person in demo_persons(60)
    if any(
        part["project"] == PROJECT["project"] and not part["tot"]
        for part in person.register["deelnames"]
    )
]


async def participants(
    service: Service, organisation: str = VILLAGE, headers: Any = None, **body: Any
) -> httpx.Response:
    question = {"doeleinde": PURPOSE, "referte": "lijst-1", **body}
    return await service.ask(
        organisation, "/deelnemers/query", question, scopes=(PARTICIPANTS,), headers=headers
    )


async def pages(service: Service, size: int) -> list[list[dict[str, Any]]]:
    """All pages of so many."""
    found: list[list[dict[str, Any]]] = []
    more: dict[str, Any] = {}
    for _ in range(200):
        answer = (await participants(service, pageSize=size, **more)).json()
        found.append(answer["items"])
        if "next" not in answer:
            return found
        more = {"cursor": answer["next"]}
    raise AssertionError("the pages have no end")


def names(items: list[dict[str, Any]]) -> list[str]:
    """By whom an item is known: her e-mail address, which each synthetic person has of her own."""
    return [item["dossier"]["contact"]["email"] for item in items]


def joins(service: Service, base: str, **part: Any) -> Insz:
    """Somebody who takes part, with an address of her own and no dossier."""
    insz = insz_of(base)
    line = {
        "insz": insz.digits,
        "deelnames": [{**PROJECT, "van": "2024-01-01", "tot": None, **part}],
        "contact": {"voornaam": "Test", "email": f"{base}@example.org"},
    }
    add_person(service, line, None)
    return insz


async def test_gives_who_takes_part_and_what_the_protocol_grants(
    service_on_each: Service,
) -> None:
    answer = await participants(service_on_each, pageSize=100)

    body = answer.json()
    assert answer.status_code == 200, answer.text
    assert answer.headers["cache-control"] == "no-store"
    assert len(TAKING_PART) > 3
    assert names(body["items"]) == [person.register["contact"]["email"] for person in TAKING_PART]
    assert "next" not in body
    assert (body["referte"], body["doeleinde"]) == ("lijst-1", PURPOSE)
    assert body["protocol"]["id"] == "voorbeelddorp-2026"
    assert body["bewarenTot"] == "2031-06-01"
    for person, item in zip(TAKING_PART, body["items"], strict=True):
        given = set(fields.project(item["dossier"], fields.CATALOGUE).leaves)
        assert {"contact.voornaam", "contact.adres"} <= given <= GRANTED
        fetched_at = None if person.blocks is None else "2026-06-01T09:30:00.000Z"
        assert item.get("gegevensVan") == fetched_at
        assert person.insz.digits not in json.dumps(item)


async def test_only_the_asked_fields_leave(service: Service) -> None:
    answer = await participants(service, velden=["contact.email"])

    assert all(list(item["dossier"]["contact"]) == ["email"] for item in answer.json()["items"])
    assert all(list(item["dossier"]) == ["contact"] for item in answer.json()["items"])


@pytest.mark.parametrize("field", ["personalia.insz", "contract.ondertekend", "talenkennis"])
async def test_a_field_outside_the_grant_refuses_the_whole(service: Service, field: str) -> None:
    answer = await participants(service, velden=["contact.email", field])

    assert answer.status_code == 403
    assert answer.json()["velden"] == [field]


async def test_pages_hold_everybody_once(service_on_each: Service) -> None:
    whole = (await participants(service_on_each, pageSize=100)).json()["items"]

    for size in (1, 2, len(whole) - 1, len(whole), len(whole) + 1):
        found = await pages(service_on_each, size)
        assert [name for page in found for name in names(page)] == names(whole)
        assert all(len(page) == size for page in found[:-1])
        assert 0 < len(found[-1]) <= size


async def test_two_periods_that_hold_are_one_person(service: Service) -> None:
    insz = joins(service, "850730011")
    twice = [{**PROJECT, "van": day, "tot": None} for day in ("2024-01-01", "2025-01-01")]
    add_person(service, {"insz": insz.digits, "deelnames": twice}, None)

    found = [name for page in await pages(service, 1) for name in names(page)]

    assert found.count("850730011@example.org") == 1


async def test_who_is_stored_anew_between_two_pages_is_not_missed(service: Service) -> None:
    bases = ["850730011", "850730012", "850730013"]
    persons = [joins(service, base) for base in bases]
    first = (await participants(service, pageSize=len(TAKING_PART) + 1)).json()
    again = {"deelnames": [{**PROJECT, "van": "2024-02-01", "tot": None}]}
    add_person(service, {"insz": persons[1].digits, **again}, None)

    rest = (await participants(service, cursor=first["next"])).json()

    assert names(first["items"])[-1] == "850730011@example.org"
    assert names(rest["items"]) == ["850730013@example.org", "850730012@example.org"]


OUTSIDE: dict[str, dict[str, Any]] = {
    "not yet": {"van": "2026-06-02"},
    "no longer": {"tot": "2026-05-31"},
    "another project": {"project": "proeftuin-wetteren"},
    "another municipality": {"gemeente": "42025"},
}


@pytest.mark.parametrize("part", OUTSIDE.values(), ids=list(OUTSIDE))
async def test_who_does_not_take_part_today_is_not_told_of(
    service_on_each: Service, part: dict[str, Any]
) -> None:
    joins(service_on_each, "850730011", **part)

    answer = await participants(service_on_each, pageSize=100)

    assert "850730011@example.org" not in names(answer.json()["items"])
    assert len(answer.json()["items"]) == len(TAKING_PART)


@pytest.mark.parametrize("part", [{"van": "2026-06-01"}, {"tot": "2026-06-01"}])
async def test_the_first_and_the_last_day_count(service: Service, part: dict[str, Any]) -> None:
    joins(service, "850730011", **part)

    answer = await participants(service, pageSize=100)

    assert "850730011@example.org" in names(answer.json()["items"])


async def test_a_number_that_is_cancelled_or_replaced_is_not_told_of(
    service_on_each: Service,
) -> None:
    service = service_on_each
    cancelled, old = joins(service, "850730011"), joins(service, "850730012")
    add_person(service, {"insz": cancelled.digits, "geannuleerdOp": "2026-01-01"}, None)
    new = insz_of("850730013")
    add_person(service, {"insz": new.digits, "vorigeInsz": [old.digits]}, None)

    answer = await participants(service, pageSize=100)

    assert len(answer.json()["items"]) == len(TAKING_PART)


async def test_who_has_no_dossier_yet_can_be_reached(service: Service) -> None:
    joins(service, "850730011")

    answer = await participants(service, pageSize=100)

    *_, last = answer.json()["items"]
    contact = {"voornaam": "Test", "email": "850730011@example.org"}
    assert last == {"id": last["id"], "dossier": {"contact": contact}}


async def test_records_the_request_and_each_person(service_on_each: Service) -> None:
    service = service_on_each

    answer = await participants(service, pageSize=3)

    whole, *persons = service.records()
    key = service.office.keys.at(service.clock.now)
    body = answer.json()
    assert whole["eventId"] == body["id"]
    assert [each["eventId"] for each in persons] == [item["id"] for item in body["items"]]
    assert (whole["operation"], whole["counts"]) == ("queryDeelnemers", {"persons": 3})
    assert whole["responseDigest"] == key.digest(whole["eventId"], answer.content)
    assert "subject" not in whole
    for person, item, record in zip(TAKING_PART, body["items"], persons, strict=False):
        content = json.dumps(item, ensure_ascii=False, separators=(",", ":")).encode()
        assert content in answer.content
        assert record["responseDigest"] == key.digest(record["eventId"], content)
        assert record["subject"] == key.hide("subject", person.insz.digits)
        assert (record["subjectBasis"], record["parentId"]) == ("participant", whole["eventId"])
        given = set(fields.project(item["dossier"], fields.CATALOGUE).leaves)
        assert set(record["deliveredFields"]) == given
        assert set(record["requestedFields"]) == GRANTED
        assert record["protocol"] == "voorbeelddorp-2026"


async def test_an_empty_page_has_its_record(service: Service) -> None:
    execute(service, "DELETE FROM participation")

    answer = await participants(service)

    assert (answer.status_code, answer.json()["items"]) == (200, [])
    assert [record["counts"] for record in service.records()] == [{"persons": 0}]


async def test_nothing_leaves_without_its_records(service_on_each: Service) -> None:
    with closed_log(service_on_each):
        answer = await participants(service_on_each)

    assert answer.status_code == 503
    assert service_on_each.records() == []
    assert "example" not in answer.text


async def test_a_page_that_breaks_is_recorded_and_tells_nothing(service: Service) -> None:
    execute(service, "DROP TABLE participation")

    answer = await participants(service)

    assert answer.status_code == 500
    assert [record["outcome"] for record in service.records()] == ["error"]


async def test_who_stops_after_the_reading_is_not_told_of(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A suspension between the reading and the record: the question is decided anew."""
    log, calls = service.app.state.desk.gate.log, iter([True])
    append = log.append

    async def overtaken(*args: Any, **more: Any) -> int:
        if next(calls, False):
            administration.suspend(service.office, "voorbeelddorp-2026", "onderzoek", NOW)
        index: int = await append(*args, **more)
        return index

    monkeypatch.setattr(log, "append", overtaken)
    answer = await participants(service)

    assert answer.status_code == 403
    assert [record["outcome"] for record in service.records()] == ["denied"]


REFUSED: dict[str, tuple[str, dict[str, str], str]] = {
    "another municipality": (CITY, {}, "geenProtocol"),
    "another profile": (VILLAGE, {"X-Functieprofiel": "loket"}, "functieprofiel"),
}


@pytest.mark.parametrize(("who", "headers", "problem"), REFUSED.values(), ids=list(REFUSED))
async def test_who_may_not_ask_is_refused_with_a_record(
    service: Service, who: str, headers: dict[str, str], problem: str
) -> None:
    answer = await participants(service, who, headers)

    assert answer.status_code == 403
    assert answer.json()["type"].endswith(problem)
    [record] = service.records()
    assert record["outcome"] == "denied"
    assert "example.org" not in answer.text


async def test_the_village_looks_nobody_up_by_number(service: Service) -> None:
    answer = await service.dossier(VILLAGE, TAKING_PART[0].insz, doeleinde=PURPOSE)

    assert answer.status_code == 403
    assert answer.json()["type"].endswith("buitenProtocol")


BAD = (
    *({"pageSize": 0}, {"pageSize": 101}, {"pageSize": "5"}),
    *({"cursor": "x"}, {"cursor": 5}, {"cursor": "20"}, {"cursor": "A" * 30}, {"cursor": "é"}),
)


@pytest.mark.parametrize("body", BAD, ids=str)
async def test_a_page_that_there_is_not_is_a_fault_of_the_question(
    service: Service, body: dict[str, Any]
) -> None:
    answer = await participants(service, **body)

    assert answer.status_code == 400
    assert [issue["name"] for issue in answer.json()["issues"]] == list(body)


async def test_a_page_is_full_as_long_as_there_are_more(service_on_each: Service) -> None:
    service = service_on_each
    old, gone = joins(service, "850730011"), joins(service, "850730012")
    joins(service, "850730013")
    add_person(service, {"insz": gone.digits, "geannuleerdOp": "2026-01-01"}, None)
    add_person(service, {"insz": insz_of("850730014").digits, "vorigeInsz": [old.digits]}, None)

    assert [len(page) for page in await pages(service, 1)] == [1] * (len(TAKING_PART) + 1)


async def test_nobody_is_missed_when_the_newest_facts_go(service_on_each: Service) -> None:
    service = service_on_each
    _, stops, stays = (joins(service, f"85073001{n}") for n in (1, 2, 3))
    first = (await participants(service, pageSize=len(TAKING_PART) + 2)).json()
    add_person(service, {"insz": stops.digits, "deelnames": []}, None)
    again = {**PROJECT, "van": "2024-01-01", "tot": None}
    add_person(service, {"insz": stays.digits, "deelnames": [again]}, None)

    rest = (await participants(service, cursor=first["next"])).json()

    assert names(rest["items"]) == ["850730013@example.org"]


CHANGES: dict[str, dict[str, Any]] = {
    "stops": {"deelnames": []},
    "is cancelled": {"geannuleerdOp": "2026-01-01"},
    "gets another number": {
        "insz": insz_of("850730019").digits,
        "vorigeInsz": [insz_of("850730011").digits],
    },
}


@pytest.mark.parametrize("when", ["of_project", "append"])
@pytest.mark.parametrize("change", CHANGES.values(), ids=list(CHANGES))
async def test_who_changes_while_the_page_is_made_is_told_of_as_she_is_then(
    service: Service, monkeypatch: pytest.MonkeyPatch, change: dict[str, Any], when: str
) -> None:
    insz, moments = joins(service, "850730011"), iter([True])

    def happens() -> None:
        if next(moments, False):
            add_person(service, {"insz": insz.digits, **change}, None)

    if when == "append":
        log = service.app.state.desk.gate.log
        append = log.append

        async def late(*args: Any) -> int:
            happens()
            index: int = await append(*args[:2], service.clock(), *args[3:])
            return index

        monkeypatch.setattr(log, "append", late)
    else:
        read = population.of_project

        def then(*args: Any) -> Any:
            found = read(*args)
            happens()
            return found

        monkeypatch.setattr(population, "of_project", then)

    answer = await participants(service, pageSize=100)

    assert answer.status_code == 200
    assert "850730011@example.org" not in answer.text
    assert len(answer.json()["items"]) == len(TAKING_PART)


async def test_a_cursor_is_of_one_project_and_tells_no_place(service: Service) -> None:
    first = (await participants(service, pageSize=1)).json()["next"]
    second = (await participants(service, pageSize=2)).json()["next"]

    assert not first.isdigit()
    assert len({first, second}) == 2
    key = service.office.keys.at(service.clock.now)
    others = key.hide("cursor/elders/proeftuinParticipatie/proeftuin-voorbeelddorp", "1")
    assert (await participants(service, cursor=others)).status_code == 400


async def test_one_dossier_that_cannot_be_read_is_hers_alone(service: Service) -> None:
    insz = joins(service, "850730011")
    add_person(service, {"insz": insz.digits}, {"talenkennis": {"talen": ["x"]}})

    answer = await participants(service, pageSize=100)

    *_, last = answer.json()["items"]
    assert answer.status_code == 200
    assert last["dossier"] == {}
    [record] = [each for each in service.records() if each["eventId"] == last["id"]]
    assert (record["outcome"], record["status"]) == ("error", 500)
