"""What the rules read of one person: facts and their days, out of the stored blocks. Pure.

Dates. An incomplete date (`1957-00-00`) stands for every day that it allows, an unreadable one
for every day there is. An element without its date has not happened. What is read and does not
count, whatever the test date, is kept as `unused`: the explanation names it.
"""

from calendar import isleap, monthrange
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import MAXYEAR, date
from enum import Enum, StrEnum, auto
from typing import Any

from app.derived import COMPETENCE_CERTIFICATES, INTEGRATION_CERTIFICATES
from app.moments import possible_days

ACHIEVED = frozenset({"JA_IB", "JA_EVC"})
LIMITED_CAPACITY = frozenset({"NEE_ANALFA"})
STOPPED = "GS"  # the status of a trajectory
NOT_ACHIEVED = frozenset({"NEE"})


class Kind(StrEnum):
    """The kinds of fact that a rule can rest on, as an explanation names them."""

    SOURCE = "bron"
    DOSSIER = "dossier"
    CERTIFICATE = "attest van inburgering"
    COMPETENCE = "attest EVC"
    OTHER_DOCUMENT = "ander attest"
    BIRTH = "geboortedatum"
    TARGET_GROUP = "doelgroep"
    ACHIEVED = "besluit doel behaald"
    LIMITED_CAPACITY = "besluit beperkte leercapaciteit"
    NOT_ACHIEVED = "besluit doel niet behaald"
    OTHER_DECISION = "ander besluit"
    SUSPENSION = "opschorting"
    SIGNING_POSTPONEMENT = "uitstel van ondertekening"
    REGISTRATION_POSTPONEMENT = "uitstel van aanmelding"
    REGISTRATION = "aanmelding"
    REGISTRATION_TERM = "aanmeldingstermijn"
    CONTRACT = "contract"
    SIGNING_TERM = "ondertekeningstermijn"
    STATUS = "trajectstatus"
    TRAJECTORY = "traject"
    BREACH = "inbreuk"
    HOUSING_CODE = "wooncode"


def decision_kind(code: str | None) -> Kind:
    """What a decision of a trajectory says."""
    if code in ACHIEVED:
        return Kind.ACHIEVED
    if code in LIMITED_CAPACITY:
        return Kind.LIMITED_CAPACITY
    return Kind.NOT_ACHIEVED if code in NOT_ACHIEVED else Kind.OTHER_DECISION


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
    cut_off: bool = False  # it has no end of its own: it ends where the next one begins

    @property
    def obliges(self) -> bool:
        """The obligation, without exemption and without a contradiction."""
        return self.type == "PLICHT" and self.code in ("JA", None) and not self.exempt


@dataclass(frozen=True, repr=False)
class Coded:
    """Something that happened, its code, and the day from which it counts."""

    code: str | None
    since: Day


@dataclass(frozen=True, repr=False)
class Breach:
    """A breach, and the day on which it was put right."""

    established: Day
    cured: Day | None


class Cause(Enum):
    """Why something in the dossier does not count, whatever the test date is."""

    UNSIGNED = auto()
    OTHER_TYPE = auto()
    NO_INTEGRATION = auto()  # a trajectory of another type
    UNTYPED = auto()  # a trajectory that does not say what it is
    UNDATED = auto()
    UNREADABLE = auto()
    REPLACED = auto()  # by a later answer of the source
    OLDER_NUMBER = auto()


@dataclass(frozen=True, repr=False)
class Unused:
    """Something that was read and does not count."""

    kind: Kind
    cause: Cause
    code: str | None = None
    signed: Day | None = None  # of a document whose type nobody knows


@dataclass(frozen=True, repr=False)
class Facts:
    """All that the rules read of one person."""

    dossier: bool = False
    born: Day | None = None
    target_groups: tuple[TargetGroup, ...] = ()
    last_target_group: TargetGroup | None = None  # as the last answer of the source gives it
    certificates: tuple[Coded, ...] = ()  # of civic integration, from the day of signature
    competences: tuple[Coded, ...] = ()
    registrations: tuple[Coded, ...] = ()
    contracts: tuple[Coded, ...] = ()
    suspensions: tuple[Period, ...] = ()
    registration_postponements: tuple[Period, ...] = ()
    signing_postponements: tuple[Period, ...] = ()
    decisions: tuple[Coded, ...] = ()  # of integration trajectories
    untyped_decisions: tuple[Coded, ...] = ()  # of trajectories that do not say what they are
    statuses: tuple[Coded, ...] = ()  # of integration trajectories
    silences: tuple[Period, ...] = ()  # an integration trajectory exists, its status is not told
    breaches: tuple[Breach, ...] = ()
    unused: tuple[Unused, ...] = ()

    @property
    def unknown_documents(self) -> tuple[Coded, ...]:
        """Signed documents without a type, or of one that the code list does not know."""
        return tuple(Coded(each.code, each.signed) for each in self.unused if each.signed)


