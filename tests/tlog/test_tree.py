"""The tree against the published vectors, and against the RFC's own recursion."""

from collections.abc import Sequence
from functools import cache
from itertools import pairwise

import naive_tree
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.tlog import tree
from app.tlog.tree import EMPTY_ROOT, Node, leaf_hash, node_hash

# The reference vectors of the Certificate Transparency project, for RFC 6962.
DATA = [
    bytes.fromhex(each)
    for each in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]
LEAF_1 = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
LEAF_4 = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
PAIR_1 = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
PAIR_2 = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
PAIR_3 = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
HALF_1 = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
INCLUSION = [
    (0, 1, []),
    (1, 2, [ROOTS[1]]),
    (0, 8, [LEAF_1, PAIR_1, HALF_1]),
    (5, 8, [LEAF_4, PAIR_3, ROOTS[4]]),
    (2, 3, [ROOTS[2]]),
    (1, 5, [ROOTS[1], PAIR_1, LEAF_4]),
]
CONSISTENCY = [
    (1, 1, []),
    (1, 8, [LEAF_1, PAIR_1, HALF_1]),
    (2, 8, [PAIR_1, HALF_1]),
    (6, 8, [PAIR_2, PAIR_3, ROOTS[4]]),
    (2, 5, [PAIR_1, LEAF_4]),
]

COUNT = 66
RECORDS = [bytes([index]) * (index % 3 + 1) for index in range(COUNT)]
ROOT = [naive_tree.root(RECORDS[:size]) for size in range(COUNT + 1)]
PAIRS = [(index, size) for size in range(1, 41) for index in range(size)]
GROWTHS = [(old, new) for new in range(41) for old in range(new + 1)]


@cache
def hash_at(node: Node) -> bytes:
    first = node.index << node.level
    return naive_tree.root(RECORDS[first : first + (1 << node.level)])


def read(nodes: Sequence[Node]) -> list[bytes]:
    return [hash_at(node) for node in nodes]


def read_data(nodes: Sequence[Node]) -> list[bytes]:
    return [
        naive_tree.root(DATA[node.index << node.level : (node.index + 1) << node.level])
        for node in nodes
    ]


def grown(records: Sequence[bytes]) -> list[bytes]:
    edge: list[bytes] = []
    for size, record in enumerate(records):
        tree.grow(edge, size, leaf_hash(record))
    return edge


def spoiled(hashes: list[bytes]) -> list[list[bytes]]:
    """Every way to change one hash: a bit, its length, its presence, its place."""
    changed = [
        [*hashes[:at], other, *hashes[at + 1 :]]
        for at, each in enumerate(hashes)
        for other in (bytes([each[0] ^ 1]) + each[1:], each[:-1], each + b"\x00", b"")
    ]
    dropped = [hashes[:at] + hashes[at + 1 :] for at in range(len(hashes))]
    added = [[*hashes[:at], ROOT[1], *hashes[at:]] for at in range(len(hashes) + 1)]
    swapped = [
        [*hashes[:at], hashes[at + 1], hashes[at], *hashes[at + 2 :]]
        for at, (left, right) in enumerate(pairwise(hashes))
        if left != right
    ]
    return changed + dropped + added + swapped


@pytest.mark.parametrize("size", range(9))
def test_a_root_is_the_published_one(size: int) -> None:
    assert tree.root(grown(DATA[:size])).hex() == ROOTS[size] == naive_tree.root(DATA[:size]).hex()


@pytest.mark.parametrize(("index", "size", "expected"), INCLUSION)
def test_an_inclusion_proof_is_the_published_one(
    index: int, size: int, expected: list[str]
) -> None:
    proof = tree.inclusion_proof(index, size, read_data)

    assert [each.hex() for each in proof] == expected
    assert tree.verify_inclusion(
        leaf_hash(DATA[index]), index, size, proof, bytes.fromhex(ROOTS[size])
    )


@pytest.mark.parametrize(("old", "new", "expected"), CONSISTENCY)
def test_a_consistency_proof_is_the_published_one(old: int, new: int, expected: list[str]) -> None:
    proof = tree.consistency_proof(old, new, read_data)

    assert [each.hex() for each in proof] == expected
    assert tree.verify_consistency(
        old, bytes.fromhex(ROOTS[old]), new, bytes.fromhex(ROOTS[new]), proof
    )


