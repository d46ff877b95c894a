"""The published contract: it follows the Belgian REST guide, and what it says of itself is true."""

import json
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterator, Mapping
from enum import StrEnum
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from openapi_spec_validator import OpenAPIV30SpecValidator, validate
from promises import CONTRACT, faults, properties, unknown

from app import fields, notice_rules, obligation, pages, problems, reference
from app.asking import Sign
from app.errors import Outcome, Reason
from app.policy import PopulationKind
from app.register import State
from app.routers import doc

LINT = Path(__file__).parents[3] / "shared" / "tools" / "belgif_lint.py"
SCHEMAS: Mapping[str, Any] = CONTRACT["components"]["schemas"]
PAGES = {"/": doc.home, "/doc": doc.doc}


def walk(node: Any, path: str = "#") -> Iterator[tuple[str, Any]]:
    """Every value of the contract, with its place."""
    yield path, node
    children = node if isinstance(node, dict) else {}
    if isinstance(node, list):
        children = dict(enumerate(node))
    for key, child in children.items():
        yield from walk(child, f"{path}/{key}")


def examples() -> Iterator[tuple[str, Any, Any]]:
    """Place, schema and value of every example: of bodies, parameters, headers and schemas."""
    for path, node in walk(CONTRACT):
        if not isinstance(node, dict) or "/value" in path or path.endswith("/properties"):
            continue
        if "example" in node:
            yield path, node.get("schema", node), node["example"]
        if "schema" in node:
            for name, example in node.get("examples", {}).items():
                yield f"{path}/{name}", node["schema"], reference.resolve(example)["value"]


def each_example() -> list[Any]:
    """The examples as test cases."""
    return [pytest.param(schema, value, id=path) for path, schema, value in examples()]


def leaves(schema: Any, path: str) -> Iterator[str]:
    """The catalogue ids that a schema stands for."""
    if schema.get("x-catalogue-leaf"):
        yield path
        return
    schema = reference.resolve(schema)
    if "items" in schema:
        yield from leaves(schema["items"], path + "[]")
    for name, one in schema.get("properties", {}).items():
        yield from leaves(one, f"{path}.{name}".lstrip("."))
    if not schema.keys() & {"items", "properties"}:
        yield path


def test_follows_the_belgian_rest_guide() -> None:
    if not LINT.exists():
        pytest.skip("the lint of the REST guide is not there: it stands in ../shared/tools")

    run = subprocess.run(
        [sys.executable, LINT, reference.CONTRACT], capture_output=True, text=True, check=False
    )

    assert (run.stdout, run.returncode) == ("", 0)


def test_is_valid_openapi() -> None:
    validate(CONTRACT, cls=OpenAPIV30SpecValidator)


def test_says_nothing_that_yaml_takes_for_something_else() -> None:
    empty = [path for path, value in walk(CONTRACT) if value is None]

    # An unquoted date becomes a date; an unquoted comma cuts a text and leaves an empty key.
    assert empty == []
    assert json.loads(json.dumps(CONTRACT)) == CONTRACT


@pytest.mark.parametrize(("schema", "value"), each_example())
def test_every_example_fits_its_schema(schema: Any, value: Any) -> None:
    assert faults(schema, value) == []
    assert unknown(schema, value) == []


def test_every_body_and_every_error_has_an_example() -> None:
    bodies = [node for path, node in walk(CONTRACT) if re.search(r"/content/[^/]+/[^/]+$", path)]

    assert bodies
    assert all(body["schema"].get("format") == "binary" or body["examples"] for body in bodies)


@pytest.mark.parametrize(
    "operation", list(reference.operations()), ids=lambda operation: operation.id
)
def test_every_operation_is_explained(operation: reference.Operation) -> None:
    assert operation.summary
    assert operation.description
    assert all(parameter.description for parameter in operation.parameters)


def test_the_dossier_holds_exactly_the_leaves_of_the_catalogue() -> None:
    assert sorted(leaves(SCHEMAS["Dossier"], "")) == list(fields.CATALOGUE)


@pytest.mark.parametrize(
    ("schema", "known"),
    [
        (SCHEMAS["ReasonCode"], Reason),
        (SCHEMAS["Outcome"], Outcome),
        (SCHEMAS["PopulatieSoort"], PopulationKind),
        (SCHEMAS["ProtocolToestand"], State),
        (SCHEMAS["Profiel"], obligation.Profile),
        (properties(SCHEMAS["AdviesAntwoord"])["advice"], obligation.Outcome),
        (properties(SCHEMAS["AccessRecordGevonden"])["ongewoon"]["items"], Sign),
        (SCHEMAS["GegevensfoutSoort"], notice_rules.Kind),
        (SCHEMAS["GegevensfoutUitkomst"], notice_rules.Outcome),
        (SCHEMAS["IncidentSoort"], notice_rules.IncidentKind),
        (properties(SCHEMAS["MeldingGegevenskwaliteit"])["toestand"], notice_rules.State),
        (properties(SCHEMAS["MeldingIncident"])["toestand"], notice_rules.IncidentState),
        (properties(SCHEMAS["Kennisgeving"])["soort"], notice_rules.Event),
    ],
)
def test_the_listed_codes_are_those_of_the_service(schema: Any, known: type[StrEnum]) -> None:
    assert schema["enum"] == [code.value for code in known]


