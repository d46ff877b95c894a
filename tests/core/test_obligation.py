"""The decision table: every rule the day before, on the day and the day after."""

import json
import re
from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import kbi
from app.obligation import (
    REASONS,
    RULES,
    Advice,
    Outcome,
    Profile,
    advise,
    blocks_needed,
    read_facts,
)

SHARED = Path(__file__).parents[3] / "shared"
Json = dict[str, Any]
STRICT, WITH_POSTPONEMENT, IN_ORDER = Profile
DAY = timedelta(days=1)


def group(begin: str | None, end: str | None = None, **more: Any) -> Json:
    period = {"begin": begin, "einde": end}
    return {
        "code": "JA",
        "type": "PLICHT",
        "periode": {name: value for name, value in period.items() if value is not None},
    } | more


def period(begin: str, end: str | None = None) -> Json:
    return {"periode": {"begin": begin} | ({"einde": end} if end else {})}


def certificate(signed: str | None, type_: str = "AI023") -> Json:
    return {"type": type_} | ({"datumOndertekening": signed} if signed else {})


def trajectory(
    status: tuple[str, str] | None = None,
    decision: tuple[str, str] | None = None,
    type_: str = "TT_IBVP",
) -> Json:
    parts: Json = {"type": type_}
    if status:
        parts["status"] = {"code": status[0]} | period(status[1])
    if decision:
        parts["besluit"] = {"code": decision[0], "datumToekenning": decision[1]}
    return parts


def breach(established: str, cured: str | None = None) -> Json:
    form = {"rechtzettingsFormulier": {"datumOndertekening": cured}} if cured else {}
    return {"type": "5", "datumVaststelling": established} | form


def contracts(*registered: str) -> Json:
    return {"contracten": [{"datumRegistratie": day} for day in registered]}


def born(text: str) -> Json:
    return {"personalia": {"geboortedatum": text}}


ADULT = born("1985-05-25")
OBLIGED = [group("2016-03-01")]
REGISTERED: Json = ADULT | {"aanmelding": {"datumAanmelding": "2016-04-01"}}
SIGNED = REGISTERED | contracts("2016-06-01")


def judge(
    blocks: Json | None,
    on: str | date,
    groups: Sequence[Mapping[str, Any]] = OBLIGED,
    profile: Profile = WITH_POSTPONEMENT,
    *,
    fault: bool = False,
) -> Advice:
    day = date.fromisoformat(on) if isinstance(on, str) else on
    return advise(read_facts([] if blocks is None else [blocks], groups, fault=fault), day, profile)


def codes(blocks: Json | None, on: str, groups: Sequence[Mapping[str, Any]] = OBLIGED) -> list[str]:
    """The codes of the three profiles, one word when they agree."""
    found = [judge(blocks, on, groups, profile).code for profile in Profile]
    return found if len(set(found)) > 1 else found[:1]


