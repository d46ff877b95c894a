"""The rule of access as tables: every refusal, every first and last day, the order of checks."""

from dataclasses import replace
from datetime import date, timedelta

import pytest

from app import fields
from app.errors import Reason
from app.policy import (
    Clause,
    Granted,
    ListTerms,
    Operation,
    Period,
    Population,
    PopulationKind,
    Question,
    Quota,
    QuotaPeriod,
    Refused,
    Standing,
    decide,
    standing,
)

FIRST, LAST = date(2026, 1, 1), date(2026, 12, 31)
TODAY = date(2026, 6, 1)
DAY = timedelta(days=1)

CLAUSE = Clause(
    protocol="voorbeeldstad-2026",
    version="1",
    hash="sha256:00",
    organisation="voorbeeldstad",
    purpose="lokaalIntegratiebeleid",
    operations=frozenset({Operation.QUERY_DOSSIER}),
    fields=fields.leaves("contact") | {"personalia.insz"},
    population=Population(PopulationKind.RESIDENT, nis="99001"),
    valid=Period(FIRST, LAST),
)
QUESTION = Question(Operation.QUERY_DOSSIER, "lokaalIntegratiebeleid")


def test_refuses_without_a_clause() -> None:
    assert decide(None, QUESTION, TODAY, production=True) == Refused(Reason.NO_PROTOCOL)


def test_grants_every_field_of_the_clause_when_none_is_named() -> None:
    assert decide(CLAUSE, QUESTION, TODAY, production=True) == Granted(CLAUSE, CLAUSE.fields)


@pytest.mark.parametrize(
    ("asked", "granted"),
    [
        (("personalia.insz",), {"personalia.insz"}),
        (("contact.email", "personalia.insz"), {"contact.email", "personalia.insz"}),
        (("contact",), set(fields.leaves("contact"))),
        ((), set()),
    ],
)
def test_grants_no_more_than_was_asked(asked: tuple[str, ...], granted: set[str]) -> None:
    decision = decide(CLAUSE, replace(QUESTION, fields=asked), TODAY, production=True)

    assert decision == Granted(CLAUSE, frozenset(granted))


@pytest.mark.parametrize(
    ("asked", "refused"),
    [
        (("aanmelding.datumAanmelding",), ("aanmelding.datumAanmelding",)),
        (("personalia.insz", "aanmelding.datumAanmelding"), ("aanmelding.datumAanmelding",)),
        (("talenkennis", "aanmelding", "contact"), ("aanmelding", "talenkennis")),
        # A group with one member outside the grant is refused under the name that was asked.
        (("personalia",), ("personalia",)),
    ],
)
def test_one_field_outside_the_grant_refuses_the_whole_request(
    asked: tuple[str, ...], refused: tuple[str, ...]
) -> None:
    decision = decide(CLAUSE, replace(QUESTION, fields=asked), TODAY, production=True)

    assert decision == Refused(Reason.FIELD, fields=refused)


NOT_YET, ENDED = Reason.NOT_YET_VALID, Reason.EXPIRED
VALIDITY = [
    (Period(FIRST, LAST), FIRST - DAY, NOT_YET, FIRST),
    (Period(FIRST, LAST), FIRST, None, None),
    (Period(FIRST, LAST), LAST, None, None),
    (Period(FIRST, LAST), LAST + DAY, ENDED, LAST),
    (Period(FIRST, FIRST), FIRST, None, None),
    # What was ended before it began will never be valid.
    (Period(FIRST, FIRST - DAY), FIRST - DAY, ENDED, FIRST - DAY),
    (Period(FIRST, FIRST - DAY), FIRST - DAY - DAY, ENDED, FIRST - DAY),
    (Period(None, LAST), date.min, None, None),
    (Period(FIRST, None), date.max, None, None),
]


@pytest.mark.parametrize(("valid", "today", "reason", "on"), VALIDITY)
def test_a_protocol_holds_from_its_first_to_its_last_day(
    valid: Period, today: date, reason: Reason | None, on: date | None
) -> None:
    clause = replace(CLAUSE, valid=valid)

    decision = decide(clause, QUESTION, today, production=True)

    if reason is None:
        assert decision == Granted(clause, clause.fields)
    else:
        assert decision == Refused(reason, on=on)


GROUND_ENDED = Reason.LEGAL_GROUND_ENDED
GROUNDS = [
    (Period(FIRST, LAST), FIRST - DAY, NOT_YET, FIRST),
    (Period(FIRST, LAST), FIRST, None, None),
    (Period(FIRST, LAST), LAST, None, None),
    (Period(FIRST, LAST), LAST + DAY, GROUND_ENDED, LAST),
    (Period(), date.min, None, None),
    (Period(), date.max, None, None),
]


