"""Mixed traffic without a pause, every answer known beforehand: `make soak`.

Allowed, refused and invalid questions, bad tokens, batches and auditors over keep-alive
connections, while protocols are suspended and resumed. On PostgreSQL with two processes, then on
SQLite with one. Exit code 1 when an answer was wrong or left under a suspended protocol, when a
request is not recorded exactly once, when the log is not whole, and in a full run when memory
grows. The last full run is in soak.md.
"""

import argparse
import asyncio
import json
import os
import random
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any, NamedTuple

import orjson
from databases import create_database, skip_reason, start_cluster
from programs import free_port

from app import demo, main
from app.administration import Office
from app.database import Database
from app.demo_persons import demo_persons
from app.deps import read_clock
from app.month_keys import MonthKeys
from app.settings import Mode
from app.strangers import LIMIT
from app.tokens import DemoIssuer
from bench.log import prose, table
from bench.refusals import ROOT, command, environment, machine
from bench.soak_questions import (
    PLACES,
    PROTOCOLS,
    Answered,
    Asked,
    Due,
    Ending,
    Questions,
    essence,
    event_id,
    new_run,
    parts_of,
)

REPORT = ROOT / "bench" / "soak.md"
PATIENCE = 60  # seconds for one answer, for the start and for the end of the service
GROWTH = 16.0  # MB that a process may grow over the last half of a full run
FULL = 10.0  # minutes from which a run is one that counts
UNKNOWN = 200  # persons whom nobody stored
ATTEMPTS = 5  # of a command on the register
SHOWN = 10  # faults of a kind that are shown; all are counted
IN_FORCE, MOVING, SHUT = "in force", "moving", "suspended"

# The commands as they are, forked from a process that has them ready: a line of arguments in, the
# exit code out, and what was printed in a file.
OPERATOR = """
import json, os, sys
from app import cli
for line in sys.stdin:
    child = os.fork()
    if not child:
        printed = os.open("operator.txt", os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(printed, 1)
        os.dup2(printed, 2)
        sys.argv = ["protocolpoort", *json.loads(line)]
        cli.run()
    print(os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]), flush=True)
"""


@dataclass(frozen=True)
class Plan:
    """How long, how many at once, and by how many processes it is answered."""

    seconds: float
    connections: int
    workers: int
    seed: int
    full: bool = False  # memory counts: in a short run the first growth is most of it
    persons: int = 3000

    @property
    def interval(self) -> float:
        """Seconds between two looks at the memory."""
        return min(1.0, self.seconds / 20)


class Told(NamedTuple):
    """What the record of an answer has to say; an `ending` of None was a wrong answer."""

    operation: str
    ending: Ending | None
    event_id: str | None = None
    named: bool = False  # holds the reference


@dataclass
class Faults:
    """What is wrong, by its kind; of each kind the first are told."""

    counts: Counter[str] = field(default_factory=Counter)
    lines: list[str] = field(default_factory=list)

    def add(self, kind: str, line: str) -> None:
        self.counts[kind] += 1
        if self.counts[kind] <= SHOWN:
            self.lines.append(f"{kind}: {line}")


@dataclass
class Standing:
    """Since when each protocol stands as it does; `moving` while a command may commit."""

    marks: dict[str, list[tuple[float, str]]] = field(default_factory=dict)

    def mark(self, protocol: str, moment: float, state: str) -> None:
        self.marks.setdefault(protocol, []).append((moment, state))

    def during(self, protocol: str | None, sent: float, received: float) -> str:
        """How it stood from sending to answer; `moving` when that is not certain."""
        marks = self.marks.get(protocol or "", [])
        before = [state for moment, state in marks if moment <= sent]
        within = {state for moment, state in marks if sent < moment <= received}
        states = {before[-1] if before else IN_FORCE} | within
        return states.pop() if len(states) == 1 else MOVING


