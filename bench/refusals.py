"""Do unknown, cancelled and foreign persons take the same time? `make bench-refusals` measures it.

It starts the service as an operator does, on SQLite and, where its binaries are, on a throw-away
PostgreSQL, and asks `queryDossier` over real connections. The last full run is in refusals.md.
Exit code 1 when an answer is not the refusal that it should be, byte for byte; never for a time.
"""

import argparse
import http.client
import json
import math
import os
import platform
import queue
import random
import re
import socket
import sqlite3
import statistics
import subprocess
import sys
import tempfile
import time
from bisect import bisect_right
from collections.abc import Callable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from functools import partial
from itertools import combinations
from pathlib import Path

from databases import skip_reason, start_cluster
from sqlalchemy import insert, select
from sqlmodel import SQLModel

from app import __version__, demo, main
from app.administration import Office
from app.database import Database
from app.demo_persons import DEMO_DATE, MUNICIPALITY, DemoPerson, demo_persons
from app.deps import read_clock
from app.errors import Reason
from app.month_keys import MonthKeys
from app.settings import PREFIX, Mode
from app.tokens import DemoIssuer

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "bench" / "refusals.md"
CITY = "voorbeeldstad"
STARTUP = 60  # seconds that the service may take to answer
ALPHA = 0.01
PERSONS = {
    "person",
    "replaced_number",
    "residence",
    "membership",
    "participation",
    "consent",
    "dossier_version",
    "source_answer",
}

_ID = re.compile(rb"[0-9a-f]{8}(?:-[0-9a-f]{4}){3}-[0-9a-f]{12}")


class Kind(StrEnum):
    """Whom a question is about; the resident is there for comparison."""

    RESIDENT = "resident"
    FOREIGN = "foreign"
    CANCELLED = "cancelled"
    UNKNOWN = "unknown"


# What the record says, and the caller may not notice.
REASONS: Mapping[Kind, Reason] = {
    Kind.FOREIGN: Reason.POPULATION,
    Kind.CANCELLED: Reason.CANCELLED,
    Kind.UNKNOWN: Reason.UNKNOWN_PERSON,
}


class Distinguishable(Exception):
    """An answer is not what it should be; the text says which, and holds no number."""


@dataclass(frozen=True)
class Answer:
    """What came back, with what varies between any two answers taken out."""

    kind: Kind
    seconds: float
    status: int
    shape: bytes  # headers and body, without the ids and the date


@dataclass(frozen=True)
class Run:
    """The times of one database at one number of connections, in seconds."""

    database: str
    connections: int
    times: Mapping[Kind, Sequence[float]]


def drawing() -> random.Random:
    """Where every choice comes from: two runs ask about the same persons in the same order."""
    return random.Random(20260601)  # noqa: S311 - nothing secret is drawn


