"""The synthetic dossiers of the comparison, the same for every service, and whom to ask about.

A person is a function of its position: some thousand contents of `demo_persons`, each under many
numbers. The rows are text with marks, filled in a tenth of the time that storing them one by one
as the imports do would take.
"""

import hashlib
import json
import random
import sqlite3
from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from functools import cache
from pathlib import Path
from typing import Any

import psycopg
from sqlalchemy import make_url

from app import access_log, derived, fields
from app.canonical import canonical_json
from app.database import Database
from app.demo_persons import CARE_FUND, MUNICIPALITY, DemoPerson, demo_persons
from app.dossiers import COLUMNS

CONTENTS = 2_000
PART = 20_000  # persons that go to the database together
PREVIOUS = 751  # the first serial of the numbers that were replaced, as in `demo_persons`
TEST_DATE = date(2026, 6, 1)  # of the advice: the day of `expected_code`

# Marks in the text of a row: number, replaced number, position, digest.
INSZ, OLD, PLACE, DIGEST = "\1", "\2", "\3", "\4"
NULL = "\\N"

# Table, columns, whose it is.
OURS: Mapping[str, Sequence[str]] = {
    "person": ("insz", "contact", "cancelled_on"),
    "replaced_number": ("old", "current", "learned_at"),
    "residence": ("insz", "nis", "first", "last"),
    "membership": ("insz", "organisation", "first", "last"),
    "dossier_version": ("id", "insz", "digest", *COLUMNS.values()),
    "source_answer": ("insz", "fetched_at", "learned_at", "version", "code"),
    "complete_delivery": ("fetched_at", "learned_at"),
}
NAIVE: Mapping[str, Sequence[str]] = {
    "person": ("insz", "contact", "cancelled_on"),
    "replaced_number": ("old", "current"),
    "residence": ("insz", "nis", "first", "last"),
    "membership": ("insz", "organisation", "first", "last"),
    "dossier": ("insz", "fetched_at", "content", "code"),
    "complete_delivery": ("fetched_at",),
}


def number(place: int, first_serial: int = 501) -> str:
    """The test number at a position, as `demo_persons` has it, without checking it."""
    rest, year = divmod(place, 65)
    rest, month = divmod(rest, 12)
    serial, day = divmod(rest, 28)
    year += 1946
    base = f"{year % 100:02}{61 + month}{1 + day:02}{first_serial + serial:03}"
    return f"{base}{97 - int(base if year < 2000 else '2' + base) % 97:02}"


@cache
def contents() -> Sequence[DemoPerson]:
    """The persons whose content the others share."""
    return tuple(demo_persons(CONTENTS))


def email(place: int | str) -> str:
    """What no two persons share, and a municipality is granted."""
    return f"persoon{place}@example.org"


def _json(value: Any) -> str:
    text = json.dumps(value, separators=(",", ":"))
    if "\\" in text or "\t" in text:
        raise ValueError("a row is written as it is: nothing in it may need an escape")
    return text


def _contact(index: int, place: int | str) -> dict[str, Any]:
    contact: dict[str, Any] = contents()[index].register["contact"]
    return {**contact, "email": email(place)}


def _lines(rows: Sequence[Sequence[str | None]]) -> str:
    return "".join("\t".join(NULL if cell is None else cell for cell in row) + "\n" for row in rows)


@cache
def _templates(stamp: str) -> list[tuple[str, dict[str, str], dict[str, str]]]:
    """For each content its canonical form, our rows and the naive ones; with marks."""
    return [_template(index, stamp) for index in range(CONTENTS)]


def _template(index: int, stamp: str) -> tuple[str, dict[str, str], dict[str, str]]:
    person = contents()[index]
    line, own = person.register, person.insz.digits
    # A quotation mark would be escaped, and so would the mark itself: it goes in afterwards.
    contact = _json(_contact(index, "@")).replace(email("@"), email(PLACE))
    blocks = person.blocks
    canonical = canonical_json(blocks).decode().replace(own, INSZ) if blocks is not None else ""
    stays: dict[str, list[Sequence[str | None]]] = {
        "person": [(INSZ, contact, line["geannuleerdOp"])],
        "residence": [
            (INSZ, home["nis"], home["van"], home["tot"]) for home in line["woonplaatsen"]
        ],
        "membership": [
            (INSZ, member["organisatie"], member["van"], member["tot"])
            for member in line["lidmaatschappen"]
        ],
    }
    ours: dict[str, list[Sequence[str | None]]] = {
        **stays,
        "replaced_number": [(OLD, INSZ, stamp)] if line["vorigeInsz"] else [],
        "dossier_version": [],
        "source_answer": [],
    }
    naive: dict[str, list[Sequence[str | None]]] = {
        **stays,
        "replaced_number": [(OLD, INSZ)] if line["vorigeInsz"] else [],
        "dossier": [],
    }
    if blocks is not None:
        cells = [_json(blocks[block]) if block in blocks else None for block in COLUMNS]
        cells = [cell and cell.replace(own, INSZ) for cell in cells]
        ours["dossier_version"] = [(PLACE, INSZ, DIGEST, *cells)]
        ours["source_answer"].append((INSZ, stamp, stamp, PLACE, None))
        naive["dossier"].append((INSZ, stamp, _json(blocks).replace(own, INSZ), None))
    if person.fault:
        ours["source_answer"].append((INSZ, stamp, stamp, None, person.fault))
        naive["dossier"].append((INSZ, stamp, None, person.fault))
    texts = ({name: _lines(rows) for name, rows in kind.items()} for kind in (ours, naive))
    return canonical, *texts  # type: ignore[return-value]  # two of them


