"""One MAGDA answer, GeefDossierKBI-01.00, from XML to JSON values with nothing lost."""

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date, datetime, time
from typing import Any

from lxml import etree

from app.fields import KBI, Element, Kind, json_name
from app.insz import Insz, NotAnInsz, contains_insz
from app.moments import BRUSSELS

_ANSWER = (
    "{http://webservice.GeefDossierKBI-01.00.kbi-01.00.vip.vlaanderen.be}GeefDossierKBIResponse"
)
_SOAP = (
    "{http://schemas.xmlsoap.org/soap/envelope/}",
    "{http://www.w3.org/2003/05/soap-envelope}",
)
_BOOLEANS = {"0": False, "false": False, "1": True, "true": True}
# From year 1000 on, so that every moment can be told in UTC too.
_DATE = re.compile(r"[1-9][0-9]{3}-[0-9]{2}-[0-9]{2}")
_TIME = re.compile(r"[0-9]{2}:[0-9]{2}(:[0-9]{2}(\.[0-9]{1,6})?)?")


class NotAnAnswer(Exception):
    """The bytes are no GeefDossierKBI-01.00 answer; `reason` names the path and rule, no value."""

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True)
class Notice:
    """A MAGDA exception (Uitzondering) as the answer words it."""

    code: str  # Identificatie: 30001, 99996
    origin: str
    type: str  # FOUT, WAARSCHUWING or INFORMATIE
    diagnosis: str


@dataclass(frozen=True)
class AnswerFault(Notice):
    """The answer says that the question failed; the exception stands under Repliek or Antwoord."""

    made_at: datetime


@dataclass(frozen=True)
class Dossier:
    """One person's dossier: JSON block name to JSON value; a block without a value is absent."""

    insz: Insz
    made_at: datetime  # Bericht/Tijdstip, Brussels time
    blocks: dict[str, Any] = field(repr=False)
    notices: tuple[Notice, ...] = ()  # what is no FOUT


def parse_answer(xml: bytes) -> Dossier | AnswerFault:
    """Read one answer, with or without its SOAP envelope. Raises `NotAnAnswer`.

    An exception of type FOUT beside a dossier is a fault: the question was not fully met.
    An element or attribute that the schema does not know is refused, never dropped.
    """
    reply = _only(_answer(_tree(xml)), "Repliek")
    _refuse_others(reply, "Context", "Antwoorden", "Uitzonderingen")
    made_at = _made_at(_only(_only(_only(reply, "Context"), "Bericht"), "Tijdstip"))
    answer = _sole_answer(reply)
    notices = tuple(notice for part in (reply, answer) for notice in _notices(part))
    for notice in notices:
        if notice.type == "FOUT":
            return AnswerFault(**vars(notice), made_at=made_at)
    blocks = _blocks(answer)
    return Dossier(_insz(blocks), made_at, blocks, notices)


def _tree(xml: bytes) -> etree._Element:
    try:
        text = xml.decode("utf-8")
    except UnicodeDecodeError:
        raise NotAnAnswer("not UTF-8") from None
    # Refused before the parser sees it: without a document type there are no entities to expand.
    if "<!DOCTYPE" in text:
        raise NotAnAnswer("a document type declaration is refused")
    parser = etree.XMLParser(
        encoding="utf-8",  # whatever the declaration says: what was searched is what is parsed
        resolve_entities=False,
        no_network=True,
        load_dtd=False,
        huge_tree=False,  # bounds the depth at 256
        remove_comments=True,
        remove_pis=True,
    )
    try:
        return etree.fromstring(xml, parser)
    except etree.XMLSyntaxError as error:
        # libxml2's own words may quote the file.
        raise NotAnAnswer(f"not well-formed XML, line {error.lineno}") from None


def _answer(root: etree._Element) -> etree._Element:
    """The answer itself, out of its SOAP envelope."""
    for soap in _SOAP:
        if root.tag == soap + "Envelope":
            return _only(_only(root, soap + "Body"), _ANSWER)
    if root.tag != _ANSWER:
        raise NotAnAnswer("the root is no GeefDossierKBIResponse of version 01.00")
    return root


def _sole_answer(reply: etree._Element) -> etree._Element | None:
    """The one Antwoord; None where an exception stands in its place."""
    answers = _optional(reply, "Antwoorden")
    if answers is None:
        return None
    _refuse_others(answers, "Antwoord")
    answer = _optional(answers, "Antwoord")
    if answer is not None:
        _refuse_others(answer, "Referte", "Inhoud", "Uitzonderingen")
    return answer


def _blocks(answer: etree._Element | None) -> dict[str, Any]:
    if answer is None:
        raise NotAnAnswer("Repliek: neither an Antwoord nor an Uitzondering of type FOUT")
    content = _only(answer, "Inhoud")
    _refuse_others(content, "KBIDossier")
    blocks: dict[str, Any] = _value(_only(content, "KBIDossier"), KBI, "KBIDossier") or {}
    return blocks


