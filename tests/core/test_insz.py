import csv
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.insz import Insz, NotAnInsz, contains_insz

ROOT = Path(__file__).parents[2]
VECTORS = ROOT.parent / "shared" / "kbi" / "insz-testvectors.csv"

TEST_NUMBER = "90722501478"


@pytest.mark.parametrize(
    "digits",
    [
        TEST_NUMBER,
        "90722600161",  # 1900 rule
        "90722600190",  # the same base under the 2000 rule
        "00000125535",  # month unknown
        "85000000138",  # month and day unknown
        "90272600236",  # BIS, month + 20
        "90472600279",  # BIS, month + 40
        "00000000097",
    ],
)
def test_takes_a_number_under_either_checksum_rule(digits: str) -> None:
    insz = Insz(digits)

    assert insz.digits == digits


@pytest.mark.parametrize(
    "text",
    [
        "",
        "90722501479",  # checksum
        "9072250147",
        "907225014780",
        "90.72.25-014.78",
        " 90722501478",
        "90722501478\n",
        "٩٠٧٢٢٥٠١٤٧٨",
        "9072250147\uff18",
        "12345678901",
    ],
)
def test_refuses_what_is_no_number_without_repeating_it(text: str) -> None:
    with pytest.raises(NotAnInsz) as caught:
        Insz(text)

    assert str(caught.value) == "not a valid national number"


@pytest.mark.parametrize(
    ("month", "accepted", "is_test"),
    [
        ("00", True, False),
        ("12", True, False),
        ("13", False, False),
        ("19", False, False),
        ("20", True, False),
        ("32", True, False),
        ("33", False, False),
        ("40", True, False),
        ("52", True, False),
        ("59", False, False),
        ("60", True, True),
        ("72", True, True),
        ("73", False, False),
        ("80", False, False),
    ],
)
def test_knows_the_month_parts(month: str, accepted: bool, is_test: bool) -> None:
    digits = _numbered(f"90{month}15001")

    if not accepted:
        with pytest.raises(NotAnInsz):
            Insz(digits)
        return
    assert Insz(digits).is_test is is_test


@pytest.mark.parametrize(("day", "accepted"), [("00", True), ("31", True), ("32", False)])
def test_knows_the_day_parts(day: str, accepted: bool) -> None:
    digits = _numbered(f"9001{day}001")

    assert contains_insz(digits) is accepted


def test_agrees_with_the_published_vectors() -> None:
    if not VECTORS.exists():
        pytest.skip("../shared/kbi is not there")
    rows = list(csv.DictReader(VECTORS.read_text("utf-8").splitlines()))

    expected = {
        row["insz"]: "True" in (row["geldig_1900_regel"], row["geldig_2000_regel"]) for row in rows
    }

    assert {text: _accepted(text) for text in expected} == expected


def test_never_shows_itself() -> None:
    insz = Insz(TEST_NUMBER)

    shown = [repr(insz), str(insz), f"{insz}", f"{insz!r}", "%s" % insz, repr([insz])]  # noqa: UP031

    assert not any(TEST_NUMBER in text for text in shown)
    with pytest.raises(TypeError) as caught:
        format(insz, ">30")
    assert TEST_NUMBER not in str(caught.value)


def test_is_a_value() -> None:
    numbers = {Insz(TEST_NUMBER), Insz(TEST_NUMBER), Insz("90722600161")}

    assert len(numbers) == 2
    assert Insz(TEST_NUMBER) < Insz("90722600161")
    with pytest.raises(AttributeError):
        Insz(TEST_NUMBER).digits = "90722600161"  # type: ignore[misc]


@pytest.mark.parametrize(
    "text",
    [
        TEST_NUMBER,
        "90.72.25-014.78",
        "90 72 25 014 78",
        "9/0/7/2/2/5/0/1/4/7/8",
        "dossier 90722501478, dringend",
        "dossier-90722501478",
        "zie 90.72.25-014.78 aub",
        "3 dagen na 5 90.72.25-014.78",
        "2026-01-15 90722501478",
        "٩٠٧٢٢٥٠١٤٧٨",
        "90.72.25,014.78",
        "90.72.25,014-78",
        "907225 - 01478",
        "907225 / 014 / 78",
        "90_72_25_014_78",
        "907225_01478",
        "zie 907225 - 01478, of bel",
        "90\u202f72\u00a025\u2013014\u201378",
        "907225\u200b01478",
    ],
)
def test_finds_a_number_in_a_text(text: str) -> None:
    assert contains_insz(text)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "aanvraag 2026-0017",
        "90722501479",
        "190722501478",  # twelve digits in one run
        "907225014781",
        "833dd928-ffc2-42fe-83d7-12e71d191f8d",
        "0543307391",
        "2026-01-15T10:11:12.000Z",
        "90.72.25,014.79",
        "907225 - 01479",
        "90_72_25_014_79",
        "907325_01478",  # no month
        "907232_01478",  # no day
        "907225 of 01478",
        "ref 907225 .... 01478",
    ],
)
def test_leaves_other_references_alone(text: str) -> None:
    assert not contains_insz(text)


@given(st.integers(0, 10**9 - 1))
def test_finds_exactly_the_runs_that_are_numbers(base: int) -> None:
    digits = _numbered(f"{base:09}")

    assert contains_insz(f"ref:{digits}!") is _accepted(digits)


def _numbered(base: str) -> str:
    return f"{base}{97 - int(base) % 97:02}"


def _accepted(text: str) -> bool:
    try:
        Insz(text)
    except NotAnInsz:
        return False
    return True
