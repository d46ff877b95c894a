"""The application and its contract say the same, in both directions."""

import json
import re
from collections.abc import Awaitable, Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import httpx
import pytest
from delivered import KEY, LIST, work
from fastapi.routing import iter_route_contexts
from promises import DEFAULT, PROMISES, Promise, broken, faults, parts, properties, unknown
from service import (
    ANSWERS,
    AUDITOR,
    AVSB,
    BASE,
    CITY,
    DOSSIER,
    FUND,
    GENK,
    NOTICES,
    NOW,
    PARTICIPANTS,
    REPORT,
    REVEAL,
    VILLAGE,
    Service,
    add_person,
    closed_log,
    execute,
    insz_of,
    make_production,
)

from app import administration, derived, fields, kbi, reference, wire
from app.demo_persons import MEMBER_NOK, NON_RESIDENT, RESIDENT_WITH_CERTIFICATE, demo_persons
from app.doors import USER, Door
from app.errors import Answered
from app.moments import brussels_date
from app.problems import PROBLEMS, REFUSALS, status_of
from app.routers import (
    adviezen,
    deelnemers,
    dossiers,
    lijsten,
    meldingen,
    mijn_raadplegingen,
    mijn_toegang,
    toegangen,
)

DOORS: dict[str, Door[Any]] = {
    door.operation: door
    for door in (
        *(dossiers.QUERY, dossiers.BATCH, adviezen.QUERY, adviezen.BATCH),
        *(
            deelnemers.QUERY,
            toegangen.QUERY,
            toegangen.GET,
            mijn_toegang.GET,
            mijn_raadplegingen.LIST,
        ),
        *(toegangen.EXPORT, toegangen.PROOF, toegangen.UNVEIL),
        *(lijsten.CREATE, lijsten.GET, lijsten.FILE, lijsten.KEY),
        *(meldingen.LIST, meldingen.DATA, meldingen.INCIDENT),
    )
}
# No source is asked yet, so that none can fail; callers already know what it will look like.
FORESEEN = {502}
TOO_LARGE = b"1" * 270_000


@dataclass(frozen=True)
class Case:
    """A request, and the answer that it must get: status, kind of problem, MAGDA code."""

    operation: str
    status: int
    ask: Callable[[Service], Awaitable[httpx.Response]]
    problem: str | None = None
    code: str | None = None

    def __str__(self) -> str:
        return f"{self.operation} {self.status} {self.problem or ''} {self.code or ''}".strip()


def dossier(body: Any = None, organisation: str = CITY, **more: Any) -> Any:
    """A dossier question, by default one that is answered; `body` replaces parts of it."""
    question = {
        "insz": RESIDENT_WITH_CERTIFICATE.digits,
        "doeleinde": "lokaalIntegratiebeleid",
        "referte": "ref-1",
        **(body or {}),
    }
    return lambda service: service.ask(organisation, "/dossiers/query", question, **more)


def advice(body: Any = None, organisation: str = FUND, **more: Any) -> Any:
    """An advice question, by default one that is answered; `body` replaces parts of it."""
    question = {
        "insz": MEMBER_NOK.digits,
        "doeleinde": "zorgbudgetZwaarZorgbehoevenden",
        "toetsdatum": "2026-05-31",
        "referte": "ref-2",
        **(body or {}),
    }
    return lambda service: service.ask(organisation, "/adviezen/query", question, **more)


def dossier_batch(body: Any = None, **more: Any) -> Any:
    """Dossiers of three persons, of whom one is told; `body` replaces parts of the question."""
    question = {
        "doeleinde": "lokaalIntegratiebeleid",
        "referte": "ref-3",
        "vragen": asked(RESIDENT_WITH_CERTIFICATE.digits, NON_RESIDENT.digits, "1"),
        **(body or {}),
    }
    return lambda service: service.ask(CITY, "/dossiers/queryBatch", question, **more)


def advice_batch(body: Any = None, organisation: str = FUND, **more: Any) -> Any:
    """Advices on three persons, of whom one is told; `body` replaces parts of the question."""
    question = {
        "doeleinde": "zorgbudgetZwaarZorgbehoevenden",
        "toetsdatum": "2026-05-31",
        "referte": "ref-4",
        "vragen": asked(MEMBER_NOK.digits, NON_RESIDENT.digits, "1"),
        **(body or {}),
    }
    return lambda service: service.ask(organisation, "/adviezen/queryBatch", question, **more)


def participants(body: Any = None, organisation: str = VILLAGE, **more: Any) -> Any:
    """The first page of a project; `body` replaces parts of the question."""
    question = {"doeleinde": "proeftuinParticipatie", "referte": "ref-5", **(body or {})}
    more = {"scopes": (PARTICIPANTS,), **more}
    return lambda service: service.ask(organisation, "/deelnemers/query", question, **more)


