"""Protocol of 2 March 2023 with the local government of Wetteren, in the order of its articles."""

from dataclasses import replace
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path

import pytest
from service import PARTICIPANTS as PARTICIPANTS_SCOPE
from service import Service, add_person, insz_of, make_service
from texts import (
    AGENCY,
    GENK,
    LOCAL,
    MECHELEN,
    PILOT,
    WETTEREN,
    ask,
    clause,
    persons,
    reaches,
    read,
    refusal,
    with_profiles,
)

from app.clauses import Standing, keep_until, notice_end
from app.errors import Reason
from app.fields import CATALOGUE
from app.policy import Operation

FIRST, LAST = date(2023, 3, 1), date(2023, 12, 31)
BEFORE, DURING, AFTER = date(2023, 2, 28), date(2023, 6, 1), date(2024, 1, 1)
PARTICIPANTS = Operation.QUERY_DEELNEMERS
EIGHT = frozenset(
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
NO_PROTOCOL, NO_OPERATION = (Reason.NO_PROTOCOL, None), (Reason.OPERATION, None)
PILOT_OF = {"project": "proeftuin-wetteren", "gemeente": "42025"}


# Article 1: what is disclosed goes to the municipality, and to nobody else


@pytest.mark.parametrize(
    ("organisation", "answer"),
    [
        (GENK, NO_PROTOCOL),
        (AGENCY, NO_PROTOCOL),
        ("nis:42006", NO_PROTOCOL),
        # Its own protocol for the same purpose, about its own participants, is over.
        (MECHELEN, (Reason.EXPIRED, date(2022, 6, 30))),
    ],
)
def test_nobody_but_wetteren_gets_participants(organisation: str, answer: object) -> None:
    assert ask(organisation, PILOT, PARTICIPANTS, DURING) == answer


# Article 2: additional guidance, on a ground of public interest; nowhere consent


def test_wetteren_has_no_other_purpose() -> None:
    assert ask(WETTEREN, LOCAL, Operation.QUERY_DOSSIER, DURING) == NO_PROTOCOL
    assert [purpose.code for purpose in read("wetteren-2023").purposes] == [PILOT]


def test_the_data_are_kept_five_years_at_most() -> None:
    [purpose] = read("wetteren-2023").purposes

    assert keep_until(read("wetteren-2023"), PILOT, DURING) == date(2028, 6, 1)
    assert purpose.retention.maximum


# Recital C and article 3: about whom


TAKES_PART: dict[str, tuple[dict[str, object], bool]] = {
    "from today": ({"deelnames": [{**PILOT_OF, "van": "2023-06-01"}]}, True),
    "until today": ({"deelnames": [{**PILOT_OF, "van": "2023-03-01", "tot": "2023-06-01"}]}, True),
    "from tomorrow": ({"deelnames": [{**PILOT_OF, "van": "2023-06-02"}]}, False),
    "until yesterday": (
        {"deelnames": [{**PILOT_OF, "van": "2023-03-01", "tot": "2023-05-31"}]},
        False,
    ),
    "elsewhere": (
        {"deelnames": [{**PILOT_OF, "gemeente": "12025", "van": "2023-03-01"}]},
        False,
    ),
    "in another project": (
        {"deelnames": [{**PILOT_OF, "project": "proeftuin-mechelen", "van": "2023-03-01"}]},
        False,
    ),
    # Consent is the ground of Mechelen, and to live there is no reason.
    "with consent only": (
        {"toestemmingen": [{**PILOT_OF, "gegeven": "2023-03-01T09:00:00+01:00"}]},
        False,
    ),
    "lives there only": ({"woonplaatsen": [{"nis": "42025", "van": "2020-01-01"}]}, False),
}


def test_wetteren_reaches_who_takes_part_in_its_project_that_day(tmp_path: Path) -> None:
    numbers = {name: insz_of(f"8507300{at:02}") for at, name in enumerate(TAKES_PART, 1)}
    lines = [{"insz": numbers[name].digits, **line} for name, (line, _) in TAKES_PART.items()]

    with persons(tmp_path, lines) as opened:
        found = {
            name: reaches(opened, clause(WETTEREN, PILOT, DURING), number, DURING)
            for name, number in numbers.items()
        }

    assert found == {name: expected for name, (_, expected) in TAKES_PART.items()}


# Article 3: which data


def test_wetteren_gets_eight_data_of_a_participant_and_nothing_else() -> None:
    assert ask(WETTEREN, PILOT, PARTICIPANTS, DURING) == EIGHT


def test_every_other_datum_is_refused_the_number_and_the_birth_date_among_them() -> None:
    others = sorted(set(CATALOGUE) - EIGHT)

    answers = {
        field: ask(WETTEREN, PILOT, PARTICIPANTS, DURING, fields=(field,)) for field in others
    }

    assert set(answers.values()) == {(Reason.FIELD, None)}
    assert {"personalia.insz", "personalia.geboortedatum", "contract.ondertekend"} <= set(answers)


@pytest.mark.parametrize(
    "operation", [operation for operation in Operation if operation is not PARTICIPANTS]
)
def test_nobody_is_looked_up_by_number_and_no_list_or_advice_is_given(
    operation: Operation,
) -> None:
    assert ask(WETTEREN, PILOT, operation, DURING) == NO_OPERATION


# Article 4: only who needs it for the work; the municipality keeps a list of function profiles


@pytest.mark.parametrize("profile", ["loket", "Trajectondersteuner", "", None])
def test_a_profile_that_is_not_on_the_list_gets_nothing(profile: str | None) -> None:
    answer = ask(WETTEREN, PILOT, PARTICIPANTS, DURING, profile=profile)

    assert answer == (Reason.FUNCTION_PROFILE, None)


def test_without_a_list_of_profiles_production_refuses_whoever_asks() -> None:
    answer = ask(WETTEREN, PILOT, PARTICIPANTS, DURING, wetteren_2023=Standing())

    assert answer == (Reason.FUNCTION_PROFILE, None)


# Article 5: on a permanent basis, for the whole duration of the pilots


def test_no_quota_counts_how_often_wetteren_asks() -> None:
    assert clause(WETTEREN, PILOT, DURING).quotas == ()
    assert ask(WETTEREN, PILOT, PARTICIPANTS, DURING, used=1000) == EIGHT


# Articles 6 and 7: incidents within 48 hours, attempts not named; no term for wrong data


def test_an_incident_is_reported_within_48_hours_and_an_error_without_a_term() -> None:
    document = read("wetteren-2023")

    assert (document.incident.hours, document.incident.attempts) == (48, False)
    assert (document.data_error.weeks, document.data_error.since) == (None, None)


# Article 8: the agency ends the protocol at once when the data are misused


def test_an_end_as_sanction_holds_at_once() -> None:
    yesterday = DURING - timedelta(days=1)
    ended = replace(with_profiles(WETTEREN), ended_on=yesterday)

    answer = ask(WETTEREN, PILOT, PARTICIPANTS, DURING, wetteren_2023=ended)

    assert answer == (Reason.EXPIRED, yesterday)


# Article 12: from 1 March to 31 December 2023, notice of 3 months


@pytest.mark.parametrize(
    ("day", "answer"),
    [
        (BEFORE, (Reason.NOT_YET_VALID, FIRST)),
        (FIRST, EIGHT),
        (LAST, EIGHT),
        (AFTER, (Reason.EXPIRED, LAST)),
        (date(2026, 6, 1), (Reason.EXPIRED, LAST)),
    ],
)
def test_wetteren_has_access_from_1_march_to_31_december_2023(day: date, answer: object) -> None:
    assert ask(WETTEREN, PILOT, PARTICIPANTS, day) == answer


@pytest.mark.parametrize(
    ("given", "last"),
    [(date(2023, 3, 31), date(2023, 6, 30)), (date(2023, 9, 30), date(2023, 12, 30))],
)
def test_a_notice_ends_the_protocol_after_three_months(given: date, last: date) -> None:
    assert notice_end(read("wetteren-2023"), given) == last


def test_a_notice_never_puts_the_end_off() -> None:
    assert notice_end(read("wetteren-2023"), date(2023, 11, 1)) == LAST


def test_without_its_legal_ground_the_protocol_opens_nothing() -> None:
    standing = Standing(legal_ground_ends={PILOT: date(2023, 5, 31)})

    answer = ask(WETTEREN, PILOT, PARTICIPANTS, DURING, wetteren_2023=standing)

    assert answer == (Reason.LEGAL_GROUND_ENDED, date(2023, 5, 31))


async def test_a_request_of_today_is_refused_and_told_since_when(shared: Service) -> None:
    somebody = insz_of("850730001")

    answers = [
        await shared.dossier(WETTEREN, somebody, doeleinde=PILOT),
        await shared.advice(WETTEREN, somebody, doeleinde=PILOT),
    ]

    for answer in answers:
        assert refusal(answer) == ("protocolNietGeldig", "expired", "2023-12-31")


async def test_while_it_holds_its_persons_leave_over_http_without_their_number(
    own_folder: Path,
) -> None:
    noon = datetime.combine(DURING, time(12), UTC)
    service = make_service(f"sqlite:///{own_folder}/wetteren.db", own_folder, persons=0, now=noon)
    somebody = insz_of("850730001")
    contact = {"voornaam": "Test", "achternaam": "Persoon", "email": "test@example.org"}
    line = {
        "insz": somebody.digits,
        "contact": contact,
        "deelnames": [{**PILOT_OF, "van": "2023-03-01"}],
    }
    add_person(service, line, {"talenkennis": {"talen": [{"code": "101", "contactTaal": True}]}})
    question = {"doeleinde": PILOT, "referte": "lijst-1"}

    async def told() -> list[dict[str, object]]:
        answer = await service.ask(
            WETTEREN, "/deelnemers/query", question, scopes=(PARTICIPANTS_SCOPE,)
        )
        assert answer.status_code == 200, answer.text
        assert somebody.digits not in answer.text
        return [item["dossier"] for item in answer.json()["items"]]

    first = await told()
    stopped = {
        "insz": somebody.digits,
        "deelnames": [{**PILOT_OF, "van": "2023-03-01", "tot": "2023-05-31"}],
    }
    add_person(service, stopped, None)
    after = await told()
    dossier = await service.dossier(WETTEREN, somebody, doeleinde=PILOT)
    advice = await service.advice(WETTEREN, somebody, on=str(DURING), doeleinde=PILOT)

    assert first == [{"contact": contact, "talenkennis": {"contacttaal": ["101"]}}]
    assert after == []
    assert refusal(dossier) == refusal(advice) == ("buitenProtocol",)
    [mine] = (await service.ask(WETTEREN, "/mijnToegang")).json()["items"]
    assert (mine["operaties"], set(mine["velden"])) == (["queryDeelnemers"], {*EIGHT})
    await service.close()
