"""Whatever somebody may give to the command line: an error with code, place and way out; no fault of ours, no hang."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from accord.cli import main

HEAD = "accord: template/1\nname: sum\nversion: 1.0.0\n"
SUM = (
    HEAD
    + """input:
  type: object
  properties:
    n: {type: integer, minimum: 0, default: 1}
    list: {type: array, items: {type: string}}
    any: {}
  additionalProperties: false
tasks:
  a: {sleep: 1ms}
output: {n: "${ input.n }"}
"""
)


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


Call = Callable[..., Outcome]


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACCORD_HOME", str(tmp_path / "home"))
    (tmp_path / "sum.yaml").write_text(SUM)
    return tmp_path


@pytest.fixture
def call(here: Path, capsys: pytest.CaptureFixture[str]) -> Call:
    def run(*arguments: str) -> Outcome:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        said = capsys.readouterr()
        assert "Traceback" not in said.err
        assert "fault of Accord" not in said.err
        return Outcome(int(ended.value.code or 0), said.out, said.err)

    return run


# -- files ---------------------------------------------------------------------------------------------------------

FILES = {
    "binary": (bytes(range(256)) * 9, "ACC100"),
    "zeros": (bytes(1000), "ACC101"),
    "empty": (b"", "ACC101"),
    "utf-16": (SUM.encode("utf-16"), "ACC100"),
    "latin-1": (b"description: caf\xe9\n", "ACC100"),
    "deep": (f"{HEAD}tasks: {{a: {{uses: x.y, with: {'[' * 5000}{']' * 5000}}}}}\n".encode(), "ACC103"),
    "itself": (f"{HEAD}tasks: {{a: &a {{uses: x.y, with: *a}}}}\n".encode(), "ACC103"),
    "scalar": (b"hello\n", "ACC105"),
    "null": (b"null\n", "ACC105"),
    "types": (b"accord: template/1\nname: [1]\ntasks: [a]\nlimits: x\noutput: ~\ninput: 5\n", "ACC112"),
    "names": (f'{HEAD}tasks:\n  "": {{sleep: 1s}}\n  "a/~1": {{sleep: x}}\n  1: {{sleep: 1s}}\n'.encode(), "ACC114"),
    "steering": (f'{HEAD}tasks: {{a: {{sleep: "\\u001b[31mred"}}}}\n'.encode(), "ACC114"),
    "long expression": (f'{HEAD}tasks: {{a: {{uses: x.y, with: "${{ {"(" * 3000} }}"}}}}\n'.encode(), "ACC203"),
    "complex key": (b"? [a]\n: b\n", "ACC104"),
}


@pytest.mark.parametrize(("data", "code"), FILES.values(), ids=FILES)
def test_no_file_is_too_odd_to_be_told_off(call: Call, here: Path, data: bytes, code: str) -> None:
    (here / "odd.yaml").write_bytes(data)
    for command in (
        ["verify", "odd.yaml", "--json"],
        ["run", "odd.yaml", "--json"],
        ["templates", "publish", "odd.yaml"],
    ):
        refused = call(*command)
        assert refused.code == 2, command
        assert code in refused.out + refused.err
        assert "\x1b" not in refused.out + refused.err


def test_what_is_no_file_of_ours_is_no_success(call: Call, here: Path) -> None:
    (here / "nothing").mkdir()
    (here / "folder.yaml").mkdir()
    (here / "text.txt").write_text("hello")
    (here / "gone.yaml").symlink_to(here / "no-such-file")
    checked = call("verify", "nothing", "missing.yaml", "missing", "text.txt", "gone.yaml", "--json")
    assert checked.code == 2
    found = {one["file"]: one["problems"][0]["code"] for one in json.loads(checked.out)}
    assert found == dict.fromkeys(("nothing", "missing.yaml", "missing", "text.txt", "gone.yaml"), "ACC911")
    assert call("run", "folder.yaml").code == 2
    assert call("verify", ".").code == 0  # what cannot be a file of ours does not keep others from being verified


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_may_not_be_read_is_told(call: Call, here: Path) -> None:
    (here / "secret.yaml").write_text(SUM)
    (here / "secret.yaml").chmod(0)
    assert "ACC100" in call("verify", ".").out


# -- inputs --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("option", "text", "code"),
    [
        ("--input", "{", "ACC101"),
        ("--input", '{"n": NaN}', "ACC101"),
        ("--input", '{"n": 1e999}', "ACC101"),
        ("--input", '{"n": 99999999999999999999}', "ACC103"),
        ("--input", '{"n": 1, "n": 2}', "ACC102"),
        ("--input", "[" * 10_000, "ACC103"),
        ("--input", "null", "ACC450"),
        ("--input", "x" * 5000, "ACC911"),
        ("--input", "/dev/null", "ACC911"),
        ("--input", ".", "ACC911"),
        ("--set", "=", "ACC911"),
        ("--set", "n=NaN", "ACC450"),
        ("--set", "list=[1", "ACC911"),
        ("--set", "n.m=1", "ACC450"),
        ("--output", ".", "ACC914"),
        ("--output", "no/such/file.json", "ACC914"),
        ("--reports", "sum.yaml/reports", "ACC914"),
    ],
)
def test_options_that_cannot_be_are_told_before_anything_runs(call: Call, option: str, text: str, code: str) -> None:
    refused = call("run", "sum.yaml", option, text, "--json")
    assert refused.code == 2
    assert code in {problem["code"] for problem in json.loads(refused.err)["problems"]}
    assert json.loads(call("runs", "list", "--json").out)["runs"] == []


@pytest.mark.parametrize("as_json", [[], ["--json"]])
def test_arguments_that_are_no_text_are_told(call: Call, as_json: list[str]) -> None:
    refused = call("run", "no\udcffsuch.yaml", "--title", "\udcfe", *as_json)
    assert refused.code == 2
    assert refused.err.count("ACC910") == 2
    assert "no\\udcffsuch.yaml" in json.loads(refused.err)["problems"][0]["message"] if as_json else refused.err


def test_files_whose_names_are_no_text_are_verified(call: Call, here: Path) -> None:
    (here / "bad\udcffname.yaml").write_text(SUM.replace("sleep: 1ms", "sleep: soon"))
    for as_json in ([], ["--json"]):
        checked = call("verify", ".", *as_json)
        assert checked.code == 2
        assert "bad\\udcffname.yaml" in checked.out.replace("\\\\", "\\")


def test_a_part_of_a_set_has_the_place_of_the_set(call: Call) -> None:
    [problem] = json.loads(call("run", "sum.yaml", "--set", "n.m=1", "--json").err)["problems"]
    assert problem["place"] == {"file": "--set n.m=1", "pointer": "/n"}


@pytest.mark.parametrize("command", ["run", "plan"])
def test_stdin_is_read_once(call: Call, monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("n: 3"))
    told = call(command, "sum.yaml", "--input", "-", "--json")
    assert told.code == 0, told.err
    assert json.loads(told.out)["output" if command == "run" else "input"]["n"] == 3


def test_stdin_that_is_no_text_is_told(call: Call, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"list: [a]\nn: \xff"), "utf-8"))
    [problem] = json.loads(call("run", "sum.yaml", "--input", "-", "--json").err)["problems"]
    assert (problem["code"], problem["place"]["line"], problem["place"]["column"]) == ("ACC100", 2, 4)


def test_an_output_that_cannot_be_written_after_all_is_shown(
    call: Call, here: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object, **__: object) -> int:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "write_bytes", full)
    told = call("run", "sum.yaml", "--output", "out.json")
    assert told.code == 2
    assert "ACC914" in told.err
    assert json.loads(told.out) == {"n": 1}
    assert "completed" in told.err


@pytest.mark.parametrize("task", ["a[5]", "a[x]", "a[", "b", "a[-1]", "undo:b", "[0]", ""])
@pytest.mark.parametrize(
    "command",
    [["show", "last", "--task"], ["retry", "last", "--task"], ["rollback", "last", "--to"], ["fork", "last", "--task"]],
)
def test_tasks_that_there_are_not_are_refused(call: Call, command: list[str], task: str) -> None:
    call("run", "sum.yaml")
    refused = call("runs", *command, task)
    assert refused.code in (2, 3)
    assert "ACC4" in refused.err


# -- agents --------------------------------------------------------------------------------------------------------

NOISY = """
from accord.sdk import Agent

