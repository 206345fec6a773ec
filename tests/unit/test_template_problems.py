"""Bad templates: each gets its code, its line, and a way out; all at once."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.errors import Problem, TemplateInvalid
from accord.templates.reading import read_source, read_template

HEAD = "accord: template/1\nname: sample\nversion: 1.0.0\n"
GOOD = HEAD + "tasks:\n  first:\n    uses: text.read\n"


def problems_of(text: str) -> tuple[Problem, ...]:
    with pytest.raises(TemplateInvalid) as raised:
        read_template(text, file="t.yaml")
    return raised.value.problems


def task(body: str) -> str:
    """A template whose task `a` starts in line 5; its body is in line 6 and after."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    return f"{HEAD}tasks:\n  a:\n{lines}\n"


def tasks(*lines: str) -> str:
    """A template with a task in each line, from line 5 on."""
    return HEAD + "tasks:\n" + "".join(f"  {line}\n" for line in lines)


def two(first: str, rest: str) -> str:
    """A template with a task in line 5, and one with more to it in line 6."""
    return tasks(f"{first}: {{uses: x.y}}", f"second: {{uses: x.y, {rest}}}")


JSON = '{"accord": "template/1", "name": "sample", "version": "1.0.0", "tasks": {"first": {"uses": "text.read"}}}'
CYCLE = ("a: {uses: x.y, needs: [b]}", "b: {uses: x.y, needs: [c]}", "c: {uses: x.y, needs: [a]}")
BAD = [
    # the file itself
    ("empty", "", "ACC101", None, None),
    ("tab", task("uses: x.y").replace("    uses", "\tuses"), "ACC101", 6, "spaces"),
    ("duplicate key", task("uses: x.y\nuses: x.z"), "ACC102", 7, "line 6"),
    ("tag", task("uses: !!python/name:os.system x"), "ACC103", 6, "without it"),
    ("merge key", task("<<: {}\nuses: x.y"), "ACC103", 6, "write the entries out"),
    ("two documents", GOOD + "---\na: 1\n", "ACC103", 7, "---"),
    ("old YAML", "%YAML 1.1\n---\n" + GOOD, "ACC103", 2, "%YAML"),
    ("unknown alias", task("uses: *who"), "ACC103", 6, "anchor"),
    ("number key", task("uses: x.y\n1: 2"), "ACC103", 7, '"1"'),
    ("large integer", task("uses: x.y\nwith: {n: 123456789012345678901}"), "ACC103", 7, "quotes"),
    ("not a number", task("uses: x.y\nwith: {n: .nan}"), "ACC103", 7, "quotes"),
    ("expression in a flow mapping", task("uses: x.y\nwith: {n: ${ input.n }}"), "ACC104", 7, "quotes"),
    ("expression with a colon", task("uses: x.y\nwith:\n  n: ${ input.n ? 1 : 2 }"), "ACC104", 8, "quotes"),
    ("braces in braces", task("uses: x.y\nwith: {n: {{ input.n }}}"), "ACC104", 7, "quotes"),
    ("unclosed", task("uses: [x.y"), "ACC101", 7, None),
    ("bad JSON", '{"accord": "template/1",\n "name": nope}', "ACC101", 2, None),
    ("JSON with a duplicate", JSON.replace("{", '{"accord": "template/1",\n', 1), "ACC102", 2, None),
    # the language
    ("a list", "- a\n- b\n", "ACC105", 1, "accord: template/1"),
    ("no version of the language", "name: x\n", "ACC105", 1, "accord: template/1"),
    ("another version", GOOD.replace("template/1", "template/2"), "ACC105", 1, "template/1"),
    ("an agent", GOOD.replace("template/1", "agent/1"), "ACC105", 1, "template/1"),
    # the shape
    ("unknown key", GOOD + "limts: {}\n", "ACC110", 7, "`limits`"),
    ("unknown key of a task", task("uses: x.y\ntimout: 5s"), "ACC110", 7, "`timeout`"),
    ("expression as a key", task("uses: x.y\nretry: {input.n}"), "ACC104", 7, "quotes"),
    ("missing name", GOOD.replace("name: sample\n", ""), "ACC111", 1, "`name`"),
    ("missing member", task("uses: x.y\nredundancy: {copies: 3}"), "ACC111", 7, None),
    ("no tasks", HEAD + "tasks: {}\n", "ACC114", 4, None),
    ("Norway", task("uses: x.y\ndiagnose: no"), "ACC112", 7, "write `false`"),
    ("duration without unit", task("uses: x.y\ntimeout: 5"), "ACC112", 7, "`5s`"),
    ("nothing", task("uses: x.y\ntimeout:"), "ACC112", 7, "remove"),
    ("text for a list", task("uses: x.y\nneeds: b"), "ACC112", 7, "`[b]`"),
    ("version as a number", GOOD.replace("1.0.0", "1.0"), "ACC112", 3, '"1.0"'),
    ("wrong word", task("uses: x.y\non_failure: ignore"), "ACC113", 7, None),
    ("misspelt word", task("uses: x.y\njoin: anny"), "ACC113", 7, "`any`"),
    ("name in capitals", tasks("First: {uses: x.y}"), "ACC114", 5, "small letters"),
    ("no capability", task("uses: x"), "ACC114", 6, "text.summarize"),
    ("no expression", task("uses: x.y\nwhen: input.n > 3"), "ACC114", 7, "${ input.n > 3 }"),
    ("no duration", task("uses: x.y\ntimeout: soon"), "ACC114", 7, "90s"),
    ("too many attempts", task("uses: x.y\nretry: {attempts: 1000}"), "ACC114", 7, None),
    # the rules
    ("nothing to do", task("description: rest"), "ACC120", 6, "`uses`"),
    ("two things to do", task("uses: x.y\nsleep: 5s"), "ACC120", 7, "own"),
    ("retry of an approval", task("approval: {title: Go?}\nretry: {attempts: 2}"), "ACC121", 7, "`uses`"),
    ("timeout of an approval", task("approval: {title: Go?}\ntimeout: 5s"), "ACC121", 7, "inside `approval`"),
    ("timeout of a workflow", task("workflow: other\ntimeout: 5s"), "ACC121", 7, "`deadline`"),
    (
        "declassify of a person",
        task("approval: {title: Go?}\ndeclassify: {to: public, why: she said so}"),
        *("ACC121", 7, "`needs` this one"),
    ),
    ("for_each of a timer", task('sleep: 5s\nfor_each: "${ input.l }"'), "ACC121", 7, None),
    ("parallel alone", task("uses: x.y\nparallel: 3"), "ACC121", 7, "remove"),
    ("on_timeout alone", task("approval: {title: Go?, on_timeout: skip}"), "ACC121", 6, "timeout"),
    (
        "on_reject of a form without approved",
        task("approval: {title: Go?, on_reject: skip, form: {additionalProperties: false}}"),
        *("ACC121", 6, "`approved: {type: boolean}`"),
    ),
    ("nothing to undo", GOOD + "on_failure: compensate\n", "ACC121", 7, "compensate"),
    ("too many must agree", task("uses: x.y\nredundancy: {copies: 3, agree: 4}"), "ACC122", 7, "at most 3"),
    ("no majority", task("uses: x.y\nredundancy: {copies: 4, agree: 2}"), "ACC122", 7, "at least 3"),
    ("timeout over deadline", task("uses: x.y\ntimeout: 2m\ndeadline: 1m"), "ACC122", 7, "`1m`"),
    ("wait over cap", task("uses: x.y\nretry: {backoff: {first: 2m}}"), "ACC122", 7, "cap"),
    ("no time", task("uses: x.y\ntimeout: 0s"), "ACC122", 7, "90s"),
    ("empty fallback", task("uses: x.y\nfallback: [{}]"), "ACC123", 7, "`uses`"),
    ("fallback of both", task("uses: x.y\nfallback: [{uses: x.z, value: 1}]"), "ACC123", 7, "`value`"),
    ("value with input", task("uses: x.y\nfallback: [{value: 1, with: {}}]"), "ACC123", 7, "remove"),
    ("behind a value", task("uses: x.y\nfallback: [{value: 1}, {uses: x.z}]"), "ACC123", 7, "last"),
    ("word of CEL", tasks("in: {uses: x.y}"), "ACC124", 5, "`in_task`"),
    ("the aggregate's name", tasks("aggregate: {uses: x.y}") + "aggregate: {uses: x.z}\n", "ACC124", 5, "another name"),
    ("aggregate and output", GOOD + "aggregate: {uses: x.z}\noutput: 1\n", "ACC125", 8, "remove `output`"),
    ("slot without input", GOOD + 'examples: ["read {book}"]\n', "ACC126", 7, "properties"),
    ("slots only", GOOD + 'input: {properties: {a: {}}}\nexamples: ["{a}"]\n', "ACC126", 8, "compare"),
    ("open brace", GOOD + 'examples: ["read {book"]\n', "ACC126", 7, "slot"),
    ("a need twice", two("a", "needs: [a, a]"), "ACC127", 6, "remove"),
    ("its own need", task("uses: x.y\nneeds: [a]"), "ACC127", 7, "remove"),
    ("no range", task("uses: x.y@later"), "ACC128", 6, "^1.2"),
    ("no workflow", task("workflow: Other Thing"), "ACC128", 6, "source-audit"),
    ("no schema", GOOD + "input: {type: obect}\n", "ACC240", 7, None),
    ("default", GOOD + "input: {properties: {a: {default: a, maxLength: 0}}}\n", "ACC248", 7, "rule"),
    ("misspelt keyword", GOOD + "input: {type: object, proprties: {}}\n", "ACC243", 7, "properties"),
    # the graph
    ("unknown need", two("measure", "needs: [mesure]"), "ACC130", 6, "`measure`"),
    ("unknown task", two("measure", 'with: {n: "${ tasks.mesure.output }"}'), "ACC130", 6, "`measure`"),
    ("unknown task in the output", GOOD + 'output: "${ tasks.frist.output }"\n', "ACC130", 7, "`first`"),
    ("cycle", tasks(*CYCLE), "ACC131", 5, "take one"),
    ("item alone", task('uses: x.y\nwith: {n: "${ item }"}'), "ACC132", 7, "for_each"),
    ("item in its own list", task('uses: x.y\nfor_each: "${ item.parts }"'), "ACC132", 7, "for_each"),
    ("error in an input", task('uses: x.y\nwith: {n: "${ error.code }"}'), "ACC132", 7, "fallback"),
    ("itself", task('uses: x.y\nwith: {n: "${ tasks.a.output }"}'), "ACC133", 7, "compensate"),
    ("no such member", two("a", 'with: {n: "${ tasks.a.result }"}'), "ACC134", 6, "output"),
    ("two expressions", task('uses: x.y\nwhen: "${ true } and ${ true }"'), "ACC135", 7, "around all"),
    ("join without needs", task("uses: x.y\njoin: any"), "ACC136", 7, "needs"),
    ("join of too many", two("a", "needs: [a], join: {at_least: 2}"), "ACC136", 6, "at most 1"),
    ("no CEL", task('uses: x.y\nwith: {n: "${ 1 + }"}'), "ACC200", 7, None),
    ("no variable", task('uses: x.y\nwith: {n: "${ imput.n }"}'), "ACC201", 7, "input"),
    ("open expression", task('uses: x.y\nwith: {n: "${ input.n"}'), "ACC204", 7, "$${"),
]  # fmt: skip


