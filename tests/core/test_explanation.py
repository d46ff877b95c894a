"""The explanation: which rule, which facts and which not and why, as a case handler reads it."""

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import date, timedelta
from typing import Any

import pytest
import rfc8785
from hypothesis import given, settings
from hypothesis import strategies as st
from test_obligation import (
    ADULT,
    ANYTHING,
    BLOCKS,
    DAYS,
    EXAMPLES,
    FIRST,
    FRESH,
    GROUPS,
    IN_ORDER,
    NOW,
    OBLIGED,
    REGISTERED,
    SIGNED,
    STRICT,
    WITH_POSTPONEMENT,
    Json,
    born,
    breach,
    certificate,
    contracts,
    group,
    judged_by,
    period,
    sources,
    trajectory,
)

from app.canonical import canonical_json, digest
from app.explanation import MOST, explain
from app.facts import read_facts
from app.insz import contains_insz
from app.obligation import CURRENT, RULE_SETS, Profile, Rule, RuleSet, Source, advise, blocks_needed

INSZ = "90722501478"  # of the source's own test persons


def explained(
    blocks: Json | None,
    groups: Sequence[Mapping[str, Any]] = OBLIGED,
    on: str | date = "2022-03-14",
    profile: Profile = WITH_POSTPONEMENT,
    *,
    source: Source = FRESH,
    rules: RuleSet = CURRENT,
) -> Json:
    facts = read_facts([] if blocks is None else [blocks], groups)
    day = date.fromisoformat(on) if isinstance(on, str) else on
    advice = advise(facts, day, profile, source, rules)
    return explain(facts, day, profile, advice, source, rules)


def texts(facts: Sequence[Mapping[str, str]]) -> list[str]:
    return [each["tekst"] for each in facts]


def reasons(explanation: Json) -> dict[str, str]:
    """Why each fact does not count, without what is never consulted."""
    return {
        each["tekst"]: each["waarom"]
        for each in explanation["genegeerd"]
        if each["tekst"] not in ("inbreuken", "wooncode")
    }


def strings(value: Any) -> Iterator[str]:
    """Every text in a JSON value; nothing else than canonical JSON may be in it."""
    if isinstance(value, str):
        yield value
    elif isinstance(value, list):
        for each in value:
            yield from strings(each)
    elif isinstance(value, dict):
        for name, each in value.items():
            assert name.isascii()
            yield from strings(each)
    else:
        assert type(value) in (int, bool)
        assert abs(value) < 2**53


def test_tells_a_nok_as_a_case_handler_reads_it() -> None:
    source = replace(FRESH, dossier_at=NOW - timedelta(days=3), absence_at=None)

    assert explained(REGISTERED, source=source) == {
        "code": "N23",
        "uitkomst": "NOK",
        "reden": "R02",
        "profiel": "striktMetUitstel",
        "regelset": "1.2",
        "toetsdatum": "2022-03-14",
        "geraadpleegdOp": "2026-06-01T10:00:00.000Z",
        "maximumleeftijd": 35,
        "dossierVan": "2026-05-29T10:00:00.000Z",
        "regel": {
            "situatie": "verplicht; aangemeld, geen contract op de toetsdatum; de termijn is "
            "voorbij",
            "rechtsgrond": "34/1 §3, 27 §3 2°",
            "zekerheid": "wet (stand)",
        },
        "feiten": [
            {
                "soort": "geboortedatum",
                "tekst": "geboren op 25 mei 1985: 36 jaar op de toetsdatum",
                "datum": "1985-05-25",
            },
            {
                "soort": "doelgroep",
                "tekst": "doelgroep PLICHT (code JA) vanaf 1 maart 2016, zonder einddatum",
                "begin": "2016-03-01",
            },
            {
                "soort": "attest van inburgering",
                "tekst": "geen attest van inburgering dat op de toetsdatum ondertekend is",
            },
            {
                "soort": "aanmelding",
                "tekst": "aanmelding op 1 april 2016",
                "datum": "2016-04-01",
            },
            {"soort": "contract", "tekst": "geen contract op de toetsdatum"},
            {
                "soort": "ondertekeningstermijn",
                "tekst": "de termijn om een contract te ondertekenen loopt tot en met 30 juni 2016",
                "einde": "2016-06-30",
            },
        ],
        "genegeerd": [
            {
                "soort": "inbreuk",
                "tekst": "inbreuken",
                "waarom": "niet geraadpleegd onder dit profiel",
            },
            {
                "soort": "wooncode",
                "tekst": "wooncode",
                "waarom": "wordt onder geen enkel profiel geraadpleegd",
            },
        ],
        "opmerkingen": [],
        "tekst": "NOK (N23) op 14 maart 2022; profiel striktMetUitstel, regelset 1.2. "
        "Regel: verplicht; aangemeld, geen contract op de toetsdatum; de termijn is voorbij. "
        "Rechtsgrond: 34/1 §3, 27 §3 2°; zekerheid: wet (stand). "
        "Feiten: geboren op 25 mei 1985: 36 jaar op de toetsdatum; "
        "doelgroep PLICHT (code JA) vanaf 1 maart 2016, zonder einddatum; "
        "geen attest van inburgering dat op de toetsdatum ondertekend is; "
        "aanmelding op 1 april 2016; geen contract op de toetsdatum; "
        "de termijn om een contract te ondertekenen loopt tot en met 30 juni 2016. "
        "Reden R02: De persoon heeft op de toetsingsdatum geen inburgeringscontract ondertekend.",
    }


