"""Is this person within reach of this caller? And the import of the facts that say so."""

from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import date, datetime
from typing import Any

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
    person = session.get(Person, current)
    older = _older_numbers(session, current)
    fact = _proof(session, population, current, today, now)
    if person is not None and person.cancelled_on is not None:
        return Reason.CANCELLED
    if population.kind is PopulationKind.ANY:
        return Admitted((current, *older), "any")
    if person is None:
        return Reason.UNKNOWN_PERSON
    if fact is None:
        return Reason.POPULATION
    return Admitted((current, *older), fact)


def _current_number(session: Session, insz: Insz) -> str:
    """The number in use now, however often it was replaced; itself when it never was."""
    step = select(ReplacedNumber.old, ReplacedNumber.current)
    steps = step.where(ReplacedNumber.old == insz.digits).cte("steps", recursive=True)
    steps = steps.union(step.join(steps, col(ReplacedNumber.old) == steps.c.current))
    replaced = select(ReplacedNumber.old).where(ReplacedNumber.old == steps.c.current).exists()
    return session.exec(select(steps.c.current).where(~replaced)).first() or insz.digits


def _proof(
    session: Session, population: Population, insz: str, today: date, now: datetime
) -> str | None:
    """The fact that places the person in the population at this moment, as text."""
    match population.kind:
        case PopulationKind.RESIDENT:
            stay = _first(session, Residence, insz, today, Residence.nis == population.nis)
            return f"resident {stay.nis} since {stay.first}" if stay else None
        case PopulationKind.MEMBER:
            member = _first(
                session, Membership, insz, today, Membership.organisation == population.organisation
            )
            return f"member {member.organisation} since {member.first}" if member else None
        case PopulationKind.PARTICIPANT:
            part = _first(
                session,
                Participation,
                insz,
                today,
                (Participation.project == population.project)
                & (Participation.municipality == population.nis),
            )
            return f"participant {part.project} since {part.first}" if part else None
        case PopulationKind.CONSENT:
            consent = session.exec(
                select(Consent).where(
                    Consent.insz == insz,
                    Consent.project == population.project,
                    Consent.municipality == population.nis,
                    Consent.given_at <= now,
                    or_(col(Consent.withdrawn_at).is_(None), col(Consent.withdrawn_at) > now),
                )
            ).first()
            return f"consent {consent.project} since {consent.given_at}" if consent else None
        case PopulationKind.ANY:
            return None


def _first(session: Session, table: Any, insz: str, today: date, condition: Any) -> Any:
    """The newest fact of `table` that covers today, both ends included."""
    return session.exec(
        select(table)
        .where(table.insz == insz, table.first <= today)
        .where(or_(col(table.last).is_(None), col(table.last) >= today))
        .where(condition)
        .order_by(col(table.first).desc())
    ).first()


def store(session: Session, facts: PersonFacts) -> None:
    """Store the facts of one line; a list that is present replaces that list of the person."""
    insz = facts.insz.digits
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


def _replace(session: Session, table: Any, insz: str, rows: Sequence[SQLModel]) -> None:
    session.exec(delete(table).where(table.insz == insz))
    session.add_all(rows)


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
