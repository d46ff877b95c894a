"""What an operation demands of a request: its door, and the checks before its use case."""

import re
import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from typing import Any, Generic, TypeVar

from fastapi import Request
from pydantic import BaseModel

from app import wire
from app.errors import (
    BodyTooLarge,
    Fault,
    InputInvalid,
    InszInvalid,
    Issue,
    IssueType,
    MediaTypeUnsupported,
    MethodNotAllowed,
    NotAcceptable,
    ScopeMissing,
    SenderMismatch,
    TokenKindWrong,
)
from app.insz import contains_insz
from app.moments import read_day
from app.settings import Settings
from app.tokens import Caller, Citizen
from app.values import but
from app.visit import Visit
from app.wire import GUID, PersonQuestion, PurposeQuestion, Referred

JSON = "application/json"
BODY_LIMIT = 64 * 1024
BATCH_LIMIT = 256 * 1024
ISSUES = 20  # named in one problem; a body of nothing but faults is not echoed as a long list


class NoBody(BaseModel):
    """What an operation without a body is given."""


USER = "X-Magda-Enduser-ID"
PROFILE = "X-Functieprofiel"
SENDER = "X-Magda-Sender-ID"
CORRELATION = "X-Correlation-ID"
_CORRELATION = CORRELATION.lower()
HEADER_LENGTH = 100
CURSOR = "cursor"
IDS, NO_ID = ("toegangId", "lijstId"), str(uuid.UUID(int=0))

_HEADER = re.compile(rf"[ -~]{{1,{HEADER_LENGTH}}}")
_CURSOR = re.compile(r"[0-9]{1,18}")
_SEALED = re.compile(r"[A-Za-z0-9_-]{1,100}")
IS_GUID = re.compile(GUID)

Body = TypeVar("Body", bound=BaseModel)


@dataclass(frozen=True)
class Door(Generic[Body]):
    """What an operation demands of a request before its use case sees it."""

    operation: str
    route: str
    body: type[Body] | None = None  # None: the operation has none
    scopes: tuple[str, ...] = ()  # one of them; none: any token of its kind
    personal: bool = True  # returns personal data, so the acting user must be named
    days: tuple[str, ...] = ()  # its query parameters that are dates
    paged: bool = False  # its answer comes in pages: `cursor` is a query parameter too
    sealed: bool = False  # its cursor is opaque, and no number
    citizen: bool = False  # for the person of a citizen token alone; else for organisations alone
    produces: str = JSON  # the media type of its answer
    limit: int = BODY_LIMIT  # bytes of its body

    @property
    def method(self) -> str:
        """The one method that it takes."""
        return "POST" if self.body else "GET"

    @property
    def parameters(self) -> tuple[str, ...]:
        """Its query parameters."""
        return (*self.days, CURSOR) if self.paged else self.days


@dataclass(frozen=True)
class Arrival(Generic[Body]):
    """A request that may go on to its use case."""

    visit: Visit
    caller: Caller | Citizen  # as the door says
    body: Body
    query: Mapping[str, date]
    cursor: str | None
    path: Mapping[str, str]
    now: datetime


@dataclass(frozen=True)
class Turned:
    """A request that goes no further: what is known of it, and the fault."""

    visit: Visit
    fault: Fault
    now: datetime


Headers = Mapping[str, Sequence[str]]


def headers_of(request: Request) -> Headers:
    """Every header with its values, by its name in small letters; looked through once."""
    found: dict[str, list[str]] = {}
    for name, value in request.scope["headers"]:
        found.setdefault(name.decode("latin-1"), []).append(value.decode("latin-1"))
    return found


