"""The protocol document: one change in a valid document, one fault with its place."""

import json
from copy import deepcopy
from datetime import date, timedelta
from functools import reduce
from pathlib import Path
from typing import Any

import pytest

from app import canonical, documents, fields, plain_yaml, register_lists
from app.agreement import CONTENTS, Document, overdue, warnings
from app.clauses import Standing, keep_until, notice_end, opened_by
from app.notation import DocumentInvalid, Fault
from app.policy import (
    Clause,
    Operation,
    Period,
    Population,
    PopulationKind,
    Quota,
    QuotaPeriod,
)
from app.register_lists import LISTS, Delegate

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
    parsed = documents.from_data(data)
    assert isinstance(parsed, Document)
    return parsed


def faults(data: Any) -> tuple[Fault, ...]:
    """What is wrong with the data."""
    with pytest.raises(DocumentInvalid) as caught:
        documents.from_data(data)
    return caught.value.faults


def clauses(of: Document, **changes: Any) -> list[Clause]:
    """The clauses today, with nothing set by an operator, except what a test names."""
    return opened_by(of, documents.document_hash(of), Standing(**changes), TODAY)


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
UNBOUNDED = "lies outside rechtsgrond.begrenzing"

FAULTS = [
    # path, value, place, rule (its beginning)
    ("formaat", "anders", "formaat", "Input should be"),
    ("formaat", REMOVED, "formaat", MISSING),
    ("id", "Met Spaties", "id", "String should match"),
    ("id", "proef\n", "id", "String should match"),
    ("versie", 1, "versie", "Input should be a valid string"),
    ("versie", "", "versie", "String should match"),
    ("versie", "1/../2", "versie", "String should match"),
    ("versie", ".1", "versie", "String should match"),
    ("versie", "1" * 21, "versie", "String should match"),
    ("titel", "  ", "titel", "String should match"),
    ("onbekend", "x", "onbekend", "Extra inputs are not permitted"),
    ("status", "actief", "status", "Input should be 'volledig', 'concept' or 'beeindigd'"),
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
    (f"{GROUND}.begrenzing", [], "doeleinden[0].rechtsgrond.begrenzing", "Tuple should have"),
    (f"{GROUND}.begrenzing", ["n"], "doeleinden[0].rechtsgrond.begrenzing[0]", "is no field"),
    (f"{GROUND}.begrenzing", ["personalia.insz"], f"{IN_ACCESS}.velden[1].veld", UNBOUNDED),
    (f"{GROUND}.begrenzing", ["contact"], f"{IN_ACCESS}.velden[0].veld", UNBOUNDED),
    # A group that reaches outside in part is outside.
    (
        f"{GROUND}.begrenzing",
        ["personalia.insz", "contact.email", "contact.telefoon"],
        f"{IN_ACCESS}.velden[1].veld",
        UNBOUNDED,
    ),
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
    (
        "doeleinden.1.toegang.1",
        {**VALID["doeleinden"][0]["toegang"][1], "namens": "nis:71016"},
        "doeleinden[1].toegang[1].namens",
        "is another body than elsewhere in the document",
    ),
    (f"{ACCESS}.quota.0.operatie", "queryDossierBatch", f"{IN_ACCESS}.quota[0].operatie", "is not"),
    (
        f"{ACCESS}.quota.1",
        {"operatie": "createLijst", "aantal": 2, "per": "halfjaar", "tekst": "2 keer."},
        f"{IN_ACCESS}.quota[1].operatie",
        TWICE,
    ),
    (
        ACCESS,
        {
            **VALID["doeleinden"][0]["toegang"][0],
            "operaties": ["queryDossier", "queryDossierBatch"],
            "quota": [
                {"operatie": "queryDossier", "aantal": 1, "per": "halfjaar", "tekst": "1 keer."}
            ],
        },
        f"{IN_ACCESS}.quota[0].operatie",
        "is not counted by queryDossierBatch",
    ),
    (f"{ACCESS}.quota.0.per", "maand", f"{IN_ACCESS}.quota[0].per", "Input should be"),
    (f"{ACCESS}.quota.0.aantal", 0, f"{IN_ACCESS}.quota[0].aantal", "Input should be greater"),
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


KINDS = "must be one of " + ", ".join(LISTS)
LIST_FAULTS = [
    (DELEGATES, "lijst", "andere", "lijst", KINDS),
    (DELEGATES, "lijst", ["gemachtigden"], "lijst", KINDS),
    (DELEGATES, "gemachtigden.0.organisatie", "", "gemachtigden[0].organisatie", "String should"),
    (DELEGATES, "gemachtigden.0.tot", "2026-02-28", "gemachtigden[0].tot", "lies before van"),
    (DELEGATES, "gemachtigden.0.tot", "2026-04-01", "gemachtigden[2].van", "overlaps another"),
    (DELEGATES, "gemachtigden.0.tot", None, "gemachtigden[2].van", "overlaps another"),
    (DELEGATES, "gemachtigden.0.namens", "x", "gemachtigden[0].namens", "Extra inputs"),
    (PROFILES, "organisatie", REMOVED, "organisatie", MISSING),
    (PROFILES, "profielen.1", "a", "profielen[1]", TWICE),
    *(
        (PROFILES, "profielen.1", unsendable, "profielen[1]", "String should match")
        for unsendable in ("", " b", "b ", "b\n", "b\tc", "coördinator", "b" * 101, "b\x7f")
    ),
]


@pytest.mark.parametrize(("source", "path", "value", "place", "rule"), LIST_FAULTS)
def test_one_change_in_a_list_gives_the_fault_with_its_place(
    source: dict[str, Any], path: str, value: Any, place: str, rule: str
) -> None:
    [fault] = faults(changed(source, path, value))

    assert fault.place == place
    assert fault.rule.startswith(rule)


@pytest.mark.parametrize("name", ["!", "b" * 100, "a, b", "hoofd van de dienst (B+)"])
def test_a_profile_is_whatever_a_header_can_carry(name: str) -> None:
    parsed = documents.from_data(changed(PROFILES, "profielen.1", name))

    assert isinstance(parsed, register_lists.ProfileList)
    assert parsed.profiles == ("a", name)


def test_one_body_is_acted_for_in_several_purposes() -> None:
    same = VALID["doeleinden"][0]["toegang"][1]

    parsed = documents.from_data(changed(VALID, "doeleinden.1.toegang.1", same))

    assert isinstance(parsed, Document)
    assert [purpose.accesses[1].on_behalf_of for purpose in parsed.purposes] == ["stad", "stad"]


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


@pytest.mark.parametrize("last", [None, "operator"])
def test_what_is_over_names_its_last_day(last: str | None) -> None:
    data = changed(changed(VALID, "geldigTot", last), "status", "beeindigd")
    if last:
        data = changed(data, "termijn", TERM)

    assert faults(data) == (Fault("status", "beeindigd needs a date in geldigTot"),)


def test_what_the_ground_bounds_may_be_granted_whole_or_in_part() -> None:
    bounded = document(doeleinden__0__rechtsgrond__begrenzing=["personalia", "contact"])

    [clause, *_] = clauses(bounded)

    assert clause.fields == fields.leaves("contact") | {"personalia.insz"}


def test_a_bound_holds_for_its_own_purpose_alone() -> None:
    bounded = document(doeleinden__1__rechtsgrond__begrenzing=["personalia.insz"])

    assert fields.leaves("contact") <= clauses(bounded)[0].fields


def test_a_municipality_gets_no_more_than_its_decree_allows() -> None:
    genk = plain_yaml.read((PROTOCOLS / "genk-2021.yaml").read_text(encoding="utf-8"))
    grants = genk["doeleinden"][0]["toegang"][0]["velden"]

    found = faults(
        changed(genk, f"{ACCESS}.velden.{len(grants)}", {**GRANT, "veld": "contact.adres"})
    )

    assert found == (Fault(f"{IN_ACCESS}.velden[{len(grants)}].veld", UNBOUNDED),)


# Every leaf that can tell of health or an offence, and every group that holds one.
SPECIAL_IDS = {
    leaf.rsplit(".", cut)[0] for leaf in fields.SPECIAL for cut in range(leaf.count(".") + 1)
}


def granting(id_: str, **own: str) -> dict[str, Any]:
    """The valid document with one more grant."""
    grant = {"veld": id_, "verantwoording": "Nodig.", **own}
    return changed(VALID, f"{ACCESS}.velden.2", grant)


@pytest.mark.parametrize("id_", sorted(SPECIAL_IDS))
def test_what_can_tell_of_health_or_an_offence_is_granted_in_so_many_words(id_: str) -> None:
    silent = faults(granting(id_))
    spoken = documents.from_data(granting(id_, bijzondereCategorie="Art. 9, 2, g, van de AVG."))

    place, what = f"{IN_ACCESS}.velden[2].bijzondereCategorie", "a field of articles 9 and 10"
    assert silent == (Fault(place, f"is required with {what} of the regulation"),)
    assert isinstance(spoken, Document)


@pytest.mark.parametrize("id_", ["talenkennis", "contract.ondertekend", "trajecten[].beheerder"])
def test_no_other_field_is_called_special(id_: str) -> None:
    found = faults(granting(id_, bijzondereCategorie="Art. 9."))

    place = f"{IN_ACCESS}.velden[2].bijzondereCategorie"
    rule = "means nothing without a field of articles 9 and 10 of the regulation"
    assert found == (Fault(place, rule),)


@pytest.mark.parametrize(
    ("path", "value", "place"),
    [
        ("partijen.0.naam", " ", "partijen[0].naam"),
        (f"{ADVICE}.advies.gegevens.0.richting", "op", f"{IN_ADVICE}.advies.gegevens[0].richting"),
    ],
)
def test_an_item_at_fault_does_not_make_its_list_too_short(
    path: str, value: Any, place: str
) -> None:
    found = faults(changed(VALID, path, value))

    assert [fault.place for fault in found] == [place]


def test_a_fault_does_not_repeat_the_value() -> None:
    found = faults(changed(VALID, "geldigVan", "geheim"))

    assert "geheim" not in str(found)


def test_the_error_text_is_one_line_for_each_fault() -> None:
    with pytest.raises(DocumentInvalid, match=r"^id: Field required\nversie: Field required$"):
        documents.from_data(changed(changed(VALID, "id", REMOVED), "versie", REMOVED))


@pytest.mark.parametrize("name", CONTENTS)
def test_a_document_without_one_content_is_a_draft(name: str) -> None:
    draft = document(**{f"inhoud__{name}": REMOVED})

    assert (draft.missing, draft.draft) == ((name,), True)


def test_a_content_may_be_not_in_the_text_with_a_reason() -> None:
    full = document(inhoud__sancties={"nietInTekst": "De tekst zwijgt."})

    assert (full.missing, full.draft) == ((), False)


def test_a_document_without_contents_misses_all_thirteen() -> None:
    assert len(CONTENTS) == 13
    assert document(inhoud=REMOVED).missing == CONTENTS


def test_a_concept_stays_a_draft_however_complete() -> None:
    concept = document(status="concept")

    assert (concept.missing, concept.draft) == ((), True)


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


@pytest.mark.parametrize("version", ["1", "2026-07", "1.0.1", "A", "x" * 20])
def test_a_version_is_a_name_that_fits_in_an_address(version: str) -> None:
    assert document(versie=version).version == version


LAST = date(2026, 12, 31)
OVER = Fault("geldigTot", "has passed: a protocol that is over says `status: beeindigd`")


@pytest.mark.parametrize(
    ("status", "last", "today", "found"),
    [
        ("volledig", "2026-12-31", LAST - DAY, []),
        ("volledig", "2026-12-31", LAST, []),
        ("volledig", "2026-12-31", LAST + DAY, [OVER]),
        ("concept", "2026-12-31", LAST + DAY, [OVER]),
        ("beeindigd", "2026-12-31", LAST + DAY, []),
        ("beeindigd", "2026-12-31", LAST, []),
        ("volledig", None, date.max, []),
    ],
)
def test_a_document_is_overdue_from_the_day_after_its_last(
    status: str, last: str | None, today: date, found: list[Fault]
) -> None:
    assert overdue(document(status=status, geldigTot=last), today) == found


@pytest.mark.parametrize(
    ("status", "today", "warned"),
    [
        ("beeindigd", LAST - DAY, True),
        ("beeindigd", LAST, True),
        ("beeindigd", LAST + DAY, False),
        ("volledig", LAST, False),
        ("concept", LAST, False),
    ],
)
def test_what_says_that_it_is_over_while_its_end_lies_ahead_is_warned_about(
    status: str, today: date, warned: bool
) -> None:
    ahead = Fault("geldigTot", "lies ahead, although `status` says beeindigd")

    assert warnings(document(status=status), today) == ([ahead] if warned else [])


def test_an_end_that_the_operator_sets_is_never_overdue() -> None:
    assert overdue(document(geldigTot="operator", termijn=TERM), date.max) == []


LATE, UNKNOWN = (
    "lies after the protocol was made up or began",
    "is no full date: the order of advice and draft is unknown",
)


@pytest.mark.parametrize(
    ("advised", "signed", "rule"),
    [
        # The protocol begins on 2026-01-01: the earlier of both days counts.
        ("2025-12-14", "2025-12-15", None),
        ("2025-12-15", "2025-12-15", None),
        ("2025-12-16", "2025-12-15", LATE),
        ("2026-01-01", "2026-02-01", None),
        ("2026-01-02", "2026-02-01", LATE),
        ("2026-01-01", None, None),
        ("2026-01-02", None, LATE),
        (None, "2025-12-15", UNKNOWN),
        ("12-14", "2025-12-15", UNKNOWN),
        ("2025-11", "2025-12-15", UNKNOWN),
        ("2024", "2025-12-15", UNKNOWN),
    ],
)
def test_advice_comes_before_what_it_is_about(
    advised: str | None, signed: str | None, rule: str | None
) -> None:
    made = document(partijen__1__adviesFunctionaris__datum=advised, ondertekening__op=signed)

    place = "partijen[1].adviesFunctionaris.datum"
    assert warnings(made, TODAY) == ([Fault(place, rule)] if rule else [])


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("avsb-2021", [("partijen[1].adviesFunctionaris.datum", UNKNOWN)]),
        ("wetteren-2023", [("partijen[0].adviesFunctionaris.datum", LATE)]),
        ("genk-2021", []),
        ("mechelen-2021", []),
        ("vdab-2023", []),
    ],
)
def test_the_texts_themselves_warn_where_the_advice_came_late_or_without_a_date(
    name: str, expected: list[tuple[str, str]]
) -> None:
    text = documents.parse((PROTOCOLS / f"{name}.yaml").read_text(encoding="utf-8"))

    assert isinstance(text, Document)
    assert warnings(text, TODAY) == [Fault(place, rule) for place, rule in expected]