def read_facts(
    dossiers: Sequence[Mapping[str, Any]], target_groups: Sequence[Mapping[str, Any]]
) -> Facts:
    """Read the stored blocks of every dossier of a person. Never raises on what stands in them.

    `dossiers`: the one under the current number first, then those under replaced numbers, for what
    was done under those counts (advice.md); none is no dossier. `target_groups` are all stored
    Doelgroep blocks, the one that was given last at the end; those among `dossiers` are not read.
    """
    if not dossiers:
        return Facts()
    unused: list[Unused] = []
    contracts = _joined(dossiers, "contracten")
    trajectories = _joined(dossiers, "trajecten")
    integration = [each for each in trajectories if _is_integration(each)]
    counting = [each for each in _counting(dossiers, unused) if _is_integration(each)]
    groups = _history(target_groups, unused)
    _note_others(dossiers, trajectories, unused)
    return Facts(
        dossier=True,
        born=_birth(dossiers, unused),
        target_groups=groups,
        last_target_group=_target_group(target_groups[-1]) if target_groups else None,
        certificates=_signed(dossiers, INTEGRATION_CERTIFICATES, Kind.CERTIFICATE, unused),
        competences=_signed(dossiers, COMPETENCE_CERTIFICATES, Kind.COMPETENCE, unused),
        registrations=_events(
            _parts(dossiers, "aanmelding"), "datumAanmelding", Kind.REGISTRATION, unused
        ),
        contracts=_events(contracts, "datumRegistratie", Kind.CONTRACT, unused),
        suspensions=tuple(
            period for each in contracts for period in _periods(each.get("opschortingen"))
        ),
        registration_postponements=_periods(_joined(dossiers, "uitstellenVanAanmelding")),
        signing_postponements=_periods(_joined(dossiers, "uitstellenVanOndertekening")),
        decisions=_decisions(counting, unused),
        untyped_decisions=_decisions(
            [each for each in trajectories if not _text(each.get("type"))], unused
        ),
        statuses=_statuses(counting, unused),
        silences=tuple(period for each in integration for period in _silence(each)),
        breaches=_breaches(dossiers, unused),
        unused=tuple(unused),
    )


def _birth(dossiers: Sequence[Mapping[str, Any]], unused: list[Unused]) -> Day | None:
    """That of the first dossier with personal data; None as well where nobody can read it."""
    personal = next((_part(each, "personalia") for each in dossiers if "personalia" in each), {})
    born = _day(personal.get("geboortedatum"))
    if born is UNREADABLE:
        unused.append(Unused(Kind.BIRTH, Cause.UNREADABLE))
        return None
    return born


def _history(blocks: Sequence[Mapping[str, Any]], unused: list[Unused]) -> tuple[TargetGroup, ...]:
    """A period replaces the one with the same begin that was learned before it.

    The source knows one target group at a time, so an open period ends where the next begins
    (docs/adr/0007). One without a readable begin has nothing to be recognised by: whatever is
    learned next corrects it, and until then nobody can say what holds.
    """
    groups: dict[Day, TargetGroup] = {}
    for group in map(_target_group, blocks):
        for begin in dict.fromkeys((UNREADABLE, group.period.begin)):
            replaced = groups.pop(begin, group)
            if replaced != group:
                unused.append(Unused(Kind.TARGET_GROUP, Cause.REPLACED, replaced.type))
        groups[group.period.begin] = group
    return tuple(_closed(group, groups) for group in groups.values())


