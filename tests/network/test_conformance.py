"""The conformance suite: agents that keep the protocol pass, and each broken rule is told by its name."""

from __future__ import annotations

import asyncio
import json
import os
import re
import signal
import socket
import subprocess
import sys
from pathlib import Path
from xml.etree import ElementTree as Xml

import pytest

from accord.conformance import RULES, UNTESTED, Asked, Outcome, examined, suite
from accord.errors import BadInput
from accord.gateway.server import Address, bound, url_of

from .test_javascript import installed

__all__ = ["installed"]

SCRIPTED = Path(__file__).with_name("scripted_agent.py")
SOURCES = Path(__file__).parents[2] / "src"
PAGE = Path(__file__).parents[2] / "docs" / "protocol.md"

SLOW_S = 3
"""So long a slow input takes: longer than six heartbeats, and than one that is late."""
HEARTBEAT_S = 0.2

SLOW = f"""
import asyncio
from accord.sdk import Agent, Context
agent = Agent("hello")
@agent.capability("text.greet@1.0.0")
async def greet(name: str, *, context: Context) -> str:
    context.progress(0.5)
    if name == "slow":
        await asyncio.sleep({SLOW_S})
    return f"Hello {{name}}"
"""


def environment(home: Path) -> dict[str, str]:
    return {**os.environ, "ACCORD_HOME": str(home), "AGENT_HOME": str(home / "js"), "PYTHONPATH": str(SOURCES)}


def command(home: Path, *arguments: str) -> tuple[int, dict[str, str], str]:
    """Exit code, outcome of each rule, and what was said beside it."""
    argv = [sys.executable, "-m", "accord", "conformance", "--json", *arguments]
    done = subprocess.run(argv, capture_output=True, text=True, env=environment(home), timeout=120, check=False)
    told = json.loads(done.stdout) if done.stdout else []
    return done.returncode, {one["name"]: one["verdict"] for one in told}, done.stderr


def bind() -> tuple[socket.socket, str]:
    address = Address(port=0)
    taken = bound(address)
    return taken, url_of(address, taken)


NEEDS_SLOW = {
    "none", "held-leases", "redelivery-running", "cancel-running", "ended-lease", "credit-held", "drain-answers",
    "drain-credit",
}  # fmt: skip


async def scripted(fault: str, within_s: float = 60.0, heartbeat_s: float = HEARTBEAT_S) -> list[Outcome]:
    """What is found about the scripted agent with this fault."""
    asked = Asked(
        command=(sys.executable, str(SCRIPTED), "{url}", "{token}", fault),
        input=b'{"text": "a b", "lines": ["c", "d"]}',
        slow_input=b'{"text": "slow"}' if fault in NEEDS_SLOW else None,
        large_input=b'{"text": "large"}',
        heartbeat_s=heartbeat_s,
        within_s=within_s,
    )
    return await examined(asked, bind, lambda _: None)


def with_verdict(told: dict[str, str], verdict: str) -> set[str]:
    return {rule for rule, found in told.items() if found == verdict}


def found_in(outcomes: list[Outcome], verdict: str) -> dict[str, str]:
    return {one.name: one.seen for one in outcomes if one.verdict == verdict}


# -- agents that keep the protocol -------------------------------------------------------------------------------------


async def test_a_scripted_agent_without_a_fault_keeps_every_rule() -> None:
    outcomes = await scripted("none")
    assert [one.rule for one in outcomes] == [rule.id for rule in RULES.values()]
    assert found_in(outcomes, "broken") == {}
    assert found_in(outcomes, "not tested") == {}


NEVER = {"batches", "bad-proof", "accept"}
"""What the example in JavaScript leaves out: it may."""

SLOW_ONES = {"held-leases", "redelivery-running", "cancel-running", "ended-lease"}


