"""News reaches the webhook of a receiver, signed and once, whatever else is down."""

import asyncio
import base64
import hmac
import json
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
import variants
from programs import free_port
from receiving import Receiver, receiving
from service import AVSB, FUND, GENK, NOW, OTHER_FUND, Service, closed_log
from sqlalchemy.exc import DBAPIError

from app import answering, delivering, notice_view, notices
from app.answering import Discovery
from app.delivering import Attempt
from app.notice_rules import PAUSES, Event, IncidentKind
from app.visit import new_event_id
from app.webhooks import Webhook

SECRETS = (bytes(24), bytes(range(32)))  # one takes over from the other


@pytest.fixture
def receiver() -> Iterator[Receiver]:
    with receiving() as made:
        yield made


def tell(service: Service, *organisations: str) -> list[str]:
    """Let the agency report an incident to these; the ids of the notifications."""
    discovery = Discovery(
        "avsb-2021", IncidentKind.INCIDENT, NOW, "een lek", organisations, client="geheim"
    )
    id_, _ = answering.open_incident(service.office, discovery, service.clock.now)
    with service.office.database.reading() as session:
        return [row.id for row in notices.told_of(session, id_)]


async def deliver(service: Service, **urls: str) -> list[Attempt]:
    """One run; the name of an argument is that of the organisation."""
    receivers = {name.replace("_", "-"): Webhook(url, SECRETS) for name, url in urls.items()}
    return await run(service, receivers)


async def run(service: Service, receivers: Mapping[str, Webhook]) -> list[Attempt]:
    """One run with these webhooks."""
    ended: list[Attempt] = []
    async with delivering.new_client() as client:
        await delivering.deliver(service.office, receivers, service.clock, client, ended.append)
    return ended


def standing(service: Service) -> dict[str, str]:
    """How far each notification came, by organisation."""
    with service.office.database.reading() as session:
        rows = [
            row
            for incident in notices.every_incident(session)
            for row in notices.told_of(session, incident.id)
        ]
        return {row.organisation: notice_view.standing(row) for row in rows}


def delivered(service: Service) -> list[dict[str, Any]]:
    """The records of what arrived."""
    return [each for each in service.records() if each["operation"] == "noticeDeliver"]


async def test_news_is_signed_and_says_nothing_of_anybody(
    service_on_each: Service, receiver: Receiver
) -> None:
    service = service_on_each
    [id_] = tell(service, FUND)

    [attempt] = await deliver(service, zorgkas_voorbeeld=receiver.url)

    [(headers, body)] = receiver.got
    signed = f"{id_}.{int(NOW.timestamp())}.".encode() + body
    digests = [hmac.digest(each, signed, "sha256") for each in SECRETS]
    signatures = [f"v1,{base64.b64encode(digest).decode()}" for digest in digests]
    assert headers["webhook-id"] == id_
    assert headers["webhook-timestamp"] == str(int(NOW.timestamp()))
    assert headers["webhook-signature"].split() == signatures
    assert headers["content-type"] == "application/json"
    assert json.loads(body) == {
        "type": "melding.nieuw",
        "timestamp": "2026-06-01T09:30:00.000Z",
        "data": {"id": id_, "href": "/inburgering/v1/meldingen"},
    }
    assert attempt == Attempt(id_, FUND, "HTTP 204", arrived=True)
    assert standing(service) == {FUND: "afgeleverd"}
    [record] = delivered(service)
    assert (record["type"], record["parentId"], record["organisation"]) == ("notice", id_, FUND)


async def test_a_municipality_takes_the_news_of_what_went_on_in_it(
    service_on_each: Service, receiver: Receiver
) -> None:
    service = service_on_each
    discovery = Discovery("genk-2021", IncidentKind.INCIDENT, NOW, "een lek", [GENK])
    answering.open_incident(service.office, discovery, service.clock.now)
    receivers = {"nis:99005": Webhook(receiver.url, SECRETS)}
    before = await run(service, receivers)
    variants.load(service, variants.merged("71016", "99005"))

    [attempt] = await run(service, receivers)

    assert before == []
    assert (attempt.organisation, attempt.arrived, len(receiver.got)) == (GENK, True, 1)
    assert standing(service) == {GENK: "afgeleverd"}


async def test_what_went_on_in_another_keeps_a_webhook_of_its_own(
    service: Service, receiver: Receiver
) -> None:
    discovery = Discovery("genk-2021", IncidentKind.INCIDENT, NOW, "een lek", [GENK])
    answering.open_incident(service.office, discovery, service.clock.now)
    variants.load(service, variants.merged("71016", "99005"))
    with receiving() as elsewhere:
        receivers = {GENK: Webhook(receiver.url, SECRETS)}

        await run(service, {**receivers, "nis:99005": Webhook(elsewhere.url, SECRETS)})

    assert (len(receiver.got), elsewhere.got) == (1, [])


