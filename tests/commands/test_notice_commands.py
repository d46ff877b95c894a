"""`protocolpoort notice` and `incident`: what an official types, sees, and leaves in the log."""

import asyncio
import base64
import json
from collections.abc import AsyncIterator, Callable
from pathlib import Path
from typing import Any

import pytest
from programs import PATIENCE, Ended, Within, free_port, run, started
from receiving import receiving
from service import CITY, GENK, REPORT, Service, make_service

from app.demo_persons import RESIDENT_WITH_CERTIFICATE
from app.deps import read_clock
from app.moments import brussels_date, rfc3339

FIELD = "attest.inburgeringBehaald"
SECRET = "whsec_" + base64.b64encode(bytes(32)).decode()
NOBODYS = "0192f3a1-af71-7e8d-a062-5e91318fbd44"


@pytest.fixture
async def poort(own_folder: Path) -> AsyncIterator[Service]:
    """The service of today, where the commands of a demo look for it."""
    (own_folder / "var").mkdir()
    url = f"sqlite:///{own_folder}/var/protocolpoort.db"
    made = make_service(url, own_folder / "var", now=read_clock(), persons=60)
    yield made
    await made.close()


@pytest.fixture
def command(
    poort: Service, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Within:
    """Commands on the database of the service."""
    return Within(monkeypatch, capfd)


async def reported(service: Service, **body: Any) -> str:
    """A report of a wrong value in a dossier of the city; its id."""
    given = await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
    today = brussels_date(service.clock.now).isoformat()
    report = {
        "toegangId": given.json()["id"],
        "soort": "foutief",
        "veld": FIELD,
        "toelichting": "zij toonde een ander attest",
        "vastgesteldOp": today,
        "referte": "melding-1",
        **body,
    }
    answer = await service.ask(CITY, "/meldingen/gegevenskwaliteit", report, scopes=(REPORT,))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


async def incident(service: Service, **body: Any) -> str:
    report = {
        "doeleinde": "lokaalIntegratiebeleid",
        "soort": "incident",
        "vastgesteldOp": "2026-06-01T08:00:00Z",
        "omschrijving": "een gestolen sleutel",
        "referte": "melding-2",
        **body,
    }
    answer = await service.ask(CITY, "/meldingen/incidenten", report, scopes=(REPORT,))
    assert answer.status_code == 201, answer.text
    return str(answer.json()["id"])


def says_no_number(*ended: Ended) -> bool:
    return not any(RESIDENT_WITH_CERTIFICATE.digits in one.out + one.err for one in ended)


async def test_a_report_is_listed_shown_and_answered(poort: Service, command: Within) -> None:
    id_ = await reported(poort)

    before = command("notice", "list", "--json")
    shown = command("notice", "show", id_.upper())
    answered = command(
        "notice", "answer", id_, "--outcome", "corrected", "--text", "hersteld", "--actor", "jan"
    )
    after = command("notice", "list")

    [row] = json.loads(before.out)
    assert (row["id"], row["organisatie"], row["toestand"]) == (id_, CITY, "ontvangen")
    assert (row["veld"], row["uitkomst"], row["kennisgevingen"]) == (FIELD, None, {})
    assert "toelichting: zij toonde een ander attest\n" in shown.out
    assert "protocol: voorbeeldstad-2026 1\n" in shown.out
    assert (answered.code, answered.out) == (0, f"{CITY}\n")
    assert answered.err == "answered; 1 organisations are told\n"
    assert f"\tbeantwoord\tgecorrigeerd\t{CITY} (correctie): wacht\n" in after.out
    record = next(one for one in poort.records() if one["operation"] == "noticeAnswer")
    assert record["user"] == poort.office.keys.at(read_clock()).hide("user", "jan")
    assert says_no_number(before, shown, answered, after)


async def test_an_answer_is_given_once(poort: Service, command: Within) -> None:
    id_ = await reported(poort)
    said = ("notice", "answer", id_, "--outcome", "confirmed", "--text", "klopt")
    command(*said)

    again = command(*said)

    assert (again.code, again.out) == (1, "")
    assert again.err == "nothing was changed: it is answered already: nobody is told twice\n"


async def test_only_what_is_past_its_term_is_overdue(poort: Service, command: Within) -> None:
    id_ = await reported(poort)
    fresh = command("notice", "list", "--overdue")
    with poort.office.database.writing() as session:
        session.connection().exec_driver_sql("UPDATE notice SET due_on = '2026-01-01'")

    late = command("notice", "list", "--overdue", "--json")

    assert (fresh.out, fresh.err) == ("", "0 reports\n")
    assert [row["id"] for row in json.loads(late.out)] == [id_]


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("notice", "show", NOBODYS), 1, "there is no report with this id\n"),
        (("incident", "show", NOBODYS), 1, "there is no incident with this id\n"),
        (
            ("notice", "answer", NOBODYS, "--outcome", "corrected", "--text", "x"),
            1,
            "nothing was changed: there is no report with this id\n",
        ),
        (
            ("incident", "close", NOBODYS, "--text", "x"),
            1,
            "nothing was changed: there is no incident with this id\n",
        ),
        (
            (
                "incident",
                "open",
                "--protocol",
                "x",
                "--found",
                "2026-06-01T08:00:00Z",
                "--text",
                "x",
            ),
            1,
            "nothing was changed: no protocol of the register has this id\n",
        ),
        (
            ("notice", "deliver"),
            3,
            "PROTOCOLPOORT_WEBHOOKS must name the file of the webhooks\n",
        ),
    ],
)
async def test_what_cannot_be_is_said_and_changes_nothing(
    poort: Service, command: Within, arguments: tuple[str, ...], code: int, said: str
) -> None:
    ended = command(*arguments)

    assert ended == Ended(code, "", said)
    assert poort.records() == []


