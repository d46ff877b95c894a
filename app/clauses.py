"""What a protocol document opens: the clauses that decide, and how long one may keep. Pure."""

from calendar import monthrange
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import date, timedelta

from app import fields
from app.agreement import Access, Audience, Document, Persons, Purpose
from app.notation import OPERATOR
from app.policy import Clause, ListTerms, Period, Population, PopulationKind, Quota
from app.register_lists import Delegate, SuccessionList


@dataclass(frozen=True)
class Standing:
    """What stands outside a document and decides with it: the operator's acts and lists."""

    delegates: tuple[Delegate, ...] = ()
    profiles: Mapping[str, frozenset[str]] = field(default_factory=dict)  # by organisation
    hashes: Mapping[tuple[str, str], str] = field(default_factory=dict)  # by kind, organisation
    successions: SuccessionList | None = None
    # By purpose; None is `geen`, absent is not settled.
    legal_ground_ends: Mapping[str, date | None] = field(default_factory=dict)
    cooperation_since: date | None = None  # the start of a `termijn`
    # From when a list is sent as a file for so many years more, by the name in the document.
    files_since: Mapping[str, date] = field(default_factory=dict)
    suspended_since: date | None = None
    ended_on: date | None = None  # the last valid day after a notice or a sanction


def opened_by(document: Document, hash_: str, standing: Standing, today: date) -> list[Clause]:
    """What the document opens on `today`: a clause for each organisation, purpose and access.

    `hash_` is the document's. Delegates count on their own days only. An end that the operator
    must still set leaves its period open and the clause unsettled, which production refuses.
    """
    settled = document.term is None or standing.cooperation_since is not None
    known_as = {
        one: party.organisations for party in document.parties for one in party.organisations
    }
    result = []
    for purpose in document.purposes:
        ground = purpose.legal_ground
        ground_settled = ground.last != OPERATOR or purpose.code in standing.legal_ground_ends
        for access in purpose.accesses:
            for organisation in _callers(access, purpose, standing.delegates, today):
                result.append(
                    Clause(
                        protocol=document.id,
                        version=document.version,
                        hash=hash_,
                        organisation=organisation,
                        purpose=purpose.code,
                        operations=frozenset(access.operations),
                        fields=frozenset[str]().union(
                            *(fields.leaves(grant.field) for grant in access.grants)
                        ),
                        population=_population(access.persons, organisation, standing, today),
                        valid=Period(document.first, last_day(document, standing)),
                        on_behalf_of=access.on_behalf_of,
                        legal_ground=Period(ground.first, ground_end(purpose, standing)),
                        legal_ground_settled=ground_settled and settled,
                        suspended_since=standing.suspended_since,
                        demands_profile=access.function_profiles == "geeist",
                        profiles=standing.profiles.get(organisation),
                        advice_profile=access.advice.profile.value if access.advice else None,
                        quotas=tuple(Quota(q.operation, q.maximum, q.per) for q in access.quota),
                        listing=_listing(access, standing),
                        lists=_lists(access, standing, organisation),
                        known_as=known_as.get(organisation, ()),
                    )
                )
    return result


def last_day(document: Document, standing: Standing) -> date | None:
    """The last valid day of a document as far as it is known, a notice or sanction counted in."""
    stated = document.last if isinstance(document.last, date) else None
    if document.term and standing.cooperation_since:
        stated = _later(standing.cooperation_since, years=document.term.years) - timedelta(days=1)
    return _earliest(stated, standing.ended_on)


def ground_end(purpose: Purpose, standing: Standing) -> date | None:
    """The last day of a purpose's legal ground: what the operator set shortens what is written."""
    stated = purpose.legal_ground.last
    stated = stated if isinstance(stated, date) else None
    return _earliest(stated, standing.legal_ground_ends.get(purpose.code))


def notice_end(document: Document, given: date) -> date | None:
    """The last valid day after a notice `given` on that day; None where the text has no term.

    Calendar months, and never later than the fixed end (art. 12).
    """
    if document.notice_months is None:
        return None
    fixed = document.last if isinstance(document.last, date) else None
    return _earliest(_later(given, months=document.notice_months), fixed)


