"""Who calls: a bearer token becomes a `Caller` or a `Citizen`, or a refusal.

Nothing else imports `jose`.
"""

import asyncio
import base64
import hashlib
import logging
import re
import secrets
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, fields, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any, Self, TypeGuard

import httpx
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, padding
from jose import jwk, jwt  # type: ignore[import-untyped]
from jose.backends.base import Key  # type: ignore[import-untyped]
from jose.exceptions import JOSEError  # type: ignore[import-untyped]

from app.canonical import canonical_json, strict_json
from app.errors import KeysUnavailable, TokenExpired, TokenInvalid, TokenMissing
from app.insz import Insz, NotAnInsz, contains_insz
from app.secret_files import write_once
from app.settings import Mode

API_AUDIENCE = "https://protocolpoort.example/inburgering/v1"
DEMO_ISSUER = "https://demo.protocolpoort.invalid"
DEMO_CITIZEN_ISSUER = "https://burger.demo.protocolpoort.invalid"
DEMO_PORTAL = "burgerportaal"
DEMO_TTL = timedelta(hours=8)

AUTHORIZATION_LIMIT = 8 * 1024  # characters of the whole header value
HEADER_LIMIT = 2 * 1024  # characters of the first segment
TEXT_LIMIT = 255  # characters of an identifying claim
FUTURE_TOLERANCE = 10  # seconds that an issuer's clock may run ahead (FAPI 2.0)

CACHE_TTL = timedelta(seconds=60)
CACHE_SIZE = 10_000

JWKS_BYTES = 512 * 1024
JWKS_KEYS = 32
JWKS_TTL = timedelta(minutes=5)
JWKS_MIN_TTL = timedelta(seconds=30)
JWKS_STALE = timedelta(hours=1)  # how old keys may grow while the issuer does not answer
JWKS_RETRY = timedelta(seconds=5)
UNKNOWN_KID_RETRY = timedelta(seconds=30)
RSA_BITS = range(2048, 8193)

# What a JWK must be for an algorithm: its kty and its curve. Symmetric ones have no place here.
_KINDS: Mapping[str, tuple[str, str | None]] = {
    **dict.fromkeys(("RS256", "RS384", "RS512", "PS256", "PS384", "PS512"), ("RSA", None)),
    "ES256": ("EC", "P-256"),
    "ES384": ("EC", "P-384"),
    "ES512": ("EC", "P-521"),
}
_PSS_HASHES: Mapping[str, hashes.HashAlgorithm] = {
    "PS256": hashes.SHA256(),
    "PS384": hashes.SHA384(),
    "PS512": hashes.SHA512(),
}
_AUTHORIZATION = re.compile(r"([A-Za-z]+)(?: +(.*))?", re.DOTALL)
_TOKEN = re.compile(r"[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+\.[A-Za-z0-9_-]+")
_SCOPE = re.compile(r"(?:[!#-\[\]-~]+(?: [!#-\[\]-~]+)*)?")  # RFC 6749, 3.3
_MAX_AGE = re.compile(r"(?:^|[\s,])max-age=([0-9]{1,9})(?=[\s,]|$)")
_HEADER_REFUSED = ("crit", "b64", "jku", "x5u", "jwk", "x5c")
_log = logging.getLogger(__name__)

Jwk = dict[str, Any]


@dataclass(frozen=True)
class Caller:
    """Whose request this is, as a configured issuer says; nothing of `sub`, perhaps a number."""

    issuer: str
    client: str
    organisation: str
    scopes: frozenset[str]
    credential: str  # `sha256:` and the hash of the jti: names the token without being one
    expires_at: datetime


@dataclass(frozen=True)
class Citizen:
    """The person whose token this is: she asks about herself, and for no organisation."""

    issuer: str
    client: str
    insz: Insz = field(repr=False)
    credential: str
    expires_at: datetime
    organisation: None = None
    scopes: frozenset[str] = frozenset()  # whatever her token lists: no scope is for her


class IssuersInvalid(Exception):
    """The issuers cannot be used as configured; the text names the place and the rule."""


