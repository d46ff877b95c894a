"""Both sides of the exchange with VDAB for a test: the agency with its post, VDAB with its keys."""

import csv
import json
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime
from io import BytesIO, StringIO
from pathlib import Path
from typing import Any

import sshd
from evidence import rows
from service import ORIGIN, PROTOCOLS, Clock
from texts import AGENCY, ATLAS, GENT

from app import (
    access_log,
    administration,
    documents,
    dossiers,
    intake,
    protocols,
    sealing,
    ssh_signatures,
    vdab_export,
    vdab_return,
)
from app.administration import Office
from app.database import Database
from app.insz import Insz
from app.monitoring import ORGANISATION
from app.month_keys import MonthKeys
from app.protocols import Source
from app.returned_rows import NAMES
from app.vdab import MARK, Post
from app.vdab_export import Exported
from app.vdab_return import Counted

NOW = datetime(2026, 6, 1, 9, 30, tzinfo=UTC)
AGENCIES = (AGENCY, ATLAS, GENT)
PROFILE = "monitoring"
COOPERATION = date(2022, 3, 1)
LIST = f"""
lijst: functieprofielen
protocol: vdab-2023
organisatie: "{ORGANISATION}"
gewijzigdOp: 2026-01-01
profielen: [{PROFILE}]
"""
KINDS = ("PLICHT", "RECHT")


def quiet(*_: object) -> None:
    """Nobody looks at a bar."""


def number(at: int) -> str:
    """A test number (month raised by 60)."""
    year, month = 50 + at // (990 * 28 * 12), 61 + at // (990 * 28) % 12
    base = f"{year}{month}{1 + at // 990 % 28:02}{1 + at % 990:03}"
    return f"{base}{97 - int(base) % 97:02}"


@dataclass
class World:
    """The agency in production, with everything settled; and the keys of VDAB."""

    post: Post
    clock: Clock
    folder: Path
    identities: Mapping[str, sealing.Identity]  # by organisation; ours under the first agency
    signer: Path

    @property
    def office(self) -> Office:
        return self.post.office

    @property
    def store(self) -> Database:
        return self.office.database

    @property
    def signers(self) -> dict[bytes, str]:
        return ssh_signatures.read_keys(self.signer.with_suffix(".pub").read_text())

    @property
    def ours(self) -> sealing.Identity:
        return self.identities["us"]

    def add(
        self,
        numbers: Iterable[str],
        signed: Sequence[str] = ("2023-01-10",),
        profile: Mapping[str, Any] | None = None,
        blocks: Mapping[str, Any] | None = None,
        **line: Any,
    ) -> None:
        """Persons with these contracts, and what the register says of them."""
        add_persons(self.store, self.clock.now, numbers, signed, profile, blocks, **line)

    def export(self) -> Exported:
        return vdab_export.export(self.post, quiet)

    def opened(self, name: str, organisation: str = ORGANISATION) -> str:
        """What the receiver of a file reads in it."""
        file = self.post.out / name
        return unsealed(file.read_bytes(), self.identities[organisation])

    def answer(
        self,
        made: Exported,
        rows_: Callable[[list[str]], Iterable[Sequence[str]]] | None = None,
        *,
        text: str | None = None,
        head: Sequence[str] = NAMES,
    ) -> Path:
        """What VDAB gives back: sealed for us and signed."""
        numbers = self.opened(made.round.numbers_file).split()
        if text is None:
            page = StringIO()
            writer = csv.writer(page, delimiter=";", lineterminator="\n")
            writer.writerow(head)
            writer.writerows((rows_ or rows_of)(numbers))
            text = page.getvalue()
        return self.sealed(text.encode(), made.round.answer_file, made.round.label)

    def sealed(self, content: bytes, name: str, namespace: str) -> Path:
        """Bytes, sealed for us and signed by VDAB."""
        file = self.folder / name
        with file.open("wb") as target:
            sealing.seal([content], self.ours.recipient, target.write)
        sshd.sign(file, self.signer, namespace)
        return file

    def take_in(self, file: Path) -> Counted:
        return vdab_return.take_in(self.post, file, self.ours.secret, self.signers, quiet)

    def records(self, **having: object) -> list[dict[str, Any]]:
        """The records with these members, oldest first."""
        found = [
            json.loads(bytes(row[0]))
            for row in rows(self.store, "SELECT record FROM access_record ORDER BY log_index")
        ]
        return [one for one in found if having.items() <= one.items()]

    def subjects(self) -> list[str]:
        """The persons of the records about one, in the order of the records."""
        key = self.office.keys.at(self.clock.now)
        return [key.reveal("subject", one["subject"]) for one in self.persons()]

    def persons(self) -> list[dict[str, Any]]:
        """The records about a person."""
        return [one for one in self.records() if "subject" in one]

    def deliveries(self, **having: object) -> list[dict[str, Any]]:
        """The records of files."""
        return [one for one in self.records(type="delivery", **having) if "subject" not in one]

    def stands(self) -> set[str]:
        """The files of the exchange, hidden ones too, but for the mark of the folder."""
        folder = self.post.folder
        found = {str(one.relative_to(folder)) for one in folder.rglob("*") if one.is_file()}
        return found - {MARK}


