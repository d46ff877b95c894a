"""Hostile input: a clear refusal, no trace of the value anywhere, and the service goes on."""

import asyncio
import base64
import hashlib
import hmac
import json
from collections.abc import AsyncIterator
from dataclasses import replace
from datetime import timedelta
from typing import Any

import httpx
import pytest
from service import AUDIT, AUDITOR, BASE, CITY, DOSSIER, FUND, Service, insz_of

from app.demo_persons import NON_RESIDENT, RESIDENT_WITH_CERTIFICATE
from app.tokens import API_AUDIENCE

# A number that no table holds, in every way that somebody may write it.
STRANGER = insz_of("850730123")
DIGITS = STRANGER.digits
WRITTEN = f"{DIGITS[:2]}.{DIGITS[2:4]}.{DIGITS[4:6]}-{DIGITS[6:9]}.{DIGITS[9:]}"
SPACED = " ".join((DIGITS[:6], DIGITS[6:9], DIGITS[9:]))
ARABIC, WIDE = ("".join(chr(zero + int(digit)) for digit in DIGITS) for zero in (0x660, 0xFF10))
INVISIBLE = "\u200b".join(DIGITS)
UNBROKEN = SPACED.replace(" ", "\u00a0")
DASHED = WRITTEN.replace("-", "\u2011")
FORMS = [DIGITS, WRITTEN, SPACED, ARABIC, WIDE, INVISIBLE, UNBROKEN, DASHED]
MARK = "zeldzaamwoord"  # what else a hostile request holds

GOOD = {
    "insz": RESIDENT_WITH_CERTIFICATE.digits,
    "doeleinde": "lokaalIntegratiebeleid",
    "referte": "ref-1",
}


class Witness:
    """Everything that the service says: answers, log lines, output and tables."""

    def __init__(
        self,
        service: Service,
        caplog: pytest.LogCaptureFixture,
        capfd: pytest.CaptureFixture[str],
    ) -> None:
        self.service = service
        self._caplog = caplog
        self._capfd = capfd
        caplog.set_level("DEBUG")

    def tables(self) -> str:
        """Every column of every table, as text."""
        with self.service.office.database.reading() as session:
            connection = session.connection()
            names = connection.exec_driver_sql("SELECT name FROM sqlite_master WHERE type='table'")
            return "\n".join(
                value.decode("latin-1") if isinstance(value, bytes) else str(value)
                for (name,) in names.all()
                for row in connection.exec_driver_sql(f'SELECT * FROM "{name}"')  # noqa: S608
                for value in row
            )

    async def saw_nothing(self, response: httpx.Response, *secrets: str) -> None:
        """No trace of these in any of them, and the service still answers."""
        printed = self._capfd.readouterr()
        lines = [
            line.getMessage() + (line.exc_text or "")
            for line in self._caplog.records
            if not line.name.startswith(("httpx", "httpcore"))  # the caller's own
        ]
        told = "\n".join(f"{name}: {value}" for name, value in response.headers.items())
        places = {
            "answer": response.text + told,
            "log lines": "\n".join(lines),
            "output": printed.out + printed.err,
            "tables": self.tables(),
        }
        for place, text in places.items():
            for secret in secrets:
                assert secret not in text, place
                assert json.dumps(secret)[1:-1] not in text, place
        went_on = await self.service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
        assert went_on.status_code == 200, went_on.text


@pytest.fixture
def witness(
    service: Service, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> Witness:
    return Witness(service, caplog, capfd)


def refused(response: httpx.Response, status: int, kind: str = "badRequest", of: str = "") -> None:
    assert response.status_code == status, of + response.text
    assert response.headers["content-type"] == "application/problem+json"
    assert response.json()["type"].rsplit(":", 1)[1] == kind


async def test_the_witness_sees_what_there_is(witness: Witness) -> None:
    response = await witness.service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)

    for known in (RESIDENT_WITH_CERTIFICATE.digits, "ref-1"):
        with pytest.raises(AssertionError):
            await witness.saw_nothing(response, known)


# The body


