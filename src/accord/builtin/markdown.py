"""Markdown that stays whole whatever the analysed files are called or contain."""

from __future__ import annotations

import re
from collections.abc import Iterable, Sequence

_SPECIAL = re.compile(r"([\\`*_{}\[\]<>|#~!])")


def escaped(text: str) -> str:
    """`text` as plain words on one line: nothing in it is read as Markdown or HTML."""
    return _SPECIAL.sub(r"\\\1", " ".join(text.split()))


def code(text: str) -> str:
    """`text` as a code span that also keeps its shape in a table cell."""
    flat = " ".join(text.split()).replace("|", "¦")
    fence = "`" * (max((len(run) for run in re.findall(r"`+", flat)), default=0) + 1)
    pad = " " if flat.startswith("`") or flat.endswith("`") or not flat else ""
    return f"{fence}{pad}{flat}{pad}{fence}"


def table(header: Sequence[str], rows: Iterable[Sequence[str]], *, numeric: bool = False) -> str:
    """A table of cells that are Markdown already; with `numeric` all columns but the first are set to the right."""
    marks = ["---", *(("---:" if numeric else "---") for _ in header[1:])]
    lines = [header, marks, *rows]
    return "\n".join(f"| {' | '.join(cell.replace(chr(10), ' ') for cell in line)} |" for line in lines)


def bullets(lines: Iterable[str]) -> str:
    """A list, one line each."""
    return "\n".join(f"- {line}" for line in lines)


def listed(words: Sequence[str], last: str = "and") -> str:
    """The words as a sentence lists them: `a, b and c`."""
    if len(words) < 2:
        return "".join(words)
    return f"{', '.join(words[:-1])} {last} {words[-1]}"


def counted(number: int, noun: str, plural: str | None = None) -> str:
    """`1 file`, `1,200 files`."""
    return f"{number:,} {noun if number == 1 else plural or noun + 's'}"


def bytes_in_words(size: int) -> str:
    """A size in decimal units with two or three digits."""
    amount = float(size)
    for unit in ("bytes", "kB", "MB"):
        if amount < 1000:
            return f"{amount:.0f} {unit}" if unit == "bytes" or amount >= 10 else f"{amount:.1f} {unit}"
        amount /= 1000
    return f"{amount:.1f} GB"


def document(*sections: str) -> str:
    """The sections that are not empty, a blank line between them and one line end after the last."""
    return "\n\n".join(section.strip("\n") for section in sections if section.strip()) + "\n"
