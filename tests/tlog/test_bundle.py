"""The export bundle: what is intact, and that no tampering stays unseen."""

import dataclasses
import io
import json
import re
import zipfile
from collections.abc import Callable
from pathlib import Path

import naive_tree
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_log import (
    ORIGIN,
    SIGNER,
    SIZE,
    Files,
    Log,
    base64_of,
    canonical,
    log,
    pack,
    record,
    seal,
    tampered,
    unpack,
)

from app.tlog import bundle, tiles, tree
from app.tlog.note import Checkpoint, NoteInvalid, Signer, Vkey
from app.tlog.proof import encode_proof
from app.tlog.tiles import Tile, tiles_of_range
from app.tlog.verifier import Verdict, told, verify

KEYS = [SIGNER.vkey]
# Begins and ends within a tile, and has a whole one between.
FIRST, END = 250, 520
RANGE = log().range(FIRST, END)
WHOLE = log().range(0, SIZE)
CHOSEN = (0, 255, 256, 300, 599)
SELECTION = log().selection(*CHOSEN)
NAMESAKE = Signer(ORIGIN, b"n" * 32)
STRANGER = Signer("other.example", b"o" * 32)
REWRITTEN = Log([*(record(index) for index in range(300)), b"{}", *map(record, range(301, SIZE))])

NOT_LOOKED_AT = "Wat het manifest over zichzelf zegt (about) is niet nagekeken."

Change = Callable[[Files], object]


@pytest.fixture
def judge(tmp_path: Path) -> Callable[..., Verdict]:
    """Writes a bundle and verifies it."""

    def judged(data: bytes, older: str | None = None, manifest: str | None = None) -> Verdict:
        path = tmp_path / "bundle.zip"
        path.write_bytes(data)
        return verify(path, KEYS, older, manifest)

    return judged


def unpacked(data: bytes, folder: Path) -> Path:
    for name, content in unpack(data).items():
        path = folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)
    return folder


def lines(name: str, change: Callable[[list[bytes]], object]) -> Change:
    """A change of the lines of a file."""

    def changed(files: Files) -> None:
        rows = files[name].splitlines(keepends=True)
        change(rows)
        files[name] = b"".join(rows)

    return changed


def records(change: Callable[[list[bytes]], object]) -> Change:
    return lines("records.jsonl", change)


def both(change: Callable[[list[bytes]], object]) -> Change:
    """The same change of the records and their indexes."""

    def changed(files: Files) -> None:
        lines("records.jsonl", change)(files)
        lines("index.txt", change)(files)

    return changed


def put(at: int, line: bytes) -> Callable[[list[bytes]], object]:
    def changed(rows: list[bytes]) -> None:
        rows[at] = line

    return changed


def swap(rows: list[bytes]) -> None:
    rows[5], rows[6] = rows[6], rows[5]


def drop(at: int) -> Callable[[list[bytes]], object]:
    return lambda rows: rows.pop(at)


def add(at: int, line: bytes) -> Callable[[list[bytes]], object]:
    return lambda rows: rows.insert(at, line)


def replaced(name: str, data: bytes) -> Change:
    return lambda files: files.__setitem__(name, data)


def without(name: str) -> Change:
    return lambda files: files.pop(name)


def flipped(name: str, at: int = 0) -> Change:
    def changed(files: Files) -> None:
        data = bytearray(files[name])
        data[at] ^= 1
        files[name] = bytes(data)

    return changed


def renumbered(files: Files) -> None:
    """Record 255 is left out, and the ones behind it close the gap."""
    records(drop(5))(files)
    lines("index.txt", drop(-1))(files)


def proof_of(index: int, **change: object) -> bytes:
    given = {
        "index": index,
        "hashes": naive_tree.inclusion(index, log().records),
        "checkpoint_note": log().checkpoint(),
        **change,
    }
    return encode_proof(**given).encode()  # type: ignore[arg-type]  # a table of cases


def test_a_range_is_intact(judge: Callable[..., Verdict]) -> None:
    verdict = judge(RANGE)

    assert verdict == Verdict(
        intact=True,
        kind="range",
        count=270,
        first=250,
        last=519,
        checkpoint=Checkpoint(ORIGIN, SIZE, naive_tree.root(log().records)),
        vkey=SIGNER.vkey,
    )


def test_a_selection_is_intact(judge: Callable[..., Verdict]) -> None:
    verdict = judge(SELECTION)

    assert (verdict.intact, verdict.kind, verdict.what) == (True, "selection", "")
    assert (verdict.count, verdict.first, verdict.last) == (5, 0, 599)


