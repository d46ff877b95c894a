"""What the contract promises of an answer; a test hands over every answer that it gets."""

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import httpx
from openapi_schema_validator import OAS30Validator, oas30_format_checker

from app import reference
from app.wire import BASE

CONTRACT = reference.contract()
METHODS = ("get", "put", "post", "delete", "options", "head", "patch", "trace")
# The headers of an answer that mean something to a caller; all other ones are of HTTP itself.
TOLD = {"x-correlation-id", "cache-control", "www-authenticate", "retry-after", "allow"}
DEMANDED = {
    401: {"www-authenticate"},
    405: {"allow"},
    429: {"retry-after"},
    503: {"retry-after"},
}
DEFAULT = "default"


@dataclass(frozen=True)
class Promise:
    """One operation of the contract."""

    id: str
    method: str
    path: str
    definition: Mapping[str, Any]

    @property
    def scopes(self) -> set[str]:
        """Every scope that opens the operation."""
        return {scope for one in self.definition["security"] for scope in one.get("Oauth2", ())}

    @property
    def citizen(self) -> bool:
        """For the token of a citizen, and for no other."""
        return [set(scheme) for scheme in self.definition["security"]] == [{"Burger"}]

    @property
    def recorded(self) -> bool:
        """A request needs a token, and leaves a record."""
        return bool(self.definition["security"])

    @property
    def statuses(self) -> set[str]:
        """The statuses that are documented for this operation itself."""
        return {status for status in self.definition["responses"] if status != DEFAULT}

    def parameters(self, place: str) -> dict[str, Any]:
        """Its parameters in the path, query or header, by name."""
        every = map(reference.resolve, self.definition.get("parameters", ()))
        return {one["name"]: one for one in every if one["in"] == place}

    def answer(self, status: int) -> Any:
        """What is said of an answer with this status."""
        answers = self.definition["responses"]
        return reference.resolve(answers.get(str(status)) or answers[DEFAULT])


PROMISES = {
    definition["operationId"]: Promise(definition["operationId"], method.upper(), path, definition)
    for path, item in CONTRACT["paths"].items()
    for method, definition in item.items()
    if method in METHODS
}


def promise_at(path: str) -> Promise | None:
    """The operation at the path of a request, whatever its method."""
    # A path without a parameter goes before one that has its text as the value.
    for promise in sorted(PROMISES.values(), key=lambda promise: "{" in promise.path):
        pattern = re.sub(r"\\{\w+\\}", "[^/]+", re.escape(BASE + promise.path))
        if re.fullmatch(pattern, path):
            return promise
    return None


def broken(response: httpx.Response) -> list[str]:
    """Where an answer is not what the contract promises; nothing for a path outside it."""
    promise = promise_at(response.request.url.path)
    if promise is None:
        return []
    answer = promise.answer(response.status_code)
    return [
        f"{promise.id} {response.status_code}: {fault}"
        for fault in (*_headers(response, answer, promise), *_body(response, answer))
    ]


def _headers(response: httpx.Response, answer: Any, promise: Promise) -> Iterator[str]:
    documented = {
        name.lower(): reference.resolve(header)
        for name, header in answer.get("headers", {}).items()
    }
    for name in sorted((TOLD & response.headers.keys()) - documented.keys()):
        yield f"header {name} is not documented"
    for name in sorted(response.headers.keys() & documented.keys()):
        for fault in faults(documented[name]["schema"], response.headers[name]):
            yield f"header {name}: {fault}"
    demanded = DEMANDED.get(response.status_code, set()) if promise.recorded else set()
    if response.status_code == 429 and response.json().get("reden") == "quota":
        demanded = set()  # its `datum` tells when
    if promise.recorded:
        demanded = demanded | {"x-correlation-id", "cache-control"}
    for name in sorted(demanded - response.headers.keys()):
        yield f"header {name} is missing"


def _body(response: httpx.Response, answer: Any) -> Iterator[str]:
    kind = response.headers.get("content-type", "").removesuffix("; charset=utf-8")
    if kind not in answer["content"]:
        yield f"media type {kind} is not documented"
        return
    schema = answer["content"][kind]["schema"]
    if schema.get("format") == "binary":
        return
    body = response.text if kind.startswith("text/") else response.json()
    yield from faults(schema, body)
    for name in unknown(schema, body):
        yield f"the schema does not know {name}"


def faults(schema: Any, value: Any) -> list[str]:
    """Where a value does not fit its schema."""
    whole = {**schema, "components": CONTRACT["components"]}
    validator = OAS30Validator(whole, format_checker=oas30_format_checker)
    return [f"{fault.json_path}: {fault.message}" for fault in validator.iter_errors(value)]


def unknown(schema: Any, value: Any) -> list[str]:
    """Names within a value that its schema says nothing of."""
    if isinstance(value, list):
        [items] = [part["items"] for part in parts(schema) if "items" in part]
        return [name for one in value for name in unknown(items, one)]
    if not isinstance(value, dict) or any("additionalProperties" in part for part in parts(schema)):
        return []
    known = properties(schema)
    below = [name for key in value.keys() & known for name in unknown(known[key], value[key])]
    return sorted(value.keys() - known) + below


def parts(schema: Any) -> Iterator[Any]:
    """A schema and everything that it is an `allOf` of, references followed."""
    schema = reference.resolve(schema)
    yield schema
    for part in schema.get("allOf", ()):
        yield from parts(part)


def properties(schema: Any) -> dict[str, Any]:
    """The properties of a schema, also those it has through `allOf`."""
    return {name: one for part in parts(schema) for name, one in part.get("properties", {}).items()}
