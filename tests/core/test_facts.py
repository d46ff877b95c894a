"""What is read of a person: days, periods, the history of target groups, and what is left out."""

from dataclasses import fields
from datetime import date
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_obligation import (
    ADULT,
    ANYTHING,
    OBLIGED,
    Json,
    born,
    breach,
    certificate,
    contracts,
    group,
    period,
    trajectory,
)

from app.facts import (
    UNREADABLE,
    Breach,
    Cause,
    Coded,
    Day,
    Facts,
    Kind,
    Period,
    TargetGroup,
    Unused,
    age_on,
    birthday,
    days_after,
    decision_kind,
    months_after,
    read_facts,
    target_group_on,
)


def day(first: str, last: str | None = None) -> Day:
    return Day(date.fromisoformat(first), date.fromisoformat(last or first))


def open_since(first: str, last: str | None = None) -> Period:
    return Period(day(first, last), None)


def read(blocks: Json, groups: list[Json] | None = None) -> Facts:
    return read_facts([blocks], groups or [])


def test_without_a_dossier_nothing_is_read() -> None:
    assert read_facts([], OBLIGED) == Facts()


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("1957-02-28", day("1957-02-28")),
        ("1957-02-00", day("1957-02-01", "1957-02-28")),
        ("1956-02-00", day("1956-02-01", "1956-02-29")),
        ("1957-00-00", day("1957-01-01", "1957-12-31")),
        ("1957-00-12", day("1957-01-01", "1957-12-31")),
        ("1957", None),
        ("1957-02-30", None),
        ("0000-00-00", None),
        ("1957-02-28T00:00:00", None),
        (19570228, None),
        ({}, None),
    ],
)
def test_an_incomplete_date_is_every_day_that_it_allows(text: Any, expected: Day | None) -> None:
    facts = read(born(text))

    assert facts.born == expected
    assert facts.unused == (() if expected else (Unused(Kind.BIRTH, Cause.UNREADABLE),))
    assert read(contracts(text)).contracts == (Coded(None, expected or UNREADABLE),)


def test_without_a_birth_date_there_is_none_and_nothing_to_say_of_it() -> None:
    assert read({}).born is None
    assert read({"personalia": {}}) == read({}) == Facts(dossier=True)


@pytest.mark.parametrize(
    ("tested", "before", "on", "after"),
    [
        (Period(day("2022-01-10"), None), "no", "yes", "yes"),
        (Period(day("2022-01-01"), day("2022-01-10")), "yes", "yes", "no"),
        (Period(day("2022-01-10"), day("2022-01-10")), "no", "yes", "no"),
        (Period(day("2022-01-10", "2022-01-11"), None), "no", "maybe", "yes"),
        (Period(day("2022-01-01"), day("2022-01-09", "2022-01-10")), "yes", "maybe", "no"),
        (Period(UNREADABLE, None), "maybe", "maybe", "maybe"),
        (Period(day("2022-01-11"), day("2022-01-09")), "no", "no", "no"),
    ],
)
def test_a_period_holds_on_its_first_and_last_day(
    tested: Period, before: str, on: str, after: str
) -> None:
    days = (date(2022, 1, 9), date(2022, 1, 10), date(2022, 1, 11))

    found = [
        {(False, False): "no", (False, True): "maybe", (True, True): "yes"}[
            tested.covers(each), tested.may_cover(each)
        ]
        for each in days
    ]

    assert found == [before, on, after]


@pytest.mark.parametrize(
    ("born_on", "age", "expected"),
    [
        (date(2004, 4, 20), 18, date(2022, 4, 20)),
        (date(2004, 2, 29), 18, date(2022, 3, 1)),
        (date(1956, 2, 29), 65, date(2021, 3, 1)),
        (date(2004, 2, 29), 20, date(2024, 2, 29)),
        (date(9990, 5, 1), 18, date(9999, 5, 1)),
    ],
)
def test_birthday(born_on: date, age: int, expected: date) -> None:
    assert birthday(born_on, age) == expected


@pytest.mark.parametrize(
    ("on", "expected"),
    [
        (date(2022, 2, 28), 17),
        (date(2022, 3, 1), 18),
        (date(2024, 2, 29), 20),
        (date(2004, 2, 29), 0),
        (date(2004, 2, 28), -1),
        (date.min, -2004),
    ],
)
def test_age(on: date, expected: int) -> None:
    assert age_on(date(2004, 2, 29), on) == expected


