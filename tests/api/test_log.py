"""`/log`: the log for its clients, and the whole of it as an outsider verifies it."""

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import replace
from datetime import UTC, datetime
from pathlib import Path

import httpx
import naive_tree
import pytest
from anyio import from_thread, to_thread
from log_reader import (
    PROBLEM,
    append,
    checkpoint,
    entries,
    fill_to,
    hashes,
    is_problem,
    prune_below,
    public,
    stored,
    vkeys,
)
from service import (
    AUDIT,
    AUDIT_OWN,
    AUDITOR,
    CITY,
    DOSSIER,
    LOG_ORIGIN,
    ORIGIN,
    REVEAL,
    Clock,
    Service,
    closed_log,
    execute,
)

from app import database, log_keys, main, proving
from app.access_log import AccessLog
from app.demo_persons import RESIDENT_WITH_CERTIFICATE
from app.deps import Desk
from app.month_keys import MonthKeys
from app.settings import Mode, Settings
from app.tlog import note, tiles, tree, watch
from app.tlog.tiles import Tile
from app.visit import Visit

SIZE = 300  # one full tile and 44 records more


@pytest.fixture(scope="module")
async def log(shared: Service) -> Service:
    """A log of 300 records with a checkpoint over all of them, and ten records after it."""
    fill_to(shared, SIZE)
    append(shared, 10)
    return shared


# What everybody gets


async def test_the_checkpoint_is_a_signed_note_over_what_is_recorded(log: Service) -> None:
    response = await public(log, "checkpoint")

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    origin, size, root, empty, signature = response.content.decode().splitlines()
    assert (origin, size, empty) == (LOG_ORIGIN, "300", "")
    assert signature.startswith(f"\N{EM DASH} {LOG_ORIGIN} ")
    assert (await checkpoint(log)).root == naive_tree.root(stored(log)[:SIZE])
    assert root == note.parse_checkpoint(f"{origin}\n{size}\n{root}\n").text.splitlines()[2]


async def test_the_keys_stand_one_a_line(log: Service) -> None:
    response = await public(log, "vkey")

    assert response.status_code == 200
    assert response.headers["content-type"] == "text/plain; charset=utf-8"
    assert response.headers["cache-control"] == "no-cache"
    signer = log_keys.read_file(log.settings.log_key_file or Path(), LOG_ORIGIN)
    assert response.text == f"{signer.vkey.text}\n"


TILES = {  # its path, and the leaves below each of its hashes
    "tile/0/000": [range(index, index + 1) for index in range(256)],
    "tile/0/000.p/1": [range(1)],
    "tile/0/000.p/255": [range(index, index + 1) for index in range(255)],
    "tile/0/001.p/1": [range(256, 257)],
    "tile/0/001.p/44": [range(index, index + 1) for index in range(256, 300)],
    "tile/1/000.p/1": [range(256)],
}


async def test_a_tile_holds_the_hashes_of_its_subtrees(log: Service) -> None:
    leaves = stored(log)
    for path, subtrees in TILES.items():
        response = await public(log, path)

        assert response.status_code == 200, path
        assert response.headers["content-type"] == "application/octet-stream"
        cached = response.headers["cache-control"].split(", ")
        assert {"public", "immutable"} <= {*cached}
        [age] = [int(each.removeprefix("max-age=")) for each in cached if "max-age" in each]
        assert age >= 365 * 24 * 3600
        expected = [naive_tree.root([leaves[leaf] for leaf in subtree]) for subtree in subtrees]
        assert hashes(response.content) == expected, path


