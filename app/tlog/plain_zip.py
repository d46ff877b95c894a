"""Reads a zip in which every reader sees the same files, and refuses any other.

A zip says twice what is in it: in a header before each member, and in a directory at the end. A
reader may go by either, or search for the directory. Here both must agree to the byte, and nothing
may stand before, between or behind; docs/log-format.md, "The zip", gives the rules.
"""

import os
import stat
import struct
import zlib
from collections.abc import Iterator
from typing import IO, NamedTuple

_LOCAL = struct.Struct("<4s5H3L2H")
_CENTRAL = struct.Struct("<4s6H3L5H2L")
_END_64 = struct.Struct("<4sQ2H2L4Q")
_LOCATOR = struct.Struct("<4sLQL")
_END = struct.Struct("<4s4H2LH")

_VERSION = 45  # of the format: what a large file needs
_STORED, _DEFLATED = 0, 8
_FLAGS = 0x2 | 0x4 | 0x800  # how hard was deflated, and that a name is UTF-8
_WIDE = 1  # the extra field with the sizes that do not fit in 32 bits
# Beside it only times (NTFS, Unix) and owners (Unix, old and new). Others can name another file.
_EXTRA = {_WIDE, 0x000A, 0x5455, 0x5855, 0x7875}
_TOP_16, _TOP_32 = 0xFFFF, 0xFFFFFFFF
_CHUNK = 64 * 1024


class NotPlain(Exception):
    """A zip that two readers may read otherwise, or no zip; the text says why."""


class Member(NamedTuple):
    """A file in a zip: where its bytes start, how many there are, and how many when unpacked."""

    name: str
    method: int
    crc: int
    packed: int
    size: int
    start: int


class _Header(NamedTuple):
    """A header, without what no reader looks at to find or unpack a file."""

    name: bytes
    flags: int
    method: int
    crc: int
    packed: int
    size: int


def members(file: IO[bytes]) -> Iterator[Member]:
    """Each member, as the directory and its own header tell it; names may repeat.

    Only when all were taken is the zip known to be plain. Raises NotPlain.
    """
    count, place, end = _end(file)
    start, at = place, 0
    for _ in range(count):
        told, offset, place = _central(file, place)
        header, after = _local(file, at)
        if offset != at or told != header:
            raise NotPlain("a member is not where, or what, the directory says")
        if told.flags & ~_FLAGS or told.method not in (_STORED, _DEFLATED):
            raise NotPlain("a member is encrypted, or written in another way")
        name = told.name.decode("ascii", "backslashreplace")
        yield Member(name, told.method, told.crc, told.packed, told.size, after)
        at = after + told.packed
    if (at, place) != (start, end):
        raise NotPlain("something stands between the members, the directory and the end")


def chunks(file: IO[bytes], member: Member) -> Iterator[bytes]:
    """The content of a member, none of it empty; raises NotPlain unless it is all of its bytes."""
    size, crc = 0, 0
    for chunk in (_inflated if member.method else _stored)(file, member):
        size += len(chunk)
        crc = zlib.crc32(chunk, crc)
        yield chunk
    if (size, crc) != (member.size, member.crc):
        raise NotPlain("a member is not what its header says")


def _stored(file: IO[bytes], member: Member) -> Iterator[bytes]:
    end = member.start + member.packed
    for at in range(member.start, end, _CHUNK):
        yield _read(file, at, min(_CHUNK, end - at))


def _inflated(file: IO[bytes], member: Member) -> Iterator[bytes]:
    inflating = zlib.decompressobj(-zlib.MAX_WBITS)
    for packed in _stored(file, member):
        waiting = packed
        while data := inflating.decompress(waiting, _CHUNK):
            waiting = inflating.unconsumed_tail
            yield data
        if inflating.unused_data:
            break
    # Another reader might go on where this one stops, or stop where this one goes on.
    if not inflating.eof or inflating.unused_data:
        raise NotPlain("a member does not end where its header says")