# YAML


def lines(text: str) -> list[Fault]:
    """The faults of a text."""
    with pytest.raises(DocumentInvalid) as caught:
        documents.parse(text)
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


CONTROL, NUMBER = "holds a control character", "holds a national number"
UNFIT = {
    "an escape": ('"\\e[2J"', CONTROL),
    "a bell": ('"a\\ab"', CONTROL),
    "a return": ('"a\\rb"', CONTROL),
    "a C1 character": ('"a\\x9bb"', CONTROL),
    "right to left": ('"a\\u202eb"', CONTROL),
    "right to left as it is": ("a\u202eb", CONTROL),
    "an isolate": ("a\u2066b", CONTROL),
    "nothing to see": ("a\u200bb", CONTROL),
    "a number": ("90722501478", NUMBER),
    "a number in quotes": ('"90722501478"', NUMBER),
    "a written number": ("zie 90.72.25-014.78 aub", NUMBER),
    "a number in other digits": ("٩٠٧٢٢٥٠١٤٧٨", NUMBER),
    "a number in a list": ("[x, 90722501478]", NUMBER),
    "a number over two lines": ("90.72.25\n  014.78", NUMBER),
}


@pytest.mark.parametrize("template", ["a: 1\nb: {}\n", "a: 1\n? {}\n: c\n"], ids=["text", "key"])
@pytest.mark.parametrize(("written", "rule"), UNFIT.values(), ids=UNFIT)
def test_what_nobody_may_read_in_a_text_is_refused_with_its_line_and_not_repeated(
    template: str, written: str, rule: str
) -> None:
    assert lines(template.format(written)) == [Fault("line 2", rule)]


