"""What comes in: real MAGDA answers, broken ones, and the lines of the register of persons."""

import json
from collections.abc import Generator, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import stores
from evidence import entry, write
from magda import dossier, fault
from service import ANSWERS, insz_of
from sqlalchemy.exc import OperationalError

from app import access_log, database, dossiers, fields, intake, kbi, population, protocols
from app.database import Database
from app.dossiers import Word
from app.insz import Insz
from app.intake import Delivery, Report, Skipped, Stored
from app.moments import rfc3339
from app.policy import Population, PopulationKind
from app.population import Admitted

NOW = datetime(2026, 6, 1, 9, 30, tzinfo=UTC)
DAY, SECOND, TICK = timedelta(days=1), timedelta(seconds=1), timedelta(milliseconds=1)
# Two test numbers (month raised by 60), and one of a form that production takes: the serial
# number 000 is never given to anybody.
PERSON, OTHER, CITIZEN = "90722501478", "90722600359", "90020100060"
NEIGHBOUR = insz_of("900201001").digits
GENK = Population(PopulationKind.RESIDENT, nis="71016")


@pytest.fixture
def real() -> list[Path]:
    """The public test answers of the MAGDA platform."""
    files = sorted(ANSWERS.glob("*.xml"))
    if not files:
        pytest.skip("../shared/kbi/antwoorden is not there: nothing real to read")
    return files


def put(
    store: Database,
    folder: Path,
    files: Mapping[str, bytes],
    *,
    production: bool = False,
    complete: bool = False,
    now: datetime = NOW,
) -> list[Report]:
    """Write these files, `<name>.xml`, and import them in this order."""
    paths = []
    for name, content in files.items():
        paths.append(folder / f"{name}.xml")
        paths[-1].write_bytes(content)
    return list(
        intake.import_answers(store, paths, lambda: now, production=production, complete=complete)
    )


def kept(store: Database, insz: str, *blocks: str) -> dossiers.Dossier | None:
    """The current dossier under this number."""
    with store.reading() as session:
        return stores.read(session, [insz], blocks)


def count(store: Database, table: str) -> int:
    """How many rows a table has."""
    with store.reading() as session:
        rows = session.connection().exec_driver_sql(f"SELECT count(*) FROM {table}")  # noqa: S608
        return int(rows.scalar_one())


def marked(store: Database, insz: str) -> bool:
    """Whether the source failed last for this person, under any number."""
    return said(store, insz).fault is not None


def said(store: Database, insz: str) -> Word:
    """What the source said last of this person."""
    with store.reading() as session:
        return stores.last_word(session, population.numbers_of(session, Insz(insz)))


def delivered(store: Database) -> datetime | None:
    """From when the newest complete delivery is."""
    with store.reading() as session:
        return dossiers.last_delivery(session)


# The real answers


def test_of_the_real_answers_eleven_are_stored_and_three_are_named(
    store: Database, real: list[Path]
) -> None:
    reports = list(intake.import_answers(store, real, lambda: NOW, production=False))

    stored = [each for each in reports if isinstance(each, Stored)]
    skipped = sorted(
        (each.name, each.rule.split()[0]) for each in reports if isinstance(each, Skipped)
    )
    assert len(stored) == count(store, "dossier_version") == 11
    assert all(each.new for each in stored)
    assert skipped == [
        ("90722500191.xml", "99996"),
        ("91610100176.xml", "99996"),
        ("notfound.xml", "30001"),
    ]
    assert (marked(store, "90722500191"), marked(store, "91610100176")) == (True, True)
    assert count(store, "source_answer") == 11 + 2


def test_a_real_answer_is_kept_whole(store: Database, real: list[Path]) -> None:
    list(intake.import_answers(store, real, lambda: NOW, production=False))

    for path in real:
        parsed = kbi.parse_answer(path.read_bytes())
        if isinstance(parsed, kbi.Dossier):
            found = kept(store, parsed.insz.digits, *fields.BLOCKS)
            assert found is not None
            assert found.blocks == parsed.blocks


def test_the_real_answers_a_second_time_hold_nothing_new(store: Database, real: list[Path]) -> None:
    list(intake.import_answers(store, real, lambda: NOW, production=False))

    again = list(intake.import_answers(store, real, lambda: NOW + DAY, production=False))

    assert not any(each.new for each in again if isinstance(each, Stored))
    assert count(store, "dossier_version") == 11
    refreshed = kept(store, PERSON)
    assert refreshed is not None
    assert refreshed.fetched_at == NOW + DAY


