"""The live service under requests that nobody wrote: none breaks it, or breaks the contract."""

import asyncio
import socket
import threading
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any

import pytest
import schemathesis
import uvicorn
from delivered import KEY, LIST, ask_list, work
from promises import CONTRACT, PROMISES, promise_at
from service import (
    ADVICE,
    AUDIT,
    AUDITOR,
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
    make_service,
)
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from app.demo_persons import demo_persons
from app.insz import Insz
from app.serving import SERVER
from app.wire import BASE

CALLERS = {
    "queryDossier": (CITY, DOSSIER),
    "queryAdvies": (FUND, ADVICE),
    "queryDossierBatch": (CITY, DOSSIER),
    "queryAdviesBatch": (FUND, ADVICE),
    "queryDeelnemers": (VILLAGE, PARTICIPANTS),
    "createLijst": (GENK, LIST),
    "getLijst": (CITY, LIST),
    "getLijstBestand": (CITY, LIST),
    "overhandigSleutel": (CITY, KEY),
    "getMijnToegang": (CITY, DOSSIER),
    "queryToegangen": (AUDITOR, AUDIT),
    "getToegang": (AUDITOR, AUDIT),
    "getToegangBewijs": (AUDITOR, AUDIT),
    "exportToegangen": (AUDITOR, AUDIT),
    "onthulToegang": (AUDITOR, REVEAL),
    "createMeldingGegevenskwaliteit": (CITY, REPORT),
    "createMeldingIncident": (CITY, REPORT),
    "listMeldingen": (CITY, NOTICES),
}
CITIZENS = {"listMijnRaadplegingen"}  # what a citizen asks, with a token of her own
# Who the examples of the contract speak of: a person, the sender itself, a record.
PERSON, SENDER = "90722501478", "nis:71016"
LIST_ID = "0192f3a1-c2aa-7d31-9c51-2b7a90f4c6d1"
RECORD = "0192f3a1-af71-7e8d-a062-5e91318fbd44"
DONE = {  # all others end with 200
    "createLijst": 202,
    "getLijst": 303,
    "createMeldingGegevenskwaliteit": 201,
    "createMeldingIncident": 201,
}
LISTS = "/lijsten"
CHECKS = (
    "not_a_server_error",
    "status_code_conformance",
    "content_type_conformance",
    "response_headers_conformance",
    "response_schema_conformance",
    "negative_data_rejection",
    "missing_required_header",
    "unsupported_method",
    "allow_header_conformance",
)
# What the service answered does not steer what is asked next: ids differ in each run.
REPEATABLE = {"extra-data-sources": {"responses": False}, "operation-ordering": "none"}

config = schemathesis.Config.from_dict(
    {
        "seed": 20260601,
        "generation": {"deterministic": True, "database": "none", "max-examples": 8},
        "phases": {
            "examples": REPEATABLE,
            "coverage": REPEATABLE,
            "fuzzing": {**REPEATABLE, "error-feedback": {"enabled": False}},
        },
        "checks": {"enabled": False, **{name: {"enabled": True} for name in CHECKS}},
    }
)
schema = schemathesis.openapi.from_dict(CONTRACT, config=config)


