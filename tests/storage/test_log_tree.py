"""The tree as it is stored: whatever is appended, it is the tree of RFC 6962 over the records."""

import random
import threading
from collections.abc import Callable
from contextlib import suppress
from datetime import date
from typing import Any

import naive_tree
import pytest
from evidence import (
    Naive,
    append,
    disarm,
    entry,
    execute,
    leaves,
    record,
    rows,
    write,
)
from sqlalchemy.exc import DBAPIError

from app import access_log, log_tree
from app.database import Database
from app.errors import ClockBehind, QuotaTaken, RegisterChanged
from app.policy import Operation
from app.record import Allowance, Entry, Turn, columns_of
from app.tlog import tiles, tree
from app.tlog.tiles import Tile

TURN = Turn("proef-2026", "x", "nis:71016", Operation.QUERY_DOSSIER, date(2026, 1, 1))
ONE_TURN = Allowance(TURN, date(2026, 1, 1), 1)


def stored_tiles(store: Database) -> dict[tuple[int, int], tuple[bytes, bytes]]:
    found = rows(store, "SELECT level, tile_index, hashes, root FROM log_tile")
    return {(level, index): (bytes(held), bytes(root)) for level, index, held, root in found}


def is_whole(store: Database) -> Naive:
    """The naive tree, after a look whether the stored one is the same in every part."""
    told = Naive(leaves(store))
    size = len(told.leaves)
    indexes = [row[0] for row in rows(store, "SELECT log_index FROM access_record ORDER BY 1")]
    hashes = rows(store, "SELECT leaf_hash FROM access_record ORDER BY log_index")
    with store.reading() as session:
        head = log_tree.head(session)
        edge = log_tree.edge(session, size)

    assert indexes == list(range(size))
    assert b"".join(bytes(each) for (each,) in hashes) == told.tile(0, 0, size)
    assert (head.size, head.minimum, head.root) == (size, 0, told.root())
    assert edge == told.edge()
    assert rows(store, "SELECT edge FROM log_head") == [(b"".join(edge),)]
    assert stored_tiles(store) == told.tiles()
    return told


# Appending


def test_an_empty_log_has_the_root_of_the_empty_tree(store: Database) -> None:
    is_whole(store)

    with store.reading() as session:
        assert log_tree.head(session).root == tree.EMPTY_ROOT
        assert log_tree.read_tiles(session, []) == {}


@pytest.mark.parametrize(
    "sizes",
    [
        (1, 2, 3, 255, 256, 257, 511, 512, 513),
        (256, 512, 768),
        (255, 513),
        (257, 1025, 3000),
        (2047,),
    ],
    ids=str,
)
def test_batches_of_any_size_grow_the_tree_of_the_records(
    store: Database, sizes: tuple[int, ...]
) -> None:
    before = 0
    for size in sizes:
        append(store, size - before)
        before = size

        is_whole(store)


def test_one_record_at_a_time_grows_over_the_border_of_a_tile(store: Database) -> None:
    append(store, 254)

    for _ in range(4):
        append(store, 1)
        is_whole(store)


def test_what_is_refused_or_there_already_leaves_no_gap(store: Database) -> None:
    append(store, 250)
    known = entry()
    write(store, [known])
    behind = entry(recordedAt="2026-06-01T09:28:59.999Z")
    decided_before = Entry(columns_of(record()), None, register_version=99)
    first_turn, second_turn = (
        Entry(columns_of(made := record()), None, None, ONE_TURN, made) for _ in range(2)
    )
    twice = entry()
    good = [entry() for _ in range(10)]
    batch = [
        *good[:4],
        known,
        decided_before,
        twice,
        behind,
        first_turn,
        second_turn,
        twice,
        *good[4:],
    ]

    results = write(store, batch)

    assert [each if isinstance(each, int) else type(each) for each in results] == [
        *(251, 252, 253, 254, 250, RegisterChanged, 255, ClockBehind),
        *(256, QuotaTaken, 255, 257, 258, 259, 260, 261, 262),
    ]
    told = is_whole(store)
    assert (len(told.leaves), b'"quotaOrdinal":1' in told.leaves[256]) == (263, True)


