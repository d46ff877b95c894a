"""`make demo`: synthetic persons, a service that answers, and lines to paste."""

import hashlib
import json
import shlex
import socket
import sys
import threading
import time
from collections.abc import Callable, Iterable, Sequence
from contextlib import suppress
from datetime import datetime, timedelta
from itertools import islice
from pathlib import Path
from zipfile import ZIP_DEFLATED, ZipFile

import httpx
import uvicorn
from fastapi import FastAPI

from app import access_log, dossiers, intake
from app.administration import Office
from app.canonical import canonical_json
from app.demo_persons import MEMBER_NOK, NON_RESIDENT, RESIDENT_WITH_CERTIFICATE, DemoPerson
from app.insz import Insz
from app.serving import SERVER
from app.tlog.bundle import INDEX, MANIFEST, RECORDS
from app.tokens import DemoIssuer

BATCH = 500
BUNDLE, FORGED = "var/logboek.zip", "var/logboek-vervalst.zip"
STARTUP = 30  # seconds that the service may take to answer


class PortTaken(Exception):
    """Another program listens on the port of the demo."""


def fill(office: Office, persons: Iterable[DemoPerson], now: datetime) -> int:
    """Store the synthetic persons; the number of new dossier versions. Repeating adds nothing."""
    new = 0
    remaining = iter(persons)
    while batch := list(islice(remaining, BATCH)):
        lines = [json.dumps(person.register) for person in batch]
        refused = [
            report
            for report in intake.import_lines(office.database, lines, lambda: now, production=False)
            if isinstance(report, intake.Skipped)
        ]
        assert not refused, refused  # noqa: S101 - the persons are ours
        with office.database.writing() as session:
            learned = access_log.learn(session, now)
            for person in batch:
                if person.blocks is not None:
                    new += dossiers.store(session, person.insz, person.blocks, now, learned)
                if person.fault is not None:
                    dossiers.store_fault(session, person.insz, person.fault, now, learned)
    with office.database.writing() as session:
        dossiers.declare_complete(session, now, access_log.learn(session, now))
    return new


def lines_to_paste(
    issuer: DemoIssuer, port: int, vkey: str, now: datetime
) -> list[tuple[str, str]]:
    """What to try, each as a Dutch title and one physical line that holds its token or its key."""
    base = f"http://127.0.0.1:{port}/inburgering/v1"
    city = issuer.issue("voorbeeldstad", "voorbeeldstad", ["inb_dossier_v1_G"], now)
    fund = issuer.issue("zorgkas-voorbeeld", "zorgkas-voorbeeld", ["inb_advies_v1_G"], now)
    auditor = issuer.issue("auditdienst", "auditdienst", ["inb_audit_v1_G"], now)
    resident, stranger = RESIDENT_WITH_CERTIFICATE, NON_RESIDENT
    return [
        (
            "Een toegelaten dossier (200)",
            _curl(f"{base}/dossiers/query", city, _dossier(resident), _PROFILE),
        ),
        (
            "Een geweigerd dossier: geen inwoner (403)",
            _curl(f"{base}/dossiers/query", city, _dossier(stranger), _PROFILE),
        ),
        (
            "Een advies aan een zorgkas (200)",
            _curl(f"{base}/adviezen/query", fund, _advice(MEMBER_NOK, now)),
        ),
        (
            "Deze toegangen, zoals de auditor ze ziet",
            _curl(f"{base}/toegangen/query", auditor, _audit(now)),
        ),
        (
            "Het logboek uitvoeren en nakijken: in orde",
            f"rm -f {BUNDLE} && {_command('log', 'export', BUNDLE)} && "
            f"{_command('log', 'verify', BUNDLE, '--vkey', vkey)}",
        ),
        (
            "Een vervalste kopie nakijken: niet in orde, en waar",
            f"{_command('log', 'demo-tamper', BUNDLE)} && "
            f"{_command('log', 'verify', FORGED, '--vkey', vkey)}",
        ),
    ]


