"""The rules of the advice as a page, made from the rules themselves. Pure.

`python -m app.rule_pages > docs/regels.md` writes the page again; a test compares.
"""

import sys
from collections.abc import Iterable, Iterator, Mapping, Sequence

from app.explanation import NO_ADVICE, explain, in_words
from app.facts import Kind
from app.obligation import (
    CURRENT,
    REASONS,
    RULE_SET_ID,
    RULE_SETS,
    TOO_OLD,
    Example,
    Profile,
    Rule,
    RuleSet,
    advise,
)

_INTRODUCTION = f"""\
# De regels van het advies

Deze pagina is gemaakt uit de regels zelf (`app/obligation.py`). Wijzig haar niet met de hand:
`python -m app.rule_pages > docs/regels.md` maakt haar opnieuw.

De vraag is of een persoon op een dag, de toetsdatum, aan de inburgeringsplicht voldoet. Het
antwoord is OK of NOK; een reden gaat alleen met NOK mee. Kan de vraag niet beantwoord worden, dan
is er geen advies ({NO_ADVICE}): dat is een fout en geen antwoord, wordt nooit een NOK en staat op
geen lijst.

De code van een regel verlaat de dienst niet: zij kan iets over de gezondheid zeggen. Zij staat in
de uitleg, die alleen de auditor en het eigen personeel van het agentschap lezen. Een code met O is
OK, met N is NOK, met T is geen advies.

Artikelen zonder naam zijn van het decreet van 7 juni 2013 (D13). AGII-NAT, AGII-INSP en AGII-PL
zijn publieke pagina's van het Agentschap Integratie en Inburgering. De zekerheid zegt waarop een
regel steunt: *wet* op de tekst van het decreet, *bron* op een publieke bron, *eigen keuze* op een
keuze van deze dienst waar de wet zwijgt. Een eigen keuze is geen recht.
"""

_PROFILES: Mapping[Profile, str] = {
    Profile.STRICT: "OK alleen met een attest, een gelijkwaardig besluit of een vrijstelling, of "
    "zonder verplichting",
    Profile.WITH_POSTPONEMENT: "zoals `strikt`; bovendien OK zolang een toegekend uitstel of een "
    "opschorting de toetsdatum dekt (het gewone profiel)",
    Profile.IN_ORDER: "zoals `striktMetUitstel`; bovendien OK zolang een wettelijke termijn loopt "
    "(drie maanden, 90 dagen), of een contract zonder openstaande inbreuk. Alleen dit profiel "
    "leest inbreuken; voor de andere twee worden ze niet eens geladen",
}

_DATES = """\
## Welke datum beslist

Een dag is een dag in Brussel. Een periode bevat haar begin en haar einde.

| gegeven | beslissende datum | regel |
|---|---|---|
| doelgroep | begin en einde van de periode | zonder einde loopt zij door; bij overlap telt het \
nieuwste begin; een open periode eindigt waar de volgende begint (ADR 0007); een later antwoord \
vervangt de periode met hetzelfde begin, andere periodes blijven |
| attest | DatumOndertekening, niet DatumAanmaak | telt vanaf die dag; niet ondertekend is niet \
uitgereikt |
| contract | DatumRegistratie | bestaat vanaf die dag; de vlaggen Onderdeel en de addenda tellen \
niet |
| aanmelding | DatumAanmelding | vanaf die dag; de bron toont alleen de laatste (EA eerste, HA \
heraanmelding) |
| opschorting, uitstel van aanmelding, uitstel van ondertekening | begin en einde van de periode | \
zonder einde loopt zij door, met een opmerking: een echt uitstel draagt een vervaldatum |
| besluit van een traject | DatumToekenning | alleen van een inburgeringstraject: type TT_IB*, \
behalve TT_IBGD |
| status van een traject | begin van de periode van de status | alleen van een \
inburgeringstraject |
| besluit van een trajectonderdeel | geen | telt niet |
| inbreuk | DatumVaststelling; rechtgezet vanaf DatumOndertekening van het \
rechtzettingsformulier | alleen onder `inOrde` |
| geboortedatum | de verjaardag | 18 en 65 jaar vanaf de verjaardag zelf; 29 februari wordt 1 \
maart; de leeftijd komt nooit uit het INSZ |
| wooncode | geen | wordt nooit gebruikt |

Onder een vroeger INSZ telt wat voor de persoon spreekt. Een besluit NEE, een status GS en een
inbreuk tellen alleen onder het recentste INSZ dat er iets over zegt, en een doelgroep van een
vroeger INSZ vervangt er geen van het huidige. Van twee vroegere is dat het recentste waaronder de
bron het laatst een dossier gaf.

Drie maanden zijn kalendermaanden: van 15 november tot en met 15 februari, van 30 november tot en
met de laatste dag van februari. Negentig dagen zijn dagen. Twaalf maanden voor de 18e verjaardag
is de 17e verjaardag, die dag inbegrepen.

Een onvolledige datum (`1957-00-00`) staat voor elke dag die zij toelaat, een onleesbare voor elke
dag die er is. Wat zonder datum in het dossier staat, is niet gebeurd.

De premie van een jaar wordt getoetst op 1 januari van het jaar ervoor: premiejaar 2023 op 1
januari 2022.
"""