@pytest.mark.parametrize(
    ("first", "end", "size"),
    [
        (0, 1, 1),
        (0, 2, 2),
        (0, 255, 255),
        (0, 256, 256),
        (255, 257, 257),
        (0, 512, 512),
        (0, 256, 600),
        (256, 512, 600),
        (599, 600, 600),
        (0, 600, 600),
    ],
)
def test_a_range_is_intact_wherever_its_tiles_end(
    judge: Callable[..., Verdict], first: int, end: int, size: int
) -> None:
    verdict = judge(log().range(first, end, size))

    assert verdict.intact, verdict.what
    assert (verdict.first, verdict.last, verdict.count) == (first, end - 1, end - first)


@pytest.mark.parametrize("index", [65_535, 65_540])
def test_a_range_is_intact_where_a_tile_has_none_above_it_yet(
    judge: Callable[..., Verdict], index: int
) -> None:
    size = 65_546
    row = [tree.leaf_hash(record(index)) for index in range(size)]
    rows = [row]
    while len(row) >= 256:
        row = [
            tiles.root_of(b"".join(row[at : at + 256]))
            for at in range(0, len(row) - len(row) % 256, 256)
        ]
        rows.append(row)
    edge: list[bytes] = []
    for at, leaf in enumerate(rows[0]):
        tree.grow(edge, at, leaf)
    signed = SIGNER.sign(Checkpoint(ORIGIN, size, tree.root(edge)).text)

    def data(tile: Tile) -> bytes:
        return b"".join(rows[tile.level][tile.index * 256 :][: tile.width])

    file = io.BytesIO()
    held = tiles_of_range(index, index + 1, size)
    bundle.write_range(
        file, index, [record(index)], signed, KEYS, ((tile, data(tile)) for tile in held), {}
    )

    assert judge(file.getvalue()).intact
    assert judge(tampered(file.getvalue(), flipped("tile/1/000", 40))).what == (
        "tile/1/000 hoort niet in de boom van het checkpoint"
    )


def test_a_selection_of_nothing_is_intact_and_says_so(judge: Callable[..., Verdict]) -> None:
    verdict = judge(log().selection())

    assert verdict.intact
    assert told(verdict)[0] == "In orde: 0 records."


@pytest.mark.parametrize("data", [RANGE, SELECTION])
def test_an_unpacked_bundle_is_intact(tmp_path: Path, data: bytes) -> None:
    assert verify(unpacked(data, tmp_path), KEYS).intact


def test_the_same_bundle_has_the_same_bytes() -> None:
    assert log().range(FIRST, END) == RANGE
    assert log().selection(*CHOSEN) == SELECTION


def test_a_bundle_has_its_files_in_a_fixed_order() -> None:
    first = ["README.md", "vkey", "checkpoint"]
    rows = ["records.jsonl", "index.txt"]
    held = [tile.path for tile in tiles_of_range(FIRST, END, SIZE)]
    proofs = [f"proofs/{index}.tlog-proof" for index in CHOSEN]

    assert [*unpack(RANGE)] == [*first, *rows, *held, "manifest.json"]
    assert [*unpack(SELECTION)] == [*first, *proofs, *rows, "manifest.json"]


def test_the_members_of_a_bundle_say_nothing_of_who_wrote_it() -> None:
    with zipfile.ZipFile(io.BytesIO(RANGE)) as archive:
        members = archive.infolist()

    assert {member.date_time for member in members} == {(1980, 1, 1, 0, 0, 0)}
    assert {member.external_attr >> 16 for member in members} == {0o100644}
    assert {member.compress_type for member in members} == {zipfile.ZIP_DEFLATED}


def test_a_manifest_names_everything() -> None:
    manifest = json.loads(unpack(RANGE)["manifest.json"])

    assert manifest.pop("files").keys() == unpack(RANGE).keys() - {"manifest.json"}
    assert manifest == {
        "about": {"query": "2026-01"},
        "count": 270,
        "firstIndex": 250,
        "format": "protocolpoort-log-bundle@v1",
        "kind": "range",
        "lastIndex": 519,
        "origin": ORIGIN,
        "rootHash": base64_of(naive_tree.root(log().records)),
        "treeSize": SIZE,
    }


def test_the_readme_says_how_to_verify_and_with_which_key() -> None:
    text = unpack(SELECTION)["README.md"].decode()

    assert "python -m app.tlog verify" in text
    assert SIGNER.vkey.text in text
    assert "https://" not in text
    assert ORIGIN not in text.replace(SIGNER.vkey.text, "")


