"""Protocol of 14 February 2023 with VDAB and the three agencies, in the order of its articles."""

from dataclasses import replace
from datetime import date, timedelta

import pytest
from service import DOSSIER, Service, insz_of
from texts import (
    AGENCY,
    ATLAS,
    GENT,
    LOCAL,
    MONITORING,
    PREMIUM,
    SETTLED,
    VDAB,
    ask,
    clause,
    read,
    refusal,
    with_profiles,
)

from app.agreement import Access, Exchange
from app.clauses import Standing, keep_until, kept_at_most, notice_end
from app.errors import Reason
from app.fields import CATALOGUE
from app.policy import Operation, Population, PopulationKind

FIRST, COOPERATION = date(2023, 3, 3), date(2022, 3, 1)
DURING = date(2026, 6, 1)
EXCHANGE = Operation.EXCHANGE_VDAB
NUMBER = frozenset({"personalia.insz"})
NO_PROTOCOL, NO_OPERATION = (Reason.NO_PROTOCOL, None), (Reason.OPERATION, None)


def access() -> Access:
    """The only access that the protocol opens."""
    [purpose] = read("vdab-2023").purposes
    [only] = purpose.accesses
    return only


def exchange() -> Exchange:
    """How the files go back and forth, and what the result holds."""
    found = access().exchange
    assert found is not None
    return found


# Recital F, steps 1 to 6


def test_the_file_to_vdab_holds_numbers_and_nothing_else() -> None:
    assert ask(VDAB, MONITORING, EXCHANGE, DURING) == NUMBER


def test_every_other_datum_is_refused_to_vdab() -> None:
    answers = {
        field: ask(VDAB, MONITORING, EXCHANGE, DURING, fields=(field,))
        for field in set(CATALOGUE) - NUMBER
    }

    assert set(answers.values()) == {(Reason.FIELD, None)}


def test_the_number_goes_out_and_back_and_is_removed_before_the_result_is_used() -> None:
    agency, agencies = "Agentschap Integratie en Inburgering", "de Agentschappen en VDAB"

    steps = [(step.sender, step.receiver) for step in exchange().steps]

    assert steps == [
        (agency, "VDAB"),  # an encrypted file with national numbers only
        ("VDAB", "VDAB"),  # joined to its own data
        ("VDAB", agency),  # back in the encrypted file
        (agency, agency),  # the profile data are added
        (agency, agency),  # the numbers are removed
        (agency, agencies),  # used for the monitoring only
    ]
    assert "enkel rijksregisternummers" in exchange().steps[0].text
    assert "rijksregisternummers te verwijderen" in exchange().steps[4].text


# Articles 1 and 2: the monitoring of the third pillar, for policy support


@pytest.mark.parametrize(
    "operation", [operation for operation in Operation if operation is not EXCHANGE]
)
def test_vdab_decides_nothing_on_one_person(operation: Operation) -> None:
    assert ask(VDAB, MONITORING, operation, DURING) == NO_OPERATION
    assert ask(VDAB, LOCAL, operation, DURING) == NO_PROTOCOL


def test_the_group_is_not_narrowed_by_a_fact_about_a_person() -> None:
    assert clause(VDAB, MONITORING, DURING).population == Population(PopulationKind.ANY)


# Article 3: 17 data of the KBI without the number, and 5 of VDAB


def test_the_result_holds_the_data_of_the_table_and_no_number() -> None:
    columns = {
        source: [datum.code for datum in exchange().data if datum.source == source]
        for source in ("kbi", "vdab")
    }

    assert columns == {
        "kbi": [
            "leeftijdscategorie",
            "geslacht",
            "scholingsniveau",
            "oudsteNationaliteit",
            "datumToeleiding",
            "doelgroep",
            "datumDoelgroep",
            "datumAanmelding",
            "datumContract",
            "kbiRegio",
            "loopbaanorientatie",
            "taalleervermogen",
            "niveauNt2",
            "trajecttype",
            "diplomagelijkschakeling",
            "ocmwLeefloon",
            "verblijfsstatus",
        ],
        "vdab": [
            "inschrijving",
            "categorieWerkzoekende",
            "statusDienstverlening",
            "typeActies",
            "uitstroomNaarWerk",
        ],
    }


def test_the_data_are_kept_until_five_years_after_an_end_that_only_the_parties_know() -> None:
    [purpose] = read("vdab-2023").purposes

    assert (purpose.retention.years, purpose.retention.maximum) == (5, True)
    assert purpose.retention.since == "eindeSamenwerking"
    assert keep_until(read("vdab-2023"), MONITORING, DURING) is None


@pytest.mark.parametrize(
    ("since", "ended", "last"),
    [
        (COOPERATION, None, date(2032, 3, 1)),
        (COOPERATION, date(2026, 7, 1), date(2031, 7, 1)),
        (None, None, date(2031, 6, 1)),  # counted from the delivery until it is known
    ],
)
def test_the_result_is_kept_until_five_years_after_the_cooperation(
    since: date | None, ended: date | None, last: date
) -> None:
    assert kept_at_most(read("vdab-2023"), MONITORING, DURING, since, ended) == last
    assert kept_at_most(read("avsb-2021"), PREMIUM, DURING, since, ended) is None


# Article 4: two services of VDAB, by function profile; the Agentschap Binnenlands Bestuur has a
# protocol of its own, and the agencies use the pseudonymised result alone


