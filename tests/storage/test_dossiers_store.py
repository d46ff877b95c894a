"""Dossiers: what the source answered and when, what is read of it, and what was known then."""

from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
import stores
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from app import dossiers, fields
from app.database import Database
from app.dossiers import COLUMNS, NO_DOSSIER, Dossier, Word
from app.insz import Insz
from app.models.dossiers import DossierVersion, SourceAnswer

PERSON, OLD, OLDER, OTHER = (
    Insz(digits) for digits in ("90722501478", "90722501676", "90722502171", "90722600359")
)
NUMBERS = (PERSON.digits, OLD.digits, OLDER.digits)
NOW = datetime(2026, 6, 1, 9, 30, tzinfo=UTC)
DAY, TICK = timedelta(days=1), timedelta(milliseconds=1)
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
    """Store one answer; True when it says something that was not known."""
    with store.writing() as session:
        return dossiers.store(session, insz, blocks, fetched_at, now)


def read(
    store: Database,
    *blocks: str,
    numbers: tuple[str, ...] = NUMBERS,
    known_at: datetime | None = None,
) -> Dossier | None:
    """The current dossier, with these blocks."""
    with store.reading() as session:
        return stores.read(session, numbers, blocks, known_at)


def answers(store: Database) -> list[tuple[int | None, datetime, datetime]]:
    """Of each answer its version, and when it was fetched and learned; in the order of storing."""
    with store.reading() as session:
        rows = session.exec(select(SourceAnswer).order_by(col(SourceAnswer.id)))
        return [(row.version, row.fetched_at, row.learned_at) for row in rows]


def versions(store: Database) -> int:
    """How many contents are stored."""
    with store.reading() as session:
        return len(session.exec(select(DossierVersion.id)).all())


def fail(
    store: Database,
    insz: Insz = PERSON,
    at: datetime = NOW,
    now: datetime = NOW,
    code: str = "99996",
) -> None:
    """Let the source fail for this person, or say that there is no dossier."""
    with store.writing() as session:
        dossiers.store_fault(session, insz, code, at, now)


def declare(store: Database, at: datetime, now: datetime) -> None:
    """Let a delivery be complete."""
    with store.writing() as session:
        dossiers.declare_complete(session, at, now)


def word(store: Database, *numbers: str, known_at: datetime | None = None) -> Word:
    """What the source said last, of these numbers and of everybody."""
    with store.reading() as session:
        return stores.last_word(session, numbers, known_at)


def fault(store: Database, *numbers: str) -> str | None:
    """The code with which the source failed last for any of these numbers."""
    return word(store, *numbers).fault


def groups(
    store: Database, numbers: tuple[str, ...] = NUMBERS, known_at: datetime | None = None
) -> list[str]:
    """The codes of the target groups, the one that was given last at the end."""
    with store.reading() as session:
        return [each["code"] for each in stores.target_groups(session, numbers, known_at)]


def group(code: str, **more: Any) -> dict[str, Any]:
    """A dossier with this target group."""
    return {"doelgroep": {"code": code}, **more}


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


# Versions and answers


def test_what_changed_is_a_new_version_and_the_old_one_stays(store: Database) -> None:
    first = keep(store, BLOCKS)
    second = keep(store, {**BLOCKS, "wooncode": {"code": "1"}}, now=NOW + DAY, fetched_at=NOW + DAY)

    assert (first, second) == (True, True)
    assert versions(store) == 2
    assert answers(store) == [(1, NOW, NOW), (2, NOW + DAY, NOW + DAY)]
    assert read(store, "wooncode") == Dossier(NOW + DAY, {"wooncode": {"code": "1"}})


def test_an_identical_answer_refreshes_the_moment_and_makes_no_version(store: Database) -> None:
    keep(store, BLOCKS)
    reordered = dict(reversed(BLOCKS.items()))

    new = keep(store, reordered, fetched_at=NOW + DAY, now=NOW + 2 * DAY)

    assert not new
    assert versions(store) == 1
    assert answers(store) == [(1, NOW, NOW), (1, NOW + DAY, NOW + 2 * DAY)]
    assert read(store) == Dossier(NOW + DAY, {})


def test_an_older_identical_answer_does_not_make_the_dossier_older(store: Database) -> None:
    keep(store, BLOCKS)

    new = keep(store, BLOCKS, fetched_at=NOW - DAY, now=NOW + DAY)

    assert not new
    assert versions(store) == 1
    assert read(store) == Dossier(NOW, {})


