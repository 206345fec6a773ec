"""Scores and reports: they add up, their tables are whole, their drawings are XML, whatever the names are."""

from __future__ import annotations

import re
import shutil
import xml.etree.ElementTree as ET
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from accord.builtin.audit_report import GradedAudit, compose_audit
from accord.builtin.criteria import CRITERIA, Criterion, ramp
from accord.builtin.dependencies import depend
from accord.builtin.discover import discover
from accord.builtin.duplication import DuplicationOrder, duplication, find_copies, normalised_lines
from accord.builtin.grade import Audit, grade
from accord.builtin.history import HistoryOrder, tell
from accord.builtin.inspect_source import Inspection, InspectionOrder, inspect
from accord.builtin.inventory import Inventory, InventoryOrder, take_stock
from accord.builtin.markdown import code, escaped, table
from accord.builtin.measure import measure
from accord.builtin.metadata import describe
from accord.builtin.products import Report, Subject
from accord.builtin.recommendation import firmness_of, reasons_of, summary_of
from accord.builtin.report import Comparison, compose
from accord.builtin.risks import assess
from accord.builtin.score import Scores, Scoring, Weights, score, scores_of, weighed_criteria
from accord.builtin.svg import Bar, DotRow, bar_chart, dot_plot
from accord.builtin.tests_found import examine
from accord.sdk import Context, Failure


async def compared(names: list[str], context: Context, weights: Weights | None = None) -> Comparison:
    found = discover(names)
    subjects = [Subject(product=product) for product in found.products]
    scoring = Scoring(
        purpose="count words with a small typed tool",
        weights=weights,
        missing=found.missing,
        metadata=[describe(one) for one in subjects],
        measures=[await measure(one, context) for one in subjects],
        dependencies=[await depend(one, context) for one in subjects],
        tests=[await examine(one, context) for one in subjects],
        risks=[await assess(one, context) for one in subjects],
    )
    fields = {name: getattr(scoring, name) for name in Scoring.model_fields}
    return Comparison(**fields, products=found.products, scores=score(scoring).value)


def whole(report: Report) -> None:
    """Every table has as many cells in each row as in its head, and every chart is there and is XML."""
    lines = report.markdown.split("\n")
    for number, line in enumerate(lines):
        if re.match(r"\| (---|:)", line):
            assert lines[number - 2] == "", f"no blank line before the table at {number}"
            width = cells(line)
            rows = [lines[number - 1]]
            for row in lines[number + 1 :]:
                if not row.startswith("|"):
                    break
                rows.append(row)
            assert [cells(row) for row in rows] == [width] * len(rows)
    assert {f"{one.name}.svg" for one in report.charts} == set(re.findall(r"\]\((\S+\.svg)\)", report.markdown))
    for chart in report.charts:
        drawing(chart.svg)


def cells(row: str) -> int:
    return len(re.findall(r"(?<!\\)\|", row)) - 1


def drawing(svg: str) -> ET.Element:
    root = ET.fromstring(svg)  # noqa: S314 -- our own drawing
    names = [child.tag.rpartition("}")[2] for child in root]
    assert names[:2] == ["title", "desc"]
    assert "prefers-color-scheme:dark" in svg
    return root


async def test_comparison_is_whole_and_explains_itself(tool: Path, context: Context) -> None:
    comparison = await compared([str(tool), "typer", "nowhere-to-be-found"], context)
    report = compose(comparison)
    whole(report)
    for words in ("## Recommendation", "Not found", "`nowhere-to-be-found`", "## Method and limits", "firm"):
        assert words in report.markdown
    assert comparison.scores.recommended in report.summary
    assert "None" not in report.markdown.replace("None of the rules", "")


async def test_totals_are_the_sums_of_their_parts(tool: Path, context: Context) -> None:
    scores = (await compared([str(tool), "rich", "typer"], context)).scores
    assert sum(one.weight for one in scores.criteria) == pytest.approx(1, abs=0.001)
    for product in scores.products:
        assert sum(one.contribution for one in product.criteria) == pytest.approx(product.total, abs=0.1)
    totals = [one.total for one in scores.products]
    assert totals == sorted(totals, reverse=True)
    emphasised = {one.criterion for one in scores.criteria if "doubled" in one.reason}
    assert emphasised == {"typing", "lightness"}
    unknown = {one.name: [c.criterion for c in one.criteria if c.score is None] for one in scores.products}
    assert unknown == {"tinytool": [], "rich": ["testing"], "typer": ["testing"]}
    assert {one.name: one.confidence < 1 for one in scores.products} == {"tinytool": False, "rich": True, "typer": True}


