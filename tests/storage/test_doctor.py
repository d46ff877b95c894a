"""What `doctor` finds, and that it finds nothing else."""

from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from evidence import disarm, entry, execute, open_notary
from service import CITY, GENK, LOG_ORIGIN, NOW, ORIGIN, PROTOCOLS, prepare

from app import access_log, administration, database, doctor, documents, dossiers, log_keys
from app.administration import Office
from app.agreement import Document
from app.database import Database
from app.doctor import Level
from app.month_keys import MonthKeys
from app.protocols import Source
from app.pruning import prune
from app.settings import Mode, Settings
from app.tlog.note import Signer

UNSETTLED = "an end is not settled; production refuses"
UNLISTED = "the demanded list of function profiles is missing; production refuses"


@pytest.fixture
def office(tmp_path: Path) -> Office:
    """The register with all protocols of the project, loaded on the first of June 2026."""
    url = f"sqlite:///{tmp_path}/protocolpoort.db"
    prepare(url, tmp_path / "month-keys", persons=3)
    made = Office(Database(url), MonthKeys(tmp_path / "month-keys"), ORIGIN)
    open_notary(made.database, LOG_ORIGIN, tmp_path / "log.key", NOW).turn(NOW)
    return made


def settings(office: Office, **changes: Any) -> Settings:
    folder = Path(str(office.database.engine.url.database)).parent
    made = Settings(
        mode=Mode.DEMO,
        database_url=str(office.database.engine.url),
        month_keys=folder / "month-keys",
        log_origin=LOG_ORIGIN,
        log_key_file=folder / "log.key",
    )
    return replace(made, **changes)


def found(office: Office, now: datetime = NOW, **changes: Any) -> dict[str, Level]:
    return {
        finding.what: finding.level for finding in doctor.examine(settings(office, **changes), now)
    }


def deliver(office: Office, at: datetime) -> None:
    """Let a complete delivery be of this moment."""
    with office.database.writing() as session:
        dossiers.declare_complete(session, at, access_log.learn(session, NOW))


def list_of(kind: str, changed: date) -> Source:
    data = {
        "lijst": kind,
        "protocol": "voorbeeldstad-2026",
        "organisatie": CITY,
        "gewijzigdOp": changed.isoformat(),
        "verwerkers": [],
    }
    return Source(Path("lijst.yaml"), documents.from_data(data))


def test_names_what_the_five_protocols_still_need(office: Office) -> None:
    expected = {
        f"avsb-2021, zorgbudgetZwaarZorgbehoevenden: {UNSETTLED}",
        f"avsb-2021, verlaagdePremie: {UNSETTLED}",
        "avsb-2021, verlaagdePremie: from when lists are files is not settled; production refuses "
        "them",
        f"vdab-2023, monitoringDerdePijler: {UNSETTLED}",
        f"vdab-2023, 0887010362: {UNLISTED}",
        f"genk-2021, {GENK}: {UNLISTED}",
    }

    in_demo, in_production = found(office), found(office, mode=Mode.PRODUCTION)

    assert in_demo == dict.fromkeys(expected, Level.WARNING)
    assert in_production == dict.fromkeys({*expected, "no issuer of tokens is named"}, Level.ERROR)


def test_is_silent_about_what_was_settled(office: Office) -> None:
    administration.settle_legal_ground(office, "avsb-2021", None, None, NOW)
    administration.settle_start(office, "vdab-2023", "samenwerkingVan", date(2022, 3, 1), NOW)

    administration.settle_start(office, "avsb-2021", "bestandenVan", date(2022, 1, 1), NOW)

    assert not [what for what in found(office) if UNSETTLED in what or "not settled" in what]


def test_says_since_when_no_lists_are_given(office: Office) -> None:
    administration.settle_start(office, "avsb-2021", "bestandenVan", date(2021, 5, 31), NOW)

    told = found(office)["avsb-2021, verlaagdePremie: no lists are given since 2026-05-30"]
    assert told is Level.WARNING


def test_counts_the_days_of_a_protocol_and_of_its_suspension(office: Office) -> None:
    administration.suspend(office, "genk-2021", "onderzoek", NOW)
    administration.end(office, "voorbeeldstad-2026", NOW, last=date(2026, 8, 30))

    today, day_before = found(office), found(office, NOW - timedelta(seconds=30))
    assert today["genk-2021 1 is suspended since 2026-06-01"] is Level.WARNING
    assert today["voorbeeldstad-2026 1 ends on 2026-08-30"] is Level.WARNING
    assert today == day_before


