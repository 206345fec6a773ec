"""What the built-in agents hand to each other about software products: values without behaviour."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Count = Annotated[int, Field(ge=0)]
Share = Annotated[float, Field(ge=0, le=1)]
Amount = Annotated[float, Field(ge=0)]
Name = Annotated[str, Field(min_length=1, max_length=4096)]
Severity = Literal["low", "medium", "high"]


class Record(BaseModel):
    """A strict value of a built-in contract: no unknown fields, no change after it is made."""

    model_config = ConfigDict(extra="forbid", frozen=True)


class Product(Record):
    """One product to compare: an installed Python distribution or a directory of sources."""

    name: Name = Field(description="Unique within one comparison; all later records carry it.")
    kind: Literal["distribution", "directory"]
    location: Name = Field(
        description="A directory's path as it was given, or the name by which the distribution is installed."
    )
    version: str | None = Field(description="None where neither metadata nor a project file says it.")
    packages: list[Name] = Field(default_factory=list, description="Importable top-level packages and modules, sorted.")


class Subject(Record):
    """The input of every capability that looks at one product."""

    product: Product


class MissingProduct(Record):
    """A name for which nothing was found, with installed names that look like it."""

    name: Name
    near: list[Name] = Field(default_factory=list, max_length=5)
    reason: str


class Discovery(Record):
    """The products that were found, in the order in which they were asked for, and the names that were not."""

    products: Annotated[list[Product], Field(min_length=1)]
    missing: list[MissingProduct] = Field(default_factory=list)


class Place(Record):
    """A line of a file; the path is relative to the product's root, with forward slashes."""

    path: Name
    line: Annotated[int, Field(ge=1)]

    def __str__(self) -> str:
        return f"{self.path}:{self.line}"


class Extent(Record):
    """How much of a product was read, so that a sample is never mistaken for the whole."""

    files: Count = Field(description="Files that could have been read.")
    files_read: Count
    source_bytes: Count
    source_bytes_read: Count
    note: str | None = Field(default=None, description="What was cut, and by which bound; None when nothing was.")

    @property
    def complete(self) -> bool:
        return self.note is None


class Chart(Record):
    """A drawing that stands alone; the report refers to it as `{name}.svg`."""

    name: Annotated[str, Field(pattern="^[a-z][a-z0-9-]*$")]
    title: Name
    svg: Annotated[str, Field(min_length=1)]


class Report(Record):
    """A finished report: Markdown, its charts, and the result in a few sentences."""

    markdown: Annotated[str, Field(min_length=1)]
    charts: list[Chart]
    summary: Annotated[str, Field(min_length=1)]
