"""A suspension and an end hold for every answer after their commit, in every process."""

import asyncio
import json
import subprocess
import sys
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import ExitStack, asynccontextmanager, contextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import cycle
from pathlib import Path
from typing import Any

import httpx
import pytest
from programs import environment, free_port, lines_until, started
from promises import broken
from service import BASE, CITY, DOSSIER, prepare
from sqlalchemy.exc import OperationalError

from app import access_log, main, protocols
from app.database import Database
from app.demo_persons import MEMBER_NOK, RESIDENT_WITH_CERTIFICATE
from app.deps import read_clock
from app.moments import brussels_date
from app.settings import Mode
from app.tokens import DemoIssuer

PROCESSES = 2
CONNECTIONS = 8  # to each process
HANGS = 300  # seconds before what still runs is killed, also on a machine with other work
ENOUGH = 16  # answers of each process before the register moves again
QUESTION = {"doeleinde": "lokaalIntegratiebeleid", "referte": "ref-1"}

# How a request ends: its status, and why.
Ending = tuple[int, str | None]
ANSWERED: Ending = (200, None)
SUSPENDED: Ending = (403, "suspended")
ENDED: Ending = (403, "expired")

# The acts on the register, and how every request ends before the first and after each.
SUSPEND = ("suspend", "voorbeeldstad-2026", "--reason", "klacht 3")
RESUME = ("resume", "voorbeeldstad-2026")
END = ("end", "voorbeeldstad-2026", "--reason", "art. 8", "--date")
ACTS = [SUSPEND, RESUME, SUSPEND, RESUME, END]
OPERATIONS = {SUSPEND: "protocolSuspend", RESUME: "protocolResume", END: "protocolEnd"}
STANDS = [ANSWERED, SUSPENDED, ANSWERED, SUSPENDED, ANSWERED, ENDED]

# The commands as they are, in a process that has them ready: a line of arguments in, the exit code
# out. To start Python while the services are kept busy would take most of the test.
OPERATOR = """
import json, sys
from app import cli
print("ready", flush=True)
for line in sys.stdin:
    sys.argv = ["protocolpoort", *json.loads(line)]
    try:
        cli.run()
    except SystemExit as ended:
        print(ended.code, flush=True)
"""


@dataclass(frozen=True)
class Site:
    """Processes that serve one database, and one in which an operator gives commands."""

    url: str
    token: str = field(repr=False)  # a failed test shows no token
    ports: list[int]
    operator: "subprocess.Popen[str]"

    async def act(self, *arguments: str) -> str:
        """Run a command in the process of the operator; its exit code."""
        async with asyncio.timeout(HANGS):
            return await asyncio.to_thread(self._act, arguments)

    def _act(self, arguments: tuple[str, ...]) -> str:
        assert self.operator.stdin
        assert self.operator.stdout
        self.operator.stdin.write(json.dumps(arguments) + "\n")
        self.operator.stdin.flush()
        return self.operator.stdout.readline().strip()

    def records(self) -> list[dict[str, Any]]:
        """The whole log, in its order, each record with its index."""
        database = Database(self.url)
        with database.reading() as session:
            rows = session.connection().exec_driver_sql(
                "SELECT log_index, record FROM access_record ORDER BY log_index"
            )
            found = [{**json.loads(bytes(record)), "index": index} for index, record in rows]
        database.dispose()
        return found


@pytest.fixture
def site(tmp_path: Path, database_url: str, monkeypatch: pytest.MonkeyPatch) -> Iterator[Site]:
    """What `protocolpoort serve` serves in the demo; the time is that of the machine."""
    monkeypatch.setattr("programs.PATIENCE", HANGS)
    now = read_clock()
    prepare(database_url, tmp_path / "var" / "month-keys", now, persons=3)
    issuer = DemoIssuer.load_or_create(tmp_path / main.DEMO_ISSUER_KEY, Mode.DEMO)
    token = issuer.issue(CITY, CITY, [DOSSIER], now)
    ports = [free_port() for _ in range(PROCESSES)]
    with ExitStack() as programs:
        operator = programs.enter_context(operating(tmp_path, database_url))
        serving = [
            programs.enter_context(
                started(tmp_path, "serve", "--port", str(port), DATABASE_URL=database_url)
            )
            for port in ports
        ]
        lines_until(operator.stdout, "ready")
        for program in serving:
            lines_until(program.stderr, "Uvicorn running on")
        yield Site(database_url, token, ports, operator)