# (what, blocks, target groups, the day on which the answer turns, before, on and after that day)
BOUNDARIES: list[tuple[str, Json | None, list[Json], str, str, str, str]] = [
    ("no dossier", None, [], "2022-01-01", "O01", "O01", "O01"),
    (
        "certificate of civic integration, target group or not",
        born("1985-05-25") | {"behaaldeAttesten": [certificate("2022-03-14")]},
        [],
        "2022-03-14",
        "T05",
        "O10",
        "O10",
    ),
    (
        "certificate under its newer name",
        REGISTERED | {"behaaldeAttesten": [certificate("2022-03-14", "AI023G")]},
        OBLIGED,
        "2022-03-14",
        "N23",
        "O10",
        "O10",
    ),
    (
        "certificate of prior learning",
        REGISTERED | {"behaaldeAttesten": [certificate("2022-03-14", "AEVC05")]},
        OBLIGED,
        "2022-03-14",
        "N23",
        "O11",
        "O11",
    ),
    (
        "both certificates",
        ADULT
        | {"behaaldeAttesten": [certificate("2016-01-01", "AEVC05"), certificate("2022-03-14")]},
        OBLIGED,
        "2022-03-14",
        "O11",
        "O10",
        "O10",
    ),
    ("no birth date", {}, OBLIGED, "2022-01-01", "T05", "T05", "T05"),
    ("unreadable birth date", born("1985"), OBLIGED, "2022-01-01", "T05", "T05", "T05"),
    ("birth date of year 0", born("0000-00-00"), OBLIGED, "2022-01-01", "T05", "T05", "T05"),
    ("birth year: 18 possible", born("2004-00-00"), OBLIGED, "2022-01-01", "O02", "T06", "T06"),
    ("birth year: 18 certain", born("2004-00-00"), OBLIGED, "2022-12-31", "T06", "N21", "N21"),
    ("birth year: 65 possible", born("1957-00-00"), OBLIGED, "2022-01-01", "N21", "T06", "T06"),
    ("birth year: 65 certain", born("1957-00-00"), OBLIGED, "2022-12-31", "T06", "O20", "O20"),
    ("birth month: 65 certain", born("1957-02-00"), OBLIGED, "2022-02-28", "T06", "O20", "O20"),
    ("18th birthday", born("2004-04-20"), OBLIGED, "2022-04-20", "O02", "N21", "N21"),
    ("65th birthday", born("1957-04-20"), OBLIGED, "2022-04-20", "N21", "O20", "O20"),
    ("18 after 29 February", born("2004-02-29"), OBLIGED, "2022-03-01", "O02", "N21", "N21"),
    ("65 after 29 February", born("1956-02-29"), OBLIGED, "2021-03-01", "N21", "O20", "O20"),
    ("no target group", ADULT, [], "2022-01-01", "T05", "T05", "T05"),
    ("first target group begins", ADULT, [group("2022-01-10")], "2022-01-10", "O03", "N20", "N20"),
    (
        "last target group ends",
        ADULT,
        [group("2016-03-01", "2022-08-31")],
        "2022-08-31",
        "N21",
        "N21",
        "O04",
    ),
    (
        "gap between two",
        ADULT,
        [group("2016-03-01", "2022-08-29"), group("2022-08-31", type="RECHT")],
        "2022-08-30",
        "N21",
        "O04",
        "O06",
    ),
    (
        "obligation becomes a right",
        REGISTERED,
        [group("2016-03-01", "2022-08-31"), group("2022-09-01", type="RECHT")],
        "2022-08-31",
        "N23",
        "N23",
        "O06",
    ),
    (
        "to be determined, by code",
        ADULT,
        [group("2022-01-10", code="NADER_TE_BEPALEN")],
        "2022-01-10",
        "O03",
        "T02",
        "T02",
    ),
    (
        "to be determined, by type",
        ADULT,
        [group("2022-01-10", type="NADER_TE_BEPALEN")],
        "2022-01-10",
        "O03",
        "T02",
        "T02",
    ),
    (
        "code NEE, whatever the reason of exemption",
        ADULT,
        [
            {
                "code": "NEE",
                "redenVrijstellingVanDeVerplichting": {"code": "01"},
                "periode": {"begin": "2016-03-01", "einde": "2022-01-10"},
            }
        ],
        "2022-01-10",
        "O05",
        "O05",
        "O04",
    ),
    (
        "type GEEN",
        ADULT,
        [group("2016-03-01"), group("2022-01-10", type="GEEN")],
        "2022-01-10",
        "N21",
        "O05",
        "O05",
    ),
    (
        "exemption",
        ADULT,
        [
            group("2016-03-01", "2022-12-31"),
            group("2022-01-10", "2022-01-10", redenVrijstellingVanDeVerplichting={"naam": "Reden"}),
        ],
        "2022-01-10",
        "N21",
        "O21",
        "N21",
    ),
    (
        "right",
        ADULT,
        [group("2016-03-01"), group("2022-01-10", type="RECHT")],
        "2022-01-10",
        "N21",
        "O06",
        "O06",
    ),
    (
        "minor, registered 12 months before 18",
        born("2004-04-20"),
        [group("2021-04-20", type="MINDERJARIG")],
        "2022-04-20",
        "O02",
        "O07",
        "O07",
    ),
    (
        "minor, registered a day later",
        born("2004-04-20"),
        [group("2021-04-21", type="MINDERJARIG")],
        "2022-04-20",
        "O02",
        "T03",
        "T03",
    ),
    (
        "unknown type",
        ADULT,
        [group("2016-03-01"), group("2022-01-10", type="RECHT_PLICHT")],
        "2022-01-10",
        "N21",
        "T04",
        "T04",
    ),
    (
        "no type",
        ADULT,
        [group("2016-03-01"), {"code": "JA", "periode": {"begin": "2022-01-10"}}],
        "2022-01-10",
        "N21",
        "T04",
        "T04",
    ),
    (
        "unknown code",
        ADULT,
        [group("2016-03-01"), group("2022-01-10", code="MISSCHIEN")],
        "2022-01-10",
        "N21",
        "T04",
        "T04",
    ),
    (
        "decision JA_IB",
        SIGNED | {"trajecten": [trajectory(decision=("JA_IB", "2022-03-14"))]},
        OBLIGED,
        "2022-03-14",
        "N30",
        "O12",
        "O12",
    ),
    (
        "decision JA_EVC, certificate signed later",
        SIGNED
        | {"trajecten": [trajectory(decision=("JA_EVC", "2022-03-14"))]}
        | {"behaaldeAttesten": [certificate("2022-03-15")]},
        OBLIGED,
        "2022-03-14",
        "N30",
        "O12",
        "O10",
    ),
    (
        "decision NEE_ANALFA",
        SIGNED | {"trajecten": [trajectory(decision=("NEE_ANALFA", "2022-03-14"))]},
        OBLIGED,
        "2022-03-14",
        "N30",
        "O13",
        "O13",
    ),
    (
        "suspension begins",
        SIGNED
        | {
            "contracten": [
                {"datumRegistratie": "2016-06-01", "opschortingen": [period("2022-03-14")]}
            ]
        },
        OBLIGED,
        "2022-03-14",
        "N30",
        "O32",
        "O32",
    ),
    (
        "suspension ends",
        SIGNED
        | {
            "contracten": [
                {
                    "datumRegistratie": "2016-06-01",
                    "opschortingen": [period("2022-01-01", "2022-03-14")],
                }
            ]
        },
        OBLIGED,
        "2022-03-14",
        "O32",
        "O32",
        "N30",
    ),
    (
        "postponement of signing begins",
        REGISTERED | {"uitstellenVanOndertekening": [period("2022-03-14")]},
        OBLIGED,
        "2022-03-14",
        "N22",
        "O31",
        "O31",
    ),
    (
        "postponement of signing ends",
        REGISTERED | {"uitstellenVanOndertekening": [period("2022-01-01", "2022-03-14")]},
        OBLIGED,
        "2022-03-14",
        "O31",
        "O31",
        "N23",
    ),
    (
        "postponement of registration begins",
        ADULT | {"uitstellenVanAanmelding": [period("2022-03-14")]},
        OBLIGED,
        "2022-03-14",
        "N20",
        "O30",
        "O30",
    ),
    (
        "postponement of registration ends",
        ADULT | {"uitstellenVanAanmelding": [period("2022-01-01", "2022-03-14")]},
        OBLIGED,
        "2022-03-14",
        "O30",
        "O30",
        "N21",
    ),
    ("three months", ADULT, [group("2021-11-15")], "2022-02-15", "N20", "N20", "N21"),
    ("three months, short month", ADULT, [group("2021-11-30")], "2022-02-28", "N20", "N20", "N21"),
    (
        "three months, but a postponement later",
        ADULT | {"uitstellenVanAanmelding": [period("2022-02-01", "2022-03-14")]},
        [group("2021-11-15")],
        "2022-03-14",
        "O30",
        "O30",
        "N21",
    ),
    (
        "the registration",
        ADULT | {"aanmelding": {"datumAanmelding": "2022-03-14"}},
        OBLIGED,
        "2022-03-14",
        "N21",
        "N22",
        "N22",
    ),
    (
        "ninety days",
        ADULT | {"aanmelding": {"datumAanmelding": "2021-12-10"}},
        OBLIGED,
        "2022-03-10",
        "N22",
        "N22",
        "N23",
    ),
    (
        "the contract",
        REGISTERED | contracts("2022-03-14"),
        OBLIGED,
        "2022-03-14",
        "N23",
        "N30",
        "N30",
    ),
    (
        "a contract without registration",
        ADULT | contracts("2022-03-14"),
        OBLIGED,
        "2022-03-14",
        "N21",
        "N30",
        "N30",
    ),
    (
        "decision NEE",
        SIGNED | {"trajecten": [trajectory(decision=("NEE", "2022-03-14"))]},
        OBLIGED,
        "2022-03-14",
        "N30",
        "N31",
        "N31",
    ),
    (
        "a contract after decision NEE",
        REGISTERED
        | contracts("2016-06-01", "2022-03-14")
        | {"trajecten": [trajectory(decision=("NEE", "2019-01-01"))]},
        OBLIGED,
        "2022-03-14",
        "N31",
        "N30",
        "N30",
    ),
    (
        "a contract of the day of decision NEE is not after it",
        REGISTERED
        | contracts("2022-03-14")
        | {"trajecten": [trajectory(decision=("NEE", "2022-03-14"))]},
        OBLIGED,
        "2022-03-14",
        "N23",
        "N31",
        "N31",
    ),
    (
        "a second decision NEE after a new contract",
        REGISTERED
        | contracts("2016-06-01", "2020-01-01")
        | {
            "trajecten": [
                trajectory(decision=("NEE", "2019-01-01")),
                trajectory(decision=("NEE", "2022-03-14")),
            ]
        },
        OBLIGED,
        "2022-03-14",
        "N30",
        "N31",
        "N31",
    ),
    (
        "the newest status is GS",
        SIGNED
        | {"trajecten": [trajectory(("OP", "2016-06-01")), trajectory(("GS", "2022-03-14"))]},
        OBLIGED,
        "2022-03-14",
        "N30",
        "N32",
        "N32",
    ),
    (
        "a status after GS",
        SIGNED
        | {"trajecten": [trajectory(("OP", "2022-03-14")), trajectory(("GS", "2016-06-01"))]},
        OBLIGED,
        "2022-03-14",
        "N32",
        "N30",
        "N30",
    ),
    (
        "a contract after GS",
        REGISTERED
        | contracts("2016-06-01", "2022-03-14")
        | {"trajecten": [trajectory(("GS", "2019-01-01"))]},
        OBLIGED,
        "2022-03-14",
        "N32",
        "N30",
        "N30",
    ),
    (
        "another status of the same day",
        SIGNED
        | {"trajecten": [trajectory(("TS", "2022-03-14")), trajectory(("GS", "2022-03-14"))]},
        OBLIGED,
        "2022-03-14",
        "N30",
        "N30",
        "N30",
    ),
]


