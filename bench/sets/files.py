"""The files of sets: JSON lines, read strictly and written in the order of what was read."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any, TypeVar

import msgspec

from accord.errors import BadInput, Place, Problem

T = TypeVar("T")


class Arguments(msgspec.Struct, frozen=True):
    """What the runner was asked for."""

    file: Path
    train: Path | None = None
    out: Path | None = None


def read(path: Path, kind: type[T]) -> list[T]:
    """The values of a file, one on each line; empty lines are passed over.

    Raises:
        BadInput: ACC911, with every line that is no such value, or that the file cannot be read.
    """
    hint = "docs/how-to/measure-sets.md has the format"
    try:
        lines = path.read_bytes().splitlines()
    except OSError as error:
        raise BadInput(Problem("ACC911", f"it cannot be read: {error.strerror}", Place(file=str(path)))) from error
    decoder = msgspec.json.Decoder(kind)
    found: list[T] = []
    problems: list[Problem] = []
    for number, line in enumerate(lines, 1):
        if not line.strip():
            continue
        try:
            found.append(decoder.decode(line))
        except msgspec.DecodeError as error:
            problems.append(Problem("ACC911", str(error), Place(file=str(path), line=number), hint))
    BadInput.raise_if(problems)
    return found


def write(path: Path | None, values: Iterable[Any]) -> None:
    """Write the values, one on each line; nowhere where no file was asked for."""
    if path is not None:
        path.write_bytes(b"".join(msgspec.json.encode(value) + b"\n" for value in values))
