"""What the bench writes into the documentation. What it measures is looked at by nobody here."""

from __future__ import annotations

import importlib
import json
from collections.abc import Callable
from pathlib import Path
from xml.etree import ElementTree as Tree

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = Path("docs/explanation/speed.md")
CHART = Path("docs/images/comparison.svg")
SVG = "{http://www.w3.org/2000/svg}"


def line(system: str, scenario: str, per_second: float) -> str:
    figures = {
        "handoffs": 500,
        "seconds": 1.0,
        "per_second": per_second,
        "cpu_ms_each": 0.5,
        "p50_ms": 7.25,
        "p95_ms": 9.0,
        "peak_mib": 50.0,
        "held_mib": 60.0,
    }
    machine = {"python": "3.11.7", "machine": "x86_64", "cores": 2, "load": 0.1, "at": "2026-11-25T12:00+00:00"}
    versions = {"a-part": "1.2.3"}
    row = {"scenario": scenario, "system": system, "figures": figures, "versions": versions, "machine": machine}
    return json.dumps(row) + "\n"


def around(page: str) -> tuple[str, str]:
    return page.partition("<!-- comparison")[0], page.partition("<!-- end of comparison")[2]


@pytest.fixture
def report(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Callable[[str], None]:
    """Writes what was measured into the documentation of this folder."""
    for file in (PAGE, CHART):
        (tmp_path / file).parent.mkdir(parents=True)
    (tmp_path / PAGE).write_text((ROOT / PAGE).read_text("utf-8"), "utf-8")
    monkeypatch.syspath_prepend(str(ROOT))
    monkeypatch.chdir(tmp_path)
    module = importlib.import_module("bench.report")

    def write(lines: str) -> None:
        (tmp_path / "lines").write_text(lines)
        module.write(module.read("lines"))

    return write


def test_the_last_measurement_of_each_system_is_written_between_the_comments(report: Callable[[str], None]) -> None:
    measured = line("restate", "chain-500", 1_500) + line("accord", "chain-500", 1_000) + line("accord", "lone", 100)
    report(measured + line("accord", "chain-500", 2_000))
    before, after = (ROOT / PAGE).read_text("utf-8"), PAGE.read_text("utf-8")
    assert around(after) == around(before)
    assert "| Accord, embedded | 7.2 ms, 0.50 CPU-ms | 2,000 /s, 0.50 CPU-ms | 60 |\n" in after
    assert "| Restate | - | 1,500 /s, 0.50 CPU-ms | 60 |\n" in after
    assert "| Restate | a-part 1.2.3 | " in after
    assert after.index("| Accord, embedded |") < after.index("| Restate |")


def test_bars_are_as_long_as_the_figures(report: Callable[[str], None]) -> None:
    measured = line("accord", "chain-500", 2_000) + line("restate", "chain-500", 1_500)
    report(measured)
    drawing = CHART.read_bytes()
    bars = [bar for bar in Tree.fromstring(drawing).iter(f"{SVG}rect") if bar.get("class") in ("own", "other")]  # noqa: S314  # it is our own
    first, second = (float(bar.get("width", "")) for bar in bars[:2])
    assert second / first == pytest.approx(0.75)
    assert b">not measured<" in drawing
    report(measured)
    assert CHART.read_bytes() == drawing