@dataclass(frozen=True)
class Load:
    """How much is asked: so many questions of each kind, at each number of connections."""

    requests: int
    connections: tuple[int, ...]

    @property
    def warm_up(self) -> int:
        """Questions of each kind before those that count."""
        return max(10, self.requests // 40)


@dataclass(frozen=True, repr=False)
class Cast:
    """Who is asked about: as many of each kind, so that no kind is better known to a cache.

    A cancelled person still lives in the city that asks: but for the cancellation the answer
    would be a dossier, which is as far from an unknown number as a refusal can be.
    """

    size: int  # of the synthetic population, the unknown persons included
    asked: Mapping[Kind, Sequence[str]]

    @classmethod
    def of(cls, persons: int, chance: random.Random) -> "Cast":
        """A tenth of `persons` for each kind; the unknown ones lie between the others."""
        share = max(1, persons // 10)
        everybody = range(persons + share)
        left_out = set(chance.sample(everybody, share))
        residents, foreigners, unknown = list[str](), list[str](), list[str]()
        for index, person in enumerate(demo_persons(len(everybody))):
            digits = person.insz.digits
            if index in left_out:
                unknown.append(digits)
            elif _has_an_answer(person):
                residents.append(digits)
            elif not _lives_in_the_city(person) and person.register["geannuleerdOp"] is None:
                foreigners.append(digits)
        asked = chance.sample(residents, 2 * share)
        return cls(
            len(everybody),
            {
                Kind.RESIDENT: asked[:share],
                Kind.FOREIGN: chance.sample(foreigners, share),
                Kind.CANCELLED: asked[share:],
                Kind.UNKNOWN: unknown,
            },
        )

    def stored(self) -> Iterator[DemoPerson]:
        """Everybody but the unknown persons, with the cancellations of this bench."""
        unknown, cancelled = set(self.asked[Kind.UNKNOWN]), set(self.asked[Kind.CANCELLED])
        for person in demo_persons(self.size):
            digits = person.insz.digits
            if digits in cancelled:
                line = {**person.register, "geannuleerdOp": str(DEMO_DATE)}
                yield replace(person, register=line)
            elif digits not in unknown:
                yield person

    def questions(self, count: int, chance: random.Random) -> list[tuple[Kind, str]]:
        """`count` of each kind. Each kind comes once in every four, so that a machine that
        slows down slows down all of them; the order within the four is drawn."""
        return [
            question
            for _ in range(count)
            for question in chance.sample(
                [(kind, chance.choice(numbers)) for kind, numbers in self.asked.items()], 4
            )
        ]


def _lives_in_the_city(person: DemoPerson) -> bool:
    return any(
        home["nis"] == MUNICIPALITY and home["tot"] is None
        for home in person.register["woonplaatsen"]
    )


def _has_an_answer(person: DemoPerson) -> bool:
    return (
        _lives_in_the_city(person)
        and person.register["geannuleerdOp"] is None
        and person.blocks is not None
        and person.fault is None
    )


def percentiles(times: Sequence[float]) -> tuple[float, float, float]:
    """The 50th, 90th and 99th percentile, in the unit of `times`; at least two times."""
    cuts = statistics.quantiles(times, n=100, method="inclusive")
    return cuts[49], cuts[89], cuts[98]


def distance(one: Sequence[float], other: Sequence[float]) -> float:
    """The Kolmogorov-Smirnov statistic of two samples, between 0 and 1: how far apart the shares
    that were answered by any moment come at most."""
    first, second = sorted(one), sorted(other)
    return max(
        abs(bisect_right(first, moment) / len(first) - bisect_right(second, moment) / len(second))
        for moment in {*first, *second}
    )


def critical_distance(one: int, other: int) -> float:
    """What `distance` exceeds by chance once in 1/ALPHA, for samples of these sizes that are
    equally distributed (the asymptotic value)."""
    return math.sqrt(-math.log(ALPHA / 2) / 2 * (one + other) / (one * other))


def rows(run: Run) -> list[tuple[str, ...]]:
    """The cells of a run: a row for each kind, and one for each pair of refused kinds with the
    ratios of their percentiles."""
    where = (run.database, str(run.connections))
    lines: list[tuple[str, ...]] = []
    for kind, times in run.times.items():
        milliseconds = [f"{1000 * each:.3f}" for each in percentiles(times)]
        lines.append((*where, kind, str(len(times)), *milliseconds, "", ""))
    for one, other in combinations(REASONS, 2):
        first, second = run.times[one], run.times[other]
        ratios = [
            f"{a / b:.3f}" for a, b in zip(percentiles(first), percentiles(second), strict=True)
        ]
        apart, limit = distance(first, second), critical_distance(len(first), len(second))
        lines.append((*where, f"{one} : {other}", "", *ratios, f"{apart:.3f}", f"{limit:.3f}"))
    return lines


HEADINGS = ("database", "connections", "person", "answers", "p50 ms", "p90 ms", "p99 ms")


def table(runs: Sequence[Run]) -> str:
    """All runs as one plain table; the three columns of milliseconds hold ratios for a pair."""
    lines = [(*HEADINGS, "KS", "KS 1 %"), *(line for run in runs for line in rows(run))]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, tuple("-" * width for width in widths))
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |"
        for line in lines
    )


def check(answers: Sequence[Answer]) -> None:
    """Raise Distinguishable unless residents get 200 and the others one and the same 403."""
    for answer in answers:
        expected = 403 if answer.kind in REASONS else 200
        if answer.status != expected:
            raise Distinguishable(f"{answer.kind}: {answer.status} where {expected} was due")
    shapes = {answer.shape: answer.kind for answer in answers if answer.kind in REASONS}
    if len(shapes) > 1:
        kinds = ", ".join(sorted(set(shapes.values())))
        raise Distinguishable(f"the refusals are not the same bytes: {kinds}")


def check_records(database: Database, each: int) -> None:
    """Raise Distinguishable unless the log has `each` records of every reason: the persons were
    what we took them for."""
    with database.reading() as session:
        found = session.connection().exec_driver_sql(
            "SELECT reason_code, count(*) FROM access_record WHERE type = 'access' "
            "GROUP BY reason_code"
        )
        counts: dict[str | None, int] = {row[0]: row[1] for row in found}
    expected: dict[str | None, int] = {reason.value: each for reason in REASONS.values()}
    if counts != {None: each, **expected}:
        raise Distinguishable(f"the log has other reasons than the questions: {counts}")


