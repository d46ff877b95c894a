"""Who is told of a value that was wrong: everybody who received it, once, and nobody else."""

import asyncio
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import pytest
from delivered import LIST, ask_list, work
from evidence import disarm, write
from service import (
    AVSB,
    CITY,
    FUND,
    GENK,
    NOW,
    ORIGIN,
    OTHER_FUND,
    REPORT,
    Service,
    add_person,
    closed_log,
    execute,
    insz_of,
)
from sqlalchemy.exc import DBAPIError, IntegrityError

from app import answering, list_making, notices, protocols, receivers
from app.answering import Discovery, NoticeRefused
from app.insz import Insz
from app.moments import brussels_date
from app.month_keys import MonthKeyMissing
from app.notice_rules import Event, IncidentKind, IncidentState, Outcome
from app.record import Agreement, RecordType, Trace, entry_of
from app.visit import Visit, new_event_id

FIELD = "attest.inburgeringBehaald"
PERSON, OLDER, NEWER = insz_of("850730001"), insz_of("850730002"), insz_of("850730003")
SOMEBODY_ELSE = insz_of("850730004")
AGREEMENT = Agreement("voorbeeldstad-2026", "1", "sha256:" + "0" * 64)


def received(
    service: Service,
    organisation: str | None,
    person: Insz = PERSON,
    operation: str = "queryDossier",
    **more: Any,
) -> str:
    """A record of an answer about somebody, as of now; its id."""
    at = service.clock.now
    visit = Visit(
        operation=operation,
        route="/dossiers/query",
        started_at=at,
        correlation_id="",
        event_id=new_event_id(at),
        trace_id="",
        span_id="",
        organisation=organisation,
    )
    delivered = (FIELD, "personalia.insz") if operation.startswith(("queryD", "list")) else ()
    told = {"requested": delivered, "delivered": delivered, "agreement": AGREEMENT, **more}
    trace = Trace(subject=person.digits, purpose="lokaalIntegratiebeleid", **told)
    key = service.office.keys.at(at)
    [index] = write(service.office.database, [entry_of(visit, trace, key, ORIGIN, at, None)])
    assert isinstance(index, int), index
    return visit.event_id


async def reported(service: Service, access_id: str, organisation: str = CITY, **body: Any) -> str:
    """The id of a report of a wrong value."""
    given = {
        "toegangId": access_id,
        "soort": "foutief",
        "veld": FIELD,
        "toelichting": "fout",
        "vastgesteldOp": brussels_date(service.clock.now).isoformat(),
        "referte": "m",
        **body,
    }
    told = {name: value for name, value in given.items() if value is not None}
    path = "/meldingen/gegevenskwaliteit"
    answer = await service.ask(organisation, path, told, scopes=(REPORT,))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def later(service: Service, days: int) -> None:
    """So much later, when there is a key for the month."""
    service.clock.forward(days=days)
    service.office.keys.create(service.clock.now, months=2)


def told(service: Service, about: str) -> Mapping[str, list[str]]:
    """Who was told of a report, and about which of its records."""
    with service.office.database.reading() as session:
        rows = notices.told_of(session, about)
        assert len({row.organisation for row in rows}) == len(rows)
        return {row.organisation: row.access_ids for row in rows}


def acts(service: Service) -> list[dict[str, Any]]:
    """What the office recorded of reports, oldest first."""
    return [record for record in service.records() if record["route"] == "cli"]


def corrected(service: Service, id_: str) -> list[str]:
    return answering.answer(service.office, id_, Outcome.CORRECTED, "hersteld", service.clock.now)


async def test_everybody_who_received_the_value_is_told_with_its_own_records(
    service_on_each: Service,
) -> None:
    service = service_on_each
    first, second = received(service, CITY), received(service, CITY)
    other = received(service, GENK, operation="queryDossierBatch")
    received(service, FUND, SOMEBODY_ELSE)
    received(service, OTHER_FUND, delivered=("personalia.insz",))
    received(service, AVSB, operation="queryAdvies")

    named = corrected(service, id_ := await reported(service, first))

    assert named == [GENK, CITY]
    assert told(service, id_) == {CITY: [first, second], GENK: [other]}


