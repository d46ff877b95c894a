"""The field catalogue: every field of a dossier that a protocol can name. Data, in one place.

The structure is KBIDossier of the public schema KBI-01.00; the types of its namespaces `generiek`
and `persoon` are those of Generiek-02.00 and Persoon-02.00.
"""

import re
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import lru_cache
from typing import Any, NamedTuple

from app.canonical import digest


class FieldUnknown(KeyError):
    """No field or group of the catalogue has this id; the message does not hold the id."""

    def __init__(self) -> None:
        super().__init__("not in the field catalogue")


class Kind(StrEnum):
    """What an XML element becomes in JSON."""

    TEXT = "text"  # a string
    BOOLEAN = "boolean"
    CODE = "code"  # an object: its text as `code`, and its attributes
    OBJECT = "object"  # an object: its attributes and children
    ARRAY = "array"  # an array: its only child may repeat


@dataclass(frozen=True)
class Element:
    """One element of the schema; `attributes` are XML names, `repeated` is by the schema."""

    xml: str
    kind: Kind
    children: tuple["Element", ...] = ()
    attributes: tuple[str, ...] = ()
    repeated: bool = False

    @property
    def json(self) -> str:
        """The JSON property name."""
        return json_name(self.xml)


def json_name(xml: str) -> str:
    """LowerCamelCase, a run of capitals being one word: `BehaaldNT2Niveau`, `behaaldNt2Niveau`."""
    name = re.sub(r"[A-Z]+(?![a-z])|[A-Z]", lambda word: word[0].capitalize(), xml)
    return re.sub(r"^[A-Z]", lambda first: first[0].lower(), name)


def _text(xml: str) -> Element:
    return Element(xml, Kind.TEXT)


def _boolean(xml: str) -> Element:
    return Element(xml, Kind.BOOLEAN)


def _code(xml: str, *attributes: str) -> Element:
    return Element(xml, Kind.CODE, attributes=attributes or ("KorteNaam", "Naam", "Beschrijving"))


def _object(xml: str, *children: Element, attributes: tuple[str, ...] = ()) -> Element:
    return Element(xml, Kind.OBJECT, children, attributes)


def _array(xml: str, child: Element) -> Element:
    return Element(xml, Kind.ARRAY, (_repeated(child),))


def _repeated(element: Element) -> Element:
    return replace(element, repeated=True)


def _period(xml: str = "Periode") -> Element:
    return _object(xml, _text("Begin"), _text("Einde"))


def _office(xml: str = "AangemaaktDoor") -> Element:
    return _object(xml, _text("KboNummer"), _text("KbiNummer"))


def _contact(xml: str) -> Element:
    return _object(xml, _NAME, *(_text(name) for name in ("email", "telefoon", "gsm", "fax")))


def _partner(xml: str) -> Element:
    return _object(
        xml,
        _text("ExternID"),
        _text("DavinciInstellingsNummer"),
        _text("Naam"),
        _ADDRESS,
        _contact("ContactGegevens"),
    )


def _social_orientation_course(xml: str) -> Element:
    return _object(
        xml,
        _text("ID"),
        _text("Nummer"),
        _text("Naam"),
        _text("Taal"),
        _text("LesPlaats"),
        _period(),
        *_ENROLMENT,
        _LESSONS,
    )


_NAME = _object(
    "Naam",
    _array("Achternamen", _text("Achternaam")),
    _array("Voornamen", _text("Voornaam")),
    attributes=("DatumBegin", "DatumEinde"),
)
_ADDRESS = _object(
    "Adres",
    _object("Straat", _text("NISCode"), _text("Naam")),
    _text("HuisNummer"),
    _text("BusNummer"),
    _object("Gemeente", _text("NISCode"), _text("PostCode"), _text("Naam")),
    _object("Land", _text("ISOCode"), _text("NISCode"), _text("Naam")),
    attributes=("DatumModificatie", "AuthentiekeBron"),
)
_PARTS = (_boolean("OnderdeelMO"), _boolean("OnderdeelNT2"), _boolean("OnderdeelLO"))
_ENROLMENT = (_text("DatumInschrijving"), _text("DatumUitschrijving"))
_LESSONS = _array(
    "LesMomenten",
    _object(
        "LesMoment",
        _text("Datum"),
        _text("AanvangUur"),
        _text("EindUur"),
        _text("Aanwezigheidsduur"),
        _text("Aanwezigheid"),
    ),
)
_DECISION = _object("Besluit", _text("Code"), _code("Reden"), _text("DatumToekenning"))

