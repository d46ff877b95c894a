"""The use cases that prove: the proof of one record, an export, the entry bundles."""

import asyncio
import io
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime

from sqlmodel import Session

from app import audit_view, checkpoints, exports, log_search, log_tree
from app.checkpoints import Published
from app.errors import (
    CheckpointLate,
    InputInvalid,
    Issue,
    IssueType,
    RecordsPruned,
    RecordUnknown,
)
from app.gate import Gate
from app.month_keys import MonthKeys
from app.record import RecordType, Trace
from app.tlog import tiles, tree
from app.tlog.proof import encode_proof
from app.visit import Visit, event_id_of
from app.wire import ExportQuery

TRIES, STEP = 40, 0.05  # seconds between: a checkpoint is signed at most once a second
EXPORT_LIMIT = 10_000  # records in one answer; `protocolpoort log export` takes any number


async def prove_access(gate: Gate, visit: Visit, scopes: Collection[str], event_id: str) -> bytes:
    """The proof that one record stands in the log (C2SP tlog-proof).

    Raises RecordUnknown, also for a record of another organisation than one may see, and
    CheckpointLate when no checkpoint covers the record yet.
    """
    trace = Trace(type=RecordType.LOG_READ)
    own = audit_view.only(scopes, visit, gate.register)
    kept = await gate.database.read(log_search.find, event_id)
    if kept is None or not audit_view.may_see(kept.record, own):
        await gate.refuse(visit, trace, RecordUnknown())
    trace = replace(trace, parent=event_id)
    told = await _covering(gate, kept.index)
    if told is None:
        await gate.refuse(visit, trace, CheckpointLate())
    answer = await gate.database.read(_proof, kept.index, told)
    await gate.record(visit, replace(trace, counts={"records": 1}, answer=answer))
    return answer


async def export_access(gate: Gate, visit: Visit, query: ExportQuery) -> bytes:
    """A bundle that proves itself: a range of indexes, or what the filters find.

    Raises InputInvalid for a question that is too wide, too large or beyond the log,
    RecordsPruned for a range that is no longer whole, CheckpointLate when no checkpoint covers it.
    """
    visit = audit_view.asked(visit, query)
    trace = Trace(
        type=RecordType.LOG_READ,
        reason_reference=query.aanleiding,
        subject=query.insz.digits if query.insz else None,
    )
    head = await gate.database.read(log_tree.head)
    if issue := _unfit(query, head.size):
        await gate.refuse(visit, trace, InputInvalid([issue]))
    span = query.span
    indexes = span if span else await gate.database.read(_found, query, gate.log.keys)
    if len(indexes) > EXPORT_LIMIT:
        rule = f"finds more than {EXPORT_LIMIT} records: narrow it, or ask for parts"
        await gate.refuse(visit, trace, InputInvalid([Issue(IssueType.INVALID_INPUT, rule)]))
    if span and span.start < head.minimum:
        await gate.refuse(visit, trace, RecordsPruned())
    told = await _covering(gate, indexes[-1] if indexes else -1)
    if told is None:
        await gate.refuse(visit, trace, CheckpointLate())
    about = {"eventId": visit.event_id, "reason": query.aanleiding}
    try:
        content, manifest = await gate.database.read(_bundle, indexes, told, about)
    except LookupError:  # pruned meanwhile
        await gate.refuse(visit, trace, RecordsPruned())
    counts = {"records": len(indexes)}
    if span:
        counts |= {"firstIndex": span.start, "lastIndex": span.stop - 1}
    await gate.record(visit, replace(trace, counts=counts, manifest=manifest, answer=content))
    return content


async def read_entries(gate: Gate, visit: Visit, index: int, width: int, now: datetime) -> bytes:
    """An entry bundle of C2SP tlog-tiles; recorded once for each token and UTC hour.

    Raises RecordUnknown for what no checkpoint covers, RecordsPruned below the minimum index.
    """
    trace = Trace(type=RecordType.LOG_READ)
    head = await gate.database.read(log_tree.head)
    told = await gate.database.read(checkpoints.published)
    first = index * tiles.WIDTH
    if first + width > told.size:
        await gate.refuse(visit, trace, RecordUnknown())
    if first < head.minimum:
        await gate.refuse(visit, trace, RecordsPruned())
    try:
        answer = await gate.database.read(_entries, first, width)
    except LookupError:  # pruned meanwhile
        await gate.refuse(visit, trace, RecordsPruned())
    # Appending is idempotent: the second time in an hour it adds nothing.
    hourly = replace(visit, event_id=_hourly_id(gate, visit, now))
    await gate.record(hourly, trace)
    return answer


async def _covering(gate: Gate, index: int) -> Published | None:
    """What is published, once a checkpoint covers a record; None when that takes too long."""
    for _ in range(TRIES):
        told = await gate.database.read(checkpoints.published)
        if told.note and told.size > index:
            return told
        await asyncio.sleep(STEP)
    return None


def _proof(session: Session, index: int, told: Published) -> bytes:
    hashes = tree.inclusion_proof(index, told.size, log_tree.reader(session, told.size))
    return encode_proof(index, hashes, told.note).encode()


def _unfit(query: ExportQuery, size: int) -> Issue | None:
    """Either a range that lies within the log, or filters (api.md)."""
    asked = query.model_fields_set & {"vanIndex", "totIndex"}
    if not asked:
        return audit_view.too_wide(query)
    if query.filters or query.van or query.tot:
        return Issue(IssueType.INVALID_INPUT, "takes a range of indexes or filters, not both")
    if query.span is None:
        return Issue(IssueType.INVALID_INPUT, "a range needs `vanIndex` and `totIndex`")
    if not query.span:
        return Issue(IssueType.INVALID_PERIOD, "`vanIndex` lies after `totIndex`", name="vanIndex")
    if query.span.stop > size:
        rule = f"lies beyond the log, which holds {size} records"
        return Issue(IssueType.OUT_OF_RANGE, rule, name="totIndex")
    return None


def _found(session: Session, query: ExportQuery, keys: MonthKeys) -> Sequence[int]:
    wanted = audit_view.search_of(session, query, keys, own=None)
    return log_search.indexes(session, replace(wanted, limit=EXPORT_LIMIT))


def _bundle(
    session: Session, indexes: Sequence[int], told: Published, about: Mapping[str, str]
) -> tuple[bytes, str]:
    file = io.BytesIO()
    if isinstance(indexes, range):
        manifest = exports.write_range(session, file, indexes, told, about)
    else:
        manifest = exports.write_selection(session, file, indexes, told, about)
    return file.getvalue(), manifest


def _entries(session: Session, first: int, width: int) -> bytes:
    return tiles.encode_entries(
        record for _, record in log_tree.records(session, first, first + width)
    )


def _hourly_id(gate: Gate, visit: Visit, now: datetime) -> str:
    """The one id of what a user reads with a token within a UTC hour.

    Under the key of the month: else the id would tell who the user is to whoever tries them all.
    """
    hour = now.astimezone(UTC).replace(minute=0, second=0, microsecond=0)
    # Two issuers may use one jti, and the officials of an organisation may share one token.
    reader = (visit.organisation, visit.client, visit.credential, visit.user, visit.operation)
    return event_id_of(gate.log.keys.at(now).salt(f"{hour} {reader!r}"), hour)