def test_a_return_to_an_earlier_content_is_news_and_is_kept_once(store: Database) -> None:
    other = {"personalia": {"insz": PERSON.digits}}

    new = [
        keep(store, blocks, fetched_at=NOW + day * DAY)
        for day, blocks in enumerate((BLOCKS, other, BLOCKS))
    ]

    assert new == [True, True, True]
    assert versions(store) == 2
    assert [version for version, *_ in answers(store)] == [1, 2, 1]
    assert read(store, *BLOCKS) == Dossier(NOW + 2 * DAY, BLOCKS)


def test_an_older_answer_that_comes_later_is_history(store: Database) -> None:
    keep(store, {"wooncode": {"code": "new"}}, fetched_at=NOW)

    late = [keep(store, {"wooncode": {"code": "old"}}, fetched_at=NOW - DAY) for _ in range(2)]

    assert late == [True, False]
    assert versions(store) == 2
    assert read(store, "wooncode") == Dossier(NOW, {"wooncode": {"code": "new"}})


def test_of_answers_of_one_moment_the_one_learned_last_counts(store: Database) -> None:
    for code in ("A", "B", "A"):
        keep(store, group(code))
    returned = read(store, "doelgroep")
    keep(store, group("B"), now=NOW + DAY)

    assert returned == Dossier(NOW, {"doelgroep": {"code": "A"}})
    assert read(store, "doelgroep") == Dossier(NOW, {"doelgroep": {"code": "B"}})


def test_the_same_answers_once_more_add_nothing(store: Database) -> None:
    def import_all(now: datetime) -> list[bool]:
        new = [
            keep(store, group(code), fetched_at=NOW + day * DAY, now=now)
            for day, code in enumerate("ABA")
        ]
        fail(store, at=NOW + 3 * DAY, now=now)
        fail(store, OTHER, at=NOW, now=now, code=NO_DOSSIER)
        return new

    first = import_all(NOW + 4 * DAY)
    before = answers(store)
    again = import_all(NOW + 5 * DAY)

    assert (first, again) == ([True] * 3, [False] * 3)
    assert answers(store) == before
    assert len(before) == 5


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
    named = {block for block in fields.BLOCKS if f"v.{COLUMNS[block]} AS" in selected}
    assert named == set(asked)
    assert "*" not in selected
    assert found == Dossier(NOW, {name: BLOCKS[name] for name in asked if name in BLOCKS})


def test_every_block_has_a_column_of_its_own() -> None:
    columns = set(DossierVersion.model_fields)
    others = {"id", "insz", "digest"}

    assert set(COLUMNS.values()) == columns - others
    assert len(set(COLUMNS.values())) == len(fields.BLOCKS) == 20


def test_nobody_has_no_dossier(store: Database) -> None:
    keep(store, BLOCKS, OTHER)

    assert read(store, "personalia") is None
    with store.reading() as session:
        assert stores.known(session, NUMBERS, ["personalia"]).dossiers == {}
        assert stores.target_groups(session, NUMBERS) == []
    assert word(store, *NUMBERS) == Word(None, None, None)


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


@pytest.mark.parametrize("last", [OLD, OLDER])
def test_of_the_older_numbers_the_one_whose_dossier_was_given_last_comes_first(
    store: Database, last: Insz
) -> None:
    """The register does not say which number replaced which."""
    for insz in (OLD, OLDER):
        keep(store, BLOCKS, insz, fetched_at=NOW + (DAY if insz == last else timedelta(0)))
    keep(store, {"wooncode": {"code": "1"}}, fetched_at=NOW - DAY)
    keep(store, {"wooncode": {"code": "2"}}, fetched_at=NOW)

    with store.reading() as session:
        found = stores.known(session, NUMBERS, ["wooncode"]).dossiers

    [first] = {OLD, OLDER} - {last}
    assert [*found] == [PERSON.digits, last.digits, first.digits]
    assert found[PERSON.digits].blocks == {"wooncode": {"code": "2"}}


def test_target_groups_come_in_the_order_of_the_answers(store: Database) -> None:
    keep(store, group("second"), OLD, fetched_at=NOW)
    keep(store, group("third"), fetched_at=NOW + DAY)
    keep(store, BLOCKS, fetched_at=NOW + 2 * DAY)
    keep(store, group("fifth"), OLDER, fetched_at=NOW + 3 * DAY)
    keep(store, group("elsewhere"), OTHER, fetched_at=NOW)
    keep(store, group("first"), fetched_at=NOW - DAY)

    # Those under older numbers never replace what is said under the current one.
    assert groups(store) == ["second", "fifth", "first", "third"]


