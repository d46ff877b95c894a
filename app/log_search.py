"""The access log as it is read: found by its columns, a page at a time."""

from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, NamedTuple

import orjson
from sqlalchemy import (
    CTE,
    JSON,
    BigInteger,
    BinaryExpression,
    ColumnElement,
    Integer,
    String,
    cast,
    column,
    literal,
    type_coerce,
)
from sqlmodel import Session, and_, col, false, func, or_, select
from sqlmodel.sql.expression import SelectOfScalar

from app.errors import Outcome
from app.models.access import AccessDetail, AccessRecord, LogEra, LogHead
from app.models.columns import Moment
from app.record import CLOCK_TOLERANCE, RecordType

READ = 2_000  # records at a time, of those who read many
_FIRST = datetime.min.replace(tzinfo=UTC)
_LAST = datetime.max.replace(tzinfo=UTC)


@dataclass(frozen=True)
class Search:
    """What an auditor looks for; absent parts do not filter."""

    organisation: str | None = None
    among: tuple[str, ...] | None = None  # organisations, any of them
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
    types: tuple[str, ...] = ()  # any of them
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
    period = wanted.since or _FIRST, wanted.until or _LAST
    stretches = _stretches(session, [period], before)[period]
    return or_(false(), *(and_(index >= first, index < last) for first, last in stretches))


_Period = tuple[datetime, datetime]


def _stretches(
    session: Session, periods: Collection[_Period], before: int
) -> dict[_Period, list[tuple[int, int]]]:
    """For each period, of each era the indexes below `before` that can lie in it: from the first
    to the one after the last. However many there are, it is two statements."""
    turns = session.exec(select(LogEra.first_index).order_by(col(LogEra.first_index))).all()
    eras = [*zip([0, *turns], [*turns, before], strict=True)]
    asked = [(period, start, min(end, before)) for period in periods for start, end in eras]
    mark = _table(
        session,
        {"since": Moment, "until": Moment, "start": BigInteger, "stop": BigInteger},
        [
            (_shifted(since, -CLOCK_TOLERANCE), _shifted(until, CLOCK_TOLERANCE), *era)
            for (since, until), *era in asked
        ],
    )
    index, moment = col(AccessRecord.log_index), col(AccessRecord.recorded_at)
    era = [index >= mark.c.start, index < mark.c.stop] if turns else []
    earlier = select(index).where(moment < mark.c.since, *era).order_by(moment.desc()).limit(1)
    later = select(index).where(moment > mark.c.until, *era).order_by(moment).limit(1)
    found: dict[_Period, list[tuple[int, int]]] = {period: [] for period in periods}
    for number, last_before, first_after in session.execute(
        select(mark.c.number, earlier.scalar_subquery(), later.scalar_subquery())
    ):
        period, start, end = asked[number]
        first = start if last_before is None else max(start, last_before + 1)
        last = end if first_after is None else min(end, first_after)
        if first < last:
            found[period].append((first, last))
    return found


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
    }
    conditions: list[ColumnElement[bool]] = [
        getattr(AccessRecord, name) == value for name, value in equal.items() if value is not None
    ]
    if wanted.among is not None:
        conditions.append(col(AccessRecord.organisation).in_(wanted.among))
    if wanted.types:
        conditions.append(col(AccessRecord.type).in_(wanted.types))
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


def span(session: Session, since: datetime, until: datetime) -> range:
    """The indexes among which the records of a period lie."""
    size = session.exec(select(LogHead.size)).one()
    found = _stretches(session, [(since, until)], size)[since, until]
    ends = [*zip(*found, strict=True)] or [(0,), (0,)]
    return range(min(ends[0]), max(ends[1]))


def about_persons(session: Session, within: range) -> Iterator[list[tuple[int, dict[str, Any]]]]:
    """The questions about persons among these indexes, whatever the answer, some at a time."""
    return _pages(session, within, _about_persons())


def answered(
    session: Session, within: range, organisation: str | None
) -> Iterator[list[tuple[int, dict[str, Any]]]]:
    """What was allowed about persons among these indexes, and the lists that were given: to one
    organisation or all."""
    conditions: list[ColumnElement[bool]] = [
        or_(
            col(AccessRecord.subject).is_not(None),
            col(AccessRecord.type) == RecordType.DELIVERY.value,
        ),
        col(AccessRecord.outcome) == Outcome.ALLOWED.value,
    ]
    if organisation is not None:
        conditions.append(col(AccessRecord.organisation) == organisation)
    return _pages(session, within, conditions)


def _pages(
    session: Session, within: range, conditions: Sequence[ColumnElement[bool]]
) -> Iterator[list[tuple[int, dict[str, Any]]]]:
    place, first = col(AccessRecord.log_index), within.start
    while rows := session.exec(
        select(place, AccessRecord.record)
        .where(place >= first, place < within.stop, *conditions)
        .order_by(place)
        .limit(READ)
    ).all():
        yield [(index, orjson.loads(record)) for index, record in rows]
        first = rows[-1][0] + 1


def _about_persons() -> tuple[ColumnElement[bool], ...]:
    asked = col(AccessRecord.type) == RecordType.ACCESS.value
    return (
        asked,
        col(AccessRecord.subject).is_not(None),
        col(AccessRecord.organisation).is_not(None),
    )


class Asking(NamedTuple):
    """What one organisation asked from one moment to before another."""

    organisation: str
    since: datetime
    until: datetime
    most: int  # records to look at


