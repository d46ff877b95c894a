"""The databases, tokens and questions of a comparison, and what is counted in them."""

import json
import os
import pwd
import secrets
import subprocess
import time
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime
from functools import cached_property
from pathlib import Path
from typing import Any

import psycopg
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from databases import create_database, start_cluster
from jose import jwk, jwt  # type: ignore[import-untyped]
from psycopg.conninfo import conninfo_to_dict
from sqlmodel import Session, col, delete

from app import database, protocols
from app.database import Database
from app.deps import read_clock
from app.moments import brussels_date
from app.month_keys import MonthKeys
from app.policy import Clause
from app.register import Register
from app.settings import PREFIX
from app.tokens import API_AUDIENCE
from bench import dataset
from bench.load import ROOT, Questions, Server, Wrong
from bench.naive.app import make_engine
from bench.naive.models import Base, Grant
from bench.refusals import command, drawing, say

CITY, FUND = "voorbeeldstad", "zorgkas-voorbeeld"
PURPOSES = {CITY: "lokaalIntegratiebeleid", FUND: "zorgbudgetZwaarZorgbehoevenden"}
SCOPES = {CITY: "inb_dossier_v1_G", FUND: "inb_advies_v1_G"}
ISSUER = "https://login.bench.example/op"
CLIENTS = 8  # of each organisation, each with a token of its own
ASKED = 100_000  # persons who are asked about at most
TOKEN_LIFE = 6 * 3600

# Every commit is on the disk, as in production; only checkpoints of PostgreSQL stay out of the way.
DURABLE = "max_wal_size=8GB checkpoint_timeout=1h shared_buffers=512MB max_connections=200"


@dataclass(frozen=True)
class Rig:
    """A filled database for each service, and the files beside them."""

    folder: Path
    ours: str  # the URL of the database
    naive: str  # empty where there is none
    persons: int
    asked: int = ASKED  # how many of them are asked about at most

    @property
    def environment(self) -> dict[str, str]:
        """The settings of our service."""
        settings = {
            "MODE": "demo",
            "DATABASE_URL": self.ours,
            "PROTOCOLS": str(ROOT / "protocols"),
            "ISSUERS": str(self.folder / "issuers.json"),
        }
        return {PREFIX + name: value for name, value in settings.items()}

    @property
    def naive_environment(self) -> dict[str, str]:
        """The settings of the naive service."""
        settings = {
            "DATABASE_URL": self.naive,
            "ISSUER": ISSUER,
            "AUDIENCE": API_AUDIENCE,
            "JWKS": str(self.folder / "jwks.json"),
            "MONTH_KEYS": str(self.folder / "naive-keys"),
        }
        return {f"NAIVE_{name}": value for name, value in settings.items()}

    def tokens(self, organisation: str) -> list[str]:
        """The tokens of an organisation."""
        return (self.folder / f"{organisation}.tokens").read_text().split()

    @cached_property
    def clause(self) -> Clause:
        """What the municipality may see."""
        now = read_clock()
        store = Database(self.ours)
        with store.reading() as session:
            register = protocols.read_register(session)
        store.dispose()
        clause = register.covering(CITY, PURPOSES[CITY], brussels_date(now))
        assert clause  # noqa: S101 - it was loaded
        return clause

    def questions(self, mode: str, *, size: int = 1) -> Questions:
        """What is asked: dossiers or advices, one by one or so many together."""
        organisation, path = (FUND, "adviezen") if mode == "advice" else (CITY, "dossiers")
        return Questions(
            mode,
            f"/inburgering/v1/{path}/query{'' if size == 1 else 'Batch'}",
            self.folder / f"{organisation}.questions",
            self.folder / f"{organisation}.tokens",
            size,
        )

    def run(self, *arguments: str) -> None:
        """A command of the service. Raises Wrong when it does not end well."""
        ended = subprocess.run(  # noqa: S603 - our own command
            command(*arguments),
            cwd=self.folder,
            env={"PATH": os.getenv("PATH", ""), "PYTHONPATH": str(ROOT), **self.environment},
            capture_output=True,
            text=True,
        )
        if ended.returncode:
            raise Wrong(f"protocolpoort {' '.join(arguments)}: {ended.stdout}{ended.stderr}")

    def prepare(self) -> None:
        """Fill the databases unless they are, and make the tokens and questions of this run."""
        self.folder.mkdir(exist_ok=True)
        mark = self.folder / "filled"
        database.upgrade(self.ours)
        if not mark.exists():
            begin = time.perf_counter()
            self.make_issuer()
            self.run("protocol", "load")
            if self.naive:
                self.make_naive(read_clock())
            dataset.fill(self.ours, self.naive or None, self.persons, read_clock())
            mark.write_text(str(self.persons))
            say(f"{self.persons:,} dossiers stored in {time.perf_counter() - begin:.0f} s")
        elif mark.read_text() != str(self.persons):
            raise Wrong(f"{self.folder} holds {mark.read_text()} dossiers")
        self.issue_tokens()
        self.draw_questions()
        MonthKeys(self.folder / "naive-keys").create(read_clock(), months=2)

    def make_issuer(self) -> None:
        """The key that signs the tokens, and what both services know of it."""
        key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
        pem = key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
        (self.folder / "issuer.pem").write_bytes(pem)
        public = jwk.construct(pem.decode(), "RS256").public_key().to_dict()
        jwks = {"keys": [{**public, "kid": "bench", "use": "sig"}]}
        (self.folder / "jwks.json").write_text(json.dumps(jwks))
        profile = {
            "issuer": ISSUER,
            "audience": [API_AUDIENCE],
            "algorithms": ["RS256"],
            "jwks": str(self.folder / "jwks.json"),
            "max_lifetime": TOKEN_LIFE,
        }
        (self.folder / "issuers.json").write_text(json.dumps({"issuers": [profile]}))

    def issue_tokens(self) -> None:
        """Some for each organisation."""
        pem, now = (self.folder / "issuer.pem").read_text(), int(read_clock().timestamp())
        for organisation, scope in SCOPES.items():
            claims = {
                "iss": ISSUER,
                "aud": API_AUDIENCE,
                "iat": now,
                "exp": now + TOKEN_LIFE,
                "scope": scope,
                "vo_orgcode": organisation,
            }
            tokens = [
                jwt.encode(
                    {
                        **claims,
                        "sub": f"{organisation}-{number}",
                        "client_id": f"{organisation}-{number}",
                        "jti": secrets.token_urlsafe(16),
                    },
                    pem,
                    algorithm="RS256",
                    headers={"typ": "at+jwt", "kid": "bench"},
                )
                for number in range(CLIENTS)
            ]
            (self.folder / f"{organisation}.tokens").write_text("\n".join(tokens) + "\n")

    def draw_questions(self) -> None:
        """Who is asked about, and what each answer has to hold."""
        chance = drawing()
        asked = dataset.draw(chance, dataset.residents(), self.persons, self.asked)
        lines = dataset.about_dossiers(asked, self.clause.fields, read_clock())
        dataset.write_questions(self.folder / f"{CITY}.questions", lines)
        asked = dataset.draw(chance, dataset.members(), self.persons, self.asked)
        dataset.write_questions(self.folder / f"{FUND}.questions", dataset.about_advices(asked))

    def make_naive(self, now: datetime) -> None:
        """The tables of the naive service, and what the protocols open in them."""
        store = Database(self.ours)
        with store.reading() as session:
            register = protocols.read_register(session)
        store.dispose()
        engine = make_engine(self.naive)
        Base.metadata.create_all(engine)
        with Session(engine) as session:
            session.exec(delete(Grant).where(col(Grant.id) > 0))
            session.add_all(grants(register, now))
            session.commit()
        engine.dispose()