print("at import")
agent = Agent("noisy")

@agent.capability("noisy.say@1.0.0")
def say(number: int) -> int:
    print("garbage")
    return number
"""
TASK = """
accord: template/1
name: {name}
version: 1.0.0
tasks:
  a: {{uses: {uses}, with: {{number: 1}}, retry: {{attempts: 1}}, timeout: 20s}}
"""


def test_what_agents_print_is_no_part_of_the_result(call: Call, here: Path) -> None:
    (here / "noisy.py").write_text(NOISY)
    (here / "noisy.yaml").write_text(TASK.format(name="noisy", uses="noisy.say@^1"))
    ran = call("run", "noisy.yaml", "--agents", "noisy.py", "--json")
    assert json.loads(ran.out)["output"] == {"a": 1}
    assert "at import" in ran.err
    assert "garbage" in ran.err


@pytest.mark.parametrize(
    ("program", "said"),
    [
        ("cat >/dev/null; head -c 3000 /dev/urandom", "output-not-json"),
        ("cat >/dev/null; echo hello", "output-not-json"),
        ("cat >/dev/null", "output-not-json"),
        ("echo oh no >&2; exit 3", "exit code 3: oh no"),
        ("kill -9 $$", "ended by signal 9"),
        ("cat >/dev/null; head -c 100000000 /dev/zero", "output-too-large"),
        ("printf '\\033[31mred' >&2; exit 1", "\N{REPLACEMENT CHARACTER}[31mred"),
    ],
)
def test_programs_that_misbehave_fail_their_task_alone(call: Call, here: Path, program: str, said: str) -> None:
    capability = {"input": True, "output": True, "run": {"command": ["/bin/sh", "-c", program]}}
    agent = {"accord": "agent/1", "name": "odd", "capabilities": {"odd.do@1.0.0": capability}}
    (here / "agent.json").write_text(json.dumps(agent))
    (here / "odd.yaml").write_text(TASK.format(name="odd", uses="odd.do@^1"))
    failed = call("run", "odd.yaml", "--agents", "agent.json")
    assert failed.code == 1
    assert said in failed.err
    assert "ACC420" in failed.err
    assert json.loads(call("runs", "show", "last", "--json").out)["state"] == "failed"


# -- homes ---------------------------------------------------------------------------------------------------------


def test_a_home_that_cannot_be_is_told(call: Call, here: Path) -> None:
    (here / "file").write_text("")
    for home, code in [("file", "ACC904"), ("file/inside", "ACC904"), ("x" * 5000, "ACC903")]:
        refused = call("runs", "list", "--home", home)
        assert refused.code == 2
        assert code in refused.err


def test_keys_whose_passphrase_is_gone_are_left_alone(call: Call, here: Path) -> None:
    call("run", "sum.yaml")
    passphrase = here / "home" / "passphrase"
    kept = passphrase.read_bytes()
    passphrase.unlink()
    refused = call("run", "sum.yaml")
    assert refused.code == 4
    assert "ACC623" in refused.err
    assert not passphrase.exists()
    passphrase.write_bytes(kept)
    passphrase.chmod(0o600)
    assert call("run", "sum.yaml").code == 0


# -- streams -------------------------------------------------------------------------------------------------------

MAIN = f"{sys.executable} -c 'from accord.cli import main; main()'"


def shell(here: Path, line: str) -> subprocess.CompletedProcess[str]:
    environment = os.environ | {"ACCORD_HOME": str(here / "home")}
    command = ["/bin/sh", "-c", line]
    return subprocess.run(command, cwd=here, env=environment, capture_output=True, text=True, check=False, timeout=100)


@pytest.mark.parametrize("closed", [">&-", "2>&-", "<&- >&- 2>&-"])
def test_streams_that_are_closed_are_nobody_s_files(here: Path, closed: str) -> None:
    """Without them, the journal would be opened as stdout, and uvloop would abort the process."""
    done = shell(here, f"{MAIN} run sum.yaml {closed}")
    assert done.returncode == 0, done.stderr
    assert "1/1" in shell(here, f"{MAIN} runs list").stdout


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="this system has no /dev/full")
def test_a_full_disk_behind_stdout_is_told(here: Path) -> None:
    full = shell(here, f"{MAIN} run sum.yaml > /dev/full")
    assert full.returncode == 1
    assert "ACC914 stdout cannot be written: No space left on device" in full.stderr
    assert "Traceback" not in full.stderr


def test_whoever_reads_no_error_gets_none(here: Path) -> None:
    assert "Traceback" not in shell(here, f"{{ {MAIN} run nope.yaml 2>&1 1>&3 | true; }} 3>&1").stderr