def keep_until(document: Document, purpose: str, delivered: date) -> date | None:
    """Until when the receiver keeps what was `delivered` for a purpose of the document.

    None where the end hangs on an event that only the receiver knows.
    """
    [retention] = [known.retention for known in document.purposes if known.code == purpose]
    if retention.years is None or retention.since != "mededeling":
        return None
    return _later(delivered, years=retention.years)


def kept_at_most(
    document: Document,
    purpose: str,
    delivered: date,
    cooperation_since: date | None,
    ended_on: date | None,
) -> date | None:
    """The last day on which what was `delivered` may be kept, where years count from an end that
    the text does not date.

    The cooperation lasts as long as the term of the document (vdab-2023, art. 5). While its begin
    is not settled they count from the delivery: that is never later.
    """
    [retention] = [known.retention for known in document.purposes if known.code == purpose]
    if retention.years is None:
        return None
    end = delivered
    if document.term and cooperation_since:
        end = min(_later(cooperation_since, years=document.term.years), ended_on or date.max)
    return _later(end, years=retention.years)


def _callers(
    access: Access, purpose: Purpose, delegates: Sequence[Delegate], today: date
) -> list[str]:
    if access.audience is Audience.RECEIVER:
        return list(access.organisations)
    # A list outside the document never touches what the document itself opens to a receiver.
    receivers = {organisation for other in purpose.accesses for organisation in other.organisations}
    return [
        delegate.organisation
        for delegate in delegates
        if delegate.organisation not in receivers
        and (delegate.valid.first or date.min) <= today <= (delegate.valid.last or date.max)
    ]


def _population(persons: Persons, organisation: str, standing: Standing, today: date) -> Population:
    """A member is always a member of the body that asks; a municipality has what it absorbed."""
    member_of = organisation if persons.kind is PopulationKind.MEMBER else None
    absorbed = frozenset[str]()
    if persons.nis and standing.successions:
        absorbed = standing.successions.absorbed(persons.nis, today)
    return Population(persons.kind, persons.nis, absorbed, persons.project, member_of)


FILES_SINCE = "bestandenVan"  # the start that the text of avsb-2021 leaves unsaid (recital E)
SERVICE_SINCE = "lijstdienstSinds"  # a web service for lists exists (genk-2021, recital C)


def _listing(access: Access, standing: Standing) -> ListTerms | None:
    """Who stands on a list, and the last day on which it is sent as a file.

    Without a web service the time of files does not end; a term that runs already needs its start.
    """
    terms = access.listing
    if terms is None:
        return None
    profile = terms.profile.value if terms.profile else None
    if terms.files is None:
        return ListTerms(profile)
    since = standing.files_since.get(terms.files.since)
    if since is None:
        return ListTerms(profile, settled=terms.files.since == SERVICE_SINCE)
    return ListTerms(profile, _later(since, years=terms.files.years) - timedelta(days=1))


def _lists(access: Access, standing: Standing, organisation: str) -> tuple[tuple[str, str], ...]:
    """The lists that hold for this access, for the record: kind and hash, sorted by kind."""
    means_nothing = {
        None if access.audience is Audience.DELEGATES else "gemachtigden",
        None if access.persons.nis else "opvolgingen",
    }
    found = {
        kind: hash_
        for (kind, of), hash_ in standing.hashes.items()
        if of in ("", organisation) and kind not in means_nothing
    }
    return tuple(sorted(found.items()))


def _earliest(*days: date | None) -> date | None:
    return min((day for day in days if day), default=None)


def _later(day: date, *, years: int = 0, months: int = 0) -> date:
    """The same day of the month; 29 February counts as 1 March, the 31st as the last day."""
    year, month = divmod(day.year * 12 + day.month - 1 + years * 12 + months, 12)
    if year > date.max.year:
        return date.max
    last = monthrange(year, month + 1)[1]
    if years and day.day > last:
        return date(year, 3, 1)
    return date(year, month + 1, min(day.day, last))