@pytest.mark.parametrize(
    ("blocks", "groups", "turn", "before", "on", "after"),
    [row[1:] for row in BOUNDARIES],
    ids=[row[0] for row in BOUNDARIES],
)
def test_turns_on_the_day_and_not_a_day_earlier_or_later(
    blocks: Json | None, groups: list[Json], turn: str, before: str, on: str, after: str
) -> None:
    day = date.fromisoformat(turn)

    found = [judge(blocks, each, groups).code for each in (day - DAY, day, day + DAY)]

    assert found == [before, on, after]


@pytest.mark.parametrize(
    ("blocks", "groups", "on", "expected"),
    [
        (
            SIGNED | {"contracten": [{"opschortingen": [period("2022-01-01")]}]},
            OBLIGED,
            "2022-03-14",
            ["N11", "O32", "O32"],
        ),
        (
            REGISTERED | {"uitstellenVanOndertekening": [period("2022-01-01")]},
            OBLIGED,
            "2022-03-14",
            ["N12", "O31", "O31"],
        ),
        (
            ADULT | {"uitstellenVanAanmelding": [period("2022-01-01")]},
            OBLIGED,
            "2022-03-14",
            ["N10", "O30", "O30"],
        ),
        (ADULT, [group("2021-11-15")], "2022-02-15", ["N20", "N20", "O40"]),
        (ADULT, [group("2021-11-15")], "2022-02-16", ["N21"]),
        (
            ADULT | {"uitstellenVanAanmelding": [period("2022-03-01", "2022-04-01")]},
            [group("2021-11-15")],
            "2022-02-16",
            ["N20", "N20", "O40"],
        ),
        (
            ADULT | {"aanmelding": {"datumAanmelding": "2021-12-10"}},
            OBLIGED,
            "2022-03-10",
            ["N22", "N22", "O41"],
        ),
        (
            REGISTERED | {"uitstellenVanOndertekening": [period("2022-05-01")]},
            OBLIGED,
            "2022-03-10",
            ["N22", "N22", "O41"],
        ),
        (REGISTERED, OBLIGED, "2022-03-10", ["N23"]),
        (SIGNED, OBLIGED, "2022-03-10", ["N30", "N30", "O42"]),
        (
            SIGNED | {"trajecten": [trajectory(("GS", "2020-01-01"))]},
            OBLIGED,
            "2022-03-10",
            ["N32"],
        ),
    ],
)
def test_profiles_differ_on_deferral_and_running_terms_alone(
    blocks: Json, groups: list[Json], on: str, expected: list[str]
) -> None:
    assert codes(blocks, on, groups) == expected