def test_line_ends_and_tabs_are_no_control_characters() -> None:
    assert plain_yaml.read('a: "b\\tc\\nd"\n') == {"a": "b\tc\nd"}


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
    block, flow = documents.parse(BLOCK), documents.parse(FLOW)

    assert block == flow
    assert isinstance(block, register_lists.ProfileList)
    assert block.profiles == ("yes", "no", "een twee")


def test_the_hash_is_the_digest_of_what_was_written() -> None:
    text = json.dumps(VALID, indent=3, ensure_ascii=False)

    parsed = documents.parse(text)

    assert isinstance(parsed, Document)
    assert documents.as_data(parsed) == VALID
    assert documents.document_hash(parsed) == canonical.digest(VALID)


@pytest.mark.parametrize("path", sorted(PROTOCOLS.rglob("*.yaml")), ids=lambda path: path.stem)
def test_a_stored_document_reads_back_the_same(path: Path) -> None:
    parsed = documents.parse(path.read_text(encoding="utf-8"))

    stored = json.loads(json.dumps(documents.as_data(parsed)))

    assert documents.from_data(stored) == parsed


def test_one_other_letter_gives_another_hash() -> None:
    one, other = document(), document(titel="Proefprotocol.")

    assert documents.document_hash(one) != documents.document_hash(other)