@pytest.mark.parametrize(
    ("begin", "expected"),
    [
        (date(2021, 11, 15), date(2022, 2, 15)),
        (date(2021, 11, 30), date(2022, 2, 28)),
        (date(2023, 11, 30), date(2024, 2, 29)),
        (date(2021, 8, 31), date(2021, 11, 30)),
        (date(2021, 9, 30), date(2021, 12, 30)),
        (date(2021, 10, 1), date(2022, 1, 1)),
        (date(9999, 12, 1), date(9999, 3, 1)),
    ],
)
def test_three_months_are_calendar_months(begin: date, expected: date) -> None:
    assert months_after(begin, 3) == expected


def test_days_stay_within_the_calendar() -> None:
    assert days_after(date(2021, 12, 10), 90) == date(2022, 3, 10)
    assert days_after(date(9999, 12, 1), 90) == date.max
    assert days_after(date.min, -1) == date.min


def test_every_kind_of_fact_is_read_once() -> None:
    blocks = ADULT | {
        "behaaldeAttesten": [
            certificate("2022-01-01"),
            certificate("2022-01-02", "AI023G"),
            certificate("2022-01-03", "AEVC05"),
        ],
        "aanmelding": {"type": "HA", "datumAanmelding": "2022-01-04"},
        "contracten": [
            {
                "type": "IC07G",
                "datumRegistratie": "2022-01-05",
                "opschortingen": [period("2022-01-06")],
            }
        ],
        "uitstellenVanOndertekening": [period("2022-01-07")],
        "uitstellenVanAanmelding": [period("2022-01-08", "2022-01-09")],
        "trajecten": [trajectory(("OP", "2022-01-10"), ("NEE", "2022-01-11"))],
        "inbreuken": [breach("2022-01-12", "2022-01-13"), breach("2022-01-14")],
    }

    assert read(blocks, [group("2022-01-15", "2022-01-16")]) == Facts(
        dossier=True,
        born=day("1985-05-25"),
        target_groups=(TargetGroup(Period(day("2022-01-15"), day("2022-01-16")), "JA", "PLICHT"),),
        last_target_group=TargetGroup(Period(day("2022-01-15"), day("2022-01-16")), "JA", "PLICHT"),
        certificates=(Coded("AI023", day("2022-01-01")), Coded("AI023G", day("2022-01-02"))),
        competences=(Coded("AEVC05", day("2022-01-03")),),
        registrations=(Coded("HA", day("2022-01-04")),),
        contracts=(Coded("IC07G", day("2022-01-05")),),
        suspensions=(open_since("2022-01-06"),),
        signing_postponements=(open_since("2022-01-07"),),
        registration_postponements=(Period(day("2022-01-08"), day("2022-01-09")),),
        statuses=(Coded("OP", day("2022-01-10")),),
        decisions=(Coded("NEE", day("2022-01-11")),),
        breaches=(
            Breach(day("2022-01-12"), day("2022-01-13")),
            Breach(day("2022-01-14"), None),
        ),
    )


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        (
            {"behaaldeAttesten": [certificate(None)]},
            Unused(Kind.CERTIFICATE, Cause.UNSIGNED, "AI023"),
        ),
        (
            {"behaaldeAttesten": [certificate(None, "AEVC05")]},
            Unused(Kind.COMPETENCE, Cause.UNSIGNED, "AEVC05"),
        ),
        (
            {"behaaldeAttesten": [certificate("2022-01-01", "AI024")]},
            Unused(Kind.OTHER_DOCUMENT, Cause.OTHER_TYPE, "AI024", day("2022-01-01")),
        ),
        (
            {"behaaldeAttesten": [{"datumOndertekening": "2022-01-01"}]},
            Unused(Kind.OTHER_DOCUMENT, Cause.OTHER_TYPE, signed=day("2022-01-01")),
        ),
        ({"contracten": [{"type": "IC07G"}]}, Unused(Kind.CONTRACT, Cause.UNDATED, "IC07G")),
        ({"aanmelding": {"type": "EA"}}, Unused(Kind.REGISTRATION, Cause.UNDATED, "EA")),
        (
            {"trajecten": [{"type": "TT_IBVP", "besluit": {"code": "JA_IB"}}]},
            Unused(Kind.ACHIEVED, Cause.UNDATED, "JA_IB"),
        ),
        (
            {"trajecten": [{"type": "TT_IBVP", "status": {"code": "GS"}}]},
            Unused(Kind.STATUS, Cause.UNDATED, "GS"),
        ),
        (
            {"trajecten": [trajectory(("GS", "2022-01-01"), ("JA_IB", "2022-01-01"), "TT_IBGD")]},
            Unused(Kind.TRAJECTORY, Cause.NO_INTEGRATION, "TT_IBGD"),
        ),
        ({"trajecten": [{}]}, Unused(Kind.TRAJECTORY, Cause.UNTYPED)),
        ({"inbreuken": [{"type": "5"}]}, Unused(Kind.BREACH, Cause.UNDATED, "5")),
    ],
)
def test_what_does_not_count_is_kept_for_the_explanation(blocks: Json, expected: Unused) -> None:
    facts = read(blocks)

    assert facts == Facts(dossier=True, unused=(expected,))