def grants(register: Register, now: datetime) -> Iterator[Grant]:
    """The rows of what is opened today to those who ask in a comparison."""
    today = brussels_date(now)
    for organisation, purpose in PURPOSES.items():
        clause = register.covering(organisation, purpose, today)
        assert clause  # noqa: S101 - it was loaded
        until = register.keep_until(clause, today)
        population = clause.population
        yield Grant(
            protocol=clause.protocol,
            version=clause.version,
            hash=clause.hash,
            organisation=organisation,
            purpose=purpose,
            on_behalf_of=clause.on_behalf_of,
            operations=sorted(clause.operations),
            fields=sorted(clause.fields),
            population=population.kind.value,
            places=sorted(population.places),
            valid_from=clause.valid.first,
            valid_to=clause.valid.last,
            ground_from=clause.legal_ground.first,
            ground_to=clause.legal_ground.last,
            function_profiles=sorted(clause.profiles or ()) if clause.demands_profile else None,
            advice_profile=clause.advice_profile,
            lists=dict(clause.lists),
            keep_years=until.year - today.year if until else None,
        )


# -- clusters


@contextmanager
def cluster(keep: Path | None) -> Iterator[str]:
    """The URL of a PostgreSQL on the disk: a throw-away one, or the one that is kept there."""
    if keep is None:
        with start_cluster(DURABLE, on_disk=True) as url:
            yield url
        return
    with kept_cluster(keep / "postgresql") as url:
        yield url


