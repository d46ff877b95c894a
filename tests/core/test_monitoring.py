"""The data set of the monitoring with VDAB: who is in it, and where each value comes from."""

from collections.abc import Sequence
from datetime import date
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from texts import read

from app import fields
from app.monitoring import (
    COLUMNS,
    LEAVES,
    PROFILE,
    RETURNED,
    age_category,
    is_dirty,
    joined_since,
    profile_of,
)

DAY = date(2026, 6, 1)
NAMES = [column.name for column in PROFILE]

DOSSIER: dict[str, Any] = {
    "personalia": {"geboortedatum": "1990-06-01", "geslacht": {"code": {"code": "2"}}},
    "aanmelding": {"datumAanmelding": "2022-05-02"},
    "contracten": [{"datumRegistratie": "2019-01-01"}, {"datumRegistratie": "2022-06-03"}],
    "trajecten": [
        {"type": "TT_IBRH", "periode": {"begin": "2019-01-01"}},
        {"type": "TT_IBVP", "periode": {"begin": "2022-06-03"}},
        {"type": "TT_IBGD", "periode": {"begin": "2023-06-03"}},  # none of integration
        {"type": "TT_OBVDAB", "periode": {"begin": "2022-08-02"}},
        {"type": "TT_OBVDAB", "periode": {"begin": "2022-07-01"}},
    ],
    "vormingsActiviteiten": {
        "ploCursussen": [
            {"besluit": {"voldaan": False, "datumToekenning": "2022-09-01"}},
            {
                "besluit": {
                    "voldaan": True,
                    "reden": {"code": "07"},
                    "datumToekenning": "2023-09-01",
                }
            },
            {"id": "zonder besluit"},
        ]
    },
    "talenkennis": {"behaaldNt2Niveau": {"hoogstBehaald": {"code": "A2"}}},
    "toeleidingenDiplomaGelijkschakeling": [
        {"startDatum": "2023-01-01", "status": "AN", "antwoordPartnerCode": {"code": "GELIJK"}},
        {"startDatum": "2022-01-01", "status": "BZ"},
    ],
}
GROUP = {"type": "PLICHT", "periode": {"begin": "2022-04-01"}}
REGISTER = {
    "scholingsniveau": "hoog",
    "oudsteNationaliteit": "SYR",
    "verblijfsstatus": "erkend vluchteling",
    "ocmwLeefloon": False,
    "kbiRegio": "Limburg",
    "taalleervermogen": "snel",
}


def told(
    blocks: dict[str, Any],
    register: dict[str, Any] | None = None,
    groups: Sequence[dict[str, Any]] = (),
) -> dict[str, str]:
    values = zip(NAMES, profile_of(blocks, groups, register or {}, DAY), strict=True)
    return {name: value for name, value in values if value}


def test_every_datum_of_the_protocol_has_its_column_and_no_other_has() -> None:
    [purpose] = read("vdab-2023").purposes
    [access] = purpose.accesses
    assert access.exchange is not None
    listed = {(datum.code, datum.source) for datum in access.exchange.data}

    sources = dict.fromkeys(PROFILE, "kbi") | dict.fromkeys(RETURNED, "vdab")

    assert {(column.datum, source) for column, source in sources.items()} == listed
    assert len({column.name for column in COLUMNS}) == len(COLUMNS) == 25


def test_the_leaves_that_a_profile_is_read_of_stand_in_the_catalogue() -> None:
    assert set(fields.CATALOGUE) >= LEAVES
    assert "personalia.insz" not in LEAVES


def test_each_value_comes_from_its_place() -> None:
    assert told(DOSSIER, REGISTER, [GROUP]) == {
        "leeftijdscategorie": "35-44",
        "geslacht": "2",
        "datumToeleiding": "2022-07-01",
        "doelgroep": "PLICHT",
        "datumDoelgroep": "2022-04-01",
        "datumAanmelding": "2022-05-02",
        "datumContract": "2022-06-03",
        "loopbaanorientatieBesluit": "ja",
        "loopbaanorientatieReden": "07",
        "niveauNt2": "A2",
        "trajecttype": "TT_IBVP",
        "diplomagelijkschakelingToeleiding": "AN",
        "diplomagelijkschakelingResultaat": "GELIJK",
        "scholingsniveau": "hoog",
        "oudsteNationaliteit": "SYR",
        "kbiRegio": "Limburg",
        "taalleervermogen": "snel",
        "ocmwLeefloon": "nee",
        "verblijfsstatus": "erkend vluchteling",
    }


