"""The store of lists that are asked: who stands on them while they are made, and their files."""

import dataclasses
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import ColumnElement
from sqlmodel import Session, col, delete, or_, select, update

from app import driver
from app.list_task import Owner, State, Task
from app.models.deliveries import Listing, ListingPart, ListingPerson
from app.moments import read_moment, rfc3339
from app.visit import Visit


class LeaseLost(Exception):
    """Another process makes this list now, or it has ended."""


_NAMES = tuple(each.name for each in dataclasses.fields(Task) if each.name != "visit")


@dataclass(frozen=True)
class Person:
    """Somebody on a list: what stands there of her, and what an auditor will read of it."""

    place: int
    insz: str
    fact: str
    line: bytes
    detail: Mapping[str, Any] | None


def live(session: Session, owner: Owner) -> Task | None:
    """The list that is being made for an owner; there is one at most."""
    row = session.exec(select(Listing).where(*_of(owner), Listing.state == State.ASKED)).first()
    return _task(row) if row else None


def was_given(session: Session, owner: Owner, year: int) -> bool:
    """Whether a list of this year was made for an owner, whenever that was."""
    given = (Listing.state == State.DONE, Listing.year == year)
    return session.exec(select(Listing.id).where(*_of(owner), *given)).first() is not None


def _of(owner: Owner) -> tuple[ColumnElement[bool], ...]:
    return (
        col(Listing.protocol) == owner.protocol,
        col(Listing.purpose) == owner.purpose,
        col(Listing.organisation).in_(owner.names),
    )


def add(session: Session, task: Task) -> None:
    """A list is asked."""
    visit = dataclasses.asdict(task.visit)
    kept = {**visit, "started_at": rfc3339(task.visit.started_at)}
    values = {name: getattr(task, name) for name in _NAMES}
    session.add(Listing(**values, visit=kept))
    session.flush()


def find(session: Session, id_: str, organisation: str | None) -> Task | None:
    """A list of this organisation; None as well for one of another."""
    row = session.get(Listing, id_)
    return _task(row) if row and row.organisation == organisation else None


def every(session: Session) -> list[Task]:
    """Every list that was ever asked, oldest first."""
    rows = session.exec(select(Listing).order_by(col(Listing.asked_at), col(Listing.id))).all()
    return [_task(row) for row in rows]


def waits(session: Session, now: datetime) -> bool:
    """Whether there is a list to make that nobody works on."""
    return session.exec(select(Listing.id).where(*_free(now)).limit(1)).first() is not None


def _free(now: datetime) -> tuple[ColumnElement[bool], ...]:
    nobody = or_(col(Listing.leased_until).is_(None), col(Listing.leased_until) <= now)
    return col(Listing.state) == State.ASKED, nobody


def claim(session: Session, worker: str, now: datetime, until: datetime) -> Task | None:
    """Take the list that waits longest and that nobody works on; None where there is none.

    The process that works on it renews its lease; when that runs out, another one goes on.
    """
    waiting = _free(now)
    first = session.exec(
        select(Listing.id).where(*waiting).order_by(col(Listing.asked_at)).limit(1)
    ).first()
    if first is None:
        return None
    taken = session.exec(
        update(Listing)
        .where(col(Listing.id) == first, *waiting)
        .values(worker=worker, leased_until=until, attempts=Listing.attempts + 1)
    )
    row = session.get(Listing, first, populate_existing=True)
    return _task(row) if row and taken.rowcount else None


def renew(session: Session, id_: str, worker: str, until: datetime, **values: Any) -> None:
    """Go on working, and note how far it is. Raises LeaseLost for who no longer may."""
    mine = (col(Listing.worker) == worker, col(Listing.state) == State.ASKED)
    renewed = session.exec(
        update(Listing).where(col(Listing.id) == id_, *mine).values(leased_until=until, **values)
    )
    if not renewed.rowcount:
        raise LeaseLost


def note_file(session: Session, task: Task, client: str) -> None:
    """Remember who fetched the file."""
    clients = [*task.file_clients, client]
    session.exec(update(Listing).where(col(Listing.id) == task.id).values(file_clients=clients))


def note_key(session: Session, id_: str, client: str, now: datetime) -> None:
    """Remember who got the key."""
    values = {"key_client": client, "key_taken_at": now}
    session.exec(update(Listing).where(col(Listing.id) == id_).values(**values))


