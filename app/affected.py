"""Which persons and data a client reached in a period: from the access log alone.

For a data leak: the records are read once, in their order, however many there are. Of a month
whose key is destroyed nobody knows the persons any more: those records are given without one, and
counted.
"""

from collections import Counter
from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, NamedTuple

from sqlmodel import Session

from app import log_search
from app.errors import Outcome
from app.moments import read_moment
from app.month_keys import MonthKeys, Opener
from app.record import RecordType

# A report of wrong data is about a person, and discloses nothing of her.
REACHES_NOBODY = frozenset({RecordType.NOTICE, RecordType.ADMIN})


FILE = "getLijstBestand"
COLUMNS = ("insz", "tijdstip", "toegangId", "organisatie", "dienst", "doeleinde", "velden")


class Reached(NamedTuple):
    """One person whom one answer was about; `insz` is empty when nobody knows her any more."""

    insz: str
    moment: str
    event_id: str
    organisation: str
    operation: str
    purpose: str
    fields: str  # with spaces between


@dataclass
class Summary:
    """What was counted when all was read: records of persons, and those of destroyed months.

    `lists`: those whose file was fetched, whoever asked for them and whenever that was.
    """

    records: int = 0
    unreadable: Counter[str] = field(default_factory=Counter)
    lists: set[str] = field(default_factory=set)


def reached(
    session: Session,
    keys: MonthKeys,
    within: range,
    client: str,
    since: datetime,
    until: datetime,
    summary: Summary,
    advance: Callable[[int], None],
    organisation: str | None = None,
) -> Iterator[Reached]:
    """Every person whom an answer to the client was about, oldest first; `summary` counts along."""
    opener = Opener(keys)

    def of_person(record: Mapping[str, Any]) -> Reached:
        number = opener.subject(record)
        summary.records += 1
        if number is None:
            summary.unreadable[record["recordedAt"][:7]] += 1
        return Reached(
            number or "",
            record["recordedAt"],
            record["eventId"],
            record.get("organisation", ""),
            record["operation"],
            record.get("purpose", ""),
            " ".join(record.get("deliveredFields", ())),
        )

    for page in log_search.answered(session, within, organisation):
        own = [record for _, record in page if _is_of(record, client, since, until)]
        for record in log_search.given(session, own):
            if record["operation"] == FILE:
                summary.lists.add(record["parentId"])
            if "subject" in record:
                yield of_person(record)
        advance(page[-1][0] + 1 - within.start)
    for record in _on_lists(session, summary.lists, range(within.stop), organisation):
        if not _is_of(record, client, since, until):
            yield of_person(record)


def _on_lists(
    session: Session, lists: Collection[str], within: range, organisation: str | None
) -> Iterator[Mapping[str, Any]]:
    """The persons on these lists, which may have been asked before, or by another client."""
    for page in log_search.answered(session, within if lists else range(0), organisation):
        for _, record in page:
            if record.get("parentId") in lists and "subject" in record:
                yield record


def _is_of(record: Mapping[str, Any], client: str, since: datetime, until: datetime) -> bool:
    return (
        record.get("client") == client
        and record["type"] not in REACHES_NOBODY
        and record["outcome"] == Outcome.ALLOWED
        and since <= read_moment(record["recordedAt"]) <= until
    )
