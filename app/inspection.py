"""The use cases that look at access itself: what an auditor finds, and what a caller may ask."""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import date, datetime, timedelta
from typing import Any

from sqlmodel import Session

from app import access_log, answers, fields, policy, population
from app.access_log import Search
from app.errors import InputInvalid, Issue, IssueType, Reason, RecordUnknown, ScopeMissing
from app.gate import Gate
from app.moments import brussels_date
from app.month_keys import MonthKeys
from app.policy import SERVED
from app.record import RecordType, Trace
from app.visit import Visit
from app.wire import AccessQuery

AUDIT = "inb_audit_v1_G"
AUDIT_OWN = "inb_audit_eigen_v1_G"
# Refusals that look the same on the wire (api.md, Errors).
ALIKE = (Reason.POPULATION.value, Reason.CANCELLED.value, Reason.UNKNOWN_PERSON.value)
LONGEST_PERIOD = timedelta(days=31)  # that may be asked without any other filter


async def query_access(
    gate: Gate, visit: Visit, scopes: Collection[str], query: AccessQuery
) -> bytes:
    """Search the log and record that it was searched.

    Without the full audit scope only the records of the caller's own organisation are seen.
    Raises InputInvalid for a question that is too wide, ScopeMissing for another organisation.
    """
    trace = Trace(type=RecordType.LOG_READ, reason_reference=query.aanleiding)
    if issue := _too_wide(query):
        await gate.refuse(visit, trace, InputInvalid([issue]))
    if AUDIT not in scopes and query.organisatie not in (None, visit.organisation):
        await gate.refuse(visit, trace, ScopeMissing([AUDIT]))
    own = None if AUDIT in scopes else visit.organisation
    found = await gate.database.read(_search, query, gate.log.keys, own)
    records = [(index, _shown(record, own=own)) for index, record in found.records]
    answer = answers.encode_access(records, more=found.more, size=found.size)
    subject = query.insz.digits if query.insz else None
    trace = replace(trace, subject=subject, counts={"records": len(found.records)}, answer=answer)
    await gate.record(visit, trace)
    return answer


async def read_access(gate: Gate, visit: Visit, scopes: Collection[str], event_id: str) -> bytes:
    """One record of the log; the explanation of an advice is for the full audit scope alone.

    Raises RecordUnknown, also for a record of another organisation than one may see.
    """
    trace = Trace(type=RecordType.LOG_READ)
    kept = await gate.database.read(access_log.find, event_id)
    own = None if AUDIT in scopes else visit.organisation
    if kept is None or own not in (None, kept.record.get("organisation")):
        await gate.refuse(visit, trace, RecordUnknown())
    explanation = kept.detail if own is None else None
    answer = answers.encode_record(kept.index, _shown(kept.record, own=own), explanation)
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


def _shown(record: Mapping[str, Any], *, own: str | None) -> Mapping[str, Any]:
    """To its own organisation a refused person is outside the population, whoever it was.

    The refusal told the caller no more; the log must not tell it afterwards.
    """
    if own is None or record.get("reasonCode") not in ALIKE:
        return record
    return {**record, "reasonCode": Reason.POPULATION.value}


def _reasons(asked: str | None, *, own: str | None) -> tuple[str, ...] | None:
    """The reason codes that a filter means, in the same way."""
    if asked is None:
        return None
    if own is None or asked not in ALIKE:
        return (asked,)
    return ALIKE if asked == Reason.POPULATION else ()


def _too_wide(query: AccessQuery) -> Issue | None:
    """A filter other than the period, or a period of at most 31 days (api.md)."""
    if query.van and query.tot and query.van > query.tot:
        return Issue(IssueType.INVALID_PERIOD, "`van` lies after `tot`", name="van")
    if query.filters:
        return None
    if query.van and query.tot and query.tot - query.van <= LONGEST_PERIOD:
        return None
    rule = f"needs a filter, or a period `van` to `tot` of at most {LONGEST_PERIOD.days} days"
    return Issue(IssueType.INVALID_INPUT, rule)


def _search(
    session: Session, query: AccessQuery, keys: MonthKeys, own: str | None
) -> access_log.Found:
    """Persons and users are searched encrypted, under the key of each month that is kept."""
    subjects = users = None
    if query.insz:
        # An organisation sees what it asked, and not which numbers belong to one person.
        numbers = population.numbers_of(session, query.insz) if own is None else [query.insz.digits]
        subjects = tuple(key.hide("subject", number) for key in keys.kept() for number in numbers)
    if query.gebruiker:
        users = tuple(key.hide("user", query.gebruiker) for key in keys.kept())
    wanted = Search(
        organisation=own or query.organisatie,
        protocol=query.protocol,
        purpose=query.doeleinde,
        function_profile=query.functieprofiel,
        subjects=subjects,
        users=users,
        fields=tuple(sorted(fields.leaves(query.veld))) if query.veld else (),
        outcome=query.uitkomst,
        reasons=_reasons(query.reden, own=own),
        reference=query.referte,
        event_id=query.toegangId.lower() if query.toegangId else None,
        since=query.van,
        until=query.tot,
        before=int(query.cursor) if query.cursor else None,
        limit=query.pageSize,
    )
    return access_log.search(session, wanted)
