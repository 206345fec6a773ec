"""The scripts do what the README says."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
SHELL = [path for path in (ROOT / "scripts").iterdir() if path.is_file() and not path.suffix] + [ROOT / ".ci" / "run"]
INSTALLED = ROOT / ".venv" / "accord-installed"


@pytest.mark.parametrize("script", SHELL, ids=lambda path: path.name)
def test_scripts_are_well_formed(script: Path) -> None:
    done = subprocess.run(["bash", "-n", str(script)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


@pytest.mark.parametrize("script", SHELL, ids=lambda path: path.name)
def test_what_is_run_may_be_run(script: Path) -> None:
    assert os.access(script, os.X_OK) == script.read_text("utf-8").startswith("#!/usr/bin/env bash\n")


@pytest.mark.skipif(not INSTALLED.exists(), reason="the environment was not made by scripts/test")
def test_the_demo_ends_with_a_report(tmp_path: Path) -> None:
    environment = {"HOME": str(tmp_path), "PATH": os.environ["PATH"], "ACCORD_HOME": str(tmp_path / "accord")}
    command = ["bash", str(ROOT / "scripts" / "demo")]
    done = subprocess.run(command, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "## Recommendation" in done.stdout
    assert "completed" in done.stderr
    (report,) = (tmp_path / "accord" / "reports").iterdir()
    assert {path.suffix for path in report.iterdir()} >= {".md", ".svg"}
