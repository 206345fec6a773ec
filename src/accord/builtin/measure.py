"""The measurer: size, complexity, documentation and typing of a product's own code."""

from __future__ import annotations

import ast
import asyncio
import math
import statistics
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import PurePosixPath
from typing import Annotated

from pydantic import Field

from accord.builtin.batches import in_batches
from accord.builtin.complexity import FunctionFacts, ModuleFacts, module_facts
from accord.builtin.line_kinds import LineKinds, python_lines
from accord.builtin.products import Amount, Count, Extent, Name, Place, Product, Record, Share, Subject
from accord.builtin.sources import COMPILED_SUFFIXES, SourceFile, Tree, read_text, sample, tree_of
from accord.builtin.syntax import parse
from accord.sdk import Agent, Context

agent = Agent("measurer")

MOST_BYTES = 6_000_000
"""Source read per product; a larger one is sampled, and says so."""
_Key = Callable[[FunctionFacts], int]
COMPLEX = 10
"""McCabe's own limit: a function above it is called complex."""


class Lines(Record):
    """Physical lines of the Python files that were read, tests left out."""

    total: Count
    code: Count
    comment: Count
    docstring: Count
    blank: Count


class FunctionPlace(Record):
    """A function that stands out, and where it is."""

    function: Name
    place: Place
    complexity: Annotated[int, Field(ge=1)]
    lines: Annotated[int, Field(ge=1)]


class Complexity(Record):
    """Cyclomatic complexity over all functions; 1 is a function without a branch."""

    mean: Amount
    p90: Amount
    maximum: Count
    complex_functions: Count = Field(description="Functions above 10, McCabe's limit.")
    worst: list[FunctionPlace] = Field(max_length=5)


class Measures(Record):
    """Figures about a product's own code. Test code is left out; `software.tests` counts it."""

    name: Name
    extent: Extent
    disk_bytes: Count = Field(description="All files of the product, byte-code caches left out.")
    all_files: Count
    python_files: Count
    stub_files: Count
    compiled_files: Count
    compiled_bytes: Count
    lines: Lines
    functions: Count
    classes: Count
    complexity: Complexity | None = Field(description="None when there is no function.")
    function_lines_median: Amount | None
    function_lines_p90: Amount | None
    longest: list[FunctionPlace] = Field(max_length=5)
    docstring_coverage: Share | None = Field(description="Public modules, classes, functions with a docstring.")
    annotation_coverage: Share | None = Field(description="Parameters and return values with an annotation.")
    public_names: Count = Field(description="Public functions and classes at the top of public modules.")
    exported_names: Count | None = Field(description="Length of the top package's literal `__all__`.")
    syntax_errors: list[Place] = Field(max_length=20)


@dataclass(frozen=True)
class _Module:
    file: SourceFile
    lines: LineKinds = field(default_factory=LineKinds)
    facts: ModuleFacts | None = None
    exported: int | None = None
    broken_at: int | None = None


@agent.capability(
    "software.measure@1.0.0",
    description="Lines, functions, cyclomatic complexity, docstring and annotation coverage, API size, bytes on disk.",
)
async def measure(subject: Subject, context: Context) -> Measures:
    """The figures of the product's own code; nothing of it is imported or run."""
    product = subject.product
    tree = await asyncio.to_thread(tree_of, product)
    chosen, extent = sample(tree.python(tests=False), MOST_BYTES)
    modules = await in_batches(chosen, examined, context, product.name)
    return measures(product, tree, extent, modules)


def examined(file: SourceFile) -> _Module:
    """What one Python file holds; a file that does not parse keeps only the line of its error."""
    text = read_text(file)
    if text is None:
        return _Module(file, broken_at=1)
    try:
        tree = parse(text.content)
    except SyntaxError as error:
        return _Module(file, broken_at=max(error.lineno or 1, 1))
    facts = module_facts(tree, public=_is_public(file.path))
    return _Module(file, python_lines(text.content, tree), facts, _exported(file, tree))


