"""`protocolpoort log`: keys, exports that an outsider verifies, and whether the log is whole."""

import json
import shutil
import signal
import subprocess
import sys
import threading
import time
import zipfile
from base64 import b64encode
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import alembic.command
import pytest
import uvicorn
from evidence import (
    disarm,
    entry,
    execute,
    forge,
    leaves,
    open_notary,
    rows,
    shrink,
    sign_over,
    write,
)
from programs import Ended, Within, environment, free_port, lines_until
from service import CITY, LOG_ORIGIN, ROOT, Service, make_production
from sqlalchemy import Engine, event

from app import administration, checkpoints, database, log_keys, log_tree, main
from app.database import Database, alembic_config
from app.demo_persons import RESIDENT_WITH_CERTIFICATE
from app.deps import read_clock
from app.log_keys import create_file
from app.moments import rfc3339
from app.month_keys import MonthKeys
from app.serving import SERVER
from app.settings import SettingInvalid
from app.tlog import bundle, tree, verifier
from app.tlog.note import Checkpoint, Signer, open_checkpoint

ORIGIN = "protocolpoort.demo/log"
SIZE = 300
KEY, STATE = Path("var/log.key"), Path("var/log.key.checkpoint")


@pytest.fixture(scope="module")
def prepared(migrated_file: bytes, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of the demo with 300 records, all signed; it is only copied."""
    folder, now = tmp_path_factory.mktemp("prepared"), read_clock()
    (folder / "var").mkdir()
    (folder / "var" / "protocolpoort.db").write_bytes(migrated_file)
    MonthKeys(folder / "var" / "month-keys").create(now, months=2)
    store = Database(f"sqlite:///{folder}/var/protocolpoort.db")
    write(store, [entry(recordedAt=rfc3339(now)) for _ in range(SIZE)])
    create_file(ORIGIN, folder / KEY)
    open_notary(store, ORIGIN, folder / KEY, now).turn(now)
    store.dispose()
    return folder


@pytest.fixture
def command(
    prepared: Path,
    own_folder: Path,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Within:
    """Commands in a folder of the test's own, with the log in it."""
    shutil.copytree(prepared, own_folder, dirs_exist_ok=True)
    return Within(monkeypatch, capfd)


@pytest.fixture
def fresh(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Within:
    """Commands in an empty folder."""
    assert list(own_folder.iterdir()) == []
    return Within(monkeypatch, capfd)


@pytest.fixture
def store(command: Within, own_folder: Path) -> Iterator[Database]:  # in its folder
    """The database of those commands."""
    opened = Database(f"sqlite:///{own_folder}/var/protocolpoort.db")
    yield opened
    opened.dispose()


def signer() -> Signer:
    """The key that signs the log of this folder."""
    return log_keys.read_file(KEY, ORIGIN)


def admin_records(store: Database) -> list[dict[str, Any]]:
    """What the acts of an administrator left behind, oldest first."""
    return [each for each in records(store) if each["type"] == "admin"]


def exports_of(store: Database) -> list[dict[str, Any]]:
    """What exports left behind, oldest first."""
    return [each for each in records(store) if each.get("operation") == "logExport"]


def records(store: Database) -> list[dict[str, Any]]:
    """Every record, oldest first."""
    return [json.loads(each) for each in leaves(store)]


# Keys


HAS_KEY = (
    "nothing was changed: this log has a key: `protocolpoort log rotate-key` gives it another\n"
)


def test_a_key_is_made_and_listed_once(fresh: Within) -> None:
    made = fresh("log", "create-key")
    before = KEY.read_bytes()
    again = fresh("log", "create-key")
    elsewhere = fresh("log", "create-key", LOG_KEY_FILE="var/other.key")

    vkey = signer().vkey.text
    said = "var/log.key signs this log: keep it and a copy of it apart from the database\n"
    assert made == Ended(0, f"{vkey}\n", said)
    assert again == elsewhere == Ended(3, "", HAS_KEY)
    assert (KEY.read_bytes(), KEY.stat().st_mode & 0o777) == (before, 0o600)
    assert not Path("var/other.key").exists()
    assert fresh("log", "vkey") == Ended(0, f"{vkey}\n", "")
    store = Database("sqlite:///var/protocolpoort.db")
    [act] = admin_records(store)
    store.dispose()
    assert (act["operation"], act["reasonReference"]) == ("logKeyCreate", vkey)


def test_a_log_that_signs_gets_no_other_first_key(command: Within, store: Database) -> None:
    before = rows(store, "SELECT vkey FROM log_key")

    ended = command("log", "create-key")

    assert ended == Ended(3, "", HAS_KEY)
    assert (rows(store, "SELECT vkey FROM log_key"), admin_records(store)) == (before, [])


def test_a_key_that_signed_another_log_is_not_given_to_a_new_one(
    command: Within, store: Database
) -> None:
    Path("var/protocolpoort.db").rename("var/lost.db")

    ended = command("log", "create-key")

    assert (ended.code, ended.out) == (3, "")
    assert ended.err.startswith("nothing was changed: var/log.key has signed a log already, and ")
    with Database("sqlite:///var/protocolpoort.db").reading() as session:
        assert log_keys.listed(session) == ()


PRODUCTION = {
    "MODE": "production",
    "DATABASE_URL": "sqlite:///production.db",
    "MONTH_KEYS": "keys",
    "LOG_ORIGIN": "gate.example/log",
    "LOG_KEY_FILE": "a/b.key",
}


@pytest.fixture
def production(fresh: Within) -> Within:
    """Commands in production mode, on a log without a key."""
    assert [
        fresh(*arguments, **PRODUCTION).code
        for arguments in (("db", "upgrade"), ("keys", "create", "--months", "2"))
    ] == [0, 0]
    return fresh


def test_a_key_is_made_for_the_origin_of_the_settings(production: Within) -> None:
    ended = production("log", "create-key", **PRODUCTION)

    vkey = log_keys.read_file(Path("a/b.key"), "gate.example/log").vkey
    assert (ended.code, ended.out) == (0, f"{vkey.text}\n")


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        (["LOG_ORIGIN", "LOG_KEY_FILE"], "LOG_ORIGIN must name the address of the log"),
        (["LOG_KEY_FILE"], "LOG_KEY_FILE must name the file of the signing key"),
        (["LOG_ORIGIN"], "LOG_ORIGIN must name the address of the log"),
    ],
    ids=["neither", "no file", "no origin"],
)
def test_production_has_no_key_and_no_origin_of_itself(
    production: Within, own_folder: Path, missing: list[str], said: str
) -> None:
    ended = production(
        *("log", "create-key"),
        **{name: value for name, value in PRODUCTION.items() if name not in missing},
    )

    assert ended == Ended(3, "", f"PROTOCOLPOORT_{said}\n")
    made = {path.name for path in own_folder.iterdir()}
    assert {name for name in made if not name.startswith("production.db")} == {"keys"}


