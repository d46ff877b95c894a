"""`protocolpoort retention run`: what is past its term goes once, with a record."""

import json
from pathlib import Path

import pytest
import vdab_world
from delivered import ask_list, file_of, work
from programs import Within
from service import CITY, LOG_ORIGIN, Service
from sqlalchemy import text
from vdab_world import number, quiet

from app import vdab_release
from app.retention import EXCHANGE, LIST
from app.vdab import ExchangeRefused


@pytest.fixture
def command(
    service: Service,
    own_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Within:
    """Commands beside the service, by its clock."""
    monkeypatch.setattr("app.retention_commands.read_clock", service.clock)
    monkeypatch.setattr("app.console.read_clock", service.clock)
    within = Within(monkeypatch, capfd)
    settings = {
        "DATABASE_URL": service.settings.database_url,
        "MONTH_KEYS": str(own_folder / "month-keys"),
        "LOG_KEY_FILE": str(own_folder / "log.key"),
        "LOG_ORIGIN": LOG_ORIGIN,
    }

    def run(*arguments: str, **more: str) -> object:
        return within(*arguments, **settings, **more)

    return run  # type: ignore[return-value]


def records(service: Service, operation: str) -> int:
    with service.office.database.reading() as session:
        rows = session.connection().execute(text("SELECT record FROM access_record"))
        return [json.loads(bytes(row[0]))["operation"] for row in rows].count(operation)


async def test_a_list_goes_when_its_time_is_over(service: Service, command: Within) -> None:
    asked = (await ask_list(service, CITY, "lokaalIntegratiebeleid", 2026)).json()
    work(service)
    assert json.loads(command("retention", "run", "--json").out) == []
    service.clock.forward(days=30)
    service.office.keys.create(service.clock.now, 2)
    over = [{"soort": LIST, "id": asked["lijstId"]}]

    told = command("retention", "run", "--dry-run", "--json")
    assert (json.loads(told.out), told.code) == (over, 0)
    assert "1 would go" in told.err
    assert records(service, "listExpire") == 0
    gone = command("retention", "run", "--json")
    assert (json.loads(gone.out), gone.code) == (over, 0)
    assert "1 are gone" in gone.err
    assert json.loads(command("retention", "run", "--json").out) == []
    assert records(service, "listExpire") == 1
    assert (await file_of(service, CITY, asked["lijstId"])).status_code == 410


async def test_the_files_of_the_exchange_go_after_their_term(
    service: Service, command: Within, own_folder: Path
) -> None:
    keys = service.office.keys
    world = vdab_world.make_world(service.office.database, own_folder / "vdab", keys)
    world.add([number(at) for at in range(10)])
    world.take_in(world.answer(world.export()))
    until = vdab_release.release(world.post, 5, quiet).plan.keep_until
    folder = str(world.post.folder)
    assert json.loads(command("retention", "run", "--json", EXCHANGE=folder).out) == []

    service.clock.now = service.clock.now.replace(year=until.year + 1)
    keys.create(service.clock.now, 2)
    told = json.loads(command("retention", "run", "--dry-run", "--json", EXCHANGE=folder).out)
    assert {each["soort"] for each in told} == {EXCHANGE}
    assert len(told) == 4
    gone = json.loads(command("retention", "run", "--json", EXCHANGE=folder).out)
    assert gone == told
    assert [*world.post.out.glob("*.age")] == []
    assert json.loads(command("retention", "run", "--json", EXCHANGE=folder).out) == []


async def test_a_round_that_goes_no_further_is_ended_with_its_files(
    service: Service, command: Within, own_folder: Path
) -> None:
    keys = service.office.keys
    world = vdab_world.make_world(service.office.database, own_folder / "vdab", keys)
    world.add([number(at) for at in range(10)])
    made = world.export()
    folder = {"EXCHANGE": str(world.post.folder)}
    service.clock.now = vdab_world.NOW
    assert json.loads(command("retention", "run", "--json", **folder).out) == []

    service.clock.forward(days=185)
    keys.create(service.clock.now, 1)
    told = json.loads(command("retention", "run", "--dry-run", "--json", **folder).out)
    gone = json.loads(command("retention", "run", "--json", **folder).out)

    names = [made.round.label, made.round.numbers_file]
    assert told == gone == [{"soort": EXCHANGE, "id": name} for name in names]
    assert world.stands() == set()
    assert records(service, "vdabCancel") == 1
    assert json.loads(command("retention", "run", "--json", **folder).out) == []


async def test_lists_go_while_the_exchange_is_at_work(
    service: Service, command: Within, own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    await ask_list(service, CITY, "lokaalIntegratiebeleid", 2026)
    work(service)
    service.clock.forward(days=30)
    service.office.keys.create(service.clock.now, 2)

    def busy(_: object) -> list[object]:
        raise ExchangeRefused("another command is at work")

    monkeypatch.setattr("app.vdab_ending.remove_overdue", busy)
    ended = command("retention", "run", EXCHANGE=str(own_folder / "vdab"))
    assert (ended.code, "at work" in ended.err) == (1, True)
    assert records(service, "listExpire") == 1
