"""What `bench.compare` measured, and the page of it."""

import os
import statistics
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from bench import load, rig
from bench.load import Heard
from bench.log import over, prose, span, table
from bench.refusals import machine

NOTES = load.ROOT / "bench" / "results-notes.md"  # what a person found in the profile
TOGETHER = 32  # connections of the main load
PEOPLE = 100  # in a batch
BATCHES = 4  # connections that ask for batches
SAMPLE = 200  # answers that are compared as a whole
MOST = 25  # functions of a profile

NAMES = {
    "ours": "this service",
    "naive": "naive service",
    "route": "constant, FastAPI route",
    "bare": "constant, bare ASGI",
    "pgbench": "pgbench, read + insert",
}
# The loads.
MAIN, BATCH, ADVICE = "dossier", "batch of dossiers", "advice"
ADVICE_BATCH, WORKERS = "batch of advices", "dossier, 2 workers"


def at(connections: int) -> str:
    """The name of a load."""
    return f"dossier, {connections} connection{'s' if connections > 1 else ''}"


@dataclass(frozen=True)
class Scale:
    """How much is done."""

    persons: int
    rounds: int
    seconds: int
    fewer: int  # rounds of what is beside the main load
    connections: Sequence[int]  # of one round each


@dataclass(frozen=True)
class Round:
    """What one variant did in one round."""

    heard: Heard
    cpu: float  # ms of the server for each request
    database_cpu: float  # ms of PostgreSQL for each request
    syncs: float | None  # for each request; None where they are not counted


Results = dict[tuple[str, str], list[Round]]  # by load and variant
Function = tuple[str, int, float, float]  # calls, seconds of its own, and with what it calls


@dataclass(frozen=True)
class Measured:
    """All that a page tells."""

    postgres: Results
    lite: Results
    idle: Mapping[str, float]  # megabytes
    grown: Mapping[str, float]  # megabytes over idle at most
    lite_syncs: Mapping[str, float]  # for each answer; empty without strace
    profile: Sequence[Function]
    profiled: int  # requests
    settings: str
    minutes: Sequence[tuple[str, float]]


@dataclass(frozen=True)
class Goal:
    """What must be reached and what is aimed at, and what each round gave."""

    what: str
    required: float
    aim: float | None
    measured: Sequence[float]
    at_least: bool = True
    digits: int = 2

    @property
    def median(self) -> float:
        """What is compared."""
        return statistics.median(self.measured)

    def reaches(self, bound: float) -> bool:
        """True when the median is on the good side."""
        return self.median >= bound if self.at_least else self.median <= bound

    @property
    def cells(self) -> tuple[str, ...]:
        """The row of the table."""
        side = "at least" if self.at_least else "at most"
        return (
            self.what,
            f"{side} {self.required:g}",
            "" if self.aim is None else f"{self.aim:g}",
            span(self.measured, self.digits),
            "yes" if self.reaches(self.required) else "NO",
            "" if self.aim is None else "yes" if self.reaches(self.aim) else "no",
        )


GOALS = ("", "required", "aim", "measured: median (range)", "reached", "aim reached")


def rate(made: Round) -> float:
    """Answers in a second."""
    return made.heard.rate


def each_of(
    results: Results, load_name: str, name: str, value: Callable[[Round], float]
) -> list[float]:
    """What each round of a variant gave."""
    return [value(made) for made in results[load_name, name]]


def ratios(
    results: Results, one: str, other: str, value: Callable[[Round], float], load_name: str = MAIN
) -> list[float]:
    """Of one variant and another, round by round."""
    return over(each_of(results, load_name, one, value), each_of(results, load_name, other, value))


