"""The file of a list: its lines, safe in a spreadsheet, and its manifest."""

import csv
import hashlib
import io
import json
import zipfile
from collections.abc import Iterator
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app import list_format
from app.list_format import Form

LEAVES = ["contact.email", "contract.ondertekend", "talenkennis.talen[].code"]


def rows(*lines: bytes) -> list[list[str]]:
    return [*csv.reader(io.StringIO(b"".join(lines).decode(), newline=""))]


def test_a_line_of_csv_holds_the_leaves_in_their_order() -> None:
    document = {
        "talenkennis": {"talen": [{"code": "101"}, {"code": "202"}]},
        "contract": {"ondertekend": False},
    }
    line = list_format.line(Form.CSV, LEAVES, document, b"")

    assert rows(list_format.head(Form.CSV, LEAVES), line) == [LEAVES, ["", "nee", "101 | 202"]]
    assert line.endswith(b"\r\n")


def test_a_line_of_json_is_the_document() -> None:
    assert list_format.head(Form.JSONL, LEAVES) == b""
    assert list_format.line(Form.JSONL, LEAVES, {}, b'{"a":1}') == b'{"a":1}\n'


@pytest.mark.parametrize(
    ("document", "leaf", "found"),
    [
        ({"a": {"b": "x"}}, "a.b", "x"),
        ({"a": {}}, "a.b", ""),
        ({}, "a.b", ""),
        ({"a": {"b": None}}, "a.b", ""),
        ({"a": {"b": ["x", "y"]}}, "a.b", "x | y"),
        ({"a": [{"b": True}, {}, {"b": False}]}, "a[].b", "ja | nee"),
        ({"a": [{"b": [{"c": "x"}]}, {"b": [{"c": "y"}]}]}, "a[].b[].c", "x | y"),
        ({"a": ["x", "y"]}, "a[]", "x | y"),
        ({"a": {"b": {"straat": "Plein", "bus": "2"}}}, "a.b", "straat: Plein, bus: 2"),
    ],
)
def test_a_cell_holds_every_value_at_its_place(
    document: dict[str, Any], leaf: str, found: str
) -> None:
    assert rows(list_format.line(Form.CSV, [leaf, "z"], document, b"")) == [[found, ""]]


@pytest.mark.parametrize(
    "text",
    ["=1+1", "+32", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "  =1", "\u00a0=1", "\uff1d1", "-"],
)
def test_no_cell_is_a_formula(text: str) -> None:
    guarded = list_format.guarded(text)
    assert guarded.startswith("'")
    assert guarded.replace("'", "") == text
    assert rows(list_format.line(Form.CSV, ["a", "b"], {"a": text}, b""))[0][0] == guarded


@pytest.mark.parametrize(
    ("text", "found"),
    [("Jan;=1+1", "Jan;'=1+1"), ("a\t+1", "a\t'+1"), ("a\n @x", "a\n '@x"), ("a; b", "a; b")],
)
def test_no_other_cell_begins_in_a_cell_where_a_semicolon_separates(text: str, found: str) -> None:
    assert list_format.guarded(text) == found


@pytest.mark.parametrize("text", ["", "85073000135", "ja", "1-2", "a=b", "'t Stad", "België"])
def test_other_text_stays_as_it_is(text: str) -> None:
    assert list_format.guarded(text) == text


@given(st.lists(st.text(st.characters(exclude_categories=["Cs"])), min_size=1))
def test_every_text_comes_out_of_csv_as_it_went_in_but_for_its_guard(texts: list[str]) -> None:
    names = [f"n{at}" for at in range(len(texts))]
    line = list_format.line(Form.CSV, names, dict(zip(names, texts, strict=True)), b"")

    [read] = rows(line)
    assert read == [list_format.guarded(text) for text in texts]
    assert not any(cell.lstrip()[:1] in {*"=+-@"} - {""} for cell in read)


def test_a_package_holds_the_lines_and_what_is_made_of_their_digest() -> None:
    taken: list[str] = []

    def manifest(digest: str) -> Iterator[tuple[str, bytes]]:
        taken.append(digest)
        yield "manifest.json", json.dumps({"sha256": digest}).encode()

    pieces = [*list_format.pack(Form.CSV, [b"a\r\n", b"1\r\n" * 100_000], manifest)]

    with zipfile.ZipFile(io.BytesIO(b"".join(pieces))) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["lijst.csv", "manifest.json"]
        content = archive.read("lijst.csv")
        assert json.loads(archive.read("manifest.json")) == {"sha256": taken[0]}
    assert taken == [f"sha256:{hashlib.sha256(content).hexdigest()}"]
    assert content == b"a\r\n" + b"1\r\n" * 100_000


def test_two_packages_of_the_same_lines_are_alike() -> None:
    first, second = (b"".join(list_format.pack(Form.JSONL, [b"{}\n"], lambda _: ())) for _ in "ab")
    assert first == second


def test_what_the_log_signs_of_a_manifest_is_no_checkpoint() -> None:
    text = list_format.manifest_text("gate.example/log", b"{}")
    assert text.splitlines() == [
        "gate.example/log/lijst",
        "sha256:" + hashlib.sha256(b"{}").hexdigest(),
    ]