def a_list(body: Any = None, organisation: str = CITY, **more: Any) -> Any:
    """A list of this year; `body` replaces parts of the question."""
    question = {"doeleinde": "lokaalIntegratiebeleid", "jaar": 2026, "referte": "ref-6"}
    more = {"scopes": (LIST,), **more}
    return lambda service: service.ask(
        organisation, "/lijsten", {**question, **(body or {})}, **more
    )


def about_list(
    rest: str = "",
    prepare: Callable[[Service], object] = work,
    scope: str = LIST,
    key_client: str | None = None,
    **more: Any,
) -> Any:
    """A question about a list of the city; `prepare` runs between the two."""

    async def ask(service: Service) -> httpx.Response:
        given = await a_list()(service)
        list_id = given.json().get("lijstId", NO_RECORD)
        if given.status_code == 202:
            prepare(service)
        asked = {"scopes": (scope,), **more}
        if key_client and "scopes" not in more:
            token = service.issuer.issue(CITY, key_client, (scope,), service.clock.now)
            own = {"Authorization": f"Bearer {token}"}
            asked["headers"] = {**own, **asked.get("headers", {})}
        return await service.ask(CITY, f"/lijsten/{list_id}{rest}", **asked)

    return ask


def list_state(**more: Any) -> Any:
    """How far a list is that was made."""
    return about_list(**more)


def list_file(**more: Any) -> Any:
    """The file of a list."""
    return about_list("/bestand", **more)


def list_key(body: Any = None, **more: Any) -> Any:
    """The key of a list, asked by a client of its own."""
    question = {"referte": "ref-7", **(body or {})}
    if "content" not in more:
        more["body"] = question
    return about_list("/sleutel", **{"scope": KEY, "key_client": "kluis", **more})


def twice(ask: Any) -> Any:
    """The answer to another client, which asks the same of one list."""

    async def again(service: Service) -> httpx.Response:
        first = await ask(service)
        sent, other = (
            first.request,
            service.issuer.issue(CITY, "nog een", (KEY,), service.clock.now),
        )
        response: httpx.Response = await service.ask(
            CITY,
            sent.url.path.removeprefix(BASE),
            content=sent.content,
            headers={"Authorization": f"Bearer {other}"},
        )
        return response

    return again


def expire(service: Service) -> None:
    work(service)
    service.clock.forward(days=29)
    service.office.keys.create(service.clock.now, 2)
    service.clock.forward(days=1)


def key_replaced(service: Service) -> None:
    work(service)
    execute(service, "UPDATE listing SET own_key = false")


def other_year(service: Service) -> None:
    execute(
        service,
        "INSERT INTO listing (id, protocol, purpose, organisation, client, year, form, state, "
        "asked_at, recipient, own_key, file_clients, attempts, recorded, persons, left_out, size) "
        "VALUES ("
        "'0192f3a1-af71-7e8d-a062-5e91318fbd45', 'voorbeeldstad-2026', 'lokaalIntegratiebeleid', "
        "'voorbeeldstad', 'x', 2025, 'csv', 'gevraagd', '2026-01-01 00:00:00', 'age1x', false, "
        "'[]', 0, 0, 0, 0, 0)",
    )


def asked(*numbers: str) -> list[dict[str, str]]:
    return [{"insz": number, "referte": f"vraag-{at}"} for at, number in enumerate(numbers)]


def search(body: Any = None, **more: Any) -> Any:
    """A search of the log, by default one that is answered; `body` replaces parts of it."""
    question = {"organisatie": CITY, "aanleiding": "nazicht", **(body or {})}
    return lambda service: service.ask(AUDITOR, "/toegangen/query", question, **more)


def get(path: str, organisation: str = AUDITOR, **more: Any) -> Any:
    """A question without a body."""
    return lambda service: service.ask(organisation, path, **more)


def my_access(**more: Any) -> Any:
    """What the city may ask."""
    return get("/mijnToegang", CITY, **more)


def record(**more: Any) -> Any:
    """The record of an advice."""

    async def ask(service: Service) -> httpx.Response:
        given = await service.advice(FUND, MEMBER_NOK)
        event_id = given.json().get("id", NO_RECORD)
        return await service.ask(AUDITOR, f"/toegangen/{event_id}", **more)

    return ask


def proof(**more: Any) -> Any:
    """The proof of an advice."""

    async def ask(service: Service) -> httpx.Response:
        given = await service.advice(FUND, MEMBER_NOK)
        event_id = given.json().get("id", NO_RECORD)
        service.sign()
        return await service.ask(AUDITOR, f"/toegangen/{event_id}/bewijs", **more)

    return ask


def export(body: Any = None, **more: Any) -> Any:
    """An export, by default one that is given; `body` replaces it."""
    question = {"aanleiding": "nazicht", **(body or {"vanIndex": 0, "totIndex": 1})}
    return lambda service: service.ask(AUDITOR, "/toegangen/export", question, **more)


