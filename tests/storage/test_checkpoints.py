"""The signer: it vouches for a log that grows, and nothing leaves a log that was rewritten."""

import asyncio
import shutil
import threading
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, suppress
from dataclasses import dataclass, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from evidence import (
    LOG,
    NOW,
    Naive,
    append,
    disarm,
    entry,
    execute,
    forge,
    kept_aside,
    leaves,
    moment_after,
    open_notary,
    rows,
    shrink,
    sign_over,
    write,
)
from service import CITY, ORIGIN, Service, make_service
from sqlalchemy import event
from sqlalchemy.exc import DBAPIError, OperationalError, SQLAlchemyError
from sqlmodel import Session

from app import administration, checkpoints, log_check, log_keys, main
from app.administration import Office
from app.checkpoints import Notary, Published
from app.database import Database
from app.demo_persons import RESIDENT_WITH_CERTIFICATE
from app.errors import ClockBehind
from app.log_keys import KeyUnfit, Listed, LogRewritten, create_file, next_file
from app.models.access import LogKey
from app.month_keys import MonthKeyMissing, MonthKeys
from app.settings import Mode, Settings
from app.tlog.note import Checkpoint, NoteInvalid, Signer, Vkey, open_checkpoint


@pytest.fixture
def key_file(tmp_path: Path) -> Path:
    """The signing key in a folder of its own."""
    file = tmp_path / "signer" / "log.key"
    create_file(LOG, file)
    return file


@pytest.fixture
def office(store: Database, tmp_path: Path) -> Office:
    """Whoever rotates keys."""
    keys = MonthKeys(tmp_path / "month-keys")
    keys.create(NOW, months=2)
    return Office(store, keys, ORIGIN, "uitbater-3")


def opened(store: Database, key_file: Path) -> Notary:
    """The signer of a process that starts now."""
    return open_notary(store, LOG, key_file, NOW)


def signed(store: Database) -> Published:
    """What the database says was signed."""
    with store.reading() as session:
        return checkpoints.published(session)


def checkpoint(store: Database) -> Checkpoint:
    """The checkpoint in the database, as a client of the log reads it."""
    told = signed(store)
    return open_checkpoint(told.note, told.vkeys, LOG)


def state_of(key_file: Path) -> Path:
    """Where the last checkpoint stands beside the key."""
    return key_file.with_name("log.key.checkpoint")


def vkey_of(key_file: Path) -> str:
    """The public half of the key in a file."""
    return log_keys.read_file(key_file, LOG).vkey.text


def vkeys(store: Database) -> list[str]:
    """Every public key of the log, current first."""
    return [vkey.text for vkey in signed(store).vkeys]


# The key of a log


def adopted(office: Office, key_file: Path) -> str:
    """The public key after `log create-key`."""
    return administration.adopt_key(office, LOG, key_file, NOW).text


def in_mode(mode: Mode, key_file: Path) -> Settings:
    """The settings of a service with this key."""
    return Settings(mode, log_origin=LOG, log_key_file=key_file)


NO_KEY = (
    "this log has no key. A new one gets it with `protocolpoort log create-key`; one that had a "
    "key has lost it: restore the database"
)


def test_a_start_refuses_a_log_without_a_key(
    store: Database, key_file: Path, office: Office
) -> None:
    append(store, 3)

    with pytest.raises(main.NotReady) as refused:
        main.notary(in_mode(Mode.PRODUCTION, key_file), office, NOW)
    with pytest.raises(KeyUnfit, match="this log has no key"):
        Notary.open(store, LOG, key_file)

    assert str(refused.value) == NO_KEY
    assert (vkeys(store), len(leaves(store)), signed(store).note) == ([], 3, "")


def test_the_first_key_is_listed_with_a_record_and_stays_that_of_the_log(
    store: Database, office: Office, tmp_path: Path
) -> None:
    append(store, 3)
    file = tmp_path / "new" / "log.key"

    vkey = adopted(office, file)
    with pytest.raises(KeyUnfit, match="this log has a key: `protocolpoort log rotate-key`"):
        adopted(office, file)
    Notary.open(store, LOG, file)

    assert vkeys(store) == [vkey] == [vkey_of(file)]
    assert rows(store, "SELECT id, size, endorsement FROM log_key") == [(1, 3, "")]
    assert (signed(store).note, signed(store).size, signed(store).signed_at) == ("", 0, None)
    assert file.stat().st_mode & 0o777 == 0o600
    assert not state_of(file).exists()
    [act] = acts(store, "logKeyCreate")
    assert f'"reasonReference":"{vkey}"' in act
    assert '"type":"admin"' in act
    assert len(leaves(store)) == 4


def test_a_key_that_is_there_is_the_one_that_is_adopted(
    store: Database, key_file: Path, office: Office
) -> None:
    before = key_file.read_bytes()

    adopted(office, key_file)

    assert (vkeys(store), key_file.read_bytes()) == ([vkey_of(key_file)], before)


def test_a_demo_gives_a_new_log_its_key_with_a_record(
    store: Database, office: Office, tmp_path: Path
) -> None:
    settings = in_mode(Mode.DEMO, tmp_path / "log.key")

    for _ in range(2):
        main.notary(settings, office, NOW).turn(NOW)

    assert vkeys(store) == [vkey_of(tmp_path / "log.key")]
    assert (len(acts(store, "logKeyCreate")), checkpoint(store).size) == (1, 1)


def test_a_key_that_the_log_does_not_record_is_not_listed_either(
    store: Database, key_file: Path, office: Office
) -> None:
    without = replace(office, keys=MonthKeys(key_file.with_name("no-keys")))

    with pytest.raises(MonthKeyMissing):
        adopted(without, key_file)

    assert (vkeys(store), leaves(store)) == ([], [])


def test_a_key_that_is_there_is_not_made_anew(key_file: Path) -> None:
    before = key_file.read_bytes()

    assert not create_file(LOG, key_file)
    assert key_file.read_bytes() == before


def test_the_key_of_another_log_is_refused(store: Database, key_file: Path, tmp_path: Path) -> None:
    opened(store, key_file)
    create_file(LOG, other := tmp_path / "other.key")

    with pytest.raises(KeyUnfit, match="is not the one that signs this log"):
        opened(store, other)
    assert vkeys(store) == [vkey_of(key_file)]


def lose(store: Database) -> None:
    """Let the log forget its keys and what was signed."""
    disarm(store)
    execute(store, "DELETE FROM log_key")
    execute(store, "UPDATE log_checkpoint SET size = 0, note = '', signed_at = NULL")


