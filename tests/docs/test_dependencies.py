"""What we depend on is pinned, under a licence that we allow, listed in a bill of materials, and audited."""

from __future__ import annotations

import importlib.util
import json
from pathlib import Path
from typing import Any

import pytest

SCRIPTS = Path(__file__).resolve().parents[2] / "scripts"


def script(name: str) -> Any:
    spec = importlib.util.spec_from_file_location(name, SCRIPTS / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture
def sbom() -> Any:
    return script("sbom")


@pytest.fixture
def audit() -> Any:
    return script("audit")


@pytest.mark.abuse(
    "ASI04",
    at="supply",
    stride="tampering",
    case="everything that Accord needs is pinned, known by its licence, and in the bill of materials",
)
def test_the_bill_is_whole_and_always_the_same(sbom: Any, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    files = [tmp_path / name for name in ("one", "other")]
    assert [sbom.main([str(file)]) for file in files] == [0, 0], capsys.readouterr().out
    one, other = (file.read_bytes() for file in files)
    assert one == other
    bill = json.loads(one)
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    assert {"cryptography", "msgspec", "z3-solver"} <= {part["name"] for part in bill["components"]}
    assert all(part["licenses"] for part in bill["components"])
    refs = {part["bom-ref"] for part in bill["components"]} | {bill["metadata"]["component"]["bom-ref"]}
    assert {one["ref"] for one in bill["dependencies"]} == refs


@pytest.mark.parametrize(
    ("expression", "allowed"),
    [
        ("MIT", True),
        ("GPL-3.0-or-later", False),
        ("GPL-2.0-only OR MIT", True),
        ("MIT AND GPL-3.0-only", False),
        ("(Apache-2.0 OR BSD-2-Clause)", True),
        ("", False),
    ],
)
def test_licences(sbom: Any, expression: str, allowed: bool) -> None:
    assert sbom.is_allowed(expression) == allowed


def test_what_has_no_pin_or_another_licence_is_told(sbom: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sbom, "licence_of", lambda name: "AGPL-3.0-only")
    graph = {sbom.US: {"msgspec", "orjson"}, "msgspec": set(), "orjson": set()}
    assert list(sbom.problems(graph, {"orjson": "1"})) == [
        "msgspec is needed, and constraints.txt has no pin of it",
        "orjson 1 is under 'AGPL-3.0-only'",
    ]


TOLD = {
    "dependencies": [{"name": "a", "version": "1", "vulns": [{"id": "CVE-1", "fix_versions": ["2"]}]}, {"name": "b"}]
}


@pytest.mark.abuse(
    "ASI04", at="supply", stride="elevation of privilege", case="a known vulnerability of a dependency fails the build"
)
@pytest.mark.parametrize(
    ("told", "required", "code", "words"),
    [
        (TOLD, "", 1, "a 1: CVE-1, fixed in 2"),
        ({"dependencies": [{"name": "b", "version": "1", "vulns": []}]}, "", 0, "1 packages, no known vulnerability"),
        ("no route", "", 0, "The audit was NOT made: no route"),
        ("no route", "required", 1, "The audit was NOT made: no route"),
    ],
)
def test_an_audit_says_what_it_found_and_whether_it_was_made(
    audit: Any,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    told: Any,
    required: str,
    code: int,
    words: str,
) -> None:
    monkeypatch.setenv("ACCORD_AUDIT", required)
    monkeypatch.setattr(audit, "report", lambda pins: told)
    assert audit.main() == code
    assert capsys.readouterr().out.strip() == words
