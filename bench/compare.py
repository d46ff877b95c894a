"""What does a field-scoped, fail-closed, logged read cost? `make bench` measures it side by side.

This service; a naive one (`bench/naive`: what a good team usually writes with the same packages);
the same bytes for everybody through a route and without a framework; and PostgreSQL alone, which
reads a dossier and inserts a record (pgbench). In each round all of them in turn, on one machine.
The last full run is in results.md. Exit code 1 when an answer was wrong, a record is missing or
the log is not whole; never for a time.
"""

import argparse
import json
import os
import random
import re
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import psycopg
from databases import skip_reason

from app.deps import read_clock
from bench import dataset, load, rig
from bench.load import Heard, Server, Wrong, ask, ours, serving, uvicorn_of
from bench.refusals import drawing, say
from bench.results import (
    ADVICE,
    ADVICE_BATCH,
    BATCH,
    BATCHES,
    MAIN,
    PEOPLE,
    SAMPLE,
    TOGETHER,
    WORKERS,
    Function,
    Measured,
    Results,
    Round,
    Scale,
    at,
    page,
)
from bench.rig import CITY, Ledger, Rig, Watch

REPORT = load.ROOT / "bench" / "results.md"
NAIVE = "bench.naive.app:create_app"
FULL = Scale(1_000_000, 5, 6, 3, (1, 8, 128))
QUICK = Scale(100_000, 2, 3, 1, (1,))


@dataclass
class Variant:
    """One of those that are compared: how it is asked, and where its records are."""

    name: str
    server: Server
    kind: str  # dossier, advice, constant
    rig: Rig
    ledger: Ledger | None = None  # None: it keeps no records
    url: str = ""  # of its database

    def measure(
        self,
        connections: int,
        seconds: int,
        chance: random.Random,
        watch: Watch | None,
        *,
        mode: str = "",
        size: int = 1,
    ) -> Round:
        """One round. Raises Wrong when a record is missing, or an answer wrong."""
        mode = mode if self.ledger and mode else self.kind
        questions = self.rig.questions(mode, size=size)
        end = self.ledger.end() if self.ledger else 0
        syncs = watch.syncs() if watch else 0
        cpu = load.cpu(self.server.process)
        database = load.cpu(watch.process) if watch else 0
        try:
            heard = ask(self.server.port, questions, connections, seconds, chance)
        except Wrong as how:
            raise Wrong(f"{self.name}: {how}") from None
        cpu = load.cpu(self.server.process) - cpu
        database = (load.cpu(watch.process) if watch else 0) - database
        told = None
        if self.ledger:
            check_records(self.name, self.ledger.settled(end, size), heard, connections, size)
            if watch:
                answers = heard.requests + self.settle(watch, mode)
                told = (watch.syncs() - syncs) / answers
        each = 1000 / max(1, heard.requests)
        return Round(heard, cpu * each, database * each, told)

    def settle(self, watch: Watch, mode: str) -> int:
        """Let PostgreSQL count what was done: it counts what a connection did when it is used
        again after a second. Uses each once more; how many questions that took."""
        time.sleep(1.1)
        times = watch.backends(self.url)
        rig.touch(self.server, self.rig, mode, times)
        return times


def check_records(
    name: str, counted: tuple[int, int], heard: Heard, connections: int, size: int
) -> None:
    """As many records as answers, and perhaps those of what wrk still waited for at the end: one
    question on each connection. Raises Wrong."""
    records, allowed = counted
    each = 1 if size == 1 else size + 1  # a batch has one for the whole of it
    least, most = heard.requests * each, (heard.requests + connections) * each
    if not least <= allowed <= records <= most or records % each:
        raise Wrong(
            f"{name}: {records} records, {allowed} of an answer, for {heard.requests} answers and "
            f"{connections} connections"
        )


# -- the variants


@contextmanager
def variants(
    made: Rig, names: Sequence[str], workers: int = 1, wrapper: Sequence[str] = ()
) -> Iterator[list[Variant]]:
    """Those with these names, each served on a port of its own."""
    known: Mapping[str, tuple[Callable[[int], list[str]], Mapping[str, str], str, str]] = {
        "ours": (ours(workers), made.environment, made.ours, "log_index"),
        "naive": (uvicorn_of(NAIVE, workers), made.naive_environment, made.naive, "id"),
        "route": (uvicorn_of("bench.constant:route", workers), {}, "", ""),
        "bare": (uvicorn_of("bench.constant:bare", workers), {}, "", ""),
    }
    with ExitStack() as stack:
        found = []
        for name in names:
            if name not in known:
                continue
            command, environment, url, place = known[name]
            server = stack.enter_context(serving(name, command, environment, made.folder, wrapper))
            ledger = Ledger.of(url, place) if url else None
            if ledger:
                stack.callback(ledger.store.dispose)
            kind = "dossier" if url else "constant"
            found.append(Variant(name, server, kind, made, ledger, url))
        yield found


