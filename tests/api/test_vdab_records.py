"""The exchange with VDAB as an auditor reads it over HTTP, and as the person herself does."""

from pathlib import Path

import pytest
from service import AUDIT, AUDITOR, BASE, Service
from vdab_world import AGENCIES, World, make_world, number, quiet

from app import vdab_release
from app.insz import Insz
from app.monitoring import ORGANISATION
from app.vdab import ExchangeRefused


@pytest.fixture
def world(service_on_each: Service, tmp_path: Path) -> World:
    """A round that is done, beside a service that answers; the log of both has the same keys."""
    keys = service_on_each.office.keys
    made = make_world(service_on_each.office.database, tmp_path / "vdab", keys)
    made.add([number(at) for at in range(10)])
    with pytest.raises(ExchangeRefused):
        vdab_release.release(made.post, 5, quiet)
    made.take_in(made.answer(made.export()))
    vdab_release.release(made.post, 5, quiet)
    return made


async def test_an_auditor_reads_every_record_of_a_round(
    service_on_each: Service, world: World
) -> None:
    found = []
    for body in (ORGANISATION, *AGENCIES):
        page = await service_on_each.ask(
            AUDITOR,
            "/toegangen/query",
            {"organisatie": body, "aanleiding": "nazicht"},
            scopes=(AUDIT,),
        )
        assert page.status_code == 200, page.text
        found += page.json()["items"]

    operations = [one["operation"] for one in found]
    assert {"vdabTakeIn", "vdabRelease", "vdabRemove", "exchangeVdab"} == set(operations)
    assert sum("fileDigest" in one for one in found) == 7
    assert sum("subject" in one for one in found) >= 10


async def test_a_person_sees_that_vdab_was_told_her_number(
    service_on_each: Service, world: World
) -> None:
    token = service_on_each.issuer.issue_citizen(Insz(number(3)), service_on_each.clock.now)

    page = await service_on_each.client.get(
        f"{BASE}/mijnRaadplegingen", headers={"Authorization": f"Bearer {token}"}
    )

    [item] = page.json()["items"]
    assert (item["organisatie"], item["dienst"]) == (ORGANISATION, "exchangeVdab")
    assert item["protocol"]["id"] == "vdab-2023"
