"""What a new version grants or withdraws: said in words, completely, and never too mildly."""

from collections.abc import Iterator
from copy import deepcopy
from datetime import date, timedelta
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from test_agreement import (
    ACCESS,
    ADVICE,
    EXCHANGE,
    GRANT,
    GROUND,
    REMOVED,
    VALID,
    changed,
    clauses,
)

from app import documents
from app.agreement import CONTENTS, Document
from app.amendment import DEMANDS, PERSONS, PROFILES, Amendment, Effect, amendments
from app.notation import DocumentInvalid
from app.obligation import Profile
from app.policy import Clause, Granted, Period, PopulationKind, Question, QuotaPeriod, decide
from app.register_lists import Delegate

PROTOCOLS = Path(__file__).parents[2] / "protocols"
FIVE = ("avsb-2021", "genk-2021", "mechelen-2021", "vdab-2023", "wetteren-2023")
G, W, C = Effect.GRANTS, Effect.WITHDRAWS, Effect.CHANGES
OWN = "doeleinden[beleid].toegang[nis:71016, stad]"
BY_LIST = "doeleinden[beleid].toegang[gemachtigden namens stad]"
FILES = "doeleinden[uitwisseling].toegang[stad]"
THEY = "B (nis:71016) en B (stad) mogen voor beleid"
DELEGATES = "De gemachtigden namens B (stad) mogen voor beleid"
STRICT = "strikt (OK met een attest of gelijkgesteld besluit, vrijgesteld, geen plicht)"
IN_ORDER = "inOrde (OK ook in een lopende termijn, of een contract zonder open inbreuk)"
REST = "contact.achternaam, contact.adres, contact.telefoon en contact.voornaam"
TERM = {"jaren": 5, "vanaf": "samenwerkingVan", "tekst": "5 jaar."}


def grant(id_: str, **own: str) -> dict[str, str]:
    return {"veld": id_, "verantwoording": "Nodig.", **own}


def quota(maximum: int, per: str) -> dict[str, Any]:
    return {"operatie": "createLijst", "aantal": maximum, "per": per, "tekst": "Zo vaak."}


def read(data: dict[str, Any]) -> Document:
    parsed = documents.from_data(data)
    assert isinstance(parsed, Document)
    return parsed


def _protocol(name: str) -> Document:
    parsed = documents.parse((PROTOCOLS / f"{name}.yaml").read_text(encoding="utf-8"))
    assert isinstance(parsed, Document)
    return parsed


def between(old: dict[str, Any], new: dict[str, Any]) -> list[Amendment]:
    return amendments(read(old), read(new))


DATUM = VALID["doeleinden"][0]["toegang"][1]["advies"]["gegevens"][0]
REASON = {"gegeven": "de reden", "richting": "uit", "verantwoording": "Nodig."}
HEALTH = "doelgroep.redenGeenDoelgroep.code"
SERVICES = [f"een-van-de-vele-diensten-{nth}" for nth in range(3)]
MEMBERS = {"soort": "member", "tekst": "Inwoners."}
SHIFTED = {"tekst": "Een decreet.", "van": "2026-03-01", "tot": "2026-12-31"}
PARTY, TOWN = "partijen[nis:71016]", "doeleinden[beleid].toegang[nis:71016]"
KEPT_AT, GROUND_AT = "doeleinden[beleid].bewaring", "doeleinden[beleid].rechtsgrond"
ABSENT = "ontbreekt, zodat het document een ontwerp is"
REORDERED = "…: enkel de volgorde of de indeling verschilt."
WORDED = "…: de tekst verschilt."
ELSE = "…: de inhoud verschilt."
YEARLY = "hoogstens 1 keer per kalenderjaar"
EXCHANGED = "De uitwisseling voor uitwisseling omvat"
LIMITED = "De rechtsgrond van beleid, begrenzing: komt erbij (personalia.insz, contact)."
LATER = "vanaf 2026-03-01 tot en met 2026-12-31"
WAS = "(vroeger vanaf 2026-02-01 tot en met 2026-11-30)."
ENDLESS = "vanaf 2026-02-01 zonder einddatum"
OTHERS = ["queryDossier", "createLijst", "queryDossierBatch"]
ONE = [{"artikel": "art. 6", "tekst": "Iets."}]
TITLE = "Een heel ander protocol"

