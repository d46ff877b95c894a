"""The record of the access log: what an auditor will read of a request, in bytes that stay.

Fields and groups: access-log.md, Record. What has no value is left out.
"""

import secrets
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

from app.canonical import canonical_json
from app.errors import LogUnavailable, Outcome, Reason
from app.moments import read_moment, rfc3339
from app.month_keys import MonthKey
from app.policy import Clause, Operation, Quota, QuotaPeriod
from app.tlog.tree import leaf_hash
from app.visit import Visit

MAXIMUM_RECORD = 65_535  # bytes; entry bundles prefix a record with its length as uint16
# Between the making of a record and its commit: a lock takes 10 s, and clocks differ a little.
CLOCK_TOLERANCE = timedelta(minutes=1)
# Refusals that look the same on the wire (api.md, Errors): the log must not tell them apart to
# the organisation that was refused.
ALIKE = (Reason.POPULATION, Reason.CANCELLED, Reason.UNKNOWN_PERSON)


class RecordType(StrEnum):
    """What kind of event a record is about."""

    ACCESS = "access"
    DISCLOSURE = "disclosure"
    ADMIN = "admin"
    DELIVERY = "delivery"
    LOG_READ = "logRead"
    NOTICE = "notice"  # of wrong data or an incident, and what is told of it


@dataclass(frozen=True)
class Agreement:
    """The version of the protocol that an event falls under."""

    protocol: str
    version: str
    hash: str
    on_behalf_of: str | None = None
    lists: tuple[tuple[str, str], ...] = ()  # kind and hash of what stood beside the document

    @classmethod
    def of(cls, clause: Clause | None) -> "Agreement | None":
        """The agreement that a clause belongs to."""
        if clause is None:
            return None
        return cls(clause.protocol, clause.version, clause.hash, clause.on_behalf_of, clause.lists)


class Turn(NamedTuple):
    """What is counted together: versions of a protocol share their quota."""

    protocol: str
    purpose: str
    organisation: str
    operation: str
    first: date  # of the half-year: a quota of another version may count a year


@dataclass(frozen=True)
class Allowance:
    """The turn of a quota that an answer takes, of at most `maximum`."""

    turn: Turn
    since: date  # from here on the turns count
    maximum: int
    until: date = date.max  # the first day from which they count no longer
    names: tuple[str, ...] = ()  # the identifiers of the party, where it has several

    @classmethod
    def of(cls, clause: Clause | None, operation: Operation, today: date) -> "Allowance | None":
        """The allowance of an operation on a day; None where its clause has no quota."""
        quota = clause.quota_of(operation) if clause else None
        if clause is None or quota is None:
            return None
        half, _ = Quota(operation, quota.maximum, QuotaPeriod.HALF_YEAR).span(today)
        # Under the identifier that asks: another version of the document may drop another one.
        turn = Turn(clause.protocol, clause.purpose, clause.organisation, operation, half)
        since, until = quota.span(today)
        return cls(turn, since, quota.maximum, until, clause.names)

    @property
    def id(self) -> str:
        """What is counted together: under the first identifier of the party."""
        first = (self.names or (self.turn.organisation,))[0]
        return "/".join(map(str, (*self.turn._replace(organisation=first)[:-1], self.since)))


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
    parent: str | None = None  # the record that this one is about
    requested: Collection[str] = ()
    delivered: Collection[str] = ()
    as_of: date | None = None
    year: int | None = None  # that a list was asked for
    counts: Mapping[str, int] = field(default_factory=dict)
    rule_set: Mapping[str, str] | None = None
    subject: str | None = None  # national number; encrypted in the record
    subject_basis: str | None = None
    subject_fact: str | None = None  # encrypted in the record
    allowance: Allowance | None = None  # what an answer takes a turn of
    answer: bytes | None = None  # digested, never kept
    manifest: str | None = None  # the digest of the manifest of an export
    file_digest: str | None = None  # of a file as it leaves, so of its sealed bytes
    key_fingerprint: str | None = None  # of the key that it is sealed to
    detail: Mapping[str, Any] | None = None  # for the side table
    known_at: datetime | None = None  # of the newest facts that an advice rests on


