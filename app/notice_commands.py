"""The commands of the notices: `protocolpoort notice ...` and `protocolpoort incident ...`."""

import asyncio
from enum import StrEnum
from typing import Annotated, Any

import typer
from sqlmodel import Session

from app import answering, delivering, main, notice_rules, notice_view, notices, receivers
from app.answering import Discovery
from app.console import (
    FAILED,
    Actor,
    Advance,
    AsJson,
    give,
    give_rows,
    moment,
    note,
    office,
    progress,
    ready_database,
    say,
    settings,
)
from app.delivering import Attempt
from app.deps import read_clock
from app.moments import brussels_date
from app.notice_rules import IncidentKind, IncidentState, State
from app.notices import Incident, Notice
from app.settings import SettingInvalid
from app.webhooks import MAXIMUM, Webhook, WebhooksInvalid, read_webhooks

notice = typer.Typer(help="Reports of wrong data, and what is told of them.", no_args_is_help=True)
incident = typer.Typer(help="Incidents that were reported, or found here.", no_args_is_help=True)

Id = Annotated[str, typer.Argument(metavar="ID")]
Text = Annotated[str, typer.Option(help="What was found; the receiver reads it.", callback=note)]
Overdue = Annotated[bool, typer.Option("--overdue", help="Only what is past its term.")]


class Outcome(StrEnum):
    """What the agency found, as it is typed."""

    CORRECTED = "corrected"
    CONFIRMED = "confirmed"
    UNDETERMINED = "undetermined"


class Kind(StrEnum):
    """What kind of incident, as it is typed."""

    INCIDENT = "incident"
    ATTEMPT = "attempt"


@notice.command("list")
def notice_list(overdue: Overdue = False, as_json: AsJson = False) -> None:
    """Every report of wrong data, with who was told and how far that came."""
    today = brussels_date(read_clock())
    with ready_database(settings()).reading() as session:
        rows = [
            _row(session, one, as_json=as_json)
            for one in notices.every_notice(session)
            if not overdue or notice_rules.answer_overdue(State(one.state), one.due_on, today)
        ]
    give_rows(rows, as_json=as_json)
    say(f"{len(rows)} reports")


def _row(session: Session, one: Notice, *, as_json: bool) -> dict[str, Any]:
    shown = notice_view.data_report(one)
    names = ("veld", "vastgesteldOp", "ontvangenOp", "uiterlijkOp", "toestand", "uitkomst")
    return {
        "id": one.id,
        "soort": one.kind,
        "organisatie": one.organisation,
        "protocol": one.protocol,
        **{name: shown.get(name) for name in names},
        "kennisgevingen": _told(session, one.id, as_json=as_json),
    }


def _told(session: Session, about: str, *, as_json: bool) -> Any:
    """Who was told, and how far that came."""
    told = {
        f"{row.organisation} ({row.event})": notice_view.standing(row)
        for row in notices.told_of(session, about)
    }
    return told if as_json else "; ".join(f"{who}: {how}" for who, how in told.items())


@notice.command("show")
def notice_show(id_: Id, as_json: AsJson = False) -> None:
    """One report with all that it says; whom it is about is told by `onthulling` alone."""
    with ready_database(settings()).reading() as session:
        _show(session, notices.find_notice(session, id_.lower()), "report", as_json=as_json)


def _show(session: Session, found: Notice | Incident | None, what: str, *, as_json: bool) -> None:
    if found is None:
        say(f"there is no {what} with this id")
        raise typer.Exit(FAILED)
    said = (
        notice_view.data_report(found)
        if isinstance(found, Notice)
        else notice_view.incident_report(found)
    )
    shown = {
        "organisatie": found.organisation,
        **said,
        "kennisgevingen": _told(session, found.id, as_json=as_json),
    }
    if as_json:
        give_rows([shown], as_json=True)
        return
    for name, value in shown.items():
        give(f"{name}: {_words(name, value)}")


def _words(name: str, value: Any) -> str:
    """A value on one line, also where it has parts."""
    if name == "protocol":
        return f"{value['id']} {value['versie']}"
    if name == "teVerwittigen":
        return "; ".join(" - ".join(one.values()) for one in value)
    return str(value)


@notice.command("answer")
def notice_answer(
    id_: Id,
    outcome: Annotated[Outcome, typer.Option(help="What was found.")],
    text: Text,
    actor: Actor = None,
) -> None:
    """Answer a report. When the value was wrong, everybody who received it is told, once."""
    desk, found = office(actor), notice_rules.Outcome[outcome.name]
    told = answering.answer(desk, id_.lower(), found, text, read_clock())
    for organisation in told:
        give(organisation)
    say(f"answered; {len(told)} organisations are told")
    with desk.database.reading() as session:
        for month in receivers.unknown_months(session, desk.keys):
            say(f"  of {month} nobody can say any more who received what: its key is gone")