@pytest.mark.parametrize(("rules", "rule"), EXAMPLES)
@pytest.mark.parametrize("profile", Profile)
def test_explains_the_example_of_every_rule(rules: RuleSet, rule: Rule, profile: Profile) -> None:
    assert rule.example is not None
    facts, on, source = rule.example.facts, rule.example.on, rule.example.source
    advice = advise(facts, on, profile, source, rules)

    found = explain(facts, on, profile, advice, source, rules)

    assert found["code"] == advice.code == rule.codes[profile]
    assert found["regel"]["situatie"] == advice.rule.situation
    assert found["feiten"]
    assert found.get("reden", "") == (advice.wire_reason or "")
    told = {each["soort"] for each in found["feiten"]}
    assert told <= set(advice.rule.rests_on) or not advice.rule.rests_on
    unread = set() if profile is IN_ORDER else {"inbreuk"}
    assert set(advice.rule.rests_on) - told <= unread | {"besluit beperkte leercapaciteit"}


@pytest.mark.parametrize(
    ("blocks", "expected"),
    [
        (
            {"behaaldeAttesten": [certificate(None)]},
            {"attest van inburgering AI023": "niet ondertekend, en dus niet uitgereikt"},
        ),
        (
            {"behaaldeAttesten": [certificate("2022-03-15")]},
            {"attest AI023 ondertekend op 15 maart 2022": "na de toetsdatum"},
        ),
        (
            {"behaaldeAttesten": [certificate(None, "AI024"), certificate("2022-03-15", "AI024")]},
            {
                "ander attest AI024": "geen attest van inburgering en geen attest EVC",
                "attest AI024 ondertekend op 15 maart 2022": "na de toetsdatum",
            },
        ),
        (
            contracts("2022-03-15") | {"aanmelding": {"datumAanmelding": "2022-03-15"}},
            {
                "contract geregistreerd op 15 maart 2022": "na de toetsdatum",
                "aanmelding op 15 maart 2022": "na de toetsdatum",
            },
        ),
        (
            {"trajecten": [trajectory(("GS", "2022-03-15"), ("JA_IB", "2022-03-15"))]},
            {
                "trajectstatus GS begonnen op 15 maart 2022": "na de toetsdatum",
                "besluit JA_IB toegekend op 15 maart 2022": "na de toetsdatum",
            },
        ),
        (
            {"trajecten": [trajectory(("GS", "2020-01-01"), ("JA_IB", "2020-01-01"), "TT_NT2")]},
            {"traject TT_NT2": "geen inburgeringstraject"},
        ),
        (
            {"trajecten": [{"besluit": {"code": "NEE", "datumToekenning": "2020-01-01"}}]},
            {
                "traject": "een traject zonder type",
                "besluit NEE toegekend op 1 januari 2020": "in een traject zonder type",
            },
        ),
        (
            {"trajecten": [{"besluit": {"code": "JA_IB", "datumToekenning": "2022-03-15"}}]},
            {
                "traject": "een traject zonder type",
                "besluit JA_IB toegekend op 15 maart 2022": "na de toetsdatum",
            },
        ),
        (
            {"trajecten": [trajectory(("GS", "2020-01-01"))]},
            {"trajectstatus GS begonnen op 1 januari 2020": "een eerdere regel besliste"},
        ),
        (
            {"trajecten": [trajectory(decision=("ANDERS", "2022-03-15"))]},
            {"besluit ANDERS toegekend op 15 maart 2022": "na de toetsdatum"},
        ),
        (
            {"trajecten": [trajectory() | period("2020-01-01")]},
            {
                "inburgeringstraject zonder bekende status op de toetsdatum": (
                    "de bron toont alleen een latere status, of geen"
                )
            },
        ),
        (
            {"uitstellenVanAanmelding": [period("2021-01-01", "2022-03-13")]},
            {
                "uitstel van aanmelding vanaf 1 januari 2021 tot en met 13 maart 2022": (
                    "voor de toetsdatum afgelopen"
                )
            },
        ),
        (
            {"uitstellenVanOndertekening": [period("2022-03-15")]},
            {
                "uitstel van ondertekening vanaf 15 maart 2022, zonder einddatum": (
                    "na de toetsdatum"
                )
            },
        ),
        ({"contracten": [{}]}, {"contract": "zonder datum, en dus niet gebeurd"}),
        ({"aanmelding": {"type": "EA"}}, {"aanmelding EA": "zonder datum, en dus niet gebeurd"}),
    ],
)
def test_names_what_does_not_count_and_why(blocks: Json, expected: dict[str, str]) -> None:
    found = explained(ADULT | blocks)

    assert found["code"] == "N21"
    assert reasons(found) == expected


