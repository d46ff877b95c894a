"""What a list of a million persons costs: `make bench-lists` measures it.

Two databases in one PostgreSQL, one with a thousand residents and one with a million. For each the
list of the municipality is made by a process of its own, whose memory is looked at; then another
process writes as many records of persons, and nothing else. The last full run is in lists.md. Exit
code 1 when a list was not whole or a record is missing; never for a time.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Sequence
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path

import psycopg
from databases import create_database, skip_reason, start_cluster

from app import access_log, list_making, listings, population, protocols, sealing
from app.database import Database
from app.deps import read_clock
from app.list_making import Workshop
from app.list_rows import PART
from app.list_task import Task
from app.main import REST
from app.moments import brussels_date
from app.month_keys import MonthKeys
from app.policy import Operation
from app.record import Agreement, Origin, RecordType, Trace, entry_of
from app.settings import Mode, Settings
from app.tlog import note
from app.visit import Visit, new_event_id
from bench import load, rig
from bench.load import Wrong
from bench.log import prose, table
from bench.refusals import machine, say
from bench.rig import CITY, PURPOSES, Rig

REPORT = load.ROOT / "bench" / "lists.md"
ORIGIN = Origin("sha256:00", "bench", "bench")
SMALL, FULL, QUICK = 1_000, 1_000_000, 20_000
GOAL_MEMORY, GOAL_TIME = 16, 3  # MB over the small list; times the records alone


@dataclass(frozen=True)
class Cost:
    """What one process took to do one thing."""

    persons: int
    seconds: float
    memory: float  # MB at most, over what it had before it began


def main() -> None:
    """Measure, or do one thing that is measured."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--quick", action="store_true")
    parser.add_argument("--do", choices=["list", "records"], help=argparse.SUPPRESS)
    parser.add_argument("--url", help=argparse.SUPPRESS)
    parser.add_argument("--folder", type=Path, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.do:
        work = make_list if chosen.do == "list" else write_records
        print(json.dumps(measured(work, chosen.url, chosen.folder)))  # noqa: T201
        return
    if reason := skip_reason():
        say(reason)
        sys.exit(1)
    page = measure(QUICK if chosen.quick else FULL)
    if not chosen.quick:
        REPORT.write_text(page, encoding="utf-8")
    print(page)  # noqa: T201 - what was asked for


def measured(work: Callable[[str, Path], int], url: str, folder: Path) -> dict[str, float]:
    """Do one thing, and say what it took."""
    before = memory("VmRSS")
    begin = time.perf_counter()
    persons = work(url, folder)
    seconds = time.perf_counter() - begin
    return {"persons": persons, "seconds": seconds, "memory": memory("VmHWM") - before}


def memory(name: str) -> float:
    """What this process holds (VmRSS), or held at most (VmHWM), in MB."""
    lines = Path("/proc/self/status").read_text(encoding="ascii").splitlines()
    return int(next(line for line in lines if line.startswith(name)).split()[1]) / 1024


def shop_in(url: str, folder: Path) -> Workshop:
    """Where lists are made, with a signing key of its own."""
    keys = MonthKeys(folder / "month-keys")
    keys.create(read_clock(), 2)
    signer = note.Signer.generate("bench.example/log")
    return Workshop(
        Database(url),
        keys,
        ORIGIN,
        Settings(mode=Mode.DEMO, database_url=url),
        read_clock,
        signer.sign,
        "bench.example/log",
        "bench",
    )


def visit_of(now: datetime) -> Visit:
    """Who asks for the list."""
    return Visit(
        operation=Operation.CREATE_LIJST.value,
        route="/lijsten",
        started_at=now,
        correlation_id="5f2c9a3e-0f1b-4c55-9a5e-6d1a2b3c4d5e",
        event_id=new_event_id(now),
        trace_id="0" * 31 + "1",
        span_id="0" * 15 + "1",
        organisation=CITY,
        client=CITY,
        credential="sha256:00",
        user="ambtenaar-7",
        function_profile="trajectondersteuner",
        reference="lijst-1",
    )


def make_list(url: str, folder: Path) -> int:
    """The list of the municipality: how many persons stand on it. Raises Wrong."""
    shop, now = shop_in(url, folder), read_clock()
    with shop.database.reading() as session:
        clause = protocols.read_register(session).covering(CITY, PURPOSES[CITY], brussels_date(now))
    assert clause  # noqa: S101 - it was loaded
    task = Task(
        id=new_event_id(now),
        protocol=clause.protocol,
        purpose=clause.purpose,
        organisation=CITY,
        client=CITY,
        year=brussels_date(now).year,
        form="csv",
        recipient=sealing.new_identity().recipient,
        own_key=True,
        asked_at=now,
        visit=visit_of(now),
    )
    with shop.database.writing() as session:
        listings.add(session, task)
    shop.rest = REST
    list_making.work_once(shop)
    with shop.database.reading() as session:
        made = listings.find(session, task.id, CITY)
    if made is None or made.digest is None or made.expires_at is None:
        raise Wrong("the list was not made")
    with psycopg.connect(url.replace("+psycopg", "")) as connection:
        [found] = connection.execute(
            "SELECT count(*) FROM access_record WHERE type = 'delivery' AND subject IS NOT NULL"
        ).fetchone() or (0,)
    if found != made.persons:
        raise Wrong(f"{made.persons} persons, {found} records")
    return made.persons


def write_records(url: str, folder: Path) -> int:
    """As many records of persons as the list has, and nothing else."""
    shop, now = shop_in(url, folder), read_clock()
    today = brussels_date(now)
    with shop.database.reading() as session:
        register = protocols.read_register(session)
    clause = register.covering(CITY, PURPOSES[CITY], today)
    assert clause  # noqa: S101 - it was loaded
    list_id, visit, written, after = new_event_id(now), visit_of(now), 0, ""
    while True:
        with shop.database.reading() as session:
            numbers = population.candidates(session, clause.population, today, after, PART)
        if not numbers:
            return written
        after, now = numbers[-1], read_clock()
        entries = []
        for number in numbers:
            trace = Trace(
                type=RecordType.DELIVERY,
                agreement=Agreement.of(clause),
                purpose=clause.purpose,
                requested=clause.fields,
                delivered=clause.fields,
                parent=list_id,
                subject=number,
                subject_basis="resident",
                subject_fact="resident 99001 since 2020-01-01",
                answer=number.encode(),
                year=today.year,
            )
            one = Visit(**{**vars(visit), "event_id": new_event_id(now)})
            entries.append(entry_of(one, trace, shop.keys.at(now), ORIGIN, now, register.version))
        with shop.database.writing() as session:
            access_log.lock(session)
            results = access_log.write(session, entries)
        if any(isinstance(result, Exception) for result in results):
            raise Wrong("a record was not written")
        written += len(numbers)


def prepared(folder: Path, cluster: str, persons: int) -> Rig:
    """A database in which everybody lives in the municipality."""
    made = Rig(folder / str(persons), create_database(cluster), "", persons, SMALL)
    made.prepare()
    with psycopg.connect(made.ours.replace("+psycopg", "")) as connection:
        connection.execute("UPDATE residence SET nis = '99001', first = '2020-01-01', last = NULL")
        connection.execute(
            "INSERT INTO residence (insz, nis, first) SELECT insz, '99001', '2020-01-01' "
            "FROM person p WHERE NOT EXISTS (SELECT 1 FROM residence r WHERE r.insz = p.insz)"
        )
    with psycopg.connect(made.ours.replace("+psycopg", ""), autocommit=True) as connection:
        connection.execute("VACUUM ANALYZE")
    return made


def run(what: str, made: Rig) -> Cost:
    """One thing, in a process of its own. Raises Wrong."""
    ended = subprocess.run(  # noqa: S603 - this program
        [
            *(sys.executable, "-m", "bench.lists", "--do", what),
            *("--url", made.ours, "--folder", str(made.folder)),
        ],
        cwd=load.ROOT,
        env={"PATH": os.getenv("PATH", ""), "PYTHONPATH": f"{load.ROOT}:{load.ROOT}/tests"},
        capture_output=True,
        text=True,
        check=False,
    )
    if ended.returncode:
        raise Wrong(f"{what}: {ended.stderr}")
    cost = Cost(**json.loads(ended.stdout))
    say(f"{what} of {cost.persons:,.0f}: {cost.seconds:.1f} s, {cost.memory:.0f} MB")
    return cost


def measure(persons: int) -> str:
    """The page. Raises Wrong."""
    now, begin = read_clock(), time.perf_counter()
    with ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="protocolpoort-")))
        cluster = stack.enter_context(start_cluster(rig.DURABLE, on_disk=True))
        small, large = (prepared(folder, cluster, size) for size in (SMALL, persons))
        costs = [run("list", small), run("list", large), run("records", large)]
    return page(costs, now, (time.perf_counter() - begin) / 60)