def _insz(blocks: dict[str, Any]) -> Insz:
    try:
        return Insz(blocks.get("personalia", {}).get("insz", ""))
    except NotAnInsz:
        raise NotAnAnswer("KBIDossier/Personalia/INSZ: not a valid national number") from None


def _made_at(moment: etree._Element) -> datetime:
    day, hour = _text_of(moment, "Datum"), _text_of(moment, "Tijd")
    try:
        if _DATE.fullmatch(day) and _TIME.fullmatch(hour):
            return datetime.combine(date.fromisoformat(day), time.fromisoformat(hour), BRUSSELS)
    except ValueError:
        pass
    raise NotAnAnswer("Repliek/Context/Bericht/Tijdstip: not a date and a time") from None


def _notices(parent: etree._Element | None) -> Iterator[Notice]:
    exceptions = None if parent is None else _optional(parent, "Uitzonderingen")
    if exceptions is None:
        return
    _refuse_others(exceptions, "Uitzondering")
    for exception in exceptions:
        notice = Notice(
            code=_text_of(exception, "Identificatie"),
            origin=_plain(_text_of(exception, "Oorsprong")),
            type=_text_of(exception, "Type"),
            diagnosis=_plain(_text_of(exception, "Diagnose")),
        )
        if not re.fullmatch(r"[0-9]{1,10}", notice.code):
            raise NotAnAnswer("Uitzondering/Identificatie: must be a number of at most 10 digits")
        if notice.type not in ("FOUT", "WAARSCHUWING", "INFORMATIE"):
            raise NotAnAnswer("Uitzondering/Type: not in the schema")
        yield notice


def _plain(text: str) -> str:
    """One line, shown to an operator: a national number in it is not."""
    return "?" if contains_insz(text) else " ".join(text.split())


def _optional(parent: etree._Element, name: str) -> etree._Element | None:
    found = parent.findall(name)
    if len(found) > 1:
        raise NotAnAnswer(f"{_shown(parent.tag)}/{_shown(name)}: more than one")
    return found[0] if found else None


def _only(parent: etree._Element, name: str) -> etree._Element:
    found = _optional(parent, name)
    if found is None:
        raise NotAnAnswer(f"{_shown(parent.tag)}/{_shown(name)}: missing")
    return found


def _text_of(parent: etree._Element, name: str) -> str:
    text = (_only(parent, name).text or "").strip()
    if not text:
        raise NotAnAnswer(f"{_shown(parent.tag)}/{name}: empty")
    return text


def _refuse_others(parent: etree._Element, *known: str) -> None:
    for child in parent:
        if child.tag not in known:
            raise NotAnAnswer(f"{_shown(parent.tag)}/{_shown(child.tag)}: not in the schema")


def _value(xml: etree._Element, element: Element, path: str) -> Any:
    """The JSON value of one element; None when nothing is left of it. Raises `NotAnAnswer`."""
    attributes = _attributes(xml, element, path)
    members = _members(xml, element, path)
    if element.kind is Kind.ARRAY:
        return members.get(element.children[0].json)
    if element.kind is Kind.OBJECT:
        return {**attributes, **members} or None
    text = (xml.text or "").strip()
    if element.kind is Kind.CODE:
        return ({"code": text} if text else {}) | attributes or None
    if element.kind is Kind.TEXT or not text:
        return text or None
    if text not in _BOOLEANS:
        raise NotAnAnswer(f"{path}: not a boolean")
    return _BOOLEANS[text]


def _attributes(xml: etree._Element, element: Element, path: str) -> dict[str, str]:
    for name in xml.attrib:
        if name not in element.attributes:
            raise NotAnAnswer(f"{path}/@{_shown(str(name))}: not in the schema")
    values = {json_name(str(name)): str(value).strip() for name, value in xml.attrib.items()}
    return {name: value for name, value in values.items() if value}


def _members(xml: etree._Element, element: Element, path: str) -> dict[str, Any]:
    """The child elements by JSON name, a list for one that may repeat; nothing that is empty."""
    known = {child.xml: child for child in element.children}
    seen: dict[str, list[Any]] = {}
    for xml_child in xml:
        child = known.get(xml_child.tag)
        if child is None:
            raise NotAnAnswer(f"{path}/{_shown(xml_child.tag)}: not in the schema")
        values = seen.setdefault(child.xml, [])
        values.append(_value(xml_child, child, f"{path}/{child.xml}"))
        if len(values) > 1 and not child.repeated:
            raise NotAnAnswer(f"{path}/{child.xml}: more than one")
    if known and _has_own_text(xml):
        raise NotAnAnswer(f"{path}: text between elements")
    filled = {name: [v for v in values if v is not None] for name, values in seen.items()}
    return {
        known[name].json: values if known[name].repeated else values[0]
        for name, values in filled.items()
        if values
    }


def _has_own_text(xml: etree._Element) -> bool:
    return any((text or "").strip() for text in (xml.text, *(child.tail for child in xml)))


def _shown(tag: str) -> str:
    """A name of the file as a reason may show it: whatever was put in it, no national number."""
    name = etree.QName(tag).localname
    return "?" if contains_insz(name) else name[:60]
