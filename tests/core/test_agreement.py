"""The protocol document: one change in a valid document, one fault with its place."""

import json
from copy import deepcopy
from datetime import date, timedelta
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from app import agreement, canonical, fields, plain_yaml
from app.agreement import CONTENTS, Delegate, Document, DocumentInvalid, Fault
from app.clauses import keep_until, opened_by
from app.policy import Clause, Operation, Period, Population, PopulationKind

PROTOCOLS = Path(__file__).parents[2] / "protocols"
TODAY = date(2026, 6, 1)
DAY = timedelta(days=1)


def party(**own: Any) -> dict[str, Any]:
    """A party that holds what every party must."""
    return {
        "zetel": "Voorbeeldplein 1",
        "adviesFunctionaris": {"datum": "2025-11-10"},
        "functionaris": {"mailbox": "privacy@voorbeeldstad.example"},
        "bekendmaking": {"tekst": "Op de website."},
        **own,
    }


VALID: dict[str, Any] = {
    "formaat": "protocolpoort-protocol/1",
    "id": "proef-2026",
    "versie": "1",
    "titel": "Proefprotocol",
    "kader": "Voor de tests.",
    "documentdatum": None,
    "ondertekening": {"op": "2025-12-15"},
    "geldigVan": "2026-01-01",
    "geldigTot": "2026-12-31",
    "opzegtermijnMaanden": 12,
    "partijen": [
        party(rollen=["verstrekker"], naam="A", organisaties=["0543307391"], kbo="0543307391"),
        party(rollen=["ontvanger"], naam="B", organisaties=["nis:71016", "stad"], nis="71016"),
    ],
    "inhoud": {name: {"tekst": "Zie art. 1."} for name in CONTENTS},
    "doeleinden": [
        {
            "code": "beleid",
            "omschrijving": "Beleid.",
            "rechtsgrond": {"tekst": "Een decreet.", "van": "2026-02-01", "tot": "2026-11-30"},
            "toegang": [
                {
                    "voor": "ontvanger",
                    "organisaties": ["nis:71016", "stad"],
                    "operaties": ["queryDossier", "createLijst"],
                    "populatie": {"soort": "resident", "nis": "71016", "tekst": "Inwoners."},
                    "velden": [
                        {"veld": "personalia.insz", "verantwoording": "Identificatie."},
                        {"veld": "contact", "verantwoording": "Uitnodigen."},
                    ],
                    "functieprofielen": "geeist",
                    "quota": [
                        {
                            "operatie": "createLijst",
                            "aantal": 1,
                            "per": "kalenderjaar",
                            "tekst": "1 keer.",
                        }
                    ],
                },
                {
                    "voor": "gemachtigden",
                    "namens": "stad",
                    "operaties": ["queryAdvies"],
                    "populatie": {"soort": "member", "tekst": "Leden."},
                    "functieprofielen": "nietGeeist",
                    "advies": {
                        "profiel": "strikt",
                        "gegevens": [
                            {"gegeven": "INSZ", "richting": "in", "verantwoording": "Nodig."}
                        ],
                    },
                },
            ],
            "bewaring": {"tekst": "5 jaar.", "jaren": 5, "vanaf": "mededeling"},
        },
        {
            "code": "uitwisseling",
            "omschrijving": "Uitwisseling.",
            "rechtsgrond": {"tekst": "Een decreet.", "van": None, "tot": None},
            "toegang": [
                {
                    "voor": "ontvanger",
                    "organisaties": ["stad"],
                    "operaties": ["exchangeVdab"],
                    "populatie": {"soort": "any", "tekst": "Iedereen."},
                    "velden": [{"veld": "personalia.insz", "verantwoording": "Sleutel."}],
                    "functieprofielen": "nietGeeist",
                    "uitwisseling": {
                        "stappen": [{"van": "A", "aan": "B", "tekst": "Een bestand."}],
                        "gegevens": [
                            {
                                "code": code,
                                "gegeven": code,
                                "bron": "kbi",
                                "verantwoording": "Nodig.",
                            }
                            for code in ("geslacht", "doelgroep")
                        ],
                    },
                }
            ],
            "bewaring": {"tekst": "Tot het overlijden.", "vanaf": "overlijden"},
        },
    ],
    "incident": {"uren": 24, "pogingen": True, "tekst": "24 uur."},
    "gegevensfout": {
        "weken": 2,
        "vanaf": "vaststelling",
        "wederzijds": False,
        "tekst": "2 weken.",
    },
    "verwerkers": {
        "tekst": "Met overeenkomst.",
        "lijst": [{"naam": "C", "kbo": "0887010362", "overeenkomstOp": None}],
    },
}
DELEGATES = {
    "lijst": "gemachtigden",
    "protocol": "proef-2026",
    "gewijzigdOp": "2026-01-01",
    "gemachtigden": [
        {"organisatie": "zorgkas-twee", "van": "2026-03-01", "tot": "2026-03-31"},
        {"organisatie": "zorgkas-een", "van": "2026-01-01"},
        {"organisatie": "zorgkas-twee", "van": "2026-04-01", "tot": None},
    ],
}
PROFILES = {
    "lijst": "functieprofielen",
    "protocol": "proef-2026",
    "organisatie": "stad",
    "gewijzigdOp": "2026-01-01",
    "profielen": ["a", "b"],
}
REMOVED = object()


