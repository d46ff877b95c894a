"""The commands of the access log: its keys, its exports, and whether it is still what it was."""

import os
import signal
import sys
import tempfile
import time
from datetime import date, timedelta
from pathlib import Path
from typing import Annotated
from zipfile import BadZipFile

import httpx
import typer

from app import (
    administration,
    asking,
    demo,
    exports,
    log_check,
    log_search,
    log_tree,
    main,
    own_advice,
    pruning,
    unusual,
)
from app.administration import Office
from app.affected import COLUMNS, Summary, reached
from app.checkpoints import Published, published
from app.console import (
    CONFIGURATION,
    FAILED,
    Actor,
    AsJson,
    Reason,
    day,
    give,
    give_each,
    give_rows,
    moment,
    office,
    progress,
    ready_database,
    say,
    settings,
)
from app.deps import read_clock
from app.log_keys import KeyUnfit, LogRewritten, state_file, vkeys
from app.moments import brussels_date
from app.secret_files import write_over
from app.settings import Settings
from app.tlog import verifier, watch
from app.tlog.note import NoteInvalid, Vkey

FETCH_LIMIT = 64 * 1024  # bytes of a checkpoint or a tile
FETCH_SECONDS = 30  # that one of them may take
PATIENCE = 4  # turns of the signer, a second apart

Vkeys = Annotated[
    list[str] | None, typer.Option("--vkey", help="A public key of the log that you know.")
]

log = typer.Typer(help="The access log as evidence.", no_args_is_help=True)


@log.command("create-key")
def log_create_key() -> None:
    """Give a new log its key; on PostgreSQL as the owner of the tables."""
    desk = office()
    origin, path = main.log_settings(settings())
    try:
        vkey = administration.adopt_key(desk, origin, path, read_clock())
    except KeyUnfit as unfit:
        raise main.NotReady(f"nothing was changed: {unfit}") from None
    say(f"{path} signs this log: keep it and a copy of it apart from the database")
    give(vkey.text)


@log.command("rotate-key")
def log_rotate_key(reason: Reason = None, actor: Actor = None) -> None:
    """Sign with a new key from now on; the old one stays listed for what it signed.

    On PostgreSQL the owner of the tables does this, not the role of the service.
    """
    desk, chosen = office(actor), settings()
    origin, path = main.log_settings(chosen)
    _covering(chosen, desk, 0)  # what the old key vouches for must hold
    vkey = administration.rotate_key(desk, origin, path, read_clock(), reason)
    give(vkey.text)


@log.command("vkey")
def log_vkey() -> None:
    """Print the public keys of the log, one a line, current first."""
    with ready_database(settings()).reading() as session:
        for key in vkeys(session):
            give(key.text)


@log.command("verify")
def log_verify(
    file: Annotated[Path, typer.Argument(metavar="BUNDLE", exists=True)],
    vkey: Vkeys = None,
    older: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A checkpoint of before.")
    ] = None,
    manifest: Annotated[
        str | None, typer.Option(help="The manifestDigest in the record of the export.")
    ] = None,
    record: Annotated[
        Path | None,
        typer.Option(exists=True, dir_okay=False, help="BUNDLE is a .tlog-proof of this record."),
    ] = None,
) -> None:
    """Verify an export, without the service and its database; exit 1 when it is not intact.

    With --record verify the proof of one record: its bytes, or the answer of getToegang.
    """
    known = _keys_of(vkey) if vkey else None
    if record:
        if not known:
            raise typer.BadParameter("a proof needs a key that you know: --vkey")
        told, holds = verifier.prove(file, record, known)
        give(told)
        raise typer.Exit(0 if holds else FAILED)
    kept = _text(older) if older else None
    with progress("verified") as advance:
        verdict = verifier.verify(file, known, kept, manifest, advance)
    for line in verifier.told(verdict):
        give(line)
    if not verdict.intact:
        raise typer.Exit(FAILED)