def goals(measured: Measured) -> list[Goal]:
    """What must be reached, in the order of the table."""
    found = measured.postgres
    batches = each_of(found, BATCH, "ours", lambda made: made.heard.rate * PEOPLE)
    together, alone = (
        each_of(found, name, "ours", lambda made: made.syncs or 0) for name in (MAIN, at(1))
    )
    cpu = ratios(found, "naive", "ours", lambda made: made.cpu)
    p99 = ratios(found, "ours", "naive", lambda made: made.heard.p99)
    singly = over(batches, each_of(found, MAIN, "ours", rate))
    lite = ratios(measured.lite, "ours", "naive", rate)
    grown = [measured.grown["ours"]]
    return [
        Goal("requests/s: this / naive", 8, 20, ratios(found, "ours", "naive", rate)),
        Goal("server CPU per request: naive / this", 9, 20, cpu),
        Goal("requests/s: this / bare ASGI", 0.15, 0.4, ratios(found, "ours", "bare", rate)),
        Goal("p99: this / naive", 0.25, 0.1, p99, at_least=False, digits=3),
        Goal("fdatasync per answer, 32 connections", 0.1, 0.07, together, False, 3),
        Goal("fdatasync per answer, 1 connection", 1.1, None, alone, False, 3),
        Goal("SQLite, requests/s: this / naive", 7, 12, lite),
        Goal("batch of 100, persons/s / requests/s singly", 4, 8, singly),
        Goal("memory over idle, MB", 64, None, grown, False, 0),
    ]


def budget(measured: Measured, processors: int) -> str:
    """How much processor time the two goals of the rate leave, beside what is taken."""
    found = measured.postgres

    def middle(load_name: str, name: str, value: Callable[[Round], float]) -> float:
        return statistics.median(each_of(found, load_name, name, value))

    def taken(load_name: str, persons: int) -> str:
        parts = (lambda made: made.cpu, lambda made: made.database_cpu)
        service, database = (middle(load_name, "ours", part) / persons for part in parts)
        return f"{service:.2f} ms in the service and {database:.2f} in the database"

    bare, singly = middle(MAIN, "bare", rate), middle(MAIN, "ours", rate)
    alone = middle(MAIN, "pgbench", rate) / bare
    return f"""{0.15 * bare:,.0f} requests/s are 0.15 of the bare callable: {processors} processors
        have {processors / (0.15 * bare) * 1000:.2f} ms for each, with the client and the kernel,
        and a request takes {taken(MAIN, 1)}. pgbench, two statements from a client in C, reaches
        {alone:.2f}. {4 * singly:,.0f} persons/s are four times the single requests: that leaves
        {processors / (4 * singly) * 1000:.2f} ms for a person of a batch, who takes
        {taken(BATCH, PEOPLE)}."""


def row(name: str, rounds: Sequence[Round]) -> tuple[str, ...]:
    """The figures of one variant under one load."""

    def of(value: Callable[[Round], float], digits: int) -> str:
        return span([value(made) for made in rounds], digits)

    base = [made.database_cpu for made in rounds]
    syncs = [made.syncs for made in rounds if made.syncs is not None]
    return (
        NAMES[name],
        of(rate, 0),
        of(lambda made: made.heard.p50, 2),
        of(lambda made: made.heard.p99, 2),
        of(lambda made: made.cpu, 3) if name != "pgbench" else "",
        span(base, 3) if syncs else "",
        span(syncs, 3) if syncs else "",
    )


HEADINGS = ("", "requests/s", "p50 ms", "p99 ms", "CPU ms", "database CPU ms", "fdatasync")


def tables(results: Results, names: Sequence[str]) -> str:
    """A table for each load."""
    parts = []
    for load_name in names:
        rows = [row(name, made) for (each, name), made in results.items() if each == load_name]
        title = f"{load_name[0].upper()}{load_name[1:]}"
        parts.append(f"{title}:\n\n{table(HEADINGS, rows)}")
    return "\n\n".join(parts)


def profile_tables(profile: Sequence[Function], requests: int) -> str:
    """The functions that take most for each request: themselves, then with what they call."""

    def cells(name: str, calls: int, own: float, below: float) -> tuple[str, ...]:
        each = 1e6 / requests
        return f"`{name}`", f"{calls / requests:.1f}", f"{own * each:,.0f}", f"{below * each:,.0f}"

    headings = ("function", "calls", "own us", "with what it calls us")
    own = sorted(profile, key=lambda each: -each[2])[:MOST]
    below = sorted(profile, key=lambda each: -each[3])[:MOST]
    return "\n\n".join(table(headings, [cells(*each) for each in part]) for part in (own, below))


