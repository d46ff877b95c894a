"""What of the result could point at a person, and how it is made coarser. Pure, all of it data.

Each step makes the values of its columns coarser. It is taken for those rows alone that share all
these values with fewer than k: what stands out is made coarser first, what does not is left. A row
that still stands out after the last step is left out.
"""

import re
from collections.abc import Callable, Mapping
from typing import NamedTuple

K = 5  # that many rows share every combination, unless the operator says more
HIDDEN = "*"  # not the same as empty, which is a value of the source

# What somebody who knows a person could know of her, and so find her row by: what neighbours see,
# all that the agencies have in the KBI by number (three of the four receivers are agencies), and
# the dates that VDAB has in its own files.
OWN_DATES = ("datumToeleiding", "datumDoelgroep", "datumAanmelding", "datumContract")
VDAB_DATES = ("eersteInschrijving", "recentsteInschrijving")
QUASI = (
    "leeftijdscategorie",
    "geslacht",
    "oudsteNationaliteit",
    "verblijfsstatus",
    "kbiRegio",
    "scholingsniveau",
    "doelgroep",
    "loopbaanorientatieBesluit",
    "loopbaanorientatieReden",
    "niveauNt2",
    "trajecttype",
    "diplomagelijkschakelingToeleiding",
    "diplomagelijkschakelingResultaat",
    "taalleervermogen",
    "ocmwLeefloon",
    *OWN_DATES,
    *VDAB_DATES,
)
# What VDAB says in words of its own. Whatever stands in fewer than k rows there is hidden: it could
# be a number of a client, or a note on one person.
FREE = ("categorieWerkzoekende", "statusDienstverlening", "typeActies", "uitstroomNaarWerk")

# European Economic Area and Switzerland, as the sources may write them: ISO 3166 or Dutch.
_EUROPEAN = frozenset(
    """
    at aut oostenrijk be bel belgië bg bgr bulgarije ch che zwitserland cy cyp cyprus
    cz cze tsjechië de deu duitsland dk dnk denemarken ee est estland es esp spanje
    fi fin finland fr fra frankrijk
    gr grc griekenland hr hrv kroatië hu hun hongarije ie irl ierland is isl ijsland it ita italië
    li lie liechtenstein lt ltu litouwen lu lux luxemburg lv lva letland mt mlt malta
    nl nld nederland no nor noorwegen pl pol polen pt prt portugal ro rou roemenië
    se swe zweden si svn slovenië sk svk slowakije
    """.split()  # noqa: SIM905 - a list of so many words is read no better
)
_WIDER_AGES = {
    "18-24": "18-34",
    "25-34": "18-34",
    "35-44": "35-54",
    "45-54": "35-54",
    "55-64": "55+",
    "65+": "55+",
}


def to_month(value: str) -> str:
    """`2024-03-05` is `2024-03`; what is no such date says nothing any more."""
    return _cut(value, r"(\d{4}-\d\d)-\d\d")


def to_quarter(value: str) -> str:
    """`2024-03` is `2024-K1`."""
    month = re.fullmatch(r"(\d{4})-(\d\d)", value, re.ASCII)
    if not month or not 1 <= int(month[2]) <= 12:
        return value and HIDDEN
    return f"{month[1]}-K{(int(month[2]) + 2) // 3}"


def to_year(value: str) -> str:
    """`2024-K1` is `2024`."""
    return _cut(value, r"(\d{4})-K[1-4]")


def _cut(value: str, pattern: str) -> str:
    """The part of a value that stays; what has another form is hidden, what is empty stays so."""
    found = re.fullmatch(pattern, value, re.ASCII)
    return found[1] if found else value and HIDDEN


def to_area(value: str) -> str:
    """Whether a nationality is one of the European Economic Area or Switzerland."""
    if not value:
        return value
    known = value.strip().lower() in _EUROPEAN
    return "EER of Zwitserland" if known else "andere of niet herkend"


def to_wider_age(value: str) -> str:
    """Twenty years for ten."""
    return _WIDER_AGES.get(value, value)


def to_letter(value: str) -> str:
    """`B1.2` is `B`: the levels of a language have a letter, and grades within it."""
    return _cut(value, r"([A-C])[1-9].*")


def hide(_: str) -> str:
    """Nothing is said any more, not even whether there was a value."""
    return HIDDEN


class Step(NamedTuple):
    """The columns that are made coarser together, and how."""

    columns: tuple[str, ...]
    coarser: Callable[[str], str]


# Dates first, day by day nearly everybody has her own; then what few have, or what can tell of
# health; last what the monitoring is about.
STEPS = (
    Step((*OWN_DATES, *VDAB_DATES), to_month),
    Step((*OWN_DATES, *VDAB_DATES), to_quarter),
    Step((*OWN_DATES, *VDAB_DATES), to_year),
    Step(("niveauNt2",), to_letter),
    Step(("oudsteNationaliteit",), to_area),
    Step(("loopbaanorientatieReden",), hide),
    Step(("diplomagelijkschakelingToeleiding", "diplomagelijkschakelingResultaat"), hide),
    Step(("datumDoelgroep", "datumAanmelding", "datumToeleiding"), hide),
    Step(("recentsteInschrijving",), hide),
    Step(("leeftijdscategorie",), to_wider_age),
    Step(("loopbaanorientatieBesluit",), hide),
    Step(("taalleervermogen",), hide),
    Step(("scholingsniveau",), hide),
    Step(("eersteInschrijving",), hide),
    Step(("oudsteNationaliteit",), hide),
    Step(("kbiRegio",), hide),
    Step(("ocmwLeefloon",), hide),
    Step(("trajecttype",), hide),
    Step(("niveauNt2",), hide),
    Step(("datumContract",), hide),
    Step(("verblijfsstatus",), hide),
    Step(("doelgroep",), hide),
    Step(("leeftijdscategorie",), hide),
    Step(("geslacht",), hide),
)


def ancestors(column: str, value: str) -> frozenset[str]:
    """All that a value can have become in the result, itself among it."""
    found = {value}
    for step in STEPS:
        if column in step.columns:
            value = step.coarser(value)
            found.add(value)
    return frozenset(found)


class Smoothed(NamedTuple):
    """What became of the rows, for the report of a release."""

    rows: int  # that stay
    suppressed: int  # that were left out
    coarser: Mapping[str, int]  # by column: cells that say less than they did, but something
    hidden: Mapping[str, int]  # by column: cells that say nothing any more
    smallest: int  # rows of the smallest class that stays
    rare: int  # cells in VDAB's own words, too few of which were alike, and that are hidden