BEYOND = [
    *("0/001", "0/001.p/45", "0/001.p/54", "0/001.p/255", "0/002.p/1", "0/002", "0/x001/000"),
    *("1/000", "1/000.p/2", "1/001.p/1", "2/000", "2/000.p/1", "63/000.p/1", "63/000"),
    *("0/x999/x999/x999/x999/x999/999", "63/x999/x999/x999/x999/x999/999.p/255"),
]
OTHER_SPELLINGS = [
    *("0/0", "0/00", "0/0000", "0/x000/000", "00/000", "0/001.p/044", "0/1", "0/01"),
    *("0/000.p/0", "0/000.p/256", "0/000.p/00", "0/000.p/01", "0/000.p/1000", "0/000.p/"),
    *("0/000.p", "0/000.P/1", "0/000.p/1/", "0/000.p/1.p/1", "0/000.p/-1", "0/000.p/+1"),
    *("64/000", "-1/000", "+0/000", "0/-01", "0/-001", "0/+00", "a/000", "0/abc", "0/00a"),
    *("0/x999/x999/x999/x999/x999/x999/999", "0/" + "x999/" * 200 + "999", "9" * 400 + "/000"),
    *("0/000/", "/0/000", "0//000", "0", "0/", "", "000", "0/x001"),
    *("0%2F000", "%30/000", "0/00%30", "0/000%2Ep/1", "0/000.p%2F1", "0/000%00", "0/000%0A"),
    *("0/000%20", "%2e/0/000", "0/\N{ARABIC-INDIC DIGIT ZERO}00", "0/000;a=1", "0\\000"),
]

OTHER_PATHS = [
    *("", "checkpoint/", "Checkpoint", "check%70oint", "checkpoint%2F", "vkey/", "vke%79", "tile"),
    *("tile/", "tiles/0/000", "tile/checkpoint", "tile%2F0/000", "%74ile/0/000", "/tile/0/000"),
]


async def test_knows_no_tile_beyond_the_checkpoint_and_none_by_another_spelling(
    log: Service,
) -> None:
    before = len(stored(log))
    for path in [*(f"tile/{place}" for place in [*BEYOND, *OTHER_SPELLINGS]), *OTHER_PATHS]:
        response = await public(log, path)

        assert response.status_code == 404, path
        assert is_problem(response, 404, "resourceNotFound")
    assert len(stored(log)) == before


async def test_what_is_recorded_is_published_once_it_is_signed(service: Service) -> None:
    size = len(stored(service))
    append(service, 1)
    paths = [f"tile/0/000.p/{size + 1}", f"tile/entries/000.p/{size + 1}"]
    early = [await public(service, paths[0]), await entries(service, f"000.p/{size + 1}")]
    signed = (await checkpoint(service)).size

    service.sign()

    late = [await public(service, paths[0]), await entries(service, f"000.p/{size + 1}")]
    assert [each.status_code for each in early + late] == [404, 404, 200, 200]
    assert (signed, (await checkpoint(service)).size) == (size, size + 2)


async def test_public_resources_take_no_parameters_and_name_none(log: Service) -> None:
    before = len(stored(log))
    for path in ("checkpoint", "vkey", "tile/0/000"):
        for query in ("geheim=1", "geheim", "v=1&v=2", "=geheim"):
            response = await public(log, f"{path}?{query}")

            assert is_problem(response, 400, "badRequest"), query
            [issue] = response.json()["issues"]
            assert (issue["type"].rsplit(":", 1)[1], issue["in"]) == ("unknownInput", "query")
            assert "geheim" not in response.text
        assert (await public(log, f"{path}?")).status_code == 200
    assert len(stored(log)) == before


async def test_public_resources_do_not_ask_what_is_accepted(log: Service) -> None:
    for path in ("checkpoint", "vkey", "tile/0/000"):
        for accept in ("text/plain", "application/octet-stream", "text/html", "image/png", "*/*"):
            response = await public(log, path, headers={"Accept": accept})

            assert response.status_code == 200, (path, accept)


async def test_public_resources_are_read_and_nothing_else(log: Service) -> None:
    before = len(stored(log))
    for path in ("/log/checkpoint", "/log/vkey", "/log/tile/0/000", "/doc"):
        for method in ("POST", "PUT", "DELETE", "PATCH", "OPTIONS", "HEAD"):
            response = await log.client.request(method, path)

            assert (response.status_code, response.headers["allow"]) == (405, "GET"), path
            assert response.headers["content-type"] == PROBLEM
            if method != "HEAD":  # whose answer has no body
                assert is_problem(response, 405, "methodeNietToegelaten")
    assert len(stored(log)) == before


async def test_records_nothing_of_who_reads_what_is_public(log: Service) -> None:
    before = stored(log)
    for path in ("checkpoint", "vkey", "tile/0/000", "tile/9/000", "nothing"):
        await public(log, path)
        await public(log, path, headers={"Authorization": "Bearer x"})

    assert stored(log) == before