def changed(source: dict[str, Any], path: str, value: Any) -> dict[str, Any]:
    """A copy of the source with one value put, or taken away, at a path with dots."""
    copy = deepcopy(source)
    way: list[Any] = [int(part) if part.isdigit() else part for part in path.split(".")]
    last = way.pop()
    holder: Any = reduce(lambda inner, part: inner[part], way, copy)
    if value is REMOVED:
        del holder[last]
    elif isinstance(holder, list) and last == len(holder):
        holder.append(value)
    else:
        holder[last] = value
    return copy


def document(**changes: Any) -> Document:
    """The valid document with some paths (`__` for a dot) changed."""
    data = VALID
    for path, value in changes.items():
        data = changed(data, path.replace("__", "."), value)
    parsed = agreement.from_data(data)
    assert isinstance(parsed, Document)
    return parsed


def faults(data: Any) -> tuple[Fault, ...]:
    """What is wrong with the data."""
    with pytest.raises(DocumentInvalid) as caught:
        agreement.from_data(data)
    return caught.value.faults


def clauses(of: Document, **changes: Any) -> list[Clause]:
    """The clauses today, with nothing set by an operator, except what a test names."""
    defaults: dict[str, Any] = {
        "delegates": (),
        "profiles": {},
        "legal_ground_ends": {},
        "suspended_since": None,
        "ended_on": None,
        "today": TODAY,
    }
    return opened_by(of, **{**defaults, **changes})


ACCESS = "doeleinden.0.toegang.0"
ADVICE = "doeleinden.0.toegang.1"
EXCHANGE = "doeleinden.1.toegang.0"
GROUND = "doeleinden.0.rechtsgrond"
IN_ACCESS = "doeleinden[0].toegang[0]"
IN_ADVICE = "doeleinden[0].toegang[1]"
IN_EXCHANGE = "doeleinden[1].toegang[0]"
GRANT = VALID["doeleinden"][0]["toegang"][0]["velden"][0]
MISSING = "Field required"
NO_DATE = "must be a date that exists, written as 2021-10-01"
RECEIVES = "belongs to no party that receives"
TWICE = "stands twice"

