"""The use case `log prune`: an ended month loses its key, and its records go in whole bundles.

What was reported goes when it ended before then, with what was told of it.

The act is recorded before anything goes; cut off at any point, the next run goes on from there.
"""

from dataclasses import dataclass, replace
from datetime import datetime

import orjson
from sqlmodel import Session

from app import access_log, administration, checkpoints, log_search, log_tree, notices, roles
from app.administration import Office
from app.log_keys import LogRewritten
from app.moments import read_moment
from app.month_keys import kept_since
from app.record import RecordType, Trace
from app.tlog import tree
from app.tlog.note import Checkpoint
from app.tlog.tiles import WIDTH, Tile

PART = 10 * WIDTH  # records in one transaction: a service that runs waits that long to write


class PruningRefused(Exception):
    """Nothing was pruned; the text says why, for the operator."""


@dataclass(frozen=True)
class Pruned:
    """What went, or in a dry run would go."""

    months: tuple[str, ...]  # whose keys were there
    minimum: int  # index of the first record that is kept
    records: int
    details: int
    reports: int = 0  # of wrong data, and of incidents

    @property
    def keys(self) -> int:
        """How many keys were destroyed."""
        return len(self.months)


def prune(
    office: Office,
    log_origin: str,
    months: int,
    now: datetime,
    *,
    reason: str | None = None,
    dry_run: bool = False,
) -> Pruned:
    """Destroy the keys of the months that ended, and remove the bundles that hold nothing else.

    Raises PruningRefused and ClockBehind: then nothing is changed.
    """
    since = kept_since(now, months)
    with office.database.reading() as session:
        found, minimum = _found(session, office, since)
        if not (found.keys or found.records or found.reports):
            return found
        _check(session, log_origin, minimum, found.minimum, since)
    if dry_run:
        return found
    with office.database.writing() as session:
        minimum = access_log.lock(session).minimum
        reports = notices.remove_ended(session, since)
        found = replace(found, minimum=max(found.minimum, minimum), reports=reports)
        # Not again what a run that was cut off announced, or another one did meanwhile.
        if found.minimum > minimum or reports or office.keys.ended(since):
            _announce(session, office, found, now, reason)
    for month in found.months:
        office.keys.destroy(month)
    return _remove(office, found)


def _found(session: Session, office: Office, since: datetime) -> tuple[Pruned, int]:
    """What there is to prune, and the minimum index as it stands."""
    minimum = log_tree.head(session).minimum
    wanted = max(minimum, access_log.first_since(session, since) // WIDTH * WIDTH)
    records, details = access_log.count_below(session, wanted)
    reports = notices.count_ended(session, since)
    return Pruned(tuple(office.keys.ended(since)), wanted, records, details, reports), minimum


def _check(session: Session, log_origin: str, minimum: int, wanted: int, since: datetime) -> None:
    """Nothing goes that is not what was signed, or by a role that could not finish."""
    if not roles.may_prune(session):
        raise PruningRefused("the role of PROTOCOLPOORT_DATABASE_URL may not: run it as the owner")
    try:
        known = checkpoints.verified(session, log_origin)
    except LogRewritten as how:
        raise PruningRefused(f"the log is not what was signed: {how}") from None
    # Else the record of this run would cover up what somebody took away by hand.
    if what := checkpoints.unannounced(session, minimum):
        raise PruningRefused(what)
    if wanted <= minimum:
        return
    if known is None or known.size < wanted:
        raise PruningRefused(
            f"no checkpoint covers the first {wanted} records yet: let the service sign first"
        )
    if not log_tree.are_stored(session, minimum, wanted):
        raise PruningRefused("hashes are missing that must stay when the records go")
    for first in range(minimum, wanted, WIDTH):
        if not _is_signed(session, first, known):
            raise PruningRefused(f"a record from index {first} on is not what was signed")
        if not _has_ended(session, first, since):
            raise PruningRefused(f"a record from index {first} on is of a month that is kept")


def _is_signed(session: Session, first: int, known: Checkpoint) -> bool:
    """Whether the records of a bundle are those of its tile, and that tile is in the signed tree.

    The path of one leaf goes through every hash of its tile.
    """
    try:
        records = [record for _, record in log_tree.records(session, first, first + WIDTH)]
        path = tree.inclusion_proof(first, known.size, log_tree.reader(session, known.size))
    except LookupError:
        return False
    hashes = [tree.leaf_hash(record) for record in records]
    tile = Tile(0, first // WIDTH)
    return log_tree.read_tiles(session, [tile])[tile] == b"".join(hashes) and tree.verify_inclusion(
        hashes[0], first, known.size, path, known.root
    )


def _has_ended(session: Session, first: int, since: datetime) -> bool:
    """Whether each record of a bundle says itself that it is old: a column may say anything."""
    try:
        return all(
            read_moment(orjson.loads(record)["recordedAt"]) < since
            for _, record in log_tree.records(session, first, first + WIDTH)
        )
    except (LookupError, TypeError, ValueError):
        return False


def _announce(
    session: Session, office: Office, found: Pruned, now: datetime, reason: str | None
) -> None:
    """Raise the minimum and record the act in one transaction, before anything goes."""
    access_log.raise_minimum(session, found.minimum)
    said = [", ".join(found.months), reason]
    trace = Trace(
        type=RecordType.ADMIN,
        reason_reference=": ".join(text for text in said if text) or None,
        counts={
            "minimum": found.minimum,
            "records": found.records,
            "details": found.details,
            "keys": found.keys,
            "reports": found.reports,
        },
    )
    # By this everybody who compares finds that the records went with a record.
    reference = log_search.pruning_reference(found.minimum)
    administration.record(session, office, "logPrune", trace, now, reference=reference)


def _remove(office: Office, found: Pruned) -> Pruned:
    """Remove what is below the minimum, a part at a time; what went."""
    records = details = 0
    while True:
        with office.database.writing() as session:
            part = access_log.remove_below(session, found.minimum, PART)
        if part == (0, 0):
            return replace(found, records=records, details=details)
        records, details = records + part[0], details + part[1]