async def test_who_got_her_on_a_list_is_told(service_on_each: Service) -> None:
    service = service_on_each
    home = {"nis": "71016", "van": "2020-01-01", "tot": None}
    add_person(service, {"insz": PERSON.digits, "woonplaatsen": [home]}, {})
    asked = await ask_list(service, GENK, "lokaalIntegratiebeleid", 2026)
    work(service)
    [listed] = [
        one["eventId"]
        for one in service.records()
        if one.get("parentId") == asked.json()["lijstId"] and "subject" in one
        if one["subject"] == service.office.keys.at(NOW).hide("subject", PERSON.digits)
    ]
    here = received(service, CITY)

    by_list = await reported(service, listed, GENK)
    corrected(service, id_ := await reported(service, here))

    assert told(service, id_) == {CITY: [here], GENK: [listed]}
    assert by_list


async def test_a_list_that_was_never_given_told_nobody(service: Service) -> None:
    never: dict[str, Any] = {
        "type": RecordType.DELIVERY,
        "parent": "0192f3a1-af71-7e8d-a062-5e91318fbd44",
    }
    listed = received(service, GENK, operation="createLijst", delivered=(FIELD,), **never)
    here = received(service, CITY)

    with pytest.raises(AssertionError, match="Resource Not Found"):
        await reported(service, listed, GENK)
    corrected(service, id_ := await reported(service, here))

    assert told(service, id_) == {CITY: [here]}


async def test_a_list_that_the_rules_made_is_an_advice(service: Service) -> None:
    given = received(service, AVSB, operation="createLijst", type=RecordType.DELIVERY, delivered=())
    more: dict[str, Any] = {"type": RecordType.DELIVERY, "parent": given, "rule_set": {"id": "x"}}
    listed = received(service, AVSB, operation="createLijst", delivered=(), **more)
    here = received(service, FUND, operation="queryAdvies")

    for access_id, organisation in ((listed, AVSB), (here, FUND)):
        contested = {"soort": "betwistAdvies", "veld": None}
        corrected(service, id_ := await reported(service, access_id, organisation, **contested))
        # The second time everybody else was told already.
        assert told(service, id_) == {
            organisation: [access_id],
            **({FUND: [here]} if organisation == AVSB else {}),
        }


async def test_who_received_it_in_another_month_is_found(service_on_each: Service) -> None:
    service = service_on_each
    old = received(service, GENK)
    later(service, 340)
    received(service, OTHER_FUND, SOMEBODY_ELSE)
    later(service, 60)
    here = received(service, CITY)

    id_ = await reported(service, here)
    later(service, 30)
    between = received(service, FUND)
    later(service, 30)
    corrected(service, id_)

    assert told(service, id_) == {CITY: [here], GENK: [old], FUND: [between]}


@pytest.mark.parametrize("reported_as", [OLDER, PERSON, NEWER], ids=["older", "middle", "newer"])
async def test_a_person_is_found_under_each_number_that_she_had(
    service_on_each: Service, reported_as: Insz
) -> None:
    service = service_on_each
    previous = [OLDER.digits, PERSON.digits]
    add_person(service, {"insz": NEWER.digits, "vorigeInsz": previous}, None)
    others = {GENK: OLDER, FUND: PERSON, OTHER_FUND: NEWER}
    ids = {
        organisation: received(service, organisation, who) for organisation, who in others.items()
    }
    here = received(service, CITY, reported_as)

    corrected(service, id_ := await reported(service, here))

    assert told(service, id_) == {CITY: [here], **{who: [id_] for who, id_ in ids.items()}}


