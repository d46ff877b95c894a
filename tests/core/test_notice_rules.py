"""The terms of the five protocols for reports, and how a report goes on."""

from datetime import UTC, date, datetime, timedelta

import pytest
from texts import read

from app import notice_rules
from app.agreement import Document
from app.errors import IssueType
from app.notice_rules import PAUSES, IncidentKind, IncidentState, Kind, State, Term

FOUND_ON = date(2026, 6, 1)
FOUND_AT = datetime(2026, 6, 1, 9, 30, tzinfo=UTC)
FIELD = "attest.inburgeringBehaald"
VALUE = (False, (FIELD, "contact.email"), (FIELD,))
ADVICE = (True, (), ())


@pytest.mark.parametrize("kind", [kind for kind in Kind if kind is not Kind.CONTESTED_ADVICE])
def test_a_value_that_was_delivered_can_be_reported(kind: Kind) -> None:
    assert notice_rules.unfit(kind, FIELD, *VALUE) is None


@pytest.mark.parametrize(
    ("kind", "field", "access", "name"),
    [
        (Kind.WRONG, None, VALUE, "veld"),
        (Kind.WRONG, "contact.email", VALUE, "veld"),
        (Kind.WRONG, FIELD, ADVICE, "veld"),
        (Kind.MISSING, "contact.telefoon", VALUE, "veld"),
        (Kind.CONTESTED_ADVICE, None, VALUE, "soort"),
        (Kind.CONTESTED_ADVICE, FIELD, ADVICE, "veld"),
    ],
)
def test_a_report_must_fit_its_access(
    kind: Kind, field: str | None, access: tuple[bool, tuple[str, ...], tuple[str, ...]], name: str
) -> None:
    issue = notice_rules.unfit(kind, field, *access)

    assert issue is not None
    assert (issue.name, issue.type) == (name, IssueType.INVALID_INPUT)


def test_what_is_missing_was_asked_and_not_delivered() -> None:
    assert notice_rules.unfit(Kind.MISSING, "contact.email", *VALUE) is None


def test_an_advice_is_contested_without_a_field() -> None:
    assert notice_rules.unfit(Kind.CONTESTED_ADVICE, None, *ADVICE) is None


@pytest.mark.parametrize(
    ("found_on", "fits"),
    [
        (date(2026, 5, 31), False),
        (date(2026, 6, 1), True),
        (date(2026, 6, 3), True),
        (date(2026, 6, 4), False),
    ],
)
def test_a_finding_lies_between_the_access_and_today(found_on: date, fits: bool) -> None:
    issue = notice_rules.ill_dated(found_on, date(2026, 6, 1), date(2026, 6, 3))

    assert (issue is None) == fits
    assert issue is None or issue.type is IssueType.OUT_OF_RANGE


# Two weeks from the finding (003, 004), from the receipt (002), or no term (000, 001): article 7.
@pytest.mark.parametrize(
    ("protocol", "due"),
    [
        ("avsb-2021", date(2026, 6, 15)),
        ("genk-2021", date(2026, 6, 15)),
        ("vdab-2023", date(2026, 6, 18)),
        ("mechelen-2021", None),
        ("wetteren-2023", None),
    ],
)
def test_the_answer_is_due_as_the_text_says(protocol: str, due: date | None) -> None:
    # In Brussels it is the 4th already.
    received_at = datetime(2026, 6, 3, 22, 30, tzinfo=UTC)

    assert notice_rules.answer_due(read(protocol).data_error, FOUND_ON, received_at) == due


@pytest.mark.parametrize(
    ("state", "due", "today", "overdue"),
    [
        (State.RECEIVED, date(2026, 6, 15), date(2026, 6, 15), False),
        (State.RECEIVED, date(2026, 6, 15), date(2026, 6, 16), True),
        (State.ANSWERED, date(2026, 6, 15), date(2026, 6, 16), False),
        (State.RECEIVED, None, date(2099, 1, 1), False),
    ],
)
def test_an_answer_is_overdue_after_its_last_day(
    state: State, due: date | None, today: date, overdue: bool
) -> None:
    assert notice_rules.answer_overdue(state, due, today) is overdue


# 24 hours with attempts (003, 004), 48 without (000, 001), no hours (002): articles 6 and 9.
@pytest.mark.parametrize(
    ("protocol", "kind", "obliged", "hours"),
    [
        ("avsb-2021", IncidentKind.INCIDENT, True, 24),
        ("avsb-2021", IncidentKind.ATTEMPT, True, 24),
        ("genk-2021", IncidentKind.ATTEMPT, True, 24),
        ("mechelen-2021", IncidentKind.INCIDENT, True, 48),
        ("mechelen-2021", IncidentKind.ATTEMPT, False, None),
        ("wetteren-2023", IncidentKind.INCIDENT, True, 48),
        ("wetteren-2023", IncidentKind.ATTEMPT, False, None),
        ("vdab-2023", IncidentKind.INCIDENT, True, None),
        ("vdab-2023", IncidentKind.ATTEMPT, False, None),
    ],
)
def test_the_term_of_an_incident_is_that_of_the_text(
    protocol: str, kind: IncidentKind, obliged: bool, hours: int | None
) -> None:
    term = notice_rules.incident_term(read(protocol).incident, kind, FOUND_AT)

    due = FOUND_AT + timedelta(hours=hours) if hours else None
    assert term == Term(obliged, hours, due)


@pytest.mark.parametrize(
    ("late", "in_time"), [(timedelta(0), True), (timedelta(microseconds=1), False)]
)
def test_a_report_is_in_time_until_the_last_moment(late: timedelta, in_time: bool) -> None:
    assert Term(True, 24, FOUND_AT).in_time(FOUND_AT + late) is in_time


def test_without_a_term_nothing_is_late() -> None:
    assert Term(True).in_time(FOUND_AT) is None


def test_the_parties_are_told_with_what_the_text_gives() -> None:
    told = notice_rules.to_be_told(read("mechelen-2021"))

    assert [one["partij"] for one in told] == [
        party.name for party in read("mechelen-2021").parties
    ]
    assert {"partij": "Stad Mechelen", "adres": "privacy@mechelen.be"} in told
    assert any("adres" not in one for one in told)


def test_a_contact_for_incidents_comes_first() -> None:
    document = read("genk-2021")
    contact = document.incident.model_copy(update={"contact": "incident@example.org"})
    changed: Document = document.model_copy(update={"incident": contact})

    first, *others = notice_rules.to_be_told(changed)

    assert first == {"partij": "incidenten", "adres": "incident@example.org"}
    assert others == notice_rules.to_be_told(document)


@pytest.mark.parametrize("state", IncidentState)
@pytest.mark.parametrize("next_", IncidentState)
def test_an_incident_goes_on_until_it_is_closed(state: IncidentState, next_: IncidentState) -> None:
    open_ = {IncidentState.REPORTED, IncidentState.EXAMINED}
    onward = {IncidentState.EXAMINED, IncidentState.CLOSED}

    assert notice_rules.may_become(state, next_) == (state in open_ and next_ in onward)


def test_attempts_come_ever_later_and_end() -> None:
    pauses = [notice_rules.next_attempt(number, FOUND_AT) for number in range(1, 9)]

    assert pauses == [FOUND_AT + pause for pause in PAUSES]
    assert list(PAUSES) == sorted(PAUSES)
    assert notice_rules.next_attempt(9, FOUND_AT) is None
