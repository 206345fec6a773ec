"""What the shell offers when somebody presses Tab: through the same door as bash, zsh and fish."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from accord.app import host, open_node
from accord.sdk import Agent
from accord.settings import Settings
from accord.templates.reading import read_source

ACCORD = "from accord.cli import main; main()"
ROOT = Path(__file__).resolve().parents[2]

TEMPLATE = """
accord: template/1
name: greeting
version: 1.0.0
tasks:
  greet: {uses: zz.greet@^1, with: {name: you}}
  wait: {needs: [greet], signal: {name: go}}
output: "${ tasks.greet.output }"
"""


def greeter() -> Agent:
    agent = Agent("zz-greeter")

    @agent.capability("zz.greet@1.0.0")
    async def greet(name: str) -> str:
        return name

    return agent


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A home with a run, whose agent was here."""
    home = tmp_path_factory.mktemp("completion")

    async def run() -> None:
        source = read_source(TEMPLATE)
        async with open_node(Settings(home=home)) as node, host(node, [greeter()]):
            await node.start_run(await node.publish(source.template, source.data), {})

    asyncio.run(run())
    return home


def offered(line: str, home: Path, *, shell: str = "bash") -> list[str]:
    """What is offered where the line ends."""
    words = line.split(" ")
    asked = {"COMP_WORDS": line, "COMP_CWORD": str(len(words) - 1)}
    if shell != "bash":
        asked = {"_TYPER_COMPLETE_ARGS": line, "_TYPER_COMPLETE_FISH_ACTION": "get-args"}
    kept = {name: os.environ[name] for name in ("PATH", "PYTHONPATH") if name in os.environ}
    done = subprocess.run(
        [sys.executable, "-c", ACCORD],
        env={**kept, "ACCORD_HOME": str(home), "_ACCORD_COMPLETE": f"complete_{shell}", **asked},
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stderr == ""
    return done.stdout.split()


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("accord runs show la", "last"),
        ("accord runs show run_", "run_"),
        ("accord runs pause run_", "run_"),
        ("accord run gr", "greeting"),
        ("accord templates show gr", "greeting"),
        ("accord runs pause --agent zz", "zz-greeter"),
        ("accord agents show zz", "zz-greeter"),
        ("accord agents list --capability zz", "zz.greet"),
        ("accord runs show last --task ", "greet"),
        ("accord runs signal last --task w", "wait"),
        ("accord runs rollback last --to gr", "greet"),
        ("accord keys revoke agent.local.zz", "agent.local.zz-greeter"),
        ("accord runs list --state pau", "paused"),
    ],
)
def test_names_are_offered(home: Path, line: str, expected: str) -> None:
    found = offered(line, home)
    assert any(one.startswith(expected) for one in found), found
    last = line.rpartition(" ")[2]
    assert all(one.startswith(last) for one in found), found


def test_the_home_of_the_command_line_counts(home: Path, tmp_path: Path) -> None:
    assert offered("accord runs show run_", tmp_path) == []
    assert offered(f"accord runs show --home {home} run_", tmp_path) != []


def test_a_template_may_be_a_file(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "steps").mkdir()
    for name in ("my.yaml", "my.py", "steps/one.json"):
        (tmp_path / name).touch()
    assert offered("accord run my", home) == ["my.yaml"]
    assert offered("accord run st", home) == ["steps/"]
    assert offered("accord run steps/", home) == ["steps/one.json"]
    assert offered("accord run [", home) == []


def test_nothing_is_said_where_nothing_can_be_read(home: Path, tmp_path: Path) -> None:
    (tmp_path / "journal.db").write_bytes(b"no database" * 1000)
    assert offered("accord runs show run_", tmp_path) == []
    (tmp_path / "settings.toml").write_text("nobody_knows = 1\n")
    assert offered("accord runs show run_", tmp_path) == []
    assert offered("accord runs show last --task ", tmp_path) == []


@pytest.mark.parametrize("shell", ["zsh", "fish"])
def test_other_shells_are_offered_the_same(home: Path, shell: str) -> None:
    assert any("zz-greeter" in line for line in offered("accord agents show zz", home, shell=shell))


@pytest.mark.skipif(shutil.which("bash") is None, reason="there is no bash here")
def test_bash_completes_once_it_is_installed(home: Path, tmp_path: Path) -> None:
    """As a user does it: install, start a new shell, press Tab; and files are still offered where one may be."""
    (tmp_path / "bin").mkdir()
    command = tmp_path / "bin" / "accord"
    command.write_text(f"#!{sys.executable}\n{ACCORD}\n")
    command.chmod(0o755)
    kept = {"PYTHONPATH": os.environ["PYTHONPATH"]} if "PYTHONPATH" in os.environ else {}
    environment = {**kept, "HOME": str(tmp_path), "ACCORD_HOME": str(home), "PATH": f"{tmp_path / 'bin'}:/usr/bin:/bin"}
    script = """
        accord --install-completion >/dev/null && source ~/.bashrc
        COMP_WORDS=(accord agents show zz) COMP_CWORD=3
        _accord_completion accord && echo "${COMPREPLY[@]}"
        complete -p accord
    """
    done = subprocess.run(
        ["bash", "-c", script], env=environment, capture_output=True, text=True, check=True, cwd=tmp_path
    )
    assert "zz-greeter" in done.stdout, done.stderr
    assert "-o default" in done.stdout, "where a file may be given, files are offered"
