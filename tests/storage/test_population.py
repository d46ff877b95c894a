"""Who is within reach of whom: the facts of the register, to the first and last day."""

import json
from collections.abc import Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
import stores
import variants
from sqlalchemy import event
from sqlalchemy.exc import IntegrityError
from sqlmodel import col, select

from app import clauses, documents, population
from app.clauses import Standing
from app.database import Database
from app.errors import Reason
from app.insz import Insz
from app.models.persons import ReplacedNumber
from app.policy import Population, PopulationKind
from app.population import ALWAYS, Admitted
from app.register_lines import read_line
from app.register_lists import SuccessionList

PERSON, OLD, OLDER, OTHER, ELDER = (
    Insz(digits)
    for digits in ("90722501478", "90722501676", "90722502171", "90722600359", "90722600161")
)
NOW = datetime(2026, 6, 1, 9, 30, tzinfo=UTC)
TODAY = NOW.date()
DAY, SECOND, TICK = timedelta(days=1), timedelta(seconds=1), timedelta(milliseconds=1)
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


def know(store: Database, insz: Insz = PERSON, at: datetime = NOW, **line: Any) -> None:
    """Store what one line of the register says, learned at this moment."""
    facts = read_line(json.dumps({"insz": insz.digits, **line}))
    with store.writing() as session:
        population.store(session, facts, at)


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
        return stores.admit(session, whom, insz, today, now)


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


SUCCESSORS = [
    replace(whom, absorbed=frozenset({"73066", "73110"})) for whom in (GENK, PROJECT, CONSENT)
]


@pytest.mark.parametrize(
    "whom",
    [GENK, FUND, PROJECT, CONSENT, ANYBODY, *SUCCESSORS],
    ids=lambda whom: f"{whom.kind.value}{' of a successor' * bool(whom.absorbed)}",
)
def test_a_refusal_costs_the_same_statements_whatever_its_reason(
    store: Database, whom: Population
) -> None:
    """Within reach, elsewhere, cancelled and unknown."""
    know(store, PERSON, **fact(PopulationKind.RESIDENT, **OPEN), vorigeInsz=[OLD.digits])
    know(store, ELDER, woonplaatsen=[{"nis": "99002", **OPEN}])
    know(store, OTHER, geannuleerdOp="2026-05-20")
    statements: list[str] = []

    def note(_connection: Any, _cursor: Any, statement: str, *_more: Any) -> None:
        statements.append(statement)

    event.listen(store.engine, "before_cursor_execute", note)
    costs = []
    for insz in (PERSON, OLD, ELDER, OTHER, OLDER):
        admit(store, whom, insz)
        costs.append([*statements])
        statements.clear()
    event.remove(store.engine, "before_cursor_execute", note)

    assert costs == [costs[0]] * 5
    assert costs[0]


# Municipalities that merge and split


MERGED = date(2026, 3, 1)
SUCCESSIONS = documents.from_data(
    {
        "lijst": "opvolgingen",
        "gewijzigdOp": "2026-01-01",
        "opvolgingen": [
            {"oud": old, "nieuw": new, "vanaf": since, "soort": kind}
            for old, new, since, kind in (
                ("99003", "99001", "2026-03-01", "samenvoeging"),
                ("99004", "99003", "2026-02-01", "samenvoeging"),
                ("99005", "99001", "2026-03-01", "splitsing"),
                ("99005", "99002", "2026-03-01", "splitsing"),
            )
        ],
    }
)


def reached_by(nis: str, kind: str, today: date) -> Population:
    """The population of this kind that a protocol with this municipality opens on a day."""
    assert isinstance(SUCCESSIONS, SuccessionList)
    project = {} if kind == "resident" else {"project": "proef"}
    persons = {"soort": kind, "nis": nis, "tekst": "Zij.", **project}
    opened = variants.document(doeleinden=[variants.purpose(variants.access(populatie=persons))])
    standing = Standing(successions=SUCCESSIONS)
    [clause] = clauses.opened_by(opened, "sha256:00", standing, today)
    return clause.population