def page(costs: Sequence[Cost], now: datetime, minutes: float) -> str:
    """What was found."""
    small, large, records = costs
    alone = records.seconds / records.persons
    ratio = large.seconds / large.persons / alone
    more = large.memory - small.memory
    goals = table(
        ["", "required", "measured", "reached"],
        [
            [
                f"memory of a list of {large.persons:,.0f} over that of {small.persons:,.0f}",
                f"at most {GOAL_MEMORY} MB",
                f"{more:.1f} MB",
                "yes" if more <= GOAL_MEMORY else "no",
            ],
            [
                "time of a person on the list : of a record alone",
                f"at most {GOAL_TIME}",
                f"{ratio:.2f}",
                "yes" if ratio <= GOAL_TIME else "no",
            ],
        ],
    )
    rows = [
        [name, f"{cost.persons:,.0f}", f"{cost.seconds:.1f}", f"{cost.memory:.1f}"]
        for name, cost in (
            ("list, few", small),
            ("list, many", large),
            ("records alone", records),
        )
    ]
    told = prose(
        f"""The list of a municipality in CSV, read, sealed and recorded by one process, with the
        pauses that it leaves to others in a service, on one PostgreSQL on the disk
        (`{rig.DURABLE}`); memory is the most that the process ever held,
        over what it held before it began. One run; {minutes:.0f} minutes in all."""
    )
    return (
        "# What a list costs\n\n"
        f"Made by `make bench-lists` on {brussels_date(now)}.\n\n{goals}\n\n{told}\n\n"
        f"Machine: {machine()}.\n\n"
        f"{table(['', 'persons', 'seconds', 'MB'], rows)}\n"
    )


if __name__ == "__main__":
    main()