@pytest.mark.parametrize(
    ("changed", "what"),
    [
        (date(2025, 6, 1), None),
        (date(2025, 5, 31), "last changed on 2025-05-31, more than a year ago"),
        (date(2026, 6, 1), None),
        (date(2026, 6, 2), "gewijzigdOp lies in the future"),
    ],
)
def test_a_list_is_stale_after_a_year(office: Office, changed: date, what: str | None) -> None:
    administration.load(office, [list_of("verwerkers", changed)], NOW)

    name = f"voorbeeldstad-2026, verwerkers of {CITY}: "
    assert [one.removeprefix(name) for one in found(office) if one.startswith(name)] == (
        [what] if what else []
    )


def second_version(**changes: Any) -> Source:
    """A version of the protocol of Voorbeeldstad that begins a month later."""
    path = PROTOCOLS / "demo/voorbeeldstad.yaml"
    data = documents.as_data(documents.parse(path.read_text(encoding="utf-8")))
    later = {**data, "versie": "2", "geldigVan": "2026-07-01", **changes}
    return Source(Path("later.yaml"), documents.from_data(later))


def test_an_end_is_no_news_once_a_new_version_is_there(office: Office) -> None:
    end = "voorbeeldstad-2026 1 ends on 2026-06-30"
    administration.end(office, "voorbeeldstad-2026", NOW, last=date(2026, 6, 30))
    alone = found(office)

    administration.load(office, [second_version()], NOW)

    assert alone[end] is Level.WARNING
    assert end not in found(office)


def test_a_legal_ground_that_ended_is_told(office: Office) -> None:
    yesterday, today = NOW.date() - timedelta(days=1), NOW.date()
    administration.settle_legal_ground(office, "avsb-2021", "verlaagdePremie", yesterday, NOW)
    administration.settle_legal_ground(
        office, "avsb-2021", "zorgbudgetZwaarZorgbehoevenden", today, NOW
    )

    ended = [what for what in found(office) if "the legal ground ended" in what]

    assert ended == ["avsb-2021, verlaagdePremie: the legal ground ended on 2026-05-31"]


@pytest.mark.parametrize("table", ["sharing_protocol", "register_list"])
@pytest.mark.parametrize(
    "content", ['{"formaat": "protocolpoort-protocol/9"}', '{"lijst": 1}', "{broken"]
)
def test_a_document_that_no_longer_reads_is_told(office: Office, table: str, content: str) -> None:
    with office.database.writing() as session:
        session.connection().exec_driver_sql(f"UPDATE {table} SET document = '{content}'")  # noqa: S608

    told = found(office)

    what = "the register holds a document that this version of the service cannot read"
    assert told == {what: Level.ERROR}


def test_a_draft_is_named_with_what_it_misses(office: Office) -> None:
    whole = second_version().content
    assert isinstance(whole, Document)
    contents = documents.as_data(whole)["inhoud"]
    kept = {name: text for name, text in contents.items() if name not in ("duur", "sancties")}
    administration.load(office, [second_version(inhoud=kept)], NOW)

    assert (
        found(office)["voorbeeldstad-2026 2 is a draft; missing: duur, sancties"] is Level.WARNING
    )


def test_a_clock_behind_the_log_is_an_error(office: Office) -> None:
    administration.suspend(office, "genk-2021", "onderzoek", NOW)

    within, before = NOW - timedelta(seconds=60), NOW - timedelta(seconds=61)
    what = "the clock stands before the newest record of the log: nothing is answered"
    assert what not in found(office, within)
    assert found(office, before)[what] is Level.ERROR


@pytest.mark.parametrize(
    ("now", "what"),
    [
        (datetime(2026, 7, 24, 12, tzinfo=UTC), None),
        (datetime(2026, 7, 25, 0, tzinfo=UTC), "next month has no key and begins within 7 days"),
        (
            datetime(2026, 8, 1, 0, tzinfo=UTC),
            "this month has no key: the service does not start",
        ),
    ],
)
def test_month_keys_are_asked_for_in_time(office: Office, now: datetime, what: str | None) -> None:
    assert [one for one in found(office, now) if " key" in one] == ([what] if what else [])


# The log


NO_SETTINGS = "the address or the key of the log is not named: the service does not start"
OTHER_KEY = "the key of PROTOCOLPOORT_LOG_KEY_FILE is not the one that signs this log"


def without_an_address(office: Office, folder: Path) -> dict[str, Any]:
    return {"log_origin": None}


def without_a_key_file(office: Office, folder: Path) -> dict[str, Any]:
    return {"log_key_file": None}


def without_a_key(office: Office, folder: Path) -> dict[str, Any]:
    disarm(office.database)
    execute(office.database, "DELETE FROM log_key")
    return {}