async def test_a_contested_advice_goes_to_who_got_an_advice_on_the_person(
    service_on_each: Service,
) -> None:
    service = service_on_each
    here = received(service, FUND, operation="queryAdvies")
    other = received(service, OTHER_FUND, operation="queryAdviesBatch")
    received(service, CITY)
    received(service, AVSB, SOMEBODY_ELSE, operation="queryAdvies")
    received(service, "0543307391", operation="advise")

    id_ = await reported(service, here, FUND, soort="betwistAdvies", veld=None)
    corrected(service, id_)

    assert told(service, id_) == {FUND: [here], OTHER_FUND: [other]}


async def test_who_was_not_given_a_value_that_is_missing_is_told(service: Service) -> None:
    asked: dict[str, Any] = {"requested": (FIELD, "contact.email"), "delivered": (FIELD,)}
    here, other = received(service, CITY, **asked), received(service, GENK, **asked)
    received(service, FUND)

    id_ = await reported(service, here, soort="ontbrekend", veld="contact.email")
    corrected(service, id_)

    assert told(service, id_) == {CITY: [here], GENK: [other]}


@pytest.mark.parametrize("outcome", [Outcome.CONFIRMED, Outcome.UNDETERMINED])
async def test_a_value_that_was_right_is_told_to_who_reported_it_alone(
    service: Service, outcome: Outcome
) -> None:
    here = received(service, CITY)
    received(service, GENK)
    id_ = await reported(service, here)

    named = answering.answer(service.office, id_, outcome, "klopt", service.clock.now)

    assert (named, told(service, id_)) == ([CITY], {CITY: [here]})


async def test_an_answer_and_each_notification_are_records(service_on_each: Service) -> None:
    service = service_on_each
    here = received(service, CITY)
    received(service, GENK)

    corrected(service, id_ := await reported(service, here))

    answered, *notified = acts(service)
    token = service.office.keys.at(NOW).hide("subject", PERSON.digits)
    assert (answered["operation"], answered["reasonReference"]) == ("noticeAnswer", "gecorrigeerd")
    assert answered["counts"] == {"organisations": 2}
    assert answered["parentId"] == id_
    # The id of a report tells when it was made: it is for who made it.
    assert {record["parentId"] for record in notified} == {answered["eventId"]}
    assert {record["subject"] for record in (answered, *notified)} == {token}
    assert {record["type"] for record in (answered, *notified)} == {"notice"}
    assert [(record["operation"], record["organisation"]) for record in notified] == [
        ("noticeNotify", GENK),
        ("noticeNotify", CITY),
    ]
    with service.office.database.reading() as session:
        ids = {row.id for row in notices.told_of(session, id_)}
    assert ids == {record["eventId"] for record in notified}


async def test_an_answer_is_given_once(service_on_each: Service) -> None:
    service = service_on_each
    received(service, GENK)
    id_ = await reported(service, received(service, CITY))
    corrected(service, id_)
    before = len(service.records())

    with pytest.raises(NoticeRefused, match="answered already"):
        corrected(service, id_)

    assert len(told(service, id_)) == 2
    assert len(service.records()) == before


async def test_the_database_refuses_to_tell_twice(service_on_each: Service) -> None:
    service = service_on_each
    id_ = await reported(service, received(service, CITY))
    corrected(service, id_)
    before = len(service.records())

    # As if the first run had forgotten that it answered.
    execute(service, "UPDATE notice SET state = 'ontvangen'")
    with pytest.raises(IntegrityError):
        corrected(service, id_)

    assert len(told(service, id_)) == 1
    assert len(service.records()) == before


async def test_two_officials_at_once_answer_once(service_on_each: Service) -> None:
    service = service_on_each
    received(service, GENK)
    id_ = await reported(service, received(service, CITY))

    ended = await asyncio.gather(
        *(asyncio.to_thread(corrected, service, id_) for _ in range(4)), return_exceptions=True
    )

    refused = [one for one in ended if isinstance(one, NoticeRefused)]
    assert len(refused) == 3, ended
    assert len(told(service, id_)) == 2
    assert [record["operation"] for record in acts(service)] == [
        "noticeAnswer",
        "noticeNotify",
        "noticeNotify",
    ]


