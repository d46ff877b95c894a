"""From MAGDA answers to a served dossier and advice, with the commands and over HTTP."""

import json
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import httpx
import pytest
from programs import Ended, Within, free_port, lines_until, run, started
from service import ADVICE, ANSWERS, AUDIT, AUDITOR, CITY, DOSSIER, FUND, GENK

ATTESTED, NO_CONTRACT = "90722501478", "90722600359"  # test numbers of the public answers
DECISION_DAY = "2022-01-01"


@dataclass(frozen=True)
class Live:
    """A service on the real answers, and what the imports said."""

    folder: Path
    client: httpx.Client
    answers: Ended
    register: Ended

    def ask(self, organisation: str, scope: str, path: str, body: dict[str, Any]) -> httpx.Response:
        """One question with a token of the demo issuer's endpoint."""
        issued = self.client.post(
            "/dev/token",
            data={"grant_type": "client_credentials", "scope": scope},
            auth=(quote(organisation), "demo"),
        )
        headers = {
            "Authorization": f"Bearer {issued.json()['access_token']}",
            "X-Magda-Enduser-ID": "medewerker-1",
        }
        return self.client.post(f"/inburgering/v1{path}", json=body, headers=headers)

    def dossier(self, organisation: str, insz: str, **more: Any) -> httpx.Response:
        """`queryDossier` for the local integration policy."""
        body = {"insz": insz, "doeleinde": "lokaalIntegratiebeleid", "referte": "dossier", **more}
        return self.ask(organisation, DOSSIER, "/dossiers/query", body)

    def advice(self, organisation: str, insz: str, on: str) -> httpx.Response:
        """`queryAdvies` for the care budget."""
        purpose = "zorgbudgetZwaarZorgbehoevenden"
        body = {"insz": insz, "doeleinde": purpose, "toetsdatum": on, "referte": "advies"}
        return self.ask(organisation, ADVICE, "/adviezen/query", body)

    def found(self, **query: Any) -> list[dict[str, Any]]:
        """What the auditor finds, oldest first."""
        body = {"aanleiding": "nazicht", "pageSize": 400, **query}
        response = self.ask(AUDITOR, AUDIT, "/toegangen/query", body)
        assert response.status_code == 200, response.text
        items: list[dict[str, Any]] = response.json()["items"]
        return items[::-1]


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Live]:
    if not ANSWERS.is_dir():
        pytest.skip("the answers of the KBI are not at ../shared/kbi/antwoorden")
    folder, port = tmp_path_factory.mktemp("answers"), free_port()
    answers = run(folder, "kbi", "import", str(ANSWERS))
    resident = {"woonplaatsen": [{"nis": "71016", "van": "2015-03-26", "tot": None}]}
    member = {"lidmaatschappen": [{"organisatie": FUND, "van": "2016-01-01", "tot": None}]}
    lines = [{"insz": ATTESTED, **resident, **member}, {"insz": NO_CONTRACT, **member}]
    (folder / "register.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    with (
        started(folder, "serve", "--port", str(port)) as program,
        httpx.Client(base_url=f"http://127.0.0.1:{port}", trust_env=False) as client,
    ):
        # What these change holds for the service that runs already.
        register = run(folder, "register", "import", "register.jsonl")
        assert run(folder, "protocol", "load").code == 0
        lines_until(program.stderr, "Uvicorn running on")
        yield Live(folder, client, answers, register)


def test_the_import_stores_the_dossiers_and_names_the_others(live: Live) -> None:
    *named, counted = live.answers.err.splitlines()

    assert (live.answers.code, live.answers.out) == (1, "")
    assert sorted(line.split(" ", 2)[:2] for line in named) == [
        ["90722500191.xml:", "99996"],
        ["91610100176.xml:", "99996"],
        ["notfound.xml:", "30001"],
    ]
    assert counted == "answers: 11 stored, 0 unchanged, 3 skipped"
    assert live.register == Ended(0, "", "lines: 2 stored, 0 unchanged, 0 skipped\n")


def test_genk_gets_exactly_what_its_protocol_permits(live: Live) -> None:
    response = live.dossier(GENK, ATTESTED)

    assert response.status_code == 200
    assert response.json()["dossier"] == {
        "personalia": {"insz": ATTESTED},
        "contract": {"ondertekend": True},
        "attest": {"inburgeringBehaald": True},
    }


def test_the_care_fund_gets_an_advice_on_each_member(live: Live) -> None:
    attested = live.advice(FUND, ATTESTED, DECISION_DAY).json()
    no_contract = live.advice(FUND, NO_CONTRACT, DECISION_DAY).json()

    assert attested["advice"] == "OK"
    assert "redenen" not in attested
    assert no_contract["advice"] == "NOK"
    assert [reason["code"] for reason in no_contract["redenen"]] == ["R02"]


def test_the_auditor_finds_every_request_and_every_refusal(live: Live) -> None:
    before = len(live.found(reden="population")), len(live.found(reden="noProtocol"))
    asked = [
        live.dossier(GENK, ATTESTED),
        live.advice(FUND, ATTESTED, DECISION_DAY),
        live.dossier(CITY, ATTESTED),  # lives elsewhere
        live.dossier(GENK, NO_CONTRACT),  # not a resident either
        live.advice(GENK, ATTESTED, DECISION_DAY),  # not this purpose
        live.dossier(GENK, ATTESTED, velden=["doelgroep.type"]),
    ]

    of_person = live.found(insz=ATTESTED)[-5:]
    after = len(live.found(reden="population")), len(live.found(reden="noProtocol"))

    assert [response.status_code for response in asked] == [200, 200, 403, 403, 403, 403]
    assert [
        (item["organisation"], item["status"], item.get("reasonCode")) for item in of_person
    ] == [
        (GENK, 200, None),
        (FUND, 200, None),
        (CITY, 403, "functionProfile"),
        (GENK, 403, "noProtocol"),
        (GENK, 403, "field"),
    ]
    assert (after[0] - before[0], after[1] - before[1]) == (1, 1)
    assert not any(ATTESTED in json.dumps(item) for item in of_person)


def test_a_suspension_by_command_holds_for_the_next_answer(
    live: Live, monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(live.folder)
    command = Within(monkeypatch, capfd)

    command("protocol", "suspend", "genk-2021", "--reason", "een incident")
    during = live.dossier(GENK, ATTESTED)
    command("protocol", "resume", "genk-2021")
    after = live.dossier(GENK, ATTESTED)

    assert (during.status_code, during.json()["reden"]) == (403, "suspended")
    assert after.status_code == 200
