"""The commands. Data on stdout, messages on stderr; exit 0 ok, 1 failed, 2 usage, 3 set-up."""

import json
import sys
from collections.abc import Iterable, Mapping
from dataclasses import asdict
from datetime import datetime, timedelta
from pathlib import Path
from typing import Annotated

import typer
import uvicorn
from sqlalchemy.exc import SQLAlchemyError

from app import (
    administration,
    database,
    demo,
    doctor,
    intake,
    main,
    own_advice,
    protocols,
    roles,
)
from app.answering import NoticeRefused
from app.console import (
    CONFIGURATION,
    FAILED,
    Actor,
    AsJson,
    FromStdin,
    NeededReason,
    day,
    give,
    give_rows,
    insz_from_stdin,
    moment,
    note,
    office,
    progress,
    ready_database,
    say,
    settings,
)
from app.database import Database
from app.demo_persons import demo_persons
from app.deps import read_clock
from app.doctor import Level
from app.errors import ClockBehind, LogUnavailable
from app.intake import Delivery, Report, Skipped, Stored
from app.list_commands import lists, recipient
from app.log_commands import log
from app.log_keys import KeyUnfit, LogRewritten, vkeys
from app.moments import rfc3339
from app.month_keys import MonthKeyMissing
from app.notation import DocumentInvalid
from app.notice_commands import incident, notice
from app.obligation import CURRENT, RULE_SETS, Profile
from app.own_advice import AdviceRefused, Asked
from app.protocols import RegisterRefused
from app.pruning import PruningRefused
from app.register_commands import protocol, protocol_files, report_faults
from app.retention_commands import retention_group
from app.serving import SERVER
from app.settings import SettingInvalid
from app.tokens import DemoIssuer, IssuersInvalid
from app.vdab import ExchangeRefused
from app.vdab_commands import vdab

app = typer.Typer(
    name="protocolpoort",
    help="The signed protocol is the access policy; every access is evidence.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,  # a traceback with local variables would show national numbers
)
db = typer.Typer(help="The schema of the database.", no_args_is_help=True)
kbi = typer.Typer(help="Answers of the Kruispuntbank Inburgering.", no_args_is_help=True)
register = typer.Typer(help="The register of persons.", no_args_is_help=True)
token = typer.Typer(help="Tokens of the demo issuer.", no_args_is_help=True)
clock = typer.Typer(help="The time that records are dated by.", no_args_is_help=True)
keys = typer.Typer(help="The month keys of the access log.", no_args_is_help=True)
for name, group in {
    "db": db,
    "protocol": protocol,
    "kbi": kbi,
    "register": register,
    "token": token,
    "keys": keys,
    "clock": clock,
    "log": log,
    "recipient": recipient,
    "lists": lists,
    "retention": retention_group,
    "notice": notice,
    "incident": incident,
    "vdab": vdab,
}.items():
    app.add_typer(group, name=name)


# How a command ends that something keeps from its work: what is said of it, and the exit code.
ENDS: Mapping[type[Exception], tuple[str, int]] = {
    AdviceRefused: ("{0}", FAILED),
    RegisterRefused: ("{0}", FAILED),
    ExchangeRefused: ("refused: {0}", FAILED),
    NoticeRefused: ("nothing was changed: {0}", FAILED),
    database.UpgradeRefused: ("nothing was changed: {0}", FAILED),
    PruningRefused: ("nothing was changed: {0}", CONFIGURATION),
    roles.RoleUnfit: ("nothing was changed: {0}", CONFIGURATION),
    SettingInvalid: ("{0}", CONFIGURATION),
    main.NotReady: ("{0}", CONFIGURATION),
    MonthKeyMissing: ("{0}", CONFIGURATION),
    IssuersInvalid: ("{0}", CONFIGURATION),
    KeyUnfit: ("{0}", CONFIGURATION),
    ClockBehind: (
        "nothing was changed: the clock of this machine stands before the newest record of the "
        "log. Set the clock right; or, when that record was dated by a clock that ran ahead, run "
        "`protocolpoort clock accept`",
        CONFIGURATION,
    ),
    LogRewritten: ("the access log does not hold: {0}", CONFIGURATION),
    LogUnavailable: ("nothing was changed: the access log takes no record", CONFIGURATION),
    DocumentInvalid: (
        "the register holds a document that this version cannot read: run `doctor`",
        CONFIGURATION,
    ),
    OSError: ("this machine refuses: {0}", CONFIGURATION),
    OverflowError: ("this machine refuses: {0}", CONFIGURATION),
    SQLAlchemyError: (
        "the database does not answer as it should: {0.__class__.__name__}",
        CONFIGURATION,
    ),
}