@notice.command("deliver")
def notice_deliver(as_json: AsJson = False, actor: Actor = None) -> None:
    """Announce to the webhooks what nobody fetched yet; exit 1 when an attempt failed.

    What failed is tried again by a later run, ever less often.
    """
    receivers, desk = _webhooks(), office(actor)
    ended: list[Attempt] = []

    async def run(advance: Advance) -> None:
        def done(attempt: Attempt) -> None:
            ended.append(attempt)
            advance(len(ended))

        async with delivering.new_client() as client:
            await delivering.deliver(desk, receivers, read_clock, client, done)

    with progress("sent") as advance:
        asyncio.run(run(advance))
    rows = [
        {"kennisgeving": one.id, "organisatie": one.organisation, "resultaat": one.result}
        for one in ended
    ]
    give_rows(rows, as_json=as_json)
    failed = sum(not one.arrived for one in ended)
    say(f"{len(ended)} attempts, {failed} failed")
    if failed:
        raise typer.Exit(FAILED)


def _webhooks() -> dict[str, Webhook]:
    """The webhooks of the operator's file."""
    chosen = settings()
    file = main.needed("WEBHOOKS", chosen.webhooks, "the file of the webhooks")
    try:
        with file.open("rb") as given:
            text = given.read(MAXIMUM + 1).decode("utf-8")
        return read_webhooks(text, production=chosen.production)
    except (OSError, UnicodeDecodeError):
        raise SettingInvalid("PROTOCOLPOORT_WEBHOOKS cannot be read") from None
    except WebhooksInvalid as invalid:
        raise SettingInvalid(f"PROTOCOLPOORT_WEBHOOKS: {invalid}") from None


@incident.command("list")
def incident_list(
    overdue: Annotated[
        bool, typer.Option("--overdue", help="Only what was reported after its term.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Every incident: whether it came in time, how far it is, and who was told."""
    with ready_database(settings()).reading() as session:
        rows = [
            _incident_row(session, one, as_json=as_json)
            for one in notices.every_incident(session)
            if not overdue or one.in_time is False
        ]
    give_rows(rows, as_json=as_json)
    say(f"{len(rows)} incidents")


def _incident_row(session: Session, one: Incident, *, as_json: bool) -> dict[str, Any]:
    shown = notice_view.incident_report(one)
    in_time = {None: None, True: "ja", False: "nee"}[one.in_time]
    names = ("soort", "gemeldDoor", "vastgesteldOp", "gemeldOp", "uiterlijkOp")
    return {
        "id": one.id,
        "organisatie": one.organisation,
        "protocol": one.protocol,
        **{name: shown.get(name) for name in names},
        "verplicht": "ja" if one.obliged else "nee",
        "opTijd": in_time,
        "toestand": one.state,
        "kennisgevingen": _told(session, one.id, as_json=as_json),
    }


@incident.command("show")
def incident_show(id_: Id, as_json: AsJson = False) -> None:
    """One incident with all that it says, and who is to be told of it."""
    with ready_database(settings()).reading() as session:
        _show(session, notices.find_incident(session, id_.lower()), "incident", as_json=as_json)


@incident.command("open")
def incident_open(
    protocol: Annotated[str, typer.Option(help="The protocol whose data it is about.")],
    found: Annotated[str, typer.Option(metavar="MOMENT", help="When it was found; RFC 3339.")],
    text: Text,
    kind: Kind = Kind.INCIDENT,
    organisation: Annotated[
        list[str] | None, typer.Option(help="Only this receiver; may be repeated.")
    ] = None,
    client: Annotated[
        str | None, typer.Option(help="The client that was misused.", callback=note)
    ] = None,
    since: Annotated[str | None, typer.Option("--from", metavar="MOMENT")] = None,
    until: Annotated[str | None, typer.Option("--to", metavar="MOMENT")] = None,
    actor: Actor = None,
) -> None:
    """Report an incident of the agency itself to the receivers under a protocol."""
    discovery = Discovery(
        protocol,
        IncidentKind[kind.name],
        moment("--found", found),
        text,
        tuple(dict.fromkeys(organisation or ())),
        client,
        moment("--from", since) if since else None,
        moment("--to", until) if until else None,
    )
    if discovery.since and discovery.until and discovery.since > discovery.until:
        raise typer.BadParameter("--from lies after --to")
    id_, told = answering.open_incident(office(actor), discovery, read_clock())
    give(id_)
    say(f"{len(told)} organisations are told: {', '.join(told)}")


@incident.command("update")
def incident_update(id_: Id, text: Text, actor: Actor = None) -> None:
    """Say how far an incident is looked into, and which measures were taken."""
    _go_on(id_, IncidentState.EXAMINED, text, actor)


@incident.command("close")
def incident_close(id_: Id, text: Text, actor: Actor = None) -> None:
    """Close an incident with what came of it; who is concerned is told."""
    _go_on(id_, IncidentState.CLOSED, text, actor)


def _go_on(id_: str, state: IncidentState, text: str, actor: str | None) -> None:
    answering.go_on(office(actor), id_.lower(), state, text, read_clock())
    say(f"the incident is {state.value}")
