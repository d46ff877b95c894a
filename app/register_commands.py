"""The commands of the register: `protocolpoort protocol ...`."""

from collections.abc import Sequence
from dataclasses import asdict
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from app import administration, document_schema, protocols
from app.agreement import Document
from app.amendment import amendments
from app.console import (
    FAILED,
    Actor,
    AsJson,
    NeededReason,
    Reason,
    day,
    give,
    give_rows,
    office,
    ready_database,
    say,
    settings,
)
from app.deps import read_clock
from app.moments import brussels_date
from app.protocols import Change, FileFault

protocol = typer.Typer(help="The register of protocols.", no_args_is_help=True)

ProtocolId = Annotated[str, typer.Argument(metavar="ID")]


@protocol.command("validate")
def protocol_validate(files: list[Path]) -> None:
    """Check documents and lists; every fault with its file, place and rule."""
    sources, faults = protocols.read_files(files)
    for source in sources:
        say(f"{source.path}: valid")
    raise typer.Exit(report_faults(faults))


@protocol.command("load")
def protocol_load(
    folder: Annotated[Path | None, typer.Argument(metavar="DIR")] = None, actor: Actor = None
) -> None:
    """Put every complete document of DIR in force for its own dates, in one transaction."""
    chosen = settings()
    source = folder or chosen.protocols
    files, left_out = split_demo(source, production=chosen.production)
    for path in left_out:
        say(f"{path}: left out, it is for the demo only")
    if not files:
        say(f"{source}: no .yaml file to load")
        raise typer.Exit(FAILED)
    sources, faults = protocols.read_files(files)
    if faults:
        raise typer.Exit(report_faults(faults))
    report(administration.load(office(actor), sources, read_clock()))
    say(f"{len(sources)} files read")


@protocol.command("list")
def protocol_list(as_json: AsJson = False) -> None:
    """Every version in the register."""
    with ready_database(settings()).reading() as session:
        drafts = protocols.drafts(session)
        editions = protocols.read_register(session).editions(brussels_date(read_clock()))
    known: list[tuple[Document, str, date | None, date | None, str]] = [
        (document, "concept", document.first, None, hash_) for document, hash_ in drafts
    ]
    known += [(e.document, e.state.value, e.period.first, e.period.last, e.hash) for e in editions]
    rows = [
        {
            "id": document.id,
            "versie": document.version,
            "toestand": state,
            "geldigVan": first.isoformat() if first else None,
            "geldigTot": last.isoformat() if last else None,
            "hash": hash_,
        }
        for document, state, first, last, hash_ in known
    ]
    give_rows(sorted(rows, key=lambda row: (row["id"], row["geldigVan"])), as_json=as_json)


@protocol.command("diff")
def protocol_diff(
    old: Annotated[str, typer.Argument(metavar="A", help="A file, or ID@VERSION of the register.")],
    new: Annotated[str, typer.Argument(metavar="B")],
    as_json: AsJson = False,
) -> None:
    """Say in words what B grants or withdraws against A."""
    found = amendments(document_at(old), document_at(new))
    give_rows([asdict(amendment) for amendment in found], as_json=as_json)
    say(f"{len(found)} differences")


@protocol.command("schema")
def protocol_schema() -> None:
    """The JSON Schema of documents and lists, for an editor."""
    give(document_schema.as_text().rstrip("\n"))


@protocol.command("activate")
def protocol_activate(
    id_: ProtocolId,
    version: Annotated[str | None, typer.Option(help="Which draft; the newest without it.")] = None,
    reason: Reason = None,
    actor: Actor = None,
) -> None:
    """Put a draft in force for its own dates; refused while one of its contents is missing."""
    report(administration.activate(office(actor), id_, version, read_clock(), reason))


@protocol.command("suspend")
def protocol_suspend(id_: ProtocolId, reason: NeededReason, actor: Actor = None) -> None:
    """Suspend a protocol for every answer from now on."""
    report(administration.suspend(office(actor), id_, reason, read_clock()))


