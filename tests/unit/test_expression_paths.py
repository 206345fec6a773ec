"""A path is looked up without CEL: both ways have to agree, in values and in errors."""

from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from accord.domain.expression import VARIABLES, compile_expression, program
from accord.errors import ExpressionInvalid

NAMES = st.sampled_from(["a", "b", "c", "x y", "0"])
LEAVES = (
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False, allow_infinity=False)
    | st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), max_size=5)
)
VALUES = st.recursive(
    LEAVES, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3), max_leaves=12
)
STEPS = st.lists(NAMES | st.integers(-1, 3), max_size=4)


def outcome(source: str, scope: dict[str, object]) -> object:
    try:
        return compile_expression(source).evaluate(scope)
    except ExpressionInvalid as error:
        return [problem.code for problem in error.problems], "refused"


def step_text(step: str | int) -> str:
    return f".{step}" if isinstance(step, str) and step.isidentifier() else f"[{step!r}]".replace("'", '"')


@settings(max_examples=400)
@given(VALUES, STEPS, st.booleans())
def test_path_and_cel_agree(value: object, steps: list[str | int], present: bool) -> None:
    scope: dict[str, object] = {"input": value} if present else {}
    path = "input" + "".join(map(step_text, steps))
    straight = compile_expression(path)
    # The same path inside a conditional is evaluated by CEL.
    by_cel = f"[{path}][0]"
    assert straight.path is not None
    assert compile_expression(by_cel).path is None
    assert outcome(path, scope) == outcome(by_cel, scope)


@settings(max_examples=200)
@given(VALUES, st.lists(NAMES, min_size=1, max_size=4))
def test_pruning_changes_nothing(value: object, steps: list[str]) -> None:
    """What an expression gives on the part that it reads is what it gives on everything."""
    path = "input" + "".join(map(step_text, steps))
    pruned = outcome(f"[{path}]", {"input": value})
    everything = outcome(f"[{path}, input][0]", {"input": value})
    if isinstance(pruned, list):
        assert everything == pruned[0]
    else:
        assert everything == pruned


@given(VALUES)
def test_values_survive_cel(value: object) -> None:
    assert outcome("[input][0]", {"input": value}) == value


@pytest.mark.parametrize("root", sorted(VARIABLES))
@pytest.mark.parametrize(
    "rest", ["", ".a", ".a.b", ".output.items", ".in", ".null.x", ".as", ".x1._y.Z", ".1", ".a-b", "."]
)
def test_a_plain_path_is_compiled_as_cel_would(root: str, rest: str) -> None:
    plain = program._plain_path(root + rest)
    if plain is not None:
        assert plain == program._compiled(root + rest)


def test_most_paths_are_plain() -> None:
    for source in ("input", "input.a", "tasks.a.output", "tasks.a.output.b.c", "item", "item.name"):
        assert program._plain_path(source) is not None
