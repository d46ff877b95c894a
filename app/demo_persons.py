"""Synthetic persons for the demo and the tests: every row of the decision table, nobody real. Pure.

A person is a function of its position alone, so that the numbers in printed examples stay. The
numbers are test numbers and do not agree with the birth date, as those of the source's own test
persons: age is never read from a number.
"""

import hashlib
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any, TypeVar
from uuid import NAMESPACE_DNS, uuid5

from app.insz import Insz

DEMO_DATE = date(2026, 6, 1)  # the D of every `expected_code`
MUNICIPALITY = "99001"  # Voorbeeldstad, invented
CARE_FUND = "zorgkas-voorbeeld"
OTHER_CARE_FUND = "zorgkas-tweede"

_AGENCY = {"kboNummer": "0543307391", "kbiNummer": "DE300000000000000000000000000001"}
_MUNICIPALITIES = {
    MUNICIPALITY: ("9999", "Voorbeeldstad"),
    "99002": ("9998", "Elderstad"),
    "71016": ("3600", "Genk"),
    "42025": ("9230", "Wetteren"),
    "12025": ("2800", "Mechelen"),
}
_FIRST_NAMES = (
    ("Proefje", "Testwilg", "Modelune", "Schijnella", "Voorbeelda", "Fictieke"),
    ("Probeer", "Testhelm", "Modelmar", "Schijnard", "Voorbert", "Fictor"),
)
_LAST_NAMES = ("Denkbeeld", "Verzonneveld", "Nergenshuis", "Papiermans", "Van Schijn", "De Proef")
_STREETS = ("Proefstraat", "Voorbeeldlaan", "Testplein", "Papierweg", "Denkbeeldkaai")
_LANGUAGES = ("FRA", "ENG", "ARA", "TUR", "SPA", "UKR")
_LEVELS = ("A1", "A2", "B1")

Json = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True, repr=False)
class DemoPerson:
    """What the two imports would bring in about one synthetic person."""

    insz: Insz
    blocks: Json | None  # the dossier in the form of the store; None is no dossier
    register: Json  # a line of `register import`
    expected_code: str  # of the advice on DEMO_DATE with the profile `striktMetUitstel`
    fault: str | None  # the code of a source fault that marks the person


def demo_persons(count: int = 2000) -> Iterator[DemoPerson]:
    """The first `count` persons; the named ones come first, then every row in turn."""
    return (_person(index) for index in range(count))


def _number(index: int, first_serial: int = 501) -> Insz:
    """A test number, different for each index below five million.

    The serials 501 and 751 lie beyond those of the source's own test persons.
    """
    rest, year = divmod(index, 65)
    rest, month = divmod(rest, 12)
    serial, day = divmod(rest, 28)
    year += 1946
    base = f"{year % 100:02}{61 + month}{1 + day:02}{first_serial + serial:03}"
    # Persons born from 2000 on are computed with a leading 2.
    checked = base if year < 2000 else f"2{base}"
    return Insz(f"{base}{97 - int(checked) % 97:02}")


RESIDENT_WITH_CERTIFICATE = _number(0)  # of Voorbeeldstad, member of the care fund: OK
NON_RESIDENT = _number(1)  # lives elsewhere and is no member: refused
MEMBER_NOK = _number(2)  # of Voorbeeldstad, member of the care fund: NOK, R02


@dataclass(frozen=True)
class _Life:
    """The made-up but fixed choices of one person."""

    index: int

    def below(self, what: str, limit: int) -> int:
        seed = hashlib.sha256(f"{self.index}/{what}".encode()).digest()
        return int.from_bytes(seed[:8]) % limit

    def days(self, what: str, limit: int) -> timedelta:
        return timedelta(days=self.below(what, limit))

    def pick(self, what: str, options: Sequence[T]) -> T:
        return options[self.below(what, len(options))]

    @property
    def born(self) -> date:
        return date(1965, 1, 1) + self.days("born", 12000)

    @property
    def begin(self) -> date:
        """Of the obligation, in the ordinary case."""
        return date(2019, 1, 1) + self.days("begin", 1700)

    @property
    def registered(self) -> date:
        return self.begin + timedelta(days=20) + self.days("registered", 60)

    @property
    def signed(self) -> date:
        return self.registered + timedelta(days=20) + self.days("signed", 60)

    @property
    def finished(self) -> date:
        return self.signed + timedelta(days=300) + self.days("finished", 300)

    def before(self, least: int, most: int) -> date:
        """A day at least so many and less than so many days before DEMO_DATE."""
        return DEMO_DATE - timedelta(days=least) - self.days("before", most - least)


