"""What is different between two JSON values."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from msgspec import UNSET

from accord.domain.contract import compile_contract
from accord.domain.difference import Difference, differences
from accord.templates.reading import read_source
from accord.verifier.known import ContractTable, NoTemplates
from accord.verifier.revisions import TaskChanges
from accord.views.catalogue import entry_of
from accord.views.templates import template_diff

VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-9, 9) | st.text("a/~", max_size=2),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text("a/~", max_size=2), inner, max_size=3),
    max_leaves=8,
)


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ({"a": 1}, {"a": 1}, []),
        (1, 2, [Difference("", "changed", 1, 2)]),
        (True, 1, [Difference("", "changed", True, 1)]),
        (
            {"a": 1, "b": 2},
            {"b": 3, "c": 4},
            [
                Difference("/a", "removed", before=1),
                Difference("/b", "changed", 2, 3),
                Difference("/c", "added", after=4),
            ],
        ),
        ({"a": [1, 2]}, {"a": [1, 3, 4]}, [Difference("/a/1", "changed", 2, 3), Difference("/a/2", "added", after=4)]),
        ({"a/b": {"~": 1}}, {"a/b": {"~": None}}, [Difference("/a~1b/~0", "changed", 1, None)]),
        ({"a": [1]}, {"a": {"0": 1}}, [Difference("/a", "changed", [1], {"0": 1})]),
    ],
)
def test_places(before: Any, after: Any, found: list[Difference]) -> None:
    assert list(differences(before, after)) == found


def applied(value: Any, one: Difference) -> Any:
    if not one.pointer:
        return one.after
    *path, last = [part.replace("~1", "/").replace("~0", "~") for part in one.pointer.split("/")[1:]]
    at = value
    for part in path:
        at = at[int(part)] if isinstance(at, list) else at[part]
    if isinstance(at, list):
        at[int(last) :] = [] if one.after is UNSET else [one.after, *at[int(last) + 1 :]]
    elif one.after is UNSET:
        del at[last]
    else:
        at[last] = one.after
    return value


@given(VALUES, VALUES)
def test_who_has_one_and_the_differences_has_the_other(before: Any, after: Any) -> None:
    value = before
    for one in list(differences(before, after)):
        value = applied(value, one)
    assert repr(sorted_(value)) == repr(sorted_(after))


def sorted_(value: Any) -> Any:
    if isinstance(value, dict):
        return {name: sorted_(value[name]) for name in sorted(value)}
    return [sorted_(one) for one in value] if isinstance(value, list) else value


TEMPLATE = """
accord: template/1
name: one
version: {version}
tasks:
  kept: {{uses: a.b@^1, with: {{n: 1}}}}
{more}
output: 1
"""


NOTHING = ContractTable(())


def entry(version: str, more: str) -> Any:
    return entry_of(read_source(TEMPLATE.format(version=version, more=more)), "a test")


def test_templates_differ_in_tasks_and_places() -> None:
    before = entry("1.0.0", "  gone: {uses: a.b@^1}\n  other: {uses: a.b@^1, with: {n: 1}}")
    after = entry("1.1.0", "  other: {uses: a.b@^1, with: {n: 2}}\n  new: {uses: a.b@^1}")
    found = template_diff(before, after, NOTHING, NoTemplates())
    assert (found.before.template, found.after.digest) == ("one@1.0.0", after.digest)
    assert found.tasks == TaskChanges(added=("new",), removed=("gone",), changed=("other",))
    places = {one.pointer: one.kind for one in found.changes}
    assert places == {
        "/version": "changed",
        "/tasks/gone": "removed",
        "/tasks/new": "added",
        "/tasks/other/with/n": "changed",
    }
    assert template_diff(before, before, NOTHING, NoTemplates()).changes == ()


HANDED = """\
accord: template/1
name: one
version: {version}
input: {{type: object, properties: {{text: {{type: string}}}}, required: [text]}}
tasks:
  p: {{uses: {uses}@^1, with: {{text: "${{ input.text }}"}}}}
output: 1
"""


def test_a_task_that_takes_less_than_before_is_not_safe_for_callers() -> None:
    """The template's own input has not changed; what is made of it is refused."""

    def contract(name: str, text: Any) -> Any:
        given = {"type": "object", "properties": {"text": text}, "required": ["text"]}
        return compile_contract(capability=name, version="1.0.0", input_schema=given, output_schema=True)

    known = ContractTable(
        [contract("t.text", {"type": "string"}), contract("t.small", {"type": "string", "maxLength": 3})]
    )
    before, after = (
        entry_of(read_source(HANDED.format(version=version, uses=uses)), "a test")
        for version, uses in (("1.0.0", "t.text"), ("1.0.1", "t.small"))
    )
    found = template_diff(before, after, known, NoTemplates()).evolution
    (callers,) = [one for one in found.effects if one.party == "callers"]
    assert (callers.safe, found.step, found.enough) == (False, "major", False)
    assert len(callers.example["text"]) > 3
    assert template_diff(after, before, known, NoTemplates()).evolution.step == "patch"
