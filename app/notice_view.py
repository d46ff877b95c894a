"""What an organisation is shown of its reports and of what it is told: Dutch, and nobody's number.

Of a value only the field is named, of a person only the records that the organisation caused.
"""

from collections.abc import Mapping, Sequence
from datetime import date, datetime
from typing import Any

import orjson

from app.moments import rfc3339
from app.notices import Incident, Notice, Notification
from app.wire import BASE

HREF = f"{BASE}/meldingen"


def encode(shown: Mapping[str, Any]) -> bytes:
    """The answer to a report."""
    return orjson.dumps(shown)


def encode_page(items: Sequence[Mapping[str, Any]], next_: str | None) -> bytes:
    """A page of `listMeldingen`, newest first; `next` is the cursor of the following one."""
    return orjson.dumps(_without_nothing({"items": items, "next": next_}))


def data_report(notice: Notice) -> dict[str, Any]:
    """A report of wrong data, for who made it."""
    return _without_nothing(
        {
            "id": notice.id,
            "toegangId": notice.access_id,
            "soort": notice.kind,
            "veld": notice.field,
            "toelichting": notice.explanation,
            "vastgesteldOp": _day(notice.found_on),
            "referte": notice.reference,
            "protocol": _protocol(notice),
            "ontvangenOp": _moment(notice.received_at),
            "toestand": notice.state,
            "uiterlijkOp": _day(notice.due_on),
            "uitkomst": notice.outcome,
            "antwoord": notice.answer,
            "beantwoordOp": _moment(notice.answered_at),
        }
    )


def incident_report(incident: Incident) -> dict[str, Any]:
    """An incident, for who reported it or was told of it."""
    return _without_nothing(
        {
            "id": incident.id,
            "gemeldDoor": "agentschap" if incident.by_agency else "afnemer",
            "protocol": _protocol(incident),
            "soort": incident.kind,
            "vastgesteldOp": _moment(incident.found_at),
            "omschrijving": incident.description,
            "client": incident.client,
            "van": _moment(incident.since),
            "tot": _moment(incident.until),
            "referte": incident.reference,
            "gemeldOp": _moment(incident.reported_at),
            "verplicht": incident.obliged,
            "termijnUren": incident.hours,
            "uiterlijkOp": _moment(incident.due_at),
            "opTijd": incident.in_time,
            "teVerwittigen": incident.contacts,
            "toestand": incident.state,
            "opvolging": incident.follow_up,
            "bijgewerktOp": _moment(incident.updated_at),
        }
    )


def item(
    row: Notice | Incident | Notification,
    notices: Mapping[str, Notice],
    incidents: Mapping[str, Incident],
) -> dict[str, Any]:
    """One item of a page; `notices` and `incidents` are those that notifications are about."""
    match row:
        case Notice():
            return _item(row.id, "gegevenskwaliteit", data_report(row))
        case Incident():
            return _item(row.id, "incident", incident_report(row))
        case _:
            told = _told(row, notices.get(row.about), incidents.get(row.about))
            return _item(row.id, "kennisgeving", told)


def _item(id_: str, kind: str, shown: Mapping[str, Any]) -> dict[str, Any]:
    return {"id": id_, "type": kind, kind: shown}


def _told(row: Notification, notice: Notice | None, incident: Incident | None) -> dict[str, Any]:
    """What happened, without who reported it: that is told to the reporter alone."""
    told: dict[str, Any] = {
        "soort": row.event,
        "op": _moment(row.created_at),
        "toegangIds": row.access_ids or None,
    }
    if incident is not None:
        told["incident"] = incident_report(incident)
    if notice is not None:
        told["veld"], told["gegevensfout"] = notice.field, notice.kind
        told["uitkomst"] = notice.outcome
        if row.organisation == notice.organisation:
            told["melding"], told["antwoord"] = notice.id, notice.answer
    return _without_nothing(told)


def news(row: Notification) -> bytes:
    """What a webhook is sent: that there is news and where, and nothing of a person."""
    return orjson.dumps(
        {
            "type": "melding.nieuw",
            "timestamp": _moment(row.created_at),
            "data": {"id": row.id, "href": HREF},
        }
    )


def standing(row: Notification) -> str:
    """How far a notification came, in a word or with its last attempt."""
    if row.fetched_at is not None:
        return "opgehaald"
    if row.delivered_at is not None:
        return "afgeleverd"
    if row.attempts == 0:
        return "wacht"
    tried = "1 poging" if row.attempts == 1 else f"{row.attempts} pogingen"
    gave_up = "" if row.next_at else ", opgegeven"
    return f"{tried}: {row.last_result}{gave_up}"


def _protocol(row: Notice | Incident) -> dict[str, str]:
    href = f"{BASE}/protocollen/{row.protocol}?versie={row.version}"
    return {"id": row.protocol, "versie": row.version, "hash": row.hash, "href": href}


def _moment(moment: datetime | None) -> str | None:
    return rfc3339(moment) if moment else None


def _day(day: date | None) -> str | None:
    return day.isoformat() if day else None


def _without_nothing(shown: Mapping[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in shown.items() if value is not None}
