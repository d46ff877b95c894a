"""The access log: one record for every request, durable before any answer leaves."""

import asyncio
import hashlib
import secrets
import uuid
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, datetime
from enum import StrEnum
from typing import Any

import orjson
from anyio import to_thread
from sqlalchemy import BinaryExpression, ColumnElement
from sqlalchemy.exc import InterfaceError, OperationalError, SQLAlchemyError, TimeoutError
from sqlmodel import Session, col, insert, or_, select, update

from app.canonical import canonical_json
from app.database import Database
from app.errors import LogUnavailable, Outcome, Reason, RegisterChanged
from app.models.access import AccessDetail, AccessRecord, LogHead
from app.models.register import RegisterState
from app.moments import rfc3339
from app.month_keys import MonthKey, MonthKeyMissing, MonthKeys
from app.policy import Clause
from app.visit import Visit, new_event_id

MAXIMUM_RECORD = 65_535  # bytes; entry bundles prefix a record with its length as uint16


class RecordType(StrEnum):
    """What kind of event a record is about."""

    ACCESS = "access"
    ADMIN = "admin"
    LOG_READ = "logRead"


@dataclass(frozen=True)
class Agreement:
    """The version of the protocol that an event falls under."""

    protocol: str
    version: str
    hash: str
    on_behalf_of: str | None = None

    @classmethod
    def of(cls, clause: Clause | None) -> "Agreement | None":
        """The agreement that a clause belongs to."""
        if clause is None:
            return None
        return cls(clause.protocol, clause.version, clause.hash, clause.on_behalf_of)


@dataclass(frozen=True)
class Trace:
    """What a use case adds to the visit: the agreement, the question, the answer, the person."""

    outcome: Outcome = Outcome.ALLOWED
    status: int | None = None  # the code that the edge gives; a command has none
    reason: Reason | None = None
    type: RecordType = RecordType.ACCESS
    agreement: Agreement | None = None
    purpose: str | None = None  # only a purpose that some protocol names
    reason_reference: str | None = None
    requested: Collection[str] = ()
    delivered: Collection[str] = ()
    as_of: date | None = None
    counts: Mapping[str, int] = field(default_factory=dict)
    rule_set: Mapping[str, str] | None = None
    subject: str | None = None  # national number; encrypted in the record
    subject_basis: str | None = None
    subject_fact: str | None = None  # encrypted in the record
    answer: bytes | None = None  # digested, never kept
    detail: Mapping[str, Any] | None = None  # for the side table


@dataclass(frozen=True)
class Entry:
    """A record ready to append: its canonical bytes, its columns, its detail."""

    columns: Mapping[str, Any]
    detail: Mapping[str, Any] | None
    register_version: int | None  # the version that decided; None when none did

    @property
    def event_id(self) -> str:
        """The idempotency key."""
        return str(self.columns["event_id"])


@dataclass(frozen=True)
class Origin:
    """What every record of this process says of the service."""

    catalogue_hash: str
    service_version: str
    node: str


def entry_of(
    visit: Visit,
    trace: Trace,
    key: MonthKey,
    origin: Origin,
    recorded_at: datetime,
    register_version: int | None,
) -> Entry:
    """Make the record of access-log.md; what has no value is left out."""
    agreed = trace.agreement
    answer, event_id = trace.answer, visit.event_id
    detail = canonical_json(trace.detail) if trace.detail else None
    record = {
        "v": 1,
        "type": trace.type.value,
        "eventId": event_id,
        "startedAt": rfc3339(visit.started_at),
        "recordedAt": rfc3339(recorded_at),
        "traceId": visit.trace_id,
        "spanId": visit.span_id,
        "correlationId": visit.correlation_id,
        "reference": visit.reference,
        "organisation": visit.organisation,
        "onBehalfOf": agreed.on_behalf_of if agreed else None,
        "client": visit.client,
        "credential": visit.credential,
        "system": visit.system,
        "user": key.hide("user", visit.user) if visit.user else None,
        "functionProfile": visit.function_profile,
        "protocol": agreed.protocol if agreed else None,
        "protocolVersion": agreed.version if agreed else None,
        "protocolHash": agreed.hash if agreed else None,
        "purpose": trace.purpose,
        "reasonReference": trace.reason_reference,
        "operation": visit.operation,
        "route": visit.route,
        "parameters": list(visit.parameters),
        "requestedFields": sorted(set(trace.requested)),
        "asOf": trace.as_of.isoformat() if trace.as_of else None,
        "outcome": trace.outcome.value,
        "status": trace.status,
        "reasonCode": trace.reason.value if trace.reason else None,
        "deliveredFields": sorted(set(trace.delivered)),
        "counts": dict(trace.counts),
        "responseDigest": key.digest(event_id, answer) if answer is not None else None,
        "ruleSet": dict(trace.rule_set) if trace.rule_set else None,
        "detailDigest": key.digest(f"{event_id}/detail", detail) if detail else None,
        "subject": key.hide("subject", trace.subject) if trace.subject else None,
        "subjectBasis": trace.subject_basis,
        "subjectFact": key.hide("fact", trace.subject_fact) if trace.subject_fact else None,
        "catalogueHash": origin.catalogue_hash,
        "serviceVersion": origin.service_version,
        "node": origin.node,
    }
    present = {name: value for name, value in record.items() if value not in (None, "", [], {})}
    return Entry(_columns(present, recorded_at), trace.detail, register_version)


def _columns(record: Mapping[str, Any], recorded_at: datetime) -> dict[str, Any]:
    encoded = canonical_json(record)
    if len(encoded) > MAXIMUM_RECORD:
        raise LogUnavailable
    fields = {*record.get("requestedFields", ()), *record.get("deliveredFields", ())}
    return {
        "event_id": record["eventId"],
        "record": encoded,
        "leaf_hash": hashlib.sha256(b"\x00" + encoded).digest(),
        "recorded_at": recorded_at,
        "type": record["type"],
        "outcome": record["outcome"],
        "organisation": record.get("organisation"),
        "protocol": record.get("protocol"),
        "purpose": record.get("purpose"),
        "function_profile": record.get("functionProfile"),
        "reason_code": record.get("reasonCode"),
        "reference": record.get("reference"),
        "subject": record.get("subject"),
        "user_token": record.get("user"),
        "fields": f" {' '.join(sorted(fields))} " if fields else None,
    }


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
