"""The whole rule of access: what a protocol opens for a request, and why not. Pure."""

from collections.abc import Mapping
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


# What this service answers when it is asked; a protocol may open more. The exchange with VDAB is
# no answer: the office does it, by commands.
SERVED = frozenset(
    {
        Operation.QUERY_DOSSIER,
        Operation.QUERY_DOSSIER_BATCH,
        Operation.QUERY_ADVIES,
        Operation.QUERY_ADVIES_BATCH,
        Operation.QUERY_DEELNEMERS,
        Operation.CREATE_LIJST,
    }
)


# What answers with fields of the catalogue; an advice answers with its outcome.
GIVES_FIELDS = frozenset(
    {
        Operation.QUERY_DOSSIER,
        Operation.QUERY_DOSSIER_BATCH,
        Operation.QUERY_DEELNEMERS,
        Operation.CREATE_LIJST,
    }
)


class QuotaPeriod(StrEnum):
    """Over which time a quota counts, in Brussels days."""

    YEAR = "kalenderjaar"
    HALF_YEAR = "halfjaar"


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
    absorbed: frozenset[str] = frozenset()  # the municipalities that have become part of it
    project: str | None = None  # participant, consent
    organisation: str | None = None  # member: the care fund

    @property
    def places(self) -> frozenset[str]:
        """The municipality under its own code and those of what it absorbed."""
        return self.absorbed | {self.nis} if self.nis else frozenset()


@dataclass(frozen=True)
class Period:
    """Days from `first` to `last`, both included; None is open."""

    first: date | None = None
    last: date | None = None


@dataclass(frozen=True)
class Quota:
    """How often an operation may succeed for one party and purpose."""

    operation: Operation
    maximum: int
    per: QuotaPeriod

    def span(self, today: date) -> tuple[date, date]:
        """The first day of the time that `today` counts in, and the first day of the next."""
        july = date(today.year, 7, 1)
        new_year = date(today.year + 1, 1, 1) if today.year < date.max.year else date.max
        if self.per is QuotaPeriod.YEAR:
            return date(today.year, 1, 1), new_year
        return (july, new_year) if today >= july else (date(today.year, 1, 1), july)


@dataclass(frozen=True)
class ListTerms:
    """Who stands on a list, and until when it may be sent as a file."""

    profile: str | None = None  # of the rule set: who does not meet it; None: who has a dossier
    last: date | None = None
    settled: bool = True  # False: the operator must still set from when the files count


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
    quotas: tuple[Quota, ...] = ()
    listing: ListTerms | None = None
    lists: tuple[tuple[str, str], ...] = ()  # kind and hash of what stands beside the document
    known_as: tuple[str, ...] = ()  # every identifier of the party, in the order of the document

    @property
    def names(self) -> tuple[str, ...]:
        """Under which identifiers the body can ask the same; the first stands for all of them."""
        return self.known_as or (self.organisation,)

    def quota_of(self, operation: Operation) -> Quota | None:
        """The quota on this operation, where there is one."""
        return next((quota for quota in self.quotas if quota.operation is operation), None)


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
    on: date | None = None  # where time refuses: the first or last day, or when a quota renews


def decide(
    clause: Clause | None, question: Question, today: date, *, production: bool, used: int = 0
) -> Granted | Refused:
    """Grant everything that was asked, or refuse the request as a whole.

    The checks come in the order of api.md. `today` is the Brussels date of the request, `used` how
    often the operation succeeded already in the time that its quota counts.
    """
    if clause is None:
        return Refused(Reason.NO_PROTOCOL)
    closed = _out_of_time(clause, today, production=production)
    if closed := closed or _not_opened(clause, question.operation, today, production=production):
        return closed
    if not _profile_admitted(clause, question.function_profile, production=production):
        return Refused(Reason.FUNCTION_PROFILE)
    asked = {id_: fields.leaves(id_) for id_ in question.fields or ()}
    if outside := sorted(id_ for id_, leaves in asked.items() if not leaves <= clause.fields):
        return Refused(Reason.FIELD, fields=tuple(outside))
    if not _test_date_admitted(clause, question.test_date, today):
        return Refused(Reason.INVALID_DATE, on=clause.legal_ground.first)
    quota = clause.quota_of(question.operation)
    if quota and used >= quota.maximum:
        return Refused(Reason.QUOTA, on=quota.span(today)[1])
    if question.fields is None:
        return Granted(clause, clause.fields)
    return Granted(clause, frozenset[str]().union(*asked.values()))


@dataclass(frozen=True)
class Standing:
    """What a clause opens on a day: what would succeed, and where nothing would, why not."""

    operations: frozenset[Operation]
    fields: frozenset[str]
    closed: Refused | None


def standing(
    clause: Clause, day: date, used: Mapping[Operation, int], *, production: bool
) -> Standing:
    """Ask `decide` for every operation that is served, with a profile that it admits."""
    profile = min(clause.profiles, default=None) if clause.profiles else None
    decisions = {
        operation: decide(
            clause,
            Question(operation, clause.purpose, function_profile=profile),
            day,
            production=production,
            used=used.get(operation, 0),
        )
        for operation in sorted(clause.operations & SERVED)
    }
    granted = {op: said for op, said in decisions.items() if isinstance(said, Granted)}
    refused = [said for said in decisions.values() if isinstance(said, Refused)]
    first = min(refused, key=lambda said: said.on or date.max, default=None)
    return Standing(
        operations=frozenset(granted),
        fields=frozenset[str]().union(
            *(said.fields for op, said in granted.items() if op in GIVES_FIELDS)
        ),
        closed=None if granted else first,
    )


def _out_of_time(clause: Clause, today: date, *, production: bool) -> Refused | None:
    """Validity first, then suspension, then the legal ground (art. 12 of all five protocols)."""
    valid, ground = clause.valid, clause.legal_ground
    # What ends before it begins has ended: it will never be valid.
    if valid.last and max(valid.first or today, today) > valid.last:
        return Refused(Reason.EXPIRED, on=valid.last)
    if valid.first and today < valid.first:
        return Refused(Reason.NOT_YET_VALID, on=valid.first)
    if clause.suspended_since:
        return Refused(Reason.SUSPENDED, on=clause.suspended_since)
    if ground.first and today < ground.first:
        return Refused(Reason.NOT_YET_VALID, on=ground.first)
    if ground.last and today > ground.last:
        return Refused(Reason.LEGAL_GROUND_ENDED, on=ground.last)
    if production and not clause.legal_ground_settled:
        return Refused(Reason.LEGAL_GROUND_ENDED)
    return None


def _not_opened(
    clause: Clause, operation: Operation, today: date, *, production: bool
) -> Refused | None:
    """An operation that is not in the clause; a list when the time of files is over."""
    if operation not in clause.operations:
        return Refused(Reason.OPERATION)
    terms = clause.listing if operation is Operation.CREATE_LIJST else None
    if terms and terms.last and today > terms.last:
        return Refused(Reason.EXPIRED, on=terms.last)
    if terms and production and not terms.settled:
        return Refused(Reason.EXPIRED)
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