def measures(product: Product, tree: Tree, extent: Extent, modules: Sequence[_Module]) -> Measures:
    """The record over all of `modules`."""
    facts = [module.facts for module in modules if module.facts]
    placed = [(module.file.path, one) for module in modules if module.facts for one in module.facts.functions]
    own = [one for _, one in placed]
    lengths = [one.lines for one in own]
    compiled = [file.size_bytes for file in tree.files if file.path.endswith(COMPILED_SUFFIXES)]
    return Measures(
        name=product.name,
        extent=extent,
        disk_bytes=sum(file.size_bytes for file in tree.files),
        all_files=len(tree.files),
        python_files=extent.files,
        stub_files=sum(file.suffix == ".pyi" for file in tree.files),
        compiled_files=len(compiled),
        compiled_bytes=sum(compiled),
        lines=_lines(modules),
        functions=len(own),
        classes=sum(one.classes for one in facts),
        complexity=_complexity(placed),
        function_lines_median=float(statistics.median(lengths)) if lengths else None,
        function_lines_p90=percentile(lengths, 90) if lengths else None,
        longest=_top(placed, key=lambda one: one.lines),
        docstring_coverage=_share(sum(f.documented for f in facts), sum(f.documentable for f in facts)),
        annotation_coverage=_share(sum(f.annotated for f in own), sum(f.slots for f in own)),
        public_names=sum(one.public_names for one in facts),
        exported_names=next((m.exported for m in modules if m.exported is not None), None),
        syntax_errors=[Place(path=m.file.path, line=m.broken_at) for m in modules if m.broken_at][:20],
    )


def _lines(modules: Iterable[_Module]) -> Lines:
    kinds = sum((module.lines for module in modules), LineKinds())
    return Lines(
        total=kinds.total,
        code=kinds.code,
        comment=kinds.comment,
        docstring=kinds.docstring,
        blank=kinds.blank,
    )


def percentile(values: Sequence[int], percent: int) -> float:
    """The smallest of `values` that at least `percent` per cent of them do not exceed (nearest rank)."""
    ordered = sorted(values)
    return float(ordered[max(math.ceil(len(ordered) * percent / 100), 1) - 1])


def _complexity(placed: Sequence[tuple[str, FunctionFacts]]) -> Complexity | None:
    values = [one.complexity for _, one in placed]
    if not values:
        return None
    return Complexity(
        mean=round(statistics.fmean(values), 2),
        p90=percentile(values, 90),
        maximum=max(values),
        complex_functions=sum(value > COMPLEX for value in values),
        worst=_top(placed, key=lambda one: one.complexity),
    )


def _top(placed: Sequence[tuple[str, FunctionFacts]], *, key: _Key) -> list[FunctionPlace]:
    ordered = sorted(placed, key=lambda pair: (-key(pair[1]), pair[0], pair[1].line))
    return [
        FunctionPlace(
            function=one.qualname,
            place=Place(path=path, line=one.line),
            complexity=one.complexity,
            lines=one.lines,
        )
        for path, one in ordered[:5]
    ]


def _share(part: int, whole: int) -> float | None:
    return round(part / whole, 4) if whole else None


def _is_public(path: str) -> bool:
    parts = PurePosixPath(path).with_suffix("").parts
    return not any(part.startswith("_") and part not in {"__init__", "__main__"} for part in parts)


def _exported(file: SourceFile, tree: ast.Module) -> int | None:
    parts = PurePosixPath(file.path).parts
    if parts[-1] != "__init__.py" or len(parts) > 2 + (parts[0] == "src"):
        return None
    for node in tree.body:
        named = isinstance(node, ast.Assign) and [ast.unparse(target) for target in node.targets] == ["__all__"]
        if named and isinstance(node, ast.Assign) and isinstance(node.value, ast.List | ast.Tuple):
            return len(node.value.elts)
    return None