async def test_one_that_takes_the_news_of_another_has_no_more_turns_than_who_does_not(
    service: Service, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delivering, "TOGETHER", 2 * delivering.EACH)
    variants.load(service, variants.merged("71016", "99005"))
    for _ in range(2 * delivering.EACH):
        discovery = Discovery("genk-2021", IncidentKind.INCIDENT, NOW, "een lek", [GENK])
        answering.open_incident(service.office, discovery, service.clock.now)
    with service.office.database.writing() as session:
        names = ("nis:99005", GENK)
        for id_ in [new_event_id(NOW) for _ in range(delivering.EACH)]:
            notices.notify(session, id_, id_, Event.INCIDENT, names[0], [], NOW)
    tell(service, FUND)
    with receiving() as hangs:
        hangs.waits = 0.5
        receivers = {names[0]: Webhook(hangs.url, SECRETS), FUND: Webhook(receiver.url, SECRETS)}

        ended = await run(service, receivers)

    assert ended[0].organisation == FUND
    assert len(ended) == 3 * delivering.EACH + 1


async def test_what_arrived_is_not_sent_again(service: Service, receiver: Receiver) -> None:
    tell(service, FUND)

    await deliver(service, zorgkas_voorbeeld=receiver.url)
    service.clock.forward(days=10)
    again = await deliver(service, zorgkas_voorbeeld=receiver.url)

    assert (again, len(receiver.got), len(delivered(service))) == ([], 1, 1)


async def test_what_was_fetched_is_not_sent(service: Service, receiver: Receiver) -> None:
    tell(service, FUND)
    await service.ask(FUND, "/meldingen", scopes=("inb_melding_v1_G",))

    assert await deliver(service, zorgkas_voorbeeld=receiver.url) == []
    assert standing(service) == {FUND: "opgehaald"}


@pytest.mark.parametrize("status", [301, 307, 400, 404, 410, 500, 503])
async def test_a_failure_is_kept_and_tried_again_later(
    service: Service, receiver: Receiver, status: int
) -> None:
    tell(service, FUND)
    receiver.status = status

    [failed] = await deliver(service, zorgkas_voorbeeld=receiver.url)
    too_soon = await deliver(service, zorgkas_voorbeeld=receiver.url)
    known = standing(service)
    receiver.status = 200
    service.clock.forward(minutes=1)
    [arrived] = await deliver(service, zorgkas_voorbeeld=receiver.url)

    assert (failed.arrived, failed.result, too_soon) == (False, f"HTTP {status}", [])
    assert known == {FUND: f"1 poging: HTTP {status}"}
    assert arrived.arrived
    first, second = receiver.got
    assert first[0]["webhook-id"] == second[0]["webhook-id"]
    assert first[0]["webhook-signature"] != second[0]["webhook-signature"]
    assert first[1] == second[1]
    assert len(delivered(service)) == 1


async def test_no_redirect_is_followed(service: Service, receiver: Receiver) -> None:
    tell(service, FUND)
    with receiving() as elsewhere:
        receiver.status, receiver.headers = 307, {"location": elsewhere.url}

        [attempt] = await deliver(service, zorgkas_voorbeeld=receiver.url)

    assert (attempt.arrived, elsewhere.got) == (False, [])


