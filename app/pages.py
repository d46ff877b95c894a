"""What every page shares: the templates, the style that stands inside them, and what a browser may
do with them: nothing but show them."""

import hashlib
import re
from base64 import b64encode
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

from jinja2 import Environment, FileSystemLoader, StrictUndefined
from markupsafe import Markup, escape

TEMPLATES = Path(__file__).parent / "templates"


def render(template: str, **values: Any) -> str:
    """A page as HTML; every value is escaped."""
    return _environment().get_template(template).render(values)


@cache
def _environment() -> Environment:
    environment = Environment(
        loader=FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.filters |= {"prose": prose, "inline": inline}
    # Our own file, and the one thing that must stand in the page as it is.
    environment.globals["style"] = Markup(style())  # noqa: S704 - our own style sheet
    return environment


@cache
def style() -> str:
    """The style sheet of the pages, which stands inside them."""
    return (TEMPLATES / "style.css").read_text(encoding="utf-8")


@cache
def headers() -> Mapping[str, str]:
    """No script, no frame, no other origin: a page can load nothing but its own style."""
    fingerprint = b64encode(hashlib.sha256(style().encode()).digest()).decode()
    policy = (
        f"default-src 'none'; style-src 'sha256-{fingerprint}'; "
        "base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
    )
    return {
        "Content-Security-Policy": policy,
        "Referrer-Policy": "no-referrer",
        "X-Content-Type-Options": "nosniff",
    }


def prose(text: str) -> Markup:
    """Paragraphs, lists, `code` and *emphasis* of a description, as HTML; all else is escaped."""
    return Markup().join(_block(block) for block in text.split("\n\n"))


def _block(block: str) -> Markup:
    if not block.startswith("- "):
        return Markup("<p>{}</p>").format(inline(block))
    items = [inline(item) for item in block.removeprefix("- ").split("\n- ")]
    return Markup("<ul>{}</ul>").format(
        Markup().join(Markup("<li>{}</li>").format(item) for item in items)
    )


def inline(text: str) -> Markup:
    """`code` and *emphasis* of one line, as HTML; all else is escaped."""
    marked = re.sub(r"`([^`]+)`|\*([^*]+)\*", _marked, str(escape(text)))
    # Escaped before it was marked: the only tags are ours.
    return Markup(marked)  # noqa: S704


def _marked(found: re.Match[str]) -> str:
    return f"<code>{found[1]}</code>" if found[1] else f"<em>{found[2]}</em>"
