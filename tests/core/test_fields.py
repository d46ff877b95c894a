import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import fields
from app.canonical import digest
from app.fields import CATALOGUE, FieldUnknown

PATHS = Path(__file__).parents[2].parent / "shared" / "kbi" / "kbi-01.00-paden.md"

WHOLE = {
    "contact.adres",
    "talenkennis.contacttaal",
    "talenkennis.niveauNederlands",
    "maatschappelijkeOrientatie.status",
}


@pytest.mark.parametrize(
    ("xml", "json"),
    [
        ("INSZ", "insz"),
        ("KBIVestiging", "kbiVestiging"),
        ("KbiNummer", "kbiNummer"),
        ("BehaaldNT2Niveau", "behaaldNt2Niveau"),
        ("NT2Cursussen", "nt2Cursussen"),
        ("MOCursussen", "moCursussen"),
        ("IndividueleMOCursus", "individueleMoCursus"),
        ("OnderdeelMO", "onderdeelMo"),
        ("OnderdeelNT2", "onderdeelNt2"),
        ("ToeleidingID", "toeleidingId"),
        ("ID", "id"),
        ("Id", "id"),
        ("OB", "ob"),
        ("HvN", "hvN"),
        ("email", "email"),
        ("KorteNaam", "korteNaam"),
    ],
)
def test_names_are_in_lower_camel_case(xml: str, json: str) -> None:
    assert fields.json_name(xml) == json


def test_has_the_twenty_blocks_in_the_order_of_the_schema() -> None:
    assert fields.BLOCKS == (
        "personalia",
        "doelgroep",
        "behaaldeAttesten",
        "contracten",
        "uitstellenVanOndertekening",
        "aanmelding",
        "uitstellenVanAanmelding",
        "trajecten",
        "vormingsActiviteiten",
        "afgelegdeTesten",
        "adviezen",
        "perspectieven",
        "toeleidingenDiplomaGelijkschakeling",
        "toeleidingenPartner",
        "inbreuken",
        "talenkennis",
        "wachtlijst",
        "voorkeurenKlant",
        "gesprekken",
        "wooncode",
    )


def test_the_catalogue_is_sorted_unique_and_hashed() -> None:
    assert list(CATALOGUE) == sorted(set(CATALOGUE))
    assert digest(list(CATALOGUE)) == fields.CATALOGUE_HASH
    assert all(type(leaf) is str for leaf in CATALOGUE)


@pytest.mark.parametrize(
    "leaf",
    [
        "personalia.insz",
        "personalia.naam.achternamen[]",
        "personalia.geslacht.code.beschrijving",
        "behaaldeAttesten[].datumOndertekening",
        "contracten[].addenda[].aangemaaktDoor.kboNummer",
        "aanmelding.reden.code",
        "trajecten[].beheerder.contactPersoon.naam.voornamen[]",
        "trajecten[].trajectOnderdelen[].status.datumOnbepaaldTot",
        "vormingsActiviteiten.nt2Cursussen[].centrum.adres.gemeente.postCode",
        "wachtlijst[].module.korteNaam",
        "voorkeurenKlant.postkantonCodes[]",
        "voorkeurenKlant.voorkeurLesMomenten[].lesVoorkeurLesMoment[].code",
        "talenkennis.talen[].contactTaal",
        "talenkennis.contacttaal",
        "contact.adres",
        "attest.inburgeringBehaald",
        "wooncode.opvolgingDoor",
    ],
)
def test_a_leaf_stands_for_itself(leaf: str) -> None:
    assert leaf in CATALOGUE
    assert fields.is_known(leaf)
    assert fields.leaves(leaf) == {leaf}


@pytest.mark.parametrize(
    ("group", "some"),
    [
        ("contact", {"contact.adres", "contact.email", "contact.voornaam"}),
        ("talenkennis", {"talenkennis.contacttaal", "talenkennis.talen[].code"}),
        ("contracten[]", {"contracten[].type", "contracten[].opschortingen[].reden.code"}),
        ("trajecten[].beheerder", {"trajecten[].beheerder.periode.begin"}),
        ("aanmelding.reden", {"aanmelding.reden.code", "aanmelding.reden.naam"}),
    ],
)
def test_a_group_stands_for_every_leaf_below_it(group: str, some: set[str]) -> None:
    below = fields.leaves(group)

    assert fields.is_known(group)
    assert some <= below
    assert below == {leaf for leaf in CATALOGUE if leaf.startswith(group + ".")}