def test_what_is_not_known_stays_empty() -> None:
    assert told({}) == {}
    assert told({"personalia": {"geboortedatum": "?"}}, {"ocmwLeefloon": None}) == {}


def test_what_has_not_the_form_of_its_field_is_left_out() -> None:
    wrong = {
        "personalia": "x",
        "trajecten": {"type": "TT_IB"},
        "contracten": ["2023-01-01"],
    }
    group = {"type": {"code": "x"}, "periode": {"begin": "2022-04-00", "einde": 7}}

    assert told(wrong, groups=[group]) == {}


def test_the_target_group_is_that_of_the_day_and_not_of_the_newest_dossier() -> None:
    later = {"type": "RECHT", "periode": {"begin": "2026-06-02"}}

    assert told({"doelgroep": later}, groups=[GROUP, later]) == {
        "doelgroep": "PLICHT",
        "datumDoelgroep": "2022-04-01",
    }
    assert told({"doelgroep": later}, groups=[later]) == {}


_JSON = st.recursive(
    st.sampled_from((None, True, "", "TT_IB", "2023-01-01")),
    lambda inner: (
        st.lists(inner, max_size=3)
        | st.dictionaries(
            st.sampled_from(
                sorted({part.strip("[]") for id_ in LEAVES for part in id_.split(".")})
            ),
            inner,
            max_size=4,
        )
    ),
    max_leaves=10,
)


_PART = st.dictionaries(st.sampled_from(("type", "periode")), _JSON)


@given(
    st.dictionaries(st.sampled_from(fields.BLOCKS), _JSON, max_size=5),
    st.lists(_PART, max_size=3),
)
def test_no_dossier_breaks_it_and_every_value_is_a_text(
    blocks: dict[str, Any], groups: list[dict[str, Any]]
) -> None:
    values = profile_of(blocks, groups, {}, DAY)

    assert len(values) == len(PROFILE)
    assert all(isinstance(value, str) for value in values)


@pytest.mark.parametrize(
    ("born", "category"),
    [
        ("2008-06-02", "0-17"),
        ("2008-06-01", "18-24"),
        ("1991-06-02", "25-34"),
        ("1991-06-01", "35-44"),
        ("1961-06-02", "55-64"),
        ("1961-06-01", "65+"),
        ("1980-00-00", "45-54"),
        ("1981-00-00", ""),  # 44 or 45 on that day
        ("2026-06-02", ""),
        ("onbekend", ""),
        ("", ""),
    ],
)
def test_the_age_category_on_the_first_and_the_last_day(born: str, category: str) -> None:
    assert age_category(born, DAY) == category


@pytest.mark.parametrize(
    ("signed", "since"),
    [
        ([], None),
        (["2022-02-28"], None),
        (["2022-03-01"], "2022-03-01"),
        (["2026-06-01"], "2026-06-01"),
        (["2026-06-02"], None),
        (["2022-00-00"], None),  # may lie before
        (["2022-03-00"], "2022-03-00"),
        (["2026-06-00"], None),  # may lie ahead
        (["2018-01-01", "2024-01-01", "2023-01-01"], "2023-01-01"),
        (["geen datum"], None),
    ],
)
def test_who_is_in_the_joint_client_group(signed: list[str], since: str | None) -> None:
    contracts = [{"datumRegistratie": day} for day in signed]

    assert joined_since({"contracten": contracts}, DAY) == since


@pytest.mark.parametrize(
    ("column", "value", "dirty"),
    [
        ("eersteInschrijving", "2022-01-31", False),
        ("eersteInschrijving", "2022-00-00", False),
        ("recentsteInschrijving", "31/01/2022", True),
        ("recentsteInschrijving", "", False),
        ("typeActies", "oriëntatie, Solliciteren", False),
        ("typeActies", "iets anders", True),
        ("statusDienstverlening", "wat dan ook", False),
    ],
)
def test_what_is_not_as_it_should_be_is_seen(column: str, value: str, dirty: bool) -> None:
    assert is_dirty(column, value) is dirty
