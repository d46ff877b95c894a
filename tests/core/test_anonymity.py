"""How a value becomes coarser: by what is declared, and never into something else."""

from datetime import date

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.anonymity import (
    FREE,
    HIDDEN,
    QUASI,
    STEPS,
    ancestors,
    to_area,
    to_letter,
    to_month,
    to_quarter,
    to_wider_age,
    to_year,
)
from app.monitoring import AGES, COLUMNS, OLDEST, PROFILE

DATES = [name for name in QUASI if name.startswith("datum") or name.endswith("Inschrijving")]


def test_what_could_point_at_a_person_is_in_the_result() -> None:
    assert set(QUASI) <= {column.name for column in COLUMNS}


def test_all_that_the_agencies_have_by_number_could_point_at_a_person() -> None:
    assert {column.name for column in PROFILE} <= set(QUASI)


def test_whatever_vdab_says_either_could_point_or_is_in_words_of_its_own() -> None:
    assert {column.name for column in COLUMNS} == {*QUASI, *FREE}


def test_every_date_of_the_result_could_point_at_a_person() -> None:
    named = {column.name for column in COLUMNS}

    assert set(DATES) == {n for n in named if n.startswith("datum") or n.endswith("Inschrijving")}


@pytest.mark.parametrize("column", QUASI)
def test_every_such_column_can_be_hidden_in_the_end(column: str) -> None:
    last = [step for step in STEPS if column in step.columns][-1]

    assert last.coarser("x") == last.coarser("") == HIDDEN


@given(st.dates(), st.sampled_from(DATES))
def test_a_date_becomes_its_month_its_quarter_its_year_and_nothing(day: date, column: str) -> None:
    month = f"{day.year:04}-{day.month:02}"
    quarter = f"{day.year:04}-K{(day.month - 1) // 3 + 1}"

    found = ancestors(column, day.isoformat())

    assert found == {day.isoformat(), month, quarter, f"{day.year:04}", HIDDEN}


@given(st.text(), st.sampled_from(QUASI))
def test_any_value_becomes_no_more_than_what_is_declared(value: str, column: str) -> None:
    assert HIDDEN in ancestors(column, value)
    assert len(ancestors(column, value)) <= 5


@pytest.mark.parametrize(
    ("coarser", "value", "becomes"),
    [
        (to_month, "2024-03-05", "2024-03"),
        (to_month, "", ""),
        (to_month, "5 maart", HIDDEN),
        (to_month, "٢٠٢٤-03-05", HIDDEN),
        (to_quarter, "2024-03", "2024-K1"),
        (to_quarter, "2024-04", "2024-K2"),
        (to_quarter, "2024-12", "2024-K4"),
        (to_quarter, "2024-00", HIDDEN),
        (to_quarter, "2024-13", HIDDEN),
        (to_quarter, HIDDEN, HIDDEN),
        (to_quarter, "", ""),
        (to_year, "2024-K4", "2024"),
        (to_year, "", ""),
        (to_area, "BEL", "EER of Zwitserland"),
        (to_area, " oostenrijk ", "EER of Zwitserland"),
        (to_area, "SYR", "andere of niet herkend"),
        (to_area, "", ""),
        (to_letter, "B1.2", "B"),
        (to_letter, "A2", "A"),
        (to_letter, "", ""),
        (to_letter, "alfa", HIDDEN),
        (to_wider_age, "", ""),
        (to_wider_age, "0-17", "0-17"),
    ],
)
def test_what_becomes_of_a_value(coarser: object, value: str, becomes: str) -> None:
    assert coarser(value) == becomes  # type: ignore[operator]


def test_every_age_but_the_youngest_has_a_wider_one() -> None:
    ages = [name for _, name in AGES] + [OLDEST]

    assert [to_wider_age(age) for age in ages] == [
        *("0-17", "18-34", "18-34", "35-54", "35-54", "55+", "55+")
    ]
