"""The SFTP client against a real OpenSSH server: whole or not at all, to the pinned host alone."""

import os
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import sshd
from asyncssh import SFTPClient
from programs import free_port
from sshd import Sshd

from app import sftp
from app.sftp import Server, TransferFailed

NAME = "vdab-20260601-1.csv.age"
CONTENT = os.urandom(3 * sftp.PIECE + 17)
LIMIT = 10**9


@pytest.fixture(scope="module")
def shared_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    if reason := sshd.skip_reason():
        pytest.skip(reason)
    with sshd.serving(tmp_path_factory.mktemp("sshd")) as running:
        yield running


@pytest.fixture
def vdab(shared_server: Sshd) -> Iterator[Sshd]:
    """The server, with nothing on it."""
    yield shared_server
    for file in shared_server.files.iterdir():
        file.rmdir() if file.is_dir() else file.unlink()


def server_of(vdab: Sshd) -> Server:
    return sftp.server_at(vdab.address, vdab.client_key, vdab.known_hosts)


def seen(_done: int, _size: int) -> None:
    """Nobody looks at a bar."""


@pytest.fixture
def file(tmp_path: Path) -> Path:
    """A file to send."""
    made = tmp_path / NAME
    made.write_bytes(CONTENT)
    return made


def on_server(vdab: Sshd) -> dict[str, bytes]:
    return {found.name: found.read_bytes() for found in vdab.files.iterdir()}


def test_a_file_stands_whole_on_the_server_under_its_name(vdab: Sshd, file: Path) -> None:
    told: list[tuple[int, int]] = []

    sftp.upload(server_of(vdab), file, lambda done, size: told.append((done, size)))

    assert on_server(vdab) == {NAME: CONTENT}
    assert told[-1] == (len(CONTENT), len(CONTENT))
    assert len(told) == 4


