"""The mixed traffic of `make soak`, a few seconds of it; and what it looks for, it notices."""

import random
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from app.demo_persons import demo_persons
from app.deps import read_clock
from app.settings import Mode
from app.tokens import DemoIssuer
from bench import soak
from bench.soak import IN_FORCE, MOVING, SHUT, Faults, Memory, Plan, Standing, Told, Traffic
from bench.soak_questions import (
    CITY_LINE,
    CITY_PROTOCOL,
    PLACES,
    PROTOCOLS,
    SUSPENDED,
    VARIANTS,
    WEIGHTS,
    Answered,
    Asked,
    Ending,
    Questions,
)

ALLOWED = Ending(200, "allowed")
REFUSED = Ending(403, "denied", "suspended")
FIRST, SECOND = PLACES, 2 * PLACES


def test_a_short_soak_finds_nothing(database_url: str, tmp_path: Path) -> None:
    workers = 1 if database_url.startswith("sqlite") else 2
    plan = Plan(2.5, connections=8, workers=workers, seed=5, persons=200)

    soaked = soak.soak("here", database_url, tmp_path, plan)

    traffic, recorded = soaked.traffic, soaked.recorded
    assert traffic.faults.lines == []
    assert traffic.suspensions >= 1
    assert traffic.endings["403 suspended"] > 0
    assert traffic.endings["200 "] > 0
    # The protocols were loaded and suspended and the key of the log adopted: these are records too.
    assert recorded.records > len(traffic.told) > 0
    assert recorded.seen == traffic.told.keys()
    assert sum(traffic.kinds.values()) == len(traffic.times)
    assert soaked.checked.endswith(": 0 faults")
    assert len(soaked.memory) == workers
    assert "here" in soak.report([soaked], seed=5)


@pytest.fixture(scope="module")
def questions(tmp_path_factory: pytest.TempPathFactory) -> Questions:
    """What can be asked about a hundred persons, of a service that is not there."""
    folder = tmp_path_factory.mktemp("issuer")
    issuer = DemoIssuer.load_or_create(folder / "issuer.json", Mode.DEMO)
    persons, hashes = list(demo_persons(120)), dict.fromkeys(PROTOCOLS, "sha256:00")
    return Questions.of(7, persons[:100], persons[100:], hashes, issuer, read_clock())


def dossier(questions: Questions) -> tuple[Asked, dict[str, Any]]:
    """A question for a dossier, and the answer that is due."""
    digits, due = questions.cases[CITY_LINE]["dossier"][0]
    asked = questions.person("dossier", CITY_LINE, digits, due, FIRST)
    return asked, {"id": "0", "opgevraagdOp": "now", "gegevensVan": "now", **asked.due.says}


def judged(questions: Questions, asked: Asked, stood: str, status: int, body: Any) -> Traffic:
    """What the traffic makes of one answer."""
    traffic = Traffic(questions, port=0)
    traffic.take(asked, FIRST, stood, status, body)
    return traffic


def test_the_answer_that_is_due_is_right(questions: Questions) -> None:
    asked, body = dossier(questions)

    traffic = judged(questions, asked, IN_FORCE, 200, body)

    assert traffic.faults.lines == []
    assert traffic.told == {FIRST: Told("queryDossier", ALLOWED, "0", named=True)}


@pytest.mark.parametrize(
    ("change", "odd"),
    [
        ({"dossier": {"personalia": {"insz": "00000000000"}}}, "dossier"),
        ({"referte": "of another request"}, "referte"),
        ({"bijkomend": True}, "bijkomend"),
        ({"meldingen": ["x"]}, "meldingen"),
    ],
)
def test_an_answer_about_another_or_with_more_is_wrong(
    questions: Questions, change: Mapping[str, Any], odd: str
) -> None:
    asked, body = dossier(questions)

    faults = judged(questions, asked, IN_FORCE, 200, {**body, **change}).faults

    assert faults.lines == [f"wrong answer: dossier: 200 with another {odd} (in force)"]


def test_one_field_too_many_deep_in_a_dossier_is_wrong(questions: Questions) -> None:
    asked, body = dossier(questions)
    personalia = {**body["dossier"]["personalia"], "geboortedatum": "1980-01-01"}
    body["dossier"] = {**body["dossier"], "personalia": personalia}

    faults = judged(questions, asked, IN_FORCE, 200, body).faults

    assert faults.counts == {"wrong answer": 1}


def test_an_answer_under_a_suspended_protocol_is_noticed(questions: Questions) -> None:
    asked, body = dossier(questions)

    counts = {
        stood: judged(questions, asked, stood, 200, body).faults.counts
        for stood in (IN_FORCE, MOVING, SHUT)
    }

    assert counts == {IN_FORCE: {}, MOVING: {}, SHUT: {"answer while suspended": 1}}


