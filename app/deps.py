"""What a route may ask for: one request, brought through the checks that every operation shares."""

import asyncio
import logging
import math
import re
import time
import traceback
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from datetime import UTC, datetime

from fastapi import APIRouter, Request, Response
from limits import RateLimitItemPerMinute
from limits.storage import MemoryStorage
from limits.strategies import MovingWindowRateLimiter

from app import problems
from app.checkpoints import Notary
from app.doors import (
    BODY_LIMIT,
    CORRELATION,
    IS_GUID,
    Arrival,
    Body,
    Door,
    Headers,
    Turned,
    accepts,
    headers_of,
    inspect,
)
from app.errors import (
    BodyTooLarge,
    DatabaseSilent,
    DecisionOvertaken,
    Fault,
    InputInvalid,
    Issue,
    IssueType,
    LogUnavailable,
    NotAcceptable,
    RateLimited,
)
from app.gate import Gate
from app.insz import contains_insz
from app.log_keys import LogRewritten
from app.record import Trace
from app.strangers import Strangers
from app.tokens import Caller, Citizen, Verifier
from app.values import but
from app.visit import Visit, draw, event_id_of, guid

DRAINED = 16 * 1024 * 1024  # what is read and dropped of a body that is too large
BODY_SECONDS = 30  # that a body may take to arrive
DECISIONS = 10  # how often a register that keeps moving is followed before giving up


# A route takes every method: the wrong one is refused after the token is known, and recorded.
ANY_METHOD: list[str] = []

_TRACEPARENT = re.compile(r"00-(?!0{32})([0-9a-f]{32})-(?!0{16})[0-9a-f]{16}-[0-9a-f]{2}")

logger = logging.getLogger("protocolpoort")


def read_clock() -> datetime:
    """The moment it is; the only place that looks."""
    return datetime.now(UTC)  # noqa: TID251 - the one clock


@dataclass
class Desk:
    """What the edge keeps for the life of the process."""

    gate: Gate
    verifier: Verifier
    notary: Notary
    strangers: Strangers
    limiter: MovingWindowRateLimiter

    @classmethod
    def open(cls, gate: Gate, verifier: Verifier, notary: Notary) -> "Desk":
        """A desk without visitors."""
        limiter = MovingWindowRateLimiter(MemoryStorage())
        return cls(gate, verifier, notary, Strangers(gate), limiter)

    def sign(self, *, closing: bool = False) -> None:
        """One turn of the signer; a log that was rewritten lets nothing leave until it is whole."""
        try:
            self.notary.turn(self.gate.clock(), closing=closing)
            self.gate.log.rewritten = False
        except LogRewritten as how:
            self.gate.log.rewritten = True
            logger.critical("nothing leaves, for the access log does not hold: %s", how)

    def too_often(self, caller: Caller | Citizen) -> int:
        """Seconds to wait for a client that asks more than the limit of a minute; 0 is none."""
        if not self.gate.settings.rate_limit:
            return 0
        limit = RateLimitItemPerMinute(self.gate.settings.rate_limit)
        if self.limiter.hit(limit, caller.issuer, caller.client):
            return 0
        reset = self.limiter.get_window_stats(limit, caller.issuer, caller.client).reset_time
        return max(1, math.ceil(reset - time.time()))


# What is answered: the bytes of a whole answer, or the answer itself.
UseCase = Callable[[Gate, Arrival[Body]], Awaitable[bytes | Response]]


def refuse_parameters(request: Request) -> None:
    """On a public resource: no query parameters."""
    if request.query_params:
        raise InputInvalid([Issue(IssueType.UNKNOWN_INPUT, "unknown query parameter", "query")])


def refuse_unknown(request: Request) -> None:
    """On a public resource: no query parameters, and JSON only."""
    refuse_parameters(request)
    if not accepts(request.headers.getlist("accept")):
        raise NotAcceptable


def entrance(router: APIRouter, door: Door[Body]) -> Callable[[UseCase[Body]], UseCase[Body]]:
    """Among the routes, behind its door: the use case that this decorates."""

    def stand(use_case: UseCase[Body]) -> UseCase[Body]:
        async def endpoint(request: Request) -> Response:
            return await attend(request, door, use_case)

        endpoint.__name__, endpoint.__doc__ = use_case.__name__, use_case.__doc__
        router.add_api_route(door.route, endpoint, operation_id=door.operation, methods=ANY_METHOD)
        return use_case

    return stand


async def attend(request: Request, door: Door[Body], use_case: UseCase[Body]) -> Response:
    """Bring one request in and out: a record whatever happens, and nothing without a record."""
    desk: Desk = request.app.state.desk
    now = desk.gate.clock()
    headers = headers_of(request)
    visit = _begin(headers, door, now)
    try:
        response = await _answer(request, headers, desk, door, visit, use_case)
    except Exception as error:  # noqa: BLE001 - whatever broke, the caller gets no detail of it
        response = await _ended(desk.gate, visit, error, Trace())
    response.headers[CORRELATION] = visit.correlation_id
    return response