def test_the_lists_are_no_part_of_the_hash() -> None:
    delegate = Delegate("zorgkas-een", Period())

    alone = {clause.hash for clause in clauses(document())}
    listed = {clause.hash for clause in clauses(document(), delegates=[delegate])}

    assert alone == listed == {documents.document_hash(document())}


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
        hash=documents.document_hash(document()),
        organisation="nis:71016",
        purpose="beleid",
        operations=frozenset({Operation.QUERY_DOSSIER, Operation.CREATE_LIJST}),
        fields=fields.leaves("contact") | {"personalia.insz"},
        population=Population(PopulationKind.RESIDENT, nis="71016"),
        valid=Period(date(2026, 1, 1), date(2026, 12, 31)),
        legal_ground=Period(date(2026, 2, 1), date(2026, 11, 30)),
        demands_profile=True,
        profiles=frozenset({"a"}),
        quotas=(Quota(Operation.CREATE_LIJST, 1, QuotaPeriod.YEAR),),
        known_as=("nis:71016", "stad"),
    )


def test_a_clause_reaches_what_its_municipality_absorbed_and_names_the_lists_that_hold() -> None:
    hashes = {
        ("opvolgingen", ""): "sha256:o",
        ("gemachtigden", ""): "sha256:g",
        ("functieprofielen", "stad"): "sha256:f",
        ("verwerkers", "nis:71016"): "sha256:v",
    }
    successions = documents.from_data(
        {
            "lijst": "opvolgingen",
            "gewijzigdOp": "2026-01-01",
            "opvolgingen": [
                {"oud": "10001", "nieuw": "71016", "vanaf": "2026-06-01", "soort": "samenvoeging"},
                {"oud": "10002", "nieuw": "71016", "vanaf": "2026-06-02", "soort": "samenvoeging"},
            ],
        }
    )

    opened = clauses(
        document(),
        hashes=hashes,
        successions=successions,
        delegates=[Delegate("zorgkas-een", Period())],
    )

    assert [sorted(each.population.places) for each in opened] == [
        ["10001", "71016"],
        ["10001", "71016"],
        [],
        [],
    ]
    assert [[kind for kind, _ in each.lists] for each in opened] == [
        ["opvolgingen", "verwerkers"],
        ["functieprofielen", "opvolgingen"],
        ["gemachtigden"],
        ["functieprofielen"],
    ]
    assert opened[0].lists[0] == ("opvolgingen", "sha256:o")


