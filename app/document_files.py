"""Files of the register as text: plain files of a bounded size, whatever stands in the folder."""

import os
import stat
from pathlib import Path

from app.notation import DocumentInvalid, Fault
from app.plain_yaml import MAX_BYTES, TOO_LARGE


def read_text(path: Path) -> str:
    """The text of one document or list, in UTF-8.

    Raises `DocumentInvalid` with one fault. What is no plain file is not waited for, and of a
    larger file than a document may be (`plain_yaml.MAX_BYTES`) one byte too many is read.
    """
    try:
        with open(path, "rb", opener=_without_waiting) as file:
            if not stat.S_ISREG(os.fstat(file.fileno()).st_mode):
                raise DocumentInvalid([Fault("file", "is no plain file")])
            content = file.read(MAX_BYTES + 1)
    except OSError as error:
        rule = f"cannot be read: {type(error).__name__}"
        raise DocumentInvalid([Fault("file", rule)]) from None
    if len(content) > MAX_BYTES:
        raise DocumentInvalid([Fault("document", TOO_LARGE)])
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError:
        raise DocumentInvalid([Fault("document", "is no text in UTF-8")]) from None


def _without_waiting(path: str, flags: int) -> int:
    # A FIFO that nobody writes to would hold the reader for ever.
    return os.open(path, flags | os.O_NONBLOCK)
