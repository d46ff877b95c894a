"""Why an advice is what it is, for a case handler: the rule, the facts and what was left out. Pure.

Codes and days only: no national number, no name, no free text and no reason of an exemption or a
postponement. An explanation is canonical (no null, no floats, keys in ASCII) and bounded.
"""

import re
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import date
from enum import Enum, auto
from functools import lru_cache
from typing import Any

from app.facts import (
    UNREADABLE,
    Breach,
    Cause,
    Coded,
    Day,
    Facts,
    Kind,
    Period,
    TargetGroup,
    Unused,
    age_on,
    decision_kind,
)
from app.insz import contains_insz
from app.moments import brussels_date, rfc3339
from app.obligation import (
    CURRENT,
    REASONS,
    TOO_OLD,
    Advice,
    Profile,
    Rule,
    RuleSet,
    Situation,
    Source,
    blocks_needed,
    fired,
)

NO_ADVICE = "GEEN_ADVIES"
MOST = 100  # facts in each list
_MOST_IN_TEXT = 8

Json = dict[str, Any]

_CODE = re.compile(r"[A-Za-z0-9_/-]{1,30}")
_MONTHS = (
    *("januari", "februari", "maart", "april", "mei", "juni"),
    *("juli", "augustus", "september", "oktober", "november", "december"),
)
# What stands before the code, and between the code and the day.
_EVENTS: Mapping[Kind, tuple[str, str]] = {
    Kind.CERTIFICATE: ("attest", "ondertekend op"),
    Kind.COMPETENCE: ("attest", "ondertekend op"),
    Kind.ACHIEVED: ("besluit", "toegekend op"),
    Kind.LIMITED_CAPACITY: ("besluit", "toegekend op"),
    Kind.NOT_ACHIEVED: ("besluit", "toegekend op"),
    Kind.OTHER_DECISION: ("besluit", "toegekend op"),
    Kind.OTHER_DOCUMENT: ("attest", "ondertekend op"),
    Kind.REGISTRATION: ("aanmelding", "op"),
    Kind.CONTRACT: ("contract", "geregistreerd op"),
    Kind.STATUS: ("trajectstatus", "begonnen op"),
    Kind.BREACH: ("inbreuk", "vastgesteld op"),
}
_ABSENT: Mapping[Kind, str] = {
    Kind.CERTIFICATE: "geen attest van inburgering dat op de toetsdatum ondertekend is",
    Kind.BIRTH: "geen leesbare geboortedatum",
    Kind.TARGET_GROUP: "geen doelgroep op de toetsdatum",
    Kind.ACHIEVED: "geen besluit JA_IB of JA_EVC op de toetsdatum",
    Kind.REGISTRATION: "geen aanmelding op de toetsdatum",
    Kind.CONTRACT: "geen contract op de toetsdatum",
    Kind.BREACH: "geen openstaande inbreuk op de toetsdatum",
}
_CAUSES: Mapping[Cause, str] = {
    Cause.UNSIGNED: "niet ondertekend, en dus niet uitgereikt",
    Cause.OTHER_TYPE: "geen attest van inburgering en geen attest EVC",
    Cause.NO_INTEGRATION: "geen inburgeringstraject",
    Cause.UNTYPED: "een traject zonder type",
    Cause.UNDATED: "zonder datum, en dus niet gebeurd",
    Cause.UNREADABLE: "onleesbare datum",
    Cause.REPLACED: "vervangen door een later antwoord van de bron",
    Cause.OLDER_NUMBER: "hoe het verder ging, staat onder een recenter INSZ",
}
_TERMS: Mapping[Kind, str] = {
    Kind.REGISTRATION_TERM: "de termijn om zich aan te melden",
    Kind.SIGNING_TERM: "de termijn om een contract te ondertekenen",
}


class _State(Enum):
    HOLDS = auto()  # certainly so on D
    PERHAPS = auto()
    NOT = auto()


