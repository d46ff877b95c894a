"""What is kept no longer than its term: the files of lists, and what the exchange with VDAB left.

What the log keeps of persons has a term and a command of its own (`pruning`).
"""

from collections.abc import Sequence
from datetime import datetime
from typing import NamedTuple

from sqlmodel import Session

from app import list_making, listings, rounds, vdab_ending
from app.administration import Office
from app.moments import brussels_date
from app.rounds import Round, RoundFile
from app.vdab import Post

LIST, EXCHANGE = "lijst", "uitwisseling"


class Over(NamedTuple):
    """Something of which the term has passed."""

    what: str
    id: str  # of the list; of the exchange the name of the file, or of the round


def due(session: Session, now: datetime, *, production: bool) -> list[Over]:
    """What `run` would take away."""
    today = brussels_date(now)
    ended = vdab_ending.overdue_round(session, today, production=production)
    with_it = (
        [one for one in rounds.files_of(session, ended) if not one.removed_at] if ended else []
    )
    files = [*rounds.overdue(session, today), *with_it]
    return [
        *(Over(LIST, id_) for id_ in listings.expired(session, now)),
        *_of_exchange(ended, sorted(files, key=lambda file: file.name)),
    ]


def run(office: Office, post: Post | None, now: datetime) -> list[Over]:
    """Take it away, each with a record; cut off at any point, the next run goes on from there.

    `post` is None where nothing is exchanged. Raises ExchangeRefused while a command of the
    exchange is at work; the lists are done then.
    """
    lists = list_making.expire(office.database, office.keys, office.origin, now, office.actor)
    ended = vdab_ending.end_overdue(post) if post else None
    files = vdab_ending.remove_overdue(post) if post else []
    return [*(Over(LIST, id_) for id_ in lists), *_of_exchange(ended, files)]


def _of_exchange(ended: Round | None, files: Sequence[RoundFile]) -> list[Over]:
    names = [*([ended.label] if ended else []), *(file.name for file in files)]
    return [Over(EXCHANGE, name) for name in names]