def _end(file: IO[bytes]) -> tuple[int, int, int]:
    """How many members the directory has, where it starts, and where it must end."""
    end = file.seek(0, os.SEEK_END) - _END.size
    mark, disk, first, here, count, size, start, comment = _END.unpack(_read(file, end, _END.size))
    if mark != b"PK\5\6" or disk or first or here != count or comment:
        raise NotPlain("the file does not end as a zip without a comment does")
    if end >= _LOCATOR.size + _END_64.size:
        located = end - _LOCATOR.size
        locator = _LOCATOR.unpack(_read(file, located, _LOCATOR.size))
        if locator[0] == b"PK\6\7":
            end = located - _END_64.size
            told = (count, size, start)
            count, size, start = _end_64(file, end)
            told_64 = min(count, _TOP_16), min(size, _TOP_32), min(start, _TOP_32)
            if locator[1:] != (0, end, 1) or told != told_64:
                raise NotPlain("the two end records differ")
    if start + size != end:
        raise NotPlain("the directory does not stand before the end record")
    return count, start, end


def _end_64(file: IO[bytes], at: int) -> tuple[int, int, int]:
    mark, length, _, _, disk, first, here, count, size, start = _END_64.unpack(
        _read(file, at, _END_64.size)
    )
    if mark != b"PK\6\6" or length != _END_64.size - 12 or disk or first or here != count:
        raise NotPlain("the large end record is not one")
    return count, size, start


def _central(file: IO[bytes], at: int) -> tuple[_Header, int, int]:
    """What the directory says of a member, its offset, and where the next one starts."""
    read = _CENTRAL.unpack(_read(file, at, _CENTRAL.size))
    mark, _, version, flags, method, _, _, crc, packed, size, named, extra = read[:12]
    comment, disk, mode, offset = read[12], read[13], read[15] >> 16, read[16]
    if mark != b"PK\1\2" or version > _VERSION:
        raise NotPlain("the directory ends too early, or is of a later version")
    if comment or disk or stat.S_IFMT(mode) not in (0, stat.S_IFREG):
        raise NotPlain("the directory has something else than plain files")
    at += _CENTRAL.size
    name = _read(file, at, named)
    size, packed, offset = _sizes(_read(file, at + named, extra), size, packed, offset)
    return _Header(name, flags, method, crc, packed, size), offset, at + named + extra


def _local(file: IO[bytes], at: int) -> tuple[_Header, int]:
    """What the header before a member says, and where the bytes of the member start."""
    mark, version, flags, method, _, _, crc, packed, size, named, extra = _LOCAL.unpack(
        _read(file, at, _LOCAL.size)
    )
    if mark != b"PK\3\4" or version > _VERSION:
        raise NotPlain("a member has no header, or one of a later version")
    at += _LOCAL.size
    name = _read(file, at, named)
    size, packed = _sizes(_read(file, at + named, extra), size, packed)
    return _Header(name, flags, method, crc, packed, size), at + named + extra


def _sizes(extra: bytes, *sizes: int) -> list[int]:
    """The sizes, those that do not fit in 32 bits out of the extra field that holds them."""
    fields: dict[int, bytes] = {}
    while extra:
        kind, length = int.from_bytes(extra[:2], "little"), int.from_bytes(extra[2:4], "little")
        if kind not in _EXTRA or kind in fields or len(extra) < 4 + length:
            raise NotPlain("a member has an extra field that it may not have")
        fields[kind], extra = extra[4 : 4 + length], extra[4 + length :]
    wide = fields.get(_WIDE, b"")
    large = [int.from_bytes(wide[at : at + 8], "little") for at in range(0, len(wide), 8)]
    if large == [*sizes]:
        return large  # Python before 3.11.4 writes what fits in 32 bits in both places
    if len(wide) != 8 * sizes.count(_TOP_32):
        raise NotPlain("a member has more sizes than one")
    following = iter(large)
    return [next(following) if size == _TOP_32 else size for size in sizes]


def _read(file: IO[bytes], at: int, count: int) -> bytes:
    if at < 0:
        raise NotPlain("the file is too short")
    file.seek(at)
    data = file.read(count)
    if len(data) != count:
        raise NotPlain("the file is too short")
    return data
