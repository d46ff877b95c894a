"""The bodies of the answers, each encoded once: what is digested is what leaves."""

from collections.abc import Mapping, Sequence
from datetime import date, datetime, timedelta
from typing import Any

import orjson

from app.errors import Reason
from app.list_task import State, Task
from app.moments import rfc3339
from app.obligation import REASONS, Advice
from app.policy import Clause, Quota, Standing
from app.visit import Visit
from app.wire import BASE

# MAGDA 30004: the number that was asked has been replaced.
REPLACED_NUMBER = {
    "identificatie": "30004",
    "oorsprong": "MAGDA",
    "type": "WAARSCHUWING",
    "diagnose": "Persoon heeft een nieuw INSZ verkregen",
}


def encode_dossier(
    visit: Visit,
    clause: Clause,
    document: Mapping[str, Any],
    *,
    fetched_at: datetime,
    now: datetime,
    keep_until: date | None,
    replaced: bool,
) -> bytes:
    """The answer of `queryDossier`; `document` holds nothing but granted leaves."""
    return orjson.dumps(
        {
            "id": visit.event_id,
            "referte": visit.reference,
            "opgevraagdOp": rfc3339(now),
            "gegevensVan": rfc3339(fetched_at),
            **_terms(clause, keep_until),
            "dossier": document,
            "meldingen": [REPLACED_NUMBER] if replaced else [],
        }
    )


def encode_participants(
    visit: Visit,
    clause: Clause,
    items: Sequence[bytes],
    *,
    now: datetime,
    keep_until: date | None,
    next_: str | None,
) -> bytes:
    """A page of `queryDeelnemers`; `next` is the cursor of the following one."""
    answer = {
        "id": visit.event_id,
        "referte": visit.reference,
        "opgevraagdOp": rfc3339(now),
        **_terms(clause, keep_until),
        "items": [orjson.Fragment(item) for item in items],
    }
    if next_ is not None:
        answer["next"] = next_
    return orjson.dumps(answer)


def encode_participant(
    visit: Visit, document: Mapping[str, Any], fetched_at: datetime | None
) -> bytes:
    """One person on such a page, with the id of her own record."""
    since = {"gegevensVan": rfc3339(fetched_at)} if fetched_at else {}
    return orjson.dumps({"id": visit.event_id, **since, "dossier": document})


def _terms(clause: Clause, keep_until: date | None) -> dict[str, Any]:
    """Under which agreement data leave, for what, and until when they may be kept."""
    return {
        **({"bewarenTot": keep_until.isoformat()} if keep_until else {}),
        "protocol": {
            "id": clause.protocol,
            "versie": clause.version,
            "hash": clause.hash,
            "href": f"{BASE}/protocollen/{clause.protocol}?versie={clause.version}",
        },
        "doeleinde": clause.purpose,
    }


_STATES = {State.ASKED: "processing", State.DONE: "done", State.FAILED: "failed"}
POLL_AFTER = timedelta(seconds=5)


def encode_list_task(
    visit: Visit, task: Task, now: datetime, problem: Mapping[str, Any] | None = None
) -> bytes:
    """How far a list is (BelGIF, long running task); `problem`: why it failed."""
    status: dict[str, Any] = {"state": _STATES[State(task.state)]}
    if task.state == State.ASKED:
        status["pollAfter"] = rfc3339(now + POLL_AFTER)
    if task.ended_at:
        status["completed"] = rfc3339(task.ended_at)
    if problem:
        status["problem"] = problem
    answer = {
        "id": visit.event_id,
        "lijstId": task.id,
        "self": f"{BASE}/lijsten/{task.id}",
        "doeleinde": task.purpose,
        "jaar": task.year,
        "vorm": task.form,
        "sleutel": "eenmalig" if task.own_key else "geregistreerd",
        "status": status,
    }
    if visit.reference:
        answer["referte"] = visit.reference
    if task.expires_at:
        answer["beschikbaarTot"] = rfc3339(task.expires_at)
    return orjson.dumps(answer)


def encode_list_key(visit: Visit, list_id: str, secret: str) -> bytes:
    """The key of one list, as the program `age` takes it."""
    return orjson.dumps(
        {
            "id": visit.event_id,
            "referte": visit.reference,
            "lijstId": list_id,
            "identiteit": secret,
        }
    )


def encode_advice(
    visit: Visit,
    purpose: str,
    advice: Advice,
    *,
    on: date,
    asked_at: datetime,
    data_from: datetime | None,
    rule_set: Mapping[str, str],
) -> bytes:
    """The answer of `queryAdvies`; a reason with NOK only (avsb-2021, art. 3 and 6).

    Nothing in an OK depends on why it is one: `gegevensVan` is of a delivery, not of the dossier.
    """
    reason = advice.wire_reason
    answer = {
        "id": visit.event_id,
        "referte": visit.reference,
        "advice": advice.outcome,
        "type": "sync",
        "correlationId": visit.correlation_id,
        "toetsdatum": on.isoformat(),
        "geraadpleegdOp": rfc3339(asked_at),
        "gegevensVan": rfc3339(data_from) if data_from else None,
        "doeleinde": purpose,
        "regelset": rule_set,
        "redenen": [{"code": reason, "omschrijving": REASONS[reason]}] if reason else None,
    }
    return orjson.dumps({name: value for name, value in answer.items() if value is not None})