SENTENCES: list[tuple[str, Any, Effect, str, str]] = [
    # path, value, what is said of that one change (… is the place)
    (f"{ACCESS}.operaties", OTHERS, G, f"{OWN}.operaties", f"{THEY} ook {OTHERS[2]} gebruiken."),
    (f"{ACCESS}.operaties", OTHERS[1::-1], C, f"{OWN}.operaties", REORDERED),
    (
        f"{ACCESS}.velden.2",
        grant("talenkennis"),
        G,
        f"{OWN}.velden",
        f"{THEY} ook talenkennis opvragen.",
    ),
    (
        f"{ACCESS}.velden.2",
        grant("contract.ondertekend"),
        G,
        f"{OWN}.velden",
        f"{THEY} ook contract.ondertekend opvragen.",
    ),
    (
        f"{ACCESS}.velden.2",
        grant(HEALTH, bijzondereCategorie="Nodig."),
        G,
        f"{OWN}.velden",
        f"{THEY} ook {HEALTH} (gegevens van art. 9 of 10 van de AVG: {HEALTH}) opvragen.",
    ),
    (
        f"{ACCESS}.velden.1.veld",
        "contact.email",
        W,
        f"{OWN}.velden",
        f"{THEY} niet langer {REST} opvragen.",
    ),
    (
        f"{ACCESS}.velden.2",
        grant("contact.email"),
        C,
        f"{OWN}.velden[contact.email]",
        "Een aparte vermelding zonder gevolg voor de toegang, …: komt erbij.",
    ),
    (
        f"{ACCESS}.velden.1.verantwoording",
        "Anders.",
        C,
        f"{OWN}.velden[contact].verantwoording",
        WORDED,
    ),
    (
        f"{ACCESS}.populatie",
        MEMBERS,
        C,
        f"{OWN}.populatie",
        f"{THEY} vragen over de eigen leden (vroeger over wie ingeschreven is in gemeente 71016).",
    ),
    (f"{ACCESS}.populatie.tekst", "Wie er woont.", C, f"{OWN}.populatie.tekst", WORDED),
    (
        f"{ACCESS}.functieprofielen",
        "nietGeeist",
        G,
        f"{OWN}.functieprofielen",
        f"{THEY} ook zonder functieprofiel vragen (vroeger enkel met een functieprofiel).",
    ),
    (
        f"{ACCESS}.quota.0.aantal",
        2,
        G,
        f"{OWN}.quota[createLijst]",
        f"{THEY} createLijst hoogstens 2 keer per kalenderjaar gebruiken (vroeger {YEARLY}).",
    ),
    (
        f"{ACCESS}.quota",
        [],
        G,
        f"{OWN}.quota[createLijst]",
        f"{THEY} createLijst zonder quotum gebruiken (vroeger {YEARLY}).",
    ),
    (f"{ACCESS}.quota.0.tekst", "Eén keer.", C, f"{OWN}.quota[createLijst].tekst", WORDED),
    (
        f"{ADVICE}.advies.profiel",
        "inOrde",
        C,
        f"{BY_LIST}.advies",
        f"{DELEGATES} advies krijgen volgens {IN_ORDER}; vroeger volgens {STRICT}.",
    ),
    (
        f"{ADVICE}.advies.gegevens.1",
        REASON,
        G,
        f"{BY_LIST}.advies.gegevens",
        'Het advies voor beleid omvat ook "de reden" (uit).',
    ),
    (f"{ADVICE}.advies.gegevens.1", DATUM, C, f"{BY_LIST}.advies.gegevens[in: INSZ]", ELSE),
    (
        f"{EXCHANGE}.uitwisseling.gegevens.1",
        REMOVED,
        W,
        f"{FILES}.uitwisseling.gegevens",
        f"{EXCHANGED} niet langer doelgroep.",
    ),
    (
        f"{EXCHANGE}.uitwisseling.stappen.0.tekst",
        "Twee bestanden.",
        C,
        f"{FILES}.uitwisseling.stappen",
        ELSE,
    ),
    (f"{GROUND}.tot", None, G, GROUND_AT, f"De rechtsgrond van beleid geldt {ENDLESS} {WAS}"),
    (GROUND, SHIFTED, C, GROUND_AT, f"De rechtsgrond van beleid geldt {LATER} {WAS}"),
    (f"{GROUND}.begrenzing", ["personalia.insz", "contact"], C, f"{GROUND_AT}.begrenzing", LIMITED),
    (
        "doeleinden.0.bewaring.jaren",
        7,
        G,
        KEPT_AT,
        "Bewaren voor beleid: 7 jaar vanaf de mededeling (vroeger 5 jaar vanaf de mededeling).",
    ),
    (
        "doeleinden.0.bewaring.vanaf",
        "overlijden",
        C,
        KEPT_AT,
        "Bewaren voor beleid: 5 jaar tot het overlijden (vroeger 5 jaar vanaf de mededeling).",
    ),
    (
        "geldigVan",
        "2025-12-01",
        G,
        "geldigVan",
        "De nieuwe versie geldt vanaf 2025-12-01, de oude vanaf 2026-01-01.",
    ),
    (
        "geldigTot",
        "2027-01-31",
        G,
        "geldigTot",
        "Het protocol geldt tot en met 2027-01-31 (vroeger tot en met 2026-12-31).",
    ),
    (
        "partijen.1.naam",
        "C",
        C,
        PARTY,
        "nis:71016 is partij: C als ontvanger (vroeger partij: B als ontvanger).",
    ),
    (
        "partijen.1.organisaties.2",
        "haven",
        C,
        f"{PARTY}.organisaties",
        "…: van nis:71016, stad naar nis:71016, stad, haven.",
    ),
    ("partijen.1.organisaties", ["nis:71016", "stad", *SERVICES], C, f"{PARTY}.organisaties", ELSE),
    (
        "inhoud.duur",
        REMOVED,
        C,
        "inhoud.duur",
        f'De inhoud "duur" {ABSENT} (vroeger: staat in de tekst).',
    ),
    (
        "inhoud.duur",
        {"nietInTekst": "Vergeten."},
        C,
        "inhoud.duur",
        'De inhoud "duur" staat niet in de tekst (vroeger: staat in de tekst).',
    ),
    ("inhoud.duur.tekst", "Kort.", C, "inhoud.duur.tekst", WORDED),
    ("status", "concept", C, "status", "…: van volledig naar concept."),
    ("titel", TITLE, C, "titel", f'…: van Proefprotocol naar "{TITLE}".'),
    ("titel", TITLE * 3, C, "titel", WORDED),
    ("documentdatum", "2025-12-01", C, "documentdatum", "…: komt erbij (2025-12-01)."),
    ("ondertekening.op", None, C, "ondertekening.op", "…: valt weg (2025-12-15)."),
    (
        "opzegtermijnMaanden",
        6,
        C,
        "opzegtermijnMaanden",
        "De opzegtermijn in maanden: van 12 naar 6.",
    ),
    (
        "incident.uren",
        48,
        C,
        "incident.uren",
        "De termijn in uren om een incident te melden: van 24 naar 48.",
    ),
    (
        "incident.pogingen",
        False,
        C,
        "incident.pogingen",
        "Ook pogingen tot een incident melden: van ja naar nee.",
    ),
    (
        "gegevensfout.weken",
        None,
        C,
        "gegevensfout.weken",
        "De termijn in weken om een gegevensfout te behandelen: valt weg (2).",
    ),
    ("verwerkers.lijst", [], C, "verwerkers.lijst[C]", "…: valt weg."),
    ("opmerkingen", ["Een."], C, "opmerkingen", "…: komt erbij (Een.)."),
    ("bepalingen", ONE, C, "bepalingen[art. 6]", "…: komt erbij."),
]


