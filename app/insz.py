"""The national number of a person (INSZ): parsed once, never shown."""

import re
import unicodedata
from dataclasses import dataclass

_MONTHS = frozenset(raised + month for raised in (0, 20, 40, 60) for month in range(13))
_NO_DIGIT = re.compile("[^0-9]+")
# By Unicode category: what a reader does not see at all, any space, any dash.
_LOOKS_LIKE = {"Cf": "", "Zs": " ", "Pd": "-"}
# The written form 90.72.25-014.78, with whatever else than letters and digits in its places.
_BETWEEN = r"[^0-9A-Za-z]{0,3}"
_WRITTEN = re.compile(
    rf"(?<![0-9])(?=({_BETWEEN.join(('[0-9]{2}',) * 3 + ('[0-9]{3}', '[0-9]{2}'))})(?![0-9]))"
)


class NotAnInsz(ValueError):
    """The text is no national number; the message does not hold the text."""

    def __init__(self) -> None:
        super().__init__("not a valid national number")


@dataclass(frozen=True, order=True, repr=False)
class Insz:
    """Eleven digits with a right form and checksum; `digits` is the only way to the number.

    Raises `NotAnInsz`. A month or day of 00 is unknown; a month may be raised by 20 or 40 (BIS
    register) or 60 (test). A birth date is never derived from it.
    """

    digits: str

    def __post_init__(self) -> None:
        if not (_well_formed(self.digits) and int(self.digits[9:]) in _checksums(self.digits[:9])):
            raise NotAnInsz

    def __repr__(self) -> str:
        return "Insz(...)"

    @property
    def is_test(self) -> bool:
        """True for a test number: month raised by 60, which no register hands out."""
        return int(self.digits[2:4]) >= 60


def contains_insz(text: str) -> bool:
    """True when the text is or holds a valid number, written with or without separators.

    For references, headers and free text, where no national number may stand. Digits of any
    script count, for a reader recognises them too, and invisible characters do not.
    """
    if text.isascii() and len(_NO_DIGIT.sub("", text)) < 11:
        return False
    plain = "".join(
        _LOOKS_LIKE.get(unicodedata.category(char), str(unicodedata.decimal(char, char)))
        for char in text
    )
    candidates = [plain, *_WRITTEN.findall(plain)]
    return any(_is_valid(re.sub("[^0-9A-Za-z]", "", candidate)) for candidate in candidates)


def _is_valid(text: str) -> bool:
    try:
        Insz(text)
    except NotAnInsz:
        return False
    return True


def _well_formed(text: str) -> bool:
    if not re.fullmatch(r"[0-9]{11}", text):
        return False
    return int(text[2:4]) in _MONTHS and int(text[4:6]) <= 31


def _checksums(base: str) -> frozenset[int]:
    # Persons born from 2000 on are computed with a leading 2.
    return frozenset(97 - int(prefix + base) % 97 for prefix in ("", "2"))
