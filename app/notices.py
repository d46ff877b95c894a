"""The store of what is reported, and of what is told of it: the only module that sees its tables.

All of it is written in the transaction of a record: both stand, or neither.
"""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from typing import Any, TypeVar

from sqlmodel import Session, col, delete, func, select, update
from sqlmodel.sql.expression import SelectOfScalar

from app.models.notices import Incident, Notice, Notification
from app.notice_rules import Event, IncidentState, Outcome, State

__all__ = ["Incident", "Notice", "Notification"]

Item = Notice | Incident | Notification
T = TypeVar("T", Notice, Incident, Notification)


def add(session: Session, row: Notice | Incident) -> None:
    """Store what is reported."""
    session.add(row)
    session.flush()


def fetched(session: Session, ids: Collection[str], now: datetime) -> None:
    """Store that notifications were fetched, for those of which it was not known."""
    session.exec(
        update(Notification)
        .where(col(Notification.id).in_(ids), col(Notification.fetched_at).is_(None))
        .values(fetched_at=now)
    )


def page(session: Session, names: Collection[str], before: str | None, most: int) -> list[Item]:
    """What was reported and told under these names, newest first: ids are ordered in time."""
    found: list[Item] = [
        *_own(session, Notice, names, before, most),
        *_own(session, Incident, names, before, most),
        *_own(session, Notification, names, before, most),
    ]
    return sorted(found, key=lambda item: item.id, reverse=True)[:most]


def _own(
    session: Session, table: type[T], names: Collection[str], before: str | None, most: int
) -> Sequence[T]:
    own = select(table).where(col(table.organisation).in_(names))
    if before is not None:
        own = own.where(col(table.id) < before)
    return session.exec(own.order_by(col(table.id).desc()).limit(most)).all()


def incidents(session: Session, ids: Collection[str]) -> dict[str, Incident]:
    """These incidents, by id."""
    rows = session.exec(select(Incident).where(col(Incident.id).in_(ids))).all()
    return {row.id: row for row in rows}


def notices(session: Session, ids: Collection[str]) -> dict[str, Notice]:
    """These reports of wrong data, by id."""
    rows = session.exec(select(Notice).where(col(Notice.id).in_(ids))).all()
    return {row.id: row for row in rows}


def every_notice(session: Session) -> list[Notice]:
    """All reports of wrong data, oldest first."""
    return list(session.exec(select(Notice).order_by(col(Notice.id))).all())


def every_incident(session: Session) -> list[Incident]:
    """All incidents, oldest first."""
    return list(session.exec(select(Incident).order_by(col(Incident.id))).all())


_Ended = tuple[type[Notice] | type[Incident], SelectOfScalar[str]]


def _ended(moment: datetime) -> tuple[_Ended, _Ended]:
    """The ids of what was answered, and of what was closed, before a moment.

    A report that was never answered cannot be any more once the month of its record has ended:
    whom it is about is hidden under that key.
    """
    closed = Incident.state == IncidentState.CLOSED
    ended = func.coalesce(Notice.answered_at, Notice.received_at)
    return (
        (Notice, select(Notice.id).where(ended < moment)),
        (Incident, select(Incident.id).where(closed, col(Incident.updated_at) < moment)),
    )


def count_ended(session: Session, moment: datetime) -> int:
    """How many reports were answered, and incidents closed, before a moment."""
    counts = [select(func.count()).select_from(ids.subquery()) for _, ids in _ended(moment)]
    return sum(session.exec(count).one() for count in counts)


def remove_ended(session: Session, moment: datetime) -> int:
    """Take them away with all that was told of them; only the owner of the tables can. How many."""
    gone = 0
    for table, ids in _ended(moment):
        session.exec(delete(Notification).where(col(Notification.about).in_(ids)))
        gone += session.exec(delete(table).where(col(table.id).in_(ids))).rowcount
    return gone


def told_of(session: Session, about: str) -> list[Notification]:
    """Who was told of a notice or an incident, in the order of the organisations."""
    told = select(Notification).where(Notification.about == about)
    return list(session.exec(told.order_by(Notification.organisation, col(Notification.id))).all())


