"""The lists beside the documents: what they say, and which municipality is within which."""

from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest

from app import documents
from app.notation import DocumentInvalid, Fault
from app.register_lists import ProcessorList, RecipientList, SuccessionList

REAL = Path(__file__).parents[2] / "protocols" / "gemeenten.yaml"
DAY = timedelta(days=1)
TODAY = date(2026, 6, 1)
A, B, C, D = "10001", "10002", "10003", "10004"
Line = tuple[str, str, str, str]  # old, new, since, kind
MERGED, SPLIT = "samenvoeging", "splitsing"


def data(*lines: Line) -> dict[str, Any]:
    """A succession list as it is written."""
    names = ("oud", "nieuw", "vanaf", "soort")
    return {
        "lijst": "opvolgingen",
        "gewijzigdOp": "2026-01-01",
        "opvolgingen": [dict(zip(names, line, strict=True)) for line in lines],
    }


def successions(*lines: Line) -> SuccessionList:
    """A succession list as it is read."""
    parsed = documents.from_data(data(*lines))
    assert isinstance(parsed, SuccessionList)
    return parsed


def faults(content: dict[str, Any]) -> tuple[Fault, ...]:
    """What is wrong with a list."""
    with pytest.raises(DocumentInvalid) as caught:
        documents.from_data(content)
    return caught.value.faults


def real() -> SuccessionList:
    """The list that the service is delivered with."""
    parsed = documents.parse(REAL.read_text(encoding="utf-8"))
    assert isinstance(parsed, SuccessionList)
    return parsed


# Which municipality is within which


@pytest.mark.parametrize(
    ("today", "absorbed"),
    [
        (date(2024, 12, 31), set()),
        (date(2025, 1, 1), {A}),
        (date(2025, 1, 2), {A}),
    ],
)
def test_a_successor_has_what_it_absorbed_from_the_day_on(today: date, absorbed: set[str]) -> None:
    assert successions((A, B, "2025-01-01", MERGED)).absorbed(B, today) == absorbed


@pytest.mark.parametrize(
    ("lines", "nis", "absorbed"),
    [
        ([], B, set()),
        # what was absorbed does not reach its successor, nor does a stranger
        ([(A, B, "2025-01-01", MERGED)], A, set()),
        ([(A, B, "2025-01-01", MERGED)], C, set()),
        ([(A, C, "2025-01-01", MERGED), (B, C, "2025-01-01", MERGED)], C, {A, B}),
        # through another one, in whatever order they are written
        ([(A, B, "2019-01-01", MERGED), (B, C, "2025-01-01", MERGED)], C, {A, B}),
        ([(B, C, "2025-01-01", MERGED), (A, B, "2019-01-01", MERGED)], C, {A, B}),
        ([(A, B, "2019-01-01", MERGED), (B, C, "2025-01-01", MERGED)], B, {A}),
        (
            [
                (A, B, "2019-01-01", MERGED),
                (B, C, "2020-01-01", MERGED),
                (C, D, "2025-01-01", MERGED),
            ],
            D,
            {A, B, C},
        ),
        # a link that is still to come leads nowhere, at either end
        ([(A, B, "2026-06-02", MERGED), (B, C, "2025-01-01", MERGED)], C, {B}),
        ([(A, B, "2019-01-01", MERGED), (B, C, "2026-06-02", MERGED)], C, set()),
        # a split reaches nobody, neither alone nor in a chain
        ([(A, B, "2025-01-01", SPLIT), (A, C, "2025-01-01", SPLIT)], B, set()),
        ([(A, B, "2019-01-01", SPLIT), (B, C, "2025-01-01", MERGED)], C, {B}),
        ([(A, B, "2019-01-01", MERGED), (B, C, "2025-01-01", SPLIT)], C, set()),
        # a cycle is nonsense, but it ends
        ([(A, B, "2019-01-01", MERGED), (B, A, "2025-01-01", MERGED)], A, {B}),
        (
            [
                (A, B, "2019-01-01", MERGED),
                (B, C, "2020-01-01", MERGED),
                (C, A, "2025-01-01", MERGED),
            ],
            A,
            {B, C},
        ),
    ],
)
def test_a_successor_has_everything_that_is_whole_within_it(
    lines: list[Line], nis: str, absorbed: set[str]
) -> None:
    assert successions(*lines).absorbed(nis, TODAY) == absorbed


TWO_PLACES = "goes on in two places: that is a splitsing"


@pytest.mark.parametrize(
    ("lines", "places"),
    [
        ([(A, B, "2025-01-01", MERGED), (A, C, "2025-01-01", MERGED)], [0, 1]),
        ([(A, B, "2019-01-01", MERGED), (A, B, "2025-01-01", MERGED)], [0, 1]),
        ([(A, B, "2025-01-01", MERGED), (A, C, "2025-01-01", SPLIT)], [0]),
        ([(A, B, "2025-01-01", SPLIT), (A, C, "2025-01-01", MERGED)], [1]),
    ],
)
def test_what_was_merged_cannot_go_on_in_two_places(lines: list[Line], places: list[int]) -> None:
    found = faults(data(*lines))

    assert found == tuple(Fault(f"opvolgingen[{at}].oud", TWO_PLACES) for at in places)


