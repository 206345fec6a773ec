"""A server for a browser to look at, with agents, templates and runs in every state."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import msgspec

WORLD = Path(__file__).parent / "world"
HEADERS = {"Content-Type": "application/yaml"}
ENDED = ("completed", "failed", "cancelled")


class Server:
    """A running `accord serve`, and what is asked of it as an admin."""

    def __init__(self, url: str, key: str, link: str) -> None:
        self.url = url
        self.key = key
        self.link = link
        """It signs in once."""
        self.http = httpx.Client(base_url=url, headers={"Authorization": f"Bearer {key}"}, timeout=30)

    def get(self, path: str, **query: Any) -> Any:
        """What there is at a path."""
        answer = self.http.get(path, params=query)
        answer.raise_for_status()
        return answer.json()

    def post(self, path: str, body: Any = None) -> Any:
        """What is answered to a value."""
        answer = self.http.post(path, json=body)
        assert answer.is_success, answer.text
        return answer.json()

    def agent_of(self, run: str) -> str:
        """The name of an agent that was given work of a run."""
        tasks = [one["task"] for one in self.get(f"/v1/runs/{run}/tasks")["tasks"]]
        attempts = [one for task in tasks for one in self.get(f"/v1/runs/{run}/tasks/{task}/attempts")]
        return str(attempts[0]["agent"]).rpartition("/")[2]

    def publish(self, name: str) -> None:
        """Publish a template of `world/`, once."""
        answer = self.http.post("/v1/templates", content=(WORLD / f"{name}.yaml").read_bytes(), headers=HEADERS)
        assert answer.is_success, answer.text

    def start(self, template: str, name: str, **more: Any) -> str:
        """The id of a new run of a template, called like this."""
        given = {} if template == "sleepy" else {"name": name}
        run: str = self.post("/v1/runs", {"template": template, "input": given, "title": name, **more})["run"]
        return run

    def until(self, run: str, *states: str, waits: bool = False) -> None:
        """Wait until a run is in one of these states, or `waits` for somebody."""
        end = time.monotonic() + 30
        while time.monotonic() < end:
            if self.get(f"/v1/runs/{run}/summary")["state"] in states and not waits:
                return
            if waits and self.get("/v1/approvals", run=run)["approvals"]:
                return
            time.sleep(0.02)
        raise AssertionError(f"{run} is not {states}: {self.get(f'/v1/runs/{run}')}")

    def new_key(self, name: str, role: str) -> str:
        """The text of a new key."""
        text: str = self.post("/v1/access/keys", {"name": name, "role": role})["text"]
        return text

    def sign_in_link(self) -> str:
        """An address that signs in once."""
        return f"{self.url}/#sign-in={self.post('/v1/session/links')['secret']}"


@contextmanager
def serving(folder: Path, agents: tuple[str, ...] = ("agents.py",), **settings: str) -> Iterator[Server]:
    """A server with its home in the folder and agents of `world/`, and with settings by the names of their environment,
    until the end.
    """
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "LANG", "PYTHONPATH")}
    environment = {**kept, "HOME": str(folder), "ACCORD_HOME": str(folder / "home"), "PYTHONUTF8": "1", **settings}
    command = [sys.executable, "-m", "accord", "serve", "--port", "0", "--json"]
    command += [part for name in agents for part in ("--agents", str(WORLD / name))]
    with (folder / "stderr").open("wb") as errors:
        process = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=errors, env=environment, cwd=folder)
        assert process.stdout is not None
        try:
            told = msgspec.json.decode(process.stdout.readline())
            server = Server(told["url"], told["admin_key"], told["console"])
            with server.http:
                yield server
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(30)
            process.stdout.close()


def populated(server: Server) -> dict[str, str]:
    """Runs in many states, by what they are called."""
    for name in ("cloth", "plain", "broken", "sleepy"):
        server.publish(name)
    runs = {
        name: server.start(template, name)
        for name, template in (
            ("linen", "plain"),
            ("wool", "plain"),
            ("torn silk", "broken"),
            ("felt", "sleepy"),
            ("damask", "cloth"),
            ("tweed", "sleepy"),
        )
    }
    for name in ("linen", "wool", "torn silk"):
        server.until(runs[name], *ENDED)
    server.until(runs["damask"], waits=True)
    server.post(f"/v1/runs/{runs['tweed']}/pause", {"reason": "for the picture"})
    return runs