def test_the_edge_grows_into_the_roots_of_complete_subtrees() -> None:
    for size in range(COUNT):
        edge = grown(RECORDS[:size])

        assert edge == read(tree.edge_nodes(size))
        assert len(edge) == size.bit_count()
        assert tree.root(edge) == ROOT[size]


@pytest.mark.parametrize(("size", "hashes"), [(-1, 0), (0, 1), (1, 0), (2, 2), (7, 2)])
def test_an_edge_that_is_not_of_the_size_does_not_grow(size: int, hashes: int) -> None:
    edge = [ROOT[1]] * hashes

    with pytest.raises(ValueError, match="not the edge"):
        tree.grow(edge, size, ROOT[1])

    assert edge == [ROOT[1]] * hashes


def test_inclusion_is_proven_as_the_rfc_says_for_every_index() -> None:
    for index, size in PAIRS:
        proof = tree.inclusion_proof(index, size, read)

        assert proof == naive_tree.inclusion(index, RECORDS[:size])
        assert tree.verify_inclusion(leaf_hash(RECORDS[index]), index, size, proof, ROOT[size])


def test_inclusion_is_refused_for_every_other_hash_index_size_and_root() -> None:
    for index, size in PAIRS:
        leaf = leaf_hash(RECORDS[index])
        proof = tree.inclusion_proof(index, size, read)

        assert not any(
            tree.verify_inclusion(leaf, index, size, other, ROOT[size]) for other in spoiled(proof)
        )
        assert not any(
            tree.verify_inclusion(leaf, other, size, proof, ROOT[size])
            for other in range(-1, size + 2)
            if other != index
        )
        assert not tree.verify_inclusion(leaf, index, size, proof, ROOT[size + 1])
        assert not tree.verify_inclusion(ROOT[0], index, size, proof, ROOT[size])
        assert not tree.verify_inclusion(leaf[1:], index, size, proof, ROOT[size])
        assert not tree.verify_inclusion(leaf, index, size, proof, ROOT[size][1:])


def test_inclusion_is_refused_beyond_the_tree_even_where_the_hashes_fit() -> None:
    leaves = [leaf_hash(each) for each in RECORDS[:2]]

    assert tree.verify_inclusion(leaves[1], 1, 2, leaves[:1], ROOT[2])
    assert not tree.verify_inclusion(leaves[1], 1, 1, leaves[:1], ROOT[2])


def test_the_border_between_two_hashes_does_not_shift() -> None:
    left, right = (leaf_hash(each) for each in RECORDS[:2])

    assert tree.verify_inclusion(left, 0, 2, [right], ROOT[2])
    assert not tree.verify_inclusion(left[:31], 0, 2, [left[31:] + right], ROOT[2])
    assert not tree.verify_consistency(1, left[:31], 2, ROOT[2], [left[31:] + right])


def test_consistency_is_proven_as_the_rfc_says_for_all_sizes() -> None:
    for old, new in GROWTHS:
        proof = tree.consistency_proof(old, new, read)

        assert proof == naive_tree.consistency(old, RECORDS[:new])
        assert tree.verify_consistency(old, ROOT[old], new, ROOT[new], proof)


def test_consistency_is_refused_for_every_other_hash_size_and_root() -> None:
    for old, new in GROWTHS:
        proof = tree.consistency_proof(old, new, read)

        assert not any(
            tree.verify_consistency(old, ROOT[old], new, ROOT[new], other)
            for other in spoiled(proof)
        )
        assert not any(
            tree.verify_consistency(other, ROOT[old], new, ROOT[new], proof)
            for other in range(-1, new + 2)
            if other != old
        )
        assert not tree.verify_consistency(old, ROOT[old + 1], new, ROOT[new], proof)
        # From the empty tree any tree may grow: there the signature alone speaks for the root.
        assert tree.verify_consistency(old, ROOT[old], new, ROOT[new + 1], proof) is (
            old == 0 < new
        )


@pytest.mark.parametrize(
    ("old", "new", "is_proven"),
    [(ROOT[0], ROOT[0], True), (ROOT[0], ROOT[1], False), (ROOT[1], ROOT[1], False)],
)
def test_the_empty_tree_has_one_root(old: bytes, new: bytes, is_proven: bool) -> None:
    assert tree.verify_consistency(0, old, 0, new, []) is is_proven