@pytest.mark.parametrize(
    "arguments",
    [
        ("notice", "answer", NOBODYS, "--outcome", "gecorrigeerd", "--text", "x"),
        ("notice", "answer", NOBODYS, "--outcome", "corrected", "--text", "90.72.25-014.78"),
        ("incident", "update", NOBODYS, "--text", "90722501478"),
        ("incident", "open", "--protocol", "avsb-2021", "--found", "gisteren", "--text", "x"),
        (
            *("incident", "open", "--protocol", "avsb-2021", "--found", "2026-06-01T08:00:00Z"),
            *("--text", "x", "--from", "2026-06-01T08:00:00Z", "--to", "2026-05-01T08:00:00Z"),
        ),
    ],
)
async def test_wrong_usage_is_refused(
    poort: Service, command: Within, arguments: tuple[str, ...]
) -> None:
    ended = command(*arguments)

    assert (ended.code, ended.out) == (2, "")
    assert "90722501478" not in ended.err
    assert poort.records() == []


async def test_incidents_are_listed_with_their_term_and_followed(
    poort: Service, command: Within
) -> None:
    late = await incident(poort)
    attempt = await incident(poort, soort="poging", vastgesteldOp=rfc3339(poort.clock.now))

    every = json.loads(command("incident", "list", "--json").out)
    overdue = json.loads(command("incident", "list", "--overdue", "--json").out)
    updated = command("incident", "update", late, "--text", "sleutel ingetrokken")
    closed = command("incident", "close", late, "--text", "klaar")
    again = command("incident", "update", late, "--text", "nog")
    shown = command("incident", "show", late)
    as_json = json.loads(command("incident", "show", late, "--json").out)

    assert {row["id"]: row["opTijd"] for row in every} == {late: "nee", attempt: "ja"}
    assert [row["id"] for row in overdue] == [late]
    assert (updated.err, closed.err) == (
        "the incident is inOnderzoek\n",
        "the incident is gesloten\n",
    )
    assert (again.code, again.err) == (1, "nothing was changed: it is closed already\n")
    assert "omschrijving: een gestolen sleutel\n" in shown.out
    assert "opvolging: klaar\n" in shown.out
    assert "; Voorbeeldstad - privacy@voorbeeldstad.example\n" in shown.out
    assert as_json[0]["kennisgevingen"] == {f"{CITY} (incidentGesloten)": "wacht"}
    text = command("incident", "list").out
    assert f"\tgesloten\t{CITY} (incidentGesloten): wacht\n" in text


