"""The store of the register: documents, lists and settings, and the acts that change them.

Every act moves the register version in its own transaction, so that all processes decide anew.
"""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path

from sqlmodel import Session, col, select

from app import agreement, clauses, document_files, documents, register_lists
from app.agreement import Document
from app.canonical import digest
from app.clauses import Standing
from app.models.access import LogHead
from app.models.register import ProtocolSetting, RegisterList, RegisterState, SharingProtocol
from app.moments import brussels_date
from app.notation import DocumentInvalid, Fault
from app.register import Entry, Register
from app.register_lists import (
    DelegateList,
    OrganisationList,
    ProfileList,
    SuccessionList,
)

LEGAL_GROUND_END = "rechtsgrondTot"
COOPERATION_SINCE = "samenwerkingVan"
STARTS = (COOPERATION_SINCE, clauses.FILES_SINCE, clauses.SERVICE_SINCE)
NO_END = "geen"


class RegisterRefused(Exception):
    """An act that would contradict the register; a line for each fault, and nothing is changed."""


def read_version(session: Session) -> int:
    """The version of the register as it stands."""
    return session.exec(select(RegisterState.version)).one()


def read_register(session: Session) -> Register:
    """The register as it stands in the transaction of `session`."""
    version = read_version(session)
    rows = session.exec(
        select(SharingProtocol)
        .where(col(SharingProtocol.in_force_at).is_not(None))
        .order_by(col(SharingProtocol.in_force_at), col(SharingProtocol.id))
    ).all()
    return Register(version, [_entry(session, row) for row in rows])


def _entry(session: Session, row: SharingProtocol) -> Entry:
    assert row.in_force_at is not None  # noqa: S101 - selected so
    return Entry(
        document=document_of(row),
        hash=row.hash,
        since=brussels_date(row.in_force_at),
        standing=_standing(session, row),
    )


def document_of(row: SharingProtocol) -> Document:
    """The document as it was loaded."""
    document = documents.from_data(row.document)
    assert isinstance(document, Document)  # noqa: S101 - only documents are stored in this table
    return document


def _standing(session: Session, row: SharingProtocol) -> Standing:
    rows = session.exec(
        select(RegisterList).where(col(RegisterList.protocol).in_([row.protocol, ""]))
    ).all()
    lists = [documents.from_data(found.document) for found in rows]
    settings = session.exec(
        select(ProtocolSetting).where(ProtocolSetting.protocol == row.protocol)
    ).all()
    ends = {
        setting.purpose: None if setting.value == NO_END else date.fromisoformat(setting.value)
        for setting in settings
        if setting.name == LEGAL_GROUND_END
    }
    starts = {
        setting.name: date.fromisoformat(setting.value)
        for setting in settings
        if setting.name != LEGAL_GROUND_END
    }
    return Standing(
        delegates=tuple(
            delegate
            for found in lists
            if isinstance(found, DelegateList)
            for delegate in found.delegates
        ),
        profiles={
            found.organisation: frozenset(found.profiles)
            for found in lists
            if isinstance(found, ProfileList)
        },
        hashes={(found.kind, found.organisation): found.hash for found in rows},
        successions=next((found for found in lists if isinstance(found, SuccessionList)), None),
        legal_ground_ends=ends,
        cooperation_since=starts.pop(COOPERATION_SINCE, None),
        files_since=starts,
        suspended_since=row.suspended_since,
        ended_on=row.ended_on,
    )


@dataclass(frozen=True)
class Source:
    """One file that was read and found valid."""

    path: Path
    content: documents.Content


@dataclass(frozen=True)
class FileFault:
    """One fault in one file: the place and the rule."""

    path: Path
    place: str
    rule: str


@dataclass(frozen=True)
class Change:
    """One thing that an act changed, and the protocol version it is about."""

    kind: str  # inForce, draft, suspended, ..., or the kind of list
    protocol: str = ""  # "" for a list of the whole register
    version: str = ""
    hash: str = ""
    lists: tuple[tuple[str, str], ...] = ()  # kind and hash of the list that changed
    purpose: str | None = None  # None: all of its purposes
    day: date | None = None  # from which, or on which, the change tells
    warnings: tuple[Fault, ...] = ()