def _parts(count: int, stamp: str) -> Iterator[tuple[dict[str, str], dict[str, str]]]:
    """Our rows and the naive ones of so many persons, by table, some thousand at a time."""
    templates = _templates(stamp)
    for begin in range(0, count, PART):
        ours: dict[str, list[str]] = {name: [] for name in OURS}
        naive: dict[str, list[str]] = {name: [] for name in NAIVE}
        for place in range(begin, min(begin + PART, count)):
            canonical, *kinds = templates[place % CONTENTS]
            insz = number(place)
            hashed = hashlib.sha256(canonical.replace(INSZ, insz).encode()).hexdigest()
            for kind, rows in zip((ours, naive), kinds, strict=True):
                for name, text in rows.items():
                    filled = text.replace(INSZ, insz).replace(PLACE, str(place + 1))
                    if DIGEST in filled:
                        filled = filled.replace(DIGEST, f"sha256:{hashed}")
                    if OLD in filled:
                        filled = filled.replace(OLD, number(place, PREVIOUS))
                    kind[name].append(filled)
        yield (
            {name: "".join(lines) for name, lines in ours.items()},
            {name: "".join(lines) for name, lines in naive.items()},
        )


def fill(ours: str, naive: str | None, count: int, now: datetime) -> None:
    """Store so many dossiers in both databases, whose tables are there and empty of persons."""
    store = Database(ours)
    with store.writing() as session:
        learned = access_log.learn(session, now)
    store.dispose()
    stamp = f"{learned.astimezone(UTC):%Y-%m-%d %H:%M:%S.%f}"
    targets = [_target(ours, OURS), *([_target(naive, NAIVE)] if naive else [])]
    for part in _parts(count, stamp):
        for target, rows in zip(targets, part, strict=False):
            target.add(rows)
    for target in targets:
        cells = [stamp] * len(target.tables["complete_delivery"])
        target.add({"complete_delivery": _lines([cells])})
        target.close()


def _target(url: str, tables: Mapping[str, Sequence[str]]) -> "_Postgres | _Lite":
    path = make_url(url).database
    return _Lite(str(path), tables) if url.startswith("sqlite") else _Postgres(url, tables)


class _Postgres:
    """Rows on their way into PostgreSQL; the indexes of large tables are made at the end."""

    def __init__(self, url: str, tables: Mapping[str, Sequence[str]]) -> None:
        self.tables = tables
        self._connection = psycopg.connect(url)
        self._connection.execute("SET timezone = 'UTC'")
        self._connection.execute("SET session_replication_role = replica")  # no foreign keys
        self._indexes = self._connection.execute(
            "SELECT indexname, indexdef FROM pg_indexes WHERE tablename = ANY(%s) "
            "AND indexname LIKE 'ix_%%'",
            [list(tables)],
        ).fetchall()
        # What fills a table that was emptied in the same transaction can stay out of the WAL.
        self._connection.execute(f"TRUNCATE {', '.join(tables)} CASCADE")
        for name, _ in self._indexes:
            self._connection.execute(f'DROP INDEX "{name}"')

    def add(self, rows: Mapping[str, str]) -> None:
        with self._connection.cursor() as cursor:
            for name, text in rows.items():
                columns = ", ".join(f'"{column}"' for column in self.tables[name])
                with cursor.copy(f'COPY "{name}" ({columns}) FROM STDIN') as copy:
                    copy.write(text)

    def close(self) -> None:
        for _, made in self._indexes:
            self._connection.execute(made)
        for name, columns in self.tables.items():
            if "id" in columns:
                self._connection.execute(
                    f"SELECT setval(pg_get_serial_sequence('{name}', 'id'), max(id)) FROM {name}"  # noqa: S608
                )
        self._connection.commit()
        self._connection.autocommit = True
        self._connection.execute("VACUUM ANALYZE")
        self._connection.execute("CHECKPOINT")
        self._connection.close()


