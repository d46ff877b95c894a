"""Protocol of 1 October 2021 with AVSB and the care funds, over HTTP, in the order of its articles.

Lists are made as the service does in the background, and opened with the real `age`.
"""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from delivered import ask_list, file_of, key_of, open_with_age, work
from service import (
    GENK,
    Service,
    add_person,
    insz_of,
    make_production,
    make_service,
)
from texts import (
    AGENCY,
    AVSB,
    CARE_BUDGET,
    FUND,
    OTHER_FUND,
    PREMIUM,
    SETTLED,
    ask,
    clause,
    read,
    refusal,
)

from app import administration, documents
from app.clauses import keep_until, notice_end
from app.errors import Reason
from app.fields import CATALOGUE
from app.obligation import REASONS
from app.policy import Operation, Population, PopulationKind
from app.protocols import Source

NOW = datetime(2026, 6, 1, 9, 30, tzinfo=UTC)
TODAY, YESTERDAY = date(2026, 6, 1), date(2026, 5, 31)
ID = "avsb-2021"
LIST = Operation.CREATE_LIJST
NUMBER = frozenset({"personalia.insz"})
SOMEBODY, OTHER = insz_of("850730001"), insz_of("850730002")

OBLIGED = {"code": "JA", "type": "PLICHT", "periode": {"begin": "2020-01-01"}}
# Obliged, with a contract, and with a certificate since 15 March 2024.
DOSSIER: dict[str, Any] = {
    "personalia": {"insz": SOMEBODY.digits, "geboortedatum": "1985-07-30"},
    "doelgroep": OBLIGED,
    "aanmelding": {"type": "EA", "datumAanmelding": "2020-02-03"},
    "contracten": [{"datumRegistratie": "2020-03-02", "type": "IC07G"}],
    "behaaldeAttesten": [{"soort": "ATTEST", "type": "AI023", "datumOndertekening": "2024-03-15"}],
}
MEMBER = {"organisatie": FUND, "van": "2021-01-01", "tot": None}
KEYS = {
    "id",
    "referte",
    "advice",
    "type",
    "correlationId",
    "toetsdatum",
    "geraadpleegdOp",
    "gegevensVan",
    "doeleinde",
    "regelset",
}


def enrol(service: Service, dossier: Mapping[str, Any] = DOSSIER, **member: Any) -> None:
    """A member of the care fund, but for what `member` says, who has this dossier."""
    line = {"insz": SOMEBODY.digits, "lidmaatschappen": [{**MEMBER, **member}]}
    add_person(service, line, dossier)


@pytest.fixture
async def avsb(own_folder: Path) -> AsyncIterator[Service]:
    """The service with one member of the care fund."""
    made = make_service(f"sqlite:///{own_folder}/avsb.db", own_folder, persons=0)
    enrol(made)
    yield made
    await made.close()


