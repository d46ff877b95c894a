"""A real OpenSSH server for the tests: SFTP alone, one user, keys of its own, on a free port."""

import getpass
import os
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from programs import free_port

MISSING = "no OpenSSH server (sshd): on Debian `apt-get install openssh-server` brings it"


class SshdMissing(Exception):
    """A test needs sshd and there is none, or it does not start."""


def skip_reason() -> str | None:
    """Why tests with sshd cannot run here; None where they can.

    Raises `SshdMissing` where REQUIRE_OPENSSH=1: then nothing may be skipped.
    """
    if _program():
        return None
    if os.getenv("REQUIRE_OPENSSH") == "1":
        raise SshdMissing(MISSING)
    return MISSING


@dataclass
class Sshd:
    """The server of VDAB: where it listens, where its files are, and who may log in."""

    folder: Path
    port: int
    process: subprocess.Popen[bytes] | None = None

    @property
    def files(self) -> Path:
        """What the user sees as `uitwisseling`."""
        return self.folder / "uitwisseling"

    @property
    def address(self) -> str:
        """As a setting has it."""
        return f"sftp://{getpass.getuser()}@127.0.0.1:{self.port}{self.files}"

    @property
    def client_key(self) -> Path:
        """The key of the client, which may log in."""
        return self.folder / "client"

    @property
    def known_hosts(self) -> Path:
        """The host key as the client pins it."""
        return self.folder / "known_hosts"

    def start(self) -> None:
        """Serve, with the host key that stands there."""
        log = (self.folder / "log").open("ab")
        self.process = subprocess.Popen(
            [str(_program()), "-D", "-e", "-f", str(self.folder / "sshd_config")],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        log.close()
        for _ in range(100):
            with socket.socket() as probe:
                if probe.connect_ex(("127.0.0.1", self.port)) == 0:
                    return
            if self.process.poll() is not None:
                break
            time.sleep(0.05)
        raise SshdMissing((self.folder / "log").read_text())

    def stop(self) -> None:
        """Serve no more."""
        if self.process:
            self.process.kill()
            self.process.wait()
            self.process = None

    def change_host_key(self) -> None:
        """Another machine answers, or one in between."""
        self.stop()
        for file in (self.folder / "host", self.folder / "host.pub"):
            file.unlink()
        make_key(self.folder / "host")
        self.start()


def make_key(file: Path, kind: str = "ed25519", passphrase: str = "") -> Path:
    """A key pair of ssh-keygen; the public half beside it in `.pub`."""
    subprocess.run(
        ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", "", "-f", str(file)], check=True
    )
    return file


def sign(file: Path, key: Path, namespace: str) -> Path:
    """What VDAB does: `ssh-keygen -Y sign`; the signature stands beside the file in `.sig`."""
    sealed = file.with_name(f"{file.name}.sig")
    sealed.unlink(missing_ok=True)
    subprocess.run(
        ["ssh-keygen", "-q", "-Y", "sign", "-f", str(key), "-n", namespace, str(file)],
        check=True,
        capture_output=True,
    )
    return sealed


@contextmanager
def serving(folder: Path) -> Iterator[Sshd]:
    """A server in a folder of its own; ended with the test."""
    server = Sshd(folder, free_port())
    server.files.mkdir(parents=True)
    make_key(folder / "host")
    make_key(server.client_key)
    authorized = folder / "authorized_keys"
    authorized.write_text((folder / "client.pub").read_text())
    authorized.chmod(0o600)
    public = " ".join((folder / "host.pub").read_text().split()[:2])
    server.known_hosts.write_text(f"[127.0.0.1]:{server.port} {public}\n")
    (folder / "sshd_config").write_text(
        f"Port {server.port}\n"
        "ListenAddress 127.0.0.1\n"
        f"HostKey {folder}/host\n"
        f"PidFile {folder}/pid\n"
        f"AuthorizedKeysFile {authorized}\n"
        "AuthenticationMethods publickey\n"
        "PasswordAuthentication no\n"
        "StrictModes no\n"
        "UsePAM no\n"
        "PermitRootLogin yes\n"
        "Subsystem sftp internal-sftp\n"
        "ForceCommand internal-sftp\n"
        "LogLevel VERBOSE\n"
    )
    if os.geteuid() == 0:
        Path("/run/sshd").mkdir(exist_ok=True)  # where it leaves its privileges
    server.start()
    try:
        yield server
    finally:
        server.stop()


def _program() -> str | None:
    """The server must be called by its whole path."""
    return shutil.which("sshd") or shutil.which("sshd", path="/usr/sbin:/usr/local/sbin")
