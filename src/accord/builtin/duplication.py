"""The comparer: blocks of code that stand in more than one place.

Lines are normalised (blanks, comments, imports and lone brackets left out), every run of `WINDOW` of them is hashed,
and runs that meet again are grown as far as they agree. Runs that are chosen by their hashes would do for finding
copies between whole archives (winnowing: Schleimer, Wilkerson, Aiken 2003); within one tree all of them fit.
"""

from __future__ import annotations

import asyncio
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Annotated

from pydantic import Field

from accord.builtin.batches import in_batches
from accord.builtin.inventory import FileRecord
from accord.builtin.languages import language_of
from accord.builtin.line_kinds import physical_lines
from accord.builtin.products import Count, Name, Record, Share
from accord.builtin.sources import SourceFile, directory_at, file_below, read_text
from accord.sdk import Agent, Context

agent = Agent("comparer")

WINDOW = 8
"""Lines that must agree, after normalisation, to be called a copy."""
MOST_BLOCKS = 100
MOST_BYTES = 12_000_000
_MOST_PLACES = 40
"""A run that occurs more often is boilerplate; it is compared with this many of its occurrences."""
_BLANK = re.compile(r"\s+")
_NOISE = re.compile(r"[\s(){}\[\];,:]*\Z|import |from \S+ import |#include|using |package |@\w+\Z|pass\Z|\"\"\"\Z")


class DuplicationOrder(Record):
    """The files of an inventory."""

    root: Name
    files: list[FileRecord]


class CopyPlace(Record):
    """Where one copy stands; both lines are part of it."""

    path: Name
    first_line: Annotated[int, Field(ge=1)]
    last_line: Annotated[int, Field(ge=1)]


class DuplicateBlock(Record):
    """The same lines in several places."""

    lines: Annotated[int, Field(ge=WINDOW)] = Field(description="Normalised lines that agree.")
    places: Annotated[list[CopyPlace], Field(min_length=2)]
    begins: Annotated[str, Field(max_length=120)] = Field(description="The first line of it.")


class Duplication(Record):
    """The duplicated blocks, the largest first, and how much of the code they are."""

    files: Count
    lines: Count = Field(description="Normalised lines that were compared.")
    duplicated_lines: Count = Field(description="Those that stand in more than one place.")
    share: Share
    blocks: Annotated[list[DuplicateBlock], Field(max_length=MOST_BLOCKS)]
    blocks_in_all: Count
    note: str | None = None


@dataclass(frozen=True)
class _Lines:
    """A file's normalised lines, and the number of each in the file."""

    path: str
    texts: tuple[str, ...]
    numbers: tuple[int, ...]


_Spot = tuple[int, int]
"""Index of a file, index of a normalised line in it."""


@agent.capability(
    "source.duplication@1.0.0",
    description="Blocks of code that stand in more than one place, with the lines of every copy.",
)
async def find_copies(order: DuplicationOrder, context: Context) -> Duplication:
    """The duplicated blocks among the programs of an inventory; test code is left out."""
    root = directory_at(order.root)
    paths = sorted(one.path for one in order.files if language_of(one.path).code and not one.test)
    files, note = _bounded(file for path in paths if (file := file_below(root, path)))
    normalised = [one for one in await in_batches(files, _normalised, context, "read") if one.texts]
    return await asyncio.to_thread(duplication, normalised, note)


def duplication(files: Sequence[_Lines], note: str | None = None) -> Duplication:
    """The blocks that occur more than once in `files`."""
    groups = _groups(files)
    covered = {
        (file, line) for length, spots in groups for file, start in spots for line in range(start, start + length)
    }
    total = sum(len(one.texts) for one in files)
    return Duplication(
        files=len(files),
        lines=total,
        duplicated_lines=len(covered),
        share=round(len(covered) / total, 4) if total else 0.0,
        blocks=[_block(files, length, spots) for length, spots in groups[:MOST_BLOCKS]],
        blocks_in_all=len(groups),
        note=note,
    )