@pytest.mark.parametrize("table", ["notification", "access_record"])
async def test_what_is_cut_off_leaves_nothing_and_can_be_done_again(
    service: Service, table: str
) -> None:
    received(service, GENK)
    id_ = await reported(service, received(service, CITY))
    before = len(service.records())
    execute(
        service,
        f"CREATE TRIGGER cut BEFORE INSERT ON {table} WHEN NEW.organisation = '{CITY}' "
        "BEGIN SELECT RAISE(ABORT, 'cut'); END",
    )

    with pytest.raises(DBAPIError):
        corrected(service, id_)
    left = told(service, id_), len(service.records())
    execute(service, "DROP TRIGGER cut")
    named = corrected(service, id_)

    assert left == ({}, before)
    assert named == [GENK, CITY]


async def test_without_a_record_nothing_is_answered(service_on_each: Service) -> None:
    id_ = await reported(service_on_each, received(service_on_each, CITY))

    with closed_log(service_on_each), pytest.raises(DBAPIError):
        corrected(service_on_each, id_)

    assert told(service_on_each, id_) == {}
    assert corrected(service_on_each, id_) == [CITY]


async def test_a_report_that_there_is_not_is_not_answered(service: Service) -> None:
    with pytest.raises(NoticeRefused, match="no report"):
        corrected(service, "0192f3a1-af71-7e8d-a062-5e91318fbd44")


async def test_a_report_whose_record_was_pruned_is_not_answered(service: Service) -> None:
    id_ = await reported(service, received(service, CITY))
    disarm(service.office.database)
    execute(service, f"DELETE FROM access_record WHERE event_id = '{id_}'")  # noqa: S608

    with pytest.raises(NoticeRefused, match="record is gone"):
        corrected(service, id_)


async def test_whom_it_was_about_is_forgotten_with_the_key_of_the_month(service: Service) -> None:
    id_ = await reported(service, received(service, CITY))
    service.clock.forward(days=30)
    service.office.keys.destroy("2026-06")

    with pytest.raises(NoticeRefused, match="nobody knows"):
        corrected(service, id_)


@pytest.mark.parametrize("month", ["2026-06", "2026-07"])
async def test_a_key_that_cannot_be_read_stops_the_answer(service: Service, month: str) -> None:
    received(service, GENK)
    later(service, 30)
    id_ = await reported(service, received(service, CITY))
    later(service, 31)
    folder = service.settings.month_keys
    assert folder
    (folder / f"{month}.key").write_text("x")

    with pytest.raises(MonthKeyMissing):
        corrected(service, id_)

    assert told(service, id_) == {}


async def test_a_notification_names_no_person_no_value_and_no_reporter(service: Service) -> None:
    received(service, GENK)
    id_ = await reported(service, received(service, CITY))
    corrected(service, id_)

    page = await service.ask(GENK, "/meldingen", scopes=("inb_melding_v1_G",))

    [item] = page.json()["items"]
    assert set(item["kennisgeving"]) == {
        "soort",
        "op",
        "toegangIds",
        "veld",
        "gegevensfout",
        "uitkomst",
    }
    assert not [text for text in (PERSON.digits, CITY, id_, "hersteld") if text in page.text]


# Incidents


def found(**more: Any) -> Discovery:
    return Discovery(
        **{
            "protocol": "avsb-2021",
            "kind": IncidentKind.INCIDENT,
            "found_at": NOW - timedelta(hours=1),
            "description": "een lek",
            **more,
        }
    )


async def seen(service: Service, organisation: str) -> list[dict[str, Any]]:
    page = await service.ask(organisation, "/meldingen", scopes=("inb_melding_v1_G",))
    items: list[dict[str, Any]] = page.json()["items"]
    return items


