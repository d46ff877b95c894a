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
    def lines(self) -> list[str]:
        """The lines to paste, in their order."""
        return [line for line in self.printed if line.strip() and not line.startswith("# ")]

    @property
    def requests(self) -> list[str]:
        """Those that ask the service something."""
        return [line for line in self.lines if line.startswith("curl ")]

    @property
    def proofs(self) -> list[str]:
        """Those that export the log and verify it."""
        return [line for line in self.lines if not line.startswith("curl ")]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    folder, port = tmp_path_factory.mktemp("demo"), free_port()
    arguments = ("demo", "--port", str(port), "--persons", "60")
    with started(folder, *arguments) as program:
        lines_until(program.stdout, "demo-tamper")
        first = interrupt(program)
    with started(folder, *arguments) as program:
        yield Demo(folder, port, first, lines_until(program.stdout, "demo-tamper"))


@pytest.fixture
def curl() -> None:
    """Skips where there is no curl, except in CI."""
    if shutil.which("curl"):
        return
    if os.getenv("REQUIRE_POSTGRES") == "1":
        pytest.fail("there is no curl, and CI skips nothing")
    pytest.skip("there is no curl to paste the printed lines into")


def paste(demo: Demo, line: str) -> Ended:
    """What a person sees who pastes the line into a second terminal in the folder."""
    shell = subprocess.run(
        ["sh", "-c", line],
        cwd=demo.folder,
        env={"PATH": os.getenv("PATH", "")},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    return Ended(shell.returncode, shell.stdout, shell.stderr)


def asked(demo: Demo, line: str) -> tuple[int, Any]:
    """The status and the body that a request is answered with."""
    ended = paste(demo, line)
    assert (ended.code, ended.err) == (0, "")
    body, status = ended.out.rsplit("\nHTTP ", 1)
    return int(status), json.loads(body)


def test_each_line_stands_alone_and_a_request_holds_its_token(demo: Demo) -> None:
    titles = [line for line in demo.printed if line.startswith("# ")]

    assert (len(demo.lines), len(titles)) == (6, 7)
    assert demo.lines == demo.requests + demo.proofs
    assert len(demo.requests) == 4
    assert all("Authorization: Bearer ey" in line for line in demo.requests)
    assert all(" --vkey protocolpoort.demo/log+" in line for line in demo.proofs)
    assert f"http://127.0.0.1:{demo.port}/" in titles[0]
    assert set(demo.printed) == {"\n", *titles, *demo.lines}


@pytest.mark.usefixtures("curl")
def test_the_lines_do_what_their_titles_say(demo: Demo) -> None:
    answers = [asked(demo, line) for line in demo.requests]

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


def test_the_log_is_exported_and_verified_and_a_forgery_is_found(demo: Demo) -> None:
    (demo.folder / "var" / "logboek.zip").write_text("of the last time that it was pasted")

    export, forgery = (paste(demo, line) for line in demo.proofs)

    manifest, first, *more = export.out.splitlines()
    count = int(first.split()[2])
    assert (export.code, manifest.startswith("sha256:")) == (0, True)
    assert first == f"In orde: {count} records, index 0 tot en met {count - 1}."
    assert "Het bereik is volledig" in more[0]
    assert "LET OP" not in export.out
    copy, verdict, place = forgery.out.splitlines()
    assert (forgery.code, copy) == (1, "var/logboek-vervalst.zip")
    assert verdict.startswith("NIET IN ORDE: ")
    assert place == f"Eerste foute index: {count // 2}"
    assert forgery.err == f"one letter of record {count // 2} was changed\n"


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
