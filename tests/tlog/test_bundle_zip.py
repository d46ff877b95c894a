"""The zip of a bundle: one layout, in which no reader finds other files than the verifier."""

import hashlib
import io
import os
import shutil
import struct
import subprocess
import tracemalloc
import zipfile
import zlib
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from small_log import SIGNER, canonical, log, pack, tampered, unpack

from app.tlog import bundle, verifier
from app.tlog.verifier import Verdict, verify

KEYS = [SIGNER.vkey]
FILES = unpack(log().range(0, 20))
NOT_PLAIN = "het pakket heeft niet de vorm die de dienst maakt ({})"
TOP = 0xFFFFFFFF

TIMES = struct.pack("<HHBL", 0x5455, 5, 1, 1_700_000_000)
OWNERS = struct.pack("<HHBBLBL", 0x7875, 11, 1, 4, 1000, 4, 1000)
OTHER_NAME = struct.pack("<HHBL", 0x7075, 10, 1, zlib.crc32(b"vkey")) + b"other"


@dataclass
class Header:
    """What one of the two headers of a member says."""

    name: bytes
    method: int
    crc: int
    packed: int
    size: int
    flags: int = 0
    extra: bytes = b""
    version: int = 20

    @property
    def front(self) -> bytes:
        return struct.pack("<HHHHH", self.version, self.flags, self.method, 0, 0x21)

    @property
    def back(self) -> bytes:
        sizes = struct.pack("<LLL", self.crc, self.packed, self.size)
        return sizes + struct.pack("<HH", len(self.name), len(self.extra))


@dataclass
class Entry:
    """A member, as it stands in the zip and as the directory tells it."""

    data: bytes
    local: Header
    central: Header
    before: bytes = b""
    comment: bytes = b""
    disk: int = 0
    mode: int = 0o100644
    moved: int = 0
    marks: list[bytes] = field(default_factory=lambda: [b"PK\3\4", b"PK\1\2"])

    def both(self, **change: object) -> None:
        self.local = replace(self.local, **change)  # type: ignore[arg-type]  # any field
        self.central = replace(self.central, **change)  # type: ignore[arg-type]


Entries = list[Entry]
Change = Callable[[Entries], object]


def deflated(data: bytes) -> bytes:
    deflating = zlib.compressobj(wbits=-15)
    return deflating.compress(data) + deflating.flush()


def entry(name: str, data: bytes, method: int = 8) -> Entry:
    packed = deflated(data) if method else data
    header = Header(name.encode(), method, zlib.crc32(data), len(packed), len(data))
    return Entry(packed, header, replace(header))


def build(
    change: Change = lambda _: None,
    order: Callable[[Entries], Sequence[Entry]] = list,
    gap: bytes = b"",
    end: Callable[[int, int, int], bytes] | None = None,
) -> bytes:
    """The bundle as a zip, by hand; `order` is that of the directory."""
    entries = [entry(name, data) for name, data in FILES.items()]
    change(entries)
    file = io.BytesIO()
    offsets = {}
    for each in entries:
        file.write(each.before)
        offsets[id(each)] = file.tell()
        file.write(each.marks[0] + each.local.front + each.local.back)
        file.write(each.local.name + each.local.extra + each.data)
    start = file.tell()
    for each in order(entries):
        file.write(each.marks[1] + b"\x14\3" + each.central.front + each.central.back)
        file.write(struct.pack("<HHHL", len(each.comment), each.disk, 0, each.mode << 16))
        file.write(struct.pack("<L", offsets[id(each)] + each.moved))
        file.write(each.central.name + each.central.extra + each.comment)
    size = file.tell() - start
    file.write(gap)
    file.write((end or plain_end)(len(order(entries)), size, start))
    return file.getvalue()


def plain_end(count: int, size: int, start: int, /, **change: object) -> bytes:
    told: dict[str, object] = {
        "mark": b"PK\5\6", "disk": 0, "first": 0, "here": count, "count": count, "size": size,
        "start": start, "comment": 0, **change,
    }  # fmt: skip
    return struct.pack("<4s4H2LH", *told.values())


def large_end(count: int, size: int, start: int, /, **change: object) -> bytes:
    told: dict[str, object] = {
        "mark": b"PK\6\6", "length": 44, "by": 45, "needed": 45, "disk": 0, "first": 0,
        "here": count, "count": count, "size": size, "start": start,
        "locator": b"PK\6\7", "disk_of": 0, "at": start + size, "disks": 1, **change,
    }  # fmt: skip
    return struct.pack("<4sQ2H2L4Q4sLQL", *told.values()) + plain_end(count, size, start)