def run() -> None:
    """Run a command; what the operator can mend, or what is refused, is one line."""
    try:
        app()
    except tuple(ENDS) as error:
        text, code = next(ENDS[kind] for kind in type(error).mro() if kind in ENDS)
        say(text.format(error))
        sys.exit(code)


@app.command()
def serve(
    host: str = "127.0.0.1", port: int = 8000, workers: Annotated[int, typer.Option(min=1)] = 1
) -> None:
    """Serve the API."""
    main.create_app()  # what is wrong with the set-up is said here, once, and not by each worker
    uvicorn.run(
        "app.main:create_app",
        factory=True,
        host=host,
        port=port,
        workers=workers,
        timeout_worker_healthcheck=60,  # seconds; a worker that still imports is not a dead one
        **SERVER,
    )


@app.command("demo")
def run_demo(persons: Annotated[int, typer.Option(min=3)] = 2000, port: int = 8000) -> None:
    """Serve synthetic persons on 127.0.0.1 and print what to try."""
    chosen = settings()
    if chosen.production:
        raise SettingInvalid("the demo runs with PROTOCOLPOORT_MODE=demo only")
    try:
        listener = demo.listen(port)
    except demo.PortTaken:
        say(f"port {port} of 127.0.0.1 is taken: choose another one with PORT=")
        raise typer.Exit(FAILED) from None
    desk = office()
    sources, faults = protocols.read_files(protocol_files(chosen.protocols))
    if faults:
        raise typer.Exit(report_faults(faults))
    administration.load(desk, sources, read_clock())
    say(f"{persons} synthetic persons ...")
    demo.fill(desk, demo_persons(persons), read_clock())
    service = main.create_app(chosen)
    with desk.database.reading() as session:
        vkey = vkeys(session)[0].text
    issuer = DemoIssuer.load_or_create(main.DEMO_ISSUER_KEY, chosen.mode)

    def announce() -> None:
        give(f"# Protocolpoort op http://127.0.0.1:{port}/ (Ctrl-C stopt)")
        for title, line in demo.lines_to_paste(issuer, port, vkey, read_clock()):
            give(f"\n# {title}\n{line}")

    demo.serve(service, listener, announce)


@app.command("doctor")
def run_doctor(as_json: AsJson = False) -> None:
    """Say what is wrong with the set-up and what to do; exit 1 for an error."""
    findings = doctor.examine(settings(), read_clock())
    give_rows([asdict(finding) for finding in findings], as_json=as_json)
    say(f"{len(findings)} findings")
    raise typer.Exit(FAILED if any(one.level is Level.ERROR for one in findings) else 0)


@db.command("upgrade")
def db_upgrade() -> None:
    """Bring the schema to the newest revision."""
    database.upgrade(settings().database_url)
    say("the database is up to date")


@db.command("check")
def db_check() -> None:
    """Exit 0 when the schema is the newest, 1 when not."""
    if database.is_current(Database(settings().database_url)):
        say("the database is up to date")
        return
    say("the database is not up to date: run `protocolpoort db upgrade`")
    raise typer.Exit(FAILED)


@db.command("grant")
def db_grant(role: str) -> None:
    """Give a login role of PostgreSQL what the service needs and no more; run it as the owner."""
    opened = ready_database(settings())
    with opened.writing() as session:
        roles.grant(session, role)
    say(f"{role} has what the service needs, and no more: let PROTOCOLPOORT_DATABASE_URL name it")


@app.command("advise")
def run_advise(
    _source: FromStdin,
    on: Annotated[str, typer.Option("--on", metavar="D", help="The test date.")],
    purpose: Annotated[
        str, typer.Option(help="The purpose code: it gives the profile.", callback=note)
    ],
    profile: Annotated[Profile | None, typer.Option(help="Another profile.")] = None,
    known: Annotated[
        str | None,
        typer.Option("--as-known-at", metavar="MOMENT", help="RFC 3339, as in an answer."),
    ] = None,
    rules: Annotated[str, typer.Option(help="Version of the rule set.")] = CURRENT.version,
    as_json: AsJson = False,
    actor: Actor = None,
) -> None:
    """Advise the agency's own staff, with the explanation; it is logged like any other advice.

    Exit 1 when no advice can be given.
    """
    if rules not in RULE_SETS:
        raise typer.BadParameter(f"--rules must be one of {', '.join(RULE_SETS)}")
    asked = Asked(
        insz_from_stdin(),
        purpose,
        day("--on", on),
        profile,
        moment("--as-known-at", known) if known else None,
        RULE_SETS[rules],
    )
    chosen = settings()
    if chosen.production and asked.insz.is_test:
        raise typer.BadParameter("a test number, which production does not take")
    explanation = own_advice.advise(office(actor), asked, chosen.max_data_age, read_clock())
    give(json.dumps(explanation, ensure_ascii=False) if as_json else explanation["tekst"])
    raise typer.Exit(FAILED if explanation["uitkomst"] == "GEEN_ADVIES" else 0)