def unveiling(body: Any = None, prepare: Callable[[Service], object] = id, **more: Any) -> Any:
    """Who the record of an advice is about; `prepare` runs between the advice and the question."""

    async def ask(service: Service) -> httpx.Response:
        given = await service.advice(FUND, MEMBER_NOK)
        event_id = given.json().get("id", NO_RECORD)
        prepare(service)
        path = f"/toegangen/{event_id}/onthulling"
        asked = {"scopes": (REVEAL,), **more}
        return await service.ask(AUDITOR, path, body or {"aanleiding": "klacht"}, **asked)

    return ask


def data_report(body: Any = None, **more: Any) -> Any:
    """A report of a wrong value in a dossier; `body` replaces parts of it."""

    async def ask(service: Service) -> httpx.Response:
        given = await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
        report = {
            "toegangId": given.json().get("id", NO_RECORD),
            "soort": "foutief",
            "veld": "attest.inburgeringBehaald",
            "toelichting": "zij toonde een ander attest",
            "vastgesteldOp": "2026-06-01",
            "referte": "ref-6",
            **(body or {}),
        }
        asked = {"scopes": (REPORT,), **more}
        return await service.ask(CITY, "/meldingen/gegevenskwaliteit", report, **asked)

    return ask


def incident(body: Any = None, organisation: str = CITY, **more: Any) -> Any:
    """A report of an incident; `body` replaces parts of it."""
    report = {
        "doeleinde": "lokaalIntegratiebeleid",
        "soort": "incident",
        "vastgesteldOp": "2026-06-01T08:00:00Z",
        "omschrijving": "een gestolen sleutel",
        "referte": "ref-7",
        **(body or {}),
    }
    more = {"scopes": (REPORT,), **more}
    return lambda service: service.ask(organisation, "/meldingen/incidenten", report, **more)


def reports(query: str = "", **more: Any) -> Any:
    """What the city reported and was told, after a report."""

    async def ask(service: Service) -> httpx.Response:
        await data_report()(service)
        return await service.ask(CITY, f"/meldingen{query}", **{"scopes": (NOTICES,), **more})

    return ask


def my_consultations(query: str = "", *, headers: Any = None, **more: Any) -> Any:
    """What a member of a fund is told, after an advice on her; `headers` replaces some."""

    async def ask(service: Service) -> httpx.Response:
        await service.advice(FUND, MEMBER_NOK)
        token = service.issuer.issue_citizen(MEMBER_NOK, service.clock.now)
        own = {"Authorization": f"Bearer {token}", USER: "", "X-Functieprofiel": ""}
        path = f"/mijnRaadplegingen{query}"
        return await service.ask("", path, headers={**own, **(headers or {})}, **more)

    return ask


def by_citizen(ask: Any, **more: Any) -> Any:
    """A request of an organisation, with the token of a citizen in the place of its own."""

    async def asked(service: Service) -> httpx.Response:
        token = service.issuer.issue_citizen(MEMBER_NOK, service.clock.now)
        headers = {"Authorization": f"Bearer {token}"}
        response: httpx.Response = await ask(headers=headers, **more)(service)
        return response

    return asked


def after(prepare: Callable[[Service], object], ask: Any) -> Any:
    """A request to a service to which something happened first."""

    async def prepared(service: Service) -> httpx.Response:
        prepare(service)
        response: httpx.Response = await ask(service)
        return response

    return prepared


def without_log(ask: Any) -> Any:
    """A request while no record can be written."""

    async def closed(service: Service) -> httpx.Response:
        with closed_log(service):
            response: httpx.Response = await ask(service)
        return response

    return closed


def limited(ask: Any) -> Any:
    """A request of a client that has sent the one that it may send a minute."""

    async def second(service: Service) -> httpx.Response:
        gate = service.app.state.desk.gate
        await ask(service)
        gate.settings = replace(gate.settings, rate_limit=1)
        await ask(service)
        response: httpx.Response = await ask(service)
        return response

    return second


async def expired(service: Service) -> httpx.Response:
    """A request with a token that was good when it was issued."""
    token = service.token(CITY, DOSSIER)
    service.clock.forward(hours=9)
    return await service.ask(
        CITY, "/dossiers/query", {}, headers={"Authorization": f"Bearer {token}"}
    )


def suspend(service: Service) -> None:
    administration.suspend(service.office, "voorbeeldstad-2026", "onderzoek", service.clock.now)


def without_dossier(service: Service) -> None:
    home = {"nis": "99001", "van": "2020-01-01", "tot": None}
    add_person(service, {"insz": EMPTY.digits, "woonplaatsen": [home]}, None)


def next_year(service: Service) -> None:
    service.clock.forward(days=365)  # which has no month keys yet


def pruned(service: Service) -> None:
    execute(service, "UPDATE log_head SET minimum = 256")


