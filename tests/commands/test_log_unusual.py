"""`protocolpoort log unusual`: what it shows, what it leaves in the log, and what it never says."""

import json
from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from evidence import entry, execute, rows, write
from programs import Ended, Within
from service import insz_of

from app.database import Database
from app.deps import read_clock
from app.moments import brussels_date, rfc3339
from app.month_keys import MonthKeys

FUND, CITY = "zorgkas-voorbeeld", "voorbeeldstad"
PERSON = insz_of("850730001").digits
CROWD = [insz_of(f"8507301{number:02}").digits for number in range(13)]
KEYS = Path("var/month-keys")


@pytest.fixture
def command(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Within:
    """Commands in a folder of the test's own."""
    return Within(monkeypatch, capfd)


@pytest.fixture
def now() -> datetime:
    """The moment of the newest record: in the middle of yesterday, so that no day is split."""
    return read_clock().replace(hour=10, minute=0) - timedelta(days=1)


@pytest.fixture
def store(own_folder: Path, migrated_file: bytes, now: datetime) -> Iterator[Database]:
    """A log with four test dates for one person over 90 days, and a day with many persons."""
    (own_folder / "var").mkdir()
    (own_folder / "var" / "protocolpoort.db").write_bytes(migrated_file)
    keys = MonthKeys(own_folder / KEYS)
    keys.create(now - timedelta(days=100), months=6)
    opened = Database(f"sqlite:///{own_folder}/var/protocolpoort.db")

    def ask(organisation: str, person: str, ago: int, **more: str) -> None:
        at = now - timedelta(days=ago)
        hidden = keys.at(at).hide("subject", person)
        about = {"organisation": organisation, "subject": hidden, "recordedAt": rfc3339(at), **more}
        write(opened, [entry(**about)])

    for number, ago in enumerate((90, 60, 30, 10)):
        ask(FUND, PERSON, ago, operation="queryAdvies", asOf=f"2024-01-0{number + 1}")
    for person in CROWD[:4]:
        ask(CITY, person, 1, operation="queryDossier")
    for person in CROWD:
        ask(CITY, person, 0, operation="queryDossier", outcome="denied")
    yield opened
    opened.dispose()


def ids(store: Database) -> list[str]:
    """The ids of all records, oldest first."""
    return [
        each for (each,) in rows(store, "SELECT event_id FROM access_record ORDER BY log_index")
    ]


def reading(store: Database) -> list[dict[str, Any]]:
    """What reading the log left behind, oldest first."""
    found = rows(
        store, "SELECT record FROM access_record WHERE type = 'logRead' ORDER BY log_index"
    )
    return [json.loads(bytes(record)) for (record,) in found]


def says_no_number(ended: Ended) -> bool:
    """Neither whole nor without its check digits."""
    return not [one for one in (PERSON, *CROWD) if one[:9] in ended.out + ended.err]


def test_shows_what_is_unusual(command: Within, store: Database, now: datetime) -> None:
    newest = ids(store)[:4][::-1]

    ended = command("log", "unusual", "--reason", "kwartaalcontrole")

    day, today = brussels_date(now), brussels_date(read_clock())
    dated = [str(day - timedelta(days=ago)) for ago in (90, 10)]
    assert ended.out.splitlines() == [
        "\t".join(["toetsdata", FUND, *dated, "4", "3", " ".join(newest)]),
        "\t".join(["personenPerDag", CITY, str(day), str(day), "13", "4", "-"]),
    ]
    assert ended.err == f"{today - timedelta(days=364)} to {today}: 2 unusual\n"
    assert ended.code == 0
    assert says_no_number(ended)


def test_gives_it_as_json(command: Within, store: Database, now: datetime) -> None:
    ended = command("log", "unusual", "--json")

    dated, crowd = json.loads(ended.out)
    day = str(brussels_date(now))
    assert dated["toegangen"] == ids(store)[:4][::-1]
    assert crowd == {
        "soort": "personenPerDag",
        "organisatie": CITY,
        "van": day,
        "tot": day,
        "aantal": 13,
        "normaal": 4,
        "toegangen": [],
    }
    assert (ended.code, list(dated)) == (0, list(crowd))
    assert says_no_number(ended)


def test_reading_is_a_record(command: Within, store: Database) -> None:
    command("log", "unusual", "--reason", "kwartaalcontrole", "--actor", "auditor-3")
    command("log", "unusual")

    first, second = reading(store)
    key = MonthKeys(KEYS).at(read_clock())
    assert (first["operation"], first["reasonReference"]) == ("logUnusual", "kwartaalcontrole")
    assert first["user"] == key.hide("user", "auditor-3")
    assert first["counts"] == {"firstIndex": 0, "lastIndex": 20, "records": 21}
    assert second["counts"] == {"firstIndex": 0, "lastIndex": 21, "records": 22}
    assert "reasonReference" not in second


def test_only_the_period_that_is_asked(command: Within, store: Database, now: datetime) -> None:
    day = brussels_date(now)

    def kinds(first: int, last: int) -> list[str]:
        period = [str(day - timedelta(days=ago)) for ago in (first, last)]
        ended = command("log", "unusual", "--from", period[0], "--to", period[1])
        assert ended.code == 0
        assert f"{period[0]} to {period[1]}: " in ended.err
        return [line.split("\t")[0] for line in ended.out.splitlines()]

    assert kinds(10, 0) == ["toetsdata", "personenPerDag"]
    assert kinds(9, 0) == ["personenPerDag"]
    assert kinds(10, 1) == ["toetsdata"]
    assert kinds(200, 11) == kinds(9, 1) == []


@pytest.mark.parametrize(
    "options",
    [
        ("--from", "2026-13-01"),
        ("--to", "gisteren"),
        ("--from", "2020-02-01", "--to", "2020-01-31"),
        ("--from", "0001-01-01"),
        ("--to", "9999-12-31"),
        ("--reason", "x\ny"),
    ],
)
def test_a_period_that_is_none_is_wrong_usage(
    command: Within, store: Database, options: tuple[str, ...]
) -> None:
    ended = command("log", "unusual", *options)

    assert (ended.code, ended.out, reading(store)) == (2, "", [])


def test_an_empty_log_is_data_too(command: Within, own_folder: Path) -> None:
    ended = command("log", "unusual", "--json")

    assert (ended.code, ended.out) == (0, "[]\n")
    with Database("sqlite:///var/protocolpoort.db").reading() as session:
        [found] = session.connection().exec_driver_sql("SELECT record FROM access_record")
    assert json.loads(bytes(found[0]))["counts"] == {"records": 0}


def test_says_what_a_destroyed_month_hides(command: Within, store: Database, now: datetime) -> None:
    months = [f"{now - timedelta(days=ago):%Y-%m}" for ago in (90, 60, 30, 10)]
    MonthKeys(KEYS).destroy(months[0])

    ended = command("log", "unusual")

    said, counted = ended.err.splitlines()
    assert said == (
        f"{months.count(months[0])} records of months whose key is destroyed are left out: nobody "
        "knows any more whom they are about"
    )
    assert (ended.code, ended.out.split("\t")[0]) == (0, "personenPerDag")
    assert counted.endswith(": 1 unusual")


@pytest.mark.parametrize("content", ["x", f"{'ab' * 32}\n"], ids=["no key", "another key"])
def test_a_key_that_is_not_right_breaks_the_report(
    command: Within, store: Database, now: datetime, content: str
) -> None:
    month = f"{now - timedelta(days=60):%Y-%m}"
    (KEYS / f"{month}.key").write_text(content)

    ended = command("log", "unusual")

    said = "is not a month key" if content == "x" else "does not open the records of its month"
    assert ended == Ended(3, "", f"{month}.key {said}\n")
    assert [each["operation"] for each in reading(store)] == ["logUnusual"]


def test_nothing_is_read_that_is_not_recorded(command: Within, store: Database) -> None:
    execute(
        store,
        "CREATE TRIGGER closed BEFORE INSERT ON access_record "
        "BEGIN SELECT RAISE(ABORT, 'closed'); END",
    )

    ended = command("log", "unusual")

    assert (ended.code, ended.out) == (3, "")
    assert reading(store) == []