@asynccontextmanager
async def on_an_empty_log(url: str, folder: Path) -> AsyncIterator[httpx.AsyncClient]:
    """The service on a database without any record."""
    database.upgrade(url)
    settings = Settings(
        mode=Mode.DEMO,
        database_url=url,
        month_keys=folder / "month-keys",
        log_origin=LOG_ORIGIN,
        log_key_file=folder / "log.key",
    )
    app = main.create_app(settings, Clock(datetime(2026, 6, 1, tzinfo=UTC)))
    transport = httpx.ASGITransport(app, raise_app_exceptions=False)
    async with httpx.AsyncClient(transport=transport, base_url="http://testserver") as client:
        yield client
    app.state.desk.gate.database.dispose()


async def test_a_new_log_has_a_checkpoint_over_the_record_of_its_key_from_the_start(
    database_url: str, own_folder: Path
) -> None:
    async with on_an_empty_log(database_url, own_folder) as client:
        signed = await client.get("/log/checkpoint")
        keys = [note.Vkey.parse((await client.get("/log/vkey")).text.strip())]
        tile = await client.get("/log/tile/0/000.p/1")
        beyond = await client.get("/log/tile/0/000.p/2")

    opened = note.open_checkpoint(signed.text, keys, LOG_ORIGIN)
    assert (opened.size, opened.root) == (1, tile.content)
    assert is_problem(beyond, 404, "resourceNotFound")