@dataclass(frozen=True)
class IssuerProfile:
    """Who may say who calls, and what we ask of its tokens (docs/issuers.md)."""

    issuer: str
    audience: tuple[str, ...]
    algorithms: tuple[str, ...]
    jwks: str | None = None  # a file or an https address; None: keys are given to the Verifier
    type: str = "jwt"
    organisation_claim: str = "vo_orgcode"
    insz_claim: str | None = None  # the claim that names the citizen; None: an issuer for bodies
    typ: str = "at+jwt"  # or `any`
    max_lifetime: int = 3600  # seconds between iat and exp
    leeway: int = 30  # seconds that exp and nbf may be off


def read_issuers(text: str) -> tuple[IssuerProfile, ...]:
    """Read the issuer profiles of an operator, JSON; raise `IssuersInvalid` with the place.

    The demo issuers have no place in this file: they exist in demo mode only, by themselves.
    """
    try:
        document = _strict_json(text)
    except (ValueError, RecursionError) as error:
        raise IssuersInvalid(f"not JSON: {error}") from error
    if document.keys() != {"issuers"}:
        raise IssuersInvalid("one object with the member issuers, and nothing else, is expected")
    items = document["issuers"]
    if not isinstance(items, list) or not items:
        raise IssuersInvalid("issuers: a list with at least one profile is expected")
    profiles = tuple(_profile(item, f"issuers[{index}]") for index, item in enumerate(items))
    seen: set[str] = set()
    for index, profile in enumerate(profiles):
        if profile.issuer in seen:
            raise IssuersInvalid(f"issuers[{index}].issuer: stands there twice")
        seen.add(profile.issuer)
    return profiles


def _profile(item: object, place: str) -> IssuerProfile:
    if not isinstance(item, dict):
        raise IssuersInvalid(f"{place}: an object is expected")
    if unknown := sorted(item.keys() - {member.name for member in fields(IssuerProfile)}):
        raise IssuersInvalid(f"{place}: {', '.join(unknown)} is not a member of a profile")
    kind = item.get("type", "jwt")
    if kind == "introspection":
        raise IssuersInvalid(f"{place}.type: introspection is not yet supported")
    if kind != "jwt":
        raise IssuersInvalid(f"{place}.type: jwt is expected")
    issuer = _text(item.get("issuer"), f"{place}.issuer")
    if issuer in (DEMO_ISSUER, DEMO_CITIZEN_ISSUER):
        raise IssuersInvalid(f"{place}.issuer: the demo issuer cannot be configured")
    algorithms = _texts(item.get("algorithms"), f"{place}.algorithms")
    for index, algorithm in enumerate(algorithms):
        if algorithm not in _KINDS:
            raise IssuersInvalid(f"{place}.algorithms[{index}]: one of {', '.join(_KINDS)}")
    typ = item.get("typ", IssuerProfile.typ)
    if typ not in ("at+jwt", "any"):
        raise IssuersInvalid(f"{place}.typ: at+jwt or any is expected")
    claim = item.get("organisation_claim", IssuerProfile.organisation_claim)
    organisation_claim = _text(claim, f"{place}.organisation_claim")
    return IssuerProfile(
        issuer=issuer,
        audience=_texts(item.get("audience"), f"{place}.audience"),
        algorithms=algorithms,
        jwks=_jwks_source(item.get("jwks"), f"{place}.jwks"),
        organisation_claim=organisation_claim,
        insz_claim=_insz_claim(item, organisation_claim, place),
        typ=typ,
        max_lifetime=_seconds(item, "max_lifetime", range(1, 86_401), place),
        leeway=_seconds(item, "leeway", range(61), place),
    )


def _insz_claim(item: Mapping[str, Any], organisation_claim: str, place: str) -> str | None:
    if "insz_claim" not in item:
        return None
    claim = _text(item["insz_claim"], f"{place}.insz_claim")
    if claim == organisation_claim:
        raise IssuersInvalid(f"{place}.insz_claim: is the claim of the organisation")
    return claim


def _text(value: object, place: str) -> str:
    if not _is_text(value):
        raise IssuersInvalid(f"{place}: a text of 1 to {TEXT_LIMIT} characters is expected")
    return value


def _texts(value: object, place: str) -> tuple[str, ...]:
    if not isinstance(value, list) or not value:
        raise IssuersInvalid(f"{place}: a list with at least one text is expected")
    return tuple(_text(item, f"{place}[{index}]") for index, item in enumerate(value))