@pytest.mark.parametrize(("path", "value", "effect", "place", "text"), SENTENCES)
def test_says_one_change_in_one_sentence(
    path: str, value: Any, effect: Effect, place: str, text: str
) -> None:
    found = between(VALID, changed(VALID, path, value))

    assert found == [Amendment(effect, place, text.replace("…", place))]


@pytest.mark.parametrize(("path", "value", "effect", "place", "text"), SENTENCES)
def test_the_other_way_round_what_was_granted_is_withdrawn(
    path: str, value: Any, effect: Effect, place: str, text: str
) -> None:
    [found] = between(changed(VALID, path, value), VALID)

    # A version that begins later takes nothing away: the one before it rules until then.
    turned = {G: C if path == "geldigVan" else W, W: G, C: C}
    assert (found.effect, found.place) == (turned[effect], place)
    assert found.text != text.replace("…", place) or found.text.endswith("verschilt.")


PAIRS: list[tuple[dict[str, Any], dict[str, Any], list[tuple[Effect, str, str]]]] = [
    # changes in the old document, changes in the new one, effect, place and a part of the sentence
    (
        {},
        {f"{ACCESS}.operaties": ["createLijst", "queryDossierBatch"]},
        [
            (G, f"{OWN}.operaties", f"{THEY} ook queryDossierBatch gebruiken."),
            (W, f"{OWN}.operaties", f"{THEY} niet langer queryDossier gebruiken."),
        ],
    ),
    (
        {},
        {f"{ACCESS}.velden.1": grant("contact.email")},
        [(W, f"{OWN}.velden", f"{THEY} niet langer {REST} opvragen.")],
    ),
    (
        {},
        {f"{ACCESS}.populatie": {"soort": "resident", "nis": "12025", "tekst": "Anders."}},
        [
            (C, f"{OWN}.populatie", "over wie ingeschreven is in gemeente 12025 (vroeger over wie"),
            (C, f"{OWN}.populatie.tekst", "de tekst verschilt"),
        ],
    ),
    (
        {},
        {"doeleinden.1": REMOVED},
        [
            (W, "doeleinden[uitwisseling]", "Het doeleinde uitwisseling vervalt."),
            (W, FILES, "B (stad) mag voor uitwisseling niet langer exchangeVdab gebruiken."),
        ],
    ),
    (
        {},
        {f"{ACCESS}.organisaties": ["stad"]},
        [
            (G, TOWN, "op de lijst van gemachtigden, dan telt dat voortaan voor beleid."),
            (
                W,
                TOWN,
                f"B (nis:71016) mag voor beleid niet langer queryDossier en createLijst ({YEARLY})",
            ),
        ],
    ),
    (
        {f"{ACCESS}.organisaties": ["stad"], "partijen.1.organisaties": ["nis:71016", "stad"]},
        {f"{ACCESS}.organisaties": ["stad", "nis:71016"]},
        [
            (
                G,
                TOWN,
                "B (nis:71016) mag voor beleid queryDossier en createLijst (hoogstens 1 keer per"
                " kalenderjaar) gebruiken over wie ingeschreven is in gemeente 71016, met contact"
                " en personalia.insz, enkel met een functieprofiel.",
            ),
            (W, TOWN, "dan telt dat niet langer voor beleid."),
        ],
    ),
    (
        {},
        {f"{ADVICE}.namens": "nis:71016"},
        [
            (
                G,
                "doeleinden[beleid].toegang[gemachtigden namens nis:71016]",
                "De gemachtigden namens B (nis:71016) mogen voor beleid queryAdvies gebruiken over"
                f" de eigen leden, met advies volgens {STRICT}, ook zonder functieprofiel.",
            ),
            (W, BY_LIST, "niet langer queryAdvies"),
        ],
    ),
    (
        {f"{ACCESS}.operaties": ["queryDossier"], f"{ACCESS}.quota": []},
        {},
        [
            (
                G,
                f"{OWN}.operaties",
                f"{THEY} ook createLijst (hoogstens 1 keer per kalenderjaar) gebruiken.",
            )
        ],
    ),
    (
        {f"{ACCESS}.quota": [quota(1, "halfjaar")]},
        {f"{ACCESS}.quota": [quota(2, "kalenderjaar")]},
        [(G, f"{OWN}.quota[createLijst]", "hoogstens 2 keer per kalenderjaar")],
    ),
    (
        {f"{ACCESS}.quota": [quota(2, "kalenderjaar")]},
        {f"{ACCESS}.quota": [quota(1, "halfjaar")]},
        [(W, f"{OWN}.quota[createLijst]", "hoogstens 1 keer per halfjaar")],
    ),
    (
        {f"{ACCESS}.quota": [quota(3, "kalenderjaar")]},
        {f"{ACCESS}.quota": [quota(2, "halfjaar")]},
        [(C, f"{OWN}.quota[createLijst]", "hoogstens 2 keer per halfjaar")],
    ),
    (
        {f"{GROUND}.begrenzing": ["personalia", "contact"]},
        {f"{GROUND}.begrenzing": ["personalia.insz", "contact", "talenkennis"]},
        [
            (C, "doeleinden[beleid].rechtsgrond.begrenzing", "laat ook talenkennis toe"),
            (C, "doeleinden[beleid].rechtsgrond.begrenzing", "laat niet langer personalia."),
        ],
    ),
    (
        {f"{GROUND}.begrenzing": ["personalia.insz", "contact", "contact.email"]},
        {f"{GROUND}.begrenzing": ["personalia.insz", "contact"]},
        [(C, "doeleinden[beleid].rechtsgrond.begrenzing", "enkel de volgorde of de indeling")],
    ),
    (
        {f"{GROUND}.tot": None},
        {f"{GROUND}.tot": "operator"},
        [(W, "doeleinden[beleid].rechtsgrond", "tot de dag die de beheerder instelt")],
    ),
    (
        {f"{GROUND}.tot": "operator"},
        {f"{GROUND}.tot": "2026-11-30"},
        [(C, "doeleinden[beleid].rechtsgrond", "tot en met 2026-11-30")],
    ),
    (
        {f"{GROUND}.van": None},
        {},
        [(W, "doeleinden[beleid].rechtsgrond", "vroeger zonder begindatum en tot en met")],
    ),
    (
        {"geldigTot": "operator", "termijn": TERM},
        {"geldigTot": "operator", "termijn": {**TERM, "jaren": 6}},
        [
            (
                G,
                "termijn",
                "Het protocol duurt 6 jaar vanaf de dag die de beheerder instelt (vroeger",
            )
        ],
    ),
    (
        {},
        {"geldigTot": "operator", "termijn": TERM},
        [
            (G, "termijn", "Het protocol duurt 5 jaar vanaf de dag die de beheerder instelt"),
            (C, "geldigTot", "tot de dag die de beheerder instelt (vroeger tot en met 2026-12-31)"),
        ],
    ),
    (
        {},
        {"doeleinden.0.bewaring": {"tekst": "5 jaar."}},
        [
            (
                C,
                "doeleinden[beleid].bewaring",
                "Bewaren voor beleid: vanaf een dag die niet vastligt",
            )
        ],
    ),
    (
        {"doeleinden.1": REMOVED},
        {},
        [
            (G, "doeleinden[uitwisseling]", "komt erbij, met een rechtsgrond zonder begindatum en"),
            (G, FILES, "exchangeVdab gebruiken over om het even wie, met personalia.insz, ook"),
        ],
    ),
    (
        {},
        {"doeleinden": VALID["doeleinden"][::-1]},
        [(C, "doeleinden", "doeleinden: enkel de volgorde of de indeling verschilt.")],
    ),
    (
        {"opmerkingen": ["Een.", "Twee."]},
        {"opmerkingen": ["Twee.", "Een."]},
        [(C, "opmerkingen", "enkel de volgorde of de indeling verschilt.")],
    ),
    (
        {"bepalingen": [{"artikel": "art. 6", "tekst": text} for text in ("Een.", "Twee.")]},
        {"bepalingen": [{"artikel": "art. 6", "tekst": text} for text in ("Een.", "Drie.")]},
        [(C, "bepalingen[art. 6]", "bepalingen[art. 6]: de inhoud verschilt.")],
    ),
    (
        {},
        {"partijen.2": {**VALID["partijen"][1], "naam": "D", "organisaties": ["haven"]}},
        [(C, "partijen[haven]", "haven is partij: D als ontvanger (vroeger geen partij).")],
    ),
    (
        {},
        {
            f"{ADVICE}.operaties": ["createLijst"],
            f"{ADVICE}.velden": [grant("personalia.insz")],
            f"{ADVICE}.advies": REMOVED,
        },
        [
            (G, f"{BY_LIST}.operaties", "ook createLijst gebruiken"),
            (G, f"{BY_LIST}.velden", "ook personalia.insz opvragen"),
            (W, f"{BY_LIST}.operaties", "niet langer queryAdvies gebruiken"),
            (C, f"{BY_LIST}.advies", "volgens geen enkel profiel"),
        ],
    ),
    (
        {},
        {"status": "volledig"},
        [(C, "document", "Enkel de schrijfwijze verschilt")],
    ),
    (
        {},
        {"id": "ander-2026"},
        [(C, "id", "twee protocollen, geen twee versies van één: proef-2026 en ander-2026.")],
    ),
    (
        {},
        {"verwerkers.lijst.0.naam": "Een \x1b[2J\nverwerker"},
        [(C, "verwerkers.lijst[C]", "valt weg"), (C, "verwerkers.lijst[Een  [2J verwerker]", "")],
    ),
]


