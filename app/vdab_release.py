"""The use case `vdab release`: the answer joined to the profiles, without numbers, for four bodies.

And what ends a round: after it nobody here can tell any more whose row was whose.
"""

import csv
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, datetime
from functools import partial
from io import StringIO
from typing import NamedTuple

from sqlmodel import Session

from app import (
    dossiers,
    driver,
    population,
    recipients,
    rounds,
    sealing,
    smoothing,
    staging,
)
from app.agreement import Role
from app.anonymity import HIDDEN, Smoothed
from app.clauses import kept_at_most
from app.insz import Insz, contains_insz
from app.moments import brussels_date
from app.monitoring import BLOCKS, COLUMNS, PROFILE, profile_of
from app.policy import Clause, Granted, Population, PopulationKind
from app.population import Admitted, Wanted
from app.record import RecordType
from app.returned_rows import DELIMITER, Row, guarded
from app.rounds import Round, RoundFile, State
from app.secret_files import streamed
from app.vdab import EXCHANGE, Advance, ExchangeRefused, Post, act, record, step, the_round, trace
from app.vdab_ending import forget_unrecorded, remove_overdue, staged

ID = "rij"
PIECE = 64 * 1024  # characters that are sealed together


@dataclass(frozen=True)
class Plan:
    """What is released, to whom, and until when they keep it."""

    round: Round
    version: str  # the hash of the document that says so
    columns: tuple[str, ...]
    keys: Mapping[str, str]  # by organisation
    keep_until: date
    on: date


@dataclass(frozen=True)
class Released:
    """What was released."""

    plan: Plan
    smoothed: Smoothed
    cancelled: int  # whose number was cancelled since it was sent
    numbers: int  # values that held a national number, and are hidden
    twice: int  # rows of somebody who had one already, under another number
    left: str | None = None  # why something that is over could not be taken away


def release(post: Post, k: int, advance: Callable[[str, int], None]) -> Released:
    """Join, remove the numbers, let nobody stand out, and make a file for each receiver.

    `advance` takes what is done and how far. Raises ExchangeRefused; then nothing is released.
    """
    with step(post, "vdabRelease"):
        plan = act(post, partial(_plan, post))
        assert plan.round.answer_digest  # noqa: S101 - it was taken in
        kept = staged(post, plan.round, plan.round.answer_digest)
        if not kept.is_file():
            raise ExchangeRefused("the answer is gone: take it in again")
        target = post.out / f"{plan.round.label}-uitkomst.db"
        whom = post.out / f"{plan.round.label}-personen.db"
        with (
            staging.persons(whom) as persons,
            staging.scratch(target) as draft,
            smoothing.in_file(draft, plan.columns) as result,
        ):
            joined = _Joined(post, plan, persons)
            with staging.opened(kept) as answer:
                for rows in answer.parts():
                    result.add(joined.rows(rows))
                    advance("joined", joined.done)
            smoothed = result.smooth(k, lambda done: advance("steps", done))
            if not smoothed.rows:
                raise ExchangeRefused(f"no {k} rows are alike: nothing can be released")
            # Looked at once more, whatever was done: nothing leaves in which somebody stands out.
            if result.smallest_class() < k:
                raise ExchangeRefused(f"a combination stands in fewer than {k} rows")
            released = Released(plan, smoothed, joined.cancelled, joined.numbers, joined.twice)
            try:
                digests = _make_files(post, plan, result, lambda done: advance("files", done))
                act(post, partial(_record, post, released, k, digests))
            except BaseException:
                forget_unrecorded(post, plan.round)
                raise
    # It is released: what follows is no part of it, and cannot make it a failure.
    return replace(released, left=_tidied(post))


def _tidied(post: Post) -> str | None:
    """Take away what the round no longer needs; why it stays where that fails."""
    try:
        remove_overdue(post)
    except (ExchangeRefused, OSError, *driver.FAILED) as failed:
        return str(failed) if isinstance(failed, ExchangeRefused) else type(failed).__name__
    return None


def _plan(post: Post, session: Session, said: Granted, now: datetime) -> Plan:
    today = brussels_date(now)
    terms = _terms(post, said.clause, today)
    if terms.keep_until is None:
        # Without a last day it would be a file that nothing ever takes away.
        raise ExchangeRefused("the protocol does not say until when the result is kept")
    keys = {body: recipients.key_of(session, body) for body in terms.receivers}
    if missing := [body for body, key in keys.items() if key is None]:
        raise ExchangeRefused(f"there is no key of {', '.join(missing)}")
    return Plan(
        the_round(session, State.TAKEN_IN),
        said.clause.hash,
        tuple(column.name for column in COLUMNS if column.datum in terms.codes),
        {body: key for body, key in keys.items() if key},
        terms.keep_until,
        today,
    )


class Terms(NamedTuple):
    """What the version that decides says of the result."""

    codes: frozenset[str]  # the data that it lists
    receivers: tuple[str, ...]
    keep_until: date | None


def _terms(post: Post, clause: Clause, today: date) -> Terms:
    assert post.register is not None  # noqa: S101 - it has just decided
    [edition] = [one for one in post.register.editions(today) if one.hash == clause.hash]
    document, since = edition.document, edition.cooperation_since
    return Terms(
        frozenset(
            datum.code
            for purpose in document.purposes
            if purpose.code == clause.purpose
            for access in purpose.accesses
            if access.exchange
            for datum in access.exchange.data
        ),
        tuple(
            body
            for party in document.parties
            if Role.RECEIVER in party.roles
            for body in party.organisations
        ),
        kept_at_most(document, clause.purpose, today, since, edition.ended_on),
    )


