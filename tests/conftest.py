"""Two databases, one service: SQLite always, PostgreSQL where its binaries are."""

from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from databases import create_database, skip_reason, start_cluster
from service import Service, make_service


@pytest.fixture(scope="session")
def anyio_backend() -> str:
    return "asyncio"


@pytest.fixture(scope="session")
def cluster() -> Iterator[str]:
    """A throw-away PostgreSQL for the whole run."""
    if reason := skip_reason():
        pytest.skip(reason)
    with start_cluster() as url:
        yield url


@pytest.fixture(params=["sqlite", "postgresql"])
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    """An empty database of each kind."""
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path}/protocolpoort.db"
    return create_database(request.getfixturevalue("cluster"))


@pytest.fixture
def own_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A current folder of the test's own, where the demo keeps its keys."""
    monkeypatch.chdir(tmp_path)
    return tmp_path


@pytest.fixture
async def service(own_folder: Path) -> AsyncIterator[Service]:
    """The service on SQLite with 60 synthetic persons."""
    made = make_service(f"sqlite:///{own_folder}/protocolpoort.db", own_folder)
    yield made
    await made.close()


@pytest.fixture
async def service_on_each(database_url: str, own_folder: Path) -> AsyncIterator[Service]:
    """The service on SQLite and on PostgreSQL."""
    made = make_service(database_url, own_folder)
    yield made
    await made.close()
