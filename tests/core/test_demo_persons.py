"""The synthetic persons: nobody real, always the same, and every row of the decision table."""

from collections import Counter
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app import fields
from app.canonical import digest
from app.demo_persons import (
    CARE_FUND,
    DEMO_DATE,
    MEMBER_NOK,
    MUNICIPALITY,
    NON_RESIDENT,
    RESIDENT_WITH_CERTIFICATE,
    DemoPerson,
    demo_persons,
)
from app.derived import derive
from app.facts import read_facts
from app.insz import Insz
from app.obligation import CURRENT, Advice, Outcome, Profile, Source, advise

ASKED_AT = datetime(2026, 6, 1, 9, 30, tzinfo=UTC)
PERSONS = list(demo_persons())


def judge(person: DemoPerson, profile: Profile) -> Advice:
    groups = [person.blocks["doelgroep"]] if person.blocks and "doelgroep" in person.blocks else []
    facts = read_facts([person.blocks] if person.blocks else [], groups)
    source = Source(
        ASKED_AT, timedelta(days=35), person.fault, dossier_at=ASKED_AT, absence_at=ASKED_AT
    )
    return advise(facts, DEMO_DATE, profile, source)


def whole(person: DemoPerson) -> dict[str, Any]:
    return {
        "insz": person.insz.digits,
        "dossier": person.blocks or {},
        "register": {name: value for name, value in person.register.items() if value is not None},
        "code": person.expected_code,
        "fault": person.fault or "",
    }


def lives_in(person: DemoPerson, nis: str) -> bool:
    return any(
        home["nis"] == nis and home["tot"] is None for home in person.register["woonplaatsen"]
    )


def is_member(person: DemoPerson, fund: str) -> bool:
    return any(
        each["organisatie"] == fund and each["tot"] is None
        for each in person.register["lidmaatschappen"]
    )


def test_is_always_the_same() -> None:
    again = [whole(person) for person in demo_persons()]

    assert digest(again) == digest([whole(person) for person in PERSONS])


def test_a_person_does_not_depend_on_how_many_are_asked() -> None:
    assert [whole(person) for person in demo_persons(50)] == [whole(each) for each in PERSONS[:50]]


def test_every_number_is_a_test_number_of_its_own() -> None:
    own = [person.insz.digits for person in PERSONS]
    replaced = [number for person in PERSONS for number in person.register["vorigeInsz"]]

    assert all(Insz(number).is_test for number in [*own, *replaced])
    assert len({*own, *replaced}) == len(own) + len(replaced)


def test_the_advice_is_the_expected_one() -> None:
    found = [judge(person, Profile.WITH_POSTPONEMENT).code for person in PERSONS]

    assert found == [person.expected_code for person in PERSONS]


def test_every_code_comes_often_in_some_profile() -> None:
    found = Counter(judge(person, profile).code for profile in Profile for person in PERSONS)

    rare = {code for rule in CURRENT.rules for code in rule.codes.values() if found[code] < 10}
    assert rare == set()


def test_every_fact_of_the_register_comes_along() -> None:
    lines = [person.register for person in PERSONS]

    for name in ("lidmaatschappen", "deelnames", "toestemmingen", "vorigeInsz", "geannuleerdOp"):
        assert 10 <= sum(bool(line[name]) for line in lines) < len(lines)
    assert sum(lives_in(person, MUNICIPALITY) for person in PERSONS) > len(PERSONS) / 2
    assert sum(lives_in(person, "71016") for person in PERSONS) > 100
    assert sum(len(line["woonplaatsen"]) > 1 for line in lines) > 100


def test_dossiers_hold_what_the_catalogue_knows_and_nothing_else() -> None:
    for person in PERSONS:
        if person.blocks is None:
            continue
        assert fields.project(person.blocks, fields.CATALOGUE).document == person.blocks
        assert person.blocks["personalia"]["insz"] == person.insz.digits
        assert person.register["insz"] == person.insz.digits


def test_every_derived_field_has_a_value_for_somebody() -> None:
    given = [
        derive(fields.CATALOGUE, person.blocks, person.register["contact"], DEMO_DATE)
        for person in PERSONS
        if person.blocks
    ]

    wanted = {*fields.DerivedField, *fields.ContactField}
    present = {
        f"{group}.{name}" for document in given for group in document for name in document[group]
    }
    assert {field.value for field in wanted} <= present


@pytest.mark.parametrize(
    ("index", "number", "resident", "member", "outcome", "reason"),
    [
        (0, RESIDENT_WITH_CERTIFICATE, True, True, Outcome.OK, None),
        (1, NON_RESIDENT, False, False, Outcome.OK, None),
        (2, MEMBER_NOK, True, True, Outcome.NOK, "R02"),
    ],
)
def test_the_named_persons_are_what_their_names_say(
    index: int, number: Insz, resident: bool, member: bool, outcome: Outcome, reason: str | None
) -> None:
    person = PERSONS[index]
    advice = judge(person, Profile.WITH_POSTPONEMENT)

    assert person.insz == number
    assert lives_in(person, MUNICIPALITY) is resident
    assert is_member(person, CARE_FUND) is member
    assert (advice.outcome, advice.wire_reason) == (outcome, reason)
    assert not person.register["geannuleerdOp"]


def test_a_person_never_shows_itself() -> None:
    assert PERSONS[0].insz.digits not in repr(PERSONS[0])