@contextmanager
def operating(folder: Path, url: str) -> Iterator["subprocess.Popen[str]"]:
    """The process in which an operator gives commands."""
    with subprocess.Popen(
        [sys.executable, "-c", OPERATOR],
        cwd=folder,
        env=environment(DATABASE_URL=url),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as program:
        try:
            yield program
        finally:
            program.kill()


@dataclass(frozen=True)
class Answer:
    """What one request got; `began` and `done` are the stages of the load."""

    process: int
    began: int
    done: int
    ending: Ending
    day: str | None
    event_id: str

    @property
    def expected(self) -> bool:
        """Whether that is how requests ended at some moment between its begin and its end."""
        return self.ending in STANDS[self.began // 2 : (self.done + 1) // 2 + 1]


@dataclass
class Load:
    """Requests without a pause, to every process, and what came of them.

    The stage is even while the register stands still, and odd while a command moves it.
    """

    token: str = field(repr=False)
    stage: int = 0
    answers: list[Answer] = field(default_factory=list)
    faults: set[str] = field(default_factory=set)  # where an answer breaks the contract
    _over: bool = False

    @asynccontextmanager
    async def on(self, ports: list[int]) -> AsyncIterator[None]:
        """Ask until the end of the block; every request that began then has its answer."""
        headers = {
            "Authorization": f"Bearer {self.token}",
            "X-Magda-Enduser-ID": "ambtenaar-7",
            "X-Functieprofiel": "trajectondersteuner",
        }
        # A connection that is kept may be closed by the service just as it is used again.
        limits = httpx.Limits(max_keepalive_connections=0)
        # A process that hangs ends the test.
        async with (
            httpx.AsyncClient(
                headers=headers, limits=limits, timeout=HANGS, trust_env=False
            ) as client,
            asyncio.TaskGroup() as group,
        ):
            for process, port in list(enumerate(ports)) * CONNECTIONS:
                group.create_task(self._ask(client, process, port))
            yield
            self._over = True

    async def enough(self) -> None:
        """Wait until every process has answered requests that began in this stage."""
        while any(self.count(process, self.stage) < ENOUGH for process in range(PROCESSES)):
            await asyncio.sleep(0.01)

    def count(self, process: int, stage: int) -> int:
        """The requests to one process that began in a stage."""
        return sum((each.process, each.began) == (process, stage) for each in self.answers)

    async def _ask(self, client: httpx.AsyncClient, process: int, port: int) -> None:
        address = f"http://127.0.0.1:{port}{BASE}/dossiers/query"
        for person in cycle((RESIDENT_WITH_CERTIFICATE, MEMBER_NOK)):
            if self._over:
                return
            began = self.stage
            response = await client.post(address, json={"insz": person.digits, **QUESTION})
            self._note(process, began, response)

    def _note(self, process: int, began: int, response: httpx.Response) -> None:
        body = response.json()
        self.faults.update(broken(response))
        self.answers.append(
            Answer(
                process,
                began,
                self.stage,
                (response.status_code, body.get("reden")),
                body.get("datum"),
                body.get("id") or body.get("instance", "").removeprefix("urn:uuid:"),
            )
        )


def stretches(records: list[dict[str, Any]]) -> list[Counter[Ending]]:
    """How requests ended according to the log, before the first act and after each."""
    found = [Counter[Ending]()]
    for record in records:
        if record["operation"] in OPERATIONS.values():
            found.append(Counter())
        if record["type"] == "access":
            found[-1][ending_of(record)] += 1
    return found


def ending_of(record: dict[str, Any]) -> Ending:
    return record["status"], record.get("reasonCode")


async def test_a_suspension_and_an_end_hold_for_every_answer_after_them_in_every_process(
    site: Site,
) -> None:
    load, codes = Load(site.token), []
    yesterday = str(brussels_date(read_clock()) - timedelta(days=1))

    async with load.on(site.ports):
        await load.enough()
        for act in ACTS:
            load.stage += 1
            codes.append(await site.act("protocol", *act, *([yesterday] if act is END else [])))
            load.stage += 1
            await load.enough()

    records, answers = site.records(), load.answers
    found = stretches(records)
    acts = [record for record in records if record["operation"] in OPERATIONS.values()]
    told = {answer.event_id: answer.ending for answer in answers}
    kept = {each["eventId"]: ending_of(each) for each in records if each["type"] == "access"}
    differ = len(told.items() ^ kept.items())
    untimely = Counter(
        (answer.process, answer.began, answer.ending) for answer in answers if not answer.expected
    )
    assert codes == ["0"] * len(ACTS)
    assert load.faults == set()
    # Both processes answer as the register stands, and what begins after a command knows of it.
    assert untimely == {}
    # Every answer has its record, and every record its answer.
    assert Counter(answer.ending for answer in answers) == Counter(kept.values())
    assert (len(told), differ) == (len(answers), 0)
    assert [record["index"] for record in records] == list(range(len(records)))
    # In the order of the log an act holds from its own record on, to the record.
    assert [act["operation"] for act in acts] == [OPERATIONS[act] for act in ACTS]
    assert found == [
        Counter({stands: each.total()}) for each, stands in zip(found, STANDS, strict=True)
    ]
    assert min(each.total() for each in found) >= PROCESSES * ENOUGH
    # A refusal names its day.
    days = {SUSPENDED: acts[0]["asOf"], ENDED: yesterday}
    assert {(answer.ending, answer.day) for answer in answers} == {
        (stands, days.get(stands)) for stands in STANDS
    }


# An import that withdraws a consent has no record that takes the head. SQLite has one writer.
@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_the_register_does_not_move_past_an_append_that_is_under_way(store: Database) -> None:
    with store.writing() as appending, store.writing() as moving:
        access_log.write(appending, [])
        moving.connection().exec_driver_sql("SET LOCAL lock_timeout = 100")

        with pytest.raises(OperationalError, match="lock timeout"):
            protocols.bump(moving)
        moving.rollback()
