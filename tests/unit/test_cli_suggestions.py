"""Suggestions at the command line, and plans as documents: saved, edited, verified, run, compared."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
from tests.language_model import LanguageModel, graph, of_task, said, task

from accord.cli import main

AGENTS = '''
from accord.sdk import Agent

agent = Agent("poet")

@agent.capability("poem.write@1.0.0")
def write(about: str) -> str:
    """Write some verses."""
    return f"Oh {about}!"

@agent.capability("poem.translate@1.0.0")
def translate(text: str, language: str) -> str:
    """Say a text in another tongue."""
    return f"{language}: {text}"
'''
POEM = "make the moon poem german"
RIGHT = graph(
    task("write", "poem.write", said("about", "the moon", "the moon")),
    task("translate", "poem.translate", of_task("text", "write"), said("language", "de", "german")),
)


class Outcome(NamedTuple):
    code: int
    out: str
    err: str


@pytest.fixture
def parrot(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[LanguageModel]:
    """A language model that the settings of the home name."""
    (tmp_path / "poet.py").write_text(AGENTS)
    (tmp_path / "home").mkdir()
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("ACCORD_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("COLUMNS", "100")
    with LanguageModel(RIGHT).serving() as model:
        settings = f'suggestion_endpoint = "{model.url}"\nsuggestion_model = "parrot"\nsuggestion_consent = true\n'
        (tmp_path / "home" / "settings.toml").write_text(settings)
        yield model


@pytest.fixture
def call(capsys: pytest.CaptureFixture[str]) -> Callable[..., Outcome]:
    def run(*arguments: str) -> Outcome:
        with pytest.raises(SystemExit) as ended:
            main(arguments)
        told = capsys.readouterr()
        assert "Traceback" not in told.err
        return Outcome(int(ended.value.code or 0), told.out, told.err)

    return run


def test_a_suggestion_is_shown_saved_changed_verified_run_and_compared(call: Any, parrot: LanguageModel) -> None:
    poet = ("--agents", "poet.py")
    shown = call("plan", POEM, *poet, "--save", "draft.yaml")
    assert shown.code == 0, shown.err
    assert "parrot, in 1 round, 100 + 10 tokens" in shown.out
    assert "50%" in shown.out
    draft = Path("draft.yaml").read_text()
    assert draft.startswith(f"# For: {POEM}\n# Found by suggestion, 50% sure; it holds.\n")
    assert call("verify", "draft.yaml", *poet).code == 0
    ran = call("run", "draft.yaml", *poet, "--json")
    assert ran.code == 0, ran.err
    assert json.loads(ran.out)["output"] == {"translate": "de: Oh the moon!"}
    assert "parrot" in call("runs", "show", "last").out
    Path("changed.yaml").write_text(draft.replace("default: de", "default: fr").replace("0.1.0-draft", "0.2.0"))
    ran = call("run", "changed.yaml", *poet, "--set", "about=it", "--json")
    assert json.loads(ran.out)["output"] == {"translate": "fr: Oh it!"}
    compared = call("diff", "draft.yaml", "changed.yaml", *poet)
    assert "/input/properties/language/default" in compared.out, compared.err
    Path("broken.yaml").write_text(draft.replace("poem.translate@", "poem.sing@"))
    broken = call("verify", "broken.yaml", *poet)
    assert (broken.code, "ACC820" in broken.out + broken.err) == (2, True)
    assert len(parrot.asked) == 1


def test_nobody_looks_at_a_suggestion_so_it_does_not_run(call: Any, parrot: LanguageModel) -> None:
    ran = call("run", POEM, "--agents", "poet.py")
    assert ran.code != 0
    assert "ACC156" in ran.err
    assert "accord plan OBJECTIVE --save FILE" in " ".join(ran.err.split())
    assert json.loads(call("runs", "list", "--json").out)["runs"] == []
    assert {one["origin"] for one in json.loads(call("templates", "list", "--json").out)} == {"built in"}


@pytest.mark.parametrize("yes", [True, False])
def test_who_sits_at_the_terminal_is_shown_it_and_asked(
    call: Any, parrot: LanguageModel, monkeypatch: pytest.MonkeyPatch, yes: bool
) -> None:
    async def answered(schema: Any, screen: Any) -> Any:
        return {"run": yes}

    monkeypatch.setattr("accord.cli.suggesting.can_ask", lambda screen: True)
    monkeypatch.setattr("accord.cli.suggesting.asked_value", answered)
    ran = call("run", POEM, "--agents", "poet.py")
    assert "because of translate" in ran.out
    assert (ran.code == 0) is yes, ran.err
    assert ("ACC156" in ran.err) is not yes


def test_a_label_keeps_the_words_here(call: Any, parrot: LanguageModel) -> None:
    ran = call("run", POEM, "--agents", "poet.py", "--label", "personal")
    assert "ACC157" in ran.err
    assert not parrot.asked


def test_without_consent_nothing_is_asked(call: Any, parrot: LanguageModel, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ACCORD_SUGGESTION_CONSENT", "false")
    planned = call("plan", POEM, "--agents", "poet.py")
    assert planned.code == 2
    assert "ACC15" not in planned.err
    assert not parrot.asked


def test_the_doctor_tells_whether_it_is_there(
    call: Any, parrot: LanguageModel, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def told() -> dict[str, str]:
        findings = json.loads(call("doctor", "--json").out)["findings"]
        [one] = [one for one in findings if one["what"] == "language model"]
        return {one["grade"]: one["told"]}

    assert told() == {"ok": "parrot at 127.0.0.1 is there"}
    (tmp_path / "key").write_text("of-the-endpoint")
    monkeypatch.setenv("ACCORD_SUGGESTION_KEY_FILE", str(tmp_path / "key"))
    monkeypatch.setenv("ACCORD_SUGGESTION_MODEL", "owl")
    assert told() == {"warn": "127.0.0.1 lists no model owl"}
    assert parrot.headers[-1]["Authorization"] == "Bearer of-the-endpoint"
    parrot.answers = [401]
    assert told() == {"warn": "owl at 127.0.0.1 does not take the key"}
    parrot.answers = [500]
    assert told() == {"warn": "owl at 127.0.0.1 answers with status 500 where models are listed"}
    monkeypatch.setenv("ACCORD_SUGGESTION_ENDPOINT", "http://127.0.0.1:9/v1")
    assert "cannot be asked" in told()["warn"]
    assert not parrot.asked
