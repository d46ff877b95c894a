"""`docs/obligations.md`: its tests exist, its keys too, and no obligation is left out."""

import ast
import re
from collections.abc import Iterator
from functools import cache
from typing import Any

import pytest
from test_repository import ROOT
from texts import FIVE, read

from app import documents

PAGE = (ROOT / "docs" / "obligations.md").read_text(encoding="utf-8")
DESIGN = ROOT.parent / "shared" / "design" / "obligations.md"
NAMED = sorted(set(re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", PAGE)))


def table(title: str) -> list[list[str]]:
    """The rows under one heading, each as its cells."""
    [section] = re.findall(rf"^## {title}\n(.*?)(?=^## |\Z)", PAGE, flags=re.MULTILINE | re.DOTALL)
    return [
        [cell.strip() for cell in line.strip("|").split("|")]
        for line in section.splitlines()
        if line.startswith("| O-")
    ]


def ids(title: str) -> list[str]:
    return [row[0] for row in table(title)]


def of_the_design() -> dict[str, tuple[str, str]]:
    """Every obligation of the texts: its kind, and where it belongs."""
    if not DESIGN.exists():
        pytest.skip(f"the obligations of the texts are not at {DESIGN.relative_to(ROOT.parent)}")
    rows = re.findall(r"^\| (O-\d{3}) \|(.+)\|$", DESIGN.read_text("utf-8"), flags=re.MULTILINE)
    cells = {id_: [cell.strip() for cell in row.split("|")] for id_, row in rows}
    return {id_: (row[2], row[3]) for id_, row in cells.items()}


@cache
def defined_in(path: str) -> set[str]:
    """The names of the tests that a file defines."""
    module = ast.parse((ROOT / path).read_text(encoding="utf-8"))
    functions = (ast.FunctionDef, ast.AsyncFunctionDef)
    return {node.name for node in module.body if isinstance(node, functions)}


def test_every_named_test_exists() -> None:
    assert NAMED
    assert [f"{path}::{name}" for path, name in NAMED if name not in defined_in(path)] == []


def test_every_obligation_stands_there_once_and_in_order() -> None:
    every = [id_ for title in ("Enforced", "Deadlines", "Recorded") for id_ in ids(title)]

    assert len(every) == len(set(every))
    for title in ("Enforced", "Deadlines", "Recorded"):
        assert ids(title) == sorted(ids(title))


def test_every_row_names_a_test_or_says_why_not() -> None:
    rows = {row[0]: row[3] for title in ("Enforced", "Deadlines") for row in table(title)}

    referring = {id_: re.fullmatch(r"as (O-\d{3})", shown) for id_, shown in rows.items()}

    assert all(rows.values())
    assert [id_ for id_, other in referring.items() if other and other[1] not in rows] == []


def test_no_enforced_obligation_is_left_out_and_none_is_invented() -> None:
    enforced = {id_ for id_, (kind, _) in of_the_design().items() if kind == "enforce"}

    assert set(ids("Enforced")) == enforced


def test_no_deadline_is_left_out() -> None:
    deadlines = {id_ for id_, (kind, _) in of_the_design().items() if kind == "compute deadline"}

    assert set(ids("Deadlines")) == deadlines


def test_nothing_that_the_register_records_is_left_out() -> None:
    recorded = {
        id_
        for id_, (kind, where) in of_the_design().items()
        if kind == "record" and {"register", "policy"} & set(re.split(r",\s*", where))
    }

    assert set(ids("Recorded")) == recorded


def named_documents(cell: str) -> list[str]:
    """The ids of the documents that a cell means: `five`, or the begins of their names."""
    if cell == "five":
        return list(FIVE)
    return [name for short in cell.split(", ") for name in FIVE if name.split("-")[0] == short]


def values(data: Any, key: list[str]) -> Iterator[Any]:
    """Every value that a key reaches, through lists too."""
    if not key:
        yield data
    elif isinstance(data, list):
        for item in data:
            yield from values(item, key)
    elif article := re.fullmatch(r"bepalingen\[(.+)\]", key[0]):
        yield from (one for one in data["bepalingen"] if one["artikel"] == article[1])
    elif key[0] in data:
        yield from values(data[key[0]], key[1:])


def stands_in(name: str, written: str) -> bool:
    """Whether a document has the key, and the words where `key: words` was written."""
    key, _, words = written.partition(": ")
    # The dot of an abbreviated article has a space behind it.
    found = values(documents.as_data(read(name)), re.split(r"\.(?! )", key))
    return any(value and words in str(value) for value in found)


@pytest.mark.parametrize("row", table("Recorded"), ids=lambda row: row[0])
def test_every_recorded_obligation_stands_in_its_documents(row: list[str]) -> None:
    _, _, names, cell = row
    # What follows a semicolon is about lists beside the documents.
    keys = re.findall(r"`([^`]+)`", cell.partition(";")[0])

    held = {(name, key): stands_in(name, key) for name in named_documents(names) for key in keys}

    assert held
    assert [place for place, there in held.items() if not there] == []
