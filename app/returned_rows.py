"""The file that VDAB gives back, line by line as it comes: bounded, and refused at its first fault.

Pure. UTF-8, `;` between values, a first line with the names of the columns, in any order; no line
ends within a value. What a line says is told by its number in the file and never by its content.
"""

import csv
import re
from collections.abc import Callable, Sequence

from app.insz import Insz, NotAnInsz
from app.monitoring import RETURNED

INSZ = "insz"
NAMES = (INSZ, *(column.name for column in RETURNED))
DELIMITER = ";"
LINE_LIMIT, VALUE_LIMIT = 4096, 500  # bytes; characters
PART = 1000  # rows that are handed on together

# What a program behind us could take for an end or a command; a tab is text.
_CONTROL = re.compile(r"[\x00-\x08\x0a-\x1f\x7f-\x9f]")

Row = tuple[str, ...]  # the number, then the values of RETURNED


class RowsUnfit(Exception):
    """The file is not what was agreed; the text says where and why, and holds no value."""


class RowReader:
    """Takes a file in pieces, and hands its rows on in parts with the number of their first line.

    Raises RowsUnfit as soon as something is not as agreed.
    """

    def __init__(self, take: Callable[[Sequence[Row], int], None]) -> None:
        self._take = take
        self._rest = b""
        self._line = 0
        self._order: list[int] | None = None
        self._rows: list[Row] = []

    def feed(self, piece: bytes) -> None:
        """The next piece, of any length."""
        lines = (self._rest + piece).split(b"\n")
        self._rest = lines.pop()
        for line in lines:
            self._read(line)
        if len(self._rest) > LINE_LIMIT:
            raise self._unfit(f"is longer than {LINE_LIMIT} bytes", ahead=1)

    def close(self) -> None:
        """The end of the file: what is left is the last line."""
        if self._rest:
            self._read(self._rest)
        self._rest = b""
        if self._order is None:
            raise RowsUnfit("the file is empty")
        self._hand_on()

    def _read(self, line: bytes) -> None:
        self._line += 1
        if len(line) > LINE_LIMIT:
            raise self._unfit(f"is longer than {LINE_LIMIT} bytes")
        values = self._values(line.removesuffix(b"\r"))
        if self._order is None:
            self._order = self._columns(values)
            return
        if len(values) != len(NAMES):
            raise self._unfit(f"does not have {len(NAMES)} values")
        if any(len(value) > VALUE_LIMIT for value in values):
            raise self._unfit(f"has a value of more than {VALUE_LIMIT} characters")
        if any(map(_CONTROL.search, values)):
            raise self._unfit("has a character that no text has")
        number, *rest = (values[at] for at in self._order)
        try:
            self._rows.append((Insz(number.strip()).digits, *rest))
        except NotAnInsz:
            raise self._unfit("has no valid number") from None
        if len(self._rows) == PART:
            self._hand_on()

    def _values(self, line: bytes) -> list[str]:
        try:
            text = line.decode("utf-8-sig" if self._line == 1 else "utf-8")
            [values] = csv.reader([text], delimiter=DELIMITER, strict=True)
        except UnicodeDecodeError:
            raise self._unfit("is not UTF-8") from None
        except (csv.Error, ValueError):  # no row at all: an empty line, or NUL and CR within
            raise self._unfit("is no row of values") from None
        return values

    def _columns(self, names: Sequence[str]) -> list[int]:
        """Where each column stands; what was not agreed is not taken in."""
        if sorted(names) != sorted(NAMES):
            raise self._unfit(f"does not name the columns {', '.join(NAMES)} and no other")
        return [names.index(name) for name in NAMES]

    def _hand_on(self) -> None:
        rows, self._rows = self._rows, []
        if rows:
            self._take(rows, self._line - len(rows) + 1)

    def _unfit(self, why: str, ahead: int = 0) -> RowsUnfit:
        return RowsUnfit(f"line {self._line + ahead} {why}")


def guarded(value: str) -> str:
    """A cell that a spreadsheet would compute gets an apostrophe, a negative number too."""
    return f"'{value}" if value.startswith(("=", "+", "-", "@", "\t", "\r")) else value