@dataclass(frozen=True, repr=False)
class _Finding:
    """One fact as it stands on D, and why it does not count where it does not hold."""

    kind: Kind
    text: str
    days: Mapping[str, str] = field(default_factory=dict)
    state: _State = _State.HOLDS
    why: str = ""

    def shown(self) -> Json:
        """Its part of the explanation; a fact that decides by being uncertain says why it is."""
        doubt = {"twijfel": self.why} if self.state is _State.PERHAPS else {}
        return {"soort": self.kind.value, "tekst": self.text, **self.days, **doubt}


def explain(
    facts: Facts,
    on: date,
    profile: Profile,
    advice: Advice,
    source: Source,
    rules: RuleSet = CURRENT,
) -> Json:
    """Tell the auditor and the agency's own staff what decided, and what did not and why.

    `advice` is what `advise` made of the other arguments. Never raises on what stands in the facts.
    """
    situation = Situation.of(facts, on, profile, source)
    row, *in_its_place = fired(situation, profile, rules)
    table = {"code": row.codes[profile], "situatie": row.situation}
    decisive, ignored = _weigh(situation, profile, advice, rules, table["code"])
    answer = advice.outcome.value if advice.outcome else None
    optional = {
        "reden": advice.wire_reason,
        "dossierVan": source.dossier_at and rfc3339(source.dossier_at),
        "afwezigheidVan": source.absence_at and rfc3339(source.absence_at),
        "bronfout": source.fault and _code(source.fault),
        "volgensTabel": table if in_its_place else None,
        "feitenWeggelaten": max(0, len(decisive) - MOST),
        "genegeerdWeggelaten": max(0, len(ignored) - MOST),
    }
    sentences = [
        f"{answer or 'Geen advies'} ({advice.code}) op {in_words(on)}; profiel {profile.value}, "
        f"regelset {rules.version}.",
        *_sentences(advice, decisive, table if in_its_place else {}),
    ]
    return {
        "code": advice.code,
        "uitkomst": answer or NO_ADVICE,
        "profiel": profile.value,
        "regelset": rules.version,
        "toetsdatum": on.isoformat(),
        "geraadpleegdOp": rfc3339(source.asked_at),
        "maximumleeftijd": source.maximum_age.days,
        "regel": {
            "situatie": advice.rule.situation,
            "rechtsgrond": advice.rule.legal_ground or "geen",
            "zekerheid": advice.rule.certainty,
        },
        "feiten": [each.shown() for each in decisive[:MOST]],
        "genegeerd": ignored[:MOST],
        "opmerkingen": _remarks(advice),
        "tekst": " ".join(sentences),
        **{name: value for name, value in optional.items() if value},
    }


def _weigh(
    situation: Situation, profile: Profile, advice: Advice, rules: RuleSet, code: str
) -> tuple[list[_Finding], list[Json]]:
    """What decided, in the order of the rule and with what is absent; all else, and why not."""
    read = {kind for kind in Kind if kind is not Kind.BREACH or _reads_breaches(profile)}
    rests_on = [kind for kind in advice.rule.rests_on if kind in read]
    order = {kind: place for place, kind in enumerate(rests_on)}
    decisive: list[_Finding] = []
    ignored = [*_not_consulted(profile)]
    found = (*_of_source(situation, advice, code), *_of_person(situation, advice.rule, rules))
    for each in found:
        if _decides(each, rests_on, doubt=advice.code == "T99"):
            decisive.append(each)
        elif each.kind in read:
            why = each.why or _outranked(each.kind, advice.rule, rules)
            ignored.append(replace(each, state=_State.NOT).shown() | {"waarom": why})
    present = {each.kind for each in decisive}
    decisive += [
        _Finding(kind, _ABSENT[kind])
        for kind in rests_on
        if kind in _ABSENT and kind not in present
    ]
    return sorted(decisive, key=lambda each: order.get(each.kind, 0)), ignored


