"""`protocolpoort lists`: what was asked, and making it here and now."""

import json
from pathlib import Path

import pytest
from delivered import ask_list, file_of
from programs import Within
from service import CITY, LOG_ORIGIN, Service


@pytest.fixture
def settings(service: Service, own_folder: Path) -> dict[str, str]:
    """Those of the service, for a command beside it."""
    return {
        "DATABASE_URL": service.settings.database_url,
        "MONTH_KEYS": str(own_folder / "month-keys"),
        "LOG_KEY_FILE": str(own_folder / "log.key"),
        "LOG_ORIGIN": LOG_ORIGIN,
    }


async def test_a_list_is_made_by_a_command_and_shown(
    service: Service,
    settings: dict[str, str],
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    command = Within(monkeypatch, capfd)
    assert "0 lists were worked on" in command("lists", "make", **settings).err
    asked = (await ask_list(service, CITY, "lokaalIntegratiebeleid", 2026)).json()
    [waiting] = json.loads(command("lists", "list", "--json", **settings).out)
    assert (waiting["id"], waiting["toestand"]) == (asked["lijstId"], "gevraagd")

    # The command reads the clock of the machine, on which the year may be another one.
    monkeypatch.setattr("app.list_commands.read_clock", service.clock)
    ended = command("lists", "make", **settings)

    assert (ended.code, ended.out) == (0, "")
    assert "1 lists were worked on" in ended.err
    [made] = json.loads(command("lists", "list", "--json", **settings).out)
    assert (made["toestand"], made["organisatie"], made["jaar"]) == ("klaar", CITY, 2026)
    assert made["personen"] > 10
    assert (await file_of(service, CITY, asked["lijstId"])).status_code == 200
