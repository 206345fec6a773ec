"""The help of every command: it is there, it has examples, and the examples are command lines that exist."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from accord.cli.commands import app
from accord.cli.errors import EXIT_CODES

ROOT: Any = typer.main.get_command(app)
_EXAMPLE = re.compile(r"`(accord [^`]*)`")


def commands(group: Any, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], Any]]:
    for name, command in group.commands.items():
        if hasattr(command, "commands"):
            yield from commands(command, (*path, name))
        else:
            yield (*path, name), command


COMMANDS = dict(commands(ROOT))
EXAMPLES = [example for command in COMMANDS.values() for example in _EXAMPLE.findall(command.help)]


def test_every_command_that_people_were_promised_is_there() -> None:
    promised = {
        "run", "plan", "verify", "doctor", "version",
        "runs list", "runs show", "runs watch", "runs pause", "runs resume", "runs cancel", "runs rollback",
        "runs erase", "runs acknowledge", "runs fork", "runs retry", "runs signal", "runs budget",
        "agents list", "agents show", "templates list", "templates show", "templates schema", "templates publish",
        "journal show", "journal verify", "journal replay", "journal prune", "journal backup", "journal export",
        "journal checkpoints", "journal prove", "journal witness", "journal import", "runs lineage",
        "runs explain", "runs diff", "runs capture", "runs logs",
        "approvals list", "incidents list", "incidents show", "incidents acknowledge", "incidents resolve",
        "keys new", "keys list", "keys rotate", "keys rewrap", "keys revoke", "keys impact", "new template",
        "new agent",
        "serve", "console", "top", "test", "store migrate", "store grant", "bus users", "bus dead",
        "access keys new", "access keys list", "access keys revoke",
        "agent", "signer", "agents enrol", "agents enrolments", "agents withdraw", "conformance",
        "policy check", "policy prove", "policy test", "policy explain", "policy show",
        "planner show", "planner versions", "planner examples", "planner teach", "planner train", "planner use",
        "planner forget", "diff", "webhooks add", "webhooks list", "webhooks show", "webhooks remove",
    }  # fmt: skip
    assert {" ".join(path) for path in COMMANDS} == promised


@pytest.mark.parametrize("path", COMMANDS, ids=" ".join)
def test_every_command_has_help_with_an_example_of_itself(path: tuple[str, ...]) -> None:
    command = COMMANDS[path]
    assert command.help
    assert any(example.startswith("accord " + " ".join(path)) for example in _EXAMPLE.findall(command.help))
    for parameter in command.params:
        assert parameter.help, f"{path}: {parameter.name}"


@pytest.mark.parametrize("example", EXAMPLES)
def test_every_example_is_a_command_line_that_exists(example: str) -> None:
    arguments = shlex.split(example.partition(" > ")[0])[1:]
    command, depth = ROOT, 2 * (arguments[0] == "--server")
    while hasattr(command, "commands"):
        command, depth = command.commands[arguments[depth]], depth + 1
    context = command.make_context("accord", arguments[depth:])
    assert context.params is not None


def test_help_tells_the_exit_codes() -> None:
    told = _accord("--help").stdout
    for word in ("Exit codes", "130", "bad input"):
        assert word in told
        assert word in EXIT_CODES.replace("**", "")


def test_help_loads_neither_the_engine_nor_the_agents() -> None:
    code = (
        "import sys; from accord.cli import main\n"
        "try: main(['runs', '--help'])\n"
        "except SystemExit: pass\n"
        "heavy = ('accord.engine', 'accord.app', 'accord.builtin.score', 'cryptography', 'cel_expr_python')\n"
        "print(*[name for name in heavy if getattr(sys.modules.get(name), '__file__', None)], file=sys.stderr)\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stderr.strip() == ""


def _accord(*arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", "from accord.cli import main; main()", *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