def test_a_key_that_signed_another_log_is_not_given_to_a_new_one(
    store: Database, key_file: Path, office: Office
) -> None:
    opened(store, key_file).turn(NOW)
    lose(store)
    said = (
        f"{key_file} has signed a log already, and this database does not know it: restore the "
        "right database; or, for a new log, move the key and its .checkpoint away"
    )

    with pytest.raises(KeyUnfit) as refused:
        adopted(office, key_file)
    with pytest.raises(main.NotReady) as by_the_demo:
        main.notary(in_mode(Mode.DEMO, key_file), office, NOW)
    with pytest.raises(main.NotReady) as by_the_service:
        main.notary(in_mode(Mode.PRODUCTION, key_file), office, NOW)

    assert str(refused.value) == str(by_the_demo.value) == said
    assert str(by_the_service.value) == NO_KEY
    assert (vkeys(store), leaves(store)) == ([], [])


def test_a_process_without_a_state_file_does_not_take_a_forged_log_up(
    store: Database, key_file: Path, office: Office
) -> None:
    append(store, 300)
    opened(store, key_file).turn(NOW)
    elsewhere = key_file.parent.with_name("elsewhere") / "log.key"
    elsewhere.parent.mkdir()
    shutil.copy(key_file, elsewhere)
    forge(store, [each.replace(b"nis:71016", b"nis:12025") for each in leaves(store)])
    lose(store)

    with pytest.raises(main.NotReady) as refused:
        main.notary(in_mode(Mode.PRODUCTION, elsewhere), office, NOW)

    assert str(refused.value) == NO_KEY
    assert (vkeys(store), signed(store).note) == ([], "")
    assert not state_of(elsewhere).exists()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no {file}: restore it; a new log has `log create-key`"),
        (b"", "{file} cannot be read as a signing key"),
        (b"PRIVATE+KEY+x", "{file} cannot be read as a signing key"),
        (b"\xff\xfe", "{file} cannot be read as a signing key"),
        (
            Signer("gate.example/log", bytes(32)).secret.encode(),
            "the key in {file} is not one of PROTOCOLPOORT_LOG_ORIGIN",
        ),
        (Signer(LOG, bytes(32)).secret[:-3].encode(), "{file} cannot be read as a signing key"),
    ],
    ids=["missing", "empty", "no key", "no text", "another origin", "cut off"],
)
def test_a_key_that_cannot_sign_is_refused_without_showing_it(
    store: Database, office: Office, tmp_path: Path, content: bytes | None, said: str
) -> None:
    file = tmp_path / "the.key"
    if content is not None:
        file.write_bytes(content)

    with pytest.raises(main.NotReady) as refused:
        main.notary(in_mode(Mode.PRODUCTION, file), office, NOW)

    assert str(refused.value) == said.format(file=file)
    assert (vkeys(store), leaves(store)) == ([], [])
    if content is not None:
        for refuse in (
            lambda: adopted(office, file),
            lambda: main.notary(in_mode(Mode.DEMO, file), office, NOW),
        ):
            with pytest.raises((KeyUnfit, main.NotReady)) as refused_too:
                refuse()
            assert str(refused_too.value) == said.format(file=file)
        assert (vkeys(store), leaves(store), file.read_bytes()) == ([], [], content)


OTHER = Signer(LOG, bytes(32))


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\xff",
        b"half a note",
        OTHER.sign(Checkpoint(LOG, 1, bytes(32)).text).encode(),
    ],
    ids=["empty", "no text", "no note", "another key"],
)
def test_a_state_file_that_is_not_of_this_log_is_refused(
    store: Database, key_file: Path, content: bytes
) -> None:
    opened(store, key_file).turn(NOW)
    state_of(key_file).write_bytes(content)

    with pytest.raises(KeyUnfit, match="is not a checkpoint of this log: restore it"):
        opened(store, key_file)
    assert state_of(key_file).read_bytes() == content


def test_a_state_file_of_another_origin_is_refused(store: Database, key_file: Path) -> None:
    opened(store, key_file).turn(NOW)
    signer = log_keys.read_file(key_file, LOG)
    note = signer.sign(Checkpoint("gate.example/log", 0, bytes(32)).text)
    state_of(key_file).write_text(note, encoding="utf-8")

    with pytest.raises(KeyUnfit, match="is not a checkpoint of this log"):
        opened(store, key_file)


# A turn


def test_what_grew_is_signed_and_kept_in_both_places(store: Database, key_file: Path) -> None:
    notary = opened(store, key_file)
    append(store, 300)

    notary.turn(NOW)

    assert checkpoint(store) == Checkpoint(LOG, 300, Naive(leaves(store)).root())
    assert (signed(store).size, signed(store).signed_at) == (300, NOW)
    assert state_of(key_file).read_text(encoding="utf-8") == signed(store).note
    assert state_of(key_file).stat().st_mode & 0o777 == 0o600
    assert not notary.failed
    assert [path.name for path in key_file.parent.iterdir() if path.name.startswith(".")] == []


def test_an_empty_log_is_signed_too(store: Database, key_file: Path) -> None:
    opened(store, key_file).turn(NOW)

    assert checkpoint(store) == Checkpoint(LOG, 0, Naive([]).root())


@pytest.mark.parametrize(
    ("seconds", "size"),
    [(0, 1), (0.5, 1), (0.999999, 1), (1, 3), (60, 3), (-0.5, 1), (-1, 3), (-86_400, 3)],
)
def test_at_most_one_signature_a_second_whatever_the_clock_does(
    store: Database, key_file: Path, seconds: float, size: int
) -> None:
    notary = opened(store, key_file)
    append(store, 1)
    notary.turn(NOW)
    append(store, 2)

    notary.turn(moment_after(seconds))

    assert (signed(store).size, checkpoint(store).size) == (size, size)


def test_what_did_not_grow_is_not_signed_again(store: Database, key_file: Path) -> None:
    notary = opened(store, key_file)
    append(store, 5)
    notary.turn(NOW)

    notary.turn(moment_after(60))

    assert signed(store).signed_at == NOW


def test_every_checkpoint_extends_the_one_before(store: Database, key_file: Path) -> None:
    notary = opened(store, key_file)
    seen = []
    for turn, number in enumerate((1, 254, 1, 1, 255, 1, 90)):
        append(store, number)
        notary.turn(moment_after(turn))
        seen.append(checkpoint(store))

    told = Naive(leaves(store))
    assert [(each.size, each.root) for each in seen] == [
        (size, told.root(size)) for size in (1, 255, 256, 257, 512, 513, 603)
    ]


