"""The engine, its sessions and the version of its schema; SQLite and PostgreSQL."""

import asyncio
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from functools import partial
from pathlib import Path
from queue import SimpleQueue
from threading import Thread
from typing import Any, Concatenate, ParamSpec, TypeVar
from weakref import WeakSet

from alembic import command
from alembic.config import Config
from alembic.runtime.migration import MigrationContext
from alembic.script import ScriptDirectory
from anyio import CapacityLimiter, to_thread
from sqlalchemy import Connection, Engine, event, make_url
from sqlalchemy.exc import DisconnectionError
from sqlalchemy.util import await_only, greenlet_spawn
from sqlmodel import Session, create_engine

from app import driver
from app.driver import PATIENCE, Channel, Pipe
from app.errors import DatabaseSilent

MIGRATIONS = Path(__file__).parents[1] / "migrations"
LOCK_TIMEOUT = 10_000  # milliseconds; a lock that is not had by then fails the append

P = ParamSpec("P")
T = TypeVar("T")


class UpgradeRefused(Exception):
    """The schema stays as it is; the text says why."""


class Database:
    """One engine; reads and writes are separate so that SQLite readers never queue."""

    def __init__(self, url: str) -> None:
        self._engine = _sqlite_engine(url) if url.startswith("sqlite") else _postgres_engine(url)
        self._reader = self._engine.execution_options(read_only=True)
        self.lines: WeakSet[Line] = WeakSet()
        self.channels: set[Channel] = set()  # outside the pool, until they are closed

    @property
    def engine(self) -> Engine:
        """For migrations and tests."""
        return self._engine

    @property
    def file(self) -> tuple[int, int] | None:
        """Which file holds the database now; None where none does."""
        url = self._engine.url
        sqlite = url.get_backend_name() == "sqlite"
        return _file(Path(url.database or "")) if sqlite else None

    @contextmanager
    def reading(self) -> Iterator[Session]:
        """A session that only reads."""
        with Session(self._reader) as session:
            yield session

    @contextmanager
    def snapshot(self) -> Iterator[Session]:
        """A session that only reads, all of it as at one moment."""
        reader = self._reader
        if reader.dialect.name == "postgresql":
            reader = reader.execution_options(isolation_level="REPEATABLE READ")
        with Session(reader) as session:
            yield session

    @contextmanager
    def writing(self) -> Iterator[Session]:
        """A session in one transaction, committed at the end, rolled back on an exception."""
        with Session(self._engine, expire_on_commit=False) as session, session.begin():
            yield session

    async def read(
        self, work: Callable[Concatenate[Session, P], T], *args: P.args, **kwargs: P.kwargs
    ) -> T:
        """Run `work(session, ...)` on a reading session in a worker thread.

        Raises DatabaseSilent when the database gives no answer at all within `PATIENCE`.
        """

        def run() -> T:
            with self.reading() as session:
                return work(session, *args, **kwargs)

        try:
            async with asyncio.timeout(PATIENCE):
                return await to_thread.run_sync(run, abandon_on_cancel=True)
        except TimeoutError:
            raise DatabaseSilent from None

    @property
    def waits_in_loop(self) -> bool:
        """Whether a line waits for its answers in the event loop, and not in a thread."""
        return self._engine.dialect.name == "postgresql"

    def connect(self) -> Any:
        """A connection of the driver, out of the pool."""
        pooled = self._engine.raw_connection()
        connection: Any = pooled.driver_connection
        pooled.detach()
        if self.waits_in_loop:
            try:
                connection.autocommit = True
                connection.execute(driver.BY_INDEX)
            except BaseException:
                connection.close()
                raise
        return connection

    def close(self, channel: Channel) -> None:
        """Close what `connect` gave."""
        self.channels.discard(channel)
        with suppress(*driver.FAILED):
            channel.close()

    def dispose(self) -> None:
        """Close every connection, and let the threads of the lines end."""
        for line in self.lines:
            line.end()
        for channel in [*self.channels]:
            self.close(channel)
        self._engine.dispose()


_Job = tuple[Callable[[], Any], asyncio.AbstractEventLoop, "asyncio.Future[Any]"]


def _work_off(jobs: "SimpleQueue[_Job | None]") -> None:
    """One job after another, until there are to be no more."""
    while job := jobs.get():
        work, loop, done = job
        result: Any
        try:
            result = work()
        except BaseException as error:  # noqa: BLE001 - raised where the work is waited for
            result = error
        del job, work
        with suppress(RuntimeError):  # the loop has ended, and with it whoever waited
            loop.call_soon_threadsafe(settle, done, result)


def settle(future: asyncio.Future[Any], result: Any) -> None:
    """Let who still waits have the result; an exception is raised there."""
    if future.done():
        return
    if isinstance(result, BaseException):
        future.set_exception(result)
    else:
        future.set_result(result)


