"""RFC 6962, 2.1, word for word: slow, recursive, and without a line of the application."""

from hashlib import sha256


def root(leaves: list[bytes]) -> bytes:
    """MTH(D[n]) over the data of the leaves."""
    if not leaves:
        return sha256(b"").digest()
    if len(leaves) == 1:
        return sha256(b"\x00" + leaves[0]).digest()
    k = split(len(leaves))
    return sha256(b"\x01" + root(leaves[:k]) + root(leaves[k:])).digest()


def inclusion(index: int, leaves: list[bytes]) -> list[bytes]:
    """PATH(m, D[n])."""
    if len(leaves) == 1:
        return []
    k = split(len(leaves))
    if index < k:
        return [*inclusion(index, leaves[:k]), root(leaves[k:])]
    return [*inclusion(index - k, leaves[k:]), root(leaves[:k])]


def consistency(old: int, leaves: list[bytes]) -> list[bytes]:
    """PROOF(m, D[n]); empty for m = 0, of which the RFC says nothing."""
    return subproof(old, leaves, True) if old else []


def subproof(old: int, leaves: list[bytes], is_whole: bool) -> list[bytes]:
    """SUBPROOF(m, D[n], b)."""
    if old == len(leaves):
        return [] if is_whole else [root(leaves)]
    k = split(len(leaves))
    if old <= k:
        return [*subproof(old, leaves[:k], is_whole), root(leaves[k:])]
    return [*subproof(old - k, leaves[k:], False), root(leaves[:k])]


def split(count: int) -> int:
    """The largest power of two below the count."""
    k = 1
    while k * 2 < count:
        k *= 2
    return k