def test_a_new_process_goes_on_where_the_last_one_was(store: Database, key_file: Path) -> None:
    append(store, 5)
    opened(store, key_file).turn(NOW)
    append(store, 5)

    opened(store, key_file).turn(moment_after(1))

    assert checkpoint(store).size == 10
    assert state_of(key_file).read_text(encoding="utf-8") == signed(store).note


def test_what_was_signed_is_verified_by_whoever_asks(store: Database, key_file: Path) -> None:
    with store.reading() as session:
        before = checkpoints.verified(session, LOG)
    append(store, 5)
    opened(store, key_file).turn(NOW)
    append(store, 5)

    with store.reading() as session:
        after = checkpoints.verified(session, LOG)

    assert (before, after) == (None, checkpoint(store))


def test_health_is_not_told_of_a_turn_that_is_under_way(store: Database, key_file: Path) -> None:
    notary = opened(store, key_file)
    append(store, 1)
    seen: list[bool] = []
    event.listen(store.engine, "begin", lambda _: seen.append(notary.failed))

    notary.turn(NOW)

    assert set(seen) == {False}


# Several processes


def test_one_signs_and_the_other_follows(store: Database, key_file: Path, tmp_path: Path) -> None:
    other_file = tmp_path / "elsewhere" / "log.key"
    shutil.copytree(key_file.parent, other_file.parent)
    one, other = opened(store, key_file), opened(store, other_file)
    append(store, 300)

    one.turn(NOW)
    first = signed(store)
    other.turn(moment_after(0.5))
    append(store, 300)
    other.turn(moment_after(1))
    one.turn(moment_after(1))

    assert (first.size, signed(store).size) == (300, 600)
    assert vkeys(store) == [vkey_of(key_file)]
    for file in (key_file, other_file):  # whoever signed it
        assert state_of(file).read_text(encoding="utf-8") == signed(store).note
    assert not one.failed
    assert not other.failed


def test_each_process_remembers_what_the_other_signed(
    store: Database, key_file: Path, tmp_path: Path
) -> None:
    other_file = tmp_path / "elsewhere" / "log.key"
    shutil.copytree(key_file.parent, other_file.parent)
    one, other = opened(store, key_file), opened(store, other_file)
    append(store, 300)
    one.turn(NOW)
    other.turn(NOW)

    signer = log_keys.read_file(key_file, LOG)
    shrink(store, 200)
    sign_over(store, signer)
    state_of(key_file).write_text(signed(store).note, encoding="utf-8")

    opened(store, key_file).turn(moment_after(1))  # it was made to forget
    with pytest.raises(LogRewritten, match="300 records were signed, 200 are there"):
        other.turn(moment_after(1))


def follower_of(store: Database, key_file: Path) -> tuple[Notary, Path]:
    """A process on another machine, and where its key is."""
    file = key_file.parent.with_name("elsewhere") / "log.key"
    shutil.copytree(key_file.parent, file.parent)
    return opened(store, file), file


@pytest.mark.parametrize("rewrite", [lambda store: None, lambda store: append(store, 300)])
def test_a_process_that_only_followed_knows_a_rewriting_when_it_starts_again(
    store: Database, key_file: Path, rewrite: Callable[[Database], None]
) -> None:
    one, (other, other_file) = opened(store, key_file), follower_of(store, key_file)
    for turn in range(3):
        append(store, 100)
        one.turn(moment_after(turn))
        other.turn(moment_after(turn + 0.1))
        note = signed(store).note
        assert state_of(other_file).read_text(encoding="utf-8") == note
    shrink(store, 200)
    rewrite(store)
    sign_over(store, log_keys.read_file(key_file, LOG))

    with pytest.raises(LogRewritten):
        opened(store, other_file).turn(moment_after(10))
    assert state_of(other_file).read_text(encoding="utf-8") == note


def test_a_process_that_follows_a_busy_log_is_not_late(store: Database, key_file: Path) -> None:
    one, (other, _) = opened(store, key_file), follower_of(store, key_file)
    failed = []

    for turn in range(63):
        append(store, 1)
        one.turn(moment_after(turn))
        append(store, 1)  # it never finds the log without something to sign
        other.turn(moment_after(turn + 0.5))
        failed.append(other.failed)

    assert (checkpoint(store).size, set(failed)) == (125, {False})


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_whoever_finds_another_signing_does_not_wait(store: Database, key_file: Path) -> None:
    notary = opened(store, key_file)
    append(store, 1)

    with store.writing() as session:
        session.connection().exec_driver_sql("SELECT id FROM log_checkpoint FOR UPDATE")
        notary.turn(NOW)
        meanwhile = signed(store).note
    notary.turn(NOW)

    assert (meanwhile, notary.failed) == ("", False)
    assert checkpoint(store).size == 1


@pytest.mark.parametrize("store", ["postgresql"], indirect=True)
def test_whoever_finds_another_signing_compares_all_the_same(
    store: Database, key_file: Path
) -> None:
    notary = opened(store, key_file)
    append(store, 300)
    notary.turn(NOW)
    shrink(store, 200)
    append(store, 150)

    with store.writing() as session:
        session.connection().exec_driver_sql("SELECT id FROM log_checkpoint FOR UPDATE")
        with pytest.raises(LogRewritten):
            notary.turn(moment_after(2))


