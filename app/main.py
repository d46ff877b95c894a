"""The application, put together from its settings."""

import asyncio
import ctypes
import gc
import logging
import os
import platform
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TypeVar

from anyio import CapacityLimiter, to_thread
from fastapi import FastAPI, Request, Response
from fastapi.routing import APIRoute
from sqlalchemy.exc import SQLAlchemyError
from starlette.exceptions import HTTPException
from starlette.types import Receive, Scope, Send

from app import (
    __version__,
    administration,
    fields,
    list_making,
    log_keys,
    problems,
    protocols,
)
from app.access_log import AccessLog
from app.administration import Office
from app.checkpoints import Notary
from app.database import Database, is_current
from app.deps import Desk, read_clock
from app.errors import Fault, LogUnavailable, MethodNotAllowed, PathUnknown
from app.gate import Gate
from app.list_making import Workshop
from app.log_keys import KeyUnfit, LogRewritten
from app.month_keys import MonthKeys
from app.reader import Reader
from app.record import Origin
from app.routers import (
    adviezen,
    deelnemers,
    dev,
    doc,
    dossiers,
    health,
    lijsten,
    log,
    meldingen,
    mijn_raadplegingen,
    mijn_toegang,
    protocollen,
    toegangen,
)
from app.settings import PREFIX, SettingInvalid, Settings, read_settings
from app.tokens import DemoIssuer, IssuerProfile, IssuersInvalid, Verifier, read_issuers
from app.wire import BASE

T = TypeVar("T")
logger = logging.getLogger("protocolpoort")
LISTS_SECONDS = 2  # after which it is looked whether a list is asked
REST = 0.25  # of the time that records of a list take, for everybody else
# By the numbers of malloc.h: M_MMAP_THRESHOLD, M_TRIM_THRESHOLD, M_ARENA_MAX.
MALLOPT = {-3: 64 * 1024, -1: 128 * 1024, -8: 1}
DEMO_ISSUER_KEY = Path("var/demo-issuer.json")
SECRETS_IN_FILES = ("PROTOCOLPOORT_DATABASE_URL",)


