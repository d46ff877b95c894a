"""Protocol of 2 June 2021 with the city of Genk, over HTTP, in the order of its articles."""

from collections.abc import AsyncIterator, Mapping
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path
from typing import Any

import pytest
from delivered import ask_list, file_of, key_of, open_with_age, work
from service import CITY, FUND, Service, add_person, insz_of, make_production, make_service
from texts import GENK, LOCAL, MECHELEN, PILOT, PROFILE, SETTLED, ask, clause, read, refusal

from app import administration, documents
from app.clauses import Standing, keep_until
from app.errors import Reason
from app.notation import DocumentInvalid
from app.policy import Operation
from app.protocols import Source

NOW = datetime(2026, 6, 1, 9, 30, tzinfo=UTC)
TODAY, YESTERDAY = date(2026, 6, 1), date(2026, 5, 31)
ID = "genk-2021"
THREE = frozenset({"personalia.insz", "contract.ondertekend", "attest.inburgeringBehaald"})
SOMEBODY, OTHER = insz_of("850730001"), insz_of("850730002")

# A dossier that says more than the protocol grants.
PERSON = {
    "insz": SOMEBODY.digits,
    "naam": {"voornamen": ["Proefje"], "achternamen": ["Verzonneveld"]},
    "geboortedatum": "1985-07-30",
}
CONTRACT = {"datumRegistratie": "2021-05-03", "type": "IC07G"}
CERTIFICATE = {"soort": "ATTEST", "type": "AI023", "datumOndertekening": "2021-05-31"}
DOSSIER = {"personalia": PERSON, "contracten": [CONTRACT], "behaaldeAttesten": [CERTIFICATE]}
AT_HOME = {"nis": "71016", "van": "2020-01-01", "tot": None}


def settle_down(service: Service, dossier: Mapping[str, Any] = DOSSIER, **home: Any) -> None:
    """Somebody who lives in Genk, but for what `home` says, and has this dossier."""
    line = {
        "insz": SOMEBODY.digits,
        "woonplaatsen": [{**AT_HOME, **home}],
        "contact": {"voornaam": "Proefje", "achternaam": "Verzonneveld"},
    }
    add_person(service, line, dossier)


@pytest.fixture
async def genk(own_folder: Path) -> AsyncIterator[Service]:
    """The service with one person, who lives in Genk."""
    made = make_service(f"sqlite:///{own_folder}/genk.db", own_folder, persons=0)
    settle_down(made)
    yield made
    await made.close()


