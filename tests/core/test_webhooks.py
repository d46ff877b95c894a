"""The file of webhooks, and how a receiver checks who sent it news."""

import base64
import hmac
import json
from datetime import UTC, datetime
from typing import Any

import pytest

from app import webhooks
from app.webhooks import MAXIMUM, Webhook, WebhooksInvalid, read_webhooks

SECRET = "whsec_" + base64.b64encode(bytes(range(32))).decode()
URL = "https://ontvanger.example/meldingen"


def file(url: Any = URL, secret: Any = SECRET, **more: Any) -> str:
    return json.dumps({"nis:71016": {"url": url, "secret": secret, **more}})


def signature(secret: bytes, signed: bytes) -> str:
    return "v1," + base64.b64encode(hmac.digest(secret, signed, "sha256")).decode()


@pytest.mark.parametrize("production", [True, False])
def test_reads_where_an_organisation_takes_news(production: bool) -> None:
    read = read_webhooks(file(), production=production)

    assert read == {"nis:71016": Webhook(URL, (bytes(range(32)),))}
    assert "secret" not in repr(read)


def test_a_new_secret_stands_before_the_one_that_it_takes_over_from() -> None:
    new = "whsec_" + base64.b64encode(bytes(24)).decode()

    read = read_webhooks(file(secret=[new, SECRET]), production=True)

    assert read == {"nis:71016": Webhook(URL, (bytes(24), bytes(range(32))))}
    assert read_webhooks(file(secret=[SECRET]), production=True) == read_webhooks(
        file(), production=True
    )


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:8001/x", "http://[::1]:8001/x", "http://localhost:8001/x"]
)
def test_the_demo_may_speak_with_this_machine_in_the_clear(url: str) -> None:
    assert read_webhooks(file(url), production=False)["nis:71016"].url == url
    with pytest.raises(WebhooksInvalid, match="nis:71016: url"):
        read_webhooks(file(url), production=True)


@pytest.mark.parametrize(
    "url",
    [
        "http://ontvanger.example/x",
        "http://192.0.2.1/x",
        "ftp://ontvanger.example/x",
        "https://",
        "https://een:wachtwoord@ontvanger.example/x",
        "https://ontvanger.example/x#y",
        "https://ontvanger.example:poort/x",
        "https://[::1/x",
        "https://ontvanger.example/een twee",
        "https://ontvanger.example/\u00e9",
        "https://ontvanger.example/90722501478",
        "ontvanger.example",
        7,
    ],
)
def test_an_address_that_is_not_safe_is_refused(url: Any) -> None:
    with pytest.raises(WebhooksInvalid, match=r"^nis:71016: url must be") as refused:
        read_webhooks(file(url), production=False)

    assert "ontvanger" not in str(refused.value)


@pytest.mark.parametrize(
    "secret",
    [
        None,
        base64.b64encode(bytes(32)).decode(),
        "whsec_",
        "whsec_*",
        "whsec_\u00e9",
        "whsec_" + base64.b64encode(bytes(23)).decode(),
        "whsec_" + base64.b64encode(bytes(65)).decode(),
        [],
        [SECRET] * 3,
        [SECRET, None],
        [SECRET, "whsec_" + base64.b64encode(bytes(23)).decode()],
        [[SECRET]],
    ],
)
def test_a_secret_that_is_none_is_refused_and_not_repeated(secret: Any) -> None:
    with pytest.raises(WebhooksInvalid, match=r"^nis:71016: secret must be") as refused:
        read_webhooks(file(secret=secret), production=False)

    assert "AAAA" not in str(refused.value)


@pytest.mark.parametrize(
    "text", ["", "[]", "{", '{"a": 1}', '{"a": {}}', '{"a": {}, "a": {}}', file(more=1)]
)
def test_a_file_that_is_none_is_refused(text: str) -> None:
    with pytest.raises(WebhooksInvalid):
        read_webhooks(text, production=False)


def test_signs_as_standard_webhooks_says() -> None:
    moment, body = datetime(2026, 6, 1, 9, 30, 0, 999, tzinfo=UTC), b'{"type": "x"}'

    headers = webhooks.headers_of([bytes(range(32))], "019e8291", moment, body)

    expected = signature(bytes(range(32)), b"019e8291.1780306200." + body)
    assert headers == {
        "content-type": "application/json",
        "webhook-id": "019e8291",
        "webhook-timestamp": "1780306200",
        "webhook-signature": expected,
    }


def test_signs_with_each_secret_while_one_takes_over_from_the_other() -> None:
    moment, new, old = datetime(2026, 6, 1, 9, 30, tzinfo=UTC), bytes(24), bytes(range(32))

    headers = webhooks.headers_of([new, old], "019e8291", moment, b"{}")

    signed = b"019e8291.1780306200.{}"
    assert headers["webhook-signature"] == f"{signature(new, signed)} {signature(old, signed)}"


def test_a_file_that_is_too_large_is_refused_and_not_cut_off() -> None:
    text = "{}".ljust(MAXIMUM)
    assert read_webhooks(text, production=True) == {}
    with pytest.raises(WebhooksInvalid, match="larger"):
        read_webhooks(text + " ", production=True)