def difference(asked: Asked, due: Due, status: int, body: Any) -> str | None:
    """How an answer differs from what is due, without a value of it; None where it does not."""
    if status != due.ending.status:
        return f"{asked.kind}: {status} where {due.ending.status} was due"
    try:
        told = asked.essence(body) if status == 200 else essence(body)
    except (LookupError, TypeError, AttributeError):
        return f"{asked.kind}: {status} with a body of another form"
    if told == due.says:
        return None
    if isinstance(told, Mapping):
        names = {*told, *due.says}
        odd = sorted(name for name in names if told.get(name, ...) != due.says.get(name, ...))
        return f"{asked.kind}: {status} with another {', '.join(odd)}"
    return f"{asked.kind}: {status} with another content"


@dataclass
class Traffic:
    """What was asked, and what came of it."""

    questions: Questions
    port: int
    faults: Faults = field(default_factory=Faults)
    standing: Standing = field(default_factory=Standing)
    told: dict[int, Told] = field(default_factory=dict)
    kinds: Counter[str] = field(default_factory=Counter)
    endings: Counter[str] = field(default_factory=Counter)
    strangers: int = 0  # answers that name no record: these are summarised
    shut_out: int = 0  # refused while the protocol was suspended for certain
    suspensions: int = 0
    times: "array[float]" = field(default_factory=lambda: array("f"))
    stopped: bool = False
    numbers: Iterator[int] = field(default_factory=lambda: count(PLACES, PLACES))

    async def converse(self, chance: random.Random) -> None:
        """Ask over one connection until it is enough; each question waits for its answer."""
        reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
        before: Answered | None = None
        while not self.stopped:
            number = next(self.numbers)
            asked = self.questions.draw(chance, number, before)
            sent = time.perf_counter()
            try:
                async with asyncio.timeout(PATIENCE):
                    writer.write(asked.request)
                    status, headers, content = await read_answer(reader)
            except (TimeoutError, ConnectionError, asyncio.IncompleteReadError) as error:
                self.faults.add("no answer", f"{asked.kind}: {type(error).__name__}")
                writer.close()
                reader, writer = await asyncio.open_connection("127.0.0.1", self.port)
                continue
            received = time.perf_counter()
            self.times.append(received - sent)
            same = headers.get("x-correlation-id") == self.questions.guid(number)
            if asked.operation and not same:
                self.faults.add("wrong answer", f"{asked.kind}: the answer of another request")
            body = orjson.loads(content)
            stood = self.standing.during(asked.protocol, sent, received)
            before = self.take(asked, number, stood, status, body) or before
        writer.close()
        with suppress(ConnectionError):
            await writer.wait_closed()

    def take(
        self, asked: Asked, number: int, stood: str, status: int, body: Any
    ) -> Answered | None:
        """Judge an answer, and keep what its record has to say."""
        possible = {IN_FORCE: [asked.due], SHUT: [asked.closed or asked.due]}.get(
            stood, [asked.due, asked.closed or asked.due]
        )
        differences = [difference(asked, due, status, body) for due in possible]
        matched = next(
            (due for due, odd in zip(possible, differences, strict=True) if not odd), None
        )
        self.kinds[asked.kind] += 1
        self.endings[f"{status} {matched.ending.reason or ''}" if matched else f"{status} ?"] += 1
        if matched is None:
            kind = "answer while suspended" if stood == SHUT and status == 200 else "wrong answer"
            self.faults.add(kind, f"{differences[0]} ({stood})")
        elif stood == SHUT and status == 403:
            self.shut_out += 1
        if not asked.operation:
            return None
        id_, ending = event_id(body), matched.ending if matched else None
        if status == 401 and id_ is None:
            self.strangers += 1
            return None
        self.told[number] = Told(asked.operation, ending, id_, asked.named)
        if status == 200 and asked.parts:
            for place, (due, part) in enumerate(zip(asked.parts, parts_of(body), strict=False)):
                told = Told(asked.operation, due.ending if matched else None, part, named=True)
                self.told[number + 1 + place] = told
        return Answered(number, id_, ending) if id_ and ending and asked.named else None


