"""The whole service for a test: real application, database, tokens and log; only time is ours."""

import json
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from functools import cache
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI
from promises import broken

from app import (
    access_log,
    administration,
    database,
    demo,
    dossiers,
    fields,
    intake,
    log_keys,
    main,
    protocols,
)
from app.administration import Office
from app.database import Database
from app.demo_persons import DemoPerson, demo_persons
from app.insz import Insz
from app.month_keys import MonthKeys
from app.record import Origin
from app.settings import Mode, Settings
from app.tokens import API_AUDIENCE, DemoIssuer

ROOT = Path(__file__).parents[1]
ANSWERS = ROOT.parent / "shared" / "kbi" / "antwoorden"
PROTOCOLS = ROOT / "protocols"
BASE = "/inburgering/v1"
LOG_ORIGIN = "protocolpoort.test/log"
ORIGIN = Origin(fields.CATALOGUE_HASH, "test", "test")
NOW = datetime(2026, 6, 1, 9, 30, tzinfo=UTC)

CITY, GENK, FUND, OTHER_FUND = "voorbeeldstad", "nis:71016", "zorgkas-voorbeeld", "zorgkas-tweede"
AVSB, AUDITOR, VILLAGE = "0881629733", "auditdienst", "voorbeelddorp"
DOSSIER, ADVICE, AUDIT, AUDIT_OWN = (
    "inb_dossier_v1_G",
    "inb_advies_v1_G",
    "inb_audit_v1_G",
    "inb_audit_eigen_v1_G",
)
REVEAL = "inb_onthulling_v1_G"
PARTICIPANTS = "inb_deelnemers_v1_G"
REPORT, NOTICES = "inb_melding_v1_B", "inb_melding_v1_G"


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **step: float) -> None:
        self.now += timedelta(**step)


async def _as_promised(response: httpx.Response) -> None:
    """Every answer that any test gets is held against the contract."""
    await response.aread()
    assert not (faults := broken(response)), faults


@dataclass
class Service:
    """A running service and what a test needs to speak with it."""

    app: FastAPI
    settings: Settings
    clock: Clock
    issuer: DemoIssuer
    office: Office
    client: httpx.AsyncClient = field(init=False)

    def __post_init__(self) -> None:
        transport = httpx.ASGITransport(self.app, raise_app_exceptions=False)
        self.client = httpx.AsyncClient(
            transport=transport,
            base_url="http://testserver",
            event_hooks={"response": [_as_promised]},
        )

    def token(self, organisation: str, *scopes: str, **more: Any) -> str:
        """A token of this organisation as of now."""
        return self.issuer.issue(organisation, organisation, scopes, self.clock.now, **more)

    async def ask(
        self,
        organisation: str,
        path: str,
        body: object | None = None,
        *,
        method: str | None = None,
        scopes: tuple[str, ...] = (DOSSIER, ADVICE, AUDIT),
        headers: Mapping[str, str] | None = None,
        content: bytes | None = None,
    ) -> httpx.Response:
        """One request with every header that a caller should send; `headers` replaces some."""
        given = {
            "Authorization": f"Bearer {self.token(organisation, *scopes)}",
            "X-Magda-Enduser-ID": "ambtenaar-7",
            "X-Functieprofiel": "trajectondersteuner",
            "Content-Type": "application/json",
            **(headers or {}),
        }
        if content is None and body is not None:
            content = json.dumps(body).encode()
        return await self.client.request(
            method or ("GET" if content is None else "POST"),
            BASE + path,
            content=content,
            headers={name: value for name, value in given.items() if value},
        )

    async def dossier(self, organisation: str, insz: Insz, **body: Any) -> httpx.Response:
        """`queryDossier` with the purpose of a municipality."""
        question = {"insz": insz.digits, "doeleinde": "lokaalIntegratiebeleid", "referte": "ref-1"}
        return await self.ask(organisation, "/dossiers/query", {**question, **body})

    async def advice(
        self, organisation: str, insz: Insz, on: str = "2026-05-31", **body: Any
    ) -> httpx.Response:
        """`queryAdvies` with the purpose of the care budget."""
        question = {
            "insz": insz.digits,
            "doeleinde": "zorgbudgetZwaarZorgbehoevenden",
            "toetsdatum": on,
            "referte": "ref-2",
        }
        return await self.ask(organisation, "/adviezen/query", {**question, **body})

    def records(self) -> list[dict[str, Any]]:
        """Every record of a request, oldest first, read from the table itself."""
        with self.office.database.reading() as session:
            connection = session.connection()
            rows = connection.exec_driver_sql(
                "SELECT record FROM access_record WHERE type <> 'admin' ORDER BY log_index"
            )
            return [json.loads(bytes(row[0])) for row in rows]

    def sign(self) -> None:
        """What the service does once a second: a checkpoint over all that is recorded."""
        self.clock.forward(seconds=1)
        self.app.state.desk.sign()

    async def close(self) -> None:
        """Let go of every connection."""
        await self.client.aclose()
        self.app.state.desk.gate.database.dispose()
        self.office.database.dispose()

    def restart(self) -> "Service":
        """The same set-up in a new process, as far as memory goes."""
        app = main.create_app(self.settings, self.clock)
        return Service(app, self.settings, self.clock, self.issuer, self.office)