def key_destroyed(service: Service) -> None:
    service.clock.forward(days=30)
    Path("month-keys/2026-06.key").unlink()


def broken_store(service: Service) -> None:
    execute(service, "DROP TABLE residence")


EMPTY = insz_of("850730003")
NO_ADVICE = next(person for person in demo_persons(400) if person.expected_code.startswith("T"))
NOBODYS = {"insz": EMPTY.digits, "referte": "vraag"}
UNDETERMINED = {"insz": NO_ADVICE.insz.digits, "referte": "vraag"}
NO_RECORD = "0192f3a1-af71-7e8d-a062-5e91318fbd44"
NO_TOKEN: dict[str, Any] = {"headers": {"Authorization": ""}}
BAD_TOKEN: dict[str, Any] = {"headers": {"Authorization": "Bearer a.b.c"}}
OTHER_SENDER: dict[str, Any] = {"headers": {"X-Magda-Sender-ID": "nis:12025"}}
NO_USER: dict[str, Any] = {"headers": {USER: ""}}

CASES = [
    Case("checkHealth", 200, get("/health")),
    Case("checkHealth", 503, after(next_year, get("/health"))),
    Case("listProtocollen", 200, get("/protocollen")),
    *(
        Case("getProtocol", 200, get(f"/protocollen/{id_}"))
        for id_ in ("genk-2021", "avsb-2021", "mechelen-2021", "wetteren-2023", "vdab-2023")
    ),
    Case("getProtocol", 200, get("/protocollen/voorbeeldstad-2026")),
    Case("getProtocol", 200, get("/protocollen/genk-2021?versie=1")),
    Case("getProtocol", 400, get("/protocollen/genk-2021?versie=_"), "badRequest", "10001"),
    Case("getProtocol", 404, get("/protocollen/nergens-2021"), "resourceNotFound", "10001"),
    Case("getProtocol", 404, get("/protocollen/genk-2021?versie=9"), "resourceNotFound", "10001"),
    *(
        case
        for operation, path in (
            ("checkHealth", "/health"),
            ("listProtocollen", "/protocollen"),
            ("getProtocol", "/protocollen/genk-2021"),
        )
        for case in (
            Case(operation, 400, get(f"{path}?x=1"), "badRequest", "10001"),
            Case(operation, 405, get(path, method="PUT"), "methodeNietToegelaten", "10001"),
            Case(
                operation,
                406,
                get(path, headers={"Accept": "text/csv"}),
                "nietAanvaardbaar",
                "10001",
            ),
        )
    ),
    Case("queryDossier", 200, dossier()),
    Case("queryDossier", 200, dossier({"velden": ["contact", "talenkennis"]})),
    Case("queryDossier", 400, dossier({"insz": "1"}), "badRequest", "20002"),
    Case("queryDossier", 400, dossier({"velden": ["x"]}), "badRequest", "10001"),
    Case("queryDossier", 400, dossier({"x": 1, "referte": ""}), "badRequest", "10001"),
    Case("queryDossier", 403, dossier(organisation=AUDITOR), "geenProtocol", "40001"),
    Case("queryDossier", 403, after(suspend, dossier()), "protocolNietGeldig", "40001"),
    Case(
        "queryDossier",
        403,
        dossier({"doeleinde": "zorgbudgetZwaarZorgbehoevenden"}, FUND),
        "buitenProtocol",
        "40006",
    ),
    Case(
        "queryDossier",
        403,
        dossier(headers={"X-Functieprofiel": "ander"}),
        "functieprofiel",
        "40006",
    ),
    Case("queryDossier", 403, dossier({"velden": ["inbreuken[]"]}), "veldNietToegestaan", "40006"),
    Case("queryDossier", 403, dossier({"insz": NON_RESIDENT.digits}), "geenInschrijving", "40003"),
    Case(
        "queryDossier",
        404,
        after(without_dossier, dossier({"insz": EMPTY.digits})),
        "resourceNotFound",
        "30001",
    ),
    Case("queryDossier", 401, expired, "expiredAccessToken"),
    Case("queryDossier", 500, after(broken_store, dossier()), "internalServerError", "60009"),
    Case("queryAdvies", 200, advice()),
    Case("queryAdvies", 200, advice(organisation=AVSB)),
    Case("queryAdvies", 400, advice({"insz": "1"}), "badRequest", "20002"),
    Case("queryAdvies", 400, advice({"toetsdatum": "2999-01-01"}), "badRequest", "20006"),
    Case("queryAdvies", 403, advice(organisation=GENK), "geenProtocol", "40001"),
    Case("queryAdvies", 403, advice({"insz": NON_RESIDENT.digits}), "geenInschrijving", "40003"),
    Case("queryAdvies", 409, advice({"insz": NO_ADVICE.insz.digits}, AVSB), "geenAdvies", "60007"),
    Case("queryDossierBatch", 200, dossier_batch()),
    Case("queryDossierBatch", 200, after(without_dossier, dossier_batch({"vragen": [NOBODYS]}))),
    Case("queryDossierBatch", 400, dossier_batch({"vragen": []}), "badRequest", "10001"),
    Case("queryDossierBatch", 403, after(suspend, dossier_batch()), "protocolNietGeldig", "40001"),
    Case(
        "queryDossierBatch",
        403,
        dossier_batch({"velden": ["inbreuken[]"]}),
        "veldNietToegestaan",
        "40006",
    ),
    Case("queryAdviesBatch", 200, advice_batch()),
    Case("queryAdviesBatch", 200, advice_batch({"vragen": [UNDETERMINED]}, AVSB)),
    Case(
        "queryAdviesBatch", 400, advice_batch({"toetsdatum": "2999-01-01"}), "badRequest", "20006"
    ),
    Case("queryAdviesBatch", 403, advice_batch(organisation=GENK), "geenProtocol", "40001"),
    Case("queryDeelnemers", 200, participants({"pageSize": 2})),
    Case("queryDeelnemers", 400, participants({"pageSize": 0}), "badRequest", "10001"),
    Case("queryDeelnemers", 403, participants(organisation=GENK), "geenProtocol", "40001"),
    Case(
        "queryDeelnemers",
        403,
        participants({"velden": ["personalia.insz"]}),
        "veldNietToegestaan",
        "40006",
    ),
    Case("createLijst", 202, a_list()),
    Case("createLijst", 202, a_list({"vorm": "jsonl"})),
    Case("createLijst", 400, a_list({"jaar": 2025}), "badRequest", "20006"),
    Case("createLijst", 400, a_list({"jaar": "2026"}), "badRequest", "10001"),
    Case("createLijst", 403, a_list(organisation=AUDITOR), "geenProtocol", "40001"),
    Case("createLijst", 403, after(suspend, a_list()), "protocolNietGeldig", "40001"),
    Case(
        "createLijst",
        403,
        a_list({"doeleinde": "zorgbudgetZwaarZorgbehoevenden"}, FUND),
        "buitenProtocol",
        "40006",
    ),
    Case(
        "createLijst",
        403,
        a_list(headers={"X-Functieprofiel": "ander"}),
        "functieprofiel",
        "40006",
    ),
    Case("createLijst", 409, after(other_year, a_list()), "lijstInAanmaak", "60009"),
    Case("createLijst", 202, a_list(organisation=GENK, headers={"X-Functieprofiel": ""})),
    Case("getLijst", 200, list_state(prepare=id)),
    Case("getLijst", 303, list_state()),
    Case("getLijst", 400, get("/lijsten/1", CITY, scopes=(LIST,)), "badRequest", "10001"),
    Case(
        "getLijst",
        404,
        get(f"/lijsten/{NO_RECORD}", CITY, scopes=(LIST,)),
        "resourceNotFound",
        "30001",
    ),
    Case("getLijst", 403, list_state(scopes=()), "missingScope", "40006"),
    Case("getLijst", 410, list_state(prepare=expire), "bewaartermijnVerstreken", "30001"),
    Case("getLijstBestand", 200, list_file()),
    Case("getLijstBestand", 206, list_file(headers={"Range": "bytes=0-9"})),
    Case("getLijstBestand", 404, list_file(prepare=id), "resourceNotFound", "30001"),
    Case("getLijstBestand", 409, list_file(prepare=key_replaced), "geenSleutel", "60009"),
    Case("getLijstBestand", 410, list_file(prepare=expire), "bewaartermijnVerstreken", "30001"),
    Case("getLijstBestand", 416, list_file(headers={"Range": "bytes=9999999-"}), "bereik", "10001"),
    Case("overhandigSleutel", 200, list_key()),
    Case("overhandigSleutel", 200, list_key(prepare=id)),
    Case("overhandigSleutel", 403, list_key(key_client=CITY), "kanaal", "40006"),
    Case(
        "overhandigSleutel",
        404,
        lambda service: service.ask(
            CITY, f"/lijsten/{NO_RECORD}/sleutel", {"referte": "ref-7"}, scopes=(KEY,)
        ),
        "resourceNotFound",
        "30001",
    ),
    Case("overhandigSleutel", 409, twice(list_key()), "geenSleutel", "60009"),
    Case("overhandigSleutel", 410, list_key(prepare=expire), "bewaartermijnVerstreken", "30001"),
    Case("getMijnToegang", 200, get("/mijnToegang", CITY)),
    Case("getMijnToegang", 200, get("/mijnToegang?datum=2021-01-01", GENK)),
    Case("getMijnToegang", 200, after(suspend, get("/mijnToegang", CITY))),
    Case("getMijnToegang", 400, get("/mijnToegang?datum=1", CITY), "badRequest", "10001"),
    Case("queryToegangen", 200, search()),
    Case("queryToegangen", 200, after(suspend, search({"insz": NON_RESIDENT.digits}))),
    Case("queryToegangen", 400, search({"insz": "1"}), "badRequest", "20002"),
    Case(
        "queryToegangen",
        400,
        search({"van": "2026-05-02T00:00:00Z", "tot": "2026-05-01T00:00:00Z"}),
        "badRequest",
        "10001",
    ),
    Case("getToegang", 200, record()),
    Case("getToegang", 400, get("/toegangen/1"), "badRequest", "10001"),
    Case("getToegang", 404, get(f"/toegangen/{NO_RECORD}"), "resourceNotFound", "30001"),
    Case("getToegangBewijs", 200, proof()),
    Case("getToegangBewijs", 400, get("/toegangen/1/bewijs"), "badRequest", "10001"),
    Case(
        "getToegangBewijs",
        404,
        get(f"/toegangen/{NO_RECORD}/bewijs"),
        "resourceNotFound",
        "30001",
    ),
    Case("exportToegangen", 200, export()),
    Case("exportToegangen", 200, export({"organisatie": CITY})),
    Case("exportToegangen", 400, export({"insz": "1"}), "badRequest", "20002"),
    Case("exportToegangen", 400, export({"vanIndex": 5}), "badRequest", "10001"),
    Case("exportToegangen", 410, after(pruned, export()), "bewaartermijnVerstreken", "30001"),
    Case("onthulToegang", 200, unveiling()),
    Case("onthulToegang", 400, unveiling({"aanleiding": ""}), "badRequest", "10001"),
    Case(
        "onthulToegang",
        404,
        lambda service: service.ask(
            AUDITOR,
            f"/toegangen/{NO_RECORD}/onthulling",
            {"aanleiding": "klacht"},
            scopes=(REVEAL,),
        ),
        "resourceNotFound",
        "30001",
    ),
    Case(
        "onthulToegang",
        410,
        unveiling(prepare=key_destroyed),
        "bewaartermijnVerstreken",
        "30001",
    ),
    Case("createMeldingGegevenskwaliteit", 201, data_report()),
    Case(
        "createMeldingGegevenskwaliteit",
        400,
        data_report({"veld": "inbreuken[]"}),
        "badRequest",
        "10001",
    ),
    Case(
        "createMeldingGegevenskwaliteit",
        400,
        data_report({"vastgesteldOp": "2026-05-31"}),
        "badRequest",
        "20006",
    ),
    Case(
        "createMeldingGegevenskwaliteit",
        404,
        data_report({"toegangId": NO_RECORD}),
        "resourceNotFound",
        "30001",
    ),
    Case("createMeldingIncident", 201, incident()),
    Case(
        "createMeldingIncident", 201, incident({"soort": "poging", "van": "2026-05-01T00:00:00Z"})
    ),
    Case(
        "createMeldingIncident",
        400,
        incident({"vastgesteldOp": "2026-06-01T09:31:01Z"}),
        "badRequest",
        "20006",
    ),
    Case("createMeldingIncident", 400, incident({"protocol": "x"}), "badRequest", "10001"),
    Case("createMeldingIncident", 403, incident(organisation=AUDITOR), "geenProtocol", "40001"),
    Case("listMeldingen", 200, reports()),
    Case("listMeldingen", 400, reports("?cursor=x.y"), "badRequest", "10001"),
    Case("listMijnRaadplegingen", 200, my_consultations()),
    Case("listMijnRaadplegingen", 200, my_consultations("?cursor=0")),
    Case("listMijnRaadplegingen", 400, my_consultations("?cursor=x"), "badRequest", "10001"),
    Case("listMijnRaadplegingen", 403, get("/mijnRaadplegingen", CITY), "tokensoort", "40006"),
    *(
        Case(operation, 403, by_citizen(ask), "tokensoort", "40006")
        for operation, ask in (
            ("queryDossier", dossier),
            ("queryAdvies", advice),
            ("queryDossierBatch", dossier_batch),
            ("queryAdviesBatch", advice_batch),
            ("queryDeelnemers", participants),
            ("createLijst", a_list),
            ("getLijst", list_state),
            ("getLijstBestand", list_file),
            ("overhandigSleutel", list_key),
            ("queryToegangen", search),
            ("getToegang", record),
            ("getToegangBewijs", proof),
            ("exportToegangen", export),
            ("onthulToegang", unveiling),
            ("getMijnToegang", my_access),
            ("createMeldingGegevenskwaliteit", data_report),
            ("createMeldingIncident", incident),
            ("listMeldingen", reports),
        )
    ),
    *(
        case
        for operation, ask in (
            ("queryDossier", dossier),
            ("queryAdvies", advice),
            ("queryDossierBatch", dossier_batch),
            ("queryAdviesBatch", advice_batch),
            ("queryDeelnemers", participants),
            ("createLijst", a_list),
            ("getLijst", list_state),
            ("getLijstBestand", list_file),
            ("overhandigSleutel", list_key),
            ("queryToegangen", search),
            ("getToegang", record),
            ("getMijnToegang", my_access),
            ("getToegangBewijs", proof),
            ("exportToegangen", export),
            ("onthulToegang", unveiling),
            ("listMijnRaadplegingen", my_consultations),
            ("createMeldingGegevenskwaliteit", data_report),
            ("createMeldingIncident", incident),
            ("listMeldingen", reports),
        )
        for case in (
            Case(operation, 401, ask(**NO_TOKEN), "noAccessToken"),
            Case(operation, 401, ask(**BAD_TOKEN), "invalidAccessToken"),
            Case(operation, 403, ask(**OTHER_SENDER), "afzender", "20005"),
            Case(operation, 405, ask(method="PUT"), "methodeNietToegelaten", "10001"),
            Case(operation, 406, ask(headers={"Accept": "text/csv"}), "nietAanvaardbaar", "10001"),
            Case(operation, 429, limited(ask()), "tooManyRequests", "99995"),
            Case(operation, 503, without_log(ask()), "serviceUnavailable", "60009"),
        )
    ),
    *(
        case
        for operation, ask in (
            ("queryDossier", dossier),
            ("queryAdvies", advice),
            ("queryDossierBatch", dossier_batch),
            ("queryAdviesBatch", advice_batch),
            ("queryDeelnemers", participants),
            ("createLijst", a_list),
            ("getLijstBestand", list_file),
            ("overhandigSleutel", list_key),
            ("queryToegangen", search),
            ("getToegang", record),
            ("getToegangBewijs", proof),
            ("exportToegangen", export),
            ("onthulToegang", unveiling),
            ("createMeldingGegevenskwaliteit", data_report),
            ("createMeldingIncident", incident),
            ("listMeldingen", reports),
        )
        for case in (
            Case(operation, 403, ask(scopes=()), "missingScope", "40006"),
            Case(operation, 400, ask(**NO_USER), "badRequest", "10001"),
        )
    ),
    *(
        case
        for operation, ask in (
            ("queryDossier", dossier),
            ("queryAdvies", advice),
            ("queryDossierBatch", dossier_batch),
            ("queryAdviesBatch", advice_batch),
            ("queryDeelnemers", participants),
            ("createLijst", a_list),
            ("overhandigSleutel", list_key),
            ("queryToegangen", search),
            ("exportToegangen", export),
            ("onthulToegang", unveiling),
            ("createMeldingGegevenskwaliteit", data_report),
            ("createMeldingIncident", incident),
        )
        for case in (
            Case(operation, 413, ask(content=TOO_LARGE), "payloadTooLarge", "10001"),
            Case(operation, 400, ask(content=b"{"), "badRequest", "10001"),
            Case(
                operation,
                415,
                ask(headers={"Content-Type": "text/csv"}),
                "mediatypeNietOndersteund",
                "10001",
            ),
        )
    ),
]