@pytest.mark.parametrize(("text", "code", "line", "hint"), [row[1:] for row in BAD], ids=[row[0] for row in BAD])
def test_bad_template(text: str, code: str, line: int | None, hint: str | None) -> None:
    found = problems_of(text)
    problem = next((each for each in found if each.code == code), None)
    assert problem is not None, [str(each) for each in found]
    assert problem.place.file == "t.yaml"
    if line is not None:
        assert problem.place.line == line
        assert problem.place.column is not None
    if hint is not None:
        assert hint in f"{problem.message} {problem.hint}"


@pytest.mark.parametrize("text", [row[1] for row in BAD], ids=[row[0] for row in BAD])
def test_one_fault_is_reported_once(text: str) -> None:
    found = problems_of(text)
    assert len({(each.code, each.place.pointer) for each in found}) == len(found)
    assert len(found) <= 2


def test_all_problems_come_at_once_and_in_order() -> None:
    found = problems_of(
        HEAD
        + "lables: {}\n"
        + "tasks:\n"
        + "  a: {usess: x.y}\n"
        + "  b: {uses: x.y, diagnose: no, timeout: 5}\n"
        + '  c: {uses: x.y, with: {n: "${ tasks.bb.output }"}}\n'
        + "  d: {uses: x.y, parallel: 2}\n"
    )
    assert [(each.code, each.place.line) for each in found] == [
        ("ACC110", 4),
        ("ACC110", 6),
        ("ACC112", 7),
        ("ACC112", 7),
        ("ACC130", 8),
        ("ACC121", 9),
    ]


