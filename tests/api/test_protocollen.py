"""`/protocollen`: the register, for everybody."""

from datetime import date
from typing import Any

import pytest
from service import BASE, CITY, PROTOCOLS, Service

from app import administration, documents
from app.agreement import Document
from app.demo_persons import RESIDENT_WITH_CERTIFICATE
from app.protocols import Source

AS_PAGE = {"Accept": "text/html"}
IDS = [
    *("avsb-2021", "genk-2021", "mechelen-2021", "vdab-2023"),
    *("voorbeelddorp-2026", "voorbeeldstad-2026"),
]


async def load(service: Service, protocol: str, **changes: Any) -> None:
    """Load a version of a protocol of the register with some of its keys changed."""
    path = f"{BASE}/protocollen/{protocol}"
    document = (await service.client.get(path)).json()["document"]
    content = documents.from_data({**document, **changes})
    source = Source(PROTOCOLS / f"{protocol}.yaml", content)
    administration.load(service.office, [source], service.clock.now)


async def test_lists_every_protocol_for_everybody(service_on_each: Service) -> None:
    response = await service_on_each.client.get(f"{BASE}/protocollen")

    items = response.json()["items"]
    assert response.status_code == 200
    assert [item["id"] for item in items] == [*IDS, "wetteren-2023"]
    assert all(item["hash"].startswith("sha256:") for item in items)
    assert all(item["href"] == f"{BASE}/protocollen/{item['id']}?versie=1" for item in items)
    over = {item["id"] for item in items if item["toestand"] == "beeindigd"}
    assert over == {"mechelen-2021", "wetteren-2023"}
    assert {item["toestand"] for item in items if item["id"] not in over} == {"vanKracht"}
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
    document = documents.parse(file.read_text())
    assert isinstance(document, Document)
    found = response.json()
    assert found["document"] == documents.as_data(document)
    assert found["hash"] == documents.document_hash(document)


async def test_gives_the_hash_that_the_answer_its_record_and_the_page_name(
    service: Service,
) -> None:
    answer = await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
    await load(service, "voorbeeldstad-2026", versie="2")
    named, [record] = answer.json()["protocol"], service.records()
    address = f"{BASE}/protocollen/{named['id']}?versie={named['versie']}"

    data = (await service.client.get(address)).json()
    page = (await service.client.get(address, headers={"Accept": "text/html"})).text
    now = (await service.client.get(f"{BASE}/protocollen/{named['id']}")).json()

    assert record["protocolHash"] == named["hash"] == data["hash"]
    assert f"<dd><code>{record['protocolHash']}</code>" in page
    assert (now["versie"], now["hash"] == data["hash"]) == ("2", False)


async def test_keeps_every_version_readable(service: Service) -> None:
    await load(service, "genk-2021", versie="2", geldigVan="2026-06-03", titel="Tweede")
    service.clock.forward(days=5)

    items = (await service.client.get(f"{BASE}/protocollen")).json()["items"]
    first, second = [item for item in items if item["id"] == "genk-2021"]
    old = (await service.client.get(first["href"])).json()
    new = (await service.client.get(f"{BASE}/protocollen/genk-2021")).json()

    assert (first["toestand"], first["geldigTot"]) == ("vervangen", "2026-06-02")
    assert (second["toestand"], second["geldigVan"]) == ("vanKracht", "2026-06-03")
    assert (old["document"]["versie"], new["document"]["versie"]) == ("1", "2")
    assert new["titel"] == "Tweede" != old["titel"]
    told = ("versie", "hash", "geldigVan", "geldigTot", "toestand", "href")
    versions = [{name: item[name] for name in told if name in item} for item in (first, second)]
    assert old["versies"] == new["versies"] == versions
    assert (await service.client.get(first["href"], headers=AS_PAGE)).status_code == 200


async def test_gives_what_is_to_come_by_its_version_only(service: Service) -> None:
    await load(service, "genk-2021", versie="2", geldigVan="2026-06-03")

    now = (await service.client.get(f"{BASE}/protocollen/genk-2021")).json()
    coming = (await service.client.get(f"{BASE}/protocollen/genk-2021?versie=2")).json()

    assert (now["versie"], now["toestand"]) == ("1", "vanKracht")
    assert (coming["versie"], coming["toestand"]) == ("2", "toekomstig")


async def test_never_shows_a_draft(service: Service) -> None:
    await load(service, "genk-2021", versie="2", status="concept", titel="Geheim ontwerp")
    await load(service, "genk-2021", id="ontwerp-2026", status="concept", titel="Geheim ontwerp")

    answers = [
        await service.client.get(f"{BASE}/protocollen{rest}", headers=headers)
        for rest in ("", "/genk-2021", "/genk-2021?versie=2", "/ontwerp-2026")
        for headers in ({}, AS_PAGE)
    ]

    assert [answer.status_code for answer in answers] == [200] * 4 + [404] * 4
    assert [answer for answer in answers if "Geheim" in answer.text] == []
    assert [answer for answer in answers if "versie=2" in answer.text] == []