@pytest.mark.parametrize(
    ("change", "index"),
    [
        pytest.param(records(put(0, record(250)[:-1] + b" \n")), 250, id="first record"),
        pytest.param(records(put(5, record(255).replace(b"5", b"6") + b"\n")), 255, id="a byte"),
        pytest.param(records(put(6, b"\n")), 256, id="emptied"),
        pytest.param(records(put(-1, record(1) + b"\n")), 519, id="last record"),
        pytest.param(records(put(-1, record(519))), 519, id="last newline"),
        pytest.param(records(put(-1, record(519) + b"x")), 519, id="something for the newline"),
        pytest.param(records(put(-1, record(519) + b"\r\n")), 519, id="another newline"),
        pytest.param(records(swap), 255, id="two swapped"),
        pytest.param(both(swap), 255, id="two swapped with their indexes"),
        pytest.param(lines("index.txt", swap), 255, id="two indexes swapped"),
        pytest.param(lines("index.txt", put(7, b"0257\n")), 257, id="an index spelled otherwise"),
        pytest.param(lines("index.txt", drop(-1)), 519, id="an index missing"),
        pytest.param(records(drop(5)), 255, id="one deleted"),
        pytest.param(both(drop(5)), 255, id="one deleted with its index"),
        pytest.param(records(drop(-1)), 519, id="the last deleted"),
        pytest.param(records(add(9, record(1) + b"\n")), 259, id="one inserted"),
        pytest.param(records(put(3, b"x" * 10_000_000)), 253, id="a line without end"),
        pytest.param(records(lambda rows: rows.append(b"{}\n")), None, id="one at the end"),
        pytest.param(records(lambda rows: rows.append(b"{}")), None, id="bytes at the end"),
        pytest.param(lines("index.txt", lambda rows: rows.append(b"520\n")), None, id="an index"),
    ],
)
def test_a_change_of_the_records_of_a_range_is_seen(
    judge: Callable[..., Verdict], change: Change, index: int | None
) -> None:
    verdict = judge(tampered(RANGE, change))

    assert not verdict.intact
    assert verdict.index == index


@pytest.mark.parametrize(
    ("change", "members", "index"),
    [
        pytest.param(renumbered, {"count": 269, "lastIndex": 518}, 255, id="one left out"),
        pytest.param(both(drop(5)), {"count": 269, "lastIndex": 518}, 255, id="index left out"),
        pytest.param(both(drop(5)), {"count": 269}, None, id="count"),
        pytest.param(both(drop(0)), {"count": 269}, None, id="first"),
        pytest.param(lambda _: None, {"lastIndex": 249, "count": 0}, None, id="empty"),
        pytest.param(lambda _: None, {"firstIndex": 600, "lastIndex": 600}, None, id="beyond"),
        pytest.param(lambda _: None, {"lastIndex": 600, "count": 351}, None, id="too far"),
        pytest.param(lambda _: None, {"firstIndex": 256, "count": 264}, None, id="tile too many"),
        pytest.param(lambda _: None, {"treeSize": 599}, None, id="size"),
        pytest.param(lambda _: None, {"rootHash": base64_of(bytes(32))}, None, id="root"),
        pytest.param(lambda _: None, {"origin": "other.example"}, None, id="origin"),
        pytest.param(lambda _: None, {"kind": "selection"}, None, id="kind"),
    ],
)
def test_a_manifest_that_says_otherwise_is_seen(
    judge: Callable[..., Verdict], change: Change, members: dict[str, object], index: int | None
) -> None:
    verdict = judge(tampered(RANGE, change, **members))

    assert not verdict.intact
    assert verdict.index == index


@pytest.mark.parametrize(("length", "is_intact"), [(65_535, True), (65_536, False)])
def test_no_line_is_read_beyond_the_length_of_a_record(
    judge: Callable[..., Verdict], length: int, is_intact: bool
) -> None:
    long = Log([b"x" * length])
    root = base64_of(naive_tree.root(long.records))
    files = {
        "records.jsonl": long.records[0] + b"\n",
        "checkpoint": long.checkpoint().encode(),
        "tile/0/000.p/1": long.tile(Tile(0, 0, 1)),
    }

    data = tampered(log().range(0, 1, 1), lambda short: short.update(files), rootHash=root)

    assert judge(data).intact is is_intact
    assert judge(data).index == (None if is_intact else 0)


@pytest.mark.parametrize(
    "members",
    [
        {"lastIndex": 249, "count": 0},
        {"firstIndex": 600, "lastIndex": 600, "count": 1},
        {"lastIndex": 600, "count": 351},
        {"count": 269},
    ],
)
def test_a_range_that_cannot_be_is_called_that(
    judge: Callable[..., Verdict], members: dict[str, object]
) -> None:
    verdict = judge(tampered(RANGE, lambda _: None, **members))

    assert verdict.what == "het bereik in het manifest kan niet"


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (flipped("tile/0/001"), "tile/0/001 hoort niet in de boom"),
        (flipped("tile/0/002.p/88"), "leiden niet naar de wortel"),
        (flipped("tile/1/000.p/2"), "leiden niet naar de wortel"),
        (replaced("tile/0/001", b""), "verkeerde lengte"),
        (replaced("tile/1/000.p/2", bytes(32)), "verkeerde lengte"),
        (replaced("tile/0/001", bytes(8193)), "te groot"),
        (without("tile/0/000"), "tile/0/000 ontbreekt"),
        (without("tile/0/002.p/88"), "tile/0/002.p/88 ontbreekt"),
        (without("tile/1/000.p/2"), "tile/1/000.p/2 ontbreekt"),
        (replaced("tile/0/003", bytes(8192)), "bestanden die niet bij het bereik horen"),
        (replaced("proofs/1.tlog-proof", b""), "bestanden die niet bij het bereik horen"),
        (without("README.md"), "manifest.json heeft niet de vorm"),
        (without("index.txt"), "manifest.json heeft niet de vorm"),
        (replaced("README.md", b"x" * 10_000_000), "README.md is te groot"),
    ],
)
def test_a_change_of_the_files_of_a_range_is_seen(
    judge: Callable[..., Verdict], change: Change, reason: str
) -> None:
    verdict = judge(tampered(RANGE, change))

    assert not verdict.intact
    assert reason in verdict.what


