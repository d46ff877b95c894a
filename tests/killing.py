"""The service killed at any moment while it is asked without pause: what must be true afterwards.

`kill -9` takes a process of its own group, as the kernel or an operator would. A parent that has
the application imported forks each service, so that many kills fit in one test.
"""

import asyncio
import hashlib
import json
import os
import random
import re
import signal
import subprocess
import sys
import time
import uuid
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import count, cycle
from pathlib import Path
from typing import Any

import naive_tree
from programs import environment, free_port
from service import ADVICE, AUDIT, AUDITOR, BASE, CITY, DOSSIER, FUND, LOG_ORIGIN, ORIGIN, prepare

from app import access_log, log_tree, main
from app.database import Database
from app.demo_persons import MEMBER_NOK, NON_RESIDENT, RESIDENT_WITH_CERTIFICATE
from app.deps import read_clock
from app.moments import brussels_date
from app.month_keys import MonthKeys
from app.record import RecordType, Trace
from app.settings import Mode
from app.tlog import note, tree
from app.tlog.note import Checkpoint, NoteInvalid, Vkey
from app.tokens import DemoIssuer

CLIENTS = 8
AT_LEAST = 3  # answers before a kill, so that every kill falls on a service at work
LONGEST = 1.2  # seconds under load after those: the signer has its turn once a second
STARTING = 0.2  # seconds: kills of a process that only starts fall within these
PATIENCE = 60  # seconds before what still runs is given up
EXPECTED = {200, 403, 400}
TILE = 256

# One line in, one line out: `fork <port>` gives the id of a new service, `wait <id>` how it ended.
NURSERY = """
import ctypes, os, sys
import uvicorn
from app import main, serving
print("ready", flush=True)
for line in sys.stdin:
    order, number = line.split()
    if order == "wait":
        print(os.waitstatus_to_exitcode(os.waitpid(int(number), 0)[1]), flush=True)
        continue
    child = os.fork()
    if not child:
        os.setsid()
        ctypes.CDLL(None).prctl(1, 9)  # PR_SET_PDEATHSIG: it does not outlive who started it
        uvicorn.run(main.create_app(), port=int(number), log_level="warning", **serving.SERVER)
        os._exit(0)
    print(child, flush=True)
"""

# What was told of one request: its status, and the id of its record where the answer has one.
Told = tuple[int, str | None]


@dataclass(frozen=True)
class Nursery:
    """Starts services on one database, and kills them."""

    url: str
    folder: Path
    program: "subprocess.Popen[str]"

    def start(self, port: int) -> int:
        """Begin a service; its process id, also that of its group."""
        return int(self._order(f"fork {port}"))

    def kill(self, process: int) -> None:
        """`kill -9`, and wait until the process is gone; it must not have ended by itself."""
        try:
            os.killpg(process, signal.SIGKILL)
        except ProcessLookupError:  # it is so young that it leads no group yet
            os.kill(process, signal.SIGKILL)
        ended = self._order(f"wait {process}")
        assert ended == str(-signal.SIGKILL), f"the service ended by itself: {ended}"

    def _order(self, text: str) -> str:
        assert self.program.stdin
        assert self.program.stdout
        print(text, file=self.program.stdin, flush=True)
        return self.program.stdout.readline().strip()


@contextmanager
def nursery(folder: Path, url: str) -> Iterator[Nursery]:
    """A database with three persons, and the process that starts services on it."""
    prepare(url, folder / "var" / "month-keys", read_clock(), persons=3)
    fill(url, MonthKeys(folder / "var" / "month-keys"))
    with (
        (folder / "service.err").open("w") as errors,
        subprocess.Popen(
            [sys.executable, "-c", NURSERY],
            cwd=folder,
            env=environment(DATABASE_URL=url, LOG_ORIGIN=LOG_ORIGIN),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=errors,
            text=True,
        ) as program,
    ):
        try:
            assert program.stdout
            assert program.stdout.readline() == "ready\n", (folder / "service.err").read_text()
            yield Nursery(url, folder, program)
        finally:
            program.kill()