async def test_given_weights_decide(tool: Path, context: Context) -> None:
    none = dict.fromkeys(CRITERIA, 0.0)
    scores = (await compared([str(tool), "rich"], context, Weights(**(none | {"testing": 1.0})))).scores
    assert scores.recommended == "tinytool"
    assert {one.criterion: one.weight for one in scores.criteria} == none | {"testing": 1.0}
    with pytest.raises(Failure, match="all weights are 0"):
        await compared([str(tool)], context, Weights(**none))


async def test_one_product_alone_is_an_assessment(tool: Path, context: Context) -> None:
    report = compose(await compared([str(tool)], context))
    whole(report)
    assert "the only product found" in report.summary


READ_FROM_SOURCE = {"maintainability", "safety", "documentation", "typing", "testing"}


async def test_what_is_compiled_is_unknown_and_wins_nothing(tool: Path, tmp_path: Path, context: Context) -> None:
    """A product with a few lines of source beside compiled code would look simple, safe and well tested."""
    compiled = tmp_path / "fastthing"
    shutil.copytree(tool, compiled)
    project = compiled / "pyproject.toml"
    project.write_text(project.read_text().replace("tinytool", "fastthing"))
    (compiled / "fastthing.cpython-311-x86_64-linux-gnu.so").write_bytes(bytes(1_000_000))
    comparison = await compared([str(compiled), str(tool)], context)
    first, last = comparison.scores.products
    assert (first.name, last.name) == ("tinytool", "fastthing")
    assert comparison.scores.recommended == "tinytool"
    assert {one.criterion for one in last.criteria if one.score is None} == READ_FROM_SOURCE
    assert last.total > first.total, "on what is known it would have won"
    report = compose(comparison)
    whole(report)
    assert "is the only one of which enough is known to judge it" in report.summary
    assert "Of fastthing only 46% of the weight could be measured." in report.summary
    assert report.markdown.count("Not measured for fastthing: most of the code is compiled, and was not read") == 5
    assert "Most of the code of fastthing is compiled" in report.markdown
    assert "of the Python part alone" in report.markdown


async def test_a_judgement_does_not_contradict_itself(tool: Path, tmp_path: Path, context: Context) -> None:
    """No other weight makes known what was not measured; what is incomplete says so wherever its total stands."""
    compiled = tmp_path / "fastthing"
    shutil.copytree(tool, compiled)
    project = compiled / "pyproject.toml"
    project.write_text(project.read_text().replace("tinytool", "fastthing"))
    (compiled / "fastthing.so").write_bytes(bytes(1_000_000))
    comparison = await compared([str(compiled), str(tool)], context)
    report = compose(comparison)
    total = f"{comparison.scores.products[1].total:.0f}"
    assert comparison.scores.sensitivity == []
    assert "It would go" not in report.markdown
    assert "firm" not in report.markdown
    assert f"### 2. fastthing: {total} of 100, incomplete" in report.markdown
    assert f"**{comparison.scores.products[1].total:.1f}**, incomplete |" in report.markdown
    [totals] = [chart.svg for chart in report.charts if chart.name == "totals"]
    assert f">{total}, incomplete<" in totals
    assert 'class="c0 pale"' in totals


def scored(**totals: dict[Criterion, float]) -> Scores:
    """The scores of products with these points; each criterion that nothing is said of has 50."""
    points = {name: {one: given.get(one, 50.0) for one in CRITERIA} for name, given in totals.items()}
    return scores_of("", weighed_criteria("", None), points, {name: {one: [] for one in CRITERIA} for name in points})


