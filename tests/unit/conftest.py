"""`accord` as processes, with an agent whose tasks wait for files."""

from __future__ import annotations

import asyncio
import json
import os
import select
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from accord.app import open_node
from accord.planner.composition.catalogue import index_of
from accord.planner.composition.synonyms import stand_ins
from accord.planner.meaning import meanings
from accord.settings import Settings
from accord.templates.reading import read_source

ACCORD = [sys.executable, "-c", "from accord.cli import main; main()"]

AGENTS = '''
import asyncio
from pathlib import Path
from accord.sdk import Agent

agent = Agent("gate")

@agent.capability("gate.pass@1.0.0")
async def wait(name: str) -> str:
    """Waits until there is a file of this name."""
    Path(f"{name}.reached").touch()
    while not Path(name).exists():
        await asyncio.sleep(0.02)
    return name
'''


class Place:
    """A folder with a home and an agent, and the processes that are started in it."""

    command = ACCORD

    def __init__(self, path: Path) -> None:
        self.path = path
        self.started: list[subprocess.Popen[str]] = []
        (path / "gate.py").write_text(AGENTS)

    @property
    def environment(self) -> dict[str, str]:
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LC_ALL", "PYTHONPATH")}
        return {
            **kept,
            "ACCORD_HOME": str(self.path / "home"),
            "HOME": str(self.path),
            "TERM": "xterm-256color",
            "PYTHONUTF8": "1",
        }

    def start(self, *arguments: str) -> subprocess.Popen[str]:
        process = subprocess.Popen(
            [*ACCORD, *arguments],
            cwd=self.path,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.started.append(process)
        return process

    def call(self, *arguments: str) -> subprocess.CompletedProcess[str]:
        process = self.start(*arguments)
        out, err = process.communicate(timeout=60)
        return subprocess.CompletedProcess(arguments, process.returncode, out, err)

    def serve(self, *arguments: str) -> tuple[subprocess.Popen[str], dict[str, Any]]:
        """A server that listens, and what it said."""
        process = self.start("serve", "--port", "0", "--agents", "gate.py", "--json", *arguments)
        assert process.stdout is not None
        line = process.stdout.readline()
        assert line, process.communicate()
        return process, json.loads(line)

    def start_run(self) -> str:
        """A run that is left to the server: whoever has started it does nothing more."""
        return asyncio.run(self._start_run())

    async def _start_run(self) -> str:
        source = read_source(self.path / "gated.yaml")
        async with open_node(Settings(home=self.path / "home")) as node:
            digest = await node.publish(source.template, source.data)
            return str((await node.start_run(digest, {})).id)

    def until(self, name: str, process: subprocess.Popen[str] | None = None) -> None:
        """Wait for a file, which a process makes that lives."""
        while not (self.path / name).exists():
            assert process is None or process.poll() is None, process.communicate()
            select.select([], [], [], 0.02)

    def end(self) -> None:
        for process in self.started:
            if process.poll() is None:
                process.kill()
            process.communicate()


@pytest.fixture
def place(tmp_path: Path) -> Iterator[Place]:
    place = Place(tmp_path)
    yield place
    place.end()


@pytest.fixture
def words_alone(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """It is not known what words mean, as without the extra `meaning`."""

    def forget() -> None:
        for one in (meanings, stand_ins, index_of):
            one.cache_clear()

    forget()
    monkeypatch.setattr("accord.planner.packages.find_spec", lambda name: None)
    yield
    forget()
