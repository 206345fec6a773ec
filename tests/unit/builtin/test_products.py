"""The capabilities that look at one product: exact figures of a small one, and whole runs on installed ones."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from accord.builtin import agents
from accord.builtin.dependencies import depend
from accord.builtin.discover import discover
from accord.builtin.measure import measure, percentile
from accord.builtin.metadata import describe
from accord.builtin.products import Subject
from accord.builtin.risks import assess
from accord.builtin.sources import sample, tree_below
from accord.builtin.tests_found import examine, version_scheme
from accord.sdk import Context, Failure


def test_discover_finds_distributions_import_names_and_directories_once(tool: Path) -> None:
    found = discover(["pydantic", "Pydantic", "yaml", str(tool), "pydantik", "./nowhere"])
    assert [(one.name, one.kind) for one in found.products] == [
        ("pydantic", "distribution"),
        ("PyYAML", "distribution"),
        ("tinytool", "directory"),
    ]
    assert found.products[2].packages == ["tinytool"]
    assert found.products[2].version == "1.2.0"
    assert [one.name for one in found.missing] == ["pydantik", "./nowhere"]
    assert "pydantic" in found.missing[0].near


def test_discover_nothing_is_a_failure_that_says_what_is_near() -> None:
    with pytest.raises(Failure, match="did you mean pydantic") as caught:
        discover(["pydantik"])
    assert caught.value.code == "nothing-found"


def test_two_products_of_one_name_are_told_apart(tool: Path, tmp_path: Path) -> None:
    other = tmp_path / "elsewhere" / "tinytool"
    other.mkdir(parents=True)
    names = [one.name for one in discover([str(tool), str(other)]).products]
    assert names == ["tinytool", f"tinytool ({other})"]


def test_metadata_of_a_directory(subject: Subject) -> None:
    found = describe(subject)
    assert found.stated_by == "pyproject.toml"
    assert (found.licence.expression, found.licence.licence_class) == ("MIT", "permissive")
    assert (found.authors, found.maturity, found.typed) == (["Ann Author"], "Beta", True)
    assert [(one.group, one.name) for one in found.entry_points] == [("console_scripts", "tiny")]
    assert {"counts", "words", "tiny"} <= set(found.vocabulary)


async def test_measures_are_exact(subject: Subject, context: Context) -> None:
    found = await measure(subject, context)
    assert found.lines.model_dump() == {"total": 20, "code": 12, "comment": 1, "docstring": 3, "blank": 4}
    assert (found.python_files, found.functions, found.classes) == (4, 2, 0)
    assert found.complexity is not None
    assert (found.complexity.mean, found.complexity.maximum) == (2.5, 3)
    assert found.complexity.worst[0].function == "words"
    assert str(found.complexity.worst[0].place) == "src/tinytool/count.py:6"
    assert found.docstring_coverage == 0.6  # of two functions and three modules, `load` and `store` have none
    assert found.annotation_coverage == 0.5
    assert (found.public_names, found.exported_names) == (2, 1)
    assert [str(place) for place in found.syntax_errors] == ["src/tinytool/broken.py:1"]


async def test_dependencies_and_cycles(subject: Subject, context: Context) -> None:
    found = await depend(subject, context)
    assert [(one.name, one.installed is not None) for one in found.direct] == [
        ("no-such-thing-at-all", False),
        ("packaging", True),
    ]
    assert (found.transitive, found.missing, found.depth) == (["packaging"], ["no-such-thing-at-all"], 1)
    assert [(one.name, one.requirements) for one in found.extras] == [("fast", ["uvloop"])]
    assert [one.modules for one in found.cycles] == [["tinytool.count", "tinytool.store"]]
    assert found.transitive_bytes > 10_000


async def test_tests_and_release_facts(subject: Subject, context: Context) -> None:
    found = await examine(subject, context)
    assert (found.shipped, found.test_files, found.test_functions, found.assertions) == (True, 1, 1, 2)
    assert (found.test_code_lines, found.source_code_lines, found.ratio) == (6, 12, 0.5)
    assert found.frameworks == ["pytest"]
    assert (found.version_scheme, found.build_tool) == ("semantic, stable", "hatchling.build")
    assert found.release is not None
    assert (found.release.changelog, found.release.dated) == ("CHANGELOG.md", "2024-05-06")


async def test_risks_have_their_places(subject: Subject, context: Context) -> None:
    found = await assess(subject, context)
    places = {one.rule: str(one.evidence[0].place) for one in found.risks}
    assert places == {
        "unsafe-loading": "src/tinytool/count.py:14",
        "bare-except": "src/tinytool/count.py:15",
        "mutable-default": "src/tinytool/count.py:12",
        "open-task": "src/tinytool/count.py:8",
    }
    assert [one.severity for one in found.risks] == ["high", "medium", "medium", "low"]
    assert found.density == round(1000 * (10 + 3 + 3 + 1) / 21, 2)


@pytest.mark.parametrize("name", ["pydantic", "rich", "PyYAML"])
async def test_installed_distributions_are_never_imported(name: str, context: Context) -> None:
    before = set(sys.modules)
    subject = Subject(product=discover([name]).products[0])
    described = describe(subject)
    measured = await measure(subject, context)
    needed = await depend(subject, context)
    assert described.licence.licence_class == "permissive"
    assert measured.functions > 0
    assert measured.lines.total == sum(
        getattr(measured.lines, kind) for kind in ("code", "comment", "docstring", "blank")
    )
    assert needed.declared
    new = {module.split(".")[0] for module in set(sys.modules) - before}
    assert not new & {"yaml", "pkg_resources"}


async def test_the_same_product_gives_the_same_record_twice(subject: Subject, context: Context) -> None:
    assert await measure(subject, context) == await measure(subject, context)
    assert await assess(subject, context) == await assess(subject, context)


def test_a_sample_is_reported_and_always_the_same(tool: Path) -> None:
    files = tree_below(tool).files
    chosen, extent = sample(files, 600)
    assert chosen == sample(reversed(files), 600)[0]
    assert 0 < extent.files_read < extent.files
    assert extent.source_bytes_read <= 600
    assert extent.note is not None
    assert "bound 600" in extent.note


def test_links_out_of_the_root_and_ignored_files_are_not_seen(tool: Path, tmp_path: Path) -> None:
    secret = tmp_path / "secret.py"
    secret.write_text("x = 1\n")
    (tool / "link.py").symlink_to(secret)
    (tool / "loop").symlink_to(tool)
    (tool / ".gitignore").write_text("*.log\n/build/\n!keep.log\n")
    (tool / "a.log").write_text("")
    (tool / "keep.log").write_text("")
    (tool / "build").mkdir()
    (tool / "build" / "out.py").write_text("")
    (tool / "node_modules").mkdir()
    (tool / "node_modules" / "x.js").write_text("")
    paths = {file.path for file in tree_below(tool).files}
    assert "keep.log" in paths
    assert paths.isdisjoint({"link.py", "a.log", "build/out.py", "node_modules/x.js"})
    assert not any(path.startswith("loop") for path in paths)


def test_a_product_that_is_gone_is_a_failure(subject: Subject) -> None:
    gone = subject.product.model_copy(update={"location": subject.product.location + "-gone"})
    with pytest.raises(Failure, match="is not a directory"):
        describe(Subject(product=gone))


@pytest.mark.parametrize(
    ("version", "scheme"),
    [
        ("1.2.3", "semantic, stable"),
        ("0.9", "semantic, before 1.0"),
        ("2024.6.1", "calendar"),
        ("23.12.1", "calendar"),
        ("1.0rc1", "pre-release"),
        ("1.0.dev3+g12", "development"),
        ("latest", "other"),
        (None, None),
    ],
)
def test_version_schemes(version: str | None, scheme: str | None) -> None:
    assert version_scheme(version) == scheme


def test_percentile_is_the_nearest_rank() -> None:
    assert [percentile([1, 2, 3, 4, 5, 6, 7, 8, 9, 10], percent) for percent in (0, 50, 90, 100)] == [1, 5, 9, 10]


def test_all_agents_have_their_own_name_and_capability() -> None:
    every = agents()
    assert len({agent.name for agent in every}) == len(every) >= 6
    names = [name for agent in every for name in agent.capabilities]
    assert len(names) == len(set(names)) == len(every)


async def test_ratio_of_a_sample_is_extended_to_the_whole(
    tool: Path, subject: Subject, context: Context, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(40):
        (tool / "src" / "tinytool" / f"part{number:02}.py").write_text("value = 1\n" * 100)
        (tool / "tests" / f"test_part{number:02}.py").write_text("value = 1\n" * 50)
    monkeypatch.setattr("accord.builtin.tests_found.MOST_BYTES", 10_000)
    found = await examine(subject, context)
    assert not found.extent.complete
    assert found.ratio == pytest.approx(0.5, abs=0.02)