def test_the_cycle_is_shown_whole() -> None:
    found = problems_of(tasks("a: {uses: x.y, needs: [b]}", "b: {uses: x.y, needs: [a]}", "c: {uses: x.y, needs: [b]}"))
    assert [each.message for each in found] == ["the tasks need each other: a → b → a"]


@pytest.mark.abuse("ASI05", at="template", stride="denial of service", case="a template that unfolds without end")
def test_billion_laughs_are_refused() -> None:
    lines = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    lines += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 9)]
    assert [each.code for each in problems_of("\n".join(lines))] == ["ACC103"]


def test_an_anchor_shares_settings() -> None:
    template = read_template(
        tasks("a: {uses: x.y, retry: &calm {attempts: 7}}", "b: {uses: x.y, retry: *calm}"), file="t.yaml"
    )
    assert template.tasks["b"].retry == template.tasks["a"].retry


@pytest.mark.parametrize("opening", ["[", "{a: ", '{"a": '])
def test_depth_is_bounded(opening: str) -> None:
    assert problems_of("x: " * (opening[0] != "{" or opening[1] == "a") + opening * 500)[0].code in ("ACC101", "ACC103")


def test_size_is_bounded() -> None:
    assert [each.code for each in problems_of(GOOD + "# " + "x" * 1_100_000)] == ["ACC100"]


