"""Which server a command asks, and under which key."""

from __future__ import annotations

import logging
import re
import socket
from pathlib import Path

import pytest

from accord.cli import main
from accord.cli.actions.run import tell_how_to_resume
from accord.cli.actions.serve import Asked, serve
from accord.cli.logs import logging_as, logging_to_stderr
from accord.cli.options import Shared
from accord.cli.output import Screen
from accord.cli.server import connected
from accord.credentials import keep_credential
from accord.domain.ids import RunId
from accord.errors import BadInput, StoreUnavailable, Unauthenticated
from accord.settings import Settings, read_settings

HERE, FAR = "http://127.0.0.1:8421", "https://accord.example.org"


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("ACCORD_HOME", str(tmp_path))
    return tmp_path


def shown(url: str, home: Path, **environment: str) -> str:
    """The credential that a server would be shown."""
    connection = connected(url, read_settings({"ACCORD_HOME": str(home), **environment}))
    return connection._http.headers["Authorization"]


def test_the_key_that_serve_has_kept_is_for_servers_on_this_machine_alone(home: Path) -> None:
    keep_credential(home / "credentials", "accord_kept")
    assert shown(HERE, home) == "Bearer accord_kept"
    with pytest.raises(Unauthenticated, match="ACC973 there is no API key for https:"):
        shown(FAR, home)


def test_where_no_key_is_kept_and_nobody_listens_that_is_said(home: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as server:
        here = f"http://127.0.0.1:{server.getsockname()[1]}"
        with pytest.raises(Unauthenticated, match="ACC973"):
            shown(here, home)
    with pytest.raises(StoreUnavailable, match="ACC970 the server at"):
        shown(here, home)


def test_the_environments_key_beats_the_one_that_was_kept(home: Path) -> None:
    keep_credential(home / "credentials", "accord_kept")
    assert shown(HERE, home, ACCORD_API_KEY="accord_mine") == "Bearer accord_mine"
    assert shown(FAR, home, ACCORD_API_KEY="accord_mine") == "Bearer accord_mine"


def test_no_key_goes_to_another_machine_in_the_clear(home: Path) -> None:
    with pytest.raises(BadInput, match="ACC974"):
        shown("http://accord.example.org", home, ACCORD_API_KEY="accord_mine")
    allowed = {"ACCORD_API_KEY": "accord_mine", "ACCORD_INSECURE_HTTP": "true"}
    assert shown("http://accord.example.org", home, **allowed) == "Bearer accord_mine"


def test_a_key_stands_in_no_file_of_settings(home: Path) -> None:
    (home / "settings.toml").write_text('api_key = "accord_mine"\n')
    with pytest.raises(BadInput, match="ACC901"):
        read_settings({}, home=home)


def test_the_flag_beats_the_environment_which_beats_the_file(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    assert Shared().server() is None
    (home / "settings.toml").write_text('server = "https://one"\n')
    assert Shared().server() == "https://one"
    monkeypatch.setenv("ACCORD_SERVER", "https://two")
    assert Shared().server() == "https://two"
    assert Shared(named_server="https://three").server() == "https://three"


def test_later_commands_name_the_same_server(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    shared = Shared(named_server=HERE)
    tell_how_to_resume(RunId("run_x"), shared, Screen())
    told = capsys.readouterr().err
    assert f"accord --server {HERE} runs watch run_x" in told
    assert "The server carries the run on" in told


def test_a_server_warns_without_being_asked_for_more_words(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    for warns in (True, False):
        with logging_to_stderr(warns=warns):
            logging.getLogger("accord.gateway").warning("the certificate has expired")
        assert ("accord.gateway: the certificate has expired" in capsys.readouterr().err) is warns
    seen: list[bool] = []
    monkeypatch.setattr("accord.cli.actions.serve.carry_out", lambda *_, warns=False: seen.append(warns))
    serve(Shared(), Asked())
    assert seen == [True]


def raised(number: int) -> ValueError:
    try:
        raise ValueError(f"no {number}\x1b[2J")
    except ValueError as error:
        return error


def test_what_an_agent_raises_is_told_at_its_own_terminal_once(home: Path, capsys: pytest.CaptureFixture[str]) -> None:
    told = []
    for warns, level in ((False, None), (True, None), (False, "warning")):
        settings = Settings(home=home, log_level=level)
        with logging_to_stderr(warns=warns, raises=True), logging_as(settings):
            logging.getLogger("accord.agent").error("x raised in attempt %d", 1, exc_info=raised(7))
            logging.getLogger("accord.agent").warning("nothing to see")
        told.append(capsys.readouterr().err)
    short, *whole = told
    assert short.splitlines()[0] == "x raised in attempt 1:"
    assert re.search(r'\n    File ".*test_cli_server.py", line \d+, in raised\n', short)
    assert short.splitlines()[-1] == "  ValueError: no 7\N{REPLACEMENT CHARACTER}[2J"
    assert "Traceback" not in short
    assert "nothing to see" not in short
    for one in whole:
        assert (one.count("Traceback"), one.count("x raised in attempt 1"), one.count("\x1b")) == (1, 1, 0)


def test_what_is_told_for_another_terminal_names_the_home_and_the_server(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    for named in (Shared(), Shared(home=home)):
        assert named.elsewhere("runs list") == f"accord runs list --home {tmp_path}"
    monkeypatch.setenv("ACCORD_HOME", "my home")
    assert Shared(named_server=HERE).elsewhere("top") == f"accord --server {HERE} top --home '{tmp_path}/my home'"
    monkeypatch.delenv("ACCORD_HOME")
    monkeypatch.setattr("accord.cli.options.default_home", lambda: tmp_path / "default")
    monkeypatch.setattr("accord.settings.default_home", lambda: tmp_path / "default")
    assert Shared().elsewhere("runs list") == "accord runs list"


def test_every_command_that_asks_a_server_waits_as_the_settings_say_and_says_so(
    home: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    connection = connected(HERE, Settings(home=home, api_key="accord_mine", server_within_s=7.0))
    assert connection.patience.refused_s == 7.0
    connection._tell("Nobody listens")
    assert capsys.readouterr().err == "Nobody listens\n"


def test_a_flag_is_forgotten_with_its_command(home: Path) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--server", HERE, "keys", "new", "k"])
    assert ended.value.code == 2
    assert Shared().server() is None


def test_a_wrong_option_behind_a_server_is_told_with_its_command(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--server", HERE, "runs", "list", "--colour"])
    assert "`accord runs list --help`" in capsys.readouterr().err


@pytest.mark.parametrize("url", ["nonsense", "ftp://x"])
def test_a_server_that_is_none_is_told_before_anything_is_sent(
    home: Path, url: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as ended:
        main(["--server", url, "runs", "list"])
    assert ended.value.code == 2
    assert "ACC972" in capsys.readouterr().err