KBI = _object(
    "KBIDossier",
    _object(
        "Personalia",
        _text("INSZ"),
        _NAME,
        _text("Geboortedatum"),
        _object(
            "Geslacht",
            _code("Code", "Beschrijving"),
            _code("Omschrijving", "Oorsprong", "TaalCode"),
        ),
        _office(),
    ),
    _object(
        "Doelgroep",
        _text("Code"),
        _text("Type"),
        _text("SubType"),
        _period(),
        _code("RedenGeenDoelgroep"),
        _code("RedenVrijstellingVanDeVerplichting"),
    ),
    _array(
        "BehaaldeAttesten",
        _object(
            "Document",
            _text("Soort"),
            _text("Type"),
            _text("Id"),
            _text("DatumAanmaak"),
            _text("DatumOndertekening"),
            _office(),
        ),
    ),
    _array(
        "Contracten",
        _object(
            "Contract",
            _text("DatumRegistratie"),
            _text("Type"),
            _office(),
            *_PARTS,
            _array(
                "Addenda",
                _object("Addendum", _text("DatumRegistratie"), _text("Type"), _office(), *_PARTS),
            ),
            _array("Opschortingen", _object("Opschorting", _period(), _code("Reden"))),
        ),
    ),
    _array(
        "UitstellenVanOndertekening",
        _object("UitstelVanOndertekening", _period(), _code("Reden")),
    ),
    _object(
        "Aanmelding",
        _text("Type"),
        _text("DatumAanmelding"),
        _office("AanmeldingsPlaats"),
        _code("Reden"),
    ),
    _array("UitstellenVanAanmelding", _object("UitstelVanAanmelding", _period(), _code("Reden"))),
    _array(
        "Trajecten",
        _object(
            "Traject",
            _text("Type"),
            _period(),
            _object("Beheerder", _period(), _office("KBIVestiging"), _contact("ContactPersoon")),
            _object("Status", _text("Code"), _period()),
            _DECISION,
            _array(
                "TrajectOnderdelen",
                _object(
                    "TrajectOnderdeel",
                    _text("Type"),
                    _period(),
                    _object("Status", _text("Code"), _period(), _text("DatumOnbepaaldTot")),
                    _DECISION,
                ),
            ),
        ),
    ),
    _object(
        "VormingsActiviteiten",
        _array("MOCursussen", _social_orientation_course("MOCursus")),
        _array(
            "NT2Cursussen",
            _object(
                "NT2Cursus",
                _text("ID"),
                _partner("Centrum"),
                _code("Vestiging"),
                _code("Opleiding"),
                _code("Module"),
                _period(),
                *_ENROLMENT,
                _LESSONS,
                _text("Status"),
                _text("Besluit"),
            ),
        ),
        _array("IndividueleMOCursussen", _social_orientation_course("IndividueleMOCursus")),
        _array(
            "PLOCursussen",
            _object(
                "PLOCursus",
                _text("ID"),
                _text("Naam"),
                _period(),
                _object("Besluit", _boolean("Voldaan"), _code("Reden"), _text("DatumToekenning")),
            ),
        ),
    ),
    _array(
        "AfgelegdeTesten",
        _object(
            "AfgelegdeTest",
            _text("ID"),
            _text("Nummer"),
            _text("ToeleidingID"),
            _code("Type"),
            _text("Datum"),
            _text("Versie"),
            _text("Taal"),
            _code("Resultaat"),
        ),
    ),
    _object("Adviezen", _code("HvN"), _text("Arbeidsmarkt")),
    _object("Perspectieven", _code("HvN"), _code("OB")),
    _array(
        "ToeleidingenDiplomaGelijkschakeling",
        _object(
            "ToeleidingDiplomaGelijkschakeling",
            _text("StartDatum"),
            _text("Status"),
            _text("DiplomaNaam"),
            _text("OnderwijsInstelling"),
            _partner("ErkenningsInstantie"),
            _code("Reden"),
            _code("Type"),
            _text("DatumIngediendBijPartner"),
            _text("DatumAntwoordPartner"),
            _code("AntwoordPartnerCode"),
            _text("Opdrachtgever"),
            _text("DossiernummerBijPartner"),
        ),
    ),
    _array(
        "ToeleidingenPartner",
        _object(
            "ToeleidingPartner",
            _text("ExterneID"),
            _partner("Van"),
            _office("Naar"),
            _text("DatumOntvangen"),
            _text("Status"),
            _text("Reden"),
            _text("RedenOmschrijving"),
        ),
    ),
    _array(
        "Inbreuken",
        _object(
            "Inbreuk",
            _text("Type"),
            _text("SanctionerendeOverheid"),
            _text("DatumVaststelling"),
            _text("DatumIngebrekestellingVerzonden"),
            _text("Motivering"),
            _object(
                "FeitenRelaas",
                _array(
                    "Activiteiten",
                    _object(
                        "Activiteit",
                        _text("ID"),
                        _text("Type"),
                        _text("DatumUitgevoerd"),
                        _text("CommentaarFeitenRelaas"),
                    ),
                ),
                _array(
                    "Communicaties",
                    _object("Communicatie", _text("DatumAanmaak"), _code("TypeDocument")),
                ),
            ),
            _object(
                "RechtzettingsFormulier",
                _text("DocumentID"),
                _text("DatumAanmaak"),
                _text("DatumOndertekening"),
                _office(),
            ),
        ),
    ),
    _object(
        "Talenkennis",
        _array(
            "Talen",
            _object("Taal", _text("Code"), _boolean("ContactTaal"), _code("KennisNiveau")),
        ),
        _object(
            "Alfabetiseringsgraad",
            _code("LatijnsSchrift"),
            _object("AnderSchrift", _code("Code"), _text("Taal")),
        ),
        _object("BehaaldNT2Niveau", _code("HoogstBehaald"), _code("RecentstBehaald")),
    ),
    _array("Wachtlijst", _object("Aanmelding", _code("Code"), _code("Module"), _text("Datum"))),
    _object(
        "VoorkeurenKlant",
        _text("DatumGewensteStart"),
        _code("RedenDatumGewensteStart"),
        _text("Intensiteit"),
        _array("Centra", _partner("Centrum")),
        _array("PostkantonCodes", _text("PostkantonCode")),
        _array(
            "VoorkeurLesMomenten",
            _object(
                "VoorkeurLesMoment",
                _repeated(_object("LesVoorkeurLesMoment", _text("Code"))),
                _period("PeriodeGeldigheid"),
                _code("RedenBeperking"),
            ),
        ),
    ),
    _array(
        "Gesprekken",
        _object("Gesprek", _text("Datum"), _office("GeregistreerdBij"), _text("ToeleidingID")),
    ),
    _object(
        "Wooncode",
        _boolean("MoetVoldoenAanInburgeringsBereidheid"),
        _boolean("VoldoetAanInburgeringBereidheid"),
        _boolean("MoetVoldoenAanTaalBereidheid"),
        _boolean("VoldoetAanTaalBereidheid"),
        _text("OpvolgingDoor"),
    ),
)

