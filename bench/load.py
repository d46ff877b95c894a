"""Servers under load: starting them, asking them with wrk, and what they take for it."""

import http.client
import json
import os
import random
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from app.serving import SERVER

ROOT = Path(__file__).parents[1]
SCRIPT = ROOT / "bench" / "load.lua"
STARTUP = 60  # seconds that a server may take to answer
TICKS = os.sysconf("SC_CLK_TCK")

WRK = "no wrk: on Debian `apt-get install wrk` brings it"

# uvicorn as our own command runs it, for any application; its options come as JSON.
_UVICORN = """
import json, sys, uvicorn
name, port, workers, options = sys.argv[1:]
uvicorn.run(name, host="127.0.0.1", port=int(port), workers=int(workers),
            factory=name.endswith(":create_app"), timeout_worker_healthcheck=60,
            log_level="warning", **json.loads(options))
"""


class Wrong(Exception):
    """An answer was wrong, or a record is missing; the text says which and holds no number."""


def missing() -> str | None:
    """Why no load can be made here; None where it can."""
    return None if shutil.which("wrk") else WRK


@dataclass(frozen=True)
class Questions:
    """What is asked in a round; `size` persons in each request."""

    mode: str  # dossier, advice, constant
    path: str
    file: Path
    tokens: Path
    size: int = 1


@dataclass(frozen=True)
class Heard:
    """What wrk heard in one round."""

    requests: int
    seconds: float
    p50: float  # milliseconds
    p99: float
    asked: int

    @property
    def rate(self) -> float:
        """Answers in a second."""
        return self.requests / self.seconds


def heard(output: str) -> Heard:
    """Read what the script told at the end. Raises Wrong."""
    found = re.findall(r"^\{.*\}$", output, re.MULTILINE)
    if not found:
        raise Wrong(f"wrk said nothing: {output[-500:]}")
    told = json.loads(found[-1])
    if told["wrong"] or told["errors"]:
        raise Wrong(
            f"{told['wrong']} wrong answers ({told['first']}) and {told['errors']} errors "
            f"among {told['judged']}"
        )
    if told["judged"] < told["requests"]:
        raise Wrong("an answer was not looked at")
    return Heard(
        requests=told["requests"],
        seconds=told["microseconds"] / 1e6,
        p50=told["p50"] / 1000,
        p99=told["p99"] / 1000,
        asked=told["asked"],
    )


def ask(
    port: int, questions: Questions, connections: int, seconds: int, chance: random.Random
) -> Heard:
    """Ask for so long over so many connections. Raises Wrong."""
    begin = str(chance.randrange(1_000_000))
    ended = subprocess.run(  # noqa: S603 - our own command
        [
            *("wrk", "-t", "1", "-c", str(connections), "-d", f"{seconds}s"),
            *("--timeout", "60s", "-s", str(SCRIPT), f"http://127.0.0.1:{port}/", "--"),
            *(questions.mode, questions.path, str(questions.file), str(questions.tokens)),
            *(begin, str(questions.size)),
        ],
        capture_output=True,
        text=True,
    )
    if ended.returncode:
        raise Wrong(f"wrk: {ended.stdout[-500:]}{ended.stderr[-500:]}")
    return heard(ended.stdout)


# -- what a process takes


def family(root: int) -> list[int]:
    """A process and all below it."""
    children: dict[int, list[int]] = {}
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit() and (stat := _stat(int(entry.name))):
            children.setdefault(int(stat[1]), []).append(int(entry.name))
    found, ahead = [], [root]
    while ahead:
        found.append(ahead.pop())
        ahead += children.get(found[-1], [])
    return found


def _stat(process: int) -> list[str]:
    """The fields behind the name, which may hold anything; none when it has ended."""
    try:
        return Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return []


def cpu(root: int) -> float:
    """Seconds of CPU of a process and all below it, those that have ended included."""
    ticks = 0
    for process in family(root):
        if stat := _stat(process):
            ticks += sum(int(stat[place]) for place in (11, 12, 13, 14))
    return ticks / TICKS


def memory(root: int, name: str) -> float:
    """Megabytes of a process and all below it: VmRSS now, or VmHWM at most."""
    kilobytes = 0
    for process in family(root):
        try:
            status = Path(f"/proc/{process}/status").read_text()
        except OSError:
            continue
        if found := re.search(rf"^{name}:\s+(\d+) kB", status, re.MULTILINE):
            kilobytes += int(found[1])
    return kilobytes / 1024


# -- servers


@dataclass(frozen=True)
class Server:
    """A server that answers on a port of 127.0.0.1."""

    name: str
    port: int
    process: int
    idle: float  # megabytes before anything was asked

    def post(self, path: str, token: str, body: Mapping[str, Any]) -> tuple[int, Any]:
        """One question; the status and the answer."""
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=60)
        headers = {
            "Authorization": f"Bearer {token}",
            "X-Magda-Enduser-ID": "ambtenaar-7",
            "X-Functieprofiel": "trajectondersteuner",
            "Content-Type": "application/json",
        }
        try:
            connection.request("POST", path, json.dumps(body).encode(), headers)
            response = connection.getresponse()
            return response.status, json.loads(response.read())
        finally:
            connection.close()


def free_port() -> int:
    """A port of 127.0.0.1 that nobody listens on."""
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
    return port


def uvicorn_of(name: str, workers: int = 1) -> Callable[[int], list[str]]:
    """The command line that serves an application with the options of our own command."""
    options = json.dumps(dict(SERVER))
    return lambda port: [sys.executable, "-c", _UVICORN, name, str(port), str(workers), options]


def ours(workers: int = 1) -> Callable[[int], list[str]]:
    """The command line of the service, as an operator has it."""
    return lambda port: [
        *(sys.executable, "-m", "app.cli", "serve"),
        *("--port", str(port), "--workers", str(workers)),
    ]


@contextmanager
def serving(
    name: str,
    command: Callable[[int], Sequence[str]],
    environment: Mapping[str, str],
    folder: Path,
    wrapper: Sequence[str] = (),
) -> Iterator[Server]:
    """A server that is ready to answer; asked to stop in the end, and killed when it does not."""
    port = free_port()
    known = {"PATH": os.getenv("PATH", ""), "PYTHONPATH": str(ROOT), **environment}
    said = folder / f"{name}.log"
    with (
        said.open("w") as output,
        subprocess.Popen(  # noqa: S603 - our own command
            [*wrapper, *command(port)], cwd=folder, env=known, stdout=output, stderr=output
        ) as program,
    ):
        process = program.pid
        try:
            if not _is_healthy(program, port):
                raise Wrong(f"{name} does not start: {said.read_text()[-1000:]}")
            time.sleep(0.5)  # the other workers
            if wrapper:
                process = family(process)[1]
            yield Server(name, port, process, memory(process, "VmRSS"))
        finally:
            with suppress(ProcessLookupError):
                os.kill(process, signal.SIGTERM)
            try:
                program.wait(15)
            except subprocess.TimeoutExpired:
                program.kill()


def _is_healthy(program: subprocess.Popen[bytes], port: int) -> bool:
    deadline = time.monotonic() + STARTUP
    while program.poll() is None and time.monotonic() < deadline:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=5)
        try:
            connection.request("GET", "/health")
            if connection.getresponse().status == 200:
                return True
        except OSError:
            pass  # not yet listening
        finally:
            connection.close()
        time.sleep(0.1)
    return False
