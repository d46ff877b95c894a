"""The access log as it is read: found by its columns, a page at a time."""

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

import orjson
from sqlalchemy import BinaryExpression, ColumnElement
from sqlmodel import Session, and_, col, false, func, or_, select
from sqlmodel.sql.expression import SelectOfScalar

from app.models.access import AccessDetail, AccessRecord, LogEra, LogHead
from app.record import CLOCK_TOLERANCE


@dataclass(frozen=True)
class Search:
    """What an auditor looks for; absent parts do not filter."""

    organisation: str | None = None
    protocol: str | None = None
    purpose: str | None = None
    function_profile: str | None = None
    subjects: tuple[str, ...] | None = None  # encrypted under each kept month
    users: tuple[str, ...] | None = None
    fields: tuple[str, ...] = ()  # asked or delivered, any of them
    outcome: str | None = None
    reasons: tuple[str, ...] | None = None  # any of them
    reference: str | None = None
    event_id: str | None = None
    type: str | None = None
    since: datetime | None = None
    until: datetime | None = None
    before: int | None = None  # cursor: only indexes below it
    limit: int = 50


@dataclass(frozen=True)
class Found:
    """One page, newest first, and the size of the log when it was read."""

    records: list[tuple[int, dict[str, Any]]]
    more: bool
    size: int


def search(session: Session, wanted: Search) -> Found:
    """Find records by their columns; newest first, so that new records never shift a page."""
    size = session.exec(select(LogHead.size)).one()
    before = size if wanted.before is None else min(size, wanted.before)
    place = col(AccessRecord.log_index)
    found = _newest(session, wanted, before)
    rows = session.exec(
        select(place, AccessRecord.record).where(place.in_(found)).order_by(place.desc())
    ).all()
    page = [(index, orjson.loads(record)) for index, record in rows[: wanted.limit]]
    return Found(page, len(rows) > wanted.limit, size)


def indexes(session: Session, wanted: Search) -> list[int]:
    """The indexes of what is found, oldest first; of more than the limit the newest and one."""
    size = session.exec(select(LogHead.size)).one()
    return sorted(session.exec(_newest(session, wanted, size)))


def _newest(session: Session, wanted: Search, before: int) -> SelectOfScalar[int]:
    """The indexes of the newest records that are found, one more than the limit."""
    place = col(AccessRecord.log_index)
    found = select(place).where(_within(session, wanted, before), *_conditions(wanted))
    if wanted.subjects is not None or wanted.users is not None:
        # Else PostgreSQL goes through the log from its end, rather than look up the person's
        # token of each month.
        few = found.cte("found").prefix_with("MATERIALIZED").c.log_index
        return select(few).order_by(few.desc()).limit(wanted.limit + 1)
    return found.order_by(place.desc()).limit(wanted.limit + 1)


def _within(session: Session, wanted: Search, before: int) -> ColumnElement[bool]:
    """The indexes among which the period lies.

    Time in the log grows but for a minute, so a period is a stretch of indexes: a page is found
    without looking at the rest. Where an operator set the time back it begins anew.
    """
    index = col(AccessRecord.log_index)
    if wanted.since is None and wanted.until is None:
        return index < before
    turns = session.exec(select(LogEra.first_index).order_by(col(LogEra.first_index))).all()
    stretches = [
        and_(index >= first, index < last)
        for start, end in zip([0, *turns], [*turns, before], strict=True)
        for first, last in [_stretch(session, wanted, start, min(end, before), alone=not turns)]
        if first < last
    ]
    return or_(false(), *stretches)


def _stretch(
    session: Session, wanted: Search, start: int, end: int, *, alone: bool
) -> tuple[int, int]:
    """From the first index to the one after the last that can lie in the period."""
    index, moment = col(AccessRecord.log_index), col(AccessRecord.recorded_at)
    era = [] if alone else [index >= start, index < end]
    earlier = later = None
    if wanted.since is not None:
        past = moment < _shifted(wanted.since, -CLOCK_TOLERANCE)
        earlier = session.exec(
            select(AccessRecord.log_index).where(past, *era).order_by(moment.desc()).limit(1)
        ).first()
    if wanted.until is not None:
        after = moment > _shifted(wanted.until, CLOCK_TOLERANCE)
        later = session.exec(
            select(AccessRecord.log_index).where(after, *era).order_by(moment).limit(1)
        ).first()
    return (
        start if earlier is None else max(start, earlier + 1),
        end if later is None else min(end, later),
    )


