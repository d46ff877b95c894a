"""`/lijsten`: a list is asked, made once, fetched sealed, and its key goes another way."""

import asyncio
import hashlib
import io
import json
from collections.abc import AsyncIterator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import AbstractContextManager, ExitStack, contextmanager, suppress
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import variants
from delivered import LIST, ask_list, file_of, key_of, open_with_age, shop_of, work
from service import (
    CITY,
    FUND,
    GENK,
    LOG_ORIGIN,
    PROTOCOLS,
    Service,
    add_person,
    add_resident,
    closed_log,
    execute,
    insz_of,
    make_service,
    person_with,
)
from sqlalchemy.exc import OperationalError
from sqlmodel import Session

from app import (
    access_log,
    administration,
    documents,
    dossiers,
    list_making,
    listings,
    own_advice,
    sealing,
)
from app.canonical import canonical_json
from app.database import Database
from app.demo_persons import MEMBER_NOK, demo_persons
from app.errors import Answered, RecordsPruned
from app.insz import Insz
from app.list_rows import Rows
from app.listing import Opened
from app.tlog import note
from app.visit import new_event_id

LOCAL = "lokaalIntegratiebeleid"


@pytest.fixture
async def genk(database_url: str, own_folder: Path) -> AsyncIterator[Service]:
    """The service with three persons who live in Genk: two have a dossier."""
    made = make_service(database_url, own_folder, persons=0)
    settle(made)
    yield made
    await made.close()


FIRST, SECOND, NO_DOSSIER, ELSEWHERE = (insz_of(f"85073000{n}") for n in range(1, 5))


def settle(service: Service) -> None:
    contract = {"datumRegistratie": "2021-05-03", "type": "IC07G"}
    for insz, nis, blocks in (
        (FIRST, "71016", {"contracten": [contract]}),
        (SECOND, "71016", {}),
        (NO_DOSSIER, "71016", None),
        (ELSEWHERE, "71017", {"contracten": [contract]}),
    ):
        home = {"nis": nis, "van": "2020-01-01", "tot": None}
        add_person(service, {"insz": insz.digits, "woonplaatsen": [home]}, blocks)


async def test_a_list_is_asked_made_fetched_and_opened(genk: Service, tmp_path: Path) -> None:
    asked = await ask_list(genk, GENK, LOCAL, 2026)
    task = asked.json()
    assert asked.status_code == 202, asked.text
    assert (task["status"]["state"], task["sleutel"]) == ("processing", "eenmalig")
    assert asked.headers["Location"] == f"/inburgering/v1/lijsten/{task['lijstId']}"
    path = f"/lijsten/{task['lijstId']}"
    waiting = await genk.ask(GENK, path, scopes=(LIST,))
    assert (waiting.status_code, waiting.json()["status"]["state"]) == (200, "processing")
    assert (await file_of(genk, GENK, task["lijstId"])).status_code == 404

    work(genk)

    done = await genk.ask(GENK, path, scopes=(LIST,))
    assert (done.status_code, done.json()["status"]["state"]) == (303, "done")
    assert done.headers["Location"] == f"/inburgering/v1{path}/bestand"
    file = await file_of(genk, GENK, task["lijstId"])
    assert file.status_code == 200, file.text
    key = await key_of(genk, GENK, task["lijstId"])
    assert key.status_code == 200, key.text
    opened = open_with_age(file.content, key.json()["identiteit"], tmp_path)
    assert opened.names == ["lijst.csv", "manifest.json", "manifest.note"]
    assert opened.rows == [
        {
            "attest.inburgeringBehaald": "nee",
            "contract.ondertekend": signed,
            "personalia.insz": insz.digits,
        }
        for insz, signed in ((FIRST, "ja"), (SECOND, "nee"))
    ]
    manifest = opened.manifest
    assert manifest["lijstId"] == task["lijstId"]
    assert manifest["protocol"]["id"] == "genk-2021"
    assert manifest["bestand"]["personen"] == 2
    assert manifest["bestand"]["sha256"] == "sha256:" + hashlib.sha256(opened.lines).hexdigest()
    assert manifest["bewarenTot"] == "2031-06-01"

    records = genk.records()
    persons = [one for one in records if one["type"] == "delivery" and "subject" in one]
    [delivery] = [one for one in records if one["eventId"] == task["lijstId"]]
    assert {one["parentId"] for one in persons} == {task["lijstId"]}
    assert len(persons) == 2
    assert delivery["counts"] == {"persons": 2, "withoutAdvice": 0}
    assert delivery["fileDigest"] == "sha256:" + hashlib.sha256(file.content).hexdigest()
    assert (delivery["quotaOrdinal"], delivery["quotaMaximum"], delivery["year"]) == (1, 1, 2026)
    # The person sees it; the record of the delivery came after hers.
    places = [one["eventId"] for one in records]
    assert places.index(task["lijstId"]) > max(places.index(one["eventId"]) for one in persons)


