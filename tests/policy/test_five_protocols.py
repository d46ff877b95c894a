"""The five protocols as their texts read: who asks what, on which day, gets what."""

import re
from collections.abc import Mapping
from datetime import date
from functools import cache
from pathlib import Path

import pytest

from app import agreement, clauses, fields
from app.agreement import Delegate, Document
from app.errors import Reason
from app.policy import (
    Clause,
    Granted,
    Operation,
    Period,
    Population,
    PopulationKind,
    Question,
    decide,
)

PROTOCOLS = Path(__file__).parents[2] / "protocols"
FIVE = ("avsb-2021", "genk-2021", "mechelen-2021", "vdab-2023", "wetteren-2023")
AGENCY, AVSB, VDAB = "0543307391", "0881629733", "0887010362"
ATLAS, GENT = "0421722346", "0507873093"
GENK, MECHELEN, WETTEREN = "nis:71016", "nis:12025", "nis:42025"
CARE_FUND = "zorgkas-voorbeeld"
CARE_BUDGET, PREMIUM = "zorgbudgetZwaarZorgbehoevenden", "verlaagdePremie"
LOCAL, PILOT, MONITORING = (
    "lokaalIntegratiebeleid",
    "proeftuinParticipatie",
    "monitoringDerdePijler",
)
NO_END: Mapping[str, date | None] = {CARE_BUDGET: None, PREMIUM: None}

DOSSIER, DOSSIERS = Operation.QUERY_DOSSIER, Operation.QUERY_DOSSIER_BATCH
ADVICE, ADVICES = Operation.QUERY_ADVIES, Operation.QUERY_ADVIES_BATCH
LIST, PARTICIPANTS = Operation.CREATE_LIJST, Operation.QUERY_DEELNEMERS
EXCHANGE = Operation.EXCHANGE_VDAB

NUMBER = frozenset({"personalia.insz"})
GENK_FIELDS = NUMBER | {"contract.ondertekend", "attest.inburgeringBehaald"}
PILOT_FIELDS = frozenset(
    {
        "contact.voornaam",
        "contact.achternaam",
        "contact.adres",
        "contact.telefoon",
        "contact.email",
        "talenkennis.contacttaal",
        "talenkennis.niveauNederlands",
        "maatschappelijkeOrientatie.status",
    }
)
NOTHING = frozenset[str]()
NOW = date(2026, 6, 1)


@cache
def read(name: str) -> Document:
    """A protocol of the project, by the name of its file."""
    parsed = agreement.parse((PROTOCOLS / f"{name}.yaml").read_text(encoding="utf-8"))
    assert isinstance(parsed, Document)
    return parsed


@cache
def care_funds() -> tuple[Delegate, ...]:
    """The care funds of the demo, which act on behalf of AVSB."""
    path = PROTOCOLS / "demo/avsb-2021-gemachtigden.yaml"
    parsed = agreement.parse(path.read_text(encoding="utf-8"))
    assert isinstance(parsed, agreement.DelegateList)
    return parsed.delegates


def clause(
    name: str,
    organisation: str,
    purpose: str,
    day: date,
    *,
    ends: Mapping[str, date | None] = NO_END,
    cooperation_since: date | None = date(2022, 3, 1),
) -> Clause | None:
    """What the protocol opens for an organisation and a purpose on a day, if anything."""
    opened = clauses.opened_by(
        read(name),
        delegates=care_funds(),
        profiles={
            organisation: frozenset({"consulent"})
            for organisation in (GENK, MECHELEN, WETTEREN, VDAB)
        },
        legal_ground_ends=ends,
        suspended_since=None,
        ended_on=None,
        today=day,
        cooperation_since=cooperation_since,
    )
    matching = [one for one in opened if (one.organisation, one.purpose) == (organisation, purpose)]
    assert len(matching) <= 1
    return matching[0] if matching else None


def answer(
    found: Clause | None, question: Question, day: date, *, production: bool = True
) -> frozenset[str] | Reason:
    """The granted leaves, or the reason of the refusal."""
    decision = decide(found, question, day, production=production)
    return decision.fields if isinstance(decision, Granted) else decision.reason