class Line:
    """One connection that is kept between its uses; a new one when it was lost.

    PostgreSQL answers into the event loop: no thread has to be woken, and none waits for another.
    SQLite works in the process, so it gets a thread of its own.
    """

    def __init__(self, database: Database) -> None:
        self._database = database
        self._channel: Channel | None = None
        self._file: tuple[int, int] | None = None
        self._jobs: SimpleQueue[_Job | None] = SimpleQueue()
        self._thread: Thread | None = None
        database.lines.add(self)

    async def run(self, work: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """What `work` gives, which uses `read` and `write`; one at a time."""
        if self._database.waits_in_loop:
            return await greenlet_spawn(partial(work, *args, **kwargs))
        if self._thread is None:
            self._thread = Thread(target=_work_off, args=(self._jobs,), daemon=True)
            self._thread.start()
        loop = asyncio.get_running_loop()
        done: asyncio.Future[T] = loop.create_future()
        self._jobs.put((partial(work, *args, **kwargs), loop, done))
        return await done

    def read(self, work: Callable[[Channel], T]) -> T:
        """What `work` reads, once more on a new connection when the kept one turns out lost."""
        return self._use(work)

    def write(self, work: Callable[[Channel], T]) -> T:
        """What `work` gives, in one transaction that is committed when this returns.

        Once more on a new connection when the kept one turns out lost, also when its COMMIT was
        sent: what is written is to know whether it stands already.
        """

        def transaction(channel: Channel) -> T:
            channel.begin()
            result = work(channel)
            channel.commit()
            return result

        return self._use(transaction)

    def _use(self, work: Callable[[Channel], T]) -> T:
        kept = self._kept()
        channel = kept or self._fresh()
        try:
            return work(channel)
        except BaseException as error:
            lost = isinstance(error, driver.GONE) and channel.lost
            # What was begun ends with the connection, whatever state that is in.
            self.close()
            if not (kept and lost):
                raise
        return self._use(work)

    def end(self) -> None:
        """Let its thread end when it has done what it was given; a new one begins where needed."""
        if self._thread:
            self._jobs.put(None)
            self._thread = None

    def close(self) -> None:
        """Give the connection up."""
        channel, self._channel = self._channel, None
        if channel:
            self._database.close(channel)

    def _kept(self) -> Channel | None:
        """The connection, unless the file of SQLite was moved or replaced: that is another one."""
        moved = self._file != self._database.file
        if self._channel and (moved or self._channel.worn):
            self.close()
        return self._channel

    def _fresh(self) -> Channel:
        self._file = self._database.file
        if self._database.waits_in_loop:
            # Connecting takes its time, and asks the names of machines; in a thread of its own, for
            # a crowd of readers does not keep it waiting.
            connecting = to_thread.run_sync(self._database.connect, limiter=CapacityLimiter(1))
            self._channel = Pipe(await_only(connecting), self._database.engine)
        else:
            self._channel = Channel(self._database.connect(), self._database.engine)
        self._database.channels.add(self._channel)
        return self._channel


def upgrade(url: str) -> None:
    """Bring the schema of `url` to the newest revision, making the database where it is a file."""
    path = make_url(url).database
    if url.startswith("sqlite") and path:
        Path(path).parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        Path(path).touch()
    try:
        command.upgrade(alembic_config(url), "head")
    except ValueError as how:  # a migration that found the log other than it was written
        raise UpgradeRefused(str(how)) from None


def is_current(database: Database) -> bool:
    """True when the schema is the newest one."""
    newest = ScriptDirectory(str(MIGRATIONS)).get_current_head()
    url = database.engine.url
    # Asking SQLite would make the missing file, and fail where its folder is missing too.
    if url.get_backend_name() == "sqlite" and url.database and not Path(url.database).exists():
        return False
    with database.engine.connect() as connection:
        return MigrationContext.configure(connection).get_current_revision() == newest


def alembic_config(url: str) -> Config:
    """Alembic without an ini file: the place of the migrations and the address."""
    config = Config()
    config.set_main_option("script_location", str(MIGRATIONS))
    config.attributes["url"] = url
    return config


def _sqlite_engine(url: str) -> Engine:
    path = Path(make_url(url).database or "")

    def connect() -> sqlite3.Connection:
        # A file that is gone is not made anew: records would go where nobody looks.
        name = f"{path.absolute().as_uri()}?mode=rw"
        return sqlite3.connect(name, uri=True, check_same_thread=False)

    engine = create_engine(
        url, hide_parameters=True, pool_size=40, max_overflow=10, creator=connect
    )

    @event.listens_for(engine, "checkout")
    def look(_connection: Any, record: Any, _proxy: Any) -> None:
        """A file that was moved or replaced is another database."""
        if record.info.setdefault("file", _file(path)) != _file(path):
            raise DisconnectionError

    @event.listens_for(engine, "connect")
    def configure(connection: Any, _record: Any) -> None:
        # Transactions are ours to begin: the driver's own would start as readers and lose updates.
        connection.isolation_level = None
        for pragma in (
            f"busy_timeout={LOCK_TIMEOUT}",
            "journal_mode=WAL",
            "synchronous=FULL",  # a record is durable when the commit returns
            "foreign_keys=ON",
            "trusted_schema=OFF",
            "secure_delete=ON",
        ):
            connection.execute(f"PRAGMA {pragma}")

    @event.listens_for(engine, "begin")
    def begin(connection: Connection) -> None:
        read_only = connection.get_execution_options().get("read_only")
        connection.exec_driver_sql("BEGIN" if read_only else "BEGIN IMMEDIATE")

    return engine


def _file(path: Path) -> tuple[int, int] | None:
    """Which file stands at the path, or None."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return found.st_dev, found.st_ino


def _postgres_engine(url: str) -> Engine:
    limits = (
        f"-c lock_timeout={LOCK_TIMEOUT} -c statement_timeout=60000 "
        "-c idle_in_transaction_session_timeout=60000 -c synchronous_commit=on -c timezone=UTC "
        # A plan that was made for an empty log and kept reads the whole log at each append.
        "-c plan_cache_mode=force_custom_plan"
    )
    return create_engine(
        url,
        hide_parameters=True,
        pool_size=20,
        max_overflow=20,
        pool_pre_ping=True,
        pool_timeout=10,
        connect_args={
            "options": limits,
            "client_encoding": "UTF8",
            "connect_timeout": 5,
            # A machine that is gone says nothing; the connection is given up by then.
            "tcp_user_timeout": PATIENCE * 1000,
            "keepalives_idle": PATIENCE,
        },
    )