def test_a_batch_of_nothing_but_refusals_leaves_the_tree_as_it_is(store: Database) -> None:
    append(store, 255)
    before = is_whole(store).edge()

    write(store, [Entry(columns_of(record()), None, register_version=99)])

    assert is_whole(store).edge() == before


def test_a_transaction_that_is_rolled_back_leaves_the_tree_as_it_was(store: Database) -> None:
    append(store, 250)

    with suppress(ZeroDivisionError), store.writing() as session:
        access_log.write(session, [entry() for _ in range(300)])
        1 / 0  # noqa: B018 - the act fails

    assert len(is_whole(store).leaves) == 250
    append(store, 300)
    is_whole(store)


def test_a_record_that_the_database_refuses_takes_its_whole_batch_along(store: Database) -> None:
    append(store, 255)
    broken = Entry({**entry().columns, "event_id": None}, None, None)

    with pytest.raises(DBAPIError):
        write(store, [entry(), broken, entry()])

    assert len(is_whole(store).leaves) == 255


def test_writers_at_the_same_time_keep_one_tree(store: Database) -> None:
    url = store.engine.url.render_as_string(hide_password=False)
    failed: list[BaseException] = []

    def work(seed: int) -> None:
        own = Database(url)  # as another process has it
        chosen = random.Random(seed)  # noqa: S311 - which sizes, no secret
        try:
            for _ in range(8):
                append(own, chosen.choice([1, 2, 3, 40, 127]))
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failed.append(error)
        finally:
            own.dispose()

    threads = [threading.Thread(target=work, args=(seed,)) for seed in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)

    assert failed == []
    assert len(is_whole(store).leaves) > 512


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
def test_a_tile_of_the_second_level_is_closed_by_its_65536th_record(store: Database) -> None:
    made = [columns_of(record()) for _ in range(65_537)]
    write(store, [Entry(columns, None, None) for columns in made[:30_000]])
    write(store, [Entry(columns, None, None) for columns in made[30_000:65_535]])

    write(store, [Entry(made[65_535], None, None)])
    closed = stored_tiles(store).keys()
    write(store, [Entry(made[65_536], None, None)])

    told = Naive([columns["record"] for columns in made])
    root = told.tiles()[1, 0]
    assert closed == {(1, 0), *((0, index) for index in range(256))}
    assert stored_tiles(store) == told.tiles()
    with store.reading() as session:
        head = log_tree.head(session)
        read = log_tree.reader(session, head.size)
        proof = tree.inclusion_proof(40_000, head.size, read)
        assert log_tree.edge(session, head.size) == told.edge()
        assert log_tree.read_tiles(session, [Tile(1, 0), Tile(2, 0, 1)]) == {
            Tile(1, 0): root[0],
            Tile(2, 0, 1): root[1],
        }
    assert head.root == told.root()
    leaf = made[40_000]["leaf_hash"]
    assert tree.verify_inclusion(leaf, 40_000, head.size, proof, told.root())


# Reading


@pytest.fixture
def log(store: Database) -> Database:
    """A log of 600 records."""
    append(store, 600)
    return store


