"""The settings: safe when absent, refused when wrong."""

from pathlib import Path

import pytest

from app.settings import Mode, SettingInvalid, Settings, read_settings


def read(**values: str) -> Settings:
    """Read these settings, given without their prefix."""
    return read_settings({f"PROTOCOLPOORT_{name}": value for name, value in values.items()})


def test_without_any_setting_it_is_production_and_nothing_secret_has_a_default() -> None:
    assert read() == Settings(
        mode=Mode.PRODUCTION,
        database_url="sqlite:///var/protocolpoort.db",
        protocols=Path("protocols"),
        issuers=None,
        month_keys=None,
        rate_limit=0,
    )
    assert read().production


def test_the_demo_has_a_place_for_everything() -> None:
    assert read(MODE="demo") == Settings(
        mode=Mode.DEMO,
        month_keys=Path("var/month-keys"),
    )
    assert not read(MODE="demo").production


def test_every_setting_is_read() -> None:
    values = {
        "MODE": "demo",
        "DATABASE_URL": "sqlite:////srv/a.db",
        "PROTOCOLS": "/srv/protocols",
        "ISSUERS": "/srv/issuers.json",
        "MONTH_KEYS": "/srv/keys",
        "RATE_LIMIT": "600",
    }

    assert read(**values) == Settings(
        mode=Mode.DEMO,
        database_url="sqlite:////srv/a.db",
        protocols=Path("/srv/protocols"),
        issuers=Path("/srv/issuers.json"),
        month_keys=Path("/srv/keys"),
        rate_limit=600,
    )


def test_an_empty_setting_is_an_absent_one() -> None:
    assert read(MODE=" ", DATABASE_URL="", MONTH_KEYS="", RATE_LIMIT=" ") == read()


def test_white_space_around_a_setting_does_not_count() -> None:
    assert read(MODE=" demo\n", RATE_LIMIT=" 5 ") == read(MODE="demo", RATE_LIMIT="5")


def test_what_belongs_to_another_program_is_not_read() -> None:
    assert read_settings({"MODE": "demo", "PROTOCOLPOORTMODE": "demo"}) == read()


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_every_spelling_of_postgresql_means_the_driver_that_we_ship(scheme: str) -> None:
    url = read(DATABASE_URL=f"{scheme}://owner:secret@db/poort?sslmode=require").database_url

    assert url == "postgresql+psycopg://owner:secret@db/poort?sslmode=require"


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MODE", "Production"),
        ("MODE", "demo,production"),
        ("DATABASE_URL", "mysql://owner:secret@db/poort"),
        ("DATABASE_URL", "sqlite://"),
        ("DATABASE_URL", "secret"),
        ("DATABASE_URL", "sqlite:///"),
        ("DATABASE_URL", "sqlite:///:memory:"),
        ("RATE_LIMIT", "-1"),
        ("RATE_LIMIT", "35.0"),
        ("RATE_LIMIT", "²"),
        ("RATE_LIMIT", "+5"),
        ("RATE_LIMIT", "\u0665"),
        ("RATE_LIMIT", "secret"),
    ],
)
def test_a_wrong_setting_is_refused_by_name_without_its_value(name: str, value: str) -> None:
    with pytest.raises(SettingInvalid, match=f"^PROTOCOLPOORT_{name} must ") as caught:
        read(**{name: value})

    assert "secret" not in str(caught.value)