@pytest.mark.parametrize("organisation", [AGENCY, ATLAS, GENT, "agentschap-binnenlands-bestuur"])
@pytest.mark.parametrize("operation", Operation)
def test_nobody_but_vdab_is_sent_numbers(organisation: str, operation: Operation) -> None:
    assert ask(organisation, MONITORING, operation, DURING) == NO_PROTOCOL


@pytest.mark.parametrize("profile", ["bemiddelaar", None])
def test_a_profile_that_is_not_on_the_list_gets_nothing(profile: str | None) -> None:
    answer = ask(VDAB, MONITORING, EXCHANGE, DURING, profile=profile)

    assert answer == (Reason.FUNCTION_PROFILE, None)


def test_without_a_list_of_profiles_production_refuses_whoever_asks() -> None:
    unlisted = Standing(cooperation_since=COOPERATION)

    answer = ask(VDAB, MONITORING, EXCHANGE, DURING, vdab_2023=unlisted)

    assert answer == (Reason.FUNCTION_PROFILE, None)


# Article 5: once every half-year, during five years from the cooperation agreement


@pytest.mark.parametrize(
    ("day", "next_"),
    [
        (date(2023, 6, 30), date(2023, 7, 1)),
        (date(2023, 7, 1), date(2024, 1, 1)),
        (date(2023, 12, 31), date(2024, 1, 1)),
    ],
)
def test_a_second_round_waits_for_the_next_half_year(day: date, next_: date) -> None:
    assert ask(VDAB, MONITORING, EXCHANGE, day) == NUMBER
    assert ask(VDAB, MONITORING, EXCHANGE, day, used=1) == (Reason.QUOTA, next_)


@pytest.mark.parametrize(
    ("agreed", "last"),
    [
        (date(2022, 3, 1), date(2027, 2, 28)),
        (date(2023, 1, 15), date(2028, 1, 14)),
        (date(2024, 2, 29), date(2029, 2, 28)),
    ],
)
def test_the_term_is_five_years_from_the_agreement_and_ends_by_law(
    agreed: date, last: date
) -> None:
    standing = replace(with_profiles(VDAB), cooperation_since=agreed)
    after = last + timedelta(days=1)

    assert ask(VDAB, MONITORING, EXCHANGE, last, vdab_2023=standing) == NUMBER
    answer = ask(VDAB, MONITORING, EXCHANGE, after, vdab_2023=standing)
    assert answer == (Reason.EXPIRED, last)


def test_production_waits_for_the_date_that_the_text_does_not_give() -> None:
    unsettled = with_profiles(VDAB)

    refused = ask(VDAB, MONITORING, EXCHANGE, DURING, vdab_2023=unsettled)
    shown = ask(VDAB, MONITORING, EXCHANGE, DURING, vdab_2023=unsettled, production=False)

    assert refused == (Reason.LEGAL_GROUND_ENDED, None)
    assert shown == NUMBER


# Articles 6, 7 and 9: no term in hours; wrong data within 2 weeks after receipt, both ways


def test_an_error_is_answered_within_two_weeks_of_the_report_and_no_incident_has_hours() -> None:
    document = read("vdab-2023")

    assert (document.incident.hours, document.incident.attempts) == (None, False)
    assert (document.data_error.weeks, document.data_error.since) == (2, "ontvangst")
    assert document.data_error.mutual


# Article 8: each party ends the protocol at once when the data are misused


def test_an_end_as_sanction_holds_at_once() -> None:
    yesterday = DURING - timedelta(days=1)
    ended = replace(SETTLED["vdab-2023"], ended_on=yesterday)

    answer = ask(VDAB, MONITORING, EXCHANGE, DURING, vdab_2023=ended)

    assert answer == (Reason.EXPIRED, yesterday)


# Article 12: from 3 March 2023, notice of one month


@pytest.mark.parametrize(
    ("day", "answer"),
    [(date(2023, 3, 2), (Reason.NOT_YET_VALID, FIRST)), (FIRST, NUMBER)],
)
def test_the_exchange_begins_on_3_march_2023(day: date, answer: object) -> None:
    assert ask(VDAB, MONITORING, EXCHANGE, day) == answer


@pytest.mark.parametrize(
    ("given", "last"),
    [(date(2024, 1, 31), date(2024, 2, 29)), (date(2026, 6, 1), date(2026, 7, 1))],
)
def test_a_notice_ends_the_protocol_after_one_month(given: date, last: date) -> None:
    assert notice_end(read("vdab-2023"), given) == last


def test_without_its_legal_ground_the_protocol_opens_nothing() -> None:
    over = replace(SETTLED["vdab-2023"], legal_ground_ends={MONITORING: date(2026, 5, 31)})

    answer = ask(VDAB, MONITORING, EXCHANGE, DURING, vdab_2023=over)

    assert answer == (Reason.LEGAL_GROUND_ENDED, date(2026, 5, 31))


# What is exchanged is exchanged by the office (test_vdab_2023_exchange.py): not over HTTP


async def test_vdab_asks_for_no_person_over_http(shared: Service) -> None:
    somebody = insz_of("850730001")

    dossier = await shared.dossier(VDAB, somebody, doeleinde=MONITORING)
    advice = await shared.advice(VDAB, somebody, doeleinde=MONITORING)
    mine = await shared.ask(VDAB, "/mijnToegang", scopes=(DOSSIER,))

    assert refusal(dossier) == refusal(advice) == ("buitenProtocol",)
    assert mine.json() == {"items": []}