def _person(index: int) -> DemoPerson:
    life = _Life(index)
    scenario, residence, membership = (
        _PERSONAS[index]
        if index < len(_PERSONAS)
        else (
            _SCENARIOS[index % len(_SCENARIOS)],
            life.pick("residence", _RESIDENCES),
            life.pick("membership", _MEMBERSHIPS),
        )
    )
    code, tell = scenario
    return DemoPerson(
        insz=_number(index),
        blocks=tell(life),
        register=_register(life, residence, membership),
        expected_code=code,
        fault="99996" if code == "T01" else None,
    )


def _names(life: _Life) -> tuple[str, str]:
    first_names = _FIRST_NAMES[life.index % 2]
    return life.pick("first", first_names), life.pick("last", _LAST_NAMES)


def _personalia(life: _Life, born: str | None) -> Json:
    first, last = _names(life)
    sex = {"code": "1", "beschrijving": "Mannelijk"}
    if life.index % 2 == 0:
        sex = {"code": "2", "beschrijving": "Vrouwelijk"}
    birth_date = {"geboortedatum": born} if born else {}
    personalia = {
        "insz": _number(life.index).digits,
        "naam": {"achternamen": [last], "voornamen": [first]},
        "geslacht": {"code": sex},
        "aangemaaktDoor": _AGENCY,
    }
    return {"personalia": personalia | birth_date}


def _stranger(life: _Life) -> Json:
    """Known to the source, without a target group."""
    level = life.pick("level", _LEVELS)
    return _personalia(life, str(life.born)) | {
        "talenkennis": {
            "talen": [
                {
                    "code": life.pick("language", _LANGUAGES),
                    "contactTaal": True,
                    "kennisNiveau": _code("MOEDERTAAL", "Moedertaal"),
                },
                {"code": "NLD", "contactTaal": False},
            ],
            "alfabetiseringsgraad": {"latijnsSchrift": _code("GEALFABETISEERD", "Gealfabetiseerd")},
            "behaaldNt2Niveau": {
                "hoogstBehaald": _code(level, level),
                "recentstBehaald": _code(level, level),
            },
        },
        "wooncode": {
            "moetVoldoenAanInburgeringsBereidheid": True,
            "voldoetAanInburgeringBereidheid": life.below("wooncode", 2) == 0,
            "opvolgingDoor": "Agentschap",
        },
    }


def _in_group(life: _Life, begin: date, end: date | None = None, **more: Any) -> Json:
    group = {"code": "JA", "type": "PLICHT", "subType": "VOL_PROG", "periode": _period(begin, end)}
    return _stranger(life) | {"doelgroep": group | more}


def _obliged(life: _Life) -> Json:
    return _in_group(life, life.begin)


def _registered(life: _Life, on: date | None = None) -> Json:
    on = on or life.registered
    return _in_group(life, min(life.begin, on)) | {
        "aanmelding": {
            "type": "EA",
            "datumAanmelding": str(on),
            "aanmeldingsPlaats": _AGENCY,
            "reden": _code("13", "Eigen werving onthaalbureau"),
        },
        "trajecten": [_trajectory(on, parts_done=None)],
        "gesprekken": [{"datum": str(on), "geregistreerdBij": _AGENCY}],
    }


def _signed(life: _Life, trajectory: Json | None = None) -> Json:
    contract = {
        "datumRegistratie": str(life.signed),
        "type": "IC07G",
        "aangemaaktDoor": _AGENCY,
        "onderdeelMo": True,
        "onderdeelNt2": True,
        "onderdeelLo": False,
    }
    running = trajectory or _trajectory(life.signed, parts_done=None)
    return _registered(life) | {"contracten": [contract], "trajecten": [running]}


def _finished(life: _Life, certificate: str | None, decision: str = "JA_IB") -> Json:
    done = _trajectory(life.signed, "GS", decision, parts_done=life.finished)
    return _signed(life, done) | (_certificate(life, certificate) if certificate else {})


def _certificate(life: _Life, type_: str, signed: str | None = None) -> Json:
    document = {
        "soort": "ATTEST",
        "type": type_,
        "id": str(uuid5(NAMESPACE_DNS, f"attest-{life.index}.protocolpoort.example")),
        "datumAanmaak": str(life.finished),
        "datumOndertekening": signed or str(life.finished + timedelta(days=2)),
        "aangemaaktDoor": _AGENCY,
    }
    return {"behaaldeAttesten": [document]}


def _trajectory(
    begin: date, status: str = "OP", decision: str | None = None, *, parts_done: date | None
) -> Json:
    """An integration trajectory with its parts; a decision is taken when the parts are done."""
    since = parts_done or begin
    result = "VO" if decision in ("JA_IB", "JA_EVC") else "NVO"
    trajectory = {
        "type": "TT_IBVP",
        "periode": _period(begin),
        "beheerder": {"periode": _period(begin), "kbiVestiging": _AGENCY},
        "status": {"code": status, "periode": _period(since)},
        "trajectOnderdelen": [
            _part("TO_OB_MO", begin, parts_done, result),
            _part("TO_A1", begin, parts_done, result),
        ],
    }
    if decision:
        trajectory["besluit"] = {"code": decision, "datumToekenning": str(since)}
    return trajectory