@pytest.fixture
def judge(tmp_path: Path) -> Callable[[bytes], Verdict]:
    def judged(data: bytes) -> Verdict:
        path = tmp_path / "bundle.zip"
        path.write_bytes(data)
        return verify(path, KEYS)

    return judged


def of_first(**fields: object) -> Change:
    """A change of the first member as a whole."""
    return lambda entries: vars(entries[0]).update(fields)


def of_headers(**fields: object) -> Change:
    """A change that both headers of the first member tell."""
    return lambda entries: entries[0].both(**fields)


def of_local(**fields: object) -> Change:
    """A change that only the header before the first member tells."""
    return lambda entries: vars(entries[0].local).update(fields)


def of_central(**fields: object) -> Change:
    """A change that only the directory tells of the first member."""
    return lambda entries: vars(entries[0].central).update(fields)


def stored(entries: Entries) -> None:
    entries[:] = [entry(name, data, method=0) for name, data in FILES.items()]


def wide(*, local: bool, central: bool) -> Change:
    """Sizes of the first member in an extra field, as for a member that may become large."""

    def changed(entries: Entries) -> None:
        first = entries[0]
        sizes = struct.pack("<HHQQ", 1, 16, first.local.size, first.local.packed)
        for is_wide, header in ((local, first.local), (central, first.central)):
            if is_wide:
                header.size = header.packed = TOP
                header.extra = TIMES + sizes

    return changed


@pytest.mark.parametrize(
    "data",
    [
        pytest.param(build(), id="deflated"),
        pytest.param(build(stored), id="stored"),
        pytest.param(build(of_headers(flags=0x806)), id="flags"),
        pytest.param(build(of_first(mode=0)), id="no mode"),
        pytest.param(
            build(lambda given: (of_local(extra=TIMES + OWNERS)(given), of_central(extra=TIMES))),
            id="times and owners",
        ),
        pytest.param(build(wide(local=True, central=False)), id="wide before the member"),
        pytest.param(build(wide(local=False, central=True)), id="wide in the directory"),
        pytest.param(build(wide(local=True, central=True)), id="wide in both"),
        pytest.param(build(end=large_end), id="large end"),
        pytest.param(build(lambda entries: entries.reverse()), id="another order"),
    ],
)
def test_a_plain_zip_of_other_making_is_intact(
    judge: Callable[[bytes], Verdict], data: bytes
) -> None:
    assert unpack(data) == FILES
    assert judge(data) == judge(log().range(0, 20))
    assert judge(data).intact


