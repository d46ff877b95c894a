"""The fields that protocols name and the KBI does not hold as such: computed, or from the register.

Sources: the section Fields of the wire contract; for dates, the rule that a certificate or
contract counts from its day on.
"""

from collections.abc import Callable, Collection, Iterator, Mapping
from datetime import date
from typing import Any

from app.fields import ContactField, DerivedField
from app.moments import possible_days

# The certificate of civic integration; KBI 02.00 writes AI023G.
INTEGRATION_CERTIFICATES: frozenset[str] = frozenset({"AI023", "AI023G"})
# The certificate of prior competences, issued until 2016: it too ends the obligation.
COMPETENCE_CERTIFICATES: frozenset[str] = frozenset({"AEVC05"})

_SOCIAL_ORIENTATION = "TO_OB_MO"


def derive(
    wanted: Collection[str],
    blocks: Mapping[str, Any],
    contact: Mapping[str, Any] | None,
    today: date,
) -> dict[str, Any]:
    """The wanted derived and contact fields as a nested document, as of `today` (Brussels date).

    Other ids are ignored. The two yes-or-no fields always have a value; any other without a
    value is left out. Incomplete or malformed dates never raise. `contact` is the contact object
    of the register.
    """
    document: dict[str, Any] = {}
    for id_, value in _values(wanted, blocks, contact or {}, today):
        if value is False or value:
            group, name = id_.split(".")
            document.setdefault(group, {})[name] = value
    return document


def complete(
    wanted: Collection[str],
    blocks: Mapping[str, Any],
    contact: Mapping[str, Any] | None,
    today: date,
) -> dict[str, Any]:
    """One document: the blocks, and what `derive` adds; `talenkennis` is a block and a prefix."""
    added = derive(wanted, blocks, contact, today)
    return {**blocks, **{group: {**blocks.get(group, {}), **added[group]} for group in added}}


def _values(
    wanted: Collection[str], blocks: Mapping[str, Any], contact: Mapping[str, Any], today: date
) -> Iterator[tuple[str, Any]]:
    for id_ in _ADDED.intersection(wanted):
        computed = _COMPUTED.get(id_)
        yield id_, computed(blocks, today) if computed else contact.get(id_.split(".")[1])


def _contract_signed(blocks: Mapping[str, Any], today: date) -> bool:
    contracts = blocks.get("contracten", ())
    return any(_by(contract.get("datumRegistratie"), today) for contract in contracts)


def _certificate_obtained(blocks: Mapping[str, Any], today: date) -> bool:
    return any(
        document.get("type") in INTEGRATION_CERTIFICATES
        and _by(document.get("datumOndertekening"), today)
        for document in blocks.get("behaaldeAttesten", ())
    )


def _contact_languages(blocks: Mapping[str, Any], _: date) -> list[str]:
    known = blocks.get("talenkennis", {}).get("talen", ())
    return [lang["code"] for lang in known if lang.get("contactTaal") and "code" in lang]


def _dutch_level(blocks: Mapping[str, Any], _: date) -> Any:
    return blocks.get("talenkennis", {}).get("behaaldNt2Niveau", {}).get("hoogstBehaald")


def _social_orientation(blocks: Mapping[str, Any], today: date) -> dict[str, str]:
    """Status and decision code of the newest part; nothing that begins after today counts."""
    parts: list[Mapping[str, Any]] = [
        part
        for trajectory in blocks.get("trajecten", ())
        for part in trajectory.get("trajectOnderdelen", ())
        if part.get("type") == _SOCIAL_ORIENTATION and _age(part)[0] <= today.isoformat()
    ]
    if not parts:
        return {}
    newest = max(parts, key=_age)
    status, decision = newest.get("status", {}), newest.get("besluit", {})
    decided = decision.get("datumToekenning", "") <= today.isoformat()
    codes = {"status": status.get("code"), "besluit": decision.get("code") if decided else None}
    return {name: code for name, code in codes.items() if code}


def _age(part: Mapping[str, Any]) -> tuple[str, str]:
    """Begin of the status, then of the part; dates of this form compare as text."""
    status = part.get("status", {}).get("periode", {}).get("begin", "")
    return status, part.get("periode", {}).get("begin", "")


def _by(text: str | None, on: date) -> bool:
    """True when the date, whatever day it stands for, is not after `on`."""
    days = possible_days(text or "")
    return days is not None and days[1] <= on


_COMPUTED: Mapping[str, Callable[[Mapping[str, Any], date], Any]] = {
    DerivedField.CONTRACT_SIGNED.value: _contract_signed,
    DerivedField.CERTIFICATE_OBTAINED.value: _certificate_obtained,
    DerivedField.CONTACT_LANGUAGES.value: _contact_languages,
    DerivedField.DUTCH_LEVEL.value: _dutch_level,
    DerivedField.SOCIAL_ORIENTATION.value: _social_orientation,
}
_ADDED = frozenset([*_COMPUTED, *(field.value for field in ContactField)])