def with_changes(changes: dict[str, Any]) -> dict[str, Any]:
    data = VALID
    for path, value in changes.items():
        data = changed(data, path, value)
    return data


@pytest.mark.parametrize(("before", "after", "said"), PAIRS)
def test_says_what_differs_between_two_documents(
    before: dict[str, Any], after: dict[str, Any], said: list[tuple[Effect, str, str]]
) -> None:
    found = between(with_changes(before), with_changes(after))

    assert [(one.effect, one.place) for one in found] == [(effect, at) for effect, at, _ in said]
    assert all(text in one.text for one, (*_, text) in zip(found, said, strict=True))


def test_an_access_that_is_split_keeps_what_it_opens() -> None:
    split = deepcopy(VALID)
    own, *others = split["doeleinden"][0]["toegang"]
    split["doeleinden"][0]["toegang"] = [
        {**own, "organisaties": ["nis:71016"]},
        {**own, "organisaties": ["stad"]},
        *others,
    ]

    [found] = between(VALID, split)

    at = "doeleinden[beleid].toegang"
    assert found == Amendment(C, at, f"{at}: enkel de volgorde of de indeling verschilt.")


def test_a_receiver_is_called_by_the_name_of_its_party() -> None:
    genk = documents.as_data(_protocol("genk-2021"))
    purpose = genk["doeleinden"][0]
    wider = deepcopy(genk)
    wider["doeleinden"][0]["rechtsgrond"]["begrenzing"].append("contact.email")
    wider["doeleinden"][0]["toegang"][0]["velden"].append(grant("contact.email"))

    first, *_ = between(genk, wider)

    assert purpose["code"] == "lokaalIntegratiebeleid"
    assert first == Amendment(
        G,
        "doeleinden[lokaalIntegratiebeleid].toegang[nis:71016].velden",
        "Stad Genk mag voor lokaalIntegratiebeleid ook contact.email opvragen.",
    )


