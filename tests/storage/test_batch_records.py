"""Records of several persons that stand or fall together, behind the record of their request."""

import asyncio
import json
from collections.abc import Sequence
from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import pytest
from evidence import LOG, NOW, Naive, disarm, entry, execute, leaves, open_notary, rows, write
from service import ORIGIN
from test_access_log import refuse

from app import access_log, log_check, log_tree, protocols
from app.access_log import AccessLog
from app.database import Database
from app.errors import FactsChanged, LogUnavailable, QuotaTaken, RegisterChanged
from app.month_keys import MonthKeys
from app.policy import Operation
from app.record import Allowance, Entry, Trace, Turn, entry_of
from app.visit import Visit, new_event_id

TURN = Turn("proef-2026", "x", "nis:71016", Operation.QUERY_ADVIES_BATCH, date(2026, 1, 1))


@pytest.fixture
def keys(tmp_path: Path) -> MonthKeys:
    """The key of the month."""
    made = MonthKeys(tmp_path / "month-keys")
    made.create(NOW, months=1)
    return made


def visit(**own: Any) -> Visit:
    """A request for advices, with an id of its own."""
    made = Visit("queryAdviesBatch", "/adviezen/batch", NOW, "", new_event_id(NOW), "", "")
    return replace(made, **own)


def person(number: int) -> tuple[Visit, Trace]:
    """What is recorded of one person; every second one has an explanation."""
    detail = {"code": f"O{number}"} if number % 2 else None
    return visit(reference=f"ref-{number}"), Trace(subject=f"subject-{number}", detail=detail)


def batch(keys: MonthKeys, count: int, **own: Any) -> Entry:
    """A record of a request with so many persons; `own` of its trace."""
    key = keys.at(NOW)
    parts = tuple(entry_of(*person(each), key, ORIGIN, NOW, None) for each in range(count))
    made = entry_of(visit(), Trace(**own), key, ORIGIN, NOW, None)
    return replace(made, parts=parts)


def ids(*entries: Entry) -> list[str]:
    """The event ids in the order of the log: each request, then its persons."""
    return [each.event_id for one in entries for each in (one, *one.parts)]


def kept(store: Database) -> list[str]:
    """The event ids that the log holds, in its order, which has no gaps."""
    found = rows(store, "SELECT log_index, event_id FROM access_record ORDER BY log_index")
    assert [index for index, _ in found] == list(range(len(found)))
    return [event_id for _, event_id in found]


def is_whole(store: Database) -> bool:
    """Whether head, edge and tiles are those of the records, by the recursion of the RFC."""
    told = Naive(leaves(store))
    with store.reading() as session:
        head = log_tree.head(session)
    assert (head.size, head.root) == (len(told.leaves), told.root())
    assert rows(store, "SELECT edge FROM log_head") == [(b"".join(told.edge()),)]
    found = rows(store, "SELECT level, tile_index, hashes, root FROM log_tile")
    tiles = {(level, index): (bytes(held), bytes(root)) for level, index, held, root in found}
    assert tiles == told.tiles()
    return True


def names(results: Sequence[object]) -> list[object]:
    """Indexes, and the names of what was raised."""
    return [each if isinstance(each, int) else type(each).__name__ for each in results]


def test_the_persons_stand_behind_their_request(store: Database, keys: MonthKeys) -> None:
    first, second, alone = batch(keys, 3), batch(keys, 2), entry()

    indexes = write(store, [entry(), first, alone, second, batch(keys, 0)])

    assert indexes == [0, 1, 5, 6, 9]
    assert kept(store)[1:9] == ids(first, alone, second)
    assert len(leaves(store)) == 10
    assert is_whole(store)


def test_the_explanation_of_each_person_stands_beside_its_own_record(
    store: Database, keys: MonthKeys
) -> None:
    made = batch(keys, 4, detail={"code": "whole"})

    write(store, [made])

    with store.reading() as session:
        found = session.connection().exec_driver_sql("SELECT event_id, detail FROM access_detail")
        told = {
            event_id: detail if isinstance(detail, dict) else json.loads(detail)
            for event_id, detail in found
        }
    assert told == {
        made.event_id: {"code": "whole"},
        made.parts[1].event_id: {"code": "O1"},
        made.parts[3].event_id: {"code": "O3"},
    }


def test_persons_complete_tiles_as_any_record_does(store: Database, keys: MonthKeys) -> None:
    write(store, [entry() for _ in range(250)])

    indexes = write(store, [batch(keys, 100), batch(keys, 100), batch(keys, 100)])

    assert indexes == [250, 351, 452]
    assert rows(store, "SELECT count(*) FROM log_tile") == [(2,)]
    assert is_whole(store)


