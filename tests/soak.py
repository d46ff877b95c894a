"""`make soak-kill`: kills the service again and again under load, on both databases, and counts.

Exit code 1 when an answer that was delivered has no record, or the log is not one whole tree.
"""

import argparse
import asyncio
import random
import sys
import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

from databases import create_database, skip_reason, start_cluster
from killing import Look, Trial, nursery


@contextmanager
def postgres() -> Iterator[str]:
    """An empty database in a PostgreSQL that writes as it does in production: fsync is on."""
    with start_cluster("fsync=on full_page_writes=on", on_disk=True) as cluster:
        yield create_database(cluster)


async def soak(name: str, url: str, folder: Path, kills: int, clients: int, seed: int) -> bool:
    """Run one trial and print its figures; True when nothing was lost."""
    with nursery(folder, url) as services:
        trial = Trial(services, seed, clients)
        looks: list[Look] = []
        async for look in trial.run(kills):
            looks.append(look)
            say(f"{name} {len(looks):3}/{kills}: {figures(look)}")
            for fault in look.faults[:10]:
                say(f"  FAULT {fault}")
    lost = sum("has the records" in fault for look in looks for fault in look.faults)
    slowest = max(look.seconds for look in looks)
    say(
        f"{name}: {kills} kills under load and {kills + 1} while starting; {figures(looks[-1])}; "
        f"delivered answers without record: {lost}; UP again within {slowest:.2f} s"
    )
    return not any(look.faults for look in looks)


def figures(look: Look) -> str:
    """One line about a look."""
    return (
        f"{look.answers} answers delivered, {look.cut} cut off, {look.unanswered} of these with a "
        f"record; {look.records} records, {look.signed} signed; UP in {look.seconds:.2f} s; "
        f"drafts left {look.drafts}; faults {len(look.faults)}"
    )


def say(text: str) -> None:
    """A figure, as it comes."""
    print(text, flush=True)  # noqa: T201 - a program of its own


def run(arguments: Sequence[str] | None = None) -> int:
    """The program; its exit code."""
    parser = argparse.ArgumentParser(prog="soak", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--kills", type=int, default=50, help="on each database (50)")
    parser.add_argument("--clients", type=int, default=16, help="that ask without pause (16)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    chosen = parser.parse_args(arguments)
    if chosen.kills < 1 or chosen.clients < 1:
        parser.error("at least one kill and one client")
    say(f"seed {chosen.seed}")
    how = (chosen.kills, chosen.clients, chosen.seed)
    with tempfile.TemporaryDirectory(prefix="protocolpoort-") as name:
        folders = [Path(name, each) for each in ("sqlite", "postgresql")]
        for folder in folders:
            folder.mkdir()
        file = f"sqlite:///{folders[0]}/protocolpoort.db"
        whole = asyncio.run(soak("SQLite", file, folders[0], *how))
        if missing := skip_reason():
            say(missing)
            return 0 if whole else 1
        with postgres() as url:
            whole &= asyncio.run(soak("PostgreSQL", url, folders[1], *how))
    return 0 if whole else 1


if __name__ == "__main__":
    sys.exit(run())
