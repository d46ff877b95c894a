"""Who calls: every way a token can be wrong, and what is remembered of one that is right."""

import asyncio
import base64
import hashlib
import hmac
import itertools
import json
import stat
import subprocess
import sys
import traceback
from collections.abc import Callable, Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given, settings
from hypothesis import strategies as st

from app import tokens
from app.errors import KeysUnavailable, TokenExpired, TokenInvalid, TokenMissing, Unauthenticated
from app.insz import Insz
from app.secret_files import write_once
from app.settings import Mode
from app.tokens import (
    Caller,
    Citizen,
    DemoIssuer,
    IssuerProfile,
    IssuersInvalid,
    Verifier,
    read_issuers,
)

NOW = datetime(2026, 11, 20, 10, 0, tzinfo=UTC)
EPOCH = int(NOW.timestamp())
SECOND = timedelta(seconds=1)
ISSUER = "https://login.example/op"
AUDIENCE = "https://api.example/v1"
JWKS_URL = "https://login.example/op/jwks"
RSA_KEY = rsa.generate_private_key(65537, 2048)
EC_KEY = ec.generate_private_key(ec.SECP256R1())
REGISTERED = ["iss", "aud", "exp", "iat", "jti", "sub", "client_id", "scope", "vo_orgcode"]
ABSENT: Any = object()

Signer = Callable[[bytes], bytes]
Json = dict[str, Any]


@pytest.fixture
def anyio_backend() -> str:
    return "asyncio"


