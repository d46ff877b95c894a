"""Faults on the wire: each kind has its problem, and no other text than its own."""

import inspect
import json
import re
from collections.abc import Iterator
from datetime import date
from typing import Any

import pytest

from app import policy, population, problems
from app.errors import (
    AccessRefused,
    BodyTooLarge,
    ChannelSame,
    CheckpointLate,
    ClockBehind,
    DatabaseSilent,
    DateOutOfRange,
    Denied,
    DossierUnknown,
    Fault,
    InputInvalid,
    InszInvalid,
    Invalid,
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
    NotFound,
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
    Unauthenticated,
)

BELGIF, OWN = "urn:problem-type:belgif:", "urn:problem-type:inburgering:"
ISSUE = Issue(IssueType.SCHEMA_VIOLATION, "is required", name="referte")
DAY = date(2026, 5, 31)

# Status, problem type and MAGDA code of every fault (api.md, Errors).
TABLE: list[tuple[Fault, int, str, str | None]] = [
    (PathUnknown(), 404, BELGIF + "resourceNotFound", "10001"),
    (MethodNotAllowed("POST"), 405, OWN + "methodeNietToegelaten", "10001"),
    (NotAcceptable(), 406, OWN + "nietAanvaardbaar", "10001"),
    (MediaTypeUnsupported(), 415, OWN + "mediatypeNietOndersteund", "10001"),
    (BodyTooLarge(65536), 413, BELGIF + "payloadTooLarge", "10001"),
    (InputInvalid([ISSUE]), 400, BELGIF + "badRequest", "10001"),
    (InszInvalid([ISSUE]), 400, BELGIF + "badRequest", "20002"),
    (DateOutOfRange([ISSUE]), 400, BELGIF + "badRequest", "20006"),
    (TokenMissing(), 401, BELGIF + "noAccessToken", None),
    (TokenInvalid("why"), 401, BELGIF + "invalidAccessToken", None),
    (TokenExpired("why"), 401, BELGIF + "expiredAccessToken", None),
    (ScopeMissing(["a", "b"]), 403, BELGIF + "missingScope", "40006"),
    (TokenKindWrong(), 403, OWN + "tokensoort", "40006"),
    (SenderMismatch(), 403, OWN + "afzender", "20005"),
    (AccessRefused(Reason.NO_PROTOCOL), 403, OWN + "geenProtocol", "40001"),
    (AccessRefused(Reason.NOT_YET_VALID, on=DAY), 403, OWN + "protocolNietGeldig", "40001"),
    (AccessRefused(Reason.EXPIRED, on=DAY), 403, OWN + "protocolNietGeldig", "40001"),
    (AccessRefused(Reason.SUSPENDED, on=DAY), 403, OWN + "protocolNietGeldig", "40001"),
    (AccessRefused(Reason.LEGAL_GROUND_ENDED), 403, OWN + "protocolNietGeldig", "40001"),
    (AccessRefused(Reason.OPERATION), 403, OWN + "buitenProtocol", "40006"),
    (AccessRefused(Reason.FUNCTION_PROFILE), 403, OWN + "functieprofiel", "40006"),
    (AccessRefused(Reason.FIELD, ["contact"]), 403, OWN + "veldNietToegestaan", "40006"),
    (AccessRefused(Reason.POPULATION), 403, OWN + "geenInschrijving", "40003"),
    (AccessRefused(Reason.CANCELLED), 403, OWN + "geenInschrijving", "40003"),
    (AccessRefused(Reason.UNKNOWN_PERSON), 403, OWN + "geenInschrijving", "40003"),
    (DossierUnknown(), 404, BELGIF + "resourceNotFound", "30001"),
    (RecordUnknown(), 404, BELGIF + "resourceNotFound", "30001"),
    (RateLimited(7), 429, BELGIF + "tooManyRequests", "99995"),
    (AccessRefused(Reason.QUOTA, on=DAY), 429, BELGIF + "tooManyRequests", "99995"),
    (RecordsPruned(), 410, OWN + "bewaartermijnVerstreken", "30001"),
    (ListBusy(), 409, OWN + "lijstInAanmaak", "60009"),
    (KeyGone(), 409, OWN + "geenSleutel", "60009"),
    (ChannelSame(), 403, OWN + "kanaal", "40006"),
    (RangeOutside(5), 416, OWN + "bereik", "10001"),
    (DatabaseSilent(), 503, BELGIF + "serviceUnavailable", "60009"),
    (CheckpointLate(), 503, BELGIF + "serviceUnavailable", "60009"),
    (NoAdvice(), 409, OWN + "geenAdvies", "60007"),
    (KeysUnavailable(), 503, BELGIF + "serviceUnavailable", "60009"),
    (LogUnavailable(), 503, BELGIF + "serviceUnavailable", "60009"),
    (ClockBehind(), 503, BELGIF + "serviceUnavailable", "60009"),
    (Fault(), 500, BELGIF + "internalServerError", "60009"),
]


def kinds(kind: type[Fault] = Fault) -> Iterator[type[Fault]]:
    """Every kind of fault, down the tree."""
    yield kind
    for below in kind.__subclasses__():
        yield from kinds(below)


def body(fault: Fault, event_id: str | None = None) -> dict[str, Any]:
    """The problem document as a caller reads it."""
    read: dict[str, Any] = json.loads(bytes(problems.render(fault, event_id).body))
    return read


def named(value: object) -> str | None:
    """What a row of a table is called in a report."""
    return f"{type(value).__name__}-{value.reason}" if isinstance(value, Fault) else None


