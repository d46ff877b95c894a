"""`ongewoon` in `queryToegangen`: what the auditor looks at first, and nobody else sees."""

from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from service import AUDIT, AUDIT_OWN, AUDITOR, CITY, FUND, OTHER_FUND, Service, insz_of
from test_toegangen import find

from app.demo_persons import MEMBER_NOK, NON_RESIDENT

MANY = [insz_of(f"8507301{number:02}") for number in range(11)]


async def ask_dates(service: Service, *days: str, organisation: str = FUND) -> list[str]:
    """The ids of advices for these days of 2024, a week after each other."""
    ids = []
    for day in days:
        answer = await service.advice(organisation, MEMBER_NOK, f"2024-01-{day}")
        assert answer.status_code in (200, 403)
        ids.append(service.records()[-1]["eventId"])
        service.clock.forward(days=7)
    return ids


def marks(found: dict[str, Any]) -> dict[str, list[str]]:
    """The signs of the items that have them, by their id."""
    return {item["eventId"]: item["ongewoon"] for item in found["items"] if "ongewoon" in item}


async def test_marks_a_fourth_test_date_for_one_person(service_on_each: Service) -> None:
    service = service_on_each
    ids = await ask_dates(service, "01", "02", "03", "01", "04", "05")
    await ask_dates(service, "06", organisation=OTHER_FUND)

    found = await find(service, organisatie=FUND)
    by_person = await find(service, insz=MEMBER_NOK.digits)
    newest = await find(service, organisatie=FUND, pageSize=1)

    assert marks(found) == marks(by_person) == {ids[4]: ["toetsdata"], ids[5]: ["toetsdata"]}
    assert marks(newest) == {ids[5]: ["toetsdata"]}
    assert not [page for page in (found, by_person, newest) if "ongewoonOnvolledig" in page]


async def test_marks_a_day_with_far_more_persons(service_on_each: Service) -> None:
    service = service_on_each
    for insz in MANY:
        await service.dossier(CITY, insz)

    found = await find(service, organisatie=CITY)
    assert [*marks(found).values()] == [["personenPerDag"]] * 11

    service.clock.forward(days=1)
    await service.dossier(CITY, MANY[0])
    found = await find(service, organisatie=CITY)
    assert len(found["items"]) == 12
    assert "ongewoon" not in found["items"][0]


async def test_an_item_can_have_both(service: Service) -> None:
    ids = await ask_dates(service, "01", "02", "03")
    for insz in MANY:
        await service.advice(FUND, insz)
    ids += await ask_dates(service, "04")

    found = marks(await find(service, organisatie=FUND))

    assert found.pop(ids[3]) == ["toetsdata", "personenPerDag"]
    assert [*found.values()] == [["personenPerDag"]] * 11


async def test_what_is_usual_has_no_mark(service: Service) -> None:
    await ask_dates(service, "01", "02", "03")
    for insz in MANY[:10]:
        await service.dossier(CITY, insz)

    found = await find(service, van="2026-05-31T00:00:00Z", tot="2026-06-30T00:00:00Z")

    assert len(found["items"]) >= 13
    assert marks(found) == {}


async def test_an_organisation_is_not_told(service: Service) -> None:
    """It could tell that two of its numbers are one person, and how we look at it."""
    await ask_dates(service, "01", "02", "03", "04")
    for insz in MANY:
        await service.advice(FUND, insz)

    own = await find(service, AUDIT_OWN, organisation=FUND, organisatie=FUND)
    full = await find(service, AUDIT, organisation=FUND, organisatie=FUND)
    both = await find(service, AUDIT, AUDIT_OWN, organisation=FUND, organisatie=FUND)

    assert len(marks(full)) == len(marks(both)) == 12
    assert len(own["items"]) == 15
    assert "ongewoon" not in str(own)


async def test_only_the_page_is_marked(service: Service) -> None:
    [*_, last] = await ask_dates(service, "01", "02", "03", "04")

    found = marks(await find(service, organisatie=FUND))
    one = await service.ask(AUDITOR, f"/toegangen/{last}", scopes=(AUDIT,))

    assert found == {last: ["toetsdata"]}
    assert "ongewoon" not in one.json()
    assert "ongewoon" not in str(service.records())


async def test_a_key_that_cannot_be_read_hides_no_records(
    service: Service, own_folder: Path
) -> None:
    ids = await ask_dates(service, "01", "02", "03", "04")
    service.clock.forward(days=7)
    service.office.keys.create(service.clock.now, months=2)
    await service.dossier(CITY, NON_RESIDENT)
    (own_folder / "month-keys" / "2026-06.key").write_text("x")

    dated = await find(service, organisatie=FUND)
    others = await find(service, organisatie=CITY)

    assert [item["eventId"] for item in dated["items"]] == ids[::-1]
    assert (marks(dated), dated["ongewoonOnvolledig"]) == ({}, True)
    assert "ongewoonOnvolledig" not in others


@pytest.mark.parametrize("days", [364, 365])
async def test_a_year_has_365_days(service: Service, days: int) -> None:
    start = service.clock.now
    for number in range(15):
        service.office.keys.create(start + timedelta(days=28 * number), months=1)
    for day in ("01", "02", "03"):
        await service.advice(FUND, MEMBER_NOK, f"2024-01-{day}")
    service.clock.forward(days=days)
    await service.advice(FUND, MEMBER_NOK, "2024-01-04")

    found = marks(await find(service, organisatie=FUND))

    assert len(found) == (days == 364)