FAULTS = [
    # path, value, place, rule (its beginning)
    ("formaat", "anders", "formaat", "Input should be"),
    ("formaat", REMOVED, "formaat", MISSING),
    ("id", "Met Spaties", "id", "String should match"),
    ("id", "proef\n", "id", "String should match"),
    ("versie", 1, "versie", "Input should be a valid string"),
    ("titel", "  ", "titel", "String should match"),
    ("onbekend", "x", "onbekend", "Extra inputs are not permitted"),
    ("status", "actief", "status", "Input should be 'volledig' or 'concept'"),
    ("geldigVan", None, "geldigVan", NO_DATE),
    ("geldigVan", "2026-02-30", "geldigVan", NO_DATE),
    ("geldigVan", "20260101", "geldigVan", NO_DATE),
    ("geldigVan", "2026-W01-1", "geldigVan", NO_DATE),
    ("geldigVan", "2026-01-01T00:00:00", "geldigVan", NO_DATE),
    ("geldigVan", 20260101, "geldigVan", NO_DATE),
    ("geldigVan", "operator", "geldigVan", NO_DATE),
    ("geldigTot", REMOVED, "geldigTot", MISSING),
    ("geldigTot", "nooit", "geldigTot", NO_DATE),
    ("geldigTot", float("nan"), "geldigTot", NO_DATE),
    ("geldigTot", "2025-12-31", "geldigTot", "lies before geldigVan"),
    ("geldigTot", "operator", "termijn", "is required with geldigTot: operator"),
    (
        "termijn",
        {"jaren": 5, "vanaf": "samenwerkingVan", "tekst": "5 jaar."},
        "termijn",
        "means nothing without geldigTot: operator",
    ),
    ("opzegtermijnMaanden", "12", "opzegtermijnMaanden", "Input should be a valid integer"),
    ("opzegtermijnMaanden", 0, "opzegtermijnMaanden", "Input should be greater than 0"),
    ("partijen", [], "partijen", "Tuple should have at least 2 items"),
    (
        "partijen.0.rollen",
        ["ontvanger"],
        "partijen",
        "must hold a party with the role verstrekker",
    ),
    ("partijen.0.rollen", [], "partijen[0].rollen", "Tuple should have at least 1 item"),
    ("partijen.0.kbo", "0543307392", "partijen[0].kbo", "is no enterprise number"),
    ("partijen.0.kbo", "0887010362", "partijen[0].organisaties[0]", "is another number than kbo"),
    ("partijen.0.kbo", REMOVED, "partijen[0].organisaties[0]", "is another number than kbo"),
    ("partijen.1.nis", "12025", "partijen[1].organisaties[0]", "is another code than nis"),
    ("partijen.1.nis", "1202", "partijen[1].nis", "String should match"),
    ("partijen.1.organisaties", [], "partijen[1].organisaties", "Tuple should have at least 1"),
    ("partijen.1.organisaties.2", "stad", "partijen[1].organisaties[2]", TWICE),
    ("partijen.1.organisaties.2", "Stad!", "partijen[1].organisaties[2]", "String should match"),
    ("partijen.1.adviesFunctionaris", REMOVED, "partijen[1].adviesFunctionaris", MISSING),
    (
        "partijen.1.adviesFunctionaris.datum",
        "6 september",
        "partijen[1].adviesFunctionaris.datum",
        NO_DATE,
    ),
    (
        "partijen.1.functionaris.mailbox",
        "geen",
        "partijen[1].functionaris.mailbox",
        "String should match",
    ),
    (
        "partijen.1.bekendmaking.adres",
        "http://x",
        "partijen[1].bekendmaking.adres",
        "String should match",
    ),
    ("inhoud.gegevens", {}, "inhoud.gegevens", "must hold either tekst or nietInTekst"),
    (
        "inhoud.gegevens",
        {"tekst": "x", "nietInTekst": "y"},
        "inhoud.gegevens",
        "must hold either tekst or nietInTekst",
    ),
    ("inhoud.gegevens.nietInTekst", True, "inhoud.gegevens.nietInTekst", "Input should be a valid"),
    ("inhoud.veertiende", {"tekst": "x"}, "inhoud.veertiende", "Extra inputs"),
    ("doeleinden", [], "doeleinden", "Tuple should have at least 1 item"),
    ("doeleinden.1.code", "beleid", "doeleinden[1].code", TWICE),
    ("doeleinden.0.code", "Het beleid", "doeleinden[0].code", "String should match"),
    ("doeleinden.0.toegang", [], "doeleinden[0].toegang", "Tuple should have at least 1 item"),
    ("doeleinden.0.bewaring", REMOVED, "doeleinden[0].bewaring", MISSING),
    ("doeleinden.0.bewaring.jaren", -1, "doeleinden[0].bewaring.jaren", "Input should be greater"),
    (GROUND, REMOVED, "doeleinden[0].rechtsgrond", MISSING),
    (f"{GROUND}.tekst", REMOVED, "doeleinden[0].rechtsgrond.tekst", MISSING),
    (f"{GROUND}.tot", REMOVED, "doeleinden[0].rechtsgrond.tot", MISSING),
    (f"{GROUND}.tot", "2026-01-31", "doeleinden[0].rechtsgrond.tot", "lies before van"),
    (f"{ACCESS}.voor", "iedereen", f"{IN_ACCESS}.voor", "Input should be 'ontvanger'"),
    (f"{ACCESS}.organisaties", REMOVED, f"{IN_ACCESS}.organisaties", "is required with ontvanger"),
    (f"{ACCESS}.organisaties.1", "nis:12025", f"{IN_ACCESS}.organisaties[1]", RECEIVES),
    (f"{ACCESS}.organisaties.1", "0543307391", f"{IN_ACCESS}.organisaties[1]", RECEIVES),
    (f"{ACCESS}.organisaties.2", "stad", "doeleinden[0].toegang[0].organisaties[2]", TWICE),
    (f"{ACCESS}.namens", "stad", f"{IN_ACCESS}.namens", "means nothing without gemachtigden"),
    (f"{ADVICE}.organisaties", ["stad"], f"{IN_ADVICE}.organisaties", "means nothing without"),
    (f"{ADVICE}.namens", REMOVED, f"{IN_ADVICE}.namens", "is required with gemachtigden"),
    (f"{ADVICE}.namens", "0543307391", f"{IN_ADVICE}.namens", RECEIVES),
    (f"{ACCESS}.operaties", [], f"{IN_ACCESS}.operaties", "Tuple should have at least 1 item"),
    (f"{ACCESS}.operaties.0", "queryAlles", f"{IN_ACCESS}.operaties[0]", "Input should be"),
    (f"{ACCESS}.operaties.2", "queryDossier", f"{IN_ACCESS}.operaties[2]", TWICE),
    (f"{ACCESS}.operaties.2", "queryAdvies", f"{IN_ACCESS}.advies", "is required with an advice"),
    (
        f"{ACCESS}.operaties.2",
        "queryDeelnemers",
        f"{IN_ACCESS}.operaties[2]",
        "cannot use the population kind resident",
    ),
    (
        f"{ACCESS}.populatie",
        {"soort": "any", "tekst": "Iedereen."},
        f"{IN_ACCESS}.operaties[0]",
        "cannot use the population kind any",
    ),
    (f"{ACCESS}.populatie.soort", "buren", f"{IN_ACCESS}.populatie.soort", "Input should be"),
    (f"{ACCESS}.populatie.nis", REMOVED, f"{IN_ACCESS}.populatie.nis", "is required for the"),
    (f"{ACCESS}.populatie.project", "p", f"{IN_ACCESS}.populatie.project", "means nothing for"),
    (f"{ADVICE}.populatie.nis", "71016", f"{IN_ADVICE}.populatie.nis", "means nothing for the"),
    (f"{ACCESS}.velden", [], f"{IN_ACCESS}.velden", "is required with an operation that gives"),
    (f"{ACCESS}.velden.1.veld", "contactt", f"{IN_ACCESS}.velden[1].veld", "is no field or group"),
    (f"{ACCESS}.velden.1.veld", "personalia.insz", f"{IN_ACCESS}.velden[1].veld", TWICE),
    (
        f"{ACCESS}.velden.1.verantwoording",
        REMOVED,
        f"{IN_ACCESS}.velden[1].verantwoording",
        MISSING,
    ),
    (f"{ACCESS}.velden.1.verantwoording", "", f"{IN_ACCESS}.velden[1].verantwoording", "String"),
    (f"{ADVICE}.velden", [GRANT], f"{IN_ADVICE}.velden", "means nothing without an operation"),
    (f"{ACCESS}.functieprofielen", REMOVED, f"{IN_ACCESS}.functieprofielen", MISSING),
    (f"{ACCESS}.functieprofielen", None, f"{IN_ACCESS}.functieprofielen", "Input should be"),
    (f"{ADVICE}.advies", REMOVED, f"{IN_ADVICE}.advies", "is required with an advice operation"),
    (f"{ADVICE}.advies.profiel", REMOVED, f"{IN_ADVICE}.advies.profiel", MISSING),
    (f"{ADVICE}.advies.profiel", "mild", f"{IN_ADVICE}.advies.profiel", "Input should be"),
    (f"{ADVICE}.advies.gegevens", [], f"{IN_ADVICE}.advies.gegevens", "Tuple should have"),
    (f"{ADVICE}.operaties", ["createLijst"], f"{IN_ADVICE}.advies", "means nothing without an"),
    (f"{EXCHANGE}.uitwisseling", REMOVED, f"{IN_EXCHANGE}.uitwisseling", "is required with"),
    (
        f"{EXCHANGE}.uitwisseling.gegevens.1.code",
        "geslacht",
        f"{IN_EXCHANGE}.uitwisseling.gegevens[1].code",
        TWICE,
    ),
    (f"{EXCHANGE}.operaties", ["createLijst"], f"{IN_EXCHANGE}.uitwisseling", "means nothing"),
    (f"{ACCESS}.quota.0.operatie", "queryDossierBatch", f"{IN_ACCESS}.quota[0].operatie", "is not"),
    (f"{ACCESS}.quota.0.aantal", True, f"{IN_ACCESS}.quota[0].aantal", "Input should be a valid"),
    ("incident.uren", REMOVED, "incident.uren", MISSING),
    ("incident.pogingen", "ja", "incident.pogingen", "Input should be a valid boolean"),
    ("gegevensfout.vanaf", "ooit", "gegevensfout.vanaf", "Input should be"),
    ("verwerkers.lijst.0.kbo", "0887010361", "verwerkers.lijst[0].kbo", "is no enterprise number"),
    (
        "verwerkers.lijst.0.overeenkomstOp",
        "gisteren",
        "verwerkers.lijst[0].overeenkomstOp",
        NO_DATE,
    ),
]


