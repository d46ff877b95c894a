"""Protocol of 21 June 2021 with the city of Mechelen, in the order of its articles."""

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

FIRST, LAST = date(2021, 7, 1), date(2022, 6, 30)
BEFORE, DURING, AFTER = date(2021, 6, 30), date(2022, 1, 10), date(2022, 7, 1)
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
PILOT_OF = {"project": "proeftuin-mechelen", "gemeente": "12025"}


# Article 1: what is disclosed goes to the city, and to nobody else


@pytest.mark.parametrize(
    ("organisation", "answer"),
    [
        (GENK, NO_PROTOCOL),
        (AGENCY, NO_PROTOCOL),
        ("nis:12021", NO_PROTOCOL),
        # Its own protocol for the same purpose, about its own participants, is still to come.
        (WETTEREN, (Reason.NOT_YET_VALID, date(2023, 3, 1))),
    ],
)
def test_nobody_but_mechelen_gets_persons_of_the_pilot(organisation: str, answer: object) -> None:
    assert ask(organisation, PILOT, PARTICIPANTS, DURING) == answer


# Article 2: to reach and to match persons, who have consented


def test_mechelen_has_no_other_purpose() -> None:
    assert ask(MECHELEN, LOCAL, Operation.QUERY_DOSSIER, DURING) == NO_PROTOCOL
    assert [purpose.code for purpose in read("mechelen-2021").purposes] == [PILOT]


GIVEN = "2021-07-02T09:00:00+02:00"
CONSENTS: dict[str, tuple[dict[str, object], bool]] = {
    "gave it": ({"toestemmingen": [{**PILOT_OF, "gegeven": GIVEN}]}, True),
    # The moment of asking is noon in Greenwich.
    "gives it a minute before": (
        {"toestemmingen": [{**PILOT_OF, "gegeven": "2022-01-10T11:59:00Z"}]},
        True,
    ),
    "gives it a minute after": (
        {"toestemmingen": [{**PILOT_OF, "gegeven": "2022-01-10T12:01:00Z"}]},
        False,
    ),
    "withdrew it a minute before": (
        {"toestemmingen": [{**PILOT_OF, "gegeven": GIVEN, "ingetrokken": "2022-01-10T11:59:00Z"}]},
        False,
    ),
    "withdraws it a minute after": (
        {"toestemmingen": [{**PILOT_OF, "gegeven": GIVEN, "ingetrokken": "2022-01-10T12:01:00Z"}]},
        True,
    ),
    "for another city": (
        {"toestemmingen": [{**PILOT_OF, "gemeente": "42025", "gegeven": GIVEN}]},
        False,
    ),
    "for another project": (
        {"toestemmingen": [{**PILOT_OF, "project": "proeftuin-wetteren", "gegeven": GIVEN}]},
        False,
    ),
    # Taking part is the ground of Wetteren: here nobody need take part, and it is not enough.
    "takes part only": ({"deelnames": [{**PILOT_OF, "van": "2021-07-01"}]}, False),
    "lives there only": ({"woonplaatsen": [{"nis": "12025", "van": "2020-01-01"}]}, False),
}


def test_mechelen_reaches_whose_consent_is_in_force_that_moment(tmp_path: Path) -> None:
    numbers = {name: insz_of(f"8507300{at:02}") for at, name in enumerate(CONSENTS, 1)}
    lines = [{"insz": numbers[name].digits, **line} for name, (line, _) in CONSENTS.items()]

    with persons(tmp_path, lines) as opened:
        found = {
            name: reaches(opened, clause(MECHELEN, PILOT, DURING), number, DURING)
            for name, number in numbers.items()
        }

    assert found == {name: expected for name, (_, expected) in CONSENTS.items()}


def test_the_data_are_kept_five_years_at_most() -> None:
    [purpose] = read("mechelen-2021").purposes

    assert keep_until(read("mechelen-2021"), PILOT, DURING) == date(2027, 1, 10)
    assert purpose.retention.maximum


# Article 3: which data


def test_mechelen_gets_eight_data_of_a_person_and_nothing_else() -> None:
    assert ask(MECHELEN, PILOT, PARTICIPANTS, DURING) == EIGHT


def test_every_other_datum_is_refused_the_number_and_the_birth_date_among_them() -> None:
    others = sorted(set(CATALOGUE) - EIGHT)

    answers = {
        field: ask(MECHELEN, PILOT, PARTICIPANTS, DURING, fields=(field,)) for field in others
    }

    assert set(answers.values()) == {(Reason.FIELD, None)}
    assert {"personalia.insz", "personalia.geboortedatum", "contract.ondertekend"} <= set(answers)


@pytest.mark.parametrize(
    "operation", [operation for operation in Operation if operation is not PARTICIPANTS]
)
def test_nobody_is_looked_up_by_number_and_no_list_or_advice_is_given(
    operation: Operation,
) -> None:
    assert ask(MECHELEN, PILOT, operation, DURING) == NO_OPERATION


# Article 4: only who needs it for the work; the city keeps a list of function profiles