def test_the_same_batch_again_adds_nothing(store: Database, keys: MonthKeys) -> None:
    made = batch(keys, 3)
    first = write(store, [made])
    before = leaves(store)

    again = [*write(store, [made]), *write(store, [entry(), made, made])]

    assert (first, again) == ([0], [0, 4, 0, 0])
    assert leaves(store)[:4] == before
    assert len(kept(store)) == 5
    assert is_whole(store)


def test_a_batch_twice_in_one_commit_is_recorded_once(store: Database, keys: MonthKeys) -> None:
    made = batch(keys, 2)

    assert write(store, [made, made]) == [0, 0]
    assert kept(store) == ids(made)


def test_a_batch_that_was_overtaken_leaves_no_person(store: Database, keys: MonthKeys) -> None:
    with store.writing() as session:
        protocols.bump(session)
        known = access_log.learn(session, NOW)
    facts = batch(keys, 3, known_at=known - timedelta(milliseconds=1))
    moved = replace(batch(keys, 3, known_at=known), register_version=0)
    current = replace(batch(keys, 3, known_at=known), register_version=1)

    told = names(write(store, [facts, moved, current, facts]))

    assert told == [FactsChanged.__name__, RegisterChanged.__name__, 0, FactsChanged.__name__]
    assert kept(store) == ids(current)
    assert rows(store, "SELECT count(*) FROM access_detail") == [(1,)]
    assert is_whole(store)


def test_a_batch_that_the_quota_refuses_leaves_no_person(store: Database, keys: MonthKeys) -> None:
    allowance = Allowance(TURN, date(2026, 1, 1), 2)
    batches = [batch(keys, 2, allowance=allowance) for _ in range(4)]

    told = names([*write(store, batches[:3]), *write(store, batches[3:])])

    assert told == [0, 3, QuotaTaken.__name__, QuotaTaken.__name__]
    assert kept(store) == ids(*batches[:2])
    assert rows(store, "SELECT used FROM quota_use") == [(2,)]
    ordinals = [json.loads(each).get("quotaOrdinal") for each in leaves(store)]
    assert ordinals == [1, None, None, 2, None, None]
    assert is_whole(store)


async def test_what_the_database_refuses_of_one_person_takes_the_whole_batch_back(
    store: Database, keys: MonthKeys
) -> None:
    log = AccessLog(store, keys, ORIGIN)
    allow = refuse(store, "NEW.reference = 'ref-1'")
    requests = [
        ([], visit()),
        ([person(0), person(1), person(2)], visit()),
        ([person(3), person(5)], visit()),
    ]

    async with asyncio.timeout(30):
        told = await asyncio.gather(
            *(log.append(whole, Trace(), NOW, None, parts) for parts, whole in requests),
            return_exceptions=True,
        )
    allow()
    parts, whole = requests[1]
    later = await log.append(whole, Trace(), NOW, None, parts)

    assert names(told) == [0, LogUnavailable.__name__, 1]
    assert later == 4
    assert len(kept(store)) == 8
    assert rows(store, "SELECT count(*) FROM access_detail") == [(3,)]
    assert is_whole(store)


async def test_a_person_whose_record_is_too_large_takes_the_batch_along(
    store: Database, keys: MonthKeys
) -> None:
    log = AccessLog(store, keys, ORIGIN)
    large = visit(), Trace(requested=[f"field-{number:06}" for number in range(6_000)])

    with pytest.raises(LogUnavailable):
        await log.append(visit(), Trace(), NOW, None, [person(1), large])
    index = await log.append(visit(), Trace(), NOW, None, [person(1)])

    assert index == 0
    assert len(kept(store)) == 2


async def test_a_batch_whose_confirmation_was_lost_is_looked_up_and_not_written_twice(
    store: Database, keys: MonthKeys
) -> None:
    log = AccessLog(store, keys, ORIGIN)
    whole, parts = visit(), [person(1), person(2)]

    indexes = [await log.append(whole, Trace(), NOW, None, parts) for _ in range(2)]

    assert indexes == [0, 0]
    assert len(kept(store)) == 3


def test_a_person_of_a_batch_is_checked_as_any_record(
    store: Database, keys: MonthKeys, tmp_path: Path
) -> None:
    notary = open_notary(store, LOG, tmp_path / "log.key", NOW)
    made = batch(keys, 3, allowance=Allowance(TURN, date(2026, 1, 1), 9))
    write(store, [made, entry(), batch(keys, 4)])
    notary.turn(NOW + timedelta(seconds=1))

    def check() -> list[str]:
        with store.snapshot() as session:
            return list(log_check.check(session, keys, LOG))

    intact = check()
    disarm(store)
    detailed = made.parts[1].event_id
    execute(store, f"UPDATE access_detail SET detail = '{{}}' WHERE event_id = '{detailed}'")  # noqa: S608
    execute(store, "UPDATE access_record SET reference = 'x' WHERE log_index = 3")

    assert intact == []
    assert check() == [
        "2: the explanation beside the record is not the one that was given",
        "3: the column reference does not say what the record says",
    ]