def _command(*arguments: str) -> str:
    """A command of ours, as the program beside the Python that runs this."""
    program = Path(sys.executable).with_name("protocolpoort")
    if program.is_relative_to(Path.cwd()):
        program = program.relative_to(Path.cwd())
    return shlex.join(["env", "PROTOCOLPOORT_MODE=demo", str(program), *arguments])


def tamper(bundle: Path, copy: Path) -> int:
    """Copy an export with one character of a record changed, and its digest in the manifest.

    Returns the index of that record. Raises ValueError, LookupError or BadZipFile for a file that
    is no export with records.
    """
    with ZipFile(bundle) as source:
        files = {member.filename: source.read(member) for member in source.infolist()}
    manifest = json.loads(files[MANIFEST])
    lines = files[RECORDS].splitlines(keepends=True)
    place = len(lines) // 2
    lines[place] = lines[place].replace(b'"v":1', b'"v":2')
    files[RECORDS] = b"".join(lines)
    manifest["files"][RECORDS] = f"sha256:{hashlib.sha256(files[RECORDS]).hexdigest()}"
    files[MANIFEST] = canonical_json(manifest)
    with ZipFile(copy, "w", ZIP_DEFLATED) as target:
        for name, data in files.items():
            target.writestr(name, data)
    return int(files[INDEX].split()[place])


_PROFILE = ("-H", "X-Functieprofiel: trajectondersteuner")


def _dossier(insz: Insz) -> dict[str, object]:
    return {"insz": insz.digits, "doeleinde": "lokaalIntegratiebeleid", "referte": "demo-dossier"}


def _advice(insz: Insz, now: datetime) -> dict[str, object]:
    return {
        "insz": insz.digits,
        "doeleinde": "zorgbudgetZwaarZorgbehoevenden",
        "toetsdatum": (now - timedelta(days=1)).date().isoformat(),
        "referte": "demo-advies",
    }


def _audit(now: datetime) -> dict[str, object]:
    return {
        "van": (now - timedelta(days=1)).isoformat(timespec="seconds"),
        "tot": (now + timedelta(days=1)).isoformat(timespec="seconds"),
        "pageSize": 5,
        "aanleiding": "kennismaking met de demo",
    }


def _curl(url: str, token: str, body: dict[str, object], more: Sequence[str] = ()) -> str:
    return shlex.join(
        [
            *("curl", "-sS", "-w", "\\nHTTP %{http_code}\\n", "-X", "POST", url),
            *("-H", f"Authorization: Bearer {token}"),
            *("-H", "X-Magda-Enduser-ID: demo-gebruiker"),
            *more,
            *("-H", "Content-Type: application/json"),
            *("-d", json.dumps(body)),
        ]
    )


def listen(port: int) -> socket.socket:
    """Take the port before anything else is done. Raises PortTaken."""
    # Only for a socket that says it is TCP does asyncio turn off the delay of small packets.
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM, socket.IPPROTO_TCP)
    listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        listener.bind(("127.0.0.1", port))
    except OSError:
        listener.close()
        raise PortTaken from None
    return listener


def serve(app: FastAPI, listener: socket.socket, ready: Callable[[], None]) -> None:
    """Serve until interrupted; call `ready` once /health answers."""
    port = listener.getsockname()[1]
    server = uvicorn.Server(uvicorn.Config(app, log_level="warning", **SERVER))
    threading.Thread(target=_announce, args=(port, ready), daemon=True).start()
    # uvicorn has closed everything when it raises the Ctrl-C again.
    with listener, suppress(KeyboardInterrupt):
        server.run(sockets=[listener])


def _announce(port: int, ready: Callable[[], None]) -> None:
    deadline = time.monotonic() + STARTUP
    while time.monotonic() < deadline:
        try:
            if httpx.get(f"http://127.0.0.1:{port}/health", trust_env=False).is_success:
                ready()
                return
        except httpx.HTTPError:
            pass  # not yet listening
        time.sleep(0.1)