@pytest.mark.parametrize(("path", "value", "place", "rule"), FAULTS)
def test_one_change_gives_the_fault_with_its_place(
    path: str, value: Any, place: str, rule: str
) -> None:
    found = faults(changed(VALID, path, value))

    assert place in [fault.place for fault in found]
    assert next(fault for fault in found if fault.place == place).rule.startswith(rule)


LIST_FAULTS = [
    (DELEGATES, "lijst", "andere", "lijst", "must be gemachtigden or functieprofielen"),
    (DELEGATES, "lijst", ["gemachtigden"], "lijst", "must be gemachtigden or functieprofielen"),
    (DELEGATES, "gemachtigden.0.organisatie", "", "gemachtigden[0].organisatie", "String should"),
    (DELEGATES, "gemachtigden.0.tot", "2026-02-28", "gemachtigden[0].tot", "lies before van"),
    (DELEGATES, "gemachtigden.0.tot", "2026-04-01", "gemachtigden[2].van", "overlaps another"),
    (DELEGATES, "gemachtigden.0.tot", None, "gemachtigden[2].van", "overlaps another"),
    (DELEGATES, "gemachtigden.0.namens", "x", "gemachtigden[0].namens", "Extra inputs"),
    (PROFILES, "organisatie", REMOVED, "organisatie", MISSING),
    (PROFILES, "profielen.1", "a", "profielen[1]", TWICE),
]