def test_ties_are_named_as_ties() -> None:
    scores = scored(b={"fit": 80.0}, a={"fit": 80.0}, c={})
    assert [(one.name, one.rank) for one in scores.products] == [("a", 1), ("b", 1), ("c", 3)]
    assert summary_of(scores).startswith("**a** and **b** score the same, 54 of 100: these figures do not decide")
    assert (reasons_of(scores), firmness_of(scores)) == ("", "")
    second = scored(a={"fit": 80.0, "safety": 90.0}, b={"fit": 80.0}, c={"fit": 80.0})
    assert "ahead of b and c (54)." in summary_of(second)


def test_what_ifs_are_told_once_for_each_leader() -> None:
    scores = scored(
        a={"safety": 100.0, "fit": 40.0, "lightness": 40.0}, b={"fit": 75.0}, c={"lightness": 72.0, "safety": 51.0}
    )
    assert firmness_of(scores) == (
        "The first place is not firm. It would go to **b** if fit counted twice, or safety did not count "
        "and to **c** if lightness counted twice."
    )
    assert firmness_of(scored(a={"fit": 100.0, "safety": 100.0}, b={})).startswith("The first place is firm")


def test_what_is_the_same_is_no_argument() -> None:
    scores = scored(a={"safety": 100.0}, b={"fit": 60.0, "licence": 52.0})
    told = reasons_of(scores)
    assert "What speaks for a over b:\n\n- **safety**, 100 against 50" in told
    assert "What speaks for b over a:\n\n- **fit**, 50 against 60" in told
    assert told.count("- ") == 2


async def test_a_little_compiled_code_leaves_the_rest_measured(tool: Path, context: Context) -> None:
    (tool / "_speedups.cpython-311-x86_64-linux-gnu.so").write_bytes(bytes(100))
    [product] = (await compared([str(tool)], context)).scores.products
    assert all(one.score is not None for one in product.criteria)


async def test_where_all_is_compiled_nobody_is_recommended(tool: Path, tmp_path: Path, context: Context) -> None:
    for name in ("one", "two"):
        shutil.copytree(tool, tmp_path / name)
        (tmp_path / name / "core.so").write_bytes(bytes(1_000_000))
    comparison = await compared([str(tmp_path / "one"), str(tmp_path / "two")], context)
    assert comparison.scores.margin == 0
    assert "These figures do not decide between them" in compose(comparison).summary


def test_nothing_to_score_is_a_failure() -> None:
    with pytest.raises(Failure, match="no product to score"):
        score(Scoring(metadata=[]))


HOSTILE = st.one_of(st.text(max_size=20), st.text(alphabet="|`\\\n\t ab<*", max_size=12))


@given(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6), st.floats(-1e6, 1e6))
def test_ramp_stays_within_its_ends(value: float, worst: float, best: float) -> None:
    if worst != best:
        assert 0 <= ramp(value, worst, best) <= 100
        assert (ramp(worst, worst, best), ramp(best, worst, best)) == (0, 100)


@given(st.lists(st.lists(HOSTILE, min_size=2, max_size=2), max_size=4))
def test_no_text_breaks_a_table(rows: list[list[str]]) -> None:
    made = table(("a", "b"), [(escaped(first), code(second)) for first, second in rows])
    assert len(made.split("\n")) == len(rows) + 2
    assert {cells(line) for line in made.split("\n")} == {2}


@given(st.text(max_size=40), st.lists(st.tuples(st.text(max_size=30), st.floats(0, 100)), max_size=12))
def test_no_text_breaks_a_drawing(title: str, rows: list[tuple[str, float]]) -> None:
    drawing(bar_chart(title, title, [Bar(name, (value, 1.0), name) for name, value in rows], ("a", title), 100))
    drawing(dot_plot(title, title, [DotRow(name, (value, None)) for name, value in rows], ("a", title)))


async def audited(root: Path, context: Context) -> tuple[Inventory, list[Inspection], GradedAudit]:
    inventory = take_stock(InventoryOrder(directory=str(root), group_bytes=1000))
    orders = [InspectionOrder(root=inventory.root, paths=group) for group in inventory.groups]
    inspections = [await inspect(order, context) for order in orders]
    found = Audit(
        inventory=inventory,
        inspections=inspections,
        duplication=await find_copies(DuplicationOrder(root=inventory.root, files=inventory.files), context),
        history=tell(HistoryOrder(root=inventory.root)),
    )
    fields = {name: getattr(found, name) for name in Audit.model_fields}
    return inventory, inspections, GradedAudit(**fields, grades=grade(found))