@log.command("repeat")
def log_repeat(
    event_id: Annotated[str, typer.Argument(metavar="ID", help="The id of an advice in the log.")],
    as_json: AsJson = False,
    reason: Reason = None,
    actor: Actor = None,
) -> None:
    """Give an advice of the log again, as known then; exit 1 when it is another one now."""
    desk = office(actor)
    repeated = own_advice.repeat(
        desk, event_id.lower(), settings().max_data_age, read_clock(), reason
    )
    codes = {"toen": repeated.then["code"], "opnieuw": repeated.again["code"]}
    give_rows([{**codes, "gelijk": repeated.same}], as_json=as_json)
    if not as_json:
        give(repeated.again["tekst"])
    raise typer.Exit(0 if repeated.same else FAILED)


@log.command("export")
def log_export(
    file: Path,
    first: Annotated[int | None, typer.Option("--from", min=0, help="First index.")] = None,
    last: Annotated[int | None, typer.Option("--to", min=0, help="Last index, included.")] = None,
    reason: Reason = None,
    actor: Actor = None,
) -> None:
    """Write a range of records, by default all that are kept, as a bundle that proves itself."""
    desk, chosen = office(actor), settings()
    if file.exists():
        raise typer.BadParameter(f"{file} exists already")
    with desk.database.reading() as session:
        head = log_tree.head(session)
    span = range(head.minimum if first is None else first, head.size if last is None else last + 1)
    if not head.minimum <= span.start < span.stop <= head.size:
        raise typer.BadParameter(
            f"the range must lie within the records that are kept, {head.minimum} to "
            f"{head.size - 1}"
        )
    told = _covering(chosen, desk, span.stop)
    # Before and after: whatever stops it, what was read has a record.
    begun = administration.record_reading(desk, "logExport", span, read_clock(), reason)
    about = {"eventId": begun, **({"reason": reason} if reason else {})}
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(FAILED))  # the draft goes, as with Ctrl-C
    handle, name = tempfile.mkstemp(suffix=".part", prefix=f".{file.name}.", dir=file.parent)
    draft = Path(name)
    try:
        with (
            os.fdopen(handle, "wb") as made,
            desk.database.snapshot() as session,
            progress("records", len(span)) as advance,
        ):
            manifest = exports.write_range(
                session, made, span, told, about, lambda index: advance(index - span.start + 1)
            )
        administration.record_reading(
            desk, "logExport", span, read_clock(), reason, begun=begun, manifest=manifest
        )
        os.replace(draft, file)
    except (LookupError, ValueError) as gap:
        say(f"nothing was exported, run `protocolpoort log check`: {gap}")
        raise typer.Exit(FAILED) from None
    finally:
        draft.unlink(missing_ok=True)
    say(f"{file}: {len(span)} records, {span.start} to {span.stop - 1}")
    give(manifest)


