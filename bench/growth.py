"""Does a read slow down as dossiers and records add up? `make bench-growth` measures it.

Three databases in one PostgreSQL: few dossiers and an empty log, a million and an empty log, five
million and five million records. The same question to each in turn, with wrk. The last full run is
in growth.md. Exit code 1 when an answer was wrong or a record is missing; never for a time.
"""

import argparse
import signal
import sys
import tempfile
import time
from collections.abc import Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg
from databases import create_database, skip_reason, start_cluster

from app import log_tree
from app.database import Database
from app.deps import read_clock
from app.tlog import tiles
from bench import load, rig
from bench.compare import Variant, compare_answers, told, variants
from bench.load import Wrong, ask
from bench.log import KEPT, Log, levels, over, prose, span, table
from bench.refusals import drawing, machine, say
from bench.results import GOALS, Goal, Round
from bench.rig import Rig

REPORT = load.ROOT / "bench" / "growth.md"
# What is filled stays out of the write-ahead log; what is measured is written there as always.
SETTINGS = f"{rig.DURABLE} wal_level=minimal max_wal_senders=0 maintenance_work_mem=512MB"


@dataclass(frozen=True)
class Size:
    """How much there is in a database."""

    persons: int
    records: int

    @property
    def name(self) -> str:
        """For a table."""
        return f"{self.persons:,} dossiers, {self.records:,} records"


@dataclass(frozen=True)
class Scale:
    """How much is done."""

    sizes: Sequence[Size]  # the first and the last are compared
    rounds: int
    seconds: int
    connections: Sequence[int]


ASKED = 10_000  # persons who are asked about: few enough to have been read before it counts
FULL = Scale((Size(10_000, 0), Size(1_000_000, 0), Size(5_000_000, 5_000_000)), 5, 6, (32, 1))
QUICK = Scale((Size(4_000, 0), Size(20_000, 0), Size(100_000, 100_000)), 2, 3, (32, 1))


def fill_log(url: str, size: int) -> None:
    """So many records, with the tree over them: the service goes on where they end."""
    log = Log(size, KEPT)
    log.fill(url)
    with psycopg.connect(url) as connection:
        with (
            connection.cursor() as cursor,
            cursor.copy(
                "COPY (SELECT leaf_hash FROM access_record ORDER BY log_index) TO STDOUT "
                "(FORMAT binary)"
            ) as copy,
        ):
            copy.set_types(["bytea"])
            leaves = b"".join(row[0] for row in copy.rows())
        wide = tiles.WIDTH * 32
        with (
            connection.cursor() as cursor,
            cursor.copy("COPY log_tile (level, tile_index, hashes, root) FROM STDIN") as copy,
        ):
            for level, hashes in enumerate(levels(leaves)):
                for index in range(len(hashes) // wide):
                    tile = hashes[index * wide : (index + 1) * wide]
                    copy.write_row((level, index, tile, tiles.root_of(tile)))
    store = Database(url)
    with store.writing() as session:
        edge = b"".join(log_tree.edge(session, size))
        session.connection().exec_driver_sql("UPDATE log_head SET edge = %s", (edge,))
    log.check(store)
    with store.reading() as session:
        [(index, record)] = log_tree.records(session, size // 3, size // 3 + 1)
        if not log_tree.holds(session, index, record):
            raise Wrong("the tree is not that of the records")
    store.dispose()


def prepare(folder: Path, cluster: str, size: Size) -> Rig:
    """A database of this size, without a naive service beside it."""
    begin = time.perf_counter()
    made = Rig(folder / str(size.persons), create_database(cluster), "", size.persons, ASKED)
    made.prepare()
    if size.records:
        fill_log(made.ours, size.records)
    say(f"{size.name}: filled in {(time.perf_counter() - begin) / 60:.1f} minutes")
    return made


def measure(scale: Scale) -> str:
    """The page. Raises Wrong."""
    now, begin = read_clock(), time.perf_counter()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="protocolpoort-")))
        cluster = stack.enter_context(start_cluster(SETTINGS, on_disk=True))
        rigs = [prepare(folder, cluster, size) for size in scale.sizes]
        with psycopg.connect(cluster, autocommit=True) as connection:
            connection.execute("CHECKPOINT")
            [stored] = connection.execute(
                "SELECT sum(pg_database_size(oid)) FROM pg_database"
            ).fetchone() or (0,)
        filled = (time.perf_counter() - begin) / 60
        found: list[Variant] = []
        for made in rigs:
            found += stack.enter_context(variants(made, ["ours"]))
        for each in found:
            warm(each, scale.seconds)
        rounds = in_turn(found, scale)
        for each in found:
            compare_answers(each, 50, drawing())
    minutes = (time.perf_counter() - begin) / 60
    return page(rounds, scale, now, f"{float(stored) / 1e9:.0f} GB", (filled, minutes))


