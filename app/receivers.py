"""Who received a value, or an advice on a person: found from the access log alone.

A person has another token in every month, and may have had other numbers: each number is looked
for under the key of each month that is kept.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from datetime import datetime, timedelta
from typing import Any

from sqlmodel import Session

from app import log_search, population
from app.errors import Outcome
from app.insz import Insz
from app.log_search import READ, Search
from app.month_keys import MonthKeyMissing, MonthKeys
from app.notice_rules import ADVICE_OPERATIONS, Kind
from app.record import RecordType


def of_value(
    session: Session, keys: MonthKeys, insz: Insz, field: str | None, kind: Kind
) -> dict[str, list[str]]:
    """The ids of the records by which each organisation got it, oldest first.

    Raises MonthKeyMissing for a key that cannot be read, or is that of another month: who received
    it then would be left out.
    """
    _check(session, keys)
    found: dict[str, list[str]] = {}
    for record in _about(session, keys, insz, field):
        if "organisation" in record and _gave(record, field, kind):
            found.setdefault(record["organisation"], []).append(record["eventId"])
    return {organisation: ids[::-1] for organisation, ids in found.items()}


def _gave(record: Mapping[str, Any], field: str | None, kind: Kind) -> bool:
    """Whether a record gave the value or an advice; what was missing was only asked.

    Who stands on a list that the rules made was judged too.
    """
    of_list = record["type"] == RecordType.DELIVERY.value
    if kind is Kind.CONTESTED_ADVICE:
        return record["operation"] in ADVICE_OPERATIONS or (of_list and "ruleSet" in record)
    asked = record.get("requestedFields", ()) if kind is Kind.MISSING else ()
    return field in record.get("deliveredFields", ()) or (
        field in asked and record["type"] == RecordType.ACCESS.value
    )


def _about(
    session: Session, keys: MonthKeys, insz: Insz, field: str | None
) -> Iterator[Mapping[str, Any]]:
    """The records of what was allowed about a person, newest first."""
    numbers = population.numbers_of(session, insz)
    wanted = Search(
        subjects=keys.hidden("subject", numbers),
        fields=(field,) if field else (),
        outcome=Outcome.ALLOWED.value,
        limit=READ,
    )
    more = True
    while more:
        page = log_search.search(session, wanted)
        yield from log_search.given(session, [record for _, record in page.records])
        more = page.more
        wanted = replace(wanted, before=page.records[-1][0] if page.records else 0)


def unknown_months(session: Session, keys: MonthKeys) -> list[str]:
    """The months of which nobody can say any more who received what, as `2026-06`."""
    return [month for month, token in _months(session) if token and not keys.has(_first_of(month))]


def _check(session: Session, keys: MonthKeys) -> None:
    """Raises MonthKeyMissing for a key that does not open what was recorded in its month."""
    for month, token in _months(session):
        if token and keys.has(_first_of(month)):
            try:
                keys.stored(_first_of(month)).reveal("subject", token)
            except ValueError:
                raise MonthKeyMissing(
                    f"{month}.key does not open the records of its month"
                ) from None


def _months(session: Session) -> Iterator[tuple[str, str | None]]:
    """Every month of the log, with the token of one person in it."""
    first, last = log_search.period(session)
    month = first and _first_of(f"{first:%Y-%m}")
    while month and last and month <= last:
        after = (month + timedelta(days=32)).replace(day=1)
        yield f"{month:%Y-%m}", log_search.subject_between(session, month, after)
        month = after


def _first_of(month: str) -> datetime:
    return datetime.fromisoformat(f"{month}-01T00:00:00+00:00")