@pytest.mark.parametrize(
    ("line", "place", "rule"),
    [
        ((A, A, "2025-01-01", MERGED), "nieuw", "is the same code as oud"),
        ((A, "1000", "2025-01-01", MERGED), "nieuw", "String should match"),
        (("1000a", B, "2025-01-01", MERGED), "oud", "String should match"),
        ((A, B, "2025-02-29", MERGED), "vanaf", "must be a date that exists"),
        ((A, B, "2025-01-01", "overname"), "soort", "Input should be"),
    ],
)
def test_a_line_of_the_succession_list_names_its_fault(line: Line, place: str, rule: str) -> None:
    [fault] = faults(data(line))

    assert fault.place == f"opvolgingen[0].{place}"
    assert fault.rule.startswith(rule)


# The list that the service is delivered with


@pytest.mark.parametrize(
    ("nis", "before", "since", "absorbed"),
    [
        ("12041", set(), date(2019, 1, 1), {"12030", "12034"}),
        ("46030", set(), date(2025, 1, 1), {"46003", "46013", "11056"}),
        ("46029", set(), date(2025, 1, 1), {"46014", "44045"}),
        ("71072", set(), date(2025, 1, 1), {"71022", "73040"}),
        # Antwerp keeps its code.
        ("11002", set(), date(2025, 1, 1), {"11007"}),
    ],
)
def test_the_real_list_knows_the_mergers_from_their_day_on(
    nis: str, before: set[str], since: date, absorbed: set[str]
) -> None:
    known = real()

    assert known.absorbed(nis, since - DAY) == before
    assert known.absorbed(nis, since) == absorbed


@pytest.mark.parametrize("nis", ["71016", "12025", "42025", "99001", "11007"])
def test_a_municipality_that_absorbed_nobody_has_its_own_persons_alone(nis: str) -> None:
    assert real().absorbed(nis, TODAY) == set()


def test_every_line_of_the_real_list_is_a_merger_on_a_first_of_january() -> None:
    days = {entry.since for entry in real().entries}
    kinds = {entry.kind for entry in real().entries}

    assert (days, kinds) == ({date(2019, 1, 1), date(2025, 1, 1)}, {MERGED})


# Processors and recipients


PROCESSORS: dict[str, Any] = {
    "lijst": "verwerkers",
    "protocol": "proef-2026",
    "organisatie": "stad",
    "gewijzigdOp": "2026-01-01",
    "verwerkers": [
        {"naam": "C", "kbo": "0887010362", "overeenkomstOp": "2025-05-01", "taak": "Hosting."},
        {"naam": "D", "overeenkomstOp": None},
    ],
}
RECIPIENTS: dict[str, Any] = {
    "lijst": "ontvangers",
    "protocol": "proef-2026",
    "organisatie": "stad",
    "gewijzigdOp": "2026-01-01",
    "ontvangers": [{"naam": "E", "organisatie": "nis:71016", "verantwoording": "Begeleiding."}],
}


def test_a_list_of_processors_says_since_when_each_has_an_agreement() -> None:
    parsed = documents.from_data(PROCESSORS)

    assert isinstance(parsed, ProcessorList)
    assert parsed.changed == date(2026, 1, 1)
    assert [entry.agreed for entry in parsed.entries] == [date(2025, 5, 1), None]


def test_a_list_of_recipients_says_why_each_gets_the_data() -> None:
    parsed = documents.from_data(RECIPIENTS)

    assert isinstance(parsed, RecipientList)
    assert [(entry.organisation, entry.reason) for entry in parsed.entries] == [
        ("nis:71016", "Begeleiding.")
    ]


@pytest.mark.parametrize(
    ("content", "entry", "place", "rule"),
    [
        (PROCESSORS, {"naam": "C"}, "overeenkomstOp", "Field required"),
        (PROCESSORS, {"overeenkomstOp": None}, "naam", "Field required"),
        (
            PROCESSORS,
            {"naam": "C", "kbo": "0887010361", "overeenkomstOp": None},
            "kbo",
            "is no enterprise number",
        ),
        (RECIPIENTS, {"naam": "E"}, "verantwoording", "Field required"),
        (RECIPIENTS, {"verantwoording": "x"}, "naam", "Field required"),
    ],
)
def test_a_processor_or_recipient_names_its_fault(
    content: dict[str, Any], entry: dict[str, Any], place: str, rule: str
) -> None:
    kind = content["lijst"]

    [fault] = faults({**content, kind: [entry]})

    assert fault.place == f"{kind}[0].{place}"
    assert fault.rule.startswith(rule)


@pytest.mark.parametrize(
    "content", [data(), PROCESSORS, RECIPIENTS], ids=lambda content: content["lijst"]
)
def test_every_list_says_when_it_last_changed(content: dict[str, Any]) -> None:
    undated = {name: value for name, value in content.items() if name != "gewijzigdOp"}

    assert faults(undated) == (Fault("gewijzigdOp", "Field required"),)
