"""The protocol of Voorbeeldstad with other parts: what a test lays in the register."""

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from service import ROOT, Service

from app import administration, documents
from app.agreement import Document
from app.documents import Content
from app.protocols import Source

ID, PURPOSE = "voorbeeldstad-2026", "lokaalIntegratiebeleid"
_FILE = ROOT / "protocols" / "demo" / "voorbeeldstad.yaml"
DATA = documents.as_data(documents.parse(_FILE.read_text(encoding="utf-8")))
_PURPOSE = DATA["doeleinden"][0]
# Without the list that comes once a year.
_ACCESS = {
    **{name: of for name, of in _PURPOSE["toegang"][0].items() if name not in ("lijst", "quota")},
    "operaties": ["queryDossier", "queryDossierBatch"],
}
ADVICE_TERMS = {
    "profiel": "inOrde",
    "gegevens": [{"gegeven": "OK of NOK", "richting": "uit", "verantwoording": "Het advies."}],
}


def document(**changes: Any) -> Document:
    """The protocol with other values under some of its keys."""
    made = documents.from_data({**DATA, **changes})
    assert isinstance(made, Document)
    return made


def purpose(*accesses: Mapping[str, Any], **changes: Any) -> dict[str, Any]:
    """The purpose of the protocol with other values, and with these accesses if any."""
    return {**_PURPOSE, "toegang": list(accesses) or [_ACCESS], **changes}


def access(*fields: str, **changes: Any) -> dict[str, Any]:
    """The access of the city with other values, and with these fields if any."""
    if "quota" in changes:  # the batch would need one of its own
        changes = {"operaties": ["queryDossier"], **changes}
    granted = [{"veld": field, "verantwoording": "Nodig."} for field in fields]
    return {**_ACCESS, "velden": granted or _ACCESS["velden"], **changes}


def quota(operation: str, maximum: int, per: str = "halfjaar") -> dict[str, Any]:
    """How often an operation may succeed."""
    return {"operatie": operation, "aantal": maximum, "per": per, "tekst": "Zo vaak."}


def register_list(kind: str, *entries: Any, **keys: Any) -> Content:
    """A list beside the documents; `keys` tell whose."""
    holds = {"functieprofielen": "profielen"}.get(kind, kind)
    return documents.from_data(
        {"lijst": kind, **keys, "gewijzigdOp": "2026-01-01", holds: list(entries)}
    )


def merged(old: str, new: str, since: str = "2026-06-01", kind: str = "samenvoeging") -> Content:
    """That a municipality goes on in another one, and since when."""
    line = {"oud": old, "nieuw": new, "vanaf": since, "soort": kind}
    return register_list("opvolgingen", line)


def load(service: Service, *contents: Content) -> None:
    """Load these documents and lists as of now."""
    sources = [Source(Path("variant.yaml"), content) for content in contents]
    administration.load(service.office, sources, service.clock.now)
