"""The command as a process: interruption, take-over, pipes, terminals."""

from __future__ import annotations

import json
import os
import pty
import re
import select
import signal
import subprocess
from collections.abc import Callable
from typing import Any

import pytest

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
def place(place: Any) -> Any:
    (place.path / "gated.yaml").write_text(TEMPLATE)
    (place.path / "first").touch()
    return place


def gated_run(place: Any) -> Any:
    """A run that has reached its second task, and stays there."""
    process = place.start("run", "gated.yaml", "--agents", "gate.py")
    assert process.stderr is not None
    place.until("second.reached", process)
    return process


def test_an_interrupted_run_is_resumed_where_it_was(place: Any) -> None:
    process = gated_run(place)
    process.send_signal(signal.SIGINT)
    (place.path / "second").touch()
    out, err = process.communicate(timeout=60)
    assert process.returncode == 130
    assert out == ""
    [command] = re.findall(r"accord (runs resume run_\w+ --agents gate.py)", err)
    resumed = place.call(*command.split())
    assert resumed.returncode == 0, resumed.stderr
    assert re.search(r"answer with: accord runs signal run_\w+ --task ask --approve", resumed.stderr)
    answered = place.call("runs", "signal", "last", "--approve", "--agents", "gate.py", "--json")
    assert json.loads(answered.stdout)["output"] == "second"
    attempts = json.loads(place.call("runs", "show", "last", "--task", "before", "--json").stdout)["attempts"]
    assert len(attempts) == 1


def test_a_second_interruption_leaves_at_once(place: Any) -> None:
    process = gated_run(place)
    process.send_signal(signal.SIGINT)
    assert process.stderr is not None
    while "Stopping" not in process.stderr.readline():
        assert process.poll() is None
    process.send_signal(signal.SIGINT)
    process.communicate(timeout=20)
    assert process.returncode == 130


def test_a_run_is_paused_and_resumed_from_another_process(place: Any) -> None:
    process = gated_run(place)
    paused = place.call("runs", "pause", "last", "--json")
    assert json.loads(paused.stdout)["state"] == "paused"
    assert place.call("runs", "pause", "last").returncode == 3
    resumed = place.call("runs", "resume", "last", "--no-wait", "--json")
    assert json.loads(resumed.stdout)["state"] == "running"
    cancelled = place.call("runs", "cancel", "last")
    assert cancelled.returncode == 0, cancelled.stderr
    _, err = process.communicate(timeout=60)
    assert process.returncode == 1
    assert "paused by" in err


def test_a_run_whose_process_was_killed_is_taken_over(place: Any) -> None:
    process = gated_run(place)
    process.kill()
    process.communicate()
    (place.path / "second").touch()
    resumed = place.call("runs", "resume", "last", "--agents", "gate.py")
    assert resumed.returncode == 0, resumed.stderr
    assert "waits for an approval" in resumed.stderr


def test_a_run_that_was_left_alone_says_so_and_what_takes_it_up(place: Any) -> None:
    process = gated_run(place)
    at_work = json.loads(place.call("runs", "show", "last", "--json").stdout)
    assert (at_work["left"], at_work["left_at"]) == (False, None)
    process.kill()
    process.communicate()
    watching = place.start("runs", "watch", "last")
    assert watching.stderr is not None
    while "No process is working on the run" not in watching.stderr.readline():
        assert watching.poll() is None
    [listed] = json.loads(place.call("runs", "list", "--json").stdout)["runs"]
    assert listed["left"]
    assert listed["left_at"] is not None
    assert "running (left)" in place.call("runs", "list").stdout
    shown = place.call("runs", "show", "last")
    assert "no process has been working on it since" in shown.stdout
    assert f"accord runs resume {listed['run']}" in shown.stderr
    cancelled = place.call("runs", "cancel", "last", "--no-wait")
    assert cancelled.returncode == 0, cancelled.stderr
    assert watching.wait(timeout=60) == 1
    watching.communicate()
    ended = json.loads(place.call("runs", "list", "--json").stdout)["runs"][0]
    assert (ended["state"], ended["left"]) == ("cancelled", False)


def test_a_reader_that_goes_away_is_no_error(place: Any) -> None:
    process = place.start("templates", "schema")
    assert process.stdout is not None
    process.stdout.close()
    assert process.stderr is not None
    told = process.stderr.read()
    process.stderr.close()
    assert (process.wait(timeout=30), told) == (0, "")


# -- in a terminal -----------------------------------------------------------------------------------------------


class Terminal:
    """A process with a terminal of its own; what it wrote, and what is typed into it."""

    def __init__(self, place: Any, *arguments: str, **variables: str) -> None:
        self.master, slave = pty.openpty()
        self.process = subprocess.Popen(
            [*place.command, *arguments],
            cwd=place.path,
            env={**place.environment, "COLUMNS": "90", "LINES": "30", **variables},
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


def test_in_a_terminal_tasks_are_drawn_and_approvals_are_asked_for(place: Any) -> None:
    (place.path / "second").touch()
    terminal = Terminal(place, "run", "gated.yaml", "--agents", "gate.py")
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


def test_a_question_ends_when_somebody_else_has_answered(place: Any) -> None:
    (place.path / "second").touch()
    terminal = Terminal(place, "run", "gated.yaml", "--agents", "gate.py")
    terminal.until(lambda text: "approved" in text)
    plain = terminal.text.replace("\r\n", "\n")
    assert re.search(rf"or from elsewhere: accord runs signal run_\w+ --task ask --approve --home {place.path}", plain)
    answered = place.call("runs", "signal", "last", "--task", "ask", "--approve", "--no-wait")
    assert answered.returncode == 0, answered.stderr
    told = terminal.end()
    assert terminal.process.returncode == 0, told
    assert "the run has ended meanwhile: completed" in told or "ask is already decided" in told
    assert "comment" not in told


def test_a_terminal_without_colours_is_respected(place: Any) -> None:
    coloured = Terminal(place, "templates", "list").end()
    plain = Terminal(place, "templates", "list", NO_COLOR="1").end()
    assert re.search(r"\x1b\[[0-9;]*m", coloured)
    assert not re.search(r"\x1b\[[0-9;]*3[0-9]m", plain)
    assert "competitive-analysis@1.0.0" in plain


def test_whoever_closes_the_input_leaves_the_run_waiting(place: Any) -> None:
    (place.path / "second").touch()
    terminal = Terminal(place, "run", "gated.yaml", "--agents", "gate.py")
    terminal.until(lambda text: "approved" in text)
    os.write(terminal.master, b"\x04")
    told = terminal.end()
    assert terminal.process.returncode == 2
    assert "ACC917" in told
    assert json.loads(place.call("runs", "show", "last", "--json").stdout)["waiting"] == ["ask"]
