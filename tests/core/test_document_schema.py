"""The published JSON Schema refuses what is misshapen, and nothing that the register takes."""

import json
import re
from collections.abc import Iterator
from copy import deepcopy
from functools import reduce
from itertools import accumulate
from typing import Any

import jsonschema_rs
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from service import ROOT

from app import document_schema, documents, fields, plain_yaml
from app.notation import DocumentInvalid
from app.register_lists import LISTS

PUBLISHED = ROOT / "openapi" / "protocolpoort-protocol-1.schema.json"
FILES = sorted((ROOT / "protocols").rglob("*.yaml"))
SCHEMA = document_schema.schema()
VALIDATOR = jsonschema_rs.Draft202012Validator(SCHEMA)

HEAD = {"protocol": "genk-2021", "organisatie": "nis:71016", "gewijzigdOp": "2026-01-01"}
LIST_ENTRIES: dict[str, list[Any]] = {
    "verwerkers": [{"naam": "A", "kbo": "0887010362", "overeenkomstOp": None, "taak": "Beheer."}],
    "ontvangers": [{"naam": "B", "organisatie": "stad", "verantwoording": "Nodig."}],
    "opvolgingen": [
        {"oud": "71016", "nieuw": "71072", "vanaf": "2025-01-01", "soort": "samenvoeging"}
    ],
}
VALID: dict[str, dict[str, Any]] = {
    **{path.stem: plain_yaml.read(path.read_text(encoding="utf-8")) for path in FILES},
    **{
        name: {"lijst": name, **HEAD, name: LIST_ENTRIES[name]}
        for name in ("verwerkers", "ontvangers")
    },
    "opvolgingen": {
        "lijst": "opvolgingen",
        "gewijzigdOp": "2026-01-01",
        "opvolgingen": LIST_ENTRIES["opvolgingen"],
    },
}
KEYS = sorted({key for part in SCHEMA["$defs"].values() for key in part.get("properties", ())})
# Rules about one value. A list that is too short is none: one that holds a fault counts as shorter.
SHAPE = re.compile(r"(Field|Extra|Input|String) |is no field or group")

Way = tuple[str | int, ...]


def faults(data: Any) -> list[str]:
    """The rules that the register finds broken."""
    try:
        documents.from_data(data)
    except DocumentInvalid as invalid:
        return [fault.rule for fault in invalid.faults]
    return []


def ways(node: Any, way: Way = ()) -> Iterator[Way]:
    """The way to every part and value."""
    yield way
    if isinstance(node, list):
        node = dict(enumerate(node))
    for key, value in node.items() if isinstance(node, dict) else ():
        yield from ways(value, (*way, key))


def at(data: Any, way: Way) -> Any:
    """What stands at the end of a way."""
    return reduce(lambda node, key: node[key], way, data)


def shapes(data: Any) -> list[Way]:
    """One way for each place in the format, whichever item of a list it is in."""
    return list(
        {
            tuple("[]" if isinstance(key, int) else key for key in way): way for way in ways(data)
        }.values()
    )


PLACES = [(name, way) for name, data in VALID.items() for way in shapes(data)]
BLOCKS = [(name, way) for name, way in PLACES if isinstance(at(VALID[name], way), dict)]


def test_the_published_file_is_the_schema() -> None:
    assert PUBLISHED.read_text(encoding="utf-8") == document_schema.as_text()
    assert json.loads(document_schema.as_text()) == SCHEMA