def test_whoever_cannot_sign_compares_all_the_same(
    store: Database, key_file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def locked(*_: object, **__: object) -> bool:
        raise OperationalError("UPDATE", {}, Exception("database is locked"))

    notary = opened(store, key_file)
    append(store, 300)
    notary.turn(NOW)
    monkeypatch.setattr(Notary, "_sign", locked)
    append(store, 1)
    with pytest.raises(OperationalError):
        notary.turn(moment_after(2))
    shrink(store, 200)
    append(store, 150)

    with pytest.raises(LogRewritten):
        notary.turn(moment_after(3))


def test_processes_that_sign_at_once_sign_one_tree(store: Database, key_file: Path) -> None:
    url = store.engine.url.render_as_string(hide_password=False)
    opened(store, key_file)
    failed: list[BaseException] = []
    notes: set[str] = set()

    def work() -> None:
        own = Database(url)
        try:
            notary = opened(own, key_file)
            for turn in range(12):
                append(own, 20)
                notary.turn(moment_after(turn))
                notes.add(signed(own).note)
        except BaseException as error:  # noqa: BLE001 - shown by the test
            failed.append(error)
        finally:
            own.dispose()

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(timeout=60)
    opened(store, key_file).turn(moment_after(60))

    told = Naive(leaves(store))
    found = [open_checkpoint(note, signed(store).vkeys, LOG) for note in notes - {""}]
    assert failed == []
    assert (len(told.leaves), checkpoint(store).size) == (720, 720)
    assert [each for each in found if each.root != told.root(each.size)] == []


# A log that was rewritten


Attack = Callable[[Database, Signer], None]


def truncate(store: Database, signer: Signer) -> None:
    shrink(store, 400)
    sign_over(store, signer)


def truncate_and_grow(store: Database, signer: Signer) -> None:
    shrink(store, 400)
    append(store, 300)
    sign_over(store, signer)


def rebuild(store: Database, signer: Signer) -> None:
    changed = [each.replace(b"nis:71016", b"nis:12025") for each in leaves(store)[:1]]
    forge(store, changed + leaves(store)[1:])
    sign_over(store, signer)


def leave_one_out(store: Database, signer: Signer) -> None:
    held = leaves(store)
    forge(store, held[:300] + held[301:])
    append(store, 1)
    sign_over(store, signer)


def swap(store: Database, signer: Signer) -> None:
    held = leaves(store)
    held[41], held[42] = held[42], held[41]
    forge(store, held)
    sign_over(store, signer)


def empty(store: Database, signer: Signer) -> None:
    forge(store, [])
    execute(store, "UPDATE log_checkpoint SET size = 0, note = '', signed_at = NULL")


# What the database cannot hide even from a process that knows nothing of before.
def cut_behind_the_checkpoint(store: Database, _: Signer) -> None:
    shrink(store, 400)


def sign_with_another_key(store: Database, _: Signer) -> None:
    sign_over(store, OTHER)


def sign_for_another_origin(store: Database, signer: Signer) -> None:
    sign_over(store, signer, origin="gate.example/log")


def sign_another_root(store: Database, signer: Signer) -> None:
    sign_over(store, signer, root=bytes(32))


def sign_too_much(store: Database, signer: Signer) -> None:
    sign_over(store, signer, size=601)


def say_another_size(store: Database, _: Signer) -> None:
    disarm(store)
    execute(store, "UPDATE log_checkpoint SET size = size + 1")


def spoil_the_note(store: Database, _: Signer) -> None:
    disarm(store)
    execute(store, "UPDATE log_checkpoint SET note = 'x'")


def remove_the_checkpoint(store: Database, _: Signer) -> None:
    disarm(store)
    execute(store, "DELETE FROM log_checkpoint")


def spoil_a_public_key(store: Database, _: Signer) -> None:
    disarm(store)
    execute(store, "UPDATE log_key SET vkey = 'x'")


def remove_the_public_keys(store: Database, _: Signer) -> None:
    disarm(store)
    execute(store, "DELETE FROM log_key")


def change_the_edge(store: Database, _: Signer) -> None:
    disarm(store)
    execute(store, "UPDATE log_head SET edge = :edge", edge=bytes(4 * 32))


def spoil_the_edge(store: Database, _: Signer) -> None:
    disarm(store)
    execute(store, "UPDATE log_head SET edge = :edge", edge=b"x")


# What shows as soon as the log grows.
def remove_a_tile(store: Database, _: Signer) -> None:
    disarm(store)
    execute(store, "DELETE FROM log_tile WHERE tile_index = 1")
    append(store, 10)


def change_a_tile(store: Database, _: Signer) -> None:
    disarm(store)
    execute(store, "UPDATE log_tile SET root = :root WHERE tile_index = 0", root=bytes(32))
    append(store, 10)


def cut_a_tile(store: Database, _: Signer) -> None:
    disarm(store)
    execute(store, "UPDATE log_tile SET root = :root WHERE tile_index = 0", root=b"x")
    append(store, 10)


def change_a_leaf(store: Database, _: Signer) -> None:
    disarm(store)
    execute(
        store, "UPDATE access_record SET leaf_hash = :hash WHERE log_index = 595", hash=bytes(32)
    )
    append(store, 10)


def remove_a_record(store: Database, _: Signer) -> None:
    disarm(store)
    execute(store, "DELETE FROM access_record WHERE log_index = 595")
    append(store, 10)


REMEMBERED = (truncate, truncate_and_grow, rebuild, leave_one_out, swap, empty)
VISIBLE = (
    cut_behind_the_checkpoint,
    sign_with_another_key,
    sign_for_another_origin,
    sign_another_root,
    sign_too_much,
    say_another_size,
    spoil_the_note,
    remove_the_checkpoint,
    spoil_a_public_key,
    remove_the_public_keys,
    change_the_edge,
    spoil_the_edge,
    remove_a_tile,
    change_a_tile,
    cut_a_tile,
    change_a_leaf,
    remove_a_record,
)


def name_of(attack: Attack) -> str:
    return str(getattr(attack, "__name__", attack))


@pytest.fixture
def notary(store: Database, key_file: Path) -> Notary:
    """A signer that has signed 600 records."""
    append(store, 600)
    made = opened(store, key_file)
    made.turn(NOW)
    return made


def everything_signed(store: Database, key_file: Path) -> list[object]:
    return [rows(store, "SELECT size, note FROM log_checkpoint"), state_of(key_file).read_bytes()]


@pytest.mark.parametrize("attack", [*REMEMBERED, *VISIBLE], ids=name_of)
def test_a_process_that_saw_the_log_signs_no_other(
    store: Database, key_file: Path, notary: Notary, attack: Attack
) -> None:
    attack(store, log_keys.read_file(key_file, LOG))
    before = everything_signed(store, key_file)

    for seconds in (2, 4):
        with pytest.raises(LogRewritten):
            notary.turn(moment_after(seconds))
        assert notary.failed

    assert everything_signed(store, key_file) == before


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
@pytest.mark.parametrize("attack", REMEMBERED, ids=name_of)
def test_a_process_that_starts_later_knows_it_from_its_file(
    store: Database, key_file: Path, notary: Notary, attack: Attack
) -> None:
    assert not notary.failed
    attack(store, log_keys.read_file(key_file, LOG))
    before = everything_signed(store, key_file)

    started = opened(store, key_file)

    with pytest.raises(LogRewritten):
        started.turn(moment_after(2))
    assert everything_signed(store, key_file) == before


@pytest.mark.parametrize("store", ["sqlite"], indirect=True)
@pytest.mark.parametrize(
    "attack",
    [each for each in VISIBLE if "public" not in each.__name__],
    ids=name_of,
)
def test_a_process_that_knows_nothing_of_before_sees_what_does_not_fit(
    store: Database, key_file: Path, notary: Notary, attack: Attack
) -> None:
    assert not notary.failed
    attack(store, log_keys.read_file(key_file, LOG))
    state_of(key_file).unlink()

    with pytest.raises(LogRewritten):
        opened(store, key_file).turn(moment_after(2))
    with store.reading() as session, pytest.raises(LogRewritten):
        checkpoints.verified(session, LOG)


@pytest.mark.parametrize("attack", [spoil_a_public_key, remove_the_public_keys], ids=name_of)
@pytest.mark.usefixtures("notary")
def test_without_its_public_key_a_log_is_not_opened(
    store: Database, key_file: Path, attack: Attack
) -> None:
    attack(store, OTHER)

    with pytest.raises(KeyUnfit):
        Notary.open(store, LOG, key_file)


def test_an_older_copy_of_the_database_is_not_taken_for_the_log(
    store: Database, key_file: Path, notary: Notary
) -> None:
    with kept_aside(store):
        append(store, 100)
        notary.turn(moment_after(1))

    for each in (notary, opened(store, key_file)):
        with pytest.raises(LogRewritten, match="700 records were signed, 600 are there"):
            each.turn(moment_after(2))


def test_an_older_copy_that_grew_beyond_is_not_taken_for_the_log_either(
    store: Database, key_file: Path, notary: Notary
) -> None:
    with kept_aside(store):
        append(store, 100)
        notary.turn(moment_after(1))
    append(store, 200)

    for each in (notary, opened(store, key_file)):
        with pytest.raises(LogRewritten, match="the first 700 records are not those"):
            each.turn(moment_after(2))


def test_the_log_that_was_signed_is_taken_back(store: Database, notary: Notary) -> None:
    with kept_aside(store):
        shrink(store, 400)
        with pytest.raises(LogRewritten):
            notary.turn(moment_after(1))
    append(store, 1)

    notary.turn(moment_after(2))

    assert (notary.failed, checkpoint(store).size) == (False, 601)


def test_an_older_checkpoint_in_the_database_is_no_rewriting(
    store: Database, notary: Notary
) -> None:
    with kept_aside(store):
        pass
    older = signed(store).note
    append(store, 5)
    notary.turn(moment_after(1))
    execute(store, "UPDATE log_checkpoint SET size = 600, note = :note", note=older)

    notary.turn(moment_after(2))

    assert checkpoint(store).size == 605


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE log_checkpoint SET size = size - 1",
        "DELETE FROM log_checkpoint",
        "UPDATE log_key SET vkey = 'x'",
        "DELETE FROM log_key",
    ],
)
@pytest.mark.usefixtures("notary")
def test_the_database_takes_nothing_of_what_was_signed_back(
    store: Database, statement: str
) -> None:
    with pytest.raises(DBAPIError, match="append-only"):
        execute(store, statement)