async def make(service: Service, organisation: str, purpose: str, year: int, **more: Any) -> str:
    """A list that was asked and made; its id."""
    asked = await ask_list(service, organisation, purpose, year, **more)
    assert asked.status_code == 202, asked.text
    work(service)
    task: str = asked.json()["lijstId"]
    state = await service.ask(organisation, f"/lijsten/{task}", scopes=(LIST,))
    assert state.status_code == 303, state.text
    return task


def about_persons(service: Service) -> list[dict[str, Any]]:
    """The records of persons on a list."""
    found = service.records()
    return [one for one in found if one["type"] == "delivery" and "subject" in one]


async def test_two_who_ask_at_once_get_one_list(genk: Service) -> None:
    answers = await asyncio.gather(*(ask_list(genk, GENK, LOCAL, 2026) for _ in range(5)))

    assert {answer.status_code for answer in answers} == {202}
    [list_id] = {answer.json()["lijstId"] for answer in answers}
    work(genk)
    assert len(about_persons(genk)) == 2
    # Each question has its record, and each names the list.
    asked = [one for one in genk.records() if one["type"] == "access"]
    assert [one["parentId"] for one in asked] == [list_id] * 5


SECOND_NAME = "stad-genk"


def name_twice(service: Service, **of_access: Any) -> None:
    """Let the protocol of Genk know the city under a second identifier too."""
    text = documents.as_data(documents.parse((PROTOCOLS / "genk-2021.yaml").read_text()))
    names = {"organisaties": [GENK, SECOND_NAME]}
    provider, city = text["partijen"]
    purposes = [
        {**each, "toegang": [{**one, **names, **of_access} for one in each["toegang"]]}
        for each in text["doeleinden"]
        if each["code"] == LOCAL
    ]
    parties = [provider, {**city, **names}]
    after = {**text, "versie": "2", "partijen": parties, "doeleinden": purposes}
    variants.load(service, documents.from_data(after))


@pytest.mark.parametrize(("asker", "other"), [(GENK, SECOND_NAME), (SECOND_NAME, GENK)])
async def test_a_body_with_two_identifiers_gets_one_list(
    genk: Service, asker: str, other: str
) -> None:
    name_twice(genk)
    first = [(await ask_list(genk, name, LOCAL, 2026)).status_code for name in (asker, other)]
    [(list_id,)] = stored(genk, "SELECT id FROM listing")
    work(genk)

    again = [(await ask_list(genk, name, LOCAL, 2026)).status_code for name in (asker, other)]
    files = [(await file_of(genk, name, list_id)).status_code for name in (asker, other)]

    assert (first, again, files) == ([202, 409], [429, 429], [200, 404])
    assert [one["quotaOrdinal"] for one in genk.records() if "quotaOrdinal" in one] == [1]


async def test_of_two_identifiers_of_a_body_that_ask_at_once_one_gets_the_list(
    genk: Service,
) -> None:
    name_twice(genk)

    answers = await asyncio.gather(
        *(ask_list(genk, name, LOCAL, 2026) for name in (GENK, SECOND_NAME) * 3)
    )

    statuses = [answer.status_code for answer in answers]
    assert sorted([*{*statuses[::2]}, *{*statuses[1::2]}]) == [202, 409]
    assert stored(genk, "SELECT count(*) FROM listing") == [(1,)]


async def test_of_two_lists_of_one_body_that_are_made_already_one_is_given(genk: Service) -> None:
    name_twice(genk, quota=[])
    await ask_list(genk, GENK, LOCAL, 2026)
    with genk.office.database.writing() as session:
        [task] = listings.every(session)
        other = new_event_id(genk.clock.now)
        listings.add(session, replace(task, id=other, organisation=SECOND_NAME))

    work(genk)

    states = stored(genk, "SELECT state, reason FROM listing")
    assert {*states} == {("klaar", None), ("mislukt", "quota")}


async def test_two_processes_make_one_file(genk: Service) -> None:
    await ask_list(genk, GENK, LOCAL, 2026)
    shops = [shop_of(genk) for _ in range(4)]
    with ThreadPoolExecutor(4) as pool:
        made = [*pool.map(list_making.work_once, shops)]

    assert sum(made) == 1
    assert len(about_persons(genk)) == 2
    assert stored(genk, "SELECT count(*) FROM listing_part") == [(1,)]


async def test_a_second_list_waits_for_the_next_year(genk: Service) -> None:
    await make(genk, GENK, LOCAL, 2026)

    again = await ask_list(genk, GENK, LOCAL, 2026)
    assert again.status_code == 429
    assert (again.json()["reden"], again.json()["datum"]) == ("quota", "2027-01-01")
    genk.clock.now = datetime(2026, 12, 31, 23, 30, tzinfo=UTC)  # in Brussels it is 2027
    genk.office.keys.create(genk.clock.now, 2)
    assert (await ask_list(genk, GENK, LOCAL, 2026)).status_code == 400
    assert await make(genk, GENK, LOCAL, 2027)


