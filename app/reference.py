"""The published contract as pages: what `/` and `/doc` show, readable without a network."""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from app import pages

CONTRACT = Path(__file__).parents[1] / "openapi" / "protocolpoort-v1.yaml"

TYPES: Mapping[str, str] = {
    "string": "tekst",
    "integer": "geheel getal",
    "boolean": "true of false",
    "object": "object",
}
FORMATS: Mapping[str, str] = {
    "date": "datum",
    "date-time": "moment (RFC 3339)",
    "uuid": "UUID",
    "uri": "URI",
    "uri-reference": "adres",
}
LIMITS: Mapping[str, str] = {
    "minLength": "minstens {} teken(s)",
    "maxLength": "hoogstens {} tekens",
    "minimum": "minstens {}",
    "maximum": "hoogstens {}",
    "minItems": "minstens {} element(en)",
    "uniqueItems": "elk element één keer",
    "pattern": "patroon `{}`",
    "default": "zonder waarde `{}`",
}
PLACES: Mapping[str, str] = {"path": "pad", "query": "query", "header": "header"}

Node = Mapping[str, Any]


@dataclass(frozen=True)
class Kind:
    """The type of a value, in words; `target` is the component schema that says more."""

    text: str
    target: str | None = None


@dataclass(frozen=True)
class Member:
    """A property or a parameter."""

    name: str
    kind: Kind
    required: bool
    description: str
    limits: str
    place: str = ""


@dataclass(frozen=True)
class Example:
    """A worked example, as text."""

    summary: str
    text: str


@dataclass(frozen=True)
class Content:
    """A body: of a request (no status) or of an answer."""

    status: str
    description: str
    headers: tuple[str, ...]
    media_type: str
    also: tuple[str, ...]  # the other forms that it comes in
    kind: Kind
    examples: tuple[Example, ...]


@dataclass(frozen=True)
class Operation:
    """One operation of the contract."""

    id: str
    method: str
    path: str
    tag: str
    summary: str
    description: str
    scopes: tuple[str, ...]
    public: bool
    citizen: bool  # for the token of a citizen, and for no other
    parameters: tuple[Member, ...]
    request: Content | None
    answers: tuple[Content, ...]


@dataclass(frozen=True)
class Schema:
    """A component schema, with the properties it has of its own and through `allOf`."""

    name: str
    kind: Kind
    description: str
    limits: str
    members: tuple[Member, ...]


@dataclass(frozen=True)
class ProblemKind:
    """A kind of error, as the examples of the contract show it."""

    type: str
    title: str
    status: int
    codes: tuple[str, ...]
    summaries: tuple[str, ...]
    example: str

    @property
    def name(self) -> str:
        """The last part of the type."""
        return self.type.rsplit(":", 1)[1]


@cache
def contract() -> dict[str, Any]:
    """The published contract, OpenAPI 3.0.3, as plain data; one shared value, not to be changed."""
    loaded: dict[str, Any] = YAML(typ="safe", pure=True).load(contract_text())
    return loaded


@cache
def contract_text() -> bytes:
    """The contract as it was written: YAML in UTF-8."""
    return CONTRACT.read_bytes()


def resolve(node: Node) -> Node:
    """What a `$ref` of the contract points at; anything else is returned as it is."""
    while "$ref" in node:
        found: Node = contract()
        for part in node["$ref"].removeprefix("#/").split("/"):
            found = found[part]
        node = found
    return node


def operations() -> Iterator[Operation]:
    """Every operation, in the order of the contract."""
    for path, item in contract()["paths"].items():
        for method in ("get", "post"):
            if method in item:
                yield _operation(path, method, item[method])


def _operation(path: str, method: str, node: Node) -> Operation:
    needs = [scope for scheme in node["security"] for names in scheme.values() for scope in names]
    body = node.get("requestBody")
    return Operation(
        id=node["operationId"],
        method=method.upper(),
        path=path,
        tag=node["tags"][0],
        summary=node["summary"],
        description=node["description"],
        scopes=tuple(needs),
        public=not node["security"],
        citizen=any("Burger" in scheme for scheme in node["security"]),
        parameters=tuple(_parameter(resolve(one)) for one in node.get("parameters", ())),
        request=_content("", body) if body else None,
        answers=tuple(_content(status, resolve(one)) for status, one in node["responses"].items()),
    )