async def _answer(
    request: Request,
    headers: Headers,
    desk: Desk,
    door: Door[Body],
    visit: Visit,
    use_case: UseCase[Body],
) -> Response:
    """The order of checks of api.md; raises a Fault only after its record."""
    gate = desk.gate
    content = await read_content(request, door.limit)
    now = gate.clock()  # a body may have taken its time: what it asks is judged when it is whole
    try:
        caller = await desk.verifier.verify(_authorization(headers), now)
    except Fault as fault:
        if content is None:
            return problems.render(BodyTooLarge(door.limit))
        recorded = await desk.strangers.note(visit, fault, now)
        return problems.render(fault, visit.event_id if recorded else None)

    visit = but(
        visit,
        organisation=caller.organisation,
        client=caller.client,
        credential=caller.credential,
    )
    if retry_after := desk.too_often(caller):
        limited = BodyTooLarge(door.limit) if content is None else RateLimited(retry_after)
        recorded = await desk.strangers.note(visit, limited, now)
        return problems.render(limited, visit.event_id if recorded else None)

    known = Trace(subject=caller.insz.digits) if isinstance(caller, Citizen) else Trace()
    try:
        arrival = inspect(request, headers, door, visit, caller, content, gate.settings, now)
        visit = arrival.visit
        return await _decide(gate, door, arrival, use_case, known)
    except Exception as error:  # noqa: BLE001 - recorded under the caller who asked
        return await _ended(gate, visit, error, known)


async def _decide(
    gate: Gate,
    door: Door[Body],
    arrival: "Arrival[Body] | Turned",
    use_case: UseCase[Body],
    known: Trace,
) -> Response:
    """Decide and record, anew as long as the register moves in between."""
    now = arrival.now
    for _ in range(DECISIONS):
        # One snapshot decides and is recorded: another request may reload the register meanwhile.
        decided = but(gate, decided_at=now)
        try:
            if isinstance(arrival, Turned):
                await decided.refuse(arrival.visit, known, arrival.fault)
            told = await use_case(decided, but(arrival, now=now))
            if isinstance(told, bytes):
                told = Response(told, media_type=door.produces)
            told.headers["Cache-Control"] = "no-store"
            return told
        except DecisionOvertaken as overtaken:
            _let_go(overtaken)
            await gate.refresh_register()
            now = gate.clock()
    raise LogUnavailable


async def read_content(request: Request, limit: int = BODY_LIMIT) -> bytes | None:
    """The body, or None when it is too large; what is too much is read away, not kept."""
    content = bytearray()
    size = 0
    try:
        async with asyncio.timeout(BODY_SECONDS):
            more = True
            while more:
                message = await request.receive()
                chunk = message.get("body", b"")
                # A client that went away sends no more.
                more = message.get("more_body", False)
                size += len(chunk)
                if size > DRAINED:
                    return None
                if size <= limit:
                    content += chunk
    except TimeoutError:
        pass  # what came is judged, and recorded, as it is: half a body is no JSON
    return bytes(content) if size <= limit else None


def _authorization(headers: Headers) -> str | None:
    """Several headers are one value joined by a comma, which no token survives."""
    return ", ".join(headers.get("authorization", ())) or None


def _begin(headers: Headers, door: Door[Body], now: datetime) -> Visit:
    correlation = headers.get(CORRELATION.lower(), ("",))[0]
    parent = _TRACEPARENT.fullmatch(headers.get("traceparent", ("",))[0])
    if _is_number(correlation):
        correlation = ""
    if parent and _is_number(parent[1]):
        parent = None
    drawn = draw(50)
    return Visit(
        operation=door.operation,
        route=door.route,
        started_at=now,
        correlation_id=correlation if IS_GUID.fullmatch(correlation) else guid(drawn[:16]),
        event_id=event_id_of(drawn[16:26], now),
        trace_id=parent[1] if parent else drawn[26:42].hex(),
        span_id=drawn[42:].hex(),
    )


def _is_number(id_: str) -> bool:
    """True for an id that is a national number filled up with zeroes, on either side."""
    digits = id_.replace("-", "")
    return any(
        contains_insz(number) and not rest.strip("0")
        for number, rest in ((digits[-11:], digits[:-11]), (digits[:11], digits[11:]))
    )


async def _ended(gate: Gate, visit: Visit, error: Exception, known: Trace) -> Response:
    """What is answered for what was raised: a fault has its record, what else broke gets one."""
    try:
        if isinstance(error, LogUnavailable):
            return problems.render(error)  # there is no record to name
        if isinstance(error, Fault) and not isinstance(error, DatabaseSilent):
            return problems.render(error, visit.event_id)
        return await _broken(gate, visit, error, known)
    finally:
        _let_go(error)


def _let_go(error: BaseException) -> None:
    """An error holds the frames that it passed, and one that names it holds the error: with all of
    the request, until the next search for such circles."""
    error.__traceback__ = None


async def _broken(gate: Gate, visit: Visit, error: Exception, known: Trace) -> Response:
    """Record that something unexpected broke; tell the operator where, and no value."""
    frames = "".join(traceback.format_tb(error.__traceback__))
    logger.error("unexpected %s in %s\n%s", type(error).__name__, visit.operation, frames)
    fault = error if isinstance(error, DatabaseSilent) else Fault()
    try:
        status = gate.status_of(fault)
        trace = but(known, outcome=fault.outcome, reason=fault.reason, status=status)
        await gate.log.append(visit, trace, gate.clock(), None)
    except LogUnavailable as unavailable:
        return problems.render(unavailable)
    return problems.render(fault, visit.event_id)