def test_the_listed_reasons_are_those_of_the_rules() -> None:
    codes = properties(SCHEMAS["Reden"])["code"]["enum"]

    assert codes == list(obligation.REASONS)


def test_every_error_of_the_service_has_its_example() -> None:
    shown = {
        (value["status"], value["type"], value["title"], code)
        for value in (example["value"] for example in reference.problem_examples())
        for code in [one["identificatie"] for one in value.get("uitzonderingen", ())] or [None]
    }

    served = {
        (problem.status, problem.type, problem.title, problem.magda)
        for problem in (*problems.PROBLEMS.values(), *problems.REFUSALS.values())
    }

    assert served <= shown


class Page(HTMLParser):
    """What a page links to, loads and names."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: Counter[str] = Counter()
        self.links: list[str] = []
        self.loads: list[str] = []
        self.ids: list[str] = []
        self.language: str | None = None
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Sort the attributes: only a link may lead elsewhere."""
        self.tags[tag] += 1
        for name, value in attrs:
            if name == "id":
                self.ids.append(value or "")
            elif name == "href" and tag == "a":
                self.links.append(value or "")
            elif name in {"src", "srcset", "href", "action", "data", "style"}:
                self.loads.append(value or "")
            elif name == "lang":
                self.language = value


def page_of(path: str) -> Page:
    """A page, read."""
    return Page(bytes(PAGES[path]().body).decode())


@pytest.mark.parametrize("path", PAGES)
def test_a_page_loads_nothing(path: str) -> None:
    page = page_of(path)

    assert page.loads == []
    assert not page.tags.keys() & {"script", "link", "img", "iframe", "object", "embed"}
    assert not re.search(r"url\(|@import", pages.style())


@pytest.mark.parametrize("path", PAGES)
def test_a_page_forbids_the_browser_to_load_anything(path: str) -> None:
    headers = PAGES[path]().headers

    assert headers["content-security-policy"].startswith("default-src 'none'; style-src 'sha256-")
    assert "unsafe" not in headers["content-security-policy"]
    assert headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize("path", PAGES)
def test_a_page_has_a_language_one_heading_and_no_broken_link(path: str) -> None:
    page = page_of(path)

    within = {link.removeprefix("#") for link in page.links if link.startswith("#")}

    assert (page.language, page.tags["h1"], page.tags["main"]) == ("nl", 1, 1)
    assert within <= set(page.ids)
    assert len(page.ids) == len(set(page.ids))


def test_the_reference_names_every_operation_schema_and_error() -> None:
    page = page_of("/doc")

    named = {operation.id for operation in reference.operations()}
    named |= {f"schema-{name}" for name in SCHEMAS}
    named |= {f"fout-{kind.name}" for kind in reference.problem_kinds()}

    assert named <= set(page.ids)


def test_a_description_cannot_bring_html_into_the_page() -> None:
    text = "<b>*x*</b> `<i>*`\n\n- een\n- <script>"

    html = pages.prose(text)

    assert html == (
        "<p>&lt;b&gt;<em>x</em>&lt;/b&gt; <code>&lt;i&gt;*</code></p>"
        "<ul><li>een</li><li>&lt;script&gt;</li></ul>"
    )


def test_both_forms_of_the_contract_are_the_same() -> None:
    yaml, as_json = doc.openapi_yaml(), doc.openapi_json()

    assert bytes(yaml.body) == reference.CONTRACT.read_bytes()
    assert json.loads(bytes(as_json.body)) == CONTRACT
    assert (yaml.media_type, as_json.media_type) == ("application/yaml", "application/json")


def luminance(colour: str) -> float:
    """Relative luminance of `#rrggbb` (WCAG 2.2)."""
    channels = [int(colour[at : at + 2], 16) / 255 for at in (1, 3, 5)]
    red, green, blue = (
        c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


@pytest.mark.parametrize("theme", [0, 1], ids=["light", "dark"])
def test_text_can_be_read_on_its_background(theme: int) -> None:
    block = re.findall(r":root \{(.*?)\}", pages.style(), re.DOTALL)[theme]
    colours = dict(re.findall(r"--(\w+): (#[0-9a-f]{6})", block))

    pairs = product(["tekst", "gedempt", "link"], ["vlak", "blok"])
    shades = [sorted((luminance(colours[one]), luminance(colours[on]))) for one, on in pairs]

    assert all((light + 0.05) / (dark + 0.05) >= 4.5 for dark, light in shades)
