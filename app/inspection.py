"""The use cases that look at access itself: what an auditor finds, and what a caller may ask."""

from collections.abc import Collection
from dataclasses import replace
from datetime import date, datetime

from sqlmodel import Session

from app import answers, audit_view, log_search, policy, unusual
from app.audit_view import AUDIT
from app.errors import InputInvalid, RecordUnknown, ScopeMissing
from app.gate import Gate
from app.log_search import Found
from app.moments import brussels_date
from app.month_keys import MonthKeys
from app.policy import SERVED
from app.record import RecordType, Trace
from app.unusual import Signs
from app.visit import Visit
from app.wire import AccessQuery


async def query_access(
    gate: Gate, visit: Visit, scopes: Collection[str], query: AccessQuery
) -> bytes:
    """Search the log and record that it was searched.

    Without the full audit scope only the records of the caller's own organisation are seen, and of
    what went on in it.
    Raises InputInvalid for a question that is too wide, ScopeMissing for another organisation.
    """
    visit = audit_view.asked(visit, query)
    trace = Trace(type=RecordType.LOG_READ, reason_reference=query.aanleiding)
    if issue := audit_view.too_wide(query):
        await gate.refuse(visit, trace, InputInvalid([issue]))
    own = audit_view.only(scopes, visit, gate.register)
    if own is not None and query.organisatie not in (None, *own):
        await gate.refuse(visit, trace, ScopeMissing([AUDIT]))
    found, signs = await gate.database.read(_search, query, gate.log.keys, own)
    records = [(index, audit_view.shown(record, own)) for index, record in found.records]
    answer = answers.encode_access(
        records, more=found.more, size=found.size, signs=signs.of, whole=signs.whole
    )
    subject = query.insz.digits if query.insz else None
    trace = replace(trace, subject=subject, counts={"records": len(found.records)}, answer=answer)
    await gate.record(visit, trace)
    return answer


async def read_access(gate: Gate, visit: Visit, scopes: Collection[str], event_id: str) -> bytes:
    """One record of the log; the explanation of an advice is for the full audit scope alone.

    Raises RecordUnknown, also for a record of another organisation than one may see.
    """
    trace = Trace(type=RecordType.LOG_READ)
    own = audit_view.only(scopes, visit, gate.register)
    kept = await gate.database.read(log_search.find, event_id)
    if kept is None or not audit_view.may_see(kept.record, own):
        await gate.refuse(visit, trace, RecordUnknown())
    explanation = kept.detail if own is None else None
    answer = answers.encode_record(kept.index, audit_view.shown(kept.record, own), explanation)
    await gate.record(visit, replace(trace, counts={"records": 1}, answer=answer))
    return answer


async def my_access(gate: Gate, visit: Visit, day: date | None, now: datetime) -> bytes:
    """What the caller may ask, on `day` or today, and why not when nothing is open.

    For each purpose the clause that would decide, asked of the rule that would decide.
    """
    moment = day or brussels_date(now)
    items = []
    for clause in gate.register.of(visit.organisation, moment):
        if not clause.operations & SERVED:
            continue
        turns = {
            quota: await gate.used(clause, quota.operation, moment)
            for quota in clause.quotas
            if quota.operation in SERVED
        }
        used = {quota.operation: count for quota, count in turns.items()}
        standing = policy.standing(clause, moment, used, production=gate.settings.production)
        items.append((clause, standing, turns))
    answer = answers.encode_my_access(items, moment)
    await gate.record(visit, Trace(as_of=day, answer=answer))
    return answer


def _search(
    session: Session, query: AccessQuery, keys: MonthKeys, own: audit_view.Own
) -> tuple[Found, Signs]:
    wanted = audit_view.search_of(session, query, keys, own)
    before = int(query.cursor) if query.cursor else None
    found = log_search.search(session, replace(wanted, before=before, limit=query.pageSize))
    # An organisation would read from a sign that two of its numbers are of one person.
    signs = unusual.signs(session, keys, found.records) if own is None else Signs({})
    return found, signs
