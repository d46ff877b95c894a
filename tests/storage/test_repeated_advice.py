"""The promise of a date: the same question, as known at the moment of its answer, for ever.

A drawn history of imports and advices, over a clock that stands still and jumps back; at its end
every advice is given once more.
"""

import json
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field, replace
from datetime import date, datetime, timedelta
from random import Random
from typing import Any

import pytest
from evidence import NOW, entry, write
from service import Clock, insz_of

from app import access_log, dossiers, intake, judging, population
from app.database import Database
from app.dossiers import NO_DOSSIER
from app.errors import ClockBehind
from app.insz import Insz
from app.judging import Case, Judged
from app.moments import rfc3339, to_millisecond
from app.obligation import RULE_SETS, Profile
from app.population import ALWAYS

STEPS = 70
PERSONS = [insz_of(f"90020100{number}") for number in range(1, 6)]
DAYS = ["2021-03-01", "2022-01-01", "2022-06-15", "2024-02-29", "2026-05-01"]
HOURS = [0, 0, 0, 1, 30, 24 * 20, 24 * 34, 24 * 35, 24 * 36]
AGES = [timedelta(days=1), timedelta(days=35)]

# How the clock moves between two acts: mostly it stands, now and then it is set back.
MOVES = [
    *[timedelta(0)] * 6,
    timedelta(microseconds=300),
    timedelta(milliseconds=1),
    timedelta(seconds=1),
    timedelta(hours=7),
    timedelta(days=11),
    -timedelta(milliseconds=1),
    -timedelta(seconds=20),
]


def advise(store: Database, insz: Insz, known_at: datetime | None, case: Case) -> Judged:
    """The advice, of the numbers that the person had then; `known_at` None is now."""
    with store.reading() as session:
        return judging.judge_person(
            session, population.numbers_of(session, insz, known_at or ALWAYS), case
        )


@dataclass
class History:
    """What happens to a few persons, and every advice that is given on them."""

    store: Database
    drawn: Random
    clock: Clock = field(default_factory=lambda: Clock(NOW))
    given: list[tuple[Insz, Case, Judged]] = field(default_factory=list)

    def run(self) -> None:
        """Import and advise by turns."""
        acts: list[Callable[[], None]] = [
            *[self.advise] * 5,
            *[self.import_answers] * 3,
            self.import_register,
            self.deliver,
        ]
        for _ in range(STEPS):
            with suppress(ClockBehind):  # set back too far: nothing is learned
                self.drawn.choice(acts)()
            self.clock.now += self.drawn.choice(MOVES)

    def advise(self) -> None:
        """As the service does: first what is known, then the facts, then the record."""
        insz, now = self.drawn.choice(PERSONS), self.clock()
        with self.store.reading() as session:
            known_at = access_log.known_at(session)
        case = Case(
            date.fromisoformat(self.drawn.choice(DAYS)),
            self.drawn.choice([*Profile]),
            asked_at=to_millisecond(max(now, known_at)),
            maximum_age=self.drawn.choice(AGES),
            rules=self.drawn.choice([*RULE_SETS.values()]),
        )
        judged = advise(self.store, insz, None, case)
        [result] = write(self.store, [entry(recordedAt=rfc3339(now))])
        if isinstance(result, int):  # else the clock was set back too far, and nothing left
            self.given.append((insz, case, judged))

    def import_answers(self) -> None:
        """Some answers of the source in one transaction, new and old ones through each other."""
        with self.store.writing() as session:
            now = access_log.learn(session, self.clock())
            for _ in range(self.drawn.randint(1, 3)):
                insz = self.drawn.choice(PERSONS)
                fetched_at = self.clock() - timedelta(hours=self.drawn.choice(HOURS))
                if self.drawn.random() < 0.3:
                    code = self.drawn.choice(["99996", NO_DOSSIER, NO_DOSSIER])
                    dossiers.store_fault(session, insz, code, fetched_at, now)
                else:
                    dossiers.store(session, insz, self.dossier(), fetched_at, now)

    def import_register(self) -> None:
        """A line that gives a person other older numbers than before."""
        insz = self.drawn.choice(PERSONS)
        others = [each.digits for each in PERSONS if each != insz]
        previous = self.drawn.sample(others, self.drawn.randint(0, 2))
        line = json.dumps({"insz": insz.digits, "vorigeInsz": previous})
        list(intake.import_lines(self.store, [line], self.clock, production=False))

    def deliver(self) -> None:
        """A complete delivery."""
        with self.store.writing() as session:
            fetched_at = self.clock() - timedelta(hours=self.drawn.choice(HOURS))
            dossiers.declare_complete(session, fetched_at, access_log.learn(session, self.clock()))

    def dossier(self) -> dict[str, Any]:
        """A dossier of few possible contents, so that the same one comes back."""
        drawn, day = self.drawn, self.drawn.choice(DAYS)
        type_ = drawn.choice(["PLICHT", "PLICHT", "RECHT"])
        blocks: dict[str, Any] = {
            "personalia": {"geboortedatum": "1985-05-25"},
            "doelgroep": {"code": "JA", "type": type_, "periode": {"begin": drawn.choice(DAYS)}},
        }
        if drawn.random() < 0.5:
            blocks["aanmelding"] = {"type": "EA", "datumAanmelding": day}
        if drawn.random() < 0.3:
            blocks["contracten"] = [{"datumRegistratie": day}]
        if drawn.random() < 0.2:
            blocks["behaaldeAttesten"] = [{"type": "AI023", "datumOndertekening": day}]
        return blocks


@pytest.mark.parametrize("seed", range(6))
def test_every_advice_can_be_given_again_as_known_at_its_moment(store: Database, seed: int) -> None:
    history = History(store, Random(seed))  # noqa: S311 - nothing secret is drawn
    history.run()

    assert len(history.given) > STEPS / 4
    for insz, case, judged in history.given:
        again = advise(store, insz, case.asked_at, case)
        assert again == judged, f"on {case.on} as known at {case.asked_at}"


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_the_histories_are_worth_repeating(store: Database) -> None:
    """They hold advices of all kinds, and most would be other ones by what is known at the end."""
    codes, changed, moments, number = set(), 0, set(), 0
    history = History(store, Random(100))  # noqa: S311 - nothing secret is drawn
    for _ in range(3):
        history.run()

    with store.reading() as session:
        last = access_log.known_at(session)
    for insz, case, judged in history.given:
        codes.add(judged.advice.code)
        moments.add(case.asked_at)
        number += 1
        changed += advise(store, insz, last, replace(case, asked_at=last)).advice != judged.advice

    assert {code[0] for code in codes} == {"O", "N", "T"}
    assert {"O01", "T01", "O10"} <= codes
    assert changed > number / 3
    assert len(moments) < number  # some at one moment, with an import in between