def warm(variant: Variant, seconds: int) -> None:
    """Ask twice as often as there are persons: what comes from the disk is not what is compared."""
    chance, answered = drawing(), 0
    while answered < 2 * min(ASKED, variant.rig.persons):
        questions = variant.rig.questions("dossier")
        answered += ask(variant.server.port, questions, 32, seconds, chance).requests
    say(f"{variant.rig.persons:,} dossiers: {answered:,} questions before it counts")


def in_turn(found: Sequence[Variant], scale: Scale) -> dict[int, list[list[Round]]]:
    """The rounds of each database, by the number of connections. Raises Wrong."""
    chance = drawing()
    rounds: dict[int, list[list[Round]]] = {}
    for connections in scale.connections:
        rounds[connections] = [[] for _ in found]
        for _ in range(scale.rounds):
            for each, size, kept in zip(found, scale.sizes, rounds[connections], strict=True):
                made = each.measure(connections, scale.seconds, chance, None)
                kept.append(made)
                say(f"{connections}: {told(size.name, made)}")
    return rounds


def page(
    rounds: dict[int, list[list[Round]]],
    scale: Scale,
    now: datetime,
    disk: str,
    minutes: tuple[float, float],
) -> str:
    """The report of a run."""
    small, large = scale.sizes[0], scale.sizes[-1]
    goals, rows = [], []
    for connections, kinds in rounds.items():
        medians = [[made.heard.p50 for made in kind] for kind in kinds]
        what = f"p50 of {large.name} : of {small.name}; wrk -c {connections}"
        goals.append(Goal(what, 1.5, 1.2, over(medians[-1], medians[0]), at_least=False).cells)
        for size, kind in zip(scale.sizes, kinds, strict=True):
            values = (
                [made.heard.rate for made in kind],
                [made.heard.p50 for made in kind],
                [made.heard.p99 for made in kind],
            )
            told = [span(value, digits) for value, digits in zip(values, (0, 2, 2), strict=True)]
            rows.append((str(connections), size.name, *told))
    about = f"""`POST /dossiers/query` about {ASKED:,} residents of whom each has a dossier, wrk
        with one thread, the databases in turn, {scale.rounds} rounds of {scale.seconds} s after a
        warm-up of twice as many questions.
        One PostgreSQL on the disk (`{SETTINGS}`), a database and a service of one worker for each
        size. The records of the large log lie over ten years and form a whole tree with its tiles;
        the service goes on behind them. Every answer was looked at, and the records of each round
        counted. It takes {disk} of disk, {minutes[0]:.0f} minutes to fill and {minutes[1]:.0f}
        minutes in all."""
    return f"""# Does a read slow down as dossiers and records add up?

Made by `make bench-growth` on {now:%Y-%m-%d}.

{table(GOALS, goals)}

{prose(about)}

Machine: {machine()}.

{table(("connections", "database", "requests/s", "p50 ms", "p99 ms"), rows)}
"""


def run(arguments: Sequence[str] | None = None) -> int:
    """The program; its exit code."""
    parser = argparse.ArgumentParser(
        prog="bench.growth", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("--quick", action="store_true", help="small and short; writes no report")
    options = parser.parse_args(arguments)
    for stop in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C: what was made is removed
        signal.signal(stop, signal.default_int_handler)
    for missing in (load.missing(), skip_reason()):
        if missing:
            say(missing)
            return 1
    try:
        text = measure(QUICK if options.quick else FULL)
    except Wrong as how:
        say(str(how))
        return 1
    print(text)  # noqa: T201 - what this program is for
    if not options.quick:
        REPORT.write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(run())
