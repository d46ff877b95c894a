"""Does the person meet the integration obligation on date D? The decision table, as data. Pure.

Articles without a name are of the Flemish decree of 7 June 2013 (D13). AGII-NAT, AGII-INSP and
AGII-PL are public pages of the integration agency; INF is inferred from the name of a code;
"prop" is our own choice where the law is silent.

Dates. An incomplete date (`1957-00-00`) stands for every day that it allows, an unreadable one
for every day there is. An element without its date has not happened. Whatever cannot be settled
that way is never held against the person: a NOK that could be another answer if an unknown day
were known becomes "no advice" (T99).

Limits. The wooncode flags are never read, nor is level B1 (2, 11° against 34/5): a certificate is
enough. The ordinance of Brussels (11 May 2017) is not evaluated.
"""

from calendar import isleap, monthrange
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import MAXYEAR, date
from enum import StrEnum
from functools import cached_property
from typing import Any

from app.derived import COMPETENCE_CERTIFICATES, INTEGRATION_CERTIFICATES
from app.moments import possible_days

RULE_SET_ID = "inburgeringsplicht"
RULE_SET_VERSION = "1.0"

REASONS: Mapping[str, str] = {
    "R01": "De persoon heeft zich op de toetsingsdatum niet aangemeld bij een agentschap "
    "Integratie en Inburgering.",
    "R02": "De persoon heeft op de toetsingsdatum geen inburgeringscontract ondertekend.",
    "R03": "Het inburgeringstraject is op de toetsingsdatum niet afgerond: er is nog geen attest "
    "van inburgering.",
    "R04": "Het inburgeringstraject is beëindigd zonder dat de doelstellingen zijn behaald.",
    "R05": "Er loopt op de toetsingsdatum een uitstel of opschorting; de inburgeringsplicht is "
    "nog niet vervuld.",
}


class Profile(StrEnum):
    """How a protocol wants a running postponement or term to count."""

    STRICT = "strikt"  # only a certificate, an equal decision, an exemption or no obligation
    WITH_POSTPONEMENT = "striktMetUitstel"  # also a postponement or suspension that covers D
    IN_ORDER = "inOrde"  # also a running legal term, or a running contract without open breach


class Outcome(StrEnum):
    """The answer on the wire; "no advice" is an error, not an answer."""

    OK = "OK"
    NOK = "NOK"


_OUTCOMES: Mapping[str, Outcome | None] = {"O": Outcome.OK, "N": Outcome.NOK, "T": None}
_BLOCKS = frozenset(
    {
        "aanmelding",
        "behaaldeAttesten",
        "contracten",
        "doelgroep",
        "personalia",
        "trajecten",
        "uitstellenVanAanmelding",
        "uitstellenVanOndertekening",
    }
)


def blocks_needed(profile: Profile) -> frozenset[str]:
    """The dossier columns to load: breaches for `inOrde` alone, the wooncode for nobody."""
    if profile is Profile.IN_ORDER:
        return _BLOCKS | {"inbreuken"}
    return _BLOCKS


@dataclass(frozen=True, repr=False)
class Day:
    """One day, or the days that an incomplete date allows."""

    earliest: date
    latest: date


UNREADABLE = Day(date.min, date.max)


@dataclass(frozen=True, repr=False)
class Period:
    """Both days included; no end is open."""

    begin: Day
    end: Day | None

    def covers(self, on: date) -> bool:
        """Whether the period certainly covers the day."""
        return self.begin.latest <= on and (self.end is None or on <= self.end.earliest)

    def may_cover(self, on: date) -> bool:
        """Whether it does for some of the days that incomplete dates allow."""
        return self.begin.earliest <= on and (self.end is None or on <= self.end.latest)


@dataclass(frozen=True, repr=False)
class TargetGroup:
    """What the KBI says of the obligation for a while."""

    period: Period
    code: str | None = None
    type: str | None = None
    exempt: bool = False


@dataclass(frozen=True, repr=False)
class Coded:
    """A decision or a status, and the day from which it holds."""

    code: str | None
    since: Day


@dataclass(frozen=True, repr=False)
class Breach:
    """A breach, and the day on which it was put right."""

    established: Day
    cured: Day | None