def test_a_target_group_that_came_back_stands_where_it_came_last(store: Database) -> None:
    for day, code in enumerate("ABA"):
        keep(store, group(code), fetched_at=NOW + day * DAY, now=NOW + day * DAY)

    assert groups(store) == ["B", "A"]
    assert groups(store, known_at=NOW + DAY) == ["A", "B"]
    assert groups(store, known_at=NOW) == ["A"]


def test_an_older_answer_does_not_bring_a_target_group_back(store: Database) -> None:
    """Also where it came last: of one moment and learned first, it is not the last word."""
    keep(store, group("A"), fetched_at=NOW)
    keep(store, group("B"), fetched_at=NOW)
    keep(store, group("A"), fetched_at=NOW - DAY, now=NOW + DAY)

    current = read(store, "doelgroep")
    assert current == Dossier(NOW, {"doelgroep": {"code": "B"}})
    assert groups(store) == ["A", "B"]


def test_one_target_group_in_two_dossiers_is_told_with_each(store: Database) -> None:
    keep(store, group("A", wooncode={"code": "1"}), fetched_at=NOW)
    keep(store, group("B"), fetched_at=NOW + DAY)
    keep(store, group("A", wooncode={"code": "2"}), fetched_at=NOW + 2 * DAY)

    assert groups(store) == ["A", "B", "A"]


# Faults of the source


def test_a_fault_stands_until_a_good_answer_comes(store: Database) -> None:
    before = fault(store, *NUMBERS)
    fail(store)
    after = fault(store, *NUMBERS)
    keep(store, BLOCKS)

    assert (before, after) == (None, "99996")
    assert fault(store, *NUMBERS) is None


def test_an_identical_good_answer_lifts_the_fault_too(store: Database) -> None:
    keep(store, BLOCKS)
    fail(store)
    at_one_moment = fault(store, PERSON.digits)

    keep(store, BLOCKS)

    assert at_one_moment == "99996"
    assert fault(store, PERSON.digits) is None


def test_an_answer_of_before_the_fault_does_not_lift_it(store: Database) -> None:
    fail(store, at=NOW)

    keep(store, BLOCKS, fetched_at=NOW - DAY, now=NOW + DAY)

    assert fault(store, PERSON.digits) == "99996"


def test_a_fault_of_before_the_answer_is_none(store: Database) -> None:
    keep(store, BLOCKS)

    fail(store, at=NOW - DAY, now=NOW + DAY)

    assert fault(store, PERSON.digits) is None


def test_an_older_fault_leaves_the_newer(store: Database) -> None:
    keep(store, BLOCKS, fetched_at=NOW)
    fail(store, at=NOW + DAY)

    fail(store, at=NOW - DAY, code="99997")

    assert fault(store, PERSON.digits) == "99996"


def test_a_fault_counts_under_every_number_and_so_does_a_later_answer(store: Database) -> None:
    fail(store, OLD)
    before = fault(store, *NUMBERS)
    keep(store, BLOCKS, PERSON, fetched_at=NOW + DAY)

    assert before == "99996"
    assert fault(store, *NUMBERS) is None
    assert fault(store, OLD.digits) == "99996"
    assert fault(store, OTHER.digits) is None


@pytest.mark.parametrize("holder", [PERSON, OLD])
def test_no_dossier_beside_a_stored_one_is_a_fault(store: Database, holder: Insz) -> None:
    keep(store, BLOCKS, holder)
    before = fault(store, *NUMBERS)
    fail(store, at=NOW + DAY, code=NO_DOSSIER)
    beside = fault(store, *NUMBERS)
    keep(store, BLOCKS, fetched_at=NOW + 2 * DAY)

    assert (before, beside) == (None, NO_DOSSIER)
    assert fault(store, *NUMBERS) is None
    assert fault(store, OTHER.digits) is None


def test_no_dossier_of_before_the_stored_one_is_no_fault(store: Database) -> None:
    keep(store, BLOCKS)

    fail(store, at=NOW - DAY, now=NOW + DAY, code=NO_DOSSIER)

    assert fault(store, *NUMBERS) is None


def test_an_answer_without_a_dossier_lifts_the_faults_of_before(store: Database) -> None:
    fail(store, at=NOW)

    fail(store, at=NOW - DAY, code=NO_DOSSIER)
    still = fault(store, PERSON.digits)
    fail(store, at=NOW, code=NO_DOSSIER)

    assert still == "99996"
    assert fault(store, PERSON.digits) is None