def compare_answers(variant: Variant, count: int, chance: random.Random) -> None:
    """Ask about some persons one by one, and compare the whole document. Raises Wrong."""
    made, now = variant.rig, read_clock()
    [token, *_] = made.tokens(CITY)
    for place in dataset.draw(chance, dataset.residents(), made.persons, count):
        body = rig.body_of("dossier", dataset.number(place))
        status, answer = variant.server.post("/inburgering/v1/dossiers/query", token, body)
        expected = dataset.document(place, made.clause.fields, now.date())
        if status != 200 or answer["dossier"] != expected or answer["referte"] != body["referte"]:
            raise Wrong(f"{variant.name}: status {status}, or another document than granted")


def pgbench(made: Rig, connections: int, seconds: int, watch: Watch) -> Round:
    """Read a dossier by its key and insert a record, in a transaction."""
    with tempfile.TemporaryDirectory(prefix="protocolpoort-") as name:
        folder = Path(name)
        (folder / "script.sql").write_text(_PGBENCH.format(persons=made.persons // 2))
        database, syncs = load.cpu(watch.process), watch.syncs()
        ended = subprocess.run(  # noqa: S603 - our own command
            [
                *("pgbench", "-n", "-M", "prepared", "-c", str(connections), "-j", "1"),
                *("-T", str(seconds), "-l", "-f", "script.sql", made.naive),
            ],
            cwd=folder,
            capture_output=True,
            text=True,
        )
        if ended.returncode:
            raise Wrong(f"pgbench: {ended.stderr[-500:]}")
        database, syncs = load.cpu(watch.process) - database, watch.syncs() - syncs
        lines = [line.split() for log in folder.glob("pgbench_log.*") for line in _lines(log)]
    [rate] = re.findall(r"^tps = ([0-9.]+)", ended.stdout, re.MULTILINE)
    took = sorted(int(line[2]) / 1000 for line in lines)
    heard = Heard(
        requests=len(took),
        seconds=len(took) / float(rate),
        p50=took[len(took) // 2],
        p99=took[len(took) * 99 // 100],
        asked=len(took),
    )
    return Round(heard, 0, 1000 * database / len(took), syncs / len(took))


def _lines(path: Path) -> list[str]:
    return path.read_text().splitlines()


_PGBENCH = """\\set id random(1, {persons})
BEGIN;
SELECT fetched_at, content FROM dossier WHERE id = :id;
INSERT INTO bench_log (record) VALUES (repeat('x', 1300));
COMMIT;
"""


def make_pgbench_table(made: Rig) -> None:
    """Where pgbench inserts."""
    with psycopg.connect(made.naive) as connection:
        connection.execute(
            "CREATE TABLE IF NOT EXISTS bench_log (id bigserial PRIMARY KEY, "
            "at timestamptz NOT NULL DEFAULT now(), record text NOT NULL)"
        )


# -- what is measured


@dataclass
class Run:
    """Rounds on one database, and what they gave."""

    scale: Scale
    chance: random.Random
    watch: Watch | None
    name: str
    results: Results = field(default_factory=dict)

    def add(self, load_name: str, variant: str, made: Round) -> None:
        """Keep a round, and tell who waits."""
        self.results.setdefault((load_name, variant), []).append(made)
        say(f"{self.name}, {load_name}: {told(variant, made)}")

    def turn(self, load_name: str, found: Sequence[Variant], connections: int, **more: Any) -> None:
        """One round of each. Raises Wrong."""
        for each in found:
            seconds = self.scale.seconds
            made = each.measure(connections, seconds, self.chance, self.watch, **more)
            self.add(load_name, each.name, made)

    def warm(self, found: Sequence[Variant], connections: int = TOGETHER) -> None:
        """What the first questions take is not what the others do. Raises Wrong."""
        for each in found:
            questions = each.rig.questions(each.kind)
            ask(
                each.server.port,
                questions,
                connections,
                max(1, self.scale.seconds // 3),
                self.chance,
            )
            if each.ledger:
                compare_answers(each, SAMPLE, self.chance)
                if self.watch:
                    each.settle(self.watch, each.kind)


def measure_postgres(scale: Scale, folder: Path) -> tuple[Run, dict[str, Any]]:
    """All loads. Raises Wrong."""
    with rig.cluster(None) as url:
        say(f"PostgreSQL: {scale.persons:,} dossiers ...")
        made = Rig(folder, *rig.make_databases(url, folder), scale.persons)
        made.prepare()
        make_pgbench_table(made)
        watch = Watch.open(url)
        run = Run(scale, drawing(), watch, "PostgreSQL")
        with variants(made, ("ours", "naive", "route", "bare")) as found:
            services = found[:2]
            run.warm(found)
            for _ in range(scale.rounds):
                run.turn(MAIN, found, TOGETHER)
                run.add(MAIN, "pgbench", pgbench(made, TOGETHER, scale.seconds, watch))
                run.turn(BATCH, services[:1], BATCHES, size=PEOPLE)
            for connections in scale.connections:
                run.turn(at(connections), found, connections)
                alone = pgbench(made, connections, scale.seconds, watch)
                run.add(at(connections), "pgbench", alone)
            for _ in range(scale.fewer):
                run.turn(ADVICE, services, TOGETHER, mode="advice")
                run.turn(ADVICE_BATCH, services, BATCHES, mode="advice", size=PEOPLE)
                run.turn(BATCH, services[1:], BATCHES, size=PEOPLE)
            for each in services:
                compare_answers(each, SAMPLE, run.chance)
            idle = {each.name: each.server.idle for each in found}
            most = {each.name: load.memory(each.server.process, "VmHWM") for each in found}
        with variants(made, ("ours", "naive"), workers=2) as found:
            run.warm(found)
            run.turn(WORKERS, found, TOGETHER)
        profile, requests = profiled(made, max(5, scale.seconds), run.chance)
        made.run("log", "check")
        settings = (
            *("server_version", "fsync", "synchronous_commit", "full_page_writes"),
            *("wal_sync_method", "shared_buffers"),
        )
        shown = [
            f"{name} {value[0]}"
            for name in settings
            if (value := watch.connection.execute(f"SHOW {name}").fetchone())
        ]
        watch.connection.close()
    more = {
        "idle": idle,
        "grown": {name: most[name] - idle[name] for name in idle},
        "profile": profile,
        "profiled": requests,
        "settings": ", ".join(shown),
    }
    return run, more


def profiled(made: Rig, seconds: int, chance: random.Random) -> tuple[list[Function], int]:
    """Which functions of our service take the CPU, and of how many requests. Raises Wrong."""
    path = made.folder / "profile.json"
    path.unlink(missing_ok=True)

    def command(port: int) -> list[str]:
        module = ("-m", "bench.profiled", str(path), "serve", "--port", str(port))
        return [sys.executable, *module]

    with serving("profiled", command, made.environment, made.folder) as server:
        os.kill(server.process, signal.SIGUSR1)
        heard = ask(server.port, made.questions("dossier"), TOGETHER, seconds, chance)
        os.kill(server.process, signal.SIGINT)
        deadline = time.monotonic() + 30
        while not path.exists() and time.monotonic() < deadline:
            time.sleep(0.2)
        time.sleep(0.2)
    return json.loads(path.read_text()), heard.requests


def measure_lite(scale: Scale, folder: Path) -> tuple[Run, dict[str, float]]:
    """The services on SQLite, and how often they flush. Raises Wrong."""
    say(f"SQLite: {scale.persons:,} dossiers ...")
    urls = (f"sqlite:///{folder}/ours.db", f"sqlite:///{folder}/naive.db")
    made = Rig(folder, *urls, scale.persons)
    made.prepare()
    run = Run(scale, drawing(), None, "SQLite")
    with variants(made, ("ours", "naive")) as found:
        run.warm(found)
        for _ in range(scale.rounds):
            run.turn(MAIN, found, TOGETHER)
    syncs = {}
    if shutil.which("strace"):
        for name in ("ours", "naive"):
            trace = folder / f"{name}.strace"
            strace = ("strace", "-f", "--seccomp-bpf", "-e", "trace=fsync,fdatasync")
            with variants(made, [name], wrapper=(*strace, "-o", str(trace))) as [traced]:
                run.warm([traced])
                before = flushes(trace)
                one = traced.measure(TOGETHER, scale.seconds, run.chance, None)
                syncs[name] = (flushes(trace) - before) / one.heard.requests
    made.run("log", "check")
    return run, syncs


def flushes(trace: Path) -> int:
    """Calls in the file of strace; one that was interrupted stands there twice."""
    lines = _lines(trace)
    return sum("sync(" in line for line in lines)


def whole(scale: Scale) -> str:
    """Measure everything: the page. Raises Wrong."""
    minutes = []
    with tempfile.TemporaryDirectory(prefix="protocolpoort-") as name:
        begin = time.perf_counter()
        postgres, more = measure_postgres(scale, Path(name) / "postgresql")
        minutes.append(("PostgreSQL", (time.perf_counter() - begin) / 60))
        begin = time.perf_counter()
        lite, syncs = measure_lite(scale, Path(name) / "sqlite")
        minutes.append(("SQLite", (time.perf_counter() - begin) / 60))
    measured = Measured(postgres.results, lite.results, lite_syncs=syncs, minutes=minutes, **more)
    return page(measured, scale, read_clock())


# -- the run


def told(name: str, made: Round) -> str:
    """One line of progress."""
    syncs = "" if made.syncs is None else f", {made.syncs:.3f} syncs"
    return (
        f"{name}: {made.heard.rate:,.0f}/s, p50 {made.heard.p50:.2f} ms, "
        f"p99 {made.heard.p99:.2f} ms, cpu {made.cpu:.3f} + {made.database_cpu:.3f} ms{syncs}"
    )


def run(arguments: Sequence[str] | None = None) -> int:
    """The program; its exit code."""
    parser = argparse.ArgumentParser(
        prog="bench.compare", description=(__doc__ or "").split("\n\n")[0]
    )
    parser.add_argument("--quick", action="store_true", help="small and short; writes no report")
    parser.add_argument("--only", help="these variants, once more and no other load; no report")
    parser.add_argument("--dossiers", type=int, help="how many")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seconds", type=int, help="of each round")
    parser.add_argument("--connections", type=int, default=TOGETHER, help="with --only")
    parser.add_argument("--mode", choices=("dossier", "advice"), default="dossier")
    parser.add_argument("--size", type=int, default=1, help="persons in a request, with --only")
    parser.add_argument("--workers", type=int, default=1, help="with --only")
    parser.add_argument("--keep", type=Path, help="with --only: keep the data set in this folder")
    options = parser.parse_args(arguments)
    for stop in (signal.SIGTERM, signal.SIGHUP):  # as Ctrl-C: what was made is removed
        signal.signal(stop, signal.default_int_handler)
    for missing in (load.missing(), skip_reason()):
        if missing:
            say(missing)
            return 1
    scale = QUICK if options.quick else FULL
    chosen = replace(
        scale,
        persons=options.dossiers or scale.persons,
        rounds=options.rounds or scale.rounds,
        seconds=options.seconds or scale.seconds,
    )
    try:
        if options.only:
            return only(options)
        text = whole(chosen)
    except Wrong as how:
        say(str(how))
        return 1
    print(text)  # noqa: T201 - what this program is for
    if chosen == FULL:
        REPORT.write_text(text, encoding="utf-8")
    return 0


def only(options: argparse.Namespace) -> int:
    """A few rounds of some variants on PostgreSQL. Raises Wrong."""
    keep = options.keep and options.keep.absolute()
    with ExitStack() as stack:
        folder = keep or Path(stack.enter_context(tempfile.TemporaryDirectory()))
        url = stack.enter_context(rig.cluster(keep))
        made = Rig(
            folder / "rig", *rig.make_databases(url, folder / "rig"), options.dossiers or 100_000
        )
        made.prepare()
        watch, chance = Watch.open(url), drawing()
        names = options.only.split(",")
        found = stack.enter_context(variants(made, names, options.workers))
        seconds, mode = options.seconds or 5, options.mode
        if "pgbench" in names:
            make_pgbench_table(made)
        for each in found:
            ask(each.server.port, made.questions(each.kind), TOGETHER, 1, chance)
            if each.ledger:
                compare_answers(each, 20, chance)
        for _ in range(options.rounds or 1):
            for each in found:
                one = each.measure(
                    options.connections,
                    seconds,
                    chance,
                    watch,
                    mode=mode,
                    size=options.size if each.ledger else 1,
                )
                print(told(each.name, one))  # noqa: T201 - what this program is for
            if "pgbench" in names:
                print(told("pgbench", pgbench(made, options.connections, seconds, watch)))  # noqa: T201
        for each in found:
            grown = load.memory(each.server.process, "VmHWM") - each.server.idle
            say(f"{each.name}: idle {each.server.idle:.0f} MB, at most {grown:.0f} MB more")
        made.run("log", "check")
    return 0


if __name__ == "__main__":
    sys.exit(run())
