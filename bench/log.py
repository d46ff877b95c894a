"""What does the access log cost as it grows? `make bench-log` measures it, side by side in one run.

Four promises: (a) records that arrive together share a commit, (b) and with it a flush to the
disk; (c) an auditor's question does not take longer in a large log; (d) verifying an export costs
little more than reading it. The last full run is in log.md. Exit code 1 when a log or an export is
not what it should be; never for a time.
"""

import argparse
import asyncio
import hashlib
import json
import os
import secrets
import signal
import statistics
import subprocess
import sys
import tempfile
import time
import uuid
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from textwrap import fill
from typing import IO, Any

import psycopg
from databases import create_database, skip_reason, start_cluster
from sqlalchemy import event

from app import database, fields, log_search, log_tree
from app.access_log import AccessLog
from app.canonical import canonical_json
from app.database import Database
from app.deps import read_clock
from app.log_search import Search
from app.month_keys import KEY_BYTES, MonthKey, MonthKeys
from app.record import Agreement, Origin, Trace, columns_of, entry_of
from app.tlog import bundle, tiles, tree
from app.tlog.note import Checkpoint, Signer
from app.tlog.tiles import Tile
from app.visit import Visit, new_event_id
from bench.refusals import drawing, machine, say

ROOT = Path(__file__).parents[1]
REPORT = ROOT / "bench" / "log.md"
ORIGIN = Origin(fields.CATALOGUE_HASH, "bench", "bench")
TOGETHER = 32  # waiters

# Every commit is on the disk, as in production; only checkpoints of PostgreSQL stay out of the way.
DURABLE = "max_wal_size=2GB checkpoint_timeout=1h"
# Nothing is written while questions are timed, so filling may be careless.
CARELESS = (
    "fsync=off full_page_writes=off max_wal_size=2GB checkpoint_timeout=1h wal_level=minimal "
    "max_wal_senders=0 maintenance_work_mem=512MB autovacuum=off"
)


class Unsound(Exception):
    """What was written is not there, or does not verify; the text says what."""


@dataclass(frozen=True)
class Scale:
    """How much is done."""

    rounds: int
    seconds: float  # of each kind of writing, in each round
    large: int  # records in the logs that are searched
    small: int
    questions: int  # of each kind, in each round
    exported: int  # records in the bundles that are verified
    exported_fewer: int
    verifications: int  # of each bundle


FULL = Scale(5, 8.0, 5_000_000, 50_000, 30, 1_000_000, 100_000, 3)
QUICK = Scale(2, 2.0, 200_000, 5_000, 10, 50_000, 5_000, 2)


@dataclass(frozen=True)
class Promise:
    """What was measured in each round, and the bound that the median has to keep."""

    letter: str
    what: str
    bound: float
    measured: Sequence[float]
    at_least: bool = False
    digits: int = 2

    @property
    def median(self) -> float:
        """What is compared with the bound."""
        return statistics.median(self.measured)

    @property
    def kept(self) -> bool:
        """True when the median is within the bound."""
        return self.median >= self.bound if self.at_least else self.median <= self.bound

    @property
    def cells(self) -> tuple[str, ...]:
        """The row of the table of promises."""
        required = f"{'at least' if self.at_least else 'at most'} {self.bound:g}"
        return (
            self.letter,
            self.what,
            required if self.bound else "none",
            span(self.measured, self.digits),
            "yes" if self.kept else "NO",
        )


@dataclass(frozen=True)
class Part:
    """What one part of the run found: its promises, and its page."""

    promises: Sequence[Promise]
    text: str


