"""`protocolpoort advise` and `log repeat`: the agency asks itself, and asks once more."""

import io
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import variants
from evidence import disarm, rows
from evidence import execute as change
from programs import Ended, Within
from service import (
    AVSB,
    BASE,
    CITY,
    FUND,
    LOG_ORIGIN,
    Service,
    Template,
    add_person,
    insz_of,
    make_service,
    person_with,
    prepare,
)

from app import access_log, administration, dossiers
from app.demo_persons import MEMBER_NOK, RESIDENT_WITH_CERTIFICATE
from app.deps import read_clock
from app.errors import Reason
from app.insz import Insz
from app.moments import brussels_date, rfc3339
from app.obligation import CURRENT, RULE_SETS

AGENCY = "0543307391"
PURPOSE, DAY = "zorgbudgetZwaarZorgbehoevenden", "2026-05-31"
UNKNOWN, SOMEBODY, OLD_NUMBER = (insz_of(f"85073000{serial}") for serial in (1, 2, 3))
CERTIFIED, NOK, UNCLEAR = (person_with(code) for code in ("O10", "N23", "T02"))
ACTOR = "case-handler-9"


@pytest.fixture(scope="module")
def prepared(tmp_path_factory: pytest.TempPathFactory) -> tuple[datetime, Template]:
    """Protocols and persons, imported a moment ago; they are only copied."""
    folder, now = tmp_path_factory.mktemp("prepared"), read_clock()
    prepare(f"sqlite:///{folder}/protocolpoort.db", folder / "month-keys", now)
    return now, Template.read(folder / "month-keys", folder / "protocolpoort.db")


@dataclass
class Agency:
    """The service, and the commands on the same database: by the clock of this machine."""

    service: Service
    within: Within
    monkeypatch: pytest.MonkeyPatch

    def command(self, *arguments: str, given: str = "", **settings: str) -> Ended:
        """A command with this on standard input."""
        self.monkeypatch.setattr("sys.stdin", io.StringIO(given))
        chosen = self.service.settings
        places = {
            "DATABASE_URL": chosen.database_url,
            "MONTH_KEYS": str(chosen.month_keys),
            "LOG_ORIGIN": LOG_ORIGIN,
            "LOG_KEY_FILE": str(chosen.log_key_file),
        }
        return self.within(*arguments, **{**places, **settings})

    def advise(self, insz: Insz, *more: str, on: str = DAY, **settings: str) -> Ended:
        """An advice for the care budget, by a known case handler."""
        options = ("--on", on, "--purpose", PURPOSE, "--actor", ACTOR)
        return self.command("advise", "-", *options, *more, given=f"{insz.digits}\n", **settings)

    def explained(self, insz: Insz, *more: str, **settings: str) -> dict[str, Any]:
        """The same, as data."""
        ended = self.advise(insz, "--json", *more, **settings)
        assert ended.code in (0, 1), ended.err
        told: dict[str, Any] = json.loads(ended.out)
        assert ended.code == (told["uitkomst"] == "GEEN_ADVIES")
        return told

    def repeat(self, event_id: str, *more: str, **settings: str) -> Ended:
        """An advice of the log once more."""
        return self.command("log", "repeat", event_id, *more, **settings)

    def repeated(self, event_id: str, **settings: str) -> tuple[int, dict[str, Any]]:
        """The exit code of that, and what it says."""
        ended = self.repeat(event_id, "--json", **settings)
        assert ended.err == ""
        [told] = json.loads(ended.out)
        return ended.code, told

    def learn(self, insz: Insz, blocks: Any, age: timedelta = timedelta(0)) -> datetime:
        """Import a dossier now; when it was learned."""
        now = read_clock()
        with self.service.office.database.writing() as session:
            learned = access_log.learn(session, now)
            dossiers.store(session, insz, blocks, now - age, learned)
        return learned

    def known_at(self) -> datetime:
        """When the newest facts were learned."""
        with self.service.office.database.reading() as session:
            return access_log.known_at(session)

    def last(self) -> dict[str, Any]:
        """The newest record."""
        return self.service.records()[-1]

    def everything(self) -> str:
        """Every value in the tables of the log."""
        store = self.service.office.database
        tables = ("access_record", "access_detail", "log_head", "log_tile", "quota_use")
        found = [row for table in tables for row in rows(store, f"SELECT * FROM {table}")]  # noqa: S608
        return repr(found)