@contextmanager
def kept_cluster(folder: Path) -> Iterator[str]:
    """A PostgreSQL that is only stopped in the end; as `start_cluster` does otherwise."""
    found = sorted(Path("/usr/lib/postgresql").glob("[0-9]*/bin"))
    account = pwd.getpwnam("postgres") if os.geteuid() == 0 else None
    fresh = not folder.exists()
    folder.mkdir(parents=True, exist_ok=True)
    if account:
        os.chown(folder, account.pw_uid, account.pw_gid)

    def pg(name: str, *arguments: str) -> None:
        subprocess.run(  # noqa: S603 - our own command
            [str(found[-1] / name), *arguments],
            cwd=folder,
            check=True,
            stdout=subprocess.DEVNULL,
            user=account and account.pw_uid,
            group=account and account.pw_gid,
            extra_groups=account and [],
        )

    if fresh:
        pg("initdb", "-D", "data", "-U", "postgres", "-A", "trust", "-E", "UTF8", "--locale=C")
        lines = f"unix_socket_directories='{folder}' listen_addresses='' {DURABLE}".split()
        with (folder / "data" / "postgresql.conf").open("a") as file:
            file.write("\n".join(lines) + "\n")
    pg("pg_ctl", "-D", "data", "-l", "log", "-w", "start")
    try:
        yield f"postgresql://postgres@/postgres?host={folder}"
    finally:
        pg("pg_ctl", "-D", "data", "-m", "fast", "-w", "stop")


def make_databases(cluster_url: str, folder: Path) -> tuple[str, str]:
    """Two databases, or those that were made in this folder before."""
    mark = folder / "databases.json"
    if not mark.exists():
        folder.mkdir(parents=True, exist_ok=True)
        names = [str(conninfo_to_dict(create_database(cluster_url))["dbname"]) for _ in range(2)]
        mark.write_text(json.dumps(names))
    one, other = json.loads(mark.read_text())
    return (
        cluster_url.replace("/postgres?", f"/{one}?"),
        cluster_url.replace("/postgres?", f"/{other}?"),
    )


@dataclass(frozen=True)
class Watch:
    """What PostgreSQL did: its flushes of the write-ahead log, and its process."""

    connection: psycopg.Connection[Any]
    process: int

    @classmethod
    def open(cls, url: str) -> "Watch":
        """Over a connection of its own."""
        folder = Path(str(conninfo_to_dict(url)["host"]))
        process = int((folder / "data" / "postmaster.pid").read_text().split()[0])
        return cls(psycopg.connect(url, autocommit=True), process)

    def syncs(self) -> int:
        """How often the write-ahead log was flushed, as far as it was told."""
        [found] = self.connection.execute("SELECT wal_sync FROM pg_stat_wal").fetchone() or (0,)
        return int(found)

    def backends(self, url: str) -> int:
        """Connections to a database."""
        [found] = self.connection.execute(
            "SELECT count(*) FROM pg_stat_activity WHERE datname = %s",
            [conninfo_to_dict(url)["dbname"]],
        ).fetchone() or (0,)
        return int(found)


@dataclass(frozen=True)
class Ledger:
    """The records in a database, counted there and not by the service."""

    store: Database
    place: str  # the column that grows

    @classmethod
    def of(cls, url: str, place: str) -> "Ledger":
        """Over connections of its own."""
        return cls(Database(url), place)

    def end(self) -> int:
        """The place of the last record; -1 when there is none."""
        return self._ask(f"SELECT coalesce(max({self.place}), -1) FROM access_record")[0]  # noqa: S608

    def since(self, end: int) -> tuple[int, int]:
        """Records behind a place, and those of an answer among them."""
        records, allowed = self._ask(
            "SELECT count(*), count(CASE WHEN outcome = 'allowed' THEN 1 END) "  # noqa: S608
            f"FROM access_record WHERE {self.place} > {end}"
        )
        return records, allowed

    def settled(self, end: int, size: int) -> tuple[int, int]:
        """The same, once no more are coming; a batch may take seconds between its first record and
        its last."""
        found = self.since(end)
        while True:
            time.sleep(0.3 if size == 1 else 3)
            before, found = found, self.since(end)
            if found == before:
                return found

    def _ask(self, statement: str) -> Sequence[int]:
        with self.store.reading() as session:
            return tuple(session.connection().exec_driver_sql(statement).one())


def touch(server: Server, rig: Rig, mode: str, times: int) -> None:
    """So many questions at once. Raises Wrong."""
    questions = rig.questions(mode)
    numbers = [line.split("\t", 1)[0] for line in _head(questions.file, times)]
    [token, *_] = questions.tokens.read_text().split()
    path = questions.path

    def ask(number: str) -> int:
        status, _ = server.post(path, token, body_of(mode, number))
        return status

    with ThreadPoolExecutor(max(1, times)) as pool:
        if wrong := set(pool.map(ask, numbers)) - {200}:
            raise Wrong(f"{server.name}: status {wrong}")


def body_of(mode: str, number: str) -> Mapping[str, Any]:
    """One question."""
    if mode == "advice":
        return {
            "insz": number,
            "doeleinde": PURPOSES[FUND],
            "toetsdatum": dataset.TEST_DATE.isoformat(),
            "referte": "meting",
        }
    return {"insz": number, "doeleinde": PURPOSES[CITY], "referte": "meting"}


def _head(path: Path, count: int) -> list[str]:
    with path.open(encoding="utf-8") as file:
        return [line for line, _ in zip(file, range(count), strict=False)]