def placed(kind: str, nis: str) -> dict[str, Any]:
    """The line that places somebody in a municipality since long ago."""
    facts = {
        "resident": ("woonplaatsen", {"nis": nis, "van": "2020-01-01"}),
        "participant": ("deelnames", {"project": "proef", "gemeente": nis, "van": "2020-01-01"}),
        "consent": (
            "toestemmingen",
            {"project": "proef", "gemeente": nis, "gegeven": "2020-01-01T00:00:00Z"},
        ),
    }
    name, what = facts[kind]
    return {name: [what]}


KINDS = ["resident", "participant", "consent"]


def reaches(store: Database, nis: str, kind: str, *days: date) -> list[bool]:
    """Whether the protocol of this municipality reaches the person on each of these days."""
    answers = [admit(store, reached_by(nis, kind, day), today=day) for day in days]
    assert all(isinstance(each, Admitted) or each is Reason.POPULATION for each in answers)
    return [isinstance(each, Admitted) for each in answers]


@pytest.mark.parametrize("kind", KINDS)
def test_a_successor_reaches_whom_it_absorbed_from_the_day_of_the_merger_on(
    store: Database, kind: str
) -> None:
    know(store, **placed(kind, "99003"))

    assert reaches(store, "99001", kind, MERGED - DAY, MERGED, TODAY) == [False, True, True]


@pytest.mark.parametrize("kind", KINDS)
def test_a_successor_reaches_whom_its_predecessor_absorbed(store: Database, kind: str) -> None:
    know(store, **placed(kind, "99004"))

    first = date(2026, 2, 1)
    days = (first - DAY, first, MERGED - DAY, MERGED)
    assert reaches(store, "99003", kind, *days) == [False, True, True, True]
    assert reaches(store, "99001", kind, *days) == [False, False, False, True]


@pytest.mark.parametrize("kind", KINDS)
def test_who_was_absorbed_keeps_its_own_persons_and_gets_none_of_its_successor(
    store: Database, kind: str
) -> None:
    know(store, **placed(kind, "99003"))
    days = (MERGED - DAY, MERGED)
    own = reaches(store, "99003", kind, *days)

    know(store, **placed(kind, "99001"))

    assert own == [True, True]
    assert reaches(store, "99003", kind, *days) == [False, False]
    assert reaches(store, "99001", kind, *days) == [True, True]


@pytest.mark.parametrize("kind", KINDS)
def test_after_a_split_no_successor_reaches_whom_the_old_code_places(
    store: Database, kind: str
) -> None:
    know(store, **placed(kind, "99005"))

    days = (MERGED - DAY, MERGED, TODAY)
    for nis in ("99001", "99002"):
        assert reaches(store, nis, kind, *days) == [False, False, False]
    assert reaches(store, "99005", kind, *days) == [True, True, True]


def test_the_fact_of_a_successor_names_the_code_that_proved_it(store: Database) -> None:
    know(store, **placed("resident", "99003"))

    answer = admit(store, reached_by("99001", "resident", TODAY))

    assert answer == Admitted((PERSON.digits,), "resident 99003 since 2020-01-01")


def test_a_successor_reaches_nobody_elsewhere(store: Database) -> None:
    know(store, **placed("resident", "99002"))

    assert reaches(store, "99001", "resident", MERGED - DAY, MERGED) == [False, False]


# Consents that are taken back


ONE = {"project": "proef", "gemeente": "99001", "gegeven": "2026-05-01T07:00:00Z"}
TWO = {**ONE, "project": "ander"}
ENDED = {**ONE, "ingetrokken": "2026-05-31T18:00:00Z"}


@pytest.mark.parametrize(
    ("before", "line", "withdraws"),
    [
        ([], {"toestemmingen": [ONE]}, False),
        ([ONE], {"toestemmingen": [ONE]}, False),
        ([ONE], {"toestemmingen": [{**ONE, "gegeven": "2026-05-01T09:00:00+02:00"}]}, False),
        ([ONE], {"toestemmingen": [TWO, ONE]}, False),
        ([ONE], {}, False),
        ([ONE], {"woonplaatsen": []}, False),
        ([ENDED], {"toestemmingen": [ENDED]}, False),
        ([ONE], {"toestemmingen": []}, True),
        ([ONE], {"toestemmingen": [ENDED]}, True),
        ([ONE], {"toestemmingen": [TWO]}, True),
        ([ONE, TWO], {"toestemmingen": [ONE]}, True),
        ([ONE], {"toestemmingen": [{**ONE, "gemeente": "99002"}]}, True),
        ([ONE], {"toestemmingen": [{**ONE, "gegeven": "2026-05-01T07:00:01Z"}]}, True),
        ([ENDED], {"toestemmingen": [{**ONE, "ingetrokken": "2026-05-30T18:00:00Z"}]}, True),
    ],
)
def test_a_line_that_withdraws_or_changes_a_consent_says_so(
    store: Database, before: list[Any], line: dict[str, Any], withdraws: bool
) -> None:
    know(store, OTHER, toestemmingen=[ONE, TWO])
    know(store, toestemmingen=before)
    facts = read_line(json.dumps({"insz": PERSON.digits, **line}))

    with store.writing() as session:
        told = population.store(session, facts, NOW)

    assert told is withdraws


