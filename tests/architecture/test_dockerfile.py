"""The image cannot be built where no container engine is at hand: its recipe is read instead."""

import json
import re
import shlex
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

import pytest

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Instruction:
    """One instruction of a Dockerfile, its flags apart: `COPY --from=x a b`."""

    name: str
    flags: dict[str, str]
    text: str

    @property
    def words(self) -> list[str]:
        """The arguments, in the JSON form or in the shell form."""
        return json.loads(self.text) if self.text.startswith("[") else shlex.split(self.text)


def read_stages(text: str) -> list[list[Instruction]]:
    """The instructions of each stage; comments go, continued lines are joined."""
    lines = [line for line in text.splitlines() if line.strip() and not line.startswith("#")]
    stages: list[list[Instruction]] = []
    for line in re.sub(r"\\\n\s*", "", "\n".join(lines)).splitlines():
        name, _, rest = line.partition(" ")
        flags = dict[str, str]()
        while match := re.match(r"\s*--(\S+?)=(\S+)\s+", rest):
            flags[match[1]] = match[2]
            rest = rest[match.end() :]
        if name == "FROM":
            stages.append([])
        stages[-1].append(Instruction(name, flags, rest.strip()))
    return stages


def enters_image_context(path: str) -> bool:
    """Docker's rule: the last line that matches the path or a folder above it decides."""
    enters = True
    above = [str(folder) for folder in PurePosixPath(path).parents if folder.name]
    for line in (ROOT / ".dockerignore").read_text().splitlines():
        if not line.strip() or line.startswith("#"):
            continue
        pattern = re.escape(line.strip().removeprefix("!"))
        pattern = pattern.replace(r"\*\*/", "(.*/)?").replace(r"\*", "[^/]*")
        if any(re.fullmatch(pattern, name) for name in (path, *above)):
            enters = line.startswith("!")
    return enters


STAGES = read_stages((ROOT / "Dockerfile").read_text())
BUILDER, RUNTIME = STAGES
EVERYTHING = BUILDER + RUNTIME


def only(name: str, stage: list[Instruction] = RUNTIME) -> Instruction:
    """The one instruction of that name in the stage."""
    [instruction] = [instruction for instruction in stage if instruction.name == name]
    return instruction


def environment() -> dict[str, str]:
    """What ENV sets in the image that runs."""
    return dict(word.split("=", 1) for word in only("ENV").words)


@pytest.mark.parametrize("stage", STAGES)
def test_both_stages_stand_on_the_slim_image_of_one_python(stage: list[Instruction]) -> None:
    image = stage[0].words[0]

    assert re.fullmatch(r"python:3\.\d+-slim", image)
    assert image == STAGES[0][0].words[0]


def test_the_builder_installs_the_locked_wheels_and_nothing_else() -> None:
    installs = [i.text for i in EVERYTHING if i.name == "RUN" and "install " in i.text]

    [pip] = [text for text in installs if "pip " in text]
    assert "--require-hashes" in pip
    assert "--only-binary :all:" in pip
    assert "--requirement /build/requirements.lock" in pip


def test_no_system_package_is_installed_so_none_is_left_over() -> None:
    assert not [i for i in EVERYTHING if re.search(r"\b(apt|apt-get|dpkg|curl|wget)\b", i.text)]


def test_the_image_takes_its_files_from_the_builder_only() -> None:
    assert [i.flags.get("from") for i in RUNTIME if i.name in ("COPY", "ADD")] == ["builder"] * 2


@pytest.mark.parametrize(
    "source",
    [word for i in EVERYTHING if i.name == "COPY" and not i.flags for word in i.words[:-1]],
)
def test_what_is_copied_exists_and_enters_the_context(source: str) -> None:
    assert (ROOT / source).exists()
    assert enters_image_context(source)