def test_the_empty_tree_is_the_beginning_of_every_tree() -> None:
    assert tree.verify_consistency(0, EMPTY_ROOT, 5, ROOT[5], [])
    assert not tree.verify_consistency(0, ROOT[5], 5, ROOT[5], [])
    assert not tree.verify_consistency(0, EMPTY_ROOT, 5, ROOT[5], [ROOT[5]])
    assert not tree.verify_consistency(0, EMPTY_ROOT, 5, ROOT[5][1:], [])


@pytest.mark.parametrize("size", [0, 1, 2, 255, 256, 257, 65535, 65536, 65537, 2**63 - 1])
def test_the_edge_covers_every_leaf_once(size: int) -> None:
    nodes = tree.edge_nodes(size)

    ends = [0] + [(node.index + 1) << node.level for node in nodes]
    assert [node.index << node.level for node in nodes] == ends[:-1]
    assert ends[-1] == size
    assert [node.level for node in nodes] == sorted({node.level for node in nodes}, reverse=True)


@pytest.mark.parametrize(("index", "size"), [(0, 0), (-1, 5), (5, 5), (6, 5), (0, -1)])
def test_no_inclusion_outside_the_tree(index: int, size: int) -> None:
    with pytest.raises(ValueError, match="no leaf"):
        tree.inclusion_proof(index, size, read)

    assert not tree.verify_inclusion(ROOT[1], index, size, [], ROOT[1])


@pytest.mark.parametrize(("old", "new"), [(-1, 5), (6, 5), (0, -1)])
def test_no_consistency_with_a_smaller_tree(old: int, new: int) -> None:
    with pytest.raises(ValueError, match="no beginning"):
        tree.consistency_proof(old, new, read)

    assert not tree.verify_consistency(old, EMPTY_ROOT, new, EMPTY_ROOT, [])


def test_no_edge_below_zero() -> None:
    with pytest.raises(ValueError, match="size"):
        tree.edge_nodes(-1)


@pytest.mark.parametrize(("old", "new"), [(0, 0), (0, 9), (9, 9), (4, 9), (6, 9)])
def test_a_proof_reads_once_and_what_it_says(old: int, new: int) -> None:
    asked: list[list[Node]] = []

    def note(nodes: Sequence[Node]) -> list[bytes]:
        asked.append(list(nodes))
        return read(nodes)

    tree.consistency_proof(old, new, note)
    tree.inclusion_proof(3, 9, note)

    assert asked == [tree.consistency_nodes(old, new), tree.inclusion_nodes(3, 9)]


@given(st.data())
def test_a_far_leaf_of_a_huge_tree_is_proven_by_a_short_path(data: st.DataObject) -> None:
    size = data.draw(st.integers(1, 2**63 - 1))
    index = data.draw(st.integers(0, size - 1))

    # All leaves are the same, so that a subtree is known by its level alone.
    same = [leaf_hash(b"")]
    for _ in range(63):
        same.append(node_hash(same[-1], same[-1]))

    def level_hashes(nodes: Sequence[Node]) -> list[bytes]:
        return [same[node.level] for node in nodes]

    root = tree.root(level_hashes(tree.edge_nodes(size)))
    proof = tree.inclusion_proof(index, size, level_hashes)
    growth = tree.consistency_proof(index, size, level_hashes)

    assert len(proof) <= 63
    assert tree.verify_inclusion(same[0], index, size, proof, root)
    old_root = tree.root(level_hashes(tree.edge_nodes(index)))
    assert tree.verify_consistency(index, old_root, size, root, growth)


hashes = st.binary(min_size=32, max_size=32) | st.binary(max_size=40)
anything = st.integers(-(2**70), 2**70) | st.integers(-2, 70)


@given(anything, anything, st.lists(hashes, max_size=8), hashes, hashes)
def test_hostile_proofs_are_false_and_never_raise(
    one: int, two: int, proof: list[bytes], first: bytes, second: bytes
) -> None:
    is_trivial = (one == two and first == second) or one == 0
    assert not tree.verify_inclusion(first, one, two, proof, second) or first == second
    assert not tree.verify_consistency(one, first, two, second, proof) or is_trivial