@pytest.mark.parametrize("consents", [{}, {"toestemmingen": [ENDED]}], ids=["none", "ended"])
def test_a_consent_under_the_number_that_is_replaced_is_withdrawn(
    store: Database, consents: dict[str, Any]
) -> None:
    know(store, OLD, toestemmingen=[ONE])
    line = {"insz": PERSON.digits, "vorigeInsz": [OLD.digits], **consents}

    with store.writing() as session:
        told = population.store(session, read_line(json.dumps(line)), NOW)

    assert told


def test_the_consent_of_a_number_that_is_cancelled_is_withdrawn(store: Database) -> None:
    know(store, toestemmingen=[ONE])
    line = {"insz": PERSON.digits, "geannuleerdOp": "2026-05-31"}

    with store.writing() as session:
        told = population.store(session, read_line(json.dumps(line)), NOW)

    assert told


# Imports


def everything(store: Database) -> dict[str, list[tuple[Any, ...]]]:
    """Every fact that holds, without its row number."""
    holding = {
        "person": "insz, cancelled_on, contact, profile FROM person",
        "residence": "insz, nis, first, last FROM residence",
        "membership": "insz, organisation, first, last FROM membership",
        "participation": "insz, project, municipality, first, last FROM participation",
        "consent": "insz, project, municipality, given_at, withdrawn_at FROM consent",
        "replaced_number": "old, current FROM replaced_number WHERE dropped_at IS NULL",
    }
    with store.reading() as session:
        connection = session.connection()
        return {
            table: sorted(
                tuple(str(value) for value in row)
                for row in connection.exec_driver_sql(f"SELECT {what}")
            )
            for table, what in holding.items()
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
        found = population.contacts_of(session, [PERSON.digits, OTHER.digits])
    assert found == {PERSON.digits: {"email": "test@example.org"}}


# Numbers as they were known


def numbers(store: Database, insz: Insz, at: datetime | None = None) -> list[str]:
    """Every number of the person who has this one, as known at a moment."""
    with store.reading() as session:
        return list(population.numbers_of(session, insz, at or ALWAYS))


def history(store: Database) -> list[tuple[str, str, datetime, datetime | None]]:
    """Every replacement there is or was, in the order of the answers."""
    with store.reading() as session:
        rows = session.exec(select(ReplacedNumber).order_by(col(ReplacedNumber.id)))
        return [(row.old, row.current, row.learned_at, row.dropped_at) for row in rows]


def test_a_replacement_is_known_from_the_moment_that_it_was_learned(store: Database) -> None:
    know(store, vorigeInsz=[OLD.digits])

    both = [PERSON.digits, OLD.digits]
    assert numbers(store, PERSON, NOW - TICK) == [PERSON.digits]
    assert numbers(store, OLD, NOW - TICK) == [OLD.digits]
    for at in (NOW, NOW + DAY, None):
        assert numbers(store, PERSON, at) == numbers(store, OLD, at) == both


def test_a_number_that_was_dropped_counts_up_to_that_moment(store: Database) -> None:
    know(store, vorigeInsz=[OLD.digits, OLDER.digits])

    know(store, at=NOW + DAY, vorigeInsz=[OLDER.digits])

    before, after = [PERSON.digits, OLD.digits, OLDER.digits], [PERSON.digits, OLDER.digits]
    assert [numbers(store, PERSON, NOW + DAY - TICK), numbers(store, PERSON, NOW + DAY)] == [
        before,
        after,
    ]
    assert numbers(store, PERSON) == after
    assert numbers(store, OLD, NOW + DAY) == numbers(store, OLD) == [OLD.digits]


def test_a_number_that_moved_was_of_the_one_before_until_then(store: Database) -> None:
    know(store, PERSON, vorigeInsz=[OLD.digits])

    know(store, OTHER, at=NOW + DAY, vorigeInsz=[OLD.digits])

    for insz, before, after in (
        (PERSON, [PERSON.digits, OLD.digits], [PERSON.digits]),
        (OTHER, [OTHER.digits], [OTHER.digits, OLD.digits]),
        (OLD, [PERSON.digits, OLD.digits], [OTHER.digits, OLD.digits]),
    ):
        assert numbers(store, insz, NOW + DAY - TICK) == before
        assert numbers(store, insz, NOW + DAY) == numbers(store, insz) == after


def test_a_chain_grows_a_link_at_a_time_and_breaks_where_one_is_dropped(store: Database) -> None:
    know(store, OLD, vorigeInsz=[OLDER.digits])
    know(store, PERSON, at=NOW + DAY, vorigeInsz=[OLD.digits])
    know(store, OLD, at=NOW + 2 * DAY, vorigeInsz=[])

    whole = [PERSON.digits, OLD.digits, OLDER.digits]
    known = [
        [numbers(store, insz, NOW + days * DAY) for insz in (PERSON, OLD, OLDER)]
        for days in range(3)
    ]
    assert known[0] == [[PERSON.digits], whole[1:], whole[1:]]
    assert known[1] == [whole, whole, whole]
    assert known[2] == [whole[:2], whole[:2], whole[2:]]


def test_a_number_that_came_back_has_a_gap(store: Database) -> None:
    for days, previous in enumerate(([OLD.digits], [], [OLD.digits])):
        know(store, at=NOW + days * DAY, vorigeInsz=previous)

    known = [len(numbers(store, OLD, NOW + days * DAY)) for days in (-1, 0, 1, 2)]
    assert known == [1, 2, 1, 2]
    assert history(store) == [
        (OLD.digits, PERSON.digits, NOW, NOW + DAY),
        (OLD.digits, PERSON.digits, NOW + 2 * DAY, None),
    ]


def test_what_is_said_once_more_keeps_the_moment_of_the_first_time(store: Database) -> None:
    know(store, vorigeInsz=[OLD.digits, OLDER.digits])
    before = history(store)

    know(store, at=NOW + DAY, vorigeInsz=[OLDER.digits, OLD.digits])
    know(store, at=NOW + DAY, contact={"voornaam": "Test"})

    assert history(store) == before
    assert len(before) == 2


def test_what_was_taken_back_in_the_same_import_was_never_known(store: Database) -> None:
    know(store, vorigeInsz=[OLD.digits])
    know(store, OTHER, vorigeInsz=[OLD.digits])

    for at in (NOW - TICK, NOW, NOW + DAY, None):
        assert numbers(store, PERSON, at) == [PERSON.digits]
    assert numbers(store, OLD, NOW) == [OTHER.digits, OLD.digits]


def test_an_old_number_is_of_one_person_at_a_time(store: Database) -> None:
    know(store, vorigeInsz=[OLD.digits])
    know(store, OTHER)

    with pytest.raises(IntegrityError), store.writing() as session:
        session.add(ReplacedNumber(old=OLD.digits, current=OTHER.digits, learned_at=NOW + DAY))

    assert numbers(store, OLD) == [PERSON.digits, OLD.digits]


def test_many_numbers_at_once_are_those_that_hold_now(store: Database) -> None:
    know(store, PERSON, vorigeInsz=[OLD.digits, OLDER.digits])
    know(store, OTHER, at=NOW + DAY, vorigeInsz=[OLD.digits])

    asked = [each.digits for each in (PERSON, OLD, OLDER, ELDER)]
    with store.reading() as session:
        every = population.all_numbers(session, asked)

    assert every == {
        PERSON.digits: PERSON.digits,
        OLD.digits: OTHER.digits,
        OLDER.digits: PERSON.digits,
        ELDER.digits: ELDER.digits,
        OTHER.digits: OTHER.digits,
    }