class Counted(NamedTuple):
    """The persons in the records that were looked at; `whole` is False when there may be more."""

    persons: int
    records: int
    whole: bool


def count_persons(session: Session, wanted: Sequence[Asking]) -> list[Counted]:
    """How many persons each was about, in their order; as many statements however many there are.

    A person counts once for each number, and for each month key under which she is hidden.
    """
    size = session.exec(select(LogHead.size)).one()
    places = _stretches(session, {(one.since, one.until) for one in wanted}, size)
    parts = [
        (number, one, stretch)
        for number, one in enumerate(wanted)
        for stretch in places[one.since, one.until]
    ]
    moments, counts = dict.fromkeys(("since", "until"), Moment), ("most", "first", "stop")
    cell = _table(
        session,
        {"organisation": String, **moments, **dict.fromkeys(counts, BigInteger)},
        [(*one, *stretch) for _, one, stretch in parts],
    )
    place, moment = col(AccessRecord.log_index), col(AccessRecord.recorded_at)
    # SQLite takes one limit for all: the largest.
    same = None if _is_postgres(session) else max(one.most for one in wanted)
    few = (
        select(AccessRecord.subject)
        .where(AccessRecord.organisation == cell.c.organisation)
        .where(place >= cell.c.first, place < cell.c.stop, *_about_persons())
        # As in `_conditions`: not by the index on the moment.
        .where(func.coalesce(moment, cell.c.since) >= cell.c.since)
        .where(func.coalesce(moment, cell.c.since) < cell.c.until)
        .order_by(place)
        .limit(same or cell.c.most)
        .correlate(cell)
        .subquery("few")
    )
    counted = select(
        func.count(few.c.subject.distinct()).cast(String) + "/" + func.count().cast(String)
    ).select_from(few)
    found = [Counted(0, 0, whole=True)] * len(wanted)
    for part, told in session.execute(select(cell.c.number, counted.scalar_subquery())):
        number, one, _ = parts[part]
        persons, records = map(int, told.split("/"))
        before = found[number]
        found[number] = Counted(
            before.persons + persons,
            before.records + records,
            whole=before.whole and records < (same or one.most),
        )
    return found


def _is_postgres(session: Session) -> bool:
    return session.get_bind().dialect.name == "postgresql"


def _table(session: Session, columns: Mapping[str, Any], rows: Iterable[Sequence[Any]]) -> CTE:
    """Rows that come with a statement, numbered from 0, as one value: as thousands of values it
    would take far longer to send them than to find what they ask for."""
    given = [
        {"number": number, **dict(zip(columns, map(_in_json, row), strict=True))}
        for number, row in enumerate(rows)
    ]
    text = orjson.dumps(given).decode()
    named = [column(name, type_) for name, type_ in {"number": Integer, **columns}.items()]
    values: list[Any]
    if _is_postgres(session):
        read = func.json_to_recordset(cast(literal(text, String), JSON)).table_valued(
            *named, name="given"
        )
        values = [*read.render_derived(with_types=True).c]
    else:
        each = func.json_each(text).table_valued("value").c.value
        values = [
            type_coerce(func.json_extract(each, f"$.{one.name}"), one.type).label(one.name)
            for one in named
        ]
    table: CTE = select(*values).cte("asked").prefix_with("MATERIALIZED")
    return table


def _in_json(value: Any) -> Any:
    """A moment as SQLite keeps it; PostgreSQL reads it too, as the session is in UTC."""
    if not isinstance(value, datetime):
        return value
    return value.astimezone(UTC).replace(tzinfo=None).isoformat(" ", "microseconds")


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


def period(session: Session) -> tuple[datetime | None, datetime | None]:
    """When the oldest record that is kept was written, and the newest."""
    moment = col(AccessRecord.recorded_at)
    found = select(func.min(moment), func.max(moment))
    first, last = session.exec(found).one()
    return first, last


def subject_between(session: Session, since: datetime, until: datetime) -> str | None:
    """The token of some person of whom there is a record from `since` to before `until`."""
    moment, subject = col(AccessRecord.recorded_at), col(AccessRecord.subject)
    within = (moment >= since, moment < until, subject.is_not(None))
    return session.exec(select(subject).where(*within).limit(1)).first()


def last_answer(
    session: Session, names: Sequence[str], protocol: str | None, purpose: str | None
) -> Mapping[str, Any] | None:
    """The newest answer to who has these names under an agreement; None where there was none."""
    wanted = Search(
        among=tuple(names),
        protocol=protocol,
        purpose=purpose,
        types=(RecordType.ACCESS.value, RecordType.DELIVERY.value),
        outcome=Outcome.ALLOWED.value,
        limit=1,
    )
    found = search(session, wanted).records
    return found[0][1] if found and "protocol" in found[0][1] else None


def given(session: Session, records: Sequence[Mapping[str, Any]]) -> Iterator[Mapping[str, Any]]:
    """These records without those of persons on a list that was never given: the record of its
    delivery does not stand."""
    lists = {one["parentId"] for one in records if _is_of_list(one)}
    known = select(AccessRecord.event_id).where(col(AccessRecord.event_id).in_(lists))
    stand = frozenset(session.exec(known)) if lists else ()
    return (one for one in records if not _is_of_list(one) or one["parentId"] in stand)


def _is_of_list(record: Mapping[str, Any]) -> bool:
    """Whether a record is about one person on a list."""
    return (
        record["type"] == RecordType.DELIVERY.value and "subject" in record and "parentId" in record
    )


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