def without_the_file(office: Office, folder: Path) -> dict[str, Any]:
    (folder / "log.key").rename(folder / "elsewhere.key")
    return {}


def with_a_broken_file(office: Office, folder: Path) -> dict[str, Any]:
    (folder / "log.key").write_bytes(b"\xff")
    return {}


def with_the_file_of_another_log(office: Office, folder: Path) -> dict[str, Any]:
    (folder / "log.key").write_text(Signer.generate("gate.example/log").secret)
    return {}


def with_another_key(office: Office, folder: Path) -> dict[str, Any]:
    (folder / "log.key").write_text(Signer.generate(LOG_ORIGIN).secret)
    return {}


def with_the_key_of_before(office: Office, folder: Path) -> dict[str, Any]:
    held = (folder / "log.key").read_bytes()
    administration.rotate_key(office, LOG_ORIGIN, folder / "log.key", NOW)
    (folder / "log.key").write_bytes(held)
    return {}


def with_a_key_that_nobody_signed_for(office: Office, folder: Path) -> dict[str, Any]:
    with office.database.writing() as session:
        log_keys.add(session, Signer.generate(LOG_ORIGIN).vkey, 0, "", NOW)
    return {}


def with_a_checkpoint_of_another_key(office: Office, folder: Path) -> dict[str, Any]:
    key = Signer.generate(LOG_ORIGIN)
    disarm(office.database)
    execute(office.database, "UPDATE log_key SET vkey = :vkey", vkey=key.vkey.text)
    (folder / "log.key").write_text(key.secret)
    return {}


def with_a_log_that_was_cut_off(office: Office, folder: Path) -> dict[str, Any]:
    disarm(office.database)
    execute(office.database, "UPDATE log_head SET size = 2")
    return {}


def with_an_unknown_minimum(office: Office, folder: Path) -> dict[str, Any]:
    disarm(office.database)
    execute(office.database, "UPDATE log_head SET minimum = 256")
    return {}


def with_an_ended_month(office: Office, folder: Path) -> dict[str, Any]:
    office.keys.create(datetime(2026, 3, 1, tzinfo=UTC), months=3)
    return {"log_retention_months": 2}


def with_a_month_that_is_half_destroyed(office: Office, folder: Path) -> dict[str, Any]:
    (folder / "month-keys" / "2026-03.gone").write_bytes(bytes(64))
    return {"log_retention_months": 2}


@pytest.mark.parametrize(
    ("broken", "what", "level"),
    [
        (without_an_address, NO_SETTINGS, Level.ERROR),
        (without_a_key_file, NO_SETTINGS, Level.ERROR),
        (without_a_key, "the log has no key", Level.ERROR),
        (without_the_file, "there is no {folder}/log.key: restore it", Level.ERROR),
        (with_a_broken_file, "{folder}/log.key cannot be read as a signing key", Level.ERROR),
        (
            with_the_file_of_another_log,
            "the key in {folder}/log.key is not one of PROTOCOLPOORT_LOG_ORIGIN",
            Level.ERROR,
        ),
        (with_another_key, OTHER_KEY, Level.ERROR),
        (with_the_key_of_before, OTHER_KEY, Level.ERROR),
        (
            with_a_key_that_nobody_signed_for,
            "the log does not hold: a public key is listed that",
            Level.ERROR,
        ),
        (
            with_a_checkpoint_of_another_key,
            "the log does not hold: the checkpoint in the database does not hold",
            Level.ERROR,
        ),
        (with_a_log_that_was_cut_off, "the log does not hold: ", Level.ERROR),
        (
            with_an_unknown_minimum,
            "the log does not hold: the records below 256 are gone",
            Level.ERROR,
        ),
        (
            with_an_ended_month,
            "the term of 2026-03 has ended, and its key is there",
            Level.WARNING,
        ),
        (
            with_a_month_that_is_half_destroyed,
            "the term of 2026-03 has ended, and its key is there",
            Level.WARNING,
        ),
    ],
)
def test_one_thing_that_is_wrong_with_the_log_is_told_once(
    office: Office,
    tmp_path: Path,
    broken: Callable[[Office, Path], dict[str, Any]],
    what: str,
    level: Level,
) -> None:
    healthy = doctor.examine(settings(office), NOW)

    told = doctor.examine(settings(office, **broken(office, tmp_path)), NOW)

    [finding] = [one for one in told if one not in healthy]
    assert len(told) == len(healthy) + 1
    assert finding.what.startswith(what.format(folder=tmp_path))
    assert finding.level is level


