"""`protocolpoort retention run`: what is kept no longer than its term."""

from typing import Annotated

import typer

from app import retention
from app.console import FAILED, Actor, AsJson, give_rows, office, say, settings
from app.deps import read_clock
from app.vdab import ExchangeRefused, Post

retention_group = typer.Typer(help="What is kept no longer than its term.", no_args_is_help=True)


@retention_group.command("run")
def retention_run(
    dry_run: Annotated[
        bool, typer.Option("--dry-run", help="Say what would go, and change nothing.")
    ] = False,
    as_json: AsJson = False,
    actor: Actor = None,
) -> None:
    """Take away files and keys whose term has passed, each with a record; as often as you like."""
    chosen, here, now = settings(), office(actor), read_clock()
    if dry_run:
        with here.database.reading() as session:
            over = retention.due(session, now, production=chosen.production)
    else:
        post = (
            Post(here, chosen.exchange, read_clock, chosen.production) if chosen.exchange else None
        )
        try:
            over = retention.run(here, post, now)
        except ExchangeRefused as refused:
            say(f"not all of the exchange that is over is gone: {refused}")
            raise typer.Exit(FAILED) from None
        if post is None:
            say("PROTOCOLPOORT_EXCHANGE names no folder: nothing of the exchange was looked at")
    give_rows([{"soort": each.what, "id": each.id} for each in over], as_json=as_json)
    say(f"{len(over)} {'would go' if dry_run else 'are gone'}")