@pytest.mark.parametrize("token", ["good", ""])
async def test_a_body_of_ten_megabytes(witness: Witness, token: str) -> None:
    content = json.dumps({**GOOD, "referte": MARK * 800_000}).encode()
    assert len(content) > 10_000_000

    response = await witness.service.ask(
        CITY,
        "/dossiers/query",
        content=content,
        headers={} if token else {"Authorization": ""},
    )

    refused(response, 413, "payloadTooLarge")
    await witness.saw_nothing(response, MARK)
    assert len(witness.service.records()) == (2 if token else 1)


async def test_a_body_without_end(witness: Witness) -> None:
    sent = 0

    async def parts() -> AsyncIterator[bytes]:
        nonlocal sent
        for _ in range(1000):
            sent += 1
            yield b" " * 1_000_000

    request = witness.service.client.build_request(
        "POST",
        f"{BASE}/dossiers/query",
        content=parts(),
        headers={"Authorization": f"Bearer {witness.service.token(CITY, DOSSIER)}"},
    )
    response = await witness.service.client.send(request)

    refused(response, 413, "payloadTooLarge")
    assert sent < 20
    await witness.saw_nothing(response)


DEEP = 20_000
BODIES: dict[str, bytes] = {
    "nested lists": b"[" * DEEP + b"]" * DEEP,
    "nested lists, never closed": b"[" * 3 * DEEP,
    "nested objects": b'{"a":' * 9_000 + b"1" + b"}" * 9_000,
    "nested in a property": b'{"insz":' + b"[" * DEEP + b"]" * DEEP + b"}",
    "nested under the limit of the parser": b'{"velden":' + b"[" * 900 + b"]" * 900 + b"}",
    "duplicate keys": json.dumps(GOOD).encode()[:-1] + b',"insz":"' + DIGITS.encode() + b'"}',
    "duplicate keys, escaped": b'{"referte":"a","refert\\u0065":"' + MARK.encode() + b'"}',
    "duplicate keys below": b'{"insz":{"a":[{"%s":1,"%s":2}]}}' % ((MARK.encode(),) * 2),
    "NaN": b'{"insz":NaN}',
    "infinity": b'{"insz":-Infinity}',
    "a huge number": b'{"insz":' + b"9" * 60_000 + b"}",
    "a number beyond the floats": b'{"insz":1e999}',
    "two values": json.dumps(GOOD).encode() * 2,
    "a byte order mark": b"\xef\xbb\xbf" + json.dumps(GOOD).encode(),
    "another encoding": json.dumps(GOOD).encode("utf-16"),
    "no UTF-8": b'{"referte":"\xff\xfe"}',
    "an overlong character": b'{"referte":"\xc0\xaf"}',
    "nothing but NUL": b"\x00" * 100,
    "a comment": b"/* " + MARK.encode() + b" */ {}",
    "a form": f"insz={DIGITS}&referte={MARK}".encode(),
    "XML": f"<insz>{DIGITS}</insz>".encode(),
}


async def test_a_body_that_is_no_question(witness: Witness) -> None:
    for kind, content in BODIES.items():
        response = await witness.service.ask(CITY, "/dossiers/query", content=content)

        refused(response, 400, of=kind)
        record = witness.service.records()[-1]
        assert record["reasonCode"] == "invalidRequest", kind
        assert "subject" not in record, kind
        await witness.saw_nothing(response, DIGITS, MARK)


SURROGATE = "\ud800"
VALUES: dict[str, tuple[str | None, list[dict[str, Any]]]] = {
    "written otherwise": ("insz", [{"insz": form} for form in FORMS[1:]]),
    "no number": (
        "insz",
        [
            {"insz": value}
            for value in (
                *(f" {DIGITS}", f"{DIGITS}\n", f"{DIGITS}0", DIGITS[1:], f"{DIGITS[:10]}\x00"),
                *("", MARK, "9" * 60_000, int(DIGITS), [DIGITS], {DIGITS: DIGITS}, True),
            )
        ],
    ),
    "a number as reference": (
        "referte",
        [{"referte": text} for form in FORMS for text in (form, f"nr {form} b", f"nr/{form}")],
    ),
    "no reference": (
        "referte",
        [{"referte": f"{MARK}{text}"} for text in ("\x00", "\n", "\x1b[31m", "\x85", MARK * 3)],
    ),
    "a number as reference, unquoted": ("referte", [{"referte": int(DIGITS)}]),
    "a number as purpose": (
        "doeleinde",
        [{"doeleinde": text} for text in (*FORMS, f"{MARK}\x00", MARK * 10)],
    ),
    "a number as field": (
        "velden[0]",
        [
            {"velden": [field]}
            for field in (*FORMS, {DIGITS: DIGITS}, f"contact.{MARK}", "contact\x00", MARK * 1000)
        ],
    ),
    "a number as second field": ("velden[1]", [{"velden": ["contact", DIGITS]}]),
    "a number as property": (
        None,
        [*({form: "x"} for form in FORMS), {MARK: {DIGITS: [DIGITS]}}],
    ),
    "half a character": (
        None,
        [
            *({name: SURROGATE} for name in ("insz", "referte", "doeleinde", MARK)),
            {f"{MARK}{SURROGATE}": "x"},
            {"velden": [SURROGATE]},
        ],
    ),
}