def test_production_takes_none_of_the_real_answers(store: Database, real: list[Path]) -> None:
    reports = list(intake.import_answers(store, real, lambda: NOW, production=True))

    assert all(isinstance(each, Skipped) for each in reports)
    assert count(store, "dossier_version") == 0


# One answer


def test_production_refuses_a_test_number_and_takes_a_citizen(
    store: Database, tmp_path: Path
) -> None:
    reports = put(store, tmp_path, {"a": dossier(PERSON), "b": dossier(CITIZEN)}, production=True)

    assert reports == [
        Skipped("a.xml", "a test number, which production does not take"),
        Stored("b.xml", new=True),
    ]
    assert kept(store, PERSON) is None


@pytest.mark.parametrize(
    ("production", "made_on", "expected"),
    [
        (True, "2026-05-30", datetime(2026, 5, 30, 10, 0, tzinfo=UTC)),
        (True, "2026-06-02", NOW),  # never later than the import
        (False, "2017-03-30", NOW),  # the public test answers are years old
    ],
)
def test_the_moment_of_the_data_is_that_of_the_answer(
    store: Database, tmp_path: Path, production: bool, made_on: str, expected: datetime
) -> None:
    put(store, tmp_path, {"a": dossier(CITIZEN, on=made_on)}, production=production)

    found = kept(store, CITIZEN)
    assert found is not None
    assert found.fetched_at == expected


def test_a_changed_answer_is_a_new_version(store: Database, tmp_path: Path) -> None:
    reports = [
        *put(store, tmp_path, {"a": dossier()}),
        *put(store, tmp_path, {"b": dossier()}),
        *put(store, tmp_path, {"c": dossier(blocks="<Doelgroep><Code>JA</Code></Doelgroep>")}),
    ]

    assert [report.new for report in reports if isinstance(report, Stored)] == [True, False, True]
    assert count(store, "dossier_version") == 2


BROKEN = {
    "empty": (b"", "no KBI answer: not well-formed XML, line"),
    "cut": (dossier()[:-9], "no KBI answer: not well-formed XML, line"),
    "html": (b"<html/>", "no KBI answer: the root is no GeefDossierKBIResponse"),
    "entities": (b"<!DOCTYPE a [<!ENTITY b 'c'>]><a>&b;</a>", "a document type declaration"),
    "latin": ("<a>é</a>".encode("latin-1"), "no KBI answer: not UTF-8"),
    "deep": (b"<a>" * 5000 + b"</a>" * 5000, "no KBI answer: not well-formed XML"),
    "number": (dossier("90722501479"), "Personalia/INSZ: not a valid national number"),
    "unknown": (dossier(blocks="<Nieuw>geheim</Nieuw>"), "KBIDossier/Nieuw: not in the schema"),
}


def test_a_broken_file_is_named_with_its_rule_and_the_rest_goes_on(
    store: Database, tmp_path: Path
) -> None:
    broken_files = {name: content for name, (content, _) in BROKEN.items()}
    files = {"first": dossier(), **broken_files, "last": dossier(OTHER)}

    first, *broken, last = put(store, tmp_path, files)

    assert (first, last) == (Stored("first.xml", new=True), Stored("last.xml", new=True))
    for report, (name, (_, rule)) in zip(broken, BROKEN.items(), strict=True):
        assert isinstance(report, Skipped)
        assert report.name == f"{name}.xml"
        assert rule in report.rule
        assert not any(value in report.rule for value in ("90722501479", "geheim"))
    assert count(store, "dossier_version") == 2


def test_a_file_that_cannot_be_read_is_named_and_the_rest_goes_on(
    store: Database, tmp_path: Path
) -> None:
    (tmp_path / "folder.xml").mkdir()
    (tmp_path / "good.xml").write_bytes(dossier())
    files = [tmp_path / "folder.xml", tmp_path / "absent.xml", tmp_path / "good.xml"]

    reports = list(intake.import_answers(store, files, lambda: NOW, production=False))

    assert reports == [
        Skipped("folder.xml", "cannot be read: IsADirectoryError"),
        Skipped("absent.xml", "cannot be read: FileNotFoundError"),
        Stored("good.xml", new=True),
    ]