def fill(url: str, keys: MonthKeys) -> None:
    """Bring the log close to its first full tile, so that one closes between kills."""
    database, now = Database(url), read_clock()
    trace = Trace(type=RecordType.ADMIN)
    with database.writing() as session:
        for _ in range(access_log.lock(session).size, TILE - 2 * CLIENTS):
            access_log.write_command(session, keys, ORIGIN, "protocolLoad", trace, now)
    database.dispose()


@dataclass
class Load:
    """Requests without a pause, and what came of them, over all kills."""

    folder: Path
    told: dict[str, Told] = field(default_factory=dict)  # by correlation id
    cut: int = 0  # requests that were sent whole and got no whole answer
    odd: set[int] = field(default_factory=set)  # statuses that no question should get

    def __post_init__(self) -> None:
        issuer = DemoIssuer.load_or_create(self.folder / main.DEMO_ISSUER_KEY, Mode.DEMO)
        now = read_clock()
        day = str(brussels_date(now) - timedelta(days=1))
        city, fund, auditor = (
            issuer.issue(organisation, organisation, [scope], now)
            for organisation, scope in ((CITY, DOSSIER), (FUND, ADVICE), (AUDITOR, AUDIT))
        )
        advice = {"doeleinde": "zorgbudgetZwaarZorgbehoevenden", "toetsdatum": day}
        search = {"uitkomst": "denied", "pageSize": 2, "aanleiding": "controle"}
        self._questions = [
            _question("/dossiers/query", city, _about(RESIDENT_WITH_CERTIFICATE.digits)),
            _question("/dossiers/query", city, _about(NON_RESIDENT.digits)),
            _question("/adviezen/query", fund, _about(MEMBER_NOK.digits, **advice)),
            _question("/dossiers/query", city, {"referte": "ref-1"}),
            _question("/mijnToegang", city),
            _question("/toegangen/query", auditor, search),
        ]

    @asynccontextmanager
    async def on(self, port: int, clients: int) -> AsyncIterator[None]:
        """Ask from so many connections until the service is gone, which the block sees to."""
        async with asyncio.timeout(PATIENCE), asyncio.TaskGroup() as group:
            for first in range(clients):
                group.create_task(self._ask(port, first))
            yield

    async def enough(self) -> None:
        """Wait until some requests of this turn have their answer."""
        before = len(self.told)
        while len(self.told) < before + AT_LEAST:
            await asyncio.sleep(0.005)

    async def _ask(self, port: int, first: int) -> None:
        reader, writer = await asyncio.open_connection("127.0.0.1", port)
        turned = self._questions[first % len(self._questions) :] + self._questions
        for question in cycle(turned):
            correlation = str(uuid.uuid4())
            try:
                writer.write(question.replace(b"<id>", correlation.encode()))
                await writer.drain()
                status, body = await _answer(reader)
            except (asyncio.IncompleteReadError, ConnectionError):
                self.cut += 1
                break
            event_id = body.get("id") or body.get("instance", "").removeprefix("urn:uuid:")
            self.told[correlation] = status, event_id or None
            if status not in EXPECTED:
                self.odd.add(status)
        writer.close()


def _about(digits: str, **more: str) -> dict[str, Any]:
    return {"insz": digits, "doeleinde": "lokaalIntegratiebeleid", "referte": "ref-1", **more}


def _question(path: str, token: str, body: Mapping[str, Any] | None = None) -> bytes:
    content = b"" if body is None else json.dumps(body).encode()
    lines = [
        f"{'GET' if body is None else 'POST'} {BASE}{path} HTTP/1.1",
        "Host: localhost",
        f"Authorization: Bearer {token}",
        "X-Magda-Enduser-ID: ambtenaar-7",
        "X-Functieprofiel: trajectondersteuner",
        "X-Correlation-ID: <id>",
        f"Content-Length: {len(content)}",
    ]
    return "\r\n".join([*lines, "", ""]).encode() + content


async def _answer(reader: asyncio.StreamReader) -> tuple[int, dict[str, Any]]:
    """One whole answer; raises IncompleteReadError for half of one."""
    head = (await reader.readuntil(b"\r\n\r\n")).decode("latin-1")
    length = re.search(r"^content-length: (\d+)", head, re.IGNORECASE | re.MULTILINE)
    assert length, head
    return int(head.split()[1]), json.loads(await reader.readexactly(int(length[1])))


