"""What a route may ask for: one request, brought through the checks that every operation shares."""

import asyncio
import logging
import math
import re
import secrets
import time
import traceback
import uuid
from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from typing import Any, Generic, TypeVar

from fastapi import Request, Response
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter
from pydantic import BaseModel
from starlette.requests import ClientDisconnect

from app import problems, wire
from app.errors import (
    BodyTooLarge,
    Fault,
    InputInvalid,
    InszInvalid,
    Issue,
    IssueType,
    LogUnavailable,
    MediaTypeUnsupported,
    MethodNotAllowed,
    NotAcceptable,
    RateLimited,
    RegisterChanged,
    ScopeMissing,
    SenderMismatch,
)
from app.gate import Gate
from app.insz import contains_insz
from app.moments import read_day
from app.record import Trace
from app.settings import Settings
from app.strangers import Strangers
from app.tokens import Caller, Verifier
from app.visit import Visit, new_event_id
from app.wire import GUID, PersonQuestion

BODY_LIMIT = 64 * 1024
DRAINED = 16 * 1024 * 1024  # what is read and dropped of a body that is too large
BODY_SECONDS = 30  # that a body may take to arrive
ISSUES = 20  # named in one problem; a body of nothing but faults is not echoed as a long list
DECISIONS = 10  # how often a register that keeps moving is followed before giving up


class NoBody(BaseModel):
    """What an operation without a body is given."""


USER = "X-Magda-Enduser-ID"
PROFILE = "X-Functieprofiel"
SENDER = "X-Magda-Sender-ID"
CORRELATION = "X-Correlation-ID"
# A route takes every method: the wrong one is refused after the token is known, and recorded.
ANY_METHOD: list[str] = []
HEADER_LENGTH = 100

_HEADER = re.compile(rf"[ -~]{{1,{HEADER_LENGTH}}}")
_GUID = re.compile(GUID)
_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

logger = logging.getLogger("protocolpoort")

Body = TypeVar("Body", bound=BaseModel)


def read_clock() -> datetime:
    """The moment it is; the only place that looks."""
    return datetime.now(UTC)  # noqa: TID251 - the one clock


@dataclass(frozen=True)
class Door(Generic[Body]):
    """What an operation demands of a request before its use case sees it."""

    operation: str
    method: str
    route: str
    body: type[Body] | None = None  # None: the operation has none
    scopes: tuple[str, ...] = ()  # one of them; none: any valid token
    personal: bool = False  # returns personal data, so the acting user must be named
    days: tuple[str, ...] = ()  # its query parameters, all of them dates


@dataclass(frozen=True)
class Arrival(Generic[Body]):
    """A request that may go on to its use case."""

    visit: Visit
    caller: Caller
    body: Body
    query: Mapping[str, date]
    path: Mapping[str, str]
    now: datetime


@dataclass(frozen=True)
class Turned:
    """A request that goes no further: what is known of it, and the fault."""

    visit: Visit
    fault: Fault


@dataclass
class Desk:
    """What the edge keeps for the life of the process."""

    gate: Gate
    verifier: Verifier
    strangers: Strangers
    limiter: MovingWindowRateLimiter

    @classmethod
    def open(cls, gate: Gate, verifier: Verifier) -> "Desk":
        """A desk without visitors."""
        return cls(gate, verifier, Strangers(gate), MovingWindowRateLimiter(MemoryStorage()))

    def too_often(self, caller: Caller) -> int:
        """Seconds to wait for a client that asks more than the limit of a minute; 0 is none."""
        if not self.gate.settings.rate_limit:
            return 0
        limit = RateLimitItemPerMinute(self.gate.settings.rate_limit)
        if self.limiter.hit(limit, caller.issuer, caller.client):
            return 0
        reset = self.limiter.get_window_stats(limit, caller.issuer, caller.client).reset_time
        return max(1, math.ceil(reset - time.time()))


UseCase = Callable[[Gate, Arrival[Body]], Awaitable[bytes]]


def refuse_unknown(request: Request) -> None:
    """On a public resource: no query parameters, and JSON only."""
    if request.query_params:
        raise InputInvalid([Issue(IssueType.UNKNOWN_INPUT, "unknown query parameter", "query")])
    if not _accepts_json(request.headers.getlist("accept")):
        raise NotAcceptable