@pytest.mark.parametrize(
    ("breaches", "on", "expected"),
    [
        ([breach("2022-02-01")], "2022-01-31", "O42"),
        ([breach("2022-02-01")], "2022-02-01", "N30"),
        ([breach("2022-02-01", cured="2022-03-15")], "2022-03-14", "N30"),
        ([breach("2022-02-01", cured="2022-03-15")], "2022-03-15", "O42"),
        ([breach("2022-02-01", cured="2022-03-00")], "2022-03-15", "O42"),
        ([breach("2022-02-01", cured="2022-03-15"), breach("2022-03-01")], "2022-03-15", "N30"),
        ([{"type": "5"}], "2022-03-15", "O42"),
        ([breach("2022-02-00")], "2022-02-15", "O42"),
        ([breach("2022-02-00")], "2022-02-28", "N30"),
    ],
)
def test_an_open_breach_counts_in_the_profile_that_reads_breaches(
    breaches: list[Json], on: str, expected: str
) -> None:
    blocks = SIGNED | {"inbreuken": breaches}

    in_order, strict = (judge(blocks, on, OBLIGED, profile) for profile in (IN_ORDER, STRICT))

    assert in_order.code == expected
    assert strict.code == "N30"
    assert in_order.wire_reason in (None, "R03")


DECIDED_BOTH_WAYS: Json = {
    "trajecten": [
        trajectory(decision=("NEE_ANALFA", "2020-01-01")),
        trajectory(decision=("JA_IB", "2021-01-01")),
    ]
}
SUSPENDED: Json = {
    "contracten": [{"datumRegistratie": "2016-06-01", "opschortingen": [period("2022-01-01")]}]
}
BOTH_POSTPONED: Json = {
    "uitstellenVanAanmelding": [period("2022-01-01")],
    "uitstellenVanOndertekening": [period("2022-01-01")],
}


@pytest.mark.parametrize(
    ("blocks", "groups", "expected"),
    [
        ({"behaaldeAttesten": [certificate("2016-01-01", "AEVC05")]}, [], "O11"),
        (born("1950-01-01"), [], "O20"),
        (born("1950-01-01"), [group(None)], "O20"),
        (born("1950-01-01"), [group("2022-01-01", code="NADER_TE_BEPALEN")], "O20"),
        (ADULT, [group("2016-03-01", code="NEE", type="NADER_TE_BEPALEN")], "T02"),
        (
            ADULT,
            [group("2016-03-01", type="RECHT", redenVrijstellingVanDeVerplichting={"code": "01"})],
            "O21",
        ),
        (ADULT | DECIDED_BOTH_WAYS, [group("2016-03-01", type="RECHT_PLICHT")], "T04"),
        (ADULT | DECIDED_BOTH_WAYS, OBLIGED, "O12"),
        (
            ADULT | SUSPENDED | {"trajecten": DECIDED_BOTH_WAYS["trajecten"][:1]},
            OBLIGED,
            "O13",
        ),
        (ADULT | SUSPENDED | BOTH_POSTPONED, OBLIGED, "O32"),
        (ADULT | BOTH_POSTPONED, OBLIGED, "O31"),
        (
            REGISTERED | {"trajecten": [trajectory(("GS", "2020-01-01"), ("NEE", "2020-01-01"))]},
            OBLIGED,
            "N23",
        ),
    ],
)
def test_the_first_rule_that_fits_wins(blocks: Json, groups: list[Json], expected: str) -> None:
    assert judge(blocks, "2022-03-14", groups).code == expected


