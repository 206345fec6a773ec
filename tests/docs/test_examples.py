"""Every example of the README and of docs/ is run, page by page, each page in a folder and a home of its own.

    ```console                     each line that begins with `$ ` is run by bash; the lines below are what it prints.
    $ accord runs list             `…` stands for anything within a line, a line that is only `…` for any lines.
    …                              Without lines below it, the output is not compared.
    $ accord verify bad.yaml       # exit 2   says which exit code is expected, where it is not 0.
    $ accord run wait.yaml &       goes on beside the others, as soon as it has printed the lines below it.
    ```
    ```yaml title="hello.yaml"     a block with a title is written to that file.
    ```python                      a block of Python without a title is run.

Anything else (```sh, ```text, ...) is only shown. On the pages about PostgreSQL and operation, `psql` and addresses
without a host reach a server that is there for the tests; on that about Redis, `redis-server` is the
newest one of this machine.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from accord.testing.postgres import SUPERUSER, PostgresServer
from accord.testing.redis import programs as redis_programs

ROOT = Path(__file__).resolve().parents[2]
PAGES = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCK = re.compile(r"^```(\w+)([^\n`]*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
TITLE = re.compile(r'title="([^"]+)"')
EXIT_CODE = re.compile(r"\s+# exit (\d+)$")
TIMEOUT_S = 100
SLOW = re.compile(r"The server at \S+ has yet to answer: .*\n")
"""What a client says where the machine is so slow that it wonders; no page shows it."""
WITH_POSTGRES = ("postgresql.md", "operate.md")


class Block(msgspec.Struct, frozen=True):
    """A fenced block of a page."""

    line: int
    language: str
    title: str
    text: str


class Command(msgspec.Struct, frozen=True):
    """A command line, what it prints, and its exit code."""

    text: str
    output: list[str]
    exit_code: int = 0
    beside: bool = False
    """Whether it goes on while the next ones run."""


def blocks(page: Path) -> Iterator[Block]:
    text = page.read_text("utf-8")
    for found in BLOCK.finditer(text):
        title = TITLE.search(found[2])
        yield Block(text.count("\n", 0, found.start()) + 1, found[1], title[1] if title else "", found[3])


def is_run(block: Block) -> bool:
    return bool(block.title) or block.language in ("console", "python")


def commands(text: str) -> Iterator[Command]:
    for part in re.split(r"^\$ ", text, flags=re.MULTILINE)[1:]:
        lines = part.rstrip("\n").split("\n")
        given = [lines.pop(0)]
        while given[-1].endswith("\\"):
            given.append(lines.pop(0))
        code = EXIT_CODE.search(given[-1])
        given[-1] = EXIT_CODE.sub("", given[-1])
        text = "\n".join(given)
        yield Command(text.removesuffix(" &"), lines, int(code[1]) if code else 0, text.endswith(" &"))


def pattern(expected: list[str]) -> re.Pattern[str]:
    """What the output has to match: `…` is anything in its line, alone on a line it is any lines."""
    parts = [
        r"(?:.*\n)*?" if line.strip() == "…" else re.escape(line.rstrip()).replace("…", ".*") + r"[ \t]*\n"
        for line in expected
    ]
    return re.compile("".join(parts))


def environment(home: Path, server: PostgresServer | None) -> dict[str, str]:
    around = {} if server is None else {"PGHOST": str(server.folder), "PGUSER": SUPERUSER}
    programs = [str(home / "programs")] if server is None else [str(server.programs)]
    return {
        **around,
        "PATH": os.pathsep.join([*programs, str(Path(sys.executable).parent), os.environ["PATH"]]),
        "PYTHONPATH": os.environ.get("PYTHONPATH", ""),
        "HOME": str(home),
        "ACCORD_HOME": str(home / "accord"),
        "LANG": "C.UTF-8",
        "COLUMNS": "120",
        "NO_COLOR": "1",
        "PYTHONUNBUFFERED": "1",  # stdout and stderr in the order in which a terminal shows them
    }


def provide_redis(folder: Path) -> None:
    """The newest server of this machine as `redis-server`, whatever its name."""
    folder.mkdir()
    (folder / "redis-server").symlink_to(redis_programs()[-1].path)


def run(arguments: list[str], folder: Path, given: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        arguments,
        cwd=folder,
        env=given,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
        timeout=TIMEOUT_S,
        check=False,
    )


def check(command: Command, where: str, folder: Path, given: dict[str, str]) -> None:
    done = run(["bash", "-c", command.text], folder, given)
    shown = f"{where}: $ {command.text}\n{done.stdout}"
    assert done.returncode == command.exit_code, f"exit code {done.returncode}, expected {command.exit_code}: {shown}"
    if command.output:
        found = pattern(command.output).fullmatch(SLOW.sub("", done.stdout).rstrip("\n") + "\n")
        assert found, f"{shown}\n-- expected --\n" + "\n".join(command.output)


def begin(command: Command, where: str, folder: Path, given: dict[str, str]) -> subprocess.Popen[str]:
    """The command, started, once it has printed what is expected."""
    process = subprocess.Popen(
        ["bash", "-c", f"exec {command.text}"],
        cwd=folder,
        env=given,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        encoding="utf-8",
    )
    assert process.stdout is not None
    expected, seen = pattern(command.output), ""
    while not expected.fullmatch(SLOW.sub("", seen)):
        line = process.stdout.readline()
        assert line, f"{where}: $ {command.text} &\n{seen}\n-- expected --\n" + "\n".join(command.output)
        seen += line
    return process


@pytest.fixture
def beside() -> Iterator[list[subprocess.Popen[str]]]:
    """Commands that go on beside the others; they are ended with the page."""
    processes: list[subprocess.Popen[str]] = []
    yield processes
    for process in reversed(processes):  # who was begun later may need those before
        process.terminate()
        process.communicate(timeout=TIMEOUT_S)


PAGES_THAT_RUN = [page for page in PAGES if page.is_file() and any(is_run(block) for block in blocks(page))]


@pytest.mark.timeout(600)
@pytest.mark.parametrize("page", PAGES_THAT_RUN, ids=lambda page: str(page.relative_to(ROOT)))
def test_what_a_page_shows_is_what_happens(
    page: Path, tmp_path: Path, beside: list[subprocess.Popen[str]], request: pytest.FixtureRequest
) -> None:
    folder, home = tmp_path / "work", tmp_path / "home"
    folder.mkdir()
    home.mkdir()
    if page.name == "redis.md":
        provide_redis(home / "programs")
    given = environment(home, request.getfixturevalue("postgres") if page.name in WITH_POSTGRES else None)
    for block in filter(is_run, blocks(page)):
        where = f"{page.relative_to(ROOT)}:{block.line}"
        if block.title:
            (folder / block.title).parent.mkdir(parents=True, exist_ok=True)
            (folder / block.title).write_text(block.text, "utf-8")
        elif block.language == "python":
            done = run([sys.executable, "-c", block.text], folder, given)
            assert done.returncode == 0, f"{where}\n{done.stdout}"
        else:
            for command in commands(block.text):
                if command.beside:
                    beside.append(begin(command, where, folder, given))
                else:
                    check(command, where, folder, given)


def test_placeholders():
    assert pattern(["run … completed", "…", "end"]).fullmatch("run run_1 completed\na\nb\nend\n")
    assert pattern(["…"]).fullmatch("anything\nat all\n")
    assert not pattern(["run … completed"]).fullmatch("run run_1 failed\n")
    assert not pattern(["one", "two"]).fullmatch("one\n")


def test_commands_of_a_block():
    text = "$ accord runs list \\\n  --json\n[]\n$ accord verify bad.yaml  # exit 2\n$ accord run wait.yaml &\n…\n"
    assert list(commands(text)) == [
        Command("accord runs list \\\n  --json", ["[]"]),
        Command("accord verify bad.yaml", [], exit_code=2),
        Command("accord run wait.yaml", ["…"], beside=True),
    ]
