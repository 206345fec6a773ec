"""Every command does the same against a server as in a home here, and prints the same, but for ids and times."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from accord.cli import main

AGENTS = """
from accord.sdk import Agent, Failure

agent = Agent("tiny")

@agent.capability("tiny.double@1.0.0", description="Doubles.")
async def double(number: int) -> int:
    return 2 * number

@agent.capability("tiny.fail@1.0.0")
def fail(reason: str) -> str:
    raise Failure("broken", reason, retryable=False)
"""

TEMPLATE = """
accord: template/1
name: tiny.sum
version: 1.0.0
description: Doubles a number.
examples: ["double {number}"]
input:
  type: object
  properties:
    number: {type: integer, default: 2}
    fails: {type: boolean, default: false}
  additionalProperties: false
tasks:
  first: {uses: tiny.double@^1, with: {number: "${ input.number }"}}
  wrong: {when: "${ input.fails }", needs: [first], uses: tiny.fail@^1, with: {reason: "because"}}
output: "${ tasks.first.output }"
"""

WAITS = """
accord: template/1
name: waits
version: 1.0.0
tasks:
  ask: {approval: {title: "Go on?"}}
output: "${ tasks.ask.output }"
"""


WITH_AGENTS = {"run", "plan", "publish", "resume", "fork", "retry", "rollback", "signal"}
"""Commands that run agents here, and leave it to a server there."""

FOLLOWING = {"run", "fork", "retry", "rollback", "watch"}
"""Commands that tell what happens while they look on: how much of it they see is a matter of time."""


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Call = Callable[..., Outcome]

CHANGING = [
    (re.compile(r"The server at \S+ has yet to answer: .*\n"), ""),  # told where the machine is slow
    (re.compile(r"run_[0-9a-v]{4,26}"), "RUN"),
    (re.compile(r"\b[0-9a-f]{64}\b"), "DIGEST"),
    (re.compile(r"\b[0-9a-f]{8,16}…?"), "DIGEST"),
    (re.compile(r"\d{4}-\d\d-\d\d[T ][\d:.]+Z?"), "TIME"),
    (re.compile(r"\d\d-\d\d \d\d:\d\d|\d\d:\d\d:\d\d(\.\d+)?"), "TIME"),
    (re.compile(r"\d+(\.\d+)? (s|min|ms)\b"), "LONG"),
    (re.compile(r", LONG to LONG in four of five"), ""),  # not told where both ends are the same to the digit
    (re.compile(r"ey[A-Za-z0-9_-]+\.[A-Za-z0-9_.-]+"), "STATEMENT"),
    (re.compile(r"ey\w+… \(\d+ B\)|\d+(\.\d+)? k?B"), "STATEMENT"),
    (re.compile(r"[A-Za-z0-9_-]{43}|key [A-Za-z0-9_-]{12}…"), "KEY"),
    (re.compile(r" {2,}"), "  "),
    (re.compile(r" +$", re.MULTILINE), ""),
]
VOLATILE = ("by", "took_s", "partition", "attempts", "lease", "choice", "at", "wake_at", "updated_at", "payload_bytes")
VOLATILE += ("p10", "p50", "p90")  # how long it takes here is not how long it takes there


def settled(text: str, *names: str) -> str:
    """The text without what differs from one run to the next, and without who asked."""
    for pattern, word in CHANGING:
        text = pattern.sub(word, text)
    for name in names:
        text = text.replace(name, "WHO")
    return text


def shape(value: Any) -> Any:
    """A document with its values settled; of lists of events only what is in each."""
    if isinstance(value, dict):
        return {name: type(part).__name__ if name in VOLATILE else shape(part) for name, part in value.items()}
    if isinstance(value, list):
        return [shape(part) for part in value]
    return settled(value) if isinstance(value, str) else value


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("place")
    (path / "tiny.py").write_text(AGENTS)
    (path / "sum.yaml").write_text(TEMPLATE)
    (path / "waits.yaml").write_text(WAITS)
    (path / "wrong.yaml").write_text(TEMPLATE.replace("tiny.double@^1, with", "tiny.double@^1, wit"))
    return path


@pytest.fixture(scope="module")
def server(place: Path) -> Iterator[str]:
    """The URL of a server with the agents, whose key is in the home `there`."""
    command = [sys.executable, "-c", "from accord.cli import main; main()", "serve", "--port", "0", "--json"]
    environment = {**os.environ, "ACCORD_HOME": str(place / "there")}
    process = subprocess.Popen(
        [*command, "--agents", "tiny.py"], cwd=place, env=environment, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    )
    assert process.stdout is not None
    try:
        yield json.loads(process.stdout.readline())["url"]
    finally:
        process.send_signal(signal.SIGTERM)
        process.communicate(timeout=30)


@pytest.fixture
def called(
    place: Path, server: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> tuple[Call, Call]:
    """The command line in a home here, and against the server."""
    monkeypatch.chdir(place)
    monkeypatch.setenv("COLUMNS", "160")

    def call(home: str, *arguments: str) -> Outcome:
        monkeypatch.setenv("ACCORD_HOME", str(place / home))
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        told = capsys.readouterr()
        return Outcome(int(ended.value.code or 0), told.out, told.err)

    def here(*arguments: str) -> Outcome:
        takes = any(
            word in arguments for word in ("run", "plan", "publish", "resume", "fork", "retry", "rollback", "signal")
        )
        return call("here", *arguments, *(["--agents", "tiny.py"] if takes else []))

    def there(*arguments: str) -> Outcome:
        return call("there", "--server", server, *arguments)

    return here, there


SCENARIO: list[tuple[str, ...]] = [
    ("templates", "list"),
    ("run", "sum.yaml", "--set", "number=4"),
    ("run", "sum.yaml", "--set", "number=x"),
    ("run", "wrong.yaml"),
    ("run", "no-such-template"),
    ("run", "double 21", "--json"),
    ("run", "tiny.sum", "--set", "fails=true"),
    ("runs", "list"),
    ("runs", "list", "--json"),
    ("runs", "list", "--failed"),
    ("runs", "list", "--state", "failed"),
    ("runs", "show", "last"),
    ("runs", "show", "last", "--json"),
    ("runs", "show", "last", "--task", "wrong", "--json"),
    ("runs", "show", "run_none"),
    ("runs", "fork", "last", "--set", "fails=false"),
    ("runs", "retry", "last", "--task", "first"),
    ("runs", "rollback", "last", "--to", "first"),
    ("runs", "watch", "last"),
    ("journal", "verify", "last"),
    ("journal", "replay", "last"),
    ("templates", "show", "tiny.sum", "--json"),
    ("templates", "publish", "waits.yaml"),
    ("templates", "diff", "waits", "tiny.sum@1.0.0"),
    ("templates", "diff", "tiny.sum", "sum.yaml", "--json"),
    ("templates", "diff", "tiny.sum", "nowhere"),
    ("plan", "double 21", "--json"),
    ("plan", "double 21"),
    ("runs", "pause", "--all", "--reason", "a break"),
    ("runs", "list", "--holds", "--json"),
    ("runs", "resume", "--all"),
    ("runs", "resume", "--all"),
    ("incidents", "list"),
    ("agents", "show", "nobody"),
    ("approvals", "list"),
    ("runs", "signal", "last", "--data", "1"),
    ("runs", "pause", "last"),
    ("access", "keys", "new", "robot", "--role", "nobody"),
    ("access", "keys", "revoke", "nobody"),
    ("webhooks", "list"),
    ("webhooks", "add", "https://hooks.invalid/b", "--type", "run.complted", "--type", "task.*"),
    ("webhooks", "list", "--json"),
    ("webhooks", "show", "nobody"),
    ("webhooks", "remove", "nobody"),
    ("plan", "twice as much of 21", "--template", "tiny.sum", "--json"),
    ("planner", "show", "--json"),
    ("planner", "versions"),
    ("planner", "examples"),
    ("planner", "teach", "a joke"),
    ("planner", "train"),
    ("planner", "use", "3"),
    ("planner", "use", "0"),
    ("planner", "forget", "nobody"),
]


@pytest.mark.parametrize("number", range(len(SCENARIO)), ids=lambda number: " ".join(SCENARIO[number]))
def test_the_same_here_and_there(called: tuple[Call, Call], number: int) -> None:
    here, there = (call(*SCENARIO[number]) for call in called)
    assert here.code == there.code, there.err
    names = (os.environ.get("USER", "root"), "first", "robot")
    if "--json" in SCENARIO[number] and here.out:
        assert shape(json.loads(there.out)) == shape(json.loads(here.out))
    elif SCENARIO[number][0] != "journal":
        assert settled(there.out, *names) == settled(here.out, *names)
    if here.code > 1 or FOLLOWING.isdisjoint(SCENARIO[number]):
        told = [settled(one.err, *names).replace(" --agents tiny.py", "") for one in (there, here)]
        assert re.sub(r"(--server|http)\S*( http\S*)? ?", "", told[0]) == told[1]


def test_what_is_about_this_machine_says_so(called: tuple[Call, Call]) -> None:
    _, there = called
    for words in (("keys", "new", "k"), ("keys", "rotate", "k"), ("journal", "prune"), ("verify", "sum.yaml")):
        refused = there(*words)
        assert (refused.code, "ACC919" in refused.err, "leave --server out" in refused.err) == (2, True, True)
    assert "ACC919" in there("serve").err
    assert "ACC919" in there("new", "agent", "k").err


def test_agents_of_a_server_are_its_own(called: tuple[Call, Call]) -> None:
    _, there = called
    refused = there("run", "sum.yaml", "--agents", "tiny.py")
    assert (refused.code, "ACC913" in refused.err) == (2, True)
    listed = json.loads(there("agents", "list", "--json").out)
    tiny = next(one for one in listed if one["agent"] == "spiffe://local/agent/tiny")
    assert (tiny["enrolled"], tiny["hosted"], tiny["present"]["concurrency"] > 0) == (True, False, True)
    assert "tiny.double@1.0.0" in there("agents", "show", "tiny").out


def test_webhooks_here_and_there(called: tuple[Call, Call]) -> None:
    for call in called:
        added = call("webhooks", "add", "https://hooks.invalid/a", "--type", "run.failed", "--template", "tiny.sum")
        assert (added.code, added.out[:6]) == (0, "whsec_")
        (listed,) = json.loads(call("webhooks", "list", "--json").out)
        assert (listed["types"], listed["templates"]) == (["run.failed"], ["tiny.sum"])
        assert listed["id"] in added.err
        assert listed["id"] in call("webhooks", "list").out
        assert "run.failed" in call("webhooks", "show", listed["id"]).out
        assert json.loads(call("webhooks", "remove", listed["id"], "--json").out) == listed
        assert json.loads(call("webhooks", "list", "--json").out) == []


def test_the_doctor_looks_at_the_server(called: tuple[Call, Call], monkeypatch: pytest.MonkeyPatch) -> None:
    _, there = called
    assert there("doctor").code == 0
    monkeypatch.setenv("ACCORD_API_KEY", "accord_nobody_nothing")
    refused = there("doctor")
    assert (refused.code, "ACC65" in refused.out) == (1, True)


def test_a_run_that_waits_is_answered_from_afar(called: tuple[Call, Call], place: Path, server: str) -> None:
    _, there = called
    there("templates", "publish", "waits.yaml")
    environment = {**os.environ, "ACCORD_HOME": str(place / "there")}
    command = [sys.executable, "-c", "from accord.cli import main; main()"]
    started = subprocess.Popen(
        [*command, "--server", server, "run", "waits"], cwd=place, env=environment, stderr=subprocess.PIPE, text=True
    )
    assert started.stderr is not None
    told = iter(started.stderr.readline, "")
    line = next(line for line in told if "answer with:" in line)
    run = re.search(r"run_\w+", line)
    assert run is not None
    assert line.endswith(f"accord runs signal {run[0]} --task ask --approve\n")
    assert f"accord runs signal {run[0]} --task ask --approve" in there("approvals", "list").err
    (one,) = json.loads(there("approvals", "list", "--limit", "1", "--json").out)["approvals"]
    assert (one["run"], one["question"]) == (run[0], "Go on?")
    assert there("runs", "signal", run[0], "--approve", "--json").code == 0
    assert started.wait(timeout=60) == 0
    started.stderr.close()