@pytest.fixture(scope="module")
async def as_it_is(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """The same, for the tests that change nothing."""
    folder = tmp_path_factory.mktemp("avsb")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        made = make_service(f"sqlite:///{folder}/avsb.db", folder, persons=0)
    enrol(made)
    yield made
    await made.close()


# Recital D and article 12: in force on 1 October 2021, with a legal ground from 1 January 2022


@pytest.mark.parametrize(
    ("last_second", "told", "then"),
    [
        (datetime(2021, 9, 30, 21, 59, 59, tzinfo=UTC), "2021-10-01", "2022-01-01"),
        (datetime(2021, 12, 31, 22, 59, 59, tzinfo=UTC), "2022-01-01", None),
    ],
)
async def test_avsb_has_advice_from_1_january_2022_though_the_protocol_began_before(
    own_folder: Path, last_second: datetime, told: str, then: str | None
) -> None:
    service = make_service(
        f"sqlite:///{own_folder}/avsb.db", own_folder, persons=0, now=last_second
    )
    enrol(service)

    before = await service.advice(AVSB, SOMEBODY, on="2022-01-01")
    service.clock.forward(seconds=1)
    after = await service.advice(AVSB, SOMEBODY, on="2022-01-01")

    assert refusal(before) == ("protocolNietGeldig", "notYetValid", told)
    if then is None:
        assert after.json()["advice"] == "NOK"
    else:
        assert refusal(after) == ("protocolNietGeldig", "notYetValid", then)
    await service.close()


@pytest.mark.parametrize(
    "purpose",
    [
        "zorgbudgetOuderenMetZorgnood",
        "zorgbudgetPersonenMetHandicap",
        "woonzorgcentra",
        "mobiliteitshulpmiddelen",
    ],
)
@pytest.mark.parametrize("organisation", [AVSB, FUND])
async def test_the_other_pillars_of_social_protection_have_no_purpose(
    as_it_is: Service, organisation: str, purpose: str
) -> None:
    response = await as_it_is.advice(organisation, SOMEBODY, doeleinde=purpose)

    assert refusal(response) == ("geenProtocol",)


# Recital E, articles 1 and 3: the advice, in and out


@pytest.mark.parametrize("organisation", [AVSB, FUND])
async def test_ok_is_all_that_one_learns_of_who_meets_the_obligation(
    as_it_is: Service, organisation: str
) -> None:
    response = await as_it_is.advice(organisation, SOMEBODY, on="2024-03-15")

    answer = response.json()
    assert (answer["advice"], set(answer)) == ("OK", KEYS)
    assert set(answer["regelset"]) == {"id", "versie", "profiel"}


@pytest.mark.parametrize("organisation", [AVSB, FUND])
async def test_a_reason_comes_with_nok_and_then_only(as_it_is: Service, organisation: str) -> None:
    response = await as_it_is.advice(organisation, SOMEBODY, on="2024-03-14")

    answer = response.json()
    assert (answer["advice"], set(answer)) == ("NOK", KEYS | {"redenen"})
    assert answer["redenen"] == [{"code": "R03", "omschrijving": REASONS["R03"]}]


@pytest.mark.parametrize(("type_", "advice"), [("RECHT", "OK"), ("GEEN", "OK"), ("PLICHT", "NOK")])
async def test_who_is_not_under_the_obligation_is_ok(
    avsb: Service, type_: str, advice: str
) -> None:
    group = {**OBLIGED, "type": type_, "code": "NEE" if type_ == "GEEN" else "JA"}
    enrol(avsb, {**DOSSIER, "doelgroep": group, "behaaldeAttesten": []})

    response = await avsb.advice(AVSB, SOMEBODY)

    assert response.json()["advice"] == advice


async def test_without_certainty_there_is_no_answer_instead_of_nok(avsb: Service) -> None:
    group = {"code": "NADER_TE_BEPALEN", "type": "NADER_TE_BEPALEN", "periode": {}}
    enrol(avsb, {**DOSSIER, "doelgroep": group, "behaaldeAttesten": []})

    response = await avsb.advice(AVSB, SOMEBODY)

    assert response.status_code == 409
    assert not {"advice", "redenen"} & set(response.json())


@pytest.mark.parametrize(
    ("day", "status"),
    [("2021-12-31", 400), ("2022-01-01", 200), ("2026-06-01", 200), ("2026-06-02", 400)],
)
@pytest.mark.parametrize("organisation", [AVSB, FUND])
async def test_the_condition_is_tested_on_a_day_from_2022_to_today(
    as_it_is: Service, organisation: str, day: str, status: int
) -> None:
    response = await as_it_is.advice(organisation, SOMEBODY, on=day)

    assert response.status_code == status
    if status == 400:
        assert [issue["name"] for issue in response.json()["issues"]] == ["toetsdatum"]


@pytest.mark.parametrize("missing", ["insz", "toetsdatum"])
async def test_number_and_day_are_both_needed(as_it_is: Service, missing: str) -> None:
    question = {
        "insz": SOMEBODY.digits,
        "toetsdatum": "2026-05-31",
        "doeleinde": CARE_BUDGET,
        "referte": "ref-2",
    }
    del question[missing]

    response = await as_it_is.ask(FUND, "/adviezen/query", question)

    assert response.status_code == 400
    assert [issue["name"] for issue in response.json()["issues"]] == [missing]


@pytest.mark.parametrize("purpose", [CARE_BUDGET, PREMIUM])
@pytest.mark.parametrize("organisation", [AVSB, FUND])
async def test_the_data_under_the_advice_never_leave(
    as_it_is: Service, organisation: str, purpose: str
) -> None:
    response = await as_it_is.dossier(organisation, SOMEBODY, doeleinde=purpose)

    assert refusal(response) == ("buitenProtocol",)


async def test_avsb_may_ask_about_whoever_claims_the_budget(as_it_is: Service) -> None:
    # That somebody claims, only AVSB knows: no fact of ours narrows it.
    answers = [await as_it_is.advice(AVSB, insz) for insz in (SOMEBODY, OTHER)]

    assert [answer.json()["advice"] for answer in answers] == ["OK", "OK"]


# Article 3: the list for the reduced premium


@pytest.mark.parametrize("organisation", [AVSB, FUND])
def test_the_list_holds_numbers_and_nothing_else(organisation: str) -> None:
    others = {
        field: ask(organisation, PREMIUM, LIST, TODAY, fields=(field,))
        for field in set(CATALOGUE) - NUMBER
    }

    assert ask(organisation, PREMIUM, LIST, TODAY) == NUMBER
    assert set(others.values()) == {(Reason.FIELD, None)}


@pytest.mark.parametrize(
    ("day", "answer"),
    [
        (date(2021, 9, 30), (Reason.NOT_YET_VALID, date(2021, 10, 1))),
        (date(2021, 12, 31), (Reason.NOT_YET_VALID, date(2022, 1, 1))),
        (date(2022, 1, 1), NUMBER),
    ],
)
def test_the_first_list_is_that_of_2022_for_the_premium_of_2023(day: date, answer: object) -> None:
    assert ask(AVSB, PREMIUM, LIST, day) == answer


def test_the_budget_has_no_list_and_the_premium_has_no_advice() -> None:
    refused = (Reason.OPERATION, None)

    for organisation in (AVSB, FUND):
        assert ask(organisation, CARE_BUDGET, LIST, TODAY) == refused
        assert ask(organisation, PREMIUM, Operation.QUERY_ADVIES, TODAY) == refused
        assert ask(organisation, PREMIUM, Operation.QUERY_ADVIES_BATCH, TODAY) == refused


NOT_MET = {**DOSSIER, "behaaldeAttesten": []}
UNDECIDED = {**NOT_MET, "doelgroep": {"code": "ONBEKEND"}}


def three_more(service: Service) -> None:
    """Somebody of each fund who does not meet the obligation, and somebody without an advice."""
    for base, fund, dossier in (
        ("850730002", FUND, NOT_MET),
        ("850730003", OTHER_FUND, NOT_MET),
        ("850730004", FUND, UNDECIDED),
    ):
        line = {
            "insz": insz_of(base).digits,
            "lidmaatschappen": [{**MEMBER, "organisatie": fund}],
        }
        person = {**DOSSIER["personalia"], "insz": insz_of(base).digits}
        add_person(service, line, {**dossier, "personalia": person})


async def numbers_on(
    service: Service, organisation: str, year: int, folder: Path
) -> tuple[list[str], dict[str, Any]]:
    """The lines of a premium list, and its manifest."""
    asked = await ask_list(service, organisation, PREMIUM, year)
    assert asked.status_code == 202, asked.text
    work(service)
    list_id = asked.json()["lijstId"]
    secret = (await key_of(service, organisation, list_id)).json()["identiteit"]
    file = await file_of(service, organisation, list_id)
    opened = open_with_age(file.content, secret, folder)
    return opened.lines.decode().splitlines(), opened.manifest


@pytest.mark.parametrize(
    ("organisation", "bases"),
    [
        (AVSB, ["850730002", "850730003"]),
        # A care fund has its own members (art. 4).
        (FUND, ["850730002"]),
        (OTHER_FUND, ["850730003"]),
    ],
)
async def test_the_list_holds_the_numbers_of_who_does_not_meet_the_obligation(
    avsb: Service, tmp_path: Path, organisation: str, bases: list[str]
) -> None:
    three_more(avsb)
    lines, manifest = await numbers_on(avsb, organisation, 2027, tmp_path)

    # No reason, no name, and nobody of whom there is no advice.
    assert lines == ["personalia.insz", *(insz_of(base).digits for base in bases)]
    assert (manifest["jaar"], manifest["toetsdatum"]) == (2027, "2026-01-01")
    assert manifest.get("namens") == (None if organisation == AVSB else AVSB)
    delivery = next(one for one in avsb.records() if "quotaId" in one)
    left_out = 0 if organisation == OTHER_FUND else 1
    assert delivery["counts"] == {"persons": len(bases), "withoutAdvice": left_out}
    assert delivery["asOf"] == "2026-01-01"


async def test_each_number_on_a_list_has_its_record_with_the_reason_for_the_auditor(
    avsb: Service, tmp_path: Path
) -> None:
    three_more(avsb)
    await numbers_on(avsb, FUND, 2027, tmp_path)

    [person] = [one for one in avsb.records() if one["type"] == "delivery" and "subject" in one]
    assert person["deliveredFields"] == ["personalia.insz"]
    assert person["ruleSet"]["profiel"] == "striktMetUitstel"
    told = await avsb.ask("auditdienst", f"/toegangen/{person['eventId']}")
    assert told.json()["explanation"]["code"].startswith("N")


async def test_a_premium_is_tested_on_1_january_of_the_year_before(
    avsb: Service, tmp_path: Path
) -> None:
    # The certificate is of 15 March 2024: for the premium of 2025 she does not meet it yet.
    lines, manifest = await numbers_on(avsb, FUND, 2025, tmp_path)

    assert lines == ["personalia.insz", SOMEBODY.digits]
    assert manifest["toetsdatum"] == "2024-01-01"


@pytest.mark.parametrize("year", [2022, 2028])
async def test_no_list_is_of_before_the_premium_of_2023_or_of_a_day_to_come(
    avsb: Service, year: int
) -> None:
    answer = await ask_list(avsb, AVSB, PREMIUM, year)

    assert answer.status_code == 400
    assert [issue["name"] for issue in answer.json()["issues"]] == ["jaar"]


async def test_no_premium_year_is_given_twice(avsb: Service, tmp_path: Path) -> None:
    await numbers_on(avsb, FUND, 2027, tmp_path)
    this_year = await ask_list(avsb, FUND, PREMIUM, 2026)
    assert (this_year.status_code, this_year.json()["datum"]) == (429, "2027-01-01")

    avsb.clock.now = datetime(2027, 1, 4, 12, tzinfo=UTC)
    avsb.office.keys.create(avsb.clock.now, 2)
    again = await ask_list(avsb, FUND, PREMIUM, 2027)
    assert (again.status_code, again.json().get("datum")) == (429, None)
    # Another fund has its own, and so does another year.
    assert (await ask_list(avsb, OTHER_FUND, PREMIUM, 2027)).status_code == 202
    assert (await ask_list(avsb, FUND, PREMIUM, 2028)).status_code == 202


@pytest.mark.parametrize("organisation", [AVSB, FUND])
async def test_the_premium_opens_its_list_and_no_advice(
    as_it_is: Service, organisation: str
) -> None:
    advice = await as_it_is.advice(organisation, SOMEBODY, doeleinde=PREMIUM)
    mine = await as_it_is.ask(organisation, "/mijnToegang")

    assert refusal(advice) == ("buitenProtocol",)
    told = {item["doeleinde"]: (item["operaties"], item["velden"]) for item in mine.json()["items"]}
    assert told == {
        CARE_BUDGET: (["queryAdvies", "queryAdviesBatch"], []),
        PREMIUM: (["createLijst"], ["personalia.insz"]),
    }


def test_the_data_are_kept_until_an_event_that_only_avsb_knows() -> None:
    budget, premium = (purpose.retention for purpose in read(ID).purposes)

    assert (budget.years, budget.since) == (5, "eindeZorgbudget")
    assert (premium.years, premium.since) == (None, "overlijden")
    assert {keep_until(read(ID), purpose, TODAY) for purpose in (CARE_BUDGET, PREMIUM)} == {None}


# Article 4: AVSB and the care funds, which have the data of their own members


@pytest.mark.parametrize(
    ("member", "status"),
    [
        ({}, 200),
        ({"van": "2026-06-01"}, 200),
        ({"van": "2026-06-02"}, 403),
        ({"tot": "2026-06-01"}, 200),
        ({"tot": "2026-05-31"}, 403),
        ({"organisatie": OTHER_FUND}, 403),
    ],
)
async def test_a_care_fund_reaches_who_is_its_member_on_the_day_of_asking(
    avsb: Service, member: dict[str, Any], status: int
) -> None:
    enrol(avsb, **member)

    # The day of the test is another one, and does not count for this.
    response = await avsb.advice(FUND, SOMEBODY, on="2024-01-01")

    assert response.status_code == status
    if status == 403:
        assert refusal(response) == ("geenInschrijving",)


async def test_who_does_not_exist_looks_like_a_member_of_another_fund(avsb: Service) -> None:
    enrol(avsb, organisatie=OTHER_FUND)

    answers = [await avsb.advice(FUND, insz) for insz in (SOMEBODY, OTHER)]

    foreign, unknown = (answer.json() for answer in answers)
    assert foreign.pop("instance") != unknown.pop("instance")
    assert foreign == unknown


@pytest.mark.parametrize("organisation", [AGENCY, GENK, "nis:12025", "0887010362", "zorgkas-x"])
async def test_nobody_but_avsb_and_its_care_funds_gets_advice(
    as_it_is: Service, organisation: str
) -> None:
    assert refusal(await as_it_is.advice(organisation, SOMEBODY)) == ("geenProtocol",)


async def test_a_body_that_leaves_the_list_of_care_funds_is_refused_at_once(avsb: Service) -> None:
    data = {
        "lijst": "gemachtigden",
        "protocol": ID,
        "gewijzigdOp": "2026-06-01",
        "gemachtigden": [{"organisatie": FUND, "van": "2022-01-01", "tot": "2026-05-31"}],
    }
    served = await avsb.advice(FUND, SOMEBODY)
    source = Source(Path("gemachtigden.yaml"), documents.from_data(data))
    administration.load(avsb.office, [source], NOW)

    assert served.status_code == 200
    assert refusal(await avsb.advice(FUND, SOMEBODY)) == ("geenProtocol",)


async def test_a_care_fund_asks_on_behalf_of_avsb_and_the_record_says_so(avsb: Service) -> None:
    await avsb.advice(FUND, SOMEBODY)
    await avsb.advice(AVSB, SOMEBODY)

    fund, itself = avsb.records()
    assert (fund["organisation"], fund["onBehalfOf"]) == (FUND, AVSB)
    assert itself["organisation"] == AVSB
    assert "onBehalfOf" not in itself


@pytest.mark.parametrize(
    ("organisation", "population"),
    [
        (AVSB, Population(PopulationKind.ANY)),
        (FUND, Population(PopulationKind.MEMBER, organisation=FUND)),
        (OTHER_FUND, Population(PopulationKind.MEMBER, organisation=OTHER_FUND)),
    ],
)
@pytest.mark.parametrize("purpose", [CARE_BUDGET, PREMIUM])
def test_the_list_too_is_of_its_own_members(
    organisation: str, purpose: str, population: Population
) -> None:
    assert clause(organisation, purpose, TODAY).population == population


@pytest.mark.parametrize("organisation", [AVSB, FUND])
def test_no_list_of_function_profiles_is_demanded(organisation: str) -> None:
    advice = ask(organisation, CARE_BUDGET, Operation.QUERY_ADVIES, TODAY, profile=None)
    numbers = ask(organisation, PREMIUM, LIST, TODAY, profile=None)

    assert (advice, numbers) == (frozenset(), NUMBER)


# Article 5: advice permanently, the list once a calendar year


async def test_advice_is_asked_as_often_as_needed(as_it_is: Service) -> None:
    answers = [await as_it_is.advice(FUND, SOMEBODY) for _ in range(5)]

    assert {answer.status_code for answer in answers} == {200}
    assert clause(FUND, CARE_BUDGET, TODAY).quotas == ()


@pytest.mark.parametrize("organisation", [AVSB, FUND])
@pytest.mark.parametrize(
    ("day", "next_"),
    [
        (date(2026, 1, 1), date(2027, 1, 1)),
        (date(2026, 12, 31), date(2027, 1, 1)),
    ],
)
def test_a_second_list_waits_for_the_next_calendar_year(
    organisation: str, day: date, next_: date
) -> None:
    assert ask(organisation, PREMIUM, LIST, day) == NUMBER
    assert ask(organisation, PREMIUM, LIST, day, used=1) == (Reason.QUOTA, next_)


# Articles 6 and 7: incidents and attempts within 24 hours, wrong data within 2 weeks


def test_an_incident_or_attempt_has_24_hours_and_an_error_two_weeks_from_the_finding() -> None:
    document = read(ID)

    assert (document.incident.hours, document.incident.attempts) == (24, True)
    assert (document.data_error.weeks, document.data_error.since) == (2, "vaststelling")
    assert not document.data_error.mutual


# Article 8: the agency suspends, or ends the protocol at once, when the data are misused


@pytest.mark.parametrize("organisation", [AVSB, FUND])
async def test_a_suspension_holds_at_once_until_it_is_lifted(
    avsb: Service, organisation: str
) -> None:
    administration.suspend(avsb.office, ID, "verwerking in strijd met art. 4", NOW)
    suspended = await avsb.advice(organisation, SOMEBODY)
    administration.resume(avsb.office, ID, NOW)

    resumed = await avsb.advice(organisation, SOMEBODY)

    assert refusal(suspended) == ("protocolNietGeldig", "suspended", "2026-06-01")
    assert resumed.status_code == 200


@pytest.mark.parametrize("organisation", [AVSB, FUND])
async def test_an_end_as_sanction_holds_at_once(avsb: Service, organisation: str) -> None:
    administration.end(avsb.office, ID, NOW, last=YESTERDAY, reason="art. 8")

    response = await avsb.advice(organisation, SOMEBODY)

    assert refusal(response) == ("protocolNietGeldig", "expired", "2026-05-31")


# Article 12: without an end of its own, notice of 12 months, and while there is a legal ground


@pytest.mark.parametrize("day", [date(2022, 1, 1), date(2031, 10, 1), date(2099, 12, 31)])
def test_the_protocol_has_no_end_of_its_own(day: date) -> None:
    assert ask(AVSB, CARE_BUDGET, Operation.QUERY_ADVIES, day) == frozenset()


@pytest.mark.parametrize("organisation", [AVSB, FUND])
@pytest.mark.parametrize(
    ("since", "last"),
    [
        # The text does not say from when: both readings.
        (date(2021, 10, 1), date(2026, 9, 30)),
        (date(2022, 1, 1), date(2026, 12, 31)),
    ],
)
def test_lists_are_files_for_five_years_at_most(organisation: str, since: date, last: date) -> None:
    settled = replace(SETTLED[ID], files_since={"bestandenVan": since})

    assert ask(organisation, PREMIUM, LIST, last, avsb_2021=settled) == NUMBER
    after = ask(organisation, PREMIUM, LIST, last + timedelta(days=1), avsb_2021=settled)
    assert after == (Reason.EXPIRED, last)


@pytest.mark.parametrize("organisation", [AVSB, FUND])
def test_production_waits_for_the_start_of_files_that_the_text_does_not_give(
    organisation: str,
) -> None:
    unsettled = replace(SETTLED[ID], files_since={})

    refused = ask(organisation, PREMIUM, LIST, TODAY, avsb_2021=unsettled)
    assert refused == (Reason.EXPIRED, None)
    demo = ask(organisation, PREMIUM, LIST, TODAY, avsb_2021=unsettled, production=False)
    assert demo == NUMBER
    # The advice does not wait for it.
    advice = ask(organisation, CARE_BUDGET, Operation.QUERY_ADVIES, TODAY, avsb_2021=unsettled)
    assert advice == frozenset()


async def test_a_notice_ends_the_protocol_after_twelve_months(avsb: Service) -> None:
    administration.end(avsb.office, ID, NOW, notice=date(2025, 6, 1), reason="opzegging")

    last_day = await avsb.advice(FUND, SOMEBODY)
    avsb.clock.forward(days=1)
    after = await avsb.advice(FUND, SOMEBODY)

    assert last_day.status_code == 200
    assert refusal(after) == ("protocolNietGeldig", "expired", "2026-06-01")
    assert notice_end(read(ID), date(2024, 2, 29)) == date(2025, 2, 28)


async def test_production_waits_for_the_end_of_the_legal_ground_and_stops_there(
    own_folder: Path,
) -> None:
    # A clock of 2023: the judgment that public sources speak of is of 20 July.
    service = make_production(own_folder, persons=0, now=datetime(2023, 7, 20, 10, tzinfo=UTC))
    enrol(service)

    unsettled = await service.advice(AVSB, SOMEBODY, on="2023-07-20")
    administration.settle_legal_ground(
        service.office, ID, PREMIUM, date(2023, 7, 20), service.clock.now
    )
    other_settled = await service.advice(AVSB, SOMEBODY, on="2023-07-20")
    administration.settle_legal_ground(
        service.office, ID, CARE_BUDGET, date(2023, 7, 20), service.clock.now
    )
    last_day = await service.advice(AVSB, SOMEBODY, on="2023-07-20")
    service.clock.forward(days=1)
    after = [await service.advice(who, SOMEBODY, on="2023-07-20") for who in (AVSB, FUND)]

    assert refusal(unsettled) == ("protocolNietGeldig", "legalGroundEnded")
    assert refusal(other_settled) == ("protocolNietGeldig", "legalGroundEnded")
    assert last_day.json()["advice"] == "NOK"
    for answer in after:
        assert refusal(answer) == ("protocolNietGeldig", "legalGroundEnded", "2023-07-20")
    await service.close()


async def test_production_goes_on_where_the_operator_says_that_the_ground_has_no_end(
    own_folder: Path,
) -> None:
    service = make_production(own_folder, persons=0)
    enrol(service)
    administration.settle_legal_ground(service.office, ID, CARE_BUDGET, None, NOW)

    response = await service.advice(FUND, SOMEBODY)

    assert response.json()["advice"] == "OK"
    await service.close()


async def test_the_demo_does_not_wait_for_an_operator(as_it_is: Service) -> None:
    assert (await as_it_is.advice(FUND, SOMEBODY)).status_code == 200


OPERATION = {CARE_BUDGET: Operation.QUERY_ADVIES, PREMIUM: LIST}
LAST = date(2023, 7, 20)


@pytest.mark.parametrize("organisation", [AVSB, FUND])
@pytest.mark.parametrize(("purpose", "other"), [(CARE_BUDGET, PREMIUM), (PREMIUM, CARE_BUDGET)])
def test_each_purpose_has_a_legal_ground_of_its_own(
    organisation: str, purpose: str, other: str
) -> None:
    unsettled = replace(SETTLED[ID], legal_ground_ends={other: None})
    settled = replace(SETTLED[ID], legal_ground_ends={purpose: LAST, other: None})

    def told(day: date, standing: Any, asked: str = purpose, **more: Any) -> object:
        return ask(organisation, asked, OPERATION[asked], day, avsb_2021=standing, **more)

    assert told(LAST, unsettled) == (Reason.LEGAL_GROUND_ENDED, None)
    assert isinstance(told(LAST, unsettled, production=False), frozenset)
    assert isinstance(told(LAST, settled), frozenset)
    assert told(date(2023, 7, 21), settled) == (Reason.LEGAL_GROUND_ENDED, LAST)
    assert isinstance(told(date(2023, 7, 21), settled, other), frozenset)