class Service(FastAPI):
    """FastAPI; the hot operations go straight to their endpoint, by one look in a table of paths.

    They stand among the routes as well: this leaves out what FastAPI does for each request between
    its server and a route, which none of them needs (docs/adr/0017).
    """

    straight: Mapping[str, Callable[[Request], Awaitable[Response]]] = {}

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request."""
        direct = scope["type"] == "http" and not scope.get("root_path")
        endpoint = self.straight.get(scope["path"]) if direct else None
        if endpoint is None:
            await super().__call__(scope, receive, send)
            return
        scope["app"] = self
        request = Request(scope, receive)
        try:
            response = await endpoint(request)
        except Exception as error:  # noqa: BLE001 - as on every other way
            response = await _unexpected(request, error)
        await response(scope, receive, send)


class NotReady(Exception):
    """The service cannot start as it is set up; the text says what helps."""


def settings_from(environment: Mapping[str, str]) -> Settings:
    """Settings, with a secret that stands in a file (`..._FILE`) read from there."""
    values = dict(environment)
    for name in SECRETS_IN_FILES:
        if path := values.pop(f"{name}_FILE", None):
            try:
                values[name] = Path(path).read_text(encoding="utf-8").strip()
            except (OSError, UnicodeDecodeError):
                raise SettingInvalid(f"{name}_FILE cannot be read") from None
    return read_settings(values)


def origin() -> Origin:
    """What every record of this process says of the service."""
    return Origin(fields.CATALOGUE_HASH, __version__, platform.node() or "onbekend")


def create_app(
    settings: Settings | None = None, clock: Callable[[], datetime] = read_clock
) -> FastAPI:
    """The service; raises NotReady or SettingInvalid when it could not keep its promises."""
    settings = settings or settings_from(os.environ)  # noqa: TID251 - assembly reads it once
    desk = _desk(settings, clock)

    @asynccontextmanager
    async def lifespan(_app: FastAPI) -> AsyncIterator[None]:
        _settle_memory()
        shop = workshop(settings, Office(desk.gate.database, desk.gate.log.keys, origin()), clock)
        chores = [asyncio.create_task(chore(desk)) for chore in (_summarise, _sign)]
        shop.stopped, shop.rest = lambda: desk.gate.log.rewritten, REST
        ending = asyncio.Event()
        maker = asyncio.create_task(_make_lists(shop, ending))
        yield
        shop.closing = True
        ending.set()
        await maker  # between two parts: nothing is recorded after the last signature
        for chore in chores:
            chore.cancel()
        await asyncio.gather(*chores, return_exceptions=True)
        try:
            await desk.strangers.summarise(clock(), closing=True)
        finally:
            await _sign_once(desk, closing=True)  # nothing stays that nobody vouches for
            desk.gate.database.dispose()

    app = Service(
        title="Protocolpoort",
        openapi_url=None,  # the contract is written by hand and served by `doc`
        redirect_slashes=False,
        lifespan=lifespan,
        exception_handlers={
            HTTPException: _unmatched,
            Fault: _told,
            SQLAlchemyError: _no_database,
            Exception: _unexpected,
        },
    )
    app.state.desk = desk
    app.straight = {
        f"{BASE}{route.path}": route.endpoint
        for router in (dossiers, adviezen)
        for route in router.router.routes
        if isinstance(route, APIRoute)
    }
    app.include_router(doc.router)
    app.include_router(health.router)
    app.include_router(log.router)
    asked = (
        *(dossiers, adviezen, deelnemers, lijsten, mijn_toegang),
        *(protocollen, toegangen, mijn_raadplegingen, meldingen),
    )
    for router in (health, *asked):
        app.include_router(router.router, prefix=BASE)
    if not settings.production:
        app.state.demo_issuer = DemoIssuer.load_or_create(DEMO_ISSUER_KEY, settings.mode)
        app.include_router(dev.router)
    return app


def _settle_memory() -> None:
    """What was loaded stays: the collector need not look at it again and again.

    A request leaves little behind that refers to itself, so a search for that may be rare.
    """
    gc.collect()
    gc.freeze()
    gc.set_threshold(50_000, 20, 50)
    give_back_memory(ctypes.CDLL(None))


def give_back_memory(library: object) -> bool:
    """Let the C library return what is freed; True where it can be told so.

    Batches and bodies are large and short-lived: glibc would soon keep their room among what stays,
    in a heap for each thread, and the process would grow by megabytes a minute under a mixed load
    (bench/soak.md).
    """
    tell = getattr(library, "mallopt", None)
    return tell is not None and all(tell(what, value) for what, value in MALLOPT.items())


def _desk(settings: Settings, clock: Callable[[], datetime]) -> Desk:
    database = Database(settings.database_url)
    if not is_current(database):
        database.dispose()
        raise NotReady("the database is not up to date: run `protocolpoort db upgrade`")
    keys = month_keys(settings)
    if not settings.production:
        keys.create(clock(), months=2)
    if not keys.has(clock()):
        raise NotReady("this month has no key: run `protocolpoort keys create`")
    with database.reading() as session:
        register = protocols.read_register(session)
    log = AccessLog(database, keys, origin())
    reader = Reader(database)
    told = (problems.status_of, problems.document)
    gate = Gate(settings, database, register, log, reader, clock, *told)
    signer = notary(settings, Office(database, keys, origin()), clock())
    desk = Desk.open(gate, _verifier(settings), signer)
    desk.sign()
    return desk


def needed(name: str, value: T | None, what: str) -> T:
    """A setting that this cannot do without; raises SettingInvalid."""
    if value is None:
        raise SettingInvalid(f"{PREFIX}{name} must name {what}")
    return value


def month_keys(settings: Settings) -> MonthKeys:
    """The keys in the folder of the settings; raises SettingInvalid."""
    return MonthKeys(needed("MONTH_KEYS", settings.month_keys, "the folder of the month keys"))


def log_settings(settings: Settings) -> tuple[str, Path]:
    """The address of the log and the file of its key; raises SettingInvalid."""
    return (
        needed("LOG_ORIGIN", settings.log_origin, "the address of the log"),
        needed("LOG_KEY_FILE", settings.log_key_file, "the file of the signing key"),
    )


def notary(settings: Settings, office: Office, now: datetime) -> Notary:
    """The signer of the log, with the key of the settings; a demo gives a new log its key."""
    origin_of_log, key_file = log_settings(settings)
    try:
        if not settings.production and not _has_key(office):
            try:
                administration.adopt_key(office, origin_of_log, key_file, now)
            except KeyUnfit:
                if not _has_key(office):  # else another process that starts was first
                    raise
        return Notary.open(office.database, origin_of_log, key_file)
    except (KeyUnfit, LogRewritten) as unfit:
        raise NotReady(str(unfit)) from None


def _has_key(office: Office) -> bool:
    with office.database.reading() as session:
        return bool(log_keys.listed(session))


def _verifier(settings: Settings) -> Verifier:
    """The issuers of the operator; in demo mode the demo issuers beside them."""
    profiles: tuple[IssuerProfile, ...] = ()
    if settings.issuers is not None:
        try:
            profiles = read_issuers(settings.issuers.read_text(encoding="utf-8"))
        except OSError:
            raise SettingInvalid("PROTOCOLPOORT_ISSUERS cannot be read") from None
        except IssuersInvalid as invalid:
            raise SettingInvalid(f"PROTOCOLPOORT_ISSUERS: {invalid}") from None
    if settings.production:
        if not profiles:
            raise SettingInvalid("PROTOCOLPOORT_ISSUERS must name the file with the issuers")
        return Verifier(profiles)
    demo = DemoIssuer.load_or_create(DEMO_ISSUER_KEY, settings.mode)
    keys = {profile.issuer: demo.public_keys for profile in demo.profiles}
    return Verifier((*profiles, *demo.profiles), keys=keys, test_numbers=True)


def workshop(settings: Settings, office: Office, clock: Callable[[], datetime]) -> Workshop:
    """Where this process makes lists."""
    log_origin, key_file = log_settings(settings)
    return Workshop(
        office.database,
        office.keys,
        origin(),
        settings,
        clock,
        lambda text: log_keys.read_file(key_file, log_origin).sign(text),
        log_origin,
        secrets.token_hex(16),
    )


async def _make_lists(shop: Workshop, ending: asyncio.Event) -> None:
    """Make the lists that are asked, one after another, until the end."""
    while not ending.is_set():
        try:
            made = await to_thread.run_sync(list_making.work_once, shop, limiter=CapacityLimiter(1))
        except Exception as error:  # noqa: BLE001 - whatever it was, it is looked at again
            logger.error("no list was made: %s", type(error).__name__)
            made = False
        if not made:
            with suppress(TimeoutError):
                await asyncio.wait_for(ending.wait(), LISTS_SECONDS)


async def _summarise(desk: Desk) -> None:
    """Once a minute: the summary of the refusals that were counted and not recorded."""
    while True:
        now = desk.gate.clock()
        until = now.replace(second=0, microsecond=0) + timedelta(minutes=1)
        await asyncio.sleep((until - now.astimezone(UTC)).total_seconds())
        try:
            await desk.strangers.summarise(desk.gate.clock())
        except LogUnavailable:
            continue  # health tells; the next minute tries again


async def _sign(desk: Desk) -> None:
    """Once a second: a checkpoint over what was recorded since."""
    while True:
        await _sign_once(desk)
        await asyncio.sleep(1)


async def _sign_once(desk: Desk, *, closing: bool = False) -> None:
    # A thread of its own: a crowd of readers does not keep the log unsigned.
    try:
        await to_thread.run_sync(lambda: desk.sign(closing=closing), limiter=CapacityLimiter(1))
    except Exception as error:  # noqa: BLE001 - whatever it was, the next second looks again
        logger.error("no checkpoint was signed: %s", type(error).__name__)


async def _told(_request: Request, fault: Exception) -> Response:
    """A fault on a resource that is never recorded."""
    assert isinstance(fault, Fault)  # noqa: S101 - registered for this class alone
    return problems.render(fault)


async def _no_database(_request: Request, _error: Exception) -> Response:
    """The database is away, on a resource that is never recorded."""
    return problems.render(LogUnavailable())


async def _unexpected(_request: Request, _error: Exception) -> Response:
    """Anything else outside a recorded operation: no detail."""
    return problems.render(Fault())


async def _unmatched(_request: Request, error: Exception) -> Response:
    """An unknown path, or a wrong method on a page outside the contract: never recorded."""
    assert isinstance(error, HTTPException)  # noqa: S101 - registered for this class alone
    if error.status_code == 405:
        return problems.render(MethodNotAllowed((error.headers or {}).get("Allow", "GET")))
    return problems.render(PathUnknown())