def test_a_key_is_not_made_without_an_up_to_date_database(fresh: Within, own_folder: Path) -> None:
    ended = fresh("log", "create-key", **PRODUCTION)

    assert ended == Ended(3, "", "the database is not up to date: run `protocolpoort db upgrade`\n")
    assert list(own_folder.iterdir()) == []


def test_an_export_in_production_lists_no_key_by_itself(production: Within) -> None:
    create_file("gate.example/log", Path("a/b.key"))
    store = Database(PRODUCTION["DATABASE_URL"])
    write(store, [entry(recordedAt=rfc3339(read_clock()))])

    ended = production("log", "export", "a.zip", **PRODUCTION)

    assert (ended.code, ended.out) == (3, "")
    assert ended.err.startswith("this log has no key. ")
    assert rows(store, "SELECT vkey FROM log_key") == []
    store.dispose()


@pytest.mark.parametrize(
    ("missing", "said"),
    [
        ("log_origin", "PROTOCOLPOORT_LOG_ORIGIN must name the address of the log"),
        ("log_key_file", "PROTOCOLPOORT_LOG_KEY_FILE must name the file of the signing key"),
    ],
)
async def test_production_does_not_start_without(own_folder: Path, missing: str, said: str) -> None:
    service = make_production(own_folder)

    without: dict[str, Any] = {missing: None}
    with pytest.raises(SettingInvalid, match=f"^{said}$"):
        main.create_app(replace(service.settings, **without), service.clock)
    await service.close()


async def test_production_does_not_make_its_key(own_folder: Path) -> None:
    service = make_production(own_folder)
    lost = own_folder / "lost.key"

    with pytest.raises(main.NotReady, match=r"lost\.key: restore it; a new log has `log cr"):
        main.create_app(replace(service.settings, log_key_file=lost), service.clock)

    assert not lost.exists()
    await service.close()


def test_the_demo_makes_its_key(fresh: Within) -> None:
    loaded = fresh("protocol", "load")
    ended = fresh("log", "export", "a.zip")

    assert (loaded.code, ended.code) == (0, 0)
    assert KEY.stat().st_mode & 0o777 == 0o600
    assert KEY.parent.stat().st_mode & 0o777 == 0o700


def test_a_rotation_gives_the_new_key_and_lists_the_old_one(
    command: Within, store: Database
) -> None:
    before = command("log", "vkey")
    rotated = command("log", "rotate-key", "--reason", "gepland", "--actor", "uitbater-3")
    after = command("log", "vkey")

    assert (before.code, rotated.code, after.code) == (0, 0, 0)
    assert before.err == rotated.err == after.err == ""
    assert after.out == rotated.out + before.out
    assert signer().vkey.text == rotated.out.strip()
    [act] = admin_records(store)
    assert act["operation"] == "logKeyRotate"
    assert act["reasonReference"] == f"{rotated.out.strip()}: gepland"


def test_a_rotation_that_was_cut_off_is_repeated(command: Within, store: Database) -> None:
    old = KEY.read_bytes()
    first = command("log", "rotate-key")
    shutil.copy(KEY, "var/log.key.next")
    KEY.write_bytes(old)

    again = command("log", "rotate-key")

    assert again.code == 0
    listed = command("log", "vkey").out.splitlines()
    assert (signer().vkey.text, listed[1]) == (listed[0], first.out.strip())
    assert len(listed) == len(admin_records(store)) + 1