def test_running_deferral_beats_a_breach() -> None:
    blocks = REGISTERED | {
        "uitstellenVanOndertekening": [period("2022-01-01")],
        "inbreuken": [breach("2022-02-01")],
    }

    assert judge(blocks, "2022-03-14", profile=IN_ORDER).code == "O31"


@pytest.mark.parametrize(
    "blocks", [None, {}, SIGNED, {"behaaldeAttesten": [certificate("2016-01-01")]}]
)
def test_a_source_fault_gives_no_advice_whatever_is_stored(blocks: Json | None) -> None:
    found = judge(blocks, "2022-03-14", fault=True)

    assert (found.code, found.outcome, found.wire_reason) == ("T01", None, None)


@pytest.mark.parametrize("type_", ["TT_IBGD", "TT_NT2", "TT_OBVDAB", None])
def test_decisions_and_statuses_of_other_trajectories_do_not_count(type_: str | None) -> None:
    parts = trajectory(("GS", "2020-01-01"), ("JA_IB", "2020-01-01")) | {"type": type_}

    assert judge(SIGNED | {"trajecten": [parts]}, "2022-03-14").code == "N30"


@pytest.mark.parametrize("type_", ["TT_IBVP", "TT_IB-18", "TT_IBBXL", "TT_IBRH"])
def test_decisions_of_every_integration_trajectory_count(type_: str) -> None:
    parts = trajectory(decision=("JA_IB", "2020-01-01"), type_=type_)

    assert judge(SIGNED | {"trajecten": [parts]}, "2022-03-14").code == "O12"


@pytest.mark.parametrize(
    ("learned", "on", "expected"),
    [
        ([group("2016-03-01"), group("2016-03-01", type="RECHT")], "2022-01-01", "O06"),
        ([group("2016-03-01", type="RECHT"), group("2016-03-01")], "2022-01-01", "N21"),
        ([group("2020-01-01", type="RECHT"), group("2016-03-01")], "2022-01-01", "O06"),
        ([group("2020-01-01", type="RECHT"), group("2016-03-01")], "2019-12-31", "N21"),
        ([group("2016-03-01"), group("2016-03-01", "2021-12-31")], "2022-01-01", "O04"),
        (
            [group("2016-03-01"), group("2020-01-01", "2020-12-31", type="RECHT")],
            "2021-01-01",
            "O04",
        ),
    ],
    ids=[
        "the same begin is replaced",
        "and again",
        "the newest begin wins, learned last or not",
        "an older period stays",
        "a period that is closed later",
        "an open period does not come back after the newer one",
    ],
)
def test_the_history_of_target_groups_is_made_of_snapshots(
    learned: list[Json], on: str, expected: str
) -> None:
    assert judge(ADULT, on, learned).code == expected


@pytest.mark.parametrize(
    ("groups", "on", "expected"),
    [
        ([group(None)], "2022-01-01", "T99"),
        ([{}], "2022-01-01", "T99"),
        ([group("soon")], "2022-01-01", "T99"),
        ([group("2016-03-01"), group(None, type="RECHT")], "2022-01-01", "T99"),
        ([group(None, type="RECHT"), group("2016-03-01")], "2022-01-01", "N21"),
        ([group("2022-00-00")], "2021-12-31", "O03"),
        ([group("2022-00-00")], "2022-01-01", "T99"),
        ([group("2022-00-00")], "2022-12-31", "N20"),
        ([group("2016-03-01", "2022-02-00")], "2022-01-31", "N21"),
        ([group("2016-03-01", "2022-02-00")], "2022-02-01", "N21"),
        ([group("2016-03-01", "2022-02-00")], "2022-02-02", "T99"),
        ([group("2016-03-01", "2022-02-00")], "2022-03-01", "O04"),
        ([group("2016-03-01", "2022-02-00"), group("2021-01-01")], "2022-02-01", "N21"),
        ([group("2016-00-00"), group("2016-03-01", type="RECHT")], "2022-02-01", "T99"),
    ],
)
def test_a_target_group_that_cannot_be_placed_in_time_gives_no_advice(
    groups: list[Json], on: str, expected: str
) -> None:
    assert judge(ADULT, on, groups).code == expected


