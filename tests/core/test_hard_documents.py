"""Documents that are meant to hurt: each is one named fault, in little memory."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from programs import PATIENCE, environment
from service import ROOT

from app import document_files, documents, plain_yaml
from app.notation import DocumentInvalid, Fault

GENK = (ROOT / "protocols" / "genk-2021.yaml").read_text(encoding="utf-8")
TEN_MEGABYTES, TEN_GIGABYTES = 10_000_000, 10_000_000_000
TOO_LARGE = Fault("document", "is larger than 200000 bytes")
TOO_DEEP = Fault("line 1", "is nested deeper than 20 levels")
INDIRECT = Fault("line 1", "aliases, anchors, tags and merge keys are refused")
NO_UTF8 = Fault("document", "is no text in UTF-8")
NO_MAPPING = Fault("document", "must be a mapping of keys to values")
OUT_OF_REACH = Fault("document", "holds a number out of reach")
NO_YAML = Fault("document", "is no readable YAML")
LAUGHS = "a0: &a0 [x, x]\n" + "".join(
    f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 9)}]\n" for n in range(1, 30)
)


def twice(line: int) -> Fault:
    """The fault of a key that stands there a second time."""
    return Fault(f"line {line}", "a key stands twice")


def half(line: int) -> Fault:
    """The fault of a surrogate that stands alone."""
    return Fault(f"line {line}", "holds half a character")


# Reads and checks the file that its argument names, in an address space of 512 MiB.
CONFINED = """
import resource, sys
from pathlib import Path
from app import document_files, documents
from app.notation import DocumentInvalid

resource.setrlimit(resource.RLIMIT_AS, (1 << 29, 1 << 29))
try:
    documents.parse(document_files.read_text(Path(sys.argv[1])))
except DocumentInvalid as invalid:
    print(invalid)
"""


def faults(path: Path) -> tuple[Fault, ...]:
    """What is wrong with a file."""
    with pytest.raises(DocumentInvalid) as caught:
        documents.parse(document_files.read_text(path))
    return caught.value.faults


def written(folder: Path, content: str | bytes) -> Path:
    """A file with this content."""
    path = folder / "document.yaml"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return path


HARD: dict[str, tuple[str | bytes, Fault]] = {
    "10 MB": ("a: " + "x" * TEN_MEGABYTES, TOO_LARGE),
    "one byte too many": ("é" * 100_000 + "x", TOO_LARGE),
    "cut off within a character": ("é" * 100_001, TOO_LARGE),
    "1 MB in one line": ('titel: "' + "x" * 1_000_000 + '"', TOO_LARGE),
    "a line of nearly all bytes": ("x" * 200_000, NO_MAPPING),
    "a billion laughs": (LAUGHS, INDIRECT),
    "100,000 brackets": ("[" * 100_000, TOO_DEEP),
    "100,000 pairs of brackets": ("[" * 100_000 + "]" * 100_000, TOO_DEEP),
    "100,000 braces": ("{" * 100_000, TOO_DEEP),
    "lists in lists": ("- " * 90_000, TOO_DEEP),
    "keys in keys": ("? " * 90_000, TOO_DEEP),
    "a duplicate key": ("a:\n  b: 1\n  c: 1\n  b: 1\n", twice(4)),
    "a duplicate key in quotes": ('a: 1\n"a": 1\n', twice(2)),
    "10,000 times the same key": ("{" + "? a, " * 10_000 + "}", twice(1)),
    "NUL": (GENK.replace("Genk", "Ge\0nk", 1), NO_YAML),
    "an escape character": ("a: \x1b[2J", NO_YAML),
    "an unpaired surrogate in bytes": (b"a: \xed\xa0\x80", NO_UTF8),
    "an unpaired surrogate in an escape": ('a: ["\\udc00\\ud800"]', half(1)),
    "an unpaired surrogate in a key": ('a: 1\n"\\ud83d": 1', half(2)),
    "a byte order mark": ("\ufeff" + GENK, Fault("document", "begins with a byte order mark")),
    "UTF-16": (GENK.encode("utf-16"), NO_UTF8),
    "UTF-16 without a mark": ("a: 1".encode("utf-16-le"), NO_YAML),
    "Latin-1": ("a: é".encode("latin-1"), NO_UTF8),
    "a number of 190,000 digits": ("a: 0x" + "f" * 190_000, OUT_OF_REACH),
    "nothing": ("", NO_MAPPING),
}


@pytest.mark.parametrize(("content", "fault"), HARD.values(), ids=HARD)
def test_a_hard_document_is_one_fault(content: str | bytes, fault: Fault, tmp_path: Path) -> None:
    assert faults(written(tmp_path, content)) == (fault,)


def test_a_pair_of_escapes_is_one_character() -> None:
    assert plain_yaml.read('a: "\\ud83d\\ude00"') == {"a": "\ud83d\ude00"}


@pytest.mark.parametrize(
    "content", [GENK.replace("\n", "\r\n"), GENK + "\n" * 100_000], ids=["CRLF", "blank lines"]
)
def test_line_ends_mean_nothing(content: str, tmp_path: Path) -> None:
    path = written(tmp_path, content)

    read = documents.parse(document_files.read_text(path))

    assert documents.as_data(read) == documents.as_data(documents.parse(GENK))


def test_a_file_of_the_largest_size_is_read(tmp_path: Path) -> None:
    text = GENK + "#" * (plain_yaml.MAX_BYTES - len(GENK.encode()))

    assert document_files.read_text(written(tmp_path, text)) == text


def sparse(path: Path) -> None:
    """A file of 10 GB that takes no disk."""
    path.touch()
    os.truncate(path, TEN_GIGABYTES)


NO_FILES: dict[str, tuple[Callable[[Path], object], Fault]] = {
    "a directory": (Path.mkdir, Fault("file", "cannot be read: IsADirectoryError")),
    "a FIFO": (os.mkfifo, Fault("file", "is no plain file")),
    "a device without end": (
        lambda path: path.symlink_to("/dev/zero"),
        Fault("file", "is no plain file"),
    ),
    "a link to itself": (
        lambda path: path.symlink_to(path),
        Fault("file", "cannot be read: OSError"),
    ),
    "nothing": (lambda path: None, Fault("file", "cannot be read: FileNotFoundError")),
    "10 GB": (sparse, TOO_LARGE),
}


@pytest.mark.parametrize(("make", "fault"), NO_FILES.values(), ids=NO_FILES)
def test_what_is_no_plain_file_is_one_fault(
    make: Callable[[Path], object], fault: Fault, tmp_path: Path
) -> None:
    path = tmp_path / "document.yaml"
    make(path)

    assert faults(path) == (fault,)


@pytest.mark.parametrize(
    "name", ["a billion laughs", "100,000 pairs of brackets", "lists in lists"]
)
def test_a_hard_document_needs_little_memory(name: str, tmp_path: Path) -> None:
    content, fault = HARD[name]

    assert confined(written(tmp_path, content)) == f"{fault.place}: {fault.rule}\n"


def test_a_file_that_is_too_large_never_comes_into_memory(tmp_path: Path) -> None:
    sparse(path := tmp_path / "document.yaml")

    assert confined(path) == f"{TOO_LARGE.place}: {TOO_LARGE.rule}\n"


def confined(path: Path) -> str:
    """What reading a file prints in a process with little memory."""
    done = subprocess.run(
        [sys.executable, "-c", CONFINED, str(path)],
        cwd=path.parent,
        env=environment(),
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    assert done.stderr == ""
    return done.stdout