async def attend(request: Request, door: Door[Body], use_case: UseCase[Body]) -> Response:
    """Bring one request in and out: a record whatever happens, and nothing without a record."""
    desk: Desk = request.app.state.desk
    now = desk.gate.clock()
    visit = _begin(request, door, now)
    try:
        response = await _answer(request, desk, door, visit, use_case)
    except LogUnavailable as fault:
        response = problems.render(fault)  # there is no record to name
    except Fault as fault:
        response = problems.render(fault, visit.event_id)
    except Exception as error:  # noqa: BLE001 - whatever broke, the caller gets no detail of it
        response = await _broken(desk.gate, visit, error)
    response.headers[CORRELATION] = visit.correlation_id
    return response


async def _answer(
    request: Request, desk: Desk, door: Door[Body], visit: Visit, use_case: UseCase[Body]
) -> Response:
    """The order of checks of api.md; raises a Fault only after its record."""
    gate = desk.gate
    content = await read_content(request)
    now = gate.clock()  # a body may have taken its time: what it asks is judged when it is whole
    try:
        caller = await desk.verifier.verify(_authorization(request), now)
    except Fault as fault:
        if content is None:
            return problems.render(BodyTooLarge(BODY_LIMIT))
        recorded = await desk.strangers.note(visit, fault, now)
        return problems.render(fault, visit.event_id if recorded else None)

    visit = replace(
        visit,
        organisation=caller.organisation,
        client=caller.client,
        credential=caller.credential,
    )
    if retry_after := desk.too_often(caller):
        limited = BodyTooLarge(BODY_LIMIT) if content is None else RateLimited(retry_after)
        recorded = await desk.strangers.note(visit, limited, now)
        return problems.render(limited, visit.event_id if recorded else None)

    try:
        arrival = _inspect(request, door, visit, caller, content, gate.settings, now)
        visit = arrival.visit
        return await _decide(gate, arrival, use_case)
    except Fault:
        raise
    except Exception as error:  # noqa: BLE001 - recorded under the caller who asked
        return await _broken(gate, visit, error)


async def _decide(
    gate: Gate, arrival: "Arrival[Body] | Turned", use_case: UseCase[Body]
) -> Response:
    """Decide and record, anew as long as the register moves in between."""
    for _ in range(DECISIONS):
        # One snapshot decides and is recorded: another request may reload the register meanwhile.
        decided = replace(gate)
        try:
            if isinstance(arrival, Turned):
                await decided.refuse(arrival.visit, Trace(), arrival.fault)
            return Response(
                await use_case(decided, arrival),
                media_type="application/json",
                headers={"Cache-Control": "no-store"},
            )
        except RegisterChanged:
            await gate.reload_register()
    raise LogUnavailable


def _inspect(
    request: Request,
    door: Door[Body],
    visit: Visit,
    caller: Caller,
    content: bytes | None,
    settings: Settings,
    now: datetime,
) -> "Arrival[Body] | Turned":
    """Size, method, media types, syntax and headers, scope, sender: the first fault turns away."""
    if content is None:
        return Turned(visit, BodyTooLarge(BODY_LIMIT))
    if request.method != door.method:
        return Turned(visit, MethodNotAllowed(door.method))
    if not _accepts_json(request.headers.getlist("accept")):
        return Turned(visit, NotAcceptable())
    if door.body and not _is_json(request.headers.get("content-type")):
        return Turned(visit, MediaTypeUnsupported())

    issues: list[Issue] = []
    visit = replace(
        visit,
        user=_header(request, USER, issues, required=door.personal),
        function_profile=_header(request, PROFILE, issues),
        system=_header(request, SENDER, issues),
        parameters=tuple(name for name in door.days if name in request.query_params),
    )
    if _GUID.fullmatch(request.headers.get(CORRELATION, visit.correlation_id)) is None:
        issues.append(_issue("must be a GUID", "header", CORRELATION))
    query = _query(request, door, issues)
    path = _path(request, issues)
    body, number_is_wrong = _body(content, door, issues, settings)
    if issues:
        kind = InszInvalid if number_is_wrong and len(issues) == 1 else InputInvalid
        return Turned(visit, kind(issues[:ISSUES]))
    if isinstance(body, PersonQuestion):  # a search value never stands in the log
        visit = replace(visit, reference=body.referte)

    if door.scopes and not any(caller.has(scope) for scope in door.scopes):
        return Turned(visit, ScopeMissing(door.scopes))
    if visit.system not in (None, caller.organisation):
        return Turned(visit, SenderMismatch())
    return Arrival(visit, caller, body, query, path, now)


