"""The settings: safe when absent, refused when wrong."""

from datetime import timedelta
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
        log_origin=None,
        log_key_file=None,
        max_data_age=timedelta(days=35),
        rate_limit=0,
    )
    assert read().production


def test_the_demo_has_a_place_for_everything() -> None:
    assert read(MODE="demo") == Settings(
        mode=Mode.DEMO,
        month_keys=Path("var/month-keys"),
        log_origin="protocolpoort.demo/log",
        log_key_file=Path("var/log.key"),
        exchange=Path("var/exchange"),
        exchange_key_file=Path("var/exchange.key"),
    )
    assert not read(MODE="demo").production


def test_every_setting_is_read() -> None:
    values = {
        "MODE": "demo",
        "DATABASE_URL": "sqlite:////srv/a.db",
        "PROTOCOLS": "/srv/protocols",
        "ISSUERS": "/srv/issuers.json",
        "MONTH_KEYS": "/srv/keys",
        "LOG_ORIGIN": "poort.example:8443/log",
        "LOG_KEY_FILE": "/srv/log.key",
        "LOG_RETENTION_MONTHS": "24",
        "MAX_DATA_AGE": "40",
        "RATE_LIMIT": "600",
        "EXCHANGE": "/srv/exchange",
        "EXCHANGE_KEY_FILE": "/srv/exchange.key",
        "VDAB_SFTP": "sftp://agii@sftp.example/in",
        "VDAB_SFTP_KEY": "/srv/ssh",
        "VDAB_KNOWN_HOSTS": "/srv/known_hosts",
        "VDAB_SIGNERS": "/srv/signers",
    }

    assert read(**values) == Settings(
        mode=Mode.DEMO,
        database_url="sqlite:////srv/a.db",
        protocols=Path("/srv/protocols"),
        issuers=Path("/srv/issuers.json"),
        month_keys=Path("/srv/keys"),
        log_origin="poort.example:8443/log",
        log_key_file=Path("/srv/log.key"),
        log_retention_months=24,
        max_data_age=timedelta(days=40),
        rate_limit=600,
        exchange=Path("/srv/exchange"),
        exchange_key_file=Path("/srv/exchange.key"),
        vdab_sftp="sftp://agii@sftp.example/in",
        vdab_sftp_key=Path("/srv/ssh"),
        vdab_known_hosts=Path("/srv/known_hosts"),
        vdab_signers=Path("/srv/signers"),
    )


def test_the_log_is_kept_for_ten_years_and_for_a_month_at_least() -> None:
    assert read().log_retention_months == 120
    assert read(LOG_RETENTION_MONTHS="1").log_retention_months == 1


def test_data_may_be_35_days_old_and_a_day_at_least() -> None:
    assert read(MAX_DATA_AGE="1").max_data_age == timedelta(days=1)
    assert read(MAX_DATA_AGE="999999999").max_data_age == timedelta(days=999999999)
    with pytest.raises(SettingInvalid) as caught:
        read(MAX_DATA_AGE="0")

    said = "PROTOCOLPOORT_MAX_DATA_AGE must be a whole number of 1 or more, of 9 digits"
    assert str(caught.value) == said


def test_an_empty_setting_is_an_absent_one() -> None:
    empty = {"DATABASE_URL": "", "MONTH_KEYS": "", "MAX_DATA_AGE": " ", "RATE_LIMIT": " "}
    assert read(MODE=" ", **empty) == read()


def test_white_space_around_a_setting_does_not_count() -> None:
    assert read(MODE=" demo\n", RATE_LIMIT=" 5 ") == read(MODE="demo", RATE_LIMIT="5")


def test_what_belongs_to_another_program_is_not_read() -> None:
    assert read_settings({"MODE": "demo", "PROTOCOLPOORTMODE": "demo"}) == read()


@pytest.mark.parametrize("scheme", ["postgresql", "postgres", "postgresql+psycopg"])
def test_every_spelling_of_postgresql_means_the_driver_that_we_ship(scheme: str) -> None:
    url = read(DATABASE_URL=f"{scheme}://owner:secret@db/poort?sslmode=require").database_url

    assert url == "postgresql+psycopg://owner:secret@db/poort?sslmode=require"


@pytest.mark.parametrize(
    "origin",
    [
        "gate.example",
        "gate.example/log",
        "gate.example:8443/log",
        "127.0.0.1:8000/log",
        "gate.example/a/b/c/d/log",
        "gate.example/~log_1.x-y",
    ],
)
def test_an_origin_is_an_address_without_its_scheme(origin: str) -> None:
    assert read(LOG_ORIGIN=origin, MODE="demo").log_origin == origin


@pytest.mark.parametrize(
    "origin",
    [
        "https://gate.example/log",
        "gate.example/log/",
        "gate.example/",
        "/log",
        "gate.example//log",
        "gate.example/log+1",
        "gate.example/my log",
        "gate.example/log\n2",
        "gate.example/log?x",
        "user@gate.example/log",
        "gate.example/lo\u0121",
        "g\u0430te.example/log",
        "gate.example:x/log",
        "gate.example/" + "x" * 51,
        "x" * 101,
        "gate.example/a/b/c/d/e/log",
    ],
)
def test_what_is_no_origin_is_refused(origin: str) -> None:
    said = "^PROTOCOLPOORT_LOG_ORIGIN must be an address without scheme, as gate.example/log$"

    with pytest.raises(SettingInvalid, match=said):
        read(LOG_ORIGIN=origin)


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
        ("LOG_ORIGIN", "https://poort.example/log"),
        ("LOG_ORIGIN", "poort.example/log/"),
        ("LOG_ORIGIN", "poort.example/log secret"),
        ("LOG_RETENTION_MONTHS", "0"),
        ("LOG_RETENTION_MONTHS", "-1"),
        ("LOG_RETENTION_MONTHS", "0.5"),
        ("LOG_RETENTION_MONTHS", "1200000000"),
        ("MAX_DATA_AGE", "0"),
        ("MAX_DATA_AGE", "-1"),
        ("MAX_DATA_AGE", "35.0"),
        ("MAX_DATA_AGE", "35 days"),
        ("MAX_DATA_AGE", "1000000000"),
        ("RATE_LIMIT", "-1"),
        ("RATE_LIMIT", "35.0"),
        ("RATE_LIMIT", "²"),
        ("RATE_LIMIT", "+5"),
        ("RATE_LIMIT", "\u0665"),
        ("RATE_LIMIT", "secret"),
        ("LOG_ORIGIN", "https://secret"),
        ("LOG_RETENTION_MONTHS", "secret"),
        ("MAX_DATA_AGE", "secret"),
    ],
)
def test_a_wrong_setting_is_refused_by_name_without_its_value(name: str, value: str) -> None:
    with pytest.raises(SettingInvalid, match=f"^PROTOCOLPOORT_{name} must ") as caught:
        read(**{name: value})

    assert "secret" not in str(caught.value)