# The minimum index


def announce(store: Database, minimum: int, **more: object) -> None:
    """A record that says that everything below an index was pruned, or almost."""
    said = {
        "type": "admin",
        "operation": "logPrune",
        "reference": f"logPrune {minimum}",
        "counts": {"minimum": minimum},
    }
    write(store, [entry(**{**said, **more})])


def raise_minimum(store: Database, minimum: int) -> None:
    disarm(store)
    execute(store, "UPDATE log_head SET minimum = :minimum", minimum=minimum)


@pytest.mark.parametrize(
    ("minimum", "said", "why"),
    [
        (1, {}, "is no border of a bundle"),
        (255, {}, "is no border of a bundle"),
        (257, {}, "is no border of a bundle"),
        (256, None, "no record says that they were pruned"),
        (512, None, "no record says that they were pruned"),
        (256, {"type": "access"}, "no record says that they were pruned"),
        (256, {"operation": "logRead"}, "no record says that they were pruned"),
        (256, {"counts": {"minimum": 512}}, "no record says that they were pruned"),
        (256, {"reference": "logPrune 512"}, "no record says that they were pruned"),
        (256, {"reference": "256"}, "no record says that they were pruned"),
    ],
)
def test_a_minimum_without_its_record_is_a_rewriting(
    store: Database,
    key_file: Path,
    notary: Notary,
    minimum: int,
    said: dict[str, Any] | None,
    why: str,
) -> None:
    if said is not None:
        announce(store, minimum, **said)
    raise_minimum(store, minimum)

    for each in (notary, opened(store, key_file)):
        with pytest.raises(LogRewritten, match=why):
            each.turn(moment_after(2))
        with pytest.raises(LogRewritten, match=why):
            each.turn(moment_after(4))
    assert signed(store).size == 600


@pytest.mark.parametrize("minimum", [256, 512])
def test_a_minimum_with_its_record_is_taken(
    store: Database, key_file: Path, notary: Notary, minimum: int
) -> None:
    announce(store, minimum)
    raise_minimum(store, minimum)

    for turn, each in enumerate((notary, opened(store, key_file)), 2):
        append(store, 1)
        each.turn(moment_after(turn))

    assert checkpoint(store).size == 603


# The keys of others


@dataclass(frozen=True)
class Keys:
    """The keys of a log that was given another one once."""

    first: Signer
    current: Signer


@pytest.fixture
def keys(key_file: Path, notary: Notary, office: Office) -> Keys:
    """After a rotation at 600 records: the record of it is the 601st."""
    first = log_keys.read_file(key_file, LOG)
    rotated(office, key_file)
    notary.turn(moment_after(2))
    return Keys(first, log_keys.read_file(key_file, LOG))


def endorsed(by: Signer, vkey: Vkey = OTHER.vkey, size: int = 601) -> str:
    return by.sign(log_keys.endorsed_text(vkey, size))


def list_row(store: Database, endorsement: str, number: int = 3, size: int = 601) -> None:
    """List the key of an attacker."""
    with store.writing() as session:
        session.add(
            LogKey(id=number, vkey=OTHER.vkey.text, size=size, endorsement=endorsement, since=NOW)
        )