@pytest.mark.parametrize(("source", "path", "value", "place", "rule"), LIST_FAULTS)
def test_one_change_in_a_list_gives_the_fault_with_its_place(
    source: dict[str, Any], path: str, value: Any, place: str, rule: str
) -> None:
    [fault] = faults(changed(source, path, value))

    assert fault.place == place
    assert fault.rule.startswith(rule)


def test_reports_every_fault_at_once() -> None:
    data = changed(VALID, f"{ACCESS}.velden.0.veld", "bestaat.niet")
    data = changed(data, f"{ACCESS}.velden.1.verantwoording", REMOVED)
    data = changed(data, f"{GROUND}.tot", "2020-01-01")
    data = changed(data, "id", REMOVED)

    places = [fault.place for fault in faults(data)]

    assert places == [
        "id",
        "doeleinden[0].rechtsgrond.tot",
        f"{IN_ACCESS}.velden[0].veld",
        f"{IN_ACCESS}.velden[1].verantwoording",
    ]


def test_an_organisation_has_one_access_for_a_purpose() -> None:
    second = VALID["doeleinden"][0]["toegang"][0]

    found = faults(changed(VALID, "doeleinden.0.toegang.2", second))

    assert found == (
        Fault("doeleinden[0].toegang[2].organisaties[0]", TWICE),
        Fault("doeleinden[0].toegang[2].organisaties[1]", TWICE),
    )


def test_delegates_have_one_access_for_a_purpose() -> None:
    second = VALID["doeleinden"][0]["toegang"][1]

    found = faults(changed(VALID, "doeleinden.0.toegang.2", second))

    assert found == (Fault("doeleinden[0].toegang[2].voor", TWICE),)


def test_a_fault_does_not_repeat_the_value() -> None:
    found = faults(changed(VALID, "geldigVan", "geheim"))

    assert "geheim" not in str(found)


def test_the_error_text_is_one_line_for_each_fault() -> None:
    with pytest.raises(DocumentInvalid, match=r"^id: Field required\nversie: Field required$"):
        agreement.from_data(changed(changed(VALID, "id", REMOVED), "versie", REMOVED))