@pytest.mark.parametrize(("term", "ended"), [(1, ["2026-04"]), (2, []), (120, [])])
def test_a_month_is_to_be_pruned_once_its_term_has_ended(
    office: Office, term: int, ended: list[str]
) -> None:
    office.keys.create(datetime(2026, 4, 1, tzinfo=UTC), months=2)

    told = found(office, log_retention_months=term)

    assert [what for what in told if "the term of" in what] == [
        f"the term of {month} has ended, and its key is there" for month in ended
    ]


def test_a_log_that_was_rotated_and_pruned_is_healthy(office: Office, tmp_path: Path) -> None:
    healthy = found(office)
    notary = open_notary(office.database, LOG_ORIGIN, tmp_path / "log.key", NOW)

    administration.rotate_key(office, LOG_ORIGIN, tmp_path / "log.key", NOW)
    with office.database.writing() as session:
        access_log.write(session, [entry() for _ in range(300)])
    notary.turn(NOW + timedelta(seconds=2))
    later = datetime(2026, 8, 1, tzinfo=UTC)
    office.keys.create(NOW, months=4)
    deliver(office, later)
    pruned = prune(office, LOG_ORIGIN, 1, later)

    assert (pruned.minimum, pruned.months) == (256, ("2026-06",))
    assert found(office, later, log_retention_months=1) == healthy


@pytest.mark.parametrize(
    ("age", "stale"),
    [(timedelta(days=35), False), (timedelta(days=35, milliseconds=1), True)],
)
def test_a_delivery_is_too_old_after_the_maximum_age(
    office: Office, age: timedelta, stale: bool
) -> None:
    at = NOW + age
    office.keys.create(NOW, months=3)

    told, longer = found(office, at), found(office, at, max_data_age=timedelta(days=36))

    what = "a complete delivery is from 2026-06-01: who has no dossier gets no advice"
    assert told.get(what) == (Level.WARNING if stale else None)
    assert what not in longer


def test_without_a_complete_delivery_nobody_knows_who_has_no_dossier(office: Office) -> None:
    execute(office.database, "DELETE FROM complete_delivery")

    never = found(office)
    deliver(office, NOW - timedelta(days=36))
    old = found(office)
    deliver(office, NOW - timedelta(days=34))

    tail = "who has no dossier gets no advice"
    assert never[f"a complete delivery was never declared: {tail}"] is Level.WARNING
    assert old[f"a complete delivery is from 2026-04-26: {tail}"] is Level.WARNING
    assert not [what for what in found(office) if tail in what]


def without_a_schema(office: Office, folder: Path) -> dict[str, Any]:
    return {"database_url": f"sqlite:///{folder}/other.db"}


def without_protocols(office: Office, folder: Path) -> dict[str, Any]:
    database.upgrade(url := f"sqlite:///{folder}/other.db")
    return {"database_url": url}


def without_a_server(office: Office, folder: Path) -> dict[str, Any]:
    return {"database_url": f"postgresql+psycopg:///none?host={folder}"}


def without_keys(office: Office, folder: Path) -> dict[str, Any]:
    return {"month_keys": None}


def with_broken_issuers(office: Office, folder: Path) -> dict[str, Any]:
    (folder / "issuers.json").write_text("{")
    return {"issuers": folder / "issuers.json"}


def with_good_webhooks(folder: Path) -> dict[str, Any]:
    (folder / "webhooks.json").write_text("{}")
    return {"webhooks": folder / "webhooks.json"}


def with_broken_webhooks(office: Office, folder: Path) -> dict[str, Any]:
    (folder / "webhooks.json").write_text("{")
    return {"webhooks": folder / "webhooks.json"}


def without_webhooks(office: Office, folder: Path) -> dict[str, Any]:
    return {"webhooks": folder / "nowhere.json"}


@pytest.mark.parametrize(
    ("broken", "what"),
    [
        (without_a_schema, "the database is not up to date"),
        (without_protocols, "there is no protocol in force"),
        (without_a_server, "the database does not answer as it should: OperationalError"),
        (without_keys, "no folder of month keys is named"),
        (with_broken_issuers, "PROTOCOLPOORT_ISSUERS cannot be used"),
        (
            with_broken_webhooks,
            "PROTOCOLPOORT_WEBHOOKS cannot be used: nobody is told of news",
        ),
        (without_webhooks, "PROTOCOLPOORT_WEBHOOKS cannot be used: nobody is told of news"),
    ],
)
def test_what_stops_the_service_is_an_error(
    office: Office,
    tmp_path: Path,
    broken: Callable[[Office, Path], dict[str, Any]],
    what: str,
) -> None:
    assert found(office, **broken(office, tmp_path))[what] is Level.ERROR


def test_a_good_file_of_webhooks_is_no_finding(office: Office, tmp_path: Path) -> None:
    assert found(office, **with_good_webhooks(tmp_path)) == found(office)
