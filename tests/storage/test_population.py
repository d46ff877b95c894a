"""Who is within reach of whom: the facts of the register, to the first and last day."""

import json
from collections.abc import Mapping
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from sqlalchemy import event

from app import population
from app.database import Database
from app.errors import Reason
from app.insz import Insz
from app.policy import Population, PopulationKind
from app.population import Admitted
from app.register_lines import read_line

PERSON, OLD, OLDER, OTHER = (
    Insz(digits) for digits in ("90722501478", "90722501676", "90722502171", "90722600359")
)
NOW = datetime(2026, 6, 1, 9, 30, tzinfo=UTC)
TODAY = NOW.date()
DAY, SECOND = timedelta(days=1), timedelta(seconds=1)
MAY = {"van": "2026-05-01", "tot": "2026-05-31"}
OPEN = {"van": "2026-05-01", "tot": None}

GENK = Population(PopulationKind.RESIDENT, nis="71016")
FUND = Population(PopulationKind.MEMBER, organisation="zorgkas-voorbeeld")
PROJECT = Population(PopulationKind.PARTICIPANT, nis="42025", project="proeftuin-wetteren")
CONSENT = Population(PopulationKind.CONSENT, nis="12025", project="proeftuin-mechelen")
ANYBODY = Population(PopulationKind.ANY)

FACTS: Mapping[PopulationKind, tuple[str, Mapping[str, Any]]] = {
    PopulationKind.RESIDENT: ("woonplaatsen", {"nis": "71016"}),
    PopulationKind.MEMBER: ("lidmaatschappen", {"organisatie": "zorgkas-voorbeeld"}),
    PopulationKind.PARTICIPANT: (
        "deelnames",
        {"project": "proeftuin-wetteren", "gemeente": "42025"},
    ),
    PopulationKind.CONSENT: (
        "toestemmingen",
        {"project": "proeftuin-mechelen", "gemeente": "12025"},
    ),
}


def know(store: Database, insz: Insz = PERSON, **line: Any) -> None:
    """Store what one line of the register says."""
    facts = read_line(json.dumps({"insz": insz.digits, **line}))
    with store.writing() as session:
        population.store(session, facts)


def fact(kind: PopulationKind, **period: Any) -> dict[str, Any]:
    """The line that places a person in the population of this kind."""
    name, what = FACTS[kind]
    return {name: [{**what, **period}]}


def admit(
    store: Database,
    whom: Population,
    insz: Insz = PERSON,
    today: date = TODAY,
    now: datetime = NOW,
) -> Admitted | Reason:
    """Ask on a reading session, as the use cases do."""
    with store.reading() as session:
        return population.admit(session, whom, insz, today, now)


def admitted(store: Database, whom: Population, *days: date) -> list[bool]:
    """Whether the person is admitted on each of these days; any other answer is `population`."""
    answers = [admit(store, whom, today=day) for day in days]
    assert all(isinstance(each, Admitted) or each is Reason.POPULATION for each in answers)
    return [isinstance(each, Admitted) for each in answers]


# Days


@pytest.mark.parametrize("whom", [GENK, FUND, PROJECT], ids=lambda whom: whom.kind.value)
def test_a_period_counts_from_its_first_to_its_last_day(store: Database, whom: Population) -> None:
    first, last = date(2026, 5, 1), date(2026, 5, 31)

    know(store, **fact(whom.kind, **MAY))

    days = (first - DAY, first, last, last + DAY)
    assert admitted(store, whom, *days) == [False, True, True, False]


@pytest.mark.parametrize("whom", [GENK, FUND, PROJECT], ids=lambda whom: whom.kind.value)
def test_a_period_without_an_end_goes_on(store: Database, whom: Population) -> None:
    know(store, **fact(whom.kind, **OPEN))

    days = (date(2026, 4, 30), date(2026, 5, 1), date(2999, 1, 1))
    assert admitted(store, whom, *days) == [False, True, True]


def test_one_day_is_a_period_and_a_gap_is_none(store: Database) -> None:
    stays = [
        {"nis": "71016", "van": "2026-05-01", "tot": "2026-05-01"},
        {"nis": "71016", "van": "2026-05-03", "tot": "2026-05-04"},
    ]

    know(store, woonplaatsen=stays)

    days = [date(2026, 5, day) for day in range(1, 6)]
    assert admitted(store, GENK, *days) == [True, False, True, True, False]


