"""What a measurement computes is right; no test runs one, and none looks at a time."""

import math

import pytest
from test_repository import makefile_targets

from bench import refusals
from bench.refusals import Answer, Cast, Distinguishable, Kind, Run

SHAPE = b"Content-Length: 2\n\n{}"
REFUSED = (Kind.FOREIGN, Kind.CANCELLED, Kind.UNKNOWN)


def answers(*other: Answer) -> list[Answer]:
    """One good answer of each kind, and others."""
    refused = [Answer(kind, 0.01, 403, SHAPE) for kind in REFUSED]
    return [Answer(Kind.RESIDENT, 0.02, 200, b"a dossier"), *refused, *other]


def test_percentiles_of_the_first_hundred_numbers_and_nought() -> None:
    assert refusals.percentiles([float(number) for number in range(101)]) == (50.0, 90.0, 99.0)


@pytest.mark.parametrize(
    ("one", "other", "apart"),
    [
        ([1.0, 2.0, 3.0], [3.0, 1.0, 2.0], 0.0),
        ([1.0, 2.0], [3.0, 4.0], 1.0),
        ([1.0, 2.0, 3.0, 4.0], [3.0, 4.0, 5.0, 6.0], 0.5),
        ([1.0, 1.0, 1.0, 2.0], [1.0, 2.0, 2.0, 2.0], 0.5),  # ties count as one moment
        ([1.0], [0.0, 0.5, 2.0, 3.0], 0.5),
    ],
)
def test_distance_of_two_samples(one: list[float], other: list[float], apart: float) -> None:
    assert refusals.distance(one, other) == refusals.distance(other, one) == apart


@pytest.mark.parametrize(("one", "other", "limit"), [(200, 200, 0.16276), (2000, 1000, 0.06304)])
def test_critical_distance_at_one_percent(one: int, other: int, limit: float) -> None:
    assert math.isclose(refusals.critical_distance(one, other), limit, rel_tol=1e-4)


def test_the_table_has_a_row_for_each_kind_and_for_each_pair_of_refused_kinds() -> None:
    times = {kind: [0.001 * (1 + place)] * 4 for place, kind in enumerate(Kind)}

    lines = refusals.table([Run("SQLite", 8, times)]).splitlines()

    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in lines[2:]]
    assert len(set(map(len, lines))) == 1
    assert [row[2] for row in cells] == [
        *Kind,
        "foreign : cancelled",
        "foreign : unknown",
        "cancelled : unknown",
    ]
    assert cells[0] == ["SQLite", "8", "resident", "4", "1.000", "1.000", "1.000", "", ""]
    assert cells[5][3:] == ["", "0.500", "0.500", "0.500", "1.000", "1.151"]


@pytest.mark.parametrize(
    "odd",
    [
        Answer(Kind.RESIDENT, 0.01, 403, SHAPE),
        Answer(Kind.UNKNOWN, 0.01, 404, SHAPE),
        Answer(Kind.CANCELLED, 0.01, 403, SHAPE + b" "),
    ],
)
def test_one_answer_that_differs_is_enough_to_fail(odd: Answer) -> None:
    refusals.check(answers())

    with pytest.raises(Distinguishable, match=odd.kind):
        refusals.check(answers(odd))


def test_asks_about_as_many_of_each_kind_and_stores_all_but_the_unknown() -> None:
    cast = Cast.of(200, refusals.drawing())

    stored = {person.insz.digits: person.register for person in cast.stored()}

    assert {kind: len(set(numbers)) for kind, numbers in cast.asked.items()} == dict.fromkeys(
        Kind, 20
    )
    assert len(stored) == 200
    assert stored.keys().isdisjoint(cast.asked[Kind.UNKNOWN])
    assert all(stored[digits]["geannuleerdOp"] for digits in cast.asked[Kind.CANCELLED])
    questions = cast.questions(5, refusals.drawing())
    assert [kind for kind, _ in sorted(questions[:4])] == sorted(Kind)
    assert len(questions) == 20


def test_make_bench_refusals_exists() -> None:
    assert "bench-refusals" in makefile_targets()
