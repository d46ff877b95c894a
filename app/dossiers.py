"""Dossiers: what the source answered, when we learned it, and only the blocks that are asked."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlmodel import Session, col, select

from app import driver, fields
from app.canonical import digest
from app.driver import Source
from app.insz import Insz
from app.models.dossiers import CompleteDelivery, DossierVersion, SourceAnswer


def _column(block: str) -> str:
    """`behaaldeAttesten` is kept in the column `behaalde_attesten`."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in block)


COLUMNS: Mapping[str, str] = {block: _column(block) for block in fields.BLOCKS}
NO_DOSSIER = "30001"  # MAGDA: the source states that there is no dossier
# An older answer that arrives later is history, not the current one.
_NEWEST_FIRST = (col(SourceAnswer.fetched_at).desc(), col(SourceAnswer.id).desc())
ALWAYS = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Dossier:
    """The asked blocks of the current version, and when the source last gave them."""

    fetched_at: datetime
    blocks: Mapping[str, Any]


@dataclass(frozen=True)
class Word:
    """What the source said last: of a person, and of everybody."""

    fault: str | None  # the MAGDA code of its newest answer about the person
    absence_at: datetime | None  # when it said that there is no dossier of the person
    delivered_at: datetime | None  # from when the newest complete delivery is


@dataclass(frozen=True)
class Known:
    """All that was known of a person at a moment."""

    # By number: the current one first, then the older ones, what was given last before the rest.
    dossiers: Mapping[str, Dossier]
    target_groups: Sequence[Mapping[str, Any]]  # those of the current number last
    word: Word


@dataclass(frozen=True, slots=True)
class Answer:
    """The last time that the source gave this version, or this code, of a number."""

    insz: str
    fetched_at: datetime
    id: int
    version: int | None
    code: str | None
    target_group: Mapping[str, Any] | None
    blocks: Mapping[str, Any] | None  # of the newest dossier of its number


# A person is the current number first, then the ones that it replaced. What is asked of several
# persons is read at once. All can be read "as known at" a moment: what was learned later is not
# looked at.


def read_each(
    source: Source,
    persons: Sequence[Sequence[str]],
    blocks: Collection[str],
    known_at: datetime = ALWAYS,
) -> list[Dossier | None]:
    """The current dossier of each, or None; selects the columns of `blocks` and no others.

    A dossier under the current number wins; else the newest one under an older number counts
    (advice.md).
    """
    wanted = [block for block in fields.BLOCKS if block in blocks]
    columns = "".join(f", CAST(v.{COLUMNS[block]} AS TEXT)" for block in wanted)
    numbers = _all_of(persons)
    newest: dict[str, tuple[datetime, int, list[Any]]] = {}
    statement = _CURRENT.format(columns=columns)
    for insz, fetched_at, id_, *values in driver.of(source).rows(
        statement, numbers=numbers, known_at=known_at
    ):
        newest[insz] = driver.moment(fetched_at), id_, values
    return [_dossier(person, newest, wanted) for person in persons]


_CURRENT = """
    SELECT a.insz, a.fetched_at, a.id{columns} FROM (
        SELECT insz, fetched_at, id, version, row_number() OVER (
            PARTITION BY insz ORDER BY fetched_at DESC, id DESC) AS nth
        FROM EACH(:numbers) AS given CROSS JOIN source_answer
        WHERE insz = given.value AND version IS NOT NULL AND learned_at <= :known_at) AS a
    CROSS JOIN dossier_version v WHERE v.id = a.version AND a.nth = 1
"""


def deny_each(source: Source, persons: Sequence[Sequence[str]]) -> list[bool]:
    """Whether the source said of each, last of all, that there is no dossier.

    What it said of the current number wins; else what it said last of an older one.
    """
    rows = driver.of(source).rows(_LAST, numbers=_all_of(persons))
    last = {insz: (driver.moment(at), id_, code) for insz, at, id_, code in rows}
    return [_last_of(person, last) == NO_DOSSIER for person in persons]


_LAST = """
    SELECT a.insz, a.fetched_at, a.id, a.code FROM (
        SELECT insz, fetched_at, id, code, row_number() OVER (
            PARTITION BY insz ORDER BY fetched_at DESC, id DESC) AS nth
        FROM EACH(:numbers) AS given CROSS JOIN source_answer WHERE insz = given.value) AS a
    WHERE a.nth = 1
"""