def test_a_consent_counts_from_its_moment_until_it_is_withdrawn(store: Database) -> None:
    given, withdrawn = "2026-05-01T09:00:00+02:00", "2026-05-31T18:00:00Z"
    know(store, **fact(PopulationKind.CONSENT, gegeven=given, ingetrokken=withdrawn))

    moments = (
        datetime(2026, 5, 1, 7, 0, tzinfo=UTC) - SECOND,
        datetime(2026, 5, 1, 7, 0, tzinfo=UTC),
        datetime(2026, 5, 31, 18, 0, tzinfo=UTC) - SECOND,
        datetime(2026, 5, 31, 18, 0, tzinfo=UTC),
    )
    answers = [admit(store, CONSENT, now=moment) for moment in moments]

    assert [isinstance(each, Admitted) for each in answers] == [False, True, True, False]


def test_a_consent_that_is_not_withdrawn_goes_on(store: Database) -> None:
    know(store, **fact(PopulationKind.CONSENT, gegeven="2021-07-02T09:00:00+02:00"))

    assert isinstance(admit(store, CONSENT), Admitted)


def test_a_consent_that_was_given_again_counts_again(store: Database) -> None:
    _, what = FACTS[PopulationKind.CONSENT]
    consents = [
        {**what, "gegeven": "2026-01-01T09:00:00Z", "ingetrokken": "2026-02-01T09:00:00Z"},
        {**what, "gegeven": "2026-03-01T09:00:00Z"},
    ]

    know(store, toestemmingen=consents)

    assert admit(store, CONSENT, now=datetime(2026, 2, 2, tzinfo=UTC)) is Reason.POPULATION
    assert isinstance(admit(store, CONSENT), Admitted)


# Which population


ELSEWHERE = (
    Population(PopulationKind.RESIDENT, nis="99001"),
    Population(PopulationKind.MEMBER, organisation="zorgkas-tweede"),
    Population(PopulationKind.PARTICIPANT, nis="42025", project="proeftuin-mechelen"),
    Population(PopulationKind.PARTICIPANT, nis="71016", project="proeftuin-wetteren"),
    Population(PopulationKind.CONSENT, nis="12025", project="proeftuin-wetteren"),
    Population(PopulationKind.CONSENT, nis="71016", project="proeftuin-mechelen"),
    # A population that names nothing holds nobody.
    Population(PopulationKind.RESIDENT),
    Population(PopulationKind.MEMBER),
    Population(PopulationKind.PARTICIPANT),
    Population(PopulationKind.CONSENT),
)


def test_a_fact_about_another_place_or_project_does_not_count(store: Database) -> None:
    for whom in (GENK, FUND, PROJECT):
        know(store, **fact(whom.kind, **OPEN))
    know(store, **fact(PopulationKind.CONSENT, gegeven="2021-07-02T09:00:00+02:00"))

    answers = {whom: admit(store, whom) for whom in ELSEWHERE}

    assert answers == dict.fromkeys(ELSEWHERE, Reason.POPULATION)


def test_a_fact_about_somebody_else_does_not_count(store: Database) -> None:
    know(store)
    for whom in (GENK, FUND, PROJECT):
        know(store, OTHER, **fact(whom.kind, **OPEN))
    know(store, OTHER, **fact(PopulationKind.CONSENT, gegeven="2021-07-02T09:00:00+02:00"))

    answers = {admit(store, whom) for whom in (GENK, FUND, PROJECT, CONSENT)}

    assert answers == {Reason.POPULATION}


def test_the_fact_that_proved_it_is_told(store: Database) -> None:
    for whom in (GENK, FUND, PROJECT):
        know(store, **fact(whom.kind, **OPEN))
    know(store, **fact(PopulationKind.CONSENT, gegeven="2021-07-02T09:00:00+02:00"))

    answers = [admit(store, whom) for whom in (GENK, FUND, PROJECT, CONSENT, ANYBODY)]

    assert answers == [
        Admitted((PERSON.digits,), "resident 71016 since 2026-05-01"),
        Admitted((PERSON.digits,), "member zorgkas-voorbeeld since 2026-05-01"),
        Admitted((PERSON.digits,), "participant proeftuin-wetteren since 2026-05-01"),
        Admitted((PERSON.digits,), "consent proeftuin-mechelen since 2021-07-02 07:00:00+00:00"),
        Admitted((PERSON.digits,), "any"),
    ]