@pytest.mark.parametrize("case", CASES, ids=str)
async def test_an_answer_is_what_the_contract_promises(service: Service, case: Case) -> None:
    response = await case.ask(service)

    told = response.headers["content-type"].endswith("json")
    body = response.json() if told else {}
    assert response.status_code == case.status, response.text
    assert broken(response) == []
    assert kind_of(body) == ((case.problem, case.code) if case.problem else None)
    if case.problem:
        assert kind_of(body) in shown(PROMISES[case.operation], case.status)


@pytest.mark.parametrize("organisation", [AVSB, GENK, "nis:12025", "nis:42025", "0887010362"])
async def test_my_access_is_what_the_contract_promises_in_production(
    own_folder: Path, organisation: str
) -> None:
    service = make_production(own_folder)

    response = await service.ask(organisation, "/mijnToegang")

    assert response.status_code == 200
    assert broken(response) == []
    await service.close()


def kind_of(problem: Any) -> tuple[str, str | None] | None:
    """The name of a problem and its MAGDA code; None for another body."""
    if "status" not in problem or "type" not in problem or "title" not in problem:
        return None
    codes = [one["identificatie"] for one in problem.get("uitzonderingen", ())]
    return problem["type"].rsplit(":", 1)[1], codes[0] if codes else None