BLOCKS: tuple[str, ...] = tuple(block.json for block in KBI.children)


class DerivedField(StrEnum):
    """Fields that protocols name and the service computes; `app.derived` computes them."""

    CONTRACT_SIGNED = "contract.ondertekend"
    CERTIFICATE_OBTAINED = "attest.inburgeringBehaald"
    CONTACT_LANGUAGES = "talenkennis.contacttaal"
    DUTCH_LEVEL = "talenkennis.niveauNederlands"
    SOCIAL_ORIENTATION = "maatschappelijkeOrientatie.status"


class ContactField(StrEnum):
    """Contact details, which come from the register of persons and not from the KBI."""

    FIRST_NAME = "contact.voornaam"
    LAST_NAME = "contact.achternaam"
    ADDRESS = "contact.adres"
    TELEPHONE = "contact.telefoon"
    EMAIL = "contact.email"


_SOURCES: Mapping[str, str] = {
    DerivedField.CONTRACT_SIGNED: "contracten",
    DerivedField.CERTIFICATE_OBTAINED: "behaaldeAttesten",
    DerivedField.CONTACT_LANGUAGES: "talenkennis",
    DerivedField.DUTCH_LEVEL: "talenkennis",
    DerivedField.SOCIAL_ORIENTATION: "trajecten",
}
_CONTACT: frozenset[str] = frozenset(field.value for field in ContactField)

