"""Commands load what they need, and no more: what libraries would like to have beside that stays where it is."""

from __future__ import annotations

import gc
import subprocess
import sys
from pathlib import Path

import pytest

from accord.loading.spared import spared


def loaded_by(code: str, *names: str) -> list[str]:
    """Which of these modules are loaded, after this code in a process of its own."""
    told = (
        f"{code}\nimport sys\nprint(*[name for name in {names!r} if getattr(sys.modules.get(name), '__file__', None)])"
    )
    done = subprocess.run([sys.executable, "-c", told], capture_output=True, text=True, check=True)
    return done.stdout.splitlines()[-1].split()


def test_a_server_loads_no_client_that_it_does_not_use() -> None:
    heavy = ("redis", "valkey", "requests", "aiohttp.client", "httpx._main", "cedarpy", "moto", "boto3", "z3", "nats")
    assert loaded_by("import accord.gateway.application", "socketio", *heavy) == ["socketio"]


def test_a_node_that_decides_nothing_does_without_cedar(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCORD_HOME", str(tmp_path))
    code = (
        "from accord.cli import main\ntry: main(['runs', 'list'])\nexcept SystemExit as error: assert not error.code\n"
    )
    assert loaded_by(code, "accord.engine.node", "cedarpy") == ["accord.engine.node"]


def test_what_is_spared_can_be_had_afterwards(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "wave", raising=False)
    with spared("wave", "json"):
        import json  # noqa: PLC0415 - it is loaded already, and stays

        with pytest.raises(ImportError):
            import wave  # noqa: PLC0415 - as above
    assert json.dumps(1) == "1"
    import wave  # noqa: PLC0415 - as above

    assert wave.open


def test_only_a_process_of_its_own_is_spared_the_collector() -> None:
    code = "import gc; before = gc.get_threshold()\nfrom accord.cli import main\n"
    code += "try: main({given})\nexcept SystemExit: pass\n"
    told = "print(gc.get_threshold() == before)"
    for given, kept in (("['--version']", "True"), ("", "False")):
        argv = [sys.executable, "-c", code.format(given=given) + told, "--version"]
        done = subprocess.run(argv, capture_output=True, text=True, check=True)
        assert done.stdout.splitlines()[-1] == kept
    assert gc.isenabled()