def shown(promise: Promise, status: int) -> set[Any]:
    """The kinds of problem that the contract shows for this operation and status."""
    content = promise.answer(status)["content"]["application/problem+json"]
    values = [reference.resolve(example)["value"] for example in content["examples"].values()]
    return {kind_of(value) for value in values if value["status"] == status}


def shown_statuses(promise: Promise) -> set[int]:
    """The statuses that the contract shows under `default`."""
    content = promise.definition["responses"][DEFAULT]
    examples = reference.resolve(content)["content"]["application/problem+json"]["examples"]
    return {reference.resolve(example)["value"]["status"] for example in examples.values()}


@pytest.mark.parametrize("promise", list(PROMISES.values()), ids=list(PROMISES))
def test_every_documented_status_is_given_and_no_other_one(promise: Promise) -> None:
    given = {case.status for case in CASES if case.operation == promise.id}

    documented = {int(status) for status in promise.statuses}
    assert documented <= given
    assert given - documented <= shown_statuses(promise)


def test_every_problem_that_the_service_knows_is_asked_for() -> None:
    known = {
        (problem.type.rsplit(":", 1)[1], problem.magda)
        for problem in (*PROBLEMS.values(), *REFUSALS.values())
    }

    assert {(case.problem, case.code) for case in CASES if case.problem} == known


