"""The data set of the monitoring with VDAB: who is in it, its columns, and where each comes from.

Pure. A column has the code of its datum in the protocol (`uitwisseling.gegevens`): what the
protocol in force does not list is not released. Values go as they are (art. 7): an empty one stays
empty, and nothing stands in for what is missing.
"""

from collections.abc import Callable, Collection, Mapping, Sequence
from datetime import date
from typing import Any, NamedTuple

from app import facts, fields
from app.moments import possible_days

ORGANISATION = "0887010362"  # VDAB
PURPOSE = "monitoringDerdePijler"
NUMBER = "personalia.insz"  # all that goes to VDAB about a person
SINCE = date(2022, 3, 1)  # the obligation to register with VDAB (recital E)
# Our reading: an age that is known without its year would be a guess, so it stays empty then.
AGES = ((17, "0-17"), (24, "18-24"), (34, "25-34"), (44, "35-44"), (54, "45-54"), (64, "55-64"))
OLDEST = "65+"
ACTIONS = frozenset({"oriëntatie", "context", "competentieversterking", "solliciteren"})


class Column(NamedTuple):
    """One column of the result, and the datum of the protocol that it belongs to."""

    name: str
    datum: str


# What VDAB gives back beside the number, all six of them and no other.
RETURNED = (
    Column("eersteInschrijving", "inschrijving"),
    Column("recentsteInschrijving", "inschrijving"),
    Column("categorieWerkzoekende", "categorieWerkzoekende"),
    Column("statusDienstverlening", "statusDienstverlening"),
    Column("typeActies", "typeActies"),
    Column("uitstroomNaarWerk", "uitstroomNaarWerk"),
)
RETURNED_DATES = frozenset({"eersteInschrijving", "recentsteInschrijving"})

Json = Mapping[str, Any]


def age_category(born: str, on: date) -> str:
    """The age on a day, in years; empty when the date is missing or allows two categories."""
    days = possible_days(born)
    if days is None or days[0] > on:
        return ""
    categories = {_category(day, on) for day in days}
    return categories.pop() if len(categories) == 1 else ""


def _category(born: date, on: date) -> str:
    age = on.year - born.year - ((on.month, on.day) < (born.month, born.day))
    return next((name for last, name in AGES if age <= last), OLDEST)


def joined_since(blocks: Json, on: date) -> str | None:
    """The date of the contract that makes somebody part of the joint client group on a day.

    The first that was signed since 1 March 2022: a date that may lie outside those days is none.
    """
    contracts = fields.project(blocks, ("contracten[].datumRegistratie",)).document
    signed = [each["datumRegistratie"] for each in contracts.get("contracten", ())]
    return min((day for day in signed if _within(day, SINCE, on)), default=None)


def _within(text: str, first: date, last: date) -> bool:
    days = possible_days(text)
    return days is not None and first <= days[0] and days[1] <= last


def _part(value: Any, *path: str) -> Any:
    for name in path:
        value = value.get(name, {})
    return value


def _text(*path: str) -> Callable[[Json, date], str]:
    return lambda blocks, _: _part(blocks, *path) or ""


def _newest(items: Collection[Json], *date_path: str) -> Json:
    """The one with the latest date; of those without any date the last."""
    dated = sorted(items, key=lambda each: _part(each, *date_path) or "")
    return dated[-1] if dated else {}


def _yes_or_no(value: Any) -> str:
    return {True: "ja", False: "nee"}.get(value, "")


def _orientation(blocks: Json) -> Json:
    courses = _part(blocks, "vormingsActiviteiten").get("ploCursussen", ())
    decisions = [each["besluit"] for each in courses if "besluit" in each]
    return _newest(decisions, "datumToekenning")


def _recognition(blocks: Json) -> Json:
    return _newest(blocks.get("toeleidingenDiplomaGelijkschakeling", ()), "startDatum")


def _trajectories(blocks: Json, begin: str) -> list[Json]:
    return [each for each in blocks.get("trajecten", ()) if each.get("type", "").startswith(begin)]


def _of_integration(blocks: Json) -> list[Json]:
    """Those that the rules take for one of civic integration (`facts`): TT_IB* but TT_IBGD."""
    return [each for each in _trajectories(blocks, "TT_IB") if each["type"] != "TT_IBGD"]


def _referred_on(blocks: Json, _: date) -> str:
    """Our reading: the begin of the first trajectory with VDAB; the KBI has no other date."""
    begins = [_part(each, "periode", "begin") for each in _trajectories(blocks, "TT_OBVDAB")]
    return min(filter(None, begins), default="")


