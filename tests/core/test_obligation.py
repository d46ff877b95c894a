"""The decision table: every rule the day before, on the day and the day after."""

import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from functools import cache
from pathlib import Path
from random import Random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import kbi
from app.canonical import digest
from app.facts import Facts, read_facts
from app.obligation import (
    CURRENT,
    REASONS,
    RULE_SET_VERSION,
    RULE_SETS,
    TOO_OLD,
    Advice,
    Example,
    Outcome,
    Profile,
    Rule,
    RuleSet,
    Source,
    advise,
    blocks_needed,
    premium_test_date,
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


NOW = datetime(2026, 6, 1, 10, tzinfo=UTC)
FRESH = Source(NOW, timedelta(days=35), dossier_at=NOW, absence_at=NOW)
FIRST = RULE_SETS["1.0"]


def judge(
    blocks: Json | None,
    on: str | date,
    groups: Sequence[Mapping[str, Any]] = OBLIGED,
    profile: Profile = WITH_POSTPONEMENT,
    *,
    source: Source = FRESH,
    rules: RuleSet = CURRENT,
) -> Advice:
    day = date.fromisoformat(on) if isinstance(on, str) else on
    facts = read_facts([] if blocks is None else [blocks], groups)
    return advise(facts, day, profile, source, rules)


def codes(
    blocks: Json | None,
    on: str,
    groups: Sequence[Mapping[str, Any]] = OBLIGED,
    *,
    source: Source = FRESH,
    rules: RuleSet = CURRENT,
) -> list[str]:
    """The codes of the three profiles, one word when they agree."""
    found = [
        judge(blocks, on, groups, profile, source=source, rules=rules).code for profile in Profile
    ]
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
    ("birth month: 18 possible", born("2004-02-00"), OBLIGED, "2022-02-01", "O02", "T06", "T06"),
    ("birth month: 18 certain", born("2004-02-00"), OBLIGED, "2022-03-01", "T06", "N21", "N21"),
    ("birth month: 65 possible", born("1957-02-00"), OBLIGED, "2022-02-01", "N21", "T06", "T06"),
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
        "a right ends",
        ADULT,
        [group("2016-03-01", "2022-01-10", type="RECHT")],
        "2022-01-10",
        "O06",
        "O06",
        "O04",
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
    ("three months, leap year", ADULT, [group("2023-11-30")], "2024-02-29", "N20", "N20", "N21"),
    ("three months, 31 August", ADULT, [group("2021-08-31")], "2021-11-30", "N20", "N20", "N21"),
    ("three months, next year", ADULT, [group("2021-10-01")], "2022-01-01", "N20", "N20", "N21"),
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
        "ninety days from an incomplete date",
        ADULT | {"aanmelding": {"datumAanmelding": "2022-01-00"}},
        OBLIGED,
        "2022-05-01",
        "N22",
        "N22",
        "N23",
    ),
    (
        "ninety days over 29 February",
        ADULT | {"aanmelding": {"datumAanmelding": "2023-12-10"}},
        OBLIGED,
        "2024-03-09",
        "N22",
        "N22",
        "N23",
    ),
    (
        "ninety days, but a postponement later",
        ADULT
        | {
            "aanmelding": {"datumAanmelding": "2021-12-10"},
            "uitstellenVanOndertekening": [period("2022-04-01", "2022-05-14")],
        },
        OBLIGED,
        "2022-05-14",
        "O31",
        "O31",
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
        "the only contract is of the day of decision NEE",
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
        "a second contract of the day of decision NEE may have come after it",
        REGISTERED
        | contracts("2016-06-01", "2022-03-14")
        | {"trajecten": [trajectory(decision=("NEE", "2022-03-14"))]},
        OBLIGED,
        "2022-03-14",
        "N30",
        "N30",
        "N30",
    ),
    (
        "a contract of the day before decision NEE does not renew",
        REGISTERED
        | contracts("2016-06-01", "2022-03-13")
        | {"trajecten": [trajectory(decision=("NEE", "2022-03-14"))]},
        OBLIGED,
        "2022-03-14",
        "N30",
        "N31",
        "N31",
    ),
    (
        "the only contract is of the day of GS",
        REGISTERED | contracts("2022-03-14") | {"trajecten": [trajectory(("GS", "2022-03-14"))]},
        OBLIGED,
        "2022-03-14",
        "N23",
        "N32",
        "N32",
    ),
    (
        "a second contract of the day of GS may have come after it",
        REGISTERED
        | contracts("2016-06-01", "2022-03-14")
        | {"trajecten": [trajectory(("GS", "2022-03-14"))]},
        OBLIGED,
        "2022-03-14",
        "N30",
        "N30",
        "N30",
    ),
    (
        "a contract of the day before GS does not renew",
        REGISTERED
        | contracts("2016-06-01", "2022-03-13")
        | {"trajecten": [trajectory(("GS", "2022-03-14"))]},
        OBLIGED,
        "2022-03-14",
        "N30",
        "N32",
        "N32",
    ),
    (
        "another trajectory exists, and its status is not known",
        SIGNED
        | {
            "trajecten": [
                trajectory(("GS", "2019-01-01")),
                trajectory(("OP", "2023-01-01")) | period("2022-03-14"),
            ]
        },
        OBLIGED,
        "2022-03-14",
        "N32",
        "N30",
        "N30",
    ),
    (
        "that trajectory ends",
        SIGNED
        | {
            "trajecten": [
                trajectory(("GS", "2019-01-01")),
                trajectory() | period("2020-01-01", "2022-03-14"),
            ]
        },
        OBLIGED,
        "2022-03-14",
        "N30",
        "N30",
        "N32",
    ),
    (
        "the status of that trajectory begins",
        SIGNED
        | {
            "trajecten": [
                trajectory(("GS", "2019-01-01")),
                trajectory(("GS", "2022-03-14")) | period("2020-01-01"),
            ]
        },
        OBLIGED,
        "2022-03-14",
        "N30",
        "N32",
        "N32",
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
        "another status that is perhaps the newest",
        SIGNED
        | {"trajecten": [trajectory(("GS", "2022-03-00")), trajectory(("OP", "2022-03-15"))]},
        OBLIGED,
        "2022-04-01",
        "N30",
        "N30",
        "N30",
    ),
    (
        "another status that is perhaps the newest, the other way round",
        SIGNED
        | {"trajecten": [trajectory(("GS", "2022-03-15")), trajectory(("OP", "2022-03-00"))]},
        OBLIGED,
        "2022-04-01",
        "N30",
        "N30",
        "N30",
    ),
    (
        "another trajectory perhaps exists, and its status is not known",
        SIGNED
        | {
            "trajecten": [
                trajectory(("GS", "2019-01-01")),
                trajectory(("OP", "2023-01-01")) | period("2022-03-00"),
            ]
        },
        OBLIGED,
        "2022-03-01",
        "N32",
        "N30",
        "N30",
    ),
    (
        "a contract of the first day on which decision NEE can have been taken may be new",
        REGISTERED
        | contracts("2022-02-01")
        | {"trajecten": [trajectory(decision=("NEE", "2022-02-00"))]},
        OBLIGED,
        "2022-02-28",
        "T99",
        "N30",
        "N30",
    ),
    (
        "a contract of among the days on which decision NEE can have been taken may be new",
        REGISTERED
        | contracts("2016-06-01", "2022-02-15")
        | {"trajecten": [trajectory(decision=("NEE", "2022-02-00"))]},
        OBLIGED,
        "2022-02-28",
        "T99",
        "N30",
        "N30",
    ),
    (
        "a contract of a day that nobody knows may be new",
        REGISTERED
        | contracts("2016-06-01", "2022-02-00")
        | {"trajecten": [trajectory(decision=("NEE", "2022-02-15"))]},
        OBLIGED,
        "2022-02-28",
        "T99",
        "N30",
        "N30",
    ),
    (
        "a contract that is perhaps older than that of the day of decision NEE",
        REGISTERED
        | contracts("2022-02-00", "2022-02-28")
        | {"trajecten": [trajectory(decision=("NEE", "2022-02-28"))]},
        OBLIGED,
        "2022-02-28",
        "T99",
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
        (
            ADULT | contracts("2022-02-01"),
            [group("2022-01-15")],
            "2022-03-10",
            ["N30", "N30", "O42"],
        ),
        (
            ADULT | contracts("2022-02-01") | {"aanmelding": {"datumAanmelding": "2022-01-15"}},
            OBLIGED,
            "2022-03-10",
            ["N30", "N30", "O42"],
        ),
        (
            ADULT | {"uitstellenVanAanmelding": [period("2022-01-01", "2022-03-00")]},
            OBLIGED,
            "2022-03-10",
            ["T99", "T99", "O40"],
        ),
        (
            REGISTERED | {"uitstellenVanOndertekening": [period("2022-01-01", "2022-03-00")]},
            OBLIGED,
            "2022-03-10",
            ["T99", "T99", "O41"],
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
    assert codes(blocks, on, groups, rules=FIRST) == expected
    for profile in Profile:
        found = judge(blocks, on, groups, profile)
        assert (found.wire_reason is not None) == (found.outcome is Outcome.NOK)


@pytest.mark.parametrize(
    ("breaches", "on", "expected"),
    [
        ([breach("2022-02-01")], "2022-01-31", "O42"),
        ([breach("2022-02-01")], "2022-02-01", "N30"),
        ([breach("2022-02-01")], "2022-02-02", "N30"),
        ([breach("2022-02-01", cured="2022-03-15")], "2022-03-14", "N30"),
        ([breach("2022-02-01", cured="2022-03-15")], "2022-03-15", "O42"),
        ([breach("2022-02-01", cured="2022-03-15")], "2022-03-16", "O42"),
        ([breach("2022-02-01", cured="2022-01-15")], "2022-02-01", "O42"),
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
    found = judge(blocks, "2022-03-14", source=replace(FRESH, fault="99996"))

    assert (found.code, found.outcome, found.wire_reason) == ("T01", None, None)


@pytest.mark.parametrize("type_", ["TT_IBGD", "TT_NT2", "TT_OBVDAB", "tt_ibvp"])
def test_decisions_and_statuses_of_other_trajectories_do_not_count(type_: str) -> None:
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
        ([group("2022-00-00", "2022-01-10")], "2022-06-01", "O04"),
        ([group("2016-03-01", "2022-02-00")], "2022-01-31", "N21"),
        ([group("2016-03-01", "2022-02-00")], "2022-02-01", "N21"),
        ([group("2016-03-01", "2022-02-00")], "2022-02-02", "T99"),
        ([group("2016-03-01", "2022-02-00")], "2022-03-01", "O04"),
        ([group("2016-03-01", "2022-02-00"), group("2021-01-01")], "2022-02-01", "N21"),
        ([group("2016-00-00"), group("2016-03-01", type="RECHT")], "2022-02-01", "T99"),
        ([group("2016-00-00", type="RECHT"), group("2016-03-01")], "2022-02-01", "T99"),
        ([group("2016-03-00", type="RECHT"), group("2016-03-01")], "2022-02-01", "T99"),
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
        ({"behaaldeAttesten": [certificate("2022-00-00", "AEVC05")]}, "2022-01-01", "T99"),
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
    ("postponements", "expected"),
    [
        ([], False),
        ([period("2022-01-01")], True),
        ([period("2022-03-15")], False),
        ([period("2022-01-01", "2022-12-31")], False),
        ([period("2022-01-01", "2022-12-31"), period("2022-01-01")], True),
    ],
)
def test_marks_a_postponement_without_end_as_doubtful_data(
    postponements: list[Json], expected: bool
) -> None:
    blocks = REGISTERED | {"uitstellenVanOndertekening": postponements}

    assert judge(blocks, "2022-03-14").open_ended is expected


def every_rule(rules: RuleSet) -> list[Rule]:
    return [*rules.rules, *rules.doubts, *([TOO_OLD] if rules.weighs_age else [])]


RULES = [(rules, rule) for rules in RULE_SETS.values() for rule in every_rule(rules)]
EXAMPLES = [each for each in RULES if each[1] is not each[0].rules[-1]]


OLD = FRESH.maximum_age + timedelta(microseconds=1)


@pytest.mark.parametrize(
    ("blocks", "dossier_age", "absence_age", "expected"),
    [
        (REGISTERED, FRESH.maximum_age, None, "N23"),
        (REGISTERED, OLD, timedelta(0), "T01"),
        (REGISTERED, None, timedelta(0), "T01"),
        (REGISTERED, -DAY, OLD, "N23"),
        (None, None, FRESH.maximum_age, "O01"),
        (None, None, OLD, "T01"),
        (None, None, None, "T01"),
        (None, timedelta(0), OLD, "T01"),
    ],
    ids=[
        "a NOK on the last day",
        "a NOK just after it",
        "a NOK of unknown age",
        "a NOK looks at its own dossier alone",
        "no dossier on the last day",
        "no dossier just after it",
        "no dossier of unknown age",
        "no dossier looks at what was said of that alone",
    ],
)
def test_a_nok_and_no_dossier_need_fresh_data(
    blocks: Json | None, dossier_age: timedelta | None, absence_age: timedelta | None, expected: str
) -> None:
    source = replace(
        FRESH,
        dossier_at=None if dossier_age is None else NOW - dossier_age,
        absence_at=None if absence_age is None else NOW - absence_age,
    )

    assert codes(blocks, "2022-03-14", source=source) == [expected]
    assert codes(blocks, "2022-03-14", source=source, rules=FIRST) in (["N23"], ["O01"])


@pytest.mark.parametrize(("rules", "rule"), [each for each in EXAMPLES if each[1] is not TOO_OLD])
def test_no_other_code_looks_at_the_age(rules: RuleSet, rule: Rule) -> None:
    assert rule.example is not None
    facts, on, source = rule.example.facts, rule.example.on, rule.example.source
    unknown = replace(source, dossier_at=None, absence_at=None)

    for profile in Profile:
        code = advise(facts, on, profile, source, rules).code
        aged = rules.weighs_age and (code == "O01" or code.startswith("N"))
        assert advise(facts, on, profile, unknown, rules).code == ("T01" if aged else code)


def test_data_that_are_too_old_leave_no_reason() -> None:
    found = judge(REGISTERED, "2022-03-14", source=replace(FRESH, dossier_at=None))

    assert (found.code, found.outcome, found.wire_reason) == ("T01", None, None)
    assert found.rule is TOO_OLD


@pytest.mark.parametrize(
    ("more", "on"),
    [
        ({"behaaldeAttesten": [certificate("2022-03-14", "AI024")]}, "2022-03-14"),
        ({"behaaldeAttesten": [{"datumOndertekening": "2022-03-14"}]}, "2022-03-14"),
        ({"behaaldeAttesten": [certificate("2022-03-00", "AI024")]}, "2022-03-01"),
        ({"trajecten": [trajectory(decision=("JA_KORT", "2022-03-14"))]}, "2022-03-14"),
        ({"trajecten": [{"besluit": {"datumToekenning": "2022-03-14"}}]}, "2022-03-14"),
    ],
)
@pytest.mark.parametrize("profile", Profile)
def test_a_code_that_no_list_knows_is_never_turned_into_nok(
    more: Json, on: str, profile: Profile
) -> None:
    day = date.fromisoformat(on)
    before = day - timedelta(days=1)

    assert judge(REGISTERED | more, on, profile=profile).code == "T99"
    assert judge(REGISTERED | more, day + timedelta(days=1), profile=profile).code == "T99"
    assert judge(REGISTERED | more, before, profile=profile).code == "N23"
    # What was advised by the version before is advised again.
    assert judge(REGISTERED | more, on, profile=profile, rules=RULE_SETS["1.1"]).code == "N23"


def test_a_code_that_no_list_knows_changes_no_ok() -> None:
    unknown = {
        "behaaldeAttesten": [certificate("2022-01-01"), certificate("2022-01-01", "AI024")],
        "trajecten": [trajectory(decision=("JA_KORT", "2022-01-01"))],
    }

    assert judge(REGISTERED | unknown, "2022-03-14").code == "O10"
    # A trajectory of another type, and a document that nobody signed, say nothing.
    other = {
        "behaaldeAttesten": [certificate(None, "AI024")],
        "trajecten": [trajectory(decision=("JA_KORT", "2022-01-01"), type_="TT_NT2")],
    }
    assert judge(REGISTERED | other, "2022-03-14").code == "N23"


@pytest.mark.parametrize(
    ("groups", "expected", "before"),
    [
        # The last answer goes back to before the group on D, or perhaps to the same day.
        ([group("2016-03-01"), group("2016-03-00", "2021-12-31")], "T99", "N23"),
        ([group("2016-03-02"), group("2016-03-00", "2021-12-31")], "T99", "T99"),
        ([group("2016-03-01"), group("2016-03-01", "2021-12-31")], "O04", "O04"),
        # An open group ends where another one begins: on which side of it did that lie?
        ([group("2020-05-05", "2021-02-07", type="RECHT"), group("2020-05-00")], "T99", "N23"),
        ([group("2020-05-31", "2021-02-07", type="RECHT"), group("2020-05-00")], "T99", "N23"),
        ([group("2020-05-01", "2021-02-07", type="RECHT"), group("2020-05-00")], "N23", "N23"),
        ([group("2020-06-01", "2021-02-07", type="RECHT"), group("2020-05-00")], "O04", "O04"),
        ([group("2020-05-05", "2021-02-07", type="RECHT"), group("2020-05-06")], "N23", "N23"),
        ([group("2020-05-05", "2021-02-07", type="RECHT"), group("2020-05-01")], "O04", "O04"),
        # Also where one that surely came later ends it.
        (
            [
                *(group("2020-05-05", "2021-02-07", type="RECHT"), group("2020-05-00")),
                group("2022-03-15"),
            ],
            "T99",
            "N23",
        ),
        (
            [
                *(group("2020-05-01", "2021-02-07", type="RECHT"), group("2020-05-00")),
                group("2022-03-15"),
            ],
            "N23",
            "N23",
        ),
    ],
)
def test_an_order_that_an_incomplete_date_hides_is_never_turned_into_nok(
    groups: list[Json], expected: str, before: str
) -> None:
    assert judge(REGISTERED, "2022-03-14", groups).code == expected
    assert judge(REGISTERED, "2022-03-14", groups, rules=RULE_SETS["1.1"]).code == before


# What each version answers to the same persons. A digest never changes: a version that gave an
# advice gives it again. A new version adds its own.
FROZEN: Mapping[str, str] = {
    "1.0": "sha256:c073b7bd93457b97e4ce0869576465a2eba8d6839aefccaea24a216816c0123f",
    "1.1": "sha256:80994dbab8d032f4291f4a58cfe8136403b1b0d581075e24d5aff51bbcf56c4d",
    "1.2": "sha256:fd5962cadbaa59f2442c592e28b31fca58efe1057603538913d572058a326d08",
}


def some_person(draw: Random) -> tuple[list[Json], list[Json], date, Source]:
    """Dossiers that lead to every rule, with odd dates among them."""

    def day() -> str:
        if draw.randrange(8) == 0:
            return "2021-07-01"  # so that things happen on the same day
        found = date(2020, 1, 1) + timedelta(days=draw.randrange(1000))
        shape = draw.randrange(40)
        if shape > 2:
            return str(found)
        return [f"{found:%Y-%m}-00", f"{found:%Y}-00-00", "ooit"][shape]

    def periods() -> list[Json]:
        return [period(day(), draw.choice([None, day()])) for _ in range(draw.randrange(3))]

    def group_() -> Json:
        types = ["PLICHT"] * 8 + ["RECHT", "MINDERJARIG", "GEEN", "RECHT_PLICHT"]
        code = draw.choice(["JA"] * 10 + ["NEE", "NADER_TE_BEPALEN"])
        more = {"redenVrijstellingVanDeVerplichting": {"code": "01"}}
        return group(
            draw.choice([day(), "2020-03-01", "2020-03-01"]),
            draw.choice([None, None, day()]),
            code=code,
            type=draw.choice(types),
        ) | (more if draw.randrange(12) == 0 else {})

    def trajectory_() -> Json:
        parts = trajectory(
            draw.choice([None, ("GS", day()), ("GS", day()), ("OP", day())]),
            draw.choice([None, None, ("NEE", day()), ("JA_IB", day()), ("NEE_ANALFA", day())]),
        )
        parts |= draw.choice([{}, {}, period(day())])
        return parts | draw.choice([{}, {}, {}, {"type": None}, {"type": "TT_IBGD"}])

    def dossier() -> Json:
        odd = ["1957-00-00", "1950-01-01", "2004-06-01", "ooit"]
        ages = ["1985-05-25"] * 12 + ["2003-08-01"] * 3 + odd
        signed = [certificate(day(), draw.choice(["AI023", "AEVC05", "AI023G", "X"]))]
        registration = {"type": draw.choice(["EA", "EA", "HA"]), "datumAanmelding": day()}
        registered = draw.choice([day(), "2021-07-01"])
        breaches = [breach(day(), draw.choice([None, day()])) for _ in range(draw.randrange(2))]
        some: list[tuple[int, Json]] = [
            (40, born(draw.choice(ages))),
            (4, {"behaaldeAttesten": signed}),
            (25, {"aanmelding": registration}),
            (25, contracts(registered, *[day() for _ in range(draw.randrange(2))])),
            (25, {"trajecten": [trajectory_() for _ in range(1 + draw.randrange(2))]}),
            (3, {"contracten": [{"datumRegistratie": day(), "opschortingen": periods()}]}),
            (4, {"uitstellenVanAanmelding": periods()}),
            (4, {"uitstellenVanOndertekening": periods()}),
            (20, {"inbreuken": breaches}),
        ]
        return {
            name: block
            for odds, blocks in some
            if draw.randrange(41) < odds
            for name, block in blocks.items()
        }

    dossiers = [dossier() for _ in range(draw.choice([0] + [1] * 25 + [2]))]
    groups = [group_() for _ in range(draw.choice([0] + [1] * 20 + [2, 3]))]
    source = replace(
        FRESH,
        fault=draw.choice([None] * 40 + ["99996"]),
        dossier_at=draw.choice([NOW] * 12 + [NOW - OLD, None]),
        absence_at=draw.choice([NOW] * 2 + [NOW - OLD]),
    )
    return dossiers, groups, date(2021, 7, 1) + timedelta(days=draw.randrange(300)), source


@cache
def many_persons() -> list[tuple[Facts, date, Source]]:
    draw = Random(20261129)  # noqa: S311
    drawn = [some_person(draw) for _ in range(2000)]
    return [(read_facts(dossiers, groups), on, source) for dossiers, groups, on, source in drawn]


def judged_by(rules: RuleSet) -> list[tuple[Facts, date, Source]]:
    """The same persons for every version; from 1.2 on also the examples of its doubts."""
    examples = [doubt.example for doubt in rules.doubts if rules.weighs_unknown]
    return [*many_persons(), *((each.facts, each.on, each.source) for each in examples if each)]


@pytest.mark.parametrize("version", RULE_SETS)
def test_what_a_version_once_answered_it_answers_for_ever(version: str) -> None:
    rules = RULE_SETS[version]
    advices = [
        advise(facts, on, profile, source, rules)
        for facts, on, source in judged_by(rules)
        for profile in Profile
    ]

    met = {advice.rule for advice in advices}
    assert [rule for rule in every_rule(rules) if rule not in met] == [rules.rules[-1]]
    answers = [f"{each.code} {each.wire_reason} {each.open_ended}" for each in advices]
    assert digest(answers) == FROZEN[version], "a rule of a version that gave advice has changed"


def test_the_newest_version_is_the_one_that_judges() -> None:
    assert list(RULE_SETS) == [rules.version for rules in RULE_SETS.values()]
    assert RULE_SET_VERSION == CURRENT.version == list(RULE_SETS)[-1]


NEE_AND_CONTRACT = (
    REGISTERED
    | contracts("2016-06-01", "2020-01-01")
    | {"trajecten": [trajectory(decision=("NEE", "2020-01-01"))]}
)
TWO_REGISTRATIONS = [
    ADULT | {"aanmelding": {"type": "EA", "datumAanmelding": "2022-03-01"}},
    {"aanmelding": {"type": "EA", "datumAanmelding": "2016-04-01"}},
]


@pytest.mark.parametrize(
    ("blocks", "groups", "first", "now"),
    [
        (NEE_AND_CONTRACT, OBLIGED, ["N31"], ["N30", "N30", "O42"]),
        (
            REGISTERED
            | contracts("2016-06-01", "2020-01-01")
            | {"trajecten": [trajectory(("GS", "2020-01-01"))]},
            OBLIGED,
            ["N32"],
            ["N30", "N30", "O42"],
        ),
        (
            SIGNED
            | {
                "trajecten": [
                    trajectory(("GS", "2019-01-01")),
                    trajectory(("OP", "2023-01-01")) | period("2020-01-01"),
                ]
            },
            OBLIGED,
            ["N32"],
            ["N30", "N30", "O42"],
        ),
        (
            ADULT | {"aanmelding": {"type": "HA", "datumAanmelding": "2022-03-15"}},
            OBLIGED,
            ["N21"],
            ["T99"],
        ),
        (
            REGISTERED,
            [group("2016-03-01"), group("2016-02-01", type="RECHT")],
            ["N23"],
            ["T99"],
        ),
        (
            REGISTERED
            | {"trajecten": [{"besluit": {"code": "JA_IB", "datumToekenning": "2020-01-01"}}]},
            OBLIGED,
            ["N23"],
            ["T99"],
        ),
    ],
    ids=[
        "a second contract, of the day of NEE",
        "a second contract, of the day of GS",
        "a trajectory of unknown status",
        "a re-registration after D",
        "a target group that the source withdrew",
        "a decision of a trajectory without type",
    ],
)
def test_what_version_1_1_no_longer_holds_against_a_person(
    blocks: Json, groups: list[Json], first: list[str], now: list[str]
) -> None:
    assert codes(blocks, "2022-01-01", groups, rules=FIRST) == first
    assert codes(blocks, "2022-01-01", groups) == now


@pytest.mark.parametrize(
    ("on", "first", "now"),
    [("2022-02-28", ["N22", "N22", "O41"], ["N23"]), ("2022-03-01", *[["N22", "N22", "O41"]] * 2)],
)
def test_a_registration_after_d_opens_no_term(on: str, first: list[str], now: list[str]) -> None:
    facts, day = read_facts(TWO_REGISTRATIONS, OBLIGED), date.fromisoformat(on)

    for rules, expected in ((FIRST, first), (CURRENT, now)):
        found = [advise(facts, day, profile, FRESH, rules).code for profile in Profile]
        assert found == expected * (3 // len(expected))


def test_a_registration_that_perhaps_came_opens_a_term() -> None:
    perhaps = {"aanmelding": {"type": "EA", "datumAanmelding": "2022-03-00"}}
    facts = read_facts([ADULT | perhaps, TWO_REGISTRATIONS[1]], OBLIGED)

    found = [advise(facts, date(2022, 3, 10), profile, FRESH).code for profile in Profile]

    assert found == ["T99", "T99", "O41"]


@pytest.mark.parametrize(
    ("blocks", "on", "expected"),
    [
        ({"aanmelding": {"type": "HA", "datumAanmelding": "2022-03-15"}}, "2022-03-14", ["T99"]),
        (
            {"aanmelding": {"type": "HA", "datumAanmelding": "2022-03-15"}},
            "2022-03-15",
            ["N22", "N22", "O41"],
        ),
        ({"aanmelding": {"type": "EA", "datumAanmelding": "2022-03-15"}}, "2022-03-14", ["N21"]),
        (
            {"aanmelding": {"type": "HA", "datumAanmelding": "2022-03-15"}}
            | contracts("2020-01-01"),
            "2022-03-14",
            ["N30", "N30", "O42"],
        ),
        (
            {
                "aanmelding": {"type": "HA", "datumAanmelding": "2022-03-15"},
                "uitstellenVanAanmelding": [period("2022-01-01", "2022-12-31")],
            },
            "2022-03-14",
            ["N10", "O30", "O30"],
        ),
    ],
)
def test_a_re_registration_tells_of_an_earlier_day_that_nobody_knows(
    blocks: Json, on: str, expected: list[str]
) -> None:
    assert codes(ADULT | blocks, on) == expected


@pytest.mark.parametrize(
    ("last", "expected"),
    [
        (group("2016-02-01", type="RECHT"), "T99"),
        (group("2016-02-01", code="NEE"), "T99"),
        (group("2016-02-01", redenVrijstellingVanDeVerplichting={"code": "01"}), "T99"),
        (group("2016-02-01", "2021-12-31"), "T99"),
        (group(None, "2021-12-31"), "T99"),
        (group("2016-02-00", type="RECHT"), "T99"),
        (group("2016-02-01"), "N23"),
        (group("2016-02-01", "2022-03-14"), "N23"),
        (group("2016-02-01", "2022-03-00"), "T99"),
        (group("2016-03-01"), "N23"),
        (group("2022-03-15", type="RECHT"), "N23"),
    ],
)
def test_an_obligation_that_the_source_no_longer_shows_makes_no_nok(
    last: Json, expected: str
) -> None:
    assert judge(REGISTERED, "2022-03-14", [group("2016-03-01"), last]).code == expected


def test_an_obligation_that_perhaps_began_after_the_last_answer_is_withdrawn_too() -> None:
    groups = [group("2016-03-00"), group("2016-03-15", "2021-12-31")]

    assert codes(REGISTERED, "2022-03-14", groups) == ["T99"]


def test_a_withdrawn_obligation_takes_no_ok_away() -> None:
    groups = [group("2016-03-01"), group("2016-02-01", type="RECHT")]
    deferred = REGISTERED | {"uitstellenVanOndertekening": [period("2022-01-01")]}

    assert codes(deferred, "2022-03-14", groups) == ["T99", "O31", "O31"]
    assert codes(SIGNED | DECIDED_BOTH_WAYS, "2022-03-14", groups) == ["O12"]


@pytest.mark.parametrize(
    ("decision", "expected"),
    [
        (("JA_IB", "2022-03-14"), "T99"),
        (("JA_EVC", "2022-03-14"), "T99"),
        (("NEE_ANALFA", "2022-03-14"), "T99"),
        (("JA_IB", "2022-03-15"), "N23"),
        (("JA_IB", "2022-00-00"), "T99"),
        (("NEE", "2020-01-01"), "N23"),
    ],
)
def test_a_decision_of_a_trajectory_without_type_makes_no_nok(
    decision: tuple[str, str], expected: str
) -> None:
    untyped = {"besluit": {"code": decision[0], "datumToekenning": decision[1]}}

    assert judge(REGISTERED | {"trajecten": [untyped]}, "2022-03-14").code == expected


@pytest.mark.parametrize(
    ("birth", "begin", "expected"),
    [
        ("2004-04-20", "2021-04-19", "O07"),
        ("2004-04-20", "2021-04-20", "O07"),
        ("2004-04-20", "2021-04-21", "T03"),
        ("2004-02-29", "2021-02-28", "O07"),
        ("2004-02-29", "2021-03-01", "O07"),
        ("2004-02-29", "2021-03-02", "T03"),
        ("2004-04-00", "2021-04-01", "O07"),
        ("2004-04-00", "2021-04-02", "T03"),
        ("2004-04-20", "2021-04-00", "T03"),
        ("2004-04-30", "2021-04-00", "O07"),
    ],
)
def test_twelve_months_before_the_18th_birthday_is_the_17th(
    birth: str, begin: str, expected: str
) -> None:
    found = codes(born(birth), "2022-06-01", [group(begin, type="MINDERJARIG")])

    assert found == [expected]


def test_addenda_and_parts_of_a_trajectory_change_nothing() -> None:
    signed = {
        "contracten": [
            {"datumRegistratie": "2016-06-01", "addenda": [{"datumRegistratie": "2020-01-01"}]}
        ]
    }
    part = {"besluit": {"code": "VO", "datumToekenning": "2020-01-01"}}
    parts = {"trajecten": [trajectory(("GS", "2019-01-01")) | {"trajectOnderdelen": [part]}]}

    assert codes(REGISTERED | signed | parts, "2022-03-14") == ["N32"]


@pytest.mark.parametrize(
    ("year", "expected"),
    [
        (2023, date(2022, 1, 1)),
        (2027, date(2026, 1, 1)),
        (2, date(1, 1, 1)),
        (1, date(1, 1, 1)),
        (-5, date(1, 1, 1)),
        (10_000, date(9999, 1, 1)),
        (10_001, date(9999, 1, 1)),
        (10**30, date(9999, 1, 1)),
    ],
)
def test_a_premium_is_tested_on_1_january_of_the_year_before(year: int, expected: date) -> None:
    assert premium_test_date(year) == expected


def test_breaches_are_loaded_for_one_profile_and_the_wooncode_for_none() -> None:
    needed = {profile: blocks_needed(profile) for profile in Profile}

    assert needed[STRICT] == needed[WITH_POSTPONEMENT]
    assert needed[IN_ORDER] - needed[STRICT] == {"inbreuken"}
    assert "wooncode" not in needed[IN_ORDER]


def test_facts_never_show_themselves() -> None:
    facts = read_facts([SIGNED], OBLIGED)

    assert "1985" not in repr(facts) + repr(facts.born) + repr(facts.target_groups)


@pytest.mark.parametrize(("rules", "rule"), RULES)
def test_only_a_nok_has_a_reason_and_every_nok_has_one(rules: RuleSet, rule: Rule) -> None:
    gives_nok = any(code.startswith("N") for code in rule.codes.values())

    assert gives_nok == (rule.wire_reason in REASONS)


@pytest.mark.parametrize(("rules", "rule"), EXAMPLES)
def test_the_example_of_a_rule_gives_its_codes(rules: RuleSet, rule: Rule) -> None:
    assert rule.example is not None
    facts, on, source = rule.example.facts, rule.example.on, rule.example.source

    found = {profile: advise(facts, on, profile, source, rules) for profile in Profile}

    assert {profile: advice.code for profile, advice in found.items()} == rule.codes
    assert rule in [advice.rule for advice in found.values()]


def test_the_last_rule_catches_what_no_other_does() -> None:
    last = CURRENT.rules[-1]
    nothing_else = replace(CURRENT, rules=[last], doubts=[])

    assert codes(SIGNED, "2022-03-14", rules=nothing_else) == ["T99"]
    assert last.example is None


def test_a_person_of_an_example_is_asked_about_at_a_fixed_moment() -> None:
    example = Example(date(2022, 1, 1), {}, age=DAY)

    assert example.source.asked_at == NOW
    assert example.source.dossier_at == example.source.absence_at == NOW - DAY
    assert Example(date(2022, 1, 1)).source == replace(FRESH, dossier_at=None)


# Our Dutch words for what the design says in English.
CERTAINTY = {
    "prop": "eigen keuze",
    "law": "wet",
    "law (date choice: prop)": "wet (keuze van de datum: eigen keuze)",
    "law (minister of religion not detectable)": (
        "wet (een bedienaar van een eredienst is niet te herkennen)"
    ),
    "law (state)": "wet (stand)",
    "law (state), prop (wire)": "wet (stand), eigen keuze (antwoord)",
    "src/prop": "bron, eigen keuze",
    "src/prop (code meaning INF)": (
        "bron, eigen keuze (betekenis van de code afgeleid uit haar naam)"
    ),
    "prop (GS meaning INF)": "eigen keuze (betekenis van GS afgeleid uit haar naam)",
}
LEGAL_GROUND = {
    "art. 26-27 D13; KBI fed monthly (art. 20)": (
        "art. 26-27 D13; de KBI wordt maandelijks gevoed (art. 20)"
    ),
    "EVC attest until 2016 (AGII-NAT)": "attest EVC tot 2016 (AGII-NAT)",
    "code list unknown": "codelijst onbekend",
}


@pytest.mark.parametrize("version", RULE_SETS)
def test_the_rules_are_those_of_the_design_in_its_order(version: str) -> None:
    table = _shared("design/advice.md").read_text(encoding="utf-8")
    rows = [
        [cell.strip() for cell in row.strip("|").split("|")]
        for row in re.findall(r"^\| [TON]\d\d.*$", table, re.MULTILINE)
    ]
    rules = RULE_SETS[version].rules
    # A target group without a place in time, and the running contract with an open breach.
    without_own_row = [rules[9], rules[-2]]

    def shown(text: str) -> str:
        return re.sub(r"\*|^\u2013$", "", text)

    ours = [rule for rule in rules if rule not in without_own_row]
    for rule, row in zip(ours, rows, strict=True):
        assert sorted(set(rule.codes.values())) == sorted(re.findall(r"[TON]\d\d", row[0]))
        assert rule.legal_ground == LEGAL_GROUND.get(shown(row[7]), shown(row[7]))
        assert rule.certainty == CERTAINTY[shown(row[8])]
        assert (rule.wire_reason or "") == shown(row[6]).removesuffix(" (P1)")


def test_what_is_no_row_of_the_design_is_a_choice_of_ours_and_gives_no_advice() -> None:
    for rule in (CURRENT.rules[9], *CURRENT.doubts, TOO_OLD):
        assert set(rule.codes.values()) <= {"T99", "T01"}
        assert (rule.legal_ground, rule.certainty) == ("", "eigen keuze")


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
    blocks, groups, source = _stored(case["dossier"])

    found = judge(blocks, case["D"], groups, profile, source=source)

    outcome, code = case["verwacht"][name]
    assert found.code == code, case["titel"]
    assert (found.outcome or "GEEN_ADVIES") == outcome


# The test answers of the source, each worked out by hand along the table of the design.
REAL: list[tuple[str, str, list[str], str | None]] = [
    # Born 25-06-1982. PLICHT since 26-03-2015, AI023 and AEVC05 signed on 27-03-2016 (made the day
    # before), registered (EA) and contract on 03-03-2017, TT_IBVP: GS and JA_IB on 03-03-2017.
    # Certificates come first, AI023 before AEVC05.
    ("90722501478", "2022-01-01", ["O10"], None),
    ("90722501478", "2016-03-27", ["O10"], None),
    # Made and not signed; not registered, and three months after 26-03-2015 end on 26-06-2015.
    ("90722501478", "2016-03-26", ["N21"], "R01"),
    ("90722501478", "2015-06-27", ["N21"], "R01"),
    ("90722501478", "2015-06-26", ["N20", "N20", "O40"], "R01"),
    ("90722501478", "2015-03-25", ["O03"], None),
    # Born 23-07-1913: 65 since 1978, so whatever else it says (PLICHT, registered, no contract).
    ("90722501676", "2022-01-01", ["O20"], None),
    # Born 13-04-1916: 65 since 1981.
    ("90722502171", "2022-01-01", ["O20"], None),
    # Born 15-09-1981. RECHT since 26-03-2015: no obligation, whatever contract, JA_IB, breach.
    ("90722600161", "2022-01-01", ["O06"], None),
    ("90722600161", "2015-03-26", ["O06"], None),
    ("90722600161", "2015-03-25", ["O03"], None),
    # Born 06-06-1979. PLICHT and registered (EA) on 23-03-2017, no contract, TT_IBVP: OP.
    # Ninety days: 8 of March, 30 of April, 31 of May, 21 of June: up to 21-06-2017.
    ("90722600359", "2022-01-01", ["N23"], "R02"),
    ("90722600359", "2017-06-22", ["N23"], "R02"),
    ("90722600359", "2017-06-21", ["N22", "N22", "O41"], "R02"),
    ("90722600359", "2017-03-23", ["N22", "N22", "O41"], "R02"),
    ("90722600359", "2017-03-22", ["O03"], None),
    # Born 05-05-2005, MINDERJARIG since 26-03-2015: long before 05-05-2022, 12 months before 18.
    ("90722600557", "2023-05-04", ["O02"], None),
    ("90722600557", "2023-05-05", ["O07"], None),
    ("90722600557", "2023-05-06", ["O07"], None),
    # Born 04-06-1973. Code NEE since 22-03-2017 without type, and a reason of exemption: NEE first.
    ("90722601151", "2022-01-01", ["O05"], None),
    ("90722601151", "2017-03-22", ["O05"], None),
    ("90722601151", "2017-03-21", ["O03"], None),
    # Born 04-06-1973. PLICHT since 26-03-2015, registered (EA) on 03-03-2017, postponement of
    # signing since that day without end, TT_NT2 and TT_IBVP: OP. P1 does not take a postponement.
    ("90722601349", "2022-01-01", ["N12", "O31", "O31"], "R05"),
    ("90722601349", "2017-03-03", ["N12", "O31", "O31"], "R05"),
    # The day before: not registered, and the three months ended in 2015.
    ("90722601349", "2017-03-02", ["N21"], "R01"),
    # Born 13-07-1913: 65 since 1978, whatever the three breaches and the two trajectories say.
    ("91702300161", "2022-01-01", ["O20"], None),
    # As 90722601349, but registered and postponed on 03-03-2015, before PLICHT began.
    ("98630499724", "2022-01-01", ["N12", "O31", "O31"], "R05"),
    ("98630499724", "2015-03-26", ["N12", "O31", "O31"], "R05"),
    ("98630499724", "2015-03-25", ["O03"], None),
    # As 90722601349.
    ("99620210124", "2022-01-01", ["N12", "O31", "O31"], "R05"),
    ("99620210124", "2017-03-02", ["N21"], "R01"),
]


@pytest.mark.parametrize(("number", "on", "expected", "reason"), REAL)
def test_judges_real_answers(number: str, on: str, expected: list[str], reason: str | None) -> None:
    answer = _answer(number)
    assert isinstance(answer, kbi.Dossier)
    groups = [answer.blocks["doelgroep"]]

    assert codes(answer.blocks, on, groups) == expected
    assert judge(answer.blocks, on, groups, STRICT).wire_reason == reason
    assert codes(answer.blocks, on, groups, rules=FIRST) == expected


def test_no_real_answer_is_left_out() -> None:
    names = {path.stem for path in _shared("kbi/antwoorden").iterdir()}

    assert names == {row[0] for row in REAL} | {"90722500191", "91610100176", "notfound"}


@pytest.mark.parametrize("number", ["90722500191", "91610100176"])
def test_a_real_fault_gives_no_advice(number: str) -> None:
    answer = _answer(number)
    assert isinstance(answer, kbi.AnswerFault)

    assert answer.code == "99996"
    assert codes(SIGNED, "2022-01-01", source=replace(FRESH, fault=answer.code)) == ["T01"]


def test_the_real_answer_that_there_is_no_dossier_is_ok_while_it_is_fresh() -> None:
    answer = _answer("notfound")
    assert isinstance(answer, kbi.AnswerFault)
    fresh = Source(
        answer.made_at + timedelta(days=35), timedelta(days=35), None, None, answer.made_at
    )

    assert answer.code == "30001"
    assert codes(None, "2017-01-01", source=fresh) == ["O01"]
    assert codes(None, "2017-01-01", source=replace(fresh, asked_at=NOW)) == ["T01"]


def test_a_real_answer_of_years_ago_makes_no_nok() -> None:
    answer = _answer("90722600359")
    assert isinstance(answer, kbi.Dossier)
    source = Source(NOW, timedelta(days=35), dossier_at=answer.made_at)

    assert codes(answer.blocks, "2022-01-01", [answer.blocks["doelgroep"]], source=source) == [
        "T01"
    ]


def _answer(name: str) -> kbi.Dossier | kbi.AnswerFault:
    return kbi.parse_answer(_shared(f"kbi/antwoorden/{name}.xml").read_bytes())


def _shared(path: str) -> Path:
    found = SHARED / path
    if not found.exists():
        pytest.skip(f"shared/{path} is not beside this repository")
    return found


def _stored(case: Json) -> tuple[Json | None, list[Json], Source]:
    """A worked case in the form of the store."""
    if "fout" in case:
        return None, [], replace(FRESH, fault=case["fout"])
    if case.get("niet_gevonden"):
        return None, [], FRESH
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
    return blocks, groups, FRESH


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


AGES = st.none() | st.timedeltas(timedelta(days=-1), timedelta(days=80))


@st.composite
def sources(draw: st.DrawFn) -> Source:
    ages = [draw(AGES), draw(AGES)]
    dossier_at, absence_at = (None if age is None else NOW - age for age in ages)
    fault = draw(st.sampled_from([None, None, "99996"]))
    return replace(FRESH, fault=fault, dossier_at=dossier_at, absence_at=absence_at)


@settings(deadline=None)
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


@settings(deadline=None)
@given(
    blocks=BLOCKS,
    groups=GROUPS,
    on=st.one_of(DAYS, st.dates()),
    source=sources(),
    version=st.sampled_from(sorted(RULE_SETS)),
)
def test_a_stricter_profile_is_never_milder(
    blocks: Json, groups: list[Json], on: date, source: Source, version: str
) -> None:
    rules = RULE_SETS[version]
    found = [judge(blocks, on, groups, each, source=source, rules=rules) for each in Profile]

    lenience = [LENIENCE[advice.outcome] for advice in found]
    assert lenience == sorted(lenience)


@settings(deadline=None)
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


@settings(deadline=None)
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


@settings(deadline=None)
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


@settings(deadline=None)
@given(
    blocks=st.none() | BLOCKS,
    groups=GROUPS,
    on=DAYS,
    profile=st.sampled_from(Profile),
    source=sources(),
)
def test_age_turns_no_dossier_and_nok_into_no_advice_and_nothing_else(
    blocks: Json | None, groups: list[Json], on: date, profile: Profile, source: Source
) -> None:
    fresh = judge(blocks, on, groups, profile, source=replace(FRESH, fault=source.fault))
    found = judge(blocks, on, groups, profile, source=source)

    if fresh.code == "O01" or fresh.outcome is Outcome.NOK:
        assert found.code in (fresh.code, "T01")
    else:
        assert found == fresh


@settings(deadline=None)
@given(blocks=st.none() | BLOCKS, groups=GROUPS, on=DAYS, profile=st.sampled_from(Profile))
def test_with_fresh_data_version_1_1_differs_from_1_0_in_what_it_no_longer_holds_against_a_person(
    blocks: Json | None, groups: list[Json], on: date, profile: Profile
) -> None:
    first = judge(blocks, on, groups, profile, rules=FIRST)
    now = judge(blocks, on, groups, profile)

    if first.code != now.code:
        assert first.outcome is Outcome.NOK
        assert now.code in ("T99", "N30", "N32", "O42")
        assert first.code in ("N31", "N32") or now.code == "T99"


@settings(deadline=None)
@given(blocks=BLOCKS, groups=GROUPS, on=DAYS, later=DAYS, profile=st.sampled_from(Profile))
def test_who_holds_a_certificate_stays_ok(
    blocks: Json, groups: list[Json], on: date, later: date, profile: Profile
) -> None:
    held = [*blocks.get("behaaldeAttesten", ()), certificate(str(on))]

    for day in (on, max(on, later)):
        found = judge(blocks | {"behaaldeAttesten": held}, day, groups, profile)
        assert found.code == "O10"


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

    assert advise(facts, date(2022, 1, 1), STRICT, FRESH).code == "O10"
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

    assert judge(person, on, history).code == code