@pytest.mark.parametrize("year", [2025, 2027])
async def test_a_municipality_has_no_list_of_another_year(genk: Service, year: int) -> None:
    answer = await ask_list(genk, GENK, LOCAL, year)

    assert answer.status_code == 400
    assert [issue["name"] for issue in answer.json()["issues"]] == ["jaar"]
    assert stored(genk, "SELECT count(*) FROM listing") == [(0,)]


async def test_a_suspension_while_it_is_made_ends_it(genk: Service) -> None:
    asked = await ask_list(genk, GENK, LOCAL, 2026)
    list_id = asked.json()["lijstId"]
    shop = shop_of(genk)
    suspended: list[object] = []

    def suspend(_: int) -> None:
        if not suspended:  # before the records of persons, after the file is sealed
            now = genk.clock.now
            suspended.append(administration.suspend(genk.office, "genk-2021", "onderzoek", now))

    shop.progress = suspend
    assert list_making.work_once(shop)

    state = await genk.ask(GENK, f"/lijsten/{list_id}", scopes=(LIST,))
    assert (state.status_code, state.json()["status"]["state"]) == (200, "failed")
    assert state.json()["status"]["problem"]["reden"] == "suspended"
    assert (await file_of(genk, GENK, list_id)).status_code == 404
    assert stored(genk, "SELECT count(*) FROM listing_part") == [(0,)]
    assert stored(genk, "SELECT count(*) FROM listing_person") == [(0,)]
    [failed] = [one for one in genk.records() if one.get("reasonCode") == "suspended"]
    assert (failed["type"], failed["parentId"]) == ("delivery", list_id)
    # It took no turn: after the suspension there is a list.
    administration.resume(genk.office, "genk-2021", genk.clock.now)
    await make(genk, GENK, LOCAL, 2026)


async def test_who_stood_on_a_list_that_was_never_given_is_not_told_of_it(genk: Service) -> None:
    await ask_list(genk, GENK, LOCAL, 2026)
    shop = shop_of(genk)
    seen = []

    def suspend(_: int) -> None:
        seen.append(1)
        if len(seen) == 2:  # the records of persons stand, the delivery is not recorded
            administration.suspend(genk.office, "genk-2021", "onderzoek", genk.clock.now)

    shop.progress = suspend
    assert list_making.work_once(shop)
    assert len(about_persons(genk)) == 2
    assert await consultations(genk, FIRST) == []
    administration.resume(genk.office, "genk-2021", genk.clock.now)
    await make(genk, GENK, LOCAL, 2026)
    assert await consultations(genk, FIRST) == [("nis:71016", "createLijst")]


async def consultations(service: Service, insz: Insz) -> list[tuple[str, str]]:
    token = service.issuer.issue_citizen(insz, service.clock.now)
    answer = await service.ask(
        "",
        "/mijnRaadplegingen",
        headers={
            "Authorization": f"Bearer {token}",
            "X-Magda-Enduser-ID": "",
            "X-Functieprofiel": "",
        },
    )
    assert answer.status_code == 200, answer.text
    return [(item["organisatie"], item["dienst"]) for item in answer.json()["items"]]


class Killed(BaseException):
    """A process that is gone."""


@pytest.mark.parametrize("step", range(1, 12))
async def test_a_list_goes_on_where_a_killed_process_left_it(
    genk: Service, monkeypatch: pytest.MonkeyPatch, step: int, tmp_path: Path
) -> None:
    for n in range(4, 9):
        add_resident(genk, insz_of(f"8507300{n}0"), "71016")
    monkeypatch.setattr(list_making, "PART", 2)
    monkeypatch.setattr(list_making, "RECORDS", 2)
    monkeypatch.setattr("app.list_rows.PART", 2)
    list_id = (await ask_list(genk, GENK, LOCAL, 2026)).json()["lijstId"]
    done = []
    renew = list_making._renew

    def killed(*args: Any, **values: Any) -> None:
        done.append(1)
        if len(done) == step:
            raise Killed
        renew(*args, **values)

    monkeypatch.setattr(list_making, "_renew", killed)
    with suppress(Killed):
        while list_making.work_once(shop_of(genk)):
            pass
    monkeypatch.setattr(list_making, "_renew", renew)
    # Nobody takes over what another process may still be making.
    was_made = (await genk.ask(GENK, f"/lijsten/{list_id}", scopes=(LIST,))).status_code == 303
    assert list_making.work_once(shop_of(genk)) is False
    genk.clock.forward(minutes=3)
    work(genk)

    file = await file_of(genk, GENK, list_id)
    assert file.status_code == 200, (was_made, file.text)
    secret = (await key_of(genk, GENK, list_id)).json()["identiteit"]
    rows = open_with_age(file.content, secret, tmp_path).rows
    assert len(rows) == len({row["personalia.insz"] for row in rows}) == 7
    recorded = about_persons(genk)
    assert len(recorded) == len({one["subject"] for one in recorded}) == 7
    assert [one["quotaOrdinal"] for one in genk.records() if "quotaOrdinal" in one] == [1]
    assert stored(genk, "SELECT count(*) FROM listing_person") == [(0,)]


