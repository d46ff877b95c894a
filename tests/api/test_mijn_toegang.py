"""`GET /mijnToegang`."""

from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest
from service import AVSB, CITY, FUND, GENK, Service, make_production

from app import administration, fields


async def ask(service: Service, organisation: str, query: str = "") -> list[dict[str, Any]]:
    response = await service.ask(organisation, f"/mijnToegang{query}", scopes=())
    assert response.status_code == 200, response.text
    items: list[dict[str, Any]] = response.json()["items"]
    return items


async def test_shows_a_municipality_what_it_may_ask(service_on_each: Service) -> None:
    [item] = await ask(service_on_each, CITY)

    velden = item.pop("velden")
    assert item == {
        "protocol": "voorbeeldstad-2026",
        "versie": "1",
        "doeleinde": "lokaalIntegratiebeleid",
        "operaties": ["queryDossier"],
        "populatie": "resident",
        "functieprofielen": ["trajectondersteuner"],
        "geldigVan": "2026-01-01",
        "nu": "open",
    }
    assert velden == sorted(velden)
    assert set(velden) >= {"personalia.insz", "contact.email", "talenkennis.contacttaal"}
    assert all(fields.leaves(each) == {each} for each in velden)


async def test_shows_a_fund_what_it_may_ask_in_the_name_of_another(shared: Service) -> None:
    [item] = await ask(shared, FUND)

    assert item["protocol"] == "avsb-2021"
    assert item["operaties"] == ["queryAdvies"]
    assert item["populatie"] == "member"
    assert item["velden"] == []
    assert item["nu"] == "open"


async def test_shows_nothing_to_whom_no_protocol_names(shared: Service) -> None:
    assert await ask(shared, "onbekend") == []


@pytest.mark.parametrize(
    ("day", "standing", "since"),
    [
        ("2025-12-31", "notYetValid", "2026-01-01"),
        ("2026-01-01", "open", None),
        ("0001-01-01", "notYetValid", "2026-01-01"),
        ("9999-12-31", "open", None),
    ],
)
async def test_shows_what_is_open_on_another_day(
    shared: Service, day: str, standing: str, since: str | None
) -> None:
    [item] = await ask(shared, CITY, f"?datum={day}")

    assert (item["nu"], item.get("vanaf")) == (standing, since)
    record = shared.records()[-1]
    assert record["asOf"] == day
    assert record["parameters"] == ["datum"]


async def test_shows_that_a_protocol_is_suspended(service: Service) -> None:
    administration.suspend(service.office, "voorbeeldstad-2026", "inbreuk", service.clock.now)

    [item] = await ask(service, CITY)

    assert item["nu"] == "suspended"


async def test_needs_no_scope_and_no_acting_user(shared: Service) -> None:
    response = await shared.ask(
        CITY,
        "/mijnToegang",
        scopes=(),
        headers={"X-Magda-Enduser-ID": "", "X-Functieprofiel": "", "Content-Type": ""},
    )

    record = shared.records()[-1]
    assert response.status_code == 200
    assert response.headers["cache-control"] == "no-store"
    assert (record["type"], record["operation"]) == ("access", "getMijnToegang")
    assert (record["outcome"], record["status"]) == ("allowed", 200)
    assert not {"asOf", "subject", "user", "parameters"} & set(record)


@pytest.mark.parametrize(
    "query",
    [
        "?datum=",
        "?datum=2026-02-30",
        "?datum=vandaag",
        "?datum=2026-06-01&datum=2026-06-01",
        "?datum=%D9%A2%D9%A0%D9%A2%D9%A6-01-01",
        "?datum=2026-06-01T00:00:00Z",
    ],
)
async def test_takes_one_date(shared: Service, query: str) -> None:
    response = await shared.ask(CITY, f"/mijnToegang{query}")

    assert response.status_code == 400
    [issue] = response.json()["issues"]
    assert (issue["in"], issue["name"]) == ("query", "datum")
    record = shared.records()[-1]
    assert record["parameters"] == ["datum"]


async def test_refuses_a_parameter_that_it_does_not_have(shared: Service) -> None:
    response = await shared.ask(CITY, "/mijnToegang?datum=2026-06-01&geheimveld=1")

    [issue] = response.json()["issues"]
    record = shared.records()[-1]
    assert (issue["in"], issue.get("name")) == ("query", None)
    assert record["parameters"] == ["datum"]
    assert "geheimveld" not in response.text


@pytest.fixture
async def production(own_folder: Path) -> AsyncIterator[Service]:
    made = make_production(own_folder, persons=1)
    yield made
    await made.close()


@pytest.mark.parametrize(
    ("organisation", "standing"),
    [(CITY, "open"), (GENK, "functionProfile"), (AVSB, "legalGroundEnded")],
)
async def test_shows_in_production_what_the_operator_must_still_set(
    production: Service, organisation: str, standing: str
) -> None:
    [item] = await ask(production, organisation)

    assert item["nu"] == standing
    assert "vanaf" not in item
