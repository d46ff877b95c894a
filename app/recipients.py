"""The keys to which files for an organisation are sealed: its own, registered by the office."""

from datetime import datetime

from sqlmodel import Session, col, select, update

from app.models.deliveries import RecipientKey


def key_of(session: Session, organisation: str) -> str | None:
    """The age recipient of an organisation; None where none is registered."""
    return session.exec(
        select(RecipientKey.recipient).where(
            RecipientKey.organisation == organisation, col(RecipientKey.ended_at).is_(None)
        )
    ).first()


def set_key(session: Session, organisation: str, recipient: str | None, now: datetime) -> bool:
    """From now on files are sealed to this key, or to none; False when that is so already."""
    if key_of(session, organisation) == recipient:
        return False
    session.exec(
        update(RecipientKey)
        .where(col(RecipientKey.organisation) == organisation, col(RecipientKey.ended_at).is_(None))
        .values(ended_at=now)
    )
    if recipient is not None:
        session.add(RecipientKey(organisation=organisation, recipient=recipient, since=now))
    return True


def listed(session: Session) -> list[tuple[str, str, datetime]]:
    """Every organisation with a key, the key, and since when."""
    rows = session.exec(
        select(RecipientKey)
        .where(col(RecipientKey.ended_at).is_(None))
        .order_by(RecipientKey.organisation)
    ).all()
    return [(row.organisation, row.recipient, row.since) for row in rows]