@pytest.mark.parametrize(("fault", "status", "type_", "magda"), TABLE, ids=named)
def test_a_fault_has_its_status_its_type_and_its_magda_code(
    fault: Fault, status: int, type_: str, magda: str | None
) -> None:
    response = problems.render(fault, "019e8291-c1fd-7000-8000-000000000000")

    document = body(fault, "019e8291-c1fd-7000-8000-000000000000")
    assert response.status_code == document["status"] == problems.status_of(fault) == status
    assert document["type"] == type_
    assert document["title"]
    assert document["instance"] == "urn:uuid:019e8291-c1fd-7000-8000-000000000000"
    assert response.headers["Content-Type"] == "application/problem+json"
    assert response.headers["Cache-Control"] == "no-store"
    exceptions = document.get("uitzonderingen", [])
    assert [each["identificatie"] for each in exceptions] == ([magda] if magda else [])
    assert all(each["diagnose"] for each in exceptions)
    assert ("href" in document) == type_.startswith(BELGIF)


def test_every_kind_of_fault_has_a_problem_of_its_own() -> None:
    # These say what their kinds have in common; AccessRefused has a problem for each reason.
    without = {Invalid, Denied, NotFound, Unauthenticated}

    assert set(problems.PROBLEMS) == set(kinds()) - without - {AccessRefused}
    assert {type(fault) for fault, *_ in TABLE} == set(kinds()) - without


def test_a_kind_without_a_problem_has_that_of_the_kind_above_it() -> None:
    class Strange(Fault):
        pass

    class StrangeNumber(InszInvalid):
        pass

    assert problems.status_of(Strange()) == 500
    assert problems.problem_of(StrangeNumber([ISSUE])).magda == "20002"
    assert problems.status_of(None) == 200


def test_every_reason_that_the_protocol_or_the_population_gives_has_a_problem() -> None:
    asked = {Reason.INVALID_DATE}  # a fault of the question, told as a 400
    sources = "".join(inspect.getsource(module) for module in (policy, population))
    given = {reason for reason in Reason if re.search(rf"\bReason\.{reason.name}\b", sources)}

    assert set(problems.REFUSALS) == given - asked


def test_what_is_outside_the_population_unknown_or_cancelled_looks_the_same() -> None:
    looks = {
        json.dumps(body(AccessRefused(reason)))
        for reason in (Reason.POPULATION, Reason.UNKNOWN_PERSON, Reason.CANCELLED)
    }

    assert len(looks) == 1


@pytest.mark.parametrize(
    ("fault", "members"),
    [
        (BodyTooLarge(65536), {"limit": 65536}),
        (ScopeMissing(["a", "b"]), {"requiredScopes": ["a", "b"]}),
        (RateLimited(7), {"retryAfterSec": 7}),
        (AccessRefused(Reason.EXPIRED, on=DAY), {"reden": "expired", "datum": "2026-05-31"}),
        (AccessRefused(Reason.LEGAL_GROUND_ENDED), {"reden": "legalGroundEnded"}),
        (AccessRefused(Reason.FIELD, ["contact"]), {"velden": ["contact"]}),
        (AccessRefused(Reason.POPULATION), {}),
        (TokenInvalid("why"), {}),
        (NoAdvice(), {}),
        (
            InputInvalid([ISSUE]),
            {
                "detail": "The input message is incorrect",
                "issues": [
                    {
                        "type": "urn:problem-type:belgif:input-validation:schemaViolation",
                        "href": "https://www.belgif.be/specification/rest/api-guide/issues/"
                        "schemaViolation.html",
                        "title": "Input isn't valid with respect to schema",
                        "detail": "is required",
                        "in": "body",
                        "name": "referte",
                    }
                ],
            },
        ),
    ],
    ids=named,
)
def test_a_problem_has_the_members_of_its_kind_and_no_others(
    fault: Fault, members: dict[str, Any]
) -> None:
    common = {"type", "href", "title", "status", "uitzonderingen"}

    document = body(fault)

    assert {name: value for name, value in document.items() if name not in common} == members


@pytest.mark.parametrize("type_", IssueType)
def test_every_kind_of_issue_has_a_title_and_a_page(type_: IssueType) -> None:
    [issue] = body(InputInvalid([Issue(type_, "rule", "query")]))["issues"]

    ext = "ext/" if ":belgif-ext:" in type_ else ""
    kind = type_.rpartition(":")[2]
    assert issue.keys() == {"type", "href", "title", "detail", "in"}
    assert issue["href"].endswith(f"/issues/{ext}{kind}.html")
    assert issue["title"]


@pytest.mark.parametrize(
    ("fault", "name", "value"),
    [
        (TokenMissing(), "WWW-Authenticate", 'Bearer realm="protocolpoort"'),
        (
            TokenInvalid("why"),
            "WWW-Authenticate",
            'Bearer realm="protocolpoort", error="invalid_token"',
        ),
        (
            TokenExpired("why"),
            "WWW-Authenticate",
            'Bearer realm="protocolpoort", error="invalid_token", '
            'error_description="token expired"',
        ),
        (
            ScopeMissing(["a", "b"]),
            "WWW-Authenticate",
            'Bearer realm="protocolpoort", error="insufficient_scope", scope="a b"',
        ),
        (MethodNotAllowed("POST"), "Allow", "POST"),
        (RateLimited(7), "Retry-After", "7"),
        (LogUnavailable(), "Retry-After", "1"),
        (KeysUnavailable(), "Retry-After", "1"),
    ],
    ids=named,
)
def test_a_fault_has_the_headers_of_its_kind(fault: Fault, name: str, value: str) -> None:
    assert problems.render(fault).headers[name] == value


def test_why_a_token_does_not_hold_is_not_told() -> None:
    fault = TokenInvalid("kid: unknown key 7")

    response = problems.render(fault)

    assert b"unknown key" not in bytes(response.body)
    assert "unknown key" not in str(response.headers)