@pytest.mark.parametrize(
    "forge_endorsement",
    [
        lambda keys: "",
        lambda keys: "x",
        lambda keys: endorsed(OTHER),
        lambda keys: endorsed(keys.first),
        lambda keys: endorsed(keys.current, size=600),
        lambda keys: endorsed(keys.current, size=602),
        lambda keys: endorsed(keys.current, vkey=keys.first.vkey),
        lambda keys: endorsed(keys.first, vkey=keys.current.vkey, size=600),
        lambda keys: keys.current.sign(Checkpoint(LOG, 601, bytes(32)).text),
        lambda keys: keys.current.sign(f"{OTHER.vkey.text}\n601\n"),
    ],
    ids=[
        *("none", "no note", "by itself", "by an older key", "smaller", "larger", "another key"),
        *("of the key before", "a checkpoint", "another text"),
    ],
)
def test_a_key_that_the_one_before_did_not_sign_for_is_a_rewriting(
    store: Database,
    key_file: Path,
    notary: Notary,
    keys: Keys,
    office: Office,
    forge_endorsement: Callable[[Keys], str],
) -> None:
    list_row(store, forge_endorsement(keys))  # the database takes it, without a trigger gone
    sign_over(store, OTHER)
    before = everything_signed(store, key_file)
    said = "a public key is listed that the one before it did not sign for"

    for read in (log_keys.listed, log_keys.vkeys, checkpoints.published):
        with store.reading() as session, pytest.raises(LogRewritten, match=said):
            read(session)
    with pytest.raises(LogRewritten, match=said):
        notary.turn(moment_after(4))
    with pytest.raises(KeyUnfit, match=said):
        Notary.open(store, LOG, key_file)
    with pytest.raises(LogRewritten, match=said):
        rotated(office, key_file)

    assert notary.failed
    assert everything_signed(store, key_file) == before
    with store.snapshot() as session:
        [fault] = log_check.check(session, office.keys, LOG)
    assert fault.startswith(said)


def test_a_key_that_the_one_before_signed_for_is_listed(
    store: Database, notary: Notary, keys: Keys
) -> None:
    list_row(store, endorsed(keys.current))

    with store.reading() as session:
        found = log_keys.listed(session)

    assert not notary.failed
    assert found == (
        Listed(OTHER.vkey),
        Listed(keys.current.vkey, 601),
        Listed(keys.first.vkey, 600),
    )


@pytest.mark.parametrize("number", [-7, 0, 1, 2])
def test_no_key_is_slipped_in_below_the_newest(
    store: Database, notary: Notary, keys: Keys, number: int
) -> None:
    before = rows(store, "SELECT id, vkey FROM log_key ORDER BY id")

    with pytest.raises(DBAPIError, match="append-only"):
        list_row(store, endorsed(keys.current), number)

    assert rows(store, "SELECT id, vkey FROM log_key ORDER BY id") == before
    notary.turn(moment_after(4))


@pytest.mark.parametrize("number", [-7, 0])
def test_a_key_below_the_first_is_a_rewriting_too(
    store: Database, key_file: Path, notary: Notary, keys: Keys, number: int
) -> None:
    disarm(store)
    list_row(store, endorsed(keys.current), number)

    with pytest.raises(LogRewritten, match="did not sign for"):
        notary.turn(moment_after(4))
    with pytest.raises(KeyUnfit, match="did not sign for"):
        Notary.open(store, LOG, key_file)


def test_a_key_that_was_replaced_signs_no_larger_tree(
    store: Database, key_file: Path, notary: Notary, keys: Keys
) -> None:
    append(store, 9)
    sign_over(store, keys.first)

    for each in (notary, Notary.open(store, LOG, key_file)):
        with pytest.raises(LogRewritten, match="had been replaced by then"):
            each.turn(moment_after(4))
    with store.reading() as session, pytest.raises(LogRewritten, match="had been replaced"):
        checkpoints.verified(session, LOG)


def test_what_a_key_signed_before_it_was_replaced_still_counts(
    store: Database, notary: Notary, keys: Keys
) -> None:
    listed = signed(store).keys
    notes = {size: keys.first.sign(Checkpoint(LOG, size, bytes(32)).text) for size in (600, 601)}

    assert not notary.failed
    assert log_keys.open_signed(notes[600], listed, LOG).size == 600
    with pytest.raises(NoteInvalid, match="had been replaced by then"):
        log_keys.open_signed(notes[601], listed, LOG)


@pytest.mark.usefixtures("notary")
def test_a_state_file_that_a_replaced_key_signed_is_refused(
    store: Database, key_file: Path, keys: Keys
) -> None:
    state_of(key_file).write_text(keys.first.sign(Checkpoint(LOG, 601, bytes(32)).text))

    with pytest.raises(KeyUnfit, match="is not a checkpoint of this log"):
        opened(store, key_file)


# The service


async def health(service: Service) -> tuple[int, str]:
    response = await service.client.get("/health")
    return response.status_code, response.json()["status"]


@pytest.mark.parametrize("attack", ["shrunk", "rebuilt", "unsigned"])
async def test_nothing_leaves_a_log_that_was_rewritten_until_it_is_back(
    service_on_each: Service, attack: str
) -> None:
    service, store = service_on_each, service_on_each.office.database
    first = await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
    service.sign()

    with kept_aside(store):
        if attack == "shrunk":
            shrink(store, 3)
        if attack == "rebuilt":
            forge(store, [each.replace(b'"v":1', b'"v":2') for each in leaves(store)])
        if attack == "unsigned":
            remove_the_checkpoint(store, OTHER)
        before = leaves(store)
        service.sign()
        answers = [
            await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE),
            await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE, doeleinde="bestaatNiet"),
            await service.ask(CITY, "/dossiers/query", content=b"{"),
        ]
        down = await health(service)
        assert leaves(store) == before
    still_down = await health(service)
    service.sign()
    again = await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
    service.sign()

    assert [answer.status_code for answer in answers] == [503] * 3
    assert all("dossier" not in answer.json() for answer in answers)
    assert down == still_down == (503, "DOWN")
    assert (first.status_code, again.status_code) == (200, 200)
    assert await health(service) == (200, "UP")
    assert checkpoint_of(service).size == len(leaves(store))


async def test_a_forged_key_is_never_given_and_nothing_leaves(service_on_each: Service) -> None:
    service, store = service_on_each, service_on_each.office.database
    service.sign()
    vkey = await service.client.get("/log/vkey")

    with kept_aside(store):
        list_row(store, endorsed(OTHER), 2)
        sign_over(store, OTHER)
        at_once = [await service.client.get(f"/log/{path}") for path in ("vkey", "checkpoint")]
        service.sign()
        answer = await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
        down = await health(service)
    service.sign()

    assert [response.status_code for response in at_once] == [503, 503]
    assert not any(OTHER.vkey.text in response.text for response in at_once)
    assert (answer.status_code, down) == (503, (503, "DOWN"))
    assert (await service.client.get("/log/vkey")).text == vkey.text
    assert await health(service) == (200, "UP")