@pytest.mark.parametrize(
    ("blocks", "on", "expected"),
    [
        ({"behaaldeAttesten": [certificate("2022-00-00")]}, "2021-12-31", "N21"),
        ({"behaaldeAttesten": [certificate("2022-00-00")]}, "2022-01-01", "T99"),
        ({"behaaldeAttesten": [certificate("2022-00-00")]}, "2022-12-31", "O10"),
        ({"behaaldeAttesten": [certificate("signed")]}, "2022-01-01", "T99"),
        ({"behaaldeAttesten": [certificate("2022-02-30")]}, "2022-01-01", "T99"),
        ({"behaaldeAttesten": [certificate("2022-13-00")]}, "2022-01-01", "T99"),
        ({"behaaldeAttesten": [certificate(None)]}, "2022-01-01", "N21"),
        ({"uitstellenVanAanmelding": [{}]}, "2022-01-01", "T99"),
        ({"uitstellenVanOndertekening": [{}]}, "2022-01-01", "T99"),
        ({"contracten": [{"opschortingen": [{}]}]}, "2022-01-01", "T99"),
        ({"uitstellenVanAanmelding": [period("2021-01-01", "2022-01-00")]}, "2022-01-02", "T99"),
        ({"uitstellenVanAanmelding": [period("2021-01-01", "2022-01-00")]}, "2022-01-01", "O30"),
        ({"uitstellenVanAanmelding": [period("2021-01-01", "2022-01-00")]}, "2022-02-01", "N21"),
        ({"aanmelding": {"datumAanmelding": "2022-01-00"}}, "2022-01-15", "T99"),
        ({"aanmelding": {"datumAanmelding": "2022-01-00"}}, "2022-01-31", "N22"),
        ({"aanmelding": {}}, "2022-01-31", "N21"),
        (contracts("2022-01-00"), "2022-01-15", "T99"),
        ({"contracten": [{}]}, "2022-01-15", "N21"),
        ({"trajecten": [trajectory(decision=("JA_IB", "?"))]}, "2022-01-15", "T99"),
        ({"trajecten": [{"type": "TT_IBVP", "besluit": {"code": "JA_IB"}}]}, "2022-01-15", "N21"),
        (contracts("2016-01-01") | {"trajecten": [trajectory(("OP", "?"))]}, "2022-01-15", "T99"),
    ],
)
def test_a_day_that_is_not_known_never_makes_a_nok(blocks: Json, on: str, expected: str) -> None:
    found = judge(ADULT | blocks, on)

    assert found.code == expected
    assert (found.outcome is Outcome.NOK) == expected.startswith("N")


@pytest.mark.parametrize(
    ("postponement", "expected"),
    [(period("2022-01-01"), True), (period("2022-01-01", "2022-12-31"), False)],
)
def test_marks_a_postponement_without_end_as_doubtful_data(
    postponement: Json, expected: bool
) -> None:
    blocks = REGISTERED | {"uitstellenVanOndertekening": [postponement]}

    assert judge(blocks, "2022-03-14").open_ended is expected


def test_breaches_are_loaded_for_one_profile_and_the_wooncode_for_none() -> None:
    needed = {profile: blocks_needed(profile) for profile in Profile}

    assert needed[STRICT] == needed[WITH_POSTPONEMENT]
    assert needed[IN_ORDER] - needed[STRICT] == {"inbreuken"}
    assert "wooncode" not in needed[IN_ORDER]


def test_facts_never_show_themselves() -> None:
    facts = read_facts([SIGNED], OBLIGED)

    assert "1985" not in repr(facts) + repr(facts.born) + repr(facts.target_groups)


def test_only_a_nok_has_a_reason_and_every_nok_has_one() -> None:
    for rule in RULES:
        gives_nok = any(code.startswith("N") for code in rule.codes.values())
        assert gives_nok == (rule.wire_reason in REASONS)


def test_the_rules_are_those_of_the_design_in_its_order() -> None:
    table = _shared("design/advice.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in row.strip("|").split("|")]
        for row in re.findall(r"^\| [TON]\d\d.*$", table, re.MULTILINE)
    ]
    # A target group without a place in time, and the running contract with an open breach.
    without_own_row = [RULES[9], RULES[-2]]

    def shown(text: str) -> str:
        return re.sub(r"\*|^\u2013$", "", text)

    ours = [rule for rule in RULES if rule not in without_own_row]
    for rule, row in zip(ours, rows, strict=True):
        assert sorted(set(rule.codes.values())) == sorted(re.findall(r"[TON]\d\d", row[0]))
        assert rule.legal_ground == shown(row[7])
        assert rule.certainty == shown(row[8])
        assert (rule.wire_reason or "") == shown(row[6]).removesuffix(" (P1)")


def test_the_reasons_are_those_of_the_design() -> None:
    text = _shared("design/advice.md").read_text(encoding="utf-8")

    found = re.findall(r'^- `(R\d\d)` "(.*)"', text, re.MULTILINE)

    assert dict(found) == REASONS


@pytest.mark.parametrize("index", range(20))
@pytest.mark.parametrize(
    ("name", "profile"), [("P1", STRICT), ("P2", WITH_POSTPONEMENT), ("P3", IN_ORDER)]
)
def test_gives_the_worked_cases(index: int, name: str, profile: Profile) -> None:
    case = json.loads(_shared("design/advice_cases.json").read_bytes())[index]
    blocks, groups, fault = _stored(case["dossier"])

    found = judge(blocks, case["D"], groups, profile, fault=fault)

    outcome, code = case["verwacht"][name]
    assert found.code == code, case["titel"]
    assert (found.outcome or "GEEN_ADVIES") == outcome


