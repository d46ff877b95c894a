"""YAML in which what one reads is what there is: no aliases, tags or duplicates. Pure."""

import re
import unicodedata
from typing import Any

from ruamel.yaml import YAML
from ruamel.yaml.composer import Composer
from ruamel.yaml.constructor import DuplicateKeyError, SafeConstructor
from ruamel.yaml.error import MarkedYAMLError, YAMLError
from ruamel.yaml.events import AliasEvent, ScalarEvent

from app.insz import contains_insz

MAX_BYTES = 200_000  # a long protocol takes a tenth; more would only keep a reader busy
TOO_LARGE = f"is larger than {MAX_BYTES} bytes"
MAX_DEPTH = 20
# An escape as `\ud800` that no other one completes: no character, and no UTF-8.
_HALF = re.compile("[\ud800-\udbff](?![\udc00-\udfff])|(?<![\ud800-\udbff])[\udc00-\udfff]")


class Unreadable(Exception):
    """The text is no plain YAML: the place (a line, or the document) and the rule."""

    def __init__(self, place: str, rule: str) -> None:
        super().__init__(f"{place}: {rule}")
        self.place = place
        self.rule = rule


class _PlainComposer(Composer):
    """No aliases, anchors, tags, merge keys or half characters: what one reads is what there is."""

    def compose_node(self, parent: Any, index: Any) -> Any:
        event = self.parser.peek_event()
        text = event.value if isinstance(event, ScalarEvent) else ""
        if isinstance(event, AliasEvent) or event.anchor or event.tag or text == "<<":
            raise MarkedYAMLError(
                problem="aliases, anchors, tags and merge keys are refused",
                problem_mark=event.start_mark,
            )
        if isinstance(event, ScalarEvent) and (rule := _unprintable(event.value)):
            raise MarkedYAMLError(problem=rule, problem_mark=event.start_mark)
        if _HALF.search(text):
            raise MarkedYAMLError(problem="holds half a character", problem_mark=event.start_mark)
        return super().compose_node(parent, index)


def _unprintable(text: str) -> str | None:
    """What may not stand in a text that everybody reads, and the log and a screen show."""
    # Category C: control characters, and those that turn the direction of a line around.
    if any(unicodedata.category(char) in ("Cc", "Cf") and char not in "\n\t" for char in text):
        return "holds a control character"
    return "holds a national number" if contains_insz(text) else None


class _PlainConstructor(SafeConstructor):
    """Dates stay text here, so that a wrong one is reported with its place."""


_PlainConstructor.add_constructor("tag:yaml.org,2002:timestamp", SafeConstructor.construct_yaml_str)


def read(text: str) -> Any:
    """YAML 1.2 as plain data, dates as text. Raises `Unreadable` with the place and the rule."""
    if len(text.encode("utf-8", "surrogatepass")) > MAX_BYTES:
        raise Unreadable("document", TOO_LARGE)
    if text.startswith("\ufeff"):
        raise Unreadable("document", "begins with a byte order mark")
    # `%YAML 1.1` would make `yes` a boolean.
    if re.search(r"^%", text, re.MULTILINE):
        raise Unreadable("document", "directives are refused")
    yaml = YAML(typ="safe", pure=True)
    yaml.Composer = _PlainComposer
    yaml.Constructor = _PlainConstructor
    yaml.max_depth = MAX_DEPTH
    try:
        return yaml.load(text)
    except DuplicateKeyError as error:
        raise Unreadable(_line(error), "a key stands twice") from None
    except MarkedYAMLError as error:
        deep = "max_depth" in str(error.problem)
        rule = f"is nested deeper than {MAX_DEPTH} levels" if deep else str(error.problem)
        raise Unreadable(_line(error), rule) from None
    except (YAMLError, ValueError):  # an unprintable character; a number of 5,000 digits
        raise Unreadable("document", "is no readable YAML") from None


def _line(error: MarkedYAMLError) -> str:
    return f"line {error.problem_mark.line + 1}"
