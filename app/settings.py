"""What the operator sets: environment variables with the prefix PROTOCOLPOORT_. Pure."""

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from pathlib import Path

PREFIX = "PROTOCOLPOORT_"
_ORIGIN = re.compile(r"[A-Za-z0-9.-]{1,100}(:[0-9]{1,5})?(/[A-Za-z0-9._~-]{1,50}){0,5}")


class Mode(StrEnum):
    """Production is the default: a forgotten setting never opens the demo."""

    PRODUCTION = "production"
    DEMO = "demo"


class SettingInvalid(Exception):
    """A setting that cannot be used; the text names the setting and the rule."""


@dataclass(frozen=True)
class Settings:
    """The settings of operations.md; what is secret or decides who may call has no default."""

    mode: Mode = Mode.PRODUCTION
    database_url: str = "sqlite:///var/protocolpoort.db"
    protocols: Path = Path("protocols")
    issuers: Path | None = None
    month_keys: Path | None = None
    log_origin: str | None = None  # the address of the log without its scheme, and its key's name
    log_key_file: Path | None = None
    log_retention_months: int = 120  # whole months that records and their keys are kept
    max_data_age: timedelta = timedelta(days=35)  # behind a NOK, or behind "no dossier"
    rate_limit: int = 0  # requests a minute for each client in each process; 0 is none
    webhooks: Path | None = None  # a file: where receivers take news, and the secrets for it
    exchange: Path | None = None  # the folder of the exchange with VDAB
    exchange_key_file: Path | None = None  # with which we open what VDAB gives back
    vdab_sftp: str | None = None  # sftp://user@host:22/folder
    vdab_sftp_key: Path | None = None  # with which we log in there
    vdab_known_hosts: Path | None = None  # the pinned host key
    vdab_signers: Path | None = None  # the public keys that VDAB signs its answers with

    @property
    def production(self) -> bool:
        """True unless the operator asked for the demo."""
        return self.mode is Mode.PRODUCTION


def read_settings(environment: Mapping[str, str]) -> Settings:
    """Read the settings; raise `SettingInvalid` for one that is there and wrong."""
    values = {
        name.removeprefix(PREFIX): value.strip()
        for name, value in environment.items()
        if name.startswith(PREFIX) and value.strip()
    }
    mode = _mode(values.get("MODE", Mode.PRODUCTION))
    demo = mode is Mode.DEMO
    return Settings(
        mode=mode,
        database_url=_database_url(values.get("DATABASE_URL", Settings.database_url)),
        protocols=Path(values.get("PROTOCOLS", Settings.protocols)),
        issuers=_path(values.get("ISSUERS")),
        month_keys=_path(values.get("MONTH_KEYS")) or (Path("var/month-keys") if demo else None),
        log_origin=_origin(values.get("LOG_ORIGIN", "protocolpoort.demo/log" if demo else None)),
        log_key_file=_path(values.get("LOG_KEY_FILE")) or (Path("var/log.key") if demo else None),
        log_retention_months=_number(
            "LOG_RETENTION_MONTHS", values, Settings.log_retention_months, least=1
        ),
        max_data_age=timedelta(
            days=_number("MAX_DATA_AGE", values, Settings.max_data_age.days, least=1)
        ),
        rate_limit=_number("RATE_LIMIT", values, Settings.rate_limit),
        webhooks=_path(values.get("WEBHOOKS")),
        exchange=_path(values.get("EXCHANGE")) or (Path("var/exchange") if demo else None),
        exchange_key_file=(
            _path(values.get("EXCHANGE_KEY_FILE")) or (Path("var/exchange.key") if demo else None)
        ),
        vdab_sftp=values.get("VDAB_SFTP"),
        vdab_sftp_key=_path(values.get("VDAB_SFTP_KEY")),
        vdab_known_hosts=_path(values.get("VDAB_KNOWN_HOSTS")),
        vdab_signers=_path(values.get("VDAB_SIGNERS")),
    )


def _mode(text: str) -> Mode:
    try:
        return Mode(text)
    except ValueError:
        raise SettingInvalid(f"{PREFIX}MODE must be 'production' or 'demo'") from None


def _database_url(text: str) -> str:
    """Both PostgreSQL spellings mean the psycopg driver that we ship."""
    for scheme in ("postgresql://", "postgres://"):
        if text.startswith(scheme):
            return "postgresql+psycopg://" + text.removeprefix(scheme)
    if text in ("sqlite:///", "sqlite:///:memory:"):
        raise SettingInvalid(f"{PREFIX}DATABASE_URL must name a file: memory keeps no evidence")
    if text.startswith(("sqlite:///", "postgresql+psycopg://")):
        return text
    raise SettingInvalid(f"{PREFIX}DATABASE_URL must start with sqlite:/// or postgresql://")


def _path(text: str | None) -> Path | None:
    return Path(text) if text else None


def _origin(text: str | None) -> str | None:
    """C2SP tlog-checkpoint: an address prefix without scheme and without a slash at the end."""
    if text is not None and not _ORIGIN.fullmatch(text):
        raise SettingInvalid(
            f"{PREFIX}LOG_ORIGIN must be an address without scheme, as gate.example/log"
        )
    return text


def _number(name: str, values: Mapping[str, str], default: int, least: int = 0) -> int:
    text = values.get(name, str(default))
    if not (text.isascii() and text.isdigit() and len(text) < 10 and int(text) >= least):
        raise SettingInvalid(
            f"{PREFIX}{name} must be a whole number of {least} or more, of 9 digits"
        )
    return int(text)
