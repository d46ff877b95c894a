"""Promises of the repository itself: locks, licence, documents, and what must never stand in it."""

import re
import stat
import tomllib
from collections.abc import Iterator
from hashlib import sha256
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
KBI_ANSWERS = ROOT.parent / "shared" / "kbi" / "antwoorden"

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
DEVELOPMENT = PROJECT["optional-dependencies"]["dev"]
LOCKS = ("requirements.lock", "requirements-dev.lock")

GENERATED = {"var", "dist", "__pycache__"}
# In two parts, so that this file passes its own test.
REGISTRY_HOSTS = [
    ".".join(parts)
    for parts in (
        ("pypi", "org"),
        ("pythonhosted", "org"),
        ("npmjs", "org"),
        ("debian", "org"),
        ("docker", "io"),
        ("ghcr", "io"),
    )
]


def files(folder: Path = ROOT) -> Iterator[Path]:
    """Every file of the repository; not what git, Python and the checks leave beside it."""
    for entry in sorted(folder.iterdir()):
        if entry.name in GENERATED or (entry.name.startswith(".") and entry.name != ".ci"):
            continue
        if entry.is_dir():
            yield from files(entry)
        elif entry.is_file():
            yield entry


def names(requirements: list[str]) -> set[str]:
    """The packages that a list of requirements names."""
    return {normal(re.split(r"[\[<>=!~; ]", line)[0]) for line in requirements}


def normal(package: str) -> str:
    """One spelling of a package's name (PEP 503)."""
    return re.sub(r"[-_.]+", "-", package).lower()


def locked(lock: str) -> dict[str, str]:
    """Package to its block in the lock file: version, conditions and hashes."""
    blocks = re.split(r"^(?=\S)", (ROOT / lock).read_text(), flags=re.MULTILINE)
    return {normal(re.split(r"\[|==", block)[0]): block for block in blocks if block}


def makefile_targets() -> set[str]:
    return set(re.findall(r"^([a-z-]+):", (ROOT / "Makefile").read_text(), flags=re.MULTILINE))


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_file_holds_versions_and_hashes_and_no_addresses(lock: str) -> None:
    blocks = locked(lock)

    assert [name for name, block in blocks.items() if "==" not in block] == []
    assert [name for name, block in blocks.items() if "--hash=sha256:" not in block] == []
    assert not re.search(r"://|--(index|extra-index|find-links)|^-[if]", (ROOT / lock).read_text())


def test_the_locks_hold_every_direct_dependency() -> None:
    assert names(PROJECT["dependencies"]) <= locked("requirements.lock").keys()
    assert names(PROJECT["dependencies"] + DEVELOPMENT) <= locked("requirements-dev.lock").keys()


def test_what_is_served_is_what_was_tested() -> None:
    tested = locked("requirements-dev.lock")

    assert [n for n, block in locked("requirements.lock").items() if tested[n] != block] == []


def test_every_direct_dependency_is_explained_once() -> None:
    text = (ROOT / "docs" / "dependencies.md").read_text()

    explained = re.findall(r"^\| `([^`]+)` \|", text, flags=re.MULTILINE)

    assert sorted(map(normal, explained)) == sorted(names(PROJECT["dependencies"] + DEVELOPMENT))


def test_no_file_names_the_host_of_a_package_registry() -> None:
    pattern = re.compile("|".join(map(re.escape, REGISTRY_HOSTS)).encode())

    assert [str(path) for path in files() if pattern.search(path.read_bytes())] == []


def test_no_answer_of_the_kbi_was_copied_into_the_repository() -> None:
    if not KBI_ANSWERS.is_dir():
        pytest.skip(f"the answers of the KBI are not at {KBI_ANSWERS.relative_to(ROOT.parent)}")
    answers = {sha256(path.read_bytes()).digest() for path in KBI_ANSWERS.iterdir()}

    assert answers
    assert [str(p) for p in files() if sha256(p.read_bytes()).digest() in answers] == []


def test_protocols_are_documents_and_hold_no_persons() -> None:
    protocols = list(files(ROOT / "protocols"))

    assert protocols
    assert {path.suffix for path in protocols} == {".yaml"}
    assert [
        p.name for p in protocols if re.search(r"<\?xml|GeefDossierKBI\W*>", p.read_text())
    ] == []
    assert [p.name for p in protocols if re.search(r"\b\d{11}\b", p.read_text())] == []


def test_the_licence_is_the_whole_eupl() -> None:
    text = (ROOT / "LICENSE").read_text()

    assert PROJECT["license"] == "EUPL-1.2"
    assert text.startswith("EUROPEAN UNION PUBLIC LICENCE v. 1.2\n")
    articles = re.findall(r"^(\d+)\.[A-Z]", text, flags=re.MULTILINE)
    assert articles == [str(number) for number in range(1, 16)]
    assert text.endswith("require the production of a new EUPL version.\n")


@pytest.mark.parametrize("command", ["demo", "test"])
def test_the_two_commands_of_the_readme_exist(command: str) -> None:
    assert f"make {command}" in (ROOT / "README.md").read_text()
    assert command in makefile_targets()


def test_documents_name_only_make_targets_that_exist() -> None:
    documents = [path for path in files() if path.suffix == ".md"]

    named = {
        target for path in documents for target in re.findall(r"`make ([a-z-]+)", path.read_text())
    }

    assert named <= makefile_targets()


def test_every_link_between_documents_leads_somewhere() -> None:
    broken = [
        f"{path.relative_to(ROOT)}: {target}"
        for path in files()
        if path.suffix == ".md"
        for target in re.findall(r"\]\(([^)#\s]+)", path.read_text())
        if "://" not in target and not (path.parent / target).exists()
    ]

    assert broken == []


def test_ci_runs_every_check_and_skips_no_database() -> None:
    script = ROOT / ".ci" / "run"

    assert script.stat().st_mode & stat.S_IXUSR
    lines = script.read_text().splitlines()
    assert "set -euo pipefail" in lines
    required = "export REQUIRE_POSTGRES=1 REQUIRE_CHROMIUM=1 REQUIRE_AGE=1 REQUIRE_OPENSSH=1"
    assert lines[-3:] == [required, "make check", "make test"]


def test_decision_records_are_numbered_and_complete() -> None:
    records = list(files(ROOT / "docs" / "adr"))

    assert [path.name[:5] for path in records] == [f"{n:04}-" for n in range(1, len(records) + 1)]
    for path in records:
        text = path.read_text()
        assert re.match(
            rf"# {path.name[:4]} .+\n\nAccepted, \d{{4}}-\d\d-\d\d\. Supersedes: ", text
        )
        assert re.findall(r"^## (.+)$", text, flags=re.MULTILINE) == [
            "Context",
            "Decision",
            "Consequences",
            "Alternatives",
            "Enforced by",
        ]


def test_every_name_that_the_glossary_gives_stands_in_the_code() -> None:
    rows = re.findall(
        r"^\|[^|]+\|([^|]+)\|", (ROOT / "docs" / "glossary.md").read_text(), flags=re.MULTILINE
    )
    code = "\n".join(path.read_text() for path in files(ROOT / "app") if path.suffix == ".py")

    names_in_code = [name for cell in rows for name in re.findall(r"`([^`]+)`", cell)]

    assert names_in_code
    assert [n for n in names_in_code if not re.search(rf"\b{re.escape(n)}\b", code)] == []
