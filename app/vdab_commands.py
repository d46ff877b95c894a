"""The commands of the exchange with VDAB: `protocolpoort vdab ...`."""

from pathlib import Path
from typing import Annotated, Any

import typer

from app import (
    main,
    rounds,
    sealing,
    sftp,
    ssh_signatures,
    vdab_ending,
    vdab_export,
    vdab_release,
    vdab_return,
    vdab_transport,
)
from app.anonymity import STEPS, K
from app.console import (
    FAILED,
    Actor,
    AsJson,
    NeededReason,
    give,
    give_rows,
    note,
    office,
    progress,
    ready_database,
    say,
    settings,
)
from app.deps import read_clock
from app.moments import rfc3339
from app.rounds import RoundFile
from app.secret_files import write_once
from app.settings import PREFIX, SettingInvalid
from app.sftp import Server
from app.ssh_signatures import KEYS_LIMIT, KeysUnfit
from app.vdab import Post
from app.vdab_return import DIRTY, EMPTY

vdab = typer.Typer(help="The half-yearly exchange with VDAB.", no_args_is_help=True)

Profile = Annotated[
    str | None,
    typer.Option(help="Function profile at VDAB, of the list that VDAB keeps.", callback=note),
]


@vdab.command("create-key")
def vdab_create_key() -> None:
    """Make the key that opens what VDAB gives back; print the public part of it, for VDAB."""
    file = _set("EXCHANGE_KEY_FILE", settings().exchange_key_file)
    made = sealing.new_identity()
    if not write_once(file, f"{made.secret}\n".encode()):
        say(f"nothing was changed: {file} is there")
        raise typer.Exit(FAILED)
    say(f"{file} opens what VDAB gives back: keep it and a copy of it apart from the files")
    give(made.recipient)


@vdab.command("export")
def vdab_export_command(profile: Profile = None, actor: Actor = None) -> None:
    """Record everybody in the joint client group, and make the file with their numbers."""
    post = _post(actor, profile)
    with progress("numbers") as advance:
        made = vdab_export.export(post, advance)
    say(f"{made.round.label}: {made.persons} persons; `protocolpoort vdab send` sends the file")
    give(f"{post.out / made.round.numbers_file}\t{made.digest}")


@vdab.command("send")
def vdab_send(profile: Profile = None, actor: Actor = None) -> None:
    """Send what was made for VDAB to its SFTP server, going on where it was cut off."""
    post, server = _post(actor, profile), _server()
    with progress("bytes") as advance:
        names = vdab_transport.send(post, server, advance)
    say(f"{len(names)} files sent")
    for name in names:
        give(name)


@vdab.command("fetch")
def vdab_fetch(profile: Profile = None, actor: Actor = None) -> None:
    """Fetch the answer of VDAB and its signature, going on where it was cut off."""
    post, server, signers = _post(actor, profile), _server(), _signers()
    with progress("bytes") as advance:
        file = vdab_transport.fetch(post, server, signers, advance)
    say("`protocolpoort vdab take-in` takes it in")
    give(str(file))


@vdab.command("take-in")
def vdab_take_in(
    file: Annotated[Path, typer.Argument(help="With its signature beside it, in FILE.sig.")],
    profile: Profile = None,
    as_json: AsJson = False,
    actor: Actor = None,
) -> None:
    """Check an answer of VDAB to its last row, and let it stand aside until it is released."""
    post, signers = _post(actor, profile), _signers()
    identity = _secret(_set("EXCHANGE_KEY_FILE", settings().exchange_key_file))
    size = file.stat().st_size if file.is_file() else None
    with progress("bytes", size) as advance:
        counted = vdab_return.take_in(post, file, identity, signers, advance)
    rows = [
        {"kolom": name, EMPTY: counted.empty[name], DIRTY: counted.dirty[name]}
        for name in counted.empty
    ]
    give_rows(rows, as_json=as_json)
    say(f"{counted.rows} rows; {counted.missing} numbers that were sent did not come back")