def test_nothing_is_left_out_of_what_is_not_there() -> None:
    assert read({"aanmelding": {}, "trajecten": [{"type": "TT_IBVP"}]}) == Facts(dossier=True)
    assert read({"aanmelding": None, "contracten": None, "inbreuken": ["x"]}) == Facts(dossier=True)


@pytest.mark.parametrize(
    ("code", "kind"),
    [
        ("JA_IB", Kind.ACHIEVED),
        ("JA_EVC", Kind.ACHIEVED),
        ("NEE_ANALFA", Kind.LIMITED_CAPACITY),
        ("NEE", Kind.NOT_ACHIEVED),
        ("ANDERS", Kind.OTHER_DECISION),
        (None, Kind.OTHER_DECISION),
    ],
)
def test_what_a_decision_says(code: str | None, kind: Kind) -> None:
    assert decision_kind(code) is kind


def test_decisions_of_a_trajectory_without_type_stand_apart() -> None:
    untyped = {"besluit": {"code": "JA_IB", "datumToekenning": "2022-01-01"}}

    facts = read({"trajecten": [untyped, untyped | {"type": ""}, untyped | {"type": 5}]})

    assert facts.decisions == ()
    assert facts.untyped_decisions == (Coded("JA_IB", day("2022-01-01")),) * 3


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        (trajectory(("OP", "2022-03-14")), ()),
        (trajectory(("OP", "2022-03-14")) | {"periode": {"einde": "2022-01-01"}}, ()),
        (trajectory() | period("2020-01-01"), (open_since("2020-01-01"),)),
        (
            trajectory() | period("2020-01-01", "2021-01-01"),
            (Period(day("2020-01-01"), day("2021-01-01")),),
        ),
        (
            trajectory(("OP", "2022-03-14")) | period("2020-01-01"),
            (Period(day("2020-01-01"), day("2022-03-13")),),
        ),
        (
            trajectory(("OP", "2022-03-14")) | period("2020-01-01", "2021-01-01"),
            (Period(day("2020-01-01"), day("2021-01-01")),),
        ),
        (
            trajectory(("OP", "2022-03-00")) | period("2020-01-01"),
            (Period(day("2020-01-01"), day("2022-02-28", "2022-03-30")),),
        ),
        (
            trajectory(("OP", "ooit")) | period("ooit"),
            (Period(UNREADABLE, Day(date.min, date(9999, 12, 30))),),
        ),
        (trajectory(type_="TT_NT2") | period("2020-01-01"), ()),
    ],
)
def test_a_trajectory_is_silent_until_the_only_status_that_the_source_shows(
    parts: Json, expected: tuple[Period, ...]
) -> None:
    assert read({"trajecten": [parts]}).silences == expected


FIRST, OPEN = group("2022-03-01", "2023-12-31"), group("2022-03-01", type="RECHT")
NEXT, AHEAD = group("2026-06-01"), group("2026-06-02")
TODAY = "2026-06-01"


@pytest.mark.parametrize(
    ("groups", "on", "held"),
    [
        ([], TODAY, {}),
        ([FIRST], "2022-02-28", {}),
        ([FIRST], "2022-03-01", FIRST),
        ([FIRST], "2023-12-31", FIRST),
        ([FIRST], "2024-01-01", {}),
        ([OPEN], "9999-12-31", OPEN),
        ([OPEN, NEXT], TODAY, NEXT),
        ([OPEN, AHEAD], TODAY, OPEN),
        ([OPEN, AHEAD], "2026-06-02", AHEAD),
        ([AHEAD], TODAY, {}),
        # what was given last ends the open one before it, and so does its own end
        ([OPEN, group("2024-01-01", "2025-12-31")], TODAY, {}),
        ([NEXT, OPEN], TODAY, OPEN),
        ([OPEN, FIRST], TODAY, {}),
        # what may be otherwise is not said
        ([OPEN, group("2026-00-00")], TODAY, {}),
        ([OPEN, group("2027-00-00")], TODAY, OPEN),
        ([group("2022-00-00", "2026-00-00")], TODAY, {}),
        ([OPEN, group(None)], TODAY, {}),
        ([OPEN, group("onbekend")], TODAY, {}),
    ],
)
def test_the_target_group_of_a_day_is_what_was_said_last_of_the_time_up_to_it(
    groups: list[Json], on: str, held: Json
) -> None:
    assert target_group_on(groups, date.fromisoformat(on)) == held