@pytest.mark.parametrize(("ground", "today", "reason", "on"), GROUNDS)
def test_a_protocol_holds_only_while_its_legal_ground_does(
    ground: Period, today: date, reason: Reason | None, on: date | None
) -> None:
    clause = replace(CLAUSE, valid=Period(), legal_ground=ground)

    decision = decide(clause, QUESTION, today, production=True)

    if reason is None:
        assert decision == Granted(clause, clause.fields)
    else:
        assert decision == Refused(reason, on=on)


@pytest.mark.parametrize("since", [FIRST, TODAY - DAY, TODAY, TODAY + DAY])
@pytest.mark.parametrize("production", [False, True])
def test_a_suspended_protocol_refuses_and_says_since_when(since: date, production: bool) -> None:
    """Also when it was suspended after the day that is asked about: it is suspended now."""
    clause = replace(CLAUSE, suspended_since=since)

    decision = decide(clause, QUESTION, TODAY, production=production)

    assert decision == Refused(Reason.SUSPENDED, on=since)


def test_an_unsettled_legal_ground_refuses_in_production_without_a_date() -> None:
    clause = replace(CLAUSE, legal_ground_settled=False)

    decision = decide(clause, QUESTION, TODAY, production=True)

    assert decision == Refused(Reason.LEGAL_GROUND_ENDED, on=None)


def test_the_demo_does_not_ask_for_a_settled_legal_ground() -> None:
    clause = replace(CLAUSE, legal_ground_settled=False)

    decision = decide(clause, QUESTION, TODAY, production=False)

    assert decision == Granted(clause, clause.fields)


@pytest.mark.parametrize("operation", sorted(set(Operation) - CLAUSE.operations))
def test_refuses_an_operation_that_the_clause_does_not_open(operation: Operation) -> None:
    decision = decide(CLAUSE, replace(QUESTION, operation=operation), TODAY, production=True)

    assert decision == Refused(Reason.OPERATION)


LISTED = frozenset({"trajectondersteuner"})
PROFILES = [
    # demands, list, sent, production, admitted
    (False, None, None, True, True),
    (False, LISTED, "anders", True, True),
    (True, LISTED, "trajectondersteuner", True, True),
    (True, LISTED, "Trajectondersteuner", True, False),
    (True, LISTED, "anders", True, False),
    (True, LISTED, None, True, False),
    (True, LISTED, "anders", False, False),
    (True, frozenset[str](), "trajectondersteuner", False, False),
    (True, None, "trajectondersteuner", True, False),
    (True, None, None, True, False),
    (True, None, "anders", False, True),
    (True, None, None, False, True),
]


@pytest.mark.parametrize(("demands", "listed", "sent", "production", "admitted"), PROFILES)
def test_a_demanded_list_of_function_profiles_decides(
    demands: bool, listed: frozenset[str] | None, sent: str | None, production: bool, admitted: bool
) -> None:
    clause = replace(CLAUSE, demands_profile=demands, profiles=listed)
    question = replace(QUESTION, function_profile=sent)

    decision = decide(clause, question, TODAY, production=production)

    refused = Refused(Reason.FUNCTION_PROFILE)
    assert decision == (Granted(clause, clause.fields) if admitted else refused)


TEST_DATES = [
    (FIRST, FIRST, True),
    (FIRST, FIRST - DAY, False),
    (FIRST, TODAY, True),
    (FIRST, TODAY + DAY, False),
    (None, TODAY, True),
    (None, TODAY + DAY, False),
    (None, date.min, True),
]


@pytest.mark.parametrize(("ground", "test_date", "admitted"), TEST_DATES)
def test_a_test_date_lies_between_the_start_of_the_ground_and_today(
    ground: date | None, test_date: date, admitted: bool
) -> None:
    clause = replace(CLAUSE, legal_ground=Period(ground, None))
    question = replace(QUESTION, test_date=test_date)

    decision = decide(clause, question, TODAY, production=True)

    refused = Refused(Reason.INVALID_DATE, on=ground)
    assert decision == (Granted(clause, clause.fields) if admitted else refused)


def test_the_end_of_a_legal_ground_is_compared_with_today_and_not_with_the_test_date() -> None:
    clause = replace(CLAUSE, legal_ground=Period(FIRST, TODAY - DAY))

    decision = decide(clause, replace(QUESTION, test_date=FIRST), TODAY, production=True)

    assert isinstance(decision, Refused)
    assert decision.reason is Reason.LEGAL_GROUND_ENDED


def quota(maximum: int, per: QuotaPeriod = QuotaPeriod.YEAR) -> Quota:
    """So many dossiers."""
    return Quota(Operation.QUERY_DOSSIER, maximum, per)


