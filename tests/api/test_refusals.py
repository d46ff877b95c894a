"""The error table of the contract: what a caller is told, and the record that each leaves."""

import json
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from service import (
    ADVICE,
    AUDIT,
    AUDITOR,
    AVSB,
    BASE,
    CITY,
    DOSSIER,
    FUND,
    GENK,
    PROTOCOLS,
    Service,
    add_person,
    add_resident,
    closed_log,
    execute,
    insz_of,
    make_production,
    make_service,
    person_with,
)
from sqlalchemy import event

from app import administration, dossiers, main
from app.demo_persons import NON_RESIDENT, RESIDENT_WITH_CERTIFICATE
from app.settings import Mode
from app.tokens import DemoIssuer

BELGIF, OWN = "urn:problem-type:belgif:", "urn:problem-type:inburgering:"
SCHEMA = "urn:problem-type:belgif:input-validation:schemaViolation"
UNKNOWN_INPUT = "urn:problem-type:belgif:input-validation:unknownInput"
INVALID_INPUT = "urn:problem-type:belgif:input-validation:invalidInput"
STRUCTURE = "urn:problem-type:belgif-ext:input-validation:invalidStructure"
OUT_OF_RANGE = "urn:problem-type:belgif-ext:input-validation:outOfRange"
ABSENT: Any = object()
LARGE = b" " * 10_000_000
REAL = insz_of("850730001")  # no test number
UNKNOWN = insz_of("850730002")

DOSSIER_QUESTION = {
    "insz": RESIDENT_WITH_CERTIFICATE.digits,
    "doeleinde": "lokaalIntegratiebeleid",
    "referte": "ref-1",
}
ADVICE_QUESTION = {
    "insz": RESIDENT_WITH_CERTIFICATE.digits,
    "doeleinde": "zorgbudgetZwaarZorgbehoevenden",
    "toetsdatum": "2026-05-31",
    "referte": "ref-2",
}


@dataclass(frozen=True)
class Request:
    """A good dossier question of the invented city, but for what a case changes."""

    organisation: str = CITY
    path: str = "/dossiers/query"
    change: Mapping[str, Any] = field(default_factory=dict)
    method: str = "POST"
    scopes: tuple[str, ...] = (DOSSIER, ADVICE, AUDIT)
    headers: Mapping[str, str] = field(default_factory=dict)
    content: bytes | None = None

    async def send(self, service: Service) -> httpx.Response:
        good = ADVICE_QUESTION if self.path.startswith("/adviezen") else DOSSIER_QUESTION
        changed = {**good, **self.change}
        body = {name: value for name, value in changed.items() if value is not ABSENT}
        return await service.ask(
            self.organisation,
            self.path,
            method=self.method,
            scopes=self.scopes,
            headers=self.headers,
            content=json.dumps(body).encode() if self.content is None else self.content,
        )


@dataclass(frozen=True)
class Told:
    """What the caller is told, and what the log says."""

    status: int
    type: str
    magda: str | None
    reason: str
    outcome: str = "denied"
    members: Mapping[str, Any] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    issues: tuple[tuple[str, str, str | None], ...] = ()  # type, place, name


def invalid(*issues: tuple[str, str, str | None]) -> Told:
    return Told(
        400, f"{BELGIF}badRequest", "10001", "invalidRequest", outcome="invalid", issues=issues
    )


def wrong_insz() -> Told:
    return replace(invalid((STRUCTURE, "body", "insz")), magda="20002", reason="invalidInsz")


def wrong_date() -> Told:
    issue = (OUT_OF_RANGE, "body", "toetsdatum")
    return replace(invalid(issue), magda="20006", reason="invalidDate")


def not_valid(reason: str, day: str | None = None) -> Told:
    members = {"reden": reason, **({"datum": day} if day else {})}
    return Told(403, f"{OWN}protocolNietGeldig", "40001", reason, members=members)


def refused(name: str, magda: str, reason: str, **members: Any) -> Told:
    return Told(403, f"{OWN}{name}", magda, reason, members=members)


def turned_away(status: int, type_: str, **headers: str) -> Told:
    return Told(status, type_, "10001", "invalidRequest", outcome="invalid", headers=headers)


def challenge(type_: str, value: str) -> Told:
    headers = {"www-authenticate": value}
    return Told(401, f"{BELGIF}{type_}", None, "unauthenticated", headers=headers)


