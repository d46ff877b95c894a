"""Who received a value, or an advice on a person: found from the access log alone.

A person has another token in every month, and may have had other numbers: each number is looked
for under the key of each month that is kept.
"""

from collections.abc import Iterator, Mapping
from dataclasses import replace
from typing import Any

from sqlmodel import Session

from app import log_search, population
from app.errors import Outcome
from app.insz import Insz
from app.log_search import READ, Search
from app.month_keys import MonthKeys
from app.notice_rules import ADVICE_OPERATIONS, Kind
from app.record import RecordType


def of_value(
    session: Session, keys: MonthKeys, insz: Insz, field: str | None, kind: Kind
) -> dict[str, list[str]]:
    """The ids of the records by which each organisation got it, oldest first.

    Raises MonthKeyMissing for a key that cannot be read: who received it then would be left out.
    """
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
        subjects=tuple(key.hide("subject", number) for key in keys.kept() for number in numbers),
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
