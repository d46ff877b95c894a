"""What happens while a request is on its way: the register moves, time passes, minutes mix."""

import asyncio
import json
from collections.abc import AsyncIterator
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from service import BASE, CITY, DOSSIER, ROOT, Service

from app import administration, protocols
from app.demo_persons import RESIDENT_WITH_CERTIFICATE
from app.deps import Desk
from app.errors import TokenMissing
from app.strangers import LIMIT
from app.visit import Visit, new_event_id

QUESTION = {
    "insz": RESIDENT_WITH_CERTIFICATE.digits,
    "doeleinde": "lokaalIntegratiebeleid",
    "referte": "ref-1",
}


async def test_a_suspension_holds_although_another_request_reloaded_the_register(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The decision and its record speak of one snapshot, whatever others load meanwhile."""
    database = service.app.state.desk.gate.database
    read = database.read
    interrupted: list[object] = []

    async def interrupt(work: Any, *args: Any) -> Any:
        found = await read(work, *args)
        if work.__module__ == "app.lookup" and not interrupted:
            interrupted.append(work)
            administration.suspend(service.office, "voorbeeldstad-2026", "x", service.clock.now)
            await service.client.get(f"{BASE}/protocollen")
        return found

    monkeypatch.setattr(database, "read", interrupt)

    response = await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)

    assert interrupted
    assert response.status_code == 403
    [record] = service.records()
    assert record["reasonCode"] == "suspended"


async def test_what_a_slow_body_asks_is_judged_when_it_is_whole(service: Service) -> None:
    content = json.dumps(QUESTION).encode()
    token = service.token(CITY, DOSSIER)

    async def trickle() -> AsyncIterator[bytes]:
        yield content[:5]
        service.clock.forward(hours=9)  # a demo token lives 8
        yield content[5:]

    response = await service.client.post(
        f"{BASE}/dossiers/query", content=trickle(), headers={"Authorization": f"Bearer {token}"}
    )

    assert response.status_code == 401
    assert response.json()["type"].endswith("expiredAccessToken")


async def test_a_body_that_never_ends_is_given_up(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.deps.BODY_SECONDS", 0)

    async def never() -> AsyncIterator[bytes]:
        yield b"{"
        await asyncio.Event().wait()

    response = await service.client.post(
        f"{BASE}/dossiers/query",
        content=never(),
        headers={
            "Authorization": f"Bearer {service.token(CITY, DOSSIER)}",
            "X-Magda-Enduser-ID": "ambtenaar-7",
        },
    )

    assert response.status_code == 400
    [record] = service.records()
    assert record["reasonCode"] == "invalidRequest"


async def test_requests_of_two_minutes_that_mix_share_the_allowance_of_the_later(
    service: Service,
) -> None:
    desk: Desk = service.app.state.desk
    now = service.clock.now

    for number in range(4 * LIMIT):
        moment = now + timedelta(minutes=number % 2)
        visit = Visit("queryDossier", "/dossiers/query", now, "c", new_event_id(now), "t", "s")
        await desk.strangers.note(visit, TokenMissing(), moment)

    assert len(service.records()) == LIMIT + 1


async def test_a_new_version_does_not_lift_a_suspension(service: Service, tmp_path: Path) -> None:
    administration.suspend(service.office, "voorbeeldstad-2026", "x", service.clock.now)
    text = (ROOT / "protocols" / "demo" / "voorbeeldstad.yaml").read_text()
    newer = tmp_path / "newer.yaml"
    newer.write_text(text.replace('versie: "1"', 'versie: "2"'))
    sources, faults = protocols.read_files([newer])

    administration.load(service.office, sources, service.clock.now)

    assert not faults
    assert (await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)).status_code == 403