@pytest.mark.parametrize("kind", VALUES)
async def test_a_value_that_has_no_place(witness: Witness, kind: str) -> None:
    name, changes = VALUES[kind]
    for change in changes:
        response = await witness.service.ask(CITY, "/dossiers/query", {**GOOD, **change})

        refused(response, 400, of=repr(change)[:80])
        [issue] = response.json()["issues"]
        assert issue.get("name") == name
        record = witness.service.records()[-1]
        assert record["outcome"] == "invalid"
        assert "subject" not in record
        await witness.saw_nothing(response, *FORMS, MARK)


async def test_a_value_that_has_no_place_in_an_advice(witness: Witness) -> None:
    for change in (
        {"toetsdatum": DIGITS},
        {"toetsdatum": f"2026-05-31{MARK}"},
        {"toetsdatum": f"{ARABIC[:4]}-05-31"},
        {"toetsdatum": 10**400},
        {"toetsdatum": "2026-05-31\x00"},
        {"profiel": MARK},
    ):
        response = await witness.service.advice(FUND, RESIDENT_WITH_CERTIFICATE, **change)

        refused(response, 400, of=repr(change)[:80])
        await witness.saw_nothing(response, DIGITS, MARK)


async def test_a_value_that_has_no_place_in_a_search(witness: Witness) -> None:
    names = ("organisatie", "protocol", "doeleinde", "functieprofiel", "gebruiker", "referte")
    changes: list[dict[str, Any]] = [
        *[{name: DIGITS} for name in (*names, "toegangId", "veld", "reden")],
        {"aanleiding": f"klacht van {WRITTEN}"},
        {"aanleiding": f"klacht van {ARABIC}"},
        {"aanleiding": f"{MARK}\x00"},
        {"pageSize": 10**4000},
        {"pageSize": 1e400},
        {"van": DIGITS},
        {"cursor": MARK},
        {"insz": WRITTEN},
        {DIGITS: 1},
    ]
    for change in changes:
        question = {"aanleiding": "controle", "organisatie": CITY, **change}
        response = await witness.service.ask(AUDITOR, "/toegangen/query", question)

        refused(response, 400, of=repr(change)[:80])
        await witness.saw_nothing(response, *FORMS, MARK)


async def test_a_number_that_may_be_asked_stands_nowhere_in_clear(witness: Witness) -> None:
    dossier = await witness.service.dossier(CITY, STRANGER)
    advice = await witness.service.advice(FUND, STRANGER)
    search = await witness.service.ask(
        AUDITOR,
        "/toegangen/query",
        {"insz": DIGITS, "aanleiding": "controle"},
        scopes=(AUDIT,),
    )

    assert [each.status_code for each in (dossier, advice, search)] == [403, 403, 200]
    for response in (dossier, advice, search):
        await witness.saw_nothing(response, DIGITS)
    assert all("subject" in record for record in witness.service.records())


async def test_a_purpose_that_nobody_has_stands_nowhere(witness: Witness) -> None:
    response = await witness.service.dossier(CITY, RESIDENT_WITH_CERTIFICATE, doeleinde=MARK)

    refused(response, 403, "geenProtocol")
    await witness.saw_nothing(response, MARK)


# Headers, query and path


