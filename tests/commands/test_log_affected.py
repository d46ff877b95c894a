"""`protocolpoort log affected`: whom a client reached, from the log alone, and nobody left out."""

import csv
import io
import json
import tracemalloc
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from evidence import entry, execute, rows, write
from programs import Ended, Within
from service import insz_of

from app import affected, log_search
from app.affected import COLUMNS, Summary
from app.database import Database
from app.deps import read_clock
from app.moments import rfc3339
from app.month_keys import MonthKeys

CITY, GENK, CLIENT = "voorbeeldstad", "nis:71016", "stad-app"
PERSONS = [insz_of(f"8507300{number:02}").digits for number in range(10)]
KEYS = Path("var/month-keys")
FIELDS = ["contact.email", "personalia.insz"]


@pytest.fixture
def command(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Within:
    """Commands in a folder of the test's own."""
    return Within(monkeypatch, capfd)


@pytest.fixture
def now() -> datetime:
    """The moment of the newest record, to the second."""
    return read_clock().replace(microsecond=0) - timedelta(hours=1)


@pytest.fixture
def store(own_folder: Path, migrated_file: bytes) -> Iterator[Database]:
    """A log with nothing in it, where the commands look for it."""
    (own_folder / "var").mkdir()
    (own_folder / "var" / "protocolpoort.db").write_bytes(migrated_file)
    opened = Database(f"sqlite:///{own_folder}/var/protocolpoort.db")
    yield opened
    opened.dispose()


def answered(store: Database, at: datetime, person: str | None, **more: Any) -> str:
    """An answer about somebody to the client; its id."""
    keys = MonthKeys(KEYS)
    keys.create(at, months=1)
    about = {"subject": keys.at(at).hide("subject", person)} if person else {}
    made = entry(
        **{
            "recordedAt": rfc3339(at),
            "organisation": CITY,
            "client": CLIENT,
            "operation": "queryDossier",
            "purpose": "lokaalIntegratiebeleid",
            "deliveredFields": FIELDS,
            **about,
            **more,
        }
    )
    write(store, [made])
    return made.event_id


def found(command: Within, since: datetime, until: datetime, *more: str) -> Ended:
    period = ("--from", rfc3339(since), "--to", rfc3339(until))
    return command("log", "affected", "--client", CLIENT, *period, *more)


def persons(ended: Ended) -> list[str]:
    return [row["insz"] for row in csv.DictReader(io.StringIO(ended.out))]


def test_gives_each_person_with_the_data_that_left(
    command: Within, store: Database, now: datetime
) -> None:
    id_ = answered(store, now, PERSONS[0])

    ended = found(command, now, now)

    heading, line = ended.out.splitlines()
    assert heading == ",".join(COLUMNS)
    assert line == (
        f"{PERSONS[0]},{rfc3339(now)},{id_},{CITY},queryDossier,lokaalIntegratiebeleid,"
        "contact.email personalia.insz"
    )
    assert (ended.code, ended.err) == (
        0,
        f"{rfc3339(now)} to {rfc3339(now)}: 1 records of persons\n",
    )


def test_only_what_this_client_was_given_in_the_period(
    command: Within, store: Database, now: datetime
) -> None:
    day = timedelta(days=1)
    moments = [now - 2 * day, now - day - timedelta(milliseconds=1), now - day, now, now]
    for person, at in zip(PERSONS, moments, strict=False):
        answered(store, at, person)
    at = now + timedelta(milliseconds=1)
    answered(store, at, PERSONS[5])
    others = {"client": "andere"}, {"outcome": "denied"}, {"type": "notice"}, {"type": "admin"}
    for more in others:
        answered(store, now, PERSONS[6], **more)
    answered(store, now, None)

    ended = found(command, now - day, now)

    assert persons(ended) == PERSONS[2:5]


@pytest.mark.parametrize("kind", ["access", "disclosure", "logRead"])
def test_whoever_was_made_known_counts(
    command: Within, store: Database, now: datetime, kind: str
) -> None:
    answered(store, now, PERSONS[0], type=kind, deliveredFields=[], organisation="auditdienst")

    assert persons(found(command, now, now)) == PERSONS[:1]


def test_who_stands_on_a_list_counts_when_it_was_given(
    command: Within, store: Database, now: datetime
) -> None:
    listed = {"type": "delivery", "operation": "createLijst"}
    given = answered(store, now, None, **listed)
    answered(store, now, PERSONS[0], parentId=given, **listed)
    never = "0192f3a1-af71-7e8d-a062-5e91318fbd44"
    answered(store, now, PERSONS[1], parentId=never, **listed)

    assert persons(found(command, now, now)) == PERSONS[:1]


def test_names_the_lists_whose_file_was_fetched(
    command: Within, store: Database, now: datetime
) -> None:
    listed = {"type": "delivery", "operation": "createLijst", "client": "andere"}
    given = answered(store, now, None, **listed)
    answered(store, now, PERSONS[0], parentId=given, **listed)
    answered(store, now, None, type="delivery", operation="getLijstBestand", parentId=given)

    ended = found(command, now, now)

    assert persons(ended) == PERSONS[:1]  # whom another client asked for
    assert ended.err.startswith(f"the file of list {given} was fetched")


def test_persons_of_a_list_that_was_asked_before_are_found(
    command: Within, store: Database, now: datetime
) -> None:
    before = now - timedelta(days=40)
    given = answered(store, before, None, type="delivery", operation="createLijst")
    for person in PERSONS[:2]:
        listed = {"type": "delivery", "operation": "createLijst", "parentId": given}
        answered(store, before, person, **listed)
    answered(store, now, None, type="delivery", operation="getLijstBestand", parentId=given)

    assert persons(found(command, now, now)) == PERSONS[:2]
    assert persons(found(command, before, now)) == PERSONS[:2]  # each once


def test_one_organisation_alone(command: Within, store: Database, now: datetime) -> None:
    answered(store, now, PERSONS[0])
    answered(store, now, PERSONS[1], organisation=GENK)

    ended = found(command, now, now, "--organisation", GENK)

    assert persons(ended) == PERSONS[1:2]


def test_persons_of_every_month_are_found(command: Within, store: Database, now: datetime) -> None:
    for number, ago in enumerate((400, 60, 30, 0)):
        answered(store, now - timedelta(days=ago), PERSONS[number])

    assert persons(found(command, now - timedelta(days=400), now)) == PERSONS[:4]


def test_a_destroyed_month_is_named_and_counted_and_none_of_it_left_out(
    command: Within, store: Database, now: datetime
) -> None:
    ids = [answered(store, now - timedelta(days=ago), PERSONS[0]) for ago in (400, 400, 0)]
    month = f"{now - timedelta(days=400):%Y-%m}"
    MonthKeys(KEYS).destroy(month)

    ended = found(command, now - timedelta(days=400), now)

    listed = list(csv.DictReader(io.StringIO(ended.out)))
    assert [row["insz"] for row in listed] == ["", "", PERSONS[0]]
    assert [row["toegangId"] for row in listed] == ids
    assert ended.err.splitlines()[0] == (
        f"{month}: the key is destroyed: 2 records of persons whom nobody knows any more"
    )
    assert ended.err.splitlines()[-1].endswith(": 3 records of persons")


@pytest.mark.parametrize("content", ["x", f"{'ab' * 32}\n"], ids=["no key", "another key"])
def test_a_key_that_is_not_right_stops_it(
    command: Within, store: Database, now: datetime, content: str
) -> None:
    answered(store, now, PERSONS[0])
    (KEYS / f"{now:%Y-%m}.key").write_text(content)

    ended = found(command, now, now)

    assert ended.code == 3
    assert PERSONS[0] not in ended.out + ended.err


def test_says_that_records_were_pruned(command: Within, store: Database, now: datetime) -> None:
    answered(store, now, PERSONS[0])
    execute(store, "UPDATE log_head SET minimum = 1")

    ended = found(command, now - timedelta(days=1), now)

    assert "records before index 1 are pruned" in ended.err


def test_reading_is_a_record_that_comes_first(
    command: Within, store: Database, now: datetime
) -> None:
    answered(store, now, PERSONS[0])

    found(command, now, now, "--reason", "lek 7", "--actor", "dpo")
    [record] = [
        json.loads(bytes(record))
        for (record,) in rows(store, "SELECT record FROM access_record WHERE type = 'logRead'")
    ]
    execute(
        store,
        "CREATE TRIGGER closed BEFORE INSERT ON access_record "
        "BEGIN SELECT RAISE(ABORT, 'closed'); END",
    )
    refused = found(command, now, now)

    assert (record["operation"], record["reasonReference"]) == ("logAffected", "lek 7")
    assert record["counts"] == {"firstIndex": 0, "lastIndex": 0, "records": 1}
    assert record["user"] == MonthKeys(KEYS).at(read_clock()).hide("user", "dpo")
    assert (refused.code, refused.out) == (3, "")


def test_gives_it_as_json_too(command: Within, store: Database, now: datetime) -> None:
    for person in PERSONS[:2]:
        answered(store, now, person)

    none = found(command, now - timedelta(days=2), now - timedelta(days=1), "--json")
    ended = found(command, now, now, "--json")

    assert json.loads(none.out) == []
    assert [row["insz"] for row in json.loads(ended.out)] == PERSONS[:2]
    assert list(json.loads(ended.out)[0]) == list(COLUMNS)


@pytest.mark.parametrize(
    "period",
    [
        ("--from", "2026-06-01", "--to", "2026-06-02T00:00:00Z"),
        ("--from", "2026-06-02T00:00:00Z", "--to", "2026-06-01T00:00:00Z"),
    ],
)
def test_a_period_that_is_none_is_wrong_usage(
    command: Within, store: Database, period: tuple[str, ...]
) -> None:
    ended = command("log", "affected", "--client", CLIENT, *period)

    assert (ended.code, ended.out) == (2, "")


def test_its_memory_does_not_grow_with_the_log(store: Database, now: datetime) -> None:
    keys = MonthKeys(KEYS)
    keys.create(now, months=1)
    key = keys.at(now)
    about = {"recordedAt": rfc3339(now), "organisation": CITY, "client": CLIENT}

    def more(count: int) -> None:
        made = [
            entry(**about, operation="queryDossier", subject=key.hide("subject", f"{number:011}"))
            for number in range(count)
        ]
        write(store, made)

    def peak() -> int:
        summary = Summary()
        tracemalloc.start()
        with store.snapshot() as session:
            within = log_search.span(session, now, now)
            seen = affected.reached(
                session, keys, within, CLIENT, now, now, summary, lambda _: None
            )
            count = sum(1 for _ in seen)
        used = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert count == len(within)
        return used

    more(2 * log_search.READ)
    few = peak()
    more(6 * log_search.READ)

    assert peak() < 1.3 * few
