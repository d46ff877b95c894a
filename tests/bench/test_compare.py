"""What the comparison computes is right, and a wrong answer does not pass; no test looks at a
time."""

import random
from pathlib import Path

import pytest
from service import NOW, sqlite_template
from sqlalchemy import text

from app import database
from app.database import Database
from app.demo_persons import demo_persons
from app.insz import Insz
from bench import dataset, load, results
from bench.compare import check_records
from bench.load import Heard, Questions, Wrong, ask, heard, serving, uvicorn_of
from bench.results import Goal, Measured, Round

TOLD = (
    '{"requests":90,"microseconds":3000000,"bytes":1,"p50":1500.0,"p99":2500.0,"asked":92,'
    '"judged":91,"wrong":%d,"first":"refused, status 403","errors":%d}'
)


def one(rate: float) -> Round:
    """A round with so many answers in a second."""
    return Round(Heard(int(rate), 1.0, 1.0, 2.0, int(rate)), 1.0, 1.0, None)


def test_reads_what_wrk_heard() -> None:
    found = heard(f"Running 3s test\n\n{TOLD % (0, 0)}\n")

    assert found == Heard(requests=90, seconds=3.0, p50=1.5, p99=2.5, asked=92)
    assert found.rate == 30


@pytest.mark.parametrize("told", [TOLD % (1, 0), TOLD % (0, 1), "no answer at all"])
def test_a_wrong_answer_ends_the_comparison(told: str) -> None:
    with pytest.raises(Wrong):
        heard(told)


@pytest.mark.parametrize(
    ("records", "allowed", "size", "whole"),
    [
        (90, 90, 1, True),
        (92, 92, 1, True),  # two were under way when wrk stopped
        (89, 89, 1, False),  # an answer without a record
        (93, 93, 1, False),  # a record of nothing that was asked
        (90, 89, 1, False),  # an answer that is recorded as a refusal
        (90 * 101, 90 * 101, 100, True),
        (90 * 101 + 1, 90 * 101 + 1, 100, False),  # part of a batch
    ],
)
def test_an_answer_without_a_record_ends_the_comparison(
    records: int, allowed: int, size: int, whole: bool
) -> None:
    counted, told = (records, allowed), Heard(90, 3.0, 1.5, 2.5, 92)

    if whole:
        check_records("ours", counted, told, 2, size)
        return
    with pytest.raises(Wrong):
        check_records("ours", counted, told, 2, size)


def test_a_ratio_is_of_the_same_round() -> None:
    found = {("dossier", "ours"): [one(20), one(90)], ("dossier", "naive"): [one(2), one(3)]}

    assert results.ratios(found, "ours", "naive", results.rate) == [10, 30]


@pytest.mark.parametrize(
    ("goal", "cells"),
    [
        (Goal("a", 8, 20, [9, 10, 30]), ("at least 8", "20", "10.00 (9.00 - 30.00)", "yes", "no")),
        (Goal("b", 1, 0.5, [2.0], at_least=False), ("at most 1", "0.5", "2.00", "NO", "no")),
        (Goal("c", 64, None, [3], False, 0), ("at most 64", "", "3", "yes", "")),
    ],
)
def test_a_goal_says_whether_it_is_reached(goal: Goal, cells: tuple[str, ...]) -> None:
    assert goal.cells[1:] == cells


def test_the_budget_of_a_request_is_what_the_processors_have() -> None:
    rates = {("main", "bare"): 20_000, ("main", "ours"): 1_000, ("main", "pgbench"): 5_000}
    found = {
        (results.MAIN if load_name == "main" else results.BATCH, name): [one(rate)]
        for (load_name, name), rate in {**rates, ("batch", "ours"): 20}.items()
    }

    told = " ".join(results.budget(Measured(found, {}, {}, {}, {}, (), 0, "", ()), 2).split())

    assert "3,000 requests/s are 0.15 of the bare callable: 2 processors have 0.67 ms" in told
    assert "a request takes 1.00 ms in the service and 1.00 in the database." in told
    assert "pgbench, two statements from a client in C, reaches 0.25." in told
    assert "4,000 persons/s are four times the single requests: that leaves 0.50 ms" in told
    assert told.endswith("who takes 0.01 ms in the service and 0.01 in the database.")


def test_numbers_are_those_of_the_synthetic_persons() -> None:
    numbers = [dataset.number(place) for place in range(500)]

    assert numbers == [person.insz.digits for person in demo_persons(500)]
    assert Insz(dataset.number(4_999_999)).is_test


def test_rows_are_those_that_the_imports_store(tmp_path: Path) -> None:
    url, imported = f"sqlite:///{tmp_path}/rows.db", tmp_path / "imported.db"
    database.upgrade(url)
    dataset.fill(url, None, 200, NOW)
    sqlite_template(NOW, 200).put(imported, tmp_path / "keys")
    statements = (
        "SELECT insz, cancelled_on FROM person",
        "SELECT insz, nis, first, last FROM residence",
        "SELECT insz, organisation, first, last FROM membership",
        "SELECT old, current FROM replaced_number",
        "SELECT insz, digest, personalia, trajecten, talenkennis FROM dossier_version",
        "SELECT a.insz, v.digest, a.code FROM source_answer a "
        "LEFT JOIN dossier_version v ON v.id = a.version",
    )

    for statement in statements:
        ours, theirs = (rows(each, statement) for each in (url, f"sqlite:///{imported}"))
        assert ours == theirs, statement


def rows(url: str, statement: str) -> list[str]:
    """The rows, in an order that does not hang on how they came in."""
    store = Database(url)
    with store.reading() as session:
        found = session.connection().execute(text(statement)).all()
    store.dispose()
    return sorted(str(tuple(row)).replace(" ", "") for row in found)


def test_draws_different_persons_of_the_wanted_contents_only() -> None:
    kinds = dataset.residents()

    found = dataset.draw(random.Random(1), kinds, 2_500, 10_000)  # noqa: S311

    assert (
        len(found) == len(set(found)) == sum(1 for place in range(2_500) if place % 2_000 in kinds)
    )
    assert {place % dataset.CONTENTS for place in found} <= set(kinds)
    assert max(found) < 2_500


@pytest.mark.skipif(load.missing() is not None, reason=str(load.missing()))
def test_a_load_counts_answers_and_notices_one_about_nobody(tmp_path: Path) -> None:
    questions, tokens = tmp_path / "questions", tmp_path / "tokens"
    questions.write_text(f'{dataset.number(1)}\t"insz":"{dataset.number(1)}"\n')
    tokens.write_text("token\n")
    path, chance = "/inburgering/v1/dossiers/query", random.Random(1)  # noqa: S311

    with serving("bare", uvicorn_of("bench.constant:bare"), {}, tmp_path) as server:
        constant = Questions("constant", path, questions, tokens)
        assert ask(server.port, constant, 2, 1, chance).requests > 0
        with pytest.raises(Wrong, match="nobody asked for"):
            ask(server.port, Questions("dossier", path, questions, tokens), 2, 1, chance)