@pytest.mark.parametrize(
    ("groups", "code", "expected"),
    [
        (
            [group("2016-03-01"), group("2022-03-01", type="RECHT")],
            "O06",
            {
                "doelgroep PLICHT (code JA) vanaf 1 maart 2016 tot en met 28 februari 2022 "
                "(waar de volgende begint)": "voor de toetsdatum afgelopen"
            },
        ),
        (
            [group("2022-03-15")],
            "O03",
            {
                "doelgroep PLICHT (code JA) vanaf 15 maart 2022, zonder einddatum": (
                    "na de toetsdatum"
                )
            },
        ),
        (
            [group("2016-03-01", "2022-12-31"), group("2022-03-01", "2022-04-01", type="RECHT")],
            "O06",
            {
                "doelgroep PLICHT (code JA) vanaf 1 maart 2016 tot en met 31 december 2022": (
                    "een doelgroep met een later begin telt"
                )
            },
        ),
        (
            [group("2016-03-01", type="RECHT"), group("2016-03-01")],
            "N21",
            {"doelgroep RECHT": "vervangen door een later antwoord van de bron"},
        ),
        ([{"periode": {"begin": "2016-03-01"}}], "T04", {}),
    ],
)
def test_names_the_target_groups_that_do_not_hold(
    groups: list[Json], code: str, expected: dict[str, str]
) -> None:
    found = explained(ADULT, groups)

    assert found["code"] == code
    birth = "geboren op 25 mei 1985: 36 jaar op de toetsdatum"
    assert {text: why for text, why in reasons(found).items() if text != birth} == expected


def test_tells_that_a_reason_of_exemption_is_there_and_not_which() -> None:
    exempt = group("2016-03-01", redenVrijstellingVanDeVerplichting={"code": "ZIEKTE"})

    assert texts(explained(ADULT, [exempt])["feiten"]) == [
        "doelgroep PLICHT (code JA, reden van vrijstelling ingevuld) vanaf 1 maart 2016, zonder "
        "einddatum"
    ]


def test_an_earlier_rule_decided_over_what_holds_as_well() -> None:
    found = explained(SIGNED | {"behaaldeAttesten": [certificate("2022-01-01")]})

    assert texts(found["feiten"]) == ["attest AI023 ondertekend op 1 januari 2022"]
    assert set(reasons(found).values()) == {"een eerdere regel besliste"}
    assert len(reasons(found)) == 4


@pytest.mark.parametrize(
    ("birth", "text", "days"),
    [
        (
            "1957-03-00",
            "geboren op een dag van 1 maart 1957 tot en met 31 maart 1957 (onvolledige datum): "
            "64 of 65 jaar op de toetsdatum",
            {"datumVroegst": "1957-03-01", "datumLaatst": "1957-03-31"},
        ),
        (
            "1950-02-00",
            "geboren op een dag van 1 februari 1950 tot en met 28 februari 1950 (onvolledige "
            "datum): 72 jaar op de toetsdatum",
            {"datumVroegst": "1950-02-01", "datumLaatst": "1950-02-28"},
        ),
        (
            "2022-03-14",
            "geboren op 14 maart 2022: 0 jaar op de toetsdatum",
            {"datum": "2022-03-14"},
        ),
        ("2022-03-15", "geboren op 15 maart 2022", {"datum": "2022-03-15"}),
    ],
)
def test_tells_the_age_that_decides(birth: str, text: str, days: dict[str, str]) -> None:
    assert explained(born(birth))["feiten"] == [{"soort": "geboortedatum", "tekst": text, **days}]