@pytest.mark.parametrize("name", CONTENTS)
def test_a_document_without_one_content_is_a_draft(name: str) -> None:
    draft = document(**{f"inhoud__{name}": REMOVED})

    assert (draft.missing, draft.complete, draft.draft) == ((name,), False, True)


def test_a_content_may_be_not_in_the_text_with_a_reason() -> None:
    full = document(inhoud__sancties={"nietInTekst": "De tekst zwijgt."})

    assert (full.missing, full.complete, full.draft) == ((), True, False)


def test_a_document_without_contents_misses_all_thirteen() -> None:
    assert len(CONTENTS) == 13
    assert document(inhoud=REMOVED).missing == CONTENTS


def test_a_concept_stays_a_draft_however_complete() -> None:
    concept = document(status="concept")

    assert (concept.complete, concept.draft) == (True, True)


@pytest.mark.parametrize(
    ("written", "read"),
    [
        ("2025-11-10", date(2025, 11, 10)),
        ("09-06", "09-06"),
        ("2025", "2025"),
        ("2025-11", "2025-11"),
        (None, None),
    ],
)
def test_the_date_of_an_advice_may_be_incomplete(written: str | None, read: object) -> None:
    parsed = document(partijen__1__adviesFunctionaris__datum=written)

    assert parsed.parties[1].advice.on == read


# YAML


def lines(text: str) -> list[Fault]:
    """The faults of a text."""
    with pytest.raises(DocumentInvalid) as caught:
        agreement.parse(text)
    return list(caught.value.faults)


INDIRECT = "aliases, anchors, tags and merge keys are refused"
BAD_YAML = [
    ("", "document", "must be a mapping of keys to values"),
    ("- a\n- b\n", "document", "must be a mapping of keys to values"),
    ("? [a, b]\n: c\n", "document", "every key must be text"),
    ("a: 1\nb: 2\na: 3\n", "line 3", "a key stands twice"),
    ("a:\n  b: 1\n  b: 1\n", "line 3", "a key stands twice"),
    ("a: &x 1\nb: *x\n", "line 1", INDIRECT),
    ("a: *x\n", "line 1", INDIRECT),
    ("a: !!python/object:os.system x\n", "line 1", INDIRECT),
    ("a: !!binary aGFsbG8=\n", "line 1", INDIRECT),
    ("a:\n  <<: {b: 1}\n", "line 2", INDIRECT),
    ("%YAML 1.1\n---\na: yes\n", "document", "directives are refused"),
    ("a: 1\n---\nb: 2\n", "line 2", "but found another document"),
    ("a: [1, 2\n", "line 2", "expected ',' or ']'"),
    ("a: \x00\n", "document", "is no readable YAML"),
    ("a: \ud800\n", "document", "is no readable YAML"),
    (f"a: {'9' * 5000}\n", "document", "is no readable YAML"),
    ("a: " + "[" * 50_000, "line 1", "is nested deeper than 20 levels"),
    ("a: " + "x" * plain_yaml.MAX_BYTES, "document", "is larger than 200000 bytes"),
]


@pytest.mark.parametrize(("text", "place", "rule"), BAD_YAML, ids=range(len(BAD_YAML)))
def test_refuses_what_is_no_plain_yaml(text: str, place: str, rule: str) -> None:
    [fault] = lines(text)

    assert fault.place == place
    assert rule in fault.rule


def test_keys_that_are_no_text_are_unknown_keys() -> None:
    data: dict[Any, Any] = {**VALID, 1: "x"}

    assert faults(data) == (Fault("1", "Extra inputs are not permitted"),)


BLOCK = """\
# who acts for whom
lijst: functieprofielen
protocol: proef-2026
organisatie: "stad"
gewijzigdOp: 2026-01-01   # a date stays a date
profielen:
  - 'yes'
  - no
  - >-
    een
    twee
"""
FLOW = (
    '{"profielen": ["yes", "no", "een twee"], "gewijzigdOp": "2026-01-01", "lijst":'
    ' "functieprofielen", "organisatie": "stad", "protocol": "proef-2026"}'
)


def test_layout_order_and_comments_mean_nothing() -> None:
    block, flow = agreement.parse(BLOCK), agreement.parse(FLOW)

    assert block == flow
    assert isinstance(block, agreement.ProfileList)
    assert block.profiles == ("yes", "no", "een twee")


