"""The registrar: what a product says about itself."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from email.message import Message
from pathlib import Path
from typing import Annotated, Any, Literal

from pydantic import Field

from accord.builtin.discover import project_table
from accord.builtin.licences import Licence, licence_of
from accord.builtin.products import Count, Name, Product, Record, Subject
from accord.builtin.sources import Tree, directory_at, installed, tree_of
from accord.sdk import Agent

agent = Agent("registrar")

MOST_WORDS = 400
"""The longest vocabulary kept; a long description repeats itself."""


class Link(Record):
    """A project URL with its label."""

    label: str
    url: str


class EntryPoint(Record):
    """A command or plug-in that the product registers on installation."""

    group: str
    name: str


class Metadata(Record):
    """What a product states about itself; `stated_by` says where it was read."""

    name: Name
    version: str | None
    stated_by: Literal["distribution metadata", "pyproject.toml", "nothing"]
    summary: str | None
    licence: Licence
    authors: list[str]
    requires_python: str | None
    keywords: list[str]
    links: list[Link]
    maturity: str | None = Field(description="The `Development Status` classifier, in words.")
    python_versions: list[str] = Field(description="Python versions that the classifiers name.")
    topics: list[str] = Field(description="The other classifiers' last parts.")
    entry_points: list[EntryPoint] = Field(max_length=50)
    typed: bool = Field(description="Whether a `py.typed` marker (PEP 561) is there.")
    description_words: Count = Field(description="Length of the long description.")
    vocabulary: Annotated[list[str], Field(max_length=MOST_WORDS)] = Field(
        description="Distinct words of name, summary, keywords, topics and description, for matching a purpose."
    )


@agent.capability(
    "software.metadata@1.0.0",
    description="Licence, authors, Python versions, maturity, links and entry points that a product states.",
)
def describe(subject: Subject) -> Metadata:
    """What the product states about itself, from its distribution metadata or its pyproject.toml."""
    product = subject.product
    tree = tree_of(product)
    if product.kind == "distribution":
        stated = _Stated.by_distribution(product.location)
    else:
        stated = _Stated.by_project(directory_at(product.location))
    return stated.record(product, tree)


class _Stated:
    """The fields of core metadata, whichever file they came from."""

    def __init__(self, origin: Literal["distribution metadata", "pyproject.toml", "nothing"]) -> None:
        self.origin = origin
        self.summary: str | None = None
        self.expression: str | None = None
        self.licence_field: str | None = None
        self.classifiers: list[str] = []
        self.authors: list[str] = []
        self.requires_python: str | None = None
        self.keywords: list[str] = []
        self.links: list[Link] = []
        self.entry_points: list[EntryPoint] = []
        self.description = ""

    @classmethod
    def by_distribution(cls, name: str) -> _Stated:
        distribution = installed(name)
        stated = cls("distribution metadata")
        headers: Message = distribution.metadata  # type: ignore[assignment]  # its protocol hides get_payload
        stated.summary = _known(headers.get("Summary"))
        stated.expression = _known(headers.get("License-Expression"))
        stated.licence_field = _known(headers.get("License"))
        stated.classifiers = list(headers.get_all("Classifier", []))
        stated.authors = _people(_headers(headers, "Author", "Author-email", "Maintainer", "Maintainer-email"))
        stated.requires_python = _known(headers.get("Requires-Python"))
        stated.keywords = _words_of_list(str(headers.get("Keywords", "")))
        stated.links = _links(_headers(headers, "Project-URL"), _known(headers.get("Home-page")))
        stated.entry_points = [
            EntryPoint(group=group, name=one)
            for group, one in sorted({(point.group, point.name) for point in distribution.entry_points})
        ]
        stated.description = str(headers.get("Description") or headers.get_payload() or "")
        return stated

    @classmethod
    def by_project(cls, root: Path) -> _Stated:
        project = project_table(root)
        stated = cls("pyproject.toml" if project else "nothing")
        licence = project.get("license")
        stated.summary = _known(project.get("description"))
        stated.expression = licence if isinstance(licence, str) else None
        stated.licence_field = _known(licence.get("text")) if isinstance(licence, dict) else None
        stated.classifiers = _strings(project.get("classifiers"))
        stated.authors = _people(_named(project.get("authors")) + _named(project.get("maintainers")))
        stated.requires_python = _known(project.get("requires-python"))
        stated.keywords = _strings(project.get("keywords"))
        urls = project.get("urls")
        stated.links = [Link(label=str(k), url=str(v)) for k, v in sorted((urls or {}).items())]
        stated.entry_points = _project_entry_points(project)
        stated.description = _readme(root)
        return stated

    def record(self, product: Product, tree: Tree) -> Metadata:
        topics = [line.split(" :: ")[-1] for line in self.classifiers if line.startswith(("Topic ::", "Framework ::"))]
        spoken = (product.name, self.summary or "", *self.keywords, *topics, self.description)
        return Metadata(
            name=product.name,
            version=product.version,
            stated_by=self.origin,
            summary=self.summary,
            licence=licence_of(self.expression, self.classifiers, self.licence_field, _licence_text(tree)),
            authors=self.authors,
            requires_python=self.requires_python,
            keywords=self.keywords,
            links=self.links,
            maturity=_maturity(self.classifiers),
            python_versions=_python_versions(self.classifiers),
            topics=sorted(set(topics)),
            entry_points=self.entry_points[:50],
            typed=any(file.path.rsplit("/", 1)[-1] == "py.typed" for file in tree.files),
            description_words=len(self.description.split()),
            vocabulary=vocabulary(" ".join(spoken)),
        )


def vocabulary(text: str) -> list[str]:
    """The distinct words of `text` in lower case, sorted; the first `MOST_WORDS` that occur."""
    without_addresses = re.sub(r"https?://\S+|<[^>]*>", " ", text.lower())
    words = dict.fromkeys(re.findall(r"[a-z][a-z0-9+#-]*[a-z0-9+#]", without_addresses))
    return sorted(list(words)[:MOST_WORDS])


def _known(value: object) -> str | None:
    text = str(value).strip() if isinstance(value, str) else ""
    return text if text and text.upper() != "UNKNOWN" else None


def _strings(value: object) -> list[str]:
    return [str(one) for one in value] if isinstance(value, list) else []


def _headers(headers: Message, *names: str) -> list[str]:
    return [str(value) for name in names for value in headers.get_all(name, [])]


def _people(values: Iterable[str]) -> list[str]:
    names = (re.sub(r"\s*<[^>]*>", "", part).strip(' "') for value in values for part in value.split(","))
    return list(dict.fromkeys(name for name in names if name and "@" not in name))[:20]


def _named(value: object) -> list[str]:
    people = value if isinstance(value, list) else []
    return [str(one["name"]) for one in people if isinstance(one, dict) and one.get("name")]


def _words_of_list(text: str) -> list[str]:
    separator = r"\s*,\s*" if "," in text else r"\s+"
    return [word for word in re.split(separator, text.strip()) if word]


def _links(urls: Iterable[str], home: str | None) -> list[Link]:
    pairs = [tuple(part.strip() for part in url.partition(",")[::2]) for url in urls]
    found = {label: url for label, url in pairs if url}
    if home and home not in found.values():
        found.setdefault("Homepage", home)
    return [Link(label=label, url=url) for label, url in sorted(found.items())]


def _project_entry_points(project: Mapping[str, Any]) -> list[EntryPoint]:
    groups = {"console_scripts": project.get("scripts"), "gui_scripts": project.get("gui-scripts")}
    groups |= dict(project.get("entry-points") or {})
    return [
        EntryPoint(group=group, name=str(one))
        for group, table in sorted(groups.items())
        if isinstance(table, dict)
        for one in sorted(table)
    ]


def _readme(root: Path) -> str:
    for name in ("README.md", "README.rst", "README.txt", "README"):
        file = root / name
        if file.is_file() and not file.is_symlink():
            return file.read_text(encoding="utf-8", errors="replace")[:200_000]
    return ""


def _licence_text(tree: Tree) -> str | None:
    names = re.compile(r"(.*\.dist-info/(licenses/)?)?(LICEN[CS]E|COPYING)[^/]*\Z", re.IGNORECASE)
    for file in tree.files:
        if names.match(file.path) and file.size_bytes < 200_000:
            return file.location.read_text(encoding="utf-8", errors="replace")[:4000]
    return None


def _maturity(classifiers: Iterable[str]) -> str | None:
    status = next((line for line in classifiers if line.startswith("Development Status ::")), None)
    return status.split(" - ")[-1] if status else None


def _python_versions(classifiers: Iterable[str]) -> list[str]:
    found = (re.fullmatch(r"Programming Language :: Python :: (3\.\d+)", line) for line in classifiers)
    return sorted({match[1] for match in found if match}, key=lambda text: int(text.split(".")[1]))