@pytest.mark.parametrize(
    ("maximum", "used", "admitted"),
    [(1, 0, True), (1, 1, False), (3, 2, True), (3, 3, False), (3, 4, False)],
)
def test_a_quota_refuses_once_its_turns_are_taken(maximum: int, used: int, admitted: bool) -> None:
    clause = replace(CLAUSE, quotas=(quota(maximum),))

    decision = decide(clause, QUESTION, TODAY, production=True, used=used)

    refused = Refused(Reason.QUOTA, on=date(2027, 1, 1))
    assert decision == (Granted(clause, clause.fields) if admitted else refused)


YEAR, HALF_YEAR = QuotaPeriod.YEAR, QuotaPeriod.HALF_YEAR
SPANS = [
    (YEAR, date(2025, 12, 31), date(2025, 1, 1), date(2026, 1, 1)),
    (YEAR, date(2026, 1, 1), date(2026, 1, 1), date(2027, 1, 1)),
    (YEAR, date(2026, 6, 30), date(2026, 1, 1), date(2027, 1, 1)),
    (YEAR, date(2026, 7, 1), date(2026, 1, 1), date(2027, 1, 1)),
    (YEAR, date(2026, 12, 31), date(2026, 1, 1), date(2027, 1, 1)),
    (HALF_YEAR, date(2025, 12, 31), date(2025, 7, 1), date(2026, 1, 1)),
    (HALF_YEAR, date(2026, 1, 1), date(2026, 1, 1), date(2026, 7, 1)),
    (HALF_YEAR, date(2026, 6, 30), date(2026, 1, 1), date(2026, 7, 1)),
    (HALF_YEAR, date(2026, 7, 1), date(2026, 7, 1), date(2027, 1, 1)),
    (HALF_YEAR, date(2026, 12, 31), date(2026, 7, 1), date(2027, 1, 1)),
    # No day comes after the last one there is.
    (YEAR, date.max, date(9999, 1, 1), date.max),
    (HALF_YEAR, date.max, date(9999, 7, 1), date.max),
]


@pytest.mark.parametrize(("per", "today", "first", "renewed"), SPANS)
def test_a_quota_counts_from_january_or_july_and_says_when_it_renews(
    per: QuotaPeriod, today: date, first: date, renewed: date
) -> None:
    clause = replace(CLAUSE, valid=Period(), quotas=(quota(1, per),))

    decision = decide(clause, QUESTION, today, production=True, used=1)

    assert clause.quotas[0].span(today) == (first, renewed)
    assert decision == Refused(Reason.QUOTA, on=renewed)


def test_the_quota_of_another_operation_does_not_count() -> None:
    clause = replace(CLAUSE, quotas=(Quota(Operation.QUERY_ADVIES, 1, YEAR),))

    decision = decide(clause, QUESTION, TODAY, production=True, used=1)

    assert decision == Granted(clause, clause.fields)


# Everything is wrong at first; each row repairs what the row before it was refused for.
REPAIRS = [
    (Reason.NOT_YET_VALID, {}, {}),
    (Reason.EXPIRED, {"valid": Period(None, TODAY - DAY)}, {}),
    (Reason.SUSPENDED, {"valid": Period()}, {}),
    (Reason.NOT_YET_VALID, {"suspended_since": None}, {}),
    (Reason.LEGAL_GROUND_ENDED, {"legal_ground": Period(None, TODAY - DAY)}, {}),
    (Reason.LEGAL_GROUND_ENDED, {"legal_ground": Period()}, {}),
    (Reason.OPERATION, {"legal_ground_settled": True}, {}),
    (Reason.FUNCTION_PROFILE, {}, {"operation": Operation.QUERY_DOSSIER}),
    (Reason.FIELD, {}, {"function_profile": "trajectondersteuner"}),
    (Reason.INVALID_DATE, {}, {"fields": ("personalia.insz",)}),
    (Reason.QUOTA, {}, {"test_date": TODAY}),
    (None, {"quotas": ()}, {}),
]


def test_the_earliest_check_wins() -> None:
    clause = replace(
        CLAUSE,
        valid=Period(TODAY + DAY, None),
        suspended_since=TODAY,
        legal_ground=Period(TODAY + DAY, TODAY - DAY),
        legal_ground_settled=False,
        demands_profile=True,
        profiles=LISTED,
        quotas=(quota(1),),
    )
    question = replace(
        QUESTION,
        operation=Operation.EXCHANGE_VDAB,
        fields=("talenkennis",),
        test_date=TODAY + DAY,
    )

    found = []
    for _, of_clause, of_question in REPAIRS:
        clause = replace(clause, **of_clause)  # type: ignore[arg-type]
        question = replace(question, **of_question)  # type: ignore[arg-type]
        decision = decide(clause, question, TODAY, production=True, used=1)
        found.append(decision.reason if isinstance(decision, Refused) else None)

    assert found == [reason for reason, _, _ in REPAIRS]