Hindrance = Callable[[Service], AbstractContextManager[None]]


@contextmanager
def row_held(service: Service) -> Iterator[None]:
    """Another session of the database has the row of the checkpoint."""
    other = Database(service.settings.database_url)
    with other.writing() as session:
        session.connection().exec_driver_sql("SELECT id FROM log_checkpoint FOR UPDATE")
        yield
    other.dispose()


@contextmanager
def row_refused(service: Service) -> Iterator[None]:
    """The database takes no checkpoint."""
    store = service.office.database
    if store.engine.dialect.name == "sqlite":
        execute(
            store,
            "CREATE TRIGGER full BEFORE UPDATE ON log_checkpoint "
            "BEGIN SELECT RAISE(ABORT, 'full'); END",
        )
        yield
        execute(store, "DROP TRIGGER full")
        return
    execute(store, "ALTER TABLE log_checkpoint ADD CONSTRAINT filled CHECK (id < 0) NOT VALID")
    yield
    execute(store, "ALTER TABLE log_checkpoint DROP CONSTRAINT filled")


@contextmanager
def other_key(service: Service) -> Iterator[None]:
    """The key was replaced on another machine."""
    own = service.settings.log_key_file
    assert own is not None
    shutil.copy(own, other := own.with_name("other.key"))
    administration.rotate_key(service.office, LOG, other, service.clock.now)
    yield
    shutil.copy(other, own)


@pytest.mark.parametrize(
    ("service_on_each", "hinder", "at_first"),
    [
        ("postgresql", row_held, "UP"),
        ("postgresql", row_refused, "DEGRADED"),
        ("sqlite", row_refused, "DEGRADED"),
        ("postgresql", other_key, "DEGRADED"),
        ("sqlite", other_key, "DEGRADED"),
    ],
    indirect=["service_on_each"],
)
async def test_nothing_leaves_that_was_not_signed_for_a_minute(
    service_on_each: Service, hinder: Hindrance, at_first: str
) -> None:
    service, seen = service_on_each, []
    service.sign()

    with hinder(service):
        first = (await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)).status_code
        for seconds in (0, 9, 0, 48, 0, 600):  # and one more: 1, 11, 12, 61, 62 and 663 later
            service.clock.forward(seconds=seconds)
            with suppress(KeyUnfit, SQLAlchemyError):
                service.sign()
            answer = await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
            seen.append((answer.status_code, await health(service)))
        unsigned = len(leaves(service.office.database)) - checkpoint_of(service).size
    service.sign()
    again = await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
    service.sign()

    degraded, stopped = (200, (200, "DEGRADED")), (503, (503, "DOWN"))
    start = (200, (200, at_first))
    assert first == again.status_code == 200
    assert seen == [start, start, degraded, degraded, stopped, stopped]
    assert unsigned >= 5
    assert await health(service) == (200, "UP")
    assert checkpoint_of(service).size == len(leaves(service.office.database))


async def test_what_was_recorded_last_is_signed_at_a_graceful_stop(
    service_on_each: Service,
) -> None:
    service, store = service_on_each, service_on_each.office.database

    async with service.app.router.lifespan_context(service.app):
        await asyncio.sleep(0.2)
        await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
        before = checkpoint_of(service).size
        assert before < len(leaves(store))  # within a second: it waits

    assert checkpoint_of(service).size == len(leaves(store)) > before
    assert service.settings.log_key_file is not None
    state = state_of(service.settings.log_key_file)
    assert state.read_text(encoding="utf-8") == signed(store).note


def checkpoint_of(service: Service) -> Checkpoint:
    told = signed(service.office.database)
    return open_checkpoint(told.note, told.vkeys, LOG)


async def test_a_service_that_starts_on_a_rewritten_log_gives_nothing(service: Service) -> None:
    await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
    service.sign()
    shrink(service.office.database, 3)

    started = service.restart()

    refused = await started.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
    assert (refused.status_code, await health(started)) == (503, (503, "DOWN"))
    await started.close()


async def test_a_signature_that_cannot_be_kept_degrades_the_service_and_is_made_up_for(
    own_folder: Path,
) -> None:
    made = make_service(f"sqlite:///{own_folder}/a.db", own_folder)
    key_file = own_folder / "signer" / "log.key"
    key_file.parent.mkdir()
    for file in own_folder.glob("log.key*"):
        file.rename(key_file.with_name(file.name))
    service = replace(made, settings=replace(made.settings, log_key_file=key_file)).restart()
    service.clock.forward(seconds=1)
    key_file.parent.rename(own_folder / "away")  # as a disk that is full or gone

    answers, states = [], []
    for _ in range(2):  # grown, and not grown
        answers.append((await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)).status_code)
        with pytest.raises(OSError, match="signer"):
            service.sign()
        with pytest.raises(OSError, match="signer"):
            service.sign()
        states.append(await health(service))
    (own_folder / "away").rename(key_file.parent)
    service.sign()

    assert answers == [200, 200]
    assert states == [(200, "DEGRADED")] * 2
    assert await health(service) == (200, "UP")
    note = signed(service.office.database).note
    assert state_of(key_file).read_text(encoding="utf-8") == note
    assert checkpoint_of(service).size == len(leaves(service.office.database))
    await made.close()
    await service.close()


# Another key


def rotated(office: Office, key_file: Path) -> str:
    """The public key after a rotation."""
    return administration.rotate_key(office, LOG, key_file, NOW, "gepland").text


def acts(store: Database, operation: str = "logKeyRotate") -> list[str]:
    """What the records of rotations say, or of another act."""
    said = f'"operation":"{operation}"'
    return [each.decode() for each in leaves(store) if said in each.decode()]


def test_a_new_key_signs_and_the_old_one_stays_listed(
    store: Database, key_file: Path, notary: Notary, office: Office
) -> None:
    old, before = vkey_of(key_file), signed(store).note

    new = rotated(office, key_file)
    notary.turn(moment_after(2))

    told = signed(store)
    assert (vkeys(store), vkey_of(key_file)) == ([new, old], new)
    assert key_file.stat().st_mode & 0o777 == 0o600
    assert open_checkpoint(told.note, told.vkeys[:1], LOG).size == 601
    assert open_checkpoint(before, told.vkeys, LOG).size == 600
    [act] = acts(store)
    assert f'"reasonReference":"{new}: gepland"' in act
    assert '"type":"admin"' in act
    assert not next_file(key_file).exists()