def make_service(
    url: str,
    folder: Path,
    *,
    mode: Mode = Mode.DEMO,
    now: datetime = NOW,
    persons: int = 60,
    protocol_folders: tuple[Path, ...] = (PROTOCOLS,),
    template: "Template | None" = None,
    **settings: Any,
) -> Service:
    """An upgraded database with the protocols and some synthetic persons, and the app on it.

    The current folder must be one of the test's own: the demo issuer keeps its key under `var/`.
    """
    clock = Clock(now)
    settings = {"log_origin": LOG_ORIGIN, "log_key_file": folder / "log.key", **settings}
    chosen = Settings(mode=mode, database_url=url, month_keys=folder / "month-keys", **settings)
    file = Path(url.removeprefix("sqlite:///"))
    keys = folder / "month-keys"
    if template is None and protocol_folders == (PROTOCOLS,) and not keys.exists():
        template = sqlite_template(now, persons) if "sqlite" in url else None
    if template is None:
        prepare(url, keys, now, persons, protocol_folders)
    else:
        template.put(file, keys)
    office = Office(Database(url), MonthKeys(keys), ORIGIN)
    list_key(office.database, LOG_ORIGIN, folder / "log.key", now)
    issuer = DemoIssuer.load_or_create(main.DEMO_ISSUER_KEY, Mode.DEMO)
    return Service(main.create_app(chosen, clock), chosen, clock, issuer, office)


def list_key(store: Database, origin: str, key_file: Path, now: datetime) -> None:
    """Let the key in a file be the first of a log that has none; `adopt_key` also records it."""
    log_keys.create_file(origin, key_file)
    with store.writing() as session:
        if not log_keys.listed(session):
            log_keys.add(session, log_keys.read_file(key_file, origin).vkey, 0, "", now)


def prepare(
    url: str,
    keys: Path,
    now: datetime = NOW,
    persons: int = 60,
    protocol_folders: tuple[Path, ...] = (PROTOCOLS,),
) -> None:
    """Upgrade the database, make the month keys, load the protocols and the persons."""
    database.upgrade(url)
    office = Office(Database(url), MonthKeys(keys), ORIGIN)
    office.keys.create(now, months=2)
    administration.load(office, _sources(protocol_folders), now)
    demo.fill(office, demo_persons(persons), now)
    office.database.dispose()


@cache
def _sources(protocol_folders: tuple[Path, ...]) -> list[protocols.Source]:
    files = [file for each in protocol_folders for file in sorted(each.rglob("*.yaml"))]
    sources, faults = protocols.read_files(files)
    assert not faults, faults
    return sources


