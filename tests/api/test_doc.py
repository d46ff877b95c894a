"""What stands under `/doc` beside the contract."""

from service import ROOT, Service


async def test_the_format_of_a_protocol_is_published(shared: Service) -> None:
    answer = await shared.client.get("/doc/protocolpoort-protocol-1.schema.json")

    assert answer.status_code == 200
    assert answer.headers["Content-Type"] == "application/schema+json"
    assert (
        answer.content == (ROOT / "openapi" / "protocolpoort-protocol-1.schema.json").read_bytes()
    )