@pytest.mark.parametrize("file", ["var/log.key", "var/log.key.next", "var/log.key.checkpoint"])
def test_a_rotation_with_a_spoiled_file_changes_nothing(
    command: Within, store: Database, file: str
) -> None:
    Path(file).write_text("x")

    ended = command("log", "rotate-key")

    assert (ended.code, ended.out, admin_records(store)) == (3, "", [])
    assert f"{file} " in ended.err
    assert len(rows(store, "SELECT vkey FROM log_key")) == 1


# Exports


def test_an_export_is_verified_with_the_key_of_the_log(command: Within, store: Database) -> None:
    vkey = command("log", "vkey").out.strip()

    exported = command("log", "export", "a.zip", "--reason", "controle 7")
    verified = command("log", "verify", "a.zip", "--vkey", vkey)
    by_manifest = command("log", "verify", "a.zip", "--manifest", exported.out.strip())

    assert (exported.code, exported.err) == (0, "a.zip: 300 records, 0 to 299\n")
    assert (verified.code, verified.err) == (0, "")
    assert verified.out.splitlines() == [
        "In orde: 300 records, index 0 tot en met 299.",
        "Het bereik is volledig: tussen de eerste en de laatste ontbreekt niets.",
        "Checkpoint: een boom van 300 records.",
        f"Ondertekend met {vkey}",
        "Wat het manifest over zichzelf zegt (about) is niet nagekeken.",
        "Niet vergeleken met een ouder checkpoint.",
    ]
    assert (
        by_manifest.code,
        "LET OP: die sleutel komt uit het pakket zelf" in by_manifest.out,
    ) == (
        0,
        True,
    )
    begun, done = exports_of(store)
    for act in (begun, done):
        assert act["type"] == "logRead"
        assert act["counts"] == {"firstIndex": 0, "lastIndex": 299, "records": 300}
        assert act["reasonReference"] == "controle 7"
    assert {"manifestDigest", "parentId"} & begun.keys() == set()
    assert (done["manifestDigest"], done["parentId"]) == (exported.out.strip(), begun["eventId"])
    with zipfile.ZipFile("a.zip") as archive:
        about = json.loads(archive.read("manifest.json"))["about"]
    assert about == {"eventId": begun["eventId"], "reason": "controle 7"}


@pytest.mark.parametrize(
    ("options", "first", "last"),
    [
        (("--from", "10"), 10, 299),
        (("--to", "0"), 0, 0),
        (("--from", "255", "--to", "256"), 255, 256),
        (("--from", "299"), 299, 299),
        (("--from", "0", "--to", "299"), 0, 299),
    ],
)
def test_an_export_of_a_range(
    command: Within, options: tuple[str, ...], first: int, last: int
) -> None:
    exported = command("log", "export", "a.zip", *options)

    verdict = verifier.verify(Path("a.zip"), [signer().vkey])
    count = last - first + 1
    assert exported.err == f"a.zip: {count} records, {first} to {last}\n"
    assert (verdict.intact, verdict.count) == (True, count)
    assert (verdict.first, verdict.last) == (first, last)


@pytest.mark.parametrize(
    "options",
    [
        ("--from", "300"),
        ("--to", "300"),
        ("--from", "7", "--to", "6"),
        ("--from", "-1"),
        ("--to", "x"),
    ],
)
def test_a_range_that_the_log_does_not_have_is_wrong_usage(
    command: Within, store: Database, options: tuple[str, ...]
) -> None:
    ended = command("log", "export", "a.zip", *options)

    assert (ended.code, ended.out, Path("a.zip").exists()) == (2, "", False)
    assert exports_of(store) == []


def test_what_is_pruned_is_no_part_of_an_export(command: Within, store: Database) -> None:
    said = {"operation": "logPrune", "reference": "logPrune 256", "counts": {"minimum": 256}}
    write(store, [entry(type="admin", recordedAt=rfc3339(read_clock()), **said)])
    disarm(store)
    execute(store, "UPDATE log_head SET minimum = 256")
    execute(store, "DELETE FROM access_record WHERE log_index < 256")

    refused = command("log", "export", "a.zip", "--from", "255")
    exported = command("log", "export", "a.zip")

    assert (refused.code, refused.out) == (2, "")
    assert exported.err == "a.zip: 45 records, 256 to 300\n"
    assert command("log", "verify", "a.zip").code == 0


def test_what_went_without_a_record_is_not_exported(command: Within, store: Database) -> None:
    disarm(store)
    execute(store, "UPDATE log_head SET minimum = 256")
    execute(store, "DELETE FROM access_record WHERE log_index < 256")

    ended = command("log", "export", "a.zip")

    assert (ended.code, ended.out, Path("a.zip").exists()) == (1, "", False)
    assert ended.err == (
        "THE LOG IS NOT WHAT WAS SIGNED: the records below 256 are gone, and no record says that "
        "they were pruned\n"
    )


def test_an_empty_log_has_nothing_to_export(fresh: Within) -> None:
    ended = fresh("log", "export", "a.zip")

    assert (ended.code, ended.out, Path("a.zip").exists()) == (2, "", False)


def test_an_export_of_what_is_not_signed_yet_is_signed_first(
    command: Within, store: Database
) -> None:
    write(store, [entry(recordedAt=rfc3339(read_clock())) for _ in range(5)])

    ended = command("log", "export", "a.zip")

    assert (ended.code, ended.err) == (0, "a.zip: 305 records, 0 to 304\n")
    assert verifier.verify(Path("a.zip"), [signer().vkey]).intact