@dataclass(frozen=True, repr=False)
class Facts:
    """All that the rules read of one person."""

    fault: bool = False
    dossier: bool = False
    born: Day | None = None
    target_groups: tuple[TargetGroup, ...] = ()
    certificates: tuple[Day, ...] = ()  # of civic integration, the day of signature
    competences: tuple[Day, ...] = ()
    registrations: tuple[Day, ...] = ()
    contracts: tuple[Day, ...] = ()
    suspensions: tuple[Period, ...] = ()
    registration_postponements: tuple[Period, ...] = ()
    signing_postponements: tuple[Period, ...] = ()
    decisions: tuple[Coded, ...] = ()  # of integration trajectories
    statuses: tuple[Coded, ...] = ()  # of integration trajectories
    breaches: tuple[Breach, ...] = ()


@dataclass(frozen=True, repr=False)
class Situation:
    """The facts as they stand on D."""

    facts: Facts
    on: date

    def past(self, days: Sequence[Day]) -> bool:
        """Whether one of the days has certainly come."""
        return any(day.latest <= self.on for day in days)

    def covered(self, periods: Sequence[Period]) -> bool:
        """Whether one of the periods certainly covers D."""
        return any(period.covers(self.on) for period in periods)

    def younger_than(self, age: int) -> bool:
        """Certainly so; False as well without a birth date."""
        return self.facts.born is not None and self.on < _birthday(self.facts.born.earliest, age)

    def has_age(self, age: int) -> bool:
        """Certainly so, birthday included; False as well without a birth date."""
        return self.facts.born is not None and self.on >= _birthday(self.facts.born.latest, age)

    def age_unclear(self, age: int) -> bool:
        """Whether an incomplete birth date leaves open if the person has that age."""
        return not self.younger_than(age) and not self.has_age(age)

    def registered_by_birthday(self, age: int) -> bool:
        """Whether the target group began on or before that birthday, whichever day that is."""
        born = self.facts.born
        return born is not None and self.group.period.begin.latest <= _birthday(born.earliest, age)

    @cached_property
    def groups(self) -> list[TargetGroup]:
        """The target groups that may hold on D, newest begin first."""
        may_hold = [group for group in self.facts.target_groups if group.period.may_cover(self.on)]
        return sorted(may_hold, key=lambda group: group.period.begin.latest, reverse=True)

    @property
    def group(self) -> TargetGroup:
        """The target group on D; one without code and type where there is none."""
        return next(iter(self.groups), TargetGroup(Period(UNREADABLE, None)))

    @property
    def group_unclear(self) -> bool:
        """Whether the newest one is only perhaps there, or only perhaps the newest."""
        begin = self.group.period.begin
        return bool(self.groups) and (
            not self.group.period.covers(self.on)
            or any(older.period.begin.latest >= begin.earliest for older in self.groups[1:])
        )

    @property
    def before_first_group(self) -> bool:
        """Whether no target group has begun."""
        return all(self.on < group.period.begin.earliest for group in self.facts.target_groups)

    def decided(self, *codes: str) -> bool:
        """Whether a decision with one of the codes has been taken."""
        return self.past([each.since for each in self.facts.decisions if each.code in codes])

    @property
    def registered(self) -> bool:
        """Aanmelding with DatumAanmelding up to D."""
        return self.past(self.facts.registrations)

    @property
    def has_contract(self) -> bool:
        """Contract with DatumRegistratie up to D."""
        return self.past(self.facts.contracts)

    def contract_after(self, day: Day) -> bool:
        """Whether a contract was registered after the day and up to D."""
        later = [each for each in self.facts.contracts if each.latest > day.earliest]
        return self.past(later)

    @property
    def in_term_to_register(self) -> bool:
        """Three calendar months from the begin of the obligation, or a postponement beyond."""
        term = _months_after(self.group.period.begin.latest, 3)
        last_days = [term, *_ends(self.facts.registration_postponements)]
        return any(self.on <= last_day for last_day in last_days)

    @property
    def in_term_to_sign(self) -> bool:
        """Ninety days from the registration, or a postponement beyond."""
        terms = [_days_after(day.latest, 90) for day in self.facts.registrations]
        last_days = [*terms, *_ends(self.facts.signing_postponements)]
        return any(self.on <= last_day for last_day in last_days)

    @property
    def refused(self) -> bool:
        """A decision NEE, and no contract registered after it."""
        return any(
            each.code == "NEE" and self.past([each.since]) and not self.contract_after(each.since)
            for each in self.facts.decisions
        )

    @property
    def stopped(self) -> bool:
        """The newest status is GS, and no contract was registered after it.

        Where several can be the newest, one that says otherwise leaves the trajectory running.
        """
        begun = [each for each in self.facts.statuses if self.past([each.since])]
        newest = max((each.since.earliest for each in begun), default=date.max)
        last = [each for each in begun if each.since.latest >= newest]
        return bool(last) and all(
            each.code == "GS" and not self.contract_after(each.since) for each in last
        )

    @property
    def in_breach(self) -> bool:
        """A breach that was established and is not, or not even perhaps, put right."""
        return any(
            self.past([breach.established])
            and (breach.cured is None or breach.cured.earliest > self.on)
            for breach in self.facts.breaches
        )

    @property
    def in_doubt(self) -> bool:
        """Whether D lies among the days that an incomplete or unreadable date allows."""
        return any(
            period.may_cover(self.on) and not period.covers(self.on)
            for period in _dated(self.facts)
        )


