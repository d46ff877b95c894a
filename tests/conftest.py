"""Two databases, one service: SQLite always, PostgreSQL where its binaries are."""

from collections import Counter
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from databases import create_database, drop_database, skip_reason, start_cluster
from service import Service, Template, make_service, prepare
from sqlalchemy import make_url

from app import database
from app.database import Database


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Every test has an id of its own: of several with one id pytest-xdist would run one."""
    times = Counter(item.nodeid for item in items)
    if twice := [name for name in times if times[name] > 1]:
        raise pytest.UsageError(f"more than one test is called {', '.join(twice)}")


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
def database_url(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[str]:
    """An empty database of each kind."""
    if request.param == "sqlite":
        yield f"sqlite:///{tmp_path}/protocolpoort.db"
        return
    cluster = request.getfixturevalue("cluster")
    url = create_database(cluster)
    yield url
    drop_database(cluster, url)


@pytest.fixture(scope="session")
def migrated(cluster: str) -> str:
    """The name of a PostgreSQL database as the migrations make it; it is only copied."""
    url = create_database(cluster)
    database.upgrade(url)
    return str(make_url(url).database)


@pytest.fixture(scope="session")
def migrated_file(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    """An SQLite database as the migrations make it; it is only copied."""
    file = tmp_path_factory.mktemp("migrated") / "protocolpoort.db"
    database.upgrade(f"sqlite:///{file}")
    return file.read_bytes()


@pytest.fixture(params=["sqlite", "postgresql"])
def store(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Database]:
    """A database of each kind as the migrations make it, with nothing in it."""
    if request.param == "sqlite":
        file = tmp_path / "protocolpoort.db"
        file.write_bytes(request.getfixturevalue("migrated_file"))
        opened = Database(f"sqlite:///{file}")
        yield opened
        opened.dispose()
        return
    cluster = request.getfixturevalue("cluster")
    opened = Database(url := create_database(cluster, request.getfixturevalue("migrated")))
    yield opened
    opened.dispose()
    drop_database(cluster, url)


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


@pytest.fixture(scope="module")
async def shared(tmp_path_factory: pytest.TempPathFactory) -> AsyncIterator[Service]:
    """One service for the tests of a module that leave nothing behind but records."""
    folder = tmp_path_factory.mktemp("shared")
    with pytest.MonkeyPatch.context() as patch:
        patch.chdir(folder)
        made = make_service(f"sqlite:///{folder}/protocolpoort.db", folder)
    yield made
    await made.close()


@pytest.fixture(scope="session")
def filled(cluster: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Template]:
    """The name of a PostgreSQL database with protocols and persons, and its month keys."""
    url, keys = create_database(cluster), tmp_path_factory.mktemp("filled") / "month-keys"
    prepare(url, keys)
    return str(make_url(url).database), Template.read(keys)


@pytest.fixture(params=["sqlite", "postgresql"])
async def service_on_each(
    request: pytest.FixtureRequest, own_folder: Path
) -> AsyncIterator[Service]:
    """The service on SQLite and on PostgreSQL."""
    if request.param == "sqlite":
        made = make_service(f"sqlite:///{own_folder}/protocolpoort.db", own_folder)
        yield made
        await made.close()
        return
    cluster, (name, template) = map(request.getfixturevalue, ("cluster", "filled"))
    made = make_service(url := create_database(cluster, name), own_folder, template=template)
    yield made
    await made.close()
    drop_database(cluster, url)