@pytest.mark.parametrize("turn", [1, 2, 3])
async def test_who_lost_the_lease_writes_no_more(
    genk: Service, monkeypatch: pytest.MonkeyPatch, turn: int
) -> None:
    monkeypatch.setattr(list_making, "RECORDS", 1)
    list_id = (await ask_list(genk, GENK, LOCAL, 2026)).json()["lijstId"]
    slow, turns = shop_of(genk), []

    def overtaken(_: int) -> None:
        turns.append(1)
        if len(turns) == turn:  # while it seals; or between two records
            genk.clock.forward(minutes=3)
            assert list_making.work_once(shop_of(genk))

    slow.progress = overtaken
    assert list_making.work_once(slow)

    assert (await file_of(genk, GENK, list_id)).status_code == 200
    assert len(about_persons(genk)) == 2
    assert [one["eventId"] for one in genk.records()].count(list_id) == 1
    assert stored(genk, "SELECT count(*) FROM listing_part") == [(1,)]


async def test_a_process_that_stops_lets_another_one_go_on(genk: Service) -> None:
    list_id = (await ask_list(genk, GENK, LOCAL, 2026)).json()["lijstId"]
    shop = shop_of(genk)

    def close(_: int) -> None:
        shop.closing = True

    shop.progress = close
    assert list_making.work_once(shop)
    assert list_making.work_once(shop) is False
    assert about_persons(genk) == []

    work(genk)  # at once: nobody waits for a lease to end
    assert (await file_of(genk, GENK, list_id)).status_code == 200


async def test_a_disk_that_is_full_leaves_nothing_half(genk: Service) -> None:
    list_id = (await ask_list(genk, GENK, LOCAL, 2026)).json()["lijstId"]
    with closed_table(genk, "listing_part"):
        assert list_making.work_once(shop_of(genk))
        assert about_persons(genk) == []
        assert (await file_of(genk, GENK, list_id)).status_code == 404
    genk.clock.forward(seconds=11)
    work(genk)
    assert (await file_of(genk, GENK, list_id)).status_code == 200


async def test_what_breaks_each_time_ends_the_list(genk: Service) -> None:
    list_id = (await ask_list(genk, GENK, LOCAL, 2026)).json()["lijstId"]
    with closed_table(genk, "listing_part"):
        for _ in range(list_making.ATTEMPTS + 1):
            assert list_making.work_once(shop_of(genk))
            genk.clock.forward(seconds=11)
    state = (await genk.ask(GENK, f"/lijsten/{list_id}", scopes=(LIST,))).json()["status"]
    assert (state["state"], state["problem"]["status"]) == ("failed", 500)
    assert [one["outcome"] for one in genk.records() if one["type"] == "delivery"] == ["error"]
    await make(genk, GENK, LOCAL, 2026)  # it took no turn


async def test_no_record_no_list(genk: Service) -> None:
    with closed_log(genk):
        assert (await ask_list(genk, GENK, LOCAL, 2026)).status_code == 503
    assert stored(genk, "SELECT count(*) FROM listing") == [(0,)]
    list_id = (await ask_list(genk, GENK, LOCAL, 2026)).json()["lijstId"]
    with closed_log(genk):
        assert list_making.work_once(shop_of(genk))
    genk.clock.forward(seconds=11)
    assert (await file_of(genk, GENK, list_id)).status_code == 404
    work(genk)
    with closed_log(genk):
        assert (await file_of(genk, GENK, list_id)).status_code == 503
        assert (await key_of(genk, GENK, list_id, client="ander")).status_code == 503
    # The key that did not leave is still there.
    assert (await key_of(genk, GENK, list_id)).status_code == 200


def other_version(service: Service, **access: Any) -> None:
    """The city's protocol once more, which grants something else."""
    changed = variants.access("personalia.insz", operaties=["createLijst"], **access)
    made = variants.document(versie="2", doeleinden=[variants.purpose(changed)])
    variants.load(service, made)


async def test_a_file_is_never_of_another_version_than_its_records(
    service: Service, tmp_path: Path
) -> None:
    list_id = (await ask_list(service, CITY, LOCAL, 2026)).json()["lijstId"]
    shop, seen = shop_of(service), []

    def change(_: int) -> None:
        seen.append(1)
        if len(seen) == 1:  # while it is sealed
            other_version(service, quota=[])

    shop.progress = change
    assert list_making.work_once(shop)

    secret = (await key_of(service, CITY, list_id)).json()["identiteit"]
    opened = open_with_age((await file_of(service, CITY, list_id)).content, secret, tmp_path)
    assert opened.manifest["protocol"]["versie"] == "2"
    assert {*opened.rows[0]} == {"personalia.insz"}
    for person in about_persons(service):
        assert (person["protocolVersion"], person["deliveredFields"]) == ("2", ["personalia.insz"])


