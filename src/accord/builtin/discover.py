"""The surveyor: finds the products that a comparison names."""

from __future__ import annotations

import difflib
import re
import tomllib
from collections.abc import Mapping
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any

from pydantic import Field

from accord.builtin.products import Discovery, MissingProduct, Name, Product
from accord.builtin.sources import directory_at, editable_root, find_directory, find_distribution
from accord.sdk import Agent, Failure

agent = Agent("surveyor")


@agent.capability(
    "software.discover@1.0.0",
    description="Finds installed Python distributions and source directories by name, import name or path.",
)
def discover(
    names: Annotated[list[Name], Field(min_length=1, max_length=50, description="Names or directories.")],
) -> Discovery:
    """The products that `names` stand for, each once; a missing one is reported with names like it."""
    owners = metadata.packages_distributions()
    products: dict[str, Product] = {}
    missing: dict[str, MissingProduct] = {}
    for name in dict.fromkeys(name.strip() for name in names):
        found = _found(name, owners)
        if isinstance(found, Product):
            products.setdefault(_identity(found), found)
        else:
            missing[name] = found
    if not products:
        raise Failure("nothing-found", _nothing(list(missing.values())))
    return Discovery(products=_distinct(list(products.values())), missing=list(missing.values()))


def _found(name: str, owners: Mapping[str, list[str]]) -> Product | MissingProduct:
    if not _looks_like_a_path(name):
        candidates = map(find_distribution, (name, *sorted(owners.get(name, ()))))
        distribution = next((one for one in candidates if one), None)
        if distribution:
            return _distribution(distribution)
    return _directory(name) if find_directory(name) else _missing(name, owners)


def _looks_like_a_path(name: str) -> bool:
    return "/" in name or "\\" in name or name.startswith((".", "~"))


def _identity(product: Product) -> str:
    if product.kind == "directory":
        return str(directory_at(product.location))
    return re.sub(r"[-_.]+", "-", product.location).lower()


def _distribution(distribution: metadata.Distribution) -> Product:
    name = distribution.name
    return Product(
        name=name,
        kind="distribution",
        location=name,
        version=distribution.version or None,
        packages=_packages(distribution),
    )


def _packages(distribution: metadata.Distribution) -> list[str]:
    editable = editable_root(distribution)
    if editable:
        return importable_in(editable)
    first = {entry.parts[0] for entry in distribution.files or () if _is_importable(entry)}
    return sorted({name.split(".")[0] for name in first})


def _is_importable(entry: metadata.PackagePath) -> bool:
    outside = entry.parts[0] in {"..", "bin", "__pycache__"} or entry.parts[0].endswith((".dist-info", ".data"))
    return not outside and entry.suffix in {".py", ".so", ".pyd"}


def _directory(name: str) -> Product:
    root = directory_at(name)
    project = project_table(root)
    return Product(
        name=str(project.get("name") or root.name or name),
        kind="directory",
        location=name,
        version=str(project["version"]) if project.get("version") else None,
        packages=importable_in(root),
    )


def project_file(root: Path) -> Mapping[str, Any]:
    """`root`'s pyproject.toml; empty when there is none that can be read."""
    try:
        return tomllib.loads((root / "pyproject.toml").read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def project_table(root: Path) -> Mapping[str, Any]:
    """The `[project]` table of `root`'s pyproject.toml; empty when there is none."""
    table = project_file(root).get("project")
    return table if isinstance(table, dict) else {}


def importable_in(root: Path) -> list[str]:
    """The packages in `root/src`, or else in `root`: folders with an `__init__.py`, tests left out."""
    for base in (root / "src", root):
        found = sorted(init.parent.name for init in base.glob("*/__init__.py"))
        kept = [name for name in found if name not in {"tests", "test", "docs", "examples"}]
        if kept:
            return kept
    return [root.name] if (root / "__init__.py").is_file() else []


def _missing(name: str, owners: Mapping[str, list[str]]) -> MissingProduct:
    if _looks_like_a_path(name):
        return MissingProduct(name=name, reason="no such directory")
    known = {one.name.lower(): one.name for one in metadata.distributions() if one.name}
    known |= {package.lower(): package for package in owners}
    near = difflib.get_close_matches(name.lower(), sorted(known), n=5, cutoff=0.6)
    return MissingProduct(
        name=name,
        near=list(dict.fromkeys(known[one] for one in near)),
        reason="neither an installed distribution nor a directory",
    )


def _nothing(missing: list[MissingProduct]) -> str:
    parts = []
    for one in missing:
        near = f"; did you mean {', '.join(one.near)}?" if one.near else ""
        parts.append(f"{one.name} ({one.reason}{near})")
    return (
        f"nothing to compare: none of the {len(missing)} products was found: {'; '.join(parts)}. "
        "Install them into this environment, or give paths of source directories."
    )


def _distinct(products: list[Product]) -> list[Product]:
    """The same products under names that differ: a second `rich` is called by its location as well."""
    used: set[str] = set()
    result = []
    for product in products:
        name = product.name if product.name not in used else f"{product.name} ({product.location})"
        used.add(name)
        result.append(product.model_copy(update={"name": name}))
    return result
