"""The cartographer: what a product needs, directly and in turn, and how its own modules depend on each other."""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Iterable, Mapping
from typing import Annotated

from packaging.markers import UndefinedEnvironmentName
from packaging.requirements import InvalidRequirement, Requirement
from packaging.utils import canonicalize_name
from pydantic import Field

from accord.builtin.batches import in_batches
from accord.builtin.discover import project_table
from accord.builtin.import_graph import cycles, imports_at_load, module_name, part_graph
from accord.builtin.products import Count, Extent, Name, Product, Record, Subject
from accord.builtin.sources import (
    SourceFile,
    directory_at,
    find_distribution,
    installed,
    read_text,
    sample,
    tree_of,
)
from accord.builtin.syntax import parse_or_none
from accord.sdk import Agent, Context

agent = Agent("cartographer")

MOST_BYTES = 8_000_000


class DirectDependency(Record):
    """One requirement that holds in this environment, and what is installed for it."""

    name: Name
    requirement: Name
    installed: str | None = Field(description="The installed version; None when it is not installed.")


class Extra(Record):
    """An optional group of requirements."""

    name: Name
    requirements: list[Name]


class Cycle(Record):
    """Modules, one level below their package, that need each other to load."""

    modules: Annotated[list[Name], Field(min_length=2)]


class Dependencies(Record):
    """What a product needs to run, as this environment resolves it, and the circles in its own imports."""

    name: Name
    declared: bool = Field(description="False when no metadata says what is needed; then nothing is known.")
    direct: list[DirectDependency]
    extras: list[Extra]
    transitive: list[Name] = Field(description="Everything needed in turn, direct ones included, if installed.")
    depth: Count = Field(description="Length of the longest of the shortest chains; 0 without dependencies.")
    transitive_bytes: Count = Field(description="Size on disk of all that is needed in turn, the product left out.")
    missing: list[Name] = Field(description="Needed somewhere in the closure, but not installed.")
    modules: Count = Field(description="Parts of the package, one level down.")
    cycles: list[Cycle] = Field(description="Circles between those parts at load time, the largest first.")
    extent: Extent


@agent.capability(
    "software.dependencies@1.0.0",
    description="Direct, optional and transitive dependencies, their depth, and import cycles inside the package.",
)
async def depend(subject: Subject, context: Context) -> Dependencies:
    """What the product needs among what is installed, and the circles between its modules."""
    product = subject.product
    stated = _stated(product)
    direct, extras = _active(stated or []), _extras(stated or [])
    depths, missing = closure(direct)
    tree = await asyncio.to_thread(tree_of, product)
    files, extent = sample(tree.python(tests=False), MOST_BYTES)
    imports = dict(await in_batches(files, _imports, context, product.name))
    graph = part_graph(imports)
    return Dependencies(
        name=product.name,
        declared=stated is not None,
        direct=[_direct(one) for one in direct],
        extras=extras,
        transitive=sorted(depths),
        depth=max(depths.values(), default=0),
        transitive_bytes=sum(size_of(name) for name in sorted(depths)),
        missing=sorted(missing),
        modules=len(graph),
        cycles=[Cycle(modules=one) for one in cycles(graph)],
        extent=extent,
    )


def closure(direct: Iterable[Requirement]) -> tuple[dict[str, int], set[str]]:
    """Each installed distribution that `direct` needs in turn, with its shortest chain's length; and the others."""
    depths: dict[str, int] = {}
    missing: set[str] = set()
    seen: set[tuple[str, frozenset[str]]] = set()
    pending = deque((requirement, 1) for requirement in direct)
    while pending:
        requirement, depth = pending.popleft()
        name = canonicalize_name(requirement.name)
        state = (name, frozenset(requirement.extras))
        if state in seen:
            continue
        seen.add(state)
        found = find_distribution(name)
        if found is None:
            missing.add(name)
            continue
        depths.setdefault(name, depth)
        needs = _active(found.requires or [], requirement.extras)
        pending.extend((one, depth + 1) for one in needs)
    return depths, missing


def size_of(name: str) -> int:
    """Bytes on disk of an installed distribution; 0 when it is not installed."""
    found = find_distribution(name)
    location = Product(name=name, kind="distribution", location=name, version=None)
    return sum(file.size_bytes for file in tree_of(location).files) if found else 0


def _stated(product: Product) -> list[str] | None:
    if product.kind == "distribution":
        return list(installed(product.location).requires or [])
    project = project_table(directory_at(product.location))
    return _project_requirements(project) if project else None


def _project_requirements(project: Mapping[str, object]) -> list[str]:
    direct = project.get("dependencies")
    lines = [str(one) for one in direct] if isinstance(direct, list) else []
    optional = project.get("optional-dependencies")
    for extra, needs in sorted(optional.items()) if isinstance(optional, dict) else ():
        lines += [_with_extra(str(need), str(extra)) for need in needs]
    return lines


def _with_extra(need: str, extra: str) -> str:
    body, _, marker = need.partition(";")
    condition = f'extra == "{extra}"'
    return f"{body.strip()} ; ({marker.strip()}) and {condition}" if marker else f"{body.strip()} ; {condition}"


def _parsed(lines: Iterable[str]) -> list[Requirement]:
    requirements = []
    for line in lines:
        try:
            requirements.append(Requirement(line))
        except InvalidRequirement:
            continue
    return sorted(requirements, key=lambda one: (canonicalize_name(one.name), str(one)))


def _active(lines: Iterable[str], extras: Iterable[str] = ()) -> list[Requirement]:
    wanted = ("", *sorted(extras))
    return [one for one in _parsed(lines) if any(_holds(one, extra) for extra in wanted)]


def _holds(requirement: Requirement, extra: str) -> bool:
    try:
        return requirement.marker is None or requirement.marker.evaluate({"extra": extra})
    except UndefinedEnvironmentName:
        return False


def _extras(lines: Iterable[str]) -> list[Extra]:
    groups: dict[str, list[str]] = {}
    for one in _parsed(lines):
        for clause in str(one.marker or "").split(" and "):
            left, _, right = clause.strip(" ()").partition("==")
            if left.strip() == "extra":
                groups.setdefault(right.strip(" \"'"), []).append(_short(one))
    return [Extra(name=name, requirements=needs) for name, needs in sorted(groups.items()) if name]


def _short(requirement: Requirement) -> str:
    extras = f"[{','.join(sorted(requirement.extras))}]" if requirement.extras else ""
    return f"{requirement.name}{extras}{requirement.specifier}"


def _direct(requirement: Requirement) -> DirectDependency:
    found = find_distribution(requirement.name)
    return DirectDependency(
        name=canonicalize_name(requirement.name),
        requirement=_short(requirement),
        installed=found.version if found else None,
    )


def _imports(file: SourceFile) -> tuple[tuple[str, ...], set[tuple[str, ...]]]:
    module = module_name(file.path)
    text = read_text(file)
    tree = parse_or_none(text.content) if text else None
    package = file.path.endswith("__init__.py")
    return module, imports_at_load(tree, module, package=package) if tree else set()
