"""`POST /dossiers/query`."""

from service import CITY, Service

from app.demo_persons import NON_RESIDENT, RESIDENT_WITH_CERTIFICATE


async def test_gives_the_permitted_fields_and_records_them(service_on_each: Service) -> None:
    service = service_on_each

    response = await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)

    assert response.status_code == 200, response.text
    [record] = service.records()
    assert record["outcome"] == "allowed"
    assert record["eventId"] == response.json()["id"]


async def test_logs_a_refusal(service: Service) -> None:
    response = await service.dossier(CITY, NON_RESIDENT)

    [record] = service.records()
    assert response.status_code == record["status"] == 403
    assert record["reasonCode"] == "population"
