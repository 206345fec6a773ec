"""The public surface is what `accord` says it is, and loading it loads no more than is asked for."""

from __future__ import annotations

import subprocess
import sys

import accord


def test_every_public_name_is_there() -> None:
    assert sorted(accord.__all__) == accord.__all__
    for name in accord.__all__:
        assert getattr(accord, name).__name__ == name


def test_an_agent_loads_no_orchestrator() -> None:
    source = "import sys; from accord import Agent; print([m for m in sys.modules if m.startswith('accord.engine')])"
    said = subprocess.run([sys.executable, "-c", source], capture_output=True, text=True, check=True).stdout
    assert said.strip() == "[]"