@dataclass
class Counting:
    """Counts the requests to recorded operations, by operation and status."""

    app: ASGIApp
    answered: Counter[tuple[str, int]] = field(default_factory=Counter)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Hand everything on as it is."""
        promise = promise_at(scope["path"]) if scope["type"] == "http" else None

        async def counted(message: Message) -> None:
            if message["type"] == "http.response.start" and promise and promise.recorded:
                self.answered[promise.id, message["status"]] += 1
            await send(message)

        await self.app(scope, receive, counted)


@dataclass
class Live:
    """A served service, and what was asked of it."""

    service: Service
    url: str
    counting: Counting
    list_id: str


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    folder = tmp_path_factory.mktemp("live")
    with (
        pytest.MonkeyPatch.context() as patch,
        socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP) as listener,
    ):
        patch.chdir(folder)
        patch.setenv("no_proxy", "127.0.0.1")
        listener.bind(("127.0.0.1", 0))
        listener.listen()
        service = make_service(f"sqlite:///{folder}/protocolpoort.db", folder)
        began = time.monotonic()  # the signer waits a second of the clock between two checkpoints
        service.app.state.desk.gate.clock = lambda: (
            NOW + timedelta(seconds=time.monotonic() - began)
        )
        [twin] = demo_persons(1)  # resident of the city, member of the fund, with a dossier
        add_person(service, {**twin.register, "insz": PERSON}, twin.blocks)
        # A list that is made before it is asked about; by the loop that ends here.
        given = asyncio.run(ask_list(service, CITY, "lokaalIntegratiebeleid", 2026))
        work(service)
        counting = Counting(service.app)
        server = uvicorn.Server(uvicorn.Config(counting, log_level="warning", **SERVER))
        thread = threading.Thread(target=server.run, args=([listener],))
        thread.start()
        url = f"http://127.0.0.1:{listener.getsockname()[1]}{BASE}"
        yield Live(service, url, counting, given.json()["lijstId"])
        server.should_exit = True
        thread.join()
        service.office.database.dispose()


def dossier_of(service: Service) -> str:
    """The id of a record that gave the city the dossier of a person, whatever was asked before."""
    told = [
        record["eventId"]
        for record in service.records()
        if record["operation"] == "queryDossier"
        and "attest.inburgeringBehaald" in record.get("deliveredFields", ())
    ]
    return told[0] if told else RECORD


def holds_the_contract(case: schemathesis.Case[Any], live: Live) -> None:
    """The test of every operation."""
    operation = case.operation.definition.raw["operationId"]
    organisation, scope = CALLERS.get(operation, (CITY, DOSSIER))
    token = live.service.token(organisation, scope)
    if operation in CITIZENS:
        token = live.service.issuer.issue_citizen(Insz(PERSON), live.service.clock.now)
    if case.headers.get("X-Magda-Sender-ID") == SENDER:
        case.headers["X-Magda-Sender-ID"] = organisation
    if case.path_parameters.get("toegangId") == RECORD:
        case.path_parameters["toegangId"] = live.service.records()[0]["eventId"]
    if isinstance(case.body, dict) and case.body.get("toegangId") == RECORD:
        case.body = {**case.body, "toegangId": dossier_of(live.service)}
    if case.path_parameters.get("lijstId") == LIST_ID:
        case.path_parameters["lijstId"] = live.list_id
        if operation == "overhandigSleutel":  # by a client that did not ask for the list
            token = live.service.issuer.issue(organisation, "kluis", (scope,), NOW)

    case.call_and_validate(live.url, headers={"Authorization": f"Bearer {token}"})


# Of one function schemathesis makes tests that pytest 9.2 does not tell apart.
for name in PROMISES:
    test_of_one = schema.include(operation_id=name).parametrize()(holds_the_contract)
    globals()[f"test_the_service_holds_the_contract_of_{name}"] = test_of_one
del test_of_one


def test_every_request_left_one_record(live: Live) -> None:
    answered = live.counting.answered

    records = live.service.records()

    # Of several persons each has one too, which names that of the whole; so has a list.
    records = [one for one in records if not (one["type"] == "delivery" and one["route"] == LISTS)]
    several = ("queryDossierBatch", "queryAdviesBatch", "queryDeelnemers", "listMeldingen")
    requests = [
        record
        for record in records[1:]  # the first made the list that is asked about
        if not (record["operation"] in several and "parentId" in record)
    ]
    kept = Counter((record["operation"], record["status"]) for record in requests)
    assert kept == answered
    assert len({record["eventId"] for record in records}) == len(records)


@pytest.mark.parametrize("operation", CALLERS)
def test_the_requests_reached_what_is_behind_the_checks(live: Live, operation: str) -> None:
    reached = {status for name, status in live.counting.answered if name == operation}

    assert reached >= {DONE.get(operation, 200), 400, 403, 405}


@pytest.mark.parametrize("operation", CITIZENS)
def test_the_requests_of_a_citizen_reached_what_is_behind_the_checks(
    live: Live, operation: str
) -> None:
    reached = {status for name, status in live.counting.answered if name == operation}

    assert reached >= {200, 400, 405}