# No dossier


def test_no_dossier_is_fresh_from_the_last_time_that_it_was_said(store: Database) -> None:
    for at in (NOW, NOW + DAY, NOW - DAY):
        fail(store, at=at, now=NOW + 2 * DAY, code=NO_DOSSIER)

    assert word(store, PERSON.digits) == Word(None, NOW + DAY, None)
    assert word(store, OTHER.digits) == Word(None, None, None)


def test_no_dossier_is_known_of_a_person_once_it_was_said_of_every_number(store: Database) -> None:
    known = []
    for insz, at in ((OLD, NOW + DAY), (PERSON, NOW), (OLDER, NOW + 2 * DAY)):
        fail(store, insz, at=at, code=NO_DOSSIER)
        known.append(word(store, *NUMBERS))

    assert known == [Word(None, None, None)] * 2 + [Word(None, NOW, None)]


def test_an_answer_about_another_number_hides_no_fault(store: Database) -> None:
    fail(store)
    keep(store, BLOCKS, OLD, fetched_at=NOW + DAY)
    dossier_under_old = fault(store, *NUMBERS)
    fail(store, OLDER, at=NOW + 2 * DAY)
    keep(store, BLOCKS, fetched_at=NOW + DAY)

    assert dossier_under_old == "99996"
    assert fault(store, *NUMBERS) == "99996"  # of the oldest number, said after the dossier
    keep(store, BLOCKS, fetched_at=NOW + 3 * DAY)
    assert fault(store, *NUMBERS) is None


@pytest.mark.parametrize("first", [PERSON, OLD, OLDER])
def test_of_several_faults_that_of_the_first_number_is_told(store: Database, first: Insz) -> None:
    codes = {PERSON: "99997", OLD: "99996", OLDER: "99998"}
    for insz in sorted(codes, key=lambda insz: insz != first):
        fail(store, insz, code=codes[insz])

    assert fault(store, *NUMBERS) == "99997"
    assert fault(store, *reversed(NUMBERS)) == "99998"


def test_no_dossier_under_the_current_number_hides_no_fault_of_an_older_one(
    store: Database,
) -> None:
    fail(store, OLD)
    fail(store, at=NOW + DAY, code=NO_DOSSIER)

    assert fault(store, *NUMBERS) == "99996"


def test_no_dossier_under_an_older_number_is_no_fault_beside_one_under_the_current(
    store: Database,
) -> None:
    keep(store, BLOCKS, OLD)
    keep(store, BLOCKS)
    for insz in (OLD, OLDER):
        fail(store, insz, at=NOW + DAY, code=NO_DOSSIER)

    assert fault(store, *NUMBERS) is None


def test_of_one_moment_a_dossier_settles_the_faults_that_were_learned_before_it(
    store: Database,
) -> None:
    fail(store, OLD)
    keep(store, BLOCKS)
    settled = fault(store, *NUMBERS)
    fail(store, OLDER)

    assert (settled, fault(store, *NUMBERS)) == (None, "99996")


def test_a_dossier_of_before_a_fault_settles_it_neither_when_it_is_learned_later(
    store: Database,
) -> None:
    fail(store, OLD, at=NOW)

    keep(store, BLOCKS, fetched_at=NOW - DAY, now=NOW + DAY)

    assert fault(store, *NUMBERS) == "99996"


def test_no_dossier_under_an_older_number_that_has_one_is_a_fault(store: Database) -> None:
    keep(store, BLOCKS, OLD)
    fail(store, OLD, at=NOW + DAY, code=NO_DOSSIER)

    assert fault(store, *NUMBERS) == NO_DOSSIER


def test_another_fault_does_not_say_that_there_is_no_dossier(store: Database) -> None:
    fail(store)

    assert word(store, PERSON.digits) == Word("99996", None, None)


def test_the_newest_complete_delivery_counts_for_everybody(store: Database) -> None:
    for at in (NOW, NOW + DAY, NOW - DAY):
        declare(store, at, NOW + 2 * DAY)

    assert word(store, PERSON.digits).delivered_at == NOW + DAY
    with store.reading() as session:
        assert dossiers.last_delivery(session) == NOW + DAY


# As known at a moment