async def told(
    service: Service, response: httpx.Response, expected: Told, before: int = 0
) -> dict[str, Any]:
    """Check the whole answer and its one record after the `before` earlier; return the record."""
    assert response.status_code == expected.status, response.text
    body = response.json()
    [record] = service.records()[before:]
    assert body.pop("type") == expected.type
    assert body.pop("status") == expected.status
    assert body.pop("title")
    assert body.pop("href", "").startswith(
        "https://www.belgif.be/specification/rest/api-guide/problems/" if "belgif" in expected.type
        else ""
    )  # fmt: skip
    assert body.pop("instance") == f"urn:uuid:{record['eventId']}"
    exceptions = body.pop("uitzonderingen", [])
    assert [(each["identificatie"], each["oorsprong"], each["type"]) for each in exceptions] == (
        [(expected.magda, "MAGDA", "FOUT")] if expected.magda else []
    )
    assert all(each["diagnose"] for each in exceptions)
    issues = body.pop("issues", [])
    assert [(each["type"], each["in"], each.get("name")) for each in issues] == [*expected.issues]
    if issues:
        assert body.pop("detail") == "The input message is incorrect"
    assert body == expected.members

    assert response.headers["content-type"] == "application/problem+json"
    assert response.headers["cache-control"] == "no-store"
    assert response.headers["x-correlation-id"] == record["correlationId"]
    special = {"www-authenticate", "allow", "retry-after"} & set(response.headers)
    assert {name: response.headers[name] for name in special} == expected.headers

    assert (record["outcome"], record["status"]) == (expected.outcome, expected.status)
    assert record["reasonCode"] == expected.reason
    assert "responseDigest" not in record
    assert "deliveredFields" not in record
    return record


DAY = "must be a date that exists, as 2026-01-31"
BEARER = 'Bearer realm="protocolpoort"'
TABLE: dict[str, tuple[Request, Told]] = {
    "a wrong method": (
        Request(method="PUT"),
        turned_away(405, f"{OWN}methodeNietToegelaten", allow="POST"),
    ),
    "a wrong method without body": (
        Request(path="/mijnToegang", method="DELETE", content=b""),
        turned_away(405, f"{OWN}methodeNietToegelaten", allow="GET"),
    ),
    "an answer that we do not give": (
        Request(headers={"Accept": "text/html, application/json;q=0"}),
        turned_away(406, f"{OWN}nietAanvaardbaar"),
    ),
    "a body of another kind": (
        Request(headers={"Content-Type": "application/xml"}),
        turned_away(415, f"{OWN}mediatypeNietOndersteund"),
    ),
    "a body too large": (
        Request(content=LARGE),
        replace(turned_away(413, f"{BELGIF}payloadTooLarge"), members={"limit": 65_536}),
    ),
    "no JSON": (Request(content=b"insz=1"), invalid((SCHEMA, "body", None))),
    "no object": (Request(content=b"[]"), invalid((SCHEMA, "body", None))),
    "no body": (Request(content=b""), invalid((SCHEMA, "body", None))),
    "a missing property": (
        Request(change={"referte": ABSENT}),
        invalid((SCHEMA, "body", "referte")),
    ),
    "a missing number": (Request(change={"insz": ABSENT}), invalid((SCHEMA, "body", "insz"))),
    "a number of another type": (
        Request(change={"insz": int(RESIDENT_WITH_CERTIFICATE.digits)}),
        invalid((SCHEMA, "body", "insz")),
    ),
    "null": (Request(change={"velden": None}), invalid((SCHEMA, "body", "velden"))),
    "an unknown property": (
        Request(change={"geheim": "x"}),
        invalid((UNKNOWN_INPUT, "body", None)),
    ),
    "a duplicate property": (
        Request(content=b'{"insz":"1","insz":"2"}'),
        invalid((SCHEMA, "body", None)),
    ),
    "a reference too long": (
        Request(change={"referte": "r" * 37}),
        invalid((SCHEMA, "body", "referte")),
    ),
    "an empty reference": (Request(change={"referte": ""}), invalid((SCHEMA, "body", "referte"))),
    "every fault at once": (
        Request(change={"insz": "1", "referte": ""}, headers={"X-Magda-Enduser-ID": ""}),
        invalid(
            (SCHEMA, "header", "X-Magda-Enduser-ID"),
            (STRUCTURE, "body", "insz"),
            (SCHEMA, "body", "referte"),
        ),
    ),
    "no acting user": (
        Request(headers={"X-Magda-Enduser-ID": ""}),
        invalid((SCHEMA, "header", "X-Magda-Enduser-ID")),
    ),
    "a long header": (
        Request(headers={"X-Functieprofiel": "p" * 101}),
        invalid((SCHEMA, "header", "X-Functieprofiel")),
    ),
    "a correlation id that is none": (
        Request(headers={"X-Correlation-ID": "12"}),
        invalid((SCHEMA, "header", "X-Correlation-ID")),
    ),
    "an unknown query parameter": (
        Request(path="/dossiers/query?alles=1"),
        invalid((UNKNOWN_INPUT, "query", None)),
    ),
    "an id that is none": (
        Request(path="/toegangen/12", method="GET", content=b""),
        invalid((SCHEMA, "path", "toegangId")),
    ),
    "a number with a wrong checksum": (
        Request(change={"insz": "85073003329"}),
        wrong_insz(),
    ),
    "a number of a wrong form": (Request(change={"insz": "85.07.30-033.28"}), wrong_insz()),
    "a date that does not exist": (
        Request(FUND, "/adviezen/query", {"toetsdatum": "2026-02-30"}),
        invalid((SCHEMA, "body", "toetsdatum")),
    ),
    "a date to come": (
        Request(FUND, "/adviezen/query", {"toetsdatum": "2026-06-02"}),
        wrong_date(),
    ),
    "a date before the legal ground": (
        Request(FUND, "/adviezen/query", {"toetsdatum": "2021-12-31"}),
        wrong_date(),
    ),
    "no token": (Request(headers={"Authorization": ""}), challenge("noAccessToken", BEARER)),
    "another scheme": (
        Request(headers={"Authorization": "Basic eDp5"}),
        challenge("noAccessToken", BEARER),
    ),
    "no token of ours": (
        Request(headers={"Authorization": "Bearer abc"}),
        challenge("invalidAccessToken", f'{BEARER}, error="invalid_token"'),
    ),
    "no scope": (
        Request(scopes=(ADVICE,)),
        Told(
            403,
            f"{BELGIF}missingScope",
            "40006",
            "scope",
            members={"requiredScopes": [DOSSIER]},
            headers={
                "www-authenticate": f'{BEARER}, error="insufficient_scope", scope="{DOSSIER}"'
            },
        ),
    ),
    "another sender": (
        Request(headers={"X-Magda-Sender-ID": GENK}),
        refused("afzender", "20005", "sender"),
    ),
    "an organisation without protocol": (
        Request("onbekend"),
        refused("geenProtocol", "40001", "noProtocol"),
    ),
    "a purpose that nobody has": (
        Request(change={"doeleinde": "nieuwsgierigheid"}),
        refused("geenProtocol", "40001", "noProtocol"),
    ),
    "an ended protocol": (
        Request("nis:12025", change={"doeleinde": "proeftuinParticipatie"}),
        not_valid("expired", "2022-06-30"),
    ),
    "an operation outside the clause": (
        Request(FUND, change={"doeleinde": "zorgbudgetZwaarZorgbehoevenden"}),
        refused("buitenProtocol", "40006", "operation"),
    ),
    "an advice for a purpose of lists": (
        Request(FUND, "/adviezen/query", {"doeleinde": "verlaagdePremie"}),
        refused("buitenProtocol", "40006", "operation"),
    ),
    "no function profile": (
        Request(headers={"X-Functieprofiel": ""}),
        refused("functieprofiel", "40006", "functionProfile"),
    ),
    "another function profile": (
        Request(headers={"X-Functieprofiel": "Trajectondersteuner"}),
        refused("functieprofiel", "40006", "functionProfile"),
    ),
    "a field outside the grant": (
        Request(change={"velden": ["wooncode", "personalia.insz", "inbreuken[]"]}),
        refused("veldNietToegestaan", "40006", "field", velden=["inbreuken[]", "wooncode"]),
    ),
    "somebody of elsewhere": (
        Request(change={"insz": NON_RESIDENT.digits}),
        refused("geenInschrijving", "40003", "population"),
    ),
    "somebody unknown": (
        Request(change={"insz": UNKNOWN.digits}),
        refused("geenInschrijving", "40003", "unknownPerson"),
    ),
    "an advice on a member of another fund": (
        Request(FUND, "/adviezen/query", {"insz": person_with("O05").insz.digits}),
        refused("geenInschrijving", "40003", "population"),
    ),
    "an advice that cannot be given": (
        Request(AVSB, "/adviezen/query", {"insz": person_with("T01").insz.digits}),
        Told(409, f"{OWN}geenAdvies", "60007", "noAdvice", outcome="noAdvice"),
    ),
    "a record that is not there": (
        Request(
            AUDITOR, "/toegangen/00000000-0000-0000-0000-000000000000", method="GET", content=b""
        ),
        Told(404, f"{BELGIF}resourceNotFound", "30001", "notFound", outcome="notFound"),
    ),
}  # fmt: skip