async def healthy(port: int) -> float:
    """Wait until the service says UP; the seconds that took."""
    began = time.monotonic()
    while time.monotonic() < began + PATIENCE:
        try:
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(b"GET /health HTTP/1.1\r\nHost: localhost\r\n\r\n")
            answer = await _answer(reader)
            writer.close()
        except (asyncio.IncompleteReadError, ConnectionError):
            answer = 0, {}
        if answer == (200, {"status": "UP"}):
            return time.monotonic() - began
        await asyncio.sleep(0.02)
    raise AssertionError(f"the service does not become UP: {answer}")


@dataclass(frozen=True)
class Stored:
    """The log as the database holds it, in one snapshot."""

    rows: list[tuple[int, str, bytes, bytes]]  # index, event id, record, leaf hash
    size: int
    edge: bytes
    tiles: dict[tuple[int, int], tuple[bytes, bytes]]  # hashes and root
    checkpoint: tuple[int, str]
    vkeys: list[Vkey]

    @classmethod
    def read(cls, url: str) -> "Stored":
        """Read it behind the back of the service."""
        database = Database(url)
        with database.engine.connect() as plain:
            connection = plain
            if database.engine.dialect.name == "postgresql":
                connection = plain.execution_options(isolation_level="REPEATABLE READ")
            ask = connection.exec_driver_sql
            rows = ask(
                "SELECT log_index, event_id, record, leaf_hash FROM access_record"
                " ORDER BY log_index"
            )
            [(size, edge)] = ask("SELECT size, edge FROM log_head")
            tiles = ask("SELECT level, tile_index, hashes, root FROM log_tile")
            [checkpoint] = ask("SELECT size, note FROM log_checkpoint")
            vkeys = ask("SELECT vkey FROM log_key ORDER BY id DESC")
            stored = cls(
                [(each[0], each[1], bytes(each[2]), bytes(each[3])) for each in rows],
                size,
                bytes(edge),
                {(each[0], each[1]): (bytes(each[2]), bytes(each[3])) for each in tiles},
                (checkpoint[0], checkpoint[1]),
                [Vkey.parse(each[0]) for each in vkeys],
            )
        database.dispose()
        return stored

    @property
    def records(self) -> list[bytes]:
        return [record for _, _, record, _ in self.rows]

    def faults(self) -> Iterator[str]:
        """Where the log is not one whole tree with a signed checkpoint."""
        if [index for index, *_ in self.rows] != list(range(self.size)):
            yield f"the indexes of {len(self.rows)} records have gaps up to {self.size}"
        for index, event_id, record, leaf in self.rows:
            if hashlib.sha256(b"\x00" + record).digest() != leaf:
                yield f"record {index} has another leaf hash"
            if json.loads(record)["eventId"] != event_id:
                yield f"record {index} stands under another id"
        if tree.root(log_tree.hashes_in(self.edge)) != naive_tree.root(self.records):
            yield "the edge does not lead to the root of the records"
        yield from self._tile_faults()
        if self.size and not self.checkpoint[1]:
            yield "nothing was signed"
        if self.checkpoint[1]:
            yield from self.checkpoint_faults(self.checkpoint[1], self.checkpoint[0])

    def _tile_faults(self) -> Iterator[str]:
        leaves = [leaf for *_, leaf in self.rows]
        full = {(0, index) for index in range(len(leaves) // TILE)}
        full |= {(1, index) for index in range(len(leaves) // TILE**2)}
        if self.tiles.keys() != full:
            yield f"the tiles are {sorted(self.tiles)}"
        for (level, index), (hashes, root) in self.tiles.items():
            span = TILE**level
            first = index * TILE * span
            starts = range(first, first + TILE * span, span)
            below = [naive_tree.root(self.records[at : at + span]) for at in starts]
            if hashes != b"".join(below):
                yield f"tile {level}/{index} holds other hashes"
            if root != naive_tree.root(self.records[first : first + TILE * span]):
                yield f"tile {level}/{index} has another root"

    def checkpoint_faults(self, text: str, size: int | None = None) -> Iterator[str]:
        """Where a signed note does not vouch for the first records of this log."""
        opened = self.opened(text)
        if opened is None:
            yield "a checkpoint does not verify"
            return
        if size not in (None, opened.size):
            yield f"a checkpoint of {opened.size} says that it is of {size}"
        if not 0 < opened.size <= len(self.rows):
            yield f"a checkpoint of {opened.size} was signed over {len(self.rows)} records"
        if opened.root != naive_tree.root(self.records[: opened.size]):
            yield f"a checkpoint of {opened.size} has another root"

    def opened(self, text: str) -> Checkpoint | None:
        try:
            return note.open_checkpoint(text, self.vkeys, LOG_ORIGIN)
        except NoteInvalid:
            return None

    def without_record(self, told: Mapping[str, Told]) -> Iterator[str]:
        """Which delivered answers have not one record that says the same."""
        kept: dict[str, list[Told]] = {}
        for record in map(json.loads, self.records):
            ending = record.get("status"), record["eventId"]
            kept.setdefault(record.get("correlationId", ""), []).append(ending)
        for correlation, (status, event_id) in told.items():
            found = kept.get(correlation, [])
            if [(status, event_id or each[1]) for each in found] != found or len(found) != 1:
                yield f"an answer {status} {event_id} has the records {found}"

    def unanswered(self, told: Mapping[str, Told]) -> int:
        """How many requests have a record although nobody got the answer."""
        return sum(
            record.get("correlationId") not in told
            for record in map(json.loads, self.records)
            if record["type"] != "admin"
        )


@dataclass(frozen=True)
class Look:
    """What stood there after a kill and a start by hand of nothing."""

    answers: int
    records: int
    signed: int
    cut: int
    unanswered: int
    seconds: float  # from the start until UP
    drafts: int  # files that a kill left half-way beside the key
    faults: list[str]


@dataclass
class Trial:
    """Kills one after another on one database."""

    nursery: Nursery
    seed: int
    clients: int = CLIENTS
    load: Load = field(init=False)

    def __post_init__(self) -> None:
        self.load = Load(self.nursery.folder)
        self._ahead = False
        self._chance = random.Random(self.seed)  # noqa: S311 - a moment to kill is no secret

    async def run(self, kills: int) -> AsyncIterator[Look]:
        """Kill so many times under load, and as often a process that only starts.

        After every kill a service starts and nothing else is done; what then stands there.
        """
        for turn in count():
            starting = self.nursery.start(free_port())
            await asyncio.sleep(self._chance.uniform(0, STARTING))
            self.nursery.kill(starting)
            serving = self.nursery.start(port := free_port())
            seconds = await healthy(port)
            if turn:
                yield self._look(seconds)
            if turn == kills:
                self.nursery.kill(serving)
                return
            async with self.load.on(port, self.clients):
                await self.load.enough()
                await asyncio.sleep(self._chance.uniform(0, LONGEST))
                self.nursery.kill(serving)
            self._ahead = self._is_ahead()

    def _is_ahead(self) -> bool:
        """Whether a checkpoint left the process before it was committed."""
        # The file first: what it holds is in the database already.
        state = self._state()
        stored = Stored.read(self.nursery.url)
        opened = stored.opened(state)
        return opened is not None and opened.size > stored.checkpoint[0]

    def _state(self) -> str:
        return (self.nursery.folder / "var" / "log.key.checkpoint").read_text()

    def _look(self, seconds: float) -> Look:
        keys = self.nursery.folder / "var"
        state = self._state()
        stored = Stored.read(self.nursery.url)
        faults = [
            *stored.faults(),
            *(f"{fault} (state file)" for fault in stored.checkpoint_faults(state)),
            *stored.without_record(self.load.told),
            *(f"an answer had status {status}" for status in sorted(self.load.odd)),
        ]
        if self._ahead:
            faults.append("the checkpoint beside the key was ahead of the database")
        return Look(
            answers=len(self.load.told),
            records=len(stored.rows),
            signed=stored.checkpoint[0],
            cut=self.load.cut,
            unanswered=stored.unanswered(self.load.told),
            seconds=seconds,
            drafts=sum(path.name.startswith(".") for path in keys.iterdir()),
            faults=faults,
        )