def test_a_version_is_known_from_the_moment_that_it_was_learned(store: Database) -> None:
    keep(store, group("A"), fetched_at=NOW - DAY, now=NOW)
    keep(store, group("B"), fetched_at=NOW, now=NOW + DAY)

    known = [
        found and (found.fetched_at, found.blocks["doelgroep"]["code"])
        for at in (NOW - TICK, NOW, NOW + DAY - TICK, NOW + DAY)
        for found in [read(store, "doelgroep", known_at=at)]
    ]
    assert known == [None, (NOW - DAY, "A"), (NOW - DAY, "A"), (NOW, "B")]


def test_a_refreshed_dossier_is_as_old_as_it_was_known_to_be(store: Database) -> None:
    keep(store, BLOCKS, fetched_at=NOW, now=NOW)
    keep(store, BLOCKS, fetched_at=NOW + 3 * DAY, now=NOW + 4 * DAY)

    assert read(store, known_at=NOW + 4 * DAY - TICK) == Dossier(NOW, {})
    assert read(store, known_at=NOW + 4 * DAY) == Dossier(NOW + 3 * DAY, {})
    with store.reading() as session:
        found = stores.known(session, NUMBERS, (), NOW + 3 * DAY).dossiers
    assert found == {PERSON.digits: Dossier(NOW, {})}


def test_a_dossier_under_a_newer_number_is_not_yet_there(store: Database) -> None:
    keep(store, group("old"), OLD, now=NOW)
    keep(store, group("new"), PERSON, fetched_at=NOW - DAY, now=NOW + DAY)

    then = read(store, "doelgroep", known_at=NOW + DAY - TICK)
    with store.reading() as session:
        all_then = stores.known(session, NUMBERS, (), NOW).dossiers

    assert then == Dossier(NOW, {"doelgroep": {"code": "old"}})
    assert [*all_then] == [OLD.digits]
    assert read(store, "doelgroep") == Dossier(NOW - DAY, {"doelgroep": {"code": "new"}})


def test_an_older_answer_that_arrives_later_is_known_from_then(store: Database) -> None:
    keep(store, group("late"), fetched_at=NOW, now=NOW)
    keep(store, group("early"), fetched_at=NOW - 9 * DAY, now=NOW + DAY)

    assert groups(store, known_at=NOW + DAY - TICK) == ["late"]
    assert groups(store, known_at=NOW + DAY) == groups(store) == ["early", "late"]
    assert read(store, known_at=NOW) == read(store) == Dossier(NOW, {})


def test_a_fault_and_its_lifting_are_known_from_when_they_were_learned(store: Database) -> None:
    keep(store, BLOCKS, fetched_at=NOW, now=NOW)
    fail(store, at=NOW + DAY, now=NOW + 2 * DAY)
    keep(store, BLOCKS, fetched_at=NOW + 3 * DAY, now=NOW + 4 * DAY)

    moments = [NOW, NOW + DAY, NOW + 2 * DAY, NOW + 4 * DAY - TICK, NOW + 4 * DAY]
    known = [word(store, *NUMBERS, known_at=at).fault for at in moments]
    assert known == [None, None, "99996", "99996", None]


def test_no_dossier_became_a_fault_when_one_was_known(store: Database) -> None:
    """It was said after the dossier was made, and known before: then it was an answer."""
    fail(store, at=NOW, now=NOW, code=NO_DOSSIER)
    keep(store, BLOCKS, OLD, fetched_at=NOW - DAY, now=NOW + DAY)

    both = PERSON.digits, OLD.digits
    assert word(store, *both, known_at=NOW - TICK) == Word(None, None, None)
    assert word(store, *both, known_at=NOW).fault is None
    assert word(store, *both, known_at=NOW + DAY - TICK).fault is None
    assert word(store, *both, known_at=NOW + DAY).fault == NO_DOSSIER


def test_a_complete_delivery_is_known_from_when_it_was_declared(store: Database) -> None:
    declare(store, NOW - DAY, NOW)
    declare(store, NOW, NOW + DAY)

    moments = [NOW - TICK, NOW, NOW + DAY - TICK, NOW + DAY]
    known = [word(store, PERSON.digits, known_at=at).delivered_at for at in moments]
    assert known == [None, NOW - DAY, NOW - DAY, NOW]
    with store.reading() as session:
        assert [dossiers.last_delivery(session, at) for at in moments] == known


def test_an_answer_is_a_version_or_a_code_and_never_both_or_none(store: Database) -> None:
    keep(store, BLOCKS)

    for version, code in ((None, None), (1, "99996")):
        wrong = SourceAnswer(
            insz=PERSON.digits, fetched_at=NOW, learned_at=NOW, version=version, code=code
        )
        with pytest.raises(IntegrityError), store.writing() as session:
            session.add(wrong)