@pytest.mark.parametrize("situation", TABLE)
async def test_tells_and_records_each_situation(shared: Service, situation: str) -> None:
    request, expected = TABLE[situation]
    before = len(shared.records())

    response = await request.send(shared)

    record = await told(shared, response, expected, before)
    assert record["operation"] in {"queryDossier", "queryAdvies", "getMijnToegang", "getToegang"}
    if expected.status == 401:
        assert "organisation" not in record
        return
    assert record["organisation"] == record["client"] == request.organisation
    assert record["credential"].startswith("sha256:")


async def test_tells_that_a_token_expired(service: Service) -> None:
    token = service.issuer.issue(
        CITY, CITY, [DOSSIER], service.clock.now - timedelta(hours=1), ttl=timedelta(minutes=30)
    )

    response = await Request(headers={"Authorization": f"Bearer {token}"}).send(service)

    said = f'{BEARER}, error="invalid_token", error_description="token expired"'
    await told(service, response, challenge("expiredAccessToken", said))


async def test_tells_that_there_is_no_dossier_to_whom_may_ask(service: Service) -> None:
    home = {"nis": "99001", "van": "2020-01-01"}
    add_person(service, {"insz": UNKNOWN.digits, "woonplaatsen": [home]}, None)

    response = await Request(change={"insz": UNKNOWN.digits}).send(service)

    expected = Told(404, f"{BELGIF}resourceNotFound", "30001", "notFound", outcome="notFound")
    record = await told(service, response, expected)
    assert record["subjectBasis"] == "resident"