def test_where_nothing_decided_no_fact_is_told() -> None:
    nothing_else = replace(CURRENT, rules=[CURRENT.rules[-1]], doubts=[])

    found = explained(SIGNED, rules=nothing_else)

    assert (found["code"], found["feiten"]) == ("T99", [])
    assert set(reasons(found).values()) == {"geen regel die hierop steunt, past"}
    assert "Feiten:" not in found["tekst"]


def test_an_unreadable_date_is_named_and_never_repeated() -> None:
    unreadable = explained(born("OOIT"))
    doubtful = explained(REGISTERED | {"behaaldeAttesten": [certificate("OOIT")]})

    assert texts(unreadable["feiten"]) == ["geen leesbare geboortedatum"]
    assert reasons(unreadable)["geboortedatum"] == "onleesbare datum"
    assert doubtful["feiten"] == [
        {
            "soort": "attest van inburgering",
            "tekst": "attest AI023 ondertekend op een onleesbare datum",
            "twijfel": "onleesbare datum: het staat niet vast dat dit op de toetsdatum gold",
        }
    ]
    assert "OOIT" not in str([unreadable, doubtful])


def test_a_doubt_tells_what_is_uncertain_and_what_the_table_said() -> None:
    found = explained(REGISTERED | {"uitstellenVanOndertekening": [period("2022-03-00")]})

    assert found["volgensTabel"] == {
        "code": "N22",
        "situatie": "verplicht; aangemeld, geen contract op de toetsdatum; de termijn loopt nog: "
        "90 dagen na de aanmelding, of tot het einde van een uitstel van ondertekening als dat "
        "later valt",
    }
    assert found["feiten"] == [
        {
            "soort": "uitstel van ondertekening",
            "tekst": "uitstel van ondertekening vanaf een dag van 1 maart 2022 tot en met 31 maart "
            "2022 (onvolledige datum), zonder einddatum",
            "beginVroegst": "2022-03-01",
            "beginLaatst": "2022-03-31",
            "twijfel": "onvolledige datum: het staat niet vast dat dit op de toetsdatum gold",
        }
    ]
    assert set(reasons(found).values()) == {"twijfel over een ander gegeven besliste"}
    assert "De tabel zelf gaf N22: verplicht; aangemeld" in found["tekst"]


def test_a_doubt_rests_on_what_it_names_and_on_nothing_that_is_certain() -> None:
    documents = [certificate("OOIT"), certificate("2022-03-15", "AEVC05")]
    blocks = REGISTERED | {"behaaldeAttesten": documents}

    groups = [group("2010-01-01", "2011-01-01"), group("2022-00-00")]
    named, any_date = explained(blocks, groups), explained(blocks)

    assert [each["beginLaatst"] for each in named["feiten"]] == ["2022-12-31"]
    assert [each["soort"] for each in any_date["feiten"]] == ["attest van inburgering"]
    assert reasons(any_date)["attest AEVC05 ondertekend op 15 maart 2022"] == "na de toetsdatum"


def test_a_decision_of_a_trajectory_without_type_is_a_doubt_where_it_would_count() -> None:
    decisions = [
        {"besluit": {"code": code, "datumToekenning": "2022-01-01"}} for code in ("JA_IB", "NEE")
    ]

    found = explained(REGISTERED | {"trajecten": decisions})

    assert found["feiten"] == [
        {
            "soort": "besluit doel behaald",
            "tekst": "besluit JA_IB toegekend op 1 januari 2022",
            "datum": "2022-01-01",
            "twijfel": "in een traject zonder type",
        }
    ]
    assert reasons(found)["besluit NEE toegekend op 1 januari 2022"] == "in een traject zonder type"


# Every word of what each version says of the same persons. `log repeat` compares them: another
# wording makes every advice that the log holds another one.
SAID: Mapping[str, str] = {
    "1.0": "sha256:1ba67348835da15a895bffe84383700bf8b6324771db0d872ae4ec8cfd754a48",
    "1.1": "sha256:441afdc6cc8c1a7b25b9e44654c7608692e892175904983b557a6f027aa1025d",
    "1.2": "sha256:bd1359032bac2cd8f5188645d814f08097ad5bad88f026a834d10be48847434c",
}


