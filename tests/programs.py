"""The commands as programs of their own: what they print, where, and how they end."""

import os
import shutil
import signal
import socket
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

import pytest
from service import ROOT

from app import cli
from app.settings import PREFIX

PATIENCE = 60  # seconds before a program that hangs is killed


@dataclass(frozen=True)
class Ended:
    """How a program ended, and what it printed."""

    code: int
    out: str
    err: str


def environment(**settings: str) -> dict[str, str]:
    """A clean environment in demo mode; `settings` without their prefix replace or add."""
    chosen = {"MODE": "demo", "PROTOCOLS": str(ROOT / "protocols"), **settings}
    return {
        "PATH": os.getenv("PATH", ""),
        "PYTHONPATH": str(ROOT),
        **{PREFIX + name: value for name, value in chosen.items()},
    }


def run(folder: Path, *arguments: str, **settings: str) -> Ended:
    """Run a command in `folder` until it ends."""
    done = subprocess.run(
        _command(arguments),
        cwd=folder,
        env=environment(**settings),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    return Ended(done.returncode, done.stdout, done.stderr)


class Within:
    """Runs commands within this process, which saves importing the application again."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]) -> None:
        self._monkeypatch, self._capfd = monkeypatch, capfd

    def __call__(self, *arguments: str, **settings: str) -> Ended:
        """Run a command in the current folder until it ends."""
        for name in [name for name in os.environ if name.startswith(PREFIX)]:  # noqa: TID251
            self._monkeypatch.delenv(name)
        for name, value in environment(**settings).items():
            self._monkeypatch.setenv(name, value)
        self._monkeypatch.setattr("sys.argv", ["protocolpoort", *arguments])
        with pytest.raises(SystemExit) as ended:
            cli.run()
        assert isinstance(ended.value.code, int)
        return Ended(ended.value.code, *self._capfd.readouterr())


@contextmanager
def started(folder: Path, *arguments: str, **settings: str) -> Iterator[subprocess.Popen[str]]:
    """A command that serves, its output in pipes; killed when it outstays PATIENCE or the test."""
    with subprocess.Popen(
        _command(arguments),
        cwd=folder,
        env=environment(**settings),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        # A line that is never printed becomes the end of the output, and not a wait for ever.
        guard = threading.Timer(PATIENCE, program.kill)
        guard.start()
        try:
            yield program
        finally:
            guard.cancel()
            program.kill()


def interrupt(program: subprocess.Popen[str]) -> Ended:
    """Ctrl-C, and how the program ended."""
    program.send_signal(signal.SIGINT)
    out, err = program.communicate(timeout=PATIENCE)
    return Ended(program.returncode, out, err)


def lines_until(output: IO[str] | None, text: str, count: int = 1) -> list[str]:
    """The lines of a pipe, read as they come, up to the `count`th that holds `text`."""
    lines: list[str] = []
    for line in output or ():
        lines.append(line)
        count -= text in line
        if count == 0:
            return lines
    pytest.fail(f"the output ended before {text!r}: {lines}")


def free_port() -> int:
    """A port of 127.0.0.1 that nothing listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port


def _command(arguments: Sequence[str]) -> list[str]:
    return [sys.executable, "-m", "app.cli", *arguments]


def age(*arguments: str) -> bytes:
    """What the real `age` writes; its package is age. Skips where it is not installed."""
    if shutil.which("age") is None:
        if os.getenv("REQUIRE_AGE"):
            pytest.fail("there is no age, and REQUIRE_AGE is set")
        pytest.skip("there is no age: `apt-get install age`")
    done = subprocess.run(["age", *arguments], capture_output=True, timeout=PATIENCE, check=True)
    return done.stdout
