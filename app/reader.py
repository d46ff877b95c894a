"""Reading together what is asked together: while one read runs, the next one gathers."""

import asyncio
from collections.abc import Callable, Sequence
from typing import Any, TypeVar

from app import driver
from app.database import Database, Line, settle
from app.driver import PATIENCE, Channel
from app.errors import DatabaseSilent

AT_ONCE = 256  # questions in one read; a batch has at most 100

A = TypeVar("A")
B = TypeVar("B")

# Reads of all that was asked, in its order; what broke over one of them stands in its place.
Read = Callable[[Channel, Sequence[A]], Sequence[B | Exception]]
_Waiting = tuple[Read[Any, Any], Sequence[Any], "asyncio.Future[Sequence[Any]]"]


class Reader:
    """The one reader of this process for questions about persons."""

    def __init__(self, database: Database) -> None:
        self._line = Line(database)
        self._waiting: list[_Waiting] = []
        self._turn: asyncio.Task[None] | None = None

    async def ask(self, read: Read[A, B], asked: Sequence[A]) -> Sequence[B | Exception]:
        """What `read` makes of each, with the questions that others ask of it meanwhile.

        Raises DatabaseSilent when the database gives no answer at all within `PATIENCE`.
        """
        loop = asyncio.get_running_loop()
        future: asyncio.Future[Sequence[B | Exception]] = loop.create_future()
        self._waiting.append((read, asked, future))
        if self._turn is None or self._turn.done():
            self._turn = asyncio.create_task(self._drain())
        patience = loop.call_later(PATIENCE, settle, future, DatabaseSilent())
        try:
            return await future
        finally:
            patience.cancel()

    async def _drain(self) -> None:
        while self._waiting:
            batch = self._next()
            if not batch:
                return
            found = await self._line.run(self._read, batch)
            for (_, _, future), result in zip(batch, found, strict=True):
                settle(future, result)

    def _next(self) -> list[_Waiting]:
        """Those who waited longest, with at most so many questions that nobody waits for long."""
        # Who gave up is told nothing: her question is not kept, and nobody is read for it.
        self._waiting = [each for each in self._waiting if not each[2].done()]
        count = 0
        for place, (_, asked, _) in enumerate(self._waiting):
            count += len(asked)
            if count > AT_ONCE and place:
                break
        else:
            place = len(self._waiting)
        batch, self._waiting = self._waiting[:place], self._waiting[place:]
        return batch

    def _read(self, batch: Sequence[_Waiting]) -> list[Sequence[Any] | Exception]:
        """Each kind together; when that fails, each question alone, so that one fails alone."""
        found: dict[int, Sequence[Any] | Exception] = {}
        kinds: dict[Read[Any, Any], list[int]] = {}
        for place, (read, _, _) in enumerate(batch):
            kinds.setdefault(read, []).append(place)
        for read, places in kinds.items():
            asked = [one for place in places for one in batch[place][1]]
            try:
                told = iter(self._told(read, asked))
                for place in places:
                    found[place] = [next(told) for _ in batch[place][1]]
            except Exception as error:  # noqa: BLE001 - whatever it was, who waits must hear of it
                for place in places:
                    found[place] = error if len(asked) == 1 else self._alone(batch[place], error)
        return [found[place] for place in range(len(batch))]

    def _alone(self, waiting: _Waiting, error: Exception) -> Sequence[Any] | Exception:
        read, asked, _ = waiting
        if driver.is_lost(error):
            return error  # the connection, not a question
        return [attempt(lambda one=one: self._told(read, [one])[0]) for one in asked]

    def _told(self, read: Read[Any, Any], asked: Sequence[Any]) -> Sequence[Any]:
        told = self._line.read(lambda channel: read(channel, asked))
        if len(told) != len(asked):
            # Somebody would get what is told of another person.
            raise LookupError("not as many answers as questions")
        return told


def attempt(work: Callable[..., B], *arguments: Any) -> B | Exception:
    """What the work makes of one question, or what broke over it: the others are not spoiled."""
    try:
        return work(*arguments)
    except Exception as error:  # noqa: BLE001 - given back, and raised where that one waits
        return error
