"""Tiles: one spelling of a path, and the same proofs as from the tree itself."""

import struct
from collections.abc import Mapping, Sequence

import naive_tree
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_log import SIZE, Log, log, record

from app.tlog import tiles, tree
from app.tlog.tiles import Tile
from app.tlog.tree import Node

SIZES = [0, 1, 2, 255, 256, 257, 65535, 65536, 65537, 70_000, 2**24, 2**63 - 1]


@pytest.mark.parametrize(
    ("tile", "path"),
    [
        (Tile(0, 1234067), "tile/0/x001/x234/067"),  # the example of the specification
        (Tile(0, 0), "tile/0/000"),
        (Tile(0, 0, 1), "tile/0/000.p/1"),
        (Tile(1, 999, 255), "tile/1/999.p/255"),
        (Tile(63, 1000), "tile/63/x001/000"),
        (Tile(2, 10**17), "tile/2/x100/x000/x000/x000/x000/000"),
    ],
)
def test_a_tile_has_one_path(tile: Tile, path: str) -> None:
    assert tile.path == path
    assert tiles.parse_path(path) == tile


@pytest.mark.parametrize(
    "path",
    [
        "",
        "tile/0/0",
        "tile/0/0000",
        "tile/0/1234",
        "tile/0/x000/001",
        "tile/0/001/234",
        "tile/0/x001/x234",
        "tile/0/X001/234",
        "tile/00/000",
        "tile/01/000",
        "tile/64/000",
        "tile/-1/000",
        "tile/0/000.p/0",
        "tile/0/000.p/01",
        "tile/0/000.p/256",
        "tile/0/000.p/999",
        "tile/0/000.p/",
        "tile/0/000.p",
        "/tile/0/000",
        "tile/0/000/",
        "tile/0/000\n",
        "tile/0/\u0660\u0660\u0660",
        "tile/0/000.p/\u0665",
        "tile/0/../000",
        "tile/entries/000",
        "tile/0/" + "x100/" * 6 + "000",
    ],
)
def test_another_spelling_is_no_path(path: str) -> None:
    assert tiles.parse_path(path) is None
    assert tiles.parse_entries_path(path.replace("tile/0/", "tile/entries/")) is None or (
        path == "tile/entries/000"
    )


@given(st.integers(0, 63), st.integers(0, 10**18 - 1), st.integers(1, 256))
def test_paths_are_read_as_they_are_written(level: int, index: int, width: int) -> None:
    assert tiles.parse_path(Tile(level, index, width).path) == Tile(level, index, width)
    assert tiles.parse_entries_path(tiles.entries_path(index, width)) == (index, width)


def test_a_tile_knows_its_leaves() -> None:
    assert Tile(0, 2, 88).leaves == range(512, 600)
    assert Tile(1, 1, 3).leaves == range(65536, 65536 + 3 * 256)


@pytest.mark.parametrize(
    ("node", "size", "tile"),
    [
        (Node(0, 0), 1, Tile(0, 0, 1)),
        (Node(0, 599), 600, Tile(0, 2, 88)),
        (Node(7, 0), 600, Tile(0, 0)),
        (Node(7, 3), 600, Tile(0, 1)),
        (Node(8, 1), 600, Tile(1, 0, 2)),
        (Node(9, 0), 600, Tile(1, 0, 2)),
        (Node(8, 0), 256, Tile(1, 0, 1)),
        (Node(12, 16), 70_000, Tile(1, 1, 17)),
        (Node(16, 0), 70_000, Tile(2, 0, 1)),
    ],
)
def test_a_node_stands_in_one_tile(node: Node, size: int, tile: Tile) -> None:
    assert tiles.tile_of(node, size) == tile


@pytest.mark.parametrize(
    ("node", "size"),
    [(Node(0, 5), 5), (Node(3, 0), 7), (Node(0, -1), 7), (Node(-1, 0), 7), (Node(0, 0), 0)],
)
def test_a_node_that_is_not_complete_stands_in_none(node: Node, size: int) -> None:
    with pytest.raises(ValueError, match="not complete"):
        tiles.tile_of(node, size)


def test_a_tile_gives_every_node_that_it_holds() -> None:
    data = log().tile(Tile(0, 1))

    for height in range(8):
        for index in range(256 >> height):
            node = Node(height, (256 >> height) + index)
            assert tiles.hash_in(data, node) == log().hash(node)


@pytest.mark.parametrize("node", [Node(0, 88), Node(3, 11), Node(7, 1)])
def test_a_partial_tile_does_not_give_what_it_does_not_hold(node: Node) -> None:
    data = log().tile(Tile(0, 2, 88))

    with pytest.raises(ValueError, match="does not hold"):
        tiles.hash_in(data, node)


def test_the_root_of_a_full_tile_stands_in_the_tile_above() -> None:
    above = log().tile(Tile(1, 0, 2))

    assert tiles.root_of(log().tile(Tile(0, 1))) == above[32:]
    with pytest.raises(ValueError, match="256"):
        tiles.root_of(above)


@pytest.mark.parametrize("size", SIZES)
def test_the_edge_tiles_hold_the_edge(size: int) -> None:
    edge = tiles.edge_tiles(size)

    assert {tiles.tile_of(node, size) for node in tree.edge_nodes(size)} <= set(edge)
    assert [tile.level for tile in edge] == list(range(len(edge)))
    # The highest tile is always partial, so that every full one has a tile above it.
    assert all(tile.width < tiles.WIDTH for tile in edge[-1:])