@pytest.mark.parametrize("version", RULE_SETS)
def test_what_a_version_once_said_it_says_for_ever(version: str) -> None:
    rules = RULE_SETS[version]

    said = [
        explain(facts, on, profile, advise(facts, on, profile, source, rules), source, rules)
        for facts, on, source in judged_by(rules)
        for profile in Profile
    ]

    assert digest(said) == SAID[version], "advices of the log would no longer be the same"


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        (
            {"behaaldeAttesten": [certificate("2022-01-01", "AI024")]},
            (
                "ander attest",
                "attest AI024 ondertekend op 1 januari 2022",
                "een attest van een type dat de codelijst niet kent",
            ),
        ),
        (
            {"behaaldeAttesten": [{"datumOndertekening": "2022-01-01"}]},
            (
                "ander attest",
                "attest ondertekend op 1 januari 2022",
                "een attest zonder type",
            ),
        ),
        (
            {"trajecten": [trajectory(decision=("ANDERS", "2022-01-01"))]},
            ("ander besluit", "besluit ANDERS toegekend op 1 januari 2022", None),
        ),
        (
            {"trajecten": [{"besluit": {"code": "ANDERS", "datumToekenning": "2022-01-01"}}]},
            (
                "ander besluit",
                "besluit ANDERS toegekend op 1 januari 2022",
                "in een traject zonder type",
            ),
        ),
    ],
)
def test_what_no_code_list_knows_is_a_doubt_and_told_once(
    more: Json, expected: tuple[str, str, str | None]
) -> None:
    found = explained(REGISTERED | more)

    told = [(each["soort"], each["tekst"], each.get("twijfel")) for each in found["feiten"]]
    assert (found["code"], told) == ("T99", [expected])
    assert not [text for text in reasons(found) if text.startswith(("attest", "ander", "besluit"))]


def test_what_is_uncertain_is_no_doubt_where_another_rule_decided() -> None:
    found = explained(
        REGISTERED
        | {"behaaldeAttesten": [certificate("2022-01-01"), certificate("2022-03-00", "AEVC05")]}
    )

    assert found["code"] == "O10"
    [uncertain] = [each for each in found["genegeerd"] if "AEVC05" in each["tekst"]]
    assert uncertain["waarom"].startswith("onvolledige datum")
    assert "twijfel" not in uncertain


def test_a_withdrawn_target_group_stands_beside_the_last_answer() -> None:
    found = explained(REGISTERED, [group("2016-03-01"), group("2016-02-01", type="RECHT")])

    assert found["code"] == "T99"
    assert [(each["tekst"], each.get("twijfel")) for each in found["feiten"]] == [
        ("doelgroep PLICHT (code JA) vanaf 1 maart 2016, zonder einddatum", None),
        (
            "doelgroep RECHT (code JA) vanaf 1 februari 2016, zonder einddatum",
            "het laatste antwoord van de bron; een doelgroep met een later begin telt",
        ),
    ]


def test_where_a_withdrawn_target_group_is_no_doubt_it_is_said_which_one_counts() -> None:
    groups = [group("2016-03-01"), group("2016-02-01", type="RECHT")]
    deferred = REGISTERED | {"uitstellenVanOndertekening": [period("2022-01-01")]}

    found = explained(deferred, groups)

    assert found["code"] == "O31"
    [why] = [why for text, why in reasons(found).items() if "RECHT" in text]
    assert why.endswith("een doelgroep met een later begin telt")


def test_the_last_answer_that_is_the_target_group_itself_is_no_other_one() -> None:
    found = explained(ADULT, [group("2016-00-00", type="RECHT")])

    assert found["code"] == "O06"
    assert [each["soort"] for each in found["feiten"]] == ["doelgroep"]


def test_a_re_registration_after_d_is_a_doubt() -> None:
    blocks = ADULT | {"aanmelding": {"type": "HA", "datumAanmelding": "2022-03-15"}}

    found = explained(blocks)

    assert [(each["tekst"], each.get("twijfel", "")) for each in found["feiten"]] == [
        (
            "aanmelding HA op 15 maart 2022",
            "heraanmelding na de toetsdatum: de dag van de eerdere aanmelding is niet bekend",
        ),
        ("geen contract op de toetsdatum", ""),
    ]
    first = explained(blocks, rules=FIRST)
    assert (first["code"], first["regelset"]) == ("N21", "1.0")
    assert "geen aanmelding op de toetsdatum" in texts(first["feiten"])
    assert "aanmelding HA op 15 maart 2022" in reasons(first)


