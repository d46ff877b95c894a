"""The register as a value: which version rules on a day, how each stands, who claims the same."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import documents, policy
from app.agreement import Document
from app.clauses import Standing
from app.errors import Reason
from app.policy import Clause, Period
from app.register import Conflict, Edition, Entry, Register, State
from app.register_lists import Delegate, SuccessionList

PROTOCOLS = Path(__file__).parents[2] / "protocols"
TODAY = date(2026, 6, 1)
DAY = timedelta(days=1)
CITY, PURPOSE, ID = "voorbeeldstad", "lokaalIntegratiebeleid", "voorbeeldstad-2026"
FUND, BUDGET = "zorgkas-voorbeeld", "zorgbudgetZwaarZorgbehoevenden"


def text(name: str) -> dict[str, Any]:
    """A protocol of the register as it is written."""
    return documents.as_data(documents.parse((PROTOCOLS / name).read_text(encoding="utf-8")))


DEMO, AVSB = text("demo/voorbeeldstad.yaml"), text("avsb-2021.yaml")


def entry(
    versie: str = "1",
    first: str = "2026-01-01",
    last: str | None = None,
    *,
    since: date = date(2025, 12, 1),
    source: dict[str, Any] = DEMO,
    standing: Standing | None = None,
    **changes: Any,
) -> Entry:
    """A version of the protocol of Voorbeeldstad, in the register `since` a day."""
    dates = {"versie": versie, "geldigVan": first, "geldigTot": last}
    document = documents.from_data({**source, **dates, **changes})
    assert isinstance(document, Document)
    hash_ = documents.document_hash(document)
    return Entry(document, hash_, since, standing or Standing())


def register(*entries: Entry) -> Register:
    """A register that holds these, in the order in which they came."""
    return Register(1, entries)


def purposes(*codes: str) -> dict[str, Any]:
    """The purpose of Voorbeeldstad under other codes."""
    [purpose] = DEMO["doeleinden"]
    return {"doeleinden": [{**purpose, "code": code} for code in codes]}


def ruling(known: Register, day: date, purpose: str = PURPOSE) -> Clause | None:
    """The clause of Voorbeeldstad on a day."""
    return known.covering(CITY, purpose, day)


def versions(known: Register, *days: date) -> list[str | None]:
    """Which version rules on each of these days."""
    return [found.version if (found := ruling(known, day)) else None for day in days]


# Which version rules


def test_on_every_day_one_version_rules() -> None:
    known = register(
        entry("1", "2026-01-01"), entry("2", "2026-06-01"), entry("3", "2026-09-01", "2026-12-31")
    )

    days = [
        (date(2025, 12, 31), "1"),
        (date(2026, 1, 1), "1"),
        (TODAY - DAY, "1"),
        (TODAY, "2"),
        (date(2026, 8, 31), "2"),
        (date(2026, 9, 1), "3"),
        (date(2026, 12, 31), "3"),
        (date(2027, 1, 1), "3"),
    ]
    assert versions(known, *(day for day, _ in days)) == [version for _, version in days]
    for day, version in days:
        assert {clause.version for clause in known.on(day)} == {version}


def test_the_order_in_which_versions_with_other_first_days_came_means_nothing() -> None:
    later_first = register(entry("2", "2026-06-01"), entry("1", "2026-01-01"))

    assert versions(later_first, TODAY - DAY, TODAY) == ["1", "2"]


def test_of_two_that_begin_together_the_later_in_the_register_rules() -> None:
    one, other = entry("1"), entry("2", since=date(2026, 3, 1))

    # What comes later corrects from the day on which it comes.
    assert versions(register(one, other), date(2026, 2, 28), date(2026, 3, 1)) == ["1", "2"]
    assert versions(register(other, one), date(2026, 1, 1), TODAY) == ["1", "1"]


def test_a_purpose_that_a_new_version_drops_is_withdrawn_from_its_first_day_on() -> None:
    known = register(
        entry("1", **purposes("onthaal", "taal")),
        entry("2", "2026-06-01", "2026-08-31", **purposes("taal")),
    )

    before, first, after = TODAY - DAY, TODAY, date(2026, 9, 1)
    assert ruling(known, before, "onthaal") is not None
    # When the new version has ended, what it withdrew does not come back.
    assert [ruling(known, day, "onthaal") for day in (first, after)] == [None, None]
    assert {clause.version for clause in known.on(after)} == {"2"}


def test_a_field_that_a_new_version_drops_is_withdrawn_from_its_first_day_on() -> None:
    [purpose] = DEMO["doeleinden"]
    [access] = purpose["toegang"]
    less = {**access, "velden": access["velden"][:1]}
    narrow: dict[str, Any] = {"doeleinden": [{**purpose, "toegang": [less]}]}
    known = register(entry("1"), entry("2", "2026-06-01", **narrow))

    before, after = ruling(known, TODAY - DAY), ruling(known, TODAY)

    assert before is not None
    assert after is not None
    assert "contact.email" in before.fields
    assert after.fields == {"personalia.insz"}


def test_the_version_of_tomorrow_rules_tomorrow_without_any_act() -> None:
    known = register(entry("1"), entry("2", "2026-06-02"))

    today, tomorrow = versions(known, TODAY, TODAY + DAY)

    assert (today, tomorrow) == ("1", "2")
    assert known.version == 1


def test_protocols_do_not_rule_each_other() -> None:
    known = register(entry("1"), entry("7", "2026-06-01", source=AVSB, id="avsb-2021"))

    assert versions(known, TODAY) == ["1"]


# Which clause covers a request


@pytest.mark.parametrize(
    ("periods", "expected"),
    [
        ([], None),
        ([("ended", "2025-01-01", "2025-12-31")], "ended"),
        ([("last-day", "2025-01-01", "2026-06-01"), ("later", "2026-06-02", None)], "last-day"),
        ([("ended", "2025-01-01", "2026-05-31"), ("first-day", "2026-06-01", None)], "first-day"),
        ([("ended", "2025-01-01", "2026-05-31"), ("later", "2026-06-02", None)], "ended"),
        (
            [("ends-last", "2025-01-01", "2026-05-31"), ("ends-first", "2026-01-01", "2026-04-30")],
            "ends-last",
        ),
        (
            [("begins-last", "2028-01-01", None), ("begins-first", "2027-01-01", None)],
            "begins-first",
        ),
        ([("newer", "2026-03-01", None), ("older", "2026-01-01", "2026-02-28")], "newer"),
        ([("ended", "2025-01-01", "2026-05-31"), ("next", "2026-06-10", None)], "ended"),
    ],
)
def test_the_protocol_in_force_covers_else_the_one_that_ended_last_else_the_next(
    periods: list[tuple[str, str, str | None]], expected: str | None
) -> None:
    for order in (periods, periods[::-1]):
        known = register(*(entry("1", first, last, id=id_) for id_, first, last in order))

        found = known.covering(CITY, PURPOSE, TODAY)

        assert (found.protocol if found else None) == expected
        assert known.of(CITY, TODAY) == ([found] if found else [])


def test_a_protocol_whose_ground_ended_gives_way_however_new_its_version() -> None:
    known = register(
        entry("1", id="een", **ground("2026-05-31")),
        entry("1", "2026-06-01", id="twee"),
        entry("2", "2026-06-15", id="een", **ground("2026-05-31")),
    )

    found = [known.covering(CITY, PURPOSE, day) for day in (TODAY - DAY, TODAY, date(2026, 6, 20))]

    assert [each.protocol if each else None for each in found] == ["een", "twee", "twee"]
    assert list(known.conflicts()) == []


def test_a_protocol_whose_ground_begins_later_waits_for_it() -> None:
    [purpose] = DEMO["doeleinden"]
    later = {**purpose, "rechtsgrond": {**purpose["rechtsgrond"], "van": "2026-06-15"}}
    known = register(
        entry("1", last="2026-06-14", id="een"), entry("1", id="twee", doeleinden=[later])
    )

    found = [known.covering(CITY, PURPOSE, day) for day in (TODAY, date(2026, 6, 15))]

    assert [each.protocol if each else None for each in found] == ["een", "twee"]


def test_an_organisation_has_one_clause_for_each_purpose() -> None:
    known = register(
        entry("1", "2025-01-01", "2025-12-31", id="oud", **purposes("taal", "onthaal")),
        entry("1", "2026-01-01", id="nieuw", **purposes("taal")),
    )

    found = [(clause.purpose, clause.protocol) for clause in known.of(CITY, TODAY)]

    assert found == [("onthaal", "oud"), ("taal", "nieuw")]


@pytest.mark.parametrize(
    ("organisation", "purpose"),
    [("nis:71016", PURPOSE), (CITY, "anders"), (None, PURPOSE), (CITY.upper(), PURPOSE), ("", "")],
)
def test_another_organisation_or_purpose_is_not_covered(
    organisation: str | None, purpose: str
) -> None:
    assert register(entry()).covering(organisation, purpose, TODAY) is None


def test_only_a_purpose_of_a_protocol_is_known() -> None:
    known = register(entry("1", "2025-01-01", "2025-01-31"))

    assert known.known_purpose(PURPOSE) == PURPOSE
    assert known.known_purpose("90722501478") is None


@pytest.mark.parametrize(
    ("organisation", "today", "names"),
    [
        ("nis:10003", TODAY - DAY, ("nis:10003",)),
        ("nis:10003", TODAY, ("nis:10003", "nis:10001", "nis:10002")),
        ("nis:10002", TODAY, ("nis:10002", "nis:10001")),
        ("nis:10001", TODAY, ("nis:10001",)),
        ("nis:10005", TODAY, ("nis:10005",)),  # after a split
        ("10003", TODAY, ("10003",)),
        ("nis:", TODAY, ("nis:",)),
        ("", TODAY, ("",)),
        (CITY, TODAY, (CITY,)),
    ],
)
def test_a_municipality_has_the_names_of_what_went_on_in_it(
    organisation: str, today: date, names: tuple[str, ...]
) -> None:
    merged = documents.from_data(
        {
            "lijst": "opvolgingen",
            "gewijzigdOp": "2026-01-01",
            "opvolgingen": [
                {"oud": old, "nieuw": new, "vanaf": since, "soort": kind}
                for old, new, since, kind in (
                    ("10001", "10002", "2019-01-01", "samenvoeging"),
                    ("10002", "10003", "2026-06-01", "samenvoeging"),
                    ("10004", "10003", "2026-06-01", "splitsing"),
                    ("10004", "10005", "2026-06-01", "splitsing"),
                )
            ],
        }
    )
    assert isinstance(merged, SuccessionList)

    known = register(entry(standing=Standing(successions=merged)))

    assert known.names_of(organisation, today) == names
    assert register(entry()).names_of(organisation, today) == (organisation,)


def test_how_long_one_keeps_is_said_by_the_version_that_gave() -> None:
    [purpose] = DEMO["doeleinden"]
    shorter = {**purpose["bewaring"], "jaren": 1}
    known = register(
        entry("1"), entry("2", "2026-06-01", doeleinden=[{**purpose, "bewaring": shorter}])
    )
    before, after = ruling(known, TODAY - DAY), ruling(known, TODAY)
    assert before is not None
    assert after is not None

    kept = [known.keep_until(clause, TODAY) for clause in (before, after)]

    assert kept == [date(2031, 6, 1), date(2027, 6, 1)]
    assert register(entry("3")).keep_until(before, TODAY) is None


def test_who_provides_is_said_by_the_version_that_gives() -> None:
    provider, receiver = DEMO["partijen"]
    other = {**provider, "organisaties": ["0316380841"], "kbo": "0316380841"}
    known = register(entry("1"), entry("2", "2026-06-01", partijen=[other, receiver]))
    before, after = ruling(known, TODAY - DAY), ruling(known, TODAY)
    assert before is not None
    assert after is not None

    assert known.provider(before) == provider["organisaties"][0]
    assert known.provider(after) == "0316380841"


# Editions


def published(known: Register, today: date) -> list[tuple[str, date | None, date | None, State]]:
    """Version, first and last day, and state of everything published."""
    return [
        (edition.document.version, edition.period.first, edition.period.last, edition.state)
        for edition in known.editions(today)
    ]


LAST = date(2026, 6, 30)


@pytest.mark.parametrize(
    ("standing", "today", "last", "state"),
    [
        (Standing(), date(2025, 12, 31), LAST, State.COMING),
        (Standing(), date(2026, 1, 1), LAST, State.IN_FORCE),
        (Standing(), LAST, LAST, State.IN_FORCE),
        (Standing(), LAST + DAY, LAST, State.ENDED),
        (Standing(ended_on=TODAY), TODAY, TODAY, State.IN_FORCE),
        (Standing(ended_on=TODAY), TODAY + DAY, TODAY, State.ENDED),
        (Standing(ended_on=LAST + DAY), LAST + DAY, LAST, State.ENDED),
        (Standing(suspended_since=TODAY), TODAY, LAST, State.SUSPENDED),
        # Validity is said before suspension, as the refusal says it.
        (Standing(suspended_since=TODAY), LAST + DAY, LAST, State.ENDED),
        (Standing(suspended_since=TODAY), date(2025, 12, 31), LAST, State.COMING),
    ],
)
def test_a_version_stands_on_each_day_as_its_dates_say(
    standing: Standing, today: date, last: date, state: State
) -> None:
    known = register(entry("1", "2026-01-01", "2026-06-30", standing=standing))

    assert published(known, today) == [("1", date(2026, 1, 1), last, state)]


@pytest.mark.parametrize(
    "today",
    [
        date(2025, 11, 1),
        date(2025, 12, 15),
        date(2025, 12, 16),
        date(2025, 12, 31),
        date(2026, 1, 1),
        TODAY,
    ],
)
@pytest.mark.parametrize("suspended", [None, date(2025, 10, 1)])
def test_an_end_before_its_beginning_leaves_a_version_no_day(
    today: date, suspended: date | None
) -> None:
    last = date(2025, 12, 15)
    ended = Standing(ended_on=last, suspended_since=suspended)
    known = register(entry("1", "2026-01-01", standing=ended))

    found = ruling(known, today)

    assert [state for *_, state in published(known, today)] == [State.ENDED]
    assert found is not None
    said = policy.standing(found, today, {}, production=False)
    assert said.closed == policy.Refused(Reason.EXPIRED, on=last)
    assert said.operations == frozenset()


FIRST_DAY = date(2026, 1, 1)


def on(offset: int) -> date:
    """So many days after the first of January."""
    return FIRST_DAY + offset * DAY


# When a version came, its first day, and how many days later its last is.
SPANS = st.lists(
    st.tuples(st.integers(-5, 30), st.integers(0, 30), st.none() | st.integers(0, 30)),
    min_size=1,
    max_size=5,
)


@given(SPANS)
def test_from_the_day_on_which_all_came_the_version_rules_whose_published_period_holds_the_day(
    spans: list[tuple[int, int, int | None]],
) -> None:
    known = register(
        *(
            entry(
                str(version),
                on(first).isoformat(),
                None if length is None else on(first + length).isoformat(),
                since=on(came),
            )
            for version, (came, first, length) in enumerate(sorted(spans, key=lambda span: span[0]))
        )
    )
    published = [(each.document.version, each.period) for each in known.editions(FIRST_DAY)]

    for day in map(on, range(max(came for came, *_ in spans), 70)):
        [found] = known.of(CITY, day)
        holding = [version for version, period in published if holds(period, day)]
        assert holding == ([found.version] if holds(found.valid, day) else [])


def holds(period: Period, day: date) -> bool:
    """Whether a day lies in a period."""
    return (period.first or date.min) <= day <= (period.last or date.max)


@pytest.mark.parametrize(
    ("today", "states"),
    [
        (date(2025, 12, 31), [State.COMING, State.COMING]),
        (TODAY - DAY, [State.IN_FORCE, State.COMING]),
        (TODAY, [State.SUPERSEDED, State.IN_FORCE]),
        (LAST, [State.SUPERSEDED, State.IN_FORCE]),
        (LAST + DAY, [State.SUPERSEDED, State.ENDED]),
    ],
)
def test_a_version_rules_until_the_day_before_its_successor(
    today: date, states: list[State]
) -> None:
    known = register(entry("1"), entry("2", "2026-06-01", "2026-06-30"))

    assert published(known, today) == [
        ("1", date(2026, 1, 1), TODAY - DAY, states[0]),
        ("2", TODAY, LAST, states[1]),
    ]


@pytest.mark.parametrize(
    ("own", "last"),
    [
        ("2026-03-31", date(2026, 3, 31)),
        ("2026-05-30", date(2026, 5, 30)),
        ("2026-06-01", date(2026, 5, 31)),
        ("2026-12-31", date(2026, 5, 31)),
    ],
)
def test_a_version_ends_at_its_own_end_or_before_its_successor(own: str, last: date) -> None:
    known = register(entry("1", last=own), entry("2", "2026-06-01"))

    assert published(known, TODAY)[0][2] == last


def test_between_its_end_and_its_successor_a_version_has_ended() -> None:
    known = register(entry("1", last="2026-03-31"), entry("2", "2026-06-01"))

    assert published(known, date(2026, 4, 1))[0][3] == State.ENDED


def test_a_correction_with_the_same_first_day_takes_over_when_it_comes() -> None:
    known = register(entry("1"), entry("2", since=TODAY))

    assert published(known, TODAY) == [
        ("1", date(2026, 1, 1), TODAY - DAY, State.SUPERSEDED),
        ("2", date(2026, 1, 1), None, State.IN_FORCE),
    ]


def test_a_correction_that_comes_before_the_first_day_leaves_the_original_no_day() -> None:
    known = register(entry("1", "2026-07-01"), entry("2", "2026-07-01", since=TODAY))

    [one, other] = published(known, date(2026, 7, 1))

    assert one == ("1", date(2026, 7, 1), date(2026, 6, 30), State.SUPERSEDED)
    assert other == ("2", date(2026, 7, 1), None, State.IN_FORCE)


@pytest.mark.parametrize(
    ("today", "state"), [(TODAY, State.SUPERSEDED), (date(2026, 7, 1), State.SUPERSEDED)]
)
def test_what_never_rules_a_day_is_superseded(today: date, state: State) -> None:
    known = register(entry("1", "2026-07-01"), entry("2", "2026-07-01", since=TODAY))

    assert published(known, today)[0] == ("1", date(2026, 7, 1), date(2026, 6, 30), state)


def test_versions_that_came_together_rule_each_on_their_own_days() -> None:
    late = date(2026, 6, 1)
    known = register(
        entry("1", "2021-01-01", since=late),
        entry("2", "2023-01-01", since=late),
        entry("3", "2025-01-01", since=late),
    )

    assert [(first, last) for _, first, last, _ in published(known, TODAY)] == [
        (date(2021, 1, 1), date(2022, 12, 31)),
        (date(2023, 1, 1), date(2024, 12, 31)),
        (date(2025, 1, 1), None),
    ]


def test_a_late_correction_of_the_past_leaves_the_version_that_rules_alone() -> None:
    known = register(entry("1"), entry("3", "2026-03-01"), entry("2", "2026-01-01", since=TODAY))

    assert [(name, first, last) for name, first, last, _ in published(known, TODAY)] == [
        ("1", date(2026, 1, 1), date(2026, 2, 28)),
        ("2", date(2026, 1, 1), date(2026, 2, 28)),
        ("3", date(2026, 3, 1), None),
    ]


def test_an_edition_says_what_stands_outside_its_document() -> None:
    standing = Standing(
        legal_ground_ends={PURPOSE: None},
        cooperation_since=date(2026, 2, 1),
        suspended_since=date(2026, 3, 1),
        ended_on=date(2026, 4, 1),
    )
    made = entry(standing=standing)

    [edition] = register(made).editions(TODAY)

    assert edition == Edition(
        document=made.document,
        hash=made.hash,
        period=Period(date(2026, 1, 1), date(2026, 4, 1)),
        state=State.ENDED,
        suspended_since=date(2026, 3, 1),
        ended_on=date(2026, 4, 1),
        legal_ground_ends={PURPOSE: None},
        cooperation_since=date(2026, 2, 1),
    )


def test_editions_come_by_protocol_and_first_day() -> None:
    known = register(
        entry("2", "2026-06-01", id="b"), entry("1", id="b"), entry("9", "2026-07-01", id="a")
    )

    found = [(each.document.id, each.document.version) for each in known.editions(TODAY)]

    assert found == [("a", "9"), ("b", "1"), ("b", "2")]


# Who claims the same


def ground(tot: str | None) -> dict[str, Any]:
    """The purpose of Voorbeeldstad with another end of its legal ground."""
    [purpose] = DEMO["doeleinden"]
    return {"doeleinden": [{**purpose, "rechtsgrond": {**purpose["rechtsgrond"], "tot": tot}}]}


def clash(day: date) -> list[Conflict]:
    """The conflict of two protocols of Voorbeeldstad, from a day on."""
    return [Conflict(("een", "twee"), CITY, PURPOSE, day)]


END = Standing(ended_on=date(2026, 5, 31))
SETTLED = Standing(legal_ground_ends={PURPOSE: date(2026, 5, 31)})


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        # overlapping by one day, and touching
        (entry("1", last="2026-06-01", id="een"), entry("1", "2026-06-01", id="twee"), TODAY),
        (entry("1", last="2026-05-31", id="een"), entry("1", "2026-06-01", id="twee"), None),
        (entry("1", id="een"), entry("1", "2026-06-01", id="twee"), TODAY),
        (entry("1", id="een"), entry("1", id="twee"), date(2026, 1, 1)),
        (
            entry("1", id="een"),
            entry("1", "2026-06-01", "2026-06-01", id="twee"),
            TODAY,
        ),
        # after an end
        (entry("1", standing=END, id="een"), entry("1", "2026-06-01", id="twee"), None),
        (entry("1", standing=END, id="een"), entry("1", "2026-05-31", id="twee"), TODAY - DAY),
        # after the end of the legal ground, written or set
        (entry("1", id="een", **ground("2026-05-31")), entry("1", "2026-06-01", id="twee"), None),
        (entry("1", id="een", **ground("2026-06-01")), entry("1", "2026-06-01", id="twee"), TODAY),
        (
            entry("1", id="een", standing=SETTLED, **ground("operator")),
            entry("1", "2026-06-01", id="twee"),
            None,
        ),
        (
            entry("1", id="een", **ground("operator")),
            entry("1", "2026-06-01", id="twee"),
            TODAY,
        ),
        # a suspension is lifted one day: it makes no room
        (
            entry("1", standing=Standing(suspended_since=TODAY), id="een"),
            entry("1", "2026-06-01", id="twee"),
            TODAY,
        ),
        # another purpose
        (entry("1", id="een"), entry("1", "2026-06-01", id="twee", **purposes("taal")), None),
    ],
)
def test_two_protocols_claim_the_same_from_the_first_common_day_on(
    one: Entry, other: Entry, expected: date | None
) -> None:
    assert list(register(one, other).conflicts()) == (clash(expected) if expected else [])


def test_another_organisation_claims_nothing_of_this_one() -> None:
    party, receiver = DEMO["partijen"]
    [purpose] = DEMO["doeleinden"]
    [access] = purpose["toegang"]
    elsewhere: dict[str, Any] = {
        "partijen": [party, {**receiver, "organisaties": ["elders"]}],
        "doeleinden": [{**purpose, "toegang": [{**access, "organisaties": ["elders"]}]}],
    }

    known = register(entry("1", id="een"), entry("1", id="twee", **elsewhere))

    assert list(known.conflicts()) == []


@pytest.mark.parametrize(
    "second",
    [entry("2"), entry("2", "2026-06-01"), entry("2", since=TODAY), entry("2", "2025-01-01")],
)
def test_versions_of_one_protocol_never_conflict(second: Entry) -> None:
    assert list(register(entry("1"), second).conflicts()) == []


def test_a_version_claims_nothing_once_its_successor_dropped_the_purpose() -> None:
    known = register(
        entry("1", id="een", **purposes("taal", PURPOSE)),
        entry("2", "2026-06-01", id="een", **purposes("taal")),
        entry("1", "2026-06-01", id="twee"),
    )

    assert list(known.conflicts()) == []


def test_what_a_version_dropped_long_ago_is_free_when_both_are_loaded_together() -> None:
    known = register(
        entry("1", "2021-01-01", since=TODAY, id="een", **purposes("taal", PURPOSE)),
        entry("2", "2023-01-01", since=TODAY, id="een", **purposes("taal")),
        entry("1", "2023-01-01", since=TODAY, id="twee"),
    )

    assert list(known.conflicts()) == []


def test_every_conflict_is_found_by_organisation_and_purpose() -> None:
    both = purposes("taal", "onthaal")
    known = register(
        entry("1", id="een", **both), entry("1", id="twee", **both), entry("1", id="drie", **both)
    )

    found = [(each.purpose, each.protocols) for each in known.conflicts()]

    pairs = [("drie", "een"), ("drie", "twee"), ("een", "twee")]
    assert found == [(purpose, pair) for purpose in ("onthaal", "taal") for pair in pairs]


def acting(*periods: tuple[str | None, str | None]) -> Standing:
    """A care fund that acts for AVSB on these days."""
    return Standing(
        delegates=tuple(
            Delegate(
                FUND,
                Period(
                    date.fromisoformat(first) if first else None,
                    date.fromisoformat(last) if last else None,
                ),
            )
            for first, last in periods
        )
    )


def fund(first: str, last: str | None = None) -> Entry:
    """A protocol of its own with which the care fund asks for the same purpose."""
    provider, receiver = DEMO["partijen"]
    [purpose] = DEMO["doeleinden"]
    [access] = purpose["toegang"]
    own: dict[str, Any] = {
        "id": "zorgkas-2026",
        "partijen": [provider, {**receiver, "organisaties": [FUND]}],
        "doeleinden": [
            {**purpose, "code": BUDGET, "toegang": [{**access, "organisaties": [FUND]}]}
        ],
    }
    return entry("1", first, last, **own)


@pytest.mark.parametrize(
    ("standing", "own", "expected"),
    [
        (Standing(), fund("2026-01-01"), None),
        (acting((None, None)), fund("2026-06-01"), TODAY),
        (acting(("2022-01-01", None)), fund("2026-06-01"), TODAY),
        # the days on which the fund acts bound the claim, at both ends
        (acting(("2022-01-01", "2026-05-31")), fund("2026-06-01"), None),
        (acting(("2022-01-01", "2026-06-01")), fund("2026-06-01"), TODAY),
        (acting(("2026-06-02", None)), fund("2026-01-01", "2026-06-01"), None),
        (acting(("2026-06-01", None)), fund("2026-01-01", "2026-06-01"), TODAY),
        (acting(("2020-01-01", "2020-12-31"), ("2026-06-01", None)), fund("2026-01-01"), TODAY),
        # a list reaches no day on which its protocol does not rule
        (acting(("2000-01-01", None)), fund("2021-09-01", "2021-09-30"), None),
        (acting(("2000-01-01", None)), fund("2021-09-01", "2021-10-01"), date(2021, 10, 1)),
    ],
)
def test_a_delegate_claims_on_its_own_days(
    standing: Standing, own: Entry, expected: date | None
) -> None:
    avsb = entry("1", "2021-10-01", source=AVSB, standing=standing)

    found = [
        (each.organisation, each.purpose, each.day) for each in register(avsb, own).conflicts()
    ]

    assert found == ([(FUND, BUDGET, expected)] if expected else [])


def test_a_long_list_of_delegates_conflicts_on_its_own_days_and_never_with_itself() -> None:
    days = [date(2022, 1, 1) + 2 * at * DAY for at in range(3600)]
    standing = acting(*((day.isoformat(), day.isoformat()) for day in days))
    avsb = entry("1", "2021-10-01", source=AVSB, standing=standing)

    alone = list(register(avsb).conflicts())
    beside = list(register(avsb, fund("2022-01-02", "2022-01-31")).conflicts())

    assert alone == []
    assert [each.day for each in beside] == days[1:16]
    assert {(each.organisation, each.purpose) for each in beside} == {(FUND, BUDGET)}


def known_as(*names: str, access: str, id_: str) -> Entry:
    """A protocol with a body that is known under these names and named by one of them."""
    provider, receiver = DEMO["partijen"]
    [purpose] = DEMO["doeleinden"]
    [opened] = purpose["toegang"]
    return entry(
        id=id_,
        partijen=[provider, {**receiver, "organisaties": list(names)}],
        doeleinden=[{**purpose, "toegang": [{**opened, "organisaties": [access]}]}],
    )


@pytest.mark.parametrize(
    ("one", "other", "expected"),
    [
        # een is known as both and named by the first; twee is known by one name alone
        ("stad-a", "stad-a", ["stad-a"]),
        ("stad-a", "stad-b", ["stad-b"]),
        ("stad-b", "stad-a", ["stad-a"]),
        ("stad-a", "stad-c", []),
    ],
)
def test_a_body_with_two_identifiers_conflicts_under_either(
    one: str, other: str, expected: list[str]
) -> None:
    known = register(
        known_as("stad-a", "stad-b", access=one, id_="een"),
        known_as(other, access=other, id_="twee"),
    )

    assert [each.organisation for each in known.conflicts()] == expected


@pytest.mark.parametrize(
    ("protocol", "delegate", "expected"),
    [
        ("2026-12-31", "2026-05-31", []),
        ("2026-05-31", "2026-12-31", []),
        ("2026-12-31", "2026-06-01", [TODAY]),
        ("2026-06-01", "2026-12-31", [TODAY]),
    ],
)
def test_a_delegate_claims_until_its_own_end_or_that_of_its_protocol(
    protocol: str, delegate: str, expected: list[date]
) -> None:
    standing = acting(("2022-01-01", delegate))
    avsb = entry("1", "2021-10-01", protocol, source=AVSB, standing=standing)

    assert [each.day for each in register(avsb, fund("2026-06-01")).conflicts()] == expected


def test_a_term_that_the_operator_starts_bounds_the_claim() -> None:
    term = {"jaren": 5, "vanaf": "samenwerkingVan", "tekst": "5 jaar."}
    started = Standing(cooperation_since=date(2021, 6, 1))
    for standing, expected in ((started, []), (Standing(), [TODAY])):
        one = entry("1", "2021-01-01", "operator", id="een", termijn=term, standing=standing)

        found = register(one, entry("1", "2026-06-01", id="twee")).conflicts()

        assert [each.day for each in found] == expected