async def test_the_agency_reports_an_incident_itself(poort: Service, command: Within) -> None:
    opened = command(
        *(
            "incident",
            "open",
            "--protocol",
            "genk-2021",
            "--kind",
            "attempt",
            "--text",
            "een poging",
        ),
        *("--found", "2026-06-01T08:00:00Z", "--client", "genk-app"),
        *("--from", "2026-05-01T08:00:00Z", "--to", "2026-05-02T08:00:00Z"),
    )

    assert (opened.code, opened.err) == (0, f"1 organisations are told: {GENK}\n")
    [row] = json.loads(command("incident", "list", "--json").out)
    assert (row["id"], row["soort"], row["gemeldDoor"]) == (
        opened.out.strip(),
        "poging",
        "agentschap",
    )
    assert row["kennisgevingen"] == {f"{GENK} (incident)": "wacht"}


async def test_news_is_delivered_from_the_file_of_the_operator(
    poort: Service, command: Within, own_folder: Path
) -> None:
    id_ = await reported(poort)
    command("notice", "answer", id_, "--outcome", "confirmed", "--text", "klopt")
    file = own_folder / "webhooks.json"
    url = f"http://127.0.0.1:{free_port()}/nieuws"
    file.write_text(json.dumps({CITY: {"url": url, "secret": SECRET}}))

    # Programs of their own: within this one a loop runs already.
    first = run(own_folder, "notice", "deliver", WEBHOOKS=str(file))
    second = run(own_folder, "notice", "deliver", "--json", WEBHOOKS=str(file))

    assert (first.code, first.err) == (1, "1 attempts, 1 failed\n")
    assert first.out.endswith(f"\t{CITY}\tgeen verbinding (ConnectError)\n")
    assert (second.code, second.out, second.err) == (0, "[]\n", "0 attempts, 0 failed\n")
    assert "1 poging: geen verbinding (ConnectError)" in command("notice", "list").out


async def test_a_delivery_that_is_killed_is_done_again_and_recorded_once(
    poort: Service, command: Within, own_folder: Path
) -> None:
    id_ = await reported(poort)
    command("notice", "answer", id_, "--outcome", "confirmed", "--text", "klopt")
    file = own_folder / "webhooks.json"
    with receiving() as receiver:
        file.write_text(json.dumps({CITY: {"url": receiver.url, "secret": SECRET}}))
        receiver.waits = 30
        with started(own_folder, "notice", "deliver", WEBHOOKS=str(file)) as program:
            await until(lambda: bool(receiver.got))
            program.kill()
        cut_off = [one for one in poort.records() if one["operation"] == "noticeDeliver"]
        receiver.waits = 0
        during = run(own_folder, "notice", "deliver", WEBHOOKS=str(file))
        with poort.office.database.writing() as session:  # as when the lease has ended
            session.connection().exec_driver_sql("UPDATE notification SET next_at = created_at")
        after = run(own_folder, "notice", "deliver", WEBHOOKS=str(file))

    assert cut_off == []
    assert (during.err, after.err) == ("0 attempts, 0 failed\n", "1 attempts, 0 failed\n")
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert [one["operation"] for one in poort.records()].count("noticeDeliver") == 1


async def until(holds: Callable[[], bool]) -> None:
    """Wait for something that another program does."""
    for _ in range(PATIENCE * 10):
        if holds():
            return
        await asyncio.sleep(0.1)
    pytest.fail("it did not happen")


@pytest.mark.parametrize("content", [None, "{", "\u00e9", '{"x": {}}'])
async def test_a_file_of_webhooks_that_is_none_is_said(
    poort: Service, command: Within, own_folder: Path, content: str | None
) -> None:
    file = own_folder / "webhooks.json"
    if content is not None:
        file.write_bytes(content.encode("latin-1"))

    ended = command("notice", "deliver", WEBHOOKS=str(file))

    assert (ended.code, ended.out) == (3, "")
    assert ended.err.startswith("PROTOCOLPOORT_WEBHOOKS")


async def test_a_demo_webhook_is_refused_in_production(
    poort: Service, command: Within, own_folder: Path
) -> None:
    file = own_folder / "webhooks.json"
    file.write_text(json.dumps({CITY: {"url": "http://127.0.0.1:9/x", "secret": SECRET}}))

    ended = command("notice", "deliver", WEBHOOKS=str(file), MODE="production")

    said = "PROTOCOLPOORT_WEBHOOKS: voorbeeldstad: url must be an https address without a user\n"
    assert ended == Ended(3, "", said)