@pytest.mark.parametrize(
    ("older", "newer", "expected"),
    [
        ("2022-03-16", "2022-03-15", ("aanmelding HA op 15 maart 2022", "heraanmelding")),
        (
            "2022-04-01",
            "2022-03-00",
            (
                "aanmelding HA op een dag van 1 maart 2022 tot en met 31 maart 2022 (onvolledige "
                "datum)",
                "onvolledige",
            ),
        ),
    ],
)
def test_only_the_re_registration_is_the_doubt(
    older: str, newer: str, expected: tuple[str, str]
) -> None:
    dossiers = [
        ADULT | {"aanmelding": {"type": "HA", "datumAanmelding": newer}},
        {"aanmelding": {"type": "EA", "datumAanmelding": older}},
    ]
    facts, on = read_facts(dossiers, OBLIGED), date(2022, 3, 14)

    found = explain(facts, on, STRICT, advise(facts, on, STRICT, FRESH), FRESH)

    assert [(each["tekst"], each["twijfel"].split(" ")[0]) for each in found["feiten"][:1]] == [
        expected
    ]
    assert sum("twijfel" in each for each in found["feiten"]) == 1


def test_a_re_registration_is_no_doubt_beside_a_registration() -> None:
    dossiers = [
        ADULT | {"aanmelding": {"type": "HA", "datumAanmelding": "2022-03-15"}},
        {"aanmelding": {"type": "EA", "datumAanmelding": "2016-04-01"}},
    ]
    facts, on = read_facts(dossiers, OBLIGED), date(2022, 3, 14)

    found = explain(facts, on, STRICT, advise(facts, on, STRICT, FRESH), FRESH)

    assert found["code"] == "N23"
    assert reasons(found) == {"aanmelding HA op 15 maart 2022": "na de toetsdatum"}


@pytest.mark.parametrize(
    ("blocks", "source", "text"),
    [
        (
            REGISTERED,
            replace(FRESH, dossier_at=NOW - timedelta(days=36)),
            "het dossier komt van 26 april 2026, meer dan 35 dagen voor de raadpleging",
        ),
        (REGISTERED, replace(FRESH, dossier_at=None), "het dossier komt van een onbekend moment"),
        (
            None,
            replace(FRESH, absence_at=NOW - timedelta(days=36)),
            "dat er geen dossier is, komt van 26 april 2026, meer dan 35 dagen voor de raadpleging",
        ),
        (
            None,
            replace(FRESH, absence_at=None),
            "dat er geen dossier is, komt van een onbekend moment",
        ),
    ],
)
def test_data_that_are_too_old_are_what_decides(
    blocks: Json | None, source: Source, text: str
) -> None:
    found = explained(blocks, source=source)

    assert (found["code"], found["uitkomst"]) == ("T01", "GEEN_ADVIES")
    assert texts(found["feiten"]) == [text]
    assert set(reasons(found).values()) == {"de ouderdom van de gegevens besliste"}
    assert found["volgensTabel"]["code"] == ("N23" if blocks else "O01")


def test_a_fault_of_the_source_is_named_by_its_code() -> None:
    found = explained(SIGNED, source=replace(FRESH, fault="99996"))

    assert found["bronfout"] == "99996"
    assert found["regel"]["rechtsgrond"] == "geen"
    assert texts(found["feiten"]) == ["de bron antwoordde met fout 99996"]
    assert "volgensTabel" not in found
    assert found["tekst"].startswith("Geen advies (T01) op 14 maart 2022; profiel")


def test_a_fault_that_is_no_code_is_not_repeated() -> None:
    found = explained(SIGNED, source=replace(FRESH, fault=INSZ))

    assert found["bronfout"] == "onbekende code"
    assert INSZ not in str(found)


def test_the_moments_of_the_source_stand_where_they_are_known() -> None:
    known = explained(None, source=replace(FRESH, absence_at=NOW - timedelta(days=1)))
    unknown = explained(ADULT, source=replace(FRESH, dossier_at=None, absence_at=None))

    assert known["afwezigheidVan"] == "2026-05-31T10:00:00.000Z"
    assert unknown.keys().isdisjoint({"dossierVan", "afwezigheidVan", "bronfout", "reden"})