@pytest.mark.parametrize("profile", ["loket", "Trajectondersteuner", "", None])
def test_a_profile_that_is_not_on_the_list_gets_nothing(profile: str | None) -> None:
    answer = ask(MECHELEN, PILOT, PARTICIPANTS, DURING, profile=profile)

    assert answer == (Reason.FUNCTION_PROFILE, None)


def test_without_a_list_of_profiles_production_refuses_whoever_asks() -> None:
    answer = ask(MECHELEN, PILOT, PARTICIPANTS, DURING, mechelen_2021=Standing())

    assert answer == (Reason.FUNCTION_PROFILE, None)


# Article 5: on a permanent basis, for the whole duration of the pilots


def test_no_quota_counts_how_often_mechelen_asks() -> None:
    assert clause(MECHELEN, PILOT, DURING).quotas == ()
    assert ask(MECHELEN, PILOT, PARTICIPANTS, DURING, used=1000) == EIGHT


# Articles 6 and 7: incidents within 48 hours, attempts not named; no term for wrong data


def test_an_incident_is_reported_within_48_hours_and_an_error_without_a_term() -> None:
    document = read("mechelen-2021")

    assert (document.incident.hours, document.incident.attempts) == (48, False)
    assert (document.data_error.weeks, document.data_error.since) == (None, None)


# Article 8: the agency ends the protocol at once when the data are misused


def test_an_end_as_sanction_holds_at_once() -> None:
    yesterday = DURING - timedelta(days=1)
    ended = replace(with_profiles(MECHELEN), ended_on=yesterday)

    answer = ask(MECHELEN, PILOT, PARTICIPANTS, DURING, mechelen_2021=ended)

    assert answer == (Reason.EXPIRED, yesterday)


# Article 12: from 1 July 2021 to 30 June 2022, notice of 3 months


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
def test_mechelen_has_access_from_1_july_2021_to_30_june_2022(day: date, answer: object) -> None:
    assert ask(MECHELEN, PILOT, PARTICIPANTS, day) == answer


@pytest.mark.parametrize(
    ("given", "last"),
    [(date(2021, 11, 30), date(2022, 2, 28)), (date(2022, 3, 30), date(2022, 6, 30))],
)
def test_a_notice_ends_the_protocol_after_three_months(given: date, last: date) -> None:
    assert notice_end(read("mechelen-2021"), given) == last


def test_a_notice_never_puts_the_end_off() -> None:
    assert notice_end(read("mechelen-2021"), date(2022, 5, 1)) == LAST


def test_without_its_legal_ground_the_protocol_opens_nothing() -> None:
    over = Standing(legal_ground_ends={PILOT: date(2022, 1, 9)})

    answer = ask(MECHELEN, PILOT, PARTICIPANTS, DURING, mechelen_2021=over)

    assert answer == (Reason.LEGAL_GROUND_ENDED, date(2022, 1, 9))


async def test_a_request_of_today_is_refused_and_told_since_when(shared: Service) -> None:
    somebody = insz_of("850730001")

    answers = [
        await shared.dossier(MECHELEN, somebody, doeleinde=PILOT),
        await shared.advice(MECHELEN, somebody, doeleinde=PILOT),
    ]

    for answer in answers:
        assert refusal(answer) == ("protocolNietGeldig", "expired", "2022-06-30")


async def test_while_it_holds_its_persons_leave_over_http_without_their_number(
    own_folder: Path,
) -> None:
    noon = datetime.combine(DURING, time(12), UTC)
    service = make_service(f"sqlite:///{own_folder}/mechelen.db", own_folder, persons=0, now=noon)
    somebody = insz_of("850730001")
    contact = {"voornaam": "Test", "achternaam": "Persoon", "email": "test@example.org"}
    line = {
        "insz": somebody.digits,
        "contact": contact,
        "toestemmingen": [{**PILOT_OF, "gegeven": GIVEN}],
    }
    add_person(service, line, {"talenkennis": {"talen": [{"code": "101", "contactTaal": True}]}})
    question = {"doeleinde": PILOT, "referte": "lijst-1"}

    async def told() -> list[dict[str, object]]:
        answer = await service.ask(
            MECHELEN, "/deelnemers/query", question, scopes=(PARTICIPANTS_SCOPE,)
        )
        assert answer.status_code == 200, answer.text
        assert somebody.digits not in answer.text
        return [item["dossier"] for item in answer.json()["items"]]

    first = await told()
    stopped = {
        "insz": somebody.digits,
        "toestemmingen": [{**PILOT_OF, "gegeven": GIVEN, "ingetrokken": "2022-01-10T11:59:00Z"}],
    }
    add_person(service, stopped, None)
    after = await told()
    dossier = await service.dossier(MECHELEN, somebody, doeleinde=PILOT)
    advice = await service.advice(MECHELEN, somebody, on=str(DURING), doeleinde=PILOT)

    assert first == [{"contact": contact, "talenkennis": {"contacttaal": ["101"]}}]
    assert after == []
    assert refusal(dossier) == refusal(advice) == ("buitenProtocol",)
    [mine] = (await service.ask(MECHELEN, "/mijnToegang")).json()["items"]
    assert (mine["operaties"], set(mine["velden"])) == (["queryDeelnemers"], {*EIGHT})
    await service.close()