def ask(
    port: int, token: str, questions: Sequence[tuple[Kind, str]], connections: int
) -> list[Answer]:
    """Put the questions over so many connections, each of which takes the next one."""
    waiting = queue.SimpleQueue[tuple[Kind, str]]()
    for question in questions:
        waiting.put(question)

    def work(_connection: int) -> list[Answer]:
        answers: list[Answer] = []
        # The plainest client there is: what it adds to a time varies least.
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=60)
        while True:
            try:
                kind, digits = waiting.get_nowait()
            except queue.Empty:
                connection.close()
                return answers
            answers.append(_ask_one(connection, token, kind, digits))

    with ThreadPoolExecutor(connections) as pool:
        return [answer for part in pool.map(work, range(connections)) for answer in part]


def _ask_one(connection: http.client.HTTPConnection, token: str, kind: Kind, digits: str) -> Answer:
    body = json.dumps({"insz": digits, "doeleinde": "lokaalIntegratiebeleid", "referte": "meting"})
    headers = {
        "Authorization": f"Bearer {token}",
        "X-Magda-Enduser-ID": "meting",
        "X-Functieprofiel": "trajectondersteuner",
        "Content-Type": "application/json",
    }
    begin = time.perf_counter()
    connection.request("POST", "/inburgering/v1/dossiers/query", body.encode(), headers)
    response = connection.getresponse()
    content = response.read()
    seconds = time.perf_counter() - begin
    told = [f"{name}: {value}" for name, value in response.getheaders() if name.lower() != "date"]
    shape = _ID.sub(b"<id>", "\n".join(told).encode() + b"\n\n" + content)
    return Answer(kind, seconds, response.status, shape)


def environment(url: str) -> dict[str, str]:
    """The environment of the service: the demo mode, on this database."""
    settings = {"MODE": "demo", "DATABASE_URL": url, "PROTOCOLS": str(ROOT / "protocols")}
    return {
        "PATH": os.getenv("PATH", ""),
        "PYTHONPATH": str(ROOT),
        **{PREFIX + name: value for name, value in settings.items()},
    }


def command(*arguments: str) -> list[str]:
    """The command line of the service under this interpreter."""
    return [sys.executable, "-m", "app.cli", *arguments]


@contextmanager
def serving(url: str, folder: Path) -> Iterator[int]:
    """The service on a free port of 127.0.0.1, ready to answer; killed in the end."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    with subprocess.Popen(  # noqa: S603 - our own command
        command("serve", "--port", str(port)), cwd=folder, env=environment(url)
    ) as program:
        try:
            _wait_for_health(program, port)
            yield port
        finally:
            program.kill()


def _wait_for_health(program: subprocess.Popen[bytes], port: int) -> None:
    deadline = time.monotonic() + STARTUP
    while program.poll() is None and time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return
        except OSError:
            pass  # not yet listening
        finally:
            connection.close()
        time.sleep(0.1)
    raise SystemExit("the service does not start")


def fill(database: Database, cast: Cast, now: datetime) -> None:
    """Store the cast as the imports would."""
    keys = MonthKeys(Path("var"))  # what is filled here leaves no record, and needs no key
    demo.fill(Office(database, keys, main.origin()), cast.stored(), now)


def copy_persons(source: Database, target: Database) -> None:
    """Copy the persons and their dossiers: filling twice would take most of a quick run."""
    with source.reading() as reading, target.writing() as writing:
        for table in SQLModel.metadata.sorted_tables:
            if table.name not in PERSONS:
                continue
            for part in reading.connection().execute(select(table)).mappings().partitions(500):
                writing.connection().execute(insert(table), [dict(row) for row in part])


def measure(
    url: str, folder: Path, cast: Cast, load: Load, store: Callable[[Database], None]
) -> list[Run]:
    """Bring the database at `url` up with the protocols and what `store` adds, serve it and ask.

    The files beside it go to `folder`. Raises Distinguishable.
    """
    subprocess.run(  # noqa: S603 - our own command
        command("protocol", "load"),
        cwd=folder,
        env=environment(url),
        check=True,
        stderr=subprocess.DEVNULL,
    )
    database = Database(url)
    store(database)
    name = _settle(database)
    chance = drawing()
    runs = []
    with serving(url, folder) as port:
        issuer = DemoIssuer.load_or_create(folder / main.DEMO_ISSUER_KEY, Mode.DEMO)
        token = issuer.issue(CITY, CITY, ["inb_dossier_v1_G"], read_clock())
        for connections in load.connections:
            say(f"{name}: {load.requests} questions of each kind, connections: {connections}")
            check(ask(port, token, cast.questions(load.warm_up, chance), connections))
            answers = ask(port, token, cast.questions(load.requests, chance), connections)
            check(answers)
            times = {
                kind: [answer.seconds for answer in answers if answer.kind is kind] for kind in Kind
            }
            runs.append(Run(name, connections, times))
    check_records(database, len(load.connections) * (load.warm_up + load.requests))
    database.dispose()
    return runs


def _settle(database: Database) -> str:
    """Do now what PostgreSQL would do some time during the questions; the name of the database."""
    if database.engine.dialect.name == "sqlite":
        return f"SQLite {sqlite3.sqlite_version}"
    with database.engine.connect() as connection:
        alone = connection.execution_options(isolation_level="AUTOCOMMIT")
        alone.exec_driver_sql("VACUUM ANALYZE")
        version = alone.exec_driver_sql("SHOW server_version").scalar_one()
    return f"PostgreSQL {str(version).split()[0]}"


def machine() -> str:
    """The processor, its cores and the versions; no name of the machine."""
    information = Path("/proc/cpuinfo")
    text = information.read_text() if information.exists() else ""
    model = re.search(r"^model name\s*:\s*(.+)$", text, re.MULTILINE)
    return (
        f"{model[1] if model else platform.machine()}, {os.cpu_count()} cores for service, "
        f"database and client;\n  {platform.system()}, Python {platform.python_version()}, "
        f"Protocolpoort {__version__}; load of the last minute {os.getloadavg()[0]:.1f}"
    )


def report(runs: Sequence[Run], persons: int, now: datetime) -> str:
    """The page of a run."""
    beyond = [line[:3] for run in runs for line in rows(run) if line[7] > line[8]]
    pairs = "".join(f"\n- {', '.join(cells)}" for cells in beyond) or " none."
    return f"""# Refusals: the same time for everybody?