def test_yaml_and_json_are_the_same_template() -> None:
    assert read_source(JSON).digest == read_source(GOOD).digest


MUTATIONS = st.lists(
    st.tuples(
        st.integers(0, 400),
        st.integers(0, 5),
        st.text(alphabet="abt \t\n:-{}[]\"'$&*!|>#%@`,?0.~", max_size=4) | st.text(max_size=2),
    ),
    min_size=1,
    max_size=4,
)
BODY = """uses: x.y@^1
for_each: "${ input.list }"
with: {n: "${ item }"}
retry: {attempts: 2}
fallback: [{value: 1}]"""
WHOLE = task(BODY) + "input: {type: object, properties: {list: {type: array}}}\nexamples: ['read {list}']\n"


def problems_if_refused(text: str) -> tuple[Problem, ...]:
    """What is wrong with a text; nothing where it is read. Any other error than TemplateInvalid goes through."""
    try:
        read_template(text, file="t.yaml")
    except TemplateInvalid as error:
        return error.problems
    return ()


def test_the_whole_is_read() -> None:
    assert problems_if_refused(WHOLE) == ()


@given(MUTATIONS)
def test_a_broken_text_is_refused_or_read_and_never_anything_else(mutations: list[tuple[int, int, str]]) -> None:
    text = WHOLE
    for at, length, inserted in mutations:
        text = text[:at] + inserted + text[at + length :]
    found = problems_if_refused(text)
    assert all(each.code.startswith("ACC") and each.place.file == "t.yaml" for each in found)


@given(st.text(alphabet='{}[]:,"0123456789truefalsn\\u .eE+-\n', max_size=60))
def test_json_without_the_members_of_a_template_is_refused(text: str) -> None:
    assert problems_if_refused("{" + text)