def table(headings: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A plain table."""
    lines = [list(headings), *map(list, rows)]
    widths = [max(map(len, column)) for column in zip(*lines, strict=True)]
    lines.insert(1, ["-" * width for width in widths])
    return "\n".join(
        f"| {' | '.join(cell.ljust(width) for cell, width in zip(line, widths, strict=True))} |"
        for line in lines
    )


def over(ones: Sequence[float], others: Sequence[float]) -> list[float]:
    """The ratio of each round."""
    return [one / other for one, other in zip(ones, others, strict=True)]


def span(values: Sequence[float], digits: int = 0) -> str:
    """The median, and the range behind it where there is one."""
    median = f"{statistics.median(values):,.{digits}f}"
    least, most = f"{min(values):,.{digits}f}", f"{max(values):,.{digits}f}"
    return median if least == most else f"{median} ({least} - {most})"


@contextmanager
def opened(url: str) -> Iterator[Database]:
    """A new database with the tables in it."""
    database.upgrade(url)
    store = Database(url)
    try:
        yield store
    finally:
        store.dispose()


def prose(text: str, indent: str = "") -> str:
    """One paragraph, in lines; those after the first are indented."""
    return fill(" ".join(text.split()), 98, subsequent_indent=indent, break_on_hyphens=False)


# -- records


def question(now: datetime) -> tuple[Visit, Trace]:
    """What a gate knows of a question to which the answer was some fields of a dossier."""
    asked = ("attest.inburgeringBehaald", "contract.ondertekend")
    number = secrets.randbelow(100_000)
    visit = Visit(
        operation="queryDossier",
        route="/dossiers/query",
        started_at=now,
        correlation_id=str(uuid.uuid4()),
        event_id=new_event_id(now),
        trace_id=secrets.token_hex(16),
        span_id=secrets.token_hex(8),
        organisation="voorbeeldstad",
        client="voorbeeldstad",
        credential=f"sha256:{secrets.token_hex(32)}",
        user=f"ambtenaar-{number % 500}",
        function_profile="trajectondersteuner",
        reference=f"dossier-{number}",
    )
    trace = Trace(
        status=200,
        agreement=Agreement("voorbeeldstad-2026", "1", "sha256:" + "2efdc8ef" * 8),
        purpose="lokaalIntegratiebeleid",
        requested=asked,
        delivered=asked,
        subject=f"{number:011}",
        subject_basis="resident",
        subject_fact="99001 2020-01-01",
        answer=b'{"attest":{"inburgeringBehaald":true}}',
    )
    return visit, trace


@cache
def sample() -> Mapping[str, Any]:
    """A record as the service makes it."""
    made = entry_of(
        *question(NEWEST), MonthKey(secrets.token_bytes(KEY_BYTES)), ORIGIN, NEWEST, None
    )
    record: Mapping[str, Any] = json.loads(made.columns["record"])
    return record


# What differs from record to record.
_DIFFERS = (
    *("eventId", "recordedAt", "organisation", "reference"),
    *("subject", "user", "traceId", "credential", "responseDigest"),
)


def record_with(*values: str) -> bytes:
    """The sample with these values of what differs."""
    return canonical_json({**sample(), **dict(zip(_DIFFERS, values, strict=True))})


# -- (a) and (b): writing


_SYNCS = {
    False: "SELECT wal_sync FROM pg_stat_wal",
    True: "SELECT sum(fsyncs) FROM pg_stat_io WHERE object = 'wal'",  # from PostgreSQL 18 on
}
_SCANS = "SELECT seq_scan FROM pg_stat_user_tables WHERE relname = 'access_record'"


@dataclass(frozen=True)
class Written:
    """What so many waiters appended in one round."""

    waiters: int
    records: int
    seconds: float
    commits: int
    syncs: int  # fdatasync of the write-ahead log of PostgreSQL
    scans: int  # of all records, one after another

    @property
    def rate(self) -> float:
        """Durable records in a second."""
        return self.records / self.seconds


@dataclass
class Writer:
    """The real writer on one database; it remembers what it was told is durable."""

    store: Database
    log: AccessLog
    appended: dict[int, str] = field(default_factory=dict)  # the event id at each index
    commits: int = 0

    @classmethod
    def open(cls, store: Database, folder: Path) -> "Writer":
        """The writer of a log that is empty."""
        keys = MonthKeys(folder / "keys")
        keys.create(read_clock(), months=2)
        writer = cls(store, AccessLog(store, keys, ORIGIN))

        @event.listens_for(store.engine, "before_cursor_execute")
        def count(_connection: object, _cursor: object, statement: str, *_: object) -> None:
            writer.commits += statement == "COMMIT"

        return writer

    def write(self, waiters: int, seconds: float) -> Written:
        """Let each of the waiters append, one record after another, for so long."""
        syncs, scans = self._counted()
        records, commits = len(self.appended), self.commits
        begin = time.perf_counter()
        asyncio.run(self._append(waiters, begin + seconds))
        took = time.perf_counter() - begin
        records, commits = len(self.appended) - records, self.commits - commits
        now_syncs, now_scans = self._counted()
        return Written(waiters, records, took, commits, now_syncs - syncs, now_scans - scans)

    async def _append(self, waiters: int, end: float) -> None:
        async def work() -> None:
            while time.perf_counter() < end:
                now = read_clock()
                visit, trace = question(now)
                index = await self.log.append(visit, trace, now, None)
                if self.appended.setdefault(index, visit.event_id) != visit.event_id:
                    raise Unsound(f"two records have index {index}")

        await asyncio.gather(*(work() for _ in range(waiters)))

    def _counted(self) -> tuple[int, int]:
        """How often PostgreSQL has flushed its log, and read the whole table of records. Asked
        over the connection that wrote, the only one there is, so that it tells what it counted."""
        if self.store.engine.dialect.name != "postgresql":
            return 0, 0
        with self.store.writing() as session:
            session.connection().exec_driver_sql("SELECT pg_stat_force_next_flush()")
        with self.store.writing() as session:
            connection = session.connection()
            found = connection.exec_driver_sql("SHOW server_version_num").scalar_one()
            syncs = connection.exec_driver_sql(_SYNCS[int(found) >= 180000]).scalar_one()
            scans = connection.exec_driver_sql(_SCANS).scalar_one()
        return int(syncs), int(scans)

    def check(self) -> None:
        """Raise Unsound unless the log holds exactly what was appended, and its tree is theirs."""
        edge: list[bytes] = []
        with self.store.reading() as session:
            head = log_tree.head(session)
            if self.appended.keys() != set(range(head.size)):
                raise Unsound(f"{len(self.appended)} records were appended, {head.size} are there")
            for index, record in log_tree.records(session, 0, head.size):
                if json.loads(record)["eventId"] != self.appended[index]:
                    raise Unsound(f"record {index} is another one")
                tree.grow(edge, index, tree.leaf_hash(record))
        if tree.root(edge) != head.root:
            raise Unsound("the tree is not that of the records")


def writing(url: str, folder: Path, scale: Scale) -> tuple[list[Written], list[Written]]:
    """Rounds of one waiter, and of many, in turn. Raises Unsound."""
    with opened(url) as store:
        writer = Writer.open(store, folder)
        for waiters in (1, TOGETHER):
            writer.write(waiters, scale.seconds / 4)
        alone, together = [], []
        for number in range(scale.rounds):
            alone.append(writer.write(1, scale.seconds))
            together.append(writer.write(TOGETHER, scale.seconds))
            say(f"round {number + 1}: {alone[-1].rate:.0f} and {together[-1].rate:.0f} records/s")
        writer.check()
    return alone, together


def written_row(name: str, rounds: Sequence[Written]) -> tuple[str, ...]:
    """The cells of one database and one number of waiters."""
    records = sum(each.records for each in rounds)
    counted = name == "PostgreSQL"
    return (
        name,
        str(rounds[0].waiters),
        f"{records:,}",
        span([each.rate for each in rounds]),
        f"{records / sum(each.commits for each in rounds):.1f}",
        span([each.syncs / each.records for each in rounds], 3) if counted else "",
        str(sum(each.scans for each in rounds)) if counted else "",
    )


def measure_writing(scale: Scale) -> Part:
    """On PostgreSQL; SQLite for information. Raises Unsound."""
    say("writing: SQLite ...")
    with tempfile.TemporaryDirectory(prefix="protocolpoort-") as folder:
        lite = writing(f"sqlite:///{folder}/log.db", Path(folder), scale)
    with start_cluster(DURABLE, on_disk=True) as url:
        say("writing: PostgreSQL ...")
        with tempfile.TemporaryDirectory(prefix="protocolpoort-") as folder:
            alone, together = writing(url, Path(folder), scale)
        with psycopg.connect(url) as connection:
            shown = ("server_version", "fsync", "synchronous_commit", "wal_sync_method")
            found = [(name, connection.execute(f"SHOW {name}").fetchone()) for name in shown]
    settings = ", ".join(f"{name} {value[0]}" for name, value in found if value)
    times = over([each.rate for each in together], [each.rate for each in alone])
    syncs = [each.syncs / each.records for each in together]
    rows = [
        written_row(name, rounds)
        for name, kinds in (("PostgreSQL", (alone, together)), ("SQLite", lite))
        for rounds in kinds
    ]
    headings = ("database", "waiters", "records", "records/s", "batch", "syncs/record", "seq_scan")
    about = f"""One process appends through `AccessLog`, to a log that was empty when it began, on a
        disk. A waiter appends its next record, of some {len(canonical_json(sample())):,} bytes,
        when it hears that the one before is durable. One waiter is the writer at batch size 1.
        Rounds of {scale.seconds:g} s of each, in turn: {scale.rounds}. *Syncs* are those of the
        write-ahead log, whoever made them; *seq_scan* is that of `access_record` in
        `pg_stat_user_tables` during the rounds: PostgreSQL reads the whole table while it has a few
        pages, and a number that grows with the commits would be a bad plan. After the rounds every
        record that was told to be durable was read back at its index, and the root over all of them
        was that of the log. SQLite is there for information. PostgreSQL: {settings}."""
    return Part(
        [
            Promise("a", f"records/s with {TOGETHER} waiters : with 1", 6, times, at_least=True),
            Promise("b", f"fdatasync per record with {TOGETHER} waiters", 0.1, syncs, digits=3),
        ],
        f"""## (a), (b) Writing

{prose(about)}

{table(headings, rows)}""",
    )


# -- (c): searching

NEWEST = datetime(2026, 6, 1, tzinfo=UTC)
KEPT = timedelta(days=3650)
MONTH = timedelta(days=31)
ORGANISATIONS = 40
OFTEN = 100  # persons who are asked about a hundred times as often as others
SHARE = 25  # one in so many records is about one of them
EACH = 20  # records of any other person

# Made in the database, which is ten times as fast as sending them. OFFSET 0 keeps PostgreSQL from
# working out an expression again for every use of it.
_RECORDS = """
INSERT INTO access_record (log_index, event_id, record, leaf_hash, recorded_at, type, outcome,
 organisation, protocol, purpose, function_profile, reference, subject, user_token, fields)
SELECT i, event_id, record, sha256('\\x00'::bytea || record), moment, %(type)s, %(outcome)s,
 organisation, %(protocol)s, %(purpose)s, %(function_profile)s, reference, subject, user_token,
 %(fields)s
FROM (SELECT *, convert_to(format(%(template)s, event_id, said, organisation, reference, subject,
   user_token, noise, concat('sha256:', noise, more), concat('sha256:', more, noise)), 'UTF8')
  AS record
 FROM (SELECT i, moment, noise, more, said,
   concat(substr(ms, 1, 8), '-', substr(ms, 9), '-7', substr(noise, 1, 3),
    '-8', substr(noise, 4, 3), '-', substr(noise, 7, 12)) AS event_id,
   concat('nis:', 71000 + organisation) AS organisation,
   concat('dossier-', i) AS reference,
   left(encode(sha256(concat('subject/', person, '/', month)::bytea), 'hex'), 36) AS subject,
   left(encode(sha256(concat('user/', i %% 500, '/', month)::bytea), 'hex'), 36) AS user_token
  FROM (SELECT i, moment, noise, md5(concat('more', i)) AS more,
    to_char(moment, 'YYYY-MM-DD"T"HH24:MI:SS.MS"Z"') AS said, to_char(moment, 'YYYY-MM') AS month,
    lpad(to_hex((extract(epoch FROM moment) * 1000)::bigint), 12, '0') AS ms,
    floor(%(organisations)s * power(
     ('x' || left(noise, 8))::bit(32)::bigint / 4294967296.0::float8, 2))::int AS organisation,
    CASE WHEN i %% %(share)s = 0 THEN (i / %(share)s) %% %(often)s
     ELSE %(often)s + ('x' || right(noise, 8))::bit(32)::bigint %% %(persons)s END AS person
   FROM (SELECT i, md5(i::text) AS noise,
     date_trunc('milliseconds', %(start)s::timestamptz + i * %(step)s::interval) AS moment
    FROM generate_series(0::bigint, %(size)s - 1) AS i OFFSET 0) AS d
   OFFSET 0) AS c OFFSET 0) AS b OFFSET 0) AS a
"""


@dataclass(frozen=True)
class Log:
    """A log that is searched: its records lie evenly over the days before NEWEST."""

    size: int
    days: timedelta

    @property
    def start(self) -> datetime:
        """The moment of the first record."""
        return NEWEST - self.days

    def fill(self, url: str) -> None:
        """Make the log in a database with empty tables."""
        places = (f"%{place + 1}$s" for place in range(len(_DIFFERS)))
        values = {
            **columns_of(sample()),
            "template": record_with(*places).decode(),
            "size": self.size,
            "start": self.start,
            "step": self.days / self.size,
            "organisations": ORGANISATIONS,
            "share": SHARE,
            "often": OFTEN,
            "persons": self.size // EACH,
        }
        with psycopg.connect(url) as connection:
            connection.execute("SET timezone = 'UTC'")
            connection.execute("SET session_replication_role = replica")  # no trigger guards it
            indexes = connection.execute(
                "SELECT indexname, indexdef FROM pg_indexes "
                "WHERE tablename = 'access_record' AND indexname LIKE 'ix_%'"
            ).fetchall()
            # What fills a table that was emptied in the same transaction stays out of the WAL.
            connection.execute("TRUNCATE access_record, access_detail")
            for name, _ in indexes:
                connection.execute(f'DROP INDEX "{name}"')
            connection.execute(_RECORDS, values)
            # No one appends: the edge is as long as it has to be, and not worked out.
            edge = bytes(tree.HASH_BYTES * self.size.bit_count())
            head = "UPDATE log_head SET size = %s, newest = %s, edge = %s"
            connection.execute(head, (self.size, NEWEST, edge))
            for _, made in indexes:
                connection.execute(made)
            connection.commit()
            connection.autocommit = True
            connection.execute("VACUUM ANALYZE")

    def check(self, store: Database) -> None:
        """Raise Unsound unless the first, the last and a row between are those of records."""
        for place in (0, self.size // 2, self.size - 1):
            with store.reading() as session:
                rows = log_search.rows(session, place, place + 1)
            if len(rows) != 1:
                raise Unsound(f"record {place} is not there")
            made = {**columns_of(json.loads(rows[0].record)), "log_index": place}
            if made != rows[0].columns:
                raise Unsound(f"the row of record {place} is not that of the record")


def token(person: int, month: str) -> str:
    """What stands for a person in the records of a month, here without a key; as in _RECORDS."""
    return hashlib.sha256(f"subject/{person}/{month}".encode()).hexdigest()[:36]


def months() -> list[str]:
    """Every month of which the key is kept."""
    found, month = [], (NEWEST - KEPT).replace(day=1)
    while month <= NEWEST:
        found.append(f"{month:%Y-%m}")
        month = (month + timedelta(days=32)).replace(day=1)
    return found


def about(person: int) -> Search:
    """All about one person, asked for as the audit does: under the token of each kept month."""
    return Search(subjects=tuple(token(person, month) for month in months()))


def searches(log: Log, count: int) -> dict[str, list[Search]]:
    """So many questions of each kind that an auditor asks, all different where they can be."""
    chance = drawing()
    who = {
        "person": [about(OFTEN + chance.randrange(log.size // EACH)) for _ in range(count)],
        "frequent person": [about(each) for each in chance.sample(range(OFTEN), count)],
        "organisation": [
            Search(organisation=f"nis:{71000 + chance.randrange(ORGANISATIONS)}")
            for _ in range(count)
        ],
        "period": [Search()] * count,
    }
    newest = Search(since=NEWEST - MONTH, until=NEWEST)
    oldest = Search(since=log.start, until=log.start + MONTH)
    found = {}
    for name, asked in who.items():
        if name != "period":
            found[name] = asked
            found[f"{name}, deep page"] = [replace(each, before=log.size // 2) for each in asked]
        for when, period in (("newest", newest), ("oldest", oldest)):
            found[f"{name}, {when} month"] = [
                replace(each, since=period.since, until=period.until) for each in asked
            ]
    return found


@dataclass
class Asked:
    """What one kind of question took in one log."""

    medians: list[float] = field(default_factory=list)  # of each round, in ms
    found: list[int] = field(default_factory=list)  # records on the pages
    plans: set[str] = field(default_factory=set)  # of the statements on the records


def ask(store: Database, wanted: Search) -> tuple[float, int]:
    """The milliseconds that it took, with the session, and how many records the page has."""
    begin = time.perf_counter()
    with store.reading() as session:
        found = log_search.search(session, wanted)
    return 1000 * (time.perf_counter() - begin), len(found.records)


def plans(store: Database, wanted: Search) -> set[str]:
    """The plans of the statements by which this is found in the records."""
    told: list[tuple[str, Any]] = []

    def tell(_connection: Any, _cursor: Any, statement: str, values: Any, *_: Any) -> None:
        told.append((statement, values))

    event.listen(store.engine, "before_cursor_execute", tell)
    with store.reading() as session:
        log_search.search(session, wanted)
        event.remove(store.engine, "before_cursor_execute", tell)
        found = [
            session.connection().exec_driver_sql(f"EXPLAIN (FORMAT JSON) {statement}", values)
            for statement, values in told
            if "access_record" in statement
        ]
        return {shape(each.scalar_one()[0]["Plan"]) for each in found}


def shape(plan: Mapping[str, Any]) -> str:
    """A plan as the names of its nodes, outermost first, with the index that each reads."""
    name = str(plan["Node Type"])
    if "Index Name" in plan:
        name += f" {plan['Index Name'].replace('access_record', '~')}"
    elif name == "Seq Scan":
        name += f" {plan['Relation Name']}"
    below = [shape(each) for each in plan.get("Plans", ())]
    if len(below) > 1:
        return f"{name} > ({'; '.join(below)})"
    return " > ".join([name, *below])


def measure_searching(scale: Scale) -> Part:
    """Two logs in one cluster. Raises Unsound."""
    small, large = Log(scale.small, KEPT * (scale.small / scale.large)), Log(scale.large, KEPT)
    with start_cluster(CARELESS, on_disk=True) as cluster:
        urls = create_database(cluster), create_database(cluster)
        with opened(urls[0]) as one, opened(urls[1]) as other:
            for log, url, store in zip((small, large), urls, (one, other), strict=True):
                say(f"searching: a log of {log.size:,} records ...")
                log.fill(url)
                log.check(store)
            few, many = searches(small, scale.questions), searches(large, scale.questions)
            asked = {
                kind: in_turn((one, other), list(zip(few[kind], many[kind], strict=True)), scale)
                for kind in few
            }
    return searching_part(asked, small, large)


def in_turn(
    stores: Sequence[Database], questions: Sequence[Sequence[Search]], scale: Scale
) -> list[Asked]:
    """One kind of question: each to every log in turn, after a round to warm up."""
    results = [Asked() for _ in stores]
    for number in range(scale.rounds + 1):
        times: list[list[float]] = [[] for _ in stores]
        for each in questions:
            for store, wanted, result, took in zip(stores, each, results, times, strict=True):
                if number == 0:
                    result.plans |= plans(store, wanted)
                milliseconds, records = ask(store, wanted)
                took.append(milliseconds)
                result.found.append(records)
        if number:
            for result, took in zip(results, times, strict=True):
                result.medians.append(statistics.median(took))
    return results


def searching_part(asked: Mapping[str, Sequence[Asked]], small: Log, large: Log) -> Part:
    """The page of the searches: small log first."""
    ratios = {kind: over(many.medians, few.medians) for kind, (few, many) in asked.items()}
    worst = max(ratios, key=lambda kind: statistics.median(ratios[kind]))
    told = [plan for _, many in asked.values() for plan in many.plans]
    rows = [
        (
            kind,
            " / ".join(f"{statistics.mean(side.found):.0f}" for side in sides),
            *(f"{statistics.median(side.medians):.1f}" for side in sides),
            span(ratios[kind], 2),
        )
        for kind, sides in asked.items()
    ]
    headings = ("question", "found", f"ms of {small.size:,}", f"ms of {large.size:,}", "ratio")
    what = (
        f"question in {large.size:,} records : in {small.size:,}, worst of {len(asked)} ({worst})"
    )
    scanned = sum("Seq Scan access_record" in plan for plan in told)
    about_logs = f"""Two logs on PostgreSQL, searched by `log_search.search` as an auditor does.
        The large one has its records over 10 years, the small one as many a day over
        {small.days.days} days: a log grows because time goes on. A person is asked for under the
        tokens of all {len(months())} months of which the keys are kept, in both logs.
        {ORGANISATIONS} organisations, the largest with a sixth of the records; some {EACH} records
        about a person, but one record in {SHARE} is about one of {OFTEN} frequent persons, with
        {large.size // SHARE // OFTEN:,} each in the large log. A deep page begins halfway the log;
        the oldest month is that of the log itself."""
    about_times = f"""A time is that of a session, the search and its page of at most
        {Search().limit} records. In each round every question of a kind was asked of
        both logs in turn; the figures are the medians of the rounds ({len(ratios[worst])}, after
        one that does not count). *Found* is the mean number of records on a page, small
        log first."""
    about_plans = """The plans (`EXPLAIN` of each statement on the records with its values, in the
        round that does not count), each once; `~` stands for `access_record`."""
    return Part(
        [
            Promise("c", what, 2, ratios[worst]),
            Promise("c", "its plans with a sequential scan of the records", 0, [scanned], digits=0),
        ],
        f"""## (c) Searching

{prose(about_logs)}

{prose(about_times)}

{table(headings, rows)}

{prose(about_plans)}

{planned(asked)}""",
    )


def planned(asked: Mapping[str, Sequence[Asked]]) -> str:
    """Each plan once, with the questions that had it."""
    kinds: dict[str, dict[str, list[str]]] = {}
    for kind, (few, many) in asked.items():
        for plan in sorted(few.plans | many.plans):
            where = {(True, True): "both logs", (True, False): "small", (False, True): "large"}
            place = where[plan in few.plans, plan in many.plans]
            kinds.setdefault(plan, {}).setdefault(place, []).append(kind)
    lines = []
    for plan, places in kinds.items():
        told = ". ".join(f"*{place}*: {'; '.join(names)}" for place, names in places.items())
        lines += [prose(f"- `{plan}`", "  "), "  " + prose(told, "  ")]
    return "\n".join(lines)


# -- (d): verifying

_LAUNCHER = """
import json, os, sys, time
begin = time.perf_counter()
place = os.posix_spawn(sys.executable, [sys.executable, *sys.argv[1:]], os.environ)
_, status, usage = os.wait4(place, 0)
seconds = time.perf_counter() - begin
print(json.dumps([os.waitstatus_to_exitcode(status), seconds, usage.ru_maxrss]))
"""

_PARSE_AND_HASH = """
import hashlib, json, sys, zipfile
count = 0
with zipfile.ZipFile(sys.argv[1]) as bundle, bundle.open("records.jsonl") as lines:
    for line in lines:
        json.loads(line)
        hashlib.sha256(b"\\0" + line[:-1]).digest()
        count += 1
print(f"{count} records")
"""


@dataclass(frozen=True)
class Program:
    """What a program took, and what it said."""

    seconds: float
    megabytes: float  # the most that it had in memory
    told: str


def launch(*arguments: str) -> Program:
    """Run a program under this interpreter, apart: its memory would begin as large as ours.

    Raises Unsound when it does not end well.
    """
    ended = subprocess.run(  # noqa: S603 - our own command
        [sys.executable, "-c", _LAUNCHER, *arguments], cwd=ROOT, capture_output=True, text=True
    )
    *told, figures = ended.stdout.splitlines()
    code, seconds, kilobytes = json.loads(figures)
    if code != 0:
        raise Unsound(f"exit code {code}: {ended.stderr}")
    return Program(seconds, kilobytes / 1024, "\n".join(told))


def records(count: int) -> Iterator[bytes]:
    """The same records each time, a second apart; as hard to compress as real ones."""
    chance = drawing()
    for number in range(count):
        noise = chance.randbytes(132).hex()
        moment = NEWEST + timedelta(seconds=number)
        yield record_with(
            str(uuid.UUID(noise[:32])),
            f"{moment:%Y-%m-%dT%H:%M:%S}.000Z",
            f"nis:{71000 + number % ORGANISATIONS}",
            f"dossier-{number}",
            noise[32:68],
            noise[68:104],
            noise[104:136],
            f"sha256:{noise[136:200]}",
            f"sha256:{noise[200:]}",
        )


def levels(leaves: bytes) -> list[bytes]:
    """The hashes of each level of tiles, the leaves first."""
    found, wide = [leaves], tiles.WIDTH * tree.HASH_BYTES
    while len(found[-1]) >= wide:
        below = found[-1]
        full = range(0, len(below) - wide + 1, wide)
        found.append(b"".join(tiles.root_of(below[at : at + wide]) for at in full))
    return found


def export(file: IO[bytes], count: int) -> None:
    """Write a bundle of a whole log of so many records."""
    edge: list[bytes] = []
    leaves = bytearray()
    for index, record in enumerate(records(count)):
        leaf = tree.leaf_hash(record)
        tree.grow(edge, index, leaf)
        leaves += leaf
    hashes = levels(bytes(leaves))

    def held() -> Iterator[tuple[Tile, bytes]]:
        for tile in tiles.tiles_of_range(0, count, count):
            at = tile.index * tiles.WIDTH * tree.HASH_BYTES
            yield tile, hashes[tile.level][at : at + tile.width * tree.HASH_BYTES]

    signer = Signer.generate("bench.example/log")
    note = signer.sign(Checkpoint(signer.vkey.name, count, tree.root(edge)).text)
    bundle.write_range(file, 0, records(count), note, [signer.vkey], held(), {})
    file.flush()


def compare(count: int, rounds: int) -> tuple[list[Program], list[Program]]:
    """Verify a bundle of so many records, and read it, in turn. Raises Unsound."""
    say(f"verifying: a bundle of {count:,} records ...")
    verified, read = [], []
    with tempfile.NamedTemporaryFile(prefix="protocolpoort-", suffix=".zip") as file:
        export(file, count)
        for _ in range(rounds + 1):
            verified.append(launch("-m", "app.tlog", "verify", file.name))
            read.append(launch("-c", _PARSE_AND_HASH, file.name))
            if f" {count} records" not in verified[-1].told or read[-1].told != f"{count} records":
                raise Unsound(f"other records: {verified[-1].told} {read[-1].told}")
    return verified[1:], read[1:]  # the first time both are read from the disk


def measure_verifying(scale: Scale) -> Part:
    """Two bundles. Raises Unsound."""
    fewer = compare(scale.exported_fewer, scale.verifications)
    many = compare(scale.exported, scale.verifications)
    rows = [
        (
            name,
            f"{count:,}",
            span([each.seconds for each in kind], 2),
            span([each.megabytes for each in kind], 1),
        )
        for count, kinds in ((scale.exported_fewer, fewer), (scale.exported, many))
        for name, kind in zip(("log verify", "parse and hash"), kinds, strict=True)
    ]
    about = f"""A bundle of a whole log, as `bundle.write_range` writes it. *Log verify* is
        `python -m app.tlog verify BUNDLE`; *parse and hash* reads the same `records.jsonl` from the
        same zip line by line, parses and hashes each line, and checks nothing. Each is a program of
        its own, in turn; rounds: {scale.verifications}, after one that does not count. Memory
        counts as flat when so many more records take at most a quarter more."""
    times = over([each.seconds for each in many[0]], [each.seconds for each in many[1]])
    memory = over([each.megabytes for each in many[0]], [each.megabytes for each in fewer[0]])
    return Part(
        [
            Promise("d", f"log verify of {scale.exported:,} records : parse and hash", 3, times),
            Promise(
                "d",
                f"its peak memory : with {scale.exported_fewer:,} records",
                1.25,
                memory,
            ),
        ],
        f"""## (d) Verifying

{prose(about)}

{table(("program", "records", "seconds", "peak memory in MB"), rows)}""",
    )


# -- the run

PARTS: Mapping[str, Callable[[Scale], Part]] = {
    "write": measure_writing,
    "search": measure_searching,
    "verify": measure_verifying,
}


def measure(names: Sequence[str], scale: Scale) -> str:
    """Run the parts with these names: the page. Raises Unsound."""
    now, parts, loads = read_clock(), [], []
    for name in names:
        before, begin = os.getloadavg()[0], time.perf_counter()
        parts.append(PARTS[name](scale))
        minutes = (time.perf_counter() - begin) / 60
        loads.append((name, f"{minutes:.1f}", f"{before:.1f}", f"{os.getloadavg()[0]:.1f}"))
    promises = [promise.cells for part in parts for promise in part.promises]
    texts = "\n\n".join(part.text for part in parts)
    return f"""# The access log: what it costs as it grows

Made by `make bench-log` on {now:%Y-%m-%d}.

{table(("", "promise", "required", "measured: median (range)", "reached"), promises)}

A ratio is the median of those of the rounds, with the lowest and the highest; within a round both
sides were measured in turn. No test looks at a time.

Machine: {machine()}.

{table(("part", "minutes", "load at its begin", "load at its end"), loads)}

{texts}
"""


def run(arguments: Sequence[str] | None = None) -> int:
    """The program; its exit code."""
    parser = argparse.ArgumentParser(prog="bench.log", description=(__doc__ or "").split("\n\n")[0])
    parser.add_argument("--quick", action="store_true", help="small and short; writes no report")
    parser.add_argument("--part", choices=PARTS, action="append", help="only this; no report")
    options = parser.parse_args(arguments)
    for stop in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C: what was made is removed
        signal.signal(stop, signal.default_int_handler)
    return produce(
        options.part or list(PARTS),
        QUICK if options.quick else FULL,
        None if options.quick or options.part else REPORT,
    )


def produce(names: Sequence[str], scale: Scale, path: Path | None) -> int:
    """Measure, show the page, and write it where a path is given; the exit code."""
    if missing := skip_reason():
        say(missing)
        return 1
    try:
        page = measure(names, scale)
    except Unsound as found:
        say(str(found))
        return 1
    print(page)  # noqa: T201 - what this program is for
    if path:
        path.write_text(page, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(run())