@dataclass(frozen=True, eq=False)
class Rule:
    """One row of the decision table; the first letter of a code is its outcome."""

    codes: Mapping[Profile, str]
    situation: str
    when: Callable[[Situation], bool]
    legal_ground: str
    certainty: str
    wire_reason: str | None = None  # only with NOK


@dataclass(frozen=True)
class Advice:
    """The answer; `code`, `rule` and `open_ended` are for the auditor alone."""

    code: str
    outcome: Outcome | None  # None is no advice
    wire_reason: str | None
    rule: Rule
    open_ended: bool  # a postponement or suspension on D has no end: doubtful data quality


def _same(code: str) -> dict[Profile, str]:
    return dict.fromkeys(Profile, code)


def _deferral(strict: str, otherwise: str) -> dict[Profile, str]:
    return _same(otherwise) | {Profile.STRICT: strict}


def _term(otherwise: str, in_order: str) -> dict[Profile, str]:
    return _same(otherwise) | {Profile.IN_ORDER: in_order}


_ANYTHING_ELSE = Rule(_same("T99"), "anything else", lambda _: True, "", "prop")

# Top-down, the first hit wins. Certificates end the obligation whatever the target group says,
# then come age, target group, deferral and progress. From O12 on the person is PLICHT.
RULES: tuple[Rule, ...] = (
    Rule(
        _same("T01"),
        "source fault marked for this person",
        lambda s: s.facts.fault,
        "",
        "prop",
    ),
    Rule(
        _same("O01"),
        "no dossier, also under older INSZ",
        lambda s: not s.facts.dossier,
        "art. 26-27 D13; KBI fed monthly (art. 20)",
        "prop",
    ),
    Rule(
        _same("O10"),
        "AI023 with DatumOndertekening ≤ D",
        lambda s: s.past(s.facts.certificates),
        "27 §2, 4°",
        "law (date choice: prop)",
    ),
    Rule(
        _same("O11"),
        "AEVC05 with DatumOndertekening ≤ D",
        lambda s: s.past(s.facts.competences),
        "EVC attest until 2016 (AGII-NAT)",
        "src/prop",
    ),
    Rule(
        _same("T05"),
        "no birth date",
        lambda s: s.facts.born is None,
        "",
        "prop",
    ),
    Rule(
        _same("T06"),
        "incomplete birth date makes the test of 18 or 65 ambiguous",
        lambda s: s.age_unclear(18) or s.age_unclear(65),
        "",
        "prop",
    ),
    Rule(
        _same("O02"),
        "age < 18 on D",
        lambda s: s.younger_than(18),
        "27 §1",
        "law",
    ),
    Rule(
        _same("O20"),
        "age ≥ 65 on D (birthday included), whatever Doelgroep says",
        lambda s: s.has_age(65),
        "27 §2 al. 2",
        "law (minister of religion not detectable)",
    ),
    Rule(
        _same("T05"),
        "no Doelgroep at all",
        lambda s: not s.facts.target_groups,
        "",
        "prop",
    ),
    Rule(
        _same("T99"),
        "Doelgroep with a period of which the dates do not tell whether it covers D",
        lambda s: s.group_unclear,
        "",
        "prop",
    ),
    Rule(
        _same("O03"),
        "D before first Doelgroep period",
        lambda s: s.before_first_group,
        "27 §1",
        "prop",
    ),
    Rule(
        _same("O04"),
        "D after the last closed period, or in a gap between two",
        lambda s: not s.groups,
        "27 §1",
        "prop",
    ),
    Rule(
        _same("T02"),
        "Doelgroep NADER_TE_BEPALEN",
        lambda s: "NADER_TE_BEPALEN" in (s.group.code, s.group.type),
        "",
        "prop",
    ),
    Rule(
        _same("O05"),
        "Code NEE / Type GEEN",
        lambda s: s.group.code == "NEE" or s.group.type == "GEEN",
        "26 §1",
        "law",
    ),
    Rule(
        _same("O21"),
        "RedenVrijstellingVanDeVerplichting filled, period covers D",
        lambda s: s.group.exempt,
        "27 §2",
        "law",
    ),
    Rule(
        _same("O06"),
        "Type RECHT",
        lambda s: s.group.type == "RECHT",
        "26 §2, 27 §1",
        "law",
    ),
    Rule(
        _same("O07"),
        "Type MINDERJARIG, now ≥18, registered at least 12 months before the 18th birthday",
        lambda s: s.group.type == "MINDERJARIG" and s.registered_by_birthday(17),
        "27 §6 a contrario",
        "prop",
    ),
    Rule(
        _same("T03"),
        "Type MINDERJARIG, now ≥18, registered less than 12 months before it",
        lambda s: s.group.type == "MINDERJARIG",
        "27 §6",
        "prop",
    ),
    Rule(
        _same("T04"),
        "RECHT_PLICHT or unknown type, or an unknown code",
        lambda s: s.group.type != "PLICHT" or s.group.code not in ("JA", None),
        "code list unknown",
        "prop",
    ),
    Rule(
        _same("O12"),
        "PLICHT; inburgering traject besluit JA_IB/JA_EVC, DatumToekenning ≤ D, "
        "attest not registered",
        lambda s: s.decided("JA_IB", "JA_EVC"),
        "34/3",
        "prop",
    ),
    Rule(
        _same("O13"),
        "PLICHT; besluit NEE_ANALFA ≤ D (limited learning capacity)",
        lambda s: s.decided("NEE_ANALFA"),
        "27 §3 al. 3; AGII-INSP",
        "src/prop (code meaning INF)",
    ),
    Rule(
        _deferral("N11", "O32"),
        "PLICHT; Opschorting covers D",
        lambda s: s.covered(s.facts.suspensions),
        "34/2 §3",
        "prop",
        "R05",
    ),
    Rule(
        _deferral("N12", "O31"),
        "PLICHT; UitstelVanOndertekening covers D",
        lambda s: s.covered(s.facts.signing_postponements),
        "34/1 §3",
        "prop",
        "R05",
    ),
    Rule(
        _deferral("N10", "O30"),
        "PLICHT; UitstelVanAanmelding covers D",
        lambda s: s.covered(s.facts.registration_postponements),
        "27 §3 al. 4",
        "prop",
        "R05",
    ),
    Rule(
        _term("N20", "O40"),
        "PLICHT; not registered and no contract on D; D ≤ the latest of begin+3 months and the "
        "end of any UitstelVanAanmelding",
        lambda s: not s.registered and not s.has_contract and s.in_term_to_register,
        "27 §3, 1°",
        "prop",
        "R01",
    ),
    Rule(
        _same("N21"),
        "PLICHT; not registered and no contract on D, term passed",
        lambda s: not s.registered and not s.has_contract,
        "27 §3, 1°",
        "law (state), prop (wire)",
        "R01",
    ),
    Rule(
        _term("N22", "O41"),
        "PLICHT; registered, no contract on D; D ≤ the latest of aanmelding+90 days and the end "
        "of any UitstelVanOndertekening",
        lambda s: not s.has_contract and s.in_term_to_sign,
        "34/1 §3",
        "prop",
        "R02",
    ),
    Rule(
        _same("N23"),
        "PLICHT; registered, no contract, 90 days passed",
        lambda s: not s.has_contract,
        "34/1 §3, 27 §3 2°",
        "law (state)",
        "R02",
    ),
    Rule(
        _same("N31"),
        "PLICHT; contract; a besluit NEE with date ≤ D and no contract registered after it "
        "(up to D)",
        lambda s: s.refused,
        "27 §3, 2°",
        "law (state)",
        "R04",
    ),
    Rule(
        _same("N32"),
        "PLICHT; contract; the inburgering traject with the newest status (begin ≤ D) has GS, "
        "and no contract was registered after that begin",
        lambda s: s.stopped,
        "27 §3, 2°",
        "prop (GS meaning INF)",
        "R04",
    ),
    # The one row that reads breaches is two rules, so that only `inOrde` can tell them apart.
    Rule(
        _term("N30", "O42"),
        "PLICHT; contract running, no attest, no open inbreuk",
        lambda s: not s.in_breach,
        '27 §1 "zolang … niet voldaan"',
        "prop",
        "R03",
    ),
    Rule(
        _same("N30"),
        "PLICHT; contract running, no attest, open inbreuk",
        lambda s: s.has_contract,
        '27 §1 "zolang … niet voldaan"',
        "prop",
        "R03",
    ),
    _ANYTHING_ELSE,
)