@pytest.mark.parametrize(
    ("population", "places"),
    [
        (Population(PopulationKind.ANY), set()),
        (Population(PopulationKind.MEMBER, organisation="zorgkas-voorbeeld"), set()),
        (Population(PopulationKind.RESIDENT, nis="99001"), {"99001"}),
        (
            Population(PopulationKind.RESIDENT, nis="99001", absorbed=frozenset({"99003"})),
            {"99001", "99003"},
        ),
        # Without a municipality of its own nobody has anything to absorb.
        (Population(PopulationKind.RESIDENT, absorbed=frozenset({"99003"})), set()),
    ],
)
def test_a_municipality_has_its_own_persons_and_those_of_what_it_absorbed(
    population: Population, places: set[str]
) -> None:
    assert population.places == places


# What stands open


NOTHING = frozenset[Operation](), frozenset[str]()
BOTH = frozenset({Operation.QUERY_DOSSIER, Operation.QUERY_ADVIES})
LISTS = frozenset({Operation.CREATE_LIJST})
BOTH_LISTS = LISTS | {Operation.QUERY_DOSSIER}
WITH_QUOTA: dict[str, object] = {"operations": BOTH, "quotas": (quota(2),)}
OPEN = frozenset({Operation.QUERY_DOSSIER}), CLAUSE.fields, None
STANDINGS: list[tuple[dict[str, object], int, bool, tuple[object, object, object]]] = [
    ({}, 0, True, OPEN),
    ({"operations": BOTH}, 0, True, (BOTH, CLAUSE.fields, None)),
    # An advice gives no fields, and the exchange of files is not asked here.
    (
        {"operations": frozenset({Operation.QUERY_ADVIES, Operation.EXCHANGE_VDAB})},
        0,
        True,
        (frozenset({Operation.QUERY_ADVIES}), frozenset(), None),
    ),
    ({"operations": frozenset({Operation.EXCHANGE_VDAB})}, 0, True, (*NOTHING, None)),
    (
        {"operations": BOTH_LISTS, "listing": ListTerms(last=TODAY - DAY)},
        0,
        True,
        OPEN,
    ),
    (
        {"operations": LISTS, "listing": ListTerms(last=TODAY)},
        0,
        True,
        (LISTS, CLAUSE.fields, None),
    ),
    (
        {"operations": LISTS, "listing": ListTerms(last=TODAY - DAY)},
        0,
        False,
        (*NOTHING, Refused(ENDED, on=TODAY - DAY)),
    ),
    (
        {"operations": LISTS, "listing": ListTerms(settled=False)},
        0,
        True,
        (*NOTHING, Refused(ENDED)),
    ),
    (
        {"operations": LISTS, "listing": ListTerms(settled=False)},
        0,
        False,
        (LISTS, CLAUSE.fields, None),
    ),
    (WITH_QUOTA, 1, True, (BOTH, CLAUSE.fields, None)),
    (WITH_QUOTA, 2, True, (frozenset({Operation.QUERY_ADVIES}), frozenset(), None)),
    (
        {"quotas": (quota(2),)},
        2,
        True,
        (*NOTHING, Refused(Reason.QUOTA, on=date(2027, 1, 1))),
    ),
    ({"suspended_since": TODAY}, 0, True, (*NOTHING, Refused(Reason.SUSPENDED, on=TODAY))),
    ({"valid": Period(FIRST, TODAY - DAY)}, 0, True, (*NOTHING, Refused(ENDED, on=TODAY - DAY))),
    ({"valid": Period(TODAY + DAY)}, 0, True, (*NOTHING, Refused(NOT_YET, on=TODAY + DAY))),
    ({"legal_ground_settled": False}, 0, True, (*NOTHING, Refused(GROUND_ENDED))),
    ({"legal_ground_settled": False}, 0, False, OPEN),
    ({"demands_profile": True, "profiles": LISTED}, 0, True, OPEN),
    ({"demands_profile": True}, 0, True, (*NOTHING, Refused(Reason.FUNCTION_PROFILE))),
    ({"demands_profile": True}, 0, False, OPEN),
    (
        {"demands_profile": True, "profiles": frozenset[str]()},
        0,
        False,
        (*NOTHING, Refused(Reason.FUNCTION_PROFILE)),
    ),
]


@pytest.mark.parametrize(("changes", "used", "production", "expected"), STANDINGS)
def test_what_stands_open_is_what_would_be_granted_and_else_why_not(
    changes: dict[str, object],
    used: int,
    production: bool,
    expected: tuple[frozenset[Operation], frozenset[str], Refused | None],
) -> None:
    clause = replace(CLAUSE, **changes)  # type: ignore[arg-type]

    told = standing(clause, TODAY, {Operation.QUERY_DOSSIER: used}, production=production)

    assert told == Standing(*expected)