def test_what_is_granted_comes_first_and_what_is_only_changed_last() -> None:
    new = with_changes(
        {
            "titel": "Anders",
            f"{ACCESS}.velden": [GRANT, grant("talenkennis")],
            "doeleinden.0.bewaring.jaren": 7,
            "geldigTot": "2026-11-30",
            "incident.uren": 2,
        }
    )

    found = between(VALID, new)

    assert [(one.effect, one.place) for one in found] == [
        (G, f"{OWN}.velden"),
        (G, "doeleinden[beleid].bewaring"),
        (W, "geldigTot"),
        (W, f"{OWN}.velden"),
        (C, "titel"),
        (C, "incident.uren"),
    ]


def test_every_word_of_the_format_has_its_sentence() -> None:
    assert set(PERSONS) == set(PopulationKind)
    assert set(PROFILES) == set(Profile)
    assert set(DEMANDS) == {"geeist", "nietGeeist"}


@pytest.mark.parametrize("name", FIVE)
def test_another_version_number_amends_nothing(name: str) -> None:
    old = _protocol(name)

    assert amendments(old, read({**documents.as_data(old), "versie": "99"})) == []


def _leaves(data: Any, path: str = "") -> Iterator[str]:
    if not isinstance(data, dict | list):
        yield path
        return
    for key, value in data.items() if isinstance(data, dict) else enumerate(data):
        yield from _leaves(value, f"{path}.{key}".removeprefix("."))