Made by `make bench-refusals` on {now:%Y-%m-%d}.

- Machine: {machine()}.
- {persons} synthetic persons, of whom a tenth are cancelled though they live in the city that asks;
  as many distinct persons of each kind are asked about, in a drawn order, each kind once in every
  four questions. PostgreSQL runs in memory without `fsync`, which shows small differences better.
- Times are those of the caller, from the first byte of the question to the last of the answer.
- Every refusal of this run was the same 403: headers and body equal but for ids and the date.

{table(runs)}

A row of two kinds holds the ratios of their percentiles. KS is the Kolmogorov-Smirnov statistic;
two equal distributions exceed "KS 1 %" once in a hundred comparisons. A machine that does other
work as well hides small differences: a run on a quiet one says more.

Pairs beyond "KS 1 %":{pairs}
"""


def say(text: str) -> None:
    """Progress, for the person who waits."""
    print(text, file=sys.stderr, flush=True)  # noqa: T201 - a program of its own


def measure_each(folder: Path, cast: Cast, load: Load, now: datetime) -> list[Run]:
    """SQLite first, then PostgreSQL where it can be had. Raises Distinguishable."""
    file = f"sqlite:///{folder}/protocolpoort.db"
    runs = measure(file, folder, cast, load, lambda database: fill(database, cast, now))
    if missing := skip_reason():
        say(missing)
        return runs
    filled = Database(file)
    other = folder / "postgresql"  # another log, with a key of its own
    other.mkdir()
    with start_cluster() as url:
        runs += measure(url, other, cast, load, partial(copy_persons, filled))
    filled.dispose()
    return runs


def run(arguments: Sequence[str] | None = None) -> int:
    """The program; its exit code."""
    parser = argparse.ArgumentParser(
        prog="bench.refusals", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("--persons", type=int, default=20_000, help="in the register (20000)")
    parser.add_argument("--requests", type=int, default=2_000, help="of each kind (2000)")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="2000 persons, 200 requests, one connection; writes no report",
    )
    options = parser.parse_args(arguments)
    load = Load(options.requests, (1, 8))
    if options.quick:
        options.persons, load = 2_000, Load(200, (1,))
    if options.persons < 100 or load.requests < 2:
        parser.error("at least 100 persons and 2 requests of each kind")
    now = read_clock()
    say(f"{options.persons} synthetic persons ...")
    cast = Cast.of(options.persons, drawing())
    try:
        with tempfile.TemporaryDirectory(prefix="protocolpoort-") as name:
            runs = measure_each(Path(name), cast, load, now)
    except Distinguishable as found:
        say(str(found))
        return 1
    print(table(runs))  # noqa: T201 - what this program is for
    if not options.quick:
        REPORT.write_text(report(runs, options.persons, now), encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(run())