def advise(facts: Facts, on: date, profile: Profile) -> Advice:
    """Apply the table to the facts on D (`on`); how fresh the data are is not looked at here."""
    situation = Situation(facts, on)
    rule = next(rule for rule in RULES if rule.when(situation))
    if _OUTCOMES[rule.codes[profile][0]] is Outcome.NOK and situation.in_doubt:
        rule = _ANYTHING_ELSE
    code = rule.codes[profile]
    outcome = _OUTCOMES[code[0]]
    return Advice(
        code=code,
        outcome=outcome,
        wire_reason=rule.wire_reason if outcome is Outcome.NOK else None,
        rule=rule,
        open_ended=any(
            period.end is None and period.covers(on)
            for period in (
                *facts.suspensions,
                *facts.signing_postponements,
                *facts.registration_postponements,
            )
        ),
    )


def read_facts(
    dossiers: Sequence[Mapping[str, Any]],
    target_groups: Sequence[Mapping[str, Any]],
    *,
    fault: bool = False,
) -> Facts:
    """Read the stored blocks of every dossier of a person. Never raises on what stands in them.

    `dossiers`: the one under the current number first, then those under replaced numbers, for what
    was done under those counts (advice.md); none is no dossier. `target_groups` are all stored
    Doelgroep blocks, oldest first; those among `dossiers` are not read. `fault` is the mark that
    the last answer was a source fault.
    """
    if not dossiers:
        return Facts(fault=fault)
    documents = _joined(dossiers, "behaaldeAttesten")
    contracts = _joined(dossiers, "contracten")
    trajectories = [each for each in _joined(dossiers, "trajecten") if _is_integration(each)]
    # A breach that was put right under the current number is not open under an older one.
    known_breaches = [blocks for blocks in dossiers if "inbreuken" in blocks][:1]
    personal = next((_part(each, "personalia") for each in dossiers if "personalia" in each), {})
    born = _day(personal.get("geboortedatum"))
    return Facts(
        fault=fault,
        dossier=True,
        born=None if born is UNREADABLE else born,
        target_groups=_history(target_groups),
        certificates=_signed(documents, INTEGRATION_CERTIFICATES),
        competences=_signed(documents, COMPETENCE_CERTIFICATES),
        registrations=_days([_part(each, "aanmelding") for each in dossiers], "datumAanmelding"),
        contracts=_days(contracts, "datumRegistratie"),
        suspensions=tuple(
            period for each in contracts for period in _periods(each.get("opschortingen"))
        ),
        registration_postponements=_periods(_joined(dossiers, "uitstellenVanAanmelding")),
        signing_postponements=_periods(_joined(dossiers, "uitstellenVanOndertekening")),
        decisions=tuple(
            Coded(_text(decision.get("code")), day)
            for decision in (_part(each, "besluit") for each in trajectories)
            for day in _days([decision], "datumToekenning")
        ),
        statuses=tuple(
            Coded(_text(status.get("code")), day)
            for status in (_part(each, "status") for each in trajectories)
            for day in _days([_part(status, "periode")], "begin")
        ),
        breaches=tuple(
            Breach(day, _day(_part(each, "rechtzettingsFormulier").get("datumOndertekening")))
            for each in _joined(known_breaches, "inbreuken")
            for day in _days([each], "datumVaststelling")
        ),
    )


