"""What a new version of a protocol document grants, withdraws and changes, in words. Pure."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Set
from dataclasses import dataclass, replace
from enum import StrEnum
from operator import itemgetter
from textwrap import shorten
from typing import Any

from app import documents, fields
from app.agreement import CONTENTS, KEPT_FROM, Document
from app.notation import OPERATOR
from app.obligation import Profile
from app.policy import PopulationKind, QuotaPeriod

DELEGATES = "gemachtigden namens "  # the space keeps them apart from every organisation
TO_QUOTE = 60  # characters of a value that a sentence repeats; of these keys it repeats none
PROSE = ("tekst", "nietInTekst", "opmerking", "verantwoording", "omschrijving")
PERSONS: Mapping[str, str] = {
    PopulationKind.RESIDENT: "wie ingeschreven is in gemeente {nis}",
    PopulationKind.MEMBER: "de eigen leden",
    PopulationKind.PARTICIPANT: "de deelnemers van {project} in gemeente {nis}",
    PopulationKind.CONSENT: "wie toestemming gaf voor {project} in gemeente {nis}",
    PopulationKind.ANY: "om het even wie",
}
PROFILES: Mapping[str, str] = {
    Profile.STRICT: "strikt (OK met een attest of gelijkgesteld besluit, vrijgesteld, geen plicht)",
    Profile.WITH_POSTPONEMENT: "striktMetUitstel (OK ook met een lopend uitstel of opschorting)",
    Profile.IN_ORDER: "inOrde (OK ook in een lopende termijn, of een contract zonder open inbreuk)",
}
POPULATION = {"soort", "nis", "project"}
DEMANDS = {"geeist": "enkel met een functieprofiel", "nietGeeist": "ook zonder functieprofiel"}


class Effect(StrEnum):
    """What an amendment does for who receives data, in the order in which they are listed."""

    GRANTS = "verleent"
    WITHDRAWS = "ontneemt"
    CHANGES = "wijzigt"


@dataclass(frozen=True)
class Amendment:
    """One difference: where (`doeleinden[beleid].rechtsgrond`) and, in one Dutch sentence, what."""

    effect: Effect
    place: str
    text: str


def amendments(old: Document, new: Document) -> list[Amendment]:
    """What differs between two versions: first what is granted, then withdrawn, then changed.

    Purposes are matched by their code and accesses by who may call; within an effect the order is
    that of the document. Empty if and only if `documents.as_data` of both is equal apart from
    `versie`: what no sentence was written for is still named. Two documents with another `id`
    are compared all the same, and the first amendment says so.
    """
    before, after = (
        document.model_dump(mode="json", by_alias=True, exclude={"id", "version"})
        for document in (old, new)
    )
    spot = _Spot({**_names(old), **_names(new)})
    found = sorted(_compare(spot, before, after), key=lambda one: list(Effect).index(one.effect))
    if old.id != new.id:
        text = f"Dit zijn twee protocollen, geen twee versies van één: {old.id} en {new.id}."
        return [Amendment(Effect.CHANGES, "id", text), *found]
    if not found and _written(old) != _written(new):
        # Such as `status: volledig`, which holds as well when it does not stand there.
        text = "Enkel de schrijfwijze verschilt: één versie schrijft uit wat vanzelf geldt."
        return [Amendment(Effect.CHANGES, "document", text)]
    return found


def _names(document: Document) -> dict[str, str]:
    """How a sentence calls each organisation: its party, and which one where a party has more."""
    return {
        organisation: party.name + f" ({organisation})" * (len(party.organisations) > 1)
        for party in document.parties
        for organisation in party.organisations
    }


def _written(document: Document) -> dict[str, Any]:
    return {**documents.as_data(document), "versie": None}


@dataclass(frozen=True)
class _Spot:
    """A place in both documents, with what a sentence about it needs to know."""

    names: Mapping[str, str]
    place: str = ""
    kind: str = ""  # the place without the keys of the entries of its lists
    key: str = ""  # of the innermost entry
    purpose: str = ""
    may: str = ""  # `Stad Genk mag voor beleid`: how a sentence begins

    def part(self, key: str) -> "_Spot":
        place, kind = (f"{path}.{key}".removeprefix(".") for path in (self.place, self.kind))
        return replace(self, place=place, kind=kind)

    def entry(self, key: str) -> "_Spot":
        purpose = key if self.kind == "doeleinden" else self.purpose
        place = f"{self.place}[{shorten(key, TO_QUOTE, placeholder=' ...')}]"
        return replace(self, place=place, kind=f"{self.kind}[]", key=key, purpose=purpose)

    def says(self, effect: Effect, text: str) -> Amendment:
        return Amendment(effect, _printable(self.place), _printable(text))


def _printable(text: str) -> str:
    """Without the characters that would steer the screen of the reader."""
    return "".join(char if char.isprintable() else " " for char in text)


def _compare(spot: _Spot, old: Any, new: Any) -> Iterator[Amendment]:
    """At least one amendment for what differs: by the rule of the place, or part by part."""
    if old != new:
        found = list(RULES.get(spot.kind, _parts)(spot, old, new))
        yield from found or [spot.says(Effect.CHANGES, _plainly(spot, old, new))]


def _parts(spot: _Spot, old: Any, new: Any, done: Set[str] = frozenset()) -> Iterator[Amendment]:
    """Compare what stands below, except for the keys that are `done`."""
    step = spot.part
    if spot.kind in KEYS:
        old, new, step = _keyed(spot.kind, old), _keyed(spot.kind, new), spot.entry
    if isinstance(old, dict) and isinstance(new, dict):
        for key in dict.fromkeys([*old, *new]):
            if key not in done:
                yield from _compare(step(key), old.get(key), new.get(key))


def _keyed(kind: str, entries: list[Any]) -> dict[str, Any]:
    """The entries of a list by what tells them apart; those with the same key stay together."""
    groups: dict[str, list[Any]] = {}
    for entry in entries:
        groups.setdefault(KEYS[kind](entry), []).append(entry)
    return {key: group[0] if len(group) == 1 else group for key, group in groups.items()}


def _plainly(spot: _Spot, old: Any, new: Any) -> str:
    """The sentence for a place without words of its own."""
    subject = SUBJECTS.get(spot.kind, "{spot.place}").format(spot=spot)
    was, now = ("" if spot.kind.endswith(PROSE) else _quoted(value) for value in (old, new))
    if old in (None, []):
        return f"{subject}: komt erbij{now and f' ({now})'}."
    if new in (None, []):
        return f"{subject}: valt weg{was and f' ({was})'}."
    if isinstance(old, list) and isinstance(new, list):
        # Where entries were matched, every one of them was found equal.
        matched = spot.kind in KEYS or spot.kind in RULES
        if matched or sorted(map(repr, old)) == sorted(map(repr, new)):
            return f"{subject}: enkel de volgorde of de indeling verschilt."
    if was and now:
        return f"{subject}: van {was} naar {now}."
    return f"{subject}: de {'tekst' if isinstance(new, str) else 'inhoud'} verschilt."


def _quoted(value: Any) -> str:
    """A short value as a sentence gives it; empty for what is too long or has parts."""
    if isinstance(value, bool):
        return "ja" if value else "nee"
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return ", ".join(value) if len(", ".join(value)) <= TO_QUOTE else ""
    if not isinstance(value, str | int) or len(str(value)) > TO_QUOTE:
        return ""
    return f'"{value}"' if " " in str(value) else str(value)


def _and(words: Iterable[str]) -> str:
    *first, last = words
    return f"{', '.join(first)} en {last}" if first else last


Rule = Callable[[_Spot, Any, Any], Iterator[Amendment]]


def _reach(
    text: str,
    show: Callable[[Any], str],
    holds: Callable[[Any, Any], bool] = lambda one, other: False,
    done: Set[str] = frozenset(),
) -> Rule:
    """The rule of a value that reaches further or less far: `holds` tells whether it holds all of
    another one. `show` words the keys in `done`; the others are compared as parts."""

    def rule(spot: _Spot, old: Any, new: Any) -> Iterator[Amendment]:
        was, now = show(old), show(new)
        if was != now:
            narrower = Effect.WITHDRAWS if holds(old, new) else Effect.CHANGES
            effect = Effect.GRANTS if holds(new, old) else narrower
            yield spot.says(effect, text.format(spot=spot, was=was, now=now))
        yield from _parts(spot, old, new, done if was != now else frozenset())

    return rule


def _members(
    text: str,
    of: Callable[[Any], Set[str]],
    show: Callable[[Set[str]], str] = lambda found: _and(sorted(found)),
    effects: tuple[Effect, Effect] = (Effect.GRANTS, Effect.WITHDRAWS),
) -> Rule:
    """The rule of a list that stands for a set, every entry for the members `of` it."""

    def rule(spot: _Spot, old: list[Any] | None, new: list[Any] | None) -> Iterator[Amendment]:
        if old is None or new is None:
            return
        was, now = (frozenset[str]().union(*map(of, entries)) for entries in (old, new))
        differing = zip(effects, ("ook", "niet langer"), (now - was, was - now), strict=True)
        for effect, how, found in differing:
            if found:
                yield spot.says(effect, text.format(spot=spot, how=how, found=show(found)))
        alone: Set[str] = frozenset()
        if was != now and spot.kind in KEYS:
            alone = _keyed(spot.kind, old).keys() ^ _keyed(spot.kind, new).keys()
        yield from _parts(spot, old, new, alone)

    return rule


def _start(spot: _Spot, old: str, new: str) -> Iterator[Amendment]:
    # The old version rules until the new one begins: a later start takes nothing away.
    effect = Effect.GRANTS if new < old else Effect.CHANGES
    yield spot.says(effect, f"De nieuwe versie geldt vanaf {new}, de oude vanaf {old}.")


def _until(last: str | None) -> str:
    if last is None:
        return "zonder einddatum"
    return "tot de dag die de beheerder instelt" if last == OPERATOR else f"tot en met {last}"


def _lasts(one: str | None, other: str | None) -> bool:
    """Whether an end never comes before the other one; what the operator sets can be any day."""
    if one is None or one == other:
        return True
    return other is not None and OPERATOR not in (one, other) and one > other


def _term(term: Any) -> str:
    if term is None:
        return "zo lang als geldigTot zegt"
    return f"{term['jaren']} jaar vanaf de dag die de beheerder instelt"


def _longer(one: Any, other: Any) -> bool:
    """Whether a term lasts as long as another one; where there was none it may reach further."""
    return bool(one and (other is None or one["jaren"] >= other["jaren"]))


def _days(ground: Any) -> str:
    first = f"vanaf {ground['van']}" if ground["van"] else "zonder begindatum en"
    return f"{first} {_until(ground['tot'])}"


def _spans(one: Any, other: Any) -> bool:
    """Whether a legal ground holds on all days of the other one: one that shifts does not."""
    return (one["van"] or "") <= (other["van"] or "") and _lasts(one["tot"], other["tot"])


def _kept(retention: Any) -> str:
    years, since = retention["jaren"], retention["vanaf"]
    start = KEPT_FROM[since] if since else "vanaf een dag die niet vastligt"
    return f"{years} jaar {start}" if years else start


def _outlasts(one: Any, other: Any) -> bool:
    counted = one["jaren"] and other["jaren"] and one["vanaf"] == other["vanaf"]
    return bool(counted and one["jaren"] >= other["jaren"])


def _times(quota: Any) -> str:
    return f"hoogstens {quota['aantal']} keer per {quota['per']}" if quota else "zonder quotum"


def _allows(one: Any, other: Any) -> bool:
    """Whether a quota allows all that the other one does; a year is two halves."""
    if one is None or other is None:
        return one is None
    halves = 2 if (one["per"], other["per"]) == (QuotaPeriod.YEAR, QuotaPeriod.HALF_YEAR) else 1
    return bool(one["aantal"] >= other["aantal"] * halves)


def _stated(content: Any) -> str:
    if content is None:
        return "ontbreekt, zodat het document een ontwerp is"
    return "staat in de tekst" if content["tekst"] else "staat niet in de tekst"


def _party(party: Any) -> str:
    return f"partij: {party['naam']} als {_and(party['rollen'])}" if party else "geen partij"


def _persons(population: Any) -> str:
    return PERSONS[population["soort"]].format_map(population)


def _advised(advice: Any) -> str:
    return PROFILES[advice["profiel"]] if advice else "geen enkel profiel"


def _fields(leaves: Set[str]) -> str:
    """The leaves as a sentence names them: a group where all of it is meant."""
    named = _and(dict.fromkeys(_widest(leaf, leaves) for leaf in sorted(leaves)))
    if special := leaves & fields.SPECIAL:
        return f"{named} (gegevens van art. 9 of 10 van de AVG: {_and(sorted(special))})"
    return named


def _widest(leaf: str, leaves: Set[str]) -> str:
    parts = leaf.split(".")
    for group in (".".join(parts[:length]) for length in range(1, len(parts))):
        if len(fields.leaves(group)) > 1 and fields.leaves(group) <= leaves:
            return group
    return leaf


def _purpose(spot: _Spot, old: Any, new: Any) -> Iterator[Amendment]:
    if old and new:
        yield from _parts(spot, old, new)
        return
    if new:
        text = f"Het doeleinde {spot.purpose} komt erbij, met een rechtsgrond"
        yield spot.says(Effect.GRANTS, f"{text} {_days(new['rechtsgrond'])}.")
    else:
        yield spot.says(Effect.WITHDRAWS, f"Het doeleinde {spot.purpose} vervalt.")
    accesses = (purpose["toegang"] if purpose else [] for purpose in (old, new))
    yield from _accesses(spot.part("toegang"), *accesses)


def _accesses(spot: _Spot, old: list[Any], new: list[Any]) -> Iterator[Amendment]:
    """Match by who may call: who shares an access in both versions shares its sentences."""
    before, after = _callers(old), _callers(new)
    pairs: dict[tuple[int | None, int | None], list[str]] = {}
    for caller in dict.fromkeys([*before, *after]):
        pairs.setdefault((before.get(caller), after.get(caller)), []).append(caller)
    for (one, other), callers in pairs.items():
        delegates = callers[0].startswith(DELEGATES)
        who = f"De {DELEGATES}" * delegates + _and(
            spot.names[caller.removeprefix(DELEGATES)] for caller in callers
        )
        may = f"{who} {'mogen' if delegates or len(callers) > 1 else 'mag'} voor {spot.purpose}"
        at = replace(spot.entry(", ".join(callers)), may=may)
        was, now = (None if one is None else old[one]), (None if other is None else new[other])
        yield from _access(at, was, now)
    # A body that the purpose itself opens to is no delegate there, whatever the list says.
    for some, others, effect, how in (
        (before, after, Effect.GRANTS, "voortaan"),
        (after, before, Effect.WITHDRAWS, "niet langer"),
    ):
        for caller in some:
            if caller in spot.names and caller not in others and others.keys() - spot.names.keys():
                text = (
                    f"Staat {spot.names[caller]} op de lijst van gemachtigden, dan telt dat {how}"
                )
                yield spot.entry(caller).says(effect, f"{text} voor {spot.purpose}.")


def _callers(accesses: list[Any]) -> dict[str, int]:
    """Who may call for a purpose, and by which of its accesses."""
    return {
        caller: at
        for at, access in enumerate(accesses)
        for caller in access["organisaties"] or [DELEGATES + access["namens"]]
    }


def _access(spot: _Spot, old: Any, new: Any) -> Iterator[Amendment]:
    if new is None:
        yield spot.says(Effect.WITHDRAWS, f"{spot.may} niet langer {_and(_uses(old))} gebruiken.")
        return
    if old is None:
        leaves = frozenset(fields.expand([grant["veld"] for grant in new["velden"]]))
        opened = [f"{_and(_uses(new))} gebruiken over {_persons(new['populatie'])}"]
        opened += [f"met {_fields(leaves)}"] if leaves else []
        opened += [f"met advies volgens {_advised(new['advies'])}"] if new["advies"] else []
        text = f"{spot.may} {', '.join(opened)}, {DEMANDS[new['functieprofielen']]}."
        yield spot.says(Effect.GRANTS, text)
        return
    # The quota of an operation that is opened or closed is said together with it.
    both = set(old["operaties"]) & set(new["operaties"])
    one, other = (
        access
        | {"operaties": _uses(access, plain=both)}
        | {"quota": [quota for quota in access["quota"] if quota["operatie"] in both]}
        for access in (old, new)
    )
    yield from _parts(spot, one, other, {"voor", "organisaties", "namens"})


def _uses(access: Any, plain: Set[str] = frozenset()) -> list[str]:
    """The operations of an access with their quota, except those that are named `plain`."""
    limits = {quota["operatie"]: f" ({_times(quota)})" for quota in access["quota"]}
    return [f"{op}{'' if op in plain else limits.get(op, '')}" for op in access["operaties"]]


PURPOSE, ACCESS = "doeleinden[]", "doeleinden[].toegang[]"
# By the kind of place, what tells the entries of a list apart; other lists are compared whole.
KEYS: Mapping[str, Callable[[Any], str]] = {
    "partijen": lambda party: str(party["organisaties"][0]),
    "doeleinden": itemgetter("code"),
    f"{ACCESS}.velden": itemgetter("veld"),
    f"{ACCESS}.advies.gegevens": "{0[richting]}: {0[gegeven]}".format,
    f"{ACCESS}.uitwisseling.gegevens": itemgetter("code"),
    f"{ACCESS}.quota": itemgetter("operatie"),
    "gegevensfout.contactpunten": itemgetter("partij"),
    "verwerkers.lijst": itemgetter("naam"),
    "bepalingen": itemgetter("artikel"),
}
GROUND = "De rechtsgrond van {spot.purpose}"
STATED = {"tekst", "nietInTekst"}
# By the kind of place, who words its differences. A rule that yields nothing leaves them to
# `_plainly`, so that none goes unsaid.
RULES: Mapping[str, Rule] = {
    "geldigVan": _start,
    "geldigTot": _reach("Het protocol geldt {now} (vroeger {was}).", _until, _lasts),
    "termijn": _reach("Het protocol duurt {now} (vroeger {was}).", _term, _longer, {"jaren"}),
    "partijen[]": _reach("{spot.key} is {now} (vroeger {was}).", _party, done={"naam", "rollen"}),
    **{
        f"inhoud.{name}": _reach(
            f'De inhoud "{name}" {{now}} (vroeger: {{was}}).', _stated, done=STATED
        )
        for name in CONTENTS
    },
    PURPOSE: _purpose,
    f"{PURPOSE}.rechtsgrond": _reach(
        f"{GROUND} geldt {{now}} (vroeger {{was}}).", _days, _spans, {"van", "tot"}
    ),
    f"{PURPOSE}.rechtsgrond.begrenzing": _members(
        f"{GROUND} laat {{how}} {{found}} toe.", fields.leaves, _fields, (Effect.CHANGES,) * 2
    ),
    f"{PURPOSE}.bewaring": _reach(
        "Bewaren voor {spot.purpose}: {now} (vroeger {was}).", _kept, _outlasts, {"jaren", "vanaf"}
    ),
    f"{PURPOSE}.toegang": _accesses,
    f"{ACCESS}.operaties": _members("{spot.may} {how} {found} gebruiken.", lambda op: {op}),
    f"{ACCESS}.populatie": _reach(
        "{spot.may} vragen over {now} (vroeger over {was}).",
        _persons,
        lambda one, _: one["soort"] == PopulationKind.ANY,
        POPULATION,
    ),
    f"{ACCESS}.velden": _members(
        "{spot.may} {how} {found} opvragen.", lambda grant: fields.leaves(grant["veld"]), _fields
    ),
    f"{ACCESS}.functieprofielen": _reach(
        "{spot.may} {now} vragen (vroeger {was}).",
        DEMANDS.__getitem__,
        lambda one, _: one == "nietGeeist",
    ),
    f"{ACCESS}.advies": _reach(
        "{spot.may} advies krijgen volgens {now}; vroeger volgens {was}.",
        _advised,
        done={"profiel"},
    ),
    f"{ACCESS}.advies.gegevens": _members(
        "Het advies voor {spot.purpose} omvat {how} {found}.",
        lambda datum: {f'"{datum["gegeven"]}" ({datum["richting"]})'},
    ),
    f"{ACCESS}.uitwisseling.gegevens": _members(
        "De uitwisseling voor {spot.purpose} omvat {how} {found}.", lambda datum: {datum["code"]}
    ),
    f"{ACCESS}.quota[]": _reach(
        "{spot.may} {spot.key} {now} gebruiken (vroeger {was}).", _times, _allows, {"aantal", "per"}
    ),
}
# What `_plainly` calls a place that says too little by itself.
SUBJECTS: Mapping[str, str] = {
    "opzegtermijnMaanden": "De opzegtermijn in maanden",
    f"{PURPOSE}.rechtsgrond.begrenzing": f"{GROUND}, begrenzing",
    f"{ACCESS}.velden[]": "Een aparte vermelding zonder gevolg voor de toegang, {spot.place}",
    "incident.uren": "De termijn in uren om een incident te melden",
    "incident.pogingen": "Ook pogingen tot een incident melden",
    "gegevensfout.weken": "De termijn in weken om een gegevensfout te behandelen",
    "gegevensfout.vanaf": "Het begin van de termijn voor een gegevensfout",
    "gegevensfout.wederzijds": "Gegevensfouten over en weer melden",
}
