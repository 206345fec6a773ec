"""The examiner: tests and release facts, as far as files on this machine can tell."""

from __future__ import annotations

import ast
import asyncio
import re
from collections.abc import Iterable
from pathlib import PurePosixPath
from typing import Annotated, Literal

from packaging.version import InvalidVersion, Version
from pydantic import Field

from accord.builtin.batches import in_batches
from accord.builtin.discover import project_file
from accord.builtin.line_kinds import python_lines
from accord.builtin.products import Amount, Count, Extent, Name, Product, Record, Subject
from accord.builtin.sources import SourceFile, Tree, directory_at, installed, read_text, sample, tree_of
from accord.builtin.syntax import nodes, parse_or_none
from accord.sdk import Agent, Context

agent = Agent("examiner")

MOST_BYTES = 3_000_000
"""Read of the tests, and as much again of the sources that they are compared with."""
Scheme = Literal["semantic, stable", "semantic, before 1.0", "calendar", "pre-release", "development", "other"]
_FRAMEWORKS = ("pytest", "unittest", "hypothesis", "nose", "tox", "nox", "doctest", "behave", "robot", "trio")


class Release(Record):
    """What a changelog on this machine says about the version at hand."""

    changelog: Name = Field(description="Path of the changelog, relative to the product.")
    entry: str | None = Field(description="Its heading for this version; None when it has none.")
    dated: Annotated[str, Field(pattern=r"^\d{4}-\d{2}-\d{2}$")] | None = Field(
        description="The date in that heading. Files' own dates are of the installation, and are not used."
    )


class Examination(Record):
    """Tests and release facts that are known locally. Most wheels leave tests out: none found is not none written."""

    name: Name
    shipped: bool = Field(description="Whether any test code is there.")
    test_files: Count
    test_functions: Count
    assertions: Count
    test_code_lines: Count
    source_code_lines: Count | None = Field(description="Counted only where there are tests to compare with.")
    ratio: Amount | None = Field(description="Test code lines per source code line; None when no tests are there.")
    frameworks: list[Name]
    folders: list[Name] = Field(max_length=20)
    version_scheme: Scheme | None
    release: Release | None
    build_tool: str | None = Field(description="`Generator` of the wheel, or the build backend of the project.")
    extent: Extent


@agent.capability(
    "software.tests@1.0.0",
    description="Test code, its ratio to source, frameworks; version scheme, changelog entry and build tool.",
)
async def examine(subject: Subject, context: Context) -> Examination:
    """The tests and release facts of the product; no test is run."""
    product = subject.product
    tree = await asyncio.to_thread(tree_of, product)
    written, extent = sample(tree.python(tests=True), MOST_BYTES)
    sources, source_extent = sample(tree.python(tests=False) if written else (), MOST_BYTES)
    found = await in_batches(written, _test_facts, context, f"{product.name}, tests")
    code = sum(await in_batches(sources, code_lines, context, f"{product.name}, sources"))
    test_code = sum(lines for lines, *_ in found)
    return Examination(
        name=product.name,
        shipped=bool(written),
        test_files=extent.files,
        test_functions=sum(functions for _, functions, _, _ in found),
        assertions=sum(assertions for _, _, assertions, _ in found),
        test_code_lines=test_code,
        source_code_lines=code if written else None,
        ratio=_ratio(test_code, extent, code, source_extent),
        frameworks=sorted({name for _, _, _, names in found for name in names}),
        folders=sorted({str(PurePosixPath(file.path).parent) for file in written})[:20],
        version_scheme=version_scheme(product.version),
        release=_release(tree, product.version),
        build_tool=_build_tool(product),
        extent=extent,
    )


def _ratio(test_code: int, tests: Extent, code: int, sources: Extent) -> float | None:
    """Test lines per source line; where files were sampled, each side is extended by the bytes that were not read."""
    if not tests.source_bytes_read or not sources.source_bytes_read or not code:
        return None
    written = test_code * tests.source_bytes / tests.source_bytes_read
    return round(written / (code * sources.source_bytes / sources.source_bytes_read), 3)


def code_lines(file: SourceFile) -> int:
    """Lines of code in a Python file; none in one that does not parse."""
    text = read_text(file)
    tree = parse_or_none(text.content) if text else None
    return python_lines(text.content, tree).code if text and tree else 0


def version_scheme(version: str | None) -> Scheme | None:
    """What a version number promises by its form (PEP 440; a year in front means calendar versioning)."""
    if not version:
        return None
    try:
        parsed = Version(version)
    except InvalidVersion:
        return "other"
    if parsed.is_devrelease or parsed.local:
        return "development"
    if parsed.is_prerelease:
        return "pre-release"
    if parsed.major >= 2000 or (10 <= parsed.major <= 99 and 1 <= parsed.minor <= 12 and len(version) >= 6):
        return "calendar"
    return "semantic, stable" if parsed.major else "semantic, before 1.0"


def _test_facts(file: SourceFile) -> tuple[int, int, int, set[str]]:
    text = read_text(file)
    tree = parse_or_none(text.content) if text else None
    if text is None or tree is None:
        return 0, 0, 0, set()
    functions = assertions = 0
    names: set[str] = set()
    for node in nodes(tree):
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
            functions += node.name.startswith("test")
        elif isinstance(node, ast.Import | ast.ImportFrom):
            names |= _frameworks(node)
        else:
            assertions += _is_assertion(node)
    return python_lines(text.content, tree).code, functions, assertions, names


def _is_assertion(node: ast.AST) -> bool:
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        return node.func.attr == "raises" or bool(re.match(r"assert[A-Z_]", node.func.attr))
    return isinstance(node, ast.Assert)


def _frameworks(node: ast.Import | ast.ImportFrom) -> set[str]:
    if isinstance(node, ast.ImportFrom):
        modules: Iterable[str] = [node.module or ""] if not node.level else []
    else:
        modules = [alias.name for alias in node.names]
    return {module.split(".")[0] for module in modules} & set(_FRAMEWORKS)


_CHANGELOG = re.compile(r"(?i)(changelog|changes|history|release[-_ ]?notes|news)(\.(md|rst|txt))?\Z")
_DATE = re.compile(r"\b(\d{4})[-/.](\d{2})[-/.](\d{2})\b")


def _release(tree: Tree, version: str | None) -> Release | None:
    candidates = [file for file in tree.files if _CHANGELOG.match(PurePosixPath(file.path).name)]
    for file in sorted(candidates, key=lambda one: (one.path.count("/"), one.path)):
        text = read_text(file)
        if text:
            heading = _heading(text.lines, version) if version else None
            date = _DATE.search(heading or "")
            return Release(changelog=file.path, entry=heading, dated="-".join(date.groups()) if date else None)
    return None


def _heading(lines: Iterable[str], version: str) -> str | None:
    wanted = re.compile(rf"(?<![\d.]){re.escape(version)}(?![\d.]*\d)")
    for line in lines:
        if wanted.search(line) and len(line) < 120 and not line.startswith((" ", "\t", "- ", "* ")):
            return line.strip("#=* \t")
    return None


def _build_tool(product: Product) -> str | None:
    if product.kind == "distribution":
        wheel = installed(product.location).read_text("WHEEL") or ""
        generator = re.search(r"^Generator:\s*(.+)$", wheel, re.MULTILINE)
        return generator[1].strip() if generator else None
    build = project_file(directory_at(product.location)).get("build-system")
    return str(build["build-backend"]) if isinstance(build, dict) and build.get("build-backend") else None