def _history(blocks: Sequence[Mapping[str, Any]]) -> tuple[TargetGroup, ...]:
    """A period replaces the one with the same begin that was learned before it.

    The source knows one target group at a time, so an open period ends where the next begins
    (docs/adr/0007). One without a readable begin has nothing to be recognised by: whatever is
    learned next corrects it, and until then nobody can say what holds.
    """
    groups: dict[Day, TargetGroup] = {}
    for block in blocks:
        group = TargetGroup(
            period=_period(block),
            code=_text(block.get("code")),
            type=_text(block.get("type")),
            exempt=bool(block.get("redenVrijstellingVanDeVerplichting")),
        )
        groups.pop(UNREADABLE, None)
        groups[group.period.begin] = group
    return tuple(_closed(group, groups) for group in groups.values())


def _closed(group: TargetGroup, begins: Iterable[Day]) -> TargetGroup:
    """An open period ends on the day before the first begin that certainly lies after its own."""
    later = [begin for begin in begins if begin.earliest > group.period.begin.latest]
    if group.period.end or not later:
        return group
    end = min(later, key=lambda begin: begin.earliest)
    before = Day(_days_after(end.earliest, -1), _days_after(end.latest, -1))
    return replace(group, period=Period(group.period.begin, before))


def _is_integration(trajectory: Mapping[str, Any]) -> bool:
    """TT_IB* but TT_IBGD."""
    type_ = _text(trajectory.get("type")) or ""
    return type_.startswith("TT_IB") and type_ != "TT_IBGD"


