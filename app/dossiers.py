"""Dossiers: what the source answered, when we learned it, and only the blocks that are asked."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, func, select

from app import fields
from app.canonical import digest
from app.insz import Insz
from app.models.dossiers import CompleteDelivery, DossierVersion, SourceAnswer


def _column(block: str) -> str:
    """`behaaldeAttesten` is kept in the column `behaalde_attesten`."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in block)


COLUMNS: Mapping[str, str] = {block: _column(block) for block in fields.BLOCKS}
NO_DOSSIER = "30001"  # MAGDA: the source states that there is no dossier
# An older answer that arrives later is history, not the current one.
_NEWEST_FIRST = (col(SourceAnswer.fetched_at).desc(), col(SourceAnswer.id).desc())


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


# All that is read can be read "as known at" a moment: what was learned later is not looked at.


def read(
    session: Session,
    numbers: Sequence[str],
    blocks: Collection[str],
    known_at: datetime | None = None,
) -> Dossier | None:
    """The current dossier of a person, or None; selects the columns of `blocks` and no others.

    `numbers`: the person's current number first, then the replaced ones. A dossier under the
    current number wins; else the newest one under an older number counts (advice.md).
    """
    wanted = [block for block in fields.BLOCKS if block in blocks]
    rows = session.exec(
        select(
            SourceAnswer.fetched_at,
            SourceAnswer.id,
            *(getattr(DossierVersion, COLUMNS[block]) for block in wanted),
        )
        .join(DossierVersion)
        .where(*_about(numbers, known_at))
        .order_by((col(SourceAnswer.insz) == numbers[0]).desc(), *_NEWEST_FIRST)
        .limit(1)
    ).all()
    if not rows:
        return None
    fetched_at, _, *values = rows[0]
    present = {
        block: value for block, value in zip(wanted, values, strict=True) if value is not None
    }
    return Dossier(fetched_at, present)


def read_all(
    session: Session,
    numbers: Sequence[str],
    blocks: Collection[str],
    known_at: datetime | None = None,
) -> dict[str, Dossier]:
    """The current dossier under each number of a person that has one, in the order of `numbers`."""
    found = {number: read(session, [number], blocks, known_at) for number in numbers}
    return {number: dossier for number, dossier in found.items() if dossier is not None}


def target_groups(
    session: Session, numbers: Sequence[str], known_at: datetime | None = None
) -> list[Mapping[str, Any]]:
    """Every Doelgroep block ever fetched for a person, those of the current number last.

    A history from snapshots: of a content that came more than once the last time counts.
    """
    latest = func.row_number().over(partition_by=col(SourceAnswer.version), order_by=_NEWEST_FIRST)
    given = (
        select(SourceAnswer.version, SourceAnswer.fetched_at, SourceAnswer.id, latest.label("nth"))
        .where(*_about(numbers, known_at))
        .subquery()
    )
    rows = session.exec(
        select(DossierVersion.doelgroep)
        .join(given, col(DossierVersion.id) == given.c.version)
        .where(given.c.nth == 1)
        # What is said of an older number never replaces what is said of the current one.
        .order_by(col(DossierVersion.insz) == numbers[0], given.c.fetched_at, given.c.id)
    )
    return [block for block in rows if block is not None]


def last_word(
    session: Session,
    numbers: Sequence[str],
    stored: Collection[str],
    known_at: datetime | None = None,
) -> Word:
    """The fault that a newest answer is, and what speaks of no dossier (advice.md, Fresh data).

    `stored`: those of the numbers that have a dossier. An answer speaks of its own number: only a
    dossier under the current one also settles what was said of an older one before it. "No
    dossier" beside a stored one contradicts it, and is a fault; of an older number it is not when
    the dossier stands under the current one. Without a dossier it is an answer, once it was given
    of every number; a complete delivery gives it of everybody.
    """
    newest = _newest_of_each(session, numbers, known_at)
    current = newest.get(numbers[0])
    fault = next((each.code for each in newest.values() if _is_fault(each, current, stored)), None)
    absent = [each.fetched_at for each in newest.values() if each.code == NO_DOSSIER]
    stated = min(absent) if len(absent) == len(numbers) else None
    return Word(fault, stated, last_delivery(session, known_at))


def _newest_of_each(
    session: Session, numbers: Sequence[str], known_at: datetime | None
) -> dict[str, SourceAnswer]:
    latest = func.row_number().over(partition_by=col(SourceAnswer.insz), order_by=_NEWEST_FIRST)
    given = select(SourceAnswer.id, latest.label("nth")).where(*_about(numbers, known_at))
    nth = given.subquery()
    rows = session.exec(
        select(SourceAnswer).join(nth, col(SourceAnswer.id) == nth.c.id).where(nth.c.nth == 1)
    ).all()
    given_by = {row.insz: row for row in rows}
    # In the order of the numbers: of two faults the same one is told for ever.
    return {number: given_by[number] for number in numbers if number in given_by}


def _is_fault(answer: SourceAnswer, current: SourceAnswer | None, stored: Collection[str]) -> bool:
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


def last_delivery(session: Session, known_at: datetime | None = None) -> datetime | None:
    """From when the newest complete delivery is: `gegevensVan` in an advice."""
    known = [CompleteDelivery.learned_at <= known_at] if known_at else []
    newest: datetime | None = session.exec(
        select(func.max(CompleteDelivery.fetched_at)).where(*known)
    ).one()
    return newest


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
        .where(*_about([insz.digits], None), SourceAnswer.fetched_at <= at)
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


def _about(numbers: Sequence[str], known_at: datetime | None) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [col(SourceAnswer.insz).in_(numbers)]
    return [*conditions, col(SourceAnswer.learned_at) <= known_at] if known_at else conditions