def test_the_hash_is_the_digest_of_what_was_written() -> None:
    text = json.dumps(VALID, indent=3, ensure_ascii=False)

    parsed = agreement.parse(text)

    assert isinstance(parsed, Document)
    assert agreement.as_data(parsed) == VALID
    assert agreement.document_hash(parsed) == canonical.digest(VALID)


@pytest.mark.parametrize("path", sorted(PROTOCOLS.rglob("*.yaml")), ids=lambda path: path.stem)
def test_a_stored_document_reads_back_the_same(path: Path) -> None:
    parsed = agreement.parse(path.read_text(encoding="utf-8"))

    stored = json.loads(json.dumps(agreement.as_data(parsed)))

    assert agreement.from_data(stored) == parsed


def test_one_other_letter_gives_another_hash() -> None:
    one, other = document(), document(titel="Proefprotocol.")

    assert agreement.document_hash(one) != agreement.document_hash(other)


def test_the_lists_are_no_part_of_the_hash() -> None:
    delegate = Delegate("zorgkas-een", Period())

    alone = {clause.hash for clause in clauses(document())}
    listed = {clause.hash for clause in clauses(document(), delegates=[delegate])}

    assert alone == listed == {agreement.document_hash(document())}


# Clauses


def test_a_clause_for_each_organisation_purpose_and_access() -> None:
    delegates = [Delegate("zorgkas-een", Period()), Delegate("zorgkas-twee", Period())]

    opened = clauses(document(), delegates=delegates)

    assert [(clause.purpose, clause.organisation) for clause in opened] == [
        ("beleid", "nis:71016"),
        ("beleid", "stad"),
        ("beleid", "zorgkas-een"),
        ("beleid", "zorgkas-twee"),
        ("uitwisseling", "stad"),
    ]


def test_a_clause_says_everything_that_the_document_says() -> None:
    opened = clauses(document(), profiles={"nis:71016": frozenset({"a"})})

    assert opened[0] == Clause(
        protocol="proef-2026",
        version="1",
        hash=agreement.document_hash(document()),
        organisation="nis:71016",
        purpose="beleid",
        operations=frozenset({Operation.QUERY_DOSSIER, Operation.CREATE_LIJST}),
        fields=fields.leaves("contact") | {"personalia.insz"},
        population=Population(PopulationKind.RESIDENT, nis="71016"),
        valid=Period(date(2026, 1, 1), date(2026, 12, 31)),
        legal_ground=Period(date(2026, 2, 1), date(2026, 11, 30)),
        demands_profile=True,
        profiles=frozenset({"a"}),
    )


def test_an_organisation_without_a_list_of_profiles_has_none_instead_of_an_empty_one() -> None:
    [first, second, *_] = clauses(document(), profiles={"stad": frozenset()})

    assert (first.profiles, second.profiles) == (None, frozenset())


def test_a_delegate_has_its_own_members_and_says_for_whom_it_acts() -> None:
    [*_, delegated, _] = clauses(document(), delegates=[Delegate("zorgkas-een", Period())])

    assert delegated.population == Population(PopulationKind.MEMBER, organisation="zorgkas-een")
    assert delegated.on_behalf_of == "stad"
    assert delegated.advice_profile == "strikt"
    assert delegated.fields == frozenset()
    assert not delegated.demands_profile


@pytest.mark.parametrize(
    ("first", "last", "acts"),
    [
        (TODAY, TODAY, True),
        (TODAY + DAY, None, False),
        (None, TODAY - DAY, False),
        (None, None, True),
        (TODAY - DAY, TODAY + DAY, True),
    ],
)
def test_a_delegate_acts_on_its_own_days_only(
    first: date | None, last: date | None, acts: bool
) -> None:
    opened = clauses(document(), delegates=[Delegate("zorgkas-een", Period(first, last))])

    assert ("zorgkas-een" in {clause.organisation for clause in opened}) is acts


def test_a_list_of_delegates_never_changes_what_a_receiver_has() -> None:
    listed = clauses(document(), delegates=[Delegate("stad", Period())])

    assert listed == clauses(document())


def test_the_entries_of_a_list_are_delegates() -> None:
    parsed = agreement.from_data(DELEGATES)

    assert isinstance(parsed, agreement.DelegateList)
    assert parsed.delegates[0] == Delegate(
        "zorgkas-twee", Period(date(2026, 3, 1), date(2026, 3, 31))
    )
    assert parsed.delegates[1] == Delegate("zorgkas-een", Period(date(2026, 1, 1), None))