async def test_another_version_after_the_first_record_ends_the_list(service: Service) -> None:
    list_id = (await ask_list(service, CITY, LOCAL, 2026)).json()["lijstId"]
    shop = shop_of(service)

    def change(_: int) -> None:
        if about_persons(service) and not loaded:
            loaded.append(1)
            other_version(service, quota=[])

    loaded: list[int] = []
    shop.progress = change
    assert list_making.work_once(shop)

    state = (await service.ask(CITY, f"/lijsten/{list_id}", scopes=(LIST,))).json()["status"]
    assert state["state"] == "failed"
    assert (await file_of(service, CITY, list_id)).status_code == 404
    await make(service, CITY, LOCAL, 2026)


async def test_what_was_sealed_on_another_day_is_sealed_anew(genk: Service, tmp_path: Path) -> None:
    list_id = (await ask_list(genk, GENK, LOCAL, 2026)).json()["lijstId"]
    shop = shop_of(genk)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(list_making, "_record_persons", killed_now)
        with suppress(Killed):
            list_making.work_once(shop)
    genk.clock.forward(days=20)
    home = {"nis": "71016", "van": "2020-01-01", "tot": "2026-06-02"}
    add_person(genk, {"insz": FIRST.digits, "woonplaatsen": [home]}, None)
    work(genk)

    secret = (await key_of(genk, GENK, list_id)).json()["identiteit"]
    opened = open_with_age((await file_of(genk, GENK, list_id)).content, secret, tmp_path)
    assert [row["personalia.insz"] for row in opened.rows] == [SECOND.digits]
    state = (await genk.ask(GENK, f"/lijsten/{list_id}", scopes=(LIST,))).json()
    assert opened.manifest["beschikbaarTot"] == state["beschikbaarTot"]


def killed_now(*_: object) -> int:
    raise Killed


async def test_a_list_of_last_year_is_not_made_in_the_next(genk: Service) -> None:
    genk.clock.now = datetime(2026, 12, 31, 22, 59, 50, tzinfo=UTC)
    genk.office.keys.create(genk.clock.now, 2)
    list_id = (await ask_list(genk, GENK, LOCAL, 2026)).json()["lijstId"]
    genk.clock.forward(seconds=30)
    work(genk)

    state = (await genk.ask(GENK, f"/lijsten/{list_id}", scopes=(LIST,))).json()["status"]
    assert state["state"] == "failed"
    await make(genk, GENK, LOCAL, 2027)  # its turn is still there


async def test_a_list_is_sealed_to_the_key_of_when_it_is_made(
    genk: Service, tmp_path: Path
) -> None:
    old, new = sealing.new_identity(), sealing.new_identity()
    administration.set_recipient(genk.office, GENK, old.recipient, genk.clock.now)
    list_id = (await ask_list(genk, GENK, LOCAL, 2026)).json()["lijstId"]
    administration.set_recipient(genk.office, GENK, new.recipient, genk.clock.now, "gelekt")
    work(genk)

    content = (await file_of(genk, GENK, list_id)).content
    assert open_with_age(content, new.secret, tmp_path).names
    with pytest.raises(sealing.SealBroken):
        sealing.unseal(io.BytesIO(content), old.secret, lambda _: None)
    # A key that is replaced afterwards may be in other hands: the file stays here.
    administration.set_recipient(genk.office, GENK, old.recipient, genk.clock.now)
    assert (await file_of(genk, GENK, list_id)).status_code == 409


async def test_a_file_of_a_protocol_that_ended_leaves_under_no_other(service: Service) -> None:
    list_id = await make(service, CITY, LOCAL, 2026)
    now = service.clock.now
    administration.end(service.office, variants.ID, now, last=now.date() - timedelta(1))
    heir = variants.document(id="voorbeeldstad-2027", versie="1", geldigVan="2026-06-01")
    variants.load(service, heir)

    refused = await file_of(service, CITY, list_id)
    assert (refused.status_code, refused.json()["type"][-12:]) == (403, "geenProtocol")
    assert (await key_of(service, CITY, list_id)).status_code == 403


async def test_columns_that_are_granted_no_longer_stay(service: Service) -> None:
    list_id = await make(service, CITY, LOCAL, 2026)
    other_version(service)

    refused = await file_of(service, CITY, list_id)
    assert refused.status_code == 403
    assert refused.json()["type"].endswith(":veldNietToegestaan")


async def test_a_log_that_was_rewritten_makes_no_list(genk: Service) -> None:
    await ask_list(genk, GENK, LOCAL, 2026)
    shop = shop_of(genk)
    shop.stopped = lambda: True
    assert list_making.work_once(shop) is False
    shop.stopped = iter([False, False, *[True] * 9]).__next__
    assert list_making.work_once(shop)
    assert about_persons(genk) == []


async def test_a_list_waits_for_a_key_of_the_month_or_of_the_log(
    genk: Service, own_folder: Path
) -> None:
    list_id = (await ask_list(genk, GENK, LOCAL, 2026)).json()["lijstId"]
    for file in ("log.key", "month-keys/2026-06.key"):
        (own_folder / file).rename(own_folder / "away")
        for _ in range(2 * list_making.ATTEMPTS):
            assert list_making.work_once(shop_of(genk))
            genk.clock.forward(seconds=11)
        (own_folder / "away").rename(own_folder / file)
    work(genk)
    assert (await file_of(genk, GENK, list_id)).status_code == 200


