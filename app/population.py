"""Is this person within reach of this caller? And the import of the facts that say so."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

from sqlalchemy import ColumnElement, literal, null, true
from sqlmodel import Session, SQLModel, col, delete, func, or_, select

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

IMPORTS = 0x696E_6265_7267  # the advisory lock of the imports: any number that is ours alone


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


def _current_number(session: Session, insz: Insz) -> str:
    """The number in use now, however often it was replaced; itself when it never was."""
    step = select(ReplacedNumber.old, ReplacedNumber.current)
    steps = step.where(ReplacedNumber.old == insz.digits).cte("steps", recursive=True)
    steps = steps.union(step.join(steps, col(ReplacedNumber.old) == steps.c.current))
    replaced = select(ReplacedNumber.old).where(ReplacedNumber.old == steps.c.current).exists()
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


def lock(session: Session) -> None:
    """One import at a time: two that store a person at once would clash, and the server's log
    would name the number."""
    if session.get_bind().dialect.name == "postgresql":
        session.execute(select(func.pg_advisory_xact_lock(IMPORTS)))


def store(session: Session, facts: PersonFacts) -> bool:
    """Store the facts of one line; a list that is present replaces that list of the person.

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
        session.exec(delete(ReplacedNumber).where(col(ReplacedNumber.current) == insz))
        for old in facts.previous:
            session.merge(ReplacedNumber(old=old.digits, current=insz))
    return withdrawn


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


def numbers_of(session: Session, insz: Insz) -> tuple[str, ...]:
    """Every number of the person who has or had this one, the current number first."""
    current = _current_number(session, insz)
    return (current, *_older_numbers(session, current))


def _older_numbers(session: Session, current: str) -> Sequence[str]:
    """The numbers that led to this one, and those that led to them."""
    older = select(ReplacedNumber.old)
    found = older.where(ReplacedNumber.current == current).cte("found", recursive=True)
    found = found.union(older.join(found, col(ReplacedNumber.current) == found.c.old))
    return session.exec(
        select(found.c.old).where(found.c.old != current).order_by(found.c.old)
    ).all()
