"""`/protocollen`: the register, for everybody."""

import pytest
from service import BASE, CITY, PROTOCOLS, Service

from app import administration, agreement
from app.agreement import Document
from app.demo_persons import RESIDENT_WITH_CERTIFICATE
from app.protocols import Source

IDS = ["avsb-2021", "genk-2021", "mechelen-2021", "vdab-2023", "voorbeeldstad-2026"]


async def test_lists_every_protocol_for_everybody(service_on_each: Service) -> None:
    response = await service_on_each.client.get(f"{BASE}/protocollen")

    items = response.json()["items"]
    assert response.status_code == 200
    assert [item["id"] for item in items] == [*IDS, "wetteren-2023"]
    assert all(item["hash"].startswith("sha256:") for item in items)
    assert all(item["href"] == f"{BASE}/protocollen/{item['id']}" for item in items)
    ends = {item["id"]: item.get("geldigTot") for item in items}
    assert ends == {
        **dict.fromkeys(IDS),
        "mechelen-2021": "2022-06-30",
        "wetteren-2023": "2023-12-31",
    }


@pytest.mark.parametrize("protocol", [*IDS, "wetteren-2023"])
async def test_gives_the_document_that_decides(shared: Service, protocol: str) -> None:
    response = await shared.client.get(f"{BASE}/protocollen/{protocol}")

    [file] = PROTOCOLS.rglob(f"{protocol.removesuffix('-2026')}.yaml")
    document = agreement.parse(file.read_text())
    assert isinstance(document, Document)
    found = response.json()
    assert found["document"] == agreement.as_data(document)
    assert found["hash"] == agreement.document_hash(document)


async def test_gives_the_hash_that_an_answer_names(shared: Service) -> None:
    answer = await shared.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
    named = answer.json()["protocol"]

    found = await shared.client.get(named["href"])

    assert {name: found.json()[name] for name in named} == named


@pytest.mark.parametrize("path", ["onbekend", "GENK-2021", "genk-2021/1", "..%2Fgenk-2021"])
async def test_knows_no_other_protocol(shared: Service, path: str) -> None:
    response = await shared.client.get(f"{BASE}/protocollen/{path}")

    assert response.status_code == 404
    assert response.json()["type"] == "urn:problem-type:belgif:resourceNotFound"
    assert "instance" not in response.json()


async def test_refuses_what_it_does_not_have_and_records_nothing(service: Service) -> None:
    asked = [
        await service.client.request(method, f"{BASE}/protocollen{rest}", headers=headers)
        for method, rest, headers in (
            ("POST", "", {}),
            ("DELETE", "/genk-2021", {}),
            ("GET", "?pagina=2", {}),
            ("GET", "/genk-2021?versie=2", {}),
            ("GET", "", {"Accept": "image/png"}),
            ("GET", "", {"Authorization": "Bearer abc"}),
        )
    ]

    assert [each.status_code for each in asked] == [405, 405, 400, 400, 406, 200]
    assert asked[0].headers["allow"] == "GET"
    assert all("pagina" not in each.text and "versie=" not in each.text for each in asked[:5])
    assert not service.records()


async def test_follows_the_register_without_a_request_that_records(service: Service) -> None:
    other = service.restart()
    file = PROTOCOLS / "genk-2021.yaml"
    newer = agreement.parse(file.read_text().replace('versie: "1"', 'versie: "2"', 1))
    administration.load(service.office, [Source(file, newer)], service.clock.now)

    for process in (service, other):
        response = await process.client.get(f"{BASE}/protocollen")
        versions = [
            item["versie"] for item in response.json()["items"] if item["id"] == "genk-2021"
        ]
        assert versions == ["1", "2"]
    await other.close()