@protocol.command("resume")
def protocol_resume(id_: ProtocolId, reason: Reason = None, actor: Actor = None) -> None:
    """Lift the suspension of a protocol."""
    report(administration.resume(office(actor), id_, read_clock(), reason))


@protocol.command("end")
def protocol_end(
    id_: ProtocolId,
    date_: Annotated[
        str | None,
        typer.Option("--date", metavar="D", help="The last valid day; a past one ends it at once."),
    ] = None,
    notice: Annotated[
        str | None,
        typer.Option(metavar="D", help="The day of the notice: its term gives the last day."),
    ] = None,
    reason: Reason = None,
    actor: Actor = None,
) -> None:
    """End a protocol: after a notice, or at once when data were processed against it (art. 8)."""
    if (date_ is None) == (notice is None):
        raise typer.BadParameter("give either --date or --notice")
    last = day("--date", date_) if date_ else None
    given = day("--notice", notice) if notice else None
    report(
        administration.end(office(actor), id_, read_clock(), last=last, notice=given, reason=reason)
    )


@protocol.command("set")
def protocol_set(
    id_: ProtocolId,
    setting: Annotated[str, typer.Argument(metavar="NAME=VALUE")],
    purpose: Annotated[
        str | None, typer.Option(help="The purpose code; all purposes without it.")
    ] = None,
    reason: Reason = None,
    actor: Actor = None,
) -> None:
    """Settle what the text leaves open.

    rechtsgrondTot=D|geen, samenwerkingVan=D, bestandenVan=D, lijstdienstSinds=D.
    """
    name, _, value = setting.partition("=")
    if name == protocols.LEGAL_GROUND_END:
        last = None if value == protocols.NO_END else day(name, value)
        report(
            administration.settle_legal_ground(
                office(actor), id_, purpose, last, read_clock(), reason
            )
        )
        return
    if name not in protocols.STARTS or purpose is not None:
        names = ", ".join((f"{protocols.LEGAL_GROUND_END} (with --purpose)", *protocols.STARTS))
        raise typer.BadParameter(f"what can be set: {names}")
    since = day(name, value)
    report(administration.settle_start(office(actor), id_, name, since, read_clock(), reason))


def protocol_files(folder: Path) -> list[Path]:
    """The documents and lists in a folder and its subfolders."""
    return sorted(folder.rglob("*.yaml"))


def split_demo(folder: Path, *, production: bool) -> tuple[list[Path], list[Path]]:
    """The files of a folder; in production what stands in a folder `demo` below it is left out."""
    files = protocol_files(folder)
    demos = [path for path in files if production and "demo" in path.relative_to(folder).parts]
    return [path for path in files if path not in demos], demos


def report(changes: Sequence[Change]) -> None:
    """Say what an act on the register changed."""
    for change in changes:
        name = f"{change.protocol} {change.version}: " if change.protocol else ""
        when = f" {change.day}" if change.day else ""
        say(f"{name}{change.kind}{when}")
        for warning in change.warnings:
            say(f"  warning: {warning.place}: {warning.rule}")
    say(f"{len(changes)} changes")


def document_at(name: str) -> Document:
    """A document by its file, or by `ID@VERSION` from the register."""
    if Path(name).exists():
        sources, faults = protocols.read_files([Path(name)])
        if faults:
            raise typer.Exit(report_faults(faults))
        content = sources[0].content
        if isinstance(content, Document):
            return content
        raise typer.BadParameter(f"{name} is a list, not a protocol")
    id_, _, version = name.partition("@")
    with ready_database(settings()).reading() as session:
        rows = [row for row in protocols.versions_of(session, id_) if row.version == version]
        if rows:
            return protocols.document_of(rows[0])
    raise typer.BadParameter(f"{name} is no file and no ID@VERSION of the register")


def report_faults(faults: list[FileFault]) -> int:
    """Say every fault; the exit code."""
    for fault in faults:
        say(f"{fault.path}: {fault.place}: {fault.rule}")
    return FAILED if faults else 0
