"""The naive service gives the answers of ours and leaves the same records: only then is it one to
compare with."""

import json
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
from service import ADVICE, CITY, DOSSIER, FUND, NOW, Service, make_service

from bench import dataset
from bench.naive.app import Caller, create_app, current_caller
from bench.rig import Rig

PERSONS = 130
DIFFERS = {"eventId", "traceId", "spanId", "correlationId", "credential", "responseDigest"}
DIFFERS |= {"serviceVersion", "node", "detailDigest", "parentId"}
# Ours says of a whole batch what it asked, and blinds the reasons that look alike.
OWN = {"blind"}


@dataclass
class Both:
    """The two services on the same persons."""

    ours: Service
    naive: Any
    client: httpx.AsyncClient
    caller: Caller

    async def ask(self, organisation: str, path: str, body: Any) -> tuple[int, Any, int, Any]:
        """Status and answer of ours, then of the naive one."""
        self.caller.organisation = self.caller.client = organisation
        mine = await self.ours.ask(organisation, path, body)
        headers = {"X-Magda-Enduser-ID": "ambtenaar-7", "X-Functieprofiel": "trajectondersteuner"}
        other = await self.client.post(f"/inburgering/v1{path}", json=body, headers=headers)
        return mine.status_code, mine.json(), other.status_code, other.json()

    def records(self) -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
        """All records of both."""
        engine = self.naive.state.service.engine
        with engine.connect() as connection:
            rows = connection.exec_driver_sql("SELECT record FROM access_record ORDER BY id")
            return self.ours.records(), [json.loads(row[0]) for row in rows]


@pytest.fixture
async def both(own_folder: Path, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[Both]:
    """Both services, in this process, on SQLite."""
    url = f"sqlite:///{own_folder}/protocolpoort.db"
    ours = make_service(url, own_folder, persons=0)
    rig = Rig(own_folder, url, f"sqlite:///{own_folder}/naive.db", PERSONS)
    rig.make_issuer()
    rig.make_naive(NOW)
    dataset.fill(rig.ours, rig.naive, PERSONS, NOW)
    ours.clock.forward(seconds=1)
    environment = {**rig.naive_environment, "NAIVE_MONTH_KEYS": str(own_folder / "month-keys")}
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    naive = create_app(clock=ours.clock)
    caller = Caller(organisation=CITY, client=CITY, scopes=[DOSSIER, ADVICE], credential="sha256:0")
    naive.dependency_overrides[current_caller] = lambda: caller
    transport = httpx.ASGITransport(naive)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield Both(ours, naive, client, caller)
    naive.state.service.engine.dispose()
    await ours.close()


def question(place: int) -> dict[str, Any]:
    """About the dossier of one person."""
    insz = dataset.number(place)
    return {"insz": insz, "doeleinde": "lokaalIntegratiebeleid", "referte": f"ref-{place}"}


def case(place: int) -> dict[str, Any]:
    """About the obligation of one person."""
    more = {"doeleinde": "zorgbudgetZwaarZorgbehoevenden", "toetsdatum": "2026-05-31"}
    return {**question(place), **more}


def compared(record: dict[str, Any]) -> dict[str, Any]:
    """What has to be the same; of what differs that it is there."""
    return {
        name: "" if name in DIFFERS else value for name, value in record.items() if name not in OWN
    }


async def test_the_same_dossiers_and_the_same_refusals(both: Both) -> None:
    for place in range(PERSONS):
        status, mine, other_status, other = await both.ask(CITY, "/dossiers/query", question(place))

        assert status == other_status, place
        if status == 200:
            assert {**mine, "id": "", "meldingen": []} == {**other, "id": "", "meldingen": []}
            assert mine["dossier"] == dataset.document(
                place,
                both.ours.app.state.desk.gate.register.covering(
                    CITY, "lokaalIntegratiebeleid", NOW.date()
                ).fields,
                NOW.date(),
            )

    ours, naive = both.records()
    for one, other in zip(ours, naive, strict=True):
        assert compared(one) == compared(other)
    assert {each["status"] for each in ours} == {200, 403, 404}


async def test_the_same_advices_and_the_same_refusals(both: Both) -> None:
    for place in range(PERSONS):
        status, mine, other_status, other = await both.ask(FUND, "/adviezen/query", case(place))

        assert status == other_status, place
        if status == 200:
            ids = {"id": "", "correlationId": ""}
            assert {**mine, **ids} == {**other, **ids}

    ours, naive = both.records()
    for one, other in zip(ours, naive, strict=True):
        assert compared(one) == compared(other)
    assert {each["status"] for each in ours} == {200, 403, 409}


async def test_the_same_batches(both: Both) -> None:
    persons = [{"insz": dataset.number(place), "referte": f"ref-{place}"} for place in range(100)]
    bodies = (
        (CITY, "/dossiers/queryBatch", question(0)),
        (FUND, "/adviezen/queryBatch", case(0)),
    )
    for organisation, path, body in bodies:
        body = {**{name: body[name] for name in body if name != "insz"}, "vragen": persons}

        status, mine, other_status, other = await both.ask(organisation, path, body)

        assert status == other_status == 200
        for one, item in zip(mine["items"], other["items"], strict=True):
            assert one["status"] == item["status"]
            assert ("antwoord" in one) == ("antwoord" in item)
    ours, naive = both.records()
    assert len(ours) == len(naive) == 202


@pytest.mark.parametrize(
    ("token", "status"), [("signed", 403), ("nonsense", 401), ("", 401)]
)  # 403: what is signed is not in force on the day of the clock
async def test_the_naive_service_verifies_each_token(both: Both, token: str, status: int) -> None:
    rig = Rig(Path(), both.ours.settings.database_url, "", PERSONS)
    rig.issue_tokens()
    signed = rig.tokens("zorgkas-voorbeeld")[0]
    both.naive.dependency_overrides.clear()

    headers = {
        "Authorization": f"Bearer {signed if token == 'signed' else token}",
        "X-Magda-Enduser-ID": "ambtenaar-7",
    }
    answer = await both.client.post(
        "/inburgering/v1/dossiers/query", json=question(0), headers=headers
    )

    assert answer.status_code == status