def test_a_file_that_is_there_is_not_written_over(command: Within, store: Database) -> None:
    Path("a.zip").write_text("mine")

    ended = command("log", "export", "a.zip")

    assert (ended.code, Path("a.zip").read_text()) == (2, "mine")
    assert exports_of(store) == []


def drafts() -> list[Path]:
    """Exports that are not whole."""
    return sorted(Path().glob(".a.zip.*"))


def test_the_records_of_an_export_are_there_before_its_data_and_before_its_file(
    command: Within, store: Database
) -> None:
    seen: list[tuple[int, list[int], bool]] = []

    def look(_connection: object) -> None:
        own = [draft.stat().st_mode & 0o777 for draft in drafts()]
        seen.append((len(exports_of(store)), own, Path("a.zip").exists()))

    event.listen(Engine, "commit", look)
    try:
        ended = command("log", "export", "a.zip")
    finally:
        event.remove(Engine, "commit", look)

    # What is committed is seen after it: with none there is no draft, with one no file.
    assert ended.code == 0
    assert seen[-2:] == [(0, [], False), (1, [0o600], False)]
    assert (len(exports_of(store)), drafts()) == (2, [])
    assert Path("a.zip").stat().st_mode & 0o777 == 0o600


def test_nobody_puts_a_file_where_an_export_is_written(command: Within, own_folder: Path) -> None:
    (own_folder / "victim").write_text("mine")
    for name in (".a.zip.part", "a.zip.part"):
        (own_folder / name).symlink_to("victim")

    ended = command("log", "export", "a.zip")

    assert (ended.code, (own_folder / "victim").read_text()) == (0, "mine")


# As the command is run, but it waits once it has written something.
PAUSED = """
import signal, sys, time
from app import cli, exports

# What runs in the background of a script is started with Ctrl-C ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)

def write_range(session, made, *rest):
    made.write(b"half")
    made.flush()
    print("in the middle", flush=True)
    time.sleep(60)

exports.write_range = write_range
sys.argv[0] = "protocolpoort"
cli.run()
"""


@pytest.mark.parametrize("stop", [signal.SIGTERM, signal.SIGINT, signal.SIGKILL], ids=str)
def test_an_export_that_is_stopped_leaves_its_first_record(
    command: Within, store: Database, own_folder: Path, stop: signal.Signals
) -> None:
    assert command("log", "vkey").code == 0
    with subprocess.Popen(
        [sys.executable, "-c", PAUSED, "log", "export", "a.zip", "--reason", "controle 7"],
        cwd=own_folder,
        env=environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    ) as program:
        guard = threading.Timer(60, program.kill)
        guard.start()
        said = lines_until(program.stdout, "in the middle")
        during = [(draft.read_bytes(), draft.stat().st_mode & 0o777) for draft in drafts()]
        program.send_signal(stop)
        code = program.wait(timeout=30)
        guard.cancel()

    assert (said, during) == (["in the middle\n"], [(b"half", 0o600)])
    [begun] = exports_of(store)
    assert (begun["type"], begun["reasonReference"]) == ("logRead", "controle 7")
    assert begun["counts"] == {"firstIndex": 0, "lastIndex": 299, "records": 300}
    assert (code == 0, Path("a.zip").exists()) == (False, False)
    assert len(drafts()) == (stop == signal.SIGKILL)  # nothing can be done after that one


def future(store: Database) -> None:
    execute(store, "UPDATE log_head SET newest = '2999-01-01 00:00:00.000000'")


def gap(store: Database) -> None:
    disarm(store)
    execute(store, "DELETE FROM access_record WHERE log_index = 41")


def spoiled_tile(store: Database) -> None:
    disarm(store)
    execute(store, "UPDATE log_tile SET hashes = x'00'")


def shrunk(store: Database) -> None:
    shrink(store, 100)


@pytest.mark.parametrize(
    ("spoil", "code", "said", "count"),
    [
        (future, 3, "nothing was changed: the clock of this machine", 0),
        (gap, 1, "nothing was exported, run `protocolpoort log check`: records from 0 on", 1),
        (spoiled_tile, 1, "nothing was exported, run `protocolpoort log check`: ", 1),
        (shrunk, 1, "THE LOG IS NOT WHAT WAS SIGNED: 300 records were signed, 100 are there", 0),
    ],
)
def test_an_export_that_fails_leaves_no_file_and_no_record_that_it_was_made(
    command: Within,
    store: Database,
    own_folder: Path,
    spoil: Callable[[Database], None],
    code: int,
    said: str,
    count: int,
) -> None:
    spoil(store)

    ended = command("log", "export", "a.zip")

    assert (ended.code, ended.out) == (code, "")
    assert ended.err.startswith(said)
    assert sorted(path.name for path in own_folder.iterdir()) == ["var"]
    acts = exports_of(store)
    assert len(acts) == count  # it began to read, or not
    assert not any("manifestDigest" in act for act in acts)


