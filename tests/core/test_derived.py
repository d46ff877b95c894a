from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.derived import complete, derive
from app.fields import CATALOGUE, ContactField, DerivedField, project
from app.kbi import Dossier, parse_answer

ANSWERS = Path(__file__).parents[2].parent / "shared" / "kbi" / "antwoorden"

TODAY = date(2026, 6, 15)
EVERYTHING = [*DerivedField, *ContactField]
SIGNED = "contract.ondertekend"
INTEGRATED = "attest.inburgeringBehaald"
LANGUAGES = "talenkennis.contacttaal"
DUTCH = "talenkennis.niveauNederlands"
ORIENTATION = "maatschappelijkeOrientatie.status"


@pytest.mark.parametrize(
    ("day", "signed"),
    [
        ("2026-06-14", True),
        ("2026-06-15", True),
        ("2026-06-16", False),
        ("2025-00-00", True),
        ("2026-05-00", True),
        ("2026-06-00", False),
        ("2026-00-00", False),
        ("0000-00-00", False),
        ("2026-13-01", False),
        ("2026-13-00", False),
        ("2026-02-30", False),
        ("onbekend", False),
        ("20260614", False),
    ],
)
def test_a_date_counts_when_it_is_certainly_not_after_today(day: str, signed: bool) -> None:
    blocks = {
        "contracten": [{}, {"datumRegistratie": day}],
        "behaaldeAttesten": [{}, {"type": "AI023", "datumOndertekening": day}],
    }

    assert derive([SIGNED, INTEGRATED], blocks, None, TODAY) == {
        "contract": {"ondertekend": signed},
        "attest": {"inburgeringBehaald": signed},
    }


@pytest.mark.parametrize(
    ("today", "signed"), [(date(2026, 2, 27), False), (date(2026, 2, 28), True)]
)
def test_a_month_without_a_day_counts_from_its_last_day(today: date, signed: bool) -> None:
    blocks = {"contracten": [{"datumRegistratie": "2026-02-00"}]}

    assert derive([SIGNED], blocks, None, today) == {"contract": {"ondertekend": signed}}


@pytest.mark.parametrize(
    ("document", "integrated"),
    [
        ({"type": "AI023", "datumOndertekening": "2020-01-01"}, True),
        ({"type": "AI023G", "datumOndertekening": "2020-01-01"}, True),
        ({"type": "AEVC05", "datumOndertekening": "2015-01-01"}, False),
        ({"datumOndertekening": "2015-01-01"}, False),
        ({"type": "AI023", "datumAanmaak": "2020-01-01"}, False),
    ],
)
def test_only_a_signed_certificate_of_civic_integration_counts(
    document: dict[str, str], integrated: bool
) -> None:
    derived = derive([INTEGRATED], {"behaaldeAttesten": [document]}, None, TODAY)

    assert derived == {"attest": {"inburgeringBehaald": integrated}}


def test_only_the_yes_or_no_fields_are_always_there() -> None:
    assert derive(EVERYTHING, {}, None, TODAY) == {
        "contract": {"ondertekend": False},
        "attest": {"inburgeringBehaald": False},
    }


def test_gives_nothing_that_was_not_wanted() -> None:
    contact = {"email": "test@example.org"}
    blocks = {"contracten": [{"datumRegistratie": "2020-01-01"}]}

    assert derive(["contracten[].datumRegistratie"], blocks, contact, TODAY) == {}


def test_reads_contact_details_from_the_register() -> None:
    contact = {
        "voornaam": "Test",
        "achternaam": "",
        "adres": {"straat": "Stadsplein", "huisnummer": "1"},
        "telefoon": None,
        "onbekend": "x",
    }

    assert derive(list(ContactField), {}, contact, TODAY) == {
        "contact": {"voornaam": "Test", "adres": {"straat": "Stadsplein", "huisnummer": "1"}}
    }


def test_reads_contact_languages_and_the_level_of_dutch() -> None:
    level = {"code": "B1", "naam": "Niveau B1"}
    talenkennis = {
        "talen": [
            {"code": "fr", "contactTaal": True},
            {"code": "nl", "contactTaal": False},
            {"code": "en"},
            {"contactTaal": True},
            {"code": "ar", "contactTaal": True},
        ],
        "behaaldNt2Niveau": {"hoogstBehaald": level, "recentstBehaald": {"code": "A1"}},
    }

    assert derive([LANGUAGES, DUTCH], {"talenkennis": talenkennis}, None, TODAY) == {
        "talenkennis": {"contacttaal": ["fr", "ar"], "niveauNederlands": level}
    }