@pytest.mark.parametrize(
    ("number", "on", "code", "outcome", "reason"),
    [
        ("90722501478", "2022-01-01", "O10", Outcome.OK, None),
        ("90722600359", "2022-01-01", "N23", Outcome.NOK, "R02"),
        ("90722600161", "2022-01-01", "O06", Outcome.OK, None),
        ("90722600557", "2023-05-04", "O02", Outcome.OK, None),
        ("90722600557", "2023-05-05", "O07", Outcome.OK, None),
        ("90722601151", "2022-01-01", "O05", Outcome.OK, None),
        ("90722601349", "2022-01-01", "O31", Outcome.OK, None),
        ("91702300161", "2022-01-01", "O20", Outcome.OK, None),
    ],
)
def test_judges_real_answers(
    number: str, on: str, code: str, outcome: Outcome, reason: str | None
) -> None:
    answer = kbi.parse_answer(_shared(f"kbi/antwoorden/{number}.xml").read_bytes())
    assert isinstance(answer, kbi.Dossier)

    found = judge(answer.blocks, on, [answer.blocks["doelgroep"]])

    assert (found.code, found.outcome, found.wire_reason) == (code, outcome, reason)


def _shared(path: str) -> Path:
    found = SHARED / path
    if not found.exists():
        pytest.skip(f"shared/{path} is not beside this repository")
    return found


def _stored(case: Json) -> tuple[Json | None, list[Json], bool]:
    """A worked case in the form of the store: blocks, target groups, fault mark."""
    if "fout" in case:
        return None, [], True
    if case.get("niet_gevonden"):
        return None, [], False
    groups = [
        group(each["begin"], each.get("einde"), code=each["code"], type=each["type"])
        | (
            {"redenVrijstellingVanDeVerplichting": {"code": each["vrijstelling"]}}
            if "vrijstelling" in each
            else {}
        )
        for each in case["doelgroep"]
    ]
    blocks: Json = born(case["geboren"]) | contracts(
        *(each["registratie"] for each in case.get("contracten", ()))
    )
    blocks["trajecten"] = [
        trajectory(
            (each["status"]["code"], each["status"]["begin"]),
            (each["besluit"]["code"], each["besluit"]["datum"]) if "besluit" in each else None,
            each["type"],
        )
        for each in case.get("trajecten", ())
    ]
    blocks["behaaldeAttesten"] = [
        certificate(each["ondertekend"], each["type"]) for each in case.get("attesten", ())
    ]
    blocks["inbreuken"] = [
        breach(each["vastgesteld"], each.get("rechtgezet")) for each in case.get("inbreuken", ())
    ]
    for name, block in (
        ("uitstel_aanmelding", "uitstellenVanAanmelding"),
        ("uitstel_ondertekening", "uitstellenVanOndertekening"),
    ):
        blocks[block] = [period(each["begin"], each.get("einde")) for each in case.get(name, ())]
    if "aanmelding" in case:
        blocks["aanmelding"] = {"datumAanmelding": case["aanmelding"]}
    return blocks, groups, False


DAYS = st.dates(date(2015, 1, 1), date(2026, 12, 31))
TEXTS = st.one_of(
    DAYS.map(str),
    DAYS.map(lambda day: f"{day:%Y-%m}-00"),
    DAYS.map(lambda day: f"{day:%Y}-00-00"),
    st.sampled_from(["9999-12-31", "0001-01-01", "0000-00-00", "2022-02-30", "later", ""]),
)
PERIODS = st.fixed_dictionaries(
    {"periode": st.fixed_dictionaries({}, optional={"begin": TEXTS, "einde": TEXTS})}
)
GROUPS = st.lists(
    st.tuples(
        PERIODS,
        st.fixed_dictionaries(
            {
                "code": st.sampled_from(["JA", "JA", "JA", "NEE", "ANDERS"]),
                "type": st.sampled_from(["PLICHT", "PLICHT", "PLICHT", "RECHT", "MINDERJARIG"]),
            },
            optional={"redenVrijstellingVanDeVerplichting": st.just({"code": "01"})},
        ),
    ).map(lambda pair: pair[0] | pair[1]),
    max_size=3,
)


def _dated_list(name: str, **more: Any) -> st.SearchStrategy[list[Json]]:
    return st.lists(st.fixed_dictionaries({}, optional={name: TEXTS} | more), max_size=3)


BLOCKS = st.fixed_dictionaries(
    {},
    optional={
        "personalia": st.fixed_dictionaries(
            {},
            optional={
                "geboortedatum": st.one_of(
                    st.dates(date(1955, 1, 1), date(2008, 1, 1)).map(str), TEXTS
                )
            },
        ),
        "behaaldeAttesten": _dated_list(
            "datumOndertekening", type=st.sampled_from(["AI023", "AEVC05", "X"])
        ),
        "contracten": _dated_list("datumRegistratie", opschortingen=st.lists(PERIODS, max_size=2)),
        "aanmelding": st.fixed_dictionaries({}, optional={"datumAanmelding": TEXTS}),
        "uitstellenVanAanmelding": st.lists(PERIODS, max_size=2),
        "uitstellenVanOndertekening": st.lists(PERIODS, max_size=2),
        "trajecten": st.lists(
            st.fixed_dictionaries(
                {"type": st.sampled_from(["TT_IBVP", "TT_IBGD"])},
                optional={
                    "status": PERIODS.map(lambda part: part | {"code": "GS"}),
                    "besluit": st.fixed_dictionaries(
                        {"code": st.sampled_from(["JA_IB", "NEE", "NEE_ANALFA"])},
                        optional={"datumToekenning": TEXTS},
                    ),
                },
            ),
            max_size=3,
        ),
        "inbreuken": _dated_list("datumVaststelling"),
    },
)
ANYTHING = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=3) | TEXTS,
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(["periode", "begin", "code", "type", "datumRegistratie"]),
            inner,
            max_size=3,
        )
    ),
    max_leaves=8,
)
LENIENCE = {Outcome.NOK: 0, None: 1, Outcome.OK: 2}