def test_an_export_without_a_current_key_says_what_is_missing(
    command: Within, own_folder: Path
) -> None:
    shutil.copytree("var", "copy")
    command("log", "rotate-key")

    ended = command("log", "export", "a.zip", LOG_KEY_FILE="copy/log.key")

    assert (ended.code, ended.out) == (3, "")
    assert "the key in copy/log.key is not the one that signs this log" in ended.err
    assert not (own_folder / "a.zip").exists()


# Verifying


@pytest.fixture
def exported(command: Within) -> Path:
    """An export of the records 0 to 299."""
    assert command("log", "export", "a.zip").code == 0
    return Path("a.zip")


def test_a_tampered_copy_is_not_in_order_and_the_index_is_named(
    command: Within, exported: Path
) -> None:
    vkey = signer().vkey.text

    tampered = command("log", "demo-tamper", str(exported))
    verified = command("log", "verify", tampered.out.strip(), "--vkey", vkey)

    assert tampered == Ended(0, "a-vervalst.zip\n", "one letter of record 150 was changed\n")
    assert verified == Ended(
        1,
        "NIET IN ORDE: het record is niet dat van het logboek\nEerste foute index: 150\n",
        "",
    )
    assert command("log", "verify", str(exported), "--vkey", vkey).code == 0


def empty_selection(path: Path) -> None:
    note = signer().sign(Checkpoint(ORIGIN, 0, bytes(32)).text)
    with path.open("wb") as file:
        bundle.write_selection(file, [], note, [signer().vkey], {})


def other_zip(path: Path) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("manifest.json", "[]")
        archive.writestr("records.jsonl", "")


@pytest.mark.parametrize(
    "make",
    [lambda path: path.write_bytes(b"no zip"), empty_selection, other_zip],
    ids=["no zip", "no records", "another zip"],
)
def test_what_is_no_export_is_not_tampered_with(
    command: Within, make: Callable[[Path], object]
) -> None:
    make(Path("b.zip"))

    ended = command("log", "demo-tamper", "b.zip")

    assert ended == Ended(1, "", "b.zip is no export with records\n")
    assert not Path("b-vervalst.zip").exists()


def test_a_folder_is_verified_as_its_zip(command: Within, exported: Path) -> None:
    with zipfile.ZipFile(exported) as archive:
        archive.extractall("unpacked")

    verified = command("log", "verify", "unpacked", "--vkey", signer().vkey.text)
    Path("unpacked/records.jsonl").write_bytes(b"")
    broken = command("log", "verify", "unpacked", "--vkey", signer().vkey.text)

    assert (verified.code, verified.out.splitlines()[0]) == (
        0,
        "In orde: 300 records, index 0 tot en met 299.",
    )
    assert (broken.code, broken.out.startswith("NIET IN ORDE: ")) == (1, True)


def older_of(size: int, root: bytes | None = None, key: Signer | None = None) -> bytes:
    opened = Database("sqlite:///var/protocolpoort.db")
    with opened.reading() as session:
        edge = log_tree.edge(session, size)
    opened.dispose()
    told = Checkpoint(ORIGIN, size, root or tree.root(edge))
    return (key or signer()).sign(told.text).encode()


@pytest.mark.parametrize(
    ("older", "code", "said"),
    [
        (lambda: older_of(100), 0, "De boom bouwt voort op het oudere checkpoint."),
        (lambda: older_of(300), 0, "De boom bouwt voort op het oudere checkpoint."),
        (lambda: older_of(100, bytes(32)), 1, "NIET IN ORDE: het logboek is herschreven"),
        (lambda: older_of(100, key=Signer(ORIGIN, bytes(32))), 1, "NIET IN ORDE: het oudere"),
        (lambda: b"x", 1, "NIET IN ORDE: het oudere checkpoint klopt niet"),
        (lambda: b"\xff\xfe", 1, "NIET IN ORDE: het oudere checkpoint klopt niet"),
    ],
    ids=["older", "same", "another tree", "another key", "no note", "no text"],
)
@pytest.mark.usefixtures("exported")
def test_an_export_is_held_against_an_older_checkpoint(
    command: Within, older: Callable[[], bytes], code: int, said: str
) -> None:
    Path("older").write_bytes(older())

    ended = command("log", "verify", "a.zip", "--older", "older", "--vkey", signer().vkey.text)

    assert ended.code == code
    assert said in ended.out


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("a.zip", "--vkey", Signer(ORIGIN, bytes(32)).vkey.text), 1),
        (("a.zip", "--vkey", Signer("gate.example/log", bytes(32)).vkey.text), 1),
        (("a.zip", "--manifest", "sha256:" + "0" * 64), 1),
        (("a.zip", "--manifest", ""), 1),
        (("var/log.key",), 1),
        (("var",), 1),
        (("a.zip", "--vkey", "x"), 2),
        (
            (
                *("a.zip", "--vkey", Signer(ORIGIN, bytes(32)).vkey.text),
                *("--vkey", Signer("gate.example/log", bytes(32)).vkey.text),
            ),
            2,
        ),
        (("not-there.zip",), 2),
        (("a.zip", "--older", "not-there"), 2),
        ((), 2),
    ],
    ids=str,
)
@pytest.mark.usefixtures("exported")
def test_what_cannot_be_verified_is_never_called_good(
    command: Within, arguments: tuple[str, ...], code: int
) -> None:
    ended = command("log", "verify", *arguments)

    assert ended.code == code
    assert "In orde" not in ended.out
    assert ended.out.startswith("NIET IN ORDE: " if code == 1 else "")