async def test_nothing_goes_through_a_proxy_of_the_environment(
    service: Service, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    tell(service, FUND)
    for name in ("http_proxy", "https_proxy", "all_proxy"):
        monkeypatch.setenv(name, f"http://127.0.0.1:{free_port()}")

    [attempt] = await deliver(service, zorgkas_voorbeeld=receiver.url)

    assert attempt.arrived


async def test_who_is_down_or_silent_keeps_nobody_waiting(
    service_on_each: Service, receiver: Receiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    service = service_on_each
    tell(service)
    monkeypatch.setattr(delivering, "SECONDS", 0.3)
    with receiving() as silent:
        silent.waits = 30

        ended = await deliver(
            service,
            **{
                AVSB: f"http://127.0.0.1:{free_port()}/x",
                FUND: silent.url,
                OTHER_FUND: receiver.url,
            },
        )

    assert {one.organisation: one.result for one in ended} == {
        AVSB: "geen verbinding (ConnectError)",
        FUND: "geen antwoord",
        OTHER_FUND: "HTTP 204",
    }
    assert ended[-1].organisation == FUND
    assert standing(service)[FUND] == "1 poging: geen antwoord"


async def test_after_the_last_attempt_it_is_given_up_and_can_still_be_fetched(
    service: Service, receiver: Receiver
) -> None:
    tell(service, FUND)
    receiver.status = 500

    for pause in PAUSES:
        service.clock.now += pause
        await deliver(service, zorgkas_voorbeeld=receiver.url)
        service.office.keys.create(service.clock.now, months=2)
    service.clock.forward(days=9)
    service.office.keys.create(service.clock.now, months=2)
    [last] = await deliver(service, zorgkas_voorbeeld=receiver.url)
    service.clock.forward(days=30)
    service.office.keys.create(service.clock.now, months=2)

    assert not last.arrived
    assert await deliver(service, zorgkas_voorbeeld=receiver.url) == []
    assert standing(service) == {FUND: "9 pogingen: HTTP 500, opgegeven"}
    page = await service.ask(FUND, "/meldingen", scopes=("inb_melding_v1_G",))
    assert len(page.json()["items"]) == 1


async def test_two_runs_at_once_send_once(service_on_each: Service, receiver: Receiver) -> None:
    service = service_on_each
    tell(service, FUND)
    tell(service, FUND)
    receiver.waits = 0.2

    runs = await asyncio.gather(
        *(deliver(service, zorgkas_voorbeeld=receiver.url) for _ in range(3))
    )

    ids = [headers["webhook-id"] for headers, _ in receiver.got]
    assert (len(ids), len(set(ids)), sum(map(len, runs))) == (2, 2, 2)
    assert len(delivered(service)) == 2


async def test_what_a_killed_run_had_taken_is_sent_when_its_lease_has_ended(
    service_on_each: Service, receiver: Receiver
) -> None:
    service = service_on_each
    tell(service, FUND)
    with service.office.database.writing() as session:
        now = service.clock.now
        notices.claim(session, [[FUND]], now, now + delivering.LEASE, 5, 5)

    during = await deliver(service, zorgkas_voorbeeld=receiver.url)
    service.clock.now += delivering.LEASE
    after = await deliver(service, zorgkas_voorbeeld=receiver.url)

    assert (during, [one.arrived for one in after]) == ([], [True])


async def test_what_arrived_without_a_record_counts_as_not_arrived(
    service: Service, receiver: Receiver
) -> None:
    tell(service, FUND)

    with closed_log(service), pytest.raises(DBAPIError):
        await deliver(service, zorgkas_voorbeeld=receiver.url)
    service.clock.now += delivering.LEASE
    await deliver(service, zorgkas_voorbeeld=receiver.url)

    # At least once: the receiver knows by the id that it had it.
    assert len({headers["webhook-id"] for headers, _ in receiver.got}) == 1
    assert (len(receiver.got), len(delivered(service))) == (2, 1)


async def test_more_than_go_together_all_go(service: Service, receiver: Receiver) -> None:
    for _ in range(delivering.TOGETHER + 2):
        tell(service, FUND)

    ended = await deliver(service, zorgkas_voorbeeld=receiver.url)

    assert {one.result for one in ended} == {"HTTP 204"}
    assert len({one.id for one in ended}) == len(receiver.got) == delivering.TOGETHER + 2


async def test_who_has_no_webhook_is_not_called(service: Service, receiver: Receiver) -> None:
    tell(service)

    ended = await deliver(service, zorgkas_voorbeeld=receiver.url)

    assert [one.organisation for one in ended] == [FUND]
    assert standing(service)[AVSB] == "wacht"


async def test_a_name_that_is_none_costs_nobody_else(service: Service, receiver: Receiver) -> None:
    tell(service, FUND)
    tell(service, OTHER_FUND)

    ended = await deliver(
        service, zorgkas_voorbeeld="https://xn--a.example/", zorgkas_tweede=receiver.url
    )

    assert {one.organisation: one.arrived for one in ended} == {FUND: False, OTHER_FUND: True}


async def test_one_who_hangs_keeps_nobody_from_their_turn(
    service: Service, receiver: Receiver
) -> None:
    for _ in range(12):
        tell(service, FUND)
    tell(service, OTHER_FUND)
    office, now = service.office, service.clock.now
    with office.database.writing() as session:
        until = now + delivering.LEASE
        receivers = [[FUND], [OTHER_FUND]]
        taken = notices.claim(session, receivers, now, until, 8, delivering.EACH)
        assert [row.organisation for row in taken] == [FUND, FUND, OTHER_FUND]