# Can tell something about health, or about an offence: personal data of articles 9 and 10 of the
# general data protection regulation, which no protocol grants unless its table says so (art. 3).
_SPECIAL_GROUPS = (
    "contracten[].opschortingen[].reden",
    "doelgroep.redenGeenDoelgroep",
    "doelgroep.redenVrijstellingVanDeVerplichting",
    "inbreuken[]",
    "trajecten[].besluit.reden",
    "trajecten[].trajectOnderdelen[].besluit.reden",
    "uitstellenVanAanmelding[].reden",
    "uitstellenVanOndertekening[].reden",
    "vormingsActiviteiten.ploCursussen[].besluit.reden",
)

# Granted and delivered as one: their value is an object or a list.
_WHOLE = frozenset(
    {
        DerivedField.CONTACT_LANGUAGES.value,
        DerivedField.DUTCH_LEVEL.value,
        DerivedField.SOCIAL_ORIENTATION.value,
        ContactField.ADDRESS.value,
    }
)


def _leaf_ids(element: Element, path: str) -> Iterator[str]:
    """The ids of all leaves of what stands at `path`."""
    if element.kind is Kind.ARRAY:
        yield from _leaf_ids(element.children[0], path + "[]")
        return
    if element.kind in (Kind.TEXT, Kind.BOOLEAN):
        yield path
        return
    if element.kind is Kind.CODE:
        yield f"{path}.code"
    for attribute in element.attributes:
        yield f"{path}.{json_name(attribute)}"
    for child in element.children:
        yield from _leaf_ids(child, f"{path}.{child.json}" + "[]" * child.repeated)


CATALOGUE: tuple[str, ...] = tuple(
    sorted(
        [
            *(id_ for block in KBI.children for id_ in _leaf_ids(block, block.json)),
            *(field.value for field in DerivedField),
            *_CONTACT,
        ]
    )
)
CATALOGUE_HASH: str = digest(list(CATALOGUE))


def _groups() -> dict[str, frozenset[str]]:
    """Every id, leaf or group, with the leaves that it stands for."""
    members: dict[str, set[str]] = {}
    for leaf in CATALOGUE:
        parts = leaf.split(".")
        for length in range(1, len(parts) + 1):
            members.setdefault(".".join(parts[:length]), set()).add(leaf)
    return {id_: frozenset(below) for id_, below in members.items()}


_GROUPS = _groups()
_LEAVES = frozenset(CATALOGUE)
SPECIAL: frozenset[str] = frozenset().union(*(_GROUPS[group] for group in _SPECIAL_GROUPS))


def is_known(id_: str) -> bool:
    """True for a leaf or a group of the catalogue."""
    return id_ in _GROUPS