def _jwks_source(value: object, place: str) -> str:
    text = _text(value, place)
    if not re.match(r"[A-Za-z][A-Za-z0-9+.-]*:", text):
        return text
    try:
        url = httpx.URL(text)
    except httpx.InvalidURL:
        raise IssuersInvalid(f"{place}: not an address") from None
    if not text.startswith("https://") or not url.host or url.userinfo or url.fragment:
        raise IssuersInvalid(
            f"{place}: a file, or an https address without user and fragment, is expected"
        )
    return text


def _seconds(item: Mapping[str, Any], name: str, allowed: range, place: str) -> int:
    value = item.get(name, getattr(IssuerProfile, name))
    if type(value) is not int or value not in allowed:
        raise IssuersInvalid(
            f"{place}.{name}: whole seconds from {allowed[0]} to {allowed[-1]} are expected"
        )
    return value


class Verifier:
    """Tells who calls from the `Authorization` header, by the profiles of the issuers.

    Holds the keys of the issuers and the tokens verified in the last minute. `keys` gives the
    JWKs of an issuer whose profile has no `jwks`; `transport` replaces the network. A citizen
    with a test number is taken with `test_numbers` only: in production nobody has one.
    """

    def __init__(
        self,
        profiles: Sequence[IssuerProfile],
        *,
        transport: httpx.AsyncBaseTransport | None = None,
        keys: Mapping[str, Sequence[Jwk]] | None = None,
        test_numbers: bool = False,
    ) -> None:
        self._test_numbers = test_numbers
        self._callers: dict[bytes, tuple[Caller | Citizen, datetime, datetime]] = {}
        self._profiles = {profile.issuer: profile for profile in profiles}
        self._keys = {
            profile.issuer: _IssuerKeys(
                profile, transport, (keys or {}).get(profile.issuer, ()), self._callers.clear
            )
            for profile in profiles
        }

    async def verify(self, authorization: str | None, now: datetime) -> Caller | Citizen:
        """Tell who calls at `now` (aware), by the whole value of the `Authorization` header.

        Several headers are one value, joined by a comma, and refused. Raises `TokenMissing`,
        `TokenInvalid`, `TokenExpired` (all else about the token held) or `KeysUnavailable`; no
        text of the token is in any of them. Source: RFC 9068, RFC 8725.
        """
        token = _bearer(authorization)
        # Only after the strict form: python-jose takes many spellings of one token.
        digest = hashlib.sha256(token.encode()).digest()
        if caller := self._remembered(digest, now):
            return caller

        head, body, signature = token.split(".")
        header, claims = _object(head), _object(body)
        _refuse_other_spelling(signature)
        # Unverified: `iss` is used for nothing but finding the profile.
        profile = self._profiles.get(_string(claims, "iss"))
        if profile is None:
            raise TokenInvalid("the issuer is unknown")
        algorithm, kid = _header(profile, header)

        key = await self._keys[profile.issuer].find(kid, algorithm, now)
        _verify_signature(token, key, algorithm, profile)
        caller = _caller(profile, claims, now)
        if isinstance(caller, Citizen) and caller.insz.is_test and not self._test_numbers:
            raise TokenInvalid("the person is a test number")
        self._remember(digest, caller, now)
        return caller

    def _remembered(self, digest: bytes, now: datetime) -> Caller | Citizen | None:
        caller, since, until = self._callers.get(digest, (None, now, now))
        return caller if since <= now < until else None

    def _remember(self, digest: bytes, caller: Caller | Citizen, now: datetime) -> None:
        self._callers.pop(digest, None)
        while self._callers:  # the oldest comes first; who is not asked for again does not stay
            oldest = next(iter(self._callers))
            if self._callers[oldest][2] > now and len(self._callers) < CACHE_SIZE:
                break
            del self._callers[oldest]
        self._callers[digest] = (caller, now, min(now + CACHE_TTL, caller.expires_at))


def _bearer(authorization: str | None) -> str:
    """The token of the header, in the one form that has no second spelling but its last bits."""
    if not authorization:
        raise TokenMissing
    if len(authorization) > AUTHORIZATION_LIMIT:
        raise TokenInvalid("the header is too large")
    match = _AUTHORIZATION.fullmatch(authorization)
    if match is None or match[1].lower() != "bearer" or not match[2]:
        raise TokenMissing
    token = match[2]
    if not _TOKEN.fullmatch(token):
        raise TokenInvalid("not one token of three base64url parts")
    if token.index(".") > HEADER_LIMIT:
        raise TokenInvalid("the token header is too large")
    return token


