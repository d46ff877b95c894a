"""A result in which nobody stands out: of any rows, and with nothing that was made up."""

import tracemalloc
from collections import Counter
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from app import smoothing, staging
from app.anonymity import FREE, HIDDEN, QUASI, STEPS, ancestors
from app.monitoring import COLUMNS
from app.smoothing import Result
from app.staging import NumberTwice

NAMES = tuple(column.name for column in COLUMNS)
MARK = "merk"  # by which a test knows a row again: no column of a real result

_SOME = {
    "leeftijdscategorie": ("18-24", "25-34", "35-44", ""),
    "geslacht": ("1", "2", ""),
    "oudsteNationaliteit": ("BEL", "SYR", "FRA", "*", ""),
}
_DATES = ("2024-01-01", "2024-01-02", "2024-05-06", "2023-01-01", "31/12/2024", "")
ROWS = st.lists(
    st.fixed_dictionaries(
        {
            name: st.sampled_from(
                _SOME.get(name, _DATES if "datum" in name or "Inschr" in name else ("a", "b", ""))
            )
            for name in NAMES
        }
    ),
    max_size=60,
)


@contextmanager
def result_of(rows: Sequence[dict[str, str]]) -> Iterator[Result]:
    """A result with these rows in it, each marked by a value that is no clue to a person."""
    with (
        TemporaryDirectory() as folder,
        staging.scratch(Path(folder) / "rows.db") as file,
        smoothing.in_file(file, (*NAMES, MARK)) as result,
    ):
        if rows:
            result.add([[*(row[name] for name in NAMES), str(at)] for at, row in enumerate(rows)])
        yield result


def unmarked(_: int) -> None:
    """Nobody looks at a bar."""


@given(ROWS, st.integers(2, 7))
@settings(max_examples=60, deadline=None)
def test_nobody_stands_out_and_no_value_is_made_up(rows: list[dict[str, str]], k: int) -> None:
    with result_of(rows) as result:
        smoothed = result.smooth(k, unmarked)
        found = [dict(zip((*NAMES, MARK), row[1:], strict=True)) for row in result.rows()]
        smallest = result.smallest_class()

    classes = Counter(tuple(row[name] for name in QUASI) for row in found)
    assert all(count >= k for count in classes.values())
    assert smallest == smoothed.smallest == min(classes.values(), default=0)
    assert len(found) == smoothed.rows == len(rows) - smoothed.suppressed
    for row in found:
        was = rows[int(row[MARK])]
        assert all(row[name] in ancestors(name, was[name]) for name in QUASI)
        assert all(row[name] in (was[name], HIDDEN) for name in FREE)
    for name in FREE:
        stays = Counter(rows[int(row[MARK])][name] for row in found)
        assert all(
            (row[name] == HIDDEN) == (was != "" and stays[was] < k)
            for row in found
            for was in [rows[int(row[MARK])][name]]
        )
    for name in QUASI:
        pairs = [(rows[int(row[MARK])][name], row[name]) for row in found]
        assert smoothed.hidden[name] == sum(now == HIDDEN != was for was, now in pairs)
        assert smoothed.coarser[name] == sum(HIDDEN != now != was for was, now in pairs)


@given(ROWS, st.integers(2, 7))
@settings(max_examples=30, deadline=None)
def test_who_does_not_stand_out_is_left_as_she_is(rows: list[dict[str, str]], k: int) -> None:
    many = [row for row in rows for _ in range(k)]

    with result_of(many) as result:
        smoothed = result.smooth(k, unmarked)

    assert (smoothed.rows, smoothed.suppressed) == (len(many), 0)
    assert {*smoothed.coarser.values(), *smoothed.hidden.values(), smoothed.rare} <= {0}


def test_fewer_than_k_rows_leave_nothing() -> None:
    row = dict.fromkeys(NAMES, "a")

    with result_of([row] * 4) as result:
        smoothed = result.smooth(5, unmarked)

    assert (smoothed.rows, smoothed.suppressed, smoothed.smallest) == (0, 4, 0)


def test_dates_are_made_coarser_before_anything_is_hidden() -> None:
    row = dict.fromkeys(NAMES, "a")
    days = [f"2024-0{1 + at % 3}-1{at}" for at in range(5)]

    with result_of([row | {"datumContract": day} for day in days]) as result:
        smoothed = result.smooth(5, unmarked)
        found = {(*row[1:],)[NAMES.index("datumContract")] for row in result.rows()}

    assert (found, smoothed.rows) == ({"2024-K1"}, 5)


def test_ids_are_of_chance_and_rows_come_in_their_order() -> None:
    row = dict.fromkeys(NAMES, "a")

    with result_of([row] * 200) as result:
        ids = [row[0] for row in result.rows()]
        order = [int(row[-1]) for row in result.rows()]
    with result_of([row] * 200) as other:
        again = [row[0] for row in other.rows()]

    assert len({*ids, *again}) == 400
    assert all(len(id_) == 32 for id_ in ids)
    assert order != sorted(order)
    assert sorted(order) == list(range(200))


def test_each_step_is_told() -> None:
    steps: list[int] = []

    with result_of([]) as result:
        result.smooth(5, steps.append)

    assert steps == list(range(1, len(STEPS) + 1))


def test_many_rows_take_no_more_memory_than_few(tmp_path: Path) -> None:
    def peak(count: int) -> int:
        row = ["a"] * len(NAMES)
        with (
            staging.scratch(tmp_path / "rows.db") as file,
            smoothing.in_file(file, NAMES) as result,
        ):
            tracemalloc.start()
            for _ in range(count // 1000):
                result.add([row] * 1000)
            result.smooth(5, unmarked)
            assert sum(1 for _ in result.rows()) == count
            used = tracemalloc.get_traced_memory()[1]
            tracemalloc.stop()
        return used

    assert peak(20_000) < 2 * peak(2_000)


# What stands aside until it is released


def row_of(number: str) -> tuple[str, ...]:
    return (number, *"123456")


def test_rows_that_stand_aside_come_back_by_number_in_parts(tmp_path: Path) -> None:
    numbers = [f"{at:011}" for at in range(2500)]
    file = tmp_path / "back" / "aside.db"

    with staging.drafted(file) as draft:
        for begin in (2000, 1000, 0):
            draft.add([row_of(number) for number in numbers[begin : begin + 1000]])
    with staging.opened(file) as kept:
        parts = list(kept.parts())

    assert [len(part) for part in parts] == [1000, 1000, 500]
    assert [row for part in parts for row in part] == [row_of(number) for number in numbers]
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert list(file.parent.iterdir()) == [file]


def test_a_number_that_stands_there_is_not_taken_twice(tmp_path: Path) -> None:
    def twice() -> None:
        with staging.drafted(tmp_path / "aside.db") as draft:
            draft.add([row_of("1"), row_of("2")])
            draft.add([row_of("2")])

    with pytest.raises(NumberTwice):
        twice()

    assert list(tmp_path.iterdir()) == []


def test_a_draft_that_was_cut_off_is_in_nobodys_way(tmp_path: Path) -> None:
    (tmp_path / ".aside.db.draft").write_bytes(b"cut off")

    with staging.drafted(tmp_path / "aside.db") as draft:
        draft.add([row_of("1")])

    assert [found.name for found in tmp_path.iterdir()] == ["aside.db"]