@pytest.fixture(scope="module")
async def as_it_is(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """The same, for the tests that change nothing."""
    folder = tmp_path_factory.mktemp("genk")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        made = make_service(f"sqlite:///{folder}/genk.db", folder, persons=0)
    settle_down(made)
    yield made
    await made.close()


@pytest.fixture
async def production(own_folder: Path) -> AsyncIterator[Service]:
    """The same in production mode."""
    made = make_production(own_folder, persons=0)
    settle_down(made)
    yield made
    await made.close()


def list_profiles(service: Service, *profiles: str) -> str:
    """Genk sends in its list of function profiles (art. 4); the hash of the list."""
    data = {
        "lijst": "functieprofielen",
        "protocol": ID,
        "organisatie": GENK,
        "gewijzigdOp": "2026-06-01",
        "profielen": list(profiles),
    }
    source = Source(Path("functieprofielen.yaml"), documents.from_data(data))
    [change] = administration.load(service.office, [source], service.clock.now)
    return dict(change.lists)["functieprofielen"]


# Recital C, articles 1 and 3: the dossiers of its own residents, three data


async def test_genk_gets_three_data_of_a_resident_and_nothing_else(as_it_is: Service) -> None:
    response = await as_it_is.dossier(GENK, SOMEBODY)

    answer = response.json()
    assert response.status_code == 200, response.text
    assert answer["dossier"] == {
        "personalia": {"insz": SOMEBODY.digits},
        "contract": {"ondertekend": True},
        "attest": {"inburgeringBehaald": True},
    }
    assert set(answer) == {
        "id",
        "referte",
        "opgevraagdOp",
        "gegevensVan",
        "bewarenTot",
        "protocol",
        "doeleinde",
        "dossier",
        "meldingen",
    }
    assert (answer["protocol"]["id"], answer["doeleinde"]) == (ID, LOCAL)


@pytest.mark.parametrize(
    ("dossier", "signed", "obtained"),
    [
        ({"personalia": PERSON}, False, False),
        ({"contracten": [CONTRACT]}, True, False),
        ({"contracten": [{**CONTRACT, "datumRegistratie": "2026-06-01"}]}, True, False),
        ({"contracten": [{**CONTRACT, "datumRegistratie": "2026-06-02"}]}, False, False),
        ({"behaaldeAttesten": [CERTIFICATE]}, False, True),
        ({"behaaldeAttesten": [{**CERTIFICATE, "datumOndertekening": "2026-06-02"}]}, False, False),
    ],
)
async def test_contract_and_certificate_are_yes_or_no(
    genk: Service, dossier: dict[str, Any], signed: bool, obtained: bool
) -> None:
    settle_down(genk, dossier)

    response = await genk.dossier(GENK, SOMEBODY, velden=["contract", "attest"])

    assert response.json()["dossier"] == {
        "contract": {"ondertekend": signed},
        "attest": {"inburgeringBehaald": obtained},
    }


@pytest.mark.parametrize(
    "field",
    [
        # The decree allows the name, the table of art. 3 does not have it.
        "personalia.naam",
        "personalia.naam.voornamen[]",
        "personalia.naam.achternamen[]",
        "contact.voornaam",
        "contact.achternaam",
        # Yes or no, and no date.
        "contracten[].datumRegistratie",
        "behaaldeAttesten[].datumOndertekening",
        "personalia.geboortedatum",
        "contact.adres",
        "personalia",
        # Of articles 9 and 10 of the regulation there is nothing in the table.
        "uitstellenVanAanmelding[].reden",
        "inbreuken[]",
    ],
)
async def test_a_datum_outside_the_table_is_refused_and_no_other_one_given(
    as_it_is: Service, field: str
) -> None:
    response = await as_it_is.dossier(GENK, SOMEBODY, velden=["personalia.insz", field])

    assert refusal(response) == ("veldNietToegestaan",)
    assert response.json()["velden"] == [field]
    assert "dossier" not in response.json()


@pytest.mark.parametrize(
    ("home", "status"),
    [
        ({}, 200),
        ({"van": "2026-06-01"}, 200),
        ({"van": "2026-06-02"}, 403),
        ({"tot": "2026-06-01"}, 200),
        ({"tot": "2026-05-31"}, 403),
        ({"nis": "71022"}, 403),
    ],
)
async def test_genk_reaches_who_is_registered_in_genk_that_day(
    genk: Service, home: dict[str, Any], status: int
) -> None:
    settle_down(genk, **home)

    response = await genk.dossier(GENK, SOMEBODY)

    assert response.status_code == status
    if status == 403:
        assert refusal(response) == ("geenInschrijving",)


async def test_who_does_not_exist_looks_like_who_lives_elsewhere(genk: Service) -> None:
    settle_down(genk, nis="71022")

    answers = [await genk.dossier(GENK, insz) for insz in (SOMEBODY, OTHER)]

    elsewhere, unknown = (answer.json() for answer in answers)
    assert elsewhere.pop("instance") != unknown.pop("instance")
    assert elsewhere == unknown


# Article 2: for the local integration policy only, and for Genk only


@pytest.mark.parametrize(
    "purpose", [PILOT, "zorgbudgetZwaarZorgbehoevenden", "monitoringDerdePijler", "handhaving"]
)
async def test_genk_has_no_other_purpose(as_it_is: Service, purpose: str) -> None:
    response = await as_it_is.dossier(GENK, SOMEBODY, doeleinde=purpose)

    assert refusal(response) == ("geenProtocol",)


@pytest.mark.parametrize(
    ("organisation", "told"),
    [
        (MECHELEN, "geenProtocol"),
        ("nis:71022", "geenProtocol"),
        (FUND, "geenProtocol"),
        # The invented city has a protocol for this purpose, about its own residents.
        (CITY, "geenInschrijving"),
    ],
)
async def test_no_other_municipality_reaches_a_resident_of_genk(
    as_it_is: Service, organisation: str, told: str
) -> None:
    assert refusal(await as_it_is.dossier(organisation, SOMEBODY)) == (told,)


async def test_genk_gets_no_advice(as_it_is: Service) -> None:
    assert refusal(await as_it_is.advice(GENK, SOMEBODY, doeleinde=LOCAL)) == ("buitenProtocol",)


def test_a_grant_beyond_the_decree_is_no_document() -> None:
    data = documents.as_data(read(ID))
    [access] = data["doeleinden"][0]["toegang"]
    access["velden"].append({"veld": "contact.adres", "verantwoording": "Bezoeken."})

    with pytest.raises(DocumentInvalid, match=r"velden\[3\].*begrenzing"):
        documents.from_data(data)


# Article 3: kept for five years


async def test_the_answer_says_until_when_it_may_be_kept(as_it_is: Service) -> None:
    response = await as_it_is.dossier(GENK, SOMEBODY)

    assert response.json()["bewarenTot"] == "2031-06-01"
    assert keep_until(read(ID), LOCAL, TODAY) == date(2031, 6, 1)


# Article 4: only who needs it for the work; the city keeps a list of function profiles


async def test_without_a_list_of_profiles_production_refuses(production: Service) -> None:
    response = await production.dossier(GENK, SOMEBODY)

    assert refusal(response) == ("functieprofiel",)


@pytest.mark.parametrize(
    ("profile", "status"), [(PROFILE, 200), ("loket", 403), ("Trajectondersteuner", 403), ("", 403)]
)
async def test_with_a_list_the_profiles_on_it_are_served(
    production: Service, profile: str, status: int
) -> None:
    hash_ = list_profiles(production, PROFILE, "integratieambtenaar")

    response = await production.ask(
        GENK,
        "/dossiers/query",
        {"insz": SOMEBODY.digits, "doeleinde": LOCAL, "referte": "ref-1"},
        headers={"X-Functieprofiel": profile},
    )

    assert response.status_code == status
    [record] = production.records()
    assert record.get("functionProfile", "") == profile
    assert record["listHashes"]["functieprofielen"] == hash_


async def test_a_profile_that_leaves_the_list_is_refused_at_once(production: Service) -> None:
    list_profiles(production, PROFILE)
    before = await production.dossier(GENK, SOMEBODY)
    list_profiles(production, "integratieambtenaar")

    after = await production.dossier(GENK, SOMEBODY)

    assert before.status_code == 200
    assert refusal(after) == ("functieprofiel",)


async def test_the_demo_does_not_ask_for_a_list_that_the_text_does_not_have(genk: Service) -> None:
    response = await genk.dossier(GENK, SOMEBODY)

    assert response.status_code == 200
    [record] = genk.records()
    assert record["functionProfile"] == PROFILE


# Recital C and article 5: dossiers permanently, the list once a year, without an end


async def test_dossiers_are_asked_as_often_as_needed(as_it_is: Service) -> None:
    answers = [await as_it_is.dossier(GENK, SOMEBODY) for _ in range(5)]

    assert {answer.status_code for answer in answers} == {200}
    assert clause(GENK, LOCAL, TODAY).quota_of(Operation.QUERY_DOSSIER) is None


@pytest.mark.parametrize(
    ("day", "next_"),
    [
        (date(2026, 1, 1), date(2027, 1, 1)),
        (date(2026, 12, 31), date(2027, 1, 1)),
        (date(2027, 1, 1), date(2028, 1, 1)),
    ],
)
def test_the_list_holds_the_three_data_and_comes_once_a_calendar_year(
    day: date, next_: date
) -> None:
    assert ask(GENK, LOCAL, Operation.CREATE_LIJST, day) == THREE
    assert ask(GENK, LOCAL, Operation.CREATE_LIJST, day, used=1) == (Reason.QUOTA, next_)


@pytest.mark.parametrize("field", ["contact.achternaam", "contracten[].datumRegistratie"])
def test_the_list_holds_no_name_and_no_date(field: str) -> None:
    answer = ask(GENK, LOCAL, Operation.CREATE_LIJST, TODAY, fields=(field,))

    assert answer == (Reason.FIELD, None)


@pytest.mark.parametrize("operation", [Operation.QUERY_DEELNEMERS, Operation.EXCHANGE_VDAB])
def test_genk_has_no_participants_and_no_exchange(operation: Operation) -> None:
    assert ask(GENK, LOCAL, operation, TODAY) == (Reason.OPERATION, None)


async def test_the_list_is_a_secured_file_whose_key_goes_over_another_channel(
    genk: Service, tmp_path: Path
) -> None:
    asked = (await ask_list(genk, GENK, LOCAL, 2026)).json()
    work(genk)

    file = await file_of(genk, GENK, asked["lijstId"])
    same = await key_of(genk, GENK, asked["lijstId"], client=GENK)
    assert (file.status_code, refusal(same)) == (200, ("kanaal",))
    assert SOMEBODY.digits.encode() not in file.content
    key = (await key_of(genk, GENK, asked["lijstId"])).json()["identiteit"]
    opened = open_with_age(file.content, key, tmp_path)

    assert opened.rows == [
        {
            "attest.inburgeringBehaald": "ja",
            "contract.ondertekend": "ja",
            "personalia.insz": SOMEBODY.digits,
        }
    ]
    # When mailed, it says itself that another recipient deletes it.
    assert "onmiddellijk verwijderd" in opened.manifest["disclaimer"]
    assert opened.manifest["bewarenTot"] == "2031-06-01"


async def test_the_list_holds_who_is_registered_on_the_day_it_is_made(
    genk: Service, tmp_path: Path
) -> None:
    for base, home in (
        ("850730005", {"van": "2026-06-01"}),
        ("850730006", {"van": "2026-06-02"}),
        ("850730007", {"van": "2020-01-01", "tot": "2026-06-01"}),
        ("850730008", {"van": "2020-01-01", "tot": "2026-05-31"}),
        ("850730009", {"van": "2020-01-01", "nis": "12025"}),
    ):
        insz = insz_of(base)
        line = {"insz": insz.digits, "woonplaatsen": [{**AT_HOME, **home}]}
        add_person(genk, line, {**DOSSIER, "personalia": {"insz": insz.digits}})
    asked = (await ask_list(genk, GENK, LOCAL, 2026)).json()
    work(genk)
    key = (await key_of(genk, GENK, asked["lijstId"])).json()["identiteit"]
    content = (await file_of(genk, GENK, asked["lijstId"])).content

    rows = open_with_age(content, key, tmp_path).rows
    assert [row["personalia.insz"] for row in rows] == [
        SOMEBODY.digits,
        insz_of("850730005").digits,
        insz_of("850730007").digits,
    ]


def test_files_end_two_years_after_a_web_service_exists() -> None:
    since = date(2026, 6, 1)
    served = replace(SETTLED[ID], files_since={"lijstdienstSinds": since})

    def told(day: date, standing: Standing) -> object:
        return ask(GENK, LOCAL, Operation.CREATE_LIJST, day, genk_2021=standing)

    assert told(date(2099, 1, 1), SETTLED[ID]) == THREE  # there is none yet
    assert told(date(2028, 5, 31), served) == THREE
    assert told(date(2028, 6, 1), served) == (Reason.EXPIRED, date(2028, 5, 31))


# Articles 6 and 7: each person by name, incidents within 24 hours, wrong data within 2 weeks


async def test_who_asks_for_genk_is_named_in_every_request(as_it_is: Service) -> None:
    question = {"insz": SOMEBODY.digits, "doeleinde": LOCAL, "referte": "ref-1"}

    response = await as_it_is.ask(
        GENK, "/dossiers/query", question, headers={"X-Magda-Enduser-ID": ""}
    )

    assert response.status_code == 400
    assert [issue["name"] for issue in response.json()["issues"]] == ["X-Magda-Enduser-ID"]


def test_an_incident_or_attempt_has_24_hours_and_an_error_two_weeks_from_the_finding() -> None:
    document = read(ID)

    assert (document.incident.hours, document.incident.attempts) == (24, True)
    assert (document.data_error.weeks, document.data_error.since) == (2, "vaststelling")
    assert not document.data_error.mutual


# Article 8: the agency suspends, or ends the protocol at once, when the data are misused


async def test_a_suspension_holds_at_once_until_it_is_lifted(genk: Service) -> None:
    administration.suspend(genk.office, ID, "verwerking in strijd met art. 3", NOW)
    suspended = await genk.dossier(GENK, SOMEBODY)
    administration.resume(genk.office, ID, NOW)

    resumed = await genk.dossier(GENK, SOMEBODY)

    assert refusal(suspended) == ("protocolNietGeldig", "suspended", "2026-06-01")
    assert resumed.status_code == 200


async def test_an_end_as_sanction_holds_at_once(genk: Service) -> None:
    administration.end(genk.office, ID, NOW, last=YESTERDAY, reason="art. 8")

    response = await genk.dossier(GENK, SOMEBODY)

    assert refusal(response) == ("protocolNietGeldig", "expired", "2026-05-31")


# Article 12: from 2 June 2021, notice of 12 months, and while there is a legal ground


async def test_genk_has_access_from_the_midnight_of_2_june_2021_on(own_folder: Path) -> None:
    last_second = datetime(2021, 6, 1, 21, 59, 59, tzinfo=UTC)
    service = make_service(
        f"sqlite:///{own_folder}/genk.db", own_folder, persons=0, now=last_second
    )
    settle_down(service)

    before = await service.dossier(GENK, SOMEBODY)
    service.clock.forward(seconds=1)
    after = await service.dossier(GENK, SOMEBODY)

    assert refusal(before) == ("protocolNietGeldig", "notYetValid", "2021-06-02")
    assert (after.status_code, after.json()["bewarenTot"]) == (200, "2026-06-02")
    await service.close()


@pytest.mark.parametrize("day", [date(2021, 6, 2), date(2031, 6, 2), date(2099, 12, 31)])
def test_the_protocol_has_no_end_of_its_own(day: date) -> None:
    assert ask(GENK, LOCAL, Operation.QUERY_DOSSIER, day) == THREE


async def test_a_notice_ends_the_protocol_after_twelve_months(genk: Service) -> None:
    administration.end(genk.office, ID, NOW, notice=date(2025, 6, 1), reason="opzegging")

    last_day = await genk.dossier(GENK, SOMEBODY)
    genk.clock.forward(days=1)
    after = await genk.dossier(GENK, SOMEBODY)

    assert last_day.status_code == 200
    assert refusal(after) == ("protocolNietGeldig", "expired", "2026-06-01")


async def test_without_its_legal_ground_the_protocol_opens_nothing(genk: Service) -> None:
    administration.settle_legal_ground(genk.office, ID, LOCAL, YESTERDAY, NOW)

    response = await genk.dossier(GENK, SOMEBODY)

    assert refusal(response) == ("protocolNietGeldig", "legalGroundEnded", "2026-05-31")
