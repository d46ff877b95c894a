"""Sealed files: what the real `age` opens and makes, and what is refused of a broken one."""

import io
import tracemalloc
from collections.abc import Iterator
from pathlib import Path

import pytest
from programs import age

from app import sealing
from app.sealing import RecipientUnfit, SealBroken

TEXT = b"een lijst\r\n" * 50_000  # more than a piece


@pytest.fixture(scope="module")
def identity() -> sealing.Identity:
    return sealing.new_identity()


def sealed(text: bytes, recipient: str) -> bytes:
    found = bytearray()
    sealing.seal(iter([text[:70_000], b"", text[70_000:]]), recipient, found.extend)
    return bytes(found)


def unsealed(content: bytes, secret: str) -> bytes:
    found = bytearray()
    sealing.unseal(io.BytesIO(content), secret, found.extend)
    return bytes(found)


@pytest.mark.parametrize("text", [b"", b"x", TEXT])
def test_what_is_sealed_is_opened_by_its_key(identity: sealing.Identity, text: bytes) -> None:
    assert unsealed(sealed(text, identity.recipient), identity.secret) == text


def test_age_opens_what_is_sealed(identity: sealing.Identity, tmp_path: Path) -> None:
    key, file = tmp_path / "key", tmp_path / "file.age"
    key.write_text(identity.secret + "\n")
    file.write_bytes(sealed(TEXT, identity.recipient))
    assert age("--decrypt", "--identity", str(key), str(file)) == TEXT


def test_what_age_sealed_is_opened(identity: sealing.Identity, tmp_path: Path) -> None:
    file = tmp_path / "file"
    file.write_bytes(TEXT)
    made = age("--recipient", identity.recipient, str(file))
    assert unsealed(made, identity.secret) == TEXT


def test_only_its_own_key_opens_a_file(identity: sealing.Identity) -> None:
    content = sealed(TEXT, identity.recipient)
    with pytest.raises(SealBroken):
        unsealed(content, sealing.new_identity().secret)


@pytest.mark.parametrize("size", [0, 10, 200, 300, 100_000, -1])
def test_a_file_that_was_cut_off_is_refused(identity: sealing.Identity, size: int) -> None:
    content = sealed(TEXT, identity.recipient)
    with pytest.raises(SealBroken):
        unsealed(content[:size], identity.secret)


@pytest.mark.parametrize("at", [30, 150, 250, 70_000, -1])
def test_a_file_that_was_altered_is_refused(identity: sealing.Identity, at: int) -> None:
    content = bytearray(sealed(TEXT, identity.recipient))
    content[at] ^= 1
    with pytest.raises(SealBroken):
        unsealed(bytes(content), identity.secret)


def test_what_is_no_key_opens_nothing(identity: sealing.Identity) -> None:
    with pytest.raises(SealBroken):
        unsealed(sealed(b"x", identity.recipient), "no secret")


def test_what_the_text_raises_is_raised(identity: sealing.Identity) -> None:
    def broken() -> Iterator[bytes]:
        yield b"a beginning"
        raise LookupError("the source is gone")

    with pytest.raises(LookupError, match="the source is gone"):
        sealing.seal(broken(), identity.recipient, lambda _: None)


class Full:
    """A disk without room."""

    def __call__(self, _piece: bytes) -> None:
        raise OSError(28, "no space left")

    def read(self, _most: int) -> bytes:
        raise OSError(5, "the disk is broken")


def test_a_disk_that_is_full_is_heard_of(identity: sealing.Identity) -> None:
    with pytest.raises(OSError, match="no space left"):
        sealing.seal(iter([TEXT]), identity.recipient, Full())
    with pytest.raises(OSError, match="no space left"):
        sealing.unseal(io.BytesIO(sealed(TEXT, identity.recipient)), identity.secret, Full())


def test_a_file_that_cannot_be_read_is_heard_of(identity: sealing.Identity) -> None:
    with pytest.raises(OSError, match="the disk is broken"):
        sealing.unseal(Full(), identity.secret, lambda _: None)  # type: ignore[arg-type]


def test_a_large_file_passes_in_little_memory(identity: sealing.Identity) -> None:
    piece = bytes(100_000)
    tracemalloc.start()
    sealing.seal((piece for _ in range(300)), identity.recipient, lambda _: None)
    _, most = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert most < 4 * sealing.PART


def test_a_recipient_is_read_as_age_writes_it(identity: sealing.Identity) -> None:
    text = f"# created: 2026-01-01\n\n  {identity.recipient}\r\n"
    assert sealing.read_recipient(text) == identity.recipient


@pytest.mark.parametrize(
    "text",
    ["", "# only a comment", "age1wrong", "AGE-SECRET-KEY-1QQQ", "ssh-ed25519 AAAA"],
)
def test_what_is_no_recipient_is_not_repeated(text: str) -> None:
    with pytest.raises(RecipientUnfit) as refused:
        sealing.read_recipient(text)
    assert not text or text.splitlines()[0] not in str(refused.value)


def test_a_secret_is_never_shown() -> None:
    made = sealing.new_identity()
    assert made.secret not in repr(made)
    assert made.recipient in repr(made)
    assert len(sealing.fingerprint(made.recipient)) == 71