def test_a_running_process_and_a_new_one_take_the_new_key_up(
    store: Database, key_file: Path, notary: Notary, office: Office
) -> None:
    other = opened(store, key_file)
    new = rotated(office, key_file)

    other.turn(moment_after(2))
    notary.turn(moment_after(2))
    append(store, 1)
    notary.turn(moment_after(3))
    append(store, 1)
    opened(store, key_file).turn(moment_after(4))

    told = signed(store)
    assert told.vkeys[0].text == new
    assert open_checkpoint(told.note, told.vkeys[:1], LOG).size == 603


def test_keys_are_rotated_again_and_again(
    store: Database, key_file: Path, notary: Notary, office: Office
) -> None:
    notes, expected = [signed(store).note], [vkey_of(key_file)]
    for turn in range(1, 4):
        expected.insert(0, rotated(office, key_file))
        notary.turn(moment_after(turn))
        notes.append(signed(store).note)

    told = signed(store)
    assert vkeys(store) == expected
    assert [open_checkpoint(note, told.vkeys, LOG).size for note in notes] == [600, 601, 602, 603]
    assert opened(store, key_file).failed is False


@pytest.fixture
def cut_off(store: Database, key_file: Path, notary: Notary, office: Office) -> str:
    """The public key of a rotation that reached the log and not the file."""
    assert not notary.failed
    old = key_file.read_bytes()
    new = rotated(office, key_file)
    next_file(key_file).write_bytes(key_file.read_bytes())
    key_file.write_bytes(old)
    assert vkeys(store)[0] == new != vkey_of(key_file)
    return new


def test_a_rotation_that_was_cut_off_is_finished_by_a_running_process(
    store: Database, key_file: Path, notary: Notary, cut_off: str
) -> None:
    notary.turn(moment_after(2))

    assert (vkey_of(key_file), next_file(key_file).exists()) == (cut_off, False)
    assert open_checkpoint(signed(store).note, signed(store).vkeys[:1], LOG).size == 601


def test_a_rotation_that_was_cut_off_is_finished_by_a_new_process(
    store: Database, key_file: Path, cut_off: str
) -> None:
    opened(store, key_file).turn(moment_after(2))

    assert (vkey_of(key_file), next_file(key_file).exists()) == (cut_off, False)
    assert open_checkpoint(signed(store).note, signed(store).vkeys[:1], LOG).size == 601


def test_a_rotation_that_was_cut_off_can_be_repeated(
    store: Database, key_file: Path, office: Office, cut_off: str
) -> None:
    again = rotated(office, key_file)

    assert again == cut_off == vkey_of(key_file)
    assert (len(vkeys(store)), len(acts(store))) == (2, 1)


class Meanwhile(Database):
    """A database after whose commits something happens before the command goes on."""

    def __init__(self, store: Database, then: Callable[[], None]) -> None:
        self._store, self._then = store, then

    @contextmanager
    def writing(self) -> Iterator[Session]:
        with self._store.writing() as session:
            yield session
        self._then()


def test_a_running_process_may_put_the_new_key_in_place_first(
    store: Database, key_file: Path, notary: Notary, office: Office
) -> None:
    def take_up() -> None:
        assert next_file(key_file).exists()
        notary.turn(moment_after(2))
        assert not next_file(key_file).exists()

    new = rotated(replace(office, database=Meanwhile(store, take_up)), key_file)

    assert vkey_of(key_file) == new
    assert checkpoint(store).size == 601


def test_a_rotation_that_the_log_refuses_changes_nothing(
    store: Database, key_file: Path, notary: Notary, office: Office
) -> None:
    old = vkey_of(key_file)

    with pytest.raises(ClockBehind):
        administration.rotate_key(office, LOG, key_file, NOW - timedelta(minutes=2))
    append(store, 1)
    notary.turn(moment_after(2))
    untouched = (vkeys(store), vkey_of(key_file), checkpoint(store).size)
    new = rotated(office, key_file)

    assert untouched == ([old], old, 601)
    assert (vkeys(store), vkey_of(key_file)) == ([new, old], new)


def test_a_waiting_key_that_is_none_changes_nothing(
    store: Database, key_file: Path, office: Office, notary: Notary
) -> None:
    old = vkey_of(key_file)
    next_file(key_file).write_text("x")

    with pytest.raises(KeyUnfit, match="cannot be read as a signing key"):
        rotated(office, key_file)

    append(store, 1)
    notary.turn(moment_after(2))
    assert (vkeys(store), acts(store), checkpoint(store).size) == ([old], [], 601)


def test_a_process_whose_file_has_the_old_key_signs_nothing_and_follows(
    store: Database, key_file: Path, notary: Notary, office: Office, tmp_path: Path
) -> None:
    other_file = tmp_path / "elsewhere" / "log.key"
    shutil.copytree(key_file.parent, other_file.parent)
    other = opened(store, other_file)
    rotated(office, key_file)

    with pytest.raises(KeyUnfit, match="the key that signs this log is not in LOG_KEY_FILE"):
        other.turn(moment_after(2))
    refused = (other.failed, checkpoint(store).size)
    notary.turn(moment_after(2))
    other.turn(moment_after(2))

    assert refused == (True, 600)
    assert (other.failed, checkpoint(store).size) == (False, 601)
    with pytest.raises(KeyUnfit, match="is not the one that signs this log"):
        opened(store, other_file)


async def test_a_service_with_the_old_key_is_degraded_and_goes_on_answering(
    service: Service, own_folder: Path
) -> None:
    service.sign()
    shutil.copy(own_folder / "log.key", own_folder / "other.key")
    new = administration.rotate_key(
        service.office, LOG, own_folder / "other.key", service.clock.now
    )

    with pytest.raises(KeyUnfit):
        service.sign()
    answer = await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
    degraded = await health(service)
    shutil.copy(own_folder / "other.key", own_folder / "log.key")
    service.sign()

    listed = (await service.client.get("/log/vkey")).text.splitlines()
    assert (answer.status_code, degraded) == (200, (200, "DEGRADED"))
    assert await health(service) == (200, "UP")
    assert (listed[0], len(listed)) == (new.text, 2)
    assert checkpoint_of(service).size == len(leaves(service.office.database))