@pytest.mark.parametrize(
    ("part", "sent"),
    [
        (CONTENT[:100_000], len(CONTENT) - 100_000),
        (CONTENT[: sftp.PIECE + 5], len(CONTENT) - sftp.PIECE - 5),
        (CONTENT, 0),
        (b"", len(CONTENT)),
        (b"something else", len(CONTENT)),  # what is there is not ours: from the begin
        (CONTENT + b"more", len(CONTENT)),
    ],
)
def test_an_upload_goes_on_where_the_server_has_the_same(
    vdab: Sshd, file: Path, part: bytes, sent: int
) -> None:
    (vdab.files / f"{NAME}.part").write_bytes(part)
    told: list[int] = []

    sftp.upload(server_of(vdab), file, lambda done, _: told.append(done))

    assert on_server(vdab) == {NAME: CONTENT}
    assert len(told) == -(-sent // sftp.PIECE)


def test_what_stands_there_is_not_sent_again(vdab: Sshd, file: Path) -> None:
    sftp.upload(server_of(vdab), file, seen)

    sftp.upload(server_of(vdab), file, lambda *_: pytest.fail("sent again"))

    assert on_server(vdab) == {NAME: CONTENT}


@pytest.mark.parametrize("other", [b"other", CONTENT[:-1] + b"?"])
def test_another_file_of_that_name_is_not_written_over(
    vdab: Sshd, file: Path, other: bytes
) -> None:
    (vdab.files / NAME).write_bytes(other)

    with pytest.raises(TransferFailed, match="another file stands on the server"):
        sftp.upload(server_of(vdab), file, seen)

    assert on_server(vdab) == {NAME: other}


def test_a_file_is_fetched_whole(vdab: Sshd, tmp_path: Path) -> None:
    (vdab.files / NAME).write_bytes(CONTENT)
    target = tmp_path / NAME

    sftp.download(server_of(vdab), NAME, target, LIMIT, seen)

    assert target.read_bytes() == CONTENT
    assert target.stat().st_mode & 0o777 == 0o600
    assert [found.name for found in tmp_path.iterdir()] == [NAME]


def test_a_download_goes_on_where_it_was_cut_off(vdab: Sshd, tmp_path: Path) -> None:
    (vdab.files / NAME).write_bytes(CONTENT)
    (tmp_path / f"{NAME}.part").write_bytes(CONTENT[: sftp.PIECE])
    told: list[int] = []

    sftp.download(server_of(vdab), NAME, tmp_path / NAME, LIMIT, lambda done, _: told.append(done))

    assert (tmp_path / NAME).read_bytes() == CONTENT
    assert told[0] == 2 * sftp.PIECE


def test_a_part_that_is_longer_than_the_file_is_thrown_away(vdab: Sshd, tmp_path: Path) -> None:
    (vdab.files / NAME).write_bytes(b"short")
    (tmp_path / f"{NAME}.part").write_bytes(CONTENT)

    sftp.download(server_of(vdab), NAME, tmp_path / NAME, LIMIT, seen)

    assert (tmp_path / NAME).read_bytes() == b"short"


def test_a_file_of_ten_gigabytes_is_not_fetched(vdab: Sshd, tmp_path: Path) -> None:
    with (vdab.files / NAME).open("wb") as huge:
        huge.truncate(10 * 1024**3)  # it takes no room

    with pytest.raises(TransferFailed, match="larger than the 1073741824 bytes"):
        sftp.download(server_of(vdab), NAME, tmp_path / NAME, 1024**3, seen)

    assert list(tmp_path.iterdir()) == []


def test_what_is_not_there_yet_is_said(vdab: Sshd, tmp_path: Path) -> None:
    with pytest.raises(TransferFailed, match=r"is not on the server \(yet\)"):
        sftp.download(server_of(vdab), NAME, tmp_path / NAME, LIMIT, seen)


def sizes(monkeypatch: pytest.MonkeyPatch, change: int) -> None:
    """A server that says that what stands there is longer or shorter than it is."""
    told = sftp._size

    async def wrong(client: SFTPClient, place: str) -> int | None:
        size = await told(client, place)
        return size if size is None else size + change

    monkeypatch.setattr(sftp, "_size", wrong)


def test_a_file_that_becomes_shorter_while_it_is_fetched_is_no_file(
    vdab: Sshd, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (vdab.files / NAME).write_bytes(CONTENT)
    sizes(monkeypatch, 1)

    with pytest.raises(TransferFailed, match="became shorter"):
        sftp.download(server_of(vdab), NAME, tmp_path / NAME, LIMIT, seen)

    assert not (tmp_path / NAME).exists()


def test_a_file_that_the_server_does_not_hold_whole_gets_no_name(
    vdab: Sshd, file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    sizes(monkeypatch, -1)

    with pytest.raises(TransferFailed, match="does not hold the whole file"):
        sftp.upload(server_of(vdab), file, seen)

    assert list(on_server(vdab)) == [f"{NAME}.part"]


def test_a_link_on_the_server_is_not_followed(vdab: Sshd, tmp_path: Path) -> None:
    (vdab.files / NAME).symlink_to(vdab.known_hosts)

    with pytest.raises(TransferFailed, match="is no plain file"):
        sftp.download(server_of(vdab), NAME, tmp_path / NAME, LIMIT, seen)


@pytest.mark.parametrize(
    "name", ["../vdab.csv", "vdab/../../x.csv", "/etc/passwd", "a\0b.csv", "", ".ssh", "VDAB.csv"]
)
def test_no_name_leads_elsewhere(vdab: Sshd, tmp_path: Path, name: str) -> None:
    with pytest.raises(ValueError, match="no name of an exchange file"):
        sftp.download(server_of(vdab), name, tmp_path / NAME, LIMIT, seen)


def test_a_host_key_that_changed_is_refused_and_nothing_is_sent(tmp_path: Path, file: Path) -> None:
    if reason := sshd.skip_reason():
        pytest.skip(reason)
    with sshd.serving(tmp_path / "server") as vdab:
        vdab.change_host_key()

        with pytest.raises(
            TransferFailed, match=r"the host key .* is not the one in .*known_hosts"
        ):
            sftp.upload(server_of(vdab), file, seen)

        assert on_server(vdab) == {}


def test_another_key_does_not_log_in(vdab: Sshd, tmp_path: Path, file: Path) -> None:
    stranger = sshd.make_key(tmp_path / "stranger")

    with pytest.raises(TransferFailed, match=r"does not let .* in with this key"):
        sftp.upload(replace(server_of(vdab), key_file=stranger), file, seen)


@pytest.mark.parametrize(
    ("which", "content", "said"),
    [
        ("key_file", "no key\n", "holds no private key"),
        ("key_file", None, "is not there"),
        ("known_hosts", None, "is not there"),
    ],
)
def test_a_file_of_the_setup_that_is_missing_or_wrong_is_named(
    vdab: Sshd, tmp_path: Path, file: Path, which: str, content: str | None, said: str
) -> None:
    wrong = tmp_path / "wrong"
    if content is not None:
        wrong.write_text(content)

    with pytest.raises(TransferFailed, match=f"wrong {said}"):
        sftp.upload(replace(server_of(vdab), **{which: wrong}), file, seen)  # type: ignore[arg-type]


def test_a_key_that_asks_for_a_passphrase_is_of_no_use(
    vdab: Sshd, tmp_path: Path, file: Path
) -> None:
    key = sshd.make_key(tmp_path / "locked", passphrase="geheim")

    with pytest.raises(TransferFailed, match="no private key without passphrase"):
        sftp.upload(replace(server_of(vdab), key_file=key), file, seen)


def test_a_server_that_does_not_answer_is_said(vdab: Sshd, file: Path) -> None:
    with pytest.raises(TransferFailed, match="try again, it goes on from where it was"):
        sftp.upload(replace(server_of(vdab), port=free_port()), file, seen)


def test_a_folder_that_is_not_there_is_said(vdab: Sshd, file: Path) -> None:
    with pytest.raises(TransferFailed, match="the server refuses: SFTPNoSuchFile"):
        sftp.upload(replace(server_of(vdab), folder="/nowhere"), file, seen)


@pytest.mark.parametrize(
    "address",
    ["sftp://host/x", "ftp://u@host/x", "sftp://u:secret@host/x", "host", "sftp://u@host:x/"],
)
def test_an_address_that_is_none_is_refused(address: str) -> None:
    with pytest.raises(ValueError):  # noqa: PT011 - the message is of the parser, for a port
        sftp.server_at(address, Path("key"), Path("hosts"))


def test_the_parts_of_an_address() -> None:
    found = sftp.server_at("sftp://agii@sftp.example/in/", Path("key"), Path("hosts"))

    assert found == Server("sftp.example", 22, "agii", "/in", Path("key"), Path("hosts"))
    assert sftp.server_at("sftp://a@b:2222", Path("k"), Path("h")).folder == "."