NOT_YET, ENDED, OVER = Reason.NOT_YET_VALID, Reason.EXPIRED, Reason.LEGAL_GROUND_ENDED
NO_PROTOCOL, NO_OPERATION = Reason.NO_PROTOCOL, Reason.OPERATION

CASES = [
    # avsb-2021: the protocol starts before its legal ground
    ("avsb-2021", AVSB, CARE_BUDGET, ADVICE, date(2021, 9, 30), NOT_YET),
    ("avsb-2021", AVSB, CARE_BUDGET, ADVICE, date(2021, 10, 1), NOT_YET),
    ("avsb-2021", AVSB, CARE_BUDGET, ADVICE, date(2021, 12, 31), NOT_YET),
    ("avsb-2021", AVSB, CARE_BUDGET, ADVICE, date(2022, 1, 1), NOTHING),
    ("avsb-2021", AVSB, CARE_BUDGET, ADVICES, NOW, NOTHING),
    ("avsb-2021", AVSB, CARE_BUDGET, LIST, NOW, NO_OPERATION),
    ("avsb-2021", AVSB, CARE_BUDGET, DOSSIER, NOW, NO_OPERATION),
    ("avsb-2021", CARE_FUND, CARE_BUDGET, ADVICE, date(2021, 12, 31), NO_PROTOCOL),
    ("avsb-2021", CARE_FUND, CARE_BUDGET, ADVICE, date(2022, 1, 1), NOTHING),
    ("avsb-2021", CARE_FUND, CARE_BUDGET, DOSSIER, NOW, NO_OPERATION),
    ("avsb-2021", AVSB, PREMIUM, LIST, date(2021, 12, 31), NOT_YET),
    ("avsb-2021", AVSB, PREMIUM, LIST, date(2022, 1, 1), NUMBER),
    ("avsb-2021", AVSB, PREMIUM, ADVICE, NOW, NO_OPERATION),
    ("avsb-2021", CARE_FUND, PREMIUM, ADVICE, NOW, NO_OPERATION),
    ("avsb-2021", CARE_FUND, PREMIUM, LIST, NOW, NUMBER),
    ("avsb-2021", "zorgkas-onbekend", CARE_BUDGET, ADVICE, NOW, NO_PROTOCOL),
    ("avsb-2021", AGENCY, CARE_BUDGET, ADVICE, NOW, NO_PROTOCOL),
    ("avsb-2021", GENK, CARE_BUDGET, ADVICE, NOW, NO_PROTOCOL),
    # Of the five pillars only the care budget for the severely care-dependent is covered.
    ("avsb-2021", AVSB, "zorgbudgetOuderen", ADVICE, NOW, NO_PROTOCOL),
    # genk-2021
    ("genk-2021", GENK, LOCAL, DOSSIER, date(2021, 6, 1), NOT_YET),
    ("genk-2021", GENK, LOCAL, DOSSIER, date(2021, 6, 2), GENK_FIELDS),
    ("genk-2021", GENK, LOCAL, DOSSIERS, NOW, GENK_FIELDS),
    ("genk-2021", GENK, LOCAL, LIST, NOW, GENK_FIELDS),
    ("genk-2021", GENK, LOCAL, ADVICE, NOW, NO_OPERATION),
    ("genk-2021", GENK, LOCAL, PARTICIPANTS, NOW, NO_OPERATION),
    ("genk-2021", GENK, PILOT, DOSSIER, NOW, NO_PROTOCOL),
    ("genk-2021", MECHELEN, LOCAL, DOSSIER, NOW, NO_PROTOCOL),
    # mechelen-2021
    ("mechelen-2021", MECHELEN, PILOT, PARTICIPANTS, date(2021, 6, 30), NOT_YET),
    ("mechelen-2021", MECHELEN, PILOT, PARTICIPANTS, date(2021, 7, 1), PILOT_FIELDS),
    ("mechelen-2021", MECHELEN, PILOT, PARTICIPANTS, date(2022, 6, 30), PILOT_FIELDS),
    ("mechelen-2021", MECHELEN, PILOT, PARTICIPANTS, date(2022, 7, 1), ENDED),
    ("mechelen-2021", MECHELEN, PILOT, DOSSIER, date(2022, 1, 1), NO_OPERATION),
    ("mechelen-2021", WETTEREN, PILOT, PARTICIPANTS, date(2022, 1, 1), NO_PROTOCOL),
    # wetteren-2023
    ("wetteren-2023", WETTEREN, PILOT, PARTICIPANTS, date(2023, 2, 28), NOT_YET),
    ("wetteren-2023", WETTEREN, PILOT, PARTICIPANTS, date(2023, 3, 1), PILOT_FIELDS),
    ("wetteren-2023", WETTEREN, PILOT, PARTICIPANTS, date(2023, 12, 31), PILOT_FIELDS),
    ("wetteren-2023", WETTEREN, PILOT, PARTICIPANTS, date(2024, 1, 1), ENDED),
    ("wetteren-2023", WETTEREN, PILOT, DOSSIER, date(2023, 6, 1), NO_OPERATION),
    # vdab-2023, with a cooperation agreement of 1 March 2022
    ("vdab-2023", VDAB, MONITORING, EXCHANGE, date(2023, 3, 2), NOT_YET),
    ("vdab-2023", VDAB, MONITORING, EXCHANGE, date(2023, 3, 3), NUMBER),
    ("vdab-2023", VDAB, MONITORING, EXCHANGE, date(2027, 2, 28), NUMBER),
    ("vdab-2023", VDAB, MONITORING, EXCHANGE, date(2027, 3, 1), ENDED),
    ("vdab-2023", VDAB, MONITORING, LIST, NOW, NO_OPERATION),
    ("vdab-2023", VDAB, MONITORING, DOSSIER, NOW, NO_OPERATION),
    ("vdab-2023", ATLAS, MONITORING, EXCHANGE, NOW, NO_PROTOCOL),
    ("vdab-2023", GENT, MONITORING, EXCHANGE, NOW, NO_PROTOCOL),
]


