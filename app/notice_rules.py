"""Reports of wrong data and of incidents: their kinds, their terms, and how they go on. Pure.

Articles 6, 7 and 9 of the protocols; the terms stand in the documents (`gegevensfout`, `incident`).
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum

from app.agreement import DataError, Document, Incident
from app.errors import Issue, IssueType
from app.moments import brussels_date

VALUE_OPERATIONS = frozenset(
    {"queryDossier", "queryDossierBatch", "queryDeelnemers", "createLijst"}
)
ADVICE_OPERATIONS = frozenset({"queryAdvies", "queryAdviesBatch"})
# Between two attempts at a receiver that does not answer; after the last it asks by itself.
PAUSES = tuple(timedelta(minutes=minutes) for minutes in (1, 5, 30, 120, 360, 720, 1440, 1440))


class Kind(StrEnum):
    """What is wrong with a value, in the words of article 7; or an advice that is contested."""

    WRONG = "foutief"
    INACCURATE = "onnauwkeurig"
    INCOMPLETE = "onvolledig"
    MISSING = "ontbrekend"
    OUTDATED = "verouderd"
    SUPERFLUOUS = "overtollig"
    CONTESTED_ADVICE = "betwistAdvies"


class State(StrEnum):
    """How far the agency is with a report of wrong data."""

    RECEIVED = "ontvangen"
    ANSWERED = "beantwoord"


class Outcome(StrEnum):
    """What the agency found."""

    CORRECTED = "gecorrigeerd"
    CONFIRMED = "bevestigd"
    UNDETERMINED = "nietVastTeStellen"


class IncidentKind(StrEnum):
    """Data were reached without right, or somebody tried."""

    INCIDENT = "incident"
    ATTEMPT = "poging"


class IncidentState(StrEnum):
    """How far an incident is looked into."""

    REPORTED = "gemeld"
    EXAMINED = "inOnderzoek"
    CLOSED = "gesloten"


class Event(StrEnum):
    """Why a receiver is notified."""

    CORRECTION = "correctie"
    ANSWER = "antwoord"
    INCIDENT = "incident"
    INCIDENT_CLOSED = "incidentGesloten"


@dataclass(frozen=True)
class Term:
    """What a protocol demands of a report of an incident."""

    obliged: bool
    hours: int | None = None  # None: at once, but the text gives no hours
    due_at: datetime | None = None

    def in_time(self, reported_at: datetime) -> bool | None:
        """Whether the report came before its term; None where there is none."""
        return None if self.due_at is None else reported_at <= self.due_at


def unfit(
    kind: Kind,
    field: str | None,
    judged: bool,
    requested: Collection[str],
    delivered: Collection[str],
) -> Issue | None:
    """Why a report does not fit the access that it is about; what was missing was only asked.

    `judged`: it gave an advice.
    """
    if kind is Kind.CONTESTED_ADVICE:
        if not judged:
            return _wrong("needs an access that was an advice", "soort")
        return _wrong("has no place in a contested advice", "veld") if field else None
    if field is None:
        return _wrong("is required", "veld")
    if field in delivered or (kind is Kind.MISSING and field in requested):
        return None
    return _wrong("must be a field that this access delivered", "veld")


def ill_dated(found_on: date, accessed_on: date, today: date) -> Issue | None:
    """Why a value cannot have been found wrong on that day: it was not known, or is yet to come."""
    if accessed_on <= found_on <= today:
        return None
    rule = "must be a date from the day of the access to today"
    return Issue(IssueType.OUT_OF_RANGE, rule, name="vastgesteldOp")


def answer_due(term: DataError, found_on: date, received_at: datetime) -> date | None:
    """The last day for an answer; None where the text gives no term.

    The weeks run from the finding or from the receipt, as the text says, on Brussels days.
    """
    if term.weeks is None:
        return None
    begin = brussels_date(received_at) if term.since == "ontvangst" else found_on
    return begin + timedelta(weeks=term.weeks)


def answer_overdue(state: State, due_on: date | None, today: date) -> bool:
    """Whether an answer should have been given by now."""
    return state is State.RECEIVED and due_on is not None and today > due_on


def incident_term(clause: Incident, kind: IncidentKind, found_at: datetime) -> Term:
    """What a protocol demands: an attempt is reported only where the text names attempts."""
    if kind is IncidentKind.ATTEMPT and not clause.attempts:
        return Term(obliged=False)
    if clause.hours is None:
        return Term(obliged=True)
    return Term(True, clause.hours, found_at + timedelta(hours=clause.hours))


def to_be_told(document: Document) -> list[dict[str, str]]:
    """Who is to be told of an incident: each party with the way to its officer (art. 9), and the
    contact for incidents; without address where the text gives none."""
    known = [
        (party.name, party.officer.mailbox or party.officer.address) for party in document.parties
    ]
    if document.incident.contact is not None:
        known.insert(0, ("incidenten", document.incident.contact))
    return [
        {"partij": party, **({"adres": address} if address else {})} for party, address in known
    ]


def may_become(state: IncidentState, next_: IncidentState) -> bool:
    """Whether an incident may go on so: what is closed stays closed, nothing is reported twice."""
    return state is not IncidentState.CLOSED and next_ is not IncidentState.REPORTED


def next_attempt(attempts: int, now: datetime) -> datetime | None:
    """When to try again after so many attempts that failed; None: no more."""
    return now + PAUSES[attempts - 1] if attempts <= len(PAUSES) else None


def _wrong(rule: str, name: str) -> Issue:
    return Issue(IssueType.INVALID_INPUT, rule, name=name)