# Who is known


def test_an_unknown_person_is_refused_except_where_nothing_is_checked(store: Database) -> None:
    assert admit(store, GENK) is Reason.UNKNOWN_PERSON
    assert admit(store, ANYBODY) == Admitted((PERSON.digits,), "any")


def test_a_cancelled_number_is_refused_until_the_cancellation_is_lifted(store: Database) -> None:
    know(store, **fact(PopulationKind.RESIDENT, **OPEN), geannuleerdOp="2026-05-20")

    cancelled = admit(store, GENK)
    know(store, contact={"voornaam": "Test"})
    still = admit(store, GENK)
    by_anybody = admit(store, ANYBODY)
    know(store, geannuleerdOp=None)

    assert cancelled is still is by_anybody is Reason.CANCELLED
    assert isinstance(admit(store, GENK), Admitted)


def test_a_replaced_number_stands_for_the_person_who_has_it_now(store: Database) -> None:
    know(store, **fact(PopulationKind.RESIDENT, **OPEN), vorigeInsz=[OLD.digits, OLDER.digits])

    answers = [admit(store, GENK, insz) for insz in (PERSON, OLD, OLDER)]

    numbers = (PERSON.digits, OLD.digits, OLDER.digits)
    assert answers == [Admitted(numbers, "resident 71016 since 2026-05-01")] * 3
    assert admit(store, ANYBODY, OLD) == Admitted(numbers, "any")


def test_a_number_that_was_replaced_twice_stands_for_the_last_one(store: Database) -> None:
    """Facts that were stored under a number which was replaced since prove nothing any more."""
    know(store, OLD, **fact(PopulationKind.RESIDENT, **OPEN), vorigeInsz=[OLDER.digits])
    know(store, **fact(PopulationKind.MEMBER, **OPEN), vorigeInsz=[OLD.digits])

    for insz in (PERSON, OLD, OLDER):
        assert admit(store, GENK, insz) is Reason.POPULATION
        answer = admit(store, FUND, insz)
        assert isinstance(answer, Admitted)
        assert answer.numbers == (PERSON.digits, OLD.digits, OLDER.digits)


def test_numbers_that_replace_each_other_end_the_search(store: Database) -> None:
    know(store, OLD, **fact(PopulationKind.RESIDENT, **OPEN), vorigeInsz=[PERSON.digits])
    know(store, **fact(PopulationKind.RESIDENT, **OPEN), vorigeInsz=[OLD.digits])

    with store.reading() as session:
        found = [population.numbers_of(session, insz) for insz in (PERSON, OLD)]

    assert [set(numbers) for numbers in found] == [{PERSON.digits, OLD.digits}] * 2


def test_every_number_of_a_person_is_found_from_any_of_them(store: Database) -> None:
    know(store, vorigeInsz=[OLDER.digits, OLD.digits])

    with store.reading() as session:
        found = {population.numbers_of(session, insz) for insz in (PERSON, OLD, OLDER)}
        stranger = population.numbers_of(session, OTHER)

    assert found == {(PERSON.digits, OLD.digits, OLDER.digits)}
    assert stranger == (OTHER.digits,)


@pytest.mark.parametrize(
    "whom", [GENK, FUND, PROJECT, CONSENT, ANYBODY], ids=lambda whom: whom.kind.value
)
def test_a_refusal_costs_the_same_statements_whatever_its_reason(
    store: Database, whom: Population
) -> None:
    know(store, PERSON, **fact(PopulationKind.RESIDENT, **OPEN), vorigeInsz=[OLD.digits])
    know(store, OTHER, geannuleerdOp="2026-05-20")
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        statements.append(statement)

    event.listen(store.engine, "before_cursor_execute", note)
    costs = []
    for insz in (PERSON, OLD, OTHER, OLDER):
        admit(store, whom, insz)
        costs.append([*statements])
        statements.clear()

    assert costs == [costs[0]] * 4
    assert costs[0]


