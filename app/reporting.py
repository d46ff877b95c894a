"""What a receiver reports, and what it is told: `createMelding...` and `listMeldingen`."""

from collections.abc import Collection, Mapping, Sequence
from datetime import datetime
from itertools import product
from typing import Any

from sqlmodel import Session

from app import log_search, notice_rules, notice_view, notices
from app.errors import (
    AccessRefused,
    Answered,
    DateOutOfRange,
    InputInvalid,
    Issue,
    IssueType,
    Outcome,
    Reason,
    RecordUnknown,
)
from app.gate import Gate, Told
from app.moments import brussels_date, read_moment
from app.month_keys import Opener
from app.notice_rules import ADVICE_OPERATIONS, VALUE_OPERATIONS, IncidentKind, IncidentState, Kind
from app.notice_rules import State as NoticeState
from app.notices import Incident, Notice, Notification
from app.record import CLOCK_TOLERANCE, Agreement, RecordType, Trace
from app.register import Register
from app.reports import DataReport, IncidentReport
from app.values import but
from app.visit import Visit, new_event_id

PAGE = 50


async def report_data(gate: Gate, visit: Visit, report: DataReport, now: datetime) -> bytes:
    """Take a report of wrong data, or of an advice that is contested, on an own access.

    Raises RecordUnknown for whatever is no answer with data to this organisation, or to one that
    went on in it: all look the same. Raises InputInvalid for what does not fit the access.
    """
    trace = Trace(type=RecordType.NOTICE)
    event_id, names = report.toegangId.lower(), _names(gate, visit, now)
    record = await gate.database.read(_find, event_id, names)
    subject = record and Opener(gate.log.keys).subject(record)
    if record is None or subject is None:
        await gate.refuse(visit, trace, RecordUnknown())
    trace = but(
        trace,
        subject=subject,
        parent=record["eventId"],
        agreement=_agreement(record),
        purpose=record["purpose"],
        requested=(report.veld,) if report.veld else (),
    )
    kind, today = Kind(report.soort), brussels_date(now)
    requested, delivered = record.get("requestedFields", ()), record.get("deliveredFields", ())
    # Who stands on a list that the rules made was judged too.
    judged = record["operation"] in ADVICE_OPERATIONS or "ruleSet" in record
    issue = notice_rules.unfit(kind, report.veld, judged, requested, delivered)
    if issue is not None:
        await gate.refuse(visit, but(trace, requested=()), InputInvalid([issue]))
    accessed_on = brussels_date(read_moment(record["recordedAt"]))
    if issue := notice_rules.ill_dated(report.vastgesteldOp, accessed_on, today):
        await gate.refuse(visit, trace, DateOutOfRange([issue]))
    document = gate.register.document(record["protocol"], record["protocolHash"])
    term = document.data_error if document else None
    notice = Notice(
        id=visit.event_id,
        # Where the access is filed: whoever received it is told there, and nowhere twice.
        organisation=record["organisation"],
        access_id=record["eventId"],
        protocol=record["protocol"],
        version=record["protocolVersion"],
        hash=record["protocolHash"],
        kind=kind.value,
        field=report.veld,
        explanation=report.toelichting,
        found_on=report.vastgesteldOp,
        received_at=now,
        due_on=notice_rules.answer_due(term, report.vastgesteldOp, now) if term else None,
        reference=report.referte,
        state=NoticeState.RECEIVED.value,
    )
    before = await gate.database.read(_same, notice)
    answer = notice_view.encode(before or notice_view.data_report(notice))
    trace = but(trace, answer=answer)

    def add(session: Session) -> None:
        if not before:
            notices.add(session, notice)

    await gate.act(visit, trace, add, Answered.MADE)
    # Report and record are durable here; nothing has left yet.
    return answer


def _names(gate: Gate, visit: Visit, now: datetime) -> tuple[str, ...]:
    """Under which identifiers something of this organisation can be filed, its own first."""
    return gate.register.names_of(visit.organisation or "", brussels_date(now))


def _same(session: Session, notice: Notice) -> dict[str, Any] | None:
    """The same report as it stands: it is stored once, however often it comes."""
    before = notices.same(session, notice)
    return notice_view.data_report(before) if before else None


def _is_answer(record: Mapping[str, Any], names: Collection[str]) -> bool:
    """Whether who has these names got data of one person, or an advice, by this record."""
    return (
        record.get("organisation") in names
        and record["operation"] in VALUE_OPERATIONS | ADVICE_OPERATIONS
        and record["outcome"] == Outcome.ALLOWED
        and "subject" in record
    )


def _find(session: Session, event_id: str, names: Collection[str]) -> Mapping[str, Any] | None:
    """The record of an answer to who has these names; None for whatever is none."""
    kept = log_search.find(session, event_id)
    if kept is None or not _is_answer(kept.record, names):
        return None
    # Who stands on a list that was never given was told of to nobody.
    return next(log_search.given(session, [kept.record]), None)


def _agreement(record: Mapping[str, Any]) -> Agreement:
    return Agreement(
        record["protocol"],
        record["protocolVersion"],
        record["protocolHash"],
        record.get("onBehalfOf"),
    )