@pytest.mark.parametrize(
    ("capability", "options", "skipped"),
    [
        ("time.wait@1.0.0", ["--slow-input", f'{{"seconds": {SLOW_S}}}'], {"upload", "uploaded", "fetch"}),
        (
            "text.index@1.0.0",
            ["--input", '{"text": "a b"}', "--large-input", '{"text": "a b", "times": 9000}'],
            {*SLOW_ONES, "fetch", "progress"},
        ),
        ("index.size@1.0.0", [], {*SLOW_ONES, "upload", "uploaded", "progress"}),
    ],
)
def test_the_example_in_javascript_keeps_the_protocol(
    installed: Path, tmp_path: Path, capability: str, options: list[str], skipped: set[str]
) -> None:
    program = str(installed / "word-counter.js")
    ours = ("--heartbeat", str(HEARTBEAT_S), "--capability", capability, *options)
    code, told, said = command(tmp_path, *ours, "--", "node", program, "{url}", "{token}")
    assert code == 0, (told, said)
    assert list(told) == list(RULES)
    assert with_verdict(told, "not tested") == skipped | NEVER


def test_our_own_agents_keep_the_protocol(tmp_path: Path) -> None:
    agent = tmp_path / "hello.py"
    agent.write_text(SLOW)
    ours = (sys.executable, "-m", "accord", "agent", str(agent), "--connect", "{url}", "--token", "{token}")
    inputs = ("--input", '{"name": "Ada"}', "--slow-input", '{"name": "slow"}')
    code, told, said = command(tmp_path, "--heartbeat", str(HEARTBEAT_S), *inputs, "--", *ours)
    assert code == 0, (told, said)
    assert with_verdict(told, "not tested") <= {"accept", "upload", "uploaded", "fetch"}


# -- agents that do not ------------------------------------------------------------------------------------------------

FAULTS = {name: name for name in RULES} | {"credit-held": "credit-bound"}
"""The rule that each fault of the scripted agent breaks."""


DECEIVED = ("welcome-key", "welcome-about")
"""For these an agent is started twice more, which takes as long as all the rest."""

CHUNKS = 7

TRIES = ((5, 8.0, HEARTBEAT_S), (1, 60.0, 2 * HEARTBEAT_S))
"""How many agents are examined at a time, how long is waited for what is missing, and the heartbeat, in seconds. Most
of an examination is waiting. An agent that comes too late, as the machine has more to do, is examined again, with more
patience and nobody beside it.
"""


def chunks() -> list[list[str]]:
    """The faults, those that are waited for spread evenly."""
    return [list(FAULTS)[first::CHUNKS] for first in range(CHUNKS)]


async def mistaken(faults: list[str], places: asyncio.Semaphore, within_s: float, heartbeat_s: float) -> dict[str, str]:
    """The faults that are not told by the name of their rule alone, and what is told of them."""

    async def broken(fault: str) -> dict[str, str]:
        async with places:
            try:
                return found_in(await scripted(fault, within_s, heartbeat_s), "broken")
            except BadInput as error:  # no agent has come
                return {"": str(error)}

    found = dict(zip(faults, await asyncio.gather(*map(broken, faults)), strict=True))
    return {fault: str(seen) for fault, seen in found.items() if set(seen) != {FAULTS[fault]}}