@pytest.mark.parametrize(("name", "organisation", "purpose", "operation", "day", "expected"), CASES)
def test_opens_what_the_text_opens(
    name: str,
    organisation: str,
    purpose: str,
    operation: Operation,
    day: date,
    expected: frozenset[str] | Reason,
) -> None:
    found = clause(name, organisation, purpose, day)

    question = Question(operation, purpose, function_profile="consulent")

    assert answer(found, question, day) == expected


@pytest.mark.parametrize(
    ("name", "organisation", "purpose", "day", "last"),
    [
        ("mechelen-2021", MECHELEN, PILOT, date(2022, 7, 1), date(2022, 6, 30)),
        ("mechelen-2021", MECHELEN, PILOT, NOW, date(2022, 6, 30)),
        ("wetteren-2023", WETTEREN, PILOT, NOW, date(2023, 12, 31)),
    ],
)
def test_an_ended_protocol_says_since_when(
    name: str, organisation: str, purpose: str, day: date, last: date
) -> None:
    found = clause(name, organisation, purpose, day)

    decision = decide(found, Question(PARTICIPANTS, purpose), day, production=True)

    assert not isinstance(decision, Granted)
    assert (decision.reason, decision.on) == (Reason.EXPIRED, last)


@pytest.mark.parametrize(
    ("name", "organisation", "purpose", "population"),
    [
        ("avsb-2021", AVSB, CARE_BUDGET, Population(PopulationKind.ANY)),
        ("avsb-2021", AVSB, PREMIUM, Population(PopulationKind.ANY)),
        (
            "avsb-2021",
            CARE_FUND,
            CARE_BUDGET,
            Population(PopulationKind.MEMBER, organisation=CARE_FUND),
        ),
        (
            "avsb-2021",
            "zorgkas-tweede",
            PREMIUM,
            Population(PopulationKind.MEMBER, organisation="zorgkas-tweede"),
        ),
        ("genk-2021", GENK, LOCAL, Population(PopulationKind.RESIDENT, nis="71016")),
        (
            "mechelen-2021",
            MECHELEN,
            PILOT,
            Population(PopulationKind.CONSENT, nis="12025", project="proeftuin-mechelen"),
        ),
        (
            "wetteren-2023",
            WETTEREN,
            PILOT,
            Population(PopulationKind.PARTICIPANT, nis="42025", project="proeftuin-wetteren"),
        ),
        ("vdab-2023", VDAB, MONITORING, Population(PopulationKind.ANY)),
    ],
)
def test_is_about_the_persons_of_the_text(
    name: str, organisation: str, purpose: str, population: Population
) -> None:
    found = clause(name, organisation, purpose, NOW)

    assert found is not None
    assert found.population == population


