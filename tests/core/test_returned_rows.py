"""The file that VDAB gives back: in any pieces the same, bounded, refused at its first fault."""

from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from service import insz_of

from app.returned_rows import NAMES, PART, VALUE_LIMIT, Row, RowReader, RowsUnfit, guarded

FIRST, SECOND = insz_of("900101001").digits, insz_of("900101002").digits
HEAD = ";".join(NAMES)
ROW = f"{FIRST};2022-05-01;2024-06-01;nwwz;lopend;oriëntatie;"


def read(text: str | bytes, size: int = 7) -> list[tuple[Row, int]]:
    """Each row with the line that it stands on, read in pieces."""
    content = text.encode() if isinstance(text, str) else text
    found: list[tuple[Row, int]] = []

    def take(rows: Sequence[Row], line: int) -> None:
        assert 0 < len(rows) <= PART
        found.extend((row, at) for at, row in enumerate(rows, start=line))

    reader = RowReader(take)
    for at in range(0, len(content), size):
        reader.feed(content[at : at + size])
    reader.close()
    return found


def test_rows_come_as_they_are_with_their_line() -> None:
    rows = read(f"{HEAD}\n{ROW}\r\n{SECOND};;;;;;\n")

    assert rows == [
        ((FIRST, "2022-05-01", "2024-06-01", "nwwz", "lopend", "oriëntatie", ""), 2),
        ((SECOND, "", "", "", "", "", ""), 3),
    ]


def test_the_columns_may_stand_in_any_order_behind_a_byte_order_mark() -> None:
    turned = ";".join(reversed(NAMES))

    [(row, line)] = read(f"\ufeff{turned}\nja;;;;;2022-05-01;{FIRST}")

    assert (row, line) == ((FIRST, "2022-05-01", "", "", "", "", "ja"), 2)


def test_a_value_between_quotes_may_hold_the_delimiter_and_dirt_goes_through() -> None:
    [(row, _)] = read(f'{HEAD}\n{FIRST};"a;b";=1+1;"zegt ""ja""";  ;-5;\t@x\n')

    assert row == (FIRST, "a;b", "=1+1", 'zegt "ja"', "  ", "-5", "\t@x")


@given(st.integers(1, 300), st.integers(1, 40))
def test_in_any_pieces_it_says_the_same(size: int, count: int) -> None:
    text = f"{HEAD}\n" + f"{ROW}\n" * count

    assert read(text, size) == read(text, len(text.encode()))


def test_many_rows_come_in_parts() -> None:
    rows = read(f"{HEAD}\n" + f"{ROW}\n" * (2 * PART + 1), 64 * 1024)

    assert [line for _, line in rows] == list(range(2, 2 * PART + 3))


def test_a_file_without_rows_has_none() -> None:
    assert read(f"{HEAD}\n") == []


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "the file is empty"),
        ("\n", "line 1 does not name the columns"),
        (f"{ROW}\n", "line 1 does not name the columns"),
        (f"{HEAD};naam\n", "line 1 does not name the columns"),
        (f"{HEAD.replace('typeActies', 'naam')}\n", "line 1 does not name the columns"),
        (f"{HEAD.replace(';typeActies', '')}\n", "line 1 does not name the columns"),
        (f"{HEAD.replace(';', ',')}\n", "line 1 does not name the columns"),
        (f"{HEAD}\n{ROW}\n{FIRST};;;\n", "line 3 does not have 7 values"),
        (f"{HEAD}\n{ROW};extra\n", "line 2 does not have 7 values"),
        (f"{HEAD}\n\n{ROW}\n", "line 2 does not have 7 values"),
        (f"{HEAD}\n;;;;;;\n", "line 2 has no valid number"),
        (f"{HEAD}\n{FIRST[:-1]};;;;;;\n", "line 2 has no valid number"),
        (f"{HEAD}\n{FIRST[:-2]}00;;;;;;\n", "line 2 has no valid number"),
        (f'{HEAD}\n{FIRST};"open;;;;;\n', "line 2 is no row of values"),
        (f"{HEAD}\n{FIRST};a\rb;;;;;\n", "line 2 is no row of values"),
        (f"{HEAD}\n{FIRST};{'x' * (VALUE_LIMIT + 1)};;;;;\n", "line 2 has a value of more than"),
        (f"{HEAD}\n{FIRST};a\x1bb;;;;;\n", "line 2 has a character that no text has"),
        (f"{HEAD}\n{FIRST};a\x85b;;;;;\n", "line 2 has a character that no text has"),
        (f"{HEAD}\n{FIRST};{'x' * 5000};;;;;\n", "line 2 is longer than 4096 bytes"),
        (f"{HEAD}\n{'x' * 50_000}", "line 2 is longer than 4096 bytes"),
        (f"{HEAD}\n".encode() + b"\xff;;;;;;\n", "line 2 is not UTF-8"),
        (b"PK\x03\x04\x00\xff\xfe", "line 1 is not UTF-8"),
    ],
)
def test_what_was_not_agreed_is_refused_with_its_line(text: str | bytes, said: str) -> None:
    with pytest.raises(RowsUnfit, match=said) as unfit:
        read(text)

    assert FIRST[:-2] not in str(unfit.value)


def test_a_line_without_end_is_not_kept_in_memory() -> None:
    reader = RowReader(lambda *_: None)
    for _ in range(4):
        reader.feed(b"x" * 1000)

    with pytest.raises(RowsUnfit, match="longer than"):
        reader.feed(b"x" * 1000)


def test_a_long_line_that_comes_at_once_is_refused_too() -> None:
    with pytest.raises(RowsUnfit, match="line 1 is longer than 4096 bytes"):
        read("x" * 5000 + "\n", 10_000)


@pytest.mark.parametrize("begin", ["=", "+", "-", "@", "\t", "\r"])
def test_what_a_spreadsheet_would_compute_is_guarded(begin: str) -> None:
    assert guarded(f"{begin}1") == f"'{begin}1"


@pytest.mark.parametrize("value", ["", "1", "a=b", " =1", "'=1", "*"])
def test_anything_else_is_left_as_it_is(value: str) -> None:
    assert guarded(value) == value