def read_files(paths: Sequence[Path]) -> tuple[list[Source], list[FileFault]]:
    """Read and validate documents and lists; every fault of every file."""
    sources: list[Source] = []
    faults: list[FileFault] = []
    for path in paths:
        try:
            sources.append(Source(path, documents.parse(document_files.read_text(path))))
        except DocumentInvalid as invalid:
            faults += [FileFault(path, fault.place, fault.rule) for fault in invalid.faults]
    return sources, faults


def load(session: Session, sources: Sequence[Source], now: datetime) -> list[Change]:
    """Put every complete document in force for its own dates, and take the lists over.

    Raises RegisterRefused, and nothing of the load remains: for another content under a version
    that is in force, a protocol that is over, a list without its protocol, and two protocols
    that claim one purpose of one organisation at the same time.
    """
    today = brussels_date(now)
    _refuse(_overdue(session, sources, today))
    loaded = [s for s in sources if isinstance(s.content, Document)]
    lists = [s for s in sources if not isinstance(s.content, Document)]
    changes = [change for source in (*loaded, *lists) for change in _load(session, source, now)]
    if changes:
        files = {s.content.id: s.path for s in sources if isinstance(s.content, Document)}
        files |= {
            s.content.protocol: s.path for s in sources if isinstance(s.content, DelegateList)
        }
        _settle(session, files)
    return changes


def _overdue(session: Session, sources: Sequence[Source], today: date) -> Iterator[str]:
    for source in sources:
        document = source.content
        if not isinstance(document, Document) or document.draft:
            continue
        row = _version(session, document.id, document.version)
        if row is not None and row.in_force_at is not None:
            continue  # it came into force in time
        for fault in agreement.overdue(document, today):
            yield f"{source.path}: {fault.place}: {fault.rule}"


def _load(session: Session, source: Source, now: datetime) -> Iterator[Change]:
    match source.content:
        case Document() as document:
            yield from _load_document(session, document, source.path, now)
        case SuccessionList() as successions:
            hash_ = digest(documents.as_data(successions))
            if _store_list(session, successions, "", "", hash_, source.path):
                yield Change(successions.kind, lists=((successions.kind, hash_),))
        case DelegateList() as delegates:
            yield from _load_list(session, delegates, "", source.path)
        case _:
            yield from _load_list(session, source.content, source.content.organisation, source.path)


def _load_document(
    session: Session, document: Document, path: Path, now: datetime
) -> Iterator[Change]:
    hash_ = documents.document_hash(document)
    row = _version(session, document.id, document.version)
    if row is not None and row.hash == hash_:
        return
    if row is not None and row.in_force_at is not None:
        raise RegisterRefused(
            f"{path}: versie: version {document.version} of {document.id} is in force with another "
            "content; a change needs a new version"
        )
    known = versions_of(session, document.id)
    if row is None:
        row = SharingProtocol(
            protocol=document.id, version=document.version, hash=hash_, document={}, loaded_at=now
        )
    # A suspension is of the protocol: a new version does not lift it. Nor does it bring back what
    # ends while it would run; what begins after the end is a new agreement.
    if known:
        row.suspended_since = known[-1].suspended_since
        row.suspension_reason = known[-1].suspension_reason
    ends = [each.ended_on for each in known if each.ended_on and document.first <= each.ended_on]
    row.ended_on = min(ends, default=None)
    row.hash = hash_
    row.document = documents.as_data(document)
    row.loaded_at = now
    row.in_force_at = None if document.draft else now
    session.add(row)
    session.flush()
    yield _loaded(row, now)


def _load_list(
    session: Session, content: DelegateList | OrganisationList, organisation: str, path: Path
) -> Iterator[Change]:
    versions = versions_of(session, content.protocol)
    if not versions:
        raise RegisterRefused(
            f"{path}: protocol: there is no protocol {content.protocol} for this list"
        )
    hash_ = digest(documents.as_data(content))
    if _store_list(session, content, content.protocol, organisation, hash_, path):
        for row in _in_force(versions):
            told = ((content.kind, hash_),)
            yield Change(content.kind, row.protocol, row.version, row.hash, lists=told)