@dataclass(frozen=True)
class Template:
    """What was prepared once: every test gets a copy, which is made at once."""

    key_files: Mapping[str, bytes]
    database_file: bytes | None = None  # None: the database is a copy already

    @classmethod
    def read(cls, keys: Path, file: Path | None = None) -> "Template":
        """Take up the month keys, and the database where it is a file."""
        key_files = {key.name: key.read_bytes() for key in keys.iterdir()}
        return cls(key_files, file.read_bytes() if file else None)

    def put(self, file: Path, keys: Path) -> None:
        """Lay the copies down."""
        keys.mkdir(mode=0o700)
        for name, content in self.key_files.items():
            (keys / name).write_bytes(content)
        if self.database_file is not None:
            file.write_bytes(self.database_file)


@cache
def sqlite_template(now: datetime, persons: int) -> Template:
    """All protocols of the project and so many persons, on SQLite."""
    with tempfile.TemporaryDirectory() as name:
        file, keys = Path(name) / "template.db", Path(name) / "month-keys"
        prepare(f"sqlite:///{file}", keys, now, persons)
        return Template.read(keys, file)


def add_person(service: Service, line: Mapping[str, Any], blocks: Mapping[str, Any] | None) -> None:
    """Store one person as the imports would."""
    database, clock = service.office.database, service.clock
    [report] = intake.import_lines(database, [json.dumps(line)], clock, production=False)
    assert isinstance(report, intake.Stored), report
    if blocks is not None:
        with service.office.database.writing() as session:
            now = service.clock.now
            learned = access_log.learn(session, now)
            dossiers.store(session, Insz(str(line["insz"])), blocks, now, learned)


def person_with(code: str, count: int = 400) -> DemoPerson:
    """The first synthetic person whose advice has this internal code."""
    return next(person for person in demo_persons(count) if person.expected_code == code)


def make_production(folder: Path, **more: Any) -> Service:
    """The service in production mode on SQLite, with one issuer whose keys stand in a file."""
    issuer = DemoIssuer.load_or_create(folder / "issuer.json", Mode.DEMO)
    issuer.profile = replace(issuer.profile, issuer="https://login.example/op")
    jwks, issuers = folder / "jwks.json", folder / "issuers.json"
    jwks.write_text(json.dumps({"keys": issuer.public_keys}))
    profile = {
        "issuer": issuer.profile.issuer,
        "audience": [API_AUDIENCE],
        "algorithms": ["ES256"],
        "jwks": str(jwks),
        "max_lifetime": issuer.profile.max_lifetime,
    }
    issuers.write_text(json.dumps({"issuers": [profile]}))
    url = f"sqlite:///{folder}/protocolpoort.db"
    service = make_service(url, folder, mode=Mode.PRODUCTION, issuers=issuers, **more)
    service.issuer = issuer
    return service


def insz_of(base: str) -> Insz:
    """The number with these nine digits, of somebody born before 2000."""
    return Insz(f"{base}{97 - int(base) % 97:02}")


def add_resident(service: Service, insz: Insz, nis: str = "99001", **line: Any) -> None:
    """Somebody who lives in the invented city and has an empty dossier."""
    home = {"nis": nis, "van": "2020-01-01", "tot": None}
    add_person(service, {"insz": insz.digits, "woonplaatsen": [home], **line}, {})


@contextmanager
def closed_log(service: Service) -> Iterator[None]:
    """Meanwhile the database refuses every record, as a full disk would."""
    postgres = service.office.database.engine.dialect.name == "postgresql"
    refuse = (
        "CREATE OR REPLACE FUNCTION closed() RETURNS trigger LANGUAGE plpgsql AS "
        "$$ BEGIN RAISE EXCEPTION 'closed'; END $$;"
        "CREATE TRIGGER closed BEFORE INSERT ON access_record "
        "FOR EACH ROW EXECUTE FUNCTION closed()"
        if postgres
        else "CREATE TRIGGER closed BEFORE INSERT ON access_record "
        "BEGIN SELECT RAISE(ABORT, 'closed'); END"
    )
    allow = "DROP TRIGGER closed ON access_record" if postgres else "DROP TRIGGER closed"
    execute(service, refuse)
    yield
    execute(service, allow)


def execute(service: Service, statement: str) -> None:
    """Run one statement on the database of the service, behind its back."""
    with service.office.database.writing() as session:
        session.connection().exec_driver_sql(statement)