def test_expands_ids_together() -> None:
    ids = ["talenkennis.contacttaal", "contract", "contract.ondertekend"]

    assert fields.expand(ids) == ("contract.ondertekend", "talenkennis.contacttaal")
    assert fields.expand([]) == ()


@pytest.mark.parametrize(
    "id_",
    ["", "contracten", "contact.", ".contact", "contac", "personalia.insz.x", "contracten[0].type"],
)
def test_refuses_another_id_without_repeating_it(id_: str) -> None:
    with pytest.raises(FieldUnknown) as caught:
        fields.leaves(id_)

    assert not fields.is_known(id_)
    assert str(caught.value) == "'not in the field catalogue'"
    assert caught.value.__context__ is None


@pytest.mark.parametrize(
    ("leaves", "blocks", "contact"),
    [
        ([], set(), False),
        (["personalia.insz", "contracten[].type"], {"personalia", "contracten"}, False),
        (["contract.ondertekend"], {"contracten"}, False),
        (["attest.inburgeringBehaald"], {"behaaldeAttesten"}, False),
        (["talenkennis.contacttaal", "talenkennis.niveauNederlands"], {"talenkennis"}, False),
        (["maatschappelijkeOrientatie.status"], {"trajecten"}, False),
        (["contact.email", "wachtlijst[].datum"], {"wachtlijst"}, True),
    ],
)
def test_knows_what_must_be_read(leaves: list[str], blocks: set[str], contact: bool) -> None:
    assert fields.blocks(frozenset(leaves)) == blocks
    assert fields.needs_contact(leaves) is contact


def test_every_leaf_has_a_source() -> None:
    for leaf in CATALOGUE:
        assert fields.blocks(frozenset([leaf])) <= set(fields.BLOCKS)
        assert bool(fields.blocks(frozenset([leaf]))) is not fields.needs_contact([leaf])


def test_projects_at_every_depth() -> None:
    dossier = {
        "personalia": {"insz": "x", "naam": {"achternamen": ["A", "B"], "voornamen": ["C"]}},
        "contracten": [
            {"type": "IC07G", "onderdeelMo": False, "aangemaaktDoor": {"kboNummer": "1"}},
            {"type": "IC09G"},
        ],
        "contact": {"adres": {"straat": "Plein", "huisnummer": "1"}, "email": "e"},
    }
    wanted = [
        "personalia.naam.achternamen[]",
        "contracten[].onderdeelMo",
        "contact.adres",
        "wooncode.opvolgingDoor",
    ]

    assert fields.project(dossier, wanted).document == {
        "personalia": {"naam": {"achternamen": ["A", "B"]}},
        "contracten": [{"onderdeelMo": False}],
        "contact": {"adres": {"straat": "Plein", "huisnummer": "1"}},
    }
    assert fields.project(dossier, wanted).leaves == sorted(wanted[:3])


@pytest.mark.parametrize(
    "dossier",
    [
        {"personalia": {"insz": {"secret": "1"}}},
        {"personalia": {"insz": ["1"]}},
        {"personalia": {"insz": None}},
        {"personalia": {"insz": ""}},
        {"personalia": ["insz"]},
        {"personalia": "insz"},
        {"contracten": {"type": "IC07G"}},
        {"contracten": ["IC07G", {}, {"type": {"a": "b"}}]},
        {"contact": {"adres": {}}},
    ],
)
def test_a_value_of_another_form_is_left_out(dossier: dict[str, Any]) -> None:
    wanted = ["personalia.insz", "contracten[].type", "contact.adres"]

    assert fields.project(dossier, wanted) == ({}, [])


@pytest.mark.parametrize("id_", ["contact", "contracten", "nonsense"])
def test_projects_leaves_only(id_: str) -> None:
    with pytest.raises(FieldUnknown):
        fields.project({}, ["personalia.insz", id_])


TEXTS = st.text("ab", max_size=2)


def _put(node: dict[str, Any], parts: list[str], leaf: str, draw: Any) -> None:
    """Write a value for the leaf below `node`, making the objects and arrays on the way."""
    name, many = parts[0].removesuffix("[]"), parts[0].endswith("[]")
    if len(parts) == 1:
        value = {"x": draw(TEXTS)} if leaf in WHOLE else draw(st.one_of(TEXTS, st.booleans()))
        node[name] = [value] if many else value
        return
    below = node.setdefault(name, [{}, {}] if many else {})
    _put(draw(st.sampled_from(below)) if many else below, parts[1:], leaf, draw)