def _part(type_: str, begin: date, done: date | None, result: str) -> Json:
    if done is None:
        status = {"code": "TO_STA_01", "periode": _period(begin)}
        return {"type": type_, "periode": _period(begin), "status": status}
    return {
        "type": type_,
        "periode": _period(begin, done),
        "status": {"code": "TO_STA_99", "periode": _period(done)},
        "besluit": {"code": result, "datumToekenning": str(done)},
    }


def _suspended(life: _Life) -> Json:
    blocks = _signed(life)
    suspension = _deferral(life, "ZIEKTE", "Ziekte")
    return blocks | {"contracten": [blocks["contracten"][0] | {"opschortingen": [suspension]}]}


def _deferral(life: _Life, code: str, name: str) -> Json:
    """A postponement or suspension that covers DEMO_DATE."""
    end = DEMO_DATE + life.days("deferral", 200)
    return {"periode": _period(life.before(0, 200), end), "reden": _code(code, name)}


def _in_breach(life: _Life) -> Json:
    breach = {
        "type": "5",
        "sanctionerendeOverheid": "HH",
        "datumVaststelling": str(life.before(0, 200)),
        "motivering": "niet deelgenomen",
    }
    return _signed(life) | {"inbreuken": [breach]}


def _faulty(life: _Life) -> Json | None:
    """The source failed before there was a dossier, or after."""
    return _obliged(life) if life.below("faulty", 2) else None


def _period(begin: date, end: date | None = None) -> Json:
    return {"begin": str(begin)} | ({"einde": str(end)} if end else {})


def _code(code: str, name: str) -> Json:
    return {"code": code, "korteNaam": name, "naam": name}


def _participations(life: _Life, nis: str) -> list[Json]:
    """One person in seven takes part in the project of Voorbeelddorp, whose invented code is 99002,
    every third of those no longer."""
    found: list[Json] = []
    if nis == "42025":
        pilot: Json = {"project": "proeftuin-wetteren", "gemeente": nis}
        found.append({**pilot, "van": "2023-03-01", "tot": "2023-12-31"})
    if life.index % 7 == 3:
        project: Json = {"project": "proeftuin-voorbeelddorp", "gemeente": "99002"}
        ended = "2025-12-31" if life.index % 3 == 0 else None
        found.append({**project, "van": "2024-01-01", "tot": ended})
    return found


def _register(life: _Life, residence: str, membership: str) -> Json:
    """A line of `register import`; a few numbers are cancelled or replaced another."""
    nis = residence.removeprefix("moved to ")
    moved = nis != residence
    postcode, municipality = _MUNICIPALITIES[nis]
    first, last = _names(life)
    homes = [{"nis": nis, "van": str(life.begin), "tot": None}]
    if moved:
        homes = [
            {"nis": MUNICIPALITY, "van": str(life.begin), "tot": "2025-12-31"},
            {"nis": nis, "van": "2026-01-01", "tot": None},
        ]
    fund = membership.removeprefix("formerly ")
    left = "2025-12-31" if fund != membership else None
    replaced = life.index % 89 == 40
    return {
        "insz": _number(life.index).digits,
        "woonplaatsen": homes,
        "lidmaatschappen": (
            [{"organisatie": fund, "van": str(life.begin), "tot": left}] if fund else []
        ),
        "deelnames": _participations(life, nis),
        "toestemmingen": (
            [
                {
                    "project": "proeftuin-mechelen",
                    "gemeente": nis,
                    "gegeven": "2021-07-02T09:00:00+02:00",
                    "ingetrokken": "2022-01-10T09:00:00+01:00" if life.index % 2 else None,
                }
            ]
            if nis == "12025"
            else []
        ),
        "vorigeInsz": [_number(life.index, first_serial=751).digits] if replaced else [],
        "geannuleerdOp": "2025-09-15" if life.index % 97 == 50 else None,
        "contact": {
            "voornaam": first,
            "achternaam": last,
            "adres": {
                "straat": life.pick("street", _STREETS),
                "huisnummer": str(1 + life.below("house", 150)),
                "postcode": postcode,
                "gemeente": municipality,
            },
            "telefoon": f"+320000{life.index:05}",  # no Belgian number begins with 0000
            "email": f"persoon{life.index:05}@example.org",
        },
    }


