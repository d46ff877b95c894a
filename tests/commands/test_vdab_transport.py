"""Sending and fetching over a real OpenSSH server, by the records of what was made."""

import errno
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import sshd
import vdab_world
from evidence import execute
from sshd import Sshd
from vdab_world import World, number, quiet

from app import administration, rounds, sftp, vdab_ending, vdab_release, vdab_transport
from app.database import Database
from app.monitoring import ORGANISATION
from app.sftp import Server
from app.vdab import Closed, ExchangeRefused

NUMBERS = "vdab-20260601-1.csv.age"
ANSWER = "vdab-20260601-1-antwoord.csv.age"
RESULT = f"vdab-20260601-1-uitkomst-{ORGANISATION}.csv.age"


@pytest.fixture(scope="module")
def running(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    if reason := sshd.skip_reason():
        pytest.skip(reason)
    with sshd.serving(tmp_path_factory.mktemp("sshd")) as server:
        yield server


@pytest.fixture
def vdab(running: Sshd) -> Iterator[Sshd]:
    """The server of VDAB, with nothing on it."""
    yield running
    for file in running.files.iterdir():
        file.unlink()


@pytest.fixture
def world(store: Database, tmp_path: Path) -> World:
    """The agency and VDAB, and six persons of the group."""
    made = vdab_world.make_world(store, tmp_path)
    made.add([number(at) for at in range(6)])
    return made


def server_of(vdab: Sshd) -> Server:
    return sftp.server_at(vdab.address, vdab.client_key, vdab.known_hosts)


def send(world: World, vdab: Sshd) -> list[str]:
    return vdab_transport.send(world.post, server_of(vdab), quiet)


def fetch(world: World, vdab: Sshd) -> Path:
    return vdab_transport.fetch(world.post, server_of(vdab), world.signers, quiet)


def put(vdab: Sshd, file: Path) -> None:
    """VDAB puts its answer and the signature on its server."""
    for one in (file, file.with_name(f"{file.name}.sig")):
        (vdab.files / one.name).write_bytes(one.read_bytes())


def test_what_was_recorded_is_sent_once_and_that_is_recorded(world: World, vdab: Sshd) -> None:
    made = world.export()

    first, second = send(world, vdab), send(world, vdab)

    assert (first, second) == ([NUMBERS], [])
    assert [file.name for file in vdab.files.iterdir()] == [NUMBERS]
    assert (vdab.files / NUMBERS).read_bytes() == (world.post.out / NUMBERS).read_bytes()
    [delivery] = world.deliveries()
    [sent] = world.records(operation="vdabSend")
    assert (sent["parentId"], sent["fileDigest"]) == (delivery["eventId"], made.digest)


def test_an_answer_is_fetched_with_its_signature_and_recorded(world: World, vdab: Sshd) -> None:
    put(vdab, world.answer(world.export()))

    file = fetch(world, vdab)

    assert (file.name, file.parent) == (ANSWER, world.post.back)
    assert file.stat().st_mode & 0o777 == 0o600
    [record] = world.records(operation="vdabFetch")
    assert record["keyFingerprint"].startswith("sha256:")
    assert world.take_in(file).rows == 6


def test_the_result_goes_to_vdab_the_same_way_and_to_nobody_else(world: World, vdab: Sshd) -> None:
    made = world.export()
    send(world, vdab)
    world.take_in(world.answer(made))
    vdab_release.release(world.post, 5, quiet)

    assert send(world, vdab) == [RESULT]
    assert {file.name for file in vdab.files.iterdir()} == {NUMBERS, RESULT}


def test_an_answer_is_fetched_on_from_where_it_was_cut_off(world: World, vdab: Sshd) -> None:
    put(vdab, answer := world.answer(world.export()))
    world.post.back.mkdir(parents=True)
    (world.post.back / f"{ANSWER}.part").write_bytes(answer.read_bytes()[:50])

    assert fetch(world, vdab).read_bytes() == answer.read_bytes()


def test_an_answer_that_changed_between_two_parts_is_thrown_away(world: World, vdab: Sshd) -> None:
    put(vdab, answer := world.answer(world.export()))
    world.post.back.mkdir(parents=True)
    (world.post.back / f"{ANSWER}.part").write_bytes(b"x" * 50)

    with pytest.raises(ExchangeRefused, match="made over something else"):
        fetch(world, vdab)

    assert [*world.post.back.iterdir()] == []
    assert fetch(world, vdab).read_bytes() == answer.read_bytes()


def test_an_answer_of_a_stranger_is_not_kept(world: World, vdab: Sshd, tmp_path: Path) -> None:
    made = world.export()
    answer = world.answer(made)
    sshd.sign(answer, sshd.make_key(tmp_path / "stranger"), made.round.label)
    put(vdab, answer)

    with pytest.raises(ExchangeRefused, match="by a key that is not known"):
        fetch(world, vdab)

    assert [*world.post.back.iterdir()] == []
    [record] = world.records(operation="vdabFetch")
    assert (record["outcome"], record["reasonCode"]) == ("invalid", "invalidRequest")


def test_an_answer_that_is_not_there_yet_is_waited_for(world: World, vdab: Sshd) -> None:
    world.export()

    with pytest.raises(ExchangeRefused, match=r"is not on the server \(yet\)"):
        fetch(world, vdab)


def test_nothing_is_sent_that_is_not_as_it_was_recorded(world: World, vdab: Sshd) -> None:
    world.export()
    (world.post.out / NUMBERS).write_bytes(b"something else")

    with pytest.raises(ExchangeRefused, match="is not there as it was recorded"):
        send(world, vdab)

    assert [*vdab.files.iterdir()] == []


def test_a_file_without_a_record_is_not_sent(world: World, vdab: Sshd) -> None:
    world.post.out.mkdir(parents=True)
    (world.post.out / NUMBERS).write_bytes(b"made by hand")

    assert send(world, vdab) == []


def test_a_suspended_protocol_sends_nothing(world: World, vdab: Sshd) -> None:
    world.export()
    administration.suspend(world.office, "vdab-2023", "onderzoek", world.clock.now)

    with pytest.raises(Closed, match="suspended"):
        send(world, vdab)

    assert [*vdab.files.iterdir()] == []
    [record] = world.records(operation="vdabSend")
    assert (record["outcome"], record["reasonCode"]) == ("denied", "suspended")


def test_what_was_sent_is_recorded_although_the_protocol_is_suspended_by_then(
    world: World, vdab: Sshd, monkeypatch: pytest.MonkeyPatch
) -> None:
    world.export()
    upload = sftp.upload

    def meanwhile(*arguments: Any) -> None:
        upload(*arguments)
        administration.suspend(world.office, "vdab-2023", "onderzoek", world.clock.now)

    monkeypatch.setattr(sftp, "upload", meanwhile)

    assert send(world, vdab) == [NUMBERS]
    [sent] = world.records(operation="vdabSend")
    assert (sent["outcome"], sent["protocol"]) == ("allowed", "vdab-2023")


def test_a_file_for_a_key_that_was_replaced_is_not_sent(world: World, vdab: Sshd) -> None:
    world.export()
    vdab_world.replace_key(world, ORGANISATION)

    with pytest.raises(ExchangeRefused, match="is not for the key that VDAB has by now"):
        send(world, vdab)
    vdab_world.forget_key(world.office, ORGANISATION)
    with pytest.raises(ExchangeRefused, match="is not for the key that VDAB has by now"):
        send(world, vdab)

    assert [*vdab.files.iterdir()] == []


def test_what_was_cancelled_is_not_sent(world: World, vdab: Sshd) -> None:
    world.export()
    vdab_ending.cancel(world.post, "proef")

    assert send(world, vdab) == []


def test_a_file_of_a_round_that_is_over_is_not_sent_although_it_still_stands(
    world: World, vdab: Sshd
) -> None:
    world.export()
    # As when taking away failed, or was not done yet.
    with world.store.writing() as session:
        current = rounds.current(session)
        assert current is not None
        rounds.end(session, current, rounds.State.CANCELLED, world.clock.now)

    assert send(world, vdab) == []
    assert (world.post.out / NUMBERS).exists()


def test_a_result_past_its_term_is_not_sent(world: World, vdab: Sshd) -> None:
    world.take_in(world.answer(world.export()))
    vdab_release.release(world.post, 5, quiet)
    execute(world.store, "UPDATE exchange_file SET keep_until = '2026-05-31'")

    assert send(world, vdab) == []


def test_a_host_key_that_changed_is_refused_and_recorded(world: World, tmp_path: Path) -> None:
    if reason := sshd.skip_reason():
        pytest.skip(reason)
    world.export()
    with sshd.serving(tmp_path / "server") as vdab:
        vdab.change_host_key()

        with pytest.raises(ExchangeRefused, match="the host key of"):
            send(world, vdab)

        assert [*vdab.files.iterdir()] == []
    [record] = world.records(operation="vdabSend")
    assert record["reasonReference"].startswith("the host key of 127.0.0.1 is not the one in")


def test_a_transfer_that_failed_is_done_again(world: World, vdab: Sshd) -> None:
    world.export()
    vdab.stop()
    with pytest.raises(ExchangeRefused, match="try again"):
        send(world, vdab)
    vdab.start()

    assert send(world, vdab) == [NUMBERS]
    assert len(world.records(operation="vdabSend")) == 2


def test_a_full_disk_while_fetching_is_said_and_the_part_is_gone_on_with(
    world: World, vdab: Sshd
) -> None:
    put(vdab, answer := world.answer(world.export()))

    def full(_: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(sftp.os, "fsync", full)  # type: ignore[attr-defined]
        with pytest.raises(ExchangeRefused, match="this machine refuses: No space left"):
            fetch(world, vdab)

    assert [file.name for file in world.post.back.iterdir()] == [f"{ANSWER}.part"]
    assert fetch(world, vdab).read_bytes() == answer.read_bytes()
