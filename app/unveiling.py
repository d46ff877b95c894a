"""The use case `onthulToegang`: who a record is about, and who asked, for whom has a reason."""

from dataclasses import replace

from app import answers, log_search
from app.errors import RecordsPruned, RecordUnknown
from app.gate import Gate
from app.moments import read_moment
from app.record import RecordType, Trace
from app.visit import Visit


async def unveil_access(gate: Gate, visit: Visit, event_id: str, reason: str) -> bytes:
    """The person and the user of one record, and the salt with which its answer can be checked.

    The record of it names the person too: whoever was made known can be found. Raises
    RecordUnknown, and RecordsPruned when the key of the month was destroyed: nobody can know.
    """
    trace = Trace(type=RecordType.DISCLOSURE, reason_reference=reason)
    kept = await gate.database.read(log_search.find, event_id)
    if kept is None:
        await gate.refuse(visit, trace, RecordUnknown())
    trace = replace(trace, parent=event_id)
    record = kept.record
    key = gate.log.keys.left(read_moment(record["recordedAt"]))
    if key is None:
        await gate.refuse(visit, trace, RecordsPruned())
    subject = key.reveal("subject", record["subject"]) if "subject" in record else None
    user = key.reveal("user", record["user"]) if "user" in record else None
    salt = key.salt(event_id) if "responseDigest" in record else None
    answer = answers.encode_unveiled(event_id, subject, user, salt)
    await gate.record(visit, replace(trace, subject=subject, counts={"records": 1}, answer=answer))
    return answer