@st.composite
def dossiers(draw: st.DrawFn) -> dict[str, Any]:
    document: dict[str, Any] = {"unknown": draw(TEXTS), "personalia": {"extra": draw(TEXTS)}}
    for leaf in draw(st.lists(st.sampled_from(CATALOGUE), unique=True, max_size=25)):
        _put(document, leaf.split("."), leaf, draw)
    return document


def _values(value: Any, path: str = "") -> Iterator[tuple[str, Any]]:
    """Every leaf id of a document with each of its values, read without the catalogue's tree."""
    if path in WHOLE:
        yield path, value
    elif isinstance(value, Mapping):
        for name, below in value.items():
            yield from _values(below, f"{path}.{name}".lstrip("."))
    elif isinstance(value, list):
        for item in value:
            yield from _values(item, path + "[]")
    elif value != "":
        yield path, value


def _has_empty(value: Any) -> bool:
    if isinstance(value, Mapping):
        return not value or any(_has_empty(below) for below in value.values())
    return isinstance(value, list) and (not value or any(map(_has_empty, value)))


@given(dossiers(), st.sets(st.sampled_from(CATALOGUE), max_size=200))
def test_nothing_beyond_the_grant_and_everything_in_it(
    dossier: dict[str, Any], granted: set[str]
) -> None:
    kept, leaves = fields.project(dossier, granted)

    assert list(_sorted(kept)) == [pair for pair in _sorted(dossier) if pair[0] in granted]
    assert leaves == sorted({path for path, _ in _values(kept)})
    assert kept == {} or not _has_empty(kept)


def _sorted(document: Mapping[str, Any]) -> list[tuple[str, Any]]:
    return sorted(_values(document), key=repr)


# What the list of paths leaves unexpanded: the types of Generiek-02.00 and Persoon-02.00.
PERIOD = ("begin", "einde")
CODE = ("code", "kortenaam", "naam", "beschrijving")
GENERIC_TYPES = {
    "CodeType": CODE,
    "generiek:PeriodeVerplichtBeginType": PERIOD,
    "generiek:PeriodeOptioneelType": PERIOD,
    "persoon:NaamPersoonType": ("achternamen", "voornamen", "datumbegin", "datumeinde"),
    "persoon:Geslacht2_0Type": (
        *("code.code", "code.beschrijving"),
        *("omschrijving.code", "omschrijving.oorsprong", "omschrijving.taalcode"),
    ),
    "generiek:AdresType": (
        *("straat.niscode", "straat.naam", "huisnummer", "busnummer"),
        *("gemeente.niscode", "gemeente.postcode", "gemeente.naam"),
        *("land.isocode", "land.niscode", "land.naam"),
        *("datummodificatie", "authentiekebron"),
    ),
}


def test_the_catalogue_is_the_schema() -> None:
    if not PATHS.exists():
        pytest.skip("../shared/kbi is not there")
    schema: set[str] = set()
    ways: list[tuple[int, str]] = []

    for indent, name, type_, repeats, has_children, siblings in _schema_lines():
        del ways[indent:]
        above = ways[-1][1] if ways else ""
        # The only child of a wrapper, when it may repeat, has the wrapper's name.
        way = above if repeats and siblings == 1 else f"{above}.{name.lower()}".lstrip(".")
        ways.append((indent, way))
        if not has_children:
            parts = GENERIC_TYPES.get(type_, ("",))
            schema |= {f"{way}.{part}".rstrip(".") for part in parts}

    derived = {*fields.DerivedField, *fields.ContactField}
    assert schema == {leaf.replace("[]", "").lower() for leaf in CATALOGUE if leaf not in derived}


def _schema_lines() -> Iterator[tuple[int, str, str, bool, bool, int]]:
    """Depth, name, type, may it repeat, has it children, how many children its parent has."""
    pattern = re.compile(r"^( *)- (\w+): (\S+) \[\d\.\.(\w)\]$", re.MULTILINE)
    text = PATHS.read_text("utf-8").split("# Elements that KBI 02.00 adds")[0]
    rows = [(len(m[1]) // 2, m[2], m[3], m[4] == "n") for m in pattern.finditer(text)]
    for at, (depth, name, type_, repeats) in enumerate(rows):
        deeper = at + 1 < len(rows) and rows[at + 1][0] > depth
        yield depth, name, type_, repeats, deeper, _siblings(rows, at)


def _siblings(rows: list[tuple[int, str, str, bool]], at: int) -> int:
    depth = rows[at][0]
    first = max((i for i in range(at) if rows[i][0] < depth), default=-1)
    last = next((i for i in range(at, len(rows)) if rows[i][0] < depth), len(rows))
    return sum(row[0] == depth for row in rows[first + 1 : last])