@pytest.mark.parametrize("data", [VALID, documents.as_data(_protocol("genk-2021"))])
def test_no_value_of_a_protocol_changes_unsaid(data: dict[str, Any]) -> None:
    old, said = read(data), 0

    for path in _leaves(data):
        for value in (REMOVED, None, "2022-02-02", 7):
            try:
                new = read(changed(data, path, value))
            except DocumentInvalid:
                continue
            same = {**documents.as_data(new), "versie": ""} == {**data, "versie": ""}
            assert (amendments(old, new) == []) == same, path
            said += not same

    assert said > 2 * len(CONTENTS)


DAYS = [date(2025, 11, 15) + timedelta(days=15 * step) for step in range(36)]
PROFILE = "trajectbegeleider"
LISTED = ("stad", "nis:71016", "zorgkas-een")
DELEGATE_LIST = tuple(Delegate(name, Period(date(2020, 1, 1), None)) for name in LISTED)
RESIDENTS = {"soort": "resident", "nis": "71016", "tekst": "Inwoners."}
ADVISED: dict[str, Any] = VALID["doeleinden"][0]["toegang"][1]
OWN_ACCESS = {
    "voor": st.just("ontvanger"),
    "operaties": st.sampled_from(
        [["queryDossier"], ["queryDossier", "createLijst"], ["createLijst", "queryDossier"]]
    ),
    "populatie": st.sampled_from([RESIDENTS, {**RESIDENTS, "nis": "12025"}, MEMBERS]),
    "velden": st.sets(
        st.sampled_from(["personalia.insz", "contact", "contact.email", "contact.adres"]),
        min_size=1,
    ).map(lambda ids: [grant(id_) for id_ in sorted(ids)]),
    "functieprofielen": st.sampled_from(["geeist", "nietGeeist"]),
    "quota": st.sampled_from(
        [
            [],
            *(
                [{**quota(n, per), "operatie": "queryDossier"}]
                for n in (1, 2)
                for per in QuotaPeriod
            ),
        ]
    ),
}
BY_DELEGATES = st.builds(
    lambda namens, operaties: {**ADVISED, "namens": namens, "operaties": operaties},
    st.sampled_from(["stad", "nis:71016"]),
    st.sampled_from([["queryAdvies"], ["queryAdvies", "queryAdviesBatch"]]),
)