async def test_a_connection_that_is_lost_at_the_commit_loses_no_key(
    genk: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    list_id = await make(genk, GENK, LOCAL, 2026)
    log = genk.app.state.desk.gate.log
    writing = log._database.writing

    @contextmanager
    def lost() -> Iterator[Any]:
        with writing() as session:
            yield session
        raise OperationalError("COMMIT", {}, Exception("the connection is gone"))

    monkeypatch.setattr(log._database, "writing", lost)
    key = await key_of(genk, GENK, list_id)
    assert (key.status_code, key.json()["identiteit"][:16]) == (200, "AGE-SECRET-KEY-1")


async def test_a_transfer_stops_when_the_protocol_is_suspended(genk: Service) -> None:
    list_id = await make(genk, GENK, LOCAL, 2026)
    gate = genk.app.state.desk.gate
    with genk.office.database.reading() as session:
        task = listings.find(session, list_id, GENK)
    assert task
    opened = Opened(gate, task, range(task.size), Answered.WHOLE)
    assert len(b"".join([piece async for piece in opened.pieces()])) == task.size
    administration.suspend(genk.office, "genk-2021", "onderzoek", genk.clock.now)
    with pytest.raises(RecordsPruned):
        _ = [piece async for piece in opened.pieces()]


async def test_a_list_of_nobody_for_want_of_fresh_data_takes_no_turn(service: Service) -> None:
    service.clock.forward(days=60)
    service.office.keys.create(service.clock.now, 2)
    asked = await ask_list(service, FUND, "verlaagdePremie", 2027)
    work(service)
    path = f"/lijsten/{asked.json()['lijstId']}"
    state = (await service.ask(FUND, path, scopes=(LIST,))).json()["status"]

    assert (state["state"], state["problem"]["type"][-10:]) == ("failed", "geenAdvies")
    assert stored(service, "SELECT count(*) FROM quota_use") == [(0,)]


async def test_what_is_advised_on_a_list_can_be_repeated(service: Service) -> None:
    await make(service, FUND, "verlaagdePremie", 2027)
    [person, *_] = about_persons(service)

    age, now = service.settings.max_data_age, service.clock.now
    assert own_advice.repeat(service.office, person["eventId"], age, now, "nazicht").same


async def test_what_an_import_learns_while_a_list_is_made_is_dated_after_the_list(
    service_on_each: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It began before the list was read, and its facts were not there yet."""
    service, certified = service_on_each, person_with("O10").blocks
    assert certified
    snapshot, importing = Database.snapshot, ExitStack()

    def begins(database: Database) -> AbstractContextManager[Session]:
        session = importing.enter_context(service.office.database.writing())
        learned = access_log.learn(session, service.clock.now)
        dossiers.store(session, MEMBER_NOK, certified, service.clock.now, learned)
        service.clock.forward(seconds=1)
        return snapshot(database)

    def ends(*arguments: Any) -> Rows:
        importing.close()
        return Rows(*arguments)

    monkeypatch.setattr(Database, "snapshot", begins)
    monkeypatch.setattr(list_making, "Rows", ends)

    await make(service, FUND, "verlaagdePremie", 2027)

    key = service.office.keys.at(service.clock.now)
    member = key.hide("subject", MEMBER_NOK.digits)
    [person] = [one for one in about_persons(service) if one["subject"] == member]
    age, now = service.settings.max_data_age, service.clock.now
    assert own_advice.repeat(service.office, person["eventId"], age, now, "nazicht").same


async def test_a_file_is_fetched_in_parts(genk: Service) -> None:
    list_id = await make(genk, GENK, LOCAL, 2026)
    whole = await file_of(genk, GENK, list_id)
    size, tag = len(whole.content), whole.headers["ETag"]
    first = await file_of(genk, GENK, list_id, Range="bytes=0-99")
    rest = await file_of(genk, GENK, list_id, Range="bytes=100-", **{"If-Range": tag})
    last = await file_of(genk, GENK, list_id, Range="bytes=-7")

    assert [one.status_code for one in (first, rest, last)] == [206] * 3
    assert first.content + rest.content == whole.content
    assert last.content == whole.content[-7:]
    assert first.headers["Content-Range"] == f"bytes 0-99/{size}"
    changed = await file_of(genk, GENK, list_id, Range="bytes=5-", **{"If-Range": '"x"'})
    assert (changed.status_code, changed.content) == (200, whole.content)
    for odd in ("bytes=9-1", "bytes=0-1,5-6", "lines=1-2", "bytes=-"):
        assert (await file_of(genk, GENK, list_id, Range=odd)).status_code == 200
    for outside in (f"bytes={size}-", "bytes=-0"):
        refused = await file_of(genk, GENK, list_id, Range=outside)
        assert (refused.status_code, refused.headers["Content-Range"]) == (416, f"bytes */{size}")
    fetched = [one for one in genk.records() if one["operation"] == "getLijstBestand"]
    digest = "sha256:" + hashlib.sha256(whole.content).hexdigest()
    assert {one["fileDigest"] for one in fetched if one["outcome"] == "allowed"} == {digest}
    assert fetched[1]["counts"] == {"firstByte": 0, "lastByte": 99, "size": size}
    assert {one["parentId"] for one in fetched} == {list_id}
    assert len(fetched) == 11


async def test_a_list_of_another_organisation_does_not_exist(genk: Service) -> None:
    list_id = await make(genk, GENK, LOCAL, 2026)
    nobody = "0192f3a1-af71-7e8d-a062-5e91318fbd44"
    for path, scope in (("", LIST), ("/bestand", LIST)):
        answers = [
            await genk.ask(CITY, f"/lijsten/{id_}{path}", scopes=(scope,))
            for id_ in (list_id, nobody)
        ]
        assert [answer.status_code for answer in answers] == [404, 404]
        told = [answer.json() | {"instance": ""} for answer in answers]
        assert told[0] == told[1]
    assert (await key_of(genk, CITY, list_id)).status_code == 404


async def test_a_file_and_its_key_never_go_to_one_client(genk: Service) -> None:
    list_id = await make(genk, GENK, LOCAL, 2026)
    assert (await key_of(genk, GENK, list_id, client=GENK)).status_code == 403  # who asked
    assert (await file_of(genk, GENK, list_id)).status_code == 200
    assert (await key_of(genk, GENK, list_id, client="kluis")).status_code == 200
    token = genk.issuer.issue(GENK, "kluis", (LIST,), genk.clock.now)
    refused = await file_of(genk, GENK, list_id, Authorization=f"Bearer {token}")
    assert refused.status_code == 403
    assert refused.json()["type"].endswith(":kanaal")
    assert (await key_of(genk, GENK, list_id, client="tweede")).status_code == 409
    # An answer can be lost: for some minutes the same client gets it again.
    assert (await key_of(genk, GENK, list_id, client="kluis")).status_code == 200
    genk.clock.forward(minutes=10)
    assert (await key_of(genk, GENK, list_id, client="kluis")).status_code == 409


async def test_nobody_who_fetched_the_file_gets_the_key(genk: Service) -> None:
    list_id = await make(genk, GENK, LOCAL, 2026)
    for client in ("eerste", "tweede", "eerste"):
        token = genk.issuer.issue(GENK, client, (LIST,), genk.clock.now)
        got = await file_of(genk, GENK, list_id, Authorization=f"Bearer {token}")
        assert got.status_code == 200
    for client in ("eerste", "tweede"):
        assert (await key_of(genk, GENK, list_id, client=client)).status_code == 403


async def test_one_client_at_both_doors_at_once_gets_one_of_them(genk: Service) -> None:
    for _ in range(3):
        list_id = (await ask_list(genk, GENK, LOCAL, 2026)).json()["lijstId"]
        work(genk)
        token = genk.issuer.issue(GENK, "beide", (LIST,), genk.clock.now)
        answers = await asyncio.gather(
            file_of(genk, GENK, list_id, Authorization=f"Bearer {token}"),
            key_of(genk, GENK, list_id, client="beide"),
        )
        assert sorted(answer.status_code for answer in answers) == [200, 403]
        execute(genk, "DELETE FROM listing_part")
        execute(genk, "DELETE FROM listing")
        execute(genk, "DELETE FROM quota_use")


async def test_a_key_stands_nowhere(genk: Service) -> None:
    list_id = (await ask_list(genk, GENK, LOCAL, 2026)).json()["lijstId"]
    [(hidden,)] = stored(genk, "SELECT identity FROM listing")
    secret = (await key_of(genk, GENK, list_id)).json()["identiteit"]

    assert secret.startswith("AGE-SECRET-KEY-1")
    assert secret not in hidden
    assert secret not in json.dumps(genk.records())
    genk.clock.forward(minutes=11)
    work(genk)
    assert stored(genk, "SELECT identity FROM listing") == [(None,)]
    assert (await file_of(genk, GENK, list_id)).status_code == 200


async def test_a_registered_key_opens_its_lists(genk: Service, tmp_path: Path) -> None:
    own = sealing.new_identity()
    administration.set_recipient(genk.office, GENK, own.recipient, genk.clock.now)
    list_id = await make(genk, GENK, LOCAL, 2026, vorm="jsonl")

    assert (await key_of(genk, GENK, list_id)).status_code == 409
    opened = open_with_age((await file_of(genk, GENK, list_id)).content, own.secret, tmp_path)
    assert opened.names[0] == "lijst.jsonl"
    assert [json.loads(line) for line in opened.lines.splitlines()] == [
        {
            "personalia": {"insz": insz.digits},
            "contract": {"ondertekend": signed},
            "attest": {"inburgeringBehaald": False},
        }
        for insz, signed in ((FIRST, True), (SECOND, False))
    ]
    [delivery] = [one for one in genk.records() if one["eventId"] == list_id]
    assert delivery["keyFingerprint"] == sealing.fingerprint(own.recipient)


async def test_a_suspended_protocol_gives_no_file_and_no_key(genk: Service) -> None:
    list_id = await make(genk, GENK, LOCAL, 2026)
    administration.suspend(genk.office, "genk-2021", "onderzoek", genk.clock.now)

    for answer in (await file_of(genk, GENK, list_id), await key_of(genk, GENK, list_id)):
        assert answer.status_code == 403
        assert answer.json()["reden"] == "suspended"


async def test_a_list_is_there_for_thirty_days(genk: Service) -> None:
    list_id = await make(genk, GENK, LOCAL, 2026)
    genk.clock.forward(days=29)
    genk.office.keys.create(genk.clock.now, 2)
    assert (await file_of(genk, GENK, list_id)).status_code == 200
    genk.clock.forward(days=1)
    assert (await file_of(genk, GENK, list_id)).status_code == 410
    assert (await key_of(genk, GENK, list_id)).status_code == 410
    work(genk)
    work(genk)
    removed = [one for one in everything(genk) if one["operation"] == "listExpire"]
    assert [one["parentId"] for one in removed] == [list_id]
    assert stored(genk, "SELECT count(*) FROM listing_part") == [(0,)]
    assert stored(genk, "SELECT identity FROM listing") == [(None,)]


async def test_somebody_with_an_older_number_stands_on_it_once(
    genk: Service, tmp_path: Path
) -> None:
    older, current = insz_of("850730050"), insz_of("850730009")
    home = {"nis": "71016", "van": "2020-01-01", "tot": None}
    add_person(genk, {"insz": older.digits, "woonplaatsen": [home]}, {})
    line = {"insz": current.digits, "woonplaatsen": [home], "vorigeInsz": [older.digits]}
    add_person(genk, line, None)
    gone = insz_of("850730060")
    add_person(
        genk, {"insz": gone.digits, "woonplaatsen": [home], "geannuleerdOp": "2026-01-01"}, {}
    )
    list_id = await make(genk, GENK, LOCAL, 2026)
    secret = (await key_of(genk, GENK, list_id)).json()["identiteit"]
    opened = open_with_age((await file_of(genk, GENK, list_id)).content, secret, tmp_path)

    found = [row["personalia.insz"] for row in opened.rows]
    assert sorted(found) == sorted([FIRST.digits, SECOND.digits, current.digits])


async def test_the_log_signs_for_the_manifest(genk: Service, tmp_path: Path) -> None:
    list_id = await make(genk, GENK, LOCAL, 2026)
    secret = (await key_of(genk, GENK, list_id)).json()["identiteit"]
    opened = open_with_age((await file_of(genk, GENK, list_id)).content, secret, tmp_path)

    vkey = note.Vkey.parse((await genk.client.get("/log/vkey")).text.strip())
    digest = hashlib.sha256(canonical_json(opened.manifest)).hexdigest()
    assert note.open_note(opened.note, [vkey]) == f"{LOG_ORIGIN}/lijst\nsha256:{digest}\n"


async def test_a_municipality_gets_its_demo_list(service: Service, tmp_path: Path) -> None:
    list_id = await make(service, CITY, LOCAL, 2026)
    secret = (await key_of(service, CITY, list_id)).json()["identiteit"]
    opened = open_with_age((await file_of(service, CITY, list_id)).content, secret, tmp_path)

    living = {
        person.insz.digits
        for person in demo_persons(60)
        if person.blocks is not None
        and any(
            home["nis"] == "99001" and not home["tot"] for home in person.register["woonplaatsen"]
        )
    }
    assert {row["personalia.insz"] for row in opened.rows} <= living
    assert len(opened.rows) > 10


def everything(service: Service) -> list[dict[str, Any]]:
    """Every record, those of the office too."""
    rows = stored(service, "SELECT record FROM access_record ORDER BY log_index")
    return [json.loads(bytes(row[0])) for row in rows]


def stored(service: Service, statement: str) -> list[tuple[Any, ...]]:
    with service.office.database.reading() as session:
        return [tuple(row) for row in session.connection().exec_driver_sql(statement)]


@contextmanager
def closed_table(service: Service, table: str) -> Iterator[None]:
    """Meanwhile the database takes no row in a table, as a full disk would."""
    postgres = service.office.database.engine.dialect.name == "postgresql"
    execute(
        service,
        "CREATE OR REPLACE FUNCTION full_disk() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'disk full'; END $$;"
        f"CREATE TRIGGER full_disk BEFORE INSERT ON {table} "
        "FOR EACH ROW EXECUTE FUNCTION full_disk()"
        if postgres
        else f"CREATE TRIGGER full_disk BEFORE INSERT ON {table} "
        "BEGIN SELECT RAISE(ABORT, 'disk full'); END",
    )
    yield
    execute(service, f"DROP TRIGGER full_disk{f' ON {table}' if postgres else ''}")