def add_persons(session: Session, id_: str, persons: Sequence[Person]) -> None:
    """Put persons on a list that is being made."""
    rows = [
        {
            "listing": id_,
            "place": each.place,
            "insz": each.insz,
            "fact": each.fact,
            "line": each.line,
            **({"detail": dict(each.detail)} if each.detail else {}),  # all have it, or none
        }
        for each in persons
    ]
    if rows:
        driver.of(session).insert("listing_person", rows)


def persons(session: Session, id_: str, after: int, most: int) -> list[Person]:
    """The next persons on a list, from a place on."""
    rows = driver.of(session).rows(_PERSONS, id=id_, after=after, most=most)
    return [
        Person(place, insz, fact, bytes(line), driver.json(detail))
        for place, insz, fact, line, detail in rows
    ]


_PERSONS = """
    SELECT place, insz, fact, line, CAST(detail AS TEXT) FROM listing_person
    WHERE listing = :id AND place >= :after ORDER BY place LIMIT :most
"""


def add_part(session: Session, id_: str, first: int, content: bytes) -> None:
    """The next piece of the sealed file, from its byte `first` on."""
    driver.of(session).insert(
        "listing_part", [{"listing": id_, "first": first, "content": content}]
    )


def part_at(session: Session, id_: str, byte: int) -> tuple[int, bytes] | None:
    """The piece of the sealed file with this byte, and where it begins; None past the end."""
    row = session.exec(
        select(ListingPart)
        .where(ListingPart.listing == id_, ListingPart.first <= byte)
        .order_by(col(ListingPart.first).desc())
        .limit(1)
    ).first()
    return (row.first, row.content) if row and byte < row.first + len(row.content) else None


def clear(session: Session, id_: str, most: int) -> int:
    """Take away persons of a list, as many as that; how many went."""
    places = select(ListingPerson.place).where(ListingPerson.listing == id_).limit(most)
    return session.exec(
        delete(ListingPerson).where(
            col(ListingPerson.listing) == id_, col(ListingPerson.place).in_(places)
        )
    ).rowcount


def drop_file(session: Session, id_: str) -> int:
    """Take the sealed file of a list away; of how many pieces it was."""
    return session.exec(delete(ListingPart).where(col(ListingPart.listing) == id_)).rowcount


def drop_key(session: Session, id_: str) -> int:
    """Keep the key of a list no longer; 0 when it was gone."""
    return session.exec(
        update(Listing)
        .where(col(Listing.id) == id_, col(Listing.identity).is_not(None))
        .values(identity=None)
    ).rowcount


def handed_over(session: Session, before: datetime) -> list[str]:
    """Lists of which the key was handed over before a moment, and is still here."""
    kept = (col(Listing.identity).is_not(None), col(Listing.key_taken_at) < before)
    return [*session.exec(select(Listing.id).where(*kept)).all()]


def ended_with_persons(session: Session) -> list[str]:
    """Lists that are made no longer, while persons still stand on them here."""
    left = select(ListingPerson.listing).where(ListingPerson.listing == Listing.id).exists()
    return [*session.exec(select(Listing.id).where(Listing.state != State.ASKED, left)).all()]


def expired(session: Session, now: datetime) -> list[str]:
    """Lists of which the file, or the key, should be there no longer."""
    held = select(ListingPart.listing).where(ListingPart.listing == Listing.id).exists()
    over = or_(col(Listing.state) == State.FAILED, col(Listing.expires_at) <= now)
    kept = or_(held, col(Listing.identity).is_not(None))
    return [*session.exec(select(Listing.id).where(over, kept)).all()]


def _task(row: Listing) -> Task:
    # A version after this one may keep more of it.
    kept = {name: of for name, of in (row.visit or {}).items() if name in _VISIT}
    visit = Visit(
        **{
            **dict.fromkeys(_NEEDED, ""),
            **kept,
            "started_at": read_moment(kept["started_at"]) if kept else row.asked_at,
            "parameters": (),
        }
    )
    return Task(**{name: getattr(row, name) for name in _NAMES}, visit=visit)


_VISIT = frozenset(each.name for each in dataclasses.fields(Visit))
_NEEDED = ("operation", "route", "correlation_id", "event_id", "trace_id", "span_id")
