"""Is this person within reach of this caller? And the import of the facts that say so."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from typing import Any, NamedTuple

from sqlmodel import Session, col, delete, or_, select

from app import driver
from app.driver import Row, Source
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
from app.wire import Strict


@dataclass(frozen=True)
class Admitted:
    """The person may be spoken of; `numbers` are the current one and the ones it replaced."""

    numbers: tuple[str, ...]
    fact: str  # what proved it, for the record (encrypted there)


class Wanted(NamedTuple):
    """A person whom somebody asks about, and the population that she has to belong to."""

    insz: Insz
    population: Population
    today: date
    now: datetime


# The number in use of each that was `asked`, and in `older` those that led to it. Most numbers were
# never replaced: then both searches end where they begin. Numbers that replace each other have no
# end: then the one that was asked is in use.
_HOLDS = "r.learned_at <= :known_at AND (r.dropped_at IS NULL OR r.dropped_at > :known_at)"
_NUMBERS = f"""
    WITH RECURSIVE up(asked, number) AS (
        SELECT r.old, r.current FROM EACH(:numbers) AS given CROSS JOIN replaced_number r
        WHERE r.old = given.value AND {_HOLDS}
        UNION
        SELECT up.asked, r.current
        FROM up JOIN replaced_number r ON r.old = up.number WHERE {_HOLDS}
    ), ends(asked, number) AS (
        SELECT up.asked, up.number FROM up WHERE NOT EXISTS (
            SELECT 1 FROM replaced_number r WHERE r.old = up.number AND {_HOLDS})
    ), used(asked, number) AS (
        SELECT given.value, coalesce(
            (SELECT ends.number FROM ends WHERE ends.asked = given.value LIMIT 1), given.value)
        FROM EACH(:numbers) AS given
    ), older(current, number) AS (
        SELECT r.current, r.old
        FROM used JOIN replaced_number r ON r.current = used.number WHERE {_HOLDS}
        UNION
        SELECT older.current, r.old
        FROM older JOIN replaced_number r ON r.current = older.number WHERE {_HOLDS}
    )
