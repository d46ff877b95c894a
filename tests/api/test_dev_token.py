"""`POST /dev/token`: the issuer of the demo."""

import base64
from pathlib import Path

import pytest
from service import BASE, CITY, DOSSIER, Service, make_production

from app.demo_persons import RESIDENT_WITH_CERTIFICATE

FORM = {
    "grant_type": "client_credentials",
    "client_id": CITY,
    "client_secret": "demo",
    "scope": DOSSIER,
}


async def test_gives_a_token_that_opens_what_it_names(service: Service) -> None:
    issued = await service.client.post("/dev/token", data=FORM)

    token = issued.json().pop("access_token")
    assert issued.status_code == 200
    assert issued.headers["cache-control"] == "no-store"
    assert {name: value for name, value in issued.json().items() if name != "access_token"} == {
        "token_type": "Bearer",
        "expires_in": 8 * 3600,
        "scope": DOSSIER,
    }
    response = await service.ask(
        CITY,
        "/dossiers/query",
        {
            "insz": RESIDENT_WITH_CERTIFICATE.digits,
            "doeleinde": "lokaalIntegratiebeleid",
            "referte": "ref-1",
        },
        headers={"Authorization": f"Bearer {token}"},
    )
    assert response.status_code == 200, response.text
    assert [record["client"] for record in service.records()] == [CITY]


async def test_takes_the_secret_in_the_header_too(shared: Service) -> None:
    secret = base64.b64encode(f"{CITY}:demo".encode()).decode()

    response = await shared.client.post(
        "/dev/token",
        data={"grant_type": "client_credentials"},
        headers={"Authorization": f"Basic {secret}"},
    )

    assert response.status_code == 200
    assert response.json()["scope"] == ""


@pytest.mark.parametrize(
    ("change", "status", "error"),
    [
        ({"client_secret": "Demo"}, 401, "invalid_client"),
        ({"client_secret": ""}, 401, "invalid_client"),
        ({"client_id": ""}, 401, "invalid_client"),
        ({"grant_type": "password"}, 400, "unsupported_grant_type"),
        ({"grant_type": ""}, 400, "unsupported_grant_type"),
        ({f"more{number}": "x" for number in range(20)}, 400, "invalid_request"),
        ({"scope": "x" * 100_000}, 400, "unsupported_grant_type"),
    ],
)
async def test_gives_no_token_for_less(
    shared: Service, change: dict[str, str], status: int, error: str
) -> None:
    response = await shared.client.post("/dev/token", data={**FORM, **change})

    assert (response.status_code, response.json()) == (status, {"error": error})


@pytest.mark.parametrize("header", ["Basic", "Basic !!!", "Basic /w==", "Basic eDp5"])
async def test_gives_no_token_for_a_header_that_is_none(shared: Service, header: str) -> None:
    response = await shared.client.post(
        "/dev/token",
        data={"grant_type": "client_credentials"},
        headers={"Authorization": header},
    )

    assert (response.status_code, response.json()) == (401, {"error": "invalid_client"})


async def test_does_not_exist_in_production(own_folder: Path) -> None:
    service = make_production(own_folder, persons=1)

    responses = [
        await service.client.post(path, data=FORM) for path in ("/dev/token", f"{BASE}/dev/token")
    ]

    assert [each.status_code for each in responses] == [404, 404]
    await service.close()