def test_a_folder_means_its_answers_by_name_and_a_file_means_itself(tmp_path: Path) -> None:
    for name in ("b.xml", "a.xml", "readme.txt", "other.txt"):
        (tmp_path / name).write_bytes(b"")

    found = intake.answer_files([tmp_path / "other.txt", tmp_path])

    assert [path.name for path in found] == ["other.txt", "a.xml", "b.xml"]


# Faults of the source


def test_a_fault_marks_the_person_after_whom_the_file_is_named(
    store: Database, tmp_path: Path
) -> None:
    reports = put(store, tmp_path, {PERSON: fault("99996", "Technisch"), "answer": fault("99996")})

    assert reports == [
        Skipped("90722501478.xml", "99996 Technisch", lost=False),
        Skipped("answer.xml", "99996 Er is iets"),
    ]
    assert said(store, PERSON).fault == "99996"
    assert count(store, "source_answer") == 1


def test_a_good_answer_lifts_the_mark_also_within_one_import(
    store: Database, tmp_path: Path
) -> None:
    put(store, tmp_path, {PERSON: fault("99996"), "better": dossier()})
    lifted = not marked(store, PERSON)
    put(store, tmp_path, {PERSON: fault("99996")})

    assert lifted
    assert marked(store, PERSON)


def test_no_dossier_is_a_fault_only_where_one_is_stored(store: Database, tmp_path: Path) -> None:
    put(store, tmp_path, {PERSON: fault("30001")})
    before = marked(store, PERSON)
    put(store, tmp_path, {"a": dossier()})

    put(store, tmp_path, {PERSON: fault("30001")})

    assert not before
    assert marked(store, PERSON)


def test_no_dossier_is_a_fault_where_one_is_stored_under_an_old_number(
    store: Database, tmp_path: Path
) -> None:
    lines(store, line(PERSON, vorigeInsz=[OTHER]))
    put(store, tmp_path, {"a": dossier(OTHER)})

    put(store, tmp_path, {PERSON: fault("30001")})

    assert marked(store, PERSON)


def test_no_dossier_is_an_answer_that_lifts_a_mark(store: Database, tmp_path: Path) -> None:
    put(store, tmp_path, {PERSON: fault("99996")})
    before = marked(store, PERSON)

    put(store, tmp_path, {PERSON: fault("30001")})

    assert before
    assert said(store, PERSON) == Word(None, NOW + TICK, None)


def test_no_dossier_in_a_file_that_names_nobody_says_nothing(
    store: Database, tmp_path: Path
) -> None:
    [report] = put(store, tmp_path, {"notfound": fault("30001", "Geen")})

    assert report == Skipped("notfound.xml", "30001 Geen", lost=False)
    assert count(store, "source_answer") == 0


def test_in_production_the_moment_of_a_fault_is_that_of_the_answer(
    store: Database, tmp_path: Path
) -> None:
    files = {"answer": dossier(CITIZEN, on="2026-05-30"), CITIZEN: fault("99996", on="2026-05-29")}

    put(store, tmp_path, files, production=True)
    before = marked(store, CITIZEN)
    put(store, tmp_path, {CITIZEN: fault("99996", on="2026-05-31")}, production=True)

    assert not before
    assert marked(store, CITIZEN)


def test_a_code_that_no_source_gives_is_reported_and_stops_nothing(
    store: Database, tmp_path: Path
) -> None:
    files = {PERSON: fault("1" * 11), CITIZEN: fault("X"), "good": dossier(OTHER)}

    *broken, good = put(store, tmp_path, files)

    assert [each.rule for each in broken if isinstance(each, Skipped)] == [
        "no KBI answer: Uitzondering/Identificatie: must be a number of at most 10 digits"
    ] * 2
    assert good == Stored("good.xml", new=True)
    assert count(store, "source_answer") == 1


def test_the_longest_code_and_a_diagnosis_with_a_number_in_it(
    store: Database, tmp_path: Path
) -> None:
    [report] = put(store, tmp_path, {PERSON: fault("1" * 10, f"Geen {PERSON}")})

    assert report == Skipped(f"{PERSON}.xml", "1111111111 ?", lost=False)
    assert marked(store, PERSON)


# Complete deliveries


def deliver(
    store: Database,
    folder: Path,
    files: Mapping[str, bytes],
    *,
    production: bool = True,
    now: datetime = NOW,
) -> Report:
    """Import these as a complete delivery; what was declared of it."""
    *_, last = put(store, folder, files, production=production, complete=True, now=now)
    return last