class _Joined:
    """Puts the profile beside what VDAB gave back, and leaves the number out."""

    def __init__(self, post: Post, plan: Plan, persons: staging.Persons) -> None:
        self._post, self._plan, self._persons = post, plan, persons
        self._places = [at for at, column in enumerate(COLUMNS) if column.name in plan.columns]
        self.done = self.cancelled = self.numbers = self.twice = 0

    def rows(self, returned: Sequence[Row]) -> list[list[str]]:
        """The rows to release for these; whose number is cancelled by now has none."""
        reach = Population(PopulationKind.ANY)
        with self._post.office.database.reading() as session:
            now = self._post.clock()
            wanted = [Wanted(Insz(row[0]), reach, self._plan.on, now) for row in returned]
            admitted = [
                (one.numbers, row[1:])
                for one, row in zip(population.admit_all(session, wanted), returned, strict=True)
                if isinstance(one, Admitted)
            ]
            # Two numbers that were sent can be of one person by now: two rows would count her twice
            # among those who are alike.
            found = [one for one in admitted if self._persons.is_new(one[0][0])]
            persons = [numbers for numbers, _ in found]
            known = dossiers.read_each(session, persons, BLOCKS)
            groups = [one.target_groups for one in dossiers.known_each(session, persons, ())]
            profiles = population.profiles_of(session, [numbers[0] for numbers in persons])
        self.done += len(returned)
        self.cancelled += len(returned) - len(admitted)
        self.twice += len(admitted) - len(found)
        empty = ("",) * len(PROFILE)
        return [
            self._row(
                profile_of(dossier.blocks, given, profiles.get(numbers[0], {}), self._plan.on)
                if dossier
                else empty,
                values,
            )
            for (numbers, values), dossier, given in zip(found, known, groups, strict=True)
        ]

    def _row(self, profile: Sequence[str], values: Sequence[str]) -> list[str]:
        every = (*profile, *values)
        return [self._cell(every[at]) for at in self._places]

    def _cell(self, value: str) -> str:
        """A value as it is; but a number has no place in the result, wherever it came from."""
        if len(value) < 11 or not contains_insz(value):
            return value
        self.numbers += 1
        return HIDDEN


def _make_files(
    post: Post, plan: Plan, result: smoothing.Result, advance: Advance
) -> dict[str, str]:
    """A file for each receiver, sealed for it alone; their digests."""
    digests = {}
    for done, (body, key) in enumerate(plan.keys.items(), start=1):
        with streamed(post.out / plan.round.result_file(body)) as draft:
            sealing.seal(_lines(plan.columns, result), key, draft.write)
        digests[body] = draft.digest
        advance(done)
    return digests


def _lines(columns: Sequence[str], result: smoothing.Result) -> Iterator[bytes]:
    """The result as CSV, in pieces; what a spreadsheet would compute is guarded."""
    page = StringIO()
    # Every value in quotes: whatever stands in one, a reader takes it for that and no more.
    writer = csv.writer(page, delimiter=DELIMITER, lineterminator="\n", quoting=csv.QUOTE_ALL)
    writer.writerow((ID, *columns))
    for row in result.rows():
        writer.writerow(map(guarded, row))
        if page.tell() > PIECE:
            yield _emptied(page)
    yield _emptied(page)


def _emptied(page: StringIO) -> bytes:
    text = page.getvalue()
    page.seek(0)
    page.truncate()
    return text.encode()


def _record(
    post: Post,
    released: Released,
    k: int,
    digests: Mapping[str, str],
    session: Session,
    said: Granted,
    now: datetime,
) -> None:
    """One record of the act, one for each file; and the round ends: its numbers are forgotten."""
    plan, smoothed = released.plan, released.smoothed
    current = the_round(session, State.TAKEN_IN)
    if current.id != plan.round.id:
        raise ExchangeRefused("another round was begun meanwhile")
    if current.answer_digest != plan.round.answer_digest:
        raise ExchangeRefused("another answer was taken in meanwhile: release again")
    if said.clause.hash != plan.version:
        raise ExchangeRefused("another version of the protocol decides by now: release again")
    if any(recipients.key_of(session, body) != key for body, key in plan.keys.items()):
        raise ExchangeRefused("a receiver has another key by now: release again")
    counts = {
        "k": k,
        "rows": smoothed.rows,
        "suppressed": smoothed.suppressed,
        "cancelled": released.cancelled,
        "numbersHidden": released.numbers,
        "samePerson": released.twice,
        "smallestClass": smoothed.smallest,
        "rareHidden": smoothed.rare,
    }
    [act_id] = record(session, post, "vdabRelease", [trace(said, counts=counts)], now)
    for body, digest in digests.items():
        fingerprint = sealing.fingerprint(plan.keys[body])
        delivery = trace(
            said,
            type=RecordType.DELIVERY,
            parent=act_id,
            delivered=plan.columns,
            counts={"rows": smoothed.rows},
            file_digest=digest,
            key_fingerprint=fingerprint,
        )
        [event_id] = record(session, post, EXCHANGE, [delivery], now, organisation=body)
        name = plan.round.result_file(body)
        made = RoundFile(name, plan.round.id, body, digest, fingerprint, event_id, plan.keep_until)
        rounds.add_file(session, made)
    rounds.end(session, plan.round, State.RELEASED, now)