def page(measured: Measured, scale: Scale, now: datetime) -> str:
    """The report of a run."""
    reached = goals(measured)
    rows = [goal.cells for goal in reached]
    short = [goal.what for goal in reached if not goal.reaches(goal.aim or goal.required)]
    others = [*map(at, scale.connections), WORKERS, BATCH, ADVICE, ADVICE_BATCH]
    memory = [
        (NAMES[name], f"{idle:.0f}", f"{idle + measured.grown[name]:.0f}")
        for name, idle in measured.idle.items()
    ]
    lite_syncs = ", ".join(
        f"{NAMES[name]} {count:.3f}" for name, count in measured.lite_syncs.items()
    )
    notes = NOTES.read_text(encoding="utf-8").strip() + "\n\n" if NOTES.exists() else ""
    about = f"""{scale.persons:,} synthetic dossiers (seeded), the same for both services, each in
        its own database of one PostgreSQL on the disk. Load: wrk, one thread; *dossier* is
        `POST /dossiers/query` of a municipality about one resident, up to {rig.ASKED:,} different
        ones in a drawn order, with {rig.CLIENTS} RS256 tokens. Rounds: {scale.rounds} of
        {scale.seconds} s at {TOGETHER} connections and one worker, the variants in turn in each
        round, after a warm-up; a ratio is the median of those of the rounds, with the lowest and
        the highest. Batches: {PEOPLE} persons in a request, over {BATCHES} connections; the
        figures are those of a whole batch. No limit on requests was set."""
    variants = """The *naive service* (`bench/naive`) is what a good team usually writes with the
        same packages: plain `def` routes, a SQLModel session and one commit for each request, the
        token verified each time, `response_model`, the same checks and the same record without the
        tree. The constants take the same requests through a FastAPI route and through a bare ASGI
        callable. All four are served by uvicorn with the same options. *pgbench* reads a dossier
        by its key, inserts a record of 1,300 bytes and commits."""
    checks = f"""Every answer was looked at: its reference tells who was asked about, and what only
        the answer about that person holds stands in it. {SAMPLE} documents of each service were
        compared as a whole, before and after. After each round the records were counted in the
        database: as many as answers, and at most one more for each connection (what was under way
        when wrk stopped). In the end `protocolpoort log check` found the log in order."""
    counted = """*CPU* is that of the processes of the server, user and system, for each request;
        *database CPU* that of all processes of PostgreSQL. *fdatasync* is `wal_sync` of
        `pg_stat_wal` for each answer. Memory: VmRSS before the first question, and VmHWM after all
        loads with one worker."""
    taken = f"""CPU of this service for each of {measured.profiled:,} requests at {TOGETHER}
        connections, in a round apart under cProfile, all threads: small functions look larger than
        they are. First by what a function takes itself, then with what it calls."""
    minutes = ", ".join(f"{name} {took:.1f} minutes" for name, took in measured.minutes)
    return f"""# What a logged, field-scoped, fail-closed read costs

Made by `make bench` on {now:%Y-%m-%d}: {minutes}.

{table(GOALS, rows)}

How it grows with dossiers and records is in growth.md (`make bench-growth`).

## Method

{prose(about)}

{prose(variants)}

{prose(checks)}

{prose(counted)}

- Machine: {machine()}.
- PostgreSQL: {measured.settings}.
- SQLite: WAL, synchronous FULL, a file for each service.

## PostgreSQL

{tables(measured.postgres, [MAIN])}

{table(("megabytes", "idle", "at most"), memory)}

### Other loads

{tables(measured.postgres, others)}

## SQLite

{tables(measured.lite, [MAIN])}

fdatasync and fsync per answer, by strace in a round apart: {lite_syncs or "not counted"}.

## Profile

Short of what is required or aimed at: {"; ".join(short) or "nothing"}.

{prose(budget(measured, os.cpu_count() or 1))}

{notes}{prose(taken)}

{profile_tables(measured.profile, measured.profiled)}
"""