def test_a_complete_delivery_is_from_its_oldest_dossier(store: Database, tmp_path: Path) -> None:
    files = {
        "a": dossier(CITIZEN, on="2026-05-30"),
        "b": dossier(NEIGHBOUR, on="2026-05-20"),
        "c": dossier(CITIZEN, on="2026-05-31"),
    }

    declared = deliver(store, tmp_path, files)

    assert declared == Delivery(datetime(2026, 5, 20, 10, 0, tzinfo=UTC))
    assert delivered(store) == datetime(2026, 5, 20, 10, 0, tzinfo=UTC)
    assert said(store, OTHER) == Word(None, None, datetime(2026, 5, 20, 10, 0, tzinfo=UTC))


def test_the_oldest_of_all_counts_also_over_several_transactions(
    store: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "BATCH", 2)
    days = ("21", "22", "20", "23", "24")
    files = {day: dossier(CITIZEN, on=f"2026-05-{day}") for day in days}

    assert deliver(store, tmp_path, files) == Delivery(datetime(2026, 5, 20, 10, 0, tzinfo=UTC))


@pytest.mark.parametrize(
    ("production", "made_on"),
    [(True, "2026-06-02"), (False, "2017-03-30"), (False, "2026-06-02")],
)
def test_a_delivery_is_never_from_later_than_its_import_and_in_the_demo_from_then(
    store: Database, tmp_path: Path, production: bool, made_on: str
) -> None:
    files = {"a": dossier(CITIZEN, on=made_on)}

    assert deliver(store, tmp_path, files, production=production) == Delivery(NOW)


def test_a_delivery_is_learned_after_the_answers_in_it(store: Database, tmp_path: Path) -> None:
    deliver(store, tmp_path, {"a": dossier(CITIZEN), CITIZEN: fault("99996")})

    with store.reading() as session:
        run = session.connection().exec_driver_sql
        answered = run("SELECT max(learned_at) FROM source_answer").scalar_one()
        declared = run("SELECT learned_at FROM complete_delivery").scalar_one()
    assert declared > answered


@pytest.mark.parametrize("more", [{CITIZEN: fault("99996")}, {"x": fault("30001")}])
def test_a_fault_of_whom_everybody_knows_leaves_nobody_out(
    store: Database, tmp_path: Path, more: Mapping[str, bytes]
) -> None:
    declared = deliver(store, tmp_path, {"a": dossier(NEIGHBOUR), **more})

    assert declared == Delivery(datetime(2017, 3, 30, 10, 0, tzinfo=UTC))


LOST: dict[str, Mapping[str, bytes]] = {
    "unreadable": {"x": b"<html/>"},
    "test number": {"x": dossier(PERSON)},
    "nameless fault": {"x": fault("99996")},
    "fault of a broken number": {"90722501479": fault("99996")},
    "unknown code": {CITIZEN: fault("X")},
}


@pytest.mark.parametrize("more", LOST.values(), ids=LOST)
def test_a_delivery_of_which_an_answer_was_lost_is_not_declared(
    store: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, more: Mapping[str, bytes]
) -> None:
    monkeypatch.setattr(intake, "BATCH", 1)
    files = {"a": dossier(NEIGHBOUR), **more, "b": dossier(CITIZEN)}

    declared = deliver(store, tmp_path, files)

    assert declared == Delivery(None, "1 of its answers could not be stored")
    assert delivered(store) is None
    assert count(store, "complete_delivery") == 0
    assert kept(store, CITIZEN) is not None


def test_a_file_that_is_not_there_was_lost(store: Database, tmp_path: Path) -> None:
    (tmp_path / "a.xml").write_bytes(dossier())
    files = [tmp_path / "a.xml", tmp_path / "absent.xml"]

    *_, last = intake.import_answers(store, files, lambda: NOW, production=False, complete=True)

    assert last == Delivery(None, "1 of its answers could not be stored")


@pytest.mark.parametrize("files", [{}, {CITIZEN: fault("30001"), NEIGHBOUR: fault("99996")}])
def test_a_delivery_without_any_dossier_is_not_declared(
    store: Database, tmp_path: Path, files: Mapping[str, bytes]
) -> None:
    declared = deliver(store, tmp_path, files)

    assert declared == Delivery(None, "there is no dossier in it")
    assert delivered(store) is None


