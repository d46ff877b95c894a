"""The access log: one record for every request, durable before any answer leaves."""

import asyncio
import secrets
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

import orjson
from anyio import to_thread
from sqlalchemy import BinaryExpression, ColumnElement
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError, TimeoutError
from sqlmodel import Session, col, insert, or_, select, update

from app.database import Database
from app.errors import LogUnavailable, RegisterChanged
from app.models.access import AccessDetail, AccessRecord, LogHead
from app.models.register import RegisterState
from app.month_keys import MonthKeyMissing, MonthKeys
from app.record import Agreement, Entry, Origin, RecordType, Trace, entry_of
from app.visit import Visit, new_event_id


def write(session: Session, entries: Sequence[Entry]) -> list[int | RegisterChanged]:
    """Append in the transaction of `session`: the index of each, or that the register moved.

    An entry whose event id is already there keeps its index: appending is idempotent.
    """
    head = session.exec(select(LogHead).with_for_update()).one()
    version = session.exec(select(RegisterState.version)).one()
    known = _indexes(session, [entry.event_id for entry in entries])
    results: list[int | RegisterChanged] = []
    rows, details = [], []
    size = head.size
    for entry in entries:
        if entry.event_id in known:
            results.append(known[entry.event_id])
            continue
        if entry.register_version not in (None, version):
            results.append(RegisterChanged())
            continue
        rows.append({**entry.columns, "log_index": size})
        if entry.detail:
            details.append({"event_id": entry.event_id, "detail": dict(entry.detail)})
        known[entry.event_id] = size
        results.append(size)
        size += 1
    if rows:
        session.execute(insert(AccessRecord), rows)
        session.execute(update(LogHead).values(size=size))
    if details:
        session.execute(insert(AccessDetail), details)
    return results


def _indexes(session: Session, event_ids: Sequence[str]) -> dict[str, int]:
    found = session.exec(
        select(AccessRecord.event_id, AccessRecord.log_index).where(
            col(AccessRecord.event_id).in_(event_ids)
        )
    )
    return dict(found.all())


def write_admin(
    session: Session,
    keys: MonthKeys,
    origin: Origin,
    operation: str,
    agreement: Agreement,
    now: datetime,
    reason: str | None = None,
) -> None:
    """Record an administrative act in the transaction of the act: both stand, or neither."""
    visit = Visit(
        operation=operation,
        route="cli",
        started_at=now,
        correlation_id=str(uuid.uuid4()),
        event_id=new_event_id(now),
        trace_id=secrets.token_hex(16),
        span_id=secrets.token_hex(8),
        system="protocolpoort",
    )
    trace = Trace(type=RecordType.ADMIN, agreement=agreement, reason_reference=reason)
    write(session, [entry_of(visit, trace, keys.at(now), origin, now, None)])


class AccessLog:
    """The one writer of this process: what arrives during a commit shares the next one."""

    def __init__(self, database: Database, keys: MonthKeys, origin: Origin) -> None:
        self._database = database
        self._keys = keys
        self._origin = origin
        self._waiting: list[tuple[Entry, asyncio.Future[int | RegisterChanged]]] = []
        self._writer: asyncio.Task[None] | None = None
        self.failed = False  # the last append failed; health tells

    @property
    def keys(self) -> MonthKeys:
        """The month keys, for searching by person and for health."""
        return self._keys

    async def append(
        self, visit: Visit, trace: Trace, now: datetime, register_version: int | None
    ) -> int:
        """Return the index when the record is durable.

        Raises RegisterChanged when the register is no longer the one that decided, and
        LogUnavailable when the record cannot be written: then nothing may leave.
        """
        try:
            key = self._keys.at(now)
        except (MonthKeyMissing, OSError):
            self.failed = True
            raise LogUnavailable from None
        entry = entry_of(visit, trace, key, self._origin, now, register_version)
        future: asyncio.Future[int | RegisterChanged] = asyncio.get_running_loop().create_future()
        self._waiting.append((entry, future))
        if self._writer is None or self._writer.done():
            self._writer = asyncio.create_task(self._drain())
        # A client that goes away does not cancel its record.
        result = await asyncio.shield(future)
        if isinstance(result, RegisterChanged):
            raise result
        return result

    async def _drain(self) -> None:
        while self._waiting:
            batch, self._waiting = self._waiting, []
            try:
                results = await to_thread.run_sync(self._commit, [entry for entry, _ in batch])
            except Exception:  # noqa: BLE001 - whatever it was, every waiter must hear of it
                self.failed = True
                results = [LogUnavailable() for _ in batch]
            for (_, future), result in zip(batch, results, strict=True):
                if isinstance(result, LogUnavailable):
                    future.set_exception(result)
                else:
                    future.set_result(result)

    def _commit(self, entries: Sequence[Entry]) -> list[int | RegisterChanged | LogUnavailable]:
        """One transaction for all; when it fails, one each, so that a bad one fails alone."""
        try:
            with self._database.writing() as session:
                results: list[int | RegisterChanged | LogUnavailable] = [*write(session, entries)]
        except (OperationalError, InterfaceError, TimeoutError):
            # The lock or the connection, not a record: each alone would wait as long again.
            self.failed = True
            return self._settle(entries)
        except SQLAlchemyError:
            self.failed = True
            if len(entries) == 1:
                return [LogUnavailable()]
            return [result for entry in entries for result in self._commit([entry])]
        self.failed = False
        return results

    def _settle(self, entries: Sequence[Entry]) -> list[int | RegisterChanged | LogUnavailable]:
        """What a connection that was lost around the commit left behind: look before answering."""
        with self._database.reading() as session:
            known = _indexes(session, [entry.event_id for entry in entries])
        return [known.get(entry.event_id, LogUnavailable()) for entry in entries]


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
    statement = (
        select(AccessRecord.log_index, AccessRecord.record)
        .where(col(AccessRecord.log_index) < before)
        .where(*_conditions(wanted))
        .order_by(col(AccessRecord.log_index).desc())
        .limit(wanted.limit + 1)
    )
    rows = session.exec(statement).all()
    page = [(index, orjson.loads(record)) for index, record in rows[: wanted.limit]]
    return Found(page, len(rows) > wanted.limit, size)


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
    if wanted.since is not None:
        conditions.append(col(AccessRecord.recorded_at) >= wanted.since)
    if wanted.until is not None:
        conditions.append(col(AccessRecord.recorded_at) <= wanted.until)
    return conditions


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
