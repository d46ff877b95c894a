"""Dossiers: versions, what is read and what is not, and the marks of a failing source."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event
from sqlmodel import col, select

from app import dossiers, fields
from app.database import Database
from app.dossiers import COLUMNS, Dossier
from app.insz import Insz
from app.models.dossiers import DossierVersion

PERSON, OLD, OLDER, OTHER = (
    Insz(digits) for digits in ("90722501478", "90722501676", "90722502171", "90722600359")
)
NUMBERS = (PERSON.digits, OLD.digits, OLDER.digits)
NOW = datetime(2026, 6, 1, 9, 30, tzinfo=UTC)
DAY = timedelta(days=1)
BLOCKS: dict[str, Any] = {
    "personalia": {"insz": PERSON.digits, "geboortedatum": "1990-00-00"},
    "behaaldeAttesten": [{"type": {"code": "AI023"}}],
}


def keep(
    store: Database,
    blocks: dict[str, Any],
    insz: Insz = PERSON,
    fetched_at: datetime = NOW,
    now: datetime = NOW,
) -> bool:
    """Store one answer; True when it made a new version."""
    with store.writing() as session:
        return dossiers.store(session, insz, blocks, fetched_at, now)


def read(store: Database, *blocks: str, numbers: tuple[str, ...] = NUMBERS) -> Dossier | None:
    """The current dossier, with these blocks."""
    with store.reading() as session:
        return dossiers.read(session, numbers, blocks)


def versions(store: Database) -> list[tuple[datetime, datetime]]:
    """When each version was learned and last fetched, oldest first."""
    with store.reading() as session:
        rows = session.exec(select(DossierVersion).order_by(col(DossierVersion.id)))
        return [(row.learned_at, row.fetched_at) for row in rows]


def mark(store: Database, insz: Insz = PERSON, at: datetime = NOW) -> None:
    """Let the source fail for this person."""
    with store.writing() as session:
        dossiers.mark_fault(session, insz, "99996", at)


def marked(store: Database, *numbers: str) -> bool:
    """Whether the source failed last for any of these numbers."""
    with store.reading() as session:
        return dossiers.has_fault(session, numbers)


@contextmanager
def statements(store: Database) -> Iterator[list[str]]:
    """Every statement that goes to the database."""
    seen: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        seen.append(statement)

    event.listen(store.engine, "before_cursor_execute", note)
    try:
        yield seen
    finally:
        event.remove(store.engine, "before_cursor_execute", note)


# Versions


def test_what_changed_is_a_new_version_and_the_old_one_stays(store: Database) -> None:
    first = keep(store, BLOCKS)
    second = keep(store, {**BLOCKS, "wooncode": {"code": "1"}}, now=NOW + DAY, fetched_at=NOW + DAY)

    assert (first, second) == (True, True)
    assert versions(store) == [(NOW, NOW), (NOW + DAY, NOW + DAY)]
    assert read(store, "wooncode") == Dossier(NOW + DAY, {"wooncode": {"code": "1"}})


def test_an_identical_answer_refreshes_the_moment_and_makes_no_version(store: Database) -> None:
    keep(store, BLOCKS)
    reordered = dict(reversed(BLOCKS.items()))

    new = keep(store, reordered, fetched_at=NOW + DAY, now=NOW + 2 * DAY)

    assert not new
    assert versions(store) == [(NOW, NOW + DAY)]


def test_an_older_identical_answer_does_not_make_the_dossier_older(store: Database) -> None:
    keep(store, BLOCKS)

    new = keep(store, BLOCKS, fetched_at=NOW - DAY, now=NOW + DAY)

    assert not new
    assert versions(store) == [(NOW, NOW)]


def test_a_return_to_an_earlier_content_is_a_new_version(store: Database) -> None:
    other = {"personalia": {"insz": PERSON.digits}}

    new = [
        keep(store, blocks, fetched_at=NOW + day * DAY)
        for day, blocks in enumerate((BLOCKS, other, BLOCKS))
    ]

    assert new == [True, True, True]
    assert len(versions(store)) == 3


def test_an_older_answer_that_comes_later_is_history(store: Database) -> None:
    keep(store, {"wooncode": {"code": "new"}}, fetched_at=NOW)

    late = [keep(store, {"wooncode": {"code": "old"}}, fetched_at=NOW - DAY) for _ in range(2)]

    assert late == [True, False]
    assert len(versions(store)) == 2
    assert read(store, "wooncode") == Dossier(NOW, {"wooncode": {"code": "new"}})


def test_equal_dossiers_of_two_persons_are_two_dossiers(store: Database) -> None:
    new = [keep(store, BLOCKS, insz) for insz in (PERSON, OTHER)]

    assert new == [True, True]
    assert read(store, "personalia", numbers=(OTHER.digits,)) is not None


def test_a_block_that_disappeared_is_gone(store: Database) -> None:
    keep(store, {**BLOCKS, "inbreuken": [{"type": {"code": "1"}}]})

    keep(store, BLOCKS)

    assert read(store, "inbreuken") == Dossier(NOW, {})


def test_every_block_comes_back_as_it_went_in(store: Database) -> None:
    text = 'Zoë "é" \U0001f600 \\'
    lists = {"behaaldeAttesten", "contracten", "trajecten", "inbreuken", "gesprekken"}
    blocks: dict[str, Any] = {
        name: [{"tekst": text, "ja": True}] if name in lists else {"tekst": text, "lijst": [name]}
        for name in fields.BLOCKS
    }

    keep(store, blocks)

    assert read(store, *fields.BLOCKS) == Dossier(NOW, blocks)


# Reading


@pytest.mark.parametrize("asked", [(), ("doelgroep",), ("personalia", "behaaldeAttesten")])
def test_a_block_that_is_not_asked_does_not_leave_the_database(
    store: Database, asked: tuple[str, ...]
) -> None:
    keep(store, BLOCKS)

    with statements(store) as seen:
        found = read(store, *asked)

    [statement] = [each for each in seen if "dossier_version" in each]
    selected = statement[: statement.index("FROM")]
    named = {block for block in fields.BLOCKS if f".{COLUMNS[block]}" in selected}
    assert named == set(asked)
    assert "*" not in selected
    assert found == Dossier(NOW, {name: BLOCKS[name] for name in asked if name in BLOCKS})


def test_every_block_has_a_column_of_its_own() -> None:
    columns = set(DossierVersion.model_fields)
    others = {"id", "insz", "learned_at", "fetched_at", "digest"}

    assert set(COLUMNS.values()) == columns - others
    assert len(set(COLUMNS.values())) == len(fields.BLOCKS) == 20


def test_nobody_has_no_dossier(store: Database) -> None:
    keep(store, BLOCKS, OTHER)

    assert read(store, "personalia") is None
    with store.reading() as session:
        assert dossiers.read_all(session, NUMBERS, ["personalia"]) == []
        assert not dossiers.has_dossier(session, NUMBERS)
        assert dossiers.has_dossier(session, [OTHER.digits])


def test_the_current_number_wins_from_a_newer_dossier_under_an_old_one(store: Database) -> None:
    keep(store, {"wooncode": {"code": "current"}}, PERSON)
    keep(store, {"wooncode": {"code": "old"}}, OLD, NOW + DAY, NOW + DAY)

    assert read(store, "wooncode") == Dossier(NOW, {"wooncode": {"code": "current"}})


def test_without_a_dossier_under_the_current_number_the_newest_old_one_counts(
    store: Database,
) -> None:
    keep(store, {"wooncode": {"code": "oldest"}}, OLD)
    keep(store, {"wooncode": {"code": "newest"}}, OLDER)

    assert read(store, "wooncode") == Dossier(NOW, {"wooncode": {"code": "newest"}})


def test_the_dossiers_under_all_numbers_come_in_the_order_of_the_numbers(store: Database) -> None:
    keep(store, {"wooncode": {"code": "1"}}, OLDER)
    keep(store, {"wooncode": {"code": "2"}}, PERSON)
    keep(store, {"wooncode": {"code": "3"}}, PERSON)

    with store.reading() as session:
        found = dossiers.read_all(session, NUMBERS, ["wooncode"])

    assert [each.blocks["wooncode"]["code"] for each in found] == ["3", "1"]


def test_target_groups_come_in_the_order_of_the_answers(store: Database) -> None:
    def group(code: str) -> dict[str, Any]:
        return {"doelgroep": {"code": code}}

    keep(store, group("second"), OLD, fetched_at=NOW)
    keep(store, group("third"), fetched_at=NOW + DAY)
    keep(store, BLOCKS, fetched_at=NOW + 2 * DAY)
    keep(store, group("fifth"), OLDER, fetched_at=NOW + 3 * DAY)
    keep(store, group("elsewhere"), OTHER, fetched_at=NOW)
    keep(store, group("first"), fetched_at=NOW - DAY)

    with store.reading() as session:
        found = dossiers.target_groups(session, NUMBERS)

    assert [each["code"] for each in found] == ["first", "second", "third", "fifth"]


# Faults of the source


def test_a_mark_stands_until_a_good_answer_comes(store: Database) -> None:
    before = marked(store, *NUMBERS)
    mark(store)
    after = marked(store, *NUMBERS)
    keep(store, BLOCKS)

    assert (before, after) == (False, True)
    assert not marked(store, *NUMBERS)


def test_an_identical_good_answer_lifts_the_mark_too(store: Database) -> None:
    keep(store, BLOCKS)
    mark(store)
    at_one_moment = marked(store, PERSON.digits)

    keep(store, BLOCKS)

    assert at_one_moment
    assert not marked(store, PERSON.digits)


def test_an_answer_of_before_the_fault_does_not_lift_its_mark(store: Database) -> None:
    mark(store, at=NOW)

    keep(store, BLOCKS, fetched_at=NOW - DAY)

    assert marked(store, PERSON.digits)


def test_a_fault_of_before_the_answer_is_no_mark(store: Database) -> None:
    keep(store, BLOCKS)

    mark(store, at=NOW - DAY)

    assert not marked(store, PERSON.digits)


def test_an_older_fault_leaves_the_newer_mark(store: Database) -> None:
    keep(store, BLOCKS, fetched_at=NOW)
    mark(store, at=NOW + DAY)

    mark(store, at=NOW - DAY)

    assert marked(store, PERSON.digits)


def test_a_mark_counts_under_every_number_and_so_does_a_later_answer(store: Database) -> None:
    mark(store, OLD)
    before = marked(store, *NUMBERS)
    keep(store, BLOCKS, PERSON, fetched_at=NOW + DAY)

    assert before
    assert not marked(store, *NUMBERS)
    assert marked(store, OLD.digits)
    assert not marked(store, OTHER.digits)


def test_an_answer_without_a_dossier_lifts_the_marks_of_before(store: Database) -> None:
    def answer_without_dossier(at: datetime) -> bool:
        with store.writing() as session:
            dossiers.lift_fault(session, PERSON, at)
        return marked(store, PERSON.digits)

    mark(store)

    assert answer_without_dossier(NOW - DAY)
    assert not answer_without_dossier(NOW)