def _decides(found: _Finding, rests_on: Collection[Kind], *, doubt: bool) -> bool:
    """A doubt also rests on what is perhaps so: of the kinds it names, else of any."""
    if found.state is _State.HOLDS:
        return found.kind in rests_on
    return doubt and found.state is _State.PERHAPS and (not rests_on or found.kind in rests_on)


def _outranked(kind: Kind, rule: Rule, rules: RuleSet) -> str:
    """Why a fact that holds on D did not decide."""
    if rule is TOO_OLD:
        return "de ouderdom van de gegevens besliste"
    if rule in rules.doubts:
        return "twijfel over een ander gegeven besliste"
    later = rules.rules[rules.rules.index(rule) + 1 :]
    if any(kind in each.rests_on for each in later):
        return "een eerdere regel besliste"
    return "geen regel die hierop steunt, past"


def _reads_breaches(profile: Profile) -> bool:
    return "inbreuken" in blocks_needed(profile)


def _not_consulted(profile: Profile) -> Iterator[Json]:
    if not _reads_breaches(profile):
        why = "niet geraadpleegd onder dit profiel"
        yield {"soort": Kind.BREACH.value, "tekst": "inbreuken", "waarom": why}
    why = "wordt onder geen enkel profiel geraadpleegd"
    yield {"soort": Kind.HOUSING_CODE.value, "tekst": "wooncode", "waarom": why}


def _remarks(advice: Advice) -> list[str]:
    """What makes the data doubtful, whatever the answer."""
    return ["uitstel of opschorting zonder einddatum"] if advice.open_ended else []


def _sentences(
    advice: Advice, decisive: Sequence[_Finding], table: Mapping[str, str]
) -> Iterator[str]:
    rule = advice.rule
    yield f"Regel: {rule.situation}."
    yield f"Rechtsgrond: {rule.legal_ground or 'geen'}; zekerheid: {rule.certainty}."
    if table:
        yield f"De tabel zelf gaf {table['code']}: {table['situatie']}."
    texts = [each.text for each in decisive[:_MOST_IN_TEXT]]
    if len(decisive) > len(texts):
        texts.append(f"en nog {len(decisive) - len(texts)}")
    if texts:
        yield f"Feiten: {'; '.join(texts)}."
    if advice.wire_reason:
        yield f"Reden {advice.wire_reason}: {REASONS[advice.wire_reason]}"
    for remark in _remarks(advice):
        yield f"Let op, twijfelachtige gegevens: {remark}."


def _of_source(s: Situation, advice: Advice, code: str) -> Iterator[_Finding]:
    """What the source said, where that is a fact of its own; `code` is that of the table."""
    if s.source.fault is not None:
        yield _Finding(Kind.SOURCE, f"de bron antwoordde met fout {_code(s.source.fault)}")
    if advice.rule is TOO_OLD:
        what, said_at = "het dossier komt", s.source.dossier_at
        if code == "O01":
            what, said_at = "dat er geen dossier is, komt", s.source.absence_at
        when = "van een onbekend moment"
        if said_at:
            age = f"meer dan {s.source.maximum_age.days} dagen voor de raadpleging"
            when = f"van {in_words(brussels_date(said_at))}, {age}"
        yield _Finding(Kind.SOURCE, f"{what} {when}")
    if not s.facts.dossier:
        yield _Finding(Kind.DOSSIER, "geen dossier, ook niet onder een vroeger INSZ")