def _shifted(moment: datetime, by: timedelta) -> datetime:
    """The moment that much later; at the ends of the calendar it stays where it is."""
    try:
        return moment + by
    except OverflowError:
        return moment


def _conditions(wanted: Search) -> list[ColumnElement[bool] | BinaryExpression[Any]]:
    equal = {
        "organisation": wanted.organisation,
        "protocol": wanted.protocol,
        "purpose": wanted.purpose,
        "function_profile": wanted.function_profile,
        "outcome": wanted.outcome,
        "reference": wanted.reference,
        "event_id": wanted.event_id,
        "type": wanted.type,
    }
    conditions: list[ColumnElement[bool]] = [
        getattr(AccessRecord, name) == value for name, value in equal.items() if value is not None
    ]
    if wanted.reasons is not None:
        conditions.append(col(AccessRecord.reason_code).in_(wanted.reasons))
    if wanted.subjects is not None:
        conditions.append(col(AccessRecord.subject).in_(wanted.subjects))
    if wanted.users is not None:
        conditions.append(col(AccessRecord.user_token).in_(wanted.users))
    if wanted.fields:
        places = col(AccessRecord.fields)
        conditions.append(
            or_(*(places.contains(f" {id_} ", autoescape=True) for id_ in wanted.fields))
        )
    # Not by the index on the moment: the stretch of indexes is known already, and PostgreSQL would
    # take both for independent and sort the whole period.
    if wanted.since is not None:
        conditions.append(func.coalesce(AccessRecord.recorded_at, wanted.since) >= wanted.since)
    if wanted.until is not None:
        conditions.append(func.coalesce(AccessRecord.recorded_at, wanted.until) <= wanted.until)
    return conditions


def pruning_reference(minimum: int) -> str:
    """The reference of the record that says that what is below an index was pruned."""
    return f"logPrune {minimum}"


def has_pruned(session: Session, minimum: int) -> bool:
    """True when a record says that everything below this index was pruned."""
    found = session.exec(
        select(AccessRecord.record).where(
            AccessRecord.reference == pruning_reference(minimum), AccessRecord.type == "admin"
        )
    ).all()
    return any(_says_pruned(record, minimum) for record in found)


def _says_pruned(record: bytes, minimum: int) -> bool:
    """Whether a row that says so in its columns says it in its bytes."""
    try:
        said = orjson.loads(record)
        return bool(said["operation"] == "logPrune" and said["counts"]["minimum"] == minimum)
    except (ValueError, LookupError, TypeError):
        return False


@dataclass(frozen=True)
class Kept:
    """One record as it stands in the log, with its side table."""

    index: int
    record: dict[str, Any]
    detail: Mapping[str, Any] | None


def find(session: Session, event_id: str) -> Kept | None:
    """The record with this id, or None."""
    row = session.exec(
        select(AccessRecord.log_index, AccessRecord.record, AccessDetail.detail)
        .join(AccessDetail, isouter=True)
        .where(AccessRecord.event_id == event_id)
    ).first()
    return Kept(row[0], orjson.loads(row[1]), row[2]) if row else None


@dataclass(frozen=True)
class Row:
    """One record with all that stands beside it in the table."""

    index: int
    record: bytes
    columns: Mapping[str, Any]
    detail: Mapping[str, Any] | None


def rows(session: Session, first: int, end: int) -> list[Row]:
    """The rows of the records from `first` to before `end`, as they are."""
    place = col(AccessRecord.log_index)
    found = session.exec(
        select(AccessRecord, AccessDetail.detail)
        .join(AccessDetail, isouter=True)
        .where(place >= first, place < end)
        .order_by(place)
    ).all()
    session.expunge_all()  # else the session would keep them all
    return [
        Row(row.log_index, bytes(row.record), _plain(row.model_dump()), detail)
        for row, detail in found
    ]


def _plain(columns: dict[str, Any]) -> dict[str, Any]:
    """Columns as `record.columns_of` gives them; older rows have microseconds."""
    moment: datetime = columns["recorded_at"]
    return {
        **columns,
        "record": bytes(columns["record"]),
        "leaf_hash": bytes(columns["leaf_hash"]),
        "recorded_at": moment.replace(microsecond=moment.microsecond // 1000 * 1000),
    }


def beyond(session: Session, size: int) -> list[str]:
    """The ids of records that stand where the head of the log knows of none."""
    place = col(AccessRecord.log_index)
    outside = (place < 0) | (place >= size)
    return list(session.exec(select(AccessRecord.event_id).where(outside).limit(10)))