def test_the_schema_is_json_schema_2020_12() -> None:
    jsonschema_rs.meta.validate(SCHEMA)

    assert SCHEMA["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert SCHEMA["$id"] == "urn:protocolpoort:schema:protocol:1"


def test_every_part_is_closed() -> None:
    parts = [part for part in SCHEMA["$defs"].values() if part["type"] == "object"]

    assert len(parts) > 30
    assert [part for part in parts if part["additionalProperties"] is not False] == []


def test_every_id_of_the_catalogue_is_offered_once() -> None:
    offered = SCHEMA["$defs"]["FieldId"]["enum"]

    ids = {id_ for leaf in fields.CATALOGUE for id_ in accumulate(leaf.split("."), "{}.{}".format)}
    assert offered == sorted(ids)
    assert all(fields.is_known(id_) for id_ in offered)
    assert document_schema.as_text().count('"personalia.insz"') == 1


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_an_editor_finds_the_schema_from_the_first_line(path: Any) -> None:
    first = path.read_text(encoding="utf-8").splitlines()[0]

    named = first.removeprefix("# yaml-language-server: $schema=")
    assert (path.parent / named).resolve() == PUBLISHED


@pytest.mark.parametrize("name", VALID)
def test_takes_what_the_register_takes(name: str) -> None:
    assert faults(VALID[name]) == []
    assert VALIDATOR.is_valid(VALID[name])


def test_every_example_of_the_manual_is_valid() -> None:
    text = (ROOT / "docs" / "protocol-format.md").read_text(encoding="utf-8")
    blocks = re.findall(r"^```yaml\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    examples = [plain_yaml.read(one) for block in blocks for one in block.split("---\n")]

    said = [(faults(data), VALIDATOR.is_valid(data)) for data in examples if data is not None]

    assert len(said) == 1 + len(LISTS)
    assert all(verdict == ([], True) for verdict in said)


def test_every_kind_of_list_is_tried() -> None:
    assert {data.get("lijst") for data in VALID.values()} == {None, *LISTS}


@pytest.mark.parametrize("kind", ["andere", None, ["gemachtigden"], 1])
def test_a_list_of_an_unknown_kind_is_refused(kind: object) -> None:
    assert not VALIDATOR.is_valid({**VALID["opvolgingen"], "lijst": kind})
    assert not VALIDATOR.is_valid({**VALID["genk-2021"], "lijst": kind})


def test_an_unknown_key_is_refused_in_every_part() -> None:
    taken = []
    for name, way in BLOCKS:
        data = deepcopy(VALID[name])
        at(data, way)["onbekend"] = None
        taken += [(name, way)] * VALIDATOR.is_valid(data)

    assert len(BLOCKS) > 100
    assert taken == []


def test_a_value_of_another_type_is_refused_at_every_place() -> None:
    taken = []
    for name, way in PLACES:
        if not way:
            continue
        data = deepcopy(VALID[name])
        composed = isinstance(at(data, way), dict | list)
        at(data, way[:-1])[way[-1]] = 7.5 if composed else {"tekst": "x"}
        taken += [(name, way)] * VALIDATOR.is_valid(data)

    assert len(PLACES) > 500
    assert taken == []


def test_a_key_that_every_such_part_needs_is_missed() -> None:
    needed, taken = 0, []
    for name, way in BLOCKS:
        for key in at(VALID[name], way):
            data = deepcopy(VALID[name])
            del at(data, way)[key]
            if "Field required" in faults(data):
                needed += 1
                taken += [(name, way, key)] * VALIDATOR.is_valid(data)

    assert needed > 200
    assert taken == []


ACCESS = ("doeleinden", 0, "toegang", 0)
WRONG: list[tuple[Way, object]] = [
    ((*ACCESS, "velden", 0, "veld"), "personalia.bestaatNiet"),
    ((*ACCESS, "velden", 0, "veld"), "personalia"[:-1]),
    ((*ACCESS, "operaties", 0), "queryAlles"),
    ((*ACCESS, "populatie", "soort"), "buren"),
    ((*ACCESS, "voor"), "iedereen"),
    ((*ACCESS, "functieprofielen"), "misschien"),
    (("doeleinden", 0, "rechtsgrond", "begrenzing", 0), "alles"),
    (("partijen", 0, "rollen", 0), "toeschouwer"),
    (("status",), "actief"),
    (("formaat",), "protocolpoort-protocol/2"),
    (("geldigVan",), "operator"),
    (("geldigVan",), "2021-13-01"),
    (("geldigTot",), "nooit"),
    (("geldigTot",), ["operator"]),
    (("opzegtermijnMaanden",), 0),
    (("partijen",), []),
    (("doeleinden",), []),
    (("doeleinden", 0, "toegang"), []),
    (("doeleinden", 0, "rechtsgrond", "begrenzing"), []),
    ((*ACCESS, "operaties"), []),
    ((*ACCESS, "velden", 0, "verantwoording"), " "),
    ((*ACCESS, "quota"), [{"operatie": "createLijst", "aantal": 1, "per": "week", "tekst": "x"}]),
]


@pytest.mark.parametrize(("way", "value"), WRONG)
def test_a_wrong_value_is_refused(way: Way, value: object) -> None:
    data = deepcopy(VALID["genk-2021"])
    at(data, way[:-1])[way[-1]] = value

    assert not VALIDATOR.is_valid(data)


LEAVES = [
    value for name, way in PLACES if not isinstance(value := at(VALID[name], way), dict | list)
]
VALUES = st.one_of(
    st.sampled_from(
        [None, True, 0, -1, 1, 1000, 1001, 7.5, "", " ", "x", "operator", "2026-02-30"]
    ),
    st.sampled_from([[], {}, ["x"], {"tekst": "x"}, "09-06", "2021", "0543307391", "veld.x"]),
    st.sampled_from(LEAVES),
    st.sampled_from(PLACES).map(lambda place: at(VALID[place[0]], place[1])),
)


@st.composite
def bent(draw: st.DrawFn) -> Any:
    """A valid document of which one to three places were changed."""
    data = deepcopy(VALID[draw(st.sampled_from(sorted(VALID)))])
    for _ in range(draw(st.integers(1, 3))):
        node = at(data, draw(st.sampled_from(list(ways(data)))))
        value = deepcopy(draw(VALUES))
        if isinstance(node, dict):
            node[draw(st.sampled_from(sorted(node) + KEYS))] = value
        if isinstance(node, dict) and draw(st.booleans()):
            del node[draw(st.sampled_from(sorted(node)))]
        if isinstance(node, list):
            node[draw(st.integers(0, len(node))) :] = [value][: draw(st.integers(0, 1))]
    return data


@given(bent())
@settings(deadline=None, max_examples=300)
def test_refuses_what_is_misshapen_and_nothing_that_the_register_takes(data: Any) -> None:
    found = faults(data)

    if not found:
        assert VALIDATOR.is_valid(data)
    if any(SHAPE.match(rule) for rule in found):
        assert not VALIDATOR.is_valid(data)
