"""`protocolpoort demo`, which `make demo` runs: what it prints works when it is pasted."""

import json
import os
import shutil
import socket
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from programs import Ended, Within, free_port, interrupt, lines_until, started


@dataclass(frozen=True)
class Demo:
    """A demo that serves for the second time in its folder, and how the first time ended."""

    folder: Path
    port: int
    first: Ended
    printed: list[str]

    @property
    def requests(self) -> list[str]:
        """The lines to paste."""
        return [line for line in self.printed if line.startswith("curl ")]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder, port = tmp_path_factory.mktemp("demo"), free_port()
    arguments = ("demo", "--port", str(port), "--persons", "60")
    with started(folder, *arguments) as program:
        lines_until(program.stdout, "curl ", 4)
        first = interrupt(program)
    with started(folder, *arguments) as program:
        yield Demo(folder, port, first, lines_until(program.stdout, "curl ", 4))


@pytest.fixture
def curl() -> None:
    """Skips where there is no curl, except in CI."""
    if shutil.which("curl"):
        return
    if os.getenv("REQUIRE_POSTGRES") == "1":
        pytest.fail("there is no curl, and CI skips nothing")
    pytest.skip("there is no curl to paste the printed lines into")


def paste(demo: Demo, line: str) -> tuple[int, Any]:
    """What a person sees who pastes the line into a shell: the status and the body."""
    shell = subprocess.run(
        ["sh", "-c", line], cwd=demo.folder, capture_output=True, text=True, check=True, timeout=30
    )
    body, status = shell.stdout.rsplit("\nHTTP ", 1)
    return int(status), json.loads(body)


def test_each_request_is_one_line_that_holds_its_token(demo: Demo) -> None:
    titles = [line for line in demo.printed if line.startswith("# ")]

    assert len(demo.requests) == 4
    assert all("Authorization: Bearer ey" in line for line in demo.requests)
    assert f"http://127.0.0.1:{demo.port}/" in titles[0]
    assert set(demo.printed) == {"\n", *titles, *demo.requests}


@pytest.mark.usefixtures("curl")
def test_the_lines_do_what_their_titles_say(demo: Demo) -> None:
    answers = [paste(demo, line) for line in demo.requests]

    (_, dossier), (_, refusal), (_, advice), (_, found) = answers
    assert [status for status, _ in answers] == [200, 403, 200, 200]
    assert dossier["dossier"]["attest"] == {"inburgeringBehaald": True}
    assert refusal["type"] == "urn:problem-type:inburgering:geenInschrijving"
    assert advice["advice"] == "NOK"
    assert [(item["operation"], item["status"], item["href"]) for item in found["items"][:3]] == [
        ("queryAdvies", 200, f"/inburgering/v1/toegangen/{advice['id']}"),
        (
            "queryDossier",
            403,
            f"/inburgering/v1/toegangen/{refusal['instance'][len('urn:uuid:') :]}",
        ),
        ("queryDossier", 200, f"/inburgering/v1/toegangen/{dossier['id']}"),
    ]


@pytest.mark.usefixtures("own_folder")
def test_a_taken_port_is_said_and_ends_the_command(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])

        ended = Within(monkeypatch, capfd)("demo", "--port", port, "--persons", "3")

    assert (ended.code, ended.out) == (1, "")
    assert f"port {port} of 127.0.0.1 is taken: choose another one with PORT=\n" in ended.err


def test_ctrl_c_ends_it_cleanly(demo: Demo) -> None:
    assert demo.first == Ended(0, "", "60 synthetic persons ...\n")