def test_a_later_answer_replaces_the_period_with_the_same_begin() -> None:
    learned = [
        group("2016-03-01"),
        group("2016-03-01"),
        group("2016-03-01", type="RECHT"),
        group(None, type="GEEN"),
        group("2020-01-01", "2020-12-31"),
    ]

    facts = read({}, learned)

    assert facts.target_groups == (
        TargetGroup(Period(day("2016-03-01"), day("2019-12-31")), "JA", "RECHT", cut_off=True),
        TargetGroup(Period(day("2020-01-01"), day("2020-12-31")), "JA", "PLICHT"),
    )
    assert facts.unused == (
        Unused(Kind.TARGET_GROUP, Cause.REPLACED, "PLICHT"),
        Unused(Kind.TARGET_GROUP, Cause.REPLACED, "GEEN"),
    )
    assert facts.last_target_group == facts.target_groups[1]


def test_the_last_answer_is_kept_as_it_was_given() -> None:
    facts = read({}, [group("2020-01-01"), group("2016-03-01", type="RECHT")])

    assert facts.last_target_group == TargetGroup(open_since("2016-03-01"), "JA", "RECHT")


def test_an_open_period_ends_before_the_first_begin_that_certainly_lies_after_its_own() -> None:
    facts = read({}, [group("2016-03-01"), group("2020-00-00"), group("2021-01-01", "2021-12-31")])

    assert [each.period.end for each in facts.target_groups] == [
        day("2019-12-31", "2020-12-30"),
        day("2020-12-31"),
        day("2021-12-31"),
    ]
    assert [each.cut_off for each in facts.target_groups] == [True, True, False]


@pytest.mark.parametrize(
    ("found", "expected"),
    [
        (group("2016-03-01"), True),
        ({"type": "PLICHT"} | period("2016-03-01"), True),
        (group("2016-03-01", type="RECHT"), False),
        (group("2016-03-01", code="NEE"), False),
        (group("2016-03-01", redenVrijstellingVanDeVerplichting={"code": "01"}), False),
        (group("2016-03-01", redenVrijstellingVanDeVerplichting={}), True),
    ],
)
def test_what_obliges(found: Json, expected: bool) -> None:
    [only] = read({}, [found]).target_groups

    assert only.obliges is expected


def test_what_was_done_under_a_replaced_number_is_read_but_not_its_breaches() -> None:
    older = contracts("2015-01-01") | born("1991-01-01") | {"inbreuken": [breach("2014-01-01")]}
    current = contracts("2020-01-01") | born("1990-01-01") | {"inbreuken": [breach("2021-01-01")]}

    facts = read_facts([{}, current, older], [])

    assert [each.since for each in facts.contracts] == [day("2020-01-01"), day("2015-01-01")]
    assert facts.born == day("1990-01-01")
    assert facts.breaches == (Breach(day("2021-01-01"), None),)
    assert facts.unused == (Unused(Kind.BREACH, Cause.OLDER_NUMBER),)


def test_what_went_wrong_under_a_replaced_number_does_not_count() -> None:
    """How it went on stands under the current one: a snapshot of years ago makes no NOK."""
    failed = {
        "trajecten": [
            trajectory(("GS", "2018-01-01"), ("NEE", "2018-01-01")),
            trajectory(("OP", "2017-01-01"), ("JA_IB", "2019-01-01")),
            trajectory(("GS", "2018-01-01"), ("NEE", "2018-01-01"), "TT_NT2"),
        ]
    }
    current = {"trajecten": [trajectory(("OP", "2016-01-01"))]}

    facts = read_facts([current, failed], [])
    alone = read_facts([{}, failed], [])

    assert [each.code for each in facts.statuses] == ["OP", "OP"]
    assert [each.code for each in facts.decisions] == ["JA_IB"]
    assert [each.kind for each in facts.unused if each.cause is Cause.OLDER_NUMBER] == [
        Kind.STATUS,
        Kind.NOT_ACHIEVED,
    ]
    assert [each.code for each in alone.statuses] == ["GS", "OP"]
    assert [each.code for each in alone.decisions] == ["NEE", "JA_IB"]


@settings(deadline=None)
@given(
    dossiers=st.lists(
        st.dictionaries(
            st.sampled_from(
                [
                    *("personalia", "behaaldeAttesten", "contracten", "aanmelding", "trajecten"),
                    *("uitstellenVanAanmelding", "uitstellenVanOndertekening", "inbreuken"),
                ]
            ),
            ANYTHING,
        ),
        max_size=2,
    ),
    groups=st.lists(st.dictionaries(st.sampled_from(["code", "periode"]), ANYTHING), max_size=2),
)
def test_reading_never_raises_and_never_shows_a_value(
    dossiers: list[Json], groups: list[Json]
) -> None:
    facts = read_facts(dossiers, groups)

    assert "date" not in repr([facts, *(getattr(facts, each.name) for each in fields(facts))])