def leaves(id_: str) -> frozenset[str]:
    """The leaves that an id stands for: a leaf for itself, a group for all below it.

    A group is a leaf id cut before a dot (`contact`, `contracten[]`, `trajecten[].beheerder`).
    Raises `FieldUnknown`.
    """
    if id_ not in _GROUPS:
        raise FieldUnknown
    return _GROUPS[id_]


def expand(ids: Collection[str]) -> tuple[str, ...]:
    """The leaves that these ids stand for together, sorted. Raises `FieldUnknown`."""
    return tuple(sorted(frozenset().union(*map(leaves, ids))))


@lru_cache(maxsize=256)
def blocks(leaves: frozenset[str]) -> frozenset[str]:
    """The KBI blocks that these leaves are read or computed from."""
    return frozenset(
        _SOURCES.get(leaf) or leaf.split(".")[0].removesuffix("[]")
        for leaf in leaves
        if leaf not in _CONTACT
    )


def needs_contact(leaves: Collection[str]) -> bool:
    """True when one of these leaves comes from the register of persons."""
    return not _CONTACT.isdisjoint(leaves)


class Projection(NamedTuple):
    """What is kept of a document, and the leaves of which a value is in it, sorted."""

    document: dict[str, Any]
    leaves: list[str]


def project(dossier: Mapping[str, Any], leaves: Collection[str]) -> Projection:
    """The document with nothing but these leaves; what keeps nothing is left out, at any depth.

    A value that has not the form of its field (an object where the catalogue has a text) is left
    out too, so that nothing travels below a granted leaf. Raises `FieldUnknown` for anything but
    a leaf. Values are shared with `dossier`, which holds what JSON does: dicts and lists.
    """
    found: set[str] = set()
    document = _keep_object(_branches(frozenset(leaves)), dossier, found)
    return Projection(document, sorted(found))


class _Branch(NamedTuple):
    """A JSON property on the way to wanted leaves."""

    name: str
    many: bool  # an array of what is below
    leaf: str | None  # the id, where the way ends
    whole: bool  # a leaf that may hold more than a text or a yes or no
    below: tuple["_Branch", ...]


# A caller asks few different sets of fields; walking the ids again for each answer is wasted.
@lru_cache(maxsize=256)
def _branches(leaves: frozenset[str]) -> tuple[_Branch, ...]:
    if not leaves <= _LEAVES:
        raise FieldUnknown
    return _split(sorted(leaves), 0)


def _split(leaves: list[str], depth: int) -> tuple[_Branch, ...]:
    below: dict[str, list[str]] = {}
    for leaf in leaves:
        below.setdefault(leaf.split(".")[depth], []).append(leaf)
    return tuple(_branch(part, depth, group) for part, group in below.items())


def _branch(part: str, depth: int, leaves: list[str]) -> _Branch:
    ends = leaves[0].count(".") == depth
    return _Branch(
        part.removesuffix("[]"),
        part.endswith("[]"),
        leaves[0] if ends else None,
        ends and leaves[0] in _WHOLE,
        () if ends else _split(leaves, depth + 1),
    )


def _keep_object(
    branches: tuple[_Branch, ...], document: Mapping[str, Any], found: set[str]
) -> dict[str, Any]:
    kept = {}
    for branch in branches:
        value = document.get(branch.name)
        if value is None:
            continue
        if branch.many:
            items = value if isinstance(value, list) else ()
            value = [item for each in items if (item := _keep(branch, each, found)) is not None]
        else:
            value = _keep(branch, value, found)
        if value or value is False:
            kept[branch.name] = value
    return kept


def _keep(branch: _Branch, value: Any, found: set[str]) -> Any:
    """What is kept of a value; None for nothing."""
    _, _, leaf, whole, below = branch
    if leaf is None:
        return (_keep_object(below, value, found) or None) if isinstance(value, dict) else None
    if not ((value or value is False) and (whole or isinstance(value, (str, bool)))):
        return None
    found.add(leaf)
    return value