def part(status: str, begin: str = "", *, part_begin: str = "", **more: Any) -> dict[str, Any]:
    return {
        "type": "TO_OB_MO",
        "periode": {"begin": part_begin} if part_begin else {},
        "status": {"code": status, **({"periode": {"begin": begin}} if begin else {})},
        **more,
    }


@pytest.mark.parametrize(
    ("parts", "expected"),
    [
        ([], None),
        ([part("TO_STA_20", "2020-01-01")], {"status": "TO_STA_20"}),
        (
            [part("TO_STA_21", "2021-01-01"), part("TO_STA_20", "2020-01-01")],
            {"status": "TO_STA_21"},
        ),
        (
            [
                part("TO_STA_20", "2020-01-01", part_begin="2019-01-01"),
                part("TO_STA_21", "2020-01-01", part_begin="2019-06-01"),
            ],
            {"status": "TO_STA_21"},
        ),
        ([part("TO_STA_20", "2020-00-00"), part("TO_STA_21")], {"status": "TO_STA_20"}),
        ([part("TO_STA_20", "2026-06-15")], {"status": "TO_STA_20"}),
        (
            [part("TO_STA_20", "2020-01-01"), part("TO_STA_21", "2026-06-16")],
            {"status": "TO_STA_20"},
        ),
        (
            [part("TO_STA_20", besluit={"code": "VO", "datumToekenning": "2026-06-15"})],
            {"status": "TO_STA_20", "besluit": "VO"},
        ),
        (
            [part("TO_STA_20", besluit={"code": "VO", "datumToekenning": "2026-06-16"})],
            {"status": "TO_STA_20"},
        ),
        ([{"type": "TO_OB_MO", "besluit": {"code": "NVO"}}], {"besluit": "NVO"}),
        ([{"type": "TO_OB_MO"}], None),
        ([{**part("TO_STA_20"), "type": "TO_A1"}], None),
    ],
)
def test_takes_the_newest_social_orientation_of_all_trajectories(
    parts: list[dict[str, Any]], expected: dict[str, str] | None
) -> None:
    blocks = {"trajecten": [{}, *({"trajectOnderdelen": [each]} for each in parts)]}

    derived = derive([ORIENTATION], blocks, None, TODAY)

    assert derived == ({"maatschappelijkeOrientatie": {"status": expected}} if expected else {})


def test_completes_a_document_without_touching_its_blocks() -> None:
    blocks: dict[str, dict[str, Any]] = {
        "personalia": {"insz": "x"},
        "talenkennis": {"talen": [{"code": "fr", "contactTaal": True}]},
    }

    document = complete([LANGUAGES, SIGNED], blocks, None, TODAY)

    assert document == {
        "personalia": {"insz": "x"},
        "talenkennis": {**blocks["talenkennis"], "contacttaal": ["fr"]},
        "contract": {"ondertekend": False},
    }
    assert list(blocks["talenkennis"]) == ["talen"]


def test_every_derived_value_survives_projection_on_a_real_answer() -> None:
    if not ANSWERS.exists():
        pytest.skip("../shared/kbi/antwoorden is not there")
    dossier = parse_answer((ANSWERS / "90722501478.xml").read_bytes())
    assert isinstance(dossier, Dossier)

    derived = derive(EVERYTHING, dossier.blocks, {"voornaam": "Test"}, TODAY)

    assert derived["contract"] == {"ondertekend": True}
    assert derived["attest"] == {"inburgeringBehaald": True}
    assert project(derived, CATALOGUE).document == derived


@given(st.text(max_size=12), st.dates())
def test_no_date_text_raises(text: str, today: date) -> None:
    blocks = {
        "contracten": [{"datumRegistratie": text}],
        "behaaldeAttesten": [{"type": "AI023", "datumOndertekening": text}],
        "trajecten": [{"trajectOnderdelen": [part("TO_STA_20", text, part_begin=text)]}],
    }

    derived = derive(EVERYTHING, blocks, None, today)

    assert set(derived) >= {"contract", "attest"}
