"""What the shell offers when a server is named: what there is at the server, soon or not at all."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest

from accord.app import host
from accord.cli import main, offers
from accord.client.patience import Patience
from accord.sdk import Agent

from .conftest import Site

Offered = Callable[..., Awaitable[list[str]]]


def greeter() -> Agent:
    agent = Agent("hello")

    @agent.capability("text.greet@1.0.0")
    async def greet(name: str) -> str:
        return name

    return agent


@pytest.fixture
def patient(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, it is waited for."""
    monkeypatch.setattr(offers, "SOON", Patience(attempts=1))
    monkeypatch.setattr(offers, "WITHIN_S", 60.0)


@pytest.fixture
def offered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Offered:
    """What bash is offered where a line ends; in a thread, for whoever presses Tab is another process."""
    monkeypatch.setenv("ACCORD_HOME", str(tmp_path / "here"))
    monkeypatch.setenv("_ACCORD_COMPLETE", "complete_bash")

    def complete() -> list[str]:
        with pytest.raises(SystemExit):
            main([])
        out, err = capsys.readouterr()
        assert err == ""
        return out.split()

    async def offered(line: str, key: str | None = None) -> list[str]:
        monkeypatch.setenv("COMP_WORDS", f"accord {line}")
        monkeypatch.setenv("COMP_CWORD", str(line.count(" ") + 1))
        with pytest.MonkeyPatch.context() as patch:
            if key is not None:
                patch.setenv("ACCORD_API_KEY", key)
            return await asyncio.to_thread(complete)

    return offered


@pytest.mark.usefixtures("patient")
async def test_what_is_there_is_offered(
    site: Site, greet: Path, offered: Offered, monkeypatch: pytest.MonkeyPatch
) -> None:
    key = (await site.node.issue_api_key("me", "viewer", by="test")).text
    async with host(site.node, [greeter()]):
        run = await site.run(greet, {"name": "you"})
    for line, expected in (
        ("runs show run_", [run.id]),
        (f"runs show {run.id[:12]}", [run.id]),
        ("runs show la", ["last"]),
        ("runs show last --task ", ["greet"]),
        (f"runs show {run.id} --task gr", ["greet"]),
        (f"runs show {run.id[:12]} --task x", []),
        ("run gr", ["greet"]),
        ("run source", ["source-audit"]),
        ("agents show he", ["hello"]),
        ("agents show editor", []),
        ("agents list --capability text.gr", ["text.greet"]),
    ):
        assert await offered(f"--server {site.url} {line}", key) == expected, line
    monkeypatch.setenv("ACCORD_SERVER", site.url)
    assert await offered("runs show run_", key) == [run.id]


@pytest.mark.parametrize("line", ["runs show run_", "runs show last --task ", "agents show ", "templates show gr"])
async def test_nothing_is_offered_where_nobody_answers(offered: Offered, line: str) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"http://127.0.0.1:{silent.getsockname()[1]}"
        assert await offered(f"--server {url} {line}", "accord_a_b") == []
    assert await offered(f"--server {url} {line}", "accord_a_b") == []
    assert await offered(f"--server nonsense {line}") == []


@pytest.mark.usefixtures("patient")
async def test_nothing_is_offered_to_who_may_not_look(site: Site, offered: Offered) -> None:
    for key in ("accord_nobody_nothing", None):
        assert await offered(f"--server {site.url} agents show ", key) == []