async def test_says_what_stands_outside_the_document(service: Service) -> None:
    office, now = service.office, service.clock.now
    administration.suspend(office, "avsb-2021", "onderzoek", now)
    purpose, other = "zorgbudgetZwaarZorgbehoevenden", "verlaagdePremie"
    administration.settle_legal_ground(office, "avsb-2021", purpose, None, now)
    administration.settle_legal_ground(office, "avsb-2021", other, date(2023, 7, 20), now)
    administration.end(office, "avsb-2021", now, last=date(2026, 12, 31))
    administration.settle_start(office, "vdab-2023", "samenwerkingVan", date(2022, 3, 1), now)

    avsb = (await service.client.get(f"{BASE}/protocollen/avsb-2021")).json()
    vdab = (await service.client.get(f"{BASE}/protocollen/vdab-2023")).json()

    assert (avsb["toestand"], avsb["geschorstSinds"]) == ("geschorst", "2026-06-01")
    assert (avsb["beeindigdOp"], avsb["geldigTot"]) == ("2026-12-31", "2026-12-31")
    assert avsb["rechtsgrondTot"] == {purpose: "geen", other: "2023-07-20"}
    assert (vdab["samenwerkingVan"], vdab["geldigTot"]) == ("2022-03-01", "2027-02-28")


@pytest.mark.parametrize("path", ["", "/genk-2021"])
@pytest.mark.parametrize(
    ("accept", "kind"),
    [
        (None, "application/json"),
        ("*/*", "application/json"),
        ("application/json, text/html", "application/json"),
        ("text/html;q=0.5, application/json;q=0.5", "application/json"),
        ("text/html;q=0, */*", "application/json"),
        ("application/*", "application/json"),
        ("text/html", "text/html; charset=utf-8"),
        ("TEXT/HTML;level=1", "text/html; charset=utf-8"),
        ("text/*;q=0.2, application/json;q=0.1", "text/html; charset=utf-8"),
        ("application/json;q=0, */*;q=0.1", "text/html; charset=utf-8"),
        ("text/html,application/xhtml+xml,*/*;q=0.8", "text/html; charset=utf-8"),
        ("image/png, text/html;q=0", "application/problem+json"),
        ("", "application/problem+json"),
    ],
)
async def test_comes_in_the_form_that_is_preferred(
    shared: Service, path: str, accept: str | None, kind: str
) -> None:
    if accept is None:
        del shared.client.headers["accept"]
    headers = {} if accept is None else {"Accept": accept}
    response = await shared.client.get(f"{BASE}/protocollen{path}", headers=headers)
    shared.client.headers["accept"] = "*/*"

    assert response.headers["content-type"] == kind
    assert response.headers.get("vary") == (None if "problem" in kind else "Accept")


async def test_lets_a_browser_do_nothing_with_a_page_but_show_it(shared: Service) -> None:
    for path in ("", "/genk-2021"):
        response = await shared.client.get(f"{BASE}/protocollen{path}", headers=AS_PAGE)

        policy = response.headers["content-security-policy"]
        assert policy.startswith("default-src 'none'; style-src 'sha256-")
        assert "unsafe" not in policy
        assert response.headers["x-content-type-options"] == "nosniff"


@pytest.mark.parametrize(
    "query", ["versie=", "versie=_", "versie=1%0A", "versie=1&versie=1", "versie=1&x=1", "Versie=1"]
)
@pytest.mark.parametrize("accept", ["application/json", "text/html"])
async def test_asks_for_one_version_in_its_own_form(
    shared: Service, query: str, accept: str
) -> None:
    response = await shared.client.get(
        f"{BASE}/protocollen/genk-2021?{query}", headers={"Accept": accept}
    )

    assert response.status_code == 400
    assert response.headers["content-type"] == "application/problem+json"
    assert [issue["in"] for issue in response.json()["issues"]] == ["query"]


@pytest.mark.parametrize(
    "path", ["onbekend", "GENK-2021", "genk-2021/1", "..%2Fgenk-2021", "genk-2021?versie=2"]
)
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
            ("GET", "/genk-2021?pagina=2", {}),
            ("GET", "", {"Accept": "image/png"}),
            ("GET", "", {"Authorization": "Bearer abc"}),
        )
    ]

    assert [each.status_code for each in asked] == [405, 405, 400, 400, 406, 200]
    assert asked[0].headers["allow"] == "GET"
    assert all("pagina" not in each.text for each in asked[:5])
    assert not service.records()


async def test_follows_the_register_without_a_request_that_records(service: Service) -> None:
    other = service.restart()
    file = PROTOCOLS / "genk-2021.yaml"
    newer = documents.parse(file.read_text().replace('versie: "1"', 'versie: "2"', 1))
    administration.load(service.office, [Source(file, newer)], service.clock.now)

    for process in (service, other):
        response = await process.client.get(f"{BASE}/protocollen")
        versions = [
            item["versie"] for item in response.json()["items"] if item["id"] == "genk-2021"
        ]
        assert versions == ["1", "2"]
    await other.close()