async def test_before_its_first_checkpoint_a_log_publishes_none(
    own_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Another process may hold the row in which it is written."""
    monkeypatch.setattr(Desk, "sign", lambda _desk, **_options: None)

    async with on_an_empty_log(f"sqlite:///{own_folder}/empty.db", own_folder) as client:
        none = await client.get("/log/checkpoint")

    assert is_problem(none, 404, "resourceNotFound")


async def test_says_503_while_the_database_is_away(service_on_each: Service) -> None:
    service = service_on_each
    paths = {"checkpoint": "log_checkpoint", "tile/0/000.p/1": "log_checkpoint", "vkey": "log_key"}
    for path, table in paths.items():
        execute(service, f"ALTER TABLE {table} RENAME TO elsewhere")

        response = await public(service, path)

        execute(service, f"ALTER TABLE elsewhere RENAME TO {table}")
        assert is_problem(response, 503, "serviceUnavailable"), path
        assert response.headers["retry-after"] == "1"
        assert table not in response.text
        assert (await public(service, path)).status_code == 200


# Entry bundles


def logged(service: Service) -> list[tuple[str, int]]:
    """The operation and status of every record of a request."""
    return [(record["operation"], record["status"]) for record in service.records()]


READ = ("getLogEntries", 200)


async def test_an_entry_bundle_is_each_record_after_its_length(log: Service) -> None:
    records = stored(log)
    for place, span in (
        ("000", range(256)),
        ("000.p/1", range(1)),
        ("000.p/7", range(7)),
        ("001.p/44", range(256, 300)),
    ):
        response = await entries(log, place)

        assert response.status_code == 200
        assert response.headers["content-type"] == "application/octet-stream"
        assert response.headers["cache-control"] == "no-store"
        assert response.headers["x-correlation-id"]
        parts = [len(records[at]).to_bytes(2, "big") + records[at] for at in span]
        assert response.content == b"".join(parts), place


async def test_an_entry_bundle_is_for_auditors_of_the_whole_log(service: Service) -> None:
    for scopes in ((AUDIT_OWN,), (DOSSIER, REVEAL), ("",)):
        before = len(service.records())

        response = await entries(service, "000.p/1", *scopes, organisation=CITY)

        assert is_problem(response, 403, "missingScope")
        assert response.json()["requiredScopes"] == [AUDIT]
        [record] = service.records()[before:]
        assert (record["operation"], record["organisation"]) == ("getLogEntries", CITY)
        assert (record["reasonCode"], record["outcome"]) == ("scope", "denied")
        assert (record["type"], record["route"]) == ("access", "/log/tile/entries/{N}")


async def test_an_entry_bundle_needs_a_token_and_the_name_of_who_reads(service: Service) -> None:
    stranger = await entries(service, "000.p/1", Authorization="")
    nameless = await entries(service, "000.p/1", X_Magda_Enduser_ID="")
    curious = await entries(service, "000.p/1?geheim=1")

    assert is_problem(stranger, 401, "noAccessToken")
    assert stranger.headers["www-authenticate"].startswith("Bearer")
    assert is_problem(nameless, 400, "badRequest")
    assert nameless.json()["issues"][0]["name"] == "X-Magda-Enduser-ID"
    assert is_problem(curious, 400, "badRequest")
    assert [status for _, status in logged(service)] == [401, 400, 400]


async def test_an_entry_bundle_is_asked_as_every_recorded_operation(service: Service) -> None:
    for header, method, status in (
        ("application/json", "GET", 406),
        ("application/octet-stream", "GET", 200),
        ("application/*", "GET", 200),
        ("*/*", "POST", 405),
        ("*/*", "HEAD", 405),
        ("*/*", "DELETE", 405),
    ):
        before = len(service.records())

        response = await entries(service, "000.p/1", Accept=header, method=method)

        assert response.status_code == status
        assert logged(service)[before:] == [("getLogEntries", status)]


async def test_reading_entries_is_recorded_with_who_and_what(service: Service) -> None:
    await entries(service, "000.p/3")

    [record] = service.records()
    key = service.office.keys.at(service.clock.now)
    assert (record["type"], record["outcome"], record["status"]) == ("logRead", "allowed", 200)
    assert (record["organisation"], record["operation"]) == (AUDITOR, "getLogEntries")
    assert record["user"] == key.hide("user", "auditor-1")
    assert record["eventId"][14] == "7"


async def test_entries_are_recorded_once_for_a_token_and_an_hour(service_on_each: Service) -> None:
    service = service_on_each
    other = service.restart()
    token = service.token(AUDITOR, AUDIT)
    sizes = range(1, 4)

    for each in (service, other, service):
        answers = [entries(each, f"000.p/{size}", token=token) for size in sizes]
        assert [answer.status_code for answer in await asyncio.gather(*answers)] == [200] * 3
    await other.close()
    restarted = service.restart()
    service.clock.now = service.clock.now.replace(minute=59, second=59, microsecond=999000)
    again = await entries(restarted, "000.p/5", token=token)

    assert (again.status_code, logged(service)) == (200, [READ])
    service.clock.forward(seconds=0.001)
    await entries(restarted, "000.p/5", token=token)
    await entries(service, "000.p/5", token=token)
    assert logged(service) == [READ] * 2
    await entries(service, "000.p/5", token=service.token(AUDITOR, AUDIT))
    await entries(service, "000.p/5", token=service.token(AUDITOR, AUDIT))
    assert logged(service) == [READ] * 4
    await restarted.client.aclose()
    restarted.app.state.desk.gate.database.dispose()


async def test_each_user_of_a_token_is_recorded(service: Service) -> None:
    token = service.token(AUDITOR, AUDIT)
    for user in ("auditor-1", "auditor-2", "auditor-1"):
        await entries(service, "000.p/1", token=token, X_Magda_Enduser_ID=user)

    key = service.office.keys.at(service.clock.now)
    users = [record["user"] for record in service.records()]
    assert users == [key.hide("user", user) for user in ("auditor-1", "auditor-2")]


async def test_the_id_of_a_reading_tells_nobody_without_the_key_who_read(
    service: Service,
) -> None:
    """All that goes into it stands in the record in the clear, but for the user."""
    token = service.token(AUDITOR, AUDIT)
    await entries(service, "000.p/1", token=token, X_Magda_Enduser_ID="auditor-1")
    [record] = service.records()
    visit = Visit(
        operation=record["operation"],
        route=record["route"],
        started_at=service.clock.now,
        correlation_id="",
        event_id="",
        trace_id="",
        span_id="",
        organisation=record["organisation"],
        client=record["client"],
        credential=record["credential"],
        user="auditor-1",
    )
    gate, another = service.app.state.desk.gate, MonthKeys(Path("other-keys"))
    another.create(service.clock.now, months=1)
    elsewhere = replace(gate, log=AccessLog(gate.database, another, ORIGIN))

    ids = [proving._hourly_id(each, visit, service.clock.now) for each in (gate, elsewhere)]

    assert ids[0] == record["eventId"] != ids[1]


async def test_two_organisations_whose_tokens_have_one_id_are_two_readers(
    service: Service, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A `jti` is unique within its issuer alone."""
    monkeypatch.setattr("app.tokens.secrets.token_urlsafe", lambda _count: "1")
    for organisation in (AUDITOR, CITY):
        await entries(service, "000.p/1", organisation=organisation)

    one, other = service.records()
    assert one["credential"] == other["credential"]
    assert [one["organisation"], other["organisation"]] == [AUDITOR, CITY]


async def test_every_refusal_is_recorded_also_within_the_hour(service: Service) -> None:
    token, own = service.token(AUDITOR, AUDIT), service.token(AUDITOR, AUDIT_OWN)
    for _ in range(2):
        await entries(service, "000.p/1", token=own)
        await entries(service, "009", token=token)

    await entries(service, "000.p/1", token=token)
    await entries(service, "009", token=token)

    statuses = [status for _, status in logged(service)]
    assert statuses == [403, 404, 403, 404, 200, 404]
    assert len({record["eventId"] for record in service.records()}) == 6


async def test_entries_beyond_the_checkpoint_are_not_there(log: Service) -> None:
    for place in ("001.p/45", "001.p/54", "001", "002", "x001/000", "x999/x999/x999/x999/999"):
        before = len(log.records())

        response = await entries(log, place)

        assert is_problem(response, 404, "resourceNotFound"), place
        [record] = log.records()[before:]
        assert response.json()["instance"] == f"urn:uuid:{record['eventId']}"
        assert (record["type"], record["outcome"]) == ("logRead", "notFound")


async def test_a_path_that_is_none_is_no_request_for_entries(log: Service) -> None:
    before = len(log.records())
    for place in (
        *("", "0", "0000", "x000/000", "000.p/0", "000.p/256", "000.p/01", "-01", "000/", "/000"),
        *("000%2Ep/1", "000.p%2F1", "00%30", "x999/" * 6 + "999", "checkpoint", "000.p/1/"),
    ):
        for method in ("GET", "POST"):
            response = await entries(log, place, method=method)

            assert is_problem(response, 404, "resourceNotFound"), place
            assert "instance" not in response.json()
    assert len(log.records()) == before


async def test_entries_whose_term_has_ended_are_gone_and_the_tiles_stay(service: Service) -> None:
    fill_to(service, 600)
    prune_below(service, 256)

    gone = [await entries(service, place) for place in ("000", "000.p/1")]
    kept = [await entries(service, place) for place in ("001", "002.p/88")]
    tiles_of_old = [await public(service, path) for path in ("tile/0/000", "tile/0/000.p/3")]

    for response in gone:
        assert is_problem(response, 410, "bewaartermijnVerstreken")
    assert [response.status_code for response in kept + tiles_of_old] == [200] * 4
    outcomes = [(record["status"], record["outcome"]) for record in service.records()[-4:]]
    assert outcomes == [(410, "notFound")] * 2 + [(200, "allowed")] * 2


async def test_no_entry_leaves_without_its_record(service_on_each: Service) -> None:
    service = service_on_each
    before = stored(service)
    with closed_log(service):
        response = await entries(service, "000.p/1")

    assert is_problem(response, 503, "serviceUnavailable")
    assert before[0][:100] not in response.content
    assert stored(service) == before


# The whole log, as an outsider sees it


def fetching(service: Service) -> Callable[[str], bytes]:
    """Fetches a path of the log from a thread."""

    async def get(path: str) -> httpx.Response:
        return await public(service, path)

    def fetch(path: str) -> bytes:
        response = from_thread.run(get, path)
        if response.status_code != 200:
            raise LookupError(path)
        return response.content

    return fetch


async def fetched_leaves(service: Service, size: int) -> list[bytes]:
    """All records of the tree of this size, out of its entry bundles."""
    token, leaves = service.token(AUDITOR, AUDIT), list[bytes]()
    for index in range(-(-size // 256)):
        width = min(256, size - 256 * index)
        place = tiles.entries_path(index, width).removeprefix("tile/entries/")
        content = (await entries(service, place, token=token)).content
        while content:
            length = int.from_bytes(content[:2], "big")
            leaves.append(content[2 : 2 + length])
            content = content[2 + length :]
    return leaves


async def test_an_outsider_verifies_the_whole_log(service_on_each: Service) -> None:
    service = service_on_each
    await service.dossier(CITY, RESIDENT_WITH_CERTIFICATE)
    fill_to(service, 413)
    old = await checkpoint(service)
    append(service, 250)
    service.sign()
    new = await checkpoint(service)

    leaves = await fetched_leaves(service, new.size)

    assert (old.size, new.size, len(leaves)) == (413, 663, 663)
    assert naive_tree.root(leaves) == new.root
    assert naive_tree.root(leaves[: old.size]) == old.root
    fetch = fetching(service)
    assert len({json.loads(leaf)["eventId"] for leaf in leaves}) == new.size
    # Every tile, of the leaves themselves.
    level_0 = [
        fetched
        for path in ("tile/0/000", "tile/0/001", "tile/0/002.p/151")
        for fetched in hashes((await public(service, path)).content)
    ]
    assert level_0 == [hashlib.sha256(b"\x00" + leaf).digest() for leaf in leaves]
    [first, second] = hashes((await public(service, "tile/1/000.p/2")).content)
    assert [first, second] == [naive_tree.root(leaves[:256]), naive_tree.root(leaves[256:512])]
    # The proofs that a client makes of the tiles are those of the RFC.
    read = await to_thread.run_sync(lambda: _read_all(fetch, new.size))
    for index in (0, 1, 2, 255, 256, 257, 412, 511, 512, 513, 600, 661, 662):
        made = tree.inclusion_proof(index, new.size, read)
        assert made == naive_tree.inclusion(index, leaves), index
        leaf = hashlib.sha256(b"\x00" + leaves[index]).digest()
        assert tree.verify_inclusion(leaf, index, new.size, made, new.root)
    between = tree.consistency_proof(old.size, new.size, read)
    assert between == naive_tree.consistency(old.size, leaves)
    assert tree.verify_consistency(old.size, old.root, new.size, new.root, between)


def _read_all(fetch: Callable[[str], bytes], size: int) -> tree.Reader:
    """A reader that has every tile of a tree of 663 records."""
    every = {tile: fetch(tile.path) for tile in tiles.tiles_of_range(0, size, size)}
    return tiles.reader(lambda wanted: {tile: every[tile] for tile in wanted}, size)


async def test_a_watcher_follows_the_log_over_http(service_on_each: Service) -> None:
    service = service_on_each
    fetch, keys = fetching(service), await vkeys(service)
    seen: str | None = None
    sizes = []
    for size in (100, 255, 256, 300, 512, 700):
        fill_to(service, size)
        published = (await public(service, "checkpoint")).text
        advanced = await to_thread.run_sync(watch.advance, seen, published, keys, LOG_ORIGIN, fetch)
        sizes.append(advanced.size)
        seen = published

    assert sizes == [100, 255, 256, 300, 512, 700]


async def test_a_watcher_sees_a_log_that_was_rewritten(service: Service) -> None:
    """By somebody who has the database and the key, and starts anew."""
    fill_to(service, 300)
    fetch, keys = fetching(service), await vkeys(service)
    kept = (await public(service, "checkpoint")).text
    leaves = [*stored(service)[:150], b"{}", *stored(service)[151:], b"{}"]
    packed = b"".join(hashlib.sha256(b"\x00" + leaf).digest() for leaf in leaves)
    signer = log_keys.read_file(service.settings.log_key_file or Path(), LOG_ORIGIN)
    root = naive_tree.root(leaves)
    forged = signer.sign(note.Checkpoint(LOG_ORIGIN, len(leaves), root).text)
    rewritten = {
        Tile(0, 0).path: packed[: 256 * 32],
        Tile(0, 1, 45).path: packed[256 * 32 :],
        Tile(1, 0, 1).path: naive_tree.root(leaves[:256]),
    }

    def serve(path: str) -> bytes:
        return rewritten[path] if path in rewritten else fetch(path)

    with pytest.raises(watch.Rewritten):
        await to_thread.run_sync(watch.advance, kept, forged, keys, LOG_ORIGIN, serve)