def _parameter(node: Node) -> Member:
    schema = node["schema"]
    return Member(
        name=node["name"],
        kind=_kind(schema),
        required=node["required"],
        description=node["description"],
        limits=_limits(resolve(schema)),
        place=PLACES[node["in"]],
    )


def _content(status: str, node: Node) -> Content:
    (media_type, media), *others = node["content"].items()
    examples = (resolve(example) for example in media.get("examples", {}).values())
    return Content(
        status=status,
        description=node["description"],
        headers=tuple(node.get("headers", ())),
        media_type=media_type,
        also=tuple(other for other, _ in others),
        kind=_kind(media["schema"]),
        examples=tuple(
            Example(example["summary"], _pretty(example["value"])) for example in examples
        ),
    )


def _pretty(value: Any) -> str:
    return json.dumps(value, indent=2, ensure_ascii=False)


def schemas() -> Iterator[Schema]:
    """Every component schema, by name."""
    for name, node in sorted(contract()["components"]["schemas"].items()):
        yield Schema(
            name=name,
            kind=Kind(_words(node)),
            description=node.get("description", ""),
            limits=_limits(node),
            members=tuple(_members(node)),
        )


def _members(node: Node) -> Iterator[Member]:
    for part in node.get("allOf", ()):
        yield from _members(resolve(part))
    for name, schema in node.get("properties", {}).items():
        yield Member(
            name=name,
            kind=_kind(schema),
            required=name in node.get("required", ()),
            description=schema.get("description", ""),
            # What a component demands stands at the component.
            limits="" if "$ref" in schema else _limits(schema),
        )


def _kind(node: Node) -> Kind:
    if "$ref" in node:
        name = node["$ref"].rsplit("/", 1)[1]
        return Kind(name, name)
    if "items" in node:
        inner = _kind(node["items"])
        return Kind(f"lijst van {inner.text}", inner.target)
    # A reference with its own description or example is written as an `allOf` of one.
    if "allOf" in node:
        return _kind(node["allOf"][0])
    return Kind(_words(node))


def _words(node: Node) -> str:
    words = TYPES.get(node.get("type", "object"), "lijst")
    return FORMATS.get(node.get("format", ""), words) + (" of null" if node.get("nullable") else "")


def _limits(node: Node) -> str:
    """What a value must hold to, in words."""
    values = " of ".join(f"`{value}`" for value in node.get("enum", ()))
    rules = [text.format(node[key]) for key, text in LIMITS.items() if key in node]
    return "; ".join([values, *rules] if values else rules)


def problem_kinds() -> list[ProblemKind]:
    """Every kind of error that the contract shows, by status and type."""
    found: dict[str, list[Node]] = {}
    for answer in problem_examples():
        found.setdefault(answer["value"]["type"], []).append(answer)
    kinds = [
        ProblemKind(
            type=type_,
            title=examples[0]["value"]["title"],
            status=examples[0]["value"]["status"],
            codes=tuple(dict.fromkeys(code for one in examples for code in _codes(one["value"]))),
            summaries=tuple(dict.fromkeys(one["summary"] for one in examples)),
            example=_pretty(examples[0]["value"]),
        )
        for type_, examples in found.items()
    ]
    return sorted(kinds, key=lambda kind: (kind.status, kind.type))


def problem_examples() -> Iterator[Node]:
    """Every example of an error, each with `summary` and `value`."""
    for answer in contract()["components"]["responses"].values():
        for media in answer["content"].values():
            for example in media.get("examples", {}).values():
                yield resolve(example)


def _codes(problem: Node) -> list[str]:
    return [one["identificatie"] for one in problem.get("uitzonderingen", ())]


@cache
def home_page() -> str:
    """What this is, for whom, and where the documentation stands."""
    return pages.render("index.html", info=contract()["info"])


@cache
def reference_page() -> str:
    """The whole contract as one page."""
    schemes = contract()["components"]["securitySchemes"]
    return pages.render(
        "doc.html",
        info=contract()["info"],
        servers=contract()["servers"],
        tags=contract()["tags"],
        operations=list(operations()),
        schemas={schema.name: schema for schema in schemas()},
        problems=problem_kinds(),
        access=schemes["Oauth2"]["description"],
        access_of_citizens=schemes["Burger"]["description"],
        scopes=schemes["Oauth2"]["flows"]["clientCredentials"]["scopes"],
    )