def _of_person(s: Situation, rule: Rule, rules: RuleSet) -> Iterator[_Finding]:
    """Every fact, whether it holds on D or not."""
    facts, on = s.facts, s.on
    if facts.born:
        yield _birth(facts.born, on)
    yield from (_target_group(each, s, rules) for each in facts.target_groups)
    for kind, events in (
        (Kind.CERTIFICATE, facts.certificates),
        (Kind.COMPETENCE, facts.competences),
        (Kind.CONTRACT, facts.contracts),
        (Kind.STATUS, facts.statuses),
    ):
        yield from (_event(kind, each, on) for each in events)
    yield from (_event(decision_kind(each.code), each, on) for each in facts.decisions)
    yield from (_untyped(each, on, rules) for each in facts.untyped_decisions)
    yield from (_registration(each, s) for each in facts.registrations)
    for kind, periods in (
        (Kind.SUSPENSION, facts.suspensions),
        (Kind.SIGNING_POSTPONEMENT, facts.signing_postponements),
        (Kind.REGISTRATION_POSTPONEMENT, facts.registration_postponements),
    ):
        yield from (_period(kind, kind.value, each, on) for each in periods)
    yield from (_silence() for each in facts.silences if each.may_cover(on))
    yield from (_breach(each, on) for each in facts.breaches)
    unknown = facts.unknown_documents if rules.weighs_unknown else ()
    yield from (_document(each, on) for each in unknown)
    yield from (_unused(each) for each in facts.unused if not (unknown and each.signed))
    if rule.last_day:
        yield _term(rule, rule.last_day(s))


def _birth(born: Day, on: date) -> _Finding:
    text = f"geboren op {_day(born)}"
    youngest, eldest = age_on(born.latest, on), age_on(born.earliest, on)
    if youngest >= 0:
        ages = f"{youngest}" if youngest == eldest else f"{youngest} of {eldest}"
        text += f": {ages} jaar op de toetsdatum"
    return _Finding(Kind.BIRTH, text, _days("datum", born))


def _target_group(group: TargetGroup, s: Situation, rules: RuleSet) -> _Finding:
    last = s.facts.last_target_group
    if (
        s.group_withdrawn(same_begin=rules.weighs_unknown)
        and last
        and group.period.begin == last.period.begin != s.group.period.begin
    ):
        why = "het laatste antwoord van de bron"
        if rules.weighs_unknown:
            why += "; een doelgroep met een later begin telt"
        return replace(_in_group(last, s.on), state=_State.PERHAPS, why=why)
    found = _in_group(group, s.on)
    if s.group_unclear and group in s.groups:
        why = "het staat niet vast welke doelgroep op de toetsdatum geldt"
        return replace(found, state=_State.PERHAPS, why=why)
    if group in s.groups and group != s.group:
        return replace(found, state=_State.NOT, why="een doelgroep met een later begin telt")
    return found


def _in_group(group: TargetGroup, on: date) -> _Finding:
    exempt = ", reden van vrijstelling ingevuld" if group.exempt else ""
    words = f"doelgroep {_code(group.type)} (code {_code(group.code)}{exempt})"
    found = _period(Kind.TARGET_GROUP, words, group.period, on)
    if group.cut_off:
        return replace(found, text=f"{found.text} (waar de volgende begint)")
    return found


def _event(kind: Kind, event: Coded, on: date) -> _Finding:
    before, after = _EVENTS[kind]
    code = f"{_code(event.code)} " if event.code else ""
    text = f"{before} {code}{after} {_day(event.since)}"
    state, why = _state(Period(event.since, None), on)
    return _Finding(kind, text, _days("datum", event.since), state, why)


def _document(document: Coded, on: date) -> _Finding:
    """A signed document of which nobody knows what it is worth: a doubt."""
    found = _event(Kind.OTHER_DOCUMENT, document, on)
    if found.state is _State.NOT:
        return found
    what = "van een type dat de codelijst niet kent" if document.code else "zonder type"
    return replace(found, state=_State.PERHAPS, why=f"een attest {what}")


def _untyped(decision: Coded, on: date, rules: RuleSet) -> _Finding:
    """A decision of a trajectory that does not say what it is: one that would count is a doubt."""
    kind = decision_kind(decision.code)
    found = _event(kind, decision, on)
    if found.state is _State.NOT:
        return found
    would_count = kind in (Kind.ACHIEVED, Kind.LIMITED_CAPACITY) or (
        rules.weighs_unknown and kind is Kind.OTHER_DECISION
    )
    state = _State.PERHAPS if would_count else _State.NOT
    return replace(found, state=state, why="in een traject zonder type")