def encode_batch(visit: Visit, items: Sequence[Mapping[str, Any]]) -> bytes:
    """The answer of a batch; each item in the place of its question."""
    numbered = [{"index": index, **item} for index, item in enumerate(items)]
    return orjson.dumps({"id": visit.event_id, "items": numbered})


def encode_access(
    records: Sequence[tuple[int, Mapping[str, Any]]],
    *,
    more: bool,
    size: int,
    signs: Mapping[int, Sequence[str]],
    whole: bool,
) -> bytes:
    """A page of records, newest first; `next` is the cursor of the following page.

    `signs` are those of unusual asking, by index; `whole` is False when some may be missing.
    """
    answer: dict[str, Any] = {
        "items": [
            {**_item(index, record), **({"ongewoon": signs[index]} if index in signs else {})}
            for index, record in records
        ],
        "boomgrootte": size,
    }
    if more:
        answer["next"] = str(records[-1][0])
    if not whole:
        answer["ongewoonOnvolledig"] = True
    return orjson.dumps(answer)


def encode_record(
    index: int, record: Mapping[str, Any], explanation: Mapping[str, Any] | None
) -> bytes:
    """One record; the explanation of an advice stands beside it, never inside."""
    answer = _item(index, record)
    if explanation:
        answer["explanation"] = explanation
    return orjson.dumps(answer)


def encode_unveiled(
    event_id: str, subject: str | None, user: str | None, salt: bytes | None
) -> bytes:
    """Who a record is about and who asked; `zout` opens the digest of its answer."""
    answer = {"id": event_id, "insz": subject, "gebruiker": user, "zout": salt and salt.hex()}
    return orjson.dumps({name: value for name, value in answer.items() if value is not None})


def _item(index: int, record: Mapping[str, Any]) -> dict[str, Any]:
    return {**record, "href": f"{BASE}/toegangen/{record['eventId']}", "index": index}


def encode_consultations(
    records: Sequence[tuple[int, Mapping[str, Any]]], next_: int | None
) -> bytes:
    """A page for the person they are about: which body, never which employee or how it ended."""
    answer: dict[str, Any] = {"items": [_consultation(record) for _, record in records]}
    if next_ is not None:
        answer["next"] = str(next_)
    return orjson.dumps(answer)


def _consultation(record: Mapping[str, Any]) -> dict[str, Any]:
    """The agency's own staff ask without a protocol: there is no sharing."""
    item = {
        "organisatie": record["organisation"],
        "namens": record.get("onBehalfOf"),
        "tijdstip": record["recordedAt"],
        "doeleinde": record["purpose"],
        "dienst": record["operation"],
        "protocol": _agreed(record) if "protocol" in record else None,
    }
    return {name: value for name, value in item.items() if value is not None}


def _agreed(record: Mapping[str, Any]) -> dict[str, Any]:
    protocol, version = record["protocol"], record["protocolVersion"]
    href = f"{BASE}/protocollen/{protocol}?versie={version}"
    return {"id": protocol, "versie": version, "href": href}


def encode_my_access(
    items: Sequence[tuple[Clause, Standing, Mapping[Quota, int]]], day: date
) -> bytes:
    """What each clause opens on `day`: `nu` is `open`, or the reason why not with its day."""
    return orjson.dumps({"items": [_opened(*item, day) for item in items]})


def _opened(
    clause: Clause, standing: Standing, used: Mapping[Quota, int], day: date
) -> dict[str, Any]:
    closed = standing.closed
    opens = closed is not None and closed.reason in (Reason.NOT_YET_VALID, Reason.QUOTA)
    item = {
        "protocol": clause.protocol,
        "versie": clause.version,
        "doeleinde": clause.purpose,
        "operaties": sorted(standing.operations),
        "velden": sorted(standing.fields),
        "populatie": clause.population.kind.value,
        "functieprofielen": sorted(clause.profiles or ()) if clause.demands_profile else [],
        "geldigVan": clause.valid.first,
        "geldigTot": clause.valid.last,
        "quota": [_quota(quota, count, day) for quota, count in used.items()] or None,
        "nu": closed.reason if closed else "open",
        "vanaf": closed.on if closed and opens else None,
    }
    return {name: value for name, value in item.items() if value is not None}


def _quota(quota: Quota, used: int, day: date) -> dict[str, Any]:
    return {
        "operatie": quota.operation,
        "aantal": quota.maximum,
        "per": quota.per,
        "over": max(quota.maximum - used, 0),
        "opnieuwVanaf": quota.span(day)[1],
    }