def test_a_full_tile_on_the_edge_outside_the_range_is_verified_too(
    judge: Callable[..., Verdict],
) -> None:
    data = log().range(0, 10, 512)

    assert judge(data).intact
    assert "tile/0/001 hoort niet" in judge(tampered(data, flipped("tile/0/001"))).what


@pytest.mark.parametrize(
    "note",
    [
        b"",
        b"\xff",
        log().checkpoint().rpartition("\n\n")[0].encode() + b"\n",
        NAMESAKE.sign(log().checkpoint().rpartition("\n\n")[0] + "\n").encode(),
        STRANGER.sign(log().checkpoint().rpartition("\n\n")[0] + "\n").encode(),
        log().checkpoint(origin="other.example").encode(),
        log().checkpoint(599).encode(),
        log().checkpoint().replace("600", "601").encode(),
    ],
)
@pytest.mark.parametrize("data", [RANGE, SELECTION])
def test_a_checkpoint_that_is_not_the_logs_is_seen(
    judge: Callable[..., Verdict], data: bytes, note: bytes
) -> None:
    assert not judge(tampered(data, replaced("checkpoint", note))).intact


def test_the_key_of_another_log_does_not_count(tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    path.write_bytes(Log(log().records, STRANGER).range(0, SIZE))

    assert verify(path).intact
    assert verify(path, [STRANGER.vkey]).intact
    assert "het checkpoint of de sleutel" in verify(path, KEYS).what
    assert "het checkpoint of de sleutel" in verify(path, []).what


def test_a_key_out_of_the_bundle_is_reported(tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    path.write_bytes(RANGE)

    verdict = verify(path)

    assert verdict.intact
    assert verdict.key_is_from_bundle
    assert not verdict.names_other_keys
    [warning] = [line for line in told(verdict) if "uit het pakket zelf" in line]
    assert "het adres van het logboek dat u al kent" in warning
    assert ORIGIN not in warning


def keys(*vkeys: Vkey) -> Change:
    """The bundle names these keys, and its README the first of them."""

    def changed(files: Files) -> None:
        files["vkey"] = "".join(f"{vkey.text}\n" for vkey in vkeys).encode()
        files["README.md"] = bundle.read_me("range", SIZE, vkeys).encode()

    return changed


def test_an_older_key_of_the_log_still_counts(tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    path.write_bytes(tampered(RANGE, keys(NAMESAKE.vkey, SIGNER.vkey)))

    assert verify(path).vkey == SIGNER.vkey
    assert verify(path).intact
    assert verify(path, [NAMESAKE.vkey, SIGNER.vkey]).vkey == SIGNER.vkey
    assert not verify(path, [NAMESAKE.vkey, SIGNER.vkey]).names_other_keys


def test_a_key_that_the_reader_did_not_give_is_told(judge: Callable[..., Verdict]) -> None:
    verdict = judge(tampered(RANGE, keys(NAMESAKE.vkey, SIGNER.vkey)))

    assert verdict.intact
    assert verdict.names_other_keys
    assert any("een sleutel die u niet opgaf" in line for line in told(verdict))


def test_a_bundle_that_does_not_name_its_signer_is_not_intact(
    judge: Callable[..., Verdict],
) -> None:
    verdict = judge(tampered(RANGE, keys(NAMESAKE.vkey)))

    assert verdict.what == "het bestand vkey noemt niet de sleutel van het checkpoint"


@pytest.mark.parametrize(
    ("data", "text"),
    [
        (RANGE, b""),
        (RANGE, b"# Export\n\nDownload de controle van https://evil.example/\n"),
        (RANGE, unpack(RANGE)["README.md"] + b"\n"),
        (RANGE, unpack(SELECTION)["README.md"]),
        (RANGE, unpack(log().range(0, 1, 599))["README.md"]),
        (RANGE, bundle.read_me("range", SIZE, [NAMESAKE.vkey]).encode()),
        (SELECTION, unpack(RANGE)["README.md"]),
    ],
)
def test_a_readme_of_another_hand_is_seen(
    judge: Callable[..., Verdict], data: bytes, text: bytes
) -> None:
    verdict = judge(tampered(data, replaced("README.md", text)))

    assert verdict.what == "README.md is niet de tekst die de dienst schrijft"


@pytest.mark.parametrize("keys", [b"", b"x\n", b"\xff\n", SIGNER.vkey.text.encode() + b"\n\n"])
def test_a_list_of_keys_that_is_none_is_seen(tmp_path: Path, keys: bytes) -> None:
    path = tmp_path / "bundle.zip"
    path.write_bytes(tampered(RANGE, replaced("vkey", keys)))

    assert "het checkpoint of de sleutel" in verify(path).what
    assert "het checkpoint of de sleutel" in verify(path, KEYS).what


@pytest.mark.parametrize(
    ("change", "index", "reason"),
    [
        pytest.param(records(put(1, record(7) + b"\n")), 255, "staat zo niet", id="a record"),
        pytest.param(records(put(-1, record(599))), 599, "staat zo niet", id="last newline"),
        pytest.param(records(drop(1)), 255, "staat zo niet", id="deleted"),
        pytest.param(records(drop(-1)), 599, "staat zo niet", id="last deleted"),
        pytest.param(both(drop(1)), None, "te weinig regels", id="deleted with its index"),
        pytest.param(
            records(lambda rows: rows.append(b"{}\n")), None, "meer regels", id="appended"
        ),
        pytest.param(
            lines("index.txt", lambda rows: rows.append(b"1\n")), None, "meer regels", id="index"
        ),
        pytest.param(lines("index.txt", put(0, b"01\n")), None, "geen index", id="spelling"),
        pytest.param(lines("index.txt", put(0, b"1\n")), 1, "ontbreekt", id="other index"),
        pytest.param(lines("index.txt", put(1, b"0\n")), 0, "niet oplopend", id="repeated"),
        pytest.param(lines("index.txt", put(-1, b"600\n")), 600, "voorbij", id="beyond"),
        pytest.param(both(lambda rows: rows.sort(reverse=True)), 300, "oplopend", id="reversed"),
        pytest.param(without("proofs/300.tlog-proof"), None, "precies een bewijs", id="no proof"),
        pytest.param(replaced("proofs/1.tlog-proof", b""), None, "precies een", id="proof extra"),
        pytest.param(replaced("tile/0/000", b""), None, "precies een", id="tile extra"),
        pytest.param(replaced("proofs/300.tlog-proof", b"x"), 300, "is geen bewijs", id="text"),
        pytest.param(replaced("proofs/300.tlog-proof", b"\xff"), 300, "is geen bewijs", id="bytes"),
        pytest.param(
            replaced("proofs/300.tlog-proof", proof_of(301)), 300, "iets anders", id="other proof"
        ),
        pytest.param(
            replaced("proofs/300.tlog-proof", proof_of(300, hashes=[])),
            300,
            "staat zo niet",
            id="no hashes",
        ),
        pytest.param(
            replaced(
                "proofs/300.tlog-proof",
                proof_of(300, hashes=naive_tree.inclusion(299, log().records)),
            ),
            300,
            "staat zo niet",
            id="other hashes",
        ),
        pytest.param(
            replaced("proofs/300.tlog-proof", proof_of(300, checkpoint_note="x\n")),
            300,
            "iets anders",
            id="other checkpoint",
        ),
        pytest.param(
            replaced(
                "proofs/300.tlog-proof", proof_of(300).replace(b"index", b"extra AAAA\nindex")
            ),
            300,
            "iets anders",
            id="extra data",
        ),
    ],
)
def test_a_change_of_a_selection_is_seen(
    judge: Callable[..., Verdict], change: Change, index: int | None, reason: str
) -> None:
    verdict = judge(tampered(SELECTION, change))

    assert not verdict.intact
    assert reason in verdict.what
    assert verdict.index == index


@pytest.mark.parametrize("name", [*unpack(RANGE)][:-1])
def test_every_file_of_a_range_has_its_digest_in_the_manifest(
    judge: Callable[..., Verdict], name: str
) -> None:
    files = unpack(RANGE)
    manifest = json.loads(files["manifest.json"])
    manifest["files"][name] = "sha256:" + "0" * 64
    files["manifest.json"] = canonical(manifest)

    assert f"{name} heeft een andere hash" in judge(pack(files)).what


@pytest.mark.parametrize("name", [*unpack(SELECTION)][:-1])
def test_every_file_of_a_selection_has_its_digest_in_the_manifest(
    judge: Callable[..., Verdict], name: str
) -> None:
    files = unpack(SELECTION)
    manifest = json.loads(files["manifest.json"])
    manifest["files"][name] = "sha256:" + "0" * 64
    files["manifest.json"] = canonical(manifest)

    assert f"{name} heeft een andere hash" in judge(pack(files)).what


@pytest.mark.parametrize("name", [*unpack(RANGE)])
def test_a_file_that_is_missing_is_named(judge: Callable[..., Verdict], name: str) -> None:
    files = unpack(RANGE)
    del files[name]

    assert judge(pack(files)).what == f"{name} ontbreekt"


@pytest.mark.parametrize("name", ["tile/0/003", "proofs/7.tlog-proof"])
def test_a_file_that_the_manifest_does_not_name_is_named(
    judge: Callable[..., Verdict], name: str
) -> None:
    assert judge(pack(unpack(RANGE), (name, b""))).what == f"{name} staat niet in het manifest"


@pytest.mark.parametrize(
    "name",
    [
        "extra.txt",
        "../x",
        "/x",
        "tile/0/3",
        "tile/0/000.p/0",
        "tile/entries/000",
        "VKEY",
        "proofs/01.tlog-proof",
        "proofs/1.tlog-proof\n",
        "proofs/\u0661.tlog-proof",
        "proofs/12345678901234567890.tlog-proof",
        "\x1b[2Jx",
    ],
)
def test_a_name_that_no_bundle_has_is_named(judge: Callable[..., Verdict], name: str) -> None:
    shown = ascii(name.encode().decode("ascii", "backslashreplace"))[1:-1]
    told_by_the_manifest = tampered(RANGE, replaced(name, b""))

    assert judge(pack(unpack(RANGE), (name, b""))).what == f"{shown} hoort niet in een pakket"
    assert judge(told_by_the_manifest).what == f"{shown} hoort niet in een pakket"


@pytest.mark.parametrize("name", ["records.jsonl", "manifest.json"])
def test_a_name_that_stands_twice_is_seen(judge: Callable[..., Verdict], name: str) -> None:
    files = unpack(RANGE)

    assert "twee keer" in judge(pack(files, (name, files[name]))).what


def manifest_with(**members: object) -> bytes:
    return canonical({**json.loads(unpack(RANGE)["manifest.json"]), **members})


@pytest.mark.parametrize(
    "manifest",
    [
        b"",
        b"\xff",
        b"[]",
        b"{}",
        b"[" * 60_000,
        b'{"a":' * 10_000,
        b'"' * 60_000,
        b'"\\',
        b"\xef\xbb\xbf" + unpack(RANGE)["manifest.json"],
        unpack(RANGE)["manifest.json"].decode().encode("utf-16"),
        unpack(RANGE)["manifest.json"] + b"\n",
        unpack(RANGE)["manifest.json"].replace(b":", b": ", 1),
        unpack(RANGE)["manifest.json"].replace(b"{", b'{"kind":"range",', 1),
        manifest_with(more=1),
        manifest_with(format="protocolpoort-log-bundle@v2"),
        manifest_with(kind="all"),
        manifest_with(kind=["range"]),
        manifest_with(kind=None),
        manifest_with(count=270.0),
        manifest_with(count="270"),
        manifest_with(count=True),
        manifest_with(firstIndex=-1, count=521),
        manifest_with(treeSize=None),
        manifest_with(origin=1),
        manifest_with(rootHash=None),
        manifest_with(about=[]),
        manifest_with(about={"a": 1}),
        manifest_with(files=[]),
        manifest_with(files={}),
        manifest_with(files=None),
        manifest_with(about={"a": "SURROGATE"}).replace(b"SURROGATE", rb"\ud800"),
        manifest_with(count=99999).replace(b"99999", b"NaN"),
        manifest_with(count=99999).replace(b"99999", b"1" * 5000),
        manifest_with(about={"a": "x" * 200_000}),
    ],
)
def test_a_manifest_of_another_form_is_seen(judge: Callable[..., Verdict], manifest: bytes) -> None:
    files = {**unpack(RANGE), "manifest.json": manifest}

    assert re.match("manifest.json (heeft niet de vorm|is te groot)", judge(pack(files)).what)


def test_a_manifest_that_is_known_must_be_that_one(judge: Callable[..., Verdict]) -> None:
    file = io.BytesIO()
    digest = bundle.write_selection(file, [], log().checkpoint(), KEYS, {})

    assert judge(file.getvalue(), manifest=digest).intact
    assert NOT_LOOKED_AT not in told(judge(file.getvalue(), manifest=digest))
    assert NOT_LOOKED_AT in told(judge(file.getvalue()))
    assert "niet dat van deze export" in judge(SELECTION, manifest=digest).what
    assert "niet dat van deze export" in judge(file.getvalue(), manifest="").what


@pytest.mark.parametrize("older", [0, 1, 255, 256, 300, 512, 599, 600])
def test_a_whole_log_extends_every_older_checkpoint(
    judge: Callable[..., Verdict], older: int
) -> None:
    verdict = judge(WHOLE, older=log().checkpoint(older))

    assert verdict.intact, verdict.what
    assert verdict.compared_with_older
    assert "De boom bouwt voort op het oudere checkpoint." in told(verdict)


@pytest.mark.parametrize(
    ("data", "older"),
    [(SELECTION, 0), (SELECTION, 600), (RANGE, 520), (RANGE, 251), (RANGE, 512), (RANGE, 256)],
)
def test_a_part_extends_an_older_checkpoint_of_which_it_holds_the_hashes(
    judge: Callable[..., Verdict], data: bytes, older: int
) -> None:
    assert judge(data, older=log().checkpoint(older)).compared_with_older


@pytest.mark.parametrize(("data", "older"), [(SELECTION, 599), (log().range(512, 600), 300)])
def test_what_cannot_be_compared_is_not_intact_and_says_what_to_do(
    judge: Callable[..., Verdict], data: bytes, older: int
) -> None:
    verdict = judge(data, older=log().checkpoint(older))

    assert not verdict.intact
    assert not verdict.compared_with_older
    assert "klopt op zichzelf" in verdict.what
    assert "vanaf index 0" in verdict.what
    assert "protocolpoort log watch" in verdict.what


@pytest.mark.parametrize("older", [301, 500, 600])
def test_a_log_that_was_rewritten_with_the_right_key_is_seen(
    judge: Callable[..., Verdict], older: int
) -> None:
    data = REWRITTEN.range(0, SIZE)

    assert judge(data).intact
    assert judge(data, older=log().checkpoint(300)).intact
    assert "herschreven" in judge(data, older=log().checkpoint(older)).what
    assert "herschreven" in judge(REWRITTEN.selection(1), older=log().checkpoint()).what


def test_a_log_that_shrank_is_seen(judge: Callable[..., Verdict]) -> None:
    verdict = judge(log().range(0, 500, 500), older=log().checkpoint(501))

    assert "telt 501 records en dat van het pakket 500" in verdict.what
    assert not verdict.intact


@pytest.mark.parametrize(
    "older",
    [
        "",
        "\ud800",
        Log(log().records, NAMESAKE).checkpoint(300),
        log().checkpoint(300, origin="other.example"),
    ],
)
def test_an_older_checkpoint_of_another_hand_is_not_compared_with(
    judge: Callable[..., Verdict], older: str
) -> None:
    verdict = judge(WHOLE, older=older)

    assert "het oudere checkpoint klopt niet" in verdict.what
    assert not verdict.intact


def test_a_fault_of_the_records_is_named_before_an_older_checkpoint(
    judge: Callable[..., Verdict],
) -> None:
    data = tampered(WHOLE, records(put(7, b"{}\n")))

    assert judge(data, older=log().checkpoint(601 - 1)).index == 7


@given(st.lists(st.tuples(st.integers(0, len(RANGE) - 1), st.integers(1, 255)), max_size=3))
def test_no_damage_makes_another_bundle_intact(
    tmp_path_factory: pytest.TempPathFactory, damage: list[tuple[int, int]]
) -> None:
    data = bytearray(RANGE)
    for at, bits in damage:
        data[at] ^= bits
    path = tmp_path_factory.getbasetemp() / "damaged.zip"
    path.write_bytes(data)

    verdict = verify(path, KEYS)

    assert not verdict.intact or unpack(bytes(data)) == unpack(RANGE)


@pytest.mark.parametrize("name", ["nothing", "nothing/at/all", "\x00", "x" * 5000])
def test_a_path_that_cannot_be_read_is_not_intact(tmp_path: Path, name: str) -> None:
    assert "niet leesbaar" in verify(tmp_path / name, KEYS).what


def test_an_unpacked_bundle_must_be_whole_too(tmp_path: Path) -> None:
    folder = unpacked(RANGE, tmp_path)

    (folder / "tile" / "extra").write_bytes(b"")
    assert verify(folder, KEYS).what == "tile/extra hoort niet in een pakket"
    (folder / "tile" / "extra").unlink()
    (folder / "vkey").unlink()
    assert verify(folder, KEYS).what == "vkey ontbreekt"
    (folder / "vkey").symlink_to(folder / "checkpoint")
    assert verify(folder, KEYS).what == "vkey is geen gewoon bestand"


def test_progress_counts_the_records_that_hold(tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    counts: list[int] = []

    path.write_bytes(RANGE)
    verify(path, KEYS, progress=counts.append)
    path.write_bytes(SELECTION)
    verify(path, KEYS, progress=counts.append)

    assert counts == [6, 262, 270, 1, 2, 3, 4, 5]


def test_what_was_known_stays_in_the_verdict(judge: Callable[..., Verdict]) -> None:
    verdict = judge(tampered(RANGE, records(put(200, b"{}\n"))))

    assert told(verdict) == [
        "NIET IN ORDE: het record is niet dat van het logboek",
        "Eerste foute index: 450",
    ]
    assert (verdict.count, verdict.last, verdict.kind) == (6, 255, "range")
    assert verdict.vkey == SIGNER.vkey


@pytest.mark.parametrize(
    ("data", "expected"),
    [
        (
            RANGE,
            [
                "In orde: 270 records, index 250 tot en met 519.",
                "Het bereik is volledig: tussen de eerste en de laatste ontbreekt niets.",
                "Checkpoint: een boom van 600 records.",
                f"Ondertekend met {SIGNER.vkey.text}",
                NOT_LOOKED_AT,
                "Niet vergeleken met een ouder checkpoint.",
            ],
        ),
        (
            log().selection(7),
            [
                "In orde: 1 record, index 7 tot en met 7.",
                "Elk record staat in het logboek; of de selectie volledig is, blijkt niet.",
                "Checkpoint: een boom van 600 records.",
                f"Ondertekend met {SIGNER.vkey.text}",
                NOT_LOOKED_AT,
                "Niet vergeleken met een ouder checkpoint.",
            ],
        ),
    ],
)
def test_a_verdict_is_told(judge: Callable[..., Verdict], data: bytes, expected: list[str]) -> None:
    assert told(judge(data)) == expected


def test_what_a_bundle_calls_itself_does_not_reach_the_terminal_raw(tmp_path: Path) -> None:
    path = tmp_path / "bundle.zip"
    path.write_bytes(Log([b"{}"], Signer("\x9b31mlog\u202e", bytes(32))).range(0, 1))

    assert verify(path).intact
    assert all(line.isascii() and line.isprintable() for line in told(verify(path)))


tile, full = Tile(0, 0, 2), Tile(0, 0)
PAIR = log().tile(tile)


@pytest.mark.parametrize(
    ("first", "written", "given"),
    [
        (0, [], []),
        (-1, [b"a"], [(tile, PAIR)]),
        (0, [b"a", b"b", b"c"], [(tile, PAIR)]),
        (0, [b"a\nb"], [(tile, PAIR)]),
        (0, [b"a" * 65_536], [(tile, PAIR)]),
        (0, [b"a"], []),
        (0, [b"a"], [(tile, PAIR), (full, PAIR * 128)]),
        (0, [b"a"], [(full, PAIR)]),
        (0, [b"a"], [(tile, PAIR[1:])]),
    ],
)
def test_what_is_no_range_is_not_written(
    first: int, written: list[bytes], given: list[tuple[Tile, bytes]]
) -> None:
    with pytest.raises(ValueError, match=r"range|record"):
        bundle.write_range(io.BytesIO(), first, written, log().checkpoint(2), KEYS, given, {})


@pytest.mark.parametrize(
    "rows",
    [
        [(0, b"a", []), (0, b"a", [])],
        [(1, b"a", []), (0, b"a", [])],
        [(-1, b"a", [])],
        [(600, b"a", [])],
        [(0, b"\n", [])],
    ],
)
def test_what_is_no_selection_is_not_written(rows: list[tuple[int, bytes, list[bytes]]]) -> None:
    with pytest.raises(ValueError, match=r"index|record"):
        bundle.write_selection(io.BytesIO(), rows, log().checkpoint(), KEYS, {})


@pytest.mark.parametrize("keys", [[], [NAMESAKE.vkey], [STRANGER.vkey, SIGNER.vkey]])
def test_a_bundle_is_not_written_around_a_foreign_checkpoint(keys: list[Vkey]) -> None:
    with pytest.raises(NoteInvalid):
        bundle.write_selection(io.BytesIO(), [], log().checkpoint(), keys, {})


def test_a_bundle_of_which_writing_failed_is_not_intact(judge: Callable[..., Verdict]) -> None:
    file = io.BytesIO()
    with pytest.raises(ValueError, match="tiles_of_range"):
        bundle.write_range(file, 0, [record(0)], log().checkpoint(1), KEYS, [], {})

    assert judge(file.getvalue()).what == "manifest.json ontbreekt"


def test_a_large_selection_passes_through_a_file(
    judge: Callable[..., Verdict], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(bundle, "_SPOOL", 100)

    assert judge(log().selection(*range(0, 600, 7))).intact


def test_a_verdict_is_not_intact_unless_it_is_said() -> None:
    assert not Verdict().intact
    assert dataclasses.replace(Verdict(), what="x") != Verdict()
    assert told(dataclasses.replace(Verdict(), intact=True)) == [
        "In orde: 0 records.",
        NOT_LOOKED_AT,
        "Niet vergeleken met een ouder checkpoint.",
    ]


def test_sealing_a_bundle_again_changes_nothing() -> None:
    files = unpack(RANGE)
    seal(files)

    assert files == unpack(RANGE)
