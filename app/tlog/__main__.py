"""`python -m app.tlog verify BUNDLE`: the verifier as a program; needs `cryptography` only."""

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

from app.tlog import verifier
from app.tlog.note import MAX_NOTE, NoteInvalid, Vkey

INTACT = 0
NOT_INTACT = 1  # argparse itself ends with 2 for wrong usage


def main(arguments: Sequence[str] | None = None) -> int:
    """Verify a bundle and say so; the exit code. Wrong usage ends the program with 2."""
    parser = argparse.ArgumentParser(
        prog="python -m app.tlog", description="Controleert een export uit het toegangslogboek."
    )
    commands = parser.add_subparsers(dest="command", required=True)
    verify = commands.add_parser("verify", help="controleer een pakket (zip of map)")
    verify.add_argument("bundle", type=Path, metavar="BUNDLE")
    verify.add_argument(
        "--vkey", type=_vkey, action="append", help="bekende sleutel; mag meer dan een keer"
    )
    verify.add_argument("--older", type=_note, metavar="FILE", help="checkpoint van vroeger")
    verify.add_argument("--manifest", metavar="sha256:...", help="bekende hash van het manifest")
    verify.add_argument(
        "--record", type=Path, metavar="FILE", help="BUNDLE is een .tlog-proof van dit record"
    )
    given = parser.parse_args(arguments)

    if given.record:
        if not given.vkey:
            parser.error("een bewijs vraagt een bekende sleutel: --vkey")
        told, holds = verifier.prove(given.bundle, given.record, given.vkey)
        (sys.stdout if holds else sys.stderr).write(f"{told}\n")
        return INTACT if holds else NOT_INTACT

    verdict = verifier.verify(given.bundle, given.vkey, given.older, given.manifest)

    output = sys.stdout if verdict.intact else sys.stderr
    output.write("".join(f"{line}\n" for line in verifier.told(verdict)))
    return INTACT if verdict.intact else NOT_INTACT


def _vkey(text: str) -> Vkey:
    try:
        return Vkey.parse(text)
    except NoteInvalid as error:
        raise argparse.ArgumentTypeError(str(error)) from None


def _note(path: str) -> str:
    try:
        with Path(path).open("rb") as file:
            return file.read(MAX_NOTE + 1).decode()
    except (OSError, ValueError):
        raise argparse.ArgumentTypeError(f"{path} is niet te lezen") from None


if __name__ == "__main__":
    sys.exit(main())
