"""`docs/regels.md` is what the rules say, and says all that they say."""

import re
import runpy
from pathlib import Path

import pytest
from test_obligation import RULES

from app.obligation import CURRENT, REASONS, RULE_SETS, TOO_OLD, Profile
from app.rule_pages import differences, render

ROOT = Path(__file__).parents[2]
PAGE = render()


def test_the_page_is_that_of_the_rules() -> None:
    stored = (ROOT / "docs" / "regels.md").read_bytes()

    assert stored == PAGE.encode(), (
        "docs/regels.md is not what the rules say: make it again with "
        "`python -m app.rule_pages > docs/regels.md` and read what changed"
    )


def test_the_command_prints_the_page(capsys: pytest.CaptureFixture[str]) -> None:
    runpy.run_path(str(ROOT / "app" / "rule_pages.py"), run_name="__main__")

    assert capsys.readouterr().out == PAGE


def test_every_rule_of_every_version_stands_on_it() -> None:
    assert [rule.situation for _, rule in RULES if rule.situation not in PAGE] == []
    assert all(f"ersie {version}" in PAGE for version in RULE_SETS)


def test_a_version_differs_from_the_newest_and_not_from_itself() -> None:
    assert {version: bool([*differences(rules)]) for version, rules in RULE_SETS.items()} == {
        version: rules is not CURRENT for version, rules in RULE_SETS.items()
    }
    assert "- de ouderdom van de gegevens telt niet" in PAGE


def test_a_rule_is_a_row_with_all_that_it_says() -> None:
    rows = {
        tuple(cell.strip() for cell in line.strip("|").split("|"))
        for line in PAGE.splitlines()
        if line.startswith("| ")
    }

    for rule in (*CURRENT.rules, *CURRENT.doubts, TOO_OLD):
        answers = {"O": "OK", "N": "NOK", "T": "geen advies"}
        codes = [rule.codes[profile] for profile in Profile]
        assert (
            rule.name,
            rule.situation,
            *(f"{answers[code[0]]} ({code})" for code in codes),
            rule.wire_reason or "",
            ", ".join(rule.rests_on),
            rule.legal_ground,
            rule.certainty,
        ) in rows


def test_every_rule_but_the_last_has_its_example() -> None:
    examples = re.findall(r"^- \*\*(.+?)\*\*, \d+ \w+ \d{4}: .+ → .+$", PAGE, re.MULTILINE)

    assert examples == [
        rule.name for rule in (*CURRENT.rules[:-1], *CURRENT.doubts, TOO_OLD) if rule.example
    ]
    assert len(examples) == len(CURRENT.rules) + len(CURRENT.doubts)


def test_the_reasons_the_profiles_and_the_limits_stand_on_it() -> None:
    assert all(text in PAGE for text in REASONS.values())
    assert all(f"| `{profile}` |" in PAGE for profile in Profile)
    limits = PAGE.split("## Grenzen")[1]
    assert all(
        word in limits
        for word in ("ordonnantie van Brussel", "eredienst", "B1", "wooncode", "aangetekende brief")
    )