@vdab.command("release")
def vdab_release_command(
    k: Annotated[
        int, typer.Option("--k", min=K, help="How many rows at least share what could point.")
    ] = K,
    profile: Profile = None,
    as_json: AsJson = False,
    actor: Actor = None,
) -> None:
    """Join the profiles, remove the numbers, and make the result for the agencies and VDAB."""
    post = _post(actor, profile)
    with progress("work") as advance:
        totals = {"steps": len(STEPS)}
        done = vdab_release.release(post, k, lambda what, far: advance(far, totals.get(what)))
    smoothed, until = done.smoothed, done.plan.keep_until
    rows = [
        {"kolom": name, "veralgemeend": smoothed.coarser[name], "verborgen": smoothed.hidden[name]}
        for name in smoothed.coarser
    ]
    give_rows(rows, as_json=as_json)
    say(
        f"{done.plan.round.label}: {smoothed.rows} rows, {smoothed.suppressed} left out; the "
        f"rarest combination stands {smoothed.smallest} times; {done.cancelled} numbers were "
        f"cancelled since, {done.twice} were of somebody who had a row; {done.numbers} values held "
        f"a number and are hidden, {smoothed.rare} more were too rare"
    )
    if done.left:
        say(f"what is over still stands ({done.left}): `protocolpoort retention run` takes it away")
    say(f"in {post.out}, to be kept until {until} at most")


@vdab.command("list")
def vdab_list(as_json: AsJson = False) -> None:
    """Every round, newest first, and its files."""
    with ready_database(settings()).reading() as session:
        rows: list[dict[str, Any]] = [
            {
                "ronde": one.label,
                "toestand": one.state.value,
                "personen": one.persons,
                "bestanden": [_told(file) for file in rounds.files_of(session, one)],
            }
            for one in rounds.newest_first(session)
        ]
    if as_json:
        give_rows(rows, as_json=True)
        return
    give_rows(
        [
            {**one, "bestanden": "\t".join(file.values())}
            for one in rows
            for file in one["bestanden"] or [{}]
        ],
        as_json=False,
    )


def _told(file: RoundFile) -> dict[str, str]:
    """What there is to say of a file."""
    return {
        "naam": file.name,
        "organisatie": file.organisation,
        "digest": file.digest,
        "verzonden": rfc3339(file.sent_at) if file.sent_at else "-",
        "bewaardTot": file.keep_until.isoformat() if file.keep_until else "-",
        "verwijderd": rfc3339(file.removed_at) if file.removed_at else "-",
    }


@vdab.command("cancel")
def vdab_cancel(reason: NeededReason, actor: Actor = None) -> None:
    """End the open round without a release: its numbers and its files are taken away."""
    done = vdab_ending.cancel(_post(actor, None), reason)
    say(f"{done.label} is ended")


def _post(actor: str | None, profile: str | None) -> Post:
    chosen = settings()
    folder = _set("EXCHANGE", chosen.exchange)
    return Post(office(actor), folder, read_clock, chosen.production, profile)


def _server() -> Server:
    chosen = settings()
    address = main.needed("VDAB_SFTP", chosen.vdab_sftp, "the SFTP server of VDAB")
    key = _set("VDAB_SFTP_KEY", chosen.vdab_sftp_key)
    hosts = _set("VDAB_KNOWN_HOSTS", chosen.vdab_known_hosts)
    try:
        return sftp.server_at(address, key, hosts)
    except ValueError as rule:
        raise SettingInvalid(f"{PREFIX}VDAB_SFTP {rule}") from None


def _signers() -> dict[bytes, str]:
    """The keys that VDAB signs with."""
    file = _set("VDAB_SIGNERS", settings().vdab_signers)
    try:
        with file.open("rb") as keys:
            return ssh_signatures.read_keys(keys.read(KEYS_LIMIT).decode("utf-8", "replace"))
    except (OSError, KeysUnfit) as unfit:
        why = unfit if isinstance(unfit, KeysUnfit) else "it cannot be read"
        raise SettingInvalid(f"{PREFIX}VDAB_SIGNERS: {why}") from None


def _secret(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii").strip()
    except (OSError, UnicodeDecodeError):
        raise SettingInvalid(
            f"{PREFIX}EXCHANGE_KEY_FILE cannot be read: `protocolpoort vdab create-key` makes it"
        ) from None


def _set(name: str, value: Path | None) -> Path:
    return main.needed(name, value, "a file or folder for the exchange")