@pytest.mark.parametrize(
    "header",
    ["X-Magda-Enduser-ID", "X-Functieprofiel", "X-Magda-Sender-ID", "X-Correlation-ID"],
)
async def test_a_number_in_a_header(witness: Witness, header: str) -> None:
    token = witness.service.token(CITY, DOSSIER)
    good = {b"Authorization": f"Bearer {token}".encode(), b"X-Magda-Enduser-ID": b"ambtenaar-7"}
    for form in (DIGITS, WRITTEN, SPACED, f"nr {DIGITS} b", f"{DIGITS},{DIGITS}"):
        response = await witness.service.client.post(
            f"{BASE}/dossiers/query",
            content=json.dumps(GOOD),
            headers={**good, header.encode(): form.encode()},
        )

        refused(response, 400, of=form)
        assert {issue["name"] for issue in response.json()["issues"]} == {header}
        record = witness.service.records()[-1]
        assert response.headers["x-correlation-id"] == record["correlationId"]
        await witness.saw_nothing(response, *FORMS)


UNREAD = [
    {"X-Iets": DIGITS},
    {"traceparent": f"00-{DIGITS}-{MARK}-01"},
    {"tracestate": f"a={DIGITS}"},
    {"User-Agent": f"{MARK}/{DIGITS}"},
    {"Cookie": f"insz={DIGITS}"},
    {"Referer": f"https://example.org/?insz={DIGITS}"},
    {"X-Forwarded-For": DIGITS},
]


async def test_a_number_in_a_header_that_is_not_read(witness: Witness) -> None:
    for headers in UNREAD:
        response = await witness.service.ask(CITY, "/dossiers/query", GOOD, headers=headers)

        assert response.status_code == 200
        await witness.saw_nothing(response, DIGITS, MARK)


MISREAD: list[tuple[dict[str, str], int]] = [
    ({"Content-Type": f"application/{DIGITS}"}, 415),
    ({"Accept": f"text/{DIGITS}"}, 406),
    ({"X-Functieprofiel": MARK * 10_000}, 400),
    ({"X-Functieprofiel": f"{MARK}\t{MARK}"}, 400),
    ({"X-Correlation-ID": f"{MARK}\x7f"}, 400),
]


async def test_a_header_of_another_kind(witness: Witness) -> None:
    for headers, status in MISREAD:
        response = await witness.service.ask(CITY, "/dossiers/query", GOOD, headers=headers)

        assert response.status_code == status, headers
        await witness.saw_nothing(response, DIGITS, MARK)


async def test_a_header_that_stands_twice(witness: Witness) -> None:
    token = witness.service.token(CITY, DOSSIER)
    headers = [
        ("Authorization", f"Bearer {token}"),
        ("X-Magda-Enduser-ID", MARK),
        ("X-Magda-Enduser-ID", "ambtenaar-7"),
    ]

    response = await witness.service.client.post(
        f"{BASE}/dossiers/query", content=json.dumps(GOOD), headers=headers
    )

    refused(response, 400)
    await witness.saw_nothing(response, MARK)


ADDRESSES = [
    ("POST", f"/dossiers/query?insz={DIGITS}", 400),
    ("POST", f"/dossiers/query?{DIGITS}=1", 400),
    ("POST", f"/dossiers/query?{DIGITS}", 400),
    ("GET", f"/mijnToegang?datum={DIGITS}", 400),
    ("GET", f"/mijnToegang?datum={WRITTEN}", 400),
    ("GET", f"/mijnToegang?datum=2026-06-01&{DIGITS}=x", 400),
    ("GET", "/mijnToegang?datum=%ED%A0%80", 400),
    ("GET", "/mijnToegang?datum=2026-06-01%00", 400),
    ("GET", f"/toegangen/{DIGITS}", 400),
    ("GET", f"/toegangen/{WRITTEN}", 400),
    ("GET", f"/toegangen/{MARK}", 400),
    ("GET", "/toegangen/%00", 400),
    ("GET", "/toegangen/" + "a" * 60_000, 400),
    ("GET", f"/dossiers/{DIGITS}", 404),
    ("GET", f"/{DIGITS}", 404),
    ("GET", f"/protocollen/{DIGITS}", 404),
    ("GET", f"/protocollen?insz={DIGITS}", 400),
    ("GET", f"/health?insz={DIGITS}", 400),
    ("GET", f"/protocollen/{MARK}%00", 404),
    (MARK.upper(), "/dossiers/query", 405),
]


