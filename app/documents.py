"""Documents and lists of the register as text, as data and as a hash. Pure."""

import json
from typing import Any

from pydantic import ValidationError

from app import canonical, plain_yaml
from app.agreement import Document
from app.notation import DocumentInvalid, Fault, place_of
from app.plain_yaml import Unreadable
from app.register_lists import LISTS, RegisterList

Content = Document | RegisterList


def parse(text: str) -> Content:
    """Read one YAML 1.2 text: a protocol document, or a list when it has the key `lijst`.

    Raises `DocumentInvalid` with every fault that was found. A fault in the YAML itself is
    reported alone, by line; a rule that joins several parts (a document's, a purpose's) is
    checked once those parts hold.
    """
    try:
        data = plain_yaml.read(text)
    except Unreadable as found:
        raise DocumentInvalid([Fault(found.place, found.rule)]) from None
    return from_data(data)


def from_data(data: Any) -> Content:
    """As `parse`, from plain data with dates as ISO strings (the stored JSON of `as_data`)."""
    if not isinstance(data, dict):
        raise DocumentInvalid([Fault("document", "must be a mapping of keys to values")])
    model: type[Document] | type[RegisterList] = Document
    if "lijst" in data:
        kind = data["lijst"]
        if not isinstance(kind, str) or kind not in LISTS:
            raise DocumentInvalid([Fault("lijst", "must be one of " + ", ".join(LISTS))])
        model = LISTS[kind]
    try:
        # Through JSON, strictness means: text is text, a list a list, a number a number.
        return model.model_validate_json(json.dumps(data))
    except TypeError:
        raise DocumentInvalid([Fault("document", "every key must be text")]) from None
    except ValidationError as error:
        found = [(each["loc"], each["type"], each["msg"]) for each in error.errors()]
        raise DocumentInvalid(
            [
                Fault(place_of(loc), rule)
                for loc, kind, rule in found
                # An item that is at fault makes its list too short as well: said once.
                if kind != "too_short"
                or not any(other != loc and other[: len(loc)] == loc for other, *_ in found)
            ]
        ) from None
    except ValueError:  # a number of more digits than Python writes out
        raise DocumentInvalid([Fault("document", "holds a number out of reach")]) from None


def as_data(document: Content) -> dict[str, Any]:
    """The document as it was written: Dutch keys, dates as ISO strings, no default filled in."""
    return document.model_dump(mode="json", by_alias=True, exclude_unset=True)


def document_hash(document: Document) -> str:
    """`sha256:` and hex over the canonical JSON of `as_data`: layout and comments do not count.

    Anybody can recompute it from the file: YAML to JSON, RFC 8785, SHA-256.
    """
    return canonical.digest(as_data(document))