class _Lite:
    """Rows on their way into SQLite, in one transaction."""

    def __init__(self, path: str, tables: Mapping[str, Sequence[str]]) -> None:
        self.tables = tables
        self._connection = sqlite3.connect(path)
        # One transaction, and nothing to lose: the journal would only hold it twice.
        with suppress(sqlite3.OperationalError):  # it stays where somebody else looks on
            self._connection.execute("PRAGMA journal_mode = OFF")
        self._connection.execute("PRAGMA synchronous = OFF")
        self._connection.execute("PRAGMA cache_size = -500000")

    def add(self, rows: Mapping[str, str]) -> None:
        for name, text in rows.items():
            columns = self.tables[name]
            names, marks = ", ".join(f'"{each}"' for each in columns), ", ".join("?" * len(columns))
            self._connection.executemany(
                f'INSERT INTO "{name}" ({names}) VALUES ({marks})',  # noqa: S608 - our own names
                (
                    [None if cell == NULL else cell for cell in line.split("\t")]
                    for line in text.splitlines()
                ),
            )

    def close(self) -> None:
        self._connection.commit()
        self._connection.execute("ANALYZE")
        self._connection.commit()
        self._connection.execute("PRAGMA journal_mode = WAL")
        self._connection.close()


# -- whom to ask about


def _is_now(stays: Sequence[Mapping[str, Any]], name: str, place: str) -> bool:
    return any(stay[name] == place and stay["tot"] is None for stay in stays)


@cache
def residents() -> Sequence[int]:
    """The contents of those of whom a municipality is given a dossier."""
    return [
        index
        for index, person in enumerate(contents())
        if person.blocks is not None
        and not person.register["geannuleerdOp"]
        and _is_now(person.register["woonplaatsen"], "nis", MUNICIPALITY)
    ]


@cache
def members() -> Sequence[int]:
    """The contents of those of whom a care fund is given an advice, OK or NOK."""
    return [
        index
        for index, person in enumerate(contents())
        if person.expected_code[0] in "ON"
        and not person.register["geannuleerdOp"]
        and _is_now(person.register["lidmaatschappen"], "organisatie", CARE_FUND)
    ]


def draw(chance: random.Random, kinds: Sequence[int], persons: int, count: int) -> list[int]:
    """So many different positions among the first `persons`, each with one of these contents."""
    within = [*range(0, persons, CONTENTS)]
    size = sum(1 for index in kinds for begin in within[-1:] if begin + index < persons)
    size += len(kinds) * (len(within) - 1)
    found = chance.sample(range(size), min(count, size))
    ordered = sorted(kinds)  # in the last, cut off row the lowest contents are the ones there
    return [place // len(kinds) * CONTENTS + ordered[place % len(kinds)] for place in found]


def document(place: int, granted: frozenset[str], today: date) -> dict[str, Any]:
    """The granted leaves of the dossier at a position, worked out by the pure core."""
    index = place % CONTENTS
    person = contents()[index]
    blocks = json.loads(json.dumps(person.blocks).replace(person.insz.digits, number(place)))
    contact = _contact(index, place + 1)
    needed = fields.blocks(granted)
    kept = {name: value for name, value in blocks.items() if name in needed}
    return fields.project(derived.complete(granted, kept, contact, today), granted).document


def outcome(place: int) -> str:
    """OK or NOK: the advice on TEST_DATE of a member."""
    return {"O": "OK", "N": "NOK"}[contents()[place % CONTENTS].expected_code[0]]


def write_questions(path: Path, lines: Iterator[Sequence[str]]) -> None:
    """A file for the load: a number and what its answer has to hold on each line."""
    with path.open("w", encoding="utf-8") as file:
        for line in lines:
            file.write("\t".join(line) + "\n")


def about_dossiers(
    places: Sequence[int], granted: frozenset[str], now: datetime
) -> Iterator[Sequence[str]]:
    """The number of each, and what only the answer about that person holds."""
    flags: dict[int, list[str]] = {}
    for place in places:
        index = place % CONTENTS
        if index not in flags:  # what does not differ between persons of one content
            told = document(place, granted, now.date())
            flags[index] = [
                f'"ondertekend":{json.dumps(told["contract"]["ondertekend"])}',
                f'"inburgeringBehaald":{json.dumps(told["attest"]["inburgeringBehaald"])}',
            ]
        insz = number(place)
        yield insz, f'"insz":"{insz}"', f'"{email(place + 1)}"', *flags[index]


def about_advices(places: Sequence[int]) -> Iterator[Sequence[str]]:
    """The number of each, and the advice."""
    for place in places:
        yield number(place), f'"advice":"{outcome(place)}"'