def inspect(
    request: Request,
    headers: Headers,
    door: Door[Body],
    visit: Visit,
    caller: Caller | Citizen,
    content: bytes | None,
    settings: Settings,
    now: datetime,
) -> "Arrival[Body] | Turned":
    """Size, method, media types, syntax and headers, scope, sender: the first fault turns away."""
    if content is None:
        return Turned(visit, BodyTooLarge(door.limit), now)
    if request.method != door.method:
        return Turned(visit, MethodNotAllowed(door.method), now)
    if not accepts(headers.get("accept", ()), door.produces):
        return Turned(visit, NotAcceptable(), now)
    if door.body and not _is_json(headers.get("content-type", (None,))[0]):
        return Turned(visit, MediaTypeUnsupported(), now)

    issues: list[Issue] = []
    visit = but(
        visit,
        user=_header(headers, USER, issues, required=door.personal),
        function_profile=_header(headers, PROFILE, issues),
        system=_header(headers, SENDER, issues),
        parameters=tuple(name for name in door.parameters if name in request.query_params),
    )
    if IS_GUID.fullmatch(headers.get(_CORRELATION, (visit.correlation_id,))[0]) is None:
        issues.append(_issue("must be a GUID", "header", CORRELATION))
    query, cursor = _query(request, door, issues), _cursor(request, door, issues)
    path = _path(request, issues)
    body, number_is_wrong = _body(content, door, issues, settings)
    if issues:
        kind = InszInvalid if number_is_wrong and len(issues) == 1 else InputInvalid
        return Turned(visit, kind(issues[:ISSUES]), now)
    # A search value never stands in the log.
    if isinstance(body, PersonQuestion | PurposeQuestion | Referred):
        visit = but(visit, reference=body.referte)

    if fault := _closed(door, visit, caller):
        return Turned(visit, fault, now)
    return Arrival(visit, caller, body, query, cursor, path, now)


def _closed(door: Door[Body], visit: Visit, caller: Caller | Citizen) -> Fault | None:
    """Why the door stays closed to this token: its kind, its scopes, or another sender."""
    if door.citizen != isinstance(caller, Citizen):
        return TokenKindWrong()
    if door.scopes and caller.scopes.isdisjoint(door.scopes):
        return ScopeMissing(door.scopes)
    if visit.system not in (None, caller.organisation):
        return SenderMismatch()
    return None


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
    headers: Headers, name: str, issues: list[Issue], *, required: bool = False
) -> str | None:
    """One header that may stand in the log: printable, short, no national number."""
    values = headers.get(name.lower(), ())
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
    """The query parameters that are dates; the name of an unknown one is never repeated."""
    if not request.scope["query_string"]:
        return {}
    pairs = request.query_params.multi_items()
    if any(name not in door.parameters for name, _ in pairs):
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


def _cursor(request: Request, door: Door[Body], issues: list[Issue]) -> str | None:
    """Where the page before this one ended; None for the first page."""
    values = request.query_params.getlist(CURSOR) if door.paged else []
    if not values:
        return None
    if door.sealed:
        form, rule = _SEALED, "must be the `next` of the page before"
    else:
        form, rule = _CURSOR, "must be one number of 1 to 18 digits"
    if len(values) > 1 or not form.fullmatch(values[0]):
        issues.append(_issue(rule, "query", CURSOR))
        return None
    return values[0]


def _path(request: Request, issues: list[Issue]) -> dict[str, str]:
    """The path parameters; the id of a record or of a list is a GUID."""
    for name in IDS:
        if not IS_GUID.fullmatch(request.path_params.get(name, NO_ID)):
            issues.append(_issue("must be a GUID", "path", name))
    return dict(request.path_params)


def _issue(rule: str, location: str, name: str | None = None) -> Issue:
    return Issue(IssueType.SCHEMA_VIOLATION, rule, location, name)


def accepts(accept: Sequence[str], produced: str = JSON) -> bool:
    """Absent accepts all; a range with q=0 accepts nothing; several headers are one list."""
    if not accept:
        return True
    for item in ",".join(accept).split(","):
        kind, *parameters = (part.strip().lower() for part in item.split(";"))
        refused = any(re.fullmatch(r"q=0(\.0{0,3})?", parameter) for parameter in parameters)
        if kind in ("*/*", f"{produced.split('/')[0]}/*", produced) and not refused:
            return True
    return False


def _is_json(content_type: str | None) -> bool:
    """An absent Content-Type counts as JSON."""
    if content_type is None:
        return True
    return content_type.split(";")[0].strip().lower() == JSON
