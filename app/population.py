"""Is this person within reach of this caller? And the import of the facts that say so."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, literal, null, true
from sqlmodel import Session, SQLModel, col, delete, or_, select

from app.errors import Reason
from app.insz import Insz
from app.models.persons import (
    Consent,
    Membership,
    Participation,
    Person,
    ReplacedNumber,
    Residence,
)
from app.policy import Population, PopulationKind
from app.register_lines import PersonFacts


@dataclass(frozen=True)
class Admitted:
    """The person may be spoken of; `numbers` are the current one and the ones it replaced."""

    numbers: tuple[str, ...]
    fact: str  # what proved it, for the record (encrypted there)


def admit(
    session: Session, population: Population, insz: Insz, today: date, now: datetime
) -> Admitted | Reason:
    """Admit the person, or say why not: unknownPerson, cancelled or population.

    Runs the same statements whatever the answer, so that nobody can tell an unknown person
    from a foreign one by what it costs.
    """
    current = _current_number(session, insz)
    older = _older_numbers(session, current)
    known, cancelled_on, where, since = session.exec(_found(population, current, today, now)).one()
    if cancelled_on is not None:
        return Reason.CANCELLED
    if population.kind is PopulationKind.ANY:
        return Admitted((current, *older), "any")
    if known is None:
        return Reason.UNKNOWN_PERSON
    if where is None:
        return Reason.POPULATION
    return Admitted((current, *older), f"{population.kind} {where} since {since}")


def _current_number(session: Session, insz: Insz, known_at: datetime | None = None) -> str:
    """The number in use, however often it was replaced; itself when it never was."""
    holds = _holding(known_at)
    step = select(ReplacedNumber.old, ReplacedNumber.current).where(*holds)
    steps = step.where(ReplacedNumber.old == insz.digits).cte("steps", recursive=True)
    steps = steps.union(step.join(steps, col(ReplacedNumber.old) == steps.c.current))
    replaced = (
        select(ReplacedNumber.old).where(ReplacedNumber.old == steps.c.current, *holds).exists()
    )
    return session.exec(select(steps.c.current).where(~replaced)).first() or insz.digits


def _found(population: Population, insz: str, today: date, now: datetime) -> Any:
    """One row, whoever it is: the number when it is known, its end, and the fact with its begin.

    Nothing is built from what is there and not from what is missing: that would take its time.
    """
    person = (
        select(col(Person.insz), col(Person.cancelled_on)).where(Person.insz == insz).subquery()
    )
    fact = _fact(population, insz, today, now).limit(1).subquery()
    always = select(literal(1)).subquery()
    return (
        select(person.c.insz, person.c.cancelled_on, fact.c.place, fact.c.since)
        .select_from(always)
        .outerjoin(person, true())
        .outerjoin(fact, true())
    )


def _fact(population: Population, insz: str, today: date, now: datetime) -> Any:
    """The newest fact that places the person in the population: `place` and `since`."""
    table: Any
    conditions: list[ColumnElement[bool]]
    match population.kind:
        case PopulationKind.RESIDENT:
            table, place = Residence, col(Residence.nis)
            conditions = [place.in_(population.places)]
        case PopulationKind.MEMBER:
            table, place = Membership, col(Membership.organisation)
            conditions = [place == population.organisation]
        case PopulationKind.PARTICIPANT:
            table, place = Participation, col(Participation.project)
            conditions = [
                place == population.project,
                col(Participation.municipality).in_(population.places),
            ]
        case PopulationKind.CONSENT:
            return (
                select(col(Consent.project).label("place"), col(Consent.given_at).label("since"))
                .where(Consent.insz == insz, Consent.project == population.project)
                .where(col(Consent.municipality).in_(population.places))
                .where(Consent.given_at <= now)
                .where(or_(col(Consent.withdrawn_at).is_(None), col(Consent.withdrawn_at) > now))
                .order_by(col(Consent.given_at).desc())
            )
        case PopulationKind.ANY:
            return select(null().label("place"), null().label("since"))
    # Both ends included.
    return (
        select(place.label("place"), col(table.first).label("since"))
        .where(table.insz == insz, table.first <= today, *conditions)
        .where(or_(col(table.last).is_(None), col(table.last) >= today))
        .order_by(col(table.first).desc())
    )


def store(session: Session, facts: PersonFacts, now: datetime) -> bool:
    """Store the facts of one line; a list that is present replaces that list of the person.

    Of replaced numbers it stays known until when they were taken for those of the person: an
    advice of then can be repeated.

    True when a consent is no longer what it was: an answer that rests on it is to be decided anew.
    """
    insz = facts.insz.digits
    withdrawn = _withdraws(session, facts)
    person = session.get(Person, insz) or Person(insz=insz)
    if facts.says_cancelled:
        person.cancelled_on = facts.cancelled_on
    if facts.contact is not None:
        person.contact = dict(facts.contact)
    if facts.profile is not None:
        person.profile = dict(facts.profile)
    session.add(person)
    session.flush()
    if facts.residences is not None:
        _replace(
            session,
            Residence,
            insz,
            [
                Residence(insz=insz, nis=stay.place, first=stay.first, last=stay.last)
                for stay in facts.residences
            ],
        )
    if facts.memberships is not None:
        _replace(
            session,
            Membership,
            insz,
            [
                Membership(insz=insz, organisation=stay.place, first=stay.first, last=stay.last)
                for stay in facts.memberships
            ],
        )
    if facts.participations is not None:
        _replace(
            session,
            Participation,
            insz,
            [Participation(insz=insz, **asdict(part)) for part in facts.participations],
        )
    if facts.consents is not None:
        _replace(
            session,
            Consent,
            insz,
            [Consent(insz=insz, **asdict(given)) for given in facts.consents],
        )
    if facts.previous is not None:
        _replace_numbers(session, insz, [old.digits for old in facts.previous], now)
    return withdrawn


def _replace_numbers(session: Session, insz: str, previous: Sequence[str], now: datetime) -> None:
    """A number that is of another person from now on is no longer that of the one before."""
    of_either = or_(col(ReplacedNumber.old).in_(previous), ReplacedNumber.current == insz)
    stored = session.exec(select(ReplacedNumber).where(of_either, *_holding(None))).all()
    kept = {row.old for row in stored if row.current == insz and row.old in previous}
    for row in stored:
        if row.old not in kept:
            row.dropped_at = now
            session.add(row)
    session.flush()
    for old in dict.fromkeys(previous):
        if old not in kept:
            session.add(ReplacedNumber(old=old, current=insz, learned_at=now))
    session.flush()


def _holding(known_at: datetime | None) -> list[ColumnElement[bool]]:
    """The replaced numbers that hold now, or that held as known at a moment."""
    if known_at is None:
        return [col(ReplacedNumber.dropped_at).is_(None)]
    dropped = col(ReplacedNumber.dropped_at)
    return [
        col(ReplacedNumber.learned_at) <= known_at,
        or_(dropped.is_(None), dropped > known_at),
    ]


def _withdraws(session: Session, facts: PersonFacts) -> bool:
    """True when a stored consent of the person is missing from the new list, as it stood."""
    if facts.consents is None:
        return False
    stored = session.exec(select(Consent).where(Consent.insz == facts.insz.digits)).all()
    new = [asdict(given) for given in facts.consents]
    return any(one.model_dump(exclude={"id", "insz"}) not in new for one in stored)


def _replace(session: Session, table: Any, insz: str, rows: Sequence[SQLModel]) -> None:
    session.exec(delete(table).where(table.insz == insz))
    session.add_all(rows)


def is_replaced(session: Session, insz: Insz) -> bool:
    """True for an older number: what is filed under it would never be looked at."""
    return _current_number(session, insz) != insz.digits


def contact_of(session: Session, insz: str) -> Mapping[str, Any] | None:
    """The contact details of a person, as the register has them."""
    return session.exec(select(Person.contact).where(Person.insz == insz)).first()


def numbers_of(session: Session, insz: Insz, known_at: datetime | None = None) -> tuple[str, ...]:
    """Every number of the person who has or had this one, the current number first."""
    current = _current_number(session, insz, known_at)
    return (current, *_older_numbers(session, current, known_at))


def _older_numbers(
    session: Session, current: str, known_at: datetime | None = None
) -> Sequence[str]:
    """The numbers that led to this one, and those that led to them."""
    older = select(ReplacedNumber.old).where(*_holding(known_at))
    found = older.where(ReplacedNumber.current == current).cte("found", recursive=True)
    found = found.union(older.join(found, col(ReplacedNumber.current) == found.c.old))
    return session.exec(
        select(found.c.old).where(found.c.old != current).order_by(found.c.old)
    ).all()


def current_numbers(session: Session, numbers: Collection[str]) -> dict[str, str]:
    """The number in use of each of these, however often it was replaced; in one statement."""
    holds = _holding(None)
    step = select(ReplacedNumber.old, ReplacedNumber.current).where(*holds)
    steps = step.where(col(ReplacedNumber.old).in_(numbers)).cte("steps", recursive=True)
    following = select(steps.c.old, ReplacedNumber.current).where(*holds)
    steps = steps.union(following.join(steps, col(ReplacedNumber.old) == steps.c.current))
    replaced = (
        select(ReplacedNumber.old).where(ReplacedNumber.old == steps.c.current, *holds).exists()
    )
    found = session.exec(select(steps.c.old, steps.c.current).where(~replaced)).all()
    return {**{number: number for number in numbers}, **dict(found)}


def all_numbers(session: Session, numbers: Collection[str]) -> dict[str, str]:
    """Every number of the persons who have or had these, with the one in use; two statements."""
    current = current_numbers(session, numbers)
    holds = _holding(None)
    step = select(ReplacedNumber.current, ReplacedNumber.old).where(*holds)
    in_use = {*current.values()}
    found = step.where(col(ReplacedNumber.current).in_(in_use)).cte("found", recursive=True)
    older = select(found.c.current, ReplacedNumber.old).where(*holds)
    found = found.union(older.join(found, col(ReplacedNumber.current) == found.c.old))
    rows = session.exec(select(found.c.old, found.c.current)).all()
    return {**{number: number for number in in_use}, **dict(rows), **current}
