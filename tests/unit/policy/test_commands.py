"""`accord policy`: check, test, explain, prove, show, with their exit codes."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import orjson
import pytest

from accord.cli import main
from accord.policy import proofs
from accord.policy.cases import Asked, asked_of
from accord.policy.source import schema_text, shipped_source

MINE = """
@id("agents") permit (principal is Agent, action, resource)
when { principal.organisation == "local" || !context.labels.contains("confidential") };
@id("people") permit (principal in Role::"operator", action, resource);
@id("look") permit (principal in Role::"admin", action == Action::"look", resource);
"""

CASES = """
cases:
  - name: partners do not get what is confidential
    request: {action: execute, agent: spiffe://b/agent/x, capability: a.b@1, template: t@1, labels: [confidential]}
    expect: deny
  - request: {action: run, principal: ann, role: operator, template: t@1}
    expect: allow
    by: [people]
"""

B_AND_CONFIDENTIAL = """(principal is Agent, action == Action::"execute", resource)
when { principal.organisation == "b" && context.labels.contains("confidential") }"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    monkeypatch.setenv("ACCORD_HOME", str(tmp_path / "home"))
    (tmp_path / "mine.cedar").write_text(MINE)
    return str(tmp_path / "mine.cedar")


def called(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, str, str]:
    with pytest.raises(SystemExit) as exited:
        main(["policy", *words])
    out, err = capsys.readouterr()
    return int(exited.value.code or 0), out, err


def told(capsys: pytest.CaptureFixture[str], *words: str) -> tuple[int, Any]:
    code, out, _ = called(capsys, *words, "--json")
    return code, orjson.loads(out)


def test_check_tells_what_has_no_effect(mine: str, capsys: pytest.CaptureFixture[str]) -> None:
    code, answer = told(capsys, "check", mine)
    assert code == 0
    assert [(one["code"], one["place"]["line"]) for one in answer["warnings"]] == [("ACC679", 5)]
    assert answer["warnings"][0]["message"].startswith("look makes no difference")


def test_check_against_shows_what_is_allowed_more(
    mine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    old = tmp_path / "old.cedar"
    old.write_text(shipped_source().files[0].text)
    code, answer = told(capsys, "check", mine, "--against", str(old))
    assert code == 1
    assert answer["more"]["verdict"] == "sometimes"
    assert answer["more"]["example"]["action"] == "declassify"
    code, out, _ = called(capsys, "check", mine, "--against", mine)
    assert code == 0
    assert "proven" in out


def test_check_refuses_faults(tmp_path: Path, mine: str, capsys: pytest.CaptureFixture[str]) -> None:
    broken = tmp_path / "broken.cedar"
    broken.write_text(
        'permit (principal, action, resource);\n@id("x") permit (principal, action == Action::"fly", resource);'
    )
    code, _, err = called(capsys, "check", str(broken))
    assert code == 2
    assert "ACC673" in err
    assert "broken.cedar:2: ACC672" in err


def test_prove_proves_or_shows(mine: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert called(capsys, "prove", mine, "--never", B_AND_CONFIDENTIAL)[:2][0] == 0
    code, answer = told(capsys, "prove", "--never", B_AND_CONFIDENTIAL)
    assert code == 1
    assert answer[0]["example"]["agent"].startswith("spiffe://b/agent/")
    assert answer[0]["example"]["labels"] == ["confidential"]
    assert called(capsys, "prove", mine)[0] == 2


def test_proofs_say_what_they_need(
    mine: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(proofs, "find_spec", lambda name: None)
    code, _, err = called(capsys, "prove", mine, "--never", B_AND_CONFIDENTIAL)
    assert code == 2
    assert "ACC678" in err
    code, answer = told(capsys, "check", mine)
    assert code == 0
    assert answer["proven"] is False


def test_cases_are_tested(mine: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    cases = tmp_path / "cases.yaml"
    cases.write_text(CASES)
    assert called(capsys, "test", str(cases), "--policies", mine)[0] == 0
    cases.write_text(CASES.replace("[people]", "[agents]"))
    code, out, _ = called(capsys, "test", str(cases), "--policies", mine)
    assert code == 1
    assert "cases.yaml:6:" in out
    assert "1 of 2 cases as expected" in out
    cases.write_text(CASES.replace("expect: deny", "expects: deny").replace("operator", "king"))
    code, _, err = called(capsys, "test", str(cases), "--policies", mine)
    assert code == 2
    assert err.count("ACC677") >= 3
    cases.write_text(CASES.replace("principal: ann", "agent: spiffe://a/agent/b"))
    code, _, err = called(capsys, "test", str(cases), "--policies", mine)
    assert code == 2
    assert err.count("ACC676") == 2


def test_explain_tells_what_would_turn_it(mine: str, capsys: pytest.CaptureFixture[str]) -> None:
    asked = ("--action", "execute", "--agent", "spiffe://b/agent/x", "--capability", "a.b@1", "--template", "t@1")
    code, answer = told(capsys, "explain", "--policies", mine, *asked, "--label", "confidential")
    assert code == 1
    assert answer["decision"] == "deny: no policy permits it"
    assert answer["turned_by"] == ["the agent's organisation local", "label confidential left out"]
    code, answer = told(capsys, "explain", "--policies", mine, *asked)
    assert (code, answer["by"]) == (0, ["agents"])
    assert answer["turned_by"] == ["label confidential added"]
    assert called(capsys, "explain", "--action", "execute", "--agent", "nobody")[0] == 2
    code, out, _ = called(capsys, "explain", "--action", "run", "--principal", "ann")
    assert code == 1
    assert "the principal's role operator" in out


NAMES = """
@id("agents-execute") permit (principal is Agent, action == Action::"execute", resource);
@id("no-slow") forbid (principal == Agent::"spiffe://local/agent/slow", action == Action::"execute", resource);
@id("operators-run") permit (principal in Role::"operator", action == Action::"run", resource is Template)
when { principal.name == "ann" && ["audit", "review"].contains(resource.name) };
"""


def test_explain_tries_a_fact_with_what_the_policies_compare_it_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "names.cedar"
    file.write_text(NAMES)
    set_ = ("--policies", str(file))
    work = ("--action", "execute", "--capability", "a.b@1", "--template", "t@1")
    code, answer = told(capsys, "explain", *set_, *work, "--agent", "spiffe://local/agent/slow")
    assert (code, answer["by"], answer["turned_by"]) == (1, ["no-slow"], [])
    code, answer = told(capsys, "explain", *set_, *work, "--agent", "spiffe://local/agent/fast")
    assert (code, answer["turned_by"]) == (0, ["the agent spiffe://local/agent/slow"])
    start = ("--action", "run", "--role", "operator", "--template")
    code, answer = told(capsys, "explain", *set_, *start, "other@1", "--principal", "ann")
    assert (code, answer["turned_by"]) == (1, ["its name audit", "its name review"])
    code, answer = told(capsys, "explain", *set_, *start, "audit@1", "--principal", "bob")
    assert (code, answer["turned_by"]) == (1, ["the principal's name ann"])


@pytest.mark.parametrize("words", [("show",), ("explain", "--action", "run", "--principal", "ann"), ("check",)])
def test_no_server_is_asked_about_policies(words: tuple[str, ...], capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as exited:
        main(["--server", "http://127.0.0.1:1", "policy", *words])
    assert exited.value.code == 2
    assert "ACC919" in capsys.readouterr().err


@pytest.mark.parametrize(("labels", "allowed"), [((), True), (("personal",), True), (("public",), False)])
def test_explain_asks_with_the_labels_that_the_engine_asks_with(
    tmp_path: Path, capsys: pytest.CaptureFixture[str], labels: tuple[str, ...], *, allowed: bool
) -> None:
    file = tmp_path / "p.cedar"
    file.write_text(
        '@id("a") permit (principal is Agent, action, resource) when { context.labels.contains("internal") };'
    )
    asked = ("--action", "execute", "--agent", "spiffe://b/agent/x", "--capability", "a.b@1", "--template", "t@1")
    options = [word for label in labels for word in ("--label", label)]
    code, answer = told(capsys, "explain", "--policies", str(file), *asked, *options)
    assert (code == 0, answer["allowed"]) == (allowed, allowed)
    assert called(capsys, "explain", "--policies", str(file), *asked, "--label", "No Label")[0] == 2


def test_a_case_without_labels_is_of_data_of_which_nothing_is_said() -> None:
    asked = {"action": "see", "agent": "spiffe://b/agent/x", "capability": "a.b@1", "template": "t@1"}
    assert msgspec.convert(asked, Asked).request().labels == {"internal"}
    nothing = msgspec.convert({**asked, "labels": []}, Asked).request()
    assert nothing.labels == frozenset()
    assert asked_of(nothing).request() == nothing


def test_show_prints_what_is_in_force(
    mine: str, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert called(capsys, "show")[1] == shipped_source().files[0].text
    assert called(capsys, "show", "--schema")[1] == schema_text()
    monkeypatch.setenv("ACCORD_POLICIES", mine)
    code, answer = told(capsys, "show")
    assert code == 0
    assert answer["policies"] == {"mine.cedar": MINE}
    assert answer["shipped"] is False