def test_a_suspension_is_certain_between_its_marks_alone() -> None:
    standing = Standing({"a": [(2, MOVING), (3, SHUT), (6, MOVING), (7, IN_FORCE)]})
    spans = [(0, 1), (0, 2), (2.1, 2.2), (2.1, 4), (4, 5), (5, 6), (3, 8), (7, 9)]

    stood = [standing.during("a", *span) for span in spans]

    assert stood == [IN_FORCE, MOVING, MOVING, MOVING, SHUT, MOVING, MOVING, IN_FORCE]
    assert standing.during(None, 4, 5) == IN_FORCE


def record(questions: Questions, number: int, **other: Any) -> dict[str, Any]:
    """The record of an answer with a dossier."""
    return {
        "type": "access",
        "operation": "queryDossier",
        "eventId": f"event-{number}",
        "correlationId": questions.guid(number),
        "reference": questions.guid(number),
        "outcome": "allowed",
        "status": 200,
        "protocol": CITY_PROTOCOL,
        **other,
    }


def admin(operation: str) -> dict[str, Any]:
    """The record of a command."""
    return {"type": "admin", "operation": operation, "protocol": CITY_PROTOCOL}


def held(questions: Questions, *records: dict[str, Any], strangers: int = 0) -> Faults:
    """What is wrong when these are the records of two answers with a dossier."""
    faults = Faults()
    told = {
        number: Told("queryDossier", ALLOWED, f"event-{number}", named=True)
        for number in (FIRST, SECOND)
    }
    soak.reconcile(told, strangers, records, questions, faults)
    return faults


def test_each_answer_with_one_record_is_right(questions: Questions) -> None:
    summary = {"type": "access", "operation": "summary", "counts": {"requests": 3}}
    records = [record(questions, FIRST), summary, record(questions, SECOND)]

    assert held(questions, *records, strangers=3).lines == []
    assert held(questions, *records, strangers=4).counts == {"strangers": 1}


@pytest.mark.parametrize(
    ("numbers", "kind"),
    [
        ([FIRST], "not recorded"),
        ([FIRST, SECOND, SECOND], "recorded twice"),
        ([FIRST, SECOND, 3 * PLACES], "record of no answer"),
    ],
)
def test_a_missing_and_a_doubled_record_are_noticed(
    questions: Questions, numbers: list[int], kind: str
) -> None:
    records = [record(questions, number) for number in numbers]

    assert held(questions, *records).counts == {kind: 1}


@pytest.mark.parametrize(
    "other",
    [
        {"eventId": "event-9"},
        {"operation": "queryAdvies"},
        {"reference": "another"},
        {"status": 403},
        {"outcome": "denied"},
        {"reasonCode": "field"},
    ],
)
def test_a_record_that_says_another_end_is_noticed(
    questions: Questions, other: dict[str, Any]
) -> None:
    records = [record(questions, FIRST), record(questions, SECOND, **other)]

    assert held(questions, *records).counts == {"record differs": 1}


def test_the_order_of_the_log_shows_an_answer_under_a_suspended_protocol(
    questions: Questions,
) -> None:
    first, second = record(questions, FIRST), record(questions, SECOND)
    suspend, resume = admin("protocolSuspend"), admin("protocolResume")

    assert held(questions, first, suspend, resume, second).lines == []
    assert held(questions, first, suspend, second, resume).counts == {"answer while suspended": 1}


def test_every_kind_is_drawn_and_its_own_due_is_no_fault(questions: Questions) -> None:
    chance = random.Random(1)  # noqa: S311 - no secret
    before = Answered(FIRST, "event", ALLOWED)

    drawn = [questions.draw(chance, FIRST, before) for _ in range(3000)]

    assert {asked.kind for asked in drawn} == WEIGHTS.keys()
    assert all(asked.closed for asked in drawn if asked.protocol)
    assert {VARIANTS[kind].due.ending.reason for kind in VARIANTS} >= {"field", "scope", "sender"}
    assert SUSPENDED.ending == REFUSED


def test_memory_that_grows_has_a_slope() -> None:
    grown = Memory.of([100.0 + at for at in range(100)], interval=1.0)
    flat = Memory.of([100.0] * 100, interval=1.0)

    assert (grown.start, grown.end, grown.peak) == (120, 199, 199)
    assert (round(grown.slope), round(grown.growth)) == (600, 45)
    assert flat == replace(flat, start=100, end=100, peak=100, slope=0, growth=0)