def b64(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def number(value: int, size: int | None = None) -> str:
    return b64(value.to_bytes(size or (value.bit_length() + 7) // 8, "big"))


def rsa_jwk(kid: str = "rsa", key: rsa.RSAPrivateKey = RSA_KEY, **members: object) -> Json:
    public = key.public_key().public_numbers()
    return {"kty": "RSA", "kid": kid, "n": number(public.n), "e": number(public.e), **members}


def ec_jwk(kid: str = "ec", **members: object) -> Json:
    public = EC_KEY.public_key().public_numbers()
    point = {"x": number(public.x, 32), "y": number(public.y, 32)}
    return {"kty": "EC", "kid": kid, "crv": "P-256", **point, **members}


def rs256(data: bytes) -> bytes:
    return RSA_KEY.sign(data, padding.PKCS1v15(), hashes.SHA256())


def ps256(data: bytes) -> bytes:
    return RSA_KEY.sign(data, padding.PSS(padding.MGF1(hashes.SHA256()), 32), hashes.SHA256())


def es256(data: bytes) -> bytes:
    r, s = decode_dss_signature(EC_KEY.sign(data, ec.ECDSA(hashes.SHA256())))
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


def hs256(secret: bytes) -> Signer:
    return lambda data: hmac.digest(secret, data, "sha256")


def raw_token(header: bytes, claims: bytes, signer: Signer = rs256) -> str:
    signed = f"{b64(header)}.{b64(claims)}"
    return f"{signed}.{b64(signer(signed.encode()))}"


def header(**changes: object) -> Json:
    return changed({"alg": "RS256", "typ": "at+jwt", "kid": "rsa"}, changes)


def claims(**changes: object) -> Json:
    right = {
        "iss": ISSUER,
        "aud": AUDIENCE,
        "exp": EPOCH + 600,
        "iat": EPOCH,
        "jti": "token-1",
        "sub": "service-1",
        "client_id": "client-1",
        "scope": "inb_dossier_v1_G inb_advies_v1_G",
        "vo_orgcode": "nis:71016",
    }
    return changed(right, changes)


def changed(members: Json, changes: Mapping[str, object]) -> Json:
    return {name: value for name, value in {**members, **changes}.items() if value is not ABSENT}


def token(signer: Signer = rs256, head: Json | None = None, **changes: object) -> str:
    return raw_token(
        json.dumps(head or header()).encode(), json.dumps(claims(**changes)).encode(), signer
    )


def profile(**changes: Any) -> IssuerProfile:
    right: Json = {"issuer": ISSUER, "audience": (AUDIENCE,), "algorithms": ("RS256", "ES256")}
    return IssuerProfile(**(right | changes))


def verifier(*keys: Json, **changes: Any) -> Verifier:
    return Verifier([profile(**changes)], keys={ISSUER: keys or (rsa_jwk(), ec_jwk())})


async def verify(subject: Verifier, value: str, now: datetime = NOW) -> Caller:
    caller = await subject.verify(f"Bearer {value}", now)
    assert isinstance(caller, Caller)
    return caller


async def refusal(subject: Verifier, authorization: str | None, now: datetime = NOW) -> Exception:
    """How the verifier refuses; whatever the fault, no text of the token may be in it."""
    with pytest.raises(Unauthenticated) as caught:
        await subject.verify(authorization, now)

    told = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    parts = (authorization or "").replace(" ", ".").split(".")
    assert not [part for part in parts if len(part) > 12 and part in told]
    assert caught.value.__cause__ is None
    return caught.value


class Jwks:
    """The server of an issuer, whose keys and condition the test sets."""

    def __init__(self, *keys: Json) -> None:
        self.keys: list[Json] = list(keys)
        self.calls = 0
        self.status = 200
        self.headers: dict[str, str] = {}
        self.body: bytes | None = None
        self.fault: Exception | None = None

    async def __call__(self, request: httpx.Request) -> httpx.Response:
        self.calls += 1
        await asyncio.sleep(0)
        if self.fault:
            raise self.fault
        body = self.body if self.body is not None else json.dumps({"keys": self.keys}).encode()
        # A stream, as from the network: a ready body would be decoded when it is made.
        return httpx.Response(self.status, headers=self.headers, stream=httpx.ByteStream(body))

    def verifier(self, **changes: Any) -> Verifier:
        return Verifier(
            [profile(jwks=JWKS_URL, **changes)], transport=httpx.MockTransport(self.__call__)
        )


@pytest.fixture
def decoded(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Grows by one for each signature that is verified."""
    counted: list[str] = []
    decode = tokens.jwt.decode  # type: ignore[attr-defined]

    def counting(*arguments: Any, **options: Any) -> Any:
        counted.append("verified")
        return decode(*arguments, **options)

    monkeypatch.setattr(tokens.jwt, "decode", counting)  # type: ignore[attr-defined]
    return counted


# What holds


@pytest.mark.anyio
async def test_tells_who_calls() -> None:
    caller = await verify(verifier(), token())

    assert caller == Caller(
        issuer=ISSUER,
        client="client-1",
        organisation="nis:71016",
        scopes=frozenset({"inb_dossier_v1_G", "inb_advies_v1_G"}),
        credential="sha256:" + hashlib.sha256(b"token-1").hexdigest(),
        expires_at=NOW + timedelta(minutes=10),
    )


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("signer", "head"),
    [
        (rs256, header()),
        (es256, header(alg="ES256", kid="ec")),
        (ps256, header(alg="PS256")),
        (rs256, header(typ="application/AT+JWT")),
    ],
)
async def test_takes_the_algorithms_and_types_of_the_profile(signer: Signer, head: Json) -> None:
    subject = verifier(algorithms=("RS256", "PS256", "ES256"))

    caller = await verify(subject, token(signer, head))

    assert caller.client == "client-1"


@pytest.mark.anyio
@pytest.mark.parametrize(
    "changes",
    [
        {"aud": ["https://other.example", AUDIENCE]},
        {"scope": ""},
        {"nbf": EPOCH},
        {"nbf": EPOCH + 30},
        {"iat": EPOCH + 10},
        {"exp": EPOCH + 3600},
        {"exp": EPOCH - 29, "iat": EPOCH - 100},
        {"email": "x@example.org", "unknown": {"a": [1.5, None]}},
    ],
)
async def test_takes_claims_at_the_edge_of_the_rules(changes: Json) -> None:
    caller = await verify(verifier(), token(**changes))

    assert caller.organisation == "nis:71016"


@pytest.mark.anyio
@pytest.mark.parametrize("scheme", ["Bearer ", "bearer ", "BEARER  "])
async def test_takes_the_scheme_in_any_case(scheme: str) -> None:
    caller = await verifier().verify(scheme + token(), NOW)

    assert caller.client == "client-1"


@pytest.mark.anyio
async def test_reads_the_organisation_from_the_claim_of_the_profile() -> None:
    subject = verifier(organisation_claim="org", typ="any")

    caller = await verify(subject, token(head=header(typ="JWT"), org="0543307391"))

    assert caller.organisation == "0543307391"


@pytest.mark.anyio
async def test_keeps_nothing_of_the_subject_which_may_be_a_national_number() -> None:
    caller = await verify(verifier(), token(sub="90722501478"))

    assert "90722501478" not in repr(vars(caller))


# What does not


@pytest.mark.anyio
@pytest.mark.parametrize(
    "authorization", [None, "", "Bearer", "Bearer ", "Basic dXNlcjpkZW1v", "DPoP a.b.c", "\n", "é"]
)
async def test_misses_a_token_where_there_is_none(authorization: str | None) -> None:
    error = await refusal(verifier(), authorization)

    assert isinstance(error, TokenMissing)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "spoil",
    [
        lambda good: good + "=",
        lambda good: good + "!",
        lambda good: good + "\n",
        lambda good: good + " ",
        lambda good: good[:-4] + "*" + good[-4:],
        lambda good: good + ", Bearer " + good,
        lambda good: good + ".e30.e30",
        lambda good: good.rsplit(".", 1)[0] + ".",
        lambda good: good.rsplit(".", 1)[0],
        lambda good: good[:-1] + chr(ord(good[-1]) + 1),
        lambda good: good + "A",
        lambda good: good + "AAAA",
        lambda good: "A" + good,
        lambda good: good[:-5] + "A" + good[-4:],
        lambda good: "A" * 100_000,
        lambda good: f"{'A' * 2049}.e30.e30",
        lambda good: f"{b64(b'[' * 1500)}.e30.e30",
        lambda good: f"{b64(b'[' * 10_000)}.e30.e30",
        lambda good: f"{good.split('.')[0]}.{b64(b'[' * 4000)}.e30",
        lambda good: f"{good.split('.')[0]}.{b64(b'{}')}.{good.split('.')[2]}",
        lambda good: f"{b64(b'[]')}.e30.e30",
        lambda good: f"{b64('{}'.encode('utf-16'))}.e30.e30",
        lambda good: f"{b64(bytes([255]))}.e30.e30",
        lambda good: "٣.e30.e30",
    ],
)
async def test_refuses_another_form_than_one_canonical_token(spoil: Callable[[str], str]) -> None:
    good = token()
    assert good[-1] in "AQgw", "the last character has spare bits"

    error = await refusal(verifier(), f"Bearer {spoil(good)}")

    assert type(error) is TokenInvalid


@pytest.mark.anyio
@pytest.mark.parametrize(
    "large",
    [
        token(extra="x" * 100_000),
        token(extra="x" * 6_000),
        token(head=header(extra="x" * 1_600)),
    ],
)
async def test_refuses_a_signed_token_that_is_too_large(large: str) -> None:
    error = await refusal(verifier(), f"Bearer {large}")

    assert type(error) is TokenInvalid
    assert "too large" in error.why


RSA_PEM = RSA_KEY.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
RSA_DER = RSA_KEY.public_key().public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("signer", "head"),
    [
        (lambda data: b"\0", header(alg="none")),
        (rs256, header(alg=["RS256"])),
        (rs256, header(alg={"RS256": 1})),
        (rs256, header(alg=None)),
        (rs256, header(alg=ABSENT)),
        (rs256, header(alg="rs256")),
        (rs256, header(alg="RS512")),
        (ps256, header(alg="PS256")),
        (hs256(RSA_PEM), header(alg="HS256")),
        (hs256(RSA_DER), header(alg="HS256")),
        (hs256(b""), header(alg="HS256")),
        (rs256, header(typ="logout+jwt")),
        (rs256, header(typ="JWT")),
        (rs256, header(typ=["at+jwt"])),
        (rs256, header(typ=ABSENT)),
        (rs256, header(kid="other")),
        (rs256, header(kid=7)),
        (rs256, header(kid="")),
        (rs256, header(kid=ABSENT)),
        (rs256, header(kid="ec")),
        (es256, header(alg="ES256", kid="rsa")),
        (es256, header()),
        (rs256, header(crit=["exp"])),
        (rs256, header(crit=[])),
        (rs256, header(b64=False)),
        (rs256, header(jku="https://evil.example/jwks")),
        (rs256, header(x5u="https://evil.example/cert")),
        (rs256, header(x5c=["MII"])),
        (rs256, header(jwk={"kty": "RSA"})),
    ],
)
async def test_refuses_a_header_outside_the_profile(signer: Signer, head: Json) -> None:
    error = await refusal(verifier(), f"Bearer {token(signer, head)}")

    assert type(error) is TokenInvalid


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("name", "value"),
    [
        *itertools.product(REGISTERED, [ABSENT, None, 7, True, [], {}, "a\nb", "\ud800"]),
        *itertools.product([n for n in REGISTERED if n != "scope"], ["", "x" * 256]),
    ],
)
async def test_needs_each_claim_in_its_form(name: str, value: object) -> None:
    changes: Json = {name: value}

    error = await refusal(verifier(), f"Bearer {token(**changes)}")

    assert isinstance(error, TokenInvalid)


@pytest.mark.anyio
@pytest.mark.parametrize("name", ["exp", "iat", "nbf"])
@pytest.mark.parametrize("value", [str(EPOCH), EPOCH + 0.5, True, [EPOCH], {}, 1e400])
async def test_takes_whole_seconds_only(name: str, value: object) -> None:
    changes: Json = {name: value}

    error = await refusal(verifier(), f"Bearer {token(**changes)}")

    assert type(error) is TokenInvalid


@pytest.mark.anyio
@pytest.mark.parametrize(
    "changes",
    [
        {"iss": "https://evil.example"},
        {"iss": ISSUER + "/"},
        {"aud": "https://other.example"},
        {"aud": ["https://other.example"]},
        {"aud": [AUDIENCE, 7]},
        {"aud": AUDIENCE + "/"},
        {"iat": EPOCH + 11},
        {"nbf": EPOCH + 31},
        {"exp": EPOCH + 3601},
        {"exp": 10**300},
        {"exp": -(10**400)},
        {"iat": -(10**400)},
        {"iat": EPOCH + 5, "exp": EPOCH + 5},
        {"scope": "a  b"},
        {"scope": " a"},
        {"scope": "a\tb"},
        {"scope": ["a", "b"]},
        {"cnf": {"jkt": "x"}},
        {"cnf": None},
        {"at_hash": "x"},
        {"vo_orgcode": " nis:71016"},
        {"vo_orgcode": "90722501478"},
        {"vo_orgcode": "90.72.25-014.78"},
        {"client_id": "90722501478"},
    ],
)
async def test_refuses_claims_outside_the_profile(changes: Json) -> None:
    error = await refusal(verifier(), f"Bearer {token(**changes)}")

    assert type(error) is TokenInvalid


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("leeway", "late"), [(0, 0 * SECOND), (30, 30 * SECOND), (30, timedelta(days=1))]
)
async def test_expires_at_the_very_moment_leeway_included(leeway: int, late: timedelta) -> None:
    subject = verifier(leeway=leeway)
    moment = NOW + timedelta(minutes=10) + late

    assert (await verify(subject, token(), moment - late - SECOND)).client == "client-1"
    error = await refusal(verifier(leeway=leeway), f"Bearer {token()}", moment)

    assert isinstance(error, TokenExpired)


@pytest.mark.anyio
async def test_calls_a_token_invalid_that_is_both_expired_and_forged() -> None:
    forged = token()[:-8] + "AAAAAAAA"

    error = await refusal(verifier(), f"Bearer {forged}", NOW + timedelta(days=1))

    assert type(error) is TokenInvalid


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("head", "body"),
    [
        (b'{"alg":"none","alg":"RS256","typ":"at+jwt","kid":"rsa"}', None),
        (None, b'{"aud":"https://other.example",'),
        (None, b'{"extra":{"a":1,"a":2},'),
        (None, b'{"extra":NaN,'),
        (None, b'{"extra":-Infinity,'),
        (None, b'{"extra":' + b"9" * 5000 + b","),
        (None, b'\xef\xbb\xbf{"extra":1,'),
    ],
)
async def test_refuses_json_that_two_readers_read_differently(
    head: bytes | None, body: bytes | None
) -> None:
    right = json.dumps(claims()).encode()
    spoilt = raw_token(
        head or json.dumps(header()).encode(), right if body is None else body + right[1:]
    )

    error = await refusal(verifier(), f"Bearer {spoilt}")

    assert type(error) is TokenInvalid


JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=5,
)
HEADER_NAMES = st.sampled_from(["alg", "typ", "kid", "crit", "x"])
CLAIM_NAMES = st.sampled_from([*REGISTERED, "nbf", "cnf", "at_hash", "x"])


@settings(max_examples=60, deadline=None)
@given(
    st.dictionaries(HEADER_NAMES, JSON, max_size=2), st.dictionaries(CLAIM_NAMES, JSON, max_size=3)
)
def test_answers_any_signed_json_with_a_caller_or_a_refusal(head: Json, changes: Json) -> None:
    signed = token(head=header(**head), **changes)

    try:
        caller = asyncio.run(verify(verifier(), signed))
    except TokenInvalid:
        return

    assert caller.issuer == ISSUER


@settings(max_examples=60, deadline=None)
@given(st.text() | st.from_regex(r"Bearer [A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\n?"))
def test_refuses_any_other_text(authorization: str) -> None:
    with pytest.raises(Unauthenticated):
        asyncio.run(verifier().verify(authorization, NOW))


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("signer", "head"),
    [
        (rs256, header()),
        (ps256, header(alg="PS256")),
        (es256, header(alg="ES256", kid="ec")),
    ],
)
async def test_refuses_a_signature_over_something_else(signer: Signer, head: Json) -> None:
    subject = verifier(algorithms=("RS256", "PS256", "ES256"))
    signature = token(signer, head, sub="other").split(".")[2]
    forged = token(signer, head).rsplit(".", 1)[0] + "." + signature

    error = await refusal(subject, f"Bearer {forged}")

    assert type(error) is TokenInvalid


# Keys


@pytest.mark.anyio
@pytest.mark.parametrize(
    "bad",
    [
        rsa_jwk(use="enc"),
        rsa_jwk(alg="RS512"),
        rsa_jwk(alg="RSA-OAEP"),
        rsa_jwk(key_ops=["encrypt"]),
        rsa_jwk(key_ops="verify"),
        rsa_jwk(kid="other"),
        rsa_jwk(d="AQAB"),
        rsa_jwk(d=number(RSA_KEY.private_numbers().d)),
        rsa_jwk(n=7),
        rsa_jwk(n=""),
        rsa_jwk(n="é"),
        rsa_jwk(e="AA"),
        rsa_jwk(e=ABSENT),
        rsa_jwk(kty="oct", k="AQAB"),
        rsa_jwk(kty=["RSA"]),
        rsa_jwk(kty="EC"),
        ec_jwk(kid="rsa"),
        ec_jwk(kid="rsa", y="AQAB"),
        {},
    ],
)
async def test_skips_a_key_that_is_not_for_this_signature(bad: Json) -> None:
    bad = changed(bad, {})
    alone, beside = verifier(bad, ec_jwk()), verifier(bad, rsa_jwk(), ec_jwk())

    error = await refusal(alone, f"Bearer {token()}")

    assert type(error) is TokenInvalid
    assert (await verify(beside, token())).client == "client-1"


@pytest.mark.anyio
@pytest.mark.parametrize(("curve", "members"), [("P-384", {}), ("P-256", {"y": "AQAB"})])
async def test_skips_an_elliptic_key_that_is_not_what_it_says(curve: str, members: Json) -> None:
    subject = verifier(ec_jwk(crv=curve, **members), rsa_jwk())

    error = await refusal(subject, f"Bearer {token(es256, header(alg='ES256', kid='ec'))}")

    assert type(error) is TokenInvalid


@pytest.mark.anyio
async def test_refuses_a_weak_rsa_key() -> None:
    weak = rsa.generate_private_key(65537, 1024)  # noqa: S505 what is to be refused
    subject = verifier(rsa_jwk(key=weak), ec_jwk())
    signed = token(lambda data: weak.sign(data, padding.PKCS1v15(), hashes.SHA256()))

    error = await refusal(subject, f"Bearer {signed}")

    assert type(error) is TokenInvalid


@pytest.mark.anyio
async def test_keeps_the_keys_of_issuers_apart() -> None:
    other = "https://second.example"
    subject = Verifier(
        [profile(), profile(issuer=other)], keys={ISSUER: [rsa_jwk()], other: [ec_jwk()]}
    )

    error = await refusal(subject, f"Bearer {token(iss=other)}")

    assert type(error) is TokenInvalid
    assert (await verify(subject, token())).issuer == ISSUER


@pytest.mark.anyio
@pytest.mark.parametrize(
    "unfit",
    [
        token(iss="https://evil.example"),
        token(head=header(alg="none")),
        token(head=header(alg="HS256")),
        token(head=header(typ="JWT")),
    ],
)
async def test_asks_the_network_nothing_for_a_token_outside_the_profiles(unfit: str) -> None:
    server = Jwks(rsa_jwk())

    await refusal(server.verifier(), f"Bearer {unfit}")

    assert server.calls == 0


@pytest.mark.anyio
async def test_refuses_a_key_on_another_curve_than_that_of_the_algorithm() -> None:
    key = ec.generate_private_key(ec.SECP384R1())
    public = key.public_key().public_numbers()
    large = ec_jwk(crv="P-384", x=number(public.x, 48), y=number(public.y, 48))

    def sign(data: bytes) -> bytes:
        r, s = decode_dss_signature(key.sign(data, ec.ECDSA(hashes.SHA256())))
        return r.to_bytes(48, "big") + s.to_bytes(48, "big")

    signed = token(sign, header(alg="ES256", kid="ec"))

    error = await refusal(verifier(large, rsa_jwk()), f"Bearer {signed}")

    assert type(error) is TokenInvalid


@pytest.mark.anyio
async def test_fetches_the_keys_once_for_all_who_wait() -> None:
    server = Jwks(rsa_jwk())
    subject = server.verifier()

    callers = await asyncio.gather(*(verify(subject, token(jti=f"t{i}")) for i in range(20)))

    assert len({caller.credential for caller in callers}) == 20
    assert server.calls == 1


@pytest.mark.anyio
async def test_fails_once_for_all_who_wait_when_no_keys_were_ever_had() -> None:
    server = Jwks()
    server.fault = httpx.ConnectError("no route")
    subject = server.verifier()

    results = await asyncio.gather(
        *(verify(subject, token()) for _ in range(20)), return_exceptions=True
    )

    assert all(isinstance(result, KeysUnavailable) for result in results)
    assert server.calls == 1


@pytest.mark.anyio
async def test_lets_the_next_one_fetch_when_the_first_went_away() -> None:
    server = Jwks(rsa_jwk())
    subject = server.verifier()
    first = asyncio.create_task(verify(subject, token()))
    await asyncio.sleep(0)
    second = asyncio.create_task(verify(subject, token()))
    await asyncio.sleep(0)

    first.cancel()

    assert (await second).client == "client-1"


@pytest.mark.anyio
async def test_comes_back_within_seconds_when_the_keys_do() -> None:
    server = Jwks(rsa_jwk())
    server.status = 503
    subject = server.verifier()
    for late in (0, 1, 4):
        with pytest.raises(KeysUnavailable):
            await verify(subject, token(), NOW + late * SECOND)
    assert server.calls == 1

    server.status = 200

    assert (await verify(subject, token(), NOW + 5 * SECOND)).client == "client-1"
    assert server.calls == 2


@pytest.mark.anyio
async def test_follows_a_rotation_by_the_unknown_kid_at_most_every_30_seconds() -> None:
    server = Jwks(ec_jwk())
    subject = server.verifier()
    await verify(subject, token(es256, header(alg="ES256", kid="ec")))
    server.keys = [rsa_jwk()]

    await refusal(subject, f"Bearer {token()}", NOW + 29 * SECOND)
    assert server.calls == 1
    caller = await verify(subject, token(), NOW + 30 * SECOND)
    await refusal(subject, f"Bearer {token(head=header(kid='random'))}", NOW + 59 * SECOND)

    assert caller.client == "client-1"
    assert server.calls == 2


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("cache_control", "fresh"),
    [
        ("", 300),
        ("public, max-age=100", 100),
        ("max-age=0", 30),
        ("max-age=86400, must-revalidate", 300),
        ("s-max-age=60", 300),
    ],
)
async def test_asks_again_when_the_keys_are_no_longer_fresh(cache_control: str, fresh: int) -> None:
    server = Jwks(rsa_jwk())
    server.headers = {"Cache-Control": cache_control}
    subject = server.verifier()
    await verify(subject, token(jti="1"))

    await verify(subject, token(jti="2"), NOW + (fresh - 1) * SECOND)
    assert server.calls == 1
    await verify(subject, token(jti="3"), NOW + fresh * SECOND)

    assert server.calls == 2


@pytest.mark.anyio
async def test_uses_the_last_keys_for_an_hour_while_the_issuer_does_not_answer(
    caplog: pytest.LogCaptureFixture,
) -> None:
    server = Jwks(rsa_jwk())
    subject = server.verifier(max_lifetime=10_000)
    good = token(exp=EPOCH + 9000)
    await verify(subject, good)
    server.fault = httpx.ReadTimeout("slow")

    caller = await verify(subject, good, NOW + 3599 * SECOND)
    with pytest.raises(KeysUnavailable):
        await verify(subject, good, NOW + 3700 * SECOND)

    assert caller.client == "client-1"
    assert server.calls == 3
    assert f"the keys of {ISSUER} were not refreshed: ReadTimeout" in caplog.text


@pytest.mark.anyio
async def test_withdraws_keys_that_the_issuer_withdrew() -> None:
    server = Jwks(rsa_jwk())
    subject = server.verifier()
    await verify(subject, token())
    server.keys = []

    with pytest.raises(KeysUnavailable):
        await verify(subject, token(), NOW + 300 * SECOND)


@pytest.mark.anyio
@pytest.mark.parametrize(
    ("status", "headers", "body"),
    [
        (302, {"Location": "https://evil.example/jwks"}, None),
        (404, {}, None),
        (204, {}, b""),
        (200, {"Content-Encoding": "gzip"}, None),
        (200, {}, b"<html>"),
        (200, {}, b"[]"),
        (200, {}, b"{}"),
        (200, {}, b'{"keys":{}}'),
        (200, {}, b'{"keys":[],"keys":[]}'),
        (200, {}, b"[" * 100_000),
        (200, {}, b"\xff"),
        (200, {}, json.dumps({"keys": [rsa_jwk(str(i)) for i in range(33)]}).encode()),
        (200, {}, json.dumps({"keys": [rsa_jwk()], "x": "a" * 512 * 1024}).encode()),
    ],
)
async def test_has_no_keys_from_another_answer_than_a_small_key_set(
    status: int, headers: dict[str, str], body: bytes | None
) -> None:
    server = Jwks(rsa_jwk())
    server.status, server.headers, server.body = status, headers, body

    with pytest.raises(KeysUnavailable):
        await verify(server.verifier(), token())

    assert server.calls == 1


@pytest.mark.anyio
async def test_skips_what_is_no_key_in_the_set() -> None:
    server = Jwks()
    server.body = json.dumps({"keys": [7, None, [], {"kty": "OKP"}, rsa_jwk()]}).encode()

    caller = await verify(server.verifier(), token())

    assert caller.client == "client-1"


@pytest.mark.anyio
async def test_reads_keys_from_a_file_and_again_when_it_changes(tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    subject = Verifier([profile(jwks=str(file))])
    with pytest.raises(KeysUnavailable):
        await verify(subject, token())

    file.write_text(json.dumps({"keys": [rsa_jwk()]}))

    assert (await verify(subject, token(), NOW + 5 * SECOND)).client == "client-1"


# What is remembered


@pytest.mark.anyio
async def test_verifies_a_token_once_a_minute(decoded: list[str]) -> None:
    subject, good = verifier(), token()

    for late in (0, 1, 59):
        await verify(subject, good, NOW + late * SECOND)
    assert len(decoded) == 1
    await verify(subject, good, NOW + 60 * SECOND)

    assert len(decoded) == 2


@pytest.mark.anyio
async def test_remembers_nothing_past_the_expiry(decoded: list[str]) -> None:
    subject, good = verifier(), token(exp=EPOCH + 20)
    await verify(subject, good)

    await verify(subject, good, NOW + 19 * SECOND)
    assert len(decoded) == 1
    await verify(subject, good, NOW + 20 * SECOND)
    error = await refusal(subject, f"Bearer {good}", NOW + 50 * SECOND)

    assert len(decoded) == 3
    assert isinstance(error, TokenExpired)


@pytest.mark.anyio
async def test_remembers_no_refusal_and_no_other_token(decoded: list[str]) -> None:
    subject, good = verifier(), token()
    forged = good[:-8] + "AAAAAAAA"[:7] + good[-1]

    await verify(subject, good)
    for _ in range(2):
        await refusal(subject, f"Bearer {forged}")

    assert len(decoded) == 3


@pytest.mark.anyio
async def test_does_not_trust_its_memory_when_the_clock_goes_back(decoded: list[str]) -> None:
    subject, good = verifier(), token()
    await verify(subject, good)

    await verify(subject, good, NOW - SECOND)

    assert len(decoded) == 2


@pytest.mark.anyio
async def test_forgets_the_oldest_when_full(
    decoded: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tokens, "CACHE_SIZE", 2)
    subject, first, second, third = verifier(), token(jti="1"), token(jti="2"), token(jti="3")
    for good in (first, second, third):
        await verify(subject, good)

    await verify(subject, third)
    await verify(subject, second)
    assert len(decoded) == 3
    await verify(subject, first)

    assert len(decoded) == 4


@pytest.mark.anyio
async def test_keeps_nobody_who_does_not_come_back() -> None:
    subject = verifier()
    for number in range(5):
        await verify(subject, token(jti=str(number)), NOW + number * SECOND)

    await verify(subject, token(jti="later"), NOW + 62 * SECOND)

    assert len(subject._callers) == 3


@pytest.mark.anyio
async def test_forgets_every_token_when_the_keys_change(decoded: list[str]) -> None:
    server = Jwks(rsa_jwk(), ec_jwk())
    subject, good = server.verifier(), token()
    await verify(subject, good, NOW + 5 * SECOND)
    server.keys = [rsa_jwk("new")]

    # Another caller's unknown kid makes the service see that the key of the first is withdrawn.
    await verify(subject, token(head=header(kid="new")), NOW + 40 * SECOND)
    error = await refusal(subject, f"Bearer {good}", NOW + 41 * SECOND)

    assert type(error) is TokenInvalid
    assert len(decoded) == 2


# Citizens


PERSON, TEST_PERSON = "85061500118", "90722501478"
CITIZENS = "https://login.example/citizens"


NO_NUMBER: list[Any] = [
    *(ABSENT, None, "", 85061500118, [PERSON], {}, True),
    *("service-1", "85061500129", "8506150011", " " + PERSON, PERSON + "\n"),
    *("85.06.15-001.18", "٨٥٠٦١٥٠٠١١٨"),
]
EMPLOYED: list[Any] = ["nis:71016", "", None, [], {}, PERSON]


def citizens_verifier(test_numbers: bool = False, **changes: Any) -> Verifier:
    """A verifier with an issuer for organisations and one for citizens, who share their keys."""
    own = {"issuer": CITIZENS, "insz_claim": "sub", **changes}
    keys = dict.fromkeys((ISSUER, CITIZENS), (rsa_jwk(), ec_jwk()))
    return Verifier([profile(), profile(**own)], keys=keys, test_numbers=test_numbers)


def citizen_token(**changes: object) -> str:
    """A token of a person, with no claim that is not needed."""
    own = {"iss": CITIZENS, "sub": PERSON, "scope": "", "vo_orgcode": ABSENT}
    return token(**(own | changes))


async def identify(subject: Verifier, value: str, now: datetime = NOW) -> Citizen:
    citizen = await subject.verify(f"Bearer {value}", now)
    assert isinstance(citizen, Citizen)
    return citizen


@pytest.mark.anyio
async def test_tells_which_citizen_asks_and_shows_no_number() -> None:
    citizen = await identify(citizens_verifier(), citizen_token())

    assert citizen == Citizen(
        issuer=CITIZENS,
        client="client-1",
        insz=Insz(PERSON),
        credential="sha256:" + hashlib.sha256(b"token-1").hexdigest(),
        expires_at=NOW + timedelta(minutes=10),
    )
    assert PERSON not in repr(citizen)


@pytest.mark.anyio
async def test_a_citizen_has_no_organisation_and_no_scope() -> None:
    citizen = await identify(citizens_verifier(), citizen_token(scope="inb_audit_v1_G"))

    assert citizen.organisation is None
    assert citizen.scopes == frozenset()


@pytest.mark.anyio
async def test_reads_the_number_from_the_claim_of_the_profile() -> None:
    subject = citizens_verifier(insz_claim="rrn")

    citizen = await identify(subject, citizen_token(sub="pairwise-7", rrn=PERSON))

    assert citizen.insz == Insz(PERSON)


@pytest.mark.anyio
@pytest.mark.parametrize(
    "changes",
    [
        *({"sub": value} for value in NO_NUMBER),
        *({"vo_orgcode": value} for value in EMPLOYED),
        *({"client_id": value} for value in (ABSENT, "", PERSON, "85.06.15-001.18")),
        *({name: ABSENT} for name in ("jti", "scope", "aud", "exp", "iat")),
        {"aud": "https://other.example"},
        {"cnf": {"jkt": "x"}},
        {"sub": TEST_PERSON},
    ],
)
async def test_refuses_who_is_not_a_citizen_for_herself(changes: Json) -> None:
    error = await refusal(citizens_verifier(), f"Bearer {citizen_token(**changes)}")

    assert type(error) is TokenInvalid
    assert "850615" not in str(error)


@pytest.mark.anyio
async def test_refuses_an_employee_by_the_organisation_claim_of_the_profile() -> None:
    subject = citizens_verifier(organisation_claim="org")

    error = await refusal(subject, f"Bearer {citizen_token(org='nis:71016')}")

    assert type(error) is TokenInvalid


@pytest.mark.anyio
async def test_the_number_stands_in_the_claim_of_the_profile_or_nowhere() -> None:
    error = await refusal(citizens_verifier(insz_claim="rrn"), f"Bearer {citizen_token()}")

    assert type(error) is TokenInvalid


@pytest.mark.anyio
async def test_an_issuer_for_organisations_makes_no_citizen() -> None:
    subject = citizens_verifier()

    caller = await verify(subject, token(sub=PERSON, insz=PERSON, rrn=PERSON))
    error = await refusal(subject, f"Bearer {token(sub=PERSON, vo_orgcode=ABSENT)}")

    assert caller.organisation == "nis:71016"
    assert type(error) is TokenInvalid


@pytest.mark.anyio
async def test_takes_a_test_number_only_where_that_is_said() -> None:
    signed = citizen_token(sub=TEST_PERSON)

    citizen = await identify(citizens_verifier(test_numbers=True), signed)
    error = await refusal(citizens_verifier(), f"Bearer {signed}")

    assert citizen.insz == Insz(TEST_PERSON)
    assert type(error) is TokenInvalid


@pytest.mark.anyio
async def test_remembers_a_citizen_for_a_minute_and_never_past_the_end(decoded: list[str]) -> None:
    subject, short = citizens_verifier(leeway=0), citizen_token(exp=EPOCH + 30, jti="token-2")
    for second in (0, 59, 60):
        await identify(subject, citizen_token(), NOW + second * SECOND)
    await identify(subject, short, NOW)

    error = await refusal(subject, f"Bearer {short}", NOW + 30 * SECOND)

    assert isinstance(error, TokenExpired)
    assert len(decoded) == 4


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(CLAIM_NAMES, JSON, max_size=3))
def test_answers_any_signed_claims_with_this_citizen_or_a_refusal(changes: Json) -> None:
    signed = citizen_token(**changes)

    try:
        citizen = asyncio.run(citizens_verifier().verify(f"Bearer {signed}", NOW))
    except TokenInvalid:
        return

    assert isinstance(citizen, Citizen if citizen.issuer == CITIZENS else Caller)


# Configuration


def configured(**changes: object) -> str:
    right = {
        "issuer": ISSUER,
        "audience": [AUDIENCE],
        "algorithms": ["RS256"],
        "jwks": JWKS_URL,
    }
    return json.dumps({"issuers": [changed(right, changes)]})


def test_reads_the_profiles_of_an_operator() -> None:
    short = read_issuers(configured())
    full = read_issuers(
        configured(
            type="jwt",
            jwks="keys/jwks.json",
            organisation_claim="org",
            insz_claim="rrn",
            typ="any",
            max_lifetime=86400,
            leeway=0,
        )
    )

    assert short == (profile(algorithms=("RS256",), jwks=JWKS_URL),)
    assert short[0].max_lifetime == 3600
    assert short[0].insz_claim is None
    assert full[0] == profile(
        algorithms=("RS256",),
        jwks="keys/jwks.json",
        organisation_claim="org",
        insz_claim="rrn",
        typ="any",
        max_lifetime=86400,
        leeway=0,
    )


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("", "line 1"),
        ("[]", "not an object"),
        ("{}", "issuers"),
        ('{"issuers": [], "issuers": []}', "twice"),
        ('{"issuers": []}', "issuers: "),
        ('{"issuers": {}}', "issuers: "),
        ('{"issuers": [7]}', "issuers[0]: "),
        (configured(issuer=ABSENT), "issuers[0].issuer: "),
        (configured(issuer=tokens.DEMO_ISSUER), "issuers[0].issuer: the demo issuer"),
        (configured(issuer=tokens.DEMO_CITIZEN_ISSUER), "issuers[0].issuer: the demo issuer"),
        (configured(insz_claim=""), "issuers[0].insz_claim: "),
        (configured(insz_claim=None), "issuers[0].insz_claim: "),
        (configured(insz_claim=["sub"]), "issuers[0].insz_claim: "),
        (configured(insz_claim="vo_orgcode"), "issuers[0].insz_claim: "),
        (configured(audience=AUDIENCE), "issuers[0].audience: "),
        (configured(audience=[]), "issuers[0].audience: "),
        (configured(audience=[AUDIENCE, 7]), "issuers[0].audience[1]: "),
        (configured(algorithms=ABSENT), "issuers[0].algorithms: "),
        (configured(algorithms=["RS256", "HS256"]), "issuers[0].algorithms[1]: "),
        (configured(algorithms=["none"]), "issuers[0].algorithms[0]: "),
        (configured(algorithms=["EdDSA"]), "issuers[0].algorithms[0]: "),
        (configured(jwks=ABSENT), "issuers[0].jwks: "),
        (configured(jwks="http://login.example/jwks"), "issuers[0].jwks: "),
        (configured(jwks="file:///etc/jwks"), "issuers[0].jwks: "),
        (configured(jwks="https:jwks"), "issuers[0].jwks: "),
        (configured(jwks="HTTPS://login.example/jwks"), "issuers[0].jwks: "),
        (configured(jwks="https://user:pass@login.example/"), "issuers[0].jwks: "),
        (configured(jwks="https://login.example:port/"), "issuers[0].jwks: "),
        (configured(type="introspection"), "issuers[0].type: introspection is not yet supported"),
        (configured(type="saml"), "issuers[0].type: "),
        (configured(typ="JWT"), "issuers[0].typ: "),
        (configured(typ=["any"]), "issuers[0].typ: "),
        (configured(organisation_claim=""), "issuers[0].organisation_claim: "),
        (configured(max_lifetime=0), "issuers[0].max_lifetime: "),
        (configured(max_lifetime=True), "issuers[0].max_lifetime: "),
        (configured(leeway=61), "issuers[0].leeway: "),
        (configured(leeway="30"), "issuers[0].leeway: "),
        (configured(secret="x"), "issuers[0]: secret"),
        (
            json.dumps({"issuers": json.loads(configured())["issuers"] * 2}),
            "issuers[1].issuer: ",
        ),
    ],
)
def test_names_the_place_of_a_fault_in_the_profiles(text: str, place: str) -> None:
    with pytest.raises(IssuersInvalid) as caught:
        read_issuers(text)

    assert place in str(caught.value)


# The demo issuer


def demo_verifier(demo: DemoIssuer) -> Verifier:
    keys = {each.issuer: demo.public_keys for each in demo.profiles}
    return Verifier(demo.profiles, keys=keys, test_numbers=True)


@pytest.mark.anyio
async def test_issues_tokens_that_the_service_takes_for_eight_hours(tmp_path: Path) -> None:
    demo = DemoIssuer.load_or_create(tmp_path / "var" / "demo-issuer.json", Mode.DEMO)
    subject = demo_verifier(demo)

    signed = demo.issue("nis:99001", "demo-client", ["inb_dossier_v1_G"], NOW)
    caller = await verify(subject, signed, NOW + timedelta(hours=8) - SECOND)
    employee = await verify(
        subject, demo.issue("nis:99001", "loket", [], NOW, subject="90722501478")
    )

    assert (caller.organisation, caller.client) == ("nis:99001", "demo-client")
    assert caller.scopes == {"inb_dossier_v1_G"}
    assert caller.expires_at == NOW + timedelta(hours=8)
    assert employee.credential != caller.credential


@pytest.mark.anyio
async def test_issues_tokens_of_citizens_under_another_name(tmp_path: Path) -> None:
    demo = DemoIssuer.load_or_create(tmp_path / "demo-issuer.json", Mode.DEMO)

    signed = demo.issue_citizen(Insz(TEST_PERSON), NOW)
    citizen = await identify(demo_verifier(demo), signed, NOW + timedelta(hours=8) - SECOND)

    assert citizen.issuer == tokens.DEMO_CITIZEN_ISSUER != tokens.DEMO_ISSUER
    assert citizen.insz == Insz(TEST_PERSON)


@pytest.mark.anyio
async def test_keeps_the_demo_key_in_a_private_file(tmp_path: Path) -> None:
    path = tmp_path / "demo-issuer.json"
    first = DemoIssuer.load_or_create(path, Mode.DEMO)

    second = DemoIssuer.load_or_create(path, Mode.DEMO)
    caller = await verify(demo_verifier(first), second.issue("nis:99001", "client", [], NOW))

    assert caller.issuer == tokens.DEMO_ISSUER
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [file.name for file in tmp_path.iterdir()] == [path.name]
    assert all("d" not in key for key in first.public_keys)


def test_leaves_the_demo_key_of_another_process_in_place(tmp_path: Path) -> None:
    path = tmp_path / "demo-issuer.json"
    path.write_bytes(b"first")

    assert not write_once(path, b"second")

    assert path.read_bytes() == b"first"
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_refuses_the_demo_issuer_in_production(tmp_path: Path) -> None:
    with pytest.raises(IssuersInvalid, match="demo mode only"):
        DemoIssuer.load_or_create(tmp_path / "demo-issuer.json", Mode.PRODUCTION)

    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"{}",
        json.dumps(ec_jwk()).encode(),
        json.dumps(ec_jwk(d="c2VjcmV0LXNlY3JldA", crv="P-999")).encode(),
        json.dumps(ec_jwk(d="c2VjcmV0LXNlY3JldA")).encode(),
    ],
)
def test_names_a_demo_key_file_that_holds_none(tmp_path: Path, content: bytes) -> None:
    path = tmp_path / "demo-issuer.json"
    path.write_bytes(content)

    with pytest.raises(IssuersInvalid) as caught:
        DemoIssuer.load_or_create(path, Mode.DEMO)

    assert "demo-issuer.json" in str(caught.value)
    assert "c2VjcmV0" not in "".join(traceback.format_exception(caught.value))


def test_never_loads_the_python_ecdsa_and_rsa_packages() -> None:
    program = "import sys, app.tokens; print({'ecdsa', 'rsa'} & set(sys.modules))"

    shown = subprocess.run(
        [sys.executable, "-c", program],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
    )

    assert shown.stdout == "set()\n"