@pytest.fixture
async def agency(
    prepared: tuple[datetime, Template],
    own_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> AsyncIterator[Agency]:
    """The agency in a folder of the test's own."""
    now, template = prepared
    url = f"sqlite:///{own_folder}/protocolpoort.db"
    service = make_service(url, own_folder, now=now, template=template)
    yield Agency(service, Within(monkeypatch, capfd), monkeypatch)
    await service.close()


# Advice to the agency's own staff


async def test_advises_with_the_rule_and_the_facts(agency: Agency) -> None:
    ended = agency.advise(MEMBER_NOK)

    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("NOK (N23) op 31 mei 2026; profiel striktMetUitstel, regelset ")
    assert "Reden R02: De persoon heeft op de toetsingsdatum geen" in ended.out


async def test_the_explanation_is_the_one_that_is_kept(agency: Agency) -> None:
    told = agency.explained(RESIDENT_WITH_CERTIFICATE)

    [(event_id, detail)] = rows(
        agency.service.office.database, "SELECT event_id, detail FROM access_detail"
    )
    assert json.loads(detail) == told
    assert event_id == agency.last()["eventId"]
    assert (told["code"], told["uitkomst"], told["profiel"], told["toetsdatum"]) == (
        "O10",
        "OK",
        "striktMetUitstel",
        DAY,
    )
    assert told["regelset"] == CURRENT.version
    assert told["maximumleeftijd"] == 35


async def test_no_advice_ends_with_1_and_is_recorded(agency: Agency) -> None:
    ended = agency.advise(UNCLEAR.insz)

    assert (ended.code, ended.err) == (1, "")
    assert ended.out.startswith("Geen advies (T02) op 31 mei 2026")
    record = agency.last()
    assert (record["outcome"], record["reasonCode"]) == ("noAdvice", "noAdvice")
    assert "detailDigest" in record


async def test_it_is_recorded_as_an_access_of_the_agency_without_a_protocol(
    agency: Agency,
) -> None:
    agency.advise(MEMBER_NOK)

    [record] = agency.service.records()
    key = agency.service.office.keys.at(read_clock())
    expected = {
        "type": "access",
        "operation": "advise",
        "route": "cli",
        "organisation": AGENCY,
        "system": "protocolpoort",
        "user": key.hide("user", ACTOR),
        "purpose": PURPOSE,
        "asOf": DAY,
        "outcome": "allowed",
        "subject": key.hide("subject", MEMBER_NOK.digits),
        "ruleSet": {
            "id": "inburgeringsplicht",
            "versie": CURRENT.version,
            "profiel": "striktMetUitstel",
        },
    }
    assert {name: record.get(name) for name in expected} == expected
    assert {"responseDigest", "detailDigest"} <= {*record}
    absent = {"protocol", "protocolVersion", "protocolHash", "onBehalfOf", "status", "reasonCode"}
    assert not absent & {*record}


@pytest.mark.parametrize("insz", [MEMBER_NOK, UNKNOWN, UNCLEAR.insz])
async def test_the_number_stands_nowhere(agency: Agency, insz: Insz) -> None:
    outputs = [agency.advise(insz), agency.advise(insz, "--json")]
    outputs.append(agency.repeat(agency.last()["eventId"]))

    for text in (*(each.out + each.err for each in outputs), agency.everything()):
        assert insz.digits not in text
        assert ACTOR not in text
    assert len(agency.service.records()) == 3


async def test_a_person_who_is_in_no_register_has_no_dossier(agency: Agency) -> None:
    assert agency.explained(UNKNOWN)["code"] == "O01"


async def test_another_profile_can_be_asked(agency: Agency) -> None:
    postponed = person_with("O31")

    codes = {
        profile: agency.explained(postponed.insz, "--profile", profile)["code"]
        for profile in ("strikt", "striktMetUitstel", "inOrde")
    }

    assert codes == {"strikt": "N12", "striktMetUitstel": "O31", "inOrde": "O31"}
    profiles = [record["ruleSet"]["profiel"] for record in agency.service.records()]
    assert profiles == list(codes)


async def test_other_rules_can_be_asked(agency: Agency) -> None:
    told = [agency.explained(MEMBER_NOK, "--rules", version)["regelset"] for version in RULE_SETS]

    assert told == [*RULE_SETS]
    assert [each["ruleSet"]["versie"] for each in agency.service.records()] == told


async def test_the_maximum_age_is_that_of_the_operator(agency: Agency) -> None:
    agency.learn(SOMEBODY, NOK.blocks, age=timedelta(days=9, hours=12))

    codes = [agency.explained(SOMEBODY, MAX_DATA_AGE=days)["code"] for days in ("10", "9")]

    assert codes == ["N23", "T01"]


async def test_today_can_be_asked_and_the_first_day_of_the_legal_ground(agency: Agency) -> None:
    today = str(brussels_date(read_clock()))

    assert [agency.advise(MEMBER_NOK, on=day).code for day in ("2022-01-01", today)] == [0, 0]


# As known at a moment


async def test_what_was_known_at_a_moment_is_what_the_advice_rests_on(agency: Agency) -> None:
    before = agency.learn(SOMEBODY, NOK.blocks)
    after = agency.learn(SOMEBODY, CERTIFIED.blocks)

    told = [
        agency.explained(SOMEBODY, "--as-known-at", rfc3339(at))
        for at in (before, after - timedelta(milliseconds=1), after)
    ]

    assert [each["code"] for each in told] == ["N23", "N23", "O10"]
    assert [each["geraadpleegdOp"] for each in told][::2] == [rfc3339(before), rfc3339(after)]
    assert agency.explained(SOMEBODY)["code"] == "O10"


async def test_the_numbers_of_the_person_are_those_of_then(agency: Agency) -> None:
    before = agency.learn(OLD_NUMBER, CERTIFIED.blocks)
    agency.service.clock.now = read_clock()
    add_person(agency.service, {"insz": SOMEBODY.digits, "vorigeInsz": [OLD_NUMBER.digits]}, None)
    after = agency.known_at()

    codes = [
        agency.explained(SOMEBODY, "--as-known-at", rfc3339(at))["code"] for at in (before, after)
    ]

    assert codes == ["O01", "O10"]


@pytest.mark.parametrize("order", [1, -1])
async def test_a_breach_that_was_put_right_under_a_later_number_is_open_under_none_before(
    agency: Agency, order: int
) -> None:
    before, after = (UNKNOWN, OLD_NUMBER)[::order]
    blocks = {
        "personalia": {"geboortedatum": "1985-05-25"},
        "doelgroep": {"code": "JA", "type": "PLICHT", "periode": {"begin": "2016-03-01"}},
        "contracten": [{"datumRegistratie": "2020-01-01"}],
    }
    cured = {"rechtzettingsFormulier": {"datumOndertekening": "2022-01-01"}}
    for insz, more, age in ((before, {}, 20), (after, cured, 10)):
        breach = {"datumVaststelling": "2021-01-01", **more}
        agency.learn(insz, blocks | {"inbreuken": [breach]}, age=timedelta(days=age))
    agency.service.clock.now = read_clock()
    previous = [before.digits, after.digits]
    add_person(agency.service, {"insz": SOMEBODY.digits, "vorigeInsz": previous}, None)

    told = agency.explained(SOMEBODY, "--profile", "inOrde")

    assert told["code"] == "O42"


async def test_the_age_of_data_is_measured_at_that_moment(agency: Agency) -> None:
    learned = agency.learn(SOMEBODY, NOK.blocks, age=timedelta(days=10))
    time.sleep(0.05)

    then, now = (
        agency.explained(SOMEBODY, *options, MAX_DATA_AGE="10")
        for options in (("--as-known-at", rfc3339(learned)), ())
    )

    assert (then["code"], now["code"]) == ("N23", "T01")


async def test_an_advice_as_known_at_a_moment_stays_the_same(agency: Agency) -> None:
    moment = rfc3339(agency.learn(SOMEBODY, NOK.blocks))
    first = agency.explained(SOMEBODY, "--as-known-at", moment)
    agency.learn(SOMEBODY, CERTIFIED.blocks)

    assert agency.explained(SOMEBODY, "--as-known-at", moment) == first


# What is refused


TOMORROW = str(brussels_date(read_clock()) + timedelta(days=2))
LATER = rfc3339(read_clock() + timedelta(days=2))
WRONG: dict[str, tuple[tuple[str, ...], int, str]] = {
    "purpose": (("--purpose", "iets"), 1, "no protocol opens an advice for this purpose\n"),
    "purpose of a list": (("--purpose", "verlaagdePremie"), 1, "no protocol opens an advice"),
    "purpose of a dossier": (("--purpose", "lokaalIntegratiebeleid"), 1, "no protocol opens"),
    "number as purpose": (("--purpose", MEMBER_NOK.digits), 2, "must not hold a national number"),
    "future": (("--on", TOMORROW), 1, "the date must lie between 2022-01-01 and today\n"),
    "too early": (("--on", "2021-12-31"), 1, "the date must lie between 2022-01-01 and today\n"),
    "no date": (("--on", "31-05-2026"), 2, "--on must be a date"),
    "no day": (("--on", "2026-02-30"), 2, "--on must be a date"),
    "known later": (("--as-known-at", LATER), 1, "what will be known later nobody knows\n"),
    "no moment": (("--as-known-at", "gisteren"), 2, "--as-known-at must be an RFC 3339 moment"),
    "no zone": (("--as-known-at", "2026-06-01T09:30:00"), 2, "--as-known-at must be an RFC"),
    "rules": (("--rules", "9.9"), 2, f"--rules must be one of {', '.join(RULE_SETS)}"),
    "profile": (("--profile", "soepel"), 2, "'strikt'"),
    "number as actor": (("--actor", MEMBER_NOK.digits), 2, "must not hold a national number"),
}


@pytest.mark.parametrize(("options", "code", "said"), WRONG.values(), ids=WRONG)
async def test_a_wrong_question_is_told_what_is_wrong_and_leaves_no_record(
    agency: Agency, options: tuple[str, ...], code: int, said: str
) -> None:
    before = agency.everything()

    ended = agency.advise(MEMBER_NOK, *options)

    assert (ended.code, ended.out) == (code, "")
    assert said.strip("\n") in plain(ended.err)
    assert MEMBER_NOK.digits not in ended.err
    assert "Traceback" not in ended.err
    assert agency.everything() == before


def plain(text: str) -> str:
    """What a message of wrong usage says, without the box around it."""
    return " ".join(text.replace("│", " ").split())


@pytest.mark.parametrize("given", ["", "\n", "90722501479\n", "85.07.30-001.64\n"])
async def test_without_a_valid_number_there_is_no_advice(agency: Agency, given: str) -> None:
    before = agency.everything()

    ended = agency.command("advise", "-", "--on", DAY, "--purpose", PURPOSE, given=given)

    assert ended == Ended(1, "", "standard input holds no valid INSZ on its first line\n")
    assert agency.everything() == before


async def test_a_number_is_no_argument(agency: Agency) -> None:
    ended = agency.command("advise", MEMBER_NOK.digits, "--on", DAY, "--purpose", PURPOSE)

    assert (ended.code, ended.out) == (2, "")
    assert MEMBER_NOK.digits not in ended.err
    assert agency.service.records() == []


async def test_production_advises_on_no_test_number(agency: Agency) -> None:
    ended = agency.advise(Insz("90722501478"), MODE="production")

    assert (ended.code, ended.out) == (2, "")
    assert "a test number, which production does not take" in plain(ended.err)
    assert agency.service.records() == []


async def test_where_protocols_differ_in_their_profile_it_must_be_said(agency: Agency) -> None:
    agency.service.clock.now = read_clock()
    access = variants.access(
        operaties=["queryDossier", "queryAdvies"], advies=variants.ADVICE_TERMS
    )
    other = variants.purpose(access, code=PURPOSE)
    variants.load(agency.service, variants.document(versie="2", doeleinden=[other]))

    ended = agency.advise(MEMBER_NOK)

    said = "the protocols differ in their profile: say which one\n"
    assert ended == Ended(1, "", said)
    assert agency.service.records() == []
    assert agency.explained(MEMBER_NOK, "--profile", "strikt")["profiel"] == "strikt"


async def test_a_protocol_that_ended_still_says_how_to_judge(agency: Agency) -> None:
    administration.end(agency.service.office, "avsb-2021", read_clock(), last=date(2026, 1, 1))

    assert agency.explained(MEMBER_NOK)["profiel"] == "striktMetUitstel"


# The person sees it


async def test_the_citizen_sees_which_body_asked_and_no_protocol(agency: Agency) -> None:
    agency.advise(MEMBER_NOK)
    service = agency.service
    service.clock.now = read_clock()
    token = service.issuer.issue_citizen(MEMBER_NOK, service.clock.now)

    mine = await service.client.get(
        f"{BASE}/mijnRaadplegingen", headers={"Authorization": f"Bearer {token}"}
    )

    assert mine.status_code == 200, mine.text
    [item] = mine.json()["items"]
    assert item == {
        "organisatie": AGENCY,
        "tijdstip": service.records()[0]["recordedAt"],
        "doeleinde": PURPOSE,
        "dienst": "advise",
    }


# Once more


async def asked(agency: Agency, insz: Insz, organisation: str = AVSB) -> str:
    """An advice over the API; the id of its record."""
    agency.service.clock.now = read_clock()
    response = await agency.service.advice(organisation, insz)
    assert response.status_code in (200, 409), response.text
    event_id: str = agency.last()["eventId"]
    return event_id


async def asked_together(agency: Agency, *persons: Insz) -> list[str]:
    """Advices in one batch; the ids of the records: of the batch, then of each person."""
    agency.service.clock.now = read_clock()
    questions = [{"insz": each.digits, "referte": f"r-{at}"} for at, each in enumerate(persons)]
    body = {"doeleinde": PURPOSE, "toetsdatum": DAY, "referte": "b", "vragen": questions}
    response = await agency.service.ask(AVSB, "/adviezen/queryBatch", body)
    assert response.status_code == 200, response.text
    return [each["eventId"] for each in agency.service.records()]


async def test_an_advice_is_the_same_after_imports_that_would_change_it(agency: Agency) -> None:
    agency.learn(SOMEBODY, NOK.blocks)
    first = await asked(agency, SOMEBODY)
    agency.learn(SOMEBODY, CERTIFIED.blocks)
    second = await asked(agency, SOMEBODY)

    ended = agency.repeat(first)
    told = [agency.repeated(event_id) for event_id in (first, second)]

    assert (ended.code, ended.err) == (0, "")
    assert ended.out.startswith("N23\tN23\tTrue\nNOK (N23) op 31 mei 2026")
    assert told == [
        (0, {"toen": "N23", "opnieuw": "N23", "gelijk": True}),
        (0, {"toen": "O10", "opnieuw": "O10", "gelijk": True}),
    ]


async def test_it_is_the_same_after_the_maximum_age_was_changed(agency: Agency) -> None:
    agency.learn(SOMEBODY, NOK.blocks, age=timedelta(days=20))
    event_id = await asked(agency, SOMEBODY)
    stricter = agency.explained(SOMEBODY, MAX_DATA_AGE="10")

    assert stricter["code"] == "T01"
    assert agency.repeated(event_id, MAX_DATA_AGE="10") == (
        0,
        {"toen": "N23", "opnieuw": "N23", "gelijk": True},
    )
    own = [each["eventId"] for each in agency.service.records() if each["operation"] == "advise"]
    assert agency.repeated(own[0], MAX_DATA_AGE="35") == (
        0,
        {"toen": "T01", "opnieuw": "T01", "gelijk": True},
    )


async def test_every_advice_of_a_batch_can_be_given_again(agency: Agency) -> None:
    persons = [MEMBER_NOK, RESIDENT_WITH_CERTIFICATE, UNCLEAR.insz, UNKNOWN]
    whole, *parts = await asked_together(agency, *persons)
    for insz in persons:
        agency.learn(insz, CERTIFIED.blocks if insz != RESIDENT_WITH_CERTIFICATE else NOK.blocks)

    told = [agency.repeated(event_id) for event_id in parts]
    of_whole = agency.repeat(whole)

    assert [code for code, _ in told] == [0] * 4
    assert [each["opnieuw"] for _, each in told] == ["N23", "O10", "T02", "O01"]
    assert of_whole == Ended(1, "", "the log holds no advice with this id\n")


async def test_no_advice_is_no_advice_again(agency: Agency) -> None:
    with agency.service.office.database.writing() as session:
        now = access_log.learn(session, read_clock())
        dossiers.store_fault(session, SOMEBODY, "99996", now, now)
    ids = [await asked(agency, insz) for insz in (UNCLEAR.insz, SOMEBODY)]
    agency.learn(SOMEBODY, CERTIFIED.blocks)
    agency.learn(UNCLEAR.insz, CERTIFIED.blocks)

    assert [agency.repeated(each)[1]["opnieuw"] for each in ids] == ["T02", "T01"]


async def test_the_own_advice_can_be_repeated_as_well(agency: Agency) -> None:
    learned = agency.learn(SOMEBODY, NOK.blocks)
    agency.learn(SOMEBODY, CERTIFIED.blocks)
    ids = []
    for options in (("--as-known-at", rfc3339(learned)), ("--profile", "strikt")):
        agency.advise(SOMEBODY, *options)
        ids.append(agency.last()["eventId"])
    agency.learn(SOMEBODY, UNCLEAR.blocks)

    assert [agency.repeated(each)[1]["opnieuw"] for each in ids] == ["N23", "O10"]


async def test_a_repetition_is_a_reading_of_the_log(agency: Agency) -> None:
    event_id = await asked(agency, MEMBER_NOK)

    agency.repeat(event_id.upper(), "--reason", "bezwaar 12", "--actor", ACTOR)

    record = agency.last()
    key = agency.service.office.keys.at(read_clock())
    expected = {
        "type": "logRead",
        "operation": "logRepeat",
        "route": "cli",
        "parentId": event_id,
        "reasonReference": "bezwaar 12",
        "asOf": DAY,
        "counts": {"records": 1},
        "subject": key.hide("subject", MEMBER_NOK.digits),
        "user": key.hide("user", ACTOR),
        "outcome": "allowed",
    }
    assert {name: record.get(name) for name in expected} == expected
    assert record["ruleSet"]["profiel"] == "striktMetUitstel"
    assert "detailDigest" not in record
    assert agency.repeat(record["eventId"]).code == 1  # it is no advice itself


NOBODY = "00000000-0000-4000-8000-000000000000"


@pytest.mark.parametrize("event_id", [NOBODY, "x", "85073000164", ""])
async def test_what_the_log_does_not_hold_cannot_be_repeated(agency: Agency, event_id: str) -> None:
    before = agency.everything()

    ended = agency.repeat(event_id)

    assert ended == Ended(1, "", "the log holds no advice with this id\n")
    assert agency.everything() == before


async def test_a_dossier_or_a_refusal_is_no_advice(agency: Agency) -> None:
    service = agency.service
    service.clock.now = read_clock()
    await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
    await service.advice(FUND, UNKNOWN)  # no member
    ids = [each["eventId"] for each in service.records()]

    told = [agency.repeat(each) for each in ids]

    assert service.records()[1]["reasonCode"] == Reason.UNKNOWN_PERSON
    assert told == [Ended(1, "", "the log holds no advice with this id\n")] * 2
    assert len(service.records()) == 2


async def test_a_changed_explanation_is_not_compared_with(agency: Agency) -> None:
    store = agency.service.office.database
    event_id = await asked(agency, MEMBER_NOK)
    disarm(store)
    change(store, "UPDATE access_detail SET detail = replace(detail, 'N23', 'O10')")
    before = agency.everything()

    ended = agency.repeat(event_id)

    said = "its explanation is not the one that was recorded: run `log check`\n"
    assert ended == Ended(1, "", said)
    assert agency.everything() == before


@pytest.mark.parametrize(
    ("written", "forged"),
    [('"asOf":"2026', '"asOf":"2024'), ('"profiel":"strikt', '"profiel":"inOrde')],
)
async def test_a_record_that_was_changed_is_not_repeated(
    agency: Agency, written: str, forged: str
) -> None:
    store = agency.service.office.database
    event_id = await asked(agency, MEMBER_NOK)
    disarm(store)
    change(
        store,
        "UPDATE access_record SET record = CAST(replace(CAST(record AS TEXT), :old, :new) AS BLOB)",
        old=written,
        new=forged,
    )

    ended = agency.repeat(event_id)

    said = "its record is not the one that was written: run `log check`\n"
    assert ended == Ended(1, "", said)


async def test_another_explanation_with_the_same_code_is_another_advice(agency: Agency) -> None:
    event_id = await asked(agency, MEMBER_NOK)
    change(
        agency.service.office.database,
        "UPDATE source_answer SET fetched_at ="
        " strftime('%Y-%m-%d %H:%M:%f000', fetched_at, '-1 day') WHERE insz = :insz",
        insz=MEMBER_NOK.digits,
    )

    told = agency.repeated(event_id)

    assert told == (1, {"toen": "N23", "opnieuw": "N23", "gelijk": False})


async def test_what_was_known_before_the_clock_was_set_back_nobody_can_tell(
    agency: Agency,
) -> None:
    service = agency.service
    before = await asked(agency, MEMBER_NOK)
    service.clock.now = read_clock() + timedelta(days=20)
    await service.advice(AVSB, MEMBER_NOK)
    ahead = agency.last()["eventId"]

    accepted = agency.command("clock", "accept", "--reason", "klok liep voor")

    refused = agency.repeat(ahead)
    assert accepted.code == 0
    assert refused == Ended(
        1, "", "the clock was set back since: what was known then nobody can tell\n"
    )
    assert agency.repeat(before).code == 0


async def test_an_explanation_that_was_taken_away_leaves_no_advice(agency: Agency) -> None:
    store = agency.service.office.database
    event_id = await asked(agency, MEMBER_NOK)
    disarm(store)
    change(store, "DELETE FROM access_detail")

    assert agency.repeat(event_id).code == 1


CHANGED = {
    "dossier": (
        "UPDATE dossier_version SET behaalde_attesten = :certificate WHERE insz = :insz",
        {"certificate": '[{"type": "AI023", "datumOndertekening": "2016-01-01"}]'},
        "O10",
    ),
    "moment": ("UPDATE source_answer SET learned_at = :late WHERE insz = :insz", {}, "O01"),
    "fault": (
        "INSERT INTO source_answer (insz, fetched_at, learned_at, code)"
        " SELECT insz, fetched_at, learned_at, '99996' FROM source_answer WHERE insz = :insz",
        {},
        "T01",
    ),
}


@pytest.mark.parametrize(("statement", "values", "code"), CHANGED.values(), ids=CHANGED)
async def test_data_that_were_changed_behind_it_give_another_advice(
    agency: Agency, statement: str, values: dict[str, str], code: str
) -> None:
    event_id = await asked(agency, MEMBER_NOK)
    late = f"{datetime(2999, 1, 1, tzinfo=UTC):%Y-%m-%d %H:%M:%S.%f}"
    given = {"late": late, "insz": MEMBER_NOK.digits, **values}
    change(
        agency.service.office.database,
        statement,
        **{name: value for name, value in given.items() if f":{name}" in statement},
    )

    told = agency.repeated(event_id)

    assert told == (1, {"toen": "N23", "opnieuw": code, "gelijk": False})


async def test_of_a_month_whose_key_is_destroyed_nobody_knows_whom_it_is_about(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    long_ago = read_clock() - timedelta(days=70)
    service = make_service(
        f"sqlite:///{own_folder}/protocolpoort.db", own_folder, now=long_ago, persons=3
    )
    agency = Agency(service, Within(monkeypatch, capfd), monkeypatch)
    await service.advice(AVSB, UNKNOWN, on=str(brussels_date(long_ago)))
    [record] = service.records()
    readable = agency.repeat(record["eventId"])
    service.office.keys.destroy(record["recordedAt"][:7])

    ended = agency.repeat(record["eventId"])
    await service.close()

    assert readable.code == 0
    assert ended == Ended(1, "", "the key of its month is gone: whose it was nobody knows\n")
    assert len(service.records()) == 2
