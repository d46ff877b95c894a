"""What is kept no longer than its term: the files of lists, and what the exchange with VDAB left.

What the log keeps of persons has a term and a command of its own (`pruning`).
"""

from datetime import datetime
from typing import NamedTuple

from sqlmodel import Session

from app import list_making, listings, vdab_ending
from app.administration import Office
from app.moments import brussels_date
from app.vdab import Post

LIST, EXCHANGE = "lijst", "uitwisseling"


class Over(NamedTuple):
    """Something of which the term has passed."""

    what: str
    id: str  # of the list; of the exchange the name of the file


def due(session: Session, now: datetime) -> list[Over]:
    """What `run` would take away."""
    files = vdab_ending.overdue(session, brussels_date(now))
    return [
        *(Over(LIST, id_) for id_ in listings.expired(session, now)),
        *(Over(EXCHANGE, file.name) for file in files),
    ]


def run(office: Office, post: Post | None, now: datetime) -> list[Over]:
    """Take it away, each with a record; cut off at any point, the next run goes on from there.

    `post` is None where nothing is exchanged. Raises ExchangeRefused while a command of the
    exchange is at work; the lists are done then.
    """
    lists = list_making.expire(office.database, office.keys, office.origin, now, office.actor)
    files = vdab_ending.remove_overdue(post) if post else []
    return [
        *(Over(LIST, id_) for id_ in lists),
        *(Over(EXCHANGE, file.name) for file in files),
    ]