def test_a_care_fund_acts_on_behalf_of_avsb_and_avsb_for_itself() -> None:
    fund, itself = (clause("avsb-2021", who, CARE_BUDGET, NOW) for who in (CARE_FUND, AVSB))

    assert fund is not None
    assert itself is not None
    assert (fund.on_behalf_of, itself.on_behalf_of) == (AVSB, None)
    assert fund.advice_profile == itself.advice_profile == "striktMetUitstel"


OPERATOR_ENDS: list[tuple[Mapping[str, date | None], bool, frozenset[str] | Reason]] = [
    # set by the operator, production, what an advice gives
    ({}, True, OVER),
    ({}, False, NOTHING),
    ({PREMIUM: None}, True, OVER),
    ({CARE_BUDGET: None}, True, NOTHING),
    ({CARE_BUDGET: NOW}, True, NOTHING),
    ({CARE_BUDGET: date(2023, 7, 20)}, True, OVER),
    ({CARE_BUDGET: date(2023, 7, 20)}, False, OVER),
]


@pytest.mark.parametrize(("ends", "production", "expected"), OPERATOR_ENDS)
def test_avsb_waits_in_production_for_the_end_of_its_legal_ground(
    ends: Mapping[str, date | None], production: bool, expected: frozenset[str] | Reason
) -> None:
    found = clause("avsb-2021", AVSB, CARE_BUDGET, NOW, ends=ends)

    assert answer(found, Question(ADVICE, CARE_BUDGET), NOW, production=production) == expected


@pytest.mark.parametrize(
    ("test_date", "expected"),
    [
        (date(2021, 12, 31), Reason.INVALID_DATE),
        (date(2022, 1, 1), NOTHING),
        (NOW, NOTHING),
        (date(2026, 6, 2), Reason.INVALID_DATE),
    ],
)
def test_the_care_budget_is_tested_from_2022_on(
    test_date: date, expected: frozenset[str] | Reason
) -> None:
    found = clause("avsb-2021", CARE_FUND, CARE_BUDGET, NOW)

    question = Question(ADVICE, CARE_BUDGET, test_date=test_date)

    assert answer(found, question, NOW) == expected


@pytest.mark.parametrize(
    ("production", "expected"), [(True, Reason.LEGAL_GROUND_ENDED), (False, NUMBER)]
)
def test_vdab_waits_in_production_for_the_date_of_the_cooperation_agreement(
    production: bool, expected: frozenset[str] | Reason
) -> None:
    found = clause("vdab-2023", VDAB, MONITORING, NOW, cooperation_since=None)

    question = Question(EXCHANGE, MONITORING, function_profile="consulent")

    assert answer(found, question, NOW, production=production) == expected


@pytest.mark.parametrize(
    "field", ["contact.voornaam", "contact.achternaam", "personalia.naam", "contracten[]"]
)
def test_genk_gets_no_name_and_no_date_though_the_decree_would_allow_the_name(field: str) -> None:
    found = clause("genk-2021", GENK, LOCAL, NOW)

    question = Question(DOSSIER, LOCAL, fields=(field,), function_profile="consulent")

    assert fields.is_known(field)
    assert answer(found, question, NOW) is Reason.FIELD


@pytest.mark.parametrize(
    ("name", "organisation", "day"),
    [
        ("mechelen-2021", MECHELEN, date(2022, 1, 1)),
        ("wetteren-2023", WETTEREN, date(2023, 6, 1)),
    ],
)
def test_a_pilot_never_gets_the_national_number(name: str, organisation: str, day: date) -> None:
    found = clause(name, organisation, PILOT, day)

    question = Question(
        PARTICIPANTS, PILOT, fields=("personalia.insz",), function_profile="consulent"
    )

    assert answer(found, question, day) is Reason.FIELD


