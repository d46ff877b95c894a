"""The file of a list: its lines, and the manifest that says what it is. Pure."""

import csv
import hashlib
import io
import re
import zipfile
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from enum import StrEnum
from typing import Any

FORMAT = "protocolpoort-lijst/1"
MANIFEST, SIGNATURE = "manifest.json", "manifest.note"
# genk-2021, art. 6: what an e-mail with the file must say.
DISCLAIMER = (
    "Dit bestand is enkel bestemd voor de ontvanger die het manifest noemt. Wordt het per e-mail "
    "verstuurd, dan dient de e-mail onmiddellijk verwijderd te worden indien de ontvanger niet de "
    "bestemde ontvanger is."
)
# What a spreadsheet takes for a formula, and not for text; the wide ones too.
_FORMULA = tuple("=+-@\uff1d\uff0b\uff0d\uff20")
# Where one may begin another cell: in Belgium a semicolon separates.
_INNER = re.compile(rf"([;\t\r\n]\s*)(?=[{re.escape(''.join(_FORMULA))}])")


class Form(StrEnum):
    """How the lines are written."""

    CSV = "csv"
    JSONL = "jsonl"

    @property
    def file(self) -> str:
        """The name of the file with the lines."""
        return f"lijst.{self.value}"


def head(form: Form, leaves: Sequence[str]) -> bytes:
    """What stands before the first person: in CSV the ids of the fields."""
    return _row(leaves) if form is Form.CSV else b""


def line(form: Form, leaves: Sequence[str], document: Mapping[str, Any], as_json: bytes) -> bytes:
    """One person: `document` holds nothing but these leaves, `as_json` is the same in JSON."""
    if form is Form.JSONL:
        return as_json + b"\n"
    return _row([" | ".join(map(_text, _values(document, leaf.split(".")))) for leaf in leaves])


def _row(cells: Sequence[str]) -> bytes:
    """RFC 4180, in UTF-8."""
    made = io.StringIO()
    csv.writer(made, lineterminator="\r\n").writerow(map(guarded, cells))
    return made.getvalue().encode()


def guarded(text: str) -> str:
    """Text that no spreadsheet runs: what would be a formula gets an apostrophe before it."""
    text = _INNER.sub(r"\1'", text)
    risky = text[:1] in {"\t", "\r", "\n"} or text.lstrip().startswith(_FORMULA)
    return f"'{text}" if risky else text


def _text(value: Any) -> str:
    if isinstance(value, bool):
        return "ja" if value else "nee"
    if isinstance(value, dict):  # an address is one field
        return ", ".join(f"{name}: {_text(part)}" for name, part in value.items())
    return str(value)


def _values(node: Any, path: Sequence[str]) -> Iterator[Any]:
    """What stands at a path of the catalogue, where `[]` goes through a list."""
    if not path:
        yield from node if isinstance(node, list) else [node]
        return
    name, rest = path[0], path[1:]
    below = node.get(name.removesuffix("[]"))
    for each in below if isinstance(below, list) and rest else [below]:
        if each is not None:
            yield from _values(each, rest)


def manifest_text(origin: str, manifest: bytes) -> str:
    """What the log signs of a manifest: its first line is that of no checkpoint."""
    return f"{origin}/lijst\nsha256:{hashlib.sha256(manifest).hexdigest()}\n"


def pack(
    form: Form, lines: Iterable[bytes], manifest: Callable[[str], Iterable[tuple[str, bytes]]]
) -> Iterator[bytes]:
    """A zip with the lines, and then what `manifest` makes of their digest; as it is made."""
    target = _Piece()
    digest = hashlib.sha256()
    with zipfile.ZipFile(target, "w", zipfile.ZIP_DEFLATED) as archive:
        with archive.open(_entry(form.file), "w", force_zip64=True) as file:
            for each in lines:
                digest.update(each)
                file.write(each)
                yield target.taken()
        for name, content in manifest(f"sha256:{digest.hexdigest()}"):
            archive.writestr(_entry(name), content)
            yield target.taken()
    yield target.taken()


def _entry(name: str) -> zipfile.ZipInfo:
    """Without a moment of its own: the manifest has the one that counts."""
    entry = zipfile.ZipInfo(name)
    entry.compress_type = zipfile.ZIP_DEFLATED
    entry.external_attr = 0o600 << 16
    return entry


class _Piece(io.RawIOBase):
    """A file that is only written, and taken away as it grows: nobody goes back in it."""

    def __init__(self) -> None:
        self._held = bytearray()

    def write(self, piece: Any) -> int:
        """Keep it until it is taken."""
        self._held += piece
        return len(piece)

    def taken(self) -> bytes:
        """What was written since the last time."""
        held, self._held = bytes(self._held), bytearray()
        return held