@dataclass(frozen=True)
class Entry:
    """A record ready to append: its canonical bytes, its columns, its detail."""

    columns: Mapping[str, Any]
    detail: Mapping[str, Any] | None
    register_version: int | None  # the version that decided; None when none did
    allowance: Allowance | None = None
    record: Mapping[str, Any] = field(default_factory=dict)
    known_at: datetime | None = None  # newer facts: decide again
    parts: "tuple[Entry, ...]" = ()  # records of persons, which stand or fall with this one

    def numbered(self, ordinal: int) -> Mapping[str, Any]:
        """The columns with a turn of the quota, which is known under the lock of the log alone."""
        return columns_of({**self.record, "quotaOrdinal": ordinal})

    @property
    def event_id(self) -> str:
        """The idempotency key."""
        return str(self.columns["event_id"])

    @property
    def recorded_at(self) -> datetime:
        """The moment that the record names."""
        moment: datetime = self.columns["recorded_at"]
        return moment


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
    agreed, taken = trace.agreement, trace.allowance
    answer, event_id = trace.answer, visit.event_id
    detail = canonical_json(trace.detail) if trace.detail else None
    record = {
        "v": 1,
        "type": trace.type.value,
        "eventId": event_id,
        "parentId": trace.parent,
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
        "listHashes": dict(agreed.lists) if agreed else None,
        "purpose": trace.purpose,
        "reasonReference": trace.reason_reference,
        "operation": visit.operation,
        "route": visit.route,
        "parameters": list(visit.parameters),
        "requestedFields": _sorted(frozenset(trace.requested)),
        "asOf": trace.as_of.isoformat() if trace.as_of else None,
        "year": trace.year,
        "outcome": trace.outcome.value,
        "status": trace.status,
        "reasonCode": trace.reason.value if trace.reason else None,
        # Hashes of records are public: without it, who knows the rest could try the reasons.
        "blind": secrets.token_urlsafe(16) if trace.reason in ALIKE else None,
        "deliveredFields": _sorted(frozenset(trace.delivered)),
        "counts": dict(trace.counts),
        "manifestDigest": trace.manifest,
        "fileDigest": trace.file_digest,
        "keyFingerprint": trace.key_fingerprint,
        "responseDigest": key.digest(event_id, answer) if answer is not None else None,
        "ruleSet": dict(trace.rule_set) if trace.rule_set else None,
        "detailDigest": key.digest(f"{event_id}/detail", detail) if detail else None,
        "subject": key.hide("subject", trace.subject) if trace.subject else None,
        "subjectBasis": trace.subject_basis,
        "subjectFact": key.hide("fact", trace.subject_fact) if trace.subject_fact else None,
        "quotaId": taken.id if taken else None,
        "quotaMaximum": taken.maximum if taken else None,
        "catalogueHash": origin.catalogue_hash,
        "serviceVersion": origin.service_version,
        "node": origin.node,
    }
    present = {name: value for name, value in record.items() if value or value == 0}
    columns = columns_of(present)
    return Entry(
        columns, trace.detail, register_version, taken, present if taken else {}, trace.known_at
    )


def columns_of(record: Mapping[str, Any]) -> dict[str, Any]:
    """The row of a record: its canonical bytes, their leaf hash, and what auditors search by.

    Raises LogUnavailable for a record that is too large.
    """
    encoded = canonical_json(record)
    if len(encoded) > MAXIMUM_RECORD:
        raise LogUnavailable
    requested, delivered = record.get("requestedFields", ()), record.get("deliveredFields", ())
    return {
        "event_id": record["eventId"],
        "record": encoded,
        "leaf_hash": leaf_hash(encoded),
        "recorded_at": read_moment(record["recordedAt"]),
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
        "fields": _searched(frozenset(requested), frozenset(delivered)),
    }


# A caller asks few different sets of fields, and gets few.
@lru_cache(maxsize=1024)
def _sorted(leaves: frozenset[str]) -> tuple[str, ...]:
    return tuple(sorted(leaves))


@lru_cache(maxsize=1024)
def _searched(requested: frozenset[str], delivered: frozenset[str]) -> str | None:
    both = requested | delivered
    return f" {' '.join(sorted(both))} " if both else None
