"""What the agency does with a report of wrong data, and with incidents: each act a record.

An act and all that is told of it stand in one transaction: whatever stops it, nobody is told twice
and nobody is forgotten.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime

from sqlmodel import Session

from app import (
    access_log,
    administration,
    log_search,
    notice_rules,
    notices,
    protocols,
    receivers,
)
from app.administration import Office
from app.insz import Insz
from app.moments import brussels_date
from app.month_keys import Opener
from app.notice_rules import Event, IncidentKind, IncidentState, Kind, Outcome, State
from app.notices import Incident, Notice
from app.policy import Clause
from app.record import Agreement, RecordType, Trace
from app.values import but


class NoticeRefused(Exception):
    """An act that cannot be: nothing is changed; the text says why and holds no person."""


@dataclass(frozen=True)
class Discovery:
    """An incident that the agency found itself."""

    protocol: str
    kind: IncidentKind
    found_at: datetime
    description: str
    organisations: Collection[str] = ()  # none: every receiver under the protocol
    client: str | None = None
    since: datetime | None = None
    until: datetime | None = None


def answer(office: Office, id_: str, outcome: Outcome, text: str, now: datetime) -> list[str]:
    """Answer a report, and tell whom it concerns, once; the organisations that are told.

    When the value was wrong that is everybody who received it, else who reported it. Raises
    NoticeRefused, and MonthKeyMissing for a month in which nobody could be found.
    """
    with office.database.writing() as session:
        # From here on no answer leaves: whoever received the value stands in the log already.
        access_log.lock(session)
        notice = notices.find_notice(session, id_)
        if notice is None:
            raise NoticeRefused("there is no report with this id")
        if notice.state != State.RECEIVED:
            raise NoticeRefused("it is answered already: nobody is told twice")
        insz = _person(session, office, notice)
        told = {notice.organisation: [notice.access_id]}
        event = Event.ANSWER
        if outcome is Outcome.CORRECTED:
            event, kind = Event.CORRECTION, Kind(notice.kind)
            known = notices.told_before(session, notice.field)
            found = receivers.of_value(session, office.keys, insz, notice.field, kind)
            # Of an access that was told of before nobody hears twice.
            new = {of: [id_ for id_ in ids if id_ not in known] for of, ids in found.items()}
            told |= {of: ids for of, ids in new.items() if ids}
        notices.settle(session, notice, outcome, text, now)
        trace = Trace(
            type=RecordType.NOTICE,
            subject=insz.digits,
            parent=notice.id,
            requested=(notice.field,) if notice.field else (),
        )
        answered = but(
            trace,
            agreement=Agreement(notice.protocol, notice.version, notice.hash),
            reason_reference=outcome.value,
            counts={"organisations": len(told)},
        )
        acted = administration.record(session, office, "noticeAnswer", answered, now)
        # Not the report: its id tells another organisation when it was made.
        _tell(session, office, but(trace, parent=acted), notice.id, event, told, now)
    return sorted(told)


def _person(session: Session, office: Office, notice: Notice) -> Insz:
    """Whom a report is about, as its own record says."""
    kept = log_search.find(session, notice.id)
    if kept is None:
        raise NoticeRefused("its record is gone: whom it was about nobody knows")
    subject = Opener(office.keys).subject(kept.record)
    if subject is None:
        raise NoticeRefused("the key of its month is gone: whom it was about nobody knows")
    return Insz(subject)


def _tell(
    session: Session,
    office: Office,
    trace: Trace,
    about: str,
    event: Event,
    told: dict[str, list[str]],
    now: datetime,
) -> None:
    """A notification and its record for each organisation, about the records that it caused."""
    for organisation, ids in sorted(told.items()):
        counts = {"accesses": len(ids)}
        noted = but(trace, reason_reference=event.value, counts=counts)
        id_ = administration.record(session, office, "noticeNotify", noted, now, organisation)
        notices.notify(session, id_, about, event, organisation, ids, now)


def open_incident(office: Office, found: Discovery, now: datetime) -> tuple[str, list[str]]:
    """Report an incident of the agency's own to the receivers; its id, and who is told.

    Raises NoticeRefused for a protocol that there is not, and a body that is no receiver under it.
    """
    today = brussels_date(now)
    if found.found_at > now:
        raise NoticeRefused("what is found later nobody can report yet")
    with office.database.writing() as session:
        access_log.lock(session)
        register = protocols.read_register(session)
        clauses = [one for one in register.on(today) if one.protocol == found.protocol]
        if not clauses:
            raise NoticeRefused("no protocol of the register has this id")
        clause = clauses[0]
        provider = register.provider(clause)
        told = _receivers(session, clauses, provider, found.organisations)
        document = register.document(clause.protocol, clause.hash)
        assert document is not None  # noqa: S101 - a clause is of a document of the register
        trace = Trace(
            type=RecordType.NOTICE,
            agreement=but(Agreement.of(clause), on_behalf_of=None, lists=()),
            reason_reference=found.kind.value,
            counts={"organisations": len(told)},
        )
        id_ = administration.record(session, office, "incidentOpen", trace, now)
        incident = Incident(
            id=id_,
            organisation=provider,
            by_agency=True,
            protocol=clause.protocol,
            version=clause.version,
            hash=clause.hash,
            kind=found.kind.value,
            obliged=True,
            found_at=found.found_at,
            reported_at=now,
            description=found.description,
            client=found.client,
            since=found.since,
            until=found.until,
            contacts=notice_rules.to_be_told(document),
            state=IncidentState.REPORTED.value,
        )
        notices.add(session, incident)
        _tell(session, office, but(trace, parent=id_), id_, Event.INCIDENT, told, now)
    return id_, sorted(told)


def _receivers(
    session: Session, clauses: Sequence[Clause], provider: str, wanted: Collection[str]
) -> dict[str, list[str]]:
    """Every receiver under a protocol today, or those that are named: they may be of before."""
    known = {clause.organisation for clause in clauses} - {provider}
    protocol = clauses[0].protocol
    for organisation in sorted({*wanted} - known):
        if log_search.last_answer(session, [organisation], protocol, None) is None:
            raise NoticeRefused("an organisation is no receiver under this protocol")
    return {organisation: [] for organisation in wanted or known}


def go_on(office: Office, id_: str, state: IncidentState, text: str, now: datetime) -> None:
    """Say how an incident goes on; who is concerned is told when it is closed. Raises
    NoticeRefused for one that is closed already."""
    with office.database.writing() as session:
        access_log.lock(session)
        incident = notices.find_incident(session, id_)
        if incident is None:
            raise NoticeRefused("there is no incident with this id")
        if not notice_rules.may_become(IncidentState(incident.state), state):
            raise NoticeRefused("it is closed already")
        notices.go_on(session, incident, state, text, now)
        closes = state is IncidentState.CLOSED
        trace = Trace(type=RecordType.NOTICE, parent=id_, reason_reference=state.value)
        operation = "incidentClose" if closes else "incidentUpdate"
        administration.record(session, office, operation, trace, now)
        if closes:
            concerned = {row.organisation for row in notices.told_of(session, id_)}
            if not incident.by_agency:
                concerned.add(incident.organisation)
            told: dict[str, list[str]] = {organisation: [] for organisation in concerned}
            _tell(session, office, trace, id_, Event.INCIDENT_CLOSED, told, now)
