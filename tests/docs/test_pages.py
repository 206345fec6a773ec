"""The documentation holds together: generated pages are up to date, links lead somewhere, the pins are pins."""

from __future__ import annotations

import re
import subprocess
import sys
import tomllib
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
LINK = re.compile(r"\]\(([^)\s]+)\)")
FENCED = re.compile(r"^```.*?^```$", re.MULTILINE | re.DOTALL)


def prose(page: Path) -> str:
    return FENCED.sub("", page.read_text("utf-8"))


def anchors(page: Path) -> set[str]:
    """The anchors that Markdown renderers give the headings, and those that the page sets itself."""
    headings = re.findall(r"^#+ (.+)$", prose(page), re.MULTILINE)
    own = set(re.findall(r'<a id="([^"]+)"></a>', prose(page)))
    return own | {re.sub(r"[^\w -]", "", heading.lower()).replace(" ", "-") for heading in headings}


def broken_links(page: Path) -> Iterator[str]:
    for link in LINK.findall(prose(page)):
        if re.match(r"[a-z]+:", link):
            continue
        name, _, anchor = link.partition("#")
        target = (page.parent / name).resolve() if name else page
        if not target.exists() or (anchor and anchor not in anchors(target)):
            yield link


@pytest.mark.parametrize("page", PAGES, ids=lambda page: str(page.relative_to(ROOT)))
def test_links_lead_somewhere(page: Path) -> None:
    assert not list(broken_links(page))


def test_every_page_can_be_reached_from_the_first_one() -> None:
    reached, open_ = set(), [ROOT / "README.md"]
    while open_:
        page = open_.pop()
        if page in reached or page.suffix != ".md":
            continue
        reached.add(page)
        links = (link.partition("#")[0] for link in LINK.findall(prose(page)) if not re.match(r"[a-z]+:", link))
        open_.extend((page.parent / link).resolve() for link in links if link)
    assert not set(PAGES) - reached


def test_generated_pages_are_up_to_date() -> None:
    command = [sys.executable, str(ROOT / "scripts" / "generate_docs.py"), "--check"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_decision_numbers_are_given_once(tmp_path: Path) -> None:
    (tmp_path / "0001-one.md").write_text("# 1. One\n")
    (tmp_path / "0001-other.md").write_text("# 1. Other\n")
    (tmp_path / "two.md").write_text("# 2. Two\n")
    program = (
        f"from pathlib import Path; from pages.decisions import decision_page; decision_page(Path({str(tmp_path)!r}))"
    )
    command = [sys.executable, "-c", program]
    done = subprocess.run(command, cwd=ROOT / "scripts", capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "2 decision records with the number 0001" in done.stderr
    assert "two.md: decision records are named NNNN-title.md" in done.stderr


def pins() -> dict[str, str]:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    return dict(line.split("==") for line in lines if not line.startswith("#"))


def test_the_constraints_hold_exact_versions_and_no_addresses() -> None:
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()[1:]
    assert [line for line in lines if not re.fullmatch(r"[a-z0-9][a-z0-9.-]*==[0-9][\w.+!-]*", line)] == []


def test_everything_that_is_asked_for_is_pinned() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    groups = [*project["project"]["optional-dependencies"].values(), *project["dependency-groups"].values()]
    wanted = [project["project"]["dependencies"], project["build-system"]["requires"], *groups]
    names = {re.split(r"[<>=!~;\[ ]", each)[0].lower() for group in wanted for each in group if isinstance(each, str)}
    assert names - pins().keys() == set()


def test_the_architecture_page_shows_the_layers_that_are_checked() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))
    contracts = {each["id"]: each for each in project["tool"]["importlinter"]["contracts"]}
    layers = "\n".join(contracts["layers"]["layers"])
    assert f"```text\n{layers}\n```" in (ROOT / "docs" / "explanation" / "architecture.md").read_text("utf-8")
