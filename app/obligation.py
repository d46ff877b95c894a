"""Does the person meet the integration obligation on date D? The decision table, as data. Pure.

Articles without a name are of the Flemish decree of 7 June 2013 (D13). AGII-NAT, AGII-INSP and
AGII-PL are public pages of the integration agency. The texts of the rules are Dutch: case
handlers read them in the explanation (`explanation`) and on the page of the rules (`rule_pages`).

Whatever cannot be settled is never held against the person: a NOK that could be another answer if
an unknown day were known becomes "no advice" (T99).

Limits. The wooncode flags are never read, nor is level B1 (2, 11° against 34/5): a certificate is
enough. The ordinance of Brussels (11 May 2017) is not evaluated.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from datetime import MAXYEAR, MINYEAR, UTC, date, datetime, timedelta
from enum import StrEnum
from functools import cached_property
from typing import Any

from app.facts import (
    ACHIEVED,
    LIMITED_CAPACITY,
    NOT_ACHIEVED,
    STOPPED,
    UNREADABLE,
    Coded,
    Day,
    Facts,
    Kind,
    Period,
    TargetGroup,
    birthday,
    days_after,
    decision_kind,
    months_after,
    read_facts,
)

RULE_SET_ID = "inburgeringsplicht"

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


def premium_test_date(year: int) -> date:
    """The day on which the premium of a year is tested: 1 January of the year before.

    A year beyond the calendar gives the first or last 1 January there is. The service refuses both
    as any other test date: before every legal ground, or in the future.
    """
    return date(max(MINYEAR, min(year - 1, MAXYEAR)), 1, 1)


@dataclass(frozen=True)
class Source:
    """What the source said last of a person, and how old that is."""

    asked_at: datetime  # as known at this moment
    maximum_age: timedelta  # MAX_DATA_AGE, whole days
    fault: str | None = None  # the MAGDA code of its last answer where that is a fault
    dossier_at: datetime | None = None  # when it gave the dossier that counts; None: no dossier
    # When it last said that there is no dossier: of this person, or by a complete delivery.
    absence_at: datetime | None = None


@dataclass(frozen=True, repr=False)
class Situation:
    """The facts as they stand on D."""

    facts: Facts
    on: date
    source: Source

    @classmethod
    def of(cls, facts: Facts, on: date, profile: Profile, source: Source) -> "Situation":
        """Without breaches for a profile that does not read them, should they be loaded."""
        if facts.breaches and "inbreuken" not in blocks_needed(profile):
            facts = replace(facts, breaches=())
        return cls(facts, on, source)

    def past(self, events: Sequence[Coded]) -> bool:
        """Whether one of them has certainly come."""
        return any(event.since.latest <= self.on for event in events)

    def covered(self, periods: Sequence[Period]) -> bool:
        """Whether one of the periods certainly covers D."""
        return any(period.covers(self.on) for period in periods)

    def younger_than(self, age: int) -> bool:
        """Certainly so; False as well without a birth date."""
        return self.facts.born is not None and self.on < birthday(self.facts.born.earliest, age)

    def has_age(self, age: int) -> bool:
        """Certainly so, birthday included; False as well without a birth date."""
        return self.facts.born is not None and self.on >= birthday(self.facts.born.latest, age)

    def age_unclear(self, age: int) -> bool:
        """Whether an incomplete birth date leaves open if the person has that age."""
        return not self.younger_than(age) and not self.has_age(age)

    def in_group_by_birthday(self, age: int) -> bool:
        """Whether the target group began on or before that birthday, whichever day that is."""
        born = self.facts.born
        return born is not None and self.group.period.begin.latest <= birthday(born.earliest, age)

    @cached_property
    def groups(self) -> list[TargetGroup]:
        """The target groups that may hold on D, newest begin first."""
        may_hold = [group for group in self.facts.target_groups if group.period.may_cover(self.on)]
        return sorted(may_hold, key=lambda group: group.period.begin.latest, reverse=True)

    @cached_property
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

    def group_withdrawn(self, *, same_begin: bool) -> bool:
        """Whether the last answer goes back to before the target group on D, and does not oblige.

        The history only grows: what was said earlier of a later begin stays, and the newest begin
        wins. A NOK would then rest on what the source no longer shows. `same_begin`: also where an
        incomplete date leaves open that it is the begin of that group.
        """
        last = self.facts.last_target_group
        if last is None or not self.groups:
            return False
        earliest, begin = last.period.begin.earliest, self.group.period.begin.latest
        goes_back = earliest < begin or (same_begin and earliest == begin)
        return goes_back and not (last.obliges and last.period.covers(self.on))

    @property
    def group_perhaps_over(self) -> bool:
        """Whether the target group on D has no end of its own and another one perhaps, not surely,
        came after it.

        It ends where the next begins (docs/adr/0007); incomplete dates hide the order.
        """
        begin = self.group.period.begin
        return (
            bool(self.groups)
            and (self.group.period.end is None or self.group.cut_off)
            and any(
                other.period.begin.earliest <= begin.latest
                and other.period.begin.latest > begin.earliest
                for other in self.facts.target_groups
                if other != self.group
            )
        )

    @property
    def before_first_group(self) -> bool:
        """Whether no target group has begun."""
        return all(self.on < group.period.begin.earliest for group in self.facts.target_groups)

    def decided(self, codes: frozenset[str]) -> bool:
        """Whether a decision with one of the codes has been taken."""
        return self.past([each for each in self.facts.decisions if each.code in codes])

    @property
    def perhaps_decided(self) -> bool:
        """Whether one that would count was, in a trajectory that does not say what it is."""
        return any(
            each.code in ACHIEVED | LIMITED_CAPACITY and each.since.earliest <= self.on
            for each in self.facts.untyped_decisions
        )

    @property
    def perhaps_certified(self) -> bool:
        """Whether a document was perhaps signed of which nobody knows what it is worth."""
        return any(each.since.earliest <= self.on for each in self.facts.unknown_documents)

    @property
    def decision_unknown(self) -> bool:
        """Whether a decision was perhaps taken that does not say what it is."""
        decisions = (*self.facts.decisions, *self.facts.untyped_decisions)
        return any(
            decision_kind(each.code) is Kind.OTHER_DECISION and each.since.earliest <= self.on
            for each in decisions
        )

    @property
    def registered(self) -> bool:
        """Aanmelding with DatumAanmelding up to D."""
        return self.past(self.facts.registrations)

    @property
    def has_contract(self) -> bool:
        """Contract with DatumRegistratie up to D."""
        return self.past(self.facts.contracts)

    @property
    def perhaps_registered(self) -> bool:
        """Whether only a re-registration (HA) after D is known: the day before it is not."""
        return not self.registered and any(each.code == "HA" for each in self.facts.registrations)

    @property
    def deferred(self) -> bool:
        """Whether a postponement or a suspension covers D."""
        return self.covered(_deferrals(self.facts))

    @cached_property
    def newest_contract(self) -> date:
        """The newest day up to D on which one was certainly registered; without one long ago."""
        days = (each.since.latest for each in self.facts.contracts)
        return max((day for day in days if day <= self.on), default=date.min)

    @cached_property
    def first_contract(self) -> date:
        """The first day on which a contract may have been registered."""
        return min((each.since.earliest for each in self.facts.contracts), default=date.max)

    def renewed(self, day: Day, *, same_day: bool) -> bool:
        """Whether a contract was registered after the day and up to D.

        Nobody knows the order within a day: beside an older contract, one of the same day is new.
        """
        newest = self.newest_contract
        counts_today = same_day and self.first_contract < day.latest
        return newest > day.earliest or (counts_today and newest == day.earliest)

    @property
    def last_day_to_register(self) -> date:
        """Three calendar months from the begin of the obligation, or a postponement beyond."""
        term = months_after(self.group.period.begin.latest, 3)
        return max([term, *_ends(self.facts.registration_postponements)])

    def last_day_to_sign(self, *, from_registrations_after_d: bool = False) -> date:
        """Ninety days from the registration, or a postponement beyond."""
        terms = [
            days_after(each.since.latest, 90)
            for each in self.facts.registrations
            if from_registrations_after_d or each.since.earliest <= self.on
        ]
        return max([*terms, *_ends(self.facts.signing_postponements)], default=date.min)

    def refused(self, *, same_day: bool) -> bool:
        """A decision NEE, and no contract registered after it."""
        return any(
            each.code in NOT_ACHIEVED
            and self.past([each])
            and not self.renewed(each.since, same_day=same_day)
            for each in self.facts.decisions
        )

    def stopped(self, *, same_day: bool) -> bool:
        """The newest status is GS, and no contract was registered after it.

        Where several can be the newest, one that says otherwise leaves the trajectory running.
        """
        begun = [each for each in self.facts.statuses if self.past([each])]
        newest = max((each.since.earliest for each in begun), default=date.max)
        last = [each for each in begun if each.since.latest >= newest]
        return bool(last) and all(
            each.code == STOPPED and not self.renewed(each.since, same_day=same_day)
            for each in last
        )

    @property
    def status_unknown(self) -> bool:
        """Whether on D there was a trajectory of which the source only shows a later status."""
        return any(period.may_cover(self.on) for period in self.facts.silences)

    @property
    def in_breach(self) -> bool:
        """A breach that was established and is not, or not even perhaps, put right."""
        return any(
            breach.established.latest <= self.on
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


def _dated(facts: Facts) -> Iterator[Period]:
    """Everything dated that a NOK can rest on; an event is a period without end."""
    yield from _deferrals(facts)
    for event in (
        *facts.certificates,
        *facts.competences,
        *facts.registrations,
        *facts.contracts,
        *facts.decisions,
        *facts.statuses,
    ):
        yield Period(event.since, None)


def _deferrals(facts: Facts) -> tuple[Period, ...]:
    return (
        *facts.suspensions,
        *facts.signing_postponements,
        *facts.registration_postponements,
    )


def _ends(periods: Sequence[Period]) -> list[date]:
    """The last days; an open period ends after every D."""
    return [each.end.latest if each.end else date.max for each in periods]


Blocks = Mapping[str, Any]


@dataclass(frozen=True, eq=False)
class Example:
    """A person to whom one rule applies, in the form of the store."""

    on: date
    dossier: Blocks | None = None
    target_groups: Sequence[Blocks] = ()
    fault: str | None = None
    age: timedelta = timedelta(0)  # of what the source said

    @property
    def facts(self) -> Facts:
        """As the rules read them."""
        return read_facts([] if self.dossier is None else [self.dossier], self.target_groups)

    @property
    def source(self) -> Source:
        """Asked on one moment, always the same."""
        asked_at = datetime(2026, 6, 1, 10, tzinfo=UTC)
        said_at = asked_at - self.age
        return Source(
            asked_at,
            maximum_age=timedelta(days=35),
            fault=self.fault,
            dossier_at=None if self.dossier is None else said_at,
            absence_at=said_at,
        )


@dataclass(frozen=True, eq=False)
class Rule:
    """One row of the decision table; the first letter of a code is its outcome."""

    codes: Mapping[Profile, str]
    situation: str
    when: Callable[[Situation], bool] = field(repr=False)
    rests_on: Sequence[Kind]  # which facts decide, or that there are none of that kind
    legal_ground: str
    certainty: str
    wire_reason: str | None = None  # only with NOK
    example: Example | None = field(default=None, repr=False)
    last_day: Callable[[Situation], date] | None = field(default=None, repr=False)  # of a term

    @property
    def name(self) -> str:
        """Its codes: `N22 / O41`."""
        return " / ".join(dict.fromkeys(self.codes.values()))


@dataclass(frozen=True, eq=False)
class RuleSet:
    """One version of the table: the first row that fits; then, for a NOK, the first doubt.

    Every version that ever gave an advice stays here, for that advice must be given again as it
    was. So a rule that changes is never edited: the new one is written beside the old, the next
    version lists its own rules, and CURRENT names it. A test holds a digest of what each version
    answers. A change in how facts are read changes every version: only add to `Facts`.
    """

    version: str
    rules: Sequence[Rule]
    doubts: Sequence[Rule]  # asked of a NOK alone
    weighs_age: bool  # the last step: TOO_OLD
    weighs_unknown: bool = False  # codes that no list knows, and dates that hide an order


def _same(code: str) -> dict[Profile, str]:
    return dict.fromkeys(Profile, code)


def _deferral(strict: str, otherwise: str) -> dict[Profile, str]:
    return _same(otherwise) | {Profile.STRICT: strict}


def _term(otherwise: str, in_order: str) -> dict[Profile, str]:
    return _same(otherwise) | {Profile.IN_ORDER: in_order}


# What the examples are made of.


def _period(begin: str, end: str | None = None) -> Blocks:
    return {"periode": {"begin": begin} | ({"einde": end} if end else {})}


def _group(begin: str, end: str | None = None, **more: Any) -> Blocks:
    return {"code": "JA", "type": "PLICHT"} | dict(_period(begin, end)) | more


def _decision(code: str, on: str) -> Blocks:
    decision = {"code": code, "datumToekenning": on}
    return {"trajecten": [{"type": "TT_IBVP", "besluit": decision}]}


def _born(text: str) -> Blocks:
    return {"personalia": {"geboortedatum": text}}


_D = date(2022, 3, 14)
_ADULT = _born("1985-05-25")
_OBLIGED = (_group("2016-03-01"),)
_REGISTERED = {**_ADULT, "aanmelding": {"type": "EA", "datumAanmelding": "2016-04-01"}}
_SIGNED = {**_REGISTERED, "contracten": [{"datumRegistratie": "2016-06-01"}]}

# The rules, named by their codes. Certificates end the obligation whatever the target group says,
# then come age, target group, deferral and progress. From O12 on the person is PLICHT.

_PROGRESS = (Kind.BIRTH, Kind.TARGET_GROUP, Kind.CERTIFICATE)
_OWN_CHOICE = "eigen keuze"

_T01 = Rule(
    _same("T01"),
    "de bron meldde een fout voor deze persoon (MAGDA 99996 en dergelijke)",
    lambda s: s.source.fault is not None,
    (Kind.SOURCE,),
    "",
    _OWN_CHOICE,
    example=Example(_D, _SIGNED, _OBLIGED, fault="99996"),
)
_O01 = Rule(
    _same("O01"),
    "geen dossier (MAGDA 30001), ook niet onder een vroeger INSZ",
    lambda s: not s.facts.dossier,
    (Kind.DOSSIER,),
    "art. 26-27 D13; de KBI wordt maandelijks gevoed (art. 20)",
    _OWN_CHOICE,
    example=Example(_D),
)
_O10 = Rule(
    _same("O10"),
    "attest van inburgering (AI023, AI023G), ondertekend tot en met de toetsdatum",
    lambda s: s.past(s.facts.certificates),
    (Kind.CERTIFICATE,),
    "27 §2, 4°",
    "wet (keuze van de datum: eigen keuze)",
    example=Example(
        _D,
        {
            **_SIGNED,
            "behaaldeAttesten": [{"type": "AI023", "datumOndertekening": "2022-03-14"}],
        },
        _OBLIGED,
    ),
)
_O11 = Rule(
    _same("O11"),
    "attest EVC (AEVC05), ondertekend tot en met de toetsdatum",
    lambda s: s.past(s.facts.competences),
    (Kind.COMPETENCE,),
    "attest EVC tot 2016 (AGII-NAT)",
    "bron, eigen keuze",
    example=Example(
        _D,
        {
            **_REGISTERED,
            "behaaldeAttesten": [{"type": "AEVC05", "datumOndertekening": "2016-02-01"}],
        },
        _OBLIGED,
    ),
)
_T05_BIRTH = Rule(
    _same("T05"),
    "geen leesbare geboortedatum",
    lambda s: s.facts.born is None,
    (Kind.BIRTH,),
    "",
    _OWN_CHOICE,
    example=Example(_D, {}, _OBLIGED),
)
_T06 = Rule(
    _same("T06"),
    "een onvolledige geboortedatum laat open of de persoon 18 of 65 jaar is",
    lambda s: s.age_unclear(18) or s.age_unclear(65),
    (Kind.BIRTH,),
    "",
    _OWN_CHOICE,
    example=Example(_D, _born("1957-00-00"), _OBLIGED),
)
_O02 = Rule(
    _same("O02"),
    "jonger dan 18 jaar op de toetsdatum",
    lambda s: s.younger_than(18),
    (Kind.BIRTH,),
    "27 §1",
    "wet",
    example=Example(_D, _born("2004-03-15"), _OBLIGED),
)
_O20 = Rule(
    _same("O20"),
    "65 jaar of ouder op de toetsdatum (verjaardag inbegrepen), wat de doelgroep ook zegt",
    lambda s: s.has_age(65),
    (Kind.BIRTH,),
    "27 §2 al. 2",
    "wet (een bedienaar van een eredienst is niet te herkennen)",
    example=Example(_D, _born("1957-03-14"), _OBLIGED),
)
_T05_GROUP = Rule(
    _same("T05"),
    "geen doelgroep bekend",
    lambda s: not s.facts.target_groups,
    (Kind.TARGET_GROUP,),
    "",
    _OWN_CHOICE,
    example=Example(_D, _ADULT),
)
_T99_GROUP = Rule(
    _same("T99"),
    "een doelgroep waarvan de data niet zeggen of zij op de toetsdatum geldt",
    lambda s: s.group_unclear,
    (Kind.TARGET_GROUP,),
    "",
    _OWN_CHOICE,
    example=Example(_D, _ADULT, (_group("2022-00-00"),)),
)
_O03 = Rule(
    _same("O03"),
    "de toetsdatum ligt vóór de eerste periode van de doelgroep",
    lambda s: s.before_first_group,
    (Kind.TARGET_GROUP,),
    "27 §1",
    _OWN_CHOICE,
    example=Example(_D, _ADULT, (_group("2022-03-15"),)),
)
_O04 = Rule(
    _same("O04"),
    "de toetsdatum ligt na de laatste afgesloten periode van de doelgroep, of tussen twee periodes",
    lambda s: not s.groups,
    (Kind.TARGET_GROUP,),
    "27 §1",
    _OWN_CHOICE,
    example=Example(_D, _ADULT, (_group("2016-03-01", "2022-03-13"),)),
)
_T02 = Rule(
    _same("T02"),
    "doelgroep nader te bepalen (NADER_TE_BEPALEN)",
    lambda s: "NADER_TE_BEPALEN" in (s.group.code, s.group.type),
    (Kind.TARGET_GROUP,),
    "",
    _OWN_CHOICE,
    example=Example(_D, _ADULT, (_group("2021-12-01", code="NADER_TE_BEPALEN"),)),
)
_O05 = Rule(
    _same("O05"),
    "geen doelgroep: code NEE of type GEEN",
    lambda s: s.group.code == "NEE" or s.group.type == "GEEN",
    (Kind.TARGET_GROUP,),
    "26 §1",
    "wet",
    example=Example(_D, _ADULT, (_group("2017-03-22", code="NEE", type="GEEN"),)),
)
_O21 = Rule(
    _same("O21"),
    "een reden van vrijstelling van de verplichting is ingevuld, en de periode dekt de toetsdatum",
    lambda s: s.group.exempt,
    (Kind.TARGET_GROUP,),
    "27 §2",
    "wet",
    example=Example(
        _D,
        _ADULT,
        (_group("2016-03-01", redenVrijstellingVanDeVerplichting={"code": "01"}),),
    ),
)
_O06 = Rule(
    _same("O06"),
    "type RECHT: gerechtigd, niet verplicht",
    lambda s: s.group.type == "RECHT",
    (Kind.TARGET_GROUP,),
    "26 §2, 27 §1",
    "wet",
    example=Example(_D, _ADULT, (_group("2016-03-01", type="RECHT"),)),
)
_O07 = Rule(
    _same("O07"),
    "type MINDERJARIG, nu 18 jaar of ouder, ten minste 12 maanden voor de 18e verjaardag "
    "ingeschreven (begin van de doelgroep)",
    lambda s: s.group.type == "MINDERJARIG" and s.in_group_by_birthday(17),
    (Kind.BIRTH, Kind.TARGET_GROUP),
    "27 §6 a contrario",
    _OWN_CHOICE,
    example=Example(_D, _born("2004-03-14"), (_group("2021-03-14", type="MINDERJARIG"),)),
)
_T03 = Rule(
    _same("T03"),
    "type MINDERJARIG, nu 18 jaar of ouder, minder dan 12 maanden voor de 18e verjaardag "
    "ingeschreven (begin van de doelgroep)",
    lambda s: s.group.type == "MINDERJARIG",
    (Kind.BIRTH, Kind.TARGET_GROUP),
    "27 §6",
    _OWN_CHOICE,
    example=Example(_D, _born("2004-03-14"), (_group("2021-03-15", type="MINDERJARIG"),)),
)
_T04 = Rule(
    _same("T04"),
    "type RECHT_PLICHT, of een type of code die de lijst niet kent",
    lambda s: not s.group.obliges,
    (Kind.TARGET_GROUP,),
    "codelijst onbekend",
    _OWN_CHOICE,
    example=Example(_D, _ADULT, (_group("2016-03-01", type="RECHT_PLICHT"),)),
)
_O12 = Rule(
    _same("O12"),
    "verplicht; besluit JA_IB of JA_EVC van een inburgeringstraject, toegekend tot en met de "
    "toetsdatum; het attest is niet geregistreerd",
    lambda s: s.decided(ACHIEVED),
    (Kind.TARGET_GROUP, Kind.ACHIEVED),
    "34/3",
    _OWN_CHOICE,
    example=Example(_D, {**_SIGNED, **_decision("JA_IB", "2022-03-14")}, _OBLIGED),
)
_O13 = Rule(
    _same("O13"),
    "verplicht; besluit NEE_ANALFA tot en met de toetsdatum (beperkte leercapaciteit)",
    lambda s: s.decided(LIMITED_CAPACITY),
    (Kind.TARGET_GROUP, Kind.LIMITED_CAPACITY),
    "27 §3 al. 3; AGII-INSP",
    "bron, eigen keuze (betekenis van de code afgeleid uit haar naam)",
    example=Example(_D, {**_SIGNED, **_decision("NEE_ANALFA", "2022-03-14")}, _OBLIGED),
)
_N11 = Rule(
    _deferral("N11", "O32"),
    "verplicht; een opschorting van het contract dekt de toetsdatum",
    lambda s: s.covered(s.facts.suspensions),
    (*_PROGRESS, Kind.SUSPENSION),
    "34/2 §3",
    _OWN_CHOICE,
    "R05",
    Example(
        _D,
        {
            **_REGISTERED,
            "contracten": [
                {
                    "datumRegistratie": "2016-06-01",
                    "opschortingen": [_period("2022-01-01", "2022-03-14")],
                }
            ],
        },
        _OBLIGED,
    ),
)
_N12 = Rule(
    _deferral("N12", "O31"),
    "verplicht; een uitstel van ondertekening dekt de toetsdatum",
    lambda s: s.covered(s.facts.signing_postponements),
    (*_PROGRESS, Kind.SIGNING_POSTPONEMENT),
    "34/1 §3",
    _OWN_CHOICE,
    "R05",
    Example(
        _D,
        {**_REGISTERED, "uitstellenVanOndertekening": [_period("2022-01-01", "2022-03-14")]},
        _OBLIGED,
    ),
)
_N10 = Rule(
    _deferral("N10", "O30"),
    "verplicht; een uitstel van aanmelding dekt de toetsdatum",
    lambda s: s.covered(s.facts.registration_postponements),
    (*_PROGRESS, Kind.REGISTRATION_POSTPONEMENT),
    "27 §3 al. 4",
    _OWN_CHOICE,
    "R05",
    Example(
        _D,
        {**_ADULT, "uitstellenVanAanmelding": [_period("2022-01-01", "2022-03-14")]},
        _OBLIGED,
    ),
)
_N20 = Rule(
    _term("N20", "O40"),
    "verplicht; niet aangemeld en geen contract op de toetsdatum; de termijn loopt nog: drie "
    "maanden na het begin van de doelgroep, of tot het einde van een uitstel van aanmelding als "
    "dat later valt",
    lambda s: not s.registered and not s.has_contract and s.on <= s.last_day_to_register,
    (*_PROGRESS, Kind.REGISTRATION, Kind.CONTRACT, Kind.REGISTRATION_TERM),
    "27 §3, 1°",
    _OWN_CHOICE,
    "R01",
    Example(_D, _ADULT, (_group("2021-12-14"),)),
    lambda s: s.last_day_to_register,
)
_N21 = Rule(
    _same("N21"),
    "verplicht; niet aangemeld en geen contract op de toetsdatum; de termijn is voorbij",
    lambda s: not s.registered and not s.has_contract,
    (*_PROGRESS, Kind.REGISTRATION, Kind.CONTRACT, Kind.REGISTRATION_TERM),
    "27 §3, 1°",
    "wet (stand), eigen keuze (antwoord)",
    "R01",
    Example(_D, _ADULT, (_group("2021-12-13"),)),
    lambda s: s.last_day_to_register,
)
_N22 = Rule(
    _term("N22", "O41"),
    "verplicht; aangemeld, geen contract op de toetsdatum; de termijn loopt nog: 90 dagen na de "
    "aanmelding, of tot het einde van een uitstel van ondertekening als dat later valt",
    lambda s: not s.has_contract and s.on <= s.last_day_to_sign(),
    (*_PROGRESS, Kind.REGISTRATION, Kind.CONTRACT, Kind.SIGNING_TERM),
    "34/1 §3",
    _OWN_CHOICE,
    "R02",
    Example(
        _D, {**_ADULT, "aanmelding": {"type": "EA", "datumAanmelding": "2021-12-14"}}, _OBLIGED
    ),
    lambda s: s.last_day_to_sign(),
)
_N23 = Rule(
    _same("N23"),
    "verplicht; aangemeld, geen contract op de toetsdatum; de termijn is voorbij",
    lambda s: not s.has_contract,
    (*_PROGRESS, Kind.REGISTRATION, Kind.CONTRACT, Kind.SIGNING_TERM),
    "34/1 §3, 27 §3 2°",
    "wet (stand)",
    "R02",
    Example(
        _D, {**_ADULT, "aanmelding": {"type": "EA", "datumAanmelding": "2021-12-13"}}, _OBLIGED
    ),
    lambda s: s.last_day_to_sign(),
)
_N31 = Rule(
    _same("N31"),
    "verplicht; contract; een besluit NEE tot en met de toetsdatum, en daarna is tot en met de "
    "toetsdatum geen contract geregistreerd (naast een ouder contract is een van die dag zelf "
    "nieuw)",
    lambda s: s.refused(same_day=True),
    (*_PROGRESS, Kind.ACHIEVED, Kind.CONTRACT, Kind.NOT_ACHIEVED),
    "27 §3, 2°",
    "wet (stand)",
    "R04",
    Example(_D, {**_SIGNED, **_decision("NEE", "2022-03-14")}, _OBLIGED),
)
_N32 = Rule(
    _same("N32"),
    "verplicht; contract; het inburgeringstraject met de nieuwste status (begin tot en met de "
    "toetsdatum) heeft GS, daarna is geen contract geregistreerd (naast een ouder contract is een "
    "van die dag zelf nieuw), en er is geen ander inburgeringstraject waarvan de status op de "
    "toetsdatum onbekend is",
    lambda s: s.stopped(same_day=True) and not s.status_unknown,
    (*_PROGRESS, Kind.ACHIEVED, Kind.CONTRACT, Kind.STATUS),
    "27 §3, 2°",
    "eigen keuze (betekenis van GS afgeleid uit haar naam)",
    "R04",
    Example(
        _D,
        {
            **_SIGNED,
            "trajecten": [{"type": "TT_IBVP", "status": {"code": "GS", **_period("2022-03-14")}}],
        },
        _OBLIGED,
    ),
)
# The one row that reads breaches is two rules, so that only `inOrde` can tell them apart.
_N30 = Rule(
    _term("N30", "O42"),
    "verplicht; een contract loopt, nog geen attest (onder inOrde: en geen openstaande inbreuk)",
    lambda s: not s.in_breach,
    (*_PROGRESS, Kind.ACHIEVED, Kind.CONTRACT, Kind.BREACH),
    '27 §1 "zolang … niet voldaan"',
    _OWN_CHOICE,
    "R03",
    Example(_D, _SIGNED, _OBLIGED),
)
_N30_BREACH = Rule(
    _same("N30"),
    "verplicht; een contract loopt, nog geen attest, en een inbreuk staat open",
    lambda s: s.has_contract,
    (*_PROGRESS, Kind.ACHIEVED, Kind.CONTRACT, Kind.BREACH),
    '27 §1 "zolang … niet voldaan"',
    _OWN_CHOICE,
    "R03",
    Example(_D, {**_SIGNED, "inbreuken": [{"datumVaststelling": "2022-02-01"}]}, _OBLIGED),
)
_T99 = Rule(
    _same("T99"),
    "iets anders: geen andere regel past",
    lambda _: True,
    (),
    "",
    _OWN_CHOICE,
)

# Doubts: asked of a NOK alone, which then becomes no advice.

_T99_DATES = Rule(
    _same("T99"),
    "NOK, maar de toetsdatum ligt tussen de dagen die een onvolledige of onleesbare datum toelaat",
    lambda s: s.in_doubt,
    (),
    "",
    _OWN_CHOICE,
    example=Example(
        _D,
        {
            **_REGISTERED,
            "behaaldeAttesten": [{"type": "AI023", "datumOndertekening": "2022-00-00"}],
        },
        _OBLIGED,
    ),
)
_T99_WITHDRAWN = Rule(
    _same("T99"),
    "NOK, maar het laatste antwoord van de bron toont een doelgroep die eerder (of misschien op "
    "dezelfde dag) begint en op de toetsdatum niet verplicht: de verplichting waarop de NOK "
    "steunt, toont de bron niet meer",
    lambda s: s.group_withdrawn(same_begin=True),
    (Kind.TARGET_GROUP,),
    "",
    _OWN_CHOICE,
    example=Example(_D, _REGISTERED, (_group("2016-03-01"), _group("2016-02-01", type="RECHT"))),
)
_T99_REGISTERED = Rule(
    _same("T99"),
    "NOK zonder contract, maar alleen een heraanmelding (HA) na de toetsdatum is bekend: op welke "
    "dag de persoon zich eerder aanmeldde, toont de bron niet",
    lambda s: s.perhaps_registered and not s.has_contract and not s.deferred,
    (Kind.REGISTRATION, Kind.CONTRACT),
    "",
    _OWN_CHOICE,
    example=Example(
        _D, {**_ADULT, "aanmelding": {"type": "HA", "datumAanmelding": "2022-03-15"}}, _OBLIGED
    ),
)
_T99_UNTYPED = Rule(
    _same("T99"),
    "NOK, maar een traject zonder type heeft een besluit JA_IB, JA_EVC of NEE_ANALFA",
    lambda s: s.perhaps_decided,
    (Kind.ACHIEVED, Kind.LIMITED_CAPACITY),
    "",
    _OWN_CHOICE,
    example=Example(
        _D,
        {
            **_REGISTERED,
            "trajecten": [{"besluit": {"code": "JA_IB", "datumToekenning": "2022-03-14"}}],
        },
        _OBLIGED,
    ),
)

_T99_ORDER = Rule(
    _same("T99"),
    "NOK, maar een onvolledige datum laat open of de doelgroep van de toetsdatum eindigde waar een "
    "andere begon",
    lambda s: s.group_perhaps_over,
    (Kind.TARGET_GROUP,),
    "",
    _OWN_CHOICE,
    example=Example(
        _D,
        _REGISTERED,
        (_group("2020-05-05", "2021-02-07", type="RECHT"), _group("2020-05-00")),
    ),
)
_T99_DOCUMENT = Rule(
    _same("T99"),
    "NOK, maar een attest zonder type, of van een type dat de codelijst niet kent, is misschien "
    "tot en met de toetsdatum ondertekend",
    lambda s: s.perhaps_certified,
    (Kind.OTHER_DOCUMENT,),
    "",
    _OWN_CHOICE,
    example=Example(
        _D,
        {
            **_REGISTERED,
            "behaaldeAttesten": [{"type": "AI024", "datumOndertekening": "2022-03-14"}],
        },
        _OBLIGED,
    ),
)
_T99_DECISION = Rule(
    _same("T99"),
    "NOK, maar een traject van inburgering of zonder type heeft een besluit zonder code, of met "
    "een code die de codelijst niet kent, dat misschien tot en met de toetsdatum is toegekend",
    lambda s: s.decision_unknown,
    (Kind.OTHER_DECISION,),
    "",
    _OWN_CHOICE,
    example=Example(_D, {**_REGISTERED, **_decision("JA_VERKORT", "2022-03-14")}, _OBLIGED),
)

# The last step.

TOO_OLD = Rule(
    _same("T01"),
    "geen dossier (O01) of NOK, maar de gegevens zijn ouder dan de maximumleeftijd (MAX_DATA_AGE)",
    lambda s: True,
    (Kind.SOURCE,),
    "",
    _OWN_CHOICE,
    example=Example(_D, _REGISTERED, _OBLIGED, age=timedelta(days=36)),
)

# Version 1.1: a withdrawn target group with perhaps the same begin was no doubt.

_T99_WITHDRAWN_1_1 = replace(
    _T99_WITHDRAWN,
    situation=_T99_WITHDRAWN.situation.replace("eerder (of misschien op dezelfde dag)", "eerder"),
    when=lambda s: s.group_withdrawn(same_begin=False),
)

# Version 1.0: only a later day renewed a trajectory, and a registration after D opened a term.

_N22_1_0 = replace(
    _N22,
    situation=f"{_N22.situation}; ook een aanmelding na de toetsdatum opent die termijn",
    when=lambda s: (
        not s.has_contract and s.on <= s.last_day_to_sign(from_registrations_after_d=True)
    ),
    last_day=lambda s: s.last_day_to_sign(from_registrations_after_d=True),
)
_N31_1_0 = replace(
    _N31,
    situation="verplicht; contract; een besluit NEE tot en met de toetsdatum, en na die dag is tot "
    "en met de toetsdatum geen contract geregistreerd",
    when=lambda s: s.refused(same_day=False),
)
_N32_1_0 = replace(
    _N32,
    situation="verplicht; contract; het inburgeringstraject met de nieuwste status (begin tot en "
    "met de toetsdatum) heeft GS, en na die dag is geen contract geregistreerd",
    when=lambda s: s.stopped(same_day=False),
)

_BEFORE_PROGRESS = (  # in every version
    *(_T01, _O01, _O10, _O11, _T05_BIRTH, _T06, _O02, _O20),
    *(_T05_GROUP, _T99_GROUP, _O03, _O04, _T02, _O05, _O21, _O06, _O07, _T03, _T04),
    *(_O12, _O13, _N11, _N12, _N10),
)
_TABLE = (
    *_BEFORE_PROGRESS,
    *(_N20, _N21, _N22, _N23, _N31, _N32, _N30, _N30_BREACH, _T99),
)
RULE_SETS: Mapping[str, RuleSet] = {
    each.version: each
    for each in (
        RuleSet(
            "1.0",
            (
                *_BEFORE_PROGRESS,
                *(_N20, _N21, _N22_1_0, _N23, _N31_1_0, _N32_1_0, _N30, _N30_BREACH, _T99),
            ),
            doubts=(_T99_DATES,),
            weighs_age=False,
        ),
        RuleSet(
            "1.1",
            _TABLE,
            doubts=(_T99_DATES, _T99_WITHDRAWN_1_1, _T99_REGISTERED, _T99_UNTYPED),
            weighs_age=True,
        ),
        RuleSet(
            "1.2",
            _TABLE,
            doubts=(
                *(_T99_DATES, _T99_WITHDRAWN, _T99_ORDER, _T99_REGISTERED, _T99_UNTYPED),
                *(_T99_DOCUMENT, _T99_DECISION),
            ),
            weighs_age=True,
            weighs_unknown=True,
        ),
    )
}
CURRENT = RULE_SETS["1.2"]
RULE_SET_VERSION = CURRENT.version


@dataclass(frozen=True)
class Advice:
    """The answer; `code`, `rule` and `open_ended` are for the auditor alone."""

    code: str
    outcome: Outcome | None  # None is no advice
    wire_reason: str | None
    rule: Rule
    open_ended: bool  # a postponement or suspension on D has no end: doubtful data quality


def advise(
    facts: Facts, on: date, profile: Profile, source: Source, rules: RuleSet = CURRENT
) -> Advice:
    """Apply the table to the facts on D (`on`) and to what the source said last."""
    *_, rule = fired(Situation.of(facts, on, profile, source), profile, rules)
    code = rule.codes[profile]
    outcome = _OUTCOMES[code[0]]
    return Advice(
        code=code,
        outcome=outcome,
        wire_reason=rule.wire_reason if outcome is Outcome.NOK else None,
        rule=rule,
        open_ended=any(each.end is None and each.covers(on) for each in _deferrals(facts)),
    )


def fired(situation: Situation, profile: Profile, rules: RuleSet = CURRENT) -> list[Rule]:
    """The row that fits, and what stands in its place: a doubt, or the age of the data."""
    row = next(rule for rule in rules.rules if rule.when(situation))
    code = row.codes[profile]
    if _OUTCOMES[code[0]] is Outcome.NOK:
        for doubt in rules.doubts:
            if doubt.when(situation):
                return [row, doubt]
    if rules.weighs_age and _too_old(code, situation.source):
        return [row, TOO_OLD]
    return [row]


def _too_old(code: str, source: Source) -> bool:
    """Whether the data behind an O01 or a NOK are older than allowed, or of an unknown age."""
    if code != "O01" and _OUTCOMES[code[0]] is not Outcome.NOK:
        return False
    said_at = source.absence_at if code == "O01" else source.dossier_at
    return said_at is None or source.asked_at - said_at > source.maximum_age