_FRESHNESS = """\
## De laatste stap: verse gegevens

Een attest dat nog niet is aangekomen, mag geen NOK worden. Daarom wordt een NOK, en een OK zonder
dossier (O01), geen advies (T01) als de gegevens ouder zijn dan `MAX_DATA_AGE`, een aantal hele
dagen. Precies zo oud is nog vers. Van onbekende ouderdom is te oud. Geen andere code verandert.

| code | waarvan de ouderdom telt |
|---|---|
| elke code met N | het dossier: het moment waarop de bron het gaf |
| O01 | het laatste moment waarop de bron zei dat er geen dossier is: van deze persoon (30001), of \
met een levering die volledig verklaard is |
"""

_LIMITS = """\
## Grenzen

- De ordonnantie van Brussel (11 mei 2017) wordt niet beoordeeld.
- Een bedienaar van een eredienst is niet te herkennen.
- Het niveau B1 wordt niet gelezen (2, 11° tegenover 34/5): een attest volstaat.
- De wooncode wordt nooit gebruikt.
- De drie maanden tellen vanaf het begin van de doelgroep. Het agentschap telt vanaf zijn \
aangetekende brief (AGII-PL); die datum staat niet in KBI 01.00. Alleen N20 en N21 verschillen \
erdoor.
- Wie verplicht was en nu in Brussel of Wallonië woont, is niet verplicht zolang dat duurt (27 §1, \
48, 5°). De dienst ziet dat alleen als de KBI de periode van de doelgroep afsluit.
- De bron toont één doelgroep, één aanmelding en één status van elk traject: de laatste. Wat \
voordien gold, is alleen bekend uit eerdere antwoorden (doelgroep), of niet (aanmelding, status). \
Een vrijstelling die uit een periode met hetzelfde begin verdwijnt, is weg voor elke toetsdatum.
- Toont het laatste antwoord geen doelgroep meer, dan blijft die van een eerder antwoord gelden.
- De betekenis van GS en NEE_ANALFA is afgeleid uit de namen.
- Wat de bron zegt, geldt zoals het er staat: een uitstel dat eindigt voor het begint, dekt geen \
dag; een verplichting naast een reden waarom er geen doelgroep is, blijft een verplichting; een \
besluit zonder datum is niet genomen. Een traject van een type dat de codelijst niet kent, is \
geen inburgeringstraject. Een waarschuwing van de bron bij een dossier (zoals 30030, \
ingekort) toont alleen de invoer ervan. Van twee antwoorden in het uur dat in oktober twee keer \
komt, telt dat met het latere uur op de klok.
- De codes van de attesten zijn die van KBI 01.00 (AI023, AEVC05) en 02.00 (AI023G).
"""


