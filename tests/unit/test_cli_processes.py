"""The command as a process: interruption, take-over, pipes, terminals."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

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

TEMPLATE = """
accord: template/1
name: gated
version: 1.0.0
tasks:
  before: {uses: gate.pass@^1, with: {name: first}}
  gated: {uses: gate.pass@^1, needs: [before], with: {name: second}}
  ask:
    needs: [gated]
    approval: {title: "Good?"}
output: "${ tasks.gated.output }"
"""


@pytest.fixture
def here(tmp_path: Path) -> Path:
    (tmp_path / "gate.py").write_text(AGENTS)
    (tmp_path / "gated.yaml").write_text(TEMPLATE)
    (tmp_path / "first").touch()
    return tmp_path


def environment(here: Path) -> dict[str, str]:
    kept = {name: value for name, value in os.environ.items() if name in ("PATH", "PYTHONPATH", "LANG", "LC_ALL")}
    return {**kept, "ACCORD_HOME": str(here / "home"), "HOME": str(here), "TERM": "xterm-256color", "PYTHONUTF8": "1"}


def start(here: Path, *arguments: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*ACCORD, *arguments],
        cwd=here,
        env=environment(here),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


def call(here: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    process = start(here, *arguments)
    out, err = process.communicate(timeout=60)
    return subprocess.CompletedProcess(arguments, process.returncode, out, err)


def gated_run(here: Path) -> subprocess.Popen[str]:
    """A run that has reached its second task, and stays there."""
    process = start(here, "run", "gated.yaml", "--agents", "gate.py")
    assert process.stderr is not None
    while not (here / "second.reached").exists():
        assert process.poll() is None, process.communicate()
        select.select([], [], [], 0.02)
    return process


def test_an_interrupted_run_is_resumed_where_it_was(here: Path) -> None:
    process = gated_run(here)
    process.send_signal(signal.SIGINT)
    (here / "second").touch()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    [command] = re.findall(r"accord (runs resume run_\w+ --agents gate.py)", err)
    resumed = call(here, *command.split())
    assert resumed.returncode == 0, resumed.stderr
    assert "answer with: accord runs signal" in resumed.stderr
    answered = call(here, "runs", "signal", "last", "--approve", "--agents", "gate.py", "--json")
    assert json.loads(answered.stdout)["output"] == "second"
    attempts = json.loads(call(here, "runs", "show", "last", "--task", "before", "--json").stdout)["attempts"]
    assert len(attempts) == 1


def test_a_second_interruption_leaves_at_once(here: Path) -> None:
    process = gated_run(here)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    while "Stopping" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130


def test_a_run_is_paused_and_resumed_from_another_process(here: Path) -> None:
    process = gated_run(here)
    paused = call(here, "runs", "pause", "last", "--json")
    assert json.loads(paused.stdout)["state"] == "paused"
    assert call(here, "runs", "pause", "last").returncode == 3
    resumed = call(here, "runs", "resume", "last", "--no-wait", "--json")
    assert json.loads(resumed.stdout)["state"] == "running"
    cancelled = call(here, "runs", "cancel", "last")
    assert cancelled.returncode == 0, cancelled.stderr
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "paused by" in err


def test_a_run_whose_process_was_killed_is_taken_over(here: Path) -> None:
    process = gated_run(here)
    process.kill()
    process.communicate()
    (here / "second").touch()
    resumed = call(here, "runs", "resume", "last", "--agents", "gate.py")
    assert resumed.returncode == 0, resumed.stderr
    assert "waits for an approval" in resumed.stderr


def test_a_run_that_was_left_alone_says_so_and_what_takes_it_up(here: Path) -> None:
    process = gated_run(here)
    at_work = json.loads(call(here, "runs", "show", "last", "--json").stdout)
    assert (at_work["left"], at_work["left_at"]) == (False, None)
    process.kill()
    process.communicate()
    watching = start(here, "runs", "watch", "last")
    assert watching.stderr is not None
    while "No process is working on the run" not in watching.stderr.readline():
        assert watching.poll() is None
    [listed] = json.loads(call(here, "runs", "list", "--json").stdout)["runs"]
    assert listed["left"]
    assert listed["left_at"] is not None
    assert "running (left)" in call(here, "runs", "list").stdout
    shown = call(here, "runs", "show", "last")
    assert "no process has been working on it since" in shown.stdout
    assert f"accord runs resume {listed['run']}" in shown.stderr
    cancelled = call(here, "runs", "cancel", "last", "--no-wait")
    assert cancelled.returncode == 0, cancelled.stderr
    assert watching.wait(timeout=60) == 1
    watching.communicate()
    ended = json.loads(call(here, "runs", "list", "--json").stdout)["runs"][0]
    assert (ended["state"], ended["left"]) == ("cancelled", False)


def test_a_reader_that_goes_away_is_no_error(here: Path) -> None:
    process = start(here, "templates", "schema")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    told = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=30), told) == (0, "")


# -- in a terminal -----------------------------------------------------------------------------------------------


class Terminal:
    """A process with a terminal of its own; what it wrote, and what is typed into it."""

    def __init__(self, here: Path, *arguments: str, **variables: str) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [*ACCORD, *arguments],
            cwd=here,
            env={**environment(here), "COLUMNS": "90", "LINES": "30", **variables},
            stdin=slave,
            stdout=slave,
            stderr=slave,
            start_new_session=True,
        )
        os.close(slave)
        self.text = ""

    def until(self, done: Callable[[str], bool]) -> str:
        """What was written up to now, once it is what is waited for, or the process has ended."""
        while not done(self.text):
            if not select.select([self.master], [], [], 60)[0]:
                raise TimeoutError(self.text)
            try:
                data = os.read(self.master, 65536)
            except OSError:
                break
            if not data:
                break
            self.text += data.decode(errors="replace")
        return self.text

    def type(self, line: str) -> None:
        os.write(self.master, line.encode() + b"\n")

    def end(self) -> str:
        self.until(lambda _: False)
        self.process.wait(timeout=30)
        os.close(self.master)
        return self.text


def test_in_a_terminal_tasks_are_drawn_and_approvals_are_asked_for(here: Path) -> None:
    (here / "second").touch()
    terminal = Terminal(here, "run", "gated.yaml", "--agents", "gate.py")
    terminal.until(lambda text: "approved" in text)
    terminal.type("perhaps")
    terminal.until(lambda text: "ACC917" in text)
    terminal.type("y")
    terminal.until(lambda text: "comment" in text)
    terminal.type("")
    told = terminal.end()
    assert terminal.process.returncode == 0, told
    assert "\x1b[" in told
    assert "Good?" in told
    assert "3 of 3 tasks" in told
    assert '"second"' in told


def test_a_question_ends_when_somebody_else_has_answered(here: Path) -> None:
    (here / "second").touch()
    terminal = Terminal(here, "run", "gated.yaml", "--agents", "gate.py")
    terminal.until(lambda text: "approved" in text)
    assert "or from elsewhere: accord runs signal run_" in terminal.text
    answered = call(here, "runs", "signal", "last", "--task", "ask", "--approve", "--no-wait")
    assert answered.returncode == 0, answered.stderr
    told = terminal.end()
    assert terminal.process.returncode == 0, told
    assert "the run has ended meanwhile: completed" in told or "ask is already decided" in told
    assert "comment" not in told


def test_a_terminal_without_colours_is_respected(here: Path) -> None:
    coloured = Terminal(here, "templates", "list").end()
    plain = Terminal(here, "templates", "list", NO_COLOR="1").end()
    assert re.search(r"\x1b\[[0-9;]*m", coloured)
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", plain)
    assert "competitive-analysis@1.0.0" in plain


def test_whoever_closes_the_input_leaves_the_run_waiting(here: Path) -> None:
    (here / "second").touch()
    terminal = Terminal(here, "run", "gated.yaml", "--agents", "gate.py")
    terminal.until(lambda text: "approved" in text)
    os.write(terminal.master, b"\x04")
    told = terminal.end()
    assert terminal.process.returncode == 2
    assert "ACC917" in told
    assert json.loads(call(here, "runs", "show", "last", "--json").stdout)["waiting"] == ["ask"]