@pytest.mark.timeout(400)
@pytest.mark.parametrize("faults", chunks(), ids=",".join)
async def test_a_broken_rule_is_told_by_its_name(faults: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    deceived = suite._deceived

    async def only_where_it_matters(asked: Asked, bind: suite.Bind) -> list[Outcome]:
        return await deceived(asked, bind) if asked.command[-1] in DECEIVED else []

    monkeypatch.setattr(suite, "_deceived", only_where_it_matters)
    wrong = dict.fromkeys(faults, "not examined")
    for at_once, within_s, heartbeat_s in TRIES:
        wrong = await mistaken(list(wrong), asyncio.Semaphore(at_once), within_s, heartbeat_s)
    assert wrong == {}


# -- the page ----------------------------------------------------------------------------------------------------------


def test_every_rule_of_the_page_is_examined_or_cannot_be() -> None:
    on_page = re.findall(r'<a id="(R-[A-Z]+-[0-9]+)"></a>', PAGE.read_text("utf-8"))
    assert len(on_page) == len(set(on_page))
    known = {rule.id for rule in RULES.values()}
    assert not known & UNTESTED.keys()
    assert set(on_page) == known | UNTESTED.keys()


# -- how it is called --------------------------------------------------------------------------------------------------


def free_port() -> int:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        return int(taken.getsockname()[1])


async def test_an_agent_that_runs_elsewhere_is_waited_for(tmp_path: Path) -> None:
    url = f"http://127.0.0.1:{free_port()}"
    argv = ("-m", "accord", "conformance", url, "--json", "--heartbeat", str(HEARTBEAT_S), "--within", "60")
    waiting = await asyncio.create_subprocess_exec(
        sys.executable, *argv, env=environment(tmp_path),
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.PIPE,
    )  # fmt: skip
    assert waiting.stderr
    said = (await waiting.stderr.readline()).decode()
    found = re.search(r"at (http://\S+), with the token (\S+)", said)
    assert found, said
    assert found[1] == url
    agent = await asyncio.create_subprocess_exec(
        sys.executable, str(SCRIPTED), found[1], found[2], "none", env=environment(tmp_path)
    )
    async with asyncio.timeout(90):
        out, errors = await waiting.communicate()
    if agent.returncode is None:
        agent.send_signal(signal.SIGKILL)
    await agent.wait()
    outcomes = {one["name"]: one for one in json.loads(out)}
    assert waiting.returncode == 0, (out, errors)
    assert outcomes["welcome-key"]["verdict"] == "kept"
    skipped = {name for name, one in outcomes.items() if one["verdict"] == "not tested"}
    assert skipped == {
        "welcome-about", "drain-answers", "drain-credit", "drain-leaving", "held-leases", "redelivery-running",
        "cancel-running", "ended-lease", "upload", "uploaded", "fetch",
    }  # fmt: skip


def test_an_address_that_nobody_can_listen_at(tmp_path: Path) -> None:
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen()
        code, _, said = command(tmp_path, f"http://127.0.0.1:{taken.getsockname()[1]}")
    assert code == 2
    assert "ACC" in said


def test_what_cannot_be_is_told_before_anything_is_started(tmp_path: Path) -> None:
    nowhere = str(tmp_path / "none" / "rules.xml")
    code, _, said = command(tmp_path, "--junit", nowhere, "--", sys.executable, "-c", "raise SystemExit(3)")
    assert (code, "ACC914" in said) == (2, True), said
    code, _, said = command(tmp_path, "https://127.0.0.1:9000")
    assert (code, "ACC990" in said) == (2, True), said


async def test_an_input_that_breaks_the_contract_is_bad_input() -> None:
    asked = Asked(
        command=(sys.executable, str(SCRIPTED), "{url}", "{token}", "none"),
        slow_input=b'{"txt": "slow"}',
        heartbeat_s=HEARTBEAT_S,
    )
    with pytest.raises(BadInput, match="text"):
        await examined(asked, bind, lambda _: None)


def test_what_is_told_to_people_and_to_ci(tmp_path: Path) -> None:
    report = tmp_path / "rules.xml"
    argv = [
        sys.executable, "-m", "accord", "conformance", "--junit", str(report), "--heartbeat", str(HEARTBEAT_S),
        "--within", "60", "--", sys.executable, str(SCRIPTED), "{url}", "{token}", "bad-expiry",
    ]  # fmt: skip
    done = subprocess.run(argv, capture_output=True, text=True, env=environment(tmp_path), timeout=120, check=False)
    assert done.returncode == 1, done.stderr
    assert "\x1b" not in done.stdout
    assert re.search(r"R-AS-5 +bad-expiry +broken +it came back with a result", done.stdout)
    assert "docs/protocol.md#R-AS-5" in done.stdout
    suite = Xml.parse(report).getroot()  # noqa: S314 - our own file
    assert (suite.get("tests"), suite.get("failures")) == (str(len(RULES)), "1")
    (failed,) = [case for case in suite if case.find("failure") is not None]
    assert failed.get("classname") == "R-AS-5"


def test_without_an_agent_there_is_nothing_to_examine(tmp_path: Path) -> None:
    code, told, said = command(tmp_path, "--within", "3", "--", sys.executable, "-c", "raise SystemExit(3)")
    assert (code, told) == (2, {})
    assert "ACC990" in said
    assert "exit code 3" in said


def test_a_command_that_is_none_is_bad_input(tmp_path: Path) -> None:
    code, _, said = command(tmp_path, "no-such-program-here")
    assert code == 2
    assert "ACC991" in said