async def report_incident(gate: Gate, visit: Visit, report: IncidentReport, now: datetime) -> bytes:
    """Take a report of an incident under an agreement of this organisation, or of one that went on
    in it; also under one that is over.

    Raises AccessRefused where there is no such agreement, and InputInvalid.
    """
    purpose = gate.register.known_purpose(report.doeleinde) if report.doeleinde else None
    trace = Trace(type=RecordType.NOTICE, purpose=purpose)
    await _check_moments(gate, visit, trace, report, now)
    names = _names(gate, visit, now)
    agreed = _agreed(gate.register, names, report, now)
    if agreed is None:
        agreed = await gate.database.read(_had, names, report)
    document = gate.register.document(agreed.protocol, agreed.hash) if agreed else None
    if agreed is None or document is None:
        await gate.refuse(visit, trace, AccessRefused(Reason.NO_PROTOCOL))
    trace = but(trace, agreement=agreed)
    kind = IncidentKind(report.soort)
    term = notice_rules.incident_term(document.incident, kind, report.vastgesteldOp)
    incident = Incident(
        id=visit.event_id,
        organisation=visit.organisation or "",
        by_agency=False,
        protocol=agreed.protocol,
        version=agreed.version,
        hash=agreed.hash,
        kind=kind.value,
        obliged=term.obliged,
        hours=term.hours,
        found_at=report.vastgesteldOp,
        reported_at=now,
        due_at=term.due_at,
        in_time=term.in_time(now),
        description=report.omschrijving,
        client=report.client,
        since=report.van,
        until=report.tot,
        reference=report.referte,
        contacts=notice_rules.to_be_told(document),
        state=IncidentState.REPORTED.value,
    )
    answer = notice_view.encode(notice_view.incident_report(incident))
    trace = but(trace, answer=answer)
    await gate.act(visit, trace, lambda db: notices.add(db, incident), Answered.MADE)
    # Report and record are durable here; nothing has left yet.
    return answer


def _agreed(
    register: Register, names: Sequence[str], report: IncidentReport, now: datetime
) -> Agreement | None:
    """Under which agreement the data were had: as it stood when it was found, else as of today."""
    days = (brussels_date(report.vastgesteldOp), brussels_date(now))
    for day, name in product(days, names):
        for clause in register.of(name, day):
            if report.protocol in (None, clause.protocol) and report.doeleinde in (
                None,
                clause.purpose,
            ):
                return Agreement.of(clause)
    return None


def _had(session: Session, names: Sequence[str], report: IncidentReport) -> Agreement | None:
    """The agreement of the newest answer: who may ask no longer still has what it got."""
    record = log_search.last_answer(session, names, report.protocol, report.doeleinde)
    return _agreement(record) if record else None


async def _check_moments(
    gate: Gate, visit: Visit, trace: Trace, report: IncidentReport, now: datetime
) -> None:
    """What is found lies behind us, and a period has its begin first."""
    if report.vastgesteldOp > now + CLOCK_TOLERANCE:
        rule = "must be a moment that has passed"
        issue = Issue(IssueType.OUT_OF_RANGE, rule, name="vastgesteldOp")
        await gate.refuse(visit, trace, DateOutOfRange([issue]))
    if report.van and report.tot and report.van > report.tot:
        issue = Issue(IssueType.INVALID_PERIOD, "`van` lies after `tot`", name="van")
        await gate.refuse(visit, trace, InputInvalid([issue]))


async def list_reports(gate: Gate, visit: Visit, cursor: str | None, now: datetime) -> bytes:
    """A page of what an organisation reported and was told; what is told counts as fetched.

    Also of what went on in it: that is filed under the identifier of its day.
    Raises InputInvalid for a cursor of another organisation, or of another month.
    """
    trace, organisation = Trace(type=RecordType.NOTICE), visit.organisation or ""
    kind = f"cursor/meldingen/{organisation}"
    key, before = gate.log.keys.at(now), None
    if cursor is not None:
        try:
            before = key.reveal(kind, cursor)
        except ValueError:
            rule = "must be the `next` of another page of this organisation"
            issue = Issue(IssueType.INVALID_STRUCTURE, rule, "query", "cursor")
            await gate.refuse(visit, trace, InputInvalid([issue]))
    found, items = await gate.database.read(_page, _names(gate, visit, now), before)
    next_ = key.hide(kind, found[PAGE - 1].id) if len(found) > PAGE else None
    answer = notice_view.encode_page(items, next_)
    parts = [
        _fetched(visit, row, item, now)
        for row, item in zip(found, items, strict=False)
        if isinstance(row, Notification) and row.fetched_at is None
    ]
    counts = {"notices": len(items), "fetched": len(parts)}
    ids = [told.trace.parent or "" for _, told in parts]
    trace = but(trace, counts=counts, answer=answer)
    await gate.act(visit, trace, lambda db: notices.fetched(db, ids, now), parts=parts)
    # The records are durable here; nothing has left yet.
    return answer


def _fetched(
    visit: Visit, row: Notification, item: Mapping[str, Any], now: datetime
) -> tuple[Visit, Told]:
    """The record that a notification was fetched, which names it."""
    trace = Trace(type=RecordType.NOTICE, parent=row.id)
    return but(visit, event_id=new_event_id(now)), Told(trace, notice_view.encode(item))


def _page(
    session: Session, names: Sequence[str], before: str | None
) -> tuple[list[notices.Item], list[dict[str, Any]]]:
    """One more than fits, and what is shown of those that do."""
    found = notices.page(session, names, before, PAGE + 1)
    about = {row.about for row in found if isinstance(row, Notification)}
    incidents, reports = notices.incidents(session, about), notices.notices(session, about)
    shown = [notice_view.item(row, reports, incidents) for row in found[:PAGE]]
    session.expunge_all()
    return found, shown