# Column, datum, how it is read of the projected blocks, and the leaves that it is read of.
_OF_DOSSIER: tuple[tuple[Column, Callable[[Json, date], str], tuple[str, ...]], ...] = (
    (
        Column("leeftijdscategorie", "leeftijdscategorie"),
        lambda blocks, on: age_category(_part(blocks, "personalia", "geboortedatum") or "", on),
        ("personalia.geboortedatum",),
    ),
    (
        Column("geslacht", "geslacht"),
        _text("personalia", "geslacht", "code", "code"),
        ("personalia.geslacht.code.code",),
    ),
    (
        Column("datumToeleiding", "datumToeleiding"),
        _referred_on,
        ("trajecten[].type", "trajecten[].periode.begin"),
    ),
    (Column("doelgroep", "doelgroep"), _text("doelgroep", "type"), ("doelgroep.type",)),
    (
        Column("datumDoelgroep", "datumDoelgroep"),
        _text("doelgroep", "periode", "begin"),
        ("doelgroep.periode.begin",),
    ),
    (
        Column("datumAanmelding", "datumAanmelding"),
        _text("aanmelding", "datumAanmelding"),
        ("aanmelding.datumAanmelding",),
    ),
    (
        Column("datumContract", "datumContract"),
        lambda blocks, on: joined_since(blocks, on) or "",
        ("contracten[].datumRegistratie",),
    ),
    (
        Column("loopbaanorientatieBesluit", "loopbaanorientatie"),
        lambda blocks, _: _yes_or_no(_orientation(blocks).get("voldaan")),
        (
            "vormingsActiviteiten.ploCursussen[].besluit.voldaan",
            "vormingsActiviteiten.ploCursussen[].besluit.datumToekenning",
        ),
    ),
    (
        Column("loopbaanorientatieReden", "loopbaanorientatie"),
        lambda blocks, _: _part(_orientation(blocks), "reden", "code") or "",
        ("vormingsActiviteiten.ploCursussen[].besluit.reden.code",),
    ),
    (
        Column("niveauNt2", "niveauNt2"),
        _text("talenkennis", "behaaldNt2Niveau", "hoogstBehaald", "code"),
        ("talenkennis.behaaldNt2Niveau.hoogstBehaald.code",),
    ),
    (
        Column("trajecttype", "trajecttype"),
        lambda blocks, _: _newest(_of_integration(blocks), "periode", "begin").get("type", ""),
        ("trajecten[].type", "trajecten[].periode.begin"),
    ),
    (
        Column("diplomagelijkschakelingToeleiding", "diplomagelijkschakeling"),
        lambda blocks, _: _recognition(blocks).get("status", ""),
        (
            "toeleidingenDiplomaGelijkschakeling[].status",
            "toeleidingenDiplomaGelijkschakeling[].startDatum",
        ),
    ),
    (
        Column("diplomagelijkschakelingResultaat", "diplomagelijkschakeling"),
        lambda blocks, _: _part(_recognition(blocks), "antwoordPartnerCode", "code") or "",
        ("toeleidingenDiplomaGelijkschakeling[].antwoordPartnerCode.code",),
    ),
)
# The register of persons has what the KBI has not (`profiel`, operations.md): one name for both.
_OF_REGISTER = tuple(
    Column(name, name)
    for name in (
        "scholingsniveau",
        "oudsteNationaliteit",
        "kbiRegio",
        "taalleervermogen",
        "ocmwLeefloon",
        "verblijfsstatus",
    )
)

PROFILE = (*(column for column, *_ in _OF_DOSSIER), *_OF_REGISTER)
LEAVES = frozenset(leaf for *_, leaves in _OF_DOSSIER for leaf in leaves)
# What is read of the newest dossier; the target group is that of its history.
BLOCKS = fields.blocks(LEAVES) - {"doelgroep"}
COLUMNS = (*PROFILE, *RETURNED)


def profile_of(
    blocks: Json, target_groups: Sequence[Json], profile: Json, on: date
) -> tuple[str, ...]:
    """The values of `PROFILE`, in that order, as of a day; `target_groups` as the rules read them.

    Our reading: a target group that begins later, or has ended, is none on that day.
    """
    known = {**blocks, "doelgroep": facts.target_group_on(target_groups, on)}
    kept = fields.project(known, LEAVES).document
    of_register = (profile.get(column.name) for column in _OF_REGISTER)
    return (
        *(read(kept, on) for _, read, _ in _OF_DOSSIER),
        *(value if isinstance(value, str) else _yes_or_no(value) for value in of_register),
    )


def is_dirty(column: str, value: str) -> bool:
    """Whether a value of VDAB is none that its column should have; it is carried all the same."""
    if not value.strip():
        return False
    if column in RETURNED_DATES:
        return possible_days(value) is None
    if column == "typeActies":
        return not {part.strip().lower() for part in value.split(",")} <= ACTIONS
    return False