def _signed(documents: Sequence[Mapping[str, Any]], types: frozenset[str]) -> tuple[Day, ...]:
    wanted = [each for each in documents if _text(each.get("type")) in types]
    return _days(wanted, "datumOndertekening")


def _dated(facts: Facts) -> Iterator[Period]:
    """Everything dated that a NOK can rest on; an event is a period without end."""
    yield from facts.suspensions
    yield from facts.registration_postponements
    yield from facts.signing_postponements
    for day in (
        *facts.certificates,
        *facts.competences,
        *facts.registrations,
        *facts.contracts,
        *(each.since for each in (*facts.decisions, *facts.statuses)),
    ):
        yield Period(day, None)


def _ends(periods: Sequence[Period]) -> list[date]:
    """The last days; an open period ends after every D."""
    return [each.end.latest if each.end else date.max for each in periods]


def _periods(value: Any) -> tuple[Period, ...]:
    return tuple(_period(each) for each in _items(value))


def _period(block: Mapping[str, Any]) -> Period:
    """The schema demands a begin: a period without one may lie anywhere."""
    period = _part(block, "periode")
    return Period(_day(period.get("begin")) or UNREADABLE, _day(period.get("einde")))


def _days(blocks: Sequence[Mapping[str, Any]], name: str) -> tuple[Day, ...]:
    days = (_day(block.get(name)) for block in blocks)
    return tuple(day for day in days if day)


def _day(value: Any) -> Day | None:
    """None when absent; `yyyy-00-00` and `yyyy-mm-00` are the whole year or month."""
    if value is None:
        return None
    days = possible_days(value) if isinstance(value, str) else None
    return Day(*days) if days else UNREADABLE


def _birthday(born: date, age: int) -> date:
    """29 February becomes 1 March where there is none."""
    year = min(born.year + age, MAXYEAR)
    if (born.month, born.day) == (2, 29) and not isleap(year):
        return date(year, 3, 1)
    return born.replace(year=year)


def _months_after(day: date, months: int) -> date:
    """The same day of a later month, or the last one where that month is shorter."""
    years, month = divmod(day.month - 1 + months, 12)
    year = min(day.year + years, MAXYEAR)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def _days_after(day: date, days: int) -> date:
    return date.fromordinal(min(day.toordinal() + days, date.max.toordinal()))


def _joined(dossiers: Sequence[Mapping[str, Any]], name: str) -> list[Mapping[str, Any]]:
    return [each for blocks in dossiers for each in _items(blocks.get(name))]


def _items(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _part(block: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = block.get(name)
    return part if isinstance(part, Mapping) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