async def test_never_records_what_is_outside_the_operations(service: Service) -> None:
    for path in ("/onbekend", "/dossiers", "/dossiers/query/", "/dossiers/query/x", "/Dossiers"):
        response = await service.ask(CITY, path, DOSSIER_QUESTION)
        assert response.status_code == 404, path
        assert response.json()["type"] == f"{BELGIF}resourceNotFound"
        assert response.json()["uitzonderingen"][0]["identificatie"] == "10001"
        assert "instance" not in response.json()
    for path in ("/", "/health", "/doc", "/doc/openapi.yaml", f"{BASE}/protocollen"):
        assert (await service.client.get(path)).status_code == 200, path

    assert not service.records()


# Time, in a register of its own: the text of the invented protocol with other dates.


def own_protocol(folder: Path, *changes: tuple[str, str]) -> Path:
    """The invented protocol with its list, with these changes of the text."""
    target = folder / "own"
    target.mkdir()
    for source in (PROTOCOLS / "demo").glob("voorbeeldstad*.yaml"):
        text = source.read_text()
        for old, new in changes if source.name == "voorbeeldstad.yaml" else ():
            assert old in text
            text = text.replace(old, new, 1)
        if UNTIL_MAY in changes:  # a protocol that is over when it is loaded says so
            text = text.replace("status: volledig", "status: beeindigd", 1)
        (target / source.name).write_text(text)
    return target


FROM_JULY = ("geldigVan: 2026-01-01", "geldigVan: 2026-07-01")
UNTIL_MAY = ("geldigTot: null", "geldigTot: 2026-05-31")
GROUND_FROM_JULY = ("      van: null", "      van: 2026-07-01")
GROUND_UNTIL_MAY = ("      tot: null", "      tot: 2026-05-31")


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (FROM_JULY, not_valid("notYetValid", "2026-07-01")),
        (UNTIL_MAY, not_valid("expired", "2026-05-31")),
        (GROUND_FROM_JULY, not_valid("notYetValid", "2026-07-01")),
        (GROUND_UNTIL_MAY, not_valid("legalGroundEnded", "2026-05-31")),
    ],
)
async def test_names_the_day_when_time_refuses(
    own_folder: Path, change: tuple[str, str], expected: Told
) -> None:
    service = make_service(
        f"sqlite:///{own_folder}/own.db",
        own_folder,
        protocol_folders=(own_protocol(own_folder, change),),
        persons=1,
    )

    response = await Request().send(service)

    record = await told(service, response, expected)
    assert record["protocol"] == "voorbeeldstad-2026"
    await service.close()


@pytest.mark.parametrize(
    ("change", "now", "status"),
    [
        (FROM_JULY, "2026-06-30T21:59:59+00:00", 403),
        (FROM_JULY, "2026-06-30T22:00:00+00:00", 200),
        (UNTIL_MAY, "2026-05-31T21:59:59+00:00", 200),
        (UNTIL_MAY, "2026-05-31T22:00:00+00:00", 403),
        (GROUND_UNTIL_MAY, "2026-05-31T21:59:59+00:00", 200),
        (GROUND_UNTIL_MAY, "2026-05-31T22:00:00+00:00", 403),
    ],
)
async def test_opens_and_closes_at_midnight_in_brussels(
    own_folder: Path, change: tuple[str, str], now: str, status: int
) -> None:
    service = make_service(
        f"sqlite:///{own_folder}/own.db",
        own_folder,
        now=datetime.fromisoformat(now),
        protocol_folders=(own_protocol(own_folder, change),),
        persons=1,
    )

    response = await Request().send(service)

    assert response.status_code == status
    await service.close()


async def test_tells_since_when_a_protocol_is_suspended(service: Service) -> None:
    administration.suspend(service.office, "voorbeeldstad-2026", "inbreuk", service.clock.now)

    response = await Request().send(service)

    await told(service, response, not_valid("suspended", "2026-06-01"))


# Production


@pytest.fixture
async def production(own_folder: Path) -> AsyncIterator[Service]:
    made = make_production(own_folder, persons=3)
    add_resident(made, REAL)
    add_resident(made, UNKNOWN, nis="71016")
    yield made
    await made.close()


PRODUCTION: dict[str, tuple[Request, Told]] = {
    "a test number": (Request(), wrong_insz()),
    "a test number in a search": (
        Request(
            AUDITOR,
            "/toegangen/query",
            content=json.dumps(
                {"insz": RESIDENT_WITH_CERTIFICATE.digits, "aanleiding": "controle"}
            ).encode(),
        ),
        wrong_insz(),
    ),
    "a demanded list that is not there": (
        Request(GENK, change={"insz": UNKNOWN.digits}),
        refused("functieprofiel", "40006", "functionProfile"),
    ),
    "a profile that is not listed": (
        Request(change={"insz": REAL.digits}, headers={"X-Functieprofiel": "loket"}),
        refused("functieprofiel", "40006", "functionProfile"),
    ),
    "a legal ground whose end the operator must still set": (
        Request(AVSB, "/adviezen/query", {"insz": REAL.digits}),
        not_valid("legalGroundEnded"),
    ),
}


@pytest.mark.parametrize("situation", PRODUCTION)
async def test_refuses_in_production(production: Service, situation: str) -> None:
    request, expected = PRODUCTION[situation]

    response = await request.send(production)

    await told(production, response, expected)


