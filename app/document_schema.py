"""The published JSON Schema of protocol documents and lists, made from their models. Pure."""

import json
from collections.abc import Mapping
from functools import cache
from typing import Any

from pydantic.json_schema import GenerateJsonSchema, models_json_schema
from pydantic_core import core_schema

from app.agreement import Document
from app.notation import FIELD_SCHEMA, Part
from app.register_lists import LISTS

# What an editor shows beside a key: for officials, so in Dutch.
_HELP: Mapping[str, Mapping[str, str]] = {
    "Document": {
        "formaat": "Altijd protocolpoort-protocol/1.",
        "id": "Kleine letters, cijfers en koppeltekens; hetzelfde voor elke versie.",
        "versie": "Tekst, dus tussen aanhalingstekens. Elke wijziging is een nieuwe versie.",
        "status": (
            "concept: nog niet om in werking te treden. beeindigd: de laatste dag is voorbij en "
            "het document wordt bewaard."
        ),
        "kader": "De regel onder de titel: in het kader waarvan het protocol gesloten is.",
        "geldigVan": "De eerste dag, in Brussel.",
        "geldigTot": (
            "De laatste dag die nog geldt, in Brussel; null voor onbepaalde duur; operator als "
            "het einde afhangt van wat niet in de tekst staat (dan is termijn verplicht)."
        ),
        "termijn": "Enkel met geldigTot: operator.",
        "partijen": "Minstens twee, waarvan één verstrekker.",
        "inhoud": "De 13 inhouden die het decreet eist; ontbreekt er één, dan is dit een ontwerp.",
        "bepalingen": "Afspraken zonder eigen sleutel.",
    },
    "Party": {
        "organisaties": (
            "Waarmee de organisatie van een token vergeleken wordt: een KBO-nummer, nis:<code> of "
            "een naam in kleine letters."
        ),
        "kbo": "Tien cijfers tussen aanhalingstekens, zonder punten.",
        "nis": "Vijf cijfers tussen aanhalingstekens.",
    },
    "Officer": {"mailbox": "Van de functie, nooit van een persoon."},
    "Advice": {"datum": "Zo volledig als de tekst: 2021-06-09, 2021-06, 2021, 06-09 of null."},
    "Content": {
        "tekst": "Wat de tekst zegt; of anders nietInTekst.",
        "nietInTekst": "Waarom de tekst er niets over zegt.",
    },
    "Purpose": {"code": "De naam van het doeleinde in een vraag."},
    "LegalGround": {
        "tot": "De laatste dag; null zonder einde; operator als de tekst het einde niet zegt.",
        "begrenzing": "Het meeste dat deze rechtsgrond toelaat; elk veld moet er binnen liggen.",
    },
    "Access": {
        "voor": "ontvanger, met organisaties; of gemachtigden, met namens.",
        "velden": "Een toegang die enkel advies geeft, heeft er geen.",
        "functieprofielen": "Of een vraag een functieprofiel moet dragen; nooit weg te laten.",
        "advies": "Enkel met queryAdvies of queryAdviesBatch.",
        "uitwisseling": "Enkel met exchangeVdab.",
        "lijst": (
            "Enkel met createLijst; verplicht voor de soort any. Zonder: wie een dossier heeft."
        ),
    },
    "Persons": {
        "soort": (
            "resident: ingeschreven in de gemeente van nis. member: lid van wie vraagt. "
            "participant, consent: deelnemer of toestemming, met nis en project. any: iedereen."
        ),
    },
    "Grant": {
        "veld": "Een veld of een groep van de catalogus.",
        "verantwoording": "Waarom dit veld nodig is voor het doeleinde.",
        "bijzondereCategorie": (
            "Waarom een gegeven van art. 9 of 10 van de AVG mag: verplicht voor zo'n veld, en "
            "enkel daar."
        ),
    },
    "ListTerms": {
        "wie": (
            "dossier: wie een dossier heeft. nok: wie op de toetsdatum van het gevraagde "
            "premiejaar niet voldoet, volgens profiel."
        ),
        "profiel": "Enkel met wie: nok.",
    },
    "Files": {
        "vanaf": (
            "bestandenVan of lijstdienstSinds: een dag die de tekst niet geeft en de beheerder "
            "vastlegt. Zonder bestandenVan weigert productie; zonder lijstdienstSinds loopt er "
            "geen termijn."
        ),
    },
    "Quota": {
        "aantal": "Hoe vaak de operatie in dat tijdvak mag slagen, per organisatie en doeleinde.",
        "per": "Kalenderjaar of halfjaar (vanaf 1 januari en 1 juli), in dagen van Brussel.",
    },
    "Retention": {
        "jaren": "Geteld vanaf de gebeurtenis in vanaf.",
        "maximum": "true als de tekst enkel een bovengrens geeft.",
    },
    "DelegateList": {"gewijzigdOp": "Wanneer de lijst voor het laatst veranderde."},
    "ProfileList": {"profielen": "Een lege lijst laat niemand toe."},
}


class _ForAuthors(GenerateJsonSchema):
    """Leaves out what helps no author: a title that repeats the key, an absent part as default."""

    def field_title_should_be_set(self, schema: Any) -> bool:
        return False

    def default_schema(self, schema: core_schema.WithDefaultSchema) -> dict[str, Any]:
        made = super().default_schema(schema)
        if not isinstance(made.get("default"), str | bool):
            made.pop("default", None)
        return made


def schema() -> dict[str, Any]:
    """JSON Schema 2020-12 of a protocol document or a list, with words in Dutch for its authors.

    Every text that `documents.parse` takes fits it. It checks each part by itself; rules that join
    parts (an end before a start, a population that an operation cannot use) are not in it.
    """
    models = [Document, *LISTS.values()]
    _, made = models_json_schema(
        [(model, "validation") for model in models], schema_generator=_ForAuthors
    )
    parts: dict[str, Any] = _said_once(made["$defs"])
    for part in parts.values():
        # The name of a class and its docstring, which are for programmers.
        part.pop("title")
        part.pop("description", None)
    for name, words in _HELP.items():
        for key, text in words.items():
            parts[name]["properties"][key]["description"] = text
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "$id": "urn:protocolpoort:schema:protocol:1",
        "title": "Protocolpoort: protocoldocument of lijst",
        "description": (
            "Een versie van een ondertekend protocol, of met de sleutel lijst een lijst ernaast. "
            "Regels over meer dan één sleutel staan hier niet in: die zegt de validatie."
        ),
        "type": "object",
        "properties": {"lijst": {"enum": list(LISTS)}},
        "allOf": [
            _when({"not": {"required": ["lijst"]}}, Document),
            *(
                _when({"properties": {"lijst": {"const": kind}}, "required": ["lijst"]}, model)
                for kind, model in LISTS.items()
            ),
        ],
        "$defs": dict(sorted({**parts, "FieldId": FIELD_SCHEMA}.items())),
    }


def _when(condition: dict[str, Any], model: type[Part]) -> dict[str, Any]:
    return {"if": condition, "then": {"$ref": f"#/$defs/{model.__name__}"}}


def _said_once(node: Any) -> Any:
    """The catalogue is long: it stands in one place and is referred to from the others."""
    if node == FIELD_SCHEMA:
        return {"$ref": "#/$defs/FieldId"}
    if isinstance(node, list):
        return [_said_once(item) for item in node]
    if isinstance(node, dict):
        return {key: _said_once(value) for key, value in node.items()}
    return node


@cache
def as_text() -> str:
    """The schema as it is published, in `openapi/` and by the service; JSON and a newline."""
    return json.dumps(schema(), indent=2, ensure_ascii=False) + "\n"