def test_a_bundle_that_is_large_is_intact(
    judge: Callable[[bytes], Verdict], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    monkeypatch.setattr(zipfile, "ZIP_FILECOUNT_LIMIT", 2)

    data = log().range(0, 600)

    assert b"PK\6\7" in data
    assert judge(data).intact, judge(data).what


def test_an_offset_that_is_wide_is_read(judge: Callable[[bytes], Verdict]) -> None:
    def wide_offset(entries: Entries) -> None:
        offset = 0
        for each in entries[:-1]:
            offset += 30 + len(each.local.name) + len(each.data)
        last = entries[-1]
        last.central.extra = struct.pack("<HHQ", 1, 8, offset)
        last.moved = TOP - offset

    assert judge(build(wide_offset)).intact


def test_the_smallest_zip_is_no_bundle(judge: Callable[[bytes], Verdict]) -> None:
    assert judge(plain_end(0, 0, 0)).what == "manifest.json ontbreekt"


def test_parts_may_be_larger_than_what_is_read_at_a_time(
    judge: Callable[[bytes], Verdict], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verifier, "_CHUNK", 100)

    assert judge(log().range(0, 600)).intact


@pytest.mark.skipif(shutil.which("zip") is None, reason="needs the program zip")
def test_what_the_program_zip_makes_is_intact(tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(log().range(0, 600))) as archive:
        archive.extractall(tmp_path)
    subprocess.run(["zip", "-qrD", "again.zip", "."], cwd=tmp_path, check=True, timeout=60)

    assert verify(tmp_path / "again.zip", KEYS).intact


LIE = log().range(0, 20).replace(b"PK\5\6", b"PK\5\7")


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        pytest.param(b"", "the file is too short", id="nothing"),
        pytest.param(
            build() + b"x", "the file does not end as a zip without a comment does", id="behind"
        ),
        pytest.param(
            build(end=lambda *told: plain_end(*told, comment=2) + b"hi"),
            "the file does not end as a zip without a comment does",
            id="comment",
        ),
        pytest.param(
            build(end=lambda *told: plain_end(*told, comment=1)),
            "the file does not end as a zip without a comment does",
            id="comment that is not there",
        ),
        *(
            pytest.param(
                build(end=lambda *told, change=change: plain_end(*told, **change)),
                "the file does not end as a zip without a comment does",
                id=f"end {change}",
            )
            for change in ({"mark": b"PK\5\7"}, {"disk": 1}, {"first": 1}, {"here": 1})
        ),
        *(
            pytest.param(
                build(end=lambda *told, change=change: plain_end(*told, **change)),
                "the directory does not stand before the end record",
                id=f"end {change}",
            )
            for change in ({"size": 1}, {"start": 1}, {"start": TOP})
        ),
        pytest.param(
            LIE + log().range(0, 20),
            "the directory does not stand before the end record",
            id="a zip before it",
        ),
        pytest.param(
            build(of_first(before=LIE)),
            "a member is not where, or what, the directory says",
            id="a zip before it that the offsets count",
        ),
        pytest.param(
            build(lambda entries: vars(entries[3]).update(before=b"x")),
            "a member has no header, or one of a later version",
            id="between members",
        ),
        pytest.param(
            build(lambda entries: vars(entries[-1]).update(data=entries[-1].data + b"x")),
            "something stands between the members, the directory and the end",
            id="before the directory",
        ),
        pytest.param(
            build(gap=b"x"),
            "the directory does not stand before the end record",
            id="behind the directory",
        ),
        pytest.param(
            build(gap=b"xx", end=lambda count, size, start: plain_end(count, size + 2, start)),
            "something stands between the members, the directory and the end",
            id="behind the directory, and counted",
        ),
        pytest.param(
            build(order=lambda entries: entries[::-1]),
            "a member is not where, or what, the directory says",
            id="order",
        ),
        pytest.param(
            build(order=lambda entries: entries[1:]),
            "a member is not where, or what, the directory says",
            id="the first untold",
        ),
        pytest.param(
            build(order=lambda entries: entries[:-1]),
            "something stands between the members, the directory and the end",
            id="the last untold",
        ),
        pytest.param(
            build(end=lambda count, size, start: plain_end(count + 1, size, start)),
            "the file is too short",
            id="one more told",
        ),
        pytest.param(
            build(end=lambda count, size, start: plain_end(count - 1, size, start)),
            "something stands between the members, the directory and the end",
            id="one less told",
        ),
        *(
            pytest.param(
                build(of(**change)),
                "a member is not where, or what, the directory says",
                id=f"{of.__name__} {change}",
            )
            for of in (of_local, of_central)
            for change in (
                {"name": b"readme.md"},
                {"flags": 2},
                {"method": 0},
                {"crc": 1},
                {"packed": 1},
                {"size": 1},
            )
        ),
        pytest.param(
            build(of_first(moved=1)), "a member is not where, or what, the directory says", id="at"
        ),
        *(
            pytest.param(
                build(of_headers(**change)),
                "a member is encrypted, or written in another way",
                id=f"{change}",
            )
            for change in (
                {"flags": 0x1},
                {"flags": 0x8},
                {"flags": 0x20},
                {"flags": 0x40},
                {"flags": 0x2000},
                {"method": 14},
                {"method": 9},
            )
        ),
        *(
            pytest.param(
                build(of_first(**change)),
                "the directory has something else than plain files",
                id=f"{change}",
            )
            for change in (
                {"comment": b"x"},
                {"disk": 1},
                {"mode": 0o120777},
            )
        ),
        *(
            pytest.param(
                build(change),
                "the directory ends too early, or is of a later version",
                id=f"directory {name}",
            )
            for name, change in {
                "mark": of_first(marks=[b"PK\3\4", b"PK\1\3"]),
                "version": of_central(version=46),
            }.items()
        ),
        *(
            pytest.param(
                build(change),
                "a member has no header, or one of a later version",
                id=f"member {name}",
            )
            for name, change in {
                "mark": of_first(marks=[b"PK\3\5", b"PK\1\2"]),
                "version": of_local(version=46),
            }.items()
        ),
        *(
            pytest.param(
                build(of(extra=extra)),
                "a member has an extra field that it may not have",
                id=f"{of.__name__} {extra!r}",
            )
            for of in (of_local, of_central)
            for extra in (OTHER_NAME, TIMES + TIMES, TIMES[:-1], TIMES[:3], b"\x01\0")
        ),
        *(
            pytest.param(build(of(**change)), "a member has more sizes than one", id=f"{change}")
            for of in (of_local, of_central)
            for change in ({"extra": struct.pack("<HHQ", 1, 8, 0)}, {"size": TOP})
        ),
        *(
            pytest.param(
                build(end=lambda *told, change=change: large_end(*told, **change)),
                "the large end record is not one",
                id=f"large {change}",
            )
            for change in (
                {"mark": b"PK\6\5"},
                {"length": 45},
                {"disk": 1},
                {"first": 1},
                {"here": 1},
            )
        ),
        *(
            pytest.param(
                build(end=lambda *told, change=change: large_end(*told, **change)),
                "the two end records differ",
                id=f"large {change}",
            )
            for change in (
                {"count": 1, "here": 1},
                {"size": 1},
                {"start": 1},
                {"disk_of": 1},
                {"at": 1},
                {"disks": 2},
            )
        ),
    ],
)
def test_a_zip_that_another_reader_may_read_otherwise_is_refused(
    judge: Callable[[bytes], Verdict], data: bytes, reason: str
) -> None:
    assert judge(data).what == NOT_PLAIN.format(reason)