@pytest.mark.parametrize(
    ("name", "organisation", "purpose", "demands"),
    [
        ("avsb-2021", AVSB, CARE_BUDGET, False),
        ("avsb-2021", CARE_FUND, PREMIUM, False),
        ("genk-2021", GENK, LOCAL, True),
        ("mechelen-2021", MECHELEN, PILOT, True),
        ("wetteren-2023", WETTEREN, PILOT, True),
        ("vdab-2023", VDAB, MONITORING, True),
    ],
)
def test_all_but_avsb_demand_a_list_of_function_profiles(
    name: str, organisation: str, purpose: str, demands: bool
) -> None:
    found = clause(name, organisation, purpose, NOW)

    assert found is not None
    assert found.demands_profile is demands


def test_vdab_gets_the_number_alone_and_the_profile_data_only_without_it() -> None:
    [access] = read("vdab-2023").purposes[0].accesses
    assert access.exchange is not None

    sources = [datum.source for datum in access.exchange.data]

    assert [grant.field for grant in access.grants] == ["personalia.insz"]
    assert (sources.count("kbi"), sources.count("vdab")) == (17, 5)
    assert not [datum for datum in access.exchange.data if "insz" in datum.code.lower()]
    assert len(access.exchange.steps) == 6


QUOTAS = [
    ("avsb-2021", {"createLijst": (1, "kalenderjaar")}),
    ("genk-2021", {"createLijst": (1, "kalenderjaar")}),
    ("mechelen-2021", {}),
    ("wetteren-2023", {}),
    ("vdab-2023", {"exchangeVdab": (1, "halfjaar")}),
]


@pytest.mark.parametrize(("name", "expected"), QUOTAS)
def test_limits_lists_and_exchanges_only(name: str, expected: dict[str, object]) -> None:
    found = {
        quota.operation: (quota.maximum, quota.per)
        for purpose in read(name).purposes
        for access in purpose.accesses
        for quota in access.quota
    }

    assert found == expected


KEPT = [
    ("avsb-2021", CARE_BUDGET, None),
    ("avsb-2021", PREMIUM, None),
    ("genk-2021", LOCAL, date(2031, 6, 1)),
    ("mechelen-2021", PILOT, date(2031, 6, 1)),
    ("wetteren-2023", PILOT, date(2031, 6, 1)),
    ("vdab-2023", MONITORING, None),
]


@pytest.mark.parametrize(("name", "purpose", "until"), KEPT)
def test_says_how_long_the_receiver_keeps_the_data(
    name: str, purpose: str, until: date | None
) -> None:
    assert clauses.keep_until(read(name), purpose, NOW) == until


TERMS = [
    # notice in months, incident in hours, attempts, data error in weeks, counted from
    ("avsb-2021", 12, 24, True, 2, "vaststelling"),
    ("genk-2021", 12, 24, True, 2, "vaststelling"),
    ("mechelen-2021", 3, 48, False, None, None),
    ("wetteren-2023", 3, 48, False, None, None),
    ("vdab-2023", 1, None, False, 2, "ontvangst"),
]


@pytest.mark.parametrize(("name", "notice", "hours", "attempts", "weeks", "since"), TERMS)
def test_holds_the_terms_of_the_text(
    name: str, notice: int, hours: int | None, attempts: bool, weeks: int | None, since: str | None
) -> None:
    document = read(name)

    assert document.notice_months == notice
    assert (document.incident.hours, document.incident.attempts) == (hours, attempts)
    assert (document.data_error.weeks, document.data_error.since) == (weeks, since)


ADVICE_DATES = [
    ("avsb-2021", {AGENCY: date(2021, 10, 1), AVSB: "09-06"}),
    ("genk-2021", {AGENCY: date(2020, 8, 21), GENK: date(2021, 1, 7)}),
    ("mechelen-2021", {AGENCY: date(2021, 4, 23), MECHELEN: date(2021, 6, 21)}),
    # After the start of the protocol: the text says so, and it is kept.
    ("wetteren-2023", {AGENCY: date(2023, 4, 23), WETTEREN: date(2021, 5, 17)}),
    (
        "vdab-2023",
        {
            AGENCY: date(2023, 2, 23),
            ATLAS: date(2023, 2, 27),
            GENT: date(2023, 2, 23),
            VDAB: date(2023, 2, 14),
        },
    ),
]


