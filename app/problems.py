"""Faults to problem documents (RFC 9457, BelGIF); the only place with status codes."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import orjson
from fastapi import Response

from app.errors import (
    AccessRefused,
    Answered,
    BodyTooLarge,
    ChannelSame,
    CheckpointLate,
    ClockBehind,
    DatabaseSilent,
    DateOutOfRange,
    DossierUnknown,
    Fault,
    InputInvalid,
    InszInvalid,
    Issue,
    IssueType,
    KeyGone,
    KeysUnavailable,
    ListBusy,
    LogUnavailable,
    MediaTypeUnsupported,
    MethodNotAllowed,
    NoAdvice,
    NotAcceptable,
    PathUnknown,
    RangeOutside,
    RateLimited,
    Reason,
    RecordsPruned,
    RecordUnknown,
    ScopeMissing,
    SenderMismatch,
    TokenExpired,
    TokenInvalid,
    TokenKindWrong,
    TokenMissing,
)

BELGIF = "urn:problem-type:belgif:"
OWN = "urn:problem-type:inburgering:"
GUIDE = "https://www.belgif.be/specification/rest/api-guide/"
REALM = 'Bearer realm="protocolpoort"'


@dataclass(frozen=True)
class Problem:
    """How one kind of fault looks on the wire."""

    status: int
    type: str
    title: str
    magda: str | None = None  # the MAGDA code that callers already handle
    diagnosis: str = ""


_TOO_MANY = Problem(429, BELGIF + "tooManyRequests", "Too Many Requests", "99995",
                    "Te veel bevragingen")  # fmt: skip
_UNAVAILABLE = Problem(503, BELGIF + "serviceUnavailable", "Service is unavailable", "60009",
                       "De dienst is tijdelijk niet beschikbaar")  # fmt: skip
_NOTHING = Problem(404, BELGIF + "resourceNotFound", "Resource Not Found", "30001",
                   "Geen gegevens gevonden voor de vraag")  # fmt: skip
PROBLEMS: Mapping[type[Fault], Problem] = {
    PathUnknown: Problem(404, BELGIF + "resourceNotFound", "Resource Not Found", "10001",
                         "De gevraagde resource bestaat niet"),
    MethodNotAllowed: Problem(405, OWN + "methodeNietToegelaten", "Method Not Allowed", "10001",
                              "De methode is niet toegelaten op deze resource"),
    NotAcceptable: Problem(406, OWN + "nietAanvaardbaar", "Not Acceptable", "10001",
                           "Geen enkel gevraagd mediatype kan geleverd worden"),
    MediaTypeUnsupported: Problem(415, OWN + "mediatypeNietOndersteund", "Unsupported Media Type",
                                  "10001", "Het mediatype van de vraag wordt niet ondersteund"),
    BodyTooLarge: Problem(413, BELGIF + "payloadTooLarge", "Payload Too Large", "10001",
                          "De vraag is te groot"),
    TokenMissing: Problem(401, BELGIF + "noAccessToken", "No Access Token"),
    TokenInvalid: Problem(401, BELGIF + "invalidAccessToken", "Invalid Access Token"),
    TokenExpired: Problem(401, BELGIF + "expiredAccessToken", "Expired Access Token"),
    RateLimited: _TOO_MANY,
    InputInvalid: Problem(400, BELGIF + "badRequest", "Bad Request", "10001",
                          "Fout formaat in de vraag"),
    InszInvalid: Problem(400, BELGIF + "badRequest", "Bad Request", "20002",
                         "INSZ in de vraag heeft een ongeldige structuur"),
    DateOutOfRange: Problem(400, BELGIF + "badRequest", "Bad Request", "20006",
                            "Datum ligt in de toekomst of buiten bereik"),
    ScopeMissing: Problem(403, BELGIF + "missingScope", "Missing Scope", "40006",
                          "De operatie is niet toegelaten voor deze afnemer"),
    TokenKindWrong: Problem(403, OWN + "tokensoort", "Token of another kind", "40006",
                            "De operatie is niet toegelaten voor deze afnemer"),
    SenderMismatch: Problem(403, OWN + "afzender", "Sender does not agree with the token", "20005",
                            "Identificatie in de vraag komt niet overeen met het token"),
    DossierUnknown: _NOTHING,
    RecordUnknown: _NOTHING,
    RecordsPruned: Problem(410, OWN + "bewaartermijnVerstreken", "Retention period has passed",
                           "30001", "De bewaartermijn van de gevraagde gegevens is verstreken"),
    ListBusy: Problem(409, OWN + "lijstInAanmaak", "Another list is being made", "60009",
                      "Er wordt al een andere lijst gemaakt"),
    KeyGone: Problem(409, OWN + "geenSleutel", "No key to hand out", "60009",
                     "Er is geen sleutel om te overhandigen"),
    ChannelSame: Problem(403, OWN + "kanaal", "File and key go over two channels", "40006",
                         "Het bestand en de sleutel gaan langs een ander kanaal"),
    RangeOutside: Problem(416, OWN + "bereik", "Range Not Satisfiable", "10001",
                          "Het bestand heeft dit bereik niet"),
    CheckpointLate: _UNAVAILABLE,
    DatabaseSilent: _UNAVAILABLE,
    NoAdvice: Problem(409, OWN + "geenAdvies", "No advice possible", "60007",
                      "Er kan geen advies gegeven worden"),
    KeysUnavailable: _UNAVAILABLE,
    LogUnavailable: _UNAVAILABLE,
    ClockBehind: _UNAVAILABLE,
    Fault: Problem(500, BELGIF + "internalServerError", "Internal Server Error", "60009",
                   "Er is een fout opgetreden"),
}  # fmt: skip

_NOT_VALID = Problem(403, OWN + "protocolNietGeldig", "Protocol not valid", "40001",
                     "Geen geldige machtiging voor deze vraag")  # fmt: skip
_NOT_REGISTERED = Problem(403, OWN + "geenInschrijving", "No registration of this person", "40003",
                          "Geen inschrijving voor deze persoon")  # fmt: skip
REFUSALS: Mapping[Reason, Problem] = {
    Reason.NO_PROTOCOL: Problem(403, OWN + "geenProtocol", "No protocol for this purpose", "40001",
                                "Geen machtiging voor deze vraag"),
    Reason.NOT_YET_VALID: _NOT_VALID,
    Reason.EXPIRED: _NOT_VALID,
    Reason.SUSPENDED: _NOT_VALID,
    Reason.LEGAL_GROUND_ENDED: _NOT_VALID,
    Reason.OPERATION: Problem(403, OWN + "buitenProtocol", "Operation outside the protocol",
                              "40006", "De operatie is niet toegelaten voor deze afnemer"),
    Reason.FUNCTION_PROFILE: Problem(403, OWN + "functieprofiel", "Function profile not admitted",
                                     "40006", "Het functieprofiel is niet toegelaten"),
    Reason.FIELD: Problem(403, OWN + "veldNietToegestaan", "Field not granted", "40006",
                          "Een gevraagd gegeven is niet toegelaten"),
    Reason.QUOTA: _TOO_MANY,
    Reason.POPULATION: _NOT_REGISTERED,
    Reason.CANCELLED: _NOT_REGISTERED,
    Reason.UNKNOWN_PERSON: _NOT_REGISTERED,
}  # fmt: skip

_ISSUE_TITLES: Mapping[IssueType, str] = {
    IssueType.SCHEMA_VIOLATION: "Input isn't valid with respect to schema",
    IssueType.UNKNOWN_INPUT: "Unknown input",
    IssueType.INVALID_INPUT: "Invalid input",
    IssueType.INVALID_STRUCTURE: "Input value has invalid structure",
    IssueType.OUT_OF_RANGE: "Input value is out of range",
    IssueType.INVALID_PERIOD: "Period is invalid",
}


def problem_of(fault: Fault) -> Problem:
    """The problem of a fault; a fault without one of its own is an internal error."""
    if isinstance(fault, AccessRefused):
        return REFUSALS[fault.reason]
    return next(PROBLEMS[kind] for kind in type(fault).mro() if kind in PROBLEMS)


_ANSWERED: Mapping[Answered, int] = {
    Answered.WHOLE: 200,
    Answered.MADE: 201,
    Answered.ACCEPTED: 202,
    Answered.ELSEWHERE: 303,
    Answered.PART: 206,
}


def status_of(end: Fault | Answered | None) -> int:
    """The status code of a fault, or of an answer; None is a whole one."""
    if isinstance(end, Fault):
        return problem_of(end).status
    return _ANSWERED[end or Answered.WHOLE]


def render(fault: Fault, event_id: str | None = None) -> Response:
    """The problem document as an answer."""
    return Response(
        orjson.dumps(document(fault, event_id)),
        status_code=problem_of(fault).status,
        media_type="application/problem+json",
        headers=_headers(fault),
    )


def document(fault: Fault, event_id: str | None = None) -> dict[str, Any]:
    """The problem document; `event_id` of the access record where there is one.

    Nothing else in the body varies between two questions, so that a refusal tells nothing.
    """
    problem = problem_of(fault)
    body: dict[str, Any] = {"type": problem.type}
    if problem.type.startswith(BELGIF):
        body["href"] = f"{GUIDE}problems/{problem.type.removeprefix(BELGIF)}.html"
    body |= {"title": problem.title, "status": problem.status}
    if event_id:
        body["instance"] = f"urn:uuid:{event_id}"
    body |= _members(fault)
    if problem.magda:
        body["uitzonderingen"] = [
            {
                "identificatie": problem.magda,
                "oorsprong": "MAGDA",
                "type": "FOUT",
                "diagnose": problem.diagnosis,
            }
        ]
    return body


def _members(fault: Fault) -> dict[str, Any]:
    """The members that only this kind of problem has."""
    match fault:
        case InputInvalid():
            return {
                "detail": "The input message is incorrect",
                "issues": [_issue(issue) for issue in fault.issues],
            }
        case ScopeMissing():
            return {"requiredScopes": list(fault.required)}
        case BodyTooLarge():
            return {"limit": fault.limit}
        case RateLimited():
            return {"retryAfterSec": fault.retry_after}
        case AccessRefused() if REFUSALS[fault.reason] in (_NOT_VALID, _TOO_MANY):
            day = {"datum": fault.on.isoformat()} if fault.on else {}
            return {"reden": fault.reason.value, **day}
        case AccessRefused(reason=Reason.FIELD):
            return {"velden": list(fault.fields)}
        case _:
            return {}


def _issue(issue: Issue) -> dict[str, str]:
    kind = issue.type.rsplit(":", 1)[1]
    folder = "issues/ext" if ":belgif-ext:" in issue.type else "issues"
    body = {
        "type": issue.type.value,
        "href": f"{GUIDE}{folder}/{kind}.html",
        "title": _ISSUE_TITLES[issue.type],
        "detail": issue.detail,
        "in": issue.location,
    }
    return {**body, "name": issue.name} if issue.name else body


def _headers(fault: Fault) -> dict[str, str]:
    headers = {"Cache-Control": "no-store"}
    match fault:
        case TokenMissing():
            return {**headers, "WWW-Authenticate": REALM}
        case TokenExpired():
            challenge = f'{REALM}, error="invalid_token", error_description="token expired"'
            return {**headers, "WWW-Authenticate": challenge}
        case TokenInvalid():
            return {**headers, "WWW-Authenticate": f'{REALM}, error="invalid_token"'}
        case ScopeMissing():
            scopes = " ".join(fault.required)
            challenge = f'{REALM}, error="insufficient_scope", scope="{scopes}"'
            return {**headers, "WWW-Authenticate": challenge}
        case MethodNotAllowed():
            return {**headers, "Allow": fault.allowed}
        case RateLimited():
            return {**headers, "Retry-After": str(fault.retry_after)}
        case RangeOutside():
            return {**headers, "Content-Range": f"bytes */{fault.size}"}
        case LogUnavailable() | KeysUnavailable() | CheckpointLate() | DatabaseSilent():
            return {**headers, "Retry-After": "1"}
        case _:
            return headers