STATED, SET = date(2026, 11, 30), date(2026, 10, 1)
ENDS = [
    # in the text, set by the operator, the end, settled
    ("2026-11-30", {}, STATED, True),
    ("2026-11-30", {"beleid": SET}, SET, True),
    ("2026-11-30", {"beleid": STATED + DAY}, STATED, True),
    ("2026-11-30", {"beleid": None}, STATED, True),
    (None, {}, None, True),
    (None, {"beleid": SET}, SET, True),
    ("operator", {}, None, False),
    ("operator", {"uitwisseling": SET}, None, False),
    ("operator", {"beleid": SET}, SET, True),
    ("operator", {"beleid": None}, None, True),
]


@pytest.mark.parametrize(("stated", "ends", "last", "settled"), ENDS)
def test_a_legal_ground_ends_at_the_earliest_end_that_is_known(
    stated: str | None, ends: dict[str, date | None], last: date | None, settled: bool
) -> None:
    [clause, *_] = clauses(document(doeleinden__0__rechtsgrond__tot=stated), legal_ground_ends=ends)

    assert clause.legal_ground == Period(date(2026, 2, 1), last)
    assert clause.legal_ground_settled is settled


@pytest.mark.parametrize(
    ("stated", "ended", "last"),
    [
        ("2026-12-31", None, date(2026, 12, 31)),
        ("2026-12-31", date(2026, 6, 30), date(2026, 6, 30)),
        ("2026-12-31", date(2027, 6, 30), date(2026, 12, 31)),
        (None, date(2026, 6, 30), date(2026, 6, 30)),
        (None, None, None),
    ],
)
def test_a_protocol_ends_at_the_earliest_end(
    stated: str | None, ended: date | None, last: date | None
) -> None:
    opened = clauses(document(geldigTot=stated), ended_on=ended)

    assert {clause.valid for clause in opened} == {Period(date(2026, 1, 1), last)}


def test_a_suspension_holds_for_every_clause() -> None:
    opened = clauses(document(), suspended_since=TODAY)

    assert {clause.suspended_since for clause in opened} == {TODAY}


TERM = {"jaren": 5, "vanaf": "samenwerkingVan", "tekst": "5 jaar."}


@pytest.mark.parametrize(
    ("since", "ended", "last", "settled"),
    [
        (None, None, None, False),
        (None, date(2026, 6, 30), date(2026, 6, 30), False),
        (date(2022, 3, 1), None, date(2027, 2, 28), True),
        (date(2023, 3, 1), None, date(2028, 2, 29), True),
        (date(2024, 2, 29), None, date(2029, 2, 28), True),
        (date(2022, 3, 1), date(2026, 6, 30), date(2026, 6, 30), True),
    ],
)
def test_a_term_that_starts_outside_the_text_waits_for_the_operator(
    since: date | None, ended: date | None, last: date | None, settled: bool
) -> None:
    termed = document(geldigTot="operator", termijn=TERM)

    opened = clauses(termed, cooperation_since=since, ended_on=ended)

    assert {clause.valid.last for clause in opened} == {last}
    assert {clause.legal_ground_settled for clause in opened} == {settled}


@pytest.mark.parametrize(
    ("retention", "delivered", "until"),
    [
        ({"jaren": 5, "vanaf": "mededeling"}, date(2026, 6, 1), date(2031, 6, 1)),
        ({"jaren": 5, "vanaf": "mededeling"}, date(2028, 2, 29), date(2033, 3, 1)),
        ({"jaren": 5, "vanaf": "eindeZorgbudget"}, date(2026, 6, 1), None),
        ({"vanaf": "overlijden"}, date(2026, 6, 1), None),
    ],
)
def test_says_until_when_the_receiver_keeps_the_data_where_that_is_a_date(
    retention: dict[str, Any], delivered: date, until: date | None
) -> None:
    kept = document(doeleinden__0__bewaring={"tekst": "5 jaar.", **retention})

    assert keep_until(kept, "beleid", delivered) == until


def test_refuses_a_number_that_no_text_can_hold() -> None:
    [fault] = lines(f"opzegtermijnMaanden: 0o{'7' * 9000}")

    assert (fault.place, fault.rule) == ("document", "holds a number out of reach")