@clock.command("accept")
def clock_accept(reason: NeededReason, actor: Actor = None) -> None:
    """Take the clock as it stands, after one that ran ahead dated a record in the future."""
    administration.accept_clock(office(actor), reason, read_clock())
    say("records are dated by the clock of this machine again")


@kbi.command("import")
def kbi_import(
    paths: list[Path],
    complete: Annotated[
        bool,
        typer.Option(
            "--volledig", help="This delivery is complete: who is not in it has no dossier."
        ),
    ] = False,
) -> None:
    """Store MAGDA GeefDossierKBI-01.00 answers: XML files, or folders of them."""
    missing = [path for path in paths if not path.exists()]
    if missing:
        raise typer.BadParameter(f"{missing[0]} does not exist")
    if complete and (left := intake.strays(paths)):
        rule = "is no .xml file and would be passed over: a complete delivery holds nothing else"
        raise typer.BadParameter(f"--volledig: {left} of what stands in the folder {rule}")
    files = intake.answer_files(paths)
    desk, production = office(), settings().production
    reports = intake.import_answers(
        desk.database, files, read_clock, production=production, complete=complete
    )
    raise typer.Exit(follow(reports, len(files), "answers"))


@register.command("import")
def register_import(file: Annotated[Path, typer.Argument(exists=True, dir_okay=False)]) -> None:
    """Store residences, memberships, participations, consents and contact data (JSON Lines)."""
    desk, production = office(), settings().production
    with file.open(encoding="utf-8", errors="surrogateescape") as lines:
        reports = intake.import_lines(desk.database, lines, read_clock, production=production)
        code = follow(reports, None, "lines")
    raise typer.Exit(code)


@token.command("issue")
def token_issue(
    organisation: Annotated[str, typer.Option()],
    client: Annotated[str, typer.Option()],
    scope: Annotated[str, typer.Option(help="Scopes, separated by spaces.")],
    ttl: Annotated[int, typer.Option(min=1, max=28800, help="Seconds.")] = 28800,
) -> None:
    """Print a token of the demo issuer, alone on one line."""
    issuer = DemoIssuer.load_or_create(main.DEMO_ISSUER_KEY, settings().mode)
    give(issuer.issue(organisation, client, scope.split(), read_clock(), timedelta(seconds=ttl)))


@token.command("citizen")
def token_citizen(_source: FromStdin) -> None:
    """Print a token of the demo issuer for one person, alone on one line."""
    issuer = DemoIssuer.load_or_create(main.DEMO_ISSUER_KEY, settings().mode)
    give(issuer.issue_citizen(insz_from_stdin(), read_clock()))


@keys.command("create")
def keys_create(months: Annotated[int, typer.Option(min=1, max=120)] = 3) -> None:
    """Make the missing month keys, from this month on."""
    made = main.month_keys(settings()).create(read_clock(), months)
    say(f"{len(made)} month keys made: {', '.join(made) or 'none was missing'}")


def follow(reports: Iterable[Report], total: int | None, what: str) -> int:
    """Show the progress of an import and name what was skipped; the exit code."""
    stored = unchanged = skipped = 0
    undeclared = False
    with progress(what, total) as advance:
        for done, report in enumerate(reports, start=1):
            advance(done)
            if isinstance(report, Stored) and report.warnings:
                say(f"{report.name}: stored; the source warns ({', '.join(report.warnings)})")
            match report:
                case Stored(new=True):
                    stored += 1
                case Stored():
                    unchanged += 1
                case Skipped():
                    skipped += 1
                    say(f"{report.name}: {report.rule}")
                case Delivery(fetched_at=datetime() as oldest):
                    say(f"the delivery is complete, as of {rfc3339(oldest)}")
                case Delivery():
                    undeclared = True
                    say(f"the delivery is not declared complete: {report.rule}")
    say(f"{what}: {stored} stored, {unchanged} unchanged, {skipped} skipped")
    return FAILED if skipped or undeclared else 0


if __name__ == "__main__":
    run()