def target_group_on(blocks: Sequence[Mapping[str, Any]], on: date) -> Mapping[str, Any]:
    """The stored Doelgroep block that holds on a day; an empty one where none certainly does.

    `blocks` as in `read_facts`. One that begins later does not count yet. Of the others the one
    that was given last says what holds: it ends an older one that is open (docs/adr/0007).
    """
    begun = [block for block in blocks if _period(block).begin.earliest <= on]
    return begun[-1] if begun and _period(begun[-1]).covers(on) else {}


def _target_group(block: Mapping[str, Any]) -> TargetGroup:
    return TargetGroup(
        period=_period(block),
        code=_text(block.get("code")),
        type=_text(block.get("type")),
        exempt=bool(block.get("redenVrijstellingVanDeVerplichting")),
    )


def _closed(group: TargetGroup, begins: Iterable[Day]) -> TargetGroup:
    """An open period ends on the day before the first begin that certainly lies after its own."""
    later = [begin for begin in begins if begin.earliest > group.period.begin.latest]
    if group.period.end or not later:
        return group
    end = _day_before(min(later, key=lambda begin: begin.earliest))
    return replace(group, period=Period(group.period.begin, end), cut_off=True)


def _is_integration(trajectory: Mapping[str, Any]) -> bool:
    """TT_IB* but TT_IBGD."""
    type_ = _text(trajectory.get("type")) or ""
    return type_.startswith("TT_IB") and type_ != "TT_IBGD"


def _counting(
    dossiers: Sequence[Mapping[str, Any]], unused: list[Unused]
) -> list[Mapping[str, Any]]:
    """Every trajectory; of those under an older number only what speaks for the person.

    How one that was stopped or not achieved went on stands under the newer number.
    """
    known = [blocks for blocks in dossiers if "trajecten" in blocks]
    older = (_without_failure(each, unused) for each in _joined(known[1:], "trajecten"))
    return [*_joined(known[:1], "trajecten"), *older]


def _without_failure(trajectory: Mapping[str, Any], unused: list[Unused]) -> Mapping[str, Any]:
    status, decision = (
        _text(_part(trajectory, part).get("code")) for part in ("status", "besluit")
    )
    left_out = {}
    if status == STOPPED:
        left_out["status"] = Unused(Kind.STATUS, Cause.OLDER_NUMBER, status)
    if decision in NOT_ACHIEVED:
        left_out["besluit"] = Unused(decision_kind(decision), Cause.OLDER_NUMBER, decision)
    if _is_integration(trajectory):
        unused.extend(left_out.values())
    return {name: part for name, part in trajectory.items() if name not in left_out}


def _note_others(
    dossiers: Sequence[Mapping[str, Any]],
    trajectories: Sequence[Mapping[str, Any]],
    unused: list[Unused],
) -> None:
    """Documents and trajectories of types that no rule reads."""
    for document in _joined(dossiers, "behaaldeAttesten"):
        type_ = _text(document.get("type"))
        if type_ not in INTEGRATION_CERTIFICATES | COMPETENCE_CERTIFICATES:
            signed = _day(document.get("datumOndertekening"))
            unused.append(Unused(Kind.OTHER_DOCUMENT, Cause.OTHER_TYPE, type_, signed))
    for trajectory in trajectories:
        type_ = _text(trajectory.get("type"))
        if not _is_integration(trajectory):
            cause = Cause.NO_INTEGRATION if type_ else Cause.UNTYPED
            unused.append(Unused(Kind.TRAJECTORY, cause, type_))


def _signed(
    dossiers: Sequence[Mapping[str, Any]], types: frozenset[str], kind: Kind, unused: list[Unused]
) -> tuple[Coded, ...]:
    documents = _joined(dossiers, "behaaldeAttesten")
    wanted = [each for each in documents if _text(each.get("type")) in types]
    return _events(wanted, "datumOndertekening", kind, unused, missing=Cause.UNSIGNED)


def _decisions(
    trajectories: Sequence[Mapping[str, Any]], unused: list[Unused]
) -> tuple[Coded, ...]:
    return tuple(
        decided
        for each in _parts(trajectories, "besluit")
        for decided in _events(
            [each], "datumToekenning", decision_kind(_text(each.get("code"))), unused, code="code"
        )
    )


def _statuses(trajectories: Sequence[Mapping[str, Any]], unused: list[Unused]) -> tuple[Coded, ...]:
    begun = [
        {"code": each.get("code"), "begin": _part(each, "periode").get("begin")}
        for each in _parts(trajectories, "status")
    ]
    return _events(begun, "begin", Kind.STATUS, unused, code="code")