async def test_the_agency_tells_every_receiver_of_an_incident(service_on_each: Service) -> None:
    service = service_on_each

    id_, named = answering.open_incident(service.office, found(client="c"), NOW)

    assert named == sorted([AVSB, FUND, OTHER_FUND])
    opened, *notified = acts(service)
    assert (opened["eventId"], opened["operation"]) == (id_, "incidentOpen")
    assert [record["organisation"] for record in notified] == named
    for organisation in named:
        [item] = await seen(service, organisation)
        incident = item["kennisgeving"]["incident"]
        assert (incident["id"], incident["gemeldDoor"]) == (id_, "agentschap")
        assert (incident["omschrijving"], incident["client"]) == ("een lek", "c")
        assert "termijnUren" not in incident
    assert await seen(service, CITY) == []


async def test_an_incident_can_be_for_some_receivers(service: Service) -> None:
    _, named = answering.open_incident(service.office, found(organisations=(FUND,)), NOW)

    assert named == [FUND]
    assert await seen(service, OTHER_FUND) == []


@pytest.mark.parametrize(
    ("more", "why"),
    [
        ({"protocol": "nergens"}, "no protocol"),
        ({"organisations": (CITY,)}, "no receiver"),
        ({"found_at": NOW + timedelta(seconds=1)}, "later"),
    ],
)
async def test_an_incident_that_cannot_be_is_refused(
    service: Service, more: dict[str, Any], why: str
) -> None:
    with pytest.raises(NoticeRefused, match=why):
        answering.open_incident(service.office, found(**more), NOW)

    assert acts(service) == []


async def test_an_incident_goes_on_until_it_is_closed_and_is_told_once(
    service_on_each: Service,
) -> None:
    service = service_on_each
    id_, _ = answering.open_incident(service.office, found(organisations=(FUND,)), NOW)

    for state, text in (
        (IncidentState.EXAMINED, "sleutel ingetrokken"),
        (IncidentState.CLOSED, "klaar"),
    ):
        service.clock.forward(seconds=1)
        answering.go_on(service.office, id_, state, text, service.clock.now)
    with pytest.raises(NoticeRefused, match="closed already"):
        answering.go_on(service.office, id_, IncidentState.CLOSED, "nog", service.clock.now)

    items = [item["kennisgeving"] for item in await seen(service, FUND)]
    assert [item["soort"] for item in items] == [Event.INCIDENT_CLOSED, Event.INCIDENT]
    assert {item["incident"]["toestand"] for item in items} == {"gesloten"}
    assert {item["incident"]["opvolging"] for item in items} == {"klaar"}
    assert [record["operation"] for record in acts(service)] == [
        "incidentOpen",
        "noticeNotify",
        "incidentUpdate",
        "incidentClose",
        "noticeNotify",
    ]


async def test_who_reported_an_incident_learns_that_it_is_closed(service: Service) -> None:
    report = {
        "doeleinde": "lokaalIntegratiebeleid",
        "soort": "incident",
        "vastgesteldOp": "2026-06-01T08:00:00Z",
        "omschrijving": "een gestolen sleutel",
        "referte": "i",
    }
    made = await service.ask(CITY, "/meldingen/incidenten", report, scopes=(REPORT,))

    service.clock.forward(seconds=1)
    closed = IncidentState.CLOSED
    answering.go_on(service.office, made.json()["id"], closed, "klaar", service.clock.now)

    told_, own = await seen(service, CITY)
    assert told_["kennisgeving"]["soort"] == "incidentGesloten"
    assert own["incident"]["toestand"] == "gesloten"


async def test_an_incident_that_there_is_not_does_not_go_on(service: Service) -> None:
    with pytest.raises(NoticeRefused, match="no incident"):
        answering.go_on(service.office, "x", IncidentState.CLOSED, "klaar", NOW)