async def test_answers_in_production_what_is_in_order(production: Service) -> None:
    response = await Request(change={"insz": REAL.digits}).send(production)

    assert response.status_code == 200, response.text
    [record] = production.records()
    assert record["functionProfile"] == "trajectondersteuner"


async def test_knows_no_demo_token_in_production(production: Service) -> None:
    demo = DemoIssuer.load_or_create(main.DEMO_ISSUER_KEY, Mode.DEMO)
    token = demo.issue(CITY, CITY, [DOSSIER], production.clock.now)

    response = await Request(
        change={"insz": REAL.digits}, headers={"Authorization": f"Bearer {token}"}
    ).send(production)

    assert response.status_code == 401


async def test_blames_no_caller_for_keys_that_cannot_be_had(own_folder: Path) -> None:
    service = make_production(own_folder, persons=1)
    (own_folder / "jwks.json").unlink()

    response = await Request(change={"insz": REAL.digits}).send(service)

    expected = Told(
        503,
        f"{BELGIF}serviceUnavailable",
        "60009",
        "error",
        outcome="error",
        headers={"retry-after": "1"},
    )
    record = await told(service, response, expected)
    assert not {"organisation", "credential"} & set(record)
    await service.close()


async def test_the_demo_asks_no_list_that_is_not_there_and_records_what_was_sent(
    service: Service,
) -> None:
    add_resident(service, REAL, nis="71016")

    for profile in ("", "loket"):
        response = await Request(
            GENK, change={"insz": REAL.digits}, headers={"X-Functieprofiel": profile}
        ).send(service)
        assert response.status_code == 200, response.text

    without, with_profile = service.records()
    assert "functionProfile" not in without
    assert with_profile["functionProfile"] == "loket"


# The order of checks

EXPIRED_ORGANISATION = "nis:42025"
ELSEWHERE = {"insz": NON_RESIDENT.digits}
BAD_JSON = b"{"

ORDER: dict[str, tuple[Request, int, str]] = {
    "path before size": (Request(path="/onbekend", content=LARGE), 404, "resourceNotFound"),
    "size before authentication": (
        Request(content=LARGE, headers={"Authorization": ""}),
        413,
        "payloadTooLarge",
    ),
    "size before method": (Request(content=LARGE, method="PUT"), 413, "payloadTooLarge"),
    "authentication before method": (
        Request(method="PUT", headers={"Authorization": ""}),
        401,
        "noAccessToken",
    ),
    "method before accept": (
        Request(method="PUT", headers={"Accept": "text/html"}),
        405,
        "methodeNietToegelaten",
    ),
    "method before syntax": (
        Request(method="PUT", content=BAD_JSON),
        405,
        "methodeNietToegelaten",
    ),
    "accept before content type": (
        Request(headers={"Accept": "text/html", "Content-Type": "text/xml"}),
        406,
        "nietAanvaardbaar",
    ),
    "accept before syntax": (
        Request(headers={"Accept": "text/html"}, content=BAD_JSON),
        406,
        "nietAanvaardbaar",
    ),
    "content type before syntax": (
        Request(headers={"Content-Type": "text/xml"}, content=BAD_JSON),
        415,
        "mediatypeNietOndersteund",
    ),
    "syntax before scope": (Request(content=BAD_JSON, scopes=()), 400, "badRequest"),
    "number before scope": (Request(change={"insz": "1"}, scopes=()), 400, "badRequest"),
    "headers before scope": (
        Request(headers={"X-Magda-Enduser-ID": ""}, scopes=()),
        400,
        "badRequest",
    ),
    "scope before sender": (
        Request(scopes=(), headers={"X-Magda-Sender-ID": GENK}),
        403,
        "missingScope",
    ),
    "sender before protocol": (
        Request("onbekend", headers={"X-Magda-Sender-ID": GENK}),
        403,
        "afzender",
    ),
    "purpose before validity": (
        Request(EXPIRED_ORGANISATION),
        403,
        "geenProtocol",
    ),
    "validity before operation": (
        Request(EXPIRED_ORGANISATION, change={"doeleinde": "proeftuinParticipatie"}),
        403,
        "protocolNietGeldig",
    ),
    "operation before function profile": (
        Request(
            CITY,
            "/adviezen/query",
            {"doeleinde": "lokaalIntegratiebeleid"},
            headers={"X-Functieprofiel": ""},
        ),
        403,
        "buitenProtocol",
    ),
    "operation before test date": (
        Request(
            FUND, "/adviezen/query", {"doeleinde": "verlaagdePremie", "toetsdatum": "2027-01-01"}
        ),
        403,
        "buitenProtocol",
    ),
    "function profile before fields": (
        Request(headers={"X-Functieprofiel": ""}, change={"velden": ["wooncode"]}),
        403,
        "functieprofiel",
    ),
    "fields before population": (
        Request(change={"velden": ["wooncode"], **ELSEWHERE}),
        403,
        "veldNietToegestaan",
    ),
    "test date before population": (
        Request(FUND, "/adviezen/query", {"toetsdatum": "2027-01-01", **ELSEWHERE}),
        400,
        "badRequest",
    ),
    "population before data": (
        Request(change={"insz": person_with("O01").insz.digits}),
        403,
        "geenInschrijving",
    ),
    "population before advice": (
        Request(FUND, "/adviezen/query", {"insz": person_with("T01").insz.digits}),
        403,
        "geenInschrijving",
    ),
}