# As `python -m` would run it, with a list of what it loaded.
LOADED = """
import runpy, sys
try:
    runpy.run_module(sys.argv.pop(1), run_name="__main__", alter_sys=True)
finally:
    print(*sorted({name.partition(".")[0] for name in sys.modules}), file=sys.stderr)
"""


def outside(folder: Path, module: str, *arguments: str) -> tuple[Ended, set[str]]:
    """Run a module in a folder with nothing in its environment; what it loaded too."""
    done = subprocess.run(
        [sys.executable, "-c", LOADED, module, *arguments],
        cwd=folder,
        env={"PYTHONPATH": str(ROOT)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    said, loaded = done.stderr.rstrip("\n").rpartition("\n")[::2]
    return Ended(done.returncode, done.stdout, said), set(loaded.split())


def test_an_outsider_verifies_without_settings_and_without_a_database(
    command: Within, exported: Path, own_folder: Path, tmp_path_factory: pytest.TempPathFactory
) -> None:
    assert command("log", "demo-tamper", str(exported)).code == 0
    vkey, empty = signer().vkey.text, tmp_path_factory.mktemp("empty")
    files = [str(own_folder / name) for name in ("a.zip", "a-vervalst.zip")]

    ours = [outside(empty, "app.cli", "log", "verify", file, "--vkey", vkey) for file in files]
    small = [outside(empty, "app.tlog", "verify", file, "--vkey", vkey) for file in files]

    assert list(empty.iterdir()) == []
    assert [ended.code for ended, _ in ours] == [ended.code for ended, _ in small] == [0, 1]
    assert [ended.out for ended, _ in ours] == [
        small[0][0].out,
        f"{small[1][0].err}\n",
    ]
    assert "Eerste foute index: 150" in ours[1][0].out
    frameworks = {"fastapi", "starlette", "sqlalchemy", "sqlmodel", "httpx", "uvicorn", "typer"}
    assert [loaded & frameworks for _, loaded in small] == [set(), set()]


# Checking


def test_a_whole_log_has_no_fault(command: Within) -> None:
    ended = command("log", "check")

    assert ended == Ended(0, "", "300 records, 0 to 299: 0 faults\n")


@pytest.mark.parametrize("as_json", [False, True])
def test_faults_are_named_on_standard_output(
    command: Within, store: Database, as_json: bool
) -> None:
    disarm(store)
    execute(store, "UPDATE access_record SET organisation = 'x' WHERE log_index = 41")
    execute(store, "UPDATE access_record SET outcome = 'x' WHERE log_index = 299")

    ended = command("log", "check", *["--json"] * as_json)

    faults = [
        "41: the column organisation does not say what the record says",
        "299: the column outcome does not say what the record says",
    ]
    given = [row["fault"] for row in json.loads(ended.out)] if as_json else ended.out.splitlines()
    assert (ended.code, given) == (1, faults)
    assert ended.err == "300 records, 0 to 299: 2 faults\n"


def test_what_is_not_signed_yet_is_checked_too(command: Within, store: Database) -> None:
    write(store, [entry(recordedAt=rfc3339(read_clock())) for _ in range(5)])
    whole = command("log", "check")
    disarm(store)
    execute(store, "UPDATE access_record SET organisation = 'x' WHERE log_index = 303")

    ended = command("log", "check")

    assert whole == Ended(0, "", "305 records, 0 to 304: 0 faults\n")
    assert ended.code == 1
    assert ended.out == "303: the column organisation does not say what the record says\n"


def test_a_log_that_nobody_signed_is_not_called_good(command: Within, store: Database) -> None:
    disarm(store)
    execute(store, "UPDATE log_checkpoint SET size = 0, note = '', signed_at = NULL")
    STATE.unlink()

    ended = command("log", "check")

    assert (ended.code, ended.out) == (1, "there is no checkpoint: nothing vouches for this log\n")
    assert ended.err.splitlines() == [
        "there is no var/log.key.checkpoint: the log was not held against a checkpoint of before",
        "300 records, 0 to 299: 1 faults",
    ]


def test_an_older_checkpoint_takes_nothing_of_the_state_file_away(
    command: Within, store: Database
) -> None:
    forge(store, [each.replace(b"nis:71016", b"nis:71017") for each in leaves(store)])
    sign_over(store, signer(), origin=ORIGIN)
    Path("harmless").write_bytes(older_of(100))  # of the forged tree

    ended = command("log", "check", "--older", "harmless")

    fault = "299: up to here the tree is not that of the older checkpoint\n"
    assert (ended.code, ended.out) == (1, fault)


def test_a_forged_key_is_a_fault_and_is_not_printed(command: Within, store: Database) -> None:
    forged = Signer(ORIGIN, bytes(32))
    with store.writing() as session:
        log_keys.add(session, forged.vkey, SIZE, forged.sign("x\n"), read_clock())

    checked, listed = command("log", "check"), command("log", "vkey")
    refused = [command("log", verb) for verb in ("rotate-key", "create-key")]

    said = "a public key is listed that the one before it did not sign for: "
    assert (checked.code, checked.out.startswith(said)) == (1, True)
    assert (listed.code, listed.out) == (3, "")
    assert said in listed.err
    assert [(ended.code, ended.out) for ended in refused] == [(3, "")] * 2
    assert len(rows(store, "SELECT vkey FROM log_key")) == 2


def test_a_log_built_anew_is_held_against_the_state_file(command: Within, store: Database) -> None:
    forge(store, [each.replace(b"nis:71016", b"nis:71017") for each in leaves(store)])
    sign_over(store, signer(), origin=ORIGIN)

    ended = command("log", "check")
    STATE.rename("elsewhere")
    without = command("log", "check")
    older = command("log", "check", "--older", "elsewhere")

    fault = "299: up to here the tree is not that of the older checkpoint\n"
    assert (ended.code, ended.out) == (older.code, older.out) == (1, fault)
    assert (without.code, without.out) == (0, "")
    assert "the log was not held against a checkpoint of before" in without.err


@pytest.mark.parametrize("content", [b"", b"x", b"\xff"])
def test_a_state_file_that_is_none_is_a_fault(command: Within, content: bytes) -> None:
    STATE.write_bytes(content)

    ended = command("log", "check")

    assert ended.code == 1
    assert ended.out.startswith("the older checkpoint does not hold: ")


# Following


@contextmanager
def served(service: Service) -> Iterator[str]:
    """The service on a port of this machine; the address of its log."""
    port = free_port()
    server = uvicorn.Server(uvicorn.Config(service.app, port=port, log_level="error", **SERVER))
    thread = threading.Thread(target=server.run)
    thread.start()
    try:
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.02)
        yield f"http://127.0.0.1:{port}/log"
    finally:
        server.should_exit = True
        thread.join(timeout=30)


@pytest.fixture
def watch(
    service: Service, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> Iterator[Callable[..., Ended]]:
    """`log watch --once` of a service that runs."""
    command, key = Within(monkeypatch, capfd), Path("log.key")
    vkey = log_keys.read_file(key, LOG_ORIGIN).vkey.text
    with served(service) as url:

        def look(**options: str) -> Ended:
            given = {"vkey": vkey, "state": "seen", "url": url, **options}
            return command(
                *("log", "watch", given["url"], "--once"),
                *("--vkey", given["vkey"], "--state", given["state"]),
                *(("--vkey", given["old"]) if "old" in given else ()),
            )

        yield look


def newest(service: Service) -> Checkpoint:
    with service.office.database.reading() as session:
        told = checkpoints.published(session)
    return open_checkpoint(told.note, told.vkeys, LOG_ORIGIN)


async def grow(service: Service, number: int = 1) -> None:
    for _ in range(number):
        await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
    service.sign()


async def test_a_log_is_followed_as_it_grows(service: Service, watch: Callable[..., Ended]) -> None:
    service.sign()
    first = watch()
    one = newest(service)
    same = watch()
    await grow(service, 3)
    grown = watch()
    two = newest(service)
    write(
        service.office.database,
        [entry(recordedAt=rfc3339(service.clock.now)) for _ in range(600)],
    )
    service.sign()
    again = watch()

    assert first == same == Ended(0, f"{one.size}\t{b64encode(one.root).decode()}\n", "")
    assert grown == Ended(0, f"{two.size}\t{b64encode(two.root).decode()}\n", "")
    assert again.code == 0
    seen = open_checkpoint(
        Path("seen").read_text(),
        [log_keys.read_file(Path("log.key"), LOG_ORIGIN).vkey],
        LOG_ORIGIN,
    )
    assert seen == newest(service)
    assert seen.size == two.size + 600
    assert Path("seen").stat().st_mode & 0o777 == 0o600


def cut(store: Database) -> None:
    shrink(store, 3)


def another(store: Database) -> None:
    forge(store, [each.replace(b'"v":1', b'"v":2') for each in leaves(store)])


def another_that_grew(store: Database) -> None:
    held = leaves(store)
    forge(store, [each.replace(b'"v":1', b'"v":2') for each in held])
    write(store, [entry() for _ in range(600)])


@pytest.mark.parametrize("rewrite", [cut, another, another_that_grew])
async def test_a_log_that_was_rewritten_is_reported_and_both_sides_are_kept(
    service: Service, watch: Callable[..., Ended], rewrite: Callable[[Database], None]
) -> None:
    await grow(service)
    assert watch().code == 0
    before = Path("seen").read_bytes()

    rewrite(service.office.database)
    sign_over(service.office.database, log_keys.read_file(Path("log.key"), LOG_ORIGIN))
    ended, again = watch(), watch()

    assert (ended.code, ended.out) == (again.code, again.out) == (1, "")
    assert ended.err.startswith("THE LOG IS NOT WHAT IT WAS: ")
    assert Path("seen").read_bytes() == before
    with service.office.database.reading() as session:
        note = checkpoints.published(session).note
    assert Path("seen.conflict").read_text() == note


async def test_what_another_key_signed_is_not_believed(
    service: Service, watch: Callable[..., Ended]
) -> None:
    service.sign()

    ended = watch(vkey=Signer(LOG_ORIGIN, bytes(32)).vkey.text)

    assert (ended.code, ended.out, Path("seen").exists()) == (1, "", False)
    assert ended.err.startswith(
        "no key that you know signed the log, or what was kept of it: no known key signed the note."
        " After a rotation name both keys with --vkey; http://127.0.0.1:"
    )


async def test_a_rotation_is_followed_by_who_names_both_keys(
    service: Service, watch: Callable[..., Ended]
) -> None:
    service.sign()
    assert watch().code == 0
    before = Path("seen").read_bytes()
    new = administration.rotate_key(
        service.office, LOG_ORIGIN, Path("log.key"), service.clock.now
    ).text
    service.sign()

    unknown = watch()
    kept = Path("seen").read_bytes()
    old = (await service.client.get("/log/vkey")).text.splitlines()[1]
    followed = watch(vkey=new, old=old)
    alone = watch(vkey=new)

    assert (unknown.code, unknown.out, kept) == (1, "", before)
    assert unknown.err.startswith("no key that you know signed the log")
    assert (followed.code, followed.err) == (alone.code, alone.err) == (0, "")


@pytest.mark.parametrize("content", [b"", b"x", b"\xff"])
async def test_a_state_that_is_none_is_not_written_over(
    service: Service, watch: Callable[..., Ended], content: bytes
) -> None:
    service.sign()
    Path("seen").write_bytes(content)

    ended = watch()

    assert (ended.code, ended.out, Path("seen").read_bytes()) == (1, "", content)


@pytest.mark.parametrize("url", ["http://127.0.0.1:1/log", "http://[", "x", "ftp://127.0.0.1/log"])
async def test_a_log_that_cannot_be_reached_is_not_called_good(
    watch: Callable[..., Ended], url: str
) -> None:
    ended = watch(url=url)

    assert (ended.code, ended.out, Path("seen").exists()) == (3, "", False)
    assert ended.err.startswith(f"{url} does not answer as a log does: ")


def test_a_log_that_is_away_is_waited_for(fresh: Within, monkeypatch: pytest.MonkeyPatch) -> None:
    looks = iter([None, None])
    vkey = Signer(LOG_ORIGIN, bytes(32)).vkey.text

    def pause(_seconds: float) -> None:
        if next(looks, "enough"):
            sys.exit(7)

    monkeypatch.setattr("app.log_commands.time.sleep", pause)
    ended = fresh("log", "watch", "http://127.0.0.1:1/log", "--vkey", vkey, "--state", "seen")

    assert (ended.code, ended.err.count("does not answer as a log does")) == (7, 3)


async def test_another_page_is_no_log(service: Service, watch: Callable[..., Ended]) -> None:
    service.sign()

    with served(service) as url:
        ended = watch(url=url.removesuffix("/log") + "/nothing")

    assert (ended.code, ended.out) == (3, "")
    assert "404 for " in ended.err


async def test_following_goes_on_until_the_log_is_rewritten(
    service: Service, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    await grow(service)
    signer_of = log_keys.read_file(Path("log.key"), LOG_ORIGIN)
    looks: list[float] = []

    def pause(seconds: float) -> None:
        looks.append(seconds)
        shrink(service.office.database, 3)
        sign_over(service.office.database, signer_of)

    with served(service) as url:
        monkeypatch.setattr("app.log_commands.time.sleep", pause)
        ended = Within(monkeypatch, capfd)(
            *("log", "watch", url, "--vkey", signer_of.vkey.text, "--state", "seen"),
            *("--interval", "5"),
        )
        monkeypatch.undo()

    assert (ended.code, looks) == (1, [5])
    assert ended.out.count("\n") == 1
    assert "the tree shrank from " in ended.err


# Pruning, and a migration that refuses


@pytest.mark.parametrize(("options", "said"), [((), "gone"), (("--dry-run",), "would go")])
def test_what_was_pruned_is_printed(command: Within, options: tuple[str, ...], said: str) -> None:
    ended = command("log", "prune", *options)

    assert ended == Ended(
        0,
        f"{said}: the keys of no month, 0 records, 0 explanations, 0 reports; records are kept "
        "from index 0 on\n",
        "",
    )


def test_a_migration_that_refuses_is_one_line(fresh: Within, own_folder: Path) -> None:
    url = f"sqlite:///{own_folder}/old.db"
    database.upgrade(url)
    alembic.command.downgrade(alembic_config(url), "0002")
    old = Database(url)
    execute(old, "UPDATE log_head SET size = 7")

    ended = fresh("db", "upgrade", DATABASE_URL=url)

    assert (ended.code, ended.out, ended.err.count("\n")) == (1, "", 1)
    assert ended.err.startswith("nothing was changed: ")
    assert rows(old, "SELECT version_num FROM alembic_version") == [("0002",)]
    old.dispose()


@pytest.mark.parametrize(
    "arguments",
    [
        ("log",),
        ("log", "watch"),
        ("log", "watch", "http://127.0.0.1:1/log", "--state", "seen"),
        ("log", "watch", "http://127.0.0.1:1/log", "--vkey", "x", "--state", "seen"),
        ("log", "export"),
        ("log", "verify"),
        ("log", "demo-tamper", "not-there"),
        ("log", "check", "--older", "not-there"),
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_2(fresh: Within, arguments: tuple[str, ...]) -> None:
    ended = fresh(*arguments)

    assert ended.code == 2
    assert "Traceback" not in ended.err
