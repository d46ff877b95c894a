"""The log as its readers see it: fetched over HTTP, beside the rows that it should tell of."""

from collections.abc import Sequence
from datetime import datetime
from typing import Any

import httpx
from service import AUDIT, AUDITOR, LOG_ORIGIN, ORIGIN, Service, execute

from app import access_log
from app.record import RecordType, Trace, entry_of
from app.tlog.note import Checkpoint, Vkey, open_checkpoint
from app.visit import Visit, new_event_id

PROBLEM = "application/problem+json"


def visit(at: datetime, **own: Any) -> Visit:
    """A visit of Voorbeeldstad at a moment."""
    given: dict[str, Any] = {
        "operation": "getMijnToegang",
        "route": "/mijnToegang",
        "started_at": at,
        "correlation_id": "c0ffee00-0000-4000-8000-000000000000",
        "event_id": new_event_id(at),
        "trace_id": "1" * 32,
        "span_id": "2" * 16,
        "organisation": "voorbeeldstad",
    }
    return Visit(**{**given, **own})


def append(service: Service, count: int, trace: Trace | None = None, **own: Any) -> None:
    """So many records at once, as if so many requests had come."""
    now, key = service.clock.now, service.office.keys.at(service.clock.now)
    trace = trace or Trace(type=RecordType.ACCESS, status=200)
    entries = [entry_of(visit(now, **own), trace, key, ORIGIN, now, None) for _ in range(count)]
    with service.office.database.writing() as session:
        access_log.write(session, entries)


def fill_to(service: Service, size: int) -> None:
    """A log of this size, signed."""
    append(service, size - len(stored(service)))
    service.sign()


def stored(service: Service) -> list[bytes]:
    """The bytes of every record, read from the table itself."""
    with service.office.database.reading() as session:
        rows = session.connection().exec_driver_sql(
            "SELECT record FROM access_record ORDER BY log_index"
        )
        return [bytes(row[0]) for row in rows]


def prune_below(service: Service, index: int) -> None:
    """As pruning does before it removes anything."""
    execute(service, f"UPDATE log_head SET minimum = {index}")  # noqa: S608


def is_problem(response: httpx.Response, status: int, kind: str) -> bool:
    """A problem document of this kind, which nobody may keep."""
    assert response.headers["content-type"] == PROBLEM, response.headers
    assert response.headers["cache-control"] == "no-store"
    assert response.json()["status"] == response.status_code == status, response.text
    assert response.json()["type"].rsplit(":", 1)[1] == kind
    return True


async def public(service: Service, path: str, method: str = "GET", **more: Any) -> httpx.Response:
    """A request under `/log` without any token."""
    return await service.client.request(method, f"/log/{path}", **more)


async def entries(
    service: Service,
    place: str,
    *scopes: str,
    organisation: str = AUDITOR,
    token: str | None = None,
    method: str = "GET",
    **headers: str,
) -> httpx.Response:
    """An entry bundle, asked by an auditor; `headers` by their name with underscores."""
    given = {
        "Authorization": f"Bearer {token or service.token(organisation, *(scopes or (AUDIT,)))}",
        "X-Magda-Enduser-ID": "auditor-1",
        **{name.replace("_", "-"): value for name, value in headers.items()},
    }
    sent = {name: value for name, value in given.items() if value}
    return await public(service, f"tile/entries/{place}", method, headers=sent)


async def vkeys(service: Service) -> list[Vkey]:
    """The keys that the log publishes."""
    return [Vkey.parse(line) for line in (await public(service, "vkey")).text.splitlines()]


async def checkpoint(service: Service) -> Checkpoint:
    """The checkpoint that the log publishes, opened with the keys that it publishes."""
    note = (await public(service, "checkpoint")).text
    return open_checkpoint(note, await vkeys(service), LOG_ORIGIN)


def hashes(tile: bytes) -> Sequence[bytes]:
    """The hashes of a tile."""
    return [tile[at : at + 32] for at in range(0, len(tile), 32)]
