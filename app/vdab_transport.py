"""The use cases `vdab send` and `vdab fetch`: over the SFTP server of VDAB, where we are a client.

A file is sent by its record, and only as it was recorded; what is fetched is kept when VDAB signed
it. Both go on where they were cut off.
"""

from collections.abc import Callable
from datetime import datetime
from functools import partial
from pathlib import Path

from sqlmodel import Session

from app import access_log, recipients, rounds, sealing, sftp
from app.moments import brussels_date
from app.monitoring import ORGANISATION
from app.policy import Granted
from app.rounds import RoundFile
from app.secret_files import digest_of, shred
from app.sftp import Server, TransferFailed
from app.ssh_signatures import SIGNATURE_LIMIT
from app.vdab import ExchangeRefused, Post, act, record, step, the_round, trace
from app.vdab_ending import SIGNATURE
from app.vdab_return import ANSWERED, LIMIT, signed_by

Advance = Callable[[int, int], None]


def send(post: Post, server: Server, advance: Advance) -> list[str]:
    """Send what was made for VDAB and was not sent; the names. Raises ExchangeRefused."""
    with step(post, "vdabSend"):
        # What is sent is decided once more: a protocol that was suspended sends nothing.
        said, files = act(post, _to_send)
        for file in files:
            made = post.out / file.name
            if not made.is_file() or digest_of(made) != file.digest:
                raise ExchangeRefused(f"{file.name} is not there as it was recorded")
            _transfer(partial(sftp.upload, server, made, advance))
            _sent(post, file, said)
        return [file.name for file in files]


def fetch(post: Post, server: Server, signers: dict[bytes, str], advance: Advance) -> Path:
    """Fetch the answer to the open round, and the signature over it; where it stands.

    Raises ExchangeRefused; then no answer stands there.
    """
    with step(post, "vdabFetch"):
        round_ = act(post, lambda session, *_: the_round(session, *ANSWERED))
        post.back.mkdir(parents=True, exist_ok=True, mode=0o700)
        file = post.back / round_.answer_file
        sealed = file.with_name(file.name + SIGNATURE)
        for target, limit in ((file, LIMIT), (sealed, SIGNATURE_LIMIT)):
            _transfer(partial(sftp.download, server, target.name, target, limit, advance))
        try:
            key = signed_by(file, sealed, round_, signers)
        except ExchangeRefused:
            # Whoever put it there, or one that changed between two parts: it is no answer.
            shred(file)
            shred(sealed)
            raise
        act(post, partial(_fetched, post, digest_of(file), signers[key]))
        return file


def _to_send(session: Session, said: Granted, now: datetime) -> tuple[Granted, list[RoundFile]]:
    files = rounds.to_send(session, ORGANISATION, brussels_date(now))
    key = recipients.key_of(session, ORGANISATION)
    for file in files:
        # A key may have been replaced because somebody else had it.
        if key is None or sealing.fingerprint(key) != file.key_fingerprint:
            raise ExchangeRefused(f"{file.name} is not for the key that VDAB has by now")
    return said, files


def _transfer(work: Callable[[], None]) -> None:
    try:
        work()
    except TransferFailed as failed:
        raise ExchangeRefused(str(failed)) from None


def _sent(post: Post, file: RoundFile, said: Granted) -> None:
    """That it was sent is a fact by now, and is recorded whatever the protocol has come to say."""
    with post.office.database.writing() as session:
        access_log.lock(session)
        now = post.clock()
        rounds.mark(session, file.name, sent_at=now)
        sent = trace(said, parent=file.event_id, file_digest=file.digest)
        record(session, post, "vdabSend", [sent], now)


def _fetched(
    post: Post, digest: str, fingerprint: str, session: Session, said: Granted, now: datetime
) -> None:
    fetched = trace(said, file_digest=digest, key_fingerprint=fingerprint)
    record(session, post, "vdabFetch", [fetched], now)
