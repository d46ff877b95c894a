"""The whole rule of access: what a protocol opens for a request, and why not. Pure."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

from app import fields
from app.errors import Reason


class Operation(StrEnum):
    """What a protocol can open; the operation ids of the wire contract."""

    QUERY_DOSSIER = "queryDossier"
    QUERY_DOSSIER_BATCH = "queryDossierBatch"
    QUERY_ADVIES = "queryAdvies"
    QUERY_ADVIES_BATCH = "queryAdviesBatch"
    CREATE_LIJST = "createLijst"
    QUERY_DEELNEMERS = "queryDeelnemers"
    EXCHANGE_VDAB = "exchangeVdab"


# What this service answers today; a protocol may open more.
SERVED = frozenset({Operation.QUERY_DOSSIER, Operation.QUERY_ADVIES})


class PopulationKind(StrEnum):
    """Which fact about a person brings that person within reach of a caller."""

    RESIDENT = "resident"
    MEMBER = "member"
    PARTICIPANT = "participant"
    CONSENT = "consent"
    ANY = "any"


@dataclass(frozen=True)
class Population:
    """The persons a clause is about."""

    kind: PopulationKind
    nis: str | None = None  # resident, participant, consent: the municipality
    project: str | None = None  # participant, consent
    organisation: str | None = None  # member: the care fund


@dataclass(frozen=True)
class Period:
    """Days from `first` to `last`, both included; None is open."""

    first: date | None = None
    last: date | None = None


@dataclass(frozen=True)
class Clause:
    """What one version of one protocol opens for one organisation and one purpose."""

    protocol: str
    version: str
    hash: str
    organisation: str
    purpose: str
    operations: frozenset[Operation]
    fields: frozenset[str]  # leaves of the catalogue
    population: Population
    valid: Period
    on_behalf_of: str | None = None
    legal_ground: Period = Period()
    legal_ground_settled: bool = True  # False: the operator must still set its end
    suspended_since: date | None = None
    demands_profile: bool = False
    profiles: frozenset[str] | None = None  # None: the operator supplied no list
    advice_profile: str | None = None


@dataclass(frozen=True)
class Question:
    """What a caller asks of a protocol, free of HTTP and of the person."""

    operation: Operation
    purpose: str
    fields: tuple[str, ...] | None = None  # catalogue ids, groups included; None asks all
    function_profile: str | None = None
    test_date: date | None = None


@dataclass(frozen=True)
class Granted:
    """The request may go on to the person, for these leaves only."""

    clause: Clause
    fields: frozenset[str]


@dataclass(frozen=True)
class Refused:
    """The request is refused as a whole."""

    reason: Reason
    fields: tuple[str, ...] = ()  # what was asked outside the grant, sorted
    on: date | None = None  # the first or last day, where time refuses


def decide(
    clause: Clause | None, question: Question, today: date, *, production: bool
) -> Granted | Refused:
    """Grant everything that was asked, or refuse the request as a whole.

    The checks come in the order of api.md. `today` is the Brussels date of the request.
    """
    if clause is None:
        return Refused(Reason.NO_PROTOCOL)
    if closed := out_of_time(clause, today, production=production):
        return closed
    if question.operation not in clause.operations:
        return Refused(Reason.OPERATION)
    if not _profile_admitted(clause, question.function_profile, production=production):
        return Refused(Reason.FUNCTION_PROFILE)
    asked = {id_: fields.leaves(id_) for id_ in question.fields or ()}
    if outside := sorted(id_ for id_, leaves in asked.items() if not leaves <= clause.fields):
        return Refused(Reason.FIELD, fields=tuple(outside))
    if not _test_date_admitted(clause, question.test_date, today):
        return Refused(Reason.INVALID_DATE, on=clause.legal_ground.first)
    if question.fields is None:
        return Granted(clause, clause.fields)
    return Granted(clause, frozenset[str]().union(*asked.values()))


def out_of_time(clause: Clause, today: date, *, production: bool) -> Refused | None:
    """Validity first, then suspension, then the legal ground (art. 12 of all five protocols)."""
    valid, ground = clause.valid, clause.legal_ground
    if valid.first and today < valid.first:
        return Refused(Reason.NOT_YET_VALID, on=valid.first)
    if valid.last and today > valid.last:
        return Refused(Reason.EXPIRED, on=valid.last)
    if clause.suspended_since:
        return Refused(Reason.SUSPENDED, on=clause.suspended_since)
    if ground.first and today < ground.first:
        return Refused(Reason.NOT_YET_VALID, on=ground.first)
    if ground.last and today > ground.last:
        return Refused(Reason.LEGAL_GROUND_ENDED, on=ground.last)
    if production and not clause.legal_ground_settled:
        return Refused(Reason.LEGAL_GROUND_ENDED)
    return None


def _profile_admitted(clause: Clause, profile: str | None, *, production: bool) -> bool:
    """A demanded list decides; one that the operator has not supplied refuses in production."""
    if not clause.demands_profile:
        return True
    if clause.profiles is None:
        return not production
    return profile in clause.profiles


def _test_date_admitted(clause: Clause, test_date: date | None, today: date) -> bool:
    """Not in the future, and not before the condition existed (advice.md, Service rules)."""
    if test_date is None:
        return True
    first = clause.legal_ground.first or date.min
    return first <= test_date <= today