# Imports


def everything(store: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Every fact that is stored, without its row number."""
    columns = {
        "person": "insz, cancelled_on, contact, profile",
        "residence": "insz, nis, first, last",
        "membership": "insz, organisation, first, last",
        "participation": "insz, project, municipality, first, last",
        "consent": "insz, project, municipality, given_at, withdrawn_at",
        "replaced_number": "old, current",
    }
    with store.reading() as session:
        connection = session.connection()
        return {
            table: sorted(
                tuple(str(value) for value in row)
                for row in connection.exec_driver_sql(f"SELECT {what} FROM {table}")  # noqa: S608
            )
            for table, what in columns.items()
        }


FULL_LINE: Mapping[str, Any] = {
    **fact(PopulationKind.RESIDENT, **OPEN),
    **fact(PopulationKind.MEMBER, **OPEN),
    **fact(PopulationKind.PARTICIPANT, **OPEN),
    **fact(PopulationKind.CONSENT, gegeven="2021-07-02T09:00:00+02:00"),
    "vorigeInsz": [OLD.digits],
    "geannuleerdOp": "2026-05-20",
    "contact": {"voornaam": "Test", "adres": {"straat": "Voorbeeldplein", "huisnummer": "1"}},
    "profiel": {"ocmwLeefloon": False},
}
LISTS = {
    "woonplaatsen": "residence",
    "lidmaatschappen": "membership",
    "deelnames": "participation",
    "toestemmingen": "consent",
    "vorigeInsz": "replaced_number",
}


def test_the_same_line_again_changes_nothing(store: Database) -> None:
    know(store, **FULL_LINE)
    once = everything(store)

    know(store, **FULL_LINE)

    assert everything(store) == once
    assert {table: len(rows) for table, rows in once.items()} == dict.fromkeys(once, 1)


def test_a_line_that_says_nothing_leaves_everything(store: Database) -> None:
    know(store, **FULL_LINE)
    before = everything(store)

    nothing: dict[str, Any] = dict.fromkeys([*LISTS, "contact", "profiel"])
    know(store)
    know(store, **nothing)

    assert everything(store) == before


@pytest.mark.parametrize(("name", "table"), LISTS.items())
def test_an_empty_list_empties_that_list_of_that_person_alone(
    store: Database, name: str, table: str
) -> None:
    know(store, **FULL_LINE)
    know(store, OTHER, **{**FULL_LINE, "vorigeInsz": [OLDER.digits]})
    before = everything(store)

    nothing: dict[str, Any] = {name: []}
    know(store, **nothing)

    after = everything(store)
    assert [row for row in after[table] if PERSON.digits in row] == []
    assert after[table] == [row for row in before[table] if OTHER.digits in row] != []
    assert {**after, table: before[table]} == before


def test_a_list_replaces_the_one_that_was_there(store: Database) -> None:
    know(store, **FULL_LINE)
    stays = [{"nis": "99001", "van": "2026-06-01"}, {"nis": "71016", **MAY}]

    know(store, woonplaatsen=stays, vorigeInsz=[OLDER.digits])

    after = everything(store)
    assert after["residence"] == [
        (PERSON.digits, "71016", "2026-05-01", "2026-05-31"),
        (PERSON.digits, "99001", "2026-06-01", "None"),
    ]
    assert after["replaced_number"] == [(OLDER.digits, PERSON.digits)]


def test_a_replaced_number_that_moves_belongs_to_the_last_who_claims_it(store: Database) -> None:
    know(store, PERSON, vorigeInsz=[OLD.digits])

    know(store, OTHER, vorigeInsz=[OLD.digits])

    assert everything(store)["replaced_number"] == [(OLD.digits, OTHER.digits)]


def test_contact_and_profile_are_replaced_as_a_whole(store: Database) -> None:
    know(store, **FULL_LINE)

    know(store, contact={"email": "test@example.org"})

    with store.reading() as session:
        assert population.contact_of(session, PERSON.digits) == {"email": "test@example.org"}
        assert population.contact_of(session, OTHER.digits) is None
