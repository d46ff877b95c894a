"""Who stands on a list, and what it says of each: read part by part, as of one moment."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from typing import Any

import orjson

from app import (
    access_log,
    derived,
    dossiers,
    fields,
    judging,
    list_format,
    obligation,
    population,
)
from app.canonical import digest
from app.driver import Channel
from app.insz import Insz
from app.judging import Case
from app.list_format import Form
from app.list_task import Task
from app.listings import Person
from app.moments import to_millisecond
from app.obligation import Outcome, Profile
from app.policy import Clause, Granted
from app.population import Admitted, Wanted
from app.record import Agreement, RecordType, Trace
from app.register import Register
from app.visit import Visit

PART = 500  # persons that are read together
KEY_AGAIN = timedelta(minutes=10)  # that who got a key may ask it again: an answer can be lost
INSZ = "personalia.insz"
EXPLAINED, RULES = "explanation", "ruleSet"  # of a person who stands on a list by the rules


@dataclass(frozen=True)
class Job:
    """A list, and the grant under which it is made."""

    task: Task
    granted: Granted
    register: Register
    visit: Visit  # of who asked
    recipient: str  # to whom it is to be sealed now
    today: date

    @property
    def basis(self) -> str:
        """What decides about the list: with another one the file is another file."""
        clause = self.clause
        return digest(
            {
                "agreement": [clause.protocol, clause.version, clause.hash, clause.on_behalf_of],
                "lists": [list(each) for each in clause.lists],
                "fields": self.leaves,
                "persons": [clause.population.kind.value, *sorted(clause.population.places)],
                "rules": clause.listing.profile if clause.listing else None,
                "recipient": self.recipient,
                "today": self.today.isoformat(),
            }
        )

    @property
    def clause(self) -> Clause:
        """Of the grant."""
        return self.granted.clause

    @property
    def leaves(self) -> list[str]:
        """The columns, in their order."""
        return sorted(self.granted.fields)

    @property
    def on(self) -> date | None:
        """The test date of who stands on it; None when it is about everybody."""
        return test_date(self.clause, self.task.year)

    def trace(self) -> Trace:
        """What every record of this list says."""
        return Trace(
            type=RecordType.DELIVERY,
            agreement=Agreement.of(self.clause),
            purpose=self.clause.purpose,
            requested=self.granted.fields,
            delivered=self.granted.fields,
            as_of=self.on,
            year=self.task.year,
        )


def test_date(clause: Clause | None, year: int) -> date | None:
    """On which day a list of a premium year is judged (avsb-2021, recital D)."""
    by_rules = clause and clause.listing and clause.listing.profile
    return obligation.premium_test_date(year) if by_rules else None


class Rows:
    """The persons of a list as of `now`, in the order of their numbers.

    `channel` sees all of it as at one moment.
    """

    def __init__(self, job: Job, now: datetime, channel: Channel, maximum_age: timedelta) -> None:
        self._job, self._now, self._channel = job, now, channel
        self._today, self._form = job.today, Form(job.task.form)
        self._known_at = access_log.known_at(channel)
        self._maximum_age = maximum_age
        self._several: set[str] = set()  # who have more than one number, by the one in use
        self.count = 0
        self.left_out = 0  # of whom the rules give no advice

    def parts(self) -> Iterator[list[Person]]:
        """The persons, some hundreds together."""
        after, persons = "", self._job.clause.population
        while numbers := population.candidates(self._channel, persons, self._today, after, PART):
            after = numbers[-1]
            yield self._told(self._chosen(numbers))

    def _chosen(self, numbers: Sequence[str]) -> list[tuple[Admitted, Mapping[str, Any] | None]]:
        """Who of these stand on the list, each once; with why, where the rules say so."""
        persons = self._job.clause.population
        wanted = [Wanted(Insz(number), persons, self._today, self._now) for number in numbers]
        admitted = [
            one
            for one in population.admit_all(self._channel, wanted)
            if isinstance(one, Admitted) and not self._seen(one)
        ]
        return self._not_met(admitted) if self._job.on else [(one, None) for one in admitted]

    def _seen(self, one: Admitted) -> bool:
        """Whether somebody with several numbers was met under another one of them."""
        if len(one.numbers) == 1:
            return False
        seen = one.numbers[0] in self._several
        self._several.add(one.numbers[0])
        return seen

    def _not_met(
        self, admitted: Sequence[Admitted]
    ) -> list[tuple[Admitted, Mapping[str, Any] | None]]:
        """Those who do not meet the obligation; who gets no advice is counted and left out."""
        job, found = self._job, list[tuple[Admitted, Mapping[str, Any] | None]]()
        terms = job.clause.listing
        assert job.on and terms and terms.profile  # noqa: S101, PT018 - it has a test date
        case = Case(
            job.on,
            Profile(terms.profile),
            asked_at=to_millisecond(max(self._now, self._known_at)),
            maximum_age=self._maximum_age,
        )
        blocks = obligation.blocks_needed(case.profile)
        persons = [one.numbers for one in admitted]
        known = dossiers.known_each(self._channel, persons, blocks, self._known_at)
        for one, each in zip(admitted, known, strict=True):
            judged = judging.judge(each, one.numbers[0], case)
            if judged.advice.outcome is None:
                self.left_out += 1
            if judged.advice.outcome is Outcome.NOK:
                found.append((one, {EXPLAINED: judged.explanation, RULES: case.rule_set}))
        return found

    def _told(self, chosen: Sequence[tuple[Admitted, Mapping[str, Any] | None]]) -> list[Person]:
        """What the list says of each; who has no dossier does not stand on it."""
        granted, found = self._job.granted.fields, list[Person]()
        persons = [one.numbers for one, _ in chosen]
        read = dossiers.read_each(self._channel, persons, fields.blocks(granted - {INSZ}))
        contacts: Mapping[str, Any] = {}
        if fields.needs_contact(granted):
            contacts = population.contacts_of(self._channel, [numbers[0] for numbers in persons])
        for (one, detail), dossier in zip(chosen, read, strict=True):
            if dossier is None:
                continue
            number = one.numbers[0]
            known = derived.complete(granted, dossier.blocks, contacts.get(number), self._today)
            # The dossier may stand under an older number: the list holds the one in use.
            known["personalia"] = {**known.get("personalia", {}), "insz": number}
            document, _ = fields.project(known, granted)
            line = list_format.line(self._form, self._job.leaves, document, orjson.dumps(document))
            found.append(Person(self.count, number, one.fact, line, detail))
            self.count += 1
        return found
