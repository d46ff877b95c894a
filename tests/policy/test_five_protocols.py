"""What holds for all five protocols, and for the documents of the demo.

Who asks what, on which date, and gets what: `tests/acceptance`, a file for each text.
"""

import re
from collections.abc import Iterator
from datetime import date

import pytest
from texts import (
    AGENCY,
    ATLAS,
    AVSB,
    CARE_BUDGET,
    FIVE,
    FUND,
    GENK,
    GENT,
    LOCAL,
    MECHELEN,
    MONITORING,
    OTHER_FUND,
    PILOT,
    PREMIUM,
    PROTOCOLS,
    VDAB,
    WETTEREN,
    read,
    register,
    with_care_funds,
)

from app import clauses, documents, fields
from app.agreement import Document, Grant
from app.clauses import Standing
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
from app.register_lists import ProfileList, SuccessionList

NOW = date(2026, 6, 1)
DOSSIERS = {"queryDossier", "queryDossierBatch"}
ADVICE = {"queryAdvies", "queryAdviesBatch"}
NUMBER = {"personalia.insz"}
THREE = NUMBER | {"contract.ondertekend", "attest.inburgeringBehaald"}
EIGHT = fields.leaves("contact") | {
    "talenkennis.contacttaal",
    "talenkennis.niveauNederlands",
    "maatschappelijkeOrientatie.status",
}


# Who may ask what for which purpose: all of it, so that nothing can be added unseen

OPENED = {
    (AVSB, CARE_BUDGET): ("avsb-2021", ADVICE, set()),
    (FUND, CARE_BUDGET): ("avsb-2021", ADVICE, set()),
    (OTHER_FUND, CARE_BUDGET): ("avsb-2021", ADVICE, set()),
    (AVSB, PREMIUM): ("avsb-2021", {"createLijst"}, NUMBER),
    (FUND, PREMIUM): ("avsb-2021", {"createLijst"}, NUMBER),
    (OTHER_FUND, PREMIUM): ("avsb-2021", {"createLijst"}, NUMBER),
    (GENK, LOCAL): ("genk-2021", DOSSIERS | {"createLijst"}, THREE),
    (MECHELEN, PILOT): ("mechelen-2021", {"queryDeelnemers"}, EIGHT),
    (WETTEREN, PILOT): ("wetteren-2023", {"queryDeelnemers"}, EIGHT),
    (VDAB, MONITORING): ("vdab-2023", {"exchangeVdab"}, NUMBER),
}


def test_the_five_open_this_and_nothing_else() -> None:
    opened = {
        (one.organisation, one.purpose): (one.protocol, set(one.operations), set(one.fields))
        for one in register().on(NOW)
    }

    assert opened == OPENED


def test_no_protocol_of_the_five_claims_what_another_one_has() -> None:
    assert list(register().conflicts()) == []


def grants() -> Iterator[Grant]:
    """Every field that any of the five grants."""
    for name in FIVE:
        for purpose in read(name).purposes:
            for access in purpose.accesses:
                yield from access.grants


def test_every_field_has_its_reason_for_its_purpose() -> None:
    assert all(grant.reason for grant in grants())


def test_no_datum_of_articles_9_and_10_of_the_regulation_is_granted() -> None:
    granted = {leaf for grant in grants() for leaf in fields.leaves(grant.field)}

    assert fields.SPECIAL
    assert granted.isdisjoint(fields.SPECIAL)


def test_every_protocol_ends_when_the_ground_of_its_purpose_does() -> None:
    # Art. 12 of all five. What is over already does not come back with a later date.
    over = date(2021, 1, 1)
    standings = {
        name.replace("-", "_"): Standing(
            delegates=with_care_funds().delegates,
            legal_ground_ends={purpose.code: over for purpose in read(name).purposes},
        )
        for name in FIVE
    }

    grounds = {one.legal_ground.last for one in register(**standings).on(NOW)}

    assert grounds == {over}


# What the texts say and do not say


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
        for name in FIVE
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
        for alias, held in documents.as_data(document)["inhoud"].items()
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


def listed() -> ProfileList:
    """The function profiles of the invented city."""
    path = PROTOCOLS / "demo/voorbeeldstad-functieprofielen.yaml"
    parsed = documents.parse(path.read_text(encoding="utf-8"))
    assert isinstance(parsed, ProfileList)
    return parsed


def demo_clause() -> Clause:
    """What the protocol of the invented city opens, with its list."""
    standing = Standing(profiles={listed().organisation: frozenset(listed().profiles)})
    [found] = clauses.opened_by(read("demo/voorbeeldstad"), "", standing, NOW)
    return found


def test_the_demo_municipality_reaches_its_own_residents() -> None:
    found = demo_clause()

    assert found.valid == Period(date(2026, 1, 1), None)
    assert found.population == Population(PopulationKind.RESIDENT, nis="99001")


@pytest.mark.parametrize("operation", [Operation.QUERY_DOSSIER, Operation.QUERY_DOSSIER_BATCH])
def test_the_demo_municipality_is_open_to_its_listed_profile(operation: Operation) -> None:
    def answer(profile: str | None) -> object:
        question = Question(operation, LOCAL, function_profile=profile)
        return decide(demo_clause(), question, NOW, production=True)

    granted = answer("trajectondersteuner")

    assert isinstance(granted, Granted)
    assert granted.fields == THREE | fields.leaves("contact") | fields.leaves("talenkennis")
    assert not isinstance(answer(None), Granted)


def test_the_demo_care_funds_are_two() -> None:
    assert [one.organisation for one in with_care_funds().delegates] == [FUND, OTHER_FUND]


def test_every_list_belongs_to_a_protocol_of_the_project() -> None:
    parsed = [
        documents.parse(path.read_text(encoding="utf-8")) for path in PROTOCOLS.rglob("*.yaml")
    ]

    known = {found.id for found in parsed if isinstance(found, Document)}
    lists = {found.protocol for found in parsed if not isinstance(found, Document | SuccessionList)}

    assert known == {*FIVE, "voorbeeldstad-2026", "voorbeelddorp-2026"}
    assert lists <= known