async def read_answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, str], bytes]:
    """One whole answer; raises IncompleteReadError for half of one."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1").split("\r\n")
    pairs = (line.split(": ", 1) for line in head[1:] if line)
    headers = {name.lower(): value for name, value in pairs}
    return (
        int(head[0].split()[1]),
        headers,
        await reader.readexactly(int(headers["content-length"])),
    )


@dataclass
class Recorded:
    """What the log says of the run, held record by record against what was told."""

    told: Mapping[int, Told]
    questions: Questions
    faults: Faults
    records: int = 0
    strangers: int = 0  # requests without a valid token that have a record of their own
    summarised: int = 0  # and those that the summaries count
    seen: set[int] = field(default_factory=set)
    shut: set[str] = field(default_factory=set)

    def take(self, record: Mapping[str, Any]) -> None:
        """The next record, in the order of the log."""
        self.records += 1
        operation, protocol = record["operation"], record.get("protocol", "")
        if record["type"] == "admin":
            if operation == "protocolSuspend":
                self.shut.add(protocol)
            if operation == "protocolResume":
                self.shut.discard(protocol)
        elif operation == "summary":
            self.summarised += record["counts"]["requests"]
        else:
            self._standing(record, protocol in self.shut)
            self._answer(record)

    def _standing(self, record: Mapping[str, Any], shut: bool) -> None:
        """The order of the log says for certain what came after a suspension."""
        self.strangers += record.get("reasonCode") == "unauthenticated"
        if shut and record["outcome"] == "allowed":
            self.faults.add("answer while suspended", f"the record of {record['operation']}")
        if not shut and record.get("reasonCode") == "suspended":
            self.faults.add("refused while in force", f"the record of {record['operation']}")

    def _answer(self, record: Mapping[str, Any]) -> None:
        operation = record["operation"]
        part = operation.endswith("Batch") and "parentId" in record
        number = self.questions.number(record.get("reference" if part else "correlationId", ""))
        told = None if number is None else self.told.get(number)
        if number is None or told is None:
            self.faults.add("record of no answer", f"{operation} {record.get('status')}")
        elif number in self.seen:
            self.faults.add("recorded twice", operation)
        else:
            self.seen.add(number)
            parent = self.told.get(number - number % PLACES) if part else None
            for odd in differs(record, told, parent, self.questions.guid(number)):
                self.faults.add("record differs", f"{operation}: {odd}")


def reconcile(
    told: Mapping[int, Told],
    strangers: int,
    records: Iterable[Mapping[str, Any]],
    questions: Questions,
    faults: Faults,
) -> Recorded:
    """Hold the log, in its order, against what was told: each once, and as it ended."""
    found = Recorded(told, questions, faults)
    for record in records:
        found.take(record)
    for number in told.keys() - found.seen:
        faults.add("not recorded", told[number].operation)
    if found.summarised != strangers:
        faults.add("strangers", f"{strangers} without a record, {found.summarised} summarised")
    return found


def differs(record: Mapping[str, Any], told: Told, parent: Told | None, guid: str) -> Iterator[str]:
    """What a record says otherwise than the answer."""
    if told.event_id not in (None, record["eventId"]):
        yield "eventId"
    if parent and parent.event_id != record["parentId"]:
        yield "parentId"
    if told.operation != record["operation"]:
        yield "operation"
    if record.get("reference") != (guid if told.named else None):
        yield "reference"
    ending = record.get("status"), record["outcome"], record.get("reasonCode")
    if told.ending and told.ending != ending:
        yield f"{ending} where {told.ending} was told"


@dataclass(frozen=True)
class Memory:
    """What one process had in memory, in MB; nothing of the first fifth of the time."""

    start: float
    end: float
    peak: float
    slope: float  # in ten minutes, over the last 60 %
    growth: float  # over the last half

    @classmethod
    def of(cls, samples: Sequence[float], interval: float) -> "Memory":
        """From samples so many seconds apart; at least ten."""
        warm, late = samples[len(samples) // 5 :], samples[len(samples) * 2 // 5 :]
        line = statistics.linear_regression([interval * at for at in range(len(late))], late)
        middle = samples[len(samples) // 2 :][:5]
        growth = statistics.median(samples[-5:]) - statistics.median(middle)
        return cls(warm[0], warm[-1], max(warm), line.slope * 600, growth)


@dataclass(frozen=True)
class Soaked:
    """What one run found."""

    name: str
    plan: Plan
    seconds: float
    traffic: Traffic
    recorded: Recorded
    checked: str  # the last line of `log check`
    memory: Sequence[Memory]


def memory_of(process: int) -> float:
    """The resident memory of a process in MB; 0 when it is gone."""
    with suppress(OSError):
        pages = int(Path(f"/proc/{process}/statm").read_text().split()[1])
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20
    return 0.0


def workers_of(process: int, workers: int) -> list[int]:
    """The processes that answer and live: of one the program itself, of more its children."""
    found = [process]
    if workers > 1:
        children = Path(f"/proc/{process}/task/{process}/children")
        found = [int(each) for each in children.read_text().split()] if children.exists() else []
    commands = {each: Path(f"/proc/{each}/cmdline") for each in found if memory_of(each)}
    return [one for one, said in commands.items() if b"resource_tracker" not in said.read_bytes()]


async def sample(processes: Sequence[int], samples: list[list[float]], interval: float) -> None:
    """Look at the memory of each process, again and again."""
    while True:
        found = [memory_of(process) for process in processes]
        samples.append([each for each in found if each])
        await asyncio.sleep(interval)


@dataclass(frozen=True)
class Operator:
    """Gives the commands of `protocolpoort`, each in a process of its own."""

    folder: Path
    program: "subprocess.Popen[str]"

    def act(self, *arguments: str) -> tuple[int, str]:
        """Run a command until it ends: its exit code, and what it printed."""
        assert self.program.stdin  # noqa: S101 - opened so
        assert self.program.stdout  # noqa: S101
        print(json.dumps(arguments), file=self.program.stdin, flush=True)
        code = int(self.program.stdout.readline())
        return code, (self.folder / "operator.txt").read_text()


@contextmanager
def operating(url: str, folder: Path) -> Iterator[Operator]:
    """An operator with Python started: that would take more time than the command, and be most
    of what the machine does."""
    with subprocess.Popen(  # noqa: S603 - our own program
        [sys.executable, "-c", OPERATOR],
        cwd=folder,
        env=environment(url),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        yield Operator(folder, program)


async def move(traffic: Traffic, operator: Operator, seconds: float) -> None:
    """Suspend and resume one protocol after another; all are in force in the end."""
    until, pause = time.perf_counter() + seconds, min(20.0, seconds / 10)
    while True:
        protocol = PROTOCOLS[traffic.suspensions % len(PROTOCOLS)]
        await asyncio.sleep(pause)
        await act(traffic, operator, SHUT, "suspend", protocol, "--reason", "duurproef")
        await asyncio.sleep(pause)
        await act(traffic, operator, IN_FORCE, "resume", protocol)
        traffic.suspensions += 1
        if time.perf_counter() + 3 * pause > until:
            break
    await asyncio.sleep(max(pause, until - time.perf_counter()))


async def act(traffic: Traffic, operator: Operator, state: str, *arguments: str) -> None:
    """Give a command on a protocol until it is done: one that is refused is a fault, but what it
    was to change is not known to be changed before one succeeds. Raises SystemExit."""
    for _ in range(ATTEMPTS):
        traffic.standing.mark(arguments[1], time.perf_counter(), MOVING)
        code, printed = await asyncio.to_thread(operator.act, "protocol", *arguments)
        if code == 0:
            traffic.standing.mark(arguments[1], time.perf_counter(), state)
            return
        traffic.faults.add("command failed", f"{arguments[0]}: {printed.strip()}")
    raise SystemExit(f"{arguments[0]} fails {ATTEMPTS} times")


async def load(
    traffic: Traffic, plan: Plan, operator: Operator, processes: Sequence[int]
) -> list[list[float]]:
    """All of it at once; the samples of the memory."""
    samples: list[list[float]] = []
    async with asyncio.TaskGroup() as group:
        aside = [
            group.create_task(sample(processes, samples, plan.interval)),
            group.create_task(tell(traffic, samples)),
        ]
        for number in range(plan.connections):
            chance = random.Random(plan.seed * 1009 + number)  # noqa: S311 - no secret
            group.create_task(traffic.converse(chance))
        await move(traffic, operator, plan.seconds)
        traffic.stopped = True
        for task in aside:
            task.cancel()
    return samples


async def tell(traffic: Traffic, samples: Sequence[Sequence[float]]) -> None:
    """One line each half minute."""
    asked = 0
    for half in count(1):
        await asyncio.sleep(30)
        rate, asked = (len(traffic.times) - asked) / 30, len(traffic.times)
        memory = " + ".join(f"{each:.0f}" for each in samples[-1])
        faults = sum(traffic.faults.counts.values())
        print_line(
            f"  {half / 2:4.1f} min: {asked:,} answers, {rate:.0f} a second; "
            f"{traffic.suspensions} suspensions, {traffic.shut_out:,} shut out; "
            f"{memory} MB; {faults} faults"
        )


@contextmanager
def serving(url: str, folder: Path, workers: int) -> Iterator[tuple[int, int]]:
    """`protocolpoort serve`: its port and process. In the end it is asked to stop, and stops."""
    port = free_port()
    arguments = command("serve", "--port", str(port), "--workers", str(workers))
    with (
        (folder / "service.err").open("w") as errors,
        subprocess.Popen(  # noqa: S603 - our own command
            arguments, cwd=folder, env=environment(url), stderr=errors, start_new_session=True
        ) as program,
    ):
        try:
            yield port, program.pid
            program.terminate()
            try:
                program.wait(PATIENCE)
            except subprocess.TimeoutExpired:
                raise SystemExit("the service does not stop") from None
        finally:
            with suppress(ProcessLookupError):  # its group: workers do not outlive it
                os.killpg(program.pid, signal.SIGKILL)


async def healthy(port: int) -> None:
    """Wait until the service answers; raises TimeoutError."""
    async with asyncio.timeout(PATIENCE):
        while True:
            with suppress(ConnectionError, asyncio.IncompleteReadError):
                reader, writer = await asyncio.open_connection("127.0.0.1", port)
                writer.write(b"GET /health HTTP/1.1\r\nHost: 127.0.0.1\r\n\r\n")
                status, _, _ = await read_answer(reader)
                writer.close()
                if status == 200:
                    return
            await asyncio.sleep(0.1)


def prepared(operator: Operator, url: str, plan: Plan) -> Questions:
    """The protocols and the persons, stored as an operator does; what can be asked of them."""
    code, printed = operator.act("protocol", "load")
    if code:
        raise SystemExit(printed)
    now = read_clock()
    persons = list(demo_persons(plan.persons + UNKNOWN))
    stored, unknown = persons[: plan.persons], persons[plan.persons :]
    database, folder = Database(url), operator.folder
    keys = MonthKeys(folder / "var" / "month-keys")
    demo.fill(Office(database, keys, main.origin()), stored, now)
    database.dispose()
    _, listed = operator.act("protocol", "list", "--json")
    hashes = {row["id"]: row["hash"] for row in json.loads(listed)}
    issuer = DemoIssuer.load_or_create(folder / main.DEMO_ISSUER_KEY, Mode.DEMO)
    return Questions.of(new_run(plan.seed), stored, unknown, hashes, issuer, now)


def stored_records(url: str) -> Iterator[dict[str, Any]]:
    """The log in its order, read behind the back of the service."""
    database = Database(url)
    ask = "SELECT record FROM access_record WHERE log_index >= {} ORDER BY log_index LIMIT 5000"
    with database.engine.connect() as connection:
        first = 0
        while rows := connection.exec_driver_sql(ask.format(first)).all():
            yield from (orjson.loads(bytes(row[0])) for row in rows)
            first += len(rows)
    database.dispose()


def check_log(operator: Operator, url: str, faults: Faults) -> str:
    """`log check` finds nothing, and the checkpoint covers the last record."""
    code, printed = operator.act("log", "check")
    if code:
        faults.add("log check", printed.strip())
    database = Database(url)
    with database.engine.connect() as connection:
        ask = "SELECT log_head.size, log_checkpoint.size FROM log_head, log_checkpoint"
        [(size, signed)] = connection.exec_driver_sql(ask).all()
    database.dispose()
    if size != signed:
        faults.add("log check", f"the checkpoint covers {signed} of {size} records")
    return printed.strip().splitlines()[-1]


def soak(name: str, url: str, folder: Path, plan: Plan) -> Soaked:
    """One run on one empty database, and what is wrong with it."""
    with operating(url, folder) as operator:
        questions = prepared(operator, url, plan)
        with serving(url, folder, plan.workers) as (port, process):
            asyncio.run(healthy(port))
            traffic, processes = Traffic(questions, port), workers_of(process, plan.workers)
            begin = time.perf_counter()
            samples = asyncio.run(load(traffic, plan, operator, processes))
            seconds = time.perf_counter() - begin
            if not len(processes) == plan.workers == len(samples[-1]):
                traffic.faults.add("service", f"{len(samples[-1])} processes are left")
        faults = traffic.faults
        records = stored_records(url)
        recorded = reconcile(traffic.told, traffic.strangers, records, questions, faults)
        checked = check_log(operator, url, faults)
    if recorded.strangers > LIMIT * plan.workers * (2 + seconds / 60):
        faults.add("strangers", f"{recorded.strangers} have a record of their own")
    for line in (folder / "service.err").read_text().splitlines():
        if not line.startswith("INFO:"):
            faults.add("service", line)
    whole = [each for each in samples if len(each) == plan.workers]
    memory = [Memory.of(each, plan.interval) for each in zip(*whole, strict=True)]
    for each in memory:
        if plan.full and each.growth > GROWTH:
            faults.add("memory", f"{each.growth:.1f} MB more in the last half")
    return Soaked(name, plan, seconds, traffic, recorded, checked, memory)


def summary(runs: Sequence[Soaked]) -> str:
    """The figures of the runs side by side."""
    columns = [_figures(run) for run in runs]
    rows = [(name, *(column[name] for column in columns)) for name in columns[0]]
    return table(("", *(run.name for run in runs)), rows)


def _figures(run: Soaked) -> dict[str, str]:
    traffic, recorded = run.traffic, run.recorded
    cuts = statistics.quantiles(traffic.times, n=100)
    each = [f"{one.start:.0f} / {one.end:.0f} / {one.peak:.0f}" for one in run.memory]
    return {
        "processes": str(run.plan.workers),
        "connections": str(run.plan.connections),
        "seconds": f"{run.seconds:.0f}",
        "answers": f"{len(traffic.times):,}",
        "answers a second": f"{len(traffic.times) / run.seconds:.0f}",
        "ms p50 / p99 / most": f"{1000 * cuts[49]:.0f} / {1000 * cuts[98]:.0f} / "
        f"{1000 * max(traffic.times):.0f}",
        "records": f"{recorded.records:,}",
        "without a token: recorded / summarised": f"{recorded.strangers} / {recorded.summarised}",
        "suspensions": str(traffic.suspensions),
        "refused under them for certain": f"{traffic.shut_out:,}",
        "log check": run.checked,
        "MB start / end / peak": "; ".join(each),
        "MB in ten minutes, last 60 %": "; ".join(f"{one.slope:+.1f}" for one in run.memory),
        "faults": str(sum(run.traffic.faults.counts.values())),
    }


def report(runs: Sequence[Soaked], seed: int) -> str:
    """The page of a run."""
    kinds = sorted({kind for run in runs for kind in run.traffic.kinds})
    endings = sorted({ending for run in runs for ending in run.traffic.endings})
    names = [run.name for run in runs]
    about = f"""Every answer was held against what was known beforehand, to the last field; every
        record against its answer; *refused under them for certain* counts what was sent after a
        suspension had committed and was answered before it was lifted. Memory is that of each
        process after the first fifth of the time. Seed {seed}."""
    asked = table(
        ("asked", *names),
        [(kind, *(f"{run.traffic.kinds[kind]:,}" for run in runs)) for kind in kinds],
    )
    ended = table(
        ("ended", *names),
        [(each, *(f"{run.traffic.endings[each]:,}" for run in runs)) for each in endings],
    )
    return f"""# Mixed traffic without a pause