@st.composite
def drawn(draw: st.DrawFn) -> Document:
    """A version of one protocol: everything that decides about access varies."""
    accesses = [
        draw(st.fixed_dictionaries({**OWN_ACCESS, "organisaties": st.just(callers)}))
        for callers in draw(
            st.sampled_from([[["stad", "nis:71016"]], [["stad"], ["nis:71016"]], [["stad"]], []])
        )
    ]
    if not accesses or draw(st.booleans()):
        accesses.append(draw(BY_DELEGATES))
    ground = {
        "tekst": "Een decreet.",
        "van": draw(st.sampled_from([None, "2026-02-01", "2026-03-01"])),
        "tot": draw(st.sampled_from([None, "operator", "2026-10-31", "2026-11-30"])),
    }
    last = draw(st.sampled_from([None, "operator", "2026-10-31", "2026-12-31"]))
    changes: dict[str, Any] = {
        "versie": draw(st.sampled_from(["1", "2"])),
        "titel": draw(st.sampled_from(["Een", "Twee"])),
        "geldigVan": draw(st.sampled_from(["2025-12-15", "2026-01-01", "2026-04-01"])),
        "geldigTot": last,
        "doeleinden.0.rechtsgrond": ground,
        "doeleinden.0.toegang": accesses,
    }
    if last == "operator":
        changes["termijn"] = {**TERM, "jaren": draw(st.sampled_from([5, 6]))}
    if draw(st.booleans()):
        changes["doeleinden.1"] = REMOVED
    return read(with_changes(changes))