"""  # noqa: S608 - no value
_FROM = "FROM used u LEFT JOIN older ON older.current = u.number"
_CHAINS = f"{_NUMBERS} SELECT u.asked, u.number, older.number {_FROM}"

# The facts that place a person in each kind of population: both days of a period are included.
_WITHIN = "f.first <= :today AND (f.last IS NULL OR f.last >= :today)"
_IN_PROJECT = "f.project = :project AND f.municipality = ANY(:places)"
_TAKES_PART = f"{_IN_PROJECT} AND {_WITHIN}"
_CONSENTS = (
    f"{_IN_PROJECT} AND f.given_at <= :now AND (f.withdrawn_at IS NULL OR f.withdrawn_at > :now)"
)
_FACTS: Mapping[PopulationKind, tuple[str, str]] = {
    PopulationKind.RESIDENT: (
        "f.nis, f.first",
        f"residence f ON f.insz = u.number AND f.nis = ANY(:places) AND {_WITHIN}",
    ),
    PopulationKind.MEMBER: (
        "f.organisation, f.first",
        f"membership f ON f.insz = u.number AND f.organisation = :organisation AND {_WITHIN}",
    ),
    PopulationKind.PARTICIPANT: (
        "f.project, f.first",
        f"participation f ON f.insz = u.number AND {_TAKES_PART}",
    ),
    PopulationKind.CONSENT: (
        "f.project, f.given_at",
        f"consent f ON f.insz = u.number AND {_CONSENTS}",
    ),
}
_PERSON = "LEFT JOIN person p ON p.insz = u.number"
_COLUMNS = "u.asked, u.number, older.number, p.insz, p.cancelled_on"
_ADMISSIONS: Mapping[PopulationKind, str] = {
    kind: f"{_NUMBERS} SELECT {_COLUMNS}, {fact} {_FROM} {_PERSON} LEFT JOIN {table}"
    for kind, (fact, table) in _FACTS.items()
} | {
    PopulationKind.ANY: f"{_NUMBERS} SELECT {_COLUMNS}, NULL, NULL {_FROM} {_PERSON}",
}
ALWAYS = datetime.max.replace(tzinfo=UTC)


def admit_all(source: Source, wanted: Sequence[Wanted]) -> list[Admitted | Reason]:
    """Admit each person, or say why not: unknownPerson, cancelled or population.

    One statement for each population, the same whoever is asked about: nobody can tell an unknown
    person from a foreign one by what it costs.
    """
    together: dict[tuple[Any, ...], list[str]] = {}
    for each in wanted:
        together.setdefault(_question(each), []).append(each.insz.digits)
    found = {
        question: _admissions(source, numbers, *question) for question, numbers in together.items()
    }
    return [found[_question(each)][each.insz.digits] for each in wanted]


def _question(wanted: Wanted) -> tuple[Population, date, datetime | None]:
    """What one statement asks: a consent holds or not at this instant, the others on a day."""
    consent = wanted.population.kind is PopulationKind.CONSENT
    return wanted.population, wanted.today, wanted.now if consent else None


def _admissions(
    source: Source,
    numbers: Sequence[str],
    population: Population,
    today: date,
    now: datetime | None,
) -> dict[str, Admitted | Reason]:
    statement = _ADMISSIONS[population.kind]
    named = _named(statement, population, today, now)
    rows = driver.of(source).rows(statement, numbers=[*numbers], known_at=ALWAYS, **named)
    persons: dict[str, list[Row]] = {}
    for row in rows:
        persons.setdefault(row[0], []).append(row)
    return {asked: _admission(population.kind, persons[asked]) for asked in numbers}


def _named(
    statement: str, population: Population, today: date, now: datetime | None
) -> dict[str, Any]:
    """What a statement names of these."""
    values = {
        "today": today,
        "now": now,
        "places": [*population.places],
        "project": population.project,
        "organisation": population.organisation,
    }
    return {name: value for name, value in values.items() if f":{name}" in statement}


# Each person once, at her oldest fact that holds. A fact that is stored anew comes last: whoever
# reads on may see somebody twice, and misses nobody whose number stays the one in use.
_PROJECTS: Mapping[PopulationKind, str] = {
    kind: f"""
        SELECT min(f.id), f.insz FROM {table} f JOIN person p ON p.insz = f.insz
        WHERE p.cancelled_on IS NULL AND {holds} AND NOT EXISTS (
            SELECT 1 FROM replaced_number r WHERE r.old = f.insz AND r.dropped_at IS NULL)
        GROUP BY f.insz HAVING min(f.id) > CAST(:after AS bigint) ORDER BY min(f.id) LIMIT :most
    """  # noqa: S608 - no value
    for kind, (table, holds) in {
        PopulationKind.PARTICIPANT: ("participation", _TAKES_PART),
        PopulationKind.CONSENT: ("consent", _CONSENTS),
    }.items()
}


def of_project(
    source: Source, population: Population, today: date, now: datetime, after: int, most: int
) -> list[tuple[int, str]]:
    """The next persons of a project behind a place, with the place of each: at most so many.

    `population` is of the kind participant or consent: others are not found by their project.
    """
    statement = _PROJECTS[population.kind]
    named = _named(statement, population, today, now)
    rows = driver.of(source).rows(statement, after=after, most=most, **named)
    return [(place, insz) for place, insz in rows]


# Who may stand on a list, by number: `admit_all` says who does. A page goes on by the index on the
# number, past those who live elsewhere: another index is one more for the hot lane to mistake.
_CANDIDATES: Mapping[PopulationKind, str] = {
    kind: f"""
        SELECT DISTINCT f.insz FROM {table} f
        WHERE {holds} AND f.insz > :after ORDER BY f.insz LIMIT :most
    """  # noqa: S608 - no value
    for kind, (table, holds) in {
        PopulationKind.RESIDENT: ("residence", f"f.nis = ANY(:places) AND {_WITHIN}"),
        PopulationKind.MEMBER: ("membership", f"f.organisation = :organisation AND {_WITHIN}"),
        PopulationKind.ANY: ("source_answer", "f.version IS NOT NULL"),
    }.items()
}


def candidates(
    source: Source, population: Population, today: date, after: str, most: int
) -> list[str]:
    """The next numbers behind `after` that a fact on `today` places in a population, in order.

    Of the kind any: those of which there is a dossier. A number may be an older one of somebody.
    """
    statement = _CANDIDATES[population.kind]
    named = _named(statement, population, today, None)
    rows = driver.of(source).rows(statement, after=after, most=most, **named)
    return [insz for (insz,) in rows]


def _admission(kind: PopulationKind, rows: Sequence[Row]) -> Admitted | Reason:
    """What the rows of one person say: each holds one of her older numbers and a fact, if any."""
    _, current, _, known, cancelled_on, *_ = rows[0]
    if cancelled_on is not None:
        return Reason.CANCELLED
    numbers = (current, *sorted({row[2] for row in rows} - {current, None}))
    if kind is PopulationKind.ANY:
        return Admitted(numbers, "any")
    if known is None:
        return Reason.UNKNOWN_PERSON
    facts = [(row[6], row[5]) for row in rows if row[5] is not None]
    if not facts:
        return Reason.POPULATION
    since, where = max(facts)
    if kind is PopulationKind.CONSENT:
        since = driver.moment(since)
    return Admitted(numbers, f"{kind} {where} since {since}")


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
        person.contact = facts.contact.model_dump(exclude_none=True)
    if facts.profile is not None:
        person.profile = facts.profile.model_dump(exclude_none=True)
    session.add(person)
    session.flush()
    lists: Mapping[Any, Sequence[Strict] | None] = {
        Residence: facts.residences,
        Membership: facts.memberships,
        Participation: facts.participations,
        Consent: facts.consents,
    }
    for table, said in lists.items():
        if said is not None:
            session.exec(delete(table).where(table.insz == insz))
            session.add_all(table(insz=insz, **each.model_dump()) for each in said)
    if facts.previous is not None:
        _replace_numbers(session, insz, [old.digits for old in facts.previous], now)
    return withdrawn


def _replace_numbers(session: Session, insz: str, previous: Sequence[str], now: datetime) -> None:
    """A number that is of another person from now on is no longer that of the one before."""
    of_either = or_(col(ReplacedNumber.old).in_(previous), ReplacedNumber.current == insz)
    stored = session.exec(
        select(ReplacedNumber).where(of_either, col(ReplacedNumber.dropped_at).is_(None))
    ).all()
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


def _withdraws(session: Session, facts: PersonFacts) -> bool:
    """True when a stored consent of the person, under any of her numbers, is not what it was.

    That of an older number counts no longer, and none does of a number that is cancelled.
    """
    insz, older = facts.insz.digits, [old.digits for old in facts.previous or ()]
    stored = session.exec(select(Consent).where(col(Consent.insz).in_([insz, *older]))).all()
    new = [given.model_dump() for given in facts.consents or ()]
    return any(
        one.model_dump(exclude={"id", "insz"}) not in new
        for one in stored
        if facts.consents is not None or one.insz != insz or facts.cancelled_on is not None
    )


def is_replaced(source: Source, insz: Insz) -> bool:
    """True for an older number: what is filed under it would never be looked at."""
    return numbers_of(source, insz)[0] != insz.digits


def contacts_of(source: Source, numbers: Collection[str]) -> dict[str, Mapping[str, Any]]:
    """The contact details that the register has of these persons."""
    return _said(source, "contact", numbers)


def profiles_of(source: Source, numbers: Collection[str]) -> dict[str, Mapping[str, Any]]:
    """What the register says of these persons that the KBI does not (`profiel`)."""
    return _said(source, "profile", numbers)


def _said(source: Source, column: str, numbers: Collection[str]) -> dict[str, Mapping[str, Any]]:
    statement = _SAID.format(column=column)
    rows = driver.of(source).rows(statement, numbers=[*dict.fromkeys(numbers)])
    return {insz: driver.json(said) for insz, said in rows if said is not None}


_SAID = """
    SELECT p.insz, CAST(p.{column} AS TEXT)
    FROM EACH(:numbers) AS given CROSS JOIN person p WHERE p.insz = given.value
"""


def numbers_of(source: Source, insz: Insz, known_at: datetime = ALWAYS) -> tuple[str, ...]:
    """Every number of the person who has or had this one, the current number first."""
    chains = _chains(source, [insz.digits], known_at)
    current: str = chains[0][1]
    return (current, *sorted({older for *_, older in chains} - {current, None}))


def all_numbers(source: Source, numbers: Collection[str]) -> dict[str, str]:
    """Every number of the persons who have or had these, with the one in use; one statement."""
    return {
        number: current
        for asked, current, older in _chains(source, numbers, ALWAYS)
        for number in (asked, current, older)
        if number is not None
    }


def _chains(source: Source, numbers: Collection[str], known_at: datetime) -> list[Row]:
    return driver.of(source).rows(_CHAINS, numbers=[*numbers], known_at=known_at)
