"""The commands around lists: `protocolpoort lists ...`, `protocolpoort recipient ...`."""

from pathlib import Path
from typing import Annotated

import typer

from app import administration, list_making, listings, main, protocols, recipients, sealing
from app.console import (
    FAILED,
    Actor,
    AsJson,
    Reason,
    give_rows,
    note,
    office,
    progress,
    ready_database,
    say,
    settings,
)
from app.deps import read_clock
from app.moments import brussels_date, rfc3339
from app.sealing import RecipientUnfit

recipient = typer.Typer(
    help="The keys to which files for an organisation are sealed.", no_args_is_help=True
)

lists = typer.Typer(help="The lists that are asked and delivered.", no_args_is_help=True)

Organisation = Annotated[str, typer.Argument(metavar="ORGANISATION", callback=note)]


@recipient.command("set")
def recipient_set(
    organisation: Organisation,
    file: Annotated[Path, typer.Argument(help="The public key, as `age-keygen -y` writes it.")],
    reason: Reason = None,
    actor: Actor = None,
) -> None:
    """Seal files for an organisation to its own age key from now on."""
    try:
        key = sealing.read_recipient(file.read_text(encoding="utf-8"))
    except (RecipientUnfit, UnicodeDecodeError) as unfit:
        why = unfit if isinstance(unfit, RecipientUnfit) else "this is no text"
        say(f"{file}: {why}")
        raise typer.Exit(FAILED) from None
    _set(organisation, key, reason, actor)
    say(f"{organisation}: files are sealed to {sealing.fingerprint(key)}")
    with ready_database(settings()).reading() as session:
        if not protocols.read_register(session).of(organisation, brussels_date(read_clock())):
            say(f"  warning: no protocol opens anything for {organisation} today")


@recipient.command("remove")
def recipient_remove(
    organisation: Organisation, reason: Reason = None, actor: Actor = None
) -> None:
    """Seal to a key of the organisation no longer: each list gets a key of its own."""
    _set(organisation, None, reason, actor)
    say(f"{organisation}: no key is registered")


def _set(organisation: str, key: str | None, reason: str | None, actor: str | None) -> None:
    if not administration.set_recipient(office(actor), organisation, key, read_clock(), reason):
        say("that was so already: nothing is changed")


@recipient.command("list")
def recipient_list(as_json: AsJson = False) -> None:
    """Every organisation with a key of its own."""
    with ready_database(settings()).reading() as session:
        found = recipients.listed(session)
    give_rows(
        [
            {
                "organisatie": organisation,
                "sleutel": key,
                "vingerafdruk": sealing.fingerprint(key),
                "sinds": rfc3339(since),
            }
            for organisation, key, since in found
        ],
        as_json=as_json,
    )


@lists.command("list")
def lists_list(as_json: AsJson = False) -> None:
    """Every list that was asked, with how many stand on it and how many got no advice."""
    with ready_database(settings()).reading() as session:
        found = listings.every(session)
    give_rows(
        [
            {
                "id": task.id,
                "organisatie": task.organisation,
                "protocol": task.protocol,
                "doeleinde": task.purpose,
                "jaar": task.year,
                "toestand": task.state,
                "reden": task.reason,
                "personen": task.persons,
                "zonderAdvies": task.left_out,
                "gevraagdOp": rfc3339(task.asked_at),
                "beschikbaarTot": rfc3339(task.expires_at) if task.expires_at else None,
            }
            for task in found
        ],
        as_json=as_json,
    )


@lists.command("make")
def lists_make() -> None:
    """Make the lists that wait, here and now; a service that runs does so by itself."""
    chosen, here, made = settings(), office(), 0
    main.notary(chosen, here, read_clock()).turn(read_clock())  # nothing for a log that broke
    shop = main.workshop(chosen, here, read_clock)
    with progress("persons") as shop.progress:
        while list_making.work_once(shop):
            made += 1
    say(f"{made} lists were worked on")