def test_the_edge_tiles_of_the_example_in_the_specification() -> None:
    assert tiles.edge_tiles(70_000) == [Tile(0, 273, 112), Tile(1, 1, 17), Tile(2, 0, 1)]
    assert tiles.edge_tiles(256) == [Tile(0, 0), Tile(1, 0, 1)]


@pytest.mark.parametrize(
    ("first", "end", "size", "expected"),
    [
        (0, 1, 1, [Tile(0, 0, 1)]),
        (0, 600, 600, [Tile(0, 0), Tile(0, 1), Tile(0, 2, 88), Tile(1, 0, 2)]),
        (0, 1, 600, [Tile(0, 0), Tile(0, 2, 88), Tile(1, 0, 2)]),
        (599, 600, 600, [Tile(0, 2, 88), Tile(1, 0, 2)]),
        (255, 257, 512, [Tile(0, 0), Tile(0, 1), Tile(1, 0, 2)]),
        # Leaf 65,540 has no tile above its own yet: its subtree of 256 is not complete.
        (65540, 65541, 65546, [Tile(0, 256, 10), Tile(1, 0), Tile(2, 0, 1)]),
    ],
)
def test_a_range_needs_its_tiles_those_above_and_the_edge(
    first: int, end: int, size: int, expected: list[Tile]
) -> None:
    assert list(tiles.tiles_of_range(first, end, size)) == expected


@pytest.mark.parametrize(("first", "end", "size"), [(-1, 1, 5), (0, 0, 5), (3, 2, 5), (0, 6, 5)])
def test_an_impossible_range_is_refused_at_once(first: int, end: int, size: int) -> None:
    with pytest.raises(ValueError, match="no range"):
        tiles.tiles_of_range(first, end, size)


@given(st.data())
def test_the_tiles_of_a_range_prove_every_record_in_it(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 2**20))
    first = data.draw(st.integers(0, size - 1))
    end = data.draw(st.integers(first + 1, min(size, first + 2000)))
    last = data.draw(st.integers(first, end - 1))

    held = list(tiles.tiles_of_range(first, end, size))

    assert len(set(held)) == len(held)
    assert held == sorted(held)
    nodes = [*tree.inclusion_nodes(last, size), *tree.consistency_nodes(last + 1, size)]
    assert {tiles.tile_of(node, size) for node in nodes} <= set(held)


def test_tiles_give_the_same_proofs_as_the_tree() -> None:
    asked: list[list[Tile]] = []

    def fetch(wanted: Sequence[Tile]) -> Mapping[Tile, bytes]:
        asked.append(list(wanted))
        return {tile: log().tile(tile) for tile in wanted}

    read = tiles.reader(fetch, SIZE)

    for index in (0, 255, 256, 511, 512, 599):
        assert tree.inclusion_proof(index, SIZE, read) == naive_tree.inclusion(index, log().records)
    for old in (0, 1, 255, 256, 257, 599, 600):
        assert tree.consistency_proof(old, SIZE, read) == naive_tree.consistency(old, log().records)
    assert all(len(set(wanted)) == len(wanted) for wanted in asked)
    assert [] not in asked


@pytest.mark.parametrize("found", [{}, {Tile(0, 0, 2): bytes(32)}, {Tile(0, 0, 2): bytes(96)}])
def test_a_tile_that_is_missing_or_of_another_width_is_not_read(found: dict[Tile, bytes]) -> None:
    read = tiles.reader(lambda _: found, 2)

    with pytest.raises(ValueError, match=r"tile/0/000\.p/2 does not have 2 hashes"):
        read([Node(0, 1)])


@pytest.mark.parametrize("size", [65535, 65536, 65537])
def test_the_root_of_a_large_tree_comes_out_of_its_edge_tiles(size: int) -> None:
    edge: list[bytes] = []
    rows: list[list[bytes]] = [[], [], []]
    for index in range(size):
        leaf = tree.leaf_hash(record(index))
        tree.grow(edge, index, leaf)
        rows[0].append(leaf)
        for low, high in ((0, 1), (1, 2)):
            if len(rows[low]) % 256 == 0 and len(rows[high]) * 256 < len(rows[low]):
                rows[high].append(tiles.root_of(b"".join(rows[low][-256:])))

    def fetch(wanted: Sequence[Tile]) -> Mapping[Tile, bytes]:
        edge_tiles = set(tiles.edge_tiles(size))
        return {
            tile: b"".join(rows[tile.level][tile.index * 256 :][: tile.width])
            for tile in wanted
            if tile in edge_tiles
        }

    assert tree.root(tiles.reader(fetch, size)(tree.edge_nodes(size))) == tree.root(edge)


@given(st.lists(st.binary(max_size=20), max_size=5))
def test_each_entry_stands_behind_its_length(records: list[bytes]) -> None:
    written = b"".join(struct.pack(">H", len(record)) + record for record in records)

    assert tiles.encode_entries(records) == written


def test_an_entry_bundle_is_lengths_and_records() -> None:
    largest = b"x" * 65_535

    assert tiles.encode_entries([b"ab", b""]) == b"\x00\x02ab\x00\x00"
    assert tiles.encode_entries([largest]) == b"\xff\xff" + largest
    with pytest.raises(ValueError, match="no place"):
        tiles.encode_entries([largest + b"x"])


def test_the_small_log_serves_what_it_has() -> None:
    assert Log([b"a"]).fetch("tile/0/000.p/1") == tree.leaf_hash(b"a")