@pytest.mark.parametrize("folder", ["app", "migrations", "openapi", "protocols"])
def test_the_service_stands_in_its_own_folder(folder: str) -> None:
    assert only("WORKDIR", BUILDER).text == only("WORKDIR").text == "/srv/protocolpoort"
    assert f"{folder} {folder}/" in [i.text for i in BUILDER if i.name == "COPY"]


def test_it_runs_as_a_numbered_user_without_rights() -> None:
    user = only("USER").text
    later = RUNTIME[RUNTIME.index(only("USER")) :]

    assert re.fullmatch(r"[1-9]\d{3,}:[1-9]\d{3,}", user)
    assert not [i for i in later if i.name in ("RUN", "COPY", "ADD")]


def test_its_root_file_system_can_be_read_only() -> None:
    assert environment()["PYTHONDONTWRITEBYTECODE"] == "1"
    assert only("VOLUME").words == ["/var/lib/protocolpoort"]
    assert "ln -s /var/lib/protocolpoort var" in BUILDER[-1].text
    assert "docker run --read-only --tmpfs /tmp" in (ROOT / "Dockerfile").read_text()


def test_the_health_check_needs_python_only_and_asks_the_port_that_is_served() -> None:
    command = only("HEALTHCHECK").text.partition("CMD ")[2]

    program, flag, code = json.loads(command)
    assert (program, flag) == ("python", "-c")
    compile(code, "HEALTHCHECK", "exec")
    assert f"http://127.0.0.1:{only('EXPOSE').text}/health" in code


def test_it_serves_by_default_and_passes_any_command_on() -> None:
    assert only("EXPOSE").text == "8000"
    assert only("ENTRYPOINT").words == ["python", "-m", "app.cli"]
    assert only("CMD").words == ["serve", "--host", "0.0.0.0"]  # noqa: S104  inside a container


def test_what_it_serves_by_default_is_a_command_of_ours() -> None:
    _, *module = only("ENTRYPOINT").words
    command, flag, _ = only("CMD").words

    told = subprocess.run(
        [sys.executable, *module, command, "--help"], cwd=ROOT, capture_output=True, text=True
    )

    assert told.returncode == 0, told.stderr
    assert flag in told.stdout


def test_the_service_runs_without_being_installed_as_a_package() -> None:
    modules = (ROOT / "app").rglob("*.py")

    assert [path.name for path in modules if "importlib.metadata" in path.read_text()] == []


def test_it_holds_no_setting_so_it_is_in_production_mode() -> None:
    assert not [i for i in EVERYTHING if "PROTOCOLPOORT_" in i.text]
    assert set(environment()) == {"PATH", "PYTHONDONTWRITEBYTECODE"}


def test_no_secret_passes_through_the_build() -> None:
    assert not [i for i in EVERYTHING if i.name in ("ARG", "ADD") or "secret" in i.flags.values()]
    assert not [i for i in EVERYTHING if re.search(r"(?i)passw|token|secret|\.key", i.text)]


@pytest.mark.parametrize(
    "path",
    [
        ".env",
        ".git/config",
        "app/.env",
        "app/.env.production",
        "app/__pycache__/cli.cpython-311.pyc",
        "app/var/demo-issuer.json",
        "migrations/dump.db-wal",
        "protocols/demo/voorbeeldstad.yaml",
        "protocols/issuer.jwk",
        "protocols/keys/sftp.pem",
        "protocols/log.key",
        "requirements-dev.lock",
        "settings.env",
        "tests/databases.py",
        "var/demo-issuer.json",
        "var/month-keys/2026-11.key",
        "var/protocolpoort.db",
    ],
)
def test_neither_secrets_nor_demo_data_can_enter_the_context(path: str) -> None:
    assert not enters_image_context(path)


@pytest.mark.parametrize(
    "path",
    ["app/cli.py", "app/routers/doc.py", "app/templates/doc.html", "protocols/genk-2021.yaml"],
)
def test_the_service_itself_enters_the_context(path: str) -> None:
    assert enters_image_context(path)
