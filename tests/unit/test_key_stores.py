"""Commands on each key store: made, listed, used, replaced and examined there, and nothing of it in the home."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, NamedTuple

import msgspec
import pytest

from accord.cli import main
from accord.custody import Custody

AGENTS = """
from accord.sdk import Agent

agent = Agent("tiny")

@agent.capability("tiny.double@1.0.0")
async def double(number: int) -> int:
    return 2 * number
"""

DOUBLE = """
accord: template/1
name: tiny.twice
version: 1.0.0
description: Doubles a number.
input: {type: integer}
tasks:
  doubled: {uses: tiny.double@^1, with: "${ {'number': input} }"}
output: "${ tasks.doubled.output }"
"""


class Outcome(NamedTuple):
    """What a command did."""

    code: int
    out: str
    err: str


class Place:
    """A home whose keys are elsewhere."""

    def __init__(self, custody: Custody, home: Path, capsys: pytest.CaptureFixture[str]) -> None:
        self.custody = custody
        self.home = home
        self._capsys = capsys

    def call(self, *arguments: str) -> Outcome:
        """Run a command line."""
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        told = self._capsys.readouterr()
        assert "Traceback" not in told.err
        return Outcome(int(ended.value.code or 0), told.out, told.err)

    def document(self, *arguments: str) -> Any:
        """The document of a command that works."""
        done = self.call(*arguments, "--json")
        assert done.code == 0, done.err
        return json.loads(done.out)


@pytest.fixture(params=["hsm", "kms", "vault"])
def custody(request: pytest.FixtureRequest) -> Custody:
    """Each key store, empty."""
    held = request.getfixturevalue(request.param)
    custody: Custody = held if isinstance(held, Custody) else held.custody
    return custody


@pytest.fixture
def place(
    custody: Custody, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> Place:
    (tmp_path / "tiny.py").write_text(AGENTS)
    (tmp_path / "twice.yaml").write_text(DOUBLE)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACCORD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("ACCORD_KEYS", str(custody))
    if custody.secret is not None:
        monkeypatch.setenv("ACCORD_KEYS_SECRET_FILE", str(custody.secret))
    return Place(custody, tmp_path / "home", capsys)


def test_everything_is_done_with_keys_that_are_elsewhere(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    made = place.call("keys", "new", "agent.local.tiny", "--json")
    assert made.code == 0, made.err
    told = place.call("keys", "new", "other").err.replace("\n", " ")
    assert f"in {place.custody}; it never leaves it" in told
    ran = place.document("run", "twice.yaml", "--input", "21", "--agents", "tiny.py")
    assert ran["output"] == 42
    assert place.call("journal", "verify", "last").code == 0

    rotated = place.document("keys", "rotate", "agent.local.tiny", "--overlap", "1h", "--algorithm", "Ed25519")
    assert (rotated["old"], rotated["jwk"]["alg"]) == (msgspec.json.decode(made.out)["jwk"]["kid"], "Ed25519")
    place.document("keys", "rotate", "orchestrator")
    assert place.document("run", "twice.yaml", "--input", "4", "--agents", "tiny.py")["output"] == 8
    listed = {one["key"]: one["state"] for one in place.document("keys", "list")}
    assert (listed[rotated["key"]], listed[rotated["old"]]) == ("valid", "retiring")

    found = {one["what"]: one for one in place.document("doctor")["findings"]}
    assert found["keys"]["grade"] == "ok", found["keys"]
    assert f"{place.custody}: " in found["keys"]["told"]
    assert found["keys"]["told"].endswith("ms a signature")
    assert "passphrase" not in found
    monkeypatch.setenv("ACCORD_ENCRYPT_PAYLOADS", "true")
    assert {one["what"]: one["grade"] for one in place.document("doctor")["findings"]}["keys"] == "ok"
    assert not {"keys", "passphrase"} & {path.name for path in place.home.iterdir()}
    assert f"the keys in {place.custody}" in place.call("journal", "backup", "copy").err.replace("\n", " ")


def test_a_key_store_that_does_not_let_us_in_is_found(
    place: Place, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    if place.custody.secret is None:
        pytest.skip("AWS has places of its own for credentials")
    wrong = tmp_path / "wrong"
    wrong.write_text("nothing\n")
    wrong.chmod(0o644)
    monkeypatch.setenv("ACCORD_KEYS_SECRET_FILE", str(wrong))
    loose = msgspec.json.decode(place.call("doctor", "--json").out)["findings"]
    assert ["ACC613" in one["told"] for one in loose if one["grade"] == "fail"] == [True]
    wrong.chmod(0o640)
    assert (refused := place.call("keys", "list")).code == 4
    assert "ACC632" in refused.err
    found = msgspec.json.decode(place.call("doctor", "--json").out)["findings"]
    told = {one["what"]: (one["grade"], one["told"]) for one in found}
    assert told["keys"][0] == "fail"
    assert "ACC632" in told["keys"][1]
    assert told["keys' secret"][0] == "ok"
    assert "nothing" not in str(told)
