"""Signatures of the real `ssh-keygen -Y sign`: whose they are, over what, for what."""

import base64
import shutil
import subprocess
from pathlib import Path

import pytest
import sshd
from asyncssh.packet import String

from app import ssh_signatures
from app.ssh_signatures import BEGIN, END, MAGIC, KeysUnfit, SignatureInvalid

NAMESPACE = "vdab-20260601-1"

pytestmark = pytest.mark.skipif(
    shutil.which("ssh-keygen") is None,
    reason="no ssh-keygen: on Debian `apt-get install openssh-client` brings it",
)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    made = tmp_path / "antwoord.csv.age"
    made.write_bytes(b"an answer")
    return made


def keys_of(*keys: Path) -> dict[bytes, str]:
    lines = ["# VDAB", "", *(key.with_suffix(".pub").read_text() for key in keys)]
    return ssh_signatures.read_keys("\n".join(lines))


@pytest.mark.parametrize("kind", ["ed25519", "ecdsa", "rsa"])
def test_a_signature_of_a_known_key_holds(tmp_path: Path, file: Path, kind: str) -> None:
    key, other = sshd.make_key(tmp_path / "key", kind), sshd.make_key(tmp_path / "other")
    known = keys_of(other, key)
    signature = sshd.sign(file, key, NAMESPACE).read_text()

    found = ssh_signatures.signer_of(file, signature, NAMESPACE, known)

    shown = subprocess.run(["ssh-keygen", "-l", "-f", key], check=True, capture_output=True)
    [_, encoded, *_] = shown.stdout.decode().split()
    digest = base64.b64decode(encoded.removeprefix("SHA256:") + "=")
    assert known[found] == f"sha256:{digest.hex()}"
    assert list(known).index(found) == 1


def test_what_was_changed_after_it_was_signed_is_refused(tmp_path: Path, file: Path) -> None:
    key = sshd.make_key(tmp_path / "key")
    signature = sshd.sign(file, key, NAMESPACE).read_text()
    file.write_bytes(b"an answer!")

    with pytest.raises(SignatureInvalid, match="made over something else"):
        ssh_signatures.signer_of(file, signature, NAMESPACE, keys_of(key))


def test_an_unknown_signer_is_refused(tmp_path: Path, file: Path) -> None:
    key, stranger = sshd.make_key(tmp_path / "key"), sshd.make_key(tmp_path / "stranger")
    signature = sshd.sign(file, stranger, NAMESPACE).read_text()

    with pytest.raises(SignatureInvalid, match="by a key that is not known"):
        ssh_signatures.signer_of(file, signature, NAMESPACE, keys_of(key))


def test_a_signature_for_another_round_is_refused(tmp_path: Path, file: Path) -> None:
    key = sshd.make_key(tmp_path / "key")
    signature = sshd.sign(file, key, "vdab-20260101-1").read_text()

    with pytest.raises(SignatureInvalid, match="is not one for vdab-20260601-1"):
        ssh_signatures.signer_of(file, signature, NAMESPACE, keys_of(key))


def armoured(blob: bytes) -> str:
    return f"{BEGIN}\n{base64.b64encode(blob).decode()}\n{END}\n"


def blob_of(*parts: bytes, version: int = 1) -> bytes:
    return MAGIC + version.to_bytes(4) + b"".join(map(String, parts))


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "none of OpenSSH"),
        ("x\n" * 9, "none of OpenSSH"),
        (f"{BEGIN}\n!\n{END}", "none of OpenSSH"),
        (armoured(b""), "none of OpenSSH"),
        (armoured(b"GPGSIG" + bytes(40)), "none of OpenSSH"),
        (armoured(blob_of(*[String(b"x")] * 5, version=2)), "none of OpenSSH"),
        (armoured(blob_of(*[String(b"x")] * 5) + b"more"), "none of OpenSSH"),
        (armoured(blob_of(b"k", b"n", b"", b"md5", String(b"ssh-ed25519"))), "does not count"),
        (armoured(blob_of(b"k", b"n", b"", b"sha512", String(b"ssh-rsa"))), "does not count"),
    ],
)
def test_what_is_no_signature_is_refused(file: Path, text: str, said: str) -> None:
    with pytest.raises(SignatureInvalid, match=said):
        ssh_signatures.signer_of(file, text, NAMESPACE, [])


def test_a_known_key_that_is_none_verifies_nothing(file: Path) -> None:
    text = armoured(
        blob_of(b"k", NAMESPACE.encode(), b"", b"sha512", String(b"ssh-ed25519") + String(b"x"))
    )

    with pytest.raises(SignatureInvalid, match="does not hold"):
        ssh_signatures.signer_of(file, text, NAMESPACE, [b"k"])


@pytest.mark.parametrize("text", ["", "# only words\n", "ssh-ed25519 AAAA\n", "no key\n"])
def test_a_list_without_a_key_is_refused(text: str) -> None:
    with pytest.raises(KeysUnfit):
        ssh_signatures.read_keys(text)