async def test_a_number_in_the_address(witness: Witness) -> None:
    for method, path, status in ADDRESSES:
        before = len(witness.service.records())
        body = GOOD if method == "POST" else None

        response = await witness.service.ask(CITY, path, body, method=method)

        assert response.status_code == status, path[:80] + response.text
        recorded = not path.startswith(("/dossiers/8", f"/{DIGITS}", "/protocollen", "/health"))
        assert len(witness.service.records()) - before == recorded, path[:80]
        await witness.saw_nothing(response, DIGITS, WRITTEN, MARK, MARK.upper())


# Tokens


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def parts(service: Service) -> tuple[dict[str, Any], dict[str, Any], str]:
    """Header, claims and signature of a good token."""
    head, claims, signature = service.token(CITY, DOSSIER).split(".")
    read = [json.loads(base64.urlsafe_b64decode(part + "==")) for part in (head, claims)]
    return read[0], read[1], signature


def forged(service: Service, header: object, **claims: object) -> str:
    _, good, signature = parts(service)
    body = b64(json.dumps({**good, **claims}).encode())
    return f"{b64(json.dumps(header).encode())}.{body}.{signature}"


def with_shared_secret(service: Service) -> str:
    """Signed with the published key as if that were a secret."""
    header, claims, _ = parts(service)
    head = b64(json.dumps({**header, "alg": "HS256"}).encode())
    message = f"{head}.{b64(json.dumps(claims).encode())}"
    key = json.dumps(service.issuer.public_keys[0]).encode()
    return f"{message}.{b64(hmac.digest(key, message.encode(), hashlib.sha256))}"


def hostile_tokens(service: Service) -> dict[str, str]:
    good = service.token(CITY, DOSSIER)
    header, claims, signature = parts(service)
    body = b64(json.dumps(claims).encode())
    nested: Any = "x"
    for _ in range(400):
        nested = [nested]
    ours, now = service.issuer.profile, service.clock.now
    service.issuer.profile = replace(ours, issuer=f"https://{MARK}.example")
    of_another = service.token(CITY, DOSSIER)
    service.issuer.profile = ours
    issue = service.issuer.issue
    return {
        "100 kB": f"{good}{'A' * 100_000}",
        "100 kB of parts": f"{MARK}." * 8_000,
        "alg none": forged(service, {**header, "alg": "none"}),
        "alg None without signature": b64(b'{"alg":"None"}') + f".{body}.",
        "a list of alg": forged(service, {**header, "alg": ["ES256", "none"]}),
        "an object as alg": forged(service, {**header, "alg": {"ES256": "none"}}),
        "no alg": forged(service, {"kid": header["kid"], "typ": header["typ"]}),
        "a nested header": forged(service, {**header, "kid": nested}),
        "a deeply nested header": f"{b64(b'[' * 1500)}.{body}.{signature}",
        "deeply nested claims": f"{good.split('.')[0]}.{b64(b'[' * 5000)}.{signature}",
        "a list as header": forged(service, [header]),
        "a shared secret": with_shared_secret(service),
        "junk behind the signature": f"{good}AAAA",
        "a part behind the signature": f"{good}.{MARK}",
        "padding behind the signature": f"{good}==",
        "a space behind the signature": f"{good} {MARK}",
        "a comma behind the signature": f"{good},{good}",
        "other claims": forged(service, header, vo_orgcode=AUDITOR),
        "a number as organisation": issue(DIGITS, MARK, [DOSSIER], now),
        "a number as client": issue(CITY, WRITTEN, [DOSSIER], now),
        "a lifetime beyond measure": issue(CITY, MARK, [DOSSIER], now, ttl=timedelta(days=400)),
        "a token to come": issue(CITY, MARK, [DOSSIER], now + timedelta(minutes=5)),
        "another issuer": of_another,
    }


