"""The conformance suite: agents that keep the protocol pass, and each broken rule is told by its name."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from accord.conformance import RULES

from .test_javascript import installed

__all__ = ["installed"]

SCRIPTED = Path(__file__).with_name("scripted_agent.py")

SLOW = """
import asyncio
from accord.sdk import Agent
agent = Agent("hello")
@agent.capability("text.greet@1.0.0")
async def greet(name: str) -> str:
    if name == "slow":
        await asyncio.sleep(8)
    return f"Hello {name}"
"""


def examined(home: Path, *arguments: str) -> tuple[int, dict[str, str], str]:
    """Exit code, outcome of each rule, and what was said beside it."""
    command = [sys.executable, "-m", "accord", "conformance", "--json", *arguments]
    environment = {**os.environ, "ACCORD_HOME": str(home), "AGENT_HOME": str(home / "js")}
    done = subprocess.run(command, capture_output=True, text=True, env=environment, timeout=120, check=False)
    told = json.loads(done.stdout) if done.stdout else []
    return done.returncode, {one["rule"]: one["verdict"] for one in told}, done.stderr


def scripted(home: Path, fault: str) -> tuple[int, dict[str, str], str]:
    command = (sys.executable, str(SCRIPTED), "{url}", "{token}", fault)
    return examined(home, "--input", '{"text": "a b"}', "--within", "10", "--", *command)


def with_verdict(told: dict[str, str], verdict: str) -> set[str]:
    return {rule for rule, found in told.items() if found == verdict}


def test_the_example_in_javascript_keeps_the_protocol(installed: Path, tmp_path: Path) -> None:
    program = str(installed / "word-counter.js")
    code, told, said = examined(tmp_path, "--input", '{"text": "a b"}', "--", "node", program, "{url}", "{token}")
    assert code == 0, (told, said)
    assert list(told) == list(RULES)
    assert with_verdict(told, "not tested") == {"cancel-running", "held-leases"}


def test_our_own_agents_keep_the_protocol(tmp_path: Path) -> None:
    agent = tmp_path / "hello.py"
    agent.write_text(SLOW)
    ours = (sys.executable, "-m", "accord", "agent", str(agent), "--connect", "{url}", "--token", "{token}")
    slow = ("--slow-input", '{"name": "slow"}')
    code, told, said = examined(tmp_path, "--input", '{"name": "Ada"}', *slow, "--", *ours)
    assert code == 0, (told, said)
    assert with_verdict(told, "not tested") == {"progress"}


def test_a_scripted_agent_without_a_fault_breaks_nothing(tmp_path: Path) -> None:
    code, told, said = scripted(tmp_path, "none")
    assert (code, with_verdict(told, "broken")) == (0, set()), (told, said)


@pytest.mark.parametrize(
    "fault",
    [
        "welcome-key", "connect", "enrolment", "card", "credit", "answer-claims", "answer-payload",
        "answer-contract", "redelivery", "bad-signature", "bad-key", "bad-audience", "bad-expiry", "bad-payload",
        "input-contract", "cancel-early", "resent", "drain-leaving",
    ],
)  # fmt: skip
def test_a_broken_rule_is_told_by_its_name(tmp_path: Path, fault: str) -> None:
    code, told, said = scripted(tmp_path, fault)
    assert (code, with_verdict(told, "broken")) == (1, {fault}), said


def test_without_heartbeats_it_cannot_say_that_it_leaves_either(tmp_path: Path) -> None:
    code, told, said = scripted(tmp_path, "heartbeat")
    assert (code, with_verdict(told, "broken")) == (1, {"heartbeat", "drain-leaving"}), said


def test_without_an_agent_there_is_nothing_to_examine(tmp_path: Path) -> None:
    code, told, said = examined(tmp_path, "--within", "3", "--", sys.executable, "-c", "raise SystemExit(3)")
    assert (code, told) == (2, {})
    assert "ACC990" in said
    assert "exit code 3" in said


def test_a_command_that_is_none_is_bad_input(tmp_path: Path) -> None:
    code, _, said = examined(tmp_path, "no-such-program-here")
    assert code == 2
    assert "ACC991" in said
