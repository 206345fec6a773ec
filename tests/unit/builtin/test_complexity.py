"""Complexity and the other figures of a syntax tree, against hand-counted cases and generated code."""

from __future__ import annotations

import textwrap

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.builtin.complexity import FunctionFacts, module_facts
from accord.builtin.line_kinds import LineKinds, python_lines
from accord.builtin.syntax import parse, parse_or_none


def functions(source: str) -> dict[str, FunctionFacts]:
    return {one.qualname: one for one in module_facts(parse(textwrap.dedent(source))).functions}


@pytest.mark.parametrize(
    ("body", "complexity"),
    [
        ("pass", 1),
        ("if a: pass", 2),
        ("if a: pass\nelif b: pass\nelse: pass", 3),
        ("for x in y: pass\nelse: pass", 2),
        ("while a and b and c: pass", 4),
        ("try: pass\nexcept A: pass\nexcept B: pass\nfinally: pass", 3),
        ("return 1 if a else 2", 2),
        ("return a or b", 2),
        ("return not a", 1),
        ("return [x for y in z for x in y if x if y]", 5),
        ("return {k: v for k, v in z}", 2),
        ("with a as b: pass", 1),
        ("assert a and b", 2),
        ("return lambda: a or b", 2),
        ("match a:\n  case 1: pass\n  case [x] if x and y: pass\n  case _: pass", 4),
        ("match a:\n  case x if x: pass\n  case other: pass", 2),
        ("class C:\n  x = 1 if a else 2", 2),
    ],
)
def test_hand_counted(body: str, complexity: int) -> None:
    source = "def f(a):\n" + textwrap.indent(body, "    ")
    assert functions(source)["f"].complexity == complexity


def test_nested_functions_count_for_themselves_and_defaults_for_the_scope_around() -> None:
    found = functions(
        """
        def outer(a):
            if a:
                pass
            def inner(b=1 if True else 2):
                if b: pass
                if b: pass
            async def third(): return [x async for x in inner]
        """
    )
    assert {name: one.complexity for name, one in found.items()} == {
        "outer": 3,
        "outer.inner": 3,
        "outer.third": 2,
    }


STATEMENTS = st.recursive(
    st.just(("x()", 0)),
    lambda inner: st.one_of(
        st.lists(inner, min_size=1, max_size=3).map(
            lambda parts: ("\n".join(one for one, _ in parts), sum(n for _, n in parts))
        ),
        inner.map(lambda one: ("if a:\n" + textwrap.indent(one[0], "  "), one[1] + 1)),
        inner.map(lambda one: ("for a in b:\n" + textwrap.indent(one[0], "  "), one[1] + 1)),
        inner.map(lambda one: ("while a or b:\n" + textwrap.indent(one[0], "  "), one[1] + 2)),
        inner.map(lambda one: ("with a:\n" + textwrap.indent(one[0], "  "), one[1])),
        st.tuples(inner, inner).map(
            lambda two: (
                f"try:\n{textwrap.indent(two[0][0], '  ')}\nexcept E:\n{textwrap.indent(two[1][0], '  ')}",
                two[0][1] + two[1][1] + 1,
            )
        ),
    ),
    max_leaves=12,
)


@given(STATEMENTS)
def test_complexity_is_one_plus_the_decisions_however_they_are_nested(generated: tuple[str, int]) -> None:
    body, decisions = generated
    assert functions("def f():\n" + textwrap.indent(body, "  "))["f"].complexity == 1 + decisions


def test_docstrings_annotations_and_public_names() -> None:
    facts = module_facts(
        parse(
            textwrap.dedent(
                '''
                """A module."""
                def shown(a: int, b, *rest: str, c=1, **more) -> None:
                    """It has one."""
                def bare(): pass
                def _hidden(): pass
                class Thing:
                    """So has this."""
                    def method(self, x: int): pass
                    @staticmethod
                    def free(y): pass
                    @property
                    def value(self): return 1
                    @value.setter
                    def value(self, new): pass
                '''
            )
        )
    )
    assert (facts.public_names, facts.classes) == (3, 1)
    assert (facts.documented, facts.documentable) == (3, 7)
    slots = {one.qualname: (one.annotated, one.slots) for one in facts.functions if one.qualname != "Thing.value"}
    assert slots == {
        "shown": (3, 6),
        "bare": (0, 1),
        "_hidden": (0, 1),
        "Thing.method": (1, 2),
        "Thing.free": (0, 2),
    }


def test_kinds_of_lines() -> None:
    source = (
        '"""Doc\n\nstring."""\n'  # 3 docstring
        "# a comment\n"
        "\n"
        "x = 1  # code\n"
        'y = """\n# not a comment\n\nend"""\n'  # 4 code
        "def f():\n    'one line'\n    # inside\n    return 1\n"
        "def g(): 'on the line of the def'\n"
    )
    assert python_lines(source, parse(source)) == LineKinds(code=8, comment=2, docstring=4, blank=1)


def test_comment_between_joined_strings_is_a_comment() -> None:
    source = 'x = ("a"\n     # why\n     "b")\n'
    assert python_lines(source, parse(source)) == LineKinds(code=2, comment=1)


@given(st.lists(st.sampled_from(["x = 1", "# c", "", "    ", '"""d"""', "y = '''", "'''", "def f():", "    pass"])))
def test_every_line_has_exactly_one_kind(lines: list[str]) -> None:
    source = "\n".join(lines) + "\n" if lines else ""
    tree = parse_or_none(source)
    if tree is not None:
        kinds = python_lines(source, tree)
        assert kinds.total == len(lines)
        assert min(kinds.code, kinds.comment, kinds.docstring, kinds.blank) >= 0


@pytest.mark.parametrize("source", ["def", "x = \0", "(" * 5000, "\ud800"])
def test_whatever_does_not_parse_is_a_syntax_error(source: str) -> None:
    assert parse_or_none(source) is None