@pytest.mark.parametrize("rule", ORDER)
async def test_lets_the_earlier_check_win(shared: Service, rule: str) -> None:
    request, status, name = ORDER[rule]

    response = await request.send(shared)

    assert (response.status_code, response.json()["type"].rsplit(":", 1)[1]) == (status, name)


async def test_checks_validity_before_suspension_and_suspension_before_the_legal_ground(
    own_folder: Path,
) -> None:
    service = make_service(
        f"sqlite:///{own_folder}/own.db",
        own_folder,
        protocol_folders=(own_protocol(own_folder, FROM_JULY, GROUND_UNTIL_MAY),),
        persons=1,
    )
    administration.suspend(service.office, "voorbeeldstad-2026", "inbreuk", service.clock.now)

    early = await Request().send(service)
    service.clock.forward(days=30)
    late = await Request().send(service)

    assert [early.json()["reden"], late.json()["reden"]] == ["notYetValid", "suspended"]
    await service.close()


async def test_looks_at_the_token_before_the_rate_and_at_the_rate_before_the_method(
    own_folder: Path,
) -> None:
    service = make_service(f"sqlite:///{own_folder}/rate.db", own_folder, persons=1, rate_limit=1)
    await Request().send(service)

    without_token = await Request(headers={"Authorization": "Bearer abc"}).send(service)
    wrong_method = await Request(method="PUT").send(service)
    too_large = await Request(content=LARGE).send(service)

    statuses = [each.status_code for each in (without_token, wrong_method, too_large)]
    assert statuses == [401, 429, 413]
    await service.close()


@pytest.mark.parametrize(
    "request_",
    [
        Request(),
        Request(path="/adviezen/query", organisation=FUND),
        Request(path="/mijnToegang", method="GET", content=b""),
        Request(AUDITOR, "/toegangen/query", content=b'{"uitkomst":"denied","aanleiding":"x"}'),
        Request("onbekend"),
        Request(change=ELSEWHERE),
        Request(change={"velden": ["wooncode"]}),
        Request(change={"insz": person_with("O01").insz.digits}),
        Request(AVSB, "/adviezen/query", {"insz": person_with("T01").insz.digits}),
        Request(content=BAD_JSON),
        Request(scopes=()),
        Request(method="PUT"),
        Request(content=LARGE),
        Request(headers={"Authorization": ""}),
    ],
)
async def test_tells_nothing_at_all_without_a_record(service: Service, request_: Request) -> None:
    with closed_log(service):
        response = await request_.send(service)

    assert response.status_code == 503, response.text
    problem = response.json()
    assert problem == {
        "type": f"{BELGIF}serviceUnavailable",
        "href": problem["href"],
        "title": "Service is unavailable",
        "status": 503,
        "uitzonderingen": [
            {
                "identificatie": "60009",
                "oorsprong": "MAGDA",
                "type": "FOUT",
                "diagnose": "De dienst is tijdelijk niet beschikbaar",
            }
        ],
    }
    assert response.headers["retry-after"] == "1"
    assert response.headers["cache-control"] == "no-store"
    assert not service.records()


async def test_is_well_again_as_soon_as_the_log_takes_records(service_on_each: Service) -> None:
    service = service_on_each
    with closed_log(service):
        assert (await Request().send(service)).status_code == 503
        told_by_health = (await service.client.get("/health")).json()

    response = await Request().send(service)

    assert told_by_health == {"status": "DEGRADED"}
    assert response.status_code == 200
    assert (await service.client.get("/health")).json() == {"status": "UP"}
    assert len(service.records()) == 1


async def test_gives_nothing_in_a_month_without_a_key(service: Service) -> None:
    service.clock.forward(days=70)

    response = await Request().send(service)

    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert "instance" not in response.json()
    assert (await service.client.get("/health")).json() == {"status": "DOWN"}
    service.office.keys.create(service.clock.now, months=1)
    assert (await Request().send(service)).status_code == 200


async def test_gives_nothing_when_the_log_is_gone(service: Service) -> None:
    execute(service, "ALTER TABLE log_head RENAME TO elsewhere")

    response = await Request().send(service)
    down = await service.client.get("/health")
    execute(service, "ALTER TABLE elsewhere RENAME TO log_head")

    assert (response.status_code, down.status_code) == (503, 503)
    assert "instance" not in response.json()
    assert (await Request().send(service)).status_code == 200


async def test_finds_its_way_back_to_the_database(service_on_each: Service) -> None:
    service = service_on_each
    service.app.state.desk.gate.database.dispose()

    response = await Request().send(service)

    assert response.status_code == 200


# Nobody learns who is known