def test_breaches_are_told_only_to_whom_they_count() -> None:
    breaches = [
        breach("2022-01-01"),
        breach("2022-01-02", "2022-03-14"),
        breach("2022-01-03", "2022-03-15"),
        breach("2022-03-15"),
        breach("2022-03-00"),
        breach("2022-01-04", "2022-00-00"),
        {"type": "5"},
    ]
    blocks = SIGNED | {"inbreuken": breaches}

    strict, in_order = explained(blocks, profile=STRICT), explained(blocks, profile=IN_ORDER)

    assert texts(in_order["feiten"])[-2:] == [
        "inbreuk vastgesteld op 1 januari 2022, niet rechtgezet op de toetsdatum",
        "inbreuk vastgesteld op 3 januari 2022, niet rechtgezet op de toetsdatum",
    ]
    assert {text: why for text, why in reasons(in_order).items() if "inbreuk" in text} == {
        "inbreuk vastgesteld op 2 januari 2022": "rechtgezet op 14 maart 2022",
        "inbreuk vastgesteld op 15 maart 2022": "na de toetsdatum",
        "inbreuk vastgesteld op een dag van 1 maart 2022 tot en met 31 maart 2022 (onvolledige "
        "datum)": "onvolledige datum: het staat niet vast dat dit op de toetsdatum gold",
        "inbreuk vastgesteld op 4 januari 2022": "rechtgezet op een dag van 1 januari 2022 tot en "
        "met 31 december 2022 (onvolledige datum)",
        "inbreuk 5": "zonder datum, en dus niet gebeurd",
    }
    assert strict == explained(SIGNED, profile=STRICT)
    assert [each for each in strict["genegeerd"] if each["soort"] == "inbreuk"] == [
        {
            "soort": "inbreuk",
            "tekst": "inbreuken",
            "waarom": "niet geraadpleegd onder dit profiel",
        }
    ]
    assert "inbreuken" not in texts(in_order["genegeerd"])


def test_no_open_breach_is_a_fact_for_whom_breaches_count() -> None:
    absent = "geen openstaande inbreuk op de toetsdatum"

    assert absent in texts(explained(SIGNED, profile=IN_ORDER)["feiten"])
    assert absent not in texts(explained(SIGNED, profile=STRICT)["feiten"])


@pytest.mark.parametrize(
    ("postponement", "expected"),
    [
        (period("2022-01-01"), ["uitstel of opschorting zonder einddatum"]),
        (period("2022-01-01", "2022-12-31"), []),
    ],
)
def test_remarks_on_a_postponement_without_end(postponement: Json, expected: list[str]) -> None:
    found = explained(REGISTERED | {"uitstellenVanOndertekening": [postponement]})

    assert found["opmerkingen"] == expected
    assert ("Let op, twijfelachtige gegevens: uitstel" in found["tekst"]) == bool(expected)


def test_a_term_without_end_says_so() -> None:
    found = explained(REGISTERED | {"uitstellenVanOndertekening": [period("2023-01-01")]})

    assert found["feiten"][-1] == {
        "soort": "ondertekeningstermijn",
        "tekst": "de termijn om een contract te ondertekenen loopt zonder einde",
    }


def test_version_1_0_tells_the_term_as_it_counted_it() -> None:
    dossiers = [
        ADULT | {"aanmelding": {"type": "EA", "datumAanmelding": "2022-03-15"}},
        {"aanmelding": {"type": "EA", "datumAanmelding": "2016-04-01"}},
    ]
    facts, on = read_facts(dossiers, OBLIGED), date(2022, 3, 14)

    last_days = [
        explain(facts, on, STRICT, advise(facts, on, STRICT, FRESH, rules), FRESH, rules)["feiten"][
            -1
        ]["einde"]
        for rules in RULE_SETS.values()
    ]

    assert last_days == ["2022-06-13", "2016-06-30", "2016-06-30"]


@pytest.mark.parametrize(
    ("code", "shown"),
    [
        ("RECHT_PLICHT", "RECHT_PLICHT"),
        ("TT_IB-18/x", "TT_IB-18/x"),
        ("X" * 30, "X" * 30),
        ("X" * 31, "onbekende code"),
        ("", "onbekende code"),
        ("Jan Peeters", "onbekende code"),
        ("é", "onbekende code"),
        ("X\n", "onbekende code"),
        ("1234٣", "onbekende code"),
        (INSZ, "onbekende code"),
        ("90-72-25-014-78", "onbekende code"),
        (f"nr{INSZ}", "onbekende code"),
    ],
)
def test_a_code_is_shown_only_where_it_is_one(code: str, shown: str) -> None:
    found = explained(ADULT, [group("2016-03-01", type=code)])

    [text] = texts(found["feiten"])
    assert text == f"doelgroep {shown} (code JA) vanaf 1 maart 2016, zonder einddatum"


def test_a_code_that_is_not_there_is_told() -> None:
    found = explained(ADULT, [{"periode": {"begin": "2016-03-01"}}])

    [text] = texts(found["feiten"])
    assert text.startswith("doelgroep niet ingevuld (code niet ingevuld) vanaf")