async def test_who_is_on_a_list_that_is_being_made_is_not_left_out(
    service_on_each: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = service_on_each
    home = {"nis": "71016", "van": "2020-01-01", "tot": None}
    add_person(service, {"insz": PERSON.digits, "woonplaatsen": [home]}, {})
    asked = await ask_list(service, GENK, "lokaalIntegratiebeleid", 2026)
    id_ = await reported(service, received(service, CITY))
    deliver = list_making._deliver

    def answered_before(shop: Any, job: Any) -> bool:
        corrected(service, id_)
        return deliver(shop, job)

    monkeypatch.setattr(list_making, "_deliver", answered_before)
    work(service)

    # She stands on it with the wrong value, and nobody told Genk: so it is not given.
    path = f"/lijsten/{asked.json()['lijstId']}"
    state = (await service.ask(GENK, path, scopes=(LIST,))).json()["status"]["state"]
    assert (state, sorted(told(service, id_))) == ("failed", [CITY])


async def test_a_value_that_two_report_is_told_of_once(service_on_each: Service) -> None:
    service = service_on_each
    here, there = received(service, CITY), received(service, GENK)
    other = received(service, FUND)
    first, second = await reported(service, here), await reported(service, there, GENK)

    corrected(service, first)
    assert told(service, first) == {CITY: [here], GENK: [there], FUND: [other]}
    corrected(service, second)
    assert told(service, second) == {GENK: [there]}  # its own report is answered
    # What was received since is told of.
    new = received(service, FUND)
    corrected(service, third := await reported(service, here, referte="later"))
    assert told(service, third) == {CITY: [here], FUND: [new]}


async def test_a_report_that_comes_once_more_is_the_same_one(service_on_each: Service) -> None:
    service = service_on_each
    here = received(service, CITY)
    first = await reported(service, here)
    service.clock.forward(seconds=5)

    assert await reported(service, here) == first
    assert await reported(service, here, referte="m-2") != first
    with service.office.database.reading() as session:
        assert len(notices.every_notice(session)) == 2


async def test_a_key_of_another_month_leaves_nobody_out(service_on_each: Service) -> None:
    service = service_on_each
    received(service, GENK)
    later(service, 30)
    id_ = await reported(service, received(service, CITY))
    keys = service.settings.month_keys
    assert keys
    june = keys / "2026-06.key"
    true = june.read_text()
    june.write_text("ab" * 32 + "\n")

    with pytest.raises(MonthKeyMissing, match=r"2026-06\.key does not open"):
        corrected(service, id_)
    assert told(service, id_) == {}
    june.unlink()
    with service.office.database.reading() as session:
        assert receivers.unknown_months(session, service.office.keys) == ["2026-06"]
    june.write_text(true)
    corrected(service, id_)
    assert sorted(told(service, id_)) == [GENK, CITY]


async def test_who_may_ask_no_longer_still_reports_and_is_told(service: Service) -> None:
    agreement = Agreement("voorbeeldstad-2026", "1", read_hash(service), None)
    received(service, "zorgkas-weg", agreement=agreement)
    body = {
        "protocol": "voorbeeldstad-2026",
        "soort": "incident",
        "vastgesteldOp": "2026-06-01T09:00:00Z",
        "omschrijving": "een laptop",
        "referte": "i",
    }
    answer = await service.ask("zorgkas-weg", "/meldingen/incidenten", body, scopes=(REPORT,))
    assert answer.status_code == 201, answer.text
    never = await service.ask("zorgkas-nooit", "/meldingen/incidenten", body, scopes=(REPORT,))
    assert never.status_code == 403

    found = Discovery(
        "voorbeeldstad-2026", IncidentKind.INCIDENT, NOW, "een lek", organisations=["zorgkas-weg"]
    )
    _, concerned = answering.open_incident(service.office, found, service.clock.now)
    assert concerned == ["zorgkas-weg"]


def read_hash(service: Service) -> str:
    with service.office.database.reading() as session:
        clause = protocols.read_register(session).covering(
            CITY, "lokaalIntegratiebeleid", brussels_date(NOW)
        )
    assert clause
    return clause.hash