def render() -> str:
    """The page, in Markdown."""
    return "\n".join(
        [
            _INTRODUCTION,
            "## Profielen\n\nHet profiel staat in het protocol, per doeleinde.\n",
            _table(["profiel", "wanneer OK"], [[f"`{p}`", text] for p, text in _PROFILES.items()]),
            "## Redenen\n",
            _table(["reden", "tekst"], REASONS.items()),
            f"## De tabel\n\nRegelset `{RULE_SET_ID}`, versie {CURRENT.version}. Van boven naar "
            "beneden; de eerste regel die past, beslist.\n",
            _rules(CURRENT.rules),
            "## Twijfel\n\nAlleen bij een NOK: de eerste twijfel die past, maakt er geen advies "
            "van.\n",
            _rules(CURRENT.doubts),
            _FRESHNESS,
            _rules([TOO_OLD]),
            _DATES,
            "## Voorbeelden\n\nElk voorbeeld is een test. Na de pijl de code onder "
            f"{', '.join(f'`{profile}`' for profile in Profile)}.\n",
            "\n".join(_examples(CURRENT)) + "\n",
            *_versions(),
            _LIMITS,
        ]
    )


def _rules(rules: Sequence[Rule]) -> str:
    profiles = [f"`{profile}`" for profile in Profile]
    return _table(
        ["code", "situatie", *profiles, "reden", "steunt op", "rechtsgrond", "zekerheid"],
        [
            [
                rule.name,
                rule.situation,
                *(_answer(rule.codes[profile]) for profile in Profile),
                rule.wire_reason or "",
                ", ".join(rule.rests_on),
                rule.legal_ground,
                rule.certainty,
            ]
            for rule in rules
        ],
    )


def _answer(code: str) -> str:
    answer = {"O": "OK", "N": "NOK", "T": "geen advies"}[code[0]]
    return f"{answer} ({code})"


def _examples(rules: RuleSet) -> Iterator[str]:
    for rule in (*rules.rules, *rules.doubts, TOO_OLD):
        if rule.example:
            yield _example(rule.name, rule.example, rules)


def _example(name: str, example: Example, rules: RuleSet) -> str:
    """The person as the explanation tells of her under the profile that reads most."""
    facts, on, source = example.facts, example.on, example.source
    advices = {profile: advise(facts, on, profile, source, rules) for profile in Profile}
    explained = explain(facts, on, Profile.IN_ORDER, advices[Profile.IN_ORDER], source, rules)
    told = [
        each["tekst"] + (f" ({each['twijfel']})" if "twijfel" in each else "")
        for each in (*explained["feiten"], *explained["genegeerd"])
        if each["soort"] != Kind.HOUSING_CODE.value
    ]
    answers = [_answer(advice.code) for advice in advices.values()]
    answer = ", ".join(answers)
    if len(set(answers)) == 1:
        answer = f"{answers[0]} onder elk profiel"
    return f"- **{name}**, {in_words(on)}: {'; '.join(told)} → {answer}"


def _versions() -> Iterator[str]:
    """How each older version differs: an advice of then is given again as it was."""
    yield (
        "## Versies\n\nElk advies draagt de versie van de regels, en oude versies blijven bestaan: "
        "een advies van vroeger wordt gegeven zoals het toen was.\n"
    )
    for rules in RULE_SETS.values():
        if rules is not CURRENT:
            yield f"Versie {rules.version} wijkt zo af van versie {CURRENT.version}:\n"
            yield "\n".join(differences(rules)) + "\n"


def differences(rules: RuleSet) -> Iterator[str]:
    """In what a version differs from the newest one."""
    for rule in (*rules.rules, *rules.doubts):
        if rule not in (*CURRENT.rules, *CURRENT.doubts):
            yield f"- {rule.name}: {rule.situation}"
    for doubt in CURRENT.doubts:
        if doubt not in rules.doubts:
            yield f"- zonder deze twijfel: {doubt.situation}"
    if not rules.weighs_age:
        yield "- de ouderdom van de gegevens telt niet"


def _table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(cells)} |" for cells in (heads, *rows)]
    return "\n".join([lines[0], "|---" * len(heads) + "|", *lines[1:]]) + "\n"


if __name__ == "__main__":
    sys.stdout.write(render())