# The code for `striktMetUitstel` on DEMO_DATE, and the dossier that leads to it.
_Scenario = tuple[str, Callable[[_Life], Json | None]]
_CERTIFIED: _Scenario = ("O10", lambda life: _finished(life, "AI023"))
_NOT_SIGNED: _Scenario = ("N23", _registered)
_IN_COURSE: _Scenario = ("N30", _signed)

_SCENARIOS: tuple[_Scenario, ...] = (
    ("T01", _faulty),
    ("O01", lambda _: None),
    _CERTIFIED,
    ("O11", lambda life: _finished(life, "AEVC05", "JA_EVC")),
    ("T05", lambda life: _obliged(life) | _personalia(life, born=None)),
    ("T06", lambda life: _obliged(life) | _personalia(life, born="1961-00-00")),
    ("T06", lambda life: _obliged(life) | _personalia(life, born="2008-06-00")),
    ("O02", lambda life: _obliged(life) | _personalia(life, str(date(2010, 1, 1) + _year(life)))),
    ("O20", lambda life: _obliged(life) | _personalia(life, str(date(1950, 1, 1) + _year(life)))),
    ("O20", lambda life: _obliged(life) | _personalia(life, born="1950-00-00")),
    ("T05", _stranger),
    ("T99", lambda life: _in_group(life, life.begin, periode={"begin": "2026-00-00"})),
    ("O03", lambda life: _in_group(life, DEMO_DATE + timedelta(days=1) + _year(life))),
    ("O04", lambda life: _in_group(life, life.begin, life.before(1, 500))),
    (
        "T02",
        lambda life: _in_group(
            life, life.begin, code="NADER_TE_BEPALEN", type="NADER_TE_BEPALEN", subType="DOELGROEP"
        ),
    ),
    _CERTIFIED,
    (
        "O05",
        lambda life: _in_group(
            life,
            life.begin,
            code="NEE",
            type="GEEN",
            redenGeenDoelgroep=_code("01", "Tijdelijk verblijf"),
        ),
    ),
    (
        "O21",
        lambda life: _in_group(
            life,
            life.begin,
            redenVrijstellingVanDeVerplichting=_code("02", "Vrijgesteld"),
        ),
    ),
    ("O06", lambda life: _in_group(life, life.begin, type="RECHT", subType="RECHT")),
    ("O07", lambda life: _minor(life, since=date(2020, 1, 1))),
    ("T03", lambda life: _minor(life, since=date(2024, 11, 1))),
    ("T04", lambda life: _in_group(life, life.begin, type="RECHT_PLICHT", subType="RECHT_PLICHT")),
    _CERTIFIED,
    ("O12", lambda life: _finished(life, None)),
    ("O13", lambda life: _finished(life, None, "NEE_ANALFA")),
    ("O32", _suspended),
    (
        "O31",
        lambda life: (
            _registered(life)
            | {"uitstellenVanOndertekening": [_deferral(life, "ZWANGERSCHAP", "Zwangerschap")]}
        ),
    ),
    (
        "O30",
        lambda life: (
            _obliged(life) | {"uitstellenVanAanmelding": [_deferral(life, "WERK", "Werk")]}
        ),
    ),
    ("N20", lambda life: _in_group(life, life.before(0, 80))),
    ("N21", _obliged),
    ("N22", lambda life: _registered(life, life.before(0, 90))),
    _NOT_SIGNED,
    ("N31", lambda life: _finished(life, None, "NEE")),
    (
        "N32",
        lambda life: _signed(life, _trajectory(life.signed, "GS", parts_done=life.finished)),
    ),
    _IN_COURSE,
    ("N30", _in_breach),
    # Signed somewhere in the year of DEMO_DATE: nobody can say whether before it.
    ("T99", lambda life: _signed(life) | _certificate(life, "AI023", signed="2026-00-00")),
)


def _year(life: _Life) -> timedelta:
    return life.days("year", 360)


def _minor(life: _Life, since: date) -> Json:
    """Of age by DEMO_DATE, born in 2006 or 2007."""
    born = date(2006, 1, 1) + _year(life)
    group = _in_group(life, since, type="MINDERJARIG", subType="MINDERJARIG")
    return group | _personalia(life, str(born))


_RESIDENCES = (
    *([MUNICIPALITY] * 12),
    "71016",
    "71016",
    "42025",
    "12025",
    "99002",
    "99002",
    "moved to 99002",
    "moved to 71016",
)
_MEMBERSHIPS = (
    *([CARE_FUND] * 5),
    *([OTHER_CARE_FUND] * 3),
    "",
    f"formerly {CARE_FUND}",
)
_PERSONAS: tuple[tuple[_Scenario, str, str], ...] = (
    (_CERTIFIED, MUNICIPALITY, CARE_FUND),
    (_CERTIFIED, "99002", ""),
    (_NOT_SIGNED, MUNICIPALITY, CARE_FUND),
)