@log.command("check")
def log_check_database(
    older: Annotated[
        Path | None, typer.Option(exists=True, dir_okay=False, help="A checkpoint of before.")
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Hold the log in the database against itself and what was signed; exit 1 for a fault."""
    chosen = settings()
    origin, path = main.log_settings(chosen)
    keys = main.month_keys(chosen)
    state = state_file(path)
    kept = [_text(each) for each in (older, state) if each and each.exists()]
    with ready_database(chosen).snapshot() as session, progress("checked") as advance:
        head = log_tree.head(session)
        found = log_check.check(session, keys, origin, kept, advance)
        faults = list(found)
    give_rows([{"fault": fault} for fault in faults], as_json=as_json)
    if not kept:
        say(f"there is no {state}: the log was not held against a checkpoint of before")
    say(
        f"{head.size - head.minimum} records, {head.minimum} to {head.size - 1}: "
        f"{len(faults)} faults"
    )
    if faults:
        raise typer.Exit(FAILED)


@log.command("unusual")
def log_unusual(
    first: Annotated[
        str | None, typer.Option("--from", help="First day; a year back without it.")
    ] = None,
    last: Annotated[
        str | None, typer.Option("--to", help="Last day, included; today without it.")
    ] = None,
    as_json: AsJson = False,
    reason: Reason = None,
    actor: Actor = None,
) -> None:
    """Show unusual asking, which breaks no rule but is worth a look; exit 0 whether there is any.

    toetsdata: more than three test dates for one person by one organisation in a year that ends in
    these days, with the newest records of it. personenPerDag: on a day more persons than ten, and
    than three times the median of the days on which it asked in the 90 days before.
    """
    desk, today = office(actor), brussels_date(read_clock())
    until = day("--to", last) if last else today
    since = day("--from", first) if first else until - timedelta(asking.YEAR - 1)
    if not date(1970, 1, 1) <= since <= until <= today:
        raise typer.BadParameter("--from and --to must be days of the past, in that order")
    with desk.database.reading() as session:
        within = unusual.indexes(session, since, until)
    administration.record_reading(desk, "logUnusual", within, read_clock(), reason)
    with desk.database.snapshot() as session, progress("records", len(within)) as advance:
        report = unusual.report(session, desk.keys, since, until, within, advance)
    rows = [
        {
            "soort": one.sign.value,
            "organisatie": one.organisation,
            "van": one.first.isoformat(),
            "tot": one.last.isoformat(),
            "aantal": one.count,
            "normaal": one.normal,
            "toegangen": one.event_ids if as_json else " ".join(one.event_ids),
        }
        for one in report.found
    ]
    give_rows(rows, as_json=as_json)
    if report.unreadable:
        say(
            f"{report.unreadable} records of months whose key is destroyed are left out: nobody "
            "knows any more whom they are about"
        )
    say(f"{since} to {until}: {len(rows)} unusual")


@log.command("affected")
def log_affected(
    client: Annotated[str, typer.Option(help="The client of the tokens.")],
    first: Annotated[str, typer.Option("--from", metavar="MOMENT", help="RFC 3339.")],
    last: Annotated[str, typer.Option("--to", metavar="MOMENT", help="RFC 3339, included.")],
    organisation: Annotated[str | None, typer.Option(help="Of this one alone.")] = None,
    as_json: AsJson = False,
    reason: Reason = None,
    actor: Actor = None,
) -> None:
    """Print every person whom a client got an answer about, and which data: for a data leak.

    The first column is the national number: keep what is printed as carefully. It is empty for a
    record of a month whose key is destroyed; those months are named at the end.
    """
    desk = office(actor)
    since, until = moment("--from", first), moment("--to", last)
    if since > until:
        raise typer.BadParameter("--from lies after --to")
    with desk.database.reading() as session:
        within = log_search.span(session, since, until)
        minimum = log_tree.head(session).minimum
    administration.record_reading(desk, "logAffected", within, read_clock(), reason)
    summary = Summary()
    with desk.database.snapshot() as session, progress("records", len(within)) as advance:
        found = reached(
            session, desk.keys, within, client, since, until, summary, advance, organisation
        )
        give_each(COLUMNS, found, as_json=as_json)
    if minimum and within.start <= minimum:
        say(
            f"records before index {minimum} are pruned: nobody knows any more whom they were about"
        )
    for month, count in sorted(summary.unreadable.items()):
        say(f"{month}: the key is destroyed: {count} records of persons whom nobody knows any more")
    for list_ in sorted(summary.lists):
        say(f"the file of list {list_} was fetched: all its persons are above")
    say(f"{first} to {last}: {summary.records} records of persons")


@log.command("prune")
def log_prune(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only say what would go.")] = False,
    reason: Reason = None,
    actor: Actor = None,
) -> None:
    """Destroy the keys of the months whose term has ended, and remove their whole bundles.

    On PostgreSQL the owner of the tables does this, not the role of the service.
    """
    desk, chosen = office(actor), settings()
    origin, _ = main.log_settings(chosen)
    gone = pruning.prune(
        desk, origin, chosen.log_retention_months, read_clock(), reason=reason, dry_run=dry_run
    )
    give(
        f"{'would go' if dry_run else 'gone'}: the keys of {', '.join(gone.months) or 'no month'}, "
        f"{gone.records} records, {gone.details} explanations, {gone.reports} reports; records "
        f"are kept from index {gone.minimum} on"
    )


@log.command("watch")
def log_watch(
    url: Annotated[str, typer.Argument(help="Where the log is, as https://gate.example/log")],
    vkey: Vkeys,
    state: Annotated[Path, typer.Option(dir_okay=False, help="Keeps the last checkpoint.")],
    interval: Annotated[int, typer.Option(min=1, help="Seconds between two looks.")] = 60,
    once: Annotated[bool, typer.Option("--once", help="Look once and end.")] = False,
) -> None:
    """Follow a log: exit 1 as soon as it is no continuation of what was seen before.

    With --once exit 3 when it cannot be reached.
    """
    known = _keys_of(vkey or [])
    client = httpx.Client(trust_env=False, follow_redirects=False, timeout=10)
    with client:
        while True:
            try:
                _look(client, url.rstrip("/"), known, state)
            except watch.Unproven as broken:
                say(f"THE LOG IS NOT WHAT IT WAS: {broken}")
                raise typer.Exit(FAILED) from None
            except NoteInvalid as invalid:
                say(
                    f"no key that you know signed the log, or what was kept of it: {invalid}. "
                    f"After a rotation name both keys with --vkey; {url}/vkey lists them"
                )
                raise typer.Exit(FAILED) from None
            except (httpx.HTTPError, httpx.InvalidURL, LookupError) as error:
                say(f"{url} does not answer as a log does: {error}")
                if once:
                    raise typer.Exit(CONFIGURATION) from None
            if once:
                return
            time.sleep(interval)


@log.command("demo-tamper")
def log_demo_tamper(
    file: Annotated[Path, typer.Argument(metavar="BUNDLE", exists=True, dir_okay=False)],
) -> None:
    """Make a copy of an export in which one letter of one record is another one."""
    copy = file.with_name(f"{file.stem}-vervalst{file.suffix}")
    try:
        index = demo.tamper(file, copy)
    except (ValueError, LookupError, BadZipFile):
        say(f"{file} is no export with records")
        raise typer.Exit(FAILED) from None
    say(f"one letter of record {index} was changed")
    give(str(copy))


def _look(client: httpx.Client, url: str, known: list[Vkey], state: Path) -> None:
    """Fetch the newest checkpoint, prove it from the one that was kept, and keep it."""
    old = _text(state) if state.exists() else None
    new = _fetch(client, f"{url}/checkpoint").decode("utf-8", errors="replace")
    try:
        seen = watch.advance(
            old, new, known, known[0].name, lambda path: _fetch(client, f"{url}/{path}")
        )
    except watch.Rewritten:
        # Both are evidence: the old one stays where it is.
        write_over(state.with_name(f"{state.name}.conflict"), new.encode())
        raise
    write_over(state, new.encode())
    give("\t".join(seen.text.split("\n")[1:3]))


def _text(file: Path) -> str:
    """A note that was kept; what is no text makes it one that does not hold."""
    return file.read_text(encoding="utf-8", errors="replace")


def _fetch(client: httpx.Client, url: str) -> bytes:
    """What stands there; raises LookupError for what does not."""
    deadline = time.monotonic() + FETCH_SECONDS
    with client.stream("GET", url) as response:
        if response.status_code != httpx.codes.OK:
            raise LookupError(f"{response.status_code} for {url}")
        data = bytearray()
        for chunk in response.iter_bytes():
            data += chunk
            if len(data) > FETCH_LIMIT or time.monotonic() > deadline:
                raise LookupError(f"too much, or too slowly, at {url}")
        return bytes(data)


def _keys_of(texts: list[str]) -> list[Vkey]:
    try:
        keys = [Vkey.parse(text) for text in texts]
    except NoteInvalid as invalid:
        raise typer.BadParameter(f"--vkey {invalid}") from None
    if len({key.name for key in keys}) != 1:
        raise typer.BadParameter("--vkey must name keys of one log")
    return keys


def _covering(chosen: Settings, desk: Office, size: int) -> Published:
    """A checkpoint over so many records: of the service that runs, or signed here."""
    notary = main.notary(chosen, desk, read_clock())
    for _ in range(PATIENCE):
        try:
            notary.turn(read_clock())
        except LogRewritten as how:
            say(f"THE LOG IS NOT WHAT WAS SIGNED: {how}")
            raise typer.Exit(FAILED) from None
        with desk.database.reading() as session:
            told = published(session)
        if told.size >= size:
            return told
        time.sleep(1)
    raise main.NotReady("no checkpoint covers these records: is LOG_KEY_FILE the key of this log?")