def test_a_zip_before_a_bundle_is_what_a_reader_from_the_front_would_see(tmp_path: Path) -> None:
    lying = tampered(log().range(0, 20), lambda files: files.update({"records.jsonl": b"{}\n"}))
    path = tmp_path / "bundle.zip"
    path.write_bytes(lying + log().range(0, 20))

    assert unpack(path.read_bytes()) == FILES  # Python looks from the end
    assert not verify(path, KEYS).intact


NOISE = hashlib.shake_256().digest(100_000)
# Deflates to more than is read at a time, of which the first part ends where a stream does.
BLOCK = zlib.compressobj(0, wbits=-15)
EXACT = BLOCK.compress(NOISE[: 65_536 - 10]) + BLOCK.flush()


def test_a_stream_may_end_where_a_part_does() -> None:
    assert len(EXACT) == 65_536


@pytest.mark.parametrize(
    ("data", "claimed", "reason"),
    [
        pytest.param(deflated(b"x\n"), b"x", "is not what its header says", id="longer"),
        pytest.param(deflated(b"x"), b"x\n", "is not what its header says", id="shorter"),
        pytest.param(deflated(b"x"), b"y", "is not what its header says", id="another"),
        pytest.param(deflated(b"x") + b"y", b"x", "does not end where", id="more packed"),
        pytest.param(deflated(b"x") + NOISE, b"x", "does not end where", id="much more packed"),
        pytest.param(EXACT + b"y", NOISE[:65_526], "does not end where", id="more in a next part"),
        pytest.param(
            deflated(NOISE[:60_000])[:-1], NOISE[:60_000], "does not end where", id="cut off"
        ),
        pytest.param(b"", b"", "does not end where", id="nothing packed"),
        pytest.param(b"\xff", b"", "niet leesbaar (error)", id="not packed"),
    ],
)
def test_a_member_that_another_reader_may_unpack_otherwise_is_refused(
    judge: Callable[[bytes], Verdict], data: bytes, claimed: bytes, reason: str
) -> None:
    def changed(entries: Entries) -> None:
        last = entries[-1]
        last.data = data
        last.both(packed=len(data), size=len(claimed), crc=zlib.crc32(claimed))

    assert reason in judge(build(changed)).what


@pytest.mark.parametrize("change", [{"size": 1}, {"crc": 1}])
def test_a_stored_member_that_is_not_what_its_header_says_is_refused(
    judge: Callable[[bytes], Verdict], change: dict[str, object]
) -> None:
    def changed(entries: Entries) -> None:
        stored(entries)
        entries[-1].both(**change)

    assert judge(build(changed)).what == NOT_PLAIN.format("a member is not what its header says")


def twice(more: int) -> Change:
    """Sizes in the header of the first member and, so much larger, in its extra field as well."""

    def changed(entries: Entries) -> None:
        header = entries[0].local
        sizes = struct.pack("<HHQQ", 1, 16, header.size + more, header.packed)
        header.extra = sizes

    return changed


def test_sizes_that_stand_twice_must_be_equal(judge: Callable[[bytes], Verdict]) -> None:
    """Python before 3.11.4 writes them so, and its bundles are bundles too."""
    same, other = judge(build(twice(0))), judge(build(twice(1)))

    assert same.intact
    assert not other.intact
    assert "a member has more sizes than one" in other.what