def answers_alike(first: httpx.Response, second: httpx.Response) -> None:
    """The same status, headers and bytes, but for the ids."""
    bodies = []
    for response in (first, second):
        event_id = response.json()["instance"].removeprefix("urn:uuid:")
        bodies.append(response.content.replace(event_id.encode(), b"?"))
    assert first.status_code == second.status_code
    assert bodies[0] == bodies[1]
    assert first.headers.keys() == second.headers.keys()
    same = set(first.headers) - {"x-correlation-id"}
    assert [first.headers[name] for name in same] == [second.headers[name] for name in same]


async def test_answers_alike_for_unknown_cancelled_and_foreign_persons(
    service_on_each: Service,
) -> None:
    service = service_on_each
    cancelled = insz_of("850730003")
    member = {"organisatie": FUND, "van": "2020-01-01", "tot": None}
    homes = [{"nis": nis, "van": "2020-01-01", "tot": None} for nis in ("99001", "71016")]
    line = {"insz": cancelled.digits, "woonplaatsen": homes, "lidmaatschappen": [member]}
    add_person(service, {**line, "geannuleerdOp": "2026-01-01"}, {})
    statements: list[str] = []
    engine = service.app.state.desk.gate.database.engine
    event.listen(engine, "before_cursor_execute", lambda *args: statements.append(args[2]))

    for organisation, path in (
        (CITY, "/dossiers/query"),
        (GENK, "/dossiers/query"),
        (FUND, "/adviezen/query"),
    ):
        answers, costs = [], []
        for insz in (UNKNOWN, cancelled, NON_RESIDENT):
            statements.clear()
            request = Request(organisation, path, {"insz": insz.digits})
            answers.append(await request.send(service))
            costs.append([*statements])

        reasons = [each["reasonCode"] for each in service.records()[-3:]]
        assert reasons == ["unknownPerson", "cancelled", "population"]
        answers_alike(answers[0], answers[1])
        answers_alike(answers[0], answers[2])
        assert costs[0] == costs[1] == costs[2]
        assert costs[0]


# Too often, and without a token


async def test_limits_the_rate_of_one_client(own_folder: Path) -> None:
    service = make_service(f"sqlite:///{own_folder}/rate.db", own_folder, persons=3, rate_limit=2)
    allowed = [await Request().send(service) for _ in range(2)]

    limited = await Request().send(service)
    other = await Request(GENK).send(service)

    assert [each.status_code for each in (*allowed, limited, other)] == [200, 200, 429, 403]
    problem = limited.json()
    wait = problem["retryAfterSec"]
    record = service.records()[2]
    assert problem["type"] == f"{BELGIF}tooManyRequests"
    assert problem["uitzonderingen"][0]["identificatie"] == "99995"
    assert problem["instance"] == f"urn:uuid:{record['eventId']}"
    assert 1 <= wait <= 60
    assert limited.headers["retry-after"] == str(wait)
    assert (record["outcome"], record["status"]) == ("denied", 429)
    assert (record["reasonCode"], record["organisation"]) == ("rateLimit", CITY)
    await service.close()


async def test_records_sixty_a_minute_of_the_rate_limited_and_counts_the_rest(
    own_folder: Path,
) -> None:
    service = make_service(f"sqlite:///{own_folder}/rate.db", own_folder, persons=1, rate_limit=1)
    responses = [await Request().send(service) for _ in range(64)]

    nameless = [each for each in responses if "instance" not in each.text]
    service.clock.forward(minutes=1)
    await Request(headers={"Authorization": ""}).send(service)

    assert [each.status_code for each in responses] == [200] + [429] * 63
    assert len(nameless) == 4 - 1 + 1  # the allowed one, and three beyond the limit
    records = service.records()
    assert len([each for each in records if each.get("status") == 429]) == 60
    summary, last = records[-2:]
    assert summary["operation"] == "summary"
    assert (summary["reasonCode"], summary["counts"]) == ("rateLimit", {"requests": 3})
    assert last["reasonCode"] == "unauthenticated"
    await service.close()


async def test_records_sixty_a_minute_without_a_token_and_counts_the_rest(
    service: Service,
) -> None:
    stranger = Request(headers={"Authorization": ""})
    responses = [await stranger.send(service) for _ in range(65)]

    known = await Request().send(service)
    before = service.records()
    service.clock.forward(seconds=59)
    await stranger.send(service)
    service.clock.forward(seconds=1)
    await stranger.send(service)

    assert {each.status_code for each in responses} == {401}
    assert sum("instance" in each.json() for each in responses) == 60
    assert known.status_code == 200
    assert len(before) == 61
    summary, after = service.records()[61:]
    assert summary["outcome"] == "denied"
    assert (summary["reasonCode"], summary["counts"]) == ("unauthenticated", {"requests": 6})
    assert not {"organisation", "subject", "status"} & set(summary)
    assert after["status"] == 401


async def test_tells_all_who_asked_without_a_token_alike_beyond_the_limit(
    service: Service,
) -> None:
    stranger = Request(headers={"Authorization": ""})
    first, *_, last = [await stranger.send(service) for _ in range(61)]

    said = {name: value for name, value in first.json().items() if name != "instance"}

    assert last.json() == said
    assert last.headers["www-authenticate"] == BEARER


async def test_writes_the_summary_when_it_closes(service: Service) -> None:
    stranger = Request(headers={"Authorization": ""})

    async with service.app.router.lifespan_context(service.app):
        for _ in range(62):
            await stranger.send(service)

    summary = service.records()[-1]
    assert (summary["operation"], summary["counts"]) == ("summary", {"requests": 2})