def _silence(trajectory: Mapping[str, Any]) -> tuple[Period, ...]:
    """The stretch of a trajectory before the only status that the source shows."""
    if "begin" not in _part(trajectory, "periode"):
        return ()
    whole = _period(trajectory)
    since = _day(_part(_part(trajectory, "status"), "periode").get("begin"))
    ends = [end for end in (whole.end, _day_before(since) if since else None) if end]
    return (Period(whole.begin, min(ends, key=lambda end: end.latest, default=None)),)


def _breaches(dossiers: Sequence[Mapping[str, Any]], unused: list[Unused]) -> tuple[Breach, ...]:
    """Those under the current number: one that was put right there is not open under an older."""
    known = [blocks for blocks in dossiers if "inbreuken" in blocks]
    unused += [Unused(Kind.BREACH, Cause.OLDER_NUMBER) for _ in _joined(known[1:], "inbreuken")]
    return tuple(
        Breach(established.since, _day(form.get("datumOndertekening")))
        for each in _joined(known[:1], "inbreuken")
        for form in [_part(each, "rechtzettingsFormulier")]
        for established in _events([each], "datumVaststelling", Kind.BREACH, unused)
    )


def _events(
    blocks: Sequence[Mapping[str, Any]],
    name: str,
    kind: Kind,
    unused: list[Unused],
    *,
    code: str = "type",
    missing: Cause = Cause.UNDATED,
) -> tuple[Coded, ...]:
    """What has the date of this name; what has none has not happened."""
    events = []
    for block in blocks:
        day = _day(block.get(name))
        if day:
            events.append(Coded(_text(block.get(code)), day))
        else:
            unused.append(Unused(kind, missing, _text(block.get(code))))
    return tuple(events)


def _periods(value: Any) -> tuple[Period, ...]:
    return tuple(_period(each) for each in _items(value))


def _period(block: Mapping[str, Any]) -> Period:
    """The schema demands a begin: a period without one may lie anywhere."""
    period = _part(block, "periode")
    return Period(_day(period.get("begin")) or UNREADABLE, _day(period.get("einde")))


def _day(value: Any) -> Day | None:
    """None when absent; `yyyy-00-00` and `yyyy-mm-00` are the whole year or month."""
    if value is None:
        return None
    days = possible_days(value) if isinstance(value, str) else None
    return Day(*days) if days else UNREADABLE


def birthday(born: date, age: int) -> date:
    """29 February becomes 1 March where there is none."""
    year = min(born.year + age, MAXYEAR)
    if (born.month, born.day) == (2, 29) and not isleap(year):
        return date(year, 3, 1)
    return born.replace(year=year)


def age_on(born: date, on: date) -> int:
    """Whole years, below 0 for who is not born yet."""
    years = on.year - born.year
    return years - 1 if on < birthday(born, years) else years


def months_after(day: date, months: int) -> date:
    """The same day of a later month, or the last one where that month is shorter."""
    years, month = divmod(day.month - 1 + months, 12)
    year = min(day.year + years, MAXYEAR)
    return date(year, month + 1, min(day.day, monthrange(year, month + 1)[1]))


def days_after(day: date, days: int) -> date:
    """So many days later, or earlier when negative; never beyond the calendar."""
    ordinal = day.toordinal() + days
    return date.fromordinal(max(date.min.toordinal(), min(ordinal, date.max.toordinal())))


def _day_before(day: Day) -> Day:
    return Day(days_after(day.earliest, -1), days_after(day.latest, -1))


def _joined(dossiers: Sequence[Mapping[str, Any]], name: str) -> list[Mapping[str, Any]]:
    return [each for blocks in dossiers for each in _items(blocks.get(name))]


def _items(value: Any) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, Mapping)] if isinstance(value, list) else []


def _parts(blocks: Sequence[Mapping[str, Any]], name: str) -> list[Mapping[str, Any]]:
    """The parts of that name which hold anything."""
    return [part for part in (_part(each, name) for each in blocks) if part]


def _part(block: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    part = block.get(name)
    return part if isinstance(part, Mapping) else {}


def _text(value: Any) -> str | None:
    return value if isinstance(value, str) else None
