"""When a request has ended, nothing of it waits in memory for a search for circles."""

import ctypes
import gc
import platform
from collections.abc import Callable
from typing import Any

import pytest
from service import ADVICE, CITY, FUND, Service, closed_log, execute, person_with

from app.demo_persons import NON_RESIDENT, RESIDENT_WITH_CERTIFICATE
from app.gate import Gate
from app.insz import Insz
from app.main import give_back_memory
from app.visit import Visit

DOSSIER = {
    "insz": RESIDENT_WITH_CERTIFICATE.digits,
    "doeleinde": "lokaalIntegratiebeleid",
    "referte": "r",
}
PATH = "/dossiers/query"
BATCH = {
    "doeleinde": DOSSIER["doeleinde"],
    "referte": "r",
    "velden": ["personalia.insz"],
    "vragen": [
        {"insz": each.digits, "referte": "r"} for each in (RESIDENT_WITH_CERTIFICATE, NON_RESIDENT)
    ],
}
NO_ADVICE = {
    "insz": person_with("T02").insz.digits,
    "doeleinde": "zorgbudgetZwaarZorgbehoevenden",
    "referte": "r",
    "toetsdatum": "2026-01-01",
}


async def left_by(service: Service, status: int, *asked: Any, **more: Any) -> list[object]:
    """What a few requests leave that only a search for circles finds."""
    await service.ask(*asked, **more)
    gc.collect()
    gc.disable()
    gc.set_debug(gc.DEBUG_SAVEALL)
    try:
        for _ in range(3):
            answer = await service.ask(*asked, **more)
            assert answer.status_code == status, answer.text
            answer = None  # type: ignore[assignment]  # the test itself holds nothing
        gc.collect()
        return [each for each in gc.garbage if isinstance(each, (Visit, Insz))]
    finally:
        gc.set_debug(0)
        gc.garbage.clear()
        gc.enable()


@pytest.mark.parametrize(
    ("status", "path", "body", "more"),
    [
        (200, PATH, DOSSIER, {}),
        (200, "/dossiers/queryBatch", BATCH, {}),
        (403, PATH, {**DOSSIER, "insz": NON_RESIDENT.digits}, {}),
        (403, PATH, {**DOSSIER, "doeleinde": "iets"}, {}),
        (400, PATH, {**DOSSIER, "meer": 1}, {}),
        (400, PATH, {**DOSSIER, "insz": "123"}, {}),
        (400, PATH, None, {"content": b"{", "method": "POST"}),
        (403, PATH, DOSSIER, {"scopes": (ADVICE,)}),
        (405, PATH, None, {"method": "GET"}),
        (401, PATH, DOSSIER, {"headers": {"authorization": "Bearer x"}}),
    ],
)
async def test_neither_an_answer_nor_a_refusal_stays(
    service_on_each: Service, status: int, path: str, body: object, more: dict[str, Any]
) -> None:
    assert await left_by(service_on_each, status, CITY, path, body, **more) == []


async def test_no_advice_does_not_stay(service: Service) -> None:
    assert await left_by(service, 409, FUND, "/adviezen/query", NO_ADVICE) == []


async def test_what_broke_does_not_stay(service: Service, monkeypatch: pytest.MonkeyPatch) -> None:
    def broken(*_: object) -> None:
        raise RuntimeError

    monkeypatch.setattr(Gate, "open", broken)

    assert await left_by(service, 500, CITY, PATH, DOSSIER) == []


async def test_an_answer_without_a_record_does_not_stay(service: Service) -> None:
    with closed_log(service):
        assert await left_by(service, 503, CITY, PATH, DOSSIER) == []


async def test_what_was_overtaken_does_not_stay(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: Callable[..., Any] = service.client.request

    async def moved(*arguments: Any, **more: Any) -> Any:
        execute(service, "UPDATE register_state SET version = version + 1")
        return await asked(*arguments, **more)

    monkeypatch.setattr(service.client, "request", moved)

    assert await left_by(service, 200, CITY, PATH, DOSSIER) == []


@pytest.mark.skipif(platform.libc_ver()[0] != "glibc", reason="another C library")
def test_glibc_is_told_to_give_back_what_is_freed() -> None:
    assert give_back_memory(ctypes.CDLL(None))


def test_a_library_that_cannot_be_told_is_left_alone() -> None:
    assert not give_back_memory(object())
