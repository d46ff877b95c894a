"""Files that only their owner reads: in place whole, or not there."""

import hashlib
import os
import subprocess
import sys
from pathlib import Path

import pytest
from programs import environment

from app.secret_files import PIECE, digest_of, shred, streamed


def test_a_file_that_is_written_in_pieces_is_whole_and_for_its_owner(tmp_path: Path) -> None:
    file = tmp_path / "uit" / "a.bin"

    with streamed(file) as draft:
        draft.write(b"one ")
        assert not file.exists()
        draft.write(b"two")

    assert file.read_bytes() == b"one two"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    assert draft.digest == digest_of(file) == f"sha256:{hashlib.sha256(b'one two').hexdigest()}"


def test_what_is_cut_off_leaves_what_was_there(tmp_path: Path) -> None:
    file = tmp_path / "a.bin"
    file.write_bytes(b"before")

    def cut_off() -> None:
        with streamed(file) as draft:
            draft.write(b"half")
            raise KeyError

    with pytest.raises(KeyError):
        cut_off()

    assert file.read_bytes() == b"before"
    assert list(tmp_path.iterdir()) == [file]


FULL = """
import resource, signal, sys
from pathlib import Path
from app.secret_files import streamed
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
try:
    with streamed(Path(sys.argv[1])) as draft:
        for _ in range(1000):
            draft.write(bytes(1000))
except OSError as full:
    print(full.strerror)
"""


def test_a_disk_that_is_full_leaves_nothing_behind(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FULL, str(tmp_path / "a.bin")],
        env=environment(),
        capture_output=True,
        text=True,
        check=True,
    )

    assert done.stdout == "File too large\n"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("size", [0, 1, PIECE, PIECE + 1])
def test_a_file_is_overwritten_before_it_goes(tmp_path: Path, size: int) -> None:
    file, copy = tmp_path / "a.bin", tmp_path / "link.bin"
    file.write_bytes(b"x" * size)
    os.link(file, copy)  # the same bytes under another name

    shred(file)

    assert copy.read_bytes() == bytes(size)
    assert not file.exists()
    shred(file)  # nothing when it is gone