Made by `make soak` on {read_clock():%Y-%m-%d}.

{prose(about)}

{summary(runs)}

Machine: {machine()}.

{asked}

{ended}
"""


def print_line(text: str) -> None:
    """A figure, as it comes."""
    print(text, flush=True)  # noqa: T201 - a program of its own


def databases(only_sqlite: bool, folder: Path) -> Iterator[tuple[str, str, int, float]]:
    """Each database: its name, its URL, how many processes serve it, its share of the time."""
    file = f"sqlite:///{folder}/protocolpoort.db"
    missing = None if only_sqlite else skip_reason()
    if missing:
        print_line(missing)
    if not only_sqlite and not missing:
        with start_cluster("fsync=on full_page_writes=on", on_disk=True) as cluster:
            yield "PostgreSQL", create_database(cluster), 2, 2 / 3
        yield "SQLite", file, 1, 1 / 3
        return
    yield "SQLite", file, 1, 1.0


def run(arguments: Sequence[str] | None = None) -> int:
    """The program; its exit code."""
    parser = argparse.ArgumentParser(
        prog="bench.soak", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("--minutes", type=float, default=FULL, help="of traffic in all (10)")
    parser.add_argument("--connections", type=int, default=128, help="at once (128)")
    parser.add_argument("--seed", type=int, default=random.SystemRandom().randrange(2**32))
    parser.add_argument("--sqlite", action="store_true", help="on SQLite alone")
    parser.add_argument("--quick", action="store_true", help="half a minute; writes no report")
    options = parser.parse_args(arguments)
    if options.quick:
        options.minutes = 0.5
    if options.minutes <= 0 or options.connections < 1:
        parser.error("more than 0 minutes and at least one connection")
    for stop in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C: what was started is ended
        signal.signal(stop, signal.default_int_handler)
    print_line(f"seed {options.seed}")
    runs: list[Soaked] = []
    with tempfile.TemporaryDirectory(prefix="protocolpoort-") as folder:
        for name, url, workers, share in databases(options.sqlite, Path(folder)):
            own = Path(folder, name)
            own.mkdir()
            seconds = options.minutes * 60 * share
            print_line(f"{name}: {seconds:.0f} seconds, {options.connections} connections ...")
            plan = Plan(
                seconds, options.connections, workers, options.seed, options.minutes >= FULL
            )
            runs.append(soak(name, url, own, plan))
            for line in runs[-1].traffic.faults.lines:
                print_line(f"  FAULT {line}")
    print_line(summary(runs))
    if options.minutes >= FULL and len(runs) > 1:
        REPORT.write_text(report(runs, options.seed), encoding="utf-8")
    return 1 if any(one.traffic.faults.counts for one in runs) else 0


if __name__ == "__main__":
    sys.exit(run())
