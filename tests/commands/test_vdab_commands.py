"""`protocolpoort vdab`: what each command says, and how it ends when the set-up is not there."""

import time
from pathlib import Path

import pytest
import sshd
import vdab_world
from programs import Ended, Within, run, started
from vdab_world import World, number

from app import sealing
from app.database import Database
from app.deps import read_clock

HOST = "sftp://agii@127.0.0.1:1/in"


@pytest.fixture
def command(
    own_folder: Path,
    migrated_file: bytes,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> Within:
    """Commands in a folder of the test's own, on a new database."""
    (own_folder / "var").mkdir()
    (own_folder / "var" / "protocolpoort.db").write_bytes(migrated_file)
    return Within(monkeypatch, capfd)


def test_a_key_is_made_once_and_its_public_part_is_alone_on_its_line(
    command: Within, own_folder: Path
) -> None:
    made, again = command("vdab", "create-key"), command("vdab", "create-key")

    assert made.code == 0
    assert sealing.read_recipient(made.out) == made.out.strip()
    file = own_folder / "var" / "exchange.key"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.read_text().strip() not in made.out + made.err
    assert again == Ended(1, "", "nothing was changed: var/exchange.key is there\n")


@pytest.mark.parametrize(
    ("arguments", "settings", "said"),
    [
        (("create-key",), {}, "EXCHANGE_KEY_FILE must name a file or folder"),
        (("export",), {}, "EXCHANGE must name a file or folder"),
        (("cancel", "--reason", "x"), {}, "EXCHANGE must name a file or folder"),
    ],
)
def test_production_has_no_place_of_its_own(
    command: Within, arguments: tuple[str, ...], settings: dict[str, str], said: str
) -> None:
    ended = command("vdab", *arguments, MODE="production", **settings)

    assert (ended.code, ended.out) == (3, "")
    assert said in ended.err


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({}, "VDAB_SFTP must name the SFTP server of VDAB"),
        ({"VDAB_SFTP": HOST}, "VDAB_SFTP_KEY must name"),
        ({"VDAB_SFTP": HOST, "VDAB_SFTP_KEY": "key"}, "VDAB_KNOWN_HOSTS must name"),
        (
            {"VDAB_SFTP": "ftp://x/y", "VDAB_SFTP_KEY": "key", "VDAB_KNOWN_HOSTS": "hosts"},
            "VDAB_SFTP must be an address like sftp://",
        ),
    ],
)
def test_a_server_needs_its_settings(command: Within, settings: dict[str, str], said: str) -> None:
    ended = command("vdab", "send", **settings)

    assert (ended.code, ended.out) == (3, "")
    assert said in ended.err


@pytest.mark.parametrize(
    ("signers", "said"),
    [
        (None, "VDAB_SIGNERS must name"),
        ("nowhere", "VDAB_SIGNERS: it cannot be read"),
        ("empty", "VDAB_SIGNERS: no public key of OpenSSH is in it"),
    ],
)
def test_what_comes_back_needs_the_keys_of_vdab(
    command: Within, own_folder: Path, signers: str | None, said: str
) -> None:
    (own_folder / "empty").write_text("# none\n")
    settings = {"VDAB_SIGNERS": signers} if signers else {}

    ended = command("vdab", "take-in", "file", **settings)

    assert (ended.code, ended.out) == (3, "")
    assert said in ended.err


def test_what_comes_back_needs_our_own_key(command: Within, own_folder: Path) -> None:
    signer = sshd.make_key(own_folder / "signer")

    ended = command("vdab", "take-in", "file", VDAB_SIGNERS=f"{signer}.pub")

    assert (ended.code, ended.out) == (3, "")
    assert "`protocolpoort vdab create-key` makes it" in ended.err


def test_without_a_protocol_nothing_is_exchanged_and_that_is_said(command: Within) -> None:
    ended = command("vdab", "export")

    assert ended == Ended(1, "", "refused: the protocol does not open it: noProtocol\n")


def test_without_a_round_there_is_nothing_to_take_in_release_or_end(
    command: Within, own_folder: Path
) -> None:
    signer = sshd.make_key(own_folder / "signer")
    command("vdab", "create-key")
    command("protocol", "load")

    taken = command("vdab", "take-in", "file", VDAB_SIGNERS=f"{signer}.pub")
    ended = command("vdab", "cancel", "--reason", "proef")

    assert taken.code == ended.code == 1
    assert taken.err.startswith("refused: no round is open")
    assert ended.err == "refused: no round is open\n"
    assert command("vdab", "list", "--json") == Ended(0, "[]\n", "")
    assert command("vdab", "list") == Ended(0, "", "")


@pytest.mark.parametrize("k", ["4", "1", "0", "-5", "x"])
def test_fewer_than_five_alike_cannot_be_asked_for(command: Within, k: str) -> None:
    ended = command("vdab", "release", f"--k={k}")

    assert (ended.code, ended.out) == (2, "")


def test_a_number_is_no_reason_and_no_profile(command: Within) -> None:
    given = command("vdab", "cancel", "--reason", "zie 90722501478")
    named = command("vdab", "export", "--profile", "90722501478")

    assert given.code == named.code == 2
    assert "90722501478" not in given.err + named.err


def in_production(folder: Path, migrated_file: bytes) -> tuple[World, dict[str, str]]:
    """The agency with everything settled, today, and the settings of its commands."""
    (folder / "poort.db").write_bytes(migrated_file)
    store = Database(url := f"sqlite:///{folder}/poort.db")
    world = vdab_world.make_world(store, folder)
    world.clock.now = read_clock()
    world.office.keys.create(world.clock.now, months=1)
    places = {"DATABASE_URL": url, "MONTH_KEYS": "month-keys", "EXCHANGE": "exchange"}
    return world, {"MODE": "production", **places}


def test_an_export_that_is_killed_goes_on_and_sends_nobody_twice(
    own_folder: Path, migrated_file: bytes
) -> None:
    world, settings = in_production(own_folder, migrated_file)
    world.add(numbers := [number(at) for at in range(2500)])
    command = ("vdab", "export", "--profile", vdab_world.PROFILE)

    with started(own_folder, *command, **settings) as program:
        while not world.persons() and program.poll() is None:
            time.sleep(0.01)
        program.kill()
        program.wait()
    recorded = len(world.persons())
    ended = run(own_folder, *command, **settings)

    assert 1000 <= recorded < 2500
    assert ended.code == 0, ended.err
    [delivery] = world.deliveries()
    assert delivery["counts"] == {"persons": 2500}
    assert sorted(world.subjects()) == sorted(numbers)
    world.store.dispose()


def test_a_round_is_listed_and_cancelled(
    own_folder: Path,
    migrated_file: bytes,
    monkeypatch: pytest.MonkeyPatch,
    capfd: pytest.CaptureFixture[str],
) -> None:
    command = Within(monkeypatch, capfd)
    world, settings = in_production(own_folder, migrated_file)
    world.add([number(1)])

    made = command("vdab", "export", "--profile", vdab_world.PROFILE, **settings)
    listed = command("vdab", "list", **settings)
    cancelled = command("vdab", "cancel", "--reason", "proef", **settings)

    [path, digest] = made.out.split()
    name = Path(path).name
    label = name.removesuffix(".csv.age")
    assert listed.out == (f"{label}\tuitgevoerd\t1\t{name}\t0887010362\t{digest}\t-\t-\t-\n")
    assert (cancelled.code, cancelled.err) == (0, f"{label} is ended\n")
    assert not Path(path).exists()
    world.store.dispose()