def test_a_size_that_no_file_has_is_refused(judge: Callable[[bytes], Verdict]) -> None:
    def changed(entries: Entries) -> None:
        for header in (entries[0].local, entries[0].central):
            header.size = header.packed = TOP
            header.extra = struct.pack("<HHQQ", 1, 16, 2**64 - 1, 2**64 - 1)

    assert not judge(build(changed)).intact


@pytest.mark.parametrize("part", [0, 1, 2, 3, 5, 9, 10])
def test_a_zip_that_is_cut_off_is_refused(judge: Callable[[bytes], Verdict], part: int) -> None:
    whole = log().range(250, 520)
    verdict = judge(whole[: len(whole) * part // 10 - (part == 10)])

    assert verdict.what.startswith(NOT_PLAIN.partition(" (")[0])


def test_a_bundle_is_not_written_to_a_file_that_cannot_seek() -> None:
    class Pipe(io.BytesIO):
        def seekable(self) -> bool:
            return False

    with pytest.raises(ValueError, match="seek"):
        bundle.write_selection(Pipe(), [], log().checkpoint(), KEYS, {})


# What is no file


@pytest.mark.parametrize("target", ["bundle", "/dev/null"])
def test_what_is_neither_a_file_nor_a_folder_is_not_opened(tmp_path: Path, target: str) -> None:
    path = tmp_path / target
    if not path.exists():
        os.mkfifo(path)
        held = os.open(path, os.O_RDWR | os.O_NONBLOCK)  # so that opening it would not hang
        verdict = verify(path, KEYS)
        os.close(held)
    else:
        verdict = verify(path, KEYS)

    assert verdict.what == "het pakket is geen gewoon bestand en geen map"


def test_a_pipe_in_a_folder_is_not_opened(tmp_path: Path) -> None:
    with zipfile.ZipFile(io.BytesIO(log().range(0, 20))) as archive:
        archive.extractall(tmp_path)
    (tmp_path / "vkey").unlink()
    os.mkfifo(tmp_path / "vkey")

    assert verify(tmp_path, KEYS).what == "vkey is geen gewoon bestand"


# Memory


def peak_of(path: Path, data: bytes) -> tuple[int, Verdict]:
    path.write_bytes(data)
    tracemalloc.start()
    verdict = verify(path, KEYS)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    return peak, verdict


NAMES = [f"proofs/{index}.tlog-proof" for index in range(3000)]
ROOM = 64 * 1024 + sum(len(f'"{name}":"sha256:{"0" * 64}",') for name in [*NAMES, "manifest.json"])


def named(names: Sequence[str], manifest: bytes) -> bytes:
    return pack({**dict.fromkeys(names, b""), "manifest.json": manifest})


def test_names_that_no_bundle_has_end_it_before_the_manifest(tmp_path: Path) -> None:
    data = named([str(index) for index in range(3000)], b"[" + b"[]," * 500_000 + b"[]]")

    peak, verdict = peak_of(tmp_path / "bundle.zip", data)

    assert verdict.what == "0 hoort niet in een pakket"
    assert peak < 200_000


@pytest.mark.parametrize(
    ("manifest", "reason"),
    [
        pytest.param(
            b'{"a":{},"b":{"":[' + b"[]," * 90_000 + b"[]]}}", "heeft niet de vorm", id="lists"
        ),
        pytest.param(
            b'{"about":{' + b'"":{},' * 40_000 + b'"":{}}}', "heeft niet de vorm", id="objects"
        ),
        pytest.param(
            canonical({"about": {f"{index:x}": "" for index in range(28_000)}, "files": {}}),
            "heeft niet de vorm",
            id="members",
        ),
        pytest.param(b'{"about":"' + b"\\\\" * 130_000, "heeft niet de vorm", id="a text"),
        pytest.param(b"[" * 2_000_000, "te groot", id="large"),
        pytest.param(b" " * ROOM, "heeft niet de vorm", id="as large as it may be"),
        pytest.param(b" " * (ROOM + 1), "te groot", id="a byte too large"),
    ],
)
def test_a_manifest_takes_memory_for_what_it_may_name(
    tmp_path: Path, manifest: bytes, reason: str
) -> None:
    data = named(NAMES, manifest)

    peak, verdict = peak_of(tmp_path / "bundle.zip", data)

    assert verdict.what.startswith("manifest.json ")
    assert reason in verdict.what
    assert peak < 3_500_000