def test_what_is_not_said_to_be_complete_declares_nothing(store: Database, tmp_path: Path) -> None:
    reports = put(store, tmp_path, {"a": dossier()})

    assert reports == [Stored("a.xml", new=True)]
    assert count(store, "complete_delivery") == 0


def test_an_interrupted_delivery_declares_nothing(
    store: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "BATCH", 1)
    for name in "ab":
        (tmp_path / f"{name}.xml").write_bytes(dossier())
    files = intake.answer_files([tmp_path])

    reports = intake.import_answers(store, files, lambda: NOW, production=False, complete=True)
    seen = [next(reports), next(reports)]
    close(reports)

    assert [type(report) for report in seen] == [Stored, Stored]
    assert count(store, "complete_delivery") == 0


# When it was learned


def test_each_import_is_learned_after_the_one_before_by_a_clock_that_stands(
    store: Database, tmp_path: Path
) -> None:
    learned = []
    for number in range(3):
        put(store, tmp_path, {"a": dossier(blocks=f"<Doelgroep><Code>{number}</Code></Doelgroep>")})
        lines(store, line(OTHER, vorigeInsz=[CITIZEN] if number % 2 else []))
        with store.reading() as session:
            learned.append(access_log.known_at(session))

    assert learned == [NOW + step * TICK for step in (1, 3, 5)]
    found = moments(store, "SELECT learned_at FROM source_answer ORDER BY id")
    assert found == [NOW + step * TICK for step in (0, 2, 4)]
    told = moments(store, "SELECT learned_at, dropped_at FROM replaced_number")
    assert told == [NOW + 3 * TICK, NOW + 5 * TICK]


def test_the_clock_is_read_for_each_transaction_and_no_answer_is_later_than_its_own(
    store: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "BATCH", 1)
    ticks = (NOW + step * SECOND for step in range(9))
    for name, insz, on in (
        ("a", CITIZEN, "2026-06-02"),
        ("b", NEIGHBOUR, "2026-06-02"),
        ("c", CITIZEN, "2026-05-30"),
    ):
        (tmp_path / f"{name}.xml").write_bytes(dossier(insz, on=on))
    files = intake.answer_files([tmp_path])

    list(intake.import_answers(store, files, lambda: next(ticks), production=True))

    assert moments(store, "SELECT fetched_at, learned_at FROM source_answer ORDER BY id") == [
        *(NOW + SECOND, NOW + SECOND),
        *(NOW + 2 * SECOND, NOW + 2 * SECOND),
        *(datetime(2026, 5, 30, 10, 0, tzinfo=UTC), NOW + 3 * SECOND),
    ]


def moments(store: Database, statement: str) -> list[datetime]:
    """The moments that a statement finds, row by row."""
    with store.reading() as session:
        found = session.connection().exec_driver_sql(statement)
        values = [value for row in found for value in row]
    texts = [value if isinstance(value, str) else value.isoformat() for value in values]
    return [datetime.fromisoformat(text).replace(tzinfo=UTC) for text in texts]


# Interruptions


def close(reports: Iterator[Report]) -> None:
    """What happens to an import that nobody goes on with."""
    assert isinstance(reports, Generator)
    reports.close()


def test_an_interrupted_import_keeps_what_it_reported(
    store: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "BATCH", 2)
    files = [tmp_path / f"{number}.xml" for number in range(5)]
    for path, blocks in zip(files, range(5), strict=True):
        path.write_bytes(dossier(blocks=f"<Doelgroep><Code>{blocks}</Code></Doelgroep>"))

    reports = intake.import_answers(store, files, lambda: NOW, production=False)
    seen = [next(reports) for _ in range(3)]
    close(reports)

    assert all(isinstance(report, Stored) for report in seen)
    assert count(store, "dossier_version") == 4  # what was seen, and what was committed with it


def test_nothing_is_reported_before_its_commit(
    store: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "BATCH", 1)
    (tmp_path / "a.xml").write_bytes(dossier())

    for _ in intake.import_answers(store, [tmp_path / "a.xml"], lambda: NOW, production=False):
        assert count(store, "dossier_version") == 1
    for _ in intake.import_lines(store, [line()], lambda: NOW, production=False):
        assert count(store, "person") == 1


