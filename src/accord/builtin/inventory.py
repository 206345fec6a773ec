"""The archivist: which files a directory of sources holds, and in which groups to look at them."""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Annotated

from pydantic import Field

from accord.builtin.languages import language_of
from accord.builtin.line_kinds import physical_lines
from accord.builtin.products import Count, Name, Record, Share
from accord.builtin.sources import (
    LARGEST_FILE_BYTES,
    SourceFile,
    directory_at,
    is_test_path,
    read_text,
    tree_below,
)
from accord.sdk import Agent

agent = Agent("archivist")


class InventoryOrder(Record):
    """Which directory to take stock of, and how much of it at most."""

    directory: Name
    most_files: Annotated[int, Field(ge=1, le=20_000)] = 5_000
    most_bytes: Annotated[int, Field(ge=1, le=500_000_000)] = 40_000_000
    group_bytes: Annotated[int, Field(ge=1_000, le=10_000_000)] = Field(
        default=250_000, description="About how much text one group holds."
    )
    most_groups: Annotated[int, Field(ge=1, le=1_000)] = 64


class FileRecord(Record):
    """One text file; the path is relative to the root."""

    path: Name
    language: Name
    size_bytes: Count
    lines: Count
    test: bool


class LanguageShare(Record):
    """All files of one language."""

    language: Name
    files: Count
    lines: Count
    size_bytes: Count
    share: Share = Field(description="Of all lines.")


class Inventory(Record):
    """The text files below a directory, without what a `.gitignore` leaves out, and what else was left out."""

    root: Name = Field(description="The directory as it was given.")
    title: Name
    files: list[FileRecord]
    languages: list[LanguageShare]
    groups: list[Annotated[list[Name], Field(min_length=1)]] = Field(
        description="All paths, in groups of about the same size."
    )
    lines: Count
    size_bytes: Count
    binary_files: Count
    notes: list[str] = Field(description="What was left out, and by which bound.")


@agent.capability(
    "source.inventory@1.0.0",
    description="The text files of a directory by language and size, in balanced groups for looking at in parallel.",
)
def take_stock(order: InventoryOrder) -> Inventory:
    """The files below a directory; symbolic links are not followed, and bounds that were met are reported."""
    root = directory_at(order.directory)
    tree = tree_below(root, order.most_files)
    chosen, notes = _within(tree.files, order)
    if tree.cut:
        notes.insert(0, f"the walk ended at {order.most_files:,} files")
    records, binary = _records(chosen)
    lines = sum(one.lines for one in records)
    return Inventory(
        root=order.directory,
        title=_title(root),
        files=records,
        languages=_languages(records, lines),
        groups=balanced(records, order.group_bytes, order.most_groups),
        lines=lines,
        size_bytes=sum(one.size_bytes for one in records),
        binary_files=binary,
        notes=notes,
    )


def balanced(files: Sequence[FileRecord], group_bytes: int, most_groups: int) -> list[list[str]]:
    """The paths in groups of about `group_bytes`: the largest file first, each to the lightest group so far."""
    total = sum(one.size_bytes for one in files)
    number = min(max(-(-total // group_bytes), 1), most_groups, len(files))
    heap = [(0, index) for index in range(number)]
    groups: list[list[str]] = [[] for _ in range(number)]
    for file in sorted(files, key=lambda one: (-one.size_bytes, one.path)):
        load, index = heapq.heappop(heap)
        groups[index].append(file.path)
        heapq.heappush(heap, (load + file.size_bytes + 1, index))
    return [sorted(group) for group in groups if group]


def _title(root: Path) -> str:
    return root.name or "/"


def _within(files: Iterable[SourceFile], order: InventoryOrder) -> tuple[list[SourceFile], list[str]]:
    chosen, large, late, used = [], 0, 0, 0
    for file in files:
        if file.size_bytes > LARGEST_FILE_BYTES:
            large += 1
        elif used + file.size_bytes > order.most_bytes:
            late += 1
        else:
            chosen.append(file)
            used += file.size_bytes
    notes = [f"{large:,} files over {LARGEST_FILE_BYTES:,} bytes each were left out"] if large else []
    if late:
        notes.append(f"{late:,} files were left out, since {order.most_bytes:,} bytes in all were reached")
    return chosen, notes


def _records(files: Iterable[SourceFile]) -> tuple[list[FileRecord], int]:
    records, binary = [], 0
    for file in files:
        text = read_text(file)
        if text is None:
            binary += 1
            continue
        records.append(
            FileRecord(
                path=file.path,
                language=language_of(file.path).name,
                size_bytes=file.size_bytes,
                lines=len(physical_lines(text.content)),
                test=is_test_path(file.path),
            )
        )
    return records, binary


def _languages(files: Iterable[FileRecord], lines: int) -> list[LanguageShare]:
    groups: dict[str, list[FileRecord]] = {}
    for file in files:
        groups.setdefault(file.language, []).append(file)
    shares = [
        LanguageShare(
            language=name,
            files=len(several),
            lines=sum(one.lines for one in several),
            size_bytes=sum(one.size_bytes for one in several),
            share=round(sum(one.lines for one in several) / lines, 4) if lines else 0.0,
        )
        for name, several in groups.items()
    ]
    return sorted(shares, key=lambda one: (-one.lines, one.language))
