"""The register of protocols: loading documents into it, and the snapshot that requests use."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime
from functools import lru_cache
from pathlib import Path

from sqlmodel import Session, col, select

from app import agreement, clauses
from app.agreement import Delegate, DelegateList, Document, DocumentInvalid, ProfileList
from app.canonical import digest
from app.models.register import ProtocolSetting, RegisterList, RegisterState, SharingProtocol
from app.policy import Clause

LEGAL_GROUND_END = "rechtsgrondTot"
COOPERATION_SINCE = "samenwerkingVan"
NO_END = "geen"


class RegisterRefused(Exception):
    """A load that would contradict the register; the text names the file and the rule."""


@dataclass(frozen=True)
class Entry:
    """One version of a protocol with what stands outside its document."""

    document: Document
    delegates: tuple[Delegate, ...]
    profiles: Mapping[str, frozenset[str]]
    legal_ground_ends: Mapping[str, date | None]
    cooperation_since: date | None
    suspended_since: date | None


class Register:
    """Everything in force or once in force, in memory; a snapshot of one register version."""

    def __init__(self, version: int, entries: Sequence[Entry]) -> None:
        self.version = version
        self._entries = tuple(entries)
        self._purposes = {purpose.code for entry in entries for purpose in entry.document.purposes}
        self.on = lru_cache(maxsize=2)(self._on)

    def _on(self, day: date) -> tuple[Clause, ...]:
        """Every clause, also of ended protocols: they say since when they refuse."""
        return tuple(
            clause
            for entry in self._entries
            for clause in clauses.opened_by(
                entry.document,
                delegates=entry.delegates,
                profiles=entry.profiles,
                legal_ground_ends=entry.legal_ground_ends,
                suspended_since=entry.suspended_since,
                ended_on=None,
                today=day,
                cooperation_since=entry.cooperation_since,
            )
        )

    def covering(self, organisation: str | None, purpose: str, today: date) -> Clause | None:
        """The clause of this organisation for this purpose: the one in force, else the one that
        ended last, else the one that begins first."""
        candidates = [
            clause for clause in self.of(organisation, today) if clause.purpose == purpose
        ]
        return max(candidates, key=lambda clause: _nearness(clause, today), default=None)

    def of(self, organisation: str | None, today: date) -> list[Clause]:
        """Every clause of this organisation."""
        return [clause for clause in self.on(today) if clause.organisation == organisation]

    def known_purpose(self, purpose: str) -> str | None:
        """The purpose when some protocol names it: an unknown name never enters the log."""
        return purpose if purpose in self._purposes else None

    def keep_until(self, clause: Clause, delivered: date) -> date | None:
        """Until when the receiver may keep what is delivered, where that is a date."""
        for entry in self._entries:
            if (entry.document.id, entry.document.version) == (clause.protocol, clause.version):
                return clauses.keep_until(entry.document, clause.purpose, delivered)
        return None

    def document(self, protocol: str) -> Document | None:
        """The newest version of this protocol that is no draft."""
        versions = [entry.document for entry in self._entries if entry.document.id == protocol]
        return max(versions, key=lambda document: document.first, default=None)

    @property
    def documents(self) -> list[Document]:
        """Every version that is no draft, by id and first day."""
        return sorted(
            (entry.document for entry in self._entries),
            key=lambda document: (document.id, document.first),
        )


def _nearness(clause: Clause, today: date) -> tuple[int, int]:
    first = clause.valid.first or date.min
    last = clause.valid.last or date.max
    if first > today:
        return 0, -first.toordinal()
    if last < today:
        return 1, last.toordinal()
    return 2, first.toordinal()


def read_version(session: Session) -> int:
    """The version of the register as it stands."""
    return session.exec(select(RegisterState.version)).one()


def read_register(session: Session) -> Register:
    """The register as it stands in the transaction of `session`."""
    version = read_version(session)
    rows = session.exec(
        select(SharingProtocol)
        .where(col(SharingProtocol.draft).is_(False))
        .order_by(SharingProtocol.protocol, col(SharingProtocol.id))
    ).all()
    return Register(version, [_entry(session, row) for row in rows])


def _entry(session: Session, row: SharingProtocol) -> Entry:
    document = agreement.from_data(row.document)
    assert isinstance(document, Document)  # noqa: S101 - only documents are stored in this table
    lists = [
        agreement.from_data(found.document)
        for found in session.exec(select(RegisterList).where(RegisterList.protocol == row.protocol))
    ]
    settings = session.exec(
        select(ProtocolSetting).where(ProtocolSetting.protocol == row.protocol)
    ).all()
    return Entry(
        document=document,
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
        legal_ground_ends={
            setting.purpose: None if setting.value == NO_END else date.fromisoformat(setting.value)
            for setting in settings
            if setting.name == LEGAL_GROUND_END
        },
        cooperation_since=next(
            (
                date.fromisoformat(setting.value)
                for setting in settings
                if setting.name == COOPERATION_SINCE
            ),
            None,
        ),
        suspended_since=row.suspended_since,
    )


@dataclass(frozen=True)
class Source:
    """One file that was read and found valid."""

    path: Path
    content: Document | agreement.RegisterList


@dataclass(frozen=True)
class FileFault:
    """One fault in one file: the place and the rule."""

    path: Path
    place: str
    rule: str


@dataclass(frozen=True)
class Change:
    """One thing that a load changed, and the protocol version it is about."""

    kind: str  # inForce, draft, or the kind of list
    protocol: str
    version: str
    hash: str


def read_files(paths: Sequence[Path]) -> tuple[list[Source], list[FileFault]]:
    """Read and validate documents and lists; every fault of every file."""
    sources: list[Source] = []
    faults: list[FileFault] = []
    for path in paths:
        try:
            sources.append(Source(path, agreement.parse(path.read_text(encoding="utf-8"))))
        except DocumentInvalid as invalid:
            faults += [FileFault(path, fault.place, fault.rule) for fault in invalid.faults]
        except (OSError, UnicodeDecodeError) as error:
            faults.append(FileFault(path, "file", f"cannot be read: {type(error).__name__}"))
    return sources, faults


def load(session: Session, sources: Sequence[Source], now: datetime) -> list[Change]:
    """Put every complete document in force for its own dates, and take the lists over.

    A version that is in force never changes: another content under the same version is refused
    (RegisterRefused), as is a list for a protocol that is not there; nothing of the load remains.
    """
    documents = [source for source in sources if isinstance(source.content, Document)]
    lists = [source for source in sources if not isinstance(source.content, Document)]
    changes = [_load(session, source, now) for source in (*documents, *lists)]
    changed = [change for change in changes if change]
    if changed:
        bump(session)
    return changed


def _load(session: Session, source: Source, now: datetime) -> Change | None:
    if isinstance(source.content, Document):
        return _load_document(session, source.content, source.path, now)
    return _load_list(session, source.content, source.path)


def _load_document(
    session: Session, document: Document, path: Path, now: datetime
) -> Change | None:
    hash_ = agreement.document_hash(document)
    row = session.exec(
        select(SharingProtocol).where(
            SharingProtocol.protocol == document.id, SharingProtocol.version == document.version
        )
    ).first()
    if row is not None and row.hash == hash_:
        return None
    if row is not None and not row.draft:
        raise RegisterRefused(
            f"{path}: version {document.version} of {document.id} is in force with another "
            "content; a change needs a new version"
        )
    known = versions_of(session, document.id)
    row = row or SharingProtocol(
        protocol=document.id,
        version=document.version,
        hash=hash_,
        document={},
        draft=True,
        loaded_at=now,
        # A suspension is of the protocol: a new version does not lift it.
        suspended_since=known[-1].suspended_since if known else None,
        suspension_reason=known[-1].suspension_reason if known else None,
    )
    row.hash = hash_
    row.document = agreement.as_data(document)
    row.draft = document.draft
    row.loaded_at = now
    session.add(row)
    session.flush()
    kind = "draft" if document.draft else "inForce"
    return Change(kind, document.id, document.version, hash_)


def _load_list(session: Session, content: agreement.RegisterList, path: Path) -> Change | None:
    data = agreement.as_data(content)
    organisation = content.organisation if isinstance(content, ProfileList) else ""
    found = session.get(RegisterList, (content.kind, content.protocol, organisation))
    if found is not None and found.hash == digest(data):
        return None
    versions = versions_of(session, content.protocol)
    if not versions:
        raise RegisterRefused(f"{path}: there is no protocol {content.protocol} for this list")
    session.merge(
        RegisterList(
            kind=content.kind,
            protocol=content.protocol,
            organisation=organisation,
            hash=digest(data),
            document=data,
        )
    )
    newest = versions[-1]
    return Change(content.kind, newest.protocol, newest.version, newest.hash)


def bump(session: Session) -> None:
    """Move the register version: every process decides anew from here on."""
    state = session.exec(select(RegisterState).with_for_update()).one()
    state.version += 1
    session.add(state)


def set_suspension(
    session: Session, protocol: str, since: date | None, reason: str | None
) -> list[Change]:
    """Suspend every version of a protocol, or lift it (`since` None); none when it is unknown."""
    rows = versions_of(session, protocol)
    for row in rows:
        row.suspended_since = since
        row.suspension_reason = reason
        session.add(row)
    if rows:
        bump(session)
    kind = "suspended" if since else "resumed"
    return [Change(kind, row.protocol, row.version, row.hash) for row in rows]


def versions_of(session: Session, protocol: str) -> list[SharingProtocol]:
    """Every version of one protocol, in the order in which they were loaded."""
    return list(
        session.exec(
            select(SharingProtocol)
            .where(SharingProtocol.protocol == protocol)
            .order_by(col(SharingProtocol.id))
        )
    )


def list_all(session: Session) -> list[SharingProtocol]:
    """Every version of every protocol, drafts included."""
    return list(
        session.exec(
            select(SharingProtocol).order_by(SharingProtocol.protocol, SharingProtocol.version)
        )
    )
