"""The whole service for a test: real application, database, tokens and log; only time is ours."""

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
from fastapi import FastAPI

from app import administration, database, demo, dossiers, fields, intake, main, protocols
from app.access_log import Origin
from app.administration import Office
from app.database import Database
from app.demo_persons import DemoPerson, demo_persons
from app.insz import Insz
from app.month_keys import MonthKeys
from app.settings import Mode, Settings
from app.tokens import DemoIssuer

ROOT = Path(__file__).parents[1]
ANSWERS = ROOT.parent / "shared" / "kbi" / "antwoorden"
BASE = "/inburgering/v1"
NOW = datetime(2026, 6, 1, 9, 30, tzinfo=UTC)

CITY, GENK, FUND, OTHER_FUND = "voorbeeldstad", "nis:71016", "zorgkas-voorbeeld", "zorgkas-tweede"
AVSB, AUDITOR = "0881629733", "auditdienst"
DOSSIER, ADVICE, AUDIT, AUDIT_OWN = (
    "inb_dossier_v1_G",
    "inb_advies_v1_G",
    "inb_audit_v1_G",
    "inb_audit_eigen_v1_G",
)


class Clock:
    """A clock that stands still until a test moves it."""

    def __init__(self, now: datetime) -> None:
        self.now = now

    def __call__(self) -> datetime:
        return self.now

    def forward(self, **step: float) -> None:
        self.now += timedelta(**step)


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
        self.client = httpx.AsyncClient(transport=transport, base_url="http://testserver")

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
    protocol_folders: tuple[Path, ...] = (ROOT / "protocols",),
    **settings: Any,
) -> Service:
    """An upgraded database with the protocols and some synthetic persons, and the app on it.

    The current folder must be one of the test's own: the demo issuer keeps its key under `var/`.
    """
    clock = Clock(now)
    database.upgrade(url)
    chosen = Settings(mode=mode, database_url=url, month_keys=folder / "month-keys", **settings)
    keys = MonthKeys(folder / "month-keys")
    keys.create(now, months=2)
    office = Office(Database(url), keys, Origin(fields.CATALOGUE_HASH, "test", "test"))
    files = [file for each in protocol_folders for file in sorted(each.rglob("*.yaml"))]
    sources, faults = protocols.read_files(files)
    assert not faults, faults
    administration.load(office, sources, now)
    demo.fill(office, demo_persons(persons), now)
    issuer = DemoIssuer.load_or_create(main.DEMO_ISSUER_KEY, Mode.DEMO)
    return Service(main.create_app(chosen, clock), chosen, clock, issuer, office)


def add_person(service: Service, line: Mapping[str, Any], blocks: Mapping[str, Any] | None) -> None:
    """Store one person as the imports would."""
    [report] = intake.import_lines(service.office.database, [json.dumps(line)], production=False)
    assert isinstance(report, intake.Stored), report
    if blocks is not None:
        with service.office.database.writing() as session:
            now = service.clock.now
            dossiers.store(session, Insz(str(line["insz"])), blocks, now, now)


def person_with(code: str, count: int = 400) -> DemoPerson:
    """The first synthetic person whose advice has this internal code."""
    return next(person for person in demo_persons(count) if person.expected_code == code)
