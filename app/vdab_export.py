"""The use case `vdab export`: the numbers of the joint client group, and nothing else, for VDAB.

Each person is recorded before the file is made, and the file before it can be sent. Cut off at any
point, the next run goes on from there: nobody is recorded twice in a round.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from datetime import datetime
from functools import partial
from time import sleep

from sqlmodel import Session

from app import access_log, dossiers, population, recipients, rounds, sealing
from app.insz import Insz
from app.moments import brussels_date
from app.monitoring import NUMBER, ORGANISATION, joined_since
from app.policy import Granted
from app.population import Admitted, Wanted
from app.record import Allowance, RecordType, Trace
from app.rounds import Round, RoundFile, State
from app.secret_files import streamed
from app.vdab import (
    EXCHANGE,
    Advance,
    ExchangeRefused,
    Post,
    act,
    marked,
    record,
    step,
    the_round,
    trace,
)
from app.vdab_ending import end_round, forget_unrecorded
from app.visit import new_event_id

PART = 1000  # numbers that are looked at in one transaction
PAUSE = 0.05  # seconds between two: a service that runs records in them


@dataclass(frozen=True)
class Exported:
    """What was made."""

    round: Round
    persons: int
    digest: str


def export(post: Post, advance: Advance) -> Exported:
    """Record everybody who is in the joint client group, and make the file for VDAB.

    Raises ExchangeRefused.
    """
    with step(post, "vdabExport"):
        _end_what_is_old(post)
        round_, recipient = act(post, partial(_open, marked(post)), counted=True)
        after, looked_at = "", 0
        while part := act(post, partial(_gather, post, round_, after)):
            after, looked_at = part[-1], looked_at + len(part)
            advance(looked_at)
            sleep(PAUSE)
        return _make(post, round_, recipient)


def _end_what_is_old(post: Post) -> None:
    """End a round that was cut off on another day: who left the group since must not be sent."""
    with post.office.database.writing() as session:
        access_log.lock(session)
        now, found = post.clock(), rounds.current(session)
        if found is None or found.state is not State.GATHERING:
            return
        if found.began_on != brussels_date(now):
            end_round(session, post, found, "gathering was cut off, and begins anew", now)


def _open(folder: str, session: Session, _said: Granted, now: datetime) -> tuple[Round, str]:
    """A new round, or the one that was cut off; and the key of VDAB."""
    recipient = recipients.key_of(session, ORGANISATION)
    if recipient is None:
        raise ExchangeRefused(
            f"there is no key of {ORGANISATION}: `protocolpoort recipient set` takes it"
        )
    found = rounds.current(session)
    if found and found.state is not State.GATHERING:
        raise ExchangeRefused(f"{found.label} is open ({found.state}): end it first")
    today = brussels_date(now)
    return found or rounds.begin(session, today, folder, new_event_id(now)), recipient


def _gather(
    post: Post, round_: Round, after: str, session: Session, said: Granted, now: datetime
) -> list[str]:
    """Record those of the next numbers who are in the group; which numbers were looked at."""
    _still_gathered(session, round_)
    numbers, today = dossiers.next_numbers(session, after, PART), brussels_date(now)
    reach = said.clause.population
    wanted = [Wanted(Insz(number), reach, today, now) for number in numbers]
    admitted = population.admit_all(session, wanted)
    # A person is looked at under each of her numbers, and sent under the one in use.
    persons = {one.numbers[0]: one.numbers for one in admitted if isinstance(one, Admitted)}
    # Under any of them: she may have got another one since the part in which she was recorded.
    known = rounds.sent_among(session, round_, {one for every in persons.values() for one in every})
    fresh = [every for every in persons.values() if known.isdisjoint(every)]
    found = dossiers.read_each(session, fresh, {"contracten"})
    denied = dossiers.deny_each(session, fresh)
    joined = {
        numbers[0]: since
        for numbers, dossier, no_more in zip(fresh, found, denied, strict=True)
        if dossier and not no_more and (since := joined_since(dossier.blocks, today))
    }
    rounds.add_numbers(session, round_, [*joined])
    sent = [_sent(said, round_, *one) for one in joined.items()]
    record(session, post, EXCHANGE, sent, now)
    return numbers


def _still_gathered(session: Session, round_: Round) -> None:
    """The round is still the open one, and still being gathered."""
    if the_round(session, State.GATHERING).id != round_.id:
        raise ExchangeRefused("another round was begun meanwhile")


def _sent(said: Granted, round_: Round, number: str, since: str) -> Trace:
    return trace(
        said,
        type=RecordType.DELIVERY,
        # She is told of it once the file is made: until then this record does not stand.
        parent=round_.delivery_id,
        requested=said.fields,
        delivered=said.fields,
        subject=number,
        subject_basis=said.clause.population.kind.value,
        subject_fact=f"contract {since}",
    )


def _make(post: Post, round_: Round, recipient: str) -> Exported:
    """Make the file, then record it: it is sent by what the record says of it."""
    with post.office.database.reading() as session:
        persons = rounds.count_sent(session, round_)
    if not persons:
        with post.office.database.writing() as session:
            rounds.end(session, round_, State.CANCELLED, post.clock())
        raise ExchangeRefused("nobody is in the joint client group: no file was made")
    try:
        with streamed(post.out / round_.numbers_file) as draft:
            lines = _Lines(post, round_)
            sealing.seal(lines, recipient, draft.write)
        if lines.written != persons:
            raise ExchangeRefused("the file does not have every number: try again")
        made = Exported(round_, persons, draft.digest)
        act(post, partial(_deliver, post, made, recipient), counted=True)
    except BaseException:
        forget_unrecorded(post, round_)  # a next run makes it again
        raise
    return made


class _Lines:
    """One number a line, and nothing else: no second column, no header."""

    def __init__(self, post: Post, round_: Round) -> None:
        self._post, self._round = post, round_
        self.written = 0

    def __iter__(self) -> Iterator[bytes]:
        with self._post.office.database.reading() as session:
            for part in rounds.sent_numbers(session, self._round):
                self.written += len(part)
                yield _encoded(part)


def _encoded(numbers: Sequence[str]) -> bytes:
    return "".join(f"{number}\n" for number in numbers).encode()


def _deliver(
    post: Post, made: Exported, recipient: str, session: Session, said: Granted, now: datetime
) -> None:
    _still_gathered(session, made.round)
    if recipients.key_of(session, ORGANISATION) != recipient:
        raise ExchangeRefused("VDAB has another key by now: try again")
    fingerprint = sealing.fingerprint(recipient)
    if rounds.count_sent(session, made.round) != made.persons:
        raise ExchangeRefused("other numbers were added meanwhile: try again")
    delivery = trace(
        said,
        type=RecordType.DELIVERY,
        requested=said.fields,
        delivered={NUMBER},
        counts={"persons": made.persons},
        file_digest=made.digest,
        key_fingerprint=fingerprint,
        # Only what is delivered takes a turn of the half-year.
        allowance=Allowance.of(said.clause, EXCHANGE, brussels_date(now)),
    )
    round_ = made.round
    record(session, post, EXCHANGE, [delivery], now, event_id=round_.delivery_id)
    rounds.advance(session, round_, State.EXPORTED, persons=made.persons)
    name = round_.numbers_file
    file = RoundFile(name, round_.id, ORGANISATION, made.digest, fingerprint, round_.delivery_id)
    rounds.add_file(session, file)