def _object(segment: str) -> dict[str, Any]:
    """The JSON object in a segment, read strictly; python-jose lets the last duplicate win."""
    try:
        return _strict_json(_decode(segment).decode("utf-8"))
    except (ValueError, RecursionError):
        # No cause: it would carry the text of the token.
        raise TokenInvalid("header or claims are not one JSON object") from None


def _refuse_other_spelling(signature: str) -> None:
    """Refuse set bits behind the last byte, which would give one token several hashes."""
    try:
        _decode(signature)
    except ValueError:
        raise TokenInvalid("the signature is not canonical base64url") from None


def _decode(segment: str) -> bytes:
    data = base64.urlsafe_b64decode(segment + "=" * (-len(segment) % 4))
    if _encode(data) != segment:
        raise ValueError("not canonical base64url")
    return data


def _encode(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode("ascii")


def _strict_json(text: str) -> dict[str, Any]:
    """One JSON object without duplicate members, NaN or Infinity; else ValueError."""
    value = strict_json(text)
    if not isinstance(value, dict):
        raise ValueError("not an object")
    return value


def _header(profile: IssuerProfile, header: Mapping[str, Any]) -> tuple[str, str]:
    """The algorithm and the kid of a header that the profile admits."""
    if any(name in header for name in _HEADER_REFUSED):
        raise TokenInvalid("the header carries a key, an address or an extension")
    algorithm, typ = header.get("alg"), header.get("typ")
    if not isinstance(algorithm, str) or algorithm not in profile.algorithms:
        raise TokenInvalid("the algorithm is not one of the issuer's")
    if profile.typ != "any" and (
        not isinstance(typ, str) or typ.lower() not in ("at+jwt", "application/at+jwt")
    ):
        raise TokenInvalid("the type is not at+jwt")
    return algorithm, _string(header, "kid")


def _verify_signature(token: str, key: Key, algorithm: str, profile: IssuerProfile) -> None:
    try:
        jwt.decode(
            token,
            key,
            algorithms=[algorithm],
            issuer=profile.issuer,
            options={
                "require_iss": True,
                "require_sub": True,
                "require_jti": True,
                # `_caller` is stricter and takes `now`: python-jose reads its own clock and takes
                # one audience only. A require_ option would turn the check of that claim on.
                "verify_aud": False,
                "verify_exp": False,
                "verify_iat": False,
                "verify_nbf": False,
            },
        )
    except Exception as error:  # noqa: BLE001
        # Hostile input makes python-jose raise outside its own tree: TypeError, RecursionError.
        # No cause: its text may be that of the token.
        raise TokenInvalid(f"python-jose refuses it ({type(error).__name__})") from None


def _caller(profile: IssuerProfile, claims: Mapping[str, Any], now: datetime) -> Caller | Citizen:
    """Whom signed claims name: the profile alone says of which kind. Expiry comes last."""
    if "cnf" in claims:
        raise TokenInvalid("cnf: the token is bound to a key, which cannot be checked yet")
    audience = claims.get("aud")
    audiences = [audience] if isinstance(audience, str) else audience
    if not isinstance(audiences, list) or not all(isinstance(item, str) for item in audiences):
        raise TokenInvalid("aud: not a text or a list of texts")
    if not set(audiences) & set(profile.audience):
        raise TokenInvalid("aud: the token is for another service")
    scope = claims.get("scope")
    if not isinstance(scope, str) or not _SCOPE.fullmatch(scope):
        raise TokenInvalid("scope: not a list of scopes with spaces between them")
    client, _, jti = (_string(claims, name) for name in ("client_id", "sub", "jti"))
    credential = "sha256:" + hashlib.sha256(jti.encode()).hexdigest()
    # Client and organisation stand in the access log in the clear.
    if contains_insz(client):
        raise TokenInvalid("client_id: holds a national number")
    if profile.insz_claim is not None:
        return Citizen(
            issuer=profile.issuer,
            client=client,
            insz=_citizen_number(profile, profile.insz_claim, claims),
            credential=credential,
            expires_at=_expiry(profile, claims, now),
        )
    return Caller(
        issuer=profile.issuer,
        client=client,
        organisation=_organisation(profile, claims),
        scopes=frozenset(scope.split()),
        credential=credential,
        expires_at=_expiry(profile, claims, now),
    )


def _citizen_number(profile: IssuerProfile, name: str, claims: Mapping[str, Any]) -> Insz:
    """The number of a person who speaks for herself: who speaks for a body is an employee."""
    if profile.organisation_claim in claims:
        raise TokenInvalid("the token of a citizen names an organisation")
    try:
        return Insz(_string(claims, name))
    except NotAnInsz:
        raise TokenInvalid("the claim of the citizen is no national number") from None


def _organisation(profile: IssuerProfile, claims: Mapping[str, Any]) -> str:
    organisation = claims.get(profile.organisation_claim)
    if not _is_text(organisation) or organisation != organisation.strip():
        raise TokenInvalid("the organisation claim is not a text")
    if contains_insz(organisation):
        raise TokenInvalid("the organisation claim holds a national number")
    return organisation


def _expiry(profile: IssuerProfile, claims: Mapping[str, Any], now: datetime) -> datetime:
    moment = now.timestamp()
    expires, issued = _seconds_since_epoch(claims, "exp"), _seconds_since_epoch(claims, "iat")
    if issued > moment + FUTURE_TOLERANCE:
        raise TokenInvalid("iat: issued in the future")
    if "nbf" in claims and _seconds_since_epoch(claims, "nbf") > moment + profile.leeway:
        raise TokenInvalid("nbf: not valid yet")
    if not 0 < expires - issued <= profile.max_lifetime:
        raise TokenInvalid("exp: not within the lifetime that the issuer may give")
    # RFC 7519: refused on or after the moment; python-jose accepts it.
    if moment >= expires + profile.leeway:
        raise TokenExpired("exp: expired")
    return datetime.fromtimestamp(expires, UTC)


def _seconds_since_epoch(claims: Mapping[str, Any], name: str) -> int:
    value = claims.get(name)
    if type(value) is not int:  # a bool is an int too
        raise TokenInvalid(f"{name}: not a whole number")
    return value


def _string(members: Mapping[str, Any], name: str) -> str:
    value = members.get(name)
    if not _is_text(value):
        raise TokenInvalid(f"{name}: not a text of 1 to {TEXT_LIMIT} characters")
    return value


def _is_text(value: object) -> TypeGuard[str]:
    """A string that can stand in a log line: no control character, no lone surrogate."""
    return isinstance(value, str) and 0 < len(value) <= TEXT_LIMIT and value.isprintable()


class _IssuerKeys:
    """The public keys of one issuer, asked for again as they age or when a kid is unknown.

    Time is the `now` of the requests, so the keys need no clock and no background task.
    """

    def __init__(
        self,
        profile: IssuerProfile,
        transport: httpx.AsyncBaseTransport | None,
        given: Sequence[Jwk],
        changed: Callable[[], None],
    ) -> None:
        self._profile = profile
        self._transport = transport
        self._changed = changed
        self._lock = asyncio.Lock()
        self._jwks: Sequence[Jwk] = given
        self._keys = _usable_keys(given, profile.algorithms)
        self._ttl = JWKS_TTL
        self._fetched: datetime | None = None
        self._asked: datetime | None = None

    async def find(self, kid: str, algorithm: str, now: datetime) -> Key:
        """The key with this kid for this algorithm.

        Raises `TokenInvalid` when the issuer has none, `KeysUnavailable` when nothing is known
        of its keys or only what it said more than `JWKS_STALE` ago.
        """
        if not self._younger_than(self._ttl, now):
            await self._ask(JWKS_RETRY, now)
        if (key := self._held(now).get((kid, algorithm))) is not None:
            return key
        await self._ask(UNKNOWN_KID_RETRY, now)
        if (key := self._held(now).get((kid, algorithm))) is not None:
            return key
        if not self._held(now):
            raise KeysUnavailable
        raise TokenInvalid("kid: the issuer has no such key for this algorithm")

    def _held(self, now: datetime) -> Mapping[tuple[str, str], Key]:
        return self._keys if self._younger_than(JWKS_STALE, now) else {}

    def _younger_than(self, age: timedelta, now: datetime) -> bool:
        if self._profile.jwks is None:
            return True
        return self._fetched is not None and abs(now - self._fetched) < age

    def _asked_within(self, pause: timedelta, now: datetime) -> bool:
        return self._asked is not None and abs(now - self._asked) < pause

    async def _ask(self, pause: timedelta, now: datetime) -> None:
        """Fetch the keys once for all who wait, and not again within `pause`."""
        source = self._profile.jwks
        if source is None:
            return
        async with self._lock:
            if self._asked_within(pause, now):  # perhaps by another, while this one waited
                return
            try:
                data, ttl = await _fetch(source, self._transport)
                jwks = _read_jwks(data)
            except (httpx.HTTPError, OSError, ValueError, RecursionError) as error:
                self._asked = now
                _log.warning(
                    "the keys of %s were not refreshed: %s",
                    self._profile.issuer,
                    type(error).__name__,
                )
                return
            self._asked = self._fetched = now
            self._ttl = ttl
            if jwks == self._jwks:
                return
            self._jwks, self._keys = jwks, _usable_keys(jwks, self._profile.algorithms)
            self._changed()


async def _fetch(
    source: str, transport: httpx.AsyncBaseTransport | None
) -> tuple[bytes, timedelta]:
    """A key set and how long it is fresh; OSError, ValueError or httpx.HTTPError when not had."""
    if not source.startswith("https:"):
        with Path(source).open("rb") as file:
            return file.read(JWKS_BYTES + 1), JWKS_TTL
    # The limit of httpx holds between two packets, the outer one for the whole answer.
    async with (
        asyncio.timeout(5),
        httpx.AsyncClient(
            transport=transport,
            trust_env=False,
            follow_redirects=False,
            timeout=httpx.Timeout(5, connect=2),
            # Not compressed, so that the limit counts what came and what is read.
            headers={"Accept": "application/json", "Accept-Encoding": "identity"},
        ) as client,
        client.stream("GET", source) as response,
    ):
        if response.status_code != httpx.codes.OK or "Content-Encoding" in response.headers:
            raise ValueError("not a plain 200")
        data = bytearray()
        async for chunk in response.aiter_raw():
            data += chunk
            if len(data) > JWKS_BYTES:
                break
        return bytes(data), _freshness(response.headers.get("Cache-Control", ""))


def _freshness(cache_control: str) -> timedelta:
    match = _MAX_AGE.search(cache_control.lower())
    if match is None:
        return JWKS_TTL
    return min(max(timedelta(seconds=int(match[1])), JWKS_MIN_TTL), JWKS_TTL)


def _read_jwks(data: bytes) -> list[Jwk]:
    if len(data) > JWKS_BYTES:
        raise ValueError("too large")
    jwks = _strict_json(data.decode("utf-8")).get("keys")
    if not isinstance(jwks, list) or len(jwks) > JWKS_KEYS:
        raise ValueError("no list of at most 32 keys")
    return [item for item in jwks if isinstance(item, dict)]


def _usable_keys(jwks: Sequence[Jwk], algorithms: Sequence[str]) -> Mapping[tuple[str, str], Key]:
    """One ready key for each kid and algorithm; a JWK that does not fit is skipped.

    Ready, because building one costs more than a verification; for one algorithm, because
    python-jose lets the key decide, not the header.
    """
    keys: dict[tuple[str, str], Key] = {}
    for algorithm in algorithms:
        for item in jwks:
            key = _key(item, algorithm) if _fits(item, algorithm) else None
            if key is not None:
                keys.setdefault((item["kid"], algorithm), key)
    return keys


def _fits(item: Jwk, algorithm: str) -> bool:
    kty, curve = _KINDS[algorithm]
    operations = item.get("key_ops", ["verify"])
    return (
        _is_text(item.get("kid"))
        and item.get("kty") == kty
        and (curve is None or item.get("crv") == curve)
        and item.get("use", "sig") == "sig"
        and isinstance(operations, list)
        and "verify" in operations
        and item.get("alg", algorithm) == algorithm
        and "d" not in item  # who publishes the private half proves nothing with the key
        and all(isinstance(item.get(name), str) for name in ("n", "e") if kty == "RSA")
        and all(isinstance(item.get(name), str) for name in ("x", "y") if kty == "EC")
    )


def _key(item: Jwk, algorithm: str) -> Key | None:
    """The key, or None for a JWK that says more than it holds or is too weak or too large."""
    pss = _PSS_HASHES.get(algorithm)
    try:
        key = jwk.construct(item, "RS256" if pss else algorithm)
    except (JOSEError, ValueError):
        return None
    if item["kty"] == "RSA" and key.prepared_key.key_size not in RSA_BITS:
        return None
    return _PssKey(key.prepared_key, pss) if pss else key


class _PssKey(Key):  # type: ignore[misc]
    """A public RSA key for RSASSA-PSS (RFC 7518, 3.5), which python-jose leaves out."""

    def __init__(self, key: Any, algorithm: hashes.HashAlgorithm) -> None:
        self._key = key
        self._hash = algorithm

    def verify(self, msg: bytes, sig: bytes) -> bool:
        """True when the signature is this key's, with a salt as long as the hash."""
        form = padding.PSS(padding.MGF1(self._hash), salt_length=self._hash.digest_size)
        try:
            self._key.verify(sig, msg, form, self._hash)
        except InvalidSignature:
            return False
        return True


class DemoIssuer:
    """Issues the tokens of the demo with a key of its own; refuses to exist in production."""

    def __init__(self, private: Jwk) -> None:
        if not all(_is_text(private.get(name)) for name in ("kid", "crv", "x", "y", "d")):
            raise ValueError("not a private EC key")
        self._kid = str(private["kid"])
        self._key = jwk.construct(private, "ES256")
        self.public_keys: tuple[Jwk, ...] = (
            {**self._key.public_key().to_dict(), "kid": self._kid, "use": "sig"},
        )
        self.profile = IssuerProfile(
            issuer=DEMO_ISSUER,
            audience=(API_AUDIENCE,),
            algorithms=("ES256",),
            max_lifetime=int(DEMO_TTL.total_seconds()),
        )
        # Another name, the same key: the name decides what its tokens are.
        self.citizen_profile = replace(self.profile, issuer=DEMO_CITIZEN_ISSUER, insz_claim="sub")

    @property
    def profiles(self) -> tuple[IssuerProfile, ...]:
        """The issuer of tokens for bodies, and the one of tokens for citizens."""
        return self.profile, self.citizen_profile

    @classmethod
    def load_or_create(cls, path: Path, mode: Mode) -> Self:
        """Read the private JWK at `path`, made there first (0600, atomically) when absent.

        Raises `IssuersInvalid` outside demo mode, or for a file that holds no such key.
        """
        if mode is not Mode.DEMO:
            raise IssuersInvalid("the demo issuer exists in demo mode only")
        if not path.exists():
            write_once(path, canonical_json(_new_private_key()))
        try:
            return cls(_strict_json(path.read_text(encoding="utf-8")))
        except (ValueError, LookupError, JOSEError):
            # No cause: it would carry the private key.
            raise IssuersInvalid(f"{path}: not a demo key; remove it to make one") from None

    def issue(
        self,
        organisation: str,
        client: str,
        scopes: Sequence[str],
        now: datetime,
        ttl: timedelta = DEMO_TTL,
        subject: str | None = None,
    ) -> str:
        """Sign an access token (RFC 9068) that holds from `now` on for `ttl`; the Verifier
        takes none that lives longer than `DEMO_TTL`.
        """
        named = {
            "iss": self.profile.issuer,
            "sub": subject or client,
            "client_id": client,
            "scope": " ".join(scopes),
            self.profile.organisation_claim: organisation,
        }
        return self._sign(named, now, ttl)

    def issue_citizen(self, insz: Insz, now: datetime) -> str:
        """Sign a token of this person, as the portal where she logged in would get it."""
        named = {
            "iss": self.citizen_profile.issuer,
            "sub": insz.digits,
            "client_id": DEMO_PORTAL,
            "scope": "",
        }
        return self._sign(named, now, DEMO_TTL)

    def _sign(self, named: Mapping[str, str], now: datetime, ttl: timedelta) -> str:
        issued = int(now.timestamp())
        claims = {
            **named,
            "aud": API_AUDIENCE,
            "iat": issued,
            "exp": issued + int(ttl.total_seconds()),
            "jti": secrets.token_urlsafe(16),
        }
        header = {"typ": "at+jwt", "kid": self._kid}
        return str(jwt.encode(claims, self._key, algorithm="ES256", headers=header))


def _new_private_key() -> Jwk:
    private: Jwk = jwk.construct(ec.generate_private_key(ec.SECP256R1()), "ES256").to_dict()
    # RFC 7638: the thumbprint of the public members is the kid.
    public = {name: private[name] for name in ("crv", "kty", "x", "y")}
    return {**private, "kid": _encode(hashlib.sha256(canonical_json(public)).digest())}
