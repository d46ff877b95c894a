"""What an auditor may see of the log, and what a question about it means.

With the full audit scope everything; with that of one's own organisation its records, those of a
municipality that went on in it too, and no more about a person than the refusals told.
"""

from collections.abc import Collection, Mapping
from dataclasses import replace
from datetime import timedelta
from typing import Any

from sqlmodel import Session

from app import fields, population
from app.errors import Issue, IssueType, Reason
from app.log_search import Search
from app.moments import brussels_date
from app.month_keys import MonthKeys
from app.record import ALIKE
from app.register import Register
from app.visit import Visit
from app.wire import AccessFilters

AUDIT = "inb_audit_v1_G"
AUDIT_OWN = "inb_audit_eigen_v1_G"
LONGEST_PERIOD = timedelta(days=31)  # that may be asked without any other filter


Own = tuple[str, ...] | None  # under which identifiers one may see records; None: under any


def only(scopes: Collection[str], visit: Visit, register: Register) -> Own:
    """Under which identifiers the records stand that may be seen; None: those of all."""
    if AUDIT in scopes:
        return None
    return register.names_of(visit.organisation or "", brussels_date(visit.started_at))


def asked(visit: Visit, query: AccessFilters) -> Visit:
    """The visit with the names of what was asked for, never the values."""
    return replace(visit, parameters=tuple(sorted(query.model_fields_set)))


def may_see(record: Mapping[str, Any], own: Own) -> bool:
    """True when a record is among those that may be seen."""
    return own is None or record.get("organisation") in own


def shown(record: Mapping[str, Any], own: Own) -> Mapping[str, Any]:
    """To its own organisation a refused person is outside the population, whoever it was.

    The refusal told the caller no more; the log must not tell it afterwards. `blind` goes too:
    with it the public hash of the record would tell which reason is the true one.
    """
    if own is None or record.get("reasonCode") not in ALIKE:
        return record
    seen = {name: value for name, value in record.items() if name != "blind"}
    return {**seen, "reasonCode": Reason.POPULATION.value}


def too_wide(query: AccessFilters) -> Issue | None:
    """A filter other than the period, or a period of at most 31 days (api.md)."""
    if query.van and query.tot and query.van > query.tot:
        return Issue(IssueType.INVALID_PERIOD, "`van` lies after `tot`", name="van")
    if query.filters:
        return None
    if query.van and query.tot and query.tot - query.van <= LONGEST_PERIOD:
        return None
    rule = f"needs a filter, or a period `van` to `tot` of at most {LONGEST_PERIOD.days} days"
    return Issue(IssueType.INVALID_INPUT, rule)


def search_of(session: Session, query: AccessFilters, keys: MonthKeys, own: Own) -> Search:
    """Persons and users are searched encrypted, under the key of each month that is kept."""
    subjects = users = None
    if query.insz:
        # An organisation sees what it asked, and not which numbers belong to one person.
        numbers = population.numbers_of(session, query.insz) if own is None else [query.insz.digits]
        subjects = keys.hidden("subject", numbers, query.van, query.tot)
    if query.gebruiker:
        users = keys.hidden("user", [query.gebruiker], query.van, query.tot)
    return Search(
        organisation=query.organisatie,
        among=own,
        protocol=query.protocol,
        purpose=query.doeleinde,
        function_profile=query.functieprofiel,
        subjects=subjects,
        users=users,
        fields=tuple(sorted(fields.leaves(query.veld))) if query.veld else (),
        outcome=query.uitkomst,
        reasons=_reasons(query.reden, own),
        reference=query.referte,
        event_id=query.toegangId.lower() if query.toegangId else None,
        since=query.van,
        until=query.tot,
    )


def _reasons(asked: str | None, own: Own) -> tuple[str, ...] | None:
    """The reason codes that a filter means, to whom some of them look the same."""
    if asked is None:
        return None
    if own is None or asked not in ALIKE:
        return (asked,)
    return tuple(ALIKE) if asked == Reason.POPULATION else ()