def _last_of(
    numbers: Sequence[str], last: Mapping[str, tuple[datetime, int, str | None]]
) -> str | None:
    current, *older = (last.get(number) for number in numbers)
    counting = current or max(filter(None, older), default=None, key=lambda each: each[:2])
    return counting[2] if counting else None


def next_numbers(source: Source, after: str, most: int) -> list[str]:
    """The next numbers behind one under which a dossier was ever stored: at most so many."""
    return [insz for (insz,) in driver.of(source).rows(_NEXT, after=after, most=most)]


_NEXT = """
    SELECT DISTINCT insz FROM dossier_version WHERE insz > :after ORDER BY insz LIMIT :most
"""


def _all_of(persons: Sequence[Sequence[str]]) -> list[str]:
    """Each number of these persons once: what is asked twice at a time is read once."""
    return [*dict.fromkeys(number for person in persons for number in person)]


def _dossier(
    numbers: Sequence[str],
    newest: Mapping[str, tuple[datetime, int, list[Any]]],
    wanted: Sequence[str],
) -> Dossier | None:
    older = [newest[number] for number in numbers[1:] if number in newest]
    counting = newest.get(numbers[0]) or max(older, default=None, key=lambda each: each[:2])
    return Dossier(counting[0], _blocks(wanted, counting[2])) if counting else None


def _blocks(wanted: Sequence[str], values: Sequence[Any]) -> dict[str, Any]:
    return {
        block: driver.json(value)
        for block, value in zip(wanted, values, strict=True)
        if value is not None
    }


def known_each(
    source: Source,
    persons: Sequence[Sequence[str]],
    blocks: Collection[str],
    known_at: datetime = ALWAYS,
) -> list[Known]:
    """All that is known of each; selects the columns of `blocks` and the target groups."""
    wanted = [block for block in fields.BLOCKS if block in blocks]
    # Of what no longer counts, no more than the target group.
    columns = "".join(
        f", CASE WHEN a.newest = 1 THEN CAST(v.{COLUMNS[block]} AS TEXT) END" for block in wanted
    )
    rows = driver.of(source).rows(
        _ANSWERS.format(columns=columns),
        numbers=_all_of(persons),
        known_at=known_at,
    )
    found: dict[str, list[Answer]] = {}
    for insz, fetched_at, id_, version, code, newest, target_group, *values in rows:
        answer = Answer(
            insz,
            driver.moment(fetched_at),
            id_,
            version,
            code,
            driver.json(target_group),
            _blocks(wanted, values) if version is not None and newest == 1 else None,
        )
        found.setdefault(insz, []).append(answer)
    delivered_at = last_delivery(source, known_at)
    return [_known(numbers, found, delivered_at) for numbers in persons]


# Of the same answer only the last time counts. `newest` is 1 for the newest dossier of a number.
_ANSWERS = """
    SELECT a.insz, a.fetched_at, a.id, a.version, a.code, a.newest, CAST(v.doelgroep AS TEXT)
        {columns} FROM (
        SELECT insz, fetched_at, id, version, code,
            row_number() OVER (
                PARTITION BY insz, version, code ORDER BY fetched_at DESC, id DESC) AS nth,
            row_number() OVER (
                PARTITION BY insz, version IS NULL ORDER BY fetched_at DESC, id DESC) AS newest
        FROM EACH(:numbers) AS given CROSS JOIN source_answer
        WHERE insz = given.value AND learned_at <= :known_at) AS a
    LEFT JOIN dossier_version v ON v.id = a.version
    WHERE a.nth = 1 ORDER BY a.fetched_at DESC, a.id DESC
"""


def _known(
    numbers: Sequence[str],
    found: Mapping[str, Sequence[Answer]],
    delivered_at: datetime | None,
) -> Known:
    given = {number: found[number] for number in numbers if number in found}
    # What is said of an older number never replaces what is said of the current one; of several
    # older ones nobody knows the order, but the source went on answering under the last of them.
    told = sorted(
        (each for answers in given.values() for each in answers),
        key=lambda each: (each.insz == numbers[0], each.fetched_at, each.id),
    )
    stored = {
        each.insz: Dossier(each.fetched_at, each.blocks)
        for each in reversed(told)
        if each.blocks is not None
    }
    # A history from snapshots.
    groups = [each.target_group for each in told if each.target_group is not None]
    return Known(stored, groups, _word(numbers, given, stored, delivered_at))