@pytest.mark.parametrize("what", ["files", "lines"])
def test_between_two_transactions_a_service_comes_to_its_records(
    store: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, what: str
) -> None:
    """Also of an advice, which must be decided between two of them as well."""
    monkeypatch.setattr(intake, "BATCH", 2)
    other = Database(store.engine.url.render_as_string(hide_password=False))
    seen: list[tuple[float, object]] = []

    def advise(seconds: float) -> None:
        with other.reading() as session:
            known_at = access_log.known_at(session)
        advice = replace(entry(recordedAt=rfc3339(NOW)), known_at=known_at)
        seen.extend((seconds, result) for result in write(other, [advice]))

    monkeypatch.setattr(intake, "sleep", advise)
    for name in "abcde":
        (tmp_path / f"{name}.xml").write_bytes(dossier())

    if what == "files":
        files = intake.answer_files([tmp_path])
        list(intake.import_answers(store, files, lambda: NOW, production=False))
    else:
        list(intake.import_lines(store, [line()] * 5, lambda: NOW, production=False))
    other.dispose()

    assert seen == [(intake.PAUSE, 0), (intake.PAUSE, 1)]


# Lines of the register


def line(insz: str = PERSON, **facts: Any) -> str:
    """One line of the register."""
    return json.dumps({"insz": insz, **facts})


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_one_import_waits_for_the_other(
    store: Database, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Two that store one person would clash, and the server's log would name the number."""
    monkeypatch.setattr(database, "LOCK_TIMEOUT", 100)
    other = Database(store.engine.url.render_as_string(hide_password=False))

    (file := tmp_path / "a.xml").write_bytes(dossier())

    def import_line() -> list[Report]:
        return list(intake.import_lines(other, [line()], lambda: NOW, production=False))

    def import_file() -> list[Report]:
        return list(intake.import_answers(other, [file], lambda: NOW, production=False))

    with store.writing() as session:
        first = access_log.learn(session, NOW)
        for waits in (import_line, import_file):
            with pytest.raises(OperationalError, match="lock timeout"):
                waits()
    stored = [*import_line(), *import_file()]

    with store.reading() as session:
        second = access_log.known_at(session)
    other.dispose()
    assert [type(report) for report in stored] == [Stored, Stored]
    assert second > first


def lines(store: Database, *content: str, production: bool = False) -> Sequence[Report]:
    """Import these lines."""
    return list(intake.import_lines(store, content, lambda: NOW, production=production))


def test_the_line_of_the_design_is_stored_whole(store: Database) -> None:
    [report] = lines(
        store,
        """{"insz": "90722501478",
        "woonplaatsen": [{"nis": "71016", "van": "2015-03-26", "tot": null}],
        "lidmaatschappen": [{"organisatie": "zorgkas-voorbeeld", "van": "2016-01-01", "tot": null}],
        "deelnames": [{"project": "proeftuin-wetteren", "gemeente": "42025", "van": "2023-03-01",
                       "tot": null}],
        "toestemmingen": [{"project": "proeftuin-mechelen", "gemeente": "12025",
                           "gegeven": "2021-07-02T09:00:00+02:00", "ingetrokken": null}],
        "vorigeInsz": [], "geannuleerdOp": null,
        "contact": {"voornaam": "Test", "achternaam": "Persoon",
                    "adres": {"straat": "Stadsplein", "huisnummer": "1", "postcode": "3600",
                              "gemeente": "Genk"},
                    "telefoon": "+3289000000", "email": "test@example.org"},
        "profiel": {"scholingsniveau": "x", "oudsteNationaliteit": "x", "verblijfsstatus": "x",
                    "ocmwLeefloon": false, "kbiRegio": "x", "taalleervermogen": "x"}}\n""",
    )

    assert report == Stored("line 1", new=True)
    tables = ("person", "residence", "membership", "participation", "consent")
    assert [count(store, table) for table in tables] == [1] * 5
    with store.reading() as session:
        admitted = stores.admit(session, GENK, Insz(PERSON), NOW.date(), NOW)
        assert isinstance(admitted, Admitted)
        assert population.contacts_of(session, [PERSON])[PERSON] == {
            "voornaam": "Test",
            "achternaam": "Persoon",
            "adres": {
                "straat": "Stadsplein",
                "huisnummer": "1",
                "postcode": "3600",
                "gemeente": "Genk",
            },
            "telefoon": "+3289000000",
            "email": "test@example.org",
        }


STAY = {"nis": "71016", "van": "2020-01-01"}
GIVEN = {"project": "p", "gemeente": "12025", "gegeven": "2021-07-02T09:00:00Z"}
BAD: dict[str, tuple[str, str]] = {
    "no JSON": ('{"insz": "90722501478"', "the body is not valid JSON"),
    "no object": ('["90722501478"]', "must be a JSON object"),
    "twice": ('{"insz": "90722501478", "insz": "90722501478"}', "stands twice"),
    "surrogate": ('{"insz": "90722501478", "contact": {"email": "\\ud800"}}', "not valid JSON"),
    "no person": ("{}", "insz is required"),
    "number": (line("90722501479"), "insz is not a valid national number"),
    "separators": (line("90.72.25-014.78"), "insz is not a valid national number"),
    "unknown": (line(geheim="90722600359"), "unknown property"),
    "deep unknown": (line(contact={"geheim": "x"}), "contact unknown property"),
    "no list": (line(woonplaatsen=STAY), "woonplaatsen must be a list"),
    "no first day": (line(woonplaatsen=[{"nis": "71016"}]), "woonplaatsen[0].van is required"),
    "no such day": (
        line(woonplaatsen=[STAY, {**STAY, "van": "2023-02-30"}]),
        "woonplaatsen[1].van must be a date",
    ),
    "backward": (
        line(woonplaatsen=[{**STAY, "tot": "2019-12-31"}]),
        "woonplaatsen[0] `tot` lies before `van`",
    ),
    "short NIS": (line(woonplaatsen=[{**STAY, "nis": "7101"}]), "woonplaatsen[0].nis"),
    "long NIS": (line(woonplaatsen=[{**STAY, "nis": "710166"}]), "woonplaatsen[0].nis"),
    "NIS of letters": (line(woonplaatsen=[{**STAY, "nis": "Genk!"}]), "woonplaatsen[0].nis"),
    "long municipality": (
        line(toestemmingen=[{**GIVEN, "gemeente": "Mechelen"}]),
        "toestemmingen[0].gemeente",
    ),
    "long name": (
        line(lidmaatschappen=[{"organisatie": "z" * 101, "van": "2020-01-01"}]),
        "lidmaatschappen[0].organisatie takes at most 100 characters",
    ),
    "number as a name": (
        line(deelnames=[{"project": PERSON, "gemeente": "12025", "van": "2020-01-01"}]),
        "deelnames[0].project must not hold a national number",
    ),
    "no zone": (
        line(toestemmingen=[{**GIVEN, "gegeven": "2021-07-02T09:00:00"}]),
        "toestemmingen[0].gegeven must be an RFC 3339 moment",
    ),
    "before all time": (
        line(toestemmingen=[{**GIVEN, "gegeven": "0001-01-01T00:00:00+14:00"}]),
        "toestemmingen[0].gegeven must be a moment that exists",
    ),
    "itself": (line(vorigeInsz=[PERSON]), "`vorigeInsz` holds the number itself"),
    "no number": (line(vorigeInsz=["x"]), "vorigeInsz[0] is not a valid national number"),
    "no text": (line(contact={"email": 7}), "contact.email must be a string"),
    "no boolean": (line(profiel={"ocmwLeefloon": "nee"}), "profiel.ocmwLeefloon"),
}


def test_a_bad_line_is_reported_by_number_and_rule_and_the_good_ones_are_stored(
    store: Database,
) -> None:
    reports = lines(store, line(), *(bad for bad, _ in BAD.values()), "\n", line(OTHER))

    assert reports[0] == Stored("line 1", new=True)
    assert reports[-1] == Stored(f"line {len(BAD) + 3}", new=True)
    for number, (name, (_, rule)) in enumerate(BAD.items(), start=2):
        report = reports[number - 1]
        assert isinstance(report, Skipped), name
        assert report.name == f"line {number}", name
        assert rule in report.rule, name
        secrets = ("90722501478", "90722501479", "90722600359", "geheim", "710166", "Genk!")
        assert not any(secret in report.rule for secret in secrets), name
    assert count(store, "person") == 2
    assert count(store, "residence") == 0


def test_every_fault_of_a_line_is_reported(store: Database) -> None:
    [report] = lines(store, line("x", woonplaatsen=[{"nis": "71016"}], geheim=1))

    assert report == Skipped(
        "line 1",
        "insz is not a valid national number; woonplaatsen[0].van is required; unknown property",
    )


def test_a_byte_that_is_no_text_spoils_its_own_line_alone(store: Database, tmp_path: Path) -> None:
    file = tmp_path / "register.jsonl"
    file.write_bytes(line().encode() + b'\n{"insz": "\xff"}\n' + line(OTHER).encode())

    with file.open(encoding="utf-8", errors="surrogateescape") as content:
        reports = list(intake.import_lines(store, content, lambda: NOW, production=False))

    assert [type(report) for report in reports] == [Stored, Skipped, Stored]


def test_lines_apply_in_order(store: Database) -> None:
    first = {**STAY, "tot": None}
    second = {**STAY, "nis": "99001"}

    lines(store, line(woonplaatsen=[first]), line(woonplaatsen=[second]))

    with store.reading() as session:
        found = session.connection().exec_driver_sql("SELECT nis FROM residence").scalars().all()
    assert found == ["99001"]


def test_production_takes_no_line_of_a_test_number(store: Database) -> None:
    reports = lines(store, line(PERSON), line(CITIZEN), production=True)

    assert reports == [
        Skipped("line 1", "a test number, which production does not take"),
        Stored("line 2", new=True),
    ]


def test_an_interrupted_import_of_lines_keeps_what_it_reported(
    store: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(intake, "BATCH", 2)
    content = [line(PERSON), line(OTHER), line(CITIZEN)]

    reports = intake.import_lines(store, content, lambda: NOW, production=False)
    seen = next(reports)
    close(reports)

    assert seen == Stored("line 1", new=True)
    assert count(store, "person") == 2


# Numbers that were replaced


CONSENTED = Population(PopulationKind.CONSENT, nis="12025", project="p")


def admitted(store: Database, insz: str) -> bool:
    """Whether the consent of the person with this number reaches the project."""
    with store.reading() as session:
        answer = stores.admit(session, CONSENTED, Insz(insz), NOW.date(), NOW)
    return isinstance(answer, Admitted)


def version(store: Database) -> int:
    """The version of the register, which moves with every withdrawal."""
    with store.reading() as session:
        return protocols.read_version(session)


def facts(store: Database) -> list[int]:
    """How much is stored of persons."""
    tables = ("person", "residence", "consent", "replaced_number")
    return [count(store, table) for table in tables]


@pytest.mark.parametrize(
    "said", [{"toestemmingen": []}, {"woonplaatsen": [STAY]}, {"vorigeInsz": []}, {}]
)
def test_a_line_under_a_replaced_number_is_named_and_stores_nothing(
    store: Database, said: dict[str, Any]
) -> None:
    lines(store, line(PERSON, toestemmingen=[GIVEN], vorigeInsz=[OTHER]))
    before = facts(store), version(store)

    [report] = lines(store, line(OTHER, **said))

    assert report == Skipped("line 1", "an older number: the person is known under a newer one")
    assert (facts(store), version(store)) == before
    assert admitted(store, PERSON)


def test_a_number_is_replaced_from_the_line_on_that_says_so(store: Database) -> None:
    reports = lines(
        store,
        line(OTHER, woonplaatsen=[STAY]),
        line(PERSON, vorigeInsz=[OTHER]),
        line(CITIZEN, vorigeInsz=[PERSON]),
        line(OTHER, toestemmingen=[GIVEN]),
        line(PERSON, toestemmingen=[GIVEN]),
        line(CITIZEN, toestemmingen=[GIVEN]),
    )

    skipped = [report.name for report in reports if isinstance(report, Skipped)]
    assert skipped == ["line 4", "line 5"]
    assert [admitted(store, number) for number in (OTHER, PERSON, CITIZEN)] == [True] * 3
    assert count(store, "consent") == 1


def test_a_withdrawal_under_the_current_number_holds_after_a_line_under_the_older(
    store: Database,
) -> None:
    lines(store, line(PERSON, toestemmingen=[GIVEN], vorigeInsz=[OTHER]))
    lines(store, line(OTHER, toestemmingen=[]))
    before = version(store)
    withdrawn = {**GIVEN, "ingetrokken": "2026-05-31T18:00:00Z"}

    [report] = lines(store, line(PERSON, toestemmingen=[withdrawn]))

    assert report == Stored("line 1", new=True)
    assert version(store) > before
    assert [admitted(store, number) for number in (PERSON, OTHER)] == [False, False]
