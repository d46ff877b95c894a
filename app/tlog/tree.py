"""The Merkle tree of RFC 6962, section 2.1, over SHA-256: roots, proofs and their verification."""

import hashlib
from collections.abc import Callable, Sequence
from functools import reduce
from typing import NamedTuple

HASH_BYTES = 32
EMPTY_ROOT = hashlib.sha256(b"").digest()


class Node(NamedTuple):
    """The root of a complete subtree: leaves `index * 2**level` up to the next multiple."""

    level: int
    index: int  # type: ignore[assignment]  # hides tuple.index, which no node needs


# Reads the hashes of many nodes in one call, in the order asked.
Reader = Callable[[Sequence[Node]], Sequence[bytes]]


def leaf_hash(record: bytes) -> bytes:
    """SHA-256 of 0x00 and the record (RFC 6962, 2.1)."""
    return hashlib.sha256(b"\x00" + record).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """SHA-256 of 0x01 and both children (RFC 6962, 2.1)."""
    return hashlib.sha256(b"\x01" + left + right).digest()


def grow(edge: list[bytes], size: int, leaf: bytes) -> None:
    """Append one leaf hash to the edge of a tree of `size`, in place: one hash on average.

    Raises ValueError when the edge is not that of a tree of `size`.
    """
    if size < 0 or len(edge) != size.bit_count():
        raise ValueError(f"{len(edge)} subtrees are not the edge of a tree of {size}")
    while size & 1:
        leaf = node_hash(edge.pop(), leaf)
        size >>= 1
    edge.append(leaf)


def root(edge: Sequence[bytes]) -> bytes:
    """The root of the tree with this edge; that of the empty tree is SHA-256 of nothing."""
    if not edge:
        return EMPTY_ROOT
    return reduce(lambda right, left: node_hash(left, right), reversed(edge))


def edge_nodes(size: int) -> list[Node]:
    """Where the edge of a tree of `size` stands, largest subtree first.

    Raises ValueError for a size below 0.
    """
    if size < 0:
        raise ValueError(f"{size} is not the size of a tree")
    levels = range(size.bit_length() - 1, -1, -1)
    return [Node(level, (size >> level) - 1) for level in levels if size >> level & 1]


def inclusion_nodes(index: int, size: int) -> list[Node]:
    """Every node that `inclusion_proof` reads; ValueError for an index outside the tree."""
    if not 0 <= index < size:
        raise ValueError(f"no leaf {index} in a tree of {size}")
    return _path_nodes(Node(0, index), size)


def inclusion_proof(index: int, size: int, read: Reader) -> list[bytes]:
    """PATH of RFC 6962, 2.1.1, from the leaf's sibling up to a child of the root.

    Calls `read` once. Raises ValueError for an index outside the tree.
    """
    nodes = inclusion_nodes(index, size)
    return _path(Node(0, index), size, read(nodes))


def consistency_nodes(old: int, new: int) -> list[Node]:
    """Every node that `consistency_proof` reads; ValueError unless 0 <= old <= new."""
    if not 0 <= old <= new:
        raise ValueError(f"a tree of {old} is no beginning of a tree of {new}")
    if old in (0, new):
        return []
    last = _last_subtree(old)
    first = [] if _is_power_of_two(old) else [last]
    return first + _path_nodes(last, new)


def consistency_proof(old: int, new: int, read: Reader) -> list[bytes]:
    """PROOF of RFC 6962, 2.1.2: that the tree of `old` is the beginning of the tree of `new`.

    Empty when the sizes are equal or `old` is 0. Calls `read` once. Raises ValueError unless
    0 <= old <= new.
    """
    hashes = read(consistency_nodes(old, new))
    if old in (0, new):
        return []
    given = 0 if _is_power_of_two(old) else 1
    return [*hashes[:given], *_path(_last_subtree(old), new, hashes[given:])]


def verify_inclusion(
    leaf: bytes, index: int, size: int, proof: Sequence[bytes], root: bytes
) -> bool:
    """True when the proof leads from the leaf hash at `index` to the root of a tree of `size`.

    Never raises: an impossible index, a hash too many or too few, or one of another length is
    False.
    """
    if not 0 <= index < size or not _are_hashes(leaf, root, *proof):
        return False
    inner, border = _shape(index, size - 1)
    if len(proof) != inner + border:
        return False
    return _climb(leaf, index, proof, inner) == root


def verify_consistency(
    old: int, old_root: bytes, new: int, new_root: bytes, proof: Sequence[bytes]
) -> bool:
    """True when the proof shows that the tree of `new` leaves begins with the tree of `old`.

    Equal sizes need equal roots and no proof; from the empty tree only EMPTY_ROOT and no proof
    will do. Never raises.
    """
    if not 0 <= old <= new or not _are_hashes(old_root, new_root, *proof):
        return False
    if old == 0 and old_root != EMPTY_ROOT:
        return False
    if old == new:
        return not proof and old_root == new_root
    if old == 0:
        return not proof

    # The proof climbs from the last complete subtree of the old tree; where the old tree is that
    # subtree as a whole, its hash is the old root and the proof leaves it out.
    hashes = [old_root, *proof] if _is_power_of_two(old) else list(proof)
    level, index = _last_subtree(old)
    inner, border = _shape(index, (new - 1) >> level)
    if len(hashes) != 1 + inner + border:
        return False
    start, path = hashes[0], hashes[1:]
    within = [sibling for step, sibling in enumerate(path) if step >= inner or index >> step & 1]
    was = reduce(lambda right, left: node_hash(left, right), within, start)
    return was == old_root and _climb(start, index, path, inner) == new_root


def _path_nodes(node: Node, size: int) -> list[Node]:
    """The nodes on which the path from `node` to the root of a tree of `size` is built.

    First the siblings up to the edge subtree that holds the node, then the edge to its right
    (together one hash of the path), then the edge to its left, smallest first.
    """
    around, right, left = _parts(node, size)
    return [*around, *right, *left]


def _path(node: Node, size: int, hashes: Sequence[bytes]) -> list[bytes]:
    around, right, _ = _parts(node, size)
    end = len(around) + len(right)
    folded = [root(hashes[len(around) : end])] if right else []
    return [*hashes[: len(around)], *folded, *hashes[end:]]


def _parts(node: Node, size: int) -> tuple[list[Node], list[Node], list[Node]]:
    edge = edge_nodes(size)
    first = node.index << node.level
    place = next(i for i, each in enumerate(edge) if first < (each.index + 1) << each.level)
    steps = range(edge[place].level - node.level)
    around = [Node(node.level + step, (node.index >> step) ^ 1) for step in steps]
    return around, edge[place + 1 :], edge[:place][::-1]


def _shape(index: int, last: int) -> tuple[int, int]:
    """How many hashes a path has below and on the left border of the tree.

    Below, the paths of `index` and of the `last` node have not met; from there on the tree has
    nothing to the right, and only a one-bit of the index brings a hash.
    """
    inner = (index ^ last).bit_length()
    return inner, (index >> inner).bit_count()


def _climb(start: bytes, index: int, path: Sequence[bytes], inner: int) -> bytes:
    found = start
    for step, sibling in enumerate(path):
        is_left = step < inner and not index >> step & 1
        found = node_hash(found, sibling) if is_left else node_hash(sibling, found)
    return found


def _last_subtree(size: int) -> Node:
    return edge_nodes(size)[-1]


def _is_power_of_two(size: int) -> bool:
    return size.bit_count() == 1


def _are_hashes(*hashes: bytes) -> bool:
    return all(len(each) == HASH_BYTES for each in hashes)