@pytest.mark.parametrize(("name", "expected"), ADVICE_DATES)
def test_keeps_the_date_of_each_advice_as_it_stands_in_the_text(
    name: str, expected: dict[str, object]
) -> None:
    found = {party.organisations[0]: party.advice.on for party in read(name).parties}

    assert found == expected


def test_a_flaw_of_the_text_carries_a_remark() -> None:
    flawed = [
        party.advice
        for name in ("avsb-2021", "wetteren-2023")
        for party in read(name).parties
        if not isinstance(party.advice.on, date) or party.advice.on > read(name).first
    ]

    assert len(flawed) == 2
    assert all(advice.remark for advice in flawed)


@pytest.mark.parametrize("name", FIVE)
def test_is_complete_and_says_where_the_text_is_silent(name: str) -> None:
    document = read(name)

    silent = {
        alias
        for alias, held in agreement.as_data(document)["inhoud"].items()
        if "nietInTekst" in held
    }

    assert not document.draft
    assert (
        silent
        == {
            "avsb-2021": {"verenigbaarheid"},
            "genk-2021": set(),
            "mechelen-2021": {"verwerkingsverantwoordelijken"},
            "vdab-2023": {"verwerkingsverantwoordelijken"},
            "wetteren-2023": {"verwerkingsverantwoordelijken"},
        }[name]
    )


FUNCTION_MAILBOXES = {
    "informatieveiligheid@genk.be",
    "informatieveiligheid@oost-vlaanderen.be",
    "ondersteuning.connect@integratie-inburgering.be",
    "privacy@mechelen.be",
    "vlaamsesocialebescherming@vlaanderen.be",
}


def test_holds_function_mailboxes_only_and_no_telephone_number() -> None:
    texts = [(PROTOCOLS / f"{name}.yaml").read_text(encoding="utf-8") for name in FIVE]

    mailboxes = {found for text in texts for found in re.findall(r"[\w.-]+@[\w.-]+\w", text)}
    telephones = [
        found for text in texts for found in re.findall(r"(?:\+32|\b0\d{2,3})[ /]\d", text)
    ]

    assert mailboxes == FUNCTION_MAILBOXES
    assert telephones == []


# The demo


def test_the_demo_municipality_is_open_to_its_listed_profile() -> None:
    parsed = agreement.parse(
        (PROTOCOLS / "demo/voorbeeldstad-functieprofielen.yaml").read_text(encoding="utf-8")
    )
    assert isinstance(parsed, agreement.ProfileList)

    [found] = clauses.opened_by(
        read("demo/voorbeeldstad"),
        delegates=(),
        profiles={parsed.organisation: frozenset(parsed.profiles)},
        legal_ground_ends={},
        suspended_since=None,
        ended_on=None,
        today=NOW,
    )

    expected = GENK_FIELDS | fields.leaves("contact") | fields.leaves("talenkennis")
    assert found.valid == Period(date(2026, 1, 1), None)
    assert found.population == Population(PopulationKind.RESIDENT, nis="99001")
    for operation in (DOSSIER, DOSSIERS):
        listed = Question(operation, LOCAL, function_profile="trajectondersteuner")
        assert answer(found, listed, NOW) == expected
        assert answer(found, Question(operation, LOCAL), NOW) is Reason.FUNCTION_PROFILE


def test_the_demo_care_funds_are_two() -> None:
    assert [one.organisation for one in care_funds()] == ["zorgkas-voorbeeld", "zorgkas-tweede"]


def test_every_list_belongs_to_a_protocol_of_the_project() -> None:
    parsed = [
        agreement.parse(path.read_text(encoding="utf-8")) for path in PROTOCOLS.rglob("*.yaml")
    ]

    documents = {found.id for found in parsed if isinstance(found, Document)}
    lists = {found.protocol for found in parsed if not isinstance(found, Document)}

    assert documents == {*FIVE, "voorbeeldstad-2026"}
    assert lists <= documents