@given(drawn(), drawn())
@settings(deadline=None, max_examples=60)
def test_nothing_is_said_if_and_only_if_nothing_differs(old: Document, new: Document) -> None:
    found = amendments(old, new)

    one, other = ({**documents.as_data(of), "versie": ""} for of in (old, new))
    assert (found == []) == (one == other)
    assert [list(Effect).index(said.effect) for said in found] == sorted(
        list(Effect).index(said.effect) for said in found
    )


def _opened(document: Document) -> dict[tuple[str, str], Clause]:
    found = clauses(
        document,
        delegates=DELEGATE_LIST,
        profiles={name: frozenset({PROFILE}) for name in LISTED},
    )
    return {(clause.organisation, clause.purpose): clause for clause in found}


def _open_days(clause: Clause) -> set[date]:
    """The days on which production answers somebody with a profile."""
    question = Question(min(clause.operations), clause.purpose, function_profile=PROFILE)
    return {
        day for day in DAYS if isinstance(decide(clause, question, day, production=True), Granted)
    }


def _uses(clause: Clause) -> set[tuple[str, int, int]]:
    """How often one may ask in the first and in the second half of a year."""
    limits = {limit.operation: limit for limit in clause.quotas}
    found = set()
    for operation in clause.operations:
        limit = limits.get(operation)
        for first, second in product(range(5), repeat=2):
            asked = (
                first + second if limit and limit.per is QuotaPeriod.YEAR else max(first, second)
            )
            if limit is None or asked <= limit.maximum:
                found.add((operation.value, first, second))
    return found


@given(drawn(), drawn())
@settings(deadline=None, max_examples=60)
def test_nothing_that_widens_access_goes_without_being_said(old: Document, new: Document) -> None:
    before, after = _opened(old), _opened(new)

    found = amendments(old, new)

    for (organisation, purpose), clause in after.items():
        was = before.get((organisation, purpose))
        own = f"doeleinden[{purpose}].toegang["
        here = {
            said.effect
            for said in found
            if said.place.startswith(own) and (organisation in said.place or "namens" in said.place)
        }
        if was is None or clause.operations - was.operations or clause.fields - was.fields:
            assert G in here
            continue
        assert clause.population == was.population or here & {G, C}
        assert clause.demands_profile or not was.demands_profile or G in here
        assert clause.advice_profile == was.advice_profile or here & {G, C}
        assert _uses(clause) <= _uses(was) or here & {G, C}
        assert not _uses(clause) > _uses(was) or G in here
        times = {
            said.effect
            for said in found
            if said.place.startswith(("geldig", "termijn", f"doeleinden[{purpose}].rechtsgrond"))
        }
        assert _open_days(clause) <= _open_days(was) or times & {G, C}