@given(
    blocks=st.none()
    | st.dictionaries(st.sampled_from(sorted(blocks_needed(IN_ORDER))), ANYTHING, max_size=6),
    groups=st.lists(
        st.dictionaries(st.sampled_from(["code", "type", "periode"]), ANYTHING), max_size=3
    ),
    on=st.dates(),
    profile=st.sampled_from(Profile),
)
def test_no_input_makes_it_raise(
    blocks: Json | None, groups: list[Json], on: date, profile: Profile
) -> None:
    judge(blocks, on, groups, profile)


@given(blocks=BLOCKS, groups=GROUPS, on=st.one_of(DAYS, st.dates()))
def test_a_stricter_profile_is_never_milder(blocks: Json, groups: list[Json], on: date) -> None:
    lenience = [LENIENCE[judge(blocks, on, groups, profile).outcome] for profile in Profile]

    assert lenience == sorted(lenience)


@given(
    blocks=BLOCKS,
    groups=GROUPS,
    on=DAYS,
    signed=TEXTS,
    type_=st.sampled_from(["AI023", "AI023G", "AEVC05"]),
    profile=st.sampled_from(Profile),
)
def test_one_more_certificate_never_turns_ok_into_another_answer(
    blocks: Json, groups: list[Json], on: date, signed: str, type_: str, profile: Profile
) -> None:
    held = [*blocks.get("behaaldeAttesten", ()), certificate(signed, type_)]

    before = judge(blocks, on, groups, profile)
    after = judge(blocks | {"behaaldeAttesten": held}, on, groups, profile)

    assert LENIENCE[after.outcome] >= LENIENCE[before.outcome]


@given(
    blocks=BLOCKS,
    groups=GROUPS,
    on=DAYS,
    breaches=_dated_list("datumVaststelling"),
    profile=st.sampled_from([STRICT, WITH_POSTPONEMENT]),
)
def test_breaches_never_change_the_first_two_profiles(
    blocks: Json, groups: list[Json], on: date, breaches: list[Json], profile: Profile
) -> None:
    with_breaches = judge(blocks | {"inbreuken": breaches}, on, groups, profile)

    assert with_breaches.code == judge(blocks, on, groups, profile).code


@given(
    blocks=BLOCKS,
    groups=GROUPS,
    on=DAYS,
    meets=st.booleans(),
    profile=st.sampled_from(Profile),
)
def test_the_wooncode_changes_nothing(
    blocks: Json, groups: list[Json], on: date, meets: bool, profile: Profile
) -> None:
    wooncode = {"wooncode": {"voldoetAanInburgeringBereidheid": meets}}

    assert judge(blocks | wooncode, on, groups, profile) == judge(blocks, on, groups, profile)


def test_what_was_done_under_a_replaced_number_counts() -> None:
    current = {
        "personalia": {"geboortedatum": "1990-01-01"},
        "aanmelding": {"datumAanmelding": "2020-05-01"},
        "inbreuken": [{"datumVaststelling": "2021-01-01"}],
    }
    older = {
        "personalia": {"geboortedatum": "1991-01-01"},
        "aanmelding": {"datumAanmelding": "2015-05-01"},
        "inbreuken": [{"datumVaststelling": "2014-01-01"}, {"datumVaststelling": "2014-02-01"}],
        "behaaldeAttesten": [{"type": "AI023", "datumOndertekening": "2016-01-01"}],
    }

    facts = read_facts([{}, current, older], OBLIGED)

    assert advise(facts, date(2022, 1, 1), Profile.STRICT).code == "O10"
    assert facts.born == read_facts([current], OBLIGED).born
    assert len(facts.registrations) == 2
    assert len(facts.breaches) == 1


@pytest.mark.parametrize(
    ("on", "code"),
    [("2020-12-31", "N21"), ("2021-01-01", "O05"), ("2022-12-31", "O05"), ("2023-01-01", "O04")],
)
def test_an_open_period_ends_where_the_next_one_begins(on: str, code: str) -> None:
    person = {"personalia": {"geboortedatum": "1990-01-01"}}
    history = [
        {"code": "JA", "type": "PLICHT", "periode": {"begin": "2020-01-01"}},
        {
            "code": "NEE",
            "type": "GEEN",
            "periode": {"begin": "2021-01-01", "einde": "2022-12-31"},
        },
    ]

    advice = advise(read_facts([person], history), date.fromisoformat(on), Profile.STRICT)

    assert advice.code == code