def test_a_clause_names_every_identifier_of_its_party_and_of_a_delegate_its_own() -> None:
    opened = clauses(document(), delegates=[Delegate("zorgkas-een", Period())])

    assert [(each.organisation, each.names) for each in opened] == [
        ("nis:71016", ("nis:71016", "stad")),
        ("stad", ("nis:71016", "stad")),
        ("zorgkas-een", ("zorgkas-een",)),
        ("stad", ("nis:71016", "stad")),
    ]


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
    parsed = documents.from_data(DELEGATES)

    assert isinstance(parsed, register_lists.DelegateList)
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
        (date(9994, 12, 31), None, date(9999, 12, 30), True),
        (date(9995, 1, 1), None, date.max - DAY, True),
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
    ("months", "given", "fixed", "last"),
    [
        # months of notice, the day of the notice, the end in the text, the last valid day
        (12, date(2026, 3, 15), None, date(2027, 3, 15)),
        (3, date(2026, 11, 30), None, date(2027, 2, 28)),
        (3, date(2027, 11, 30), None, date(2028, 2, 29)),
        (1, date(2026, 1, 31), None, date(2026, 2, 28)),
        (1, date(2026, 2, 28), None, date(2026, 3, 28)),
        (1, date(2026, 3, 31), None, date(2026, 4, 30)),
        (12, date(2028, 2, 29), None, date(2029, 2, 28)),
        (1, date(2026, 12, 31), None, date(2027, 1, 31)),
        (3, date(2026, 9, 29), "2026-12-31", date(2026, 12, 29)),
        (3, date(2026, 9, 30), "2026-12-31", date(2026, 12, 30)),
        (3, date(2026, 10, 1), "2026-12-31", date(2026, 12, 31)),
        (None, date(2026, 3, 15), None, None),
        (None, date(2026, 3, 15), "2026-12-31", None),
        # no later day can be written
        (1, date(9999, 11, 30), None, date(9999, 12, 30)),
        (1, date(9999, 12, 1), None, date.max),
        (1000, date(9999, 12, 31), None, date.max),
        (1, date(9999, 12, 1), "2026-12-31", date(2026, 12, 31)),
    ],
)
def test_a_notice_counts_calendar_months_and_never_passes_the_end_in_the_text(
    months: int | None, given: date, fixed: str | None, last: date | None
) -> None:
    assert notice_end(document(opzegtermijnMaanden=months, geldigTot=fixed), given) == last


@pytest.mark.parametrize(
    ("retention", "delivered", "until"),
    [
        ({"jaren": 5, "vanaf": "mededeling"}, date(2026, 6, 1), date(2031, 6, 1)),
        ({"jaren": 5, "vanaf": "mededeling"}, date(2028, 2, 29), date(2033, 3, 1)),
        ({"jaren": 5, "vanaf": "mededeling"}, date(9995, 1, 1), date.max),
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
