"""Who wants to be told at once, and how it knows that we did (Standard Webhooks). Pure."""

import base64
import binascii
import hmac
import ipaddress
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from urllib.parse import urlsplit

from app.canonical import strict_json
from app.insz import contains_insz

PREFIX = "whsec_"
SECRET_BYTES = range(24, 65)
MAXIMUM = 64 * 1024  # bytes of the file


class WebhooksInvalid(Exception):
    """The file cannot be used; the text names the organisation and the rule, and no secret."""


@dataclass(frozen=True)
class Webhook:
    """Where an organisation takes news, and the secrets that it shares with us: two while one
    takes over from the other."""

    url: str
    secrets: tuple[bytes, ...] = field(repr=False)


def read_webhooks(text: str, *, production: bool) -> dict[str, Webhook]:
    """The webhook of each organisation: `{"nis:71016": {"url": ..., "secret": "whsec_..."}}`.

    Two secrets stand in a list, the new one first. Raises WebhooksInvalid. A url is https; in the
    demo it may be http on this machine.
    """
    if len(text) > MAXIMUM:
        raise WebhooksInvalid(f"is larger than {MAXIMUM} characters")
    try:
        given = strict_json(text)
    except (ValueError, RecursionError):
        raise WebhooksInvalid("is not valid JSON") from None
    if not isinstance(given, dict):
        raise WebhooksInvalid("must be an object with an organisation for each webhook")
    return {name: _webhook(name, one, production=production) for name, one in given.items()}


def _webhook(name: str, given: object, *, production: bool) -> Webhook:
    if not isinstance(given, dict) or given.keys() != {"url", "secret"}:
        raise WebhooksInvalid(f"{name}: must hold url and secret, and nothing else")
    url, secret = given["url"], given["secret"]
    secrets = secret if isinstance(secret, list) else [secret]
    if not isinstance(url, str) or not _is_url(url, production=production):
        local = "" if production else ", or http on this machine"
        raise WebhooksInvalid(f"{name}: url must be an https address without a user{local}")
    if not 1 <= len(secrets) <= 2:
        raise WebhooksInvalid(f"{name}: secret must be one, or a list of one or two")
    return Webhook(url, tuple(_secret(name, each) for each in secrets))


def _is_url(url: str, *, production: bool) -> bool:
    """Nothing of a url may tell of a person, or send a password along."""
    if not url.isascii() or not url.isprintable() or " " in url or contains_insz(url):
        return False
    try:
        parts = urlsplit(url)
        host, _ = parts.hostname, parts.port
    except ValueError:
        return False
    if not host or parts.username is not None or parts.fragment:
        return False
    return parts.scheme == "https" or (
        parts.scheme == "http" and not production and _is_loopback(host)
    )


def _is_loopback(host: str) -> bool:
    try:
        return ipaddress.ip_address(host).is_loopback
    except ValueError:
        return host == "localhost"


def _secret(name: str, given: object) -> bytes:
    rule = f"{name}: secret must be {PREFIX} and base64 of 24 to 64 bytes"
    if not isinstance(given, str) or not given.startswith(PREFIX):
        raise WebhooksInvalid(rule)
    try:
        secret = base64.b64decode(given.removeprefix(PREFIX), validate=True)
    except (binascii.Error, ValueError):
        raise WebhooksInvalid(rule) from None
    if len(secret) not in SECRET_BYTES:
        raise WebhooksInvalid(rule)
    return secret


def headers_of(
    secrets: Sequence[bytes], id_: str, moment: datetime, body: bytes
) -> Mapping[str, str]:
    """The headers by which a receiver knows who sent it, when, and whether it had it before.

    With a signature for each secret: a receiver takes it when one of them is good.
    """
    seconds = str(int(moment.timestamp()))
    signed = b".".join((id_.encode(), seconds.encode(), body))
    digests = (hmac.digest(secret, signed, "sha256") for secret in secrets)
    signatures = (f"v1,{base64.b64encode(digest).decode()}" for digest in digests)
    return {
        "content-type": "application/json",
        "webhook-id": id_,
        "webhook-timestamp": seconds,
        "webhook-signature": " ".join(signatures),
    }