def normalised_lines(path: str, content: str) -> _Lines:
    """The lines of a file that count when copies are looked for, with single blanks."""
    marks = language_of(path).comments
    texts, numbers = [], []
    for number, line in enumerate(physical_lines(content), 1):
        text = line.strip()
        if not _NOISE.match(text) and not (marks and text.startswith(marks)):
            texts.append(_BLANK.sub(" ", text))
            numbers.append(number)
    return _Lines(path, tuple(texts), tuple(numbers))


def _normalised(file: SourceFile) -> _Lines:
    text = read_text(file)
    return normalised_lines(file.path, text.content if text else "")


def _bounded(files: Iterable[SourceFile]) -> tuple[list[SourceFile], str | None]:
    chosen, left_out, used = [], 0, 0
    for file in files:
        if used + file.size_bytes > MOST_BYTES:
            left_out += 1
            continue
        chosen.append(file)
        used += file.size_bytes
    return chosen, f"{left_out} files beyond {MOST_BYTES:,} bytes were not compared" if left_out else None


def _groups(files: Sequence[_Lines]) -> list[tuple[int, list[_Spot]]]:
    """Length and places of every block that is not part of a longer one with the same places, the largest first."""
    index = _index(files)
    found: dict[tuple[str, ...], set[_Spot]] = {}
    for spots in index.values():
        for number, first in enumerate(spots):
            for second in spots[number + 1 :]:
                if not _same_before(files, first, second):
                    length = _agreement(files, first, second)
                    text = files[first[0]].texts[first[1] : first[1] + length]
                    found.setdefault(text, set()).update((first, second))
    groups = [(len(text), sorted(spots)) for text, spots in found.items()]
    return sorted(_outermost(groups), key=lambda one: (-one[0] * (len(one[1]) - 1), one[1]))


def _index(files: Sequence[_Lines]) -> dict[int, list[_Spot]]:
    """Where each run of `WINDOW` lines occurs, for the runs that occur more than once."""
    index: dict[int, list[_Spot]] = {}
    for number, file in enumerate(files):
        for start in range(len(file.texts) - WINDOW + 1):
            index.setdefault(hash(file.texts[start : start + WINDOW]), []).append((number, start))
    return {key: spots[:_MOST_PLACES] for key, spots in index.items() if len(spots) > 1}


def _same_before(files: Sequence[_Lines], first: _Spot, second: _Spot) -> bool:
    """Whether the line before both places agrees too; then the block was met one line earlier."""
    (a, i), (b, j) = first, second
    return i > 0 and j > 0 and files[a].texts[i - 1] == files[b].texts[j - 1]


def _agreement(files: Sequence[_Lines], first: _Spot, second: _Spot) -> int:
    """How many lines agree from both places on; copies in one file do not overlap."""
    (a, i), (b, j) = first, second
    one, two = files[a].texts, files[b].texts
    most = min(len(one) - i, len(two) - j, j - i if a == b else len(one))
    length = 0
    while length < most and one[i + length] == two[j + length]:
        length += 1
    return length


def _outermost(groups: Iterable[tuple[int, list[_Spot]]]) -> list[tuple[int, list[_Spot]]]:
    """The groups of at least `WINDOW` lines that do not lie wholly inside a longer one."""
    kept: list[tuple[int, list[_Spot]]] = []
    covered: set[_Spot] = set()
    for length, spots in sorted(groups, key=lambda one: (-one[0], one[1])):
        if length < WINDOW:
            continue
        lines = {(file, line) for file, start in spots for line in range(start, start + length)}
        if not lines <= covered:
            kept.append((length, spots))
            covered |= lines
    return kept


def _block(files: Sequence[_Lines], length: int, spots: Sequence[_Spot]) -> DuplicateBlock:
    places = [
        CopyPlace(
            path=files[file].path,
            first_line=files[file].numbers[start],
            last_line=files[file].numbers[start + length - 1],
        )
        for file, start in spots
    ]
    file, start = spots[0]
    return DuplicateBlock(lines=length, places=places, begins=files[file].texts[start][:120])
