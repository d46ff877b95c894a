"""The five protocols as the service reads them: what an organisation may ask on a day."""

import json
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, time
from functools import cache
from pathlib import Path
from typing import Any

import httpx
import stores

from app import database, documents, intake
from app.agreement import Document
from app.clauses import Standing
from app.database import Database
from app.errors import Reason
from app.insz import Insz
from app.policy import Clause, Granted, Operation, Question, decide
from app.register import Entry, Register
from app.register_lists import DelegateList

PROTOCOLS = Path(__file__).parents[1] / "protocols"
FIVE = ("avsb-2021", "genk-2021", "mechelen-2021", "vdab-2023", "wetteren-2023")
AGENCY, AVSB, VDAB = "0543307391", "0881629733", "0887010362"
ATLAS, GENT = "0421722346", "0507873093"
GENK, MECHELEN, WETTEREN = "nis:71016", "nis:12025", "nis:42025"
FUND, OTHER_FUND = "zorgkas-voorbeeld", "zorgkas-tweede"
CARE_BUDGET, PREMIUM = "zorgbudgetZwaarZorgbehoevenden", "verlaagdePremie"
LOCAL, PILOT = "lokaalIntegratiebeleid", "proeftuinParticipatie"
MONITORING = "monitoringDerdePijler"
PROFILE = "trajectondersteuner"

# What is granted, or the reason of the refusal and the day that it names.
Answer = frozenset[str] | tuple[Reason, date | None]


@cache
def read(name: str) -> Document:
    """A protocol of the project, by the name of its file."""
    parsed = documents.parse((PROTOCOLS / f"{name}.yaml").read_text(encoding="utf-8"))
    assert isinstance(parsed, Document)
    return parsed


def with_care_funds() -> Standing:
    """Only the list of the demo: who acts on behalf of AVSB."""
    path = PROTOCOLS / "demo/avsb-2021-gemachtigden.yaml"
    parsed = documents.parse(path.read_text(encoding="utf-8"))
    assert isinstance(parsed, DelegateList)
    return Standing(delegates=parsed.delegates)


def with_profiles(organisation: str) -> Standing:
    """Only a list of function profiles, with one profile on it."""
    return Standing(profiles={organisation: frozenset({PROFILE})})


# Everything that the texts leave to an operator: lists, ends, and the start of the cooperation.
SETTLED: Mapping[str, Standing] = {
    "avsb-2021": replace(
        with_care_funds(),
        legal_ground_ends={CARE_BUDGET: None, PREMIUM: None},
        files_since={"bestandenVan": date(2022, 1, 1)},
    ),
    "genk-2021": with_profiles(GENK),
    "mechelen-2021": with_profiles(MECHELEN),
    "vdab-2023": replace(with_profiles(VDAB), cooperation_since=date(2022, 3, 1)),
    "wetteren-2023": with_profiles(WETTEREN),
}


def register(**standings: Standing) -> Register:
    """All five protocols in force; `genk_2021=...` puts another standing beside that one."""
    others = {name.replace("_", "-"): standing for name, standing in standings.items()}
    return _register({**SETTLED, **others}) if others else _settled()


@cache
def _settled() -> Register:
    return _register(SETTLED)


def _register(standings: Mapping[str, Standing]) -> Register:
    return Register(
        1,
        [
            Entry(read(name), documents.document_hash(read(name)), read(name).first, standing)
            for name, standing in standings.items()
        ],
    )


def clause(organisation: str, purpose: str, day: date, **standings: Standing) -> Clause:
    """What covers the organisation and the purpose on a day; there must be something."""
    found = register(**standings).covering(organisation, purpose, day)
    assert found is not None
    return found


def ask(
    organisation: str,
    purpose: str,
    operation: Operation,
    day: date,
    *,
    fields: tuple[str, ...] | None = None,
    profile: str | None = PROFILE,
    test_date: date | None = None,
    used: int = 0,
    production: bool = True,
    **standings: Standing,
) -> Answer:
    """Ask the register of all five on a day, before anything is known of the person."""
    covering = register(**standings).covering(organisation, purpose, day)
    question = Question(operation, purpose, fields, profile, test_date)
    decision = decide(covering, question, day, production=production, used=used)
    return decision.fields if isinstance(decision, Granted) else (decision.reason, decision.on)


@contextmanager
def persons(folder: Path, lines: Sequence[Mapping[str, Any]]) -> Iterator[Database]:
    """A database with these persons of the register."""
    database.upgrade(url := f"sqlite:///{folder}/persons.db")
    opened = Database(url)
    now = datetime(2026, 6, 1, tzinfo=UTC)
    reports = intake.import_lines(opened, map(json.dumps, lines), lambda: now, production=False)
    assert all(isinstance(report, intake.Stored) for report in reports)
    yield opened
    opened.dispose()


def reaches(opened: Database, found: Clause, insz: Insz, day: date) -> bool:
    """Whether the person is one whom the clause is about, at noon of a day."""
    noon = datetime.combine(day, time(12), UTC)
    with opened.reading() as session:
        said = stores.admit(session, found.population, insz, day, noon)
    return not isinstance(said, Reason)


def refusal(response: httpx.Response) -> tuple[str, ...]:
    """What a refused caller is told: the problem, and of time why and since or from when."""
    assert response.status_code == 403, response.text
    body = response.json()
    name = body["type"].rpartition(":")[2]
    return tuple(filter(None, (name, body.get("reden"), body.get("datum"))))