def test_neither_a_number_nor_a_name_nor_free_text_comes_along() -> None:
    secrets = {
        "personalia": {
            "insz": INSZ,
            "naam": {"achternamen": ["Peeters"]},
            "geboortedatum": "1985-05-25",
        },
        "aanmelding": {"type": INSZ, "datumAanmelding": INSZ, "reden": {"naam": "Peeters"}},
        "inbreuken": [{"datumVaststelling": "2022-01-01", "motivering": "Peeters kwam niet"}],
        "uitstellenVanOndertekening": [
            period("2022-01-01") | {"reden": {"code": "ZIEKTE", "naam": "Peeters is ziek"}}
        ],
    }
    exempt = group("2016-03-01", redenVrijstellingVanDeVerplichting={"code": "ZIEKTE"})

    for groups in (OBLIGED, [exempt]):
        found = str(explained(secrets, groups, profile=IN_ORDER))
        assert not any(word in found for word in (INSZ, "Peeters", "ziek", "ZIEKTE"))


@pytest.mark.parametrize(
    ("signed", "type_", "name", "left_out"),
    [
        ("2022-01-01", "AI023", "feiten", 10_000 - MOST),
        ("2022-01-01", "X" * 30, "feiten", 10_000 - MOST),
        (None, "X" * 30, "genegeerd", 10_002 - MOST),
    ],
)
def test_a_hostile_dossier_makes_no_large_explanation(
    signed: str | None, type_: str, name: str, left_out: int
) -> None:
    documents = [certificate(signed, type_)] * 10_000

    found = explained(REGISTERED | {"behaaldeAttesten": documents})

    assert len(found[name]) == MOST
    assert found[f"{name}Weggelaten"] == left_out
    assert len(canonical_json(found)) < 30_000
    assert ("en nog 9992." in found["tekst"]) == (name == "feiten")


CODES = st.sampled_from([INSZ, "907225", "01478", "90-72-25", "014-78", "é", "JA", "", "X" * 40])


@settings(deadline=None)
@given(
    blocks=st.none()
    | st.dictionaries(st.sampled_from(sorted(blocks_needed(IN_ORDER))), ANYTHING, max_size=6),
    groups=st.lists(
        st.dictionaries(st.sampled_from(["code", "type", "periode"]), ANYTHING | CODES), max_size=3
    ),
    on=st.dates(),
    profile=st.sampled_from(Profile),
)
def test_no_input_makes_it_raise(
    blocks: Json | None, groups: list[Json], on: date, profile: Profile
) -> None:
    found = explained(blocks, groups, on, profile)

    assert not any(contains_insz(text) for text in strings(found))


@settings(deadline=None)
@given(
    blocks=st.none() | BLOCKS,
    groups=GROUPS,
    on=DAYS,
    profile=st.sampled_from(Profile),
    source=sources(),
    version=st.sampled_from(sorted(RULE_SETS)),
)
def test_it_is_canonical_and_says_what_was_advised(
    blocks: Json | None,
    groups: list[Json],
    on: date,
    profile: Profile,
    source: Source,
    version: str,
) -> None:
    rules = RULE_SETS[version]
    facts = read_facts([] if blocks is None else [blocks], groups)
    advice = advise(facts, on, profile, source, rules)

    found = explain(facts, on, profile, advice, source, rules)

    assert list(strings(found))
    assert canonical_json(found) == rfc8785.dumps(found)
    assert json.loads(canonical_json(found)) == found
    assert found["code"] == advice.code
    assert found["uitkomst"] == (advice.outcome or "GEEN_ADVIES")
    assert found["feiten"]
    assert all(each["waarom"] for each in found["genegeerd"])
    assert found == explain(facts, on, profile, advice, source, rules)


@settings(deadline=None)
@given(blocks=BLOCKS, groups=GROUPS, on=DAYS)
def test_every_fact_is_told_once(blocks: Json, groups: list[Json], on: date) -> None:
    """Each element of the blocks either decides or is ignored, under the profile that reads all."""
    elements = sum(
        len(blocks.get(name, ()))
        for name in (
            *("behaaldeAttesten", "contracten", "inbreuken"),
            *("uitstellenVanAanmelding", "uitstellenVanOndertekening"),
        )
    )
    elements += sum(len(each.get("opschortingen", ())) for each in blocks.get("contracten", ()))

    found = explained(blocks, groups, on, IN_ORDER)

    kinds = {
        *("attest van inburgering", "attest EVC", "ander attest", "contract", "inbreuk"),
        *("uitstel van aanmelding", "uitstel van ondertekening", "opschorting"),
    }
    told = [
        each
        for each in (*found["feiten"], *found["genegeerd"])
        if each["soort"] in kinds and not each["tekst"].startswith("geen ")
    ]
    assert len(told) == elements