def _word(
    numbers: Sequence[str],
    answers: Mapping[str, Sequence[Answer]],
    stored: Collection[str],
    delivered_at: datetime | None,
) -> Word:
    """The fault that a newest answer is, and what speaks of no dossier (advice.md, Fresh data).

    `stored`: those of the numbers that have a dossier. An answer speaks of its own number: only a
    dossier under the current one also settles what was said of an older one before it. "No
    dossier" beside a stored one contradicts it, and is a fault; of an older number it is not when
    the dossier stands under the current one. Without a dossier it is an answer, once it was given
    of every number; a complete delivery gives it of everybody.
    """
    # In the order of the numbers: of two faults the same one is told for ever.
    newest = {number: answers[number][0] for number in answers}
    current = newest.get(numbers[0])
    fault = next((each.code for each in newest.values() if _is_fault(each, current, stored)), None)
    absent = [each.fetched_at for each in newest.values() if each.code == NO_DOSSIER]
    stated = min(absent) if len(absent) == len(numbers) else None
    return Word(fault, stated, delivered_at)


def _is_fault(answer: Answer, current: Answer | None, stored: Collection[str]) -> bool:
    """Whether an answer, the newest of its number, leaves no advice on the person."""
    if answer.code is None:
        return False
    if current is None:
        return answer.code != NO_DOSSIER or answer.insz in stored
    if answer is current:
        return answer.code != NO_DOSSIER or bool(stored)
    if answer.code == NO_DOSSIER:
        return answer.insz in stored and current.insz not in stored
    later = (current.fetched_at, current.id) > (answer.fetched_at, answer.id)
    return current.version is None or not later


def last_delivery(source: Source, known_at: datetime = ALWAYS) -> datetime | None:
    """From when the newest complete delivery is: `gegevensVan` in an advice."""
    [newest] = driver.of(source).one(
        "SELECT max(fetched_at) FROM complete_delivery WHERE learned_at <= :known_at",
        known_at=known_at,
    )
    return None if newest is None else driver.moment(newest)


def store(
    session: Session, insz: Insz, blocks: Mapping[str, Any], fetched_at: datetime, now: datetime
) -> bool:
    """Store an answer with a dossier; True when it says something that was not known."""
    content = digest(dict(blocks))
    same = (DossierVersion.insz == insz.digits, DossierVersion.digest == content)
    version = session.exec(select(DossierVersion.id).where(*same)).first()
    told = version is not None and _version_of(session, insz, fetched_at) in (None, version)
    if version is None:
        columns = {COLUMNS[block]: value for block, value in blocks.items()}
        row = DossierVersion(insz=insz.digits, digest=content, **columns)
        session.add(row)
        session.flush()
        version = row.id
    _answer(session, insz, fetched_at, now, version=version)
    return not told


def _version_of(session: Session, insz: Insz, at: datetime) -> int | None:
    """The dossier of a number as it was at a moment; None before the first."""
    return session.exec(
        select(SourceAnswer.version)
        .where(SourceAnswer.insz == insz.digits, SourceAnswer.fetched_at <= at)
        .where(col(SourceAnswer.version).is_not(None))
        .order_by(*_NEWEST_FIRST)
        .limit(1)
    ).first()


def store_fault(
    session: Session, insz: Insz, code: str, fetched_at: datetime, now: datetime
) -> None:
    """Store an answer that is an exception; a later good one counts instead."""
    _answer(session, insz, fetched_at, now, code=code)


def declare_complete(session: Session, fetched_at: datetime, now: datetime) -> None:
    """Let a delivery count for everybody who is not in it."""
    session.add(CompleteDelivery(fetched_at=fetched_at, learned_at=now))


def _answer(
    session: Session,
    insz: Insz,
    fetched_at: datetime,
    now: datetime,
    *,
    version: int | None = None,
    code: str | None = None,
) -> None:
    """Keep an answer; the same one that comes once more adds nothing."""
    last = session.exec(
        select(SourceAnswer.version, SourceAnswer.code)
        .where(SourceAnswer.insz == insz.digits, SourceAnswer.fetched_at == fetched_at)
        .order_by(col(SourceAnswer.id).desc())
        .limit(1)
    ).first()
    if last and tuple(last) == (version, code):
        return
    answer = SourceAnswer(
        insz=insz.digits, fetched_at=fetched_at, learned_at=now, version=version, code=code
    )
    session.add(answer)
    session.flush()
