"""`/health`: up, degraded or down."""

from datetime import UTC, datetime
from pathlib import Path

import pytest
from service import BASE, CITY, Service, closed_log, execute, make_service

from app.demo_persons import RESIDENT_WITH_CERTIFICATE


async def test_is_up_for_whoever_asks_and_records_nothing(service_on_each: Service) -> None:
    for path in ("/health", f"{BASE}/health"):
        response = await service_on_each.client.get(path)

        assert (response.status_code, response.json()) == (200, {"status": "UP"})
        assert response.headers["content-type"] == "application/json"
    assert not service_on_each.records()


@pytest.mark.parametrize(
    ("now", "status"),
    [("2026-06-23T23:59:59", "UP"), ("2026-06-24T00:00:00", "DEGRADED")],
)
async def test_is_degraded_when_the_key_of_next_month_is_missing_within_seven_days(
    own_folder: Path, now: str, status: str
) -> None:
    moment = datetime.fromisoformat(now).replace(tzinfo=UTC)
    service = make_service(f"sqlite:///{own_folder}/h.db", own_folder, now=moment, persons=1)
    (own_folder / "month-keys" / "2026-07.key").unlink()

    response = await service.client.get("/health")

    assert (response.status_code, response.json()) == (200, {"status": status})
    await service.close()


async def test_is_down_without_the_key_of_this_month(service: Service) -> None:
    (Path("month-keys") / "2026-06.key").unlink()

    response = await service.client.get("/health")

    assert (response.status_code, response.json()) == (503, {"status": "DOWN"})


async def test_is_degraded_from_a_record_that_failed_until_one_that_did_not(
    service: Service,
) -> None:
    with closed_log(service):
        await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
    failed = await service.client.get("/health")

    await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
    mended = await service.client.get("/health")

    assert (failed.status_code, failed.json()) == (200, {"status": "DEGRADED"})
    assert mended.json() == {"status": "UP"}


async def test_is_down_without_the_log_and_tells_no_detail(service_on_each: Service) -> None:
    service = service_on_each
    execute(service, "ALTER TABLE log_head RENAME TO elsewhere")

    response = await service.client.get("/health")

    execute(service, "ALTER TABLE elsewhere RENAME TO log_head")
    assert (response.status_code, response.content) == (503, b'{"status":"DOWN"}')
    assert (await service.client.get("/health")).json() == {"status": "UP"}
