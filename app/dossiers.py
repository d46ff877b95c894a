"""Dossiers: what the source gave, when we learned it, and only the blocks that are asked."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlmodel import Session, col, delete, func, select

from app import fields
from app.canonical import digest
from app.insz import Insz
from app.models.dossiers import DossierVersion, SourceFault


def _column(block: str) -> str:
    """`behaaldeAttesten` is kept in the column `behaalde_attesten`."""
    return "".join(f"_{letter.lower()}" if letter.isupper() else letter for letter in block)


# An older answer that arrives later is history, not the current dossier.
_NEWEST_FIRST = (col(DossierVersion.fetched_at).desc(), col(DossierVersion.id).desc())
COLUMNS: Mapping[str, str] = {block: _column(block) for block in fields.BLOCKS}


@dataclass(frozen=True)
class Dossier:
    """The asked blocks of the current version."""

    fetched_at: datetime
    blocks: Mapping[str, Any]


def read(session: Session, numbers: Sequence[str], blocks: Collection[str]) -> Dossier | None:
    """The current dossier of a person, or None; selects the columns of `blocks` and no others.

    `numbers`: the person's current number first, then the replaced ones. A dossier under the
    current number wins; else the newest one under an older number counts (advice.md).
    """
    wanted = [block for block in fields.BLOCKS if block in blocks]
    rows = session.exec(
        select(
            DossierVersion.insz,
            DossierVersion.fetched_at,
            *(getattr(DossierVersion, COLUMNS[block]) for block in wanted),
        )
        .where(col(DossierVersion.insz).in_(numbers))
        .order_by((col(DossierVersion.insz) == numbers[0]).desc(), *_NEWEST_FIRST)
        .limit(1)
    ).all()
    if not rows:
        return None
    _, fetched_at, *values = rows[0]
    present = {
        block: value for block, value in zip(wanted, values, strict=True) if value is not None
    }
    return Dossier(fetched_at, present)


def read_all(session: Session, numbers: Sequence[str], blocks: Collection[str]) -> list[Dossier]:
    """The current dossier under each number of a person that has one, in the order of `numbers`."""
    found = (read(session, [number], blocks) for number in numbers)
    return [dossier for dossier in found if dossier is not None]


def target_groups(session: Session, numbers: Sequence[str]) -> list[Mapping[str, Any]]:
    """Every Doelgroep block ever fetched for a person, oldest first (history from snapshots)."""
    rows = session.exec(
        select(DossierVersion.doelgroep)
        .where(col(DossierVersion.insz).in_(numbers))
        .order_by(col(DossierVersion.fetched_at), col(DossierVersion.id))
    )
    return [block for block in rows if block is not None]


def has_fault(session: Session, numbers: Sequence[str]) -> bool:
    """True while the source's last word on this person, under any number, is a fault."""
    marked: datetime | None = session.exec(
        select(func.max(SourceFault.marked_at)).where(col(SourceFault.insz).in_(numbers))
    ).one()
    answered: datetime | None = session.exec(
        select(func.max(DossierVersion.fetched_at)).where(col(DossierVersion.insz).in_(numbers))
    ).one()
    return marked is not None and (answered is None or marked >= answered)


def store(
    session: Session, insz: Insz, blocks: Mapping[str, Any], fetched_at: datetime, now: datetime
) -> bool:
    """Store a new version, or refresh `fetched_at` when nothing changed; True when new.

    A good answer lifts the fault mark that it is not older than.
    """
    content = digest(dict(blocks))
    lift_fault(session, insz, fetched_at)
    newest = session.exec(
        select(DossierVersion)
        .where(DossierVersion.insz == insz.digits)
        .order_by(*_NEWEST_FIRST)
        .limit(1)
    ).first()
    if newest is not None and newest.digest == content:
        newest.fetched_at = max(newest.fetched_at, fetched_at)
        session.add(newest)
        return False
    if _is_kept(session, insz, content, fetched_at):
        return False
    columns = {COLUMNS[block]: value for block, value in blocks.items()}
    session.add(
        DossierVersion(
            insz=insz.digits, learned_at=now, fetched_at=fetched_at, digest=content, **columns
        )
    )
    return True


def _is_kept(session: Session, insz: Insz, content: str, fetched_at: datetime) -> bool:
    """True for an older answer that comes once more: it is history already."""
    statement = select(DossierVersion.id).where(
        DossierVersion.insz == insz.digits,
        DossierVersion.digest == content,
        DossierVersion.fetched_at == fetched_at,
    )
    return session.exec(statement).first() is not None


def mark_fault(session: Session, insz: Insz, code: str, at: datetime) -> None:
    """Mark that the source failed for this person at that moment; a good answer after it counts."""
    known = session.get(SourceFault, insz.digits)
    if known is None or known.marked_at <= at:
        session.merge(SourceFault(insz=insz.digits, code=code, marked_at=at))


def lift_fault(session: Session, insz: Insz, at: datetime) -> None:
    """The source answered at that moment, if only that there is no dossier: its faults are over."""
    session.exec(
        delete(SourceFault)
        .where(col(SourceFault.insz) == insz.digits)
        .where(col(SourceFault.marked_at) <= at)
    )


def has_dossier(session: Session, numbers: Sequence[str]) -> bool:
    """True when a dossier is stored under any of these numbers of a person."""
    statement = select(DossierVersion.id).where(col(DossierVersion.insz).in_(numbers)).limit(1)
    return session.exec(statement).first() is not None
