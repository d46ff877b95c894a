"""The use case `queryDeelnemers`: the persons of a municipality's own project, page by page.

They are found by the project and not by a number (wetteren-2023 and mechelen-2021, article 3).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from app import access_log, answers, batching, derived, fields, lookup, policy, population
from app.dossiers import Dossier
from app.driver import Channel
from app.errors import InputInvalid, Issue, IssueType
from app.gate import Gate, Told
from app.insz import Insz
from app.lookup import Asked
from app.moments import brussels_date
from app.policy import Granted, Operation
from app.population import Admitted, Wanted
from app.reader import attempt
from app.record import Trace
from app.register import Register
from app.values import but
from app.visit import Visit, new_event_id
from app.wire import ParticipantsQuestion


class Page(NamedTuple):
    """What is asked of a project: its next persons behind a place, at most so many."""

    visit: Visit
    trace: Trace
    granted: Granted
    register: Register
    now: datetime
    after: int
    size: int


class Found(NamedTuple):
    """The persons of a page, each with her record, and the place to go on from."""

    parts: list[tuple[Visit, Told]]
    next: int | None  # None: there are no more
    known_at: datetime  # of the newest facts that it rests on: newer ones, and it is read anew


async def list_participants(
    gate: Gate, visit: Visit, question: ParticipantsQuestion, now: datetime
) -> bytes:
    """Disclose what the protocol grants of each person of the project, who are in it right now.

    All records become durable together, or none does. Raises AccessRefused after its record.
    """
    trace = Trace(requested=fields.expand(question.fields or ()))
    asked = policy.Question(
        Operation.QUERY_DEELNEMERS, question.doeleinde, question.fields, visit.function_profile
    )
    granted, trace = await gate.open(visit, asked, trace, now)
    after = _place(gate, granted, question.cursor, now)
    if after is None:
        rule = "must be the `next` of another page of this project"
        issue = Issue(IssueType.INVALID_STRUCTURE, rule, name="cursor")
        await gate.refuse(visit, trace, InputInvalid([issue]))
    page = Page(visit, trace, granted, gate.register, now, after, question.pageSize)
    [found] = await gate.reader.ask(find, [page])
    if isinstance(found, Exception):
        raise found
    answer = answers.encode_participants(
        visit,
        granted.clause,
        # Whoever is not told of for a fault of ours has her place, and a record that says so.
        [told.answer or answers.encode_participant(each, {}, None) for each, told in found.parts],
        now=now,
        keep_until=gate.register.keep_until(granted.clause, brussels_date(now)),
        next_=None if found.next is None else _cursor(gate, granted, found.next, now),
    )
    trace = but(
        trace,
        requested=granted.fields,
        answer=answer,
        counts={"persons": len(found.parts)},
        known_at=found.known_at,
    )
    await gate.record(visit, trace, found.parts)
    # The records are durable here; nothing has left yet.
    return answer


def _cursor(gate: Gate, granted: Granted, place: int, now: datetime) -> str:
    """A place that only this caller can go on from: places tell how many others there are."""
    return gate.log.keys.at(now).hide(_kind(granted), str(place))


def _place(gate: Gate, granted: Granted, cursor: str | None, now: datetime) -> int | None:
    """The place of a cursor of this month; None when it is none of this caller and project."""
    if cursor is None:
        return 0
    try:
        return int(gate.log.keys.at(now).reveal(_kind(granted), cursor))
    except ValueError:
        return None


def _kind(granted: Granted) -> str:
    clause = granted.clause
    return f"cursor/{clause.organisation}/{clause.purpose}/{clause.population.project}"


def find(channel: Channel, pages: Sequence[Page]) -> list[Found]:
    """The persons of each page."""
    return [_find(channel, page) for page in pages]


def _find(channel: Channel, page: Page) -> Found:
    granted, now = page.granted, page.now
    known_at = access_log.known_at(channel)  # before all else: what is learned later is noticed
    today, persons = brussels_date(now), granted.clause.population
    # One more than fits: then there is a next page.
    places = population.of_project(channel, persons, today, now, page.after, page.size + 1)
    shown = places[: page.size]
    asked = [_asked(page, insz) for _, insz in shown]
    admitted = population.admit_all(
        channel, [Wanted(each.insz, persons, today, now) for each in asked]
    )
    dossiers = lookup.dossiers_of(channel, asked, admitted)
    contacts = lookup.contacts_of(channel, asked, admitted)
    parts = []
    for place, (each, one) in enumerate(zip(asked, admitted, strict=True)):
        # What is filed under a number that is not in use any more is not looked at.
        if isinstance(one, Admitted) and one.numbers[0] == each.insz.digits:
            told = attempt(_told, each, one, dossiers.get(place), contacts.get(place))
            parts.append((each.visit, batching.ended(each.visit, each.trace, told)))
    return Found(parts, shown[-1][0] if len(places) > len(shown) else None, known_at)


def _asked(page: Page, insz: str) -> Asked:
    """The question about one person of a page, with a record of its own."""
    visit = but(page.visit, event_id=new_event_id(page.now))
    trace = but(page.trace, parent=page.visit.event_id, subject=insz, allowance=None)
    return Asked(visit, trace, Insz(insz), page.granted, page.register, page.now)


def _told(
    asked: Asked,
    admitted: Admitted,
    dossier: Dossier | None,
    contact: lookup.Contact | None,
) -> Told:
    """What is told of one person; who has no dossier yet can be reached all the same."""
    granted = asked.granted
    blocks = dossier.blocks if dossier else {}
    complete = derived.complete(granted.fields, blocks, contact, brussels_date(asked.now))
    document, delivered = fields.project(complete, granted.fields)
    fetched_at = dossier.fetched_at if dossier else None
    trace = but(
        asked.trace,
        requested=granted.fields,
        delivered=delivered,
        subject_basis=granted.clause.population.kind.value,
        subject_fact=admitted.fact,
    )
    return Told(trace, answers.encode_participant(asked.visit, document, fetched_at))
