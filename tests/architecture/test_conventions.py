"""Rules of the code that no linter knows."""

import ast
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from fastapi.routing import APIRoute
from programs import environment
from test_repository import ROOT, files

from app.routers import (
    adviezen,
    deelnemers,
    dev,
    doc,
    dossiers,
    health,
    lijsten,
    log,
    meldingen,
    mijn_raadplegingen,
    mijn_toegang,
    protocollen,
    toegangen,
)

MODULES = [path for path in files(ROOT / "app") if path.suffix == ".py"]
PYTHON = [path for path in files() if path.suffix == ".py"]
ROUTERS = (
    *(adviezen, deelnemers, dev, doc, dossiers, health, lijsten, log),
    *(meldingen, mijn_raadplegingen, mijn_toegang, protocollen, toegangen),
)

# Mailboxes of functions, as the texts of the protocols give them. A person has no place here.
MAILBOXES = {
    "informatieveiligheid@genk.be",
    "informatieveiligheid@oost-vlaanderen.be",
    "ondersteuning.connect@integratie-inburgering.be",
    "privacy@mechelen.be",
    "vlaamsesocialebescherming@vlaanderen.be",
}
ADDRESS = re.compile(r"[\w.%+-]+@(?:[\w-]+\.)+[a-z]{2,}", re.IGNORECASE)
RESERVED = re.compile(r"(example\.org|\.example)$")  # RFC 2606: these reach nobody

SERVED = """
import asyncio, sys
from pathlib import Path
from app import cli, deps
from app.settings import Mode
from app.tokens import DemoIssuer, Verifier

issuer = DemoIssuer.load_or_create(Path("issuer.json"), Mode.DEMO)
verifier = Verifier([issuer.profile], keys={issuer.profile.issuer: issuer.public_keys})
token = issuer.issue("voorbeeldstad", "voorbeeldstad", ["inb_dossier_v1_G"], deps.read_clock())
caller = asyncio.run(verifier.verify(f"Bearer {token}", deps.read_clock()))
print(caller.organisation, {"ecdsa", "rsa"} & sys.modules.keys())
"""


def calls(path: Path) -> Iterator[tuple[str, str]]:
    """The function around each call in a module (empty at the top), and what it calls."""
    waiting: list[tuple[str, ast.AST]] = [("", ast.parse(path.read_text(encoding="utf-8")))]
    while waiting:
        within, node = waiting.pop()
        if isinstance(node, ast.Call):
            yield within, ast.unparse(node.func)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            within = node.name
        waiting += [(within, child) for child in ast.iter_child_nodes(node)]


def imports(path: Path) -> Iterator[str]:
    """Every module that a module imports, and every name that it imports from one."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield from (f"{node.module}.{alias.name}" for alias in node.names)


def test_only_one_function_reads_the_clock() -> None:
    readers = [
        (path.name, within, called)
        for path in MODULES
        for within, called in calls(path)
        if re.search(r"\.(now|utcnow|today)$", called)
    ]

    assert readers == [("deps.py", "read_clock", "datetime.now")]


def test_only_the_assembly_reads_the_environment() -> None:
    readers = {
        path.name
        for path in MODULES
        if re.search(r"\bos\.(environ|getenv)\b", path.read_text(encoding="utf-8"))
    }

    assert readers == {"console.py", "main.py"}


def test_nothing_is_mocked() -> None:
    assert [
        (path.name, name)
        for path in PYTHON
        for name in imports(path)
        if name.startswith(("unittest", "mock", "pytest_mock"))
    ] == []


def test_no_silenced_check_is_without_its_name() -> None:
    silenced = [
        (path.name, line)
        for path in PYTHON
        for line in path.read_text(encoding="utf-8").splitlines()
        if re.search(r"#\s*(noqa(?!: [A-Z]+\d+)|type: ignore(?!\[)|pragma: no cover)", line)
    ]

    assert silenced == []


def test_every_module_says_what_it_is_for() -> None:
    said = {path: ast.get_docstring(ast.parse(path.read_text())) for path in MODULES}

    assert [path.name for path, text in said.items() if not text and path.read_text()] == []


@pytest.mark.parametrize("router", ROUTERS, ids=lambda module: module.__name__)
def test_every_route_has_its_text(router: object) -> None:
    routes = [route for route in router.router.routes if isinstance(route, APIRoute)]  # type: ignore[attr-defined]

    assert routes
    assert [route.path for route in routes if not route.endpoint.__doc__] == []


def test_no_address_of_a_person_stands_in_the_repository() -> None:
    found = {
        address
        for path in files()
        for address in ADDRESS.findall(path.read_bytes().decode("utf-8", "replace"))
    }

    assert {address for address in found if not RESERVED.search(address)} == MAILBOXES


def test_no_path_of_one_machine_stands_in_the_repository() -> None:
    # In parts, so that this file passes its own test.
    pattern = re.compile(r"(?<![\w.])/(" + "|".join(("work", "root", "home", "Users")) + r")/\w")

    assert [str(path) for path in files() if pattern.search(path.read_text("utf-8"))] == []


def test_a_running_service_loads_no_python_cryptography(tmp_path: Path) -> None:
    """`ecdsa` and `rsa` come with python-jose and leak through their timing (SECURITY.md)."""
    done = subprocess.run(
        [sys.executable, "-c", SERVED],
        cwd=tmp_path,
        env=environment(),
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.stdout == "voorbeeldstad set()\n", done.stderr