async def test_a_token_that_does_not_hold(witness: Witness) -> None:
    for kind, hostile in hostile_tokens(witness.service).items():
        response = await witness.service.ask(
            CITY, "/dossiers/query", GOOD, headers={"Authorization": f"Bearer {hostile}"}
        )

        refused(response, 401, "invalidAccessToken", of=kind)
        challenge = 'Bearer realm="protocolpoort", error="invalid_token"'
        assert response.headers["www-authenticate"] == challenge
        record = witness.service.records()[-1]
        assert (record["reasonCode"], record["outcome"]) == ("unauthenticated", "denied"), kind
        assert not {"organisation", "client", "credential", "reference", "subject"} & set(record)
        secrets = (hostile, hostile[-40:], hostile[:200][-60:], DIGITS, WRITTEN, MARK)
        await witness.saw_nothing(response, *secrets)


async def test_a_token_for_another_audience(
    witness: Witness, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.tokens.API_AUDIENCE", f"{API_AUDIENCE}/{MARK}")
    hostile = witness.service.token(CITY, DOSSIER)
    monkeypatch.undo()

    response = await witness.service.ask(
        CITY, "/dossiers/query", GOOD, headers={"Authorization": f"Bearer {hostile}"}
    )

    refused(response, 401, "invalidAccessToken")


async def test_two_tokens_at_once(witness: Witness) -> None:
    bearer = f"Bearer {witness.service.token(CITY, DOSSIER)}"

    response = await witness.service.client.post(
        f"{BASE}/dossiers/query",
        content=json.dumps(GOOD),
        headers=[("Authorization", bearer), ("Authorization", bearer)],
    )

    refused(response, 401, "invalidAccessToken")


async def test_a_token_in_another_place(witness: Witness) -> None:
    good = witness.service.token(CITY, DOSSIER)

    in_query = await witness.service.ask(
        CITY, f"/mijnToegang?access_token={good}", headers={"Authorization": ""}
    )
    in_body = await witness.service.ask(
        CITY, "/dossiers/query", {**GOOD, "access_token": good}, headers={"Authorization": ""}
    )

    refused(in_query, 401, "noAccessToken")
    refused(in_body, 401, "noAccessToken")
    await witness.saw_nothing(in_query, good)


async def test_a_token_never_stands_in_the_log(witness: Witness) -> None:
    good = witness.service.token(CITY, DOSSIER)

    response = await witness.service.ask(
        CITY,
        "/dossiers/query",
        {**GOOD, "insz": NON_RESIDENT.digits},
        headers={"Authorization": f"Bearer {good}"},
    )

    refused(response, 403, "geenInschrijving")
    claims = json.loads(base64.urlsafe_b64decode(good.split(".")[1] + "=="))
    await witness.saw_nothing(response, good, *good.split("."), claims["jti"])


async def test_many_at_once_are_each_answered_and_recorded_once(witness: Witness) -> None:
    async def ask(number: int) -> httpx.Response:
        if number % 2:
            return await witness.service.ask(CITY, "/dossiers/query", content=b"[" * 1000)
        return await witness.service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)

    responses = await asyncio.gather(*(ask(number) for number in range(40)))

    assert sorted(each.status_code for each in responses) == [200] * 20 + [400] * 20
    assert len(witness.service.records()) == 40


@pytest.mark.parametrize(
    ("header", "value", "member"),
    [
        ("X-Correlation-ID", "00000000-0000-0000-0000-0{}", "correlationId"),
        ("X-Correlation-ID", "{}-000000000", "correlationId"),
        ("traceparent", "00-000000000000000000000{}-00f067aa0ba902b7-01", "traceId"),
    ],
)
async def test_an_id_that_is_a_national_number_is_another_one_in_the_log(
    service: Service, header: str, value: str, member: str
) -> None:
    number = RESIDENT_WITH_CERTIFICATE.digits
    text = value.format(number)
    if text.startswith(number):  # in the groups of a GUID
        zeroes = f"{number}{'0' * 21}"
        text = "-".join(
            zeroes[start:end] for start, end in ((0, 8), (8, 12), (12, 16), (16, 20), (20, 32))
        )

    question = {"insz": number, "doeleinde": "lokaalIntegratiebeleid", "referte": "ref-1"}
    response = await service.ask(CITY, "/dossiers/query", question, headers={header: text})

    [record] = service.records()
    assert response.status_code == 200
    assert number not in record[member].replace("-", "")