def settle(session: Session, notice: Notice, outcome: Outcome, answer: str, now: datetime) -> None:
    """Store the answer of the agency."""
    notice.state, notice.outcome = State.ANSWERED.value, outcome.value
    notice.answer, notice.answered_at = answer, now
    session.add(notice)


def go_on(
    session: Session, incident: Incident, state: IncidentState, follow_up: str, now: datetime
) -> None:
    """Store how an incident goes on."""
    incident.state, incident.follow_up, incident.updated_at = state.value, follow_up, now
    session.add(incident)


def notify(
    session: Session,
    id_: str,
    about: str,
    event: Event,
    organisation: str,
    access_ids: Sequence[str],
    now: datetime,
) -> None:
    """Tell one organisation; the database refuses to tell it the same thing twice."""
    session.add(
        Notification(
            id=id_,
            about=about,
            event=event.value,
            organisation=organisation,
            access_ids=list(access_ids),
            created_at=now,
            next_at=now,
        )
    )
    session.flush()


def told_before(session: Session, field: str | None) -> set[str]:
    """The accesses of which somebody was told already that this value, or advice, was wrong."""
    rows = session.exec(
        select(Notification.access_ids)
        .join(Notice, col(Notice.id) == col(Notification.about))
        .where(Notification.event == Event.CORRECTION, Notice.field == field)
    ).all()
    return {id_ for ids in rows for id_ in ids}


def corrected_since(session: Session, moment: datetime) -> bool:
    """Whether a value turned out wrong since then."""
    found = select(Notice.id).where(
        Notice.outcome == Outcome.CORRECTED.value, col(Notice.answered_at) >= moment
    )
    return session.exec(found.limit(1)).first() is not None


def same(session: Session, report: Notice) -> Notice | None:
    """A report that says the same: it came once more, for its answer was lost."""
    found = select(Notice).where(
        Notice.organisation == report.organisation,
        Notice.access_id == report.access_id,
        Notice.kind == report.kind,
        Notice.field == report.field,
        Notice.reference == report.reference,
        Notice.found_on == report.found_on,
        Notice.explanation == report.explanation,
    )
    return session.exec(found.limit(1)).first()


def _due(organisations: Collection[str], now: datetime) -> Any:
    return (
        col(Notification.organisation).in_(organisations),
        col(Notification.next_at) <= now,
        col(Notification.delivered_at).is_(None),
        # Who fetched it knows it.
        col(Notification.fetched_at).is_(None),
    )


def claim(
    session: Session,
    receivers: Collection[Collection[str]],
    due: datetime,
    until: datetime,
    most: int,
    each: int,
) -> list[Notification]:
    """Take what is due for an attempt, `each` of a receiver at most, under whichever of its names:
    nobody else takes it before the lease ends."""
    found: list[Notification] = []
    for names in receivers:
        if len(found) < most:
            found += session.exec(
                select(Notification)
                .where(*_due(names, due))
                .order_by(col(Notification.next_at), col(Notification.id))
                .limit(min(each, most - len(found)))
                .with_for_update(skip_locked=True)
            ).all()
    for row in found:
        row.next_at = until
        session.add(row)
    session.flush()
    return found


def attempted(
    session: Session, id_: str, result: str, next_at: datetime | None, now: datetime | None
) -> bool:
    """Store how an attempt ended, `now` where it arrived; False when it was known to have."""
    values: Mapping[str, Any] = {
        "attempts": Notification.attempts + 1,
        "last_result": result,
        "next_at": next_at,
        "delivered_at": now,
    }
    changed = session.exec(
        update(Notification)
        .where(col(Notification.id) == id_, col(Notification.delivered_at).is_(None))
        .values(**values)
    )
    return bool(changed.rowcount)


def find_notice(session: Session, id_: str) -> Notice | None:
    """The report with this id."""
    return session.get(Notice, id_)


def find_incident(session: Session, id_: str) -> Incident | None:
    """The incident with this id."""
    return session.get(Incident, id_)
