"""Announcing news to the webhooks of receivers: what is due, again and again until it arrived.

A receiver that is down, slow or wrong costs its own attempt and nobody else's.
"""

import asyncio
from collections.abc import Callable, Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta

import httpx

from app import access_log, notice_view, notices, protocols, webhooks
from app.administration import Office
from app.moments import brussels_date
from app.notice_rules import next_attempt
from app.notices import Notification
from app.record import RecordType, Trace
from app.webhooks import Webhook

TOGETHER, EACH = 8, 2  # attempts at one time, and of those for one receiver
SECONDS = 15  # that one of them may take
# Longer than any attempt takes: what a process that was killed had taken is tried again after it.
LEASE = timedelta(minutes=5)


@dataclass(frozen=True)
class Attempt:
    """How one attempt ended."""

    id: str
    organisation: str
    result: str
    arrived: bool


async def deliver(
    office: Office,
    receivers: Mapping[str, Webhook],
    clock: Callable[[], datetime],
    client: httpx.AsyncClient,
    done: Callable[[Attempt], None],
) -> None:
    """Send what is due, each notification at most once in a run; `done` hears of each attempt.

    Two runs at once do not send the same: what one took the other leaves alone.
    """
    began = clock()
    takers = _under_every_name(office, receivers, brussels_date(began))
    waiting = [tuple(name for name in takers if takers[name] == each) for each in receivers]
    while taken := _claim(office, waiting, began, clock()):
        # Who had a turn comes last: one who hangs keeps nobody from theirs.
        had = {row.organisation for row in taken}
        waiting = sorted(waiting, key=lambda names: not had.isdisjoint(names))
        sending = [
            _send(office, receivers[takers[row.organisation]], clock, client, row) for row in taken
        ]
        for ended in asyncio.as_completed(sending):
            done(await ended)


def _under_every_name(office: Office, receivers: Collection[str], today: date) -> dict[str, str]:
    """Who takes the news that is filed under each identifier: a municipality that of what went on
    in it, unless that has a webhook of its own."""
    with office.database.reading() as session:
        register = protocols.read_register(session)
    found = {name: each for each in receivers for name in register.names_of(each, today)}
    return found | {each: each for each in receivers}


def _claim(
    office: Office, receivers: Sequence[Collection[str]], due: datetime, now: datetime
) -> list[Notification]:
    with office.database.writing() as session:
        return notices.claim(session, receivers, due, now + LEASE, TOGETHER, EACH)


async def _send(
    office: Office,
    webhook: Webhook,
    clock: Callable[[], datetime],
    client: httpx.AsyncClient,
    row: Notification,
) -> Attempt:
    """One attempt, and what it left: success has a record, failure a next moment."""
    result, arrived = await _post(client, webhook, row, clock())
    ended = Attempt(row.id, row.organisation, result, arrived)
    # In a thread: a database that keeps us waiting takes no time from the other attempts.
    await asyncio.to_thread(_settle, office, ended, row.attempts + 1, clock())
    return ended


def _settle(office: Office, ended: Attempt, attempts: int, now: datetime) -> None:
    with office.database.writing() as session:
        next_at = None if ended.arrived else next_attempt(attempts, now)
        arrived_at = now if ended.arrived else None
        new = notices.attempted(session, ended.id, ended.result, next_at, arrived_at)
        if new and ended.arrived:
            trace = Trace(type=RecordType.NOTICE, parent=ended.id)
            access_log.write_command(
                session,
                office.keys,
                office.origin,
                "noticeDeliver",
                trace,
                now,
                office.actor,
                ended.organisation,
            )


async def _post(
    client: httpx.AsyncClient, webhook: Webhook, row: Notification, now: datetime
) -> tuple[str, bool]:
    """What became of one request; what the receiver says in words is not read."""
    body = notice_view.news(row)
    headers = webhooks.headers_of(webhook.secrets, row.id, now, body)
    try:
        async with (
            asyncio.timeout(SECONDS),
            client.stream("POST", webhook.url, content=body, headers=headers) as response,
        ):
            return f"HTTP {response.status_code}", response.is_success
    except TimeoutError:
        return "geen antwoord", False
    except (httpx.HTTPError, httpx.InvalidURL, ValueError) as error:  # a name that is none
        return f"geen verbinding ({type(error).__name__})", False


def new_client() -> httpx.AsyncClient:
    """No proxy of the environment, and no redirect: news goes where the operator said."""
    return httpx.AsyncClient(trust_env=False, follow_redirects=False, timeout=SECONDS)
