"""The document of a workflow test: read strictly, with the place of everything that is wrong."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from accord.domain.workflow_test import Answer, Expected, Fault, Said, ScriptedError, WorkflowTest
from accord.errors import TemplateInvalid
from accord.templates.workflow_tests import read_workflow_test, workflow_test_document, workflow_test_text

TEXT = """
accord: test/1
name: it gives up after the second attempt
template: ./sum.yaml
input: {numbers: [1, 2]}
labels: [confidential]
contracts:
  tiny.double@1.0.0: {input: {type: object}, output: {type: number}, confidence: 0.5}
agents:
  doubled[0]:
    - {output: 2, confidence: 0.5, cost: "0.25", agent: doubler, delay: 5s}
  tiny.double:
    - {input: {number: 2}, error: {code: broken, message: it never works, retryable: true}}
    - {refuse: not for me}
    - {silent: true}
said:
  - {task: ask, value: {approved: true}}
  - {signal: go}
faults:
  - {task: doubled, what: lost}
expect:
  state: failed
  problem: ACC420
  tasks: {doubled: failed, "doubled[1]": failed, first: skipped}
  order: [doubled, first]
  attempts: {doubled: 2}
  cost: "0.25"
"""


def test_a_test_is_read() -> None:
    test = read_workflow_test(TEXT)
    assert test.agents["doubled[0]"] == (Answer(output=2, confidence=0.5, cost="0.25", agent="doubler", delay="5s"),)
    error = ScriptedError(code="broken", message="it never works", retryable=True)
    assert test.agents["tiny.double"][0] == Answer(input={"number": 2}, error=error)
    assert test.said == (Said(task="ask", value={"approved": True}), Said(signal="go"))
    assert test.faults == (Fault(task="doubled", what="lost"),)
    assert (test.expect.state, test.expect.problem, test.expect.output) == ("failed", "ACC420", msgspec.UNSET)


def test_what_is_written_is_read_again() -> None:
    test = read_workflow_test(TEXT)
    text = msgspec.json.encode(workflow_test_document(test)).decode()
    assert read_workflow_test(text) == test
    least = WorkflowTest(accord="test/1", name="n", template="t", expect=Expected())
    assert workflow_test_document(least) == {"accord": "test/1", "name": "n", "template": "t", "expect": {}}


def test_yaml_gives_back_every_text_as_it_was() -> None:
    odd = ["yes", "null", "~", "1e3", "0o17", "2026-01-01", "- a", "a: b", "#", "", " a ", "a\nb\n", "\u2028", "é", "'"]
    answers = tuple(Answer(output={text: text, "n": [1, 1.5, True, None]}) for text in odd)
    test = WorkflowTest(accord="test/1", name="n", template="t", agents={"a": answers}, expect=Expected(output=odd))
    assert read_workflow_test(workflow_test_text(test)) == test


@pytest.mark.parametrize(
    ("change", "pointer"),
    [
        (("expect:", "expected:"), "/expected"),
        (("output: 2", "outptu: 2"), "/agents/doubled[0]/0/outptu"),
        (("silent: true", "silent: true, output: 1"), "/agents/tiny.double/2"),
        (("signal: go", "signal: go, task: ask"), "/said/1"),
        (("doubled: 2", "doubled: two"), "/expect/attempts/doubled"),
        (("what: lost", "what: eaten"), "/faults/0/what"),
        (('cost: "0.25", agent', "cost: 0.25, agent"), "/agents/doubled[0]/0/cost"),
        (("accord: test/1", "accord: template/1"), "/accord"),
    ],
)
def test_what_is_wrong_is_told_with_its_place(change: tuple[str, str], pointer: str) -> None:
    with pytest.raises(TemplateInvalid) as refused:
        read_workflow_test(TEXT.replace(*change), file="a.yaml")
    told = {(problem.code, problem.place.pointer): problem.place for problem in refused.value.problems}
    assert ("ACC591", pointer) in told, refused.value.problems
    assert told["ACC591", pointer].line is not None


def test_all_that_is_wrong_is_told_at_once() -> None:
    wrong: Any = TEXT.replace("what: lost", "what: eaten").replace("doubled: 2", "doubled: two")
    with pytest.raises(TemplateInvalid) as refused:
        read_workflow_test(wrong)
    assert len(refused.value.problems) == 2
