"""Every kind of page before a real browser: no rule of axe-core for WCAG 2.2 AA is broken."""

import html
import json
import os
import re
import shutil
import subprocess
from collections.abc import Sequence
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import pytest
from service import BASE, Service

AXE = "axe_playwright_python"  # it carries axe-core; nothing else of it is used
TAGS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "wcag22a", "wcag22aa", "best-practice"]
STYLED = ["color-contrast", "link-in-text-block"]
PATIENCE = 300  # seconds
PAGES = [
    "/",
    "/doc",
    f"{BASE}/protocollen",
    *(
        f"{BASE}/protocollen/{id_}"
        for id_ in ("avsb-2021", "genk-2021", "mechelen-2021", "vdab-2023", "voorbeeldstad-2026")
    ),
]
LOOKS = ("light", "dark", "print")
# The style sheet names the looks of a page; the second and third are put on by hand, and judged by
# the rules that look at the style.
RUN = """
const style = document.querySelector("style"), written = style.textContent;
const looks = {
  light: text => text,
  dark: text => text.replaceAll("screen and (prefers-color-scheme: dark)", "all"),
  print: text => text.replaceAll("@media print", "@media all"),
};
(async () => {
  const found = {};
  for (const look of LOOKS) {
    style.textContent = looks[look](written);
    const runOnly = look === "light" ? TAGS : STYLED;
    const { violations, passes } = await axe.run({ runOnly, resultTypes: ["violations"] });
    found[look] = { passes: passes.length, broken: violations.flatMap(rule =>
      rule.nodes.map(node => `${rule.id}: ${node.html.slice(0, 200)}`)) };
  }
  document.documentElement.dataset.axe = JSON.stringify(found);
})();
"""


def script() -> str:
    """The whole of axe-core, from the package that carries it."""
    found = find_spec(AXE)  # which does not run it
    assert found
    assert found.origin
    return (Path(found.origin).parent / "axe.min.js").read_text(encoding="utf-8")


def browser() -> str:
    """The program that shows the pages; without one the test is skipped, unless it is demanded."""
    found = shutil.which("chromium")
    if not found and os.getenv("REQUIRE_CHROMIUM") == "1":
        pytest.fail("REQUIRE_CHROMIUM=1, and there is no program chromium")
    if not found:
        pytest.skip("there is no program chromium")
    return found


def judge(page: str, folder: Path, looks: Sequence[str]) -> dict[str, Any]:
    """For each look of the page how many rules it keeps, and which elements break one."""
    chromium, file, run = browser(), folder / "page.html", RUN
    for name, value in (("TAGS", TAGS), ("STYLED", STYLED), ("LOOKS", looks)):
        run = run.replace(name, json.dumps(value))
    # A script that is put behind the page runs when the page is whole, and is no part of it.
    file.write_text(f"{page}<script>{script()}</script><script>{run}</script>", encoding="utf-8")
    shown = subprocess.run(
        [
            *(chromium, "--headless", "--no-sandbox", "--disable-gpu", "--disable-dev-shm-usage"),
            *("--disable-background-networking", f"--user-data-dir={folder / 'browser'}"),
            *("--virtual-time-budget=30000", "--dump-dom", file.as_uri()),
        ],
        capture_output=True,
        text=True,
        timeout=PATIENCE,
        check=False,
    )
    answer = re.search(r'<html[^>]* data-axe="([^"]*)"', shown.stdout)
    assert answer, "axe-core did not answer"
    found: dict[str, Any] = json.loads(html.unescape(answer[1]))
    return found


@pytest.mark.parametrize("path", PAGES)
async def test_a_page_breaks_no_rule_that_a_tool_can_check(
    shared: Service, tmp_path: Path, path: str
) -> None:
    response = await shared.client.get(path, headers={"Accept": "text/html"})

    # The reference is long, and made of what the other pages are made of: one look is enough.
    found = judge(response.text, tmp_path, LOOKS[:1] if path == "/doc" else LOOKS)

    assert [result["broken"] for result in found.values() if result["broken"]] == []
    assert found["light"]["passes"] > 15


@pytest.mark.parametrize(
    ("written", "wrong", "rule"),
    [
        ('<html lang="nl">', "<html>", "html-has-lang"),
        ("--tekst: #1d2329", "--tekst: #c0c0c0", "color-contrast"),
        ("<th scope", "<td scope", "scope-attr-valid"),
    ],
)
async def test_a_rule_that_is_broken_is_seen(
    shared: Service, tmp_path: Path, written: str, wrong: str, rule: str
) -> None:
    page = (await shared.client.get(PAGES[2], headers={"Accept": "text/html"})).text

    found = judge(page.replace(written, wrong), tmp_path, LOOKS[:1])

    assert written in page
    assert [each for each in found["light"]["broken"] if each.startswith(rule)]
