"""The software bill of materials: what Accord and its extras are made of at run time, pinned as in constraints.txt,
with licences and who needs what. CycloneDX 1.6, the same bytes for the same pins.

sbom.py FILE       write it
sbom.py --check    write nothing; name what has no pin, or a licence that is not on our list, exit code 1
"""

from __future__ import annotations

import json
import re
import sys
import tomllib
from collections.abc import Iterator, Mapping
from importlib.metadata import Distribution, PackageNotFoundError, distribution
from pathlib import Path
from typing import Final
from uuid import NAMESPACE_URL, uuid5

from cyclonedx.contrib.license.factories import LicenseFactory
from cyclonedx.model.bom import Bom, BomMetaData
from cyclonedx.model.component import Component, ComponentType
from cyclonedx.output import make_outputter
from cyclonedx.schema import OutputFormat, SchemaVersion
from packageurl import PackageURL
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

ROOT: Final = Path(__file__).resolve().parent.parent
US: Final = "accord-orchestrator"

ALLOWED: Final = frozenset((
    "0BSD", "Apache-2.0", "BSD-2-Clause", "BSD-3-Clause", "BSD", "CC0-1.0", "ISC", "MIT", "MIT-0", "PSF-2.0",
    "Unlicense", "Zlib",
    "CNRI-Python",  # the licence of Python 1.6: attribution only, approved by OSI
    "MPL-2.0",  # in files of its own, which we do not change
))  # fmt: skip
"""Licences of what we may depend on; of several that one may choose from, one has to be here."""

SAID: Final[Mapping[str, str]] = {"cedarpy": "Apache-2.0"}
"""Licences of packages whose metadata does not say them, as their own licence files do."""

CLASSIFIED: Final = {
    "Apache Software License": "Apache-2.0",
    "BSD License": "BSD",
    "ISC License (ISCL)": "ISC",
    "MIT License": "MIT",
    "Mozilla Public License 2.0 (MPL 2.0)": "MPL-2.0",
    "Python Software Foundation License": "PSF-2.0",
}
"""The words of classifiers and of older metadata, as SPDX names them."""

WRITTEN: Final = {
    "Apache 2.0": "Apache-2.0",
    "Apache License 2.0": "Apache-2.0",
    "Apache License, Version 2.0": "Apache-2.0",
    "3-Clause BSD License": "BSD-3-Clause",
    "BSD 3-Clause": "BSD-3-Clause",
    "MIT license": "MIT",
    "The MIT License (MIT)": "MIT",
    **CLASSIFIED,
}


def pins() -> dict[str, str]:
    """The version of each package in constraints.txt, by its name."""
    lines = (ROOT / "constraints.txt").read_text("utf-8").splitlines()
    found = (line.partition("==") for line in lines if "==" in line)
    return {canonicalize_name(name): version for name, _, version in found}


def needed() -> dict[str, set[str]]:
    """What each package needs, beginning with ours with all its extras; names as in the pins."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    own = [*project["dependencies"], *(one for extra in project["optional-dependencies"].values() for one in extra)]
    graph: dict[str, set[str]] = {US: set()}
    waiting = [(US, Requirement(text)) for text in own]
    seen: set[tuple[str, str]] = set()
    while waiting:
        asker, wanted = waiting.pop()
        name = canonicalize_name(wanted.name)
        graph[asker].add(name)
        graph.setdefault(name, set())
        for extra in ("", *wanted.extras):
            if (name, extra) not in seen:
                seen.add((name, extra))
                waiting += [(name, one) for one in _requirements(name, extra)]
    return graph


def _requirements(name: str, extra: str) -> Iterator[Requirement]:
    found = _installed(name)
    for text in (found.requires if found else None) or ():
        wanted = Requirement(text)
        if wanted.marker is None:
            if not extra:
                yield wanted
        elif wanted.marker.evaluate({"extra": extra}) and not (extra and wanted.marker.evaluate({"extra": ""})):
            yield wanted


def _installed(name: str) -> Distribution | None:
    try:
        return distribution(name)
    except PackageNotFoundError:
        return None


def licence_of(name: str) -> str:
    """The licence as an SPDX expression, empty where nobody says it."""
    found = _installed(name)
    if name in SAID or found is None:
        return SAID.get(name, "")
    said = found.metadata.get_all("License-Expression") or []
    if said:
        return str(said[0])
    classifiers = [
        one.rpartition(" :: ")[2] for one in found.metadata.get_all("Classifier") or [] if "License ::" in one
    ]
    known = [CLASSIFIED[one] for one in classifiers if one in CLASSIFIED]
    if known:
        return " OR ".join(known)
    text = next(iter((found.metadata.get("License") or "").strip().splitlines()), "")
    return WRITTEN.get(text, text)


def is_allowed(expression: str) -> bool:
    """Whether we may depend on something under this licence."""
    offers = re.split(r"\s+OR\s+", expression.replace("(", "").replace(")", ""))
    return any(all(part.strip() in ALLOWED for part in re.split(r"\s+AND\s+", offer)) for offer in offers)


def problems(graph: Mapping[str, set[str]], versions: Mapping[str, str]) -> Iterator[str]:
    """What stands in the way of a bill that is whole."""
    for name in sorted(graph.keys() - {US}):
        if name not in versions:
            yield f"{name} is needed, and constraints.txt has no pin of it"
        elif _installed(name) is None:
            yield f"{name} is needed, and not installed here"
        elif not is_allowed(licence_of(name)):
            yield f"{name} {versions[name]} is under {licence_of(name) or 'no licence that it names'!r}"


def document(graph: Mapping[str, set[str]], versions: Mapping[str, str]) -> str:
    """The bill, as JSON."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text("utf-8"))["project"]
    parts = {name: _component(name, versions[name]) for name in sorted(graph.keys() - {US})}
    ours = parts[US] = _component(US, project["version"], project["license"], ComponentType.APPLICATION)
    named = "\n".join(f"{name}=={one.version}" for name, one in sorted(parts.items()))
    bom = Bom(
        serial_number=uuid5(NAMESPACE_URL, named),
        metadata=BomMetaData(component=ours),
        components=[one for name, one in parts.items() if name != US],
    )
    for name, needs in graph.items():
        bom.register_dependency(parts[name], [parts[one] for one in sorted(needs)])
    made = json.loads(make_outputter(bom, OutputFormat.JSON, SchemaVersion.V1_6).output_as_string())
    del made["metadata"]["timestamp"]  # when it was made says nothing about what is in it
    return json.dumps(made, indent=2) + "\n"


def _component(
    name: str, version: str, licence: str | None = None, kind: ComponentType = ComponentType.LIBRARY
) -> Component:
    said = licence or licence_of(name)
    url = PackageURL("pypi", name=name, version=version)
    made = [LicenseFactory().make_from_string(said)] if said else []
    return Component(name=name, version=version, type=kind, purl=url, bom_ref=str(url), licenses=made)


def main(arguments: list[str]) -> int:
    """Write, or check; the exit code."""
    if len(arguments) != 1:
        print((__doc__ or "").strip())
        return 2
    graph, versions = needed(), pins()
    wrong = list(problems(graph, versions))
    print("\n".join(wrong) or f"{len(graph) - 1} packages, each pinned, each under a licence that we allow")
    if wrong:
        return 1
    text = document(graph, versions)
    if arguments != ["--check"]:
        Path(arguments[0]).write_text(text, encoding="utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