def _registration(event: Coded, s: Situation) -> _Finding:
    found = _event(Kind.REGISTRATION, event, s.on)
    if event.code == "HA" and found.state is _State.NOT and s.perhaps_registered:
        why = "heraanmelding na de toetsdatum: de dag van de eerdere aanmelding is niet bekend"
        return replace(found, state=_State.PERHAPS, why=why)
    return found


def _period(kind: Kind, words: str, period: Period, on: date) -> _Finding:
    days = _days("begin", period.begin)
    text = f"{words} vanaf {_day(period.begin)}"
    if period.end:
        text += f" tot en met {_day(period.end)}"
        days |= _days("einde", period.end)
    else:
        text += ", zonder einddatum"
    state, why = _state(period, on)
    return _Finding(kind, text, days, state, why)


def _state(period: Period, on: date) -> tuple[_State, str]:
    """An event is a period without end."""
    if period.covers(on):
        return _State.HOLDS, ""
    if period.may_cover(on):
        readable = UNREADABLE not in (period.begin, period.end)
        what = "onvolledige" if readable else "onleesbare"
        return (
            _State.PERHAPS,
            f"{what} datum: het staat niet vast dat dit op de toetsdatum gold",
        )
    return (
        _State.NOT,
        "na de toetsdatum" if on < period.begin.earliest else "voor de toetsdatum afgelopen",
    )


def _silence() -> _Finding:
    return _Finding(
        Kind.TRAJECTORY,
        "inburgeringstraject zonder bekende status op de toetsdatum",
        state=_State.NOT,
        why="de bron toont alleen een latere status, of geen",
    )


def _breach(breach: Breach, on: date) -> _Finding:
    """Only what is certainly established and certainly not put right counts against a person."""
    found = _event(Kind.BREACH, Coded(None, breach.established), on)
    if found.state is not _State.HOLDS:
        return replace(found, state=_State.NOT)
    if breach.cured is None or on < breach.cured.earliest:
        return replace(found, text=f"{found.text}, niet rechtgezet op de toetsdatum")
    return replace(found, state=_State.NOT, why=f"rechtgezet op {_day(breach.cured)}")


def _unused(unused: Unused) -> _Finding:
    code = f" {_code(unused.code)}" if unused.code else ""
    return _Finding(
        unused.kind, f"{unused.kind.value}{code}", state=_State.NOT, why=_CAUSES[unused.cause]
    )


def _term(rule: Rule, last: date) -> _Finding:
    kind, words = next(each for each in _TERMS.items() if each[0] in rule.rests_on)
    if last == date.max:
        return _Finding(kind, f"{words} loopt zonder einde")
    return _Finding(kind, f"{words} loopt tot en met {in_words(last)}", {"einde": last.isoformat()})


@lru_cache(maxsize=256)
def _code(code: str | None) -> str:
    """A code as the dossier gives it, where it has the form of one and is no national number."""
    if code is None:
        return "niet ingevuld"
    return code if _CODE.fullmatch(code) and not contains_insz(code) else "onbekende code"


def in_words(on: date) -> str:
    """The day as a reader writes it: 14 maart 2022."""
    return f"{on.day} {_MONTHS[on.month - 1]} {on.year}"


def _day(day: Day) -> str:
    if day == UNREADABLE:
        return "een onleesbare datum"
    if day.earliest == day.latest:
        return in_words(day.earliest)
    first, last = in_words(day.earliest), in_words(day.latest)
    return f"een dag van {first} tot en met {last} (onvolledige datum)"


def _days(name: str, day: Day) -> dict[str, str]:
    """One day under its name, the first and last day of an incomplete date, an unreadable never."""
    if day == UNREADABLE:
        return {}
    if day.earliest == day.latest:
        return {name: day.earliest.isoformat()}
    return {
        f"{name}Vroegst": day.earliest.isoformat(),
        f"{name}Laatst": day.latest.isoformat(),
    }