def _body(
    content: bytes, door: Door[Body], issues: list[Issue], settings: Settings
) -> tuple[Any, bool]:
    """The parsed body, and whether its only fault is the form of the national number."""
    if door.body is None:
        return None, False
    try:
        body = wire.parse(content, door.body)
    except InputInvalid as invalid:
        issues += invalid.issues
        return None, isinstance(invalid, InszInvalid)
    insz = getattr(body, "insz", None)
    if settings.production and insz is not None and insz.is_test:
        rule = "is a test number, which production does not take"
        issues.append(Issue(IssueType.INVALID_STRUCTURE, rule, name="insz"))
        return None, True
    return body, False


def _header(
    request: Request, name: str, issues: list[Issue], *, required: bool = False
) -> str | None:
    """One header that may stand in the log: printable, short, no national number."""
    values = request.headers.getlist(name)
    if not values and required:
        issues.append(_issue("is required", "header", name))
    if not values:
        return None
    value = values[0].strip()
    if len(values) > 1 or not _HEADER.fullmatch(value):
        rule = f"must stand there once, with 1 to {HEADER_LENGTH} printable ASCII characters"
        issues.append(_issue(rule, "header", name))
        return None
    if contains_insz(value):
        issues.append(_issue("must not hold a national number", "header", name))
        return None
    return value


def _query(request: Request, door: Door[Body], issues: list[Issue]) -> dict[str, date]:
    """The query parameters, all of them dates; the name of an unknown one is never repeated."""
    pairs = request.query_params.multi_items()
    if any(name not in door.days for name, _ in pairs):
        issues.append(Issue(IssueType.UNKNOWN_INPUT, "unknown query parameter", "query"))
    days = {}
    for name in door.days:
        values = request.query_params.getlist(name)
        day = read_day(values[0]) if len(values) == 1 else None
        if day:
            days[name] = day
        if values and not day:
            issues.append(_issue("must be one date, as 2026-01-31", "query", name))
    return days


def _path(request: Request, issues: list[Issue]) -> dict[str, str]:
    """The path parameters; ids of records are GUIDs."""
    for name, value in request.path_params.items():
        if not _GUID.fullmatch(value):
            issues.append(_issue("must be a GUID", "path", name))
    return dict(request.path_params)


def _issue(rule: str, location: str, name: str | None = None) -> Issue:
    return Issue(IssueType.SCHEMA_VIOLATION, rule, location, name)


async def read_content(request: Request) -> bytes | None:
    """The body, or None when it is too large; what is too much is read away, not kept."""
    content = bytearray()
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            async for chunk in request.stream():
                size += len(chunk)
                if size > DRAINED:
                    return None
                if size <= BODY_LIMIT:
                    content += chunk
    except (TimeoutError, ClientDisconnect):
        pass  # what came is judged, and recorded, as it is: half a body is no JSON
    return bytes(content) if size <= BODY_LIMIT else None


def _authorization(request: Request) -> str | None:
    """Several headers are one value joined by a comma, which no token survives."""
    return ", ".join(request.headers.getlist("authorization")) or None


def _begin(request: Request, door: Door[Body], now: datetime) -> Visit:
    correlation = request.headers.get(CORRELATION, "")
    parent = _TRACEPARENT.fullmatch(request.headers.get("traceparent", ""))
    return Visit(
        operation=door.operation,
        route=door.route,
        started_at=now,
        correlation_id=correlation if _GUID.fullmatch(correlation) else str(uuid.uuid4()),
        event_id=new_event_id(now),
        trace_id=parent[1] if parent else secrets.token_hex(16),
        span_id=secrets.token_hex(8),
    )


def _accepts_json(accept: Sequence[str]) -> bool:
    """Absent accepts all; a range with q=0 accepts nothing; several headers are one list."""
    if not accept:
        return True
    for item in ",".join(accept).split(","):
        kind, *parameters = (part.strip().lower() for part in item.split(";"))
        refused = any(re.fullmatch(r"q=0(\.0{0,3})?", parameter) for parameter in parameters)
        if kind in ("*/*", "application/*", "application/json") and not refused:
            return True
    return False


def _is_json(content_type: str | None) -> bool:
    """An absent Content-Type counts as JSON."""
    if content_type is None:
        return True
    return content_type.split(";")[0].strip().lower() == "application/json"


async def _broken(gate: Gate, visit: Visit, error: Exception) -> Response:
    """Record that something unexpected broke; tell the operator where, and no value."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    logger.error("unexpected %s in %s\n%s", type(error).__name__, visit.operation, frames)
    fault = Fault()
    try:
        trace = Trace(outcome=fault.outcome, reason=fault.reason, status=gate.status_of(fault))
        await gate.log.append(visit, trace, gate.clock(), None)
    except LogUnavailable as unavailable:
        return problems.render(unavailable)
    return problems.render(fault, visit.event_id)