def test_the_statuses_of_the_service_are_those_of_the_contract() -> None:
    served = {problem.status for problem in (*PROBLEMS.values(), *REFUSALS.values())}

    documented = {
        status
        for promise in PROMISES.values()
        for status in (*map(int, promise.statuses), *shown_statuses(promise))
    }
    assert documented == served | {status_of(how) for how in Answered} | FORESEEN


async def test_the_routes_are_the_operations(service: Service) -> None:
    routes = [
        (method, str(route.path).removeprefix(BASE), camel(str(route.name)))
        for route in iter_route_contexts(service.app.routes)
        if str(route.path).startswith(BASE + "/")
        # A recorded route takes every method; its door knows the right one.
        for method in route.methods or {DOORS[camel(str(route.name))].method}
    ]

    assert sorted(routes) == sorted(
        (promise.method, promise.path, promise.id) for promise in PROMISES.values()
    )


def camel(name: str) -> str:
    """`query_dossier` as `queryDossier`."""
    return re.sub("_(.)", lambda found: found[1].upper(), name)


@pytest.mark.parametrize("promise", list(PROMISES.values()), ids=list(PROMISES))
def test_a_door_demands_what_the_contract_says(promise: Promise) -> None:
    door = DOORS.get(promise.id)

    assert (door is not None) == promise.recorded
    if door is None:
        return
    assert (door.method, door.route) == (promise.method, promise.path)
    assert set(door.scopes) == promise.scopes
    assert set(door.parameters) == promise.parameters("query").keys()
    assert door.citizen == promise.citizen
    assert door.personal == promise.parameters("header").get(USER, {}).get("required", False)
    assert (door.body is not None) == ("requestBody" in promise.definition)


