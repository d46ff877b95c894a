"""How a round with VDAB ends, and what is taken away then: numbers, answers, files past their term.

What ends nothing but what it made may always be done, also when the protocol is over.
"""

from datetime import date, datetime, timedelta
from pathlib import Path

from sqlmodel import Session

from app import access_log, rounds
from app.moments import brussels_date
from app.monitoring import PURPOSE
from app.record import RecordType, Trace
from app.rounds import Round, RoundFile, State
from app.secret_files import shred
from app.sftp import PART
from app.vdab import ExchangeRefused, MachineRefused, Post, alone, is_over, record

SIGNATURE = ".sig"
HALF_YEAR = timedelta(days=184)  # as long as a round may be open: the next one is due by then


def staged(post: Post, round_: Round, digest: str) -> Path:
    """Where an answer stands until its round is released, by the digest of its file.

    So another answer, which may turn out not to be accepted, never stands in its place.
    """
    return post.back / f"{round_.label}-{digest.removeprefix('sha256:')}.db"


def every_staged(post: Post, round_: Round) -> list[Path]:
    """What stands aside in a round, also of an answer that was not accepted."""
    return [*post.back.glob(f"{round_.label}-*.db")]


def cancel(post: Post, reason: str) -> Round:
    """End the round that is open, without a release. Raises ExchangeRefused when there is none."""
    with alone(post):
        with post.office.database.writing() as session:
            access_log.lock(session)
            now, found = post.clock(), rounds.current(session)
            if found is None:
                raise ExchangeRefused("no round is open")
            end_round(session, post, found, reason, now)
        tidy(post)
    return found


def end_round(session: Session, post: Post, round_: Round, reason: str, now: datetime) -> None:
    """End a round without a release, with a record; its files go with `tidy`."""
    rounds.end(session, round_, State.CANCELLED, now)
    told = Trace(type=RecordType.ADMIN, purpose=PURPOSE, reason_reference=reason)
    record(session, post, "vdabCancel", [told], now)


def overdue_round(session: Session, today: date, *, production: bool) -> Round | None:
    """The open round, when it has been open for longer than a half-year, or can go no further."""
    found = rounds.current(session)
    if found is None:
        return None
    too_old = found.began_on + HALF_YEAR < today
    return found if too_old or is_over(session, today, production=production) else None


def end_overdue(post: Post) -> Round | None:
    """End such a round, with a record: its numbers would have no term. Raises ExchangeRefused."""
    with alone(post), post.office.database.writing() as session:
        access_log.lock(session)
        now = post.clock()
        found = overdue_round(session, brussels_date(now), production=post.production)
        if found:
            end_round(session, post, found, "its term is over", now)
    return found


def remove_overdue(post: Post) -> list[RoundFile]:
    """Take away, with a record each, the files whose term has passed or whose round has ended.

    Cut off at any point, the next run goes on from there; what is gone is not recorded again.
    Raises ExchangeRefused while a command of the exchange is at work.
    """
    with alone(post):
        return tidy(post)


def tidy(post: Post) -> list[RoundFile]:
    """What `remove_overdue` does, for a command that is at work."""
    now = post.clock()
    with post.office.database.reading() as session:
        ended = [one for one in rounds.newest_first(session) if one.ended_at]
        files = rounds.overdue(session, brussels_date(now))
    gone, stuck = [], 0
    for round_ in ended:
        try:
            _forget_answer(post, round_)
            forget_unrecorded(post, round_)
        except OSError:
            stuck += 1
    for file in files:
        try:
            shred(post.out / file.name)
        except OSError:  # the others go all the same, and this one is tried again
            stuck += 1
            continue
        _record(post, file, now)
        gone.append(file)
    if stuck:
        raise MachineRefused(f"{stuck} times a file that is over could not be taken away")
    return gone


def _forget_answer(post: Post, round_: Round) -> None:
    """What stood aside of VDAB, and drafts of a run that was cut off: nothing when it is gone."""
    answer = post.back / round_.answer_file
    left = [*every_staged(post, round_), answer, answer.with_name(answer.name + SIGNATURE)]
    for folder in (post.out, post.back):
        left += folder.glob(f".{round_.label}[.-]*")
        left += folder.glob(f"{round_.label}[.-]*{PART}")
    for file in left:
        shred(file)


def forget_unrecorded(post: Post, round_: Round) -> None:
    """What has its name in a round but no record, as no act that made it was ended: it is none."""
    with post.office.database.reading() as session:
        files = rounds.files_of(session, round_)
    recorded = {file.name for file in files if not file.removed_at}
    made = [post.out / round_.numbers_file, *post.out.glob(round_.result_file("*"))]
    for file in made:
        if file.name not in recorded:
            shred(file)


def _record(post: Post, file: RoundFile, now: datetime) -> None:
    with post.office.database.writing() as session:
        rounds.mark(session, file.name, removed_at=now)
        told = Trace(
            type=RecordType.ADMIN,
            purpose=PURPOSE,
            parent=file.event_id,
            reason_reference=file.name,
            file_digest=file.digest,
        )
        record(session, post, "vdabRemove", [told], now, organisation=file.organisation)