async def test_audit_of_a_small_tree(tool: Path, context: Context) -> None:
    (tool / "bad.json").write_text('{"a": 1,\n "b": }\n')
    (tool / "data.bin").write_bytes(b"\0\1\2")
    (tool / "odd.py").write_bytes(b"x = '\xff'\n")
    (tool / "web.js").write_text("function f() { \n\treturn 1;\n  }\n<<<<<<< ours\n")
    (tool / "we|rd `name`.py").write_text("try:\n    x = 1\nexcept Exception:\n    pass\n")
    inventory, inspections, audit = await audited(tool, context)
    assert inventory.binary_files == 1
    assert sorted(path for group in inventory.groups for path in group) == [one.path for one in inventory.files]
    found = {(one.rule, one.path, one.line) for several in inspections for one in several.findings}
    assert {
        ("syntax-error", "bad.json", 2),
        ("syntax-error", "src/tinytool/broken.py", 1),
        ("broken-encoding", "odd.py", 1),
        ("conflict-marker", "web.js", 4),
        ("mixed-indentation", "web.js", 2),
        ("trailing-whitespace", "web.js", 1),
        ("unsafe-loading", "src/tinytool/count.py", 14),
        ("swallowed-error", "we|rd `name`.py", 3),
    } <= found
    grades = {one.area: one.grade for one in audit.grades.grades}
    assert grades["correctness"] == "F"
    report = compose_audit(audit)
    whole(report)
    assert "What to look at first" in report.markdown


async def test_audit_of_an_empty_directory_and_of_one_without_code(tmp_path: Path, context: Context) -> None:
    _, _, audit = await audited(tmp_path, context)
    assert audit.grades.overall is None
    whole(compose_audit(audit))
    (tmp_path / "notes.txt").write_text("words\n")
    _, _, audit = await audited(tmp_path, context)
    assert "no program code" in compose_audit(audit).summary


async def test_paths_that_lead_out_are_not_read(tool: Path, tmp_path: Path, context: Context) -> None:
    (tmp_path / "secret.py").write_text("eval(x)\n")
    (tool / "link.py").symlink_to(tmp_path / "secret.py")
    order = InspectionOrder(root=str(tool), paths=["../secret.py", "link.py", str(tmp_path / "secret.py"), "gone.py"])
    found = await inspect(order, context)
    assert (found.files, found.findings) == (0, [])
    assert len(found.unreadable) == 4


BLOCK = "\n".join(f"value_{number} = compute({number})" for number in range(12))


def test_copies_are_found_with_their_lines() -> None:
    first = f"start = 1\n{BLOCK}\nend = 1\n"
    second = f"# other\n\nbegin = 2\nmore = 3\n{BLOCK.replace('compute', '  compute')}\nfinish()\n"
    found = duplication([normalised_lines("a.py", first), normalised_lines("b.py", second)])
    (block,) = found.blocks
    assert block.lines == 12
    assert [(one.path, one.first_line, one.last_line) for one in block.places] == [("a.py", 2, 13), ("b.py", 5, 16)]
    assert (found.duplicated_lines, found.lines) == (24, 29)


def test_three_copies_are_one_block_and_short_ones_are_none() -> None:
    files = [normalised_lines(f"{name}.py", f"x_{name} = 0\n{BLOCK}\ny_{name} = 1\n") for name in "abc"]
    (block,) = duplication(files).blocks
    assert len(block.places) == 3
    short = "\n".join(BLOCK.split("\n")[:7])
    assert duplication([normalised_lines(f"{name}.py", short) for name in "ab"]).blocks == []


@given(st.lists(st.lists(st.sampled_from("abcde"), max_size=60), max_size=5))
def test_copies_really_agree(texts: list[list[str]]) -> None:
    sources = {f"{number}.py": [f"line_{one}" for one in text] for number, text in enumerate(texts)}
    found = duplication([normalised_lines(path, "\n".join(lines)) for path, lines in sources.items()])
    assert 0 <= found.share <= 1
    for block in found.blocks:
        pieces = {tuple(sources[p.path][p.first_line - 1 : p.last_line]) for p in block.places}
        assert len(pieces) == 1
        assert len(next(iter(pieces))) == block.lines