def _store_list(
    session: Session,
    content: register_lists.RegisterList,
    protocol: str,
    organisation: str,
    hash_: str,
    path: Path,
) -> bool:
    """Store a list; False when it is there already, word for word."""
    found = session.get(RegisterList, (content.kind, protocol, organisation))
    if found is not None and found.hash == hash_:
        return False
    stored = documents.from_data(found.document) if found else content
    if not isinstance(stored, Document) and content.changed < stored.changed:
        raise RegisterRefused(
            f"{path}: gewijzigdOp: the list in the register is newer, of {stored.changed}"
        )
    session.merge(
        RegisterList(
            kind=content.kind,
            protocol=protocol,
            organisation=organisation,
            hash=hash_,
            document=documents.as_data(content),
        )
    )
    return True


def activate(session: Session, protocol: str, version: str | None, now: datetime) -> list[Change]:
    """Put a draft in force for its own dates: the only one, or that `version`.

    Raises RegisterRefused for a document that misses one of the 13 contents, that is over, or
    that claims what another protocol holds.
    """
    drafts = [
        row
        for row in versions_of(session, protocol)
        if row.in_force_at is None and version in (None, row.version)
    ]
    if len(drafts) != 1:
        several = ", ".join(row.version for row in drafts)
        told = f"has several drafts, name one: {several}" if drafts else "has no such draft"
        raise RegisterRefused(f"{protocol}: {told}")
    [row] = drafts
    document = document_of(row)
    _refuse(
        [
            *(f"{protocol}: inhoud.{name}: is missing" for name in document.missing),
            *(
                f"{protocol}: {fault.place}: {fault.rule}"
                for fault in agreement.overdue(document, brussels_date(now))
            ),
        ]
    )
    row.in_force_at = now
    session.add(row)
    _settle(session)
    return [_loaded(row, now)]


def set_suspension(
    session: Session, protocol: str, since: date | None, reason: str | None
) -> list[Change]:
    """Suspend every version of a protocol, or lift it (`since` None)."""
    rows = _known(session, protocol)
    suspended = rows[-1].suspended_since
    if bool(suspended) == bool(since):
        told = f"is suspended since {suspended} already" if suspended else "is not suspended"
        raise RegisterRefused(f"{protocol}: {told}")
    for row in rows:
        row.suspended_since = since
        row.suspension_reason = reason
        session.add(row)
    bump(session)
    return [_change("suspended" if since else "resumed", row, day=since) for row in rows]


def set_end(
    session: Session, protocol: str, last: date | None, notice: date | None
) -> list[Change]:
    """End every version of a protocol after its `last` day, or as a `notice` given then says.

    A last day may lie in the past: then the protocol has ended at once (art. 8). An end is never
    put off: that takes a new protocol.
    """
    rows = _known(session, protocol)
    if notice is not None:
        last = clauses.notice_end(_text_on(rows, notice), notice)
    if last is None:
        raise RegisterRefused(f"{protocol}: opzegtermijnMaanden: the text gives no term of notice")
    ends = [row.ended_on or date.max for row in rows]
    if last > max(ends):
        raise RegisterRefused(f"{protocol}: ends on {max(ends)} already")
    # Next to a version that ended before, a new agreement may stand.
    touched = [row for row in rows if row.ended_on is None or last <= row.ended_on]
    for row in touched:
        stated = document_of(row).last
        row.ended_on = min(last, stated) if isinstance(stated, date) else last
        session.add(row)
    bump(session)
    return [_change("ended", row, day=row.ended_on) for row in touched]


def _text_on(rows: Sequence[SharingProtocol], day: date) -> Document:
    """The version whose text counts on a day; a draft only where there is nothing else."""
    texts = [document_of(row) for row in _in_force(rows)]
    return max(reversed(texts), key=lambda text: (text.first <= day, text.first))


def set_legal_ground_end(
    session: Session, protocol: str, purpose: str | None, last: date | None
) -> list[Change]:
    """Settle the last day of the legal ground (None is `geen`), of one purpose or of all."""
    rows = _known(session, protocol)
    # Of every version: the newest may be a draft that drops what is in force.
    known = sorted({purpose.code for row in rows for purpose in document_of(row).purposes})
    if purpose is not None and purpose not in known:
        raise RegisterRefused(f"{protocol}: has no such purpose; it has {', '.join(known)}")
    for code in [purpose] if purpose else known:
        _store_setting(session, protocol, code, LEGAL_GROUND_END, last)
    _settle(session)
    told = f"{LEGAL_GROUND_END}={last or NO_END}"
    return [_change(told, row, day=last, purpose=purpose) for row in _in_force(rows)]