def request_examples() -> Iterator[Any]:
    """Every example of a body that is sent, with the model that must take it."""
    for operation, door in DOORS.items():
        if door.body is None:
            continue
        content = PROMISES[operation].definition["requestBody"]["content"]["application/json"]
        for name, example in content["examples"].items():
            value = reference.resolve(example)["value"]
            yield pytest.param(door.body, value, id=f"{operation}-{name}")


@pytest.mark.parametrize(("body", "example"), list(request_examples()))
def test_every_example_of_a_request_is_accepted(body: type[Any], example: Any) -> None:
    read = wire.parse(json.dumps(example).encode(), body)

    assert read.model_fields_set == example.keys()


@pytest.mark.parametrize("operation", [name for name, door in DOORS.items() if door.body])
def test_a_body_takes_the_documented_properties_and_no_other_one(operation: str) -> None:
    body = DOORS[operation].body
    assert body
    content = PROMISES[operation].definition["requestBody"]["content"]["application/json"]

    documented = properties(content["schema"])

    assert set(body.model_fields) == documented.keys()
    required = {name for name, field in body.model_fields.items() if field.is_required()}
    assert required == {
        name for part in parts(content["schema"]) for name in part.get("required", ())
    }


def test_every_synthetic_dossier_fits_the_schema() -> None:
    schema, today = {"$ref": "#/components/schemas/Dossier"}, brussels_date(NOW)

    for person in demo_persons(60):
        contact = person.register.get("contact")
        document = derived.complete(fields.CATALOGUE, person.blocks or {}, contact, today)
        assert (faults(schema, document), unknown(schema, document)) == ([], [])


def test_every_real_dossier_fits_the_schema() -> None:
    if not ANSWERS.is_dir():
        pytest.skip("the answers of the KBI are not at ../shared/kbi/antwoorden")
    schema, today = {"$ref": "#/components/schemas/Dossier"}, brussels_date(NOW)

    answers = [kbi.parse_answer(path.read_bytes()) for path in ANSWERS.glob("*.xml")]

    read = [answer for answer in answers if isinstance(answer, kbi.Dossier)]
    assert len(read) == 11
    for answer in read:
        document = derived.complete(fields.CATALOGUE, answer.blocks, None, today)
        assert (faults(schema, document), unknown(schema, document)) == ([], [])
