"""Lists that were asked, as their receivers get them: opened with the real `age`."""

import csv
import io
import json
import zipfile
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from programs import age
from service import Service

from app import list_making, main
from app.list_making import Workshop

LIST, KEY = "inb_lijst_v1_G", "inb_lijstsleutel_v1_G"


@dataclass(frozen=True)
class Opened:
    """What stood in a sealed list."""

    names: list[str]
    lines: bytes
    manifest: dict[str, Any]
    note: str

    @property
    def rows(self) -> list[dict[str, str]]:
        """The lines of a CSV, by the name of the field."""
        return [*csv.DictReader(io.StringIO(self.lines.decode(), newline=""))]


def shop_of(service: Service) -> Workshop:
    """Where this service makes lists."""
    return main.workshop(service.settings, service.office, service.clock)


def work(service: Service) -> None:
    """What the service does in the background: make every list that waits."""
    shop = shop_of(service)
    while list_making.work_once(shop):
        pass


async def ask_list(
    service: Service, organisation: str, purpose: str, year: int, **more: Any
) -> httpx.Response:
    body = {"doeleinde": purpose, "jaar": year, "referte": "lijst-1", **more}
    return await service.ask(organisation, "/lijsten", body, scopes=(LIST,))


async def file_of(
    service: Service, organisation: str, list_id: str, **headers: str
) -> httpx.Response:
    return await service.ask(
        organisation, f"/lijsten/{list_id}/bestand", scopes=(LIST,), headers=headers
    )


async def key_of(
    service: Service, organisation: str, list_id: str, client: str = "sleutelclient"
) -> httpx.Response:
    """The key, by a client of its own."""
    token = service.issuer.issue(organisation, client, (KEY,), service.clock.now)
    return await service.ask(
        organisation,
        f"/lijsten/{list_id}/sleutel",
        {"referte": "sleutel-1"},
        headers={"Authorization": f"Bearer {token}"},
    )


def open_with_age(content: bytes, secret: str, folder: Path) -> Opened:
    """What the real `age` makes of a sealed list, and `zipfile` of that."""
    key, file = folder / "key", folder / "list.zip.age"
    key.write_text(secret + "\n")
    file.write_bytes(content)
    packed = age("--decrypt", "--identity", str(key), str(file))
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert archive.testzip() is None
        manifest = json.loads(archive.read("manifest.json"))
        return Opened(
            archive.namelist(),
            archive.read(manifest["bestand"]["naam"]),
            manifest,
            archive.read("manifest.note").decode(),
        )