def set_start(session: Session, protocol: str, name: str, since: date) -> list[Change]:
    """Settle the day from which the protocol counts a term: one of STARTS."""
    rows = _known(session, protocol)
    if not any(name in _starts(document_of(row)) for row in rows):
        raise RegisterRefused(f"{protocol}: has no termijn that counts from {name}")
    _store_setting(session, protocol, "", name, since)
    _settle(session)
    told = f"{name}={since}"
    return [_change(told, row, day=since) for row in _in_force(rows)]


def _starts(document: Document) -> set[str]:
    """From which days that stand outside it a document counts."""
    listings = (a.listing for purpose in document.purposes for a in purpose.accesses)
    found = {listing.files.since for listing in listings if listing and listing.files}
    return {*found, document.term.since} if document.term else {*found}


def _store_setting(
    session: Session, protocol: str, purpose: str, name: str, day: date | None
) -> None:
    value = day.isoformat() if day else NO_END
    session.merge(ProtocolSetting(protocol=protocol, purpose=purpose, name=name, value=value))


def _change(
    kind: str, row: SharingProtocol, *, day: date | None, purpose: str | None = None
) -> Change:
    return Change(kind, row.protocol, row.version, row.hash, purpose=purpose, day=day)


def _loaded(row: SharingProtocol, now: datetime) -> Change:
    found = agreement.warnings(document_of(row), brussels_date(now))
    kind = "inForce" if row.in_force_at else "draft"
    return Change(kind, row.protocol, row.version, row.hash, warnings=tuple(found))


def _settle(session: Session, files: Mapping[str, Path] | None = None) -> None:
    """Move the version, once no two protocols claim the same; `files` by protocol, where known."""
    bump(session)
    session.flush()
    named = {protocol: f"{path}: " for protocol, path in (files or {}).items()}
    _refuse(
        f"{next((named[one] for one in found.protocols if one in named), '')}"
        f"doeleinden: {found.protocols[0]} and {found.protocols[1]} both claim {found.purpose} for "
        f"{found.organisation} on {found.day}"
        for found in read_register(session).conflicts()
    )


def _refuse(faults: Iterable[str]) -> None:
    if told := "\n".join(faults):
        raise RegisterRefused(told)


def bump(session: Session) -> None:
    """Move the register version: every process decides anew from here on.

    Under the lock of the log's head, as every append: an answer that was decided before this
    change is recorded before it, or is decided again.
    """
    session.exec(select(LogHead).with_for_update()).one()
    state = session.exec(select(RegisterState).with_for_update()).one()
    state.version += 1
    session.add(state)


def _in_force(rows: Sequence[SharingProtocol]) -> list[SharingProtocol]:
    """The versions that an act is about; the newest draft where there is nothing else."""
    return [row for row in rows if row.in_force_at] or list(rows[-1:])


def _known(session: Session, protocol: str) -> list[SharingProtocol]:
    rows = versions_of(session, protocol)
    _refuse([] if rows else [f"there is no protocol {protocol}"])
    return rows


def _version(session: Session, protocol: str, version: str) -> SharingProtocol | None:
    return next((row for row in versions_of(session, protocol) if row.version == version), None)


def versions_of(session: Session, protocol: str) -> list[SharingProtocol]:
    """Every version of one protocol, in the order in which they were loaded."""
    return list(
        session.exec(
            select(SharingProtocol)
            .where(SharingProtocol.protocol == protocol)
            .order_by(col(SharingProtocol.id))
        )
    )


def drafts(session: Session) -> list[tuple[Document, str]]:
    """Every draft with its hash, by protocol."""
    rows = session.exec(
        select(SharingProtocol)
        .where(col(SharingProtocol.in_force_at).is_(None))
        .order_by(SharingProtocol.protocol, SharingProtocol.version)
    )
    return [(document_of(row), row.hash) for row in rows]


def lists(session: Session) -> list[register_lists.RegisterList]:
    """Every list beside the documents."""
    rows = session.exec(select(RegisterList).order_by(RegisterList.protocol, RegisterList.kind))
    found = (documents.from_data(row.document) for row in rows)
    return [content for content in found if not isinstance(content, Document)]