async def test_keeps_the_count_when_the_summary_cannot_be_written(service: Service) -> None:
    stranger = Request(headers={"Authorization": ""})
    for _ in range(62):
        await stranger.send(service)
    service.clock.forward(minutes=1)
    with closed_log(service):
        assert (await stranger.send(service)).status_code == 503

    service.clock.forward(minutes=1)
    await stranger.send(service)

    summaries = [each for each in service.records() if each["operation"] == "summary"]
    assert [each["counts"] for each in summaries] == [{"requests": 2}]


async def test_records_nothing_of_a_large_body_without_a_token(service: Service) -> None:
    response = await Request(content=LARGE, headers={"Authorization": "Bearer abc"}).send(service)

    assert response.status_code == 413
    assert "instance" not in response.json()
    assert not service.records()


# What nobody foresaw


@pytest.fixture
def broken(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object) -> None:
        raise LookupError(f"no block of {RESIDENT_WITH_CERTIFICATE.digits}")

    monkeypatch.setattr(dossiers, "read_each", fail)


async def test_gives_no_detail_of_what_broke_and_records_who_asked(
    service: Service,
    broken: None,
    caplog: pytest.LogCaptureFixture,
    capfd: pytest.CaptureFixture[str],
) -> None:
    response = await Request().send(service)

    expected = Told(500, f"{BELGIF}internalServerError", "60009", "error", outcome="error")
    record = await told(service, response, expected)
    assert (record["organisation"], record["reference"]) == (CITY, "ref-1")
    assert "user" in record
    assert "unexpected LookupError in queryDossier" in caplog.text
    printed = capfd.readouterr()
    for text in (response.text, caplog.text, printed.out, printed.err, json.dumps(record)):
        assert RESIDENT_WITH_CERTIFICATE.digits not in text
    assert (await Request(change=ELSEWHERE).send(service)).status_code == 403


async def test_gives_no_detail_of_what_broke_without_a_record_either(
    service: Service, broken: None
) -> None:
    with closed_log(service):
        response = await Request().send(service)

    assert response.status_code == 503
    assert "instance" not in response.json()


async def test_says_that_it_is_away_without_a_database_outside_the_operations(
    service: Service,
) -> None:
    execute(service, "ALTER TABLE register_state RENAME TO elsewhere")

    response = await service.client.get(f"{BASE}/protocollen")

    assert (response.status_code, response.headers["retry-after"]) == (503, "1")
    assert "register_state" not in response.text


async def test_gives_no_detail_of_what_broke_outside_the_operations(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fail(_: object) -> None:
        raise LookupError(RESIDENT_WITH_CERTIFICATE.digits)

    monkeypatch.setattr("app.publication.listing", fail)

    response = await service.client.get(f"{BASE}/protocollen")

    assert response.status_code == 500
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["type"] == f"{BELGIF}internalServerError"
    assert response.json()["uitzonderingen"][0]["identificatie"] == "60009"
    assert RESIDENT_WITH_CERTIFICATE.digits not in response.text


@pytest.mark.parametrize(
    ("token", "reason"), [(True, "invalidRequest"), (False, "unauthenticated")]
)
async def test_records_a_request_that_never_arrived_whole(
    service: Service, token: bool, reason: str
) -> None:
    held = f"Bearer {service.token(CITY, DOSSIER)}" if token else "Bearer x"
    scope = {
        "type": "http",
        "method": "POST",
        "path": f"{BASE}/dossiers/query",
        "raw_path": b"",
        "query_string": b"",
        "root_path": "",
        "scheme": "http",
        "server": ("testserver", 80),
        "headers": [(b"content-length", b"100"), (b"authorization", held.encode())],
    }
    parts = iter(
        [{"type": "http.request", "body": b"{", "more_body": True}, {"type": "http.disconnect"}]
    )
    sent = []

    async def receive() -> Any:
        return next(parts)

    async def send(message: Any) -> None:
        sent.append(message)

    await service.app(scope, receive, send)

    assert sent[0]["status"] == (400 if token else 401)
    [record] = service.records()
    assert record["reasonCode"] == reason
    assert (await Request().send(service)).status_code == 200


async def test_names_no_more_than_twenty_faults(shared: Service) -> None:
    response = await Request(change={f"x{number}": 1 for number in range(100)}).send(shared)

    assert len(response.json()["issues"]) == 20


async def test_moments_in_the_record_are_those_of_the_clock(service: Service) -> None:
    await Request(method="PUT").send(service)

    [record] = service.records()
    moment = service.clock.now.astimezone(UTC).isoformat(timespec="milliseconds")
    assert record["startedAt"] == record["recordedAt"] == moment.replace("+00:00", "Z")


async def test_records_the_longest_organisation_that_a_token_names(
    service_on_each: Service,
) -> None:
    service = service_on_each

    longest, longer = [await Request("o" * length).send(service) for length in (255, 256)]

    assert (longest.status_code, longer.status_code) == (403, 401)
    assert service.records()[0]["organisation"] == "o" * 255
