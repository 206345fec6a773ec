"""Processes of `accord`, as people start them: a server, and agents that join it; stopped, killed and started again."""

from __future__ import annotations

import asyncio
import os
import signal
import sys
from asyncio.subprocess import Process
from contextlib import suppress
from pathlib import Path
from typing import Any

import msgspec
import orjson

HERE = Path(__file__).parent
ACCORD = (sys.executable, "-m", "accord")
SHORT = (sys.executable, str(HERE / "serving.py"))
"""`accord`, whose server misses what is lost sooner."""

NOISE = ("fault of Accord's", "Traceback", "was never awaited", "never retrieved")
"""What no process may say, whatever is done to the others. What an agent's own code raises is told by `accord agent` as
the author's calls, without this heading: a traceback that has it is a fault of ours.
"""

CONTEXT = 40
"""So many lines from there on are told: the traceback that explains it."""


class Started:
    """One process; it is started again as often as that takes."""

    def __init__(self, folder: Path, name: str, command: tuple[str, ...], **environment: str) -> None:
        self.name = name
        self.problems: list[str] = []
        self.lives = 0
        self.killed: set[int] = set()
        """The numbers of its processes that were killed."""
        self._folder = folder
        self._command = command
        kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "LC_ALL", "PYTHONPATH")}
        self._environment = {**kept, "HOME": str(folder), "PYTHONUTF8": "1", **environment}
        self._process: Process | None = None
        self.is_stopped = False

    def knowing(self, **environment: str) -> Started:
        """The same, with more in its environment."""
        self._environment.update(environment)
        return self

    @property
    def runs(self) -> bool:
        """Whether there is a process."""
        return self._process is not None and self._process.returncode is None

    @property
    def pid(self) -> int:
        """The number of its process, the last one that there was."""
        assert self._process is not None
        return self._process.pid

    @property
    def said(self) -> str:
        """All that it has written to stderr, in all its lives."""
        path = self._folder / f"{self.name}.stderr"
        return path.read_text() if path.exists() else ""

    async def start(self, *more: str) -> dict[str, Any]:
        """Start it, and wait for its first line: then it listens, or has joined. Nothing where it is killed before."""
        self.lives += 1
        with (self._folder / f"{self.name}.stderr").open("ab") as errors:
            self._process = await asyncio.create_subprocess_exec(
                *self._command, *more, "--json",
                stdin=asyncio.subprocess.DEVNULL, stdout=asyncio.subprocess.PIPE, stderr=errors,
                cwd=self._folder, env=self._environment,
            )  # fmt: skip
        assert self._process.stdout is not None
        line = await self._process.stdout.readline()
        return orjson.loads(line) if line.endswith(b"\n") else {}

    async def end(self, number: signal.Signals) -> int | None:
        """Send it this signal, and wait until it is gone; what it ended with."""
        if self._process is None:
            return None
        self.go_on()
        if self._process.returncode is None:
            # Not `Process.send_signal`: that looks whether it has ended, and takes its code away from who waits for it.
            with suppress(ProcessLookupError):
                os.kill(self._process.pid, number)
            self.killed |= {self._process.pid} if number == signal.SIGKILL else set()
        async with asyncio.timeout(60):
            code = await self._process.wait()
        if code not in (0, -number):
            self.problems.append(f"{self.name} ended with {code}")
        return code

    def stand_still(self) -> None:
        """Let it do nothing, as if its machine were asleep."""
        if self.runs and self._process is not None:
            self.is_stopped = True
            self._process.send_signal(signal.SIGSTOP)

    def go_on(self) -> None:
        """Let it go on."""
        if self.is_stopped and self.runs and self._process is not None:
            self._process.send_signal(signal.SIGCONT)
        self.is_stopped = False

    def complaints(self) -> list[str]:
        """What is wrong with how it ended, and what it said."""
        lines = self.said.splitlines()
        noise = [number for number, line in enumerate(lines) if any(one in line for one in NOISE)]
        told = ["\n".join(lines[number : number + CONTEXT]) for number in noise]
        return [*self.problems, *(f"{self.name} said: {one}" for one in told)]


class Effect(msgspec.Struct, frozen=True, array_like=True):
    """What an agent has done."""

    key: str
    """The idempotency key."""
    attempt: int
    value: int
    process: int
    """The number of the process that has done it."""
    at_s: float
    """When, by the clock of the machine that only goes on."""


def effects_in(path: Path) -> list[Effect]:
    """All that agents have done. A line may be torn where its process was killed."""
    lines = path.read_bytes().split(b"\n") if path.exists() else []
    whole = [line for line in lines if line.startswith(b"[") and line.endswith(b"]")]
    return [msgspec.json.decode(line, type=Effect) for line in whole]
