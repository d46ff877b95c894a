"""What a measurement computes is right; the smallest one runs, and no test looks at a time."""

import math
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import psycopg
import pytest
from databases import create_database, drop_database
from test_repository import makefile_targets

from app import log_search
from app.log_search import Search
from bench import log, refusals
from bench.log import Asked, Log, Promise, Unsound
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


TINY = log.Scale(
    rounds=1,
    seconds=0.2,
    large=2_500,
    small=500,
    questions=1,
    exported=600,
    exported_fewer=300,
    verifications=1,
)


def rows_of(page: str, heading: str) -> list[list[str]]:
    """The cells of the table that has this heading."""
    [found] = [part for part in page.split("\n\n") if part.startswith("|") and heading in part]
    return [
        [cell.strip() for cell in line.strip("|").split("|")] for line in found.splitlines()[2:]
    ]


def test_the_smallest_run_reports_on_every_promise(cluster: str, tmp_path: Path) -> None:
    path = tmp_path / "log.md"

    assert log.produce(list(log.PARTS), TINY, path) == 0

    page = path.read_text()
    promises = rows_of(page, "reached")
    assert [(row[0], row[2]) for row in promises] == [
        ("a", "at least 6"),
        ("b", "at most 0.1"),
        ("c", "at most 2"),
        ("c", "none"),
        ("d", "at most 3"),
        ("d", "at most 1.25"),
    ]
    assert all(row[3] and row[4] in ("yes", "NO") for row in promises)
    assert [row[0] for row in rows_of(page, "load at its begin")] == list(log.PARTS)
    written = rows_of(page, "syncs/record")
    assert [row[:2] for row in written] == [
        [name, waiters] for name in ("PostgreSQL", "SQLite") for waiters in ("1", "32")
    ]
    assert [row[4] for row in written if row[1] == "1"] == ["1.0", "1.0"]
    asked = log.searches(Log(TINY.small, log.KEPT), TINY.questions)
    assert [row[0] for row in rows_of(page, "ms of 2,500")] == list(asked)
    assert [row[1] for row in rows_of(page, "peak memory in MB")] == ["300", "300", "600", "600"]
    assert re.search(r"^- `.*\bix_~_", page, re.MULTILINE)
    assert max(map(len, re.sub(r"^\|.*", "", page, flags=re.MULTILINE).splitlines())) <= 100


def test_a_log_that_is_searched_holds_what_is_asked_for(cluster: str) -> None:
    made = Log(2_500, log.KEPT)
    url = create_database(cluster)
    with log.opened(url) as store:
        made.fill(url)
        made.check(store)

        def found(wanted: Search) -> int:
            with store.reading() as session:
                return len(log_search.search(session, replace(wanted, limit=made.size)).records)

        # One record in 25, for a hundred persons in turn; the others are shared by 125.
        persons = [found(log.about(person)) for person in range(log.OFTEN + 125)]
        organisations = [
            found(Search(organisation=f"nis:{71000 + number}"))
            for number in range(log.ORGANISATIONS)
        ]
        halves = [
            found(Search(until=log.NEWEST - log.KEPT / 2)),
            found(Search(since=log.NEWEST - log.KEPT / 2)),
        ]
        with psycopg.connect(url) as connection:
            connection.execute("SET session_replication_role = replica")
            connection.execute("UPDATE access_record SET subject = 'x' WHERE log_index = 0")
        with pytest.raises(Unsound, match="record 0"):
            made.check(store)
    drop_database(cluster, url)

    assert persons[: log.OFTEN] == [1] * log.OFTEN
    assert sum(persons) == sum(organisations) == made.size
    assert organisations[0] == max(organisations)
    assert halves == [1_251, 1_250]  # the moment between them is that of a record


@pytest.mark.parametrize(
    ("measured", "at_least", "kept", "shown"),
    [
        ([5.0, 7.0, 9.0], True, True, "7.00 (5.00 - 9.00)"),
        ([5.0, 5.9, 9.0], True, False, "5.90 (5.00 - 9.00)"),
        ([5.0, 6.0, 9.0], False, True, "6.00 (5.00 - 9.00)"),
        ([6.1], False, False, "6.10"),
    ],
)
def test_the_median_decides_on_a_promise(
    measured: list[float], at_least: bool, kept: bool, shown: str
) -> None:
    promise = Promise("a", "what", 6, measured, at_least=at_least)

    assert promise.kept is kept
    assert promise.cells[3:] == (shown, "yes" if kept else "NO")


def test_a_sequential_scan_of_the_records_in_the_large_log_breaks_the_promise() -> None:
    scan = log.shape(
        {
            "Node Type": "Limit",
            "Plans": [{"Node Type": "Seq Scan", "Relation Name": "access_record"}],
        }
    )
    index = log.shape({"Node Type": "Index Scan", "Index Name": "ix_access_record_subject"})
    logs = Log(500, log.KEPT), Log(2_500, log.KEPT)

    good, bad = (
        log.searching_part(
            {
                "person": [Asked([2.0, 2.0], [1], {scan}), Asked([4.0, 3.0], [3], {index})],
                "period": [Asked([1.0, 1.0], [2], {index}), Asked([1.0, 1.0], [2], {plan})],
            },
            *logs,
        )
        for plan in (index, scan)
    )

    assert (scan, index) == ("Limit > Seq Scan access_record", "Index Scan ix_~_subject")
    assert [promise.kept for promise in good.promises] == [True, True]
    assert [promise.kept for promise in bad.promises] == [True, False]
    assert good.promises[0].measured == [2.0, 1.5]
    assert "worst of 2 (person)" in good.promises[0].what
    assert rows_of(good.text, "ratio")[0] == ["person", "1 / 3", "2.0", "3.5", "1.75 (1.50 - 2.00)"]
    assert Counter(re.findall(r"^- `(.+)`$", good.text, re.MULTILINE)) == {scan: 1, index: 1}


def test_a_program_that_does_not_end_well_is_no_measurement() -> None:
    with pytest.raises(Unsound, match="exit code 3"):
        log.launch("-c", "raise SystemExit(3)")


def test_make_bench_log_exists() -> None:
    assert "bench-log" in makefile_targets()


def test_make_bench_and_its_likes_exist() -> None:
    assert {"bench", "bench-growth", "soak", "soak-kill"} <= makefile_targets()