def test_proofs_are_those_of_the_rfc(log: Database) -> None:
    told = Naive(leaves(log))

    with log.reading() as session:
        for size in (1, 2, 255, 256, 257, 511, 512, 513, 600):
            read = log_tree.reader(session, size)
            for index in {0, 1, size // 2, 254, 255, 256, 511, size - 1} & set(range(size)):
                proof = tree.inclusion_proof(index, size, read)
                leaf = tree.leaf_hash(told.leaves[index])
                assert proof == naive_tree.inclusion(index, told.leaves[:size])
                assert tree.verify_inclusion(leaf, index, size, proof, told.root(size))
            for old in {1, 3, 255, 256, 257, 512, size} & set(range(1, size + 1)):
                proof = tree.consistency_proof(old, size, read)
                assert proof == naive_tree.consistency(old, told.leaves[:size])
                assert tree.verify_consistency(old, told.root(old), size, told.root(size), proof)


@pytest.mark.parametrize(
    "tile",
    [
        *(Tile(0, 0, width) for width in (1, 2, 128, 255, 256)),
        *(Tile(0, 1, width) for width in (1, 255, 256)),
        *(Tile(0, 2, width) for width in (1, 87, 88)),
        *(Tile(1, 0, width) for width in (1, 2)),
    ],
    ids=lambda tile: tile.path,
)
def test_a_tile_is_read_in_every_width_that_it_ever_had(log: Database, tile: Tile) -> None:
    told = Naive(leaves(log))

    with log.reading() as session:
        found = log_tree.read_tiles(session, [tile])

    assert found == {tile: told.tile(tile.level, tile.index, tile.width)}


@pytest.mark.parametrize(
    "tile", [Tile(0, 2, 89), Tile(0, 3, 1), Tile(1, 0, 3), Tile(1, 1, 1), Tile(2, 0, 1)], ids=str
)
def test_a_tile_beyond_the_log_is_not_there(log: Database, tile: Tile) -> None:
    with log.reading() as session, pytest.raises(LookupError, match=tile.path.replace(".", r"\.")):
        log_tree.read_tiles(session, [Tile(0, 0), tile])


@pytest.mark.parametrize(
    ("gap", "read"),
    [
        (
            "DELETE FROM access_record WHERE log_index = 550",
            lambda session: log_tree.edge(session, 600),
        ),
        (
            "DELETE FROM access_record WHERE log_index = 550",
            lambda session: log_tree.read_tiles(session, [Tile(0, 2, 88)]),
        ),
        (
            "DELETE FROM access_record WHERE log_index = 550",
            lambda session: list(log_tree.records(session, 0, 600)),
        ),
        (
            "DELETE FROM access_record WHERE log_index = 550",
            lambda session: log_tree.chosen(session, [3, 550]),
        ),
        (
            "DELETE FROM log_tile WHERE tile_index = 1",
            lambda session: log_tree.read_tiles(session, [Tile(1, 0, 2)]),
        ),
        (
            "DELETE FROM log_tile WHERE tile_index = 1",
            lambda session: log_tree.edge(session, 600),
        ),
    ],
)
def test_a_gap_is_never_read_over(log: Database, gap: str, read: Callable[[Any], object]) -> None:
    disarm(log)
    execute(log, gap)

    with log.reading() as session, pytest.raises(LookupError):
        read(session)


def test_an_edge_of_every_older_size_is_read_from_the_tiles(log: Database) -> None:
    held = leaves(log)

    with log.reading() as session:
        found = [log_tree.edge(session, size) for size in range(0, 600, 37)]

    assert found == [Naive(held[:size]).edge() for size in range(0, 600, 37)]


def test_records_are_read_in_order_and_chosen_by_index(log: Database) -> None:
    append(log, 500)
    held = leaves(log)

    with log.reading() as session:
        ranged = list(log_tree.records(session, 3, 1100))
        chosen = log_tree.chosen(session, [599, 3])
        nothing = list(log_tree.records(session, 3, 3))

    assert ranged == list(enumerate(held))[3:]
    assert chosen == {3: held[3], 599: held[599]}
    assert nothing == []


def test_a_full_tile_is_held_against_what_is_below_it(log: Database) -> None:
    told = Naive(leaves(log))

    with log.reading() as session:
        first = log_tree.stored(session, 0, 1)
        missing = log_tree.stored(session, 0, 2)
        whole = log_tree.are_stored(session, 0, 512)
        too_many = log_tree.are_stored(session, 0, 768)

    hashes = told.tile(0, 1)
    assert first == (hashes, tiles.root_of(hashes), hashes)
    assert missing == (None, b"", None)
    assert (whole, too_many) == (True, False)


def test_no_tile_is_written_over(log: Database) -> None:
    statement = "INSERT INTO log_tile (level, tile_index, hashes, root) VALUES (0, 1, :h, :h)"

    with pytest.raises(DBAPIError):
        execute(log, statement, h=b"x")
    for change in ("UPDATE log_tile SET level = 3", "DELETE FROM log_tile"):
        with pytest.raises(DBAPIError, match="append-only"):
            execute(log, change)
