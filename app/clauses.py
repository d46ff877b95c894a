"""What a protocol document opens: the clauses that decide, and how long one may keep. Pure."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta

from app import fields
from app.agreement import (
    OPERATOR,
    Access,
    Audience,
    Delegate,
    Document,
    Persons,
    Purpose,
    document_hash,
)
from app.policy import Clause, Period, Population, PopulationKind


def opened_by(
    document: Document,
    *,
    delegates: Sequence[Delegate],
    profiles: Mapping[str, frozenset[str]],
    legal_ground_ends: Mapping[str, date | None],
    suspended_since: date | None,
    ended_on: date | None,
    today: date,
    cooperation_since: date | None = None,
) -> list[Clause]:
    """What the document opens on `today`: a clause for each organisation, purpose and access.

    `delegates` count on their own days only; `profiles` by organisation; `legal_ground_ends` by
    purpose code, None for `geen`; `ended_on` is the last valid day; `cooperation_since` the
    start of a `termijn`. An end that the operator must still set leaves its period open and
    the clause unsettled, which production refuses.
    """
    digest = document_hash(document)
    last, last_settled = _last_day(document, cooperation_since)
    result = []
    for purpose in document.purposes:
        ground = purpose.legal_ground
        stated = ground.last if isinstance(ground.last, date) else None
        ground_settled = ground.last != OPERATOR or purpose.code in legal_ground_ends
        for access in purpose.accesses:
            for organisation in _callers(access, purpose, delegates, today):
                result.append(
                    Clause(
                        protocol=document.id,
                        version=document.version,
                        hash=digest,
                        organisation=organisation,
                        purpose=purpose.code,
                        operations=frozenset(access.operations),
                        fields=frozenset[str]().union(
                            *(fields.leaves(grant.field) for grant in access.grants)
                        ),
                        population=_population(access.persons, organisation),
                        valid=Period(document.first, _earliest(last, ended_on)),
                        on_behalf_of=access.on_behalf_of,
                        legal_ground=Period(
                            ground.first, _earliest(stated, legal_ground_ends.get(purpose.code))
                        ),
                        legal_ground_settled=ground_settled and last_settled,
                        suspended_since=suspended_since,
                        demands_profile=access.function_profiles == "geeist",
                        profiles=profiles.get(organisation),
                        advice_profile=access.advice.profile.value if access.advice else None,
                    )
                )
    return result


def keep_until(document: Document, purpose: str, delivered: date) -> date | None:
    """Until when the receiver keeps what was `delivered` for a purpose of the document.

    None where the end hangs on an event that only the receiver knows.
    """
    [retention] = [known.retention for known in document.purposes if known.code == purpose]
    if retention.years is None or retention.since != "mededeling":
        return None
    return _anniversary(delivered, retention.years)


def _last_day(document: Document, cooperation_since: date | None) -> tuple[date | None, bool]:
    """The last valid day as far as it is known, and whether nobody must still set it."""
    if document.term is None:
        return (document.last if isinstance(document.last, date) else None), True
    if cooperation_since is None:
        return None, False
    return _anniversary(cooperation_since, document.term.years) - timedelta(days=1), True


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


def _population(persons: Persons, organisation: str) -> Population:
    """A member is always a member of the body that asks."""
    member_of = organisation if persons.kind is PopulationKind.MEMBER else None
    return Population(persons.kind, persons.nis, persons.project, member_of)


def _earliest(*days: date | None) -> date | None:
    return min((day for day in days if day), default=None)


def _anniversary(day: date, years: int) -> date:
    try:
        return day.replace(year=day.year + years)
    except ValueError:  # 29 February counts as 1 March in other years
        return date(day.year + years, 3, 1)
