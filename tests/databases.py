"""A throw-away PostgreSQL for the tests, from the server binaries of this machine."""

import os
import pwd
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from itertools import count
from pathlib import Path

import psycopg
from psycopg import sql
from psycopg.conninfo import conninfo_to_dict

MISSING = (
    "no PostgreSQL server binaries (initdb, pg_ctl, postgres): on Debian `apt-get install "
    "postgresql` brings them, elsewhere put their folder on PATH"
)

# A shell of its own makes, serves and removes the cluster. It goes on to the removal at the end
# of its input, and that comes whether we write a line, raise, or are killed.
_CLUSTER = """
settings="unix_socket_directories='$PWD' listen_addresses='' $2"
"$1/initdb" -D data -U postgres -A trust -E UTF8 --locale=C --no-sync >log 2>&1 &&
  printf '%s\\n' $settings >>data/postgresql.conf &&
  "$1/pg_ctl" -D data -l log -w start >>log 2>&1 && echo ready || echo failed
read -r _
"$1/pg_ctl" -D data -m immediate -w stop >>log 2>&1
rm -rf "$PWD"
"""

FAST = "fsync=off full_page_writes=off max_wal_size=200MB"

_numbers = count(1)


class PostgresMissing(Exception):
    """A test needs PostgreSQL and there is none, or it does not start."""


def skip_reason() -> str | None:
    """Why PostgreSQL tests cannot run here and how to change that; None where they can.

    Raises `PostgresMissing` where REQUIRE_POSTGRES=1: then nothing may be skipped.
    """
    if _binaries():
        return None
    if os.getenv("REQUIRE_POSTGRES") == "1":
        raise PostgresMissing(MISSING)
    return MISSING


@contextmanager
def start_cluster(settings: str = FAST, *, on_disk: bool = False) -> Iterator[str]:
    """Serve a new cluster and yield the URL of its database `postgres`; then remove it.

    The URL is good for libpq and for SQLAlchemy. The server listens on a socket in a folder of
    its own and on no port. `synchronous_commit` is on; `fsync` is off, for speed, unless other
    `settings` are given: pairs of `name=value` with a space between. `on_disk`: where temporary
    files go, also when there is memory for it.
    """
    binaries = _binaries()
    if not binaries:
        raise PostgresMissing(MISSING)
    account = _account()
    folder = tempfile.mkdtemp(prefix="protocolpoort-", dir=None if on_disk else _memory())
    if account:
        os.chown(folder, account.pw_uid, account.pw_gid)
    with subprocess.Popen(
        ["sh", "-c", _CLUSTER, "cluster", binaries, settings],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        cwd=folder,
        start_new_session=True,  # Ctrl-C is for the tests; they still need the server to stop
        user=account and account.pw_uid,
        group=account and account.pw_gid,
        extra_groups=account and [],
    ) as shell:
        assert shell.stdout
        try:
            if shell.stdout.readline() != "ready\n":
                raise PostgresMissing(Path(folder, "log").read_text())
            yield f"postgresql://postgres@/postgres?host={folder}"
        finally:
            shell.communicate("\n")


def create_database(cluster_url: str, like: str = "template1") -> str:
    """Make a database in the cluster, as a copy of the one named `like`, and return its URL."""
    name = f"test_{os.getpid()}_{next(_numbers)}"
    statement = sql.SQL("CREATE DATABASE {} TEMPLATE {}")
    with psycopg.connect(cluster_url, autocommit=True) as connection:
        connection.execute(statement.format(sql.Identifier(name), sql.Identifier(like)))
    return cluster_url.replace("/postgres?", f"/{name}?")


def drop_database(cluster_url: str, url: str) -> None:
    """Remove a database that `create_database` made, whoever is still connected to it."""
    name = str(conninfo_to_dict(url)["dbname"])
    statement = sql.SQL("DROP DATABASE {} WITH (FORCE)").format(sql.Identifier(name))
    with psycopg.connect(cluster_url, autocommit=True) as connection:
        connection.execute(statement)


def _memory() -> str | None:
    """A folder in memory where there is plenty of it: a copy of a database takes a sixth of the
    time there. None: where temporary files go."""
    memory = "/dev/shm"  # noqa: S108 - the cluster's folder in it has a name of its own
    plenty = os.access(memory, os.W_OK) and shutil.disk_usage(memory).free > 2**31
    return memory if plenty else None


def _binaries() -> Path | None:
    """The folder of the server binaries: the one on PATH, else the newest that Debian has."""
    if found := shutil.which("initdb"):
        return Path(found).resolve().parent
    folders = Path("/usr/lib/postgresql").glob("[0-9]*/bin/initdb")
    return max((initdb.parent for initdb in folders), key=_version, default=None)


def _version(folder: Path) -> list[int]:
    return [int(part) for part in folder.parent.name.split(".")]


def _account() -> pwd.struct_passwd | None:
    """Who the server runs as when we are root, which PostgreSQL refuses; None: as we do."""
    if os.geteuid() != 0:
        return None
    accounts = {account.pw_name: account for account in pwd.getpwall()}
    return accounts.get("postgres") or accounts["nobody"]