def add_persons(
    store: Database,
    now: datetime,
    numbers: Iterable[str],
    signed: Sequence[str],
    profile: Mapping[str, Any] | None = None,
    blocks: Mapping[str, Any] | None = None,
    **line: Any,
) -> None:
    """Store persons as the imports would, with these contracts."""
    contracts = [{"datumRegistratie": day, "type": "IC07G"} for day in signed]
    with store.writing() as session:
        learned = access_log.learn(session, now)
        for each in numbers:
            known = {"contracten": contracts, **(blocks or {})}
            dossiers.store(session, Insz(each), known, now, learned)
    lines = [
        json.dumps({"insz": each, **({"profiel": profile} if profile else {}), **line})
        for each in numbers
    ]
    reports = list(intake.import_lines(store, lines, lambda: now, production=False))
    assert all(isinstance(report, intake.Stored) for report in reports), reports


def rows_of(numbers: Sequence[str]) -> Iterable[Sequence[str]]:
    """What VDAB says of these: all the same, so that nobody stands out."""
    for each in numbers:
        yield (each, "2023-02-01", "2024-02-01", "nwwz", "lopend", "oriëntatie", "")


def unsealed(content: bytes, identity: sealing.Identity) -> str:
    target = BytesIO()
    sealing.unseal(BytesIO(content), identity.secret, target.write)
    return target.getvalue().decode()


def make_world(store: Database, folder: Path, keys: MonthKeys | None = None) -> World:
    """The protocol in force, its list and its begin settled, and a key for everybody."""
    folder.mkdir(exist_ok=True)
    clock = Clock(NOW)
    keys = keys or MonthKeys(folder / "month-keys")
    keys.create(NOW, months=2)
    office = Office(store, keys, ORIGIN, "ambtenaar-1")
    sources, faults = protocols.read_files([PROTOCOLS / "vdab-2023.yaml"])
    assert not faults
    profiles = Source(Path("profielen.yaml"), documents.parse(LIST))
    administration.load(office, [*sources, profiles], NOW)
    administration.settle_start(office, "vdab-2023", "samenwerkingVan", COOPERATION, NOW)
    bodies = (*AGENCIES, ORGANISATION)
    identities = {body: sealing.new_identity() for body in (*bodies, "us")}
    for body in bodies:
        administration.set_recipient(office, body, identities[body].recipient, NOW)
    post = Post(office, folder / "exchange", clock, production=True, function_profile=PROFILE)
    return World(post, clock, folder, identities, sshd.make_key(folder / "signer"))


def with_profile(post: Post, profile: str | None) -> Post:
    """The same post, on behalf of another profile."""
    return replace(post, function_profile=profile)


def replace_key(world: World, organisation: str) -> None:
    """As `recipient set` does, when the key before it was lost."""
    recipient = sealing.new_identity().recipient
    administration.set_recipient(world.office, organisation, recipient, NOW)


def forget_key(office: Office, organisation: str) -> None:
    """As `recipient remove` does."""
    administration.set_recipient(office, organisation, None, NOW)
